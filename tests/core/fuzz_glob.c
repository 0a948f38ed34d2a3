/* fuzz_glob.c - the invariant: for any pattern and text, rd_glob gives the same result as a matcher that tries every
 * split of the text between the stars; it reads no byte outside of the two, and it ends.
 *
 * Input: one byte of flags and a length, the pattern of that length, and the text. */
#include <stdlib.h>

#include "base/glob.h"

#define MAX_PATTERN 63
#define MAX_TEXT 128

/* The number of bytes of the pattern's first element, and whether it matches `c`. */
static size_t span_of(const uint8_t *p, size_t len) {
  if (p[0] == '\\' && len >= 2) return 2;
  if (p[0] != '[') return 1;
  size_t i = 1;
  if (i < len && p[i] == '^') i++;
  while (i < len) {
    if (p[i] == '\\' && i + 1 < len) {
      i += 2;
    } else if (p[i] == ']') {
      return i + 1;
    } else if (i + 2 < len && p[i + 1] == '-') {
      i += 3;
    } else {
      i++;
    }
  }
  return i;
}

static bool reference(rd_bytes pattern, rd_bytes text, bool nocase) {
  static bool can[MAX_PATTERN + 1][MAX_TEXT + 1]; /* does pattern[p..] match text[s..]? */
  if (text.len == 0) return pattern.len == 0;
  bool starts[MAX_PATTERN + 1] = {false};
  for (size_t p = 0; p < pattern.len; p += pattern.data[p] == '*' ? 1 : span_of(pattern.data + p, pattern.len - p)) {
    starts[p] = true;
  }
  for (size_t p = pattern.len + 1; p-- > 0;) {
    if (p < pattern.len && !starts[p]) continue;
    for (size_t s = text.len + 1; s-- > 0;) {
      if (p == pattern.len) {
        can[p][s] = s == text.len;
      } else if (pattern.data[p] == '*') {
        can[p][s] = can[p + 1][s] || (s < text.len && can[p][s + 1]);
      } else {
        size_t span = span_of(pattern.data + p, pattern.len - p);
        can[p][s] = s < text.len && can[p + span][s + 1] &&
                    rd_glob((rd_bytes){pattern.data + p, span}, (rd_bytes){text.data + s, 1}, nocase);
      }
    }
  }
  return can[0][0];
}

/* A copy of the bytes in a block of its own, so that the sanitizer detects a read outside of it. */
static uint8_t *alone(const uint8_t *data, size_t len) {
  uint8_t *p = malloc(len > 0 ? len : 1);
  if (p == NULL) abort();
  if (len > 0) memcpy(p, data, len);
  return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) return 0;
  bool nocase = data[0] & 0x80;
  size_t len = data[0] & 0x3f;
  if (len > size - 1) len = size - 1;
  if (size - 1 - len > MAX_TEXT) size = 1 + len + MAX_TEXT;
  uint8_t *pattern = alone(data + 1, len), *text = alone(data + 1 + len, size - 1 - len);
  rd_bytes p = {pattern, len}, t = {text, size - 1 - len};
  if (rd_glob(p, t, nocase) != reference(p, t, nocase)) abort();
  free(pattern);
  free(text);
  return 0;
}
