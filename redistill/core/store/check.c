/* check.c - verifies every invariant of the arena by walking it twice: over the regions, block by block, and over the
 * indexes, entry by entry. The second walk must reach exactly the blocks that the first one found.
 *
 * The arena may hold anything (recovery.h). So no word is used before its range is verified, and a reference is
 * followed only to a place where the first walk found a block that nothing has referred to yet: the block's length
 * is then known to stay within its region, and no circle can be walked twice. */
#include "store/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena/heap.h"
#include "arena/lock.h"
#include "base/hash.h"
#include "store/big.h"
#include "store/blob.h"
#include "store/evict.h"
#include "store/index.h"
#include "store/internal.h"
#include "store/item.h"
#include "store/recovery.h"
#include "store/scripts.h"
#include "store/type.h"

#define REGION_WORDS (RD_REGION_SIZE / RD_GRANULE / 64)

struct tally {
  uint64_t blocks[RD_KINDS];
  uint64_t bytes; /* bytes of allocated blocks */
  uint64_t small;
  uint64_t script_bytes;
  uint32_t scripts_loaded;
};

struct rd_walk {
  int violations;
  char *err;
  size_t errlen;
  uint32_t shard;
  bool mends;          /* rd_shard_mend: some items are not visited, and blocks may be left over */
  bool torn;           /* the entry of the noted key was met ... */
  rd_place place_torn; /* ... there */
  bool timed;          /* due times are compared with the clock as well */
  uint32_t *place;     /* the position of each region among the shard's, from 1 on; 0: the shard does not have it */
  uint64_t *unvisited; /* a bit for each granule of the shard's regions: a block begins there that was not visited */
  const rd_store *st;  /* NULL except during the walk over the indexes */
  struct tally reached;
};

