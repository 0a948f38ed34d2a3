/* load_histogram.h - counts of durations in buckets of equal ratio: 128 a power of two, so 0.8 % wide at most. */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS 7u
#define HISTOGRAM_SIZE ((65u - HISTOGRAM_BITS) << HISTOGRAM_BITS)

typedef struct histogram {
  uint64_t counts[HISTOGRAM_SIZE];
  uint64_t total, max;
  double sum;
} histogram;

/* Values below 2^8 have a bucket each; above, the bucket is the highest 8 bits of the value. */
static inline unsigned histogram_bucket(uint64_t value) {
  if (value >> HISTOGRAM_BITS == 0) return (unsigned)value;
  unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
  return (shift << HISTOGRAM_BITS) + (unsigned)(value >> shift);
}

static inline void histogram_add(histogram *h, uint64_t value) {
  h->counts[histogram_bucket(value)]++;
  h->total++;
  h->sum += (double)value;
  if (value > h->max) h->max = value;
}

static inline void histogram_merge(histogram *into, const histogram *from) {
  for (unsigned i = 0; i < HISTOGRAM_SIZE; i++) into->counts[i] += from->counts[i];
  into->total += from->total;
  into->sum += from->sum;
  if (from->max > into->max) into->max = from->max;
}

/* The middle of the bucket that holds the value of which a share `q` (0 .. 1) of all are not larger; 0 without any. */
static inline double histogram_quantile(const histogram *h, double q) {
  uint64_t rank = (uint64_t)(q * (double)h->total), seen = 0;
  if (h->total == 0) return 0;
  if (rank >= h->total) rank = h->total - 1;
  unsigned i = 0;
  while ((seen += h->counts[i]) <= rank) i++;
  if (i >> HISTOGRAM_BITS <= 1) return i;
  unsigned shift = (i >> HISTOGRAM_BITS) - 1;
  uint64_t low = (uint64_t)(i - (shift << HISTOGRAM_BITS)) << shift;
  double middle = (double)low + (double)(1ull << shift) / 2;
  return middle < (double)h->max ? middle : (double)h->max;
}

#endif
