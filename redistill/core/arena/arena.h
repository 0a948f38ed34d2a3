/* arena.h - the shared mapping, and one process's view of it (rd_store).
 *
 * Layout of the mapping, all of it reached by offsets (rd_ref), since every process maps it elsewhere:
 *
 *   header | worker blocks | shards | region table | regions ...
 *
 * The mapping is as large as max_memory may ever become; pages that were never touched cost nothing. max_memory is
 * enforced as a number of regions in use. */
#ifndef RD_ARENA_H
#define RD_ARENA_H

#include <pthread.h>
#include <stdatomic.h>

#include "arena/stats.h"
#include "base/base.h"
#include "base/clock.h"

/* python: begin */
#define RD_MAGIC 0x314c4c4954534452ull /* "RDSTILL1", the same in every layout: a file without it is not an arena */
#define RD_LAYOUT 12u                  /* raised by every change to the arena's layout */
#define RD_REGION_SHIFT 16u            /* regions of 64 KiB */
#define RD_REGION_SIZE (1u << RD_REGION_SHIFT)
#define RD_MAX_WORKERS 64u
#define RD_MAX_SHARDS 4096u
#define RD_SLOTS 32u /* index slots of a shard: one for each live database; others are free or being emptied */

typedef enum rd_policy {
  RD_NOEVICTION,
  RD_ALLKEYS_LRU,
  RD_ALLKEYS_LFU,
  RD_ALLKEYS_RANDOM,
  RD_ALLKEYS_S3FIFO,
  RD_VOLATILE_LRU,
  RD_VOLATILE_LFU,
  RD_VOLATILE_RANDOM,
  RD_VOLATILE_TTL,
  RD_POLICIES
} rd_policy;

typedef struct rd_header rd_header;
typedef struct rd_shard rd_shard;
typedef struct rd_region rd_region;
typedef struct rd_worker rd_worker;
typedef struct rd_item rd_item; /* one key with its value */
struct rd_change;               /* store/event.h */
struct rd_call;
struct rd_waiting; /* commands/blocking.h */

/* Redis's thresholds for the encodings that OBJECT ENCODING shows: `hash-max-listpack-entries` and its kin. */
typedef struct rd_type_limits {
  uint32_t hash_entries, hash_value;
  uint32_t set_integers, set_entries, set_value;
  uint32_t zset_entries, zset_value;
  int32_t list_size;                     /* above 0: elements; -1 to -5: 4 to 64 KiB */
  uint32_t stream_bytes, stream_entries; /* of a node; 0: no limit */
} rd_type_limits;

/* A queue of sessions that have new messages: session/pushed.h */
typedef struct rd_pushed_list {
  struct rd_session *first, *last;
  uint32_t count;
} rd_pushed_list;

/* A list of sessions. */
typedef struct rd_sessions {
  struct rd_session *first, *last;
} rd_sessions;

