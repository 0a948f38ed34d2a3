/* expire.c - the sweep: frees the memory of expired keys, flushed databases and oversized indexes without a client's
 * request.
 *
 * It walks the buckets of each shard's indexes, a few at a time under the shard's lock. A bucket records which of
 * its entries have an expiry, and a coarse time before which none of them is due, so keys that live on are not read:
 * a pass over ten million keys reads their 100 MB of buckets. That time is a lower bound (an entry may have left or
 * live longer); the pass that finds it reached sets it anew. */
#include "arena/heap.h"
#include "arena/lock.h"
#include "arena/longrun.h"
#include "arena/pool.h"
#include "store/evict.h"
#include "store/grave.h"
#include "store/index.h"
#include "store/internal.h"
#include "store/item.h"
#include "store/pause.h"
#include "store/recovery.h"
#include "store/type.h"

#define STEP_BUCKETS 64u /* buckets looked at under one lock */
#define STEP_REMOVALS 128u
#define TRIM_REGIONS 16u

/* Items of one chain that are to be removed; and one with parts that have expired (type.h), 0: there is none. */
struct removals {
  rd_ref item[STEP_REMOVALS];
  uint32_t n;
  uint32_t cost; /* of these and of others in the same step, in removals of small items; STEP_REMOVALS is enough */
  rd_ref parts;
};

static void add(struct removals *c, const rd_item *it, rd_ref ref) {
  c->item[c->n++] = ref;
  c->cost += rd_takes_steps(it) ? STEP_REMOVALS : 1 + (uint32_t)(rd_item_len(it) / RD_CHUNK_DATA);
}

/* Look at the entries of a bucket that is due. Returns when it is due again. */
static int64_t look_at_bucket(rd_store *st, rd_bucket *b, uint32_t entries, struct removals *c) {
  int64_t earliest = RD_NO_EXPIRY;
  bool timed = false;
  for (uint32_t m = entries; m != 0; m &= m - 1) {
    rd_ref ref = rd_entry_ref(b, (uint32_t)__builtin_ctz(m));
    const rd_item *it = rd_at(st, ref);
    int64_t when = rd_item_expiry(it);
    if (rd_expired(st, when) && c->cost < STEP_REMOVALS) {
      add(c, it, ref);
      continue;
    }
    if (RD_UNLIKELY(rd_item_is_timed(it))) {
      int64_t due = rd_type_of(it)->due(st, it);
      timed = true;
      if (rd_expired(st, due)) c->parts = ref;
      if (due < when) when = due;
    }
    if (when < earliest) earliest = when;
  }
  if (!timed) b->bits &= (uint16_t)~RD_BUCKET_TIMED;
  return earliest;
}

static void look(rd_store *st, const rd_index *ix, uint32_t number, bool everything, struct removals *c) {
  uint32_t left = rd_chain_limit(ix);
  c->n = 0;
  c->parts = 0;
  for (rd_bucket *b = rd_index_bucket(st, ix, number); b != NULL; b = rd_chain_next(st, ix, b, &left)) {
    uint32_t entries = rd_bucket_entries(b);
    if (everything) {
      for (uint32_t m = entries; m != 0 && c->cost < STEP_REMOVALS; m &= m - 1) {
        rd_ref ref = rd_entry_ref(b, (uint32_t)__builtin_ctz(m));
        add(c, rd_at(st, ref), ref);
      }
      continue;
    }
    if ((b->bits & RD_BUCKET_TIMED) == 0) entries &= b->bits;
    if (entries == 0 || !rd_due_passed(st->now_ms, b->due)) continue;
    b->due = rd_due_of(st->now_ms, look_at_bucket(st, b, entries, c));
  }
  if (RD_UNLIKELY(left == 0)) c->n = 0; /* the chain repeats the same items */
}

/* Have all keys with an expiry in the shard looked at in its next round, wherever they are moved meanwhile. */
static void set_due(rd_store *st, rd_shard *sh) {
  for (uint32_t slot = 0; slot < RD_SLOTS; slot++) {
    const rd_index *ix = &sh->index[slot];
    for (uint32_t n = 0; (ix->with_ttl > 0 || ix->timed) && n < ix->buckets; n++) {
      uint32_t left = rd_chain_limit(ix);
      for (rd_bucket *b = rd_index_bucket(st, ix, n); b != NULL; b = rd_chain_next(st, ix, b, &left)) {
        b->due = rd_due_of(st->now_ms, 0);
      }
    }
  }
  sh->due_lost = 0;
  sh->sweep_slot = sh->sweep_bucket = 0;
}

/* Do one step in a shard, which is locked. Returns 0 if nothing was removed; *done when the shard's round has
 * ended. */
