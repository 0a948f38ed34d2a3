/* reply.c - appends replies in RESP2 or RESP3. */
#include "wire/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/doubles.h"

enum { FIRST_CAP = 1024, ERROR_TEXT = 1024, HEAD = 24 /* a type byte, 20 digits, CRLF */ };

void rd_reply_init(rd_reply *r) {
  memset(r, 0, sizeof *r);
  r->resp = 2;
}

void rd_reply_free(rd_reply *r) {
  free(r->data);
  r->data = NULL;
  r->len = r->cap = r->released = 0;
}

/* The bytes that one call returns to the system. */
#define RELEASED ((size_t)4 << 20)
#define PAGE ((size_t)65536) /* a multiple of every page size */

void rd_reply_release(rd_reply *r, size_t done) {
  if (RD_LIKELY(r->cap <= RELEASED) || done - r->released < RELEASED) return;
  uintptr_t from = ((uintptr_t)r->data + r->released + PAGE - 1) & ~(PAGE - 1);
  uintptr_t end = ((uintptr_t)r->data + done) & ~(PAGE - 1);
  if (end > from) madvise((void *)from, end - from, MADV_DONTNEED);
  r->released = done;
}

#define MOVED (512u << 10) /* bytes, in some tenths of a millisecond */

/* As realloc. Blocks of some MiB that are not mapped are copied, and a long command may pause meanwhile. */
static uint8_t *enlarge(const rd_reply *r, size_t cap) {
  if (RD_LIKELY(r->len <= MOVED || r->cap >= RD_MAPPED_FROM || r->pause == NULL)) return realloc(r->data, cap);
  uint8_t *data = malloc(cap);
  if (data == NULL) return NULL;
  for (size_t at = 0, n; at < r->len; at += n) {
    n = r->len - at < MOVED ? r->len - at : MOVED;
    memcpy(data + at, r->data + at, n);
    r->pause(r);
  }
  free(r->data);
  return data;
}

static uint8_t *grow(rd_reply *r, size_t n) {
  if (r->failed) return NULL;
  size_t cap = r->cap == 0 ? FIRST_CAP : r->cap + (r->cap < (1u << 20) ? r->cap : r->cap / 2);
  if (n > SIZE_MAX / 2 - r->len || (r->limit != 0 && r->len + n > r->limit)) {
    r->failed = r->over = true;
    return NULL;
  }
  if (cap < r->len + n) cap = r->len + n;
  if (r->limit != 0 && cap > r->limit) cap = r->limit; /* the limit is checked only here */
  if (cap - r->cap >= RD_LARGE_GROWTH && r->admit != NULL && !r->admit(r, cap - r->cap)) {
    r->failed = r->over = true;
    return NULL;
  }
  uint8_t *data = enlarge(r, cap);
  if (data == NULL) {
    r->failed = true;
    return NULL;
  }
  r->data = data;
  r->cap = cap;
  return data + r->len;
}

static inline uint8_t *room(rd_reply *r, size_t n) {
  if (RD_UNLIKELY(r->cap - r->len < n || r->failed)) return grow(r, n);
  return r->data + r->len;
}

uint8_t *rd_reply_room(rd_reply *r, size_t n) { return room(r, n); }

void rd_reply_raw(rd_reply *r, const void *data, size_t len) {
  uint8_t *p = len != 0 ? room(r, len) : NULL;
  if (p == NULL) return;
  memcpy(p, data, len);
  r->len += len;
}

static uint8_t *__attribute__((noinline)) put_long(uint8_t *p, uint64_t n) {
  uint8_t digits[20];
  size_t i = sizeof digits;
  do {
    digits[--i] = (uint8_t)('0' + n % 10);
    n /= 10;
  } while (n != 0);
  memcpy(p, digits + i, sizeof digits - i);
  return p + (sizeof digits - i);
}

/* Write the decimal digits of n at p; returns their end. */
static inline uint8_t *put_u64(uint8_t *p, uint64_t n) {
  if (n < 10) {
    *p = (uint8_t)('0' + n);
    return p + 1;
  }
  if (n < 100) {
    p[0] = (uint8_t)('0' + n / 10);
    p[1] = (uint8_t)('0' + n % 10);
    return p + 2;
  }
  return put_long(p, n);
}

