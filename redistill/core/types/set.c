/* set.c - finding, adding and removing the members of a set. */
#include "types/set.h"

#include "base/numbers.h"
#include "store/blob.h"
#include "store/tree.h"

static uint64_t entry_order(const rd_store *st, const uint8_t *entry) {
  return rd_member_order(rd_element_hash_at(st, entry));
}

static uint32_t entry_size(const uint8_t *at, const uint8_t *end) { return rd_element_size(at, end); }

static uint32_t entry_outside(const uint8_t *entry, uint32_t n) {
  return n == 0 && rd_element_is_outside(entry) ? RD_ELEMENT_REF : 0;
}

const rd_coll_kind rd_member_kind = {
    .run_max = 1024, .size = entry_size, .order = entry_order, .outside = entry_outside};

const char *rd_member_encoding(rd_store *st, const rd_item *it) {
  static const char *const names[] = {"listpack", "intset", "hashtable", "hashtable"};
  (void)st;
  return names[it->type >> 4 & RD_COLL_NAME];
}

void rd_member_fetch(const rd_coll *c, const rd_sought each[], uint32_t n) {
  uint64_t order[RD_FETCH_MOST];
  rd_ref leaf[RD_FETCH_MOST];
  rd_element_orders(c->st, each, n, rd_member_order, order);
  rd_tree_fetch(c, order, n, leaf);
}

/* ---- the name ---- */

/* True if the set has fewer members than `limit`. A packed set is counted only if it may have as many: each member but
 * the empty one takes at least two bytes. */
static bool has_fewer(const rd_coll *c, const rd_pos *p, uint32_t limit) {
  if (rd_coll_is_packed(c) && (uint64_t)(p->end - p->begin + 1) / 2 < limit) return true;
  return rd_coll_count(c) < limit;
}

static bool is_short(const rd_coll *c, const rd_element *e) {
  char buf[RD_I64_TEXT];
  return (e->is_integer ? rd_format_i64(buf, e->integer) : e->text.len) <= c->st->type_limits.set_value;
}

/* True if all members are short enough for a listpack; *integers: all are integers. */
static bool all_short(const rd_coll *c, bool *integers) {
  bool yes = true;
  rd_pos p;
  *integers = true;
  for (bool more = rd_coll_first(c, &p); more; more = rd_member_next(c, &p)) {
    rd_element e;
    rd_element_like(&e, c->st, p.at);
    *integers &= e.is_integer;
    yes = yes && is_short(c, &e);
  }
  return yes;
}

/* The name of a new set whose first member is `e`. */
static unsigned name_of_new(const rd_store *st, const rd_element *e, uint64_t expected) {
  if (e->is_integer && expected <= st->type_limits.set_integers) return RD_SET_INTSET;
  return expected <= st->type_limits.set_entries ? RD_SET_LISTPACK : RD_SET_HASHTABLE;
}

/* The name of a set that has the name `name` and gets the member `e`. `p` is in the run where that will be. */
static unsigned name_with(const rd_coll *c, const rd_pos *p, unsigned name, const rd_element *e) {
  const rd_type_limits *limits = &c->st->type_limits;
  bool integers;
  if (name >= RD_SET_HASHTABLE) return name;
  if (name == RD_SET_INTSET && e->is_integer)
    return has_fewer(c, p, limits->set_integers) ? RD_SET_INTSET : RD_SET_HASHTABLE;
  if (!is_short(c, e) || !has_fewer(c, p, limits->set_entries)) return RD_SET_HASHTABLE;
  if (name == RD_SET_INTSET && limits->set_value < RD_I64_TEXT && !all_short(c, &integers)) return RD_SET_HASHTABLE;
  return RD_SET_LISTPACK;
}

unsigned rd_member_name_built(const rd_coll *c, unsigned from) {
  const rd_type_limits *limits = &c->st->type_limits;
  uint64_t count = rd_coll_count(c);
  uint64_t most = limits->set_entries;
  if (from == RD_SET_INTSET && limits->set_integers > most) most = limits->set_integers;
  if (count > most) return RD_SET_HASHTABLE;
  bool integers, is_listpack = all_short(c, &integers) && count <= limits->set_entries;
  if (from == RD_SET_INTSET && integers) return count <= limits->set_integers ? RD_SET_INTSET : RD_SET_HASHTABLE;
  return is_listpack ? RD_SET_LISTPACK : RD_SET_HASHTABLE;
}

/* ---- members ---- */

/* The entry of the member among those of a run; `end`: there is none. See rd_element_head_decides. */
static const uint8_t *find_in_run(const rd_coll *c, const rd_element *e, const uint8_t *at, const uint8_t *end) {
  rd_probe probe = rd_probe_of(e);
  while (at < end) {
    uint8_t head = *at;
    uint32_t step = rd_element_skip(at);
    if (rd_element_head_decides(head)) {
      for (; at < end && *at == head; at += step) {
        if (rd_probe_may_be(&probe, at) && rd_element_is(c->st, e, at)) return at;
      }
    }
    for (unsigned n = 0; n < RD_ELEMENT_CHANGED && at < end; n++, at += rd_element_skip(at)) {
      if (rd_probe_may_be(&probe, at) && rd_element_is(c->st, e, at)) return at;
    }
  }
  return end;
}

bool rd_member_find(const rd_coll *c, rd_element *e, rd_pos *p) {
  rd_coll_run(c, rd_coll_is_packed(c) ? 0 : rd_member_order(rd_element_hash(c->st, e)), p);
  p->at = find_in_run(c, e, p->begin, p->end);
  return p->at < p->end;
}

/* Go to the first integer that is larger than `n`. */
static void find_larger(rd_pos *p, int64_t n) {
  int64_t here;
  for (p->at = p->begin; p->at < p->end; p->at += rd_element_skip(p->at)) {
    if (rd_element_integer(p->at, &here) && here > n) return;
  }
}

rd_result rd_member_add(rd_coll *c, rd_element *e, uint64_t expected, bool *added) {
  rd_pos p;
  unsigned name = RD_SET_HASHTABLE;
  *added = false;
  if (c->item == NULL) {
    name = name_of_new(c->st, e, expected);
  } else {
    name = rd_coll_name(c);
    if ((name == RD_SET_LISTPACK && expected > c->st->type_limits.set_entries) ||
        (name == RD_SET_INTSET && expected > c->st->type_limits.set_integers)) {
      name = RD_SET_HASHTABLE;
      rd_coll_set_name(c, name);
    }
  }
  if (rd_member_find(c, e, &p)) return RD_OK;
  name = name_with(c, &p, name, e);
  if (name == RD_SET_INTSET && rd_coll_is_packed(c)) find_larger(&p, e->integer);

  uint8_t entry[RD_ELEMENT_MAX];
  const uint8_t *end = rd_element_put(c, e, entry);
  if (end == NULL) return RD_OOM;
  if (rd_coll_insert(c, &p, entry, (uint32_t)(end - entry)) != RD_OK) {
    if (e->is_outside) rd_blob_release(c->st, c->shard, rd_element_blob(entry));
    return RD_OOM;
  }
  if (rd_coll_name(c) != name) rd_coll_set_name(c, name);
  *added = true;
  return RD_OK;
}

bool rd_member_remove(rd_coll *c, rd_element *e) {
  rd_pos p;
  if (!rd_member_find(c, e, &p)) return false;
  rd_coll_remove(c, &p);
  return true;
}
