/* test_restore.c - DUMP and RESTORE of collections: payloads of every type, damaged payloads, and long ones, which take
 * slices. tests/differential compares with other servers. */
#include "base/lzf.h"
#include "restore_fixture.h"

/* ---- one payload of each type, with the same content ---- */

typedef struct sample {
  const char *body;
  size_t len;
  unsigned version;
  const char *ask, *reply;
} sample;

#define LIST "LRANGE k 0 -1", "*2\r\n$1\r\na\r\n$1\r\n5\r\n"
#define SET "SISMEMBER k a", ":1\r\n"
#define INTS "SMISMEMBER k 1 2 3", "*3\r\n:1\r\n:0\r\n:1\r\n"
#define ZSET "ZRANGE k 0 -1 WITHSCORES", "*4\r\n$1\r\nb\r\n$2\r\n-1\r\n$1\r\na\r\n$3\r\n1.5\r\n"
#define HASH "HGET k a", "$1\r\n5\r\n"
#define ONE_AND_A_HALF "\0\0\0\0\0\0\xf8\x3f"
#define MINUS_ONE "\0\0\0\0\0\0\xf0\xbf"
#define LISTPACK_A5        \
  "\x0c\x0c\0\0\0\2\0\x81" \
  "a\2\5\1\xff"
#define ZIPLIST_A5                   \
  "\x10\x10\0\0\0\x0d\0\0\0\2\0\0\1" \
  "a\3\xf6\xff"
#define SAMPLE(body, version, ...) \
  { body, sizeof(body) - 1, version, __VA_ARGS__ }

static const sample samples[] = {
    SAMPLE("\1\2\1a\xc0\5", 1, LIST),
    SAMPLE("\2\2\1a\1b", 1, SET),
    SAMPLE("\3\2\1a\0031.5\1b\2-1", 1, ZSET),
    SAMPLE("\4\1\1a\1"
           "5",
           1, HASH),
    SAMPLE("\5\2\1a" ONE_AND_A_HALF "\1b" MINUS_ONE, 8, ZSET),
    SAMPLE("\x09\x08\1\1a\1\1"
           "5?\xff",
           1, HASH),
    SAMPLE("\x0a" ZIPLIST_A5, 1, LIST),
    SAMPLE("\x0b\x0c\2\0\0\0\2\0\0\0\1\0\3\0", 1, INTS),
    SAMPLE("\x0c\x19\x19\0\0\0\x13\0\0\0\4\0\0\1"
           "b\3\xfe\xff\3\1"
           "a\3\3"
           "1.5\xff",
           1, ZSET),
    SAMPLE("\x0d" ZIPLIST_A5, 1, HASH),
    SAMPLE("\x0e\1" ZIPLIST_A5, 7, LIST),
    SAMPLE("\x10" LISTPACK_A5, 10, HASH),
    SAMPLE("\x11\x15\x15\0\0\0\4\0\x81"
           "b\2\xdf\xff\2\x81"
           "a\2\x83"
           "1.5\4\xff",
           10, ZSET),
    SAMPLE("\x12\2\1\1a\2\x09\x09\0\0\0\1\0\5\1\xff", 10, LIST),
    SAMPLE("\x14" LISTPACK_A5, 11, SET),
    SAMPLE("\x16\2\1a\1"
           "5\xff\xff\xff\xff\xff\xff\xff\xff\1b\1x\xff\xff\xff\xff\xff\xff\0\0",
           80, HASH),
    SAMPLE("\x18\0\x10\xa5\xd4\xe8\0\0\0\2\0\1a\1"
           "5\x40\x65\1b\1x",
           12, HASH),
    SAMPLE("\x19\0\x10\xa5\xd4\xe8\0\0\0\x0e\x0e\0\0\0\3\0\x81"
           "a\2\5\1\0\1\xff",
           12, HASH),
};

