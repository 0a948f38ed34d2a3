/* handover.h - a session as bytes, for a successor in another process over the same arena.
 *
 * In the order that loses nothing: the owner saves the session and feeds it no more, sends the bytes over, the
 * successor loads them, and only then the owner frees what it has. So a watched key is watched all the time. */
#ifndef RD_HANDOVER_H
#define RD_HANDOVER_H

#include "session/session.h"

/* python: begin */

typedef enum rd_saved {
  RD_SAVED = 0,
  RD_SAVE_LATER = 1, /* it waits for an answer, or is in the middle of EXEC: not at the end of a command */
  RD_SAVE_NO_MEMORY = 2,
} rd_saved;

/* Write down all that a successor needs: database, protocol, switches, the queue of MULTI, watches, input that was not
 * executed, output that was not written. `taken` is output that the owner has consumed but not written: it comes first.
 * The bytes (malloc'ed) are the caller's. The session stays as it is, and when it could not be saved, *bytes does, too.
 */
rd_saved rd_session_save(const rd_session *s, rd_bytes taken, uint8_t **bytes, size_t *len);

/* The session that was saved, with the limits of its new owner, who writes its output and then resumes it. What was
 * accepted under other limits stays accepted; a queued command that this build does not know makes EXEC abort.
 * NULL, with the reason in `err` and nothing left behind: no memory, or bytes that are no session of this arena. */
rd_session *rd_session_load(rd_store *st, const rd_limits *limits, const uint8_t *data, size_t len, char *err,
                            size_t errlen);

/* python: end */

#endif
