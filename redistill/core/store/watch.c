/* watch.c - reads and compares the version counters of watched keys. */
#include "store/watch.h"

#include "arena/lock.h"
#include "store/internal.h"
#include "store/store.h"

void rd_watch_begin(rd_store *st, const rd_key *key, rd_watch *w) {
  uint32_t shard = rd_shard_of(st, key->hash);
  bool mine = rd_lock_shard(st, shard);
  rd_shard *sh = rd_shard_at(st, shard);
  const rd_item *it = rd_find_quiet(st, key, false);
  w->hash = key->hash;
  w->db = key->db;
  w->slot = rd_slot_of(st, key->db);
  w->existed = it != NULL;
  w->expiry = it != NULL ? rd_item_expiry(it) : RD_NO_EXPIRY;
  w->version = *rd_version_at(st, w->slot, w->hash);
  w->flushes = st->head->flushes[w->slot];
  w->epoch = sh->epoch;
  w->key = (rd_bytes){key->data, key->len};
  sh->watchers++;
  if (mine) rd_unlock_shard(st, shard);
}

void rd_watch_join(rd_store *st, const rd_watch *w) { rd_shard_at(st, rd_shard_of(st, w->hash))->watchers++; }

bool rd_watch_changed(rd_store *st, const rd_watch *w) {
  uint32_t shard = rd_shard_of(st, w->hash), slot = rd_slot_of(st, w->db);
  bool mine = rd_lock_shard(st, shard), changed;
  if (slot != w->slot) { /* flushed or swapped: watched keys of the old and of the new database have changed */
    rd_key key = {w->key.data, (uint32_t)w->key.len, w->db, w->hash};
    changed =
        w->existed || rd_find_quiet(st, &key, false) != NULL || *rd_version_at(st, w->slot, w->hash) != w->version;
  } else {
    changed = *rd_version_at(st, slot, w->hash) != w->version ||
              (w->existed && st->head->flushes[slot] != w->flushes) || rd_shard_at(st, shard)->epoch != w->epoch ||
              rd_expired(st, w->expiry);
  }
  if (mine) rd_unlock_shard(st, shard);
  return changed;
}

bool rd_watch_seems_changed(const rd_store *st, const rd_watch *w) {
  uint32_t slot = rd_slot_of(st, w->db);
  if (__atomic_load_n(rd_version_at(st, w->slot, w->hash), __ATOMIC_RELAXED) != w->version) return true;
  if (__atomic_load_n(&rd_shard_at(st, rd_shard_of(st, w->hash))->epoch, __ATOMIC_RELAXED) != w->epoch) return true;
  return w->existed && (slot != w->slot || __atomic_load_n(&st->head->flushes[slot], __ATOMIC_RELAXED) != w->flushes);
}

void rd_watch_end(rd_store *st, const rd_watch *w) {
  _Atomic uint32_t *watchers = &rd_shard_at(st, rd_shard_of(st, w->hash))->watchers;
  uint32_t n = atomic_load(watchers);
  while ((n & ~RD_WAITED) != 0 && !atomic_compare_exchange_weak(watchers, &n, n - 1)) continue;
}
