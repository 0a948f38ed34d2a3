/* acl.h - the permissions of a user: commands, and keys and channels by pattern (Redis's access control lists).
 *
 * An rd_acl is in a process's own memory and does not change once sessions have it: a new one replaces it. A session
 * without one may do everything, which costs a branch. The words of rules are parsed outside of the core. */
#ifndef RD_ACL_H
#define RD_ACL_H

#include "command/command.h"

/* python: begin */

typedef struct rd_acl rd_acl;

/* The access to a key that a pattern permits. */
enum { RD_ACL_MAY_READ = 1, RD_ACL_MAY_WRITE = 2 };

/* Permissions that allow nothing. NULL: no memory. */
rd_acl *rd_acl_new(void);
void rd_acl_free(rd_acl *acl);
/* Add a selector: the commands with the given ids, on all keys or on those that rd_acl_allow_keys adds, and all
 * channels or those that rd_acl_allow_channels adds. A command is allowed when one selector allows all of it. False: no
 * memory, nothing was added. */
bool rd_acl_select(rd_acl *acl, const uint16_t *ids, size_t count, bool all_keys, bool all_channels);
/* Add keys to the newest selector: patterns as rd_glob has them, separated by NUL bytes, which no pattern contains;
 * they are copied. `access` is the access to keys that match one. False: no memory, nothing was added. */
bool rd_acl_allow_keys(rd_acl *acl, const uint8_t *patterns, size_t len, unsigned access);
/* Add channels to the newest selector, in the same way. PSUBSCRIBE's pattern must be one of the patterns itself. */
bool rd_acl_allow_channels(rd_acl *acl, const uint8_t *patterns, size_t len);

typedef enum rd_denial {
  RD_ALLOWED = 0,
  RD_DENIED_COMMAND = 1,
  RD_DENIED_KEY = 2,
  RD_DENIED_CHANNEL = 3,
} rd_denial;

/* Decide whether a command, whose arity is right, may run. If several selectors deny it, the one that came furthest
 * counts: then *position is the place of the key or channel in argv, or 0. A command that works without authentication
 * is always allowed. */
rd_denial rd_acl_check(const rd_acl *acl, const rd_command *cmd, const rd_bytes *argv, uint32_t argc,
                       uint32_t *position);

/* True if the command may read all keys, whatever its arguments: then it may look up keys that no argument names. */
bool rd_acl_reads_all_keys(const rd_acl *acl, const rd_command *cmd);

/* ---- the permissions of a session (session.c, admit.c) ---- */

/* True if the session's subscriptions are allowed to a user with these permissions (NULL: everything is allowed). As in
 * Redis one of the selectors must allow each channel. */
bool rd_session_may_stay(const rd_session *s, const rd_acl *acl);
/* Set the permissions of the session's user, for queued commands as well; NULL: everything is allowed. The caller owns
 * `acl`, and keeps it until the session has another one or is freed. */
void rd_session_set_acl(rd_session *s, const rd_acl *acl);

/* python: end */

#endif
