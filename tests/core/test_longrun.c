/* test_longrun.c - long commands pause: replies keep their order, values stay whole, other sessions run meanwhile, and
 * no lock is lost. */
#include "arena/layout.h"
#include "arena/longrun.h"
#include "processes.h"
#include "rig.h"
#include "session/handover.h"
#include "store/event.h"
#include "store/expire.h"

static rd_store st;
static int fd;

/* Every reading of the clock adds a tenth of a slice. */
static uint64_t ticks;
static uint64_t ticking(void) { return ticks += RD_SLICE_NS / 10; }

static void open_store(void) {
  fd = rig_open(&st, 256 << 20, 4, RD_NOEVICTION);
  st.clock = ticking;
}

static void close_store(void) {
  CHECK(st.lender == NULL && st.first == NULL);
  for (uint32_t shard = 0; shard < st.num_shards; shard++) CHECK_INT(rd_shard_at(&st, shard)->dirty, 0);
  rig_close(&st, fd);
}

/* Feed without resuming. */
static rd_status give(rig_client *c, const char *text) {
  c->status = rd_session_feed(c->session, (const uint8_t *)text, strlen(text), st.now_ms);
  rig_write(c);
  return c->status;
}

static rd_status again(rig_client *c) {
  c->status = rd_session_resume(c->session, st.now_ms);
  rig_write(c);
  return c->status;
}

/* A value of that many MiB, of one letter. */
static void set_large(rig_client *c, const char *key, char letter, size_t mib) {
  char head[100];
  size_t len = mib << 20;
  char *value = malloc(len + 2);
  memset(value, letter, len);
  memcpy(value + len, "\r\n", 2);
  snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(key), key, len);
  rig_say(c, head);
  rig_feed(c, value, len + 2, len + 2);
  RIG_HEARD(c, "+OK\r\n");
  free(value);
}

/* The name of a key that lies in the same shard as `key`, or in another one. */
static const char *neighbour(const char *key, bool same) {
  static char name[16];
  uint32_t shard = rd_shard_of(&st, rd_key_of(&st, (rd_bytes){(const uint8_t *)key, strlen(key)}, 0).hash);
  for (int i = 0;; i++) {
    snprintf(name, sizeof name, "n%d", i);
    uint32_t other = rd_shard_of(&st, rd_key_of(&st, (rd_bytes){(const uint8_t *)name, strlen(name)}, 0).hash);
    if ((other == shard) == same) return name;
  }
}

static void a_pipeline_lets_others_run_and_keeps_its_order(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  set_large(&c, "a", 'a', 1);
  CHECK_INT(give(&c,
                 "BITCOUNT a\r\nBITCOUNT a 0 0\r\nPING 1\r\nBITCOUNT a\r\nBITCOUNT a\r\nBITCOUNT a\r\nBITCOUNT a\r\n"
                 "BITCOUNT a\r\nBITCOUNT a\r\nBITCOUNT a\r\nBITCOUNT a\r\nBITCOUNT a\r\nPING 2\r\n"),
            RD_BUSY);
  CHECK(!rd_session_suspended(c.session));
  CHECK(c.len > 10 && c.len < 100);
  while (c.status == RD_BUSY) again(&c);
  CHECK_INT(c.status, RD_MORE);
  RIG_HEARD(&c,
            ":3145728\r\n:3\r\n$1\r\n1\r\n:3145728\r\n:3145728\r\n:3145728\r\n:3145728\r\n:3145728\r\n"
            ":3145728\r\n:3145728\r\n:3145728\r\n:3145728\r\n$1\r\n2\r\n");
  CHECK_INT(rd_counter(&st, RD_STAT_keyspace_hits), 11);
  rig_client_free(&c);
  close_store();
}

