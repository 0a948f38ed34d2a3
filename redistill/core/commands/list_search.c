/* list_search.c - commands that look for an element in a list: LPOS, LINSERT, LREM.
 *
 * A search compares up to RD_LIST_LONG elements at once. One that goes on longer begins again as a long command. */
#include "arena/longrun.h"
#include "arena/worker.h"
#include "commands/cmd.h"
#include "commands/list.h"
#include "commands/value.h"

/* A walk over a list in either direction. */
typedef struct search {
  rd_coll l;
  rd_element wanted;
  bool back;
  bool ended;
  uint64_t passed; /* elements before the place, in the direction of the walk */
  rd_list_back b;  /* b.p is the place */
} search;

static void search_begin(search *s, bool back) {
  s->back = back;
  s->passed = 0;
  s->ended = !rd_list_end(&s->l, !back, &s->b.p);
  if (back && !s->ended) rd_list_back_begin(&s->b);
}

static void search_step(search *s) {
  s->passed++;
  s->ended = s->back ? !rd_list_back_next(&s->l, &s->b) : !rd_list_next(&s->l, &s->b.p);
}

static bool search_matches(const search *s) { return rd_element_is(s->l.st, &s->wanted, s->b.p.at); }

typedef enum found { FOUND, NOT_FOUND, TAKES_LONG } found;

/* Go on to the next match, from the place on, among the first `most` elements. */
static found search_on(search *s, rd_call *c, uint64_t most) {
  for (; !s->ended && s->passed < most; search_step(s)) {
    if (search_matches(s)) return FOUND;
    if (RD_UNLIKELY((s->passed & 1023) == 1023)) {
      if (s->passed > RD_LIST_LONG && !rd_may_take_long(c)) return TAKES_LONG;
      rd_yield(c->store);
    }
  }
  return NOT_FOUND;
}

/* ---- LPOS ---- */

typedef struct pos_options {
  int64_t rank, count, most; /* count -1: not given; 0: all. most 0: all elements */
} pos_options;

static bool parse_positive(rd_call *c, rd_bytes arg, int64_t *n, const char *error) {
  if (rd_parse_i64(arg, n) && *n >= 0) return true;
  rd_reply_error(c->out, error);
  return false;
}

static bool parse_pos(rd_call *c, pos_options *o) {
  *o = (pos_options){.rank = 1, .count = -1};
  for (uint32_t i = 3; i < c->argc; i += 2) {
    rd_bytes word = c->argv[i];
    bool more = i + 1 < c->argc;
    if (more && rd_arg_is(word, "rank")) {
      if (!rd_arg_signed(c, c->argv[i + 1], &o->rank)) return false;
      if (o->rank == 0) {
        rd_reply_error(c->out,
                       "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use "
                       "negative to start from the end of the list");
        return false;
      }
    } else if (more && rd_arg_is(word, "count")) {
      if (!parse_positive(c, c->argv[i + 1], &o->count, "ERR COUNT can't be negative")) return false;
    } else if (more && rd_arg_is(word, "maxlen")) {
      if (!parse_positive(c, c->argv[i + 1], &o->most, "ERR MAXLEN can't be negative")) return false;
    } else {
      rd_reply_syntax(c->out);
      return false;
    }
  }
  return true;
}

void rd_cmd_lpos(rd_call *c) {
  pos_options o;
  if (!parse_pos(c, &o)) return;
  bool absent, all = o.count >= 0;
  search s;
  rd_key key = rd_call_key(c, 1);
  if (!rd_list_open(c, &s.l, &key, false, &absent)) {
    if (absent) all ? rd_reply_array(c->out, 0) : rd_reply_null(c->out);
    return;
  }
  rd_element_of(&s.wanted, c->argv[2]);
  search_begin(&s, o.rank < 0);
  uint64_t last = rd_list_length(&s.l) - 1, most = o.most != 0 ? (uint64_t)o.most : UINT64_MAX;
  uint64_t skip = (uint64_t)(o.rank < 0 ? -o.rank : o.rank) - 1, n = 0, start = c->out->len;
  size_t mark = all ? rd_reply_begin_array(c->out) : 0;
  found f;
  while (!c->out->failed && (f = search_on(&s, c, most)) != NOT_FOUND) {
    if (f == TAKES_LONG) {
      c->out->len = start;
      rd_my_counters(c->store)->value[RD_STAT_keyspace_hits]--; /* the call that follows counts it again */
      return;
    }
    if (skip != 0) {
      skip--;
    } else {
      rd_reply_int(c->out, (int64_t)(s.back ? last - s.passed : s.passed));
      n++;
      if (!all || n == (uint64_t)o.count) break;
    }
    search_step(&s);
  }
  if (all)
    rd_reply_end_array(c->out, mark, n);
  else if (n == 0)
    rd_reply_null(c->out);
}

