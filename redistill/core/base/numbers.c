/* numbers.c - parses and formats decimal integers, doubles and long doubles. */
#include "base/numbers.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool rd_parse_i64(rd_bytes s, int64_t *out) {
  const uint8_t *p = s.data;
  size_t len = s.len;
  if (len == 0 || len > 20) return false;
  bool negative = *p == '-';
  if (negative) {
    p++;
    len--;
    if (len == 0) return false;
  }
  if (*p == '0') { /* "0" only: no leading zeros, and no "-0" */
    *out = 0;
    return len == 1 && !negative;
  }
  /* Up to 19 digits cannot pass 2^64; a twentieth is too many for 63 bits. */
  if (len > 19) return false;
  uint64_t n = 0;
  for (size_t i = 0; i < len; i++) {
    unsigned digit = (unsigned)p[i] - '0';
    if (digit > 9) return false;
    n = n * 10 + digit;
  }
  if (n > (uint64_t)INT64_MAX + negative) return false;
  *out = negative ? (int64_t)(0 - n) : (int64_t)n;
  return true;
}

/* The argument with a terminating zero, for strtod and strtold. The bound on such a text is Redis's. */
#define RD_FLOAT_TEXT (5 * 1024)

static bool float_text(rd_bytes s, char dst[RD_FLOAT_TEXT]) {
  if (s.len == 0 || s.len >= RD_FLOAT_TEXT) return false;
  /* The C functions would skip white space at the start. */
  if (s.data[0] == ' ' || (s.data[0] >= '\t' && s.data[0] <= '\r')) return false;
  memcpy(dst, s.data, s.len);
  dst[s.len] = 0;
  return true;
}

bool rd_parse_long_double(rd_bytes s, long double *out) {
  char text[RD_FLOAT_TEXT];
  if (!float_text(s, text)) return false;
  char *end;
  errno = 0;
  long double v = strtold(text, &end);
  if ((size_t)(end - text) != s.len || isnan(v)) return false;
  if (errno == ERANGE && (isinf(v) || fpclassify(v) == FP_ZERO)) return false;
  *out = v;
  return true;
}

/* Parse a number of at most 15 digits, perhaps with a point among them. The digits and the power of ten are exact as
 * doubles, so their quotient is the closest double (Clinger, "How to read floating point numbers accurately", 1990).
 * False: the text is another one. */
static bool parse_short(rd_bytes s, double *out) {
  static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  bool negative = s.len != 0 && s.data[0] == '-', point = false;
  unsigned digits = 0, behind = 0;
  uint64_t n = 0;
  if (s.len > 17) return false;
  for (size_t i = negative; i < s.len; i++) {
    unsigned digit = (unsigned)s.data[i] - '0';
    if (s.data[i] == '.' && !point) {
      point = true;
      continue;
    }
    if (digit > 9) return false;
    n = n * 10 + digit;
    digits++;
    behind += point;
  }
  if (digits == 0 || digits > 15) return false;
  double v = (double)n / powers[behind];
  *out = negative ? -v : v;
  return true;
}

bool rd_parse_double(rd_bytes s, double *out) {
  if (RD_LIKELY(parse_short(s, out))) return true;
  char text[RD_FLOAT_TEXT];
  if (!float_text(s, text)) return false;
  char *end;
  errno = 0;
  double v = strtod(text, &end);
  if ((size_t)(end - text) != s.len || isnan(v)) return false;
  if (errno == ERANGE && (isinf(v) || fpclassify(v) == FP_ZERO)) return false;
  *out = v;
  return true;
}

static const char TWO_DIGITS[] =
    "000102030405060708091011121314151617181920212223242526272829303132333435363738394041424344454647484950515253545556"
    "57"
    "585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/* The number of decimal digits of n. */
static size_t count_digits(uint64_t n) {
  size_t digits = 1;
  for (;;) {
    if (n < 10) return digits;
    if (n < 100) return digits + 1;
    if (n < 1000) return digits + 2;
    if (n < 10000) return digits + 3;
    n /= 10000;
    digits += 4;
  }
}

size_t rd_format_i64(char dst[RD_I64_TEXT], int64_t v) {
  uint64_t n = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
  size_t sign = v < 0;
  size_t len = sign + count_digits(n);
  dst[0] = '-';
  char *p = dst + len;
  *p = 0;
  while (n >= 100) {
    p -= 2;
    memcpy(p, TWO_DIGITS + n % 100 * 2, 2);
    n /= 100;
  }
  if (n >= 10) {
    memcpy(p - 2, TWO_DIGITS + n * 2, 2);
  } else {
    p[-1] = (char)('0' + n);
  }
  return len;
}

size_t rd_format_long_double(char *dst, size_t cap, long double v) {
  if (isinf(v)) {
    const char *text = v > 0 ? "inf" : "-inf";
    size_t len = strlen(text);
    if (len + 1 > cap) return 0;
    memcpy(dst, text, len + 1);
    return len;
  }
  int printed = snprintf(dst, cap, "%.17Lf", v);
  if (printed < 0 || (size_t)printed + 1 > cap) return 0;
  size_t len = (size_t)printed;
  while (dst[len - 1] == '0') len--; /* there is a point, so the loop ends at it */
  if (dst[len - 1] == '.') len--;
  if (len == 2 && dst[0] == '-' && dst[1] == '0') { /* minus zero is zero */
    dst[0] = '0';
    len = 1;
  }
  dst[len] = 0;
  return len;
}
