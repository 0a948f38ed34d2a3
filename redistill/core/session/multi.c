/* multi.c - transactions: MULTI copies commands into a queue. EXEC takes the locks of all shards that these commands
 * and the watched keys need, in ascending order, before it looks at the watches, and releases them after the last
 * command that uses data.
 *
 * Commands of the control plane take time: they run outside the core, ask other processes, make long lists. None of
 * that should happen while other sessions wait for the locks. Control commands behind the last data command are
 * executed after the locks are released. A control command before a data command leaves a gap among the replies, which
 * is filled after the release, in the order of the queue. So it sees the effects of all data commands, and of no
 * control command behind it. That is right for a command that only reports. A command that changes something or looks
 * at keys (RD_PLACED) acts at its place, with the locks held, since later commands may depend on it: AUTH, CLIENT
 * REPLY, ACL SETUSER, DEBUG OBJECT. So do the control commands before it, since it may change what they report. If
 * the answer takes time (other workers have to apply a change) its place is a gap, too.
 *
 *     queue     GET  CLIENT ID  SET  ACL SETUSER  GET | TIME      locks are held up to the |
 *     output    *6 1 ^          2    ^ (begun)    3     then ":7", "2", "+OK" when it is so, "3", the time
 */
#include <stdlib.h>

#include "arena/layout.h"
#include "command/call.h"
#include "command/keys.h"
#include "session/admit.h"
#include "session/blocked.h"
#include "session/control.h"
#include "session/execute.h"
#include "session/growth.h"
#include "session/longcall.h"
#include "session/monitor.h"
#include "session/timing.h"
#include "store/watch.h"

/* An emptied queue keeps no more than this. */
enum {
  KEEP_BYTES = 4096,
  KEEP_ARGS = 128,
  KEEP_QUEUE = 64,
  KEEP_WATCHES = 16,
  WATCHES_COMPARED = 32,
  PIECE = 65536,
  COPIED = 512 << 10, /* bytes copied before a long command may pause */
  PREPARED = 16384    /* queued commands that EXEC prepares before other sessions get their turn */
};

/* Make room for `more` elements behind `count`. */
static bool reserve(void **array, size_t *cap, size_t count, size_t more, size_t size) {
  if (*cap - count >= more) return true;
  size_t grown = *cap + *cap / 2 + 16;
  if (grown < count + more) grown = count + more;
  void *moved = realloc(*array, grown * size);
  if (moved == NULL) return false;
  *array = moved;
  *cap = grown;
  return true;
}

static bool reserve32(void **array, uint32_t *cap, uint32_t count, uint32_t more, size_t size) {
  size_t wide = *cap;
  if ((uint64_t)count + more > UINT32_MAX / 2 || !reserve(array, &wide, count, more, size)) return false;
  *cap = (uint32_t)wide;
  return true;
}

/* Copy the bytes. False: the session ends, and no client needs the copy any more. */
static bool copy(rd_store *st, uint8_t *to, rd_bytes from) {
  for (size_t done = 0, n; done < from.len; done += n) {
    n = from.len - done < COPIED ? from.len - done : COPIED;
    memcpy(to + done, from.data + done, n);
    if (n == COPIED && !rd_yield(st)) return false;
  }
  return true;
}

rd_result rd_multi_queue(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  rd_multi *m = &s->multi;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < argc; i++) bytes += argv[i].len;
  uint64_t cost = bytes + argc * sizeof *argv + sizeof *m->queue;
  if (s->limits.multi_limit != 0 && s->state.multi_bytes + cost > s->limits.multi_limit) return RD_OOM;
  if (!reserve((void **)&m->bytes, &m->cap, m->len, bytes, 1) ||
      !reserve32((void **)&m->argv, &m->argv_cap, m->argc, argc, sizeof *m->argv) ||
      !reserve32((void **)&m->queue, &m->queue_cap, m->count, 1, sizeof *m->queue)) {
    return RD_OOM;
  }
  size_t end = m->len;
  for (uint32_t i = 0; i < argc; i++) {
    m->argv[m->argc + i] = (rd_bytes){(const uint8_t *)(uintptr_t)end, argv[i].len};
    if (!copy(s->st, m->bytes + end, argv[i])) return RD_OOM;
    if ((i & 1023) == 1023 && !rd_yield(s->st)) return RD_OOM;
    end += argv[i].len;
  }
  m->queue[m->count++] = (rd_queued){.command = cmd, .first = m->argc, .argc = argc};
  m->argc += argc;
  m->len = end;
  m->flags |= cmd->flags;
  m->hidden_growth |= rd_growth_is_hidden(cmd);
  if (cmd->flags & RD_CONTROL_PLANE) {
    m->control_args += argc;
    m->control_bytes += bytes;
  }
  s->state.multi_queued = m->count;
  s->state.multi_bytes += cost;
  return RD_OK;
}

