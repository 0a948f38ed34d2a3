/* type.h - what the store, and the commands on keys of any type, ask of a type: one row for each.
 *
 * An item has a key and the bytes of its value, in its one block or, when they are many, in chunks (big.h): so it is
 * for every type. A value may have more: blocks of its own (pages, leaves, nodes), found from those bytes. Then it is
 * called nested, which its encoding says. One of those blocks, the root, names the item, so that whoever evicts finds
 * it; the others know each other only. All that must look at them is in the type's row.
 *
 * The tables are in types/types.c, above the store: the one list of types, and of the blocks that they are made of. How
 * DUMP writes a type and RESTORE reads it is a row in commands/dump.c, for that needs a client's memory. */
#ifndef RD_TYPE_H
#define RD_TYPE_H

#include "arena/layout.h"
#include "store/item.h"
#include "store/store.h"

struct rd_walk;

typedef struct rd_type_row {
  rd_type type;
  const char *name;   /* what TYPE says; NULL: this build has no such type, and an item of it is damaged */
  unsigned encodings; /* an item's encoding is below */
  uint32_t nested;    /* bit e: values of encoding e have blocks of their own */
  /* Is the value one of these, and the error if not? NULL: its type says it. For what is kept as another type, as a
   * HyperLogLog is. */
  bool (*is)(rd_store *st, const rd_item *it);
  const char *is_not;
  /* The name that OBJECT ENCODING answers. */
  const char *(*encoding)(rd_store *st, const rd_item *it);

  /* ---- of nested values; the shard is locked ---- */

  /* Bytes of the value's own blocks, exactly. It is asked often, so it must be cheap: a sum that the value keeps. */
  uint64_t (*bytes)(const rd_store *st, const rd_item *it);
  /* Release up to `most` of the value's blocks; how many they were. Fewer than `most`: none is left. In between the
   * value can be used for nothing else. */
  uint32_t (*release)(rd_store *st, uint32_t shard, rd_item *it, uint32_t most);
  /* `it`, in `shard`, has the bytes of `from`: give it copies of the blocks of `from`. false: no memory, and nothing is
   * left of what was copied. */
  bool (*copy)(rd_store *st, uint32_t shard, rd_item *it, const rd_item *from);
  /* The item is `it` now: it was moved, or has another key. Let the root name it. */
  void (*moved)(rd_store *st, rd_item *it);
  /* Verify the value, by the calls of check.h: no block may be looked at that rd_walk_reach has not allowed. */
  void (*check)(struct rd_walk *walk, const rd_item *it);
} rd_type_row;

#define RD_TYPES 16u /* an item's type has four bits */
extern const rd_type_row rd_types[RD_TYPES];

static inline const rd_type_row *rd_type_of(const rd_item *it) { return &rd_types[it->type & 15u]; }
static inline bool rd_item_is_nested(const rd_item *it) {
  return RD_UNLIKELY(it->type != 0) && (rd_type_of(it)->nested >> (it->type >> 4) & 1) != 0;
}

/* Bytes of the value, those of its own blocks included. */
static inline uint64_t rd_item_value_bytes(const rd_store *st, const rd_item *it) {
  return rd_item_len(it) + (rd_item_is_nested(it) ? rd_type_of(it)->bytes(st, it) : 0);
}

/* ---- kinds of block ---- */

typedef struct rd_kind_row {
  /* The item that the block is part of, so that an eviction frees it; 0: it is part of none. */
  rd_ref (*item)(const rd_store *st, rd_ref block);
  /* Move the block elsewhere in its shard, by rd_heap_alloc and rd_heap_release, and mend what refers to it. false: it
   * must stay, or there is no memory. NULL: nothing is of this kind, and a block that claims to be is damage. */
  bool (*move)(rd_store *st, uint32_t shard, rd_ref block);
} rd_kind_row;
extern const rd_kind_row rd_kinds[RD_KINDS];

/* A copy of a block, its last bytes zero if it is longer, for those who move one. 0: no memory. */
rd_ref rd_block_copy(rd_store *st, uint32_t shard, rd_ref block);

#endif
