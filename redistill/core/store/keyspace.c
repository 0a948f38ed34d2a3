/* The calls of store.h that concern a whole database, and WATCH. */
#include "arena/heap.h"
#include "arena/lock.h"
#include "arena/longrun.h"
#include "arena/pool.h"
#include "store/evict.h"
#include "store/index.h"
#include "store/internal.h"
#include "store/item.h"
#include "store/store.h"

/* ---- counting: sums of counters that others change meanwhile, each read whole ---- */

uint64_t rd_count(rd_store *st, unsigned db) {
  uint32_t slot = rd_slot_of(st, db);
  uint64_t n = 0;
  for (uint32_t i = 0; i < st->num_shards; i++) n += rd_shard_at(st, i)->index[slot].count;
  return n;
}

uint64_t rd_count_volatile(rd_store *st, unsigned db) {
  uint32_t slot = rd_slot_of(st, db);
  uint64_t n = 0;
  for (uint32_t i = 0; i < st->num_shards; i++) n += rd_shard_at(st, i)->index[slot].with_ttl;
  return n;
}

static uint32_t random_below(rd_store *st, uint32_t n) { return (uint32_t)((rd_random_u64(st) >> 32) * n >> 32); }

int64_t rd_average_ttl(rd_store *st, unsigned db) {
  int64_t sum = 0, seen = 0;
  for (uint32_t round = 0; round < 64; round++) {
    uint32_t shard = random_below(st, st->num_shards), slot = rd_slot_of(st, db);
    if (rd_shard_at(st, shard)->index[slot].with_ttl == 0) continue;
    int mine = rd_trylock_shard(st, shard); /* a sample is worth no wait, least of all for a process that hangs */
    if (mine < 0) continue;
    const rd_index *ix = &rd_shard_at(st, shard)->index[slot];
    if (ix->buckets > 0) {
      const rd_bucket *b = rd_index_bucket(st, ix, random_below(st, ix->buckets));
      for (uint32_t m = rd_bucket_entries(b) & b->bits; m != 0; m &= m - 1) {
        int64_t left = rd_item_expiry(rd_at(st, rd_entry_ref(b, (uint32_t)__builtin_ctz(m)))) - (int64_t)st->now_ms;
        if (left <= 0) continue;
        sum += left / 64; /* up to ten entries of 64 buckets: the sum stays in range */
        seen++;
      }
    }
    if (mine) rd_unlock_shard(st, shard);
  }
  return seen == 0 ? 0 : sum / seen * 64;
}

/* ---- flushing and swapping ---- */

static void unlock_all_but(rd_store *st, const uint64_t *held_before) {
  rd_mark_clean(st);
  for (uint32_t i = 0; i < st->num_shards; i++) {
    if ((held_before[i >> 6] >> (i & 63) & 1) == 0) rd_unlock_shard(st, i);
  }
}

/* Let the databases use these slots, by one store that all processes see at once. All shards are locked. */
static void set_map(rd_store *st, const uint8_t slot_of_db[RD_DATABASES]) {
  uint32_t map = atomic_load_explicit(&st->head->map, memory_order_relaxed);
  memcpy(st->head->slot_of_db[(map + 1) & 1], slot_of_db, RD_DATABASES);
  atomic_store_explicit(&st->head->map, map + 1, memory_order_release);
}

static bool slot_is_empty(const rd_store *st, uint32_t slot) {
  for (uint32_t i = 0; i < st->num_shards; i++) {
    if (st->shards[i].index[slot].count != 0) return false;
  }
  return true;
}

static void flush_shards(rd_store *st) {
  for (uint32_t i = 0; i < st->num_shards; i++) {
    rd_flush_shard(st, i);
    rd_breathe(st);
  }
  rd_pool_trim_begin(st);
}

