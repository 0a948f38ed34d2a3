/* zset_store.c - ZRANGESTORE. */
#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/value.h"
#include "commands/zset_ranges.h"

/* Put `n` members of a sorted set, from `rank` on, into one that is built aside. False: no memory. */
static bool put_members(const rd_coll *from, uint64_t rank, uint64_t n, rd_coll *to) {
  rd_pos p;
  unsigned failures = 0;
  for (bool more = n > 0 && rd_coll_at(from, rank, &p); more;) {
    rd_element member;
    rd_element_like(&member, from->st, rd_zset_member(p.at));
    if (rd_zset_put(to, &member, rd_zset_score(p.at)) != RD_OK) {
      if (++failures == RD_COLL_ATTEMPTS || !rd_reserve_beside(from, to)) return false;
      more = rd_coll_at(from, rank, &p); /* it may have been moved */
      continue;
    }
    failures = 0;
    rank++;
    more = --n > 0 && rd_coll_next(from, &p);
    if ((n & 63) == 0) rd_yield_whole(from->st);
  }
  return true;
}

void rd_cmd_zrangestore(rd_call *c) {
  rd_range_options o = {.by = RD_BY_RANK, .store = true};
  rd_range range;
  rd_coll from, to;
  rd_key key = rd_call_key(c, 1);
  uint64_t rank = 0, n = 0;
  if (!rd_parse_range_command(c, 3, &o, &range) || !rd_open_zset(c, 2, false, &from)) return;
  if (from.item != NULL) rd_find_members(&from, &range, &o, &rank, &n);
  if (!rd_may_read_members(c, n)) return;
  if (o.down && n > 0) rank -= n - 1;
  rd_coll_build(&to, c->store, &key, &rd_types[RD_ZSET]);
  bool done = put_members(&from, rank, n, &to);
  if (!done) rd_coll_abandon(&to);
  if (done && rd_coll_finish(&to, RD_NO_EXPIRY, RD_EVENT_ZRANGESTORE))
    rd_reply_int(c->out, (int64_t)n);
  else
    rd_reply_oom(c->out);
}
