/* loop.h - clients' sockets: one epoll instance in which bytes are received, executed and answered without the owner.
 *
 * Host side: it makes system calls and reads clocks; it includes no Python.h, logs nothing, has no globals.
 *
 * A connection is a connected, non-blocking stream socket and the session that speaks on it. Both stay the owner's: the
 * loop closes no descriptor but those of clients that it turns away, and frees no session. A turn waits for sockets,
 * for each that is readable receives once and feeds the session, and then sends what they say from their own memory.
 * The owner hears only of what it must decide.
 *
 *   open      read when it is readable
 *   blocked   the client does not read: neither read nor executed until all is sent; then it goes on by itself
 *   busy      had its share of a turn, or waits for a lock; goes on in the next
 *   held      the owner's move: an event was reported, and nothing happens until rd_loop_resume or rd_loop_remove
 *   lost      the socket failed; reported, to be removed
 *
 * The socket of one that is held is taken out of epoll only when it has something to read, so that a short wait costs
 * no system call.
 *
 * The owner's calls come between turns. A loop belongs to one thread. */
#ifndef RD_LOOP_H
#define RD_LOOP_H

#include "arena/admission.h"
#include "session/session.h"

/* python: begin */

typedef struct rd_loop rd_loop;
typedef struct rd_conn rd_conn;

/* The value of an event, and of rd_loop_resume: an rd_status in the low three bits, and some of these bits. */
#define RD_LOOP_STATUS 7
#define RD_LOOP_SLOW 8        /* slow commands wait in the store's ring; they are this session's */
#define RD_LOOP_END 16        /* the peer sends no more; all that it sent is executed and answered */
#define RD_LOOP_LOST 32       /* `error` is the errno */
#define RD_LOOP_OVER 64       /* more than output_limit bytes wait for the client to read; it stays blocked */
#define RD_LOOP_DRAINED 128   /* all is sent, after rd_loop_flush or rd_loop_resume said that it was not */
#define RD_LOOP_SILENT 256    /* from rd_loop_scan only */
#define RD_LOOP_CROWDED 1024  /* ask rd_client_to_cut; an event of no connection, its tag is 0 */
#define RD_LOOP_MONITORED 512 /* lines of MONITOR wait; an event that says so is of no connection, its tag is 0 */
#define RD_LOOP_ACCEPTED 2048 /* a client at a listening socket: `error` is its descriptor, the owner's; or -1 */

typedef struct rd_event {
  uint64_t tag;
  uint32_t what; /* RD_CLOSE: as soon as nothing more is executed; flush, then close. RD_FULL: never */
  int32_t error;
} rd_event;

/* ---- the loop ---- */

/* `buffer_size`: bytes that are received at once. NULL: errno says why. */
rd_loop *rd_loop_new(size_t buffer_size);
void rd_loop_free(rd_loop *l);                    /* its connections too */
int rd_loop_fd(const rd_loop *l);                 /* readable when a turn would find something; the loop's own */
bool rd_loop_set_buffer(rd_loop *l, size_t size); /* false: no memory, and no change */
void rd_loop_set_output_limit(rd_loop *l, uint64_t bytes); /* of all connections, 0: none */
/* Read the ring of the store's block (ring.h), whose eventfd is `fd`, from now on, in turns that are about to wait or
 * have waited, while the store has joined; and send what is kept for other rings. The loop must be the one that the
 * process waits in, and not a descriptor of another one. Both stay the owner's. False: errno. */
bool rd_loop_hear(rd_loop *l, rd_store *st, int fd);
/* A descriptor whose readiness ends a turn (rd_loop_watched): that of another loop around this one. False: errno. */
bool rd_loop_watch(rd_loop *l, int fd);
bool rd_loop_watched(const rd_loop *l); /* it was ready in the last turn, or the loop is behind */
/* Whether this process has not applied a configuration that was announced (rd_behind). Until it has, a turn serves no
 * client and ends at once, so that the owner reads its messages; a transaction that has begun continues. */
