/* glob.h - the pattern language of KEYS, SCAN MATCH, CONFIG GET and PSUBSCRIBE. */
#ifndef RD_GLOB_H
#define RD_GLOB_H

#include "base.h"

/* Does the whole of `text` match `pattern`, byte by byte?
 *
 *   *      any bytes, none included (but an empty text matches the empty pattern only: Redis's KEYS ** skips the
 *          empty key too, and KEYS * does not ask)
 *   ?      any one byte
 *   [ab]   one of these; [a-z] a range, either end first, of signed bytes; [^ab] none of these; \] a bracket inside.
 *          A class that is not closed ends with the pattern
 *   \x     the byte x; a last backslash stands for itself
 *
 * `nocase` folds ASCII letters. Time is at most |pattern| * |text|, and stops at RD_GLOB_STEPS comparisons: what takes
 * more does not match. No memory is taken. */
bool rd_glob(rd_bytes pattern, rd_bytes text, bool nocase);

#define RD_GLOB_STEPS (1u << 24) /* some tens of milliseconds; ordinary patterns need a few hundred */

#endif
