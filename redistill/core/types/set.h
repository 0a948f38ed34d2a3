/* set.h - sets: collections whose entries are one element, the member.
 *
 * Entries are ordered by the member's hash (store/coll.h). A packed set keeps its members as they were added, and in
 * ascending order as long as all are integers, as Redis's SMEMBERS shows them. */
#ifndef RD_SET_TYPE_H
#define RD_SET_TYPE_H

#include "store/type.h"
#include "types/element.h"

/* RD_COLL_NAME of sets. */
enum { RD_SET_LISTPACK = 0, RD_SET_INTSET = 1, RD_SET_HASHTABLE = 2 };

#define rd_set_row (rd_types[RD_SET])
extern const rd_coll_kind rd_member_kind;
void rd_member_fetch(const rd_coll *c, const rd_sought each[], uint32_t n); /* rd_type_row.fetch */
/* The name that OBJECT ENCODING shows. */
const char *rd_member_encoding(rd_store *st, const rd_item *it);

/* The position of a member in the order of a large set. Its last bits are 0, so that a cursor of SSCAN fits into the 53
 * bits that a double holds exactly. */
#define RD_MEMBER_SPARE_BITS 11u
static inline uint64_t rd_member_order(uint64_t hash) { return hash >> RD_MEMBER_SPARE_BITS << RD_MEMBER_SPARE_BITS; }
/* The cursor of the first position that is not below `order`, which may lie between two. */
static inline uint64_t rd_member_cursor(uint64_t order) {
  return (order >> RD_MEMBER_SPARE_BITS) + ((order & ((1u << RD_MEMBER_SPARE_BITS) - 1)) != 0);
}

/* ---- members of an open set (rd_coll_open) ---- */

/* Find a member. false: there is none; *p is then in the run in which it would be. */
bool rd_member_find(const rd_coll *c, rd_element *e, rd_pos *p);
/* Add a member; *added: the set did not have it. Corrects the name that OBJECT ENCODING shows; `expected` is the number
 * of members that the command is about to add, by which Redis chooses the name, too. RD_OOM: nothing has changed. */
rd_result rd_member_add(rd_coll *c, rd_element *e, uint64_t expected, bool *added);
/* Remove a member; false: there was none. */
bool rd_member_remove(rd_coll *c, rd_element *e);
/* rd_coll_next, quick within a run. Begin with rd_coll_first. */
static inline bool rd_member_next(const rd_coll *c, rd_pos *p);

/* The name of a set with these members that Redis builds member by member, from one of the name `from`. */
unsigned rd_member_name_built(const rd_coll *c, unsigned from);

/* ---- the inline function ---- */

static inline bool rd_member_next(const rd_coll *c, rd_pos *p) {
  const uint8_t *at = p->at + rd_element_skip(p->at);
  if (RD_UNLIKELY(at >= p->end)) return rd_coll_next(c, p);
  p->at = at;
  return true;
}

#endif
