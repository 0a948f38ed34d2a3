/* hash_time.h - fields of a hash that expire.
 *
 * An entry with a time (hash.h) makes its hash one with RD_COLL_TIMED. A packed hash is walked to find what expires. A
 * large one has a second tree, which is in the order of the times:
 *
 *     time: 6 bytes   hash of the field: 8 bytes
 *
 * The sweep finds such hashes in the index, whose buckets record when the first field expires (store/expire.c). They
 * are not keys with an expiry: neither INFO nor the volatile policies count them.
 *
 * A command that opens a hash (commands/hash.h) first removes what has expired, so no command sees an expired field. */
#ifndef RD_HASH_TIME_H
#define RD_HASH_TIME_H

#include "types/hash.h"

/* The time at which the first field expires; RD_NO_EXPIRY: none does. For rd_types. */
int64_t rd_hash_due(rd_store *st, const rd_item *it);
/* Remove up to `most` expired fields, and the key with its last one. Returns how many. For rd_types. */
uint32_t rd_hash_expire(rd_store *st, rd_item *it, uint32_t most);

/* The number of fields of an open hash that have expired. */
uint64_t rd_hash_count_expired(const rd_coll *c);
/* The bytes of long elements among these fields and their values. */
uint64_t rd_hash_expired_bytes(const rd_coll *c);
/* Remove up to `most` of them. Returns how many; when all are removed that should be, call rd_hash_expired. */
uint32_t rd_hash_drop_expired(rd_coll *c, uint32_t most);
/* Fields have expired: delete the key if none is left, and inform watchers and listeners. `event`: RD_EVENT_HEXPIRED,
 * or from the sweep RD_EVENT_HSWEPT, which is in Valkey an event of the same name, but of the class of expired keys. */
void rd_hash_expired(rd_coll *c, rd_key_event event);

/* ---- for hash.c ---- */

/* The entry of the second tree for one of the first. Returns its length; 0: the field does not expire. */
uint32_t rd_hash_time_entry(const rd_store *st, const uint8_t *entry, uint8_t *to);
/* Add an entry to the second tree of a large hash. false: no memory, nothing is changed. */
bool rd_hash_add_time(rd_coll *c, int64_t time, uint64_t hash);
/* Remove one. */
void rd_hash_take_time(rd_coll *c, int64_t time, uint64_t hash);
/* A field got this time: have the sweep see it. */
void rd_hash_note_time(rd_coll *c, int64_t time);

#endif
