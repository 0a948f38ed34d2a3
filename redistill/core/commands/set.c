/* set.c - commands on one set, and SMOVE. */
#include "types/set.h"

#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/cursor.h"
#include "commands/sample.h"
#include "commands/value.h"

/* Open the set at the call's first key. false: it is absent (*absent), or an error was replied. */
static bool open_set(rd_call *c, rd_coll *set, bool for_write, bool *absent) {
  rd_key key = rd_call_key(c, 1);
  rd_item *it = rd_call_value(c, &key, &rd_set_row, for_write, absent);
  if (it != NULL || *absent) rd_coll_open(set, c->store, &key, it, &rd_set_row);
  return it != NULL;
}

/* The work of looking at `some` of the `count` members, in bytes: a member costs as much as some bytes. */
#define MEMBER_BYTES 256u
static uint64_t work(const rd_coll *set, uint64_t count, uint64_t some) {
  if (some > RD_LONG_BYTES) some = RD_LONG_BYTES;
  return (rd_item_value_bytes(set->st, set->item) / count + MEMBER_BYTES) * some;
}

/* The same for `k` random ones of them, each of which is sought. */
static uint64_t work_of_chosen(const rd_coll *set, uint64_t count, uint64_t k) {
  return k > RD_LONG_ELEMENTS ? RD_LONG_BYTES + 1 : work(set, count, k);
}

/* ---- SADD, SREM ---- */

/* Add all members of the call, or none: -1. Returns the number of those that are new. */
static int64_t add_all(rd_call *c, rd_coll *set) {
  unsigned name = set->item != NULL ? rd_coll_name(set) : 0;
  bool several = c->argc > 3;
  int64_t added = 0;
  if (several && !rd_coll_begin(set)) return -1;
  for (uint32_t i = 2; i < c->argc; i++) {
    rd_element e;
    bool is_new;
    rd_element_of(&e, c->argv[i]);
    if (rd_member_add(set, &e, c->argc - 2, &is_new) != RD_OK) {
      if (several) rd_coll_undo(set);
      if (set->item != NULL) rd_coll_set_name(set, name);
      return -1;
    }
    added += is_new;
    if ((i & 63) == 0) rd_yield(c->store);
  }
  if (several) rd_coll_commit(set);
  return added;
}

static bool check_lengths(rd_call *c, uint32_t from) {
  for (uint32_t i = from; i < c->argc; i++) {
    if (!rd_check_length(c, c->argv[i].len)) return false;
  }
  return true;
}

void rd_cmd_sadd(rd_call *c) {
  if (!check_lengths(c, 2) || (c->argc > RD_LONG_ELEMENTS && !rd_may_take_long(c))) return;
  bool absent;
  rd_coll set;
  if (!open_set(c, &set, true, &absent) && !absent) return;
  int64_t added = add_all(c, &set);
  for (int attempt = 1; added < 0 && attempt < RD_COLL_ATTEMPTS && rd_reserve_for_call(c, &set); attempt++)
    added = add_all(c, &set);
  if (added < 0) {
    rd_reply_oom(c->out);
    return;
  }
  if (added > 0) {
    rd_note_changes(c->store, (uint64_t)added);
    rd_coll_changed(&set, RD_EVENT_SADD);
  }
  rd_reply_int(c->out, added);
}

void rd_cmd_srem(rd_call *c) {
  if (c->argc > RD_LONG_ELEMENTS && !rd_may_take_long(c)) return;
  bool absent;
  rd_coll set;
  uint64_t removed = 0;
  if (!open_set(c, &set, true, &absent)) {
    if (absent) rd_reply_int(c->out, 0);
    return;
  }
  for (uint32_t i = 2; i < c->argc; i++) {
    rd_element e;
    rd_element_of(&e, c->argv[i]);
    removed += rd_member_remove(&set, &e);
    if ((i & 63) == 0) rd_yield(c->store);
  }
  if (removed > 0) {
    rd_note_changes(c->store, removed);
    rd_coll_changed(&set, RD_EVENT_SREM);
  }
  rd_reply_int(c->out, (int64_t)removed);
}

/* ---- questions ---- */

void rd_cmd_scard(rd_call *c) {
  bool absent;
  rd_coll set;
  if (open_set(c, &set, false, &absent))
    rd_reply_int(c->out, (int64_t)rd_coll_count(&set));
  else if (absent)
    rd_reply_int(c->out, 0);
}

static bool has_member(const rd_coll *set, rd_bytes text) {
  rd_element e;
  rd_pos p;
  if (set->item == NULL) return false;
  rd_element_of(&e, text);
  return rd_member_find(set, &e, &p);
}