static void end_watches(rd_session *s, uint32_t from) {
  while (s->state.watching > from) {
    const rd_watch *w = &s->multi.watches[--s->state.watching];
    rd_watch_end(s->st, w);
    s->multi.watch_bytes -= w->key.len;
    free((void *)(uintptr_t)w->key.data);
  }
}

/* No session has to wait for this one's answer any more. */
static void let_others_in(const rd_session *s) {
  if (s->st->holder != s) return;
  s->st->holder = NULL;
  rd_wake_held(s->st);
}

/* Release the transaction's locks. */
static void release(rd_session *s) {
  let_others_in(s);
  if (!s->state.locked) return;
  rd_unlock_all(s->st);
  s->st->admitted_limit = 0;
  s->state.locked = false;
}

/* The transaction has ended: free its queue. */
static void end_transaction(rd_session *s) {
  rd_multi *m = &s->multi;
  release(s);
  rd_reply_free(&m->kept);
  m->kept.len = m->kept_at = 0;
  m->gaps = 0;
  m->filling = s->state.deferred = false;
  end_watches(s, 0);
  s->state.in_multi = s->state.in_exec = false;
  s->state.multi_queued = 0;
  s->state.multi_bytes = 0;
  free(m->plan);
  m->plan = NULL;
  m->aborted = m->alone = false;
  m->pointed = 0;
  m->hidden_growth = false;
  m->flags = 0;
  m->count = m->next = m->argc = m->control_args = 0;
  m->control_bytes = 0;
  m->len = 0;
}

static void shrink_buffers(rd_multi *m) {
  if (m->cap > KEEP_BYTES) {
    free(m->bytes);
    m->bytes = NULL;
    m->cap = 0;
  }
  if (m->argv_cap > KEEP_ARGS) {
    free(m->argv);
    m->argv = NULL;
    m->argv_cap = 0;
  }
  if (m->queue_cap > KEEP_QUEUE) {
    free(m->queue);
    m->queue = NULL;
    m->queue_cap = 0;
  }
  if (m->watch_cap > KEEP_WATCHES) {
    free(m->watches);
    m->watches = NULL;
    m->watch_cap = 0;
  }
}

void rd_multi_discard(rd_session *s) {
  end_transaction(s);
  shrink_buffers(&s->multi);
}

void rd_multi_free(rd_session *s) {
  end_transaction(s);
  free(s->multi.bytes);
  free(s->multi.argv);
  free(s->multi.queue);
  free(s->multi.watches);
  memset(&s->multi, 0, sizeof s->multi);
}

/* ---- EXEC ---- */

/* Facts about all queued commands that EXEC must have before it runs the first. */
struct rd_plan {
  uint32_t next; /* the next command of the queue: those before it are in this plan */
  uint64_t wanted[RD_MAX_SHARDS / 64];
  bool sums; /* `growth` includes the commands; computing it needs no locks, since it reads no values */
  rd_growth growth;
};

static void begin_plan(rd_plan *p, const rd_session *s) {
  const rd_multi *m = &s->multi;
  p->next = 0;
  memset(p->wanted, 0, sizeof p->wanted);
  p->sums = m->count > PREPARED && (m->flags & RD_DENYOOM) != 0 && !m->hidden_growth && !rd_growth_is_strained(s->st);
  if (p->sums) rd_growth_begin(&p->growth, s->st);
}

/* Turn the offsets of the queue into pointers, hash its keys, and note their shards. The memory of the first keys is
 * prefetched; a SELECT in between makes that useless, but not wrong. */
