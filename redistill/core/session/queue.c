/* queue.c - sorted sets whose members are waiters. */
#include "session/queue.h"

#include <stdlib.h>

#include "arena/lock.h"
#include "store/type.h"

enum { ATTEMPTS = 6, MEMBER = 512 };

static bool open_queue(rd_store *st, const rd_key *name, rd_coll *q) {
  rd_key key = {name->data, name->len, RD_WAIT_DB, name->hash};
  rd_item *it = rd_find_quiet(st, &key, false);
  rd_coll_open(q, st, &key, it, &rd_types[RD_ZSET]);
  return it != NULL;
}

/* The queue was changed. */
static void changed(rd_store *st, rd_coll *q) {
  uint32_t touched = st->touched, shard = q->shard;
  rd_coll_changed(q, RD_EVENT_NONE);
  st->touched = touched;
  rd_mark_waited(st, shard);
}

bool rd_queue_put(rd_store *st, const rd_key *name, double score, const rd_waiter *head, rd_bytes rest) {
  uint8_t small[MEMBER], *member = sizeof *head + rest.len <= sizeof small ? small : malloc(sizeof *head + rest.len);
  if (member == NULL) return false;
  memcpy(member, head, sizeof *head);
  if (rest.len != 0) memcpy(member + sizeof *head, rest.data, rest.len);
  rd_coll q;
  open_queue(st, name, &q);
  rd_result done = RD_OOM;
  for (int i = 0; i < ATTEMPTS; i++) {
    rd_element e;
    rd_element_of(&e, (rd_bytes){member, sizeof *head + rest.len});
    done = rd_zset_put(&q, &e, score);
    if (done == RD_OK || !rd_coll_reserve(&q)) break;
  }
  if (member != small) free(member);
  if (done == RD_OK) changed(st, &q);
  return done == RD_OK;
}

/* Read the bytes of a member: its head, and the rest if `m` is given. */
static void read_member(rd_store *st, const uint8_t *entry, rd_waiter *head, rd_member *m) {
  const uint8_t *at = rd_zset_member(entry);
  uint64_t len = rd_element_len(st, at);
  uint8_t small[RD_ELEMENT_MAX], *all = small;
  if (len > sizeof small) all = malloc(len);
  memset(head, 0, sizeof *head);
  if (all != NULL) {
    rd_element_read(st, at, all);
    if (len >= sizeof *head) memcpy(head, all, sizeof *head);
  }
  if (m != NULL) {
    m->len = len > sizeof *head ? len - sizeof *head : 0;
    m->bytes = all != NULL ? malloc(m->len + 1) : NULL;
    if (m->bytes != NULL && m->len != 0) memcpy(m->bytes, all + sizeof *head, m->len);
  }
  if (all != small) free(all);
}

static bool seek(rd_store *st, const rd_key *name, double score, rd_pos *p) {
  rd_coll q;
  return open_queue(st, name, &q) && rd_zset_lower(&q, rd_zset_order(score), NULL, p);
}

bool rd_queue_next(rd_store *st, const rd_key *name, double score, rd_member *m) {
  rd_pos p;
  if (!seek(st, name, score, &p)) return false;
  read_member(st, p.at, &m->head, m);
  return true;
}

bool rd_queue_peek(rd_store *st, const rd_key *name, double score, rd_waiter *head) {
  rd_pos p;
  if (!seek(st, name, score, &p)) return false;
  read_member(st, p.at, head, NULL);
  return true;
}

/* Find the entry with this score and ticket. */
static bool find(rd_store *st, const rd_key *name, double score, uint32_t place, uint32_t index, rd_coll *q,
                 rd_pos *p) {
  if (!open_queue(st, name, q)) return false;
  bool more = rd_zset_lower(q, rd_zset_order(score), NULL, p);
  for (; more && rd_zset_score(p->at) == score; more = rd_zset_next(q, p)) {
    rd_waiter head;
    read_member(st, p->at, &head, NULL);
    if (head.place == place && head.index == index) return true;
  }
  return false;
}

bool rd_queue_has(rd_store *st, const rd_key *name, double score, uint32_t place, uint32_t index) {
  rd_coll q;
  rd_pos p;
  return find(st, name, score, place, index, &q, &p);
}

void rd_queue_remove(rd_store *st, const rd_key *name, double score, uint32_t place, uint32_t index) {
  rd_coll q;
  rd_pos p;
  while (find(st, name, score, place, index, &q, &p)) { /* a command may name the key twice */
    rd_zset_remove_range(&q, rd_coll_rank(&q, &p), 1);
    changed(st, &q);
  }
}
