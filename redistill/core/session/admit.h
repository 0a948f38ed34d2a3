/* admit.h - decides whether a command may run; for the files of this folder. */
#ifndef RD_ADMIT_H
#define RD_ADMIT_H

#include "session/internal.h"

/* True if the command may run now. False: it was answered, or is denied (state.denied). */
bool rd_admit(rd_session *s, const rd_ahead *a, const rd_bytes *argv);
/* True if the session's user may run the command. False: state.denied has the reason. */
static inline bool rd_permitted(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  if (RD_LIKELY(s->acl == NULL)) return true;
  s->state.denied = (uint8_t)rd_acl_check(s->acl, cmd, argv, argc, &s->state.denied_at);
  return s->state.denied == RD_ALLOWED;
}
/* True if one of the keys is longer than RD_MAX_KEY. */
bool rd_keys_too_long(const rd_command *cmd, const rd_bytes *argv, uint32_t argc);
/* Refuse a command before it runs. A transaction that lost a command cannot be executed; EXEC itself ends it. */
void rd_reject(rd_session *s, const rd_command *cmd, const char *error);
/* True if CLIENT PAUSE holds the command up. */
bool rd_held_by_pause(const rd_session *s, const rd_command *cmd);
/* True if MULTI does not queue the command. */
bool rd_runs_at_once(const rd_command *cmd);
/* The command, if it can be executed in a transaction of this session; else NULL. */
const rd_command *rd_queueable(const rd_session *s, const rd_bytes *argv, uint32_t argc);

#endif
