/* slowlog.c - keeps the last slow commands in a ring. */
#include "session/slowlog.h"

#include <stdio.h>
#include <stdlib.h>

#include "session/internal.h"

/* MAX_MORE: bytes for the words that say how much was cut, including their zero. */
enum { MAX_ARGS = 32, MAX_TEXT = 128, MAX_MORE = 36, MAX_RING = 1024 };

/* The oldest entry is the one with id `taken`; ids count from 0. */
struct rd_slowlog {
  uint64_t threshold;
  uint64_t next, taken;
  uint32_t capacity;
  rd_slow_entry entry[];
};

_Static_assert(MAX_ARGS *(4 + MAX_TEXT + MAX_MORE) <= sizeof(((rd_slow_entry *)0)->text), "all arguments fit");

rd_slowlog *rd_slowlog_new(uint32_t capacity, uint64_t threshold_ns) {
  if (capacity == 0 || capacity > MAX_RING) return NULL;
  rd_slowlog *log = calloc(1, sizeof *log + capacity * sizeof log->entry[0]);
  if (log == NULL) return NULL;
  log->capacity = capacity;
  log->threshold = threshold_ns;
  return log;
}

void rd_slowlog_free(rd_slowlog *log) { free(log); }
void rd_slowlog_set_threshold(rd_slowlog *log, uint64_t threshold_ns) { log->threshold = threshold_ns; }
uint64_t rd_slowlog_threshold(const rd_slowlog *log) { return log == NULL ? UINT64_MAX : log->threshold; }
uint32_t rd_slowlog_pending(const rd_slowlog *log) { return (uint32_t)(log->next - log->taken); }

const rd_slow_entry *rd_slowlog_take(rd_slowlog *log) {
  return log->taken == log->next ? NULL : &log->entry[log->taken++ % log->capacity];
}

void rd_slowlog_offer(rd_store *st, const rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc,
                      uint64_t nanoseconds) {
  rd_slowlog *log = st->slowlog;
  if (log == NULL || nanoseconds < log->threshold || cmd->flags & RD_SKIP_SLOWLOG) return;
  if (log->next - log->taken == log->capacity) log->taken++;
  rd_slow_entry *e = &log->entry[log->next % log->capacity];
  e->id = log->next++;
  e->nanoseconds = nanoseconds;
  e->command = cmd;
  e->now_ms = st->now_ms;
  e->session = s;
  e->argc = argc;
  e->text_len = 0;
  for (uint32_t i = 0; i < argc && i < MAX_ARGS; i++) {
    uint8_t *at = e->text + e->text_len + 4;
    size_t len;
    if (argc > MAX_ARGS && i == MAX_ARGS - 1) {
      len = (size_t)snprintf((char *)at, MAX_MORE, "... (%u more arguments)", argc - MAX_ARGS + 1);
    } else {
      len = argv[i].len < MAX_TEXT ? argv[i].len : MAX_TEXT;
      if (len != 0) memcpy(at, argv[i].data, len);
      size_t more = argv[i].len - len;
      if (more != 0) len += (size_t)snprintf((char *)at + len, MAX_MORE, "... (%zu more bytes)", more);
    }
    rd_st32(at - 4, (uint32_t)len);
    e->text_len += 4 + (uint32_t)len;
  }
}