/* One process's view of an arena. Not thread-safe: one a thread. */
typedef struct rd_store {
  uint8_t *base;
  uint64_t size;
  int fd; /* borrowed */
  rd_header *head;
  rd_worker *worker; /* this process's block; until the process joins, the first block */
  bool joined;
  bool began; /* this view began a run: no other process had the arena */
  rd_shard *shards;
  rd_region *regions;
  uint32_t num_shards;
  uint32_t shard_shift; /* shard = hash >> shard_shift; 64 with one shard */
  uint64_t seed[2];
  uint64_t now_ms; /* milliseconds since the epoch, as of the batch */
  uint64_t rng;
  /* The process that locks a shard in doubt calls this for it; store/run.c sets it (recovery.h). */
  void (*verify_shard)(struct rd_store *st, uint32_t shard);
  /* The item of a key by its hash; 0: there is none. Set with verify_shard, for longrun.c. */
  uint64_t (*item_of)(struct rd_store *st, uint32_t shard, uint32_t slot, uint64_t hash);
  void (*listener)(void *arg, struct rd_store *st, const struct rd_change *change);
  void *listener_arg;
  rd_clock *clock;     /* nanoseconds of CLOCK_MONOTONIC, for durations and slices; NULL: no durations, no slices */
  rd_clock *wall;      /* microseconds since the epoch, for MONITOR; NULL: now_ms is used */
  uint32_t generation; /* the generation of the configuration that this process has applied: rd_behind in worker.h */
  uint64_t busy_threshold_ms; /* rd_set_busy_threshold */
  uint64_t max_bulk;          /* most bytes of an argument (rd_set_value_limits) */
  uint64_t readable;          /* most bytes of a value that clients' buffers can hold (rd_set_client_limit) */
  uint64_t max_value;         /* most bytes of a value that a command makes: the smaller of the two */
  uint32_t hll_sparse;        /* most bytes of a HyperLogLog that grows and is sparse */
  rd_type_limits type_limits;
  bool no_touch;                               /* CLIENT NO-TOUCH of the running session */
  bool monitoring;                             /* a client of some worker monitors, as of the last call on a session */
  uint32_t listening;                          /* classes of events that `listener` receives: event.h; 0: none */
  uint32_t notifying;                          /* those that session/events.h wants, for subscribers and caches ... */
  uint32_t publishing;                         /* ... and those of them that are published to subscribers */
  bool invalidating;                           /* a client of some worker tracks: session/tracking.h */
  struct rd_reply *events;                     /* noted, and not published yet; NULL: there were none */
  void (*before_release)(struct rd_store *st); /* publishes them; called before a shard's lock is released */
  void (*start_waiting)(struct rd_call *call, const struct rd_waiting *w); /* has a session wait: session/blocking.c */
  rd_bytes (*kept_by)(const struct rd_session *s);                         /* rd_call_kept */
  void (*serve_waiting)(struct rd_store *st);  /* gives to those who wait for changed keys: session/blocking.c */
  void (*forget_waiting)(struct rd_store *st); /* frees `waits` */
  struct rd_ready *ready;                      /* the changed keys for which clients wait: store/waiters.h */
  struct rd_waits *waits;                      /* the clients of this process that wait: session/blocking.c */
  bool waits_missed;                           /* a changed key could not be noted, or its clients not be served */
  bool (*giving)(struct rd_store *st);         /* called before a value that a waiting client gets is removed */
  uint32_t touched; /* keys that the running command has changed; it counts one key each time it changes (rd_touched) */
  uint64_t noted;   /* changes that the command itself counted (rd_note_changes); 0: the command counted none */
  uint32_t dirty;   /* 1 + the shard that this process has marked dirty; 0: none */
  uint32_t changing_slot;  /* the key that a long command changes (rd_note_changing): 1 + its slot, and its hash ... */
  uint64_t changing_hash;  /* ... 0: it is unknown, or several */
  bool no_growth;          /* a region is being emptied: its shard must not take another one for the moved blocks */
  uint32_t sweep_shard;    /* the shard where this process's sweep continues */
  uint32_t sweep_idle;     /* shards in a row whose round found nothing to do */
  uint64_t swept_ms;       /* now_ms of the last sweep; 0: there was none yet */
  rd_ref pin[2];           /* items that must neither be evicted nor moved to make room */
  bool builds;             /* items in the slot of kept items stay where they are: store/build.c */
  bool keeps_all;          /* a region is being emptied without evicting anything */
  bool may_borrow;         /* the running command was admitted, and must not fail midway for lack of memory */
  bool borrows;            /* the running command may use the pool's reserve */
  uint32_t admitted_limit; /* regions in use, including the reserve, allowed when the running EXEC was admitted */
  uint64_t held[RD_MAX_SHARDS / 64]; /* shards whose lock this process holds */
  bool retains;                      /* locks stay taken from command to command: lock.h */
  bool in_turn;                      /* a turn of the loop has begun (rd_retain_begin) ... */
  uint64_t waited;                   /* ... and so many nanoseconds of it were spent asleep, for locks */
  bool retained;                     /* this process holds locks that only the next commands may need */
  const int *wakers;                 /* eventfds of the workers' blocks, see ring.h; NULL: no owner is woken */
  struct rd_outbox *outboxes;        /* records kept for others' rings, one outbox a block; NULL: none was ever kept */
  uint64_t rings_behind;             /* bit i: records are kept for block i */
  uint64_t rings_stuck;              /* bit i: block i's ring was in use for too long when it was last tried */
  uint64_t ring_seen, ring_since;    /* this process's ring: bytes written at the last change seen, and its time */
  uint64_t rings_reset;              /* times that this process's ring was emptied because it was damaged */
  struct rd_scripts *scripts;        /* scripts that this process has compiled: session/scripts.h; NULL: none yet */
  void (*forget_scripts)(struct rd_store *st); /* frees them; NULL: there are none */
  struct rd_slowlog *slowlog; /* this process's slow log, see slowlog.h; NULL: slow commands are not logged */
  struct rd_reply *monitored; /* this process's queue of MONITOR lines, see monitor.h; NULL: no line yet */
  size_t monitor_shared;      /* bytes of these lines that were sent to, or came from, other workers */
  uint64_t monitor_dropped;
  struct rd_topics *topics;                /* names that clients of this process subscribe to: session/subscribed.h */
  uint32_t moving;                         /* subscribers that this process hands over: session/moved.h */
  uint32_t moves;                          /* counts them since the start */
  bool rolls_locked;                       /* this process has the rolls' lock */
  struct rd_session *subscribers;          /* the sessions that have subscribed ... */
  uint32_t subscribed_sessions;            /* ... and those of them that still do */
  struct rd_tracking *tracking;            /* clients of this process that track: session/tracking.h */
  uint64_t tracking_keys;                  /* names in the tables of all workers; 0: no limit */
  struct rd_reply *changed;                /* changed keys that other workers are not told yet; NULL: there were none */
  bool serves_waits;                       /* commands of clients that wait for keys are executed: session/blocking.h */
  bool pushes;                             /* a message is being appended to a session's output */
  rd_pushed_list pushed, pushed_to_owners; /* by the way in which their output is sent */
  rd_sessions held_sessions;               /* those that CLIENT PAUSE or another session holds: session/blocked.h */
  rd_sessions woken, woken_to_owners;
  uint32_t blocked_sessions, blocked_timed;
  uint32_t asking;     /* sessions that wait for the control plane (rd_blocked_ask) */
  uint32_t pause_seen; /* CLIENT PAUSE when the first of the held ones was held */
  uint64_t pause_seen_until;
  struct rd_session *sized[64]; /* this process's sessions by the power of two of their footprints: footprint.h */
  uint64_t client_buffers;      /* the sum of the footprints */
  uint64_t scratch;       /* temporary memory of running commands, and messages that wait; counted with the buffers */
  uint64_t client_limit;  /* limit on the sum over all processes; 0: no limit */
  uint64_t peak_buffers;  /* the highest client_buffers since rd_buffers_shrank last returned true */
  bool over_client_limit; /* the sum has exceeded the limit since the last rd_client_to_close */
  struct rd_session *dropped; /* dropped sessions whose owner was not told yet */
  struct rd_longrun *running; /* the long-running command that runs now, see longrun.h; NULL: none */
  struct rd_session *lender;  /* the session whose locks are lent while its work pauses; NULL: none */
  struct rd_longrun *lending; /* the lender's work, if it pauses within a command */
  struct rd_session *first;   /* the session that has waited longest for lent locks: it runs before lenders */
  uint64_t lent[RD_MAX_SHARDS / 64];
  struct rd_longrun *spare;   /* memory of a long-running command that has ended */
  struct rd_undo *spare_undo; /* a record of changes that has ended: store/undo.h */
  const void *current;        /* the session that executes now */
  const void *holder;         /* the session in mid-EXEC that holds shards while the control plane answers */
} rd_store;
/* python: end */

