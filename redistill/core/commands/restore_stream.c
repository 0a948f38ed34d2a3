/* restore_stream.c - builds a stream from a payload, entry by entry, so that nothing of the payload is trusted. See
 * dump_stream.c for its form. */
#include "arena/longrun.h"
#include "commands/payload.h"
#include "commands/restore_source.h"
#include "commands/value.h"
#include "store/blob.h"
#include "types/stream_group.h"

typedef struct load {
  rd_call *call;
  rd_stream s;
  rd_reader reader;
  uint8_t rdb;
  rd_load failed; /* the reason, once a function has returned false */
  rd_source_text text;
} load;

static bool bad(load *l) {
  l->failed = RD_LOAD_BAD;
  return false;
}

/* Try again what found no memory, after making room. False: there is none. */
static bool make_room(load *l, int *attempt) {
  if (++*attempt < RD_COLL_ATTEMPTS && rd_coll_reserve(&l->s.c)) {
    rd_stream_reopen(&l->s);
    return true;
  }
  l->failed = RD_LOAD_FULL;
  return false;
}

/* ---- parts of a payload ---- */

static bool read_length(load *l, uint64_t *n) { return rd_read_length(&l->reader, n) || bad(l); }

static bool read_time(load *l, int64_t *time) { return rd_read_number(&l->reader, 8, time) || bad(l); }

static bool read_id(load *l, rd_stream_id *id) { return read_length(l, &id->ms) && read_length(l, &id->seq); }

static bool read_raw_id(load *l, rd_stream_id *id) {
  rd_bytes raw;
  if (!rd_read_bytes(&l->reader, 16, &raw)) return bad(l);
  *id = (rd_stream_id){__builtin_bswap64(rd_ld64(raw.data)), __builtin_bswap64(rd_ld64(raw.data + 8))};
  return true;
}

static bool read_string(load *l, rd_bytes *string) {
  l->failed = rd_source_string(l->call, &l->reader, string, &l->text);
  return l->failed == RD_LOAD_OK;
}

/* ---- entries ---- */

static bool next_text(load *l, rd_packed *p, rd_bytes *text, char number[RD_I64_TEXT]) {
  return rd_packed_next(p, text, number) == RD_GOT || bad(l);
}

static bool next_number(load *l, rd_packed *p, int64_t *n) {
  char number[RD_I64_TEXT];
  rd_bytes text;
  return next_text(l, p, &text, number) && (rd_parse_i64(text, n) || bad(l));
}

/* The strings of an entry: where the values are, with the fields or without. */
typedef struct strings {
  rd_packed values, fields;
  bool same; /* the fields are the node's */
  uint64_t n;
} strings;

/* Read all fields and values, and add them to a body, or write them to `to`. *x is then behind them. */
static bool read_strings(load *l, strings *x, rd_body *b, uint8_t *to) {
  char number[2][RD_I64_TEXT];
  rd_bytes field, value;
  for (uint64_t i = 0; i < x->n; i++) {
    if (!next_text(l, x->same ? &x->fields : &x->values, &field, number[0])) return false;
    if (!next_text(l, &x->values, &value, number[1])) return false;
    if (to == NULL)
      rd_body_add(b, field, value);
    else
      to = rd_body_write(l->s.c.st, value, rd_body_write(l->s.c.st, field, to));
    if (i % 64 == 63) rd_yield(l->s.c.st);
  }
  return true;
}

/* Append an entry whose body is complete; `outside`: its blob. */
static bool append(load *l, rd_stream_id id, rd_body *b, rd_bytes outside, rd_node_choice node) {
  rd_coll *c = &l->s.c;
  for (int attempt = 0;;) {
    if (!b->is_outside || (b->blob = rd_blob_new(c->st, c->shard, outside, &c->wanted)) != 0) {
      if (rd_stream_append(&l->s, id, b, node) == RD_OK) return true;
      if (b->is_outside) rd_blob_release(c->st, c->shard, b->blob);
    }
    if (!make_room(l, &attempt)) return false;
  }
}

/* Append the entry whose strings begin at *x, which is then behind them. */
static bool read_body(load *l, strings *x, rd_stream_id id, rd_node_choice node) {
  rd_body b;
  strings from = *x;
  rd_body_begin(&b);
  if (x->n == 0 || x->n > UINT32_MAX) return bad(l);
  if (!read_strings(l, x, &b, NULL)) return false;
  if (!b.is_outside) return append(l, id, &b, (rd_bytes){NULL, 0}, node);
  if (b.blob_bytes > l->s.c.st->max_value) return bad(l);
  uint8_t *copy = rd_scratch_take(l->call, b.blob_bytes);
  bool done = copy != NULL && read_strings(l, &from, &b, copy);
  if (copy == NULL) l->failed = RD_LOAD_FULL;
  if (done) done = append(l, id, &b, (rd_bytes){copy, (size_t)b.blob_bytes}, node);
  rd_scratch_give(l->call->store, copy, b.blob_bytes);
  return done;
}

