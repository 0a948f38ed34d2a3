/* store.h - the keyspace as commands see it.
 *
 * A command runs with the shards of all its keys locked (the dispatcher does that from the command table); it looks
 * keys up, reads values in place, and changes them through the calls below. Commands without declared keys (SCAN,
 * KEYS, FLUSHALL ...) use databases.h.
 *
 * An rd_item pointer stays valid until the next call that may allocate (marked ALLOCATES) on a key of the same shard,
 * or until the command ends. Calls that allocate fail with RD_OOM and then leave every value as it was.
 *
 * Crash safety: the first change of a shard in a command marks the shard dirty, the command's end (or the first
 * change of another shard) marks it clean. A process that dies in between loses that one shard. */
#ifndef RD_STORE_H
#define RD_STORE_H

#include "arena/arena.h"
#include "arena/key.h"
#include "arena/memory.h"

typedef enum rd_result { RD_OK = 0, RD_OOM = 1 } rd_result;

/* The numbers are Redis's; types/types.c has the types that exist. */
typedef enum rd_type { RD_STRING = 0, RD_LIST = 1, RD_SET = 2, RD_ZSET = 3, RD_HASH = 4, RD_STREAM = 6 } rd_type;

/* The origin of a string's encoding, which only OBJECT ENCODING shows (see rd_item_encoding). */
typedef enum rd_encoding {
  RD_ENC_AUTO = 0, /* int, embstr or raw, depending on the bytes */
  RD_ENC_RAW = 1,  /* grown in place: raw */
  RD_ENC_TEXT = 2, /* embstr or raw, depending on the length, never int: used by INCRBYFLOAT */
} rd_encoding;

/* The names of changes in Redis's keyspace events, and the classes of the events (event.h). A row: id, name, class.
 * Those of groups of streams are the last ones (rd_event_is_of_group). */
#define RD_EVENTS(X)                                        \
  X(NONE, "", UNNAMED)                                      \
  X(FLUSHED, "", UNNAMED)                                   \
  X(NEW, "new", NEW)                                        \
  X(KEYMISS, "keymiss", MISS)                               \
  X(EXPIRED, "expired", EXPIRED)                            \
  X(EVICTED, "evicted", EVICTED)                            \
  X(DEL, "del", GENERIC)                                    \
  X(EXPIRE, "expire", GENERIC)                              \
  X(PERSIST, "persist", GENERIC)                            \
  X(RENAME_FROM, "rename_from", GENERIC)                    \
  X(RENAME_TO, "rename_to", GENERIC)                        \
  X(MOVE_FROM, "move_from", GENERIC)                        \
  X(MOVE_TO, "move_to", GENERIC)                            \
  X(COPY_TO, "copy_to", GENERIC)                            \
  X(RESTORE, "restore", GENERIC)                            \
  X(SET, "set", STRING)                                     \
  X(APPEND, "append", STRING)                               \
  X(INCRBY, "incrby", STRING)                               \
  X(INCRBYFLOAT, "incrbyfloat", STRING)                     \
  X(SETRANGE, "setrange", STRING)                           \
  X(SETBIT, "setbit", STRING)                               \
  X(PFADD, "pfadd", STRING)                                 \
  X(HSET, "hset", HASH)                                     \
  X(HINCRBY, "hincrby", HASH)                               \
  X(HINCRBYFLOAT, "hincrbyfloat", HASH)                     \
  X(HDEL, "hdel", HASH)                                     \
  X(HEXPIRE, "hexpire", HASH)                               \
  X(HEXPIRED, "hexpired", HASH)                             \
  X(HSWEPT, "hexpired", EXPIRED)                            \
  X(HPERSIST, "hpersist", HASH)                             \
  X(LPUSH, "lpush", LIST)                                   \
  X(RPUSH, "rpush", LIST)                                   \
  X(LPOP, "lpop", LIST)                                     \
  X(RPOP, "rpop", LIST)                                     \
  X(LINSERT, "linsert", LIST)                               \
  X(LSET, "lset", LIST)                                     \
  X(LREM, "lrem", LIST)                                     \
  X(LTRIM, "ltrim", LIST)                                   \
  X(SORTSTORE, "sortstore", LIST)                           \
  X(SADD, "sadd", SET)                                      \
  X(SREM, "srem", SET)                                      \
  X(SPOP, "spop", SET)                                      \
  X(SINTERSTORE, "sinterstore", SET)                        \
  X(SUNIONSTORE, "sunionstore", SET)                        \
  X(SDIFFSTORE, "sdiffstore", SET)                          \
  X(ZADD, "zadd", ZSET)                                     \
  X(ZINCR, "zincr", ZSET)                                   \
  X(ZREM, "zrem", ZSET)                                     \
  X(ZREMRANGEBYSCORE, "zremrangebyscore", ZSET)             \
  X(ZREMRANGEBYRANK, "zremrangebyrank", ZSET)               \
  X(ZREMRANGEBYLEX, "zremrangebylex", ZSET)                 \
  X(ZPOPMIN, "zpopmin", ZSET)                               \
  X(ZPOPMAX, "zpopmax", ZSET)                               \
  X(ZRANGESTORE, "zrangestore", ZSET)                       \
  X(ZUNIONSTORE, "zunionstore", ZSET)                       \
  X(ZINTERSTORE, "zinterstore", ZSET)                       \
  X(ZDIFFSTORE, "zdiffstore", ZSET)                         \
  X(GEORADIUSSTORE, "georadiusstore", ZSET)                 \
  X(GEOSEARCHSTORE, "geosearchstore", ZSET)                 \
  X(XADD, "xadd", STREAM)                                   \
  X(XTRIM, "xtrim", STREAM)                                 \
  X(XDEL, "xdel", STREAM)                                   \
  X(XSETID, "xsetid", STREAM)                               \
  X(XGROUP_CREATE, "xgroup-create", STREAM)                 \
  X(XGROUP_SETID, "xgroup-setid", STREAM)                   \
  X(XGROUP_DESTROY, "xgroup-destroy", STREAM)               \
  X(XGROUP_CREATECONSUMER, "xgroup-createconsumer", STREAM) \
  X(XGROUP_DELCONSUMER, "xgroup-delconsumer", STREAM)

