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

/* Pop an element of an open list, and reply with it; with `name` the reply is BLPOP's. */
void rd_list_pop(rd_call *c, rd_coll *l, bool left, const rd_bytes *name);
/* Pop up to `n` > 0 elements of an open list. With `name` the reply is LMPOP's. A list that cannot be sent stays as it
 * is. */
void rd_list_pop_several(rd_call *c, rd_coll *l, bool left, uint64_t n, const rd_bytes *name);
/* Parse the arguments of LMPOP from the number of keys, argv[at], on. False after an error reply. */
bool rd_list_parse_mpop(rd_call *c, uint32_t at, uint32_t *keys, bool *left, int64_t *count);
/* Pop up to `count` elements of the first list that exists; 0: one, with the reply of BLPOP. False: none exists, and
 * nothing was replied. */
bool rd_list_pop_first(rd_call *c, uint32_t first, uint32_t keys, bool left, uint64_t count);
/* LMOVE of the keys argv[1] and argv[2]. False: the source does not exist, and nothing was replied. */
bool rd_list_move(rd_call *c, bool from_left, bool to_left);

/* True if it takes long to reply with `n` elements from `rank` on, or to remove them. */
bool rd_list_is_long(const rd_coll *l, uint64_t rank, uint64_t n);

/* LEFT or RIGHT. False after an error reply. */
bool rd_list_side(rd_call *c, rd_bytes arg, bool *left);

/* Remove `n` elements from `rank` on, of `count`: the key with the last ones. Reports the event, and the key's
 * deletion. */
void rd_list_cut(rd_coll *l, uint64_t rank, uint64_t n, uint64_t count, rd_key_event event);

#endif