/* A node: its id, and its listpack, of which the fields begin at `fields`. */
typedef struct node {
  rd_stream_id id;
  rd_packed packed, fields;
  int64_t n;              /* fields */
  int64_t count, deleted; /* entries that are left to read */
  uint32_t passed;        /* deleted ones that were read: Redis counts them when it fills a node */
  bool first;             /* no entry of it was appended yet */
} node;

static bool pass(load *l, rd_packed *p, uint64_t n) {
  char number[RD_I64_TEXT];
  rd_bytes text;
  for (uint64_t i = 0; i < n; i++) {
    if (!next_text(l, p, &text, number)) return false;
    if (i % 256 == 255) rd_yield(l->s.c.st);
  }
  return true;
}

static bool read_entry(load *l, node *x) {
  int64_t flags, ms, seq, n = x->n, elements;
  rd_packed *p = &x->packed;
  uint64_t before = p->count;
  if (!next_number(l, p, &flags) || !next_number(l, p, &ms) || !next_number(l, p, &seq)) return false;
  bool same = flags & RD_RDB_ENTRY_SAME_FIELDS, deleted = flags & RD_RDB_ENTRY_DELETED;
  rd_stream_id id = {x->id.ms + (uint64_t)ms, x->id.seq + (uint64_t)seq};
  if (!same && !next_number(l, p, &n)) return false;
  if (n < 0 || (flags & ~3) != 0) return bad(l);
  if (deleted) {
    x->deleted--;
    x->passed++;
    if (n > INT64_MAX / 2 || !pass(l, p, (same ? 1u : 2u) * (uint64_t)n)) return bad(l);
  } else {
    strings of = {*p, x->fields, same, (uint64_t)n};
    x->count--;
    if (rd_id_is_zero(id) || rd_id_compare(id, l->s.meta.last) <= 0) return bad(l);
    if (!read_body(l, &of, id, x->first ? RD_NODE_NEW : RD_NODE_SAME)) return false;
    *p = of.values;
    x->first = false;
  }
  uint64_t read = p->count - before;
  return next_number(l, p, &elements) && ((uint64_t)elements == read || bad(l));
}

static bool read_node(load *l) {
  rd_bytes key, string;
  int64_t zero;
  node x = {.first = true};
  if (!read_string(l, &key)) return false;
  if (key.len != 16) return bad(l);
  x.id = (rd_stream_id){__builtin_bswap64(rd_ld64(key.data)), __builtin_bswap64(rd_ld64(key.data + 8))};
  if (!read_string(l, &string)) return false;
  if (!rd_packed_open(&x.packed, RD_LISTPACK, string)) return bad(l);
  if (!next_number(l, &x.packed, &x.count) || !next_number(l, &x.packed, &x.deleted)) return false;
  if (!next_number(l, &x.packed, &x.n)) return false;
  if (x.count < 0 || x.deleted < 0 || x.n < 0) return bad(l);
  x.fields = x.packed;
  if (!pass(l, &x.packed, (uint64_t)x.n) || !next_number(l, &x.packed, &zero)) return false;
  if (zero != 0) return bad(l);
  while (x.packed.at != x.packed.end) {
    if (!read_entry(l, &x)) return false;
    rd_yield(l->s.c.st);
  }
  char number[RD_I64_TEXT];
  bool ends = rd_packed_next(&x.packed, &string, number) == RD_GOT_END;
  l->s.meta.node_count += x.passed;
  return (ends && x.count == 0 && x.deleted == 0) || bad(l);
}

static bool read_nodes(load *l) {
  uint64_t n;
  if (!read_length(l, &n)) return false;
  for (; n > 0; n--) {
    if (!read_node(l)) return false;
  }
  return true;
}

/* The counters behind the entries. */
static bool read_counters(load *l) {
  uint64_t length, added;
  rd_stream_id last, first, deleted = {0, 0};
  if (!read_length(l, &length) || !read_id(l, &last)) return false;
  added = length;
  if (l->rdb != RD_RDB_STREAM && (!read_id(l, &first) || !read_id(l, &deleted) || !read_length(l, &added)))
    return false;
  if (length != l->s.meta.length || rd_id_compare(last, l->s.meta.last) < 0) return bad(l);
  l->s.meta.last = last;
  l->s.meta.deleted = deleted;
  l->s.meta.added = added;
  rd_stream_save(&l->s);
  return true;
}

