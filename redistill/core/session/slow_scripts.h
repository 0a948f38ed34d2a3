/* slow_scripts.h - scripts that run for longer than a slice; for the files of this folder.
 *
 * A script that is new, or took longer when it last ran, is a long-running command (longcall.h): it pauses every few
 * milliseconds, keeps its locks, and the worker serves the clients that need none of them. All others begin on the
 * worker's own stack, since that is faster. Such a script that has run for a slice and has changed nothing begins again
 * as a long-running command. Once it has changed something it cannot: it runs to its end, and the clients of its worker
 * wait.
 *
 * It is published after a slice (arena/running.h). SCRIPT KILL of any worker ends it, unless it has written. After the
 * threshold (rd_set_busy_threshold) clients that have to wait for a script get the error BUSY. */
#ifndef RD_SLOW_SCRIPTS_H
#define RD_SLOW_SCRIPTS_H

#include "session/internal.h"

struct rd_sandbox;
struct rd_script_run;

#define RD_SCRIPT_KILLED "Script killed by user with SCRIPT KILL..."

/* rd_sandbox.asked: look at the running script. */
const char *rd_script_look(struct rd_sandbox *sandbox);
/* The script has ended. */
void rd_script_slow_ended(struct rd_script_run *run);
/* The error of a command that would wait for a script that takes too long; NULL: no script does. */
const char *rd_busy_error(const rd_store *st);
/* Refuse a command, which was not begun and has to wait, if it waits for a script that takes too long. Returns whether
 * it was refused. */
bool rd_refuse_busy(rd_session *s, const rd_command *cmd);

#endif
