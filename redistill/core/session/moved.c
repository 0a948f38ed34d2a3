/* moved.c - saves, takes over and completes subscribed sessions.
 *
 * Saved subscriptions: the giver's block, the number of the hand-over, its place in rd_roll.moving; then for each name
 * its kind, its entry and text in the giver's roll, its length and its bytes. */
#include "session/moved.h"

#include <stdlib.h>

#include "arena/layout.h"
#include "session/backlog.h"
#include "session/blocked.h"
#include "session/internal.h"
#include "session/pushed.h"
#include "session/records.h"
#include "session/topics.h"

enum { PIECE = 256 << 10 }; /* bytes of messages in one RD_RECORD_LATE */

typedef struct moved_head {
  uint64_t number;
  uint32_t giver, slot;
} moved_head;

typedef struct moved_name {
  uint32_t kind, entry, text, len;
} moved_name;

/* The head of RD_RECORD_LATE; messages follow. */
typedef struct late_head {
  uint64_t number;
  uint32_t more;   /* another record follows */
  uint32_t broken; /* the session was ended, or a message was lost */
} late_head;

static uint32_t place_of(const rd_store *st) { return (uint32_t)(st->worker - rd_worker_at(st, 0)); }

/* The session of this hand-over; NULL: it has ended. Those under way are at the front of the list. */
static rd_session *find(const rd_store *st, uint64_t number, bool waits) {
  rd_session *s = st->subscribers;
  while (s != NULL && (s->subscribed->move.number != number || s->subscribed->move.waits != waits))
    s = s->subscribed->next;
  return s;
}

/* ---- the giver ---- */

static size_t unsent(const rd_session *s) { return s->out.len - s->sent; }

bool rd_moved_save(rd_session *s, rd_reply *to) {
  rd_store *st = s->st;
  rd_subscribed *sub = s->subscribed;
  rd_roll *roll = &st->worker->roll;
  uint32_t slot = 0;
  if (!st->joined || sub->move.waits || sub->kept.len != 0 || sub->ended) return false;
  rd_moved_stay(s); /* it was given before, and refused */
  while (slot < RD_MOVES && atomic_load(&roll->moving[slot]) != 0) slot++;
  if (slot == RD_MOVES) return false;
  uint64_t number = (uint64_t)atomic_load(&st->worker->ring.joins) << 32 | ++st->moves;
  rd_reply_raw(to, &(moved_head){number, place_of(st), slot}, sizeof(moved_head));
  for (uint32_t i = 0; i < sub->count; i++) {
    const rd_topic *t = sub->links[i]->topic;
    rd_reply_raw(to, &(moved_name){t->kind, t->entry, t->text, (uint32_t)t->name.len}, sizeof(moved_name));
    if (t->name.len != 0) rd_reply_raw(to, t->name.data, t->name.len);
  }
  sub->move = (rd_moving){.number = number, .slot = slot, .saved = unsent(s)};
  st->moving++;
  rd_subscribed_to_front(s);
  atomic_store(&roll->moving[slot], number);
  return true;
}

void rd_moved_stay(rd_session *s) {
  rd_moving *move = &s->subscribed->move;
  if (move->number == 0 || move->waits) return;
  /* A taker has cleared it, and another session may have the place: then it stays. */
  atomic_compare_exchange_strong(&s->st->worker->roll.moving[move->slot], &move->number, 0);
  s->st->moving--;
  *move = (rd_moving){0};
}

