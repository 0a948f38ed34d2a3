/* test_full.c - collections of all types in a store that is full: whatever is evicted, moved, copied, trimmed or
 * refused, the arena stays whole. */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "arena/memory.h"
#include "arena/pool.h"
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

/* A key that begins with `prefix`, in another shard than `key`. */
static void name_elsewhere(rd_store *st, char name[20], const char *prefix, const char *key) {
  uint32_t shard = rd_shard_of(st, rd_key_of(st, (rd_bytes){(const uint8_t *)key, strlen(key)}, 0).hash);
  for (unsigned i = 0;; i++) {
    size_t len = (size_t)sprintf(name, "%s%u", prefix, i);
    if (rd_shard_of(st, rd_key_of(st, (rd_bytes){(const uint8_t *)name, len}, 0).hash) != shard) return;
  }
}

/* Add elements to the key until it takes a third of the store, and other keys meanwhile; then fill the store. */
static void fill_with(rig_client *c, unsigned type, const char *key) {
  static char ask[9000];
  unsigned n = 0, refused = 0;
  for (; rd_used_memory(c->st) < 12u << 20; n++) {
    unsigned len = n % 50 == 0 ? 600 + roll(n % 500 == 0 ? 7000 : 200) : 10 + roll(90);
    const char *more = type == 0 ? "v" : "", *score = type == 1 ? "7 " : "";
    snprintf(ask, sizeof ask, "%s %s %s%0*u %s\r\n", adds[type], key, score, (int)len, n, more);
    rig_say(c, ask);
    if (n % 3 != 0) continue;
    snprintf(ask, sizeof ask, "SET other%u %0*u\r\n", n, (int)(1 + roll(300)), n);
    rig_say(c, ask);
  }
  for (unsigned len = 3000; len > 0; len /= 4) {
    for (refused = 0; refused < 300; n++) {
      snprintf(ask, sizeof ask, "SET more%u %0*u\r\n", n, (int)len, n);
      c->len = 0;
      rig_say(c, ask);
      refused += c->out[0] == '-';
      if (rd_get_policy(c->st) == RD_ALLKEYS_LRU && rd_pool_free(c->st) == 0) return; /* the next one may evict `key` */
    }
  }
  c->len = 0;
}

/* RENAME of a large value to another shard needs no memory to speak of: it is not refused, and evicts nothing. */
static void a_large_collection_moves_between_full_shards(void) {
  static const rd_policy policies[] = {RD_NOEVICTION, RD_ALLKEYS_LRU, RD_VOLATILE_TTL};
  for (unsigned i = 0; i < 12 && check_ok; i++) {
    rd_store st;
    char to[20], ask[100];
    unsigned type = i % 4;
    int fd = rig_open(&st, 24u << 20, 8, policies[i / 4]);
    rig_client c = rig_client_new(&st, NULL);
    dice = 88172645463325252ull + i;
    fill_with(&c, type, "large");
    uint64_t evicted = rd_counter(&st, RD_STAT_evicted_keys);
    rig_say(&c, "EXPIRE large 1000\r\n");
    c.len = 0;
    rig_say(&c, "DUMP large\r\n");
    size_t len = c.len;
    CHECK(len > 2u << 20);
    uint8_t *before = malloc(len);
    memcpy(before, c.out, len);
    for (unsigned n = 0; n < 6 && check_ok; n++) { /* there and back; the third time over another value */
      if (n % 2 == 0) name_elsewhere(&st, to, n == 4 ? "other" : "to", "large");
      snprintf(ask, sizeof ask, n % 2 == 0 ? "RENAME large %s\r\n" : "RENAME %s large\r\n", to);
      c.len = 0;
      rig_say(&c, ask);
      if (c.len != 5 || memcmp(c.out, "+OK\r\n", 5) != 0) check_print("RENAME says ", c.out, c.len);
      CHECK(c.len == 5 && memcmp(c.out, "+OK\r\n", 5) == 0);
      char err[300] = "";
      if (rd_check(&st, err, sizeof err) != 0) CHECK_FAIL("rd_check: %s", err);
    }
    CHECK_INT(rd_counter(&st, RD_STAT_evicted_keys), evicted);
    CHECK(st.head->pool.in_use <= st.head->pool.limit + st.head->pool.reserve);
    c.len = 0;
    rig_say(&c, "DUMP large\r\n");
    CHECK(c.len == len && memcmp(c.out, before, len) == 0);
    c.len = 0;
    rig_say(&c, "TTL large\r\n");
    CHECK(c.len == 7 && memcmp(c.out, ":1000\r\n", 7) == 0);
    free(before);
    rig_client_free(&c);
    rig_close(&st, fd);
  }
}

static uint8_t *dump_of(rig_client *c, const char *key, size_t *len) {
  char ask[100];
  snprintf(ask, sizeof ask, "DUMP %s\r\n", key);
  c->len = 0;
  rig_say(c, ask);
  uint8_t *dump = malloc(c->len + 1);
  *len = c->len;
  memcpy(dump, c->out, c->len);
  return dump;
}

