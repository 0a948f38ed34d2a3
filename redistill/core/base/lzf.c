/* lzf.c - compresses and decompresses LZF. The compressor looks for three bytes that occurred before; the
 * decompressor trusts no length. */
#include "base/lzf.h"

#define WINDOW 8192u /* bytes that a copy may reach back */
#define MAX_LITERALS 32u
#define MIN_COPY 3u
#define MAX_COPY 264u /* 2 + 7 + 255 */
#define HASH_BITS 13

/* The place for the next byte of output; NULL once the output did not fit. */
typedef struct sink {
  uint8_t *p;
  uint8_t *end;
} sink;

static void put_literals(sink *out, const uint8_t *src, size_t n) {
  while (n > 0 && out->p != NULL) {
    size_t run = n < MAX_LITERALS ? n : MAX_LITERALS;
    if ((size_t)(out->end - out->p) < run + 1) {
      out->p = NULL;
      return;
    }
    *out->p++ = (uint8_t)(run - 1);
    memcpy(out->p, src, run);
    out->p += run;
    src += run;
    n -= run;
  }
}

static void put_copy(sink *out, size_t back, size_t n) {
  size_t off = back - 1, len = n - 2;
  if (out->p == NULL) return;
  if (out->end - out->p < (len < 7 ? 2 : 3)) {
    out->p = NULL;
    return;
  }
  if (len < 7) {
    *out->p++ = (uint8_t)(len << 5 | off >> 8);
  } else {
    *out->p++ = (uint8_t)(7u << 5 | off >> 8);
    *out->p++ = (uint8_t)(len - 7);
  }
  *out->p++ = (uint8_t)off;
}

/* The table's slot for three bytes. */
static inline uint32_t slot_of(const uint8_t *p, unsigned bits) {
  uint32_t v = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
  return v * 2654435761u >> (32 - bits);
}

size_t rd_lzf_compress(const uint8_t *src, size_t len, uint8_t *dst, size_t cap) {
  uint32_t seen[1u << HASH_BITS];                              /* 1 + the last position of these three bytes */
  unsigned bits = len < 512 ? 8 : len < 4096 ? 11 : HASH_BITS; /* a small text clears a small table */
  sink out = {dst, dst + cap};
  size_t pos = 0, literals = 0; /* the literals not yet written begin at `literals` */

  if (len > UINT32_MAX - 1) return 0;
  memset(seen, 0, sizeof seen[0] << bits);
  while (pos + MIN_COPY <= len && out.p != NULL) {
    uint32_t slot = slot_of(src + pos, bits);
    size_t ref = seen[slot];
    seen[slot] = (uint32_t)pos + 1;
    if (ref == 0 || pos - --ref > WINDOW || memcmp(src + ref, src + pos, MIN_COPY) != 0) {
      pos++;
      continue;
    }
    size_t most = len - pos < MAX_COPY ? len - pos : MAX_COPY, n = MIN_COPY;
    while (n < most && src[ref + n] == src[pos + n]) n++;
    put_literals(&out, src + literals, pos - literals);
    put_copy(&out, pos - ref, n);
    /* remember the last positions inside the copy as well: texts often continue where an earlier copy ended */
    size_t end = pos + n;
    for (size_t i = n > 4 ? end - 3 : pos + 1; i < end && i + MIN_COPY <= len; i++) {
      seen[slot_of(src + i, bits)] = (uint32_t)i + 1;
    }
    pos = literals = end;
  }
  if (out.p != NULL) put_literals(&out, src + literals, len - literals);
  return out.p == NULL ? 0 : (size_t)(out.p - dst);
}

bool rd_lzf_decompress(const uint8_t *src, size_t len, uint8_t *dst, size_t want) {
  return rd_lzf_decompress_in_slices(src, len, dst, want, NULL, NULL);
}

bool rd_lzf_decompress_in_slices(const uint8_t *src, size_t len, uint8_t *dst, size_t want, void (*yield)(void *arg),
                                 void *arg) {
  const uint8_t *end = src + len;
  size_t done = 0; /* bytes written; never more than `want` */
  unsigned steps = 0;

  while (src < end) {
    if ((++steps & 4095) == 0 && yield != NULL) yield(arg);
    unsigned control = *src++;
    if (control < MAX_LITERALS) {
      size_t run = control + 1;
      if ((size_t)(end - src) < run || want - done < run) return false;
      if (dst != NULL) memcpy(dst + done, src, run);
      src += run;
      done += run;
      continue;
    }
    size_t n = control >> 5, back = (size_t)(control & 31) << 8;
    if (n == 7) {
      if (src == end) return false;
      n += *src++;
    }
    if (src == end) return false;
    back += *src++;
    back += 1;
    n += 2;
    if (back > done || want - done < n) return false;
    if (dst != NULL) {
      uint8_t *to = dst + done;
      const uint8_t *from = to - back;
      if (back >= n) {
        memcpy(to, from, n);
      } else {
        for (size_t i = 0; i < n; i++) /* source and destination overlap: a short pattern is repeated */
          to[i] = from[i];
      }
    }
    done += n;
  }
  return done == want;
}
