/* serving.c - gives changed keys to those who wait for them, and cleans the queues of what dead workers left. */
#include <stdlib.h>

#include "arena/lock.h"
#include "commands/blocking.h"
#include "session/blocking.h"
#include "session/events.h"
#include "session/execute.h"
#include "session/giveback.h"
#include "session/waits.h"
#include "store/index.h"
#include "store/pause.h"
#include "store/type.h"

/* ROUNDS: a client that waits for several keys may be passed over once for each. MOST_BETTER: noted keys among which
 * the first of a client's own keys is searched for. MOST_MIXED: clients that are told that their key has a value of
 * another type. */
enum { ROUNDS = 4, MOST_BETTER = 64, MOST_MIXED = 512, ARGS = RD_WAITING_ARGS };

/* A reply that is put into a queue for a client of another worker. */
struct rd_gift {
  const rd_key *name;
  rd_waiter head;
  const rd_reply *reply;
  bool put, failed;
};

/* The names of queues. */
typedef struct names {
  rd_ready_key *key;
  uint32_t count, cap;
  bool short_of_memory; /* some could not be added */
} names;

static void add_name(names *n, const rd_ready_key *key) {
  if (n->count == n->cap) {
    uint32_t cap = n->cap == 0 ? 16 : 2 * n->cap;
    rd_ready_key *grown = realloc(n->key, cap * sizeof *grown);
    if (grown == NULL) {
      free(key->name);
      n->short_of_memory = true;
      return;
    }
    n->key = grown;
    n->cap = cap;
  }
  n->key[n->count++] = *key;
}

static void free_names(names *n) {
  for (uint32_t i = 0; i < n->count; i++) free(n->key[i].name);
  free(n->key);
}

static uint32_t dbs_of(const rd_ready_key *k) { return k->dbs & ((1u << RD_DATABASES) - 1); }
static rd_key name_of(const rd_ready_key *k) { return (rd_key){k->name, k->len, RD_WAIT_DB, k->hash}; }

/* Add the names of all queues of a locked shard. */
static void add_queues(rd_store *st, uint32_t shard, names *n) {
  const rd_index *ix = &rd_shard_at(st, shard)->index[RD_WAIT_SLOT];
  for (uint32_t b = 0; ix->count != 0 && b < ix->buckets; b++) {
    uint32_t left = rd_chain_limit(ix);
    for (const rd_bucket *at = rd_index_bucket(st, ix, b); at != NULL; at = rd_chain_next(st, ix, at, &left)) {
      for (uint32_t m = rd_bucket_entries(at); m != 0; m &= m - 1) {
        const rd_item *it = rd_at(st, rd_entry_ref(at, (uint32_t)__builtin_ctz(m)));
        uint32_t len = rd_item_key_len(it);
        uint8_t *name = malloc((size_t)len + 1);
        if (name == NULL) n->short_of_memory = true;
        if (name == NULL) return;
        rd_item_key(st, it, name);
        add_name(n, &(rd_ready_key){rd_item_hash(st, it), len, UINT32_MAX, name});
      }
    }
  }
}

/* ---- one client ---- */

/* rd_store.giving: put the reply into the queue, before the element is removed. */
static bool give(rd_store *st) {
  struct rd_gift *g = st->waits->gift;
  if (g == NULL || g->put) return true;
  rd_waiter head = g->head;
  head.flags |= RD_WAITER_GIVEN;
  g->put = rd_queue_put(st, g->name, -rd_waiter_score(&head), &head, (rd_bytes){g->reply->data, g->reply->len});
  g->failed = !g->put;
  return g->put;
}

/* Find the arguments of the waiter's call. False: they are damaged. */
static bool unpack(const rd_member *m, const rd_key *name, rd_bytes argv[ARGS]) {
  size_t at = 0;
  if (m->head.argc > ARGS || m->head.argc == 0 || m->head.key_at >= m->head.argc) return false;
  for (uint32_t i = 0; i < m->head.argc; i++) {
    if (m->len - at < 4) return false;
    uint32_t len = rd_ld32(m->bytes + at);
    at += 4;
    if (m->len - at < len) return false;
    argv[i] = (rd_bytes){m->bytes + at, len};
    at += len;
  }
  argv[m->head.key_at] = (rd_bytes){name->data, name->len};
  return true;
}

/* Call the waiter's command. False: its key has nothing for it, or it would take long, *lasts. */
static bool call_for(rd_store *st, const rd_member *m, const rd_key *name, rd_reply *out, bool *lasts) {
  rd_bytes argv[ARGS];
  size_t mark = out->len;
  *lasts = false;
  if (m->bytes == NULL || m->head.command >= rd_command_count() || !unpack(m, name, argv)) return false;
  rd_call call = {.store = st,
                  .out = out,
                  .command = rd_command_by_id(m->head.command),
                  .db = m->head.db,
                  .argc = m->head.argc,
                  .argv = argv,
                  .whole = (m->head.flags & RD_WAITER_COUNTS) == 0};
  call.command->run(&call);
  *lasts = call.verdict == RD_LONG;
  return out->len != mark || out->failed;
}

