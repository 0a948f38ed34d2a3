/* layout.h - the layout of the arena: header, shards, workers. blocks.h has the layout of regions. A change in either
 * raises RD_LAYOUT. */
#ifndef RD_LAYOUT_H
#define RD_LAYOUT_H

#include <pthread.h>

#include "arena/admission.h"
#include "arena/arena.h"
#include "arena/blocks.h"
#include "arena/ring.h"
#include "arena/roll.h"
#include "arena/secrets.h"
#include "arena/tracked.h"
#include "arena/worker.h"

#define RD_GHOST_BLOCKS 16u
/* The slot that no database ever has: rd_set_keeping keeps items there. Outside of a command it is empty, except for
 * items that a process left when it died within a command; the sweep removes those. */
#define RD_KEPT_SLOT (RD_SLOTS - 1)
/* Another one: the items whose values are being released in steps (store/grave.h). */
#define RD_GRAVE_SLOT (RD_SLOTS - 2)
/* A third one: the clients that wait for a key (store/waiters.h). It is the index slot of the database RD_WAIT_DB,
 * which no client can select. */
#define RD_WAIT_SLOT (RD_SLOTS - 3)
#define RD_WAIT_DB RD_DATABASES
/* Two more: the bodies of scripts, and libraries of functions (store/scripts.h). */
#define RD_SCRIPT_SLOT (RD_SLOTS - 4)
#define RD_LIBRARY_SLOT (RD_SLOTS - 5)
#define RD_SCRIPT_DB (RD_DATABASES + 1)
#define RD_LIBRARY_DB (RD_DATABASES + 2)
#define RD_ALL_DATABASES (RD_DATABASES + 3)
/* The first of the slots with contents that are neither evicted nor flushed with the keys. */
#define RD_STAYING_SLOT RD_LIBRARY_SLOT
static inline bool rd_slot_stays(uint32_t slot) { return slot >= RD_STAYING_SLOT && slot <= RD_WAIT_SLOT; }
#define RD_SCRIPT_TIMES 8192u

/* rd_shard.dirty. A shard that is RD_SHARD_PAUSED is whole, except for the value of one key, and for blocks to which
 * nothing refers: a long command pauses in the middle of a change (longrun.h). */
#define RD_SHARD_CLEAN 0u
#define RD_SHARD_DIRTY 1u
#define RD_SHARD_PAUSED 2u

struct rd_shard {
  pthread_mutex_t lock;
  uint32_t dirty;
  uint32_t checked;          /* the value of rd_header.doubt when the shard was last known to be whole: recovery.h */
  _Atomic uint32_t watchers; /* the number of watches on keys of this shard; they end without its lock. RD_WAITED: a
                                client waits for a key of it; this bit changes with the lock */
  uint64_t epoch;            /* counts the times that the shard was lost */
  uint32_t clock;            /* S3-FIFO: counts insertions */
  uint32_t small;            /* S3-FIFO: items without RD_ITEM_MAIN */
  uint32_t sweep_slot, sweep_bucket; /* the place at which the sweep continues */
  uint32_t due_lost;                 /* the due times of the shard's buckets are invalid and must be set again */
  uint32_t ghosts;                   /* blocks of ghost[] in use */
  uint32_t paused_slot;              /* RD_SHARD_PAUSED: the slot, the hash and the item of that key ... */
  uint64_t paused_hash;
  rd_ref paused_item; /* ... 0: it has no item */
  uint64_t packed;    /* bytes in use when the heap could not be packed closer; 0: not tried */
  rd_ref ghost[RD_GHOST_BLOCKS];
  uint64_t script_bytes;   /* of bodies of scripts and libraries: store/scripts.h */
  uint32_t scripts_loaded; /* bodies that stay until they are flushed */
  rd_index index[RD_SLOTS];
  rd_heap heap;
} __attribute__((aligned(64)));

#define RD_WAITED 0x80000000u

#define RD_TICKETS (1u << 17) /* clients of a worker that can wait at the same time */
#define RD_PAGE 4096u
#define RD_VERSIONS 65536u /* The number of version counters for WATCH. */

/* The count of one address's connections; 0: the slot is free. */
typedef struct rd_address {
  uint8_t bytes[16];
  uint32_t count;
} rd_address;
#define RD_ADDRESS_PAGES (RD_ADDRESS_SLOTS * (uint32_t)sizeof(rd_address) / RD_PAGE)

/* The messages from other processes to one process: ring.h. */
typedef struct rd_ring {
  pthread_mutex_t lock;    /* held by writers */
  _Atomic uint32_t backed; /* 1: the system has given its bytes; changed under the lock */
  _Atomic uint32_t joins;  /* counts owners: a record for one owner is not for the next */
  _Atomic uint64_t behind; /* bit i: the process of block i keeps records for this ring, which come later */
  _Atomic uint64_t tail __attribute__((aligned(64))); /* bytes written; moved when a record is whole */
  _Atomic uint64_t head __attribute__((aligned(64))); /* bytes read; the owner's */
  _Atomic uint32_t awake; /* the owner checks the ring before it sleeps, or its eventfd has been written */
} rd_ring;

