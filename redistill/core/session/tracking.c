/* tracking.c - the clients that track: their modes, what they are told, and changes that come from this process or from
 * others. */
#include "session/tracking.h"

#include <stdio.h>
#include <stdlib.h>

#include "arena/layout.h"
#include "base/hash.h"
#include "command/keys.h"
#include "session/footprint.h"
#include "session/internal.h"
#include "session/prefixes.h"
#include "session/pushed.h"
#include "session/readers.h"
#include "store/event.h"

/* HEAD: bytes of a message besides the key. SMALL: keys up to this length are handled on the stack. COLLECTED: bytes of
 * changed keys of a prefix that are sent before the end of a turn. QUEUED: bytes of messages for other clients that
 * wait here; beyond that the clients forget everything instead. RECORDS: bytes of records that wait for room in a ring.
 * TRIM: names beyond the limit that go at once. RETRIES: old names that go so that there is memory for a new one.
 * ROUNDS: publishing reads the ring, which may bring more to send. */
enum {
  HEAD = 96,
  SMALL = 4096,
  COLLECTED = 64 << 10,
  QUEUED = 1 << 20,
  RECORDS = 4 << 20,
  TRIM = 64,
  RETRIES = 16,
  ROUNDS = 8
};

struct rd_tracker {
  rd_session *session;
  uint32_t number; /* in the notes of readers.h; never used again while notes may have it */
  uint32_t flags;  /* rd_tracking_flag */
  uint64_t redirect;
  bool forgets; /* it has to be told that everything is invalid */
  rd_prefix **prefixes;
  uint32_t count;
};

/* A message for the client that REDIRECT names. */
typedef struct queued {
  uint32_t number; /* of the client that redirects */
  uint32_t len;
} queued;

typedef struct rd_tracking {
  rd_tracker **trackers; /* in the order of their numbers; also of sessions that no longer track */
  uint32_t count, cap, on;
  uint32_t last; /* the last number given */
  rd_readers readers;
  rd_prefixes prefixes;
  rd_reply queue; /* of `queued`, each with its bytes */
  uint64_t removals;
  bool forgets; /* a tracker forgets */
  bool flushing;
} rd_tracking;

static bool is_on(const rd_tracker *t) { return (t->flags & RD_TRACKING_ON) != 0; }

/* ---- trackers ---- */

static rd_tracker *find_tracker(const rd_tracking *all, uint32_t number) {
  uint32_t low = 0, high = all->count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (all->trackers[middle]->number < number)
      low = middle + 1;
    else
      high = middle;
  }
  return low < all->count && all->trackers[low]->number == number ? all->trackers[low] : NULL;
}

static void count_clients(rd_store *st) { rd_gauge_set(st, RD_GAUGE_tracking_clients, st->tracking->on); }

static rd_tracking *tracking_of(rd_store *st) {
  if (st->tracking == NULL) {
    st->tracking = calloc(1, sizeof *st->tracking);
    if (st->tracking != NULL) rd_reply_init(&st->tracking->queue);
  }
  return st->tracking;
}

static void forget_all(rd_store *st);

/* All numbers were used: begin again, without notes that have them. */
static void renumber(rd_store *st) {
  rd_tracking *all = st->tracking;
  forget_all(st);
  for (uint32_t i = 0; i < all->count; i++) all->trackers[i]->number = i + 1;
  all->last = all->count;
}

static rd_tracker *tracker_of(rd_session *s) {
  rd_tracking *all = tracking_of(s->st);
  if (all == NULL || rd_subscribed_of(s) == NULL) return NULL;
  if (s->tracker != NULL) return s->tracker;
  if (all->count == all->cap) {
    uint32_t cap = all->cap + all->cap / 2 + 8;
    rd_tracker **grown = realloc(all->trackers, cap * sizeof(rd_tracker *));
    if (grown == NULL) return NULL;
    all->trackers = grown;
    all->cap = cap;
  }
  rd_tracker *t = calloc(1, sizeof *t);
  if (t == NULL) return NULL;
  if (all->last == UINT32_MAX) renumber(s->st);
  t->session = s;
  t->number = ++all->last;
  all->trackers[all->count++] = t;
  return s->tracker = t;
}

static void set_flags(rd_tracker *t, uint32_t flags) {
  t->flags = flags;
  t->session->state.tracks = (flags & RD_TRACKING_ON) != 0 && (flags & RD_TRACKING_BCAST) == 0;
}

