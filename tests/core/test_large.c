/* test_large.c - collections of many blocks, some of whose elements lie outside of their entries, under all that the
 * store does with keys of any type: they stay as they were, or go as a whole, in steps. */
#include "faults.h"
#include "oracle.h"
#include "store/expire.h"
#include "store/grave.h"
#include "store/index.h"
#include "store/reclaim.h"
#include "store/type.h"

#define LONGEST 60000u

/* A way to fill a value, and to read all of it. */
static const struct maker {
  rd_type type;
  const char *add, *key, *read;
} makers[] = {
    {RD_LIST, "RPUSH", "l", "LRANGE %s 0 -1\r\n"}, {RD_SET, "SADD", "s", "SMEMBERS %s\r\n"},
    {RD_HASH, "HSET", "h", "HGETALL %s\r\n"},      {RD_ZSET, "ZADD", "z", "ZRANGE %s 0 -1 WITHSCORES\r\n"},
    {RD_STREAM, "XADD", "x", "DUMP %s\r\n"},
};
#define MAKERS (sizeof makers / sizeof *makers)
static bool exists(const struct maker *m) { return rd_types[m->type].name != NULL; }

static uint8_t filler[LONGEST];

static size_t add_word(uint8_t *to, const void *word, size_t len) {
  size_t n = (size_t)sprintf((char *)to, "$%zu\r\n", len);
  memcpy(to + n, word, len);
  memcpy(to + n + len, "\r\n", 2);
  return n + len + 2;
}

/* Create a group of the stream, or read in it, for one of some consumers. */
static void use_group(rig_client *c, const char *key, unsigned i) {
  static char request[9000];
  if (i % 10 == 0) {
    snprintf(request, sizeof request, "XGROUP CREATE %s group%u 0 MKSTREAM\r\n", key, i / 1000);
    rig_say(c, request);
  }
  snprintf(request, sizeof request, "XREADGROUP GROUP group%u %0*u COUNT 9 STREAMS %s >\r\n", i / 1000,
           (int)(i % 1000 == 500 ? 900 : 4), i % 7, key);
  rig_say(c, request);
  c->len = 0;
}

/* Add elements `first` to `first` + `n` - 1 to the key: short ones, numbers, and a few long ones. */
static void add(rig_client *c, const struct maker *m, const char *key, unsigned first, unsigned n) {
  static uint8_t request[2 * LONGEST + 4096];
  char word[60];
  for (unsigned i = first; i < first + n; i++) {
    bool pair = m->type == RD_HASH || m->type == RD_ZSET, stream = m->type == RD_STREAM;
    size_t len = (size_t)sprintf((char *)request, "*%d\r\n", stream ? 5 : pair ? 4 : 3);
    len += add_word(request + len, m->add, strlen(m->add));
    len += add_word(request + len, key, strlen(key));
    if (m->type == RD_ZSET) len += add_word(request + len, word, (size_t)sprintf(word, "%u", i * 7919 % 1000));
    if (stream) len += add_word(request + len, "*", 1), len += add_word(request + len, "field", 5);
    size_t long_one = i % 100 == 50 ? 600 + i * 131 % 3000 : i % 1000 == 999 ? LONGEST - i % 50000 : 0;
    if (m->type == RD_HASH) len += add_word(request + len, word, (size_t)sprintf(word, "field:%u", i));
    if (long_one > 0) {
      memcpy(filler, word, (size_t)sprintf(word, "long:%u:", i));
      len += add_word(request + len, filler, long_one);
    } else {
      len += add_word(request + len, word, (size_t)sprintf(word, i % 3 == 0 ? "%u" : "element:%u", i));
    }
    rig_feed(c, request, len, len);
    bool added = c->len > 0 && c->out[0] == (stream ? '$' : ':');
    CHECK(added);
    if (!added) check_print("element", c->out, c->len), printf("%u of %s\n", i, key);
    c->len = 0;
    if (stream && i % 5 == 0) use_group(c, key, i);
  }
}

typedef struct text {
  uint8_t *data;
  size_t len;
} text;

static text ask(rig_client *c, const char *format, const char *key) {
  static char request[9000];
  snprintf(request, sizeof request, format, key);
  c->len = 0;
  rig_say(c, request);
  text t = {malloc(c->len + 1), c->len};
  memcpy(t.data, c->out, c->len);
  c->len = 0;
  return t;
}

/* The key's value is what was read before. */
static void expect(rig_client *c, const struct maker *m, const char *key, const text *value) {
  text now = ask(c, m->read, key);
  CHECK(now.len == value->len && memcmp(now.data, value->data, now.len) == 0);
  free(now.data);
}

