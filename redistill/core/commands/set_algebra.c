/* set_algebra.c - SINTER, SUNION, SDIFF and their relatives.
 *
 * Each walks one set, or for a union all of them, and looks its members up in the others. A union of many sets notes
 * the members that it has met (seen.h), if they are not too many. */
#include "arena/longrun.h"
#include "command/keys.h"
#include "commands/cmd.h"
#include "commands/seen.h"
#include "commands/sorting.h"
#include "commands/sources.h"
#include "commands/value.h"
#include "types/set.h"

typedef enum set_kind { INTER, UNION, DIFF } set_kind;

typedef struct operation {
  rd_call *call;
  set_kind kind;
  rd_sources s;
  uint32_t walked; /* the sources to walk, from the first on */
  bool stores;
  rd_coll *to;     /* build the result here; NULL: reply with its members, */
  bool replies;    /* or only count them */
  bool keeps_name; /* of the first source */
  rd_seen seen;    /* has a table: members of a union that were met */
  uint64_t limit;
  uint64_t count; /* members of the result */
  uint32_t steps;
} operation;

/* ---- the sources in the order in which they are looked at, each once ---- */

static int by_count(void *arg, const void *a, const void *b) {
  (void)arg;
  const rd_source *x = a, *y = b;
  if (x->count != y->count) return x->count < y->count ? -1 : 1;
  return (x->coll.item > y->coll.item) - (x->coll.item < y->coll.item);
}
static int by_count_down(void *arg, const void *a, const void *b) { return by_count(arg, b, a); }

static void drop_absent_and_repeated(rd_sources *s, uint32_t from) {
  uint32_t left = from;
  for (uint32_t i = from; i < s->n; i++) {
    const rd_item *it = s->at[i].coll.item;
    if (it != NULL && (left == from || s->at[left - 1].coll.item != it)) s->at[left++] = s->at[i];
    if ((i & 255) == 255) rd_yield(s->call->store);
  }
  s->n = left;
}

/* An intersection begins with the smallest set, so that a missing member is missed soon; a difference and a union find
 * a member soon in the largest one. A union that is stored keeps the order, as a small set does. */
static void arrange(operation *o) {
  rd_sources *s = &o->s;
  rd_store *st = o->call->store;
  bool empty = o->kind == DIFF && s->at[0].coll.item == NULL;
  for (uint32_t i = 0; o->kind == INTER && i < s->n; i++) empty = empty || s->at[i].coll.item == NULL;
  if (empty) s->n = 0;
  uint32_t from = o->kind == DIFF && s->n > 0 ? 1 : 0;
  if (o->kind != UNION || !o->stores)
    rd_sort(st, s->at + from, s->n - from, sizeof *s->at, o->kind == INTER ? by_count : by_count_down, NULL);
  drop_absent_and_repeated(s, from);
  o->walked = o->kind == UNION ? s->n : s->n > 0;
}

static uint64_t members_of(const operation *o) {
  uint64_t members = 0;
  for (uint32_t i = 0; i < o->walked; i++) members += o->s.at[i].count;
  return members;
}

static bool may_take(operation *o) {
  uint64_t members = members_of(o), bytes = 0;
  for (uint32_t i = 0; i < o->walked; i++) {
    bytes += rd_item_value_bytes(o->call->store, o->s.at[i].coll.item);
  }
  return rd_sources_may_take(&o->s, members > RD_LONG_BYTES ? members : members * o->s.n, bytes);
}

/* ---- walking ---- */

/* True if a member of source `i` belongs to the result. What is built finds out itself which members it has. */
static bool is_wanted(operation *o, uint32_t i, rd_element *e, const uint8_t *at) {
  uint32_t from = o->kind == UNION ? 0 : 1, to = o->kind == UNION ? i : o->s.n;
  rd_pos p;
  if (o->kind == UNION && o->stores) return true;
  if (o->seen.table != NULL) return rd_seen_add(&o->seen, o->call->store, e, at, o->count) == o->count;
  for (; from < to; from++) {
    if (rd_member_find(&o->s.at[from].coll, e, &p) != (o->kind == INTER)) return false;
    if ((++o->steps & 63) == 0) rd_yield_whole(o->call->store);
  }
  return true;
}

/* Add the member at `p` of a source to the result. */
static rd_made add(operation *o, const rd_coll *from, rd_pos *p, rd_element *e) {
  bool added;
  uint64_t expected = o->kind == INTER ? 1 : 0; /* Redis begins a union and a difference with an empty intset */
  for (int attempt = 0; rd_member_add(o->to, e, expected, &added) != RD_OK; attempt++) {
    rd_made made = attempt == RD_COLL_ATTEMPTS ? RD_FULL : rd_sources_make_room(&o->s, o->to, from, p);
    if (made != RD_MADE) return made;
    rd_element_like(e, o->call->store, p->at);
  }
  o->count += added;
  return RD_MADE;
}