static void a_long_command_pauses_and_other_sessions_continue(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL), d = rig_client_new(&st, NULL);
  char line[100];
  set_large(&c, "a", 'a', 32);
  CHECK_INT(give(&c, "PING\r\nBITCOUNT a\r\nPING\r\n"), RD_BUSY);
  RIG_HEARD(&c, "+PONG\r\n");
  CHECK_INT(again(&c), RD_BUSY);
  CHECK(rd_session_suspended(c.session));
  CHECK_INT(c.len, 0);
  RIG_ASK(&d, "PING\r\n", "+PONG\r\n");
  snprintf(line, sizeof line, "SET %s v\r\n", neighbour("a", false));
  RIG_ASK(&d, line, "+OK\r\n");
  /* its locks are held */
  snprintf(line, sizeof line, "SET %s w\r\n", neighbour("a", true));
  CHECK_INT(give(&d, line), RD_BUSY);
  CHECK(!rd_session_suspended(d.session));
  CHECK_INT(again(&d), RD_BUSY);
  CHECK_INT(d.len, 0);
  unsigned slices = 0;
  while (rd_session_suspended(c.session)) {
    again(&c);
    slices++;
  }
  CHECK(slices > 10);
  CHECK_INT(c.status, RD_BUSY); /* the session that waited runs first */
  RIG_HEARD(&c, ":100663296\r\n");
  CHECK_INT(again(&d), RD_MORE);
  RIG_HEARD(&d, "+OK\r\n");
  CHECK_INT(again(&c), RD_MORE);
  RIG_HEARD(&c, "+PONG\r\n");
  CHECK_INT(rd_counter(&st, RD_STAT_keyspace_hits), 1);
  rig_client_free(&c);
  rig_client_free(&d);
  close_store();
}

/* Of two long commands one waits, and is not overtaken for ever. */
static void long_commands_take_turns(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL), d = rig_client_new(&st, NULL);
  set_large(&c, "a", 'a', 8);
  give(&c, "BITCOUNT a\r\nBITCOUNT a\r\nBITCOUNT a\r\n");
  again(&c);
  CHECK(rd_session_suspended(c.session));
  give(&d, "BITCOUNT a\r\n");
  size_t before = 0;
  for (int i = 0; i < 1000 && d.status == RD_BUSY; i++) {
    before = c.len;
    again(&c);
    again(&d);
  }
  RIG_HEARD(&d, ":25165824\r\n");
  CHECK_INT(before, 11);
  rig_client_free(&d);
  while (c.status == RD_BUSY) again(&c);
  RIG_HEARD(&c, ":25165824\r\n:25165824\r\n:25165824\r\n");
  rig_client_free(&c);
  close_store();
}

static void a_transaction_pauses_with_its_locks(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL), d = rig_client_new(&st, NULL);
  set_large(&c, "a", 'a', 6);
  CHECK_INT(give(&c, "MULTI\r\nSET b 1\r\nBITCOUNT a\r\nINCR b\r\nBITCOUNT a\r\nINCR b\r\nEXEC\r\nPING\r\n"), RD_BUSY);
  CHECK(rd_session_suspended(c.session));
  CHECK_INT(give(&d, "GET b\r\n"), RD_BUSY);
  while (rd_session_suspended(c.session)) {
    again(&c);
    if (rd_session_suspended(c.session)) CHECK_INT(again(&d), RD_BUSY);
  }
  again(&d);
  RIG_HEARD(&d, "$1\r\n3\r\n");
  while (c.status == RD_BUSY) again(&c);
  RIG_HEARD(&c,
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
            "*5\r\n+OK\r\n:18874368\r\n:2\r\n:18874368\r\n:3\r\n+PONG\r\n");
  /* its client disconnects in the middle: the command is finished */
  give(&c, "MULTI\r\nINCR b\r\nBITCOUNT a\r\nINCR b\r\nEXEC\r\n");
  CHECK(rd_session_suspended(c.session));
  rig_client_free(&c);
  RIG_ASK(&d, "GET b\r\n", "$1\r\n5\r\n");
  rig_client_free(&d);
  close_store();
}

