/* test_steps.c - work that grows with a value is done in steps. A step is what happens between two readings of the
 * clock: a long command reads it in rd_yield, the sweep after each of its steps. The tests count the bytes that a step
 * allocates or releases, not its time. */
#include <malloc.h>

#include "arena/layout.h"
#include "arena/longrun.h"
#include "arena/memory.h"
#include "arena/pool.h"
#include "rig.h"
#include "store/expire.h"

enum { SHARDS = 4, ELEMENTS = 60000, MOST = 1 << 20, MOST_PRIVATE = 2 << 20 };

static rd_store st;
static int fd;
static rig_client c;

static uint64_t ticks, used, most, private, most_private;
static bool ran;
/* The bytes that the C library has given to this process's code, but for mappings. */
static uint64_t now_private(void) { return mallinfo2().uordblks; }
static uint64_t difference(uint64_t a, uint64_t b) { return a > b ? a - b : b - a; }
static uint64_t now_used(void) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < SHARDS; i++) sum += rd_shard_at(&st, i)->heap.used;
  return sum;
}
static uint64_t measuring(void) {
  uint64_t now = now_used(), step = difference(now, used);
  uint64_t now_own = now_private(), own = difference(now_own, private);
  if (step > most) most = step;
  if (st.running != NULL && ran && own > most_private) most_private = own; /* else it is the buffer of the input */
  ran = st.running != NULL;
  used = now;
  private = now_own;
  return ticks += 1000;
}

static void begin(void) {
  used = now_used();
  private = now_private();
  most = most_private = 0;
}

static void end(const char *what) {
  measuring();
  if (most > MOST) CHECK_FAIL("%s: a step of %llu bytes", what, (unsigned long long)most);
}

static void open_full(uint64_t memory, rd_policy policy) {
  fd = rig_open(&st, memory, SHARDS, policy);
  st.clock = measuring;
  c = rig_client_new(&st, NULL);
}
static void open_store(void) { open_full(512 << 20, RD_NOEVICTION); }

static void close_store(void) {
  rig_client_free(&c);
  rig_close(&st, fd);
}

static void say(const char *text) {
  rig_say(&c, text);
  c.len = 0;
}

static void sweep(void) {
  for (int i = 0; i < 1000000 && !rd_sweep(&st, 0, SHARDS, 0); i++) measuring();
}

/* A value of ELEMENTS elements at key `a`, in commands of 100. */
static void make(const char *command) {
  if (*command == 'X') {
    say("XGROUP CREATE a g 0 MKSTREAM\r\nXGROUP CREATE a h 0\r\n");
    for (int i = 0; i < ELEMENTS; i++) say("XADD a * field value-of-some-bytes-of-an-entry\r\n");
    say("XREADGROUP GROUP h c STREAMS a >\r\n");
    return;
  }
  char text[6000];
  for (int i = 0; i < ELEMENTS; i += 100) {
    bool pairs = *command == 'H' || *command == 'Z';
    int n = snprintf(text, sizeof text, "%s a", command);
    for (int k = i; k < i + 100; k++) {
      if (*command == 'Z')
        n += snprintf(text + n, sizeof text - (size_t)n, " %d member:%06d", k, k);
      else
        n += snprintf(text + n, sizeof text - (size_t)n, pairs ? " field:%06d value-of-16-bytes" : " element:%06d", k);
    }
    snprintf(text + n, sizeof text - (size_t)n, "\r\n");
    say(text);
  }
}

static void large_values_are_made_and_released_in_steps(void) {
  static const char *const commands[] = {"HSET", "RPUSH", "SADD", "ZADD", "XADD"};
  static const char *const ends[] = {"DEL a\r\n",      "SET a x\r\n", "RENAME x a\r\n",   "COPY a b\r\n",
                                     "RENAME a b\r\n", "FLUSHDB\r\n", "PEXPIREAT a 1\r\n"};
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
      open_store();
      say("SET x y\r\n");
      begin();
      make(commands[i]);
      end(commands[i]);
      begin();
      /* FLUSHDB gives whole regions back, one shard a step */
      if (k != 5) say(ends[k]);
      end(ends[k]);
      begin();
      sweep();
      end(ends[k]);
      close_store();
    }
  }
}

