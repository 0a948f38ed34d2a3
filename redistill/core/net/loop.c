/* loop.c - waits for all connections with one epoll instance, and keeps a queue of connections with work left.
 *
 * Costs. A socket is registered once, for reading, level-triggered: a command takes one recv and one send, and all
 * ready sockets share an epoll_wait. epoll_ctl is called only for a client that does not read, or that sends while it
 * waits for an answer. Replies are sent together, after every ready connection has been executed: the first reply may
 * wake a client process, which costs more than sending, and finds it awake for the others (7 % at 64 commands a read).
 * After a turn with only traffic the next turn follows without the owner.
 *
 * Fairness. In a turn a connection receives once, at most the shared buffer (or the rest of one large value), sends at
 * most ROUNDS times its session's output_high, and executes for a few milliseconds (RD_BUSY); the rest of its input is
 * executed in a later turn, after all other ready connections. A connection that needed its whole share, or a
 * millisecond, is heavy: heavy connections are served from the queue, one after another, for TURN_NS a turn. So a turn
 * is bounded however many heavy connections there are, and the others wait for no more than that.
 *
 * Messages. A message to many subscribers is as many sends. The loop sends a part of them, PUSHES or a quarter if that
 * is more, and looks whether publishers have gone on, since a client that gets two messages with one send costs half.
 * The subscribers that wait longest come first, so a message is delayed by four turns at most; but these are as much
 * shorter. A client with PUSHED_SMALL bytes or more is not kept waiting. */
#include "net/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "arena/lock.h"
#include "arena/ring.h"
#include "arena/worker.h"
#include "base/clock.h"
#include "net/deadlines.h"
#include "session/backlog.h"
#include "session/blocked.h"
#include "session/monitor.h"
#include "session/pushed.h"
#include "session/records.h"
#include "session/slowlog.h"
#include "session/tracking.h"

enum { QUEUED = 256, ROUNDS = 4, SCAN = EVENTS, FIRST_CONNS = 64 };
enum { TURN_NS = 8000000, HEAVY_NS = 1000000 };
/* PUSHED: bytes of messages that are sent before other clients are served; PUSHES, PUSHED_SMALL: see Messages. */
enum { PUSHED = 4 << 20, PUSHES = 16, PUSHED_SMALL = 16 << 10 };
enum { BEHIND_MS = 10 }; /* the longest wait of a turn while a record is kept for a ring that was full */
enum {
  UNSENT_BYTES = 131072
}; /* the most bytes of replies that wait for each other, with at most UNSENT connections */

typedef enum { SENT, WAITS, FAILED } sending;

/* The time for the sessions. */
static uint64_t now_ms_of(uint64_t frozen_ms) { return frozen_ms != 0 ? frozen_ms : rd_wall_ms(); }

/* The time of activity, in microseconds of the monotonic clock: finer than milliseconds, and unchanged when the wall
 * clock is set, which makes no client idle. The owner compares it with its own time. */
static uint64_t active_us_of(uint64_t frozen_ms) {
  return frozen_ms != 0 ? frozen_ms * 1000u : rd_monotonic_ns() / 1000u;
}

/* ---- the queue ---- */

static void enqueue(rd_loop *l, rd_conn *c) {
  if (c->queued) return;
  c->queued = true;
  c->next = NULL;
  c->before = l->last;
  *(l->last ? &l->last->next : &l->first) = c;
  l->last = c;
  l->queue_len++;
}

static void dequeue(rd_loop *l, rd_conn *c) {
  if (!c->queued) return;
  c->queued = false;
  *(c->before ? &c->before->next : &l->first) = c->next;
  *(c->next ? &c->next->before : &l->last) = c->before;
  l->queue_len--;
}

/* ---- sockets ---- */

/* The socket failed. The owner gets an event in the next turn, whatever the connection was doing. */
static void fail(rd_loop *l, rd_conn *c, int error) {
  if (c->state == LOST) return;
  c->state = LOST;
  c->error = error;
  enqueue(l, c);
}

