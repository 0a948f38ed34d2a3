/* test_full.c - collections of all types in a store that is full: whatever is evicted, moved, copied, trimmed or
 * refused, the arena stays whole. */
#include "oracle.h"
#include "store/expire.h"

static uint64_t dice;
static unsigned roll(unsigned n) {
  dice ^= dice << 13;
  dice ^= dice >> 7;
  dice ^= dice << 17;
  return (unsigned)((dice >> 16) % n);
}

/* Each key's number decides its type. */
static const char *const adds[] = {"HSET", "ZADD", "SADD", "RPUSH"};
static const char *const removes[] = {"HDEL", "ZREM", "SREM", "LREM"};
static const char *const cuts[] = {"HRANDFIELD", "ZREMRANGEBYRANK", "SPOP", "LTRIM"};
static const char *const cut_args[] = {"5", "3 50", "20", "5 -9"};

static void compose(char *ask, size_t size) {
  char a[800], b[800];
  unsigned key = roll(60), type = key % 4, what = roll(100), member = roll(5000);
  snprintf(a, sizeof a, "%0*u", roll(50) == 0 ? 600 : (int)roll(40) + 1, member);
  snprintf(b, sizeof b, "%0*u", roll(80) == 0 ? 650 : (int)roll(60) + 1, member);
  if (what < 70) {
    bool two = what < 15;
    const char *score = type == 1 ? "5 " : "", *value = type == 0 ? b : "";
    snprintf(ask, size, "%s k%u %s%s %s %s%s %s\r\n", adds[type], key, score, a, value, two ? score : "", two ? b : "",
             two && type == 0 ? a : "");
  } else if (what < 85) {
    snprintf(ask, size, "%s k%u %s%s\r\n", removes[type], key, type == 3 ? "1 " : "", a);
  } else if (what < 88) {
    snprintf(ask, size, "EXPIRE k%u 1000\r\n", key);
  } else if (what < 90) {
    snprintf(ask, size, "DEL k%u\r\n", key);
  } else if (what < 92) {
    snprintf(ask, size, "COPY k%u %s\r\n", key, a);
  } else if (what < 94) {
    snprintf(ask, size, "RENAME k%u k%u\r\n", key, roll(15) * 4 + type);
  } else if (what < 97) {
    snprintf(ask, size, "%s k%u %s\r\n", cuts[type], key, cut_args[type]);
  } else {
    snprintf(ask, size, "SET %s %03000u\r\n", a, member);
  }
}

static void a_full_store_stays_whole(void) {
  static const rd_policy policies[] = {RD_ALLKEYS_LRU, RD_ALLKEYS_S3FIFO, RD_VOLATILE_LRU, RD_NOEVICTION};
  for (size_t p = 0; p < sizeof policies / sizeof *policies && check_ok; p++) {
    rd_store st;
    int fd = rig_open(&st, 6u << 20, 4, policies[p]);
    rig_client c = rig_client_new(&st, NULL);
    static char ask[6000];
    dice = 88172645463325252ull + p;
    unsigned refused = 0;
    for (int n = 0; n < 60000 && check_ok; n++) {
      compose(ask, sizeof ask);
      c.len = 0;
      rig_say(&c, ask);
      refused += c.len > 4 && memcmp(c.out, "-OOM", 4) == 0;
      CHECK(c.len > 0 && memcmp(c.out, "-WRONG", c.len < 6 ? c.len : 6) != 0);
      if (n % 50 == 0) rd_sweep(&st, 0, 4, 0);
      if (n % 2000 != 0) continue;
      char err[300] = "";
      if (rd_check(&st, err, sizeof err) != 0) CHECK_FAIL("rd_check: %s", err);
      st.now_ms += 5000;
    }
    if (policies[p] == RD_NOEVICTION)
      CHECK(refused > 1000);
    else
      CHECK(rd_counter(&st, RD_STAT_evicted_keys) > 100);
    rig_client_free(&c);
    rig_close(&st, fd);
  }
}

/* A call that adds up to 300 elements to a key; some elements are long. Returns its length. */
static size_t compose_call(char *call) {
  static const unsigned counts[] = {1, 1, 5, 60, 300};
  unsigned key = roll(200), type = key % 4, count = counts[roll(5)], each = type == 0 || type == 1 ? 2 : 1;
  char name[20];
  size_t at = (size_t)sprintf(call, "*%u\r\n$%zu\r\n%s\r\n", 2 + count * each, strlen(adds[type]), adds[type]);
  at += (size_t)sprintf(call + at, "$%d\r\n%s\r\n", sprintf(name, "k%u", key), name);
  for (unsigned i = 0; i < count; i++) {
    unsigned kind = roll(40), len = kind == 0 ? 1 + roll(200000) : kind < 8 ? 1 + roll(1500) : 6 + roll(30);
    if (each == 2) at += (size_t)sprintf(call + at, "$6\r\n%06u\r\n", roll(100000));
    at += (size_t)sprintf(call + at, "$%u\r\n", len);
    memset(call + at, (int)('a' + roll(26)), len);
    memcpy(call + at, name, len < 4 ? len : 4);
    for (unsigned k = 4; k < len && k < 12; k++) call[at + k] = (char)('a' + roll(26));
    memcpy(call + at + len, "\r\n", 2);
    at += len + 2;
  }
  return at;
}

/* As long as there is anything to evict. The shards are small, and hold few values that are large for them. */
static void a_policy_that_may_evict_all_keys_refuses_no_write_of_moderate_size(void) {
  static const rd_policy policies[] = {RD_ALLKEYS_LRU, RD_ALLKEYS_S3FIFO, RD_ALLKEYS_RANDOM};
  static char call[16u << 20];
  for (size_t p = 0; p < sizeof policies / sizeof *policies && check_ok; p++) {
    rd_store st;
    int fd = rig_open(&st, 24u << 20, 128, policies[p]);
    rig_client c = rig_client_new(&st, NULL);
    dice = 88172645463325252ull + p;
    for (int n = 0; n < 4000 && check_ok; n++) {
      size_t len = compose_call(call);
      c.len = 0;
      rig_feed(&c, call, len, len);
      if (c.len == 0 || c.out[0] != ':') {
        CHECK_FAIL("call %d, of %zu bytes, under %s", n, len, rd_policy_name(policies[p]));
        check_print("says ", c.out, c.len);
      }
    }
    char err[300] = "";
    if (rd_check(&st, err, sizeof err) != 0) CHECK_FAIL("rd_check: %s", err);
    CHECK(rd_counter(&st, RD_STAT_evicted_keys) > 100);
    rig_client_free(&c);
    rig_close(&st, fd);
  }
}

int main(void) {
  RUN(a_full_store_stays_whole);
  RUN(a_policy_that_may_evict_all_keys_refuses_no_write_of_moderate_size);
  return check_end();
}
