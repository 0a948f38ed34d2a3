/* session.c - the input and output of a client: parses input a batch ahead in the caller's memory, keeps input that
 * cannot be executed yet in the session's memory, and collects replies until the owner has written them.
 *
 * Costs. Kept input grows by what arrived (doubling, but not beyond the end of a bulk whose length is known), and is
 * moved to its buffer's front only when at least as many bytes before it are done, so every byte is moved a constant
 * number of times, however it was split. */
#include <stdlib.h>
#include <sys/mman.h>

#include "arena/layout.h"
#include "arena/longrun.h"
#include "command/call.h"
#include "command/keys.h"
#include "session/backlog.h"
#include "session/blocked.h"
#include "session/blocking.h"
#include "session/control.h"
#include "session/dispatch.h"
#include "session/events.h"
#include "session/footprint.h"
#include "session/longcall.h"
#include "session/monitor.h"
#include "session/moved.h"
#include "session/pushed.h"
#include "session/timing.h"
#include "session/tracking.h"
#include "store/internal.h"

/* The memory of a buffer that is returned to the system at once. */
#define GIVEN_AT_ONCE ((size_t)4 << 20)
/* The most that empty buffers keep; rd_session_trim frees these, too. */
enum { KEEP_INPUT = 32768, KEEP_OUTPUT = 32768, FIRST_INPUT = 512, MANY_ARGS = 2048 };

/* The length up to which a command has neither a key that is too long nor RD_LONG_KEYS arguments: each argument
 * takes two bytes at least. */
#define LARGE_COMMAND (2 * RD_LONG_KEYS)
_Static_assert(LARGE_COMMAND <= RD_MAX_KEY && LARGE_COMMAND <= RD_LONG_BYTES,
               "a command that is not large has no key too long");

static rd_session *session_of(const rd_reply *out) {
  return (rd_session *)(void *)((uint8_t *)(uintptr_t)out - offsetof(rd_session, out));
}

static bool admit_reply(const rd_reply *out, size_t more) { return rd_footprint_admit(session_of(out), more); }

/* A reply may only pause within the command that makes it: during the pause nothing else is appended to it. */
static void pause_reply(const rd_reply *out) {
  const rd_session *s = session_of(out);
  if (s->longcall != NULL && s->st->current == s) rd_yield(s->st);
}

rd_session *rd_session_new(rd_store *st, const rd_limits *limits) {
  rd_session *s = calloc(1, sizeof *s);
  if (s == NULL) return NULL;
  s->st = st;
  st->start_waiting = rd_waits_start;
  st->kept_by = rd_wait_kept;
  st->serve_waiting = rd_waits_serve;
  s->state.resp = 2;
  rd_reply_init(&s->out);
  s->out.admit = admit_reply;
  s->out.pause = pause_reply;
  rd_session_set_limits(s, limits);
  rd_parser_init(&s->parser);
  return s;
}

void rd_session_set_limits(rd_session *s, const rd_limits *limits) {
  s->limits = *limits;
  if (s->limits.batch_size < 1) s->limits.batch_size = 1;
  if (s->limits.batch_size > RD_MAX_BATCH) s->limits.batch_size = RD_MAX_BATCH;
  s->out.limit = limits->output_limit;
}

void rd_session_free(rd_session *s) {
  if (s == NULL) return;
  rd_footprint_gone(s);
  rd_wait_end(s);
  rd_wait_forget(s);
  rd_finish_begun(s);
  if (s->st->first == s) s->st->first = NULL;
  rd_session_monitor(s, false);
  rd_tracking_end(s);
  rd_unsubscribe_all(s);
  rd_pushed_forget(s);
  rd_blocked_forget(s);
  rd_multi_free(s);
  rd_reply_free(&s->out);
  rd_parser_free(&s->parser);
  free(s->in);
  free(s->ahead);
  free(s->peer);
  free(s);
}

/* ---- kept input ---- */

/* Make room for `more` bytes behind the kept ones. */
static bool grow_input(rd_session *s, size_t more) {
  s->in_given = 0;
  if (s->in_cap - s->in_len >= more) return true;
  size_t need = s->in_len + more;
  size_t cap = need < FIRST_INPUT ? FIRST_INPUT : need + need / 2;
  if (s->parser.bulk != RD_NO_BULK) {
    size_t end = s->parser.pos + (size_t)s->parser.bulk + 2;
    if (end >= need && end < cap) cap = end;
  }
  if (cap - s->in_cap >= RD_LARGE_GROWTH && !rd_footprint_admit(s, cap - s->in_cap)) return false;
  uintptr_t was; /* the old address as a number: after realloc the old pointer must not even be read */
  memcpy(&was, &s->in, sizeof was);
  uint8_t *in = realloc(s->in, cap);
  if (in == NULL) return false;
  if (s->in_len != 0 && (uintptr_t)in != was) rd_parser_moved(&s->parser, was, s->in_len, in, 0);
  s->in = in;
  s->in_cap = cap;
  return true;
}