static bool add_prefixes(rd_session *s, rd_tracker *t, const rd_bytes *names, uint32_t n) {
  if (n == 0) return true;
  rd_prefix **grown = realloc(t->prefixes, (t->count + n) * sizeof(rd_prefix *));
  if (grown == NULL) return false;
  t->prefixes = grown;
  if (!rd_prefixes_add(s->st, &s->st->tracking->prefixes, t, names, n, t->prefixes + t->count)) return false;
  t->count += n;
  for (uint32_t i = 0; i < n; i++) s->subscribed->bytes += names[i].len + 2 * sizeof(rd_prefix *);
  return true;
}

bool rd_tracking_on(rd_session *s, uint32_t flags, uint64_t redirect, const rd_bytes *prefixes, uint32_t n) {
  rd_tracker *t = tracker_of(s);
  if (t == NULL) return false;
  rd_tracking *all = s->st->tracking;
  bool fresh = !is_on(t);
  if (fresh && all->on == 0 && !rd_tracked_begin(s->st)) return false;
  if (!add_prefixes(s, t, prefixes, n)) {
    if (fresh && all->on == 0) rd_tracked_stop(s->st);
    return false;
  }
  set_flags(t, (flags & ~(uint32_t)RD_TRACKING_BROKEN) | RD_TRACKING_ON);
  t->redirect = redirect;
  if (fresh) {
    all->on++;
    count_clients(s->st);
  }
  rd_footprint_changed(s);
  return true;
}

void rd_tracking_off(rd_session *s) {
  rd_tracker *t = s->tracker;
  if (t == NULL || !is_on(t)) return;
  rd_store *st = s->st;
  rd_tracking *all = st->tracking;
  for (uint32_t i = 0; i < t->count; i++) s->subscribed->bytes -= t->prefixes[i]->name.len + 2 * sizeof(rd_prefix *);
  rd_prefixes_remove(st, &all->prefixes, t, t->prefixes, t->count);
  free(t->prefixes);
  t->prefixes = NULL;
  t->count = 0;
  t->forgets = false;
  set_flags(t, 0);
  t->redirect = 0;
  all->on--;
  count_clients(st);
  if (all->on == 0) {
    rd_readers_drop(st, &all->readers);
    rd_tracked_stop(st);
  }
}

void rd_tracking_end(rd_session *s) {
  rd_tracker *t = s->tracker;
  if (t == NULL) return;
  rd_store *st = s->st;
  rd_tracking *all = st->tracking;
  rd_tracking_off(s);
  uint32_t i = 0;
  while (all->trackers[i] != t) i++;
  all->count--;
  memmove(all->trackers + i, all->trackers + i + 1, (all->count - i) * sizeof(rd_tracker *));
  free(t);
  s->tracker = NULL;
  if (all->count != 0) return;
  rd_readers_free(st, &all->readers);
  rd_prefixes_free(st, &all->prefixes);
  rd_reply_free(&all->queue);
  free(all->trackers);
  free(all);
  st->tracking = NULL;
}

uint32_t rd_tracking_flags(const rd_session *s) { return s->tracker != NULL ? s->tracker->flags : 0; }
uint64_t rd_tracking_redirect(const rd_session *s) { return s->tracker != NULL ? s->tracker->redirect : 0; }
uint32_t rd_tracking_prefix_count(const rd_session *s) { return s->tracker != NULL ? s->tracker->count : 0; }
rd_bytes rd_tracking_prefix(const rd_session *s, uint32_t i) { return s->tracker->prefixes[i]->name; }

void rd_tracking_caching(rd_session *s) { s->tracker->flags |= RD_TRACKING_CACHING; }

void rd_tracking_end_command(rd_session *s) {
  rd_tracker *t = s->tracker;
  if ((t->flags & RD_TRACKING_CACHING) == 0 || s->state.in_multi || s->state.in_exec) return;
  const rd_command *last = s->state.last;
  if (last == NULL || strncmp(rd_command_full_name(last), "client|", 7) != 0)
    t->flags &= ~(uint32_t)RD_TRACKING_CACHING;
}

void rd_set_tracking_limit(rd_store *st, uint64_t keys) { st->tracking_keys = keys; }

/* ---- telling clients ---- */

static rd_bytes text_of(const char *text) { return (rd_bytes){(const uint8_t *)text, strlen(text)}; }

