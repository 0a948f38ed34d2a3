/* session.h - the protocol state of one client: bytes in, replies out, in request order.
 *
 * The owner (the daemon's protocol) calls feed with the bytes that it read, writes the output, and acts on the status.
 * A session never blocks and never calls back.
 *
 *     status = rd_session_feed(s, data, len, now);
 *     for (;;) {
 *       write rd_session_output(s), rd_session_consumed(s, written);
 *       if (status == RD_CONTROL) answer the command; status = rd_session_resume(s, now);
 *       else break;
 *     }
 */
#ifndef RD_SESSION_H
#define RD_SESSION_H

#include "arena/arena.h"
#include "command/command.h"

/* python: begin */

typedef enum rd_status {
  RD_MORE = 0,    /* all complete commands have been executed; feed more */
  RD_CONTROL = 1, /* a command of the control plane: read it with rd_session_argc/arg, answer, then resume */
  RD_CLOSE = 2,   /* after QUIT or a protocol error: write the output, then close; later input is ignored */
  RD_FULL = 3,    /* the output holds output_high bytes or more: write it, then resume */
  RD_PAUSED = 4,  /* CLIENT PAUSE holds this session's next command, or messages that come before it have not come yet
                     (moved.h), or another session's transaction: resume it when it is woken, or at its deadline */
  RD_BUSY = 5,    /* its share of time is used up, or another owner has a lock that it needs: resume it later */
  RD_BLOCKED = 6, /* a blocking command waits: resume it when it is woken (blocked.h), or at its deadline */
} rd_status;

typedef struct rd_limits {
  uint32_t batch_size;   /* commands parsed ahead so that their memory can be prefetched, 1 .. 64 */
  uint64_t output_high;  /* bytes of output at which the session stops executing */
  uint64_t query_limit;  /* bytes of unexecuted input a session may hold (Redis: client-query-buffer-limit) */
  uint64_t multi_limit;  /* bytes of queued commands in MULTI */
  uint64_t output_limit; /* bytes of output, one reply included, at which the session is closed; 0: none */
  /* the same for a session that subscribes (pushed.h): at once, or when it has been above for so long; 0: none */
  uint64_t pubsub_hard, pubsub_soft, pubsub_seconds;
} rd_limits;

rd_session *rd_session_new(rd_store *st, const rd_limits *limits); /* NULL: no memory */
/* Change the limits; `batch_size` must stay the same. */
void rd_session_set_limits(rd_session *s, const rd_limits *limits);
void rd_session_free(rd_session *s); /* ends its watches too */

/* Bytes that arrive while a session waits for an answer, for room or for a pause's end are kept, and the same status is
 * returned again; do not answer twice. Do not feed a session that is suspended (rd_session_suspended): it finishes
 * first.
 *
 * A command of the control plane inside EXEC is passed on when the transaction's shards are released, where that is
 * right (multi.c). A command that is passed on with the shards locked (state.locked) must act at once, before
 * anything else uses this store: answer it, or declare that its answer is deferred (rd_session_defer), and resume. If
 * another session is fed meanwhile, it keeps the bytes and returns RD_PAUSED. */
rd_status rd_session_feed(rd_session *s, const uint8_t *data, size_t len, uint64_t now_ms);
/* The same without a copy: when `least` bytes or more of a bulk are missing, rd_session_room returns memory of the
 * session, *room bytes long, into which the owner receives the next bytes. rd_session_received then takes the number
 * of bytes that came. The memory grows by the bytes that have arrived already. NULL: use rd_session_feed. Valid
 * until the next call on the session. */
uint8_t *rd_session_room(rd_session *s, size_t least, size_t *room);
rd_status rd_session_received(rd_session *s, size_t n, uint64_t now_ms);
/* Continue after RD_CONTROL, RD_FULL, RD_PAUSED, RD_BUSY or RD_BLOCKED. */
rd_status rd_session_resume(rd_session *s, uint64_t now_ms);
/* True if the session stopped, with RD_BUSY, within a command or a transaction. It may hold locks: resume it in any
 * case, whether its client reads or not. The running command's reply is not in the output yet. */
bool rd_session_suspended(const rd_session *s);

/* The output to write. Valid until the next call on the session. */
rd_bytes rd_session_output(const rd_session *s);
void rd_session_consumed(rd_session *s, size_t n);

rd_store *rd_session_store(const rd_session *s);
/* The command that RD_CONTROL stopped at. NULL: an unknown command (the control plane counts it and replies), or a
 * denied one (state.denied: the control plane replies with the reason). */
const rd_command *rd_session_command(const rd_session *s);
uint32_t rd_session_argc(const rd_session *s);
rd_bytes rd_session_arg(const rd_session *s, uint32_t i);
/* Append a part of the answer, which rd_session_answer ends. False: as for rd_session_push, and the rest need not be
 * made. */
