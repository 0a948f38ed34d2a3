/* dispatch.h - one command on its way through the session; for the files of this folder. */
#ifndef RD_DISPATCH_H
#define RD_DISPATCH_H

#include "session/internal.h"

/* Execute ahead[ahead_next - 1]. RD_MORE: continue with the next command. */
rd_status rd_dispatch(rd_session *s, rd_ahead *a);
/* Continue after RD_BUSY in the middle of a command or a transaction. RD_MORE: it has ended; continue with the next
 * command. */
rd_status rd_dispatch_continue(rd_session *s);
/* Finish the command or transaction that has begun, without pauses, since the session ends. A transaction gets
 * RD_FINISH_NS. */
#define RD_FINISH_NS (50u * RD_SLICE_NS)
void rd_finish_begun(rd_session *s);
/* MULTI's copying of a long command, as a command that pauses. It is not counted before EXEC. */
extern const rd_command rd_queueing;

#endif
