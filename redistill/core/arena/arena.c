#include "arena/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena/lock.h"
#include "arena/longrun.h"
#include "base/crc64.h"
#include "session/monitor.h"
#include "store/internal.h"
#include "store/recovery.h"
#include "types/hll.h"

#define VERSIONS 65536u

static const char *const policy_names[RD_POLICIES] = {
    "noeviction",   "allkeys-lru",  "allkeys-lfu",     "allkeys-random", "allkeys-s3fifo",
    "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
};

const char *rd_policy_name(rd_policy policy) { return policy < RD_POLICIES ? policy_names[policy] : NULL; }

static uint64_t round_up(uint64_t n, uint64_t unit) { return (n + unit - 1) / unit * unit; }

/* Bytes before the region table. */
static uint64_t regions_at(uint32_t num_shards) {
  return round_up(sizeof(rd_header), RD_PAGE) + VERSIONS * sizeof(uint32_t) +
         round_up((uint64_t)num_shards * sizeof(rd_shard), RD_PAGE) +
         round_up((uint64_t)RD_MAX_WORKERS * sizeof(rd_worker), RD_PAGE);
}

/* What is in use besides the regions: pages that were touched. */
uint64_t rd_fixed_memory(const rd_store *st) {
  uint64_t bytes = st->head->regions_at - RD_MAX_WORKERS * sizeof(rd_worker);
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
    if (!rd_worker_used(st, i)) continue;
    const rd_worker *w = rd_worker_at(st, i);
    bytes += RD_WORKER_HEAD;
    for (size_t k = 0; k < sizeof w->address_pages / sizeof w->address_pages[0]; k++) {
      bytes += RD_PAGE * (uint64_t)__builtin_popcountll(atomic_load(&w->address_pages[k]));
    }
  }
  return bytes;
}

static uint32_t regions_for(const rd_store *st, uint64_t max_memory) {
  uint64_t fixed = rd_fixed_memory(st);
  uint64_t n = max_memory <= fixed ? 0 : (max_memory - fixed) / (RD_REGION_SIZE + sizeof(rd_region));
  return n < st->head->num_regions ? (uint32_t)n : st->head->num_regions;
}

/* Every shard needs a region, and some are on their way from one shard to another. */
static inline uint32_t least_regions(uint32_t num_shards) { return num_shards + 16; }

void rd_fit_pool(rd_store *st) {
  uint32_t regions = regions_for(st, st->head->max_memory), least = least_regions(st->num_shards);
  bool tight = regions < least;
  if (tight) regions = least;
  uint32_t reserve = regions / 128, small = regions < 64 ? regions / 16 : 4;
  if (reserve < small) reserve = small;
  if (reserve > RD_LARGEST_RESERVE) reserve = RD_LARGEST_RESERVE;
  rd_pool_set_limit(st, regions - reserve, reserve, tight ? 0 : regions + 1);
}

bool rd_is_over(const rd_store *st) {
  return RD_UNLIKELY(rd_may_be_over(st)) && rd_used_memory(st) > st->head->max_memory;
}

uint64_t rd_min_memory(uint32_t num_shards, uint32_t workers) {
  uint64_t regions = least_regions(num_shards);
  return regions_at(num_shards) - (RD_MAX_WORKERS - (uint64_t)workers) * sizeof(rd_worker) +
         regions * (RD_REGION_SIZE + sizeof(rd_region));
}

/* What is the same from an arena's making to its end, the seed among it, summed up. */
static uint64_t header_sum(const rd_header *h) {
  rd_header always = *h;
  always.ready = 1; /* it is set last */
  return rd_crc64(0, &always, offsetof(rd_header, sum));
}

bool rd_back(const rd_store *st, uint64_t at, uint64_t bytes) {
  while (fallocate(st->fd, 0, (off_t)at, (off_t)bytes) != 0) {
    if (errno != EINTR) return errno == EOPNOTSUPP || errno == ENOSYS;
  }
  return true;
}

/* All that is touched before a worker joins: the header, the tables as far as they are used, the first block. */
static bool back_tables(const rd_store *st) {
  const rd_header *h = st->head;
  uint64_t regions = round_up((h->pool.fresh + 1ull) * sizeof(rd_region), RD_PAGE);
  return rd_back(st, 0, h->workers_at + RD_WORKER_HEAD) && rd_back(st, h->regions_at, regions);
}

