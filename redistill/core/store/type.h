/* type.h - the functions of a type that the store, and the commands on keys of any type, need: one row for each type.
 *
 * An item has a key and the bytes of its value, in its one block or, when they are many, in chunks (big.h); this is so
 * for every type. A value may also have blocks of its own (pages, leaves, nodes), found from those bytes. Then it is
 * called nested, which its encoding says. One of those blocks, the root, refers to the item, so that an eviction that
 * starts from a block finds it; the others refer only to each other. All code that must look at them is in the type's
 * row.
 *
 * The tables are in types/types.c, above the store: the one list of types, and of the kinds of block. What DUMP and
 * RESTORE need of a type is in commands/ (payload.h), since it needs a client's memory. */
#ifndef RD_TYPE_H
#define RD_TYPE_H

#include "arena/layout.h"
#include "store/coll.h"
#include "store/item.h"
#include "store/store.h"

struct rd_walk;

typedef struct rd_type_row {
  rd_type type;
  const char *name;   /* the name that TYPE shows; NULL: this build has no such type, and an item of it is damaged */
  unsigned encodings; /* the number of encodings; an item's encoding is below it */
  uint32_t nested;    /* bit e: values of encoding e have blocks of their own */
  /* True if the value belongs to the row, which is stored as another type (a HyperLogLog, for example). NULL: the
   * item's type decides. */
  bool (*is)(rd_store *st, const rd_item *it);
  const char *is_not;
  /* The name that OBJECT ENCODING shows. */
  const char *(*encoding)(rd_store *st, const rd_item *it);
  /* For collections (coll.h): the entries of the value, and of its second tree, if the type has one. */
  const rd_coll_kind *coll[2];
  /* For collections: the bytes behind the heads of its trees, which the type uses as it likes (rd_coll_read_extra). A
   * value with such bytes is never packed, and its key exists without entries, too. */
  uint32_t extra;
  /* Prefetch the leaves in which these elements are, or would be. The value is a tree. NULL: elements of this type are
   * not found by name. */
  void (*fetch)(const rd_coll *c, const rd_sought each[], uint32_t n);

  /* ---- for values with parts that expire (RD_COLL_TIMED); the shard is locked ---- */

  /* The time at which the first part expires; RD_NO_EXPIRY: none does. */
  int64_t (*due)(rd_store *st, const rd_item *it);
  /* Remove up to `most` expired parts, and the key with the last one. Returns how many parts were removed; the item may
   * have moved. */
  uint32_t (*expire)(rd_store *st, rd_item *it, uint32_t most);

  /* ---- for nested values; the shard is locked ---- */

  /* The bytes of the value's own blocks, exactly. It is called often, so it must be cheap: a sum that the value
   * keeps. */
  uint64_t (*bytes)(const rd_store *st, const rd_item *it);
  /* Release up to `most` of the value's blocks. Returns how many were released; fewer than `most`: none is left.
   * Between the calls other code looks at the value only to move its blocks, to verify it, and to sum its bytes, so it
   * must be sound, even without any block; but entries may be counted that are gone. */
  uint32_t (*release)(rd_store *st, uint32_t shard, rd_item *it, uint32_t most);
  /* `it`, in `shard`, has the bytes of `from`: give it copies of the blocks of `from`. false: no memory, and all
   * copies are released. Values that are only trees are copied by copy_tree.c instead. */
  bool (*copy)(rd_store *st, uint32_t shard, rd_item *it, const rd_item *from);
  /* The item is now `it`: it was moved, or has another key. Make the root refer to it. */
  void (*moved)(rd_store *st, rd_item *it);
  /* Verify the value with the functions of check.h: read only blocks that rd_walk_reach allows. */
  void (*check)(struct rd_walk *walk, const rd_item *it);
} rd_type_row;

#define RD_TYPES 16u /* an item's type has four bits */
extern const rd_type_row rd_types[RD_TYPES];

static inline const rd_type_row *rd_type_of(const rd_item *it) { return &rd_types[it->type & 15u]; }
/* True if the value may have parts that expire. */
static inline bool rd_item_is_timed(const rd_item *it) { return (it->type & RD_COLL_TIMED << 4) != 0; }
static inline bool rd_item_is_nested(const rd_item *it) {
  return RD_UNLIKELY(it->type != 0) && (rd_type_of(it)->nested >> (it->type >> 4) & 1) != 0;
}

/* The bytes of the value, including those of its own blocks. */
static inline uint64_t rd_item_value_bytes(const rd_store *st, const rd_item *it) {
  return rd_item_len(it) + (rd_item_is_nested(it) ? rd_type_of(it)->bytes(st, it) : 0);
}

/* ---- kinds of block ---- */

typedef struct rd_kind_row {
  /* The item that the block is part of, so that an eviction frees it; 0: it is part of none. */
  rd_ref (*item)(const rd_store *st, rd_ref block);
  /* Move the block elsewhere in its shard, by rd_heap_alloc and rd_heap_release, and correct the references to it.
   * false: it must stay, or there is no memory. NULL: no block has this kind, and one that claims it is damaged. */
  bool (*move)(rd_store *st, uint32_t shard, rd_ref block);
} rd_kind_row;
extern const rd_kind_row rd_kinds[RD_KINDS];

/* Copy a block, with zeros at the end if the copy is longer, to move it. 0: no memory. */
rd_ref rd_block_copy(rd_store *st, uint32_t shard, rd_ref block);

#endif
