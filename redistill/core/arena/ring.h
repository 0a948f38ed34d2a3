/* ring.h - messages from any process of the arena to one of them.
 *
 * The block of each process has a ring of RD_RING_BYTES. Many processes write to it; only its owner reads it:
 *
 *        head               tail
 *     ....|record|record|rec.|....      both count bytes since the arena was made; a byte's place is its number
 *          ^ the owner's      ^ the writers'                                    modulo RD_RING_BYTES, so records wrap
 *
 * A record is a head of eight bytes and its payload. The first write takes the ring's memory from the system, and it
 * then counts as fixed memory. The memory is given back when no process has written for RD_RING_REST_MS, or the owner
 * has ended. With one worker no ring has memory.
 *
 * Crashes. A writer holds the ring's lock, which is robust, for the time of a copy, and moves the tail last. So the
 * reader sees only whole records, whatever a writer died of. The next writer overwrites the dead one's unfinished
 * record, so no repair is needed. A writer that was stopped while it held the lock makes another one wait once, for
 * RD_LOCK_WAIT_NS; from then on that one only tries. rd_lock_owner names the stopped one, and the supervisor ends it. A
 * new owner begins with an empty ring. The reader trusts no word: an invalid record empties the ring
 * (`rd_store.rings_reset` counts that), and each length is read once.
 *
 * Waking. The owner is marked awake as long as it looks at the ring before it sleeps, so writers to a busy owner make
 * no system call. After the owner is marked asleep, the first writer writes its eventfd (rd_store.wakers). A writer
 * that dies between its record and the eventfd leaves the owner asleep until the owner's next turn: a worker has one
 * every tenth of a second.
 *
 * Loss. When the ring is full, rd_ring_send keeps records in private memory, in order, up to a bound that the caller
 * names. rd_ring_flush, once a turn of the loop, tries again; while records are kept, the loop sleeps for some
 * milliseconds only. So a sender never waits, and the records of one sender arrive in the order of sending. The sender
 * is told when the bound is reached, or the limit on all clients' buffers, with which kept records count: MONITOR then
 * drops lines; a sender that must not lose records has to give up their subject (close the slow subscriber, have the
 * receiver drop all that it has cached). Whatever the bound, records that were sent to a process are lost when it ends.
 *
 * A ring's lock is taken last: no other lock of the arena is taken under it. */
#ifndef RD_RING_H
#define RD_RING_H

#include "arena/arena.h"

/* python: begin */

#define RD_RING_BYTES (1u << 20)
#define RD_RING_HEAD 8u                                /* bytes of a record besides its payload */
#define RD_RING_LARGEST (RD_RING_BYTES - RD_RING_HEAD) /* bytes of a payload */

#define RD_RING_REST_MS 10000u

/* The kind of a record. A reader ignores unknown kinds. */
typedef enum rd_record_kind {
  RD_RECORD_MONITOR = 1, /* whole lines of MONITOR */
  RD_RECORD_MESSAGE = 2, /* a message to subscribers, or a part of one: session/delivery.c */
  RD_RECORD_MOVED = 3,   /* a subscriber has gone on in another worker: session/moved.c */
  RD_RECORD_LATE = 4,    /* its messages that came meanwhile */
  RD_RECORD_PAUSE = 5,   /* CLIENT PAUSE has changed: session/blocked.c */
  RD_RECORD_WAKE = 6,    /* a client that waits was given something: session/blocking.c */
  RD_RECORD_CHANGED = 7, /* keys that have changed: session/tracking.h */
  RD_RECORD_FLUSHED = 8, /* whole databases have changed */
} rd_record_kind;

/* ---- writing: any process that has joined ---- */

typedef enum rd_sent {
  RD_SENT,      /* the record is in the ring */
  RD_SENT_KEPT, /* rd_ring_send only: it is kept here; rd_ring_flush sends it */
  RD_SENT_FULL, /* no room now, no memory, or another process was writing for too long */
  RD_SENT_LOST, /* not sent: larger than RD_RING_LARGEST, or the bound on kept bytes is reached */
  RD_SENT_GONE, /* no process has that block */
} rd_sent;

/* Write a whole record to the ring of block `place`, or write nothing: RD_SENT, _FULL, _LOST or _GONE. */
rd_sent rd_ring_put(rd_store *st, uint32_t place, rd_record_kind kind, const void *data, size_t len);
/* The same, but after the records kept for that block. A record that finds no room is kept; at most `bound` bytes may
 * be kept for the block. RD_SENT, _KEPT, _LOST or _GONE. */
rd_sent rd_ring_send(rd_store *st, uint32_t place, rd_record_kind kind, const void *data, size_t len, size_t bound);
/* Write the kept records, as far as there is room. Records for a process that has ended are dropped. True: no record is
 * kept any more. */
bool rd_ring_flush(rd_store *st);
/* Set the eventfds that wake the blocks' owners: RD_MAX_WORKERS of them, -1 for a block without one. The caller keeps
 * ownership of them and of the array, and keeps both until the store is detached. Without them no owner is woken. */
void rd_ring_set_wakers(rd_store *st, const int *wakers);

/* ---- reading: the owner, after rd_worker_join ---- */

typedef struct rd_record {
  uint32_t kind;    /* rd_record_kind, or anything else */
  uint32_t from;    /* the writer's block, or anything else */
  rd_bytes part[2]; /* the payload, in the arena: its second part is empty unless it wraps */
  uint64_t end;
} rd_record;

/* True if the ring has a record. Costs one load or two. */
bool rd_ring_waits(const rd_store *st);
/* Read the oldest record, which stays in the ring until rd_ring_done. False: the ring is empty. Marks the owner
 * awake. */
bool rd_ring_read(rd_store *st, rd_record *r);
/* Remove the record that was read. */
void rd_ring_done(rd_store *st, const rd_record *r);
/* Mark the owner asleep, before it waits for its eventfd. False: it must not sleep, since a record has come. */
bool rd_ring_may_sleep(rd_store *st);

/* ---- for arena.c, worker.c and check.c ---- */

void rd_ring_init(rd_worker *w);                  /* initializes the ring of a block that is new in this run */
void rd_ring_begin(rd_worker *w);                 /* empties the ring; called when its owner joins */
void rd_ring_end(rd_store *st, rd_worker *w);     /* called when its owner has ended; never waits */
void rd_ring_forget(rd_store *st);                /* drops the kept records */
void rd_ring_rest(rd_store *st, uint64_t now_ms); /* called now and then: gives unused memory back */
/* True if the process that joined block `place` as its owner number `joins` (rd_ring) is still there. */
bool rd_ring_has_owner(const rd_store *st, uint32_t place, uint32_t joins);
/* True if no process keeps records for the owner of block `place`: all that were sent to it are in its ring. */
bool rd_ring_is_complete(const rd_store *st, uint32_t place);
/* The thread whose write others wait for; 0: none. */
uint32_t rd_ring_owner(const rd_store *st);
const char *rd_ring_check(rd_worker *w); /* a text that describes the damage; NULL: whole */

/* python: end */

#endif
