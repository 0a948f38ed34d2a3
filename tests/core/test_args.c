/* test_args.c - parsing numbers and words of arguments, and formatting numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "command/call.h"
#include "command/command.h"

static rd_bytes text(const char *s) { return (rd_bytes){(const uint8_t *)s, strlen(s)}; }

static bool is_i64(const char *s, int64_t wanted) {
  int64_t n = 77;
  return rd_parse_i64(text(s), &n) && n == wanted;
}

static void integers_are_canonical_decimal(void) {
  int64_t n;
  CHECK(is_i64("0", 0) && is_i64("7", 7) && is_i64("-1", -1) && is_i64("10", 10));
  CHECK(is_i64("9223372036854775807", INT64_MAX));
  CHECK(is_i64("-9223372036854775808", INT64_MIN));
  static const char *const wrong[] = {"",
                                      "-",
                                      "+1",
                                      "00",
                                      "01",
                                      "-0",
                                      "-01",
                                      " 1",
                                      "1 ",
                                      "1\n",
                                      "1.0",
                                      "1e3",
                                      "0x10",
                                      "--1",
                                      "a",
                                      "1a",
                                      "/",
                                      ":",
                                      "1/",
                                      "1:",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "18446744073709551616",
                                      "18446744073709551617",
                                      "99999999999999999999",
                                      "-99999999999999999999",
                                      "111111111111111111111"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) CHECK(!rd_parse_i64(text(wrong[i]), &n));
  CHECK(!rd_parse_i64((rd_bytes){(const uint8_t *)"1\0", 2}, &n));
}

static void a_formatted_number_parses_back(void) {
  char dst[RD_I64_TEXT], same[32];
  uint64_t x = 88172645463325252ull;
  for (int i = 0; i < 100000; i++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    int64_t v = (int64_t)x >> (i % 64);
    size_t len = rd_format_i64(dst, v);
    snprintf(same, sizeof same, "%lld", (long long)v);
    CHECK(len == strlen(same) && memcmp(dst, same, len + 1) == 0);
    CHECK(is_i64(dst, v));
  }
  for (int64_t power = 1;; power *= 10) {
    for (int64_t v = power - 1; v <= power; v++) {
      rd_format_i64(dst, v);
      CHECK(is_i64(dst, v));
      rd_format_i64(dst, -v);
      CHECK(is_i64(dst, -v));
    }
    if (power > INT64_MAX / 10) break;
  }
  CHECK(rd_format_i64(dst, INT64_MIN) == 20 && strcmp(dst, "-9223372036854775808") == 0);
  CHECK(rd_format_i64(dst, INT64_MAX) == 19 && strcmp(dst, "9223372036854775807") == 0);
  CHECK(rd_format_i64(dst, 0) == 1 && strcmp(dst, "0") == 0);
}

static void a_float_takes_the_whole_argument_and_is_a_number(void) {
  long double v;
  double d;
  static const char *const right[] = {"0", "-0", "1", "3.0e3", "-.5", "5.", "+1", "1e-30", "inf", "-Infinity", "0x1p4"};
  for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
    CHECK(rd_parse_long_double(text(right[i]), &v) && v == strtold(right[i], NULL));
    CHECK(rd_parse_double(text(right[i]), &d) && d == strtod(right[i], NULL));
  }
  static const char *const wrong[] = {"",    " 1", "1 ",  "\t1",     "\n1",      "nan",      "-nan", "nan(1)",
                                      "1,5", "1e", "abc", "1e99999", "-1e99999", "1e-99999", "."};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    CHECK(!rd_parse_long_double(text(wrong[i]), &v));
    CHECK(!rd_parse_double(text(wrong[i]), &d));
  }
  CHECK(!rd_parse_long_double((rd_bytes){(const uint8_t *)"1\0", 2}, &v));
}

/* Of up to 18 characters: digits, mostly, with a sign, points and letters here and there. */
static void a_double_is_the_one_that_strtod_reads(void) {
  uint64_t seed = 7;
  int numbers = 0;
  for (int i = 0; i < 300000; i++) {
    char s[20], *end;
    size_t n = 0;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    uint64_t random = seed >> 20, length = random % 19;
    if (random >> 8 & 1) s[n++] = '-';
    while (n < length) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      s[n++] = (seed >> 40) % 24 == 0 ? '.' : (seed >> 40) % 241 == 1 ? 'e' : (char)('0' + (seed >> 50) % 10);
    }
    s[n] = 0;
    double expected = strtod(s, &end), d;
    bool right = n != 0 && *end == 0 && end != s && isfinite(expected);
    CHECK(rd_parse_double(text(s), &d) == right);
    CHECK(!right || memcmp(&d, &expected, sizeof d) == 0);
    numbers += right;
  }
  CHECK(numbers > 100000);
}

