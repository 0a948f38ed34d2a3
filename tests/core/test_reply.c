/* test_reply.c - the writer of replies by itself. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/doubles.h"
#include "check.h"
#include "wire/reply.h"

static rd_reply r;

static void start(int resp) {
  rd_reply_free(&r);
  rd_reply_init(&r);
  r.resp = (uint8_t)resp;
}
#define WROTE(text) CHECK_TEXT(r.data, r.len, text)
#define BOTH(call, resp2, resp3) \
  do {                           \
    start(2);                    \
    call;                        \
    WROTE(resp2);                \
    start(3);                    \
    call;                        \
    WROTE(resp3);                \
  } while (0)
#define SAME(call, text) BOTH(call, text, text)

static void simple_replies_and_errors_are_lines(void) {
  SAME(rd_reply_ok(&r), "+OK\r\n");
  SAME(rd_reply_simple(&r, "QUEUED"), "+QUEUED\r\n");
  SAME(rd_reply_error(&r, "ERR no"), "-ERR no\r\n");
  SAME(rd_reply_syntax(&r), "-ERR syntax error\r\n");
  SAME(rd_reply_wrong_type(&r), "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
  SAME(rd_reply_not_integer(&r), "-ERR value is not an integer or out of range\r\n");
  SAME(rd_reply_oom(&r), "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
}

static void errors_hold_no_control_bytes(void) {
  SAME(rd_reply_errorf(&r, "ERR '%s' %d", "a\r\nb\x01\x7f\xff", 7), "-ERR 'a  b  \xff' 7\r\n");
}

static void errors_are_counted_by_code(void) {
  start(2);
  rd_reply_wrong_type(&r);
  rd_reply_oom(&r);
  CHECK_INT(r.errors, 2);
  CHECK_TEXT(r.code, strlen(r.code), "OOM");
  rd_reply_error(&r, "AVERYLONGWORDTHATISNOCODEATALL x");
  CHECK_TEXT(r.code, strlen(r.code), "");
  rd_reply_error(&r, "ERR");
  CHECK_TEXT(r.code, strlen(r.code), "ERR");
}

static void a_long_error_is_shortened(void) {
  char *text = malloc(100000);
  memset(text, 'x', 99999);
  text[99999] = 0;
  start(2);
  rd_reply_errorf(&r, "ERR %s", text);
  CHECK(r.len < 2000);
  CHECK_BYTES(r.data + r.len - 2, 2, "\r\n", 2);
  free(text);
}

static void numbers_are_written_in_both_versions(void) {
  SAME(rd_reply_int(&r, 0), ":0\r\n");
  SAME(rd_reply_int(&r, 9), ":9\r\n");
  SAME(rd_reply_int(&r, 10), ":10\r\n");
  SAME(rd_reply_int(&r, 99), ":99\r\n");
  SAME(rd_reply_int(&r, 100), ":100\r\n");
  SAME(rd_reply_int(&r, -1), ":-1\r\n");
  SAME(rd_reply_int(&r, INT64_MAX), ":9223372036854775807\r\n");
  SAME(rd_reply_int(&r, INT64_MIN), ":-9223372036854775808\r\n");
  SAME(rd_reply_bulk_int(&r, INT64_MIN), "$20\r\n-9223372036854775808\r\n");
  SAME(rd_reply_bulk_int(&r, 7), "$1\r\n7\r\n");
  BOTH(rd_reply_double(&r, 0.1), "$3\r\n0.1\r\n", ",0.1\r\n");
  BOTH(rd_reply_double(&r, 3), "$1\r\n3\r\n", ",3\r\n");
  BOTH(rd_reply_double(&r, INFINITY), "$3\r\ninf\r\n", ",inf\r\n");
  BOTH(rd_reply_double(&r, -INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
  BOTH(rd_reply_double(&r, -NAN), "$3\r\nnan\r\n", ",nan\r\n");
  BOTH(rd_reply_double(&r, -DBL_MAX), "$24\r\n-1.7976931348623157e+308\r\n", ",-1.7976931348623157e+308\r\n");
  BOTH(rd_reply_bool(&r, true), ":1\r\n", "#t\r\n");
  BOTH(rd_reply_bool(&r, false), ":0\r\n", "#f\r\n");
}

/* The texts are valkey-server 9's. */
static void doubles_have_the_texts_of_redis(void) {
  static const struct {
    double d;
    const char *text;
  } all[] = {{-0.0, "-0"},
             {5e-324, "5e-324"},
             {1e-7, "1e-7"},
             {1e-5, "0.00001"},
             {1.5e-5, "0.000015"},
             {0.000123, "0.000123"},
             {0.12345678901234568, "0.12345678901234568"},
             {1234567.891, "1234567.891"},
             {9007199254740992, "9007199254740992"},
             {1e17, "100000000000000000"},
             {123456789012345680, "123456789012345680"},
             {4611686018427387904, "4611686018427387904"},
             {9223372036854775808.0, "9223372036854776000"},
             {1e20, "1e+20"},
             {1.23e20, "1.23e+20"},
             {1e22, "1e+22"},
             {-1.5e300, "-1.5e+300"},
             {2.2250738585072014e-308, "2.2250738585072014e-308"}};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    char text[RD_DOUBLE_TEXT];
    size_t n = rd_format_double(text, all[i].d);
    CHECK_TEXT(text, n, all[i].text);
  }
}

