/* test_admission.c - the limits on connections over several processes: their number, by address, and their rate. */
#include "arena/admission.h"
#include "arena/memory.h"
#include "processes.h"
#include "store/check.h"

#define SECOND 1000000000ull

/* ---- the number of connections ---- */

static void open_three(rd_store *st) {
  for (int i = 0; i < 3; i++) rd_open_enter(st, true, 0, 0);
}

static void a_limit_on_connections_holds_over_all_workers(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  pid_t pid = start(&st, 1, open_three);
  CHECK(rd_open_enter(&st, true, 4, 0));
  CHECK(!rd_open_enter(&st, true, 4, 0));
  CHECK(rd_open_enter(&st, true, 0, 0)); /* handed over: admitted whatever the limit, and counted */
  CHECK(!rd_open_enter(&st, true, 5, 0));
  rd_open_leave(&st, true);
  rd_open_leave(&st, true);
  rd_open_leave(&st, true); /* once too often */
  CHECK(rd_open_enter(&st, true, 4, 0));
  CHECK(!rd_open_enter(&st, true, 4, 0));
  stop(pid);
  arena_free(&st);
}

static void connections_are_reserved_for_local_clients_over_all_workers(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  pid_t pid = start(&st, 1, open_three);
  CHECK(rd_open_enter(&st, false, 6, 2)); /* the other worker's local clients use two reserved places and one more */
  CHECK(rd_open_enter(&st, false, 6, 2));
  CHECK(rd_open_enter(&st, false, 6, 2));
  CHECK(!rd_open_enter(&st, false, 6, 2));
  CHECK(!rd_open_enter(&st, true, 6, 2)); /* local clients are refused, too */
  rd_open_leave(&st, true);               /* none of this worker's is local */
  CHECK(!rd_open_enter(&st, true, 6, 2));
  rd_open_leave(&st, false);
  CHECK(rd_open_enter(&st, true, 6, 2));
  stop(pid);
  CHECK(rd_worker_reap(&st, 1));
  CHECK(rd_open_enter(&st, false, 6, 2)); /* 2 remote and 1 local are left */
  CHECK(rd_open_enter(&st, false, 6, 2));
  CHECK(!rd_open_enter(&st, false, 6, 2));
  CHECK(rd_open_enter(&st, true, 6, 2));
  CHECK(!rd_open_enter(&st, true, 6, 2));
  arena_free(&st);
}

static void reserving_every_connection_leaves_one_for_others(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  CHECK(rd_open_enter(&st, false, 2, 3));
  CHECK(!rd_open_enter(&st, false, 2, 3));
  CHECK(rd_open_enter(&st, true, 2, 3));
  arena_free(&st);
}

/* ---- by address ---- */

static void enter_twice(rd_store *st) {
  rd_address_enter(st, address(1), 0);
  rd_address_enter(st, address(1), 0);
}

static void a_limit_on_an_address_holds_over_all_workers(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  pid_t pid = start(&st, 1, enter_twice);
  CHECK(rd_address_enter(&st, address(1), 3));
  CHECK(!rd_address_enter(&st, address(1), 3));
  CHECK(rd_address_enter(&st, address(2), 3));
  rd_address_leave(&st, address(1));
  rd_address_leave(&st, address(1)); /* not counted here any more */
  CHECK(rd_address_enter(&st, address(1), 3));
  CHECK(arena_is_whole(&st));
  uint32_t place = place_of(&st, 1);
  stop(pid);
  rd_worker_reap(&st, place);
  CHECK(rd_address_enter(&st, address(1), 2));
  CHECK(!rd_address_enter(&st, address(1), 2));
  arena_free(&st);
}

