/* zset.c - commands on single members of a sorted set. */
#include "commands/zset.h"

#include <math.h>

#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/value.h"

/* ---- what the commands share ---- */

bool rd_open_zset(rd_call *c, uint32_t i, bool for_write, rd_coll *z) {
  bool absent;
  rd_key key = rd_call_key(c, i);
  rd_item *it = rd_call_value(c, &key, &rd_types[RD_ZSET], for_write, &absent);
  if (it == NULL && !absent) return false;
  rd_coll_open(z, c->store, &key, it, &rd_types[RD_ZSET]);
  return true;
}

bool rd_parse_score(rd_call *c, rd_bytes text, double *score) {
  if (RD_LIKELY(rd_zset_parse(text, score))) return true;
  rd_reply_error(c->out, "ERR value is not a valid float");
  return false;
}

/* ---- replies with members ---- */

rd_members rd_members_of(rd_call *c, bool scores) {
  return (rd_members){.call = c, .scores = scores, .pairs = scores && c->out->resp == 3, .mark = c->out->len};
}

void rd_members_head(rd_members *m, uint64_t n) {
  rd_reply_array(m->call->out, (size_t)(m->scores && !m->pairs ? 2 * n : n));
}

bool rd_members_add(rd_members *m, const uint8_t *entry) {
  rd_call *c = m->call;
  const uint8_t *member = rd_zset_member(entry);
  if (RD_UNLIKELY(rd_element_is_outside(member))) {
    m->bytes += rd_element_len(c->store, member);
    if (m->writes ? m->bytes > RD_LONG_BYTES && !rd_may_take_long(c) : !rd_may_read(c, m->bytes)) {
      c->out->len = m->mark;
      return false;
    }
  }
  if (m->pairs) rd_reply_array(c->out, 2);
  rd_element_reply(c->out, c->store, member);
  if (m->scores) rd_reply_double(c->out, rd_zset_score(entry));
  /* A client that is gone wants no more of a reply that may be endless. */
  if ((++m->n & 63) == 0 && !rd_yield(c->store)) c->out->failed = true;
  return true;
}

#define RUN 128u /* entries that are noted at once, a power of two */

/* Entries know where they end, and not where the one before them begins. So a walk down goes up through the run once,
 * and notes the places of the last entries. */
static bool walk_down(rd_members *m, const rd_coll *z, rd_pos *p, uint64_t n) {
  const uint8_t *at[RUN];
  for (bool more = n > 0; more; more = n > 0 && rd_coll_prev(z, p)) {
    rd_pos up = *p;
    uint32_t noted = 0;
    for (up.at = p->begin; up.at != p->at; rd_zset_next(z, &up)) at[noted++ % RUN] = up.at;
    at[noted++ % RUN] = p->at;
    uint32_t end = noted > RUN ? noted - RUN : 0;
    for (; noted > end && n > 0; n--) {
      p->at = at[--noted % RUN];
      if (m->call->out->failed) return true;
      if (!rd_members_add(m, p->at)) return false;
    }
  }
  return true;
}

bool rd_members_walk(rd_members *m, const rd_coll *z, rd_pos *p, uint64_t n, bool down) {
  if (down) return walk_down(m, z, p, n);
  for (bool more = n > 0; more && !m->call->out->failed;) {
    if (!rd_members_add(m, p->at)) return false;
    more = --n > 0 && rd_zset_next(z, p);
  }
  return true;
}

/* ---- ZADD and ZINCRBY ---- */

/* Parse the options. False after an error reply. */
static bool parse_add(rd_call *c, rd_add_options *o) {
  uint32_t i = 2;
  for (; i < c->argc; i++) {
    rd_bytes word = c->argv[i];
    if (word.len > 4 || word.len < 2 || word.data[0] < 'A') break; /* a score, most likely */
    if (rd_arg_is(word, "nx"))
      o->nx = true;
    else if (rd_arg_is(word, "xx"))
      o->xx = true;
    else if (rd_arg_is(word, "ch"))
      o->ch = true;
    else if (rd_arg_is(word, "incr"))
      o->incr = true;
    else if (rd_arg_is(word, "gt"))
      o->gt = true;
    else if (rd_arg_is(word, "lt"))
      o->lt = true;
    else
      break;
  }
  o->first = i;
  o->step = 2;
  o->n = (c->argc - i) / 2;
  if ((c->argc - i) % 2 != 0 || o->n == 0)
    rd_reply_syntax(c->out);
  else if (o->nx && o->xx)
    rd_reply_error(c->out, "ERR XX and NX options at the same time are not compatible");
  else if ((o->gt && o->nx) || (o->lt && o->nx) || (o->gt && o->lt))
    rd_reply_error(c->out, "ERR GT, LT, and/or NX options at the same time are not compatible");
  else if (o->incr && o->n > 1)
    rd_reply_error(c->out, "ERR INCR option supports a single increment-element pair");
  else
    return true;
  return false;
}

