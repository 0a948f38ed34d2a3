/* stream_group.h - the groups of a stream, their consumers, and the entries that were delivered and not acknowledged.
 *
 * All of them are entries of the stream's second tree. Each belongs to an owner, a number, and the owners' entries lie
 * one after another:
 *
 *     owner                          entries, in this order          ordered by
 *     0: the stream                  GROUP                           name
 *     n: the group                   CONSUMER                        name
 *     n + 1: the group's deliveries  PENDING                         id
 *     m: the consumer                HEAD, then OWNED                id
 *
 * So a group's pending entries are a range of the tree, and so are the ids of a consumer's. The tree is counted: the
 * number of either is the difference of two ranks, and no other count has to be kept. A group gets two numbers and a
 * consumer one, which are never used again.
 *
 *     GROUP      1, start of the name (5), number (4), last id (16), entries read (8), name
 *     CONSUMER   2, owner (4), start of the name (5), number (4), seen (8), active (8), name
 *     HEAD       3, owner (4), name of the consumer
 *     PENDING    4, owner (4), id (16), time of the delivery (8), deliveries (8), number of the consumer (4)
 *     OWNED      5, owner (4), id (16)
 *
 * Names are elements (element.h). The start of a name is kept beside it since the name may lie outside. */
#ifndef RD_STREAM_GROUP_H
#define RD_STREAM_GROUP_H

#include "types/stream.h"

extern const rd_coll_kind rd_group_kind; /* of the second tree */

#define RD_READ_UNKNOWN (-1) /* entries read: Redis could not tell */

typedef struct rd_group {
  rd_pos p; /* valid as every rd_pos is */
  uint32_t number;
  rd_stream_id last; /* the last id that was delivered */
  int64_t read;      /* entries that were read, or RD_READ_UNKNOWN */
  const uint8_t *name;
} rd_group;

typedef struct rd_consumer {
  rd_pos p;
  uint32_t number;
  int64_t seen, active; /* milliseconds since the epoch; active: -1, never */
  const uint8_t *name;
} rd_consumer;

typedef struct rd_pending {
  rd_pos p;
  rd_stream_id id;
  int64_t time;   /* of the last delivery */
  uint64_t count; /* deliveries */
  uint32_t consumer;
} rd_pending;

/* Functions that return rd_result return RD_OOM when there is no memory, and then have changed nothing. Others never
 * fail. */

/* The milliseconds since `then`, which may be any number: RESTORE takes all of them. */
static inline int64_t rd_since(int64_t now, int64_t then) {
  int64_t passed;
  if (then >= now) return 0;
  return __builtin_sub_overflow(now, then, &passed) ? INT64_MAX : passed;
}

/* ---- groups ---- */

uint64_t rd_groups_count(const rd_stream *s);
bool rd_group_find(const rd_stream *s, rd_bytes name, rd_group *g);
bool rd_group_first(const rd_stream *s, rd_group *g);
bool rd_group_next(const rd_stream *s, rd_group *g);
bool rd_group_at(const rd_stream *s, uint32_t rank, rd_group *g); /* in the order of the names */
rd_result rd_group_create(rd_stream *s, rd_bytes name, rd_stream_id last, int64_t read);
/* Write g->last and g->read; the place is looked up again. */
void rd_group_save(rd_stream *s, rd_bytes name, rd_group *g);
/* The same for a group that was just found. */
void rd_group_write(rd_stream *s, rd_group *g);
/* Remove the group, its consumers and its pending entries. Calls rd_yield. */
void rd_group_destroy(rd_stream *s, rd_bytes name);

/* ---- consumers ---- */