static void arm(rd_loop *l, rd_conn *c, uint32_t mask) {
  if (c->armed == mask) return;
  struct epoll_event event = {.events = mask, .data.ptr = c};
  int op = mask == 0 ? EPOLL_CTL_DEL : c->armed == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  c->armed = mask;
  if (epoll_ctl(l->epoll, op, c->fd, &event) != 0 && op != EPOLL_CTL_DEL) {
    c->armed = 0;
    fail(l, c, errno);
  }
}

static inline ssize_t receive_some(const rd_loop *l, const rd_conn *c, uint8_t *data, size_t len, uint32_t *wants) {
  if (RD_LIKELY(c->ssl == NULL)) return recv(c->fd, data, len, 0);
  return rd_tls_receive(l, c, data, len, wants);
}

static inline ssize_t send_some(const rd_loop *l, const rd_conn *c, const uint8_t *data, size_t len, uint32_t *wants) {
  if (RD_LIKELY(c->ssl == NULL)) return send(c->fd, data, len, MSG_NOSIGNAL);
  return rd_tls_send(l, c, data, len, wants);
}

/* Send the session's output, as far as the socket takes it. WAITS: epoll reports when more can be sent. */
static sending flush(rd_loop *l, rd_conn *c) {
  for (;;) {
    rd_bytes out = rd_session_output(c->s);
    if (out.len == 0) return SENT;
    uint32_t wants = EPOLLOUT;
    ssize_t n = send_some(l, c, out.data, out.len, &wants);
    if (n > 0) {
      rd_session_consumed(c->s, (size_t)n);
      c->bytes += (uint64_t)n;
      if ((size_t)n == out.len) return SENT;
      if (c->ssl != NULL) continue; /* one call has sent one record */
    } else if (errno == EINTR) {
      continue;
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) {
      fail(l, c, errno);
      return FAILED;
    }
    arm(l, c, wants);
    return c->state == LOST ? FAILED : WAITS;
  }
}

/* ---- a connection's turn ---- */

/* The session has nothing left to do, and all output is sent. */
static unsigned wait_for_input(rd_loop *l, rd_conn *c) {
  if (RD_UNLIKELY(c->ended)) {
    c->ended = false;
    c->state = HELD;
    return RD_LOOP_END;
  }
  c->state = c->paused ? HELD : OPEN;
  if (c->state == OPEN) {
    arm(l, c, EPOLLIN);
    if (c->ssl != NULL && l->tls.pending(c->ssl) > 0) enqueue(l, c); /* OpenSSL holds bytes that epoll does not see */
  }
  return 0;
}

/* The session is blocked: it goes on when it is woken, or at its deadline. What its client sends meanwhile is kept, up
 * to the session's limit. */
static void sleep_until_woken(rd_loop *l, rd_conn *c) {
  c->state = ASLEEP;
  rd_deadline_set(&l->deadlines, c, c->session_state->deadline_ns);
  arm(l, c, c->paused || c->ended ? 0 : EPOLLIN);
  if (c->ssl != NULL && l->tls.pending(c->ssl) > 0) enqueue(l, c);
}

/* The peer sends no more. A client in a blocking command is gone, as in Redis; commands that are held are executed. */
static unsigned end_of_input(rd_loop *l, rd_conn *c) {
  if (c->state == ASLEEP && c->session_state->blocked != RD_BLOCKED_COMMAND) {
    c->ended = true;
    arm(l, c, 0);
    return 0;
  }
  c->state = HELD;
  return RD_LOOP_END;
}

/* Not all output of the session, which has stopped with `status`, could be sent. */
static unsigned block(rd_loop *l, rd_conn *c, rd_status status) {
  bool over = l->output_limit != 0 && rd_session_output(c->s).len > l->output_limit;
  c->state = BLOCKED;
  c->status = (uint8_t)status;
  c->report_sent = over || status == RD_CLOSE;
  return over ? RD_LOOP_OVER : status == RD_CLOSE ? RD_CLOSE : 0;
}

/* Send the output of a session that has nothing more to execute. Returns the events that the owner must see. */
static unsigned answer(rd_loop *l, rd_conn *c) {
  sending sent = flush(l, c);
  if (RD_LIKELY(sent == SENT)) return wait_for_input(l, c);
  return sent == WAITS ? block(l, c, RD_MORE) : 0;
}

