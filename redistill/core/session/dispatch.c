/* dispatch.c - runs a command, queues it, passes it to the control plane, refuses it, or postpones it. */
#include "session/dispatch.h"

#include "arena/layout.h"
#include "session/admit.h"
#include "session/blocking.h"
#include "session/control.h"
#include "session/execute.h"
#include "session/fetch.h"
#include "session/growth.h"
#include "session/longcall.h"
#include "session/monitor.h"
#include "session/slow_scripts.h"
#include "session/timing.h"
#include "store/internal.h"

#define BRIEF_VALUE 1024u

/* ---- plain commands: nearly all ---- */

/* True if the command takes hardly longer than reading the clock, so that it shares one reading with its neighbours:
 * an RD_FAST one, and SET of a short value, which Redis does not flag since values may be long. */
static inline bool is_brief(const rd_command *cmd, const rd_bytes *argv) {
  return cmd->flags & RD_FAST || (cmd->run == rd_cmd_set && argv[2].len <= BRIEF_VALUE);
}

/* The flags of a session as one word, and its value when no flag requires anything. */
#define FLAG(name) (0xffull << (8 * (offsetof(rd_session_state, name) - offsetof(rd_session_state, authenticated))))
#define FLAGS                                                                                             \
  (FLAG(authenticated) | FLAG(subscribed) | FLAG(monitors) | FLAG(close_after_reply) | FLAG(reply_mode) | \
   FLAG(in_multi) | FLAG(in_exec) | FLAG(tracks))
#define NO_FLAGS (FLAG(authenticated) & 0x0101010101010101ull)
_Static_assert(offsetof(rd_session_state, tracks) - offsetof(rd_session_state, authenticated) < 8, "one word");

/* True if no check can refuse the command, no client monitors, no read is noted, and it reads or writes one key in very
 * short time. */
static inline bool is_plain(const rd_session *s, const rd_ahead *a, const rd_bytes *argv) {
  const rd_store *st = s->st;
  const rd_command *cmd = a->command;
  if (a->key_pos == 0 || a->large) return false; /* with a key the command is known */
  if ((rd_ld64(&s->state.authenticated) & FLAGS) != NO_FLAGS || s->acl != NULL) return false;
  if (((uintptr_t)st->lender | (uintptr_t)st->first) != 0 || st->monitoring) return false;
  if (atomic_load_explicit(&st->head->pause, memory_order_relaxed) != 0) return false;
  if (!rd_command_arity_ok(cmd, a->argc) || cmd->keys != RD_ONE_KEY) return false;
  if (cmd->flags & (RD_CONTROL_PLANE | RD_OWN_LOCKS | RD_BLOCKING) || !is_brief(cmd, argv)) return false;
  return (cmd->flags & RD_DENYOOM) == 0 || !rd_may_be_over(st);
}

/* The command at `a` was not begun: it is dispatched again after other sessions have had their turn. */
static rd_status __attribute__((noinline, cold)) retry_later(rd_session *s, rd_ahead *a, rd_verdict verdict) {
  if (a->timed) {
    a->timed = false;
    s->timed_count--;
  }
  if (verdict == RD_LATER && RD_UNLIKELY(rd_refuse_busy(s, a->command))) return rd_end_command(s);
  if (verdict == RD_LONG) a->large = a->lengthy = a->begun = true;
  s->ahead_next--;
  return verdict == RD_BLOCK ? RD_BLOCKED : RD_BUSY;
}

/* Run a plain command, whose shard is locked: the same as dispatch(), without the checks whose results are known. */
static inline rd_verdict call_plain(rd_session *s, const rd_ahead *a, const rd_bytes *argv) {
  rd_store *st = s->st;
  const rd_command *cmd = a->command;
  s->state.last = cmd;
  st->may_borrow = (cmd->flags & RD_DENYOOM) == 0;
  st->touched = 0;
  st->noted = 0;
  rd_call call;
  call.store = st;
  call.session = s;
  call.out = &s->out;
  call.command = cmd;
  call.db = s->state.db;
  call.argc = a->argc;
  call.argv = argv;
  call.first_pos = a->key_pos;
  call.first_key = (rd_key){argv[a->key_pos].data, a->key.len, s->state.db, a->key.hash};
  call.whole = false;
  call.verdict = RD_DONE;
  cmd->run(&call);
  return (rd_verdict)call.verdict;
}

/* True if the next command of the batch, which is in the same shard, may run before the shard's lock is released: it
 * is plain, and nothing has to be done between the two. */
static bool follows(const rd_session *s, const rd_ahead *next) {
  if (s->timed_count == 0 || rd_is_full(s) || !rd_has_room(s) || s->st->before_release != NULL) return false;
  return is_plain(s, next, s->parser.argv + next->first);
}

/* Run a plain command, whose shard is locked, and those behind it that are plain and in the same shard: all under one
 * taking of the lock. When several processes use one key, its memory and the lock's then move from processor to
 * processor once a batch and not once a command. What this adds to the time that others wait is bounded by the batch
 * and by RD_TIMED_OUTPUT. */
