/* dump_collection.c - writes collections in Redis's own format: small ones packed, as Redis 7.0 has them in memory,
 * others entry by entry. */
#include <stdlib.h>

#include "arena/longrun.h"
#include "base/doubles.h"
#include "commands/payload.h"
#include "rdb/listpack.h"
#include "types/hash.h"
#include "types/list.h"
#include "types/set.h"
#include "types/zset.h"

/* A larger collection is not written as one packed string, whatever Redis's name for it, since such a string has to be
 * in one piece in the other server; and Redis and Valkey do not agree about an entry of 16,383 bytes. */
#define PACKED_MAX 16000u
#define NODE_MAX 8192u /* bytes of a packed string of a list's elements; a longer element lies alone */

typedef void put_fn(rd_store *st, rd_writer *w, const uint8_t *entry);

/* ---- elements ---- */

void rd_put_element(rd_store *st, rd_writer *w, const uint8_t *element) {
  char buf[RD_ELEMENT_TEXT];
  if (!rd_element_is_outside(element)) {
    rd_put_string(w, rd_element_text(element, buf));
    return;
  }
  uint64_t len = rd_element_len(st, element);
  rd_put_length(w, len);
  uint8_t *to = rd_put_room(w, len);
  if (to != NULL) rd_element_read(st, element, to);
}

static void put_packed(rd_store *st, rd_writer *w, const uint8_t *element) {
  char buf[RD_ELEMENT_TEXT];
  if (!rd_element_is_outside(element)) {
    rd_put_packed(w, rd_element_text(element, buf));
    return;
  }
  uint64_t len = rd_element_len(st, element);
  rd_put_packed_head(w, len);
  uint8_t *to = rd_put_room(w, len);
  if (to != NULL) rd_element_read(st, element, to);
  rd_put_packed_end(w, len);
}

/* ---- entries ---- */

static void put_field(rd_store *st, rd_writer *w, const uint8_t *entry) {
  rd_put_element(st, w, rd_hash_field(entry));
  rd_put_element(st, w, rd_hash_value(entry));
}

static void put_timed_field(rd_store *st, rd_writer *w, const uint8_t *entry) {
  int64_t time = rd_hash_time(entry);
  put_field(st, w, entry);
  rd_put_word(w, (uint64_t)(time == RD_NO_EXPIRY ? -1 : time));
}

static void put_packed_field(rd_store *st, rd_writer *w, const uint8_t *entry) {
  put_packed(st, w, rd_hash_field(entry));
  put_packed(st, w, rd_hash_value(entry));
}

static void put_score(rd_store *st, rd_writer *w, const uint8_t *entry) {
  rd_put_element(st, w, rd_zset_member(entry));
  rd_put_double(w, rd_zset_score(entry));
}

static void put_packed_score(rd_store *st, rd_writer *w, const uint8_t *entry) {
  char text[RD_DOUBLE_TEXT];
  put_packed(st, w, rd_zset_member(entry));
  rd_put_packed(w, (rd_bytes){(const uint8_t *)text, rd_format_double(text, rd_zset_score(entry))});
}

/* ---- whole values ---- */

static void put_type(rd_writer *w, unsigned rdb) { rd_put_bytes(w, (uint8_t[]){(uint8_t)rdb}, 1); }

static void put_all(rd_coll *c, rd_writer *w, put_fn *put) {
  rd_pos p;
  uint64_t n = 0;
  for (bool more = rd_coll_first(c, &p); more; more = rd_coll_next(c, &p)) {
    put(c->st, w, p.at);
    if (++n % 32 == 0) rd_yield(c->st);
  }
}

static void put_apart_all(rd_coll *c, rd_writer *w, unsigned rdb, uint64_t count, put_fn *put) {
  put_type(w, rdb);
  rd_put_length(w, count);
  put_all(c, w, put);
}

/* Write all entries as one listpack, of `strings` strings each. False: that would be too large. */
static bool put_listpack(rd_coll *c, rd_writer *w, unsigned rdb, unsigned strings, put_fn *put) {
  rd_writer size = {NULL, RD_LISTPACK_BYTES};
  put_all(c, &size, put);
  if (size.len > PACKED_MAX) return false;
  put_type(w, rdb);
  rd_put_length(w, size.len);
  rd_put_listpack(w, size.len, strings * rd_coll_count(c));
  put_all(c, w, put);
  rd_put_listpack_end(w);
  return true;
}

/* ---- lists: packed strings of some KB each, and between them elements that are longer ---- */

static bool is_plain(rd_store *st, const uint8_t *element) { return rd_element_len(st, element) > NODE_MAX; }

/* Write the elements from *p on that a packed string takes, at least one. Returns their number; *p is behind them, and
 * *more tells if there is one. */
static uint64_t put_elements(rd_coll *c, rd_writer *w, rd_pos *p, bool *more) {
  uint64_t n = 0, begin = w->len;
  do {
    rd_writer one = {NULL, 0};
    if (n > 0 && is_plain(c->st, p->at)) break;
    put_packed(c->st, &one, p->at);
    if (n > 0 && w->len - begin + one.len > NODE_MAX) break;
    put_packed(c->st, w, p->at);
    n++;
  } while ((*more = rd_coll_next(c, p)));
  return n;
}

