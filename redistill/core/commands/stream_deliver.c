/* stream_deliver.c - XREADGROUP: delivers entries of streams to a consumer.
 *
 * The reply is composed first, without a change, so that the command may return and begin again where it can pause.
 * Then each stream is changed, all or nothing; streams from one on that finds no memory are cut off the reply. */
#include "arena/longrun.h"
#include "arena/worker.h"
#include "commands/cmd.h"
#include "commands/stream_read.h"
#include "commands/value.h"
#include "types/stream_group.h"

/* The delivery of one stream. */
typedef struct delivery {
  bool fresh;         /* the id is `>`: entries that the group was not given yet */
  bool replied;       /* the reply has this stream */
  rd_stream_id after; /* else the consumer's own entries behind this id */
  size_t mark;        /* where the stream begins in the reply */
  uint64_t n;         /* entries in the reply */
  uint32_t consumer;  /* its number */
} delivery;

#define NONE_OPEN UINT32_MAX

typedef struct reading {
  rd_call *call;
  const rd_read_options *o;
  delivery *each;
  rd_bytes group, consumer;
  uint32_t open; /* the stream that is open, with its group; NONE_OPEN: none is */
  rd_stream s;
  rd_group g;
  bool placed; /* there is one stream, and `first` is the place of the first new entry */
  rd_stream_pos first;
} reading;

/* ---- the ids, the groups and the consumers ---- */

static bool parse_behind(rd_call *c, rd_bytes text, delivery *d) {
  d->fresh = text.len == 1 && *text.data == '>';
  if (d->fresh) return true;
  if (text.len == 1 && (*text.data == '$' || *text.data == '+')) {
    rd_reply_errorf(c->out,
                    "ERR The %c ID is meaningless in the context of XREADGROUP: you want to read the history of this "
                    "consumer by specifying a proper ID, or use the > ID to get new messages. The %c ID would just "
                    "return an empty result set.",
                    *text.data, *text.data);
    return false;
  }
  if (!rd_parse_id(c, text, 0, NULL, &d->after)) return false;
  d->fresh = rd_id_compare(d->after, RD_STREAM_MAX) == 0; /* Redis keeps `>` as this id */
  return true;
}

/* Open the stream at argv[o->first + i] as r->s, and find the group, r->g. False: there is none. */
static bool find_group(reading *r, uint32_t i) {
  if (r->open == i) return true;
  r->open = NONE_OPEN;
  rd_key key = rd_call_key(r->call, r->o->first + i);
  rd_item *it = rd_find_quiet(r->call->store, &key, false);
  if (it == NULL || rd_item_type(it) != RD_STREAM) return false;
  rd_stream_open(&r->s, r->call->store, &key, it);
  if (!rd_group_find(&r->s, r->group, &r->g)) return false;
  r->open = i;
  return true;
}

/* False after an error reply: the stream is no stream, or has no such group, or the id cannot be read. */
static bool check_one(reading *r, uint32_t i) {
  rd_call *c = r->call;
  const rd_read_options *o = r->o;
  r->each[i] = (delivery){.fresh = false};
  if (!find_group(r, i)) {
    rd_key key = rd_call_key(c, o->first + i);
    rd_item *it = rd_find_quiet(c->store, &key, false);
    if (it == NULL && c->session != NULL) {
      rd_count_lookup(c->store, false);
      rd_notify(c->store, &key, RD_EVENT_KEYMISS);
    }
    if (it == NULL || rd_call_is(c, it, &rd_types[RD_STREAM]))
      rd_reply_no_key_or_group(c, c->argv[o->first + i], r->group, " in XREADGROUP with GROUP option");
    return false;
  }
  return parse_behind(c, c->argv[o->first + o->n + i], &r->each[i]);
}

/* True if all streams have the group, and all ids can be read. False after an error reply. */
static bool check(reading *r) {
  for (uint32_t i = 0; i < r->o->n; i++) {
    if (!check_one(r, i)) return false;
    if (i % 64 == 63) rd_yield(r->call->store);
  }
  return true;
}

/* Have the consumer exist in each group, and note that it was seen. False after an -OOM reply. */
static bool see_consumers(reading *r) {
  rd_consumer k;
  for (uint32_t i = 0; i < r->o->n; i++) {
    if (!find_group(r, i)) continue; /* it was evicted for the consumer in another stream */
    bool exists = rd_consumer_find(&r->s, r->g.number, r->consumer, &k);
    if (exists) {
      k.seen = (int64_t)r->call->store->now_ms;
      rd_consumer_save(&r->s, &k);
    } else {
      r->open = NONE_OPEN;
      if (!rd_see_consumer(r->call, &r->s, r->g.number, r->consumer)) return false;
      exists = find_group(r, i) && rd_consumer_find(&r->s, r->g.number, r->consumer, &k);
    }
    if (exists) r->each[i].consumer = k.number;
    if (i % 64 == 63) rd_yield(r->call->store);
  }
  return true;
}

/* ---- the reply ---- */

