/* test_ring.c - messages between processes (ring.h): they arrive whole and in order, whichever process dies, stops or
 * writes wrong bytes.
 *
 * RD_CRASH_KILLS sets the number of killed writers. RD_CRASH_SEED repeats the choices, except for the times of death.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>

#include "arena/layout.h"
#include "arena/ring.h"
#include "arena_fixture.h"
#include "base/clock.h"
#include "check.h"

enum { HERE = 0, THERE = 1, WRITERS = 3, LONGEST = 3000 };

static rd_store st, other; /* of blocks HERE and THERE */

static void join(rd_store *store, uint32_t place) {
  char err[200];
  CHECK(rd_attach(store, st.fd, err, sizeof err) == 0);
  CHECK_INT(rd_worker_join(store, place), place);
  store->clock = rd_monotonic_ns;
}

static void begin(void) {
  st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  st.clock = rd_monotonic_ns;
  join(&other, THERE);
}

static bool is_whole(rd_store *store) {
  char err[200] = "";
  int violations = rd_check(store, err, sizeof err);
  if (violations != 0) printf("    %s\n", err);
  return violations == 0;
}

static void end(void) {
  CHECK(is_whole(&st));
  rd_worker_leave(&other);
  rd_detach(&other);
  arena_free(&st);
}

static rd_ring *ring_of(uint32_t place) { return &rd_worker_at(&st, place)->ring; }

/* Counts the locks that dead writers left, in all processes. */
static _Atomic uint64_t *healed;
int __real_pthread_mutex_consistent(pthread_mutex_t *lock);
int __wrap_pthread_mutex_consistent(pthread_mutex_t *lock);
int __wrap_pthread_mutex_consistent(pthread_mutex_t *lock) {
  atomic_fetch_add(healed, 1);
  return __real_pthread_mutex_consistent(lock);
}

static uint8_t pattern[RD_RING_BYTES], got[RD_RING_BYTES];

static void fill_pattern(void) {
  for (uint32_t i = 0; i < sizeof pattern; i++) pattern[i] = (uint8_t)(i * 2654435761u >> 24);
}

/* Read a record into `got`. Its length; -1: there is none. */
static long take(rd_store *store, uint32_t *kind) {
  rd_record r;
  if (!rd_ring_read(store, &r)) return -1;
  if (r.part[0].len != 0) memcpy(got, r.part[0].data, r.part[0].len);
  if (r.part[1].len != 0) memcpy(got + r.part[0].len, r.part[1].data, r.part[1].len);
  if (kind != NULL) *kind = r.kind;
  rd_ring_done(store, &r);
  return (long)(r.part[0].len + r.part[1].len);
}

static void expect_record(rd_store *store, uint32_t kind, const void *data, size_t len) {
  uint32_t found = 0;
  long n = take(store, &found);
  CHECK_INT(n, len);
  CHECK_INT(found, kind);
  CHECK(n == (long)len && memcmp(got, data, len) == 0);
}

#define PUT(len, seed) rd_ring_put(&st, THERE, (rd_record_kind)(seed), pattern + (seed), len)

/* ---- bytes ---- */

static void records_wrap_at_every_offset(void) {
  begin();
  CHECK_INT(PUT(1, 1), RD_SENT);
  expect_record(&other, 1, pattern + 1, 1);
  for (uint64_t start = 5 * RD_RING_BYTES - 40; start <= 5 * RD_RING_BYTES + 8 && check_ok; start++) {
    for (size_t len = 0; len <= 40 && check_ok; len++) {
      atomic_store(&ring_of(THERE)->head, start);
      atomic_store(&ring_of(THERE)->tail, start);
      CHECK_INT(PUT(len, 7), RD_SENT);
      CHECK_INT(PUT(17, 9), RD_SENT);
      expect_record(&other, 7, pattern + 7, len);
      expect_record(&other, 9, pattern + 9, 17);
      CHECK(!rd_ring_waits(&other));
    }
  }
  end();
}

