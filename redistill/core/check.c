/* rd_check: every invariant of the arena, verified by walking it twice: over the regions, block by block, and over the
 * indexes, entry by entry. What the second walk reaches must be exactly what the first one found. */
#include <stdarg.h>
#include <stdio.h>

#include "evict.h"
#include "hash.h"
#include "heap.h"
#include "index.h"
#include "internal.h"
#include "item.h"
#include "lock.h"

struct report {
  int violations;
  char *err;
  size_t errlen;
  uint32_t shard;
};

RD_PRINTF(2, 3) static void violated(struct report *r, const char *fmt, ...) {
  if (r->violations++ > 0 || r->errlen == 0) return;
  int n = snprintf(r->err, r->errlen, "shard %u: ", r->shard);
  va_list args;
  va_start(args, fmt);
  if (n > 0 && (size_t)n < r->errlen) vsnprintf(r->err + n, r->errlen - (size_t)n, fmt, args);
  va_end(args);
}

#define EXPECT(cond, ...)                  \
  do {                                     \
    if (!(cond)) violated(r, __VA_ARGS__); \
  } while (0)

struct tally {
  uint64_t blocks[8]; /* by kind */
  uint64_t bytes;     /* of allocated blocks */
  uint64_t small;
};

/* ---- the walk over the regions ---- */

static bool in_free_list(const rd_store *st, const rd_heap *h, rd_ref ref, uint32_t granules) {
  uint32_t row, col;
  rd_free_class(granules, &row, &col);
  rd_ref prev = rd_free_prev(st, ref), next = rd_free_next(st, ref);
  if ((h->rows >> row & 1) == 0 || (h->cols[row] >> col & 1) == 0) return false;
  if (prev == 0 ? h->free[row][col] != ref : rd_free_next(st, prev) != ref) return false;
  return next == 0 || rd_free_prev(st, next) == ref;
}

static void check_region(const rd_store *st, struct report *r, uint32_t region, struct tally *t) {
  const rd_heap *h = &st->shards[r->shard].heap;
  uint32_t used = 0, total = 0, before = 0;
  rd_kind kind_before = RD_ITEM;
  for (rd_ref ref = rd_region_first(st, region); ref != 0;) {
    rd_blk b = *rd_blk_at(st, ref);
    uint32_t granules = rd_blk_granules(b);
    EXPECT(granules >= 2, "region %u: a block of %u granules at %llu", region, granules, (unsigned long long)ref);
    if (granules < 2) return;
    EXPECT(rd_blk_prev(b) == before, "region %u: block at %llu has a wrong size of its neighbour", region,
           (unsigned long long)ref);
    total += granules;
    if (total > RD_REGION_GRANULES) break;
    rd_kind kind = rd_blk_kind(b);
    t->blocks[kind]++;
    if (kind == RD_FREE) {
      EXPECT(kind_before != RD_FREE, "region %u: two free blocks in a row", region);
      EXPECT(in_free_list(st, h, ref, granules), "region %u: a free block that is in no list", region);
    } else {
      used += granules;
      t->bytes += rd_blk_bytes(b);
    }
    kind_before = kind;
    before = granules;
    ref = rd_blk_next(st, ref);
  }
  EXPECT(total == RD_REGION_GRANULES, "region %u: its blocks make %u granules", region, total);
  EXPECT(used == st->regions[region].used, "region %u: counts %u granules used, has %u", region,
         st->regions[region].used, used);
  EXPECT(used > 0, "region %u: empty, but not in the pool", region);
}