struct rd_worker {
  _Atomic uint32_t pid; /* the process that owns the block; 0: the block is free */
  uint32_t number;
  uint64_t started; /* the start time of the process: worker.c */
  _Atomic uint64_t heartbeat;
  _Atomic uint64_t running; /* the script that runs for long: running.c */
  _Atomic uint64_t user_us, system_us;
  _Atomic uint64_t gauge[RD_GAUGE_COUNT];
  _Atomic uint32_t secret[RD_SECRETS]; /* open connections that authenticated with each secret */
  uint32_t open;                       /* open connections; this field and all below it change under admission.lock */
  uint32_t local;                      /* open connections from the same machine */
  uint32_t addresses;                  /* slots of the address table in use */
  _Atomic uint64_t address_pages[(RD_ADDRESS_PAGES + 63) / 64]; /* bit i: page i of the address table was written to */
  rd_ring ring;
  rd_roll roll;
  _Atomic uint32_t tickets_backed; /* bytes of `tickets` that the system has given */
  rd_tracked tracked;
  rd_counters counters;
  rd_address address[RD_ADDRESS_SLOTS] __attribute__((aligned(RD_PAGE)));
  uint8_t ring_bytes[RD_RING_BYTES] __attribute__((aligned(RD_PAGE)));
  rd_roll_tables roll_tables __attribute__((aligned(RD_PAGE)));
  _Atomic uint64_t tickets[RD_TICKETS] __attribute__((aligned(RD_PAGE)));              /* store/waiters.h */
  _Atomic uint8_t tracked_bits[RD_TRACKED_BITS / 8] __attribute__((aligned(RD_PAGE))); /* tracked.h */
};
_Static_assert(RD_MAX_WORKERS == 64, "rd_header.workers_used, monitors, subscribers and trackers have a bit for each");
/* The part of the block that every process that has joined uses. */
#define RD_WORKER_HEAD offsetof(rd_worker, address)

#define RD_LARGEST_RESERVE 16u

typedef struct rd_pool {
  pthread_mutex_t lock;
  uint32_t dirty;
  uint32_t free;  /* index + 1 of the first free region; 0: none */
  uint32_t fresh; /* regions from here on were never used */
  uint32_t in_use;
  uint32_t limit;
  uint32_t over_from;    /* while fewer regions are in use, the store is within max_memory: rd_is_over */
  uint32_t reserve;      /* regions beyond the limit, within max_memory, that rd_reserve may lend */
  uint32_t system_limit; /* regions in use when the system had no memory for one more; UINT32_MAX: it had memory */
  uint32_t trim;         /* the next region whose pages may be given back; `fresh` or higher: none */
} rd_pool;

/* The limits on connections over all workers. The lock also guards the ownership of workers' blocks. */
typedef struct rd_admission {
  pthread_mutex_t lock;
  uint64_t full_at; /* when the bucket of new connections is full again, in nanoseconds: rd_rate_take */
} rd_admission;

typedef struct rd_secret {
  _Atomic uint64_t id; /* identifies the secret; 0: the place is free */
  _Atomic uint64_t last_used_ms;
  _Atomic uint64_t uses;
} rd_secret;

/* The lifetime of each word of the arena:
 *
 *   always      From the arena's making to its end. Attaching verifies it, and refuses the arena if it is invalid.
 *   contents    What clients stored, and the indexes to it. It outlives the daemon; rd_attach_alone verifies what is
 *               cheap.
 *   settings    The daemon sets it at each start, from its configuration.
 *   run         From the first process of a run until the last has ended: the next run resets it (begin_run).
 *
 * In the header a comment marks each group. Elsewhere:
 *
 *   rd_shard    run: lock, watchers (WATCH), due_lost. All other fields are contents; also `dirty`, which records a
 *               death, and `epoch`, which only counts up.
 *   versions    contents: counters of WATCH, which are compared within a run and never reset.
 *   rd_region   contents.
 *   rd_pool     run: lock, `dirty`, `system_limit`, list and counts, rebuilt from the region table; settings: `limit`,
 *               `over_from`, `reserve`.
 *   rd_worker   run, all of it: heartbeats, gauges (connections, monitors, memory), counters since the start (INFO's
 *               statistics, errors, commands, latencies), connections by address and by password, and its ring
 *               (messages from other processes), roll (subscriptions) and filters (tracked.h), which no later owner of
 *               the block reads.
 *
 * Private memory of a process, lost when it ends: sessions, SLOWLOG, ACL LOG, LATENCY's events, the number of
 * refused connections that were not logged yet, lines of MONITOR. */