static void the_largest_record_fits_exactly_and_no_larger_one(void) {
  begin();
  CHECK_INT(PUT(RD_RING_LARGEST + 1, 0), RD_SENT_LOST);
  for (unsigned n = 0; n < 5; n++) {
    CHECK_INT(rd_ring_put(&st, THERE, 3, pattern, RD_RING_LARGEST), RD_SENT);
    CHECK_INT(PUT(0, 0), RD_SENT_FULL);
    expect_record(&other, 3, pattern, RD_RING_LARGEST);
    CHECK_INT(PUT(5 + n, 4), RD_SENT); /* so that the next one begins at another offset */
    CHECK_INT(rd_ring_put(&st, THERE, 3, pattern, RD_RING_LARGEST), RD_SENT_FULL);
    expect_record(&other, 4, pattern + 4, 5 + n);
  }
  end();
}

static void a_full_ring_accepts_as_many_bytes_as_were_read(void) {
  begin();
  unsigned in = 0, out = 0;
  while (PUT(1000, in % 100) == RD_SENT) in++;
  CHECK_INT(in, RD_RING_BYTES / (1000 + RD_RING_HEAD));
  for (unsigned n = 0; n < 3 * in && check_ok; n++) {
    expect_record(&other, out % 100, pattern + out % 100, 1000);
    out++;
    CHECK_INT(PUT(1000, (in + n) % 100), RD_SENT);
    CHECK_INT(PUT(1000, 0), RD_SENT_FULL);
  }
  end();
}

static void no_record_is_sent_to_a_free_block(void) {
  begin();
  CHECK_INT(rd_ring_put(&st, 2, 1, "x", 1), RD_SENT_GONE);
  CHECK_INT(rd_ring_put(&st, RD_MAX_WORKERS, 1, "x", 1), RD_SENT_GONE);
  CHECK_INT(rd_ring_send(&st, UINT32_MAX, 1, "x", 1, 100), RD_SENT_GONE);
  CHECK_INT(rd_ring_put(&st, HERE, 1, "x", 1), RD_SENT); /* to oneself */
  expect_record(&st, 1, "x", 1);
  CHECK_INT(PUT(3, 1), RD_SENT);
  rd_worker_leave(&other);
  CHECK(is_whole(&st)); /* no record lies in memory that is not there */
  CHECK_INT(PUT(3, 1), RD_SENT_GONE);
  CHECK_INT(rd_ring_send(&st, THERE, 1, "x", 1, 100), RD_SENT_GONE);
  CHECK_INT(rd_worker_join(&other, THERE), THERE);
  CHECK(!rd_ring_waits(&other)); /* the records for its predecessor are gone */
  CHECK_INT(PUT(3, 1), RD_SENT);
  end();
}

static void a_ring_has_memory_from_its_first_record_until_its_owner_ends(void) {
  begin();
  uint64_t fixed = rd_fixed_memory(&st), used = rd_used_memory(&st), limit = st.head->pool.limit;
  CHECK_INT(PUT(3, 1), RD_SENT);
  CHECK_INT(rd_fixed_memory(&st) - fixed, RD_RING_BYTES);
  CHECK_INT(rd_used_memory(&st) - used, RD_RING_BYTES);
  CHECK(st.head->pool.limit < limit);
  CHECK(is_whole(&st));
  rd_worker_leave(&other);
  CHECK_INT(rd_fixed_memory(&st), fixed);
  CHECK_INT(rd_worker_join(&other, THERE), THERE);
  CHECK_INT(st.head->pool.limit, limit);
  end();
}