typedef enum rd_key_event {
#define RD_EVENT_ID(id, name, class) RD_EVENT_##id,
  RD_EVENTS(RD_EVENT_ID)
#undef RD_EVENT_ID
} rd_key_event;

#define RD_NO_EXPIRY INT64_MAX   /* no expiry; all other expiries are milliseconds since the epoch */
#define RD_KEEP_EXPIRY INT64_MIN /* for rd_set: keep the key's expiry */

/* Prefetch the key's bucket, then its item, into the cache. Safe without any lock: the data that they read may be
 * stale, and the result is only a hint. Call the second some time after the first, with the bucket that the first
 * returned, or NULL. */
const struct rd_bucket *rd_prefetch_bucket(const rd_store *st, const rd_key *key);
void rd_prefetch_item(const rd_store *st, uint64_t hash, const struct rd_bucket *bucket);

/* ---- lookup. An expired key is deleted, and counts as absent. ---- */

/* For reading: counts a hit or a miss (RD_EVENT_KEYMISS), updates the access state that eviction uses. NULL: absent. */
rd_item *rd_find_read(rd_store *st, const rd_key *key);
/* For writing: updates the access state, counts nothing. */
rd_item *rd_find_write(rd_store *st, const rd_key *key);
/* Leaves the access state unchanged (TTL, TYPE ... as Redis's NOTOUCH); if `count`, counts and reports a hit or a
 * miss. */
rd_item *rd_find_quiet(rd_store *st, const rd_key *key, bool count);
/* Count a hit or a miss as the lookups do. */
void rd_count_lookup(rd_store *st, bool hit);

/* ---- reading an item ---- */

rd_type rd_item_type(const rd_item *it);
rd_encoding rd_item_encoding(const rd_item *it);
int64_t rd_item_expiry(const rd_item *it); /* milliseconds since the epoch, or RD_NO_EXPIRY */
uint64_t rd_item_len(const rd_item *it);   /* bytes of the value */
/* The whole value when it is in one piece (always so up to RD_FLAT_MAX bytes, unless the key is longer than 4,096
 * bytes); else NULL. */
const uint8_t *rd_item_flat(const rd_item *it);
#define RD_FLAT_MAX 7900u
/* The longest piece of the value that starts at `off` (off < len). */
rd_bytes rd_item_piece(rd_store *st, const rd_item *it, uint64_t off);
/* Copy [off, off + len) of the value, which must exist, to `dst`. */
void rd_item_read(rd_store *st, const rd_item *it, uint64_t off, void *dst, uint64_t len);
uint32_t rd_item_key_len(const rd_item *it);
void rd_item_key(rd_store *st, const rd_item *it, void *dst);
uint64_t rd_item_memory(rd_store *st,
                        const rd_item *it); /* bytes of the arena that it takes, including its share of the index */
uint64_t rd_item_idle_ms(rd_store *st, const rd_item *it);
unsigned rd_item_freq(rd_store *st, const rd_item *it); /* 0..255, LFU with decay (0..3 for S3-FIFO) */
/* RESTORE's IDLETIME and FREQ; the one that the policy does not use is ignored. */
void rd_item_set_idle(rd_store *st, rd_item *it, uint64_t idle_ms);
void rd_item_set_freq(rd_store *st, rd_item *it, unsigned freq);

