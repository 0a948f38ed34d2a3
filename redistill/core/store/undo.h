/* undo.h - changes of blocks that can be undone: the record that rd_coll_begin makes (coll.h).
 *
 * Before a block changes for the first time, its bytes are copied to private memory. A block that is made meanwhile is
 * noted; one that is released stays allocated until the end. So undoing copies bytes back and releases blocks: it
 * needs no memory. Nothing else may move blocks meanwhile, so rd_reserve must not be called.
 *
 * Every function but rd_undo_new does nothing for NULL, which stands for a change that nobody wants to undo; then
 * rd_undo_release releases at once. */
#ifndef RD_UNDO_H
#define RD_UNDO_H

#include "arena/arena.h"

typedef struct rd_undo rd_undo;

rd_undo *rd_undo_new(rd_store *st); /* NULL: no memory */
/* A record that has ended stays for the next one, unless it is long: free it. */
void rd_undo_forget_spare(rd_store *st);
/* Prepare for the next change, and for a removal after it. false: no memory, or the record would be longer than the
 * limit on the buffers of clients, with which a long one is counted, allows. Calls rd_yield. */
bool rd_undo_ready(rd_undo *u);

/* The block is going to change, or only some bytes of it. */
void rd_undo_save(rd_store *st, rd_undo *u, rd_ref block);
void rd_undo_save_bytes(rd_store *st, rd_undo *u, rd_ref block, const void *at, uint32_t len);
/* The block was allocated. */
void rd_undo_made(rd_undo *u, rd_ref block);
void rd_undo_release(rd_store *st, uint32_t shard, rd_undo *u, rd_ref block);
/* The same for blobs; and a blob whose owner is `leaf` is going to have another one. */
void rd_undo_made_blob(rd_undo *u, rd_ref blob);
void rd_undo_release_blob(rd_store *st, uint32_t shard, rd_undo *u, rd_ref blob);
void rd_undo_owner(rd_undo *u, rd_ref blob, rd_ref leaf);

/* End it: keep all changes, or undo them. */
void rd_undo_commit(rd_store *st, uint32_t shard, rd_undo *u);
void rd_undo_back(rd_store *st, uint32_t shard, rd_undo *u);

#endif
