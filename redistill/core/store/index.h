/* index.h - a shard's hash table for one database: linear hashing (Litwin 1980) over cache-line buckets.
 *
 * The table grows and shrinks by one bucket at a time, in step with the keys, so no call ever moves more than the keys
 * of one bucket: there is no resize to stall on. Buckets lie in segments of 64, found through a small radix tree.
 *
 * With n buckets a hash h lives in bucket h mod p, p the power of two with n <= p < 2n, or in h mod p/2 when that
 * bucket is not there yet. Bucket n is made by splitting bucket n mod p/2. A bucket holds ten entries; what does not
 * fit goes to overflow buckets chained to it. At 7.5 keys a bucket the whole costs about 10.5 bytes a key.
 *
 * The shard is locked; calls that change it mark it dirty. */
#ifndef RD_INDEX_H
#define RD_INDEX_H

#include "arena/layout.h"
#include "store/buckets.h"
#include "store/store.h"

/* The place of an entry: valid until the index changes. */
typedef struct rd_place {
  rd_bucket *bucket;
  uint32_t entry;
  uint32_t number; /* the number of the chain's first bucket */
} rd_place;

#define RD_NO_BUCKET UINT32_MAX

static inline uint8_t rd_tag_of(uint64_t hash) {
  uint8_t tag = (uint8_t)(hash >> 40);
  return tag == 0 ? 1 : tag;
}
static inline uint32_t rd_bucket_mask(uint32_t buckets) {
  return buckets <= 1 ? 0 : UINT32_MAX >> __builtin_clz(buckets - 1);
}
static inline uint32_t rd_bucket_of(uint64_t hash, uint32_t buckets) {
  uint32_t mask = rd_bucket_mask(buckets);
  uint32_t b = (uint32_t)hash & mask;
  return b < buckets ? b : b & (mask >> 1);
}

static inline rd_ref rd_entry_ref(const rd_bucket *b, uint32_t i) {
  return (b->lo[i] | (rd_ref)b->hi[i] << 32) * RD_GRANULE;
}
static inline void rd_entry_set_ref(rd_bucket *b, uint32_t i, rd_ref ref) {
  b->lo[i] = (uint32_t)(ref / RD_GRANULE);
  b->hi[i] = (uint8_t)(ref / RD_GRANULE >> 32);
}

/* The next bucket of a chain, or NULL. */
rd_bucket *rd_bucket_next(const rd_store *st, const rd_bucket *b);
/* The most buckets that a chain of the index can have, since all but its last are full. */
static inline uint32_t rd_chain_limit(const rd_index *ix) { return ix->count / (RD_BUCKET_SLOTS - 1) + 1; }
/* The same for a chain whose index is known; `left` starts as rd_chain_limit and counts down to 1. In a damaged
 * arena a chain can be a circle: then it ends where it is too long, with 0 in `left`, and its shard is suspect
 * (recovery.h). */
rd_bucket *rd_chain_next(const rd_store *st, const rd_index *ix, const rd_bucket *b, uint32_t *left);
/* The entries of this bucket that refer to an item, one bit each. */
uint32_t rd_bucket_entries(const rd_bucket *b);

/* Find a key's entry. */
bool rd_index_find(const rd_store *st, const rd_index *ix, const rd_key *key, rd_place *place);
/* Find the entry that refers to `item`, whose key has this hash; the item itself is not read. */
bool rd_index_find_ref(const rd_store *st, const rd_index *ix, uint64_t hash, rd_ref item, rd_place *place);

/* The item of the key with this hash, for rd_store.item_of; 0: there is none. Reads the items. */
rd_ref rd_index_item_of(rd_store *st, uint32_t shard, uint32_t slot, uint64_t hash);

/* Add an entry for a key that the index does not have. false: no memory for an overflow bucket (or the first one);
 * nothing is changed. */
bool rd_index_insert(rd_store *st, uint32_t shard, uint32_t slot, uint64_t hash, rd_ref item, int64_t expiry);
/* Remove the entry; the index may then shrink by a bucket. */
void rd_index_remove(rd_store *st, uint32_t shard, uint32_t slot, rd_place place);
/* Record the item's expiry in the entry's bucket (RD_NO_EXPIRY: none). */
void rd_index_note_expiry(rd_store *st, uint32_t shard, uint32_t slot, rd_place place, int64_t expiry);
/* Record that the first part of the item's value expires at `due`, or later (type.h). */
void rd_index_note_parts(rd_store *st, uint32_t shard, uint32_t slot, rd_place place, int64_t due);

/* Grow by one bucket when there are more than 7.5 keys a bucket; shrink by one below 2.5. Returns false when it should
 * have grown but had no memory: a later call does it. */
bool rd_index_balance(rd_store *st, uint32_t shard, uint32_t slot);

/* The hash of an item's key. */
uint64_t rd_item_hash(const rd_store *st, const rd_item *it);

/* Move a block of the index elsewhere in the shard, so that its region can be emptied. false: no memory. */
bool rd_index_move_block(rd_store *st, uint32_t shard, rd_ref block);

/* Coarse time: 4,096 ms a tick, 16 bits, compared as a circle. A due time is at most a quarter of it (18 hours) ahead
 * when it is set, and may lie as much behind before it is compared with another one. */
#define RD_DUE_AHEAD_MS (0x3fffull << 12)
static inline uint16_t rd_due_of(uint64_t now_ms, int64_t expiry) {
  uint64_t now = now_ms >> 12, due = expiry <= 0 ? 0 : (uint64_t)expiry >> 12;
  if (due < now) due = now;
  if (due > now + 0x3fff) due = now + 0x3fff;
  return (uint16_t)due;
}
static inline bool rd_due_passed(uint64_t now_ms, uint16_t due) {
  return (int16_t)((uint16_t)(now_ms >> 12) - due) >= 0;
}

#endif