/* A transaction that would take too long without its client is stopped between two commands. */
static void a_long_transaction_stops_when_its_client_is_gone(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL), d = rig_client_new(&st, NULL);
  set_large(&d, "a", 'a', 1);
  rig_say(&c, "MULTI\r\nINCR b\r\n");
  for (int i = 0; i < 2000; i++) rig_say(&c, "BITCOUNT a\r\n");
  rig_say(&c, "INCR b\r\n");
  give(&c, "EXEC\r\n");
  CHECK(rd_session_suspended(c.session));
  uint64_t before = ticks;
  rig_client_free(&c);
  CHECK(ticks - before < 200ull * RD_SLICE_NS);
  RIG_ASK(&d, "GET b\r\n", "$1\r\n1\r\n");
  rig_client_free(&d);
  close_store();
}

static void many_watches_end_together(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL), d = rig_client_new(&st, NULL);
  char line[64];
  for (int i = 0; i < 1000; i++) {
    snprintf(line, sizeof line, "WATCH w:%d\r\n", i);
    rig_say(&c, line);
  }
  c.len = 0;
  RIG_ASK(&d, "SET w:7 1\r\n", "+OK\r\n");
  RIG_ASK(&c, "MULTI\r\nPING\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n*-1\r\n");
  for (uint32_t shard = 0; shard < 4; shard++) CHECK_INT(rd_shard_at(&st, shard)->watchers, 0);
  rig_client_free(&c);
  rig_client_free(&d);
  close_store();
}

/* A session that is freed during a change finishes the change. */
static void a_client_may_disconnect_during_a_long_command(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL), d = rig_client_new(&st, NULL);
  set_large(&d, "a", 'a', 8);
  give(&c, "COPY a b\r\n");
  again(&c);
  CHECK(rd_session_suspended(c.session));
  rig_client_free(&c);
  rig_say(&d, "BITCOUNT b\r\n");
  RIG_HEARD(&d, ":25165824\r\n");
  rig_client_free(&d);
  close_store();
}

/* The watch of a client that leaves ends although the lock of its shard is lent. */
static void a_client_that_watches_may_leave_during_a_long_command(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL), d = rig_client_new(&st, NULL), e = rig_client_new(&st, NULL);
  set_large(&c, "a", 'a', 8);
  RIG_ASK(&d, "WATCH a\r\n", "+OK\r\n");
  RIG_ASK(&e, "WATCH a\r\n", "+OK\r\n");
  give(&c, "COPY a b\r\n");
  again(&c);
  RIG_ASK(&d, "UNWATCH\r\n", "+OK\r\n");
  rig_client_free(&e);
  CHECK(rd_session_suspended(c.session));
  CHECK_INT(rd_shard_at(&st, rd_shard_of(&st, rd_key_of(&st, (rd_bytes){(const uint8_t *)"a", 1}, 0).hash))->watchers,
            0);
  while (c.status == RD_BUSY) again(&c);
  RIG_HEARD(&c, ":1\r\n");
  rig_client_free(&c);
  rig_client_free(&d);
  close_store();
}

/* Code that cannot wait for a lent lock has the command finished. */
static void code_that_must_not_wait_finishes_or_skips_lent_shards(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  set_large(&c, "a", 'a', 8);
  give(&c, "COPY a b\r\n");
  again(&c);
  CHECK(rd_session_suspended(c.session));
  for (uint32_t shard = 0; shard < 4; shard++) {
    CHECK(rd_lock_shard(&st, shard));
    rd_unlock_shard(&st, shard);
  }
  CHECK_INT(c.len, 0);
  again(&c);
  RIG_HEARD(&c, ":1\r\n");
  rd_sweep(&st, 0, 4, 1);
  rig_client_free(&c);
  close_store();
}

/* A transaction that pauses lends its locks, and has them when it begins a long command, whoever waits meanwhile. */
static void a_transaction_begins_a_long_command_while_another_session_waits(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL), d = rig_client_new(&st, NULL);
  set_large(&c, "a", 'a', 8);
  rig_say(&c, "MULTI\r\nBITCOUNT a\r\nSETRANGE a 9000000 x\r\nBITCOUNT a\r\nBITCOUNT a\r\n");
  c.len = 0;
  give(&c, "EXEC\r\n");
  again(&c);
  CHECK(st.lender == c.session);
  CHECK_INT(give(&d, "BITCOUNT a\r\n"), RD_BUSY);
  CHECK(st.first == d.session);
  while (c.status == RD_BUSY) again(&c);
  RIG_HEARD(&c, "*4\r\n:25165824\r\n:9000001\r\n:25165828\r\n:25165828\r\n");
  while (d.status == RD_BUSY) again(&d);
  RIG_HEARD(&d, ":25165828\r\n");
  rig_client_free(&c);
  rig_client_free(&d);
  close_store();
}