static uint32_t step(rd_store *st, uint32_t shard, bool *done) {
  rd_shard *sh = rd_shard_at(st, shard);
  bool expire = atomic_load_explicit(&st->head->active_expire, memory_order_relaxed) != 0 && !rd_paused(st);
  uint32_t removed = 0;
  *done = false;
  if (RD_UNLIKELY(sh->due_lost)) set_due(st, sh);
  for (uint32_t looked = 0; looked < STEP_BUCKETS && removed < STEP_REMOVALS;) {
    if (sh->sweep_slot >= RD_SLOTS) {
      sh->sweep_slot = 0;
      sh->sweep_bucket = 0;
      *done = true;
      return removed;
    }
    uint32_t slot = sh->sweep_slot;
    const rd_index *ix = &sh->index[slot];
    bool live = slot != RD_KEPT_SLOT && rd_slot_is_live(st, slot); /* no command runs: kept items are removed */
    bool wanted = live ? (ix->with_ttl > 0 || ix->timed) && expire : ix->count > 0;
    if (!wanted || sh->sweep_bucket >= ix->buckets) {
      sh->sweep_slot++;
      sh->sweep_bucket = 0;
      continue;
    }
    struct removals c;
    c.cost = removed;
    look(st, ix, sh->sweep_bucket, !live, &c);
    uint32_t gone = 0;
    if (RD_UNLIKELY(c.parts != 0)) { /* before the removals, which may change the bucket */
      rd_item *it = rd_at(st, c.parts);
      gone = rd_type_of(it)->expire(st, it, STEP_REMOVALS / 2);
      removed += gone;
      c.n = 0; /* the value may have moved: the next step sees the other items */
    }
    if (c.n > 0) removed = c.cost;
    for (uint32_t i = 0; i < c.n; i++) {
      gone += rd_remove_item(st, shard, c.item[i], live ? RD_GONE_EXPIRED : RD_GONE_FLUSHED);
    }
    looked++;
    /* Removals let the index shrink: the bucket may have got the entries of another one. */
    if (gone == 0) sh->sweep_bucket++;
  }
  return removed;
}

void rd_drain_slot_of(rd_store *st, uint32_t shard, uint32_t slot) {
  const rd_index *ix = &rd_shard_at(st, shard)->index[slot];
  while (ix->count > 0) {
    struct removals c;
    uint32_t gone = 0;
    c.n = c.cost = 0; /* there may be no bucket */
    /* Search from the end. If the last bucket is empty, take any bucket that has a key. */
    for (uint32_t b = ix->buckets; b-- > 0 && c.n == 0;) look(st, ix, b, true, &c);
    for (uint32_t i = 0; i < c.n; i++) gone += rd_remove_item(st, shard, c.item[i], RD_GONE_FLUSHED);
    rd_yield_whole(st);
    if (gone > 0) continue;
    rd_suspect(st, shard); /* the index counts keys that it does not have */
    return;
  }
}

void rd_drain_slot(rd_store *st, uint32_t slot) {
  for (uint32_t shard = 0; shard < st->num_shards; shard++) rd_drain_slot_of(st, shard, slot);
}

/* The wall clock was set, or the machine slept: due times may have wrapped around, and are then invalid. */
static void check_clock_step(rd_store *st, uint32_t first, uint32_t last) {
  uint64_t before = st->swept_ms, now = st->now_ms;
  bool all = true;
  if (before != 0 && (now >= before ? now - before : before - now) >= RD_DUE_AHEAD_MS) {
    for (uint32_t i = first; i < last; i++) {
      int mine = rd_trylock_shard(st, i);
      all &= mine >= 0;
      if (mine >= 0) rd_shard_at(st, i)->due_lost = 1;
      if (mine > 0) rd_unlock_shard(st, i);
    }
  }
  if (all) st->swept_ms = now; /* else the next sweep tries it again */
}

bool rd_sweep(rd_store *st, uint32_t first, uint32_t last, uint64_t budget_ns) {
  if (last > st->num_shards) last = st->num_shards;
  if (first >= last) return true;
  check_clock_step(st, first, last);
  uint64_t start = st->clock != NULL ? st->clock() : 0;
  rd_pool_retry(st);
  rd_pool_trim_step(st, TRIM_REGIONS);
  do {
    if (st->sweep_shard < first || st->sweep_shard >= last) st->sweep_shard = first;
    uint32_t shard = st->sweep_shard;
    bool done;
    int mine = rd_trylock_shard(st, shard);
    uint32_t removed = 0;
    if (mine < 0) /* another process has the lock, perhaps for long: try it next time */
      done = true;
    else
      removed = step(st, shard, &done);
    if (mine > 0) rd_unlock_shard(st, shard);
    if (done) st->sweep_shard++;
    st->sweep_idle = removed > 0 ? 0 : st->sweep_idle + done;
    if (st->sweep_idle >= last - first) break;
  } while (st->clock != NULL && st->clock() - start < budget_ns);
  if (st->clock != NULL) rd_count_stat(st, RD_STAT_expire_cycle_ns, st->clock() - start);
  if (st->sweep_idle < last - first) return false;
  st->sweep_idle = 0;
  return st->head->pool.trim >= st->head->pool.fresh;
}
