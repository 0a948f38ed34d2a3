/* stream_range.c - replies with entries: XRANGE, XREVRANGE, XREAD. */
#include "arena/longrun.h"
#include "arena/worker.h"
#include "commands/cmd.h"
#include "commands/stream.h"
#include "commands/value.h"
#include "store/blob.h"

/* ---- entries ---- */

enum { LONG_STRINGS = 4096 }; /* strings that are replied with in about a millisecond */

rd_entries rd_entries_of(rd_call *c) { return (rd_entries){.call = c, .mark = c->out->len}; }

bool rd_entries_may_take_long(rd_entries *e) {
  rd_call *c = e->call;
  if (e->writes || rd_may_take_long(c)) return true;
  uint64_t *counters = rd_my_counters(c->store)->value;
  counters[RD_STAT_keyspace_hits] -= e->found; /* the call that follows counts them again */
  counters[RD_STAT_keyspace_misses] -= e->missed;
  c->out->len = e->mark;
  return false;
}

static bool may_go_on(rd_entries *e) {
  rd_call *c = e->call;
  if (RD_LIKELY(e->strings <= LONG_STRINGS && e->bytes <= RD_LONG_BYTES)) return true;
  if (!rd_entries_may_take_long(e)) return false;
  /* A client that is gone wants no more of a reply that may be endless. */
  if (!rd_yield(c->store)) c->out->failed = true;
  return true;
}

/* Append the next string of a blob as a bulk; *off is behind it. */
static void reply_from_blob(rd_call *c, rd_ref blob, uint64_t *off) {
  uint8_t head[RD_VARINT];
  uint64_t left = rd_blob_len(c->store, blob) - *off, len;
  rd_blob_read(c->store, blob, *off, head, left < sizeof head ? left : sizeof head);
  *off += (uint64_t)(rd_varint_get(head, &len) - head);
  rd_reply_bulk_head(c->out, (size_t)len);
  for (uint64_t done = 0; done < len && !c->out->failed; rd_yield(c->store)) {
    rd_bytes piece = rd_blob_piece(c->store, blob, *off + done);
    size_t n = piece.len < len - done ? piece.len : (size_t)(len - done);
    rd_reply_raw(c->out, piece.data, n);
    done += n;
  }
  *off += len;
  rd_reply_crlf(c->out);
}

static void reply_outside(rd_call *c, const rd_spot *spot) {
  uint64_t off = 0;
  for (uint64_t i = 0; i < 2ull * spot->n && !c->out->failed; i++) {
    reply_from_blob(c, rd_chunk_blob(spot->chunk), &off);
    if (i % 64 == 63) rd_yield(c->store);
  }
}

bool rd_entries_add(rd_entries *e, const rd_stream_pos *at) {
  rd_call *c = e->call;
  const rd_spot *spot = &at->spot;
  e->strings += 2ull * spot->n + 1;
  if (RD_UNLIKELY(spot->fields == NULL)) e->bytes += rd_blob_len(c->store, rd_chunk_blob(spot->chunk));
  if (!may_go_on(e)) return false;
  rd_reply_array(c->out, 2);
  rd_reply_id(c->out, spot->id);
  rd_reply_array(c->out, 2 * (size_t)spot->n);
  if (RD_UNLIKELY(spot->fields == NULL)) {
    reply_outside(c, spot);
    return true;
  }
  const uint8_t *field = spot->fields, *value = spot->values;
  for (uint32_t i = 0; i < spot->n; i++) {
    rd_element_reply(c->out, c->store, field);
    rd_element_reply(c->out, c->store, value);
    field += rd_element_skip(field);
    value += rd_element_skip(value);
  }
  return true;
}

bool rd_entries_add_gone(rd_entries *e, rd_stream_id id) {
  rd_call *c = e->call;
  e->strings++;
  if (!may_go_on(e)) return false;
  rd_reply_array(c->out, 2);
  rd_reply_id(c->out, id);
  rd_reply_null_array(c->out);
  return true;
}

bool rd_entries_range(rd_entries *e, const rd_stream *s, rd_stream_id low, rd_stream_id high, uint64_t most, bool down,
                      uint64_t *n) {
  rd_call *c = e->call;
  rd_stream_pos at;
  uint64_t count = 0;
  size_t array = rd_reply_begin_array(c->out);
  bool more = down ? rd_stream_upper(s, high, &at) : rd_stream_lower(s, low, &at);
  if (e->first != NULL && more) *e->first = at;
  while (more && !c->out->failed && rd_id_compare(at.spot.id, down ? low : high) * (down ? -1 : 1) <= 0) {
    if (!rd_entries_add(e, &at)) return false;
    if (++count == most) break;
    more = down ? rd_stream_prev(s, &at) : rd_stream_next(s, &at);
  }
  rd_reply_end_array(c->out, array, (size_t)count);
  if (n != NULL) *n = count;
  return true;
}

/* ---- XRANGE, XREVRANGE ---- */

/* The option COUNT from argv[from] on. False after an error reply. */
static bool parse_count(rd_call *c, uint32_t from, int64_t *count) {
  *count = -1;
  for (uint32_t i = from; i < c->argc; i += 2) {
    if (i + 1 == c->argc || !rd_arg_is(c->argv[i], "count")) {
      rd_reply_syntax(c->out);
      return false;
    }
    if (!rd_arg_integer(c, c->argv[i + 1], count)) return false;
    if (*count < 0) *count = 0;
  }
  return true;
}

static void reply_range(rd_call *c, bool down) {
  rd_stream_id low, high;
  int64_t count;
  rd_stream s;
  if (!rd_parse_bound(c, c->argv[down ? 3 : 2], false, &low) || !rd_parse_bound(c, c->argv[down ? 2 : 3], true, &high))
    return;
  if (!parse_count(c, 4, &count) || !rd_open_stream(c, 1, false, &s)) return;
  if (s.c.item == NULL) {
    rd_reply_array(c->out, 0);
  } else if (count == 0) {
    rd_reply_null_array(c->out);
  } else {
    rd_entries e = rd_entries_of(c);
    e.found = 1;
    rd_entries_range(&e, &s, low, high, count < 0 ? 0 : (uint64_t)count, down, NULL);
  }
}

void rd_cmd_xrange(rd_call *c) { reply_range(c, false); }
void rd_cmd_xrevrange(rd_call *c) { reply_range(c, true); }
