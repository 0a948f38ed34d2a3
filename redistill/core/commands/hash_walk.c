/* hash_walk.c - commands on all fields of a hash, and on random ones. */
#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/cursor.h"
#include "commands/hash.h"
#include "commands/sample.h"
#include "commands/value.h"

/* ---- all fields ---- */

enum { FIELDS = 1, VALUES = 2 };

static void reply_parts(rd_call *c, const uint8_t *entry, unsigned parts) {
  if (parts & FIELDS) rd_element_reply(c->out, c->store, rd_hash_field(entry));
  if (parts & VALUES) rd_element_reply(c->out, c->store, rd_hash_value(entry));
}

static void reply_all(rd_call *c, unsigned parts) {
  rd_coll h;
  if (!rd_open_hash(c, false, &h)) return;
  uint64_t count = rd_coll_count(&h), n = 0;
  if (!rd_may_walk(c, &h, count)) return;
  if (parts == (FIELDS | VALUES))
    rd_reply_map(c->out, (size_t)count);
  else
    rd_reply_array(c->out, (size_t)count);
  rd_pos p;
  for (bool more = rd_coll_first(&h, &p); more && !c->out->failed; more = rd_coll_next(&h, &p)) {
    reply_parts(c, p.at, parts);
    if ((++n & 63) == 0) rd_yield(c->store);
  }
}

void rd_cmd_hgetall(rd_call *c) { reply_all(c, FIELDS | VALUES); }
void rd_cmd_hkeys(rd_call *c) { reply_all(c, FIELDS); }
void rd_cmd_hvals(rd_call *c) { reply_all(c, VALUES); }

/* ---- HSCAN ----
 *
 * A large hash is ordered by the hashes of its fields, in runs of some dozens. The cursor is the lowest hash that the
 * next run can have, without the bits that rd_hash_order leaves out. A field's hash never changes, so whatever is
 * added, removed, split or joined meanwhile, a field that is there throughout is returned when the scan passes its
 * hash, or before. A call returns whole runs.
 *
 * A hash that Redis calls a listpack is returned whole, as by Redis. So is a packed one, from whatever cursor: it may
 * have been large when the cursor was made. */

typedef struct scan {
  rd_call *call;
  rd_scan_options options;
  size_t shown; /* elements in the reply */
  uint64_t seen, work;
} scan;

/* Reply with the fields of the run that begins at *p. False: that takes long. */
static bool scan_run(scan *s, rd_pos *p) {
  rd_call *c = s->call;
  for (; p->at < p->end && !c->out->failed; p->at = rd_hash_next(p->at, p->end)) {
    const uint8_t *field = rd_hash_field(p->at), *value = rd_hash_value(p->at);
    uint64_t len = rd_element_len(c->store, field);
    s->work += len * (s->options.match.all ? 1 : 4 * s->options.match.text.len); /* a pattern costs some more */
    if (!s->options.no_values) s->work += rd_element_len(c->store, value);
    s->seen++;
    if (!rd_may_read(c, s->work)) return false;
    if (rd_pattern_matches_element(c, &s->options.match, field)) {
      reply_parts(c, p->at, s->options.no_values ? FIELDS : FIELDS | VALUES);
      s->shown += s->options.no_values ? 1 : 2;
    }
    rd_yield(c->store);
  }
  return true;
}

void rd_cmd_hscan(rd_call *c) {
  rd_coll h;
  scan s = {.call = c};
  uint64_t cursor;
  if (!rd_parse_cursor(c, c->argv[2], &cursor) || !rd_open_hash(c, false, &h)) return;
  size_t start = c->out->len;
  if (h.item == NULL) {
    rd_reply_array(c->out, 0);
    rd_insert_cursor(c->out, start, 0);
    return;
  }
  if (!rd_parse_scan(c, 3, RD_SCAN_NOVALUES, &s.options)) return;
  if (rd_coll_name(&h) == RD_HASH_LISTPACK) {
    cursor = 0;
    s.options.count = UINT64_MAX;
  }
  uint64_t count = rd_coll_count(&h);
  if (count > RD_LONG_KEYS && s.options.count > RD_LONG_KEYS && !rd_may_read(c, RD_LONG_BYTES + 1)) return;
  uint64_t order = cursor << RD_HASH_SPARE_BITS;
  size_t mark = rd_reply_begin_array(c->out);
  rd_pos p;
  bool more = rd_coll_run(&h, order, &p);
  while (more) {
    if (!scan_run(&s, &p)) {
      c->out->len = start;
      return;
    }
    more = rd_coll_next_run(&h, &p, &order);
    if (s.seen >= s.options.count || c->out->failed) break;
    if (more) more = rd_coll_run(&h, order, &p);
  }
  rd_reply_end_array(c->out, mark, s.shown);
  rd_insert_cursor(c->out, start, more ? rd_hash_cursor(order) : 0);
}

/* ---- HRANDFIELD ---- */

typedef struct show {
  rd_call *call;
  bool values;
  size_t mark;
  uint64_t bytes;
} show;

static bool show_entry(void *arg, const uint8_t *entry) {
  show *s = arg;
  rd_reply *out = s->call->out;
  if (s->values && out->resp == 3) rd_reply_array(out, 2);
  if (!rd_reply_element(s->call, rd_hash_field(entry), &s->bytes, s->mark)) return false;
  if (s->values && !rd_reply_element(s->call, rd_hash_value(entry), &s->bytes, s->mark)) return false;
  return !out->failed;
}

static bool show_random(show *s, const rd_coll *h, uint64_t count) {
  rd_pos p;
  return rd_coll_at(h, rd_random_rank(s->call->store, count), &p) && show_entry(s, p.at);
}

void rd_cmd_hrandfield(rd_call *c) {
  rd_coll h;
  show s = {.call = c, .mark = c->out->len};
  int64_t wanted = 1;
  bool one = c->argc == 2;
  if ((!one && !rd_parse_sample(c, "withvalues", &wanted, &s.values)) || !rd_open_hash(c, false, &h)) return;
  if (h.item == NULL || wanted == 0) {
    if (one)
      rd_reply_null(c->out);
    else
      rd_reply_array(c->out, 0);
    return;
  }
  uint64_t count = rd_coll_count(&h), n = wanted < 0 ? -(uint64_t)wanted : (uint64_t)wanted;
  if (wanted > 0 && n > count) n = count;
  if (!rd_repeats_fit(c, n) || (n > RD_LONG_ELEMENTS && !rd_may_read(c, RD_LONG_BYTES + 1))) return;
  if (!one) rd_reply_array(c->out, (size_t)(s.values && c->out->resp == 2 ? 2 * n : n));
  if (wanted > 1) {
    if (!rd_sample(c, &h, count, n, show_entry, &s)) rd_reply_oom_instead(c->out, s.mark);
    return;
  }
  for (uint64_t i = 0; i < n && show_random(&s, &h, count); i++) {
    if ((i & 63) == 63) rd_yield(c->store);
  }
}