void rd_flush_all(rd_store *st) {
  uint64_t before[RD_MAX_SHARDS / 64];
  memcpy(before, st->held, sizeof before);
  rd_lock_all(st);
  flush_shards(st);
  for (uint32_t slot = 0; slot < RD_SLOTS; slot++) st->head->flushes[slot]++;
  unlock_all_but(st, before);
}

void rd_flush_db(rd_store *st, unsigned db) {
  uint64_t before[RD_MAX_SHARDS / 64];
  memcpy(before, st->held, sizeof before);
  rd_lock_all(st);
  uint32_t slot = rd_slot_of(st, db), unused = RD_SLOTS;
  bool alone = true;
  for (uint32_t i = 0; i < RD_SLOTS; i++) {
    if (i == slot) continue;
    if (!slot_is_empty(st, i)) {
      alone = false;
    } else if (!rd_slot_is_live(st, i)) {
      unused = i;
    }
  }
  if (alone) {
    flush_shards(st);
    st->head->flushes[slot]++;
  } else if (!slot_is_empty(st, slot)) {
    /* The database gets an empty slot at once; the sweep, and evictions, empty the one it had. */
    uint8_t map[RD_DATABASES];
    for (unsigned i = 0; i < RD_DATABASES; i++) map[i] = (uint8_t)rd_slot_of(st, i);
    while (unused == RD_SLOTS) {
      for (uint32_t i = 0; i < RD_SLOTS && unused == RD_SLOTS; i++) {
        if (rd_slot_is_live(st, i)) continue;
        rd_drain_slot(st, i); /* more flushes than slots: this one waits for an earlier one */
        unused = i;
      }
    }
    map[db] = (uint8_t)unused;
    set_map(st, map);
  }
  unlock_all_but(st, before);
}

void rd_swap_db(rd_store *st, unsigned a, unsigned b) {
  uint64_t before[RD_MAX_SHARDS / 64];
  memcpy(before, st->held, sizeof before);
  rd_lock_all(st);
  uint8_t map[RD_DATABASES];
  for (unsigned i = 0; i < RD_DATABASES; i++) map[i] = (uint8_t)rd_slot_of(st, i);
  uint8_t slot = map[a];
  map[a] = map[b];
  map[b] = slot;
  set_map(st, map);
  unlock_all_but(st, before);
}

/* ---- SCAN ----
 *
 * The guarantee: a key that is there from the first call to the last is visited at least once, although the index grows
 * and shrinks between the calls and the server keeps nothing about the iteration but the cursor that the client holds.
 *
 * How: order all hashes by their low bits read backwards. Whatever its size, a bucket of the index holds the hashes
 * that end in certain bits, and these are one unbroken stretch of that order. So "everything before this point of the
 * order has been visited" means the same in an index of any size, and the cursor is such a point: the bits of the next
 * bucket's number. A step visits the bucket that the point lies in, and goes on to the end of that bucket's stretch, by
 * adding one to the number's bits from the top down.
 *
 * Has the index grown since? Then the stretch that was left is now several buckets, each still to come or done as a
 * whole. Has it shrunk? Then the point may lie inside of a bucket: it is visited whole, and some of its keys come
 * twice. Half of the index split, half not (linear hashing)? Each bucket knows by its number how many bits it stands
 * for.
 *
 * Limits: keys may come twice. Keys that come or go meanwhile may or may not be seen.
 *
 * The shards are visited one after another; the low bits of the cursor are the shard's number. */

static uint64_t reverse(uint64_t v) {
  v = (v >> 1 & 0x5555555555555555ull) | (v & 0x5555555555555555ull) << 1;
  v = (v >> 2 & 0x3333333333333333ull) | (v & 0x3333333333333333ull) << 2;
  v = (v >> 4 & 0x0f0f0f0f0f0f0f0full) | (v & 0x0f0f0f0f0f0f0f0full) << 4;
  return __builtin_bswap64(v);
}

/* The bits that bucket `number` stands for. */
static uint32_t bucket_mask(uint32_t number, uint32_t buckets) {
  uint32_t mask = rd_bucket_mask(buckets), half = mask >> 1;
  return number > half || number + half + 1 < buckets ? mask : half;
}

