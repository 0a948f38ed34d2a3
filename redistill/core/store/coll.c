/* coll.c - collections: chooses between the packed form and the tree, and changes packed values. */
#include "store/coll.h"

#include "arena/heap.h"
#include "arena/lock.h"
#include "arena/longrun.h"
#include "store/blob.h"
#include "store/coll_item.h"
#include "store/index.h"
#include "store/internal.h"
#include "store/item.h"
#include "store/reclaim.h"
#include "store/tree.h"
#include "store/undo.h"

/* ---- opening ---- */

void rd_coll_open(rd_coll *c, rd_store *st, const rd_key *key, rd_item *it, const struct rd_type_row *row) {
  *c = (rd_coll){.st = st, .key = *key, .row = row, .kind = row->coll[0], .item = it};
  c->shard = rd_shard_of(st, key->hash);
  c->slot = rd_slot_of(st, key->db);
}

rd_coll rd_coll_second(const rd_coll *c) {
  rd_coll second = *c;
  second.tree = 1;
  second.kind = c->row->coll[1];
  return second;
}

unsigned rd_coll_name(const rd_coll *c) { return c->item == NULL ? 0 : c->item->type >> 4 & RD_COLL_NAME; }

static void set_encoding(rd_coll *c, unsigned encoding) {
  if (c->item == NULL || (unsigned)c->item->type >> 4 == encoding) return;
  rd_mark_dirty(c->st, c->shard);
  rd_undo_save(c->st, c->undo, rd_ref_of(c->st, c->item));
  rd_item_set_type(c->item, rd_item_type(c->item), (rd_encoding)encoding);
}

void rd_coll_set_name(rd_coll *c, unsigned name) {
  set_encoding(c, c->item == NULL ? 0 : (c->item->type >> 4 & ~RD_COLL_NAME) | name);
}

void rd_coll_set_timed(rd_coll *c, bool timed) {
  set_encoding(c, c->item == NULL ? 0 : (c->item->type >> 4 & ~RD_COLL_TIMED) | (timed ? RD_COLL_TIMED : 0));
}

/* ---- packed: one run, the whole value ---- */

static inline uint8_t *value_of(const rd_coll *c) { return (uint8_t *)(uintptr_t)rd_item_flat(c->item); }
static inline uint32_t size_at(const rd_coll *c, const rd_pos *p) { return rd_entry_size(c, p->at, p->end); }

/* The place at the beginning of the packed value. A packed value has no second tree. */
static bool packed_first(const rd_coll *c, rd_pos *p) {
  p->leaf = 0;
  p->depth = 0;
  p->at = p->begin = p->end = NULL;
  if (c->item == NULL || c->tree != 0) return false;
  p->at = p->begin = value_of(c);
  p->end = p->begin + c->item->len;
  return p->at < p->end;
}

static bool is_outside(const rd_coll *c, const uint8_t *entry) {
  return c->kind->outside != NULL && c->kind->outside(entry, 0) != 0;
}

/* Make `fresh` bytes out of the `old` ones at the place. false: no memory, nothing is changed. */
static bool splice(rd_coll *c, rd_pos *p, uint32_t old, const uint8_t *bytes, uint32_t fresh) {
  uint32_t off = (uint32_t)(p->at - p->begin), len = (uint32_t)(p->end - p->begin), rest = len - off - old;
  if (fresh > old && !rd_coll_resize(c, len - old + fresh)) return false;
  uint8_t *value = value_of(c);
  if (fresh <= old) {
    rd_mark_dirty(c->st, c->shard);
    rd_undo_save(c->st, c->undo, rd_ref_of(c->st, c->item));
  }
  memmove(value + off + fresh, value + off + old, rest);
  if (fresh > 0) memcpy(value + off, bytes, fresh);
  if (fresh < old) rd_coll_resize(c, len - old + fresh);
  p->begin = value;
  p->at = value + off;
  p->end = value + len - old + fresh;
  return true;
}