static bool keep(rd_session *s, const uint8_t *data, size_t len) {
  if (len == 0) return true;
  if (!grow_input(s, len)) return false;
  memcpy(s->in + s->in_len, data, len);
  s->in_len += len;
  return true;
}

static void free_input(rd_session *s) {
  free(s->in);
  s->in = NULL;
  s->in_cap = s->in_given = 0;
}

static void forget_input(rd_session *s) {
  s->in_len = 0;
  s->parser.pos = s->parser.start = 0;
  if (s->in_cap > KEEP_INPUT) free_input(s);
}

/* The same in steps, since the system takes long to take back much memory. False: there is another step. */
static bool forget_some_input(rd_session *s) {
  const uintptr_t page = 65536; /* a multiple of every page size */
  if (RD_LIKELY(s->in_cap - s->in_given <= GIVEN_AT_ONCE)) {
    forget_input(s);
    return true;
  }
  uintptr_t from = ((uintptr_t)s->in + s->in_given + page - 1) & ~(page - 1);
  madvise((void *)from, GIVEN_AT_ONCE - page, MADV_DONTNEED);
  s->in_given += GIVEN_AT_ONCE - page;
  s->in_len = 0;
  s->parser.pos = s->parser.start = 0;
  return false;
}

/* True if the session is in the middle of a command or a transaction. */
static inline bool begun(const rd_session *s) { return s->longcall != NULL || s->state.in_exec; }

/* The offset of the first byte that is still needed. */
static size_t first_needed(const rd_session *s, rd_status status) {
  if (status == RD_CONTROL || s->state.in_exec || (status == RD_BUSY && begun(s)))
    return s->ahead[s->ahead_next - 1].start;
  return s->ahead_next < s->ahead_count ? s->ahead[s->ahead_next].start : s->parser.start;
}

static void note_overflow(rd_session *s) {
  if (s->growth_refused)
    s->state.overflowed = RD_OVERFLOW_CLIENTS;
  else if (s->out.over)
    s->state.overflowed = s->out.limit == s->limits.output_limit ? RD_OVERFLOW_OUTPUT : RD_OVERFLOW_CLIENTS;
}

/* Nothing more will be executed. A transaction that waits for an answer releases its shards. */
static rd_status end(rd_session *s) {
  note_overflow(s);
  if (s->state.blocked != RD_NOT_BLOCKED) rd_blocked_forget(s);
  rd_wait_end(s);
  if (s->state.in_exec) rd_multi_discard(s);
  forget_input(s);
  return s->waiting = RD_CLOSE;
}

/* The session has more unexecuted input than it may hold. `reply`: reply with the error. */
static rd_status refuse_input(rd_session *s, bool reply) {
  rd_count_add(s->st, RD_STAT_query_disconnections, 1);
  if (reply && s->state.reply_mode == 0) {
    rd_reply_error(&s->out, "ERR Protocol error: query buffer limit exceeded");
    rd_count_errors(s, &s->out);
  }
  return end(s);
}

/* At the end of a call, keep the remaining input. */
static rd_status end_call(rd_session *s, rd_status status) {
  /* A reply that could not be completed ends the session, but not in the middle of a command. */
  bool within = (status == RD_BUSY && begun(s)) || (status == RD_CONTROL && s->state.in_exec);
  if (RD_UNLIKELY(s->out.failed) && !within) status = RD_CLOSE;
  if (status == RD_CLOSE) return end(s);
  if (RD_UNLIKELY(s->longcall != NULL) && s->base == s->in) /* the running command has pointers into the input */
    return s->waiting = status;
  size_t from = first_needed(s, status);
  size_t left = s->base_len - from;
  if (left == 0) {
    if (!forget_some_input(s) && status == RD_MORE) status = RD_BUSY;
    rd_parser_trim(&s->parser);
  } else if (s->base != s->in) {
    uintptr_t was = (uintptr_t)s->base;
    const uint8_t *tail = s->base + from;
    s->in_len = 0;
    size_t pos = s->parser.pos;
    s->parser.pos -= from; /* for the estimate of grow_input */
    bool kept = grow_input(s, left);
    s->parser.pos = pos;
    if (!kept) return end(s);
    memcpy(s->in, tail, left);
    s->in_len = left;
    rd_parser_moved(&s->parser, was, s->base_len, s->in, from);
    for (uint32_t i = 0; i < s->ahead_count; i++) s->ahead[i].start -= from;
  } else if (from >= left) {
    memmove(s->in, s->in + from, left);
    s->in_len = left;
    rd_parser_moved(&s->parser, (uintptr_t)s->in, s->base_len, s->in, from);
    for (uint32_t i = 0; i < s->ahead_count; i++) s->ahead[i].start -= from;
  }
  if (s->limits.query_limit != 0 && left > s->limits.query_limit) return refuse_input(s, status == RD_MORE);
  return s->waiting = status;
}

