/* test_glob.c - glob patterns: the same matches as KEYS of redis-server 7.0. */
#include <stdlib.h>
#include <time.h>

#include "base/glob.h"
#include "check.h"

static bool glob(const char *pattern, const char *text, bool nocase) {
  return rd_glob((rd_bytes){(const uint8_t *)pattern, strlen(pattern)}, (rd_bytes){(const uint8_t *)text, strlen(text)},
                 nocase);
}

#define YES(pattern, text) CHECK(glob(pattern, text, false))
#define NO(pattern, text) CHECK(!glob(pattern, text, false))

static void plain_bytes_match_themselves(void) {
  YES("abc", "abc");
  NO("abc", "abd");
  NO("abc", "ab");
  NO("abc", "abcd");
  NO("abc", "ABC");
  YES("", "");
  NO("", "a");
  NO("a", "");
}

static void a_star_matches_any_bytes(void) {
  YES("*", "abc");
  YES("a*", "a");
  YES("a*", "abc");
  YES("*c", "abc");
  YES("a*c", "ac");
  YES("a*c", "abcbc");
  NO("a*c", "abcb");
  YES("*b*", "abc");
  YES("a**c", "abc");
  YES("*a*b*c*", "xaybzc");
  NO("*a*b*c*", "xaybz");
  YES("ab***", "ab");
  YES("*ab", "aab");
  YES("*aab", "aaab");
}

static void a_star_does_not_match_an_empty_text(void) {
  NO("*", "");
  NO("**", "");
}

static void a_question_mark_matches_one_byte(void) {
  YES("a?c", "abc");
  NO("a?c", "ac");
  NO("?", "");
  YES("??", "ab");
  NO("??", "abc");
}

static void a_class_matches_one_of_its_bytes(void) {
  YES("[abc]", "b");
  NO("[abc]", "d");
  YES("[a-c]x", "bx");
  YES("[c-a]x", "bx");
  NO("[a-c]", "d");
  YES("[^a-c]", "d");
  NO("[^a-c]", "b");
  NO("[^a]", "");
  YES("[a^]", "^");
  YES("[\\]]", "]");
  YES("[\\-a]", "-");
  NO("[a\\-c]", "b");
  YES("[a-]", "]"); /* a range to the bracket, in a class without an end */
  NO("[]", "]");
  NO("[]a]", "a]");
  YES("[^]", "x");
  YES("[^]]", "x]");
}

static void an_unclosed_class_ends_with_the_pattern(void) {
  YES("[ab", "a");
  NO("[ab", "c");
  NO("[", "[");
  NO("[", "a");
  YES("[^", "a");
  YES("[a-", "-");
  YES("[a\\", "\\");
}

static void ranges_compare_signed_bytes(void) {
  YES("[\x80-\xff]", "\xe9");
  NO("[\x80-\xff]", "a");
  YES("[a-\xff]", "\xff");
  YES("[a-\xff]", "A");
  NO("[a-\xff]", "b");
  NO("[a-\xff]", "\xfe");
}

static void a_backslash_makes_the_next_byte_literal(void) {
  YES("\\*", "*");
  NO("\\*", "a");
  YES("a\\?c", "a?c");
  NO("a\\?c", "abc");
  YES("\\\\", "\\");
  YES("a\\", "a\\");
  YES("\\a", "a");
}

static void matching_may_ignore_case(void) {
  CHECK(glob("MaxMemory*", "maxmemory-policy", true));
  CHECK(glob("[a-c]", "B", true));
  CHECK(!glob("[\\A]", "a", true)); /* as in Redis */
  CHECK(!glob("[a]", "@", true));
}

static void zero_bytes_match_like_others(void) {
  CHECK(rd_glob((rd_bytes){(const uint8_t *)"a\0*", 3}, (rd_bytes){(const uint8_t *)"a\0b", 3}, false));
  CHECK(!rd_glob((rd_bytes){(const uint8_t *)"a\0c", 3}, (rd_bytes){(const uint8_t *)"a\0b", 3}, false));
}

