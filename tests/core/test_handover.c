/* test_handover.c - sessions that move to another process: they continue there with what they have begun, and the
 * client notices nothing. The other process is another store over the same arena; one test has a real one. */
#include <sys/wait.h>

#include "arena/layout.h"
#include "faults.h"
#include "rig.h"
#include "session/handover.h"
#include "session/monitor.h"
#include "store/databases.h"
#include "store/pause.h"
#include "store/run.h"

#define MEMORY (16u << 20)

static const rd_limits usual = {
    .batch_size = 16, .output_high = 1u << 20, .query_limit = 1ull << 30, .multi_limit = 1ull << 30};

typedef struct pair {
  rd_store here, there;
  int fd;
} pair;

static void pair_open(pair *p) {
  char err[200];
  p->fd = rig_open(&p->here, MEMORY, 4, RD_NOEVICTION);
  if (rd_attach(&p->there, p->fd, err, sizeof err) != 0 || rd_worker_join(&p->there, 1) != 1) exit(2);
  p->there.now_ms = p->here.now_ms;
  p->there.clock = rig_clock;
}

static void pair_close(pair *p) {
  for (uint32_t i = 0; i < p->here.num_shards; i++) CHECK_INT(rd_shard_at(&p->here, i)->watchers, 0);
  rd_worker_leave(&p->there);
  rd_detach(&p->there);
  rig_close(&p->here, p->fd);
}

typedef struct blob {
  uint8_t *data;
  size_t len;
} blob;

static blob saved(rd_session *s) {
  blob b = {0};
  CHECK_INT(rd_session_save(s, (rd_bytes){NULL, 0}, &b.data, &b.len), RD_SAVED);
  return b;
}

static rd_session *loaded(rd_store *st, blob b) {
  char err[200] = "";
  uint8_t *alone = malloc(b.len); /* the sanitizer detects a read beyond it */
  if (b.len != 0) memcpy(alone, b.data, b.len);
  rd_session *s = rd_session_load(st, &usual, alone, b.len, err, sizeof err);
  free(alone);
  CHECK((s == NULL) == (err[0] != 0));
  return s;
}

/* The client continues in the store `to`. */
static void move(rig_client *c, rd_store *to) {
  blob b = saved(c->session);
  rd_session *s = loaded(to, b);
  CHECK(s != NULL);
  if (s == NULL) return;
  free(b.data);
  rd_session_free(c->session);
  c->session = s;
  c->st = to;
  rig_write(c);
  c->status = rd_session_resume(s, to->now_ms);
  rig_serve(c);
}

/* ---- any split ---- */

/* A conversation with every state in which a session can be saved. */
static const char conversation[] =
    "PING\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nhello\r\nSET b \"quo\\x20ted\"\r\nGET a\r\n"
    "SELECT 3\r\nSET c 3\r\nHELLO 3\r\nGET none\r\n*2\r\n$3\r\nGET\r\n$1\r\nc\r\n"
    "WATCH c none\r\nMULTI\r\nSET c "
    "4\r\n*2\r\n$6\r\nAPPEND\r\n$1\r\nc\r\n*3\r\n$6\r\nAPPEND\r\n$1\r\nc\r\n$3\r\nx\r\ny\r\n"
    "CLIENT ID\r\nEXEC\r\nWATCH c\r\nSET c 5\r\nMULTI\r\nINCR c\r\nEXEC\r\nWATCH c\r\nMULTI\r\nINCR c\r\n"
    "GETRANGE c 0 -1\r\nEXEC\r\nMULTI\r\nSET x\r\nEXEC\r\nCLIENT REPLY SKIP\r\nGET c\r\nGET c\r\nCLIENT REPLY OFF\r\n"
    "GET c\r\nCLIENT REPLY ON\r\nNOSUCH thing\r\nMULTI\r\nSET d 1\r\nDISCARD\r\nGET d\r\nRESET\r\nGET "
    "b\r\n\r\nQUIT\r\n";