static rd_result packed_insert(rd_coll *c, rd_pos *p, const uint8_t *entry, uint32_t len) {
  if (c->item != NULL) return splice(c, p, 0, entry, len) ? RD_OK : RD_OOM;
  if (!rd_coll_make(c, 0, len)) return RD_OOM;
  memcpy(value_of(c), entry, len);
  packed_first(c, p);
  return RD_OK;
}

/* ---- places ---- */

uint64_t rd_coll_count(const rd_coll *c) {
  if (!rd_coll_is_packed(c)) return rd_tree_head(c).count;
  rd_pos p;
  packed_first(c, &p);
  p.at = p.end;
  return rd_run_rank(c, &p);
}

bool rd_coll_first(const rd_coll *c, rd_pos *p) {
  return rd_coll_is_packed(c) ? packed_first(c, p) : rd_tree_first(c, p);
}

bool rd_coll_last(const rd_coll *c, rd_pos *p) {
  if (!rd_coll_is_packed(c)) return rd_tree_last(c, p);
  packed_first(c, p);
  p->at = p->end;
  return rd_run_back(c, p);
}

bool rd_coll_next(const rd_coll *c, rd_pos *p) {
  if (p->at < p->end) p->at += size_at(c, p);
  return p->at < p->end || (p->leaf != 0 && rd_tree_next_leaf(c, p));
}

bool rd_coll_prev(const rd_coll *c, rd_pos *p) {
  if (rd_run_back(c, p) || (p->leaf != 0 && rd_tree_prev_leaf(c, p))) return true;
  rd_coll_at(c, UINT64_MAX, p);
  return false;
}

bool rd_coll_at(const rd_coll *c, uint64_t rank, rd_pos *p) {
  if (!rd_coll_is_packed(c)) return rd_tree_at(c, rank, p);
  packed_first(c, p);
  p->at = rd_run_skip(c, p, rank);
  return p->at < p->end;
}

uint64_t rd_coll_rank(const rd_coll *c, const rd_pos *p) {
  return p->leaf == 0 ? rd_run_rank(c, p) : rd_tree_rank(c, p);
}

bool rd_coll_run(const rd_coll *c, uint64_t order, rd_pos *p) {
  return rd_coll_is_packed(c) ? packed_first(c, p) : rd_tree_run(c, order, p);
}

bool rd_coll_next_run(const rd_coll *c, rd_pos *p, uint64_t *order) {
  return p->leaf != 0 && rd_tree_next_run(c, p, order);
}

bool rd_coll_lower(const rd_coll *c, uint64_t order, int (*compare)(void *arg, const uint8_t *entry), void *arg,
                   rd_pos *p) {
  if (!rd_coll_is_packed(c)) return rd_tree_lower(c, order, compare, arg, p);
  packed_first(c, p);
  return rd_run_lower(c, order, compare, arg, p);
}

#define FETCHED (4u << 20) /* bytes of the smallest value of which memory is prefetched */

void rd_coll_fetch(rd_store *st, const rd_key *key, const rd_sought each[], uint32_t n) {
  rd_place place;
  const rd_index *ix = &rd_shard_at(st, rd_shard_of(st, key->hash))->index[rd_slot_of(st, key->db)];
  if (!rd_index_find(st, ix, key, &place)) return;
  rd_item *it = rd_at(st, rd_entry_ref(place.bucket, place.entry));
  const rd_type_row *row = rd_type_of(it);
  if (row->fetch == NULL || !rd_item_is_nested(it) || row->bytes(st, it) < FETCHED) return;
  rd_coll c;
  rd_coll_open(&c, st, key, it, row);
  row->fetch(&c, each, n);
}

/* ---- changing ---- */

/* The value becomes a tree. The place stays at its entry; by hash it is one of the run for `order`. */
static rd_result become_tree(rd_coll *c, rd_pos *p, uint64_t order) {
  bool by_hash = c->kind->order != NULL && !c->kind->sorted;
  uint64_t rank = by_hash ? 0 : rd_run_rank(c, p);
  if (rd_tree_from_packed(c) != RD_OK) return RD_OOM;
  if (by_hash)
    rd_tree_run(c, order, p);
  else
    rd_tree_at(c, rank, p);
  return RD_OK;
}

static inline uint64_t order_of(const rd_coll *c, const uint8_t *entry) {
  return c->kind->order == NULL ? 0 : c->kind->order(c->st, entry);
}

