/* zset_range.c - parses ranges of a sorted set, and finds the ranks that they are. */
#include "commands/zset_range.h"

#include <math.h>
#include <stdlib.h>

/* ---- parsing ---- */

/* Longer numbers are refused. */
enum { NUMBER_TEXT = 512 };

/* A bound by score: a number that strtod reads whole, as in Redis: so white space may precede it, nothing is 0, and a
 * NUL byte is an end. */
static bool parse_score_bound(rd_bytes text, double *score, bool *open) {
  char number[NUMBER_TEXT], *end;
  *open = text.len > 0 && text.data[0] == '(';
  if (*open) {
    text.data++;
    text.len--;
  }
  int64_t whole;
  if (RD_LIKELY(text.len <= 15 && rd_parse_i64(text, &whole))) { /* most bounds are short whole numbers */
    *score = (double)whole;
    return true;
  }
  if (text.len >= sizeof number) return false;
  if (text.len != 0) memcpy(number, text.data, text.len);
  number[text.len] = 0;
  *score = strtod(number, &end);
  return *end == 0 && !isnan(*score);
}

static bool parse_name_bound(rd_bytes text, rd_name_bound *bound) {
  *bound = (rd_name_bound){.infinite = 0};
  if (text.len == 0) return false;
  char c = (char)text.data[0];
  if (c == '-' || c == '+') {
    bound->infinite = c == '-' ? -1 : 1;
    return text.len == 1 || text.data[1] == 0;
  }
  bound->open = c == '(';
  bound->name = (rd_bytes){text.data + 1, text.len - 1};
  return c == '(' || c == '[';
}

bool rd_parse_range(rd_call *c, rd_range_by by, rd_bytes low, rd_bytes high, rd_range *range) {
  range->by = by;
  switch (by) {
    case RD_BY_RANK:
      if (rd_parse_i64(low, &range->start) && rd_parse_i64(high, &range->stop)) return true;
      rd_reply_not_integer(c->out);
      return false;
    case RD_BY_SCORE:
      if (parse_score_bound(low, &range->low, &range->low_open) &&
          parse_score_bound(high, &range->high, &range->high_open))
        return true;
      rd_reply_error(c->out, "ERR min or max is not a float");
      return false;
    default:
      if (parse_name_bound(low, &range->first) && parse_name_bound(high, &range->last)) return true;
      rd_reply_error(c->out, "ERR min or max not valid string range item");
      return false;
  }
}

/* ---- finding ---- */

/* The entries before the first one whose score is not below `score`; or, with `behind`, is above it. */
static uint64_t rank_of_score(const rd_coll *z, double score, bool behind) {
  rd_pos p;
  rd_zset_lower(z, rd_zset_order(score) + behind, NULL, &p);
  return rd_coll_rank(z, &p);
}

/* The same for a name. All scores are the same; otherwise a range by name has no meaning, and which members are in it
 * is left open. */
static uint64_t rank_of_name(const rd_coll *z, const rd_name_bound *bound, bool behind) {
  rd_element name;
  rd_pos p;
  if (bound->infinite != 0 || !rd_coll_first(z, &p)) return bound->infinite > 0 ? UINT64_MAX : 0;
  rd_element_of(&name, bound->name);
  bool found = rd_zset_lower(z, rd_zset_order(rd_zset_score(p.at)), &name, &p);
  return rd_coll_rank(z, &p) + (behind && found && rd_element_is(z->st, &name, rd_zset_member(p.at)));
}

static uint64_t from_end(int64_t index, uint64_t count) {
  if (index >= 0) return (uint64_t)index;
  uint64_t back = 0 - (uint64_t)index;
  return back > count ? 0 : count - back;
}

void rd_find_range(const rd_coll *z, const rd_range *range, uint64_t *rank, uint64_t *n) {
  uint64_t count = rd_coll_count(z), from, to;
  if (range->by == RD_BY_RANK) {
    from = from_end(range->start, count);
    to = range->stop < 0 && 0 - (uint64_t)range->stop > count ? 0 : from_end(range->stop, count) + 1;
  } else if (range->by == RD_BY_SCORE) {
    from = range->low == -INFINITY && !range->low_open ? 0 : rank_of_score(z, range->low, range->low_open);
    to = range->high == INFINITY && !range->high_open ? count : rank_of_score(z, range->high, !range->high_open);
  } else {
    from = rank_of_name(z, &range->first, range->first.open);
    to = rank_of_name(z, &range->last, !range->last.open);
  }
  if (to > count) to = count;
  *rank = from;
  *n = to > from ? to - from : 0;
}
