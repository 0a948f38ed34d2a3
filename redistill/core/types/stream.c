/* stream.c - opens streams, and appends, finds and removes their entries. */
#include "types/stream.h"

#include "arena/lock.h"
#include "arena/longrun.h"
#include "store/check.h"
#include "store/evict.h"
#include "store/tree.h"
#include "types/stream_group.h"

const char *rd_stream_encoding(rd_store *st, const rd_item *it) {
  (void)st;
  (void)it;
  return "stream";
}

/* ---- opening ---- */

void rd_stream_reopen(rd_stream *s) {
  if (s->c.item != NULL)
    rd_coll_read_extra(&s->c, &s->meta);
  else
    s->meta = (rd_stream_meta){.length = 0};
}

void rd_stream_open(rd_stream *s, rd_store *st, const rd_key *key, rd_item *it) {
  rd_coll_open(&s->c, st, key, it, &rd_types[RD_STREAM]);
  rd_stream_reopen(s);
}

void rd_stream_save(rd_stream *s) { rd_coll_write_extra(&s->c, &s->meta); }

rd_result rd_stream_create(rd_stream *s) { return rd_tree_from_packed(&s->c); }

/* ---- appending ---- */

enum {
  LISTPACK = 16,        /* bytes of an empty node in Redis, about */
  ENTRY_BYTES = 8,      /* bytes of an entry besides its strings */
  NODE_BYTES = 1 << 30, /* of the longest node */
};

/* True if Redis would begin a node for the entry. */
static bool begins_node(const rd_stream *s, const rd_body *b) {
  const rd_type_limits *limits = &s->c.st->type_limits;
  uint64_t most = limits->stream_bytes == 0 || limits->stream_bytes > NODE_BYTES ? NODE_BYTES : limits->stream_bytes;
  return s->meta.node_bytes + b->length >= most ||
         (limits->stream_entries != 0 && s->meta.node_count >= limits->stream_entries);
}

static void count_in_node(rd_stream_meta *m, const rd_body *b, bool begins) {
  uint64_t strings = b->is_outside ? b->length + 2ull * b->n : b->values_len + (uint64_t)b->n;
  if (begins) {
    m->nodes++;
    m->node_count = 0;
    m->node_bytes = LISTPACK + (b->is_outside ? 0 : b->fields_len + (uint64_t)b->n);
  }
  m->node_count++;
  m->node_bytes += ENTRY_BYTES + strings;
}

rd_result rd_stream_append(rd_stream *s, rd_stream_id id, const rd_body *b, rd_node_choice node) {
  rd_coll *c = &s->c;
  rd_pos p;
  uint8_t chunk[RD_CHUNK_ROOM];
  bool any = c->item != NULL && rd_coll_last(c, &p), begins = true;
  rd_result done;
  if (any) begins = node == RD_NODE_BY_LIMITS ? begins_node(s, b) : node == RD_NODE_NEW;
  if (any && !begins) memcpy(chunk, p.at, rd_chunk_len(p.at));
  if (any && !begins && rd_chunk_append(chunk, id, b)) {
    done = rd_coll_replace(c, &p, chunk, rd_chunk_len(chunk));
  } else {
    uint32_t len = rd_chunk_make(chunk, id, b, begins ? RD_CHUNK_NODE : 0);
    if (any)
      p.at = p.end;
    else
      rd_coll_first(c, &p);
    done = rd_coll_insert(c, &p, chunk, len);
  }
  if (RD_UNLIKELY(done != RD_OK)) return done;
  count_in_node(&s->meta, b, begins);
  s->meta.last = id;
  s->meta.length++;
  s->meta.added++;
  rd_stream_save(s);
  return RD_OK;
}

/* ---- places ---- */

static int compare_id(void *arg, const uint8_t *chunk) {
  return rd_id_compare(*(const rd_stream_id *)arg, rd_chunk_first_id(chunk));
}

/* The last chunk that begins at the id or before it. False: there is none, and *p is the first chunk, if any. */
static bool find_chunk(const rd_stream *s, rd_stream_id id, rd_pos *p) {
  if (s->c.item == NULL) return false;
  bool found = rd_coll_lower(&s->c, id.ms, compare_id, &id, p);
  if (found && rd_id_compare(rd_chunk_first_id(p->at), id) == 0) return true;
  return rd_coll_prev(&s->c, p) || (rd_coll_first(&s->c, p) && false);
}

bool rd_stream_lower(const rd_stream *s, rd_stream_id id, rd_stream_pos *at) {
  if (s->meta.length == 0) return false;
  if (!find_chunk(s, id, &at->p)) {
    rd_coll_first(&s->c, &at->p);
  } else if (rd_spot_lower(&at->spot, at->p.at, id)) {
    return true;
  } else if (!rd_coll_next(&s->c, &at->p)) {
    return false;
  }
  rd_spot_first(&at->spot, at->p.at);
  return true;
}