static void check_heap(const rd_store *st, struct report *r, struct tally *t) {
  const rd_heap *h = &st->shards[r->shard].heap;
  uint32_t regions = 0, prev = 0;
  for (uint32_t i = h->first_region; i != 0 && regions <= st->head->num_regions; i = st->regions[i - 1].next) {
    EXPECT(st->regions[i - 1].owner == r->shard + 1, "region %u is in the list, but owned by another", i - 1);
    EXPECT(st->regions[i - 1].prev == prev, "region %u: a wrong link back", i - 1);
    check_region(st, r, i - 1, t);
    prev = i;
    regions++;
  }
  EXPECT(regions == h->regions, "%u regions counted, %u in the list", h->regions, regions);
  EXPECT(t->bytes == h->used, "%llu bytes counted, %llu found", (unsigned long long)h->used,
         (unsigned long long)t->bytes);
  uint64_t listed = 0;
  for (uint32_t row = 0; row < RD_FREE_ROWS; row++) {
    EXPECT((h->cols[row] != 0) == (h->rows >> row & 1), "free lists: row %u has a wrong bit", row);
    for (uint32_t col = 0; col < RD_FREE_COLS; col++) {
      EXPECT((h->free[row][col] != 0) == (h->cols[row] >> col & 1), "free list %u,%u has a wrong bit", row, col);
      for (rd_ref ref = h->free[row][col]; ref != 0 && listed <= t->blocks[RD_FREE]; ref = rd_free_next(st, ref))
        listed++;
    }
  }
  EXPECT(listed == t->blocks[RD_FREE], "%llu blocks in free lists, %llu free", (unsigned long long)listed,
         (unsigned long long)t->blocks[RD_FREE]);
}

/* ---- the walk over the indexes ---- */

/* A reference to a block of this kind in this shard: counts it, and says whether it may be followed. */
static bool reach(const rd_store *st, struct report *r, rd_ref ref, rd_kind kind, struct tally *t) {
  bool ok = ref >= st->head->body_at && ref < st->size && ref % RD_GRANULE == 0 &&
            st->regions[rd_region_of(st, ref)].owner == r->shard + 1 && rd_blk_kind(*rd_blk_at(st, ref)) == kind;
  EXPECT(ok, "a reference of kind %d to %llu, which is no such block", kind, (unsigned long long)ref);
  if (!ok) return false;
  t->blocks[kind]++;
  t->bytes += rd_blk_bytes(*rd_blk_at(st, ref));
  return true;
}

static void check_big(const rd_store *st, struct report *r, const rd_item *it, struct tally *t) {
  const rd_big *big = rd_item_big(it);
  const uint8_t *refs = (const uint8_t *)it + RD_BIG_HEAD + rd_item_ttl_bytes(it);
  uint64_t stream = (big->key_len > RD_INLINE_KEY ? big->key_len : 0) + big->len, held = 0;
  bool gap = false;
  for (uint32_t i = 0; i < big->tables; i++) {
    rd_ref ref = rd_ld64(refs + i * 8);
    if (ref == 0) {
      gap = true;
      continue;
    }
    if (!reach(st, r, ref, RD_TABLE, t)) return;
    const rd_table *table = rd_at(st, ref);
    EXPECT(!gap && table->number == i && table->item == rd_ref_of(st, it), "a table that does not know its item");
    uint32_t capacity = (rd_blk_bytes(table->blk) - RD_TABLE_HEAD) / 8;
    for (uint32_t c = 0; c < capacity; c++) {
      if (table->chunk[c] == 0) continue;
      if (!reach(st, r, table->chunk[c], RD_CHUNK, t)) return;
      const rd_chunk *chunk = rd_at(st, table->chunk[c]);
      EXPECT(chunk->number == c && chunk->table == ref, "a chunk that does not know its table");
      uint32_t data = rd_blk_bytes(chunk->blk) - RD_CHUNK_HEAD;
      held += data < RD_CHUNK_DATA ? data : RD_CHUNK_DATA;
    }
  }
  if (rd_expired(st, rd_item_expiry(it))) return; /* a process may have died while it moved the value */
  EXPECT(held >= stream, "a value of %llu bytes with chunks for %llu", (unsigned long long)stream,
         (unsigned long long)held);
  EXPECT(held < stream + RD_CHUNK_DATA || stream == 0, "a value of %llu bytes with chunks for %llu",
         (unsigned long long)stream, (unsigned long long)held);
}

