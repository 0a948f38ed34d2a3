/* monitor.h - the lines of MONITOR: one in Redis's format for each command, while a client of any worker monitors.
 *
 * As in Redis 7 a line is written when its command has run: SELECT shows the database that it chose, EXEC comes after
 * its commands. Commands that were refused before they ran (unknown, wrong number of arguments, no authentication),
 * that wait in MULTI, and those with RD_ADMIN or RD_SKIP_MONITOR are not shown; an EXEC that was refused is, for it
 * ends MULTI. No password is: the arguments of AUTH, of one of the commands with secrets that COMMAND GETKEYS is asked
 * about, and of HELLO those of AUTH and all from the first that HELLO does not know, are "(redacted)". Redis shows
 * those of COMMAND GETKEYS, and of an AUTH or HELLO that it finds wrong.
 *
 * Each process collects the lines of the commands that it executes, and at the end of a turn writes them to the rings
 * (ring.h) of the workers where a client monitors: so those of one worker come in their order, those of several mixed
 * as they come. The lines that wait are bounded: here, in a ring and on the way to it. Lines beyond the bound are lost,
 * and counted. */
#ifndef RD_MONITOR_H
#define RD_MONITOR_H

#include "arena/ring.h"
#include "session/session.h"

/* python: begin */

#define RD_MONITOR_BYTES (1u << 20) /* that may wait to be taken, and for room in each ring */
#define RD_MAX_PEER 128u            /* bytes of a peer's text */

/* One client of this worker more monitors, or one less (-1). Sessions of all workers see the change at their next call.
 * When the worker leaves or is reaped, its clients no longer count. Does nothing before the worker has joined. */
void rd_monitors_add(rd_store *st, int delta);

/* MONITOR: count the session with rd_monitors_add until it is freed, or this undoes it. As in Redis, its commands may
 * not touch the keyspace meanwhile. A loaded session monitors if the saved one did. */
void rd_session_monitor(rd_session *s, bool on);

/* Send the lines of this process to the other workers that have monitoring clients. If this worker has one, the lines
 * also stay here to be taken. */
void rd_monitor_share(rd_store *st);
/* Add lines that came from another worker to those that wait here, if this worker has a monitoring client. */
void rd_monitor_hear(rd_store *st, const rd_record *lines);
/* Bytes of lines that wait, to be shared or to be taken. */
size_t rd_monitor_pending(const rd_store *st);
/* Move up to `cap` bytes of waiting lines to `dst`. Returns the number of bytes moved. Taking all waiting bytes gives
 * whole lines. */
size_t rd_monitor_take(rd_store *st, uint8_t *dst, size_t cap);
/* The lines lost here since the store was opened: the bound was reached, or there was no memory. */
uint64_t rd_monitor_dropped(const rd_store *st);

/* The client's address as lines show it, "127.0.0.1:50000" or "unix:/path"; of a longer text the first RD_MAX_PEER
 * bytes, of control bytes '?'. Without one they say "?:0". It is not saved with the session. False: no memory, and the
 * text is the one it was. */
bool rd_session_set_peer(rd_session *s, const char *text);

/* python: end */

/* Write the line of a command that has run while st->monitoring, unless MONITOR does not show that command. */
void rd_monitor_show(const rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc);

#endif
