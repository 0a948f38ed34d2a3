/* test_bitmap.c - commands on bits: the replies of redis-server, and a comparison with a model of single bits. */
#include "base/bits.h"
#include "oracle.h"

/* SETBIT and GETBIT. */
static const exchange bits[] = {
    SAID("SETBIT k 7 1", ":0\r\n"),
    SAID("SETBIT k 7 0", ":1\r\n"),
    SAID("SETBIT k 7 1", ":0\r\n"),
    SAID("GET k", "$1\r\n\001\r\n"),
    SAID("SETBIT k 100 1", ":0\r\n"),
    SAID("STRLEN k", ":13\r\n"),
    SAID("GETBIT k 100", ":1\r\n"),
    SAID("GETBIT k 101", ":0\r\n"),
    SAID("GETBIT k 4294967295", ":0\r\n"),
    SAID("GETBIT nosuch 5", ":0\r\n"),
    SAID("GETBIT k 4294967296", "-ERR bit offset is not an integer or out of range\r\n"),
    SAID("GETBIT k -1", "-ERR bit offset is not an integer or out of range\r\n"),
    SAID("GETBIT k x", "-ERR bit offset is not an integer or out of range\r\n"),
    SAID("SETBIT k 4294967296 1", "-ERR bit offset is not an integer or out of range\r\n"),
    SAID("SETBIT k -1 1", "-ERR bit offset is not an integer or out of range\r\n"),
    SAID("SETBIT k x x", "-ERR bit offset is not an integer or out of range\r\n"),
    SAID("SETBIT k 1 x", "-ERR bit is not an integer or out of range\r\n"),
    SAID("SETBIT k 1 2", "-ERR bit is not an integer or out of range\r\n"),
    SAID("SETBIT k 1 -1", "-ERR bit is not an integer or out of range\r\n"),
    SAID("SETBIT nosuch 1 2", "-ERR bit is not an integer or out of range\r\n"),
    SAID("EXISTS nosuch", ":0\r\n"),
    SAID("SETBIT new 0 0", ":0\r\n"),
    SAID("GET new", "$1\r\n\000\r\n"),
    SAID("SET k 5 EX 100", "+OK\r\n"),
    SAID("SETBIT k 6 1", ":0\r\n"),
    SAID("GET k", "$1\r\n7\r\n"),
    SAID("TTL k", ":100\r\n"),
};

/* BITCOUNT, by bytes and by bits. */
static const exchange counts[] = {
    SAID("SET k foobar", "+OK\r\n"),
    SAID("BITCOUNT k", ":26\r\n"),
    SAID("BITCOUNT k 0 0", ":4\r\n"),
    SAID("BITCOUNT k 1 1", ":6\r\n"),
    SAID("BITCOUNT k 1 1 BYTE", ":6\r\n"),
    SAID("BITCOUNT k 5 30 bit", ":17\r\n"),
    SAID("BITCOUNT k 0 -1 BIT", ":26\r\n"),
    SAID("BITCOUNT k -5 -1 BIT", ":2\r\n"),
    SAID("BITCOUNT k 3 3 BIT", ":0\r\n"),
    SAID("BITCOUNT k -5 -6", ":0\r\n"),
    SAID("BITCOUNT k -5 -6 foo", ":0\r\n"),
    SAID("BITCOUNT k -100 -101", ":0\r\n"),
    SAID("BITCOUNT k -100 -100", ":4\r\n"),
    SAID("BITCOUNT k 0 -100", ":4\r\n"),
    SAID("BITCOUNT k 5 3", ":0\r\n"),
    SAID("BITCOUNT k 6 9", ":0\r\n"),
    SAID("BITCOUNT k 0 9223372036854775807", ":26\r\n"),
    SAID("BITCOUNT k -9223372036854775808 2", ":16\r\n"),
    SAID("BITCOUNT k 0", "-ERR syntax error\r\n"),
    SAID("BITCOUNT k 0 1 foo", "-ERR syntax error\r\n"),
    SAID("BITCOUNT k x 1 foo", "-ERR value is not an integer or out of range\r\n"),
    SAID("BITCOUNT k 0 x foo", "-ERR value is not an integer or out of range\r\n"),
    SAID("BITCOUNT k 0 1 BIT x", "-ERR syntax error\r\n"),
    SAID("BITCOUNT k x y", "-ERR value is not an integer or out of range\r\n"),
    SAID("BITCOUNT nosuch", ":0\r\n"),
    SAID("BITCOUNT nosuch x y", ":0\r\n"),
    SAID("BITCOUNT nosuch 0", ":0\r\n"),
    SAID("SET k \"\"", "+OK\r\n"),
    SAID("BITCOUNT k", ":0\r\n"),
    SAID("BITCOUNT k 0 -1", ":0\r\n"),
    SAID("BITCOUNT k 0 0 BIT", ":0\r\n"),
};

