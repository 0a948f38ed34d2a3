/* subscribed.c - topics and links: which session subscribes to what. delivery.c sends messages to them. */
#include "session/subscribed.h"

#include <stdlib.h>

#include "arena/layout.h"
#include "arena/worker.h"
#include "session/backlog.h"
#include "session/footprint.h"
#include "session/internal.h"
#include "session/moved.h"
#include "session/pushed.h"
#include "session/records.h"
#include "session/topics.h"
#include "session/tracking.h"

enum { FIRST_PLACES = 8, MALLOC_HEAD = 16 };

/* ---- topics ---- */

static rd_topics *topics_of(rd_store *st) {
  if (st->topics == NULL) st->topics = calloc(1, sizeof *st->topics);
  return st->topics;
}

rd_topic *rd_topic_find(const rd_store *st, uint64_t hash, rd_bytes name) {
  if (st->topics == NULL) return NULL;
  for (uint32_t i = rd_roll_find(st, hash, RD_NO_ENTRY); i != RD_NO_ENTRY; i = rd_roll_find(st, hash, i)) {
    rd_topic *t = st->topics->at[i];
    if (t->name.len == name.len && (name.len == 0 || memcmp(t->name.data, name.data, name.len) == 0)) return t;
  }
  return NULL;
}

/* Make room for one more element behind `count`. */
static bool reserve(void **array, uint32_t *cap, uint32_t count, size_t size) {
  if (count < *cap) return true;
  uint32_t grown = count + count / 2 + 4;
  void *moved = realloc(*array, grown * size);
  if (moved == NULL) return false;
  *array = moved;
  *cap = grown;
  return true;
}

static bool reserve_at(rd_topics *topics, uint32_t entry) {
  if (entry < topics->cap) return true;
  uint32_t cap = entry + entry / 2 + 64;
  rd_topic **at = realloc(topics->at, cap * sizeof *at);
  if (at == NULL) return false;
  memset(at + topics->cap, 0, (cap - topics->cap) * sizeof *at);
  topics->at = at;
  topics->cap = cap;
  return true;
}

/* Write a pattern's text into the roll; if there is no room, without the texts of patterns that have ended. */
static bool add_text(rd_store *st, rd_topic *t) {
  rd_topics *topics = st->topics;
  if (!reserve((void **)&topics->patterns, &topics->patterns_cap, topics->pattern_count, sizeof *topics->patterns))
    return false;
  if (!rd_roll_add_pattern(st, t->name, 1, &t->text)) {
    rd_roll_clear_patterns(st);
    for (uint32_t i = 0; i < topics->pattern_count; i++) {
      rd_topic *one = topics->patterns[i];
      rd_roll_add_pattern(st, one->name, one->count, &one->text); /* fits, since it did before */
    }
    if (!rd_roll_add_pattern(st, t->name, 1, &t->text)) return false;
  }
  t->pattern = topics->pattern_count;
  topics->patterns[topics->pattern_count++] = t;
  return true;
}

static void remove_text(rd_store *st, rd_topic *t) {
  rd_topics *topics = st->topics;
  rd_roll_set_pattern(st, t->text, 0);
  topics->patterns[t->pattern] = topics->patterns[--topics->pattern_count];
  topics->patterns[t->pattern]->pattern = t->pattern;
}

/* Make a topic, whose entry counts the first client. */
static rd_topic *add_topic(rd_store *st, rd_roll_kind kind, uint64_t hash, rd_bytes name) {
  if (topics_of(st) == NULL) return NULL;
  rd_topic *t = calloc(1, sizeof *t + name.len);
  if (t == NULL) return NULL;
  if (name.len != 0) memcpy(t->bytes, name.data, name.len);
  t->name = (rd_bytes){t->bytes, name.len};
  t->kind = (uint8_t)kind;
  t->entry = rd_roll_add(st, hash);
  if (t->entry == RD_NO_ENTRY) {
    free(t);
    return NULL;
  }
  if (!reserve_at(st->topics, t->entry) || (kind == RD_PATTERN && !add_text(st, t))) {
    rd_roll_set(st, t->entry, 0);
    free(t);
    return NULL;
  }
  st->topics->at[t->entry] = t;
  return t;
}

static void remove_topic(rd_store *st, rd_topic *t) {
  if (t->kind == RD_PATTERN) remove_text(st, t);
  st->topics->at[t->entry] = NULL;
  rd_roll_set(st, t->entry, 0);
  free(t->links);
  free(t);
}

/* This process has no subscriber. */
static void forget_topics(rd_store *st) {
  if (st->topics == NULL) return;
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) rd_parts_drop(st, &st->topics->from[i]);
  rd_backlog_forget(st);
  free(st->topics->at);
  free(st->topics->patterns);
  free(st->topics);
  st->topics = NULL;
}

