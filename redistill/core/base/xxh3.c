/* xxh3.c - XXH3: four ways for four ranges of lengths. */
#include "base/xxh3.h"

#include "base/base.h"

#define PRIME32_1 0x9E3779B1u
#define PRIME32_2 0x85EBCA77u
#define PRIME32_3 0xC2B2AE3Du
#define PRIME64_1 0x9E3779B185EBCA87u
#define PRIME64_2 0xC2B2AE3D27D4EB4Fu
#define PRIME64_3 0x165667B19E3779F9u
#define PRIME64_4 0x85EBCA77C2B2AE63u
#define PRIME64_5 0x27D4EB2F165667C5u
#define PRIME_MX1 0x165667919E3779F9u
#define PRIME_MX2 0x9FB21C651E98DF25u

enum { STRIPE = 64, LANES = STRIPE / 8, SECRET = 192, STRIPES = (SECRET - STRIPE) / 8, BLOCK = STRIPES * STRIPE };
enum { LONGEST_SHORT = 240 }; /* bytes of the longest data that is not hashed by stripes */

/* The secret of the specification. */
static const uint8_t secret[SECRET] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c, 0xde, 0xd4,
    0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79, 0xe6, 0x4e,
    0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21, 0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43,
    0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb,
    0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3, 0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19,
    0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8, 0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7,
    0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78,
    0x73, 0x64, 0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e, 0x2b, 0x16,
    0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce, 0x45, 0xcb, 0x3a, 0x8f,
    0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e};

static inline uint64_t key64(size_t at) { return rd_ld64(secret + at); }
static inline uint64_t rotl(uint64_t n, unsigned bits) { return n << bits | n >> (64 - bits); }

static inline uint64_t folded_product(uint64_t a, uint64_t b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The final mixing of XXH64, and that of XXH3. */
static uint64_t avalanche64(uint64_t h) {
  h = (h ^ h >> 33) * PRIME64_2;
  h = (h ^ h >> 29) * PRIME64_3;
  return h ^ h >> 32;
}

static uint64_t avalanche(uint64_t h) {
  h = (h ^ h >> 37) * PRIME_MX1;
  return h ^ h >> 32;
}

/* ---- up to 16 bytes ---- */

static uint64_t hash_16(const uint8_t *p, size_t len) {
  if (len > 8) {
    uint64_t low = rd_ld64(p) ^ (key64(24) ^ key64(32)), high = rd_ld64(p + len - 8) ^ (key64(40) ^ key64(48));
    return avalanche(len + __builtin_bswap64(low) + high + folded_product(low, high));
  }
  if (len >= 4) {
    uint64_t h = rd_ld32(p + len - 4) + ((uint64_t)rd_ld32(p) << 32);
    h ^= key64(8) ^ key64(16);
    h = (h ^ rotl(h, 49) ^ rotl(h, 24)) * PRIME_MX2;
    h = (h ^ ((h >> 35) + len)) * PRIME_MX2;
    return h ^ h >> 28;
  }
  if (len == 0) return avalanche64(key64(56) ^ key64(64));
  uint32_t bytes = (uint32_t)p[0] << 16 | (uint32_t)p[len >> 1] << 24 | p[len - 1] | (uint32_t)len << 8;
  return avalanche64(bytes ^ (uint64_t)(rd_ld32(secret) ^ rd_ld32(secret + 4)));
}

/* ---- 17 to 240 bytes ---- */

static inline uint64_t mix_16(const uint8_t *p, size_t key) {
  return folded_product(rd_ld64(p) ^ key64(key), rd_ld64(p + 8) ^ key64(key + 8));
}

static uint64_t hash_240(const uint8_t *p, size_t len) {
  uint64_t h = len * PRIME64_1;
  if (len <= 128) {
    for (size_t i = (len - 1) / 32 + 1; i-- > 0;) {
      h += mix_16(p + 16 * i, 32 * i) + mix_16(p + len - 16 * (i + 1), 32 * i + 16);
    }
    return avalanche(h);
  }
  for (size_t i = 0; i < 8; i++) h += mix_16(p + 16 * i, 16 * i);
  h = avalanche(h);
  for (size_t i = 8; i < len / 16; i++) h += mix_16(p + 16 * i, 16 * (i - 8) + 3);
  return avalanche(h + mix_16(p + len - 16, 136 - 17));
}

/* ---- more: stripes of 64 bytes, in blocks of 16 stripes ---- */

static inline void add_stripe(uint64_t lanes[LANES], const uint8_t *p, size_t key) {
  for (size_t i = 0; i < LANES; i++) {
    uint64_t word = rd_ld64(p + 8 * i), keyed = word ^ key64(key + 8 * i);
    lanes[i ^ 1] += word;
    lanes[i] += (keyed & UINT32_MAX) * (keyed >> 32);
  }
}

static uint64_t hash_long(rd_xxh3_read *read, void *arg, uint64_t len) {
  uint64_t lanes[LANES] = {PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1};
  uint8_t block[BLOCK];
  uint64_t off = 0;
  for (; len - off > BLOCK; off += BLOCK) {
    read(arg, off, block, BLOCK);
    for (size_t s = 0; s < STRIPES; s++) add_stripe(lanes, block + s * STRIPE, 8 * s);
    for (size_t i = 0; i < LANES; i++) {
      lanes[i] = (lanes[i] ^ lanes[i] >> 47 ^ key64(SECRET - STRIPE + 8 * i)) * PRIME32_1;
    }
  }
  /* The last block ends with the last 64 bytes as a stripe of its own, which may overlap the one before. */
  size_t stripes = (size_t)(len - off - 1) / STRIPE;
  read(arg, off, block, stripes * STRIPE);
  for (size_t s = 0; s < stripes; s++) add_stripe(lanes, block + s * STRIPE, 8 * s);
  read(arg, len - STRIPE, block, STRIPE);
  add_stripe(lanes, block, SECRET - STRIPE - 7);
  uint64_t h = len * PRIME64_1;
  for (size_t i = 0; i < LANES; i += 2) {
    h += folded_product(lanes[i] ^ key64(11 + 8 * i), lanes[i + 1] ^ key64(11 + 8 * i + 8));
  }
  return avalanche(h);
}

uint64_t rd_xxh3(rd_xxh3_read *read, void *arg, uint64_t len) {
  if (len > LONGEST_SHORT) return hash_long(read, arg, len);
  uint8_t bytes[LONGEST_SHORT];
  if (len != 0) read(arg, 0, bytes, (size_t)len);
  return len <= 16 ? hash_16(bytes, (size_t)len) : hash_240(bytes, (size_t)len);
}