static void report(rd_loop *l, rd_conn *c, unsigned what) {
  if (RD_LIKELY(what == 0)) return;
  l->events[l->event_count++] = (rd_event){c->tag, what, c->error};
  /* The slow commands belong to this session until the next one runs; a transaction holds up all others. */
  if (what & RD_LOOP_SLOW || ((what & RD_LOOP_STATUS) == RD_CONTROL && c->session_state->in_exec)) l->stop = true;
}

/* Send the unsent replies: see Costs. */
static void answer_all(rd_loop *l) {
  for (uint32_t i = 0; i < l->unsent_count; i++) {
    rd_conn *c = l->unsent[i];
    c->unsent = false;
    if (c->state != LOST) report(l, c, answer(l, c));
  }
  l->unsent_count = 0;
  l->unsent_bytes = 0;
}

static void send_later(rd_loop *l, rd_conn *c) {
  if (!c->unsent) l->unsent[l->unsent_count++] = c;
  c->unsent = true;
  l->unsent_bytes += rd_session_output(c->s).len;
  if (l->unsent_count == UNSENT || l->unsent_bytes >= UNSENT_BYTES) answer_all(l);
}

/* Send the session's output, and execute its input as far as it can go by itself. Returns the events that the owner
 * must see. */
static unsigned proceed(rd_loop *l, rd_conn *c, rd_status status, uint64_t now_ms) {
  const rd_store *st = rd_session_store(c->s);
  unsigned slow = 0;
  for (unsigned round = 1;; round++) {
    if (RD_UNLIKELY(st->slowlog != NULL && rd_slowlog_pending(st->slowlog) != 0)) slow = RD_LOOP_SLOW;
    if (RD_UNLIKELY(st->monitoring) && rd_monitor_pending(st) != 0) l->monitored = true;
    if (RD_UNLIKELY(st->over_client_limit)) /* no client gets more output before one is disconnected */
      l->over_client_limit = l->stop = true;
    if (status == RD_CONTROL) { /* the owner's answer is sent together with the output so far */
      c->state = HELD;
      return slow | RD_CONTROL;
    }
    if (RD_UNLIKELY(status == RD_BUSY)) {
      c->heavy = true;
      if (!rd_session_suspended(c->s)) {
        sending sent = flush(l, c);
        if (RD_UNLIKELY(sent != SENT)) return slow | (sent == WAITS ? block(l, c, status) : 0);
      }
      c->state = BUSY;
      enqueue(l, c);
      return slow;
    }
    if (RD_LIKELY(status == RD_MORE)) {
      if (RD_UNLIKELY(!l->serving || slow != 0)) return slow | answer(l, c);
      send_later(l, c);
      return 0;
    }
    sending sent = flush(l, c);
    if (RD_UNLIKELY(sent == FAILED)) return slow;
    if (RD_UNLIKELY(sent == WAITS)) return slow | block(l, c, status);
    if (RD_UNLIKELY(status == RD_PAUSED || status == RD_BLOCKED)) {
      sleep_until_woken(l, c);
      return slow;
    }
    if (status != RD_FULL) {
      c->state = HELD;
      return slow | status;
    }
    if (round == ROUNDS) {
      c->state = BUSY;
      enqueue(l, c);
      return slow;
    }
    status = rd_session_resume(c->s, now_ms);
  }
}

static unsigned receive(rd_loop *l, rd_conn *c) {
  size_t room = l->buffer_size;
  uint8_t *own = rd_session_room(c->s, room, &room);
  uint32_t wants = EPOLLIN;
  ssize_t n = receive_some(l, c, own != NULL ? own : l->buffer, room, &wants);
  if (RD_UNLIKELY(n <= 0)) {
    if (n == 0) return end_of_input(l, c);
    if (errno == EAGAIN || errno == EWOULDBLOCK)
      arm(l, c, EPOLLIN | wants);
    else if (errno != EINTR)
      fail(l, c, errno);
    return 0;
  }
  uint64_t now_ms = now_ms_of(l->frozen_ms);
  c->active_us = l->turn_us;
  c->trimmed = false;
  c->bytes += (uint64_t)n;
  rd_status status =
      own != NULL ? rd_session_received(c->s, (size_t)n, now_ms) : rd_session_feed(c->s, l->buffer, (size_t)n, now_ms);
  return proceed(l, c, status, now_ms);
}

