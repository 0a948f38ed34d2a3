/* handover.h - a session as bytes, for a successor in another process over the same arena.
 *
 * This order loses nothing: the owner saves the session and feeds it no more, and sends the bytes over; the successor
 * loads them; only then the owner frees its session. So a watched key is watched all the time. */
#ifndef RD_HANDOVER_H
#define RD_HANDOVER_H

#include "session/session.h"

/* python: begin */

typedef enum rd_saved {
  RD_SAVED = 0,
  RD_SAVE_LATER = 1, /* the session waits for an answer, is in the middle of EXEC, or was itself handed over just now;
                        or too many subscribers are being handed over */
  RD_SAVE_NO_MEMORY = 2,
} rd_saved;

/* Save the state that a successor needs: database, protocol, switches, the queue of MULTI, watches, unexecuted
 * input, unwritten output. `taken` is output that the owner has consumed but not written: it comes first. The caller
 * frees the bytes (malloc'ed). The session is not changed, and can be served again if nobody loads the bytes. A
 * subscriber gets its messages until a successor in another process loads it, and is at its end then (moved.h). If
 * saving fails, *bytes is not changed either. */
rd_saved rd_session_save(rd_session *s, rd_bytes taken, uint8_t **bytes, size_t *len);

/* Load a saved session, with the limits of its new owner, who writes its output and then resumes it. Input accepted
 * under other limits stays accepted; a queued command that this build does not know makes EXEC abort. NULL, with the
 * reason in `err` and nothing left behind: no memory, or the bytes are not a session of this arena. An empty reason:
 * a subscriber cannot be taken just now, but perhaps when it is saved again. */
rd_session *rd_session_load(rd_store *st, const rd_limits *limits, const uint8_t *data, size_t len, char *err,
                            size_t errlen);

/* python: end */

#endif