static void unused_ring_memory_is_returned(void) {
  begin();
  uint64_t fixed = rd_fixed_memory(&st), limit = st.head->pool.limit, now = 5;
  for (unsigned n = 0; n < 3; n++) {
    CHECK_INT(PUT(3, 1), RD_SENT);
    rd_worker_beat(&other, now += 100); /* it notices that the ring was used */
    rd_worker_beat(&other, now += RD_RING_REST_MS);
    CHECK_INT(rd_fixed_memory(&st) - fixed, RD_RING_BYTES); /* and the memory is still there */
    expect_record(&other, 1, pattern + 1, 3);
    rd_worker_beat(&other, now += RD_RING_REST_MS - 1);
    CHECK_INT(PUT(5, 2), RD_SENT);
    rd_worker_beat(&other, now += 1);
    expect_record(&other, 2, pattern + 2, 5);
    rd_worker_beat(&other, now += RD_RING_REST_MS - 1);
    CHECK_INT(rd_fixed_memory(&st) - fixed, RD_RING_BYTES);
    rd_worker_beat(&other, now += 1);
    CHECK_INT(rd_fixed_memory(&st), fixed);
    CHECK_INT(st.head->pool.limit, limit);
    CHECK(is_whole(&st));
  }
  pthread_mutex_lock(&ring_of(THERE)->lock); /* a writer holds the lock */
  atomic_store(&ring_of(THERE)->backed, 1);
  rd_worker_beat(&other, now += 2 * RD_RING_REST_MS);
  CHECK_INT(atomic_load(&ring_of(THERE)->backed), 1);
  pthread_mutex_unlock(&ring_of(THERE)->lock);
  end();
}

/* ---- waking ---- */

static uint64_t signals(int fd) {
  uint64_t count = 0;
  return read(fd, &count, sizeof count) == (ssize_t)sizeof count ? count : 0;
}

static void a_sleeping_reader_is_woken_once(void) {
  begin();
  int wakers[RD_MAX_WORKERS];
  for (unsigned i = 0; i < RD_MAX_WORKERS; i++) wakers[i] = -1;
  int fd = wakers[THERE] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  CHECK_INT(PUT(3, 1), RD_SENT); /* without eventfds: the reader finds it when it looks next */
  CHECK_INT(take(&other, NULL), 3);
  rd_ring_set_wakers(&st, wakers);
  CHECK(rd_ring_may_sleep(&other));
  CHECK_INT(PUT(3, 1), RD_SENT);
  CHECK_INT(PUT(3, 1), RD_SENT);
  CHECK_INT(signals(fd), 1);
  CHECK(!rd_ring_may_sleep(&other)); /* both records are there */
  CHECK_INT(take(&other, NULL), 3);
  CHECK_INT(PUT(3, 1), RD_SENT); /* it is awake */
  CHECK_INT(signals(fd), 0);
  CHECK_INT(take(&other, NULL), 3);
  CHECK_INT(take(&other, NULL), 3);
  CHECK(rd_ring_may_sleep(&other));
  CHECK_INT(PUT(3, 1), RD_SENT);
  CHECK_INT(signals(fd), 1);
  rd_worker_leave(&other);
  CHECK_INT(rd_worker_join(&other, THERE), THERE);
  CHECK_INT(PUT(3, 1), RD_SENT); /* a new reader does not count as awake */
  CHECK_INT(signals(fd), 1);
  CHECK_INT(rd_ring_put(&st, HERE, 1, "x", 1), RD_SENT); /* there is no eventfd */
  close(fd);
  end();
}

/* ---- kept records ---- */

