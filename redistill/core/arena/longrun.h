/* longrun.h - work that takes long, in slices that let others in.
 *
 * A command whose work grows without a small bound with what a client sent or stored runs on a stack of its own (a
 * coroutine; Conway, "Design of a Separable Transition-Diagram Compiler", 1963). Every few milliseconds it pauses in
 * the middle of whatever it does, and goes on when its session is resumed. So it is written like any other command, and
 * is as atomic: it keeps its locks while it pauses.
 *
 * Those locks are lent meanwhile: they are not in st->held, and the process that runs others takes none of them. A
 * session whose command needs one comes again later (RD_BUSY). At most one session lends at any time. Whoever else in
 * this process needs such a lock, has the work finished first; whoever can do without tries (rd_trylock_shard) and is
 * refused. Other processes wait for the lock as for any other, and put the client aside when that takes long.
 *
 * Where a command of this kind waits for a lock that somebody has, it holds none, and pauses.
 *
 * Needs st->clock; without one nothing pauses. */
#ifndef RD_LONGRUN_H
#define RD_LONGRUN_H

#include "arena/arena.h"

/* What one slice takes. */
#define RD_SLICE_NS 4000000u

typedef struct rd_longrun rd_longrun;

/* Prepare to run work(arg). The locks that the process holds become its own, and are the process's again when it has
 * ended. NULL: no memory, and nothing is changed. */
rd_longrun *rd_longrun_new(rd_store *st, void (*work)(void *arg), void *arg);
/* Run it for a slice, for the session `s`, which lends its locks if it has not ended then. True: it has ended. */
bool rd_longrun_go(rd_longrun *l, struct rd_session *s);
/* Run it to its end. `wanted` false: nobody wants what comes of it, so rd_breathe tells it to stop. */
void rd_longrun_finish(rd_longrun *l, bool wanted);
void rd_longrun_free(rd_longrun *l); /* it has ended; its memory is kept for the next one */
void rd_longrun_forget_spare(rd_store *st);

/* For the work: pause, and come back with the next slice. */
void rd_longrun_pause(rd_longrun *l);
/* A good moment to pause: called by the work at least once a millisecond, and when the slice is over it does. False:
 * give up, when all is whole as it is. Costs a look at the clock. */
bool rd_longrun_breathe(rd_longrun *l);
static inline bool rd_breathe(rd_store *st) {
  return RD_LIKELY(st->running == NULL) || rd_longrun_breathe(st->running);
}

/* ---- lent locks ---- */

static inline bool rd_is_lent(const rd_store *st, uint32_t shard) { return (st->lent[shard >> 6] >> (shard & 63)) & 1; }
/* A transaction pauses between two commands: its locks are lent, and its own again. */
void rd_lend_all(rd_store *st, struct rd_session *s);
void rd_take_back(rd_store *st);
/* Have the work that has lent a lock finished. False: the lock is still lent, by a transaction between two commands,
 * and what it protects is whole. */
bool rd_reclaim_lent(rd_store *st, uint32_t shard);

#endif
