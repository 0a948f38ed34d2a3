/* host.c - calls about the process, turns of a session, and sums of counters. */
#include "host.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "arena/layout.h"
#include "arena/lock.h"
#include "base/clock.h"
#include "commands/dump.h"
#include "commands/value.h"
#include "session/backlog.h"
#include "session/blocked.h"
#include "session/monitor.h"
#include "session/pushed.h"
#include "session/slowlog.h"
#include "session/tracking.h"

bool rd_host_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0; }

bool rd_host_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1) == 0; }

void rd_host_trim(void) { malloc_trim(0); }

void rd_host_free(void *memory) { free(memory); }

void rd_host_bound_heap(void) {
  mallopt(M_MMAP_THRESHOLD, RD_MAPPED_FROM);
  mallopt(M_TRIM_THRESHOLD, 8 << 20);
}

size_t rd_host_take(rd_session *s, uint8_t *dst, size_t cap) {
  rd_bytes out = rd_session_output(s);
  size_t n = out.len < cap ? out.len : cap;
  if (n) {
    memcpy(dst, out.data, n);
    rd_session_consumed(s, n);
  }
  return n;
}

uint32_t rd_host_argc(const rd_session *s) {
  uint32_t argc = rd_session_argc(s);
  return rd_session_command(s) == NULL && argc > RD_MAX_QUOTED_ARGS ? RD_MAX_QUOTED_ARGS : argc;
}

size_t rd_host_argv(const rd_session *s, uint32_t *lengths, uint8_t *dst) {
  bool quoted = rd_session_command(s) == NULL;
  uint32_t argc = rd_host_argc(s);
  size_t bytes = 0;
  for (uint32_t i = 0; i < argc; i++) {
    rd_bytes one = rd_session_arg(s, i);
    size_t len = quoted && one.len > RD_MAX_QUOTED_BYTES ? RD_MAX_QUOTED_BYTES : one.len;
    lengths[i] = (uint32_t)len;
    if (dst != NULL && len != 0) memcpy(dst + bytes, one.data, len);
    bytes += len;
  }
  return bytes;
}

static int64_t moved(rd_store *st, rd_session *s, rd_status status, uint8_t *dst, size_t cap) {
  if (RD_UNLIKELY(st->tracking != NULL)) rd_tracking_flush(st);
  int64_t waits = st->slowlog && rd_slowlog_pending(st->slowlog) ? RD_HOST_SLOW : 0;
  if (rd_monitor_pending(st)) waits |= RD_HOST_MONITORED;
  if (rd_pushed_to_owners(st) || rd_woken_to_owners(st) || rd_backlog_waits(st)) waits |= RD_HOST_PUSHED;
  if (status == RD_CONTROL) return waits | (int64_t)status;
  size_t n = rd_host_take(s, dst, cap);
  if (n == cap && status == RD_MORE && rd_session_output(s).len) status = RD_FULL;
  return (int64_t)(n << 6) | waits | (int64_t)status;
}

int64_t rd_host_feed(rd_store *st, rd_session *s, const uint8_t *data, size_t len, uint64_t now_ms, uint8_t *dst,
                     size_t cap) {
  return moved(st, s, rd_session_feed(s, data, len, now_ms ? now_ms : rd_wall_ms()), dst, cap);
}

int64_t rd_host_resume(rd_store *st, rd_session *s, uint64_t now_ms, uint8_t *dst, size_t cap) {
  return moved(st, s, rd_session_resume(s, now_ms ? now_ms : rd_wall_ms()), dst, cap);
}

const char *rd_host_stat_name(unsigned stat) {
  static const char *const names[] = {
#define RD_STAT_NAME(name) #name,
      RD_STATS(RD_STAT_NAME)
#undef RD_STAT_NAME
  };
  return stat < RD_STAT_COUNT ? names[stat] : NULL;
}

const char *rd_host_gauge_name(unsigned gauge) {
  static const char *const names[] = {
#define RD_GAUGE_NAME(name) #name,
      RD_GAUGES(RD_GAUGE_NAME)
#undef RD_GAUGE_NAME
  };
  return gauge < RD_GAUGE_COUNT ? names[gauge] : NULL;
}

void rd_host_command_stats(const rd_store *st, unsigned id, rd_command_stats *sum) {
  memset(sum, 0, sizeof *sum);
  if (id >= RD_COMMAND_IDS) return;
  for (unsigned w = 0; w < RD_MAX_WORKERS; w++) {
    const rd_counters *counters = rd_worker_counters(st, w);
    if (counters == NULL) continue;
    const rd_command_stats *one = &counters->commands[id];
    sum->calls += one->calls;
    sum->nanoseconds += one->nanoseconds;
    sum->rejected += one->rejected;
    sum->failed += one->failed;
    for (unsigned i = 0; i < RD_LATENCY_BUCKETS; i++) sum->histogram[i] += one->histogram[i];
  }
}

const rd_error_stats *rd_host_error_stats(const rd_store *st, unsigned worker) {
  const rd_counters *counters = rd_worker_counters(st, worker);
  return counters != NULL ? counters->errors : NULL;
}

bool rd_host_details(rd_store *st, unsigned db, const uint8_t *key, size_t len, rd_details *out) {
  rd_key k = rd_key_of(st, (rd_bytes){key, len}, db);
  uint32_t shard = rd_shard_of(st, k.hash);
  bool taken = rd_lock_shard(st, shard);
  rd_item *it = rd_find_quiet(st, &k, false);
  if (it) {
    *out = (rd_details){.place = rd_ref_of(st, it),
                        .encoding = rd_type_of(it)->encoding(st, it),
                        .len = rd_serialized_len(st, &k, it),
                        .idle_ms = rd_item_idle_ms(st, it),
                        .shard = shard};
  }
  if (taken) rd_unlock_shard(st, shard);
  return it != NULL;
}
