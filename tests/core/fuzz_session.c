/* fuzz_session.c - the invariants:
 *
 *   - for any bytes, a session sends replies, or replies and one protocol error before it closes;
 *   - its replies, and its changes of the store, do not depend on how the bytes were split: all at once, one by one,
 * and in pieces of other sizes give the same;
 *   - no shard stays locked, and the store's own check passes.
 *
 * Input: one byte of flags (1: not authenticated, 2: RESP3, 4: stop at little output, 8: a user with few permissions,
 * 16: what follows are choices of grammar.h, 32 and 64: the thresholds of the encodings), then the input of a client.
 * Commands of the control plane are answered with their name; AUTH takes permissions away or gives them back.
 *
 * fuzz_policies.c tries eviction, time and deaths, whose effects depend on more than the input. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "arena/lock.h"
#include "arena/memory.h"
#include "arena/worker.h"
#include "grammar.h"
#include "session/acl.h"
#include "session/blocking.h"
#include "session/session.h"
#include "store/check.h"
#include "store/databases.h"
#include "store/expire.h"
#include "store/pause.h"
#include "store/run.h"
#include "thresholds.h"

#define CLIENTS 3
#define NOW 1700000000000ull

static rd_store store[CLIENTS];
static rd_acl *little; /* every second command, on keys that begin with a, and for reading also b */
static bool started;

static void expect(bool ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "%s\n", what);
  abort();
}

static void start(void) {
  for (int i = 0; i < CLIENTS; i++) {
    rd_options options = {.max_memory = rd_min_memory(2, 1) + (512 << 10),
                          .num_shards = 2,
                          .policy = RD_NOEVICTION,
                          .sample_size = 5,
                          .seed = {1, 2}};
    char err[256];
    int fd = memfd_create("fuzz", 0);
    expect(fd >= 0 && rd_create(&store[i], fd, &options, err, sizeof err) == 0, "no arena");
    expect(rd_worker_join(&store[i], (uint32_t)i) == 0, "no worker slot");
  }
  uint16_t ids[1000], count = 0;
  for (uint16_t id = 0; id < rd_command_count(); id += 2) ids[count++] = id;
  little = rd_acl_new();
  expect(little != NULL && rd_acl_select(little, ids, count, false, true), "no memory");
  expect(rd_acl_allow_keys(little, (const uint8_t *)"a*", 2, RD_ACL_MAY_READ | RD_ACL_MAY_WRITE), "no memory");
  expect(rd_acl_allow_keys(little, (const uint8_t *)"b*", 2, RD_ACL_MAY_READ), "no memory");
  started = true;
}

typedef struct talk {
  uint8_t *said;
  size_t len, cap;
  rd_status status;
} talk;

static void hear(talk *t, rd_session *s) {
  rd_bytes out = rd_session_output(s);
  if (t->cap - t->len < out.len) {
    t->cap = 2 * t->cap + out.len;
    t->said = realloc(t->said, t->cap);
    expect(t->said != NULL, "no memory");
  }
  if (out.len != 0) memcpy(t->said + t->len, out.data, out.len);
  t->len += out.len;
  if (out.len != 0) rd_session_consumed(s, out.len);
}

static void answer(rd_session *s, bool *limited) {
  char text[80] = "-ERR unknown command\r\n";
  const rd_command *cmd = rd_session_command(s);
  if (cmd != NULL) snprintf(text, sizeof text, "+%s\r\n", rd_command_full_name(cmd));
  if (cmd != NULL && strcmp(cmd->name, "auth") == 0) {
    rd_session_state_of(s)->authenticated = true;
    *limited = !*limited;
    rd_session_set_acl(s, *limited ? little : NULL);
  }
  if (rd_session_state_of(s)->denied != RD_ALLOWED) {
    expect(rd_session_state_of(s)->denied_at < rd_session_argc(s), "the denied key is no argument");
    snprintf(text, sizeof text, "-NOPERM %u %u\r\n", rd_session_state_of(s)->denied, rd_session_state_of(s)->denied_at);
  }
  if (cmd != NULL && strcmp(cmd->name, "reset") == 0) rd_session_reset(s);
  rd_session_answer(s, (const uint8_t *)text, strlen(text));
}

