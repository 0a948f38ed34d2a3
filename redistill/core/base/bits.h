/* bits.h - bits of byte strings: counting, searching, fields. Bit 0 is the most significant bit of byte 0, as in Redis.
 *
 * Plain functions of their arguments; no store. */
#ifndef RD_BITS_H
#define RD_BITS_H

#include "base/base.h"

/* The number of bits that are set. */
uint64_t rd_bits_count(const uint8_t *p, size_t len);
/* The same without an instruction that the processor may lack, for the tests. */
uint64_t rd_bits_count_anywhere(const uint8_t *p, size_t len);

/* Position of the first bit that equals `bit`, or -1. */
int64_t rd_bits_find(const uint8_t *p, size_t len, unsigned bit);

/* dst[i] = dst[i] op src[i]. */
void rd_bits_and(uint8_t *restrict dst, const uint8_t *restrict src, size_t len);
void rd_bits_or(uint8_t *restrict dst, const uint8_t *restrict src, size_t len);
void rd_bits_xor(uint8_t *restrict dst, const uint8_t *restrict src, size_t len);
void rd_bits_not(uint8_t *dst, size_t len);

/* The field of `width` (1 .. 64) bits that begins `shift` (0 .. 7) bits into a window of nine bytes. */
#define RD_BITS_WINDOW 9u
uint64_t rd_bits_get(const uint8_t window[RD_BITS_WINDOW], unsigned shift, unsigned width);
void rd_bits_put(uint8_t window[RD_BITS_WINDOW], unsigned shift, unsigned width, uint64_t value);

/* Parse a bit offset of SETBIT or BITFIELD, at most `most` bytes into the value. With `width` not 0, "#n" is the
 * n-th field of that width. */
bool rd_bits_offset(rd_bytes arg, unsigned width, uint64_t most, uint64_t *out);

#endif