static uint64_t next_point(uint64_t point, uint32_t mask) { return reverse(reverse(point | ~(uint64_t)mask) + 1); }

static void visit_bucket(rd_store *st, const rd_index *ix, uint32_t number, rd_visit *visit, void *arg,
                         uint32_t *visited) {
  uint32_t left = rd_chain_limit(ix);
  for (const rd_bucket *b = rd_index_bucket(st, ix, number); b != NULL; b = rd_chain_next(st, ix, b, &left)) {
    for (uint32_t m = rd_bucket_entries(b); m != 0; m &= m - 1) {
      const rd_item *it = rd_at(st, rd_entry_ref(b, (uint32_t)__builtin_ctz(m)));
      if (rd_expired(st, rd_item_expiry(it))) continue;
      visit(arg, st, it);
      ++*visited;
    }
  }
}

/* Visit the bucket that `point` lies in; the next point, 0 at the end of the shard. Adds to *visited. */
static uint64_t scan_bucket(rd_store *st, const rd_index *ix, uint64_t point, rd_visit *visit, void *arg,
                            uint32_t *visited) {
  uint32_t number = rd_bucket_of(point, ix->buckets);
  visit_bucket(st, ix, number, visit, arg, visited);
  return next_point(point, bucket_mask(number, ix->buckets));
}

#define SCAN_BUCKETS 64u /* empty buckets passed in one step */

uint64_t rd_scan(rd_store *st, unsigned db, uint64_t cursor, rd_visit *visit, void *arg) {
  unsigned shard_bits = (unsigned)__builtin_ctz(st->num_shards);
  uint32_t shard = (uint32_t)cursor & (st->num_shards - 1), visited = 0;
  uint64_t point = cursor >> shard_bits & 0xffffffu;
  for (uint32_t passed = 0; passed < SCAN_BUCKETS && visited == 0;) {
    bool mine = rd_lock_shard(st, shard);
    const rd_index *ix = &rd_shard_at(st, shard)->index[rd_slot_of(st, db)];
    if (ix->buckets == 0) point = 0;
    if (ix->buckets != 0) {
      do {
        point = scan_bucket(st, ix, point, visit, arg, &visited);
        passed++;
      } while (point != 0 && visited == 0 && passed < SCAN_BUCKETS);
    }
    if (mine) rd_unlock_shard(st, shard);
    if (point == 0 && ++shard == st->num_shards) return 0;
  }
  return point << shard_bits | shard;
}

void rd_scan_shard(rd_store *st, unsigned db, uint32_t shard, rd_visit *visit, void *arg) {
  const rd_index *ix = &rd_shard_at(st, shard)->index[rd_slot_of(st, db)];
  uint32_t visited = 0;
  for (uint32_t number = 0; number < ix->buckets; number++) {
    visit_bucket(st, ix, number, visit, arg, &visited);
    if (st->lender == NULL && (number & 255) == 255) rd_breathe(st); /* with the lock: one may, at any time */
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
    if (shard == st->num_shards) continue; /* keys have gone meanwhile */
    bool mine = rd_lock_shard(st, shard), found = false;
    const rd_index *ix = &rd_shard_at(st, shard)->index[rd_slot_of(st, db)];
    if (ix->buckets > 0) {
      const rd_bucket *b = rd_index_bucket(st, ix, random_below(st, ix->buckets));
      /* A random entry of the chain: an empty or shorter one is tried again elsewhere, so that all keys have equal
       * odds. */
      uint32_t entry = random_below(st, 2 * RD_BUCKET_SLOTS);
      for (; b != NULL && entry >= RD_BUCKET_SLOTS; entry -= RD_BUCKET_SLOTS) b = rd_bucket_next(st, b);
      if (b != NULL && (rd_bucket_entries(b) >> entry & 1) != 0) {
        const rd_item *it = rd_at(st, rd_entry_ref(b, entry));
        if (!rd_expired(st, rd_item_expiry(it))) {
          visit(arg, st, it);
          found = true;
        }
      }
    }
    if (mine) rd_unlock_shard(st, shard);
    if (found) return true;
  }
  /* Nearly all keys have expired or the buckets are nearly empty: the first key in the order of SCAN from a random
   * point. */
  struct random_pick pick = {visit, arg, false};
  uint64_t cursor = random_below(st, st->num_shards);
  for (int round = 0; round < 2 && !pick.done; round++) {
    do {
      cursor = rd_scan(st, db, cursor, pick_first, &pick);
    } while (cursor != 0 && !pick.done);
  }
  return pick.done;
}

