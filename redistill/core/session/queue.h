/* queue.h - the queue of a key: those who wait for it, over all workers, and what they were given.
 *
 * It is a sorted set with the key's name in the database RD_WAIT_DB. The score of an entry is the class of its wait
 * (the type and the database of the key) and then the wait's number, so those of a class are in the order of arrival,
 * and a client that is handed over, or whose shard was lost, takes its old place again. A member is a waiter (below)
 * and the arguments of its command for this key alone.
 *
 * An element for a client of another worker is an entry with the opposite score, and the reply in place of the
 * arguments, until that worker takes it. It is put there before the element is removed, and the waiting entry is
 * removed behind that. So what is given counts only if the waiting entry is gone.
 *
 * The key's shard is locked in all calls. */
#ifndef RD_QUEUE_H
#define RD_QUEUE_H

#include "store/waiters.h"
#include "types/zset.h"

enum {
  RD_WAITER_RESP3 = 1 << 1,
  RD_WAITER_GIVEN = 1 << 2,    /* the reply follows in place of the arguments */
  RD_WAITER_FROM_END = 1 << 3, /* rd_waiting.from_end, .moves */
  RD_WAITER_MOVES = 1 << 4,
  RD_WAITER_COUNTS = 1 << 5, /* rd_waiting.counts */
  RD_WAITER_MORE = 1 << 6,   /* the wait has later keys */
  RD_WAITER_GONE = 1 << 7,   /* rd_waiting.gone */
};

typedef struct rd_waiter {
  uint64_t number; /* of the wait: rd_next(RD_SEQ_WAIT) */
  uint32_t index;  /* of its ticket, in the block ... */
  uint8_t place;   /* ... of its worker */
  uint8_t db;
  uint8_t type;     /* rd_type of the value that it waits for */
  uint8_t flags;    /* RD_WAITER_... */
  uint16_t command; /* id */
  uint16_t key_at;  /* the place of the key among the arguments; its bytes are the queue's name */
  uint32_t argc;
  uint32_t order; /* the place of the key among those of the wait */
  uint32_t spare;
} rd_waiter;

/* The highest number of a wait: 46 bits. With types, 3, and databases, 4, that is what a double has: 53. */
#define RD_WAIT_LAST ((1ull << 46) - 1)
static inline double rd_queue_score(uint32_t type, uint32_t db, uint64_t number) {
  return (double)((uint64_t)(type & 7) << 50 | (uint64_t)(db & 15) << 46 | (number & RD_WAIT_LAST));
}
static inline double rd_waiter_score(const rd_waiter *w) { return rd_queue_score(w->type, w->db, w->number); }

/* A member, as bytes. */
typedef struct rd_member {
  rd_waiter head;
  uint8_t *bytes; /* behind the head; malloc'd */
  size_t len;
} rd_member;

/* Add an entry, making room for it. False: there is no room. */
bool rd_queue_put(rd_store *st, const rd_key *name, double score, const rd_waiter *head, rd_bytes rest);
/* Read the first entry whose score is not below `score`. False: there is none. The caller frees m->bytes. `m->bytes`
 * NULL: no memory. */
bool rd_queue_next(rd_store *st, const rd_key *name, double score, rd_member *m);
/* The same without the bytes behind the head; needs no memory. */
bool rd_queue_peek(rd_store *st, const rd_key *name, double score, rd_waiter *head);
/* True if the queue has an entry with this score of the wait with this ticket. */
bool rd_queue_has(rd_store *st, const rd_key *name, double score, uint32_t place, uint32_t index);
/* Remove the entries with this score of the wait with this ticket. */
void rd_queue_remove(rd_store *st, const rd_key *name, double score, uint32_t place, uint32_t index);

#endif
