/* dispatch.c - one command: may it run, with which locks, what did it cost. The order of the checks is Redis's. */
#include "session/dispatch.h"

#include <stdio.h>

#include "arena/layout.h"
#include "arena/longrun.h"
#include "command/command_table.h"
#include "session/growth.h"
#include "session/monitor.h"
#include "session/slowlog.h"
#include "store/internal.h"
#include "store/pause.h"

/* Output after which the running measurement is cut, so that the cost of a big reply is not spread over its neighbours.
 */
#define TIMED_OUTPUT 65536u
#define BRIEF_VALUE 1024u

/* ---- counting ---- */

static void count_error(rd_counters *counters, const char *code, uint64_t n) {
  counters->value[RD_STAT_total_error_replies] += n;
  if (strcmp(code, "OOM") == 0) counters->value[RD_STAT_oom_errors] += n;
  if (code[0] == 0) return;
  for (size_t i = 0; i < RD_ERROR_CODES; i++) {
    rd_error_stats *e = &counters->errors[i];
    if (e->code[0] == 0) memcpy(e->code, code, RD_ERROR_NAME);
    if (memcmp(e->code, code, strlen(code) + 1) == 0) {
      e->count += n;
      return;
    }
  }
}

void rd_count_errors(rd_session *s) {
  count_error(rd_my_counters(s->st), s->out.code, s->out.errors);
  s->out.errors = 0;
}

void rd_count_call(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc, uint64_t nanoseconds) {
  if (s->st->clock == NULL) return;
  rd_command_stats *stats = &rd_my_counters(s->st)->commands[cmd->id];
  stats->nanoseconds += nanoseconds;
  stats->histogram[rd_latency_bucket(nanoseconds)]++;
  rd_slowlog_offer(s->st, s, cmd, argv, argc, nanoseconds);
}

void rd_stop_timing(rd_session *s) {
  if (s->timed_count == 0) return;
  uint32_t left = s->timed_count;
  s->timed_count = 0;
  if (s->st->clock == NULL) return;
  s->timed_until = s->st->clock();
  rd_begin_slice(s, s->timed_since);
  uint64_t each = (s->timed_until - s->timed_since) / left;
  uint32_t bucket = rd_latency_bucket(each);
  rd_command_stats *commands = rd_my_counters(s->st)->commands;
  bool slow = each >= rd_slowlog_threshold(s->st->slowlog);
  for (rd_ahead *a = &s->ahead[s->timed_from]; left != 0; a++) {
    if (!a->timed) continue;
    a->timed = false;
    left--;
    rd_command_stats *stats = &commands[a->command->id];
    stats->nanoseconds += each;
    stats->histogram[bucket]++;
    if (RD_UNLIKELY(slow)) rd_slowlog_offer(s->st, s, a->command, s->parser.argv + a->first, a->argc, each);
  }
}

static void queue_call(rd_call *c);

/* ---- running ---- */

/* Work that takes long can wait for its locks; any other command comes again. */
static bool lock_wanted(rd_store *st, const uint64_t wanted[RD_MAX_SHARDS / 64]) {
  if (st->running == NULL) return rd_lock_set_soon(st, wanted);
  rd_lock_set(st, wanted);
  return true;
}

static inline bool lock_one(rd_store *st, uint32_t shard) {
  if (RD_LIKELY(st->running == NULL)) return rd_lock_shard_soon(st, shard);
  rd_lock_shard(st, shard);
  return true;
}

