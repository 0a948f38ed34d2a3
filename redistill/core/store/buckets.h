/* buckets.h - the array of an index's buckets: segments of 64, found through directories.
 *
 * An only segment grows by doubling; several segments have a directory above them, and more than RD_DIR_ENTRIES
 * segments a directory of directories. */
#ifndef RD_BUCKETS_H
#define RD_BUCKETS_H

#include "arena/heap.h"

#define RD_SEGMENT_BITS 6u
#define RD_SEGMENT_BUCKETS (1u << RD_SEGMENT_BITS)
#define RD_DIR_BITS 9u
#define RD_DIR_ENTRIES (1u << RD_DIR_BITS)
#define RD_MAX_BUCKETS (1u << (RD_SEGMENT_BITS + 2 * RD_DIR_BITS))
#define RD_NUMBER_MASK ((1u << 27) - 1)

/* The number of directory levels above the segments of so many buckets. */
static inline uint8_t rd_index_height(uint32_t buckets) { return buckets <= 64 ? 0 : buckets <= 64u * 512 ? 1 : 2; }
/* The bytes of a segment of so many buckets, wherever it lies. */
static inline uint32_t rd_segment_bytes(uint32_t buckets) {
  return buckets * (uint32_t)sizeof(rd_bucket) + (uint32_t)sizeof(rd_index_block) + 56;
}
static inline rd_bucket *rd_segment_buckets(const rd_store *st, rd_ref segment) {
  return (rd_bucket *)(st->base + ((segment + sizeof(rd_index_block) + 63) & ~(rd_ref)63));
}
static inline rd_ref *rd_dir_entries(const rd_store *st, rd_ref dir) {
  return (rd_ref *)(st->base + dir + sizeof(rd_index_block));
}
static inline uint32_t rd_dir_capacity(const rd_store *st, rd_ref dir) {
  return (rd_blk_bytes(*rd_blk_at(st, dir)) - (uint32_t)sizeof(rd_index_block)) / 8;
}

/* The number of buckets for which a segment of this size has room, wherever it lies. */
static inline uint32_t rd_segment_capacity(const rd_store *st, rd_ref segment) {
  uint32_t n = (rd_blk_bytes(*rd_blk_at(st, segment)) - rd_segment_bytes(0)) / (uint32_t)sizeof(rd_bucket);
  return n < RD_SEGMENT_BUCKETS ? n : RD_SEGMENT_BUCKETS;
}

static inline rd_bucket *rd_index_bucket(const rd_store *st, const rd_index *ix, uint32_t number) {
  rd_ref ref = ix->root;
  if (ix->height != 0) {
    if (ix->height == 2) ref = rd_dir_entries(st, ref)[number >> (RD_SEGMENT_BITS + RD_DIR_BITS)];
    ref = rd_dir_entries(st, ref)[number >> RD_SEGMENT_BITS & (RD_DIR_ENTRIES - 1)];
  }
  return rd_segment_buckets(st, ref) + (number & (RD_SEGMENT_BUCKETS - 1));
}

/* Make room for bucket number ix->buckets; it is zeroed. false: no memory, and no visible change. */
bool rd_buckets_add(rd_store *st, uint32_t shard, uint32_t slot, rd_index *ix);
/* Release the memory that only the last bucket, number ix->buckets, needed; that bucket was just removed. */
void rd_buckets_drop(rd_store *st, uint32_t shard, rd_index *ix);

#endif
