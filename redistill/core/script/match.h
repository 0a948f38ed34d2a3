/* match.h - Lua's patterns, as section 5.4.1 of its manual describes them, with a bound on the work.
 *
 * A pattern can go back so often that it never ends. The matcher reports its steps to rd_spend, and it goes into itself
 * at most RD_MATCH_DEPTH times. */
#ifndef RD_SCRIPT_MATCH_H
#define RD_SCRIPT_MATCH_H

#include <stdint.h>

#include "script/lua.h"

#define RD_MATCH_CAPTURES 32
#define RD_MATCH_DEPTH 1000

typedef struct rd_match {
  lua_State *L;
  const char *source, *source_end;
  const char *pattern_end;
  uint64_t steps; /* that were not reported yet */
  int depth, level;
  struct {
    const char *at;
    ptrdiff_t len; /* or one of two marks: not closed, position only */
  } captures[RD_MATCH_CAPTURES];
} rd_match;

/* Prepare for matches of a pattern in a source; both stay in their places meanwhile. */
void rd_match_begin(rd_match *m, lua_State *L, const char *source, size_t len, const char *pattern, size_t pattern_len);
/* Match the pattern from `p` on with the source from `at` on. Returns the end of the match, or NULL. It raises an error
 * for a pattern that is wrong or too complex. */
const char *rd_match_at(rd_match *m, const char *at, const char *p);
/* Report what is left of the work. */
void rd_match_end(rd_match *m);
/* Push one capture of the match from `from` to `to`: the whole match is capture 0 of a pattern without captures. */
void rd_match_push(rd_match *m, int capture, const char *from, const char *to);
/* Push all captures and return their number. Without captures this is the whole match, or nothing if `from` is NULL. */
int rd_match_push_all(rd_match *m, const char *from, const char *to);

#endif
