/* moved.h - hands a subscribed session over to another worker: no message is lost or doubled, and no count is wrong.
 *
 * The giver saves the session with its subscriptions (handover.h), and still receives its messages. The taker, under
 * the rolls' lock, subscribes in its own roll, lowers the counts in the giver's, and puts RD_RECORD_MOVED into the
 * giver's ring. Publications before that are in the giver's ring or output, later ones come to the taker. The giver,
 * on reading the record, sends what has come since it saved as RD_RECORD_LATE, and ends its part. Until the taker has
 * that, it keeps its own messages for the client aside, and executes none of the client's commands.
 *
 * The giver reads its ring under the lock before it changes subscriptions, publishes, or ends a session: so it knows
 * of each session that was taken. rd_roll.moving has the numbers of the sessions that may be taken. The taker clears a
 * number when it has taken, the giver when the session goes on there or ends, so that a session is not taken late.
 *
 * A taker refuses if messages wait in other processes for room in the giver's ring, since they would come behind the
 * record, and if the giver has lost messages. If the giver ends before RD_RECORD_LATE has come, the taker ends the
 * session (RD_OVERFLOW_LOST): messages may be missing. The time above the soft limit begins anew in the taker. */
#ifndef RD_MOVED_H
#define RD_MOVED_H

#include "arena/ring.h"
#include "session/session.h"
#include "wire/reply.h"

/* ---- the giver ---- */

/* Append the session's subscriptions, of which it has some, and let a worker take them. False: RD_MOVES are under way,
 * or the session is not complete itself. */
bool rd_moved_save(rd_session *s, rd_reply *to);
/* The session goes on here, or ends: it can no longer be taken. */
void rd_moved_stay(rd_session *s);

/* ---- the taker ---- */

typedef enum rd_taken {
  RD_TAKEN,
  RD_TAKE_LATER,     /* nothing has changed; it may succeed when the session is saved and sent again */
  RD_TAKE_WRONG,     /* nothing has changed: these are no subscriptions that the giver gives */
  RD_TAKE_NO_MEMORY, /* nothing has changed */
} rd_taken;

/* Take the subscriptions over for a new session. */
rd_taken rd_moved_take(rd_session *s, rd_bytes saved);
/* True if the session waits for what its giver sends. */
bool rd_moved_waits(const rd_session *s);
/* End the sessions that wait for a giver that has ended: to be called once a second. */
void rd_moved_enforce(rd_store *st);

/* Read a record of the kind RD_RECORD_MOVED or RD_RECORD_LATE. */
void rd_moved_read(rd_store *st, const rd_record *r);

#endif