static void records_without_room_are_kept_in_order_up_to_a_bound(void) {
  enum { LEN = 1000, BOUND = 10 * (LEN + RD_RING_HEAD) };
  begin();
  unsigned in = 0, out = 0, kept = 0;
  for (;; in++) {
    rd_sent sent = rd_ring_send(&st, THERE, (rd_record_kind)(in % 100), pattern + in % 100, LEN, BOUND);
    if (sent == RD_SENT_LOST) break;
    CHECK(sent == (kept != 0 ? RD_SENT_KEPT : RD_SENT) || sent == RD_SENT_KEPT);
    kept += sent == RD_SENT_KEPT;
  }
  CHECK_INT(kept, 10);
  CHECK(!rd_ring_flush(&st));
  CHECK_INT(rd_ring_send(&st, THERE, 0, pattern, 0, BOUND), RD_SENT_LOST); /* even if it were small */
  for (; out < 3; out++) expect_record(&other, out % 100, pattern + out % 100, LEN);
  for (unsigned n = 0; n < 3; n++, in++) /* after the kept ones */
    CHECK_INT(rd_ring_send(&st, THERE, (rd_record_kind)(in % 100), pattern + in % 100, LEN, BOUND), RD_SENT_KEPT);
  while (out < in && check_ok) {
    if (!rd_ring_waits(&other)) rd_ring_flush(&st);
    expect_record(&other, out % 100, pattern + out % 100, LEN);
    out++;
  }
  CHECK(rd_ring_flush(&st));
  CHECK(!rd_ring_waits(&other));
  CHECK_INT(rd_ring_send(&st, THERE, 1, pattern, RD_RING_LARGEST, 0),
            RD_SENT); /* the bound applies to waiting records */
  CHECK_INT(rd_ring_send(&st, THERE, 1, pattern, RD_RING_LARGEST, RD_RING_BYTES), RD_SENT_KEPT);
  CHECK_INT(rd_ring_send(&st, THERE, 1, pattern, RD_RING_LARGEST + 1, 2 * RD_RING_BYTES), RD_SENT_LOST);
  end();
}

static void kept_records_are_not_sent_to_a_successor(void) {
  begin();
  CHECK_INT(rd_ring_send(&st, THERE, 1, pattern, RD_RING_LARGEST, MIB), RD_SENT);
  CHECK_INT(rd_ring_send(&st, THERE, 1, "old", 3, MIB), RD_SENT_KEPT);
  rd_worker_leave(&other);
  CHECK(rd_ring_flush(&st)); /* the ring is still full, but its owner is gone */
  CHECK_INT(rd_worker_join(&other, THERE), THERE);
  CHECK_INT(rd_ring_send(&st, THERE, 1, pattern, RD_RING_LARGEST, MIB), RD_SENT);
  CHECK_INT(rd_ring_send(&st, THERE, 1, "old", 3, MIB), RD_SENT_KEPT);
  rd_worker_leave(&other);
  CHECK_INT(rd_worker_join(&other, THERE), THERE);
  CHECK_INT(rd_ring_send(&st, THERE, 1, "new", 3, MIB), RD_SENT);
  expect_record(&other, 1, "new", 3);
  CHECK(!rd_ring_waits(&other));
  CHECK(rd_ring_flush(&st));
  end();
}

/* ---- processes that stop or die ---- */

