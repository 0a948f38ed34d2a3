/* index.c - finds, adds and removes entries; splits and joins buckets. */
#include "store/index.h"

#include "arena/heap.h"
#include "arena/lock.h"
#include "base/hash.h"
#include "store/item.h"
#include "store/recovery.h"
#include "store/type.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Keys a bucket, times two, above which the index grows and below which it shrinks. */
#define GROW_AT 15u
#define SHRINK_AT 5u

/* ---- buckets of a chain ---- */

static inline rd_bucket *overflow_bucket(const rd_store *st, rd_ref block) {
  return (rd_bucket *)(st->base + block + sizeof(rd_index_block));
}

rd_bucket *rd_bucket_next(const rd_store *st, const rd_bucket *b) {
  if ((b->bits & RD_BUCKET_OVERFLOW) == 0) return NULL;
  return overflow_bucket(st, rd_entry_ref(b, RD_BUCKET_SLOTS - 1));
}

rd_bucket *rd_chain_next(const rd_store *st, const rd_index *ix, const rd_bucket *b, uint32_t *left) {
  if ((b->bits & RD_BUCKET_OVERFLOW) == 0) return NULL;
  if (RD_LIKELY(--*left > 0)) return rd_bucket_next(st, b);
  size_t shard = (size_t)((const uint8_t *)ix - (const uint8_t *)st->shards) / sizeof(rd_shard);
  rd_suspect((rd_store *)(uintptr_t)st, (uint32_t)shard);
  return NULL;
}

/* The entries whose tag is `tag`, one bit each. */
static inline uint32_t match_tag(const rd_bucket *b, uint8_t tag) {
#ifdef __SSE2__
  /* The last 16 bytes of the bucket: hi[8..9], tag[0..9], bits, due. */
  __m128i line = _mm_load_si128((const __m128i *)(const void *)((const uint8_t *)b + 48));
  uint32_t mask = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(line, _mm_set1_epi8((char)tag)));
  return mask >> 2 & 0x3ffu;
#else
  uint32_t mask = 0;
  for (uint32_t i = 0; i < RD_BUCKET_SLOTS; i++) mask |= (uint32_t)(b->tag[i] == tag) << i;
  return mask;
#endif
}

/* Overflow buckets are aligned to 8 only. */
static inline uint32_t match_tag_unaligned(const rd_bucket *b, uint8_t tag) {
  uint32_t mask = 0;
  for (uint32_t i = 0; i < RD_BUCKET_SLOTS; i++) mask |= (uint32_t)(b->tag[i] == tag) << i;
  return mask;
}

uint32_t rd_bucket_entries(const rd_bucket *b) { return ~match_tag_unaligned(b, 0) & 0x3ffu; }

/* ---- prefetching ----
 *
 * Prefetching reads without the lock, so the data may be torn or stale. Each reference is checked before it is
 * followed, and the result is only a hint. */

static inline const rd_bucket *peek(const rd_store *st, const rd_key *key) {
  const rd_index *ix = &st->shards[rd_shard_of(st, key->hash)].index[rd_slot_of(st, key->db)];
  uint32_t buckets = ix->buckets, height = ix->height;
  rd_ref ref = ix->root;
  if (buckets == 0) return NULL;
  uint32_t number = rd_bucket_of(key->hash, buckets);
  for (uint32_t shift = RD_SEGMENT_BITS + (height == 2 ? RD_DIR_BITS : 0); height > 0; height--, shift -= RD_DIR_BITS) {
    rd_ref at = ref + sizeof(rd_index_block) + (rd_ref)(number >> shift & (RD_DIR_ENTRIES - 1)) * 8;
    if (at < st->head->body_at || at > st->size - 8) return NULL;
    ref = rd_ld64(st->base + at);
  }
  ref = ((ref + sizeof(rd_index_block) + 63) & ~(rd_ref)63) + (number & (RD_SEGMENT_BUCKETS - 1)) * sizeof(rd_bucket);
  return ref < st->head->body_at || ref > st->size - sizeof(rd_bucket) ? NULL : (const rd_bucket *)(st->base + ref);
}

