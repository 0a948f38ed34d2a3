/* footprint.h - the memory of all clients' buffers together, and the client with the most (Redis: maxmemory-clients).
 *
 * A session's footprint is the memory allocated for its input, replies, arguments, queued commands and watched keys.
 * Each process keeps its sessions in lists by the power of two of their footprints, so that it finds the largest
 * without looking at all of them, and publishes its sum and its largest in the arena (gauges client_buffers and
 * largest_client; below the limit the most that the largest can have). A process closes only its own clients: when the
 * sum over all processes exceeds the limit, the process with the largest client closes it. It learns of that at its
 * next call of rd_client_to_close; other processes wait for it only up to an eighth above the limit. A session with
 * NO-EVICT counts, and is never closed.
 *
 * Above that eighth no buffer grows by much (rd_footprint_admit): a larger session of this process is dropped first, or
 * else the growing session is closed; sessions of up to a sixteenth of the limit may use another eighth.
 * No session is dropped for a message of another client (pushed.h), since dropping finishes a command that has begun:
 * its receiver is closed instead. So the limit holds while a command runs, too, however many clients ask for large
 * replies at once. The temporary memory of commands (rd_scratch_take) counts until it is freed, and is refused in the
 * same way. */
#ifndef RD_FOOTPRINT_H
#define RD_FOOTPRINT_H

#include "session/session.h"

/* python: begin */
/* Set the limit, in bytes, on the buffers of all sessions of all processes; 0: no limit. Each process sets it for
 * itself. A reply of one session cannot be larger either, so no command may make a value of more than `readable`
 * bytes: no client could read it. */
void rd_set_client_limit(rd_store *st, uint64_t bytes, uint64_t readable);
/* The `owner` (rd_session_state) of the session that must be closed now; 0: none. The caller calls rd_session_drop,
 * and calls this again. Call it between turns: when the store is `over_client_limit`, and every now and then. */
uint64_t rd_client_to_close(rd_store *st);

/* True if the buffers of this process have shrunk by so much that the memory should be returned to the system. */
bool rd_buffers_shrank(rd_store *st);

/* Write the `owner` of each session of this process that has buffers, up to `cap` of them. Returns their number. An
 * idle client has none. */
size_t rd_clients_with_buffers(const rd_store *st, uint64_t *owners, size_t cap);
/* python: end */

/* ---- for session.c ---- */

/* Decide whether a buffer of the session may grow by `more` bytes, which are counted from now on. Larger sessions
 * are dropped for that if necessary. False: there is no room, and the session must be closed. */
bool rd_footprint_admit(rd_session *s, uint64_t more);
/* The session's buffers may have changed. Sets st->over_client_limit when they grew and there is too much. */
void rd_footprint_changed(rd_session *s);
/* The session is about to be freed: remove its footprint. */
void rd_footprint_gone(rd_session *s);
/* The limit of the session's replies: output_limit, or the limit of all clients together if that is less. */
uint64_t rd_reply_limit(const rd_session *s);

#endif
