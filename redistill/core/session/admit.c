/* admit.c - the checks before a command runs, in Redis's order, and the errors of those that fail. */
#include "session/admit.h"

#include <stdio.h>

#include "command/command_table.h"
#include "command/keys.h"
#include "session/growth.h"
#include "session/timing.h"
#include "store/internal.h"
#include "store/pause.h"

/* Refuse a command before it runs. A transaction that lost a command cannot be executed; EXEC itself ends it. */
void rd_reject(rd_session *s, const rd_command *cmd, const char *error) {
  rd_my_counters(s->st)->commands[cmd->id].rejected++;
  if (cmd->run == rd_cmd_exec) {
    if (s->state.in_multi) rd_multi_discard(s);
    if (strncmp(error, "ERR ", 4) == 0) error += 4;
    rd_reply_errorf(&s->out, "EXECABORT Transaction discarded because of: %s", error);
  } else {
    s->multi.aborted = s->state.in_multi;
    rd_reply_error(&s->out, error);
  }
  rd_count_errors(s, &s->out);
}

static void reject_unknown_sub(rd_session *s, const rd_command *cmd, rd_bytes sub) {
  char upper[RD_COMMAND_NAME_MAX + 1], error[256];
  size_t n = 0;
  for (; cmd->name[n] != 0 && n < sizeof upper - 1; n++) {
    upper[n] = (char)(cmd->name[n] >= 'a' && cmd->name[n] <= 'z' ? cmd->name[n] - 32 : cmd->name[n]);
  }
  upper[n] = 0;
  int len = sub.len > 128 ? 128 : (int)sub.len; /* like Redis, stop at a zero byte */
  snprintf(error, sizeof error, "ERR unknown subcommand '%.*s'. Try %s HELP.", len, (const char *)sub.data, upper);
  rd_reject(s, cmd, error);
}

static void reject_arity(rd_session *s, const rd_command *cmd) {
  char error[96];
  snprintf(error, sizeof error, "ERR wrong number of arguments for '%s' command", rd_command_full_name(cmd));
  rd_reject(s, cmd, error);
}

bool rd_keys_too_long(const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  rd_keys keys;
  rd_command_keys(cmd, argv, argc, &keys);
  for (uint32_t i = 0; i < keys.count; i++) {
    if (argv[rd_key_position(&keys, i)].len > RD_MAX_KEY) return true;
  }
  return false;
}

/* True if MULTI does not queue the command. */
bool rd_runs_at_once(const rd_command *cmd) {
  return cmd->run == rd_cmd_exec || cmd->run == rd_cmd_discard || cmd->run == rd_cmd_multi ||
         cmd->run == rd_cmd_watch || cmd->id == RD_ID_reset;
}

/* As in Redis: above max_memory no command that may grow runs, and a transaction queues nothing at all. A queued
 * command must have found room once, or EXEC could execute only a part. */
static bool memory_refuses(rd_session *s, const rd_ahead *a, const rd_bytes *argv) {
  const rd_command *cmd = a->command;
  rd_command_fn *run = cmd->run;
  bool is_exec = run == rd_cmd_exec, queues = s->state.in_multi && !is_exec && run != rd_cmd_discard;
  if (cmd->id == RD_ID_reset) return false;
  bool grows = (cmd->flags | (is_exec ? s->multi.flags : 0)) & RD_DENYOOM;
  if (!grows && !queues) return false;
  if (!rd_growth_allowed(s->st)) return true;
  return queues && grows && !rd_runs_at_once(cmd) && !rd_growth_fits_alone(s->st, cmd, argv, a->argc, s->state.db);
}

bool rd_held_by_pause(const rd_session *s, const rd_command *cmd) {
  unsigned mode = rd_paused(s->st);
  if (RD_LIKELY(mode == 0)) return false;
  if (mode != 1) return true;
  uint32_t flags = cmd->flags;
  if (cmd->run == rd_cmd_exec) flags |= s->multi.flags;
  if (flags & RD_WHOLE && cmd->keys != RD_NO_KEYS && !(cmd->flags & RD_READONLY))
    return true; /* nobody knows what a script will do */
  return flags & (RD_WRITE | RD_MAY_REPLICATE);
}