bool rd_session_answer_part(rd_session *s, const uint8_t *data, size_t len);
/* Append a whole reply, RESP in the session's version. An answer that begins with '-' counts as an error. */
void rd_session_answer(rd_session *s, const uint8_t *data, size_t len);
/* The command was passed on with state.locked and has acted, but its answer takes time. Its place among the replies
 * is kept: when the locks are released RD_CONTROL stops at it once more, with state.deferred. */
void rd_session_defer(rd_session *s);
/* The client is gone. True: a transaction, with its locks released, waits for the control plane or for the client to
 * read. Resume it until RD_CLOSE: it stops (RD_CONTROL) at each remaining command that changes something. */
bool rd_session_abandon(rd_session *s);
/* Append bytes that answer no command (a push). False: beyond output_limit, or no memory; then the next status is
 * RD_CLOSE. */
bool rd_session_push(rd_session *s, const uint8_t *data, size_t len);

/* The limit that a reply would have exceeded: output_limit, that of all clients' buffers (rd_set_client_limit), or one
 * of the class of subscribers (pushed.h). LOST: messages to a subscriber were lost. */
typedef enum rd_overflow {
  RD_OVERFLOW_NONE,
  RD_OVERFLOW_OUTPUT,
  RD_OVERFLOW_CLIENTS,
  RD_OVERFLOW_PUBSUB,
  RD_OVERFLOW_LOST,
} rd_overflow;

/* The reason why a session is blocked (blocked.h). */
typedef enum rd_blocked {
  RD_NOT_BLOCKED,
  RD_BLOCKED_PAUSE,   /* CLIENT PAUSE holds its next command */
  RD_BLOCKED_TURN,    /* another session's transaction goes first, or messages that come before its next command */
  RD_BLOCKED_COMMAND, /* a blocking command waits */
} rd_blocked;

/* State that the control plane reads and sets. */
typedef struct rd_session_state {
  uint32_t db;
  uint8_t resp; /* 2 or 3 */
  bool authenticated;
  bool subscribed;        /* it subscribes to something */
  bool monitors;          /* rd_session_monitor sets it */
  bool close_after_reply; /* QUIT, or CLIENT KILL of its own connection: RD_CLOSE follows the answer */
  uint8_t reply_mode;     /* 0 on, 1 off, 2 skip the next (becomes 3 while that runs) */
  bool in_multi;
  bool in_exec;  /* a transaction is partly executed */
  bool tracks;   /* the keys that it reads are noted: tracking.h */
  bool locked;   /* the transaction has its shards locked */
  bool deferred; /* RD_CONTROL stopped at a command that has acted, and whose answer is deferred */
  bool no_touch, no_evict;
  uint8_t blocked;       /* rd_blocked */
  uint64_t deadline_ns;  /* while it is blocked: resume it at this time of rd_blocked_now; 0: only when it is woken */
  uint32_t multi_queued; /* commands queued */
  uint64_t multi_bytes;
  uint32_t watching;    /* watched keys */
  uint64_t query_bytes; /* bytes of unexecuted input */
  uint64_t query_cap;   /* bytes allocated for the input */
  uint64_t output_bytes, output_cap;
  uint64_t commands;      /* commands executed */
  uint32_t tracking;      /* rd_tracking_flags; 0: it does not track */
  uint64_t redirect;      /* the client that gets its invalidations; 0: itself */
  uint8_t denied;         /* rd_denial: RD_CONTROL stopped at a command that its user may not run; 0: no */
  uint32_t denied_at;     /* the place in argv of the key that is denied; 0: the command itself is denied */
  uint64_t owner;         /* the owner's id for the session, for rd_client_to_close; 0: never closed for its memory */
  uint8_t overflowed;     /* rd_overflow: the limit that ended the session (RD_CLOSE) because a reply had no room */
  const rd_command *last; /* the last command; NULL before the first */
} rd_session_state;

rd_session_state *rd_session_state_of(rd_session *s);
/* True if a key that the session watches seems to have changed; only RD_WATCHES_SHOWN of its keys are looked at,
 * without a lock. EXEC looks at all of them. */
#define RD_WATCHES_SHOWN 1024u
bool rd_session_watch_changed(const rd_session *s);
/* Return memory that an idle session does not need; the owner's timer calls it. */
void rd_session_trim(rd_session *s);
/* Free all buffers at once: the owner closes the connection, and nothing more is executed or sent. */
void rd_session_drop(rd_session *s);
/* RESET: leave MULTI and MONITOR, end subscriptions and tracking, forget watches, db 0, RESP2, reply on; the caller
 * resets authentication. */
void rd_session_reset(rd_session *s);

/* python: end */

#endif