static void the_text_of_a_float_is_bounded(void) {
  static char digits[5 * 1024];
  long double v;
  memset(digits, '0', sizeof digits);
  CHECK(rd_parse_long_double((rd_bytes){(const uint8_t *)digits, sizeof digits - 1}, &v) && v == 0);
  CHECK(!rd_parse_long_double((rd_bytes){(const uint8_t *)digits, sizeof digits}, &v));
}

static bool formats(long double v, const char *wanted) {
  char dst[RD_LONG_DOUBLE_TEXT];
  return rd_format_long_double(dst, sizeof dst, v) == strlen(wanted) && strcmp(dst, wanted) == 0;
}

static void floats_are_written_without_an_exponent_or_needless_zeros(void) {
  CHECK(formats(0, "0") && formats(-0.0L, "0") && formats(3, "3") && formats(-3, "-3") && formats(1e3L, "1000"));
  CHECK(formats(10.5L, "10.5") && formats(-0.25L, "-0.25") && formats(0.1L, "0.1"));
  CHECK(formats(1e-17L, "0.00000000000000001") && formats(1e-18L, "0"));
  CHECK(formats(5e20L, "500000000000000000000"));
  CHECK(formats(INFINITY, "inf") && formats(-INFINITY, "-inf"));
  char dst[RD_LONG_DOUBLE_TEXT];
  CHECK(rd_format_long_double(dst, sizeof dst, 1.18973149535723176502e+4932L) == 4933); /* the largest there is */
  CHECK(rd_format_long_double(dst, 4, 3) == 0); /* a text that does not fit before it is shortened fails */
  CHECK(rd_format_long_double(dst, 3, INFINITY) == 0);
}

static void words_compare_without_case(void) {
  CHECK(rd_arg_is(text("ex"), "ex") && rd_arg_is(text("EX"), "ex") && rd_arg_is(text("eX"), "ex"));
  CHECK(!rd_arg_is(text("e"), "ex") && !rd_arg_is(text("exx"), "ex") && !rd_arg_is(text(""), "ex"));
  CHECK(rd_arg_is(text("NO-EVICT"), "no-evict") && !rd_arg_is(text("NO\revict"), "no-evict"));
  CHECK(rd_arg_is(text(""), ""));
  CHECK(!rd_arg_is((rd_bytes){(const uint8_t *)"ex\0", 3}, "ex"));
  CHECK(!rd_arg_is((rd_bytes){(const uint8_t *)"[", 1}, "{") && !rd_arg_is((rd_bytes){(const uint8_t *)"@", 1}, "`"));
}

int main(void) {
  RUN(integers_are_canonical_decimal);
  RUN(a_formatted_number_parses_back);
  RUN(a_float_takes_the_whole_argument_and_is_a_number);
  RUN(a_double_is_the_one_that_strtod_reads);
  RUN(the_text_of_a_float_is_bounded);
  RUN(floats_are_written_without_an_exponent_or_needless_zeros);
  RUN(words_compare_without_case);
  return check_end();
}
