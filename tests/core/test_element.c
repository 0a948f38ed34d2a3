/* test_element.c - strings in entries of collections: each has one form, is read back, and compares as memcmp does. */
#include <inttypes.h>

#include "arena/heap.h"
#include "arena_fixture.h"
#include "base/numbers.h"
#include "check.h"
#include "store/blob.h"
#include "types/element.h"

#define LONGEST 3000u
#define ROOM 64u

static rd_store store;
static rd_coll coll;
static uint8_t letters[LONGEST];

static rd_bytes text_of(const char *s) { return (rd_bytes){(const uint8_t *)s, strlen(s)}; }

/* Write the text as an element at the end of a buffer of its exact length, so that ASan sees each byte beyond. Free
 * with drop. */
static uint8_t *put(rd_bytes text, uint32_t *len) {
  rd_element e;
  rd_element_of(&e, text);
  *len = rd_element_bytes(&e);
  uint8_t *at = malloc(*len);
  uint8_t *end = rd_element_put(&coll, &e, at);
  CHECK(end == at + *len);
  return at;
}

static void drop(uint8_t *at) {
  if (rd_element_is_outside(at)) rd_blob_release(&store, 0, rd_element_blob(at));
  free(at);
}

static int sign(int n) { return (n > 0) - (n < 0); }

static int expected_order(rd_bytes a, rd_bytes b) {
  size_t both = a.len < b.len ? a.len : b.len;
  int order = both > 0 ? memcmp(a.data, b.data, both) : 0;
  return sign(order != 0 ? order : (a.len > b.len) - (a.len < b.len));
}

/* Everything that must be so for one text. */
static void round_trip(rd_bytes text) {
  uint32_t len;
  uint8_t *at = put(text, &len);
  rd_element same, like;
  rd_element_of(&same, text);
  rd_element_like(&like, &store, at);
  CHECK_INT(rd_element_size(at, at + len), len);
  CHECK_INT(rd_element_skip(at), len);
  for (uint32_t cut = 0; cut < len; cut++) CHECK_INT(rd_element_size(at, at + cut), 0);
  CHECK_INT(rd_element_len(&store, at), text.len);
  CHECK(rd_element_is(&store, &same, at) && rd_element_is(&store, &like, at));
  uint64_t hash = rd_element_hash(&store, &same);
  CHECK(rd_element_hash(&store, &like) == hash && rd_element_hash_at(&store, at) == hash);
  CHECK(rd_element_is(&store, &same, at)); /* now with a hash */
  uint8_t *back = malloc(text.len + 1);
  rd_element_read(&store, at, back);
  CHECK_BYTES(back, text.len, text.data, text.len);
  free(back);
  CHECK_INT(rd_element_compare(&store, at, text), 0);
  uint8_t *copy = malloc(rd_element_bytes(&like));
  CHECK(rd_element_put(&coll, &like, copy) == copy + len);
  CHECK(rd_element_is(&store, &same, copy) && rd_element_compare_at(&store, at, copy) == 0);
  CHECK(rd_element_is_outside(at) || memcmp(at, copy, len) == 0);
  rd_reply r;
  rd_reply_init(&r);
  rd_element_reply(&r, &store, at);
  char head[32];
  size_t n = (size_t)snprintf(head, sizeof head, "$%zu\r\n", text.len);
  CHECK(r.len == n + text.len + 2 && memcmp(r.data, head, n) == 0 && memcmp(r.data + n + text.len, "\r\n", 2) == 0);
  CHECK(text.len == 0 || memcmp(r.data + n, text.data, text.len) == 0);
  rd_reply_free(&r);
  drop(copy);
  drop(at);
}

static void every_length_is_read_back(void) {
  for (uint32_t len = 0; len <= LONGEST; len++) {
    round_trip((rd_bytes){letters, len});
    rd_element e;
    rd_element_of(&e, (rd_bytes){letters, len});
    CHECK_INT(rd_element_bytes(&e), len < 192 ? 1 + len : len <= RD_ELEMENT_INLINE ? 2 + len : 17);
    CHECK(e.is_outside == (len > RD_ELEMENT_INLINE) && !e.is_integer);
  }
}

