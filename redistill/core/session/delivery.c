/* delivery.c - publishes messages: counts the receivers, tells the other workers, and pushes to this process's
 * sessions. */
#include "session/delivery.h"

#include <stdio.h>
#include <stdlib.h>

#include "arena/layout.h"
#include "session/backlog.h"
#include "session/internal.h"
#include "session/records.h"
#include "session/tracking.h"

/* PIECE: bytes of a record of a large message. SMALL: a record that is made on the stack. */
enum { PIECE = 256 << 10, SMALL = 4096, HEAD = 64 };

/* The head of a record; the name of the channel and the message follow, or a part of both together. */
typedef struct message_head {
  uint64_t number;  /* rd_header.published */
  uint64_t total;   /* bytes of the name and the message */
  uint64_t from;    /* the offset of this part */
  uint32_t channel; /* bytes of the name */
  uint32_t kind;    /* RD_CHANNEL, RD_SHARD_CHANNEL or RD_REDIRECT */
} message_head;

/* ---- to the sessions of this process ---- */

/* ---- the form of a message ---- */

static void put(rd_form *f, const void *data, size_t len) {
  if (len != 0) memcpy(f->words + f->push.head.len, data, len);
  f->push.head.len += len;
}

static void put_bulk_head(rd_form *f, size_t len) {
  f->push.head.len += (size_t)snprintf((char *)f->words + f->push.head.len, HEAD, "$%zu\r\n", len);
}

static void put_bulk(rd_form *f, rd_bytes b) {
  put_bulk_head(f, b.len);
  put(f, b.data, b.len);
  put(f, "\r\n", 2);
}

bool rd_form_begin(rd_form *f, const rd_topic *t, const rd_message *m) {
  static const char *const starts[] = {">3\r\n$7\r\nmessage\r\n", ">4\r\n$8\r\npmessage\r\n",
                                       ">3\r\n$8\r\nsmessage\r\n"};
  size_t names = m->channel.len + (t->kind == RD_PATTERN ? t->name.len : 0); /* they may be long */
  f->words = names <= sizeof f->small - 4 * HEAD ? f->small : malloc(names + 4 * HEAD);
  if (f->words == NULL) return false;
  f->push = (rd_push){{f->words, 0}, {m->part[0], m->part[1]}, {(const uint8_t *)"\r\n", 2}};
  put(f, starts[t->kind], strlen(starts[t->kind]));
  if (t->kind == RD_PATTERN) put_bulk(f, t->name);
  put_bulk(f, m->channel);
  put_bulk_head(f, m->part[0].len + m->part[1].len);
  return true;
}

void rd_form_end(rd_form *f) {
  if (f->words != f->small) free(f->words);
}

/* ---- to the sessions of this process ---- */

/* The message cannot be had: end the sessions of a topic, which would miss it. */
static void end_topic(const rd_topic *t, const rd_message *m) {
  for (uint32_t i = 0; i < t->count; i++) {
    rd_session *s = t->links[i]->session;
    if (t->links[i]->since < m->number && !s->subscribed->ended) rd_pushed_end(s, RD_OVERFLOW_LOST);
  }
}

/* Push an invalidation to the client that others redirect to. */
static uint64_t deliver_redirected(const rd_topic *t, const rd_message *m) {
  for (uint32_t i = 0; i < t->count; i++) {
    if (t->links[i]->since < m->number) rd_tracking_deliver(t->links[i]->session, m->part[0], m->part[1]);
  }
  return t->count;
}

/* Push to all sessions of a topic. */
static uint64_t deliver_to(rd_store *st, const rd_topic *t, const rd_message *m) {
  if (RD_UNLIKELY(t->kind == RD_REDIRECT)) return deliver_redirected(t, m);
  rd_form form;
  uint64_t n = 0;
  if (!rd_form_begin(&form, t, m)) {
    end_topic(t, m);
    return 0;
  }
  bool behind = rd_backlog_waits(st);
  for (uint32_t i = 0; i < t->count; i++) {
    if (t->links[i]->since >= m->number) continue;
    if (RD_UNLIKELY(behind)) rd_backlog_catch_up(t->links[i]->session);
    rd_pushed(t->links[i]->session, &form.push);
    n++;
  }
  rd_form_end(&form);
  return n;
}

static uint64_t count_of(const rd_topic *t, const rd_message *m) {
  if (m->number == UINT64_MAX) return t->count;
  uint64_t n = 0;
  for (uint32_t i = 0; i < t->count; i++) n += t->links[i]->since < m->number;
  return n;
}