static void addresses_are_added_and_removed_in_any_order(void) {
  enum { N = 9000 };
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  static uint8_t count[N];
  memset(count, 0, sizeof count);
  for (int i = 0; i < 60000 && check_ok; i++) {
    uint32_t n = (uint32_t)(rd_random_u64(&st) % N);
    if (i % 16 < 9 && count[n] < 200) {
      CHECK(rd_address_enter(&st, address(n), count[n] + 1u));
      count[n]++;
    } else if (count[n] > 0) {
      CHECK(!rd_address_enter(&st, address(n), count[n]));
      rd_address_leave(&st, address(n));
      count[n]--;
    }
  }
  CHECK(arena_is_whole(&st));
  for (uint32_t n = 0; n < N; n++) {
    for (; count[n] > 0; count[n]--) rd_address_leave(&st, address(n));
  }
  CHECK_INT(st.worker->addresses, 0);
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

static void a_full_table_refuses_new_addresses_only_and_only_with_a_limit(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  for (uint32_t n = 0; n < RD_ADDRESS_MAX; n++) CHECK(rd_address_enter(&st, address(n), 1));
  CHECK(!rd_address_enter(&st, address(RD_ADDRESS_MAX), 1));
  CHECK(rd_address_enter(&st, address(RD_ADDRESS_MAX), 0));
  rd_address_leave(&st, address(RD_ADDRESS_MAX));
  CHECK(rd_address_enter(&st, address(0), 2));
  rd_address_leave(&st, address(5));
  CHECK(rd_address_enter(&st, address(RD_ADDRESS_MAX), 1));
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

static void an_unused_address_table_is_not_counted_as_memory(void) {
  rd_store st = arena_new(4 * MIB, 4, RD_NOEVICTION);
  uint64_t before = rd_used_memory(&st);
  CHECK_INT(rd_address_enter(&st, address(1), 0), true);
  CHECK_INT(rd_used_memory(&st) - before, RD_PAGE);
  for (uint32_t n = 0; n < RD_ADDRESS_MAX; n++) rd_address_enter(&st, address(n), 0);
  CHECK_INT(rd_used_memory(&st) - before, RD_ADDRESS_PAGES * RD_PAGE);
  for (uint32_t i = 0; i < 400; i++) {
    rd_key key = key_of(&st, &i, sizeof i, 0);
    static uint8_t value[10000];
    rd_lock_shard(&st, rd_shard_of(&st, key.hash));
    rd_set(&st, &key, value, sizeof value, RD_NO_EXPIRY, RD_ENC_AUTO, RD_EVENT_SET);
    rd_unlock_all(&st);
  }
  CHECK(rd_committed_memory(&st) <= rd_max_memory(&st)); /* the table is full */
  uint64_t reserve = (uint64_t)st.head->pool.reserve * RD_REGION_SIZE;
  CHECK(rd_committed_memory(&st) > rd_max_memory(&st) - reserve - RD_REGION_SIZE - RD_PAGE);
  arena_free(&st);
}

/* ---- the rate ---- */

static void take_two(rd_store *st) {
  rd_rate_take(st, true, 3, 0, 5 * SECOND);
  rd_rate_take(st, true, 3, 0, 5 * SECOND);
}

static void a_burst_may_use_one_seconds_rate_over_all_workers(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  uint64_t now = 5 * SECOND;
  pid_t pid = start(&st, 1, take_two);
  CHECK(rd_rate_take(&st, true, 3, 0, now));
  CHECK(!rd_rate_take(&st, true, 3, 0, now));
  CHECK(rd_rate_take(&st, true, 0, 0, now));
  CHECK(!rd_rate_take(&st, true, 3, 0, now + SECOND / 3 - 2));
  CHECK(rd_rate_take(&st, true, 3, 0, now + SECOND / 3));
  CHECK(!rd_rate_take(&st, true, 3, 0, now + SECOND / 3));
  now += 1000 * SECOND; /* unused rate does not accumulate */
  for (int i = 0; i < 3; i++) CHECK(rd_rate_take(&st, true, 3, 0, now));
  CHECK(!rd_rate_take(&st, true, 3, 0, now));
  now = 7; /* a clock that starts again refuses clients for a second at most */
  CHECK(!rd_rate_take(&st, true, 3, 0, now));
  CHECK(rd_rate_take(&st, true, 3, 0, now + SECOND / 3));
  stop(pid);
  arena_free(&st);
}

/* ---- at listening sockets ---- */

static const uint8_t remote[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1};

static void an_early_refusal_gives_the_same_reason_as_entering(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  static const uint8_t here[16] = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 9}, six[16] = {[15] = 1};
  static const uint8_t near[16] = {[14] = 1, [15] = 1};
  rd_accept_limits g = {.st = &st};
  uint64_t now = 5 * SECOND;
  CHECK(rd_address_local(here) && rd_address_local(six) && rd_address_local(NULL));
  CHECK(!rd_address_local(remote) && !rd_address_local(near));
  CHECK(rd_refuse_early(&g, remote, now) == RD_LIMIT_NONE);

  g.open = 3, g.kept = 1;
  rd_open_enter(&st, false, 0, 0);
  CHECK(rd_refuse_early(&g, remote, now) == RD_LIMIT_NONE);
  rd_open_enter(&st, false, 0, 0);
  CHECK(rd_refuse_early(&g, remote, now) == RD_LIMIT_OPEN);
  CHECK(rd_refuse_early(&g, here, now) == RD_LIMIT_NONE); /* its place is reserved, and this call does not take it */
  CHECK(rd_refuse_early(&g, NULL, now) == RD_LIMIT_NONE);
  rd_open_enter(&st, true, 0, 0);
  CHECK(rd_refuse_early(&g, here, now) == RD_LIMIT_OPEN);
  CHECK(rd_refuse_early(&g, NULL, now) == RD_LIMIT_OPEN);

  g.open = 0, g.address = 2;
  rd_address_enter(&st, remote, 0);
  CHECK(rd_refuse_early(&g, remote, now) == RD_LIMIT_NONE);
  rd_address_enter(&st, remote, 0);
  CHECK(rd_refuse_early(&g, remote, now) == RD_LIMIT_ADDRESS);
  CHECK(rd_refuse_early(&g, near, now) == RD_LIMIT_NONE);
  CHECK(rd_refuse_early(&g, NULL, now) == RD_LIMIT_NONE);

  g.kept = 0, g.per_second = 2;
  CHECK(rd_refuse_early(&g, near, now) == RD_LIMIT_NONE);
  CHECK(rd_refuse_early(&g, near, now) == RD_LIMIT_NONE); /* the early test takes no rate */
  CHECK(rd_refuse_early(&g, near, now) == RD_LIMIT_NONE);
  CHECK(rd_rate_take(&st, true, 2, 0, now) && rd_rate_take(&st, true, 2, 0, now));
  CHECK(rd_refuse_early(&g, near, now) == RD_LIMIT_RATE);
  CHECK(rd_refuse_early(&g, remote, now) == RD_LIMIT_RATE); /* tested first, as the daemon does */
  CHECK(rd_refuse_early(&g, near, now + SECOND / 2) == RD_LIMIT_NONE);
  arena_free(&st);
}

/* The last `kept` of a second's worth are for local connections, however fast others come; one at least is for all. */
static void local_connections_have_their_part_of_the_rate(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  uint64_t now = 5 * SECOND;
  rd_accept_limits g = {.st = &st, .per_second = 5, .kept = 2};
  for (int i = 0; i < 3; i++) {
    CHECK(rd_refuse_early(&g, remote, now) == RD_LIMIT_NONE);
    CHECK(rd_rate_take(&st, false, 5, 2, now));
  }
  CHECK(rd_refuse_early(&g, remote, now) == RD_LIMIT_RATE && !rd_rate_take(&st, false, 5, 2, now));
  for (int i = 0; i < 2; i++) {
    CHECK(rd_refuse_early(&g, NULL, now) == RD_LIMIT_NONE && rd_rate_take(&st, true, 5, 2, now));
  }
  CHECK(rd_refuse_early(&g, NULL, now) == RD_LIMIT_RATE && !rd_rate_take(&st, true, 5, 2, now));
  now += SECOND; /* others take every admitted connection for an hour: the local part stays */
  for (int i = 0; i < 36000; i++, now += SECOND / 10) rd_rate_take(&st, false, 5, 2, now);
  CHECK(rd_rate_take(&st, true, 5, 2, now) && rd_rate_take(&st, true, 5, 2, now));
  now += 10 * SECOND;
  CHECK(rd_rate_take(&st, false, 1, 9, now) && !rd_rate_take(&st, false, 1, 9, now));
  now += 10 * SECOND;
  CHECK(rd_rate_take(&st, false, 2, 3, now) && !rd_rate_take(&st, false, 2, 3, now));
  CHECK(rd_rate_take(&st, true, 2, 3, now) && !rd_rate_take(&st, true, 2, 3, now));
  arena_free(&st);
}

/* A refusal is counted once in the total and once for its limit, whether it is early or at entering. */
static void every_refusal_is_counted_once(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  uint64_t now = 5 * SECOND;
  rd_accept_limits g = {.st = &st, .open = 1};
  CHECK(rd_open_enter(&st, false, 1, 0) && rd_address_enter(&st, remote, 1) && rd_rate_take(&st, true, 1, 0, now));
  CHECK(rd_counter(&st, RD_STAT_rejected_connections) == 0 && rd_counter(&st, RD_STAT_connections_received) == 0);

  CHECK(!rd_open_enter(&st, false, 1, 0) && rd_refuse_early(&g, remote, now) == RD_LIMIT_OPEN);
  CHECK(rd_counter(&st, RD_STAT_rejected_maximum) == 2 && rd_counter(&st, RD_STAT_rejected_connections) == 2);
  g = (rd_accept_limits){.st = &st, .address = 1};
  CHECK(!rd_address_enter(&st, remote, 1) && rd_refuse_early(&g, remote, now) == RD_LIMIT_ADDRESS);
  CHECK(rd_counter(&st, RD_STAT_rejected_address) == 2 && rd_counter(&st, RD_STAT_rejected_connections) == 4);
  CHECK(g.refused[RD_LIMIT_ADDRESS] == 1 && memcmp(g.last[RD_LIMIT_ADDRESS], remote, 16) == 0);
  g = (rd_accept_limits){.st = &st, .per_second = 1};
  CHECK(!rd_rate_take(&st, true, 1, 0, now) && rd_refuse_early(&g, remote, now) == RD_LIMIT_RATE);
  CHECK(rd_counter(&st, RD_STAT_rejected_rate) == 2 && rd_counter(&st, RD_STAT_rejected_connections) == 6);
  CHECK(rd_counter(&st, RD_STAT_connections_received) == 6);

  /* An admitted connection, without a limit or below it, does not count as refused. */
  CHECK(rd_open_enter(&st, false, 0, 0) && rd_address_enter(&st, remote, 0) && rd_rate_take(&st, true, 0, 0, now));
  g = (rd_accept_limits){.st = &st};
  CHECK(rd_refuse_early(&g, remote, now) == RD_LIMIT_NONE && rd_refuse_early(&g, NULL, now) == RD_LIMIT_NONE);
  CHECK(rd_counter(&st, RD_STAT_rejected_connections) == 6);
  arena_free(&st);
}

static void open_two_remote(rd_store *st) {
  for (int i = 0; i < 2; i++) {
    rd_open_enter(st, false, 0, 0);
    rd_address_enter(st, remote, 0);
  }
}

static void an_early_refusal_counts_the_other_workers(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  pid_t pid = start(&st, 1, open_two_remote);
  uint32_t place = place_of(&st, 1);
  rd_accept_limits all = {.st = &st, .open = 2}, one = {.st = &st, .address = 2};
  CHECK(rd_refuse_early(&all, remote, SECOND) == RD_LIMIT_OPEN);
  CHECK(rd_refuse_early(&one, remote, SECOND) == RD_LIMIT_ADDRESS);
  stop(pid);
  CHECK(rd_worker_reap(&st, place));
  CHECK(rd_refuse_early(&all, remote, SECOND) == RD_LIMIT_NONE);
  CHECK(rd_refuse_early(&one, remote, SECOND) == RD_LIMIT_NONE);
  arena_free(&st);
}

/* ---- damage and deaths ---- */

static void hold_admission(rd_store *st) { rd_admission_lock(st); }

static void a_dead_workers_admission_lock_is_released(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  pid_t pid = start(&st, 1, hold_admission);
  uint32_t place = place_of(&st, 1);
  stop(pid);
  CHECK(rd_open_enter(&st, true, 1, 0));
  CHECK(rd_worker_reap(&st, place));
  CHECK(!rd_open_enter(&st, true, 1, 0));
  arena_free(&st);
}

static void a_damaged_worker_block_is_detected(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  rd_worker *w = st.worker;
  char err[200] = "";
  for (uint32_t i = 0; i < 3; i++) CHECK(rd_address_enter(&st, address(i), 5));
  CHECK_INT(rd_check(&st, err, sizeof err), 0);
  w->addresses++;
  CHECK(rd_check(&st, err, sizeof err) != 0);
  CHECK(strstr(err, "worker 0") != NULL);
  w->addresses--;
  uint32_t slot = 0;
  while (w->address[slot].count == 0) slot++;
  w->address[slot].bytes[15] ^= 1; /* so that a search for it almost never finds it */
  CHECK(rd_check(&st, err, sizeof err) != 0);
  w->address[slot].bytes[15] ^= 1;
  CHECK_INT(rd_check(&st, err, sizeof err), 0);
  arena_free(&st);
}

int main(void) {
  RUN(a_limit_on_connections_holds_over_all_workers);
  RUN(connections_are_reserved_for_local_clients_over_all_workers);
  RUN(reserving_every_connection_leaves_one_for_others);
  RUN(a_limit_on_an_address_holds_over_all_workers);
  RUN(addresses_are_added_and_removed_in_any_order);
  RUN(a_full_table_refuses_new_addresses_only_and_only_with_a_limit);
  RUN(an_unused_address_table_is_not_counted_as_memory);
  RUN(a_burst_may_use_one_seconds_rate_over_all_workers);
  RUN(an_early_refusal_gives_the_same_reason_as_entering);
  RUN(local_connections_have_their_part_of_the_rate);
  RUN(every_refusal_is_counted_once);
  RUN(an_early_refusal_counts_the_other_workers);
  RUN(a_dead_workers_admission_lock_is_released);
  RUN(a_damaged_worker_block_is_detected);
  return check_end();
}