/* ---- parsing ahead ---- */

/* Parse up to a batch of commands, and prefetch the memory of their first keys: all buckets, then all items. Before
 * authentication parse only one, since its bounds hold until AUTH was executed. False: the input has no command
 * behind these. */
static bool look_ahead(rd_session *s) {
  s->timed_until = 0;
  rd_parser *p = &s->parser;
  rd_store *st = s->st;
  rd_ahead *a = s->ahead;
  rd_ahead *last = a + (s->state.authenticated ? s->limits.batch_size : 1);
  p->limited = !s->state.authenticated;
  p->max_bulk = st->max_bulk;
  rd_parser_forget(p);
  rd_parsed parsed = RD_PARSED_COMMAND;
  while (a < last) {
    parsed = rd_parse(p, s->base, s->base_len);
    if (RD_UNLIKELY(
            /* an empty command counts as the one that CLIENT REPLY SKIP leaves without a reply */
            p->skipped)) {
      p->skipped = false;
      if (a == s->ahead && s->state.reply_mode == 2) s->state.reply_mode = 0;
    }
    if (parsed != RD_PARSED_COMMAND) {
      s->broken = parsed != RD_PARSED_MORE;
      if (parsed == RD_PARSED_NO_MEMORY) s->out.failed = true;
      break;
    }
    a->start = p->start;
    a->first = p->first;
    a->argc = p->len - p->first;
    a->timed = false;
    size_t bytes = p->pos - p->start;
    a->large = bytes > LARGE_COMMAND;
    a->lengthy = a->begun = false;
    if (RD_UNLIKELY(a->large)) a->lengthy = bytes > RD_LONG_BYTES || a->argc > RD_LONG_KEYS;
    a->key_pos = 0;
    a->shard = RD_NO_SHARD;
    const rd_bytes *argv = p->argv + a->first;
    const rd_command *cmd = a->command = rd_command_find(argv, a->argc, &a->unknown_sub);
    if (RD_LIKELY(cmd != NULL && !a->unknown_sub)) a->key_pos = rd_first_key_at(cmd, a->argc);
    if (RD_LIKELY(a->key_pos != 0)) {
      a->key = rd_key_of(st, argv[a->key_pos], s->state.db);
      a->shard = rd_shard_of(st, a->key.hash);
    }
    a++;
    /* a command of the control plane may change how the rest must be read */
    if (RD_UNLIKELY(cmd == NULL || cmd->flags & RD_CONTROL_PLANE || p->scratch_used || p->len > MANY_ARGS)) break;
  }
  a->shard = RD_NO_SHARD;
  s->ahead_next = s->fetched = 0;
  s->ahead_count = (uint32_t)(a - s->ahead);
  if (s->ahead_count < 2) return parsed != RD_PARSED_MORE;
  /* In separate loops: each step may wait for the translation of its address, and in short loops these waits
   * overlap. */
  for (rd_ahead *b = s->ahead; b < a; b++) {
    if (b->key_pos != 0) b->bucket = rd_prefetch_bucket(st, &b->key);
  }
  for (const rd_ahead *b = s->ahead; b < a; b++) {
    if (b->key_pos != 0) rd_prefetch_item(st, b->key.hash, b->bucket);
  }
  return parsed != RD_PARSED_MORE;
}

static rd_status protocol_error(rd_session *s) {
  rd_counters *counters = rd_my_counters(s->st);
  counters->value[RD_STAT_protocol_errors]++;
  if (s->state.reply_mode == 0) {
    rd_reply_error(&s->out, s->parser.error);
    rd_count_errors(s, &s->out);
  }
  return RD_CLOSE;
}

