/* load.c - the load for measurements of servers: one program for all of them, RESP or memcached's text protocol.
 *
 *     load --unix PATH | --port N [--host ADDRESS] [--tls]      loopback only
 *          [--protocol resp|memcached] [--workload get|set|mixed|mget|mset|incr|fill|command]
 *          [--command "WORD WORD ..."] [--members N]
 *          [--prefix FOUR] [--keys N] [--value BYTES] [--zipf EXPONENT] [--pipeline N] [--connections N] [--threads N]
 *          [--requests N] [--seconds S] [--rate PER_SECOND] [--cpu-of PID]...
 *
 * A connection sends `pipeline` commands in one write, and the next ones when all of them are answered. Without --rate
 * that is at once (closed loop). With --rate batches are due at random times (Poisson), whether the server keeps up or
 * not: a batch that finds every connection busy waits, and its latency is counted from the time it was due. The run
 * ends after `requests` commands (rounded up to whole batches a thread) or `seconds`, whichever comes first; FILL sets
 * every key once. --command gives a command with placeholders (load_stream.h) for the workloads command and fill.
 *
 * Output: one JSON object. Latencies are of single replies, from the sending of their batch (or when it was due) to the
 * read that brought them. `server_cpu_us` is the CPU time of the processes given, from the time that all connections
 * are open to the last reply, for one command. Exit status 1 when a reply was an error or had a wrong shape, when a
 * connection broke, or when replies did not come. */
#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

#include "load_histogram.h"
#include "load_reply.h"
#include "load_stream.h"
#include "load_wire.h"

#define SECOND 1000000000ull
#define DRAIN (10 * SECOND) /* how long the run waits for the last replies after the end of the time */
#define MAX_CONNECTIONS 20000u
#define MAX_THREADS 16u
#define MAX_PROCESSES 70u
#define RECEIVE (1u << 18)

typedef struct connection {
  wire wire;
  replies replies;
  const uint8_t *kinds; /* of the commands that are not answered yet */
  const char *unsent;   /* the part of the batch that the socket did not take */
  size_t unsent_len;
  uint64_t due;
  uint32_t awaited; /* commands that are not answered yet */
  uint32_t events;  /* the events registered with epoll */
} connection;

typedef struct options {
  address address;
  load_plan plan;
  uint32_t connections, threads;
  uint64_t requests;
  double seconds, rate;
  clockid_t processes[MAX_PROCESSES];
  uint32_t num_processes;
} options;

typedef struct worker {
  const options *options;
  pthread_barrier_t *barrier;
  pthread_t thread;
  stream stream;
  connection *connections;
  uint32_t num_connections, opened, busy;
  connection **idle; /* open loop: a ring of the connections that wait for a batch */
  uint32_t idle_first, num_idle;
  int epoll;
  uint64_t dice, next_due, batches_left, batch;
  uint64_t start, end, cpu;
  tally tally;
  histogram latency, late;         /* nanoseconds; late: from due to sent */
  char failure[LONGEST_LINE + 64]; /* the reason why the run ended early */
  char buffer[LONGEST_LINE + RECEIVE];
} worker;

static uint64_t clock_ns(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) != 0) return 0;
  return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}
static uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

static void fail(worker *w, const char *what, const char *why) {
  if (w->failure[0] == '\0') snprintf(w->failure, sizeof w->failure, "%s: %s", what, why);
}

/* ---- one connection ---- */

static void send_rest(worker *w, connection *c) {
  while (c->unsent_len != 0) {
    ssize_t n = wire_send(&c->wire, c->unsent, c->unsent_len);
    if (n < 0) return fail(w, "send", "the connection is closed");
    if (n == 0) break;
    c->unsent += n;
    c->unsent_len -= (size_t)n;
  }
  uint32_t events = c->unsent_len != 0 ? EPOLLIN | EPOLLOUT : EPOLLIN;
  if (events == c->events) return;
  struct epoll_event e = {.events = events, .data.ptr = c};
  c->events = events;
  if (epoll_ctl(w->epoll, EPOLL_CTL_MOD, c->wire.fd, &e) != 0) fail(w, "epoll", "cannot change what is waited for");
}

