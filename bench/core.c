/* core.c - the core alone, on one thread: speed, memory, stalls. `bench/run` builds and runs it, and describes the
 * measurements.
 *
 * Output: lines of `name value unit`. Times are of the thread's CPU clock, except stalls, which are in wall time. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arena/lock.h"
#include "arena/memory.h"
#include "arena/worker.h"
#include "host.h"
#include "session/session.h"
#include "store/databases.h"
#include "store/expire.h"
#include "store/run.h"

#define MIB (1024ull * 1024)
#define PIPELINE 64u

static uint64_t now_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}
static uint64_t cpu_ns(void) { return now_ns(CLOCK_THREAD_CPUTIME_ID); }
static uint64_t wall_ns(void) { return now_ns(CLOCK_MONOTONIC); }
static uint64_t wall_ms(void) { return now_ns(CLOCK_REALTIME) / 1000000; }

static uint64_t dice = 88172645463325252ull;
static uint64_t roll(uint64_t n) {
  dice ^= dice << 13;
  dice ^= dice >> 7;
  dice ^= dice << 17;
  return (dice >> 16) % n;
}

static rd_store new_store(uint64_t max_memory, rd_policy policy) {
  rd_store st;
  char err[200] = "";
  int fd = memfd_create("redistill-bench", MFD_CLOEXEC);
  rd_options o = {.max_memory = max_memory, .num_shards = 256, .policy = policy, .sample_size = 5, .seed = {3, 4}};
  if (fd < 0 || rd_create(&st, fd, &o, err, sizeof err) != 0 || rd_worker_join(&st, 0) < 0) {
    fprintf(stderr, "no arena: %s\n", err);
    exit(1);
  }
  st.clock = rd_monotonic_ns;
  st.now_ms = wall_ms();
  return st;
}

static void free_store(rd_store *st) {
  int fd = st->fd;
  rd_detach(st);
  close(fd);
}

static rd_session *new_session(rd_store *st) {
  rd_limits limits = {.batch_size = 16, .output_high = 64 * MIB, .query_limit = 1024 * MIB, .multi_limit = MIB};
  rd_session *s = rd_session_new(st, &limits);
  if (s == NULL) exit(1);
  rd_session_state_of(s)->authenticated = true;
  return s;
}

/* Append a SET (value of `len` bytes) or a GET of key number i; keys have 16 bytes. */
static char *command(char *p, bool set, uint64_t i, unsigned len, unsigned ttl_s) {
  if (!set) return p + sprintf(p, "*2\r\n$3\r\nGET\r\n$16\r\nkey:%012llu\r\n", (unsigned long long)i);
  p += sprintf(p, "*%d\r\n$3\r\nSET\r\n$16\r\nkey:%012llu\r\n$%u\r\n", ttl_s != 0 ? 5 : 3, (unsigned long long)i, len);
  memset(p, 'v', len);
  p += len;
  if (ttl_s == 0) return p + sprintf(p, "\r\n");
  char number[16];
  int n = sprintf(number, "%u", ttl_s);
  return p + sprintf(p, "\r\n$2\r\nEX\r\n$%d\r\n%s\r\n", n, number);
}

static uint64_t feed(rd_session *s, const char *data, size_t len) {
  rd_status status = rd_session_feed(s, (const uint8_t *)data, len, wall_ms());
  while (status == RD_BUSY) status = rd_session_resume(s, wall_ms());
  if (status != RD_MORE) {
    fprintf(stderr, "the session says %d\n", (int)status);
    exit(1);
  }
  uint64_t n = rd_session_output(s).len;
  rd_session_consumed(s, n);
  return n;
}

/* Insert keys 0 .. n - 1 in pipelines. */
static void fill(rd_session *s, uint64_t n, unsigned len, unsigned ttl_s) {
  static char buffer[PIPELINE * 1200];
  for (uint64_t i = 0; i < n;) {
    char *p = buffer;
    for (unsigned k = 0; k < PIPELINE && i < n; k++, i++) p = command(p, true, i, len, ttl_s);
    feed(s, buffer, (size_t)(p - buffer));
  }
}