/* Lock the shards of all keys of a command. Meanwhile the memory of the keys is on its way, buckets and then items. */
static bool __attribute__((noinline))
lock_keys(rd_store *st, const rd_command *cmd, const rd_bytes *argv, uint32_t argc, uint32_t db) {
  uint64_t wanted[RD_MAX_SHARDS / 64] = {0};
  const struct rd_bucket *buckets[RD_FETCHED];
  uint64_t hashes[RD_FETCHED];
  rd_keys keys;
  rd_command_keys(cmd, argv, argc, &keys);
  if (keys.count == 0) return true;
  uint32_t n = 0;
  for (const rd_key_run *run = keys.run; run < keys.run + keys.runs; run++) {
    const rd_bytes *name = argv + run->first;
    for (uint32_t i = 0; i < run->count; i++, name += run->step, n++) {
      if ((n & 1023) == 1023) rd_breathe(st);
      rd_key key = rd_key_of(st, *name, db);
      uint32_t shard = rd_shard_of(st, key.hash);
      wanted[shard >> 6] |= 1ull << (shard & 63);
      if (n >= RD_FETCHED) continue;
      hashes[n] = key.hash;
      buckets[n] = rd_prefetch_bucket(st, &key);
    }
  }
  if (!lock_wanted(st, wanted)) return false;
  if (n > RD_FETCHED) n = RD_FETCHED;
  for (uint32_t i = 0; i < n; i++) rd_prefetch_item(st, hashes[i], buckets[i]);
  return true;
}

static inline rd_verdict execute(rd_call *call, const rd_key *key, bool locked) {
  rd_store *st = call->store;
  const rd_command *cmd = call->command;
  st->may_borrow = locked || (cmd->flags & RD_DENYOOM) == 0;
  st->touched = 0;
  st->noted = 0;
  call->verdict = RD_DONE;
  /* The input may have moved since the key was hashed, and a SELECT may have come between. */
  if (call->first_pos != 0) call->first_key = (rd_key){call->argv[call->first_pos].data, key->len, call->db, key->hash};
  if (locked) {
    cmd->run(call);
  } else if (cmd->flags & RD_OWN_LOCKS) {
    cmd->run(call);
    rd_unlock_all(st);
  } else if (RD_LIKELY(cmd->keys == RD_ONE_KEY)) {
    uint32_t shard = rd_shard_of(st, key->hash);
    if (RD_UNLIKELY(!lock_one(st, shard))) return RD_LATER;
    cmd->run(call);
    rd_leave_shard(st, shard);
  } else if (cmd->keys == RD_KEYS) {
    if (RD_UNLIKELY(!lock_keys(st, cmd, call->argv, call->argc, call->db))) return RD_LATER;
    cmd->run(call);
    rd_unlock_all(st);
  } else {
    cmd->run(call);
  }
  return (rd_verdict)call->verdict;
}

rd_verdict rd_execute(rd_call *call, const rd_key *key, bool locked) { return execute(call, key, locked); }

static inline void account(rd_session *s, const rd_command *cmd) {
  rd_store *st = s->st;
  rd_counters *counters = rd_my_counters(st);
  st->may_borrow = st->borrows = false;
  rd_command_stats *stats = &counters->commands[cmd->id];
  if (RD_UNLIKELY(s->out.errors != 0)) {
    bool refused = strcmp(s->out.code, "OOM") == 0; /* without room nothing was changed, as if it had not been let in */
    rd_count_errors(s);
    if (refused) {
      stats->rejected++;
      return;
    }
    stats->failed++;
  }
  stats->calls++;
  counters->value[RD_STAT_total_commands_processed]++;
  if ((st->touched | st->noted) != 0) counters->value[RD_STAT_changes] += st->noted != 0 ? st->noted : 1;
  s->state.commands++;
}

/* Of a queued command nothing is counted before EXEC. */
void rd_account(rd_session *s, const rd_command *cmd) {
  if (cmd->run != queue_call)
    account(s, cmd);
  else
    s->st->may_borrow = false;
}

rd_verdict rd_run(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc, const rd_key *key,
                  uint32_t key_pos, bool locked) {
  rd_call call;
  call.store = s->st;
  call.session = s;
  call.out = &s->out;
  call.command = cmd;
  call.db = s->state.db;
  call.argc = argc;
  call.argv = argv;
  call.first_pos = key_pos;
  call.whole = s->hurried;
  rd_verdict verdict = execute(&call, key, locked);
  if (RD_LIKELY(verdict == RD_DONE)) account(s, cmd);
  return verdict;
}

