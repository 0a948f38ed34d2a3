/* copy_tree.c - rd_copy_tree and rd_move_tree: copy a tree to another key (COPY), or move it to a key of another shard
 * (RENAME, MOVE).
 *
 * Both copy the leaves, one by one, to a value that is built aside (build.c). A move must do that since the blocks have
 * to be in regions of the new shard. While there is memory for the copies, the old value stays complete. From the first
 * lack of memory on, what is copied is removed from it at once, leaf by leaf and blob by blob, and the memory is given
 * back by packing its shard: so a move needs some regions, and as much as the longest element, but not a second value.
 * The pool's reserve is nearly always enough, and nothing is evicted then.
 *
 * Both values are sound between two steps, and hidden until the move has ended: if this process dies, the sweep removes
 * what is left of them. When memory ends in the middle, everything moves back. */
#include "arena/heap.h"
#include "arena/lock.h"
#include "arena/longrun.h"
#include "arena/pool.h"
#include "store/big.h"
#include "store/coll_item.h"
#include "store/evict.h"
#include "store/internal.h"
#include "store/reclaim.h"
#include "store/tree.h"

#define ATTEMPTS 6 /* to make room for one leaf */

struct move {
  rd_store *st;
  uint32_t from; /* the shard */
  rd_ref item;   /* the item in it */
  rd_coll to;    /* the new value */
  bool keeps;    /* the value is copied and not moved */
  bool takes;    /* the old value loses what is copied */
  struct {
    uint64_t copied;  /* leaves at the end of the new tree that the old one still has, too: its first ones */
    uint64_t removed; /* leaves that only the new tree has */
    bool partial;     /* the new tree's last leaf, which counts in neither, may lack blobs */
  } tree[2];
};

static rd_coll old_tree(const struct move *m, unsigned i) {
  return rd_tree_open(m->st, m->from, rd_at(m->st, m->item), i);
}
static rd_coll new_tree(const struct move *m, unsigned i) { return rd_tree_open(m->st, m->to.shard, m->to.item, i); }

/* ---- room ---- */

static void remove_copied(struct move *m, unsigned i) {
  for (; m->tree[i].copied > 0; m->tree[i].copied--) {
    rd_coll old = old_tree(m, i);
    rd_pos p;
    if (!rd_tree_first(&old, &p)) return;
    rd_tree_drop_leaf(&old, &p);
    m->tree[i].removed++;
    rd_yield_whole(m->st);
  }
}

/* Memory for `wanted` bytes, at least, is in the pool. */
static bool is_enough(const rd_store *st, uint64_t wanted) {
  return (uint64_t)rd_pool_free(st) * (RD_REGION_SIZE / 2) > wanted;
}

/* Make room for another attempt in shard `to`; shard `from` has holes. */
static bool make_room(struct move *m, uint32_t to, uint32_t from, uint64_t wanted) {
  rd_store *st = m->st;
  rd_mark_clean(st);
  m->st->pin[0] = m->item;
  while (!is_enough(st, wanted) && rd_pack(st, from)) rd_yield(st);
  bool room = is_enough(st, wanted) || rd_reserve_many(st, to, wanted);
  m->st->pin[0] = 0;
  return room;
}

/* An attempt failed for lack of `wanted` bytes. `attempt` counts the attempts. false: the memory is not there. */
static bool prepare_next(struct move *m, int attempt, uint64_t wanted) {
  rd_store *st = m->st;
  if (m->keeps) return false;
  if (attempt == 0 && !st->borrows) {
    st->borrows = true;
    return true;
  }
  if (attempt >= ATTEMPTS || (attempt < 2 && is_enough(st, wanted))) return false;
  m->takes = true;
  for (unsigned i = 0; i < 2; i++) remove_copied(m, i);
  return make_room(m, m->to.shard, m->from, wanted);
}

/* ---- there ---- */

