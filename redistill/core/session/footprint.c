/* footprint.c - keeps sessions in lists by the power of two of their footprints, and selects the largest to be
 * closed. */
#include "session/footprint.h"

#include "arena/worker.h"
#include "session/blocking.h"
#include "session/internal.h"

/* The bytes by which buffers must have shrunk before memory is returned to the system: the C library keeps small
 * freed blocks for later, and buffers come and go. */
enum { SHRANK = 8 << 20, SHRANK_LITTLE = 256 << 10 };

/* The bytes of a session that subscribes or waits. */
static uint64_t __attribute__((noinline)) receiving(const rd_session *s) {
  return (s->subscribed != NULL ? s->subscribed->bytes + s->subscribed->kept.cap : 0) + rd_wait_bytes(s);
}

static uint64_t measured(const rd_session *s) {
  const rd_multi *m = &s->multi;
  return s->in_cap + s->out.cap + m->kept.cap + s->parser.cap * sizeof *s->parser.argv + s->parser.scratch_cap +
         m->cap + m->argv_cap * sizeof *m->argv + m->queue_cap * sizeof *m->queue + m->watch_cap * sizeof *m->watches +
         m->watch_bytes + (RD_UNLIKELY(s->subscribed != NULL || s->wait != NULL) ? receiving(s) : 0);
}

static rd_session **list_of(rd_store *st, uint64_t bytes) { return &st->sized[63 - __builtin_clzll(bytes | 1)]; }

static void unlink_from(rd_session **list, rd_session *s) {
  if (s->before != NULL)
    s->before->next = s->next;
  else
    *list = s->next;
  if (s->next != NULL) s->next->before = s->before;
}

static void link_to(rd_session **list, rd_session *s) {
  s->before = NULL;
  s->next = *list;
  if (*list != NULL) (*list)->before = s;
  *list = s;
}

/* Set a session's footprint. A session of 0 bytes is in no list. */
static void set(rd_session *s, uint64_t bytes) {
  rd_store *st = s->st;
  rd_session **from = s->footprint != 0 ? list_of(st, s->footprint) : NULL;
  rd_session **to = bytes != 0 ? list_of(st, bytes) : NULL;
  if (from != to) {
    if (from != NULL) unlink_from(from, s);
    if (to != NULL) link_to(to, s);
  }
  st->client_buffers += bytes - s->footprint;
  if (st->client_buffers > st->peak_buffers) st->peak_buffers = st->client_buffers;
  s->footprint = bytes;
  rd_gauge_set(st, RD_GAUGE_client_buffers, st->client_buffers + st->scratch);
}

void rd_footprint_changed(rd_session *s) {
  uint64_t before = s->footprint, now = measured(s);
  if (RD_LIKELY(now == before) || s->dropped) return;
  set(s, now);
  rd_store *st = s->st;
  if (now > before && RD_UNLIKELY(st->client_limit != 0))
    st->over_client_limit |= rd_gauge_sum(st, RD_GAUGE_client_buffers) > st->client_limit;
}

void rd_footprint_gone(rd_session *s) {
  if (s->dropped) unlink_from(&s->st->dropped, s);
  s->dropped = false;
  if (s->footprint != 0) set(s, 0);
}

size_t rd_clients_with_buffers(const rd_store *st, uint64_t *owners, size_t cap) {
  size_t found = 0;
  for (unsigned i = 0; i < 64; i++) {
    for (const rd_session *s = st->sized[i]; s != NULL && found < cap; s = s->next) {
      if (s->state.owner != 0) owners[found++] = s->state.owner;
    }
  }
  return found;
}

uint64_t rd_reply_limit(const rd_session *s) {
  uint64_t own = s->state.subscribed ? s->limits.pubsub_hard : s->limits.output_limit, all = s->st->client_limit;
  if (all == 0 || s->state.no_evict) return own;
  return own == 0 || all < own ? all : own;
}

void rd_set_client_limit(rd_store *st, uint64_t bytes, uint64_t readable) {
  st->client_limit = bytes;
  st->readable = readable;
  st->max_value = readable < st->max_bulk ? readable : st->max_bulk;
  st->over_client_limit = false;
}

/* The largest session that may be closed; NULL: there is none. */
static rd_session *largest(const rd_store *st) {
  for (unsigned i = 64; i-- > 0;) {
    rd_session *found = NULL;
    for (rd_session *s = st->sized[i]; s != NULL; s = s->next) {
      if (s->state.owner == 0 || s->state.no_evict) continue;
      if (found == NULL || s->footprint > found->footprint) found = s;
    }
    if (found != NULL) return found;
  }
  return NULL;
}

/* The most that the largest session can have, by its list. */
static uint64_t largest_size(const rd_store *st) {
  for (unsigned i = 64; i-- > 0;) {
    if (st->sized[i] != NULL) return UINT64_MAX >> (63 - i);
  }
  return 0;
}

bool rd_footprint_admit(rd_session *s, uint64_t more) {
  rd_store *st = s->st;
  uint64_t limit = st->client_limit;
  if (limit == 0 || s->state.owner == 0 || s->state.no_evict) return true;
  uint64_t after = measured(s) + more;
  /* A session that needs little is not closed for the buffers of others, which may be in another process. */
  uint64_t bound = limit + limit / (after <= limit / 16 ? 4 : 8);
  for (;;) {
    /* Publish the sum before the other processes' are read: of two processes at the same time at least one sees
     * both. */
    rd_gauge_set(st, RD_GAUGE_client_buffers, st->client_buffers + st->scratch - s->footprint + after);
    if (rd_gauge_sum(st, RD_GAUGE_client_buffers) <= bound) return true;
    rd_session *larger = largest(st);
    if (larger == NULL || larger == s || larger->footprint <= after || st->pushes) break;
    rd_session_drop(larger);
    larger->dropped = true;
    link_to(&st->dropped, larger);
    st->over_client_limit = true;
  }
  rd_gauge_set(st, RD_GAUGE_client_buffers, st->client_buffers + st->scratch);
  return !(s->growth_refused = true);
}

bool rd_buffers_shrank(rd_store *st) {
  uint64_t worth = SHRANK; /* each process may keep so much */
  if (st->client_limit != 0 && st->client_limit / 16 < worth) worth = st->client_limit / 16;
  if (worth < SHRANK_LITTLE) worth = SHRANK_LITTLE;
  if (st->peak_buffers - st->client_buffers < worth) return false;
  st->peak_buffers = st->client_buffers;
  return true;
}

uint64_t rd_client_to_close(rd_store *st) {
  if (st->dropped != NULL) {
    rd_session *s = st->dropped;
    unlink_from(&st->dropped, s);
    s->dropped = false;
    return s->state.owner;
  }
  st->over_client_limit = false;
  if (st->client_limit == 0) return 0;
  uint64_t sum = rd_gauge_sum(st, RD_GAUGE_client_buffers);
  if (RD_LIKELY(sum <= st->client_limit)) { /* no look at all sessions, of which thousands may wait */
    rd_gauge_set(st, RD_GAUGE_largest_client, largest_size(st));
    return 0;
  }
  const rd_session *s = largest(st);
  rd_gauge_set(st, RD_GAUGE_largest_client, s == NULL ? 0 : s->footprint);
  if (s == NULL) return 0;
  bool mine = s->footprint >= rd_gauge_sum(st, RD_GAUGE_largest_client);
  return mine || sum > st->client_limit + st->client_limit / 8 ? s->state.owner : 0;
}