/* BITPOS, by bytes and by bits. */
static const exchange positions[] = {
    SAID("SET k \"\\xff\\xf0\\x00\"", "+OK\r\n"),
    SAID("BITPOS k 0", ":12\r\n"),
    SAID("BITPOS k 1", ":0\r\n"),
    SAID("BITPOS k 1 2", ":-1\r\n"),
    SAID("BITPOS k 0 0", ":12\r\n"),
    SAID("BITPOS k 0 0 0", ":-1\r\n"),
    SAID("BITPOS k 0 0 -1", ":12\r\n"),
    SAID("BITPOS k 1 7 15 BIT", ":7\r\n"),
    SAID("BITPOS k 1 12 -1 bit", ":-1\r\n"),
    SAID("BITPOS k 0 3 11 BIT", ":-1\r\n"),
    SAID("BITPOS k 0 3 12 BIT", ":12\r\n"),
    SAID("BITPOS k 0 12 12 BIT", ":12\r\n"),
    SAID("BITPOS k 1 8 8 BIT", ":8\r\n"),
    SAID("BITPOS k 1 -1 -2", ":-1\r\n"),
    SAID("BITPOS k 0 10", ":-1\r\n"),
    SAID("BITPOS k 0 10 20", ":-1\r\n"),
    SAID("BITPOS k 1 -100 -100", ":0\r\n"),
    SAID("BITPOS k 2", "-ERR The bit argument must be 1 or 0.\r\n"),
    SAID("BITPOS k x", "-ERR value is not an integer or out of range\r\n"),
    SAID("BITPOS k -1", "-ERR The bit argument must be 1 or 0.\r\n"),
    SAID("BITPOS k 1 x", "-ERR value is not an integer or out of range\r\n"),
    SAID("BITPOS k 1 0 x", "-ERR value is not an integer or out of range\r\n"),
    SAID("BITPOS k 1 0 1 foo", "-ERR syntax error\r\n"),
    SAID("BITPOS k 1 0 x foo", "-ERR syntax error\r\n"),
    SAID("BITPOS k 1 0 1 BIT x", "-ERR syntax error\r\n"),
    SAID("BITPOS nosuch 0", ":0\r\n"),
    SAID("BITPOS nosuch 1", ":-1\r\n"),
    SAID("BITPOS nosuch 0 x", ":0\r\n"),
    SAID("BITPOS nosuch 1 5 6 foo", ":-1\r\n"),
    SAID("SET k \"\\xff\\xff\"", "+OK\r\n"),
    SAID("BITPOS k 0", ":16\r\n"),
    SAID("BITPOS k 0 1", ":16\r\n"),
    SAID("BITPOS k 0 0 -1", ":-1\r\n"),
    SAID("BITPOS k 0 0 15 BIT", ":-1\r\n"),
    SAID("BITPOS k 0 2", ":-1\r\n"),
    SAID("SET k \"\\x00\\x00\"", "+OK\r\n"),
    SAID("BITPOS k 1", ":-1\r\n"),
    SAID("BITPOS k 1 0 15 BIT", ":-1\r\n"),
    SAID("SET k \"\"", "+OK\r\n"),
    SAID("BITPOS k 0", ":-1\r\n"),
    SAID("BITPOS k 1", ":-1\r\n"),
    SAID("BITPOS k 0 0", ":-1\r\n"),
    SAID("BITPOS k 0 0 0", ":-1\r\n"),
};