static void send_batch(worker *w, connection *c, uint64_t due) {
  uint64_t i = w->batch++ % w->stream.batches;
  size_t begin = i == 0 ? 0 : w->stream.ends[i - 1];
  c->unsent = w->stream.bytes + begin;
  c->unsent_len = w->stream.ends[i] - begin;
  c->awaited = w->options->plan.pipeline;
  c->kinds = w->stream.kinds + i * c->awaited;
  c->due = due;
  w->batches_left--;
  w->busy++;
  send_rest(w, c);
}

static void answered(worker *w, connection *c, uint64_t now) {
  w->busy--;
  if (w->idle != NULL)
    w->idle[(w->idle_first + w->num_idle++) % w->num_connections] = c;
  else if (w->batches_left != 0)
    send_batch(w, c, now);
}

static void receive(worker *w, connection *c) {
  ssize_t n;
  do {
    n = wire_receive(&c->wire, w->buffer + LONGEST_LINE, RECEIVE);
    if (n == 0) return;
    if (n < 0) return fail(w, "receive", "the connection is closed");
    uint64_t now = now_ns();
    char *data = w->buffer + LONGEST_LINE - c->replies.kept;
    size_t len = c->replies.kept + (size_t)n;
    memcpy(data, c->replies.line, c->replies.kept);
    c->replies.kept = 0;
    int done = replies_read(&c->replies, &w->tally, &w->options->plan, c->kinds, c->awaited, data, len);
    if (done < 0) return fail(w, "a reply of a wrong shape", w->tally.error);
    for (int i = 0; i < done; i++) histogram_add(&w->latency, now - c->due);
    c->kinds += done;
    c->awaited -= (uint32_t)done;
    if (done > 0) w->end = now;
    if (done > 0 && c->awaited == 0) answered(w, c, now);
  } while (w->failure[0] == '\0' && ((size_t)n == RECEIVE || wire_pending(&c->wire)));
}

/* ---- one thread ---- */

/* Nanoseconds to the next batch of an open loop; the gaps of a Poisson process. */
static uint64_t gap(worker *w) {
  w->dice ^= w->dice << 13;
  w->dice ^= w->dice >> 7;
  w->dice ^= w->dice << 17;
  double u = (double)((w->dice >> 11) + 1) / 9007199254740993.0;
  return (uint64_t)(-log(u) * 1e9 * w->options->plan.pipeline * w->options->threads / w->options->rate);
}

/* Send the batches that are due. Returns the nanoseconds until a batch is due for which a connection is idle. */
static uint64_t send_due(worker *w) {
  while (w->num_idle != 0 && w->batches_left != 0 && w->failure[0] == '\0') {
    uint64_t now = now_ns();
    if (w->next_due > now) return w->next_due - now;
    connection *c = w->idle[w->idle_first];
    w->idle_first = (w->idle_first + 1) % w->num_connections;
    w->num_idle--;
    histogram_add(&w->late, now - w->next_due);
    send_batch(w, c, w->next_due);
    w->next_due += gap(w);
  }
  return SECOND / 10;
}

static void run(worker *w) {
  struct epoll_event events[256];
  uint64_t stop = w->start + (uint64_t)(w->options->seconds * 1e9);
  w->next_due = w->start;
  for (uint32_t i = 0; w->idle == NULL && i < w->num_connections && w->batches_left != 0; i++)
    send_batch(w, &w->connections[i], w->start);
  while (w->failure[0] == '\0' && (w->batches_left != 0 || w->busy != 0)) {
    uint64_t wait = w->idle != NULL ? send_due(w) : SECOND / 10;
    struct timespec timeout = {.tv_sec = 0, .tv_nsec = (long)wait};
    int n = epoll_pwait2(w->epoll, events, 256, &timeout, NULL);
    for (int i = 0; i < n && w->failure[0] == '\0'; i++) {
      connection *c = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) send_rest(w, c);
      if (events[i].events & ~(uint32_t)EPOLLOUT) receive(w, c);
    }
    uint64_t now = now_ns();
    if (now > stop) w->batches_left = 0;
    if (now > stop + DRAIN) fail(w, "timeout", "replies did not come");
  }
}

