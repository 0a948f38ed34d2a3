/* crc64.c - eight bytes a step, by tables that the compiler makes.
 *
 * A CRC is linear: the table entry of a byte is the exclusive or of the entries of its bits. So the 64 numbers below,
 * eight for each of the eight slices, are all there is to write down, and the compiler makes the 16 KiB of tables.
 * Slice s holds, for each bit, what a byte contributes when s bytes follow it: starting from the polynomial
 * 0xad93d23594c935a9, bits reversed (0x95ac9329ac4bc9b5), shift right eight times for slice 0, and eight times more for
 * each further slice. tests/core/test_dump.c computes them the slow way and compares. */
#include "base/crc64.h"

#define SLICE0(f, v)                                                                               \
  f(v, 0x7ad870c830358979ull, 0xf5b0e190606b12f2ull, 0xc038e5739841b68full, 0xab28ecb46814fe75ull, \
    0x7d08ff3b88be6f81ull, 0xfa11fe77117cdf02ull, 0xdf7adabd7a6e2d6full, 0x95ac9329ac4bc9b5ull)
#define SLICE1(f, v)                                                                               \
  f(v, 0x89e99ffd73bddf69ull, 0x388a19a9bfec2db9ull, 0x711433537fd85b72ull, 0xe22866a6ffb0b6e4ull, \
    0xef09eb1ea7f6fea3ull, 0xf54af06e177a6e2dull, 0xc1ccc68f76634f31ull, 0xa8c0ab4db4510d09ull)
#define SLICE2(f, v)                                                                               \
  f(v, 0xf4125129ce4038beull, 0xc37d8400c417e217ull, 0xada22e52d0b85745ull, 0x701d7af6f9e73de1ull, \
    0xe03af5edf3ce7bc2ull, 0xeb2ccd88bf0b64efull, 0xfd00bd4226815ab5ull, 0xd1585cd715952601ull)
#define SLICE3(f, v)                                                                               \
  f(v, 0x8ce168638c796306ull, 0x329bf69440655567ull, 0x6537ed2880caaaceull, 0xca6fda510195559cull, \
    0xbf8692f15bbd3853ull, 0x545403b1efede3cdull, 0xa8a80763dfdbc79aull, 0x7a092894e7201c5full)
#define SLICE4(f, v)                                                                               \
  f(v, 0x3504e58b9ba6dd1eull, 0x6a09cb17374dba3cull, 0xd413962e6e9b7478ull, 0x837e0a0f85a17b9bull, \
    0x2da5324c53d5645dull, 0x5b4a6498a7aac8baull, 0xb694c9314f559174ull, 0x4670b431c63cb183ull)
#define SLICE5(f, v)                                                                               \
  f(v, 0xe39d1389931b9354ull, 0xec6301407ea0b5c3ull, 0xf39f24d3a5d6f8edull, 0xcc676ff4133a62b1ull, \
    0xb397f9bb7ee35609ull, 0x4c76d525a5513f79ull, 0x98edaa4b4aa27ef2ull, 0x1a8272c5cdd36e8full)
#define SLICE6(f, v)                                                                               \
  f(v, 0x62a95de6e302eff2ull, 0xc552bbcdc605dfe4ull, 0xa1fc51c8d49c2ca3ull, 0x68a185c2f1afca2dull, \
    0xd1430b85e35f945aull, 0x89df31589e28bbdfull, 0x38e744e264c6e4d5ull, 0x71ce89c4c98dc9aaull)
#define SLICE7(f, v)                                                                               \
  f(v, 0x381d0015c96f4444ull, 0x703a002b92de8888ull, 0xe074005725bd1110ull, 0xebb126fd13edb14bull, \
    0xfc3b6ba97f4cf1fdull, 0xd32ff101a60e7091ull, 0x8d06c450148b7249ull, 0x3154aef3718177f9ull)

#define ENTRY(v, a, b, c, d, e, f, g, h)                                                               \
  ((v)&1 ? (a) : 0) ^ ((v)&2 ? (b) : 0) ^ ((v)&4 ? (c) : 0) ^ ((v)&8 ? (d) : 0) ^ ((v)&16 ? (e) : 0) ^ \
      ((v)&32 ? (f) : 0) ^ ((v)&64 ? (g) : 0) ^ ((v)&128 ? (h) : 0)
#define FOUR(slice, v) slice(ENTRY, (v)), slice(ENTRY, (v) + 1), slice(ENTRY, (v) + 2), slice(ENTRY, (v) + 3)
#define SIXTEEN(slice, v) FOUR(slice, (v)), FOUR(slice, (v) + 4), FOUR(slice, (v) + 8), FOUR(slice, (v) + 12)
#define SIXTY_FOUR(slice, v) \
  SIXTEEN(slice, (v)), SIXTEEN(slice, (v) + 16), SIXTEEN(slice, (v) + 32), SIXTEEN(slice, (v) + 48)
#define TABLE(slice) \
  { SIXTY_FOUR(slice, 0), SIXTY_FOUR(slice, 64), SIXTY_FOUR(slice, 128), SIXTY_FOUR(slice, 192) }

static const uint64_t tables[8][256] = {TABLE(SLICE0), TABLE(SLICE1), TABLE(SLICE2), TABLE(SLICE3),
                                        TABLE(SLICE4), TABLE(SLICE5), TABLE(SLICE6), TABLE(SLICE7)};

uint64_t rd_crc64(uint64_t crc, const void *data, size_t len) {
  const uint8_t *p = data;
  while (len >= 8) {
    /* byte by byte, so that it is the same number on a big-endian host */
    uint64_t x = crc ^ ((uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
                        (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56);
    crc = tables[7][x & 255] ^ tables[6][x >> 8 & 255] ^ tables[5][x >> 16 & 255] ^ tables[4][x >> 24 & 255] ^
          tables[3][x >> 32 & 255] ^ tables[2][x >> 40 & 255] ^ tables[1][x >> 48 & 255] ^ tables[0][x >> 56];
    p += 8;
    len -= 8;
  }
  for (; len > 0; len--, p++) crc = tables[0][(crc ^ *p) & 255] ^ crc >> 8;
  return crc;
}
