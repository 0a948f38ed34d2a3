/* scan.c - walks the keys of a database: SCAN, KEYS, RANDOMKEY. As in Redis, SCAN and RANDOMKEY remove the expired keys
 * that they meet, KEYS only leaves them out.
 *
 * The guarantee: a key that exists from the first call to the last is visited at least once, although the index grows
 * and shrinks between the calls and the server keeps nothing about the iteration but the cursor that the client holds.
 *
 * How: order all hashes by their low bits read backwards. Whatever its size, a bucket of the index holds the hashes
 * that end in certain bits, and these are one unbroken stretch of that order. So "everything before this point of the
 * order has been visited" means the same in an index of any size, and the cursor is such a point: the bits of the next
 * bucket's number. A step visits the bucket that contains the point, and moves the point to the end of that bucket's
 * stretch, by adding one to the number's bits from the top down.
 *
 * If the index has grown since, one bucket's stretch is now several buckets, each of which is visited or unvisited as
 * a whole. If it has shrunk, the point may lie inside a bucket: that bucket is visited whole, and some of its keys are
 * visited twice. If half of the index is split and half is not (linear hashing), a bucket's number tells how many bits
 * it stands for.
 *
 * Limits: a key may be visited twice. Keys that are added or removed meanwhile may or may not be visited.
 *
 * The shards are visited one after another; the low bits of the cursor are the shard's number. */
#include "arena/lock.h"
#include "arena/longrun.h"
#include "store/databases.h"
#include "store/index.h"
#include "store/internal.h"
#include "store/pause.h"

/* Expired keys of one bucket that are to be removed; more than these stay for the sweep. */
enum { EXPIRED = 128 };
typedef struct expired {
  rd_ref item[EXPIRED];
  uint32_t n;
} expired;

static void remove_expired(rd_store *st, uint32_t shard, const expired *gone) {
  if (gone->n == 0 || rd_paused(st)) return;
  for (uint32_t i = 0; i < gone->n; i++) rd_remove_item(st, shard, gone->item[i], RD_GONE_EXPIRED);
}

static uint64_t reverse(uint64_t v) {
  v = (v >> 1 & 0x5555555555555555ull) | (v & 0x5555555555555555ull) << 1;
  v = (v >> 2 & 0x3333333333333333ull) | (v & 0x3333333333333333ull) << 2;
  v = (v >> 4 & 0x0f0f0f0f0f0f0f0full) | (v & 0x0f0f0f0f0f0f0f0full) << 4;
  return __builtin_bswap64(v);
}

/* The mask of the hash bits that bucket `number` stands for. */
static uint32_t bucket_mask(uint32_t number, uint32_t buckets) {
  uint32_t mask = rd_bucket_mask(buckets), half = mask >> 1;
  return number > half || number + half + 1 < buckets ? mask : half;
}

static uint64_t next_point(uint64_t point, uint32_t mask) { return reverse(reverse(point | ~(uint64_t)mask) + 1); }

/* Visit the items of a bucket that have not expired, and add the others to *gone, if it is not NULL. */
static void visit_bucket(rd_store *st, const rd_index *ix, uint32_t number, rd_visit *visit, void *arg,
                         uint32_t *visited, expired *gone) {
  uint32_t left = rd_chain_limit(ix);
  for (const rd_bucket *b = rd_index_bucket(st, ix, number); b != NULL; b = rd_chain_next(st, ix, b, &left)) {
    for (uint32_t m = rd_bucket_entries(b); m != 0; m &= m - 1) {
      rd_ref ref = rd_entry_ref(b, (uint32_t)__builtin_ctz(m));
      const rd_item *it = rd_at(st, ref);
      if (rd_expired(st, rd_item_expiry(it))) {
        if (gone != NULL && gone->n < EXPIRED) gone->item[gone->n++] = ref;
        continue;
      }
      visit(arg, st, it);
      ++*visited;
    }
  }
}

/* Visit the bucket that contains `point`. Returns the next point, 0 at the end of the shard. Adds to *visited. */
static uint64_t scan_bucket(rd_store *st, uint32_t shard, const rd_index *ix, uint64_t point, rd_visit *visit,
                            void *arg, uint32_t *visited) {
  uint32_t number = rd_bucket_of(point, ix->buckets);
  expired gone = {.n = 0};
  visit_bucket(st, ix, number, visit, arg, visited, &gone);
  uint64_t next = next_point(point, bucket_mask(number, ix->buckets)); /* removals let the index shrink */
  remove_expired(st, shard, &gone);
  return ix->buckets == 0 ? 0 : next;
}

