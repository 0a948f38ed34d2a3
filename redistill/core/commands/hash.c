/* hash.c - commands on single fields of a hash. */
#include "commands/hash.h"

#include <math.h>

#include "arena/longrun.h"
#include "arena/worker.h"
#include "commands/cmd.h"
#include "commands/value.h"
#include "types/hash_time.h"

/* ---- what the commands share ---- */

enum { DROPS_AT_ONCE = 64 };

/* True if removing the fields that have expired takes long: they are many, or long. */
static bool are_much(const rd_coll *h, uint64_t expired) {
  if (expired > RD_LONG_ELEMENTS) return true;
  return rd_item_value_bytes(h->st, h->item) > RD_LONG_BYTES && rd_hash_expired_bytes(h) > RD_LONG_BYTES;
}

/* Remove the fields that have expired. False: they are so much that the command must be called again where it can
 * pause. */
static bool __attribute__((noinline)) drop_expired(rd_call *c, bool for_write, rd_coll *h) {
  uint64_t expired = rd_hash_count_expired(h);
  if (expired == 0) return true;
  if (are_much(h, expired) && !(for_write ? rd_may_take_long(c) : rd_may_read(c, RD_LONG_BYTES + 1))) return false;
  while (rd_hash_drop_expired(h, DROPS_AT_ONCE) == DROPS_AT_ONCE) rd_yield(c->store);
  rd_hash_expired(h, RD_EVENT_HEXPIRED);
  return true;
}

bool rd_open_hash(rd_call *c, bool for_write, rd_coll *h) {
  bool absent;
  rd_item *it = rd_call_value(c, &c->first_key, &rd_types[RD_HASH], for_write, &absent);
  if (it == NULL && !absent) return false;
  rd_coll_open(h, c->store, &c->first_key, it, &rd_types[RD_HASH]);
  return it == NULL || RD_LIKELY(!rd_item_is_timed(it)) || drop_expired(c, for_write, h);
}

bool rd_reply_element(rd_call *c, const uint8_t *at, uint64_t *bytes, size_t mark) {
  if (RD_UNLIKELY(*at == RD_ELEMENT_OUTSIDE)) {
    *bytes += rd_element_len(c->store, at);
    if (!rd_may_read(c, *bytes)) {
      c->out->len = mark;
      return false;
    }
  }
  rd_element_reply(c->out, c->store, at);
  return true;
}

bool rd_may_walk(rd_call *c, const rd_coll *h, uint64_t count) {
  uint64_t bytes = h->item != NULL ? rd_item_value_bytes(c->store, h->item) : 0;
  return rd_may_read(c, count > RD_LONG_KEYS ? RD_LONG_BYTES + 1 : bytes);
}

/* Set the field, which was looked for, and report `event`. False after an -OOM reply. */
static bool put_one(rd_call *c, rd_coll *h, rd_pos *p, bool found, rd_element *field, rd_element *value,
                    rd_key_event event) {
  for (int attempt = 0; attempt < RD_COLL_ATTEMPTS; attempt++) {
    if (rd_hash_put(h, p, found, field, value, found ? rd_hash_time(p->at) : RD_NO_EXPIRY) == RD_OK) {
      rd_coll_changed(h, event);
      return true;
    }
    if (!rd_coll_reserve(h)) break;
    found = rd_hash_find(h, field, p);
  }
  rd_reply_oom(c->out);
  return false;
}

bool rd_may_drop_values(rd_call *c, const rd_coll *h, uint32_t first, uint32_t count, uint32_t step) {
  if (h->item == NULL || RD_LIKELY(rd_item_value_bytes(c->store, h->item) <= RD_LONG_BYTES)) return true;
  for (uint32_t i = 0; i < count; i++) {
    rd_element field;
    rd_pos p;
    rd_element_of(&field, c->argv[first + i * step]);
    if (rd_hash_find(h, &field, &p) && rd_is_long_element(c->store, rd_hash_value(p.at))) return rd_may_take_long(c);
    if ((i & 63) == 63) rd_yield(c->store);
  }
  return true;
}

/* ---- setting ---- */

/* Set all pairs of the arguments; *added counts the new fields. RD_OOM: some may have been set, and there is no memory,
 * or the command must begin again. */
