/* fuzz_packed.c - the invariants:
 *
 *   - reading a packed string of any bytes ends after at most as many elements as it has bytes, and stays within it;
 *   - the elements of one that is right, written as a listpack, are read again as the same;
 *   - reading a string, a length or a score of any bytes stays within them.
 *
 * Input: one byte that chooses the packing, and the string. */
#include <stdio.h>
#include <stdlib.h>

#include "rdb/packed.h"
#include "rdb/reader.h"
#include "rdb/writer.h"

static void expect(bool ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "%s\n", what);
  abort();
}

/* Write all elements; false: the string is damaged. Returns their number. */
static bool copy(rd_packing packing, rd_bytes string, rd_writer *w, uint64_t *count) {
  rd_packed p;
  rd_bytes text;
  char number[RD_I64_TEXT];
  rd_got got;
  *count = 0;
  if (!rd_packed_open(&p, packing, string)) return false;
  while ((got = rd_packed_next(&p, &text, number)) == RD_GOT) {
    const uint8_t *at = text.data;
    bool is_number = at == (const uint8_t *)number;
    expect(is_number || (at >= string.data && text.len <= (size_t)(string.data + string.len - at)),
           "a text is outside");
    expect(++*count <= string.len, "it does not end");
    rd_put_packed(w, text);
  }
  return got == RD_GOT_END;
}

static void try_packed(rd_packing packing, rd_bytes string) {
  rd_writer size = {NULL, 0};
  uint64_t count, again;
  if (!copy(packing, string, &size, &count)) return;
  uint64_t len = RD_LISTPACK_BYTES + size.len;
  rd_writer w = {malloc(len), 0}, w2 = {malloc(len), 0};
  expect(w.to != NULL && w2.to != NULL, "no memory");
  rd_put_listpack(&w, len, count);
  copy(packing, string, &w, &count);
  rd_put_listpack_end(&w);
  expect(w.len == len, "a listpack has another length than was measured");
  rd_put_listpack(&w2, len, count);
  expect(copy(RD_LISTPACK, (rd_bytes){w.to, len}, &w2, &again) && again == count, "a listpack that was written is bad");
  rd_put_listpack_end(&w2);
  expect(memcmp(w.to, w2.to, len) == 0, "a listpack has other elements than were written");
  free(w.to);
  free(w2.to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) return 0;
  uint8_t *alone = malloc(size);
  expect(alone != NULL, "no memory");
  memcpy(alone, data + 1, size - 1);
  rd_bytes rest = {alone, size - 1};
  if (data[0] % 5 < 4) {
    try_packed((rd_packing)(data[0] % 5), rest);
  } else {
    rd_reader r = rd_reader_of(rest);
    rd_string s;
    double score;
    while (rd_read_string(&r, &s)) expect(r.at > alone && s.bytes.len <= rest.len, "a string is outside");
    expect(r.at >= alone && r.at <= alone + rest.len, "it reads outside");
    r = rd_reader_of(rest);
    while (rd_read_score(&r, &score) && rd_read_double(&r, &score)) continue;
    expect(r.at >= alone && r.at <= alone + rest.len, "it reads outside");
  }
  free(alone);
  return 0;
}