/* CPU nanoseconds a command of `rounds` pipelines with random keys out of n. The requests are made before the clock
 * runs. */
static double measure(rd_session *s, bool set, uint64_t n, unsigned len) {
  enum { PIPES = 64 };
  size_t cap = PIPELINE * (size_t)(len + 80);
  char *all = malloc(PIPES * cap);
  size_t *end = malloc(PIPES * sizeof *end);
  uint64_t spent = 0, done = 0, replies = 0;
  for (int round = 0; round < 512; round++) {
    for (int i = 0; i < PIPES; i++) {
      char *p = all + (size_t)i * cap;
      for (unsigned k = 0; k < PIPELINE; k++) p = command(p, set, roll(n), len, 0);
      end[i] = (size_t)(p - (all + (size_t)i * cap));
    }
    uint64_t t = cpu_ns();
    for (int i = 0; i < PIPES; i++) replies += feed(s, all + (size_t)i * cap, end[i]);
    spent += cpu_ns() - t;
    done += (uint64_t)PIPES * PIPELINE;
  }
  if (replies < done * (set ? 5 : len)) fprintf(stderr, "misses: %llu bytes of replies\n", (unsigned long long)replies);
  free(all);
  free(end);
  return (double)spent / (double)done;
}

static void bench_speed(uint64_t n) {
  rd_store st = new_store(n * 120 + 256 * MIB, RD_ALLKEYS_LRU);
  rd_session *s = new_session(&st);
  fill(s, n, 32, 0);
  double get = measure(s, false, n, 32), set = measure(s, true, n, 32);
  printf("get_%llum_keys %.1f ns %.2f M/s\n", (unsigned long long)(n / 1000000), get, 1e3 / get);
  printf("set_%llum_keys %.1f ns %.2f M/s\n", (unsigned long long)(n / 1000000), set, 1e3 / set);
  rd_session_free(s);
  free_store(&st);
}

static void bench_memory(void) {
  for (unsigned ttl = 0; ttl < 2; ttl++) {
    const uint64_t n = 1000000;
    rd_store st = new_store(1024 * MIB, RD_NOEVICTION);
    rd_session *s = new_session(&st);
    fill(s, n, 32, ttl * 10000);
    double used = (double)rd_used_memory(&st) - (double)n * 48;
    double committed = (double)rd_committed_memory(&st) - (double)n * 48;
    printf("overhead%s %.2f bytes_per_key\n", ttl ? "_ttl" : "", used / (double)n);
    printf("overhead%s_whole_regions %.2f bytes_per_key\n", ttl ? "_ttl" : "", committed / (double)n);
    rd_session_free(s);
    free_store(&st);
  }
}

static void bench_stall(uint64_t n) {
  static char buffer[256];
  rd_store st = new_store(n * 120 + 256 * MIB, RD_ALLKEYS_LRU);
  rd_session *s = new_session(&st);
  uint64_t histogram[40] = {0}, histogram_cpu[40] = {0}, worst = 0, worst_cpu = 0;
  for (uint64_t i = 0; i < n; i++) {
    char *p = command(buffer, true, i, 32, 0);
    uint64_t t = wall_ns(), c = cpu_ns();
    feed(s, buffer, (size_t)(p - buffer));
    c = cpu_ns() - c;
    t = wall_ns() - t;
    if (t > worst) worst = t;
    if (c > worst_cpu) worst_cpu = c;
    histogram[63 - __builtin_clzll(t | 1)]++;
    histogram_cpu[63 - __builtin_clzll(c | 1)]++;
  }
  printf("stall_longest %.1f us\n", (double)worst / 1e3);
  printf("stall_longest_cpu %.1f us\n", (double)worst_cpu / 1e3);
  for (int i = 0; i < 40; i++) {
    if (histogram[i] == 0 && histogram_cpu[i] == 0) continue;
    printf("stall_below_%.3f_us %llu commands %llu by_cpu\n", (double)(2ull << i) / 1e3,
           (unsigned long long)histogram[i], (unsigned long long)histogram_cpu[i]);
  }
  rd_session_free(s);
  free_store(&st);
}