static talk converse(rd_store *st, uint8_t how, const uint8_t *data, size_t len, size_t step, uint32_t batch) {
  rd_limits limits = {
      .batch_size = batch, .output_high = how & 4 ? 100 : 1 << 20, .query_limit = 1 << 20, .multi_limit = 1 << 14};
  talk t = {0};
  st->rng = 88172645463325252ull;
  rd_session *s = rd_session_new(st, &limits);
  expect(s != NULL, "no session");
  rd_session_state_of(s)->authenticated = (how & 1) == 0;
  rd_session_state_of(s)->resp = how & 2 ? 3 : 2;
  bool limited = (how & 8) != 0;
  rd_session_set_acl(s, limited ? little : NULL);
  rd_retain_begin(st, st != &store[0]); /* the replies must not depend on retained locks either */
  for (size_t at = 0; at < len && t.status != RD_CLOSE; at += step) {
    size_t n = len - at < step ? len - at : step;
    uint8_t *alone = malloc(n); /* the sanitizer detects a read beyond the piece */
    expect(alone != NULL, "no memory");
    memcpy(alone, data + at, n);
    t.status = rd_session_feed(s, alone, n, NOW);
    free(alone);
    for (;;) {
      hear(&t, s);
      if (t.status == RD_CONTROL)
        answer(s, &limited);
      else if (t.status == RD_BLOCKED)
        expect(rd_session_unblock(s, RD_UNBLOCK_TIMEOUT), "a wait has no end");
      else if (t.status != RD_FULL && t.status != RD_BUSY)
        break;
      t.status = rd_session_resume(s, NOW);
    }
    expect(t.status == RD_MORE || t.status == RD_CLOSE, "a session waits without a reason");
  }
  rd_retain_end(st);
  for (uint32_t i = 0; i < st->num_shards; i++) expect(!rd_holds_shard(st, i), "a shard stays locked");
  rd_session_free(s);
  return t;
}

/* The bytes of a client that calls what the choices say. */
static uint8_t *calls_of(const uint8_t *choices, size_t n, size_t *len) {
  static grammar g;
  enum { ROOM = 1 << 17 };
  char *out = malloc(ROOM);
  expect(out != NULL, "no memory");
  g.data = choices;
  g.len = n;
  *len = 0;
  for (g.at = 0; g.at < n;) {
    size_t added = grammar_call(&g, out + *len, ROOM - *len);
    if (added == 0) break;
    *len += added;
  }
  return (uint8_t *)out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const size_t steps[CLIENTS] = {SIZE_MAX / 2, 1, 7};
  static const uint32_t batches[CLIENTS] = {16, 16, 1};
  if (!started) start();
  if (size < 2) return 0;
  uint8_t how = data[0], *made = NULL;
  if (how & 16) {
    data = made = calls_of(data + 1, size - 1, &size);
  } else {
    data++;
    size--;
  }
  talk t[CLIENTS];
  for (int i = 0; i < CLIENTS; i++) {
    char err[256];
    rd_set_type_limits(&store[i], &thresholds[how >> 5 & 3]);
    t[i] = converse(&store[i], how, data, size, steps[i], batches[i]);
    expect(rd_check(&store[i], err, sizeof err) == 0, err);
    expect(t[i].status == t[0].status, "the end depends on how the bytes were split");
    expect(t[i].len == t[0].len && (t[0].len == 0 || memcmp(t[i].said, t[0].said, t[0].len) == 0),
           "the replies depend on how the bytes were split");
    for (unsigned db = 0; db < RD_DATABASES; db++) {
      expect(rd_count(&store[i], db) == rd_count(&store[0], db), "the keys depend on how the bytes were split");
    }
  }
  for (int i = 0; i < CLIENTS; i++) {
    rd_flush_all(&store[i]);
    rd_set_pause(&store[i], 0, 0);
    while (!rd_sweep(&store[i], 0, store[i].num_shards, 0)) continue;
    free(t[i].said);
  }
  free(made);
  return 0;
}
