/* test_packed.c - reading the strings in which Redis packs small values, and writing listpacks.
 *
 * The samples are put together by hand from the formats; tests/differential compares with real servers. */
#include <stdlib.h>

#include "check.h"
#include "rdb/packed.h"
#include "rdb/reader.h"
#include "rdb/writer.h"

/* The elements of a packed string, joined by spaces; "?" at the end: it is damaged. It is read from a block of exactly
 * its size, so that a sanitizer sees each byte that is read beyond. */
static char elements[1 << 16];
static const char *read_all(rd_packing packing, const void *data, size_t len) {
  uint8_t *copy = malloc(len > 0 ? len : 1);
  rd_packed p;
  rd_bytes text;
  char number[RD_I64_TEXT];
  size_t n = 0, steps = 0;
  rd_got got = RD_GOT_BAD;
  memcpy(copy, data, len);
  if (rd_packed_open(&p, packing, (rd_bytes){copy, len})) {
    while ((got = rd_packed_next(&p, &text, number)) == RD_GOT) {
      CHECK(++steps <= len);
      CHECK(text.len <= len + RD_I64_TEXT);
      if (n > 0) elements[n++] = ' ';
      if (n + text.len + 3 > sizeof elements) break;
      memcpy(elements + n, text.data, text.len);
      n += text.len;
    }
  }
  if (got == RD_GOT_BAD) elements[n++] = '?';
  elements[n] = 0;
  free(copy);
  return elements;
}

static bool is_bad(rd_packing packing, const void *data, size_t len) {
  const char *read = read_all(packing, data, len);
  return read[strlen(read) - 1] == '?';
}

#define SAMPLE(text) (text), sizeof(text) - 1
#define READS(packing, sample, expected)                   \
  do {                                                     \
    const char *read_ = read_all(packing, SAMPLE(sample)); \
    CHECK_TEXT(read_, strlen(read_), expected);            \
  } while (0)
#define BAD(packing, sample) CHECK(is_bad(packing, SAMPLE(sample)))

/* ---- the samples, each with all kinds of entries ---- */

#define LISTPACK                                                                  \
  "\x40\0\0\0\x0d\0"                                                              \
  "\x00\x01" /* 0 */                                                              \
  "\x7f\x01" /* 127 */                                                            \
  "\x80\x01" /* "" */                                                             \
  "\x83"                                                                          \
  "abc\x04"      /* abc */                                                        \
  "\xc0\x80\x02" /* 128 */                                                        \
  "\xdf\xff\x02" /* -1 */                                                         \
  "\xd0\x00\x02" /* -4096 */                                                      \
  "\xe0\x02"                                                                      \
  "xy\x04"                                       /* xy, longer than it must be */ \
  "\xf0\x01\0\0\0z\x06"                          /* z, the same */                \
  "\xf1\x00\x80\x03"                             /* -32768 */                     \
  "\xf2\xff\xff\x7f\x04"                         /* 8388607 */                    \
  "\xf3\x00\x00\x00\x80\x05"                     /* -2147483648 */                \
  "\xf4\xff\xff\xff\xff\xff\xff\xff\x7f\x09\xff" /* 9223372036854775807 */
#define LISTPACK_READ "0 127  abc 128 -1 -4096 xy z -32768 8388607 -2147483648 9223372036854775807"

#define ZIPLIST                                                                                      \
  "\x42\0\0\0\x37\0\0\0\x0b\0"                                                                       \
  "\x00\xf1" /* 0 */                                                                                 \
  "\x02\xfd" /* 12 */                                                                                \
  "\x02\x00" /* "" */                                                                                \
  "\x02\x03"                                                                                         \
  "abc" /* abc */                                                                                    \
  "\x05\x40\x02"                                                                                     \
  "xy"                                       /* xy, longer than it must be */                        \
  "\x05\x80\0\0\0\x01z"                      /* z, the same */                                       \
  "\xfe\x07\0\0\0\xfe\x80"                   /* -128; the length before is longer than it must be */ \
  "\x07\xc0\x00\x80"                         /* -32768 */                                            \
  "\x04\xf0\xff\xff\x7f"                     /* 8388607 */                                           \
  "\x05\xd0\x00\x00\x00\x80"                 /* -2147483648 */                                       \
  "\x06\xe0\xff\xff\xff\xff\xff\xff\xff\x7f" /* 9223372036854775807 */                               \
  "\xff"
#define ZIPLIST_READ "0 12  abc xy z -128 -32768 8388607 -2147483648 9223372036854775807"

#define INTSET "\x04\0\0\0\x04\0\0\0\x00\x00\x00\x80\xff\xff\xff\xff\x00\x00\x00\x00\x40\xe2\x01\x00"
#define INTSET_READ "-2147483648 -1 0 123456"

