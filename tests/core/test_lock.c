/* test_lock.c - locks that a worker retains while it is alone (lock.h) or through a batch (session/dispatch.c).
 * test_loop.c tests them within a turn, and test_crash.c shows that no kill damages what they guard. */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "arena_fixture.h"
#include "base/clock.h"
#include "check.h"
#include "host.h"
#include "rig.h"
#include "store/databases.h"
#include "store/event.h"
#include "store/expire.h"
#include "store/internal.h"
#include "store/run.h"

enum { SHARDS = 4 };

static rd_store st;

static unsigned held(void) {
  unsigned n = 0;
  for (uint32_t i = 0; i < SHARDS; i++) n += rd_holds_shard(&st, i);
  return n;
}

static void command_on(uint32_t shard) {
  rd_lock_shard(&st, shard);
  rd_mark_dirty(&st, shard);
  rd_leave_shard(&st, shard);
}

static void a_retained_shard_stays_locked_and_clean_until_the_turn_ends(void) {
  rd_retain_begin(&st, true);
  command_on(1);
  command_on(2);
  command_on(1);
  CHECK_INT(held(), 2);
  CHECK(!rd_lock_shard(&st, 1)); /* it is held already */
  rd_leave_shard(&st, 1);
  for (uint32_t i = 0; i < SHARDS; i++) CHECK_INT(rd_shard_at(&st, i)->dirty, 0);
  rd_retain_end(&st);
  CHECK_INT(held(), 0);
}

static void no_lock_is_retained_beside_other_workers(void) {
  rd_retain_begin(&st, false);
  command_on(1);
  CHECK_INT(held(), 0);
  rd_retain_end(&st);
}

static void locking_several_shards_releases_retained_ones_first(void) {
  rd_key keys[2];
  unsigned n = 0;
  for (uint32_t i = 0; n < 2; i++) { /* of shards 1 and 2 */
    rd_key key = rd_key_of(&st, (rd_bytes){(const uint8_t *)&i, sizeof i}, 0);
    if (rd_shard_of(&st, key.hash) == n + 1) keys[n++] = key;
  }
  const uint64_t set[RD_MAX_SHARDS / 64] = {1u << 0 | 1u << 2};
  rd_retain_begin(&st, true);
  command_on(3);
  rd_lock_keys(&st, keys, 2);
  CHECK(rd_holds_shard(&st, 1) && rd_holds_shard(&st, 2) && !rd_holds_shard(&st, 3));
  CHECK(rd_needs_shard(&st, 1) && !rd_needs_shard(&st, 3));
  CHECK_INT(rd_trylock_shard(&st, 1), 0);
  rd_unlock_all(&st);
  command_on(3);
  rd_lock_set(&st, set);
  CHECK(rd_holds_shard(&st, 0) && rd_holds_shard(&st, 2) && held() == 2);
  rd_retain_end(&st);
  CHECK_INT(held(), 2); /* they are a transaction's, and are not retained */
  rd_unlock_all(&st);
}

/* Memory for one shard comes from another that is retained. */
static void a_retained_shard_can_give_a_region(void) {
  rig_client c = rig_client_new(&st, NULL);
  char head[100];
  rd_clock *clock = st.clock;
  st.clock = NULL; /* no command pauses, which would release retained locks */
  size_t len = 20 * MIB;
  char *value = malloc(len + 2);
  memset(value, 'v', len);
  memcpy(value + len, "\r\n", 2);
  rd_retain_begin(&st, true);
  for (int i = 0; i < 20; i++) {
    snprintf(head, sizeof head, "SET small:%d 1\r\n", i);
    rig_say(&c, head);
    snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$5\r\nbig%02d\r\n$%zu\r\n", i, len);
    rig_say(&c, head);
    rig_feed(&c, value, len + 2, len + 2);
  }
  CHECK_INT(held(), SHARDS);
  rd_retain_end(&st);
  st.clock = clock;
  CHECK_INT(rd_counter(&st, RD_STAT_oom_errors), 0);
  CHECK(rd_counter(&st, RD_STAT_evicted_regions) > 0);
  free(value);
  rig_client_free(&c);
}

/* ---- a batch of commands in one shard ---- */

static uint32_t hot;    /* the shard of the key `hot` */
static unsigned taken;  /* its lock was taken so often, except for the first time */
static unsigned within; /* commands that ran in it */

static void note_verified(rd_store *store, uint32_t shard) {
  taken++;
  rd_shard_at(store, shard)->checked = atomic_load(&store->head->doubt);
}

