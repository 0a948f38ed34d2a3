/* match.c - Lua's patterns.
 *
 * A pattern ends at its first NUL, as in Lua 5.1. One call of rd_match_at consumes items of the pattern in a loop, and
 * calls itself where it may have to come back: behind a repetition, and for captures. */
#include "script/match.h"

#include <stdbool.h>
#include <string.h>

#include "script/budget.h"

#define OPEN (-1)
#define POSITION (-2)
#define REPORT 4096

static void work(rd_match *m, uint64_t steps) {
  m->steps += steps;
  if (m->steps < REPORT) return;
  steps = m->steps;
  m->steps = 0;
  rd_spend(m->L, steps);
}

void rd_match_begin(rd_match *m, lua_State *L, const char *source, size_t len, const char *pattern,
                    size_t pattern_len) {
  m->L = L;
  m->source = source;
  m->source_end = source + len;
  m->pattern_end = pattern + strnlen(pattern, pattern_len);
  m->steps = 0;
  m->depth = 0;
  m->level = 0;
}

void rd_match_end(rd_match *m) {
  if (m->steps < 64) return; /* a call costs the script's own instructions as much */
  rd_spend(m->L, m->steps);
  m->steps = 0;
}

static bool is_lower(unsigned char c) { return c >= 'a' && c <= 'z'; }
static bool is_upper(unsigned char c) { return c >= 'A' && c <= 'Z'; }
static bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
static bool is_letter(unsigned char c) { return is_lower(c) || is_upper(c); }

/* Does `c` belong to the class that the letter behind a '%' names? Any other byte stands for itself. */
static bool in_class(unsigned char c, unsigned char name) {
  bool found;
  switch (name | 0x20) {
    case 'a':
      found = is_letter(c);
      break;
    case 'c':
      found = c < 32 || c == 127;
      break;
    case 'd':
      found = is_digit(c);
      break;
    case 'l':
      found = is_lower(c);
      break;
    case 'p':
      found = c > 32 && c < 127 && !is_letter(c) && !is_digit(c);
      break;
    case 's':
      found = c == ' ' || (c >= 9 && c <= 13);
      break;
    case 'u':
      found = is_upper(c);
      break;
    case 'w':
      found = is_letter(c) || is_digit(c);
      break;
    case 'x':
      found = is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
      break;
    case 'z':
      found = c == 0;
      break;
    default:
      return name == c;
  }
  return is_upper(name) ? !found : found;
}

/* The end of the single-byte item that begins at `p`: one byte, '%' and a byte, or a set. */
static const char *item_end(rd_match *m, const char *p) {
  const char *end = m->pattern_end;
  char c = *p++;
  if (c == '%') {
    if (p == end) rd_lua.aux_error(m->L, "malformed pattern (ends with '%%')");
    return p + 1;
  }
  if (c != '[') return p;
  if (p < end && *p == '^') p++;
  const char *first = p;
  while (p == first || p >= end || *p != ']') { /* a ']' at the beginning stands for itself */
    if (p >= end) rd_lua.aux_error(m->L, "malformed pattern (missing ']')");
    p += *p == '%' && p + 1 < end ? 2 : 1;
  }
  return p + 1;
}

/* Is `c` in the set from `p`, a '[', to `last`, its ']'? */
static bool in_set(unsigned char c, const char *p, const char *last) {
  bool found = true;
  p++;
  if (*p == '^') {
    found = false;
    p++;
  }
  for (; p < last; p++) {
    if (*p == '%') {
      p++;
      if (in_class(c, (unsigned char)*p)) return found;
    } else if (p[1] == '-' && p + 2 < last) {
      if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2]) return found;
      p += 2;
    } else if ((unsigned char)*p == c) {
      return found;
    }
  }
  return !found;
}

static bool one(rd_match *m, const char *at, const char *p, const char *p_end) {
  if (at >= m->source_end) return false;
  unsigned char c = (unsigned char)*at;
  switch (*p) {
    case '.':
      return true;
    case '%':
      return in_class(c, (unsigned char)p[1]);
    case '[':
      work(m, (uint64_t)(p_end - p) / 4);
      return in_set(c, p, p_end - 1);
    default:
      return (unsigned char)*p == c;
  }
}

/* The end of a balanced text that begins with the byte `p[0]` and ends with `p[1]`. */
static const char *balanced(rd_match *m, const char *at, const char *p) {
  if (m->pattern_end - p < 2) rd_lua.aux_error(m->L, "unbalanced pattern");
  if (at >= m->source_end || *at != p[0]) return NULL;
  size_t depth = 1;
  while (++at < m->source_end) {
    work(m, 1);
    if (*at == p[1]) {
      if (--depth == 0) return at + 1;
    } else if (*at == p[0]) {
      depth++;
    }
  }
  return NULL;
}

static bool at_frontier(rd_match *m, const char *at, const char *p, const char *p_end) {
  unsigned char before = at == m->source ? 0 : (unsigned char)at[-1];
  unsigned char here = at == m->source_end ? 0 : (unsigned char)*at;
  work(m, (uint64_t)(p_end - p) / 2);
  return !in_set(before, p, p_end - 1) && in_set(here, p, p_end - 1);
}

