/* waits.h - the waits of this process's sessions, for blocking.c and serving.c. */
#ifndef RD_WAITS_H
#define RD_WAITS_H

#include "session/internal.h"
#include "session/queue.h"

typedef struct rd_wait_key {
  uint64_t hash, epoch; /* of its shard, when the entry was added */
  uint32_t len;
  bool queued; /* the queue has an entry of this wait, or what it was given */
  const uint8_t *name;
} rd_wait_key;

/* A wait. When it has ended it stays until its entries in all queues are removed. */
typedef struct rd_wait {
  rd_session *s; /* NULL: it has ended */
  bool no_room;  /* what it was given could not be put back: tried again in rd_waits_tend */
  struct rd_wait *next, *before;
  uint64_t number, bytes;
  uint32_t index; /* of its ticket */
  uint32_t type, db;
  uint32_t in_vain; /* rd_vain */
  uint32_t keys;
  rd_wait_key key[];
} rd_wait;

typedef struct rd_waits {
  rd_wait **at; /* by ticket */
  uint32_t cap, used, *unused, unused_count;
  rd_wait *active, *ended;
  uint32_t count;  /* active ones */
  bool settles;    /* an active one was given something that could not be taken yet */
  uint64_t losses; /* the sum of all shards' epochs, when queues were last looked at */
  uint64_t reaped; /* rd_header.reaped, when all queues were last cleaned */
  struct rd_gift *gift;
} rd_waits;

/* The waits of this process. The first call makes the table. NULL: no memory. */
rd_waits *rd_waits_of(rd_store *st);
static inline uint32_t rd_own_place(const rd_store *st) { return (uint32_t)(st->worker - rd_worker_at(st, 0)); }
static inline rd_key rd_wait_name(const rd_wait_key *k) { return (rd_key){k->name, k->len, RD_WAIT_DB, k->hash}; }
static inline rd_wait *rd_wait_at(const rd_store *st, uint32_t index, uint64_t number) {
  rd_wait *w = st->waits != NULL && index < st->waits->used ? st->waits->at[index] : NULL;
  return w != NULL && w->number == number ? w : NULL;
}

/* The wait has a reply, `answered`, or the command runs again: the session goes on. */
void rd_wait_ended(rd_wait *w, bool answered);
/* Append a reply to the session's output, or suppress it as the client wants. */
rd_reply *rd_wait_output(rd_session *s);
/* The wait of another worker, or of this one, has been given something, or should try again. */
void rd_wait_wake(rd_store *st, const rd_waiter *waiter);
/* Clean all queues of what dead workers left. False: a shard is in use, or there is no memory. */
bool rd_queues_clean(rd_store *st);
/* Remove the ended wait's entry of a key, and put back what it was given. The shard is locked. False: there is no room
 * for what it was given, and nothing is changed. */
bool rd_wait_remove(rd_store *st, const rd_key *name, uint32_t type, uint32_t db, uint64_t number, uint32_t place,
                    uint32_t index);

#endif
