/* backlog.c - delivers in slices.
 *
 * Topics and links come and go between slices, and the last one of an array takes the place of one that goes. So both
 * arrays are walked from their ends, and a link remembers the last message that it had: whatever moves down was done,
 * and is not done twice. A new topic or link stands behind the place that was reached, or has the mark of all messages
 * that came before it. */
#include "session/backlog.h"

#include <stdlib.h>

#include "arena/layout.h"
#include "session/internal.h"

/* Costs are in bytes that are copied. EACH: of one receiver besides the copy. SLICE: of one slice. */
enum { EACH = 1024, SLICE = 4 << 20, COUNT = 1024 };

struct rd_delivery {
  rd_delivery *next;
  rd_message m; /* refers to `bytes` */
  uint64_t hash, serial;
  bool patterns;    /* the channel's clients have it */
  uint32_t pattern; /* the patterns below this one have not been looked at */
  uint32_t left;    /* of the present topic, the links below this one have not been looked at */
  size_t size;
  uint8_t bytes[];
};

static uint64_t cost_of(const rd_message *m) { return EACH + m->channel.len + m->part[0].len + m->part[1].len; }

bool rd_backlog_waits(const rd_store *st) { return st->topics != NULL && st->topics->backlog.first != NULL; }

bool rd_backlog_is_full(const rd_store *st) {
  return st->topics != NULL && (st->topics->backlog.bytes > RD_BACKLOG || st->topics->backlog.count >= COUNT);
}

bool rd_backlog_may_be_long(const rd_message *m, uint64_t links) { return links > 1 && links * cost_of(m) > SLICE; }

bool rd_backlog_add(rd_store *st, uint64_t hash, const rd_message *m, uint64_t receivers) {
  if (!rd_backlog_may_be_long(m, receivers)) return false;
  rd_backlog *b = &st->topics->backlog;
  size_t text = m->part[0].len + m->part[1].len, size = sizeof(rd_delivery) + m->channel.len + text;
  rd_delivery *d = rd_scratch_fits(st, size) ? malloc(size) : NULL;
  if (d == NULL) return false;
  *d = (rd_delivery){.hash = hash, .serial = ++b->serial, .left = UINT32_MAX, .size = size};
  uint8_t *to = d->bytes;
  const rd_bytes parts[] = {m->channel, m->part[0], m->part[1]};
  for (int i = 0; i < 3; i++) {
    if (parts[i].len != 0) memcpy(to, parts[i].data, parts[i].len);
    to += parts[i].len;
  }
  d->m = (rd_message){m->kind, {d->bytes, m->channel.len}, {{d->bytes + m->channel.len, text}, {NULL, 0}}, m->number};
  *(b->last != NULL ? &b->last->next : &b->first) = d;
  b->last = d;
  b->bytes += size;
  b->count++;
  rd_scratch_count(st, size);
  return true;
}

static void drop_first(rd_store *st) {
  rd_backlog *b = &st->topics->backlog;
  rd_delivery *d = b->first;
  b->first = d->next;
  if (b->first == NULL) b->last = NULL;
  b->bytes -= d->size;
  b->count--;
  rd_scratch_count(st, -(uint64_t)d->size);
  free(d);
}

void rd_backlog_forget(rd_store *st) {
  while (rd_backlog_waits(st)) drop_first(st);
}

/* Push to a link that has not had the message. */
static bool give(rd_store *st, const rd_delivery *d, rd_link *link, const rd_push *push) {
  if (link->given >= d->serial) return false;
  link->given = d->serial;
  if (link->since >= d->m.number) return false;
  rd_pushed(link->session, push);
  rd_count_stat(st, RD_STAT_messages_delivered, 1);
  return true;
}

/* ---- to all, in slices ---- */

/* Without memory for its form, those who would get the message are ended. */
static void end_all(const rd_delivery *d, const rd_topic *t) {
  for (uint32_t i = 0; i < t->count; i++) {
    rd_link *link = t->links[i];
    if (link->given < d->serial && link->since < d->m.number && !link->session->subscribed->ended)
      rd_pushed_end(link->session, RD_OVERFLOW_LOST);
  }
}

/* Push to the links of a topic. False: the slice is used up. */
static bool go_through(rd_store *st, rd_delivery *d, const rd_topic *t, uint64_t *budget) {
  rd_form form;
  uint32_t i = d->left < t->count ? d->left : t->count;
  uint64_t cost = cost_of(&d->m);
  if (!rd_form_begin(&form, t, &d->m)) {
    end_all(d, t);
    i = 0;
  }
  while (i > 0 && *budget > 0) {
    if (give(st, d, t->links[--i], &form.push)) *budget -= cost < *budget ? cost : *budget;
  }
  if (form.words != NULL) rd_form_end(&form);
  d->left = i > 0 ? i : UINT32_MAX;
  return i == 0;
}

/* Go on with a message. True: it is done. */
static bool go_on(rd_store *st, rd_delivery *d, uint64_t *budget) {
  const rd_topics *topics = st->topics;
  if (!d->patterns) {
    const rd_topic *t = rd_topic_find(st, d->hash, d->m.channel);
    if (t != NULL && !go_through(st, d, t, budget)) return false;
    d->patterns = true;
    d->left = UINT32_MAX;
    d->pattern = d->m.kind == RD_CHANNEL ? topics->pattern_count : 0;
  }
  for (; d->pattern > 0; d->pattern--) {
    if (d->pattern > topics->pattern_count) {
      d->left = UINT32_MAX; /* the topic in which it stopped has moved down, or ended */
      continue;
    }
    const rd_topic *t = topics->patterns[d->pattern - 1];
    if (rd_roll_glob(st, t->name, d->m.channel) && !go_through(st, d, t, budget)) return false;
  }
  return true;
}

void rd_backlog_go_on(rd_store *st) {
  uint64_t budget = SLICE;
  while (budget > 0 && rd_backlog_waits(st)) {
    if (!go_on(st, st->topics->backlog.first, &budget)) return;
    drop_first(st);
  }
}

/* ---- to one session ---- */

static void give_one(rd_store *st, const rd_delivery *d, rd_link *link) {
  rd_form form;
  if (link == NULL || link->given >= d->serial) return;
  if (!rd_form_begin(&form, link->topic, &d->m)) {
    rd_pushed_end(link->session, RD_OVERFLOW_LOST);
    return;
  }
  give(st, d, link, &form.push);
  rd_form_end(&form);
}

void rd_backlog_catch_up(rd_session *s) {
  rd_store *st = s->st;
  rd_subscribed *sub = s->subscribed;
  if (RD_LIKELY(!rd_backlog_waits(st)) || sub->caught_up == st->topics->backlog.serial) return;
  sub->caught_up = st->topics->backlog.serial;
  for (const rd_delivery *d = st->topics->backlog.first; d != NULL; d = d->next) {
    const rd_topic *t = rd_topic_find(st, d->hash, d->m.channel);
    if (t != NULL) give_one(st, d, rd_topic_link(sub, t));
    for (uint32_t i = 0; d->m.kind == RD_CHANNEL && sub->kinds[RD_PATTERN] != 0 && i < sub->count; i++) {
      t = sub->links[i]->topic;
      if (t->kind == RD_PATTERN && rd_roll_glob(st, t->name, d->m.channel)) give_one(st, d, sub->links[i]);
    }
  }
}