/* Whoever takes the lock next must verify the shard. */
static void note_change(void *arg, rd_store *store, const rd_change *change) {
  (void)arg, (void)change;
  within++;
  CHECK(rd_holds_shard(store, hot));
  rd_suspect(store, hot);
}

/* The number of times that the lock is taken for a pipeline; it is free afterwards. */
static unsigned takings(rig_client *c, const char *pipeline) {
  taken = within = 0;
  rd_shard_at(&st, hot)->checked = RD_SUSPECT;
  rig_say(c, pipeline);
  CHECK_INT(held(), 0);
  CHECK_INT(rd_shard_at(&st, hot)->dirty, 0);
  return taken;
}

#define FOUR "INCR hot\r\nINCR hot\r\nINCR hot\r\nINCR hot\r\n"

static void commands_of_a_batch_in_one_shard_take_its_lock_once(void) {
  static const rd_limits small = {
      .batch_size = 3, .output_high = 1u << 20, .query_limit = 1u << 20, .multi_limit = 1u << 20};
  rig_client c = rig_client_new(&st, NULL), three = rig_client_new(&st, &small);
  void (*verify)(rd_store *, uint32_t) = st.verify_shard;
  hot = rd_shard_of(&st, rd_key_of(&st, (rd_bytes){(const uint8_t *)"hot", 3}, 0).hash);
  rig_say(&c, "DEL hot\r\n");
  st.verify_shard = note_verified;
  rd_listen(&st, RD_CLASS_STRING, note_change, NULL);
  CHECK_INT(takings(&c, FOUR), 1);
  CHECK_INT(within, 4);
  CHECK_INT(takings(&three, FOUR), 2);
  CHECK_INT(takings(&c, FOUR "PING\r\n" FOUR), 2);
  CHECK_INT(takings(&c, FOUR "INCR hot 1\r\n" FOUR), 2); /* refused: the next command does not follow */
  CHECK_INT(takings(&c, "SET hot x\r\n" FOUR), 1);       /* errors */
  CHECK_INT(takings(&c, "SET hot 1\r\n" FOUR "SET hot 1 EX\r\nSET hot 1\r\n"), 1);
  CHECK_INT(takings(&c, "MULTI\r\n" FOUR "EXEC\r\n"), 1);
  CHECK_INT(within, 4);
  rd_listen(&st, 0, NULL, NULL);
  st.verify_shard = verify;
  rig_client_free(&c);
  rig_client_free(&three);
}

/* Replies of much output end the holding of the lock, and so does a full output. */
static void a_batch_with_much_output_releases_the_lock_meanwhile(void) {
  static const rd_limits narrow = {
      .batch_size = 64, .output_high = 2000, .query_limit = 1u << 20, .multi_limit = 1u << 20};
  rig_client c = rig_client_new(&st, NULL), n = rig_client_new(&st, &narrow);
  void (*verify)(rd_store *, uint32_t) = st.verify_shard;
  char set[1100], gets[64 * 40] = "";
  snprintf(set, sizeof set, "SET hot %01000d\r\n", 7);
  rig_say(&c, set);
  for (int i = 0; i < 50; i++) strcat(gets, "GET hot\r\nINCRBY hot 1\r\n");
  st.verify_shard = note_verified;
  CHECK_INT(takings(&n, gets), 1);
  rig_say(&c, "DEL hot\r\nSETRANGE hot 70000 x\r\n");
  rd_listen(&st, RD_CLASS_UNNAMED | RD_CLASS_STRING | RD_CLASS_GENERIC, note_change, NULL);
  CHECK(takings(&c, "PERSIST hot\r\nEXPIRE hot 100\r\nGET hot\r\nPERSIST hot\r\n") == 2);
  rd_listen(&st, 0, NULL, NULL);
  st.verify_shard = verify;
  rig_say(&c, "DEL hot\r\n");
  rig_client_free(&c);
  rig_client_free(&n);
}

/* ---- with another process ---- */

static rd_store other; /* the child's store */

static void attach_other(void) {
  char err[200];
  if (rd_attach(&other, st.fd, err, sizeof err) != 0 || rd_worker_join(&other, 1) < 0) _exit(2);
}