static rd_result put_pairs(rd_call *c, rd_coll *h, int64_t *added) {
  *added = 0;
  for (uint32_t i = 2; i < c->argc; i += 2) {
    rd_element field, value;
    rd_pos p;
    rd_element_of(&field, c->argv[i]);
    rd_element_of(&value, c->argv[i + 1]);
    bool found = rd_hash_find(h, &field, &p);
    if (found && rd_is_long_element(c->store, rd_hash_value(p.at)) && !rd_may_take_long(c)) return RD_OOM;
    if (rd_hash_put(h, &p, found, &field, &value, RD_NO_EXPIRY) != RD_OK) return RD_OOM;
    *added += !found;
    if ((i & 127) == 0) rd_yield(c->store);
  }
  return RD_OK;
}

/* Set all pairs, or none: false after an error reply, or when the command must begin again. */
static bool set_pairs(rd_call *c, int64_t *added) {
  rd_coll h;
  bool one = c->argc == 4; /* one change is whole by itself */
  if (!rd_open_hash(c, true, &h)) return false;
  for (int attempt = 0; attempt < RD_COLL_ATTEMPTS; attempt++) {
    if (!one && !rd_coll_begin(&h)) break;
    if (put_pairs(c, &h, added) == RD_OK) {
      if (!one) rd_coll_commit(&h);
      rd_hash_name_for(&h, c->argc / 2 - 1); /* Redis expects them to be different ones */
      rd_coll_changed(&h, RD_EVENT_HSET);
      rd_note_changes(c->store, c->argc / 2 - 1);
      return true;
    }
    if (!one) rd_coll_undo(&h);
    if (c->verdict == RD_LONG) return false;
    if (!rd_reserve_for_call(c, &h)) break;
  }
  rd_reply_oom(c->out);
  return false;
}

/* False after an error reply. */
static bool check_pairs(rd_call *c) {
  if (RD_UNLIKELY(c->argc % 2 != 0)) {
    rd_reply_errorf(c->out, "ERR wrong number of arguments for '%s' command", c->command->name);
    return false;
  }
  for (uint32_t i = 2; i < c->argc; i++) {
    if (!rd_check_length(c, c->argv[i].len)) return false;
  }
  return rd_may_take_arguments(c);
}

void rd_cmd_hset(rd_call *c) {
  int64_t added;
  if (check_pairs(c) && set_pairs(c, &added)) rd_reply_int(c->out, added);
}

void rd_cmd_hmset(rd_call *c) {
  int64_t added;
  if (check_pairs(c) && set_pairs(c, &added)) rd_reply_ok(c->out);
}

void rd_cmd_hsetnx(rd_call *c) {
  rd_coll h;
  rd_pos p;
  rd_element field, value;
  if (!rd_check_length(c, c->argv[2].len) || !rd_check_length(c, c->argv[3].len)) return;
  if (!rd_open_hash(c, true, &h)) return;
  rd_element_of(&field, c->argv[2]);
  rd_element_of(&value, c->argv[3]);
  if (rd_hash_find(&h, &field, &p))
    rd_reply_int(c->out, 0);
  else if (put_one(c, &h, &p, false, &field, &value, RD_EVENT_HSET))
    rd_reply_int(c->out, 1);
}

/* ---- numbers ---- */

void rd_cmd_hincrby(rd_call *c) {
  rd_coll h;
  rd_pos p;
  rd_element field, value;
  int64_t n = 0, delta;
  if (!rd_arg_integer(c, c->argv[3], &delta)) return;
  if (!rd_check_length(c, c->argv[2].len) || !rd_open_hash(c, true, &h)) return;
  rd_element_of(&field, c->argv[2]);
  bool found = rd_hash_find(&h, &field, &p);
  if (found && !rd_element_integer(rd_hash_value(p.at), &n)) {
    rd_reply_error(c->out, "ERR hash value is not an integer");
    return;
  }
  if (__builtin_add_overflow(n, delta, &n)) {
    rd_reply_error(c->out, "ERR increment or decrement would overflow");
    return;
  }
  char text[RD_I64_TEXT];
  rd_element_of(&value, (rd_bytes){(const uint8_t *)text, rd_format_i64(text, n)});
  if (put_one(c, &h, &p, found, &field, &value, RD_EVENT_HINCRBY)) rd_reply_int(c->out, n);
}

/* The number in an element. */
static bool parse_element(rd_store *st, const uint8_t *at, char text[RD_LONG_DOUBLE_TEXT], long double *n) {
  uint64_t len = rd_element_len(st, at);
  if (len >= RD_LONG_DOUBLE_TEXT) return false;
  rd_element_read(st, at, text);
  return rd_parse_long_double((rd_bytes){(const uint8_t *)text, (size_t)len}, n);
}