static void expect_none(rig_client *c, const char *key) {
  text now = ask(c, "EXISTS %s\r\n", key);
  CHECK_TEXT(now.data, now.len, ":0\r\n");
  free(now.data);
}

static void whole(rd_store *st) {
  char err[300] = "";
  CHECK_INT(rd_check(st, err, sizeof err), 0);
  if (err[0] != 0) printf("      %s\n", err);
}

static void sweep_all(rd_store *st) {
  for (int n = 0; n < 3000; n++) rd_sweep(st, 0, st->num_shards, 0);
}

static uint64_t used(const rd_store *st) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < st->num_shards; i++) bytes += rd_shard_at(st, i)->heap.used;
  return bytes;
}

/* Empty each region by moving its blocks. */
static void move_everything(rd_store *st) {
  for (uint32_t r = 0; r < st->head->pool.fresh; r++) {
    uint32_t owner = st->regions[r].owner;
    if (owner == 0) continue;
    rd_lock_shard(st, owner - 1);
    st->keeps_all = true;
    rd_empty_region(st, owner - 1, r);
    st->keeps_all = false;
    rd_unlock_all(st);
  }
}

static const char *long_name(void) {
  static char name[5000];
  memset(name, 'k', sizeof name - 1);
  return name;
}

/* ---- */

static void the_memory_of_a_value_is_exact(void) {
  for (size_t i = 0; i < MAKERS; i++) {
    static const unsigned sizes[] = {1, 10, 60, 300, 5000};
    for (size_t s = 0; exists(&makers[i]) && s < sizeof sizes / sizeof *sizes; s++) {
      rd_store st;
      int fd = rig_open(&st, 64u << 20, 1, RD_NOEVICTION);
      rig_client c = rig_client_new(&st, NULL);
      rig_say(&c, "SET other x\r\n");
      uint64_t before = used(&st);
      c.len = 0;
      add(&c, &makers[i], "key", 0, sizes[s]);
      if (sizes[s] > 100) add(&c, &makers[i], "key", 100, 1); /* a set has it */
      rd_key key = rd_key_of(&st, (rd_bytes){(const uint8_t *)"key", 3}, 0);
      uint64_t bytes = rd_item_blocks_bytes(&st, rd_find_quiet(&st, &key, false));
      CHECK_INT(used(&st) - before, bytes);
      move_everything(&st);
      bytes = rd_item_blocks_bytes(&st, rd_find_quiet(&st, &key, false));
      before = used(&st) - bytes; /* other blocks moved, too, and may be longer now */
      rig_say(&c, "DEL key\r\n");
      sweep_all(&st);
      CHECK_INT(used(&st), before);
      rig_client_free(&c);
      rig_close(&st, fd);
    }
  }
}

static void values_stay_whole_while_their_blocks_move(void) {
  for (size_t i = 0; i < MAKERS; i++) {
    if (!exists(&makers[i])) continue;
    rd_store st;
    int fd = rig_open(&st, 64u << 20, 2, RD_NOEVICTION);
    rig_client c = rig_client_new(&st, NULL);
    add(&c, &makers[i], "key", 0, 4000);
    add(&c, &makers[i], "small", 0, 12);
    text value = ask(&c, makers[i].read, "key"), small = ask(&c, makers[i].read, "small");
    for (int n = 0; n < 3; n++) {
      move_everything(&st);
      whole(&st);
      expect(&c, &makers[i], "key", &value);
      expect(&c, &makers[i], "small", &small);
    }
    rig_say(&c, "DEL key\r\n"); /* a grave whose blocks move */
    move_everything(&st);
    whole(&st);
    sweep_all(&st);
    expect_none(&c, "key");
    free(value.data);
    free(small.data);
    rig_client_free(&c);
    rig_close(&st, fd);
  }
}