/* ---- nearly all commands ---- */

/* What takes hardly longer than a look at the clock shares one with its neighbours: RD_FAST, and SET of a short value,
 * which Redis does not flag since values may be long. */
static inline bool is_brief(const rd_command *cmd, const rd_bytes *argv) {
  return cmd->flags & RD_FAST || (cmd->run == rd_cmd_set && argv[2].len <= BRIEF_VALUE);
}

/* The flags of a session as one word, and what they are where none of them asks for anything. */
#define FLAG(name) (0xffull << (8 * (offsetof(rd_session_state, name) - offsetof(rd_session_state, authenticated))))
#define FLAGS \
  (FLAG(authenticated) | FLAG(monitors) | FLAG(close_after_reply) | FLAG(reply_mode) | FLAG(in_multi) | FLAG(in_exec))
#define NO_FLAGS (FLAG(authenticated) & 0x0101010101010101ull)
_Static_assert(offsetof(rd_session_state, in_exec) - offsetof(rd_session_state, authenticated) < 8, "one word");

/* Whether no check can refuse the command, nobody is to be shown it, and it reads or writes one key in no time. */
static inline bool is_plain(const rd_session *s, const rd_ahead *a, const rd_bytes *argv) {
  const rd_store *st = s->st;
  const rd_command *cmd = a->command;
  if (a->key_pos == 0 || a->large) return false; /* with a key the command is known */
  if ((rd_ld64(&s->state.authenticated) & FLAGS) != NO_FLAGS || s->acl != NULL) return false;
  if (((uintptr_t)st->lender | (uintptr_t)st->first) != 0 || st->monitoring) return false;
  if (atomic_load_explicit(&st->head->pause, memory_order_relaxed) != 0) return false;
  if (!rd_command_arity_ok(cmd, a->argc) || cmd->keys != RD_ONE_KEY) return false;
  if (cmd->flags & (RD_CONTROL_PLANE | RD_OWN_LOCKS) || !is_brief(cmd, argv)) return false;
  return (cmd->flags & RD_DENYOOM) == 0 || !rd_may_be_over(st);
}

static inline void begin_brief(rd_session *s, rd_ahead *a) {
  if (s->timed_count == 0) {
    s->timed_from = (uint32_t)(a - s->ahead);
    s->timed_out = s->out.len;
    s->timed_since = s->timed_until != 0 ? s->timed_until : rd_clock_now(s);
  }
  a->timed = true;
  s->timed_count++;
}

static inline void end_brief(rd_session *s) {
  if (RD_UNLIKELY(s->out.len - s->timed_out > TIMED_OUTPUT)) rd_stop_timing(s);
}

/* The command at `a` was not begun: it is dispatched again when others had their turn. */
static rd_status __attribute__((noinline, cold)) come_again(rd_session *s, rd_ahead *a, rd_verdict verdict) {
  if (a->timed) {
    a->timed = false;
    s->timed_count--;
  }
  if (verdict == RD_LONG) a->large = a->lengthy = true;
  s->ahead_next--;
  return RD_BUSY;
}

/* Run a command that is plain: what dispatch() would do with it, without the questions whose answers are known. */
static inline rd_status run_plain(rd_session *s, rd_ahead *a, const rd_bytes *argv) {
  rd_store *st = s->st;
  const rd_command *cmd = a->command;
  uint32_t shard = rd_shard_of(st, a->key.hash);
  s->state.last = cmd;
  begin_brief(s, a);
  if (RD_UNLIKELY(!rd_lock_shard_soon(st, shard))) return come_again(s, a, RD_LATER);
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
  rd_leave_shard(st, shard);
  if (RD_UNLIKELY(call.verdict != RD_DONE)) return come_again(s, a, (rd_verdict)call.verdict);
  account(s, cmd);
  end_brief(s);
  return RD_MORE;
}

