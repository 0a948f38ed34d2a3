/* geo_search.c - searches for members in an area: GEOSEARCH, GEORADIUS and their relatives. */
#include "arena/longrun.h"
#include "command/keys.h"
#include "commands/cmd.h"
#include "commands/geo.h"
#include "commands/geo_area.h"
#include "commands/geo_found.h"
#include "commands/value.h"

/* Their order in table/geo.def. The commands of the family of GEORADIUS have STORE in place of FROMMEMBER. */
enum { WITHDIST, WITHHASH, WITHCOORD, ANY, ASC, DESC, COUNT, FROMMEMBER, FROMLONLAT, BYRADIUS, BYBOX, STOREDIST };
enum { RADIUS_STORE = FROMMEMBER, RADIUS_STOREDIST };

typedef struct search {
  rd_call *call;
  rd_coll z;
  rd_geo_area area;
  bool is_radius;                     /* GEORADIUS or a relative */
  bool has_center, has_member;        /* FROMLONLAT, FROMMEMBER */
  bool has_shape;                     /* BYRADIUS or BYBOX */
  bool dist, hash, coord, any, order; /* order: ASC or DESC */
  bool down, store_dist;
  int64_t count;  /* 0: all */
  uint32_t store; /* the position of the key for the result; 0: reply */
  rd_geo_test test;
  rd_geo_found found;
  uint64_t steps;   /* members looked at */
  uint64_t bytes;   /* of long members in the reply */
  size_t mark;      /* where the reply begins */
  uint64_t replied; /* members in it */
} search;

/* ---- arguments ---- */

static bool parse_length(rd_call *c, rd_bytes text, const char *name, double *length) {
  if (rd_zset_parse(text, length)) return true;
  rd_reply_errorf(c->out, "ERR need numeric %s", name);
  return false;
}

/* A radius and a unit. */
static bool parse_circle(search *s, const rd_bytes argv[2]) {
  rd_call *c = s->call;
  if (!parse_length(c, argv[0], "radius", &s->area.radius)) return false;
  if (s->area.radius < 0) {
    rd_reply_error(c->out, "ERR radius cannot be negative");
    return false;
  }
  s->area.is_box = false;
  return rd_parse_unit(c, argv[1], &s->area.unit);
}

/* A width, a height and a unit. */
static bool parse_box(search *s, const rd_bytes argv[3]) {
  rd_call *c = s->call;
  if (!parse_length(c, argv[0], "width", &s->area.width) || !parse_length(c, argv[1], "height", &s->area.height))
    return false;
  if (s->area.width < 0 || s->area.height < 0) {
    rd_reply_error(c->out, "ERR height or width cannot be negative");
    return false;
  }
  s->area.is_box = true;
  return rd_parse_unit(c, argv[2], &s->area.unit);
}

static bool find_center(search *s, rd_bytes member) {
  uint64_t hash;
  if (!rd_find_place(&s->z, member, &hash)) {
    rd_reply_error(s->call->out, "ERR could not decode requested zset member");
    return false;
  }
  s->area.center = rd_geo_cell_middle(rd_geohash_cell(hash));
  return true;
}

static bool parse_count(search *s, rd_bytes text) {
  if (!rd_arg_integer(s->call, text, &s->count)) return false;
  if (s->count > 0) return true;
  rd_reply_error(s->call->out, "ERR COUNT must be > 0");
  return false;
}

static bool refuse_syntax(search *s) {
  rd_reply_syntax(s->call->out);
  return false;
}

/* An option with a value that says where the area is, or where the result goes. */
static bool parse_place_option(search *s, int option, uint32_t values) {
  const rd_bytes *argv = s->call->argv + values;
  if (s->is_radius) {
    s->store = values;
    s->store_dist = option == RADIUS_STOREDIST;
    return option == RADIUS_STORE || option == RADIUS_STOREDIST || refuse_syntax(s);
  }
  switch (option) {
    case FROMMEMBER:
      if (s->has_center) return refuse_syntax(s);
      s->has_member = true;
      return s->z.item == NULL || find_center(s, argv[0]);
    case FROMLONLAT:
      if (s->has_member) return refuse_syntax(s);
      s->has_center = true;
      return rd_parse_place(s->call, argv, &s->area.center);
    case BYRADIUS:
      if (s->has_shape && s->area.is_box) return refuse_syntax(s);
      s->has_shape = true;
      return parse_circle(s, argv);
    case BYBOX:
      if (s->has_shape && !s->area.is_box) return refuse_syntax(s);
      s->has_shape = true;
      return parse_box(s, argv);
    case STOREDIST:
      return s->store_dist = true;
    default:
      return refuse_syntax(s);
  }
}

