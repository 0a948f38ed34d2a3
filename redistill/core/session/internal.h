/* internal.h - the structure of a session, which the files of this folder share. No other file includes it. */
#ifndef RD_SESSION_INTERNAL_H
#define RD_SESSION_INTERNAL_H

#include "arena/lock.h"
#include "arena/longrun.h"
#include "commands/cmd.h"
#include "session/acl.h"
#include "session/multi.h"
#include "session/session.h"
#include "session/subscribed.h"
#include "wire/resp.h"

#define RD_MAX_BATCH 64u

#define RD_NO_SHARD UINT32_MAX

/* One command that was parsed ahead. Behind the last one of a batch lies one without a shard. */
typedef struct rd_ahead {
  const rd_command *command; /* NULL: an unknown command */
  size_t start;              /* offset of the command's bytes in the input */
  uint32_t first, argc;      /* the command's arguments in parser.argv */
  uint32_t key_pos;          /* the position of the argument that `key` hashes; 0: none */
  uint32_t shard;            /* the shard of `key`; RD_NO_SHARD: there is none, or the batch ends here */
  bool unknown_sub;
  bool timed;   /* the command is part of the running measurement */
  bool large;   /* it has many bytes or arguments; without this no key is too long */
  bool begun;   /* has returned RD_LONG */
  bool lengthy; /* takes long: it has many arguments or large ones, or has returned RD_LONG; then `large` is set, too */
  rd_key key;
  const struct rd_bucket *bucket; /* prefetched; a hint */
} rd_ahead;

/* ---- the memory of a session ----
 *
 * The input is the caller's bytes while all of it can be executed at once, otherwise the session's own buffer `in`. All
 * offsets count from its start, `base`:
 *
 *   base              ahead[ahead_next].start          parser.start      parser.pos          base_len
 *   |                 |                                |                 |                   |
 *   +-----------------+--------------------------------+-----------------+-------------------+
 *   | executed        | complete commands: parsed, and | the unfinished command:             |
 *   |                 | not executed yet               | parsed          | not parsed        |
 *   +-----------------+--------------------------------+-----------------+-------------------+
 *                     |<------- kept in `in` when the call returns ------------------------>|
 *
 * The arguments of a batch of commands are in one array, and refer to bytes of the input (here \r\n are left out):
 *
 *   input             *3 $3 SET $1 k $5 hello      *2 $3 GET $1 k      *2 $4 INCR $
 *                           |      |    |                |      |            |
 *   parser.argv       [    SET     k  hello    |        GET     k    |     INCR    ]   len: 6
 *                          |                            |
 *   ahead             [ SET: first 0, argc 3   | GET: first 3, argc 2 ]                ahead_count: 2
 *
 * Replies are appended to the output, and the owner writes them. The written part of a long output is returned to the
 * system; once it is at least as long as the rest, the rest is moved to the front:
 *
 *   out.data          out.released         sent                          out.len             out.cap
 *   |                 |                    |                             |                   |
 *   +-----------------+--------------------+-----------------------------+-------------------+
 *   | written, memory | written            | to write: rd_session_output | free              |
 *   | returned        |                    |                             |                   |
 *   +-----------------+--------------------+-----------------------------+-------------------+
 *
 * MULTI copies its commands out of the input. Until EXEC each argument is an offset into multi.bytes, which may move
 * when it grows; EXEC makes them pointers:
 *
 *   multi.queue       [ SET: first 0, argc 3   | INCR: first 3, argc 2 |    ]   count: 2; EXEC runs `next`
 *                       |                        |
 *   multi.argv        [ SET   k   hello        | INCR   n              |    ]   argc: 5
 *                       |     |   |              |      |
 *   multi.bytes       [ SET   k   hello          INCR   n              |    ]   len: 14 */
struct rd_session {
  rd_store *st;
  rd_limits limits;
  rd_session_state state;
  rd_status waiting; /* the status that the last call returned */
  bool broken;       /* the parser met an error, which is replied after the commands parsed before it */

  rd_reply out;
  size_t sent; /* bytes of out that the owner has written */

  const uint8_t *base; /* the start of the input for all offsets: the caller's bytes or `in` */
  size_t base_len;
  uint8_t *in; /* input that could not be executed yet */
  size_t in_len, in_cap;
  size_t in_given; /* bytes of `in`, which is done with, whose memory the system has back */
  rd_parser parser;

  uint64_t footprint; /* the footprint at the last rd_footprint_changed */
  rd_session *next, *before;
  bool growth_refused; /* one of its buffers was not allowed to grow: footprint.h */
  bool dropped;        /* it was dropped for another session's growth, and the owner does not know it yet */

