/* expire.h - the sweep, and the functions that it shares with flushing a database. */
#ifndef RD_EXPIRE_H
#define RD_EXPIRE_H

#include "arena/arena.h"

/* python: begin */
/* One step of the background work on the shards first .. last (exclusive): removes expired keys and flushed
 * databases, and shrinks indexes. Stops after about `budget_ns` on st->clock (or after one bucket group when there
 * is no clock) and continues there at the next call. Returns true when a full round found nothing left to do. */
bool rd_sweep(rd_store *st, uint32_t first, uint32_t last, uint64_t budget_ns);
/* python: end */

/* Remove all keys of a slot that no database uses. All shards are locked. */
void rd_drain_slot(rd_store *st, uint32_t slot);
/* The same in one shard, which is locked. */
void rd_drain_slot_of(rd_store *st, uint32_t shard, uint32_t slot);

#endif
