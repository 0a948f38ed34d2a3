/* packed.c - reads a packed string, whichever it is. */
#include "rdb/packed.h"

static const struct packing {
  bool (*open)(rd_packed *p, rd_bytes string);
  bool (*read)(rd_packed *p, rd_bytes *text, int64_t *n);
  bool (*ends)(const rd_packed *p); /* NULL: there is nothing to compare */
} packings[] = {
    [RD_LISTPACK] = {rd_listpack_open, rd_listpack_read, NULL},
    [RD_ZIPLIST] = {rd_ziplist_open, rd_ziplist_read, rd_ziplist_ends},
    [RD_INTSET] = {rd_intset_open, rd_intset_read, NULL},
    [RD_ZIPMAP] = {rd_zipmap_open, rd_zipmap_read, rd_zipmap_ends},
};

bool rd_packed_open(rd_packed *p, rd_packing packing, rd_bytes string) {
  *p = (rd_packed){.packing = packing, .begin = string.data};
  return packings[packing].open(p, string);
}

rd_got rd_packed_next(rd_packed *p, rd_bytes *text, char number[RD_I64_TEXT]) {
  const struct packing *packing = &packings[p->packing];
  int64_t n = 0;
  if (p->at == p->end) {
    if (p->declared != RD_PACKED_MANY && p->declared != p->count) return RD_GOT_BAD;
    return packing->ends == NULL || packing->ends(p) ? RD_GOT_END : RD_GOT_BAD;
  }
  const uint8_t *at = p->at;
  if (p->count == p->declared || !packing->read(p, text, &n)) return RD_GOT_BAD;
  if (text->data == NULL) *text = (rd_bytes){(const uint8_t *)number, rd_format_i64(number, n)};
  p->last = at;
  p->count++;
  return RD_GOT;
}
