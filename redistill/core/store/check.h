/* check.h - the arena verified, block by block. */
#ifndef RD_STORE_CHECK_H
#define RD_STORE_CHECK_H

#include "arena/arena.h"

/* python: begin */
/* Walk the whole arena and verify every invariant. 0, or the count of violations with the first in `err`. */
int rd_check(rd_store *st, char *err, size_t errlen);
/* python: end */
/* Whether all invariants of a locked shard hold; `err` gets the first that does not. */
bool rd_shard_is_whole(rd_store *st, uint32_t shard, char *err, size_t errlen);

#endif