/* Otherwise the death of a process would cost that shard, although nobody changes it. */
static void a_long_command_in_a_transaction_leaves_no_shard_marked(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  set_large(&c, "a", 'a', 8);
  rig_say(&c, "MULTI\r\nCOPY a b\r\n");
  c.len = 0;
  give(&c, "EXEC\r\n");
  while (c.status == RD_BUSY) again(&c);
  RIG_HEARD(&c, "*1\r\n:1\r\n");
  rig_client_free(&c);
  close_store();
}

/* ---- a lock that another process holds ---- */

static uint32_t contended;
static void hold(rd_store *own) { rd_lock_shard(own, contended); }

/* Two clients with long commands; the first one's waits for a lock that another process holds. */
typedef struct waiting_pair {
  rig_client c, d;
  pid_t holder;
} waiting_pair;

static waiting_pair wait_for_another_process(void) {
  open_store();
  waiting_pair p = {.c = rig_client_new(&st, NULL), .d = rig_client_new(&st, NULL)};
  set_large(&p.c, "a", 'a', 8);
  set_large(&p.c, neighbour("a", false), 'n', 8);
  contended = rd_shard_of(&st, rd_key_of(&st, (rd_bytes){(const uint8_t *)"a", 1}, 0).hash);
  p.holder = start(&st, 1, hold);
  CHECK_INT(give(&p.c, "BITCOUNT a\r\n"), RD_BUSY);
  for (int i = 0; i < 5; i++) CHECK_INT(again(&p.c), RD_BUSY);
  char line[100];
  snprintf(line, sizeof line, "BITCOUNT %s\r\n", neighbour("a", false));
  give(&p.d, line);
  for (int i = 0; i < 5; i++) CHECK_INT(again(&p.d), RD_BUSY);
  return p;
}

static void end_of_pair(waiting_pair *p) {
  while (p->d.status == RD_BUSY) again(&p->d);
  RIG_HEARD(&p->d, ":41943040\r\n");
  rig_client_free(&p->d);
  close_store();
}

/* Only one session lends: another long command begins when the one that waits has ended. */
static void a_long_command_that_waits_for_another_process_is_not_overtaken(void) {
  waiting_pair p = wait_for_another_process();
  stop(p.holder);
  while (p.c.status == RD_BUSY) {
    again(&p.c);
    if (p.d.status == RD_BUSY) again(&p.d);
  }
  RIG_HEARD(&p.c, ":25165824\r\n");
  rig_client_free(&p.c);
  end_of_pair(&p);
}

static void a_client_may_disconnect_while_its_command_waits_for_another_process(void) {
  waiting_pair p = wait_for_another_process();
  stop(p.holder); /* the lock's owner is dead: it is free, but this process has not seen that */
  rig_client_free(&p.c);
  end_of_pair(&p);
}

/* KEYS pauses without a lock, so another session may lend meanwhile. `gone`: the client of KEYS disconnects then. */
static void keys_meets_a_lender(bool gone) {
  open_store();
  rig_client c = rig_client_new(&st, NULL), d = rig_client_new(&st, NULL);
  char line[100];
  for (int i = 0; i < 5000; i++) {
    snprintf(line, sizeof line, "SET key:%d v\r\n", i);
    rig_say(&d, line);
  }
  d.len = 0;
  set_large(&d, "a", 'a', 8);
  give(&c, "KEYS key:*\r\n");
  for (unsigned n = 0; c.status == RD_BUSY && n < 100 && st.lender == NULL; n++) again(&c);
  while (c.status == RD_BUSY && st.lender != NULL) again(&c); /* now it pauses without a lock */
  CHECK_INT(c.status, RD_BUSY);
  give(&d, "BITCOUNT a\r\n");
  again(&d);
  CHECK(st.lender == d.session);
  CHECK_INT(again(&c), RD_BUSY);
  CHECK(st.lender == d.session);
  if (gone) rig_client_free(&c);
  while (d.status == RD_BUSY) again(&d);
  RIG_HEARD(&d, ":25165824\r\n");
  while (!gone && c.status == RD_BUSY) again(&c);
  CHECK(gone || memcmp(c.out, "*5000\r\n", 7) == 0);
  if (!gone) rig_client_free(&c);
  rig_client_free(&d);
  close_store();
}

