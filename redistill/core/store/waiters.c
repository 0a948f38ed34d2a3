/* waiters.c - notes changed keys for which clients wait. */
#include "store/waiters.h"

#include <stdlib.h>

#include "arena/memory.h"
#include "store/internal.h"

enum { PIECE = 64 << 10 };

/* ---- changed keys ---- */

static rd_ready *ready_of(rd_store *st) {
  if (st->ready == NULL) st->ready = calloc(1, sizeof *st->ready);
  if (st->ready == NULL) st->waits_missed = true;
  return st->ready;
}

void rd_note_all_waited(rd_store *st) {
  if (st->serve_waiting == NULL) return; /* a process without clients: a worker will look at its next change */
  rd_ready *r = ready_of(st);
  if (r == NULL) return;
  r->all = true;
  st->before_release = st->serve_waiting;
}

static bool is_noted(rd_ready *r, const rd_key *key) {
  for (uint32_t i = r->count; i-- > 0;) {
    rd_ready_key *k = &r->key[i];
    if (k->hash != key->hash || k->len != key->len || memcmp(k->name, key->data, key->len) != 0) continue;
    k->dbs |= 1u << key->db;
    return true;
  }
  return false;
}

static void note(rd_store *st, const rd_key *key) {
  rd_ready *r = ready_of(st);
  if (r == NULL || r->all || st->serve_waiting == NULL || is_noted(r, key)) return;
  uint8_t *name = r->count < RD_READY_KEYS ? malloc((size_t)key->len + 1) : NULL;
  st->before_release = st->serve_waiting;
  if (name == NULL) {
    r->all = true;
    return;
  }
  if (key->len != 0) memcpy(name, key->data, key->len);
  r->key[r->count++] = (rd_ready_key){key->hash, key->len, 1u << key->db, name};
}

void rd_note_waited(rd_store *st, const rd_key *key) {
  rd_place place;
  const rd_index *ix = &rd_shard_at(st, rd_shard_of(st, key->hash))->index[RD_WAIT_SLOT];
  if (ix->count != 0 && rd_index_find(st, ix, key, &place)) note(st, key);
}

void rd_note_gone(rd_store *st, uint32_t slot, const rd_item *it, uint64_t hash) {
  unsigned db = 0;
  while (db < RD_DATABASES && rd_slot_of(st, db) != slot) db++;
  if (slot == RD_WAIT_SLOT || db == RD_DATABASES) return;
  uint8_t small[256];
  uint32_t len = rd_item_key_len(it);
  uint8_t *name = len <= sizeof small ? small : malloc(len);
  if (name == NULL) {
    rd_note_all_waited(st);
    return;
  }
  rd_item_key(st, it, name);
  rd_note_waited(st, &(rd_key){name, len, db, hash});
  if (name != small) free(name);
}

void rd_touch_watched(rd_store *st, uint32_t shard, uint32_t slot, uint64_t hash, const rd_key *key) {
  ++*rd_version_at(st, slot, hash);
  if (key != NULL && rd_has_queues(st, shard) && !rd_slot_stays(slot)) rd_note_waited(st, key);
}

void rd_ready_clear(rd_store *st) {
  rd_ready *r = st->ready;
  for (uint32_t i = 0; i < r->count; i++) free(r->key[i].name);
  r->count = 0;
  r->all = false;
}

void rd_ready_free(rd_store *st) {
  if (st->ready != NULL) rd_ready_clear(st);
  free(st->ready);
  st->ready = NULL;
}

void rd_mark_waited(rd_store *st, uint32_t shard) {
  rd_shard *sh = rd_shard_at(st, shard);
  if (sh->index[RD_WAIT_SLOT].count != 0)
    atomic_fetch_or(&sh->watchers, RD_WAITED);
  else
    atomic_fetch_and(&sh->watchers, ~RD_WAITED);
}

/* ---- tickets ---- */

_Atomic uint64_t *rd_ticket_at(const rd_store *st, uint32_t place, uint32_t index) {
  if (place >= RD_MAX_WORKERS || !rd_worker_used(st, place)) return NULL;
  rd_worker *w = rd_worker_at(st, place);
  if ((uint64_t)index * sizeof w->tickets[0] >= atomic_load(&w->tickets_backed)) return NULL;
  return index < RD_TICKETS ? &w->tickets[index] : NULL;
}

bool rd_ticket_back(rd_store *st, uint32_t index) {
  rd_worker *w = st->worker;
  if (index >= RD_TICKETS) return false;
  uint32_t have = atomic_load(&w->tickets_backed), at = index * (uint32_t)sizeof w->tickets[0];
  if (at < have) return true;
  if (!rd_back(st, rd_ref_of(st, (const void *)w->tickets) + have, PIECE)) return false;
  atomic_store(&w->tickets_backed, have + PIECE);
  rd_fit_pool(st);
  return true;
}
