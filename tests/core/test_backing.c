/* test_backing.c - an arena for which the system has no more memory (a tmpfs that is full of other files). The tests
 * replace fallocate(), which fails on demand and counts the bytes that it was asked for. */
#include <errno.h>
#include <fcntl.h>

#include "arena/admission.h"
#include "arena/heap.h"
#include "arena/pool.h"
#include "arena/ring.h"
#include "arena_fixture.h"
#include "check.h"
#include "store/databases.h"
#include "store/expire.h"
#include "store/run.h"

static unsigned asked, interrupted;
static bool refuses;

int __real_fallocate(int fd, int mode, off_t at, off_t len);
int __wrap_fallocate(int fd, int mode, off_t at, off_t len);
int __wrap_fallocate(int fd, int mode, off_t at, off_t len) {
  if (mode != 0) return __real_fallocate(fd, mode, at, len);
  asked++;
  if (interrupted > 0) {
    interrupted--;
    errno = EINTR;
    return -1;
  }
  if (refuses) {
    errno = ENOSPC;
    return -1;
  }
  return __real_fallocate(fd, mode, at, len);
}

static bool put(rd_store *st, uint32_t n, size_t size) {
  static char value[200000];
  char name[20];
  rd_key key = key_of(st, name, (size_t)snprintf(name, sizeof name, "key:%u", n), 0);
  rd_lock_keys(st, &key, 1);
  memset(value, 'a' + (int)(n % 26), size);
  rd_result result = rd_set(st, &key, value, size, RD_NO_EXPIRY, RD_ENC_AUTO, RD_EVENT_SET);
  rd_unlock_all(st);
  return result == RD_OK;
}

static bool has(rd_store *st, uint32_t n) {
  char name[20];
  rd_key key = key_of(st, name, (size_t)snprintf(name, sizeof name, "key:%u", n), 0);
  rd_lock_keys(st, &key, 1);
  bool there = rd_find_quiet(st, &key, false) != NULL;
  rd_unlock_all(st);
  return there;
}

static uint32_t put_many(rd_store *st, uint32_t first, uint32_t count, size_t size) {
  uint32_t stored = 0;
  for (uint32_t i = 0; i < count; i++) stored += put(st, first + i, size);
  return stored;
}

static void without_memory_no_arena_is_created_and_no_worker_joins(void) {
  rd_store st, again;
  char err[200];
  int fd = memfd_create("redistill-test", MFD_CLOEXEC);
  rd_options o = {.max_memory = 16 * MIB, .num_shards = 4, .policy = RD_NOEVICTION, .sample_size = 5, .seed = {1, 2}};
  refuses = true;
  CHECK_INT(rd_create(&st, fd, &o, err, sizeof err), -1);
  CHECK(strstr(err, "No space left on device") != NULL);
  refuses = false;
  interrupted = 3;
  CHECK_INT(rd_create(&st, fd, &o, err, sizeof err), 0);
  CHECK_INT(rd_worker_join(&st, 0), 0);
  CHECK_INT(rd_attach(&again, fd, err, sizeof err), 0);
  refuses = true;
  CHECK_INT(rd_worker_join(&again, 1), -2);
  refuses = false;
  CHECK_INT(rd_worker_join(&again, 1), 1);
  rd_worker_leave(&again);
  rd_detach(&again);
  refuses = true;
  CHECK_INT(rd_attach_alone(&again, fd, err, sizeof err), -1);
  refuses = false;
  arena_free(&st);
}

static void writes_are_refused_while_the_system_gives_no_region(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  CHECK_INT(put_many(&st, 0, 100, 5000), 100);
  refuses = true;
  CHECK(put_many(&st, 1000, 500, 5000) < 60);
  CHECK(!put(&st, 5000, 200000));
  CHECK_INT(rd_pool_free(&st), 0);
  for (uint32_t i = 0; i < 100; i++) CHECK(has(&st, i));
  CHECK(put(&st, 3, 5000)); /* in its own place */
  asked = 0;
  CHECK(put_many(&st, 2000, 500, 5000) == 0);
  CHECK_INT(asked, 0); /* not every command asks the system */
  refuses = false;
  CHECK(!put(&st, 5000, 200000));
  rd_sweep(&st, 0, 4, 0);
  CHECK(put(&st, 5000, 200000));
  CHECK_INT(put_many(&st, 3000, 500, 5000), 500);
  CHECK(rd_counter(&st, RD_STAT_regions_refused) > 0);
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

static void a_cache_evicts_when_the_system_has_no_more_memory(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_ALLKEYS_LRU);
  CHECK_INT(put_many(&st, 0, 400, 5000), 400);
  refuses = true;
  for (uint32_t round = 0; round < 3; round++) {
    CHECK_INT(put_many(&st, 1000, 1000, 3000 + round * 2000), 1000);
    CHECK(put(&st, 9999, 100000));
    rd_sweep(&st, 0, 4, 0);
  }
  CHECK(rd_counter(&st, RD_STAT_evicted_keys) > 0);
  CHECK(arena_is_whole(&st));
  refuses = false;
  arena_free(&st);
}

