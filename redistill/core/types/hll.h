/* hll.h - HyperLogLog values in the format of Redis, so that clients can move them between the two byte by byte.
 *
 * A value is a header of 16 bytes and 16,384 registers of 6 bits:
 *
 *   "HYLL" | encoding: 0 dense, 1 sparse | 3 bytes unused | cardinality, 64 bits little-endian | registers
 *
 * The top bit of the cardinality says that it is out of date. Dense registers are stored one after another, low bits
 * first: 12,288 bytes. Sparse registers are stored as run lengths:
 *
 *   00xxxxxx            x + 1 registers (1 .. 64) are zero
 *   01xxxxxx yyyyyyyy   xy + 1 registers (1 .. 16384) are zero
 *   1vvvvvxx            x + 1 registers (1 .. 4) are v + 1 (1 .. 32)
 *
 * A sparse value becomes dense when a register exceeds 32, or when the value exceeds the bytes of a setting.
 *
 * The functions depend only on their arguments, and use no store. */
#ifndef RD_HLL_H
#define RD_HLL_H

#include "base/base.h"

#define RD_HLL_HEAD 16u
#define RD_HLL_REGISTERS 16384u
#define RD_HLL_DENSE (RD_HLL_HEAD + RD_HLL_REGISTERS * 6 / 8) /* bytes of a dense value */
#define RD_HLL_MAX (RD_HLL_HEAD + RD_HLL_REGISTERS * 2)       /* bytes of the largest valid value */

/* A value while a command works on it. */
typedef struct rd_hll {
  size_t len;
  size_t sparse_max; /* bytes above which a sparse value becomes dense: at most RD_HLL_MAX */
  uint8_t data[RD_HLL_MAX + 8];
} rd_hll;

/* True if a value of `len` bytes that begins with `head` has the header of a HyperLogLog. Reads at most RD_HLL_HEAD
 * bytes of it. */
bool rd_hll_claims(const uint8_t *head, uint64_t len);
bool rd_hll_is_dense(const uint8_t *head);

/* Get the cardinality from the header; false: it is out of date. */
bool rd_hll_cached(const uint8_t *head, uint64_t *count);
void rd_hll_cache(uint8_t *head, uint64_t count);
void rd_hll_forget(uint8_t *head);

/* The register of an element, and the value that this register must reach (1 .. 51). */
unsigned rd_hll_place(const void *data, size_t len, unsigned *reg);

/* Initialize an empty sparse value that may grow to `sparse_max` bytes. Its cached cardinality is 0. */
void rd_hll_init(rd_hll *h, size_t sparse_max);
/* Raise a register to `value`, and change the encoding if necessary. 1: raised; 0: the register was as high already;
 * -1: the value is corrupt. */
int rd_hll_raise(rd_hll *h, unsigned reg, unsigned value);
/* Make a sparse value dense; false: the value is corrupt. */
bool rd_hll_make_dense(rd_hll *h);

/* Access one register in the 12,288 bytes of dense registers. It lies in bytes [at, at + RD_HLL_SPAN(at)). */
#define RD_HLL_AT(reg) ((reg)*6u / 8u)
#define RD_HLL_SPAN(at) ((at) + 1 < RD_HLL_REGISTERS * 6u / 8u ? 2u : 1u)
unsigned rd_hll_get(const uint8_t span[2], unsigned reg);
void rd_hll_put(uint8_t span[2], unsigned reg, unsigned value);

/* Raise each of RD_HLL_REGISTERS bytes to the value's register. false: the value is corrupt, and `registers` is
 * invalid. */
bool rd_hll_merge(uint8_t *registers, const rd_hll *h);
/* Describe a sparse value's runs, e.g. "Z:8436 v:1,1 z:3", as PFDEBUG DECODE does. Returns the text's length; -1:
 * the value is corrupt. `dst` gets as much of the text as fits into `cap` bytes. */
long rd_hll_describe(const rd_hll *h, char *dst, size_t cap);
/* True if registers keep their values, and sparse and dense values agree with each other and with the number of
 * elements. Takes about two milliseconds. */
bool rd_hll_selftest(void);
/* The estimated cardinality of plain registers, one byte each. */
uint64_t rd_hll_count(const uint8_t *registers);

#endif
