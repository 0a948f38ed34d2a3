/* lcs.c - LCS: the longest common subsequence of two strings.
 *
 * L(i, j), the length for the first i bytes of one string and the first j of the other, is the textbook table of
 * (m + 1) * (n + 1) numbers; Redis refuses when that table would exceed 512 MiB, and so does this
 * function, but it needs neither that memory nor that time. Neighbours in the table differ by 0 or 1, so a column is a
 * vector of bits, and a whole column follows from the one before in m / 64 word operations (Hyyrö, "Bit-parallel
 * LCS-length computation revisited", 2004):
 *
 *   V' = (V + (V & M)) | (V & ~M)
 *
 * where bit i of V is 0 when L grows from row i - 1 to row i, and M marks the bytes equal to the column's byte. The
 * carry out of bit i of that addition says whether L grows from the last column to this one in row i. Together they
 * give the direction of the walk back, and only that is kept: one bit a cell, 16 MiB for the largest table, a
 * thirty-second of Redis's. There may be many longest subsequences; the walk's rule at a tie decides which one is
 * found, and it is Redis's: at bytes that differ, one step back in the first string if that keeps L and the other does
 * not, else one step back in the second. */
#include <stdlib.h>

#include "arena/longrun.h"
#include "arena/worker.h"
#include "commands/cmd.h"
#include "commands/value.h"

typedef struct lcs_options {
  bool len, idx, with_match_len;
  int64_t min_match_len;
} lcs_options;

/* The directions of the walk: one row for each byte of the longer string, one bit for each byte of the shorter. */
typedef struct lcs_table {
  uint64_t length; /* length of the longest common subsequence */
  uint8_t *back;   /* bit set: step back in the first string. NULL when only the length is wanted */
  size_t row_bytes;
  bool rows_are_a; /* the first string is the longer one */
} lcs_table;

static bool step_back_in_a(const lcs_table *t, size_t i, size_t j) {
  size_t row = t->rows_are_a ? i : j;
  size_t bit = t->rows_are_a ? j : i;
  return t->back[row * t->row_bytes + bit / 8] >> (bit & 7) & 1;
}

/* Fill *t for two strings that are not empty. false: no memory. */
static bool lcs_compute(rd_call *c, rd_bytes a, rd_bytes b, bool length_only, lcs_table *t) {
  t->rows_are_a = a.len > b.len;
  rd_bytes shorter = t->rows_are_a ? b : a;
  rd_bytes longer = t->rows_are_a ? a : b;
  size_t words = (shorter.len + 63) / 64;
  t->row_bytes = (shorter.len + 7) / 8;
  t->back = NULL;
  uint64_t *match = calloc(257 * words, sizeof *match); /* M for each byte value, then V */
  if (!match) return false;
  if (!length_only && !(t->back = rd_scratch_take(c, longer.len * t->row_bytes))) {
    free(match);
    return false;
  }
  uint64_t *v = match + 256 * words;
  for (size_t i = 0; i < shorter.len; i++) match[shorter.data[i] * words + i / 64] |= 1ull << (i & 63);
  memset(v, 0xff, words * sizeof *v);
  for (size_t row = 0; row < longer.len; row++) {
    const uint64_t *m = match + longer.data[row] * words;
    if ((row & 255) == 255) rd_yield(c->store);
    uint8_t *back = t->back ? t->back + row * t->row_bytes : NULL;
    uint64_t carry = 0;
    for (size_t w = 0; w < words; w++) {
      uint64_t u = v[w] & m[w], half, sum;
      uint64_t out = __builtin_add_overflow(v[w], u, &half);
      out |= __builtin_add_overflow(half, carry, &sum);
      if (back) {
        uint64_t grew_along = (v[w] ^ u ^ sum) >> 1 | out << 63; /* L is larger than one row before */
        uint64_t same_across = sum | (v[w] & ~m[w]);             /* L is the same as one byte of `shorter` before */
        uint64_t bits = t->rows_are_a ? ~same_across & ~grew_along : same_across & grew_along;
        size_t n = t->row_bytes - w * 8 < 8 ? t->row_bytes - w * 8 : 8;
        memcpy(back + w * 8, &bits, n);
      }
      v[w] = sum | (v[w] & ~m[w]);
      carry = out;
    }
  }
  t->length = 0;
  for (size_t i = 0; i < shorter.len; i++) t->length += ~(v[i / 64] >> (i & 63)) & 1;
  free(match);
  return true;
}

/* Reply with the subsequence itself. */
static void reply_text(rd_call *c, rd_bytes a, rd_bytes b, const lcs_table *t) {
  rd_reply_bulk_head(c->out, t->length);
  uint8_t *text = rd_reply_room(c->out, t->length);
  if (!text) return;
  size_t at = t->length;
  for (size_t i = a.len, j = b.len; at > 0;) {
    if (a.data[i - 1] == b.data[j - 1]) {
      text[--at] = a.data[i - 1];
      i--;
      j--;
    } else if (step_back_in_a(t, i - 1, j - 1)) {
      i--;
    } else {
      j--;
    }
  }
  c->out->len += t->length;
  rd_reply_crlf(c->out);
}

