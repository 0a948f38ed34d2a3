/* stream_claim.c - XCLAIM and XAUTOCLAIM, which give pending entries to another consumer. */
#include <stdio.h>

#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/stream.h"
#include "commands/value.h"
#include "types/stream_group.h"

enum { FEW = 64 }; /* entries that are claimed without a pause */

typedef struct claim {
  rd_call *call;
  rd_bytes consumer;
  uint32_t group;
  int64_t idle;  /* the least idle time */
  int64_t time;  /* of the delivery */
  int64_t times; /* deliveries; -1: one more */
  bool force, ids_only;
  /* of XCLAIM */
  uint32_t ids_end; /* the ids are argv[5] up to this one */
  bool has_last;
  rd_stream_id last;
  /* of XAUTOCLAIM */
  rd_stream_id start;
  uint64_t count;
  /* while it runs */
  uint32_t number; /* of the consumer */
  bool created;
  rd_entries entries;
  uint64_t claimed, changes;
} claim;

/* ---- options ---- */

/* Parse the idle time at argv[4]. */
static bool parse_idle(claim *x, const char *name) {
  rd_call *c = x->call;
  if (!rd_parse_i64(c->argv[4], &x->idle)) {
    rd_reply_errorf(c->out, "ERR Invalid min-idle-time argument for %s", name);
    return false;
  }
  if (x->idle < 0) x->idle = 0;
  return true;
}

static bool parse_number(claim *x, uint32_t i, const char *name, int64_t *n) {
  if (rd_parse_i64(x->call->argv[i], n)) return true;
  rd_reply_errorf(x->call->out, "ERR Invalid %s option argument for XCLAIM", name);
  return false;
}

/* Parse the options behind the ids. False after an error reply. */
static bool parse_claim(claim *x, uint32_t from) {
  rd_call *c = x->call;
  int64_t now = (int64_t)c->store->now_ms, n;
  bool timed = false;
  for (uint32_t i = from; i < c->argc; i++) {
    bool more = i + 1 < c->argc;
    rd_bytes word = c->argv[i];
    if (i % 64 == 63) rd_yield(c->store);
    if (rd_arg_is(word, "force")) {
      x->force = true;
    } else if (rd_arg_is(word, "justid")) {
      x->ids_only = true;
    } else if (more && rd_arg_is(word, "idle")) {
      if (!parse_number(x, ++i, "IDLE", &n)) return false;
      timed = !__builtin_sub_overflow(now, n, &x->time);
    } else if (more && rd_arg_is(word, "time")) {
      if (!parse_number(x, ++i, "TIME", &x->time)) return false;
      timed = true;
    } else if (more && rd_arg_is(word, "retrycount")) {
      if (!parse_number(x, ++i, "RETRYCOUNT", &x->times)) return false;
    } else if (more && rd_arg_is(word, "lastid")) {
      if (!rd_parse_id(c, c->argv[++i], 0, NULL, &x->last)) return false;
      x->has_last = true;
    } else {
      rd_reply_errorf(c->out, "ERR Unrecognized XCLAIM option '%.*s'", (int)(word.len < 128 ? word.len : 128),
                      (const char *)word.data);
      return false;
    }
  }
  if (!timed || x->time < 0 || x->time > now) x->time = now;
  return true;
}

static bool parse_autoclaim(claim *x) {
  rd_call *c = x->call;
  int64_t count = 100;
  if (!parse_idle(x, "XAUTOCLAIM") || !rd_parse_bound(c, c->argv[5], false, &x->start)) return false;
  for (uint32_t i = 6; i < c->argc; i++) {
    if (i + 1 < c->argc && rd_arg_is(c->argv[i], "count")) {
      if (!rd_parse_i64(c->argv[++i], &count) || count < 1 || count > INT64_MAX / 16) {
        rd_reply_error(c->out, "ERR COUNT must be > 0");
        return false;
      }
    } else if (rd_arg_is(c->argv[i], "justid")) {
      x->ids_only = true;
    } else {
      rd_reply_syntax(c->out);
      return false;
    }
  }
  x->count = (uint64_t)count;
  return true;
}

/* ---- claiming ---- */

