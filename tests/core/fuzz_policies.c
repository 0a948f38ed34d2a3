/* fuzz_policies.c - the invariants, whatever two clients call in a small store, under any policy, with thresholds and
 * policies that change, and with a clock that jumps:
 *
 *   - a command is answered, no shard stays locked, and the store's own check passes;
 *   - a process that dies in the middle of any change costs at most one shard; afterwards the check passes.
 *
 * Input: the policy, the thresholds, how many keys the store is filled with, the change at which the process dies (0:
 * it does not); then choices of grammar.h. */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "arena/lock.h"
#include "arena/memory.h"
#include "arena/pool.h"
#include "arena/worker.h"
#include "grammar.h"
#include "session/blocking.h"
#include "session/session.h"
#include "store/check.h"
#include "store/databases.h"
#include "store/event.h"
#include "store/expire.h"
#include "store/reclaim.h"
#include "store/run.h"
#include "thresholds.h"

#define START 1700000000000ull
#define HEAD 4u
#define POLICIES 9u

static void expect(bool ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "%s\n", what);
  abort();
}

/* The clock, of the process that dies, too, was never later. It may go back, and it advances by less than the 18 hours
 * that due times in the index bear. */
static uint64_t *latest;
#define LONGEST (12 * 3600000ull)

/* With the clock at its latest: the due times in the index may be ahead of one that went back. */
static void check(rd_store *st) {
  char err[256];
  st->now_ms = *latest;
  expect(rd_check(st, err, sizeof err) == 0, err);
}

/* ---- clients ---- */

static rd_session *session_new(rd_store *st, uint8_t resp) {
  rd_limits limits = {.batch_size = 16, .output_high = 1 << 20, .query_limit = 1 << 20, .multi_limit = 1 << 14};
  rd_session *s = rd_session_new(st, &limits);
  expect(s != NULL, "no session");
  rd_session_state_of(s)->authenticated = true;
  rd_session_state_of(s)->resp = resp;
  return s;
}

/* Returns the bytes of the replies. */
static size_t say(rd_store *st, rd_session *s, const char *bytes, size_t len) {
  size_t said = 0;
  rd_status status = rd_session_feed(s, (const uint8_t *)bytes, len, st->now_ms);
  for (;;) {
    size_t more = rd_session_output(s).len;
    rd_session_consumed(s, more);
    said += more;
    if (status == RD_CONTROL)
      rd_session_answer(s, (const uint8_t *)"+ok\r\n", 5);
    else if (status == RD_BLOCKED)
      expect(rd_session_unblock(s, RD_UNBLOCK_TIMEOUT), "a wait has no end");
    else if (status != RD_FULL && status != RD_BUSY)
      break;
    status = rd_session_resume(s, st->now_ms);
  }
  expect(status == RD_MORE || status == RD_CLOSE, "a session waits without a reason");
  for (uint32_t i = 0; i < st->num_shards; i++) expect(!rd_holds_shard(st, i), "a shard stays locked");
  return said;
}

static void fill(rd_store *st, unsigned keys) {
  rd_session *s = session_new(st, 2);
  for (unsigned n = 0; n < keys; n++) {
    char text[1200];
    int len = snprintf(text, sizeof text, "SET fill:%u %0*u PX %u\r\n", n, (int)(1 + n * 37 % 1000), n, 1 + n * 100);
    say(st, s, text, (size_t)len);
  }
  rd_session_free(s);
}

static void disturb(rd_store *st, grammar *g) {
  static const int64_t jumps[] = {1, 50, 5000, -1000, 3600000, 200, -100000, 1000};
  switch (grammar_dice(g, 24)) {
    case 0:
    case 1:
      st->now_ms += (uint64_t)jumps[grammar_dice(g, sizeof jumps / sizeof *jumps)];
      if (st->now_ms > START + LONGEST) st->now_ms = START + LONGEST;
      if (st->now_ms > *latest) *latest = st->now_ms;
      break;
    case 2:
      rd_sweep(st, 0, st->num_shards, 0);
      break;
    case 3:
      rd_set_type_limits(st, &thresholds[grammar_dice(g, THRESHOLDS)]);
      break;
    case 4:
      rd_set_policy(st, (rd_policy)grammar_dice(g, POLICIES), 5);
      break;
    case 5:
      rd_shrink_step(st, 2);
      break;
    default:
      break;
  }
}

static void converse(rd_store *st, const uint8_t *choices, size_t n) {
  static grammar g;
  static char call[1 << 16];
  rd_session *s[2] = {session_new(st, 2), session_new(st, 3)};
  g.data = choices;
  g.len = n;
  for (g.at = 0; g.at < n;) {
    disturb(st, &g);
    size_t len = grammar_call(&g, call, sizeof call);
    if (len > 0) say(st, s[grammar_dice(&g, 4) == 0], call, len);
  }
  rd_session_free(s[0]);
  rd_session_free(s[1]);
}

/* ---- a process that dies ---- */

static unsigned changes_left;

static void die(void *arg, rd_store *own, const rd_change *change) {
  (void)arg;
  (void)own;
  (void)change;
  if (--changes_left == 0) kill(getpid(), SIGKILL);
}

static void die_in(rd_store *st, unsigned change, const uint8_t *choices, size_t n) {
  pid_t pid = fork();
  if (pid == 0) {
    rd_store own;
    char err[256];
    expect(rd_attach(&own, st->fd, err, sizeof err) == 0, err);
    expect(rd_worker_join(&own, 1) > 0, "no worker slot");
    own.now_ms = st->now_ms;
    own.rng = 88172645463325252ull;
    changes_left = change;
    rd_listen(&own, UINT32_MAX, die, NULL);
    converse(&own, choices, n);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  uint64_t lost = rd_counter(st, RD_STAT_shards_lost);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue; /* libFuzzer sets an alarm */
  expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the process ended in another way");
  for (uint32_t i = 0; i < st->num_shards; i++) {
    rd_lock_shard(st, i);
    rd_unlock_shard(st, i);
  }
  rd_pool_lock(st);
  rd_pool_unlock(st);
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) rd_worker_reap(st, i);
  check(st);
  expect(rd_counter(st, RD_STAT_shards_lost) - lost <= 1, "a death cost more than one shard");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < HEAD) return 0;
  rd_store st;
  char err[256];
  rd_options options = {.max_memory = rd_min_memory(4, 2) + (256 << 10),
                        .num_shards = 4,
                        .policy = (rd_policy)(data[0] % POLICIES),
                        .sample_size = 5,
                        .seed = {1, 2}};
  int fd = memfd_create("fuzz", 0);
  expect(fd >= 0 && rd_create(&st, fd, &options, err, sizeof err) == 0, "no arena");
  expect(rd_worker_join(&st, 0) == 0, "no worker slot");
  if (latest == NULL) latest = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  st.now_ms = *latest = START;
  st.rng = 88172645463325252ull;
  rd_set_type_limits(&st, &thresholds[data[1] % THRESHOLDS]);
  fill(&st, data[2] % 4 == 0 ? data[2] * 4u : 0);
  if (data[3] % 8 == 0) die_in(&st, 1 + data[3] / 8u, data + HEAD, size - HEAD);
  converse(&st, data + HEAD, size - HEAD);
  check(&st);
  rd_flush_all(&st);
  while (!rd_sweep(&st, 0, st.num_shards, 0)) continue;
  check(&st);
  rd_worker_leave(&st);
  rd_detach(&st);
  close(fd);
  return 0;
}
