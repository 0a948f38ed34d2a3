/* list.c - adds elements to lists, names their encodings, and walks them backwards. */
#include "types/list.h"

#include "store/blob.h"
#include "store/type.h"

static uint32_t size(const uint8_t *at, const uint8_t *end) { return rd_element_size(at, end); }

static uint32_t outside(const uint8_t *entry, uint32_t n) {
  return n == 0 && rd_element_is_outside(entry) ? RD_ELEMENT_REF : 0;
}

const rd_coll_kind rd_list_kind = {.run_max = RD_LIST_RUN, .size = size, .outside = outside};

const char *rd_list_encoding(rd_store *st, const rd_item *it) {
  (void)st;
  return (it->type >> 4 & RD_COLL_NAME) == 0 ? "listpack" : "quicklist";
}

/* ---- changing ---- */

typedef rd_result put_fn(rd_coll *c, rd_pos *p, const uint8_t *entry, uint32_t len);

static rd_result put(rd_coll *c, rd_pos *p, rd_element *e, put_fn *how) {
  uint8_t entry[RD_ELEMENT_MAX];
  const uint8_t *end = rd_element_put(c, e, entry);
  if (end == NULL) return RD_OOM;
  rd_result r = how(c, p, entry, (uint32_t)(end - entry));
  if (RD_UNLIKELY(r != RD_OK && e->is_outside)) rd_blob_release(c->st, c->shard, rd_ld64(entry + RD_ELEMENT_REF));
  return r;
}

rd_result rd_list_insert(rd_coll *c, rd_pos *p, rd_element *e) { return put(c, p, e, rd_coll_insert); }
rd_result rd_list_replace(rd_coll *c, rd_pos *p, rd_element *e) { return put(c, p, e, rd_coll_replace); }

rd_result rd_list_push(rd_coll *c, rd_element *e, bool left) {
  rd_pos p;
  if (left || rd_coll_is_packed(c))
    rd_coll_first(c, &p);
  else
    rd_coll_at(c, UINT64_MAX, &p);
  if (!left) p.at = p.end; /* behind the last one */
  return rd_list_insert(c, &p, e);
}

/* The last entry of a run, and the number of all. See rd_element_head_decides. */
static const uint8_t *walk_run(const uint8_t *at, const uint8_t *end, uint64_t *count) {
  const uint8_t *last = at;
  uint64_t n = 0;
  while (at < end) {
    uint8_t head = *at;
    uint32_t step = rd_element_skip(at);
    for (; at < end && *at == head && rd_element_head_decides(head); n++) {
      last = at;
      at += step;
    }
    for (unsigned i = 0; i < RD_ELEMENT_CHANGED && at < end; i++, n++) {
      last = at;
      at += rd_element_skip(at);
    }
  }
  *count = n;
  return last;
}

uint64_t rd_list_length(const rd_coll *c) {
  if (!rd_coll_is_packed(c)) return rd_coll_count(c);
  rd_pos p;
  uint64_t n;
  rd_coll_first(c, &p);
  walk_run(p.begin, p.end, &n);
  return n;
}

/* ---- the name ---- */

#define PACK_EMPTY 7u     /* bytes of an empty listpack */
#define PACK_SAFETY 8192u /* most bytes of a listpack that is limited by its elements */

enum { LISTPACK = 0, QUICKLIST = 2 };

/* With the bytes that lead back. */
static uint64_t with_back(uint64_t n) {
  return n + (n <= 127 ? 1u : n < 16383 ? 2u : n < 2097151 ? 3u : n < 268435455 ? 4u : 5u);
}

static uint64_t integer_bytes(int64_t n) {
  if (n >= 0 && n <= 127) return 2;
  if (n >= -4096 && n <= 4095) return 3;
  if (n >= INT16_MIN && n <= INT16_MAX) return 4;
  if (n >= -(1 << 23) && n < 1 << 23) return 5;
  return n >= INT32_MIN && n <= INT32_MAX ? 6 : 10;
}

uint64_t rd_list_pack_bytes(const rd_store *st, const uint8_t *entry) {
  if (RD_LIKELY(*entry < 64)) return *entry + 2u;
  int64_t n;
  if (rd_element_integer(entry, &n)) return integer_bytes(n);
  uint64_t len = rd_element_len(st, entry);
  return with_back(len + (len < 4096 ? 2u : 5u));
}

