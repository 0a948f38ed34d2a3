/* test_hll.c - HyperLogLog: the same replies and value bytes as redis-server, and the same estimates. */
#include "oracle.h"
#include "types/hll.h"

/* PFADD, PFCOUNT, PFMERGE, and the bytes of the values. */
static const exchange basics[] = {
    SAID("PFADD h", ":1\r\n"),
    SAID("GET h", "$18\r\nHYLL\001\000\000\000\000\000\000\000\000\000\000\200\177\377\r\n"),
    SAID("PFADD h", ":0\r\n"),
    SAID("PFCOUNT h", ":0\r\n"),
    SAID("GET h", "$18\r\nHYLL\001\000\000\000\000\000\000\000\000\000\000\000\177\377\r\n"),
    SAID("PFADD h a b c", ":1\r\n"),
    SAID("GET h", "$27\r\nHYLL\001\000\000\000\000\000\000\000\000\000\000\200`\363\200P\261\204K\373\200BZ\r\n"),
    SAID("PFCOUNT h", ":3\r\n"),
    SAID("GET h", "$27\r\nHYLL\001\000\000\000\003\000\000\000\000\000\000\000`\363\200P\261\204K\373\200BZ\r\n"),
    SAID("PFADD h a b c", ":0\r\n"),
    SAID("PFADD h a", ":0\r\n"),
    SAID("PFADD h \"\"", ":1\r\n"),
    SAID("PFCOUNT h", ":4\r\n"),
    SAID("PFCOUNT nosuch", ":0\r\n"),
    SAID("PFCOUNT nosuch also", ":0\r\n"),
    SAID("PFCOUNT h nosuch", ":4\r\n"),
    SAID("PFADD g c d e f g", ":1\r\n"),
    SAID("PFCOUNT h g", ":8\r\n"),
    SAID("PFMERGE m", "+OK\r\n"),
    SAID("GET m", "$18\r\nHYLL\001\000\000\000\000\000\000\000\000\000\000\200\177\377\r\n"),
    SAID("PFMERGE m h g", "+OK\r\n"),
    SAID("PFCOUNT m", ":8\r\n"),
    SAID("GET m",
         "$41\r\nHYLL\001\000\000\000\010\000\000\000\000\000\000\000Fm\200P\302\204EH\200D<\2048\200P\261"
         "\204I\214\200Bm\200BZ\r\n"),
    SAID("PFMERGE h", "+OK\r\n"),
    SAID("GET h",
         "$30\r\nHYLL\001\000\000\000\004\000\000\000\000\000\000\200W1\204I\300\200P\261\204K\373\200BZ\r"
         "\n"),
    SAID("EXPIRE h 100", ":1\r\n"),
    SAID("PFADD h x y z", ":1\r\n"),
    SAID("PFMERGE h g", "+OK\r\n"),
    SAID("TTL h", ":100\r\n"),
    SAID("PFCOUNT h", ":11\r\n"),
    SAID("PFADD", "-ERR wrong number of arguments for 'pfadd' command\r\n"),
    SAID("PFCOUNT", "-ERR wrong number of arguments for 'pfcount' command\r\n"),
    SAID("PFMERGE", "-ERR wrong number of arguments for 'pfmerge' command\r\n"),
};

