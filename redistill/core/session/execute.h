/* execute.h - runs a command that passed its checks, under the locks of its keys; for the files of this folder. */
#ifndef RD_EXECUTE_H
#define RD_EXECUTE_H

#include "arena/worker.h"
#include "command/call.h"
#include "session/internal.h"
#include "session/timing.h"

/* Run a command. `locked`: the transaction holds the locks that the command needs. */
rd_verdict rd_run(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc, const rd_key *key,
                  uint32_t key_pos, bool locked);
/* Keys of one command, or transaction, whose memory is prefetched at once; more would push each other out of the
 * cache. */
#define RD_FETCHED 256
/* Lock, run, release; rd_call is filled in except for first_key. */
rd_verdict rd_execute(rd_call *call, const rd_key *key, bool locked);
/* For rd_call.reads_all_keys. */
bool rd_reads_all_keys(const rd_call *call);
/* Count a command that was executed, and replied to `out`. Inline: all commands are. */
static inline void rd_account_to(rd_session *s, const rd_command *cmd, rd_reply *out) {
  rd_store *st = s->st;
  rd_counters *counters = rd_my_counters(st);
  st->may_borrow = st->borrows = false;
  rd_command_stats *stats = &counters->commands[cmd->id];
  if (RD_UNLIKELY(out->errors != 0)) {
    /* An error for lack of room leaves everything unchanged, as if the command had been refused. */
    bool refused = strcmp(out->code, "OOM") == 0;
    rd_count_errors(s, out);
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
static inline void rd_account(rd_session *s, const rd_command *cmd) { rd_account_to(s, cmd, &s->out); }

#endif