/* The entry was not taken, so its new blobs will be released: the next attempt needs their memory, too. */
static rd_result __attribute__((noinline, cold)) refuse(rd_coll *c, const uint8_t *entry) {
  for (uint32_t n = 0, off; c->kind->outside != NULL && (off = c->kind->outside(entry, n)) != 0; n++) {
    rd_ref blob = rd_ld64(entry + off);
    if (rd_blob_is_new(c->st, blob)) c->wanted += rd_blob_memory(c->st, blob);
  }
  return RD_OOM;
}

static rd_result insert(rd_coll *c, rd_pos *p, const uint8_t *entry, uint32_t len) {
  assert(len <= RD_ENTRY_MAX);
  if (!rd_undo_ready(c->undo)) return RD_OOM;
  bool makes = c->item == NULL;
  if (rd_coll_is_packed(c)) {
    uint64_t whole = (makes ? 0 : c->item->len) + (uint64_t)len;
    if (!is_outside(c, entry) && rd_coll_may_pack(c, whole)) return packed_insert(c, p, entry, len);
    if (become_tree(c, p, order_of(c, entry)) != RD_OK || !rd_undo_ready(c->undo)) return RD_OOM;
  }
  if (RD_LIKELY(rd_tree_insert(c, p, entry, len) == RD_OK)) return RD_OK;
  if (makes && c->undo == NULL && c->slot != RD_KEPT_SLOT) rd_coll_unmake(c); /* else others undo or abandon it */
  return RD_OOM;
}

rd_result rd_coll_insert(rd_coll *c, rd_pos *p, const uint8_t *entry, uint32_t len) {
  return RD_LIKELY(insert(c, p, entry, len) == RD_OK) ? RD_OK : refuse(c, entry);
}

static rd_result replace(rd_coll *c, rd_pos *p, const uint8_t *entry, uint32_t len) {
  assert(len <= RD_ENTRY_MAX);
  if (!rd_undo_ready(c->undo)) return RD_OOM;
  if (rd_coll_is_packed(c)) {
    uint32_t old = size_at(c, p);
    uint8_t before[RD_ENTRY_MAX];
    if (!is_outside(c, entry) && rd_coll_may_pack(c, c->item->len - (uint64_t)old + len))
      return splice(c, p, old, entry, len) ? RD_OK : RD_OOM;
    memcpy(before, p->at, old);
    if (become_tree(c, p, order_of(c, before)) != RD_OK || !rd_undo_ready(c->undo)) return RD_OOM;
    while (size_at(c, p) != old || memcmp(p->at, before, old) != 0) p->at += size_at(c, p);
  }
  return rd_tree_replace(c, p, entry, len);
}

rd_result rd_coll_replace(rd_coll *c, rd_pos *p, const uint8_t *entry, uint32_t len) {
  return RD_LIKELY(replace(c, p, entry, len) == RD_OK) ? RD_OK : refuse(c, entry);
}

void rd_coll_write(rd_coll *c, rd_pos *p, uint32_t off, const void *bytes, uint32_t len) {
  assert(off + len <= size_at(c, p));
  rd_mark_dirty(c->st, c->shard);
  rd_undo_save_bytes(c->st, c->undo, p->leaf != 0 ? p->leaf : rd_ref_of(c->st, c->item), p->at + off, len);
  memcpy((uint8_t *)(uintptr_t)p->at + off, bytes, len);
}

void rd_coll_shift(rd_coll *c, rd_pos *p, const uint8_t *to) {
  uint8_t entry[RD_ENTRY_MAX], *at = (uint8_t *)(uintptr_t)p->at, *dst = (uint8_t *)(uintptr_t)to;
  uint32_t len = size_at(c, p);
  if (to >= at && to <= at + len) return;
  rd_mark_dirty(c->st, c->shard);
  rd_undo_save(c->st, c->undo, p->leaf != 0 ? p->leaf : rd_ref_of(c->st, c->item));
  memcpy(entry, at, len);
  if (dst > at)
    memmove(at, at + len, (size_t)((dst -= len) - at));
  else
    memmove(dst + len, dst, (size_t)(at - dst));
  memcpy(dst, entry, len);
  p->at = dst;
}

