/* conn.h - a loop and its connections, which loop.c (turns), accept.c and tls.c share. No other file includes it. */
#ifndef RD_CONN_H
#define RD_CONN_H

#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/loop.h"

enum { READY = 256, EVENTS = 1024, OWED = 32 };

typedef enum { OPEN, BLOCKED, BUSY, HELD, LOST, LISTENS } conn_state;

struct rd_conn {
  int fd;
  int error;      /* LOST: errno */
  uint32_t armed; /* the events registered with epoll; 0: not registered */
  uint8_t state;  /* conn_state */
  uint8_t status; /* BLOCKED: what the session said */
  bool tell;      /* BLOCKED: the owner asked to be told of its end */
  bool paused;    /* not to be read when it is done */
  bool trimmed;   /* and silent since */
  bool queued;    /* is in the queue */
  bool heavy;     /* took long in its last turn: others go first */
  bool owed;      /* is to be answered in this turn */
  uint32_t index; /* in the table */
  uint64_t tag;
  uint64_t active_us;
  uint64_t bytes;                     /* received and sent */
  uint64_t seen_bytes, seen_commands; /* as of the last rd_loop_busiest */
  rd_session *s;
  const rd_session_state *said; /* the session's */
  void *ssl;
  rd_conn *next, *before; /* of the queue; of all that listen */
  rd_gate *gate;          /* LISTENS: it has no session, and is not in the table */
};

struct rd_loop {
  int epoll;
  int again; /* eventfd: makes a loop around this one return, since a connection has work left */
  int heard; /* eventfd: there is a record in the ring; -1: it is not read */
  rd_store *ring;
  bool watched;
  bool stop;      /* the owner must act before another session runs */
  bool monitored; /* lines of MONITOR wait since the turn, or rd_loop_resume, began */
  bool crowded;   /* the clients' buffers are too large, and the owner was not told */
  bool comes;     /* a client comes in this turn */
  bool serving;   /* answers may wait for the turn's end */
  uint32_t count, cap;
  rd_conn **conns;
  uint32_t scan_at;
  rd_conn *first, *last; /* the queue: connections with work left whose sockets are not ready */
  uint32_t queue_len;
  rd_conn *listening;
  uint64_t frozen_ms;
  uint64_t turn_us; /* when the turn began, monotonic: what came and went in it did so then */
  uint64_t output_limit;
  uint8_t *buffer;
  size_t buffer_size;
  rd_tls tls;
  uint32_t owed_count;
  size_t owed_bytes;   /* of them together, or more */
  rd_conn *owed[OWED]; /* connections executed in this turn, to be answered before it ends */
  uint32_t event_count;
  rd_event events[EVENTS];
  struct epoll_event ready[READY];
};

/* ---- accept.c ---- */

/* Take one client of a socket that listens. */
void rd_loop_accept(rd_loop *l, rd_conn *c);

/* ---- tls.c: recv and send of a connection that speaks TLS. *wants: what to wait for after EAGAIN. ---- */

ssize_t rd_tls_receive(const rd_loop *l, const rd_conn *c, uint8_t *data, size_t len, uint32_t *wants);
ssize_t rd_tls_send(const rd_loop *l, const rd_conn *c, const uint8_t *data, size_t len, uint32_t *wants);

#endif
