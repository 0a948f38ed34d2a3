/* stream_chunk.c - reads and writes chunks of a stream's entries. */
#include "types/stream_chunk.h"

#include "arena/longrun.h"

enum {
  STEP_FIELDS = 1,
  STEP_SEQUENCE = 2,
  STEP_BITS = 2,
  LONE_LEN = RD_CHUNK_FIRST + 12,
  SHORTEST = RD_CHUNK_FIRST + 4, /* one field without a name, and an entry without a value */
  RUN = 960,                     /* a leaf has one chunk, unless they are short */
};

bool rd_id_up(rd_stream_id *id) {
  if (id->seq != UINT64_MAX) {
    id->seq++;
    return true;
  }
  if (id->ms == UINT64_MAX) return false;
  *id = (rd_stream_id){id->ms + 1, 0};
  return true;
}

bool rd_id_down(rd_stream_id *id) {
  if (id->seq != 0) {
    id->seq--;
    return true;
  }
  if (id->ms == 0) return false;
  *id = (rd_stream_id){id->ms - 1, UINT64_MAX};
  return true;
}

/* ---- the kind of entry ---- */

static uint32_t size(const uint8_t *at, const uint8_t *end) {
  if (end - at < SHORTEST) return 0;
  uint32_t len = rd_chunk_len(at);
  return len >= SHORTEST && len <= RD_CHUNK_MAX && len <= (size_t)(end - at) ? len : 0;
}

static uint64_t order(const rd_store *st, const uint8_t *chunk) {
  (void)st;
  return rd_chunk_first_id(chunk).ms;
}

static int compare(const rd_store *st, const uint8_t *a, const uint8_t *b) {
  (void)st;
  return rd_id_compare(rd_chunk_first_id(a), rd_chunk_first_id(b));
}

static uint32_t outside(const uint8_t *chunk, uint32_t n) {
  return n == 0 && rd_chunk_is(chunk, RD_CHUNK_LONE) ? RD_CHUNK_FIRST + 4 : 0;
}

/* Pass a varint, or `n` elements. NULL: they are not whole. */
static const uint8_t *pass_varint(const uint8_t *at, const uint8_t *end, uint64_t *n) {
  for (const uint8_t *to = at; to < end && to - at < (ptrdiff_t)RD_VARINT; to++) {
    if (*to < 128) return rd_varint_get(at, n);
  }
  return NULL;
}

static const uint8_t *pass_elements(const uint8_t *at, const uint8_t *end, uint64_t n) {
  for (; n > 0; n--) {
    uint32_t bytes = rd_element_size(at, end);
    if (bytes == 0 || rd_element_is_outside(at)) return NULL;
    at += bytes;
  }
  return at;
}

static const uint8_t *pass_fields(const uint8_t *at, const uint8_t *end, uint64_t *n) {
  at = pass_varint(at, end, n);
  return at == NULL || *n == 0 || *n > RD_BODY_MAX ? NULL : pass_elements(at, end, *n);
}

static const uint8_t *pass_entry(const uint8_t *at, const uint8_t *end, uint64_t n, rd_stream_id *id) {
  uint64_t step = 0, seq = 0;
  at = pass_varint(at, end, &step);
  if (at != NULL && step & STEP_SEQUENCE) at = pass_varint(at, end, &seq);
  if (at != NULL && step & STEP_FIELDS) at = pass_fields(at, end, &n);
  id->seq = step >> STEP_BITS == 0 ? id->seq + 1 + seq : seq;
  id->ms += step >> STEP_BITS;
  return at == NULL ? NULL : pass_elements(at, end, n);
}