/* Without memory for its longest element the value moves back, and RENAME is refused. */
static void a_collection_that_cannot_move_stays(void) {
  static char ask[3u << 20];
  for (unsigned i = 0; i < 8 && check_ok; i++) {
    rd_store st;
    char to[20];
    unsigned type = i % 4;
    int fd = rig_open(&st, 24u << 20, 8, RD_NOEVICTION);
    rig_client c = rig_client_new(&st, NULL);
    dice = 88172645463325252ull + i;
    const char *score = type == 1 ? (i < 4 ? "9 " : "-9 ") : "", *more = type == 0 ? " v" : "";
    const char *add = type == 3 && i >= 4 ? "LPUSH" : adds[type];
    sprintf(ask, "*%d\r\n$%zu\r\n%s\r\n$5\r\nlarge\r\n", *score || *more ? 4 : 3, strlen(add), add);
    if (*score) sprintf(ask + strlen(ask), "$2\r\n%2d\r\n", i < 4 ? 90 : -9);
    size_t at = strlen(ask), len = (2u << 20) + roll(1000);
    at += (size_t)sprintf(ask + at, "$%zu\r\n", len);
    memset(ask + at, 'x', len);
    at += len;
    at += (size_t)sprintf(ask + at, *more ? "\r\n$1\r\nv\r\n" : "\r\n");
    if (type != 3 || i >= 4) rig_feed(&c, ask, at, at);
    if (type == 3 && i < 4) { /* the long element is the last one */
      for (unsigned n = 0; n < 30000; n++) {
        char small[100];
        snprintf(small, sizeof small, "RPUSH large element:%u:%u\r\n", n, roll(1000000));
        rig_say(&c, small);
      }
      rig_feed(&c, ask, at, at);
    } else {
      fill_with(&c, type, "large");
    }
    for (unsigned n = 0, refused = 0; refused < 300; n++) {
      char small[1200];
      c.len = 0;
      snprintf(small, sizeof small, "SET rest%u %01000u\r\n", n, n);
      rig_say(&c, small);
      refused += c.out[0] == '-';
    }
    rig_say(&c, "EXPIRE large 1000\r\n");
    size_t len_before, len_after;
    uint8_t *before = dump_of(&c, "large", &len_before);
    name_elsewhere(&st, to, "to", "large");
    snprintf(ask, sizeof ask, "RENAME large %s\r\n", to);
    c.len = 0;
    rig_say(&c, ask);
    CHECK(c.len > 4 && memcmp(c.out, "-OOM", 4) == 0);
    uint8_t *after = dump_of(&c, "large", &len_after);
    CHECK(len_after == len_before && memcmp(before, after, len_before) == 0);
    CHECK_INT(rd_counter(&st, RD_STAT_evicted_keys), 0);
    rig_say(&c, "RENAME rest1 nothing\r\n");
    free(before);
    free(after);
    rig_client_free(&c);
    rig_close(&st, fd);
  }
}

/* A process dies while it moves a value: at most one shard is lost, and the value is complete or gone. */
static void a_death_during_a_move_costs_at_most_a_shard(void) {
  for (unsigned type = 0; type < 4 && check_ok; type++) {
    rd_store st;
    char to[20];
    int fd = rig_open(&st, 24u << 20, 8, RD_NOEVICTION);
    rig_client c = rig_client_new(&st, NULL);
    unsigned lost = 0;
    for (unsigned death = 0; death < 5 && check_ok; death++) {
      dice = 88172645463325252ull + death;
      rig_say(&c, "FLUSHALL\r\n");
      fill_with(&c, type, "large");
      name_elsewhere(&st, to, "to", "large");
      size_t len, now[2];
      uint8_t *before = dump_of(&c, "large", &len);
      int ready[2];
      CHECK(pipe(ready) == 0);
      pid_t pid = fork();
      if (pid == 0) {
        rd_store mine;
        char err[200], there[100], back[100];
        if (rd_attach(&mine, fd, err, sizeof err) != 0 || rd_worker_join(&mine, 1) < 0) _exit(1);
        mine.now_ms = st.now_ms;
        rig_client other = rig_client_new(&mine, NULL);
        snprintf(there, sizeof there, "RENAME large %s\r\n", to);
        snprintf(back, sizeof back, "RENAME %s large\r\n", to);
        for (bool said = false;; said = true) {
          if (!said && write(ready[1], "", 1) != 1) _exit(1);
          rig_say(&other, there);
          rig_say(&other, back);
        }
      }
      char byte;
      CHECK(read(ready[0], &byte, 1) == 1);
      struct timespec nap = {0, (long)(100000 + roll(60000000))};
      nanosleep(&nap, NULL);
      kill(pid, SIGKILL);
      waitpid(pid, NULL, 0);
      close(ready[0]);
      close(ready[1]);
      for (uint32_t i = 0; i < st.num_shards; i++) rd_lock_shard(&st, i), rd_unlock_shard(&st, i);
      rd_pool_lock(&st);
      rd_pool_unlock(&st);
      for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) rd_worker_reap(&st, i);
      char err[300] = "";
      if (rd_check(&st, err, sizeof err) != 0) CHECK_FAIL("rd_check: %s", err);
      uint8_t *here = dump_of(&c, "large", &now[0]), *there = dump_of(&c, to, &now[1]);
      bool whole =
          (now[0] == len && memcmp(here, before, len) == 0) || (now[1] == len && memcmp(there, before, len) == 0);
      CHECK(whole ? now[0] == 5 || now[1] == 5 : now[0] == 5 && now[1] == 5);
      lost += !whole;
      CHECK(rd_counter(&st, RD_STAT_shards_lost) <= death + 1);
      free(here);
      free(there);
      free(before);
    }
    printf("    %s: of 5 deaths %u cost the value, and %llu a shard\n", adds[type], lost,
           (unsigned long long)rd_counter(&st, RD_STAT_shards_lost));
    rig_client_free(&c);
    rig_close(&st, fd);
  }
}

int main(void) {
  RUN(a_large_collection_moves_between_full_shards);
  RUN(a_collection_that_cannot_move_stays);
  RUN(a_death_during_a_move_costs_at_most_a_shard);
  RUN(a_full_store_stays_whole);
  RUN(a_policy_that_may_evict_all_keys_refuses_no_write_of_moderate_size);
  return check_end();
}
