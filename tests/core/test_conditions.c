/* test_conditions.c - what depends on the present value of a string: the conditions of SET, DELIFEQ, DELEX, and the
 * hash of DIGEST; and MSETEX. */
#include "base/xxh3.h"
#include "oracle.h"
#include "rig.h"

/* ---- XXH3 ---- */

/* Hashes by the reference implementation (xxhash 3 of PyPI), by length; the bytes are those of fill(). */
static const struct {
  size_t len;
  uint64_t hash;
} known[] = {
    {0, 0x2d06800538d394c2u},     {1, 0xe5e62017e96f839cu},      {2, 0xe99f8ba75698ec0fu},
    {3, 0xd3bcc83c6f14e70fu},     {4, 0xc7f159f34b126cb4u},      {7, 0xddce99c00391ea7cu},
    {8, 0x0f25a2a1cc43dda2u},     {9, 0x1e3be9699baa50cfu},      {15, 0xbb9c1f12fc955b0cu},
    {16, 0x9ec324145cea1dcbu},    {17, 0x48f3651d7436310au},     {31, 0xf1e5d171a470e2f5u},
    {32, 0x3ecd923442085a0du},    {33, 0x0afebb54eff3a3b5u},     {64, 0x7abe508541644d25u},
    {65, 0xda2a9fa52b7fadf5u},    {96, 0x014dbb30ecd7c670u},     {97, 0x7b0a9dae42e89ff6u},
    {127, 0x4d6a8b1f7d7fbafau},   {128, 0x5d813d42c0005ea8u},    {129, 0xc61639b552225575u},
    {143, 0x59339bd5e6a8a208u},   {144, 0x9e69d5b5f04a37c8u},    {239, 0x9baab2789601e92au},
    {240, 0x7d85b8d4f8b10c82u},   {241, 0x5c56141c894cd97eu},    {255, 0xa88268bb584966d3u},
    {256, 0xcdb34974678d6687u},   {320, 0xfe6e6426ff966b51u},    {1023, 0x123989704c814592u},
    {1024, 0x0551dea22e104ea8u},  {1025, 0xdbe2ed3c377d9922u},   {1088, 0x98ce47a58d705d59u},
    {1089, 0x8c3ba502883f2263u},  {2047, 0x333e264758a4e9a5u},   {2048, 0x0e137a69a82b62c0u},
    {2049, 0x2ba993b30fe87e40u},  {4096, 0x869423345af97371u},   {10000, 0xac818400117d2379u},
    {65536, 0x3387c315d69e9c87u}, {300001, 0x52afbf00a6681912u},
};
enum { LONGEST = 300001 };

static void fill(uint8_t *bytes, size_t len) {
  uint32_t x = 1;
  for (size_t i = 0; i < len; i++) {
    x = x * 1103515245u + 12345u;
    bytes[i] = (uint8_t)(x >> 16);
  }
}

static void read_bytes(void *arg, uint64_t off, void *dst, size_t n) {
  CHECK(n <= 1024);
  memcpy(dst, (const uint8_t *)arg + off, n);
}

static void xxh3_is_that_of_its_authors(void) {
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    uint8_t *bytes = malloc(known[i].len + 1); /* exactly that long, so that a sanitizer sees reads beyond */
    fill(bytes, known[i].len);
    CHECK_INT(rd_xxh3(read_bytes, bytes, known[i].len), known[i].hash);
    free(bytes);
  }
}

/* ---- replies of Valkey 9.1 ---- */