static void plan(rd_plan *p, rd_session *s, uint32_t end) {
  rd_store *st = s->st;
  rd_multi *m = &s->multi;
  for (; p->next < end; p->next++) {
    uint32_t i = p->next;
    rd_queued *q = &m->queue[i];
    const rd_command *cmd = q->command;
    for (; m->pointed < q->first + q->argc; m->pointed++)
      m->argv[m->pointed].data = m->bytes + (uintptr_t)m->argv[m->pointed].data;
    const rd_bytes *argv = m->argv + q->first;
    if (p->sums) rd_growth_add(&p->growth, st, cmd, argv, q->argc, s->state.db);
    uint32_t key_pos = rd_first_key_at(cmd, q->argc);
    if (key_pos != 0) {
      rd_key key = rd_key_of(st, argv[key_pos], s->state.db);
      uint32_t shard = rd_shard_of(st, key.hash);
      p->wanted[shard >> 6] |= 1ull << (shard & 63);
      q->hash = key.hash;
      q->bucket = i < RD_FETCHED ? rd_prefetch_bucket(st, &key) : NULL;
    }
    if (cmd->keys == RD_KEYS) rd_shards_of_call(st, cmd, argv, q->argc, p->wanted);
  }
}

/* Lock every shard that the plan or a watch needs. False: another owner holds one of them. */
static bool lock_planned(const rd_plan *p, rd_session *s) {
  rd_store *st = s->st;
  rd_multi *m = &s->multi;
  uint64_t wanted[RD_MAX_SHARDS / 64];
  memcpy(wanted, p->wanted, sizeof wanted);
  for (uint32_t i = 0; i < s->state.watching; i++) {
    uint32_t shard = rd_shard_of(st, m->watches[i].hash);
    wanted[shard >> 6] |= 1ull << (shard & 63);
  }
  if ((m->flags & RD_OWN_LOCKS) || m->alone) {
    for (uint32_t i = 0; i < st->num_shards; i++) wanted[i >> 6] |= 1ull << (i & 63);
  }
  if (s->no_pauses)
    rd_lock_set(st, wanted);
  else if (!rd_lock_set_soon(st, wanted))
    return false;
  for (uint32_t i = 0; i < m->count && i < RD_FETCHED; i++) {
    const rd_queued *q = &m->queue[i];
    if (rd_first_key_at(q->command, q->argc) != 0) rd_prefetch_item(st, q->hash, q->bucket);
  }
  return true;
}

static bool watched_changed(rd_session *s) {
  for (uint32_t i = 0; i < s->state.watching; i++) {
    if (rd_watch_changed(s->st, &s->multi.watches[i])) return true;
  }
  return false;
}

static bool fits_together(const rd_growth *g, rd_store *st, bool *contended) {
  if (!rd_growth_fits(g, st, true)) return false;
  *contended = rd_growth_is_contended(g, st);
  return true;
}

/* True if there is room for all that the commands may write. `contended`: others may take the room before it is
 * used. */
static bool fits(rd_session *s, const rd_plan *p, bool *contended) {
  const rd_multi *m = &s->multi;
  rd_store *st = s->st;
  *contended = false;
  if ((m->flags & (rd_growth_is_strained(st) ? RD_WRITE : RD_DENYOOM)) == 0) return true;
  uint64_t most = rd_growth_most(m->count, s->state.multi_bytes);
  if (!m->hidden_growth && most * RD_MAX_WORKERS < rd_pool_free(st)) return true;
  if (p->sums && !rd_growth_is_strained(st)) return fits_together(&p->growth, st, contended);
  rd_growth g;
  rd_growth_begin(&g, st);
  for (uint32_t i = 0; i < m->count; i++) {
    const rd_queued *q = &m->queue[i];
    rd_growth_add(&g, st, q->command, m->argv + q->first, q->argc, s->state.db);
  }
  return fits_together(&g, st, contended);
}

/* A plan that is made in several turns, since the queue is long. NULL: the queue is short, or there is no memory. */
static rd_plan *long_plan(rd_session *s) {
  rd_multi *m = &s->multi;
  if (RD_LIKELY(m->count <= PREPARED)) return NULL;
  if (m->plan == NULL && (m->plan = malloc(sizeof *m->plan)) != NULL) begin_plan(m->plan, s);
  return m->plan;
}