/* Reserve room for a small reply before a command runs, so that no command is executed whose reply cannot be made. */
static inline bool can_answer(rd_session *s) {
  return RD_LIKELY(rd_has_room(s)) || rd_reply_room(&s->out, RD_SMALL_REPLY) != NULL;
}

static rd_status run(rd_session *s) {
  s->timed_until = 0;
  for (bool first = true, more = true;; first = false) {
    while (s->ahead_next < s->ahead_count) {
      rd_status status = RD_UNLIKELY(rd_is_full(s))    ? RD_FULL
                         : RD_UNLIKELY(!can_answer(s)) ? RD_CLOSE
                                                       : rd_dispatch(s, &s->ahead[s->ahead_next++]);
      if (RD_LIKELY(status == RD_MORE)) {
        if (RD_LIKELY(s->timed_until < s->slice_end || s->ahead_next == s->ahead_count)) continue;
        status = RD_BUSY;
      }
      rd_stop_timing(s);
      if (status == RD_PAUSED) s->ahead_next--;
      return status;
    }
    rd_stop_timing(s);
    if (RD_UNLIKELY(s->out.failed)) return RD_CLOSE;
    if (RD_UNLIKELY(s->broken)) return protocol_error(s);
    if (RD_UNLIKELY(rd_is_full(s))) return RD_FULL;
    if (!more) {
      rd_parser_forget(&s->parser);
      return RD_MORE;
    }
    /* The slice begins with the first command that reads the clock, or else after the first batch. */
    if (RD_UNLIKELY(s->timed_until == 0) && !first) rd_begin_slice(s, s->timed_until = rd_clock_now(s));
    if (RD_UNLIKELY(s->timed_until >= s->slice_end) && s->parser.pos < s->base_len) return RD_BUSY;
    more = look_ahead(s);
  }
}

/* ---- functions that the owner calls ---- */

/* True if a transaction of another session holds shards while it waits for the control plane. */
static bool must_wait(const rd_session *s) { return s->st->holder != NULL && s->st->holder != s; }
/* True if messages are missing that come before the replies to more commands. */
static bool misses(const rd_session *s) { return RD_UNLIKELY(s->subscribed != NULL) && rd_moved_waits(s); }

void rd_session_compact(rd_session *s) {
  if (RD_LIKELY(s->sent == 0 || s->sent < s->out.len - s->sent) || rd_output_pinned(s)) return;
  memmove(s->out.data, s->out.data + s->sent, s->out.len - s->sent);
  s->out.len -= s->sent;
  s->sent = s->out.released = 0;
}

static bool begin(rd_session *s, uint64_t now_ms) {
  s->st->now_ms = now_ms;
  s->st->no_touch = s->state.no_touch;
  s->st->monitoring = atomic_load_explicit(&s->st->head->monitors, memory_order_relaxed) != 0;
  uint32_t notify = atomic_load_explicit(&s->st->head->notify, memory_order_relaxed);
  if (RD_UNLIKELY((notify | s->st->notifying) != 0)) rd_events_begin(s->st);
  s->out.resp = s->state.resp;
  s->out.limit = rd_reply_limit(s);
  s->growth_refused = false; /* a command of an earlier turn was refused temporary memory */
  if (RD_UNLIKELY(s->subscribed != NULL)) rd_backlog_catch_up(s); /* what was published before comes first */
  rd_session_compact(s);
  s->slice_end = UINT64_MAX;
  if (RD_UNLIKELY(s->ahead == NULL)) s->ahead = malloc((s->limits.batch_size + 1) * sizeof *s->ahead);
  return s->ahead != NULL;
}

/* True if the session waits for more than its turn. */
static bool is_stopped(const rd_session *s) {
  return s->waiting == RD_CONTROL || s->waiting == RD_BLOCKED || rd_session_suspended(s);
}