bool rd_stream_upper(const rd_stream *s, rd_stream_id id, rd_stream_pos *at) {
  return s->meta.length != 0 && find_chunk(s, id, &at->p) && rd_spot_upper(&at->spot, at->p.at, id);
}

bool rd_stream_next(const rd_stream *s, rd_stream_pos *at) {
  if (RD_LIKELY(rd_spot_next(&at->spot))) return true;
  if (!rd_coll_next(&s->c, &at->p)) return false;
  rd_spot_first(&at->spot, at->p.at);
  return true;
}

bool rd_stream_prev(const rd_stream *s, rd_stream_pos *at) {
  if (at->spot.index > 0) {
    rd_spot_at(&at->spot, at->p.at, at->spot.index - 1);
    return true;
  }
  if (!rd_coll_prev(&s->c, &at->p)) return false;
  rd_spot_last(&at->spot, at->p.at);
  return true;
}

bool rd_stream_first_id(const rd_stream *s, rd_stream_id *id) {
  rd_pos p;
  *id = (rd_stream_id){0, 0};
  if (s->meta.length == 0 || !rd_coll_first(&s->c, &p)) return false;
  *id = rd_chunk_first_id(p.at);
  return true;
}

bool rd_stream_last_id(const rd_stream *s, rd_stream_id *id) {
  rd_pos p;
  *id = (rd_stream_id){0, 0};
  if (s->meta.length == 0 || !rd_coll_last(&s->c, &p)) return false;
  *id = rd_chunk_last_id(p.at);
  return true;
}

bool rd_stream_has(const rd_stream *s, rd_stream_id id) {
  rd_stream_pos at;
  return rd_stream_lower(s, id, &at) && rd_id_compare(at.spot.id, id) == 0;
}

/* ---- removing ---- */

/* Remove the whole chunk. Its node's mark goes to the next chunk of the node. */
static void remove_chunk(rd_stream *s, rd_pos *p) {
  bool node = rd_chunk_is(p->at, RD_CHUNK_NODE);
  rd_coll_remove(&s->c, p);
  if (!node) return;
  if (p->at == p->end || rd_chunk_is(p->at, RD_CHUNK_NODE)) {
    s->meta.nodes--;
    if (p->at == p->end) s->meta.node_count = UINT32_MAX; /* the last node is full now, as the one before it was */
    return;
  }
  uint8_t flags = p->at[2] | RD_CHUNK_NODE;
  rd_coll_write(&s->c, p, 2, &flags, 1);
}

/* Remove `n` entries of the chunk from number `from` on, which may be all of them. */
static void remove_entries(rd_stream *s, rd_pos *p, uint32_t from, uint32_t n) {
  if (n == rd_chunk_count(p->at)) {
    remove_chunk(s, p);
    return;
  }
  uint8_t chunk[RD_CHUNK_ROOM];
  uint32_t len = rd_chunk_without(chunk, p->at, from, n);
  assert(len <= rd_chunk_len(p->at));
  rd_result done = rd_coll_replace(&s->c, p, chunk, len);
  assert(done == RD_OK); /* the chunk is not longer, so nothing is allocated */
  (void)done;
}

bool rd_stream_remove(rd_stream *s, rd_stream_id id) {
  rd_stream_pos at;
  if (!rd_stream_lower(s, id, &at) || rd_id_compare(at.spot.id, id) != 0) return false;
  remove_entries(s, &at.p, at.spot.index, 1);
  s->meta.length--;
  if (rd_id_compare(id, s->meta.deleted) > 0) s->meta.deleted = id;
  rd_stream_save(s);
  return true;
}

/* ---- trimming ---- */

/* True if a whole node, or chunk, of `count` entries may go, of which the last has this id. */
static bool may_go(const rd_stream *s, const rd_trim *t, uint64_t count, rd_stream_id last) {
  return t->by == RD_TRIM_BY_LENGTH ? s->meta.length - count >= t->length : rd_id_compare(last, t->id) < 0;
}

/* The entries of the first node; 0: it may not go. */
static uint64_t first_node(const rd_stream *s, const rd_trim *t) {
  rd_pos p;
  uint64_t count = 0;
  for (bool more = rd_coll_first(&s->c, &p); more; more = rd_coll_next(&s->c, &p)) {
    if (count != 0 && rd_chunk_is(p.at, RD_CHUNK_NODE)) break;
    count += rd_chunk_count(p.at);
    if (!may_go(s, t, count, rd_chunk_last_id(p.at))) return 0;
    rd_yield(s->c.st);
  }
  return count;
}