/* False after an error reply. */
static bool parse_option(search *s, int option, uint32_t values) {
  switch (option) {
    case WITHDIST:
      return s->dist = true;
    case WITHHASH:
      return s->hash = true;
    case WITHCOORD:
      return s->coord = true;
    case ANY:
      return s->any = true;
    case ASC:
    case DESC:
      s->down = option == DESC;
      return s->order = true;
    case COUNT:
      return parse_count(s, s->call->argv[values]);
    default:
      return parse_place_option(s, option, values);
  }
}

/* Check the options together. */
static bool check(search *s) {
  rd_call *c = s->call;
  const char *name = (const char *)c->argv[0].data;
  int len = (int)c->argv[0].len;
  if (s->store != 0 && (s->dist || s->hash || s->coord))
    rd_reply_errorf(c->out, "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                    s->is_radius ? "STORE option in GEORADIUS" : "GEOSEARCHSTORE");
  else if (!s->is_radius && !s->has_center && !s->has_member)
    rd_reply_errorf(c->out, "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s", len, name);
  else if (!s->is_radius && !s->has_shape)
    rd_reply_errorf(c->out, "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s", len, name);
  else if (s->any && s->count == 0)
    rd_reply_error(c->out, "ERR the ANY argument requires COUNT argument");
  else
    return true;
  return false;
}

/* Parse the options from argv[at] on. False after an error reply. */
static bool parse_options(search *s, uint32_t at) {
  rd_call *c = s->call;
  while (at < c->argc) {
    uint32_t values;
    int option = rd_next_option(c->command, c->argv, c->argc, &at, &values);
    if (option == RD_NO_OPTION) return refuse_syntax(s);
    if (!parse_option(s, option, values)) return false;
  }
  return check(s);
}

/* ---- searching ---- */

/* Whether members are collected, and not replied at once. */
static bool collects(const search *s) { return s->store != 0 || s->found.sorted; }

/* True if the command may go on: false once it takes long, where it cannot pause. Then it must return. */
static bool may_go_on(search *s) {
  if (s->steps > RD_LONG_KEYS || s->bytes > RD_LONG_BYTES) {
    if (!rd_may_read(s->call, UINT64_MAX)) return false;
    if ((s->steps & 63) == 0 && !rd_yield(s->call->store)) s->call->out->failed = true;
  }
  return true;
}

/* Append a member to the reply. */
static bool reply_member(search *s, const uint8_t *entry, double distance) {
  rd_reply *out = s->call->out;
  const uint8_t *member = rd_zset_member(entry);
  uint64_t hash = rd_geohash_of_score(rd_zset_score(entry));
  if (RD_UNLIKELY(rd_element_is_outside(member))) s->bytes += rd_element_len(s->call->store, member);
  if (!may_go_on(s)) return false;
  if (s->dist || s->hash || s->coord) rd_reply_array(out, 1u + s->dist + s->hash + s->coord);
  rd_element_reply(out, s->call->store, member);
  if (s->dist) rd_reply_distance(out, distance / s->area.unit);
  if (s->hash) rd_reply_int(out, (int64_t)hash);
  if (s->coord) rd_reply_place(out, rd_geo_cell_middle(rd_geohash_cell(hash)));
  s->replied++;
  return !out->failed;
}

typedef enum progress { GOES_ON, IS_DONE, MUST_RETURN, NO_MEMORY } progress;

static progress take(search *s, const rd_pos *p, uint64_t rank, double distance) {
  if (!collects(s)) {
    if (!reply_member(s, p->at, distance)) return MUST_RETURN;
    return s->any && s->replied == (uint64_t)s->count ? IS_DONE : GOES_ON;
  }
  rd_geo_found_one one = {.distance = distance, .entry = p->at};
  if (s->store != 0) one.rank = rank;
  if (!rd_geo_found_add(&s->found, one)) return NO_MEMORY;
  return s->any && s->found.n == (uint64_t)s->count ? IS_DONE : GOES_ON;
}

static progress search_range(search *s, const rd_geo_range *range) {
  rd_pos p;
  double end = (double)range->end;
  bool more = rd_zset_lower(&s->z, rd_zset_order((double)range->first), NULL, &p);
  uint64_t rank = s->store != 0 && more ? rd_coll_rank(&s->z, &p) : 0;
  for (; more && rd_zset_score(p.at) < end; more = rd_zset_next(&s->z, &p), rank++) {
    double distance;
    s->steps++;
    if (!may_go_on(s) || s->call->out->failed) return MUST_RETURN;
    if (!rd_geo_contains(&s->test, rd_geohash_of_score(rd_zset_score(p.at)), &distance)) continue;
    progress made = take(s, &p, rank, distance);
    if (made != GOES_ON) return made;
  }
  return GOES_ON;
}

static progress search_area(search *s) {
  rd_geo_cover cover;
  progress made = GOES_ON;
  rd_geo_test_init(&s->test, &s->area);
  rd_geo_cover_area(&s->test, &cover);
  for (unsigned i = 0; i < cover.n && made == GOES_ON; i++) made = search_range(s, &cover.range[i]);
  return made == IS_DONE ? GOES_ON : made;
}

/* ---- results ---- */

static bool reply_found(search *s) {
  if (!rd_geo_found_arrange(&s->found)) return false;
  rd_reply_array(s->call->out, s->found.n);
  for (uint64_t i = 0; i < s->found.n; i++) {
    s->steps++;
    if (!reply_member(s, s->found.at[i].entry, s->found.at[i].distance)) break;
  }
  return true;
}

/* Build the sorted set of what was found. False: no memory. */
static bool put_found(search *s, rd_coll *to) {
  for (uint64_t i = 0; i < s->found.n; i++) {
    const rd_geo_found_one *one = &s->found.at[i];
    for (int attempt = 0;; attempt++) {
      rd_pos p;
      rd_element member;
      rd_coll_at(&s->z, one->rank, &p);
      double score = s->store_dist ? one->distance / s->area.unit : rd_zset_score(p.at);
      rd_element_like(&member, s->z.st, rd_zset_member(p.at));
      if (rd_zset_put(to, &member, score) == RD_OK) break;
      if (attempt == RD_COLL_ATTEMPTS || !rd_reserve_beside(&s->z, to)) return false;
    }
    if ((i & 63) == 63) rd_yield(s->call->store);
  }
  return true;
}

static bool store_found(search *s) {
  rd_call *c = s->call;
  rd_coll to;
  rd_key key = rd_call_key(c, s->store);
  if (!rd_geo_found_arrange(&s->found)) return false;
  rd_coll_build(&to, c->store, &key, &rd_types[RD_ZSET]);
  if (!put_found(s, &to)) {
    rd_coll_abandon(&to);
    return false;
  }
  if (!rd_coll_finish(&to, RD_NO_EXPIRY, s->is_radius ? RD_EVENT_GEORADIUSSTORE : RD_EVENT_GEOSEARCHSTORE))
    return false;
  if (s->found.n > 0) rd_note_changes(c->store, s->found.n);
  rd_reply_int(c->out, (int64_t)s->found.n);
  return true;
}

/* The result without a search: the key does not exist. */
static void reply_nothing(search *s) {
  rd_call *c = s->call;
  if (s->store != 0) {
    rd_key key = rd_call_key(c, s->store);
    rd_discard(c->store, &key);
    rd_reply_int(c->out, 0);
  } else {
    rd_reply_array(c->out, 0);
  }
}

static void run(search *s) {
  rd_call *c = s->call;
  if (s->z.item == NULL) {
    reply_nothing(s);
    return;
  }
  s->mark = c->out->len;
  rd_geo_found_init(&s->found, c);
  s->found.sorted = s->order || (s->count != 0 && !s->any);
  s->found.down = s->down;
  if (s->count != 0) s->found.limit = (uint64_t)s->count;
  size_t begun = collects(s) ? 0 : rd_reply_begin_array(c->out);
  progress made = search_area(s);
  bool done = made != NO_MEMORY;
  if (made == GOES_ON && collects(s))
    done = s->store != 0 ? store_found(s) : reply_found(s);
  else if (made == GOES_ON)
    rd_reply_end_array(c->out, begun, s->replied);
  if (c->verdict != RD_DONE)
    c->out->len = s->mark; /* the command begins again */
  else if (!done)
    rd_reply_oom_instead(c->out, s->mark);
  rd_geo_found_free(&s->found);
}

/* ---- the commands ---- */

static void search_from(rd_call *c, uint32_t source, uint32_t store) {
  search s = {.call = c, .store = store};
  if (rd_open_zset(c, source, false, &s.z) && parse_options(&s, source + 1)) run(&s);
}

void rd_cmd_geosearch(rd_call *c) { search_from(c, 1, 0); }
void rd_cmd_geosearchstore(rd_call *c) { search_from(c, 2, 1); }

static void search_radius(rd_call *c) {
  search s = {.call = c, .is_radius = true};
  if (!rd_open_zset(c, 1, false, &s.z) || !rd_parse_place(c, c->argv + 2, &s.area.center)) return;
  if (parse_circle(&s, c->argv + 4) && parse_options(&s, 6)) run(&s);
}

static void search_radius_of_member(rd_call *c) {
  search s = {.call = c, .is_radius = true};
  if (!rd_open_zset(c, 1, false, &s.z)) return;
  if (s.z.item != NULL && (!find_center(&s, c->argv[2]) || !parse_circle(&s, c->argv + 3))) return;
  if (parse_options(&s, 5)) run(&s);
}

void rd_cmd_georadius(rd_call *c) { search_radius(c); }
void rd_cmd_georadius_ro(rd_call *c) { search_radius(c); }
void rd_cmd_georadiusbymember(rd_call *c) { search_radius_of_member(c); }
void rd_cmd_georadiusbymember_ro(rd_call *c) { search_radius_of_member(c); }
