/* longrun.h - long-running commands, in slices, so that other clients are served between them.
 *
 * A command whose work has no small bound, because it grows with the client's input or data, runs on its own stack (a
 * coroutine; Conway, "Design of a Separable Transition-Diagram Compiler", 1963). Every few milliseconds it pauses, at
 * any point of its work, and continues when its session is resumed. So it is written like any other command, and is as
 * atomic: it keeps its locks while it pauses.
 *
 * Those locks are lent meanwhile: they are not in st->held, and other commands of this process take none of them. A
 * session whose command needs one tries again later (RD_BUSY). At most one session lends at any time. Other code in
 * this process that needs such a lock finishes the work first; code that can do without only tries (rd_trylock_shard)
 * and is refused. Other processes wait for the lock as for any other, and put the client aside when that takes long.
 *
 * When a command of this kind waits for a lock that is taken, it holds no lock, and pauses. Until it has its locks no
 * other session begins to lend, so the work that runs never meets another lender (session/longcall.c).
 *
 * Needs st->clock; without a clock no command pauses. */
#ifndef RD_LONGRUN_H
#define RD_LONGRUN_H

#include "arena/arena.h"

/* The length of one slice. */
#define RD_SLICE_NS 4000000u

typedef struct rd_longrun rd_longrun;

/* Prepare to run work(arg). The work takes over the locks that the process holds, and returns them when it has ended.
 * NULL: no memory, and nothing is changed. */
rd_longrun *rd_longrun_new(rd_store *st, void (*work)(void *arg), void *arg);
/* Run the work for one slice, for the session `s`. True: the work has ended, and its locks and the changes that it
 * counted are the store's. False: it pauses, and `s` lends its locks. */
bool rd_longrun_continue(rd_longrun *l, struct rd_session *s);
/* Run the work to its end. `wanted` false: the result is not needed, so rd_yield tells it to stop. */
void rd_longrun_finish(rd_longrun *l, bool wanted);
void rd_longrun_free(rd_longrun *l); /* after its end; keeps its memory for the next one */
void rd_longrun_forget_spare(rd_store *st);

/* Called by the work, which holds no lock: pause, since a lock is taken, and return with the next slice. False: it must
 * not pause, but wait for the lock. */
bool rd_longrun_wait(rd_longrun *l);
/* True if the work pauses since a lock is taken. */
bool rd_longrun_waits(const rd_longrun *l);
/* True if the work has not ended, and holds no lock. */
bool rd_longrun_is_unlocked(const rd_longrun *l);
/* Called by the work at least once a millisecond, at points where it may pause: pauses when the slice is over. False:
 * the work should stop, once its data is whole. Costs one read of the clock. */
bool rd_longrun_yield(rd_longrun *l);
/* The same where every shard is whole, and stays so if the process dies during the pause: none is dirty meanwhile. A
 * shard that a long command leaves dirty would be lost with the process, besides one that another client's command is
 * changing. Therefore rd_yield may only be called where heap and indexes are whole, and every value but that of the
 * key that was noted last: if the process dies, that key goes, and no other (store/recovery.h). */
bool rd_longrun_yield_whole(rd_longrun *l);
static inline bool rd_yield_whole(rd_store *st) {
  return RD_LIKELY(st->running == NULL) || rd_longrun_yield_whole(st->running);
}
static inline bool rd_yield(rd_store *st) { return RD_LIKELY(st->running == NULL) || rd_longrun_yield(st->running); }

/* A long command is going to change the value of this key, in steps between which it pauses, and has finished its
 * change of the last one. Where none is noted a shard that is dirty during a pause is lost with the process. */
static inline void rd_note_changing(rd_store *st, uint32_t slot, uint64_t hash) {
  if (RD_LIKELY(st->running == NULL)) return;
  st->changing_slot = slot + 1;
  st->changing_hash = hash;
}

/* ---- lent locks ---- */

static inline bool rd_is_lent(const rd_store *st, uint32_t shard) { return (st->lent[shard >> 6] >> (shard & 63)) & 1; }
/* A transaction pauses between two commands: lend its locks, and take them back. */
void rd_lend_all(rd_store *st, struct rd_session *s);
void rd_take_back(rd_store *st);
/* Finish the work that has lent a lock. False: a transaction between two commands still lends the lock, and the shard
 * that it protects is whole. */
bool rd_reclaim_lent(rd_store *st, uint32_t shard);

#endif