static void bench_shift(void) {
  rd_store st = new_store(256 * MIB, RD_ALLKEYS_LRU);
  rd_session *s = new_session(&st);
  static char buffer[PIPELINE * 1200];
  uint64_t next = 0, keys[3];
  const unsigned len[3] = {100, 1000, 100};
  for (int phase = 0; phase < 3; phase++) {
    uint64_t bytes = 0;
    while (bytes < 3 * 256 * MIB) {
      char *p = buffer;
      for (unsigned k = 0; k < PIPELINE; k++) p = command(p, true, next++, len[phase], 0);
      feed(s, buffer, (size_t)(p - buffer));
      bytes += PIPELINE * (len[phase] + 48);
    }
    keys[phase] = rd_count(&st, 0);
    printf("shift_%d_%u_bytes %llu keys\n", phase, len[phase], (unsigned long long)keys[phase]);
  }
  printf("shift_last_to_first %.1f percent\n", 100.0 * (double)keys[2] / (double)keys[0]);
  rd_session_free(s);
  free_store(&st);
}

static void bench_large(void) {
  const rd_policy policies[] = {RD_ALLKEYS_LRU, RD_ALLKEYS_LFU, RD_ALLKEYS_RANDOM, RD_ALLKEYS_S3FIFO};
  for (unsigned i = 0; i < 4; i++) {
    rd_store st = new_store(64 * MIB, policies[i]);
    rd_session *s = new_session(&st);
    fill(s, 1000000, 32, 0);
    char *request = malloc(10 * MIB + 100), *p = request;
    p += sprintf(p, "*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$%llu\r\n", 10 * MIB);
    memset(p, 'x', 10 * MIB);
    p += 10 * MIB;
    p += sprintf(p, "\r\n*2\r\n$6\r\nSTRLEN\r\n$5\r\nlarge\r\n");
    uint64_t t = wall_ns();
    rd_status status = rd_session_feed(s, (uint8_t *)request, (size_t)(p - request), wall_ms());
    while (status == RD_BUSY) status = rd_session_resume(s, wall_ms());
    t = wall_ns() - t;
    rd_bytes out = rd_session_output(s);
    bool ok = out.len == 16 && memcmp(out.data, "+OK\r\n:10485760\r\n", 16) == 0;
    printf("large_%s %s %.1f ms\n", rd_policy_name(policies[i]), ok ? "fits" : "FAILS", (double)t / 1e6);
    free(request);
    rd_session_free(s);
    free_store(&st);
  }
}

/* A million keys expire in one second while a client uses 10,000 others, with the sweep as the daemon runs it:
 * 1 ms in every 10. */
