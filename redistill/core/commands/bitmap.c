/* bitmap.c - strings as arrays of bits: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP. */
#include "arena/longrun.h"
#include "base/bits.h"
#include "commands/cmd.h"
#include "commands/value.h"

static bool parse_offset(rd_call *c, rd_bytes arg, uint64_t *off) {
  if (rd_bits_offset(arg, 0, c->store->max_bulk, off)) return true;
  rd_reply_error(c->out, "ERR bit offset is not an integer or out of range");
  return false;
}

static uint8_t byte_at(rd_store *st, const rd_item *it, uint64_t off) {
  uint8_t b;
  rd_item_read(st, it, off, &b, 1);
  return b;
}

void rd_cmd_getbit(rd_call *c) {
  uint64_t off;
  if (!parse_offset(c, c->argv[2], &off)) return;
  rd_key key = rd_call_key(c, 1);
  bool absent;
  rd_item *it = rd_call_string(c, &key, false, &absent);
  if (!it && !absent) return;
  unsigned byte = it && off >> 3 < rd_item_len(it) ? byte_at(c->store, it, off >> 3) : 0;
  rd_reply_int(c->out, byte >> (7 - (off & 7)) & 1);
}

void rd_cmd_setbit(rd_call *c) {
  uint64_t off;
  int64_t bit;
  if (!parse_offset(c, c->argv[2], &off)) return;
  if (!rd_parse_i64(c->argv[3], &bit) || (bit & ~1)) {
    rd_reply_error(c->out, "ERR bit is not an integer or out of range");
    return;
  }
  rd_key key = rd_call_key(c, 1);
  bool absent;
  rd_item *it = rd_call_string(c, &key, true, &absent);
  if (!it && !absent) return;
  if (!rd_check_growth(c, it ? rd_item_len(it) : 0, (off >> 3) + 1)) return;
  if (off >> 3 > RD_LONG_BYTES + (it ? rd_item_len(it) : 0) && !rd_may_take_long(c)) return;
  bool grown = !it || off >> 3 >= rd_item_len(it);
  if (rd_grow(c, &key, &it, (off >> 3) + 1) != RD_OK) {
    rd_reply_oom(c->out);
    return;
  }
  unsigned shift = 7 - (unsigned)(off & 7);
  uint8_t byte = byte_at(c->store, it, off >> 3);
  unsigned old = byte >> shift & 1;
  if (old != (unsigned)bit) {
    byte ^= (uint8_t)(1u << shift);
    rd_write(c->store, &key, it, off >> 3, &byte, 1, RD_EVENT_SETBIT);
  } else if (grown) {
    rd_notify(c->store, &key, RD_EVENT_SETBIT);
  }
  rd_reply_int(c->out, old);
}

/* ---- ranges of BITCOUNT and BITPOS ---- */

/* Bits first .. last of a string, both included. */
typedef struct bit_range {
  uint64_t first, last;
} bit_range;

/* The unit argument: BYTE or BIT. */
static bool parse_unit(rd_bytes arg, bool *bits) {
  *bits = rd_arg_is(arg, "bit");
  return *bits || rd_arg_is(arg, "byte");
}

/* Convert start and end, counted from the end where negative, to a range of a string of `len` bytes. false: the
 * range is empty. */
static bool clamp(int64_t start, int64_t end, bool bits, uint64_t len, bit_range *out) {
  int64_t total = (int64_t)(bits ? len * 8 : len);
  if (start < 0) start += total;
  if (end < 0) end += total;
  if (start < 0) start = 0;
  if (end < 0) end = 0;
  if (end >= total) end = total - 1;
  if (start > end) return false;
  out->first = (uint64_t)start * (bits ? 1 : 8);
  out->last = bits ? (uint64_t)end : (uint64_t)end * 8 + 7;
  return true;
}

