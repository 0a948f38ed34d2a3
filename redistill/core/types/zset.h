/* zset.h - sorted sets: members with scores, in the order of the scores, and members of one score in that of their
 * bytes.
 *
 * An entry is the score (8 bytes, the double's bits) and the member (element.h). In tree form a second tree finds a
 * member without its score: its entries are the high half of the member's hash (4 bytes) and the score, in the order
 * of that hash. Members of the same half are told apart by their entries in the first tree. The functions here keep
 * both trees in step; a packed value has no second one, and its members are found by walking.
 *
 * They are the operations for commands, and for all that use sorted sets (DUMP, SORT, ZUNION ...). Walk the entries
 * with coll.h's functions; change them only with these. */
#ifndef RD_ZSET_H
#define RD_ZSET_H

#include "store/coll.h"
#include "types/element.h"

extern const rd_coll_kind rd_zset_scores, rd_zset_hashes; /* the first tree, and the second one */
const char *rd_zset_encoding(rd_store *st, const rd_item *it);

/* An entry of the second tree: its length, and the number of different halves of hashes. */
#define RD_ZSET_HASHED 12u
#define RD_ZSET_HALVES (1ull << 32)

/* The names that OBJECT ENCODING shows (RD_COLL_NAME). */
enum { RD_ZSET_LISTPACK = 0, RD_ZSET_SKIPLIST = 2 };

/* ---- an entry ---- */

static inline double rd_zset_score(const uint8_t *entry) {
  double score;
  memcpy(&score, entry, sizeof score);
  return score;
}
/* The member, as an element. */
static inline const uint8_t *rd_zset_member(const uint8_t *entry) { return entry + 8; }
/* A score as a number that has the same order. 0 and -0 are equal. */
uint64_t rd_zset_order(double score);
/* A client's text as a score. false: it is none. */
bool rd_zset_parse(rd_bytes text, double *score);

/* ---- one member ---- */

/* Where a member is, or would be. It is void after a change by any function. */
typedef struct rd_zset_place {
  rd_pos at;     /* its entry */
  rd_pos hashed; /* tree form: its entry in the second tree, or the run for it */
} rd_zset_place;

/* rd_type_row.fetch */
void rd_zset_fetch(const rd_coll *c, const rd_sought each[], uint32_t n);
bool rd_zset_find(const rd_coll *c, rd_element *member, rd_zset_place *p);
/* Add the member, which rd_zset_find did not find, at the place that it returned. RD_OOM: nothing has changed. */
rd_result rd_zset_add(rd_coll *c, rd_zset_place *p, rd_element *member, double score);
/* Give a member that was found another score. RD_OOM: nothing has changed. */
rd_result rd_zset_move(rd_coll *c, rd_zset_place *p, double score);
/* Remove a member that was found. */
void rd_zset_remove(rd_coll *c, rd_zset_place *p);
/* The three together: add the member, or give it that score. */
rd_result rd_zset_put(rd_coll *c, rd_element *member, double score);

/* ---- ranges ---- */

/* The first entry whose score, and then member, is not before the given ones. `member` NULL: before all members. */
bool rd_zset_lower(const rd_coll *c, uint64_t order, const rd_element *member, rd_pos *p);
/* rd_coll_next, quick within a run. */
static inline bool rd_zset_next(const rd_coll *c, rd_pos *p) {
  const uint8_t *at = p->at + 8 + rd_element_skip(rd_zset_member(p->at));
  if (RD_UNLIKELY(at >= p->end)) return rd_coll_next(c, p);
  p->at = at;
  return true;
}
/* The entries from the place on whose order is below this one; or `most`, when there are more. O(most). */
uint64_t rd_zset_count_below(const rd_coll *c, const rd_pos *p, uint64_t order, uint64_t most);
/* Remove `n` members from `rank` on. Calls rd_yield. */
void rd_zset_remove_range(rd_coll *c, uint64_t rank, uint64_t n);

#endif