/* Continue with the session's input. */
static unsigned resume(rd_loop *l, rd_conn *c) {
  uint64_t now_ms = now_ms_of(l->frozen_ms);
  return proceed(l, c, rd_session_resume(c->s, now_ms), now_ms);
}

/* The client has read some output, or has closed. */
static unsigned drain(rd_loop *l, rd_conn *c) {
  uint64_t before = c->bytes;
  sending sent = flush(l, c);
  if (c->bytes != before) c->active_us = l->turn_us;
  if (sent != SENT) return 0;
  if (c->report_sent) {
    c->report_sent = false;
    c->state = HELD;
    return RD_LOOP_DRAINED;
  }
  if (c->status == RD_MORE) return wait_for_input(l, c);
  return resume(l, c);
}

/* ---- a turn ---- */

/* Make the loop's descriptor readable, or not any more. */
static void make_readable(const rd_loop *l) {
  uint64_t one = 1;
  while (write(l->wakeup_fd, &one, sizeof one) < 0 && errno == EINTR) continue;
}
static void read_eventfd(int fd) {
  uint64_t count;
  while (read(fd, &count, sizeof count) < 0 && errno == EINTR) continue;
}

/* ---- messages of other processes ---- */

/* Read the records that are in the ring now. */
static void read_ring(rd_loop *l) {
  rd_records_read(l->ring);
  if (rd_monitor_pending(l->ring) != 0) l->monitored = true;
}

/* The longest wait of a turn that delays no message for long. */
static int ring_wait(rd_loop *l, int wait) {
  rd_store *st = l->ring;
  if (st == NULL || !st->joined) return wait;
  if (RD_UNLIKELY(st->rings_behind != 0) && !rd_ring_flush(st) && (wait < 0 || wait > BEHIND_MS)) wait = BEHIND_MS;
  return wait == 0 || RD_LIKELY(rd_ring_may_sleep(st)) ? wait : 0;
}

/* The store of this process; NULL: neither a session nor a ring has named it yet. */
static rd_store *store_of(const rd_loop *l) {
  return l->ring != NULL && l->ring->joined ? l->ring : l->count != 0 ? rd_session_store(l->conns[0]->s) : NULL;
}

/* True if lines of MONITOR wait for a client of this worker. */
static bool lines_wait(const rd_loop *l) {
  rd_store *st = store_of(l);
  if (st == NULL) return false;
  rd_monitor_share(st);
  return rd_monitor_pending(st) != 0;
}

/* Accept new connections, after the open ones have had their turn. */
static void accept_clients(rd_loop *l, int ready) {
  l->accepts = false;
  for (int i = 0; i < ready && !l->stop; i++) {
    rd_conn *c = l->ready[i].data.ptr;
    if (c != NULL && (void *)c != (void *)l && c->state == LISTENS) rd_loop_accept(l, c);
  }
}

static void serve_ready(rd_loop *l, rd_conn *c) {
  if (RD_UNLIKELY(c->heavy) && c->state == OPEN)
    enqueue(l, c);
  else if (RD_LIKELY(c->state == OPEN))
    report(l, c, receive(l, c));
  else if (c->state == LISTENS)
    l->accepts = true;
  else if (c->state == BLOCKED)
    report(l, c, drain(l, c));
  else if (c->state == ASLEEP && !c->paused)
    report(l, c, receive(l, c));
  else if (c->state != BUSY)
    arm(l, c, 0); /* it sends while it must wait, or the connection failed */
}

static void serve_queued(rd_loop *l, rd_conn *c) {
  uint64_t began = c->heavy ? rd_monotonic_ns() : 0;
  dequeue(l, c);
  c->heavy = false;
  if (c->state == OPEN || c->state == ASLEEP) {
    report(l, c, receive(l, c));
  } else if (c->state == BUSY) {
    report(l, c, resume(l, c));
  } else if (c->state == LOST) {
    report(l, c, RD_LOOP_LOST);
  }
  if (began != 0 && rd_monotonic_ns() - began >= HEAVY_NS) c->heavy = true;
}

