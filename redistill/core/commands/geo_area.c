/* geo_area.c - the cells that cover an area, and the test whether a place is in it. */
#include "commands/geo_area.h"

#include <math.h>

#define HALF_EARTH 20037726.37 /* metres; so large is the area of one step in Redis */
#define ALL (1u << RD_GEO_STEPS)

/* ---- cells ---- */

/* The steps of cells that are so large that the area lies in one and its neighbours. Degrees of longitude are shorter
 * near the poles. */
static unsigned steps_for(double radius, double lat) {
  int steps = -1;
  if (radius == 0) return RD_GEO_STEPS;
  for (; radius < HALF_EARTH; radius *= 2) steps++;
  if (fabs(lat) > 66) steps--;
  if (fabs(lat) > 80) steps--;
  if (steps < 1) return 1;
  return steps > (int)RD_GEO_STEPS ? RD_GEO_STEPS : (unsigned)steps;
}

/* The bounds in degrees by which Redis chooses cells. They are no bounds of the area: a circle is wider than its
 * chord at the parallel where these are taken. */
static void bounds_of(const rd_geo_area *a, rd_geo_point *low, rd_geo_point *high) {
  rd_geo_point p = a->center;
  double lat = (a->is_box ? a->height / 2 : a->radius) / RD_GEO_EARTH / RD_GEO_RADIAN;
  double width = (a->is_box ? a->width / 2 : a->radius) / RD_GEO_EARTH;
  double parallel = p.lat < 0 ? p.lat - lat : p.lat + lat;
  double lon = width / cos(parallel * RD_GEO_RADIAN) / RD_GEO_RADIAN;
  *low = (rd_geo_point){p.lon - lon, p.lat - lat};
  *high = (rd_geo_point){p.lon + lon, p.lat + lat};
}

/* True if the cell and its neighbours do not reach the bounds. */
static bool too_small(rd_geo_cell c, rd_geo_point low, rd_geo_point high) {
  rd_geo_point from, to;
  rd_geo_cell_corners(rd_geo_cell_beside(c, 0, 1), &from, &to);
  if (to.lat < high.lat) return true;
  rd_geo_cell_corners(rd_geo_cell_beside(c, 0, -1), &from, &to);
  if (from.lat > low.lat) return true;
  rd_geo_cell_corners(rd_geo_cell_beside(c, 1, 0), &from, &to);
  if (to.lon < high.lon) return true;
  rd_geo_cell_corners(rd_geo_cell_beside(c, -1, 0), &from, &to);
  return from.lon > low.lon;
}

/* ---- the part of a cell that is in the window ---- */

typedef struct side {
  uint32_t first, last;
} side;

/* The part of `cell` that is in a window from `first` on; false: none is. A part at each end counts as all. */
static bool cut(side *cell, uint32_t first, uint32_t width) {
  if (width >= ALL || cell->first >= ALL) return true;
  uint32_t last = first + width - 1;
  bool wraps = last >= ALL;
  if (wraps) {
    bool low = cell->first <= last - ALL, high = cell->last >= first;
    if (low && high) return true;
    if (low && cell->last > last - ALL) cell->last = last - ALL;
    if (high && cell->first < first) cell->first = first;
    return low || high;
  }
  if (cell->first > last || cell->last < first) return false;
  if (cell->first < first) cell->first = first;
  if (cell->last > last) cell->last = last;
  return true;
}

static side side_of(uint32_t number, unsigned steps) {
  unsigned shift = RD_GEO_STEPS - steps;
  return (side){number << shift, ((number + 1) << shift) - 1};
}

static void add_cell(const rd_geo_test *t, rd_geo_cell c, rd_geo_cover *cover) {
  const rd_geo_window *w = &t->window;
  side lon = side_of(c.lon, c.steps), lat = side_of(c.lat, c.steps);
  if (!cut(&lon, w->west, w->width) || !cut(&lat, w->south, w->north - w->south + 1)) return;
  uint64_t first = rd_geo_cell_hash((rd_geo_cell){lon.first, lat.first, RD_GEO_STEPS});
  uint64_t last = rd_geo_cell_hash((rd_geo_cell){lon.last, lat.last, RD_GEO_STEPS});
  cover->range[cover->n++] = (rd_geo_range){first, last + 1};
}

