/* coll.h - collections: values that are a sequence of entries. Hashes, lists, sets and sorted sets are collections.
 *
 * A small one is packed: its entries lie one after another in the item's own block, as the bytes of the value. A larger
 * one is a counted B+ tree (tree.h), whose leaves hold entries in the same way; the item then has only the tree's head.
 * The functions below hide the difference. What an entry means is the affair of its type: rd_coll_kind says how long
 * an entry is, and how entries are ordered.
 *
 *     sorted       Entries are in the order of `order`, and among equals of `compare`: sorted sets.
 *     by hash      `order` is a hash. Runs of entries (leaves) are in the order of the hash, entries within a run in
 *                  none: hashes and sets. Entries of the same hash are always in one run.
 *     by position  `order` is NULL, entries stay where they were inserted: lists.
 *
 * The shard is locked. No function here reserves memory, evicts or moves anything else: a change either happens whole,
 * or returns RD_OOM and has changed nothing. The caller then undoes what it has done before, if anything, calls
 * rd_coll_reserve, and begins again:
 *
 *     for (int attempt = 0; attempt < RD_COLL_ATTEMPTS; attempt++) {
 *       rd_coll_open(&c, st, &key, item, row);
 *       if (change(&c) == RD_OK) ...
 *       if (!rd_coll_reserve(&c)) break;      -- c.item is the item afterwards
 *     }
 *
 * No function informs watchers and listeners but rd_coll_changed, which a command calls once at its end. */
#ifndef RD_COLL_H
#define RD_COLL_H

#include "arena/key.h"
#include "arena/layout.h"
#include "store/store.h"

struct rd_type_row;
struct rd_undo;

#define RD_COLL_ATTEMPTS 6
#define RD_COLL_DEPTH 8u   /* most levels of a tree above its leaves */
#define RD_ENTRY_MAX 1200u /* bytes of the longest entry: a field and a value, with the largest heads */

/* How the entries of one tree of a type are read. The bytes may be damaged when `size` is called. */
typedef struct rd_coll_kind {
  uint32_t run_max; /* most bytes of a packed value, and of a leaf */
  bool sorted;
  /* The bytes of the entry at `at`, at most end - at; 0: there is no whole entry. */
  uint32_t (*size)(const uint8_t *at, const uint8_t *end);
  /* True if the rest of the entry, which `size` has found, may be read. NULL: always. */
  bool (*whole)(const uint8_t *entry);
  uint64_t (*order)(const rd_store *st, const uint8_t *entry);
  int (*compare)(const rd_store *st, const uint8_t *a, const uint8_t *b); /* sorted: among equal orders; or NULL */
  /* Pass entries while they are below `order`, at most *n of them; *n is then their number. Returns the first one that
   * is not passed, or `end`. It does what `size` and `order` do, without a call an entry, but only for whole entries.
   * NULL: those do. */
  const uint8_t *(*pass)(const uint8_t *at, const uint8_t *end, uint64_t order, uint64_t *n);
  /* The offset, in the entry, of its `n`th reference (8 bytes) to a blob (blob.h); 0: it has no more. NULL: never. */
  uint32_t (*outside)(const uint8_t *entry, uint32_t n);
  /* Write the entry of the second tree that belongs to this one of the first, for the change from the packed form to
   * trees. Returns its length; 0: there is none. NULL: never. The type keeps both trees alike in all other changes. */
  uint32_t (*second)(const rd_store *st, const uint8_t *entry, uint8_t *to);
} rd_coll_kind;

/* Encodings of an item that is a collection: four bits. */
/* RD_COLL_NAME is the encoding that OBJECT ENCODING shows, whatever lies underneath: 0 listpack, 1 intset, 2 hashtable,
 * skiplist or quicklist. */
#define RD_COLL_NAME 3u
#define RD_COLL_TREE 4u  /* the value is the heads of its trees */
#define RD_COLL_TIMED 8u /* a hash with fields that expire */