/* The number of messages that delivering means. */
static uint64_t count(rd_store *st, uint64_t hash, const rd_message *m) {
  const rd_topics *topics = st->topics;
  const rd_topic *t = rd_topic_find(st, hash, m->channel);
  uint64_t n = t != NULL ? count_of(t, m) : 0;
  for (uint32_t i = 0; m->kind == RD_CHANNEL && i < topics->pattern_count; i++) {
    if (rd_roll_glob(st, topics->patterns[i]->name, m->channel)) n += count_of(topics->patterns[i], m);
  }
  return n;
}

static void lose(rd_store *st, uint64_t hash, const rd_message *m) {
  const rd_topics *topics = st->topics;
  const rd_topic *t = rd_topic_find(st, hash, m->channel);
  if (t != NULL) end_topic(t, m);
  for (uint32_t i = 0; m->kind == RD_CHANNEL && i < topics->pattern_count; i++) {
    if (rd_roll_glob(st, topics->patterns[i]->name, m->channel)) end_topic(topics->patterns[i], m);
  }
}

/* Deliver to this process's sessions, or begin to. Returns the number of messages. */
static uint64_t deliver(rd_store *st, uint64_t hash, const rd_message *m) {
  const rd_topics *topics = st->topics;
  if (topics == NULL) return 0;
  if (RD_UNLIKELY(rd_backlog_may_be_long(m, topics->links))) {
    while (rd_backlog_is_full(st)) rd_backlog_go_on(st);
    uint64_t receivers = count(st, hash, m);
    if (rd_backlog_add(st, hash, m, receivers)) return receivers;
  }
  const rd_topic *t = rd_topic_find(st, hash, m->channel);
  uint64_t n = t != NULL ? deliver_to(st, t, m) : 0;
  for (uint32_t i = 0; m->kind == RD_CHANNEL && i < topics->pattern_count; i++) {
    t = topics->patterns[i];
    if (rd_roll_glob(st, t->name, m->channel)) n += deliver_to(st, t, m);
  }
  rd_count_stat(st, RD_STAT_messages_delivered, n);
  return n;
}

/* ---- to other workers ---- */

static void copy_from(uint8_t *to, uint64_t from, size_t len, rd_bytes a, rd_bytes b) {
  size_t first = from < a.len ? (a.len - from < len ? (size_t)(a.len - from) : len) : 0;
  if (first != 0) memcpy(to, a.data + from, first);
  if (len > first) memcpy(to + first, b.data + (from + first - a.len), len - first);
}

/* Write a message to the ring of a worker. False: the worker has ended. */
static bool send_to(rd_store *st, uint32_t place, message_head head, rd_bytes channel, rd_bytes text) {
  uint8_t small[SMALL], *record = small;
  size_t piece = head.total < PIECE ? (size_t)head.total : PIECE;
  rd_sent sent = RD_SENT_LOST;
  if (sizeof head + piece > sizeof small) record = malloc(sizeof head + piece);
  for (head.from = 0; record != NULL; head.from += piece) {
    size_t len = head.total - head.from < piece ? (size_t)(head.total - head.from) : piece;
    memcpy(record, &head, sizeof head);
    copy_from(record + sizeof head, head.from, len, channel, text);
    sent = rd_ring_send(st, place, RD_RECORD_MESSAGE, record, sizeof head + len, RD_MESSAGES_KEPT + head.total);
    if ((sent != RD_SENT && sent != RD_SENT_KEPT) || head.from + len == head.total) break;
  }
  if (record != small) free(record);
  if (sent == RD_SENT_LOST) rd_roll_lose(st, rd_worker_at(st, place));
  return sent != RD_SENT_GONE;
}

/* Read what was published before. So all subscribers see one order, and a session that another worker has taken is
 * known to have gone. */
static void read_before(rd_store *st) {
  if (st->joined && RD_UNLIKELY(rd_ring_waits(st))) rd_records_read(st);
}

bool rd_publish(rd_store *st, rd_roll_kind kind, rd_bytes channel, rd_bytes text, bool wait, uint64_t *count) {
  uint64_t rolls = rd_rolls_used(st), own = 1ull << (st->worker - rd_worker_at(st, 0));
  *count = 0;
  if (RD_LIKELY(rolls == 0)) return true;
  if (!wait && RD_UNLIKELY(rd_backlog_is_full(st))) return false;
  uint64_t hash = rd_roll_hash(st, kind, channel), n = 0;
  rd_message m = {kind, channel, {text, {NULL, 0}}, UINT64_MAX};
  if (rolls == own && RD_LIKELY(st->moving == 0)) {
    read_before(st);
    *count = deliver(st, hash, &m);
    return true;
  }
  if (!rd_rolls_lock(st, wait)) return false;
  read_before(st);
  message_head head = {++st->head->published, channel.len + text.len, 0, (uint32_t)channel.len, (uint32_t)kind};
  for (uint64_t others = rd_rolls_used(st) & ~own; others != 0; others &= others - 1) {
    uint32_t place = (uint32_t)__builtin_ctzll(others);
    uint64_t there = rd_roll_count(st, place, hash);
    if (kind == RD_CHANNEL) there += rd_roll_matches(st, place, channel);
    if (there != 0 && send_to(st, place, head, channel, text)) n += there;
  }
  *count = n + deliver(st, hash, &m);
  rd_rolls_unlock(st);
  return true;
}

