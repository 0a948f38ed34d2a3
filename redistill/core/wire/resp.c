/* resp.c - parses requests in place. */
#include "wire/resp.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIRST_ARGS = 64, KEEP_ARGS = 1024, KEEP_SCRATCH = 4096 };

void rd_parser_init(rd_parser *p) {
  memset(p, 0, sizeof *p);
  p->bulk = RD_NO_BULK;
  p->max_bulk = RD_MAX_BULK;
}

void rd_parser_free(rd_parser *p) {
  free(p->argv);
  free(p->scratch);
  rd_parser_init(p);
}

static rd_parsed protocol_error(rd_parser *p, const char *what) {
  snprintf(p->error, sizeof p->error, "ERR Protocol error: %s", what);
  return RD_PARSED_ERROR;
}

static bool grow_args(rd_parser *p) {
  uint32_t cap = p->cap == 0 ? FIRST_ARGS : p->cap * 2; /* at most a batch and RD_MAX_ARGS: no overflow */
  rd_bytes *argv = realloc(p->argv, cap * sizeof *argv);
  if (argv == NULL) return false;
  p->argv = argv;
  p->cap = cap;
  return true;
}

static inline bool add_arg(rd_parser *p, const uint8_t *data, size_t len) {
  if (RD_UNLIKELY(p->len == p->cap) && !grow_args(p)) return false;
  p->argv[p->len++] = (rd_bytes){data, len};
  return true;
}

/* ---- header lines: a type byte, a number, CRLF ---- */

/* Read a header at q that is a plain number of up to 9 digits on a complete line. Returns the position behind the
 * line; NULL: it is any other header, which any_header reads. */
static inline const uint8_t *plain_header(const uint8_t *q, const uint8_t *end, uint64_t *n) {
  const uint8_t *c = q + 1;
  if (RD_UNLIKELY(end - c < 11)) return NULL; /* 9 digits and CRLF can be read without looking for the end */
  unsigned digit = (unsigned)*c - '0';
  if (RD_UNLIKELY(digit > 9)) return NULL;
  uint64_t v = digit;
  c++;
  if (RD_LIKELY(v != 0)) {
    while (c < q + 10 && (digit = (unsigned)*c - '0') <= 9) {
      v = v * 10 + digit;
      c++;
    }
  }
  if (RD_UNLIKELY(c[0] != '\r' || c[1] != '\n')) return NULL;
  *n = v;
  return c + 2;
}

/* A canonical decimal number: no "+", no "-0", no leading zeros. */
static bool canonical(const uint8_t *s, size_t len, int64_t *out) {
  bool negative = len > 0 && s[0] == '-';
  size_t i = negative ? 1 : 0;
  if (i == len || len - i > 19) return false;
  if (s[i] == '0') {
    *out = 0;
    return len == 1;
  }
  uint64_t v = 0;
  for (; i < len; i++) {
    unsigned digit = (unsigned)s[i] - '0';
    if (digit > 9) return false;
    v = v * 10 + digit; /* 19 digits fit into the type */
  }
  if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0)) return false;
  *out = negative ? (int64_t)(0 - v) : (int64_t)v;
  return true;
}

/* Read any header at q, as far as it has arrived. RD_PARSED_COMMAND: *n is its number and *next the position behind
 * it. The bound on the line applies to positions and not to the bytes that have arrived, so the result does not
 * depend on how the bytes were split. */
static rd_parsed any_header(rd_parser *p, const uint8_t *q, const uint8_t *end, int64_t *n, const uint8_t **next) {
  bool bulk = p->missing != 0;
  const char *invalid = bulk ? "invalid bulk length" : "invalid multibulk length";
  size_t avail = (size_t)(end - q);
  size_t bound = avail > RD_MAX_INLINE + 1 ? RD_MAX_INLINE + 1 : avail;
  const uint8_t *cr = p->scanned < bound ? memchr(q + p->scanned, '\r', bound - p->scanned) : NULL;
  if (cr == NULL) {
    if (avail > RD_MAX_INLINE)
      return protocol_error(p, bulk ? "too big bulk count string" : "too big mbulk count string");
    p->scanned = avail;
    return RD_PARSED_MORE;
  }
  if (cr + 1 == end) {
    p->scanned = (size_t)(cr - q);
    return RD_PARSED_MORE;
  }
  p->scanned = 0;
  if (bulk && *q != '$') {
    uint8_t c = *q;
    if (c < 0x20 || c == 0x7f) c = ' ';
    char text[32];
    snprintf(text, sizeof text, "expected '$', got '%c'", c);
    return protocol_error(p, text);
  }
  if (cr[1] != '\n' || !canonical(q + 1, (size_t)(cr - q) - 1, n)) return protocol_error(p, invalid);
  *next = cr + 2;
  return RD_PARSED_COMMAND;
}

