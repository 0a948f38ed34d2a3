/* test_blocking_oom.c - blocking commands without memory. The Nth allocation fails, of the process or of the arena's
 * heap, for every N, only that one or that one with all that follow: while a client begins to wait, while it is served,
 * while it takes what another worker gave, and while elements go back. For each N no element is lost or given twice,
 * once there is memory again nobody waits beside a list that has elements, and in the end no queue has an entry. */
#include "arena/layout.h"
#include "faults.h"
#include "pubsub_fixture.h"
#include "session/blocking.h"
#include "session/records.h"

enum { WAITERS = 3, MOST_CALLS = 400 };

/* The clients wait with these commands; `change` is sent then. */
typedef struct scene {
  const char *wait[WAITERS];
  const char *change;
  const char *elements; /* the letters that the change adds, each once */
} scene;

static const scene scenes[] = {
    {{"BLPOP k 0\r\n"}, "RPUSH k a b\r\n", "ab"},
    {{"BLPOP k 0\r\n", "BRPOP o k 0\r\n", "BLPOP k 0\r\n"}, "RPUSH k a b c d\r\n", "abcd"},
    {{"BLMPOP 0 2 o k LEFT COUNT 9\r\n", "BLPOP o 0\r\n"}, "MULTI\r\nRPUSH k a b\r\nRPUSH o c d\r\nEXEC\r\n", "abcd"},
    {{"BLMOVE k o LEFT RIGHT 0\r\n", "BLPOP o 0\r\n"}, "RPUSH k a b\r\n", "ab"},
    {{"BZPOPMIN k 0\r\n", "BZMPOP 0 1 k MAX COUNT 2\r\n"}, "ZADD k 1 a 2 b 3 c 4 d\r\n", "abcd"},
};

/* The steps in which allocations fail. */
typedef enum step { WAITING, CHANGING, TAKING, LEAVING, STEPS } step;

static rig_client waiter[WAITERS], pusher;
static uint32_t waiters;

static fault *armed; /* NULL: none */
static uint64_t armed_at;
static bool armed_once;

static void arm(bool now) {
  if (armed == NULL) return;
  if (now)
    fault_arm(armed, armed_at, armed_once);
  else
    fault_disarm(armed);
}

static void feed(rig_client *c, const char *text, bool failing) {
  if (failing) arm(true);
  c->status = rd_session_feed(c->session, (const uint8_t *)text, strlen(text), c->st->now_ms);
  while (c->status == RD_BUSY) c->status = rd_session_resume(c->session, c->st->now_ms);
  if (failing) arm(false);
  rig_serve(c);
}

static void resume(rig_client *c, bool failing) {
  if (c->status != RD_BLOCKED) return;
  if (failing) arm(true);
  c->status = rd_session_resume(c->session, c->st->now_ms);
  if (failing) arm(false);
  rig_serve(c);
}

/* A turn of both workers. */
static void turn(bool failing) {
  for (uint32_t i = 0; i < waiters; i++) resume(&waiter[i], failing);
  if (failing) arm(true);
  rd_records_read(&st);
  rd_waits_settle(&st);
  if (failing) arm(false);
  rd_records_read(&second);
  rd_waits_settle(&second);
}

/* The letters that stand alone on a line of what the client got, besides the names of keys. */
static void count_letters(rig_client *c, uint32_t count[256]) {
  for (size_t i = 1; i + 2 < c->len; i++) {
    if (c->out[i - 1] == '\n' && c->out[i + 1] == '\r' && c->out[i] >= 'a' && c->out[i] <= 'f') count[c->out[i]]++;
  }
}

/* True for BLMOVE, whose reply names an element that is in a list, too. */
static bool moves(const char *command) { return strncmp(command, "BLMOVE", 6) == 0; }

/* True if one of the keys that the command waits for exists. */
static bool key_exists(const char *command) {
  rig_client c = client();
  bool k = strcmp(tell(&c, "EXISTS k\r\n"), ":1\r\n") == 0, o = strcmp(tell(&c, "EXISTS o\r\n"), ":1\r\n") == 0;
  rig_client_free(&c);
  return (k && strstr(command, " k ") != NULL) || (o && strstr(command, " o ") != NULL && !moves(command));
}