void rd_cmd_hincrbyfloat(rd_call *c) {
  rd_coll h;
  rd_pos p;
  rd_element field, value;
  char text[RD_LONG_DOUBLE_TEXT];
  long double sum = 0, delta;
  if (!rd_parse_long_double(c->argv[3], &delta)) {
    rd_reply_error(c->out, "ERR value is not a valid float");
    return;
  }
  if (!isfinite(delta)) {
    rd_reply_error(c->out, "ERR value is NaN or Infinity");
    return;
  }
  if (!rd_check_length(c, c->argv[2].len) || !rd_open_hash(c, true, &h)) return;
  rd_element_of(&field, c->argv[2]);
  bool found = rd_hash_find(&h, &field, &p);
  if (found && !parse_element(c->store, rd_hash_value(p.at), text, &sum)) {
    rd_reply_error(c->out, "ERR hash value is not a float");
    return;
  }
  sum += delta;
  size_t len = isfinite(sum) ? rd_format_long_double(text, sizeof text, sum) : 0;
  if (len == 0) {
    rd_reply_error(c->out, "ERR increment would produce NaN or Infinity");
    return;
  }
  if (!rd_reply_room(c->out, len + 32)) return; /* without room for the reply nothing is changed */
  rd_element_of(&value, (rd_bytes){(const uint8_t *)text, len});
  if (put_one(c, &h, &p, found, &field, &value, RD_EVENT_HINCRBYFLOAT)) rd_reply_bulk(c->out, text, len);
}

/* ---- getting ---- */

void rd_cmd_hget(rd_call *c) {
  rd_coll h;
  rd_pos p;
  rd_element field;
  uint64_t bytes = 0;
  if (!rd_open_hash(c, false, &h)) return;
  rd_element_of(&field, c->argv[2]);
  if (rd_hash_find(&h, &field, &p))
    rd_reply_element(c, rd_hash_value(p.at), &bytes, c->out->len);
  else
    rd_reply_null(c->out);
}

void rd_cmd_hmget(rd_call *c) {
  rd_coll h;
  uint64_t bytes = 0;
  if (!rd_may_take_arguments(c) || !rd_open_hash(c, false, &h)) return;
  size_t mark = c->out->len;
  rd_reply_array(c->out, c->argc - 2);
  for (uint32_t i = 2; i < c->argc && !c->out->failed; i++) {
    rd_pos p;
    rd_element field;
    rd_element_of(&field, c->argv[i]);
    if (!rd_hash_find(&h, &field, &p))
      rd_reply_null(c->out);
    else if (!rd_reply_element(c, rd_hash_value(p.at), &bytes, mark))
      return;
    if ((i & 63) == 0) rd_yield(c->store);
  }
}

void rd_cmd_hlen(rd_call *c) {
  rd_coll h;
  if (rd_open_hash(c, false, &h)) rd_reply_int(c->out, (int64_t)rd_coll_count(&h));
}

void rd_cmd_hstrlen(rd_call *c) {
  rd_coll h;
  rd_pos p;
  rd_element field;
  if (!rd_open_hash(c, false, &h)) return;
  rd_element_of(&field, c->argv[2]);
  rd_reply_int(c->out, rd_hash_find(&h, &field, &p) ? (int64_t)rd_element_len(c->store, rd_hash_value(p.at)) : 0);
}

void rd_cmd_hexists(rd_call *c) {
  rd_coll h;
  rd_pos p;
  rd_element field;
  if (!rd_open_hash(c, false, &h)) return;
  rd_element_of(&field, c->argv[2]);
  rd_reply_int(c->out, rd_hash_find(&h, &field, &p));
}

/* ---- deleting ---- */

void rd_cmd_hdel(rd_call *c) {
  rd_coll h;
  int64_t gone = 0;
  if (!rd_may_take_arguments(c) || !rd_open_hash(c, true, &h)) return;
  bool one = c->argc == 3; /* it is looked up once */
  if (!one && !rd_may_drop_values(c, &h, 2, c->argc - 2, 1)) return;
  for (uint32_t i = 2; i < c->argc && h.item != NULL; i++) {
    rd_element field;
    rd_element_of(&field, c->argv[i]);
    rd_pos p;
    if ((i & 63) == 0) rd_yield(c->store);
    if (!rd_hash_find(&h, &field, &p)) continue;
    if (one && rd_is_long_element(c->store, rd_hash_value(p.at)) && !rd_may_take_long(c)) return;
    rd_hash_remove_at(&h, &p);
    gone++;
  }
  if (gone > 0) {
    rd_coll_changed(&h, RD_EVENT_HDEL);
    rd_note_changes(c->store, (uint64_t)gone);
  }
  rd_reply_int(c->out, gone);
}
