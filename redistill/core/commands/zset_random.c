/* zset_random.c - ZRANDMEMBER. */
#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/sample.h"
#include "commands/value.h"
#include "commands/zset.h"

typedef struct shown {
  rd_members m;
  bool cut; /* the reply was cut off: the command must return */
} shown;

static bool show(void *arg, const uint8_t *entry) {
  shown *s = arg;
  s->cut = !rd_members_add(&s->m, entry);
  return !s->cut && !s->m.call->out->failed;
}

static bool show_random(shown *s, const rd_coll *z, uint64_t all) {
  rd_pos p;
  return rd_coll_at(z, rd_random_rank(s->m.call->store, all), &p) && show(s, p.at);
}

void rd_cmd_zrandmember(rd_call *c) {
  int64_t count = 1;
  bool scores = false;
  if (c->argc > 2 && !rd_parse_sample(c, "withscores", &count, &scores)) return;
  rd_coll z;
  if (!rd_open_zset(c, 1, false, &z)) return;
  shown s = {.m = rd_members_of(c, scores)};
  uint64_t all = rd_coll_count(&z);
  if (c->argc == 2) {
    if (all == 0)
      rd_reply_null(c->out);
    else
      show_random(&s, &z, all);
    return;
  }
  bool repeated = count < 0;
  uint64_t n = repeated ? 0 - (uint64_t)count : (uint64_t)count;
  if (all == 0 || (!repeated && n > all)) n = all;
  if (!rd_repeats_fit(c, n) || !rd_may_read(c, n > RD_LONG_ELEMENTS ? RD_LONG_BYTES + 1 : 0)) return;
  rd_members_head(&s.m, n);
  if (repeated) {
    while (n > 0 && show_random(&s, &z, all)) n--;
  } else if (n == all) {
    rd_pos p;
    rd_coll_last(&z, &p);
    rd_members_walk(&s.m, &z, &p, n, true); /* all of them: downwards, as Redis */
  } else if (!rd_sample(c, &z, all, n, show, &s)) {
    c->out->len = s.m.mark;
    rd_reply_oom(c->out);
  }
}