static uint64_t play(const scene *sc, bool there, step failing) {
  uint32_t count[256] = {0}, gone = 0;
  open_store();
  open_second();
  rig_client *p = &pusher;
  pusher = there ? rig_client_new(&second, NULL) : client();
  rd_waits_tend(&second);
  waiters = 0;
  while (waiters < WAITERS && sc->wait[waiters] != NULL) {
    waiter[waiters] = client();
    feed(&waiter[waiters], sc->wait[waiters], failing == WAITING);
    waiters++;
  }
  feed(p, sc->change, failing == CHANGING);
  bool pushed = p->len != 0 && memchr(p->out, '-', p->len) == NULL;
  if (failing == LEAVING || failing == TAKING) turn(failing == TAKING);
  if (failing == LEAVING) { /* the first client goes; what it has not taken yet goes back */
    if (!moves(sc->wait[0])) count_letters(&waiter[0], count);
    arm(true);
    rd_session_free(waiter[0].session);
    arm(false);
    free(waiter[0].out);
    for (uint32_t i = 1; i < waiters; i++) waiter[i - 1] = waiter[i];
    waiters--;
    gone = 1;
  }
  for (int i = 0; i < 3; i++) {
    rd_waits_tend(&st);
    rd_waits_tend(&second);
    turn(false);
  }
  rig_client q = client();
  for (uint32_t i = 0; i < waiters; i++) {
    if (!moves(sc->wait[i + gone])) count_letters(&waiter[i], count);
    if (waiter[i].status == RD_BLOCKED && key_exists(sc->wait[i + gone]))
      CHECK_FAIL("client %u waits beside a value", i);
  }
  for (uint32_t i = 0; i < waiters; i++) rig_client_free(&waiter[i]);
  rd_waits_tend(&st);
  rig_say(&q, sc->change[0] == 'Z' ? "ZRANGE k 0 -1\r\n" : "LRANGE k 0 -1\r\nLRANGE o 0 -1\r\n");
  count_letters(&q, count);
  uint32_t all = 0;
  for (const char *e = sc->elements; *e != 0; e++) {
    if (count[(uint8_t)*e] > 1) CHECK_FAIL("%c was given %u times", *e, count[(uint8_t)*e]);
    all += count[(uint8_t)*e] == 1;
  }
  size_t wanted = strlen(sc->elements);
  if (pushed && all != wanted) CHECK_FAIL("%u elements of %zu are left", all, wanted);
  rig_client_free(&q);
  rig_client_free(p);
  rd_waits_tend(&st);
  rd_waits_tend(&second);
  for (uint32_t s = 0; s < st.num_shards; s++) CHECK_INT(rd_shard_at(&st, s)->index[RD_WAIT_SLOT].count, 0);
  close_second();
  close_store();
  return armed != NULL ? armed->hits : 0;
}

static void no_element_is_lost_and_no_client_forgotten(fault *f) {
  uint64_t struck = 0;
  for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
    for (int there = 0; there < 2; there++) {
      for (int failing = WAITING; failing < STEPS; failing++) {
        for (int once = 0; once < 2; once++) {
          for (uint64_t n = 0; n < MOST_CALLS; n++) {
            armed = f;
            armed_at = n;
            armed_once = once;
            f->hits = 0;
            uint64_t hits = play(&scenes[i], there, (step)failing);
            armed = NULL;
            struck += hits;
            if (!check_ok) {
              CHECK_FAIL("scene %zu, %s, step %d, %s %llu", i, there ? "there" : "here", failing,
                         once ? "only" : "from", (unsigned long long)n);
              return;
            }
            if (hits == 0) break;
          }
        }
      }
    }
  }
  printf("    %llu allocations failed\n", (unsigned long long)struck);
  CHECK(struck > 100);
}

static void without_memory_of_the_process(void) { no_element_is_lost_and_no_client_forgotten(&process_fault); }
static void without_memory_of_the_arena(void) { no_element_is_lost_and_no_client_forgotten(&arena_fault); }

int main(void) {
  RUN(without_memory_of_the_process);
  RUN(without_memory_of_the_arena);
  return check_end();
}
