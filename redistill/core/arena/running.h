/* running.h - the scripts that run for long, as all processes see them.
 *
 * A process publishes its script when it has run for some time, in one word of its block. Any process can ask a script
 * to end. A script that has written cannot be asked: the answer to that and the first write are one decision. */
#ifndef RD_ARENA_RUNNING_H
#define RD_ARENA_RUNNING_H

#include "arena/arena.h"

/* python: begin */

typedef enum rd_running_kind { RD_RUNNING_NONE, RD_RUNNING_SCRIPT, RD_RUNNING_FUNCTION } rd_running_kind;

typedef enum rd_kill {
  RD_KILL_ASKED,      /* at least one script was asked to end */
  RD_KILL_NOT_BUSY,   /* none is published */
  RD_KILL_UNKILLABLE, /* all that are published have written */
  RD_KILL_OTHER       /* all that are published are of the other kind */
} rd_kill;

/* Ask all published scripts of this kind to end. */
rd_kill rd_running_kill(rd_store *st, rd_running_kind kind);
/* The kind of the script that has run longest of all processes, if it has run for more than `threshold_ms`. */
rd_running_kind rd_running_slow(const rd_store *st, uint64_t now_ms, uint64_t threshold_ms);

/* A script that runs for longer holds up no client that needs what it has: the client gets an error. 0: it waits. */
void rd_set_busy_threshold(rd_store *st, uint64_t milliseconds);

/* python: end */

/* The kind of a script of any process that runs for longer than the threshold. */
rd_running_kind rd_running_busy(const rd_store *st);
/* Publish the heartbeat of a worker that runs a script and cannot do anything else. */
void rd_running_beat(rd_store *st, uint64_t now_ms);
/* Publish the script of this process, which has run since `since_ms` (milliseconds of the clock of heartbeats). */
void rd_running_begin(rd_store *st, rd_running_kind kind, uint64_t since_ms, bool wrote);
/* The script is about to write. False: it was asked to end before, and must not write. It need not be published. */
bool rd_running_write(rd_store *st);
/* True if the script of this process was asked to end. */
bool rd_running_asked(const rd_store *st);
/* The script has ended. It need not be published. */
void rd_running_end(rd_store *st);

#endif