  rd_ahead *ahead;
  uint32_t ahead_count, ahead_next;
  uint32_t fetched; /* the elements of the commands before this one were prefetched: fetch.h */

  /* the running measurement: brief commands from ahead[timed_from] on, the clock when it began, and the length of
   * the output then */
  uint32_t timed_from;
  uint32_t timed_count;
  uint64_t timed_since;
  size_t timed_out;
  uint64_t timed_until; /* the clock when the last command ended, which is when the next begins; 0: unknown */
  uint64_t slice_end;   /* the clock when other sessions get their turn; UINT64_MAX: the clock was not read yet */
  bool no_pauses;       /* the session ends: the command or transaction that has begun is finished without pauses */
  struct rd_longcall *longcall; /* the command that pauses */

  /* the command that the control plane answers */
  const rd_command *control;
  const rd_bytes *control_argv;
  uint32_t control_argc;
  uint64_t control_at, control_until; /* the clock when the command was passed to the control plane, and when it was
                                         answered (the owner may resume much later) */

  rd_multi multi;
  const rd_acl *acl; /* NULL: everything is allowed */
  char *peer;        /* the client's address for MONITOR; NULL: not known */

  struct rd_wait *wait;             /* it waits for keys: blocking.h; NULL: it does not */
  bool answered;                    /* the wait has ended with a reply */
  uint64_t wait_number, wait_until; /* of the command that waits, or waited and runs again; 0: there is none */
  uint8_t *kept;                    /* rd_waiting.keeps of that command, malloc'd */
  size_t kept_len;

  rd_subscribed *subscribed;  /* NULL: it gets no messages */
  struct rd_tracker *tracker; /* NULL: it has never tracked */
  size_t confirmed;           /* the end of the confirmations of subscriptions in `out`: rd_drop_reply */
  void *carrier;              /* what serves its connection: pushed.h */
  rd_pushed_list *listed;     /* the list of pushed sessions that it is in; NULL: none */
  rd_session *pushed_next, *pushed_before;
  rd_sessions *waits_in; /* the list of blocked sessions that it is in: blocked.h; NULL: none */
  rd_session *waits_next, *waits_before;
  bool timed; /* counted in rd_store.blocked_timed */
};

/* The input that has arrived and was not executed. */
rd_bytes rd_session_input(const rd_session *s);
/* Give a new session its input, which is executed when it is resumed. False: no memory. */
bool rd_session_give(rd_session *s, rd_bytes input);

/* Drop the output behind `mark` when the client wants no replies. */
static inline void rd_drop_reply(rd_session *s, size_t mark) {
  /* CLIENT REPLY OFF, or the command after SKIP */
  if (RD_UNLIKELY(s->state.reply_mode & 1)) s->out.len = s->confirmed > mark ? s->confirmed : mark;
  s->confirmed = 0;
}
/* True if there is so much output that it must be sent first. */
static inline bool rd_is_full(const rd_session *s) {
  return s->limits.output_high != 0 && s->out.len - s->sent >= s->limits.output_high;
}
/* True if the output has room for a small reply, as most commands that change something have: more than a number, a
 * status or -OOM take. */
enum { RD_SMALL_REPLY = 64 };
static inline bool rd_has_room(const rd_session *s) {
  return s->out.cap - s->out.len >= RD_SMALL_REPLY && !s->out.failed;
}
/* True if the output must stay in place, since a longcall or a transaction has offsets into it. */
static inline bool rd_output_pinned(const rd_session *s) {
  return s->longcall != NULL || (s->multi.gaps != 0 && s->state.locked);
}
void rd_pushed_join(rd_session *s);          /* pushed.h */
void rd_backlog_catch_up(rd_session *s);     /* backlog.h */
void rd_tracking_end_command(rd_session *s); /* tracking.h */
/* Move the unwritten output to the buffer's front, when that is no more bytes than were written before it. */
void rd_session_compact(rd_session *s);
/* Called at the end of every command. */
static inline rd_status rd_end_command(rd_session *s) {
  if (RD_UNLIKELY(s->subscribed != NULL)) {
    rd_backlog_catch_up(s);
    rd_pushed_join(s);
    if (s->tracker != NULL) rd_tracking_end_command(s);
  }
  if (s->state.reply_mode == 3) s->state.reply_mode = 0;
  return RD_UNLIKELY(s->state.close_after_reply) ? RD_CLOSE : RD_MORE;
}

#endif