/* Prepare a thread. Its connections are opened one after the other. */
static const char *prepare(worker *w) {
  const options *o = w->options;
  const char *error = stream_make(&w->stream, &o->plan, w->dice);
  if (error != NULL) return error;
  uint64_t requests = o->requests / o->threads;
  if (o->plan.workload == FILL) requests = o->plan.keys * (o->plan.num_words != 0 ? o->plan.members : 1);
  w->batches_left = (requests + o->plan.pipeline - 1) / o->plan.pipeline;
  w->connections = calloc(w->num_connections, sizeof *w->connections);
  if (w->connections == NULL) return "no memory";
  if (o->rate > 0 && (w->idle = malloc(w->num_connections * sizeof(connection *))) == NULL) return "no memory";
  w->epoll = epoll_create1(EPOLL_CLOEXEC);
  for (uint32_t i = 0; i < w->num_connections; i++) {
    connection *c = &w->connections[i];
    error = wire_open(&c->wire, &o->address);
    w->opened++;
    if (error != NULL) return error;
    struct epoll_event e = {.events = c->events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, c->wire.fd, &e) != 0) return "cannot wait for the connection";
    if (w->idle != NULL) w->idle[w->num_idle++] = c;
  }
  return NULL;
}

static void *thread_main(void *argument) {
  worker *w = argument;
  prctl(PR_SET_TIMERSLACK, 1);
  const char *error = prepare(w);
  if (error != NULL) fail(w, "start", error);
  pthread_barrier_wait(w->barrier); /* all connections are open */
  pthread_barrier_wait(w->barrier); /* the server's time was read */
  uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  w->start = w->end = now_ns();
  if (error == NULL) run(w);
  w->cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
  pthread_barrier_wait(w->barrier); /* all replies have arrived */
  pthread_barrier_wait(w->barrier); /* the server's time was read */
  for (uint32_t i = 0; i < w->opened; i++) wire_close(&w->connections[i].wire);
  return NULL;
}

static uint64_t processes_ns(const options *o) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < o->num_processes; i++) sum += clock_ns(o->processes[i]);
  return sum;
}

/* ---- the run ---- */

static const char *const workloads[] = {"get", "set", "mixed", "mget", "mset", "incr", "fill", "command"};

static void usage(const char *wrong, const char *value) {
  fprintf(stderr, "load: %s: %s\n", wrong, value);
  exit(2);
}

static double number(const char *name, const char *text, double least, double most) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= least && value <= most)) usage(name, text);
  return value;
}

static void watch(options *o, const char *pid) {
  if (o->num_processes == MAX_PROCESSES) usage("too many processes", pid);
  if (clock_getcpuclockid((pid_t)number("cpu-of", pid, 1, 1 << 30), &o->processes[o->num_processes++]) != 0)
    usage("no such process", pid);
}

static workload workload_of(const char *name) {
  for (unsigned i = 0; i < WORKLOADS; i++) {
    if (strcmp(name, workloads[i]) == 0) return (workload)i;
  }
  usage("workload", name);
  return WORKLOADS;
}

/* Cut the text into words, which stay in it. */
static void command(load_plan *plan, char *text) {
  for (char *at = strtok(text, " "); at != NULL; at = strtok(NULL, " ")) {
    if (plan->num_words == MAX_WORDS) usage("too many words", at);
    plan->words[plan->num_words++] = at;
  }
}

