/* conn.h - a loop and its connections, which loop.c (turns), accept.c and tls.c share. No other file includes it. */
#ifndef RD_CONN_H
#define RD_CONN_H

#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/loop.h"

enum { READY = 256, EVENTS = 1024, UNSENT = 32 };

typedef enum { OPEN, BLOCKED, BUSY, ASLEEP, HELD, LOST, LISTENS } conn_state;

struct rd_conn {
  int fd;
  int error;        /* the errno of a LOST connection */
  uint32_t armed;   /* the events registered with epoll; 0: not registered */
  uint8_t state;    /* conn_state */
  uint8_t status;   /* the session's status, while BLOCKED */
  bool report_sent; /* the owner wants an event when a BLOCKED connection has sent all */
  bool paused;      /* do not read from it after its present input */
  bool trimmed;     /* it has been idle since its memory was trimmed */
  bool queued;      /* is in the queue */
  bool heavy;       /* its last turn took long: other connections go first */
  bool unsent;      /* its replies must be sent before the turn ends */
  bool ended;       /* the peer sends no more, which the owner does not know yet */
  uint32_t heap_at; /* 1 + its index in the heap of deadlines; 0: it is not in it */
  uint64_t deadline_ns;
  uint32_t index; /* index in the table of connections */
  uint64_t tag;
  uint64_t active_us;
  uint64_t bytes;                     /* received and sent */
  uint64_t seen_bytes, seen_commands; /* the values at the last rd_loop_busiest */
  rd_session *s;
  const rd_session_state *session_state; /* points into the session */
  void *ssl;
  rd_conn *next, *before;   /* neighbours in the queue, or among the listening sockets */
  rd_accept_limits *limits; /* LISTENS: it has no session, and is not in the table */
};

/* deadlines.h */
typedef struct rd_deadlines {
  rd_conn **heap;
  uint32_t count, cap;
} rd_deadlines;

struct rd_loop {
  int epoll;
  int wakeup_fd; /* eventfd: ends the wait of a loop around this one, since a connection has work left */
  int ring_fd;   /* eventfd: a record is in the ring; -1: the ring is not read */
  rd_store *ring;
  bool watched;
  bool stop;              /* the owner must act before another session runs */
  bool monitored;         /* lines of MONITOR wait since the turn, or rd_loop_resume, began */
  bool over_client_limit; /* the clients' buffers are too large, and the owner has no event about it yet */
  bool accepts;           /* a listening socket has a connection to accept in this turn */
  bool serving;           /* replies may wait for the turn's end */
  uint32_t count, cap;
  rd_conn **conns;
  uint32_t scan_at;
  rd_conn *first, *last; /* the queue: connections with work left whose sockets are not ready */
  uint32_t queue_len;
  rd_deadlines deadlines;
  int timer_fd;      /* timerfd: ends the wait of a loop around this one at the first deadline; -1: not wanted */
  uint64_t timer_ns; /* the deadline it is set to */
  rd_conn *listening;
  uint64_t frozen_ms;
  uint64_t turn_us; /* when the turn began, on the monotonic clock: the time of all activity within it */
  uint64_t output_limit;
  uint8_t *buffer;
  size_t buffer_size;
  rd_tls tls;
  uint32_t unsent_count;
  size_t unsent_bytes;     /* bytes of the unsent replies together, or more */
  rd_conn *unsent[UNSENT]; /* connections executed in this turn, whose replies are sent before it ends */
  uint32_t event_count;
  rd_event events[EVENTS];
  struct epoll_event ready[READY];
};

/* ---- accept.c ---- */

/* Accept one connection of a listening socket. */
void rd_loop_accept(rd_loop *l, rd_conn *c);

/* ---- tls.c: recv and send of a connection that uses TLS. *wants: the event to wait for after EAGAIN. ---- */

ssize_t rd_tls_receive(const rd_loop *l, const rd_conn *c, uint8_t *data, size_t len, uint32_t *wants);
ssize_t rd_tls_send(const rd_loop *l, const rd_conn *c, const uint8_t *data, size_t len, uint32_t *wants);

#endif
