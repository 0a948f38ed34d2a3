/* test_worker.c - several processes on one arena: their blocks, figures, secrets and locks. The processes die by
 * SIGKILL. */
#include <inttypes.h>
#include <pthread.h>

#include "arena/admission.h"
#include "arena/lock.h"
#include "arena/memory.h"
#include "arena/pool.h"
#include "arena/secrets.h"
#include "processes.h"
#include "session/monitor.h"
#include "session/session.h"
#include "store/check.h"
#include "store/databases.h"
#include "store/internal.h"
#include "store/pause.h"
#include "store/store.h"
#include "store/watch.h"

#define SECOND 1000000000ull

static void nothing(rd_store *st) { (void)st; }

/* ---- blocks ---- */

static void be_busy(rd_store *st) {
  rd_worker_beat(st, 12345);
  rd_gauge_set(st, RD_GAUGE_connected_clients, 7);
  rd_gauge_set(st, RD_GAUGE_largest_input, 300);
  rd_worker_cpu(st, 1000, 20);
  rd_count_add(st, RD_STAT_idle_disconnections, 5);
  rd_count_add(st, RD_STAT_total_commands_processed, 11);
  rd_open_enter(st, true, 0, 0);
}

static void a_worker_publishes_its_number_and_figures(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  pid_t pid = start(&st, 3, be_busy);
  rd_worker_figures f;
  CHECK(rd_worker_info(&st, place_of(&st, 3), &f));
  CHECK_INT(f.pid, pid);
  CHECK_INT(f.heartbeat, 12345);
  CHECK_INT(f.gauge[RD_GAUGE_connected_clients], 7);
  CHECK_INT(f.commands, 11);
  CHECK_INT(f.user_us, 1000);
  CHECK_INT(f.system_us, 20);
  CHECK_INT(f.connections, 1);
  stop(pid);
  arena_free(&st);
}

static void gauges_are_summed_except_the_largest(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  rd_gauge_set(&st, RD_GAUGE_connected_clients, 2);
  rd_gauge_set(&st, RD_GAUGE_largest_input, 100);
  pid_t pid = start(&st, 1, be_busy);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_connected_clients), 9);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_largest_input), 300);
  stop(pid);
  arena_free(&st);
}

static void reaping_a_dead_worker_clears_its_gauges_and_keeps_its_counters(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  rd_worker_cpu(&st, 1, 1);
  pid_t pid = start(&st, 1, be_busy);
  uint32_t place = place_of(&st, 1);
  CHECK(!rd_worker_reap(&st, place));
  CHECK(!rd_worker_reap(&st, RD_MAX_WORKERS));
  CHECK(!rd_open_enter(&st, true, 1, 0));
  stop(pid);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_connected_clients), 7);
  CHECK(rd_worker_reap(&st, place));
  CHECK(!rd_worker_reap(&st, place));
  CHECK_INT(place_of(&st, 1), RD_MAX_WORKERS);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_connected_clients), 0);
  CHECK(rd_open_enter(&st, true, 1, 0));
  CHECK_INT(rd_counter(&st, RD_STAT_idle_disconnections), 5);
  uint64_t user, system;
  rd_cpu_sum(&st, &user, &system);
  CHECK_INT(user, 1001);
  CHECK_INT(system, 21);
  rd_reset_stats(&st);
  rd_cpu_sum(&st, &user, &system);
  CHECK_INT(user, 1001);
  CHECK_INT(rd_counter(&st, RD_STAT_idle_disconnections), 0);
  arena_free(&st);
}

static void a_joining_worker_reaps_a_dead_one_and_takes_its_block(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  pid_t pid = start(&st, 1, be_busy);
  uint32_t place = place_of(&st, 1);
  stop(pid);
  pid = start(&st, 2, nothing);
  CHECK_INT(place_of(&st, 2), place);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_connected_clients), 0);
  CHECK(rd_open_enter(&st, true, 1, 0));
  stop(pid);
  arena_free(&st);
}