static rd_status __attribute__((noinline)) run_several(rd_session *s, rd_ahead *a) {
  uint32_t shard = a->shard;
  rd_verdict verdict;
  rd_fetch_elements(s, a);
  while ((verdict = call_plain(s, a, s->parser.argv + a->first)) == RD_DONE) {
    rd_mark_clean(s->st);
    rd_account(s, a->command);
    rd_end_brief(s);
    if ((++a)->shard != shard || !follows(s, a)) break;
    s->ahead_next++;
    rd_begin_brief(s, a);
  }
  rd_leave_shard(s->st, shard);
  return RD_LIKELY(verdict == RD_DONE) ? RD_MORE : retry_later(s, a, verdict);
}

static inline rd_status run_plain(rd_session *s, rd_ahead *a, const rd_bytes *argv) {
  rd_store *st = s->st;
  uint32_t shard = a->shard;
  rd_begin_brief(s, a);
  if (RD_UNLIKELY(!rd_lock_shard_soon(st, shard))) return retry_later(s, a, RD_LATER);
  if (RD_UNLIKELY(a[1].shard == shard)) return run_several(s, a);
  rd_verdict verdict = call_plain(s, a, argv);
  rd_leave_shard(st, shard);
  if (RD_UNLIKELY(verdict != RD_DONE)) return retry_later(s, a, verdict);
  rd_account(s, a->command);
  rd_end_brief(s);
  return RD_MORE;
}

/* Run a long command. The input must be in the session's own memory: the command keeps pointers to it. */
static rd_status __attribute__((noinline, cold)) run_long(rd_session *s, rd_ahead *a, const rd_bytes *argv) {
  uint64_t nanoseconds;
  if (s->base != s->in) return retry_later(s, a, RD_LONG);
  rd_status status = rd_long_begin(s, a->command, argv, a->argc, &a->key, a->key_pos, false, &nanoseconds);
  if (status == RD_MORE) rd_count_call(s, a->command, argv, a->argc, nanoseconds);
  return status == RD_BLOCKED ? retry_later(s, a, RD_BLOCK) : status;
}

static rd_status run_timed(rd_session *s, rd_ahead *a, const rd_bytes *argv) {
  const rd_command *cmd = a->command;
  rd_verdict verdict;
  if (RD_LIKELY(is_brief(cmd, argv))) {
    rd_begin_brief(s, a);
    rd_fetch_elements(s, a);
    verdict = rd_run(s, cmd, argv, a->argc, &a->key, a->key_pos, false);
    if (RD_UNLIKELY(verdict != RD_DONE)) return retry_later(s, a, verdict);
    rd_end_brief(s);
    return RD_MORE;
  }
  rd_stop_timing(s);
  uint64_t began = s->timed_until != 0 ? s->timed_until : rd_clock_now(s);
  rd_begin_slice(s, began);
  verdict = rd_run(s, cmd, argv, a->argc, &a->key, a->key_pos, false);
  if (RD_UNLIKELY(verdict != RD_DONE)) return retry_later(s, a, verdict);
  if (s->state.in_exec) {
    s->multi.exec_at = began; /* counted when EXEC ends */
    s->timed_until = 0;
    return RD_MORE;
  }
  s->timed_until = rd_clock_now(s);
  rd_count_call(s, cmd, argv, a->argc, s->timed_until - began);
  return RD_MORE;
}

/* ---- queueing ---- */

static inline bool is_queued(const rd_session *s, const rd_command *cmd) {
  return RD_UNLIKELY(s->state.in_multi) && !rd_runs_at_once(cmd) && cmd->run != rd_cmd_quit;
}

static void queue(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  if (rd_multi_queue(s, cmd, argv, argc) == RD_OK)
    rd_reply_simple(&s->out, "QUEUED");
  else if (!s->no_pauses) /* otherwise the session ends, and nothing needs the copy */
    rd_reject(s, cmd, RD_OOM_ERROR);
}

static void queue_call(rd_call *c) { queue(c->session, c->session->state.last, c->argv, c->argc); }

const rd_command rd_queueing = {.name = "queue", .run = queue_call};

/* Copy long arguments as a command of its own, which pauses. */
static rd_status __attribute__((noinline, cold)) queue_long(rd_session *s, rd_ahead *a, const rd_bytes *argv) {
  uint64_t nanoseconds;
  if (s->base != s->in) return retry_later(s, a, RD_LONG);
  return rd_long_begin(s, &rd_queueing, argv, a->argc, &a->key, 0, false, &nanoseconds);
}

/* Show the command to MONITOR. Out of line, so that it costs nothing when no client monitors. */
static void __attribute__((noinline, cold)) show(const rd_session *s, const rd_ahead *a) {
  rd_monitor_show(s, a->command, s->parser.argv + a->first, a->argc);
}