/* ---- groups ---- */

static bool read_pending(load *l, uint32_t group, uint64_t *n) {
  rd_stream_id id, before = {0, 0};
  int64_t time;
  uint64_t count;
  if (!read_length(l, n)) return false;
  for (uint64_t i = 0; i < *n; i++, before = id) {
    if (!read_raw_id(l, &id) || !read_time(l, &time) || !read_length(l, &count)) return false;
    if (rd_id_compare(id, before) <= 0) return bad(l);
    for (int attempt = 0; rd_pending_load(&l->s, group, id, time, count) != RD_OK;) {
      if (!make_room(l, &attempt)) return false;
    }
    if (i % 64 == 63) rd_yield(l->s.c.st);
  }
  return true;
}

/* The ids of a consumer's pending entries, all of which the group has. */
static bool read_owned(load *l, uint32_t group, uint32_t consumer, uint64_t *left) {
  rd_stream_id id;
  uint64_t n;
  bool given;
  if (!read_length(l, &n)) return false;
  if (n > *left) return bad(l);
  *left -= n;
  for (uint64_t i = 0; i < n; i++) {
    if (!read_raw_id(l, &id)) return false;
    for (int attempt = 0; rd_pending_give(&l->s, group, id, consumer, &given) != RD_OK;) {
      if (!make_room(l, &attempt)) return false;
    }
    if (!given) return bad(l);
    if (i % 64 == 63) rd_yield(l->s.c.st);
  }
  return true;
}

static bool read_consumer(load *l, uint32_t group, uint64_t *left) {
  rd_bytes name;
  rd_consumer k;
  int64_t seen, active;
  if (!read_string(l, &name) || !read_time(l, &seen)) return false;
  active = seen;
  if (l->rdb == RD_RDB_STREAM_3 && !read_time(l, &active)) return false;
  if (rd_consumer_find(&l->s, group, name, &k)) return bad(l);
  for (int attempt = 0; rd_consumer_create(&l->s, group, name, seen, active) != RD_OK;) {
    if (!make_room(l, &attempt)) return false;
  }
  return read_owned(l, group, l->s.meta.number, left);
}

static bool read_group(load *l) {
  rd_bytes name;
  rd_group g;
  rd_stream_id last;
  uint64_t read = (uint64_t)RD_READ_UNKNOWN, pending, consumers;
  if (!read_string(l, &name) || !read_id(l, &last)) return false;
  if (l->rdb == RD_RDB_STREAM)
    read = (uint64_t)rd_stream_reads_at(&l->s, last);
  else if (!read_length(l, &read))
    return false;
  if (rd_group_find(&l->s, name, &g)) return bad(l);
  for (int attempt = 0; rd_group_create(&l->s, name, last, (int64_t)read) != RD_OK;) {
    if (!make_room(l, &attempt)) return false;
  }
  uint32_t number = l->s.meta.number - 1;
  if (!read_pending(l, number, &pending) || !read_length(l, &consumers)) return false;
  for (; consumers > 0; consumers--) {
    if (!read_consumer(l, number, &pending)) return false;
    rd_yield(l->s.c.st);
  }
  return pending == 0 || bad(l);
}

static bool read_groups(load *l) {
  uint64_t n;
  if (!read_length(l, &n)) return false;
  for (; n > 0; n--) {
    if (!read_group(l)) return false;
    rd_yield(l->s.c.st);
  }
  return l->reader.at == l->reader.end || bad(l);
}

/* ---- the stream ---- */

static bool create(load *l) {
  for (int attempt = 0; rd_stream_create(&l->s) != RD_OK;) {
    if (!make_room(l, &attempt)) return false;
  }
  return true;
}

rd_load rd_load_stream(rd_call *call, const rd_key *key, rd_bytes payload, int64_t expiry, bool keep) {
  load l = {.call = call, .rdb = payload.data[0], .text = {{0}, {NULL, 0, NULL}}};
  l.reader = rd_reader_of((rd_bytes){payload.data + 1, payload.len - 1});
  rd_coll_build(&l.s.c, call->store, key, &rd_types[RD_STREAM]);
  rd_stream_reopen(&l.s);
  bool done = create(&l) && read_nodes(&l) && read_counters(&l) && read_groups(&l);
  rd_scratch_free(call->store, &l.text.unpacked);
  if (done && keep) return rd_coll_finish(&l.s.c, expiry, RD_EVENT_NONE) ? RD_LOAD_OK : RD_LOAD_FULL;
  rd_coll_abandon(&l.s.c);
  return done ? RD_LOAD_OK : l.failed;
}