/* Lock the shard of the destination of a move. It may be lower than one that is held, so the wait has a bound. False:
 * it is in use. */
static bool lock_destination(rd_store *st, const rd_member *m, const rd_key *name, uint32_t *shard, bool *mine) {
  rd_bytes argv[ARGS];
  *mine = false;
  if ((m->head.flags & RD_WAITER_MOVES) == 0) return true;
  if (m->bytes == NULL || !unpack(m, name, argv)) return false;
  *shard = rd_shard_of(st, rd_key_of(st, argv[2], m->head.db).hash);
  if (rd_holds_shard(st, *shard)) return true;
  *mine = rd_trylock_shard(st, *shard) > 0;
  return *mine;
}

/* Serve a client of this process. */
static bool serve_here(rd_store *st, const rd_member *m, const rd_key *name, bool *lasts) {
  rd_wait *w = rd_wait_at(st, m->head.index, m->head.number);
  if (w == NULL || w->s == NULL) return false;
  rd_session *s = w->s;
  size_t mark = s->out.len;
  rd_reply *out = rd_wait_output(s);
  out->errors = 0;
  if (!call_for(st, m, name, out, lasts)) return false;
  rd_drop_reply(s, mark);
  rd_wait_ended(w, true);
  return true;
}

/* Serve a client of another worker: what is removed from the key, what is given, and the end of the waiting entry are
 * one change of the shard. *wakes: there is no memory, or it would take long. */
static bool serve_there(rd_store *st, const rd_member *m, const rd_key *name, bool *wakes) {
  rd_reply reply;
  rd_reply_init(&reply);
  reply.resp = m->head.flags & RD_WAITER_RESP3 ? 3 : 2;
  struct rd_gift gift = {.name = name, .head = m->head, .reply = &reply};
  st->waits->gift = &gift;
  st->giving = give;
  bool lasts, served = call_for(st, m, name, &reply, &lasts) && !reply.failed && !gift.failed;
  if (served && reply.data[0] == '-') { /* nothing was removed */
    if (gift.put) rd_queue_remove(st, name, -rd_waiter_score(&m->head), m->head.place, m->head.index);
    gift.put = false;
    served = strncmp((const char *)reply.data, "-OOM", 4) != 0 && give(st);
    gift.failed = !served;
  }
  st->giving = NULL;
  st->waits->gift = NULL;
  *wakes = !served && (gift.failed || reply.failed || lasts);
  rd_reply_free(&reply);
  return served;
}

/* True if an earlier key of the waiter's has a value of another type, so that its command is an error. Only its own
 * process knows its other keys; for a client of another worker the answer may be true in vain. */
static bool is_error(rd_store *st, const rd_waiter *head) {
  const rd_wait *w = head->place == rd_own_place(st) ? rd_wait_at(st, head->index, head->number) : NULL;
  for (uint32_t i = 0; w != NULL && i < head->order && i < w->keys; i++) {
    rd_key key = rd_wait_name(&w->key[i]);
    uint32_t shard = rd_shard_of(st, key.hash);
    bool held = rd_holds_shard(st, shard);
    if (!held && rd_trylock_shard(st, shard) < 0) return true;
    key.db = w->db;
    const rd_item *it = rd_find_quiet(st, &key, false);
    bool other = it != NULL && rd_item_type(it) != (rd_type)w->type;
    if (!held) rd_unlock_shard(st, shard);
    if (other) return true;
  }
  return w == NULL;
}

/* True if the client must run its command itself. */
static bool must_run_itself(rd_store *st, const rd_waiter *head, uint64_t ticket) {
  if (rd_paused(st) != 0) return true;
  return head->order != 0 && rd_ticket_state_of(ticket) == RD_TICKET_MIXED && is_error(st, head);
}

typedef enum outcome { PASSED, SERVED, NOTHING } outcome;