static rd_status dispatch_one(rd_session *s, rd_ahead *a, const rd_bytes *argv) {
  const rd_command *cmd = a->command;
  size_t mark = s->out.len;
  if (RD_UNLIKELY(s->state.reply_mode == 2)) s->state.reply_mode = 3;
  if (RD_UNLIKELY(cmd == NULL)) {
    s->multi.aborted = s->state.in_multi;
    return rd_pass_to_control(s, NULL, argv, a->argc);
  }
  if (RD_UNLIKELY(s->st->lender != NULL || s->st->first != NULL) && rd_must_run_later(s, a, argv)) {
    return retry_later(s, a, RD_LATER);
  }
  /* QUIT is executed before all checks, whatever its arguments */
  if (RD_UNLIKELY(cmd->run == rd_cmd_quit) || RD_LIKELY(rd_admit(s, a, argv))) {
    bool queued = is_queued(s, cmd);
    s->state.last = cmd;
    if (RD_UNLIKELY(rd_held_by_pause(s, cmd)) && cmd->run != rd_cmd_quit) return RD_PAUSED;
    if (queued && RD_UNLIKELY(a->lengthy)) {
      rd_status status = queue_long(s, a, argv);
      if (status != RD_MORE) return status;
    } else if (queued) {
      queue(s, cmd, argv, a->argc);
    } else if (cmd->flags & RD_CONTROL_PLANE) {
      return rd_pass_to_control(s, cmd, argv, a->argc);
    } else {
      rd_status ran = RD_UNLIKELY(a->lengthy) && (a->begun || !(cmd->flags & RD_WHOLE)) ? run_long(s, a, argv)
                                                                                        : run_timed(s, a, argv);
      if (RD_UNLIKELY(ran != RD_MORE)) {
        if (ran == RD_BLOCKED && s->st->monitoring) show(s, a);
        return ran;
      }
      if (RD_UNLIKELY(s->state.in_exec)) { /* shown when EXEC ends */
        rd_drop_reply(s, mark);
        rd_status status = rd_multi_exec(s);
        return status == RD_MORE ? rd_end_command(s) : status;
      }
      if (RD_UNLIKELY(s->st->monitoring)) show(s, a);
    }
  } else if (RD_UNLIKELY(s->state.denied)) {
    return rd_deny(s, cmd, argv, a->argc);
  } else if (RD_UNLIKELY(s->st->monitoring) && cmd->run == rd_cmd_exec) {
    show(s, a);
  }
  rd_drop_reply(s, mark);
  return rd_end_command(s);
}

static rd_status __attribute__((noinline)) dispatch(rd_session *s, rd_ahead *a, const rd_bytes *argv) {
  rd_status status = dispatch_one(s, a, argv);
  /* a command that waited is done: executed, refused or denied */
  if (status == RD_MORE || status == RD_CONTROL || status == RD_CLOSE) rd_wait_forget(s);
  return status;
}

rd_status rd_dispatch(rd_session *s, rd_ahead *a) {
  const rd_bytes *argv = s->parser.argv + a->first;
  return RD_LIKELY(is_plain(s, a, argv)) ? run_plain(s, a, argv) : dispatch(s, a, argv);
}

/* ---- continuing after a pause ---- */

rd_status rd_dispatch_continue(rd_session *s) {
  rd_status status = RD_MORE;
  if (s->longcall != NULL) {
    size_t mark;
    uint64_t nanoseconds;
    rd_status ran = rd_long_continue(s, &mark, &nanoseconds);
    if (ran == RD_BLOCKED) s->ahead_next--;
    if (ran != RD_MORE) return ran;
    rd_wait_forget(s);
    if (s->state.in_exec) {
      rd_multi_ran(s, &s->multi.queue[s->multi.next - 1], mark, nanoseconds);
    } else {
      const rd_ahead *a = &s->ahead[s->ahead_next - 1];
      if (!is_queued(s, a->command)) {
        rd_count_call(s, a->command, s->parser.argv + a->first, a->argc, nanoseconds);
        if (RD_UNLIKELY(s->st->monitoring)) show(s, a);
      }
      rd_drop_reply(s, mark);
    }
  } else if (s->state.locked) {
    rd_take_back(s->st);
  }
  if (s->state.in_exec) status = rd_multi_exec(s);
  if (status == RD_MORE) status = rd_end_command(s);
  return status == RD_MORE ? RD_BUSY : status; /* a session that waits for its locks goes first */
}

void rd_finish_begun(rd_session *s) {
  if (s->longcall == NULL && !s->state.in_exec) return;
  s->no_pauses = true;
  s->slice_end = rd_clock_now(s) + RD_FINISH_NS;
  if (s->longcall != NULL) rd_long_finish(s, s->state.in_exec);
  while (s->longcall != NULL || (s->state.in_exec && s->waiting == RD_BUSY)) {
    if (rd_dispatch_continue(s) != RD_BUSY) break;
  }
}
