/* pool.h - the free regions, and the limit on regions in use. Shared by all shards.
 *
 * The region table alone records the owner of each region, so the pool is rebuilt from it. */
#ifndef RD_POOL_H
#define RD_POOL_H

#include "arena/arena.h"

/* The owners of regions change only under the pool's lock. If a process dies while it holds the lock, regions without
 * an owner go to the pool. */
void rd_pool_lock(rd_store *st);
void rd_pool_unlock(rd_store *st);
/* Take a region for a shard that is marked dirty. Returns its index, or UINT32_MAX: the limit is reached, or the system
 * has no memory for it (a tmpfs that is full of other files). In the second case the pool gives only the regions that
 * it has until rd_pool_retry, so that shards evict instead. */
uint32_t rd_pool_take(rd_store *st, uint32_t shard);
void rd_pool_give(rd_store *st, uint32_t region);
/* True if `regions` regions could be taken now, including the reserve if it is `lent`. The system has then given
 * their memory. */
bool rd_pool_prepare(rd_store *st, uint64_t regions, bool lent);
/* Called now and then: let the pool ask the system for memory again. */
void rd_pool_retry(rd_store *st);
/* Rebuild the pool's list and counts from the region table. */
void rd_pool_recover(rd_store *st);
/* Regions that could be taken now. */
uint32_t rd_pool_free(const rd_store *st);
/* Set the pool's limit. `reserve` regions beyond the limit may be lent (st->borrows). */
void rd_pool_set_limit(rd_store *st, uint32_t regions, uint32_t reserve, uint32_t over_from);
/* Give the pages of free regions back to the system: begin a round over all of them, and continue it by `regions`
 * regions. Returns whether the round continues. */
void rd_pool_trim_begin(rd_store *st);
bool rd_pool_trim_step(rd_store *st, uint32_t regions);

/* ---- emptying a shard: its regions go back to the pool ---- */

/* Empty a locked shard: its regions go back to the pool, and it gets an empty index. */
void rd_empty_shard(rd_store *st, uint32_t shard);
/* The same for an undamaged shard, in time proportional to its regions. */
void rd_flush_shard(rd_store *st, uint32_t shard);

#endif