#define SCAN_BUCKETS 64u /* most empty buckets that one step passes */

bool rd_scan(rd_store *st, unsigned db, uint64_t *cursor, rd_visit *visit, void *arg) {
  unsigned shard_bits = (unsigned)__builtin_ctz(st->num_shards);
  uint32_t shard = (uint32_t)*cursor & (st->num_shards - 1), visited = 0;
  uint64_t point = *cursor >> shard_bits & 0xffffffu;
  for (uint32_t passed = 0; passed < SCAN_BUCKETS && visited == 0;) {
    int mine = rd_lock_shard_for_command(st, shard);
    if (mine < 0) {
      *cursor = point << shard_bits | shard;
      return false;
    }
    const rd_index *ix = &rd_shard_at(st, shard)->index[rd_slot_of(st, db)];
    if (ix->buckets == 0) point = 0;
    if (ix->buckets != 0) {
      do {
        point = scan_bucket(st, shard, ix, point, visit, arg, &visited);
        passed++;
      } while (point != 0 && visited == 0 && passed < SCAN_BUCKETS);
    }
    if (mine > 0) rd_unlock_shard(st, shard);
    if (point == 0 && ++shard == st->num_shards) {
      *cursor = 0;
      return true;
    }
  }
  *cursor = point << shard_bits | shard;
  return true;
}

void rd_scan_shard(rd_store *st, unsigned db, uint32_t shard, rd_visit *visit, void *arg) {
  const rd_index *ix = &rd_shard_at(st, shard)->index[rd_slot_of(st, db)];
  uint32_t visited = 0;
  for (uint32_t number = 0; number < ix->buckets; number++) {
    visit_bucket(st, ix, number, visit, arg, &visited, NULL);
    if ((number & 255) == 255) rd_yield(st); /* a long command may pause with the lock, at any time */
  }
}

struct random_pick {
  rd_visit *visit;
  void *arg;
  bool done;
};

static void pick_first(void *arg, rd_store *st, const rd_item *it) {
  struct random_pick *p = arg;
  if (!p->done) p->visit(p->arg, st, it);
  p->done = true;
}

bool rd_random(rd_store *st, unsigned db, rd_visit *visit, void *arg) {
  uint64_t total = rd_count(st, db);
  for (int round = 0; round < 64 && total > 0; round++) {
    uint64_t pick = rd_random_u64(st) % total;
    uint32_t shard = 0;
    for (; shard < st->num_shards; shard++) {
      uint32_t n = rd_shard_at(st, shard)->index[rd_slot_of(st, db)].count;
      if (pick < n) break;
      pick -= n;
    }
    if (shard == st->num_shards) continue; /* keys were removed meanwhile */
    int mine = rd_lock_shard_for_command(st, shard);
    bool found = false;
    if (mine < 0) return false;
    const rd_index *ix = &rd_shard_at(st, shard)->index[rd_slot_of(st, db)];
    if (ix->buckets > 0) {
      const rd_bucket *b = rd_index_bucket(st, ix, rd_random_below(st, ix->buckets));
      /* Pick a random entry of the chain. If the chain is too short for it, another bucket is tried, so that all
       * keys have equal odds. */
      uint32_t entry = rd_random_below(st, 2 * RD_BUCKET_SLOTS);
      for (; b != NULL && entry >= RD_BUCKET_SLOTS; entry -= RD_BUCKET_SLOTS) b = rd_bucket_next(st, b);
      if (b != NULL && (rd_bucket_entries(b) >> entry & 1) != 0) {
        rd_ref ref = rd_entry_ref(b, entry);
        const rd_item *it = rd_at(st, ref);
        found = !rd_expired(st, rd_item_expiry(it));
        if (found)
          visit(arg, st, it);
        else
          remove_expired(st, shard, &(expired){.item = {ref}, .n = 1});
      }
    }
    if (mine > 0) rd_unlock_shard(st, shard);
    if (found) return true;
  }
  /* Nearly all keys have expired, or the buckets are nearly empty: take the first key in the order of SCAN from a
   * random point. */
  struct random_pick pick = {visit, arg, false};
  uint64_t cursor = rd_random_below(st, st->num_shards);
  for (int round = 0; round < 2 && !pick.done; round++) {
    do {
      if (!rd_scan(st, db, &cursor, pick_first, &pick)) return false;
    } while (cursor != 0 && !pick.done);
  }
  return true;
}
