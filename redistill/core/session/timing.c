/* timing.c - measures the time of commands, and counts the errors that they replied. Brief commands share one
 * reading of the clock. */
#include "session/timing.h"

#include "session/slowlog.h"

void rd_count_code(rd_session *s, const char *code, uint64_t n) {
  rd_counters *counters = rd_my_counters(s->st);
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

void rd_count_errors(rd_session *s, rd_reply *out) {
  rd_count_code(s, out->code, out->errors);
  out->errors = 0;
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
