/* hash.h - what the commands on hashes share. */
#ifndef RD_HASH_COMMANDS_H
#define RD_HASH_COMMANDS_H

#include "command/call.h"
#include "types/hash.h"

/* Look up the hash of argv[1] and open it; its item is NULL if the key does not exist. False after a WRONGTYPE
 * reply. */
bool rd_open_hash(rd_call *c, bool for_write, rd_coll *h);
/* Reply with an element. `*bytes` sums up what the command replies with. False: that is much, so the command must
 * return, to be called again where it can pause; the reply is cut to `mark`. */
bool rd_reply_element(rd_call *c, const uint8_t *at, uint64_t *bytes, size_t mark);
/* True if the command may go through all `count` fields of the hash, or the whole hash is small. False: as above. */
bool rd_may_walk(rd_call *c, const rd_coll *h, uint64_t count);
/* True if the command may give up the values of `count` fields, which it names from argv[first] on, each `step`
 * arguments behind the one before it. False: one of them is long, so the command must return, to be called again where
 * it can pause. */
bool rd_may_drop_values(rd_call *c, const rd_coll *h, uint32_t first, uint32_t count, uint32_t step);
/* True if the command may go through its arguments. */
static inline bool rd_may_take_arguments(rd_call *c) { return c->argc <= RD_LONG_ELEMENTS || rd_may_take_long(c); }

#endif