/* Reply with a consumer's own entries. False: the command must return. */
static bool reply_owned(rd_entries *e, const rd_stream *s, uint32_t consumer, rd_stream_id from, uint64_t most,
                        uint64_t *n) {
  rd_call *c = e->call;
  rd_pos p;
  rd_stream_pos at;
  size_t array = rd_reply_begin_array(c->out);
  *n = 0;
  for (bool more = rd_owned_lower(s, consumer, from, &p); more; more = rd_owned_next(s, consumer, &p)) {
    rd_stream_id id = rd_owned_id(&p);
    if (rd_stream_lower(s, id, &at) && rd_id_compare(at.spot.id, id) == 0) {
      if (!rd_entries_add(e, &at)) return false;
    } else { /* it was deleted */
      if (!rd_entries_add_gone(e, id)) return false;
    }
    if (++*n == most || c->out->failed) break;
  }
  rd_reply_end_array(c->out, array, (size_t)*n);
  return true;
}

/* The new entries that stream `i` delivers already, under the same name before it. */
static uint64_t delivered_before(const reading *r, uint32_t i) {
  const rd_bytes *key = r->call->argv + r->o->first;
  uint64_t n = 0;
  for (uint32_t k = 0; k < i; k++) {
    if (r->each[k].fresh && key[k].len == key[i].len &&
        (key[i].len == 0 || memcmp(key[k].data, key[i].data, key[i].len) == 0))
      n += r->each[k].n;
  }
  return n;
}

/* The id of the first entry that the group was not given yet and this reply does not have. False: there is none. */
static bool first_fresh(const reading *r, uint32_t i, const rd_stream *s, const rd_group *g, rd_stream_id *from) {
  rd_stream_id top;
  rd_stream_pos at;
  *from = g->last;
  if (!rd_stream_last_id(s, &top) || rd_id_compare(top, g->last) <= 0) return false;
  rd_id_up(from);
  uint64_t skip = i == 0 ? 0 : delivered_before(r, i);
  if (skip == 0) return true;
  bool more = rd_stream_lower(s, *from, &at);
  for (; more && skip > 0; skip--) more = rd_stream_next(s, &at);
  *from = at.spot.id;
  return more;
}

/* Reply with what the stream has for the consumer, if anything. False: the command must return. */
static bool reply_one(rd_entries *e, reading *r, uint32_t i) {
  rd_call *c = r->call;
  delivery *d = &r->each[i];
  rd_stream_id from = d->after;
  bool exists = find_group(r, i);
  rd_count_lookup(c->store, exists);
  e->found += exists;
  e->missed += !exists;
  d->mark = c->out->len;
  if (!exists || d->consumer == 0) return true; /* it was evicted for the consumer in another stream */
  if (d->fresh ? !first_fresh(r, i, &r->s, &r->g, &from) : !rd_id_up(&from)) return true;
  d->replied = true;
  rd_reply_stream_head(c, r->o, i);
  if (!d->fresh) return reply_owned(e, &r->s, d->consumer, from, r->o->count, &d->n);
  e->first = &r->first;
  bool done = rd_entries_range(e, &r->s, from, RD_STREAM_MAX, r->o->count, false, &d->n);
  e->first = NULL;
  r->placed = done && r->o->n == 1;
  return done;
}

/* ---- the changes ---- */

typedef struct handing {
  reading *r;
  const delivery *d;
} handing;

/* Count the entry as read by the group, as Redis does. */
static void count_read(const rd_stream *s, rd_group *g, rd_stream_id id) {
  if (rd_id_compare(id, g->last) <= 0) return;
  if (g->read != RD_READ_UNKNOWN && !rd_stream_lacks_after(s, id))
    g->read++;
  else if (s->meta.added != 0)
    g->read = rd_stream_reads_at(s, id);
  g->last = id;
}

/* Hand over new entries: they are pending, and the group has read them. If there is one it is a change that is whole by
 * itself: what is written before the entry is put is written back. */
static rd_result hand_fresh(rd_stream *s, void *arg) {
  const handing *h = arg;
  reading *r = h->r;
  const delivery *d = h->d;
  int64_t now = (int64_t)s->c.st->now_ms;
  rd_group g;
  rd_consumer k;
  rd_stream_pos at;
  if (!rd_group_find(s, r->group, &g)) return RD_OK;
  rd_group was = g;
  uint32_t group = g.number;
  rd_stream_id from = g.last, first;
  rd_id_up(&from);
  bool more = r->placed || rd_stream_lower(s, from, &at);
  if (r->placed) at = r->first;
  r->placed = false; /* another attempt looks it up */
  if (!more) return RD_OK;
  first = at.spot.id;
  if (d->n == 1 && !r->o->no_ack) {
    count_read(s, &g, first);
    rd_group_write(s, &g);
    if (rd_pending_put(s, group, first, d->consumer, now, 1) != RD_OK) {
      rd_group_save(s, r->group, &was);
      return RD_OOM;
    }
  } else {
    for (uint64_t i = 0; more && i < d->n; i++, more = rd_stream_next(s, &at)) {
      count_read(s, &g, at.spot.id);
      if (!r->o->no_ack && rd_pending_put(s, group, at.spot.id, d->consumer, now, 1) != RD_OK) return RD_OOM;
      if (i % 16 == 15) rd_yield(s->c.st);
    }
    rd_group_save(s, r->group, &g);
  }
  if (!r->o->no_ack && rd_consumer_find(s, group, r->consumer, &k)) {
    k.active = now;
    rd_consumer_save(s, &k);
  }
  return RD_OK;
}