/* An open value. */
typedef struct rd_coll {
  rd_store *st;
  rd_key key;
  const struct rd_type_row *row;
  const rd_coll_kind *kind; /* of the tree that is open: row->coll[tree] */
  rd_item *item;            /* NULL: the key does not exist */
  uint32_t shard;
  uint32_t slot;    /* of the index: that of the key's database, or where a new value is built */
  uint32_t tree;    /* 0; or 1, the second tree of a type that has two (packed values have no second one) */
  uint64_t wanted;  /* after RD_OOM: the bytes that the change needed */
  uint8_t reserved; /* how often rd_coll_reserve has made room for the change */
  bool is_new;      /* the key came to exist by a change of this open value */
  /* Between rd_coll_begin and rd_coll_commit: */
  bool made;            /* the key came to exist since then */
  rd_ref before;        /* the item as it was then, or as it was made */
  struct rd_undo *undo; /* NULL: nothing is recorded */
} rd_coll;

/* The place of an entry. It is valid until the next change of the collection by other calls than those that take the
 * place; and, in a long command, across rd_yield, since the shard stays locked. */
typedef struct rd_pos {
  const uint8_t *at;          /* the entry; `end` when there is none (behind the last one) */
  const uint8_t *begin, *end; /* the run that it is in: the entries of a leaf, or the packed value */
  uint32_t depth;             /* levels above the leaf */
  struct {
    rd_ref node;
    uint32_t child;
  } path[RD_COLL_DEPTH];
  rd_ref leaf; /* 0: packed */
} rd_pos;

/* ---- opening ---- */

void rd_coll_open(rd_coll *c, rd_store *st, const rd_key *key, rd_item *it, const struct rd_type_row *row);
/* Open the second tree of the same value. */
rd_coll rd_coll_second(const rd_coll *c);
static inline bool rd_coll_is_packed(const rd_coll *c) {
  return c->item == NULL || (c->item->type >> 4 & RD_COLL_TREE) == 0;
}
uint64_t rd_coll_count(const rd_coll *c); /* entries; 0 for an absent key. Packed: walks, so ask once */
unsigned rd_coll_name(const rd_coll *c);  /* RD_COLL_NAME's bits */
void rd_coll_set_name(rd_coll *c, unsigned name);
void rd_coll_set_timed(rd_coll *c, bool timed); /* RD_COLL_TIMED */

/* The bytes of the value that are the type's own (rd_type_row.extra). */
void rd_coll_read_extra(const rd_coll *c, void *to);
void rd_coll_write_extra(rd_coll *c, const void *from);

/* ---- places. All return false if there is no such entry; the place is then behind the last one ---- */

bool rd_coll_first(const rd_coll *c, rd_pos *p);
bool rd_coll_last(const rd_coll *c, rd_pos *p);
bool rd_coll_next(const rd_coll *c, rd_pos *p);
bool rd_coll_prev(const rd_coll *c, rd_pos *p); /* from behind the last one: the last one */
bool rd_coll_at(const rd_coll *c, uint64_t rank, rd_pos *p);
/* The length of every entry of the place's run, if it is known without reading them; else 0. */
uint32_t rd_coll_even(const rd_coll *c, const rd_pos *p);
uint64_t rd_coll_rank(const rd_coll *c, const rd_pos *p); /* the entries before the place */
/* By hash: the run in which entries of that hash are; at its first entry. Sorted: see rd_coll_lower. */
bool rd_coll_run(const rd_coll *c, uint64_t order, rd_pos *p);
/* By hash: the lowest hash that a later run can have: where a scan continues. false: this is the last run. */
bool rd_coll_next_run(const rd_coll *c, rd_pos *p, uint64_t *order);
/* Sorted: the first entry that is not before the sought one. `compare` tells how the sought one compares with an entry
 * of the same order: > 0: the entry is before it. NULL: all entries of that order are not before it. */
bool rd_coll_lower(const rd_coll *c, uint64_t order, int (*compare)(void *arg, const uint8_t *entry), void *arg,
                   rd_pos *p);

