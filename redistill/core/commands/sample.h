/* sample.h - random elements of a collection: HRANDFIELD, SRANDMEMBER, SPOP, ZRANDMEMBER. */
#ifndef RD_SAMPLE_H
#define RD_SAMPLE_H

#include "command/call.h"
#include "store/coll.h"

/* A random number below n. */
uint64_t rd_random_rank(rd_store *st, uint64_t n);

/* Called with each selected entry. False: no more are wanted. */
typedef bool rd_show_fn(void *arg, const uint8_t *entry);

/* Call `show` for `wanted` different entries of the `count` that the collection has: every selection is as likely as
 * any other. Calls rd_yield. False: no memory, and nothing was shown. */
bool rd_sample(rd_call *call, const rd_coll *c, uint64_t count, uint64_t wanted, rd_show_fn *show, void *arg);

#endif