/* Prefetch for writing: the lock will be written to, and with several workers another core may have its cache line. */
const rd_bucket *rd_prefetch_bucket(const rd_store *st, const rd_key *key) {
  RD_PREFETCH_WRITE(&st->shards[rd_shard_of(st, key->hash)].lock);
  const rd_bucket *b = peek(st, key);
  if (b != NULL) RD_PREFETCH(b);
  return b;
}

void rd_prefetch_item(const rd_store *st, uint64_t hash, const rd_bucket *b) {
  if (b == NULL) return;
  for (uint32_t m = match_tag(b, rd_tag_of(hash)); m != 0; m &= m - 1) {
    rd_ref ref = rd_entry_ref(b, (uint32_t)__builtin_ctz(m));
    if (ref < st->head->body_at || ref >= st->size - 64) continue;
    RD_PREFETCH(st->base + ref);
    RD_PREFETCH(st->base + ref + 64);
  }
}

/* ---- lookup ---- */

bool rd_index_find(const rd_store *st, const rd_index *ix, const rd_key *key, rd_place *place) {
  if (ix->buckets == 0) return false;
  uint8_t tag = rd_tag_of(key->hash);
  uint32_t number = rd_bucket_of(key->hash, ix->buckets);
  rd_bucket *b = rd_index_bucket(st, ix, number);
  uint32_t left = rd_chain_limit(ix);
  for (uint32_t mask = match_tag(b, tag);;) {
    for (; mask != 0; mask &= mask - 1) {
      uint32_t i = (uint32_t)__builtin_ctz(mask);
      if (rd_item_has_key(st, rd_at(st, rd_entry_ref(b, i)), key)) {
        *place = (rd_place){b, i, number};
        return true;
      }
    }
    b = rd_chain_next(st, ix, b, &left);
    if (RD_LIKELY(b == NULL)) return false;
    mask = match_tag_unaligned(b, tag);
  }
}

bool rd_index_find_ref(const rd_store *st, const rd_index *ix, uint64_t hash, rd_ref item, rd_place *place) {
  if (ix->buckets == 0) return false;
  uint32_t number = rd_bucket_of(hash, ix->buckets), left = rd_chain_limit(ix);
  for (rd_bucket *b = rd_index_bucket(st, ix, number); b != NULL; b = rd_chain_next(st, ix, b, &left)) {
    for (uint32_t mask = match_tag_unaligned(b, rd_tag_of(hash)); mask != 0; mask &= mask - 1) {
      uint32_t i = (uint32_t)__builtin_ctz(mask);
      if (rd_entry_ref(b, i) == item) {
        *place = (rd_place){b, i, number};
        return true;
      }
    }
  }
  return false;
}

rd_ref rd_index_item_of(rd_store *st, uint32_t shard, uint32_t slot, uint64_t hash) {
  const rd_index *ix = &rd_shard_at(st, shard)->index[slot];
  if (ix->buckets == 0) return 0;
  uint32_t left = rd_chain_limit(ix);
  const rd_bucket *b = rd_index_bucket(st, ix, rd_bucket_of(hash, ix->buckets));
  for (; b != NULL; b = rd_chain_next(st, ix, b, &left)) {
    for (uint32_t mask = match_tag_unaligned(b, rd_tag_of(hash)); mask != 0; mask &= mask - 1) {
      rd_ref item = rd_entry_ref(b, (uint32_t)__builtin_ctz(mask));
      if (rd_item_hash(st, rd_at(st, item)) == hash) return item;
    }
  }
  return 0;
}

uint64_t rd_item_hash(const rd_store *st, const rd_item *it) {
  uint32_t len = rd_item_key_len(it);
  const uint8_t *inline_key = rd_item_inline_key(it);
  if (inline_key != NULL) return rd_siphash(st->seed, inline_key, len);
  /* A key above 4 KiB lies in chunks. It is hashed from a copy: the stack is bounded, such keys are rare. */
  uint8_t *copy = __builtin_alloca(len);
  rd_item_key((rd_store *)(uintptr_t)st, it, copy);
  return rd_siphash(st->seed, copy, len);
}

/* ---- chains: a bucket and its overflow buckets. All but the last are full. ---- */