static void a_stopped_writer_delays_others_only_briefly(void) {
  begin();
  int ready[2];
  char word;
  CHECK(pipe(ready) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    pthread_mutex_lock(&ring_of(THERE)->lock);
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  CHECK_INT(read(ready[0], &word, 1), 1);
  CHECK_INT(rd_lock_owner(&st), 0); /* no process has waited yet */
  CHECK_INT(rd_ring_send(&st, THERE, 1, "first", 5, MIB), RD_SENT_KEPT);
  CHECK_INT(rd_lock_owner(&st), pid);
  uint64_t before = rd_monotonic_ns();
  for (unsigned i = 0; i < 1000; i++) CHECK_INT(rd_ring_send(&st, THERE, 1, "more", 4, MIB), RD_SENT_KEPT);
  CHECK(rd_monotonic_ns() - before < 1000ull * RD_LOCK_WAIT_NS / 4); /* it does not wait again */
  CHECK(!rd_ring_flush(&st));
  CHECK_INT(rd_ring_put(&st, THERE, 1, "x", 1), RD_SENT_FULL);
  CHECK(is_whole(&st)); /* it does not wait either */
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  CHECK(rd_ring_flush(&st));
  CHECK_INT(st.rings_stuck, 0);
  expect_record(&other, 1, "first", 5);
  for (unsigned i = 0; i < 1000; i++) expect_record(&other, 1, "more", 4);
  close(ready[0]);
  close(ready[1]);
  end();
}

static void the_ring_of_a_dead_reader_is_reset_for_the_next(void) {
  begin();
  rd_worker_leave(&other);
  int done[2];
  char word;
  CHECK(pipe(done) == 0);
  pid_t pid = fork();
  if (pid == 0) { /* it dies while it reads */
    rd_store own;
    char err[200];
    rd_record r;
    if (rd_attach(&own, st.fd, err, sizeof err) != 0 || rd_worker_join(&own, 1) != THERE) _exit(2);
    if (write(done[1], "x", 1) != 1) _exit(3);
    while (!rd_ring_read(&own, &r)) continue;
    if (write(done[1], "x", 1) != 1) _exit(3);
    for (;;) pause();
  }
  CHECK_INT(read(done[0], &word, 1), 1);
  CHECK_INT(PUT(1000, 1), RD_SENT);
  CHECK_INT(read(done[0], &word, 1), 1);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  unsigned n = 0;
  while (PUT(1000, 1) == RD_SENT) n++;
  CHECK_INT(n, RD_RING_BYTES / (1000 + RD_RING_HEAD) - 1); /* no process knows that it is dead */
  CHECK(rd_worker_reap(&st, THERE));
  CHECK_INT(PUT(1000, 1), RD_SENT_GONE);
  CHECK_INT(rd_worker_join(&other, THERE), THERE);
  CHECK(!rd_ring_waits(&other));
  CHECK_INT(PUT(1000, 2), RD_SENT);
  expect_record(&other, 2, pattern + 2, 1000);
  close(done[0]);
  close(done[1]);
  end();
}

static uint64_t mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  return x ^ x >> 31;
}
static uint64_t dice_state;
static uint64_t dice(uint64_t sides) { return mix(dice_state += 0x9e3779b97f4a7c15ull) % sides; }

static uint64_t number_in(const char *name, uint64_t otherwise) {
  const char *text = getenv(name);
  return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

/* A record that can be verified: its writer, the number of that writer's earlier records, and bytes that follow from
 * both. */
typedef struct stamp {
  uint32_t writer, number;
} stamp;

static size_t length_of(stamp s) { return sizeof s + mix((uint64_t)s.writer << 32 | s.number) % LONGEST; }

static size_t compose(stamp s, uint8_t *to) {
  size_t len = length_of(s);
  memcpy(to, &s, sizeof s);
  memcpy(to + sizeof s, pattern + s.number % 4096, len - sizeof s);
  return len;
}

/* Write without end, or `most` records; as a process of its own. */
static pid_t start_writer(uint32_t writer, uint32_t most, const int *wakers) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  static uint8_t record[LONGEST + sizeof(stamp)];
  st.rings_behind = 0;
  if (wakers != NULL) rd_ring_set_wakers(&st, wakers);
  for (uint32_t n = 0; n < most; n++) {
    size_t len = compose((stamp){writer, n}, record);
    rd_sent sent = rd_ring_send(&st, THERE, RD_RECORD_MONITOR, record, len, 2 * MIB);
    if (sent != RD_SENT && sent != RD_SENT_KEPT) n--;
  }
  while (!rd_ring_flush(&st)) continue;
  _exit(0);
}

/* Read all records, and return their number. Each must be whole, and the next one of its writer according to `next`. */
static unsigned verify_all(uint32_t *next) {
  unsigned n = 0;
  stamp s;
  for (long len; check_ok && (len = take(&other, NULL)) >= 0; n++) {
    memcpy(&s, got, sizeof s);
    CHECK(len >= (long)sizeof s && len == (long)length_of(s));
    if (!check_ok) break;
    const uint8_t *rest = pattern + s.number % 4096;
    CHECK(memcmp(got + sizeof s, rest, (size_t)len - sizeof s) == 0);
    CHECK_INT(s.number, next[s.writer]);
    next[s.writer] = s.number + 1;
  }
  CHECK_INT(other.rings_reset, 0);
  return n;
}

