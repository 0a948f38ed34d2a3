/* tracked.h - which processes must be told when a key changes: for client-side caching (session/tracking.h).
 *
 * The block of each worker has two filters, which only its owner writes. One has a bit for the hash of each key that
 * its clients have read, the other one for the first byte of each prefix that they want to be told of (BCAST). Whoever
 * changes a key tests them, and tells the workers whose filter has the key. A filter may have a key that no client has
 * read; it never lacks one. Which client has read what is in the private memory of its worker (session/readers.h).
 *
 * A bit is set before the key's shard is locked for reading, and is tested under that lock: so whoever changes the key
 * behind the reader sees the bit. The filters go with their owner, so a death needs no repair.
 *
 * rd_header.trackers has a bit for each worker with clients that track. As long as it has any, RD_NOTIFY_TRACKED is set
 * in rd_header.notify, which every session tests in any case. Both are changed under the rolls' lock (roll.h).
 *
 * If keys were lost (a process died and may have told nobody, a shard was emptied, a record found no room), the word
 * `everything` tells a worker that its clients must forget all that they have. */
#ifndef RD_TRACKED_H
#define RD_TRACKED_H

#include "arena/arena.h"

#define RD_TRACKED_BITS (1u << 23) /* of the filter of keys: 1 MiB; it counts as fixed memory while there are any */

typedef struct rd_tracked {
  _Atomic uint32_t everything; /* another process: all that the clients of this worker have is to be invalidated */
  _Atomic uint32_t backed;     /* the system has given the filter's memory */
  _Atomic uint64_t first[4];   /* the first bytes of prefixes */
} rd_tracked;

#define RD_NOTIFY_TRACKED (1u << 29) /* in rd_header.notify */

/* Count this worker among those with clients that track, or no longer. False: no memory for its filter. */
bool rd_tracked_begin(rd_store *st);
void rd_tracked_stop(rd_store *st);
/* The workers with such clients: bit i is block i. */
uint64_t rd_trackers(const rd_store *st);

/* ---- the own filter ---- */

void rd_tracked_set(rd_store *st, uint64_t hash, bool on);
void rd_tracked_clear(rd_store *st);
void rd_tracked_set_first(rd_store *st, const uint64_t first[4]);
/* Two hashes with the same number have the same bit. */
static inline uint32_t rd_tracked_bit(uint64_t hash) { return (uint32_t)hash & (RD_TRACKED_BITS - 1); }

/* ---- any worker's ---- */

/* True if clients of block `place`, which is one of rd_trackers, may have read the key or want to be told of it. */
bool rd_tracked_has(const rd_store *st, uint32_t place, uint64_t hash, const uint8_t *key, size_t len);
/* Have the clients of one worker, or of all workers, forget everything. */
void rd_tracked_forget(rd_store *st, uint32_t place);
void rd_tracked_forget_all(rd_store *st);
/* True if others said so since the last call. */
bool rd_tracked_forgotten(rd_store *st);

/* For worker.c: the owner of a block has ended. The caller has the rolls' lock. `died`: it did not say so itself. */
void rd_tracked_end(rd_store *st, struct rd_worker *w, bool died);

#endif