static void push_broken(rd_tracker *t) {
  char text[HEAD];
  t->flags |= RD_TRACKING_BROKEN;
  if (t->session->state.resp != 3) return;
  snprintf(text, sizeof text, ">2\r\n$21\r\ntracking-redir-broken\r\n:%llu\r\n", (unsigned long long)t->redirect);
  rd_pushed(t->session, &(rd_push){.head = text_of(text)});
}

/* Queue a message for the client that REDIRECT names: the keys as three parts, or nothing for null. */
static void queue(rd_store *st, rd_tracker *t, rd_bytes head, rd_bytes key, rd_bytes tail) {
  rd_tracking *all = st->tracking;
  queued one = {t->number, (uint32_t)(head.len + key.len + tail.len)};
  if (t->forgets) return;
  if (all->queue.len + sizeof one + one.len > QUEUED || rd_reply_room(&all->queue, sizeof one + one.len) == NULL) {
    all->queue.failed = false;
    t->forgets = all->forgets = true;
    return;
  }
  rd_reply_raw(&all->queue, &one, sizeof one);
  if (head.len != 0) rd_reply_raw(&all->queue, head.data, head.len);
  if (key.len != 0) rd_reply_raw(&all->queue, key.data, key.len);
  if (tail.len != 0) rd_reply_raw(&all->queue, tail.data, tail.len);
}

/* Push keys, as an array in parts, to a client. */
static void push(rd_session *s, rd_bytes head, rd_bytes key, rd_bytes tail) {
  static const char start[] = ">2\r\n$10\r\ninvalidate\r\n";
  static const char channel[] = ">3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n";
  char text[HEAD];
  const char *first = s->state.resp == 3 ? start : channel;
  size_t len = strlen(first);
  memcpy(text, first, len);
  rd_push p = {.body = {head, key}, .tail = tail};
  if (head.len <= sizeof text - len) { /* otherwise it is all of a long array, and `key` is empty */
    if (head.len != 0) memcpy(text + len, head.data, head.len);
    len += head.len;
    p.body[0] = (rd_bytes){NULL, 0};
  }
  p.head = (rd_bytes){(const uint8_t *)text, len};
  rd_count_stat(s->st, RD_STAT_tracking_invalidations, 1);
  rd_pushed(s, &p);
}

/* Tell a client, or the one that it redirects to. Nothing as the keys: everything. */
static void tell(rd_store *st, rd_tracker *t, rd_bytes head, rd_bytes key, rd_bytes tail) {
  if (t->redirect != 0)
    queue(st, t, head, key, tail);
  else if (t->session->state.resp == 3)
    push(t->session, head.len != 0 ? head : text_of("_\r\n"), key, tail);
}

static void tell_key(rd_store *st, rd_tracker *t, rd_bytes key) {
  char head[HEAD];
  snprintf(head, sizeof head, "*1\r\n$%zu\r\n", key.len);
  tell(st, t, text_of(head), key, text_of("\r\n"));
}

void rd_tracking_deliver(rd_session *s, rd_bytes a, rd_bytes b) {
  if (s->state.resp != 3 && !s->state.subscribed) return;
  rd_bytes none = {NULL, 0};
  if (a.len + b.len == 0)
    push(s, text_of(s->state.resp == 3 ? "_\r\n" : "$-1\r\n"), none, none);
  else
    push(s, none, a, b);
}

static void tell_everything(rd_store *st, rd_tracker *t) {
  rd_bytes none = {NULL, 0};
  t->forgets = false;
  tell(st, t, none, none, none);
}

void rd_tracking_forget(rd_session *s) {
  if (s->tracker == NULL || !is_on(s->tracker)) return;
  s->tracker->forgets = s->st->tracking->forgets = true;
}

/* Everything is invalid for all clients of this process. */
static void forget_all(rd_store *st) {
  rd_tracking *all = st->tracking;
  rd_readers_drop(st, &all->readers);
  all->removals++;
  for (uint32_t i = 0; i < all->prefixes.dirty_count; i++) rd_prefix_forget_keys(st, all->prefixes.dirty[i]);
  rd_prefixes_take_dirty(&all->prefixes);
  all->queue.len = 0;
  for (uint32_t i = 0; i < all->count; i++) all->trackers[i]->forgets = false;
  for (uint32_t i = 0; i < all->count; i++) {
    if (is_on(all->trackers[i])) tell_everything(st, all->trackers[i]);
  }
}

/* ---- reads ---- */

