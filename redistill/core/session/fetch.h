/* fetch.h - prefetches the memory of elements: for commands of a pipeline that find fields or members by name. */
#ifndef RD_FETCH_H
#define RD_FETCH_H

#include "session/internal.h"

/* Called before the command at `a` runs: prefetch for it and those behind it in the batch that name the same key. They
 * are looked up together, since a lookup in a large value waits for memory several times, and the waits of different
 * lookups overlap. */
void rd_fetch_several(rd_session *s, const rd_ahead *a);
static inline void rd_fetch_elements(rd_session *s, const rd_ahead *a) {
  if (RD_LIKELY(a[1].shard != a->shard) || a->command->element == 0) return;
  if (a >= s->ahead + s->fetched) rd_fetch_several(s, a);
}

#endif
