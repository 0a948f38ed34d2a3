/* slowlog.h - the last slow commands, in a ring in the process's own memory.
 *
 * The owner drains the ring after feed when entries are pending; newer entries overwrite those that it does not take
 * in time. The ring is set as st->slowlog and belongs to the caller of rd_slowlog_new. It holds no commands of the
 * control plane. */
#ifndef RD_SLOWLOG_H
#define RD_SLOWLOG_H

#include "session/session.h"

/* python: begin */

typedef struct rd_slow_entry {
  uint64_t id; /* counts up */
  uint64_t nanoseconds;
  const rd_command *command;
  uint64_t now_ms;
  const rd_session *session;
  uint32_t argc; /* all arguments of the command; `text` holds up to 32 of them, of up to 128 bytes, as in Redis */
  uint32_t text_len;
  uint8_t text[5376]; /* for each argument: u32 length, then the bytes, cut with Redis's words "... (N more bytes)" */
} rd_slow_entry;

typedef struct rd_slowlog rd_slowlog;
/* A ring of `capacity` entries (1 .. 1024) for commands that took `threshold_ns` or longer. NULL: no memory. */
rd_slowlog *rd_slowlog_new(uint32_t capacity, uint64_t threshold_ns);
void rd_slowlog_free(rd_slowlog *log);
void rd_slowlog_set_threshold(rd_slowlog *log, uint64_t threshold_ns); /* UINT64_MAX: log nothing */
uint32_t rd_slowlog_pending(const rd_slowlog *log);
/* Take the oldest entry; NULL when there is none. Valid until the next command runs. */
const rd_slow_entry *rd_slowlog_take(rd_slowlog *log);

/* python: end */

/* Add a command to the ring if its duration reaches the threshold. */
void rd_slowlog_offer(rd_store *st, const rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc,
                      uint64_t nanoseconds);
uint64_t rd_slowlog_threshold(const rd_slowlog *log);

#endif
