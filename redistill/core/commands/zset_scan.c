/* zset_scan.c - ZSCAN.
 *
 * The cursor is the high half of a hash, which is the order of the second tree. Members whose hash is below it have
 * been returned. A member's hash never changes, so whatever is added, removed or given another score meanwhile, a
 * member that is there throughout is returned when the scan passes its hash.
 *
 * The second tree tells the scores of the members whose hashes come next, but not the members. These are found in the
 * first tree: among the members of each of those scores, the ones whose hash is in the window. When many members have
 * one score, that looks at many for a few; then the window is made so large that a whole scan looks at each member
 * WINDOWS times at most.
 *
 * A sorted set that Redis calls a listpack is returned whole, as by Redis. So is a packed one, from whatever cursor: it
 * may have been large when the cursor was made. */
#include <stdio.h>

#include "arena/longrun.h"
#include "base/doubles.h"
#include "commands/cmd.h"
#include "commands/cursor.h"
#include "commands/value.h"
#include "commands/zset.h"

enum { WINDOWS = 64, CLEARED = 4096 /* places at once */ };

typedef struct scan {
  rd_call *call;
  const rd_coll *z;
  rd_scan_options options;
  size_t start;  /* where the reply begins */
  size_t shown;  /* elements in the reply */
  uint64_t work; /* bytes to look at, about */
  uint64_t n;
  uint64_t from, to; /* the window: halves of hashes */
  bool no_memory;
} scan;

/* ---- the reply ---- */

/* Redis stores scores as text in a listpack, and otherwise formats them here as it formats a long double. */
static void reply_score(scan *s, double score) {
  char text[40];
  if (rd_coll_name(s->z) == RD_ZSET_LISTPACK) {
    size_t n = rd_format_double(text, score);
    rd_reply_bulk(s->call->out, text, n);
  } else {
    int n = snprintf(text, sizeof text, "%.17g", score);
    rd_reply_bulk(s->call->out, text, (size_t)n);
  }
}

/* Reply with the entry if it matches. False: the command must return. */
static bool show(scan *s, const uint8_t *entry) {
  rd_call *c = s->call;
  const uint8_t *member = rd_zset_member(entry);
  s->work += rd_element_len(c->store, member) * (s->options.match.all ? 1 : 4 * s->options.match.text.len);
  if (!rd_may_read(c, s->work)) return false;
  if (rd_pattern_matches_element(c, &s->options.match, member)) {
    rd_element_reply(c->out, c->store, member);
    reply_score(s, rd_zset_score(entry));
    s->shown += 2;
  }
  if ((++s->n & 63) == 0) rd_yield(c->store);
  return !c->out->failed;
}

static bool show_all(scan *s) {
  rd_pos p;
  uint64_t count = rd_coll_count(s->z);
  if (!rd_may_read_members(s->call, count)) return false;
  for (bool more = rd_coll_first(s->z, &p); more; more = rd_coll_next(s->z, &p)) {
    if (!show(s, p.at)) return false;
  }
  return true;
}

/* ---- the window ---- */

/* The different scores of the members in the window, as orders, in an open hash table: 0 is an empty place. */
typedef struct scores {
  uint64_t *place;
  uint64_t places, n; /* places: a power of two */
  uint64_t members;
} scores;

static uint64_t *place_of(const scores *w, uint64_t order) {
  uint64_t i = (order * 0x9e3779b97f4a7c15ull >> 20) & (w->places - 1);
  while (w->place[i] != 0 && w->place[i] != order) i = (i + 1) & (w->places - 1);
  return &w->place[i];
}

static void scores_free(scan *s, scores *w) { rd_scratch_give(s->call->store, w->place, w->places * sizeof *w->place); }

static bool widen(scan *s, scores *w) {
  scores wide = *w;
  wide.places = w->places == 0 ? 256 : 2 * w->places;
  wide.place = rd_scratch_take(s->call, wide.places * sizeof *wide.place);
  if (wide.place == NULL) return false;
  for (uint64_t i = 0; i < wide.places; i++) {
    wide.place[i] = 0;
    if ((i + 1) % CLEARED == 0) rd_yield(s->call->store);
  }
  for (uint64_t i = 0; i < w->places; i++) {
    if (w->place[i] != 0) *place_of(&wide, w->place[i]) = w->place[i];
    if ((i & 63) == 0) rd_yield(s->call->store);
  }
  scores_free(s, w);
  *w = wide;
  return true;
}