void rd_coll_remove(rd_coll *c, rd_pos *p) {
  if (p->leaf != 0)
    rd_tree_remove(c, p);
  else
    splice(c, p, size_at(c, p), NULL, 0);
}

void rd_coll_remove_range(rd_coll *c, uint64_t rank, uint64_t n,
                          void (*each)(void *arg, rd_coll *c, const uint8_t *entry), void *arg) {
  if (!rd_coll_is_packed(c)) {
    rd_tree_remove_range(c, rank, n, each, arg);
    return;
  }
  rd_pos p;
  if (!rd_coll_at(c, rank, &p)) return;
  const uint8_t *stop = p.at;
  for (; n > 0 && stop < p.end; n--) {
    if (each != NULL) each(arg, c, stop);
    stop += rd_entry_size(c, stop, p.end);
  }
  splice(c, &p, (uint32_t)(stop - p.at), NULL, 0);
}

static bool is_empty(const rd_coll *c) {
  if (c->row->extra != 0) return false;
  return rd_coll_is_packed(c) ? rd_item_len(c->item) == 0 : rd_tree_head(c).root == 0;
}

void rd_coll_changed(rd_coll *c, rd_key_event event) {
  rd_store *st = c->st;
  if (c->is_new) rd_notify(st, &c->key, RD_EVENT_NEW);
  c->is_new = false;
  rd_touched(st, c->shard, rd_slot_of(st, c->key.db), &c->key, event);
  if (c->item == NULL || !is_empty(c)) return;
  rd_remove_item(st, c->shard, rd_ref_of(st, c->item), RD_GONE_DELETED);
  c->item = NULL;
}

/* ---- several changes ---- */

bool rd_coll_begin(rd_coll *c) {
  assert(c->undo == NULL);
  rd_note_changing(c->st, c->slot, c->key.hash);
  c->made = false;
  c->before = c->item == NULL ? 0 : rd_ref_of(c->st, c->item);
  c->undo = rd_undo_new(c->st);
  return c->undo != NULL;
}

void rd_coll_commit(rd_coll *c) {
  rd_undo_commit(c->st, c->shard, c->undo);
  c->undo = NULL;
}

void rd_coll_undo(rd_coll *c) {
  rd_store *st = c->st;
  const rd_heap *heap = &rd_shard_at(st, c->shard)->heap;
  uint64_t had = heap->used;
  if (c->item != NULL) {
    rd_mark_dirty(st, c->shard);
    if (rd_ref_of(st, c->item) != c->before) rd_coll_set_item(c, c->before);
  }
  rd_undo_back(st, c->shard, c->undo);
  c->undo = NULL;
  if (c->made) rd_coll_unmake(c);
  c->made = false;
  if (had > heap->used) c->wanted += had - heap->used; /* the next attempt needs all of it */
}

bool rd_coll_reserve(rd_coll *c) {
  rd_store *st = c->st;
  assert(c->undo == NULL);
  rd_mark_clean(st);
  st->pin[0] = c->item == NULL ? 0 : rd_ref_of(st, c->item);
  uint64_t wanted = c->wanted + c->wanted / 8 + RD_MIN_BLOCK;
  /* Several changes allocate and release blocks in turn, which breaks a hole of the right size into pieces that are too
   * small. So each attempt asks for twice as much as the one before, up to some regions. */
  if (wanted < RD_REGION_SIZE) wanted <<= c->reserved;
  if (c->reserved < RD_COLL_ATTEMPTS) c->reserved++;
  bool room =
      wanted > RD_MAX_BLOCK ? rd_reserve_many(st, c->shard, wanted) : rd_reserve(st, c->shard, (uint32_t)wanted);
  st->pin[0] = 0;
  c->wanted = 0;
  rd_place place;
  const rd_index *ix = &rd_shard_at(st, c->shard)->index[c->slot];
  c->item = rd_index_find(st, ix, &c->key, &place) ? rd_at(st, rd_entry_ref(place.bucket, place.entry)) : NULL;
  return room;
}
