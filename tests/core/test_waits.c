/* test_waits.c - two processes whose clients push, pop and wait; one of them is killed at random points, again and
 * again.
 *
 * The invariant: an element whose push was acknowledged is received once, or is in a list; never twice. An exception is
 * what a client of the killed process had taken and not told yet: one reply for each of its clients at most. No client
 * of the living process waits beside a list that has an element. The same holds for an entry of a stream that the
 * consumers of a group wait for: it is new to one of them, once.
 *
 * RD_CRASH_KILLS sets the number of kills. */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arena/layout.h"
#include "rig.h"
#include "session/blocking.h"
#include "session/queue.h"
#include "session/records.h"

enum { CLIENTS = 5, KEYS = 4, IDS = 1 << 20, MOST_TAKEN = 2 }; /* of each of two keys, for groups */

static struct ledger {
  _Atomic uint32_t next;
  _Atomic uint8_t acked[IDS], got[IDS];
} * ledger;

static rd_store st;
static int fd;
static uint64_t seed;
static uint32_t dice(uint32_t sides) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(seed >> 33) % sides;
}

static uint64_t clock_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The kind of key that the clients of a run use. */
typedef enum load { LISTS, MOVED_LISTS, GROUPS } load;

/* The command of each client; BLMOVE receives nothing: the element is in another list. */
static bool moving[CLIENTS];
static rig_client *first;

/* Note the elements that a reply has. */
static void note(rig_client *c) {
  if (moving[c - first]) c->len = 0;
  for (size_t i = 0; i + 1 < c->len; i++) {
    if (c->out[i] != 'e' || c->out[i + 1] < '0' || c->out[i + 1] > '9') continue;
    uint32_t id = 0;
    for (i++; i < c->len && c->out[i] >= '0' && c->out[i] <= '9'; i++) id = id * 10 + (uint32_t)(c->out[i] - '0');
    if (id < IDS) ledger->got[id]++;
  }
  c->len = 0;
}

/* Say a command that adds element `id`. */
static void add(rig_client *c, const char *text, uint32_t id) {
  rig_say(c, text);
  if (c->len != 0 && (c->out[0] == ':' || c->out[0] == '$')) ledger->acked[id] = 1;
  c->len = 0;
}

static void act_in_group(rig_client *c) {
  char text[200];
  uint32_t a = dice(KEYS), b = dice(KEYS);
  switch (dice(6)) {
    case 0:
      snprintf(text, sizeof text, "XREADGROUP GROUP g c%td COUNT 2 BLOCK 0 STREAMS k%u k%u > >\r\n", c - first, a, b);
      break;
    case 1:
      snprintf(text, sizeof text, "XREADGROUP GROUP g c0 BLOCK 0 NOACK COUNT 2 STREAMS k%u >\r\n", a);
      break;
    case 2: /* only their ids, so the elements are not noted again */
      snprintf(text, sizeof text, "XAUTOCLAIM k%u g c%u 0 0 COUNT 20 JUSTID\r\n", a, b);
      break;
    default: {
      uint32_t id = ledger->next++;
      if (id >= IDS) return;
      snprintf(text, sizeof text, "XADD k%u * f e%u\r\n", a, id);
      add(c, text, id);
      return;
    }
  }
  rig_say(c, text);
  note(c);
}

static void act(rig_client *c, load kind) {
  char text[200];
  uint32_t a = dice(KEYS), b = dice(KEYS);
  if (c->status == RD_BLOCKED) {
    c->status = rd_session_resume(c->session, c->st->now_ms);
    rig_serve(c);
    note(c);
    return;
  }
  if (kind == GROUPS) {
    act_in_group(c);
    return;
  }
  switch (dice(kind == MOVED_LISTS ? 7 : 6)) {
    case 0:
      snprintf(text, sizeof text, "BLPOP k%u k%u 0\r\n", a, b);
      break;
    case 1:
      snprintf(text, sizeof text, "BRPOP k%u 0\r\n", a);
      break;
    case 2:
      snprintf(text, sizeof text, "BLMPOP 0 2 k%u k%u LEFT COUNT 2\r\n", a, b);
      break;
    case 6:
      snprintf(text, sizeof text, "BLMOVE k%u k%u LEFT RIGHT 0\r\n", a, b);
      break;
    default: {
      uint32_t id = ledger->next++;
      if (id >= IDS) return;
      snprintf(text, sizeof text, "RPUSH k%u e%u\r\n", a, id);
      add(c, text, id);
      return;
    }
  }
  moving[c - first] = strncmp(text, "BLMOVE", 6) == 0;
  rig_say(c, text);
  note(c);
}

static void work(rd_store *own, rig_client c[CLIENTS], load kind) {
  first = c;
  rd_records_read(own);
  rd_waits_settle(own);
  act(&c[dice(CLIENTS)], kind);
  for (int i = 0; i < CLIENTS; i++) {
    if (c[i].status == RD_BLOCKED) act(&c[i], kind);
  }
}

static void join(rd_store *own, uint32_t number) {
  char err[200];
  if (rd_attach(own, fd, err, sizeof err) != 0 || rd_worker_join(own, number) < 0) _exit(2);
  own->now_ms = 1700000000000;
  own->clock = clock_ns;
}

