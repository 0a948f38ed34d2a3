/* list.h - lists: collections by position, whose entries are elements (element.h).
 *
 * An export of a whole list begins with rd_coll_first, and goes on with rd_list_next. */
#ifndef RD_LIST_H
#define RD_LIST_H

#include "store/coll.h"
#include "types/element.h"

#define RD_LIST_RUN 2000u /* most bytes of a packed list, and of a leaf */

extern const rd_coll_kind rd_list_kind;
/* "listpack" or "quicklist". */
const char *rd_list_encoding(rd_store *st, const rd_item *it);

/* rd_coll_count, quick. */
uint64_t rd_list_length(const rd_coll *c);

/* ---- changing ---- */

/* Add an element at an end. RD_OOM: nothing has changed. The caller keeps the name (below). */
rd_result rd_list_push(rd_coll *c, rd_element *e, bool left);
/* The same before the place; and in place of the entry there. */
rd_result rd_list_insert(rd_coll *c, rd_pos *p, rd_element *e);
rd_result rd_list_replace(rd_coll *c, rd_pos *p, rd_element *e);

/* ---- the name ----
 *
 * Redis keeps a list in a listpack up to list-max-listpack-size: bytes of the listpack if that is negative, otherwise
 * elements. Before a change it adds the strings' lengths, without their heads, to the listpack's bytes; if the sum is
 * above the limit the list becomes a quicklist. It becomes a listpack again when a removal leaves half of the limit,
 * at most. (Redis also wants the rest to lie in one node of the quicklist, which we have not: a list whose rest lies in
 * two becomes a listpack somewhat sooner here.) */

/* True if a listpack becomes a quicklist when strings of `bytes` bytes in all are added to it, as `elements` more. */
bool rd_list_outgrows(const rd_coll *c, int64_t bytes, int64_t elements);
void rd_list_name_quicklist(rd_coll *c);
/* Call it after a removal that leaves elements. */
void rd_list_shrunk(rd_coll *c);
/* Call it when a list was built as a whole: RESTORE, SORT. */
void rd_list_built(rd_coll *c);
/* The bytes of an entry in Redis's listpack. */
uint64_t rd_list_pack_bytes(const rd_store *st, const uint8_t *entry);

/* ---- walking ---- */

/* The first or last entry. false: there is none. */
bool rd_list_end(const rd_coll *c, bool left, rd_pos *p);

/* rd_coll_next, quick within a run. */
static inline bool rd_list_next(const rd_coll *c, rd_pos *p) {
  const uint8_t *at = p->at + rd_element_skip(p->at);
  if (RD_UNLIKELY(at >= p->end)) return rd_coll_next(c, p);
  p->at = at;
  return true;
}

/* A walk backwards. Entries have no way back, so the offsets of those of a run are collected when the walk enters it.
 */
typedef struct rd_list_back {
  rd_pos p;
  uint32_t before; /* the entries before it in its run */
  uint16_t offset[RD_LIST_RUN];
} rd_list_back;
/* Begin at the entry that `b->p` is set to; go to the one before. */
void rd_list_back_begin(rd_list_back *b);
bool rd_list_back_next(const rd_coll *c, rd_list_back *b);

#endif
