/* glob.h - the pattern language of KEYS, SCAN MATCH, CONFIG GET and PSUBSCRIBE. */
#ifndef RD_GLOB_H
#define RD_GLOB_H

#include "base/base.h"

/* python: begin */

/* True if the whole of `text` matches `pattern`, byte by byte:
 *
 *   *      any bytes, none included (but an empty text matches the empty pattern only: Redis's KEYS ** skips the
 *          empty key too, and KEYS * does not ask)
 *   ?      any one byte
 *   [ab]   one of these; [a-z] a range, either end first, of signed bytes; [^ab] none of these; \] a bracket inside.
 *          A class that is not closed ends with the pattern
 *   \x     the byte x; a last backslash stands for itself
 *
 * `nocase` folds ASCII letters. A pattern with more than RD_GLOB_STARS stars before its last element matches nothing
 * (Redis's bound since CVE-2024-31228; stars in a row are one). Time is at most |pattern| * |text|, and stops at
 * RD_GLOB_STEPS bytes of the pattern looked at: what takes more does not match. No memory is taken. */
bool rd_glob(rd_bytes pattern, rd_bytes text, bool nocase);
/* The same for many texts: *steps is the number of steps that all of them may take together; each call subtracts its
 * own. 0: later texts do not match. */
bool rd_glob_within(rd_bytes pattern, rd_bytes text, bool nocase, uint64_t *steps);

#define RD_GLOB_STARS 1000u
#define RD_GLOB_STEPS (1u << 22) /* some milliseconds; ordinary patterns need a few hundred steps */

/* python: end */

#endif
