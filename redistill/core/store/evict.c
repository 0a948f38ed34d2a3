/* evict.c - the eviction policies.
 *
 * A full cache evicts from the shard that needs room, by looking at a sample of its keys: whole buckets of the index,
 * picked at random, until at least sample_size evictable keys were seen. A bucket holds keys by their hash, so a
 * bucket is a random sample, and its items are fetched at once.
 *
 * LRU: the key idle for longest. 23 bits of time in units of 256 ms; after 23 days of idleness a key looks fresh once.
 * RESTORE may ask for more: with the 24th bit set the others are in units of 2 s, up to the 194 days that Redis knows.
 *
 * LFU: as in Redis. 8 bits of a logarithmic counter that a hit raises with probability 1 / (10 * (c - 5) + 1), and that
 * loses one for each minute without a hit; 16 bits of minutes.
 *
 * S3-FIFO (Yang, Zhang, Qiu, Yue and Vigfusson, SOSP 2023): new keys enter a small queue, a tenth of all; a key that is
 * hit twice there moves to the main queue, the others are evicted early, so that a scan cannot push the working set
 * out. The hashes of evicted keys are remembered for a while (the ghost queue): a key that returns enters the main
 * queue at once. A hit only counts, up to 3; in the main queue a key gets as many further rounds as it had hits. Here
 * the queues are not lists: a key has a bit for its queue, and the time of its entry, counted in the shard's
 * insertions; "the oldest of the queue" is the oldest of a sample. That costs no memory, and no key can fall out of a
 * list.
 *
 * Random, and TTL (the key that expires first), need no state. */
#include "store/evict.h"

#include "arena/heap.h"
#include "arena/lock.h"
#include "store/internal.h"
#include "store/item.h"

#define LFU_INIT 5u
#define LFU_LOG_FACTOR 10u
#define LRU_MASK 0x7fffffu /* LRU: see above */
#define LRU_SHIFT 8u
#define LRU_COARSE 0x800000u
#define LRU_COARSE_MS 2000ull
#define STAMP_MASK 0x3fffffu /* S3-FIFO: 22 bits of insertions, 2 bits of hits */
#define HITS_SHIFT 22u
#define SMALL_SHARE 10u /* one in ten */

#define SAMPLE_BUCKETS 16u /* random buckets looked at for one victim */
#define WALK_BUCKETS 2048u /* buckets looked at in a row, where few keys have an expiry */

static inline uint32_t access_of(const rd_item *it) { return it->access & RD_ACCESS_MASK; }
static inline void set_access(rd_item *it, uint32_t v) {
  it->access = (it->access & ~RD_ACCESS_MASK) | (v & RD_ACCESS_MASK);
}
static inline rd_policy policy_of(const rd_store *st) {
  return (rd_policy)atomic_load_explicit(&st->head->policy, memory_order_relaxed);
}
static inline bool is_lfu(rd_policy p) { return p == RD_ALLKEYS_LFU || p == RD_VOLATILE_LFU; }
/* Ticks since a stamp of so many bits. A stamp that lies ahead by up to a sixteenth of the circle counts as just
 * now: the wall clock was set back since then, by 1.5 days at most (LRU), or 2.8 (LFU). */
#define MOST_ELAPSED(mask) ((mask) - ((mask) >> 4))
static inline uint32_t elapsed(uint32_t now, uint32_t then, uint32_t mask) {
  uint32_t ticks = (now - then) & mask;
  return ticks > MOST_ELAPSED(mask) ? 0 : ticks;
}
static inline uint32_t clock_lru(const rd_store *st) { return (uint32_t)(st->now_ms >> LRU_SHIFT) & LRU_MASK; }
static inline uint32_t clock_coarse(const rd_store *st) { return (uint32_t)(st->now_ms / LRU_COARSE_MS) & LRU_MASK; }

static inline uint64_t lru_idle_ms(const rd_store *st, uint32_t access) {
  if (RD_UNLIKELY((access & LRU_COARSE) != 0)) return ((clock_coarse(st) - access) & LRU_MASK) * LRU_COARSE_MS;
  return (uint64_t)elapsed(clock_lru(st), access, LRU_MASK) << LRU_SHIFT;
}
static inline uint32_t clock_minutes(const rd_store *st) { return (uint32_t)(st->now_ms / 60000) & 0xffffu; }

/* The counter after its decay until now. */
static uint32_t lfu_counter(const rd_store *st, const rd_item *it) {
  uint32_t access = access_of(it), counter = access & 0xffu;
  uint32_t minutes = elapsed(clock_minutes(st), access >> 8, 0xffffu);
  return minutes > counter ? 0 : counter - minutes;
}

