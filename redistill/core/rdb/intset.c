/* intset.c - reads intsets: the bytes of a number (4: 2, 4 or 8), how many there are (4), the numbers, in rising order.
 * All are low first. */
#include "rdb/packed.h"

#define HEAD 8u

bool rd_intset_open(rd_packed *p, rd_bytes string) {
  if (string.len < HEAD) return false;
  uint32_t width = rd_ld32(string.data), count = rd_ld32(string.data + 4);
  if (width != 2 && width != 4 && width != 8) return false;
  if (string.len - HEAD != (uint64_t)width * count) return false;
  p->at = string.data + HEAD;
  p->end = string.data + string.len;
  p->declared = count;
  return true;
}

bool rd_intset_read(rd_packed *p, rd_bytes *text, int64_t *n) {
  unsigned width = p->begin[0];
  *text = (rd_bytes){NULL, 0};
  *n = rd_packed_number(p->at, width);
  if (p->last != NULL && *n <= rd_packed_number(p->last, width)) return false;
  p->at += width;
  return true;
}
