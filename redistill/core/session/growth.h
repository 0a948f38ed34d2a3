/* growth.h - decides whether a command may make the store grow.
 *
 * Redis decides before a command runs, by its flag `denyoom` alone, and lets an admitted command run to its end.
 * Here max_memory is a hard limit, so an admitted command may still find no room. A single command is then refused,
 * with nothing changed. Several commands together (EXEC, later scripts) must not be refused in the middle: before
 * the first command rd_growth_fits is called for all of them, and while they run st->may_borrow lends them the
 * pool's reserve. The same holds for every command that is not `denyoom` (RENAME, EXPIRE), since Redis never refuses
 * one of these. */
#ifndef RD_GROWTH_H
#define RD_GROWTH_H

#include "arena/layout.h"
#include "arena/lock.h"
#include "arena/pool.h"
#include "command/command.h"

#define RD_OOM_ERROR "OOM command not allowed when used memory > 'maxmemory'."

/* True if commands may make the store grow. Evicts a step when the store is over max_memory; false: it is over it,
 * and the policy allows no eviction. No command is running. */
bool rd_growth_allowed(rd_store *st);

/* A bound on the bytes that some commands together may add to the store: their arguments, and the values they copy. */
typedef struct rd_growth {
  uint64_t all;                    /* bytes */
  uint64_t large;                  /* the part of `all` from commands that need more than a block */
  bool by_shard;                   /* the fields below are kept; necessary only where nothing may be evicted */
  uint64_t bytes[RD_MAX_SHARDS];   /* bytes for each shard */
  uint64_t in[RD_MAX_SHARDS / 64]; /* a bit for each shard with bytes */
} rd_growth;
void rd_growth_begin(rd_growth *g, const rd_store *st);
/* Add a command that passed the dispatcher's checks. Reads the values that it would copy, as far as this process
 * holds their shards. */
void rd_growth_add(rd_growth *g, rd_store *st, const rd_command *cmd, const rd_bytes *argv, uint32_t argc, unsigned db);
/* True if there is room for all, or room can be made. No item is in use. `lent`: the reserve counts, too. */
bool rd_growth_fits(const rd_growth *g, rd_store *st, bool lent);

/* True if others may take the room before it is used. The room is then in the pool, and not far more is free than
 * all workers together could need. A caller that holds all shards is safe: nothing grows without one. */
bool rd_growth_is_contended(const rd_growth *g, rd_store *st);

/* True if not even the reserve is left. Then commands that are never refused alone count in a transaction, too. */
static inline bool rd_growth_is_strained(const rd_store *st) {
  const rd_pool *pool = &st->head->pool;
  return pool->in_use >= pool->limit + pool->reserve;
}

/* True if the command may write more bytes than its arguments have. */
static inline bool rd_growth_is_hidden(const rd_command *cmd) { return cmd->grows != NULL; }
/* The regions that arguments of so many commands and bytes need at most. */
static inline uint64_t rd_growth_most(uint64_t commands, uint64_t bytes) {
  return commands + bytes / (RD_REGION_SIZE / 2);
}
/* True if so much memory is free that arguments of so many commands and bytes fit without a closer look. */
static inline bool rd_growth_is_small(const rd_store *st, uint64_t commands, uint64_t bytes) {
  return rd_growth_most(commands, bytes) < rd_pool_free(st);
}
/* True if there is room for this command alone. Locks its keys' shards, and releases all locks. Always true where
 * anything may be evicted for it. */
bool rd_growth_fits_alone(rd_store *st, const rd_command *cmd, const rd_bytes *argv, uint32_t argc, unsigned db);

#endif