/* ---- WATCH ---- */

void rd_watch_begin(rd_store *st, const rd_key *key, rd_watch *w) {
  uint32_t shard = rd_shard_of(st, key->hash);
  bool mine = rd_lock_shard(st, shard);
  rd_shard *sh = rd_shard_at(st, shard);
  const rd_item *it = rd_find_quiet(st, key, false);
  w->hash = key->hash;
  w->db = key->db;
  w->slot = rd_slot_of(st, key->db);
  w->existed = it != NULL;
  w->expiry = it != NULL ? rd_item_expiry(it) : RD_NO_EXPIRY;
  w->version = *rd_version_at(st, w->slot, w->hash);
  w->flushes = st->head->flushes[w->slot];
  w->epoch = sh->epoch;
  w->key = (rd_bytes){key->data, key->len};
  sh->watchers++;
  if (mine) rd_unlock_shard(st, shard);
}

void rd_watch_join(rd_store *st, const rd_watch *w) {
  uint32_t shard = rd_shard_of(st, w->hash);
  bool mine = rd_lock_shard(st, shard);
  rd_shard_at(st, shard)->watchers++;
  if (mine) rd_unlock_shard(st, shard);
}

bool rd_watch_changed(rd_store *st, const rd_watch *w) {
  uint32_t shard = rd_shard_of(st, w->hash), slot = rd_slot_of(st, w->db);
  bool mine = rd_lock_shard(st, shard), changed;
  if (slot !=
      w->slot) { /* flushed, or swapped: a change for who had the key before or at that time, and for who gets it */
    rd_key key = {w->key.data, (uint32_t)w->key.len, w->db, w->hash};
    changed =
        w->existed || rd_find_quiet(st, &key, false) != NULL || *rd_version_at(st, w->slot, w->hash) != w->version;
  } else {
    changed = *rd_version_at(st, slot, w->hash) != w->version ||
              (w->existed && st->head->flushes[slot] != w->flushes) || rd_shard_at(st, shard)->epoch != w->epoch ||
              rd_expired(st, w->expiry);
  }
  if (mine) rd_unlock_shard(st, shard);
  return changed;
}

void rd_watch_end(rd_store *st, const rd_watch *w) {
  uint32_t shard = rd_shard_of(st, w->hash);
  bool mine = rd_lock_shard(st, shard);
  rd_shard *sh = rd_shard_at(st, shard);
  if (sh->watchers > 0) sh->watchers--;
  if (mine) rd_unlock_shard(st, shard);
}

void rd_watches_end(rd_store *st, const rd_watch *w, size_t n) {
  uint32_t ended[RD_MAX_SHARDS] = {0};
  for (size_t i = 0; i < n; i++) ended[rd_shard_of(st, w[i].hash)]++;
  for (uint32_t shard = 0; shard < st->num_shards; shard++) {
    if (ended[shard] == 0) continue;
    bool mine = rd_lock_shard(st, shard);
    rd_shard *sh = rd_shard_at(st, shard);
    sh->watchers -= sh->watchers < ended[shard] ? sh->watchers : ended[shard];
    if (mine) rd_unlock_shard(st, shard);
  }
}
