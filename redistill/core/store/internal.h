/* internal.h - declarations that the files of the store share beyond store.h. */
#ifndef RD_INTERNAL_H
#define RD_INTERNAL_H

#include "arena/layout.h"
#include "store/index.h"
#include "store/store.h"

/* The reason why an item leaves. RD_GONE_MOVED: its value gets another key, and the event is reported elsewhere. */
typedef enum rd_gone { RD_GONE_DELETED, RD_GONE_EXPIRED, RD_GONE_EVICTED, RD_GONE_FLUSHED, RD_GONE_MOVED } rd_gone;

/* Take an item out of the index and release it. One that is in no database, and has many blocks, stays there: only some
 * of its blocks are released (grave.h). Counts the removal, and informs watchers and the listener. The shard
 * is locked. */
void rd_remove_at(rd_store *st, uint32_t shard, uint32_t slot, rd_place place, uint64_t hash, rd_gone why);
/* The same for an item that was found without the index (in a region, in a sample). false: no index has it, so the
 * shard is damaged. */
bool rd_remove_item(rd_store *st, uint32_t shard, rd_ref item, rd_gone why);
/* Call the listener, which exists, for an event. The event's key is `key`, or the item's if that is NULL. A slot
 * that no database uses has no events. */
void rd_call_listener(rd_store *st, uint32_t slot, rd_key_event event, const rd_key *key, const rd_item *it);

/* Call the listener, if any: databases were flushed or swapped. All shards are locked. */
void rd_notify_flush(rd_store *st);

/* Count up the key's version, and note the key if a client waits for it (waiters.h); `key` NULL: it is not noted. */
void rd_touch_watched(rd_store *st, uint32_t shard, uint32_t slot, uint64_t hash, const rd_key *key);
static inline void rd_count_touch(rd_store *st, uint32_t shard, uint32_t slot, uint64_t hash, const rd_key *key) {
  st->touched++;
  uint32_t watchers = atomic_load_explicit(&rd_shard_at(st, shard)->watchers, memory_order_relaxed);
  if (RD_UNLIKELY(watchers != 0)) rd_touch_watched(st, shard, slot, hash, key);
}
/* Note the key of an item that is removed, if a client waits for it. */
void rd_note_gone(rd_store *st, uint32_t slot, const rd_item *it, uint64_t hash);
/* The same as rd_copy, within a shard, for a nested value (type.h): `dst` takes over its blocks, and the caller must
 * remove the rest of `src`. Reports RD_EVENT_NONE. */
rd_result rd_take_over(rd_store *st, const rd_key *src, const rd_key *dst);
/* Moving a value to another shard (move.c). The item that it leaves is hidden by an expiry that has passed: first make
 * room for it (false: no memory; *item may have moved), then set it, or set the former one again. */
bool rd_move_place_expiry(rd_store *st, uint32_t shard, rd_ref *item, uint64_t hash);
void rd_move_set_expiry(rd_store *st, uint32_t shard, rd_ref item, uint64_t hash, int64_t expiry);
/* Trees (copy_tree.c). Copy one to another key, or move it to one of another shard; a move reports RD_EVENT_NONE.
 * RD_OOM: nothing is changed. */
rd_result rd_copy_tree(rd_store *st, rd_item *it, const rd_key *src, const rd_key *dst, rd_key_event event);
rd_result rd_move_tree(rd_store *st, rd_item *it, const rd_key *src, const rd_key *dst);

/* A key of the shard was changed. Everything that follows changes is called here: WATCH, key events, blocked clients
 * and tracking. */
static inline void rd_touched(rd_store *st, uint32_t shard, uint32_t slot, const rd_key *key, rd_key_event event) {
  rd_count_touch(st, shard, slot, key->hash, key);
  if (RD_UNLIKELY(st->listening != 0)) rd_call_listener(st, slot, event, key, NULL);
}
/* True if the item has expired. */
static inline bool rd_expired(const rd_store *st, int64_t expiry) {
  return expiry != RD_NO_EXPIRY && (int64_t)st->now_ms > expiry;
}

#endif