static bool add_score(scan *s, scores *w, uint64_t order) {
  w->members++;
  if (w->n * 2 >= w->places && !widen(s, w)) return false;
  uint64_t *place = place_of(w, order);
  if (*place == 0) w->n++;
  *place = order;
  return true;
}

/* Widen the window by whole runs of the second tree, until it has `wanted` members. False: no memory. */
static bool fill(scan *s, scores *w, uint64_t wanted) {
  rd_coll second = rd_coll_second(s->z);
  while (w->members < wanted && s->to != RD_ZSET_HALVES) {
    rd_pos p;
    uint64_t next;
    rd_coll_run(&second, s->to << 32, &p);
    for (const uint8_t *at = p.begin; at < p.end; at += RD_ZSET_HASHED) {
      if (rd_ld32(at) >= s->to && !add_score(s, w, rd_zset_order(rd_zset_score(at + 4)))) return false;
    }
    s->to = rd_coll_next_run(&second, &p, &next) ? (next + UINT32_MAX) >> 32 : RD_ZSET_HALVES;
    rd_yield(s->call->store);
  }
  return true;
}

/* The members, in the window or not, that have the scores. */
static uint64_t members_of(scan *s, const scores *w) {
  uint64_t members = 0;
  for (uint64_t i = 0; i < w->places; i++) {
    if (w->place[i] == 0) continue;
    rd_pos p;
    rd_zset_lower(s->z, w->place[i] + 1, NULL, &p);
    members += rd_coll_rank(s->z, &p);
    rd_zset_lower(s->z, w->place[i], NULL, &p);
    members -= rd_coll_rank(s->z, &p);
    rd_yield(s->call->store);
  }
  return members;
}

/* Reply with the members of a score that are in the window. */
static bool show_score(scan *s, uint64_t order) {
  rd_pos p;
  bool more = rd_zset_lower(s->z, order, NULL, &p);
  for (; more && rd_zset_order(rd_zset_score(p.at)) == order; more = rd_coll_next(s->z, &p)) {
    uint64_t half = rd_element_hash_at(s->call->store, rd_zset_member(p.at)) >> 32;
    if (half >= s->from && half < s->to) {
      if (!show(s, p.at)) return false;
    } else if ((++s->n & 63) == 0) {
      rd_yield(s->call->store);
    }
  }
  return true;
}

/* Find the members of the next window, and reply with them. False: the command must return. */
static bool show_window(scan *s, scores *w) {
  uint64_t members = 0, all = rd_coll_count(s->z), wanted = s->options.count < all ? s->options.count : all;
  if (!rd_may_read(s->call, wanted > RD_LONG_ELEMENTS ? RD_LONG_BYTES + 1 : 0)) return false;
  s->no_memory = !fill(s, w, wanted);
  if (!s->no_memory) members = members_of(s, w);
  if (!s->no_memory && members / WINDOWS > w->members) s->no_memory = !fill(s, w, members / WINDOWS);
  if (s->no_memory || !rd_may_read_members(s->call, members > w->members ? members : w->members)) return false;
  for (uint64_t i = 0; i < w->places; i++) {
    if (w->place[i] != 0 && !show_score(s, w->place[i])) return false;
  }
  return true;
}

void rd_cmd_zscan(rd_call *c) {
  rd_coll z;
  scan s = {.call = c, .z = &z, .start = c->out->len};
  if (!rd_parse_cursor(c, c->argv[2], &s.from) || !rd_open_zset(c, 1, false, &z)) return;
  if (z.item == NULL) {
    rd_reply_array(c->out, 0);
    rd_insert_cursor(c->out, s.start, 0);
    return;
  }
  if (!rd_parse_scan(c, 3, 0, &s.options)) return;
  size_t mark = rd_reply_begin_array(c->out);
  bool done;
  if (rd_coll_is_packed(&z) || rd_coll_name(&z) == RD_ZSET_LISTPACK) {
    s.to = RD_ZSET_HALVES;
    done = show_all(&s);
  } else {
    scores w = {NULL, 0, 0, 0};
    s.to = s.from < RD_ZSET_HALVES ? s.from : RD_ZSET_HALVES;
    done = show_window(&s, &w);
    scores_free(&s, &w);
  }
  if (!done) {
    c->out->len = s.start;
    if (s.no_memory) rd_reply_oom(c->out);
    return;
  }
  rd_reply_end_array(c->out, mark, s.shown);
  rd_insert_cursor(c->out, s.start, s.to != RD_ZSET_HALVES ? s.to : 0);
}
