/* geohash.c - places, cells, distances. The results agree with Redis's to the last bit, so the order of the operations
 * matters. */
#include "base/geohash.h"

#include <math.h>

#include "base/numbers.h"

static inline double radians(double degrees) { return degrees * RD_GEO_RADIAN; }

bool rd_geo_is_place(rd_geo_point p) { return fabs(p.lon) <= RD_GEO_LON_MAX && fabs(p.lat) <= RD_GEO_LAT_MAX; }

/* ---- distances ---- */

double rd_geo_lat_distance(double a, double b) { return RD_GEO_EARTH * fabs(radians(b) - radians(a)); }

double rd_geo_distance(rd_geo_point a, rd_geo_point b) {
  double across = sin((radians(b.lon) - radians(a.lon)) / 2);
  if (across == 0) return rd_geo_lat_distance(a.lat, b.lat);
  double lat_a = radians(a.lat), lat_b = radians(b.lat);
  double along = sin((lat_b - lat_a) / 2);
  return 2.0 * RD_GEO_EARTH * asin(sqrt(along * along + cos(lat_a) * cos(lat_b) * across * across));
}

/* ---- bits ---- */

/* Put a zero before each bit. */
static uint64_t spread(uint64_t n) {
  n = (n | n << 16) & 0x0000ffff0000ffffull;
  n = (n | n << 8) & 0x00ff00ff00ff00ffull;
  n = (n | n << 4) & 0x0f0f0f0f0f0f0f0full;
  n = (n | n << 2) & 0x3333333333333333ull;
  return (n | n << 1) & 0x5555555555555555ull;
}

/* Take each second bit, from the lowest one on. */
static uint32_t gather(uint64_t n) {
  n &= 0x5555555555555555ull;
  n = (n | n >> 1) & 0x3333333333333333ull;
  n = (n | n >> 2) & 0x0f0f0f0f0f0f0f0full;
  n = (n | n >> 4) & 0x00ff00ff00ff00ffull;
  n = (n | n >> 8) & 0x0000ffff0000ffffull;
  return (uint32_t)(n | n >> 16);
}

/* ---- cells ---- */

static uint32_t number_of(double degrees, double most, unsigned steps) {
  return (uint32_t)((degrees - -most) / (most - -most) * (double)(1ull << steps));
}

static double edge(uint32_t number, double most, unsigned steps) {
  return -most + (double)number / (double)(1ull << steps) * (most - -most);
}

rd_geo_cell rd_geo_cell_of(rd_geo_point p, unsigned steps) {
  return (rd_geo_cell){number_of(p.lon, RD_GEO_LON_MAX, steps), number_of(p.lat, RD_GEO_LAT_MAX, steps), steps};
}

rd_geo_cell rd_geo_cell_beside(rd_geo_cell c, int east, int north) {
  uint32_t mask = (1u << c.steps) - 1;
  if (east != 0) c.lon = (c.lon + (uint32_t)east) & mask;
  if (north != 0) c.lat = (c.lat + (uint32_t)north) & mask;
  return c;
}

void rd_geo_cell_corners(rd_geo_cell c, rd_geo_point *low, rd_geo_point *high) {
  *low = (rd_geo_point){edge(c.lon, RD_GEO_LON_MAX, c.steps), edge(c.lat, RD_GEO_LAT_MAX, c.steps)};
  *high = (rd_geo_point){edge(c.lon + 1, RD_GEO_LON_MAX, c.steps), edge(c.lat + 1, RD_GEO_LAT_MAX, c.steps)};
}

uint64_t rd_geo_cell_hash(rd_geo_cell c) {
  return (spread(c.lat) | spread(c.lon) << 1) << 2 * (RD_GEO_STEPS - c.steps);
}

rd_geo_cell rd_geohash_cell(uint64_t hash) { return (rd_geo_cell){gather(hash >> 1), gather(hash), RD_GEO_STEPS}; }

static double within(double degrees, double most) { return degrees > most ? most : degrees < -most ? -most : degrees; }

rd_geo_point rd_geo_cell_middle(rd_geo_cell c) {
  rd_geo_point low, high;
  rd_geo_cell_corners(c, &low, &high);
  return (rd_geo_point){within((low.lon + high.lon) / 2, RD_GEO_LON_MAX),
                        within((low.lat + high.lat) / 2, RD_GEO_LAT_MAX)};
}

uint64_t rd_geohash_of_score(double score) {
  const double half = 0x1p63;
  if (score >= half) return score < 2 * half ? (uint64_t)score : 0;
  return score >= -half ? (uint64_t)(int64_t)score : 1ull << 63;
}

void rd_geohash_letters(rd_geo_point p, char letters[RD_GEOHASH_LETTERS]) {
  rd_geo_cell c = {number_of(p.lon, 180, RD_GEO_STEPS), number_of(p.lat, 90, RD_GEO_STEPS), RD_GEO_STEPS};
  uint64_t hash = rd_geo_cell_hash(c);
  /* Eleven letters have 55 bits; of the last letter Redis writes none. */
  for (unsigned i = 0; i + 1 < RD_GEOHASH_LETTERS; i++)
    letters[i] = "0123456789bcdefghjkmnpqrstuvwxyz"[hash >> (47 - 5 * i) & 31];
  letters[RD_GEOHASH_LETTERS - 1] = '0';
}

/* ---- text ---- */

/* The whole part, and the 17 digits behind it, of a number that is not negative; half to even, exactly. */
static uint64_t split(double number, uint64_t *digits) {
  const uint64_t one = 100000000000000000ull; /* 10^17 */
  int exponent;
  uint64_t mantissa = (uint64_t)ldexp(frexp(number, &exponent), 53);
  int shift = 53 - exponent; /* number = mantissa / 2^shift */
  if (shift <= 0 || shift > 120) {
    *digits = 0;
    return shift <= 0 ? (uint64_t)number : 0;
  }
  uint64_t whole = shift < 64 ? mantissa >> shift : 0;
  unsigned __int128 scaled = (unsigned __int128)(shift < 64 ? mantissa - (whole << shift) : mantissa) * one;
  unsigned __int128 rest = scaled & (((unsigned __int128)1 << shift) - 1), half = (unsigned __int128)1 << (shift - 1);
  *digits = (uint64_t)(scaled >> shift);
  if (rest > half || (rest == half && (*digits & 1) != 0)) ++*digits;
  if (*digits < one) return whole;
  *digits = 0;
  return whole + 1;
}

/* Write `n` digits. */
static void put_digits(char *dst, uint64_t digits, unsigned n) {
  for (; n > 0; digits /= 10) dst[--n] = (char)('0' + digits % 10);
}

size_t rd_geo_format_degrees(char dst[RD_GEO_TEXT], double degrees) {
  uint64_t digits;
  uint64_t whole = split(fabs(degrees), &digits);
  size_t len = 0;
  if (degrees < 0 && (whole != 0 || digits != 0)) dst[len++] = '-';
  len += rd_format_i64(dst + len, (int64_t)(whole % 1000));
  dst[len] = '.';
  put_digits(dst + len + 1, digits, 17);
  len += 18;
  while (dst[len - 1] == '0') len--;
  return dst[len - 1] == '.' ? len - 1 : len;
}

size_t rd_geo_format_distance(char dst[RD_GEO_TEXT], double distance) {
  uint64_t n = (uint64_t)llrint(distance * 10000);
  size_t len = rd_format_i64(dst, (int64_t)(n / 10000));
  dst[len] = '.';
  put_digits(dst + len + 1, n % 10000, 4);
  return len + 5;
}
