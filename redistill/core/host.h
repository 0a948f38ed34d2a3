/* host.h - functions that the daemon needs beside the core: about the process, and calls that do the work of several in
 * one crossing from Python.
 *
 * Not part of the core proper: it reads the clock. Like the core it includes no Python.h, logs nothing and has no
 * globals. */
#ifndef RD_HOST_H
#define RD_HOST_H

#include "arena/arena.h"
#include "session/session.h"

/* python: begin */

/* Let the kernel kill this process when its parent dies, whatever it is doing then. */
bool rd_host_die_with_parent(void);
/* Make this process the parent of descendants whose own parent has ended, instead of the system's first process. */
bool rd_host_adopt_orphans(void);
/* Return memory to the system that free() has kept. */
void rd_host_trim(void);
/* Have the C library map large blocks separately, so that free() returns them to the system. Otherwise the library
 * would keep such blocks after the first one, and the limit on client buffers (footprint.h) does not see memory that
 * is kept. */
void rd_host_bound_heap(void);

/* free(), for the memory that rd_session_save has returned. */
void rd_host_free(void *memory);

/* ---- one turn of a session ----
 *
 * The session is fed (or resumed), and the first `cap` bytes of its output are moved to `dst`. Returns
 *
 *     bytes moved << 6 | RD_HOST_PUSHED if messages wait (pushed.h, backlog.h), or sessions were woken
 *     | RD_HOST_MONITORED if lines of MONITOR wait | RD_HOST_SLOW if slow commands wait in the store's ring | status
 *
 * where RD_FULL also stands for a session that has executed all it was fed but has more output than `cap`: take it,
 * then resume. After RD_CONTROL nothing is moved, so that the answer joins what is there. `now_ms` 0: the clock's. */
#define RD_HOST_SLOW 8
#define RD_HOST_MONITORED 16
#define RD_HOST_PUSHED 32
int64_t rd_host_feed(rd_store *st, rd_session *s, const uint8_t *data, size_t len, uint64_t now_ms, uint8_t *dst,
                     size_t cap);
int64_t rd_host_resume(rd_store *st, rd_session *s, uint64_t now_ms, uint8_t *dst, size_t cap);
/* The arguments of the command that RD_CONTROL stopped at, one after another. Of a command that the control plane
 * only quotes (rd_session_command is NULL), the first RD_MAX_QUOTED_ARGS, each cut to RD_MAX_QUOTED_BYTES. `lengths`
 * has room for rd_host_argc numbers. `dst` NULL: only the lengths. Returns the bytes of all arguments. */
uint32_t rd_host_argc(const rd_session *s);
size_t rd_host_argv(const rd_session *s, uint32_t *lengths, uint8_t *dst);
/* Move up to `cap` bytes of output to `dst`; returns the number of bytes moved. */
size_t rd_host_take(rd_session *s, uint8_t *dst, size_t cap);

/* ---- counters, summed over all workers ---- */

/* The name of a counter; NULL from RD_STAT_COUNT on. */
const char *rd_host_stat_name(unsigned stat);
/* The name of a gauge; NULL from RD_GAUGE_COUNT on. */
const char *rd_host_gauge_name(unsigned gauge);
/* Sum the counters of the command `id` over all workers. */
void rd_host_command_stats(const rd_store *st, unsigned id, rd_command_stats *sum);
/* The error counts of one worker, RD_ERROR_CODES of them; NULL when that worker has never counted. */
const rd_error_stats *rd_host_error_stats(const rd_store *st, unsigned worker);

/* ---- a key, for DEBUG OBJECT ---- */

typedef struct rd_details {
  rd_ref place;
  const char *encoding;
  uint64_t len; /* rd_serialized_len */
  uint64_t idle_ms;
  uint32_t shard;
} rd_details;
/* Describe a key of the database `db` without changing its access data; false: there is no such key. */
bool rd_host_details(rd_store *st, unsigned db, const uint8_t *key, size_t len, rd_details *out);

/* python: end */

#endif
