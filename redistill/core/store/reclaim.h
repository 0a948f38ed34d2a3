/* reclaim.h - making room: evicting by policy, emptying a range of a region or a whole one, taking from another
 * shard.
 *
 * Called between changes, when the shard is whole (clean): so a death in here loses at most the shard that is being
 * emptied. The items in st->pin stay where they are. */
#ifndef RD_RECLAIM_H
#define RD_RECLAIM_H

#include "arena/layout.h"

/* Make it likely that rd_heap_alloc(bytes) succeeds in this shard. false: the policy allows nothing more, and nothing
 * is lent (st->may_borrow). The work is bounded: the blocks of some regions at most. Anything in the shard but the
 * pinned items may have moved or gone. */
bool rd_reserve(rd_store *st, uint32_t shard, uint32_t bytes);
/* The same for `bytes` in many blocks. */
bool rd_reserve_many(rd_store *st, uint32_t shard, uint64_t bytes);
/* Empty a region of a locked shard by moving its blocks into the holes of other regions. Nothing is evicted. */
bool rd_pack(rd_store *st, uint32_t shard);
/* Get `regions` regions into the pool, from the shards that have the most. No item is in use. false: the policy does
 * not allow it, or other processes hold the shards that could give some. */
bool rd_make_room(rd_store *st, uint64_t regions);
/* True if any key may be evicted. Looks without a lock. */
bool rd_may_evict(const rd_store *st);

/* For a row of rd_kinds (type.h): move an item's own block. */
bool rd_item_move(rd_store *st, uint32_t shard, rd_ref block);

/* Empty one region of a locked shard: evict what the policy allows, move the rest. true: the region is in the pool. */
bool rd_empty_region(rd_store *st, uint32_t shard, uint32_t region);

/* python: begin */
/* Shrink the store to max_memory in steps: evict as far as the policy allows, `budget` regions a call at most. Returns
 * whether there was anything to do. No command is running. */
bool rd_shrink_step(rd_store *st, uint32_t budget);
/* python: end */

#endif