static void moving_a_session_at_any_byte_changes_no_reply(void) {
  size_t len = sizeof conversation - 1;
  pair p;
  pair_open(&p);
  rig_client whole = rig_client_new(&p.here, &usual);
  rig_feed(&whole, conversation, len, len);
  CHECK_INT(whole.status, RD_CLOSE);
  for (size_t cut = 0; cut <= len && check_ok; cut++) {
    rd_flush_all(&p.here);
    rig_client c = rig_client_new(&p.here, &usual);
    if (cut != 0) rig_feed(&c, conversation, cut, cut);
    move(&c, &p.there);
    if (cut != len) rig_feed(&c, conversation + cut, len - cut, len - cut);
    CHECK_BYTES(c.out, c.len, whole.out, whole.len);
    CHECK_INT(c.status, RD_CLOSE);
    if (!check_ok) printf("    cut at %zu\n", cut);
    rig_client_free(&c);
  }
  rig_client_free(&whole);
  pair_close(&p);
}

static void a_session_may_move_after_every_byte(void) {
  size_t len = sizeof conversation - 1;
  pair p;
  pair_open(&p);
  rig_client whole = rig_client_new(&p.here, &usual), c;
  rig_feed(&whole, conversation, len, len);
  rd_flush_all(&p.here);
  c = rig_client_new(&p.here, &usual);
  for (size_t i = 0; i < len; i++) {
    move(&c, i % 2 ? &p.here : &p.there);
    if (c.status != RD_CLOSE) rig_feed(&c, conversation + i, 1, 1);
  }
  CHECK_BYTES(c.out, c.len, whole.out, whole.len);
  rig_client_free(&c);
  rig_client_free(&whole);
  pair_close(&p);
}

static void commands_behind_a_full_output_run_after_the_move(void) {
  pair p;
  pair_open(&p);
  rd_limits little = usual;
  little.output_high = 8;
  rd_session *s = rd_session_new(&p.here, &little);
  rd_session_state_of(s)->authenticated = true;
  static const char request[] = "ECHO 0123456789\r\nINCR n\r\nINCR n\r\nECHO abc\r\n";
  CHECK_INT(rd_session_feed(s, (const uint8_t *)request, sizeof request - 1, p.here.now_ms), RD_FULL);
  uint8_t half[8];
  memcpy(half, rd_session_output(s).data, 8); /* taken by the owner, which has written half of it */
  rd_session_consumed(s, 8);
  blob b = {0};
  CHECK_INT(rd_session_save(s, (rd_bytes){half + 4, 4}, &b.data, &b.len), RD_SAVED);
  rig_client c = {.st = &p.there, .session = loaded(&p.there, b)};
  CHECK(c.session != NULL);
  free(b.data);
  rd_session_free(s);
  rig_write(&c);
  RIG_HEARD(&c, "\n0123456789\r\n"); /* "$10\r" has been written */
  c.status = rd_session_resume(c.session, p.there.now_ms);
  rig_serve(&c);
  RIG_HEARD(&c, ":1\r\n:2\r\n$3\r\nabc\r\n");
  rig_client_free(&c);
  pair_close(&p);
}

static void commands_held_by_a_pause_run_after_the_move(void) {
  pair p;
  pair_open(&p);
  rig_client c = rig_client_new(&p.here, &usual);
  rd_set_pause(&p.here, 1, p.here.now_ms + 100);
  rig_say(&c, "GET k\r\nCLIENT REPLY SKIP\r\nSET k v\r\nGET k\r\n");
  CHECK_INT(c.status, RD_PAUSED);
  RIG_HEARD(&c, "$-1\r\n");
  move(&c, &p.there);
  CHECK_INT(c.status, RD_PAUSED);
  p.there.now_ms += 100;
  c.status = rd_session_resume(c.session, p.there.now_ms);
  rig_serve(&c);
  RIG_HEARD(&c, "$1\r\nv\r\n");
  rig_client_free(&c);
  pair_close(&p);
}

