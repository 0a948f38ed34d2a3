/* coll_item.h - the item of a collection: making it, changing the length of its value, removing it; without making room
 * (coll.h). */
#ifndef RD_COLL_ITEM_H
#define RD_COLL_ITEM_H

#include "store/coll.h"

/* True if the item can have a packed value of `len` bytes: it is then one block. */
bool rd_coll_may_pack(const rd_coll *c, uint64_t len);
/* Make the key, which does not exist, an item with `len` bytes, not initialized. false: no memory; c->wanted grows by
 * what it needed, and nothing is changed. */
bool rd_coll_make(rd_coll *c, unsigned encoding, uint64_t len);
/* Make the packed value `len` bytes long. The item may move. false as above. */
bool rd_coll_resize(rd_coll *c, uint32_t len);
/* Remove the key without telling anyone: it was made by a change that is undone. Its blocks but the item's own are
 * released already. */
void rd_coll_unmake(rd_coll *c);
/* The index refers to c->item: make it refer to `item`. */
void rd_coll_set_item(rd_coll *c, rd_ref item);

#endif