#define ZIPMAP  \
  "\x02\x03"    \
  "foo\x03\x02" \
  "bar??\xfe\x01\0\0\0a\xfe\x02\0\0\0\0xy\xff"
#define ZIPMAP_READ "foo bar a xy"

static void listpacks_are_read(void) {
  READS(RD_LISTPACK, LISTPACK, LISTPACK_READ);
  READS(RD_LISTPACK, "\x07\0\0\0\0\0\xff", "");
  /* 65535 entries: the head does not say how many */
  READS(RD_LISTPACK, "\x09\0\0\0\xff\xff\x05\x01\xff", "5");
}

static void ziplists_are_read(void) {
  READS(RD_ZIPLIST, ZIPLIST, ZIPLIST_READ);
  READS(RD_ZIPLIST, "\x0b\0\0\0\x0a\0\0\0\0\0\xff", "");
  READS(RD_ZIPLIST, "\x0d\0\0\0\x0a\0\0\0\xff\xff\x00\xf2\xff", "1");
}

static void intsets_are_read(void) {
  READS(RD_INTSET, INTSET, INTSET_READ);
  READS(RD_INTSET, "\x02\0\0\0\0\0\0\0", "");
  READS(RD_INTSET, "\x02\0\0\0\x02\0\0\0\xff\x7f\x00\x80?", "?");
  READS(RD_INTSET, "\x08\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\x80\xff\xff\xff\xff\xff\xff\xff\x7f",
        "-9223372036854775808 9223372036854775807");
}

static void zipmaps_are_read(void) {
  READS(RD_ZIPMAP, ZIPMAP, ZIPMAP_READ);
  READS(RD_ZIPMAP, "\0\xff", "");
  READS(RD_ZIPMAP, "\xfe\x01x\x01\0y\xff", "x y"); /* 254 pairs or more: not counted */
}

/* ---- what is refused ---- */

static void wrong_heads_are_refused(void) {
  BAD(RD_LISTPACK, "");
  BAD(RD_LISTPACK, "\x06\0\0\0\0\0");
  BAD(RD_LISTPACK, "\x08\0\0\0\0\0\xff");   /* another length */
  BAD(RD_LISTPACK, "\x07\0\0\0\x01\0\xff"); /* an entry too many */
  BAD(RD_LISTPACK, "\x09\0\0\0\x02\0\x05\x01\xff");
  BAD(RD_LISTPACK, "\x09\0\0\0\0\0\x05\x01\xff"); /* too few */
  BAD(RD_LISTPACK, "\x09\0\0\0\x01\0\x05\x01\xfe");
  BAD(RD_ZIPLIST, "\x0a\0\0\0\x0a\0\0\0\0\0");
  BAD(RD_ZIPLIST, "\x0b\0\0\0\x0b\0\0\0\0\0\xff"); /* another last entry */
  BAD(RD_ZIPLIST, "\x0b\0\0\0\x0a\0\0\0\x01\0\xff");
  BAD(RD_ZIPLIST, "\x0d\0\0\0\x0a\0\0\0\0\0\x00\xf2\xff");
  BAD(RD_INTSET, "\x02\0\0\0\0\0\0");
  BAD(RD_INTSET, "\x03\0\0\0\x01\0\0\0abc");
  BAD(RD_INTSET, "\0\0\0\0\x01\0\0\0");
  BAD(RD_INTSET, "\x08\0\0\0\x01\0\0\x20\0\0\0\0\0\0\0\0"); /* 2^29 + 1 numbers */
  BAD(RD_ZIPMAP, "\xff");
  BAD(RD_ZIPMAP, "\x01\xff");
  BAD(RD_ZIPMAP, "\0\x01x\x01\0y\xff");
}

