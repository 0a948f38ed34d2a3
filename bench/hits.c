/* hits.c - the hit ratio of a cache of a given size: one synthetic sequence of requests, sent to the core or to a
 * server.
 *
 *     hits WORKLOAD POLICY REQUESTS SECONDS   the core, with a full cache of 64 MiB; its clock advances SECONDS in all
 *     hits WORKLOAD unix:PATH REQUESTS 0      a server behind a UNIX socket, in real time
 *
 * Look-aside, as applications do it: a GET, and a SET of the key if it was absent. Requests go in pipelines of 64 GETs,
 * then one of the SETs. Keys are of 16 bytes, values of 100. The first half of the requests warms the cache and is not
 * counted.
 *
 * Output: `hits RATIO`, `seconds SECONDS` it took, `keys KEYS` in the cache at the end. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "arena/worker.h"
#include "host.h"
#include "session/session.h"
#include "store/databases.h"
#include "store/run.h"

#define MIB (1024ull * 1024)
#define CACHE (64 * MIB)
#define KEYS 2000000u
#define PIPELINE 64u
#define VALUE 100u
#define BUFFER (PIPELINE * 256u)

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- workloads ---- */

static uint64_t dice = 88172645463325252ull;
static uint64_t roll(uint64_t n) {
  dice ^= dice << 13;
  dice ^= dice >> 7;
  dice ^= dice << 17;
  return (dice >> 16) % n;
}

static double *zipf_sum; /* zipf_sum[i]: how likely one of the i + 1 most popular keys is */

static void zipf_make(double s) {
  double sum = 0;
  zipf_sum = malloc(KEYS * sizeof *zipf_sum);
  if (zipf_sum == NULL) die("malloc");
  for (uint32_t i = 0; i < KEYS; i++) zipf_sum[i] = sum += pow(i + 1.0, -s);
  for (uint32_t i = 0; i < KEYS; i++) zipf_sum[i] /= sum;
}

static uint64_t zipf_next(void) {
  double x = (double)roll(1ull << 46) / (double)(1ull << 46);
  uint32_t low = 0, high = KEYS - 1;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (zipf_sum[middle] < x)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* The key that request i asks for. */
static uint64_t zipf_09(uint64_t i) {
  (void)i;
  return zipf_next();
}

/* In each 500,000 requests, every other one of the second half reads the next of a series of keys that are not
 * requested again. */
static uint64_t zipf_scan(uint64_t i) {
  static uint64_t scanned;
  return i % 500000 >= 250000 && i % 2 != 0 ? KEYS + scanned++ : zipf_next();
}

/* Four of five requests go to a window of 100,000 keys that advances by one key every 10 requests; the rest goes to any
 * key. */
static uint64_t moving(uint64_t i) { return roll(5) != 0 ? (i / 10 + roll(100000)) % KEYS : roll(KEYS); }

/* ---- requests ---- */

static rd_store store;
static rd_session *session; /* NULL: the socket */
static int sock;

static void open_core(rd_policy policy) {
  static const rd_limits limits = {.batch_size = 16, .output_high = MIB, .query_limit = 1024 * MIB, .multi_limit = MIB};
  rd_options o = {.max_memory = CACHE, .num_shards = 256, .policy = policy, .sample_size = 5, .seed = {3, 4}};
  char err[200] = "";
  int fd = memfd_create("redistill-bench", MFD_CLOEXEC);
  if (fd < 0 || rd_create(&store, fd, &o, err, sizeof err) != 0 || rd_worker_join(&store, 0) < 0) die(err);
  session = rd_session_new(&store, &limits);
  if (session == NULL) die("session");
  rd_session_state_of(session)->authenticated = true;
}

static void open_socket(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  sock = socket(AF_UNIX, SOCK_STREAM, 0);
  if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof address) != 0) die(path);
}

static const char *line_end(const char *p, const char *end) {
  for (; p + 1 < end; p++) {
    if (p[0] == '\r' && p[1] == '\n') return p + 2;
  }
  return NULL;
}