static inline uint8_t *put_i64(uint8_t *p, int64_t n) {
  uint64_t magnitude = (uint64_t)n;
  if (n < 0) {
    *p++ = '-';
    magnitude = 0 - magnitude;
  }
  return put_u64(p, magnitude);
}

static inline uint8_t *put_crlf(uint8_t *p) {
  p[0] = '\r';
  p[1] = '\n';
  return p + 2;
}

static inline void head(rd_reply *r, uint8_t type, uint64_t n) {
  uint8_t *p = room(r, HEAD);
  if (p == NULL) return;
  uint8_t *start = p;
  *p++ = type;
  r->len += (size_t)(put_crlf(put_u64(p, n)) - start);
}

/* ---- lines ---- */

#define LITERAL(r, text) rd_reply_raw(r, text, sizeof(text) - 1)

void rd_reply_ok(rd_reply *r) { LITERAL(r, "+OK\r\n"); }

void rd_reply_lines(rd_reply *r, const char *const *lines, size_t n) {
  rd_reply_array(r, n);
  for (size_t i = 0; i < n; i++) rd_reply_simple(r, lines[i]);
}

void rd_reply_simple(rd_reply *r, const char *text) {
  size_t len = strlen(text);
  uint8_t *p = room(r, len + 3);
  if (p == NULL) return;
  *p = '+';
  memcpy(p + 1, text, len);
  put_crlf(p + 1 + len);
  r->len += len + 3;
}

static void remember_code(rd_reply *r, const char *text) {
  size_t n = strcspn(text, " \r\n");
  if (n >= sizeof r->code) n = 0;
  memcpy(r->code, text, n);
  r->code[n] = 0;
}

void rd_reply_error(rd_reply *r, const char *text) {
  r->errors++;
  remember_code(r, text);
  size_t len = strlen(text);
  uint8_t *p = room(r, len + 3);
  if (p == NULL) return;
  *p++ = '-';
  for (size_t i = 0; i < len; i++) {
    uint8_t c = (uint8_t)text[i];
    *p++ = c < 0x20 || c == 0x7f ? ' ' : c;
  }
  put_crlf(p);
  r->len += len + 3;
}

void rd_reply_errorf(rd_reply *r, const char *fmt, ...) {
  char text[ERROR_TEXT];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  rd_reply_error(r, text);
}

void rd_reply_wrong_type(rd_reply *r) {
  rd_reply_error(r, "WRONGTYPE Operation against a key holding the wrong kind of value");
}
void rd_reply_syntax(rd_reply *r) { rd_reply_error(r, "ERR syntax error"); }
void rd_reply_not_integer(rd_reply *r) { rd_reply_error(r, "ERR value is not an integer or out of range"); }
void rd_reply_oom(rd_reply *r) { rd_reply_error(r, "OOM command not allowed when used memory > 'maxmemory'."); }

/* ---- scalars ---- */

void rd_reply_int(rd_reply *r, int64_t n) {
  uint8_t *p = room(r, HEAD);
  if (p == NULL) return;
  uint8_t *start = p;
  *p++ = ':';
  r->len += (size_t)(put_crlf(put_i64(p, n)) - start);
}

void rd_reply_bulk(rd_reply *r, const void *data, size_t len) {
  uint8_t *p = room(r, len + HEAD + 2);
  if (p == NULL) return;
  uint8_t *start = p;
  *p++ = '$';
  p = put_crlf(put_u64(p, len));
  if (len != 0) memcpy(p, data, len);
  r->len += (size_t)(put_crlf(p + len) - start);
}

void rd_reply_str(rd_reply *r, const char *text) { rd_reply_bulk(r, text, strlen(text)); }
void rd_reply_bulk_head(rd_reply *r, size_t len) {
  /* Make room for all of it at once: growing once more for the last two bytes would add half its size to a large
   * reply. */
  if (room(r, len + HEAD + 2) != NULL) head(r, '$', len);
}
void rd_reply_crlf(rd_reply *r) { LITERAL(r, "\r\n"); }

void rd_reply_bulk_int(rd_reply *r, int64_t n) {
  uint8_t text[24];
  rd_reply_bulk(r, text, (size_t)(put_i64(text, n) - text));
}

