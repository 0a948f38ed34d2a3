/* sources.c - looks up the keys that the algebra of sets and sorted sets reads. */
#include "commands/sources.h"

#include "arena/longrun.h"
#include "arena/worker.h"
#include "commands/value.h"

static bool open_source(rd_sources *s, rd_source *source, uint32_t i, bool or_sorted) {
  rd_call *c = s->call;
  rd_key key = rd_call_key(c, i);
  rd_item *it = rd_find_read(c->store, &key);
  const rd_type_row *row = &rd_types[RD_SET];
  s->found += it != NULL;
  s->missed += it == NULL;
  if (it != NULL && or_sorted && rd_item_type(it) == RD_ZSET) row = &rd_types[RD_ZSET];
  if (it != NULL && !rd_call_is(c, it, row)) return false;
  rd_coll_open(&source->coll, c->store, &key, it, row);
  source->count = rd_coll_count(&source->coll);
  source->place = i;
  source->weight = 1;
  return true;
}

bool rd_sources_find(rd_sources *s, rd_call *c, uint32_t first, uint32_t n, bool or_sorted) {
  s->call = c;
  s->n = s->given = n;
  s->found = s->missed = 0;
  s->at = s->few;
  if (!rd_may_miss(c) || (n > RD_LONG_KEYS && !rd_may_take_long(c))) return false;
  if (n > RD_FEW_SOURCES && (s->at = rd_scratch_take(c, n * sizeof *s->at)) == NULL) {
    rd_reply_oom(c->out);
    return false;
  }
  for (uint32_t i = 0; i < n; i++) {
    if (!open_source(s, &s->at[i], first + i, or_sorted)) {
      rd_sources_free(s);
      return false;
    }
    if ((i & 63) == 63) rd_yield(c->store);
  }
  return true;
}

void rd_sources_free(rd_sources *s) {
  if (s->at != s->few) rd_scratch_give(s->call->store, s->at, s->given * sizeof *s->at);
}

#define FEW_MEMBERS 4096u /* about a millisecond */

bool rd_sources_may_take(rd_sources *s, uint64_t members, uint64_t bytes) {
  if ((members <= FEW_MEMBERS && bytes <= RD_LONG_BYTES) || rd_may_take_long(s->call)) return true;
  uint64_t *counters = rd_my_counters(s->call->store)->value;
  counters[RD_STAT_keyspace_hits] -= s->found; /* the call that follows counts them again */
  counters[RD_STAT_keyspace_misses] -= s->missed;
  return false;
}

/* ---- results that are stored ---- */

/* Look the sources up again after rd_coll_reserve. false: one was evicted, and counts as absent now. */
static bool find_again(rd_sources *s) {
  bool all = true;
  for (rd_source *one = s->at; one < s->at + s->n; one++) {
    if (one->coll.item == NULL) continue;
    one->coll.item = rd_find_quiet(one->coll.st, &one->coll.key, false);
    if (one->coll.item != NULL) continue;
    one->count = 0;
    all = false;
  }
  return all;
}

rd_made rd_sources_make_room(rd_sources *s, rd_coll *to, const rd_coll *from, rd_pos *p) {
  uint64_t rank = rd_coll_rank(from, p);
  if (!rd_coll_reserve(to)) return RD_FULL;
  if (!find_again(s)) return RD_LOST;
  rd_coll_at(from, rank, p);
  return RD_MADE;
}

static bool build(rd_sources *s, const rd_key *key, const rd_type_row *row, rd_key_event event,
                  rd_made (*make)(void *arg, rd_coll *to), void *arg) {
  for (int attempt = 0; attempt < RD_COLL_ATTEMPTS; attempt++) {
    rd_coll to;
    rd_coll_build(&to, s->call->store, key, row);
    rd_made made = make(arg, &to);
    if (made == RD_MADE) return rd_coll_finish(&to, RD_NO_EXPIRY, event);
    rd_coll_abandon(&to);
    if (made == RD_FULL) break;
  }
  return false;
}

bool rd_sources_store(rd_sources *s, const rd_key *key, const rd_type_row *row, rd_key_event event,
                      rd_made (*make)(void *arg, rd_coll *to), void *arg) {
  if (build(s, key, row, event, make, arg)) return true;
  rd_reply_oom(s->call->out);
  return false;
}

/* ---- options ---- */

bool rd_parse_limit(rd_call *c, uint32_t from, uint64_t *limit) {
  int64_t most = 0;
  *limit = UINT64_MAX;
  for (uint32_t i = from; i < c->argc; i += 2) {
    if (!rd_arg_is(c->argv[i], "limit") || i + 1 == c->argc) {
      rd_reply_syntax(c->out);
      return false;
    }
    if (!rd_parse_i64(c->argv[i + 1], &most) || most < 0) {
      rd_reply_error(c->out, "ERR LIMIT can't be negative");
      return false;
    }
  }
  if (most != 0) *limit = (uint64_t)most;
  return true;
}