static void a_zombie_process_counts_as_dead(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  pid_t pid = start(&st, 1, nothing);
  siginfo_t info;
  kill(pid, SIGKILL);
  CHECK_INT(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
  CHECK(rd_worker_reap(&st, place_of(&st, 1)));
  waitpid(pid, NULL, 0);
  arena_free(&st);
}

/* The start time distinguishes them, as in a container, where each daemon has the pid of the one before. */
static void a_process_with_a_reused_pid_is_another_worker(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION), second;
  char err[200];
  int fd = st.fd;
  CHECK_INT(rd_attach(&second, fd, err, sizeof err), 0);
  CHECK_INT(rd_worker_join(&second, 1), 1); /* two stores of one process have a block each */
  rd_worker_leave(&second);
  st.worker->started--;
  rd_count_add(&st, RD_STAT_failed_auths, 1);
  CHECK_INT(rd_worker_join(&second, 1), 0);
  rd_detach(&second);
  arena_free(&st);
}

static void a_store_that_never_joined_frees_no_block(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION), second;
  char err[200];
  CHECK_INT(rd_attach(&second, st.fd, err, sizeof err), 0);
  rd_worker_leave(&second);
  rd_worker_figures f;
  CHECK(rd_worker_info(&st, 0, &f));
  rd_detach(&second);
  arena_free(&st);
}

static void all_blocks_can_be_taken_and_no_more(void) {
  rd_store st = arena_new(32 * MIB, 4, RD_NOEVICTION);
  static rd_store more[RD_MAX_WORKERS];
  char err[200];
  for (uint32_t i = 1; i <= RD_MAX_WORKERS; i++) {
    CHECK_INT(rd_attach(&more[i - 1], st.fd, err, sizeof err), 0);
    CHECK_INT(rd_worker_join(&more[i - 1], i), i < RD_MAX_WORKERS ? (int)i : -1);
  }
  CHECK(rd_committed_memory(&st) <= rd_max_memory(&st));
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
    rd_worker_leave(&more[i]);
    rd_detach(&more[i]);
  }
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

/* ---- a fresh start ---- */

static void die_in_a_change(rd_store *st) {
  be_busy(st);
  for (int i = 0; i < 10; i++) rd_next(st, RD_SEQ_CLIENT);
  rd_lock_shard(st, 2);
  rd_mark_dirty(st, 2);
}

static void a_new_run_counts_from_0_except_for_losses(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION), again;
  char err[200];
  int fd = st.fd;
  rd_count_add(&st, RD_STAT_keyspace_hits, 9);
  CHECK_INT(rd_next(&st, RD_SEQ_CLIENT), 1);
  pid_t pid = start(&st, 1, die_in_a_change);
  rd_worker_leave(&st);
  rd_detach(&st);
  stop(pid);
  CHECK_INT(rd_attach(&again, fd, err, sizeof err), 0);
  CHECK_INT(rd_worker_join(&again, 0), 0);
  CHECK_INT(rd_counter(&again, RD_STAT_keyspace_hits), 0);
  CHECK_INT(rd_counter(&again, RD_STAT_idle_disconnections), 0);
  CHECK_INT(rd_counter(&again, RD_STAT_shards_lost), 1);
  CHECK_INT(rd_gauge_sum(&again, RD_GAUGE_connected_clients), 0);
  uint64_t user, system;
  rd_cpu_sum(&again, &user, &system);
  CHECK_INT(user + system, 0);
  CHECK(rd_open_enter(&again, true, 1, 0));
  CHECK_INT(rd_next(&again, RD_SEQ_CLIENT), 12); /* but no id is given twice */
  CHECK(arena_is_whole(&again));
  rd_worker_leave(&again);
  arena_free(&again);
}

static uint32_t own_place(const rd_store *st) { return (uint32_t)(st->worker - rd_worker_at(st, 0)); }

/* All that a run can leave in the arena: a pause, a switch, counts, gauges, monitors, messages, watches, connections,
 * locks.
 */
