/* sources.h - the keys that the algebra of sets and sorted sets reads. */
#ifndef RD_SOURCES_H
#define RD_SOURCES_H

#include "command/call.h"
#include "store/coll.h"

typedef struct rd_source {
  rd_coll coll;   /* coll.item is NULL for a key that does not exist */
  uint64_t count; /* its members */
  uint32_t place; /* among the keys of the call */
  double weight;  /* for sorted sets */
} rd_source;

#define RD_FEW_SOURCES 8u
typedef struct rd_sources {
  rd_call *call;
  rd_source *at;
  uint32_t n;
  uint32_t given;         /* room in `at` */
  uint64_t found, missed; /* lookups that were counted */
  rd_source few[RD_FEW_SOURCES];
} rd_sources;

/* Look up argv[first] and the `n` - 1 arguments behind it, which must be sets, or also sorted sets. false: an error was
 * replied, or the command must begin again as a long one; there is nothing to free. */
bool rd_sources_find(rd_sources *s, rd_call *c, uint32_t first, uint32_t n, bool or_sorted);
void rd_sources_free(rd_sources *s);
/* True if the command may look at `members` members of `bytes` bytes in all. false: it must begin again as a long one,
 * and the lookups were uncounted. */
bool rd_sources_may_take(rd_sources *s, uint64_t members, uint64_t bytes);

/* ---- results that are stored ---- */

typedef enum rd_made { RD_MADE, RD_FULL, RD_LOST } rd_made;

/* The result `to` had no memory for what is at the place `p` of the source `from`: make room. RD_MADE: try again, with
 * the place where it is now. RD_FULL: there is no room. RD_LOST: a source was evicted. */
rd_made rd_sources_make_room(rd_sources *s, rd_coll *to, const rd_coll *from, rd_pos *p);
/* Give the key a new value, which `make` builds; without members the key is deleted. When `make` returns RD_LOST it is
 * called again, and finds the source absent. false after an error reply. */
bool rd_sources_store(rd_sources *s, const rd_key *key, const rd_type_row *row, rd_key_event event,
                      rd_made (*make)(void *arg, rd_coll *to), void *arg);

/* Parse the option LIMIT of SINTERCARD and ZINTERCARD, from argv[from] on. *limit is UINT64_MAX without a limit. false
 * after an error reply. */
bool rd_parse_limit(rd_call *c, uint32_t from, uint64_t *limit);

#endif
