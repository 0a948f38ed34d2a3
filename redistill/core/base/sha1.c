/* sha1.c - SHA-1 as FIPS 180-4 describes it. */
#include "base/sha1.h"

#include <string.h>

static uint32_t rotate(uint32_t x, unsigned n) { return x << n | x >> (32 - n); }

static uint32_t big_endian(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void block(uint32_t h[5], const uint8_t *data) {
  uint32_t w[80];
  for (unsigned t = 0; t < 16; t++) w[t] = big_endian(data + 4 * t);
  for (unsigned t = 16; t < 80; t++) w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
  uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
  for (unsigned t = 0; t < 80; t++) {
    uint32_t f, k;
    if (t < 20) {
      f = (b & c) | (~b & d);
      k = 0x5a827999;
    } else if (t < 40 || t >= 60) {
      f = b ^ c ^ d;
      k = t < 40 ? 0x6ed9eba1 : 0xca62c1d6;
    } else {
      f = (b & c) | (b & d) | (c & d);
      k = 0x8f1bbcdc;
    }
    uint32_t sum = rotate(a, 5) + f + e + k + w[t];
    e = d;
    d = c;
    c = rotate(b, 30);
    b = a;
    a = sum;
  }
  h[0] += a;
  h[1] += b;
  h[2] += c;
  h[3] += d;
  h[4] += e;
}

void rd_sha1(const void *data, size_t len, uint8_t digest[RD_SHA1_BYTES]) {
  uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  const uint8_t *at = data;
  size_t left = len;
  for (; left >= 64; at += 64, left -= 64) block(h, at);
  uint8_t tail[128] = {0};
  if (left != 0) memcpy(tail, at, left);
  tail[left] = 0x80;
  size_t padded = left < 56 ? 64 : 128;
  for (unsigned i = 0; i < 8; i++) tail[padded - 1 - i] = (uint8_t)((uint64_t)len * 8 >> (8 * i));
  block(h, tail);
  if (padded == 128) block(h, tail + 64);
  for (unsigned i = 0; i < RD_SHA1_BYTES; i++) digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

void rd_sha1_hex(const uint8_t digest[RD_SHA1_BYTES], char hex[RD_SHA1_HEX]) {
  for (unsigned i = 0; i < RD_SHA1_HEX; i++) hex[i] = "0123456789abcdef"[digest[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
}

bool rd_sha1_parse(rd_bytes hex, uint8_t digest[RD_SHA1_BYTES]) {
  if (hex.len != RD_SHA1_HEX) return false;
  for (unsigned i = 0; i < RD_SHA1_HEX; i++) {
    uint8_t c = hex.data[i] | 0x20, digit;
    if (hex.data[i] >= '0' && hex.data[i] <= '9')
      digit = (uint8_t)(hex.data[i] - '0');
    else if (c >= 'a' && c <= 'f')
      digit = (uint8_t)(c - 'a' + 10);
    else
      return false;
    digest[i / 2] = (uint8_t)(i % 2 == 0 ? digit << 4 : digest[i / 2] | digit);
  }
  return true;
}