/* RENAME, COPY, MOVE and EXPIRE, to other shards and not, over other large values, of keys of any length. */
static void a_value_goes_where_its_key_goes(void) {
  for (size_t i = 0; i < MAKERS; i++) {
    for (unsigned round = 0; exists(&makers[i]) && round < 12; round++) {
      rd_store st;
      char request[12000], to[5100];
      int fd = rig_open(&st, 64u << 20, 4, round % 2 == 0 ? RD_NOEVICTION : RD_ALLKEYS_S3FIFO);
      rig_client c = rig_client_new(&st, NULL);
      const struct maker *m = &makers[i], *over = &makers[round % MAKERS];
      unsigned size = round % 3 == 0 ? 20 : round % 3 == 1 ? 400 : 3000;
      const char *from = round == 5 ? long_name() : "key";
      snprintf(to, sizeof to, "%s:%u", round >= 9 ? long_name() : "to", round);
      add(&c, m, from, 0, size);
      text value = ask(&c, m->read, from);
      if (exists(over)) add(&c, over, to, 0, 2500);
      snprintf(request, sizeof request, "EXPIRE %s 100\r\n", from);
      RIG_ASK(&c, request, ":1\r\n");
      whole(&st);
      expect(&c, m, from, &value);
      snprintf(request, sizeof request, "RENAME %s %s\r\n", from, to);
      RIG_ASK(&c, request, "+OK\r\n");
      whole(&st);
      expect_none(&c, from);
      expect(&c, m, to, &value);
      snprintf(request, sizeof request, "PERSIST %s\r\n", to);
      RIG_ASK(&c, request, ":1\r\n");
      expect(&c, m, to, &value);
      snprintf(request, sizeof request, "COPY %s copy\r\n", to);
      RIG_ASK(&c, request, ":1\r\n");
      whole(&st);
      expect(&c, m, "copy", &value);
      snprintf(request, sizeof request, "COPY %s %s DB 1\r\n", to, to);
      RIG_ASK(&c, request, ":1\r\n");
      snprintf(request, sizeof request, "COPY copy %s REPLACE\r\n", to);
      RIG_ASK(&c, request, ":1\r\n");
      expect(&c, m, to, &value);
      snprintf(request, sizeof request, "MOVE copy 1\r\n");
      RIG_ASK(&c, request, ":1\r\n");
      RIG_ASK(&c, "SWAPDB 0 1\r\n", "+OK\r\n");
      whole(&st);
      expect(&c, m, "copy", &value);
      expect(&c, m, to, &value);
      RIG_ASK(&c, "SELECT 1\r\n", "+OK\r\n");
      expect_none(&c, "copy");
      expect(&c, m, to, &value);
      RIG_ASK(&c, "FLUSHDB\r\nSELECT 0\r\n", "+OK\r\n+OK\r\n");
      expect(&c, m, to, &value);
      sweep_all(&st);
      snprintf(request, sizeof request, "DEL copy\r\nMSET %s x\r\n", to);
      RIG_ASK(&c, request, ":1\r\n+OK\r\n");
      sweep_all(&st);
      CHECK(used(&st) < 100000);
      free(value.data);
      rig_client_free(&c);
      rig_close(&st, fd);
      if (!check_ok) return;
    }
  }
}

/* Each allocation fails in turn, alone or with all that follow: both keys stay as they were, or the command is done. */
static void without_memory_nothing_changes(void) {
  static const char *const commands[] = {
      "RENAME key to\r\n", "RENAME key elsewhere\r\n", "COPY key to REPLACE\r\n",    "COPY key elsewhere\r\n",
      "MOVE key 1\r\n",    "PEXPIRE key 100000\r\n",   "MSET key x elsewhere y\r\n", "RENAME to key\r\n"};
  for (size_t i = 0; i < MAKERS; i++) {
    for (size_t k = 0; exists(&makers[i]) && k < 2 * sizeof commands / sizeof *commands; k++) {
      const char *command = commands[k / 2];
      const struct maker *m = &makers[i];
      uint64_t calls = 1;
      for (uint64_t at = 0; at < calls && check_ok; at += 1 + calls / 60) {
        rd_store st;
        int fd = rig_open(&st, 8u << 20, 4, RD_NOEVICTION);
        rig_client c = rig_client_new(&st, NULL);
        add(&c, m, "key", 0, 460);
        add(&c, m, "to", 400, 160);
        text value = ask(&c, m->read, "key"), other = ask(&c, m->read, "to");
        fault_arm(&arena_fault, at, k % 2 == 0);
        text said = ask(&c, command, "");
        fault_disarm(&arena_fault);
        calls = arena_fault.hits > 0 ? arena_fault.calls + at : 0;
        whole(&st);
        if (said.data[0] == '-') {
          expect(&c, m, "key", &value);
          expect(&c, m, "to", &other);
          expect_none(&c, "elsewhere");
        }
        free(said.data);
        said = ask(&c, command, "");
        CHECK(said.data[0] != '-' || strncmp(command, "RENAME", 6) == 0);
        whole(&st);
        rig_say(&c, "DEL key to elsewhere\r\nSELECT 1\r\nDEL key\r\n");
        sweep_all(&st);
        CHECK(used(&st) < 20000);
        free(said.data);
        free(value.data);
        free(other.data);
        rig_client_free(&c);
        rig_close(&st, fd);
      }
      if (!check_ok) printf("      %s of a %s", command, rd_types[m->type].name);
    }
  }
}

