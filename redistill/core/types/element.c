/* element.c - writes strings into entries, and reads and compares them there. */
#include "types/element.h"

#include "base/hash.h"
#include "base/numbers.h"
#include "store/blob.h"

#define SHORT_MAX 191u /* bytes of the longest string whose length is in one byte */
#define LONG 192u
#define INTEGER 224u /* an integer of one byte; up to INTEGER_8 */
#define INTEGER_8 228u

_Static_assert(RD_ELEMENT_TEXT >= RD_I64_TEXT, "rd_element_text formats integers");

/* ---- preparing ---- */

static void put_integer(rd_element *e, int64_t n) {
  uint32_t bytes = n == (int8_t)n                            ? 1
                   : n == (int16_t)n                         ? 2
                   : n >= -(1 << 23) && n < (int64_t)1 << 23 ? 3
                   : n == (int32_t)n                         ? 4
                                                             : 8;
  e->head[0] = (uint8_t)(bytes == 8 ? INTEGER_8 : INTEGER - 1 + bytes);
  rd_st64(e->head + 1, (uint64_t)n);
  e->head_len = (uint8_t)(1 + bytes);
  e->integer = n;
  e->is_integer = true;
}

static void put_outside(rd_element *e) {
  e->head[0] = RD_ELEMENT_OUTSIDE;
  e->head_len = 1;
  e->is_outside = true;
}

void rd_element_of(rd_element *e, rd_bytes text) {
  e->text = text;
  e->blob = 0;
  e->is_integer = e->is_outside = e->has_hash = false;
  int64_t n;
  if (text.len <= SHORT_MAX) {
    if (text.len > 0 && text.data[0] <= '9' && rd_parse_i64(text, &n)) {
      put_integer(e, n);
      return;
    }
    e->head[0] = (uint8_t)text.len;
    e->head_len = 1;
  } else if (text.len <= RD_ELEMENT_INLINE) {
    e->head[0] = (uint8_t)(LONG | text.len >> 8);
    e->head[1] = (uint8_t)text.len;
    e->head_len = 2;
  } else {
    put_outside(e);
  }
}

static inline bool is_integer(const uint8_t *at) { return *at >= INTEGER && *at <= INTEGER_8; }

static int64_t integer_at(const uint8_t *at) {
  switch (*at) {
    case INTEGER:
      return (int8_t)at[1];
    case INTEGER + 1:
      return (int16_t)rd_ld16(at + 1);
    case INTEGER + 2:
      return (int32_t)((uint32_t)rd_ld16(at + 1) << 8 | (uint32_t)at[3] << 24) >> 8;
    case INTEGER + 3:
      return (int32_t)rd_ld32(at + 1);
    default:
      return (int64_t)rd_ld64(at + 1);
  }
}

/* The string in place; not for integers and outside ones. */
static inline rd_bytes string_at(const uint8_t *at) {
  if (RD_LIKELY(*at <= SHORT_MAX)) return (rd_bytes){at + 1, *at};
  return (rd_bytes){at + 2, (*at & 7u) << 8 | at[1]};
}

void rd_element_like(rd_element *e, const rd_store *st, const uint8_t *at) {
  e->blob = 0;
  e->is_integer = e->is_outside = e->has_hash = false;
  if (*at == RD_ELEMENT_OUTSIDE) {
    put_outside(e);
    e->hash = rd_ld64(at + 1);
    e->has_hash = true;
    e->blob = rd_element_blob(at);
    e->text = (rd_bytes){NULL, (size_t)rd_blob_len(st, e->blob)};
  } else if (is_integer(at)) {
    put_integer(e, integer_at(at));
    e->text = (rd_bytes){NULL, 0};
  } else {
    e->text = string_at(at);
    e->head_len = (uint8_t)(e->text.data - at);
    memcpy(e->head, at, e->head_len);
  }
}

/* An integer's hash is that of its eight bytes, so that its text need not be made. */
static inline uint64_t hash_of_integer(const rd_store *st, int64_t n) { return rd_siphash(st->seed, &n, sizeof n); }

uint64_t rd_element_hash(const rd_store *st, rd_element *e) {
  if (!e->has_hash) {
    e->hash = e->is_integer ? hash_of_integer(st, e->integer) : rd_siphash(st->seed, e->text.data, e->text.len);
    e->has_hash = true;
  }
  return e->hash;
}

void rd_element_orders(const rd_store *st, const rd_sought each[], uint32_t n, uint64_t (*of)(uint64_t hash),
                       uint64_t order[]) {
  for (uint32_t i = 0; i < n; i++) {
    rd_element e;
    rd_element_of(&e, each[i].name);
    order[i] = of(rd_element_hash(st, &e));
  }
}

