/* lzf.h - the LZF format, which DUMP and RESTORE use for long strings.
 *
 * A compressed text is a sequence of
 *   000LLLLL                    L + 1 literal bytes follow
 *   LLLOOOOO OOOOOOOO           L = 1 .. 6: copy L + 2 bytes from O + 1 bytes back in the output
 *   111OOOOO LLLLLLLL OOOOOOOO  the same with L = 7 + the second byte */
#ifndef RD_LZF_H
#define RD_LZF_H

#include "base/base.h"

/* Compress `len` bytes (below 4 GiB) into at most `cap`. Returns the number of bytes written, or 0 when they do not
 * fit (then `dst` has undefined contents). Compressed texts may be concatenated. Takes 32 KiB of stack. */
size_t rd_lzf_compress(const uint8_t *src, size_t len, uint8_t *dst, size_t cap);

/* python: begin */
/* Decompress to exactly `want` bytes. False when the text is invalid or decodes to any other length; then `dst` has
 * undefined contents. A NULL `dst` only validates the text, so that the caller need not allocate memory because a
 * length field says so. */
bool rd_lzf_decompress(const uint8_t *src, size_t len, uint8_t *dst, size_t want);
/* python: end */
/* The same, with a call of yield(arg) every few thousand steps. */
bool rd_lzf_decompress_in_slices(const uint8_t *src, size_t len, uint8_t *dst, size_t want, void (*yield)(void *arg),
                                 void *arg);

#endif