/* Execute the input: `data` after the kept input, or the bytes that rd_session_received appended to it. */
static rd_status received(rd_session *s, const uint8_t *data, size_t len, bool own, uint64_t now_ms) {
  rd_counters *counters = rd_my_counters(s->st);
  counters->value[RD_STAT_total_net_input_bytes] += len;
  counters->value[RD_STAT_total_reads_processed]++;
  if (s->waiting == RD_CLOSE) return RD_CLOSE;
  if (RD_UNLIKELY(s->longcall != NULL)) rd_long_finish(s, true);
  bool stopped = s->state.in_exec || (RD_UNLIKELY(s->waiting != RD_MORE) && is_stopped(s));
  bool wait = stopped || must_wait(s) || misses(s);
  if (own)
    s->in_len += len;
  else if ((own = wait || s->in_len != 0) && !keep(s, data, len))
    return end(s);
  if (!begin(s, now_ms)) return end(s);
  if (wait) {
    if (s->limits.query_limit != 0 && s->in_len > s->limits.query_limit) return refuse_input(s, false);
    return stopped ? s->waiting : (s->waiting = RD_PAUSED);
  }
  s->base = own ? s->in : data;
  s->base_len = own ? s->in_len : len;
  s->st->current = s;
  rd_status status = run(s);
  s->st->current = NULL;
  return end_call(s, status);
}

/* Called at the end of each call that executes. */
static inline void note_blocked(rd_session *s, rd_status status) {
  if (RD_UNLIKELY(s->state.blocked != RD_NOT_BLOCKED || status == RD_PAUSED || status == RD_BLOCKED))
    rd_blocked_changed(s, status);
}

static rd_status arrived(rd_session *s, const uint8_t *data, size_t len, bool own, uint64_t now_ms) {
  rd_status status = received(s, data, len, own, now_ms);
  note_blocked(s, status);
  rd_footprint_changed(s);
  return status;
}

rd_status rd_session_feed(rd_session *s, const uint8_t *data, size_t len, uint64_t now_ms) {
  return arrived(s, data, len, false, now_ms);
}

uint8_t *rd_session_room(rd_session *s, size_t least, size_t *room) {
  if (RD_LIKELY(s->in_len == 0 || s->parser.bulk == RD_NO_BULK) || s->waiting != RD_MORE) return NULL;
  size_t missing = s->parser.pos + (size_t)s->parser.bulk + 2 - s->in_len;
  size_t more = s->in_len * 3 > least ? s->in_len * 3 : least;
  if (missing < least || !grow_input(s, missing < more ? missing : more)) return NULL;
  rd_footprint_changed(s);
  *room = s->in_cap - s->in_len;
  return s->in + s->in_len;
}

rd_status rd_session_received(rd_session *s, size_t n, uint64_t now_ms) { return arrived(s, NULL, n, true, now_ms); }

/* The wait has ended: go on behind its command if that has its reply. */
static rd_status unblocked(rd_session *s) {
  rd_waits_settle(s->st);
  if (!s->answered) return RD_MORE;
  s->answered = false;
  rd_wait_forget(s);
  s->ahead_next++;
  return rd_end_command(s);
}

rd_status rd_session_resume(rd_session *s, uint64_t now_ms) {
  if (s->waiting == RD_CLOSE) return RD_CLOSE;
  if (s->waiting == RD_BLOCKED && !rd_wait_is_over(s)) return RD_BLOCKED;
  uint64_t slice_end = s->slice_end;
  if (!begin(s, now_ms)) return end(s);
  if (s->state.locked && s->waiting == RD_CONTROL) s->slice_end = slice_end; /* other clients wait the whole time */
  rd_status status = RD_MORE;
  s->st->current = s;
  s->base = s->in != NULL ? s->in : (const uint8_t *)"";
  s->base_len = s->in_len;
  if (s->waiting == RD_BLOCKED)
    status = unblocked(s);
  else if (s->waiting == RD_CONTROL)
    status = rd_answered(s);
  else if (rd_session_suspended(s) || s->state.in_exec)
    status = rd_dispatch_continue(s);
  if (status == RD_MORE) status = must_wait(s) || (misses(s) && s->in_len != 0) ? RD_PAUSED : run(s);
  s->st->current = NULL;
  status = end_call(s, status);
  note_blocked(s, status);
  rd_footprint_changed(s);
  return status;
}

bool rd_session_abandon(rd_session *s) {
  if (!s->state.in_exec || s->state.locked) return false;
  s->out.failed = true; /* later commands make no reply */
  s->state.close_after_reply = true;
  return true;
}

bool rd_session_suspended(const rd_session *s) { return s->waiting == RD_BUSY && begun(s); }

/* The offset in the output from which it must stay as it is and may not be sent yet. */
static size_t pinned_from(const rd_session *s) {
  size_t end = s->longcall != NULL ? rd_long_mark(s) : s->out.len, most = rd_multi_sendable(s);
  return end < most ? end : most;
}