static void parts_of_large_values_are_removed_in_steps(void) {
  static const struct {
    const char *make, *remove;
  } each[] = {{"SADD", "SPOP a 50000\r\n"},
              {"RPUSH", "LTRIM a 30000 30001\r\n"},
              {"RPUSH", "LPOP a 59999\r\n"},
              {"ZADD", "ZREMRANGEBYRANK a 1 -1\r\n"},
              {"ZADD", "ZREMRANGEBYSCORE a 10 59990\r\n"},
              {"ZADD", "ZPOPMIN a 59999\r\n"},
              {"ZADD", "ZRANGESTORE b a 0 -1\r\n"},
              {"ZADD", "GEORADIUS a -180 -85.05 900 km STORE b\r\n"},
              {"ZADD", "GEORADIUS a -180 -85.05 900 km DESC COUNT 50000 STOREDIST b\r\n"},
              {"XADD", "XTRIM a MAXLEN 1\r\n"},
              {"XADD", "XTRIM a MAXLEN ~ 1 LIMIT 0\r\n"},
              {"XADD", "XADD a MINID 9999999999999 * f v\r\n"},
              {"XADD", "XRANGE a - +\r\n"},
              {"XADD", "XINFO STREAM a FULL COUNT 0\r\n"},
              {"XADD", "DUMP a\r\n"},
              {"XADD", "XREADGROUP GROUP g c STREAMS a >\r\n"},
              {"XADD", "XTRIM a MAXLEN 0 DELREF\r\n"},
              {"XADD", "XTRIM a MAXLEN 0 ACKED\r\n"},
              {"XADD", "XREADGROUP GROUP h c STREAMS a 0\r\n"},
              {"XADD", "XAUTOCLAIM a h d 0 0 COUNT 1000000\r\n"},
              {"XADD", "XPENDING a h - + 1000000\r\n"},
              {"XADD", "XGROUP DELCONSUMER a h c\r\n"},
              {"XADD", "XGROUP DESTROY a h\r\n"},
              {"SADD", "SUNIONSTORE b a\r\n"},
              {"SADD", "SORT a ALPHA STORE b\r\n"}};
  for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
    open_store();
    make(each[i].make);
    begin();
    say(each[i].remove);
    end(each[i].remove);
    close_store();
  }
}

/* An element of 16 MiB, in a command that only names its place or its field. */
static void long_elements_are_released_in_steps(void) {
  static const char *const each[][2] = {
      {"*4\r\n$4\r\nHSET\r\n$1\r\na\r\n$1\r\nf\r\n", "HDEL a f\r\n"},
      {"*4\r\n$4\r\nHSET\r\n$1\r\na\r\n$1\r\nf\r\n", "HSET a f x\r\n"},
      {"*4\r\n$4\r\nHSET\r\n$1\r\na\r\n$1\r\nf\r\n", "HSET a g 1 f x\r\n"},
      {"*4\r\n$4\r\nHSET\r\n$1\r\na\r\n$1\r\nf\r\n", "HDEL a z f\r\n"},
      {"*4\r\n$4\r\nHSET\r\n$1\r\na\r\n$1\r\nf\r\n", "HGETDEL a FIELDS 2 z f\r\n"},
      {"*4\r\n$4\r\nHSET\r\n$1\r\na\r\n$1\r\nf\r\n", "HPEXPIRE a 0 FIELDS 2 z f\r\n"},
      {"*4\r\n$4\r\nHSET\r\n$1\r\na\r\n$1\r\nf\r\n", "HPEXPIREAT a 1 FIELDS 1 f\r\n"},
      {"*4\r\n$4\r\nHSET\r\n$1\r\na\r\n$1\r\nf\r\n", "HSETEX a FIELDS 2 z 1 f x\r\n"},
      {"*4\r\n$4\r\nHSET\r\n$1\r\na\r\n$1\r\nf\r\n", "HSETEX a PXAT 1 FIELDS 1 f x\r\n"},
      {"*3\r\n$5\r\nRPUSH\r\n$1\r\na\r\n", "LSET a 0 x\r\n"},
      {"*3\r\n$5\r\nRPUSH\r\n$1\r\na\r\n", "LTRIM a 1 -1\r\n"},
      {"*3\r\n$5\r\nRPUSH\r\n$1\r\na\r\n", "LPOP a\r\n"},
      {"*3\r\n$4\r\nSADD\r\n$1\r\na\r\n", "SPOP a\r\n"},
      {"*4\r\n$4\r\nZADD\r\n$1\r\na\r\n$1\r\n1\r\n", "ZREMRANGEBYRANK a 0 0\r\n"},
      {"*4\r\n$4\r\nZADD\r\n$1\r\na\r\n$1\r\n1\r\n", "ZPOPMIN a\r\n"}};
  static const char *const seconds[] = {"HSET a z 1\r\n", "RPUSH a z\r\n", "SADD a z\r\n", "ZADD a 2 z\r\n"};
  size_t len = 16 << 20;
  char *value = malloc(len + 40);
  for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
    open_store();
    say(each[i][0]);
    int head = snprintf(value, 40, "$%zu\r\n", len);
    memset(value + head, 'v', len);
    memcpy(value + head + len, "\r\n", 2);
    rig_feed(&c, value, (size_t)head + len + 2, 1 << 20);
    c.len = 0;
    char kind = each[i][0][8];
    say(seconds[kind == 'H' ? 0 : kind == 'S' ? 2 : kind == 'Z' ? 3 : 1]);
    if (kind == 'S') say("SREM a z\r\n"); /* else a random one is popped */
    begin();
    say(each[i][1]);
    end(each[i][1]);
    close_store();
  }
  free(value);
}

