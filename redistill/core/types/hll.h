/* hll.h - HyperLogLog values in the format of Redis, so that they can be moved in and out byte by byte.
 *
 * A value is a header of 16 bytes and 16,384 registers of 6 bits:
 *
 *   "HYLL" | encoding: 0 dense, 1 sparse | 3 bytes unused | cardinality, 64 bits little-endian | registers
 *
 * The top bit of the cardinality says that it is out of date. Dense registers lie one after another, low bits first:
 * 12,288 bytes. Sparse ones are run lengths:
 *
 *   00xxxxxx            x + 1 registers (1 .. 64) are zero
 *   01xxxxxx yyyyyyyy   xy + 1 registers (1 .. 16384) are zero
 *   1vvvvvxx            x + 1 registers (1 .. 4) are v + 1 (1 .. 32)
 *
 * A sparse value becomes dense when a register exceeds 32, or the value the bytes of a setting.
 *
 * Plain functions of their arguments; no store. */
#ifndef RD_HLL_H
#define RD_HLL_H

#include "base/base.h"

#define RD_HLL_HEAD 16u
#define RD_HLL_REGISTERS 16384u
#define RD_HLL_DENSE (RD_HLL_HEAD + RD_HLL_REGISTERS * 6 / 8) /* bytes of a dense value */
#define RD_HLL_MAX (RD_HLL_HEAD + RD_HLL_REGISTERS * 2)       /* bytes of any value that is not corrupt */

/* A value being worked on. */
typedef struct rd_hll {
  size_t len;
  size_t sparse_max; /* bytes beyond which it does not grow while it is sparse: at most RD_HLL_MAX */
  uint8_t data[RD_HLL_MAX + 8];
} rd_hll;

/* Does a value of `len` bytes that begins with `head` (RD_HLL_HEAD bytes; fewer are never looked at) claim to be one?
 */
bool rd_hll_claims(const uint8_t *head, uint64_t len);
bool rd_hll_is_dense(const uint8_t *head);

/* The cardinality in the header; false when it is out of date. */
bool rd_hll_cached(const uint8_t *head, uint64_t *count);
void rd_hll_cache(uint8_t *head, uint64_t count);
void rd_hll_forget(uint8_t *head);

/* Where an element goes: its register, and the value that the register must reach (1 .. 51). */
unsigned rd_hll_place(const void *data, size_t len, unsigned *reg);

/* An empty sparse value, its cached cardinality 0, that may grow to `sparse_max` bytes. */
void rd_hll_init(rd_hll *h, size_t sparse_max);
/* Raise a register to `value`, changing the encoding when that is due: 1 raised, 0 it was as high, -1 corrupt. */
int rd_hll_raise(rd_hll *h, unsigned reg, unsigned value);
/* Make a sparse value dense; false: corrupt. */
bool rd_hll_make_dense(rd_hll *h);

/* One register of the 12,288 bytes of dense registers. It lies in bytes [at, at + RD_HLL_SPAN(at)). */
#define RD_HLL_AT(reg) ((reg)*6u / 8u)
#define RD_HLL_SPAN(at) ((at) + 1 < RD_HLL_REGISTERS * 6u / 8u ? 2u : 1u)
unsigned rd_hll_get(const uint8_t span[2], unsigned reg);
void rd_hll_put(uint8_t span[2], unsigned reg, unsigned value);

/* Raise each of RD_HLL_REGISTERS bytes to the value's register. false: corrupt, and `registers` is of no use. */
bool rd_hll_merge(uint8_t *registers, const rd_hll *h);
/* A sparse value's runs in words, e.g. "Z:8436 v:1,1 z:3", as PFDEBUG DECODE has them: the text's length; -1: corrupt.
 * `dst` gets as much of the text as fits into `cap` bytes. */
long rd_hll_describe(const rd_hll *h, char *dst, size_t cap);
/* Whether registers keep what they are given, and sparse and dense values agree with each other and with the number of
 * elements. Takes about two milliseconds. */
bool rd_hll_selftest(void);
/* Estimated cardinality of plain registers, one a byte. */
uint64_t rd_hll_count(const uint8_t *registers);

#endif
