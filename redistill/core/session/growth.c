/* growth.c - adds up the bytes that commands will write, by shard, and decides whether there is room. */
#include "session/growth.h"

#include "arena/heap.h"
#include "arena/memory.h"
#include "command/call.h"
#include "command/keys.h"
#include "commands/cmd.h"
#include "store/reclaim.h"
#include "types/element.h"

/* Head of an item, expiry, a bucket of the index. */
#define KEY_COST 128u
/* Collections: a leaf may be half empty; an entry has heads, and perhaps a score and an entry in a second tree; a
 * change may split a leaf and the nodes above it, or make a packed value anew beside the old one. */
#define COLLECTIONS (RD_ACL_HASH | RD_ACL_LIST | RD_ACL_SET | RD_ACL_SORTEDSET)
#define ENTRY_COST 24u
#define SPLIT_COST 4096u

bool rd_growth_allowed(rd_store *st) {
  if (RD_LIKELY(!rd_is_over(st))) return true;
  rd_shrink_step(st, 1);
  return !rd_is_over(st) || rd_may_evict(st);
}

static inline bool is_allkeys(const rd_store *st) {
  rd_policy policy = rd_get_policy(st);
  return policy != RD_NOEVICTION && policy < RD_VOLATILE_LRU;
}

void rd_growth_begin(rd_growth *g, const rd_store *st) {
  g->all = g->large = 0;
  g->by_shard = !is_allkeys(st) || rd_growth_is_strained(st);
  if (!g->by_shard) return;
  memset(g->bytes, 0, st->num_shards * sizeof *g->bytes);
  memset(g->in, 0, sizeof g->in);
}

/* ---- the bytes that a command writes ---- */

static uint64_t value_bytes(rd_store *st, rd_bytes name, unsigned db) {
  rd_key key = rd_key_of(st, name, db);
  if (!rd_holds_shard(st, rd_shard_of(st, key.hash))) return 0;
  const rd_item *it = rd_find_quiet(st, &key, false);
  return it == NULL ? 0 : rd_item_value_bytes(st, it);
}

static void add(rd_growth *g, const rd_store *st, rd_bytes name, uint64_t bytes) {
  bytes += name.len + KEY_COST;
  g->all += bytes;
  if (bytes > RD_MAX_BLOCK) g->large += bytes;
  if (!g->by_shard) return;
  uint32_t shard = rd_shard_of(st, rd_key_of(st, name, 0).hash);
  g->in[shard >> 6] |= 1ull << (shard & 63);
  g->bytes[shard] += bytes;
}

/* Add an item's block that is allocated again: under another key, or with the field for an expiry. */
static void add_renewal(rd_growth *g, rd_store *st, const rd_command *cmd, const rd_bytes *argv, unsigned db) {
  rd_command_fn *run = cmd->run;
  bool renames = run == rd_cmd_rename || run == rd_cmd_renamenx;
  bool expires = run == rd_cmd_expire || run == rd_cmd_pexpire || run == rd_cmd_expireat || run == rd_cmd_pexpireat ||
                 run == rd_cmd_getex;
  if (!renames && !expires && run != rd_cmd_move) return;
  uint64_t bytes = value_bytes(st, argv[1], db);
  if (bytes > RD_MAX_BLOCK) bytes = renames ? 2 * RD_MAX_BLOCK : 0;
  add(g, st, argv[renames ? 2 : 1], bytes + argv[1].len);
}

/* The keys whose values become larger: the first that get something; of a move that is not the source. */
static const rd_key_run *written(const rd_keys *keys) {
  for (uint32_t r = 0; r < keys->runs; r++) {
    if ((keys->run[r].flags & (RD_KEY_INSERT | RD_KEY_UPDATE)) != 0) return &keys->run[r];
  }
  return NULL;
}

