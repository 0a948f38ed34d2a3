/* test_paused.c - a process dies while a long command pauses, and another client's command in the same process is in
 * the middle of a change: only the shard of the latter is lost. Of the former's, one key goes at most, and no value
 * that is half changed is ever read. Each command is killed at many of its pauses. */
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include "arena/layout.h"
#include "arena/longrun.h"
#include "arena/memory.h"
#include "rig.h"

#define SHARDS 16u
#define STOPS 8u /* pauses at which each command is killed */
#define ELEMENTS 3000

static rd_store st;
static int fd;

/* Every reading of the clock adds a slice, so that a long command pauses wherever it may. */
static uint64_t ticks;
static uint64_t ticking(void) { return ticks += RD_SLICE_NS; }

/* ---- commands ---- */

typedef struct text {
  char *at;
  size_t len, cap;
} text;

static void add(text *t, const void *bytes, size_t len) {
  if (t->cap - t->len < len) {
    t->cap = (t->cap + len) * 2;
    t->at = realloc(t->at, t->cap);
  }
  memcpy(t->at + t->len, bytes, len);
  t->len += len;
}

static void add_word(text *t, const char *word) {
  char head[32];
  add(t, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", strlen(word)));
  add(t, word, strlen(word));
  add(t, "\r\n", 2);
}

/* A command from words that are separated by a blank. The word "#a" stands for many: a0, a1 and so on; "#a=" for as
 * many pairs with a value, "#a+" with a score before each; "@4" for 4 MiB. */
static void add_command(text *t, const char *line) {
  text words = {0};
  char *copy = strdup(line), *rest = NULL, name[64];
  uint32_t count = 0;
  for (char *w = strtok_r(copy, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest)) {
    if (*w == '@') {
      size_t len = (size_t)atoi(w + 1) << 20;
      char *value = malloc(len + 1);
      memset(value, 'a' + (int)(len >> 20), len);
      value[len] = 0;
      add_word(&words, value);
      free(value);
      count++;
    } else if (*w != '#') {
      add_word(&words, w);
      count++;
    } else {
      for (int i = 0; i < ELEMENTS; i++) {
        if (w[2] == '+') add_word(&words, (snprintf(name, sizeof name, "%d", i), name));
        add_word(&words, (snprintf(name, sizeof name, "%c%d", w[1], i), name));
        if (w[2] == '=') add_word(&words, "a-value-of-some-bytes");
        count += w[2] == 0 ? 1 : 2;
      }
    }
  }
  char head[32];
  add(t, head, (size_t)snprintf(head, sizeof head, "*%u\r\n", count));
  add(t, words.at, words.len);
  free(words.at);
  free(copy);
}

/* Several commands, separated by a semicolon. */
static text commands(const char *lines) {
  text t = {0};
  char *copy = strdup(lines), *rest = NULL;
  for (char *line = strtok_r(copy, ";", &rest); line != NULL; line = strtok_r(NULL, ";", &rest)) add_command(&t, line);
  free(copy);
  return t;
}

static void run(rig_client *c, const char *lines) {
  text t = commands(lines);
  c->len = 0;
  rig_feed(c, t.at, t.len, t.len);
  free(t.at);
}

static bool answer_is(const rig_client *c, const char *wanted) {
  return c->len == strlen(wanted) && memcmp(c->out, wanted, c->len) == 0;
}

/* ---- deaths ---- */

/* Pause `stop` times; 0: to the end. Returns how often it paused. */
static uint32_t pause_often(rd_store *own, rig_client *c, const char *lines, uint32_t stop) {
  text t = commands(lines);
  uint32_t pauses = 0;
  own->clock = ticking;
  c->status = rd_session_feed(c->session, (const uint8_t *)t.at, t.len, own->now_ms);
  for (;; pauses += rd_session_suspended(c->session), c->status = rd_session_resume(c->session, own->now_ms)) {
    rig_write(c);
    if ((stop != 0 && pauses == stop) || (c->status != RD_BUSY && c->status != RD_FULL)) break;
  }
  free(t.at);
  return pauses;
}

/* In another process: pause so often, begin a change of another shard, and die. Returns whether it paused as often. */
static bool die(const char *lines, uint32_t stop) {
  pid_t pid = fork();
  if (pid == 0) {
    rd_store own;
    char err[200];
    if (rd_attach(&own, fd, err, sizeof err) != 0 || rd_worker_join(&own, 1) < 0) _exit(2);
    own.now_ms = st.now_ms;
    rig_client c = rig_client_new(&own, NULL);
    if (pause_often(&own, &c, lines, stop) < stop) _exit(0);
    uint32_t other = 0;
    while (other < SHARDS && (rd_is_lent(&own, other) || rd_shard_at(&own, other)->index[0].count != 0)) other++;
    if (other < SHARDS) { /* else the command holds them all */
      rd_lock_shard(&own, other);
      rd_mark_dirty(&own, other);
    }
    kill(getpid(), SIGKILL);
  }
  int status;
  waitpid(pid, &status, 0);
  if (!WIFSIGNALED(status)) CHECK_INT(WEXITSTATUS(status), 0);
  return WIFSIGNALED(status);
}

typedef struct death {
  const char *setup;  /* the commands that make the values */
  const char *lines;  /* the commands that are killed */
  const char *probe;  /* its answer is as before, as after, or `absent` */
  const char *absent; /* NULL: any answer */
  bool begins_run;    /* nobody survives: the next process begins a run */
} death;

static void run_again(void) {
  char err[200] = "";
  rd_worker_leave(&st);
  rd_detach(&st);
  if (rd_attach(&st, fd, err, sizeof err) != 0 || rd_worker_join(&st, 0) < 0) CHECK_FAIL("attach: %s", err);
  st.now_ms = 1700000000000;
  st.clock = rig_clock;
}

static void kill_in(const death *d) {
  fd = rig_open(&st, 192 << 20, SHARDS, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  char before[200] = "", after[200] = "";
  run(&c, d->setup);
  run(&c, d->probe);
  snprintf(before, sizeof before, "%.*s", (int)c.len, (const char *)c.out);
  uint32_t pauses = pause_often(&st, &c, d->lines, 0);
  st.clock = rig_clock;
  run(&c, d->probe);
  snprintf(after, sizeof after, "%.*s", (int)c.len, (const char *)c.out);
  if (pauses == 0) CHECK_FAIL("%.60s: never pauses", d->lines);
  uint32_t step = pauses / STOPS + 1, deaths = 0;
  for (uint32_t stop = 1; stop <= pauses; stop += step) {
    run(&c, "FLUSHALL;SET bystander:1 1;SET bystander:2 2;SET bystander:3 3");
    run(&c, d->setup);
    uint64_t lost = rd_counter(&st, RD_STAT_shards_lost);
    if (!die(d->lines, stop)) break;
    if (d->begins_run) {
      rig_client_free(&c);
      run_again();
      lost = 0;
      c = rig_client_new(&st, NULL);
    }
    deaths++;
    rd_lock_all(&st);
    rd_unlock_all(&st);
    if (rd_counter(&st, RD_STAT_shards_lost) - lost > 1)
      CHECK_FAIL("%.60s: pause %u of %u: %llu shards lost", d->lines, stop, pauses,
                 (unsigned long long)(rd_counter(&st, RD_STAT_shards_lost) - lost));
    char err[200] = "";
    if (rd_check(&st, err, sizeof err) != 0) CHECK_FAIL("%.60s: pause %u of %u: %s", d->lines, stop, pauses, err);
    c.len = 0;
    RIG_ASK(&c, "MGET bystander:1 bystander:2 bystander:3\r\n", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n");
    run(&c, d->probe);
    if (d->absent != NULL && !answer_is(&c, before) && !answer_is(&c, after) && !answer_is(&c, d->absent))
      CHECK_FAIL("%.60s: pause %u of %u: half changed: %.*s", d->lines, stop, pauses, (int)c.len, (const char *)c.out);
    run(&c, d->lines); /* the key can be used */
    if (rd_check(&st, err, sizeof err) != 0) CHECK_FAIL("%.60s: again after pause %u: %s", d->lines, stop, err);
  }
  CHECK(deaths > 0);
  rig_client_free(&c);
  rig_close(&st, fd);
}

#define HASH "HSET k #a="
#define LIST "RPUSH k #a"
#define SET_ "SADD k #a"
#define ZSET "ZADD k #a+"
#define NONE ":0\r\n"

static const death changes[] = {
    {"PING", HASH, "HLEN k", NONE, false},
    {"HSET k f v", HASH, "HLEN k", NONE, false},
    {HASH, "HSET k #b=", "HLEN k", NONE, false},
    {HASH, "HDEL k #a", "HLEN k", NULL, false},
    {HASH, "HPEXPIRE k 100000 FIELDS 3000 #a", "HLEN k", NONE, false},
    {HASH, "HSETEX k EX 100 FIELDS 3000 #b=", "HLEN k", NONE, false},
    {HASH, "HGETDEL k FIELDS 3000 #a", "HLEN k", NULL, false},
    {"PING", LIST, "LLEN k", NONE, false},
    {LIST, "LPUSH k #b", "LLEN k", NONE, false},
    {"SADD k 1 2 3", SET_, "SCARD k", NONE, false},
    {SET_, "SADD k #b", "SCARD k", NONE, false},
    {SET_, "SREM k #a", "SCARD k", NULL, false},
    {SET_, "SPOP k 2900", "SCARD k", NULL, false},
    {"ZADD k 1 b", ZSET, "ZCARD k", NONE, false},
    {ZSET, "ZADD k #b+", "ZCARD k", NONE, false},
    {ZSET, "ZREM k #a", "ZCARD k", NULL, false},
    {ZSET, "ZREMRANGEBYRANK k 0 2900", "ZCARD k", NULL, false},
};

static void one_key_is_lost_in_the_middle_of_a_change_of_elements(void) {
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) kill_in(&changes[i]);
}

static const death strings[] = {
    {"PING", "SET k @6", "BITCOUNT k", NONE, false},
    {"SET k @7", "SET k @6", "BITCOUNT k", NONE, false},
    {"SET k @6", "APPEND k @5", "BITCOUNT k", NONE, false},
    {"SET k short", "APPEND k @6", "BITCOUNT k", NONE, false},
    {"SET k @6", "SETRANGE k 7000000 @5", "BITCOUNT k", NONE, false},
    {"SET k @6", "SETRANGE k 100 @5", "BITCOUNT k", NONE, false},
    {"SET k @6", "SETBIT k 100000000 1", "BITCOUNT k", NONE, false},
    {"SET k @6", "GETDEL k", "BITCOUNT k", NONE, false},
    {"SET k @6", "GETSET k @5", "BITCOUNT k", NONE, false},
};

static void one_key_is_lost_in_the_middle_of_a_change_of_a_large_string(void) {
  for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) kill_in(&strings[i]);
}

static const death several[] = {
    {"SET {1}k @6", "BITOP NOT k {1}k", "BITCOUNT k", NONE, false},
    {"SET s @6;SET k @5", "COPY s k REPLACE", "BITCOUNT k", NONE, false},
    {"SET s @6;SET k @5", "RENAME s k", "BITCOUNT k", NONE, false},
    {"SET m @5", "MSET k @6 m @7", "BITCOUNT k", NONE, false},
    {"SET m @5", "MSETEX 2 k @6 m @7 EX 100", "BITCOUNT k", NONE, false},
    {SET_ ";SADD l #b", "SUNIONSTORE k k l", "SCARD k", NONE, false},
    {ZSET ";ZADD l #b+", "ZUNIONSTORE k 2 k l", "ZCARD k", NONE, false},
    {LIST, "SORT k ALPHA STORE k", "LLEN k", NONE, false},
};

static void one_key_is_lost_by_a_command_of_several(void) {
  for (size_t i = 0; i < sizeof several / sizeof *several; i++) kill_in(&several[i]);
}

static const death transactions[] = {
    {"SET k @6", "MULTI;APPEND k @5;HSET h #a=;EXEC", "BITCOUNT k", NULL, false},
    {HASH, "MULTI;HSET k #b=;EXEC", "HLEN k", NONE, false},
};

static void one_key_is_lost_by_a_transaction(void) {
  for (size_t i = 0; i < sizeof transactions / sizeof *transactions; i++) kill_in(&transactions[i]);
}

static const death runs[] = {
    {HASH, "HSET k #b=", "HLEN k", NONE, true},
    {"SET k @6", "APPEND k @5", "BITCOUNT k", NONE, true},
};

static void one_key_is_lost_when_the_next_process_begins_a_run(void) {
  for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) kill_in(&runs[i]);
}

int main(void) {
  RUN(one_key_is_lost_in_the_middle_of_a_change_of_elements);
  RUN(one_key_is_lost_in_the_middle_of_a_change_of_a_large_string);
  RUN(one_key_is_lost_by_a_command_of_several);
  RUN(one_key_is_lost_by_a_transaction);
  RUN(one_key_is_lost_when_the_next_process_begins_a_run);
  return check_end();
}
