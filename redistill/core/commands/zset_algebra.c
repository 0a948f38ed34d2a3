/* zset_algebra.c - ZUNION, ZINTER, ZDIFF and their relatives, whose sources are sorted sets and sets.
 *
 * Each walks one source, or for a union all of them, and looks its members up in the others. A union of many sources
 * instead merges each member into the result, which finds out whether it has it. A member of a set has the score 1. A
 * score that is no number counts as 0, as in Redis. */
#include "arena/longrun.h"
#include "command/keys.h"
#include "commands/cmd.h"
#include "commands/seen.h"
#include "commands/sorting.h"
#include "commands/sources.h"
#include "commands/value.h"
#include "types/set.h"
#include "types/zset.h"

typedef enum zset_kind { INTER, UNION, DIFF } zset_kind;
typedef enum aggregate { SUM, MIN, MAX } aggregate;

/* A member of a reply, in its source. */
typedef struct scored {
  double score;
  const uint8_t *member;
} scored;

typedef struct operation {
  rd_call *call;
  zset_kind kind;
  aggregate aggregate;
  bool only_counts;
  bool with_scores;
  rd_sources s;
  rd_coll *to;   /* build the result here; NULL: collect it, */
  scored *found; /* in this, which has room for `room` members */
  uint64_t room;
  uint64_t limit;
  uint64_t count;
  uint32_t steps;
  bool merges;  /* a union whose result finds its members: */
  rd_seen seen; /* the numbers of those in `found` */
} operation;

/* ---- arguments ---- */

static bool parse_numkeys(rd_call *c, uint32_t at, uint32_t *numkeys) {
  switch (rd_parse_numkeys(c->argv[at], c->argc, at + 1, 1, numkeys)) {
    case RD_NUMKEYS_NO_NUMBER:
      rd_reply_not_integer(c->out);
      return false;
    case RD_NUMKEYS_NOT_POSITIVE:
      rd_reply_errorf(c->out, "ERR at least 1 input key is needed for '%s' command", c->command->name);
      return false;
    case RD_NUMKEYS_TOO_MANY:
      rd_reply_syntax(c->out);
      return false;
    case RD_NUMKEYS_OK:
      break;
  }
  return true;
}

static bool parse_weights(operation *o, uint32_t from) {
  for (uint32_t i = 0; i < o->s.n; i++) {
    double weight;
    if (!rd_parse_double(o->call->argv[from + i], &weight)) {
      rd_reply_error(o->call->out, "ERR weight value is not a float");
      return false;
    }
    o->s.at[i].weight = weight;
    if ((i & 255) == 255) rd_yield(o->call->store);
  }
  return true;
}

static bool parse_aggregate(operation *o, rd_bytes word) {
  static const char *const words[] = {[SUM] = "sum", [MIN] = "min", [MAX] = "max"};
  for (unsigned i = 0; i < 3; i++) {
    if (!rd_arg_is(word, words[i])) continue;
    o->aggregate = (aggregate)i;
    return true;
  }
  rd_reply_syntax(o->call->out);
  return false;
}

/* Parse the options from argv[at] on. false after an error reply. */
static bool parse_options(operation *o, uint32_t at, bool stores) {
  rd_call *c = o->call;
  while (at < c->argc) {
    uint32_t left = c->argc - at;
    if (o->kind != DIFF && left > o->s.n && rd_arg_is(c->argv[at], "weights")) {
      if (!parse_weights(o, at + 1)) return false;
      at += o->s.n + 1;
    } else if (o->kind != DIFF && left > 1 && rd_arg_is(c->argv[at], "aggregate")) {
      if (!parse_aggregate(o, c->argv[at + 1])) return false;
      at += 2;
    } else if (!stores && rd_arg_is(c->argv[at], "withscores")) {
      o->with_scores = true;
      at++;
    } else {
      rd_reply_syntax(c->out);
      return false;
    }
  }
  return true;
}

/* ---- the sources ---- */

static int by_count(void *arg, const void *a, const void *b) {
  const rd_source *x = a, *y = b;
  (void)arg;
  if (x->count != y->count) return x->count < y->count ? -1 : 1;
  return (x->place > y->place) - (x->place < y->place);
}

/* Redis aggregates scores from the smallest source to the largest, which decides about roundings and infinities. */
static void arrange(operation *o) {
  if (o->kind != DIFF) rd_sort(o->call->store, o->s.at, o->s.n, sizeof *o->s.at, by_count, NULL);
}

static uint32_t walked(const operation *o) { return o->kind == UNION ? o->s.n : 1; }

