/* control.h - commands that the control plane answers; for the files of this folder. */
#ifndef RD_CONTROL_H
#define RD_CONTROL_H

#include "session/internal.h"

/* Stop at a command of the control plane. */
rd_status rd_pass_to_control(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc);
/* Stop at a command that is not permitted: the control plane replies with the error, and logs it. */
rd_status rd_deny(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc);
/* Continue after the control plane has answered, or has decided not to. RD_MORE: continue with the next command. */
rd_status rd_answered(rd_session *s);

#endif
