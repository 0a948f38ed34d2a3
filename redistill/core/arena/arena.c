/* arena.c - makes an arena in a file, and maps and verifies an existing one. */
#include "arena/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena/layout.h"
#include "arena/lock.h"
#include "arena/memory.h"
#include "base/crc64.h"

static const char *const policy_names[RD_POLICIES] = {
    "noeviction",   "allkeys-lru",  "allkeys-lfu",     "allkeys-random", "allkeys-s3fifo",
    "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
};

const char *rd_policy_name(rd_policy policy) { return policy < RD_POLICIES ? policy_names[policy] : NULL; }

/* The checksum of the header's words that never change after the arena was made, including the seed. */
static uint64_t header_sum(const rd_header *h) {
  rd_header always = *h;
  always.ready = 1; /* `ready` is set last, after the checksum */
  return rd_crc64(0, &always, offsetof(rd_header, sum));
}

bool rd_back(const rd_store *st, uint64_t at, uint64_t bytes) {
  while (fallocate(st->fd, 0, (off_t)at, (off_t)bytes) != 0) {
    if (errno != EINTR) return errno == EOPNOTSUPP || errno == ENOSYS;
  }
  return true;
}

/* Reserve the parts that are touched before a worker joins: the header, the used parts of the tables, the first
 * block. */
bool rd_back_tables(const rd_store *st) {
  const rd_header *h = st->head;
  uint64_t regions = rd_round_up((h->pool.fresh + 1ull) * sizeof(rd_region), RD_PAGE);
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
  st->readable = UINT64_MAX;
  rd_set_value_limits(st, RD_MAX_BULK, RD_HLL_SPARSE_MAX);
  st->type_limits = (rd_type_limits){.hash_entries = 512,
                                     .hash_value = 64,
                                     .set_integers = 512,
                                     .set_entries = 128,
                                     .set_value = 64,
                                     .zset_entries = 128,
                                     .zset_value = 64,
                                     .list_size = -2,
                                     .stream_bytes = 4096,
                                     .stream_entries = 100};
}

static int no_room(rd_store *st, char *err, size_t errlen) {
  snprintf(err, errlen, "no memory for its tables: %s", strerror(errno));
  rd_arena_unmap(st);
  return -1;
}

int rd_arena_make(rd_store *st, int fd, const rd_options *o, char *err, size_t errlen) {
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
  uint64_t table_at = rd_regions_at(o->num_shards);
  /* Blocks of workers that never join are not counted as memory, so they take no region away either. */
  uint64_t untouched = RD_MAX_WORKERS * sizeof(rd_worker) - RD_WORKER_HEAD;
  uint64_t each = RD_REGION_SIZE + sizeof(rd_region), num_regions = (size + untouched - table_at + each - 1) / each;
  if (num_regions > UINT32_MAX - 1) num_regions = UINT32_MAX - 1;
  uint64_t body_at = rd_round_up(table_at + num_regions * sizeof(rd_region), RD_REGION_SIZE);
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
  h->magic =
      /* the magic number comes first: an arena whose making is interrupted is still recognized as one */
      RD_MAGIC;
  h->layout = RD_LAYOUT;
  h->size = size;
  h->num_shards = o->num_shards;
  h->num_regions = (uint32_t)num_regions;
  memcpy(h->seed, o->seed, sizeof h->seed);
  h->versions_at = rd_round_up(sizeof(rd_header), RD_PAGE);
  h->version_mask = RD_VERSIONS - 1;
  h->shards_at = h->versions_at + RD_VERSIONS * sizeof(uint32_t);
  h->workers_at = h->shards_at + rd_round_up((uint64_t)o->num_shards * sizeof(rd_shard), RD_PAGE);
  h->regions_at = table_at;
  h->body_at = body_at;
  st->head = h;
  if (!rd_back_tables(st)) return no_room(st, err, errlen);
  atomic_store(&h->policy, (uint32_t)o->policy);
  atomic_store(&h->sample_size, o->sample_size);
  atomic_store(&h->active_expire, 1);
  for (uint8_t i = 0; i < RD_DATABASES; i++) h->slot_of_db[0][i] = i;
  for (unsigned i = 0; i < 2; i++) {
    h->slot_of_db[i][RD_WAIT_DB] = RD_WAIT_SLOT;
    h->slot_of_db[i][RD_SCRIPT_DB] = RD_SCRIPT_SLOT;
    h->slot_of_db[i][RD_LIBRARY_DB] = RD_LIBRARY_SLOT;
  }
  atomic_store(&h->workers_used, 1);
  set_view(st);
  rd_renew_locks(st);
  h->pool.system_limit = UINT32_MAX;
  h->sum = header_sum(h);
  h->max_memory = o->max_memory != 0 ? o->max_memory : size;
  rd_fit_pool(st);
  atomic_thread_fence(memory_order_release);
  h->ready = 1;
  return 0;
}