static void use_all_that_belongs_to_a_run(rd_store *st) {
  uint8_t address[16] = {1};
  be_busy(st);
  rd_set_pause(st, 2, UINT64_MAX);
  rd_set_active_expire(st, false);
  rd_announce(st, 9);
  rd_worker_beat(st, 12345);
  rd_worker_cpu(st, 5, 6);
  rd_monitors_add(st, 3);
  CHECK_INT(rd_ring_put(st, own_place(st), RD_RECORD_MONITOR, "x", 1), RD_SENT);
  rd_open_enter(st, false, 0, 0);
  rd_address_enter(st, address, 0);
  rd_secret_enter(st, 77, START_MS);
  rd_rate_take(st, true, 1, 0, SECOND);
  rd_note_peak(st);
  rd_watch w;
  rd_key key = key_of(st, "watched", 7, 0);
  rd_watch_begin(st, &key, &w);
  for (uint32_t i = 0; i < st->num_shards; i++) rd_lock_shard(st, i);
}

static void use_all_and_the_other_locks(rd_store *st) {
  use_all_that_belongs_to_a_run(st);
  pthread_mutex_lock(&st->head->pool.lock);
  pthread_mutex_lock(&st->head->admission.lock);
  for (uint32_t i = 0; i < 3; i++) pthread_mutex_lock(&rd_worker_at(st, i)->ring.lock);
}

static void expect_a_new_run(rd_store *st) {
  uint64_t until, user, system;
  rd_secret_figures secret;
  CHECK(st->began);
  CHECK_INT(rd_get_pause(st, &until), 0);
  CHECK_INT(until, 0);
  CHECK(rd_get_active_expire(st));
  CHECK_INT(rd_announced(st), 0);
  CHECK(!rd_behind(st));
  CHECK_INT(st->head->monitors, 0);
  CHECK_INT(st->head->workers_used, 1);
  CHECK_INT(st->head->peak_memory, rd_used_memory(st));
  uint64_t fixed = rd_fixed_memory(st);
  CHECK_INT(rd_worker_join(st, 0), 0);
  CHECK_INT(rd_fixed_memory(st), fixed);
  CHECK(!rd_ring_waits(st));
  CHECK_INT(rd_ring_put(st, 0, RD_RECORD_MONITOR, "x", 1), RD_SENT);
  CHECK(rd_ring_waits(st));
  CHECK_INT(rd_fixed_memory(st), fixed + RD_RING_BYTES);
  for (uint32_t g = 0; g < RD_GAUGE_COUNT; g++) CHECK_INT(rd_gauge_sum(st, (rd_gauge)g), 0);
  for (uint32_t i = 0; i < RD_STAT_COUNT; i++) CHECK_INT(rd_counter(st, (rd_stat)i), 0);
  rd_cpu_sum(st, &user, &system);
  CHECK_INT(user + system, 0);
  CHECK(rd_open_enter(st, false, 1, 0));
  CHECK(rd_address_enter(st, (const uint8_t[16]){1}, 1));
  CHECK(rd_rate_take(st, true, 1, 0, SECOND));
  CHECK(rd_secret_info(st, 0, &secret)); /* the time of use stays, the number of users does not */
  CHECK_INT(secret.last_used_ms, START_MS);
  CHECK_INT(secret.connections, 0);
  for (uint32_t i = 0; i < st->num_shards; i++) CHECK_INT(st->shards[i].watchers, 0);
  rd_lock_all(st);
  rd_unlock_all(st);
  CHECK(arena_is_whole(st));
}

static void the_state_of_a_run_ends_with_it(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION), again;
  char err[200];
  int fd = st.fd;
  use_all_that_belongs_to_a_run(&st);
  rd_unlock_all(&st);
  pid_t one = start(&st, 1, be_busy), two = start(&st, 2, use_all_and_the_other_locks);
  rd_detach(&st); /* without leaving, as when it is killed */
  stop(one);
  stop(two);
  CHECK_INT(rd_attach_alone(&again, fd, err, sizeof err), 0);
  expect_a_new_run(&again);
  arena_free(&again);
}