static void every_type_is_read(void) {
  open_all(8u << 20);
  for (const sample *s = samples; s < samples + sizeof samples / sizeof *samples; s++) {
    restore(s->body, s->len, s->version);
    HEARD("+OK\r\n");
    client.len = 0;
    rig_say(&client, s->ask);
    rig_say(&client, "\r\n");
    HEARD(s->reply);
    if (!check_ok) printf("      type %d\n", s->body[0]);
  }
  close_all();
}

/* Bytes are changed, left out and added: an error and the value of before, or a value that can be dumped. */
static void damaged_payloads_make_no_wrong_value(void) {
  uint8_t body[64];
  open_all(8u << 20);
  for (const sample *s = samples; s < samples + sizeof samples / sizeof *samples; s++) {
    for (size_t i = 0; i < s->len; i++) {
      for (unsigned value = 0; value<256; value += i> 12 ? 5 : 1) {
        memcpy(body, s->body, s->len);
        body[i] = (uint8_t)value;
        ASK("SET k before", "+OK\r\n");
        restore(body, s->len, s->version);
        if (said_ok()) {
          SEND(WORD("DUMP"), WORD("k"));
          CHECK(client.out[0] == '$');
        } else {
          HEARD("-ERR Bad data format\r\n");
          ASK("GET k", "$6\r\nbefore\r\n");
        }
      }
      restore(s->body, i, s->version);
      HEARD("-ERR Bad data format\r\n");
    }
    memcpy(body, s->body, s->len);
    body[s->len] = 0;
    restore(body, s->len + 1, s->version);
    HEARD("-ERR Bad data format\r\n");
    char err[200] = "";
    if (rd_check(&st, err, sizeof err) != 0) CHECK_FAIL("type %d: %s", s->body[0], err);
  }
  close_all();
}

/* The number 22 means Valkey's hashes only in its versions. */
static void a_type_of_valkey_needs_its_version(void) {
  open_all(8u << 20);
  static const char timed[] =
      "\x16\1\1a\1"
      "5\xff\xff\xff\xff\xff\xff\xff\xff";
  restore(timed, sizeof timed - 1, 12);
  HEARD("-ERR Bad data format\r\n");
  restore(timed, sizeof timed - 1, 80);
  HEARD("+OK\r\n");
  close_all();
}

static void an_expired_field_is_left_out(void) {
  open_all(8u << 20);
  static const char timed[] =
      "\x16\2\1a\1"
      "5\1\0\0\0\0\0\0\0\1b\1"
      "6\xff\xff\xff\xff\xff\xff\xff\xff";
  restore(timed, sizeof timed - 1, 80);
  HEARD("+OK\r\n");
  ASK("HGETALL k", "*2\r\n$1\r\nb\r\n$1\r\n6\r\n");
  static const char gone[] =
      "\x16\1\1a\1"
      "5\1\0\0\0\0\0\0\0";
  restore(gone, sizeof gone - 1, 80);
  HEARD("+OK\r\n");
  ASK("EXISTS k", ":0\r\n");
  close_all();
}

/* ---- size ---- */

/* Strings that expand 88 times: what they fill is refused when it does not fit, and the key stays. */
static void a_collection_larger_than_the_store_is_refused(void) {
  enum { COPIES = 4000, LEN = 1 + 264 * COPIES };
  open_all(8u << 20);
  ASK("SET k before", "+OK\r\n");
  rd_writer w = {malloc(100 * (3 * COPIES + 20)), 0};
  rd_put_bytes(&w, (uint8_t[]){1, 50}, 2);
  for (int i = 0; i < 50; i++) { /* fifty elements of a megabyte each */
    rd_put_bytes(&w, (uint8_t[]){0xc3}, 1);
    rd_put_length(&w, 2 + 3 * COPIES);
    rd_put_length(&w, LEN);
    rd_put_bytes(&w, "\0x", 2);
    for (int n = 0; n < COPIES; n++) rd_put_bytes(&w, "\xe0\xff\0", 3);
  }
  restore(w.to, w.len, 10);
  HEARD("-OOM command not allowed when used memory > 'maxmemory'.\r\n");
  ASK("GET k", "$6\r\nbefore\r\n");
  free(w.to);
  close_all();
}