typedef enum outcome { SKIPPED, SAME, ADDED, MOVED, NOT_A_NUMBER, NO_MEMORY } outcome;

/* Add a member, or change its score, which is *score afterwards. */
static outcome add(rd_coll *z, const rd_add_options *o, rd_bytes text, double *score) {
  rd_element member;
  rd_zset_place p;
  rd_element_of(&member, text);
  if (!rd_zset_find(z, &member, &p)) {
    if (o->xx) return SKIPPED;
    return rd_zset_add(z, &p, &member, *score) == RD_OK ? ADDED : NO_MEMORY;
  }
  double old = rd_zset_score(p.at.at);
  if (o->nx) return SKIPPED;
  if (o->incr) *score += old;
  if (isnan(*score)) return NOT_A_NUMBER;
  if ((o->lt && *score >= old) || (o->gt && *score <= old)) return SKIPPED;
  if (*score == old) return SAME;
  return rd_zset_move(z, &p, *score) == RD_OK ? MOVED : NO_MEMORY;
}

typedef struct added {
  uint64_t added, moved;
  outcome last;
  double score; /* of the last one */
} added;

/* Add all members. False: one of them found no memory. */
static bool add_all(rd_call *c, rd_coll *z, const rd_add_options *o, const double *scores, added *result) {
  result->added = result->moved = 0;
  for (uint32_t i = 0; i < o->n; i++) {
    result->score = scores[i];
    result->last = add(z, o, c->argv[o->first + (i + 1) * o->step - 1], &result->score);
    result->added += result->last == ADDED;
    result->moved += result->last == MOVED;
    if (result->last == NO_MEMORY) return false;
    if ((i & 63) == 63) rd_yield(c->store);
  }
  return true;
}

/* Add all members, or none: false after an -OOM reply. */
static bool add_or_none(rd_call *c, rd_coll *z, const rd_add_options *o, const double *scores, added *result) {
  bool one = o->n == 1; /* one change is whole by itself */
  for (int attempt = 0; attempt < RD_COLL_ATTEMPTS; attempt++) {
    if (!one && !rd_coll_begin(z)) break;
    if (add_all(c, z, o, scores, result)) {
      if (!one) rd_coll_commit(z);
      return true;
    }
    if (!one) rd_coll_undo(z);
    if (!rd_reserve_for_call(c, z)) break;
  }
  rd_reply_oom(c->out);
  return false;
}

static void reply_added(rd_call *c, const rd_add_options *o, const added *result) {
  if (!o->incr)
    rd_reply_int(c->out, (int64_t)(result->added + (o->ch ? result->moved : 0)));
  else if (result->last == SKIPPED)
    rd_reply_null(c->out);
  else
    rd_reply_double(c->out, result->score);
}

void rd_add_scores(rd_call *c, const rd_add_options *o, const double *scores) {
  rd_coll z;
  added result = {.last = SKIPPED};
  if (!rd_open_zset(c, 1, true, &z)) return;
  if (z.item != NULL || !o->xx) {
    if (!add_or_none(c, &z, o, scores, &result)) return;
    uint64_t changes = result.added + result.moved;
    if (changes != 0) rd_coll_changed(&z, o->incr ? RD_EVENT_ZINCR : RD_EVENT_ZADD);
    rd_note_changes(c->store, changes);
    if (result.last == NOT_A_NUMBER) {
      rd_reply_error(c->out, "ERR resulting score is not a number (NaN)");
      return;
    }
  }
  reply_added(c, o, &result);
}

/* Parse the scores, and check the members' lengths. False after an error reply. */
static bool parse_all(rd_call *c, const rd_add_options *o, rd_parse_added_fn *parse, double *scores) {
  for (uint32_t i = 0; i < o->n; i++) {
    if (!parse(c, c->argv + o->first + o->step * i, &scores[i])) return false;
    if ((i & 1023) == 1023) rd_yield(c->store);
  }
  for (uint32_t i = 0; i < o->n; i++) {
    if (!rd_check_length(c, c->argv[o->first + o->step * (i + 1) - 1].len)) return false;
  }
  return true;
}

