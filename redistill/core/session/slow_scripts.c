/* slow_scripts.c - scripts that run for longer than a slice. */
#include "session/slow_scripts.h"

#include "arena/running.h"
#include "session/admit.h"
#include "session/dispatch.h"
#include "session/scripts.h"

/* A worker whose script has changed something and keeps it from everything else counts as alive for so long. */
#define ALIVE_MS 60000u
/* A script that has changed something, and whose client goes or whose worker ends, may run to its end for so long. The
 * worker does nothing else meanwhile. */
#define FINISH_MS 5000u

const char *rd_script_look(rd_sandbox *sandbox) {
  rd_script_run *run = sandbox->run;
  if (run == NULL && sandbox->patience != 0 && --sandbox->patience == 0) return "ERR FUNCTION LOAD timeout";
  if (run == NULL || run->session->st->clock == NULL) return NULL;
  rd_store *st = run->session->st;
  uint64_t now = st->clock();
  if (run->looked_ns == 0) run->looked_ns = now; /* about a millisecond after its start */
  if (now - run->looked_ns < RD_SLICE_NS) return NULL;
  if (!run->published) {
    rd_running_begin(st, RD_RUNNING_SCRIPT, run->looked_ns / 1000000u, run->wrote);
    run->published = true;
  }
  if (rd_running_asked(st)) return RD_SCRIPT_KILLED;
  if (st->running == NULL) {
    if (!run->wrote && !run->call->whole) {
      run->begins_again = true;
      return "the script begins again";
    }
    if (now - run->looked_ns < ALIVE_MS * 1000000ull) rd_running_beat(st, now / 1000000u);
    return NULL;
  }
  /* What belongs to this script, and not to those that run in the pause. */
  uint32_t admitted = st->admitted_limit;
  uint64_t now_ms = st->now_ms;
  bool no_pauses = run->session->no_pauses;
  st->admitted_limit = run->admitted_before;
  if (run->later_ms != 0) st->now_ms = run->later_ms;
  bool wanted = rd_longrun_yield_whole(st->running);
  run->later_ms = st->now_ms;
  st->now_ms = now_ms;
  st->admitted_limit = admitted;
  run->session->no_pauses = no_pauses;
  if (wanted) return NULL;
  if (run->unwanted_ns == 0) run->unwanted_ns = now;
  return run->wrote && now - run->unwanted_ns < FINISH_MS * 1000000ull ? NULL : "the client of the script has gone";
}

void rd_script_slow_ended(rd_script_run *run) {
  rd_store *st = run->session->st;
  if (run->published) rd_running_end(st);
  if (run->later_ms != 0) st->now_ms = run->later_ms;
}

const char *rd_busy_error(const rd_store *st) {
  switch (rd_running_busy(st)) {
    case RD_RUNNING_SCRIPT:
      return "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
    case RD_RUNNING_FUNCTION:
      return "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
    default:
      return NULL;
  }
}

bool rd_refuse_busy(rd_session *s, const rd_command *cmd) {
  if (cmd == NULL || cmd->flags & RD_ALLOW_BUSY) return false;
  const char *error = rd_busy_error(s->st);
  if (error == NULL) return false;
  size_t mark = s->out.len;
  if (s->st->first == s) s->st->first = NULL;
  rd_reject(s, cmd, error);
  rd_drop_reply(s, mark);
  return true;
}

void rd_cmd_script_kill(rd_call *c) {
  switch (rd_running_kill(c->store, RD_RUNNING_SCRIPT)) {
    case RD_KILL_ASKED:
      rd_reply_ok(c->out);
      break;
    case RD_KILL_NOT_BUSY:
      rd_reply_error(c->out, "NOTBUSY No scripts in execution right now.");
      break;
    case RD_KILL_UNKILLABLE:
      rd_reply_error(c->out,
                     "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either "
                     "wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.");
      break;
    case RD_KILL_OTHER:
      rd_reply_error(c->out,
                     "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.");
  }
}
