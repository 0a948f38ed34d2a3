/* zset_ranges.h - the range of a command with options: ZRANGE, ZRANGESTORE and their kin. */
#ifndef RD_ZSET_RANGES_H
#define RD_ZSET_RANGES_H

#include "commands/zset_range.h"

/* The options of a range. A command presets those that its name implies; the `_is_set` ones then refuse the option. */
typedef struct rd_range_options {
  rd_range_by by;
  bool by_is_set, down, down_is_set, scores, store;
  int64_t offset, limit; /* limit < 0: none */
} rd_range_options;

/* Parse the range of a command whose bounds are argv[at] and the next argument, and its options. False after an error
 * reply. */
bool rd_parse_range_command(rd_call *c, uint32_t at, rd_range_options *o, rd_range *range);
/* The members that the command is for: `*n` of them; with `down` from `*rank` downwards. */
void rd_find_members(const rd_coll *z, const rd_range *range, const rd_range_options *o, uint64_t *rank, uint64_t *n);

#endif
