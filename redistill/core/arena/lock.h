/* lock.h - the shards' locks, their dirty marks, and what happens after a process died with one.
 *
 * Each shard has one robust, process-shared mutex. A process that changes a shard marks it dirty first and clean when
 * the change is whole, so whoever takes the lock of a dead owner knows: clean, nothing happened; dirty, the shard may
 * be torn and is emptied (store/recovery.h has more to say of it). At most one shard is dirty in a process at any time:
 * marking another cleans the first, which is right because every change is finished before the next begins. */
#ifndef RD_LOCK_H
#define RD_LOCK_H

#include "arena/key.h"
#include "arena/layout.h"

/* Stores that a dead process has executed are in memory: what must not happen is that the compiler moves a change
 * across its mark. */
#define RD_COMPILER_BARRIER() atomic_signal_fence(memory_order_seq_cst)

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
/* Make all locks of the arena anew: no process that used it lives, so nobody holds one, whatever it says. It may come
 * from a time when the machine was cut off. Dirty marks count all the same. */
void rd_renew_locks(rd_store *st);
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

/* python: begin */
/* Who holds up the others: the thread (in a process's main thread, its pid) that holds a lock of the arena for which
 * somebody waits, and itself waits for none; 0: nobody does, just now. */
uint32_t rd_lock_owner(const rd_store *st);
/* python: end */

/* A lock of the arena: robust, for all processes. Whoever makes it knows that nobody holds it. */
void rd_mutex_init(pthread_mutex_t *m);
/* The thread that holds it while somebody waits for it; 0: there is none. */
uint32_t rd_mutex_contended_by(const pthread_mutex_t *m);

/* ---- doubt: what a lock's owner has to verify first (st->verify_shard; store/recovery.h says why) ---- */

#define RD_SUSPECT UINT32_MAX /* rd_shard.checked: verify this shard, whatever the others */

static inline bool rd_in_doubt(const rd_store *st, const rd_shard *sh) {
  return sh->checked != atomic_load_explicit(&st->head->doubt, memory_order_relaxed);
}
/* Have the shard, which is locked, verified when it is locked again: something in it cannot be so. */
void rd_suspect(rd_store *st, uint32_t shard);
/* python: begin */
/* Have all of them verified. Who notices that a process died of bad memory does this. */
void rd_doubt(rd_store *st);
/* python: end */

#endif