/* ---- changing. Each call informs watchers of the key, and the listener with `event` (event.h). ----
 *
 * A key that was absent, or is a copy of another, first has RD_EVENT_NEW. Of several calls that make one change for
 * Redis, all but the last have RD_EVENT_NONE. */

/* Report an event to the listener, if any, that no call below reports. */
void rd_notify_listener(rd_store *st, const rd_key *key, rd_key_event event);
static inline void rd_notify(rd_store *st, const rd_key *key, rd_key_event event) {
  if (RD_UNLIKELY(st->listening != 0)) rd_notify_listener(st, key, event);
}
/* The key is as it was, but clients that wait for it must look again: before its shard's lock is released. */
void rd_note_waited(rd_store *st, const rd_key *key);
/* True if the listener wants events of this kind. */
bool rd_event_wanted(const rd_store *st, rd_key_event event);

/* Count `n` more changes by the running command, as Redis counts them for rdb_changes_since_last_save. A command
 * that changed anything without calling this counts as one change. */
static inline void rd_note_changes(rd_store *st, uint64_t n) { st->noted += n; }

/* Set the key to a string of `parts` pieces, in order; insert or replace. ALLOCATES. The pieces must not be in the
 * arena; one whose data is NULL stands for zeros. */
rd_result rd_set_parts(rd_store *st, const rd_key *key, const rd_bytes *parts, unsigned nparts, int64_t expiry,
                       rd_encoding enc, rd_key_event event);
rd_result rd_set(rd_store *st, const rd_key *key, const void *data, uint64_t len, int64_t expiry, rd_encoding enc,
                 rd_key_event event);
/* Make the value of an existing string `len` bytes long: zeros are appended, or bytes are cut off. The expiry stays.
 * *item is set to the item, which may have moved. ALLOCATES when it grows. Reports RD_EVENT_NONE. */
rd_result rd_resize(rd_store *st, const rd_key *key, rd_item **item, uint64_t len, rd_encoding enc);
/* Overwrite [off, off + len) of the value, which must exist. Never fails. */
void rd_write(rd_store *st, const rd_key *key, rd_item *it, uint64_t off, const void *src, uint64_t len,
              rd_key_event event);
/* Set or remove (RD_NO_EXPIRY) the expiry. *item may move. ALLOCATES when the key had none. */
rd_result rd_set_expiry(rd_store *st, const rd_key *key, rd_item **item, int64_t expiry, rd_key_event event);
/* Delete the key (RD_EVENT_DEL); false when there was none. */
bool rd_delete(rd_store *st, const rd_key *key);
/* As rd_delete, and an expired value is deleted as any other (RD_EVENT_DEL): for commands whose result is empty, as in
 * Redis. */
bool rd_discard(rd_store *st, const rd_key *key);
/* Make `dst` a copy of `src` (value, type, encoding, expiry), replacing what was there. Both shards must be locked.
 * ALLOCATES. */
rd_result rd_copy(rd_store *st, const rd_key *src, const rd_key *dst, rd_key_event event);

/* Give the value of `src` (with its expiry) to `dst`, replacing the old value; `src` is deleted. Both shards must be
 * locked. A large value is not copied: it keeps its blocks, and nothing is evicted for it. The events of both keys
 * are reported at the end. ALLOCATES. */
rd_result rd_move(rd_store *st, const rd_key *src, const rd_key *dst, rd_key_event from, rd_key_event to);

/* ---- several keys, all of them or none (MSET) ----
 *
 * rd_keep_begin, then rd_set_keeping for each key: it is rd_set, but the key's old value stays in the arena. In the
 * end, for each key that was set, call either rd_forget_kept, or rd_restore_kept in the opposite order. Neither can
 * fail: nothing is allocated. All of it happens within one command; the sweep removes what a process kept when it died.
 * The listener gets only RD_EVENT_NONE: the caller reports the changes once they are known to stay. */
typedef enum rd_kept {
  RD_KEPT_VALUE,   /* the key's old value is kept */
  RD_KEPT_ABSENCE, /* the key did not exist */
  RD_KEPT_BEFORE,  /* an earlier call for the same key keeps its old value */
} rd_kept;
void rd_keep_begin(rd_store *st);
/* ALLOCATES; *kept is set when it succeeds. */
rd_result rd_set_keeping(rd_store *st, const rd_key *key, const void *data, uint64_t len, int64_t expiry,
                         rd_kept *kept);
/* Restore the key's old value, or its absence. If the policy allowed to evict the old value meanwhile, the key may
 * be absent. */
void rd_restore_kept(rd_store *st, const rd_key *key, rd_kept kept);
void rd_forget_kept(rd_store *st, const rd_key *key, rd_kept kept);

#endif