static void __attribute__((noinline)) lfu_hit(rd_store *st, rd_item *it) {
  uint32_t counter = lfu_counter(st, it);
  if (counter < 255) {
    uint32_t base = counter > LFU_INIT ? counter - LFU_INIT : 0;
    if (rd_random_u64(st) % (base * LFU_LOG_FACTOR + 1) == 0) counter++;
  }
  set_access(it, clock_minutes(st) << 8 | counter);
}

void rd_access_hit(rd_store *st, rd_item *it) {
  rd_policy policy = policy_of(st);
  if (is_lfu(policy)) {
    lfu_hit(st, it);
  } else if (policy == RD_ALLKEYS_S3FIFO) {
    uint32_t access = access_of(it);
    if (access >> HITS_SHIFT < 3) set_access(it, access + (1u << HITS_SHIFT));
  } else {
    set_access(it, clock_lru(st));
  }
}

/* ---- S3-FIFO's ghosts: per shard, sets of four 16-bit fingerprints, the newest first ---- */

static uint16_t *ghost_set(const rd_store *st, const rd_shard *sh, uint64_t hash) {
  if (sh->ghosts == 0) return NULL;
  uint32_t set = (uint32_t)(hash >> 8) % (sh->ghosts * RD_GHOST_SETS);
  uint8_t *block = rd_at(st, sh->ghost[set / RD_GHOST_SETS]);
  return (uint16_t *)(void *)(block + 8 + (size_t)(set % RD_GHOST_SETS) * RD_GHOST_WAYS * 2);
}
static inline uint16_t ghost_print(uint64_t hash) { return (uint16_t)(hash >> 24 | 1); }

static bool ghost_take(const rd_store *st, const rd_shard *sh, uint64_t hash) {
  uint16_t *set = ghost_set(st, sh, hash);
  for (uint32_t i = 0; set != NULL && i < RD_GHOST_WAYS; i++) {
    if (set[i] == ghost_print(hash)) {
      set[i] = 0;
      return true;
    }
  }
  return false;
}

static void ghost_put(const rd_store *st, const rd_shard *sh, uint64_t hash) {
  uint16_t *set = ghost_set(st, sh, hash);
  if (set == NULL) return;
  memmove(set + 1, set, (RD_GHOST_WAYS - 1) * sizeof *set);
  set[0] = ghost_print(hash);
}

uint32_t rd_ghost_wanted(const rd_store *st, uint32_t shard) {
  const rd_shard *sh = rd_shard_at(st, shard);
  if (policy_of(st) != RD_ALLKEYS_S3FIFO || sh->ghosts == RD_GHOST_BLOCKS) return 0;
  uint32_t keys = 0;
  for (uint32_t i = 0; i < RD_SLOTS; i++) keys += sh->index[i].count;
  return sh->ghosts * RD_GHOST_SETS * RD_GHOST_WAYS < keys ? RD_GHOST_BYTES : 0;
}

void rd_ghost_add(rd_store *st, uint32_t shard) {
  rd_shard *sh = rd_shard_at(st, shard);
  rd_ref block = rd_heap_alloc(st, shard, RD_GHOST_BYTES, RD_GHOST);
  if (block == 0) return;
  memset(st->base + block + 8, 0, RD_GHOST_BYTES - 8);
  rd_st32(st->base + block + 4, sh->ghosts);
  sh->ghost[sh->ghosts++] = block;
}

bool rd_ghost_drop(rd_store *st, uint32_t shard, rd_ref block) {
  rd_shard *sh = rd_shard_at(st, shard);
  uint32_t i = rd_ld32(st->base + block + 4), last = --sh->ghosts;
  sh->ghost[i] = sh->ghost[last];
  rd_st32(st->base + sh->ghost[i] + 4, i);
  sh->ghost[last] = 0;
  rd_heap_release(st, shard, block);
  return true;
}

void rd_access_new(rd_store *st, uint32_t shard, rd_item *it, uint64_t hash) {
  rd_shard *sh = rd_shard_at(st, shard);
  rd_policy policy = policy_of(st);
  it->access &= ~RD_ITEM_MAIN;
  if (policy == RD_ALLKEYS_S3FIFO) {
    set_access(it, ++sh->clock & STAMP_MASK);
    if (ghost_take(st, sh, hash)) {
      it->access |= RD_ITEM_MAIN;
      return;
    }
  } else {
    set_access(it, is_lfu(policy) ? clock_minutes(st) << 8 | LFU_INIT : clock_lru(st));
  }
  sh->small++;
}