/* The bytes of the whole list in a listpack; or more than `enough`, when they are more. */
static uint64_t pack_bytes(const rd_coll *c, uint64_t enough) {
  uint64_t bytes = PACK_EMPTY;
  rd_pos p;
  for (bool more = rd_coll_first(c, &p); more && bytes <= enough; more = rd_list_next(c, &p))
    bytes += rd_list_pack_bytes(c->st, p.at);
  return bytes;
}

/* The limits of a listpack. */
typedef struct pack_limit {
  uint64_t bytes, elements;
} pack_limit;

static pack_limit pack_limit_of(const rd_store *st) {
  int32_t size = st->type_limits.list_size;
  if (size >= 0) return (pack_limit){PACK_SAFETY, size != 0 ? (uint64_t)size : 1};
  return (pack_limit){size <= -5 ? 65536u : 2048u << -size, UINT64_MAX};
}

/* True if the list has more than `room` bytes in a listpack, since even its entries have, each of which is shorter. */
static bool exceeds(const rd_coll *c, uint64_t room) {
  uint64_t bytes = 0;
  rd_pos p;
  for (bool more = rd_coll_first(c, &p); more && bytes <= room; more = rd_coll_next(c, &p)) {
    bytes += (uint64_t)(p.end - p.begin);
    p.at = p.end;
  }
  return bytes > room;
}

/* True if the list, with `bytes` and `elements` added, stays within the limit. */
static bool fits(const rd_coll *c, pack_limit limit, int64_t bytes, int64_t elements) {
  if (limit.elements != UINT64_MAX && rd_list_length(c) + (uint64_t)elements > limit.elements) return false;
  if (bytes > (int64_t)limit.bytes) return false;
  uint64_t room = (uint64_t)((int64_t)limit.bytes - bytes);
  if (!rd_coll_is_packed(c)) {
    /* An element takes two bytes, at least. */
    if (2 * rd_coll_count(c) > room || exceeds(c, room)) return false;
  } else if (c->item == NULL || 2 * rd_item_len(c->item) + PACK_EMPTY <= room) {
    return PACK_EMPTY <= room; /* a packed list has no strings outside, so no entry is twice as long in a listpack */
  }
  return pack_bytes(c, room) <= room;
}

static bool is_quicklist(const rd_coll *c) { return c->item != NULL && rd_coll_name(c) != LISTPACK; }

bool rd_list_outgrows(const rd_coll *c, int64_t bytes, int64_t elements) {
  return !is_quicklist(c) && !fits(c, pack_limit_of(c->st), bytes, elements);
}

void rd_list_name_quicklist(rd_coll *c) {
  if (!is_quicklist(c)) rd_coll_set_name(c, QUICKLIST);
}

void rd_list_shrunk(rd_coll *c) {
  if (RD_LIKELY(!is_quicklist(c))) return;
  pack_limit limit = pack_limit_of(c->st);
  if (limit.elements != UINT64_MAX)
    limit.elements /= 2;
  else
    limit.bytes /= 2;
  if (fits(c, limit, 0, 0)) rd_coll_set_name(c, LISTPACK);
}

void rd_list_built(rd_coll *c) {
  if (c->item != NULL) rd_coll_set_name(c, fits(c, pack_limit_of(c->st), 0, 0) ? LISTPACK : QUICKLIST);
}

/* ---- walking ---- */

bool rd_list_end(const rd_coll *c, bool left, rd_pos *p) {
  if (left || rd_coll_is_packed(c))
    rd_coll_first(c, p);
  else
    rd_coll_at(c, UINT64_MAX, p);
  if (left) return p->at < p->end;
  uint32_t even = rd_coll_even(c, p);
  uint64_t n;
  p->at = even != 0 ? p->end - even : walk_run(p->begin, p->end, &n);
  return p->at < p->end;
}

void rd_list_back_begin(rd_list_back *b) {
  b->before = 0;
  for (const uint8_t *at = b->p.begin; at < b->p.at; at += rd_element_skip(at))
    b->offset[b->before++] = (uint16_t)(at - b->p.begin);
}

bool rd_list_back_next(const rd_coll *c, rd_list_back *b) {
  if (b->before == 0) {
    if (!rd_coll_prev(c, &b->p)) return false;
    rd_list_back_begin(b);
  } else {
    b->p.at = b->p.begin + b->offset[--b->before];
  }
  return true;
}
