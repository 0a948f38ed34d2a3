/* ziplist.c - reads ziplists, the listpacks of Redis before 7.0.
 *
 *   bytes of the whole (4)   offset of the last entry (4)   entries (2; 65535: more)   entries   0xff
 *
 * Numbers are low first, lengths of strings high first. An entry is the length of the one before it (one byte, or 0xfe
 * and four), and one of
 *
 *   00xxxxxx, 01xxxxxx + 1 byte, 0x80 + 4 bytes     a string of x bytes
 *   0xfe | 0xc0 | 0xf0 | 0xd0 | 0xe0                a number of 1, 2, 3, 4 or 8 bytes
 *   1111xxxx, x = 1 .. 13                           the number x - 1 */
#include "rdb/packed.h"

#define HEAD 10u
#define END 0xffu
#define LONG_BEFORE 0xfeu
#define NOT_COUNTED 65535u

bool rd_ziplist_open(rd_packed *p, rd_bytes string) {
  if (string.len < HEAD + 1 || rd_ld32(string.data) != string.len || string.data[string.len - 1] != END) return false;
  uint16_t count = rd_ld16(string.data + 8);
  p->at = string.data + HEAD;
  p->end = string.data + string.len - 1;
  p->declared = count == NOT_COUNTED ? RD_PACKED_MANY : count;
  return true;
}

bool rd_ziplist_ends(const rd_packed *p) {
  const uint8_t *last = p->last != NULL ? p->last : p->begin + HEAD;
  return rd_ld32(p->begin + 4) == (uint64_t)(last - p->begin);
}

/* Skip the length of the entry before, which must be right. */
static bool skip_before(const rd_packed *p, const uint8_t **at) {
  uint64_t before = p->last == NULL ? 0 : (uint64_t)(p->at - p->last), stated = **at;
  if (stated == END) return false;
  ++*at;
  if (stated == LONG_BEFORE) {
    if (p->end - *at < 4) return false;
    stated = rd_ld32(*at);
    *at += 4;
  }
  return stated == before;
}

/* The bytes of a number with this first byte; 0: it begins none. */
static unsigned number_width(uint8_t first) {
  switch (first) {
    case 0xfe:
      return 1;
    case 0xc0:
      return 2;
    case 0xf0:
      return 3;
    case 0xd0:
      return 4;
    case 0xe0:
      return 8;
    default:
      return 0;
  }
}

bool rd_ziplist_read(rd_packed *p, rd_bytes *text, int64_t *n) {
  const uint8_t *at = p->at;
  *text = (rd_bytes){NULL, 0};
  if (!skip_before(p, &at) || at == p->end) return false;

  uint64_t left = (uint64_t)(p->end - at), head = 1, len = 0;
  uint8_t first = at[0];
  if (first >= 0xf1 && first <= 0xfd) {
    *n = first - 0xf1;
  } else if (first >= 0xc0) {
    len = number_width(first);
    if (len == 0 || left < head + len) return false;
    *n = rd_packed_number(at + 1, (unsigned)len);
  } else {
    head = first < 0x40 ? 1 : first < 0x80 ? 2 : 5;
    if (left < head || (head == 5 && first != 0x80)) return false;
    len = head < 5 ? first & 63u : 0;
    for (unsigned i = 1; i < head; i++) len = len << 8 | at[i];
    if (left < head + len) return false;
    *text = (rd_bytes){at + head, (size_t)len};
  }
  p->at = at + head + len;
  return true;
}
