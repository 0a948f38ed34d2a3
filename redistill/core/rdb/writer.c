/* writer.c - writes lengths, strings, scores and listpacks. */
#include "rdb/writer.h"

#include "rdb/listpack.h"
#include "rdb/reader.h"

void rd_put_bytes(rd_writer *w, const void *data, size_t n) {
  uint8_t *at = rd_put_room(w, n);
  if (at != NULL && n > 0) memcpy(at, data, n);
}

/* `width` bytes of a number, low first, behind a first byte. */
static void write_number(rd_writer *w, unsigned first, uint64_t n, unsigned width) {
  uint8_t bytes[9] = {(uint8_t)first};
  for (unsigned i = 0; i < width; i++) bytes[1 + i] = (uint8_t)(n >> 8 * i);
  rd_put_bytes(w, bytes, 1 + width);
}

void rd_put_length(rd_writer *w, uint64_t n) {
  unsigned more = n < 64 ? 0 : n < 16384 ? 1 : n <= UINT32_MAX ? 4 : 8;
  uint8_t bytes[9] = {(uint8_t)(more == 0 ? n : more == 1 ? 0x40 | n >> 8 : more == 4 ? 0x80 : 0x81)};
  for (unsigned i = 0; i < more; i++) bytes[1 + i] = (uint8_t)(n >> 8 * (more - 1 - i));
  rd_put_bytes(w, bytes, 1 + more);
}

void rd_put_word(rd_writer *w, uint64_t n) { rd_put_bytes(w, &n, sizeof n); }

void rd_put_double(rd_writer *w, double score) { rd_put_bytes(w, &score, sizeof score); }

void rd_put_string(rd_writer *w, rd_bytes text) {
  int64_t n;
  if (text.len <= 11 && rd_parse_i64(text, &n) && n >= INT32_MIN && n <= INT32_MAX) {
    unsigned width = n >= INT8_MIN && n <= INT8_MAX ? 1 : n >= INT16_MIN && n <= INT16_MAX ? 2 : 4;
    write_number(w, width == 1 ? RD_RDB_INT8 : width == 2 ? RD_RDB_INT16 : RD_RDB_INT32, (uint64_t)n, width);
    return;
  }
  rd_put_length(w, text.len);
  rd_put_bytes(w, text.data, text.len);
}

/* ---- listpacks ---- */

void rd_put_listpack(rd_writer *w, uint64_t len, uint64_t entries) {
  uint8_t *at = rd_put_room(w, RD_LISTPACK_BYTES - 1);
  if (at == NULL) return;
  rd_st32(at, (uint32_t)len);
  uint16_t count = entries < UINT16_MAX ? (uint16_t)entries : UINT16_MAX;
  memcpy(at + 4, &count, sizeof count);
}

void rd_put_listpack_end(rd_writer *w) { rd_put_bytes(w, (uint8_t[]){RD_LISTPACK_END}, 1); }

/* The bytes before those of a string of `len` bytes. */
static unsigned head_bytes(uint64_t len) { return len < 64 ? 1 : len < 4096 ? 2 : 5; }

static void write_back(rd_writer *w, uint64_t len) {
  uint8_t back[RD_LISTPACK_BACK];
  rd_put_bytes(w, back, rd_listpack_back(back, len, 1));
}

void rd_put_packed_head(rd_writer *w, uint64_t len) {
  unsigned head = head_bytes(len);
  if (head == 5)
    write_number(w, 0xf0, len, 4);
  else
    rd_put_bytes(w,
                 head == 1 ? (uint8_t[]){(uint8_t)(0x80 | len)} : (uint8_t[]){(uint8_t)(0xe0 | len >> 8), (uint8_t)len},
                 head);
}

void rd_put_packed_end(rd_writer *w, uint64_t len) { write_back(w, head_bytes(len) + len); }

void rd_put_packed_number(rd_writer *w, int64_t n) {
  uint64_t begin = w->len;
  if (n >= 0 && n < 128)
    rd_put_bytes(w, (uint8_t[]){(uint8_t)n}, 1);
  else if (n >= -4096 && n < 4096)
    rd_put_bytes(w, (uint8_t[]){(uint8_t)(0xc0 | ((uint64_t)n >> 8 & 31)), (uint8_t)n}, 2);
  else if (n >= INT16_MIN && n <= INT16_MAX)
    write_number(w, 0xf1, (uint64_t)n, 2);
  else if (n >= -(1 << 23) && n < 1 << 23)
    write_number(w, 0xf2, (uint64_t)n, 3);
  else if (n >= INT32_MIN && n <= INT32_MAX)
    write_number(w, 0xf3, (uint64_t)n, 4);
  else
    write_number(w, 0xf4, (uint64_t)n, 8);
  write_back(w, w->len - begin);
}

void rd_put_packed(rd_writer *w, rd_bytes text) {
  int64_t n;
  if (rd_parse_i64(text, &n)) {
    rd_put_packed_number(w, n);
    return;
  }
  rd_put_packed_head(w, text.len);
  rd_put_bytes(w, text.data, text.len);
  rd_put_packed_end(w, text.len);
}