static void set_view(rd_store *st) {
  st->head = (rd_header *)(void *)st->base;
  st->num_shards = st->head->num_shards;
  st->shard_shift = 64u - (uint32_t)__builtin_ctz(st->num_shards);
  st->shards = rd_at(st, st->head->shards_at);
  st->regions = rd_at(st, st->head->regions_at);
  st->worker = rd_worker_at(st, 0); /* until rd_worker_join */
  st->generation = atomic_load(&st->head->generation);
  memcpy(st->seed, st->head->seed, sizeof st->seed);
  st->rng = st->seed[0] ^ (uint64_t)getpid() << 32 ^ (uint64_t)(uintptr_t)st;
  if (st->rng == 0) st->rng = 1;
  rd_set_value_limits(st, RD_MAX_BULK, RD_HLL_SPARSE_MAX);
}

static void init_mutex(pthread_mutex_t *m) {
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(m, &attr);
  pthread_mutexattr_destroy(&attr);
}

static int no_room(rd_store *st, char *err, size_t errlen) {
  snprintf(err, errlen, "no memory for its tables: %s", strerror(errno));
  rd_detach(st);
  return -1;
}

int rd_create(rd_store *st, int fd, const rd_options *o, char *err, size_t errlen) {
  memset(st, 0, sizeof *st);
  if (o->num_shards == 0 || (o->num_shards & (o->num_shards - 1)) != 0 || o->num_shards > RD_MAX_SHARDS) {
    snprintf(err, errlen, "num_shards is %u: it must be a power of two from 1 to %u", o->num_shards, RD_MAX_SHARDS);
    return -1;
  }
  if ((unsigned)o->policy >= RD_POLICIES || o->sample_size < 1 || o->sample_size > 64) {
    snprintf(err, errlen, "eviction policy or sample size out of range");
    return -1;
  }
  uint64_t size = o->map_size > o->max_memory ? o->map_size : o->max_memory;
  uint64_t least = rd_min_memory(o->num_shards, 1);
  if (size < least || (o->max_memory != 0 && o->max_memory < least)) {
    snprintf(err, errlen, "max_memory must be at least %llu bytes with %u shards; raise it, or lower num_shards",
             (unsigned long long)least, o->num_shards);
    return -1;
  }
  uint64_t table_at = regions_at(o->num_shards);
  /* Blocks of workers that never join are not counted as memory, so they take no region away either. */
  uint64_t untouched = RD_MAX_WORKERS * sizeof(rd_worker) - RD_WORKER_HEAD;
  uint64_t num_regions = (size + untouched - table_at) / (RD_REGION_SIZE + sizeof(rd_region));
  if (num_regions > UINT32_MAX - 1) num_regions = UINT32_MAX - 1;
  uint64_t body_at = round_up(table_at + num_regions * sizeof(rd_region), RD_REGION_SIZE);
  size = body_at + num_regions * RD_REGION_SIZE;
  if (ftruncate(fd, 0) != 0 || ftruncate(fd, (off_t)size) != 0) {
    snprintf(err, errlen, "cannot make the arena %llu bytes long: %s", (unsigned long long)size, strerror(errno));
    return -1;
  }
  void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) {
    snprintf(err, errlen, "cannot map the arena of %llu bytes: %s", (unsigned long long)size, strerror(errno));
    return -1;
  }
  st->base = base;
  st->size = size;
  st->fd = fd;
  rd_header *h = base;
  if (!rd_back(st, 0, RD_PAGE)) return no_room(st, err, errlen);
  h->magic = RD_MAGIC; /* before all else: one that is never finished is known as ours */
  h->layout = RD_LAYOUT;
  h->size = size;
  h->num_shards = o->num_shards;
  h->num_regions = (uint32_t)num_regions;
  memcpy(h->seed, o->seed, sizeof h->seed);
  h->versions_at = round_up(sizeof(rd_header), RD_PAGE);
  h->version_mask = VERSIONS - 1;
  h->shards_at = h->versions_at + VERSIONS * sizeof(uint32_t);
  h->workers_at = h->shards_at + round_up((uint64_t)o->num_shards * sizeof(rd_shard), RD_PAGE);
  h->regions_at = table_at;
  h->body_at = body_at;
  st->head = h;
  if (!back_tables(st)) return no_room(st, err, errlen);
  atomic_store(&h->policy, (uint32_t)o->policy);
  atomic_store(&h->sample_size, o->sample_size);
  atomic_store(&h->active_expire, 1);
  for (uint8_t i = 0; i < RD_DATABASES; i++) h->slot_of_db[0][i] = i;
  atomic_store(&h->workers_used, 1);
  init_mutex(&h->pool.lock);
  init_mutex(&h->admission.lock);
  set_view(st);
  for (uint32_t i = 0; i < st->num_shards; i++) init_mutex(&st->shards[i].lock);
  h->pool.ceiling = UINT32_MAX;
  h->sum = header_sum(h);
  h->max_memory = o->max_memory != 0 ? o->max_memory : size;
  rd_fit_pool(st);
  atomic_thread_fence(memory_order_release);
  h->ready = 1;
  return 0;
}