/* ---- the control plane's commands ---- */

rd_status rd_hand_up(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  rd_stop_timing(s);
  s->control = cmd;
  s->control_argv = argv;
  s->control_argc = argc;
  s->control_at = rd_clock_now(s);
  if (s->state.locked) s->st->holder = s;
  return RD_CONTROL;
}

void rd_session_answer(rd_session *s, const uint8_t *data, size_t len) {
  s->control_until = rd_clock_now(s);
  if (len == 0) return;
  if (!(s->state.reply_mode & 1)) rd_reply_raw(&s->out, data, len);
  if (data[0] != '-') return;
  char code[RD_ERROR_NAME] = "";
  size_t n = 1;
  while (n < len && data[n] > ' ') n++;
  if (n <= sizeof code) memcpy(code, data + 1, n - 1);
  if (n > sizeof code - 1) code[0] = 0;
  count_error(rd_my_counters(s->st), code, 1);
  if (s->waiting == RD_CONTROL && s->control != NULL) rd_my_counters(s->st)->commands[s->control->id].failed++;
}

/* The end of every command. */
static rd_status finish(rd_session *s) {
  if (s->state.reply_mode == 3) s->state.reply_mode = 0;
  return RD_UNLIKELY(s->state.close_after_reply) ? RD_CLOSE : RD_MORE;
}

rd_status rd_deny(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  rd_my_counters(s->st)->commands[cmd->id].rejected++;
  if (!s->state.in_exec) {
    s->state.last = cmd;
    s->multi.aborted = s->state.in_multi;
  }
  return rd_hand_up(s, NULL, argv, argc);
}

rd_status rd_answered(rd_session *s) {
  const rd_command *cmd = s->control;
  if (RD_UNLIKELY(s->state.denied)) {
    s->state.denied = 0;
    /* EXEC itself ends its transaction, as when it is refused for another reason */
    if (!s->state.in_exec && s->state.in_multi && s->state.last->run == rd_cmd_exec) rd_multi_discard(s);
  }
  if (cmd != NULL) {
    rd_counters *counters = rd_my_counters(s->st);
    rd_command_stats *stats = &counters->commands[cmd->id];
    stats->calls++;
    counters->value[RD_STAT_total_commands_processed]++;
    s->state.commands++;
    if (s->st->clock != NULL) {
      uint64_t nanoseconds = s->control_until > s->control_at ? s->control_until - s->control_at : 0;
      stats->nanoseconds += nanoseconds;
      stats->histogram[rd_latency_bucket(nanoseconds)]++;
    }
    if (RD_UNLIKELY(s->st->monitoring) && !s->multi.filling) rd_monitor_show(s, cmd, s->control_argv, s->control_argc);
  }
  s->control = NULL;
  s->control_argv = NULL;
  s->control_argc = 0;
  if (s->state.in_exec) {
    rd_multi_answered(s);
    rd_status status = rd_multi_exec(s);
    if (status != RD_MORE) return status;
  }
  return finish(s);
}

/* ---- checks ---- */

/* Refuse a command before it runs. A transaction that lost a command cannot be executed; EXEC itself ends it. */
static void reject(rd_session *s, const rd_command *cmd, const char *error) {
  rd_my_counters(s->st)->commands[cmd->id].rejected++;
  if (cmd->run == rd_cmd_exec) {
    if (s->state.in_multi) rd_multi_discard(s);
    if (strncmp(error, "ERR ", 4) == 0) error += 4;
    rd_reply_errorf(&s->out, "EXECABORT Transaction discarded because of: %s", error);
  } else {
    s->multi.aborted = s->state.in_multi;
    rd_reply_error(&s->out, error);
  }
  rd_count_errors(s);
}