static void records_of_each_writer_arrive_in_order(void) {
  enum { EACH = 20000 };
  begin();
  uint32_t next[WRITERS] = {0};
  int wakers[RD_MAX_WORKERS];
  for (unsigned i = 0; i < RD_MAX_WORKERS; i++) wakers[i] = -1;
  struct pollfd woken = {.fd = wakers[THERE] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .events = POLLIN};
  pid_t pids[WRITERS];
  for (uint32_t i = 0; i < WRITERS; i++) pids[i] = start_writer(i, EACH, wakers);
  uint64_t now = 0; /* always late enough to return unused memory */
  for (uint64_t n = 0; n < (uint64_t)WRITERS * EACH && check_ok;) {
    rd_worker_beat(&other, now += RD_RING_REST_MS);
    if (rd_ring_may_sleep(&other)) {
      CHECK_INT(poll(&woken, 1, 20000), 1); /* no signal is ever lost */
      signals(woken.fd);
    }
    n += verify_all(next);
  }
  for (uint32_t i = 0; i < WRITERS; i++) {
    if (!check_ok) kill(pids[i], SIGKILL);
    waitpid(pids[i], NULL, 0);
    CHECK_INT(next[i], EACH);
  }
  close(woken.fd);
  end();
}

static void a_writer_may_be_killed_at_any_time(void) {
  begin();
  atomic_store(healed, 0);
  uint64_t kills = number_in("RD_CRASH_KILLS", 2000), records = 0;
  dice_state = number_in("RD_CRASH_SEED", rd_monotonic_ns());
  uint32_t *next = calloc(kills + WRITERS, sizeof *next), born = 0;
  pid_t pids[WRITERS];
  for (uint32_t i = 0; i < WRITERS; i++) pids[i] = start_writer(born++, UINT32_MAX, NULL);
  for (uint64_t i = 0; i < kills && check_ok; i++) {
    uint64_t until = rd_monotonic_ns() + dice(1000) * 1000;
    do {
      records += verify_all(next);
    } while (rd_monotonic_ns() < until && check_ok);
    uint32_t victim = (uint32_t)dice(WRITERS);
    kill(pids[victim], SIGKILL);
    waitpid(pids[victim], NULL, 0);
    pids[victim] = start_writer(born++, UINT32_MAX, NULL);
    if (i % 100 == 0) CHECK(is_whole(&st));
  }
  for (uint32_t i = 0; i < WRITERS; i++) {
    kill(pids[i], SIGKILL);
    waitpid(pids[i], NULL, 0);
  }
  verify_all(next);
  CHECK_INT(rd_ring_put(&st, THERE, 1, "x", 1), RD_SENT);
  expect_record(&other, 1, "x", 1);
  printf("    %llu records of %u writers that were killed, %llu of them while they wrote one\n",
         (unsigned long long)records, born, (unsigned long long)atomic_load(healed));
  CHECK(kills < 1000 || atomic_load(healed) != 0); /* otherwise no writer died while it held the lock */
  free(next);
  end();
}

/* ---- damage ---- */