static inline void *rd_at(const rd_store *st, rd_ref ref) { return st->base + ref; }
static inline rd_ref rd_ref_of(const rd_store *st, const void *p) { return (rd_ref)((const uint8_t *)p - st->base); }

/* The next number of a xorshift generator, for eviction samples and LFU's probabilities. */
static inline uint64_t rd_random_u64(rd_store *st) {
  uint64_t x = st->rng;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return st->rng = x;
}

/* A random number below n. */
static inline uint32_t rd_random_below(rd_store *st, uint32_t n) {
  return (uint32_t)((rd_random_u64(st) >> 32) * n >> 32);
}

/* python: begin */
typedef struct rd_options {
  uint64_t max_memory; /* bytes; 0: all of map_size */
  uint64_t map_size;   /* bytes of address space, and the most that max_memory may grow to; 0: max_memory */
  uint32_t num_shards; /* power of two, 1 .. RD_MAX_SHARDS */
  rd_policy policy;
  uint32_t sample_size; /* keys looked at for one eviction, 1 .. 64 */
  uint64_t seed[2];     /* seed of the key hash: random, so that no client can aim its keys at one shard */
} rd_options;

/* Set the limits of this process, in bytes: `bulk` for an argument and for a value that a command makes (initially, and
 * at most, RD_MAX_BULK), `sparse` for a sparse HyperLogLog. Larger values that exist already are kept. */
void rd_set_value_limits(rd_store *st, uint64_t bulk, uint64_t sparse);
/* Set the thresholds of this process. As in Redis a list_size of 0 counts as 1, and one below -5 as -5. */
void rd_set_type_limits(rd_store *st, const rd_type_limits *limits);
void rd_set_policy(rd_store *st, rd_policy policy, uint32_t sample_size);
rd_policy rd_get_policy(const rd_store *st);
const char *rd_policy_name(rd_policy policy);

/* DEBUG SET-ACTIVE-EXPIRE: sets whether the sweep removes expired keys. */
void rd_set_active_expire(rd_store *st, bool on);
bool rd_get_active_expire(const rd_store *st);
/* python: end */

/* ---- the mapping; store/run.h opens a store ---- */

/* Make an arena in the file `fd`, overwriting its contents, and map it. Returns 0, or -1 with the reason in `err`. */
int rd_arena_make(rd_store *st, int fd, const rd_options *options, char *err, size_t errlen);
/* Map an existing arena. -1: the file is not an arena, has another layout, or is torn or too short; `err` says
 * which. */
int rd_arena_map(rd_store *st, int fd, char *err, size_t errlen);
void rd_arena_unmap(rd_store *st);

/* Reserve the memory of a part of the arena now. If the file system were full later, the process that touches an
 * unreserved page would get SIGBUS. Every part of the arena is reserved before it is read or written: the tables when
 * the arena is made, a worker's block when it joins, a region when a shard takes it. False: the system has no memory
 * for it. On a file system that cannot reserve it returns true. */
bool rd_back(const rd_store *st, uint64_t at, uint64_t bytes);
/* The same for the parts that are touched before a worker joins: the header, the used parts of the tables, the first
 * worker's block. */
bool rd_back_tables(const rd_store *st);

#endif