static void check_item(rd_store *st, struct report *r, uint32_t slot, const rd_index *ix, uint32_t number,
                       const rd_bucket *b, uint32_t i, struct tally *t) {
  rd_ref ref = rd_entry_ref(b, i);
  if (!reach(st, r, ref, RD_ITEM, t)) return;
  const rd_item *it = rd_at(st, ref);
  uint64_t hash = rd_item_hash(st, it);
  bool ttl = rd_item_expiry(it) != RD_NO_EXPIRY;
  EXPECT(rd_item_slot(it) == slot, "an item of slot %u in the index of slot %u", rd_item_slot(it), slot);
  EXPECT(rd_shard_of(st, hash) == r->shard, "an item of another shard");
  EXPECT(rd_tag_of(hash) == b->tag[i], "an entry with a wrong tag");
  EXPECT(rd_bucket_of(hash, ix->buckets) == number, "an entry in bucket %u that belongs to %u", number,
         rd_bucket_of(hash, ix->buckets));
  EXPECT(ttl == (b->bits >> i & 1), "an entry with a wrong bit for its expiry");
  if (ttl) {
    int64_t now = (int64_t)(st->now_ms >> 12), due = now + (int16_t)(b->due - (uint16_t)now);
    EXPECT(due <= rd_item_expiry(it) >> 12 || due <= now, "a bucket that is due after its entry");
  }
  if ((it->access & RD_ITEM_MAIN) == 0) t->small++;
  if (rd_item_is_big(it)) {
    check_big(st, r, it, t);
  } else {
    uint32_t bytes = RD_ITEM_HEAD + rd_item_ttl_bytes(it) + it->key_len + it->len;
    EXPECT(bytes <= rd_blk_bytes(it->blk), "an item of %u bytes in a block of %u", bytes, rd_blk_bytes(it->blk));
  }
}

static void check_chain(rd_store *st, struct report *r, uint32_t slot, const rd_index *ix, uint32_t number,
                        struct tally *t, uint64_t *count, uint64_t *with_ttl) {
  uint32_t length = 0;
  for (const rd_bucket *b = rd_index_bucket(st, ix, number); b != NULL && length < 10000; length++) {
    uint32_t entries = rd_bucket_entries(b);
    bool more = (b->bits & RD_BUCKET_OVERFLOW) != 0;
    EXPECT((entries & (entries + 1)) == 0, "bucket %u: a hole among its entries", number);
    EXPECT(!more || entries == 0x1ff, "bucket %u goes on, but is not full", number);
    EXPECT(length == 0 || entries > 1 || more, "bucket %u: an overflow bucket with %d entries", number,
           __builtin_popcount(entries));
    for (uint32_t m = entries; m != 0; m &= m - 1) {
      uint32_t i = (uint32_t)__builtin_ctz(m);
      check_item(st, r, slot, ix, number, b, i, t);
      ++*count;
      *with_ttl += b->bits >> i & 1u;
    }
    if (more) {
      rd_ref link = rd_entry_ref(b, RD_BUCKET_SLOTS - 1);
      if (!reach(st, r, link, RD_OVERFLOW, t)) return;
      EXPECT(((rd_index_block *)rd_at(st, link))->owner == (slot << 27 | number),
             "an overflow bucket with a wrong owner");
    }
    b = rd_bucket_next(st, b);
  }
}

static void check_index_blocks(const rd_store *st, struct report *r, uint32_t slot, const rd_index *ix,
                               struct tally *t) {
  if (ix->root == 0) {
    EXPECT(ix->buckets == 0, "slot %u: buckets without a root", slot);
    return;
  }
  uint32_t segments = (ix->buckets + 63) / 64, pages = (segments + 511) / 512;
  if (ix->height == 0) {
    EXPECT(segments == 1 && reach(st, r, ix->root, RD_SEGMENT, t), "slot %u: no segment at the root", slot);
    return;
  }
  if (!reach(st, r, ix->root, RD_DIR, t)) return;
  for (uint32_t p = 0; p < pages; p++) {
    rd_ref page = ix->root;
    if (ix->height == 2) {
      page = ((rd_ref *)((rd_index_block *)rd_at(st, ix->root) + 1))[p];
      if (!reach(st, r, page, RD_DIR, t)) return;
      EXPECT(((rd_index_block *)rd_at(st, page))->owner == (slot << 27 | (p + 1)),
             "a directory page with a wrong owner");
    }
    for (uint32_t s = p * 512; s < segments && s < (p + 1) * 512; s++) {
      rd_ref segment = ((rd_ref *)((rd_index_block *)rd_at(st, page) + 1))[s % 512];
      if (!reach(st, r, segment, RD_SEGMENT, t)) return;
      EXPECT(((rd_index_block *)rd_at(st, segment))->owner == (slot << 27 | s), "a segment with a wrong owner");
    }
  }
}