void rd_reply_null(rd_reply *r) {
  if (r->resp == 3)
    LITERAL(r, "_\r\n");
  else
    LITERAL(r, "$-1\r\n");
}

void rd_reply_null_array(rd_reply *r) {
  if (r->resp == 3)
    LITERAL(r, "_\r\n");
  else
    LITERAL(r, "*-1\r\n");
}

void rd_reply_double(rd_reply *r, double d) {
  char text[RD_DOUBLE_TEXT];
  size_t n = rd_format_double(text, d);
  if (r->resp != 3) {
    rd_reply_bulk(r, text, n);
    return;
  }
  uint8_t *p = room(r, n + 3);
  if (p == NULL) return;
  *p = ',';
  memcpy(p + 1, text, n);
  put_crlf(p + 1 + n);
  r->len += n + 3;
}

void rd_reply_bool(rd_reply *r, bool b) {
  if (r->resp == 3)
    rd_reply_raw(r, b ? "#t\r\n" : "#f\r\n", 4);
  else
    rd_reply_int(r, b);
}

void rd_reply_verbatim(rd_reply *r, const char *format, const void *data, size_t len) {
  if (r->resp != 3) {
    rd_reply_bulk(r, data, len);
    return;
  }
  assert(strlen(format) == 3);
  head(r, '=', len + 4);
  uint8_t *p = room(r, len + 6);
  if (p == NULL) return;
  memcpy(p, format, 3);
  p[3] = ':';
  if (len != 0) memcpy(p + 4, data, len);
  put_crlf(p + 4 + len);
  r->len += len + 6;
}

/* ---- aggregates ---- */

void rd_reply_array(rd_reply *r, size_t n) { head(r, '*', n); }

void rd_reply_map(rd_reply *r, size_t pairs) {
  if (r->resp == 3)
    head(r, '%', pairs);
  else
    head(r, '*', 2 * pairs);
}

void rd_reply_set(rd_reply *r, size_t n) { head(r, r->resp == 3 ? '~' : '*', n); }
void rd_reply_push(rd_reply *r, size_t n) { head(r, r->resp == 3 ? '>' : '*', n); }

/* Room for the head is reserved with as many bytes as most counts take; the elements are moved once if it takes
 * another number. */
enum { OPEN_HEAD = 5 };

void rd_reply_shift(rd_reply *r, size_t from, size_t by) {
  for (size_t end = r->len; by > 0 && end > from;) {
    size_t n = end - from < MOVED ? end - from : MOVED;
    end -= n;
    memmove(r->data + end + by, r->data + end, n);
    if (r->pause != NULL) r->pause(r);
  }
  r->len += by;
}

/* Remove `by` bytes at `from`. */
static void close_gap(rd_reply *r, size_t from, size_t by) {
  for (size_t at = from, n; at < r->len - by; at += n) {
    size_t left = r->len - by - at;
    n = left < MOVED ? left : MOVED;
    memmove(r->data + at, r->data + at + by, n);
    if (left > MOVED && r->pause != NULL) r->pause(r);
  }
  r->len -= by;
}

size_t rd_reply_begin_array(rd_reply *r) {
  size_t mark = r->len;
  if (room(r, OPEN_HEAD) != NULL) r->len += OPEN_HEAD;
  return mark;
}

void rd_reply_end_array(rd_reply *r, size_t mark, size_t n) {
  uint8_t text[HEAD];
  text[0] = '*';
  size_t len = (size_t)(put_crlf(put_u64(text + 1, n)) - text);
  if (room(r, HEAD) == NULL) {
    if (r->len > mark) r->len = mark; /* the reserved bytes must not be sent */
    return;
  }
  if (len >= OPEN_HEAD) {
    rd_reply_shift(r, mark + OPEN_HEAD, len - OPEN_HEAD);
  } else { /* fewer than ten elements, which may be long ones */
    close_gap(r, mark + len, OPEN_HEAD - len);
  }
  memcpy(r->data + mark, text, len);
}

void rd_reply_end_set(rd_reply *r, size_t mark, size_t n) {
  rd_reply_end_array(r, mark, n);
  if (r->resp >= 3 && !r->failed) r->data[mark] = '~';
}