void rd_cmd_sismember(rd_call *c) {
  bool absent;
  rd_coll set;
  if (open_set(c, &set, false, &absent) || absent) rd_reply_int(c->out, has_member(&set, c->argv[2]));
}

void rd_cmd_smismember(rd_call *c) {
  if (c->argc > RD_LONG_ELEMENTS && !rd_may_take_long(c)) return;
  bool absent;
  rd_coll set;
  if (!open_set(c, &set, false, &absent) && !absent) return;
  rd_reply_array(c->out, c->argc - 2);
  for (uint32_t i = 2; i < c->argc; i++) {
    rd_reply_int(c->out, has_member(&set, c->argv[i]));
    if ((i & 63) == 0) rd_yield(c->store);
  }
}

/* Reply with all members, without the array's head. */
static void reply_members(rd_call *c, const rd_coll *set) {
  rd_pos p;
  uint32_t n = 0;
  for (bool more = rd_coll_first(set, &p); more && !c->out->failed; more = rd_member_next(set, &p)) {
    rd_element_reply(c->out, c->store, p.at);
    if ((++n & 63) == 0) rd_yield(c->store);
  }
}

void rd_cmd_smembers(rd_call *c) {
  bool absent;
  rd_coll set;
  if (!open_set(c, &set, false, &absent)) {
    if (absent) rd_reply_set(c->out, 0);
    return;
  }
  uint64_t count = rd_coll_count(&set);
  if (!rd_may_read(c, work(&set, count, count))) return;
  rd_reply_set(c->out, (size_t)count);
  reply_members(c, &set);
}

/* ---- random members ---- */

/* Go from the entry of rank `from` to the one of rank `to`, which is not before it. */
static void go_to(const rd_coll *set, rd_pos *p, uint64_t from, uint64_t to) {
  if (to - from > 32)
    rd_coll_at(set, to, p);
  else
    for (; from < to; from++) rd_member_next(set, p);
}

static void reply_chosen(rd_call *c, const rd_coll *set, const uint64_t *chosen, uint64_t k) {
  rd_pos p;
  rd_coll_at(set, chosen[0], &p);
  for (uint64_t i = 0; i < k && !c->out->failed; i++) {
    if (i > 0) go_to(set, &p, chosen[i - 1], chosen[i]);
    rd_element_reply(c->out, c->store, p.at);
    if ((i & 63) == 63) rd_yield(c->store);
  }
}

static void remove_chosen(rd_coll *set, const uint64_t *chosen, uint64_t k) {
  rd_pos p;
  rd_coll_at(set, chosen[0], &p);
  for (uint64_t i = 0; i < k; i++) {
    /* i entries of the chosen one's left are gone, and the place is behind the last of them. */
    if (i > 0) go_to(set, &p, chosen[i - 1] + 1 - i, chosen[i] - i);
    rd_coll_remove(set, &p);
    if ((i & 63) == 63) rd_yield(set->st);
  }
}

/* A set of which Redis pops nearly all members is a new set of the others there, with the name of a new one. */
static void rename_rest(rd_coll *set, uint64_t left, uint64_t popped) {
  if (left == 0 || left * 5 > popped) return;
  unsigned from = rd_coll_name(set) == RD_SET_INTSET ? RD_SET_INTSET : RD_SET_LISTPACK;
  rd_coll_set_name(set, rd_member_name_built(set, from));
}

/* Reply with `k` members and remove them; all when k is not below their number. */
static void pop(rd_call *c, rd_coll *set, uint64_t k) {
  uint64_t count = rd_coll_count(set);
  if (k > count) k = count;
  if (work_of_chosen(set, count, k) > RD_LONG_BYTES && !rd_may_take_long(c)) return;
  size_t mark = c->out->len;
  rd_reply_set(c->out, (size_t)k);
  if (k == count) {
    reply_members(c, set);
    if (c->out->failed) return; /* members that cannot be sent stay */
    rd_note_changes(c->store, k);
    rd_notify(c->store, &set->key, RD_EVENT_SPOP);
    rd_delete(c->store, &set->key);
    return;
  }
  uint64_t *chosen = rd_choose(c, count, k);
  if (chosen == NULL) {
    rd_reply_oom_instead(c->out, mark);
    return;
  }
  reply_chosen(c, set, chosen, k);
  if (!c->out->failed) {
    rd_note_changes(c->store, k);
    remove_chosen(set, chosen, k);
    rename_rest(set, count - k, k);
    rd_coll_changed(set, RD_EVENT_SPOP);
  }
  rd_choice_free(c->store, chosen, k);
}

