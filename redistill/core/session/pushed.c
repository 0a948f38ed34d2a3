/* pushed.c - places messages between replies, and lists the sessions that have new ones. */
#include "session/pushed.h"

#include "session/blocked.h"
#include "session/footprint.h"
#include "session/internal.h"
#include "session/moved.h"
#include "session/subscribed.h"
#include "store/pause.h"

/* True if bytes that are appended now would stand in the middle of a reply, or before one that belongs before them. */
static bool in_reply(const rd_session *s) {
  return s->st->current == s || s->longcall != NULL || s->state.in_exec || s->waiting == RD_CONTROL ||
         s->subscribed->move.waits;
}

/* ---- the list ---- */

static rd_pushed_list *list_of(rd_session *s) { return s->carrier != NULL ? &s->st->pushed : &s->st->pushed_to_owners; }

static void list(rd_session *s) {
  if (s->listed != NULL) return;
  rd_pushed_list *l = s->listed = list_of(s);
  s->pushed_next = NULL;
  s->pushed_before = l->last;
  *(l->last != NULL ? &l->last->pushed_next : &l->first) = s;
  l->last = s;
  l->count++;
}

static void unlist(rd_session *s) {
  rd_pushed_list *l = s->listed;
  if (l == NULL) return;
  *(s->pushed_before != NULL ? &s->pushed_before->pushed_next : &l->first) = s->pushed_next;
  *(s->pushed_next != NULL ? &s->pushed_next->pushed_before : &l->last) = s->pushed_before;
  l->count--;
  s->listed = NULL;
}

void rd_session_set_carrier(rd_session *s, void *carrier) {
  bool listed = s->listed != NULL;
  unlist(s);
  if (carrier != NULL && s->subscribed != NULL) rd_moved_stay(s); /* no worker took it */
  s->carrier = carrier;
  rd_blocked_carried(s);
  if (listed) list(s);
}

uint32_t rd_pushed_waits(const rd_store *st) { return st->pushed.count; }
bool rd_pushed_to_owners(const rd_store *st) { return st->pushed_to_owners.count != 0; }

void *rd_pushed_next(rd_store *st) {
  rd_session *s = st->pushed.first;
  if (s == NULL) return NULL;
  unlist(s);
  return s->carrier;
}

uint64_t rd_pushed_owner(rd_store *st) {
  rd_session *s = st->pushed_to_owners.first;
  if (s == NULL) return 0;
  unlist(s);
  return s->state.owner;
}

/* ---- the limits of class pubsub ---- */

static uint64_t waiting_bytes(const rd_session *s) {
  return s->out.len - s->sent + s->multi.kept.len - s->multi.kept_at + s->subscribed->kept.len;
}

/* True if the output, with `more` bytes, is over a limit of the class. */
static bool is_over(rd_session *s, uint64_t more) {
  rd_subscribed *sub = s->subscribed;
  if (!s->state.subscribed) { /* large replies are of another class: only what was pushed counts */
    if (more != 0 && waiting_bytes(s) == 0) sub->pushed = 0;
    sub->pushed += more;
    return s->limits.pubsub_hard != 0 && sub->pushed > s->limits.pubsub_hard;
  }
  uint64_t bytes = waiting_bytes(s) + more;
  if (s->limits.pubsub_hard != 0 && bytes > s->limits.pubsub_hard) return true;
  if (s->limits.pubsub_soft == 0 || bytes <= s->limits.pubsub_soft) {
    sub->soft_since = 0;
    return false;
  }
  uint64_t now = rd_pause_now(s->st);
  if (sub->soft_since == 0) sub->soft_since = now | 1;
  return now > sub->soft_since && now - sub->soft_since > s->limits.pubsub_seconds * 1000u;
}

void rd_pushed_end(rd_session *s, rd_overflow why) {
  s->subscribed->ended = true;
  s->out.failed = true;
  s->state.overflowed = (uint8_t)why;
  list(s);
}

void rd_pushed_enforce(rd_store *st) {
  for (rd_session *s = st->subscribers; s != NULL; s = s->subscribed->next) {
    if (!s->subscribed->ended && is_over(s, 0)) rd_pushed_end(s, RD_OVERFLOW_PUBSUB);
  }
  rd_moved_enforce(st);
}

/* ---- messages ---- */

static size_t size_of(const rd_push *p) { return p->head.len + p->body[0].len + p->body[1].len + p->tail.len; }

static uint8_t *put(uint8_t *to, rd_bytes part) {
  if (part.len != 0) memcpy(to, part.data, part.len);
  return to + part.len;
}

static void append(rd_reply *to, const rd_push *p, uint8_t resp) {
  size_t len = size_of(p);
  uint8_t *at = rd_reply_room(to, len);
  if (at == NULL) return;
  put(put(put(put(at, p->head), p->body[0]), p->body[1]), p->tail);
  if (resp == 2) *at = '*';
  to->len += len;
}

/* The session gets no more messages. */
static bool is_closed(const rd_session *s) {
  return s->subscribed->ended || s->waiting == RD_CLOSE || s->out.failed || s->dropped;
}

/* Append to the output, or to what is kept aside. */
static void place(rd_session *s, const rd_push *p, bool aside, uint8_t resp) {
  rd_subscribed *sub = s->subscribed;
  rd_reply *to = aside ? &sub->kept : &s->out;
  if (!aside) rd_session_compact(s);
  s->out.limit = 0; /* the limits of the class hold, and those of all clients' buffers: rd_footprint_admit */
  s->st->pushes = true;
  append(to, p, resp);
  s->st->pushes = false;
  s->out.limit = rd_reply_limit(s);
  if (to->failed) {
    s->out.failed = true;
    if (s->state.overflowed == RD_OVERFLOW_NONE) s->state.overflowed = RD_OVERFLOW_CLIENTS;
    sub->ended = true;
  }
  rd_footprint_changed(s);
  if (!aside || to->failed) list(s);
}

void rd_pushed(rd_session *s, const rd_push *p) {
  if (is_closed(s)) return;
  if (RD_UNLIKELY(is_over(s, size_of(p))))
    rd_pushed_end(s, RD_OVERFLOW_PUBSUB);
  else
    place(s, p, in_reply(s) || s->subscribed->kept.len != 0, s->state.resp);
}

void rd_pushed_late(rd_session *s, rd_bytes a, rd_bytes b) {
  if (a.len + b.len != 0 && !is_closed(s)) place(s, &(rd_push){.body = {a, b}}, false, 3);
}

void rd_pushed_join(rd_session *s) {
  rd_subscribed *sub = s->subscribed;
  if (sub == NULL || sub->kept.len == 0 || s->longcall != NULL || s->state.in_exec || sub->move.waits) return;
  rd_reply_raw(&s->out, sub->kept.data, sub->kept.len);
  rd_reply_free(&sub->kept);
  sub->kept.len = 0;
  list(s);
}

void rd_pushed_forget(rd_session *s) { unlist(s); }