static void wrong_entries_are_refused(void) {
  BAD(RD_LISTPACK, "\x09\0\0\0\x01\0\x05\x02\xff");     /* the entry's own length */
  BAD(RD_LISTPACK, "\x0a\0\0\0\x01\0\x05\x00\x81\xff"); /* in a longer form */
  BAD(RD_LISTPACK,
      "\x0a\0\0\0\x01\0\x83"
      "ab\xff"); /* a string that ends too late */
  BAD(RD_LISTPACK, "\x0d\0\0\0\x01\0\xf0\xff\xff\xff\xff\x05\xff");
  BAD(RD_LISTPACK, "\x09\0\0\0\x01\0\xf5\x01\xff"); /* no entry */
  BAD(RD_LISTPACK, "\x09\0\0\0\x01\0\xff\x01\xff");
  BAD(RD_ZIPLIST, "\x0d\0\0\0\x0a\0\0\0\x01\0\x01\xf2\xff"); /* before the first one there is none */
  BAD(RD_ZIPLIST, "\x0f\0\0\0\x0c\0\0\0\x02\0\x00\xf2\x03\xf2\xff");
  BAD(RD_ZIPLIST, "\x0d\0\0\0\x0a\0\0\0\x01\0\x00\x3f\xff");
  BAD(RD_ZIPLIST, "\x11\0\0\0\x0a\0\0\0\x01\0\x00\x80\xff\xff\xff\xff\xff");
  BAD(RD_ZIPLIST, "\x11\0\0\0\x0a\0\0\0\x01\0\x00\x81\0\0\0\0\xff");
  BAD(RD_ZIPLIST, "\x0d\0\0\0\x0a\0\0\0\x01\0\x00\xff\xff");
  BAD(RD_INTSET, "\x02\0\0\0\x02\0\0\0\x01\0\x01\0"); /* twice the same */
  BAD(RD_INTSET, "\x02\0\0\0\x02\0\0\0\x02\0\x01\0"); /* falling */
  BAD(RD_ZIPMAP, "\x01\x01x\xff");                    /* a field without a value */
  BAD(RD_ZIPMAP, "\xfe\x01x\xff");
  BAD(RD_ZIPMAP, "\x01\x01x\x01\x01y\xff"); /* free bytes that there are not */
  BAD(RD_ZIPMAP, "\x01\x01x\xfe\xff\xff\xff\xff\0y\xff");
}

/* Each byte of a sample is changed to each value, cut off, or has another before it: reading ends, within it. */
static void damage(rd_packing packing, const char *sample, size_t len) {
  uint8_t copy[128];
  CHECK(len < sizeof copy);
  for (size_t i = 0; i < len; i++) {
    memcpy(copy, sample, len);
    for (unsigned value = 0; value < 256; value++) {
      copy[i] = (uint8_t)value;
      read_all(packing, copy, len);
    }
    CHECK(is_bad(packing, sample, i));
    read_all(packing, sample + i + 1, len - i - 1);
    memcpy(copy, sample, i);
    copy[i] = (uint8_t)sample[i];
    memcpy(copy + i + 1, sample + i, len - i);
    read_all(packing, copy, len + 1);
  }
}

static void damaged_strings_are_read_to_an_end(void) {
  damage(RD_LISTPACK, SAMPLE(LISTPACK));
  damage(RD_ZIPLIST, SAMPLE(ZIPLIST));
  damage(RD_INTSET, SAMPLE(INTSET));
  damage(RD_ZIPMAP, SAMPLE(ZIPMAP));
}

/* ---- writing ---- */

/* Write a listpack of one element, and read it. */
static void round_trip(rd_bytes text) {
  rd_writer size = {NULL, 0};
  rd_put_packed(&size, text);
  uint64_t len = RD_LISTPACK_BYTES + size.len;
  rd_writer w = {malloc(len), 0};
  rd_put_listpack(&w, len, 1);
  rd_put_packed(&w, text);
  rd_put_listpack_end(&w);
  CHECK_INT(w.len, len);

  rd_packed p;
  rd_bytes read;
  char number[RD_I64_TEXT];
  CHECK(rd_packed_open(&p, RD_LISTPACK, (rd_bytes){w.to, len}));
  CHECK(rd_packed_next(&p, &read, number) == RD_GOT);
  CHECK_BYTES(read.data, read.len, text.data, text.len);
  CHECK(rd_packed_next(&p, &read, number) == RD_GOT_END);
  free(w.to);
}

static void listpacks_are_written_as_they_are_read(void) {
  static const uint64_t edges[] = {0,       62,      63,      64,        65,        126,      127,
                                   128,     4090,    4095,    4096,      16370,     16376,    16377,
                                   16378,   16379,   16383,   16384,     2097140,   2097144,  2097145,
                                   2097146, 2097147, 2097151, 268435444, 268435450, 268435455};
  for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
    uint8_t *text = malloc(edges[i] + 1);
    memset(text, 'x', edges[i] + 1);
    round_trip((rd_bytes){text, edges[i]});
    free(text);
  }
  for (unsigned bits = 0; bits < 64; bits++) {
    for (int d = -2; d <= 2; d++) {
      for (int sign = 0; sign < 2; sign++) {
        char text[RD_I64_TEXT];
        uint64_t n = ((uint64_t)1 << bits) + (uint64_t)d;
        round_trip((rd_bytes){(uint8_t *)text, rd_format_i64(text, (int64_t)(sign ? 0 - n : n))});
      }
    }
  }
  round_trip((rd_bytes){(const uint8_t *)"007", 3});
  round_trip((rd_bytes){(const uint8_t *)"-0", 2});
  round_trip((rd_bytes){(const uint8_t *)"9223372036854775808", 19});
}