/* Tell the readers of a key that was taken out of the table. */
static void tell_readers(rd_store *st, rd_read_key *k, const rd_session *writer) {
  uint32_t count;
  const uint32_t *clients = rd_read_clients(k, &count);
  st->tracking->removals++;
  for (uint32_t i = 0; i < count; i++) {
    rd_tracker *t = find_tracker(st->tracking, clients[i]);
    if (t == NULL || !t->session->state.tracks) continue;
    if (t->flags & RD_TRACKING_NOLOOP && t->session == writer) continue;
    tell_key(st, t, rd_read_name(k));
  }
  rd_read_free(st, k);
}

static bool give_up_oldest(rd_store *st) {
  rd_read_key *k = rd_readers_take_oldest(st, &st->tracking->readers);
  if (k != NULL) tell_readers(st, k, NULL);
  return k != NULL;
}

/* Give up the oldest keys beyond the limit, some at a time. */
static void trim(rd_store *st) {
  for (int left = TRIM; left != 0 && rd_readers_are_over(st, &st->tracking->readers); left--) give_up_oldest(st);
}

static void read_key(rd_store *st, rd_tracker *t, rd_bytes name) {
  rd_tracking *all = st->tracking;
  uint64_t hash = rd_siphash(st->seed, name.data, name.len);
  rd_read_noted noted = rd_readers_note(st, &all->readers, name, hash, t->number);
  for (int left = RETRIES; noted == RD_READ_FULL && left != 0 && give_up_oldest(st); left--) {
    noted = rd_readers_note(st, &all->readers, name, hash, t->number);
  }
  if (noted == RD_READ_FULL) tell_key(st, t, name); /* its client must not keep what it reads now */
}

/* Find the keys that the call reads and its client wants to hear of. False: none. */
static bool find_keys(const rd_call *call, rd_keys *keys) {
  const rd_tracker *t = call->session->tracker;
  bool caching = (t->flags & RD_TRACKING_CACHING) != 0;
  if ((call->command->flags & RD_READONLY) == 0) return false;
  if ((t->flags & RD_TRACKING_OPTIN && !caching) || (t->flags & RD_TRACKING_OPTOUT && caching)) return false;
  rd_command_keys(call->command, call->argv, call->argc, keys);
  return keys->count != 0;
}

void rd_tracking_prepare(const rd_call *call) {
  rd_keys keys;
  if (!find_keys(call, &keys)) return;
  rd_store *st = call->store;
  st->tracking->readers.keeps_bits = true;
  for (uint32_t i = 0; i < keys.count; i++) {
    rd_bytes name = call->argv[rd_key_position(&keys, i)];
    rd_tracked_set(st, rd_siphash(st->seed, name.data, name.len), true);
  }
}

void rd_tracking_read(const rd_call *call) {
  rd_tracker *t = call->session->tracker;
  rd_store *st = call->store;
  rd_keys keys;
  st->tracking->readers.keeps_bits = false;
  if (!find_keys(call, &keys)) return;
  for (uint32_t i = 0; i < keys.count; i++) {
    if ((i & 63) == 63) rd_yield(st);
    if (t->session->state.tracks) read_key(st, t, call->argv[rd_key_position(&keys, i)]);
  }
  trim(st);
}

uint64_t rd_tracking_removals(const rd_store *st) { return st->tracking->removals; }

/* ---- changes ---- */

static void collect(rd_store *st, rd_prefix *x, rd_bytes key, uint32_t writer);

/* A key has changed: tell the clients of this process. */
static void changed(rd_store *st, uint64_t hash, rd_bytes key, const rd_session *writer) {
  rd_tracking *all = st->tracking;
  if (all == NULL || all->on == 0) return;
  rd_read_key *k = rd_readers_take(st, &all->readers, key, hash);
  if (k != NULL) tell_readers(st, k, writer);
  uint32_t number = writer != NULL && writer->tracker != NULL ? writer->tracker->number : 0;
  for (rd_prefix *x = rd_prefixes_match(&all->prefixes, key); x != NULL; x = x->shorter) collect(st, x, key, number);
}

/* A changed key in a record, and in the list of those that other workers are not told yet; its bytes follow. */
typedef struct changed_head {
  uint64_t hash;
  uint32_t len;
} changed_head;