/* Find the last command that needs the locks, and the last one that must be answered at its place. */
static void find_places(rd_multi *m) {
  uint32_t n = m->count;
  while (n > 0 && m->queue[n - 1].command->flags & RD_CONTROL_PLANE) n--;
  m->need_locks = n;
  if ((m->flags & RD_PLACED) == 0) n = 0;
  while (n > 0 && !(m->queue[n - 1].command->flags & RD_PLACED)) n--;
  m->placed = n;
}

/* Begin EXEC: when in_exec is set, the dispatcher continues with rd_multi_exec. */
void rd_cmd_exec(rd_call *c) {
  rd_session *s = c->session;
  if (!s->state.in_multi) {
    rd_reply_error(c->out, "ERR EXEC without MULTI");
    return;
  }
  if (s->multi.aborted) {
    rd_reply_error(c->out, "EXECABORT Transaction discarded because of previous errors.");
    rd_multi_discard(s);
    return;
  }
  rd_plan here, *p = long_plan(s);
  if (p == NULL) begin_plan(p = &here, s);
  uint32_t left = s->multi.count - p->next;
  bool whole = p == &here || left <= PREPARED || c->whole;
  plan(p, s, whole ? s->multi.count : p->next + PREPARED);
  for (bool contended = true; contended;) {
    if (!whole || !lock_planned(p, s)) {
      c->verdict = RD_LATER;
      return;
    }
    if (watched_changed(s)) {
      rd_reply_null_array(c->out);
      rd_unlock_all(s->st);
      rd_multi_discard(s);
      return;
    }
    if (!fits(s, p, &contended)) {
      rd_reply_error(c->out, "EXECABORT Transaction discarded because of: " RD_OOM_ERROR);
      rd_unlock_all(s->st);
      rd_multi_discard(s);
      return;
    }
    if (s->multi.alone) break;
    s->multi.alone = contended;
    if (contended) rd_unlock_all(s->st);
  }
  end_watches(s, 0); /* the transaction's own watches must not slow its commands down */
  s->multi.command = c->command;
  s->state.in_exec = s->state.locked = true;
  find_places(&s->multi);
  s->st->admitted_limit = s->st->head->pool.limit + s->st->head->pool.reserve;
  rd_reply_array(c->out, s->multi.count);
}

void rd_multi_ran(rd_session *s, const rd_queued *q, size_t mark, uint64_t nanoseconds) {
  const rd_bytes *argv = s->multi.argv + q->first;
  if (RD_UNLIKELY(s->st->monitoring)) rd_monitor_show(s, q->command, argv, q->argc);
  rd_count_call(s, q->command, argv, q->argc, nanoseconds);
  rd_drop_reply(s, mark);
}

static inline bool is_lengthy(const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  uint64_t bytes = 0;
  if (cmd->flags & RD_WHOLE) return false;
  for (uint32_t i = 0; i < argc && i < RD_LONG_KEYS; i++) bytes += argv[i].len;
  return argc > RD_LONG_KEYS || bytes > RD_LONG_BYTES;
}

/* Leave a gap in the replies: the command is shown as executed, and its reply follows later. */
static void leave_gap(rd_session *s, rd_queued *q, rd_gap gap) {
  rd_multi *m = &s->multi;
  if (m->gaps++ == 0) m->first_gap = m->next - 1;
  q->gap = (uint8_t)gap;
  q->from = s->out.len;
  q->resp = s->state.resp;
  q->reply_mode = s->state.reply_mode;
  if (RD_UNLIKELY(s->st->monitoring)) rd_monitor_show(s, q->command, m->argv + q->first, q->argc);
}

size_t rd_multi_sendable(const rd_session *s) {
  const rd_multi *m = &s->multi;
  return m->gaps != 0 ? m->queue[m->first_gap].from : s->out.len;
}

void rd_session_defer(rd_session *s) {
  assert(s->state.locked && s->waiting == RD_CONTROL);
  leave_gap(s, &s->multi.queue[s->multi.next - 1], RD_GAP_DEFERRED);
  s->control = NULL; /* counted when it is answered */
}

void rd_multi_answered(rd_session *s) {
  rd_multi *m = &s->multi;
  let_others_in(s);
  if (!m->filling) return;
  m->filling = s->state.deferred = false;
  s->state.resp = s->out.resp = m->resp;
  s->state.reply_mode = m->reply_mode;
}