/* Each holds the lock that the other needs next. The one that retains its lock releases it. */
static void a_worker_releases_retained_locks_before_it_waits(void) {
  int ready[2], go[2];
  char word;
  CHECK(pipe(ready) == 0 && pipe(go) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    alarm(20);
    attach_other();
    rd_lock_shard(&other, 2);
    if (write(ready[1], "x", 1) != 1 || read(go[0], &word, 1) != 1) _exit(3);
    rd_lock_shard(&other, 3);
    rd_unlock_all(&other);
    _exit(0);
  }
  rd_retain_begin(&st, true);
  CHECK_INT(read(ready[0], &word, 1), 1);
  command_on(3);
  CHECK_INT(write(go[1], "x", 1), 1);
  alarm(20);
  CHECK(rd_lock_shard(&st, 2)); /* waits for the child, which waits for 3 */
  alarm(0);
  CHECK_INT(held(), 1);
  rd_leave_shard(&st, 2);
  rd_retain_end(&st);
  int status;
  CHECK(waitpid(pid, &status, 0) == pid && status == 0);
  CHECK(rd_worker_reap(&st, 1));
  for (int i = 0; i < 2; i++) {
    close(ready[i]);
    close(go[i]);
  }
}

/* A worker that is alone and busy releases its locks only for moments. */
static void a_joining_worker_waits_for_no_retained_lock(void) {
  rd_retain_begin(&st, true);
  for (uint32_t i = 0; i < SHARDS; i++) command_on(i);
  pid_t pid = fork();
  if (pid == 0) {
    alarm(20);
    attach_other();
    _exit(0);
  }
  int status;
  CHECK(waitpid(pid, &status, 0) == pid && status == 0);
  CHECK_INT(held(), SHARDS);
  CHECK(!rd_worker_alone(&st));
  rd_retain_end(&st);
  CHECK(rd_worker_reap(&st, 1));
}

static void a_death_with_retained_locks_loses_no_shard(void) {
  rig_client c = rig_client_new(&st, NULL);
  rig_say(&c, "FLUSHALL\r\n");
  for (int i = 0; i < 100; i++) {
    char set[40];
    snprintf(set, sizeof set, "SET key:%d %d\r\n", i, i);
    rig_say(&c, set);
  }
  pid_t pid = fork();
  if (pid == 0) {
    attach_other();
    rd_retain_begin(&other, true);
    for (uint32_t i = 0; i < SHARDS; i++) {
      rd_lock_shard(&other, i);
      rd_mark_dirty(&other, i);
      rd_leave_shard(&other, i);
    }
    raise(SIGKILL);
  }
  int status;
  CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
  CHECK_INT(rd_count(&st, 0), 100);
  rd_lock_all(&st); /* recovers every one of them */
  rd_unlock_all(&st);
  CHECK_INT(rd_count(&st, 0), 100);
  CHECK_INT(rd_counter(&st, RD_STAT_shards_lost), 0);
  CHECK(rd_worker_reap(&st, 1));
  rig_client_free(&c);
}

static void a_worker_knows_when_it_is_alone(void) {
  int ready[2];
  char word;
  CHECK(rd_worker_alone(&st));
  CHECK(pipe(ready) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    attach_other();
    if (write(ready[1], "x", 1) != 1) _exit(3);
    for (;;) pause();
  }
  CHECK_INT(read(ready[0], &word, 1), 1);
  CHECK(!rd_worker_alone(&st));
  int status;
  kill(pid, SIGKILL);
  CHECK(waitpid(pid, &status, 0) == pid);
  CHECK(!rd_worker_alone(&st)); /* until a worker notices */
  CHECK(rd_worker_reap(&st, 1));
  CHECK(rd_worker_alone(&st));
  rd_worker_leave(&st);
  CHECK(!rd_worker_alone(&st));
  CHECK_INT(rd_worker_join(&st, 0), 0);
  close(ready[0]);
  close(ready[1]);
}

/* A process that holds shard 2 until it is told to release it, or for some seconds. */
static pid_t hold_shard_2(int release[2]) {
  int ready[2];
  char word;
  CHECK(pipe(ready) == 0 && pipe(release) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    alarm(20);
    attach_other();
    rd_lock_shard(&other, 2);
    struct pollfd end = {.fd = release[0], .events = POLLIN};
    if (write(ready[1], "x", 1) != 1) _exit(3);
    poll(&end, 1, 3000);
    rd_unlock_all(&other);
    _exit(0);
  }
  CHECK(read(ready[0], &word, 1) == 1);
  close(ready[0]);
  close(ready[1]);
  return pid;
}

static void let_go(pid_t pid, int release[2]) {
  int status = 1;
  CHECK(write(release[1], "x", 1) == 1);
  CHECK(waitpid(pid, &status, 0) == pid && status == 0);
  close(release[0]);
  close(release[1]);
}