static void reject_unknown_sub(rd_session *s, const rd_command *cmd, rd_bytes sub) {
  char upper[32], error[256];
  size_t n = 0;
  for (; cmd->name[n] != 0 && n < sizeof upper - 1; n++) {
    upper[n] = (char)(cmd->name[n] >= 'a' && cmd->name[n] <= 'z' ? cmd->name[n] - 32 : cmd->name[n]);
  }
  upper[n] = 0;
  int len = sub.len > 128 ? 128 : (int)sub.len; /* and not beyond a zero byte, as in Redis */
  snprintf(error, sizeof error, "ERR unknown subcommand '%.*s'. Try %s HELP.", len, (const char *)sub.data, upper);
  reject(s, cmd, error);
}

static void reject_arity(rd_session *s, const rd_command *cmd) {
  char error[96];
  snprintf(error, sizeof error, "ERR wrong number of arguments for '%s' command", rd_command_full_name(cmd));
  reject(s, cmd, error);
}

static bool keys_too_long(const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  rd_keys keys;
  rd_command_keys(cmd, argv, argc, &keys);
  for (uint32_t i = 0; i < keys.count; i++) {
    if (argv[rd_key_position(&keys, i)].len > RD_MAX_KEY) return true;
  }
  return false;
}

/* MULTI queues all but these. */
static bool runs_at_once(const rd_command *cmd) {
  return cmd->run == rd_cmd_exec || cmd->run == rd_cmd_discard || cmd->run == rd_cmd_multi ||
         cmd->run == rd_cmd_watch || cmd->id == RD_ID_reset;
}

/* As in Redis: above max_memory nothing that may grow runs, and a transaction queues nothing at all. What is queued
 * must have found its room once, or EXEC could do only a part. */
static bool memory_refuses(rd_session *s, const rd_ahead *a, const rd_bytes *argv) {
  const rd_command *cmd = a->command;
  rd_command_fn *run = cmd->run;
  bool is_exec = run == rd_cmd_exec, queues = s->state.in_multi && !is_exec && run != rd_cmd_discard;
  if (cmd->id == RD_ID_reset) return false;
  bool grows = (cmd->flags | (is_exec ? s->multi.flags : 0)) & RD_DENYOOM;
  if (!grows && !queues) return false;
  if (!rd_growth_allowed(s->st)) return true;
  return queues && grows && !runs_at_once(cmd) && !rd_growth_fits_alone(s->st, cmd, argv, a->argc, s->state.db);
}

static bool held_by_pause(const rd_session *s, const rd_command *cmd) {
  unsigned mode = rd_paused(s->st);
  if (RD_LIKELY(mode == 0)) return false;
  if (mode != 1) return true;
  uint32_t flags = cmd->flags;
  if (cmd->run == rd_cmd_exec) flags |= s->multi.flags;
  return flags & (RD_WRITE | RD_MAY_REPLICATE);
}

const rd_command *rd_queueable(const rd_session *s, const rd_bytes *argv, uint32_t argc) {
  bool unknown_sub;
  const rd_command *cmd = rd_command_find(argv, argc, &unknown_sub);
  if (cmd == NULL || unknown_sub || !rd_command_arity_ok(cmd, argc)) return NULL;
  if ((!s->state.authenticated && !(cmd->flags & RD_NO_AUTH)) || cmd->flags & RD_NO_MULTI) return NULL;
  if (runs_at_once(cmd) || cmd->run == rd_cmd_quit) return NULL;
  return keys_too_long(cmd, argv, argc) ? NULL : cmd;
}