/* Give the pending entry, or one that is not pending, to the consumer, and reply with it. */
static rd_result give(claim *x, rd_stream *s, const rd_pending *e, bool pending, const rd_stream_pos *at) {
  uint64_t times = pending ? e->count : 1;
  rd_stream_id id = at->spot.id;
  if (x->times >= 0)
    times = (uint64_t)x->times;
  else if (!x->ids_only)
    times++;
  if (rd_pending_put(s, x->group, id, x->number, x->time, times) != RD_OK) return RD_OOM;
  x->claimed++;
  x->changes++;
  if (x->ids_only)
    rd_reply_id(x->call->out, id);
  else
    rd_entries_add(&x->entries, at);
  return RD_OK;
}

/* Claim one entry. *deleted: it was pending, but not in the stream any more, and is neither now. */
static rd_result claim_one(claim *x, rd_stream *s, rd_stream_id id, bool *deleted) {
  rd_pending e;
  rd_stream_pos at;
  bool pending = rd_pending_find(s, x->group, id, &e);
  bool exists = rd_stream_lower(s, id, &at) && rd_id_compare(at.spot.id, id) == 0;
  *deleted = pending && !exists;
  if (*deleted) {
    rd_pending_remove(s, x->group, id);
    x->changes++;
  }
  if (!exists || (!pending && !x->force)) return RD_OK;
  if (pending && x->idle > 0 && rd_since((int64_t)x->call->store->now_ms, e.time) < x->idle) return RD_OK;
  return give(x, s, &e, pending, &at);
}

/* Find or make the consumer. */
static rd_result begin(claim *x, rd_stream *s) {
  rd_consumer k;
  if (rd_find_consumer(s, x->group, x->consumer, &k, &x->created) != RD_OK) return RD_OOM;
  x->number = k.number;
  k.seen = (int64_t)x->call->store->now_ms;
  rd_consumer_save(s, &k);
  x->entries = rd_entries_of(x->call);
  x->entries.writes = true;
  x->claimed = x->changes = 0;
  return RD_OK;
}

static void end(claim *x, rd_stream *s) {
  rd_consumer k;
  if (x->claimed == 0 || !rd_consumer_find(s, x->group, x->consumer, &k)) return;
  k.active = (int64_t)x->call->store->now_ms;
  rd_consumer_save(s, &k);
}

static rd_result claim_all(rd_stream *s, void *arg) {
  claim *x = arg;
  rd_call *c = x->call;
  rd_stream_id id;
  bool deleted;
  rd_group g;
  if (begin(x, s) != RD_OK) return RD_OOM;
  if (x->has_last && rd_group_find(s, c->argv[2], &g) && rd_id_compare(x->last, g.last) > 0) {
    g.last = x->last;
    rd_group_save(s, c->argv[2], &g);
    x->changes++;
  }
  size_t array = rd_reply_begin_array(c->out);
  for (uint32_t i = 5; i < x->ids_end; i++) {
    if (!rd_parse_id(c, c->argv[i], 0, NULL, &id) || claim_one(x, s, id, &deleted) != RD_OK) return RD_OOM;
    if (i % 16 == 0) rd_yield(c->store);
  }
  rd_reply_end_array(c->out, array, (size_t)x->claimed);
  end(x, s);
  return RD_OK;
}

/* True if the command may claim so many entries; else it must return. */
static bool may_claim(const claim *x, const rd_stream *s, uint64_t entries) {
  bool large = !x->ids_only && rd_item_value_bytes(s->c.st, s->c.item) > RD_LONG_BYTES;
  return (entries <= FEW && !large) || rd_may_take_long(x->call);
}

static void note_claim(claim *x, const rd_stream *s) {
  if (x->created) rd_note_group(x->call, s, RD_EVENT_XGROUP_CREATECONSUMER);
  rd_note_changes(x->call->store, x->changes);
}