/* Send `count` commands and read their replies: bit k of the result is set if reply k was a value. */
static uint64_t talk(const char *request, size_t len, unsigned count, uint64_t now_ms) {
  static char input[BUFFER];
  size_t have = 0;
  if (session != NULL) {
    rd_status status = rd_session_feed(session, (const uint8_t *)request, len, now_ms);
    while (status == RD_BUSY) status = rd_session_resume(session, now_ms);
    if (status != RD_MORE) die("session");
    rd_bytes out = rd_session_output(session);
    have = out.len;
    memcpy(input, out.data, have);
    rd_session_consumed(session, have);
  } else {
    for (size_t sent = 0; sent < len;) {
      ssize_t n = write(sock, request + sent, len - sent);
      if (n <= 0) die("write");
      sent += (size_t)n;
    }
  }
  uint64_t values = 0;
  const char *p = input;
  for (unsigned k = 0; k < count;) {
    const char *next = line_end(p, input + have);
    if (next != NULL && *p == '$' && p[1] != '-') next = next + VALUE + 2 <= input + have ? next + VALUE + 2 : NULL;
    if (next != NULL) {
      if (*p == '-') die(p);
      if (*p == '$' && p[1] != '-') values |= 1ull << k;
      p = next;
      k++;
      continue;
    }
    ssize_t n = session != NULL ? 0 : read(sock, input + have, sizeof input - have);
    if (n <= 0) die("read");
    have += (size_t)n;
  }
  return values;
}

int main(int argc, char **argv) {
  uint64_t (*next)(uint64_t) = NULL;
  if (argc == 5 && strcmp(argv[1], "zipf-0.9") == 0)
    zipf_make(0.9), next = zipf_09;
  else if (argc == 5 && strcmp(argv[1], "zipf-0.99-scan") == 0)
    zipf_make(0.99), next = zipf_scan;
  else if (argc == 5 && strcmp(argv[1], "moving") == 0)
    next = moving;
  if (next == NULL) {
    fprintf(stderr, "usage: hits zipf-0.9|zipf-0.99-scan|moving POLICY|unix:PATH REQUESTS SECONDS\n");
    return 2;
  }
  if (strncmp(argv[2], "unix:", 5) == 0) {
    open_socket(argv[2] + 5);
  } else {
    rd_policy policy = 0;
    while (policy < RD_POLICIES && strcmp(rd_policy_name(policy), argv[2]) != 0) policy++;
    if (policy == RD_POLICIES) die(argv[2]);
    open_core(policy);
  }
  uint64_t requests = strtoull(argv[3], NULL, 10), hits = 0, counted = 0;
  double span = atof(argv[4]), start = seconds();
  static char buffer[BUFFER], value[VALUE + 1];
  memset(value, 'v', VALUE);
  for (uint64_t i = 0; i < requests; i += PIPELINE) {
    uint64_t keys[PIPELINE], now_ms = 1700000000000ull + (uint64_t)(span * 1000 * (double)i / (double)requests);
    char *p = buffer;
    for (unsigned k = 0; k < PIPELINE; k++) {
      keys[k] = next(i + k);
      p += sprintf(p, "*2\r\n$3\r\nGET\r\n$16\r\nkey:%012llu\r\n", (unsigned long long)keys[k]);
    }
    uint64_t found = talk(buffer, (size_t)(p - buffer), PIPELINE, now_ms);
    if (i >= requests / 2) {
      hits += (uint64_t)__builtin_popcountll(found);
      counted += PIPELINE;
    }
    if (found == UINT64_MAX) continue;
    p = buffer;
    for (uint64_t m = ~found; m != 0; m &= m - 1) {
      unsigned long long key = keys[__builtin_ctzll(m)];
      p += sprintf(p, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012llu\r\n$%u\r\n%s\r\n", key, VALUE, value);
    }
    talk(buffer, (size_t)(p - buffer), PIPELINE - (unsigned)__builtin_popcountll(found), now_ms);
  }
  printf("hits %.4f\nseconds %.2f\n", (double)hits / (double)counted, seconds() - start);
  if (session != NULL) printf("keys %llu\n", (unsigned long long)rd_count(&store, 0));
  return 0;
}
