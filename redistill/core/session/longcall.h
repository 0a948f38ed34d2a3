/* longcall.h - a session's command that can pause; for the files of this folder. */
#ifndef RD_LONGCALL_H
#define RD_LONGCALL_H

#include "session/internal.h"

typedef struct rd_longcall rd_longcall;
/* Begin a command that returned RD_LONG. RD_MORE: it has ended, and took `nanoseconds`. RD_BUSY: it pauses. */
rd_status rd_long_begin(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc, const rd_key *key,
                        uint32_t key_pos, bool locked, uint64_t *nanoseconds);
/* Continue the command, in the same way; *mark is where its reply begins. */
rd_status rd_long_continue(rd_session *s, size_t *mark, uint64_t *nanoseconds);
/* Run the command to its end; `wanted` false: no client reads the reply. rd_long_continue then returns the result. */
void rd_long_finish(rd_session *s, bool wanted);
/* The offset in the output at which the reply of the paused command begins. */
size_t rd_long_mark(const rd_session *s);
/* True if other sessions must run before this command: it needs a lock that is lent, or may not lend because another
 * session waits. */
bool rd_must_run_later(rd_session *s, const rd_ahead *a, const rd_bytes *argv);

#endif