static rd_made take(operation *o, const rd_coll *from, rd_pos *p, rd_element *e) {
  if (o->to != NULL) return add(o, from, p, e);
  if (o->replies) rd_element_reply(o->call->out, o->call->store, p->at);
  o->count++;
  return RD_MADE;
}

static rd_made walk(operation *o) {
  rd_store *st = o->call->store;
  o->count = 0;
  for (uint32_t i = 0; i < o->walked; i++) {
    const rd_coll *from = &o->s.at[i].coll;
    rd_pos p;
    for (bool more = rd_coll_first(from, &p); more; more = rd_member_next(from, &p)) {
      rd_element e;
      rd_element_like(&e, st, p.at);
      if ((++o->steps & 63) == 0) rd_yield_whole(st);
      if (!is_wanted(o, i, &e, p.at)) continue;
      rd_made made = take(o, from, &p, &e);
      if (made != RD_MADE) return made;
      if (o->count == o->limit || o->call->out->failed) return RD_MADE;
    }
  }
  return RD_MADE;
}

/* ---- replies ---- */

static void reply(rd_call *c, set_kind kind) {
  operation o = {.call = c, .kind = kind, .replies = true, .limit = UINT64_MAX};
  if (!rd_sources_find(&o.s, c, 1, c->argc - 1, false)) return;
  arrange(&o);
  if (may_take(&o)) {
    size_t mark = rd_reply_begin_array(c->out);
    if (kind == UNION && o.s.n > RD_SEEN_FROM) rd_seen_begin(&o.seen, c, members_of(&o));
    walk(&o);
    rd_seen_end(&o.seen, c);
    rd_reply_end_set(c->out, mark, o.count);
  }
  rd_sources_free(&o.s);
}

void rd_cmd_sinter(rd_call *c) { reply(c, INTER); }
void rd_cmd_sunion(rd_call *c) { reply(c, UNION); }
void rd_cmd_sdiff(rd_call *c) { reply(c, DIFF); }

void rd_cmd_sintercard(rd_call *c) {
  operation o = {.call = c, .kind = INTER};
  uint32_t numkeys;
  switch (rd_parse_numkeys(c->argv[1], c->argc, 2, 1, &numkeys)) {
    case RD_NUMKEYS_NO_NUMBER:
    case RD_NUMKEYS_NOT_POSITIVE:
      rd_reply_error(c->out, "ERR numkeys should be greater than 0");
      return;
    case RD_NUMKEYS_TOO_MANY:
      rd_reply_error(c->out, "ERR Number of keys can't be greater than number of args");
      return;
    case RD_NUMKEYS_OK:
      break;
  }
  if (!rd_parse_limit(c, 2 + numkeys, &o.limit) || !rd_sources_find(&o.s, c, 2, numkeys, false)) return;
  arrange(&o);
  if (may_take(&o)) {
    walk(&o);
    rd_reply_int(c->out, (int64_t)o.count);
  }
  rd_sources_free(&o.s);
}

/* ---- STORE ---- */

/* Redis computes a difference in one of two ways. In the second it copies the first set and removes members, so the
 * result keeps the name of the first. */
static bool keeps_name_of_first(const operation *o) {
  const rd_sources *s = &o->s;
  uint64_t first = 0, all = 0;
  if (o->kind != DIFF || s->at[0].coll.item == NULL) return false;
  for (uint32_t i = 0; i < s->n; i++) {
    if (s->at[i].coll.item == NULL) continue;
    first += s->at[0].count;
    all += s->at[i].count;
  }
  return first / 2 > all;
}

static rd_made make(void *arg, rd_coll *to) {
  operation *o = arg;
  o->to = to;
  arrange(o);
  rd_made made = walk(o);
  if (made == RD_MADE && o->keeps_name) rd_coll_set_name(to, rd_member_name_built(&o->s.at[0].coll, RD_SET_INTSET));
  return made;
}

static void store(rd_call *c, set_kind kind, rd_key_event event) {
  operation o = {.call = c, .kind = kind, .stores = true, .limit = UINT64_MAX};
  rd_key key = rd_call_key(c, 1);
  if (!rd_sources_find(&o.s, c, 2, c->argc - 2, false)) return;
  o.keeps_name = keeps_name_of_first(&o);
  arrange(&o);
  if (may_take(&o) && rd_sources_store(&o.s, &key, &rd_set_row, event, make, &o))
    rd_reply_int(c->out, (int64_t)o.count);
  rd_sources_free(&o.s);
}

void rd_cmd_sinterstore(rd_call *c) { store(c, INTER, RD_EVENT_SINTERSTORE); }
void rd_cmd_sunionstore(rd_call *c) { store(c, UNION, RD_EVENT_SUNIONSTORE); }
void rd_cmd_sdiffstore(rd_call *c) { store(c, DIFF, RD_EVENT_SDIFFSTORE); }
