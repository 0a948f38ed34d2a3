/* recovery.c - verifies a shard when it is locked, and all shards when a run begins. */
#include "store/recovery.h"

#include "arena/heap.h"
#include "arena/lock.h"
#include "arena/pool.h"
#include "store/check.h"
#include "store/index.h"
#include "store/waiters.h"

static void empty_damaged(rd_store *st, uint32_t shard) {
  rd_empty_shard(st, shard);
  rd_count_stat(st, RD_STAT_shards_lost, 1);
}

/* The shard is marked dirty while it is verified: if the process dies of it, or is killed because it takes for ever,
 * the shard is emptied. */
void rd_verify_shard(rd_store *st, uint32_t shard) {
  rd_shard *sh = rd_shard_at(st, shard);
  uint32_t doubt = atomic_load(&st->head->doubt);
  bool suspect = sh->checked == RD_SUSPECT, paused = sh->dirty == RD_SHARD_PAUSED;
  uint32_t outer = st->dirty;
  sh->dirty = RD_SHARD_DIRTY;
  st->dirty = shard + 1;
  RD_COMPILER_BARRIER();
  if (paused ? !rd_shard_mend(st, shard) : !rd_shard_is_whole(st, shard, NULL, 0)) {
    empty_damaged(st, shard);
    if (suspect) rd_doubt(st);
  }
  rd_mark_waited(st, shard); /* it may have died between a queue's change and this */
  if (sh->index[RD_WAIT_SLOT].count != 0) rd_note_all_waited(st); /* the dead process may have given them nothing yet */
  sh->checked = doubt;
  RD_COMPILER_BARRIER();
  sh->dirty = RD_SHARD_CLEAN;
  st->dirty = outer;
}

/* ---- when a run begins ---- */

static bool is_owned(const rd_store *st, uint32_t shard, rd_ref ref) {
  return ref >= st->head->body_at && ref < st->size && ref % RD_GRANULE == 0 && (ref & (RD_REGION_SIZE - 1)) != 0 &&
         st->regions[rd_region_of(st, ref)].owner == shard + 1;
}

/* True if the list matches the table: `owned` regions, each once. */
static bool regions_are_sound(const rd_store *st, uint32_t shard, uint32_t owned) {
  const rd_heap *h = &rd_shard_at(st, shard)->heap;
  uint32_t seen = 0, before = 0;
  for (uint32_t i = h->first_region; i != 0; i = st->regions[i - 1].next) {
    if (i > st->head->pool.fresh || seen == owned) return false;
    const rd_region *r = &st->regions[i - 1];
    if (r->owner != shard + 1 || r->prev != before) return false;
    before = i;
    seen++;
  }
  return seen == owned && h->regions == owned;
}

static bool free_lists_are_sound(const rd_store *st, uint32_t shard) {
  const rd_heap *h = &rd_shard_at(st, shard)->heap;
  if (h->rows >> RD_FREE_ROWS != 0) return false;
  for (uint32_t row = 0; row < RD_FREE_ROWS; row++) {
    if ((h->cols[row] != 0) != (h->rows >> row & 1)) return false;
    for (uint32_t col = 0; col < RD_FREE_COLS; col++) {
      rd_ref ref = h->free[row][col];
      if ((ref != 0) != (h->cols[row] >> col & 1)) return false;
      if (ref != 0 && !is_owned(st, shard, ref)) return false;
    }
  }
  return true;
}

static bool index_is_sound(const rd_store *st, uint32_t shard, uint32_t slot) {
  const rd_index *ix = &rd_shard_at(st, shard)->index[slot];
  if (ix->with_ttl > ix->count || (uint64_t)ix->count * RD_MIN_BLOCK > rd_shard_at(st, shard)->heap.used) return false;
  if (ix->root == 0 || ix->buckets == 0) return ix->root == 0 && ix->buckets == 0 && ix->count == 0;
  if (ix->height != rd_index_height(ix->buckets) || !is_owned(st, shard, ix->root)) return false;
  return rd_blk_kind(*rd_blk_at(st, ix->root)) == (ix->height == 0 ? RD_SEGMENT : RD_DIR);
}

/* Verify the words of the shard, and one block of each index. */
static bool shard_is_sound(const rd_store *st, uint32_t shard, uint32_t owned) {
  const rd_shard *sh = rd_shard_at(st, shard);
  if (!regions_are_sound(st, shard, owned) || !free_lists_are_sound(st, shard)) return false;
  if (sh->heap.used > (uint64_t)owned * RD_REGION_SIZE || sh->ghosts > RD_GHOST_BLOCKS) return false;
  for (uint32_t i = 0; i < sh->ghosts; i++) {
    if (!is_owned(st, shard, sh->ghost[i])) return false;
  }
  for (uint32_t slot = 0; slot < RD_SLOTS; slot++) {
    if (!index_is_sound(st, shard, slot)) return false;
  }
  return true;
}

/* True if a process died with the lock: the kernel leaves the lock's word other than 0. */
static bool was_held(const pthread_mutex_t *lock) { return lock->__data.__lock != 0; }

/* Each step can be repeated: if a process dies here, the next one does all of it again. */
void rd_recover(rd_store *st) {
  uint32_t owned[RD_MAX_SHARDS] = {0};
  bool in_doubt = false; /* true if the reason why the last process died is unknown */
  for (uint32_t i = 0; i < st->num_shards; i++) {
    in_doubt |=
        was_held(&st->shards[i].lock) || st->shards[i].dirty != RD_SHARD_CLEAN || st->shards[i].checked == RD_SUSPECT;
  }
  if (in_doubt) rd_doubt(st);
  rd_renew_locks(st);
  for (uint32_t i = 0; i < st->head->pool.fresh; i++) {
    rd_region *r = &st->regions[i];
    if (r->owner > st->num_shards) r->owner = 0;
    if (r->owner != 0) owned[r->owner - 1]++;
    if (r->owner == 0) r->prev = 0; /* a file can have lost pages: they must be reserved again */
  }
  rd_pool_recover(st);
  for (uint32_t i = 0; i < st->num_shards; i++) {
    rd_shard *sh = rd_shard_at(st, i);
    bool sound = shard_is_sound(st, i, owned[i]);
    if (!sound && !in_doubt) rd_doubt(st);
    in_doubt |= !sound;
    if ((sh->dirty == RD_SHARD_CLEAN || sh->dirty == RD_SHARD_PAUSED) && sound)
      continue; /* in_doubt: the next owner mends it */
    empty_damaged(st, i);
    RD_COMPILER_BARRIER();
    sh->dirty = RD_SHARD_CLEAN;
  }
}