static uint64_t count_bits(rd_store *st, const rd_item *it, bit_range r) {
  uint64_t n = 0;
  uint64_t end = (r.last >> 3) + 1;
  for (uint64_t off = r.first >> 3; off < end;) {
    rd_bytes piece = rd_item_piece(st, it, off);
    size_t len = piece.len < end - off ? piece.len : (size_t)(end - off);
    n += rd_bits_count(piece.data, len);
    off += len;
    if (!rd_yield(st)) break;
  }
  /* Subtract the bits of the first and the last byte that are outside the range. */
  unsigned before = 0xff00u >> (r.first & 7) & 0xff;
  unsigned after = 0x7fu >> (r.last & 7);
  n -= (uint64_t)__builtin_popcount(byte_at(st, it, r.first >> 3) & before);
  n -= (uint64_t)__builtin_popcount(byte_at(st, it, r.last >> 3) & after);
  return n;
}

void rd_cmd_bitcount(rd_call *c) {
  rd_key key = rd_call_key(c, 1);
  bool absent;
  rd_item *it = rd_call_string(c, &key, false, &absent);
  if (!it) {
    if (absent) rd_reply_int(c->out, 0);
    return;
  }
  int64_t start = 0, end = -1;
  bool bits = false;
  if (c->argc == 4 || c->argc == 5) {
    if (!rd_arg_integer(c, c->argv[2], &start) || !rd_arg_integer(c, c->argv[3], &end)) return;
    if (start < 0 && end < 0 && start > end) { /* as in Redis, before the unit is looked at */
      rd_reply_int(c->out, 0);
      return;
    }
    if (c->argc == 5 && !parse_unit(c->argv[4], &bits)) {
      rd_reply_syntax(c->out);
      return;
    }
  } else if (c->argc != 2) {
    rd_reply_syntax(c->out);
    return;
  }
  bit_range r;
  bool some = clamp(start, end, bits, rd_item_len(it), &r);
  if (some && !rd_may_read(c, (r.last - r.first) / 8)) return;
  rd_reply_int(c->out, some ? (int64_t)count_bits(c->store, it, r) : 0);
}

/* The first bit in the range that equals `bit`, or -1. */
static int64_t find_bit(rd_store *st, const rd_item *it, bit_range r, unsigned bit) {
  uint64_t end = (r.last >> 3) + 1;
  for (uint64_t off = r.first >> 3; off < end;) {
    /* The ends of the range are looked at as single bytes whose outer bits cannot match. */
    uint8_t edge;
    rd_bytes piece;
    bool first = off == r.first >> 3, last = off + 1 == end;
    if ((first && (r.first & 7)) || (last && (r.last & 7) != 7)) {
      unsigned outside = (first ? 0xff00u >> (r.first & 7) & 0xff : 0) | (last ? 0x7fu >> (r.last & 7) : 0);
      edge = byte_at(st, it, off);
      edge = (uint8_t)(bit ? edge & ~outside : edge | outside);
      piece = (rd_bytes){&edge, 1};
    } else {
      piece = rd_item_piece(st, it, off);
      uint64_t whole = end - off - ((r.last & 7) != 7 ? 1 : 0);
      if (piece.len > whole) piece.len = (size_t)whole;
    }
    int64_t at = rd_bits_find(piece.data, piece.len, bit);
    if (at >= 0) return (int64_t)(off * 8) + at;
    off += piece.len;
    if (!rd_yield(st)) break;
  }
  return -1;
}

void rd_cmd_bitpos(rd_call *c) {
  int64_t bit;
  if (!rd_arg_integer(c, c->argv[2], &bit)) return;
  if (bit & ~1) {
    rd_reply_error(c->out, "ERR The bit argument must be 1 or 0.");
    return;
  }
  rd_key key = rd_call_key(c, 1);
  bool absent;
  rd_item *it = rd_call_string(c, &key, false, &absent);
  if (!it) {
    if (absent) rd_reply_int(c->out, bit ? -1 : 0);
    return;
  }
  int64_t start = 0, end = -1;
  bool bits = false, end_given = c->argc >= 5;
  if (c->argc > 6) {
    rd_reply_syntax(c->out);
    return;
  }
  if (c->argc >= 4 && !rd_arg_integer(c, c->argv[3], &start)) return;
  if (c->argc == 6 && !parse_unit(c->argv[5], &bits)) {
    rd_reply_syntax(c->out);
    return;
  }
  if (end_given && !rd_arg_integer(c, c->argv[4], &end)) return;
  bit_range r;
  int64_t at = -1;
  if (clamp(start, end, bits, rd_item_len(it), &r)) {
    if (!rd_may_read(c, (r.last - r.first) / 8)) return;
    at = find_bit(c->store, it, r, (unsigned)bit);
    /* A string counts as continued by zeros unless the caller gave the end. */
    if (at < 0 && bit == 0 && !end_given) at = (int64_t)(rd_item_len(it) * 8);
  }
  rd_reply_int(c->out, at);
}