/* BITOP. */
static const exchange operations[] = {
    SAID("MSET a \"\\xf0\\x0f\\xff\" b \"\\x3c\\x3c\" e \"\"", "+OK\r\n"),
    SAID("BITOP AND d a b", ":3\r\n"),
    SAID("GET d", "$3\r\n0\014\000\r\n"),
    SAID("BITOP OR d a b", ":3\r\n"),
    SAID("GET d", "$3\r\n\374?\377\r\n"),
    SAID("BITOP xor d a b", ":3\r\n"),
    SAID("GET d", "$3\r\n\3143\377\r\n"),
    SAID("BITOP NOT d a", ":3\r\n"),
    SAID("GET d", "$3\r\n\017\360\000\r\n"),
    SAID("BITOP AND d a", ":3\r\n"),
    SAID("GET d", "$3\r\n\360\017\377\r\n"),
    SAID("BITOP AND d a nosuch", ":3\r\n"),
    SAID("GET d", "$3\r\n\000\000\000\r\n"),
    SAID("BITOP OR d b nosuch a e", ":3\r\n"),
    SAID("GET d", "$3\r\n\374?\377\r\n"),
    SAID("BITOP XOR d a b a", ":3\r\n"),
    SAID("GET d", "$3\r\n<<\000\r\n"),
    SAID("BITOP XOR a a a", ":3\r\n"),
    SAID("GET a", "$3\r\n\000\000\000\r\n"),
    SAID("BITOP NOT b b", ":2\r\n"),
    SAID("GET b", "$2\r\n\303\303\r\n"),
    SAID("BITOP AND d nosuch e", ":0\r\n"),
    SAID("EXISTS d", ":0\r\n"),
    SAID("SET d x EX 100", "+OK\r\n"),
    SAID("BITOP OR d b", ":2\r\n"),
    SAID("TTL d", ":-1\r\n"),
    SAID("BITOP NOT d a b", "-ERR BITOP NOT must be called with a single source key.\r\n"),
    SAID("BITOP foo d a", "-ERR syntax error\r\n"),
    SAID("BITOP AND d", "-ERR wrong number of arguments for 'bitop' command\r\n"),
    SAID("BITOP OR d e", ":0\r\n"),
    SAID("DBSIZE", ":3\r\n"),
};