/* The test has the file's lock, so the process has released the arena although /proc still shows it. */
static void a_dying_process_does_not_count_as_a_user(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION), again;
  char err[200];
  int fd = st.fd;
  uint64_t until;
  pid_t pid = start(&st, 1, use_all_that_belongs_to_a_run);
  rd_worker_leave(&st);
  rd_detach(&st);
  CHECK_INT(rd_attach(&again, fd, err, sizeof err), 0);
  CHECK(!again.began);
  CHECK_INT(rd_get_pause(&again, &until), 2);
  rd_detach(&again);
  CHECK_INT(rd_attach_alone(&again, fd, err, sizeof err), 0);
  expect_a_new_run(&again);
  stop(pid);
  arena_free(&again);
}

static void attaching_beside_others_keeps_their_counters(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  rd_count_add(&st, RD_STAT_keyspace_hits, 9);
  stop(start(&st, 1, nothing));
  CHECK_INT(rd_counter(&st, RD_STAT_keyspace_hits), 9);
  arena_free(&st);
}

/* ---- shared numbers, the peak, pauses ---- */

static void take_numbers(rd_store *st) {
  uint64_t last = 0;
  for (int i = 0; i < 100000; i++) {
    uint64_t n = rd_next(st, RD_SEQ_CLIENT);
    if (n <= last) _exit(4);
    last = n;
  }
}

static void no_sequence_number_is_given_twice(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  pid_t pids[3];
  for (uint32_t i = 0; i < 3; i++) pids[i] = start(&st, i, take_numbers);
  for (uint32_t i = 0; i < 3; i++) stop(pids[i]);
  CHECK_INT(rd_next(&st, RD_SEQ_CLIENT), 300001);
  CHECK_INT(rd_next(&st, RD_SEQ_SLOWLOG), 1);
  arena_free(&st);
}

static void the_peak_stays_until_statistics_are_reset(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  static uint8_t value[MIB];
  uint64_t before = rd_note_peak(&st);
  rd_key key = key_of(&st, "k", 1, 0);
  rd_lock_shard(&st, rd_shard_of(&st, key.hash));
  CHECK_INT(rd_set(&st, &key, value, sizeof value, RD_NO_EXPIRY, RD_ENC_AUTO, RD_EVENT_SET), RD_OK);
  CHECK(rd_note_peak(&st) >= before + MIB);
  rd_delete(&st, &key);
  rd_unlock_all(&st);
  CHECK(rd_note_peak(&st) >= before + MIB);
  rd_reset_stats(&st);
  CHECK(rd_note_peak(&st) < before + MIB);
  arena_free(&st);
}

/* ---- by secret ---- */

/* "last used:uses:connections" of a secret, or "none". */
static const char *use_of(rd_store *st, uint64_t id) {
  static char text[80];
  rd_secret_figures f;
  for (uint32_t i = 0; i < RD_SECRETS; i++) {
    if (!rd_secret_info(st, i, &f) || f.id != id) continue;
    snprintf(text, sizeof text, "%" PRIu64 ":%" PRIu64 ":%" PRIu64, f.last_used_ms, f.uses, f.connections);
    return text;
  }
  return "none";
}
#define CHECK_USE(st, id, expected) CHECK_TEXT(use_of(st, id), strlen(use_of(st, id)), expected)

static void use_two(rd_store *st) {
  rd_secret_enter(st, 1, 2000);
  rd_secret_enter(st, 1, 3000);
  rd_secret_enter(st, 2, 3000);
}

