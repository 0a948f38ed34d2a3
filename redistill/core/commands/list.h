/* list.h - functions that the commands on lists share. */
#ifndef RD_COMMANDS_LIST_H
#define RD_COMMANDS_LIST_H

#include "command/call.h"
#include "types/list.h"

/* Elements that take about a millisecond to compare, to remove, or to reply. A command that meets more takes long. */
#define RD_LIST_LONG 32768u

/* Open the list of a key. False: the key does not exist and *absent is set, or a WRONGTYPE reply was appended. */
static inline bool rd_list_open(rd_call *c, rd_coll *l, const rd_key *key, bool for_write, bool *absent) {
  rd_item *it = rd_call_value(c, key, &rd_types[RD_LIST], for_write, absent);
  if (it != NULL) rd_coll_open(l, c->store, key, it, &rd_types[RD_LIST]);
  return it != NULL;
}

/* Call change(l, arg), and again after making room, until it succeeds. It changes nothing when it returns RD_OOM. False
 * after an -OOM reply, which takes the place of what was replied since `mark`. */
typedef rd_result rd_list_change_fn(rd_coll *l, void *arg);
bool rd_list_change(rd_call *c, rd_coll *l, size_t mark, rd_list_change_fn *change, void *arg);

/* True if it takes long to reply with `n` elements from `rank` on, or to remove them. */
bool rd_list_is_long(const rd_coll *l, uint64_t rank, uint64_t n);

/* LEFT or RIGHT. False after an error reply. */
bool rd_list_side(rd_call *c, rd_bytes arg, bool *left);

/* Remove `n` elements from `rank` on, of `count`: the key with the last ones. Reports the event, and the key's
 * deletion. */
void rd_list_cut(rd_coll *l, uint64_t rank, uint64_t n, uint64_t count, rd_key_event event);

#endif
