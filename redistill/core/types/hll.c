/* hll.c - reads, changes and counts the registers of HyperLogLogs, dense and sparse. */
#include "types/hll.h"

#include <math.h>
#include <stdio.h>

#define INDEX_BITS 14u
#define HASH_BITS (64u - INDEX_BITS) /* bits of a hash from which the register's value is computed */
#define HASH_SEED 0xadc83b19ull
#define SPARSE_VALUE_MAX 32u

bool rd_hll_is_dense(const uint8_t *head) { return head[4] == 0; }

bool rd_hll_claims(const uint8_t *head, uint64_t len) {
  if (len < RD_HLL_HEAD || memcmp(head, "HYLL", 4) != 0 || head[4] > 1) return false;
  return !rd_hll_is_dense(head) || len == RD_HLL_DENSE;
}

bool rd_hll_cached(const uint8_t *head, uint64_t *count) {
  *count = rd_ld64(head + 8);
  return !(head[15] & 0x80);
}

void rd_hll_cache(uint8_t *head, uint64_t count) { rd_st64(head + 8, count); }

void rd_hll_forget(uint8_t *head) { head[15] |= 0x80; }

/* ---- elements ---- */

/* MurmurHash2, the 64-bit variant A, of Austin Appleby (public domain). */
static uint64_t murmur64a(const uint8_t *p, size_t len, uint64_t seed) {
  const uint64_t mul = 0xc6a4a7935bd1e995ull;
  uint64_t h = seed ^ (len * mul);
  for (; len >= 8; p += 8, len -= 8) {
    uint64_t k = rd_ld64(p) * mul;
    k = (k ^ k >> 47) * mul;
    h = (h ^ k) * mul;
  }
  if (len) {
    uint64_t k = 0;
    memcpy(&k, p, len);
    h = (h ^ k) * mul;
  }
  h = (h ^ h >> 47) * mul;
  return h ^ h >> 47;
}

unsigned rd_hll_place(const void *data, size_t len, unsigned *reg) {
  uint64_t hash = murmur64a(data, len, HASH_SEED);
  *reg = (unsigned)(hash & (RD_HLL_REGISTERS - 1));
  /* The run of zeros in the other bits, plus one; a guard bit above them ends it. */
  return 1 + (unsigned)__builtin_ctzll(hash >> INDEX_BITS | 1ull << HASH_BITS);
}

/* ---- dense registers ---- */

unsigned rd_hll_get(const uint8_t span[2], unsigned reg) {
  unsigned shift = reg * 6 & 7;
  unsigned bits = span[0];
  if (shift > 2) bits |= (unsigned)span[1] << 8;
  return bits >> shift & 63;
}

void rd_hll_put(uint8_t span[2], unsigned reg, unsigned value) {
  unsigned shift = reg * 6 & 7;
  span[0] = (uint8_t)((span[0] & ~(63u << shift)) | value << shift);
  if (shift > 2) span[1] = (uint8_t)((span[1] & ~(63u << shift >> 8)) | value << shift >> 8);
}

static int dense_raise(rd_hll *h, unsigned reg, unsigned value) {
  uint8_t *span = h->data + RD_HLL_HEAD + RD_HLL_AT(reg);
  if (rd_hll_get(span, reg) >= value) return 0;
  rd_hll_put(span, reg, value);
  return 1;
}

/* ---- sparse runs ---- */

typedef struct run {
  unsigned bytes;     /* bytes of the run's code; 0: the code is cut off */
  unsigned registers; /* registers that the run covers */
  unsigned value;     /* value of each register; 0 for the zero runs */
} run;

static run run_at(const uint8_t *p, const uint8_t *end) {
  if (*p & 0x80) return (run){1, (*p & 3u) + 1, (*p >> 2 & 31u) + 1};
  if (!(*p & 0x40)) return (run){1, *p + 1u, 0};
  if (end - p < 2) return (run){0, 0, 0};
  return (run){2, ((*p & 63u) << 8 | p[1]) + 1, 0};
}

/* Write the code of a run of 1 .. 4 registers of a value, or of any number of zeros. Returns its end. */
static uint8_t *put_run(uint8_t *p, unsigned registers, unsigned value) {
  if (registers == 0) return p;
  if (value) {
    *p++ = (uint8_t)(0x80 | (value - 1) << 2 | (registers - 1));
  } else if (registers <= 64) {
    *p++ = (uint8_t)(registers - 1);
  } else {
    *p++ = (uint8_t)(0x40 | (registers - 1) >> 8);
    *p++ = (uint8_t)(registers - 1);
  }
  return p;
}

