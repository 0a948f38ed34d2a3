/* run.c - opens a store, and resets what the last run left. */
#include "store/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena/layout.h"
#include "arena/lock.h"
#include "arena/longrun.h"
#include "arena/memory.h"
#include "arena/ring.h"
#include "store/index.h"
#include "store/recovery.h"
#include "store/undo.h"
#include "store/waiters.h"
#include "wire/reply.h"

/* Reset the blocks of the workers, which have all ended, to those of a new arena. The first block is in use already. */
static void renew_workers(rd_store *st) {
  uint64_t first = st->head->workers_at + RD_WORKER_HEAD, len = RD_MAX_WORKERS * sizeof(rd_worker) - RD_WORKER_HEAD;
  memset(st->base + st->head->workers_at, 0, RD_WORKER_HEAD);
  if (fallocate(st->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)first, (off_t)len) != 0) {
    for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
      if (rd_worker_used(st, i)) memset(rd_worker_at(st, i), 0, offsetof(rd_worker, ring_bytes));
    }
  }
}

/* Reset the words of the header that belong to a run to those of a new arena. */
static void renew_header(rd_store *st) {
  rd_header *h = st->head;
  atomic_store(&h->pause, 0);
  atomic_store(&h->pause_until, 0);
  atomic_store(&h->active_expire, 1);
  atomic_store(&h->generation, 0);
  st->generation = 0;
  atomic_store(&h->workers_used, 1);
  atomic_store(&h->monitors, 0);
  atomic_store(&h->subscribers, 0);
  atomic_store(&h->trackers, 0);
  atomic_fetch_and(&h->notify, ~RD_NOTIFY_TRACKED);
  for (uint32_t i = 0; i < RD_ROLL_KINDS; i++) atomic_store(&h->distinct[i], 0);
  h->published = 0;
  atomic_store(&h->reaped, 1); /* the waiters of the last run are gone */
  atomic_store(&h->gone_user_us, 0);
  atomic_store(&h->gone_system_us, 0);
  h->admission.full_at = 0;
  h->pool.system_limit = UINT32_MAX;
}

/* No other process uses the arena: reset the fields of the last run, and empty what a death left torn. */
static void begin_run(rd_store *st) {
  renew_workers(st);
  renew_header(st);
  rd_recover(st);
  for (uint32_t i = 0; i < st->num_shards; i++) {
    st->shards[i].due_lost = 1; /* the times may have wrapped around since the last run */
    st->shards[i].watchers = st->shards[i].index[RD_WAIT_SLOT].count != 0 ? RD_WAITED : 0;
  }
  atomic_store(&st->head->peak_memory, rd_used_memory(st));
  rd_fit_pool(st);
  st->began = true;
}

int rd_create(rd_store *st, int fd, const rd_options *options, char *err, size_t errlen) {
  if (rd_arena_make(st, fd, options, err, errlen) != 0) return -1;
  st->verify_shard = rd_verify_shard;
  st->item_of = rd_index_item_of;
  return 0;
}

static int attach(rd_store *st, int fd, bool alone, char *err, size_t errlen) {
  if (rd_arena_map(st, fd, err, errlen) != 0) return -1;
  st->verify_shard = rd_verify_shard;
  st->item_of = rd_index_item_of;
  if (alone || !rd_worker_others(st)) {
    if (!rd_back_tables(st)) {
      snprintf(err, errlen, "no memory for its tables: %s", strerror(errno));
      rd_detach(st);
      return -1;
    }
    begin_run(st);
    return 0;
  }
  for (uint32_t i = 0; i < st->num_shards; i++) rd_recover_lock(st, i); /* count the shards that were lost */
  return 0;
}

int rd_attach(rd_store *st, int fd, char *err, size_t errlen) { return attach(st, fd, false, err, errlen); }
int rd_attach_alone(rd_store *st, int fd, char *err, size_t errlen) { return attach(st, fd, true, err, errlen); }

void rd_detach(rd_store *st) {
  if (st->monitored != NULL) rd_reply_free(st->monitored);
  free(st->monitored);
  if (st->events != NULL) rd_reply_free(st->events);
  free(st->events);
  if (st->changed != NULL) rd_reply_free(st->changed);
  free(st->changed);
  if (st->forget_waiting != NULL) st->forget_waiting(st);
  if (st->forget_scripts != NULL) st->forget_scripts(st);
  rd_ready_free(st);
  rd_longrun_forget_spare(st);
  rd_undo_forget_spare(st);
  rd_ring_forget(st);
  rd_arena_unmap(st);
}