bool rd_loop_behind(const rd_loop *l) { return l->count != 0 && rd_behind(rd_session_store(l->conns[0]->s)); }

static bool pushes_wait(const rd_loop *l) {
  const rd_store *st = store_of(l);
  return st != NULL && (rd_pushed_waits(st) || rd_backlog_waits(st) || rd_woken_waits(st) || rd_tracking_waits(st));
}

/* ---- blocked sessions ---- */

static uint64_t deadline_now(const rd_loop *l) {
  return l->frozen_ms != 0 ? l->frozen_ms * 1000000u : rd_monotonic_ns();
}

/* Resume the sessions that were woken, or whose deadline has come: they join the queue. */
static void wake(rd_loop *l) {
  rd_store *st = store_of(l);
  if (RD_LIKELY(st == NULL || (!rd_woken_waits(st) && l->deadlines.count == 0))) return;
  rd_conn *c;
  uint64_t now = l->deadlines.count != 0 ? deadline_now(l) : 0;
  while ((c = rd_deadline_due(&l->deadlines, now)) != NULL) {
    if (c->state != ASLEEP) continue; /* it was woken before */
    if (c->session_state->blocked == RD_BLOCKED_PAUSE)
      rd_wake_held(st); /* in the order in which they came */
    else
      rd_session_wake(c->s);
  }
  while ((c = rd_woken_next(st)) != NULL) {
    if (c->state != ASLEEP) continue; /* its client must read first, or it goes on already */
    c->state = BUSY;
    enqueue(l, c);
  }
}

/* The longest wait of a turn that keeps the first deadline, in milliseconds. */
static int deadline_wait(const rd_loop *l, int wait) {
  if (RD_LIKELY(l->deadlines.count == 0) || wait == 0) return wait;
  uint64_t now = deadline_now(l), first = rd_deadline_first(&l->deadlines);
  uint64_t ms = first <= now ? 0 : (first - now - 1) / 1000000u + 1;
  return wait < 0 || ms < (uint64_t)wait ? (int)(ms < INT_MAX ? ms : INT_MAX) : wait;
}