static void bench_expire(void) {
  const uint64_t n = 1000000, others = 10000;
  rd_store st = new_store(1024 * MIB, RD_NOEVICTION);
  rd_session *s = new_session(&st);
  static char buffer[256];
  for (uint64_t i = 0; i < others; i++) feed(s, buffer, (size_t)(command(buffer, true, 2 * n + i, 32, 0) - buffer));
  uint64_t before = rd_used_memory(&st);
  fill(s, n, 32, 3);
  uint64_t full = rd_used_memory(&st), start = wall_ms(), worst = 0, worst_cpu = 0, commands = 0, freed_at = 0;
  while (wall_ms() - start < 16000) {
    uint64_t turn = wall_ns();
    st.now_ms = wall_ms();
    uint64_t t = wall_ns(), c = cpu_ns();
    rd_sweep(&st, 0, st.num_shards, 1000000);
    bool swept = true;
    while (wall_ns() - turn < 10000000) {
      char *p = command(buffer, commands % 2 == 0, 2 * n + roll(others), 32, 0);
      if (!swept) t = wall_ns(), c = cpu_ns(); /* a command that waits for the sweep takes the time of both */
      feed(s, buffer, (size_t)(p - buffer));
      c = cpu_ns() - c;
      t = wall_ns() - t;
      if (t > worst) worst = t;
      if (c > worst_cpu) worst_cpu = c;
      swept = false;
      commands++;
      if ((commands & 1023) == 0) usleep(100);
    }
    if (freed_at == 0 && rd_count_volatile(&st, 0) == 0) freed_at = wall_ms();
    if (freed_at != 0 && wall_ms() - freed_at > 500) break;
  }
  printf("expire_longest_command %.1f us\n", (double)worst / 1e3);
  printf("expire_longest_command_cpu %.1f us\n", (double)worst_cpu / 1e3);
  if (freed_at == 0)
    printf("expire_memory_free NEVER s\n");
  else
    printf("expire_memory_free_after %.2f s\n", (double)(freed_at - start) / 1e3 - 3.0);
  printf("expire_memory_before %.2f MB\n", (double)before / 1e6);
  printf("expire_memory_full %.2f MB\n", (double)full / 1e6);
  printf("expire_memory_after %.2f MB\n", (double)rd_used_memory(&st) / 1e6);
  rd_session_free(s);
  free_store(&st);
}

/* ---- one process, and two, on one arena ---- */

#define CORES_PIPELINE 16u
#define CORES_PIPES 8192u
#define CORES_KEYS 1000000u
#define CORES_MEMORY (512 * MIB)

typedef struct course {
  _Atomic unsigned ready;
  _Atomic bool go, stop;
  struct {
    uint64_t commands, wall, cpu;
  } runner[2];
} course;

typedef struct mix {
  const char *name;
  unsigned writes; /* of 100 commands */
  uint64_t hashes; /* that the fields are in; 0: strings */
} mix;

/* A command on string number i, or on field number i of all fields of the hashes. */
static char *cores_command(char *p, const mix *m, bool write, uint64_t i) {
  if (m->hashes == 0) return command(p, write, i, 32, 0);
  const char *value = write ? "$16\r\nvvvvvvvvvvvvvvvv\r\n" : "";
  return p + sprintf(p, "*%d\r\n$4\r\nH%cET\r\n$12\r\nh:%010llu\r\n$8\r\n%08llu\r\n%s", write ? 4 : 3,
                     write ? 'S' : 'G', (unsigned long long)(i % m->hashes), (unsigned long long)(i / m->hashes),
                     value);
}

static void cores_fill(rd_session *s, const mix *m) {
  char text[200];
  for (uint64_t i = 0; i < CORES_KEYS; i++) feed(s, text, (size_t)(cores_command(text, m, true, i) - text));
}

/* Process number `who`, on the CPU of that number: sessions, locks and counters as a worker of the daemon has them,
 * on the arena of `fd` or, when that is -1, on one of its own. The requests are made before it says that it is ready.
 */