bool rd_loop_behind(const rd_loop *l);
/* Serve clients, for up to `timeout_ms` (-1: without end), until the owner must see an event; 0: serves once what is
 * ready. Returns the number of events, 0 also after a signal; they are valid until the next call. `now_ms`: the time
 * for the sessions; 0: the clock's, read after the bytes arrived. */
int rd_loop_turn(rd_loop *l, int timeout_ms, uint64_t now_ms);
const rd_event *rd_loop_events(const rd_loop *l);
/* Look at up to 1,024 connections from where the last call stopped. Connections silent since `quiet_us` give back
 * memory; events (RD_LOOP_SILENT) name those that were silent since `silent_us` (0: none). The number of events; *more:
 * not all connections were looked at yet. Times as of rd_conn_active_us. */
int rd_loop_scan(rd_loop *l, uint64_t quiet_us, uint64_t silent_us, bool *more);

typedef struct rd_work {
  uint64_t tag, commands, bytes;
} rd_work;
/* The connections with the most work since the last call, up to `cap` of them, the heaviest first. Looks at all. */
size_t rd_loop_busiest(rd_loop *l, rd_work *out, size_t cap);

/* ---- connections ---- */

/* Add a connection. NULL: errno says why. `tag` is the owner's; `ssl` NULL, or the SSL * of an established connection
 * on `fd`. */
rd_conn *rd_loop_add(rd_loop *l, int fd, rd_session *s, uint64_t tag, void *ssl, uint64_t now_ms);
/* Forget a connection, in any state; output that was not sent is still in the session. */
void rd_loop_remove(rd_loop *l, rd_conn *c);
/* Go on after an event: resumes the session and sends. Returns what an event would say, or RD_MORE: the loop goes on by
 * itself; or RD_FULL: the client does not read. RD_LOOP_DRAINED follows, then resume again. */
unsigned rd_loop_resume(rd_loop *l, rd_conn *c, uint64_t now_ms);
/* Send what is in the session (pushed, or left before an answer). False: not all could be sent; RD_LOOP_DRAINED
 * follows, and until the owner resumes it the connection is held. */
bool rd_loop_flush(rd_loop *l, rd_conn *c);
/* Read no more, until the owner resumes; what the session has is still executed and sent. */
void rd_loop_pause(rd_loop *l, rd_conn *c);
bool rd_conn_busy(const rd_conn *c);          /* blocked, or in the middle of its input */
uint64_t rd_conn_active_us(const rd_conn *c); /* when bytes last came or went: microseconds of rd_monotonic_ns; of
                                                 `now_ms` where that is not 0 */

/* ---- listening ----
 *
 * The loop accepts one client a turn, after it has served the open connections, so a burst of new clients delays none
 * of them. A client that a limit is sure to refuse gets the error line and is closed. The owner decides about every
 * other one, whose descriptor an event brings, non-blocking. */

/* `fd` listens, and is non-blocking; `gate` stays the owner's. NULL: errno says why. rd_loop_remove ends it. When
 * accept fails and the owner must see why, an event says -1. */
rd_conn *rd_loop_listen(rd_loop *l, int fd, uint64_t tag, rd_gate *gate);

/* ---- TLS ----
 *
 * OpenSSL's functions of these names, which the creator of the SSL objects gives at run time: the core links no
 * OpenSSL. The SSL must allow partial writes from a buffer that moves (SSL_MODE_ENABLE_PARTIAL_WRITE,
 * ACCEPT_MOVING_WRITE_BUFFER). */
typedef struct rd_tls {
  int (*read)(void *ssl, void *data, int len);
  int (*write)(void *ssl, const void *data, int len);
  int (*get_error)(const void *ssl, int result);
  int (*pending)(const void *ssl);
  void (*clear_error)(void);
} rd_tls;
void rd_loop_set_tls(rd_loop *l, const rd_tls *tls);

/* python: end */

#endif
