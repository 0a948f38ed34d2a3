/* doubles.h - the text of a double: the fewest digits that read back as the same number. */
#ifndef RD_DOUBLES_H
#define RD_DOUBLES_H

#include "base/base.h"

/* Write a double as Redis 7.2 replies with it: "3", "0.1", "1e+22", "-inf", "nan", "-0". Whole numbers up to 2^62 have
 * no exponent. Returns the length; nothing ends the text. */
#define RD_DOUBLE_TEXT 32
size_t rd_format_double(char dst[RD_DOUBLE_TEXT], double d);

#endif