static void doubles_read_back_as_the_same_number(void) {
  uint64_t x = 88172645463325252ull;
  for (int i = 0; i < 300000; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    uint64_t bits = i % 3 == 0 ? x : i % 3 == 1 ? x >> 12 : (x >> 4 & ~0xffffffffull) | 0x3ull << 60;
    double d, back;
    memcpy(&d, &bits, sizeof d);
    if (isnan(d)) continue;
    char text[RD_DOUBLE_TEXT + 1];
    size_t n = rd_format_double(text, d);
    text[n] = 0;
    CHECK(n <= 25);
    back = strtod(text, NULL);
    if (memcmp(&d, &back, sizeof d) != 0) CHECK_FAIL("%a is written as %s", d, text);
  }
}

static void bulks_are_written_with_their_length(void) {
  SAME(rd_reply_bulk(&r, "abc", 3), "$3\r\nabc\r\n");
  SAME(rd_reply_bulk(&r, NULL, 0), "$0\r\n\r\n");
  SAME(rd_reply_str(&r, "hello world"), "$11\r\nhello world\r\n");
  start(2);
  rd_reply_bulk_head(&r, 3);
  memcpy(rd_reply_room(&r, 3), "xyz", 3);
  r.len += 3;
  rd_reply_crlf(&r);
  WROTE("$3\r\nxyz\r\n");
  BOTH(rd_reply_verbatim(&r, "txt", "some", 4), "$4\r\nsome\r\n", "=8\r\ntxt:some\r\n");
}

static void nulls_and_aggregates_differ_by_version(void) {
  BOTH(rd_reply_null(&r), "$-1\r\n", "_\r\n");
  BOTH(rd_reply_null_array(&r), "*-1\r\n", "_\r\n");
  SAME(rd_reply_array(&r, 12), "*12\r\n");
  BOTH(rd_reply_map(&r, 7), "*14\r\n", "%7\r\n");
  BOTH(rd_reply_set(&r, 0), "*0\r\n", "~0\r\n");
  BOTH(rd_reply_push(&r, 3), "*3\r\n", ">3\r\n");
}

static void an_array_may_get_its_length_last(void) {
  static const size_t counts[] = {0, 1, 9, 10, 99, 100, 1000, 100000};
  for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
    start(2);
    rd_reply_int(&r, 5);
    size_t mark = rd_reply_begin_array(&r);
    for (size_t i = 0; i < counts[c]; i++) rd_reply_bulk_int(&r, 7);
    rd_reply_end_array(&r, mark, counts[c]);
    rd_reply_ok(&r);
    size_t len = r.len;
    uint8_t *got = r.data;
    r.data = NULL;
    start(2);
    rd_reply_int(&r, 5);
    rd_reply_array(&r, counts[c]);
    for (size_t i = 0; i < counts[c]; i++) rd_reply_bulk_int(&r, 7);
    rd_reply_ok(&r);
    CHECK_BYTES(got, len, r.data, r.len);
    free(got);
  }
}

