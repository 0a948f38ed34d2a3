/* scripts.c - bodies of scripts and libraries as strings in the arena. The first bytes of the string are a `head`. */
#include "store/scripts.h"

#include "arena/lock.h"
#include "arena/worker.h"
#include "store/index.h"
#include "store/internal.h"
#include "store/item.h"

#define MOST (32ull << 20)
#define SHARE 8u /* the bodies take at most this part of max_memory */

struct head {
  uint64_t number;
  uint32_t flags;
  uint32_t spare;
};

rd_key rd_script_key(const rd_store *st, const uint8_t sha[RD_SHA_BYTES]) {
  return rd_key_of(st, (rd_bytes){sha, RD_SHA_BYTES}, RD_SCRIPT_DB);
}

rd_key rd_library_key(const rd_store *st, rd_bytes name) { return rd_key_of(st, name, RD_LIBRARY_DB); }

/* ---- reading ---- */

static struct head head_of(rd_store *st, const rd_item *it) {
  struct head head;
  rd_item_read(st, it, 0, &head, sizeof head);
  return head;
}

bool rd_script_of(rd_store *st, const rd_item *it, rd_script_info *script) {
  if (rd_item_type(it) != RD_STRING || rd_item_len(it) < sizeof(struct head)) return false; /* damaged */
  struct head head = head_of(st, it);
  *script = (rd_script_info){head.number, rd_item_len(it) - sizeof head, head.flags};
  return true;
}

void rd_script_body(rd_store *st, const rd_item *it, void *dst) {
  rd_item_read(st, it, sizeof(struct head), dst, rd_item_len(it) - sizeof(struct head));
}

bool rd_script_find(rd_store *st, const rd_key *key, rd_script_info *script) {
  const rd_item *it = rd_find_quiet(st, key, false);
  return it != NULL && rd_script_of(st, it, script);
}

void rd_script_read(rd_store *st, const rd_key *key, void *dst) {
  const rd_item *it = rd_find_quiet(st, key, false);
  if (it != NULL) rd_script_body(st, it, dst);
}

/* ---- the time of the last use: a table of times by hash; with others' time a script stays longer ---- */

static _Atomic uint32_t *use_of(const rd_store *st, uint64_t hash) {
  return &st->head->script_used[hash % RD_SCRIPT_TIMES];
}

void rd_script_used(rd_store *st, const rd_key *key) {
  _Atomic uint32_t *used = use_of(st, key->hash);
  uint32_t now = (uint32_t)st->now_ms;
  if (atomic_load_explicit(used, memory_order_relaxed) != now) atomic_store_explicit(used, now, memory_order_relaxed);
}

/* ---- figures ---- */

static uint64_t count_of(const rd_store *st, uint32_t slot) {
  uint64_t n = 0;
  for (uint32_t i = 0; i < st->num_shards; i++) n += rd_shard_at(st, i)->index[slot].count;
  return n;
}

uint64_t rd_scripts_count(const rd_store *st) { return count_of(st, RD_SCRIPT_SLOT); }
uint64_t rd_libraries_count(const rd_store *st) { return count_of(st, RD_LIBRARY_SLOT); }

uint64_t rd_scripts_bytes(const rd_store *st) {
  uint64_t n = 0;
  for (uint32_t i = 0; i < st->num_shards; i++) n += rd_shard_at(st, i)->script_bytes;
  return n;
}

uint64_t rd_scripts_most(const rd_store *st) {
  uint64_t share = st->head->max_memory / SHARE;
  return share < MOST ? share : MOST;
}

static uint64_t evaled(const rd_store *st) {
  uint64_t loaded = 0;
  for (uint32_t i = 0; i < st->num_shards; i++) loaded += rd_shard_at(st, i)->scripts_loaded;
  return rd_scripts_count(st) - loaded;
}

uint32_t rd_scripts_generation(const rd_store *st) { return atomic_load(&st->head->scripts_gone); }
uint32_t rd_libraries_generation(const rd_store *st) { return atomic_load(&st->head->libraries_changed); }

static void gone(rd_store *st, uint32_t slot) {
  atomic_fetch_add(slot == RD_SCRIPT_SLOT ? &st->head->scripts_gone : &st->head->libraries_changed, 1);
}

/* ---- the counts of a shard, which change with its contents while it is marked dirty ---- */

static uint64_t cost_of(uint64_t key_len, uint64_t value_len) {
  uint64_t own = key_len + value_len;
  return own + RD_SCRIPT_COST + own / 64; /* a body of many blocks has tables */
}

