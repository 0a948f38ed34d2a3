/* scripts.h - the bodies of scripts, and libraries of functions, for all workers.
 *
 * A body is a string in the arena. Its key is its SHA-1, or a library's name, in a database of its own that no client
 * can select (RD_SCRIPT_DB, RD_LIBRARY_DB), and so in the shard of that key. It is verified, moved and counted like any
 * string, lives as long as the arena does, and is gone if its shard is lost. It is never evicted for keys, and FLUSHALL
 * leaves it.
 *
 * Bounds: all bodies and libraries together take at most rd_scripts_most() bytes. At most RD_SCRIPTS_EVALED bodies are
 * not RD_SCRIPT_LOADED. When one of these bounds is reached, the least recently used of them are removed; the others
 * stay until they are flushed.
 *
 * Whatever adds or removes needs the locks of all shards; so the bounds are exact. All else needs the lock of the key's
 * shard, or none where it says so. */
#ifndef RD_STORE_SCRIPTS_H
#define RD_STORE_SCRIPTS_H

#include "arena/layout.h"
#include "store/store.h"

#define RD_SHA_BYTES 20u
#define RD_SCRIPTS_EVALED 500u
/* Removed at once when there are too many: looking for the oldest ones costs more than removing them. */
#define RD_SCRIPTS_REMOVED 16u
/* What a body costs beyond its bytes, at least: the bounds count it. */
#define RD_SCRIPT_COST 512u

enum {
  RD_SCRIPT_LOADED = 1,  /* by SCRIPT LOAD: it stays */
  RD_SCRIPT_WANDERS = 2, /* it was seen to touch keys that it had not declared */
};

typedef struct rd_script_info {
  uint64_t number; /* of its adding: later ones have higher numbers */
  uint64_t len;    /* bytes of the body */
  uint32_t flags;
} rd_script_info;

/* The key of a script, and of a library; the bytes stay the caller's. */
rd_key rd_script_key(const rd_store *st, const uint8_t sha[RD_SHA_BYTES]);
rd_key rd_library_key(const rd_store *st, rd_bytes name);

/* False: there is none. */
bool rd_script_find(rd_store *st, const rd_key *key, rd_script_info *script);
/* Copy the body, which exists, to `dst`. */
void rd_script_read(rd_store *st, const rd_key *key, void *dst);
/* Set flags of a script, if it is there; they are never cleared. RD_SCRIPT_LOADED is set by rd_script_put alone. */
void rd_script_mark(rd_store *st, const rd_key *key, uint32_t flags);
/* A script is used: it is removed later than others. Takes no lock, and costs a store at most once a millisecond. */
void rd_script_used(rd_store *st, const rd_key *key);

/* Add a body, or set the flags of the one that is there; or a library, replacing that of this name. All shards are
 * locked. RD_OOM: the bounds, or the memory, have no room, and nothing is added or replaced; bodies that need not stay
 * may have been removed. ALLOCATES. */
rd_result rd_script_put(rd_store *st, const rd_key *key, rd_bytes body, uint32_t flags);
/* Remove a library. False: there is none. All shards are locked. */
bool rd_library_remove(rd_store *st, const rd_key *key);
/* Remove all scripts, or all libraries. All shards are locked. */
void rd_scripts_flush(rd_store *st);
void rd_libraries_flush(rd_store *st);

/* Call `f` for each library (its item: rd_item_key, rd_script_of, rd_script_body), in no order, until it returns false.
 * It must not change the store. All shards are locked. */
typedef bool rd_library_visitor(void *arg, rd_store *st, const rd_item *item);
void rd_libraries_each(rd_store *st, rd_library_visitor *f, void *arg);
bool rd_script_of(rd_store *st, const rd_item *item, rd_script_info *script);
void rd_script_body(rd_store *st, const rd_item *item, void *dst);

/* A number that changes whenever a body or library leaves, or a library comes. While it is the same, all that a worker
 * has compiled is as the arena has it. Takes no lock. */
uint32_t rd_scripts_generation(const rd_store *st);
uint32_t rd_libraries_generation(const rd_store *st);
/* Figures; without locks they may be of different moments. */
uint64_t rd_scripts_count(const rd_store *st);
uint64_t rd_libraries_count(const rd_store *st);
uint64_t rd_scripts_bytes(const rd_store *st); /* of scripts and libraries, with RD_SCRIPT_COST for each */
uint64_t rd_scripts_most(const rd_store *st);

/* For check.c: what an item of these slots adds to rd_shard.script_bytes, and to rd_shard.scripts_loaded. False: the
 * item cannot be one. */
bool rd_script_check(const rd_store *st, const rd_item *item, uint64_t *bytes, uint32_t *loaded);

#endif
