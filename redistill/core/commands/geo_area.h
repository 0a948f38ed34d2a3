/* geo_area.h - the area of a search: a circle or a box around a place, the cells that cover it, and the test whether a
 * place is in it. */
#ifndef RD_GEO_AREA_H
#define RD_GEO_AREA_H

#include "base/geohash.h"

typedef struct rd_geo_area {
  rd_geo_point center;
  bool is_box;
  double radius, width, height; /* in units of `unit` */
  double unit;                  /* metres */
} rd_geo_area;

/* A range of hashes: from `first` on, and below `end`. */
typedef struct rd_geo_range {
  uint64_t first, end;
} rd_geo_range;

/* The cells that Redis searches, in its order, which is that of a reply that is not sorted. Like in Redis, a place in
 * the area that is far behind a pole or near one may be in none of them. */
#define RD_GEO_CELLS 9u
typedef struct rd_geo_cover {
  unsigned n;
  rd_geo_range range[RD_GEO_CELLS];
} rd_geo_cover;

/* The rectangle, in numbers of cells of RD_GEO_STEPS, outside of which no place is in the area. It goes on at the
 * western edge of the map behind the eastern one. */
typedef struct rd_geo_window {
  uint32_t south, north, west, width;
} rd_geo_window;

/* An area that is prepared for testing many places. */
typedef struct rd_geo_test {
  rd_geo_area area; /* in metres */
  rd_geo_window window;
  double lat; /* of the center, in radians */
} rd_geo_test;

void rd_geo_test_init(rd_geo_test *t, const rd_geo_area *area);
/* Cover the area; parts of cells that are outside of the window are left out where that is easy. */
void rd_geo_cover_area(const rd_geo_test *t, rd_geo_cover *cover);
/* True if the place of this hash is in the area; *distance is then its distance from the center in metres. */
bool rd_geo_contains(const rd_geo_test *t, uint64_t hash, double *distance);

#endif