/* An entry that is moved from one bucket to another. */
struct entry {
  rd_ref ref;
  uint8_t tag;
  bool ttl;
  bool timed; /* it comes from a bucket with RD_BUCKET_TIMED, or is the reason for it */
  uint16_t due;
};

#define OVERFLOW_BYTES ((uint32_t)(sizeof(rd_index_block) + sizeof(rd_bucket)))

static inline struct entry get_entry(const rd_bucket *b, uint32_t i) {
  return (struct entry){rd_entry_ref(b, i), b->tag[i], b->bits >> i & 1, (b->bits & RD_BUCKET_TIMED) != 0, b->due};
}

static inline void set_due(rd_bucket *b, uint32_t bit, uint16_t due) {
  if ((b->bits & (0x3ff | RD_BUCKET_TIMED)) == 0 || (int16_t)(due - b->due) < 0) b->due = due;
  b->bits |= (uint16_t)bit;
}

static inline void set_ttl(rd_bucket *b, uint32_t i, bool has, uint16_t due) {
  if (has)
    set_due(b, 1u << i, due);
  else
    b->bits &= (uint16_t) ~(1u << i);
}

static inline void put_entry(rd_bucket *b, uint32_t i, const struct entry *e) {
  rd_entry_set_ref(b, i, e->ref);
  b->tag[i] = e->tag;
  set_ttl(b, i, e->ttl, e->due);
  if (RD_UNLIKELY(e->timed)) set_due(b, RD_BUCKET_TIMED, e->due);
}

/* Append to the chain that begins with `b`. `spare`, when it is not 0, is used as the overflow bucket if one is needed.
 * Returns 0: no memory, or a circle; 1: done; 2: done, and the spare is used. */
static int chain_append(rd_store *st, uint32_t shard, uint32_t slot, uint32_t number, rd_bucket *b,
                        const struct entry *e, rd_ref spare) {
  const rd_index *ix = &rd_shard_at(st, shard)->index[slot];
  uint32_t left = rd_chain_limit(ix);
  for (rd_bucket *next; (next = rd_chain_next(st, ix, b, &left)) != NULL;) b = next;
  if (RD_UNLIKELY(left == 0)) return 0;
  uint32_t entries = rd_bucket_entries(b);
  int result = 1;
  if (entries == 0x3ff) {
    uint32_t last = RD_BUCKET_SLOTS - 1;
    rd_ref block = spare != 0 ? spare : rd_heap_alloc(st, shard, OVERFLOW_BYTES, RD_OVERFLOW);
    if (block == 0) return 0;
    if (spare != 0) result = 2;
    ((rd_index_block *)rd_at(st, block))->owner = slot << 27 | number;
    rd_bucket *o = overflow_bucket(st, block);
    memset(o, 0, sizeof *o);
    struct entry moved = get_entry(b, last);
    put_entry(o, 0, &moved);
    rd_entry_set_ref(b, last, block);
    b->tag[last] = 0;
    b->bits = (uint16_t)((b->bits & ~(1u << last)) | RD_BUCKET_OVERFLOW);
    b = o;
    entries = 1;
  }
  put_entry(b, (uint32_t)__builtin_ctz(~entries), e);
  return result;
}

/* Fill the hole with the chain's last entry, so that only the last bucket is ever not full. */
static void chain_remove(rd_store *st, uint32_t shard, const rd_index *ix, rd_bucket *first, rd_bucket *b, uint32_t i) {
  rd_bucket *last = first, *before = NULL;
  uint32_t left = rd_chain_limit(ix);
  for (rd_bucket *next; (next = rd_chain_next(st, ix, last, &left)) != NULL;) {
    before = last;
    last = next;
  }
  if (RD_UNLIKELY(left == 0)) { /* the chain is a circle: nothing refers to the item any more, but the hole stays */
    b->tag[i] = 0;
    return;
  }
  uint32_t j = 31u - (uint32_t)__builtin_clz(rd_bucket_entries(last));
  if (last != b || j != i) {
    struct entry e = get_entry(last, j);
    put_entry(b, i, &e);
  }
  last->tag[j] = 0;
  rd_entry_set_ref(last, j, 0);
  last->bits &= (uint16_t) ~(1u << j);
  if (before == NULL || rd_bucket_entries(last) != 1) return;
  /* The overflow bucket has one entry left, which fits into the entry that holds the link. */
  uint32_t link = RD_BUCKET_SLOTS - 1;
  rd_ref block = rd_entry_ref(before, link);
  struct entry e = get_entry(last, 0);
  before->bits &= (uint16_t)~RD_BUCKET_OVERFLOW;
  put_entry(before, link, &e);
  rd_heap_release(st, shard, block);
}

