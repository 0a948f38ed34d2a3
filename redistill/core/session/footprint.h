/* footprint.h - the memory of all clients' buffers together, and the client with the most (Redis: maxmemory-clients).
 *
 * A session's footprint is what it has allocated for input, replies, arguments, queued commands and watched keys. Each
 * process keeps its sessions in lists by the power of two of their footprints, so that the largest is found without a
 * look at all, and publishes its sum and its largest in the arena (gauges client_buffers and largest_client). A process
 * cuts only its own clients: when the sum over all processes is beyond the limit, it is the one that has the largest of
 * all. That another one has it is seen there within its next look (rd_client_to_cut); nobody waits for that beyond an
 * eighth more than the limit. A session with NO-EVICT counts, and is never cut.
 *
 * Beyond that eighth no buffer grows by much at all (rd_footprint_admit): a larger session of this process is dropped
 * for it, or else the one that grows is closed; sessions of up to a sixteenth of the limit may use another eighth. So
 * the limit holds while a command runs, too, however many clients ask for large replies at once. The memory that
 * commands take for their own time (rd_scratch_take) counts until it is given back, and is refused in the same way. */
#ifndef RD_FOOTPRINT_H
#define RD_FOOTPRINT_H

#include "session/session.h"

/* python: begin */
/* Set the limit, in bytes, on the buffers of all sessions of all processes; 0: no limit. Each process sets it for
 * itself. No reply of one session may be larger either. So no command may make a value of more than `readable` bytes:
 * no client could read it. */
void rd_set_client_limit(rd_store *st, uint64_t bytes, uint64_t readable);
/* `owner` (rd_session_state) of the session that is to be closed now, 0: none is. The caller calls rd_session_drop, and
 * asks again. To be called between turns: when the store is `crowded`, and every now and then. */
uint64_t rd_client_to_cut(rd_store *st);

/* Whether the buffers of this process have shrunk by so much that the memory is worth to be given back to the system.
 */
bool rd_buffers_shrank(rd_store *st);

/* `owner` of the sessions of this process that hold anything, up to `cap` of them; how many those are. An idle client
 * holds nothing. */
size_t rd_clients_with_buffers(const rd_store *st, uint64_t *owners, size_t cap);
/* python: end */

/* ---- for session.c ---- */

/* Whether a buffer of the session may grow by `more` bytes, which are counted from now on. Sessions that are larger are
 * dropped for that if need be. False: there is no room, the session is to be closed. */
bool rd_footprint_admit(rd_session *s, uint64_t more);
/* The session's buffers may have changed. Sets st->crowded when they grew and there is too much. */
void rd_footprint_changed(rd_session *s);
/* The session is about to be freed: remove its footprint. */
void rd_footprint_gone(rd_session *s);
/* The bound of its replies: output_limit, or what all clients together may have if that is less. */
uint64_t rd_reply_limit(const rd_session *s);

#endif
