/* blocking.c - begins and ends the waits of sessions. */
#include "session/blocking.h"

#include <stdlib.h>

#include "arena/ring.h"
#include "commands/blocking.h"
#include "session/blocked.h"
#include "session/footprint.h"
#include "session/giveback.h"
#include "session/timing.h"
#include "session/waits.h"
#include "store/databases.h"
#include "store/internal.h"

enum { FIRST_WAITS = 64, ARGUMENTS = 4096, WAKES_KEPT = 1 << 20 };

/* The bytes of RD_RECORD_WAKE. */
typedef struct wake {
  uint64_t number;
  uint32_t index;
} wake;

/* ---- tickets ---- */

static _Atomic uint64_t *ticket_of(const rd_wait *w) {
  return rd_ticket_at(w->s->st, rd_own_place(w->s->st), w->index);
}

rd_waits *rd_waits_of(rd_store *st) {
  if (st->waits == NULL) {
    st->waits = calloc(1, sizeof *st->waits);
    st->forget_waiting = rd_waits_free;
  }
  return st->waits;
}

/* False: no memory, or too many clients wait. */
static bool new_ticket(rd_store *st, rd_wait *w) {
  rd_waits *ws = rd_waits_of(st);
  if (ws == NULL) return false;
  bool reused = ws->unused_count > 0;
  w->index = reused ? ws->unused[ws->unused_count - 1] : ws->used;
  if (!reused && ws->used == ws->cap) {
    uint32_t cap = ws->cap == 0 ? FIRST_WAITS : 2 * ws->cap;
    rd_wait **at = realloc(ws->at, cap * sizeof *at);
    if (at != NULL) ws->at = at;
    uint32_t *unused = realloc(ws->unused, cap * sizeof *unused);
    if (unused != NULL) ws->unused = unused;
    if (at == NULL || unused == NULL) return false;
    ws->cap = cap;
  }
  if (!rd_ticket_back(st, w->index)) return false;
  if (reused)
    ws->unused_count--;
  else
    ws->used++;
  ws->at[w->index] = w;
  return true;
}

/* ---- lists of waits ---- */

static void link_to(rd_wait **list, rd_wait *w) {
  w->before = NULL;
  w->next = *list;
  if (*list != NULL) (*list)->before = w;
  *list = w;
}

static void unlink_from(rd_wait **list, rd_wait *w) {
  *(w->before != NULL ? &w->before->next : list) = w->next;
  if (w->next != NULL) w->next->before = w->before;
}

bool rd_wait_remove(rd_store *st, const rd_key *name, uint32_t type, uint32_t db, uint64_t number, uint32_t place,
                    uint32_t index) {
  double score = rd_queue_score(type, db, number);
  bool waits = rd_queue_has(st, name, score, place, index);
  if (rd_queue_has(st, name, -score, place, index)) {
    rd_member m;
    rd_key key = {name->data, name->len, db, name->hash};
    if (!waits && rd_queue_next(st, name, -score, &m)) {
      bool done = m.bytes != NULL && rd_give_back(st, &key, &m.head, (rd_bytes){m.bytes, m.len});
      free(m.bytes);
      if (!done) return false;
    }
    rd_queue_remove(st, name, -score, place, index);
  }
  if (waits) rd_queue_remove(st, name, score, place, index);
  return true;
}

/* Remove the entries of a wait that has ended, as far as their shards are free, and what it was given can be put back.
 * True: all are removed. */
static bool remove_entries(rd_store *st, rd_wait *w) {
  bool all = true;
  for (uint32_t i = 0; i < w->keys; i++) {
    rd_wait_key *k = &w->key[i];
    if (!k->queued) continue;
    uint32_t shard = rd_shard_of(st, k->hash);
    int mine = rd_trylock_shard(st, shard);
    if (mine < 0) {
      all = false;
      continue;
    }
    rd_key name = rd_wait_name(k);
    k->queued = !rd_wait_remove(st, &name, w->type, w->db, w->number, rd_own_place(st), w->index);
    if (k->queued) all = false;
    w->no_room |= k->queued;
    if (mine > 0) rd_unlock_shard(st, shard);
  }
  return all;
}

