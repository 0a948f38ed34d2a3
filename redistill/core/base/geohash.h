/* geohash.h - places on the earth as numbers of 52 bits, and the distances between them.
 *
 * The longitudes from -180 to 180 degrees and the latitudes from -85.05112878 to 85.05112878 (those of the Mercator
 * projection's square) are halved again and again; after `steps` halvings a cell has two numbers, and its hash has
 * their bits in turns, the longitude's first (Morton, 1966; Niemeyer's geohash, 2008). The hash of a place has 26 steps
 * and is the score of its member in a sorted set, so that a cell is a range of scores. */
#ifndef RD_GEOHASH_H
#define RD_GEOHASH_H

#include "base/base.h"

#define RD_GEO_STEPS 26u
#define RD_GEO_LON_MAX 180.0
#define RD_GEO_LAT_MAX 85.05112878
#define RD_GEO_EARTH 6372797.560856 /* the radius in metres: Redis's */
#define RD_GEO_RADIAN (3.14159265358979323846 / 180.0)

typedef struct rd_geo_point {
  double lon, lat; /* degrees */
} rd_geo_point;

/* False: it is not on the map. */
bool rd_geo_is_place(rd_geo_point p);
/* The distance in metres on a sphere, by the haversine formula. */
double rd_geo_distance(rd_geo_point a, rd_geo_point b);
/* The distance between two parallels. */
double rd_geo_lat_distance(double a, double b);

/* ---- cells ---- */

/* The numbers of a cell, of `steps` bits. A place on the eastern or northern edge has the number behind the last
 * one. */
typedef struct rd_geo_cell {
  uint32_t lon, lat;
  unsigned steps;
} rd_geo_cell;

rd_geo_cell rd_geo_cell_of(rd_geo_point p, unsigned steps);
/* The cell that is so many cells further to the east and north; it goes on at the other end of the map. */
rd_geo_cell rd_geo_cell_beside(rd_geo_cell c, int east, int north);
/* Its south-western and north-eastern corners. */
void rd_geo_cell_corners(rd_geo_cell c, rd_geo_point *low, rd_geo_point *high);
/* The hash of its first place; the one behind its last place is that of the next cell in the order of hashes. */
uint64_t rd_geo_cell_hash(rd_geo_cell c);
static inline uint64_t rd_geo_cell_size(rd_geo_cell c) { return 1ull << 2 * (RD_GEO_STEPS - c.steps); }

/* ---- hashes of places ---- */

static inline uint64_t rd_geohash_of(rd_geo_point p) { return rd_geo_cell_hash(rd_geo_cell_of(p, RD_GEO_STEPS)); }
/* The cell of a hash: any 64 bits. */
rd_geo_cell rd_geohash_cell(uint64_t hash);
/* The middle of a cell of RD_GEO_STEPS, moved to the map's edge if it is not on the map. */
rd_geo_point rd_geo_cell_middle(rd_geo_cell c);
/* The hash that any score stands for: its whole part, modulo 2^64 as far as a processor of Redis's computes it. */
uint64_t rd_geohash_of_score(double score);
/* The eleven letters of the geohash that other programs use, whose latitudes go from -90 to 90 degrees. */
#define RD_GEOHASH_LETTERS 11u
void rd_geohash_letters(rd_geo_point p, char letters[RD_GEOHASH_LETTERS]);

/* ---- text ---- */

/* Write degrees as Redis does: 17 digits behind the point, without zeros at the end. Returns the length. */
#define RD_GEO_TEXT 24u
size_t rd_geo_format_degrees(char dst[RD_GEO_TEXT], double degrees);
/* Write a distance, which is not negative and below 10^14: four digits behind the point. */
size_t rd_geo_format_distance(char dst[RD_GEO_TEXT], double distance);

#endif