/* Whether a command of the control plane brings more than may be handed up; then it is refused. */
static bool too_much_to_hand_up(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < argc; i++) bytes += argv[i].len;
  bool queued = s->state.in_multi && !runs_at_once(cmd);
  uint32_t most = cmd->flags & RD_LISTS ? RD_MAX_CONTROL_LIST : RD_MAX_CONTROL_ARGS;
  char error[160];
  if (argc > most)
    snprintf(error, sizeof error, "ERR too many arguments for '%s', which takes %u", rd_command_full_name(cmd), most);
  else if (bytes > RD_MAX_CONTROL_BYTES)
    snprintf(error, sizeof error, "ERR the arguments of '%s' are longer than %u bytes together",
             rd_command_full_name(cmd), RD_MAX_CONTROL_BYTES);
  else if (queued && s->multi.control_args + argc > RD_MAX_CONTROL_ARGS_QUEUED)
    snprintf(error, sizeof error,
             "ERR commands about the server or the connection have more than %u arguments in this transaction",
             RD_MAX_CONTROL_ARGS_QUEUED);
  else if (queued && s->multi.control_bytes + bytes > RD_MAX_CONTROL_BYTES_QUEUED)
    snprintf(error, sizeof error,
             "ERR commands about the server or the connection have more than %u bytes in this transaction",
             RD_MAX_CONTROL_BYTES_QUEUED);
  else
    return false;
  reject(s, cmd, error);
  return true;
}

/* Whether the command may run now. False: it was answered, or is denied. */
static bool admit(rd_session *s, const rd_ahead *a, const rd_bytes *argv) {
  const rd_command *cmd = a->command;
  if (RD_UNLIKELY(a->unknown_sub)) {
    reject_unknown_sub(s, cmd, argv[1]);
  } else if (RD_UNLIKELY(!rd_command_arity_ok(cmd, a->argc))) {
    reject_arity(s, cmd);
  } else if (RD_UNLIKELY(!s->state.authenticated && !(cmd->flags & RD_NO_AUTH))) {
    reject(s, cmd, "NOAUTH Authentication required.");
  } else if (RD_UNLIKELY(s->state.in_multi && cmd->flags & RD_NO_MULTI)) {
    reject(s, cmd, "ERR Command not allowed inside a transaction");
  } else if (RD_UNLIKELY(!rd_permitted(s, cmd, argv, a->argc))) {
    return false; /* it is not answered: state.denied */
  } else if (RD_UNLIKELY(s->state.in_multi || (cmd->flags & RD_DENYOOM && rd_may_be_over(s->st))) &&
             memory_refuses(s, a, argv)) {
    reject(s, cmd, RD_OOM_ERROR);
  } else if (RD_UNLIKELY(s->state.monitors) && cmd->flags & (RD_READONLY | RD_WRITE | RD_MAY_REPLICATE)) {
    reject(s, cmd, "ERR Replica can't interact with the keyspace"); /* as which Redis sees who monitors */
  } else if (RD_UNLIKELY(a->large) && keys_too_long(cmd, argv, a->argc)) {
    reject(s, cmd, "ERR key is longer than 1048576 bytes");
  } else {
    return !(RD_UNLIKELY(cmd->flags & RD_CONTROL_PLANE) && too_much_to_hand_up(s, cmd, argv, a->argc));
  }
  return false;
}

/* The input must be the session's own: the command keeps pointers to it. */
static rd_status __attribute__((noinline, cold)) run_long(rd_session *s, rd_ahead *a, const rd_bytes *argv) {
  uint64_t nanoseconds;
  if (s->base != s->in) return come_again(s, a, RD_LONG);
  rd_status status = rd_long_begin(s, a->command, argv, a->argc, &a->key, a->key_pos, false, &nanoseconds);
  if (status == RD_MORE) rd_count_call(s, a->command, argv, a->argc, nanoseconds);
  return status;
}

static rd_status run_timed(rd_session *s, rd_ahead *a, const rd_bytes *argv) {
  const rd_command *cmd = a->command;
  rd_verdict verdict;
  if (RD_LIKELY(is_brief(cmd, argv))) {
    begin_brief(s, a);
    verdict = rd_run(s, cmd, argv, a->argc, &a->key, a->key_pos, false);
    if (RD_UNLIKELY(verdict != RD_DONE)) return come_again(s, a, verdict);
    end_brief(s);
    return RD_MORE;
  }
  rd_stop_timing(s);
  uint64_t began = s->timed_until != 0 ? s->timed_until : rd_clock_now(s);
  rd_begin_slice(s, began);
  verdict = rd_run(s, cmd, argv, a->argc, &a->key, a->key_pos, false);
  if (RD_UNLIKELY(verdict != RD_DONE)) return come_again(s, a, verdict);
  if (s->state.in_exec) {
    s->multi.exec_at = began; /* counted at its end */
    s->timed_until = 0;
    return RD_MORE;
  }
  s->timed_until = rd_clock_now(s);
  rd_count_call(s, cmd, argv, a->argc, s->timed_until - began);
  return RD_MORE;
}

