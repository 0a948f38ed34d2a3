/* waiters.h - changed keys for which clients wait, and the tickets of those who wait.
 *
 * A client waits in the queue of each of its keys. The queue is a value in the key's shard, with the key's name, in an
 * index slot of its own (RD_WAIT_SLOT, session/queue.h), so it is verified, moved and counted like any value. It is
 * never evicted, and FLUSHALL leaves it. A bit beside the shard's number of watches (RD_WAITED) says that it has a
 * queue, so a change of a key costs nothing more than before where nobody waits.
 *
 * rd_touched notes a changed key that has a queue. Before a shard's lock is released the clients of the noted keys
 * are served (rd_store.serve_waiting, before_release).
 *
 * A wait has one ticket, whatever the number of its keys: a word in the block of its worker that holds the wait's
 * number. Whoever gives something to the waiter, or ends the wait, changes that word by compare-and-swap. So one of
 * them wins, without a common lock. */
#ifndef RD_WAITERS_H
#define RD_WAITERS_H

#include "arena/layout.h"

/* ---- changed keys ---- */

#define RD_READY_KEYS 64u /* keys that are noted; beyond that all queues of the locked shards are looked at */

typedef struct rd_ready_key {
  uint64_t hash;
  uint32_t len;
  uint32_t dbs; /* bit i: in database i */
  uint8_t *name;
} rd_ready_key;

typedef struct rd_ready {
  uint32_t count;
  bool all; /* any key of the locked shards may have changed */
  rd_ready_key key[RD_READY_KEYS];
} rd_ready;

/* Have all queues of the locked shards looked at before a lock is released. Without memory st->waits_missed is set, and
 * all queues are looked at within a second (rd_waits_tend). */
void rd_note_all_waited(rd_store *st);
void rd_ready_clear(rd_store *st);
void rd_ready_free(rd_store *st);
/* True if the shard has a queue. Without its lock the answer may be old. */
static inline bool rd_has_queues(const rd_store *store, uint32_t shard) {
  return (atomic_load_explicit(&rd_shard_at(store, shard)->watchers, memory_order_relaxed) & RD_WAITED) != 0;
}
/* Set RD_WAITED if the locked shard has a queue, else clear it. */
void rd_mark_waited(rd_store *st, uint32_t shard);

/* ---- tickets ---- */

typedef enum rd_ticket_state {
  RD_TICKET_FREE = 0,
  RD_TICKET_WAITS = 1,
  RD_TICKET_SERVED = 2, /* what it gets is in a queue of `shard` */
  RD_TICKET_MIXED = 3,  /* it waits, and one of its keys has had a value of another type meanwhile */
} rd_ticket_state;

/* The number of the wait: 48 bits, the shard: 12, the state: 4. */
static inline uint64_t rd_ticket_word(uint64_t number, uint32_t shard, rd_ticket_state state) {
  return number << 16 | (uint64_t)shard << 4 | (uint64_t)state;
}
static inline uint64_t rd_ticket_number(uint64_t word) { return word >> 16; }
static inline uint32_t rd_ticket_shard(uint64_t word) { return (uint32_t)(word >> 4) & (RD_MAX_SHARDS - 1); }
static inline rd_ticket_state rd_ticket_state_of(uint64_t word) { return (rd_ticket_state)(word & 15); }
static inline bool rd_ticket_waits(uint64_t word, uint64_t number) {
  rd_ticket_state state = rd_ticket_state_of(word);
  return rd_ticket_number(word) == (number & ((1ull << 48) - 1)) &&
         (state == RD_TICKET_WAITS || state == RD_TICKET_MIXED);
}
/* Give the ticket of a wait that has not ended the word `to`; *was is its word before. False: the wait has ended. */
static inline bool rd_ticket_take(_Atomic uint64_t *ticket, uint64_t number, uint64_t to, uint64_t *was) {
  *was = atomic_load(ticket);
  while (rd_ticket_waits(*was, number)) {
    if (atomic_compare_exchange_weak(ticket, was, to)) return true;
  }
  return false;
}

/* NULL: there is no such ticket, since its worker has ended. */
_Atomic uint64_t *rd_ticket_at(const rd_store *st, uint32_t place, uint32_t index);
/* Have the system give memory for the own ticket. False: it has none. */
bool rd_ticket_back(rd_store *st, uint32_t index);

#endif
