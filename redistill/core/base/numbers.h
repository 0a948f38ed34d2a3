/* numbers.h - numbers from text, and text from numbers, as Redis reads and writes them. */
#ifndef RD_NUMBERS_H
#define RD_NUMBERS_H

#include "base/base.h"

/* A canonical decimal signed 64-bit number (no sign "+", no leading zeros or spaces), as Redis's string2ll. */
bool rd_parse_i64(rd_bytes s, int64_t *out);
/* As Redis's long double for INCRBYFLOAT: no spaces, no NaN; false when it does not parse. */
bool rd_parse_long_double(rd_bytes s, long double *out);
bool rd_parse_double(rd_bytes s, double *out);

/* Decimal text of n; returns its length. */
#define RD_I64_TEXT 21
size_t rd_format_i64(char dst[RD_I64_TEXT], int64_t n);
/* Redis's human form of a long double, as INCRBYFLOAT stores it (%.17Lf without trailing zeros); its length, or 0 when
 * it does not fit. */
#define RD_LONG_DOUBLE_TEXT 5200
size_t rd_format_long_double(char *dst, size_t cap, long double v);

#endif