bool rd_consumer_find(const rd_stream *s, uint32_t group, rd_bytes name, rd_consumer *k);
bool rd_consumer_first(const rd_stream *s, uint32_t group, rd_consumer *k);
bool rd_consumer_next(const rd_stream *s, uint32_t group, rd_consumer *k);
rd_result rd_consumer_create(rd_stream *s, uint32_t group, rd_bytes name, int64_t seen, int64_t active);
/* Write k->seen and k->active of a consumer that was just found. */
void rd_consumer_save(rd_stream *s, rd_consumer *k);
/* Remove the consumer and its pending entries. Calls rd_yield. */
void rd_consumer_remove(rd_stream *s, uint32_t group, rd_bytes name);
/* The name of a consumer, as an element. */
const uint8_t *rd_consumer_name(const rd_stream *s, uint32_t consumer);
uint64_t rd_consumers_count(const rd_stream *s, uint32_t group);

/* ---- pending entries ---- */

uint64_t rd_pending_count(const rd_stream *s, uint32_t group);
uint64_t rd_owned_count(const rd_stream *s, uint32_t consumer);
/* The first pending entry of the group that is not before the id. */
bool rd_pending_lower(const rd_stream *s, uint32_t group, rd_stream_id id, rd_pending *e);
bool rd_pending_next(const rd_stream *s, uint32_t group, rd_pending *e);
bool rd_pending_find(const rd_stream *s, uint32_t group, rd_stream_id id, rd_pending *e);
/* The same for the ids of a consumer's pending entries. */
bool rd_owned_lower(const rd_stream *s, uint32_t consumer, rd_stream_id id, rd_pos *p);
bool rd_owned_next(const rd_stream *s, uint32_t consumer, rd_pos *p);
static inline rd_stream_id rd_owned_id(const rd_pos *p) { return rd_id_at(p->at + 5); }
/* Add a pending entry, or change the one that is there: its consumer, too. */
rd_result rd_pending_put(rd_stream *s, uint32_t group, rd_stream_id id, uint32_t consumer, int64_t time,
                         uint64_t count);
/* Write the time and the count of a pending entry that was just found. */
void rd_pending_again(rd_stream *s, rd_pending *e, int64_t time, uint64_t count);
/* RESTORE: add a pending entry that no consumer has yet, and give it to one. The second fails silently, *given is
 * false, if the entry does not exist or has a consumer. */
rd_result rd_pending_load(rd_stream *s, uint32_t group, rd_stream_id id, int64_t time, uint64_t count);
rd_result rd_pending_give(rd_stream *s, uint32_t group, rd_stream_id id, uint32_t consumer, bool *given);
/* Remove a pending entry. False: there is none. */
bool rd_pending_remove(rd_stream *s, uint32_t group, rd_stream_id id);

/* ---- what groups refer to (stream_refs.c). These call rd_yield, and never fail ---- */

/* The highest id that was delivered in all groups; RD_STREAM_MAX: there are no groups. */
rd_stream_id rd_groups_lowest(const rd_stream *s);
/* True if the entry is pending in a group, or was not delivered in one: it is above `lowest`, from rd_groups_lowest. */
bool rd_stream_is_referenced(const rd_stream *s, rd_stream_id id, rd_stream_id lowest);
/* Remove the pending entries with this id from all groups. */
void rd_stream_unlink(rd_stream *s, rd_stream_id id);
/* The same for all entries from `low` to `high` that the stream has. */
void rd_stream_unlink_range(rd_stream *s, rd_stream_id low, rd_stream_id high);
/* rd_stream_trim with RD_REFS_ACKED: entries to which a group refers are passed over. */
uint64_t rd_stream_trim_acked(rd_stream *s, const rd_trim *t);

/* ---- entries that were read, as Redis counts them (stream_lag.c) ---- */

/* The entries that were ever added up to the id; RD_READ_UNKNOWN: that cannot be told. */
int64_t rd_stream_reads_at(const rd_stream *s, rd_stream_id id);
/* True if an entry behind `id` (not before it, if `id` is the last one deleted) was deleted. */
bool rd_stream_lacks_after(const rd_stream *s, rd_stream_id id);
/* The entries that the group has not read. False: that cannot be told. */
bool rd_group_lag(const rd_stream *s, const rd_group *g, int64_t *lag);

#endif
