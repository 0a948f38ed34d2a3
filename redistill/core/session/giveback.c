/* giveback.c - reads the reply of a pop, and puts its elements back. */
#include "session/giveback.h"

#include <stdlib.h>

#include "base/numbers.h"
#include "store/type.h"
#include "types/list.h"

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

/* Elements that go back to a key. */
typedef struct gift {
  const rd_waiter *head;
  rd_bytes *text; /* in the order of the reply */
  double *score;  /* of members of a sorted set */
  size_t count;
} gift;

static void free_gift(gift *g) {
  free(g->text);
  free(g->score);
}

/* False: no memory. */
static bool read_gift(gift *g, rd_bytes reply) {
  rd_bytes text, score;
  size_t cap = 0;
  if (!next_text(&reply, &text)) return true; /* the key */
  while (next_text(&reply, &text)) {
    if (g->count == cap) {
      cap = cap == 0 ? 16 : 2 * cap;
      rd_bytes *texts = realloc(g->text, cap * sizeof *texts);
      if (texts != NULL) g->text = texts;
      double *scores = realloc(g->score, cap * sizeof *scores);
      if (scores != NULL) g->score = scores;
      if (texts == NULL || scores == NULL) return false;
    }
    g->text[g->count] = text;
    if (g->head->type == RD_ZSET && (!next_text(&reply, &score) || !rd_zset_parse(score, &g->score[g->count]))) break;
    g->count++;
  }
  return true;
}

/* Put back element `i`. A member that exists again keeps its new score. */
static rd_result put_back_one(rd_coll *c, const gift *g, size_t i) {
  rd_element e;
  rd_element_of(&e, g->text[i]);
  if (g->head->type == RD_LIST) return rd_list_push(c, &e, (g->head->flags & RD_WAITER_FROM_END) == 0);
  rd_zset_place p;
  return rd_zset_find(c, &e, &p) ? RD_OK : rd_zset_add(c, &p, &e, g->score[i]);
}

/* Put back all, or none: from the last one on, since the first one was at the end of the list. */
static bool put_back_all(rd_coll *c, const gift *g) {
  if (!rd_coll_begin(c)) return false;
  for (size_t i = g->count; i-- > 0;) {
    if (put_back_one(c, g, i) == RD_OK) continue;
    rd_coll_undo(c);
    return false;
  }
  rd_coll_commit(c);
  return true;
}

static bool put_back(rd_store *st, const rd_key *key, const gift *g) {
  rd_item *it = rd_find_quiet(st, key, false);
  rd_key_event event = g->head->type == RD_ZSET                     ? RD_EVENT_ZADD
                       : (g->head->flags & RD_WAITER_FROM_END) != 0 ? RD_EVENT_RPUSH
                                                                    : RD_EVENT_LPUSH;
  rd_coll c;
  if (it != NULL && rd_item_type(it) != (rd_type)g->head->type) return true;
  rd_coll_open(&c, st, key, it, &rd_types[g->head->type]);
  for (int i = 0; i < RD_COLL_ATTEMPTS; i++) {
    if (put_back_all(&c, g)) {
      rd_coll_changed(&c, event);
      return true;
    }
    if (!rd_coll_reserve(&c)) return false;
    uint8_t reserved = c.reserved;
    rd_coll_open(&c, st, key, c.item, &rd_types[g->head->type]);
    c.reserved = reserved;
  }
  return false;
}

bool rd_give_back(rd_store *st, const rd_key *key, const rd_waiter *head, rd_bytes reply) {
  if ((head->flags & RD_WAITER_MOVES) != 0 || head->type == RD_STREAM || reply.len == 0 || reply.data[0] != '*')
    return true;
  gift g = {.head = head};
  bool done = read_gift(&g, reply) && (g.count == 0 || put_back(st, key, &g));
  free_gift(&g);
  return done;
}
