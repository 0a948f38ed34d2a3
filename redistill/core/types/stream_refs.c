/* stream_refs.c - the references of groups to entries: deleting these with the entries, or not deleting such entries.
 */
#include "arena/longrun.h"
#include "types/stream_group.h"

rd_stream_id rd_groups_lowest(const rd_stream *s) {
  rd_stream_id lowest = RD_STREAM_MAX;
  rd_group g;
  for (bool more = rd_group_first(s, &g); more; more = rd_group_next(s, &g)) {
    if (rd_id_compare(g.last, lowest) < 0) lowest = g.last;
    rd_yield(s->c.st);
  }
  return lowest;
}

bool rd_stream_is_referenced(const rd_stream *s, rd_stream_id id, rd_stream_id lowest) {
  rd_group g;
  rd_pending e;
  if (rd_id_compare(id, lowest) > 0) return true;
  for (bool more = rd_group_first(s, &g); more; more = rd_group_next(s, &g)) {
    if (rd_pending_find(s, g.number, id, &e)) return true;
    rd_yield(s->c.st);
  }
  return false;
}

void rd_stream_unlink(rd_stream *s, rd_stream_id id) {
  rd_group g;
  for (uint32_t i = 0; rd_group_at(s, i, &g); i++) { /* removing makes the place of a group void, but not its rank */
    rd_pending_remove(s, g.number, id);
    rd_yield(s->c.st);
  }
}

void rd_stream_unlink_range(rd_stream *s, rd_stream_id low, rd_stream_id high) {
  rd_group g;
  rd_pending e;
  for (uint32_t i = 0; rd_group_at(s, i, &g); i++) {
    rd_stream_id at = low;
    while (rd_pending_lower(s, g.number, at, &e) && rd_id_compare(e.id, high) <= 0) {
      at = e.id;
      if (rd_stream_has(s, at)) rd_pending_remove(s, g.number, at);
      rd_yield(s->c.st);
      if (!rd_id_up(&at)) break;
    }
    rd_yield(s->c.st);
  }
}

/* ---- trimming ---- */

typedef struct trimming {
  const rd_trim *t;
  rd_stream_id at;     /* where to go on */
  rd_stream_id lowest; /* rd_groups_lowest */
  uint64_t removed;
  bool passed; /* an entry before `at` stays */
} trimming;

/* The number of entries of the node at x->at, and its last id. 0: there is none. */
static uint64_t node_at(const rd_stream *s, const trimming *x, rd_stream_id *last) {
  rd_stream_pos at;
  uint64_t count = 0;
  bool more = rd_stream_lower(s, x->at, &at);
  if (!more) return 0;
  do {
    count += rd_chunk_count(at.p.at);
    *last = rd_chunk_last_id(at.p.at);
    rd_yield(s->c.st);
  } while (rd_coll_next(&s->c, &at.p) && !rd_chunk_is(at.p.at, RD_CHUNK_NODE));
  return count;
}

/* True if the entry with this id, one of `count` that would go, is among those to remove. */
static bool may_go(const rd_stream *s, const rd_trim *t, rd_stream_id id, uint64_t count) {
  if (t->by == RD_TRIM_BY_ID) return rd_id_compare(id, t->id) < 0;
  return s->meta.length >= count && s->meta.length - count >= t->length;
}

/* Remove the entries up to `high` to which no group refers. False: no later entry will go. */
static bool remove_up_to(rd_stream *s, trimming *x, rd_stream_id high) {
  rd_stream_pos at;
  while (rd_stream_lower(s, x->at, &at) && rd_id_compare(at.spot.id, high) <= 0) {
    rd_stream_id id = at.spot.id, deleted = s->meta.deleted;
    if (rd_id_compare(id, x->lowest) > 0 || !may_go(s, x->t, id, 1)) return false;
    if (rd_stream_is_referenced(s, id, x->lowest)) {
      x->passed = true;
    } else {
      rd_stream_remove(s, id);
      x->removed++;
      /* Redis's count of what a group has read asks whether an entry behind the first one is missing. */
      if (!x->passed) {
        s->meta.deleted = deleted;
        rd_stream_save(s);
      }
    }
    x->at = id;
    if (!rd_id_up(&x->at)) return false;
    rd_yield(s->c.st);
  }
  return true;
}

uint64_t rd_stream_trim_acked(rd_stream *s, const rd_trim *t) {
  trimming x = {.t = t, .lowest = rd_groups_lowest(s)};
  rd_stream_id last;
  uint64_t count;
  if (!t->nearly) {
    remove_up_to(s, &x, RD_STREAM_MAX);
    return x.removed;
  }
  while ((count = node_at(s, &x, &last)) != 0 && may_go(s, t, last, count)) {
    if ((t->most != 0 && x.removed + count > t->most) || !remove_up_to(s, &x, last)) break;
  }
  return x.removed;
}