/* Send what has come since the session was saved. */
static void send_late(rd_store *st, uint32_t taker, const rd_session *s, const rd_moving *move) {
  bool broken = s->out.failed || s->dropped || s->subscribed->ended || unsent(s) < move->saved ||
                atomic_load(&st->worker->roll.lost) != 0;
  rd_bytes rest = {NULL, 0};
  if (!broken && s->out.len != 0) rest = (rd_bytes){s->out.data + s->sent + move->saved, unsent(s) - move->saved};
  size_t piece = rest.len < PIECE ? rest.len : PIECE;
  uint8_t none[sizeof(late_head)], *record = piece == 0 ? none : malloc(sizeof(late_head) + piece);
  if (record == NULL) {
    record = none;
    rest.len = piece = 0;
    broken = true;
  }
  do {
    size_t len = rest.len < piece ? rest.len : piece;
    memcpy(record, &(late_head){move->number, rest.len > len, broken}, sizeof(late_head));
    if (len != 0) memcpy(record + sizeof(late_head), rest.data, len);
    rd_sent sent =
        rd_ring_send(st, taker, RD_RECORD_LATE, record, sizeof(late_head) + len, RD_MESSAGES_KEPT + rest.len);
    if (sent == RD_SENT_LOST) rd_roll_lose(st, rd_worker_at(st, taker));
    if (sent != RD_SENT && sent != RD_SENT_KEPT) break;
    rest.data += len;
    rest.len -= len;
  } while (rest.len != 0);
  if (record != none) free(record);
}

/* A worker has taken a session: it ends here. */
static void read_moved(rd_store *st, uint32_t taker, uint64_t number) {
  bool lock = !st->rolls_locked;
  if (lock && !rd_rolls_lock(st, true)) return;
  rd_session *s = find(st, number, false);
  rd_moving move = {0};
  if (s != NULL) move = s->subscribed->move;
  /* A taker that died before it was done has not cleared the number. */
  bool taken = s != NULL && atomic_load(&st->worker->roll.moving[move.slot]) != number;
  if (taken) {
    rd_backlog_catch_up(s);
    rd_moved_stay(s);
    rd_subscribed_clear(s, false);
  }
  if (lock) rd_rolls_unlock(st);
  if (!taken) return;
  send_late(st, taker, s, &move);
  s->subscribed->ended = true;
}

/* ---- the taker ---- */

/* Read the next name; its data is NULL at the end. Whatever the bytes are, `rest` becomes shorter. */
static rd_bytes next_name(rd_bytes *rest, moved_name *n) {
  if (rest->len < sizeof *n) return (rd_bytes){NULL, 0};
  memcpy(n, rest->data, sizeof *n);
  rd_bytes name = {rest->data + sizeof *n, n->len};
  if (n->kind >= RD_ROLL_KINDS || n->len > rest->len - sizeof *n) return (rd_bytes){NULL, 0};
  rest->data += sizeof *n + n->len;
  rest->len -= sizeof *n + n->len;
  return name;
}

/* Are all names in the giver's roll? */
static rd_taken verify(const rd_store *st, uint32_t giver, rd_bytes names) {
  moved_name n;
  if (names.len == 0) return RD_TAKE_WRONG;
  while (names.len != 0) {
    rd_bytes name = next_name(&names, &n);
    if (name.data == NULL || !rd_roll_has(st, giver, n.entry, rd_roll_hash(st, (rd_roll_kind)n.kind, name)))
      return RD_TAKE_WRONG;
    /* Texts move when others end. */
    if (n.kind == RD_PATTERN && !rd_roll_has_pattern(st, giver, n.text, name)) return RD_TAKE_LATER;
  }
  return RD_TAKEN;
}

static rd_taken subscribe(rd_session *s, rd_bytes names) {
  moved_name n;
  while (names.len != 0) {
    rd_bytes name = next_name(&names, &n);
    rd_subscribing result = rd_subscribe(s, (rd_roll_kind)n.kind, name);
    if (result == RD_NO_ROOM) return RD_TAKE_NO_MEMORY;
    if (result == RD_ALREADY) return RD_TAKE_WRONG;
  }
  return RD_TAKEN;
}