/* Behind an entry of 16,383 bytes Redis writes its length in three groups, and Valkey in two. */
static void both_lengths_behind_an_entry_are_read(void) {
  enum { LEN = 16383 - 5 };
  static uint8_t list[6 + 5 + LEN + 4 + 1];
  for (unsigned groups = 1; groups <= 4; groups++) {
    rd_writer w = {list, 0};
    rd_put_listpack(&w, 6 + 5 + LEN + groups + 1, 1);
    rd_put_packed_head(&w, LEN);
    memset(rd_put_room(&w, LEN), 'x', LEN);
    for (unsigned i = 0; i < groups; i++)
      rd_put_bytes(&w, (uint8_t[]){(uint8_t)((16383u >> 7 * (groups - 1 - i) & 127) | (i > 0 ? 128 : 0))}, 1);
    rd_put_listpack_end(&w);
    CHECK(is_bad(RD_LISTPACK, list, w.len) == (groups == 1 || groups == 4));
  }
}

/* A string in pieces is the same as in one. */
static void a_string_is_written_in_pieces(void) {
  uint8_t whole[300], pieces[300];
  rd_writer a = {whole, 0}, b = {pieces, 0};
  uint8_t text[200];
  memset(text, 'y', sizeof text);
  rd_put_packed(&a, (rd_bytes){text, sizeof text});
  rd_put_packed_head(&b, sizeof text);
  memset(rd_put_room(&b, sizeof text), 'y', sizeof text);
  rd_put_packed_end(&b, sizeof text);
  CHECK_BYTES(whole, a.len, pieces, b.len);
}

/* ---- the parts of a value ---- */

static void strings_and_lengths_are_written_as_they_are_read(void) {
  static const char *const texts[] = {"",    "a",     "0",      "-1",    "127",        "128",         "-129",
                                      "007", "32768", "-32769", "65535", "2147483647", "-2147483648", "2147483648",
                                      "-0",  "1e3",   " 1"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    uint8_t bytes[64];
    rd_bytes text = {(const uint8_t *)texts[i], strlen(texts[i])};
    rd_writer w = {bytes, 0};
    rd_put_string(&w, text);
    rd_reader r = rd_reader_of((rd_bytes){bytes, w.len});
    rd_string s;
    char number[RD_I64_TEXT];
    CHECK(rd_read_string(&r, &s) && r.at == r.end);
    if (s.is_number) s.bytes = (rd_bytes){(uint8_t *)number, rd_format_i64(number, s.number)};
    CHECK_BYTES(s.bytes.data, s.bytes.len, text.data, text.len);
    for (size_t len = 0; len < w.len; len++) {
      r = rd_reader_of((rd_bytes){bytes, len});
      CHECK(!rd_read_string(&r, &s));
    }
  }
  static const uint64_t lengths[] = {0, 63, 64, 16383, 16384, UINT32_MAX, 1ull << 32, UINT64_MAX};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    uint8_t bytes[9];
    rd_writer w = {bytes, 0};
    uint64_t n = 1;
    rd_put_length(&w, lengths[i]);
    rd_reader r = rd_reader_of((rd_bytes){bytes, w.len});
    CHECK(rd_read_length(&r, &n) && r.at == r.end && n == lengths[i]);
  }
}

static double score(const char *bytes, size_t len) {
  rd_reader r = rd_reader_of((rd_bytes){(const uint8_t *)bytes, len});
  double d = -77;
  return rd_read_score(&r, &d) && r.at == r.end ? d : -77;
}

static void scores_are_read(void) {
  CHECK(score(SAMPLE("\x03"
                     "1.5")) == 1.5);
  CHECK(score(SAMPLE("\x04-2e3")) == -2000);
  CHECK(score(SAMPLE("\xfe")) == __builtin_inf());
  CHECK(score(SAMPLE("\xff")) == -__builtin_inf());
  double nan = score(SAMPLE("\xfd"));
  CHECK(nan != nan);
  CHECK(score(SAMPLE("\x03"
                     "nan")) == -77);
  CHECK(score(SAMPLE("\x03"
                     "1.x")) == -77);
  CHECK(score(SAMPLE("\x03 15")) == -77);
  CHECK(score(SAMPLE("\x00")) == -77);
  CHECK(score(SAMPLE("\x05"
                     "1.5")) == -77);
  CHECK(score(SAMPLE("")) == -77);
}

int main(void) {
  RUN(listpacks_are_read);
  RUN(ziplists_are_read);
  RUN(intsets_are_read);
  RUN(zipmaps_are_read);
  RUN(wrong_heads_are_refused);
  RUN(wrong_entries_are_refused);
  RUN(damaged_strings_are_read_to_an_end);
  RUN(listpacks_are_written_as_they_are_read);
  RUN(both_lengths_behind_an_entry_are_read);
  RUN(a_string_is_written_in_pieces);
  RUN(strings_and_lengths_are_written_as_they_are_read);
  RUN(scores_are_read);
  return check_end();
}