/* The first leaf that is not copied. `*p` is the last one that was, or void if none was. false: there is none. */
static bool next_leaf(const struct move *m, unsigned i, rd_pos *p) {
  rd_coll old = old_tree(m, i);
  return m->tree[i].copied == 0 ? rd_tree_first(&old, p) : rd_tree_next_leaf(&old, p);
}

/* Copy the old tree's leaf at the place. */
static bool copy_leaf(struct move *m, unsigned i, rd_pos *p) {
  for (int attempt = 0;; attempt++) {
    rd_coll old = old_tree(m, i), new = new_tree(m, i);
    rd_pos last;
    if (!m->tree[i].partial)
      m->tree[i].partial = rd_tree_copy_leaf(&new, RD_AT_END, rd_leaf_at(m->st, p->leaf), rd_tree_bound(&old, p));
    if (m->tree[i].partial && rd_tree_last(&new, &last) && rd_tree_copy_blobs(&new, last.leaf, &old, p->leaf, m->takes))
      break;
    if (!prepare_next(m, attempt, new.wanted)) return false;
    if (m->tree[i].copied == 0 && !next_leaf(m, i, p)) return false; /* blocks may have moved */
  }
  m->tree[i].partial = false;
  m->tree[i].copied++;
  if (m->takes) remove_copied(m, i);
  rd_yield_whole(m->st);
  return true;
}

static bool copy_tree(struct move *m, unsigned i) {
  rd_pos p;
  while (next_leaf(m, i, &p)) {
    if (!copy_leaf(m, i, &p)) return false;
  }
  return true;
}

static bool copy_trees(struct move *m) { return copy_tree(m, 0) && (rd_trees_of(m->to.item) < 2 || copy_tree(m, 1)); }

/* The new value takes its key's place. */
static bool hook(struct move *m, int64_t expiry, rd_key_event event) {
  rd_store *st = m->st;
  bool had = rd_find_quiet(st, &m->to.key, false) != NULL; /* replaced, it counts as new, too */
  for (int attempt = 0; rd_coll_hook(&m->to, expiry, RD_EVENT_NONE) != RD_OK; attempt++) {
    if (!prepare_next(m, attempt, m->to.wanted)) return false;
    m->to.wanted = 0;
  }
  if (had) rd_notify(st, &m->to.key, RD_EVENT_NEW);
  if (event != RD_EVENT_NONE) rd_notify(st, &m->to.key, event);
  return true;
}

/* ---- and back ---- */

/* Give the old tree's first leaf the blobs of the new tree's last one, and remove that. */
static bool take_back(struct move *m, unsigned i) {
  rd_coll old = old_tree(m, i), new = new_tree(m, i);
  rd_pos p, last;
  for (int attempt = 0; rd_tree_first(&old, &p) && rd_tree_last(&new, &last); attempt++) {
    old.wanted = 0;
    if (rd_tree_copy_blobs(&old, p.leaf, &new, last.leaf, true)) {
      rd_tree_drop_leaf(&new, &last);
      rd_yield_whole(m->st);
      return true;
    }
    if (attempt == ATTEMPTS || !make_room(m, m->from, m->to.shard, old.wanted)) break;
  }
  return false;
}

static bool move_back(struct move *m, unsigned i) {
  rd_pos p;
  rd_coll new = new_tree(m, i);
  if (m->tree[i].partial && m->takes && !take_back(m, i)) return false;
  if (m->tree[i].partial && !m->takes) m->tree[i].copied++; /* the old leaf has all blobs */
  for (; m->tree[i].copied > 0 && rd_tree_last(&new, &p); m->tree[i].copied--) {
    rd_tree_drop_leaf(&new, &p);
    rd_yield_whole(m->st);
  }
  for (; m->tree[i].removed > 0 && rd_tree_last(&new, &p); m->tree[i].removed--) {
    rd_coll old = old_tree(m, i);
    for (int attempt = 0; !rd_tree_copy_leaf(&old, RD_AT_FRONT, rd_leaf_at(m->st, p.leaf), rd_tree_bound(&new, &p));
         attempt++) {
      if (attempt == ATTEMPTS || !make_room(m, m->from, m->to.shard, old.wanted)) return false;
      if (!rd_tree_last(&new, &p)) return false;
      old.wanted = 0;
    }
    if (!take_back(m, i)) return false;
  }
  return true;
}

