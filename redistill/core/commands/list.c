/* list.c - commands at the ends of lists: LPUSH, LPOP, LMPOP, LMOVE and their relatives. */
#include "commands/list.h"

#include "arena/longrun.h"
#include "command/keys.h"
#include "commands/cmd.h"
#include "commands/value.h"

bool rd_list_change(rd_call *c, rd_coll *l, size_t mark, rd_list_change_fn *change, void *arg) {
  for (int attempt = 0; attempt < RD_COLL_ATTEMPTS; attempt++) {
    if (RD_LIKELY(change(l, arg) == RD_OK)) return true;
    if (!rd_reserve_for_call(c, l)) break;
    rd_key key = l->key;
    uint8_t reserved = l->reserved;
    rd_coll_open(l, c->store, &key, l->item, l->row);
    l->reserved = reserved;
  }
  rd_reply_oom_instead(c->out, mark);
  return false;
}

bool rd_list_is_long(const rd_coll *l, uint64_t rank, uint64_t n) {
  if (n > RD_LIST_LONG) return true;
  if (RD_LIKELY(rd_item_value_bytes(l->st, l->item) <= RD_LONG_BYTES)) return false;
  rd_pos p;
  uint64_t bytes = 0;
  for (bool more = rd_coll_at(l, rank, &p); more && n > 0; more = rd_list_next(l, &p), n--) {
    if (rd_element_is_outside(p.at)) bytes += rd_element_len(l->st, p.at);
  }
  return bytes > RD_LONG_BYTES;
}

bool rd_list_side(rd_call *c, rd_bytes arg, bool *left) {
  *left = rd_arg_is(arg, "left");
  if (*left || rd_arg_is(arg, "right")) return true;
  rd_reply_syntax(c->out);
  return false;
}

void rd_list_cut(rd_coll *l, uint64_t rank, uint64_t n, uint64_t count, rd_key_event event) {
  if (n == count) {
    rd_notify(l->st, &l->key, event);
    rd_delete(l->st, &l->key);
    return;
  }
  rd_coll_remove_range(l, rank, n, NULL, NULL);
  rd_list_shrunk(l);
  rd_coll_changed(l, event);
}

/* ---- LPUSH, RPUSH, LPUSHX, RPUSHX ---- */

typedef struct push_args {
  rd_call *call;
  bool left;
} push_args;

static rd_result push_one(rd_coll *l, void *arg) {
  const push_args *a = arg;
  rd_element e;
  rd_element_of(&e, a->call->argv[2]);
  return rd_list_push(l, &e, a->left);
}

static rd_result push_several(rd_coll *l, void *arg) {
  const push_args *a = arg;
  if (!rd_coll_begin(l)) return RD_OOM;
  for (uint32_t i = 2; i < a->call->argc; i++) {
    rd_element e;
    rd_element_of(&e, a->call->argv[i]);
    if (rd_list_push(l, &e, a->left) != RD_OK) {
      rd_coll_undo(l);
      return RD_OOM;
    }
    if ((i & 63) == 0) rd_yield(l->st);
  }
  rd_coll_commit(l);
  return RD_OK;
}

/* The bytes of all elements that are pushed. False after an error reply, or if the command will be called again. */
static bool pushed_bytes(rd_call *c, uint64_t *bytes) {
  *bytes = 0;
  for (uint32_t i = 2; i < c->argc; i++) {
    if (!rd_check_length(c, c->argv[i].len)) return false;
    *bytes += c->argv[i].len;
  }
  return RD_LIKELY(c->argc <= RD_LONG_KEYS && *bytes <= RD_LONG_BYTES) || rd_may_take_long(c);
}

static inline void push(rd_call *c, bool left, bool only_existing) {
  uint64_t bytes;
  if (!pushed_bytes(c, &bytes)) return;
  rd_key key = rd_call_key(c, 1);
  bool absent;
  rd_coll l;
  if (!rd_list_open(c, &l, &key, true, &absent)) {
    if (!absent) return;
    if (only_existing) {
      rd_reply_int(c->out, 0);
      return;
    }
    rd_coll_open(&l, c->store, &key, NULL, &rd_types[RD_LIST]);
  }
  push_args args = {c, left};
  uint32_t n = c->argc - 2;
  bool outgrows = rd_list_outgrows(&l, (int64_t)bytes, n);
  if (!rd_list_change(c, &l, c->out->len, n == 1 ? push_one : push_several, &args)) return;
  if (RD_UNLIKELY(outgrows)) rd_list_name_quicklist(&l);
  rd_reply_int(c->out, (int64_t)rd_list_length(&l));
  if (n != 1) rd_note_changes(c->store, n);
  rd_coll_changed(&l, left ? RD_EVENT_LPUSH : RD_EVENT_RPUSH);
}

