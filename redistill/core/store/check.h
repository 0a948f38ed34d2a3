/* check.h - the arena verified, block by block. */
#ifndef RD_STORE_CHECK_H
#define RD_STORE_CHECK_H

#include "arena/layout.h"

/* python: begin */
/* Walk the whole arena and verify every invariant. 0, or the count of violations with the first in `err`. */
int rd_check(rd_store *st, char *err, size_t errlen);
/* python: end */
/* Whether all invariants of a locked shard hold; `err` gets the first that does not. */
bool rd_shard_is_whole(rd_store *st, uint32_t shard, char *err, size_t errlen);

/* ---- for the rows of types (type.h): a value is being verified, in an arena that may hold anything ---- */

struct rd_walk;
/* Is `ref` a block of this kind, in this shard, of at least so many bytes with its head, that nothing else refers to?
 * Only then may it be looked at. */
bool rd_walk_reach(struct rd_walk *walk, rd_ref ref, rd_kind kind, uint64_t bytes);
/* Note whether a word is what it must be: `what` says what is wrong. false: something is, so the walk ends. */
bool rd_walk_expect(struct rd_walk *walk, bool so, const char *what);
const rd_store *rd_walk_store(const struct rd_walk *walk);

#endif
