/* prefixes.h - the prefixes of which clients of this process want to be told (CLIENT TRACKING with BCAST), and the keys
 * that changed since they were last told.
 *
 * The prefixes are in the order of their bytes, and each knows the longest other one that it begins with. All prefixes
 * of a key are found from the last one that is not behind the key: that one, or those that it begins with. */
#ifndef RD_PREFIXES_H
#define RD_PREFIXES_H

#include "session/session.h"
#include "wire/reply.h"

typedef struct rd_tracker rd_tracker;

typedef struct rd_prefix {
  rd_bytes name;
  struct rd_prefix *shorter; /* the longest other prefix that it begins with; NULL: none */
  rd_tracker **clients;
  uint32_t count, cap;
  rd_reply keys; /* changed keys: rd_changed_key, and the key's bytes */
  bool dirty;    /* it is in rd_prefixes.dirty */
  uint8_t bytes[];
} rd_prefix;

typedef struct rd_changed_key {
  uint32_t writer; /* the number of the client that changed it; 0: none of this process's */
  uint32_t len;
} rd_changed_key;

typedef struct rd_prefixes {
  rd_prefix **at;
  uint32_t count, cap;
  rd_prefix **dirty; /* room for all of them */
  uint32_t dirty_count;
} rd_prefixes;

/* Add a client to prefixes, which are distinct and in ascending order, and put them into `added` (room for `n`). False:
 * no memory, and nothing is changed. */
bool rd_prefixes_add(rd_store *st, rd_prefixes *p, rd_tracker *t, const rd_bytes *names, uint32_t n, rd_prefix **added);
/* Remove a client from `n` prefixes; those without clients end. */
void rd_prefixes_remove(rd_store *st, rd_prefixes *p, const rd_tracker *t, rd_prefix **from, uint32_t n);
/* The longest prefix of a key; NULL: it has none. rd_prefix.shorter has the others. */
rd_prefix *rd_prefixes_match(const rd_prefixes *p, rd_bytes key);
/* Collect a changed key. False: no memory. */
bool rd_prefix_collect(rd_store *st, rd_prefixes *p, rd_prefix *x, rd_bytes key, uint32_t writer);
/* Put the dirty prefixes in order, and forget that they are dirty. Returns their number; they are in p->dirty. */
uint32_t rd_prefixes_take_dirty(rd_prefixes *p);
/* Append the keys of a prefix as an array of RESP, each once and in order, without those that the client `but` changed
 * last (0: no client). Returns the number of keys; 0: nothing is appended. False in *ok: no memory. */
uint32_t rd_prefix_write(const rd_prefix *x, uint32_t but, rd_reply *to, bool *ok);
/* True if the client changed one of the keys. */
bool rd_prefix_has_writer(const rd_prefix *x, uint32_t writer);
void rd_prefix_forget_keys(rd_store *st, rd_prefix *x);
void rd_prefixes_free(rd_store *st, rd_prefixes *p);

#endif
