/* monitor.h - the lines of MONITOR: one in Redis's format for each command, while a client of any worker monitors.
 *
 * As in Redis 7 a line is written after its command has run: SELECT shows the database that it chose, EXEC comes after
 * its commands. Not shown are commands that were refused before they ran (unknown, wrong number of arguments, no
 * authentication), commands that wait in MULTI, and commands with RD_ADMIN or RD_SKIP_MONITOR; a refused EXEC is shown,
 * since it ends MULTI. Passwords are never shown: "(redacted)" replaces the arguments of AUTH, those of a command with
 * secrets inside COMMAND GETKEYS, and in HELLO those of AUTH and all from the first that HELLO does not know. Redis
 * shows the arguments inside COMMAND GETKEYS, and those of an AUTH or HELLO that it finds wrong.
 *
 * Each process collects the lines of the commands that it executes, and at the end of a turn writes them to the rings
 * (ring.h) of the workers where a client monitors: so the lines of one worker arrive in order, and those of several
 * workers are interleaved. The bytes of waiting lines are bounded: in this process, in a ring and on the way to it.
 * Lines beyond the bound are lost, and counted. */
#ifndef RD_MONITOR_H
#define RD_MONITOR_H

#include "arena/ring.h"
#include "session/session.h"

/* python: begin */

#define RD_MONITOR_BYTES (1u << 20) /* most bytes of lines that wait to be taken, or for room in one ring */
#define RD_MAX_PEER 128u            /* most bytes of a client's address */

/* Add 1 to or subtract 1 (`delta`) from this worker's number of monitoring clients. Sessions of all workers see the
 * change at their next call. When the worker leaves or is reaped, its clients no longer count. Does nothing before
 * the worker has joined. */
void rd_monitors_add(rd_store *st, int delta);

/* MONITOR: count the session with rd_monitors_add until it is freed, or this undoes it. As in Redis, its commands may
 * not touch the keyspace meanwhile. A loaded session monitors if the saved one did. */
void rd_session_monitor(rd_session *s, bool on);

/* Send the lines of this process to the other workers that have monitoring clients. If this worker has one, the lines
 * also stay here to be taken. */
void rd_monitor_share(rd_store *st);
/* Add lines that came from another worker to those that wait here, if this worker has a monitoring client. */
void rd_monitor_add(rd_store *st, const rd_record *lines);
/* The bytes of lines that wait to be shared or to be taken. */
size_t rd_monitor_pending(const rd_store *st);
/* Move up to `cap` bytes of waiting lines to `dst`. Returns the number of bytes moved. Taking all waiting bytes gives
 * whole lines. */
size_t rd_monitor_take(rd_store *st, uint8_t *dst, size_t cap);
/* The number of lines lost here since the store was opened: the bound was reached, or there was no memory. */
uint64_t rd_monitor_dropped(const rd_store *st);

/* Set the client's address for the lines, "127.0.0.1:50000" or "unix:/path". A longer text is cut to RD_MAX_PEER
 * bytes, and control bytes become '?'. Without an address the lines show "?:0". The address is not saved with the
 * session. False: no memory, and the address is unchanged. */
bool rd_session_set_peer(rd_session *s, const char *text);

/* python: end */

/* Write the line of a command that has run while st->monitoring, unless MONITOR does not show that command. */
void rd_monitor_show(const rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc);

#endif