void rd_geo_cover_area(const rd_geo_test *t, rd_geo_cover *cover) {
  static const int8_t beside[RD_GEO_CELLS][2] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                                                 {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
  const rd_geo_area *a = &t->area;
  rd_geo_point low, high, from, to;
  double reach = a->is_box ? sqrt((a->width / 2) * (a->width / 2) + (a->height / 2) * (a->height / 2)) : a->radius;
  unsigned steps = steps_for(reach, a->center.lat);
  bounds_of(a, &low, &high);
  rd_geo_cell middle = rd_geo_cell_of(a->center, steps), before = {.steps = 0};
  if (steps > 1 && too_small(middle, low, high)) middle = rd_geo_cell_of(a->center, --steps);
  rd_geo_cell_corners(middle, &from, &to);
  cover->n = 0;
  for (unsigned i = 0; i < RD_GEO_CELLS; i++) {
    int east = beside[i][0], north = beside[i][1];
    if (steps >= 2 && ((north < 0 && from.lat < low.lat) || (north > 0 && to.lat > high.lat) ||
                       (east < 0 && from.lon < low.lon) || (east > 0 && to.lon > high.lon)))
      continue;
    rd_geo_cell c = rd_geo_cell_beside(middle, east, north);
    if (before.steps != 0 && before.lon == c.lon && before.lat == c.lat) continue; /* there are only four cells */
    before = c;
    add_cell(t, c, cover);
  }
}

/* ---- the test ---- */

/* The number of the cell with this latitude or longitude, so many further on, but on the map. */
static uint32_t number_near(double degrees, double most, int further) {
  double number = floor((degrees + most) / (2 * most) * ALL) + further;
  return number < 0 ? 0 : number >= ALL ? ALL - 1 : (uint32_t)number;
}

/* Roundings may move a bound by less than SPARE cells. */
enum { SPARE = 3 };

static void find_window(rd_geo_test *t) {
  const rd_geo_area *a = &t->area;
  const double half_turn = 180 * RD_GEO_RADIAN;
  double lat = (a->is_box ? a->height / 2 : a->radius) / RD_GEO_EARTH * (1 + 1e-12);
  double lon = half_turn, pole = half_turn / 2 - fabs(t->lat), across = (a->is_box ? a->width / 2 : a->radius);
  across = across / RD_GEO_EARTH * (1 + 1e-12);
  if (a->is_box && lat < pole && across < half_turn) {
    double sine = sin(across / 2) / cos(fabs(t->lat) + lat);
    if (sine < 1) lon = 2 * asin(sine);
  } else if (!a->is_box && across < pole) {
    double sine = sin(across) / cos(t->lat);
    if (sine < 1) lon = asin(sine);
  }
  double up = lat / RD_GEO_RADIAN, aside = lon / RD_GEO_RADIAN;
  t->window.south = number_near(a->center.lat - up, RD_GEO_LAT_MAX, -SPARE);
  t->window.north = number_near(a->center.lat + up, RD_GEO_LAT_MAX, SPARE);
  double width = aside / RD_GEO_LON_MAX * ALL + 2 * SPARE + 1;
  t->window.width = width >= ALL ? ALL : (uint32_t)width;
  double west = (a->center.lon - aside + RD_GEO_LON_MAX) / (2 * RD_GEO_LON_MAX) * ALL - SPARE;
  t->window.west = (uint32_t)(int32_t)floor(west) & (ALL - 1);
}

void rd_geo_test_init(rd_geo_test *t, const rd_geo_area *area) {
  t->area = *area;
  t->area.radius *= area->unit;
  t->area.width *= area->unit;
  t->area.height *= area->unit;
  t->lat = area->center.lat * RD_GEO_RADIAN;
  find_window(t);
}

static bool in_box(const rd_geo_area *a, rd_geo_point p) {
  if (rd_geo_lat_distance(a->center.lat, p.lat) > a->height / 2) return false;
  return rd_geo_distance((rd_geo_point){a->center.lon, p.lat}, p) <= a->width / 2;
}

bool rd_geo_contains(const rd_geo_test *t, uint64_t hash, double *distance) {
  const rd_geo_window *w = &t->window;
  rd_geo_cell c = rd_geohash_cell(hash);
  if (c.lat < ALL && c.lon < ALL) {
    if (c.lat < w->south || c.lat > w->north || ((c.lon - w->west) & (ALL - 1)) >= w->width) return false;
  }
  rd_geo_point p = rd_geo_cell_middle(c);
  if (t->area.is_box && !in_box(&t->area, p)) return false;
  *distance = rd_geo_distance(t->area.center, p);
  return t->area.is_box || *distance <= t->area.radius;
}
