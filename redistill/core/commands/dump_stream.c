/* dump_stream.c - DUMP of streams.
 *
 * Each node becomes a listpack, as in Redis:
 *
 *   entries, deleted ones, number of fields, fields, 0
 *   then for each entry: flags, milliseconds and sequence since the node's first id, [number of fields,] fields and
 *   values (or only values), and the number of elements so far
 *
 * and after all of them the counters, and the groups. */
#include "arena/longrun.h"
#include "commands/payload.h"
#include "store/blob.h"
#include "types/stream_group.h"

enum { CHUNKS_MAX = 64 }; /* of a listpack */

/* ---- strings ---- */

static void put_element(rd_writer *w, const uint8_t *element) {
  char buf[RD_ELEMENT_TEXT];
  rd_put_packed(w, rd_element_text(element, buf));
}

/* Append the next string of a blob; *off is behind it. */
static void put_from_blob(rd_store *st, rd_writer *w, rd_ref blob, uint64_t *off) {
  uint8_t head[RD_VARINT], text[RD_ELEMENT_TEXT];
  uint64_t left = rd_blob_len(st, blob) - *off, len;
  rd_blob_read(st, blob, *off, head, left < sizeof head ? left : sizeof head);
  *off += (uint64_t)(rd_varint_get(head, &len) - head);
  if (len <= sizeof text) {
    rd_blob_read(st, blob, *off, text, len);
    rd_put_packed(w, (rd_bytes){text, (size_t)len});
  } else {
    rd_put_packed_head(w, len);
    uint8_t *to = rd_put_room(w, len);
    if (to != NULL) rd_blob_read(st, blob, *off, to, len);
    rd_put_packed_end(w, len);
  }
  *off += len;
}

/* An id as sixteen bytes, high first. */
static void put_raw_id(rd_writer *w, rd_stream_id id) {
  uint64_t swapped[2] = {__builtin_bswap64(id.ms), __builtin_bswap64(id.seq)};
  rd_put_bytes(w, swapped, sizeof swapped);
}

static void put_id(rd_writer *w, rd_stream_id id) {
  rd_put_length(w, id.ms);
  rd_put_length(w, id.seq);
}

/* ---- nodes ---- */

/* A listpack that is being written. */
typedef struct node {
  rd_stream_id id;
  uint32_t n; /* the fields of its entries; 0: they have their own */
  const uint8_t *fields;
  uint64_t entries, elements;
} node;

static void put_number(node *x, rd_writer *w, uint64_t n) {
  rd_put_packed_number(w, (int64_t)n);
  x->elements++;
}

static void put_strings(rd_store *st, node *x, rd_writer *w, const rd_spot *spot, bool same) {
  const uint8_t *field = spot->fields, *value = spot->values;
  uint64_t off = 0;
  if (field == NULL) {
    for (uint64_t i = 0; i < 2ull * spot->n; i++) {
      put_from_blob(st, w, rd_chunk_blob(spot->chunk), &off);
      if (i % 64 == 63) rd_yield(st);
    }
    x->elements += 2ull * spot->n;
    return;
  }
  for (uint32_t i = 0; i < spot->n; i++) {
    if (!same) {
      put_element(w, field);
      field += rd_element_skip(field);
    }
    put_element(w, value);
    value += rd_element_skip(value);
  }
  x->elements += (same ? 1ull : 2ull) * spot->n;
}

static void put_entry(rd_store *st, node *x, rd_writer *w, const rd_spot *spot) {
  bool same = spot->fields != NULL && spot->fields == x->fields;
  uint64_t before = x->elements;
  put_number(x, w, same ? RD_RDB_ENTRY_SAME_FIELDS : 0);
  put_number(x, w, spot->id.ms - x->id.ms);
  put_number(x, w, spot->id.seq - x->id.seq);
  if (!same) put_number(x, w, spot->n);
  put_strings(st, x, w, spot, same);
  put_number(x, w, x->elements - before);
  x->entries++;
}

/* Write the fields of the node's first chunk. An entry that lies outside has its own. */
static void put_fields(node *x, rd_writer *w, const rd_spot *first) {
  const uint8_t *chunk = first->chunk;
  x->fields = NULL;
  x->n = 0;
  uint64_t n = 0;
  if (!rd_chunk_is(chunk, RD_CHUNK_LONE)) x->fields = rd_varint_get(chunk + RD_CHUNK_FIRST, &n);
  x->n = (uint32_t)n;
  put_number(x, w, n);
  const uint8_t *field = x->fields;
  for (; n > 0; n--, x->elements++) {
    put_element(w, field);
    field += rd_element_skip(field);
  }
  put_number(x, w, 0);
}