/* ---- sessions that cannot be saved or loaded ---- */

static void a_session_that_waits_for_an_answer_is_not_saved(void) {
  pair p;
  pair_open(&p);
  rig_client c = rig_client_new(&p.here, &usual);
  uint8_t *untouched = (uint8_t *)&p;
  size_t len = 7;
  c.stay = true;
  rig_say(&c, "CLIENT ID\r\n");
  CHECK_INT(c.status, RD_CONTROL);
  CHECK_INT(rd_session_save(c.session, (rd_bytes){NULL, 0}, &untouched, &len), RD_SAVE_LATER);
  CHECK(untouched == (uint8_t *)&p && len == 7);
  rd_session_answer(c.session, (const uint8_t *)":1\r\n", 4);
  c.status = rd_session_resume(c.session, p.here.now_ms);
  rig_write(&c);
  rig_say(&c, "MULTI\r\nSET k v\r\nCLIENT ID\r\nEXEC\r\n");
  CHECK_INT(c.status, RD_CONTROL);
  CHECK_INT(rd_session_save(c.session, (rd_bytes){NULL, 0}, &untouched, &len), RD_SAVE_LATER);
  c.stay = false;
  rig_serve(&c);
  move(&c, &p.there);
  RIG_ASK(&c, "GET k\r\n", ":1\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+client|id\r\n$1\r\nv\r\n");
  rig_client_free(&c);
  pair_close(&p);
}

/* ---- watches ---- */

static void a_watch_sees_changes_before_during_and_after_the_move(void) {
  for (int when = 0; when < 4; when++) {
    pair p;
    pair_open(&p);
    rig_client c = rig_client_new(&p.here, &usual), other = rig_client_new(&p.here, &usual);
    rig_say(&c, "SET k 1\r\nWATCH k\r\nMULTI\r\nSET k 2\r\n");
    c.len = 0;
    if (when == 0) rig_say(&other, "SET k 9\r\n");
    blob b = saved(c.session);
    if (when == 1) rig_say(&other, "SET k 9\r\n");
    rd_session *s = loaded(&p.there, b);
    rd_session_free(c.session);
    free(b.data);
    c.session = s;
    c.st = &p.there;
    if (when == 2) rig_say(&other, "SET k 9\r\n");
    RIG_ASK(&c, "EXEC\r\n", when < 3 ? "*-1\r\n" : "*1\r\n+OK\r\n");
    RIG_ASK(&c, "GET k\r\n", when < 3 ? "$1\r\n9\r\n" : "$1\r\n2\r\n");
    rig_client_free(&c);
    rig_client_free(&other);
    pair_close(&p);
  }
}

static void a_monitoring_session_monitors_after_the_move(void) {
  pair p;
  pair_open(&p);
  rig_client c = rig_client_new(&p.here, &usual);
  rd_session_monitor(c.session, true);
  blob b = saved(c.session);
  rd_session *s = loaded(&p.there, b);
  CHECK(rd_session_state_of(s)->monitors);
  CHECK_INT(rd_gauge_sum(&p.here, RD_GAUGE_monitors), 2); /* so that no line is lost in between */
  rig_client_free(&c);
  CHECK_INT(rd_gauge_sum(&p.here, RD_GAUGE_monitors), 1);
  CHECK(loaded(&p.there, (blob){b.data, b.len - 1}) == NULL);
  CHECK_INT(rd_gauge_sum(&p.here, RD_GAUGE_monitors), 1);
  rd_session_free(s);
  CHECK_INT(rd_gauge_sum(&p.here, RD_GAUGE_monitors), 0);
  free(b.data);
  pair_close(&p);
}

