/* memory.h - how much memory the arena may use, and what it uses. */
#ifndef RD_MEMORY_H
#define RD_MEMORY_H

#include "arena/arena.h"

/* python: begin */

/* Where the region table begins: bytes of all that lies before it. */
uint64_t rd_regions_at(uint32_t num_shards);
/* The least max_memory that `num_shards` can work in when so many workers join, in bytes. With less, the store is held
 * to the bytes that it uses (rd_used_memory) and not to whole regions, of which it may take as many as it would with
 * this. Rings (ring.h) are no part of it. */
uint64_t rd_min_memory(uint32_t num_shards, uint32_t workers);

/* max_memory at run time: any number of bytes, 0 for all of the mapping; NULL or a reason (a string) why not. Growing
 * is immediate; rd_shrink_step (reclaim.h) evicts what lies over the limit. */
const char *rd_set_max_memory(rd_store *st, uint64_t bytes);
/* Does the store use more than max_memory? Then only rd_shrink_step and deletions change that (growth.h). */
bool rd_is_over(const rd_store *st);
uint64_t rd_max_memory(const rd_store *st);
uint64_t rd_used_memory(const rd_store *st);      /* exact: header, tables, index, items, allocator headers */
uint64_t rd_fixed_memory(const rd_store *st);     /* of that, what an empty store takes */
uint64_t rd_committed_memory(const rd_store *st); /* whole regions in use, and the fixed part */
/* Let the pool have what max_memory leaves beside the fixed part, which has grown. */
void rd_fit_pool(rd_store *st);

/* python: end */

#endif