static void a_released_region_is_reused_without_asking_the_system(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  CHECK_INT(put_many(&st, 0, 1000, 5000), 1000);
  rd_flush_all(&st);
  asked = 0;
  CHECK_INT(put_many(&st, 0, 1000, 5000), 1000);
  CHECK_INT(asked, 0);
  rd_flush_all(&st);
  while (!rd_sweep(&st, 0, 4, 0)) continue; /* now the system has the memory, and may have given it to others */
  asked = 0;
  CHECK_INT(put_many(&st, 0, 1000, 5000), 1000);
  CHECK(asked > 50);
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

/* Some regions of the pool were trimmed, others not: the pool finds those that have memory. */
static void regions_with_memory_are_used_before_new_ones(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  CHECK_INT(put_many(&st, 0, 1000, 5000), 1000);
  rd_flush_all(&st);
  uint32_t all = st.head->pool.fresh, backed = 0;
  rd_pool_trim_begin(&st);
  rd_pool_trim_step(&st, all / 2);
  for (uint32_t i = 0; i < all; i++) backed += st.regions[i].prev == RD_BACKED;
  CHECK_INT(backed, all - all / 2);
  refuses = true;
  CHECK(put_many(&st, 0, 1000, 5000) > 300);
  CHECK_INT(st.head->pool.in_use, backed);
  refuses = false;
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

static void prepared_regions_can_be_taken(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  CHECK(rd_pool_prepare(&st, 0, false));
  CHECK(rd_pool_prepare(&st, 20, false));
  CHECK(!rd_pool_prepare(&st, 100000, false));
  CHECK(arena_is_whole(&st));
  refuses = true;
  CHECK(rd_pool_prepare(&st, 20, false));
  CHECK(!rd_pool_prepare(&st, 21, false));
  rd_lock_shard(&st, 1);
  rd_mark_dirty(&st, 1);
  for (int i = 0; i < 20; i++) CHECK(rd_pool_take(&st, 1) != UINT32_MAX);
  CHECK(rd_pool_take(&st, 1) == UINT32_MAX);
  rd_empty_shard(&st, 1);
  rd_unlock_shard(&st, 1);
  refuses = false;
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

/* Without a limit the connection is admitted, as with a full table; with a limit it is refused. */
static void an_address_without_memory_is_not_counted(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  uint8_t address[16] = {7};
  refuses = true;
  CHECK(rd_address_enter(&st, address, 0));
  CHECK(!rd_address_enter(&st, address, 5));
  rd_address_leave(&st, address);
  refuses = false;
  CHECK(rd_address_enter(&st, address, 5));
  CHECK(arena_is_whole(&st));
  rd_worker_leave(&st);
  arena_free(&st);
}

static void a_record_without_ring_memory_is_kept_until_there_is_some(void) {
  rd_store st = arena_new(16 * MIB, 4, RD_NOEVICTION), other;
  char err[200];
  rd_record r;
  CHECK(rd_attach(&other, st.fd, err, sizeof err) == 0 && rd_worker_join(&other, 1) == 1);
  uint64_t fixed = rd_fixed_memory(&st);
  refuses = true;
  CHECK_INT(rd_ring_put(&st, 1, RD_RECORD_MONITOR, "a", 1), RD_SENT_FULL);
  CHECK_INT(rd_ring_send(&st, 1, RD_RECORD_MONITOR, "b", 1, 20), RD_SENT_KEPT);
  CHECK_INT(rd_ring_send(&st, 1, RD_RECORD_MONITOR, "c", 1, 20), RD_SENT_KEPT);
  CHECK_INT(rd_ring_send(&st, 1, RD_RECORD_MONITOR, "d", 1, 20), RD_SENT_LOST);
  CHECK(!rd_ring_flush(&st) && !rd_ring_waits(&other));
  CHECK_INT(rd_fixed_memory(&st), fixed);
  refuses = false;
  CHECK(rd_ring_flush(&st));
  for (const char *text = "bc"; *text != 0; text++) {
    CHECK(rd_ring_read(&other, &r) && r.part[0].len == 1 && r.part[0].data[0] == (uint8_t)*text);
    rd_ring_done(&other, &r);
  }
  CHECK_INT(rd_fixed_memory(&st), fixed + RD_RING_BYTES);
  CHECK(arena_is_whole(&st));
  rd_worker_leave(&other);
  rd_detach(&other);
  arena_free(&st);
}

int main(void) {
  RUN(without_memory_no_arena_is_created_and_no_worker_joins);
  RUN(writes_are_refused_while_the_system_gives_no_region);
  RUN(a_cache_evicts_when_the_system_has_no_more_memory);
  RUN(a_released_region_is_reused_without_asking_the_system);
  RUN(regions_with_memory_are_used_before_new_ones);
  RUN(prepared_regions_can_be_taken);
  RUN(a_record_without_ring_memory_is_kept_until_there_is_some);
  RUN(an_address_without_memory_is_not_counted);
  return check_end();
}