static void integer(int64_t n, uint32_t bytes) {
  char text[RD_I64_TEXT];
  rd_bytes t = {(const uint8_t *)text, rd_format_i64(text, n)};
  round_trip(t);
  uint32_t len;
  uint8_t *at = put(t, &len);
  int64_t back = n ^ 1;
  CHECK_INT(len, 1 + bytes);
  CHECK(rd_element_integer(at, &back) && back == n);
  drop(at);
}

static void an_integer_takes_as_few_bytes_as_it_can(void) {
  static const struct {
    int64_t low, high;
    uint32_t bytes;
  } widths[] = {{INT8_MIN, INT8_MAX, 1},
                {INT16_MIN, INT16_MAX, 2},
                {-(1 << 23), (1 << 23) - 1, 3},
                {INT32_MIN, INT32_MAX, 4},
                {INT64_MIN, INT64_MAX, 8}};
  for (unsigned i = 0; i < 5; i++) {
    for (int d = 0; d < 5; d++) {
      integer(widths[i].low + d, widths[i].bytes);
      integer(widths[i].high - d, widths[i].bytes);
      if (i < 4) integer(widths[i].low - 1 - d, widths[i + 1].bytes);
      if (i < 4) integer(widths[i].high + 1 + d, widths[i + 1].bytes);
    }
  }
  for (int64_t n = -70000; n < 70000; n += 7) integer(n, n == (int8_t)n ? 1 : n == (int16_t)n ? 2 : 3);
}

static void only_a_canonical_number_is_an_integer(void) {
  static const char *const texts[] = {"-0",
                                      "007",
                                      " 1",
                                      "+1",
                                      "1 ",
                                      "00",
                                      "-",
                                      "",
                                      "1a",
                                      "0x1",
                                      "1.0",
                                      "1e3",
                                      "-01",
                                      "9223372036854775808",
                                      "- 1",
                                      "--1",
                                      "1-",
                                      "\n1",
                                      "-1\n",
                                      "-9223372036854775809",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "100000000000000000000000"};
  for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
    rd_element e;
    rd_element_of(&e, text_of(texts[i]));
    CHECK(!e.is_integer);
    round_trip(text_of(texts[i]));
  }
}

/* All pairs of many texts: the order is memcmp's, and only a text itself is equal. */
static void elements_compare_as_their_texts(void) {
  static uint8_t big[4][1500];
  for (unsigned i = 0; i < 4; i++) memset(big[i], 'b', sizeof big[i]);
  big[1][1499] = 'c';
  big[2][0] = 'a';
  big[3][600] = 0;
  rd_bytes texts[] = {text_of(""),
                      text_of("0"),
                      text_of("1"),
                      text_of("10"),
                      text_of("9"),
                      text_of("-1"),
                      text_of("-10"),
                      text_of("127"),
                      text_of("128"),
                      text_of("-128"),
                      text_of("65536"),
                      text_of("8388607"),
                      text_of("8388608"),
                      text_of("-9223372036854775808"),
                      text_of("9223372036854775807"),
                      text_of("1a"),
                      text_of("a"),
                      text_of("b"),
                      text_of("\xff"),
                      {letters, 191},
                      {letters, 192},
                      {letters, 512},
                      {letters, 513},
                      {letters, 2000},
                      {big[0], 1500},
                      {big[0], 1499},
                      {big[1], 1500},
                      {big[2], 1500},
                      {big[3], 1500},
                      {big[0], 300}};
  enum { N = sizeof texts / sizeof *texts };
  uint8_t *at[N];
  uint32_t len;
  for (unsigned i = 0; i < N; i++) at[i] = put(texts[i], &len);
  for (unsigned i = 0; i < N; i++) {
    rd_element e, like;
    rd_element_of(&e, texts[i]);
    rd_element_like(&like, &store, at[i]);
    for (unsigned j = 0; j < N; j++) {
      int expected = expected_order(texts[i], texts[j]);
      CHECK_INT(sign(rd_element_compare(&store, at[i], texts[j])), expected);
      CHECK_INT(sign(rd_element_compare_at(&store, at[i], at[j])), expected);
      CHECK(rd_element_is(&store, &e, at[j]) == (i == j) && rd_element_is(&store, &like, at[j]) == (i == j));
    }
  }
  for (unsigned i = 0; i < N; i++) drop(at[i]);
}