static bool may_take(operation *o) {
  uint64_t members = 0, bytes = 0;
  for (uint32_t i = 0; i < walked(o); i++) {
    const rd_source *s = &o->s.at[i];
    members += s->count;
    if (s->coll.item != NULL) bytes += rd_item_value_bytes(o->call->store, s->coll.item);
  }
  o->room = members < o->limit ? members : o->limit;
  return rd_sources_may_take(&o->s, members > RD_LONG_BYTES ? members : members * o->s.n, bytes);
}

static bool is_set(const rd_source *s) { return s->coll.row == &rd_set_row; }

static const uint8_t *member_at(const rd_source *s, const uint8_t *entry) {
  return is_set(s) ? entry : rd_zset_member(entry);
}

static double score_at(const rd_source *s, const uint8_t *entry) {
  return s->weight * (is_set(s) ? 1 : rd_zset_score(entry));
}

/* Find a member; *score is its weighted score. */
static bool find(operation *o, const rd_source *s, rd_element *member, double *score) {
  if ((++o->steps & 31) == 0) rd_yield_whole(o->call->store);
  rd_zset_place p;
  if (s->coll.item == NULL) return false;
  if (!(is_set(s) ? rd_member_find(&s->coll, member, &p.at) : rd_zset_find(&s->coll, member, &p))) return false;
  *score = score_at(s, p.at.at);
  return true;
}

/* ---- scores ---- */

static double number(double score) { return score == score ? score : 0; }

static double aggregated(const operation *o, double score, double other) {
  switch (o->aggregate) {
    case MIN:
      return other < score ? other : score;
    case MAX:
      return other > score ? other : score;
    default:
      return number(score + other);
  }
}

/* Decide about a member of source `i`: true if it is in the result, with *score changed from the source's weighted one
 * to the result's. */
static bool is_wanted(operation *o, uint32_t i, rd_element *member, double *score) {
  double other;
  *score = number(*score);
  for (uint32_t j = 0; j < i; j++) { /* a union's member belongs to the first source that has it */
    if (find(o, &o->s.at[j], member, &other)) return false;
  }
  for (uint32_t j = i + 1; j < o->s.n; j++) {
    bool found = find(o, &o->s.at[j], member, &other);
    if (o->kind == INTER ? !found : o->kind == DIFF && found) return false;
    if (found && o->kind != DIFF) *score = aggregated(o, *score, o->kind == UNION ? number(other) : other);
  }
  return true;
}

/* ---- walking ---- */

static rd_made store_member(operation *o, const rd_source *from, rd_pos *p, rd_element *member, double score) {
  for (int attempt = 0; rd_zset_put(o->to, member, score) != RD_OK; attempt++) {
    rd_made made = attempt == RD_COLL_ATTEMPTS ? RD_FULL : rd_sources_make_room(&o->s, o->to, &from->coll, p);
    if (made != RD_MADE) return made;
    rd_element_like(member, o->call->store, member_at(from, p->at));
  }
  return RD_MADE;
}

static rd_made take(operation *o, const rd_source *from, rd_pos *p, rd_element *member, double score) {
  if (o->to != NULL) {
    rd_made made = store_member(o, from, p, member, score);
    if (made != RD_MADE) return made;
  } else if (!o->only_counts) {
    o->found[o->count] = (scored){score, member_at(from, p->at)};
  }
  o->count++;
  return RD_MADE;
}

/* Add the member to the union, or its score to that of the member that is there. */
static rd_made merge(operation *o, const rd_source *from, rd_pos *p, rd_element *member, double score) {
  score = number(score);
  if (o->to == NULL) {
    const uint8_t *at = member_at(from, p->at);
    uint64_t n = rd_seen_add(&o->seen, o->call->store, member, at, o->count);
    o->found[n] = (scored){n < o->count ? aggregated(o, o->found[n].score, score) : score, at};
    o->count += n == o->count;
    return RD_MADE;
  }
  rd_zset_place had;
  bool has = o->to->item != NULL && rd_zset_find(o->to, member, &had);
  if (has) score = aggregated(o, rd_zset_score(had.at.at), score);
  o->count += !has;
  return store_member(o, from, p, member, score);
}

