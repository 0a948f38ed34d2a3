/* hash.c - computes SipHash-1-3. */
#include "base/hash.h"

static inline uint64_t rotl(uint64_t x, unsigned n) { return x << n | x >> (64 - n); }

#define ROUND(a, b, c, d) \
  do {                    \
    a += b;               \
    c += d;               \
    b = rotl(b, 13) ^ a;  \
    d = rotl(d, 16) ^ c;  \
    a = rotl(a, 32);      \
    c += b;               \
    a += d;               \
    b = rotl(b, 17) ^ c;  \
    d = rotl(d, 21) ^ a;  \
    c = rotl(c, 32);      \
  } while (0)

uint64_t rd_siphash(const uint64_t seed[2], const void *data, size_t len) {
  const uint8_t *p = data;
  uint64_t a = seed[0] ^ 0x736f6d6570736575ull, b = seed[1] ^ 0x646f72616e646f6dull;
  uint64_t c = seed[0] ^ 0x6c7967656e657261ull, d = seed[1] ^ 0x7465646279746573ull;
  uint64_t tail = (uint64_t)len << 56;
  for (size_t words = len / 8; words > 0; words--, p += 8) {
    uint64_t m = rd_ld64(p);
    d ^= m;
    ROUND(a, b, c, d);
    a ^= m;
  }
  size_t rest = len & 7;
  if (rest >= 4) {
    tail |= rd_ld32(p);
    if (rest > 4) tail |= (uint64_t)p[4] << 32;
    if (rest > 5) tail |= (uint64_t)p[5] << 40;
    if (rest > 6) tail |= (uint64_t)p[6] << 48;
  } else {
    if (rest > 0) tail |= p[0];
    if (rest > 1) tail |= (uint64_t)p[1] << 8;
    if (rest > 2) tail |= (uint64_t)p[2] << 16;
  }
  d ^= tail;
  ROUND(a, b, c, d);
  a ^= tail;
  c ^= 0xff;
  ROUND(a, b, c, d);
  ROUND(a, b, c, d);
  ROUND(a, b, c, d);
  return a ^ b ^ c ^ d;
}
