/* queue.c - sorted sets whose members are waiters. */
#include "session/queue.h"

#include <stdlib.h>

#include "arena/lock.h"
#include "store/blob.h"
#include "store/type.h"

enum { MEMBER = 512 };

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
  for (int i = 0; i < RD_COLL_ATTEMPTS; i++) {
    rd_element e;
    rd_element_of(&e, (rd_bytes){member, sizeof *head + rest.len});
    done = rd_zset_put(&q, &e, score);
    if (done == RD_OK || !rd_coll_reserve(&q)) break;
  }
  if (member != small) free(member);
  if (done == RD_OK) changed(st, &q);
  return done == RD_OK;
}

static rd_waiter head_of(rd_store *st, const uint8_t *entry) {
  const uint8_t *at = rd_zset_member(entry);
  rd_waiter head = {0};
  if (rd_element_len(st, at) < sizeof head) return head; /* damaged */
  if (rd_element_is_outside(at)) {
    rd_blob_read(st, rd_element_blob(at), 0, &head, sizeof head);
  } else {
    char digits[RD_ELEMENT_TEXT];
    memcpy(&head, rd_element_text(at, digits).data, sizeof head);
  }
  return head;
}

/* The bytes behind the head. */
static void read_rest(rd_store *st, const uint8_t *entry, rd_member *m) {
  const uint8_t *at = rd_zset_member(entry);
  uint64_t len = rd_element_len(st, at), head = sizeof(rd_waiter);
  m->bytes = malloc(len + 1);
  m->len = len > head ? len - head : 0;
  if (m->bytes == NULL) return;
  rd_element_read(st, at, m->bytes);
  if (m->len != 0) memmove(m->bytes, m->bytes + head, m->len);
}

static bool seek(rd_store *st, const rd_key *name, double score, rd_pos *p) {
  rd_coll q;
  return open_queue(st, name, &q) && rd_zset_lower(&q, rd_zset_order(score), NULL, p);
}

bool rd_queue_next(rd_store *st, const rd_key *name, double score, rd_member *m) {
  rd_pos p;
  if (!seek(st, name, score, &p)) return false;
  m->head = head_of(st, p.at);
  read_rest(st, p.at, m);
  return true;
}

bool rd_queue_peek(rd_store *st, const rd_key *name, double score, rd_waiter *head) {
  rd_pos p;
  if (!seek(st, name, score, &p)) return false;
  *head = head_of(st, p.at);
  return true;
}

/* Find the entry with this score and ticket. */
static bool find(rd_store *st, const rd_key *name, double score, uint32_t place, uint32_t index, rd_coll *q,
                 rd_pos *p) {
  if (!open_queue(st, name, q)) return false;
  bool more = rd_zset_lower(q, rd_zset_order(score), NULL, p);
  for (; more && rd_zset_score(p->at) == score; more = rd_zset_next(q, p)) {
    rd_waiter head = head_of(st, p->at);
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
