/* multi.h - transactions: what a session has queued and watches. For the files of this folder. */
#ifndef RD_MULTI_H
#define RD_MULTI_H

#include "session/session.h"
#include "store/store.h"
#include "store/watch.h"
#include "wire/reply.h"

typedef struct rd_queued {
  const rd_command *command;
  uint32_t first, argc;           /* in rd_multi.argv */
  uint64_t hash;                  /* of the first key; set by EXEC */
  const struct rd_bucket *bucket; /* a hint */
  size_t from;                    /* of a gap: its place in the output */
  uint8_t gap;                    /* rd_gap */
  uint8_t resp, reply_mode;       /* of a gap: as they were at its place */
} rd_queued;

typedef struct rd_plan rd_plan;

/* Whether a command of the running transaction has left the place of its reply open. */
typedef enum rd_gap {
  RD_NO_GAP,
  RD_GAP_LATER, /* it is handed up when the locks are released */
  RD_GAP_OWED,  /* it has acted, and its answer comes */
} rd_gap;

/* The commands that a transaction has queued, copied from the input. */
typedef struct rd_multi {
  uint8_t *bytes;
  size_t len, cap;
  rd_bytes *argv; /* until EXEC, `data` is an offset into bytes */
  uint32_t argc, argv_cap;
  rd_queued *queue;
  uint32_t count, queue_cap;
  uint32_t next;             /* of the queue, during EXEC */
  uint32_t flags;            /* all flags of the queued commands, or-ed */
  bool aborted;              /* a command was refused: EXEC discards */
  bool hidden_growth;        /* a command may write more than its arguments have */
  const rd_command *command; /* EXEC */
  uint64_t exec_at;          /* clock when it began */
  uint32_t pointed;          /* so many of argv are pointers: EXEC has begun */
  bool alone;                /* EXEC takes the locks of all shards, so that nobody else grows */
  rd_plan *plan;             /* of a long queue, while EXEC makes it */
  uint32_t need_locks;       /* EXEC: so many of the queue are executed with the locks held; no data command follows */
  uint32_t placed;           /* EXEC: so many of these, up to the last RD_PLACED one */
  uint32_t gaps, first_gap;  /* how many there are, and the first one's place in the queue */
  bool filling;              /* a gap's command is handed up: `resp` and `reply_mode` are the session's own */
  uint8_t resp, reply_mode;
  rd_reply kept; /* once the locks are released: the replies from before, given on from `kept_at` */
  size_t kept_at;
  rd_watch *watches; /* state.watching of them */
  uint32_t watch_cap;
  uint64_t watch_bytes;   /* of their keys */
  uint32_t control_args;  /* of the queued commands that are the control plane's */
  uint64_t control_bytes; /* of these arguments */
} rd_multi;

/* Queue a command. RD_OOM: beyond multi_limit or out of memory, nothing is queued. */
rd_result rd_multi_queue(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc);
/* Watch as another session over this arena does, which has not ended its watch; the key is copied. RD_OOM: not done. */
rd_result rd_multi_adopt(rd_session *s, const rd_watch *watch);
/* Go on with EXEC until its end (RD_MORE), a command of the control plane (RD_CONTROL), or what the client has to read
 * first (RD_FULL). */
rd_status rd_multi_exec(rd_session *s);
/* The control plane has answered a command of the transaction, or owes the answer. */
void rd_multi_answered(rd_session *s);
/* How much of the output may be sent: a gap is filled first. */
size_t rd_multi_sendable(const rd_session *s);
/* Leave MULTI and forget the watches; locks that EXEC holds are released. */
void rd_multi_discard(rd_session *s);
void rd_multi_free(rd_session *s);

/* Count and show a command of the transaction, which has been executed in so much time; its reply begins at `mark`. */
void rd_multi_ran(rd_session *s, const rd_queued *q, size_t mark, uint64_t nanoseconds);

#endif