/* Set words of the ring to random values. Reading ends, and every record lies within the ring. */
static void damaged_words_empty_the_ring_and_harm_no_process(void) {
  begin();
  dice_state = number_in("RD_CRASH_SEED", 1);
  uint64_t reset = 0;
  for (unsigned round = 0; round < 3000 && check_ok; round++) {
    rd_ring *ring = ring_of(THERE);
    for (unsigned n = (unsigned)dice(20); n > 0; n--) PUT(dice(2000), 1);
    uint64_t word = mix(round), at = atomic_load(&ring->head), bit = 1ull << dice(64);
    switch (dice(5)) {
      case 0:
        atomic_store(&ring->tail, dice(2) ? word : atomic_load(&ring->tail) ^ bit);
        break;
      case 1:
        atomic_store(&ring->head, dice(2) ? word : atomic_load(&ring->head) ^ bit);
        break;
      case 2:
        memcpy(rd_worker_at(&st, THERE)->ring_bytes + at % (RD_RING_BYTES - 8), &word, 8);
        break;
      case 3:
        atomic_store(&ring->backed, (uint32_t)dice(3));
        break;
      case 4:
        atomic_store(&ring->awake, (uint32_t)dice(3));
        break;
    }
    for (unsigned n = 0; rd_ring_waits(&other) && n <= RD_RING_BYTES / RD_RING_HEAD; n++) {
      rd_record r;
      if (!rd_ring_read(&other, &r)) continue;
      CHECK(r.part[0].len + r.part[1].len <= RD_RING_LARGEST);
      const uint8_t *bytes = rd_worker_at(&other, THERE)->ring_bytes;
      for (unsigned i = 0; i < 2; i++)
        CHECK(r.part[i].data >= bytes && r.part[i].data + r.part[i].len <= bytes + RD_RING_BYTES);
      rd_ring_done(&other, &r);
    }
    CHECK(!rd_ring_waits(&other));
    atomic_store(&ring->backed, 1); /* the ring's memory is there */
    CHECK_INT(PUT(10, 3), RD_SENT);
    expect_record(&other, 3, pattern + 3, 10);
    reset = other.rings_reset;
  }
  CHECK(reset > 100);
  end();
}

static void a_ring_with_a_damaged_lock_counts_as_full(void) {
  begin();
  CHECK_INT(PUT(10, 3), RD_SENT);
  rd_ring *ring = ring_of(THERE);
  pthread_mutex_t whole = ring->lock;
  for (unsigned at = 0; at + 4 <= 20; at += 4) { /* count, owner, kind and the futex word; not the list's pointers */
    uint32_t word = 0x7ffffff1;
    memcpy((uint8_t *)&ring->lock + at, &word, sizeof word);
    rd_sent sent = PUT(10, 3);
    CHECK(sent == RD_SENT || sent == RD_SENT_FULL);
    ring->lock = whole;
  }
  while (take(&other, NULL) >= 0) continue;
  end();
}

static void an_impossible_ring_is_a_violation(void) {
  begin();
  char err[200];
  CHECK_INT(PUT(10, 3), RD_SENT);
  rd_ring *ring = ring_of(THERE);
  uint64_t tail = atomic_load(&ring->tail);
  atomic_store(&ring->tail, tail + RD_RING_BYTES);
  CHECK_INT(rd_check(&st, err, sizeof err), 1);
  CHECK(strstr(err, "ring") != NULL);
  atomic_store(&ring->tail, tail);
  atomic_store(&ring->backed, 0);
  CHECK_INT(rd_check(&st, err, sizeof err), 1);
  atomic_store(&ring->backed, 1);
  end();
}

int main(void) {
  fill_pattern();
  healed = mmap(NULL, sizeof *healed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  RUN(records_wrap_at_every_offset);
  RUN(the_largest_record_fits_exactly_and_no_larger_one);
  RUN(a_full_ring_accepts_as_many_bytes_as_were_read);
  RUN(no_record_is_sent_to_a_free_block);
  RUN(a_ring_has_memory_from_its_first_record_until_its_owner_ends);
  RUN(unused_ring_memory_is_returned);
  RUN(a_sleeping_reader_is_woken_once);
  RUN(records_without_room_are_kept_in_order_up_to_a_bound);
  RUN(kept_records_are_not_sent_to_a_successor);
  RUN(a_stopped_writer_delays_others_only_briefly);
  RUN(the_ring_of_a_dead_reader_is_reset_for_the_next);
  RUN(records_of_each_writer_arrive_in_order);
  RUN(a_writer_may_be_killed_at_any_time);
  RUN(damaged_words_empty_the_ring_and_harm_no_process);
  RUN(a_ring_with_a_damaged_lock_counts_as_full);
  RUN(an_impossible_ring_is_a_violation);
  return check_end();
}
