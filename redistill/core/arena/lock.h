/* lock.h - the shards' locks, their dirty marks, and recovery after a process died while it held one.
 *
 * Each shard has one robust, process-shared mutex. A process that changes a shard marks it dirty first and clean when
 * the change is whole, so the next process that takes the lock of a dead owner knows: a clean shard is whole; a dirty
 * shard may be torn and is emptied, and one in which a long command paused loses one key (store/recovery.h). A process
 * has at most one dirty shard at any time: marking another cleans the first, which is right because every change is
 * finished before the next begins. */
#ifndef RD_LOCK_H
#define RD_LOCK_H

#include "arena/key.h"
#include "arena/layout.h"

/* The stores that a dead process executed are in memory. So only the compiler must be kept from moving a change across
 * its mark. */
#define RD_COMPILER_BARRIER() atomic_signal_fence(memory_order_seq_cst)

/* Mark a shard dirty before it changes. The caller holds its lock. A change does this several times. */
void rd_mark_dirty_first(rd_store *st, uint32_t shard);
static inline void rd_mark_dirty(rd_store *st, uint32_t shard) {
  if (st->dirty != shard + 1) rd_mark_dirty_first(st, shard);
}
/* Mark this process's dirty shard clean: its change is finished. */
void rd_mark_clean(rd_store *st);

/* Take a shard's lock; does nothing when this process already holds it. Returns whether this call took it. A
 * long-running command (longrun.h) that holds no lock pauses until the lock is free. */
bool rd_lock_shard(rd_store *st, uint32_t shard);
/* The same without waiting. 1: taken, or retained (the caller releases it, too); 0: this process held it before; -1:
 * another owner holds it. */
int rd_trylock_shard(rd_store *st, uint32_t shard);
/* For a client's command, whether it is long-running or not: as rd_lock_shard or as rd_lock_shard_soon. 1: taken; 0:
 * this process held it before; -1: the command has to be tried again later. */
int rd_lock_shard_for_command(rd_store *st, uint32_t shard);
/* Release a lock whose owner is dead. Does not wait for an owner that is alive. */
void rd_recover_lock(rd_store *st, uint32_t shard);
/* Initialize all locks of the arena again. The caller knows that no process that used the arena is alive, so no lock is
 * held, whatever its state says (the state may be from before a power failure). Dirty marks keep their meaning. */
void rd_renew_locks(rd_store *st);
/* Mark the shard clean and release its lock. */
void rd_unlock_shard(rd_store *st, uint32_t shard);
static inline bool rd_holds_shard(const rd_store *st, uint32_t shard) {
  return (st->held[shard >> 6] >> (shard & 63)) & 1;
}

/* Take the locks of a set of shards (one bit for each), or of all shards, in ascending order. A long-running command
 * pauses until it gets them all together. */
void rd_lock_set(rd_store *st, const uint64_t wanted[RD_MAX_SHARDS / 64]);
void rd_lock_all(rd_store *st);
/* The same for a client's command: waits for at most RD_LOCK_WAIT_NS for each lock. False: all of them are released
 * again. */
bool rd_lock_set_soon(rd_store *st, const uint64_t wanted[RD_MAX_SHARDS / 64]);
/* For a client's command, as rd_lock_shard_for_command. False: it has to be tried again later. */
bool rd_lock_set_for_command(rd_store *st, const uint64_t wanted[RD_MAX_SHARDS / 64]);
bool rd_lock_all_for_command(rd_store *st);
void rd_lock_keys(rd_store *st, const rd_key *keys, size_t n);
/* Set `wanted` to the shards of the `n` keys. */
void rd_shards_of(const rd_store *st, const rd_key *keys, size_t n, uint64_t wanted[RD_MAX_SHARDS / 64]);
/* Release all locks that this process holds. */
void rd_unlock_all(rd_store *st);