/* The caller has the lock, and has read the own ring. */
static rd_taken take(rd_session *s, const moved_head *head, rd_bytes names) {
  rd_store *st = s->st;
  rd_worker *giver = rd_worker_at(st, head->giver);
  if (head->number == 0 || atomic_load(&giver->roll.moving[head->slot]) != head->number) return RD_TAKE_WRONG;
  if (!rd_ring_is_complete(st, head->giver) || atomic_load(&giver->roll.lost) != 0) return RD_TAKE_LATER;
  rd_taken taken = verify(st, head->giver, names);
  if (taken == RD_TAKEN) taken = subscribe(s, names);
  if (taken == RD_TAKEN && rd_ring_put(st, head->giver, RD_RECORD_MOVED, &head->number, sizeof head->number) != RD_SENT)
    taken = RD_TAKE_LATER;
  if (taken != RD_TAKEN) {
    rd_subscribed_clear(s, true);
    return taken;
  }
  moved_name n;
  while (next_name(&names, &n).data != NULL) rd_roll_take(st, head->giver, n.entry, n.text);
  atomic_store(&giver->roll.moving[head->slot], 0);
  s->subscribed->move = (rd_moving){.number = head->number, .giver = head->giver, .waits = true};
  return RD_TAKEN;
}

rd_taken rd_moved_take(rd_session *s, rd_bytes saved) {
  rd_store *st = s->st;
  moved_head head;
  if (!st->joined || saved.len < sizeof head) return RD_TAKE_WRONG;
  memcpy(&head, saved.data, sizeof head);
  if (head.giver >= RD_MAX_WORKERS || head.slot >= RD_MOVES || !rd_worker_used(st, head.giver)) return RD_TAKE_WRONG;
  if (!rd_subscribed_begin(st, false)) return RD_TAKE_LATER;
  rd_taken taken = take(s, &head, (rd_bytes){saved.data + sizeof head, saved.len - sizeof head});
  rd_rolls_unlock(st);
  return taken;
}

bool rd_moved_waits(const rd_session *s) { return s->subscribed != NULL && s->subscribed->move.waits; }

static void read_late(rd_store *st, uint32_t giver, const late_head *head, rd_bytes a, rd_bytes b) {
  rd_session *s = find(st, head->number, true);
  if (s == NULL || s->subscribed->move.giver != giver) return;
  rd_pushed_late(s, a, b);
  if (head->more != 0) return;
  s->subscribed->move = (rd_moving){0};
  rd_session_wake(s);
  if (head->broken != 0)
    rd_pushed_end(s, RD_OVERFLOW_LOST);
  else
    rd_pushed_join(s);
}

void rd_moved_enforce(rd_store *st) {
  bool read = false;
  for (rd_session *s = st->subscribers; s != NULL; s = s->subscribed->next) {
    const rd_moving *move = &s->subscribed->move;
    if (!move->waits || rd_ring_has_owner(st, move->giver, (uint32_t)(move->number >> 32))) continue;
    if (!read) rd_records_read(st); /* its last record may be there */
    read = true;
    if (move->waits && !s->subscribed->ended) rd_pushed_end(s, RD_OVERFLOW_LOST);
  }
}

/* ---- records ---- */

/* Copy the first bytes of a record, and remove them from its parts. */
static bool cut(rd_bytes *a, rd_bytes *b, void *to, size_t len) {
  if (a->len + b->len < len) return false;
  size_t first = a->len < len ? a->len : len;
  memcpy(to, a->data, first);
  if (len > first) memcpy((uint8_t *)to + first, b->data, len - first);
  *a = (rd_bytes){a->data + first, a->len - first};
  if (len > first) *b = (rd_bytes){b->data + (len - first), b->len - (len - first)};
  return true;
}

void rd_moved_read(rd_store *st, const rd_record *r) {
  rd_bytes a = r->part[0], b = r->part[1];
  uint64_t number;
  late_head late;
  if (r->kind == RD_RECORD_MOVED && cut(&a, &b, &number, sizeof number)) read_moved(st, r->from, number);
  if (r->kind == RD_RECORD_LATE && cut(&a, &b, &late, sizeof late)) read_late(st, r->from, &late, a, b);
}
