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
#define RD_MAGIC 0x314c4c4954534452ull /* "RDSTILL1", in every layout: a file without it is somebody else's */
#define RD_LAYOUT 9u                   /* raised by every change of what lies in the arena */
#define RD_REGION_SHIFT 16u            /* regions of 64 KiB */
#define RD_REGION_SIZE (1u << RD_REGION_SHIFT)
#define RD_MAX_WORKERS 64u
#define RD_MAX_SHARDS 4096u
#define RD_SLOTS 32u /* index slots of a shard: one a live database, the others being emptied or free */

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

/* One process's view of an arena. Not thread-safe: one a thread. */
typedef struct rd_store {
  uint8_t *base;
  uint64_t size;
  int fd; /* borrowed */
  rd_header *head;
  rd_worker *worker; /* this process's block; until it joins, the first one */
  bool joined;
  bool began; /* a run began with this view: nobody else had the arena */
  rd_shard *shards;
  rd_region *regions;
  uint32_t num_shards;
  uint32_t shard_shift; /* shard = hash >> shard_shift; 64 with one shard */
  uint64_t seed[2];
  uint64_t now_ms; /* milliseconds since the epoch, as of the batch */
  uint64_t rng;
  /* Called for a shard in doubt that was just locked, by whoever locks it; store/run.c sets it (recovery.h). */
  void (*verify_shard)(struct rd_store *st, uint32_t shard);
  void (*listener)(void *arg, struct rd_store *st, const struct rd_change *change);
  void *listener_arg;
  rd_clock *clock;      /* nanoseconds of CLOCK_MONOTONIC, for durations and slices; NULL: there are none */
  rd_clock *wall;       /* microseconds since the epoch, for MONITOR; NULL: now_ms it is */
  uint32_t generation;  /* of the configuration that this process has applied; see rd_behind in worker.h */
  uint64_t max_bulk;    /* bytes of an argument (rd_set_value_limits) */
  uint64_t readable;    /* bytes of a value that clients' buffers can hold (rd_set_client_limit) */
  uint64_t max_value;   /* bytes of a value that a command makes: the smaller of the two */
  uint32_t hll_sparse;  /* bytes of a HyperLogLog that grows and is sparse */
  bool no_touch;        /* CLIENT NO-TOUCH of the running session */
  bool monitoring;      /* a client of some worker monitors, as of the last call on a session */
  uint32_t listening;   /* classes of events that `listener` is told of: event.h; 0: nobody listens */
  uint32_t touched;     /* keys that the running command has changed, or one key so often (rd_touched) */
  uint64_t noted;       /* its changes by its own count (rd_note_changes); 0: it is for others to count them */
  uint32_t dirty;       /* shard + 1 that this process has marked dirty */
  bool no_growth;       /* a region is being emptied: its shard must not take another one for what is moved */
  uint32_t sweep_shard; /* where this process's sweep goes on */
  uint32_t sweep_idle;  /* shards in a row whose round found nothing to do */
  uint64_t swept_ms;    /* now_ms of the last sweep; 0: there was none */
  rd_ref pin[2];        /* items that must neither be evicted nor moved to make room */
  bool keeps_all;       /* a region is being emptied without evicting anything */
  bool may_borrow;      /* the running command was let in, and must not end in the middle for want of memory */
  bool borrows;         /* so it has the pool's reserve */
  uint32_t let_in;      /* regions in use, the reserve included, that were allowed when the running EXEC was let in */
  uint64_t held[RD_MAX_SHARDS / 64]; /* shards whose lock this process holds */
  bool retains;                      /* locks from command to command: lock.h */
  bool retained;                     /* so it holds locks that only the next commands may need */
  const int *wakers;                 /* eventfds of the workers' blocks, see ring.h; NULL: there are none */
  struct rd_outbox *outboxes;        /* what waits for room in others' rings, by their blocks; NULL: nothing ever did */
  uint64_t rings_behind;             /* bit i: something waits for block i */
  uint64_t rings_stuck;              /* bit i: block i's ring was in use for too long when it was last tried */
  uint64_t ring_seen, ring_since;    /* what this process's ring had got when it was last written to, and then */
  uint64_t rings_reset;              /* times that this process's ring was emptied since it was damaged */
  struct rd_slowlog *slowlog;        /* of this process, see slowlog.h; NULL: slow commands are not kept */
  struct rd_reply *monitored;        /* lines that wait, see monitor.h; NULL: there was none yet */
  size_t monitor_shared;             /* bytes of them that the other workers have been sent, or have sent */
  uint64_t monitor_dropped;
  struct rd_session *sized[64]; /* this process's sessions by the power of two of their footprints: footprint.h */
  uint64_t client_buffers;      /* their sum */
  uint64_t scratch;             /* memory that running commands have, which counts like theirs (value.h) */
  uint64_t client_limit;        /* what the sum over all processes may be; 0: anything */
  uint64_t peak_buffers;        /* the most that client_buffers was since rd_buffers_shrank last said so */
  bool crowded;                 /* it is more, since rd_client_to_cut was last asked */
  struct rd_session *cut;       /* sessions that were dropped, and their owner was not told */
  struct rd_longrun *running;   /* the work that takes long and runs now, see longrun.h; NULL: none */
  struct rd_session *lender;    /* whose locks are lent while its work pauses; NULL: nobody's */
  struct rd_longrun *lending;   /* that work, if it pauses in the middle of a command */
  struct rd_session *first;     /* who has waited longest for locks that are lent: lenders let it go first */
  uint64_t lent[RD_MAX_SHARDS / 64];
  struct rd_longrun *spare; /* memory of one that has ended */
  const void *holder;       /* the session in mid-EXEC that holds shards while the control plane answers */
} rd_store;
/* python: end */