/* ---- from other workers ---- */

/* Deliver a message that begins with its channel's name, or with `lost`, end those who would get it. */
static void deliver_record(rd_store *st, const message_head *head, rd_bytes a, rd_bytes b, bool lost) {
  uint8_t name[SMALL], *copy = NULL;
  rd_bytes channel = {a.data, head->channel};
  if (a.len < head->channel) { /* the name wraps around the end of the ring */
    copy = head->channel <= sizeof name ? name : malloc(head->channel);
    if (copy == NULL) {
      rd_roll_lose(st, st->worker); /* nobody knows to whom it goes */
      return;
    }
    copy_from(copy, 0, head->channel, a, b);
    channel.data = copy;
    b = (rd_bytes){b.data + (head->channel - a.len), b.len - (head->channel - a.len)};
    a.len = 0;
  } else {
    a = (rd_bytes){a.data + head->channel, a.len - head->channel};
  }
  rd_message m = {(rd_roll_kind)head->kind, channel, {a, b}, head->number};
  uint64_t hash = rd_roll_hash(st, m.kind, channel);
  if (lost) {
    rd_count_stat(st, RD_STAT_messages_lost, 1);
    lose(st, hash, &m);
  } else {
    deliver(st, hash, &m);
  }
  if (copy != name) free(copy);
}

void rd_parts_drop(rd_store *st, rd_parts *p) {
  rd_scratch_count(st, -(uint64_t)p->total);
  free(p->data);
  *p = (rd_parts){0};
}

/* Make room for a message of which the first part has come. */
static void begin_parts(rd_store *st, rd_parts *p, const message_head *head, rd_bytes a, rd_bytes b) {
  rd_parts_drop(st, p);
  uint8_t *data = rd_scratch_fits(st, head->total) ? malloc(head->total) : NULL;
  if (data != NULL) {
    *p = (rd_parts){data, 0, head->total};
    rd_scratch_count(st, head->total);
  } else if (head->channel <= a.len + b.len) {
    deliver_record(st, head, a, b, true);
  } else {
    rd_roll_lose(st, st->worker); /* nobody knows to whom it goes */
  }
}

/* Add a part of a message. The last part delivers it. */
static void add_part(rd_store *st, uint32_t from, const message_head *head, rd_bytes a, rd_bytes b) {
  rd_parts *p = &st->topics->from[from];
  size_t len = a.len + b.len;
  if (head->from == 0) begin_parts(st, p, head, a, b);
  /* The first subscriber may have come behind the first part. */
  if (p->data == NULL || p->total != head->total || head->from != p->len || len > p->total - p->len) return;
  copy_from(p->data + p->len, 0, len, a, b);
  p->len += len;
  if (p->len != p->total) return;
  deliver_record(st, head, (rd_bytes){p->data, p->len}, (rd_bytes){NULL, 0}, false);
  rd_parts_drop(st, p);
}

void rd_subscribed_read(rd_store *st, const rd_record *r) {
  message_head head;
  rd_bytes a = r->part[0], b = r->part[1];
  if (a.len + b.len < sizeof head || st->topics == NULL) return;
  copy_from((uint8_t *)&head, 0, sizeof head, a, b);
  size_t first = a.len < sizeof head ? a.len : sizeof head;
  a = (rd_bytes){a.data + first, a.len - first};
  b = (rd_bytes){b.data + (sizeof head - first), b.len - (sizeof head - first)};
  bool sound = head.channel <= head.total && head.total <= 2ull * RD_MAX_BULK && head.from <= head.total &&
               (head.kind == RD_CHANNEL || head.kind == RD_SHARD_CHANNEL || head.kind == RD_REDIRECT) &&
               r->from < RD_MAX_WORKERS;
  if (!sound || a.len + b.len > head.total - head.from) return;
  if (a.len + b.len == head.total)
    deliver_record(st, &head, a, b, false);
  else
    add_part(st, r->from, &head, a, b);
}

bool rd_subscribed_lost(rd_store *st) {
  if (RD_LIKELY(atomic_load_explicit(&st->worker->roll.lost, memory_order_relaxed) == 0)) return false;
  atomic_store(&st->worker->roll.lost, 0);
  for (rd_session *s = st->subscribers; s != NULL; s = s->subscribed->next) {
    if (s->subscribed->count != 0 && !s->subscribed->ended) rd_pushed_end(s, RD_OVERFLOW_LOST);
  }
  return true;
}
