/* fuzz_handover.c - the invariants:
 *
 *   - loading any bytes fails with a reason, or gives a session;
 *   - saving such a session, and loading that, gives a session that saves the same bytes;
 *   - the loaded session executes its input and what a client sends, and then waits for nothing;
 *   - a saved session whose bytes were not changed is never refused;
 *   - no shard stays locked, no watch is left behind, and the store's own check passes.
 *
 * Input: a zero byte, then the bytes to load; or another byte, then the input of a client up to "\n~", then changes of
 * the saved bytes, three bytes each: an offset (relative to the end of the last change), and the bytes to combine by
 * XOR. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "arena/layout.h"
#include "arena/lock.h"
#include "arena/memory.h"
#include "session/handover.h"
#include "session/records.h"
#include "store/check.h"
#include "store/databases.h"
#include "store/expire.h"
#include "store/pause.h"
#include "store/run.h"

#define NOW 1700000000000ull

static rd_store st;
static const rd_limits limits = {
    .batch_size = 16, .output_high = 1 << 16, .query_limit = 1 << 20, .multi_limit = 1 << 14, .output_limit = 1 << 22};

static void expect(bool ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "%s\n", what);
  abort();
}

static void start(void) {
  rd_options options = {.max_memory = rd_min_memory(2, 1) + (512 << 10),
                        .num_shards = 2,
                        .policy = RD_NOEVICTION,
                        .sample_size = 5,
                        .seed = {1, 2}};
  char err[256];
  int fd = memfd_create("fuzz", 0);
  expect(fd >= 0 && rd_create(&st, fd, &options, err, sizeof err) == 0, "no arena");
  expect(rd_worker_join(&st, 0) == 0, "no worker slot");
}

static void answer(rd_session *s) {
  char text[80] = "-ERR unknown command\r\n";
  const rd_command *cmd = rd_session_command(s);
  if (cmd != NULL) snprintf(text, sizeof text, "+%s\r\n", rd_command_full_name(cmd));
  if (cmd != NULL && strcmp(cmd->name, "auth") == 0) rd_session_state_of(s)->authenticated = true;
  if (cmd != NULL && strcmp(cmd->name, "reset") == 0) rd_session_reset(s);
  rd_session_answer(s, (const uint8_t *)text, strlen(text));
}

/* Act on the session's status until it needs more input. Without `write` its output stays. */
static rd_status serve(rd_session *s, rd_status status, bool write) {
  for (;;) {
    size_t said = rd_session_output(s).len;
    if (write && said != 0) rd_session_consumed(s, said);
    if (status == RD_CONTROL)
      answer(s);
    else if (status != RD_BUSY && (status != RD_FULL || !write))
      break;
    status = rd_session_resume(s, NOW);
  }
  expect(status == RD_MORE || status == RD_CLOSE || (status == RD_FULL && !write), "a session waits without a reason");
  return status;
}

typedef struct blob {
  uint8_t *data;
  size_t len;
} blob;

static blob save(rd_session *s) {
  blob b;
  expect(rd_session_save(s, (rd_bytes){NULL, 0}, &b.data, &b.len) == RD_SAVED, "a session cannot be saved");
  return b;
}

/* The giver, which is the taker, reads that its session was taken, and then what it has sent to itself. */
static void settle(void) {
  rd_records_read(&st);
  rd_records_read(&st);
}

static void load(blob b, bool must) {
  char err[256] = "?";
  rd_session *s = rd_session_load(&st, &limits, b.data, b.len, err, sizeof err);
  expect(s == NULL || strcmp(err, "?") == 0, "a reason without a refusal");
  expect(s != NULL || !must, err);
  if (s == NULL) return;
  settle();
  bool subscribes = rd_session_state_of(s)->subscribed;
  blob once = save(s);
  rd_session *again = rd_session_load(&st, &limits, once.data, once.len, err, sizeof err);
  expect(again != NULL, err);
  settle();
  blob twice = save(again);
  /* The subscriptions are of another hand-over, and in an order of their own. */
  expect(twice.len == once.len && (subscribes || memcmp(twice.data, once.data, once.len) == 0),
         "saving and loading changed the session");
  rd_session_free(s);
  free(once.data);
  free(twice.data);
  static const char request[] = "\r\nPING\r\n*1\r\n$4\r\nEXEC\r\nWATCH k\r\nGET k\r\n";
  if (serve(again, rd_session_resume(again, NOW), true) == RD_MORE) {
    serve(again, rd_session_feed(again, (const uint8_t *)request, sizeof request - 1, NOW), true);
  }
  rd_session_free(again);
}

/* The bytes that a session saved of a client's input, and the changes of them. */
static void move(const uint8_t *data, size_t size, uint8_t how) {
  const uint8_t *end = memmem(data, size, "\n~", 2);
  size_t len = end != NULL ? (size_t)(end - data) + 1 : size;
  rd_session *s = rd_session_new(&st, &limits);
  expect(s != NULL, "no session");
  rd_session_state_of(s)->authenticated = (how & 1) != 0;
  serve(s, rd_session_feed(s, data, len, NOW), (how & 2) != 0);
  blob b = save(s);
  load(b, true);
  size_t place = 0;
  for (size_t at = len + 1; at + 3 <= size; at += 3) {
    place += (size_t)data[at] | (size_t)data[at + 1] << 8;
    if (place >= b.len) place %= b.len;
    b.data[place++] ^= data[at + 2];
  }
  load(b, false);
  free(b.data);
  rd_session_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char err[256];
  if (st.base == NULL) start();
  if (size < 1) return 0;
  if (data[0] == 0)
    load((blob){(uint8_t *)(uintptr_t)data + 1, size - 1}, false);
  else
    move(data + 1, size - 1, data[0]);
  for (uint32_t i = 0; i < st.num_shards; i++) {
    expect(!rd_holds_shard(&st, i), "a shard stays locked");
    expect(rd_shard_at(&st, i)->watchers == 0, "a watch is left behind");
  }
  expect(rd_rolls_used(&st) == 0 && st.moving == 0, "a subscription is left behind");
  expect(rd_check(&st, err, sizeof err) == 0, err);
  rd_flush_all(&st);
  rd_set_pause(&st, 0, 0);
  while (!rd_sweep(&st, 0, st.num_shards, 0)) continue;
  return 0;
}