static const exchange valkey_msetex[] = {
    SAID("MSETEX 2 a 1 b 2", ":1\r\n"),
    SAID("MGET a b", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"),
    SAID("MSETEX 0 a 1", "-ERR invalid numkeys value or out of range\r\n"),
    SAID("MSETEX -1 a 1", "-ERR invalid numkeys value or out of range\r\n"),
    SAID("MSETEX x a 1", "-ERR invalid numkeys value or out of range\r\n"),
    SAID("MSETEX 2 a 1", "-ERR syntax error\r\n"),
    SAID("MSETEX 2 a 1 b", "-ERR syntax error\r\n"),
    SAID("MSETEX 2 a 1 nx", "-ERR syntax error\r\n"),
    SAID("MSETEX 1 a 1 b 2", "-ERR syntax error\r\n"),
    SAID("MSETEX 2147483647 a 2", "-ERR syntax error\r\n"),
    SAID("MSETEX 2147483648 a 2", "-ERR invalid numkeys value or out of range\r\n"),
    SAID("MSETEX 4611686018427387904 a 2", "-ERR invalid numkeys value or out of range\r\n"),
    SAID("MSETEX 9223372036854775808 a 2", "-ERR invalid numkeys value or out of range\r\n"),
    SAID("MSETEX 1", "-ERR wrong number of arguments for 'msetex' command\r\n"),
    SAID("MSETEX 1 a", "-ERR wrong number of arguments for 'msetex' command\r\n"),
    SAID("MSETEX 0 a 1 EX 0", "-ERR invalid numkeys value or out of range\r\n"),
    SAID("MSETEX 1 a 1 EX x junk", "-ERR syntax error\r\n"),
    SAID("MSETEX 1 a 1 junk EX x", "-ERR syntax error\r\n"),
    SAID("MSETEX 1 a 1 GET", "-ERR syntax error\r\n"),
    SAID("MSETEX 1 a 1 IFEQ 1", "-ERR syntax error\r\n"),
    SAID("MSETEX 1 a 1 NX", ":0\r\n"),
    SAID("MSETEX 1 c 1 NX", ":1\r\n"),
    SAID("MSETEX 2 d 1 c 2 NX", ":0\r\n"),
    SAID("EXISTS d", ":0\r\n"),
    SAID("MSETEX 2 d 1 c 2 XX", ":0\r\n"),
    SAID("EXISTS d", ":0\r\n"),
    SAID("MSETEX 1 c 2 XX", ":1\r\n"),
    SAID("MSETEX 1 c 2 XX NX", "-ERR syntax error\r\n"),
    SAID("MSETEX 1 c 2 NX NX", ":0\r\n"),
    SAID("MSETEX 1 c 2 XX XX", ":1\r\n"),
    SAID("MSETEX 2 c 2 a 3 EX 10", ":1\r\n"),
    SAID("TTL c", ":10\r\n"),
    SAID("TTL a", ":10\r\n"),
    SAID("MSETEX 2 c 3 n 4 KEEPTTL", ":1\r\n"),
    SAID("TTL c", ":10\r\n"),
    SAID("TTL n", ":-1\r\n"),
    SAID("MSETEX 1 c 2", ":1\r\n"),
    SAID("TTL c", ":-1\r\n"),
    SAID("MSETEX 1 c 2 EX 0", "-ERR invalid expire time in 'msetex' command\r\n"),
    SAID("MSETEX 1 c 2 EX -1", "-ERR invalid expire time in 'msetex' command\r\n"),
    SAID("MSETEX 1 c 2 EX x", "-ERR value is not an integer or out of range\r\n"),
    SAID("MSETEX 1 c 2 EX", "-ERR syntax error\r\n"),
    SAID("MSETEX 1 c 2 EX 10 EX 20", ":1\r\n"),
    SAID("TTL c", ":20\r\n"),
    SAID("MSETEX 1 c 2 PX 10 PX x", "-ERR value is not an integer or out of range\r\n"),
    SAID("MSETEX 1 c 2 EX 10 PX 20", "-ERR syntax error\r\n"),
    SAID("MSETEX 1 c 2 EX 10 KEEPTTL", "-ERR syntax error\r\n"),
    SAID("MSETEX 1 c 2 KEEPTTL EX 10", "-ERR syntax error\r\n"),
    SAID("MSETEX 1 c 2 KEEPTTL KEEPTTL", ":1\r\n"),
    SAID("MSETEX 1 c 2 EX 9223372036854775807", "-ERR invalid expire time in 'msetex' command\r\n"),
    SAID("MSETEX 1 nosuch 2 XX EX 0", "-ERR invalid expire time in 'msetex' command\r\n"),
    SAID("MSETEX 1 a 2 NX EX 0", "-ERR invalid expire time in 'msetex' command\r\n"),
    SAID("MSETEX 1 a 2 EXAT 1", ":1\r\n"),
    SAID("EXISTS a", ":0\r\n"),
    SAID("MSETEX 1 a 2 PXAT 1", ":1\r\n"),
    SAID("EXISTS a", ":0\r\n"),
    SAID("MSETEX 2 a 1 a 2", ":1\r\n"),
    SAID("GET a", "$1\r\n2\r\n"),
    SAID("MSETEX 2 e 1 e 2 NX", ":1\r\n"),
    SAID("GET e", "$1\r\n2\r\n"),
    SAID("MSETEX 2 NX XX EX PX EX 100", ":1\r\n"),
    SAID("TTL NX", ":100\r\n"),
    SAID("MSETEX 1 a 1 EX 10 NX", ":0\r\n"),
    SAID("MSETEX 1 nx 1 NX EX 10", ":1\r\n"),
    SAID("MSETEX 1 nx 1 EX 10 NX XX", "-ERR syntax error\r\n"),
};

static const exchange valkey_delifeq[] = {
    SAID("DELIFEQ a 1", ":0\r\n"),
    SAID("SET a 1", "+OK\r\n"),
    SAID("DELIFEQ a 2", ":0\r\n"),
    SAID("EXISTS a", ":1\r\n"),
    SAID("DELIFEQ a 1", ":1\r\n"),
    SAID("EXISTS a", ":0\r\n"),
    SAID("DELIFEQ a", "-ERR wrong number of arguments for 'delifeq' command\r\n"),
    SAID("DELIFEQ a 1 2", "-ERR wrong number of arguments for 'delifeq' command\r\n"),
    SAID("SET n 10", "+OK\r\n"),
    SAID("DELIFEQ n 010", ":0\r\n"),
    SAID("DELIFEQ n 10", ":1\r\n"),
    SAID("SET e \"\"", "+OK\r\n"),
    SAID("DELIFEQ e 1", ":0\r\n"),
    SAID("DELIFEQ e \"\"", ":1\r\n"),
};

static void msetex_behaves_as_in_valkey(void) { REPLAY(valkey_msetex); }
static void delifeq_behaves_as_in_valkey(void) { REPLAY(valkey_delifeq); }

/* ---- what only Redis 8.4 has ---- */

#define DIGEST_OF_V "f7042be43fb80714"
#define NO_DIGEST "-ERR digest must be exactly 16 hexadecimal characters\r\n"
#define SYNTAX "-ERR syntax error\r\n"
#define NIL "$-1\r\n"

static const exchange newer_digests[] = {
    SAID("DIGEST nosuch", NIL),
    SAID("SET k v", "+OK\r\n"),
    SAID("DIGEST k", "$16\r\n" DIGEST_OF_V "\r\n"),
    SAID("SET k \"\"", "+OK\r\n"),
    SAID("DIGEST k", "$16\r\n2d06800538d394c2\r\n"),
    SAID("SET k v8lf0c11xh8ymlqztfd3eeq16kfn4sspw7fqmnuuq3k3t75em5wdizgcdw7uc26nnf961u2jkfzkjytls2kwlj7626sd",
         "+OK\r\n"),
    SAID("DIGEST k", "$16\r\n00006c38adf31777\r\n"),
    SAID("DIGEST", "-ERR wrong number of arguments for 'digest' command\r\n"),
    SAID("DIGEST k k", "-ERR wrong number of arguments for 'digest' command\r\n"),
};

static const exchange newer_set_conditions[] = {
    SAID("SET k v IFNE", SYNTAX),
    SAID("SET k v IFNE v", "+OK\r\n"), /* an absent key is unequal to all */
    SAID("SET k w IFNE v", NIL),
    SAID("SET k w IFNE x", "+OK\r\n"),
    SAID("SET k x IFNE w GET", "$1\r\nw\r\n"),
    SAID("SET k v IFNE x GET", "$1\r\nw\r\n"),
    SAID("GET k", "$1\r\nv\r\n"),
    SAID("SET nosuch v IFNE w GET", NIL),
    SAID("GET nosuch", "$1\r\nv\r\n"),
    SAID("SET k w IFDEQ 0000000000000000", NIL),
    SAID("SET k w IFDEQ " DIGEST_OF_V, "+OK\r\n"),
    SAID("SET k v IFDEQ " DIGEST_OF_V, NIL),
    SAID("SET absent v IFDEQ " DIGEST_OF_V, NIL),
    SAID("SET k v IFDNE " DIGEST_OF_V, "+OK\r\n"),
    SAID("SET k w IFDNE F7042BE43FB80714", NIL),
    SAID("SET k v IFDEQ F7042BE43FB80714 EX 100", "+OK\r\n"),
    SAID("TTL k", ":100\r\n"),
    SAID("SET absent v IFDNE " DIGEST_OF_V " KEEPTTL", "+OK\r\n"),
    SAID("SET k w IFDEQ short", NO_DIGEST),
    SAID("SET k w IFDNE f7042be43fb8071g", NO_DIGEST),
    SAID("SET k w IFDNE f7042be43fb807140", NO_DIGEST),
    SAID("SET k w IFDNE short junk", SYNTAX),
    SAID("SET k w IFNE x NX", SYNTAX),
    SAID("SET k w XX IFNE x", SYNTAX),
    SAID("SET k w IFNE x IFNE x", SYNTAX),
    SAID("SET k w IFNE x IFEQ v", SYNTAX),
    SAID("GET k", "$1\r\nv\r\n"),
};

static const exchange newer_deletions[] = {
    SAID("DELEX nosuch", ":0\r\n"),
    SAID("SET k v", "+OK\r\n"),
    SAID("DELEX k", ":1\r\n"),
    SAID("DELEX k IFNE v", ":0\r\n"), /* nothing to delete */
    SAID("DELEX k IFDNE " DIGEST_OF_V, ":0\r\n"),
    SAID("SET k v", "+OK\r\n"),
    SAID("DELEX k IFEQ w", ":0\r\n"),
    SAID("DELEX k IFNE v", ":0\r\n"),
    SAID("DELEX k IFDEQ 0000000000000000", ":0\r\n"),
    SAID("DELEX k IFDNE " DIGEST_OF_V, ":0\r\n"),
    SAID("DELEX k IFDEQ short", NO_DIGEST),
    SAID("DELEX k NX v", "-ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE\r\n"),
    SAID("DELEX k IFEQ", "-ERR wrong number of arguments for 'delex' command\r\n"),
    SAID("DELEX k IFEQ v IFEQ v", "-ERR wrong number of arguments for 'delex' command\r\n"),
    SAID("EXISTS k", ":1\r\n"),
    SAID("DELEX k ifeq v", ":1\r\n"),
    SAID("SET k v", "+OK\r\n"),
    SAID("DELEX k IFNE w", ":1\r\n"),
    SAID("SET k v", "+OK\r\n"),
    SAID("DELEX k IFDEQ " DIGEST_OF_V, ":1\r\n"),
    SAID("SET k v", "+OK\r\n"),
    SAID("DELEX k IFDNE 0000000000000000", ":1\r\n"),
    SAID("EXISTS k", ":0\r\n"),
};

static void digest_is_xxh3_in_16_digits(void) { REPLAY(newer_digests); }
static void set_compares_with_the_value_or_its_digest(void) { REPLAY(newer_set_conditions); }
static void delex_deletes_on_a_condition(void) { REPLAY(newer_deletions); }

/* A value of many pieces, in a command that pauses, has the digest of its bytes. */
static void a_long_value_is_compared_in_slices(void) {
  enum { LEN = 6 << 20 };
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  uint8_t *bytes = malloc(LEN);
  fill(bytes, LEN);
  char head[100], digest[24] = "", text[100];
  snprintf(text, sizeof text, "$16\r\n%016llx\r\n", (unsigned long long)rd_xxh3(read_bytes, bytes, LEN));
  memcpy(digest, text + 5, 16);
  rig_feed(&c, head, (size_t)snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n", LEN), SIZE_MAX);
  rig_feed(&c, bytes, LEN, SIZE_MAX);
  rig_feed(&c, "\r\n", 2, SIZE_MAX);
  RIG_HEARD(&c, "+OK\r\n");
  RIG_ASK(&c, "DIGEST k\r\n", text);
  uint64_t hits = rd_my_counters(&st)->value[RD_STAT_keyspace_hits];
  CHECK_INT(hits, 1);
  snprintf(head, sizeof head, "SET k v IFDNE %s\r\nDELEX k IFDNE %s\r\n", digest, digest);
  RIG_ASK(&c, head, "$-1\r\n:0\r\n");
  rig_feed(&c, head, (size_t)snprintf(head, sizeof head, "*3\r\n$7\r\nDELIFEQ\r\n$1\r\nk\r\n$%d\r\n", LEN), SIZE_MAX);
  rig_feed(&c, bytes, LEN, SIZE_MAX);
  rig_feed(&c, "\r\n", 2, SIZE_MAX);
  RIG_HEARD(&c, ":1\r\n");
  free(bytes);
  rig_client_free(&c);
  rig_close(&st, fd);
}

int main(void) {
  RUN(xxh3_is_that_of_its_authors);
  RUN(msetex_behaves_as_in_valkey);
  RUN(delifeq_behaves_as_in_valkey);
  RUN(digest_is_xxh3_in_16_digits);
  RUN(set_compares_with_the_value_or_its_digest);
  RUN(delex_deletes_on_a_condition);
  RUN(a_long_value_is_compared_in_slices);
  return check_end();
}