static void uses_of_secrets_are_counted_over_all_workers(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  rd_secret_enter(&st, 1, 1000);
  pid_t pid = start(&st, 1, use_two);
  CHECK_USE(&st, 1, "3000:3:3");
  CHECK_USE(&st, 2, "3000:1:1");
  rd_secret_enter(&st, 1, 0); /* handed over: it was used elsewhere */
  CHECK_USE(&st, 1, "3000:3:4");
  rd_secret_leave(&st, 1);
  rd_secret_leave(&st, 1);
  rd_secret_leave(&st, 1);       /* once too often: this does not end the connections of others */
  rd_secret_leave(&st, 9);       /* never seen */
  rd_secret_enter(&st, 0, 1000); /* none */
  CHECK_USE(&st, 1, "3000:3:2");
  CHECK_USE(&st, 9, "none");
  CHECK_USE(&st, 0, "none");
  stop(pid);
  CHECK(rd_worker_reap(&st, place_of(&st, 1)));
  CHECK_USE(&st, 1, "3000:3:0");
  CHECK_USE(&st, 2, "3000:1:0");
  arena_free(&st);
}

static void the_unused_secret_used_longest_ago_is_replaced(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  for (uint64_t id = 1; id <= RD_SECRETS; id++) rd_secret_enter(&st, id, 1000 * id);
  rd_secret_enter(&st, 100, 1); /* all are in use: it is not recorded, and replaces no other */
  CHECK_USE(&st, 100, "none");
  rd_secret_leave(&st, 100);
  for (uint64_t id = 7; id >= 5; id--) rd_secret_leave(&st, id);
  rd_secret_enter(&st, 100, 900);
  CHECK_USE(&st, 5, "none");
  CHECK_USE(&st, 6, "6000:1:0");
  CHECK_USE(&st, 100, "900:1:1");
  arena_free(&st);
}

static void the_minimum_memory_suffices_for_its_workers(void) {
  enum { WORKERS = 4 };
  uint64_t least = rd_min_memory(4, WORKERS);
  rd_store st = arena_new(least, 4, RD_NOEVICTION), more[WORKERS - 1];
  char err[200];
  for (uint32_t i = 0; i < WORKERS - 1; i++) {
    CHECK_INT(rd_attach(&more[i], st.fd, err, sizeof err), 0);
    CHECK(rd_worker_join(&more[i], i) > 0);
    for (uint32_t n = 0; n < RD_ADDRESS_MAX; n++) rd_address_enter(&more[i], address(n), 0);
  }
  for (uint32_t n = 0; n < RD_ADDRESS_MAX; n++) rd_address_enter(&st, address(n), 0);
  CHECK_INT(rd_pool_free(&st) + st.head->pool.reserve, 4 + 16);
  CHECK(!rd_may_be_over(&st)); /* the limit is in whole regions, not in bytes */
  CHECK(rd_set_max_memory(&st, least - 1) == NULL);
  CHECK(rd_may_be_over(&st));
  CHECK_INT(rd_pool_free(&st) + st.head->pool.reserve, 4 + 16);
  for (uint32_t i = 0; i < WORKERS - 1; i++) rd_detach(&more[i]);
  arena_free(&st);
}

/* ---- locks ---- */

static void hold_admission(rd_store *st) { rd_admission_lock(st); }

static void hold_5(rd_store *st) { rd_lock_shard(st, 5); }

static void hold_everything(rd_store *st) {
  rd_lock_all(st);
  rd_admission_lock(st);
}

static void the_supervisor_waits_for_no_worker(void) {
  rd_store st = arena_new(16 * MIB, 8, RD_NOEVICTION);
  for (uint32_t i = 0; i < 8; i++) st.shards[i].index[0].with_ttl = 1;
  pid_t pid = start(&st, 1, hold_everything);
  uint32_t place = place_of(&st, 1);
  alarm(10);
  CHECK_INT(rd_average_ttl(&st, 0), 0);
  CHECK(!rd_worker_reap(&st, place));
  alarm(0);
  stop(pid);
  CHECK(rd_worker_reap(&st, place));
  for (uint32_t i = 0; i < 8; i++) st.shards[i].index[0].with_ttl = 0;
  arena_free(&st);
}