static bool whole(const uint8_t *chunk) {
  const uint8_t *end = chunk + rd_chunk_len(chunk);
  rd_stream_id id = rd_chunk_first_id(chunk), last = id;
  uint32_t count = rd_chunk_count(chunk);
  if (rd_chunk_is(chunk, RD_CHUNK_LONE))
    return end - chunk == LONE_LEN && count == 1 && rd_id_compare(id, rd_chunk_last_id(chunk)) == 0;
  uint64_t n;
  const uint8_t *at = pass_fields(chunk + RD_CHUNK_FIRST, end, &n);
  if (at == NULL || count == 0) return false;
  id.seq--;
  for (uint32_t i = 0; i < count; i++) {
    at = pass_entry(at, end, n, &id);
    if (at == NULL || (i > 0 && rd_id_compare(last, id) >= 0)) return false;
    last = id;
  }
  return at == end && rd_id_compare(id, rd_chunk_last_id(chunk)) == 0;
}

const rd_coll_kind rd_chunk_kind = {.run_max = RUN,
                                    .sorted = true,
                                    .size = size,
                                    .whole = whole,
                                    .order = order,
                                    .compare = compare,
                                    .outside = outside};

/* ---- bodies ---- */

/* Append an element. False: there is no room. */
static bool put(rd_bytes string, uint8_t *to, uint32_t *len, uint32_t other) {
  rd_element e;
  rd_element_of(&e, string);
  uint32_t bytes = rd_element_bytes(&e);
  if (e.is_outside || *len + other + bytes > RD_BODY_MAX) return false;
  memcpy(to + *len, e.head, e.head_len);
  if (bytes > e.head_len) memcpy(to + *len + e.head_len, string.data, bytes - e.head_len);
  *len += bytes;
  return true;
}

static uint32_t varint_bytes(uint64_t n) {
  uint32_t bytes = 1;
  for (; n >= 128; n >>= 7) bytes++;
  return bytes;
}

void rd_body_begin(rd_body *b) {
  b->n = 0;
  b->blob = 0;
  b->is_outside = false;
  b->fields_len = b->values_len = 0;
  b->length = b->blob_bytes = 0;
}

void rd_body_add(rd_body *b, rd_bytes field, rd_bytes value) {
  b->n++;
  b->length += field.len + value.len;
  b->blob_bytes += varint_bytes(field.len) + varint_bytes(value.len) + field.len + value.len;
  if (RD_UNLIKELY(b->is_outside)) return;
  b->is_outside =
      !put(field, b->fields, &b->fields_len, b->values_len) || !put(value, b->values, &b->values_len, b->fields_len);
}

void rd_body_of(rd_body *b, const rd_bytes *strings, uint32_t n) {
  rd_body_begin(b);
  for (size_t i = 0; i < n; i++) rd_body_add(b, strings[2 * i], strings[2 * i + 1]);
}

uint8_t *rd_body_write(rd_store *st, rd_bytes string, uint8_t *to) {
  enum { PIECE = 1 << 18 };
  to = rd_varint_put(to, string.len);
  for (size_t done = 0; done < string.len; rd_yield(st)) {
    size_t piece = string.len - done < PIECE ? string.len - done : PIECE;
    memcpy(to, string.data + done, piece);
    to += piece;
    done += piece;
  }
  return to;
}

/* ---- chunks ---- */

static void set_len(uint8_t *chunk, const uint8_t *end, uint32_t count) {
  uint32_t len = (uint32_t)(end - chunk);
  chunk[0] = (uint8_t)len;
  chunk[1] = (uint8_t)(len >> 8);
  chunk[3] = (uint8_t)count;
  chunk[4] = (uint8_t)(count >> 8);
}

static uint8_t *put_bytes(uint8_t *to, const void *from, uint32_t n) {
  memcpy(to, from, n);
  return to + n;
}

