/* loop.h - clients' sockets: one epoll instance that receives, executes and replies without the owner.
 *
 * Not part of the core proper: it makes system calls and reads clocks. It includes no Python.h, logs nothing and has no
 * globals.
 *
 * A connection is a connected, non-blocking stream socket and its session. The owner keeps both: the loop closes only
 * the descriptors of connections that it refuses, and frees no session. A turn waits for sockets, receives once from
 * each readable one, feeds its session, and then sends the session's output from the session's memory. The owner gets
 * events only when it must decide.
 *
 *   open      the loop reads when the socket is readable
 *   blocked   the client does not read: the loop neither reads nor executes until all output is sent, then continues
 *   busy      it had its share of a turn, or waits for a lock; it continues in the next turn
 *   asleep    its session is blocked (blocked.h): the loop resumes it when it is woken, or at its deadline
 *   held      an event was reported; the loop does nothing until the owner calls rd_loop_resume or rd_loop_remove
 *   lost      the socket failed; this was reported, and the owner must remove the connection
 *
 * The socket of a held connection is taken out of epoll only when it becomes readable, so that a short wait costs no
 * system call.
 *
 * The owner calls these functions between turns. A loop belongs to one thread. */
#ifndef RD_LOOP_H
#define RD_LOOP_H

#include "arena/admission.h"
#include "session/session.h"

/* python: begin */

typedef struct rd_loop rd_loop;
typedef struct rd_conn rd_conn;

/* The value of an event, and of rd_loop_resume: an rd_status in the low three bits, and some of these bits. */
#define RD_LOOP_STATUS 7
#define RD_LOOP_SLOW 8            /* slow commands wait in the store's ring; they are this session's */
#define RD_LOOP_END 16            /* the peer sends no more; all that it sent is executed and answered */
#define RD_LOOP_LOST 32           /* the connection failed; `error` is the errno */
#define RD_LOOP_OVER 64           /* more than output_limit bytes wait for the client to read; it stays blocked */
#define RD_LOOP_DRAINED 128       /* all output is sent, after rd_loop_flush or rd_loop_resume left some */
#define RD_LOOP_SILENT 256        /* from rd_loop_scan only */
#define RD_LOOP_CLIENT_LIMIT 1024 /* call rd_client_to_close; an event without a connection, its tag is 0 */
#define RD_LOOP_PUSHED 4096   /* call rd_pushed_owner and rd_woken_owner; an event without a connection, its tag is 0 */
#define RD_LOOP_MONITORED 512 /* lines of MONITOR wait; reported without a connection, with tag 0 */
#define RD_LOOP_ACCEPTED 2048 /* a listening socket has a client: `error` is the descriptor, now the owner's; or -1 */

typedef struct rd_event {
  uint64_t tag;
  uint32_t what; /* RD_CLOSE is reported once nothing more is executed: flush, then close. RD_FULL, RD_PAUSED and
                    RD_BLOCKED are never reported */
  int32_t error;
} rd_event;

/* ---- the loop ---- */

/* `buffer_size`: bytes that are received at once. NULL: errno says why. */
rd_loop *rd_loop_new(size_t buffer_size);
void rd_loop_free(rd_loop *l);    /* frees its connections too */
int rd_loop_fd(const rd_loop *l); /* readable when a turn would find work; owned by the loop */
/* The loop is turned by a loop around it, with timeout 0: keep deadlines by a timer of its own. False: errno. */
bool rd_loop_nest(rd_loop *l);
bool rd_loop_set_buffer(rd_loop *l, size_t size);          /* false: no memory, and nothing is changed */
void rd_loop_set_output_limit(rd_loop *l, uint64_t bytes); /* applies to all connections; 0: no limit */
/* From now on read the ring of the store's block (ring.h), whose eventfd is `fd`, and send the records kept for
 * other rings. This happens in turns that are about to wait or have waited, while the store has joined. The loop
 * must be the one that the process waits in, and not a descriptor of another one. The caller keeps ownership of
 * both. False: errno. */
bool rd_loop_read_ring(rd_loop *l, rd_store *st, int fd);
/* Set a descriptor whose readiness ends a turn (rd_loop_watched): that of another loop around this one. False:
 * errno. */
bool rd_loop_watch(rd_loop *l, int fd);
bool rd_loop_watched(const rd_loop *l); /* the descriptor was ready in the last turn, or the loop is behind */
/* True if this process has not applied a configuration that was announced (rd_behind). Until it has, a turn serves
 * no client and ends at once, so that the owner reads its messages; a transaction that has begun continues. */
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
/* Find the connections with the most work since the last call, up to `cap` of them, the heaviest first. Looks at all
 * connections. */
size_t rd_loop_busiest(rd_loop *l, rd_work *out, size_t cap);

/* ---- connections ---- */

/* Add a connection. NULL: errno says why. `tag` is the owner's; `ssl` NULL, or the SSL * of an established connection
 * on `fd`. */
rd_conn *rd_loop_add(rd_loop *l, int fd, rd_session *s, uint64_t tag, void *ssl, uint64_t now_ms);
/* Forget a connection, in any state; output that was not sent is still in the session. */
void rd_loop_remove(rd_loop *l, rd_conn *c);
/* Continue after an event: resumes the session and sends. Returns the value that an event would have, or RD_MORE:
 * the loop continues by itself; or RD_FULL: the client does not read. RD_LOOP_DRAINED follows, then resume again. */
unsigned rd_loop_resume(rd_loop *l, rd_conn *c, uint64_t now_ms);
/* Send the session's output (pushed, or left before an answer). False: some is left; RD_LOOP_DRAINED follows, and
 * the connection is held until the owner resumes it. */
bool rd_loop_flush(rd_loop *l, rd_conn *c);
/* Stop reading until the owner resumes; input that has arrived is still executed and answered. */
void rd_loop_pause(rd_loop *l, rd_conn *c);
bool rd_conn_busy(const rd_conn *c);          /* blocked, or with input left to execute */
uint64_t rd_conn_active_us(const rd_conn *c); /* the time of the last bytes, in either direction: microseconds of
                                                 rd_monotonic_ns; of `now_ms` where that is not 0 */

/* ---- listening ----
 *
 * The loop accepts one client a turn, after it has served the open connections, so a burst of new clients delays none
 * of them. A client that exceeds a limit gets the error line and is closed. The owner decides about every
 * other one, whose descriptor an event brings, non-blocking. */

/* `fd` listens, and is non-blocking; the owner keeps `limits`. NULL: errno says why. rd_loop_remove ends it. When
 * accept fails and the owner must see why, an event says -1. */
rd_conn *rd_loop_listen(rd_loop *l, int fd, uint64_t tag, rd_accept_limits *limits);

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
