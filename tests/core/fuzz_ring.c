/* fuzz_ring.c - the invariant: a sent record is read whole and in order, or was refused; a ring whose words were
 * changed is emptied, and no process dies of it.
 *
 * Input: steps of four bytes: an operation, and a number of three bytes (little-endian). Two stores, which stand for
 * two processes, share an arena: the first one sends, the other one reads. A model knows the records to expect. */
#include "arena/layout.h"
#include "arena/ring.h"
#include "arena_fixture.h"

enum { MOST = 4096, THERE = 1, BOUND = 300000 };

static void expect(bool ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "%s\n", what);
  abort();
}

static rd_store st, other;
static uint8_t bytes[RD_RING_BYTES + 1];
static struct { uint32_t len, seed; } sent[MOST];
static uint32_t first, count; /* of `sent` */
static bool damaged;

static void open_both(void) {
  char err[200];
  for (uint32_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 2654435761u >> 24);
  st = arena_new(8 * MIB, 4, RD_NOEVICTION);
  expect(rd_attach(&other, st.fd, err, sizeof err) == 0, err);
  expect(rd_worker_join(&other, 1) == THERE, "no worker slot");
}

static void send(uint32_t n) {
  uint32_t len = n % 64 == 0 ? n % (RD_RING_LARGEST + 2) : n % 3000, seed = n % 251;
  if (len + seed > sizeof bytes) seed = 0;
  if (count == MOST) return;
  if (st.rings_behind != 0) n &= ~1u; /* a sender with kept records does not send before them */
  rd_sent result = n & 1 ? rd_ring_put(&st, THERE, (rd_record_kind)(n % 3), bytes + seed, len)
                         : rd_ring_send(&st, THERE, (rd_record_kind)(n % 3), bytes + seed, len, BOUND);
  expect(result != RD_SENT_GONE, "the block has no owner");
  expect(result != RD_SENT_KEPT || (n & 1) == 0, "rd_ring_put kept a record");
  if (result != RD_SENT && result != RD_SENT_KEPT) return;
  expect(len <= RD_RING_LARGEST, "too long a record was sent");
  sent[(first + count) % MOST].len = len;
  sent[(first + count++) % MOST].seed = seed;
}

static void read_one(void) {
  rd_record r;
  if (!rd_ring_read(&other, &r)) return;
  size_t len = r.part[0].len + r.part[1].len;
  expect(len <= RD_RING_LARGEST, "too long a record");
  volatile uint8_t seen = 0; /* every byte can be read */
  for (unsigned i = 0; i < 2; i++) {
    for (size_t k = 0; k < r.part[i].len; k += 512) seen = seen + r.part[i].data[k];
  }
  if (!damaged) {
    const uint8_t *from = bytes + sent[first].seed;
    expect(count != 0 && len == sent[first].len, "another length");
    expect(memcmp(r.part[0].data, from, r.part[0].len) == 0, "other bytes");
    expect(memcmp(r.part[1].data, from + r.part[0].len, r.part[1].len) == 0, "other bytes in the second part");
    first = (first + 1) % MOST;
    count--;
  }
  rd_ring_done(&other, &r);
}

static void damage(uint32_t n) {
  rd_worker *w = rd_worker_at(&st, THERE);
  uint64_t mask = 1ull << (n >> 3) % 64 | (n & 0x80000 ? (uint64_t)n << 20 : 0);
  damaged = true;
  switch (n % 4) {
    case 0:
      atomic_fetch_xor(&w->ring.tail, mask);
      break;
    case 1:
      atomic_fetch_xor(&w->ring.head, mask);
      break;
    case 2:
      atomic_store(&w->ring.awake, (uint32_t)mask);
      break;
    default: /* the next record's head, in memory that the ring has */
      if (atomic_load(&w->ring.backed) == 1) w->ring_bytes[atomic_load(&w->ring.head) % RD_RING_BYTES] ^= (uint8_t)n;
  }
}

static void next_owner(void) {
  rd_worker_leave(&other);
  rd_ring_flush(&st);
  expect(st.rings_behind == 0, "a record is kept for an owner that is gone");
  expect(rd_worker_join(&other, 1) == THERE, "no worker slot");
  expect(!rd_ring_waits(&other), "the ring of a new owner has a record");
  first = count = 0;
  damaged = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char err[200] = "";
  if (st.base == NULL) open_both();
  next_owner();
  for (size_t at = 0; at + 4 <= size; at += 4) {
    uint32_t n = data[at + 1] | (uint32_t)data[at + 2] << 8 | (uint32_t)data[at + 3] << 16;
    switch (data[at] % 16) {
      default:
        send(n);
        break;
      case 8:
      case 9:
      case 10:
        for (uint32_t i = 0; i < n % 16; i++) read_one();
        break;
      case 11:
        rd_ring_flush(&st);
        break;
      case 12:
        expect(rd_ring_may_sleep(&other) == !rd_ring_waits(&other), "the reader may sleep although a record waits");
        break;
      case 13:
        if (n % 8 == 0) damage(n >> 3);
        break;
      case 14:
        if (n % 8 == 0) next_owner();
        break;
      case 15: /* all records */
        for (uint32_t i = 0; i < 2 * MOST; i++) {
          rd_ring_flush(&st);
          read_one();
        }
        expect(damaged || count == 0, "something was lost");
    }
  }
  next_owner();
  expect(rd_check(&st, err, sizeof err) == 0, err);
  return 0;
}