/* Keep those keys of the list that the worker may have. False: no memory. */
static bool choose(rd_store *st, uint32_t place, rd_reply *chosen) {
  const rd_reply *all = st->changed;
  for (size_t at = 0; at < all->len;) {
    changed_head head;
    memcpy(&head, all->data + at, sizeof head);
    const uint8_t *key = all->data + at + sizeof head;
    if (rd_tracked_has(st, place, head.hash, key, head.len))
      rd_reply_raw(chosen, all->data + at, sizeof head + head.len);
    at += sizeof head + head.len;
  }
  return !chosen->failed;
}

/* Tell the other workers which keys have changed, before the keys' shards are unlocked. A worker whose ring has no room
 * forgets everything. */
static void tell_workers(rd_store *st) {
  uint64_t others = rd_trackers(st) & ~(1ull << (st->worker - rd_worker_at(st, 0)));
  rd_reply *all = st->changed;
  for (; others != 0; others &= others - 1) {
    uint32_t place = (uint32_t)__builtin_ctzll(others);
    rd_reply chosen;
    rd_reply_init(&chosen);
    bool ok = choose(st, place, &chosen);
    if (ok && chosen.len != 0)
      ok = rd_ring_send(st, place, RD_RECORD_CHANGED, chosen.data, chosen.len, RECORDS) != RD_SENT_LOST;
    if (!ok) rd_tracked_forget(st, place);
    rd_reply_free(&chosen);
  }
  if (all->cap > SMALL) rd_reply_free(all);
  all->len = 0;
}

/* Put a key into the list. */
static void list_changed(rd_store *st, uint64_t hash, rd_bytes key) {
  changed_head head = {hash, (uint32_t)key.len};
  if ((rd_trackers(st) & ~(1ull << (st->worker - rd_worker_at(st, 0)))) == 0) return;
  if (st->changed == NULL && (st->changed = malloc(sizeof *st->changed)) != NULL) rd_reply_init(st->changed);
  rd_reply *all = st->changed;
  if (all != NULL) all->failed = false;
  if (all == NULL || rd_reply_room(all, sizeof head + key.len) == NULL) {
    rd_tracked_forget_all(st);
    return;
  }
  rd_reply_raw(all, &head, sizeof head);
  if (key.len != 0) rd_reply_raw(all, key.data, key.len);
  if (all->len > COLLECTED) tell_workers(st);
}

static void note_flush(rd_store *st) {
  uint64_t others = rd_trackers(st) & ~(1ull << (st->worker - rd_worker_at(st, 0)));
  for (; others != 0; others &= others - 1) {
    uint32_t place = (uint32_t)__builtin_ctzll(others);
    if (rd_ring_send(st, place, RD_RECORD_FLUSHED, "", 0, RECORDS) == RD_SENT_LOST) rd_tracked_forget(st, place);
  }
  if (st->tracking != NULL) forget_all(st);
}

void rd_tracking_note(rd_store *st, const rd_change *change) {
  if (change->event == RD_EVENT_FLUSHED) {
    note_flush(st);
    return;
  }
  rd_tracking *all = st->tracking;
  uint8_t small[SMALL], *copy = small;
  rd_bytes key = {change->key, change->key_len};
  if (key.data == NULL) {
    if (key.len > SMALL) copy = malloc(key.len);
    if (copy == NULL) {
      rd_tracked_forget_all(st);
      return;
    }
    rd_change_key(st, change, copy);
    key.data = copy;
  }
  list_changed(st, change->hash, key);
  bool by_itself = change->event == RD_EVENT_EXPIRED || change->event == RD_EVENT_EVICTED || st->serves_waits;
  if (all != NULL) changed(st, change->hash, key, by_itself ? NULL : st->current);
  if (copy != small) free(copy);
}

void rd_tracking_hear(rd_store *st, const rd_record *r) {
  if (st->tracking == NULL) return;
  if (r->kind == RD_RECORD_FLUSHED) {
    forget_all(st);
    return;
  }
  uint8_t small[SMALL], *copy = small;
  rd_bytes a = r->part[0], b = r->part[1], all = {a.data, a.len + b.len};
  if (b.len != 0) { /* it wraps around the end of the ring */
    if (all.len > SMALL) copy = malloc(all.len);
    if (copy == NULL) {
      forget_all(st);
      return;
    }
    memcpy(copy, a.data, a.len);
    memcpy(copy + a.len, b.data, b.len);
    all.data = copy;
  }
  changed_head head;
  for (size_t at = 0; all.len - at >= sizeof head;) {
    memcpy(&head, all.data + at, sizeof head);
    at += sizeof head;
    if (head.len > all.len - at) break;
    changed(st, head.hash, (rd_bytes){all.data + at, head.len}, NULL);
    at += head.len;
  }
  if (copy != small) free(copy);
}