/* Have a loop around this one turn it at the first deadline, and at once if there is work. */
static void tell_outer(rd_loop *l) {
  if (l->queue_len != 0 || pushes_wait(l)) make_readable(l);
  uint64_t first = rd_deadline_first(&l->deadlines);
  if (l->timer_fd < 0 || first == l->timer_ns || l->frozen_ms != 0) return;
  l->timer_ns = first;
  uint64_t at = first == UINT64_MAX ? 0 : first;
  struct itimerspec when = {.it_value = {(time_t)(at / 1000000000u), (long)(at % 1000000000u)}};
  timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Send the messages to a connection's client. */
static void send_push(rd_loop *l, rd_conn *c) {
  if (RD_UNLIKELY(c->session_state->overflowed != RD_OVERFLOW_NONE)) {
    report(l, c, RD_LOOP_OVER);
  } else if (c->state == OPEN) {
    send_later(l, c);
  } else if (c->state == HELD && flush(l, c) == WAITS) {
    arm(l, c, 0); /* the rest is sent when the owner resumes it */
  } else if (c->state == ASLEEP && flush(l, c) == WAITS) {
    report(l, c, block(l, c, RD_FULL)); /* it is resumed when its client has read the rest */
  }
}

/* Send messages. Beyond a number of clients, of events, or of bytes, the rest waits for the next turn. */
static void send_pushed(rd_loop *l, rd_store *st) {
  if (st != NULL && RD_UNLIKELY(st->tracking != NULL)) rd_tracking_flush(st);
  if (RD_LIKELY(st == NULL || !(rd_pushed_waits(st) != 0 || rd_pushed_to_owners(st) || rd_woken_to_owners(st)))) return;
  uint32_t share = rd_pushed_waits(st) / 4, most = share > PUSHES ? share : PUSHES, sent = 0;
  rd_conn *c;
  for (size_t bytes = 0; l->event_count < EVENTS / 2 && bytes < PUSHED && (c = rd_pushed_next(st)) != NULL;) {
    size_t len = rd_session_output(c->s).len;
    bytes += len;
    send_push(l, c);
    if (++sent >= most && len < PUSHED_SMALL) break;
  }
  answer_all(l);
  if (rd_pushed_to_owners(st) || rd_woken_to_owners(st)) l->events[l->event_count++] = (rd_event){0, RD_LOOP_PUSHED, 0};
}

/* Resume sessions that were woken in this turn: their replies are sent together with that of whoever woke them, so that
 * a client that has its reply finds them served. */
static void serve_woken(rd_loop *l, rd_store *st) {
  rd_conn *c;
  for (uint32_t left = QUEUED; left != 0 && !l->stop && (c = rd_woken_next(st)) != NULL; left--) {
    if (c->state == ASLEEP) report(l, c, resume(l, c));
  }
}

/* Serve the open connections. */
static void serve(rd_loop *l, int ready, uint32_t queued) {
  rd_store *st = l->count != 0 ? rd_session_store(l->conns[0]->s) : NULL; /* all sessions have the same store */
  if (st != NULL) rd_retain_begin(st, rd_worker_alone(st));
  l->serving = true;
  for (int i = 0; i < ready && !l->stop; i++) {
    if (RD_UNLIKELY(l->ready[i].data.ptr == l)) {
      read_eventfd(l->wakeup_fd);
      if (l->ring_fd >= 0) read_eventfd(l->ring_fd);
      if (l->timer_fd >= 0) read_eventfd(l->timer_fd);
    } else if (RD_LIKELY(l->ready[i].data.ptr != NULL))
      serve_ready(l, l->ready[i].data.ptr);
    else
      l->watched = true;
  }
  uint64_t until = queued != 0 ? rd_monotonic_ns() + TURN_NS : 0;
  for (; queued != 0 && l->first != NULL && !l->stop; queued--) {
    serve_queued(l, l->first);
    if (rd_monotonic_ns() >= until) break;
  }
  if (st != NULL && RD_UNLIKELY(rd_woken_waits(st))) serve_woken(l, st);
  l->serving = false;
  if (st != NULL) rd_retain_end(st);
  answer_all(l);
}

int rd_loop_turn(rd_loop *l, int timeout_ms, uint64_t now_ms) {
  l->event_count = 0;
  l->watched = l->stop = l->monitored = false;
  l->frozen_ms = now_ms;
  uint64_t until = timeout_ms > 0 ? rd_monotonic_ns() / 1000u + (uint64_t)timeout_ms * 1000u : 0;
  int wait = timeout_ms;
  uint32_t rounds = l->count / READY; /* rounds in a turn with `timeout_ms` 0 */
  for (;;) {
    wake(l);
    uint32_t queued = l->queue_len < QUEUED ? l->queue_len : QUEUED;
    bool at_once = queued != 0 || l->over_client_limit || l->event_count != 0 || pushes_wait(l);
    int n = epoll_wait(l->epoll, l->ready, READY, ring_wait(l, deadline_wait(l, at_once ? 0 : wait)));
    if (n < 0) return (int)l->event_count; /* a signal, which the owner handles */
    if (RD_UNLIKELY(rd_loop_behind(l))) {
      l->watched = true;
      return (int)l->event_count;
    }
    uint64_t now = rd_monotonic_ns() / 1000u;
    l->turn_us = now_ms != 0 ? now_ms * 1000u : now;
    /* first, so that a command that comes after a message was published is answered after the message */
    if (l->ring != NULL && l->ring->joined && RD_UNLIKELY(rd_ring_waits(l->ring))) read_ring(l);
    serve(l, n, queued);
    if (store_of(l) != NULL) rd_backlog_go_on(store_of(l));
    if (RD_UNLIKELY(l->accepts)) accept_clients(l, n);
    send_pushed(l, store_of(l));
    if (RD_UNLIKELY(l->monitored)) l->monitored = lines_wait(l);
    if (RD_UNLIKELY(l->monitored)) l->events[l->event_count++] = (rd_event){0, RD_LOOP_MONITORED, 0};
    if (RD_UNLIKELY(l->over_client_limit)) l->events[l->event_count++] = (rd_event){0, RD_LOOP_CLIENT_LIMIT, 0};
    l->over_client_limit = false;
    if (l->event_count != 0 || l->watched) return (int)l->event_count;
    if (timeout_ms == 0 && (n < READY || rounds-- == 0)) {
      tell_outer(l);
      return 0;
    }
    if (timeout_ms > 0) { /* measured from before this turn, which is short: the clock is read once a turn */
      if (now >= until) return 0;
      wait = (int)((until - now + 999u) / 1000u);
    }
  }
}

/* ---- the loop ---- */

rd_loop *rd_loop_new(size_t buffer_size) {
  rd_loop *l = calloc(1, sizeof *l);
  if (l == NULL) return NULL;
  l->epoll = epoll_create1(EPOLL_CLOEXEC);
  l->wakeup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  l->ring_fd = l->timer_fd = -1;
  l->timer_ns = UINT64_MAX;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = l};
  if (l->epoll < 0 || l->wakeup_fd < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wakeup_fd, &event) != 0 ||
      !rd_loop_set_buffer(l, buffer_size)) {
    rd_loop_free(l);
    return NULL;
  }
  return l;
}