uint32_t rd_chunk_make(uint8_t to[RD_CHUNK_ROOM], rd_stream_id id, const rd_body *b, unsigned flags) {
  uint8_t *at = to + RD_CHUNK_FIRST;
  to[2] = (uint8_t)(flags | (b->is_outside ? RD_CHUNK_LONE : 0u));
  rd_id_put(to + 5, id);
  rd_id_put(to + 21, id);
  if (b->is_outside) {
    rd_st32(at, b->n);
    rd_st64(at + 4, b->blob);
    at += 12;
  } else {
    at = put_bytes(rd_varint_put(at, b->n), b->fields, b->fields_len);
    *at++ = 0;
    at = put_bytes(at, b->values, b->values_len);
  }
  set_len(to, at, 1);
  return (uint32_t)(at - to);
}
_Static_assert(RD_CHUNK_FIRST + RD_VARINT + RD_BODY_MAX + 1 <= RD_CHUNK_MAX, "the longest body fits into a chunk");

/* Write an entry's step and sequence. */
static uint8_t *put_step(uint8_t *to, rd_stream_id before, rd_stream_id id, unsigned flags) {
  uint64_t ms = id.ms - before.ms, seq = ms == 0 ? id.seq - before.seq - 1 : id.seq;
  /* Two bits of the step are taken: rd_chunk_append keeps the entries of a chunk near enough. */
  to = rd_varint_put(to, ms << STEP_BITS | flags | (seq != 0 ? STEP_SEQUENCE : 0u));
  return seq != 0 ? rd_varint_put(to, seq) : to;
}

bool rd_chunk_append(uint8_t to[RD_CHUNK_ROOM], rd_stream_id id, const rd_body *b) {
  uint32_t len = rd_chunk_len(to), count = rd_chunk_count(to);
  rd_stream_id last = rd_chunk_last_id(to);
  if (rd_chunk_is(to, RD_CHUNK_LONE) || b->is_outside) return false;
  if (id.ms - rd_chunk_first_id(to).ms > UINT64_MAX >> STEP_BITS) return false;
  uint64_t n;
  const uint8_t *fields = rd_varint_get(to + RD_CHUNK_FIRST, &n);
  bool same =
      n == b->n && b->fields_len <= (size_t)(to + len - fields) && memcmp(fields, b->fields, b->fields_len) == 0;
  uint8_t entry[4 * RD_VARINT + RD_BODY_MAX], *at = put_step(entry, last, id, same ? 0 : STEP_FIELDS);
  if (!same) at = put_bytes(rd_varint_put(at, b->n), b->fields, b->fields_len);
  at = put_bytes(at, b->values, b->values_len);
  if (len + (size_t)(at - entry) > RD_CHUNK_MAX) return false;
  uint8_t *end = put_bytes(to + len, entry, (uint32_t)(at - entry));
  rd_id_put(to + 21, id);
  set_len(to, end, count + 1);
  return true;
}

/* ---- entries ---- */

static inline const uint8_t *skip(const uint8_t *at, uint32_t n) {
  for (; n > 0; n--) at += rd_element_skip(at);
  return at;
}

/* Read the entry at s->at, whose predecessor has the id s->id. */
static inline void read(rd_spot *s, uint32_t n, const uint8_t *fields) {
  uint64_t step, seq = 0;
  const uint8_t *at = rd_varint_get(s->at, &step);
  if (RD_UNLIKELY(step & STEP_SEQUENCE)) at = rd_varint_get(at, &seq);
  s->id.seq = step >> STEP_BITS == 0 ? s->id.seq + 1 + seq : seq;
  s->id.ms += step >> STEP_BITS;
  if (RD_UNLIKELY(step & STEP_FIELDS)) {
    uint64_t own;
    fields = at = rd_varint_get(at, &own);
    n = (uint32_t)own;
    at = skip(at, n);
  }
  s->n = n;
  s->fields = fields;
  s->values = at;
  s->next = skip(at, n);
}

