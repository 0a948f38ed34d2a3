/* geo.h - declarations that the commands on places share. */
#ifndef RD_GEO_H
#define RD_GEO_H

#include "base/geohash.h"
#include "commands/zset.h"

/* Parse two arguments as a place. False after an error reply. */
bool rd_parse_place(rd_call *c, const rd_bytes argv[2], rd_geo_point *p);
/* Parse m, km, ft or mi: its length in metres. False after an error reply. */
bool rd_parse_unit(rd_call *c, rd_bytes text, double *unit);
/* The hash of a member's place; false: the key does not exist, or has no such member. */
bool rd_find_place(const rd_coll *z, rd_bytes member, uint64_t *hash);
void rd_reply_place(rd_reply *r, rd_geo_point p);
void rd_reply_distance(rd_reply *r, double distance);

#endif