/* Serve the waiter, whose key has a value of its type. NOTHING: the key has nothing more. */
static outcome serve(rd_store *st, const rd_member *m, const rd_key *name) {
  uint32_t place = m->head.place, shard = rd_shard_of(st, name->hash), other = 0;
  double score = rd_waiter_score(&m->head);
  _Atomic uint64_t *ticket = rd_ticket_at(st, place, m->head.index);
  uint64_t word = ticket != NULL ? atomic_load(ticket) : 0;
  if (ticket == NULL || rd_ticket_number(word) != m->head.number) { /* its end left it here */
    rd_queue_remove(st, name, score, place, m->head.index);
    return SERVED;
  }
  if (must_run_itself(st, &m->head, word)) {
    rd_wait_wake(st, &m->head);
    return PASSED;
  }
  bool mine, here = place == rd_own_place(st), wakes = false;
  if (!lock_destination(st, m, name, &other, &mine)) {
    rd_wait_wake(st, &m->head);
    return PASSED;
  }
  outcome o = PASSED; /* another key was faster */
  if (rd_ticket_take(ticket, m->head.number, rd_ticket_word(m->head.number, shard, RD_TICKET_SERVED), &word)) {
    bool served = here ? serve_here(st, m, name, &wakes) : serve_there(st, m, name, &wakes);
    o = served ? SERVED : wakes ? PASSED : NOTHING;
    if (served) {
      rd_queue_remove(st, name, score, place, m->head.index);
    } else {
      atomic_store(ticket, word);
    }
    if (wakes || (!here && served)) rd_wait_wake(st, &m->head);
  }
  if (mine) {
    rd_mark_clean(st);
    rd_unlock_shard(st, other);
  }
  return o;
}

/* ---- the clients of one key ---- */

/* True if an earlier one of the waiter's own keys, among those noted, can serve it. Of a stream nobody knows: it may
 * have nothing for the waiter. */
static bool has_better(rd_store *st, const names *n, uint32_t at, const rd_waiter *w) {
  if (w->order == 0 || w->type == RD_STREAM || n->count > MOST_BETTER) return false;
  for (uint32_t i = 0; i < n->count; i++) {
    rd_key name = name_of(&n->key[i]), key = name;
    rd_waiter other;
    key.db = w->db;
    if (i == at || !rd_holds_shard(st, rd_shard_of(st, name.hash))) continue;
    if (!rd_queue_peek(st, &name, rd_waiter_score(w), &other) || other.number != w->number || other.order >= w->order)
      continue;
    const rd_item *it = rd_find_quiet(st, &key, false);
    if (it != NULL && rd_item_type(it) == (rd_type)w->type) return true;
  }
  return false;
}

/* Tell those who wait for a stream, which the key is not any more. */
static void serve_gone(rd_store *st, const rd_key *name, uint32_t db) {
  double end = rd_queue_score(RD_STREAM, db, RD_WAIT_LAST);
  rd_member m;
  for (uint64_t from = 0; rd_queue_next(st, name, rd_queue_score(RD_STREAM, db, from), &m); from = m.head.number + 1) {
    bool mine = m.bytes != NULL && rd_waiter_score(&m.head) <= end;
    if (m.bytes == NULL) st->waits_missed = true;
    if (mine && m.head.flags & RD_WAITER_GONE) serve(st, &m, name);
    free(m.bytes);
    if (!mine) break;
  }
}

/* Serve those who wait for the key in a database. True: somebody was served. */
static bool serve_key(rd_store *st, const names *n, uint32_t at, uint32_t db) {
  rd_key name = name_of(&n->key[at]), key = name;
  key.db = db;
  bool any = false;
  rd_item *it = rd_find_quiet(st, &key, false);
  if (it == NULL || rd_item_type(it) != RD_STREAM) serve_gone(st, &name, db);
  if (it == NULL) return false;
  uint32_t type = (uint32_t)rd_item_type(it);
  double end = rd_queue_score(type, db, RD_WAIT_LAST);
  rd_member m;
  for (uint64_t from = 0; rd_queue_next(st, &name, rd_queue_score(type, db, from), &m); from = m.head.number + 1) {
    bool mine = m.bytes != NULL && rd_waiter_score(&m.head) <= end;
    if (m.bytes == NULL) st->waits_missed = true;
    outcome o = !mine ? NOTHING : has_better(st, n, at, &m.head) ? PASSED : serve(st, &m, &name);
    free(m.bytes);
    any |= o == SERVED;
    if (o == NOTHING && (!mine || type != RD_STREAM)) break; /* of a stream each wants what is behind another id */
    it = rd_find_quiet(st, &key, false);
    if (it == NULL || (uint32_t)rd_item_type(it) != type) break;
  }
  return any;
}

/* Tell those who wait for the key, and for later ones, that it has a value of another type. */
static void tell_mixed(rd_store *st, const rd_key *name, uint32_t db) {
  rd_key key = {name->data, name->len, db, name->hash};
  const rd_item *it = rd_find_quiet(st, &key, false);
  if (it == NULL) return;
  uint32_t left = MOST_MIXED;
  for (uint32_t type = 0; type < 8; type++) {
    double from = rd_queue_score(type, db, 0), end = rd_queue_score(type, db, RD_WAIT_LAST);
    rd_waiter w;
    if (type == (uint32_t)rd_item_type(it)) continue;
    for (; left > 0 && rd_queue_peek(st, name, from, &w) && rd_waiter_score(&w) <= end; left--) {
      _Atomic uint64_t *ticket = rd_ticket_at(st, w.place, w.index);
      uint64_t was;
      if ((w.flags & RD_WAITER_MORE) != 0 && ticket != NULL)
        rd_ticket_take(ticket, w.number, rd_ticket_word(w.number, 0, RD_TICKET_MIXED), &was);
      from = rd_waiter_score(&w) + 1;
    }
  }
}