void rd_hll_init(rd_hll *h, size_t sparse_max) {
  h->sparse_max = sparse_max;
  memset(h->data, 0, RD_HLL_HEAD);
  memcpy(h->data, "HYLL\1", 5);
  h->len = (size_t)(put_run(h->data + RD_HLL_HEAD, RD_HLL_REGISTERS, 0) - h->data);
}

bool rd_hll_make_dense(rd_hll *h) {
  uint8_t dense[RD_HLL_DENSE - RD_HLL_HEAD + 1] = {0};
  const uint8_t *end = h->data + h->len;
  unsigned reg = 0;
  for (const uint8_t *p = h->data + RD_HLL_HEAD; p < end;) {
    run r = run_at(p, end);
    if (r.bytes == 0 || reg + r.registers > RD_HLL_REGISTERS) return false;
    for (unsigned i = 0; r.value && i < r.registers; i++) rd_hll_put(dense + RD_HLL_AT(reg + i), reg + i, r.value);
    reg += r.registers;
    p += r.bytes;
  }
  if (reg != RD_HLL_REGISTERS) return false;
  h->data[4] = 0;
  memcpy(h->data + RD_HLL_HEAD, dense, RD_HLL_DENSE - RD_HLL_HEAD);
  h->len = RD_HLL_DENSE;
  return true;
}

/* Join neighbouring runs of one value around `p`, like Redis within the five runs from `p` on. */
static void join_runs(rd_hll *h, uint8_t *p) {
  for (int scan = 5; scan > 0 && p < h->data + h->len; scan--) {
    uint8_t *end = h->data + h->len;
    run r = run_at(p, end);
    if (r.bytes == 0) return;
    if (r.value && end - p > 1) {
      run next = run_at(p + 1, end);
      if (next.value == r.value && r.registers + next.registers <= 4) {
        put_run(p, r.registers + next.registers, r.value);
        memmove(p + 1, p + 2, (size_t)(end - p - 2));
        h->len--;
        continue; /* the joined run may equal the next one, too */
      }
    }
    p += r.bytes;
  }
}

static int sparse_raise(rd_hll *h, unsigned reg, unsigned value) {
  if (value > SPARSE_VALUE_MAX) return rd_hll_make_dense(h) ? dense_raise(h, reg, value) : -1;
  uint8_t *p = h->data + RD_HLL_HEAD, *before = p, *end = h->data + h->len;
  unsigned first = 0; /* the register with which the run at p begins */
  run r = {0, 0, 0};
  for (; p < end; p += r.bytes) {
    r = run_at(p, end);
    if (r.bytes == 0) return -1;
    if (reg < first + r.registers) break;
    first += r.registers;
    before = p;
  }
  if (p >= end) return -1;
  if (r.value >= value) return 0;
  /* Replace the run by up to three: the registers before this one, this one, and those after it. */
  uint8_t code[5], *q = code;
  q = put_run(q, reg - first, r.value);
  q = put_run(q, 1, value);
  q = put_run(q, first + r.registers - 1 - reg, r.value);
  size_t bytes = (size_t)(q - code);
  if (bytes > r.bytes && h->len + bytes - r.bytes > h->sparse_max)
    return rd_hll_make_dense(h) ? dense_raise(h, reg, value) : -1;
  memmove(p + bytes, p + r.bytes, (size_t)(end - p - r.bytes));
  memcpy(p, code, bytes);
  h->len = h->len + bytes - r.bytes;
  join_runs(h, before);
  return 1;
}

int rd_hll_raise(rd_hll *h, unsigned reg, unsigned value) {
  return rd_hll_is_dense(h->data) ? dense_raise(h, reg, value) : sparse_raise(h, reg, value);
}

/* ---- estimating the cardinality ---- */

bool rd_hll_merge(uint8_t *registers, const rd_hll *h) {
  const uint8_t *p = h->data + RD_HLL_HEAD, *end = h->data + h->len;
  unsigned reg = 0;
  if (rd_hll_is_dense(h->data)) {
    /* Three bytes hold four registers. */
    for (; reg < RD_HLL_REGISTERS; reg += 4, p += 3) {
      unsigned bits = (unsigned)p[0] | (unsigned)p[1] << 8 | (unsigned)p[2] << 16;
      for (unsigned i = 0; i < 4; i++, bits >>= 6)
        if ((bits & 63) > registers[reg + i]) registers[reg + i] = bits & 63;
    }
    return true;
  }
  while (p < end) {
    run r = run_at(p, end);
    if (r.bytes == 0 || reg + r.registers > RD_HLL_REGISTERS) return false;
    for (unsigned i = 0; i < r.registers; i++)
      if (r.value > registers[reg + i]) registers[reg + i] = (uint8_t)r.value;
    reg += r.registers;
    p += r.bytes;
  }
  return reg == RD_HLL_REGISTERS;
}