static void arrays_with_a_late_length_may_be_nested(void) {
  start(2);
  size_t outer = rd_reply_begin_array(&r);
  rd_reply_int(&r, 1);
  size_t inner = rd_reply_begin_array(&r);
  for (int i = 0; i < 12; i++) rd_reply_null(&r);
  rd_reply_end_array(&r, inner, 12);
  rd_reply_end_array(&r, outer, 2);
  WROTE("*2\r\n:1\r\n*12\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n");
}

static int pauses;
static void count_pause(const rd_reply *reply) {
  (void)reply;
  pauses++;
}

/* A megabyte is moved in pieces, whether the head is longer or shorter than the room that was kept for it. */
static void long_elements_behind_a_late_length_are_moved_in_pieces(void) {
  static char text[4 << 20];
  static const size_t counts[] = {1, 1000};
  for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i % 23);
  for (size_t c = 0; c < 2; c++) {
    char head[40];
    start(2);
    r.pause = count_pause;
    pauses = 0;
    size_t mark = rd_reply_begin_array(&r);
    rd_reply_bulk(&r, text, sizeof text);
    rd_reply_end_array(&r, mark, counts[c]);
    size_t len = (size_t)sprintf(head, "*%zu\r\n$%zu\r\n", counts[c], sizeof text);
    CHECK(pauses >= 7);
    CHECK_INT(r.len, len + sizeof text + 2);
    CHECK(memcmp(r.data, head, len) == 0 && memcmp(r.data + len, text, sizeof text) == 0);
    CHECK(memcmp(r.data + len + sizeof text, "\r\n", 2) == 0);
    r.pause = NULL;
  }
}

/* Until it is so large that the C library maps it. */
static void a_growing_buffer_is_copied_in_pieces(void) {
  static uint8_t part[64 << 10];
  memset(part, 'p', sizeof part);
  start(2);
  r.pause = count_pause;
  pauses = 0;
  size_t cap = 0, owed = 0;
  while (r.len < RD_MAPPED_FROM) {
    size_t len = r.len;
    rd_reply_raw(&r, part, sizeof part);
    if (r.cap != cap && len > 512 << 10 && cap < RD_MAPPED_FROM) owed += len / (512 << 10);
    cap = r.cap;
  }
  CHECK(owed > 5 && (size_t)pauses >= owed);
  for (size_t i = 0; i < r.len; i += 4099) {
    CHECK(r.data[i] == 'p');
  }
  r.pause = NULL;
}

static void without_memory_the_writer_fails_and_stays_failed(void) {
  start(2);
  rd_reply_ok(&r);
  CHECK(rd_reply_room(&r, SIZE_MAX / 2) == NULL);
  CHECK(r.failed);
  size_t len = r.len;
  rd_reply_ok(&r);
  size_t mark = rd_reply_begin_array(&r);
  rd_reply_end_array(&r, mark, 3);
  rd_reply_bulk(&r, "a", 1);
  rd_reply_error(&r, "ERR x");
  CHECK_INT(r.len, len);
}

int main(void) {
  rd_reply_init(&r);
  RUN(simple_replies_and_errors_are_lines);
  RUN(errors_hold_no_control_bytes);
  RUN(errors_are_counted_by_code);
  RUN(a_long_error_is_shortened);
  RUN(numbers_are_written_in_both_versions);
  RUN(doubles_have_the_texts_of_redis);
  RUN(doubles_read_back_as_the_same_number);
  RUN(bulks_are_written_with_their_length);
  RUN(nulls_and_aggregates_differ_by_version);
  RUN(an_array_may_get_its_length_last);
  RUN(arrays_with_a_late_length_may_be_nested);
  RUN(long_elements_behind_a_late_length_are_moved_in_pieces);
  RUN(a_growing_buffer_is_copied_in_pieces);
  RUN(without_memory_the_writer_fails_and_stays_failed);
  rd_reply_free(&r);
  return check_end();
}
