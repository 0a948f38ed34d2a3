/* deadlines.h - the connections whose clients wait until a time: a binary heap, the earliest deadline first.
 *
 * A connection stays in the heap when it is woken before its deadline, which costs nothing then; it is moved when its
 * client waits again. So a client that blocks in a loop changes one place, and 10,000 that wait cost one timeout. */
#ifndef RD_DEADLINES_H
#define RD_DEADLINES_H

#include "net/conn.h"

/* Make room for `count` connections, so that setting a deadline cannot fail. False: no memory. */
bool rd_deadlines_reserve(rd_deadlines *d, uint32_t count);
void rd_deadlines_free(rd_deadlines *d);
/* Set the deadline of a connection; 0: none. */
void rd_deadline_set(rd_deadlines *d, rd_conn *c, uint64_t deadline_ns);
/* Take out a connection whose deadline has come; NULL: none. */
rd_conn *rd_deadline_due(rd_deadlines *d, uint64_t now_ns);
/* The earliest deadline; UINT64_MAX: none. */
static inline uint64_t rd_deadline_first(const rd_deadlines *d) {
  return d->count != 0 ? d->heap[0]->deadline_ns : UINT64_MAX;
}

#endif
