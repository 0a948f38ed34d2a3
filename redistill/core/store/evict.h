/* evict.h - the eviction policies: how an access is recorded in an item, and which key is evicted first. */
#ifndef RD_EVICT_H
#define RD_EVICT_H

#include "arena/layout.h"
#include "store/index.h"

/* Note an access to an existing key, and the first access to a new key. */
void rd_access_hit(rd_store *st, rd_item *it);
void rd_access_new(rd_store *st, uint32_t shard, rd_item *it, uint64_t hash);
/* The item is about to leave the store; `evicted`: not deleted or expired. Keeps the counts of the S3-FIFO queues. */
void rd_access_gone(rd_store *st, uint32_t shard, const rd_item *it, uint64_t hash, bool evicted);

/* True if the item must stay where it is: the running command uses it. */
bool rd_is_pinned(const rd_store *st, const rd_item *it);
/* True if this item may be evicted under the policy. */
bool rd_evictable(const rd_store *st, const rd_item *it);
/* Choose a key to evict from the shard. 0: there is none (or none was found among very many that may not be
 * evicted). */
rd_ref rd_victim(rd_store *st, uint32_t shard);

/* The number of fingerprints in a set. A block of S3-FIFO's memory holds sets of them behind its head and its index
 * in rd_shard.ghost. */
#define RD_GHOST_WAYS 4u
#define RD_GHOST_SETS 1008u
#define RD_GHOST_BYTES ((uint32_t)sizeof(rd_blk) * 2 + RD_GHOST_SETS * RD_GHOST_WAYS * 2)
/* The bytes of the block by which S3-FIFO's memory of the shard should grow; 0: it is large enough. */
uint32_t rd_ghost_wanted(const rd_store *st, uint32_t shard);
/* Add a block to S3-FIFO's memory, if there is memory for it; remove one. */
void rd_ghost_add(rd_store *st, uint32_t shard);
bool rd_ghost_drop(rd_store *st, uint32_t shard,
                   rd_ref block); /* for a row of rd_kinds: the block is removed, not moved; returns true */

/* True if a database, or rd_set_keeping, uses the slot. Items in other slots were flushed, and may be removed. */
bool rd_slot_is_live(const rd_store *st, uint32_t slot);

#endif
