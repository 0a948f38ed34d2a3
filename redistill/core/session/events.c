/* events.c - notes events, and publishes them before a shard's lock is released. */
#include "session/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena/layout.h"
#include "arena/tracked.h"
#include "session/subscribed.h"
#include "session/tracking.h"
#include "wire/reply.h"

/* NOTED: bytes of events that are kept until a lock is released; more are published at once. CHANNEL: of a channel
 * without its key. */
enum { NOTED = 1 << 20, FIRST = 4096, CHANNEL = 64 };

/* An event in the list; its key follows. */
typedef struct noted {
  uint32_t event, db, len;
} noted;

static uint32_t wanted(const rd_store *st) { return atomic_load_explicit(&st->head->notify, memory_order_relaxed); }

void rd_set_notify(rd_store *st, uint32_t what) {
  uint32_t was = wanted(st);
  while (!atomic_compare_exchange_weak(&st->head->notify, &was, what | (was & RD_NOTIFY_TRACKED))) continue;
}

uint32_t rd_event_letter(char letter) {
  const char *at = letter != 0 ? strchr(RD_CLASS_LETTERS, letter) : NULL;
  return at != NULL ? 1u << (at - RD_CLASS_LETTERS) : 0;
}

/* ---- publishing ---- */

/* An event cannot be published: all workers end their subscribers, since it may concern any of them. */
static void lose(rd_store *st) {
  for (uint64_t rolls = rd_rolls_used(st); rolls != 0; rolls &= rolls - 1)
    rd_roll_lose(st, rd_worker_at(st, (uint32_t)__builtin_ctzll(rolls)));
}

static void publish_one(rd_store *st, uint32_t what, const noted *one, const uint8_t *key) {
  uint8_t small[FIRST + CHANNEL], *channel = small;
  const char *name = rd_event_name((rd_key_event)one->event);
  rd_bytes event = {(const uint8_t *)name, strlen(name)}, of = {key, one->len};
  uint64_t count;
  if (what & RD_NOTIFY_KEYSPACE) {
    if (one->len > FIRST) channel = malloc((size_t)one->len + CHANNEL);
    if (channel != NULL) {
      size_t len = (size_t)snprintf((char *)channel, CHANNEL, "__keyspace@%u__:", one->db);
      if (of.len != 0) memcpy(channel + len, of.data, of.len);
      rd_publish(st, RD_CHANNEL, (rd_bytes){channel, len + of.len}, event, true, &count);
    }
    if (channel == NULL) lose(st);
    if (channel != small) free(channel);
  }
  if (what & RD_NOTIFY_KEYEVENT) {
    size_t len = (size_t)snprintf((char *)small, sizeof small, "__keyevent@%u__:%s", one->db, name);
    rd_publish(st, RD_CHANNEL, (rd_bytes){small, len}, of, true, &count);
  }
}

void rd_events_publish(rd_store *st) {
  rd_reply *events = st->events;
  uint32_t what = wanted(st);
  if (st->before_release == rd_events_publish) st->before_release = NULL;
  if (st->invalidating) rd_tracking_release(st);
  if (events == NULL) return;
  for (size_t at = 0; at < events->len;) {
    noted one;
    memcpy(&one, events->data + at, sizeof one);
    publish_one(st, what, &one, events->data + at + sizeof one);
    at += sizeof one + one.len;
  }
  if (events->cap > FIRST) rd_reply_free(events);
  events->len = 0;
}

/* ---- noting ---- */

static uint8_t *room_for(rd_store *st, size_t len) {
  if (st->events == NULL) {
    st->events = malloc(sizeof *st->events);
    if (st->events == NULL) return NULL;
    rd_reply_init(st->events);
  }
  st->events->failed = false;
  return rd_reply_room(st->events, len);
}

static void note_event(rd_store *st, const rd_change *change) {
  noted one = {change->event, change->db, change->key_len};
  uint8_t *to = room_for(st, sizeof one + one.len);
  if (to == NULL) {
    lose(st);
    return;
  }
  memcpy(to, &one, sizeof one);
  rd_change_key(st, change, to + sizeof one);
  st->events->len += sizeof one + one.len;
  if (RD_UNLIKELY(st->events->len > NOTED)) rd_events_publish(st);
}

/* The only listener: everything that follows from changes begins here. */
static void note(void *arg, rd_store *st, const rd_change *change) {
  (void)arg;
  uint32_t class = rd_event_class(change->event);
  if (st->before_release == NULL) st->before_release = rd_events_publish; /* else it calls this, too */
  if ((st->publishing & class) != 0) note_event(st, change);
  if (st->invalidating && (class & (RD_CLASS_MISS | RD_CLASS_NEW)) == 0 && !rd_event_is_of_group(change->event))
    rd_tracking_note(st, change);
}

void rd_events_begin(rd_store *st) {
  uint32_t what = wanted(st), ways = RD_NOTIFY_KEYSPACE | RD_NOTIFY_KEYEVENT;
  st->publishing = (what & ways) != 0 && rd_rolls_used(st) != 0 ? what & RD_CLASSES : 0;
  st->invalidating = (what & RD_NOTIFY_TRACKED) != 0;
  uint32_t classes = st->publishing | (st->invalidating ? RD_CLASSES & ~(RD_CLASS_MISS | RD_CLASS_NEW) : 0u);
  if (classes == st->notifying) return;
  st->notifying = classes;
  rd_listen(st, classes, note, NULL);
}
