/* growth.h - whether a command may make the store grow: the one place that decides.
 *
 * Redis decides before a command runs, by its flag `denyoom` alone, and what was let in runs to its end. Here
 * max_memory is a hard limit, so that a command which is let in may still find no room. Alone it is then refused, with
 * nothing changed. What consists of several commands (EXEC, later scripts) must not be refused in the middle: before
 * its first command it asks rd_growth_fits for all of them, and while it runs st->may_borrow lends it the pool's
 * reserve. So does every command that is not `denyoom` (RENAME, EXPIRE), since Redis never refuses one of these. */
#ifndef RD_GROWTH_H
#define RD_GROWTH_H

#include "arena/layout.h"
#include "arena/lock.h"
#include "arena/pool.h"
#include "command/command.h"

#define RD_OOM_ERROR "OOM command not allowed when used memory > 'maxmemory'."

/* May anything grow? Evicts a step when the store is over max_memory; false: it is, and the policy lets nothing go. No
 * command is running. */
bool rd_growth_allowed(rd_store *st);

/* A bound on the bytes that some commands together may add to the store: their arguments, and the values they copy. */
typedef struct rd_growth {
  uint64_t all;                    /* bytes */
  uint64_t large;                  /* of them, of commands that need more than a block */
  bool by_shard;                   /* what follows is kept: not where anything may be evicted for anything */
  uint64_t bytes[RD_MAX_SHARDS];   /* for each shard */
  uint64_t in[RD_MAX_SHARDS / 64]; /* a bit for each shard with bytes */
} rd_growth;
void rd_growth_begin(rd_growth *g, const rd_store *st);
/* One more command, which passed the dispatcher's checks. Reads the values that it would copy, as far as this process
 * holds their shards. */
void rd_growth_add(rd_growth *g, rd_store *st, const rd_command *cmd, const rd_bytes *argv, uint32_t argc, unsigned db);
/* Is there room for all, or can it be made? No item is in use. `lent`: the reserve counts, too. */
bool rd_growth_fits(const rd_growth *g, rd_store *st, bool lent);

/* May others take, before it is written, what fits? It lies in the pool then, and not far more is free than all workers
 * together could want. Whoever holds all shards is safe: nothing grows without one. */
bool rd_growth_is_contended(const rd_growth *g, rd_store *st);

/* Is not even the reserve left? Then commands that are never refused alone count in a transaction, too. */
static inline bool rd_growth_is_strained(const rd_store *st) {
  const rd_pool *pool = &st->head->pool;
  return pool->in_use >= pool->limit + pool->reserve;
}

/* May the command write more than its arguments have? */
bool rd_growth_is_hidden(const rd_command *cmd);
/* Regions that arguments of so many commands and bytes need at most. */
static inline uint64_t rd_growth_most(uint64_t commands, uint64_t bytes) {
  return commands + bytes / (RD_REGION_SIZE / 2);
}
/* Is there so much free memory that arguments of so many commands and bytes fit without a further look? */
static inline bool rd_growth_is_small(const rd_store *st, uint64_t commands, uint64_t bytes) {
  return rd_growth_most(commands, bytes) < rd_pool_free(st);
}
/* Is there room for this command alone? Locks its keys' shards, and releases all locks. Where anything may be evicted
 * for it the answer is yes. */
bool rd_growth_fits_alone(rd_store *st, const rd_command *cmd, const rd_bytes *argv, uint32_t argc, unsigned db);

#endif