/* A pattern for which trying all splits takes 2^30 years. */
static void many_stars_match_quickly(void) {
  char pattern[2 * 200 + 2], text[4001];
  for (int i = 0; i < 200; i++) memcpy(pattern + 2 * i, "*a", 2);
  memcpy(pattern + 400, "b", 2);
  memset(text, 'a', 4000);
  text[4000] = 0;
  clock_t start = clock();
  NO(pattern, text);
  CHECK(clock() - start < CLOCKS_PER_SEC);
}

/* A pattern and a text of a mebibyte each, which nearly match at every position. */
static void matching_stops_after_a_bounded_number_of_steps(void) {
  size_t len = 1 << 20;
  uint8_t *text = malloc(len), *pattern = malloc(len);
  memset(text, 'a', len);
  memset(pattern, 'a', len);
  pattern[0] = '*';
  pattern[len / 2] = 'b';
  clock_t start = clock();
  CHECK(!rd_glob((rd_bytes){pattern, len / 2 + 1}, (rd_bytes){text, len}, false));
  memset(pattern, '[', len); /* one class as long as the pattern, searched for every byte */
  pattern[0] = '*';
  CHECK(!rd_glob((rd_bytes){pattern, len}, (rd_bytes){text, len}, false));
  CHECK(clock() - start < 2 * CLOCKS_PER_SEC);
  free(text);
  free(pattern);
}

/* Redis's bound of nesting (CVE-2024-31228), asked of redis-server 7.0. */
static void a_pattern_may_have_a_thousand_stars(void) {
  enum { MOST = 1000 };
  char pattern[2 * MOST + 8], text[3 * MOST + 1];
  memset(text, 'a', 3 * MOST);
  text[3 * MOST] = 0;
  for (int i = 0; i <= MOST; i++) memcpy(pattern + 2 * i, "*a", 3);
  NO(pattern, text);
  pattern[2 * MOST] = 0;
  YES(pattern, text);
  strcpy(pattern + 2 * MOST, "**");
  YES(pattern, text);
}

static void many_texts_share_one_bound_of_steps(void) {
  uint64_t steps = 100;
  rd_bytes pattern = {(const uint8_t *)"*b", 2}, text = {(const uint8_t *)"aab", 3};
  int matched = 0;
  while (rd_glob_within(pattern, text, false, &steps)) matched++;
  CHECK_INT(steps, 0);
  CHECK(matched > 10 && matched < 34);
  CHECK(!rd_glob_within(text, text, false, &steps));
}

/* Every part of the pattern that is read counts as steps: stars, classes, and even an empty pattern. */
static void every_match_uses_up_steps(void) {
  size_t len = 1 << 20;
  uint8_t *stars = malloc(len), *open = malloc(len);
  memset(stars, '*', len);
  memset(open, '[', len);
  const rd_bytes patterns[] = {{stars, len}, {open, len}, {open, 0}};
  for (int i = 0; i < 3; i++) {
    uint64_t steps = 4 * len;
    unsigned long calls = 0;
    while (steps != 0) {
      rd_glob_within(patterns[i], (rd_bytes){(const uint8_t *)"a", 1}, false, &steps);
      calls++;
    }
    CHECK(calls <= (patterns[i].len == 0 ? 4 * len : 8));
  }
  free(stars);
  free(open);
}

int main(void) {
  RUN(plain_bytes_match_themselves);
  RUN(a_star_matches_any_bytes);
  RUN(a_star_does_not_match_an_empty_text);
  RUN(a_question_mark_matches_one_byte);
  RUN(a_class_matches_one_of_its_bytes);
  RUN(an_unclosed_class_ends_with_the_pattern);
  RUN(ranges_compare_signed_bytes);
  RUN(a_backslash_makes_the_next_byte_literal);
  RUN(matching_may_ignore_case);
  RUN(zero_bytes_match_like_others);
  RUN(many_stars_match_quickly);
  RUN(matching_stops_after_a_bounded_number_of_steps);
  RUN(a_pattern_may_have_a_thousand_stars);
  RUN(many_texts_share_one_bound_of_steps);
  RUN(every_match_uses_up_steps);
  return check_end();
}