/* The corrections at the two ends of the range, from Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog
 * sketches", 2017 (arXiv:1702.01284), algorithm 6 with its sigma and tau. */
static double sigma(double x) {
  if (x == 1.0) return INFINITY;
  double sum = x, last, power = 1.0;
  do {
    x *= x;
    last = sum;
    sum += x * power;
    power += power;
  } while (sum != last);
  return sum;
}

static double tau(double x) {
  if (x == 0.0 || x == 1.0) return 0.0;
  double sum = 1.0 - x, last, power = 1.0;
  do {
    x = sqrt(x);
    last = sum;
    power *= 0.5;
    sum -= (1.0 - x) * (1.0 - x) * power;
  } while (sum != last);
  return sum / 3.0;
}

uint64_t rd_hll_count(const uint8_t *registers) {
  unsigned histogram[64] = {0};
  for (unsigned i = 0; i < RD_HLL_REGISTERS; i++) histogram[registers[i] & 63]++;
  const double m = RD_HLL_REGISTERS;
  const double alpha = 0.721347520444481703680; /* 1 / (2 ln 2) */
  double z = m * tau((m - histogram[HASH_BITS + 1]) / m);
  for (unsigned k = HASH_BITS; k >= 1; k--) {
    z += histogram[k];
    z *= 0.5;
  }
  z += m * sigma(histogram[0] / m);
  return (uint64_t)((long double)(alpha * m * m / z) + 0.5L);
}

/* ---- PFDEBUG and PFSELFTEST ---- */

long rd_hll_describe(const rd_hll *h, char *dst, size_t cap) {
  const uint8_t *p = h->data + RD_HLL_HEAD, *end = h->data + h->len;
  size_t len = 0;
  while (p < end) {
    run r = run_at(p, end);
    if (r.bytes == 0) return -1;
    char text[24], kind = r.bytes == 2 ? 'Z' : 'z';
    int n = r.value ? snprintf(text, sizeof text, "v:%u,%u ", r.value, r.registers)
                    : snprintf(text, sizeof text, "%c:%u ", kind, r.registers);
    if (len < cap) memcpy(dst + len, text, (size_t)n < cap - len ? (size_t)n : cap - len);
    len += (size_t)n;
    p += r.bytes;
  }
  return len == 0 ? 0 : (long)len - 1;
}

enum { TEST_ROUNDS = 2, TEST_ELEMENTS = 10000, TEST_SPARSE = 500 }; /* small, since other clients wait */

static bool registers_hold(void) {
  uint8_t dense[RD_HLL_REGISTERS * 6 / 8 + 1] = {0};
  for (unsigned round = 0; round < TEST_ROUNDS; round++) {
    for (unsigned i = 0; i < RD_HLL_REGISTERS; i++) rd_hll_put(dense + RD_HLL_AT(i), i, (i * 7 + round * 31) & 63);
    for (unsigned i = 0; i < RD_HLL_REGISTERS; i++) {
      if (rd_hll_get(dense + RD_HLL_AT(i), i) != ((i * 7 + round * 31) & 63)) return false;
    }
  }
  return true;
}

static bool counted(const rd_hll *h, uint64_t *count) {
  uint8_t registers[RD_HLL_REGISTERS] = {0};
  if (!rd_hll_merge(registers, h)) return false;
  *count = rd_hll_count(registers);
  return true;
}

bool rd_hll_selftest(void) {
  if (!registers_hold()) return false;
  rd_hll sparse, dense;
  rd_hll_init(&sparse, TEST_SPARSE);
  rd_hll_init(&dense, TEST_SPARSE);
  if (!rd_hll_make_dense(&dense)) return false;
  for (uint64_t n = 1, look = 1; n <= TEST_ELEMENTS; n++) {
    unsigned reg, value = rd_hll_place(&n, sizeof n, &reg);
    if (rd_hll_raise(&sparse, reg, value) != rd_hll_raise(&dense, reg, value)) return false;
    if (n != look && n != TEST_ELEMENTS) continue;
    look *= 10;
    uint64_t a, b;
    if (!counted(&sparse, &a) || !counted(&dense, &b) || a != b) return false;
    /* Six times the standard error of 1.04 / sqrt(registers). */
    if (fabs((double)a - (double)n) > ceil(6 * 1.04 / 128 * (double)n)) return false;
  }
  return true;
}