static void a_session_moves_to_another_process(void) {
  rd_store st;
  int fd = rig_open(&st, MEMORY, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, &usual);
  rig_say(&c, "SELECT 2\r\nSET k 1\r\nWATCH k\r\nMULTI\r\nINCR k\r\nINC");
  blob b = saved(c.session);
  int loads[2], frees[2];
  CHECK(pipe(loads) == 0 && pipe(frees) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    rd_store own;
    char err[200];
    if (rd_attach(&own, fd, err, sizeof err) != 0 || rd_worker_join(&own, 1) < 0) _exit(2);
    own.now_ms = st.now_ms;
    rig_client there = {.st = &own, .session = rd_session_load(&own, &usual, b.data, b.len, err, sizeof err)};
    if (there.session == NULL) _exit(3);
    if (write(loads[1], "x", 1) != 1 || read(frees[0], err, 1) != 1) _exit(4);
    there.status = rd_session_resume(there.session, own.now_ms);
    rig_say(&there, "R k\r\nEXEC\r\n");
    static const char replies[] = "+QUEUED\r\n*2\r\n:2\r\n:3\r\n";
    _exit(there.len == sizeof replies - 1 && memcmp(there.out, replies, there.len) == 0 ? 0 : 5);
  }
  char word;
  CHECK_INT(read(loads[0], &word, 1), 1);
  rig_client_free(&c);
  free(b.data);
  CHECK_INT(write(frees[1], "x", 1), 1);
  int status;
  waitpid(pid, &status, 0);
  CHECK_INT(WEXITSTATUS(status), 0);
  rd_worker_reap(&st, 1);
  rig_close(&st, fd);
}

/* ---- invalid bytes ---- */

/* A session that uses every part of the saved form. */
static rig_client busy(rd_store *st) {
  rig_client c = rig_client_new(st, &usual);
  rig_say(&c, "SET key 1\r\nWATCH key other\r\nMULTI\r\nSET key 2\r\nAPPEND other abc\r\n*2\r\n$3\r\nGET\r\n$3\r\nke");
  rd_session_push(c.session, (const uint8_t *)"+pushed\r\n", 9);
  return c;
}

static uint32_t watchers(const rd_store *st) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < st->num_shards; i++) sum += rd_shard_at(st, i)->watchers;
  return sum;
}

static void saved_bytes_of_a_wrong_length_are_refused(void) {
  pair p;
  pair_open(&p);
  rig_client c = busy(&p.here);
  blob b = saved(c.session);
  for (size_t len = 0; len < b.len; len++) CHECK(loaded(&p.there, (blob){b.data, len}) == NULL);
  b.data = realloc(b.data, b.len + 1);
  b.data[b.len] = 0;
  CHECK(loaded(&p.there, (blob){b.data, b.len + 1}) == NULL);
  CHECK_INT(watchers(&p.here), 2);
  free(b.data);
  rig_client_free(&c);
  pair_close(&p);
}

static void a_changed_byte_is_refused_or_gives_a_working_session(void) {
  pair p;
  pair_open(&p);
  rig_client c = busy(&p.here);
  blob b = saved(c.session);
  unsigned refused = 0;
  for (size_t i = 0; i < b.len; i++) {
    for (unsigned bit = 0; bit < 8; bit++) {
      b.data[i] ^= (uint8_t)(1u << bit);
      rd_session *s = loaded(&p.there, b);
      b.data[i] ^= (uint8_t)(1u << bit);
      if (s == NULL) {
        refused++;
        continue;
      }
      blob once = saved(s);
      rd_session *again = loaded(&p.there, once);
      CHECK(again != NULL);
      blob twice = saved(again);
      CHECK_BYTES(twice.data, twice.len, once.data, once.len);
      rig_client moved = {.st = &p.there, .session = again};
      moved.status = rd_session_resume(again, p.there.now_ms);
      rig_say(&moved, "y\r\nEXEC\r\nPING\r\n");
      rig_client_free(&moved);
      rd_session_free(s);
      free(once.data);
      free(twice.data);
      CHECK_INT(watchers(&p.here), 2);
    }
  }
  CHECK(refused > 500);
  free(b.data);
  rig_client_free(&c);
  pair_close(&p);
}

