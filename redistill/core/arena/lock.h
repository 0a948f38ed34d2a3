/* lock.h - the shards' locks, their dirty marks, and what happens after a process died with one.
 *
 * Each shard has one robust, process-shared mutex. A process that changes a shard marks it dirty first and clean when
 * the change is whole, so whoever takes the lock of a dead owner knows: clean, nothing happened; dirty, the shard may
 * be torn and is emptied (recovery.h has more to say of it). At most one shard is dirty in a process at any time:
 * marking another cleans the first, which is right because every change is finished before the next begins. */
#ifndef RD_LOCK_H
#define RD_LOCK_H

#include "store/store.h"

/* The shard is about to change; its lock is held. */
void rd_mark_dirty(rd_store *st, uint32_t shard);
/* Whatever was marked is whole again. */
void rd_mark_clean(rd_store *st);

/* Take a shard's lock; nothing happens when this process holds it. Returns whether it was taken by this call. Work that
 * takes long (longrun.h), and holds no lock, pauses until it is free. */
bool rd_lock_shard(rd_store *st, uint32_t shard);
/* The same for a client's command, which can come again later: waits for RD_PATIENCE_NS at most. False: somebody else
 * has it. */
bool rd_lock_shard_soon(rd_store *st, uint32_t shard);
#define RD_PATIENCE_NS 2000000
/* The same without waiting: 1 taken (or retained: it is to be released, too), 0 held by this process before, -1
 * somebody else has it. */
int rd_trylock_shard(rd_store *st, uint32_t shard);
/* If the lock's owner is dead, have it free again. Whoever lives and holds it is not waited for. */
void rd_heal_lock(rd_store *st, uint32_t shard);
/* Mark clean and release. */
void rd_unlock_shard(rd_store *st, uint32_t shard);
static inline bool rd_holds_shard(const rd_store *st, uint32_t shard) {
  return (st->held[shard >> 6] >> (shard & 63)) & 1;
}

/* Take the locks of a set of shards (a bit each), of all, in ascending order. Work that takes long pauses until it gets
 * them together. */
void rd_lock_set(rd_store *st, const uint64_t wanted[RD_MAX_SHARDS / 64]);
void rd_lock_all(rd_store *st);
/* The same for a client's command: with a wait of RD_PATIENCE_NS for each at most. False: all is released again. */
bool rd_lock_set_soon(rd_store *st, const uint64_t wanted[RD_MAX_SHARDS / 64]);
void rd_lock_keys(rd_store *st, const rd_key *keys, size_t n);
/* The set of some keys' shards. */
void rd_shards_of(const rd_store *st, const rd_key *keys, size_t n, uint64_t wanted[RD_MAX_SHARDS / 64]);
/* Release all that this process holds. */
void rd_unlock_all(rd_store *st);

/* ---- retained locks ----
 *
 * A worker that is alone takes a lock once a turn and not once a command: there is nobody to wait for it (lock
 * coarsening; Diniz and Rinard, Journal of Parallel and Distributed Computing 49, 1998). Only what a command of one
 * shard has locked is retained, clean; all of it is released before a command locks several shards, before this process
 * waits for a lock, and when the turn ends. So whoever comes meanwhile waits for a turn at most, and no two processes
 * for each other. */

/* The turn begins, `alone` or not, and ends. The end leaves a transaction that waits for the control plane its locks.
 */
void rd_retain_begin(rd_store *st, bool alone);
void rd_retain_end(rd_store *st);
/* The end of a command of one shard: mark it clean, and release it or not. */
static inline void rd_leave_shard(rd_store *st, uint32_t shard) {
  if (!st->retains) {
    rd_unlock_shard(st, shard);
    return;
  }
  rd_mark_clean(st);
  st->retained = true;
}
/* Does the running command, which has locked another shard, hold this one as well? */
static inline bool rd_needs_shard(const rd_store *st, uint32_t shard) {
  return !st->retained && rd_holds_shard(st, shard);
}

/* Who holds up the others: the thread (in a process's main thread, its pid) that holds a lock of the arena for which
 * somebody waits, and itself waits for none; 0: nobody does, just now. */
uint32_t rd_lock_owner(const rd_store *st);

/* Empty a shard that is locked: its regions go back to the pool, its index is new. */
void rd_empty_shard(rd_store *st, uint32_t shard);
/* The same for one that is whole, in time proportional to its regions. */
void rd_flush_shard(rd_store *st, uint32_t shard);

/* ---- the region pool, shared by all shards ---- */

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

#endif