static void parse(options *o, int argc, char **argv) {
  enum { UNIX, HOST, PORT, TLS, PROTOCOL, WORKLOAD, PREFIX, KEYS, BYTES, ZIPF, PIPELINE };
  enum { CONNECTIONS = PIPELINE + 1, THREADS, REQUESTS, SECONDS, RATE, CPU_OF, GIVEN, MEMBERS };
  static const struct option names[] = {
      {"unix", 1, NULL, UNIX},         {"host", 1, NULL, HOST},
      {"port", 1, NULL, PORT},         {"tls", 0, NULL, TLS},
      {"protocol", 1, NULL, PROTOCOL}, {"workload", 1, NULL, WORKLOAD},
      {"prefix", 1, NULL, PREFIX},     {"keys", 1, NULL, KEYS},
      {"value", 1, NULL, BYTES},       {"zipf", 1, NULL, ZIPF},
      {"pipeline", 1, NULL, PIPELINE}, {"connections", 1, NULL, CONNECTIONS},
      {"threads", 1, NULL, THREADS},   {"requests", 1, NULL, REQUESTS},
      {"seconds", 1, NULL, SECONDS},   {"rate", 1, NULL, RATE},
      {"cpu-of", 1, NULL, CPU_OF},     {"command", 1, NULL, GIVEN},
      {"members", 1, NULL, MEMBERS},   {NULL, 0, NULL, 0},
  };
  for (int which, index = 0; (which = getopt_long(argc, argv, "", names, &index)) != -1;) {
    const char *name = which == '?' ? "" : names[index].name;
    switch (which) {
      case UNIX:
        o->address.path = optarg;
        break;
      case HOST:
        o->address.host = optarg;
        break;
      case PORT:
        o->address.port = (unsigned)number(name, optarg, 1, 65535);
        break;
      case TLS:
        o->address.tls = true;
        break;
      case PROTOCOL:
        if (strcmp(optarg, "resp") != 0 && strcmp(optarg, "memcached") != 0) usage(name, optarg);
        o->plan.protocol = optarg[0] == 'r' ? RESP : MEMCACHED;
        break;
      case WORKLOAD:
        o->plan.workload = workload_of(optarg);
        break;
      case PREFIX:
        if (strlen(optarg) != 4) usage(name, optarg);
        o->plan.prefix = optarg;
        break;
      case KEYS:
        o->plan.keys = (uint64_t)number(name, optarg, 1, 2e7);
        break;
      case BYTES:
        o->plan.value = (uint32_t)number(name, optarg, 1, 1 << 20);
        break;
      case ZIPF:
        o->plan.zipf = number(name, optarg, 0, 10);
        break;
      case PIPELINE:
        o->plan.pipeline = (uint32_t)number(name, optarg, 1, 1024);
        break;
      case CONNECTIONS:
        o->connections = (uint32_t)number(name, optarg, 1, MAX_CONNECTIONS);
        break;
      case THREADS:
        o->threads = (uint32_t)number(name, optarg, 1, MAX_THREADS);
        break;
      case REQUESTS:
        o->requests = (uint64_t)number(name, optarg, 1, 1e9);
        break;
      case SECONDS:
        o->seconds = number(name, optarg, 0.001, 600);
        break;
      case RATE:
        o->rate = number(name, optarg, 1, 1e8);
        break;
      case GIVEN:
        command(&o->plan, optarg);
        break;
      case MEMBERS:
        o->plan.members = (uint64_t)number(name, optarg, 1, 2e7);
        break;
      case CPU_OF:
        watch(o, optarg);
        break;
      default:
        exit(2);
    }
  }
  if (optind != argc) usage("no such argument", argv[optind]);
  if (o->address.path == NULL && o->address.port == 0) usage("--unix or --port", "missing");
  const char *refused = address_refused(&o->address);
  if (refused != NULL) usage(o->address.path != NULL ? o->address.path : o->address.host, refused);
  if (o->plan.workload == FILL) o->threads = 1;
  if (o->threads > o->connections) usage("more threads than connections", "--threads");
}

static void print_latencies(const char *name, const histogram *h) {
  printf(", \"%s\": {\"mean\": %.2f", name, h->total != 0 ? h->sum / (double)h->total / 1e3 : 0);
  static const char *const names[] = {"p50", "p99", "p99.9"};
  static const double shares[] = {0.5, 0.99, 0.999};
  for (int i = 0; i < 3; i++) printf(", \"%s\": %.2f", names[i], histogram_quantile(h, shares[i]) / 1e3);
  printf(", \"max\": %.2f}", (double)h->max / 1e3);
}

