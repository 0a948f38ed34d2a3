/* pushed.h - messages to a client: bytes that answer no command, between replies.
 *
 * A message is kept aside while its session executes a command or a transaction, waits for the control plane, or pauses
 * within a long command; it is appended to the output behind the reply. As in Redis 7.2 a client that publishes to
 * itself gets the reply first. CLIENT REPLY suppresses no message.
 *
 * A session with new output is in the store's list of pushed sessions until its output is sent, the longest first: the
 * loop sends that of the connections that it serves, the owner that of all others.
 *
 * The limits of the class `pubsub` (rd_limits) end a session whose client does not read: when a message would exceed
 * the hard limit, or when the output has been above the soft limit for the soft seconds. The session is then in the
 * list with state.overflowed, and the owner closes it. So it is when messages to it were lost. */
#ifndef RD_PUSHED_H
#define RD_PUSHED_H

#include "session/session.h"

/* python: begin */

/* The `owner` (rd_session_state) of a session that no loop serves and that has new output, or has overflowed; 0: none.
 * Each is named once. */
uint64_t rd_pushed_owner(rd_store *st);
/* End the subscribers whose output has been above the soft limit for too long, and those that were handed over by a
 * worker that ended before it had sent their messages: to be called once a second. */
void rd_pushed_enforce(rd_store *st);

/* python: end */

/* A message: the parts in this order. The first byte of `head` is '>', in RESP2 it becomes '*'. */
typedef struct rd_push {
  rd_bytes head, body[2], tail;
} rd_push;

/* Send a message to a session of this process. */
void rd_pushed(rd_session *s, const rd_push *push);
/* Append the messages kept aside, unless the session is still in the middle of a reply. */
void rd_pushed_join(rd_session *s);
/* Append messages that came while the session was handed over, before all that it keeps aside. */
void rd_pushed_late(rd_session *s, rd_bytes a, rd_bytes b);
/* End a subscriber: its client does not read, or messages to it were lost. */
void rd_pushed_end(rd_session *s, rd_overflow why);
/* The session is about to be freed. */
void rd_pushed_forget(rd_session *s);

/* ---- for the loop ---- */

/* Name the connection of a loop that serves the session; NULL: no loop serves it. */
void rd_session_set_carrier(rd_session *s, void *carrier);
/* The number of sessions with new output. */
uint32_t rd_pushed_waits(const rd_store *st);
/* The carrier of that which has waited for longest; NULL: none. Each is named once. */
void *rd_pushed_next(rd_store *st);
/* True if rd_pushed_owner would name a session. */
bool rd_pushed_to_owners(const rd_store *st);

#endif
