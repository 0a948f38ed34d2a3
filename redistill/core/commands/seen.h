/* seen.h - the members that a union has met, in private memory: so that each member is looked up once, and not in every
 * source. */
#ifndef RD_SEEN_H
#define RD_SEEN_H

#include "command/call.h"
#include "types/element.h"

typedef struct rd_seen {
  struct rd_seen_member *table; /* open addressing, at most half full; NULL: none */
  uint64_t places;              /* a power of two */
} rd_seen;

/* With more sources than this it is worth while. */
#define RD_SEEN_FROM 2u

/* Make room for so many members, which stay in their places. false: they are too many, or there is no memory; then
 * nothing is to be freed. Calls rd_yield. */
bool rd_seen_begin(rd_seen *s, rd_call *c, uint64_t members);
/* The number of the member if it was added before. Else it is added with the number `fresh`, which is returned. */
uint64_t rd_seen_add(rd_seen *s, rd_store *st, rd_element *e, const uint8_t *at, uint64_t fresh);
void rd_seen_end(rd_seen *s, rd_call *c);

#endif
