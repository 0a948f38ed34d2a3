/* zipmap.c - reads zipmaps, the small hashes of Redis before 2.6.
 *
 *   pairs (1; 254: more)   pairs   0xff
 *
 * A pair is the field's length and the field, the value's length, the number of bytes that are free behind the value
 * (1), the value, and these bytes. A length is one byte, or 0xfe and four, low first. */
#include "rdb/packed.h"

#define LONG 0xfeu
#define END 0xffu

bool rd_zipmap_open(rd_packed *p, rd_bytes string) {
  if (string.len < 2 || string.data[string.len - 1] != END) return false;
  p->at = string.data + 1;
  p->end = string.data + string.len - 1;
  p->declared = string.data[0] >= LONG ? RD_PACKED_MANY : 2u * string.data[0];
  return true;
}

bool rd_zipmap_ends(const rd_packed *p) { return p->count % 2 == 0; }

bool rd_zipmap_read(rd_packed *p, rd_bytes *text, int64_t *n) {
  bool is_value = p->count % 2 == 1;
  const uint8_t *at = p->at;
  uint64_t len = *at++, spare = 0;
  *n = 0;
  if (len == END) return false;
  if (len == LONG) {
    if (p->end - at < 4) return false;
    len = rd_ld32(at);
    at += 4;
  }
  if (is_value) {
    if (at == p->end) return false;
    spare = *at++;
  }
  if ((uint64_t)(p->end - at) < len + spare) return false;
  *text = (rd_bytes){at, (size_t)len};
  p->at = at + len + spare;
  return true;
}