static void free_wait(rd_store *st, rd_wait *w) {
  rd_waits *ws = st->waits;
  ws->at[w->index] = NULL;
  ws->unused[ws->unused_count++] = w->index;
  free(w);
}

/* The session waits no more, and the ticket is free. */
static void detach(rd_wait *w) {
  rd_session *s = w->s;
  rd_store *st = s->st;
  atomic_store(ticket_of(w), 0);
  s->wait = NULL;
  w->s = NULL;
  unlink_from(&st->waits->active, w);
  link_to(&st->waits->ended, w);
  st->waits->count--;
}

/* Count the session's command, which has its reply. The time of its wait is none that it took. */
static void count_call(rd_session *s) {
  const rd_ahead *a = &s->ahead[s->ahead_next];
  rd_counters *counters = rd_my_counters(s->st);
  counters->commands[a->command->id].calls++;
  counters->value[RD_STAT_total_commands_processed]++;
  s->state.commands++;
  rd_count_call(s, a->command, s->parser.argv + a->first, a->argc, 0);
  if (s->out.errors == 0) return;
  counters->commands[a->command->id].failed++;
  rd_count_errors(s, &s->out);
}

void rd_wait_ended(rd_wait *w, bool answered) {
  rd_session *s = w->s;
  if (answered) count_call(s);
  detach(w);
  s->answered = answered;
  rd_footprint_changed(s);
  rd_session_wake(s);
}

/* Take the right to end the wait. False: it has been given something. */
static bool claim(rd_wait *w) {
  uint64_t was;
  return rd_ticket_take(ticket_of(w), w->number, 0, &was);
}

/* ---- what the command keeps ---- */

bool rd_wait_keep(rd_session *s, rd_bytes kept) {
  if (kept.len == 0) return true;
  uint8_t *bytes = malloc(kept.len);
  if (bytes == NULL) return false;
  memcpy(bytes, kept.data, kept.len);
  free(s->kept);
  s->kept = bytes;
  s->kept_len = kept.len;
  return true;
}

rd_bytes rd_wait_kept(const rd_session *s) { return (rd_bytes){s->kept, s->kept_len}; }

void rd_wait_forget(rd_session *s) {
  s->wait_number = 0;
  if (RD_LIKELY(s->kept == NULL)) return;
  free(s->kept);
  s->kept = NULL;
  s->kept_len = 0;
}

/* ---- beginning ---- */

static rd_wait *new_wait(rd_call *c, const rd_waiting *w) {
  uint64_t bytes = sizeof(rd_wait) + w->keys * sizeof(rd_wait_key), kept = w->keeps.len;
  for (uint32_t i = 0; i < w->keys; i++) bytes += c->argv[w->first + i].len;
  rd_wait *wait = calloc(1, bytes);
  if (wait == NULL) return NULL;
  uint8_t *to = (uint8_t *)&wait->key[w->keys];
  for (uint32_t i = 0; i < w->keys; i++) {
    rd_key key = rd_call_key(c, w->first + i);
    wait->key[i] = (rd_wait_key){.hash = key.hash, .len = key.len, .name = to};
    if (key.len != 0) memcpy(to, key.data, key.len);
    to += key.len;
  }
  wait->s = c->session;
  wait->type = w->type;
  wait->db = c->db;
  wait->in_vain = w->in_vain;
  wait->keys = w->keys;
  wait->bytes = bytes + kept;
  return wait;
}

/* The arguments of the call for one key, each after its length; the key's is empty. NULL: no memory. */
static uint8_t *pack(const rd_waiting *w, uint8_t small[ARGUMENTS], size_t *len) {
  *len = 0;
  for (uint32_t i = 0; i < w->argc; i++) *len += 4 + (i != w->key_at ? w->argv[i].len : 0);
  uint8_t *bytes = *len <= ARGUMENTS ? small : malloc(*len), *to = bytes;
  for (uint32_t i = 0; i < w->argc && bytes != NULL; i++) {
    uint32_t n = i != w->key_at ? (uint32_t)w->argv[i].len : 0;
    rd_st32(to, n);
    if (n != 0) memcpy(to + 4, w->argv[i].data, n);
    to += 4 + n;
  }
  return bytes;
}