/* The record of a change that may be undone is many MiB long, and is released in steps. */
static void long_records_are_released_in_steps(void) {
  enum { FIELDS = 60000, LONGEST = 260 };
  char *text = malloc((size_t)FIELDS * LONGEST);
  for (int first = 0; first < 2; first++) {
    if (first == 0) open_store();
    int n = sprintf(text, "*%d\r\n$4\r\nHSET\r\n$1\r\na\r\n", 2 + 2 * FIELDS);
    for (int i = 0; i < FIELDS; i++) n += sprintf(text + n, "$6\r\n%06d\r\n$150\r\n%0150d\r\n", i, i + first);
    begin();
    rig_feed(&c, text, (size_t)n, SIZE_MAX);
  }
  if (most_private > MOST_PRIVATE) CHECK_FAIL("a step of %llu bytes", (unsigned long long)most_private);
  close_store();
  free(text);
}

/* Fields with values of 16 MiB and of 3 MiB each have expired, in a packed hash and in a large one. */
static void long_fields_that_have_expired_are_released_in_steps(void) {
  static const char *const opens[] = {"HGET a z\r\n", "HSET a z 1\r\n", "HLEN a\r\n", "HPERSIST a FIELDS 1 f0\r\n"};
  for (size_t i = 0; i < 4 * sizeof opens / sizeof *opens; i++) {
    bool large = i & 1, many = i & 2;
    open_store();
    if (large) make("HSET");
    say("HSET a z 1\r\n");
    for (int k = 0; k < (many ? 5 : 1); k++) {
      size_t len = many ? 3 << 20 : 16 << 20;
      char *value = calloc(1, len + 600);
      int head = snprintf(value, 600, "*4\r\n$4\r\nHSET\r\n$1\r\na\r\n$2\r\nf%d\r\n$%zu\r\n", k, len);
      memcpy(value + head + len, "\r\n", 2);
      rig_feed(&c, value, (size_t)head + len + 2, 1 << 20);
      free(value);
      char text[60];
      snprintf(text, sizeof text, "HPEXPIRE a 100 FIELDS 1 f%d\r\n", k);
      say(text);
    }
    st.now_ms += 1000;
    uint64_t before = now_used();
    begin();
    say(opens[i / 4]);
    end(opens[i / 4]);
    CHECK(now_used() < before - (14 << 20));
    close_store();
  }
}

static void set_string(const char *key, size_t len) {
  char *value = malloc(len + 600);
  int head = snprintf(value, 600, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(key), key, len);
  memset(value + head, 'v', len);
  memcpy(value + head + len, "\r\n", 2);
  rig_feed(&c, value, (size_t)head + len + 2, 1 << 20);
  c.len = 0;
  free(value);
}

static void check_store(void) {
  char err[200] = "";
  if (rd_check(&st, err, sizeof err) != 0) CHECK_FAIL("rd_check: %s", err);
}