const rd_command *rd_queueable(const rd_session *s, const rd_bytes *argv, uint32_t argc) {
  bool unknown_sub;
  const rd_command *cmd = rd_command_find(argv, argc, &unknown_sub);
  if (cmd == NULL || unknown_sub || !rd_command_arity_ok(cmd, argc)) return NULL;
  if ((!s->state.authenticated && !(cmd->flags & RD_NO_AUTH)) || cmd->flags & RD_NO_MULTI) return NULL;
  if (rd_runs_at_once(cmd) || cmd->run == rd_cmd_quit) return NULL;
  return rd_keys_too_long(cmd, argv, argc) ? NULL : cmd;
}

/* Refuse a command of the control plane whose arguments exceed the bounds. Returns whether it was refused. */
static bool exceeds_control_bounds(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < argc; i++) bytes += argv[i].len;
  bool queued = s->state.in_multi && !rd_runs_at_once(cmd);
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
  rd_reject(s, cmd, error);
  return true;
}

/* True if a session that subscribes may run the command: in RESP2 it cannot tell other replies from messages. */
static bool fits_subscriber(const rd_session *s, const rd_command *cmd) {
  if (s->state.resp != 2 || cmd->run == rd_cmd_ping || cmd->id == RD_ID_reset) return true;
  return cmd->run == rd_cmd_subscribe || cmd->run == rd_cmd_psubscribe || cmd->run == rd_cmd_ssubscribe ||
         cmd->run == rd_cmd_unsubscribe || cmd->run == rd_cmd_punsubscribe || cmd->run == rd_cmd_sunsubscribe;
}

/* Decide whether the command may run now. False: it was answered, or is denied. */
bool rd_admit(rd_session *s, const rd_ahead *a, const rd_bytes *argv) {
  const rd_command *cmd = a->command;
  if (RD_UNLIKELY(a->unknown_sub)) {
    reject_unknown_sub(s, cmd, argv[1]);
  } else if (RD_UNLIKELY(!rd_command_arity_ok(cmd, a->argc))) {
    reject_arity(s, cmd);
  } else if (RD_UNLIKELY(!s->state.authenticated && !(cmd->flags & RD_NO_AUTH))) {
    rd_reject(s, cmd, "NOAUTH Authentication required.");
  } else if (RD_UNLIKELY(s->state.in_multi && cmd->flags & RD_NO_MULTI)) {
    rd_reject(s, cmd, "ERR Command not allowed inside a transaction");
  } else if (RD_UNLIKELY(!rd_permitted(s, cmd, argv, a->argc))) {
    return false; /* not answered here: see state.denied */
  } else if (RD_UNLIKELY(s->state.in_multi || (cmd->flags & RD_DENYOOM && rd_may_be_over(s->st))) &&
             memory_refuses(s, a, argv)) {
    rd_reject(s, cmd, RD_OOM_ERROR);
  } else if (RD_UNLIKELY(s->state.monitors) && cmd->flags & (RD_READONLY | RD_WRITE | RD_MAY_REPLICATE)) {
    rd_reject(s, cmd,
              /* Redis treats a monitoring client as a replica */
              "ERR Replica can't interact with the keyspace");
  } else if (RD_UNLIKELY(s->state.subscribed) && !fits_subscriber(s, cmd)) {
    char error[192];
    snprintf(error, sizeof error,
             "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this"
             " context",
             rd_command_full_name(cmd));
    rd_reject(s, cmd, error);
  } else if (RD_UNLIKELY(a->large) && rd_keys_too_long(cmd, argv, a->argc)) {
    rd_reject(s, cmd, "ERR key is longer than 1048576 bytes");
  } else {
    return !(RD_UNLIKELY(cmd->flags & RD_CONTROL_PLANE) && exceeds_control_bounds(s, cmd, argv, a->argc));
  }
  return false;
}
