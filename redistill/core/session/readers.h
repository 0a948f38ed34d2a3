/* readers.h - which clients of this process have read which keys (client-side caching), by the keys' names: as in Redis
 * the database does not matter.
 *
 * A table from names to numbers of clients; the arena's filter of this worker (arena/tracked.h) has each name in it.
 * Numbers whose client no longer tracks stay until the key is taken out. At most rd_store.tracking_keys names are in
 * the tables of all workers together: each that has any may use an equal share. The memory counts with the buffers of
 * clients. A table that is over its share, or may not grow, gives its oldest names up: the caller tells the readers. */
#ifndef RD_READERS_H
#define RD_READERS_H

#include "arena/arena.h"

typedef struct rd_read_key rd_read_key;

typedef struct rd_readers {
  rd_read_key **heads; /* linear hashing: `level` + `split` of them are in use, and `level` is a power of two */
  uint32_t level, split, cap;
  rd_read_key *oldest, *newest;
  rd_read_key *dropped; /* names that are no longer in the table, freed in steps */
  bool keeps_bits;      /* the filter keeps the bits of names that are taken out: a command is reading */
  uint64_t keys, items; /* items: pairs of a name and a client */
} rd_readers;

typedef enum rd_read_noted { RD_READ_NOTED, RD_READ_FULL } rd_read_noted;

/* Note that a client reads a key. FULL: there is no memory, and nothing is changed. */
rd_read_noted rd_readers_note(rd_store *st, rd_readers *r, rd_bytes name, uint64_t hash, uint32_t client);
/* True if the table has more names than its share. One name is always its share. */
bool rd_readers_are_over(const rd_store *st, const rd_readers *r);
/* Take a name out of the table, or the oldest one; NULL: it is not there. The caller frees it. */
rd_read_key *rd_readers_take(rd_store *st, rd_readers *r, rd_bytes name, uint64_t hash);
rd_read_key *rd_readers_take_oldest(rd_store *st, rd_readers *r);
rd_bytes rd_read_name(const rd_read_key *k);
const uint32_t *rd_read_clients(const rd_read_key *k, uint32_t *count);
void rd_read_free(rd_store *st, rd_read_key *k);
/* Empty the table. The memory of the names is freed in steps, by rd_readers_step. */
void rd_readers_drop(rd_store *st, rd_readers *r);
void rd_readers_step(rd_store *st, rd_readers *r);
void rd_readers_free(rd_store *st, rd_readers *r);

#endif
