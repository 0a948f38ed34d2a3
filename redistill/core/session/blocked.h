/* blocked.h - sessions that wait: held by CLIENT PAUSE or for another session (RD_PAUSED), or within a blocking command
 * (RD_BLOCKED).
 *
 * Nothing polls. A blocked session is resumed when it is woken, or when its deadline has come; rd_session_resume then
 * finds what has happened, and may return the same status again. A loop resumes the sessions that it carries; all
 * others are the owner's (rd_woken_owner, state.deadline_ns).
 *
 * A command that blocks sets state.deadline_ns and has its session return RD_BLOCKED; the rest of `state` is kept here.
 * Whoever gives it something calls rd_session_wake. The session returns RD_BLOCKED again as long as it must wait on.
 *
 * Deadlines are nanoseconds of rd_blocked_now: CLOCK_MONOTONIC, so that no session waits longer when the wall clock is
 * set. */
#ifndef RD_BLOCKED_H
#define RD_BLOCKED_H

#include "session/session.h"
#include "store/pause.h"

/* python: begin */

/* The `owner` (rd_session_state) of the next session that was woken and that no loop carries; 0: none. Each is named
 * once. */
uint64_t rd_woken_owner(rd_store *st);
/* Nanoseconds until the deadline of a blocked session; UINT64_MAX: it has none. */
uint64_t rd_blocked_wait(const rd_session *s);
/* The owner tells how many of its sessions wait for its own answers: they count as blocked clients, too. */
void rd_blocked_ask(rd_store *st, uint32_t sessions);
/* Set CLIENT PAUSE (pause.h), and wake the held sessions of all workers, which look at it again. */
void rd_blocked_pause(rd_store *st, unsigned mode, uint64_t until_ms);
/* Once a second: wake the held sessions if CLIENT PAUSE has changed. Usually a record has done so (RD_RECORD_PAUSE),
 * but its sender may have died before it wrote it. */
void rd_blocked_enforce(rd_store *st);

/* python: end */

static inline uint64_t rd_blocked_now(const rd_store *st) {
  return st->wall != NULL && st->clock != NULL ? st->clock() : st->now_ms * 1000000u;
}
/* The deadline that comes `milliseconds` from now; 0 milliseconds: none, which is 0. */
uint64_t rd_blocked_until(const rd_store *st, uint64_t milliseconds);

/* Wake a blocked session; does nothing to others. */
void rd_session_wake(rd_session *s);
/* Wake all that are held, in the order in which they came. */
void rd_wake_held(rd_store *st);

/* ---- for the other files of sessions ---- */

/* A call on a session has ended with `status`, and it was or is blocked. */
void rd_blocked_changed(rd_session *s, rd_status status);
/* Its carrier has changed. */
void rd_blocked_carried(rd_session *s);
/* It is about to be freed. */
void rd_blocked_forget(rd_session *s);

/* ---- for the loop ---- */

bool rd_woken_waits(const rd_store *st);
/* The carrier of the session that was woken first; NULL: none. Each is named once. */
void *rd_woken_next(rd_store *st);
/* True if rd_woken_owner would name a session. */
bool rd_woken_to_owners(const rd_store *st);

#endif