void rd_cmd_lpush(rd_call *c) { push(c, true, false); }
void rd_cmd_rpush(rd_call *c) { push(c, false, false); }
void rd_cmd_lpushx(rd_call *c) { push(c, true, true); }
void rd_cmd_rpushx(rd_call *c) { push(c, false, true); }

/* ---- LPOP, RPOP, LMPOP ---- */

/* Reply with the first or last `n` elements, from the end on. */
static void reply_end(rd_call *c, const rd_coll *l, bool left, uint64_t n) {
  rd_reply_array(c->out, n);
  rd_list_back b;
  rd_pos *p = &b.p;
  rd_list_end(l, left, p);
  if (!left) rd_list_back_begin(&b);
  for (uint64_t i = 0; i < n && !c->out->failed; i++) {
    if (i != 0) left ? rd_list_next(l, p) : rd_list_back_next(l, &b);
    rd_element_reply(c->out, c->store, p->at);
    if ((i & 255) == 255) rd_yield(c->store);
  }
}

void rd_list_pop_several(rd_call *c, rd_coll *l, bool left, uint64_t n, const rd_bytes *name) {
  uint64_t count = rd_list_length(l);
  if (n > count) n = count;
  uint64_t rank = left ? 0 : count - n;
  if (rd_list_is_long(l, rank, n) && !rd_may_take_long(c)) return;
  if (name != NULL) {
    rd_reply_array(c->out, 2);
    rd_reply_bulk(c->out, name->data, name->len);
  }
  reply_end(c, l, left, n);
  if (!rd_call_may_remove(c, l->item)) return;
  if (n != 1) rd_note_changes(c->store, n);
  rd_list_cut(l, rank, n, count, left ? RD_EVENT_LPOP : RD_EVENT_RPOP);
}

void rd_list_pop(rd_call *c, rd_coll *l, bool left, const rd_bytes *name) {
  rd_pos p;
  rd_list_end(l, left, &p);
  if (RD_UNLIKELY(rd_element_is_outside(p.at)) && rd_element_len(c->store, p.at) > RD_LONG_BYTES &&
      !rd_may_take_long(c))
    return;
  if (name != NULL) {
    rd_reply_array(c->out, 2);
    rd_reply_bulk(c->out, name->data, name->len);
  }
  rd_element_reply(c->out, c->store, p.at);
  if (!rd_call_may_remove(c, l->item)) return;
  if (RD_UNLIKELY(c->store->giving != NULL)) rd_list_end(l, left, &p); /* making room may have moved it */
  rd_coll_remove(l, &p);
  rd_list_shrunk(l);
  rd_coll_changed(l, left ? RD_EVENT_LPOP : RD_EVENT_RPOP);
}

static inline void pop(rd_call *c, bool left) {
  bool counted = c->argc == 3;
  int64_t n = 1;
  if (c->argc > 3) {
    rd_reply_errorf(c->out, "ERR wrong number of arguments for '%s' command", c->command->name);
    return;
  }
  if (counted && (!rd_parse_i64(c->argv[2], &n) || n < 0)) {
    rd_reply_error(c->out, "ERR value is out of range, must be positive");
    return;
  }
  rd_key key = rd_call_key(c, 1);
  bool absent;
  rd_coll l;
  if (!rd_list_open(c, &l, &key, true, &absent)) {
    if (absent) counted ? rd_reply_null_array(c->out) : rd_reply_null(c->out);
    return;
  }
  if (!counted)
    rd_list_pop(c, &l, left, NULL);
  else if (n == 0)
    rd_reply_array(c->out, 0);
  else
    rd_list_pop_several(c, &l, left, (uint64_t)n, NULL);
}

void rd_cmd_lpop(rd_call *c) { pop(c, true); }
void rd_cmd_rpop(rd_call *c) { pop(c, false); }

bool rd_list_parse_mpop(rd_call *c, uint32_t at, uint32_t *keys, bool *left, int64_t *count) {
  uint32_t first = at + 1;
  switch (rd_parse_numkeys(c->argv[at], c->argc, first, 1, keys)) {
    case RD_NUMKEYS_OK:
      break;
    case RD_NUMKEYS_TOO_MANY:
      rd_reply_syntax(c->out);
      return false;
    default:
      rd_reply_error(c->out, "ERR numkeys should be greater than 0");
      return false;
  }
  bool counted = false;
  at = first + *keys;
  if (at == c->argc) {
    rd_reply_syntax(c->out);
    return false;
  }
  if (!rd_list_side(c, c->argv[at], left)) return false;
  *count = 1;
  for (at++; at < c->argc; at += 2) {
    if (counted || at + 1 == c->argc || !rd_arg_is(c->argv[at], "count")) {
      rd_reply_syntax(c->out);
      return false;
    }
    if (!rd_parse_i64(c->argv[at + 1], count) || *count < 1) {
      rd_reply_error(c->out, "ERR count should be greater than 0");
      return false;
    }
    counted = true;
  }
  return true;
}

