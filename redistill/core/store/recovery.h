/* recovery.h - verifies shards whose contents cannot be trusted: after a death, and in an arena from elsewhere.
 *
 * An invalid reference kills the process that follows it, and the next process too, if nothing is done. Therefore:
 *
 * - When a run begins, everything that needs no look at the keys is verified: the region table, and of each shard its
 *   lists of regions and free blocks, the roots of its indexes and its counts. A shard that fails is emptied.
 * - A process that dies while it holds a shard leaves the shard suspect, since the shard may be the cause: an invalid
 *   reference, or a circle from which the process had to be killed. The next owner of its lock verifies all of it.
 * - When a suspect shard was damaged, or a process died of a signal that tells of bad memory, the whole arena is in
 *   doubt: each shard is verified at its next lock, by a client's command or by the sweep. The same holds when a run
 *   begins and a process of the last run died while it held a shard, since the cause is unknown.
 *
 * - A process can die while one of its long commands pauses in the middle of a change, and another client's command is
 *   in the middle of one, too. The shard of the first is marked as paused (RD_SHARD_PAUSED): the value of one key may
 * be torn, and blocks to which nothing refers may be left. Its next owner verifies all but that value, and removes the
 *   key. So such a death costs one shard at most, as any other, and nobody reads a value that is half changed.
 *
 * Verifying a shard means walking it (rd_shard_is_whole). The walk follows no reference before its target is verified:
 * a shard that passes can be used without any danger. A shard that fails is emptied, and counts as lost. So a damaged
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