/* ---- retained locks ----
 *
 * A worker that is alone takes a lock once a turn and not once a command, since no other process waits for it (lock
 * coarsening; Diniz and Rinard, Journal of Parallel and Distributed Computing 49, 1998). Only the lock of a command of
 * one shard is retained, and the shard is clean. All retained locks are released before a command locks several shards,
 * before this process waits for a lock, and when the turn ends. So a process that joins meanwhile waits for at most one
 * turn, and no two processes wait for each other. */

/* The turn begins, `alone` or not, and ends. The end does not release the locks of a transaction that waits for the
 * control plane. */
void rd_retain_begin(rd_store *st, bool alone);
void rd_retain_end(rd_store *st);
/* The end of a command of one shard: mark the shard clean, and release its lock unless locks are retained. */
static inline void rd_leave_shard(rd_store *st, uint32_t shard) {
  if (!st->retains) {
    rd_unlock_shard(st, shard);
    return;
  }
  rd_mark_clean(st);
  if (RD_UNLIKELY(st->before_release != NULL)) st->before_release(st);
  st->retained = true;
}
/* True if the running command, which has locked another shard, holds this one as well. */
static inline bool rd_needs_shard(const rd_store *st, uint32_t shard) {
  return !st->retained && rd_holds_shard(st, shard);
}

/* python: begin */
/* The thread that blocks other processes: it holds a lock of the arena that another waits for, and itself waits for
 * none. For a main thread this is the pid. 0: no thread blocks others now. */
uint32_t rd_lock_owner(const rd_store *st);
/* python: end */

/* Initialize a lock of the arena: robust, shared by all processes. The caller knows that no thread holds it. */
void rd_mutex_init(pthread_mutex_t *m);
/* The thread that holds the lock while another waits for it; 0: the lock is free or no thread waits. */
uint32_t rd_mutex_contended_by(const pthread_mutex_t *m);

/* ---- doubt: shards that a lock's owner must verify first (st->verify_shard; store/recovery.h says why) ---- */

#define RD_SUSPECT UINT32_MAX /* rd_shard.checked: verify this shard, whatever the state of the others */

static inline bool rd_in_doubt(const rd_store *st, const rd_shard *sh) {
  return sh->checked != atomic_load_explicit(&st->head->doubt, memory_order_relaxed);
}
/* Mark the locked shard as damaged: it is verified when it is locked again. */
void rd_suspect(rd_store *st, uint32_t shard);
/* python: begin */
/* Have all shards verified. A process calls this when it notices that another one died of bad memory. */
void rd_doubt(rd_store *st);
/* python: end */

/* ---- the lock that each command takes, inline ---- */

static inline void rd_set_held(rd_store *st, uint32_t shard) { st->held[shard >> 6] |= 1ull << (shard & 63); }
/* Continue rd_lock_within when the lock is not free, its owner has died, or the shard is in doubt. */
int rd_lock_unusual(rd_store *st, uint32_t shard, int error, long patience);
/* Take the lock of a shard that this process does not hold. Returns 0, or how rd_lock_unusual failed. `patience`:
 * nanoseconds to wait; 0: no bound. */
static inline int rd_lock_within(rd_store *st, uint32_t shard, long patience) {
  int error = pthread_mutex_trylock(&rd_shard_at(st, shard)->lock);
  if (RD_UNLIKELY(error != 0) || RD_UNLIKELY(rd_in_doubt(st, rd_shard_at(st, shard))))
    return rd_lock_unusual(st, shard, error, patience);
  rd_set_held(st, shard);
  return 0;
}
#define RD_LOCK_WAIT_NS 500000
/* As rd_lock_shard, for a client's command, which can be retried later: waits for at most RD_LOCK_WAIT_NS, and no
 * longer in all waits of a turn together, so that this process's other clients do not wait for them. False: another
 * owner still holds it. */
static inline bool rd_lock_shard_soon(rd_store *st, uint32_t shard) {
  return rd_holds_shard(st, shard) || rd_lock_within(st, shard, RD_LOCK_WAIT_NS) == 0;
}

#endif
