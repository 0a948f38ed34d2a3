/* databases.h - functions on all keys of a database. Each call takes the locks that the
 * process does not hold. */
#ifndef RD_DATABASES_H
#define RD_DATABASES_H

#include "store/store.h"

/* ---- databases.c ---- */

/* python: begin */
uint64_t rd_count(rd_store *st,
                  unsigned db); /* keys, including those that are expired but not yet removed, as in Redis */
uint64_t rd_count_volatile(rd_store *st, unsigned db);
int64_t rd_average_ttl(rd_store *st, unsigned db); /* milliseconds, estimated; 0 when no key has an expiry */
/* python: end */
void rd_flush_db(rd_store *st, unsigned db); /* the memory of a large database is released in the background */
void rd_flush_all(rd_store *st);
void rd_swap_db(rd_store *st, unsigned a, unsigned b);

/* ---- scan.c ---- */

/* Called with the shard locked, for an item that has not expired; it must not change the store. */
typedef void rd_visit(void *arg, rd_store *st, const rd_item *it);
/* One step of SCAN: visit the keys of at least one bucket from *cursor on, and make it the next cursor, 0 at the end.
 * Start with 0. A key that exists from the first call to the last is visited at least once, however the index grows or
 * shrinks meanwhile. Any cursor value is safe. false: another owner holds the lock of the next shard, so nothing was
 * visited; try it again later. Expired keys in these buckets are removed, except during CLIENT PAUSE. */
bool rd_scan(rd_store *st, unsigned db, uint64_t *cursor, rd_visit *visit, void *arg);
/* Visit all keys of a shard that is locked, once. */
void rd_scan_shard(rd_store *st, unsigned db, uint32_t shard, rd_visit *visit, void *arg);
/* Visit one random key, unless the database is empty. false: another owner holds a lock; try it again later. */
bool rd_random(rd_store *st, unsigned db, rd_visit *visit, void *arg);

#endif