/* Write the entries of the node from *at on; *at is behind them, and the result tells if an entry is there. */
static bool put_entries(const rd_stream *s, node *x, rd_writer *w, rd_stream_pos *at, uint64_t entries) {
  bool lone = rd_chunk_is(at->spot.chunk, RD_CHUNK_LONE), more = true;
  x->id = at->spot.id;
  x->entries = x->elements = 0;
  put_number(x, w, entries);
  put_number(x, w, 0);
  put_fields(x, w, &at->spot);
  for (uint32_t chunks = 0; more;) {
    put_entry(s->c.st, x, w, &at->spot);
    const uint8_t *chunk = at->spot.chunk;
    more = rd_stream_next(s, at);
    if (!more || at->spot.chunk == chunk) continue;
    rd_yield(s->c.st);
    const uint8_t *next = at->spot.chunk;
    if (lone || ++chunks == CHUNKS_MAX || rd_chunk_is(next, RD_CHUNK_NODE) || rd_chunk_is(next, RD_CHUNK_LONE)) break;
  }
  return more;
}

/* Write the node at *at, as above. Its length and its numbers are measured first. */
static bool put_node(const rd_stream *s, rd_writer *w, rd_stream_pos *at) {
  rd_writer size = {NULL, 0};
  rd_stream_pos from = *at;
  node x;
  put_entries(s, &x, &size, &from, 0);
  uint64_t entries = x.entries;
  rd_writer count = {NULL, 0};
  rd_put_packed_number(&count, (int64_t)entries);
  size.len += RD_LISTPACK_BYTES + count.len - 2; /* of the number 0: two bytes */
  rd_put_length(w, 16);
  put_raw_id(w, at->spot.id);
  rd_put_length(w, size.len);
  rd_put_listpack(w, size.len, x.elements);
  bool more = put_entries(s, &x, w, at, entries);
  rd_put_listpack_end(w);
  return more;
}

static uint64_t put_nodes(const rd_stream *s, rd_writer *w) {
  rd_stream_pos at;
  uint64_t n = 0;
  for (bool more = rd_stream_lower(s, (rd_stream_id){0, 0}, &at); more; n++) {
    more = put_node(s, w, &at);
    rd_yield(s->c.st);
  }
  return n;
}

/* ---- groups ---- */

static void put_pending(const rd_stream *s, rd_writer *w, uint32_t group) {
  rd_pending e;
  uint64_t n = 0;
  rd_put_length(w, rd_pending_count(s, group));
  bool more = rd_pending_lower(s, group, (rd_stream_id){0, 0}, &e);
  for (; more; more = rd_pending_next(s, group, &e)) {
    put_raw_id(w, e.id);
    rd_put_word(w, (uint64_t)e.time);
    rd_put_length(w, e.count);
    if (++n % 64 == 0) rd_yield(s->c.st);
  }
}

static void put_owned(const rd_stream *s, rd_writer *w, uint32_t consumer) {
  rd_pos p;
  uint64_t n = 0;
  rd_put_length(w, rd_owned_count(s, consumer));
  bool more = rd_owned_lower(s, consumer, (rd_stream_id){0, 0}, &p);
  for (; more; more = rd_owned_next(s, consumer, &p)) {
    put_raw_id(w, rd_owned_id(&p));
    if (++n % 64 == 0) rd_yield(s->c.st);
  }
}

static void put_group(const rd_stream *s, rd_writer *w, const rd_group *g) {
  rd_consumer k;
  rd_put_element(s->c.st, w, g->name);
  put_id(w, g->last);
  rd_put_length(w, (uint64_t)g->read);
  put_pending(s, w, g->number);
  rd_put_length(w, rd_consumers_count(s, g->number));
  for (bool more = rd_consumer_first(s, g->number, &k); more; more = rd_consumer_next(s, g->number, &k)) {
    rd_put_element(s->c.st, w, k.name);
    rd_put_word(w, (uint64_t)k.seen);
    put_owned(s, w, k.number);
    rd_yield(s->c.st);
  }
}

/* ---- the stream ---- */

void rd_dump_stream(rd_store *st, const rd_key *key, rd_item *it, rd_writer *w) {
  rd_stream s;
  rd_group g;
  rd_stream_id first;
  rd_writer all = {NULL, 0};
  rd_stream_open(&s, st, key, it);
  rd_put_bytes(w, (uint8_t[]){RD_RDB_STREAM_2}, 1);
  rd_put_length(w, put_nodes(&s, &all));
  put_nodes(&s, w);
  rd_stream_first_id(&s, &first);
  rd_put_length(w, s.meta.length);
  put_id(w, s.meta.last);
  put_id(w, first);
  put_id(w, s.meta.deleted);
  rd_put_length(w, s.meta.added);
  rd_put_length(w, s.meta.groups);
  for (bool more = rd_group_first(&s, &g); more; more = rd_group_next(&s, &g)) put_group(&s, w, &g);
}