void rd_access_gone(rd_store *st, uint32_t shard, const rd_item *it, uint64_t hash, bool evicted) {
  if ((it->access & RD_ITEM_MAIN) != 0) return;
  rd_shard_at(st, shard)->small--;
  if (evicted && policy_of(st) == RD_ALLKEYS_S3FIFO) ghost_put(st, rd_shard_at(st, shard), hash);
}

/* ---- the choice of a key to evict ---- */

bool rd_slot_is_live(const rd_store *st, uint32_t slot) {
  if (slot == RD_KEPT_SLOT || rd_slot_stays(slot)) return true;
  for (unsigned db = 0; db < RD_DATABASES; db++) {
    if (rd_slot_of(st, db) == slot) return true;
  }
  return false;
}

static inline bool volatile_only(rd_policy p) { return p >= RD_VOLATILE_LRU; }

bool rd_is_pinned(const rd_store *st, const rd_item *it) {
  rd_ref ref = rd_ref_of(st, it);
  return ref == st->pin[0] || ref == st->pin[1] || (st->builds && rd_item_slot(it) == RD_KEPT_SLOT);
}

bool rd_evictable(const rd_store *st, const rd_item *it) {
  if (rd_is_pinned(st, it) || rd_slot_stays(rd_item_slot(it))) return false;
  if (!rd_slot_is_live(st, rd_item_slot(it)) || rd_expired(st, rd_item_expiry(it))) return true;
  rd_policy policy = policy_of(st);
  if (policy == RD_NOEVICTION) return false;
  return !volatile_only(policy) || rd_item_expiry(it) != RD_NO_EXPIRY;
}

/* An item's rank for eviction: the highest is evicted first. */
static uint64_t eviction_rank(rd_store *st, rd_policy policy, const rd_shard *sh, const rd_item *it) {
  switch (policy) {
    case RD_ALLKEYS_LFU:
    case RD_VOLATILE_LFU:
      return 255 - lfu_counter(st, it);
    case RD_ALLKEYS_S3FIFO:
      return (sh->clock - access_of(it)) & STAMP_MASK;
    case RD_VOLATILE_TTL:
      return UINT64_MAX - (uint64_t)rd_item_expiry(it);
    case RD_ALLKEYS_RANDOM:
    case RD_VOLATILE_RANDOM:
      return rd_random_u64(st);
    default:
      return lru_idle_ms(st, access_of(it));
  }
}

struct search {
  rd_policy policy;
  int queue; /* S3-FIFO: 1 main, 0 small, -1 both */
  uint32_t seen;
  uint64_t best;
  rd_ref victim;
};

static void look_at_bucket(rd_store *st, const rd_shard *sh, const rd_index *ix, uint32_t number, struct search *s) {
  uint32_t left = rd_chain_limit(ix);
  for (const rd_bucket *b = rd_index_bucket(st, ix, number); b != NULL; b = rd_chain_next(st, ix, b, &left)) {
    uint32_t entries = rd_bucket_entries(b);
    if (volatile_only(s->policy)) entries &= b->bits;
    for (uint32_t m = entries; m != 0; m &= m - 1) RD_PREFETCH(rd_at(st, rd_entry_ref(b, (uint32_t)__builtin_ctz(m))));
    for (uint32_t m = entries; m != 0; m &= m - 1) {
      rd_ref ref = rd_entry_ref(b, (uint32_t)__builtin_ctz(m));
      const rd_item *it = rd_at(st, ref);
      if (rd_is_pinned(st, it)) continue;
      if (s->queue >= 0 && s->queue != ((it->access & RD_ITEM_MAIN) != 0)) continue;
      uint64_t e = eviction_rank(st, s->policy, sh, it);
      if (s->victim == 0 || e > s->best) {
        s->victim = ref;
        s->best = e;
      }
      s->seen++;
    }
  }
}

static void sample(rd_store *st, const rd_shard *sh, const rd_index *ix, uint32_t want, struct search *s) {
  s->seen = 0;
  s->victim = 0;
  for (uint32_t i = 0; i < SAMPLE_BUCKETS && s->seen < want; i++) {
    uint32_t number = (uint32_t)((rd_random_u64(st) >> 32) * ix->buckets >> 32);
    look_at_bucket(st, sh, ix, number, s);
  }
  if (s->victim != 0) return;
  /* Few candidates among many keys: consecutive buckets are cheap to look through, since their bits tell without
   * reading the items. */
  uint32_t number = (uint32_t)((rd_random_u64(st) >> 32) * ix->buckets >> 32);
  for (uint32_t i = 0; i < WALK_BUCKETS && i < ix->buckets && s->victim == 0; i++) {
    look_at_bucket(st, sh, ix, number, s);
    if (++number == ix->buckets) number = 0;
  }
}