/* PFDEBUG and PFSELFTEST. */
static const exchange debugging[] = {
    SAID("PFDEBUG ENCODING h", "-ERR The specified key does not exist\r\n"),
    SAID("PFADD h a b c", ":1\r\n"),
    SAID("PFDEBUG ENCODING h", "+sparse\r\n"),
    SAID("pfdebug decode h", "$44\r\nZ:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603\r\n"),
    SAID("PFDEBUG JUNK h", "-ERR Unknown PFDEBUG subcommand 'JUNK'\r\n"),
    SAID("PFDEBUG TODENSE h", ":1\r\n"),
    SAID("PFDEBUG TODENSE h", ":0\r\n"),
    SAID("PFDEBUG ENCODING h", "+dense\r\n"),
    SAID("PFDEBUG DECODE h", "-ERR HLL encoding is not sparse\r\n"),
    SAID("PFCOUNT h", ":3\r\n"),
    SAID("SET x foo", "+OK\r\n"),
    SAID("PFDEBUG GETREG x", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
    SAID("SET x \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\"", "+OK\r\n"),
    SAID("PFDEBUG DECODE x", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
    SAID("PFDEBUG TODENSE x", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
    SAID("PFDEBUG GETREG x", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
    SAID("PFDEBUG ENCODING x", "+sparse\r\n"),
    SAID("PFSELFTEST", "+OK\r\n"),
};

/* Values that are no HyperLogLog, or a corrupt one. */
static const exchange strange[] = {
    SAID("PFADD h a", ":1\r\n"),
    SAID("SET x foo", "+OK\r\n"),
    SAID("PFADD x a", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
    SAID("PFCOUNT x", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
    SAID("PFCOUNT h x", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
    SAID("PFMERGE x h", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
    SAID("PFMERGE h x", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
    SAID("SET x \"\"", "+OK\r\n"),
    SAID("PFCOUNT x", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
    SAID("SET x HYLL", "+OK\r\n"),
    SAID("PFCOUNT x", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
    SAID("SET x \"HYLL\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\"", "+OK\r\n"),
    SAID("PFCOUNT x", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
    SAID("SET x \"HYLL\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\\xff\"", "+OK\r\n"),
    SAID("PFCOUNT x", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
    SAID("SET x \"hYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\\xff\"", "+OK\r\n"),
    SAID("PFCOUNT x", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
    SAID("SET x \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\"", "+OK\r\n"),
    SAID("PFCOUNT x", ":0\r\n"),
    SAID("PFADD x a", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
    SAID("PFCOUNT x h", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
    SAID("SET x \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\"", "+OK\r\n"),
    SAID("PFCOUNT x", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
    SAID("PFADD x a", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
    SAID("PFCOUNT x h", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
    SAID("PFMERGE x h", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
    SAID("PFMERGE fresh x", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
    SAID("EXISTS fresh", ":0\r\n"),
    SAID("STRLEN x", ":16\r\n"),
    SAID("SET x \"HYLL\\x01\\x01\\x02\\x03\\x05\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x7f\\xff\"", "+OK\r\n"),
    SAID("PFCOUNT x", ":5\r\n"),
    SAID("PFADD x a", ":1\r\n"),
    SAID("GET x", "$21\r\nHYLL\001\001\002\003\005\000\000\000\000\000\000\200q\246\204NW\r\n"),
    SAID("SET x \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\\xfe\"", "+OK\r\n"),
    SAID("PFCOUNT x", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
    SAID("SET x \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\\xff\\x00\"", "+OK\r\n"),
    SAID("PFCOUNT x", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
    SAID("PFMERGE h x", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
    SAID("PFCOUNT h", ":1\r\n"),
};

/* PFADD on values with short and long runs. */
static const exchange runs[] = {
    SAID("SET x \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x66\\x67\\x00\\x59\\x97\"",
         "+OK\r\n"),
    SAID("PFADD x a b c d e f g h i j k l m n o p", ":1\r\n"),
    SAID("GET x",
         "$68\r\nHYLL\001\000\000\000\000\000\000\000\000\000\000\200DE\214B&\200@\211\210H_\204@\374\200@"
         "\304\204K\\\200D<\2048\200B=\200C3\000HN\200B\355\204A\374\214C\223\204C\371\200Bm\200B[\r\n"),
    SAID("PFCOUNT x", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
    SAID("SET x \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x66\\x66\\x83\\x59\\x94\"",
         "+OK\r\n"),
    SAID("PFADD x a b c d e f g h i j k l m n o p", ":1\r\n"),
    SAID("GET x",
         "$68\r\nHYLL\001\000\000\000\000\000\000\000\000\000\000\200DE\214B&\200@\211\210H_\204@\374\200@"
         "\304\204K\\\200D<\2048\200B=\200C2\203HL\200B\355\204A\374\214C\223\204C\371\200Bm\200BZ\r\n"),
    SAID("PFCOUNT x", ":20\r\n"),
    SAID("GET x",
         "$68\r\nHYLL\001\000\000\000\024\000\000\000\000\000\000\000DE\214B&\200@\211\210H_\204@\374\200@"
         "\304\204K\\\200D<\2048\200B=\200C2\203HL\200B\355\204A\374\214C\223\204C\371\200Bm\200BZ\r\n"),
};

static void values_have_the_same_bytes_as_in_redis(void) { REPLAY(basics); }
static void pfdebug_shows_the_same_as_redis(void) { REPLAY(debugging); }
static void an_invalid_hyperloglog_is_refused(void) { REPLAY(strange); }
static void runs_are_split_and_joined_as_in_redis(void) { REPLAY(runs); }

static uint64_t fnv(const uint8_t *p, size_t len) {
  uint64_t h = 1469598103934665603ull;
  for (size_t i = 0; i < len; i++) h = (h ^ p[i]) * 1099511628211ull;
  return h;
}

/* The elements "0", "1", ... up to a number: PFCOUNT of redis-server 7.0, and then the length and the FNV-1a hash of
 * the value. It becomes dense between 1,000 and 2,000. */
static const struct {
  unsigned elements;
  unsigned count;
  size_t len;
  uint64_t hash;
} figures[] = {
    {10, 10, 48, 0xe0223827f913da56},          {100, 100, 287, 0x007cd734169dbb0e},
    {500, 503, 1061, 0x3ac0acd232caa877},      {1000, 1001, 1923, 0xf9d4b934450ca840},
    {2000, 2007, 12304, 0xa0f99ad1a0b5c038},   {5000, 4985, 12304, 0xad51a6a26b01541e},
    {20000, 19891, 12304, 0x6f9543fd11e3446c}, {100000, 99565, 12304, 0x2026df9ab6b6fe68},
};

static void many_elements_give_the_estimates_of_redis(void) {
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  char text[100];
  unsigned next = 0;
  for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
    for (; next < figures[i].elements; next++) {
      snprintf(text, sizeof text, "PFADD h %u\r\n", next);
      rig_say(&c, text);
    }
    c.len = 0;
    snprintf(text, sizeof text, ":%u\r\n", figures[i].count);
    RIG_ASK(&c, "PFCOUNT h\r\n", text);
    /* Together with others it is counted again, without the header's cached figure. */
    RIG_ASK(&c, "PFCOUNT h nosuch\r\n", text);
    rig_say(&c, "GET h\r\n");
    int head = snprintf(text, sizeof text, "$%zu\r\n", figures[i].len);
    CHECK_INT(c.len, (size_t)head + figures[i].len + 2);
    CHECK(fnv(c.out + head, figures[i].len) == figures[i].hash);
    c.len = 0;
  }
  rig_client_free(&c);
  rig_close(&st, fd);
}

static uint64_t rng = 88172645463325252ull;
static uint64_t next_random(void) {
  rng ^= rng << 13;
  rng ^= rng >> 7;
  return rng ^= rng << 17;
}

/* An array of 16,384 numbers is the model of a value in either encoding. */
static void both_encodings_hold_the_same_registers(void) {
  static rd_hll sparse, dense;
  static uint8_t model[RD_HLL_REGISTERS], seen[RD_HLL_REGISTERS];
  for (int round = 0; round < 50; round++) {
    rd_hll_init(&sparse, RD_HLL_SPARSE_MAX);
    rd_hll_init(&dense, RD_HLL_SPARSE_MAX);
    CHECK(rd_hll_make_dense(&dense));
    memset(model, 0, sizeof model);
    unsigned stretch = round % 2 ? RD_HLL_REGISTERS : 300; /* few registers: many neighbours */
    while (!rd_hll_is_dense(sparse.data)) {
      unsigned reg = (unsigned)(next_random() % stretch), value = 1 + (unsigned)(next_random() % (round % 4 ? 32 : 3));
      if (next_random() % 10000 == 0) value = 33; /* more than a sparse register can hold */
      int wanted = model[reg] < value;
      CHECK(rd_hll_raise(&sparse, reg, value) == wanted && rd_hll_raise(&dense, reg, value) == wanted);
      if (wanted) model[reg] = (uint8_t)value;
      CHECK(sparse.len <= (rd_hll_is_dense(sparse.data) ? RD_HLL_DENSE : RD_HLL_SPARSE_MAX));
      if (next_random() % 100 == 0) {
        memset(seen, 0, sizeof seen);
        CHECK(rd_hll_merge(seen, &sparse) && memcmp(seen, model, sizeof seen) == 0);
      }
    }
    memset(seen, 0, sizeof seen);
    CHECK(rd_hll_merge(seen, &sparse) && memcmp(seen, model, sizeof seen) == 0);
    CHECK(sparse.len == dense.len &&
          memcmp(sparse.data + RD_HLL_HEAD, dense.data + RD_HLL_HEAD, dense.len - RD_HLL_HEAD) == 0);
    if (!check_ok) return;
  }
}

/* For any bytes there is a reply, and no access outside of them (which the sanitizers would detect). */
static void corrupt_runs_are_refused_and_nothing_is_overrun(void) {
  for (int round = 0; round < 200000; round++) {
    rd_hll h;
    rd_hll_init(&h, RD_HLL_SPARSE_MAX);
    h.len = RD_HLL_HEAD + next_random() % 40;
    for (size_t i = RD_HLL_HEAD; i < h.len; i++) h.data[i] = (uint8_t)next_random();
    for (int i = 0; i < 3; i++) {
      int raised = rd_hll_raise(&h, (unsigned)(next_random() % RD_HLL_REGISTERS), 1 + (unsigned)(next_random() % 51));
      CHECK(raised >= -1 && raised <= 1);
    }
    uint8_t seen[RD_HLL_REGISTERS] = {0};
    if (round % 100 == 0 && rd_hll_merge(seen, &h)) rd_hll_count(seen);
    if (!check_ok) return;
  }
}

static void a_value_without_room_stays_unchanged(void) {
  rd_store st;
  int fd = rig_open(&st, 4u << 20, 1, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  rig_say(&c, "PFADD h a b c\r\nPFADD g d\r\n");
  char text[100];
  for (unsigned i = 0; i < 400; i++) { /* until nothing fits any more, in steps that end small */
    snprintf(text, sizeof text, "SETRANGE fill%u %u x\r\n", i, i < 200 ? 100000u : i < 300 ? 2000u : 1u);
    rig_say(&c, text);
  }
  static uint8_t before[RD_HLL_DENSE + 40];
  bool refused = false;
  for (unsigned i = 0; i < 2000 && !refused; i++) {
    c.len = 0;
    rig_say(&c, "GET h\r\n");
    size_t len = c.len;
    memcpy(before, c.out, len);
    c.len = 0;
    snprintf(text, sizeof text, "PFADD h e%u f%u g%u\r\n", i, i, i);
    rig_say(&c, text);
    refused = memcmp(c.out, "-OOM", 4) == 0;
    if (!refused) continue;
    c.len = 0;
    rig_say(&c, "GET h\r\n");
    CHECK_BYTES(c.out, c.len, before, len);
    c.len = 0;
  }
  CHECK(refused);
  RIG_ASK(&c, "PFCOUNT g\r\n", ":1\r\n");
  rig_client_free(&c);
  rig_close(&st, fd);
}

int main(void) {
  RUN(values_have_the_same_bytes_as_in_redis);
  RUN(pfdebug_shows_the_same_as_redis);
  RUN(an_invalid_hyperloglog_is_refused);
  RUN(runs_are_split_and_joined_as_in_redis);
  RUN(many_elements_give_the_estimates_of_redis);
  RUN(both_encodings_hold_the_same_registers);
  RUN(corrupt_runs_are_refused_and_nothing_is_overrun);
  RUN(a_value_without_room_stays_unchanged);
  return check_end();
}
