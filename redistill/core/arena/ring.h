/* ring.h - messages from any process of the arena to one of them.
 *
 * The block of each process has a ring of RD_RING_BYTES, which many write and its owner alone reads:
 *
 *        head               tail
 *     ....|record|record|rec.|....      both count bytes since the arena was made; a byte's place is its number
 *          ^ the owner's      ^ the writers'                                    modulo RD_RING_BYTES, so records wrap
 *
 * A record is a head of eight bytes and its payload. The ring's memory is taken from the system, and counted as fixed
 * memory, when somebody writes to it, and given back when nobody has for RD_RING_REST_MS, or the owner has gone: with
 * one worker there is none.
 *
 * Crashes. A writer holds the ring's lock, which is robust, for the time of a copy, and moves the tail last. So what
 * the reader sees is whole records whatever a writer died of, and the next writer writes over what the dead one has not
 * finished: nothing needs to be mended. A writer that was stopped with the lock makes another one wait once, for
 * RD_PATIENCE_NS; from then on that one only tries. rd_lock_owner names the stopped one, and the supervisor ends it. A
 * new owner begins with an empty ring. The reader believes no word: a record that cannot be so empties the ring
 * (`rd_store.rings_reset` counts that), and lengths are read once.
 *
 * Waking. The owner says that it is awake as long as it looks at the ring before it sleeps, so a busy one costs writers
 * no system call. The first writer after it said that it sleeps writes its eventfd (rd_store.wakers). A writer that
 * dies between its record and the eventfd leaves the owner asleep, until its next turn for whatever reason: a worker
 * has one every tenth of a second.
 *
 * What must not be lost. rd_ring_send keeps what finds no room in private memory, up to a bound that the caller names,
 * in order, and rd_ring_flush, once a turn of the loop, tries again; while something is kept, the loop sleeps for some
 * milliseconds only. So a sender waits for nobody, and what one sends arrives in the order of its sending. It is told
 * when the bound is reached: MONITOR drops lines then; who may not lose anything has to give up what it sends about
 * (close the slow subscriber, have the receiver forget all that it has cached). Whatever the bound, what was sent to a
 * process that ends is gone with it.
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

/* What a record is about. A reader ignores kinds that it does not know. */
typedef enum rd_record_kind {
  RD_RECORD_MONITOR = 1, /* lines of MONITOR, whole ones */
} rd_record_kind;

/* ---- writing: any process that has joined ---- */

typedef enum rd_sent {
  RD_SENT,      /* it is in the ring */
  RD_SENT_KEPT, /* rd_ring_send only: it waits here, and goes by itself */
  RD_SENT_FULL, /* there is no room now, or no memory, or somebody else was writing for too long */
  RD_SENT_LOST, /* it is larger than RD_RING_LARGEST, or more than the bound would wait: it is not sent */
  RD_SENT_GONE, /* there is no process in that block */
} rd_sent;

/* Write a record to the ring of block `place`, or nothing: RD_SENT, _FULL, _LOST or _GONE. */
rd_sent rd_ring_put(rd_store *st, uint32_t place, rd_record_kind kind, const void *data, size_t len);
/* The same, behind what is kept for that block; what finds no room is kept. Of what waits for it `bound` bytes may be
 * kept. RD_SENT, _KEPT, _LOST or _GONE. */
rd_sent rd_ring_send(rd_store *st, uint32_t place, rd_record_kind kind, const void *data, size_t len, size_t bound);
/* Write what is kept, as far as there is room; what was for a process that has gone is forgotten. True: nothing is
 * kept any more. */
bool rd_ring_flush(rd_store *st);
/* Eventfds of the blocks by which their owners are woken, RD_MAX_WORKERS of them, -1 where there is none. They and the
 * array stay the caller's, and are used until the store is detached. Without them nobody is woken. */
void rd_ring_set_wakers(rd_store *st, const int *wakers);

/* ---- reading: the owner, after rd_worker_join ---- */

typedef struct rd_record {
  uint32_t kind;    /* rd_record_kind, or anything else */
  uint32_t from;    /* the writer's block, or anything else */
  rd_bytes part[2]; /* the payload, in the arena: its second part is empty unless it wraps */
  uint64_t end;
} rd_record;

/* Whether there is a record. One load or two. */
bool rd_ring_waits(const rd_store *st);
/* The oldest record, which stays as it is until rd_ring_done. False: there is none. From now on the owner is awake. */
bool rd_ring_read(rd_store *st, rd_record *r);
/* The record has been read. */
void rd_ring_done(rd_store *st, const rd_record *r);
/* The owner is about to sleep until its eventfd says something. False: it must not, since a record is there. */
bool rd_ring_may_sleep(rd_store *st);

/* ---- for arena.c, worker.c and check.c ---- */

void rd_ring_init(rd_worker *w);                  /* a block that is new in this run */
void rd_ring_begin(rd_worker *w);                 /* its owner joins: whatever is in its ring is not for it */
void rd_ring_end(rd_store *st, rd_worker *w);     /* its owner has gone; waits for nobody */
void rd_ring_forget(rd_store *st);                /* what is kept */
void rd_ring_rest(rd_store *st, uint64_t now_ms); /* called now and then: gives memory back that nobody uses */
/* The thread that others wait for to have written; 0: there is none. */
uint32_t rd_ring_owner(const rd_store *st);
const char *rd_ring_check(rd_worker *w); /* what is wrong; NULL: nothing */

/* python: end */

#endif
