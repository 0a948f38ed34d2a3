/* giveback.h - returns to a key what was taken from it for a client that never got it. */
#ifndef RD_GIVEBACK_H
#define RD_GIVEBACK_H

#include "session/queue.h"

/* The reply, RESP, names the elements. The key's shard is locked. False: there is no room for them, and nothing is
 * changed. True as well if the key has a value of another type meanwhile, and the elements are lost. */
bool rd_give_back(rd_store *st, const rd_key *key, const rd_waiter *head, rd_bytes reply);

#endif