rd_bytes rd_session_output(const rd_session *s) {
  size_t end = RD_UNLIKELY(rd_output_pinned(s)) ? pinned_from(s) : s->out.len;
  if (end == s->sent) return (rd_bytes){NULL, 0};
  return (rd_bytes){s->out.data + s->sent, end - s->sent};
}

void rd_session_consumed(rd_session *s, size_t n) {
  assert(n <= s->out.len - s->sent);
  rd_counters *counters = rd_my_counters(s->st);
  counters->value[RD_STAT_total_net_output_bytes] += n;
  counters->value[RD_STAT_total_writes_processed]++;
  s->sent += n;
  rd_reply_release(&s->out, s->sent);
  if (s->sent != s->out.len || RD_UNLIKELY(rd_output_pinned(s))) return;
  s->sent = s->out.len = 0;
  if (s->out.cap <= KEEP_OUTPUT) return;
  rd_reply_free(&s->out);
  rd_footprint_changed(s);
}

rd_store *rd_session_store(const rd_session *s) { return s->st; }
const rd_command *rd_session_command(const rd_session *s) { return s->control; }
uint32_t rd_session_argc(const rd_session *s) { return s->control_argc; }
rd_bytes rd_session_arg(const rd_session *s, uint32_t i) {
  return i < s->control_argc ? s->control_argv[i] : (rd_bytes){NULL, 0};
}

bool rd_session_push(rd_session *s, const uint8_t *data, size_t len) {
  if (RD_UNLIKELY(s->longcall != NULL)) rd_long_finish(s, true); /* not into its reply */
  rd_session_compact(s); /* a client that reads slowly may never be done with all of it */
  rd_reply_raw(&s->out, data, len);
  rd_footprint_changed(s);
  note_overflow(s);
  return !s->out.failed;
}

bool rd_session_answer_part(rd_session *s, const uint8_t *data, size_t len) {
  return s->state.reply_mode & 1 || rd_session_push(s, data, len);
}

rd_bytes rd_session_input(const rd_session *s) {
  size_t done = s->waiting == RD_MORE ? s->parser.start : first_needed(s, s->waiting);
  return s->in_len > done ? (rd_bytes){s->in + done, s->in_len - done} : (rd_bytes){NULL, 0};
}

bool rd_session_give(rd_session *s, rd_bytes input) { return keep(s, input.data, input.len); }

rd_session_state *rd_session_state_of(rd_session *s) {
  s->state.query_bytes = rd_session_input(s).len;
  s->state.query_cap = s->in_cap;
  s->state.output_bytes = s->out.len - s->sent + s->multi.kept.len - s->multi.kept_at;
  s->state.output_cap = s->out.cap + s->multi.kept.cap;
  s->state.tracking = rd_tracking_flags(s);
  s->state.redirect = rd_tracking_redirect(s);
  return &s->state;
}

void rd_session_reset(rd_session *s) {
  rd_multi_discard(s);
  rd_session_monitor(s, false);
  bool receives = rd_session_subscriptions(s, RD_REDIRECT) != 0;
  if (s->subscribed != NULL && rd_subscribed_begin(s->st, true)) {
    rd_backlog_catch_up(s);
    rd_subscribed_clear(s, true);
    rd_rolls_unlock(s->st);
    rd_pushed_join(s); /* all that was published before comes before the reply */
  }
  rd_unsubscribe_all(s);
  if (receives) rd_tracking_receive(s); /* REDIRECT of others goes on */
  s->state.db = 0;
  s->state.resp = s->out.resp = 2;
  s->state.reply_mode = 0;
  s->state.no_touch = s->state.no_evict = false;
}

void rd_session_set_acl(rd_session *s, const rd_acl *acl) {
  s->acl = acl;
  rd_session_retry(s); /* the command that waits is checked again */
}

void rd_session_trim(rd_session *s) {
  if (rd_session_suspended(s)) return;
  if (s->in_len == 0) {
    forget_input(s);
    free_input(s);
    rd_parser_free(&s->parser);
    free(s->ahead);
    s->ahead = NULL;
    s->ahead_count = s->ahead_next = 0;
  }
  if (s->out.len == 0) rd_reply_free(&s->out);
  rd_footprint_changed(s);
}

void rd_session_drop(rd_session *s) {
  rd_finish_begun(s);
  end(s);
  rd_multi_free(s);
  s->sent = 0;
  rd_reply_free(&s->out);
  if (s->subscribed != NULL) rd_reply_free(&s->subscribed->kept);
  rd_session_trim(s);
}