uint8_t *rd_element_put(rd_coll *c, rd_element *e, uint8_t *to) {
  memcpy(to, e->head, e->head_len);
  if (RD_UNLIKELY(e->is_outside)) {
    rd_st64(to + 1, rd_element_hash(c->st, e));
    rd_ref blob = e->blob != 0 ? rd_blob_copy(c->st, c->shard, e->blob, &c->wanted)
                               : rd_blob_new(c->st, c->shard, e->text, &c->wanted);
    if (blob == 0) return NULL;
    rd_st64(to + RD_ELEMENT_REF, blob);
    return to + RD_ELEMENT_OUTSIDE_BYTES;
  }
  to += e->head_len;
  if (e->is_integer) return to;
  memcpy(to, e->text.data, e->text.len);
  return to + e->text.len;
}

/* ---- reading ---- */

static bool is_outside_text(const rd_store *st, const rd_element *e, const uint8_t *at) {
  rd_ref blob = rd_element_blob(at);
  if ((e->has_hash && rd_ld64(at + 1) != e->hash) || rd_blob_len(st, blob) != e->text.len) return false;
  return (e->blob != 0 ? rd_blob_compare_blob(st, blob, e->blob) : rd_blob_compare(st, blob, e->text)) == 0;
}

bool rd_element_is_rest(const rd_store *st, const rd_element *e, const uint8_t *at) {
  if (RD_UNLIKELY(e->is_outside)) return is_outside_text(st, e, at);
  if (RD_LIKELY(e->head_len == 1)) return rd_same(at + 1, e->text.data, e->text.len);
  if (!rd_same(at, e->head, e->head_len)) return false;
  return e->is_integer || memcmp(at + e->head_len, e->text.data, e->text.len) == 0;
}

uint64_t rd_element_hash_at(const rd_store *st, const uint8_t *at) {
  if (*at == RD_ELEMENT_OUTSIDE) return rd_ld64(at + 1);
  if (is_integer(at)) return hash_of_integer(st, integer_at(at));
  rd_bytes text = string_at(at);
  return rd_siphash(st->seed, text.data, text.len);
}

uint64_t rd_element_len(const rd_store *st, const uint8_t *at) {
  if (*at == RD_ELEMENT_OUTSIDE) return rd_blob_len(st, rd_element_blob(at));
  char buf[RD_ELEMENT_TEXT];
  return rd_element_text(at, buf).len;
}

rd_bytes rd_element_text(const uint8_t *at, char buf[RD_ELEMENT_TEXT]) {
  if (!is_integer(at)) return string_at(at);
  return (rd_bytes){(const uint8_t *)buf, rd_format_i64(buf, integer_at(at))};
}

bool rd_element_integer(const uint8_t *at, int64_t *n) {
  if (!is_integer(at)) return false;
  *n = integer_at(at);
  return true;
}

void rd_element_read(rd_store *st, const uint8_t *at, void *dst) {
  if (*at == RD_ELEMENT_OUTSIDE) {
    rd_ref blob = rd_element_blob(at);
    rd_blob_read(st, blob, 0, dst, rd_blob_len(st, blob));
    return;
  }
  char buf[RD_ELEMENT_TEXT];
  rd_bytes text = rd_element_text(at, buf);
  memcpy(dst, text.data, text.len);
}

static int compare_texts(rd_bytes a, rd_bytes b) {
  size_t both = a.len < b.len ? a.len : b.len;
  int order = both == 0 ? 0 : memcmp(a.data, b.data, both);
  return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

int rd_element_compare(const rd_store *st, const uint8_t *at, rd_bytes text) {
  if (*at == RD_ELEMENT_OUTSIDE) return rd_blob_compare(st, rd_element_blob(at), text);
  char buf[RD_ELEMENT_TEXT];
  return compare_texts(rd_element_text(at, buf), text);
}

int rd_element_compare_at(const rd_store *st, const uint8_t *a, const uint8_t *b) {
  if (*b != RD_ELEMENT_OUTSIDE) {
    char buf[RD_ELEMENT_TEXT];
    return rd_element_compare(st, a, rd_element_text(b, buf));
  }
  if (*a == RD_ELEMENT_OUTSIDE) return rd_blob_compare_blob(st, rd_element_blob(a), rd_element_blob(b));
  return -rd_element_compare_at(st, b, a);
}

void rd_element_reply(rd_reply *r, rd_store *st, const uint8_t *at) {
  if (RD_UNLIKELY(*at == RD_ELEMENT_OUTSIDE)) {
    rd_ref blob = rd_element_blob(at);
    uint64_t len = rd_blob_len(st, blob);
    rd_reply_bulk_head(r, (size_t)len);
    uint8_t *room = rd_reply_room(r, (size_t)len);
    if (room == NULL) return;
    rd_blob_read(st, blob, 0, room, len);
    r->len += (size_t)len;
    rd_reply_crlf(r);
    return;
  }
  char buf[RD_ELEMENT_TEXT];
  rd_bytes text = rd_element_text(at, buf);
  rd_reply_bulk(r, text.data, text.len);
}