static size_t reply_match(rd_call *c, const lcs_options *o, size_t i, size_t j, size_t run) {
  if (run == 0 || (int64_t)run < o->min_match_len) return 0;
  rd_reply_array(c->out, o->with_match_len ? 3 : 2);
  rd_reply_array(c->out, 2);
  rd_reply_int(c->out, (int64_t)i);
  rd_reply_int(c->out, (int64_t)(i + run - 1));
  rd_reply_array(c->out, 2);
  rd_reply_int(c->out, (int64_t)j);
  rd_reply_int(c->out, (int64_t)(j + run - 1));
  if (o->with_match_len) rd_reply_int(c->out, (int64_t)run);
  return 1;
}

/* Reply with the matching ranges, the last first. */
static void reply_idx(rd_call *c, rd_bytes a, rd_bytes b, const lcs_table *t, const lcs_options *o) {
  rd_reply_map(c->out, 2);
  rd_reply_str(c->out, "matches");
  size_t mark = rd_reply_begin_array(c->out);
  size_t matches = 0, run = 0;
  size_t i = a.len, j = b.len;
  for (uint64_t left = t->length; left > 0;) {
    if (a.data[i - 1] == b.data[j - 1]) {
      run++;
      left--;
      i--;
      j--;
      continue;
    }
    matches += reply_match(c, o, i, j, run);
    run = 0;
    if (step_back_in_a(t, i - 1, j - 1))
      i--;
    else
      j--;
  }
  matches += reply_match(c, o, i, j, run);
  rd_reply_end_array(c->out, mark, matches);
  rd_reply_str(c->out, "len");
  rd_reply_int(c->out, (int64_t)t->length);
}

static bool parse_options(rd_call *c, lcs_options *o) {
  for (uint32_t i = 3; i < c->argc; i++) {
    if (rd_arg_is(c->argv[i], "idx")) {
      o->idx = true;
    } else if (rd_arg_is(c->argv[i], "len")) {
      o->len = true;
    } else if (rd_arg_is(c->argv[i], "withmatchlen")) {
      o->with_match_len = true;
    } else if (i + 1 < c->argc && rd_arg_is(c->argv[i], "minmatchlen")) {
      if (!rd_arg_integer(c, c->argv[++i], &o->min_match_len)) return false;
    } else {
      rd_reply_syntax(c->out);
      return false;
    }
  }
  if (o->idx && o->len) {
    rd_reply_error(c->out, "ERR If you want both the length and indexes, please just use IDX.");
    return false;
  }
  return true;
}

/* The cells of the table that take some milliseconds. */
#define LONG_CELLS (16u << 20)

static void reply_lcs(rd_call *c, rd_bytes a, rd_bytes b, const lcs_options *o) {
  lcs_table t = {0};
  if (a.len && b.len && !lcs_compute(c, a, b, o->len, &t)) {
    rd_reply_error(c->out, "ERR Insufficient memory, failed allocating transient memory for LCS");
    return;
  }
  if (o->len)
    rd_reply_int(c->out, (int64_t)t.length);
  else if (o->idx)
    reply_idx(c, a, b, &t, o);
  else
    reply_text(c, a, b, &t);
  rd_scratch_give(c->store, t.back, (a.len > b.len ? a.len : b.len) * t.row_bytes);
}

void rd_cmd_lcs(rd_call *c) {
  if (!rd_may_miss(c)) return;
  rd_key ka = rd_call_key(c, 1), kb = rd_call_key(c, 2);
  rd_item *a = rd_find_read(c->store, &ka);
  rd_item *b = rd_find_read(c->store, &kb);
  if ((a && rd_item_type(a) != RD_STRING) || (b && rd_item_type(b) != RD_STRING)) {
    rd_reply_error(c->out, "ERR The specified keys must contain string values");
    return;
  }
  lcs_options o = {0};
  if (!parse_options(c, &o)) return;
  uint64_t alen = a ? rd_item_len(a) : 0, blen = b ? rd_item_len(b) : 0;
  if ((alen + 1) * (blen + 1) * 4 > RD_MAX_BULK) {
    rd_reply_error(c->out, "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    return;
  }
  if ((alen + blen > RD_LONG_BYTES || alen * blen > LONG_CELLS) && !rd_may_take_long(c)) {
    uint64_t *value = rd_my_counters(c->store)->value;
    value[RD_STAT_keyspace_hits] -= (a != NULL ? 1u : 0u) + (b != NULL ? 1u : 0u);
    value[RD_STAT_keyspace_misses] -= (a == NULL ? 1u : 0u) + (b == NULL ? 1u : 0u);
    return;
  }
  rd_scratch va = {(const uint8_t *)"", 0, NULL}, vb = va;
  if ((a && !rd_scratch_value(c, a, &va)) || (b && !rd_scratch_value(c, b, &vb)))
    rd_reply_error(c->out, "ERR Insufficient memory, failed allocating transient memory for LCS");
  else
    reply_lcs(c, (rd_bytes){va.data, (size_t)va.len}, (rd_bytes){vb.data, (size_t)vb.len}, &o);
  rd_scratch_free(c->store, &va);
  rd_scratch_free(c->store, &vb);
}
