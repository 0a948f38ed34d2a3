/* secrets.c - counts the use of each password. The table of passwords is in the header, under the lock of admission;
 * the count of open connections is in each worker's block, so that a dead worker's connections no longer count. */
#include "arena/secrets.h"

#include "arena/layout.h"

#define NONE RD_SECRETS

static uint64_t connections(const rd_store *st, uint32_t place) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
    if (rd_worker_used(st, i)) sum += atomic_load_explicit(&rd_worker_at(st, i)->secret[place], memory_order_relaxed);
  }
  return sum;
}

static uint32_t find(const rd_store *st, uint64_t id) {
  uint32_t i = 0;
  while (i < RD_SECRETS && atomic_load_explicit(&st->head->secret[i].id, memory_order_relaxed) != id) i++;
  return i;
}

/* Make room for a new secret: a free place, or that of the secret which has no connection and was used least
 * recently. */
static uint32_t make_room(rd_store *st) {
  uint32_t found = NONE;
  for (uint32_t i = 0; i < RD_SECRETS; i++) {
    const rd_secret *secret = &st->head->secret[i];
    if (secret->id == 0) return i;
    if (connections(st, i) == 0 && (found == NONE || secret->last_used_ms < st->head->secret[found].last_used_ms)) {
      found = i;
    }
  }
  return found;
}

void rd_secret_enter(rd_store *st, uint64_t id, uint64_t now_ms) {
  if (id == 0) return;
  rd_admission_lock(st);
  uint32_t place = find(st, id);
  if (place == NONE && (place = make_room(st)) != NONE) {
    st->head->secret[place].uses = 0;
    st->head->secret[place].last_used_ms = 0;
    st->head->secret[place].id = id;
  }
  if (place != NONE) {
    if (now_ms != 0) {
      st->head->secret[place].last_used_ms = now_ms;
      st->head->secret[place].uses++;
    }
    st->worker->secret[place]++;
  }
  rd_admission_unlock(st);
}

void rd_secret_leave(rd_store *st, uint64_t id) {
  rd_admission_lock(st);
  uint32_t place = find(st, id);
  if (id != 0 && place != NONE && st->worker->secret[place] != 0) st->worker->secret[place]--;
  rd_admission_unlock(st);
}

bool rd_secret_info(const rd_store *st, uint32_t i, rd_secret_figures *figures) {
  const rd_secret *secret = &st->head->secret[i];
  *figures = (rd_secret_figures){secret->id, secret->last_used_ms, secret->uses, connections(st, i)};
  return figures->id != 0;
}
