/* hash_expiry.c - the times at which fields of a hash expire, as in Valkey 9. */
#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/expire.h"
#include "commands/hash_fields.h"
#include "types/hash_time.h"

/* ---- HEXPIRE and its relatives ---- */

typedef struct new_time {
  int64_t when;
  unsigned conditions;
} new_time;

static rd_step set_time(rd_call *c, rd_coll *h, rd_element *field, void *arg) {
  const new_time *t = arg;
  rd_pos p;
  if (!rd_hash_find(h, field, &p)) {
    rd_reply_int(c->out, -2);
    return RD_STEP_NOTHING;
  }
  if (!rd_conditions_allow(t->conditions, rd_hash_time(p.at), t->when)) {
    rd_reply_int(c->out, 0);
    return RD_STEP_NOTHING;
  }
  if (rd_is_past(c, t->when))
    rd_hash_remove_at(h, &p);
  else if (rd_hash_set_time(h, &p, field, t->when) != RD_OK)
    return RD_STEP_FAILED;
  rd_reply_int(c->out, rd_is_past(c, t->when) ? 2 : 1);
  return RD_STEP_CHANGED;
}

static void expire_fields(rd_call *c, bool seconds, bool relative) {
  uint32_t at = rd_find_fields(c, 3);
  new_time t;
  rd_named f;
  rd_coll h;
  if (at == 0 || !rd_parse_conditions(c, 3, at, &t.conditions) || !rd_parse_fields(c, at, 1, rd_reply_numfields, &f))
    return;
  if (!rd_parse_field_time(c, c->argv[2], seconds, relative, &t.when) || !rd_open_hash(c, true, &h)) return;
  bool past = rd_is_past(c, t.when);
  if (past && !rd_may_drop_values(c, &h, f.first, f.count, 1)) return;
  rd_finish_fields(c, &h, rd_for_fields(c, &h, &f, !past, set_time, &t), past ? RD_EVENT_HEXPIRED : RD_EVENT_HEXPIRE);
}

void rd_cmd_hexpire(rd_call *c) { expire_fields(c, true, true); }
void rd_cmd_hpexpire(rd_call *c) { expire_fields(c, false, true); }
void rd_cmd_hexpireat(rd_call *c) { expire_fields(c, true, false); }
void rd_cmd_hpexpireat(rd_call *c) { expire_fields(c, false, false); }

static rd_step remove_time(rd_call *c, rd_coll *h, rd_element *field, void *arg) {
  (void)arg;
  rd_pos p;
  bool found = rd_hash_find(h, field, &p);
  if (!found || rd_hash_time(p.at) == RD_NO_EXPIRY) {
    rd_reply_int(c->out, found ? -1 : -2);
    return RD_STEP_NOTHING;
  }
  if (rd_hash_set_time(h, &p, field, RD_NO_EXPIRY) != RD_OK) return RD_STEP_FAILED;
  rd_reply_int(c->out, 1);
  return RD_STEP_CHANGED;
}

void rd_cmd_hpersist(rd_call *c) {
  rd_named f;
  rd_coll h;
  if (!rd_parse_only_fields(c, rd_reply_numfields, &f) || !rd_open_hash(c, true, &h)) return;
  rd_finish_fields(c, &h, rd_for_fields(c, &h, &f, true, remove_time, NULL), RD_EVENT_HPERSIST);
}

/* ---- HTTL and its relatives ---- */

/* Seconds are rounded to the nearest, as for keys. */
static void report_times(rd_call *c, bool seconds, bool relative) {
  rd_named f;
  rd_coll h;
  if (!rd_parse_only_fields(c, rd_reply_syntax_error, &f) || !rd_open_hash(c, false, &h)) return;
  rd_reply_array(c->out, f.count);
  for (uint32_t i = 0; i < f.count; i++) {
    rd_element field;
    rd_pos p;
    rd_element_of(&field, c->argv[f.first + i]);
    bool found = rd_hash_find(&h, &field, &p);
    int64_t when = found ? rd_hash_time(p.at) : RD_NO_EXPIRY;
    if (when == RD_NO_EXPIRY) {
      rd_reply_int(c->out, found ? -1 : -2);
    } else {
      if (relative) when -= (int64_t)c->store->now_ms;
      rd_reply_int(c->out, seconds ? when / 1000 + (when % 1000 >= 500) : when);
    }
    if ((i & 63) == 63) rd_yield(c->store);
  }
}

void rd_cmd_httl(rd_call *c) { report_times(c, true, true); }
void rd_cmd_hpttl(rd_call *c) { report_times(c, false, true); }
void rd_cmd_hexpiretime(rd_call *c) { report_times(c, true, false); }
void rd_cmd_hpexpiretime(rd_call *c) { report_times(c, false, false); }