static void *want(void *arg) {
  rd_store *st = arg;
  rd_lock_shard(st, 5);
  rd_unlock_shard(st, 5);
  return NULL;
}

static void the_process_that_blocks_others_is_told_from_those_that_wait(void) {
  rd_store st = arena_new(16 * MIB, 8, RD_NOEVICTION);
  pid_t pid = start(&st, 1, hold_5);
  CHECK_INT(rd_lock_owner(&st), 0); /* held, but no process waits */
  rd_lock_shard(&st, 2);            /* this process holds 2 and waits for 5, and another waits for 2 */
  pid_t waiter = fork();
  if (waiter == 0) {
    rd_store own;
    char err[200];
    alarm(20);
    rd_attach(&own, st.fd, err, sizeof err); /* takes every lock once */
    _exit(0);
  }
  pthread_t thread;
  CHECK_INT(pthread_create(&thread, NULL, want, &st), 0);
  uint32_t owner = 0;
  for (int i = 0; i < 5000 && owner != (uint32_t)pid; i++) {
    owner = rd_lock_owner(&st);
    usleep(1000);
  }
  CHECK_INT(owner, pid);
  stop(pid);
  pthread_join(thread, NULL);
  rd_unlock_shard(&st, 2);
  int status;
  waitpid(waiter, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK_INT(rd_lock_owner(&st), 0);
  arena_free(&st);
}

static void hold_pool(rd_store *st) { pthread_mutex_lock(&st->head->pool.lock); }

static void *want_pool(void *arg) {
  rd_pool_set_limit(arg, 100, 0, 101);
  return NULL;
}

static void *want_admission(void *arg) {
  rd_admission_lock(arg);
  rd_admission_unlock(arg);
  return NULL;
}

static void the_owners_of_the_other_locks_are_found_too(void) {
  static const struct {
    void (*hold)(rd_store *);
    void *(*want)(void *);
  } locks[] = {{hold_pool, want_pool}, {hold_admission, want_admission}};
  for (size_t k = 0; k < 2; k++) {
    rd_store st = arena_new(16 * MIB, 8, RD_NOEVICTION);
    pid_t pid = start(&st, 1, locks[k].hold);
    CHECK_INT(rd_lock_owner(&st), 0);
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, locks[k].want, &st), 0);
    uint32_t owner = 0;
    for (int i = 0; i < 5000 && owner != (uint32_t)pid; i++) {
      owner = rd_lock_owner(&st);
      usleep(1000);
    }
    CHECK_INT(owner, pid);
    stop(pid);
    pthread_join(thread, NULL);
    CHECK_INT(rd_lock_owner(&st), 0);
    arena_free(&st);
  }
}

int main(void) {
  RUN(a_worker_publishes_its_number_and_figures);
  RUN(gauges_are_summed_except_the_largest);
  RUN(reaping_a_dead_worker_clears_its_gauges_and_keeps_its_counters);
  RUN(a_joining_worker_reaps_a_dead_one_and_takes_its_block);
  RUN(a_zombie_process_counts_as_dead);
  RUN(a_process_with_a_reused_pid_is_another_worker);
  RUN(a_store_that_never_joined_frees_no_block);
  RUN(all_blocks_can_be_taken_and_no_more);
  RUN(a_new_run_counts_from_0_except_for_losses);
  RUN(the_state_of_a_run_ends_with_it);
  RUN(a_dying_process_does_not_count_as_a_user);
  RUN(attaching_beside_others_keeps_their_counters);
  RUN(no_sequence_number_is_given_twice);
  RUN(the_peak_stays_until_statistics_are_reset);
  RUN(uses_of_secrets_are_counted_over_all_workers);
  RUN(the_unused_secret_used_longest_ago_is_replaced);
  RUN(the_minimum_memory_suffices_for_its_workers);
  RUN(the_supervisor_waits_for_no_worker);
  RUN(the_process_that_blocks_others_is_told_from_those_that_wait);
  RUN(the_owners_of_the_other_locks_are_found_too);
  return check_end();
}