/* ---- splitting and joining buckets ---- */

#define CHAIN_MAX 192u /* most entries of a chain that is rebuilt at once; with a keyed hash few chains come near */
#define SPARES_MAX 32u

/* The entries and the overflow blocks of chains that are rebuilt. */
struct rebuild {
  struct entry entry[CHAIN_MAX];
  rd_ref spare[SPARES_MAX];
  uint32_t entries, spares;
};

/* Add a chain's contents to `l`; false: the chain is too long, and nothing was added. */
static bool rebuild_collect(const rd_store *st, rd_bucket *first, struct rebuild *l) {
  uint32_t entries = l->entries, spares = l->spares;
  for (rd_bucket *b = first; b != NULL; b = rd_bucket_next(st, b)) {
    for (uint32_t m = rd_bucket_entries(b); m != 0; m &= m - 1) {
      if (entries == CHAIN_MAX) return false;
      l->entry[entries++] = get_entry(b, (uint32_t)__builtin_ctz(m));
    }
    if ((b->bits & RD_BUCKET_OVERFLOW) != 0) {
      if (spares == SPARES_MAX) return false;
      l->spare[spares++] = rd_entry_ref(b, RD_BUCKET_SLOTS - 1);
    }
  }
  l->entries = entries;
  l->spares = spares;
  return true;
}

/* True if the chain, which is long, is a circle. */
static bool is_circle(const rd_store *st, const rd_index *ix, const rd_bucket *b) {
  uint32_t left = rd_chain_limit(ix);
  while ((b = rd_chain_next(st, ix, b, &left)) != NULL) continue;
  return left == 0;
}

static uint32_t overflows_for(uint32_t entries) {
  return entries <= RD_BUCKET_SLOTS ? 0 : (entries - RD_BUCKET_SLOTS + RD_BUCKET_SLOTS - 2) / (RD_BUCKET_SLOTS - 1);
}

/* Build a chain without allocating: the spare blocks are enough. */
static void rebuild_append(rd_store *st, uint32_t shard, uint32_t slot, uint32_t number, rd_bucket *b,
                           const struct entry *e, struct rebuild *l) {
  int result = chain_append(st, shard, slot, number, b, e, l->spares > 0 ? l->spare[l->spares - 1] : 0);
  assert(result != 0);
  if (result == 2) l->spares--;
}

static void release_spares(rd_store *st, uint32_t shard, struct rebuild *l) {
  while (l->spares > 0) rd_heap_release(st, shard, l->spare[--l->spares]);
}

/* Distribute a chain of any length over `from`, its first bucket, and `to`, bucket by bucket. The entries of one
 * bucket are stored before the next is opened, so its overflow bucket is free in time. Only an index that could not
 * grow for long, for lack of memory, has such chains. */
static void split_long(rd_store *st, uint32_t shard, uint32_t slot, const rd_index *ix, rd_bucket *from,
                       rd_bucket *to) {
  uint32_t n = ix->buckets - 1;
  rd_bucket opened = *from;
  struct rebuild l;
  l.spares = 0;
  memset(from, 0, sizeof *from);
  for (;;) {
    for (uint32_t m = rd_bucket_entries(&opened); m != 0; m &= m - 1) {
      struct entry e = get_entry(&opened, (uint32_t)__builtin_ctz(m));
      uint32_t number = rd_bucket_of(rd_item_hash(st, rd_at(st, e.ref)), n + 1);
      rebuild_append(st, shard, slot, number, number == n ? to : from, &e, &l);
    }
    if ((opened.bits & RD_BUCKET_OVERFLOW) == 0) break;
    rd_ref block = rd_entry_ref(&opened, RD_BUCKET_SLOTS - 1);
    opened = *overflow_bucket(st, block);
    if (l.spares == SPARES_MAX) {
      rd_heap_release(st, shard, block);
    } else {
      l.spare[l.spares++] = block;
    }
  }
  release_spares(st, shard, &l);
}