static void a_command_that_can_be_retried_waits_briefly_for_a_lock(void) {
  const uint64_t set[RD_MAX_SHARDS / 64] = {1u << 1 | 1u << 2 | 1u << 3};
  int release[2];
  pid_t pid = hold_shard_2(release);
  rd_clock *clock = st.clock;
  st.clock = rd_monotonic_ns;
  uint64_t began = rd_monotonic_ns();
  CHECK(!rd_lock_shard_soon(&st, 2));
  CHECK(rd_monotonic_ns() - began >= RD_LOCK_WAIT_NS);
  CHECK_INT(held(), 0);
  CHECK(rd_lock_shard_soon(&st, 1));
  CHECK(rd_lock_shard_soon(&st, 1)); /* it is held already */
  rd_unlock_all(&st);
  CHECK(!rd_lock_set_soon(&st, set));
  CHECK_INT(held(), 0); /* the locks that it had taken are released */
  let_go(pid, release);
  CHECK(rd_lock_shard_soon(&st, 2));
  CHECK(rd_lock_set_soon(&st, set));
  CHECK_INT(held(), 3);
  rd_unlock_all(&st);
  st.clock = clock;
}

/* The name of a key in shard 2, or in another one. */
static const char *key_in_2(bool in) {
  static char name[16];
  for (int i = 0;; i++) {
    int n = snprintf(name, sizeof name, "k%d", i);
    if ((rd_shard_of(&st, rd_key_of(&st, (rd_bytes){(const uint8_t *)name, (size_t)n}, 0).hash) == 2) == in)
      return name;
  }
}

static void a_command_whose_lock_is_taken_is_retried(void) {
  rig_client c = rig_client_new(&st, NULL), d = rig_client_new(&st, NULL);
  char line[100], after[100];
  int release[2];
  pid_t pid = hold_shard_2(release);
  rd_clock *clock = st.clock;
  st.clock = rd_monotonic_ns;
  snprintf(line, sizeof line, "PING\r\nINCR %s\r\nPING\r\n", key_in_2(true));
  c.status = rd_session_feed(c.session, (const uint8_t *)line, strlen(line), st.now_ms);
  rig_write(&c);
  CHECK_INT(c.status, RD_BUSY);
  CHECK(!rd_session_suspended(c.session)); /* the command has not begun */
  RIG_HEARD(&c, "+PONG\r\n");
  snprintf(after, sizeof after, "INCR %s\r\n", key_in_2(false));
  RIG_ASK(&d, after, ":1\r\n");
  c.status = rd_session_resume(c.session, st.now_ms);
  rig_write(&c);
  CHECK_INT(c.status, RD_BUSY);
  CHECK_INT(c.len, 0);
  snprintf(line, sizeof line, "MSET %s 1 x 1\r\n", key_in_2(true)); /* the locks of several keys */
  d.status = rd_session_feed(d.session, (const uint8_t *)line, strlen(line), st.now_ms);
  CHECK_INT(d.status, RD_BUSY);
  CHECK_INT(held(), 0);
  let_go(pid, release);
  c.status = rd_session_resume(c.session, st.now_ms);
  rig_write(&c);
  CHECK_INT(c.status, RD_MORE);
  RIG_HEARD(&c, ":1\r\n+PONG\r\n"); /* once */
  d.status = rd_session_resume(d.session, st.now_ms);
  rig_write(&d);
  RIG_HEARD(&d, "+OK\r\n");
  st.clock = clock;
  rig_client_free(&c);
  rig_client_free(&d);
}

/* Commands that take the locks of whole databases do not wait for other workers either. */
static void commands_on_databases_are_retried(void) {
  static const struct {
    const char *command, *reply;
  } each[] = {{"SCAN 2\r\n", NULL},          {"KEYS none\r\n", "*0\r\n"}, {"RANDOMKEY\r\n", NULL},
              {"SWAPDB 0 1\r\n", "+OK\r\n"}, {"FLUSHDB\r\n", "+OK\r\n"},  {"FLUSHALL\r\n", "+OK\r\n"}};
  char line[100];
  rig_client c = rig_client_new(&st, NULL);
  RIG_ASK(&c, "FLUSHALL\r\n", "+OK\r\n");
  snprintf(line, sizeof line, "SET %s 1\r\n", key_in_2(true));
  RIG_ASK(&c, line, "+OK\r\n");
  for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
    int release[2];
    pid_t pid = hold_shard_2(release);
    c.status = rd_session_feed(c.session, (const uint8_t *)each[i].command, strlen(each[i].command), st.now_ms);
    rig_write(&c);
    CHECK_INT(c.status, RD_BUSY);
    CHECK_INT(c.len, 0);
    CHECK_INT(held(), 0);
    let_go(pid, release);
    c.status = rd_session_resume(c.session, st.now_ms);
    rig_serve(&c);
    if (each[i].reply != NULL) CHECK_TEXT(c.out, c.len, each[i].reply);
    CHECK(c.len > 0);
    c.len = 0;
  }
  rig_client_free(&c);
}

