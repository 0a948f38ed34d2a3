/* blocking.h - sessions that wait for a key: BLPOP and its relatives.
 *
 * A session that waits has returned RD_BLOCKED (blocked.h). The command that waits stays in its input, not executed,
 * with all that follows it. So a hand-over, a change of permissions and the loss of a shard need no means of their own:
 * the wait ends, and the command runs again, with its old number and its old deadline, and takes its old place in the
 * queues (queue.h).
 *
 * The wait ends, and the session is woken,
 *   - when a key has something for it: whoever changed the key executes the command for it, before any lock is
 * released;
 *   - by rd_session_unblock, for CLIENT UNBLOCK;
 *   - by rd_session_retry;
 * or when it is resumed at its deadline. Except for a retry the reply is then in the output. rd_session_resume goes on
 * with the input; a session that still waits returns RD_BLOCKED again, and nothing is changed.
 *
 * Another worker that serves a client leaves the reply in the key's queue, in the same change as the removal of the
 * element, and sends RD_RECORD_WAKE. If a worker dies, or ends a connection, before it has taken what its client was
 * given, the elements go back to where they came from (giveback.h). */
#ifndef RD_BLOCKING_H
#define RD_BLOCKING_H

#include "session/session.h"

/* python: begin */

typedef enum rd_unblock {
  RD_UNBLOCK_TIMEOUT, /* the reply is the command's null */
  RD_UNBLOCK_ERROR,   /* -UNBLOCKED client unblocked via CLIENT UNBLOCK */
} rd_unblock;

/* End the session's wait with a reply. False: it does not wait, or has just been given something; do nothing. */
bool rd_session_unblock(rd_session *s, rd_unblock how);
/* Have the session's command run again when it is resumed: something that it depends on has changed. */
void rd_session_retry(rd_session *s);
/* The sessions of this process that wait. */
uint32_t rd_waits_count(const rd_store *st);
/* The keys that sessions of any process wait for. */
uint64_t rd_waits_keys(rd_store *st);
/* To be called once a second, and when a worker has died: waits whose shard was lost begin again, records that were
 * lost are made up for, and what dead workers left is cleaned up. */
void rd_waits_tend(rd_store *st);

/* python: end */

struct rd_record;

/* Read a record of another worker: RD_RECORD_WAKE. */
void rd_waits_read(rd_store *st, const struct rd_record *r);
/* Finish what had to wait for a lock. To be called every turn; costs a test. */
void rd_waits_settle(rd_store *st);
/* rd_store.forget_waiting: the process ends. */
void rd_waits_free(rd_store *st);

/* ---- for the session ---- */

struct rd_waiting;
void rd_waits_start(rd_call *c, const struct rd_waiting *w); /* rd_store.start_waiting: rd_call_block */
void rd_waits_serve(rd_store *st);                           /* rd_store.serve_waiting */
/* The session ends. */
void rd_wait_end(rd_session *s);
/* The session is saved: end the wait. False: it has been given something, and must go on here first. */
bool rd_wait_leave(rd_session *s);
/* The command that waited is done. */
void rd_wait_forget(rd_session *s);
rd_bytes rd_wait_kept(const rd_session *s); /* rd_store.kept_by */
/* Give a session what its command kept. False: no memory. */
bool rd_wait_keep(rd_session *s, rd_bytes kept);
/* The session is resumed. False: it waits on. */
bool rd_wait_is_over(rd_session *s);
/* The bytes that a session's wait takes. */
uint64_t rd_wait_bytes(const rd_session *s);

#endif
