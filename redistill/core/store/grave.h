/* grave.h - releasing large values in steps.
 *
 * A value of many blocks is not released at once when its key goes, which would take long. Only RD_GRAVE_STEP of its
 * blocks are; with the rest, its item goes to an index slot that no database ever has, as the items of a flushed
 * database stay in theirs. The sweep takes some blocks of such items at a time, and making room takes from them before
 * it evicts anything. Until then their blocks count as used. */
#ifndef RD_GRAVE_H
#define RD_GRAVE_H

#include "arena/layout.h"
#include "store/type.h"

#define RD_GRAVE_STEP 64u /* blocks released at a time */

/* Release an item that no index refers to any more: now, or in steps. */
void rd_bury(rd_store *st, uint32_t shard, rd_ref item, uint64_t hash);
bool rd_big_takes_steps(const rd_item *it); /* of a big item */
/* True if the value has so many blocks that they are released in steps. */
static inline bool rd_takes_steps(const rd_item *it) {
  return rd_item_is_nested(it) || (RD_UNLIKELY(rd_item_is_big(it)) && rd_big_takes_steps(it));
}
/* Release some blocks of such a value. true: few or none are left, which rd_item_release releases. */
bool rd_release_step(rd_store *st, uint32_t shard, rd_ref item);
/* Release some blocks that graves of the shard, which is locked, still have. false: there are none. */
bool rd_dig(rd_store *st, uint32_t shard);
/* The same for any shard that this process need not keep as it is (rd_needs_shard), preferably `shard`. false: no
 * such shard has a grave, as far as it can be seen without waiting for locks. */
bool rd_dig_anywhere(rd_store *st, uint32_t shard);

#endif