/* All data commands have been executed: release the locks, and set aside the replies behind the first gap. */
static void end_locks(rd_session *s, uint64_t now) {
  rd_multi *m = &s->multi;
  release(s);
  rd_count_call(s, m->command, NULL, 0, now - m->exec_at);
  if (m->gaps == 0) return;
  m->kept = s->out;
  m->kept_at = s->sent;
  s->out.data = NULL;
  s->out.len = s->out.cap = s->out.released = s->sent = 0;
  m->next = m->first_gap;
}

/* Send the kept replies that were made before the offset `end`. False: the client has to read first. */
static bool send_kept(rd_session *s, size_t end) {
  rd_multi *m = &s->multi;
  while (m->kept_at < end && !s->out.failed) {
    if (rd_is_full(s)) return false;
    size_t n = end - m->kept_at < PIECE ? end - m->kept_at : PIECE;
    rd_reply_raw(&s->out, m->kept.data + m->kept_at, n);
    m->kept_at += n;
    rd_reply_release(&m->kept, m->kept_at);
  }
  return true;
}

/* Fill the gaps, and execute the commands behind them. If the client has gone, only commands that change something
 * are executed. */
static rd_status fill(rd_session *s) {
  rd_multi *m = &s->multi;
  while (m->next < m->count) {
    const rd_queued *q = &m->queue[m->next];
    const rd_command *cmd = q->command;
    const rd_bytes *argv = m->argv + q->first;
    bool behind = m->next >= m->need_locks;
    if (!behind && q->gap == RD_NO_GAP) {
      m->next++;
      continue;
    }
    if (!send_kept(s, behind ? m->kept.len : q->from)) return RD_FULL;
    m->next++;
    if (RD_UNLIKELY(s->out.failed) && (!behind || !(cmd->flags & RD_PLACED))) continue;
    if (behind && RD_UNLIKELY(!rd_permitted(s, cmd, argv, q->argc))) return rd_deny(s, cmd, argv, q->argc);
    if (!behind) {
      m->filling = true;
      m->resp = s->state.resp;
      m->reply_mode = s->state.reply_mode;
      s->state.resp = q->resp;
      s->state.reply_mode = q->reply_mode;
      s->state.deferred = q->gap == RD_GAP_DEFERRED;
    }
    return rd_pass_to_control(s, cmd, argv, q->argc);
  }
  return send_kept(s, m->kept.len) ? RD_MORE : RD_FULL;
}

rd_status rd_multi_exec(rd_session *s) {
  rd_multi *m = &s->multi;
  uint64_t began = rd_clock_now(s);
  rd_begin_slice(s, began);
  while (s->state.locked && m->next < m->need_locks) {
    if (RD_UNLIKELY(began >= s->slice_end)) {
      if (s->no_pauses) break; /* the client has gone, and others have waited long enough */
      rd_lend_all(s->st, s);
      return RD_BUSY;
    }
    uint32_t at = m->next++;
    rd_queued *q = &m->queue[at];
    const rd_command *cmd = q->command;
    const rd_bytes *argv = m->argv + q->first;
    if (RD_UNLIKELY(!rd_permitted(s, cmd, argv, q->argc))) return rd_deny(s, cmd, argv, q->argc);
    if (cmd->flags & RD_CONTROL_PLANE) {
      if (at < m->placed) return rd_pass_to_control(s, cmd, argv, q->argc);
      leave_gap(s, q, RD_GAP_LATER);
      continue;
    }
    size_t mark = s->out.len;
    uint32_t key_pos = rd_first_key_at(cmd, q->argc);
    rd_key key = {0};
    if (key_pos != 0) {
      key = (rd_key){.len = (uint32_t)argv[key_pos].len, .hash = q->hash}; /* rd_run fills in the rest */
    }
    uint64_t paused = 0, ended;
    if (RD_UNLIKELY(is_lengthy(cmd, argv, q->argc) || rd_run(s, cmd, argv, q->argc, &key, key_pos, true) == RD_LONG) &&
        rd_long_begin(s, cmd, argv, q->argc, &key, key_pos, true, &paused) != RD_MORE) {
      return RD_BUSY;
    }
    ended = rd_clock_now(s);
    rd_multi_ran(s, q, mark, ended - began);
    began = ended;
  }
  if (s->state.locked) end_locks(s, began);
  rd_status status = fill(s);
  if (status != RD_MORE) return status;
  rd_multi_discard(s);
  if (RD_UNLIKELY(s->st->monitoring)) {
    const rd_ahead *exec = &s->ahead[s->ahead_next - 1];
    rd_monitor_show(s, m->command, s->parser.argv + exec->first, exec->argc);
  }
  return RD_MORE;
}