static void report(const options *o, const worker *w, uint64_t server_ns) {
  uint64_t commands = 0;
  for (unsigned k = 0; k < REPLY_KINDS; k++) commands += w->tally.commands[k];
  uint64_t asked = w->tally.hits + w->tally.misses;
  double seconds = (double)(w->end - w->start) / 1e9, done = commands != 0 ? (double)commands : 1;
  printf("{\"workload\": \"%s\", \"protocol\": \"%s\", \"tls\": %s", workloads[o->plan.workload],
         o->plan.protocol == RESP ? "resp" : "memcached", o->address.tls ? "true" : "false");
  printf(", \"connections\": %u, \"threads\": %u, \"pipeline\": %u, \"value\": %u, \"keys\": %llu, \"rate\": %.0f",
         o->connections, o->threads, o->plan.pipeline, o->plan.value, (unsigned long long)o->plan.keys, o->rate);
  printf(", \"commands\": %llu, \"seconds\": %.6f, \"per_second\": %.0f", (unsigned long long)commands, seconds,
         seconds > 0 ? (double)commands / seconds : 0);
  printf(", \"replies\": {\"stored\": %llu, \"value\": %llu, \"values\": %llu, \"number\": %llu, \"any\": %llu}",
         (unsigned long long)w->tally.commands[STORED], (unsigned long long)w->tally.commands[VALUE],
         (unsigned long long)w->tally.commands[VALUES], (unsigned long long)w->tally.commands[NUMBER],
         (unsigned long long)w->tally.commands[ANY]);
  printf(", \"hits\": %llu, \"misses\": %llu, \"hit_ratio\": %.6f, \"errors\": %llu", (unsigned long long)w->tally.hits,
         (unsigned long long)w->tally.misses, asked != 0 ? (double)w->tally.hits / (double)asked : 0,
         (unsigned long long)w->tally.errors);
  double busy = seconds > 0 ? (double)w->cpu / 1e9 / seconds : 0;
  printf(", \"server_cpu_us\": %.4f, \"server_busy\": %.3f", (double)server_ns / 1e3 / done,
         seconds > 0 ? (double)server_ns / 1e9 / seconds : 0);
  printf(", \"client_cpu_us\": %.4f, \"client_busy\": %.3f, \"client_limited\": %s", (double)w->cpu / 1e3 / done, busy,
         busy >= 0.95 * o->threads ? "true" : "false");
  print_latencies("latency_us", &w->latency);
  print_latencies("late_us", &w->late);
  printf("}\n");
}

static void merge(worker *into, const worker *from) {
  for (unsigned k = 0; k < REPLY_KINDS; k++) into->tally.commands[k] += from->tally.commands[k];
  into->tally.hits += from->tally.hits;
  into->tally.misses += from->tally.misses;
  into->tally.errors += from->tally.errors;
  if (into->tally.error[0] == '\0') memcpy(into->tally.error, from->tally.error, sizeof into->tally.error);
  if (into->failure[0] == '\0') memcpy(into->failure, from->failure, sizeof into->failure);
  histogram_merge(&into->latency, &from->latency);
  histogram_merge(&into->late, &from->late);
  into->cpu += from->cpu;
  if (from->start < into->start) into->start = from->start;
  if (from->end > into->end) into->end = from->end;
}

int main(int argc, char **argv) {
  options o = {
      .address = {.host = "127.0.0.1"},
      .plan = {.prefix = "key:", .keys = 100000, .value = 32, .pipeline = 1, .zipf = 0.99, .members = 1},
      .connections = 50,
      .threads = 1,
      .requests = 1000000,
      .seconds = 10,
  };
  parse(&o, argc, argv);
  signal(SIGPIPE, SIG_IGN);
  worker *workers = calloc(o.threads, sizeof *workers);
  pthread_barrier_t barrier;
  if (workers == NULL || pthread_barrier_init(&barrier, NULL, o.threads + 1) != 0) usage("threads", "no memory");
  for (uint32_t i = 0; i < o.threads; i++) {
    worker *w = &workers[i];
    w->options = &o;
    w->barrier = &barrier;
    w->dice = i + 1;
    w->num_connections = o.connections / o.threads + (i < o.connections % o.threads);
    if (pthread_create(&w->thread, NULL, thread_main, w) != 0) usage("threads", "cannot be started");
  }
  pthread_barrier_wait(&barrier);
  uint64_t before = processes_ns(&o);
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  uint64_t spent = processes_ns(&o) - before;
  pthread_barrier_wait(&barrier);
  for (uint32_t i = 0; i < o.threads; i++) pthread_join(workers[i].thread, NULL);
  for (uint32_t i = 1; i < o.threads; i++) merge(&workers[0], &workers[i]);
  report(&o, &workers[0], spent);
  if (workers[0].tally.errors != 0) fprintf(stderr, "load: %s\n", workers[0].tally.error);
  if (workers[0].failure[0] != '\0') fprintf(stderr, "load: %s\n", workers[0].failure);
  return workers[0].tally.errors != 0 || workers[0].failure[0] != '\0';
}
