/* dispatch.h - the session itself, which the files of this folder share, and how one command is executed. */
#ifndef RD_DISPATCH_H
#define RD_DISPATCH_H

#include "arena/lock.h"
#include "arena/longrun.h"
#include "commands/cmd.h"
#include "session/acl.h"
#include "session/multi.h"
#include "session/session.h"
#include "wire/resp.h"

#define RD_MAX_BATCH 64u

/* One command that was parsed ahead. */
typedef struct rd_ahead {
  const rd_command *command; /* NULL: unknown */
  size_t start;              /* offset of its bytes in the input */
  uint32_t first, argc;      /* its arguments in parser.argv */
  uint32_t key_pos;          /* the argument that `key` is of; 0: none */
  bool unknown_sub;
  bool timed;   /* ran as part of the running measurement */
  bool large;   /* it has many bytes or arguments; without this no key is too long */
  bool lengthy; /* takes long: it has many arguments or large ones, or has said so; then it is large, too */
  rd_key key;
  const struct rd_bucket *bucket; /* a hint */
} rd_ahead;

struct rd_session {
  rd_store *st;
  rd_limits limits;
  rd_session_state state;
  rd_status waiting; /* what the last call returned */
  bool broken;       /* the parser met an error: it is told after what was parsed before it */

  rd_reply out;
  size_t sent; /* bytes of out that the owner has written */

  const uint8_t *base; /* the input that offsets count from: the caller's bytes or `in` */
  size_t base_len;
  uint8_t *in; /* what could not be executed yet */
  size_t in_len, in_cap;
  rd_parser parser;

  uint64_t footprint; /* as of the last rd_footprint_changed */
  rd_session *next, *before;
  bool crowded_out; /* a buffer of it was not allowed to grow: footprint.h */
  bool cut;         /* it was dropped for another one's growth, and the owner was not told yet */

  rd_ahead *ahead;
  uint32_t ahead_count, ahead_next;

  /* the running measurement: brief commands from ahead[timed_from] on, since this clock, with output from there */
  uint32_t timed_from;
  uint32_t timed_count;
  uint64_t timed_since;
  size_t timed_out;
  uint64_t timed_until; /* the clock when the command before ended, which is when the next begins; 0: not known */
  uint64_t slice_end;   /* the clock when others get their turn; UINT64_MAX: it was not read yet */
  bool hurried;         /* the session ends: what is begun is finished without pauses */
  struct rd_longcall *longcall; /* the command that pauses */

  /* the command that the control plane answers */
  const rd_command *control;
  const rd_bytes *control_argv;
  uint32_t control_argc;
  bool answered;
  uint64_t control_at, control_until; /* handed up, answered (the owner may resume much later) */

  rd_multi multi;
  const rd_acl *acl; /* NULL: everything is allowed */
  char *peer;        /* for MONITOR; NULL: not told */
};

/* ---- session.c, for handover.c ---- */

/* What has arrived and was not executed. */
rd_bytes rd_session_input(const rd_session *s);
/* Input for a new session, to be executed when it is resumed. False: no memory. */
bool rd_session_give(rd_session *s, rd_bytes input);

/* ---- dispatch.c ---- */

/* The command, when it can be executed in a transaction of this session; else NULL. */
const rd_command *rd_queueable(const rd_session *s, const rd_bytes *argv, uint32_t argc);

/* Execute ahead[ahead_next - 1]. RD_MORE: go on. */
rd_status rd_dispatch(rd_session *s, rd_ahead *a);
/* Run a command that passed all checks. `locked`: the transaction holds what it needs. */
rd_verdict rd_run(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc, const rd_key *key,
                  uint32_t key_pos, bool locked);
/* Keys of one command, or transaction, whose memory is sent for at once; more would push each other out of the cache.
 */
#define RD_FETCHED 256
/* Lock, run, release; rd_call is filled in but for first_key. */
rd_verdict rd_execute(rd_call *call, const rd_key *key, bool locked);
/* Count a command that was executed. */
void rd_account(rd_session *s, const rd_command *cmd);
/* Go on after RD_BUSY in the middle of a command or a transaction. RD_MORE: it is over, go on. */
rd_status rd_go_on(rd_session *s);
/* Finish what is begun, without pauses; the session ends. Of a transaction, what can be done in RD_HURRY_NS. */
#define RD_HURRY_NS (50u * RD_SLICE_NS)
void rd_finish_begun(rd_session *s);
/* Stop at a command of the control plane. */
rd_status rd_hand_up(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc);
/* Whether the session's user may run the command. False: state.denied says why. */
static inline bool rd_permitted(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  if (RD_LIKELY(s->acl == NULL)) return true;
  s->state.denied = (uint8_t)rd_acl_check(s->acl, cmd, argv, argc, &s->state.denied_at);
  return s->state.denied == RD_ALLOWED;
}
/* Stop at a command that is not permitted: the control plane says so, and logs it. */
rd_status rd_deny(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc);
/* The control plane has answered, or will not. RD_MORE: go on. */
rd_status rd_answered(rd_session *s);
/* Share the running measurement out to its commands. */
void rd_stop_timing(rd_session *s);
/* Count a command's duration, and keep it when it was slow. */
void rd_count_call(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc, uint64_t nanoseconds);
/* Count the errors of the last command in out.errors, and forget them. */
void rd_count_errors(rd_session *s);
/* Drop the output behind `mark` when the client wants none. */
static inline void rd_mute(rd_session *s, size_t mark) {
  if (RD_UNLIKELY(s->state.reply_mode & 1)) s->out.len = mark; /* off, or the one after SKIP */
}
/* Others get their turn so long after the first look at the clock. */
static inline void rd_begin_slice(rd_session *s, uint64_t now) {
  if (s->slice_end == UINT64_MAX && now != 0) s->slice_end = now + RD_SLICE_NS;
}
/* Is there so much output that it is to be sent first? */
static inline bool rd_is_full(const rd_session *s) {
  return s->limits.output_high != 0 && s->out.len - s->sent >= s->limits.output_high;
}
/* Must the output stay where it is, since something knows its offsets? */
static inline bool rd_output_pinned(const rd_session *s) {
  return s->longcall != NULL || (s->multi.gaps != 0 && s->state.locked);
}
static inline uint64_t rd_clock_now(const rd_session *s) { return s->st->clock != NULL ? s->st->clock() : 0; }

/* ---- longcall.c: a session's command that pauses ---- */

typedef struct rd_longcall rd_longcall;
/* Begin a command that said RD_LONG. RD_MORE: it has ended, and `nanoseconds` are what it took. RD_BUSY: it pauses. */
rd_status rd_long_begin(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc, const rd_key *key,
                        uint32_t key_pos, bool locked, uint64_t *nanoseconds);
/* Go on with it, in the same way; *mark is where its reply begins. */
rd_status rd_long_go(rd_session *s, size_t *mark, uint64_t *nanoseconds);
/* Run it to its end; `wanted` false: nobody reads the reply. rd_long_go then says the rest. */
void rd_long_finish(rd_session *s, bool wanted);
/* Where the reply of the command that pauses begins. */
size_t rd_long_mark(const rd_session *s);
/* Whether a command must let others go first: it needs a lock that is lent, or may not lend since somebody waits. */
bool rd_must_come_again(rd_session *s, const rd_ahead *a, const rd_bytes *argv);

#endif
