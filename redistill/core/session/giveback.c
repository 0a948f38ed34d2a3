/* giveback.c - reads the reply of a pop, and puts its elements back. */
#include "session/giveback.h"

#include <stdlib.h>

#include "base/numbers.h"
#include "store/type.h"
#include "types/list.h"

enum { ATTEMPTS = 6 };

/* The next string or double of the reply; heads of arrays are passed over. False: there is none. */
static bool next_text(rd_bytes *reply, rd_bytes *text) {
  for (;;) {
    const uint8_t *end = reply->len != 0 ? memchr(reply->data, '\r', reply->len) : NULL;
    if (end == NULL || end + 2 > reply->data + reply->len) return false;
    rd_bytes line = {reply->data + 1, (size_t)(end - reply->data) - 1};
    uint8_t kind = reply->data[0];
    reply->len -= (size_t)(end + 2 - reply->data);
    reply->data = end + 2;
    if (kind == '*') continue;
    *text = line;
    if (kind == ',') return true;
    int64_t len;
    if (kind != '$' || !rd_parse_i64(line, &len) || len < 0 || (uint64_t)len + 2 > reply->len) return false;
    *text = (rd_bytes){reply->data, (size_t)len};
    reply->data += len + 2;
    reply->len -= (size_t)len + 2;
    return true;
  }
}

static bool open_value(rd_store *st, const rd_key *key, rd_type type, rd_coll *c) {
  rd_item *it = rd_find_quiet(st, key, false);
  if (it != NULL && rd_item_type(it) != type) return false;
  rd_coll_open(c, st, key, it, &rd_types[type]);
  return true;
}

/* Put one element back. A member that exists again keeps its new score. */
static void put_back(rd_store *st, const rd_key *key, const rd_waiter *head, rd_bytes text, double score) {
  rd_coll c;
  if (!open_value(st, key, (rd_type)head->type, &c)) return;
  rd_element e;
  rd_element_of(&e, text);
  bool from_end = (head->flags & RD_WAITER_FROM_END) != 0;
  for (int i = 0; i < ATTEMPTS; i++) {
    rd_result done;
    rd_zset_place p;
    if (head->type == RD_LIST)
      done = rd_list_push(&c, &e, !from_end);
    else if (rd_zset_find(&c, &e, &p))
      return;
    else
      done = rd_zset_add(&c, &p, &e, score);
    if (done == RD_OK) {
      rd_coll_changed(&c, head->type == RD_ZSET ? RD_EVENT_ZADD : from_end ? RD_EVENT_RPUSH : RD_EVENT_LPUSH);
      return;
    }
    if (!rd_coll_reserve(&c)) return;
  }
}

void rd_give_back(rd_store *st, const rd_key *key, const rd_waiter *head, rd_bytes reply) {
  if ((head->flags & RD_WAITER_MOVES) != 0 || reply.len == 0 || reply.data[0] != '*') return;
  rd_bytes text, score_text, *all = NULL;
  size_t n = 0, cap = 0;
  if (!next_text(&reply, &text)) return; /* the key */
  while (next_text(&reply, &text)) {
    if (head->type == RD_ZSET) {
      double score;
      if (!next_text(&reply, &score_text) || !rd_zset_parse(score_text, &score)) break;
      put_back(st, key, head, text, score);
      continue;
    }
    if (n == cap) {
      size_t grown = cap == 0 ? 16 : 2 * cap;
      rd_bytes *moved = realloc(all, grown * sizeof *all);
      if (moved == NULL) break;
      all = moved;
      cap = grown;
    }
    all[n++] = text;
  }
  while (n > 0) put_back(st, key, head, all[--n], 0); /* the first one was at the end */
  free(all);
}