RD_PRINTF(2, 3) static void violated(struct rd_walk *r, const char *fmt, ...) {
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

/* ---- blocks ---- */

static void note_block(const rd_store *st, struct rd_walk *r, rd_ref ref) {
  uint32_t granule = (uint32_t)(ref & (RD_REGION_SIZE - 1)) / RD_GRANULE;
  r->unvisited[(size_t)(r->place[rd_region_of(st, ref)] - 1) * REGION_WORDS + granule / 64] |= 1ull << (granule % 64);
}

/* True if a block of the shard begins there that was not visited yet; marks it as visited. */
static bool visit_block(const rd_store *st, struct rd_walk *r, rd_ref ref) {
  if (ref < st->head->body_at || ref >= st->size || ref % RD_GRANULE != 0) return false;
  uint32_t place = r->place[rd_region_of(st, ref)], granule = (uint32_t)(ref & (RD_REGION_SIZE - 1)) / RD_GRANULE;
  if (place == 0) return false;
  uint64_t *word = &r->unvisited[(size_t)(place - 1) * REGION_WORDS + granule / 64], bit = 1ull << (granule % 64);
  bool is_new = (*word & bit) != 0;
  *word &= ~bit;
  return is_new;
}

/* ---- the walk over the regions ---- */

static void check_region(const rd_store *st, struct rd_walk *r, uint32_t region, struct tally *t) {
  uint32_t used = 0, total = 0, before = 0;
  rd_kind kind_before = RD_ITEM;
  for (rd_ref ref = rd_region_first(st, region); total < RD_REGION_GRANULES; ref += (rd_ref)before * RD_GRANULE) {
    rd_blk b = *rd_blk_at(st, ref);
    uint32_t granules = rd_blk_granules(b);
    EXPECT(granules >= 2 && granules <= RD_REGION_GRANULES - total, "region %u: a block of %u granules at %llu", region,
           granules, (unsigned long long)ref);
    if (r->violations > 0) return;
    EXPECT(rd_blk_prev(b) == before, "region %u: block at %llu has a wrong size of its neighbour", region,
           (unsigned long long)ref);
    total += granules;
    rd_kind kind = rd_blk_kind(b);
    EXPECT(kind == RD_FREE || rd_kinds[kind].move != NULL, "region %u: a block of the unknown kind %u at %llu", region,
           kind, (unsigned long long)ref);
    if (r->violations > 0) return;
    t->blocks[kind]++;
    note_block(st, r, ref);
    if (kind == RD_FREE) {
      EXPECT(kind_before != RD_FREE, "region %u: two free blocks in a row", region);
    } else {
      used += granules;
      t->bytes += rd_blk_bytes(b);
    }
    kind_before = kind;
    before = granules;
  }
  EXPECT(used == st->regions[region].used, "region %u: counts %u granules used, has %u", region,
         st->regions[region].used, used);
  EXPECT(used > 0, "region %u: empty, but not in the pool", region);
}

static void check_free_list(const rd_store *st, struct rd_walk *r, uint32_t row, uint32_t col, uint64_t *listed) {
  rd_ref prev = 0;
  for (rd_ref ref = rd_shard_at(st, r->shard)->heap.free[row][col]; ref != 0; ref = rd_free_next(st, ref)) {
    uint32_t row_of = RD_FREE_ROWS, col_of = 0;
    bool ok = visit_block(st, r, ref) && rd_blk_kind(*rd_blk_at(st, ref)) == RD_FREE;
    if (ok) rd_free_class(rd_blk_granules(*rd_blk_at(st, ref)), &row_of, &col_of);
    EXPECT(ok && row_of == row && col_of == col && rd_free_prev(st, ref) == prev, "free list %u,%u is broken", row,
           col);
    if (r->violations > 0) return;
    prev = ref;
    ++*listed;
  }
}

static void check_heap(const rd_store *st, struct rd_walk *r, struct tally *t) {
  const rd_heap *h = &st->shards[r->shard].heap;
  uint32_t regions = 0, prev = 0, owned = 0;
  for (uint32_t i = 0; i < st->head->pool.fresh; i++) owned += st->regions[i].owner == r->shard + 1;
  EXPECT(owned == h->regions, "%u regions counted, %u owned", h->regions, owned);
  r->unvisited = calloc((size_t)owned * REGION_WORDS + 1, sizeof *r->unvisited);
  EXPECT(r->unvisited != NULL, "no memory to verify it");
  if (r->violations > 0) return;
  for (uint32_t i = h->first_region; i != 0; i = st->regions[i - 1].next) {
    bool ok = i <= st->head->pool.fresh && r->place[i - 1] == 0 && st->regions[i - 1].owner == r->shard + 1;
    EXPECT(ok, "region %u is in the list, but owned by another, or twice", i - 1);
    if (!ok) return;
    EXPECT(st->regions[i - 1].prev == prev, "region %u: a wrong link back", i - 1);
    r->place[i - 1] = ++regions;
    check_region(st, r, i - 1, t);
    if (r->violations > 0) return;
    prev = i;
  }
  EXPECT(regions == h->regions, "%u regions counted, %u in the list", h->regions, regions);
  EXPECT(t->bytes == h->used, "%llu bytes counted, %llu found", (unsigned long long)h->used,
         (unsigned long long)t->bytes);
  EXPECT(h->rows >> RD_FREE_ROWS == 0, "free lists: a row that there is not");
  uint64_t listed = 0;
  for (uint32_t row = 0; row < RD_FREE_ROWS && r->violations == 0; row++) {
    EXPECT((h->cols[row] != 0) == (h->rows >> row & 1), "free lists: row %u has a wrong bit", row);
    for (uint32_t col = 0; col < RD_FREE_COLS; col++) {
      EXPECT((h->free[row][col] != 0) == (h->cols[row] >> col & 1), "free list %u,%u has a wrong bit", row, col);
      check_free_list(st, r, row, col, &listed);
      if (r->violations > 0) return;
    }
  }
  EXPECT(listed == t->blocks[RD_FREE], "%llu blocks in free lists, %llu free", (unsigned long long)listed,
         (unsigned long long)t->blocks[RD_FREE]);
}

/* ---- the walk over the indexes ---- */

/* True if the reference may be followed: to a block of this kind in this shard, of at least so many bytes, that
 * nothing else refers to. Marks the block as visited. */
static bool reach(const rd_store *st, struct rd_walk *r, rd_ref ref, rd_kind kind, uint64_t bytes, struct tally *t) {
  bool ok = visit_block(st, r, ref) && rd_blk_kind(*rd_blk_at(st, ref)) == kind;
  EXPECT(ok, "a reference of kind %d to %llu, which is no such block", kind, (unsigned long long)ref);
  if (!ok) return false;
  t->blocks[kind]++;
  t->bytes += rd_blk_bytes(*rd_blk_at(st, ref));
  ok = rd_blk_bytes(*rd_blk_at(st, ref)) >= bytes;
  EXPECT(ok, "a block of kind %d at %llu that is too short", kind, (unsigned long long)ref);
  return ok;
}

bool rd_walk_reach(struct rd_walk *walk, rd_ref ref, rd_kind kind, uint64_t bytes) {
  return reach(walk->st, walk, ref, kind, bytes, &walk->reached);
}

bool rd_walk_expect(struct rd_walk *walk, bool so, const char *what) {
  if (!so) violated(walk, "%s", what);
  return walk->violations == 0;
}

const rd_store *rd_walk_store(const struct rd_walk *walk) { return walk->st; }

/* Verify a table of a big item: its first `needed` chunks are there, the last of the value with `tail` bytes, and no
 * others. There may be fewer chunks if a process died while it moved the value (`passed`): no reader finds that item
 * any more. */
static void check_table(const rd_store *st, struct rd_walk *r, rd_ref ref, uint64_t needed, uint64_t tail, bool passed,
                        struct tally *t) {
  const rd_table *table = rd_at(st, ref);
  uint32_t capacity = (rd_blk_bytes(table->blk) - RD_TABLE_HEAD) / 8;
  for (uint32_t c = 0; c < capacity; c++) {
    if (c >= needed) {
      EXPECT(table->chunk[c] == 0, "a chunk behind the end of its value");
      continue;
    }
    if (passed && table->chunk[c] == 0) continue;
    uint64_t data = c + 1 == needed ? tail : RD_CHUNK_DATA;
    if (!reach(st, r, table->chunk[c], RD_CHUNK, RD_CHUNK_HEAD + data, t)) return;
    const rd_chunk *chunk = rd_at(st, table->chunk[c]);
    EXPECT(chunk->number == c && chunk->table == ref, "a chunk that does not know its table");
  }
  EXPECT(capacity >= needed || passed, "a table with room for %u of %llu chunks", capacity, (unsigned long long)needed);
}

/* True if the head has the length that its fields imply. */
static bool big_head_is_sound(struct rd_walk *r, const rd_item *it) {
  uint64_t bytes = rd_blk_bytes(it->blk), head = RD_BIG_HEAD + rd_item_ttl_bytes(it);
  bool ok = head <= bytes;
  if (ok) {
    const rd_big *big = rd_item_big(it);
    uint64_t in_head = big->key_len > RD_INLINE_KEY ? 0 : big->key_len;
    ok = big->key_len <= RD_MAX_KEY && big->len <= 1ull << 48 && head + big->tables * 8ull + in_head <= bytes;
  }
  EXPECT(ok, "an item of many blocks that is longer than its first one");
  return ok;
}

/* Verify the tables and chunks of a stream, whose owner has room for so many references to tables at `refs`. */
static void check_stream(const rd_store *st, struct rd_walk *r, rd_ref owner, const uint8_t *refs, uint32_t tables,
                         uint64_t stream, bool passed, struct tally *t) {
  uint64_t chunks = (stream + RD_CHUNK_DATA - 1) / RD_CHUNK_DATA;
  bool gap = false;
  for (uint32_t i = 0; i < tables; i++) {
    rd_ref ref = rd_ld64(refs + i * 8ull);
    if (ref == 0) {
      gap = true;
      continue;
    }
    if (!reach(st, r, ref, RD_TABLE, RD_TABLE_HEAD, t)) return;
    const rd_table *table = rd_at(st, ref);
    EXPECT(!gap && table->number == i && table->owner == owner, "a table that does not know its owner");
    uint64_t needed = chunks < RD_TABLE_CHUNKS ? chunks : RD_TABLE_CHUNKS, rest = stream - (needed - 1) * RD_CHUNK_DATA;
    check_table(st, r, ref, needed, chunks == needed ? rest : RD_CHUNK_DATA, passed, t);
    if (r->violations > 0) return;
    chunks -= needed;
    stream -= chunks == 0 ? stream : (uint64_t)RD_TABLE_CHUNKS * RD_CHUNK_DATA;
  }
  EXPECT(chunks == 0 || passed, "a value without tables for its last %llu chunks", (unsigned long long)chunks);
}

static void check_big(const rd_store *st, struct rd_walk *r, const rd_item *it, struct tally *t) {
  const rd_big *big = rd_item_big(it);
  uint64_t stream = (big->key_len > RD_INLINE_KEY ? big->key_len : 0) + big->len;
  bool passed = rd_item_expiry(it) == RD_PASSED && big->key_len <= RD_INLINE_KEY;
  check_stream(st, r, rd_ref_of(st, it), rd_table_refs(it), big->tables, stream, passed, t);
}

void rd_walk_blob(struct rd_walk *r, rd_ref ref, rd_ref owner) {
  const rd_store *st = r->st;
  if (!rd_walk_reach(r, ref, RD_BLOB, RD_BLOB_HEAD)) return;
  const rd_blob *blob = rd_at(st, ref);
  uint64_t room = rd_blk_bytes(blob->blk) - RD_BLOB_HEAD;
  EXPECT(blob->owner == owner, "a blob that does not know its owner");
  if (rd_blob_is_big(blob->len)) {
    uint32_t tables = rd_tables_for(rd_chunks_for(blob->len));
    bool ok = blob->len <= RD_MAX_BULK && tables * 8ull <= room;
    EXPECT(ok, "a blob of many blocks that is longer than its first one");
    if (ok) check_stream(st, r, ref, blob->data, tables, blob->len, false, &r->reached);
  } else {
    EXPECT(blob->len <= room, "a blob of %u bytes in a block of %u", blob->len, rd_blk_bytes(blob->blk));
  }
}

/* Nothing of this item may be read. */
static bool is_torn(const rd_store *st, const struct rd_walk *r, uint32_t slot, rd_ref item) {
  const rd_shard *sh = rd_shard_at(st, r->shard);
  return item != 0 && item == sh->paused_item && slot == sh->paused_slot;
}

static void check_item(rd_store *st, struct rd_walk *r, uint32_t slot, const rd_index *ix, uint32_t number,
                       const rd_bucket *b, uint32_t i, struct tally *t) {
  rd_ref ref = rd_entry_ref(b, i);
  if (RD_UNLIKELY(r->mends) && is_torn(st, r, slot, ref)) {
    r->torn = true;
    r->place_torn = (rd_place){(rd_bucket *)(uintptr_t)b, i, number};
    return;
  }
  if (!reach(st, r, ref, RD_ITEM, RD_ITEM_HEAD, t)) return;
  const rd_item *it = rd_at(st, ref);
  const rd_type_row *row = rd_type_of(it);
  bool known = row->name != NULL && rd_item_encoding(it) < row->encodings;
  EXPECT(known, "an item of an unknown type");
  if (rd_item_is_big(it)) {
    if (big_head_is_sound(r, it)) check_big(st, r, it, t);
  } else {
    uint32_t bytes = RD_ITEM_HEAD + rd_item_ttl_bytes(it) + it->key_len + it->len;
    EXPECT(bytes <= rd_blk_bytes(it->blk), "an item of %u bytes in a block of %u", bytes, rd_blk_bytes(it->blk));
  }
  if (r->violations == 0 && known && (row->coll[0] != NULL || rd_item_is_nested(it))) row->check(r, it);
  if (r->violations > 0) return;
  bool is_script = slot == RD_SCRIPT_SLOT || slot == RD_LIBRARY_SLOT;
  EXPECT(!is_script || rd_script_check(st, it, &t->script_bytes, &t->scripts_loaded), "an item that is no script");
  uint64_t hash = rd_item_hash(st, it);
  bool ttl = rd_item_expiry(it) != RD_NO_EXPIRY;
  EXPECT(rd_item_slot(it) == slot, "an item of slot %u in the index of slot %u", rd_item_slot(it), slot);
  EXPECT(rd_shard_of(st, hash) == r->shard, "an item of another shard");
  EXPECT(rd_tag_of(hash) == b->tag[i], "an entry with a wrong tag");
  EXPECT(rd_bucket_of(hash, ix->buckets) == number, "an entry in bucket %u that belongs to %u", number,
         rd_bucket_of(hash, ix->buckets));
  EXPECT(ttl == (b->bits >> i & 1), "an entry with a wrong bit for its expiry");
  if (ttl && r->timed) {
    int64_t now = (int64_t)(st->now_ms >> 12), due = now + (int16_t)(b->due - (uint16_t)now);
    EXPECT(due <= rd_item_expiry(it) >> 12 || due <= now, "a bucket that is due after its entry");
  }
  if (rd_item_is_timed(it)) {
    EXPECT((b->bits & RD_BUCKET_TIMED) != 0 && ix->timed, "an entry whose value has parts that the sweep does not see");
    int64_t now = (int64_t)(st->now_ms >> 12), due = now + (int16_t)(b->due - (uint16_t)now);
    EXPECT(!r->timed || due <= row->due((rd_store *)(uintptr_t)st, it) >> 12 || due <= now,
           "a bucket that is due after a part of its entry");
  }
  if ((it->access & RD_ITEM_MAIN) == 0) t->small++;
}

static void check_chain(rd_store *st, struct rd_walk *r, uint32_t slot, const rd_index *ix, uint32_t number,
                        struct tally *t, uint64_t *count, uint64_t *with_ttl) {
  uint32_t length = 0;
  for (const rd_bucket *b = rd_index_bucket(st, ix, number); b != NULL; length++) {
    uint32_t entries = rd_bucket_entries(b);
    bool more = (b->bits & RD_BUCKET_OVERFLOW) != 0;
    EXPECT((entries & (entries + 1)) == 0, "bucket %u: a hole among its entries", number);
    EXPECT((b->bits & 0x3ff & ~entries) == 0, "bucket %u: an expiry without an entry", number);
    EXPECT(!more || entries == 0x1ff, "bucket %u goes on, but is not full", number);
    EXPECT(length == 0 || entries > 1 || more, "bucket %u: an overflow bucket with %d entries", number,
           __builtin_popcount(entries));
    for (uint32_t m = entries; m != 0; m &= m - 1) {
      uint32_t i = (uint32_t)__builtin_ctz(m);
      check_item(st, r, slot, ix, number, b, i, t);
      if (r->violations > 0) return;
      ++*count;
      *with_ttl += b->bits >> i & 1u;
    }
    if (more) {
      rd_ref link = rd_entry_ref(b, RD_BUCKET_SLOTS - 1);
      if (!reach(st, r, link, RD_OVERFLOW, sizeof(rd_index_block) + sizeof(rd_bucket), t)) return;
      EXPECT(((rd_index_block *)rd_at(st, link))->owner == (slot << 27 | number),
             "an overflow bucket with a wrong owner");
    }
    b = rd_bucket_next(st, b);
  }
}

/* Visit a block of the index, and verify the place that it records. */
static bool reach_index(const rd_store *st, struct rd_walk *r, rd_ref ref, rd_kind kind, uint64_t bytes, uint32_t owner,
                        struct tally *t) {
  if (!reach(st, r, ref, kind, bytes, t)) return false;
  EXPECT(((rd_index_block *)rd_at(st, ref))->owner == owner, "a block of an index with a wrong owner");
  return r->violations == 0;
}

static void check_index_blocks(const rd_store *st, struct rd_walk *r, uint32_t slot, const rd_index *ix,
                               struct tally *t) {
  uint32_t segments = (ix->buckets + 63) / 64, pages = (segments + 511) / 512, home = slot << 27;
  if (ix->root == 0) {
    EXPECT(ix->buckets == 0, "slot %u: buckets without a root", slot);
    return;
  }
  EXPECT(ix->buckets > 0 && ix->buckets <= 1u << 24, "slot %u: %u buckets", slot, ix->buckets);
  EXPECT(ix->height == rd_index_height(ix->buckets), "slot %u: a height of %u for %u buckets", slot, ix->height,
         ix->buckets);
  if (r->violations > 0) return;
  if (ix->height == 0) {
    reach_index(st, r, ix->root, RD_SEGMENT, rd_segment_bytes(ix->buckets), home, t);
    return;
  }
  uint64_t head = sizeof(rd_index_block), in_root = ix->height == 2 ? pages : segments;
  if (!reach_index(st, r, ix->root, RD_DIR, head + in_root * 8, home, t)) return;
  for (uint32_t p = 0; p < pages; p++) {
    rd_ref page = ix->root;
    uint32_t end = segments - p * 512 < 512 ? segments : (p + 1) * 512;
    if (ix->height == 2) {
      page = ((rd_ref *)((rd_index_block *)rd_at(st, ix->root) + 1))[p];
      if (!reach_index(st, r, page, RD_DIR, head + (end - p * 512) * 8ull, home | (p + 1), t)) return;
    }
    for (uint32_t s = p * 512; s < end; s++) {
      rd_ref segment = ((rd_ref *)((rd_index_block *)rd_at(st, page) + 1))[s % 512];
      if (!reach_index(st, r, segment, RD_SEGMENT, rd_segment_bytes(64), home | s, t)) return;
    }
  }
}

static bool is_in_no_database(uint32_t slot) { return slot == RD_KEPT_SLOT || slot == RD_GRAVE_SLOT; }

/* Release all blocks that the walk did not visit. A region that becomes empty has none of them left. */
static void release_unvisited(rd_store *st, struct rd_walk *r) {
  for (uint32_t i = 0; i < st->head->num_regions; i++) {
    if (r->place[i] == 0) continue;
    const uint64_t *words = r->unvisited + (size_t)(r->place[i] - 1) * REGION_WORDS;
    rd_ref begin = st->head->body_at + ((rd_ref)i << RD_REGION_SHIFT);
    for (uint32_t w = 0; w < REGION_WORDS; w++) {
      for (uint64_t bits = words[w]; bits != 0; bits &= bits - 1)
        rd_heap_release(st, r->shard, begin + (w * 64 + (uint32_t)__builtin_ctzll(bits)) * (rd_ref)RD_GRANULE);
    }
  }
}

static void mend(rd_store *st, struct rd_walk *r, uint64_t small) {
  rd_shard *sh = rd_shard_at(st, r->shard);
  for (uint32_t slot = 0; slot < RD_SLOTS; slot++) {
    if (is_in_no_database(slot)) memset(&sh->index[slot], 0, sizeof sh->index[slot]);
  }
  sh->small = (uint32_t)small;
  if (r->torn) rd_index_remove(st, r->shard, sh->paused_slot, r->place_torn);
  release_unvisited(st, r);
  rd_touch_watched(st, r->shard, sh->paused_slot % RD_SLOTS, sh->paused_hash, NULL);
  rd_tracked_forget_all(st);
}

static void check_contents(rd_store *st, struct rd_walk *r) {
  rd_shard *sh = rd_shard_at(st, r->shard);
  struct tally found, *reached = &r->reached;
  memset(&found, 0, sizeof found);
  memset(reached, 0, sizeof *reached);
  check_heap(st, r, &found);
  if (r->violations > 0) return; /* the next walk would follow the broken links */
  r->st = st;
  for (uint32_t slot = 0; slot < RD_SLOTS; slot++) {
    const rd_index *ix = &sh->index[slot];
    uint64_t count = 0, with_ttl = 0;
    if (r->mends && is_in_no_database(slot)) continue;
    check_index_blocks(st, r, slot, ix, reached);
    if (r->violations > 0) return;
    for (uint32_t n = 0; n < ix->buckets; n++) {
      check_chain(st, r, slot, ix, n, reached, &count, &with_ttl);
      if (r->violations > 0) return;
    }
    EXPECT(count == ix->count, "slot %u: %u keys counted, %llu found", slot, ix->count, (unsigned long long)count);
    EXPECT(with_ttl == ix->with_ttl, "slot %u: %u keys with an expiry counted, %llu found", slot, ix->with_ttl,
           (unsigned long long)with_ttl);
  }
  EXPECT(sh->ghosts <= RD_GHOST_BLOCKS, "%u blocks of ghosts", sh->ghosts);
  for (uint32_t i = 0; i < sh->ghosts && r->violations == 0; i++) {
    if (!reach(st, r, sh->ghost[i], RD_GHOST, RD_GHOST_BYTES, reached)) return;
    EXPECT(rd_ld32(st->base + sh->ghost[i] + 4) == i, "a block of ghosts that does not know its place");
  }
  EXPECT(reached->script_bytes == sh->script_bytes && reached->scripts_loaded == sh->scripts_loaded,
         "scripts of %llu bytes counted, %u of them loaded; %llu and %u found", (unsigned long long)sh->script_bytes,
         sh->scripts_loaded, (unsigned long long)reached->script_bytes, reached->scripts_loaded);
  if (r->mends) {
    if (r->violations == 0) mend(st, r, reached->small);
    return;
  }
  EXPECT(reached->small == sh->small, "%u items in the small queue counted, %llu found", sh->small,
         (unsigned long long)reached->small);
  for (int kind = RD_ITEM; kind < RD_KINDS; kind++) {
    EXPECT(found.blocks[kind] == reached->blocks[kind], "%llu blocks of kind %d, %llu of them reachable",
           (unsigned long long)found.blocks[kind], kind, (unsigned long long)reached->blocks[kind]);
  }
  EXPECT(found.bytes == reached->bytes, "%llu bytes in blocks, %llu reachable", (unsigned long long)found.bytes,
         (unsigned long long)reached->bytes);
}

static void check_shard(rd_store *st, struct rd_walk *r) {
  r->place = calloc(st->head->num_regions, sizeof *r->place);
  r->unvisited = NULL;
  EXPECT(r->place != NULL, "no memory to verify it");
  if (r->place != NULL) check_contents(st, r);
  free(r->place);
  free(r->unvisited);
}

bool rd_shard_is_whole(rd_store *st, uint32_t shard, char *err, size_t errlen) {
  struct rd_walk r = {.err = err, .errlen = errlen, .shard = shard};
  check_shard(st, &r);
  return r.violations == 0;
}

bool rd_shard_mend(rd_store *st, uint32_t shard) {
  struct rd_walk r = {.shard = shard, .mends = true};
  check_shard(st, &r);
  return r.violations == 0;
}

static void check_pool(rd_store *st, struct rd_walk *r) {
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

static void check_workers(rd_store *st, struct rd_walk *r) {
  rd_admission_lock(st);
  bool locked = rd_rolls_lock(st, true);
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
    const char *wrong = rd_worker_used(st, i) ? rd_admission_check(st, rd_worker_at(st, i)) : NULL;
    if (wrong == NULL && rd_worker_used(st, i)) wrong = rd_ring_check(rd_worker_at(st, i));
    if (wrong == NULL && rd_worker_used(st, i)) wrong = rd_roll_check(st, rd_worker_at(st, i));
    EXPECT(wrong == NULL, "worker %u: %s", i, wrong);
    bool monitors = rd_worker_used(st, i) && atomic_load(&rd_worker_at(st, i)->gauge[RD_GAUGE_monitors]) != 0;
    EXPECT(monitors == (atomic_load(&st->head->monitors) >> i & 1), "worker %u: a wrong bit for its monitors", i);
  }
  if (locked) rd_rolls_unlock(st);
  rd_admission_unlock(st);
}

int rd_check(rd_store *st, char *err, size_t errlen) {
  struct rd_walk r = {.err = err, .errlen = errlen, .timed = true};
  uint64_t before[RD_MAX_SHARDS / 64];
  memcpy(before, st->held, sizeof before);
  rd_lock_all(st);
  for (r.shard = 0; r.shard < st->num_shards; r.shard++) {
    int before_it = r.violations;
    if (rd_shard_at(st, r.shard)->dirty != 0 && st->dirty != r.shard + 1) violated(&r, "dirty");
    r.violations = 0; /* the walk leaves a shard at its first violation */
    check_shard(st, &r);
    r.violations += before_it;
  }
  check_pool(st, &r);
  check_workers(st, &r);
  for (uint32_t i = 0; i < st->num_shards; i++) {
    if ((before[i >> 6] >> (i & 63) & 1) == 0) rd_unlock_shard(st, i);
  }
  return r.violations;
}
