/* buckets.c - grows and shrinks the array of buckets by one bucket. */
#include "store/buckets.h"

static rd_ref new_segment(rd_store *st, uint32_t shard, uint32_t slot, uint32_t number, uint32_t buckets) {
  rd_ref ref = rd_heap_alloc(st, shard, rd_segment_bytes(buckets), RD_SEGMENT);
  if (ref == 0) return 0;
  ((rd_index_block *)rd_at(st, ref))->owner = slot << 27 | number;
  memset(rd_segment_buckets(st, ref), 0, buckets * sizeof(rd_bucket));
  return ref;
}

static rd_ref new_dir(rd_store *st, uint32_t shard, uint32_t slot, uint32_t number, uint32_t entries) {
  rd_ref ref = rd_heap_alloc(st, shard, (uint32_t)sizeof(rd_index_block) + entries * 8, RD_DIR);
  if (ref == 0) return 0;
  ((rd_index_block *)rd_at(st, ref))->owner = slot << 27 | number;
  memset(rd_dir_entries(st, ref), 0, rd_dir_capacity(st, ref) * 8);
  return ref;
}

/* Make room for one more entry in *ref, a directory with `n` entries used. */
static bool dir_reserve(rd_store *st, uint32_t shard, uint32_t slot, uint32_t number, rd_ref *ref, uint32_t n) {
  uint32_t capacity = rd_dir_capacity(st, *ref);
  if (n < capacity) return true;
  rd_ref bigger = new_dir(st, shard, slot, number, capacity * 2 < RD_DIR_ENTRIES ? capacity * 2 : RD_DIR_ENTRIES);
  if (bigger == 0) return false;
  memcpy(rd_dir_entries(st, bigger), rd_dir_entries(st, *ref), n * 8);
  rd_heap_release(st, shard, *ref);
  *ref = bigger;
  return true;
}

/* Put a directory above the root. */
static bool raise_root(rd_store *st, uint32_t shard, uint32_t slot, rd_index *ix) {
  rd_ref dir = new_dir(st, shard, slot, 0, 4);
  if (dir == 0) return false;
  rd_dir_entries(st, dir)[0] = ix->root;
  if (ix->height == 1) ((rd_index_block *)rd_at(st, ix->root))->owner = slot << 27 | 1;
  ix->root = dir;
  ix->height++;
  return true;
}

/* Enter a new segment into the directories. Whatever fails, the tree keeps the height that its buckets need: a
 * directory made too early would not be found when the index shrinks. */
static bool enter_segment(rd_store *st, uint32_t shard, uint32_t slot, rd_index *ix, uint32_t segment, rd_ref ref) {
  bool raise = ix->height == 0 || (ix->height == 1 && segment == RD_DIR_ENTRIES);
  uint32_t in_page = segment & (RD_DIR_ENTRIES - 1), p = segment >> RD_DIR_BITS;
  if (ix->height + raise == 1) {
    if (raise && !raise_root(st, shard, slot, ix)) return false;
    if (!dir_reserve(st, shard, slot, 0, &ix->root, in_page)) return false;
    rd_dir_entries(st, ix->root)[in_page] = ref;
    return true;
  }
  if (in_page != 0) { /* its page has room for all its entries from the start */
    rd_dir_entries(st, rd_dir_entries(st, ix->root)[p])[in_page] = ref;
    return true;
  }
  rd_ref page = new_dir(st, shard, slot, p + 1, RD_DIR_ENTRIES);
  if (page == 0) return false;
  if (raise ? !raise_root(st, shard, slot, ix) : !dir_reserve(st, shard, slot, 0, &ix->root, p)) {
    rd_heap_release(st, shard, page);
    return false;
  }
  rd_dir_entries(st, ix->root)[p] = page;
  rd_dir_entries(st, page)[0] = ref;
  return true;
}

bool rd_buckets_add(rd_store *st, uint32_t shard, uint32_t slot, rd_index *ix) {
  uint32_t n = ix->buckets, segment = n >> RD_SEGMENT_BITS;
  if (n == RD_MAX_BUCKETS) return false;
  if (n == 0) {
    ix->root = new_segment(st, shard, slot, 0, 1);
    ix->height = 0;
    return ix->root != 0;
  }
  if (segment == 0) { /* the only segment grows by doubling */
    uint32_t capacity = rd_segment_capacity(st, ix->root);
    if (n >= capacity) {
      rd_ref bigger = new_segment(st, shard, slot, 0, n * 2 < RD_SEGMENT_BUCKETS ? n * 2 : RD_SEGMENT_BUCKETS);
      if (bigger == 0) return false;
      memcpy(rd_segment_buckets(st, bigger), rd_segment_buckets(st, ix->root), n * sizeof(rd_bucket));
      rd_heap_release(st, shard, ix->root);
      ix->root = bigger;
    }
  } else if ((n & (RD_SEGMENT_BUCKETS - 1)) == 0) { /* the bucket begins a new segment */
    rd_ref ref = new_segment(st, shard, slot, segment, RD_SEGMENT_BUCKETS);
    if (ref == 0) return false;
    if (!enter_segment(st, shard, slot, ix, segment, ref)) {
      rd_heap_release(st, shard, ref);
      return false;
    }
  }
  memset(rd_index_bucket(st, ix, n), 0, sizeof(rd_bucket));
  return true;
}

void rd_buckets_drop(rd_store *st, uint32_t shard, rd_index *ix) {
  uint32_t n = ix->buckets, segment = n >> RD_SEGMENT_BITS;
  if (n == 0) {
    rd_heap_release(st, shard, ix->root);
    ix->root = 0;
    return;
  }
  if (segment == 0 || (n & (RD_SEGMENT_BUCKETS - 1)) != 0) {
    if (segment == 0 && ix->height == 0) {
      rd_heap_shrink(st, shard, ix->root, rd_segment_bytes(n)); /* the segment keeps its place, so its buckets do too */
    }
    return;
  }
  rd_ref *page = &ix->root;
  uint32_t in_page = segment & (RD_DIR_ENTRIES - 1);
  if (ix->height == 2) page = &rd_dir_entries(st, ix->root)[segment >> RD_DIR_BITS];
  rd_heap_release(st, shard, rd_dir_entries(st, *page)[in_page]);
  rd_dir_entries(st, *page)[in_page] = 0;
  if (in_page == 0 && ix->height == 2) {
    rd_heap_release(st, shard, *page);
    *page = 0;
  }
  /* Lower the tree when a directory has one child left. */
  bool one_left = ix->height == 2 ? segment == RD_DIR_ENTRIES : segment == 1;
  if (one_left) {
    rd_ref old = ix->root;
    ix->root = rd_dir_entries(st, old)[0];
    ix->height--;
    if (ix->height == 1) {
      rd_index_block *dir = rd_at(st, ix->root);
      dir->owner &= ~RD_NUMBER_MASK;
    }
    rd_heap_release(st, shard, old);
  }
}
