/* check.h - macros for the C tests. A test is a function whose name is a sentence about behaviour. A failed check is
 * printed, and the rest of the test still runs. main() ends with `return check_end();`, which prints `N passed, N
 * failed`. */
#ifndef RD_CHECK_H
#define RD_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static unsigned check_passed, check_failed;
static bool check_ok;

#define CHECK_FAIL(...)                        \
  do {                                         \
    printf("    %s:%d: ", __FILE__, __LINE__); \
    printf(__VA_ARGS__);                       \
    printf("\n");                              \
    check_ok = false;                          \
  } while (0)

#define CHECK(condition)                                 \
  do {                                                   \
    if (!(condition)) CHECK_FAIL("not so: " #condition); \
  } while (0)

#define CHECK_INT(value, expected)                                                           \
  do {                                                                                       \
    long long check_v = (long long)(value), check_e = (long long)(expected);                 \
    if (check_v != check_e) CHECK_FAIL("%s is %lld and not %lld", #value, check_v, check_e); \
  } while (0)

static inline void check_print(const char *label, const void *data, size_t len) {
  const uint8_t *p = data;
  printf("      %s \"", label);
  for (size_t i = 0; i < len && i < 300; i++) {
    if (p[i] == '\r')
      printf("\\r");
    else if (p[i] == '\n')
      printf("\\n");
    else if (p[i] == '"' || p[i] == '\\')
      printf("\\%c", p[i]);
    else if (p[i] < 0x20 || p[i] > 0x7e)
      printf("\\x%02x", p[i]);
    else
      putchar(p[i]);
  }
  printf("\"%s (%zu bytes)\n", len > 300 ? "..." : "", len);
}

/* Compare bytes. */
#define CHECK_BYTES(data, len, expected, expected_len)                                    \
  do {                                                                                    \
    const void *check_d = (data), *check_x = (expected);                                  \
    size_t check_l = (len), check_n = (expected_len);                                     \
    if (check_l != check_n || (check_l != 0 && memcmp(check_d, check_x, check_l) != 0)) { \
      CHECK_FAIL("%s", #data);                                                            \
      check_print("is      ", check_d, check_l);                                          \
      check_print("and not ", check_x, check_n);                                          \
    }                                                                                     \
  } while (0)

/* Compare bytes with a string. */
#define CHECK_TEXT(data, len, text) CHECK_BYTES(data, len, text, strlen(text))

static inline void check_run(const char *name, void (*test)(void)) {
  check_ok = true;
  test();
  printf("%s %s\n", check_ok ? "ok  " : "FAIL", name);
  fflush(stdout);
  if (check_ok)
    check_passed++;
  else
    check_failed++;
}
#define RUN(test) check_run(#test, test)

static inline int check_end(void) {
  printf("%u passed, %u failed\n", check_passed, check_failed);
  return check_failed != 0;
}

#endif
