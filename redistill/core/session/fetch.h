/* fetch.h - prefetches the memory of elements: for commands of a pipeline that find fields or members by name. */
#ifndef RD_FETCH_H
#define RD_FETCH_H

#include "session/session.h"

/* Prefetch for the commands that were parsed ahead. Several in a row for one key are looked up together, since a lookup
 * in a large value waits for memory several times, and the waits of different lookups overlap. */
void rd_fetch_elements(rd_session *s);

#endif