/* ---- the topics of a session, as a set ---- */

static uint32_t place_of(const rd_subscribed *sub, const rd_topic *t) {
  return (uint32_t)((uint64_t)(uintptr_t)t * 0x9e3779b97f4a7c15ull >> 32) & (sub->places - 1);
}

rd_link *rd_topic_link(const rd_subscribed *sub, const rd_topic *t) {
  if (sub->places == 0) return NULL;
  uint32_t i = place_of(sub, t);
  while (sub->set[i] != NULL && sub->set[i]->topic != t) i = (i + 1) & (sub->places - 1);
  return sub->set[i];
}

static void insert(rd_subscribed *sub, rd_link *link) {
  uint32_t i = place_of(sub, link->topic);
  while (sub->set[i] != NULL) i = (i + 1) & (sub->places - 1);
  sub->set[i] = link;
}

static bool grow_set(rd_subscribed *sub) {
  if (2 * (sub->count + 1) <= sub->places) return true;
  uint32_t places = sub->places == 0 ? FIRST_PLACES : 2 * sub->places;
  rd_link **set = calloc(places, sizeof *set);
  if (set == NULL) return false;
  free(sub->set);
  sub->set = set;
  sub->places = places;
  for (uint32_t i = 0; i < sub->count; i++) insert(sub, sub->links[i]);
  return true;
}

/* Remove a link; the links behind it move up, as far as they are not at their place (Knuth's algorithm R). */
static void take_out(rd_subscribed *sub, const rd_link *link) {
  uint32_t mask = sub->places - 1, hole = place_of(sub, link->topic);
  while (sub->set[hole] != link) hole = (hole + 1) & mask;
  for (uint32_t i = (hole + 1) & mask; sub->set[i] != NULL; i = (i + 1) & mask) {
    uint32_t home = place_of(sub, sub->set[i]->topic);
    if (((i - home) & mask) < ((i - hole) & mask)) continue;
    sub->set[hole] = sub->set[i];
    hole = i;
  }
  sub->set[hole] = NULL;
}

/* ---- a session's subscriptions ---- */

static uint64_t memory_of(rd_bytes name) { return sizeof(rd_link) + sizeof(rd_topic) + name.len + 2 * MALLOC_HEAD; }

static void list(rd_session *s) {
  rd_subscribed *sub = s->subscribed;
  sub->before = NULL;
  sub->next = s->st->subscribers;
  if (sub->next != NULL) sub->next->subscribed->before = s;
  s->st->subscribers = s;
}

static void unlist(rd_session *s) {
  const rd_subscribed *sub = s->subscribed;
  *(sub->before != NULL ? &sub->before->subscribed->next : &s->st->subscribers) = sub->next;
  if (sub->next != NULL) sub->next->subscribed->before = sub->before;
}

void rd_subscribed_to_front(rd_session *s) {
  unlist(s);
  list(s);
}

rd_subscribed *rd_subscribed_of(rd_session *s) {
  if (s->subscribed != NULL) return s->subscribed;
  rd_subscribed *sub = calloc(1, sizeof *sub);
  if (sub == NULL) return NULL;
  rd_reply_init(&sub->kept);
  s->subscribed = sub;
  list(s);
  return sub;
}

static void count_session(rd_session *s) {
  bool subscribes = s->subscribed->count != s->subscribed->kinds[RD_REDIRECT];
  if (s->state.subscribed == subscribes) return;
  s->state.subscribed = subscribes;
  rd_store *st = s->st;
  st->subscribed_sessions += subscribes ? 1u : -1u;
  rd_gauge_set(st, RD_GAUGE_pubsub_clients, st->subscribed_sessions);
}

bool rd_subscribed_begin(rd_store *st, bool wait) {
  if (!rd_rolls_lock(st, wait)) return false;
  if (st->joined) rd_records_read(st);
  return true;
}

static bool add_link(rd_session *s, rd_topic *t, bool fresh) {
  rd_subscribed *sub = s->subscribed;
  rd_link *link = malloc(sizeof *link);
  if (link == NULL || !reserve((void **)&t->links, &t->cap, t->count, sizeof(rd_link *)) ||
      !reserve((void **)&sub->links, &sub->cap, sub->count, sizeof(rd_link *)) || !grow_set(sub)) {
    free(link);
    return false;
  }
  *link = (rd_link){s, t, t->count, sub->count, s->st->head->published, s->st->topics->backlog.serial};
  s->st->topics->links++;
  t->links[t->count++] = link;
  sub->links[sub->count++] = link;
  insert(sub, link);
  if (!fresh) rd_roll_set(s->st, t->entry, t->count);
  if (t->kind == RD_PATTERN) rd_roll_set_pattern(s->st, t->text, t->count);
  sub->kinds[t->kind]++;
  sub->bytes += memory_of(t->name);
  return true;
}