void rd_spot_first(rd_spot *s, const uint8_t *chunk) {
  s->chunk = chunk;
  s->index = 0;
  s->id = rd_chunk_first_id(chunk);
  if (rd_chunk_is(chunk, RD_CHUNK_LONE)) {
    s->n = rd_ld32(chunk + RD_CHUNK_FIRST);
    s->fields = s->values = NULL;
    s->at = chunk + RD_CHUNK_FIRST;
    s->next = chunk + rd_chunk_len(chunk);
    return;
  }
  uint64_t n;
  const uint8_t *fields = rd_varint_get(chunk + RD_CHUNK_FIRST, &n);
  s->id.seq--;
  s->at = skip(fields, (uint32_t)n);
  read(s, (uint32_t)n, fields);
}

bool rd_spot_next(rd_spot *s) {
  if (s->index + 1 == rd_chunk_count(s->chunk)) return false;
  uint64_t n;
  const uint8_t *fields = rd_varint_get(s->chunk + RD_CHUNK_FIRST, &n);
  s->index++;
  s->at = s->next;
  read(s, (uint32_t)n, fields);
  return true;
}

bool rd_spot_lower(rd_spot *s, const uint8_t *chunk, rd_stream_id id) {
  if (rd_id_compare(rd_chunk_last_id(chunk), id) < 0) return false;
  rd_spot_first(s, chunk);
  while (rd_id_compare(s->id, id) < 0) {
    if (!rd_spot_next(s)) return false;
  }
  return true;
}

bool rd_spot_upper(rd_spot *s, const uint8_t *chunk, rd_stream_id id) {
  if (rd_id_compare(rd_chunk_first_id(chunk), id) > 0) return false;
  rd_spot next;
  rd_spot_first(s, chunk);
  for (next = *s; rd_spot_next(&next) && rd_id_compare(next.id, id) <= 0;) *s = next;
  return true;
}

void rd_spot_at(rd_spot *s, const uint8_t *chunk, uint32_t index) {
  rd_spot_first(s, chunk);
  while (s->index < index && rd_spot_next(s)) continue;
}

void rd_spot_last(rd_spot *s, const uint8_t *chunk) { rd_spot_at(s, chunk, rd_chunk_count(chunk) - 1); }

/* ---- removing ---- */

/* Copy an entry behind another one. */
static uint8_t *put_entry(uint8_t *to, const rd_spot *s, rd_stream_id before) {
  uint64_t step, seq;
  const uint8_t *rest = rd_varint_get(s->at, &step);
  if (step & STEP_SEQUENCE) rest = rd_varint_get(rest, &seq);
  to = put_step(to, before, s->id, step & STEP_FIELDS);
  return put_bytes(to, rest, (uint32_t)(s->next - rest));
}

/* A step becomes as long as the ones that it replaces, at most: of the bytes that are removed with an entry, its step
 * and its sequence pay for those of the next one, and its values (one byte at least) for a sequence that was 0. */
uint32_t rd_chunk_without(uint8_t to[RD_CHUNK_ROOM], const uint8_t *chunk, uint32_t from, uint32_t n) {
  uint32_t count = rd_chunk_count(chunk), left = 0;
  const uint8_t *end = chunk + rd_chunk_len(chunk);
  rd_spot s;
  rd_spot_first(&s, chunk);
  uint8_t *at = put_bytes(to, chunk, (uint32_t)(s.at - chunk));
  rd_stream_id last = s.id;
  for (; s.index < from; rd_spot_next(&s)) last = s.id;
  if (from > 0) at = put_bytes(to, chunk, (uint32_t)(s.at - chunk));
  left = from;
  while (s.index < from + n && rd_spot_next(&s)) continue;
  if (from + n < count) {
    if (from == 0) {
      rd_id_put(to + 5, s.id);
      last = (rd_stream_id){s.id.ms, s.id.seq - 1};
    }
    at = put_entry(at, &s, last);
    at = put_bytes(at, s.next, (uint32_t)(end - s.next));
    left += count - from - n;
  } else {
    rd_id_put(to + 21, last);
  }
  set_len(to, at, left);
  return (uint32_t)(at - to);
}
