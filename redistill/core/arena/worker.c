/* worker.c - gives workers their blocks, and takes back those of dead workers. A block changes its owner only under
 * the admission lock. */
#include "arena/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arena/admission.h"
#include "arena/layout.h"
#include "arena/memory.h"
#include "arena/ring.h"
#include "arena/roll.h"

/* ---- whether a worker is alive ---- */

/* The time at which the process began, in ticks since the machine was started. Together with the pid it identifies
 * the process for ever. 0: the process is dead, or there is no /proc. */
static uint64_t start_ticks(uint32_t pid) {
  char path[32], text[1024];
  snprintf(path, sizeof path, "/proc/%u/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  text[n > 0 ? n : 0] = 0;
  const char *at = strrchr(text, ')'); /* behind the name, which may contain any characters */
  if (at == NULL || strlen(at) < 3 || at[2] == 'Z' || at[2] == 'X') return 0;
  for (int field = 2; field < 22 && at != NULL; field++) at = strchr(at + 1, ' ');
  return at != NULL ? strtoull(at, NULL, 10) : 0;
}

/* True if the worker's process is alive. Without a start time to compare, this process's own pid is that of a
 * predecessor: in a container the daemon has the same pid after every start. */
static bool alive(const rd_worker *w) {
  uint32_t pid = atomic_load(&w->pid);
  if (pid == 0) return false;
  if (w->started != 0) return start_ticks(pid) == w->started;
  return pid != (uint32_t)getpid() && (kill((pid_t)pid, 0) == 0 || errno != ESRCH);
}

bool rd_worker_others(const rd_store *st) {
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
    const rd_worker *w = rd_worker_at(st, i);
    if (rd_worker_used(st, i) && !(st->joined && w == st->worker) && alive(w)) return true;
  }
  return false;
}

bool rd_worker_alone(const rd_store *st) {
  if (!st->joined) return false;
  uint64_t used = atomic_load_explicit(&st->head->workers_used, memory_order_relaxed);
  for (; used != 0; used &= used - 1) {
    const rd_worker *w = rd_worker_at(st, (uint32_t)__builtin_ctzll(used));
    if (w != st->worker && atomic_load_explicit(&w->pid, memory_order_relaxed) != 0) return false;
  }
  return true;
}

/* ---- joining and leaving ---- */

/* Remove the worker's gauges, connections, subscriptions and filters; its counters stay. The caller has the rolls'
 * lock. */
static void clear_block(rd_store *st, rd_worker *w, bool died) {
  atomic_store(&w->pid, 0);
  atomic_fetch_add(&st->head->gone_user_us, atomic_exchange(&w->user_us, 0));
  atomic_fetch_add(&st->head->gone_system_us, atomic_exchange(&w->system_us, 0));
  for (uint32_t g = 0; g < RD_GAUGE_COUNT; g++) atomic_store(&w->gauge[g], 0);
  atomic_store(&w->running, 0);
  atomic_fetch_and(&st->head->monitors, ~(1ull << (w - rd_worker_at(st, 0))));
  rd_admission_clear(w);
  rd_ring_end(st, w);
  rd_roll_end(st, w);
  if (atomic_load(&w->tickets_backed) != 0) {
    memset((void *)(uintptr_t)w->tickets, 0, atomic_load(&w->tickets_backed));
    fallocate(st->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)rd_ref_of(st, (const void *)w->tickets),
              (off_t)sizeof w->tickets);
    atomic_store(&w->tickets_backed, 0);
  }
  atomic_fetch_add(&st->head->reaped, 1);
  rd_tracked_end(st, w, died);
}

static bool back(const rd_store *st, uint32_t i) {
  return rd_back(st, st->head->workers_at + i * sizeof(rd_worker), RD_WORKER_HEAD);
}

bool rd_workers_back(const rd_store *st, uint32_t count) {
  for (uint32_t i = 0; i < count && i < RD_MAX_WORKERS; i++) {
    if (!back(st, i)) return false;
  }
  return true;
}

int rd_worker_join(rd_store *st, uint32_t number) {
  uint32_t i = 0;
  rd_admission_lock(st);
  while (i < RD_MAX_WORKERS && rd_worker_used(st, i) && alive(rd_worker_at(st, i))) i++;
  bool backed = i < RD_MAX_WORKERS && back(st, i);
  if (backed) {
    rd_rolls_lock(st, true);
    rd_worker *w = rd_worker_at(st, i);
    bool died = rd_worker_used(st, i) && atomic_load(&w->pid) != 0;
    if (!rd_worker_used(st, i)) rd_ring_init(w);
    atomic_fetch_or(&st->head->workers_used, 1ull << i);
    clear_block(st, w, died);
    rd_rolls_unlock(st);
    rd_ring_begin(w);
    w->number = number;
    w->started = start_ticks((uint32_t)getpid());
    atomic_store(&w->heartbeat, 0);
    atomic_store(&w->pid, (uint32_t)getpid());
    st->worker = w;
    st->joined = true;
  }
  rd_admission_unlock(st);
  if (!backed) return i == RD_MAX_WORKERS ? -1 : -2;
  rd_fit_pool(st);
  return (int)i;
}

void rd_worker_leave(rd_store *st) {
  if (!st->joined) return;
  rd_admission_lock(st);
  rd_rolls_lock(st, true);
  if (atomic_load(&st->worker->pid) == (uint32_t)getpid()) clear_block(st, st->worker, false);
  rd_rolls_unlock(st);
  rd_admission_unlock(st);
  st->worker = rd_worker_at(st, 0);
  st->joined = false;
}

