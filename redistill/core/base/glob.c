/* glob.c - patterns compared with one position to go back to.
 *
 * Every element of a pattern but the star takes exactly one byte. So when an attempt fails, only the position of the
 * last star needs to move on: had an earlier star taken more, the later one would see a shorter text and could not do
 * better. That keeps one position to go back to, where a recursive matcher would try every split of the text between
 * all the stars. */
#include "base/glob.h"

static inline uint8_t fold(uint8_t c, bool nocase) { return nocase && c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c; }

/* True if `c` is in the range. As in Redis, the ends are signed chars ([a-\xff] is -1 .. 97), and are put in order
 * before their case is folded. */
static inline bool in_range(uint8_t first, uint8_t last, uint8_t c, bool nocase) {
  if ((int8_t)first > (int8_t)last) {
    uint8_t swap = first;
    first = last;
    last = swap;
  }
  int8_t v = (int8_t)fold(c, nocase);
  return (int8_t)fold(first, nocase) <= v && v <= (int8_t)fold(last, nocase);
}

/* True if the class that begins at p ('[') contains `c`. *span is set to the number of bytes that the class takes of
 * the pattern. */
static bool match_class(const uint8_t *p, size_t len, uint8_t c, bool nocase, size_t *span) {
  size_t i = 1;
  bool negated = i < len && p[i] == '^', hit = false;
  if (negated) i++;
  while (i < len) {
    if (p[i] == '\\' && i + 1 < len) {
      hit |= p[i + 1] == c; /* here even `nocase` folds nothing, as in Redis */
      i += 2;
    } else if (p[i] == ']') {
      i++;
      break;
    } else if (i + 2 < len && p[i + 1] == '-') {
      hit |= in_range(p[i], p[i + 2], c, nocase);
      i += 3;
    } else {
      hit |= fold(p[i], nocase) == fold(c, nocase);
      i++;
    }
  }
  *span = i;
  return hit != negated;
}

/* True if the element at p (len >= 1, no star) matches the byte `c`. */
static inline bool match_one(const uint8_t *p, size_t len, uint8_t c, bool nocase, size_t *span) {
  *span = 1;
  switch (p[0]) {
    case '?':
      return true;
    case '[':
      return match_class(p, len, c, nocase, span);
    case '\\':
      if (len >= 2) {
        *span = 2;
        p++;
      }
      break;
    default:
      break;
  }
  return fold(p[0], nocase) == fold(c, nocase);
}

/* Take `n` of the steps that are left; false: fewer are left. */
static inline bool take(uint64_t *steps, size_t n) {
  if (RD_UNLIKELY(*steps < n)) {
    *steps = 0;
    return false;
  }
  *steps -= n;
  return true;
}

static inline size_t after_stars(rd_bytes pattern, size_t p) {
  while (p < pattern.len && pattern.data[p] == '*') p++;
  return p;
}

bool rd_glob_within(rd_bytes pattern, rd_bytes text, bool nocase, uint64_t *steps) {
  const uint8_t *pat = pattern.data, *str = text.data;
  size_t p = 0, s = 0;
  size_t retry = SIZE_MAX,
         /* positions after the last star in the pattern, and in the text where it was tried */
      start = 0;
  unsigned stars = 0;

  if (!take(steps, 1)) return false;
  if (text.len == 0) return pattern.len == 0;
  while (s < text.len) {
    size_t span = 1;
    if (p < pattern.len && pat[p] == '*') {
      retry = after_stars(pattern, p);
      if (!take(steps, retry - p)) return false;
      if (retry == pattern.len) return true;
      if (++stars > RD_GLOB_STARS) return false;
      p = retry;
      start = s;
      continue;
    }
    bool hit = p < pattern.len && match_one(pat + p, pattern.len - p, str[s], nocase, &span);
    if (!take(steps, span)) return false;
    if (hit) {
      p += span;
      s++;
    } else {
      if (retry == SIZE_MAX) return false;
      p = retry;
      s = ++start;
    }
  }
  size_t end = after_stars(pattern, p);
  return take(steps, end - p) && end == pattern.len;
}

bool rd_glob(rd_bytes pattern, rd_bytes text, bool nocase) {
  uint64_t steps = RD_GLOB_STEPS;
  return rd_glob_within(pattern, text, nocase, &steps);
}