/* The end of a text that equals the capture with this digit. */
static const char *captured_again(rd_match *m, const char *at, unsigned char digit) {
  int i = digit - '1';
  if (i < 0 || i >= m->level || m->captures[i].len == OPEN) rd_lua.aux_error(m->L, "invalid capture index");
  if (m->captures[i].len == POSITION) return NULL;
  size_t len = (size_t)m->captures[i].len;
  if ((size_t)(m->source_end - at) < len) return NULL;
  work(m, len / RD_SPEND_BYTES);
  return memcmp(m->captures[i].at, at, len) == 0 ? at + len : NULL;
}

static const char *longest_first(rd_match *m, const char *at, const char *p, const char *p_end) {
  const char *to = at;
  while (one(m, to, p, p_end)) {
    work(m, 1);
    to++;
  }
  for (; to >= at; to--) {
    work(m, 1);
    const char *end = rd_match_at(m, to, p_end + 1);
    if (end != NULL) return end;
    if (to == at) break; /* no pointer before the source */
  }
  return NULL;
}

static const char *shortest_first(rd_match *m, const char *at, const char *p, const char *p_end) {
  for (;; at++) {
    work(m, 1);
    const char *end = rd_match_at(m, at, p_end + 1);
    if (end != NULL) return end;
    if (!one(m, at, p, p_end)) return NULL;
  }
}

static const char *open_capture(rd_match *m, const char *at, const char *p, ptrdiff_t kind) {
  if (m->level >= RD_MATCH_CAPTURES) rd_lua.aux_error(m->L, "too many captures");
  m->captures[m->level].at = at;
  m->captures[m->level].len = kind;
  m->level++;
  const char *end = rd_match_at(m, at, p);
  if (end == NULL) m->level--;
  return end;
}

static const char *close_capture(rd_match *m, const char *at, const char *p) {
  int i = m->level - 1;
  while (i >= 0 && m->captures[i].len != OPEN) i--;
  if (i < 0) rd_lua.aux_error(m->L, "invalid pattern capture");
  m->captures[i].len = at - m->captures[i].at;
  const char *end = rd_match_at(m, at, p);
  if (end == NULL) m->captures[i].len = OPEN;
  return end;
}

static const char *match_items(rd_match *m, const char *at, const char *p) {
  for (;;) {
    work(m, 1);
    if (p == m->pattern_end) return at;
    char next = p + 1 < m->pattern_end ? p[1] : 0;
    const char *p_end;
    if (*p == '(') return next == ')' ? open_capture(m, at, p + 2, POSITION) : open_capture(m, at, p + 1, OPEN);
    if (*p == ')') return close_capture(m, at, p + 1);
    if (*p == '$' && next == 0) return at == m->source_end ? at : NULL;
    if (*p == '%' && next == 'b') {
      at = balanced(m, at, p + 2);
      if (at == NULL) return NULL;
      p += 4;
      continue;
    }
    if (*p == '%' && next == 'f') {
      p += 2;
      if (p == m->pattern_end || *p != '[') rd_lua.aux_error(m->L, "missing '[' after '%%f' in pattern");
      p_end = item_end(m, p);
      if (!at_frontier(m, at, p, p_end)) return NULL;
      p = p_end;
      continue;
    }
    if (*p == '%' && is_digit((unsigned char)next)) {
      at = captured_again(m, at, (unsigned char)next);
      if (at == NULL) return NULL;
      p += 2;
      continue;
    }
    p_end = item_end(m, p);
    switch (p_end < m->pattern_end ? *p_end : 0) {
      case '*':
        return longest_first(m, at, p, p_end);
      case '-':
        return shortest_first(m, at, p, p_end);
      case '+':
        return one(m, at, p, p_end) ? longest_first(m, at + 1, p, p_end) : NULL;
      case '?':
        if (one(m, at, p, p_end)) {
          const char *end = rd_match_at(m, at + 1, p_end + 1);
          if (end != NULL) return end;
        }
        p = p_end + 1;
        continue;
      default:
        if (!one(m, at, p, p_end)) return NULL;
        at++;
        p = p_end;
    }
  }
}

const char *rd_match_at(rd_match *m, const char *at, const char *p) {
  if (m->depth >= RD_MATCH_DEPTH) rd_lua.aux_error(m->L, "pattern too complex");
  m->depth++;
  const char *end = match_items(m, at, p);
  m->depth--;
  return end;
}

void rd_match_push(rd_match *m, int capture, const char *from, const char *to) {
  if (capture >= m->level) {
    if (capture != 0) rd_lua.aux_error(m->L, "invalid capture index");
    rd_lua.pushlstring(m->L, from, (size_t)(to - from));
    work(m, (uint64_t)(to - from) / RD_SPEND_BYTES);
    return;
  }
  ptrdiff_t len = m->captures[capture].len;
  if (len == OPEN) rd_lua.aux_error(m->L, "unfinished capture");
  if (len == POSITION) {
    rd_lua.pushinteger(m->L, m->captures[capture].at - m->source + 1);
  } else {
    rd_lua.pushlstring(m->L, m->captures[capture].at, (size_t)len);
    work(m, (uint64_t)len / RD_SPEND_BYTES);
  }
}

int rd_match_push_all(rd_match *m, const char *from, const char *to) {
  int n = m->level == 0 && from != NULL ? 1 : m->level;
  rd_lua.aux_checkstack(m->L, n, "too many captures");
  for (int i = 0; i < n; i++) rd_match_push(m, i, from, to);
  return n;
}
