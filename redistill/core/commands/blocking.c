/* blocking.c - BLPOP, BZPOPMIN and their relatives: the pops and moves of lists and sorted sets that wait. */
#include "commands/blocking.h"

#include <math.h>

#include "base/numbers.h"
#include "commands/cmd.h"
#include "commands/list.h"
#include "commands/zset.h"

bool rd_parse_timeout(rd_call *c, rd_bytes text, uint64_t *milliseconds) {
  long double seconds;
  if (!rd_parse_long_double(text, &seconds) || isnan(seconds)) {
    rd_reply_error(c->out, "ERR timeout is not a float or out of range");
    return false;
  }
  if (seconds < 0) {
    rd_reply_error(c->out, "ERR timeout is negative");
    return false;
  }
  long double ms = ceill(seconds * 1000);
  if (ms > (long double)(INT64_MAX - (int64_t)c->store->now_ms)) {
    rd_reply_error(c->out, "ERR timeout is out of range");
    return false;
  }
  *milliseconds = (uint64_t)ms;
  return true;
}

void rd_call_block(rd_call *c, const rd_waiting *w) {
  if (c->session != NULL) c->store->start_waiting(c, w);
}

rd_bytes rd_call_kept(const rd_call *c) {
  return c->session != NULL ? c->store->kept_by(c->session) : (rd_bytes){NULL, 0};
}

void rd_reply_in_vain(rd_reply *out, rd_vain in_vain, bool has_waited) {
  if (in_vain == RD_VAIN_ZEROS) rd_reply_array(out, 2);
  if (in_vain == RD_VAIN_ZEROS) rd_reply_int(out, 0);
  if (in_vain == RD_VAIN_ZEROS || in_vain == RD_VAIN_ZERO)
    rd_reply_int(out, 0);
  else if (in_vain == RD_VAIN_NULL && !has_waited)
    rd_reply_null(out);
  else
    rd_reply_null_array(out);
}

static const rd_bytes zero = {(const uint8_t *)"0", 1}, one = {(const uint8_t *)"1", 1};

/* BLPOP, BRPOP, BZPOPMIN, BZPOPMAX: key ... timeout */
static void pop(rd_call *c, rd_type type, bool from_end) {
  uint32_t keys = c->argc - 2;
  rd_waiting w = {.type = type, .first = 1, .keys = keys, .from_end = from_end, .argc = 3, .key_at = 1};
  if (!rd_parse_timeout(c, c->argv[c->argc - 1], &w.milliseconds)) return;
  if (keys > RD_LONG_KEYS && !rd_may_take_long(c)) return;
  if (type == RD_LIST ? rd_list_pop_first(c, 1, keys, !from_end, 0) : rd_zset_pop_first(c, 1, keys, from_end, 0))
    return;
  w.argv[0] = c->argv[0];
  w.argv[2] = zero;
  rd_call_block(c, &w);
}

void rd_cmd_blpop(rd_call *c) { pop(c, RD_LIST, false); }
void rd_cmd_brpop(rd_call *c) { pop(c, RD_LIST, true); }
void rd_cmd_bzpopmin(rd_call *c) { pop(c, RD_ZSET, false); }
void rd_cmd_bzpopmax(rd_call *c) { pop(c, RD_ZSET, true); }

/* BLMPOP, BZMPOP: timeout numkeys key ... where [COUNT count] */
static void mpop(rd_call *c, rd_type type) {
  rd_waiting w = {.type = type, .first = 3, .argc = c->argc, .key_at = 3};
  bool first;
  int64_t count;
  if (type == RD_LIST) {
    if (!rd_list_parse_mpop(c, 2, &w.keys, &first, &count)) return;
    w.from_end = !first;
  } else if (!rd_zset_parse_mpop(c, 2, &w.keys, &w.from_end, &count)) {
    return;
  }
  if (!rd_parse_timeout(c, c->argv[1], &w.milliseconds)) return; /* last, as in Redis */
  if (w.keys > RD_LONG_KEYS && !rd_may_take_long(c)) return;
  if (type == RD_LIST ? rd_list_pop_first(c, 3, w.keys, !w.from_end, (uint64_t)count)
                      : rd_zset_pop_first(c, 3, w.keys, w.from_end, (uint64_t)count))
    return;
  w.counts = count > 1;
  w.argc = 4;
  w.argv[0] = c->argv[0];
  w.argv[1] = zero;
  w.argv[2] = one;
  for (uint32_t i = 3 + w.keys; i < c->argc; i++) w.argv[w.argc++] = c->argv[i]; /* three at most */
  rd_call_block(c, &w);
}

void rd_cmd_blmpop(rd_call *c) { mpop(c, RD_LIST); }
void rd_cmd_bzmpop(rd_call *c) { mpop(c, RD_ZSET); }

/* BLMOVE and BRPOPLPUSH, whose timeout is argv[at] */
static void move(rd_call *c, uint32_t at, bool from_left, bool to_left) {
  rd_waiting w = {
      .type = RD_LIST, .first = 1, .keys = 1, .in_vain = RD_VAIN_NULL, .moves = true, .argc = c->argc, .key_at = 1};
  if (!rd_parse_timeout(c, c->argv[at], &w.milliseconds) || rd_list_move(c, from_left, to_left)) return;
  for (uint32_t i = 0; i < c->argc; i++) w.argv[i] = c->argv[i];
  w.argv[at] = zero;
  rd_call_block(c, &w);
}

void rd_cmd_blmove(rd_call *c) {
  bool from_left, to_left;
  if (rd_list_side(c, c->argv[3], &from_left) && rd_list_side(c, c->argv[4], &to_left)) move(c, 5, from_left, to_left);
}

void rd_cmd_brpoplpush(rd_call *c) { move(c, 3, false, true); }