/* A member of any length. False: the reply takes long, and the command must begin again. */
static bool may_reply(rd_call *c, const rd_pos *p) {
  return !rd_element_is_outside(p->at) || rd_element_len(c->store, p->at) <= RD_LONG_BYTES || rd_may_take_long(c);
}

static void pop_one(rd_call *c, rd_coll *set) {
  rd_pos p;
  if (!rd_coll_at(set, rd_random_rank(c->store, rd_coll_count(set)), &p) || !may_reply(c, &p)) return;
  rd_element_reply(c->out, c->store, p.at);
  if (c->out->failed) return;
  rd_coll_remove(set, &p);
  rd_coll_changed(set, RD_EVENT_SPOP);
}

void rd_cmd_spop(rd_call *c) {
  int64_t count = 0;
  bool absent;
  rd_coll set;
  if (c->argc > 3) {
    rd_reply_syntax(c->out);
    return;
  }
  if (c->argc == 3 && (!rd_parse_i64(c->argv[2], &count) || count < 0)) {
    rd_reply_error(c->out, "ERR value is out of range, must be positive");
    return;
  }
  if (!open_set(c, &set, true, &absent)) {
    if (absent && c->argc == 3)
      rd_reply_set(c->out, 0);
    else if (absent)
      rd_reply_null(c->out);
  } else if (c->argc == 2) {
    pop_one(c, &set);
  } else if (count == 0) {
    rd_reply_set(c->out, 0);
  } else {
    pop(c, &set, (uint64_t)count);
  }
}

/* SRANDMEMBER with a negative count: `k` members, each chosen anew. */
static void reply_any(rd_call *c, const rd_coll *set, uint64_t count, uint64_t k) {
  rd_pos p;
  rd_reply_array(c->out, (size_t)k);
  for (uint64_t i = 0; i < k && !c->out->failed; i++) {
    rd_coll_at(set, rd_random_rank(c->store, count), &p);
    rd_element_reply(c->out, c->store, p.at);
    if ((i & 63) == 63) rd_yield(c->store);
  }
}

static void reply_some(rd_call *c, const rd_coll *set, uint64_t count, uint64_t k) {
  size_t mark = c->out->len;
  if (k > count) k = count;
  rd_reply_array(c->out, (size_t)k);
  if (k == count) {
    reply_members(c, set);
    return;
  }
  uint64_t *chosen = rd_choose(c, count, k);
  if (chosen == NULL) {
    rd_reply_oom_instead(c->out, mark);
    return;
  }
  reply_chosen(c, set, chosen, k);
  rd_choice_free(c->store, chosen, k);
}

static void random_one(rd_call *c, const rd_coll *set) {
  rd_pos p;
  if (rd_coll_at(set, rd_random_rank(c->store, rd_coll_count(set)), &p) &&
      rd_may_read(c, rd_element_is_outside(p.at) ? rd_element_len(c->store, p.at) : 0))
    rd_element_reply(c->out, c->store, p.at);
}

void rd_cmd_srandmember(rd_call *c) {
  int64_t count = 0;
  bool absent;
  rd_coll set;
  if (c->argc > 3) {
    rd_reply_syntax(c->out);
    return;
  }
  if (c->argc == 3 && !rd_arg_signed(c, c->argv[2], &count)) return;
  if (!open_set(c, &set, false, &absent)) {
    if (absent && c->argc == 3)
      rd_reply_array(c->out, 0);
    else if (absent)
      rd_reply_null(c->out);
    return;
  }
  if (c->argc == 2) {
    random_one(c, &set);
    return;
  }
  uint64_t members = rd_coll_count(&set), k = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
  if (count == 0)
    rd_reply_array(c->out, 0);
  else if (!rd_repeats_fit(c, count < 0 || k < members ? k : members) ||
           !rd_may_read(c, work_of_chosen(&set, members, count < 0 || k < members ? k : members)))
    return;
  else if (count < 0)
    reply_any(c, &set, members, k);
  else
    reply_some(c, &set, members, k);
}

/* ---- SMOVE ---- */

/* Move the member from `from`, which has it, to `to`. */
static void move_member(rd_call *c, rd_coll *from, rd_coll *to, rd_element *e) {
  bool added;
  rd_result r = rd_member_add(to, e, 1, &added);
  for (int attempt = 1; r != RD_OK && attempt < RD_COLL_ATTEMPTS && rd_coll_reserve(to); attempt++) {
    /* Making room may have moved the source, or evicted it. */
    rd_coll_open(from, c->store, &from->key, rd_find_quiet(c->store, &from->key, false), &rd_set_row);
    if (from->item == NULL) {
      rd_reply_int(c->out, 0);
      return;
    }
    r = rd_member_add(to, e, 1, &added);
  }
  if (r != RD_OK) {
    rd_reply_oom(c->out);
    return;
  }
  rd_member_remove(from, e);
  rd_note_changes(c->store, 1 + added);
  rd_coll_changed(from, RD_EVENT_SREM);
  if (added) rd_coll_changed(to, RD_EVENT_SADD);
  rd_reply_int(c->out, 1);
}