bool rd_script_check(const rd_store *st, const rd_item *it, uint64_t *bytes, uint32_t *loaded) {
  if (rd_item_type(it) != RD_STRING || rd_item_len(it) < sizeof(struct head)) return false;
  *bytes += cost_of(rd_item_key_len(it), rd_item_len(it));
  if (rd_item_slot(it) == RD_LIBRARY_SLOT) return true;
  *loaded += (head_of((rd_store *)(uintptr_t)st, it).flags & RD_SCRIPT_LOADED) != 0;
  return rd_item_key_len(it) == RD_SHA_BYTES;
}

/* Subtract an item that is going to leave. */
static void discount(rd_store *st, uint32_t shard, const rd_item *it) {
  rd_shard *sh = rd_shard_at(st, shard);
  uint64_t bytes = 0;
  uint32_t loaded = 0;
  rd_script_check(st, it, &bytes, &loaded);
  rd_mark_dirty(st, shard);
  sh->script_bytes -= bytes;
  sh->scripts_loaded -= loaded;
}

/* ---- walking ---- */

typedef bool visit(void *arg, rd_store *st, uint32_t shard, const rd_item *it);

static bool each_in(rd_store *st, uint32_t shard, uint32_t slot, visit *f, void *arg) {
  const rd_index *ix = &rd_shard_at(st, shard)->index[slot];
  for (uint32_t n = 0; n < ix->buckets; n++) {
    uint32_t left = rd_chain_limit(ix);
    for (const rd_bucket *b = rd_index_bucket(st, ix, n); b != NULL; b = rd_chain_next(st, ix, b, &left)) {
      for (uint32_t m = rd_bucket_entries(b); m != 0; m &= m - 1) {
        if (!f(arg, st, shard, rd_at(st, rd_entry_ref(b, (uint32_t)__builtin_ctz(m))))) return false;
      }
    }
  }
  return true;
}

static void each(rd_store *st, uint32_t slot, visit *f, void *arg) {
  for (uint32_t i = 0; i < st->num_shards; i++) {
    if (rd_shard_at(st, i)->index[slot].count != 0 && !each_in(st, i, slot, f, arg)) return;
  }
}

struct visited {
  rd_library_visitor *f;
  void *arg;
};

static bool visit_library(void *arg, rd_store *st, uint32_t shard, const rd_item *it) {
  (void)shard;
  struct visited *v = arg;
  return v->f(v->arg, st, it);
}

void rd_libraries_each(rd_store *st, rd_library_visitor *f, void *arg) {
  struct visited v = {f, arg};
  each(st, RD_LIBRARY_SLOT, visit_library, &v);
}

/* ---- removing ---- */

/* The bodies that were not used for the longest time, the oldest first. */
struct oldest {
  uint32_t n, want;
  struct {
    rd_ref item;
    uint32_t shard;
    uint32_t idle;
    uint64_t number;
  } found[RD_SCRIPTS_REMOVED];
};

static bool look_at(void *arg, rd_store *st, uint32_t shard, const rd_item *it) {
  struct oldest *o = arg;
  rd_script_info script;
  if (!rd_script_of(st, it, &script) || (script.flags & RD_SCRIPT_LOADED) != 0) return true;
  uint32_t idle = (uint32_t)st->now_ms - atomic_load_explicit(use_of(st, rd_item_hash(st, it)), memory_order_relaxed);
  if ((int32_t)idle < 0) idle = 0; /* the clock was set back */
  uint32_t at = o->n;
  while (at > 0 &&
         (idle > o->found[at - 1].idle || (idle == o->found[at - 1].idle && script.number < o->found[at - 1].number)))
    at--;
  if (at == o->want) return true;
  uint32_t last = o->n < o->want ? o->n++ : o->n - 1;
  memmove(&o->found[at + 1], &o->found[at], (last - at) * sizeof o->found[0]);
  o->found[at].item = rd_ref_of(st, it);
  o->found[at].shard = shard;
  o->found[at].idle = idle;
  o->found[at].number = script.number;
  return true;
}

/* Nobody else's change: the command that removes a body for another one has changed no key. */
static void remove_item(rd_store *st, uint32_t shard, rd_ref item) {
  uint32_t touched = st->touched, slot = rd_item_slot(rd_at(st, item));
  discount(st, shard, rd_at(st, item));
  rd_remove_item(st, shard, item, RD_GONE_MOVED);
  st->touched = touched;
  gone(st, slot);
}

/* Remove up to `want` of the least recently used bodies that need not stay. False: there is none. */
static bool remove_oldest(rd_store *st, uint32_t want) {
  struct oldest o = {.want = want};
  each(st, RD_SCRIPT_SLOT, look_at, &o);
  for (uint32_t i = 0; i < o.n; i++) remove_item(st, o.found[i].shard, o.found[i].item);
  return o.n != 0;
}

enum { BATCH = 64 };

struct batch {
  uint32_t n;
  rd_ref item[BATCH];
};

static bool collect(void *arg, rd_store *st, uint32_t shard, const rd_item *it) {
  (void)shard;
  struct batch *b = arg;
  b->item[b->n++] = rd_ref_of(st, it);
  return b->n < BATCH;
}