/* BITFIELD and BITFIELD_RO. */
static const exchange fields[] = {
    SAID("BITFIELD k", "*0\r\n"),
    SAID("BITFIELD k GET u8 0", "*1\r\n:0\r\n"),
    SAID("EXISTS k", ":0\r\n"),
    SAID("BITFIELD k INCRBY i5 100 1 GET u4 0", "*2\r\n:1\r\n:0\r\n"),
    SAID("STRLEN k", ":14\r\n"),
    SAID("BITFIELD k SET u8 0 200 SET u8 #1 100 GET u16 0 GET i8 0 GET u3 7",
         "*5\r\n:0\r\n:0\r\n:51300\r\n:-56\r\n:1\r\n"),
    SAID("BITFIELD k INCRBY u8 0 100", "*1\r\n:44\r\n"),
    SAID("BITFIELD k OVERFLOW SAT INCRBY u8 0 300 OVERFLOW WRAP INCRBY u8 0 5 OVERFLOW FAIL INCRBY u8 0 255",
         "*3\r\n:255\r\n:4\r\n$-1\r\n"),
    SAID("BITFIELD k OVERFLOW sat INCRBY u8 0 -1000", "*1\r\n:0\r\n"),
    SAID("BITFIELD k SET i8 0 127 INCRBY i8 0 1", "*2\r\n:0\r\n:-128\r\n"),
    SAID("BITFIELD k OVERFLOW SAT SET i8 0 1000", "*1\r\n:-128\r\n"),
    SAID("BITFIELD k OVERFLOW SAT SET i8 0 -1000", "*1\r\n:127\r\n"),
    SAID("BITFIELD k OVERFLOW FAIL SET i8 0 -1000", "*1\r\n$-1\r\n"),
    SAID("BITFIELD k SET u8 0 -1", "*1\r\n:128\r\n"),
    SAID("BITFIELD k OVERFLOW SAT SET u8 0 -1", "*1\r\n:255\r\n"),
    SAID("BITFIELD k OVERFLOW FAIL SET u8 0 -1", "*1\r\n$-1\r\n"),
    SAID("BITFIELD k SET u63 0 -1 GET u63 0 GET i64 0 GET i63 1",
         "*4\r\n:9201416988671344640\r\n:9223372036854775807\r\n:-2\r\n:-2\r\n"),
    SAID("BITFIELD k SET i64 3 -2 GET i64 3 GET u63 4 INCRBY i64 3 -9223372036854775808",
         "*4\r\n:-16\r\n:-2\r\n:9223372036854775806\r\n:9223372036854775806\r\n"),
    SAID("BITFIELD k SET i64 0 9223372036854775807 INCRBY i64 0 1",
         "*2\r\n:-1152921504606846977\r\n:-9223372036854775808\r\n"),
    SAID("BITFIELD k OVERFLOW SAT SET i64 0 9223372036854775807 INCRBY i64 0 9223372036854775807",
         "*2\r\n:-9223372036854775808\r\n:9223372036854775807\r\n"),
    SAID("BITFIELD k OVERFLOW FAIL INCRBY i64 0 9223372036854775807", "*1\r\n$-1\r\n"),
    SAID("BITFIELD k OVERFLOW SAT INCRBY u63 0 9223372036854775807 INCRBY u63 0 -9223372036854775808",
         "*2\r\n:9223372036854775807\r\n:0\r\n"),
    SAID("BITFIELD k SET u1 5 1 GET u1 5 INCRBY u1 5 1 INCRBY i1 5 1", "*4\r\n:0\r\n:1\r\n:0\r\n:-1\r\n"),
    SAID("BITFIELD k GET u8 4294967295", "*1\r\n:0\r\n"),
    SAID("BITFIELD k GET u8 #536870911", "*1\r\n:0\r\n"),
    SAID("BITFIELD k GET u8 #536870912", "-ERR bit offset is not an integer or out of range\r\n"),
    SAID("BITFIELD k GET u8 4294967296", "-ERR bit offset is not an integer or out of range\r\n"),
    SAID("BITFIELD k GET u8 -1", "-ERR bit offset is not an integer or out of range\r\n"),
    SAID("BITFIELD k GET u8 #-1", "-ERR bit offset is not an integer or out of range\r\n"),
    SAID("BITFIELD k GET u8 x", "-ERR bit offset is not an integer or out of range\r\n"),
    SAID("BITFIELD k GET u8 #9223372036854775807", "-ERR bit offset is not an integer or out of range\r\n"),
    SAID("BITFIELD k GET u64 0",
         "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is"
         ".\r\n"),
    SAID("BITFIELD k GET i65 0",
         "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is"
         ".\r\n"),
    SAID("BITFIELD k GET u0 0",
         "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is"
         ".\r\n"),
    SAID("BITFIELD k GET U8 0",
         "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is"
         ".\r\n"),
    SAID("BITFIELD k GET u08 0",
         "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is"
         ".\r\n"),
    SAID("BITFIELD k GET x8 0",
         "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is"
         ".\r\n"),
    SAID("BITFIELD k GET \"\" 0",
         "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is"
         ".\r\n"),
    SAID("BITFIELD k SET u8 0 x", "-ERR value is not an integer or out of range\r\n"),
    SAID("BITFIELD k SET u8 x x", "-ERR bit offset is not an integer or out of range\r\n"),
    SAID("BITFIELD k INCRBY u8 0 9223372036854775808", "-ERR value is not an integer or out of range\r\n"),
    SAID("BITFIELD k OVERFLOW foo", "-ERR Invalid OVERFLOW type specified\r\n"),
    SAID("BITFIELD k OVERFLOW", "-ERR syntax error\r\n"),
    SAID("BITFIELD k OVERFLOW SAT", "*0\r\n"),
    SAID("BITFIELD k GET u8", "-ERR syntax error\r\n"),
    SAID("BITFIELD k SET u8 0", "-ERR syntax error\r\n"),
    SAID("BITFIELD k foo", "-ERR syntax error\r\n"),
    SAID("BITFIELD k SET u8 0 1 foo", "-ERR syntax error\r\n"),
    SAID("BITFIELD k GET u8 0", "*1\r\n:4\r\n"),
    SAID("BITFIELD fail OVERFLOW FAIL INCRBY u8 1000 300", "*1\r\n$-1\r\n"),
    SAID("STRLEN fail", ":126\r\n"),
    SAID("BITFIELD_RO k GET u8 0 GET i8 #1", "*2\r\n:4\r\n:0\r\n"),
    SAID("BITFIELD_RO k OVERFLOW SAT GET u8 0", "*1\r\n:4\r\n"),
    SAID("BITFIELD_RO k", "*0\r\n"),
    SAID("BITFIELD_RO k SET u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand\r\n"),
    SAID("BITFIELD_RO k INCRBY u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand\r\n"),
    SAID("BITFIELD_RO k SET u8 0 x", "-ERR value is not an integer or out of range\r\n"),
    SAID("BITFIELD_RO nosuch GET u8 0", "*1\r\n:0\r\n"),
    SAID("SET n 5 EX 100", "+OK\r\n"),
    SAID("BITFIELD n SET u8 0 54", "*1\r\n:53\r\n"),
    SAID("GET n", "$1\r\n6\r\n"),
    SAID("TTL n", ":100\r\n"),
};

