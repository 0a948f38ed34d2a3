/* memory.h - the arena's memory limit, and the memory that it uses. */
#ifndef RD_MEMORY_H
#define RD_MEMORY_H

#include "arena/arena.h"

/* python: begin */

/* The offset of the region table: the bytes of everything before it. */
uint64_t rd_regions_at(uint32_t num_shards);
/* The least max_memory, in bytes, in which `num_shards` shards and `workers` workers can work. With less, the limit
 * applies to the bytes in use (rd_used_memory) and not to whole regions; the store may then take as many regions as
 * with this minimum. Rings (ring.h) and rolls (roll.h) are not included. */
uint64_t rd_min_memory(uint32_t num_shards, uint32_t workers);

/* The most that max_memory may grow to: the mapping without the blocks of workers that never join. */
uint64_t rd_most_memory(const rd_store *st);
/* Change max_memory at run time: any number of bytes, 0 for rd_most_memory. Returns NULL, or a string with the
 * reason for a refusal. A higher limit holds at once. After a lower one rd_shrink_step (reclaim.h) evicts what lies
 * over it. */
const char *rd_set_max_memory(rd_store *st, uint64_t bytes);
/* True if the store uses more than max_memory. Only rd_shrink_step and deletions bring it back under the limit
 * (growth.h). */
bool rd_is_over(const rd_store *st);
uint64_t rd_max_memory(const rd_store *st);
uint64_t rd_used_memory(const rd_store *st);      /* exact: header, tables, index, items, allocator headers */
uint64_t rd_fixed_memory(const rd_store *st);     /* the part of the memory in use that an empty store takes */
uint64_t rd_committed_memory(const rd_store *st); /* whole regions in use, and the fixed part */
/* Set the pool's limit again after the fixed part has grown: the pool gets the rest of max_memory. */
void rd_fit_pool(rd_store *st);

/* python: end */

#endif