/* When no process that used the arena lives, nobody holds a lock, whatever the lock says: it may come from a time when
 * the machine was cut off. Dirty marks count all the same. */
static void renew_locks(rd_store *st) {
  for (uint32_t i = 0; i < st->num_shards; i++) {
    init_mutex(&st->shards[i].lock);
  }
  init_mutex(&st->head->pool.lock);
  init_mutex(&st->head->admission.lock);
}

/* The blocks of workers that are all gone: as in a new arena. The first one is in use already. */
static void renew_workers(rd_store *st) {
  uint64_t first = st->head->workers_at + RD_WORKER_HEAD, len = RD_MAX_WORKERS * sizeof(rd_worker) - RD_WORKER_HEAD;
  memset(st->base + st->head->workers_at, 0, RD_WORKER_HEAD);
  if (fallocate(st->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)first, (off_t)len) != 0) {
    for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
      if (rd_worker_used(st, i)) memset(rd_worker_at(st, i), 0, sizeof(rd_worker));
    }
  }
}

/* The words of the header that belong to a run, as in a new arena. */
static void renew_header(rd_store *st) {
  rd_header *h = st->head;
  atomic_store(&h->pause, 0);
  atomic_store(&h->pause_until, 0);
  atomic_store(&h->active_expire, 1);
  atomic_store(&h->generation, 0);
  st->generation = 0;
  atomic_store(&h->workers_used, 1);
  atomic_store(&h->monitors, 0);
  atomic_store(&h->gone_user_us, 0);
  atomic_store(&h->gone_system_us, 0);
  h->admission.full_at = 0;
  h->pool.ceiling = UINT32_MAX;
}

/* Nobody else has the arena: what belonged to the last run is set anew, what a death left torn is emptied. */
static void begin_run(rd_store *st) {
  renew_workers(st);
  renew_header(st);
  rd_recover(st, renew_locks);
  for (uint32_t i = 0; i < st->num_shards; i++) {
    st->shards[i].due_lost = 1; /* they may have gone round while nobody looked */
    st->shards[i].watchers = 0;
  }
  atomic_store(&st->head->peak_memory, rd_used_memory(st));
  rd_fit_pool(st);
  st->began = true;
}

/* Whether all databases have a slot, each its own. */
static bool map_is_sound(const rd_header *h) {
  uint32_t seen = 0;
  for (uint32_t db = 0; db < RD_DATABASES; db++) {
    uint8_t slot = h->slot_of_db[atomic_load(&h->map) & 1][db];
    if (slot >= RD_KEPT_SLOT || (seen >> slot & 1) != 0) return false;
    seen |= 1u << slot;
  }
  return true;
}

/* What is wrong with the words that all else is reached by; NULL: nothing. */
static const char *wrong_header(const rd_header *h, uint64_t size) {
  bool shards_ok = h->num_shards != 0 && h->num_shards <= RD_MAX_SHARDS && (h->num_shards & (h->num_shards - 1)) == 0;
  if (h->ready != 1 || !shards_ok || h->size != size || h->regions_at != regions_at(h->num_shards) ||
      h->body_at != round_up(h->regions_at + (uint64_t)h->num_regions * sizeof(rd_region), RD_REGION_SIZE) ||
      h->size != h->body_at + (uint64_t)h->num_regions * RD_REGION_SIZE ||
      h->versions_at != round_up(sizeof(rd_header), RD_PAGE) || h->version_mask != VERSIONS - 1 ||
      h->shards_at != h->versions_at + VERSIONS * sizeof(uint32_t) ||
      h->workers_at != h->shards_at + round_up((uint64_t)h->num_shards * sizeof(rd_shard), RD_PAGE)) {
    return "a torn arena: it was not finished, or its size is not the one it was made with";
  }
  if (h->sum != header_sum(h)) return "a damaged arena: its header is not what it was made with";
  if (h->pool.fresh > h->num_regions) return "a damaged arena: it uses more regions than it has";
  if (!map_is_sound(h)) return "a damaged arena: its map of databases cannot be so";
  return NULL;
}

