/* execute.c - runs a command that passed its checks: locks the shards of its keys, calls its function, and counts
 * its changes. */
#include "session/execute.h"

#include "arena/layout.h"
#include "arena/longrun.h"
#include "command/keys.h"
#include "session/tracking.h"
#include "store/internal.h"

/* Lock the shards of all keys of a command, while the memory of the keys is prefetched, buckets first and then
 * items. */
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
      if ((n & 1023) == 1023) rd_yield(st);
      rd_key key = rd_key_of(st, *name, db);
      uint32_t shard = rd_shard_of(st, key.hash);
      wanted[shard >> 6] |= 1ull << (shard & 63);
      if (n >= RD_FETCHED) continue;
      hashes[n] = key.hash;
      buckets[n] = rd_prefetch_bucket(st, &key);
    }
  }
  if (!rd_lock_set_for_command(st, wanted)) return false;
  if (n > RD_FETCHED) n = RD_FETCHED;
  for (uint32_t i = 0; i < n; i++) rd_prefetch_item(st, hashes[i], buckets[i]);
  return true;
}

/* A long command of one key changes no other. One of several keys notes each that it is going to change in steps. */
static void note_key(const rd_call *call, const rd_key *key) {
  rd_store *st = call->store;
  st->changing_slot = 0;
  if (call->first_pos == 0 || call->command->keys != RD_ONE_KEY || call->command->flags & RD_OWN_LOCKS) return;
  rd_note_changing(st, rd_slot_of(st, call->db), key->hash);
}

static inline rd_verdict execute(rd_call *call, const rd_key *key, bool locked) {
  rd_store *st = call->store;
  const rd_command *cmd = call->command;
  st->may_borrow = locked || (cmd->flags & RD_DENYOOM) == 0;
  st->touched = 0;
  st->noted = 0;
  call->verdict = RD_DONE;
  if (RD_UNLIKELY(st->running != NULL)) note_key(call, key);
  /* The input may have moved since the key was hashed, and a SELECT may have come in between. */
  if (call->first_pos != 0) call->first_key = (rd_key){call->argv[call->first_pos].data, key->len, call->db, key->hash};
  if (locked) {
    cmd->run(call);
  } else if (cmd->flags & RD_OWN_LOCKS) {
    cmd->run(call);
    rd_unlock_all(st);
  } else if (RD_LIKELY(cmd->keys == RD_ONE_KEY)) {
    uint32_t shard = rd_shard_of(st, key->hash);
    if (RD_UNLIKELY(rd_lock_shard_for_command(st, shard) < 0)) return RD_LATER;
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

/* Run a command that does not pause, for a session that tracks: note the keys that it has read. */
static rd_verdict __attribute__((noinline, cold)) execute_tracked(rd_call *call, const rd_key *key, bool locked) {
  rd_tracking_prepare(call);
  rd_verdict verdict = execute(call, key, locked);
  rd_tracking_read(call);
  return verdict;
}

rd_verdict rd_execute(rd_call *call, const rd_key *key, bool locked) { return execute(call, key, locked); }

bool rd_reads_all_keys(const rd_call *call) {
  const rd_acl *acl = call->session->acl;
  return acl == NULL || rd_acl_reads_all_keys(acl, call->command);
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
  call.whole = s->no_pauses;
  call.reads_all_keys = rd_reads_all_keys;
  rd_verdict verdict = RD_UNLIKELY(s->state.tracks) ? execute_tracked(&call, key, locked) : execute(&call, key, locked);
  if (RD_LIKELY(verdict == RD_DONE)) rd_account(s, cmd);
  return verdict;
}
