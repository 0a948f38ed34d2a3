/* numbers.h - parses numbers from text, and formats them, as Redis does. */
#ifndef RD_NUMBERS_H
#define RD_NUMBERS_H

#include "base/base.h"

/* Parse a canonical decimal signed 64-bit number (no "+", no leading zeros or spaces), as Redis's string2ll. */
bool rd_parse_i64(rd_bytes s, int64_t *out);
/* Parse a long double as Redis does for INCRBYFLOAT: no spaces, no NaN. False: the text is not a number. */
bool rd_parse_long_double(rd_bytes s, long double *out);
bool rd_parse_double(rd_bytes s, double *out);

/* Write n in decimal; returns the length of the text. */
#define RD_I64_TEXT 21
size_t rd_format_i64(char dst[RD_I64_TEXT], int64_t n);
/* Write a long double in Redis's human form, as INCRBYFLOAT stores it (%.17Lf without trailing zeros); returns the
 * length of the text, or 0 when it does not fit. */
#define RD_LONG_DOUBLE_TEXT 5200
size_t rd_format_long_double(char *dst, size_t cap, long double v);

#endif