/* ---- queueing ---- */

static inline bool is_queued(const rd_session *s, const rd_command *cmd) {
  return RD_UNLIKELY(s->state.in_multi) && !runs_at_once(cmd) && cmd->run != rd_cmd_quit;
}

static void queue(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  if (rd_multi_queue(s, cmd, argv, argc) == RD_OK)
    rd_reply_simple(&s->out, "QUEUED");
  else if (!s->hurried) /* else nobody wants it any more */
    reject(s, cmd, RD_OOM_ERROR);
}

static void queue_call(rd_call *c) { queue(c->session, c->session->state.last, c->argv, c->argc); }

/* Much is copied as a command of its own, which pauses. */
static rd_status __attribute__((noinline, cold)) queue_long(rd_session *s, rd_ahead *a, const rd_bytes *argv) {
  static const rd_command QUEUE = {.name = "queue", .run = queue_call};
  uint64_t nanoseconds;
  if (s->base != s->in) return come_again(s, a, RD_LONG);
  return rd_long_begin(s, &QUEUE, argv, a->argc, &a->key, 0, false, &nanoseconds);
}

/* Out of line, so that it costs nothing in between. */
static void __attribute__((noinline, cold)) show(const rd_session *s, const rd_ahead *a) {
  rd_monitor_show(s, a->command, s->parser.argv + a->first, a->argc);
}

static rd_status __attribute__((noinline)) dispatch(rd_session *s, rd_ahead *a, const rd_bytes *argv) {
  const rd_command *cmd = a->command;
  size_t mark = s->out.len;
  if (RD_UNLIKELY(s->state.reply_mode == 2)) s->state.reply_mode = 3;
  if (RD_UNLIKELY(cmd == NULL)) {
    s->multi.aborted = s->state.in_multi;
    return rd_hand_up(s, NULL, argv, a->argc);
  }
  if (RD_UNLIKELY(s->st->lender != NULL || s->st->first != NULL) && rd_must_come_again(s, a, argv)) {
    return come_again(s, a, RD_LATER);
  }
  /* QUIT comes before all checks, whatever its arguments */
  if (RD_UNLIKELY(cmd->run == rd_cmd_quit) || RD_LIKELY(admit(s, a, argv))) {
    bool queued = is_queued(s, cmd);
    if (RD_UNLIKELY(held_by_pause(s, cmd)) && cmd->run != rd_cmd_quit) return RD_PAUSED;
    s->state.last = cmd;
    if (queued && RD_UNLIKELY(a->lengthy)) {
      rd_status status = queue_long(s, a, argv);
      if (status != RD_MORE) return status;
    } else if (queued) {
      queue(s, cmd, argv, a->argc);
    } else if (cmd->flags & RD_CONTROL_PLANE) {
      return rd_hand_up(s, cmd, argv, a->argc);
    } else {
      rd_status ran = RD_UNLIKELY(a->lengthy) ? run_long(s, a, argv) : run_timed(s, a, argv);
      if (RD_UNLIKELY(ran != RD_MORE)) return ran;
      if (RD_UNLIKELY(s->state.in_exec)) { /* it is shown at its end */
        rd_mute(s, mark);
        rd_status status = rd_multi_exec(s);
        return status == RD_MORE ? finish(s) : status;
      }
      if (RD_UNLIKELY(s->st->monitoring)) show(s, a);
    }
  } else if (RD_UNLIKELY(s->state.denied)) {
    return rd_deny(s, cmd, argv, a->argc);
  } else if (RD_UNLIKELY(s->st->monitoring) && cmd->run == rd_cmd_exec) {
    show(s, a);
  }
  rd_mute(s, mark);
  return finish(s);
}