static void flush(rd_store *st, uint32_t slot) {
  for (uint32_t i = 0; i < st->num_shards; i++) {
    const rd_index *ix = &rd_shard_at(st, i)->index[slot];
    for (uint32_t before = UINT32_MAX; ix->count != 0 && ix->count < before;) { /* a damaged index may keep some */
      struct batch b = {.n = 0};
      before = ix->count;
      each_in(st, i, slot, collect, &b);
      for (uint32_t k = 0; k < b.n; k++) remove_item(st, i, b.item[k]);
    }
  }
  rd_mark_clean(st);
  gone(st, slot);
}

void rd_scripts_flush(rd_store *st) { flush(st, RD_SCRIPT_SLOT); }
void rd_libraries_flush(rd_store *st) { flush(st, RD_LIBRARY_SLOT); }

bool rd_library_remove(rd_store *st, const rd_key *key) {
  const rd_item *it = rd_find_quiet(st, key, false);
  if (it == NULL) return false;
  remove_item(st, rd_shard_of(st, key->hash), rd_ref_of(st, it));
  return true;
}

/* ---- adding ---- */

static bool add_cost(void *arg, rd_store *st, uint32_t shard, const rd_item *it) {
  (void)shard;
  uint64_t *sum = arg, bytes = 0;
  uint32_t loaded = 0;
  rd_script_check(st, it, &bytes, &loaded);
  if (loaded == 0) *sum += bytes;
  return true;
}

/* Make room for so many bytes more, and for another body if it is not one that stays. */
static bool make_room(rd_store *st, uint64_t more, bool stays) {
  uint64_t bytes = rd_scripts_bytes(st) + more, most = rd_scripts_most(st);
  if (bytes > most) {
    uint64_t removable = 0;
    each(st, RD_SCRIPT_SLOT, add_cost, &removable);
    if (bytes - removable > most) return false;
  }
  while (rd_scripts_bytes(st) + more > most) {
    if (!remove_oldest(st, RD_SCRIPTS_REMOVED)) return false;
  }
  return stays || evaled(st) < RD_SCRIPTS_EVALED || remove_oldest(st, RD_SCRIPTS_REMOVED);
}

static void add_flags(rd_store *st, const rd_key *key, rd_item *it, uint32_t flags) {
  uint32_t touched = st->touched;
  struct head head = head_of(st, it);
  if ((head.flags | flags) == head.flags) return;
  rd_mark_dirty(st, rd_shard_of(st, key->hash));
  if ((flags & ~head.flags & RD_SCRIPT_LOADED) != 0) rd_shard_at(st, rd_shard_of(st, key->hash))->scripts_loaded++;
  head.flags |= flags;
  rd_write(st, key, it, 0, &head, sizeof head, RD_EVENT_NONE);
  st->touched = touched;
}

void rd_script_mark(rd_store *st, const rd_key *key, uint32_t flags) {
  rd_item *it = rd_find_quiet(st, key, false);
  rd_script_info script;
  if (it != NULL && rd_script_of(st, it, &script)) add_flags(st, key, it, flags & ~(uint32_t)RD_SCRIPT_LOADED);
}

rd_result rd_script_put(rd_store *st, const rd_key *key, rd_bytes body, uint32_t flags) {
  bool library = key->db == RD_LIBRARY_DB, stays = library || (flags & RD_SCRIPT_LOADED) != 0;
  rd_item *it = rd_find_quiet(st, key, false);
  rd_script_used(st, key);
  if (it != NULL && !library) {
    add_flags(st, key, it, flags);
    return RD_OK;
  }
  uint64_t cost = cost_of(key->len, sizeof(struct head) + body.len), had = 0;
  uint32_t none = 0;
  if (it != NULL) rd_script_check(st, it, &had, &none);
  if (body.len > rd_scripts_most(st) || !make_room(st, cost > had ? cost - had : 0, stays)) return RD_OOM;
  uint32_t touched = st->touched;
  struct head head = {.number = rd_next(st, RD_SEQ_SCRIPT), .flags = flags};
  rd_bytes parts[2] = {{(const uint8_t *)&head, sizeof head}, body};
  rd_result done = rd_set_parts(st, key, parts, 2, RD_NO_EXPIRY, RD_ENC_RAW, RD_EVENT_NONE);
  if (done == RD_OK) {
    rd_shard *sh = rd_shard_at(st, rd_shard_of(st, key->hash));
    sh->script_bytes += cost - had;
    if (!library && (flags & RD_SCRIPT_LOADED) != 0) sh->scripts_loaded++;
    if (library) gone(st, RD_LIBRARY_SLOT);
  }
  rd_mark_clean(st);
  st->touched = touched;
  return done;
}