/* ---- BITOP ---- */

typedef enum bitop { BITOP_AND, BITOP_OR, BITOP_XOR, BITOP_NOT } bitop;

#define CLEARED 262144u

/* Combine a source into `dst`; a source shorter than `len` counts as continued by zeros. */
static void combine(rd_store *st, const rd_item *it, bitop op, bool first, uint8_t *dst, uint64_t len) {
  uint64_t have = it ? rd_item_len(it) : 0;
  for (uint64_t off = 0; off < have;) {
    rd_bytes piece = rd_item_piece(st, it, off);
    if (first)
      memcpy(dst + off, piece.data, piece.len);
    else if (op == BITOP_AND)
      rd_bits_and(dst + off, piece.data, piece.len);
    else if (op == BITOP_OR)
      rd_bits_or(dst + off, piece.data, piece.len);
    else
      rd_bits_xor(dst + off, piece.data, piece.len);
    if (op == BITOP_NOT) rd_bits_not(dst + off, piece.len);
    off += piece.len;
    rd_yield(st);
  }
  for (uint64_t off = have; off < len && (first || op == BITOP_AND); off += CLEARED) {
    memset(dst + off, 0, (size_t)(len - off < CLEARED ? len - off : CLEARED));
    rd_yield(st);
  }
}

void rd_cmd_bitop(rd_call *c) {
  bitop op;
  if (rd_arg_is(c->argv[1], "and")) {
    op = BITOP_AND;
  } else if (rd_arg_is(c->argv[1], "or")) {
    op = BITOP_OR;
  } else if (rd_arg_is(c->argv[1], "xor")) {
    op = BITOP_XOR;
  } else if (rd_arg_is(c->argv[1], "not")) {
    op = BITOP_NOT;
  } else {
    rd_reply_syntax(c->out);
    return;
  }
  if (op == BITOP_NOT && c->argc != 4) {
    rd_reply_error(c->out, "ERR BITOP NOT must be called with a single source key.");
    return;
  }
  uint64_t len = 0, all = 0;
  for (uint32_t i = 3; i < c->argc; i++) {
    rd_key key = rd_call_key(c, i);
    const rd_item *it = rd_find_quiet(c->store, &key, false);
    if (it) all += rd_item_len(it);
    if ((i & 63) == 63) rd_yield(c->store);
  }
  if (all > RD_LONG_BYTES && !rd_may_take_long(c)) return;
  for (uint32_t i = 3; i < c->argc; i++) {
    rd_key key = rd_call_key(c, i);
    bool absent;
    rd_item *it = rd_call_string(c, &key, false, &absent);
    if (!it && !absent) return;
    if (it && rd_item_len(it) > len) len = rd_item_len(it);
    if ((i & 63) == 63) rd_yield(c->store);
  }
  if (!rd_check_length(c, len)) return;
  rd_key dest = rd_call_key(c, 2);
  if (len == 0) {
    rd_discard(c->store, &dest);
    rd_reply_int(c->out, 0);
    return;
  }
  uint8_t *result = rd_scratch_take(c, len);
  if (!result) {
    rd_reply_oom(c->out);
    return;
  }
  for (uint32_t i = 3; i < c->argc; i++) {
    rd_key key = rd_call_key(c, i);
    combine(c->store, rd_find_quiet(c->store, &key, false), op, i == 3, result, len);
  }
  if (rd_set(c->store, &dest, result, len, RD_NO_EXPIRY, RD_ENC_RAW, RD_EVENT_SET) == RD_OK)
    rd_reply_int(c->out, (int64_t)len);
  else
    rd_reply_oom(c->out);
  rd_scratch_give(c->store, result, len);
}