/* The other process, until it is killed. */
static void other(load kind) {
  rd_store own;
  rig_client c[CLIENTS];
  join(&own, 1);
  for (int i = 0; i < CLIENTS; i++) c[i] = rig_client_new(&own, NULL);
  for (;;) work(&own, c, kind);
}

/* End all waits, and see what the lists still have. */
static void drain(rig_client c[CLIENTS], load kind) {
  char text[64];
  rd_records_read(&st);
  rd_waits_tend(&st);
  rd_waits_tend(&st);
  for (int i = 0; i < CLIENTS; i++) {
    for (int k = 0; c[i].status == RD_BLOCKED && k < 3; k++) {
      c[i].status = rd_session_resume(c[i].session, st.now_ms);
      rig_serve(&c[i]);
      note(&c[i]);
    }
  }
  for (int i = 0; i < CLIENTS; i++) {
    if (c[i].status != RD_BLOCKED) continue;
    rd_session_unblock(c[i].session, RD_UNBLOCK_TIMEOUT);
    c[i].status = rd_session_resume(c[i].session, st.now_ms);
    rig_serve(&c[i]);
    note(&c[i]);
    CHECK_INT(c[i].status, RD_MORE);
  }
  for (int k = 0; kind != GROUPS && k < KEYS; k++) {
    snprintf(text, sizeof text, "LPOP k%d 100000\r\n", k);
    moving[0] = false;
    rig_say(&c[0], text);
    note(&c[0]);
  }
}

/* The groups anew, where a shard was lost, too. */
static void make_groups(rig_client *c) {
  char text[80];
  for (int k = 0; k < KEYS; k++) {
    snprintf(text, sizeof text, "DEL k%d\r\nXGROUP CREATE k%d g 0 MKSTREAM\r\n", k, k);
    rig_say(c, text);
  }
  c->len = 0;
}

/* An entry that no client has is pending for a client that is gone, or was not delivered: nobody waits beside it. */
static void drain_groups(rig_client *c) {
  char text[80];
  for (int k = 0; k < KEYS; k++) {
    snprintf(text, sizeof text, "XREADGROUP GROUP g c0 NOACK STREAMS k%d >\r\n", k);
    rig_say(c, text);
    note(c);
  }
}

static uint32_t kills_wanted(void) {
  const char *text = getenv("RD_CRASH_KILLS");
  return text != NULL ? (uint32_t)atoi(text) : 150;
}

static void kill_again_and_again(uint32_t shards, load kind) {
  fd = rig_open(&st, 8u << 20, shards, RD_NOEVICTION);
  st.clock = clock_ns;
  rig_client c[CLIENTS];
  for (int i = 0; i < CLIENTS; i++) c[i] = rig_client_new(&st, NULL);
  memset(moving, 0, sizeof moving);
  uint32_t kills = kills_wanted(), missing = 0, losses = 0, given = 0;
  for (uint32_t n = 0; n < kills; n++) {
    memset(ledger, 0, sizeof *ledger);
    seed = n * 7919u + shards;
    if (kind == GROUPS) make_groups(&c[0]);
    uint64_t lost = rd_counter(&st, RD_STAT_shards_lost);
    pid_t pid = fork();
    if (pid == 0) {
      seed += 12345;
      other(kind);
    }
    uint64_t until = clock_ns() + 4000000u + dice(6000000);
    while (clock_ns() < until) work(&st, c, kind);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    for (int i = 0; i < 50; i++) work(&st, c, kind);
    rd_worker_reap(&st, 1);
    drain(c, kind);
    if (kind == GROUPS) drain_groups(&c[0]);
    bool damaged = rd_counter(&st, RD_STAT_shards_lost) != lost;
    losses += damaged;
    uint32_t absent = 0;
    for (uint32_t id = 0; id < ledger->next && id < IDS; id++) {
      if (ledger->got[id] > 1) CHECK_FAIL("kill %u: element %u was given %u times", n, id, ledger->got[id]);
      absent += ledger->acked[id] && ledger->got[id] == 0;
      given += ledger->got[id];
    }
    if (!damaged && absent > CLIENTS * MOST_TAKEN * (kind == GROUPS ? 2 : 1))
      CHECK_FAIL("kill %u: %u elements are lost", n, absent);
    if (!damaged) missing += absent;
    for (uint32_t s = 0; s < st.num_shards; s++) CHECK_INT(rd_shard_at(&st, s)->index[RD_WAIT_SLOT].count, 0);
    char err[200] = "";
    if (rd_check(&st, err, sizeof err) != 0) CHECK_FAIL("kill %u: %s", n, err);
  }
  printf("    %u kills, %u elements given, %u taken by dead clients, %u kills lost a shard\n", kills, given, missing,
         losses);
  for (int i = 0; i < CLIENTS; i++) rig_client_free(&c[i]);
  rig_close(&st, fd);
}

static void no_element_is_lost_or_given_twice(void) { kill_again_and_again(4, LISTS); }
static void no_element_is_lost_or_given_twice_when_lists_are_moved(void) { kill_again_and_again(1, MOVED_LISTS); }

static void no_entry_is_new_to_two_consumers(void) { kill_again_and_again(4, GROUPS); }

int main(void) {
  ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  RUN(no_element_is_lost_or_given_twice);
  RUN(no_element_is_lost_or_given_twice_when_lists_are_moved);
  RUN(no_entry_is_new_to_two_consumers);
  return check_end();
}
