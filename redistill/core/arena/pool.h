/* pool.h - the regions that no shard has, and the limit on those that shards have. Shared by all shards.
 *
 * The region table alone says who owns which region, so the pool heals from it. */
#ifndef RD_POOL_H
#define RD_POOL_H

#include "arena/arena.h"

/* The owners of regions change under the pool's lock. Whoever dies with it leaves regions of nobody to the pool. */
void rd_pool_lock(rd_store *st);
void rd_pool_unlock(rd_store *st);
/* Take a region for a shard that is marked dirty. Its index, or UINT32_MAX: the limit is reached, or the system has no
 * memory for it (a tmpfs that is full of other files). In the second case the pool gives no more than it has, so that
 * others evict, until rd_pool_retry. */
uint32_t rd_pool_take(rd_store *st, uint32_t shard);
void rd_pool_give(rd_store *st, uint32_t region);
/* Whether so many regions could be taken now, the reserve among them if it is `lent`: the system has given them. */
bool rd_pool_prepare(rd_store *st, uint64_t regions, bool lent);
/* Ask the system again: called now and then. */
void rd_pool_retry(rd_store *st);
/* Make the pool's list and counts again from the region table. */
void rd_pool_heal(rd_store *st);
/* Regions that could be taken now. */
uint32_t rd_pool_free(const rd_store *st);
/* `reserve` regions beyond the limit are lent (st->borrows). */
void rd_pool_set_limit(rd_store *st, uint32_t regions, uint32_t reserve, uint32_t alarm);
/* Give the pages of free regions back to the system: begin a round over all of them, and go on by some regions. Returns
 * whether the round goes on. */
void rd_pool_trim_begin(rd_store *st);
bool rd_pool_trim_step(rd_store *st, uint32_t regions);

/* ---- emptying a shard: its regions go back to the pool ---- */

/* Empty a shard that is locked: its regions go back to the pool, its index is new. */
void rd_empty_shard(rd_store *st, uint32_t shard);
/* The same for one that is whole, in time proportional to its regions. */
void rd_flush_shard(rd_store *st, uint32_t shard);

#endif
