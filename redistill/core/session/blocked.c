/* blocked.c - lists of the sessions that are held, and of those that were woken. */
#include "session/blocked.h"

#include "arena/ring.h"
#include "arena/worker.h"
#include "session/internal.h"
#include "session/moved.h"
#include "session/subscribed.h"

/* ---- lists, in the order of arrival ---- */

static void unlist(rd_session *s) {
  rd_sessions *list = s->waits_in;
  if (list == NULL) return;
  *(s->waits_before != NULL ? &s->waits_before->waits_next : &list->first) = s->waits_next;
  *(s->waits_next != NULL ? &s->waits_next->waits_before : &list->last) = s->waits_before;
  s->waits_in = NULL;
}

static void append(rd_sessions *list, rd_session *s) {
  if (s->waits_in == list) return;
  unlist(s);
  s->waits_in = list;
  s->waits_next = NULL;
  s->waits_before = list->last;
  *(list->last != NULL ? &list->last->waits_next : &list->first) = s;
  list->last = s;
}

static rd_session *take(rd_sessions *list) {
  rd_session *s = list->first;
  if (s != NULL) unlist(s);
  return s;
}

/* ---- waking ---- */

void rd_session_wake(rd_session *s) {
  if (s->state.blocked != RD_NOT_BLOCKED) append(s->carrier != NULL ? &s->st->woken : &s->st->woken_to_owners, s);
}

void rd_wake_held(rd_store *st) {
  while (st->held_sessions.first != NULL) rd_session_wake(st->held_sessions.first);
}

bool rd_woken_waits(const rd_store *st) { return st->woken.first != NULL; }
bool rd_woken_to_owners(const rd_store *st) { return st->woken_to_owners.first != NULL; }

void *rd_woken_next(rd_store *st) {
  rd_session *s = take(&st->woken);
  return s != NULL ? s->carrier : NULL;
}

uint64_t rd_woken_owner(rd_store *st) {
  rd_session *s = take(&st->woken_to_owners);
  return s != NULL ? s->state.owner : 0;
}

void rd_blocked_carried(rd_session *s) {
  if (s->waits_in == &s->st->woken || s->waits_in == &s->st->woken_to_owners) rd_session_wake(s);
}

/* ---- the state of a session ---- */

uint64_t rd_blocked_until(const rd_store *st, uint64_t milliseconds) {
  uint64_t now = rd_blocked_now(st);
  if (milliseconds == 0) return 0;
  return milliseconds >= (UINT64_MAX - now) / 1000000u ? UINT64_MAX : now + milliseconds * 1000000u;
}

uint64_t rd_blocked_wait(const rd_session *s) {
  uint64_t now = rd_blocked_now(s->st), at = s->state.deadline_ns;
  return at == 0 || at == UINT64_MAX ? UINT64_MAX : at > now ? at - now : 0;
}

/* Write the gauges of this process. */
static void publish(rd_store *st) {
  if (!st->joined) return;
  rd_gauge_set(st, RD_GAUGE_blocked_clients, st->blocked_sessions + st->asking);
  rd_gauge_set(st, RD_GAUGE_timed_clients, st->blocked_timed);
}

void rd_blocked_ask(rd_store *st, uint32_t sessions) {
  st->asking = sessions;
  publish(st);
}

static void leave(rd_session *s) {
  unlist(s);
  if (s->state.blocked == RD_NOT_BLOCKED) return;
  s->st->blocked_sessions--;
  if (s->timed) s->st->blocked_timed--;
  s->timed = false;
  s->state.blocked = RD_NOT_BLOCKED;
}

static void enter(rd_session *s, rd_blocked why) {
  s->state.blocked = (uint8_t)why;
  s->st->blocked_sessions++;
  s->timed = why == RD_BLOCKED_COMMAND && s->state.deadline_ns != 0;
  if (s->timed) s->st->blocked_timed++;
}

static void hold(rd_session *s) {
  rd_store *st = s->st;
  uint64_t until_ms;
  unsigned mode = rd_get_pause(st, &until_ms);
  bool other = (st->holder != NULL && st->holder != s) || rd_moved_waits(s);
  enter(s, other ? RD_BLOCKED_TURN : RD_BLOCKED_PAUSE);
  s->state.deadline_ns = other ? 0 : until_ms >= UINT64_MAX / 1000000u ? UINT64_MAX : until_ms * 1000000u;
  if (st->held_sessions.first == NULL) {
    st->pause_seen = mode;
    st->pause_seen_until = until_ms;
  }
  append(&st->held_sessions, s);
}

void rd_blocked_changed(rd_session *s, rd_status status) {
  leave(s);
  if (status == RD_PAUSED) {
    hold(s);
  } else if (status == RD_BLOCKED) {
    enter(s, RD_BLOCKED_COMMAND);
    if (s->wait == NULL) rd_session_wake(s); /* it was woken, and has got more input since */
  } else {
    s->state.deadline_ns = 0;
  }
  publish(s->st);
}

void rd_blocked_forget(rd_session *s) {
  if (s->state.blocked == RD_NOT_BLOCKED) return;
  leave(s);
  publish(s->st);
}

/* ---- CLIENT PAUSE ---- */

void rd_blocked_pause(rd_store *st, unsigned mode, uint64_t until_ms) {
  rd_set_pause(st, mode, until_ms);
  rd_wake_held(st);
  for (uint32_t i = 0; st->joined && i < RD_MAX_WORKERS; i++) {
    if (rd_worker_at(st, i) != st->worker && rd_worker_used(st, i))
      rd_ring_send(st, i, RD_RECORD_PAUSE, "", 1, RD_MESSAGES_KEPT);
  }
}

void rd_blocked_enforce(rd_store *st) {
  uint64_t until_ms;
  if (st->held_sessions.first == NULL) return;
  if (rd_get_pause(st, &until_ms) != st->pause_seen || until_ms != st->pause_seen_until) rd_wake_held(st);
}