/* Add bucket number n, and move its entries there. The two chains never need more overflow buckets than the one
 * chain had, so nothing can fail once the bucket exists. */
static bool grow(rd_store *st, uint32_t shard, uint32_t slot, rd_index *ix) {
  uint32_t n = ix->buckets, source = n & (rd_bucket_mask(n + 1) >> 1);
  struct rebuild l;
  l.entries = l.spares = 0;
  bool is_long = n > 0 && !rebuild_collect(st, rd_index_bucket(st, ix, source), &l);
  if (RD_UNLIKELY(is_long) && is_circle(st, ix, rd_index_bucket(st, ix, source))) return false;
  for (uint32_t i = 0; i < l.entries; i++) RD_PREFETCH(rd_at(st, l.entry[i].ref));
  rd_mark_dirty(st, shard);
  if (!rd_buckets_add(st, shard, slot, ix)) return false;
  ix->buckets = n + 1;
  if (n == 0) return true;
  rd_bucket *from = rd_index_bucket(st, ix, source), *to = rd_index_bucket(st, ix, n);
  if (RD_UNLIKELY(is_long)) {
    split_long(st, shard, slot, ix, from, to);
  } else {
    memset(from, 0, sizeof *from);
    for (uint32_t i = 0; i < l.entries; i++) {
      uint32_t number = rd_bucket_of(rd_item_hash(st, rd_at(st, l.entry[i].ref)), n + 1);
      rebuild_append(st, shard, slot, number, number == n ? to : from, &l.entry[i], &l);
    }
    release_spares(st, shard, &l);
  }
  rd_count_stat(st, RD_STAT_index_splits, 1);
  return true;
}

/* Join the last bucket to the one that it was split from. */
static void shrink(rd_store *st, uint32_t shard, uint32_t slot, rd_index *ix) {
  uint32_t n = ix->buckets - 1, target = n & (rd_bucket_mask(n + 1) >> 1);
  struct rebuild l;
  l.entries = l.spares = 0;
  if (n > 0) {
    rd_bucket *from = rd_index_bucket(st, ix, n), *to = rd_index_bucket(st, ix, target);
    if (!rebuild_collect(st, to, &l) || !rebuild_collect(st, from, &l)) return;
    rd_mark_dirty(st, shard);
    if (overflows_for(l.entries) > l.spares) {
      rd_ref block = rd_heap_alloc(st, shard, OVERFLOW_BYTES, RD_OVERFLOW);
      if (block == 0) return;
      l.spare[l.spares++] = block;
    }
    memset(from, 0, sizeof *from);
    memset(to, 0, sizeof *to);
    for (uint32_t i = 0; i < l.entries; i++) rebuild_append(st, shard, slot, target, to, &l.entry[i], &l);
    release_spares(st, shard, &l);
  }
  rd_mark_dirty(st, shard);
  ix->buckets = n;
  rd_buckets_drop(st, shard, ix);
}

bool rd_index_balance(rd_store *st, uint32_t shard, uint32_t slot) {
  rd_index *ix = &rd_shard_at(st, shard)->index[slot];
  uint64_t twice = (uint64_t)ix->count * 2, n = ix->buckets;
  if (twice > n * GROW_AT) return n == RD_MAX_BUCKETS || grow(st, shard, slot, ix);
  if (n > 0 && (n == 1 ? twice == 0 : twice < n * SHRINK_AT)) shrink(st, shard, slot, ix);
  return true;
}

bool rd_index_insert(rd_store *st, uint32_t shard, uint32_t slot, uint64_t hash, rd_ref item, int64_t expiry) {
  rd_index *ix = &rd_shard_at(st, shard)->index[slot];
  rd_mark_dirty(st, shard);
  if (ix->buckets == 0 && !grow(st, shard, slot, ix)) return false;
  uint32_t number = rd_bucket_of(hash, ix->buckets);
  bool timed = rd_item_is_timed(rd_at(st, item)); /* the sweep will find out when its parts expire */
  struct entry e = {item, rd_tag_of(hash), expiry != RD_NO_EXPIRY, timed, rd_due_of(st->now_ms, timed ? 0 : expiry)};
  if (chain_append(st, shard, slot, number, rd_index_bucket(st, ix, number), &e, 0) == 0) return false;
  ix->count++;
  ix->with_ttl += e.ttl;
  ix->timed |= timed;
  return true;
}

