/* timing.h - the time that commands took, and the errors that they replied; for the files of this folder. */
#ifndef RD_TIMING_H
#define RD_TIMING_H

#include "session/internal.h"

/* The output after which the running measurement ends, so that the cost of a big reply is not divided among its
 * neighbours. */
#define RD_TIMED_OUTPUT 65536u

static inline uint64_t rd_clock_now(const rd_session *s) { return s->st->clock != NULL ? s->st->clock() : 0; }
/* Begin a slice: other sessions get their turn RD_SLICE_NS after this first reading of the clock. */
static inline void rd_begin_slice(rd_session *s, uint64_t now) {
  if (s->slice_end == UINT64_MAX && now != 0) s->slice_end = now + RD_SLICE_NS;
}
/* Divide the running measurement among its commands. */
void rd_stop_timing(rd_session *s);
/* Begin and end a command that takes hardly longer than reading the clock, and so shares one reading with its
 * neighbours. */
static inline void rd_begin_brief(rd_session *s, rd_ahead *a) {
  if (s->timed_count == 0) {
    s->timed_from = (uint32_t)(a - s->ahead);
    s->timed_out = s->out.len;
    s->timed_since = s->timed_until != 0 ? s->timed_until : rd_clock_now(s);
  }
  a->timed = true;
  s->timed_count++;
}
static inline void rd_end_brief(rd_session *s) {
  if (RD_UNLIKELY(s->out.len - s->timed_out > RD_TIMED_OUTPUT)) rd_stop_timing(s);
}
/* Count a command's duration, and log it when it was slow. */
void rd_count_call(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc, uint64_t nanoseconds);
/* Count the errors of the last command in out->errors, and forget them. */
void rd_count_errors(rd_session *s, rd_reply *out);
/* Count `n` errors whose first word is `code`; "": they have none. */
void rd_count_code(rd_session *s, const char *code, uint64_t n);

#endif
