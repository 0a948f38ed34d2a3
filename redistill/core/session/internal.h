/* internal.h - the session itself, which the files of this folder share. No other file includes it. */
#ifndef RD_SESSION_INTERNAL_H
#define RD_SESSION_INTERNAL_H

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

/* Input that has arrived and was not executed. */
rd_bytes rd_session_input(const rd_session *s);
/* Input for a new session, to be executed when it is resumed. False: no memory. */
bool rd_session_give(rd_session *s, rd_bytes input);

/* Drop the output behind `mark` when the client wants none. */
static inline void rd_mute(rd_session *s, size_t mark) {
  if (RD_UNLIKELY(s->state.reply_mode & 1)) s->out.len = mark; /* off, or the one after SKIP */
}
/* Is there so much output that it is to be sent first? */
static inline bool rd_is_full(const rd_session *s) {
  return s->limits.output_high != 0 && s->out.len - s->sent >= s->limits.output_high;
}
/* Must the output stay where it is, since something knows its offsets? */
static inline bool rd_output_pinned(const rd_session *s) {
  return s->longcall != NULL || (s->multi.gaps != 0 && s->state.locked);
}
/* The end of every command. */
static inline rd_status rd_end_command(rd_session *s) {
  if (s->state.reply_mode == 3) s->state.reply_mode = 0;
  return RD_UNLIKELY(s->state.close_after_reply) ? RD_CLOSE : RD_MORE;
}

#endif