static void __attribute__((noinline)) add_many(rd_call *c, const rd_add_options *o, rd_parse_added_fn *parse) {
  if (o->n > RD_LONG_ELEMENTS / 2 && !rd_may_take_long(c)) return;
  uint64_t bytes = o->n * sizeof(double);
  double *scores = rd_scratch_take(c, bytes);
  if (scores == NULL)
    rd_reply_oom(c->out);
  else if (parse_all(c, o, parse, scores))
    rd_add_scores(c, o, scores);
  rd_scratch_give(c->store, scores, bytes);
}

void rd_add(rd_call *c, const rd_add_options *o, rd_parse_added_fn *parse) {
  double score;
  if (RD_UNLIKELY(o->n > 1))
    add_many(c, o, parse);
  else if (parse_all(c, o, parse, &score))
    rd_add_scores(c, o, &score);
}

static bool parse_added(rd_call *c, const rd_bytes *argv, double *score) { return rd_parse_score(c, argv[0], score); }

void rd_cmd_zadd(rd_call *c) {
  rd_add_options o = {.nx = false};
  if (parse_add(c, &o)) rd_add(c, &o, parse_added);
}

void rd_cmd_zincrby(rd_call *c) {
  rd_add_options o = {.incr = true};
  /* words of ZADD's options are options here, too, and then there are too few arguments */
  if (parse_add(c, &o)) rd_add(c, &o, parse_added);
}

/* ---- ZREM ---- */

void rd_cmd_zrem(rd_call *c) {
  rd_coll z;
  uint64_t removed = 0;
  if (c->argc > RD_LONG_ELEMENTS && !rd_may_take_long(c)) return;
  if (!rd_open_zset(c, 1, true, &z)) return;
  for (uint32_t i = 2; i < c->argc && z.item != NULL; i++) {
    rd_element member;
    rd_zset_place p;
    rd_element_of(&member, c->argv[i]);
    if (rd_zset_find(&z, &member, &p)) {
      rd_zset_remove(&z, &p);
      removed++;
    }
    if ((i & 63) == 0) rd_yield(c->store);
  }
  if (removed != 0) rd_coll_changed(&z, RD_EVENT_ZREM);
  rd_note_changes(c->store, removed);
  rd_reply_int(c->out, (int64_t)removed);
}

/* ---- reading ---- */

void rd_cmd_zcard(rd_call *c) {
  rd_coll z;
  if (rd_open_zset(c, 1, false, &z)) rd_reply_int(c->out, (int64_t)rd_coll_count(&z));
}

static void reply_score(rd_call *c, const rd_coll *z, rd_bytes text) {
  rd_element member;
  rd_zset_place p;
  rd_element_of(&member, text);
  if (z->item != NULL && rd_zset_find(z, &member, &p))
    rd_reply_double(c->out, rd_zset_score(p.at.at));
  else
    rd_reply_null(c->out);
}

void rd_cmd_zscore(rd_call *c) {
  rd_coll z;
  if (rd_open_zset(c, 1, false, &z)) reply_score(c, &z, c->argv[2]);
}

void rd_cmd_zmscore(rd_call *c) {
  rd_coll z;
  if (c->argc > RD_LONG_ELEMENTS && !rd_may_take_long(c)) return;
  if (!rd_open_zset(c, 1, false, &z)) return;
  rd_reply_array(c->out, c->argc - 2);
  for (uint32_t i = 2; i < c->argc && !c->out->failed; i++) {
    reply_score(c, &z, c->argv[i]);
    if ((i & 63) == 0) rd_yield(c->store);
  }
}

static void reply_rank(rd_call *c, bool down) {
  bool score = c->argc == 4;
  if (c->argc > 4) {
    rd_reply_errorf(c->out, "ERR wrong number of arguments for '%s' command", c->command->name);
    return;
  }
  if (score && !rd_arg_is(c->argv[3], "withscore")) {
    rd_reply_syntax(c->out);
    return;
  }
  rd_coll z;
  rd_element member;
  rd_zset_place p;
  if (!rd_open_zset(c, 1, false, &z)) return;
  rd_element_of(&member, c->argv[2]);
  if (z.item == NULL || !rd_zset_find(&z, &member, &p)) {
    if (score)
      rd_reply_null_array(c->out);
    else
      rd_reply_null(c->out);
    return;
  }
  uint64_t rank = rd_coll_rank(&z, &p.at);
  if (down) rank = rd_coll_count(&z) - 1 - rank;
  if (score) rd_reply_array(c->out, 2);
  rd_reply_int(c->out, (int64_t)rank);
  if (score) rd_reply_double(c->out, rd_zset_score(p.at.at));
}

void rd_cmd_zrank(rd_call *c) { reply_rank(c, false); }
void rd_cmd_zrevrank(rd_call *c) { reply_rank(c, true); }
