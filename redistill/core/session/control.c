/* control.c - commands that the control plane answers: passes them to it, accepts their answers now or later, and
 * counts them. */
#include "session/control.h"

#include "session/monitor.h"
#include "session/timing.h"
#include "store/internal.h"

rd_status rd_pass_to_control(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
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
  rd_count_code(s, code, 1);
  if (s->waiting == RD_CONTROL && s->control != NULL) rd_my_counters(s->st)->commands[s->control->id].failed++;
}

rd_status rd_deny(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  rd_my_counters(s->st)->commands[cmd->id].rejected++;
  if (!s->state.in_exec) {
    s->state.last = cmd;
    s->multi.aborted = s->state.in_multi;
  }
  return rd_pass_to_control(s, NULL, argv, argc);
}

rd_status rd_answered(rd_session *s) {
  const rd_command *cmd = s->control;
  if (RD_UNLIKELY(s->state.denied)) {
    s->state.denied = 0;
    /* EXEC ends its transaction itself, as when it is refused for another reason */
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
  return rd_end_command(s);
}