static void keys_waits_while_another_session_lends(void) { keys_meets_a_lender(false); }
static void the_client_of_keys_may_disconnect_while_another_session_lends(void) { keys_meets_a_lender(true); }

static void keys_holds_no_lock_and_misses_no_key(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL), d = rig_client_new(&st, NULL);
  char line[100];
  for (int i = 0; i < 5000; i++) {
    snprintf(line, sizeof line, "SET key:%d v\r\n", i);
    rig_say(&d, line);
  }
  d.len = 0;
  give(&c, "KEYS key:*\r\n");
  unsigned pauses = 0;
  for (int i = 0; c.status == RD_BUSY; i++, pauses++) {
    snprintf(line, sizeof line, "SET other:%d v\r\n", i);
    RIG_ASK(&d, line, "+OK\r\n");
    snprintf(line, sizeof line, "DEL other:%d\r\n", i - 5);
    rig_say(&d, line);
    d.len = 0;
    again(&c);
  }
  CHECK(pauses > 5);
  CHECK(memcmp(c.out, "*5000\r\n", 7) == 0);
  bool seen[5000] = {false};
  size_t count = 0;
  char *text = strndup((const char *)c.out, c.len), *rest = NULL;
  for (char *word = strtok_r(text, "\r\n", &rest); word != NULL; word = strtok_r(NULL, "\r\n", &rest)) {
    int number;
    if (sscanf(word, "key:%d", &number) != 1 || seen[number]) continue;
    seen[number] = true;
    count++;
  }
  CHECK_INT(count, 5000);
  free(text);
  rig_client_free(&c);
  rig_client_free(&d);
  close_store();
}

/* The same replies, with pauses and without. */
static void pauses_change_no_reply(void) {
  static const char *const lines[] = {"SETRANGE z 5000000 x\r\n",
                                      "GETRANGE z 4999990 -1\r\n",
                                      "BITOP NOT n a\r\n",
                                      "BITCOUNT n\r\n",
                                      "BITOP XOR x a n z\r\n",
                                      "BITPOS x 0\r\n",
                                      "BITPOS x 1\r\n",
                                      "RENAME x y\r\n",
                                      "STRLEN y\r\n",
                                      "MGET a z\r\n",
                                      "GETDEL y\r\n",
                                      "DUMP a\r\n",
                                      "GETSET z 1\r\n",
                                      "KEYS *\r\n",
                                      "SETBIT q 40000000 1\r\n",
                                      "APPEND q x\r\n",
                                      "BITFIELD r SET u8 40000000 7\r\n",
                                      "COPY q s\r\n",
                                      "GET s\r\n",
                                      "FLUSHALL\r\n",
                                      "DBSIZE\r\n"};
  char *said[2];
  size_t len[2];
  for (int pausing = 0; pausing < 2; pausing++) {
    open_store();
    if (!pausing) st.clock = NULL;
    rig_client c = rig_client_new(&st, NULL);
    set_large(&c, "a", 'a', 5);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) rig_say(&c, lines[i]);
    CHECK_INT(c.status, RD_MORE);
    said[pausing] = malloc(c.len);
    memcpy(said[pausing], c.out, len[pausing] = c.len);
    rig_client_free(&c);
    close_store();
  }
  CHECK_INT(len[0], len[1]);
  CHECK(memcmp(said[0], said[1], len[0]) == 0);
  free(said[0]);
  free(said[1]);
}