static void single_bits_are_set_and_read(void) { REPLAY(bits); }
static void bits_are_counted_in_ranges(void) { REPLAY(counts); }
static void the_first_bit_of_a_kind_is_found(void) { REPLAY(positions); }
static void strings_are_combined_bit_by_bit(void) { REPLAY(operations); }
static void fields_of_any_width_are_read_and_written(void) { REPLAY(fields); }

static uint64_t rng = 88172645463325252ull;
static uint64_t next_random(void) {
  rng ^= rng << 13;
  rng ^= rng >> 7;
  return rng ^= rng << 17;
}

static unsigned bit_of(const uint8_t *p, size_t at) { return p[at / 8] >> (7 - at % 8) & 1u; }

static void counting_and_searching_agree_with_single_bits(void) {
  uint8_t data[100];
  for (int round = 0; round < 20000; round++) {
    size_t len = next_random() % sizeof data, dense = next_random() % 3;
    for (size_t i = 0; i < len; i++) data[i] = dense == 0 ? 0 : dense == 1 ? 0xff : (uint8_t)next_random();
    if (len != 0 && next_random() % 2) data[next_random() % len] ^= (uint8_t)(1u << next_random() % 8);
    uint64_t count = 0;
    int64_t first[2] = {-1, -1};
    for (size_t i = len * 8; i-- > 0;) {
      count += bit_of(data, i);
      first[bit_of(data, i)] = (int64_t)i;
    }
    CHECK(rd_bits_count(data, len) == count);
    CHECK(rd_bits_find(data, len, 0) == first[0] && rd_bits_find(data, len, 1) == first[1]);
  }
}

static void a_field_changes_its_own_bits_only(void) {
  for (unsigned shift = 0; shift < 8; shift++) {
    for (unsigned width = 1; width <= 64; width++) {
      uint8_t before[RD_BITS_WINDOW], after[RD_BITS_WINDOW];
      for (size_t i = 0; i < sizeof before; i++) before[i] = (uint8_t)next_random();
      uint64_t value = next_random(), kept = value & (width == 64 ? UINT64_MAX : (1ull << width) - 1);
      memcpy(after, before, sizeof after);
      rd_bits_put(after, shift, width, value);
      CHECK(rd_bits_get(after, shift, width) == kept);
      for (unsigned i = 0; i < 72; i++) {
        bool mine = i >= shift && i < shift + width;
        unsigned wanted = mine ? kept >> (shift + width - 1 - i) & 1 : bit_of(before, i);
        CHECK(bit_of(after, i) == wanted);
      }
    }
  }
}

