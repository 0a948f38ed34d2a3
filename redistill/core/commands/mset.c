/* mset.c - MSET, MSETNX, MSETEX: all keys are set, or none. */
#include <stdlib.h>

#include "arena/longrun.h"
#include "command/keys.h"
#include "commands/cmd.h"
#include "commands/options.h"
#include "commands/value.h"

/* The pairs of a call: a key and its value, another key, and so on. */
typedef struct pairs {
  uint32_t first, count; /* argv[first] is the first key */
  int64_t expiry;        /* of all keys, for rd_set */
  bool expires;          /* the expiry is an argument */
} pairs;

static rd_key key_of(rd_call *c, const pairs *p, uint32_t i) {
  if ((i & 63) == 63) rd_yield(c->store);
  return rd_call_key(c, p->first + 2 * i);
}

/* Report what was set, now that it stays. */
static void notify(rd_call *c, const pairs *p, const rd_kept *kept) {
  for (uint32_t i = 0; c->store->listening != 0 && i < p->count; i++) {
    rd_key key = key_of(c, p, i);
    if (kept[i] == RD_KEPT_ABSENCE) rd_notify(c->store, &key, RD_EVENT_NEW);
    rd_notify(c->store, &key, RD_EVENT_SET);
    if (p->expires) rd_notify(c->store, &key, RD_EVENT_EXPIRE);
  }
}

/* Set all pairs, or none: false after an -OOM reply. */
static bool set_pairs(rd_call *c, const pairs *p) {
  rd_kept few[64], *kept = few;
  uint32_t done = 0;
  if (p->count > sizeof few / sizeof few[0] && !(kept = malloc(p->count * sizeof *kept))) {
    rd_reply_oom(c->out);
    return false;
  }
  rd_keep_begin(c->store);
  for (; done < p->count; done++) {
    rd_key key = key_of(c, p, done);
    rd_bytes value = c->argv[p->first + 2 * done + 1];
    if (rd_set_keeping(c->store, &key, value.data, value.len, p->expiry, &kept[done]) != RD_OK) break;
  }
  bool all = done == p->count;
  if (all) notify(c, p, kept);
  /* Backwards, so that for a key that was given twice the oldest value is restored last. */
  for (uint32_t i = done; i-- > 0;) {
    if (all && kept[i] != RD_KEPT_VALUE) continue;
    rd_key key = key_of(c, p, i);
    if (all)
      rd_forget_kept(c->store, &key, kept[i]);
    else
      rd_restore_kept(c->store, &key, kept[i]);
  }
  if (!all) rd_reply_oom(c->out);
  if (kept != few) free(kept);
  if (all) rd_note_changes(c->store, p->count);
  return all;
}

/* True if the condition, NX or XX, holds for all keys. */
static bool all_meet(rd_call *c, const pairs *p, rd_condition_kind condition) {
  for (uint32_t i = 0; condition != RD_ALWAYS && i < p->count; i++) {
    rd_key key = key_of(c, p, i);
    if ((rd_find_write(c->store, &key) != NULL) == (condition == RD_IF_ABSENT)) return false;
  }
  return true;
}

static bool check_lengths(rd_call *c, const pairs *p) {
  for (uint32_t i = 0; i < p->count; i++) {
    if (!rd_check_length(c, c->argv[p->first + 2 * i + 1].len)) return false;
  }
  return true;
}

/* ---- MSET, MSETNX ---- */

/* All arguments are pairs. False after an error reply. */
static bool find_pairs(rd_call *c, pairs *p) {
  if (c->argc % 2 == 0) {
    rd_reply_errorf(c->out, "ERR wrong number of arguments for '%s' command", c->command->name);
    return false;
  }
  *p = (pairs){.first = 1, .count = c->argc / 2, .expiry = RD_NO_EXPIRY};
  return check_lengths(c, p);
}

void rd_cmd_mset(rd_call *c) {
  pairs p;
  if (find_pairs(c, &p) && set_pairs(c, &p)) rd_reply_ok(c->out);
}

void rd_cmd_msetnx(rd_call *c) {
  pairs p;
  if (!find_pairs(c, &p)) return;
  if (!all_meet(c, &p, RD_IF_ABSENT))
    rd_reply_int(c->out, 0);
  else if (set_pairs(c, &p))
    rd_reply_int(c->out, 1);
}

/* ---- MSETEX ---- */

/* Find the pairs, which argv[1] counts. False after an error reply. */
static bool find_counted_pairs(rd_call *c, pairs *p) {
  int64_t n = 0;
  *p = (pairs){.first = 2};
  rd_numkeys found = rd_parse_numkeys(c->argv[1], c->argc, p->first, 2, &p->count);
  if (found == RD_NUMKEYS_OK) return true;
  if (found == RD_NUMKEYS_TOO_MANY && rd_parse_i64(c->argv[1], &n) && n <= INT32_MAX)
    rd_reply_syntax(c->out);
  else
    rd_reply_error(c->out, "ERR invalid numkeys value or out of range");
  return false;
}

void rd_cmd_msetex(rd_call *c) {
  pairs p;
  rd_set_options o;
  if (!find_counted_pairs(c, &p) || !rd_parse_set_options(c, p.first + 2 * p.count, false, &o) ||
      !rd_expiry_of_options(c, &o, &p.expiry) || !check_lengths(c, &p))
    return;
  p.expires = o.time != NULL;
  if (!all_meet(c, &p, o.condition.kind))
    rd_reply_int(c->out, 0);
  else if (set_pairs(c, &p))
    rd_reply_int(c->out, 1);
}