/* ---- inline commands ---- */

static bool blank(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
/* True if the byte ends a word. As in Redis, a vertical tab or form feed is skipped between words, but ends none. */
static bool ends_word(uint8_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static int hex_digit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decode the escape behind a backslash within double quotes, at q: one byte into *out. Returns the number of bytes
 * read. */
static size_t unescape(const uint8_t *q, const uint8_t *end, uint8_t *out) {
  if (*q == 'x' && end - q > 2 && hex_digit(q[1]) >= 0 && hex_digit(q[2]) >= 0) {
    *out = (uint8_t)(hex_digit(q[1]) << 4 | hex_digit(q[2]));
    return 3;
  }
  switch (*q) {
    case 'n':
      *out = '\n';
      break;
    case 'r':
      *out = '\r';
      break;
    case 't':
      *out = '\t';
      break;
    case 'b':
      *out = '\b';
      break;
    case 'a':
      *out = '\a';
      break;
    default:
      *out = *q;
  }
  return 1;
}

/* Decode the quoted part of a word, whose opening quote is at q - 1, to *to. Returns the position behind the closing
 * quote; NULL: there is no closing quote, or neither a blank nor the line's end follows it. */
static const uint8_t *quoted(const uint8_t *q, const uint8_t *end, uint8_t quote, uint8_t **to) {
  while (q < end && *q != quote) {
    if (*q == '\\' && quote == '"' && q + 1 < end) {
      q += 1 + unescape(q + 1, end, *to);
      (*to)++;
    } else if (*q == '\\' && quote == '\'' && q + 1 < end && q[1] == '\'') {
      *(*to)++ = '\'';
      q += 2;
    } else {
      *(*to)++ = *q++;
    }
  }
  if (q == end || (q + 1 < end && !blank(q[1]))) return NULL;
  return q + 1;
}

/* Split a line with quotes into words. They are decoded into scratch, which is as long as the line. */
static rd_parsed quoted_words(rd_parser *p, const uint8_t *q, const uint8_t *end) {
  size_t need = (size_t)(end - q);
  if (need > p->scratch_cap) {
    uint8_t *scratch = realloc(p->scratch, need);
    if (scratch == NULL) return RD_PARSED_NO_MEMORY;
    p->scratch = scratch;
    p->scratch_cap = need;
  }
  p->scratch_used = true;
  uint8_t *to = p->scratch;
  for (;;) {
    while (q < end && blank(*q)) q++;
    if (q == end) return RD_PARSED_COMMAND;
    uint8_t *word = to;
    while (q < end && !ends_word(*q)) {
      if (*q == '"' || *q == '\'') {
        q = quoted(q + 1, end, *q, &to);
        if (q == NULL) return protocol_error(p, "unbalanced quotes in request");
        break; /* a closing quote ends the word */
      }
      *to++ = *q++;
    }
    if (!add_arg(p, word, (size_t)(to - word))) return RD_PARSED_NO_MEMORY;
  }
}

static rd_parsed plain_words(rd_parser *p, const uint8_t *q, const uint8_t *end) {
  for (;;) {
    while (q < end && blank(*q)) q++;
    if (q == end) return RD_PARSED_COMMAND;
    const uint8_t *word = q;
    while (q < end && !ends_word(*q)) q++;
    if (!add_arg(p, word, (size_t)(q - word))) return RD_PARSED_NO_MEMORY;
  }
}

static rd_parsed inline_command(rd_parser *p, const uint8_t *q, const uint8_t *end, const uint8_t **next) {
  size_t avail = (size_t)(end - q);
  size_t bound = avail > RD_MAX_INLINE + 1 ? RD_MAX_INLINE + 1 : avail;
  const uint8_t *lf = p->scanned < bound ? memchr(q + p->scanned, '\n', bound - p->scanned) : NULL;
  if (lf == NULL) {
    if (avail > RD_MAX_INLINE) return protocol_error(p, "too big inline request");
    p->scanned = avail;
    return RD_PARSED_MORE;
  }
  p->scanned = 0;
  *next = lf + 1;
  const uint8_t *stop = lf > q && lf[-1] == '\r' ? lf - 1 : lf;
  size_t len = (size_t)(stop - q);
  if (memchr(q, '"', len) != NULL || memchr(q, '\'', len) != NULL) return quoted_words(p, q, stop);
  return plain_words(p, q, stop);
}

/* ---- commands ---- */

/* Continue with the arguments of the unfinished command. */
static rd_parsed arguments(rd_parser *p, const uint8_t *data, const uint8_t *q, const uint8_t *end) {
  rd_parsed result = RD_PARSED_COMMAND;
  uint64_t bulk = p->bulk;
  uint32_t missing = p->missing;
  while (missing != 0) {
    if (bulk == RD_NO_BULK) {
      const uint8_t *next = end - q >= 12 && *q == '$' ? plain_header(q, end, &bulk) : NULL;
      if (RD_LIKELY(next != NULL)) {
        p->scanned = 0;
      } else {
        int64_t n;
        p->missing = missing;
        bulk = RD_NO_BULK;
        result = any_header(p, q, end, &n, &next);
        if (result != RD_PARSED_COMMAND) break;
        bulk = n < 0 ? RD_MAX_BULK + 1 : (uint64_t)n;
      }
      if (RD_UNLIKELY(bulk > p->max_bulk)) {
        result = protocol_error(p, "invalid bulk length");
        break;
      }
      if (RD_UNLIKELY(p->limited && bulk > RD_MAX_BULK_NOAUTH)) {
        result = protocol_error(p, "unauthenticated bulk length");
        break;
      }
      q = next;
    }
    if (RD_UNLIKELY((uint64_t)(end - q) < bulk + 2)) {
      result = RD_PARSED_MORE;
      break;
    }
    if (RD_UNLIKELY(q[bulk] != '\r' || q[bulk + 1] != '\n')) {
      result = protocol_error(p, "expected CRLF after a bulk");
      break;
    }
    if (RD_UNLIKELY(p->len == p->cap) && !grow_args(p)) {
      result = RD_PARSED_NO_MEMORY;
      break;
    }
    p->argv[p->len++] = (rd_bytes){q, (size_t)bulk};
    q += bulk + 2;
    bulk = RD_NO_BULK;
    missing--;
  }
  p->bulk = bulk;
  p->missing = missing;
  p->pos = (size_t)(q - data);
  return result;
}

rd_parsed rd_parse(rd_parser *p, const uint8_t *data, size_t len) {
  const uint8_t *q = data + p->pos;
  const uint8_t *end = data + len;
  while (p->missing == 0) {
    const uint8_t *next;
    p->first = p->len;
    p->start = p->pos;
    p->scratch_used = false;
    if (q == end) return RD_PARSED_MORE;
    if (RD_UNLIKELY(*q != '*')) {
      rd_parsed result = inline_command(p, q, end, &next);
      if (result != RD_PARSED_COMMAND) return result;
      q = next;
      p->pos = (size_t)(q - data);
      if (p->len != p->first) return RD_PARSED_COMMAND;
      p->skipped = true;
      continue;
    }
    uint64_t count;
    next = plain_header(q, end, &count);
    if (RD_LIKELY(next != NULL)) {
      p->scanned = 0;
    } else {
      int64_t n;
      rd_parsed result = any_header(p, q, end, &n, &next);
      if (result != RD_PARSED_COMMAND) return result;
      count = n < 0 ? 0 : (uint64_t)n;
    }
    if (RD_UNLIKELY(count > RD_MAX_ARGS)) return protocol_error(p, "invalid multibulk length");
    if (RD_UNLIKELY(p->limited && count > RD_MAX_ARGS_NOAUTH))
      return protocol_error(p, "unauthenticated multibulk length");
    q = next;
    p->pos = (size_t)(q - data);
    p->missing = (uint32_t)count;
    p->skipped |= count == 0;
  }
  return arguments(p, data, q, end);
}

void rd_parser_forget(rd_parser *p) {
  uint32_t unfinished = p->missing != 0 ? p->len - p->first : 0;
  if (unfinished != 0 && p->first != 0) memmove(p->argv, p->argv + p->first, unfinished * sizeof *p->argv);
  p->first = 0;
  p->len = unfinished;
}

void rd_parser_moved(rd_parser *p, uintptr_t was, size_t len, const uint8_t *now, size_t shift) {
  for (uint32_t i = 0; i < p->len; i++) {
    uintptr_t at = (uintptr_t)p->argv[i].data;
    if (at - was >= shift && at - was < len) p->argv[i].data = now + (at - was - shift);
  }
  p->start -= shift;
  p->pos -= shift;
}

void rd_parser_trim(rd_parser *p) {
  if (p->len == 0 && p->cap > KEEP_ARGS) {
    free(p->argv);
    p->argv = NULL;
    p->cap = 0;
  }
  if (p->len == 0 && p->scratch_cap > KEEP_SCRATCH) {
    free(p->scratch);
    p->scratch = NULL;
    p->scratch_cap = 0;
  }
}