/* For the next commands of a pipeline, which will find elements by name: prefetch the memory that they need, if the
 * key's value is too large for a processor's own caches. The shard is locked. */
#define RD_SOUGHT_MOST 64u
typedef struct rd_sought {
  rd_bytes name;
  rd_bytes score; /* sorted sets: the score that it will have; `data` NULL: unknown */
} rd_sought;
void rd_coll_fetch(rd_store *st, const rd_key *key, const rd_sought each[], uint32_t n);

/* ---- changing ---- */

/* Insert the entry before the place, which is then the entry's. By hash: the place is any of its run. A key that does
 * not exist comes to exist. The references of its blobs are in the entry, and the blobs belong to it afterwards. */
rd_result rd_coll_insert(rd_coll *c, rd_pos *p, const uint8_t *entry, uint32_t len);
/* Replace the entry at the place by one of the same order. Blobs that only the old one refers to are released. */
rd_result rd_coll_replace(rd_coll *c, rd_pos *p, const uint8_t *entry, uint32_t len);
/* Overwrite bytes of the entry, which change neither its length nor its order. */
void rd_coll_write(rd_coll *c, rd_pos *p, uint32_t off, const void *bytes, uint32_t len);
/* Sorted: move the entry to another place of its run, before `to`, where its order now belongs. In a tree neither is
 * the run's first entry. */
void rd_coll_shift(rd_coll *c, rd_pos *p, const uint8_t *to);
/* Remove the entry, and its blobs; the place is then the next entry's. Never fails. An empty collection stays until
 * rd_coll_changed. */
void rd_coll_remove(rd_coll *c, rd_pos *p);
/* Remove `n` entries from `rank` on; `each`, if any, gets each of them before. Calls rd_yield. */
void rd_coll_remove_range(rd_coll *c, uint64_t rank, uint64_t n,
                          void (*each)(void *arg, rd_coll *c, const uint8_t *entry), void *arg);

/* The command's end: delete the key if it is empty, and inform watchers and listeners: of `event`, then of the key's
 * deletion. For a key that came to exist RD_EVENT_NEW comes first. */
void rd_coll_changed(rd_coll *c, rd_key_event event);

/* ---- several changes, all of them or none ---- */

/* From here on each change is recorded (in private memory), until rd_coll_commit. A second tree that is opened now is
 * recorded, too. Between two changes that may fail at most one entry of each tree may be removed. false: no memory. */
bool rd_coll_begin(rd_coll *c);
void rd_coll_commit(rd_coll *c);
/* Undo all of them. Allocates nothing, so it cannot fail. */
void rd_coll_undo(rd_coll *c);

/* Make room for a change that returned RD_OOM. false: the policy allows no more. Anything but this item may have been
 * evicted or moved; c->item is its place afterwards, all other places and items are void. */
bool rd_coll_reserve(rd_coll *c);

/* ---- a new value, built aside: SUNIONSTORE, RESTORE, SORT with STORE ----
 *
 * The value is not the key's until rd_coll_hook, and counts as the running command's until then: nothing evicts it, and
 * if the process dies the sweep removes it. So the key's value before may be read until then. A command builds one
 * value at a time, and ends it by rd_coll_finish or rd_coll_abandon; meanwhile it does not call rd_keep_begin. */
void rd_coll_build(rd_coll *c, rd_store *st, const rd_key *key, const struct rd_type_row *row);
/* Give the key this value in place of the one before, if any, and report `event`; an empty one deletes the key, which
 * reports RD_EVENT_DEL if it existed (as rd_discard). RD_OOM: nothing has changed, and the value still has to be
 * abandoned, or hooked again after rd_coll_reserve. */
rd_result rd_coll_hook(rd_coll *c, int64_t expiry, rd_key_event event);
/* The same, and make room for it when it finds no memory. False: there is none, and the value was abandoned. */
bool rd_coll_finish(rd_coll *c, int64_t expiry, rd_key_event event);
void rd_coll_abandon(rd_coll *c);

#endif