/* Put the wait into the queues of its keys, whose shards are locked. */
static bool enter(rd_call *c, const rd_waiting *w, rd_wait *wait) {
  rd_store *st = c->store;
  uint8_t small[ARGUMENTS];
  size_t len;
  rd_waiting one = *w;
  bool done = true;
  rd_waiter head = {.number = wait->number,
                    .index = wait->index,
                    .place = (uint8_t)rd_own_place(st),
                    .db = (uint8_t)c->db,
                    .type = (uint8_t)w->type,
                    .command = c->command->id,
                    .key_at = (uint16_t)w->key_at,
                    .argc = w->argc};
  head.flags = (uint8_t)((w->from_end ? RD_WAITER_FROM_END : 0) | (w->moves ? RD_WAITER_MOVES : 0) |
                         (w->counts ? RD_WAITER_COUNTS : 0) | (w->gone ? RD_WAITER_GONE : 0) |
                         (c->out->resp == 3 ? RD_WAITER_RESP3 : 0));
  for (uint32_t i = 0; i < wait->keys && done; i++) {
    rd_wait_key *k = &wait->key[i];
    rd_key name = rd_wait_name(k);
    head.order = i;
    head.flags = (uint8_t)(i + 1 < wait->keys ? head.flags | RD_WAITER_MORE : head.flags & ~RD_WAITER_MORE);
    if (w->each != NULL) one.argv[w->each_at] = w->each[i];
    uint8_t *bytes = pack(&one, small, &len);
    done = bytes != NULL && rd_queue_put(st, &name, rd_waiter_score(&head), &head, (rd_bytes){bytes, len});
    if (bytes != small) free(bytes);
    k->queued = done;
    k->epoch = rd_shard_at(st, rd_shard_of(st, k->hash))->epoch;
  }
  return done;
}

void rd_waits_start(rd_call *c, const rd_waiting *w) {
  rd_session *s = c->session;
  rd_store *st = c->store;
  if (s->state.in_exec || s->no_pauses) {
    rd_reply_in_vain(c->out, w->in_vain, false);
    return;
  }
  if (w->keys > RD_WAITING_KEYS) {
    rd_reply_errorf(c->out, "ERR a client can wait for %u keys at most", RD_WAITING_KEYS);
    return;
  }
  rd_wait *wait = new_wait(c, w);
  if (wait == NULL || !rd_wait_keep(s, w->keeps) || !new_ticket(st, wait)) {
    free(wait);
    rd_reply_oom(c->out);
    return;
  }
  wait->number = s->wait_number != 0 ? s->wait_number : rd_next(st, RD_SEQ_WAIT);
  if (s->wait_number == 0) s->wait_until = rd_blocked_until(st, w->milliseconds);
  s->wait_number = wait->number;
  bool entered = enter(c, w, wait);
  if (!entered) {
    remove_entries(st, wait);
    free_wait(st, wait);
    rd_reply_oom(c->out);
    return;
  }
  atomic_store(rd_ticket_at(st, rd_own_place(st), wait->index), rd_ticket_word(wait->number, 0, RD_TICKET_WAITS));
  link_to(&st->waits->active, wait);
  st->waits->count++;
  s->wait = wait;
  s->answered = false;
  s->state.deadline_ns = s->wait_until;
  c->verdict = RD_BLOCK;
}

/* ---- ending ---- */

rd_reply *rd_wait_output(rd_session *s) {
  s->out.resp = s->state.resp;
  s->out.limit = rd_reply_limit(s);
  return &s->out;
}

