/* longcall.c - begins, continues and ends a session's long-running command (longrun.h). */
#include "session/longcall.h"

#include <stdlib.h>

#include "command/keys.h"
#include "session/dispatch.h"
#include "session/execute.h"
#include "session/timing.h"
#include "session/tracking.h"

struct rd_longcall {
  rd_longrun *run;
  rd_call call;
  rd_key key;
  bool locked;
  size_t mark;
  uint64_t nanoseconds; /* the time so far, without pauses */
};

/* A session that tracks notes the keys before they are read, since the ring is read while the command pauses. A note
 * that has gone since, because the key had expired, is made again. */
static rd_verdict execute(rd_call *call, const rd_key *key, bool locked) {
  if (RD_LIKELY(!call->session->state.tracks)) return rd_execute(call, key, locked);
  rd_tracking_read(call);
  uint64_t before = rd_tracking_removals(call->store);
  rd_verdict verdict = rd_execute(call, key, locked);
  if (rd_tracking_removals(call->store) != before) rd_tracking_read(call);
  return verdict;
}

static void work(void *arg) {
  rd_longcall *l = arg;
  execute(&l->call, &l->key, l->locked);
}

static void count(rd_session *s, const rd_command *cmd) {
  if (cmd != &rd_queueing)
    rd_account(s, cmd);
  else
    s->st->may_borrow = false;
}

/* Without memory for a stack the command cannot pause: run it at once. */
static void run_whole(rd_session *s, rd_call *call, const rd_key *key, bool locked) {
  call->whole = true;
  while (execute(call, key, locked) == RD_LATER) continue;
  if (call->verdict != RD_BLOCK) count(s, call->command);
}

rd_status rd_long_begin(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc, const rd_key *key,
                        uint32_t key_pos, bool locked, uint64_t *nanoseconds) {
  rd_store *st = s->st;
  rd_call call = {.store = st,
                  .session = s,
                  .out = &s->out,
                  .command = cmd,
                  .db = s->state.db,
                  .argc = argc,
                  .argv = argv,
                  .first_pos = key_pos,
                  .reads_all_keys = rd_reads_all_keys};
  rd_longcall *l = s->no_pauses || st->clock == NULL ? NULL : malloc(sizeof *l);
  if (l != NULL) {
    *l = (rd_longcall){.call = call, .key = *key, .locked = locked, .mark = s->out.len};
    l->run = rd_longrun_new(st, work, l);
  }
  if (l == NULL || l->run == NULL) {
    free(l);
    uint64_t began = rd_clock_now(s);
    run_whole(s, &call, key, locked);
    *nanoseconds = rd_clock_now(s) - began;
    return call.verdict == RD_BLOCK ? RD_BLOCKED : RD_MORE;
  }
  s->longcall = l;
  size_t mark;
  return rd_long_continue(s, &mark, nanoseconds);
}

/* True if another session lends, or has waited longer to do so. Only one session lends at any time. */
static bool comes_later(rd_session *s) {
  rd_store *st = s->st;
  if (st->lender != NULL && st->first == NULL) st->first = s;
  return st->lender != NULL || (st->first != NULL && st->first != s);
}

rd_status rd_long_continue(rd_session *s, size_t *mark, uint64_t *nanoseconds) {
  rd_store *st = s->st;
  rd_longcall *l = s->longcall;
  /* A command that pauses between two shards, without locks, lets others lend meanwhile. */
  if (rd_longrun_is_unlocked(l->run) && comes_later(s)) return RD_BUSY;
  if (st->first == s) st->first = NULL;
  uint64_t began = rd_clock_now(s);
  bool ended = rd_longrun_continue(l->run, s);
  l->nanoseconds += rd_clock_now(s) - began;
  /* No other session lends before this one has its locks. So when its client goes and the work must end at once, it
   * waits only for other processes. */
  if (!ended && rd_longrun_waits(l->run)) st->first = s;
  if (!ended) return RD_BUSY;
  bool blocked = l->call.verdict == RD_BLOCK;
  if (!blocked) count(s, l->call.command);
  *mark = l->mark;
  *nanoseconds = l->nanoseconds;
  rd_longrun_free(l->run);
  free(l);
  s->longcall = NULL;
  return blocked ? RD_BLOCKED : RD_MORE;
}

void rd_long_finish(rd_session *s, bool wanted) { rd_longrun_finish(s->longcall->run, wanted); }

size_t rd_long_mark(const rd_session *s) { return s->longcall->mark; }

static bool needs_lent(const rd_session *s, const rd_ahead *a, const rd_bytes *argv) {
  const rd_store *st = s->st;
  const rd_command *cmd = a->command;
  if (cmd->run == rd_cmd_exec) return s->state.in_multi;
  if (s->state.in_multi && cmd->run != rd_cmd_discard) return false; /* it is queued, or waits at its EXEC */
  if (cmd->flags & RD_OWN_LOCKS) return true;
  if (a->key_pos != 0 && rd_is_lent(st, rd_shard_of(st, a->key.hash))) return true;
  if (cmd->keys != RD_KEYS || a->unknown_sub || !rd_command_arity_ok(cmd, a->argc)) return false;
  rd_keys keys;
  rd_command_keys(cmd, argv, a->argc, &keys);
  for (uint32_t i = 0; i < keys.count; i++) {
    rd_bytes name = argv[rd_key_position(&keys, i)];
    if (rd_is_lent(st, rd_shard_of(st, rd_key_of(st, name, s->state.db).hash))) return true;
  }
  return false;
}

bool rd_must_run_later(rd_session *s, const rd_ahead *a, const rd_bytes *argv) {
  rd_store *st = s->st;
  /* Only one session lends at a time, and the session that has waited longest to lend goes first. */
  bool lends = a->lengthy || a->command->run == rd_cmd_exec;
  if (st->lender != NULL && (lends || needs_lent(s, a, argv))) {
    if (st->first == NULL) st->first = s;
    return true;
  }
  if (st->first == s) st->first = NULL;
  return lends && st->first != NULL;
}