/* Whatever bytes there are: rd_element_size stays within them, and what it accepts can be read. */
static void damaged_bytes_are_no_element(void) {
  for (unsigned first = 0; first < 256; first++) {
    for (unsigned second = 0; second < 256; second++) {
      for (uint32_t len = 0; len <= 600; len += len < 20 ? 1 : 29) {
        uint8_t *at = malloc(len + 1);
        memset(at, 'x', len);
        if (len > 0) at[0] = (uint8_t)first;
        if (len > 1) at[1] = (uint8_t)second;
        uint32_t size = rd_element_size(at, at + len);
        CHECK(size <= len);
        bool begins = first < 192 || (first >= 224 && first <= 228) || first == 240 || (first >= 192 && first <= 194);
        if (!begins) CHECK_INT(size, 0);
        if (first >= 192 && first <= 194 && size > 0) CHECK(size >= 194 && size <= 514);
        if (size > 0 && first != 240) {
          char buf[RD_ELEMENT_TEXT];
          rd_bytes t = rd_element_text(at, buf);
          CHECK(t.len <= 512);
        }
        free(at);
      }
    }
  }
}

/* Blobs of one and of many blocks, up to their last byte; released at once, or in steps. */
static void blobs_of_any_length(void) {
  static const uint32_t lengths[] = {
      513, 8167, 8168, 8169, 8170, 16335, 16336, 16337, 100000, 300000, 1021 * 8168, 1021 * 8168 + 1, 9000000};
  uint8_t *bytes = malloc(9000001), *back = malloc(9000001);
  for (uint32_t i = 0; i < 9000000; i++) bytes[i] = (uint8_t)(i * 131 + (i >> 8));
  for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    uint32_t len = lengths[i];
    uint64_t wanted = 0, used = rd_shard_at(&store, 0)->heap.used;
    rd_ref blob = rd_blob_new(&store, 0, (rd_bytes){bytes, len}, &wanted);
    CHECK(blob != 0 && wanted == 0);
    if (blob == 0) continue;
    CHECK_INT(rd_blob_len(&store, blob), len);
    CHECK_INT(rd_blob_memory(&store, blob), rd_shard_at(&store, 0)->heap.used - used);
    rd_blob_read(&store, blob, 0, back, len);
    CHECK(memcmp(bytes, back, len) == 0);
    rd_blob_read(&store, blob, len / 2, back, len - len / 2);
    CHECK(memcmp(bytes + len / 2, back, len - len / 2) == 0);
    CHECK_INT(rd_blob_compare(&store, blob, (rd_bytes){bytes, len}), 0);
    CHECK(rd_blob_compare(&store, blob, (rd_bytes){bytes, len - 1}) > 0);
    bytes[len] = 1;
    CHECK(rd_blob_compare(&store, blob, (rd_bytes){bytes, len + 1}) < 0);
    bytes[len - 1] ^= 0x80;
    int order = (uint8_t)(bytes[len - 1] ^ 0x80) > bytes[len - 1] ? 1 : -1;
    CHECK_INT(sign(rd_blob_compare(&store, blob, (rd_bytes){bytes, len})), order);
    rd_ref copy = rd_blob_copy(&store, 0, blob, &wanted);
    CHECK(copy != 0 && rd_blob_compare_blob(&store, blob, copy) == 0);
    rd_blob_release(&store, 0, blob);
    bytes[len - 1] ^= 0x80;
    bytes[len] = (uint8_t)(len * 131 + (len >> 8));
    CHECK_INT(rd_blob_compare(&store, copy, (rd_bytes){bytes, len}), 0);
    uint32_t blocks = 0;
    for (bool gone = false; !gone;) {
      uint32_t most = 64;
      gone = rd_blob_release_some(&store, 0, copy, &most);
      CHECK(gone || most == 0);
      if (!gone) CHECK_INT(rd_blob_compare(&store, copy, (rd_bytes){bytes, rd_blob_len(&store, copy)}), 0);
      blocks += 64 - most;
    }
    CHECK(blocks >= 1 && blocks <= len / 8168 + 4);
    CHECK_INT(rd_shard_at(&store, 0)->heap.used, used);
  }
  free(bytes);
  free(back);
}