void rd_cmd_smove(rd_call *c) {
  rd_key key = rd_call_key(c, 1), to_key = rd_call_key(c, 2);
  rd_item *it = rd_find_write(c->store, &key);
  if (it == NULL) {
    rd_reply_int(c->out, 0);
    return;
  }
  rd_item *to_it = rd_find_write(c->store, &to_key);
  if (!rd_call_is(c, it, &rd_set_row) || (to_it != NULL && !rd_call_is(c, to_it, &rd_set_row))) return;
  rd_coll from, to;
  rd_coll_open(&from, c->store, &key, it, &rd_set_row);
  rd_coll_open(&to, c->store, &to_key, to_it, &rd_set_row);
  rd_element e;
  rd_pos p;
  rd_element_of(&e, c->argv[3]);
  if (!rd_member_find(&from, &e, &p))
    rd_reply_int(c->out, 0);
  else if (it == to_it)
    rd_reply_int(c->out, 1);
  else
    move_member(c, &from, &to, &e);
}

/* ---- SSCAN ---- */

/* Reply with the members of the run from `p` on that match. Returns the number of members; *taken grows by those that
 * match. */
static uint64_t scan_run(rd_call *c, const rd_pos *p, const rd_pattern *match, size_t *taken) {
  uint64_t seen = 0;
  for (const uint8_t *at = p->begin; at < p->end && !c->out->failed; at += rd_element_skip(at), seen++) {
    char buf[RD_ELEMENT_TEXT];
    rd_scratch text = {0};
    if (!match->all && rd_element_is_outside(at)) {
      text.len = rd_element_len(c->store, at);
      text.data = text.owned = rd_scratch_take(c, text.len);
      if (text.owned == NULL) {
        c->out->failed = true;
        break;
      }
      rd_element_read(c->store, at, text.owned);
    } else if (!match->all) {
      rd_bytes in_place = rd_element_text(at, buf);
      text = (rd_scratch){.data = in_place.data, .len = in_place.len};
    }
    if (match->all || rd_pattern_matches(match, (rd_bytes){text.data, (size_t)text.len})) {
      rd_element_reply(c->out, c->store, at);
      ++*taken;
    }
    rd_scratch_free(c->store, &text);
  }
  return seen;
}

/* The cursor is a position in the order of hashes (rd_member_order), without its spare bits. What Redis shows as an
 * intset or a listpack is returned as a whole, as there. */
void rd_cmd_sscan(rd_call *c) {
  uint64_t cursor, seen = 0, order;
  bool absent;
  rd_coll set;
  rd_scan_options options;
  if (!rd_parse_cursor(c, c->argv[2], &cursor)) return;
  if (!open_set(c, &set, false, &absent)) {
    if (!absent) return;
    rd_reply_array(c->out, 2);
    rd_reply_bulk_int(c->out, 0);
    rd_reply_array(c->out, 0);
    return;
  }
  if (!rd_parse_scan(c, 3, 0, &options)) return;
  uint64_t count = rd_coll_count(&set);
  if (rd_coll_is_packed(&set) || (rd_coll_name(&set) != RD_SET_HASHTABLE && count <= RD_LONG_KEYS)) {
    cursor = 0;
    options.count = UINT64_MAX;
  }
  uint64_t some = options.count < count ? options.count : count;
  if (!rd_may_read(c, work(&set, count, some) * (1 + options.match.text.len / MEMBER_BYTES))) return;
  size_t start = c->out->len, mark = rd_reply_begin_array(c->out), taken = 0;
  rd_pos p;
  rd_coll_run(&set, cursor << RD_MEMBER_SPARE_BITS, &p);
  for (;;) {
    seen += scan_run(c, &p, &options.match, &taken);
    rd_yield(c->store);
    if (!rd_coll_next_run(&set, &p, &order)) {
      cursor = 0;
      break;
    }
    cursor = rd_member_cursor(order);
    if (seen >= options.count || c->out->failed) break;
    rd_coll_run(&set, order, &p);
  }
  rd_reply_end_array(c->out, mark, taken);
  rd_insert_cursor(c->out, start, cursor);
}