/* ---- LINSERT ---- */

typedef struct insert_args {
  uint64_t rank;
  rd_element element;
} insert_args;

static rd_result insert(rd_coll *l, void *arg) {
  insert_args *a = arg;
  rd_pos p;
  rd_coll_at(l, a->rank, &p);
  return rd_list_insert(l, &p, &a->element);
}

void rd_cmd_linsert(rd_call *c) {
  bool after = rd_arg_is(c->argv[2], "after"), absent;
  if (!after && !rd_arg_is(c->argv[2], "before")) {
    rd_reply_syntax(c->out);
    return;
  }
  rd_bytes text = c->argv[4];
  if (!rd_check_length(c, text.len) || (text.len > RD_LONG_BYTES && !rd_may_take_long(c))) return;
  search s;
  rd_key key = rd_call_key(c, 1);
  if (!rd_list_open(c, &s.l, &key, true, &absent)) {
    if (absent) rd_reply_int(c->out, 0);
    return;
  }
  rd_element_of(&s.wanted, c->argv[3]);
  search_begin(&s, false);
  found f = search_on(&s, c, UINT64_MAX);
  if (f == TAKES_LONG) return;
  bool outgrows = rd_list_outgrows(&s.l, (int64_t)text.len, 1);
  insert_args args = {.rank = s.passed + after};
  rd_element_of(&args.element, text);
  if (f == FOUND && !rd_list_change(c, &s.l, c->out->len, insert, &args)) return;
  if (outgrows) rd_list_name_quicklist(&s.l); /* as in Redis, also when nothing is inserted */
  if (f == FOUND) {
    rd_reply_int(c->out, (int64_t)rd_list_length(&s.l));
    rd_coll_changed(&s.l, RD_EVENT_LINSERT);
  } else {
    rd_reply_int(c->out, -1);
  }
}

/* ---- LREM ---- */

/* Remove the match at the place, and go on behind it. */
static void remove_match(search *s, uint64_t *left) {
  rd_coll_remove(&s->l, &s->b.p);
  --*left;
  if (!s->back) {
    s->ended = s->b.p.at == s->b.p.end;
    return;
  }
  /* The place is that of the entry behind. */
  s->ended = !rd_coll_prev(&s->l, &s->b.p);
  if (!s->ended) rd_list_back_begin(&s->b);
}

void rd_cmd_lrem(rd_call *c) {
  int64_t count;
  if (!rd_arg_signed(c, c->argv[2], &count)) return;
  bool absent;
  search s;
  rd_key key = rd_call_key(c, 1);
  if (!rd_list_open(c, &s.l, &key, true, &absent)) {
    if (absent) rd_reply_int(c->out, 0);
    return;
  }
  uint64_t left = rd_list_length(&s.l), removed = 0;
  uint64_t most = count == 0 ? UINT64_MAX : (uint64_t)(count < 0 ? -count : count);
  /* A search for one can begin again before it changes anything; others may have to remove many. */
  if (most != 1 && left > RD_LIST_LONG && !rd_may_take_long(c)) return;
  rd_element_of(&s.wanted, c->argv[3]);
  search_begin(&s, count < 0);
  found f;
  while (removed < most && (f = search_on(&s, c, UINT64_MAX)) != NOT_FOUND) {
    if (f == TAKES_LONG) return;
    remove_match(&s, &left);
    removed++;
    if ((removed & 63) == 0) rd_yield(c->store);
  }
  rd_reply_int(c->out, (int64_t)removed);
  if (removed == 0) return;
  if (removed > 1) rd_note_changes(c->store, removed);
  if (left != 0) rd_list_shrunk(&s.l);
  rd_coll_changed(&s.l, RD_EVENT_LREM);
}