static rd_ref victim_s3fifo(rd_store *st, rd_shard *sh, const rd_index *ix, uint32_t want, uint64_t keys) {
  struct search s = {.policy = RD_ALLKEYS_S3FIFO};
  for (uint32_t round = 0; round < 24; round++) {
    bool from_small = (uint64_t)sh->small * SMALL_SHARE >= keys;
    s.queue = !from_small;
    sample(st, sh, ix, want, &s);
    if (s.victim == 0) {
      s.queue = -1;
      sample(st, sh, ix, want, &s);
      return s.victim;
    }
    rd_item *it = rd_at(st, s.victim);
    uint32_t hits = access_of(it) >> HITS_SHIFT;
    if (from_small ? hits < 2 : hits == 0) return s.victim;
    if (from_small) {
      it->access |= RD_ITEM_MAIN;
      sh->small--;
      hits = 1;
    }
    set_access(it, (sh->clock & STAMP_MASK) | (hits - 1) << HITS_SHIFT);
  }
  return s.victim;
}

/* The keys of a slot that the policy may evict. */
static uint32_t candidates_in(const rd_store *st, const rd_shard *sh, uint32_t slot) {
  uint32_t n = volatile_only(policy_of(st)) ? sh->index[slot].with_ttl : sh->index[slot].count;
  if (n == 0 || !rd_slot_is_live(st, slot) || (slot == RD_KEPT_SLOT && st->builds) || rd_slot_stays(slot)) return 0;
  return n;
}

rd_ref rd_victim(rd_store *st, uint32_t shard) {
  rd_shard *sh = rd_shard_at(st, shard);
  rd_policy policy = policy_of(st);
  uint32_t want = atomic_load_explicit(&st->head->sample_size, memory_order_relaxed);
  /* Flushed keys are evicted first. Otherwise a database is picked in proportion to its keys. */
  uint64_t keys = 0, candidates = 0;
  for (uint32_t i = 0; i < RD_SLOTS; i++) {
    const rd_index *ix = &sh->index[i];
    if (ix->count == 0) continue;
    if (!rd_slot_is_live(st, i)) {
      struct search s = {.policy = RD_ALLKEYS_RANDOM, .queue = -1};
      sample(st, sh, ix, 1, &s);
      if (s.victim != 0) return s.victim;
      continue;
    }
    keys += ix->count;
    candidates += candidates_in(st, sh, i);
  }
  if (policy == RD_NOEVICTION || candidates == 0) return 0;
  uint64_t pick = rd_random_u64(st) % candidates;
  for (uint32_t i = 0; i < RD_SLOTS; i++) {
    const rd_index *ix = &sh->index[i];
    uint64_t n = candidates_in(st, sh, i);
    if (n == 0) continue;
    if (pick >= n) {
      pick -= n;
      continue;
    }
    if (policy == RD_ALLKEYS_S3FIFO) return victim_s3fifo(st, sh, ix, want, keys);
    struct search s = {.policy = policy, .queue = -1};
    sample(st, sh, ix, want, &s);
    return s.victim;
  }
  return 0;
}

/* ---- the figures that OBJECT and RESTORE use ---- */

uint64_t rd_item_idle_ms(rd_store *st, const rd_item *it) { return lru_idle_ms(st, access_of(it)); }

unsigned rd_item_freq(rd_store *st, const rd_item *it) {
  return policy_of(st) == RD_ALLKEYS_S3FIFO ? access_of(it) >> HITS_SHIFT : lfu_counter(st, it);
}

void rd_item_set_idle(rd_store *st, rd_item *it, uint64_t idle_ms) {
  rd_policy policy = policy_of(st);
  if (is_lfu(policy) || policy == RD_ALLKEYS_S3FIFO) return;
  uint64_t ticks = (idle_ms >> LRU_SHIFT) + ((idle_ms & ((1u << LRU_SHIFT) - 1)) != 0);
  if (ticks <= MOST_ELAPSED(LRU_MASK)) {
    set_access(it, (clock_lru(st) - (uint32_t)ticks) & LRU_MASK);
    return;
  }
  ticks = idle_ms / LRU_COARSE_MS;
  if (ticks > LRU_MASK) ticks = LRU_MASK;
  set_access(it, LRU_COARSE | ((clock_coarse(st) - (uint32_t)ticks) & LRU_MASK));
}

void rd_item_set_freq(rd_store *st, rd_item *it, unsigned freq) {
  if (is_lfu(policy_of(st))) set_access(it, clock_minutes(st) << 8 | (freq & 0xffu));
}