static void cores_run(course *c, unsigned who, int fd, const mix *m) {
  rd_store st;
  char err[200] = "";
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(who, &cpus);
  if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) exit(1);
  if (fd < 0) {
    st = new_store(CORES_MEMORY, RD_ALLKEYS_LRU);
  } else if (rd_attach(&st, fd, err, sizeof err) != 0 || rd_worker_join(&st, who + 1) < 0) {
    fprintf(stderr, "no second process: %s\n", err);
    exit(1);
  }
  st.clock = rd_monotonic_ns;
  rd_session *s = new_session(&st);
  if (fd < 0) cores_fill(s, m);
  char *all = malloc(CORES_PIPES * CORES_PIPELINE * 100u), *p = all;
  size_t *end = malloc(CORES_PIPES * sizeof *end);
  dice += who * 1000003u;
  for (unsigned i = 0; i < CORES_PIPES; i++) {
    for (unsigned k = 0; k < CORES_PIPELINE; k++) p = cores_command(p, m, roll(100) < m->writes, roll(CORES_KEYS));
    end[i] = (size_t)(p - all);
  }
  c->ready++;
  while (!c->go) usleep(50);
  uint64_t wall = wall_ns(), cpu = cpu_ns(), done = 0;
  for (unsigned i = 0; !c->stop; i = (i + 1) % CORES_PIPES, done += CORES_PIPELINE) {
    size_t begin = i == 0 ? 0 : end[i - 1];
    feed(s, all + begin, end[i] - begin);
  }
  c->runner[who].wall = wall_ns() - wall;
  c->runner[who].cpu = cpu_ns() - cpu;
  c->runner[who].commands = done;
  rd_worker_leave(&st);
  exit(0);
}

static void cores_race(const mix *m, const char *name, unsigned processes, int fd) {
  course *c = mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (c == MAP_FAILED) exit(1);
  fflush(stdout);
  for (unsigned i = 0; i < processes; i++) {
    pid_t pid = fork();
    if (pid < 0) exit(1);
    if (pid == 0) cores_run(c, i, fd, m);
  }
  int status = 0;
  while (c->ready < processes) {
    if (waitpid(-1, &status, WNOHANG) > 0) exit(1);
    usleep(50);
  }
  c->go = true;
  usleep(500000);
  c->stop = true;
  double rate = 0, by_cpu = 0;
  for (unsigned i = 0; i < processes; i++) {
    if (wait(&status) < 0 || status != 0) exit(1);
  }
  for (unsigned i = 0; i < processes; i++) {
    rate += (double)c->runner[i].commands / ((double)c->runner[i].wall / 1e9);
    by_cpu += (double)c->runner[i].commands / ((double)c->runner[i].cpu / 1e9);
  }
  printf("cores_%s_%s %.0f commands_per_second\n", m->name, name, rate);
  printf("cores_%s_%s_cpu %.0f commands_per_cpu_second\n", m->name, name, by_cpu);
  munmap(c, sizeof *c);
}

/* One process, two on the same arena, and for comparison two that share nothing: the machine's capacity for two. Fields
 * of many hashes are in all shards; those of the hot hash are in one, which one process at a time can have. */
static void bench_cores(void) {
  static const mix mixes[] = {{"get", 0, 0},         {"mixed", 9, 0},    {"set", 100, 0},     {"hget", 0, 100000},
                              {"hset", 100, 100000}, {"hot_hget", 0, 1}, {"hot_hset", 100, 1}};
  for (unsigned i = 0; i < sizeof mixes / sizeof *mixes; i++) {
    rd_store st = new_store(CORES_MEMORY, RD_ALLKEYS_LRU);
    rd_session *s = new_session(&st);
    cores_fill(s, &mixes[i]);
    cores_race(&mixes[i], "one", 1, st.fd);
    cores_race(&mixes[i], "two", 2, st.fd);
    cores_race(&mixes[i], "apart", 2, -1);
    rd_session_free(s);
    free_store(&st);
  }
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
  if (strcmp(what, "memory") == 0)
    bench_memory();
  else if (strcmp(what, "speed") == 0)
    bench_speed(n != 0 ? n : 1000000);
  else if (strcmp(what, "stall") == 0)
    bench_stall(n != 0 ? n : 10000000);
  else if (strcmp(what, "shift") == 0)
    bench_shift();
  else if (strcmp(what, "large") == 0)
    bench_large();
  else if (strcmp(what, "expire") == 0)
    bench_expire();
  else if (strcmp(what, "cores") == 0)
    bench_cores();
  else {
    fprintf(stderr, "usage: core memory | speed [KEYS] | stall [KEYS] | shift | large | expire | cores\n");
    return 2;
  }
  return 0;
}