/* Both commands pause, and the values are the same afterwards. */
static void long_values_take_slices(void) {
  enum { ENTRIES = 60000 };
  static const struct {
    uint8_t rdb;
    unsigned strings;
    const char *count;
  } kinds[] = {{1, 1, "LLEN k\r\n"}, {2, 1, "SCARD k\r\n"}, {4, 2, "HLEN k\r\n"}, {5, 0, "ZCARD k\r\n"}};
  open_all(64u << 20);
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    rd_writer w = {malloc(40 * ENTRIES), 0};
    rd_put_bytes(&w, &kinds[k].rdb, 1);
    rd_put_length(&w, ENTRIES);
    for (int n = 0; n < ENTRIES; n++) {
      char text[16];
      rd_bytes member = {(uint8_t *)text, (size_t)sprintf(text, "m:%d", n)};
      rd_put_string(&w, member);
      if (kinds[k].strings == 2) rd_put_string(&w, member);
      if (kinds[k].strings == 0) rd_put_double(&w, n % 100);
    }
    uint64_t before = rig_ticks;
    restore(w.to, w.len, 10);
    HEARD("+OK\r\n");
    CHECK(rig_ticks - before > 1000 * ENTRIES / 40); /* it read the clock that often, to pause when its time is over */
    client.len = 0;
    rig_say(&client, kinds[k].count);
    HEARD(":60000\r\n");
    before = rig_ticks;
    SEND(WORD("DUMP"), WORD("k"));
    CHECK(rig_ticks - before > 1000 * ENTRIES / 1000); /* a list's packed strings have some hundred elements */
    CHECK(client.len > w.len / 2 && client.out[0] == '$');
    char err[200] = "";
    if (rd_check(&st, err, sizeof err) != 0) CHECK_FAIL("type %d: %s", kinds[k].rdb, err);
    free(w.to);
  }
  close_all();
}

/* The times of a group's deliveries and consumers are any numbers. */
static void a_stream_keeps_impossible_times(void) {
  open_all(8 << 20);
  ASK("XADD s 1-1 f v", "$3\r\n1-1\r\n");
  ASK("XGROUP CREATE s g 0", "+OK\r\n");
  client.len = 0;
  rig_say(&client, "XREADGROUP GROUP g c STREAMS s >\r\n");
  client.len = 0;
  rig_say(&client, "DUMP s\r\n");
  uint8_t body[1000], now[8], *from = memchr(client.out, '\n', client.len);
  size_t len = strtoul((char *)client.out + 1, NULL, 10) - 10, changed = 0;
  CHECK(from != NULL && len < sizeof body);
  memcpy(body, from + 1, len);
  rd_st64(now, st.now_ms);
  for (size_t i = 0; i + 8 <= len; i++) {
    if (memcmp(body + i, now, 8) != 0) continue;
    rd_st64(body + i, (uint64_t)1 << 63);
    changed++;
  }
  CHECK(changed >= 2);
  client.len = 0;
  restore(body, len, 10);
  CHECK(said_ok());
  ASK("XPENDING k g - + 1", "*1\r\n*4\r\n$3\r\n1-1\r\n$1\r\nc\r\n:9223372036854775807\r\n:1\r\n");
  ASK("XCLAIM k g d 9223372036854775807 1-1 JUSTID", "*1\r\n$3\r\n1-1\r\n");
  close_all();
}

int main(void) {
  RUN(every_type_is_read);
  RUN(damaged_payloads_make_no_wrong_value);
  RUN(a_type_of_valkey_needs_its_version);
  RUN(an_expired_field_is_left_out);
  RUN(a_stream_keeps_impossible_times);
  RUN(a_collection_larger_than_the_store_is_refused);
  RUN(long_values_take_slices);
  return check_end();
}
