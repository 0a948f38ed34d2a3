/* reader.c - reads lengths, numbers, strings and scores. */
#include "rdb/reader.h"

#include <math.h>

/* Read a length; or the first byte 0xc0 .. 0xff of an encoded string, with *encoding set. */
static bool read_head(rd_reader *r, uint64_t *n, bool *encoding) {
  unsigned more = 0;
  *encoding = false;
  if (r->at == r->end) return false;
  uint8_t first = *r->at++;
  if (first < 0x40) {
    *n = first;
  } else if (first < 0x80) {
    *n = first & 0x3f;
    more = 1;
  } else if (first < 0xc0) {
    if (first > 0x81) return false;
    *n = 0;
    more = first == 0x80 ? 4 : 8;
  } else {
    *n = first;
    *encoding = true;
  }
  if (rd_reader_left(r) < more) return false;
  for (; more > 0; more--) *n = *n << 8 | *r->at++;
  return true;
}

bool rd_read_length(rd_reader *r, uint64_t *n) {
  bool encoding;
  if (!read_head(r, n, &encoding)) return false;
  if (encoding) *n &= 0x3f;
  return true;
}

bool rd_read_bytes(rd_reader *r, uint64_t len, rd_bytes *bytes) {
  if (len > rd_reader_left(r)) return false;
  *bytes = (rd_bytes){r->at, (size_t)len};
  r->at += len;
  return true;
}

bool rd_read_number(rd_reader *r, unsigned width, int64_t *n) {
  rd_bytes bytes;
  if (!rd_read_bytes(r, width, &bytes)) return false;
  uint64_t v = 0;
  for (unsigned i = 0; i < width; i++) v |= (uint64_t)bytes.data[i] << 8 * i;
  unsigned unused = 64 - 8 * width;
  *n = (int64_t)(v << unused) >> unused;
  return true;
}

bool rd_read_double(rd_reader *r, double *score) {
  int64_t bits;
  if (!rd_read_number(r, sizeof bits, &bits)) return false;
  memcpy(score, &bits, sizeof *score);
  return true;
}

bool rd_read_score(rd_reader *r, double *score) {
  enum { NOT_A_NUMBER = 253, INFINITE = 254, MINUS_INFINITE = 255 };
  if (r->at == r->end) return false;
  uint8_t len = *r->at++;
  rd_bytes text;
  if (len == NOT_A_NUMBER || len == INFINITE || len == MINUS_INFINITE) {
    *score = len == NOT_A_NUMBER ? (double)NAN : len == INFINITE ? (double)INFINITY : -(double)INFINITY;
    return true;
  }
  return rd_read_bytes(r, len, &text) && rd_parse_double(text, score);
}

bool rd_read_string(rd_reader *r, rd_string *s) {
  uint64_t n;
  bool encoded;
  *s = (rd_string){{NULL, 0}, false, false, 0, 0};
  if (!read_head(r, &n, &encoded)) return false;
  if (!encoded) return n <= RD_MAX_BULK && rd_read_bytes(r, n, &s->bytes);
  if (n == RD_RDB_LZF) {
    uint64_t packed;
    s->is_packed = true;
    return rd_read_length(r, &packed) && rd_read_length(r, &s->len) && s->len <= RD_MAX_BULK &&
           rd_read_bytes(r, packed, &s->bytes);
  }
  if (n > RD_RDB_INT32) return false;
  s->is_number = true;
  return rd_read_number(r, n == RD_RDB_INT8 ? 1 : n == RD_RDB_INT16 ? 2 : 4, &s->number);
}
