/* dispatch.h - the way of one command through the session; for the files of this folder. */
#ifndef RD_DISPATCH_H
#define RD_DISPATCH_H

#include "session/internal.h"

/* Execute ahead[ahead_next - 1]. RD_MORE: go on. */
rd_status rd_dispatch(rd_session *s, rd_ahead *a);
/* Go on after RD_BUSY in the middle of a command or a transaction. RD_MORE: it is over, go on. */
rd_status rd_go_on(rd_session *s);
/* Finish what is begun, without pauses; the session ends. Of a transaction, what can be done in RD_HURRY_NS. */
#define RD_HURRY_NS (50u * RD_SLICE_NS)
void rd_finish_begun(rd_session *s);
/* MULTI's copying of a long command, as a command that pauses. Nothing of it is counted before EXEC. */
extern const rd_command rd_queueing;

#endif
