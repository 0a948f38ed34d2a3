/* watch.h - WATCH: detects that a key was changed, deleted, expired, evicted or flushed.
 *
 * As in software transactional memory (TL2; Dice, Shalev and Shavit 2006) a watch is the value of a version counter
 * that the key's hash picks from a table in the arena; changes increment it while the shard has any watch. Two keys
 * that share a counter can make a transaction fail once too often (odds below 1 in 65,536 a write), never once too
 * seldom. Nothing is allocated, and a watcher that dies leaves only a shard that counts needlessly. */
#ifndef RD_WATCH_H
#define RD_WATCH_H

#include "arena/key.h"

typedef struct rd_watch {
  uint64_t hash;
  uint32_t db;
  uint32_t slot;
  uint32_t version;
  uint32_t flushes;
  uint64_t epoch;
  int64_t expiry; /* passing this time counts as a change */
  bool existed;
  rd_bytes key; /* the caller's bytes; they must live as long as the watch */
} rd_watch;
/* rd_watch_begin and rd_watch_changed lock the key's shard unless it is held (then the lock stays held); the others
 * need no lock, so a client can go while its key's shard is in use. key->data must outlive the watch. */
void rd_watch_begin(rd_store *st, const rd_key *key, rd_watch *w);
/* Start another watch with a copy of a watch that has not ended yet. */
void rd_watch_join(rd_store *st, const rd_watch *w);
bool rd_watch_changed(rd_store *st, const rd_watch *w);
/* The same without a lock, for display: the answer may be a moment old, and a key that a database got by SWAPDB counts
 * only if the watched one existed. */
bool rd_watch_seems_changed(const rd_store *st, const rd_watch *w);
void rd_watch_end(rd_store *st, const rd_watch *w);

#endif