void rd_index_remove(rd_store *st, uint32_t shard, uint32_t slot, rd_place place) {
  rd_index *ix = &rd_shard_at(st, shard)->index[slot];
  rd_mark_dirty(st, shard);
  ix->count--;
  ix->with_ttl -= place.bucket->bits >> place.entry & 1u;
  chain_remove(st, shard, ix, rd_index_bucket(st, ix, place.number), place.bucket, place.entry);
  rd_index_balance(st, shard, slot);
}

void rd_index_note_expiry(rd_store *st, uint32_t shard, uint32_t slot, rd_place place, int64_t expiry) {
  rd_index *ix = &rd_shard_at(st, shard)->index[slot];
  bool had = place.bucket->bits >> place.entry & 1, has = expiry != RD_NO_EXPIRY;
  rd_mark_dirty(st, shard);
  set_ttl(place.bucket, place.entry, has, rd_due_of(st->now_ms, expiry));
  ix->with_ttl += (uint32_t)has - (uint32_t)had;
  if (RD_UNLIKELY(rd_item_is_timed(rd_at(st, rd_entry_ref(place.bucket, place.entry)))))
    rd_index_note_parts(st, shard, slot, place, 0);
}

void rd_index_note_parts(rd_store *st, uint32_t shard, uint32_t slot, rd_place place, int64_t due) {
  rd_mark_dirty(st, shard);
  set_due(place.bucket, RD_BUCKET_TIMED, rd_due_of(st->now_ms, due));
  rd_shard_at(st, shard)->index[slot].timed = 1;
}

/* ---- moving a block of the index ---- */

bool rd_index_move_block(rd_store *st, uint32_t shard, rd_ref block) {
  rd_blk blk = *rd_blk_at(st, block);
  uint32_t owner = ((rd_index_block *)rd_at(st, block))->owner, slot = owner >> 27, number = owner & RD_NUMBER_MASK;
  rd_index *ix = &rd_shard_at(st, shard)->index[slot];
  rd_ref to = rd_heap_alloc(st, shard, rd_blk_bytes(blk), rd_blk_kind(blk));
  if (to == 0) return false;
  rd_index_block *head = rd_at(st, to);
  head->owner = owner;
  if (rd_blk_kind(blk) == RD_SEGMENT) {
    memcpy(rd_segment_buckets(st, to), rd_segment_buckets(st, block),
           rd_segment_capacity(st, block) * sizeof(rd_bucket));
    rd_ref *at = &ix->root;
    if (ix->height == 2) at = &rd_dir_entries(st, *at)[number >> RD_DIR_BITS];
    if (ix->height != 0) at = &rd_dir_entries(st, *at)[number & (RD_DIR_ENTRIES - 1)];
    assert(*at == block);
    *at = to;
  } else {
    memcpy(head + 1, (rd_index_block *)rd_at(st, block) + 1, rd_blk_bytes(blk) - sizeof *head);
    /* The new block may be a granule longer, and a directory's length is its block's. */
    memset(st->base + to + rd_blk_bytes(blk), 0, rd_blk_bytes(*rd_blk_at(st, to)) - rd_blk_bytes(blk));
    if (rd_blk_kind(blk) == RD_DIR) {
      rd_ref *at = number == 0 ? &ix->root : &rd_dir_entries(st, ix->root)[number - 1];
      assert(*at == block);
      *at = to;
    } else {
      rd_bucket *b = rd_index_bucket(st, ix, number);
      uint32_t link = RD_BUCKET_SLOTS - 1;
      uint32_t left = rd_chain_limit(ix);
      while (b != NULL && rd_entry_ref(b, link) != block) b = rd_chain_next(st, ix, b, &left);
      if (RD_LIKELY(b != NULL))
        rd_entry_set_ref(b, link, to);
      else
        rd_suspect(st, shard); /* it is not in its bucket's chain */
    }
  }
  rd_heap_release(st, shard, block);
  return true;
}