static int attach(rd_store *st, int fd, bool alone, char *err, size_t errlen) {
  memset(st, 0, sizeof *st);
  struct stat info;
  rd_header h;
  if (fstat(fd, &info) != 0 || pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h) {
    snprintf(err, errlen, "too short to be an arena");
    return -1;
  }
  if (h.magic != RD_MAGIC) {
    snprintf(err, errlen, "not an arena of redistill");
    return -1;
  }
  if (h.layout != RD_LAYOUT) {
    snprintf(err, errlen, "an arena of layout %u, this build has %u", h.layout, RD_LAYOUT);
    return -1;
  }
  const char *wrong = wrong_header(&h, (uint64_t)info.st_size);
  if (wrong != NULL) {
    snprintf(err, errlen, "%s", wrong);
    return -1;
  }
  void *base = mmap(NULL, h.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) {
    snprintf(err, errlen, "cannot map the arena of %llu bytes: %s", (unsigned long long)h.size, strerror(errno));
    return -1;
  }
  st->base = base;
  st->size = h.size;
  st->fd = fd;
  set_view(st);
  if (alone || !rd_worker_others(st)) {
    if (!back_tables(st)) return no_room(st, err, errlen);
    begin_run(st);
    return 0;
  }
  for (uint32_t i = 0; i < st->num_shards; i++) rd_heal_lock(st, i); /* what was lost is counted now */
  return 0;
}

int rd_attach(rd_store *st, int fd, char *err, size_t errlen) { return attach(st, fd, false, err, errlen); }
int rd_attach_alone(rd_store *st, int fd, char *err, size_t errlen) { return attach(st, fd, true, err, errlen); }

void rd_detach(rd_store *st) {
  rd_monitor_free(st);
  rd_longrun_forget_spare(st);
  if (st->base != NULL) munmap(st->base, st->size);
  memset(st, 0, sizeof *st);
}

/* ---- limits ---- */

const char *rd_set_max_memory(rd_store *st, uint64_t bytes) {
  if (bytes == 0) bytes = st->size;
  if (bytes > st->size) return "more than the arena was made for";
  st->head->max_memory = bytes;
  rd_fit_pool(st);
  return NULL;
}

uint64_t rd_max_memory(const rd_store *st) { return st->head->max_memory; }

uint64_t rd_used_memory(const rd_store *st) {
  uint64_t used = rd_fixed_memory(st) + (uint64_t)st->head->pool.fresh * sizeof(rd_region);
  for (uint32_t i = 0; i < st->num_shards; i++) {
    const rd_heap *h = &st->shards[i].heap;
    used += h->used + (uint64_t)h->regions * 8;
  }
  return used;
}

uint64_t rd_committed_memory(const rd_store *st) {
  return rd_fixed_memory(st) + (uint64_t)st->head->pool.fresh * sizeof(rd_region) +
         (uint64_t)st->head->pool.in_use * RD_REGION_SIZE;
}

void rd_set_value_limits(rd_store *st, uint64_t bulk, uint64_t sparse) {
  st->max_bulk = bulk < RD_MAX_BULK ? bulk : RD_MAX_BULK;
  st->hll_sparse = sparse < RD_HLL_MAX ? (uint32_t)sparse : RD_HLL_MAX;
}

void rd_set_policy(rd_store *st, rd_policy policy, uint32_t sample_size) {
  assert(policy < RD_POLICIES && sample_size >= 1 && sample_size <= 64);
  atomic_store(&st->head->policy, (uint32_t)policy);
  atomic_store(&st->head->sample_size, sample_size);
}

rd_policy rd_get_policy(const rd_store *st) { return (rd_policy)atomic_load(&st->head->policy); }

void rd_set_active_expire(rd_store *st, bool on) { atomic_store(&st->head->active_expire, on); }
bool rd_get_active_expire(const rd_store *st) { return atomic_load(&st->head->active_expire) != 0; }
