/* zset_ranges.c - commands on ranges of a sorted set: returning, counting, storing and removing their members. */
#include "commands/zset_ranges.h"

#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/value.h"

enum { SHORT = 64 }; /* members of a range that is walked through to find its end */

/* ---- ZRANGE and its kin ---- */

/* Parse the options from argv[from] on. False after an error reply. */
static bool parse_options(rd_call *c, uint32_t from, rd_range_options *o) {
  o->limit = -1;
  for (uint32_t i = from; i < c->argc; i++) {
    rd_bytes word = c->argv[i];
    if (!o->store && rd_arg_is(word, "withscores")) {
      o->scores = true;
    } else if (c->argc - i > 2 && rd_arg_is(word, "limit")) {
      if (!rd_arg_integer(c, c->argv[i + 1], &o->offset) || !rd_arg_integer(c, c->argv[i + 2], &o->limit)) return false;
      i += 2;
    } else if (!o->down_is_set && rd_arg_is(word, "rev")) {
      o->down = o->down_is_set = true;
    } else if (!o->by_is_set && (rd_arg_is(word, "byscore") || rd_arg_is(word, "bylex"))) {
      o->by = word.len == 7 ? RD_BY_SCORE : RD_BY_NAME;
      o->by_is_set = true;
    } else {
      rd_reply_syntax(c->out);
      return false;
    }
  }
  if (o->limit != -1 && o->by == RD_BY_RANK)
    rd_reply_error(c->out, "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
  else if (o->scores && o->by == RD_BY_NAME)
    rd_reply_error(c->out, "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
  else
    return true;
  return false;
}

bool rd_parse_range_command(rd_call *c, uint32_t at, rd_range_options *o, rd_range *range) {
  if (!parse_options(c, at + 2, o)) return false;
  bool high_first = o->down && o->by != RD_BY_RANK;
  return rd_parse_range(c, o->by, c->argv[at + high_first], c->argv[at + !high_first], range);
}

void rd_find_members(const rd_coll *z, const rd_range *range, const rd_range_options *o, uint64_t *rank, uint64_t *n) {
  rd_range turned = *range;
  if (o->down && o->by == RD_BY_RANK) {
    turned.start = -1 - range->stop;
    turned.stop = -1 - range->start;
  }
  rd_find_range(z, &turned, rank, n);
  uint64_t skipped = 0;
  if (o->by != RD_BY_RANK) {
    skipped = o->offset < 0 || (uint64_t)o->offset > *n ? *n : (uint64_t)o->offset;
    uint64_t left = *n - skipped;
    if (o->limit >= 0 && (uint64_t)o->limit < left) left = (uint64_t)o->limit;
    if (o->down) *rank += *n - 1 - skipped;
    *n = left;
    if (!o->down) *rank += skipped;
  } else if (o->down) {
    *rank += *n - 1;
  }
}

/* Find the members of a short range by walking from the first one to the end: that takes less time than a search for
 * the end and two ranks. False: the range is not short, or of another kind. */
static bool find_short(const rd_coll *z, const rd_range *range, const rd_range_options *o, rd_pos *p, uint64_t *n) {
  if (o->by != RD_BY_SCORE || o->down || o->offset != 0) return false;
  uint64_t most = o->limit >= 0 && o->limit <= SHORT ? (uint64_t)o->limit : SHORT + 1;
  rd_zset_lower(z, rd_zset_order(range->low) + range->low_open, NULL, p);
  *n = rd_zset_count_below(z, p, rd_zset_order(range->high) + !range->high_open, most);
  return *n <= SHORT;
}

static void find_first(const rd_coll *z, const rd_range *range, const rd_range_options *o, rd_pos *p, uint64_t *n) {
  uint64_t rank;
  if (find_short(z, range, o, p, n)) return;
  rd_find_members(z, range, o, &rank, n);
  if (*n > 0) rd_coll_at(z, rank, p);
}

static void reply_range(rd_call *c, rd_range_options o) {
  rd_range range;
  rd_coll z;
  rd_pos p;
  uint64_t n = 0;
  if (!rd_parse_range_command(c, 2, &o, &range) || !rd_open_zset(c, 1, false, &z)) return;
  if (z.item != NULL) find_first(&z, &range, &o, &p, &n);
  if (!rd_may_read_members(c, n)) return;
  rd_members m = rd_members_of(c, o.scores);
  rd_members_head(&m, n);
  rd_members_walk(&m, &z, &p, n, o.down);
}

void rd_cmd_zrange(rd_call *c) { reply_range(c, (rd_range_options){.by = RD_BY_RANK}); }
void rd_cmd_zrevrange(rd_call *c) {
  reply_range(c, (rd_range_options){.by = RD_BY_RANK, .by_is_set = true, .down = true, .down_is_set = true});
}
void rd_cmd_zrangebyscore(rd_call *c) {
  reply_range(c, (rd_range_options){.by = RD_BY_SCORE, .by_is_set = true, .down_is_set = true});
}
void rd_cmd_zrevrangebyscore(rd_call *c) {
  reply_range(c, (rd_range_options){.by = RD_BY_SCORE, .by_is_set = true, .down = true, .down_is_set = true});
}
void rd_cmd_zrangebylex(rd_call *c) {
  reply_range(c, (rd_range_options){.by = RD_BY_NAME, .by_is_set = true, .down_is_set = true});
}
void rd_cmd_zrevrangebylex(rd_call *c) {
  reply_range(c, (rd_range_options){.by = RD_BY_NAME, .by_is_set = true, .down = true, .down_is_set = true});
}

/* ---- counting ---- */

static void reply_count(rd_call *c, rd_range_by by) {
  rd_range range;
  rd_coll z;
  uint64_t rank, n = 0;
  if (!rd_parse_range(c, by, c->argv[2], c->argv[3], &range) || !rd_open_zset(c, 1, false, &z)) return;
  if (z.item != NULL) rd_find_range(&z, &range, &rank, &n);
  rd_reply_int(c->out, (int64_t)n);
}

void rd_cmd_zcount(rd_call *c) { reply_count(c, RD_BY_SCORE); }
void rd_cmd_zlexcount(rd_call *c) { reply_count(c, RD_BY_NAME); }

/* ---- removing ---- */

static bool takes_long(const rd_coll *z, uint64_t rank, uint64_t n) {
  if (n > RD_LONG_ELEMENTS) return true;
  if (RD_LIKELY(n == 0 || rd_item_value_bytes(z->st, z->item) <= RD_LONG_BYTES)) return false;
  rd_pos p;
  for (bool more = rd_coll_at(z, rank, &p); more && n > 0; more = rd_coll_next(z, &p), n--) {
    if (rd_is_long_element(z->st, rd_zset_member(p.at))) return true;
  }
  return false;
}

static void remove_range(rd_call *c, rd_range_by by, rd_key_event event) {
  rd_range range;
  rd_coll z;
  uint64_t rank = 0, n = 0;
  if (!rd_parse_range(c, by, c->argv[2], c->argv[3], &range) || !rd_open_zset(c, 1, true, &z)) return;
  if (z.item != NULL) rd_find_range(&z, &range, &rank, &n);
  if (takes_long(&z, rank, n) && !rd_may_take_long(c)) return;
  if (n != 0) {
    rd_zset_remove_range(&z, rank, n);
    rd_coll_changed(&z, event);
  }
  rd_note_changes(c->store, n);
  rd_reply_int(c->out, (int64_t)n);
}

void rd_cmd_zremrangebyrank(rd_call *c) { remove_range(c, RD_BY_RANK, RD_EVENT_ZREMRANGEBYRANK); }
void rd_cmd_zremrangebyscore(rd_call *c) { remove_range(c, RD_BY_SCORE, RD_EVENT_ZREMRANGEBYSCORE); }
void rd_cmd_zremrangebylex(rd_call *c) { remove_range(c, RD_BY_NAME, RD_EVENT_ZREMRANGEBYLEX); }