void rd_loop_free(rd_loop *l) {
  if (l == NULL) return;
  while (l->listening != NULL) rd_loop_remove(l, l->listening);
  if (l->epoll >= 0) close(l->epoll);
  if (l->wakeup_fd >= 0) close(l->wakeup_fd);
  if (l->timer_fd >= 0) close(l->timer_fd);
  rd_deadlines_free(&l->deadlines);
  for (uint32_t i = 0; i < l->count; i++) free(l->conns[i]);
  free(l->conns);
  free(l->buffer);
  free(l);
}

int rd_loop_fd(const rd_loop *l) { return l->epoll; }

bool rd_loop_nest(rd_loop *l) {
  if (l->timer_fd >= 0) return true;
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = l};
  if (fd < 0) return false;
  if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
    close(fd);
    return false;
  }
  l->timer_fd = fd;
  return true;
}

bool rd_loop_set_buffer(rd_loop *l, size_t size) {
  uint8_t *buffer = realloc(l->buffer, size);
  if (buffer == NULL) return false;
  l->buffer = buffer;
  l->buffer_size = size;
  return true;
}

void rd_loop_set_output_limit(rd_loop *l, uint64_t bytes) { l->output_limit = bytes; }
void rd_loop_set_tls(rd_loop *l, const rd_tls *tls) { l->tls = *tls; }

bool rd_loop_watch(rd_loop *l, int fd) {
  struct epoll_event event = {.events = EPOLLIN};
  return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool rd_loop_read_ring(rd_loop *l, rd_store *st, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = l};
  if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) != 0) return false;
  l->ring_fd = fd;
  l->ring = st;
  return true;
}

bool rd_loop_watched(const rd_loop *l) { return l->watched; }
const rd_event *rd_loop_events(const rd_loop *l) { return l->events; }

int rd_loop_scan(rd_loop *l, uint64_t quiet_us, uint64_t silent_us, bool *more) {
  l->event_count = 0;
  if (l->scan_at >= l->count) l->scan_at = 0;
  uint32_t end = l->count - l->scan_at > SCAN ? l->scan_at + SCAN : l->count;
  for (; l->scan_at < end; l->scan_at++) {
    rd_conn *c = l->conns[l->scan_at];
    if (c->active_us > quiet_us) continue;
    if (!c->trimmed && c->state == OPEN) {
      rd_session_trim(c->s);
      c->trimmed = true;
    }
    /* as in Redis a subscriber may be silent, and a client that is blocked */
    if (c->active_us <= silent_us && !c->session_state->subscribed && !c->session_state->blocked)
      l->events[l->event_count++] = (rd_event){c->tag, RD_LOOP_SILENT, 0};
  }
  *more = end < l->count;
  return (int)l->event_count;
}

