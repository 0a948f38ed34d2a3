/* databases.h - the keys of a whole database. Each call locks for itself, shard by shard. */
#ifndef RD_DATABASES_H
#define RD_DATABASES_H

#include "store/store.h"

/* ---- databases.c ---- */

/* python: begin */
uint64_t rd_count(rd_store *st, unsigned db); /* keys, the expired but not yet swept included, as in Redis */
uint64_t rd_count_volatile(rd_store *st, unsigned db);
int64_t rd_average_ttl(rd_store *st, unsigned db); /* ms, estimated; 0 when none */
/* python: end */
void rd_flush_db(rd_store *st, unsigned db); /* memory is given back in the background when the db is large */
void rd_flush_all(rd_store *st);
void rd_swap_db(rd_store *st, unsigned a, unsigned b);

/* ---- scan.c ---- */

/* Called with the shard locked, for an item that is not expired; it must not change the store. */
typedef void rd_visit(void *arg, rd_store *st, const rd_item *it);
/* One step of SCAN: visit the keys of at least one bucket from `cursor` on, and return the next cursor, 0 at the end.
 * Start with 0. A key that is there from the first call to the last is visited at least once, however the index grows
 * or shrinks meanwhile. Any cursor value is safe. */
uint64_t rd_scan(rd_store *st, unsigned db, uint64_t cursor, rd_visit *visit, void *arg);
/* Visit all keys of a shard that is locked, once. */
void rd_scan_shard(rd_store *st, unsigned db, uint32_t shard, rd_visit *visit, void *arg);
/* Visit one key at random. false: the database is empty. */
bool rd_random(rd_store *st, unsigned db, rd_visit *visit, void *arg);

#endif