/* ---- the other commands ---- */

void rd_cmd_multi(rd_call *c) {
  if (c->session->state.in_multi) {
    rd_reply_error(c->out, "ERR MULTI calls can not be nested");
    return;
  }
  c->session->state.in_multi = true;
  rd_reply_ok(c->out);
}

void rd_cmd_discard(rd_call *c) {
  if (!c->session->state.in_multi) {
    rd_reply_error(c->out, "ERR DISCARD without MULTI");
    return;
  }
  rd_multi_discard(c->session);
  rd_reply_ok(c->out);
}

/* True if the key is among the last few watches. Older ones are not compared: watching a key twice costs a record
 * and is no error. */
static bool watches(const rd_session *s, const rd_key *key) {
  uint32_t n = s->state.watching;
  for (uint32_t i = n > WATCHES_COMPARED ? n - WATCHES_COMPARED : 0; i < n; i++) {
    const rd_watch *w = &s->multi.watches[i];
    if (w->hash == key->hash && w->db == key->db) return true;
  }
  return false;
}

/* Make room for one more watch, and copy its key, which the watch needs as long as it lives. NULL: no memory, or the
 * bound of a transaction is reached. */
static uint8_t *watch_room(rd_session *s, const uint8_t *key, size_t len) {
  rd_multi *m = &s->multi;
  uint64_t all = m->watch_bytes + len + (s->state.watching + 1) * sizeof *m->watches;
  if (s->limits.multi_limit != 0 && all > s->limits.multi_limit) return NULL;
  uint8_t *own = malloc(len + 1);
  if (own == NULL || !reserve32((void **)&m->watches, &m->watch_cap, s->state.watching, 1, sizeof *m->watches)) {
    free(own);
    return NULL;
  }
  if (len != 0) memcpy(own, key, len);
  return own;
}

rd_result rd_multi_adopt(rd_session *s, const rd_watch *watch) {
  uint8_t *own = watch_room(s, watch->key.data, watch->key.len);
  if (own == NULL) return RD_OOM;
  rd_watch *w = &s->multi.watches[s->state.watching++];
  *w = *watch;
  w->key.data = own;
  s->multi.watch_bytes += w->key.len;
  rd_watch_join(s->st, w);
  return RD_OK;
}

void rd_cmd_watch(rd_call *c) {
  rd_session *s = c->session;
  if (s->state.in_multi) {
    rd_reply_error(c->out, "ERR WATCH inside MULTI is not allowed");
    return;
  }
  uint32_t before = s->state.watching;
  for (uint32_t i = 1; i < c->argc; i++) {
    if ((i & 63) == 0) rd_yield(c->store);
    rd_key key = rd_call_key(c, i);
    if (watches(s, &key)) continue;
    uint8_t *own = watch_room(s, key.data, key.len);
    if (own == NULL) {
      end_watches(s, before);
      rd_reply_oom(c->out);
      return;
    }
    key.data = own;
    rd_watch_begin(c->store, &key, &s->multi.watches[s->state.watching]);
    s->multi.watch_bytes += key.len;
    s->state.watching++;
  }
  rd_reply_ok(c->out);
}

bool rd_session_watch_changed(const rd_session *s) {
  uint32_t n = s->state.watching < RD_WATCHES_SHOWN ? s->state.watching : RD_WATCHES_SHOWN;
  for (uint32_t i = 0; i < n; i++) {
    if (rd_watch_seems_changed(s->st, &s->multi.watches[i])) return true;
  }
  return false;
}

void rd_cmd_unwatch(rd_call *c) {
  end_watches(c->session, 0);
  rd_reply_ok(c->out);
}