static void check_shard(rd_store *st, struct report *r) {
  rd_shard *sh = rd_shard_at(st, r->shard);
  struct tally found, reached;
  memset(&found, 0, sizeof found);
  memset(&reached, 0, sizeof reached);
  EXPECT(sh->dirty == 0 || st->dirty == r->shard + 1, "dirty");
  check_heap(st, r, &found);
  if (r->violations > 0) return; /* what follows would follow broken links */
  for (uint32_t slot = 0; slot < RD_SLOTS; slot++) {
    const rd_index *ix = &sh->index[slot];
    uint64_t count = 0, with_ttl = 0;
    check_index_blocks(st, r, slot, ix, &reached);
    if (r->violations > 0) return;
    for (uint32_t n = 0; n < ix->buckets; n++) check_chain(st, r, slot, ix, n, &reached, &count, &with_ttl);
    EXPECT(count == ix->count, "slot %u: %u keys counted, %llu found", slot, ix->count, (unsigned long long)count);
    EXPECT(with_ttl == ix->with_ttl, "slot %u: %u keys with an expiry counted, %llu found", slot, ix->with_ttl,
           (unsigned long long)with_ttl);
  }
  for (uint32_t i = 0; i < sh->ghosts; i++) reach(st, r, sh->ghost[i], RD_GHOST, &reached);
  EXPECT(reached.small == sh->small, "%u items in the small queue counted, %llu found", sh->small,
         (unsigned long long)reached.small);
  for (int kind = RD_ITEM; kind <= RD_GHOST; kind++) {
    EXPECT(found.blocks[kind] == reached.blocks[kind], "%llu blocks of kind %d, %llu of them reachable",
           (unsigned long long)found.blocks[kind], kind, (unsigned long long)reached.blocks[kind]);
  }
  EXPECT(found.bytes == reached.bytes, "%llu bytes in blocks, %llu reachable", (unsigned long long)found.bytes,
         (unsigned long long)reached.bytes);
}

static void check_pool(rd_store *st, struct report *r) {
  const rd_pool *pool = &st->head->pool;
  uint64_t owned = 0, in_shards = 0, listed = 0;
  for (uint32_t i = 0; i < pool->fresh; i++) owned += st->regions[i].owner != 0;
  for (uint32_t i = 0; i < st->num_shards; i++) in_shards += st->shards[i].heap.regions;
  for (uint32_t i = pool->free; i != 0 && listed <= pool->fresh; i = st->regions[i - 1].next) {
    EXPECT(st->regions[i - 1].owner == 0, "region %u is in the pool and owned", i - 1);
    listed++;
  }
  EXPECT(owned == pool->in_use, "pool: %u regions in use counted, %llu owned", pool->in_use, (unsigned long long)owned);
  EXPECT(owned == in_shards, "pool: %llu regions owned, shards have %llu", (unsigned long long)owned,
         (unsigned long long)in_shards);
  EXPECT(listed + owned == pool->fresh, "pool: %llu free and %llu owned of %u", (unsigned long long)listed,
         (unsigned long long)owned, pool->fresh);
}

static void check_workers(rd_store *st, struct report *r) {
  rd_admission_lock(st);
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
    const char *wrong = rd_worker_used(st, i) ? rd_admission_check(st, rd_worker_at(st, i)) : NULL;
    EXPECT(wrong == NULL, "worker %u: %s", i, wrong);
    bool monitors = rd_worker_used(st, i) && atomic_load(&rd_worker_at(st, i)->gauge[RD_GAUGE_monitors]) != 0;
    EXPECT(monitors == (atomic_load(&st->head->monitors) >> i & 1), "worker %u: a wrong bit for its monitors", i);
  }
  rd_admission_unlock(st);
}

int rd_check(rd_store *st, char *err, size_t errlen) {
  struct report r = {0, err, errlen, 0};
  uint64_t before[RD_MAX_SHARDS / 64];
  memcpy(before, st->held, sizeof before);
  rd_lock_all(st);
  for (r.shard = 0; r.shard < st->num_shards; r.shard++) check_shard(st, &r);
  check_pool(st, &r);
  check_workers(st, &r);
  for (uint32_t i = 0; i < st->num_shards; i++) {
    if ((before[i >> 6] >> (i & 63) & 1) == 0) rd_unlock_shard(st, i);
  }
  return r.violations;
}