/* Remove the first chunk. */
static uint32_t remove_first(rd_stream *s, const rd_trim *t) {
  rd_pos p;
  if (!rd_coll_first(&s->c, &p)) return 0;
  uint32_t count = rd_chunk_count(p.at);
  if (t->refs == RD_REFS_DELETE) {
    rd_stream_unlink_range(s, rd_chunk_first_id(p.at), rd_chunk_last_id(p.at));
    rd_coll_first(&s->c, &p);
  }
  remove_chunk(s, &p);
  s->meta.length -= count;
  rd_stream_save(s); /* the stream is whole wherever the command may pause */
  rd_yield(s->c.st);
  return count;
}

static uint64_t trim_nodes(rd_stream *s, const rd_trim *t) {
  uint64_t removed = 0, count;
  while ((count = first_node(s, t)) != 0) {
    if (t->most != 0 && removed + count > t->most) break;
    for (uint64_t left = count, n; left > 0; left -= n) {
      n = remove_first(s, t);
      removed += n;
    }
  }
  return removed;
}

/* The entries of the first chunk that have to go, but not all of it. */
static uint32_t first_entries(const rd_stream *s, const rd_trim *t, const uint8_t *chunk) {
  if (t->by == RD_TRIM_BY_LENGTH) return (uint32_t)(s->meta.length - t->length);
  rd_spot spot;
  return rd_spot_lower(&spot, chunk, t->id) ? spot.index : 0;
}

static uint64_t trim_exactly(rd_stream *s, const rd_trim *t) {
  rd_pos p;
  uint64_t removed = 0;
  while (rd_coll_first(&s->c, &p) && may_go(s, t, rd_chunk_count(p.at), rd_chunk_last_id(p.at)))
    removed += remove_first(s, t);
  if (!rd_coll_first(&s->c, &p)) return removed;
  uint32_t n = first_entries(s, t, p.at);
  if (n == 0) return removed;
  if (t->refs == RD_REFS_DELETE) {
    rd_spot last;
    rd_spot_at(&last, p.at, n - 1);
    rd_stream_unlink_range(s, rd_chunk_first_id(p.at), last.id);
    rd_coll_first(&s->c, &p);
  }
  remove_entries(s, &p, 0, n);
  s->meta.length -= n;
  return removed + n;
}

uint64_t rd_stream_trims(const rd_stream *s, const rd_trim *t) {
  if (t->by == RD_TRIM_NOTHING || (t->by == RD_TRIM_BY_LENGTH && s->meta.length <= t->length)) return 0;
  uint64_t n = t->by == RD_TRIM_BY_LENGTH ? s->meta.length - t->length : s->meta.length;
  if (t->refs == RD_REFS_ACKED)
    n = s->meta.length; /* entries that stay are looked at, too */
  else if (t->most != 0 && n > t->most)
    n = t->most;
  return t->refs == RD_REFS_KEEP ? n : n * (1 + (uint64_t)s->meta.groups);
}

uint64_t rd_stream_trim(rd_stream *s, const rd_trim *t) {
  if (s->c.item == NULL || rd_stream_trims(s, t) == 0) return 0;
  if (t->refs == RD_REFS_ACKED) return rd_stream_trim_acked(s, t);
  uint64_t removed = t->nearly ? trim_nodes(s, t) : trim_exactly(s, t);
  if (removed > 0) rd_stream_save(s);
  return removed;
}

/* ---- verifying ---- */

void rd_stream_check(struct rd_walk *walk, const rd_item *it) {
  rd_coll_check(walk, it);
  const rd_store *st = rd_walk_store(walk);
  if (!rd_walk_expect(walk, true, "") || !rd_slot_is_live(st, rd_item_slot(it))) return;
  rd_stream s = {.c = {.st = (rd_store *)(uintptr_t)st, .row = &rd_types[RD_STREAM]}};
  s.c.kind = s.c.row->coll[0];
  s.c.item = (rd_item *)(uintptr_t)it;
  rd_stream_reopen(&s);
  rd_pos p;
  uint64_t length = 0, nodes = 0;
  for (bool more = rd_coll_first(&s.c, &p); more; more = rd_coll_next(&s.c, &p)) {
    length += rd_chunk_count(p.at);
    nodes += rd_chunk_is(p.at, RD_CHUNK_NODE);
    if (!rd_walk_expect(walk, length != rd_chunk_count(p.at) || nodes == 1, "a stream whose first node has no mark"))
      return;
  }
  rd_walk_expect(walk, length == s.meta.length && nodes == s.meta.nodes, "a stream that counts wrongly");
  rd_walk_expect(walk, rd_groups_count(&s) == s.meta.groups, "a stream that counts its groups wrongly");
}
