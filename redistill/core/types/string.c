/* string.c - names the encoding of a string, and recognizes HyperLogLogs. */
#include "types/string.h"

#include "base/numbers.h"
#include "types/hll.h"

#define EMBSTR_MAX 44 /* most bytes of a string that Redis keeps in one block with its header ("embstr") */

const char *rd_string_encoding(rd_store *st, const rd_item *it) {
  uint64_t len = rd_item_len(it);
  if (rd_item_encoding(it) == RD_ENC_RAW) return "raw";
  if (rd_item_encoding(it) == RD_ENC_AUTO && len < RD_I64_TEXT) {
    uint8_t text[RD_I64_TEXT];
    int64_t n;
    rd_item_read(st, it, 0, text, len);
    if (rd_parse_i64((rd_bytes){text, (size_t)len}, &n)) return "int";
  }
  return len <= EMBSTR_MAX ? "embstr" : "raw";
}

bool rd_string_is_hll(rd_store *st, const rd_item *it) {
  uint8_t head[RD_HLL_HEAD];
  uint64_t len = rd_item_len(it);
  if (len < RD_HLL_HEAD) return false;
  rd_item_read(st, it, 0, head, RD_HLL_HEAD);
  return rd_hll_claims(head, len);
}