static void long_arguments_are_queued_in_slices(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL), d = rig_client_new(&st, NULL);
  size_t len = 16 << 20;
  char head[100], *text = malloc(len + 100);
  int n = snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%zu\r\n", len);
  memcpy(text, head, (size_t)n);
  memset(text + n, 'q', len);
  memcpy(text + n + len, "\r\n", 2);
  for (unsigned round = 0; round < 2; round++) {
    RIG_ASK(&c, "MULTI\r\n", "+OK\r\n");
    c.status = rd_session_feed(c.session, (const uint8_t *)text, (size_t)n + len + 2, st.now_ms);
    unsigned slices = 0;
    for (; c.status == RD_BUSY; slices++) {
      CHECK_INT(rd_session_state_of(c.session)->multi_queued, !rd_session_suspended(c.session) && slices > 1);
      RIG_ASK(&d, "PING\r\n", "+PONG\r\n");
      if (round == 1 && slices == 2) break;
      again(&c);
    }
    CHECK(slices >= 2);
    if (round == 1) break;
    RIG_HEARD(&c, "+QUEUED\r\n");
    CHECK_INT(rd_session_state_of(c.session)->multi_queued, 1);
    give(&c, "EXEC\r\n");
    while (c.status == RD_BUSY) again(&c);
    RIG_HEARD(&c, "*1\r\n+OK\r\n");
    RIG_ASK(&c, "STRLEN k\r\n", ":16777216\r\n");
  }
  rig_client_free(&c); /* in the middle */
  free(text);
  rig_client_free(&d);
  close_store();
}

static void a_long_queue_is_planned_in_slices(void) {
  open_store();
  enum { MANY = 40000 };
  static const rd_limits usual = {.batch_size = 16, .output_high = 1u << 20, .query_limit = 1ull << 30};
  rig_client c = rig_client_new(&st, NULL), d = rig_client_new(&st, NULL);
  char line[40], err[100];
  RIG_ASK(&c, "MULTI\r\n", "+OK\r\n");
  for (int i = 0; i < MANY; i++) {
    snprintf(line, sizeof line, "INCR k%d\r\n", i % 7);
    rig_say(&c, line);
  }
  c.len = 0;
  CHECK_INT(give(&c, "EXEC\r\n"), RD_BUSY);
  CHECK(!rd_session_suspended(c.session));
  RIG_ASK(&d, "INCR k0\r\n", ":1\r\n"); /* it has not begun */
  /* and can be saved as it is */
  uint8_t *saved;
  size_t len;
  CHECK_INT(rd_session_save(c.session, (rd_bytes){NULL, 0}, &saved, &len), RD_SAVED);
  rig_client e = rig_client_new(&st, NULL);
  rd_session_free(e.session);
  e.session = rd_session_load(&st, &usual, saved, len, err, sizeof err);
  CHECK(e.session != NULL);
  free(saved);
  unsigned slices = 0;
  for (again(&e); e.status == RD_BUSY; slices++) again(&e);
  CHECK(slices > 2);
  RIG_ASK(&d, "MGET k0 k6\r\n", "*2\r\n$4\r\n5716\r\n$4\r\n5714\r\n");
  CHECK(e.len > MANY * 4 && memcmp(e.out, "*40000\r\n:2\r\n:1\r\n", 16) == 0);
  rig_client_free(&e);
  while (c.status == RD_BUSY) again(&c);
  RIG_ASK(&d, "GET k6\r\n", "$5\r\n11428\r\n");
  rig_client_free(&c);
  rig_client_free(&d);
  close_store();
}

/* ---- a death while a long command pauses, and another client's command is in the middle of a change ---- */

static void die(void *arg, rd_store *own, const rd_change *change) {
  (void)arg;
  (void)own;
  if (change->event == RD_EVENT_SET) kill(getpid(), SIGKILL);
}