void rd_cmd_xclaim(rd_call *c) {
  claim x = {.call = c, .consumer = c->argv[3], .times = -1, .ids_end = 5};
  rd_stream s;
  rd_group g;
  if (c->argc > RD_LONG_ELEMENTS && !rd_may_take_long(c)) return;
  if (!rd_check_length(c, x.consumer.len) || !rd_open_group(c, &s, &g) || !parse_idle(&x, "XCLAIM")) return;
  x.group = g.number;
  for (; x.ids_end < c->argc && rd_id_is(c->argv[x.ids_end]); x.ids_end++) {
    if (x.ids_end % 64 == 63) rd_yield(c->store);
  }
  if (!parse_claim(&x, x.ids_end) || !may_claim(&x, &s, x.ids_end - 5)) return;
  if (rd_stream_change(c, &s, claim_all, &x)) note_claim(&x, &s);
}

/* ---- XAUTOCLAIM ---- */

/* Put the id before all that was appended since r->len was `mark`. */
static void insert_id(rd_reply *r, size_t mark, rd_stream_id id) {
  char text[RD_ID_TEXT], bulk[RD_ID_TEXT + 16];
  size_t len = rd_format_id(text, id);
  size_t n = (size_t)snprintf(bulk, sizeof bulk, "$%zu\r\n%.*s\r\n", len, (int)len, text);
  if (rd_reply_room(r, n) == NULL) return;
  rd_reply_shift(r, mark, n);
  memcpy(r->data + mark, bulk, n);
}

/* Append the ids of entries that were deleted. */
static void append_gone(rd_call *c, const rd_reply *gone, uint64_t n) {
  enum { PIECE = 256 << 10 };
  if (gone->failed) c->out->failed = true;
  rd_reply_array(c->out, (size_t)n);
  for (size_t at = 0; at < gone->len && !c->out->failed; at += PIECE) {
    size_t left = gone->len - at;
    rd_reply_raw(c->out, gone->data + at, left < PIECE ? left : PIECE);
    rd_yield(c->store);
  }
}

/* Claim entries from x->start on, which is the first one that was not looked at afterwards, or 0-0. */
static rd_result walk(claim *x, rd_stream *s, rd_reply *gone, uint64_t *n_gone) {
  rd_pending e;
  rd_stream_id at = x->start;
  uint64_t left = x->count, attempts = x->count * 10;
  bool deleted;
  for (; attempts > 0 && left > 0 && rd_pending_lower(s, x->group, at, &e); attempts--) {
    uint64_t before = x->claimed;
    at = e.id;
    if (claim_one(x, s, at, &deleted) != RD_OK) return RD_OOM;
    if (deleted) {
      rd_reply_id(gone, at);
      ++*n_gone;
    }
    left -= deleted || x->claimed != before;
    if (!rd_id_up(&at)) break;
    if (attempts % 16 == 0) rd_yield(x->call->store);
  }
  x->start = rd_pending_lower(s, x->group, at, &e) ? e.id : (rd_stream_id){0, 0};
  return RD_OK;
}

static rd_result autoclaim_all(rd_stream *s, void *arg) {
  claim *x = arg;
  rd_reply *out = x->call->out, gone;
  uint64_t n_gone = 0;
  rd_stream_id start = x->start;
  if (begin(x, s) != RD_OK) return RD_OOM;
  rd_reply_init(&gone);
  gone.limit = out->limit;
  rd_reply_array(out, 3);
  size_t mark = out->len, array = rd_reply_begin_array(out);
  rd_result done = walk(x, s, &gone, &n_gone);
  if (done == RD_OK) {
    rd_reply_end_array(out, array, (size_t)x->claimed);
    insert_id(out, mark, x->start);
    append_gone(x->call, &gone, n_gone);
    end(x, s);
  }
  x->start = start;
  rd_reply_free(&gone);
  return done;
}

void rd_cmd_xautoclaim(rd_call *c) {
  claim x = {.call = c, .consumer = c->argv[3], .times = -1, .time = (int64_t)c->store->now_ms};
  rd_stream s;
  rd_group g;
  if (!rd_check_length(c, x.consumer.len) || !parse_autoclaim(&x)) return;
  if (!rd_open_group(c, &s, &g) || !may_claim(&x, &s, x.count)) return;
  x.group = g.number;
  if (rd_stream_change(c, &s, autoclaim_all, &x)) note_claim(&x, &s);
}
