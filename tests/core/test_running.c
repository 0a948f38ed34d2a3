/* test_running.c - scripts that run for long, in several processes: asking them to end. */
#include <pthread.h>
#include <stdatomic.h>

#include "arena/running.h"
#include "processes.h"

static void run_a_script(rd_store *st) { rd_running_begin(st, RD_RUNNING_SCRIPT, 1000, false); }
static void run_a_writing_script(rd_store *st) { rd_running_begin(st, RD_RUNNING_SCRIPT, 2000, true); }
static void run_a_function(rd_store *st) { rd_running_begin(st, RD_RUNNING_FUNCTION, 3000, false); }

static void without_a_script_nothing_is_asked(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  CHECK_INT(rd_running_kill(&st, RD_RUNNING_SCRIPT), RD_KILL_NOT_BUSY);
  CHECK_INT(rd_running_slow(&st, 1u << 30, 0), RD_RUNNING_NONE);
  CHECK(!rd_running_asked(&st));
  CHECK(rd_running_write(&st)); /* not published */
  rd_running_end(&st);
  arena_free(&st);
}

static void a_script_is_asked_to_end_once(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  rd_running_begin(&st, RD_RUNNING_SCRIPT, 1000, false);
  CHECK(!rd_running_asked(&st));
  CHECK_INT(rd_running_kill(&st, RD_RUNNING_SCRIPT), RD_KILL_ASKED);
  CHECK_INT(rd_running_kill(&st, RD_RUNNING_SCRIPT), RD_KILL_ASKED);
  CHECK(rd_running_asked(&st));
  rd_running_end(&st);
  CHECK(!rd_running_asked(&st));
  rd_running_begin(&st, RD_RUNNING_SCRIPT, 1500, false);
  CHECK(!rd_running_asked(&st)); /* the question was for the one before */
  arena_free(&st);
}

static void a_script_that_has_written_is_not_asked(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  rd_running_begin(&st, RD_RUNNING_SCRIPT, 1000, false);
  CHECK(rd_running_write(&st));
  CHECK(rd_running_write(&st));
  CHECK_INT(rd_running_kill(&st, RD_RUNNING_SCRIPT), RD_KILL_UNKILLABLE);
  CHECK(!rd_running_asked(&st));
  rd_running_begin(&st, RD_RUNNING_SCRIPT, 1000, true);
  CHECK_INT(rd_running_kill(&st, RD_RUNNING_SCRIPT), RD_KILL_UNKILLABLE);
  arena_free(&st);
}

static void a_script_that_was_asked_does_not_write(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  rd_running_begin(&st, RD_RUNNING_SCRIPT, 1000, false);
  CHECK_INT(rd_running_kill(&st, RD_RUNNING_SCRIPT), RD_KILL_ASKED);
  CHECK(!rd_running_write(&st));
  arena_free(&st);
}

static void a_function_is_no_script(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  rd_running_begin(&st, RD_RUNNING_FUNCTION, 1000, false);
  CHECK_INT(rd_running_kill(&st, RD_RUNNING_SCRIPT), RD_KILL_OTHER);
  CHECK(!rd_running_asked(&st));
  CHECK_INT(rd_running_kill(&st, RD_RUNNING_FUNCTION), RD_KILL_ASKED);
  arena_free(&st);
}

static void a_script_is_slow_beyond_the_threshold(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  rd_running_begin(&st, RD_RUNNING_SCRIPT, 1000, false);
  CHECK_INT(rd_running_slow(&st, 6000, 5000), RD_RUNNING_NONE);
  CHECK_INT(rd_running_slow(&st, 6001, 5000), RD_RUNNING_SCRIPT);
  CHECK_INT(rd_running_slow(&st, 999, 0), RD_RUNNING_NONE); /* a clock behind the worker's */
  arena_free(&st);
}

static void scripts_of_other_processes_are_asked(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  pid_t first = start(&st, 1, run_a_writing_script), second = start(&st, 2, run_a_script),
        third = start(&st, 3, run_a_function);
  CHECK_INT(rd_running_slow(&st, 8000, 5000), RD_RUNNING_SCRIPT);
  CHECK_INT(rd_running_slow(&st, 1u << 30, 5000), RD_RUNNING_SCRIPT); /* the one of 1000 runs longest */
  CHECK_INT(rd_running_kill(&st, RD_RUNNING_SCRIPT), RD_KILL_ASKED);
  stop(second);
  CHECK(rd_worker_reap(&st, place_of(&st, 2)));
  CHECK_INT(rd_running_kill(&st, RD_RUNNING_SCRIPT), RD_KILL_UNKILLABLE);
  stop(first);
  CHECK(rd_worker_reap(&st, place_of(&st, 1)));
  CHECK_INT(rd_running_kill(&st, RD_RUNNING_SCRIPT), RD_KILL_OTHER);
  CHECK_INT(rd_running_slow(&st, 9000, 5000), RD_RUNNING_FUNCTION);
  stop(third);
  CHECK(rd_worker_reap(&st, place_of(&st, 3)));
  CHECK_INT(rd_running_kill(&st, RD_RUNNING_SCRIPT), RD_KILL_NOT_BUSY);
  arena_free(&st);
}

static _Atomic bool go;

static void *ask(void *arg) {
  while (!atomic_load(&go)) {
  }
  return (void *)(uintptr_t)rd_running_kill(arg, RD_RUNNING_SCRIPT);
}

/* Both ask at the same time: it is never killed and written. */
static void one_of_a_write_and_a_kill_comes_first(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  for (int i = 0; i < 300; i++) {
    pthread_t thread;
    void *answer;
    rd_running_begin(&st, RD_RUNNING_SCRIPT, 1000, false);
    atomic_store(&go, false);
    CHECK_INT(pthread_create(&thread, NULL, ask, &st), 0);
    atomic_store(&go, true);
    bool wrote = rd_running_write(&st);
    CHECK_INT(pthread_join(thread, &answer), 0);
    CHECK_INT((uintptr_t)answer, wrote ? RD_KILL_UNKILLABLE : RD_KILL_ASKED);
    rd_running_end(&st);
  }
  arena_free(&st);
}

int main(void) {
  RUN(without_a_script_nothing_is_asked);
  RUN(a_script_is_asked_to_end_once);
  RUN(a_script_that_has_written_is_not_asked);
  RUN(a_script_that_was_asked_does_not_write);
  RUN(a_function_is_no_script);
  RUN(a_script_is_slow_beyond_the_threshold);
  RUN(scripts_of_other_processes_are_asked);
  RUN(one_of_a_write_and_a_kill_comes_first);
  return check_end();
}