/* Write a node: an element, or a packed string of several. *p is behind it, and *more tells if there is another. */
static void put_node(rd_coll *c, rd_writer *w, rd_pos *p, bool *more) {
  if (is_plain(c->st, p->at)) {
    rd_put_length(w, RD_RDB_NODE_PLAIN);
    rd_put_element(c->st, w, p->at);
    *more = rd_coll_next(c, p);
    return;
  }
  rd_writer size = {NULL, RD_LISTPACK_BYTES};
  rd_pos measured = *p;
  uint64_t n = put_elements(c, &size, &measured, more);
  rd_put_length(w, RD_RDB_NODE_PACKED);
  rd_put_length(w, size.len);
  rd_put_listpack(w, size.len, n);
  put_elements(c, w, p, more);
  rd_put_listpack_end(w);
}

/* Write all nodes; returns their number. */
static uint64_t put_nodes(rd_coll *c, rd_writer *w) {
  rd_pos p;
  uint64_t n = 0;
  for (bool more = rd_coll_first(c, &p); more; n++) {
    put_node(c, w, &p, &more);
    rd_yield(c->st);
  }
  return n;
}

static void put_list(rd_coll *c, rd_writer *w) {
  rd_writer all = {NULL, 0};
  put_type(w, RD_RDB_LIST_QUICKLIST_2);
  rd_put_length(w, put_nodes(c, &all));
  put_nodes(c, w);
}

/* ---- sets of integers: in rising order ---- */

#define COMPARE(name, type)                       \
  static int name(const void *a, const void *b) { \
    type x, y;                                    \
    memcpy(&x, a, sizeof x);                      \
    memcpy(&y, b, sizeof y);                      \
    return (x > y) - (x < y);                     \
  }
COMPARE(compare_16, int16_t)
COMPARE(compare_32, int32_t)
COMPARE(compare_64, int64_t)

static void put_intset(rd_coll *c, rd_writer *w) {
  int64_t n = 0, least = 0, most = 0;
  uint32_t count = 0;
  rd_pos p;
  for (bool more = rd_coll_first(c, &p); more; more = rd_coll_next(c, &p), count++) {
    rd_element_integer(p.at, &n);
    if (n < least) least = n;
    if (n > most) most = n;
  }
  uint32_t width = least >= INT16_MIN && most <= INT16_MAX ? 2 : least >= INT32_MIN && most <= INT32_MAX ? 4 : 8;
  put_type(w, RD_RDB_SET_INTSET);
  rd_put_length(w, 8 + (uint64_t)width * count);
  rd_put_bytes(w, &width, sizeof width);
  rd_put_bytes(w, &count, sizeof count);
  uint8_t *to = rd_put_room(w, (uint64_t)width * count);
  if (to == NULL) return;
  uint8_t *at = to;
  for (bool more = rd_coll_first(c, &p); more; more = rd_coll_next(c, &p), at += width) {
    rd_element_integer(p.at, &n);
    memcpy(at, &n, width);
  }
  qsort(to, count, width, width == 2 ? compare_16 : width == 4 ? compare_32 : compare_64);
}

/* ---- any value ---- */

/* Write the fields that have not expired, unless `w` is NULL. Returns their number. */
static uint64_t put_timed_fields(rd_coll *c, rd_writer *w, int64_t now) {
  rd_pos p;
  uint64_t count = 0, n = 0;
  for (bool more = rd_coll_first(c, &p); more; more = rd_coll_next(c, &p)) {
    if (++n % 32 == 0) rd_yield(c->st);
    if (rd_hash_time_passed(rd_hash_time(p.at), now)) continue;
    if (w != NULL) put_timed_field(c->st, w, p.at);
    count++;
  }
  return count;
}

static void put_hash(rd_coll *c, rd_writer *w, bool packed, int64_t now) {
  if (c->item->type >> 4 & RD_COLL_TIMED) {
    uint64_t count = put_timed_fields(c, NULL, now);
    if (count == 0) return;
    put_type(w, RD_RDB_HASH_TIMES_VALKEY);
    rd_put_length(w, count);
    put_timed_fields(c, w, now);
  } else if (!packed || !put_listpack(c, w, RD_RDB_HASH_LISTPACK, 2, put_packed_field)) {
    put_apart_all(c, w, RD_RDB_HASH, rd_coll_count(c), put_field);
  }
}

void rd_dump_collection(rd_store *st, const rd_key *key, rd_item *it, int64_t now, rd_writer *w) {
  rd_coll c;
  rd_coll_open(&c, st, key, it, rd_type_of(it));
  bool small = rd_item_value_bytes(st, it) <= PACKED_MAX;
  unsigned name = rd_coll_name(&c);
  switch (rd_item_type(it)) {
    case RD_LIST:
      put_list(&c, w);
      break;
    case RD_STREAM:
      rd_dump_stream(st, key, it, w);
      break;
    case RD_SET:
      if (small && name == RD_SET_INTSET)
        put_intset(&c, w);
      else
        put_apart_all(&c, w, RD_RDB_SET, rd_coll_count(&c), rd_put_element);
      break;
    case RD_ZSET:
      if (!small || name != RD_ZSET_LISTPACK || !put_listpack(&c, w, RD_RDB_ZSET_LISTPACK, 2, put_packed_score))
        put_apart_all(&c, w, RD_RDB_ZSET_2, rd_coll_count(&c), put_score);
      break;
    default:
      put_hash(&c, w, small && name == RD_HASH_LISTPACK, now);
      break;
  }
}
