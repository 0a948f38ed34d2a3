/* list_range.c - commands on positions of lists: LLEN, LINDEX, LRANGE, LSET, LTRIM. */
#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/list.h"
#include "commands/value.h"

void rd_cmd_llen(rd_call *c) {
  bool absent;
  rd_coll l;
  rd_key key = rd_call_key(c, 1);
  if (rd_list_open(c, &l, &key, false, &absent))
    rd_reply_int(c->out, (int64_t)rd_list_length(&l));
  else if (absent)
    rd_reply_int(c->out, 0);
}

/* Find the element at an index, which counts from the end if it is negative. */
static bool at_index(const rd_coll *l, int64_t index, rd_pos *p) {
  if (index >= 0) return rd_coll_at(l, (uint64_t)index, p);
  uint64_t count = rd_list_length(l), back = (uint64_t) - (index + 1);
  return back < count && rd_coll_at(l, count - 1 - back, p);
}

void rd_cmd_lindex(rd_call *c) {
  bool absent;
  rd_coll l;
  int64_t index;
  rd_key key = rd_call_key(c, 1);
  if (!rd_list_open(c, &l, &key, false, &absent)) {
    if (absent) rd_reply_null(c->out);
    return;
  }
  if (!rd_arg_integer(c, c->argv[2], &index)) return;
  rd_pos p;
  if (!at_index(&l, index, &p))
    rd_reply_null(c->out);
  else if (RD_LIKELY(!rd_element_is_outside(p.at)) || rd_may_read(c, rd_element_len(c->store, p.at)))
    rd_element_reply(c->out, c->store, p.at);
}

/* The elements from `first` on that two indexes select; both count from the end if they are negative. */
static uint64_t selected(uint64_t count, int64_t start, int64_t stop, uint64_t *first) {
  int64_t n = (int64_t)count;
  if (start < 0) start = start + n < 0 ? 0 : start + n;
  if (stop < 0) stop += n;
  if (stop >= n) stop = n - 1;
  *first = (uint64_t)start;
  return start > stop ? 0 : (uint64_t)(stop - start) + 1;
}

void rd_cmd_lrange(rd_call *c) {
  int64_t start, stop;
  if (!rd_arg_integer(c, c->argv[2], &start) || !rd_arg_integer(c, c->argv[3], &stop)) return;
  bool absent;
  rd_coll l;
  rd_key key = rd_call_key(c, 1);
  if (!rd_list_open(c, &l, &key, false, &absent)) {
    if (absent) rd_reply_array(c->out, 0);
    return;
  }
  uint64_t first, n = selected(rd_list_length(&l), start, stop, &first);
  if (rd_list_is_long(&l, first, n) && !rd_may_read(c, UINT64_MAX)) return;
  rd_reply_array(c->out, n);
  rd_pos p;
  if (n != 0) rd_coll_at(&l, first, &p);
  for (uint64_t i = 0; i < n && !c->out->failed; i++) {
    if (i != 0) rd_list_next(&l, &p);
    rd_element_reply(c->out, c->store, p.at);
    if ((i & 255) == 255) rd_yield(c->store);
  }
}

/* ---- LSET ---- */

typedef struct set_args {
  int64_t index;
  rd_element element;
} set_args;

static rd_result set(rd_coll *l, void *arg) {
  set_args *a = arg;
  rd_pos p;
  return at_index(l, a->index, &p) ? rd_list_replace(l, &p, &a->element) : RD_OOM;
}

void rd_cmd_lset(rd_call *c) {
  rd_bytes text = c->argv[3];
  if (!rd_check_length(c, text.len) || (text.len > RD_LONG_BYTES && !rd_may_take_long(c))) return;
  bool absent;
  rd_coll l;
  rd_key key = rd_call_key(c, 1);
  if (!rd_list_open(c, &l, &key, true, &absent)) {
    if (absent) rd_reply_error(c->out, "ERR no such key");
    return;
  }
  set_args args;
  if (!rd_arg_integer(c, c->argv[2], &args.index)) return;
  rd_element_of(&args.element, text);
  bool outgrows = rd_list_outgrows(&l, (int64_t)text.len, 1);
  rd_pos p;
  bool exists = at_index(&l, args.index, &p);
  if (exists && rd_is_long_element(c->store, p.at) && !rd_may_take_long(c)) return;
  if (exists && !rd_list_change(c, &l, c->out->len, set, &args)) return;
  if (outgrows) rd_list_name_quicklist(&l); /* as in Redis, also without an element at the index */
  if (exists) {
    rd_reply_ok(c->out);
    rd_list_shrunk(&l);
    rd_coll_changed(&l, RD_EVENT_LSET);
  } else {
    rd_reply_error(c->out, "ERR index out of range");
  }
}

/* ---- LTRIM ---- */

void rd_cmd_ltrim(rd_call *c) {
  int64_t start, stop;
  if (!rd_arg_integer(c, c->argv[2], &start) || !rd_arg_integer(c, c->argv[3], &stop)) return;
  bool absent;
  rd_coll l;
  rd_key key = rd_call_key(c, 1);
  if (!rd_list_open(c, &l, &key, true, &absent)) {
    if (absent) rd_reply_ok(c->out);
    return;
  }
  uint64_t count = rd_list_length(&l), first, left = selected(count, start, stop, &first);
  uint64_t removed = count - left;
  if (left != 0 && (rd_list_is_long(&l, 0, first) || rd_list_is_long(&l, first + left, count - first - left)) &&
      !rd_may_take_long(c))
    return;
  rd_reply_ok(c->out);
  if (removed > 1) rd_note_changes(c->store, removed);
  if (left != 0) rd_coll_remove_range(&l, first + left, count - first - left, NULL, NULL);
  rd_list_cut(&l, 0, left != 0 ? first : count, left != 0 ? first + left : count, RD_EVENT_LTRIM);
  if (removed == 0) c->store->touched = 0; /* as in Redis: watchers are told, but no change is counted */
}