rd_status rd_dispatch(rd_session *s, rd_ahead *a) {
  const rd_bytes *argv = s->parser.argv + a->first;
  return RD_LIKELY(is_plain(s, a, argv)) ? run_plain(s, a, argv) : dispatch(s, a, argv);
}

/* ---- what pauses ---- */

rd_status rd_go_on(rd_session *s) {
  rd_status status = RD_MORE;
  if (s->longcall != NULL) {
    size_t mark;
    uint64_t nanoseconds;
    if (rd_long_go(s, &mark, &nanoseconds) != RD_MORE) return RD_BUSY;
    if (s->state.in_exec) {
      rd_multi_ran(s, &s->multi.queue[s->multi.next - 1], mark, nanoseconds);
    } else {
      const rd_ahead *a = &s->ahead[s->ahead_next - 1];
      if (!is_queued(s, a->command)) {
        rd_count_call(s, a->command, s->parser.argv + a->first, a->argc, nanoseconds);
        if (RD_UNLIKELY(s->st->monitoring)) show(s, a);
      }
      rd_mute(s, mark);
    }
  } else if (s->state.locked) {
    rd_take_back(s->st);
  }
  if (s->state.in_exec) status = rd_multi_exec(s);
  if (status == RD_MORE) status = finish(s);
  return status == RD_MORE ? RD_BUSY : status; /* whoever waited for its locks goes first */
}

void rd_finish_begun(rd_session *s) {
  if (s->longcall == NULL && !s->state.in_exec) return;
  s->hurried = true;
  s->slice_end = rd_clock_now(s) + RD_HURRY_NS;
  if (s->longcall != NULL) rd_long_finish(s, s->state.in_exec);
  while (s->longcall != NULL || (s->state.in_exec && s->waiting == RD_BUSY)) {
    if (rd_go_on(s) != RD_BUSY) break;
  }
}

/* ---- the connection's commands ---- */

/* A client's own words. */
static void reply_argument(rd_call *c, rd_bytes text) {
  if (RD_LIKELY(text.len <= RD_LONG_BYTES)) {
    rd_reply_bulk(c->out, text.data, text.len);
    return;
  }
  rd_reply_bulk_head(c->out, text.len);
  for (size_t done = 0, n; done < text.len; done += n) {
    n = text.len - done < RD_LONG_BYTES / 8 ? text.len - done : RD_LONG_BYTES / 8;
    rd_reply_raw(c->out, text.data + done, n);
    rd_breathe(c->store);
  }
  rd_reply_crlf(c->out);
}

void rd_cmd_ping(rd_call *c) {
  if (c->argc > 2)
    rd_reply_error(c->out, "ERR wrong number of arguments for 'ping' command");
  else if (c->argc == 2)
    reply_argument(c, c->argv[1]);
  else
    rd_reply_raw(c->out, "+PONG\r\n", 7);
}

void rd_cmd_echo(rd_call *c) { reply_argument(c, c->argv[1]); }

void rd_cmd_select(rd_call *c) {
  int64_t db;
  if (!rd_parse_i64(c->argv[1], &db)) {
    rd_reply_not_integer(c->out);
  } else if (db < INT32_MIN || db > INT32_MAX) {
    rd_reply_error(c->out, "ERR value is out of range, value must between -2147483648 and 2147483647");
  } else if (db < 0 || db >= RD_DATABASES) {
    rd_reply_error(c->out, "ERR DB index is out of range");
  } else {
    c->session->state.db = (uint32_t)db;
    rd_reply_ok(c->out);
  }
}

void rd_cmd_quit(rd_call *c) {
  c->session->state.close_after_reply = true;
  rd_reply_ok(c->out);
}
