/* recovery.h - shards whose words may not be believed: after a death, and in an arena that comes from elsewhere.
 *
 * A reference that is wrong kills whoever follows it, and the next one too, if nothing is done. So:
 *
 * - What can be seen without a look at the keys is verified when a run begins: the region table, and of each shard its
 *   lists of regions and free blocks, the roots of its indexes and its counts. What cannot be so is emptied.
 * - A process that dies while it holds a shard leaves it suspect, for the death may be the shard's doing: a wild
 *   reference, or a circle from which it had to be killed. Whoever locks the shard next verifies all of it first.
 * - When a suspect shard was damaged, or a process died of a signal that tells of bad memory, the whole arena is in
 * doubt: each shard is verified at its next lock, by a client's command or by the sweep. The same holds when a run
 * begins and a process of the last run died while it held a shard, since the cause is unknown.
 *
 * To verify is to walk the shard (rd_shard_is_whole), which follows no reference before it knows where it leads: a
 * shard that passes can be used without any danger. One that does not is emptied, and counts as lost. So a damaged
 * shard costs one process at most, and a damaged arena mostly one. */
#ifndef RD_RECOVERY_H
#define RD_RECOVERY_H

#include "arena/layout.h"

/* rd_store.verify_shard: verify a shard that was just locked, and empty it if it is damaged. */
void rd_verify_shard(rd_store *st, uint32_t shard);
/* Called when no other process has the arena: empty the shards that were changing or are damaged, and put the others in
 * doubt if there is a reason. The locks are as the last process left them, and are renewed. */
void rd_recover(rd_store *st);

#endif
