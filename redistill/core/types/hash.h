/* hash.h - hashes: collections whose entries are a field and its value.
 *
 *     [255, time: 6 bytes]   field: an element   value: an element
 *
 * The time is in milliseconds since the epoch, little endian; only an entry that expires has one.
 *
 * Entries are ordered by the field's hash (store/coll.h). A packed hash keeps them as they were inserted. */
#ifndef RD_HASH_TYPE_H
#define RD_HASH_TYPE_H

#include "store/type.h"
#include "types/element.h"

/* RD_COLL_NAME of hashes. */
enum { RD_HASH_LISTPACK = 0, RD_HASH_TABLE = 2 };

#define RD_HASH_TIMED 255u
#define RD_HASH_TIME_BYTES 7u
#define RD_HASH_TIME_MAX ((int64_t)(1ull << 48) - 1)

extern const rd_coll_kind rd_hash_kind;
void rd_hash_fetch(const rd_coll *c, const rd_sought each[], uint32_t n); /* rd_type_row.fetch */
extern const rd_coll_kind rd_hash_time_kind;                              /* the second tree: hash_time.h */
/* The name that OBJECT ENCODING shows. */
const char *rd_hash_encoding(rd_store *st, const rd_item *it);

/* ---- an entry ---- */

static inline const uint8_t *rd_hash_field(const uint8_t *entry) {
  return RD_UNLIKELY(*entry == RD_HASH_TIMED) ? entry + RD_HASH_TIME_BYTES : entry;
}
static inline const uint8_t *rd_hash_value(const uint8_t *entry) {
  const uint8_t *field = rd_hash_field(entry);
  return field + rd_element_skip(field);
}
static inline uint32_t rd_hash_bytes(const uint8_t *entry) {
  const uint8_t *value = rd_hash_value(entry);
  return (uint32_t)(value - entry) + rd_element_skip(value);
}
/* The entry behind it in its run; `end`: there is none, or it is damaged. */
static inline const uint8_t *rd_hash_next(const uint8_t *entry, const uint8_t *end) {
  uint32_t bytes = rd_hash_bytes(entry);
  return RD_LIKELY(bytes - 1u < (size_t)(end - entry)) ? entry + bytes : end;
}
/* The time at which it expires, or RD_NO_EXPIRY. */
int64_t rd_hash_time(const uint8_t *entry);
/* True if a field with that time has expired at `now`: it lives until the millisecond has passed, like a key. */
static inline bool rd_hash_time_passed(int64_t time, int64_t now) { return time < now; }

/* The position of a field in the order of a large hash: a multiple of 2 to the power of RD_HASH_SPARE_BITS, so that a
 * cursor of HSCAN fits into the 53 bits that a double holds exactly. */
#define RD_HASH_SPARE_BITS 11u
static inline uint64_t rd_hash_order(uint64_t hash) { return hash >> RD_HASH_SPARE_BITS << RD_HASH_SPARE_BITS; }
/* The cursor of the first position that is not below `order`, which may lie between two. */
static inline uint64_t rd_hash_cursor(uint64_t order) {
  return (order >> RD_HASH_SPARE_BITS) + ((order & ((1u << RD_HASH_SPARE_BITS) - 1)) != 0);
}

/* ---- fields of an open hash (rd_coll_open) ---- */

/* Find a field. false: there is none, and *p is where rd_hash_put would add it. */
bool rd_hash_find(const rd_coll *c, rd_element *field, rd_pos *p);
/* Set the field, which rd_hash_find has just found (or not) at *p, and which expires at `time` (RD_NO_EXPIRY: never; at
 * most RD_HASH_TIME_MAX). Corrects the name that OBJECT ENCODING shows. RD_OOM: nothing has changed. */
rd_result rd_hash_put(rd_coll *c, rd_pos *p, bool found, rd_element *field, rd_element *value, int64_t time);
/* Change only the time of the field, which was found at *p. */
rd_result rd_hash_set_time(rd_coll *c, rd_pos *p, rd_element *field, int64_t time);
/* Remove a field; false: there was none. */
bool rd_hash_remove(rd_coll *c, rd_element *field);
/* The same for the field at *p. */
void rd_hash_remove_at(rd_coll *c, rd_pos *p);
/* The hash holds `count` fields: have OBJECT ENCODING show what Redis would. */
void rd_hash_name_for(rd_coll *c, uint64_t count);

#endif