rd_subscribing rd_subscribe(rd_session *s, rd_roll_kind kind, rd_bytes name) {
  rd_store *st = s->st;
  rd_subscribed *sub = rd_subscribed_of(s);
  if (sub == NULL) return RD_NO_ROOM;
  uint64_t hash = rd_roll_hash(st, kind, name);
  rd_topic *t = rd_topic_find(st, hash, name);
  if (t != NULL && rd_topic_link(sub, t) != NULL) return RD_ALREADY;
  if (sub->count >= RD_MAX_SUBSCRIPTIONS) return RD_NO_ROOM;
  bool fresh = t == NULL;
  if (fresh) t = add_topic(st, kind, hash, name);
  if (t == NULL) return RD_NO_ROOM;
  if (!add_link(s, t, fresh)) {
    if (fresh) remove_topic(st, t);
    return RD_NO_ROOM;
  }
  count_session(s);
  rd_footprint_changed(s);
  return RD_SUBSCRIBED;
}

static void remove_link(rd_session *s, rd_link *link, bool counted) {
  rd_store *st = s->st;
  rd_subscribed *sub = s->subscribed;
  rd_topic *t = link->topic;
  take_out(sub, link);
  st->topics->links--;
  sub->links[link->at_session] = sub->links[--sub->count];
  sub->links[link->at_session]->at_session = link->at_session;
  t->links[link->at_topic] = t->links[--t->count];
  t->links[link->at_topic]->at_topic = link->at_topic;
  sub->kinds[t->kind]--;
  sub->bytes -= memory_of(t->name);
  free(link);
  if (t->count == 0) {
    remove_topic(st, t);
    return;
  }
  if (!counted) return;
  rd_roll_set(st, t->entry, t->count);
  if (t->kind == RD_PATTERN) rd_roll_set_pattern(st, t->text, t->count);
}

bool rd_unsubscribe(rd_session *s, rd_roll_kind kind, rd_bytes name) {
  if (s->subscribed == NULL) return false;
  const rd_topic *t = rd_topic_find(s->st, rd_roll_hash(s->st, kind, name), name);
  rd_link *link = t != NULL ? rd_topic_link(s->subscribed, t) : NULL;
  if (link == NULL) return false;
  rd_backlog_catch_up(s);
  remove_link(s, link, true);
  count_session(s);
  rd_footprint_changed(s);
  return true;
}

rd_bytes rd_subscribed_any(const rd_session *s, rd_roll_kind kind) {
  const rd_subscribed *sub = s->subscribed;
  if (sub == NULL || sub->kinds[kind] == 0) return (rd_bytes){NULL, 0};
  uint32_t i = sub->count;
  while (sub->links[i - 1]->topic->kind != kind) i--;
  return sub->links[i - 1]->topic->name;
}

rd_bytes rd_subscribed_at(const rd_session *s, uint32_t i, rd_roll_kind *kind) {
  const rd_topic *t = s->subscribed->links[i]->topic;
  *kind = (rd_roll_kind)t->kind;
  return t->name;
}

uint32_t rd_session_subscriptions(const rd_session *s, rd_roll_kind kind) {
  return s->subscribed != NULL ? s->subscribed->kinds[kind] : 0;
}

void rd_subscribed_clear(rd_session *s, bool counted) {
  rd_subscribed *sub = s->subscribed;
  if (sub == NULL) return;
  while (sub->count != 0) remove_link(s, sub->links[sub->count - 1], counted);
  count_session(s);
}

void rd_unsubscribe_all(rd_session *s) {
  rd_subscribed *sub = s->subscribed;
  rd_tracking_off(s);
  if (sub == NULL) return;
  if (sub->count != 0) {
    bool locked = rd_subscribed_begin(s->st, true);
    rd_subscribed_clear(s, true);
    rd_moved_stay(s);
    if (locked) rd_rolls_unlock(s->st);
  }
  unlist(s);
  rd_reply_free(&sub->kept);
  free(sub->links);
  free(sub->set);
  free(sub);
  s->subscribed = NULL;
  if (s->st->subscribers == NULL) forget_topics(s->st);
}

size_t rd_subscribed_names(const rd_store *st, rd_roll_kind kind, uint8_t *dst, size_t cap, uint32_t *next) {
  size_t n = 0;
  uint32_t i = *next, end = st->topics != NULL ? st->topics->cap : 0;
  for (; i < end; i++) {
    const rd_topic *t = st->topics->at[i];
    if (t == NULL || t->kind != kind) continue;
    uint32_t len = (uint32_t)t->name.len;
    if (cap - n < sizeof len + len) break;
    memcpy(dst + n, &len, sizeof len);
    if (len != 0) memcpy(dst + n + sizeof len, t->name.data, len);
    n += sizeof len + len;
  }
  *next = i < end ? i : 0;
  return n;
}