/* The first command of each is not measured. The arena is verified while a part of the string is left. */
static void long_strings_are_released_in_steps(void) {
  static const char *const each[][2] = {{"PING\r\n", "DEL a\r\n"},          {"PING\r\n", "SET a x\r\n"},
                                        {"SET x y\r\n", "RENAME x a\r\n"},  {"SET x y\r\n", "COPY x a REPLACE\r\n"},
                                        {"PEXPIRE a 100\r\n", "GET a\r\n"}, {"PEXPIRE a 100\r\n", "PING\r\n"}};
  char key[400];
  memset(key, 'k', sizeof key);
  key[399] = '\0';
  for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
    open_store();
    set_string(key, 16 << 20);
    set_string("a", (16 << 20) + 5);
    say(each[i][0]);
    st.now_ms += 1000;
    begin();
    say(each[i][1]);
    check_store();
    sweep();
    end(each[i][1]);
    uint64_t left = now_used();
    begin();
    char text[500];
    snprintf(text, sizeof text, "DEL %s\r\n", key);
    say(text);
    check_store();
    sweep();
    end("DEL of a long key");
    CHECK(now_used() < left - (16 << 20) && now_used() < 10000);
    close_store();
  }
}

/* A step of the sweep counts the blocks of what it removes, not the keys. */
static void the_sweep_removes_few_values_of_many_blocks(void) {
  open_store();
  char key[20], text[40];
  for (int i = 0; i < 2000; i++) {
    snprintf(key, sizeof key, "k%d", i);
    set_string(key, 20000);
    snprintf(text, sizeof text, "PEXPIRE %s 100\r\n", key);
    say(text);
  }
  st.now_ms += 1000;
  begin();
  sweep();
  end("expiry of many strings");
  RIG_ASK(&c, "DBSIZE\r\n", ":0\r\n");
  close_store();
}

/* The leaves of a tree from which most entries were removed, here and there, are joined. */
static void leaves_of_few_entries_are_joined(void) {
  open_store();
  make("SADD");
  char text[100];
  for (int left = ELEMENTS; left > ELEMENTS / 10; left--) {
    int n = (int)((uint64_t)(ELEMENTS - left) * 7919 % ELEMENTS); /* each once: they have no common factor */
    snprintf(text, sizeof text, "SREM a element:%06d\r\n", n);
    say(text);
  }
  RIG_ASK(&c, "SCARD a\r\n", ":6000\r\n");
  uint64_t bytes = now_used();
  say("SUNIONSTORE b a\r\n");
  uint64_t anew = now_used() - bytes;
  say("DEL b\r\n");
  sweep();
  CHECK(bytes < anew * 3 / 2);
  close_store();
}

/* A large value was deleted in another shard: a plain command in a full store releases a few of its blocks, not all.
 * Its leaves lie among each other, so it takes many until a region is free. */
static void making_room_releases_some_blocks_of_a_large_value(void) {
  open_full(24 << 20, RD_ALLKEYS_LRU);
  char text[400];
  make("HSET");
  for (int i = 0; rd_pool_free(&st) > 0; i++) {
    snprintf(text, sizeof text, "SET k%d %0300d\r\n", i, i);
    say(text);
    if (i % 8 == 0) say("HGET a f\r\n");
  }
  RIG_ASK(&c, "HLEN a\r\n", ":60000\r\n");
  say("DEL a\r\n");
  for (int i = 0; i < 3000; i++) {
    begin();
    snprintf(text, sizeof text, "SET n%d %0300d\r\n", i, i);
    say(text);
    end("SET in a full store");
  }
  close_store();
}

int main(void) {
  RUN(large_values_are_made_and_released_in_steps);
  RUN(parts_of_large_values_are_removed_in_steps);
  RUN(long_elements_are_released_in_steps);
  RUN(long_records_are_released_in_steps);
  RUN(long_fields_that_have_expired_are_released_in_steps);
  RUN(long_strings_are_released_in_steps);
  RUN(the_sweep_removes_few_values_of_many_blocks);
  RUN(leaves_of_few_entries_are_joined);
  RUN(making_room_releases_some_blocks_of_a_large_value);
  return check_end();
}