enum { LARGE = 100000 };

/* Send a command whose reply must be the integer `wanted`. */
static void asks(rig_client *c, const char *text, int64_t wanted) {
  char reply[40];
  snprintf(reply, sizeof reply, ":%lld\r\n", (long long)wanted);
  rig_say(c, text);
  RIG_HEARD(c, reply);
}

static void values_of_many_pieces_have_bits_like_short_ones(void) {
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  uint8_t *model = calloc(LARGE, 1);
  char text[100];
  for (int i = 0; i < 300; i++) {
    size_t at = next_random() % (LARGE * 8ull);
    snprintf(text, sizeof text, "SETBIT k %zu 1\r\n", at);
    asks(&c, text, bit_of(model, at));
    model[at / 8] |= (uint8_t)(0x80u >> at % 8);
  }
  asks(&c, "SETBIT k 799999 0\r\n", bit_of(model, 799999));
  model[LARGE - 1] &= 0xfe;
  asks(&c, "STRLEN k\r\n", LARGE);
  for (int i = 0; i < 200 && check_ok; i++) {
    size_t first = next_random() % (LARGE * 8ull), last = first + next_random() % (LARGE * 8ull - first);
    int64_t count = 0, found = -1;
    for (size_t b = last + 1; b-- > first;) {
      count += bit_of(model, b);
      if (bit_of(model, b)) found = (int64_t)b;
    }
    snprintf(text, sizeof text, "BITCOUNT k %zu %zu BIT\r\n", first, last);
    asks(&c, text, count);
    snprintf(text, sizeof text, "BITPOS k 1 %zu %zu BIT\r\n", first, last);
    asks(&c, text, found);
  }
  asks(&c, "BITOP NOT n k\r\n", LARGE);
  asks(&c, "BITCOUNT n\r\n", LARGE * 8ll - (int64_t)rd_bits_count(model, LARGE));
  asks(&c, "BITPOS n 0\r\n", rd_bits_find(model, LARGE, 1));
  asks(&c, "BITOP XOR x n k\r\n", LARGE);
  asks(&c, "BITPOS x 0 0 -1\r\n", -1);
  asks(&c, "BITPOS x 0\r\n", LARGE * 8);
  asks(&c, "BITOP AND x n k\r\n", LARGE);
  asks(&c, "BITCOUNT x\r\n", 0);
  free(model);
  rig_client_free(&c);
  rig_close(&st, fd);
}

static void bits_are_counted_at_any_length_and_alignment(void) {
  uint8_t bytes[400];
  uint32_t dice = 1;
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)((dice = dice * 1664525u + 1013904223u) >> 24);
  for (size_t from = 0; from < 40; from++) {
    uint64_t expected = 0;
    for (size_t len = 0; from + len <= sizeof bytes; len++) {
      if (rd_bits_count(bytes + from, len) != expected || rd_bits_count_anywhere(bytes + from, len) != expected) {
        CHECK_FAIL("%zu bytes from %zu have not %llu bits", len, from, (unsigned long long)expected);
        return;
      }
      if (from + len == sizeof bytes) break;
      for (unsigned bit = 0; bit < 8; bit++) expected += bytes[from + len] >> bit & 1;
    }
  }
  memset(bytes, 0xff, sizeof bytes);
  CHECK_INT(rd_bits_count(bytes, sizeof bytes), 8 * sizeof bytes);
}

int main(void) {
  RUN(single_bits_are_set_and_read);
  RUN(bits_are_counted_in_ranges);
  RUN(the_first_bit_of_a_kind_is_found);
  RUN(strings_are_combined_bit_by_bit);
  RUN(fields_of_any_width_are_read_and_written);
  RUN(counting_and_searching_agree_with_single_bits);
  RUN(a_field_changes_its_own_bits_only);
  RUN(values_of_many_pieces_have_bits_like_short_ones);
  RUN(bits_are_counted_at_any_length_and_alignment);
  return check_end();
}