/* Pause `pauses` times, then die in a SET. */
static void die_in_another_command(rd_store *own, const char *command, unsigned pauses) {
  own->clock = ticking;
  own->now_ms = st.now_ms;
  rig_client slow = rig_client_new(own, NULL);
  give(&slow, command);
  for (unsigned n = 0; n < pauses && slow.status == RD_BUSY; n++) again(&slow);
  if (slow.status != RD_BUSY) _exit(3);
  rd_listen(own, RD_CLASS_STRING, die, NULL);
  for (unsigned n = 0;; n++) {
    char text[100];
    snprintf(text, sizeof text, "SET other:%u x\r\n", n);
    rig_client other = rig_client_new(own, NULL); /* one whose key is in a lent shard waits */
    give(&other, text);
  }
}

static void fill_collections(rig_client *c) {
  static const char *const adds[] = {"SADD s1 a%0100u\r\n", "SADD s2 b%u\r\n", "ZADD z1 7 a%0100u\r\n",
                                     "RPUSH l1 %0100u\r\n", "HSET h1 a%0100u v\r\n"};
  for (unsigned n = 0; n < 60000; n++) {
    char text[200];
    snprintf(text, sizeof text, adds[n % 5], n);
    rig_say(c, text);
  }
  c->len = 0;
}

static void a_death_during_a_pause_costs_one_shard(void) {
  static const char *const commands[] = {
      "SUNIONSTORE to s1 s2\r\n",   "ZUNIONSTORE to 2 s1 z1\r\n",    "SINTERSTORE to s1 s1\r\n",
      "ZRANGESTORE to z1 0 -1\r\n", "ZREMRANGEBYRANK z1 10 -10\r\n", "RENAME h1 elsewhere\r\n",
      "RENAME z1 s2\r\n",           "COPY h1 elsewhere\r\n"};
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    for (unsigned pauses = 0; pauses < 4; pauses++) {
      open_store();
      rig_client c = rig_client_new(&st, NULL);
      fill_collections(&c);
      pid_t pid = fork();
      if (pid == 0) {
        rd_store own;
        char err[200];
        if (rd_attach(&own, fd, err, sizeof err) != 0 || rd_worker_join(&own, 1) < 0) _exit(2);
        die_in_another_command(&own, commands[i], pauses);
      }
      int status;
      waitpid(pid, &status, 0);
      if (!WIFSIGNALED(status) && pauses == 0) CHECK_FAIL("%s ended with %d", commands[i], status);
      for (uint32_t k = 0; k < st.num_shards; k++) rd_lock_shard(&st, k), rd_unlock_shard(&st, k);
      for (uint32_t k = 0; k < RD_MAX_WORKERS; k++) rd_worker_reap(&st, k);
      if (rd_counter(&st, RD_STAT_shards_lost) > 1)
        CHECK_FAIL("%s pause %u: %d shards were lost", commands[i], pauses, (int)rd_counter(&st, RD_STAT_shards_lost));
      rig_client_free(&c);
      close_store();
    }
  }
}

int main(void) {
  RUN(a_death_during_a_pause_costs_one_shard);
  RUN(a_pipeline_lets_others_run_and_keeps_its_order);
  RUN(a_long_command_pauses_and_other_sessions_continue);
  RUN(long_commands_take_turns);
  RUN(a_transaction_pauses_with_its_locks);
  RUN(a_long_transaction_stops_when_its_client_is_gone);
  RUN(many_watches_end_together);
  RUN(a_client_may_disconnect_during_a_long_command);
  RUN(a_client_that_watches_may_leave_during_a_long_command);
  RUN(code_that_must_not_wait_finishes_or_skips_lent_shards);
  RUN(a_transaction_begins_a_long_command_while_another_session_waits);
  RUN(a_long_command_in_a_transaction_leaves_no_shard_marked);
  RUN(a_long_command_that_waits_for_another_process_is_not_overtaken);
  RUN(a_client_may_disconnect_while_its_command_waits_for_another_process);
  RUN(keys_waits_while_another_session_lends);
  RUN(the_client_of_keys_may_disconnect_while_another_session_lends);
  RUN(keys_holds_no_lock_and_misses_no_key);
  RUN(pauses_change_no_reply);
  RUN(long_arguments_are_queued_in_slices);
  RUN(a_long_queue_is_planned_in_slices);
  return check_end();
}
