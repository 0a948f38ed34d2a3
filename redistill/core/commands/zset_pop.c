/* zset_pop.c - commands that remove and return the lowest or the highest members: ZPOPMIN, ZPOPMAX, ZMPOP. */
#include "arena/longrun.h"
#include "command/keys.h"
#include "commands/cmd.h"
#include "commands/zset.h"

/* Reply with up to `count` members, which exist, and remove them. `pairs`: each is an array with its score. `named`:
 * the reply begins with the key, argv[i]. Members that cannot be sent are not removed. */
static void pop(rd_call *c, rd_coll *z, uint32_t i, bool max, uint64_t count, bool pairs, bool named) {
  uint64_t all = rd_coll_count(z), n = count < all ? count : all;
  if (n > RD_LONG_ELEMENTS && !rd_may_take_long(c)) return;
  rd_members m = rd_members_of(c, true);
  m.pairs = pairs;
  m.writes = true;
  if (named) {
    rd_reply_array(c->out, 2);
    rd_reply_bulk(c->out, c->argv[i].data, c->argv[i].len);
  }
  rd_members_head(&m, n);
  rd_pos p;
  max ? rd_coll_last(z, &p) : rd_coll_first(z, &p);
  if (!rd_members_walk(&m, z, &p, n, max) || !rd_call_may_remove(c, z->item)) return;
  rd_zset_remove_range(z, max ? all - n : 0, n);
  rd_coll_changed(z, max ? RD_EVENT_ZPOPMAX : RD_EVENT_ZPOPMIN);
  rd_note_changes(c->store, n);
}

/* ZPOPMIN and ZPOPMAX: in RESP3 they reply with pairs, unless one member without an array is what was asked for. */
static void pop_one_key(rd_call *c, bool max) {
  int64_t count = 1;
  if (c->argc > 3) {
    rd_reply_syntax(c->out);
    return;
  }
  if (c->argc == 3 && (!rd_parse_i64(c->argv[2], &count) || count < 0)) {
    rd_reply_error(c->out, "ERR value is out of range, must be positive");
    return;
  }
  rd_coll z;
  if (!rd_open_zset(c, 1, true, &z)) return;
  if (z.item == NULL || count == 0)
    rd_reply_array(c->out, 0);
  else
    pop(c, &z, 1, max, (uint64_t)count, c->out->resp == 3 && c->argc == 3, false);
}

void rd_cmd_zpopmin(rd_call *c) { pop_one_key(c, false); }
void rd_cmd_zpopmax(rd_call *c) { pop_one_key(c, true); }

/* ---- ZMPOP ---- */

bool rd_zset_parse_mpop(rd_call *c, uint32_t at, uint32_t *keys, bool *max, int64_t *count) {
  rd_numkeys found = rd_parse_numkeys(c->argv[at], c->argc, at + 1, 1, keys);
  if (found == RD_NUMKEYS_NO_NUMBER || found == RD_NUMKEYS_NOT_POSITIVE) {
    rd_reply_error(c->out, "ERR numkeys should be greater than 0");
    return false;
  }
  if (found == RD_NUMKEYS_TOO_MANY) {
    rd_reply_syntax(c->out);
    return false;
  }
  bool counted = false;
  at += 1 + *keys;
  *count = 1;
  *max = at < c->argc && rd_arg_is(c->argv[at], "max");
  if (at >= c->argc || (!*max && !rd_arg_is(c->argv[at], "min"))) {
    rd_reply_syntax(c->out);
    return false;
  }
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

/* Pop one member of an open sorted set: its key, itself and its score. */
static void pop_flat(rd_call *c, rd_coll *z, uint32_t i, bool max) {
  rd_pos p;
  max ? rd_coll_last(z, &p) : rd_coll_first(z, &p);
  const uint8_t *member = rd_zset_member(p.at);
  if (rd_element_is_outside(member) && rd_element_len(c->store, member) > RD_LONG_BYTES && !rd_may_take_long(c)) return;
  rd_reply_array(c->out, 3);
  rd_reply_bulk(c->out, c->argv[i].data, c->argv[i].len);
  rd_element_reply(c->out, c->store, member);
  rd_reply_double(c->out, rd_zset_score(p.at));
  if (!rd_call_may_remove(c, z->item)) return;
  rd_zset_remove_range(z, max ? rd_coll_count(z) - 1 : 0, 1);
  rd_coll_changed(z, max ? RD_EVENT_ZPOPMAX : RD_EVENT_ZPOPMIN);
}

bool rd_zset_pop_first(rd_call *c, uint32_t first, uint32_t keys, bool max, uint64_t count) {
  for (uint32_t i = first; i < first + keys; i++) {
    rd_coll z;
    if (!rd_open_zset(c, i, true, &z)) return true;
    if (z.item != NULL) {
      count == 0 ? pop_flat(c, &z, i, max) : pop(c, &z, i, max, count, true, true);
      return true;
    }
    if ((i & 63) == 0) rd_yield(c->store);
  }
  return false;
}

void rd_cmd_zmpop(rd_call *c) {
  uint32_t keys;
  int64_t count;
  bool max;
  if (!rd_zset_parse_mpop(c, 1, &keys, &max, &count)) return;
  if (keys > RD_LONG_KEYS && !rd_may_take_long(c)) return;
  if (!rd_zset_pop_first(c, 2, keys, max, (uint64_t)count)) rd_reply_null_array(c->out);
}