/* Hand over the consumer's own entries once more. */
static void hand_again(rd_stream *s, const reading *r, const delivery *d) {
  rd_group g;
  rd_consumer k;
  rd_pos p;
  rd_pending e;
  rd_stream_id from = d->after;
  rd_id_up(&from);
  if (!rd_group_find(s, r->group, &g) || !rd_consumer_find(s, g.number, r->consumer, &k)) return;
  uint32_t group = g.number, consumer = k.number;
  bool more = rd_owned_lower(s, consumer, from, &p);
  for (uint64_t i = 0; more && i < d->n; i++, more = rd_owned_next(s, consumer, &p)) {
    rd_stream_id id = rd_owned_id(&p);
    if (rd_stream_has(s, id) && rd_pending_find(s, group, id, &e))
      rd_pending_again(s, &e, (int64_t)s->c.st->now_ms, e.count + 1);
    if (i % 16 == 15) rd_yield(s->c.st);
  }
}

/* Change the streams that the reply has; returns their number. Those from one on that has no memory are cut off. */
static uint64_t hand_over(reading *r) {
  rd_call *c = r->call;
  uint64_t n = 0;
  for (uint32_t i = 0; i < r->o->n; i++) {
    delivery *d = &r->each[i];
    if (!d->replied) continue;
    handing h = {r, d};
    bool done = find_group(r, i), whole = d->n == 1 || r->o->no_ack;
    r->open = NONE_OPEN;
    if (done && d->fresh)
      done = (whole ? rd_stream_try_whole : rd_stream_try)(&r->s, hand_fresh, &h);
    else if (done)
      hand_again(&r->s, r, d);
    if (!done) {
      c->out->len = d->mark;
      break;
    }
    n++;
    rd_note_changes(c->store, 1);
  }
  return n;
}

/* ---- XREADGROUP ---- */

/* Deliver. False: no stream has anything, and nothing was replied. */
static bool deliver(reading *r) {
  rd_call *c = r->call;
  rd_entries e = rd_entries_of(c);
  size_t array = rd_reply_begin_array(c->out);
  uint64_t streams = 0, entries = 0;
  rd_item *last = NULL;
  for (uint32_t i = 0; i < r->o->n; i++) {
    if (!reply_one(&e, r, i)) return true;
    if (!r->each[i].replied) continue;
    streams++;
    entries += r->each[i].n;
    last = r->s.c.item;
    if (i % 64 == 63) rd_yield(c->store);
  }
  if (streams == 0) {
    c->out->len = e.mark;
    return false;
  }
  if (entries > RD_LONG_ELEMENTS && !rd_entries_may_take_long(&e)) return true;
  bool given = c->store->giving != NULL; /* to one client, for one stream: what is given is whole */
  if (given) rd_reply_streams_end(c, &e, array, streams);
  if (!rd_call_may_remove(c, last)) return true;
  if (given) { /* places in the stream are void */
    r->open = NONE_OPEN;
    r->placed = false;
  }
  streams = hand_over(r);
  if (given && streams == 0)
    c->out->len = e.mark;
  else if (!given)
    rd_reply_streams_end(c, &e, array, streams);
  if (streams == 0) rd_reply_oom(c->out);
  return true;
}

static void read_group(reading *r) {
  rd_call *c = r->call;
  const rd_read_options *o = r->o;
  if (!check(r) || !see_consumers(r) || deliver(r)) return;
  if (o->blocks) { /* all ids are `>` */
    rd_wait_for_streams(c, o, c->argv + o->first + o->n, (rd_bytes){NULL, 0});
  } else if (c->session != NULL) {
    rd_reply_null_array(c->out);
  }
}

void rd_cmd_xreadgroup(rd_call *c) {
  rd_read_options o;
  delivery few[RD_FEW_STREAMS], *each = few;
  if (!rd_parse_read(c, true, &o) || !rd_check_length(c, c->argv[o.group + 1].len)) return;
  if ((c->session != NULL && !rd_may_miss(c)) || (o.n > RD_LONG_ELEMENTS && !rd_may_take_long(c))) return;
  uint64_t bytes = o.n * sizeof *each;
  if (o.n > RD_FEW_STREAMS && (each = rd_scratch_take(c, bytes)) == NULL) {
    rd_reply_oom(c->out);
    return;
  }
  reading r = {c, &o, each, c->argv[o.group], c->argv[o.group + 1], .open = NONE_OPEN};
  read_group(&r);
  if (each != few) rd_scratch_give(c->store, each, bytes);
}
