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

static struct rd_session **list_of(rd_session *s) {
  return s->carrier != NULL ? &s->st->pushed : &s->st->pushed_to_owners;
}

static void list(rd_session *s) {
  if (s->listed != NULL) return;
  s->listed = list_of(s);
  s->pushed_before = NULL;
  s->pushed_next = *s->listed;
  if (s->pushed_next != NULL) s->pushed_next->pushed_before = s;
  *s->listed = s;
}

static void unlist(rd_session *s) {
  if (s->listed == NULL) return;
  *(s->pushed_before != NULL ? &s->pushed_before->pushed_next : s->listed) = s->pushed_next;
  if (s->pushed_next != NULL) s->pushed_next->pushed_before = s->pushed_before;
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

bool rd_pushed_waits(const rd_store *st) { return st->pushed != NULL; }
bool rd_pushed_to_owners(const rd_store *st) { return st->pushed_to_owners != NULL; }

void *rd_pushed_next(rd_store *st) {
  rd_session *s = st->pushed;
  if (s == NULL) return NULL;
  unlist(s);
  return s->carrier;
}

uint64_t rd_pushed_owner(rd_store *st) {
  rd_session *s = st->pushed_to_owners;
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
  uint64_t bytes = waiting_bytes(s) + more, now = rd_pause_now(s->st);
  if (s->limits.pubsub_hard != 0 && bytes > s->limits.pubsub_hard) return true;
  if (s->limits.pubsub_soft == 0 || bytes <= s->limits.pubsub_soft) {
    sub->soft_since = 0;
    return false;
  }
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

static void append(rd_reply *to, const rd_push *p, uint8_t resp) {
  size_t mark = to->len;
  if (rd_reply_room(to, p->head.len + p->body[0].len + p->body[1].len + p->tail.len) == NULL) return;
  if (p->head.len != 0) rd_reply_raw(to, p->head.data, p->head.len);
  if (p->body[0].len != 0) rd_reply_raw(to, p->body[0].data, p->body[0].len);
  if (p->body[1].len != 0) rd_reply_raw(to, p->body[1].data, p->body[1].len);
  if (p->tail.len != 0) rd_reply_raw(to, p->tail.data, p->tail.len);
  if (!to->failed && resp == 2) to->data[mark] = '*';
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
  if (RD_UNLIKELY(is_over(s, p->head.len + p->body[0].len + p->body[1].len + p->tail.len)))
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