/* ---- BCAST ---- */

/* Tell a prefix's clients of the keys that were collected. A client with NOLOOP gets those that it did not change. */
static void send_prefix(rd_store *st, rd_prefix *x) {
  rd_reply all, own;
  rd_bytes none = {NULL, 0};
  bool ok;
  rd_reply_init(&all);
  rd_reply_init(&own);
  uint32_t n = rd_prefix_write(x, 0, &all, &ok);
  for (uint32_t i = 0; ok && n != 0 && i < x->count; i++) {
    rd_tracker *t = x->clients[i];
    rd_reply *text = &all;
    if (t->flags & RD_TRACKING_NOLOOP && rd_prefix_has_writer(x, t->number)) {
      own.len = 0;
      if (rd_prefix_write(x, t->number, &own, &ok) == 0) continue;
      text = &own;
    }
    tell(st, t, (rd_bytes){text->data, text->len}, none, none);
  }
  for (uint32_t i = 0; !ok && i < x->count; i++) tell_everything(st, x->clients[i]);
  rd_reply_free(&all);
  rd_reply_free(&own);
  rd_prefix_forget_keys(st, x);
}

static void collect(rd_store *st, rd_prefix *x, rd_bytes key, uint32_t writer) {
  if (x->keys.len > COLLECTED) send_prefix(st, x);
  if (rd_prefix_collect(st, &st->tracking->prefixes, x, key, writer)) return;
  for (uint32_t i = 0; i < x->count; i++) tell_everything(st, x->clients[i]);
}

/* ---- sending ---- */

/* Publish what was queued. A client that has gone has no count. */
static void publish_queue(rd_store *st) {
  rd_tracking *all = st->tracking;
  while (all->queue.len != 0) {
    rd_reply taken = all->queue;
    rd_reply_init(&all->queue);
    for (size_t at = 0; at < taken.len;) {
      queued one;
      memcpy(&one, taken.data + at, sizeof one);
      at += sizeof one;
      rd_tracker *t = find_tracker(all, one.number);
      if (t != NULL && is_on(t) && t->redirect != 0) {
        uint64_t target = t->redirect, count = 0;
        rd_bytes name = {(const uint8_t *)&target, sizeof target}, text = {taken.data + at, one.len};
        rd_publish(st, RD_REDIRECT, name, text, true, &count);
        if (count == 0) push_broken(t);
      }
      at += one.len;
    }
    rd_reply_free(&taken);
  }
}

void rd_tracking_release(rd_store *st) {
  if (st->changed != NULL && st->changed->len != 0) tell_workers(st);
  rd_tracking *all = st->tracking;
  if (all == NULL || all->queue.len == 0 || all->flushing || st->rolls_locked) return;
  all->flushing = true;
  publish_queue(st);
  all->flushing = false;
}

bool rd_tracking_waits(const rd_store *st) {
  const rd_tracking *all = st->tracking;
  return all != NULL && (all->prefixes.dirty_count != 0 || all->queue.len != 0 || all->forgets);
}

void rd_tracking_flush(rd_store *st) {
  rd_tracking *all = st->tracking;
  if (RD_LIKELY(all == NULL) || all->flushing || st->rolls_locked) return;
  all->flushing = true;
  if (rd_tracked_forgotten(st)) forget_all(st);
  for (int rounds = ROUNDS; rounds != 0 && rd_tracking_waits(st); rounds--) {
    uint32_t dirty = rd_prefixes_take_dirty(&all->prefixes);
    for (uint32_t i = 0; i < dirty; i++) send_prefix(st, all->prefixes.dirty[i]);
    bool forgets = all->forgets;
    all->forgets = false;
    for (uint32_t i = 0; forgets && i < all->count; i++) {
      if (all->trackers[i]->forgets) tell_everything(st, all->trackers[i]);
    }
    publish_queue(st);
  }
  trim(st);
  rd_readers_step(st, &all->readers);
  all->flushing = false;
}

bool rd_tracking_receive(rd_session *s) {
  uint64_t id = s->state.owner;
  if (!rd_subscribed_begin(s->st, true)) return false;
  rd_subscribing result = rd_subscribe(s, RD_REDIRECT, (rd_bytes){(const uint8_t *)&id, sizeof id});
  rd_rolls_unlock(s->st);
  return result != RD_NO_ROOM;
}