static inline void *rd_at(const rd_store *st, rd_ref ref) { return st->base + ref; }
static inline rd_ref rd_ref_of(const rd_store *st, const void *p) { return (rd_ref)((const uint8_t *)p - st->base); }

/* Next number of a xorshift generator: eviction samples, LFU's dice. */
static inline uint64_t rd_random_u64(rd_store *st) {
  uint64_t x = st->rng;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return st->rng = x;
}

/* One below n, at random. */
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
  uint64_t seed[2];     /* of the key hash: from a random source, so that nobody can aim at one shard */
} rd_options;

/* Bound in this process the bytes of an argument, and of a value that a command makes (at first, and at most,
 * RD_MAX_BULK), and those of a HyperLogLog that is sparse. Values that are larger stay. */
void rd_set_value_limits(rd_store *st, uint64_t bulk, uint64_t sparse);
void rd_set_policy(rd_store *st, rd_policy policy, uint32_t sample_size);
rd_policy rd_get_policy(const rd_store *st);
const char *rd_policy_name(rd_policy policy);

/* DEBUG SET-ACTIVE-EXPIRE: whether the sweep removes expired keys. */
void rd_set_active_expire(rd_store *st, bool on);
bool rd_get_active_expire(const rd_store *st);
/* python: end */

/* ---- the mapping; store/run.h opens a store ---- */

/* Make an arena in the file `fd`, whatever it held, and map it. 0, or -1 with the reason in `err`. */
int rd_arena_make(rd_store *st, int fd, const rd_options *options, char *err, size_t errlen);
/* Map an arena that is there. -1 when it is none of ours, of another layout, torn or too short; `err` says which. */
int rd_arena_map(rd_store *st, int fd, char *err, size_t errlen);
void rd_arena_unmap(rd_store *st);

/* Have the system give the memory of a part of the arena now: a page that it cannot give later, since the file system
 * is full, would be a SIGBUS in whoever touches it. Whatever is read or written in the arena has been reserved before:
 * the tables when it is made, a worker's block when it joins, a region when a shard takes it. false: there is none. A
 * file system that reserves nothing says true. */
bool rd_back(const rd_store *st, uint64_t at, uint64_t bytes);
/* The same for all that is touched before a worker joins: the header, the tables as far as they are used, the first
 * worker's block. */
bool rd_back_tables(const rd_store *st);

#endif