bool rd_list_pop_first(rd_call *c, uint32_t first, uint32_t keys, bool left, uint64_t count) {
  for (uint32_t i = first; i < first + keys; i++) {
    rd_key key = rd_call_key(c, i);
    bool absent;
    rd_coll l;
    if (rd_list_open(c, &l, &key, true, &absent)) {
      count == 0 ? rd_list_pop(c, &l, left, &c->argv[i]) : rd_list_pop_several(c, &l, left, count, &c->argv[i]);
      return true;
    }
    if (!absent) return true;
    if ((i & 63) == 0) rd_yield(c->store);
  }
  return false;
}

void rd_cmd_lmpop(rd_call *c) {
  uint32_t keys;
  bool left;
  int64_t count;
  if (!rd_list_parse_mpop(c, 1, &keys, &left, &count)) return;
  if (!rd_list_pop_first(c, 2, keys, left, (uint64_t)count)) rd_reply_null_array(c->out);
}

/* ---- LMOVE, RPOPLPUSH ---- */

typedef struct move_args {
  rd_coll from;
  bool from_left, to_left;
  bool same; /* source and destination are one list */
} move_args;

/* Push a copy of the source's element. */
static rd_result push_copy(rd_coll *to, void *arg) {
  const move_args *a = arg;
  rd_coll from = a->same ? *to : a->from;
  rd_pos p;
  rd_list_end(&from, a->from_left, &p);
  rd_element e;
  rd_element_like(&e, to->st, p.at);
  return rd_list_push(to, &e, a->to_left);
}

bool rd_list_move(rd_call *c, bool from_left, bool to_left) {
  rd_key source = rd_call_key(c, 1), destination = rd_call_key(c, 2);
  move_args args = {.from_left = from_left, .to_left = to_left};
  rd_coll *from = &args.from, to;
  bool absent;
  if (!rd_list_open(c, from, &source, true, &absent)) return !absent;
  if (!rd_list_open(c, &to, &destination, true, &absent)) {
    if (!absent) return true;
    rd_coll_open(&to, c->store, &destination, NULL, from->row);
  }
  args.same = from->item == to.item;
  rd_pos p;
  rd_list_end(from, from_left, &p);
  if (rd_element_is_outside(p.at) && rd_element_len(c->store, p.at) > RD_LONG_BYTES / 4 && !rd_may_take_long(c))
    return true;
  size_t mark = c->out->len;
  rd_element_reply(c->out, c->store, p.at);
  if (!rd_call_may_remove(c, from->item)) return true;
  if (RD_UNLIKELY(c->store->giving != NULL)) { /* making room may have moved either */
    if (!rd_list_open(c, &to, &destination, true, &absent)) rd_coll_open(&to, c->store, &destination, NULL, from->row);
    rd_list_end(from, from_left, &p);
  }
  int64_t bytes = (int64_t)rd_element_len(c->store, p.at);
  if (args.same) bytes -= (int64_t)rd_list_pack_bytes(c->store, p.at); /* Redis removes it before */
  bool outgrows = rd_list_outgrows(&to, bytes, args.same ? 0 : 1);
  /* The source may neither be evicted nor moved to make room. */
  c->store->pin[1] = rd_ref_of(c->store, from->item);
  bool done = rd_list_change(c, &to, mark, push_copy, &args);
  c->store->pin[1] = 0;
  if (!done) return true;
  if (RD_UNLIKELY(outgrows)) rd_list_name_quicklist(&to);
  rd_key_event pushed = to_left ? RD_EVENT_LPUSH : RD_EVENT_RPUSH;
  if (args.same) {
    rd_notify(c->store, &destination, pushed);
    from = &to;
  } else {
    rd_coll_changed(&to, pushed);
  }
  rd_list_end(from, from_left, &p);
  if (args.same && from_left == to_left) from_left ? rd_coll_next(from, &p) : rd_coll_prev(from, &p); /* the copy */
  rd_coll_remove(from, &p);
  rd_list_shrunk(from);
  rd_coll_changed(from, from_left ? RD_EVENT_LPOP : RD_EVENT_RPOP);
  return true;
}

void rd_cmd_lmove(rd_call *c) {
  bool from_left, to_left;
  if (rd_list_side(c, c->argv[3], &from_left) && rd_list_side(c, c->argv[4], &to_left) &&
      !rd_list_move(c, from_left, to_left))
    rd_reply_null(c->out);
}

void rd_cmd_rpoplpush(rd_call *c) {
  if (!rd_list_move(c, false, true)) rd_reply_null(c->out);
}
