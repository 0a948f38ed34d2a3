/* geo.c - places of single members: GEOADD, GEOPOS, GEODIST, GEOHASH. */
#include "commands/geo.h"

#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/value.h"

/* ---- what the commands share ---- */

bool rd_parse_place(rd_call *c, const rd_bytes argv[2], rd_geo_point *p) {
  if (!rd_parse_score(c, argv[0], &p->lon) || !rd_parse_score(c, argv[1], &p->lat)) return false;
  if (RD_LIKELY(rd_geo_is_place(*p))) return true;
  rd_reply_errorf(c->out, "ERR invalid longitude,latitude pair %f,%f", p->lon, p->lat);
  return false;
}

bool rd_parse_unit(rd_call *c, rd_bytes text, double *unit) {
  if (rd_arg_is(text, "m"))
    *unit = 1;
  else if (rd_arg_is(text, "km"))
    *unit = 1000;
  else if (rd_arg_is(text, "ft"))
    *unit = 0.3048;
  else if (rd_arg_is(text, "mi"))
    *unit = 1609.34;
  else {
    rd_reply_error(c->out, "ERR unsupported unit provided. please use M, KM, FT, MI");
    return false;
  }
  return true;
}

bool rd_find_place(const rd_coll *z, rd_bytes member, uint64_t *hash) {
  rd_element e;
  rd_zset_place p;
  rd_element_of(&e, member);
  if (z->item == NULL || !rd_zset_find(z, &e, &p)) return false;
  *hash = rd_geohash_of_score(rd_zset_score(p.at.at));
  return true;
}

static rd_geo_point place_of(uint64_t hash) { return rd_geo_cell_middle(rd_geohash_cell(hash)); }

static void reply_degrees(rd_reply *r, double degrees) {
  char text[RD_GEO_TEXT + 3];
  size_t len = rd_geo_format_degrees(text + 1, degrees);
  if (r->resp < 3) {
    rd_reply_bulk(r, text + 1, len);
    return;
  }
  text[0] = ',';
  memcpy(text + 1 + len, "\r\n", 2);
  rd_reply_raw(r, text, len + 3);
}

void rd_reply_place(rd_reply *r, rd_geo_point p) {
  rd_reply_array(r, 2);
  reply_degrees(r, p.lon);
  reply_degrees(r, p.lat);
}

void rd_reply_distance(rd_reply *r, double distance) {
  char text[RD_GEO_TEXT];
  rd_reply_bulk(r, text, rd_geo_format_distance(text, distance));
}

/* ---- GEOADD ---- */

static bool parse_added(rd_call *c, const rd_bytes *argv, double *score) {
  rd_geo_point p;
  if (!rd_parse_place(c, argv, &p)) return false;
  *score = (double)rd_geohash_of(p);
  return true;
}

void rd_cmd_geoadd(rd_call *c) {
  rd_add_options o = {.first = 2, .step = 3};
  for (; o.first < c->argc; o.first++) {
    rd_bytes word = c->argv[o.first];
    if (rd_arg_is(word, "nx"))
      o.nx = true;
    else if (rd_arg_is(word, "xx"))
      o.xx = true;
    else if (rd_arg_is(word, "ch"))
      o.ch = true;
    else
      break;
  }
  o.n = (c->argc - o.first) / 3;
  if ((c->argc - o.first) % 3 != 0 || o.n == 0 || (o.nx && o.xx))
    rd_reply_syntax(c->out);
  else
    rd_add(c, &o, parse_added);
}

/* ---- GEOPOS, GEODIST, GEOHASH ---- */

/* Reply with an array: for each member named from argv[2] on, what `reply` appends. */
static void reply_each(rd_call *c, void (*reply)(rd_reply *r, rd_geo_point p), void (*reply_none)(rd_reply *r)) {
  rd_coll z;
  if (c->argc > RD_LONG_ELEMENTS && !rd_may_take_long(c)) return;
  if (!rd_open_zset(c, 1, false, &z)) return;
  rd_reply_array(c->out, c->argc - 2);
  for (uint32_t i = 2; i < c->argc && !c->out->failed; i++) {
    uint64_t hash;
    if (rd_find_place(&z, c->argv[i], &hash))
      reply(c->out, place_of(hash));
    else
      reply_none(c->out);
    if ((i & 63) == 0) rd_yield(c->store);
  }
}

static void reply_letters(rd_reply *r, rd_geo_point p) {
  char letters[RD_GEOHASH_LETTERS];
  rd_geohash_letters(p, letters);
  rd_reply_bulk(r, letters, sizeof letters);
}

void rd_cmd_geopos(rd_call *c) { reply_each(c, rd_reply_place, rd_reply_null_array); }
void rd_cmd_geohash(rd_call *c) { reply_each(c, reply_letters, rd_reply_null); }

void rd_cmd_geodist(rd_call *c) {
  rd_coll z;
  double unit = 1;
  uint64_t a, b;
  if (c->argc > 5) {
    rd_reply_syntax(c->out);
    return;
  }
  if ((c->argc == 5 && !rd_parse_unit(c, c->argv[4], &unit)) || !rd_open_zset(c, 1, false, &z)) return;
  if (rd_find_place(&z, c->argv[2], &a) && rd_find_place(&z, c->argv[3], &b))
    rd_reply_distance(c->out, rd_geo_distance(place_of(a), place_of(b)) / unit);
  else
    rd_reply_null(c->out);
}