static void a_session_of_another_arena_is_refused(void) {
  rd_store st;
  pair p;
  pair_open(&p);
  char err[200] = "";
  int fd = memfd_create("other", 0);
  rd_options options = {
      .max_memory = MEMORY, .num_shards = 4, .policy = RD_NOEVICTION, .sample_size = 5, .seed = {3, 4}};
  CHECK(rd_create(&st, fd, &options, err, sizeof err) == 0 && rd_worker_join(&st, 0) == 0);
  rig_client c = busy(&p.here);
  blob b = saved(c.session);
  CHECK(rd_session_load(&st, &usual, b.data, b.len, err, sizeof err) == NULL);
  CHECK(strstr(err, "another arena") != NULL);
  free(b.data);
  rig_client_free(&c);
  rig_close(&st, fd);
  pair_close(&p);
}

static void an_unknown_queued_command_aborts_exec(void) {
  pair p;
  pair_open(&p);
  rig_client c = rig_client_new(&p.here, &usual);
  rig_say(&c, "MULTI\r\nSET k v\r\nSTRLEN k\r\n");
  c.len = 0;
  blob b = saved(c.session);
  uint8_t *name = memmem(b.data, b.len, "STRLEN", 6);
  CHECK(name != NULL);
  memcpy(name, "SOMEDA", 6);
  rd_session_free(c.session);
  c.session = loaded(&p.there, b);
  c.st = &p.there;
  free(b.data);
  RIG_ASK(&c, "EXEC\r\nGET k\r\n", "-EXECABORT Transaction discarded because of previous errors.\r\n$-1\r\n");
  rig_client_free(&c);
  pair_close(&p);
}

/* ---- no memory ---- */

static void without_memory_saving_and_loading_fail_and_lose_nothing(void) {
  pair p;
  pair_open(&p);
  rig_client c = busy(&p.here);
  blob b = {0};
  unsigned failures = 0;
  for (uint64_t n = 0; b.data == NULL && n < 100; n++) {
    fault_arm(&process_fault, n, true);
    rd_saved how = rd_session_save(c.session, (rd_bytes){NULL, 0}, &b.data, &b.len);
    fault_disarm(&process_fault);
    CHECK_INT(how, b.data == NULL ? RD_SAVE_NO_MEMORY : RD_SAVED);
    failures += b.data == NULL;
  }
  CHECK(failures > 0);
  failures = 0;
  rd_session *s = NULL;
  for (uint64_t n = 0; s == NULL && n < 100; n++) {
    char err[200];
    fault_arm(&process_fault, n, true);
    s = rd_session_load(&p.there, &usual, b.data, b.len, err, sizeof err);
    fault_disarm(&process_fault);
    if (s == NULL) {
      CHECK(strstr(err, "no memory") != NULL);
      CHECK_INT(watchers(&p.here), 2);
      failures++;
    }
  }
  CHECK(failures > 5);
  blob same = saved(s);
  CHECK_BYTES(same.data, same.len, b.data, b.len);
  free(same.data);
  free(b.data);
  rd_session_free(s);
  rig_client_free(&c);
  pair_close(&p);
}

int main(void) {
  RUN(moving_a_session_at_any_byte_changes_no_reply);
  RUN(a_session_may_move_after_every_byte);
  RUN(commands_behind_a_full_output_run_after_the_move);
  RUN(commands_held_by_a_pause_run_after_the_move);
  RUN(a_session_that_waits_for_an_answer_is_not_saved);
  RUN(a_watch_sees_changes_before_during_and_after_the_move);
  RUN(a_monitoring_session_monitors_after_the_move);
  RUN(a_session_moves_to_another_process);
  RUN(saved_bytes_of_a_wrong_length_are_refused);
  RUN(a_changed_byte_is_refused_or_gives_a_working_session);
  RUN(a_session_of_another_arena_is_refused);
  RUN(an_unknown_queued_command_aborts_exec);
  RUN(without_memory_saving_and_loading_fail_and_lose_nothing);
  return check_end();
}
