/* listpack.c - reads listpacks.
 *
 *   bytes of the whole (4)   entries (2; 65535: more, or not known)   entries   0xff
 *
 * Numbers are low first. An entry is one of these, and then its own length, in as few groups of seven bits as it takes,
 * the highest first; all but the first have bit 7 set, so that it can be read from behind.
 *
 *   0xxxxxxx                     7 bits of a number
 *   10xxxxxx                     a string of x bytes
 *   110xxxxx xxxxxxxx            13 bits of a number with a sign
 *   1110xxxx xxxxxxxx            a string of x bytes
 *   0xf0, length (4)             a string
 *   0xf1 .. 0xf4                 a number of 2, 3, 4 or 8 bytes */
#include "rdb/listpack.h"

#include "rdb/packed.h"

#define HEAD 6u
#define NOT_COUNTED 65535u

bool rd_listpack_open(rd_packed *p, rd_bytes string) {
  if (string.len < HEAD + 1 || rd_ld32(string.data) != string.len || string.data[string.len - 1] != RD_LISTPACK_END)
    return false;
  uint16_t count = rd_ld16(string.data + 4);
  p->at = string.data + HEAD;
  p->end = string.data + string.len - 1;
  p->declared = count == NOT_COUNTED ? RD_PACKED_MANY : count;
  return true;
}

unsigned rd_listpack_back(uint8_t to[RD_LISTPACK_BACK], uint64_t len, unsigned least) {
  unsigned n = least;
  while (len >> 7 * n != 0) n++;
  for (unsigned i = 0; i < n; i++) to[i] = (uint8_t)((len >> 7 * (n - 1 - i) & 127) | (i > 0 ? 128 : 0));
  return n;
}

/* Skip the length behind an entry. Where all bits of it are set (127 excepted), Redis writes a group more than it
 * takes, and Valkey does not. */
static bool skip_back(const uint8_t **at, const uint8_t *end, uint64_t len) {
  uint8_t back[RD_LISTPACK_BACK];
  unsigned n = rd_listpack_back(back, len, 1);
  if (end - *at < n) return false;
  if (memcmp(*at, back, n) != 0) {
    if (n == 1 || len != ((uint64_t)1 << 7 * n) - 1) return false;
    n = rd_listpack_back(back, len, n + 1);
    if (end - *at < n || memcmp(*at, back, n) != 0) return false;
  }
  *at += n;
  return true;
}

bool rd_listpack_read(rd_packed *p, rd_bytes *text, int64_t *n) {
  static const uint8_t widths[] = {2, 3, 4, 8};
  const uint8_t *at = p->at;
  uint64_t left = (uint64_t)(p->end - at), head = 1, len = 0;
  uint8_t first = at[0];
  *text = (rd_bytes){NULL, 0};

  if (first < 0x80) {
    *n = first;
  } else if (first < 0xc0) {
    len = first & 63u;
    text->data = at + head;
  } else if (first < 0xe0) {
    head = 2;
    if (left < head) return false;
    *n = (int64_t)((uint64_t)(first & 31u) << 59 | (uint64_t)at[1] << 51) >> 51;
  } else if (first < 0xf0) {
    head = 2;
    if (left < head) return false;
    len = (first & 15u) << 8 | at[1];
    text->data = at + head;
  } else if (first == 0xf0) {
    head = 5;
    if (left < head) return false;
    len = rd_ld32(at + 1);
    text->data = at + head;
  } else if (first <= 0xf4) {
    len = widths[first - 0xf1];
    if (left < head + len) return false;
    *n = rd_packed_number(at + 1, (unsigned)len);
  } else {
    return false;
  }
  if (text->data != NULL) text->len = (size_t)len;

  if (left < head + len) return false;
  at += head + len;
  if (!skip_back(&at, p->end, head + len)) return false;
  p->at = at;
  return true;
}
