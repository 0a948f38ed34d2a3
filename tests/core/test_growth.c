/* test_growth.c - which commands may make the store grow: above max_memory, near it, and in a transaction, which must
 * run as a whole. */
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/heap.h"
#include "arena/layout.h"
#include "arena/memory.h"
#include "arena/pool.h"
#include "base/clock.h"
#include "command/command.h"
#include "rig.h"
#include "store/check.h"
#include "store/databases.h"
#include "store/expire.h"
#include "store/reclaim.h"

#define MIB (1024ull * 1024)
#define QUEUED "+QUEUED\r\n"
#define OOM "-OOM command not allowed when used memory > 'maxmemory'.\r\n"
#define ABORTED "-EXECABORT Transaction discarded because of previous errors.\r\n"
#define NO_ROOM \
  "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.\r\n"

static void say(rig_client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(rig_client *c, const char *fmt, ...) {
  char text[2048];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  strcat(text, "\r\n");
  rig_say(c, text);
}

/* SET with a value of so many bytes. */
static void set(rig_client *c, const char *key, size_t len) {
  char *text = malloc(len + 200);
  size_t n = (size_t)sprintf(text, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(key), key, len);
  memset(text + n, 'v', len);
  memcpy(text + n + len, "\r\n", 2);
  rig_feed(c, text, n + len + 2, n + len + 2);
  free(text);
}

static bool heard(rig_client *c, const char *text) {
  bool same = c->len == strlen(text) && memcmp(c->out, text, c->len) == 0;
  c->len = 0;
  return same;
}

/* Set keys until that many in a row were refused. Returns the number of keys. */
static unsigned fill(rig_client *c, const char *prefix, size_t len) {
  unsigned n = 0;
  for (unsigned refused = 0, i = 0; refused < 50; i++) {
    char key[40];
    sprintf(key, "%s%u", prefix, i);
    set(c, key, len);
    bool done = heard(c, "+OK\r\n");
    n += done;
    refused = done ? 0 : refused + 1;
  }
  return n;
}

static const rd_command_stats *stats_of(rd_store *st, const char *name) {
  bool unknown;
  rd_bytes argv = {(const uint8_t *)name, strlen(name)};
  return &rd_my_counters(st)->commands[rd_command_find(&argv, 1, &unknown)->id];
}

/* ---- transactions ---- */

static void a_full_store_refuses_to_queue_commands(void) {
  const rd_policy policies[] = {RD_NOEVICTION, RD_VOLATILE_LRU, RD_VOLATILE_LFU, RD_VOLATILE_RANDOM, RD_VOLATILE_TTL};
  for (unsigned p = 0; p < 5; p++) {
    rd_store st;
    int fd = rig_open(&st, 8 * MIB, 4, policies[p]);
    rig_client c = rig_client_new(&st, NULL);
    fill(&c, "k", 3000);
    set(&c, "x", 3000);
    RIG_HEARD(&c, OOM);
    RIG_ASK(&c, "MULTI\r\n", "+OK\r\n");
    set(&c, "x", 3000);
    RIG_HEARD(&c, OOM);
    RIG_ASK(&c, "GET k1\r\n", QUEUED);
    RIG_ASK(&c, "EXEC\r\n", ABORTED);
    RIG_ASK(&c, "EXISTS x\r\n", ":0\r\n");
    RIG_ASK(&c, "MULTI\r\nDEL k1\r\nRENAME k2 k1\r\nEXPIRE k1 100\r\n", "+OK\r\n" QUEUED QUEUED QUEUED);
    RIG_ASK(&c, "EXEC\r\n", "*3\r\n:1\r\n+OK\r\n:1\r\n");
    rig_client_free(&c);
    rig_close(&st, fd);
  }
}

static void commands_that_fit_only_one_by_one_discard_the_transaction(void) {
  rd_store st;
  int fd = rig_open(&st, 8 * MIB, 1, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  unsigned n = fill(&c, "k", 5000);
  for (unsigned i = 0; i < 20; i++) say(&c, "DEL k%u", n - 1 - i);
  c.len = 0;
  RIG_ASK(&c, "MULTI\r\n", "+OK\r\n");
  for (unsigned i = 0; i < 200; i++) {
    char key[20];
    sprintf(key, "new%u", i);
    set(&c, key, 5000);
    RIG_HEARD(&c, QUEUED);
  }
  RIG_ASK(&c, "EXEC\r\n", NO_ROOM);
  CHECK(!rd_holds_shard(&st, 0));
  RIG_ASK(&c, "EXISTS new0 new1 new199\r\n", ":0\r\n");
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* Each of them could split a leaf, but all together do not need that much. */
static void a_transaction_of_many_small_commands_runs_where_all_keys_may_be_evicted(void) {
  rd_store st;
  int fd = rig_open(&st, 16 * MIB, 4, RD_ALLKEYS_LRU);
  rig_client c = rig_client_new(&st, NULL);
  for (unsigned i = 0; i < 5000; i++) say(&c, "SET k%u %0*u", i, 1000, i);
  rig_say(&c, "MULTI\r\n");
  for (unsigned i = 0; i < 10000; i++) say(&c, "ZADD z %u m%u", i, i);
  c.len = 0;
  rig_say(&c, "EXEC\r\n");
  CHECK(c.len > 8 && memcmp(c.out, "*10000\r\n", 8) == 0);
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* Transactions of random writes near the memory limit: each runs whole or not at all. */
static void a_transaction_near_the_limit_runs_whole_or_not_at_all(void) {
  const rd_policy policies[] = {RD_NOEVICTION, RD_VOLATILE_TTL, RD_ALLKEYS_LRU, RD_ALLKEYS_S3FIFO, RD_VOLATILE_LRU};
  for (unsigned p = 0; p < 5; p++) {
    rd_store st;
    int fd = rig_open(&st, 8 * MIB, 1u << p * 2 % 7, policies[p]);
    rig_client c = rig_client_new(&st, NULL);
    unsigned done = 0, discarded = 0, partly = 0;
    uint64_t dice = 7 + p;
    for (unsigned round = 0; round < 4000; round++) {
      rig_say(&c, "MULTI\r\n");
      for (unsigned i = 0; i < 1 + round % 7; i++) {
        dice = dice * 6364136223846793005ull + 1442695040888963407ull;
        unsigned r = (unsigned)(dice >> 33), id = r % 3000;
        char key[20];
        sprintf(key, "%s%u", r % 5 == 0 ? "t" : "k", id);
        switch (r >> 12 & 15) {
          case 0:
            say(&c, "SETRANGE %s %u x", key, (r >> 16) % 30000);
            break;
          case 1:
            say(&c, "COPY k%u %s REPLACE", (id * 7) % 3000, key);
            break;
          case 2:
            say(&c, "SETBIT %s %u 1", key, (r >> 16) % 90000);
            break;
          case 3:
            say(&c, "PFADD hll%u a b c", id % 200);
            break;
          case 4:
            say(&c, "RENAME %s k%u", key, (id * 7) % 3000);
            break;
          case 5:
            say(&c, "DEL %s", key);
            break;
          case 6:
            say(&c, "EXPIRE %s 100", key);
            break;
          case 7:
            say(&c, "APPEND %s 0123456789012345678901234567890123456789", key);
            break;
          default:
            set(&c, key, (r >> 13 & 1) == 0 ? (r >> 16) % 30000 : (r >> 16) % 300);
        }
      }
      c.len = 0;
      rig_say(&c, "EXEC\r\n");
      bool oom = memmem(c.out, c.len, OOM, strlen(OOM)) != NULL;
      if (c.out[0] == '*')
        done++, partly += oom;
      else
        discarded++;
      c.len = 0;
    }
    CHECK_INT(partly, 0);
    CHECK(done > 100);
    CHECK(policies[p] != RD_NOEVICTION || discarded > 100);
    printf("    %s: %u done, %u discarded\n", rd_policy_name(policies[p]), done, discarded);
    CHECK(rd_committed_memory(&st) <= rd_max_memory(&st));
    rig_client_free(&c);
    rig_close(&st, fd);
  }
}

enum { KEYS = 900 }; /* of each type */

static uint64_t collection_dice;
static unsigned toss(unsigned sides) {
  collection_dice = collection_dice * 6364136223846793005ull + 1442695040888963407ull;
  return (unsigned)(collection_dice >> 33) % sides;
}

/* Append ` word` to the command, `n` times, each followed by a random number and, sometimes, by many bytes. */
static void add_words(char *text, unsigned n, const char *word) {
  for (unsigned i = 0; i < n; i++) {
    size_t at = strlen(text);
    at += (size_t)sprintf(text + at, " %s%u", word, toss(100000));
    unsigned more = toss(3) == 0 ? toss(700) : toss(20);
    if (at + more < 1700 && *word != 0) {
      memset(text + at, 'x', more);
      text[at + more] = 0;
    }
  }
}

/* A random write: of one entry, of several, or of whole values. */
static void write_collection(rig_client *c) {
  char text[4096];
  unsigned a = toss(KEYS), b = toss(KEYS);
  switch (toss(15)) {
    case 0:
      sprintf(text, "SUNIONSTORE s%u s%u s%u", toss(KEYS), a, b);
      break;
    case 1:
      sprintf(text, "LMOVE l%u l%u LEFT RIGHT", a, b);
      break;
    case 2:
      sprintf(text, "COPY l%u l%u REPLACE", a, b);
      break;
    case 3:
      sprintf(text, "RENAME s%u s%u", a, b);
      break;
    case 4:
      sprintf(text, toss(6) == 0 ? "DEL l%u s%u" : "EXPIRE l%u 1000", a, b);
      break;
    case 5:
      sprintf(text, "HINCRBY h%u f%u 100", a, b);
      break;
    case 6:
      sprintf(text, "HSET h%u", a);
      add_words(text, 2 * (1 + toss(10)), "f");
      break;
    case 7:
      sprintf(text, toss(2) ? "SORT l%u ALPHA LIMIT 0 50 STORE l%u" : "ZUNIONSTORE z%u 2 z%u s%u", a, b, toss(KEYS));
      break;
    case 8:
      sprintf(text, "ZADD z%u", a);
      for (unsigned i = 1 + toss(15); i > 0; i--) {
        sprintf(text + strlen(text), " %u", toss(1000));
        add_words(text, 1, "m");
      }
      break;
    case 9:
    case 10:
      sprintf(text, "SADD s%u", a);
      add_words(text, 1 + toss(20), toss(2) ? "" : "m");
      break;
    default:
      sprintf(text, toss(2) ? "RPUSH l%u" : "LPUSH l%u", a);
      add_words(text, 1 + toss(20), "e");
  }
  rig_say(c, strcat(text, "\r\n"));
}

static void a_transaction_of_collections_near_the_limit_runs_whole_or_not_at_all(void) {
  const rd_policy policies[] = {RD_NOEVICTION, RD_ALLKEYS_LRU, RD_VOLATILE_LRU};
  for (unsigned p = 0; p < 3; p++) {
    rd_store st;
    int fd = rig_open(&st, 6 * MIB, 1u << p, policies[p]);
    rig_client c = rig_client_new(&st, NULL);
    unsigned done = 0, discarded = 0, partly = 0;
    collection_dice = 7 + p;
    for (unsigned round = 0; round < 4000; round++) {
      rig_say(&c, "MULTI\r\n");
      for (unsigned i = 0; i < 1 + round % 7; i++) write_collection(&c);
      c.len = 0;
      rig_say(&c, "EXEC\r\n");
      partly += c.out[0] == '*' && memmem(c.out, c.len, OOM, strlen(OOM)) != NULL;
      if (c.out[0] == '*')
        done++;
      else
        discarded++;
      c.len = 0;
    }
    CHECK_INT(partly, 0);
    CHECK(done > 100);
    CHECK(policies[p] == RD_ALLKEYS_LRU || discarded > 100);
    printf("    %s: %u done, %u discarded\n", rd_policy_name(policies[p]), done, discarded);
    CHECK(rd_committed_memory(&st) <= rd_max_memory(&st));
    rig_client_free(&c);
    rig_close(&st, fd);
  }
}

/* Transactions of large values, and single ones, of a process beside others, in a store of which less is free than all
 * of them need. Returns the number of transactions that ran partly. */
static unsigned race(rd_store *st, unsigned process, unsigned *done) {
  rig_client c = rig_client_new(st, NULL);
  unsigned partly = 0;
  for (unsigned round = 0; round < 1500; round++) {
    char key[40];
    rig_say(&c, "MULTI\r\n");
    for (unsigned i = 0; i < 6; i++) {
      sprintf(key, "%u:%u", process, i);
      set(&c, key, 60000 + (round % 3) * 8000);
    }
    c.len = 0;
    rig_say(&c, "EXEC\r\n");
    *done += c.out[0] == '*';
    partly += c.out[0] == '*' && memmem(c.out, c.len, OOM, strlen(OOM)) != NULL;
    sprintf(key, "alone:%u", process);
    set(&c, key, 300000);
    for (unsigned i = 0; i < 6; i++) say(&c, "DEL %u:%u", process, i);
    say(&c, "DEL alone:%u", process);
    c.len = 0;
  }
  rig_client_free(&c);
  return partly;
}

static void transactions_of_several_processes_run_whole_or_not_at_all(void) {
  enum { OTHERS = 3 };
  rd_store st;
  int fd = rig_open(&st, 8 * MIB, 16, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  for (unsigned i = 0; rd_pool_free(&st) > 14; i++) {
    char key[20];
    sprintf(key, "k%u", i);
    set(&c, key, 5000);
  }
  rig_client_free(&c);
  pid_t pids[OTHERS];
  for (unsigned i = 0; i < OTHERS; i++) {
    pids[i] = fork();
    if (pids[i] != 0) continue;
    rd_store own;
    char err[200];
    unsigned done = 0;
    if (rd_attach(&own, fd, err, sizeof err) != 0 || rd_worker_join(&own, i + 1) < 0) _exit(200);
    own.now_ms = st.now_ms;
    own.clock = st.clock;
    unsigned partly = race(&own, i + 1, &done);
    rd_worker_leave(&own);
    _exit(partly != 0 ? 1 : done == 0 ? 2 : 0);
  }
  unsigned done = 0;
  CHECK_INT(race(&st, 0, &done), 0);
  for (unsigned i = 0; i < OTHERS; i++) {
    int status;
    waitpid(pids[i], &status, 0);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
  }
  rig_close(&st, fd);
}

enum { RIVALS = 30 };
static rig_client *in_exec, rivals[RIVALS]; /* of two processes */
static unsigned rivals_turns;

/* Whenever a transaction reads the clock, another process allocates memory. */
static uint64_t contested_clock(void) {
  static char text[70000];
  bool runs = rd_session_state_of(in_exec->session)->in_exec;
  for (unsigned some = 0; runs && some < 10 && rivals_turns < RIVALS; some++) {
    rig_client *c = &rivals[rivals_turns];
    size_t n = (size_t)sprintf(text, "MULTI\r\n*3\r\n$3\r\nSET\r\n$3\r\nr%02u\r\n$60000\r\n", rivals_turns++);
    memset(text + n, 'v', 60000);
    n += 60000 + (size_t)sprintf(text + n + 60000, "\r\nEXEC\r\n");
    c->status = rd_session_feed(c->session, (uint8_t *)text, n, c->st->now_ms); /* or it waits for a lock */
  }
  return rig_clock();
}

static void an_admitted_transaction_has_room_whatever_others_write(void) {
  static const rd_policy policies[] = {RD_NOEVICTION, RD_VOLATILE_LRU};
  for (unsigned p = 0; p < 2; p++) {
    rd_store st, own;
    char err[200];
    int fd = rig_open(&st, 8 * MIB, 16, policies[p]);
    CHECK_INT(rd_attach(&own, fd, err, sizeof err), 0);
    CHECK(rd_worker_join(&own, 1) >= 0);
    own.now_ms = st.now_ms;
    own.clock = rd_monotonic_ns;
    rig_client a = rig_client_new(&st, NULL);
    for (unsigned i = 0; i < RIVALS; i++) rivals[i] = rig_client_new(&own, NULL);
    in_exec = &a, rivals_turns = 0;
    for (unsigned i = 0; rd_pool_free(&st) > 9; i++) {
      char key[20];
      sprintf(key, "k%u", i);
      set(&a, key, 5000);
    }
    a.len = 0;
    rig_say(&a, "MULTI\r\n");
    for (unsigned i = 0; i < 6; i++) {
      char key[20];
      sprintf(key, "a%u", i);
      set(&a, key, 60000);
    }
    a.len = 0;
    st.clock = contested_clock;
    RIG_ASK(&a, "EXEC\r\n", "*6\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
    st.clock = rig_clock;
    CHECK(rivals_turns > 0);
    unsigned turns = 0;
    for (unsigned i = 0, quiet = 0; quiet < RIVALS && turns < 3000;
         i = (i + 1) % RIVALS, turns++) { /* in turn: some run before others */
      rig_client *c = &rivals[i];
      quiet = c->status == RD_BUSY ? 0 : quiet + 1;
      if (c->status == RD_BUSY) c->status = rd_session_resume(c->session, own.now_ms);
      rig_write(c);
    }
    CHECK(turns < 3000);
    RIG_ASK(&a, "EXISTS a0 a1 a2 a3 a4 a5\r\n", ":6\r\n");
    rig_client_free(&a);
    for (unsigned i = 0; i < RIVALS; i++) rig_client_free(&rivals[i]);
    rd_worker_leave(&own);
    rd_detach(&own);
    rig_close(&st, fd);
  }
}

static void growth_by_offset_or_copy_is_counted_before_exec(void) {
  rd_store st;
  int fd = rig_open(&st, 16 * MIB, 16, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  set(&c, "big", 6 * MIB);
  RIG_HEARD(&c, "+OK\r\n");
  RIG_ASK(&c, "MULTI\r\nSET a 1\r\nCOPY big b\r\nCOPY big c\r\nEXEC\r\n", "+OK\r\n" QUEUED QUEUED QUEUED NO_ROOM);
  RIG_ASK(&c, "MULTI\r\nSET a 1\r\nBITOP NOT b big\r\nBITOP NOT c big\r\nEXEC\r\n",
          "+OK\r\n" QUEUED QUEUED QUEUED NO_ROOM);
  RIG_ASK(&c, "MULTI\r\nSET a 1\r\nSETRANGE b 20000000 x\r\n", "+OK\r\n" QUEUED OOM);
  RIG_ASK(&c, "SET b 1\r\nEXEC\r\n", QUEUED ABORTED);
  RIG_ASK(&c, "EXISTS a b c\r\n", ":0\r\n");
  RIG_ASK(&c, "MULTI\r\nSET a 1\r\nCOPY big b\r\nEXEC\r\n", "+OK\r\n" QUEUED QUEUED "*2\r\n+OK\r\n:1\r\n");
  /* Arguments that BITFIELD refuses write nothing. */
  RIG_ASK(&c, "MULTI\r\nBITFIELD k INCRBY u8 2147483647\r\n", "+OK\r\n" QUEUED);
  RIG_ASK(&c, "EXEC\r\n", "*1\r\n-ERR syntax error\r\n");
  rig_client_free(&c);
  rig_close(&st, fd);
}

static void a_large_value_fits_into_a_full_cache_while_all_shards_are_locked(void) {
  rd_store st;
  int fd = rig_open(&st, 16 * MIB, 64, RD_ALLKEYS_LRU);
  rig_client c = rig_client_new(&st, NULL);
  for (unsigned i = 0; i < 40000; i++) say(&c, "SET k%u %0300u", i, i);
  c.len = 0;
  rig_say(&c, "MULTI\r\nDBSIZE\r\n");
  set(&c, "big", 5 * MIB);
  c.len = 0;
  rig_say(&c, "EXEC\r\n");
  CHECK(c.len > 5 && memcmp(c.out + c.len - 5, "+OK\r\n", 5) == 0);
  c.len = 0;
  RIG_ASK(&c, "STRLEN big\r\n", ":5242880\r\n");
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* ---- above the limit ---- */

static void above_the_limit_no_shard_grows_until_the_store_is_below_again(void) {
  rd_store st;
  int fd = rig_open(&st, 64 * MIB, 64, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  for (unsigned i = 0; i < 20000; i++) say(&c, "SET k%u %01000u", i, i);
  c.len = 0;
  CHECK(rd_set_max_memory(&st, 16 * MIB) == NULL);
  CHECK(rd_is_over(&st));
  uint64_t rejected = stats_of(&st, "set")->rejected, calls = stats_of(&st, "set")->calls, used = rd_used_memory(&st);
  unsigned refused = 0;
  for (unsigned i = 0; i < 500; i++) {
    say(&c, i % 2 ? "SET n%u 1" : "SET k%u 1", i); /* also where it would make the store smaller, as in Redis */
    refused += heard(&c, OOM);
  }
  CHECK_INT(refused, 500);
  CHECK_INT(stats_of(&st, "set")->rejected - rejected, 500);
  CHECK_INT(stats_of(&st, "set")->calls, calls);
  CHECK_INT(stats_of(&st, "set")->failed, 0);
  CHECK(rd_used_memory(&st) <= used);
  RIG_ASK(&c, "MULTI\r\nPING\r\nEXEC\r\n", "+OK\r\n" OOM ABORTED);
  say(&c, "EXPIRE k1 100");
  RIG_HEARD(&c, ":1\r\n");
  for (unsigned i = 0; i < 16000; i++) say(&c, "DEL k%u", i);
  c.len = 0;
  CHECK(!rd_is_over(&st));
  RIG_ASK(&c, "SET k17000 1\r\n", "+OK\r\n");
  rig_client_free(&c);
  rig_close(&st, fd);
}

static void lowering_the_limit_before_exec_discards_the_transaction(void) {
  rd_store st;
  int fd = rig_open(&st, 64 * MIB, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  RIG_ASK(&c, "SET x 1\r\nMULTI\r\nSET x 2\r\nGET x\r\n", "+OK\r\n+OK\r\n" QUEUED QUEUED);
  CHECK(rd_set_max_memory(&st, 1) == NULL);
  RIG_ASK(&c, "EXEC\r\nGET x\r\n", NO_ROOM "$1\r\n1\r\n");
  CHECK_INT(stats_of(&st, "exec")->rejected, 1);
  CHECK(rd_set_max_memory(&st, 0) == NULL);
  RIG_ASK(&c, "MULTI\r\nGET x\r\n", "+OK\r\n" QUEUED);
  CHECK(rd_set_max_memory(&st, 1) == NULL);
  RIG_ASK(&c, "EXEC\r\n", "*1\r\n$1\r\n1\r\n"); /* it makes nothing grow */
  RIG_ASK(&c, "MULTI\r\nDISCARD\r\nMULTI\r\nRESET\r\nSETEX x 1 2\r\nDEL x\r\n",
          "+OK\r\n+OK\r\n+OK\r\n+RESET\r\n" OOM ":1\r\n");
  rig_client_free(&c);
  rig_close(&st, fd);
}

static void lowering_the_limit_during_exec_stops_none_of_its_commands(void) {
  rd_store st;
  int fd = rig_open(&st, 16 * MIB, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  set(&c, "k", 6 * MIB);
  rig_say(&c, "MULTI\r\n");
  set(&c, "a", 100000);
  rig_say(&c, "CONFIG GET x\r\n");
  set(&c, "b", 300000);
  c.len = 0;
  c.stay = true; /* the control plane does not answer at once */
  rig_say(&c, "EXEC\r\n");
  CHECK_INT(c.status, RD_CONTROL);
  CHECK(rd_set_max_memory(&st, 4 * MIB) == NULL);
  c.stay = false;
  rig_serve(&c);
  RIG_HEARD(&c, "*3\r\n+OK\r\n+config|get\r\n+OK\r\n");
  RIG_ASK(&c, "SET c 1\r\n", OOM);
  rig_client_free(&c);
  rig_close(&st, fd);
}

static void with_eviction_the_store_shrinks_in_steps_and_serves_meanwhile(void) {
  rd_store st;
  int fd = rig_open(&st, 64 * MIB, 64, RD_ALLKEYS_LRU);
  rig_client c = rig_client_new(&st, NULL);
  for (unsigned i = 0; i < 50000; i++) say(&c, "SET k%u %01000u", i, i);
  c.len = 0;
  CHECK(rd_set_max_memory(&st, 16 * MIB) == NULL);
  unsigned writes = 0;
  while (rd_is_over(&st) && writes < 100000) { /* only the writers make it shrink */
    uint64_t before = rd_counter(&st, RD_STAT_evicted_keys);
    say(&c, "SET n%u 1", writes++);
    RIG_HEARD(&c, "+OK\r\n");
    CHECK(rd_counter(&st, RD_STAT_evicted_keys) - before < 200); /* a region's keys */
  }
  CHECK(writes > 100 && writes < 2000);
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* ---- limits below the memory that the shards use ---- */

static void a_limit_just_above_the_use_is_exact_to_the_byte(void) {
  const rd_policy policies[] = {RD_ALLKEYS_LRU, RD_ALLKEYS_S3FIFO, RD_NOEVICTION, RD_VOLATILE_TTL};
  for (unsigned p = 0; p < 4; p++) {
    rd_store st;
    int fd = rig_open(&st, 64 * MIB, 256, policies[p]);
    rig_client c = rig_client_new(&st, NULL);
    uint64_t limit = rd_used_memory(&st) + 100 * 1024;
    CHECK(rd_set_max_memory(&st, limit) == NULL);
    unsigned n = 0;
    for (; rd_used_memory(&st) + 4096 <= limit && n < 100000; n++) say(&c, "SETEX key%u 10000 x", n);
    CHECK(n > 10 && n < 10000);
    c.len = 0;
    unsigned refused = 0;
    for (unsigned i = 0; i < n; i++) {
      say(&c, "SET other%u x", i);
      refused += !heard(&c, "+OK\r\n");
    }
    CHECK(rd_used_memory(&st) < limit + 4096);
    CHECK((refused > 0) == (policies[p] == RD_NOEVICTION));
    rig_client_free(&c);
    rig_close(&st, fd);
  }
}

static void a_limit_of_one_byte_makes_the_store_always_full(void) {
  rd_store st;
  int fd = rig_open(&st, 64 * MIB, 16, RD_ALLKEYS_LRU);
  rig_client c = rig_client_new(&st, NULL);
  for (unsigned i = 0; i < 3000; i++) say(&c, "SET k%u x", i);
  c.len = 0;
  CHECK(rd_set_max_memory(&st, 1) == NULL);
  while (rd_shrink_step(&st, 4)) continue;
  CHECK_INT(rd_count(&st, 0), 0);
  RIG_ASK(&c, "SET k 1\r\nGET k\r\nMULTI\r\nSET k 1\r\nEXEC\r\n", OOM "$-1\r\n+OK\r\n" OOM ABORTED);
  CHECK(rd_set_max_memory(&st, 0) == NULL);
  RIG_ASK(&c, "SET k 1\r\n", "+OK\r\n");
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* ---- all at once ---- */

static uint64_t dice_state = 5;
static unsigned dice(unsigned sides) {
  dice_state = dice_state * 6364136223846793005ull + 1442695040888963407ull;
  return (unsigned)(dice_state >> 33) % sides;
}

/* Each byte of a value depends on the value's length and on its place: so a value is whole wherever it was moved to. */
static uint8_t byte_of(uint64_t len, uint64_t at) { return (uint8_t)(len * 31 + at * 7 + (at >> 13)); }

static size_t put_set(char *to, const char *key, uint64_t len) {
  size_t n =
      (size_t)sprintf(to, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%llu\r\n", strlen(key), key, (unsigned long long)len);
  for (uint64_t i = 0; i < len; i++) to[n + i] = (char)byte_of(len, i);
  memcpy(to + n + len, "\r\n", 2);
  return n + len + 2;
}

static void look(void *arg, rd_store *st, const rd_item *it) {
  uint64_t len = rd_item_len(it), at = 0;
  while (at < len) {
    rd_bytes piece = rd_item_piece(st, it, at);
    for (uint64_t i = 0; i < piece.len; i++, at++) {
      if (piece.data[i] != byte_of(len, at)) {
        *(bool *)arg = false;
        return;
      }
    }
  }
}

static bool all_are_whole(rd_store *st) {
  bool whole = true;
  for (unsigned db = 0; db < 3; db++) {
    uint64_t cursor = 0;
    do {
      rd_scan(st, db, &cursor, look, &whole);
    } while (cursor != 0);
  }
  return whole;
}

static uint64_t random_length(void) {
  switch (dice(12)) {
    case 0:
      return dice(40000);
    case 1:
      return dice(400000);
    case 2:
      return dice(12) == 0 ? dice(6 * MIB) : 8100 + dice(200);
    default:
      return dice(300);
  }
}

static size_t put_random(char *to) {
  char key[20], other[20];
  sprintf(key, "k%u", dice(300));
  sprintf(other, "k%u", dice(300));
  switch (dice(12)) {
    case 0:
    case 1:
      return (size_t)sprintf(to, "RENAME %s %s\r\n", key, other);
    case 2:
      return (size_t)sprintf(to, "RENAMENX %s %s\r\n", key, other);
    case 3:
      return (size_t)sprintf(to, "MOVE %s %u\r\n", key, dice(3));
    case 4:
      return (size_t)sprintf(to, "COPY %s %s DB %u REPLACE\r\n", key, other, dice(3));
    case 5:
      return (size_t)sprintf(to, "DEL %s %s\r\n", key, other);
    case 6:
      return (size_t)sprintf(to, "PEXPIRE %s %u\r\n", key, dice(100000));
    case 7:
      return (size_t)sprintf(to, "PERSIST %s\r\n", key);
    default:
      return put_set(to, key, random_length());
  }
}

static void upheaval(rd_store *st, rig_client *c) {
  switch (dice(14)) {
    case 0:
    case 1:
    case 2:
      rd_set_max_memory(st, dice(2) ? dice(16 * MIB) : rd_used_memory(st) + dice(200000));
      break;
    case 3:
      rd_set_max_memory(st, dice(4) ? 0 : 1);
      break;
    case 4:
    case 5:
      rd_set_policy(st, (rd_policy)dice(RD_POLICIES), 5);
      break;
    case 6:
      rd_sweep(st, 0, st->num_shards, 0);
      break;
    case 7:
      st->now_ms += dice(3000);
      break;
    case 8:
      if (dice(20) == 0) rd_flush_db(st, dice(3));
      break;
    case 9:
      if (dice(10) == 0) rd_swap_db(st, dice(3), dice(3));
      break;
    case 10:
      say(c, "SELECT %u", dice(3));
      c->len = 0;
      break;
    default:
      rd_shrink_step(st, 1 + dice(8));
      break;
  }
}

static void every_value_is_whole_under_any_limit_and_policy(void) {
  const char *steps = getenv("RD_EDGE_STEPS");
  char *request = malloc(64 * MIB);
  if (getenv("RD_EDGE_SEED") != NULL) dice_state = (uint64_t)atoi(getenv("RD_EDGE_SEED"));
  for (unsigned shards = 1; shards <= 64; shards *= 8) {
    rd_store st;
    int fd = rig_open(&st, 16 * MIB, shards, RD_ALLKEYS_LRU);
    rig_client c = rig_client_new(&st, NULL);
    unsigned borrowed = 0, refused = 0;
    for (unsigned i = 0; i < (steps ? (unsigned)atoi(steps) : 3000) && check_ok; i++) {
      if (dice(3) == 0) upheaval(&st, &c);
      bool lowered = st.head->pool.in_use > st.head->pool.limit + st.head->pool.reserve, multi = dice(4) == 0;
      uint32_t before = st.head->pool.in_use;
      size_t n = 0;
      if (multi) n += (size_t)sprintf(request, "MULTI\r\n");
      for (unsigned k = multi ? dice(6) : 1; k > 0; k--) n += put_random(request + n);
      if (multi) n += (size_t)sprintf(request + n, "EXEC\r\n");
      c.len = 0;
      rig_feed(&c, request, n, n);
      bool oom = memmem(c.out, c.len, OOM, strlen(OOM)) != NULL;
      refused += oom;
      for (uint32_t shard = 0; shard < st.num_shards; shard++) CHECK(!rd_holds_shard(&st, shard));
      if (multi && oom && memmem(c.out, c.len, "-EXECABORT", 10) == NULL) {
        CHECK_FAIL("step %u: done in part, %u of %u and %u regions in use, %s", i, st.head->pool.in_use,
                   st.head->pool.limit, st.head->pool.reserve, rd_policy_name(rd_get_policy(&st)));
        check_print("asked", request, n);
        check_print("heard", c.out, c.len);
      }
      borrowed += st.head->pool.in_use > st.head->pool.limit;
      uint32_t most = st.head->pool.limit + st.head->pool.reserve;
      CHECK(st.head->pool.in_use <= (lowered ? before : most));
      CHECK(st.dirty == 0);
      char err[200] = "";
      if (rd_check(&st, err, sizeof err) != 0) CHECK_FAIL("step %u: %s", i, err);
      if (i % 50 == 0) CHECK(all_are_whole(&st));
    }
    CHECK(all_are_whole(&st));
    printf("    %u shards: %u requests refused, the reserve in use after %u\n", shards, refused, borrowed);
    rig_client_free(&c);
    rig_close(&st, fd);
  }
  free(request);
}

int main(void) {
  RUN(a_full_store_refuses_to_queue_commands);
  RUN(commands_that_fit_only_one_by_one_discard_the_transaction);
  RUN(a_transaction_of_many_small_commands_runs_where_all_keys_may_be_evicted);
  RUN(a_transaction_near_the_limit_runs_whole_or_not_at_all);
  RUN(a_transaction_of_collections_near_the_limit_runs_whole_or_not_at_all);
  RUN(an_admitted_transaction_has_room_whatever_others_write);
  RUN(transactions_of_several_processes_run_whole_or_not_at_all);
  RUN(growth_by_offset_or_copy_is_counted_before_exec);
  RUN(a_large_value_fits_into_a_full_cache_while_all_shards_are_locked);
  RUN(above_the_limit_no_shard_grows_until_the_store_is_below_again);
  RUN(lowering_the_limit_before_exec_discards_the_transaction);
  RUN(lowering_the_limit_during_exec_stops_none_of_its_commands);
  RUN(with_eviction_the_store_shrinks_in_steps_and_serves_meanwhile);
  RUN(a_limit_just_above_the_use_is_exact_to_the_byte);
  RUN(a_limit_of_one_byte_makes_the_store_always_full);
  RUN(every_value_is_whole_under_any_limit_and_policy);
  return check_end();
}
