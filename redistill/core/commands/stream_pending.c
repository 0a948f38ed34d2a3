/* stream_pending.c - XPENDING. */
#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/stream.h"
#include "commands/value.h"
#include "types/stream_group.h"

static int64_t idle_of(const rd_call *c, const rd_pending *e) { return rd_since((int64_t)c->store->now_ms, e->time); }

typedef struct pending_options {
  int64_t idle, count;
  rd_stream_id low, high;
  const rd_bytes *consumer; /* NULL: any */
} pending_options;

static bool parse_pending(rd_call *c, pending_options *o) {
  uint32_t at = 3;
  *o = (pending_options){.idle = 0};
  if (c->argc < 6 || c->argc > 9) {
    rd_reply_syntax(c->out);
    return false;
  }
  if (rd_arg_is(c->argv[3], "idle")) {
    if (!rd_arg_integer(c, c->argv[4], &o->idle)) return false;
    at = 5;
    if (c->argc < 8) {
      rd_reply_syntax(c->out);
      return false;
    }
  }
  if (!rd_arg_integer(c, c->argv[at + 2], &o->count)) return false;
  if (o->count < 0) o->count = 0;
  if (!rd_parse_bound(c, c->argv[at], false, &o->low) || !rd_parse_bound(c, c->argv[at + 1], true, &o->high))
    return false;
  if (at + 3 < c->argc) o->consumer = &c->argv[at + 3];
  return true;
}

static void show_summary(rd_call *c, const rd_stream *s, const rd_group *g) {
  rd_pending e;
  rd_consumer k;
  uint64_t total = rd_pending_count(s, g->number), n = 0;
  rd_coll second = rd_coll_second(&s->c);
  rd_reply_array(c->out, 4);
  rd_reply_int(c->out, (int64_t)total);
  if (total == 0) {
    rd_reply_null(c->out);
    rd_reply_null(c->out);
    rd_reply_null_array(c->out);
    return;
  }
  rd_pending_lower(s, g->number, (rd_stream_id){0, 0}, &e);
  rd_reply_id(c->out, e.id);
  rd_coll_at(&second, rd_coll_rank(&second, &e.p) + total - 1, &e.p);
  rd_reply_id(c->out, rd_id_at(e.p.at + 5));
  size_t array = rd_reply_begin_array(c->out);
  bool more = rd_consumer_first(s, g->number, &k);
  for (; more && !c->out->failed; more = rd_consumer_next(s, g->number, &k)) {
    uint64_t owned = rd_owned_count(s, k.number);
    if (owned > 0) {
      rd_reply_array(c->out, 2);
      rd_element_reply(c->out, c->store, k.name);
      rd_reply_bulk_int(c->out, (int64_t)owned);
      n++;
    }
    rd_yield(c->store);
  }
  rd_reply_end_array(c->out, array, (size_t)n);
}

static void show_entry(rd_call *c, const rd_stream *s, const rd_pending *e) {
  rd_reply_array(c->out, 4);
  rd_reply_id(c->out, e->id);
  rd_element_reply(c->out, c->store, rd_consumer_name(s, e->consumer));
  rd_reply_int(c->out, idle_of(c, e));
  rd_reply_int(c->out, (int64_t)e->count);
}

/* The entries of a consumer, or of all. */
static void show_entries(rd_call *c, const rd_stream *s, const rd_group *g, const pending_options *o) {
  rd_consumer k;
  rd_pending e;
  rd_pos p;
  int64_t n = 0;
  size_t array = rd_reply_begin_array(c->out);
  bool mine = o->consumer != NULL, more;
  if (mine)
    more = rd_consumer_find(s, g->number, *o->consumer, &k) && rd_owned_lower(s, k.number, o->low, &p);
  else
    more = rd_pending_lower(s, g->number, o->low, &e);
  for (uint64_t i = 0; more && n < o->count && !c->out->failed; i++) {
    if (mine && !rd_pending_find(s, g->number, rd_owned_id(&p), &e)) break;
    if (rd_id_compare(e.id, o->high) > 0) break;
    if (o->idle == 0 || idle_of(c, &e) >= o->idle) {
      show_entry(c, s, &e);
      n++;
    }
    more = mine ? rd_owned_next(s, k.number, &p) : rd_pending_next(s, g->number, &e);
    if (i % 64 == 63) rd_yield(c->store);
  }
  rd_reply_end_array(c->out, array, (size_t)n);
}

void rd_cmd_xpending(rd_call *c) {
  pending_options o;
  rd_stream s;
  rd_group g;
  if (c->argc != 3 && !parse_pending(c, &o)) return;
  if (!rd_open_group(c, &s, &g)) return;
  bool all = c->argc != 3 && (o.count > RD_LONG_ELEMENTS || o.idle > 0);
  uint64_t most = c->argc == 3 ? rd_consumers_count(&s, g.number) : all ? rd_pending_count(&s, g.number) : 0;
  if (!rd_may_read(c, most > RD_LONG_ELEMENTS ? RD_LONG_BYTES + 1 : 0)) return;
  if (c->argc == 3)
    show_summary(c, &s, &g);
  else
    show_entries(c, &s, &g, &o);
}