bool rd_session_unblock(rd_session *s, rd_unblock how) {
  rd_wait *w = s->wait;
  if (w == NULL || !claim(w)) return false;
  size_t mark = s->out.len;
  rd_reply *out = rd_wait_output(s);
  if (how == RD_UNBLOCK_TIMEOUT) {
    rd_reply_in_vain(out, (rd_vain)w->in_vain, true);
  } else {
    rd_reply_error(out, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
  }
  rd_drop_reply(s, mark);
  rd_wait_ended(w, true);
  rd_waits_settle(s->st);
  return true;
}

void rd_session_retry(rd_session *s) {
  rd_wait *w = s->wait;
  if (w == NULL || !claim(w)) return;
  rd_wait_ended(w, false);
  rd_waits_settle(s->st);
}

uint64_t rd_waits_keys(rd_store *st) { return rd_count(st, RD_WAIT_DB); }
uint32_t rd_waits_count(const rd_store *st) { return st->waits != NULL ? st->waits->count : 0; }
uint64_t rd_wait_bytes(const rd_session *s) {
  const rd_wait *w = s->wait;
  return w != NULL ? 2 * w->bytes + w->keys * sizeof(rd_waiter) : 0; /* here, and in the queues */
}

void rd_wait_end(rd_session *s) {
  if (s->wait == NULL) return;
  detach(s->wait);
  rd_waits_settle(s->st);
}

bool rd_wait_leave(rd_session *s) {
  if (s->wait == NULL) return true;
  if (!claim(s->wait)) return false;
  detach(s->wait);
  rd_waits_settle(s->st);
  return true;
}

/* ---- what another worker has given ---- */

/* Count an error reply that was made for another buffer. */
static void note_error(rd_reply *out, const uint8_t *reply, size_t len) {
  size_t n = 0;
  while (n + 1 < sizeof out->code && n + 1 < len && reply[n + 1] > ' ') n++;
  memcpy(out->code, reply + 1, n);
  out->code[n] = 0;
  out->errors++;
}

/* Take what the wait was given. False: its shard is in use. */
static bool take(rd_store *st, rd_wait *w, uint64_t word) {
  uint32_t shard = rd_ticket_shard(word), place = rd_own_place(st);
  if (shard >= st->num_shards) return true;
  bool held = rd_holds_shard(st, shard), taken = false;
  if (!held && !rd_lock_shard_soon(st, shard)) return false;
  for (uint32_t i = 0; i < w->keys && !taken; i++) {
    rd_wait_key *k = &w->key[i];
    rd_key name = rd_wait_name(k);
    double score = rd_queue_score(w->type, w->db, w->number);
    rd_member m;
    if (rd_shard_of(st, k->hash) != shard || !rd_queue_has(st, &name, -score, place, w->index)) continue;
    if (!rd_queue_has(st, &name, score, place, w->index) && rd_queue_next(st, &name, -score, &m)) {
      rd_session *s = w->s;
      size_t mark = s->out.len;
      rd_reply *out = rd_wait_output(s);
      if (m.bytes != NULL && !(s->state.reply_mode & 1)) rd_reply_raw(out, m.bytes, m.len);
      if (m.bytes != NULL && m.bytes[0] == '-') note_error(out, m.bytes, m.len);
      rd_drop_reply(s, mark);
      if (m.bytes == NULL) s->out.failed = true;
      taken = true;
      if (!s->out.failed) { /* otherwise the session ends, and the elements go back */
        rd_queue_remove(st, &name, -score, place, w->index);
        k->queued = false;
      }
      free(m.bytes);
    }
    break;
  }
  /* Not taken: the giver has died before it gave anything, or the shard was lost. */
  rd_wait_ended(w, taken);
  if (!held) rd_unlock_shard(st, shard);
  return true;
}

/* Take what was given to the wait, if anything. */
static void look(rd_store *st, rd_wait *w) {
  uint64_t word = atomic_load(ticket_of(w));
  if (rd_ticket_state_of(word) == RD_TICKET_SERVED && !take(st, w, word)) st->waits->settles = true;
}

bool rd_wait_is_over(rd_session *s) {
  if (s->wait == NULL) return true;
  uint64_t at = s->state.deadline_ns;
  if (at != 0 && rd_blocked_now(s->st) >= at && rd_session_unblock(s, RD_UNBLOCK_TIMEOUT)) return true;
  look(s->st, s->wait);
  return s->wait == NULL;
}

void rd_wait_wake(rd_store *st, const rd_waiter *waiter) {
  wake record = {waiter->number, waiter->index};
  if (waiter->place != rd_own_place(st)) {
    rd_sent sent = rd_ring_send(st, waiter->place, RD_RECORD_WAKE, &record, sizeof record, WAKES_KEPT);
    if (sent == RD_SENT_LOST) st->waits_missed = true;
    return;
  }
  rd_wait *w = rd_wait_at(st, waiter->index, waiter->number);
  if (w != NULL && w->s != NULL && claim(w)) rd_wait_ended(w, false);
}

void rd_waits_read(rd_store *st, const struct rd_record *r) {
  wake record;
  uint8_t bytes[sizeof record];
  if (r->part[0].len + r->part[1].len != sizeof record) return;
  memcpy(bytes, r->part[0].data, r->part[0].len);
  if (r->part[1].len != 0) memcpy(bytes + r->part[0].len, r->part[1].data, r->part[1].len);
  memcpy(&record, bytes, sizeof record);
  rd_wait *w = rd_wait_at(st, record.index, record.number);
  if (w == NULL || w->s == NULL) return;
  if (claim(w))
    rd_wait_ended(w, false);
  else
    look(st, w);
  rd_waits_settle(st);
}

/* ---- what had to wait ---- */

void rd_waits_settle(rd_store *st) {
  rd_waits *ws = st->waits;
  if (RD_LIKELY(ws == NULL)) return;
  if (ws->settles) {
    ws->settles = false;
    for (rd_wait *w = ws->active, *next; w != NULL; w = next) {
      next = w->next;
      look(st, w);
    }
  }
  for (rd_wait *w = ws->ended, *next; w != NULL; w = next) {
    next = w->next;
    if (w->no_room || !remove_entries(st, w)) continue;
    unlink_from(&ws->ended, w);
    free_wait(st, w);
  }
}

/* Have all queues looked at again: clients of changed keys may have been missed. */
static void look_again(rd_store *st) {
  st->waits_missed = false;
  for (uint32_t shard = 0; shard < st->num_shards; shard++) {
    if (!rd_has_queues(st, shard)) continue;
    int mine = rd_trylock_shard(st, shard);
    if (mine < 0)
      st->waits_missed = true;
    else
      rd_note_all_waited(st);
    if (mine > 0) rd_unlock_shard(st, shard);
  }
}

/* True if the queue of a key may have lost the wait. */
static bool is_lost(const rd_store *st, const rd_wait *w) {
  for (uint32_t i = 0; i < w->keys; i++) {
    if (rd_shard_at(st, rd_shard_of(st, w->key[i].hash))->epoch != w->key[i].epoch) return true;
  }
  return false;
}

void rd_waits_tend(rd_store *st) {
  rd_waits *ws = rd_waits_of(st);
  if (ws == NULL) return;
  uint64_t losses = 0;
  for (uint32_t i = 0; i < st->num_shards; i++) losses += rd_shard_at(st, i)->epoch;
  for (rd_wait *w = losses != ws->losses ? ws->active : NULL, *next; w != NULL; w = next) {
    next = w->next;
    if (is_lost(st, w) && claim(w)) rd_wait_ended(w, false);
  }
  ws->losses = losses;
  for (uint32_t i = 0; i < ws->used; i++) { /* in the order of memory: there may be 100,000 */
    const _Atomic uint64_t *ticket = rd_ticket_at(st, rd_own_place(st), i);
    if (rd_ticket_state_of(atomic_load(ticket)) == RD_TICKET_SERVED && ws->at[i] != NULL) look(st, ws->at[i]);
  }
  uint64_t reaped = atomic_load(&st->head->reaped);
  if (reaped != ws->reaped && rd_queues_clean(st)) {
    ws->reaped = reaped;
    st->waits_missed = true; /* it may have died with records for waiters of others */
  }
  if (st->waits_missed) look_again(st);
  for (rd_wait *w = ws->ended; w != NULL; w = w->next) w->no_room = false;
  rd_waits_settle(st);
}

void rd_waits_free(rd_store *st) {
  rd_waits *ws = st->waits;
  if (ws == NULL) return;
  rd_waits_settle(st);
  while (ws->ended != NULL) { /* a worker cleans up when this one is reaped */
    rd_wait *w = ws->ended;
    ws->ended = w->next;
    free(w);
  }
  free(ws->at);
  free(ws->unused);
  free(ws);
  st->waits = NULL;
}