static rd_made walk(operation *o) {
  o->count = 0;
  for (uint32_t i = 0; i < walked(o); i++) {
    const rd_source *from = &o->s.at[i];
    rd_pos p;
    for (bool more = rd_coll_first(&from->coll, &p); more; more = rd_coll_next(&from->coll, &p)) {
      rd_element member;
      double score = score_at(from, p.at);
      rd_element_like(&member, o->call->store, member_at(from, p.at));
      if ((++o->steps & 31) == 0) rd_yield_whole(o->call->store);
      if (!o->merges && !is_wanted(o, i, &member, &score)) continue;
      rd_made made = o->merges ? merge(o, from, &p, &member, score) : take(o, from, &p, &member, score);
      if (made != RD_MADE) return made;
      if (o->count == o->limit) return RD_MADE;
    }
  }
  return RD_MADE;
}

/* ---- replies ---- */

static int by_score(void *arg, const void *a, const void *b) {
  const scored *x = a, *y = b;
  if (x->score != y->score) return x->score < y->score ? -1 : 1;
  return rd_element_compare_at(arg, x->member, y->member);
}

static void reply_found(operation *o) {
  rd_call *c = o->call;
  bool pairs = o->with_scores && c->out->resp >= 3;
  rd_sort(c->store, o->found, o->count, sizeof *o->found, by_score, c->store);
  rd_reply_array(c->out, (size_t)(o->with_scores && !pairs ? 2 * o->count : o->count));
  for (uint64_t i = 0; i < o->count && !c->out->failed; i++) {
    if (pairs) rd_reply_array(c->out, 2);
    rd_element_reply(c->out, c->store, o->found[i].member);
    if (o->with_scores) rd_reply_double(c->out, o->found[i].score);
    if ((i & 63) == 63) rd_yield(c->store);
  }
}

static void collect_and_reply(operation *o) {
  o->found = rd_scratch_take(o->call, o->room * sizeof *o->found);
  if (o->found == NULL) {
    rd_reply_oom(o->call->out);
    return;
  }
  o->merges = o->kind == UNION && o->s.n > RD_SEEN_FROM && rd_seen_begin(&o->seen, o->call, o->room);
  walk(o);
  rd_seen_end(&o->seen, o->call);
  reply_found(o);
  rd_scratch_give(o->call->store, o->found, o->room * sizeof *o->found);
}

static void reply(rd_call *c, zset_kind kind) {
  operation o = {.call = c, .kind = kind, .limit = UINT64_MAX};
  uint32_t numkeys;
  if (!parse_numkeys(c, 1, &numkeys) || !rd_sources_find(&o.s, c, 2, numkeys, true)) return;
  if (parse_options(&o, 2 + numkeys, false)) {
    arrange(&o);
    if (may_take(&o)) collect_and_reply(&o);
  }
  rd_sources_free(&o.s);
}

void rd_cmd_zunion(rd_call *c) { reply(c, UNION); }
void rd_cmd_zinter(rd_call *c) { reply(c, INTER); }
void rd_cmd_zdiff(rd_call *c) { reply(c, DIFF); }

void rd_cmd_zintercard(rd_call *c) {
  operation o = {.call = c, .kind = INTER, .only_counts = true};
  uint32_t numkeys;
  if (!parse_numkeys(c, 1, &numkeys) || !rd_sources_find(&o.s, c, 2, numkeys, true)) return;
  if (rd_parse_limit(c, 2 + numkeys, &o.limit)) {
    arrange(&o);
    if (may_take(&o)) {
      walk(&o);
      rd_reply_int(c->out, (int64_t)o.count);
    }
  }
  rd_sources_free(&o.s);
}

/* ---- STORE ---- */

static rd_made make(void *arg, rd_coll *to) {
  operation *o = arg;
  o->to = to;
  o->merges = o->kind == UNION && o->s.n > RD_SEEN_FROM;
  arrange(o);
  return walk(o);
}

static void store(rd_call *c, zset_kind kind, rd_key_event event) {
  operation o = {.call = c, .kind = kind, .limit = UINT64_MAX};
  rd_key key = rd_call_key(c, 1);
  uint32_t numkeys;
  if (!parse_numkeys(c, 2, &numkeys) || !rd_sources_find(&o.s, c, 3, numkeys, true)) return;
  if (parse_options(&o, 3 + numkeys, true)) {
    arrange(&o);
    if (may_take(&o) && rd_sources_store(&o.s, &key, &rd_types[RD_ZSET], event, make, &o))
      rd_reply_int(c->out, (int64_t)o.count);
  }
  rd_sources_free(&o.s);
}

void rd_cmd_zunionstore(rd_call *c) { store(c, UNION, RD_EVENT_ZUNIONSTORE); }
void rd_cmd_zinterstore(rd_call *c) { store(c, INTER, RD_EVENT_ZINTERSTORE); }
void rd_cmd_zdiffstore(rd_call *c) { store(c, DIFF, RD_EVENT_ZDIFFSTORE); }