struct rd_header {
  /* always */
  uint64_t magic;
  uint32_t layout;
  uint32_t ready; /* `ready` is set last */
  uint64_t size;
  uint32_t num_shards;
  uint32_t num_regions;
  uint64_t seed[2];
  uint64_t shards_at, workers_at, versions_at, regions_at, body_at; /* offsets of the parts */
  uint32_t version_mask;                                            /* version counters - 1 */
  uint32_t spare;
  uint64_t sum; /* checksum of all fields before this one, verified when the arena is attached */
  /* settings */
  uint64_t max_memory;
  _Atomic uint32_t policy;
  _Atomic uint32_t sample_size;
  /* The events of keys that are published (session/events.h), and whether any client tracks (tracked.h), which is of
   * this run. */
  _Atomic uint32_t notify;
  /* run */
  _Atomic uint32_t pause; /* CLIENT PAUSE: rd_set_pause */
  _Atomic uint32_t active_expire;
  _Atomic uint32_t generation; /* the generation of the configuration that was announced last: rd_announce */
  _Atomic uint64_t pause_until;
  _Atomic uint64_t workers_used;                 /* bit i: a process has counted in block i */
  _Atomic uint64_t monitors;                     /* bit i: gauge `monitors` of block i is not 0 */
  _Atomic uint64_t subscribers;                  /* bit i: the roll of block i has an entry */
  _Atomic uint64_t trackers;                     /* bit i: clients of block i cache what they read: tracked.h */
  _Atomic uint64_t distinct[RD_ROLL_KINDS];      /* names in all rolls, by kind */
  uint64_t published;                            /* publications that went to other workers */
  _Atomic uint64_t reaped;                       /* workers that were found dead: store/waiters.h */
  _Atomic uint64_t gone_user_us, gone_system_us; /* CPU time of workers that have ended */
  _Atomic uint64_t peak_memory;
  /* contents */
  _Atomic uint32_t doubt;                      /* counts how often the whole arena came into doubt */
  _Atomic uint64_t graves[RD_MAX_SHARDS / 64]; /* bit i: shard i may have graves (store/grave.h). A hint */
  /* Logical database -> index slot: two maps and which one is valid, so that a change is one store. */
  _Atomic uint32_t map;
  uint8_t slot_of_db[2][RD_ALL_DATABASES]; /* the last ones are RD_WAIT_DB's, RD_SCRIPT_DB's, RD_LIBRARY_DB's */
  uint32_t flushes[RD_SLOTS];              /* counts the times that a slot was emptied in place */
  _Atomic uint64_t next[RD_SEQ_COUNT];     /* the next number of each sequence, over all runs: logs contain them */
  _Atomic uint32_t scripts_gone, libraries_changed; /* count, see store/scripts.h */
  _Atomic uint32_t script_used[RD_SCRIPT_TIMES];    /* when a script of this hash was used, in ms; a hint */
  rd_secret secret[RD_SECRETS]; /* when each password was used, over all runs; changed under admission.lock */
  /* run */
  pthread_mutex_t rolls_lock; /* roll.h */
  rd_admission admission;
  /* run and contents: see above */
  rd_pool pool __attribute__((aligned(64)));
};

static inline rd_shard *rd_shard_at(const rd_store *st, uint32_t shard) { return &st->shards[shard]; }
static inline rd_worker *rd_worker_at(const rd_store *st, uint32_t i) {
  return (rd_worker *)rd_at(st, st->head->workers_at) + i;
}
/* True if block `i` was ever used. Reading an unused block would allocate its memory. */
static inline bool rd_worker_used(const rd_store *st, uint32_t i) {
  return atomic_load_explicit(&st->head->workers_used, memory_order_relaxed) >> i & 1;
}
static inline uint32_t rd_slot_of(const rd_store *st, unsigned db) {
  return st->head->slot_of_db[atomic_load_explicit(&st->head->map, memory_order_relaxed) & 1][db];
}
/* The version counter of a key (WATCH). */
static inline uint32_t *rd_version_at(const rd_store *st, uint32_t slot, uint64_t hash) {
  uint64_t mixed = (hash ^ slot) * 0x9e3779b97f4a7c15ull;
  return (uint32_t *)(void *)(st->base + st->head->versions_at) + (mixed >> 32 & st->head->version_mask);
}
/* Reads without a lock: false is certain, true is not. */
static inline bool rd_may_be_over(const rd_store *st) { return st->head->pool.in_use >= st->head->pool.over_from; }
static inline void rd_count_stat(rd_store *st, rd_stat stat, uint64_t n) { st->worker->counters.value[stat] += n; }

#endif