/* ---- a value ---- */

static bool make_new(struct move *m, const rd_key *dst) {
  rd_store *st = m->st;
  const rd_item *it = rd_at(st, m->item);
  uint64_t heads = rd_item_len(it);
  rd_coll_build(&m->to, st, dst, rd_type_of(it));
  for (int attempt = 0; !rd_coll_make(&m->to, rd_item_encoding(it), heads); attempt++) {
    st->pin[1] = m->item;
    bool room = attempt < ATTEMPTS && rd_coll_reserve(&m->to);
    st->pin[1] = 0;
    if (!room) return false;
  }
  m->to.is_new = false;
  rd_mark_dirty(st, m->to.shard);
  rd_item_store(st, m->to.item, 0, NULL, heads);
  return true;
}

rd_result rd_copy_tree(rd_store *st, rd_item *it, const rd_key *src, const rd_key *dst, rd_key_event event) {
  struct move m = {.st = st, .from = rd_shard_of(st, src->hash), .item = rd_ref_of(st, it), .keeps = true};
  uint64_t bytes = rd_item_value_bytes(st, it);
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    memset(m.tree, 0, sizeof m.tree);
    if (make_new(&m, dst) && copy_trees(&m) && hook(&m, rd_item_expiry(rd_at(st, m.item)), event)) return RD_OK;
    rd_coll_abandon(&m.to);
    rd_mark_clean(st);
    st->pin[0] = m.item;
    bool room = rd_reserve_many(st, m.to.shard, bytes);
    st->pin[0] = 0;
    if (!room) break;
  }
  return RD_OOM;
}

static void finish(struct move *m) {
  rd_store *st = m->st;
  const rd_item *it = rd_at(st, m->item);
  if (rd_get_policy(st) != RD_ALLKEYS_S3FIFO) { /* S3-FIFO's stamps belong to the shard */
    rd_mark_dirty(st, m->to.shard);
    m->to.item->access = (m->to.item->access & ~RD_ACCESS_MASK) | (it->access & RD_ACCESS_MASK);
  }
  rd_mark_clean(st);
  rd_remove_item(st, m->from, m->item, RD_GONE_MOVED);
  rd_mark_clean(st);
  /* Regions whose blocks fit into the holes of others go back to the pool. */
  for (uint32_t i = 0; i < RD_LARGEST_RESERVE && st->head->pool.in_use > st->head->pool.limit; i++) {
    if (!rd_pack(st, m->from) && !rd_pack(st, m->to.shard)) break;
  }
}

rd_result rd_move_tree(rd_store *st, rd_item *it, const rd_key *src, const rd_key *dst) {
  struct move m = {.st = st, .from = rd_shard_of(st, src->hash), .item = rd_ref_of(st, it)};
  int64_t expiry = rd_item_expiry(it);
  bool borrowed = st->borrows;
  if (!rd_move_place_expiry(st, m.from, &m.item, src->hash)) return RD_OOM;
  bool done = make_new(&m, dst), whole = true;
  if (done) {
    rd_move_set_expiry(st, m.from, m.item, src->hash, RD_PASSED);
    done = copy_trees(&m) && hook(&m, expiry, RD_EVENT_NONE);
    for (unsigned i = 2; !done && i-- > 0;) whole = (i >= rd_trees_of(m.to.item) || move_back(&m, i)) && whole;
  }
  if (done) {
    finish(&m);
  } else {
    rd_coll_abandon(&m.to);
    if (whole)
      rd_move_set_expiry(st, m.from, m.item, src->hash, expiry);
    else
      rd_remove_item(st, m.from, m.item, RD_GONE_EVICTED);
  }
  st->borrows = borrowed;
  return done ? RD_OK : RD_OOM;
}