/* SCAN replies with what it has found before the shard whose lock is taken, and goes on there. */
static void scan_stops_before_a_shard_whose_lock_is_taken(void) {
  char line[100], key[16];
  int release[2];
  rig_client c = rig_client_new(&st, NULL);
  RIG_ASK(&c, "FLUSHALL\r\n", "+OK\r\n");
  for (int i = 0, n = 0; n < 1; i++) {
    snprintf(key, sizeof key, "k%d", i);
    if (rd_shard_of(&st, rd_key_of(&st, (rd_bytes){(const uint8_t *)key, strlen(key)}, 0).hash) != 1) continue;
    snprintf(line, sizeof line, "SET %s 1\r\n", key);
    RIG_ASK(&c, line, "+OK\r\n");
    n++;
  }
  pid_t pid = hold_shard_2(release);
  snprintf(line, sizeof line, "*2\r\n$1\r\n2\r\n*1\r\n$%zu\r\n%s\r\n", strlen(key), key);
  RIG_ASK(&c, "SCAN 0 COUNT 100\r\n", line);
  let_go(pid, release);
  RIG_ASK(&c, "SCAN 2 COUNT 100\r\n", "*2\r\n$1\r\n0\r\n*0\r\n");
  rig_client_free(&c);
}

static void a_watch_ends_without_its_shards_lock(void) {
  char line[100];
  int release[2];
  rig_client c = rig_client_new(&st, NULL), d = rig_client_new(&st, NULL), e = rig_client_new(&st, NULL);
  snprintf(line, sizeof line, "WATCH %s\r\n", key_in_2(true));
  RIG_ASK(&c, line, "+OK\r\n");
  RIG_ASK(&d, line, "+OK\r\n");
  RIG_ASK(&e, line, "+OK\r\n");
  RIG_ASK(&d, "MULTI\r\n", "+OK\r\n");
  pid_t pid = hold_shard_2(release);
  RIG_ASK(&c, "UNWATCH\r\n", "+OK\r\n");
  RIG_ASK(&d, "DISCARD\r\n", "+OK\r\n");
  CHECK_INT(rd_shard_at(&st, 2)->watchers, 1);
  rig_client_free(&e);
  CHECK_INT(rd_shard_at(&st, 2)->watchers, 0);
  let_go(pid, release);
  rig_client_free(&c);
  rig_client_free(&d);
}

/* The wall clock was set: a shard whose lock is taken is told in a later sweep. */
static void the_sweep_skips_a_shard_whose_lock_is_taken(void) {
  int release[2];
  rd_sweep(&st, 0, SHARDS, 1);
  pid_t pid = hold_shard_2(release);
  st.now_ms += 400ull * 86400 * 1000;
  rd_sweep(&st, 0, SHARDS, 1);
  CHECK_INT(rd_shard_at(&st, 2)->due_lost, 0);
  let_go(pid, release);
  rd_sweep(&st, 2, 2, 1); /* no shard: nothing is swept */
  CHECK(st.swept_ms < st.now_ms);
  while (st.swept_ms < st.now_ms) rd_sweep(&st, 0, SHARDS, 1);
}

int main(void) {
  int arena = rig_open(&st, 64 * MIB, SHARDS, RD_ALLKEYS_LRU);
  RUN(a_retained_shard_stays_locked_and_clean_until_the_turn_ends);
  RUN(no_lock_is_retained_beside_other_workers);
  RUN(locking_several_shards_releases_retained_ones_first);
  RUN(a_retained_shard_can_give_a_region);
  RUN(commands_of_a_batch_in_one_shard_take_its_lock_once);
  RUN(a_batch_with_much_output_releases_the_lock_meanwhile);
  RUN(a_worker_releases_retained_locks_before_it_waits);
  RUN(a_joining_worker_waits_for_no_retained_lock);
  RUN(a_death_with_retained_locks_loses_no_shard);
  RUN(a_worker_knows_when_it_is_alone);
  RUN(a_command_that_can_be_retried_waits_briefly_for_a_lock);
  RUN(a_command_whose_lock_is_taken_is_retried);
  RUN(commands_on_databases_are_retried);
  RUN(scan_stops_before_a_shard_whose_lock_is_taken);
  RUN(a_watch_ends_without_its_shards_lock);
  RUN(the_sweep_skips_a_shard_whose_lock_is_taken);
  rig_close(&st, arena);
  return check_end();
}
