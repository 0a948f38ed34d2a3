/* sample.h - random elements of a collection: HRANDFIELD, SRANDMEMBER, SPOP, ZRANDMEMBER. */
#ifndef RD_SAMPLE_H
#define RD_SAMPLE_H

#include "command/call.h"
#include "store/coll.h"

/* A random number below n. */
static inline uint64_t rd_random_rank(rd_store *st, uint64_t n) {
  return (uint64_t)((unsigned __int128)rd_random_u64(st) * n >> 64);
}

/* Parse argv[2], the number of entries that are wanted, and behind it the word that asks for both parts of each.
 * False after an error reply. */
bool rd_parse_sample(rd_call *c, const char *word, int64_t *count, bool *pairs);

/* True if `n` entries, which may repeat, can be in a reply at all. False after an error reply: at once, where a reply
 * that is composed until it exceeds its limit would take seconds, and end the connection. */
bool rd_repeats_fit(rd_call *c, uint64_t n);

/* Called with each selected entry. False: no more are wanted. */
typedef bool rd_show_fn(void *arg, const uint8_t *entry);

/* Call `show` for `wanted` different entries of the `count` that the collection has: every selection is as likely as
 * any other. Calls rd_yield. False: no memory, and nothing was shown. */
bool rd_sample(rd_call *call, const rd_coll *c, uint64_t count, uint64_t wanted, rd_show_fn *show, void *arg);

/* Choose `k` different numbers below `n`, so that all choices are equally likely (0 < k <= n). Returns them in
 * ascending order, to be freed with rd_choice_free; NULL: no memory. Calls rd_yield. */
uint64_t *rd_choose(rd_call *c, uint64_t n, uint64_t k);
void rd_choice_free(rd_store *st, uint64_t *chosen, uint64_t k);

#endif