void rd_growth_add(rd_growth *g, rd_store *st, const rd_command *cmd, const rd_bytes *argv, uint32_t argc,
                   unsigned db) {
  if (cmd->keys == RD_NO_KEYS) return;
  if ((cmd->flags & RD_DENYOOM) == 0) {
    if (rd_growth_is_strained(st)) add_renewal(g, st, cmd, argv, db);
    return;
  }
  rd_keys keys;
  rd_command_keys(cmd, argv, argc, &keys);
  const rd_key_run *to = written(&keys);
  if (to == NULL) return;
  if (to->step == 2) { /* MSET: each key with its value */
    for (uint32_t i = to->first; i < to->first + 2 * to->count; i += 2) add(g, st, argv[i], argv[i + 1].len);
    return;
  }
  rd_call call = {.store = st, .command = cmd, .db = db, .argc = argc, .argv = argv};
  uint64_t bytes = cmd->grows == NULL ? 0 : cmd->grows(&call);
  bool entries = (cmd->acl & COLLECTIONS) != 0;
  if (entries) bytes += ENTRY_COST * argc;
  if (entries && g->by_shard) bytes += SPLIT_COST; /* otherwise keys are evicted for the few commands that split */
  for (uint32_t i = 2; i < argc; i++)
    bytes += entries && argv[i].len <= RD_ELEMENT_INLINE ? 2 * argv[i].len : argv[i].len;
  add(g, st, argv[to->first], bytes);
}

/* ---- the decision whether there is room ---- */

#define ROOM_OF_REGION (RD_REGION_SIZE - RD_MAX_BLOCK)

/* The regions that the shards would take from the pool. If a shard's holes may suffice, room is made in the shard. */
static uint64_t regions_short(const rd_growth *g, rd_store *st, bool make) {
  uint64_t regions = 0;
  for (uint32_t w = 0; w < (st->num_shards + 63) / 64; w++) {
    for (uint64_t bits = g->in[w]; bits != 0; bits &= bits - 1) {
      uint32_t shard = w * 64 + (uint32_t)__builtin_ctzll(bits);
      uint64_t bytes = g->bytes[shard];
      if (bytes <= RD_MAX_BLOCK) {
        if (rd_heap_has(st, shard, (uint32_t)bytes)) continue;
        if (make && rd_reserve(st, shard, (uint32_t)bytes) && rd_heap_has(st, shard, (uint32_t)bytes)) continue;
      }
      regions += bytes / ROOM_OF_REGION + 1;
    }
  }
  return regions;
}

bool rd_growth_fits(const rd_growth *g, rd_store *st, bool lent) {
  rd_mark_clean(st);
  if (!g->by_shard && rd_may_evict(st)) {
    uint64_t regions = g->large == 0 ? 0 : g->large / ROOM_OF_REGION + 2;
    return g->all / ROOM_OF_REGION < st->head->pool.limit && rd_make_room(st, regions);
  }
  if (!g->by_shard) return g->all / ROOM_OF_REGION < rd_pool_free(st); /* there is nothing to evict */
  if (rd_pool_prepare(st, regions_short(g, st, false), false)) return true;
  rd_make_room(st, regions_short(g, st, true));
  return rd_pool_prepare(st, regions_short(g, st, false), lent);
}

bool rd_growth_is_contended(const rd_growth *g, rd_store *st) {
  if (!g->by_shard && rd_may_evict(st)) return false;
  uint64_t regions = g->by_shard ? regions_short(g, st, false) : g->all / ROOM_OF_REGION + 1;
  return regions != 0 && regions * RD_MAX_WORKERS >= rd_pool_free(st);
}

bool rd_growth_fits_alone(rd_store *st, const rd_command *cmd, const rd_bytes *argv, uint32_t argc, unsigned db) {
  if (cmd->keys == RD_NO_KEYS || is_allkeys(st)) return true;
  uint64_t bytes = 0, wanted[RD_MAX_SHARDS / 64] = {0};
  for (uint32_t i = 1; i < argc; i++) bytes += argv[i].len;
  if (!rd_growth_is_hidden(cmd) && rd_growth_is_small(st, argc, bytes)) return true;
  rd_shards_of_call(st, cmd, argv, argc, wanted);
  if (!rd_lock_set_soon(st, wanted)) return true; /* EXEC will know */
  rd_growth g;
  rd_growth_begin(&g, st);
  rd_growth_add(&g, st, cmd, argv, argc, db);
  bool fits = rd_growth_fits(&g, st, false);
  rd_unlock_all(st);
  return fits;
}