bool rd_worker_reap(rd_store *st, uint32_t i) {
  if (i >= RD_MAX_WORKERS || !rd_worker_used(st, i)) return false;
  rd_worker *w = rd_worker_at(st, i);
  if (!rd_admission_trylock(st)) return false;
  bool dead = atomic_load(&w->pid) != 0 && !alive(w) && rd_rolls_lock(st, false);
  if (dead) clear_block(st, w, true);
  if (dead) rd_rolls_unlock(st);
  rd_admission_unlock(st);
  return dead;
}

/* ---- figures that a worker publishes about itself ---- */

void rd_worker_beat(rd_store *st, uint64_t now_ms) {
  atomic_store_explicit(&st->worker->heartbeat, now_ms, memory_order_relaxed);
  rd_ring_rest(st, now_ms);
}

void rd_gauge_set(rd_store *st, rd_gauge gauge, uint64_t value) {
  assert(gauge != RD_GAUGE_monitors);
  atomic_store_explicit(&st->worker->gauge[gauge], value, memory_order_relaxed);
}

void rd_scratch_count(rd_store *st, uint64_t more) {
  st->scratch += more;
  if (st->joined) rd_gauge_set(st, RD_GAUGE_client_buffers, st->client_buffers + st->scratch);
}

bool rd_scratch_fits(const rd_store *st, uint64_t more) {
  uint64_t limit = st->client_limit;
  return limit == 0 || rd_gauge_sum(st, RD_GAUGE_client_buffers) + more <= limit + limit / 4;
}

void rd_worker_cpu(rd_store *st, uint64_t user_us, uint64_t system_us) {
  atomic_store_explicit(&st->worker->user_us, user_us, memory_order_relaxed);
  atomic_store_explicit(&st->worker->system_us, system_us, memory_order_relaxed);
}

void rd_count_add(rd_store *st, rd_stat stat, uint64_t n) { rd_count_stat(st, stat, n); }

rd_counters *rd_my_counters(rd_store *st) { return &st->worker->counters; }

/* ---- the configuration ---- */

void rd_announce(rd_store *st, uint32_t generation) {
  atomic_store_explicit(&st->head->generation, generation, memory_order_release);
}

uint32_t rd_announced(const rd_store *st) { return atomic_load_explicit(&st->head->generation, memory_order_relaxed); }

void rd_caught_up(rd_store *st, uint32_t generation) { st->generation = generation; }

bool rd_behind(const rd_store *st) { return (int32_t)(rd_announced(st) - st->generation) > 0; }

/* ---- figures of other processes ---- */

bool rd_worker_info(const rd_store *st, uint32_t i, rd_worker_figures *figures) {
  if (i >= RD_MAX_WORKERS || !rd_worker_used(st, i)) return false;
  rd_worker *w = rd_worker_at(st, i);
  figures->pid = atomic_load(&w->pid);
  figures->number = w->number;
  figures->heartbeat = atomic_load(&w->heartbeat);
  for (uint32_t g = 0; g < RD_GAUGE_COUNT; g++) figures->gauge[g] = atomic_load(&w->gauge[g]);
  figures->commands = w->counters.value[RD_STAT_total_commands_processed];
  figures->user_us = atomic_load(&w->user_us);
  figures->system_us = atomic_load(&w->system_us);
  figures->connections = w->open;
  return figures->pid != 0;
}

uint64_t rd_gauge_sum(const rd_store *st, rd_gauge gauge) {
  uint64_t sum = 0, largest = 0;
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
    if (!rd_worker_used(st, i)) continue;
    uint64_t value = atomic_load_explicit(&rd_worker_at(st, i)->gauge[gauge], memory_order_relaxed);
    sum += value;
    if (value > largest) largest = value;
  }
  return gauge >= RD_GAUGE_largest_input ? largest : sum;
}

void rd_cpu_sum(const rd_store *st, uint64_t *user_us, uint64_t *system_us) {
  *user_us = atomic_load(&st->head->gone_user_us);
  *system_us = atomic_load(&st->head->gone_system_us);
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
    if (!rd_worker_used(st, i)) continue;
    *user_us += atomic_load_explicit(&rd_worker_at(st, i)->user_us, memory_order_relaxed);
    *system_us += atomic_load_explicit(&rd_worker_at(st, i)->system_us, memory_order_relaxed);
  }
}

const rd_counters *rd_worker_counters(const rd_store *st, uint32_t i) {
  return i < RD_MAX_WORKERS && rd_worker_used(st, i) ? &rd_worker_at(st, i)->counters : NULL;
}

uint64_t rd_counter(const rd_store *st, rd_stat stat) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
    if (rd_worker_used(st, i)) sum += rd_worker_at(st, i)->counters.value[stat];
  }
  return sum;
}

void rd_reset_stats(rd_store *st) {
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
    if (!rd_worker_used(st, i)) continue;
    rd_counters *counters = &rd_worker_at(st, i)->counters;
    uint64_t changes = counters->value[RD_STAT_changes];
    memset(counters, 0, sizeof *counters);
    counters->value[RD_STAT_changes] = changes; /* a figure of the data set, not of its use */
  }
  atomic_store(&st->head->peak_memory, rd_used_memory(st));
}

/* ---- shared sequences of numbers ---- */

uint64_t rd_next(rd_store *st, rd_seq seq) { return atomic_fetch_add(&st->head->next[seq], 1) + 1; }

uint64_t rd_note_peak(rd_store *st) {
  uint64_t used = rd_used_memory(st), peak = atomic_load(&st->head->peak_memory);
  while (used > peak && !atomic_compare_exchange_weak(&st->head->peak_memory, &peak, used)) continue;
  return used > peak ? used : peak;
}
