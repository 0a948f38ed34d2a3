/* zset_range.h - ranges of a sorted set: by rank, by score and by name. */
#ifndef RD_ZSET_RANGE_H
#define RD_ZSET_RANGE_H

#include "commands/zset.h"

typedef enum rd_range_by { RD_BY_RANK, RD_BY_SCORE, RD_BY_NAME } rd_range_by;

/* A bound of a range by name: "-", "+", "[name" or "(name". */
typedef struct rd_name_bound {
  int infinite; /* -1: before all names; 1: behind them */
  bool open;    /* the name itself is not in the range */
  rd_bytes name;
} rd_name_bound;

typedef struct rd_range {
  rd_range_by by;
  int64_t start, stop; /* by rank; negative ones count from the end */
  double low, high;    /* by score */
  bool low_open, high_open;
  rd_name_bound first, last;
} rd_range;

/* Parse the two bounds, the lower one first. False after an error reply. */
bool rd_parse_range(rd_call *c, rd_range_by by, rd_bytes low, rd_bytes high, rd_range *range);

/* Find the members in the range: `*n` of them from `*rank` on. O(log n). */
void rd_find_range(const rd_coll *z, const rd_range *range, uint64_t *rank, uint64_t *n);

#endif
