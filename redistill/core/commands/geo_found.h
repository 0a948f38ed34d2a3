/* geo_found.h - the members that a search has found: collecting them, and sorting them by distance.
 *
 * Only results that are sorted or stored are collected. Of many results with a lower limit at most a few times as many
 * as the limit are kept. */
#ifndef RD_GEO_FOUND_H
#define RD_GEO_FOUND_H

#include "command/call.h"

typedef struct rd_geo_found_one {
  double distance; /* metres */
  union {
    const uint8_t *entry; /* of the sorted set */
    uint64_t rank;        /* of a result that is stored, since storing may move the entries */
  };
} rd_geo_found_one;

#define RD_GEO_FEW 64u
typedef struct rd_geo_found {
  rd_call *call;
  rd_geo_found_one *at;
  uint64_t n, room;
  uint64_t limit; /* the nearest ones, or with `down` the farthest ones, are wanted; UINT64_MAX: all */
  bool sorted;    /* by distance; members of the same distance in the order in which they were found */
  bool down;      /* the farthest ones first */
  bool is_full;   /* `limit` were found, and none after `last` is wanted */
  double last;
  rd_geo_found_one few[RD_GEO_FEW];
} rd_geo_found;

void rd_geo_found_init(rd_geo_found *f, rd_call *c);
void rd_geo_found_free(rd_geo_found *f);
/* False: no memory. Calls rd_yield. */
bool rd_geo_found_add(rd_geo_found *f, rd_geo_found_one one);
/* Sort what was found, if it is to be sorted, and drop what exceeds the limit. False: no memory. Calls rd_yield. */
bool rd_geo_found_arrange(rd_geo_found *f);
/* Sort those within the limit in Redis's order, which for members of the same distance is none (geo_pick.c). Calls
 * rd_yield. */
void rd_geo_found_pick(rd_geo_found *f);

#endif
