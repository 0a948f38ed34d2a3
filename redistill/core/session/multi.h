/* multi.h - the queue and the watches of a transaction. For the files of this folder. */
#ifndef RD_MULTI_H
#define RD_MULTI_H

#include "session/session.h"
#include "store/store.h"
#include "store/watch.h"
#include "wire/reply.h"

typedef struct rd_queued {
  const rd_command *command;
  uint32_t first, argc;           /* the command's arguments in rd_multi.argv */
  uint64_t hash;                  /* the hash of the command's first key; set by EXEC */
  const struct rd_bucket *bucket; /* the prefetched bucket of that key; a hint */
  size_t from;                    /* if the command left a gap: the offset of the gap in the output */
  uint8_t gap;                    /* rd_gap */
  uint8_t resp, reply_mode;       /* if it left a gap: the session's values at that place */
} rd_queued;

typedef struct rd_plan rd_plan;

/* The state of the reply of a command in the running transaction. */
typedef enum rd_gap {
  RD_NO_GAP,
  RD_GAP_LATER,    /* the command is passed to the control plane when the locks are released */
  RD_GAP_DEFERRED, /* the command has been executed, and its reply follows */
} rd_gap;

/* The commands that a transaction has queued, copied from the input. */
typedef struct rd_multi {
  uint8_t *bytes;
  size_t len, cap;
  rd_bytes *argv; /* until EXEC, `data` is an offset into bytes */
  uint32_t argc, argv_cap;
  rd_queued *queue;
  uint32_t count, queue_cap;
  uint32_t next;             /* the command of the queue that EXEC runs next */
  uint32_t flags;            /* the flags of all queued commands, combined with OR */
  bool aborted;              /* a command was refused: EXEC discards the transaction */
  bool hidden_growth;        /* a command may write more bytes than its arguments have */
  const rd_command *command; /* the running EXEC */
  uint64_t exec_at;          /* the clock when EXEC began */
  uint32_t pointed;          /* the number of elements of argv whose `data` is a pointer, since EXEC has begun */
  bool alone;                /* EXEC locks all shards, so that no other process makes the store grow */
  rd_plan *plan;             /* the plan of a long queue, while EXEC makes it */
  uint32_t need_locks;       /* commands that EXEC executes with the locks held; no data command follows them */
  uint32_t placed;           /* the part of need_locks up to the last RD_PLACED command */
  uint32_t gaps, first_gap;  /* the number of gaps, and the place of the first one in the queue */
  bool filling; /* a gap's command is passed to the control plane: `resp` and `reply_mode` here are the session's own */
  uint8_t resp, reply_mode;
  rd_reply kept; /* the replies from before the locks were released; sent up to `kept_at` */
  size_t kept_at;
  rd_watch *watches; /* the watches, state.watching of them */
  uint32_t watch_cap;
  uint64_t watch_bytes;   /* bytes of the watched keys */
  uint32_t control_args;  /* arguments of the queued commands of the control plane */
  uint64_t control_bytes; /* bytes of these arguments */
} rd_multi;

/* Queue a command. RD_OOM: multi_limit is reached, or there is no memory; nothing is queued. */
rd_result rd_multi_queue(rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc);
/* Start a watch like that of another session over this arena, which has not ended its watch; the key is copied.
 * RD_OOM: not started. */
rd_result rd_multi_adopt(rd_session *s, const rd_watch *watch);
/* Continue with EXEC until it ends (RD_MORE), until a command of the control plane (RD_CONTROL), or until the client
 * has to read first (RD_FULL). */
rd_status rd_multi_exec(rd_session *s);
/* Called when the control plane has answered a command of the transaction, or has deferred the answer. */
void rd_multi_answered(rd_session *s);
/* The number of bytes of the output that may be sent: those before the first gap. */
size_t rd_multi_sendable(const rd_session *s);
/* Leave MULTI and forget the watches; locks that EXEC holds are released. */
void rd_multi_discard(rd_session *s);
void rd_multi_free(rd_session *s);

/* Count and show a command of the transaction that was executed and took `nanoseconds`; its reply begins at `mark`. */
void rd_multi_ran(rd_session *s, const rd_queued *q, size_t mark, uint64_t nanoseconds);

#endif