/* Move the noted keys to `n`. */
static void collect(rd_store *st, names *n) {
  rd_ready *r = st->ready;
  bool all = r->all;
  for (uint32_t i = 0; i < r->count && !all; i++) add_name(n, &r->key[i]);
  if (!all) r->count = 0;
  rd_ready_clear(st);
  for (uint32_t shard = 0; all && shard < st->num_shards; shard++) {
    if (rd_holds_shard(st, shard)) add_queues(st, shard, n);
  }
}

static void serve_noted(rd_store *st) {
  names n = {NULL, 0, 0, false};
  collect(st, &n);
  st->waits_missed |= n.short_of_memory;
  for (uint32_t i = 0; i < n.count; i++) {
    rd_key name = name_of(&n.key[i]);
    if (!rd_holds_shard(st, rd_shard_of(st, name.hash))) continue;
    for (uint32_t dbs = dbs_of(&n.key[i]); dbs != 0; dbs &= dbs - 1)
      tell_mixed(st, &name, (uint32_t)__builtin_ctz(dbs));
  }
  bool more = true;
  for (int round = 0; more && round < ROUNDS; round++) {
    more = false;
    for (uint32_t i = 0; i < n.count; i++) {
      if (!rd_holds_shard(st, rd_shard_of(st, n.key[i].hash))) continue;
      for (uint32_t dbs = dbs_of(&n.key[i]); dbs != 0; dbs &= dbs - 1)
        more |= serve_key(st, &n, i, (uint32_t)__builtin_ctz(dbs));
    }
    more &= n.count > 1;
  }
  free_names(&n);
}

/* Serve the clients of all noted keys, and of those that this changes. */
static void serve_all(rd_store *st) {
  struct rd_longrun *running = st->running;
  uint32_t touched = st->touched;
  uint64_t noted = st->noted;
  bool may_borrow = st->may_borrow, borrows = st->borrows;
  st->running = NULL;
  st->may_borrow = st->serves_waits = true;
  rd_mark_clean(st); /* the change is whole */
  while (st->ready != NULL && (st->ready->count != 0 || st->ready->all)) {
    serve_noted(st); /* notes keys again: chains */
    rd_mark_clean(st);
  }
  st->running = running;
  st->touched = touched;
  st->noted = noted;
  st->may_borrow = may_borrow;
  st->borrows = borrows;
  st->serves_waits = false;
}

void rd_waits_serve(rd_store *st) {
  st->before_release = NULL;
  if (rd_waits_of(st) != NULL) {
    serve_all(st);
  } else {
    rd_ready_clear(st);
    st->waits_missed = true;
  }
  st->before_release = NULL;
  rd_events_publish(st);
}

/* ---- what dead workers left ---- */

/* Remove entries whose wait has ended, and put back what was given to those that never took it. False: no room. */
static bool clean_queue(rd_store *st, const rd_key *name) {
  bool all = true;
  rd_waiter w;
  for (double from = -rd_queue_score(7, 15, RD_WAIT_LAST); rd_queue_peek(st, name, from, &w);) {
    double score = rd_waiter_score(&w), at = w.flags & RD_WAITER_GIVEN ? -score : score;
    _Atomic uint64_t *ticket = rd_ticket_at(st, w.place, w.index);
    if (ticket == NULL || rd_ticket_number(atomic_load(ticket)) != w.number)
      all &= rd_wait_remove(st, name, w.type, w.db, w.number, w.place, w.index);
    from = at + 1;
  }
  return all;
}

bool rd_queues_clean(rd_store *st) {
  bool all = true;
  for (uint32_t shard = 0; shard < st->num_shards; shard++) {
    if (!rd_has_queues(st, shard)) continue;
    int mine = rd_trylock_shard(st, shard);
    all &= mine >= 0;
    if (mine < 0) continue;
    names n = {NULL, 0, 0, false};
    add_queues(st, shard, &n);
    all &= !n.short_of_memory;
    for (uint32_t i = 0; i < n.count; i++) {
      rd_key name = name_of(&n.key[i]);
      all &= clean_queue(st, &name);
    }
    free_names(&n);
    if (mine > 0) rd_unlock_shard(st, shard);
  }
  return all;
}