size_t rd_loop_busiest(rd_loop *l, rd_work *out, size_t cap) {
  size_t found = 0;
  for (uint32_t i = 0; i < l->count; i++) {
    rd_conn *c = l->conns[i];
    rd_work work = {c->tag, c->session_state->commands - c->seen_commands, c->bytes - c->seen_bytes};
    c->seen_commands += work.commands;
    c->seen_bytes += work.bytes;
    if (work.bytes == 0) continue;
    size_t at = found < cap ? found++ : cap;
    for (; at > 0 && (out[at - 1].commands < work.commands ||
                      (out[at - 1].commands == work.commands && out[at - 1].bytes < work.bytes));
         at--) {
      if (at < cap) out[at] = out[at - 1];
    }
    if (at < cap) out[at] = work;
  }
  return found;
}

/* ---- connections ---- */

rd_conn *rd_loop_add(rd_loop *l, int fd, rd_session *s, uint64_t tag, void *ssl, uint64_t now_ms) {
  if (l->count == l->cap) {
    uint32_t cap = l->cap == 0 ? FIRST_CONNS : 2 * l->cap;
    rd_conn **conns = realloc(l->conns, cap * sizeof *conns);
    if (conns == NULL) return NULL;
    l->conns = conns;
    if (!rd_deadlines_reserve(&l->deadlines, cap)) return NULL;
    l->cap = cap;
  }
  rd_conn *c = calloc(1, sizeof *c);
  if (c == NULL) return NULL;
  *c = (rd_conn){.fd = fd, .s = s, .session_state = rd_session_state_of(s), .tag = tag, .ssl = ssl, .armed = EPOLLIN};
  c->active_us = active_us_of(now_ms);
  c->seen_commands = c->session_state->commands;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
    free(c);
    return NULL;
  }
  rd_session_set_carrier(s, c);
  if (ssl != NULL) enqueue(l, c); /* the handshake may have read bytes that follow it */
  c->index = l->count;
  l->conns[l->count++] = c;
  return c;
}

void rd_loop_remove(rd_loop *l, rd_conn *c) {
  arm(l, c, 0);
  if (c->state == LISTENS) {
    *(c->before ? &c->before->next : &l->listening) = c->next;
    if (c->next != NULL) c->next->before = c->before;
    free(c);
    return;
  }
  dequeue(l, c);
  rd_deadline_set(&l->deadlines, c, 0);
  rd_session_set_carrier(c->s, NULL);
  l->conns[c->index] = l->conns[--l->count];
  l->conns[c->index]->index = c->index;
  free(c);
}

unsigned rd_loop_resume(rd_loop *l, rd_conn *c, uint64_t now_ms) {
  if (c->state == LOST || c->state == BUSY) return RD_MORE;
  if (c->state == BLOCKED) {
    c->report_sent = true;
    return RD_FULL;
  }
  c->paused = false;
  if (RD_UNLIKELY(rd_loop_behind(l)) && !c->session_state->locked) {
    c->state = BUSY;
    enqueue(l, c);
    return RD_MORE;
  }
  l->frozen_ms = now_ms;
  l->monitored = false;
  unsigned what = resume(l, c);
  if (l->timer_fd >= 0) tell_outer(l);
  if (RD_UNLIKELY(l->monitored) && lines_wait(l)) what |= RD_LOOP_MONITORED;
  if (c->state != BLOCKED || c->report_sent) return what;
  c->report_sent = true;
  return what | RD_FULL;
}

bool rd_loop_flush(rd_loop *l, rd_conn *c) {
  if (c->state == LOST) return true;
  if (c->state != BLOCKED) {
    if (flush(l, c) != WAITS) return true;
    c->status = RD_FULL; /* the session reports the actual status again */
    c->state = BLOCKED;
  }
  c->report_sent = true;
  return false;
}

void rd_loop_pause(rd_loop *l, rd_conn *c) {
  (void)l;
  c->paused = true;
  if (c->state == OPEN) c->state = HELD;
}

bool rd_conn_busy(const rd_conn *c) { return c->state == BLOCKED || c->state == BUSY; }
uint64_t rd_conn_active_us(const rd_conn *c) { return c->active_us; }