/* Random texts, many of them nearly numbers. */
static void random_texts(void) {
  static const char alphabet[] = "0123456789-+ 05a";
  uint8_t text[ROOM];
  uint64_t x = 88172645463325252ull;
  for (unsigned i = 0; i < 200000; i++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    size_t len = x % 24;
    uint64_t bits = x * 0x9e3779b97f4a7c15ull;
    for (size_t k = 0; k < len; k++, bits = bits >> 4 | bits << 60)
      text[k] = (uint8_t)alphabet[bits & (i & 1 ? 15 : 7)];
    rd_element e;
    rd_element_of(&e, (rd_bytes){text, len});
    char buf[64];
    bool canonical = false;
    if (len > 0 && len < 21) {
      char s[32];
      memcpy(s, text, len);
      s[len] = 0;
      canonical = (size_t)snprintf(buf, sizeof buf, "%" PRId64, (int64_t)strtoll(s, NULL, 10)) == len &&
                  memcmp(buf, text, len) == 0;
    }
    CHECK(e.is_integer == canonical);
    if (i % 16 == 0) round_trip((rd_bytes){text, len});
  }
}

static void an_element_without_memory_for_its_blob_is_not_written(void) {
  rd_ref all[20000], n = 0;
  for (rd_ref ref; n < 20000 && (ref = rd_heap_alloc(&store, 0, RD_MAX_BLOCK, RD_CHUNK)) != 0;) all[n++] = ref;
  for (rd_ref ref; n < 20000 && (ref = rd_heap_alloc(&store, 0, 600, RD_CHUNK)) != 0;) all[n++] = ref;
  rd_element e;
  uint8_t room[RD_ELEMENT_OUTSIDE_BYTES];
  rd_element_of(&e, (rd_bytes){letters, 1000});
  coll.wanted = 0;
  CHECK(rd_element_put(&coll, &e, room) == NULL);
  CHECK(coll.wanted >= 1000);
  while (n > 0) rd_heap_release(&store, 0, all[--n]);
}

int main(void) {
  store = arena_new(40 * MIB, 1, RD_NOEVICTION);
  coll = (rd_coll){.st = &store};
  for (uint32_t i = 0; i < LONGEST; i++) letters[i] = (uint8_t)(i == 0 ? 'a' : i * 131 + (i >> 8));
  rd_lock_shard(&store, 0);
  RUN(every_length_is_read_back);
  RUN(an_integer_takes_as_few_bytes_as_it_can);
  RUN(only_a_canonical_number_is_an_integer);
  RUN(elements_compare_as_their_texts);
  RUN(damaged_bytes_are_no_element);
  RUN(random_texts);
  RUN(blobs_of_any_length);
  RUN(an_element_without_memory_for_its_blob_is_not_written);
  rd_mark_clean(&store);
  rd_unlock_shard(&store, 0);
  CHECK(arena_is_whole(&store));
  arena_free(&store);
  return check_end();
}