/* In a full store large values go whole, or stay whole. */
static void eviction_takes_whole_values(void) {
  static const rd_policy policies[] = {RD_ALLKEYS_LRU,  RD_ALLKEYS_LFU,  RD_ALLKEYS_RANDOM,  RD_ALLKEYS_S3FIFO,
                                       RD_VOLATILE_LRU, RD_VOLATILE_LFU, RD_VOLATILE_RANDOM, RD_VOLATILE_TTL};
  for (size_t p = 0; p < sizeof policies / sizeof *policies; p++) {
    rd_store st;
    int fd = rig_open(&st, 4u << 20, 2, policies[p]);
    rig_client c = rig_client_new(&st, NULL);
    text value[MAKERS][3] = {0};
    uint64_t gone = 0;
    char name[20], request[200];
    for (unsigned round = 0; round < 60; round++) {
      const struct maker *m = &makers[round % MAKERS];
      if (!exists(m)) continue;
      unsigned size = round / MAKERS % 3;
      snprintf(name, sizeof name, "%s:%u", m->key, size);
      text now = ask(&c, m->read, name), *had = &value[round % MAKERS][size];
      if (now.len > 5) { /* *0 or $-1 */
        CHECK(had->len == now.len && memcmp(had->data, now.data, now.len) == 0);
        free(now.data);
      } else {
        gone += had->data != NULL;
        free(now.data);
        free(had->data);
        for (unsigned n = 0; n < 3; n++) { /* what is added may be evicted meanwhile */
          rig_say(&c, "PING\r\n");
          snprintf(request, sizeof request, "DEL %s\r\n", name);
          rig_say(&c, request);
          c.len = 0;
          unsigned count = size == 0 ? 20 : size == 1 ? 300 : 1500;
          uint64_t evicted = rd_counter(&st, RD_STAT_evicted_keys);
          add(&c, m, name, 0, count);
          now = ask(&c, m->read, name);
          if (rd_counter(&st, RD_STAT_evicted_keys) == evicted || n == 2) break;
          free(now.data);
        }
        *had = now;
        snprintf(request, sizeof request, "EXPIRE %s 1000\r\n", name);
        rig_say(&c, request);
      }
      for (unsigned n = 0; n < 1500; n++) {
        snprintf(request, sizeof request, "SET s:%u:%u %0*u EX 500\r\n", round, n, (int)(1 + n * 37 % 120), n);
        rig_say(&c, request);
      }
      c.len = 0;
      whole(&st);
    }
    rd_set_max_memory(&st, 3u << 20);
    for (int n = 0; n < 100; n++) rd_shrink_step(&st, 4);
    whole(&st);
    CHECK(rd_counter(&st, RD_STAT_evicted_keys) > 1000);
    CHECK(gone > 0 || policies[p] != RD_ALLKEYS_LRU);
    for (size_t i = 0; i < MAKERS * 3; i++) free(value[i / 3][i % 3].data);
    rig_client_free(&c);
    rig_close(&st, fd);
  }
}

/* An element with a blob of thousands of blocks is released in steps, too. */
static void a_large_element_is_released_in_steps(void) {
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 1, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  size_t len = 20u << 20;
  uint8_t *request = malloc(len + 100);
  size_t at = (size_t)sprintf((char *)request, "*4\r\n$5\r\nRPUSH\r\n$3\r\nkey\r\n$5\r\nshort\r\n$%zu\r\n", len);
  memset(request + at, 'v', len);
  memcpy(request + at + len, "\r\n", 2);
  rig_feed(&c, request, at + len + 2, 65536);
  RIG_HEARD(&c, ":2\r\n");
  uint64_t before = used(&st);
  CHECK(before > len);
  RIG_ASK(&c, "DEL key\r\n", ":1\r\n");
  uint64_t most = 70ull * RD_MAX_BLOCK;
  CHECK(before - used(&st) <= most && before - used(&st) > most / 2);
  unsigned steps = 0;
  for (uint64_t had = used(&st); had > 10000 && steps < 1000; had = used(&st), steps++) {
    rd_sweep(&st, 0, 1, 0);
    CHECK(had - used(&st) <= 5 * most);
    if (steps % 8 == 0) whole(&st);
  }
  CHECK(steps > 5);
  rig_client_free(&c);
  rig_close(&st, fd);
  free(request);
}

int main(void) {
  memset(filler, 'f', sizeof filler);
  RUN(the_memory_of_a_value_is_exact);
  RUN(values_stay_whole_while_their_blocks_move);
  RUN(a_value_goes_where_its_key_goes);
  RUN(without_memory_nothing_changes);
  RUN(eviction_takes_whole_values);
  RUN(a_large_element_is_released_in_steps);
  return check_end();
}