/* True if every database has an index slot that no other database has. */
static bool map_is_sound(const rd_header *h) {
  uint32_t seen = 0;
  for (uint32_t db = 0; db < RD_DATABASES; db++) {
    uint8_t slot = h->slot_of_db[atomic_load(&h->map) & 1][db];
    if (slot >= RD_STAYING_SLOT || (seen >> slot & 1) != 0) return false;
    seen |= 1u << slot;
  }
  for (unsigned i = 0; i < 2; i++) {
    const uint8_t *slot = h->slot_of_db[i];
    if (slot[RD_WAIT_DB] != RD_WAIT_SLOT || slot[RD_SCRIPT_DB] != RD_SCRIPT_SLOT) return false;
    if (slot[RD_LIBRARY_DB] != RD_LIBRARY_SLOT) return false;
  }
  return true;
}

/* The fault in the header's words by which everything else is found; NULL: the words are valid. */
static const char *wrong_header(const rd_header *h, uint64_t size) {
  bool shards_ok = h->num_shards != 0 && h->num_shards <= RD_MAX_SHARDS && (h->num_shards & (h->num_shards - 1)) == 0;
  if (h->ready != 1 || !shards_ok || h->size != size || h->regions_at != rd_regions_at(h->num_shards) ||
      h->body_at != rd_round_up(h->regions_at + (uint64_t)h->num_regions * sizeof(rd_region), RD_REGION_SIZE) ||
      h->size != h->body_at + (uint64_t)h->num_regions * RD_REGION_SIZE ||
      h->versions_at != rd_round_up(sizeof(rd_header), RD_PAGE) || h->version_mask != RD_VERSIONS - 1 ||
      h->shards_at != h->versions_at + RD_VERSIONS * sizeof(uint32_t) ||
      h->workers_at != h->shards_at + rd_round_up((uint64_t)h->num_shards * sizeof(rd_shard), RD_PAGE)) {
    return "a torn arena: it was not finished, or its size is not the one it was made with";
  }
  if (h->sum != header_sum(h)) return "a damaged arena: its header is not what it was made with";
  if (h->pool.fresh > h->num_regions) return "a damaged arena: it uses more regions than it has";
  if (!map_is_sound(h)) return "a damaged arena: its map of databases cannot be so";
  return NULL;
}

int rd_arena_map(rd_store *st, int fd, char *err, size_t errlen) {
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
  return 0;
}

void rd_arena_unmap(rd_store *st) {
  if (st->base != NULL) munmap(st->base, st->size);
  memset(st, 0, sizeof *st);
}

/* ---- settings ---- */

void rd_set_value_limits(rd_store *st, uint64_t bulk, uint64_t sparse) {
  st->max_bulk = bulk < RD_MAX_BULK ? bulk : RD_MAX_BULK;
  st->max_value = st->readable < st->max_bulk ? st->readable : st->max_bulk;
  st->hll_sparse = sparse < RD_MAX_BULK ? (uint32_t)sparse : (uint32_t)RD_MAX_BULK;
}

void rd_set_type_limits(rd_store *st, const rd_type_limits *limits) {
  st->type_limits = *limits;
  if (limits->list_size == 0) st->type_limits.list_size = 1;
  if (limits->list_size < -5) st->type_limits.list_size = -5;
}

void rd_set_policy(rd_store *st, rd_policy policy, uint32_t sample_size) {
  assert(policy < RD_POLICIES && sample_size >= 1 && sample_size <= 64);
  atomic_store(&st->head->policy, (uint32_t)policy);
  atomic_store(&st->head->sample_size, sample_size);
}

rd_policy rd_get_policy(const rd_store *st) { return (rd_policy)atomic_load(&st->head->policy); }

void rd_set_active_expire(rd_store *st, bool on) { atomic_store(&st->head->active_expire, on); }
bool rd_get_active_expire(const rd_store *st) { return atomic_load(&st->head->active_expire) != 0; }
