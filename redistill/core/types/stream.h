/* stream.h - streams: entries in the order of their ids, and groups of consumers that read them.
 *
 * A stream is always two trees. The entries of the first one are chunks (stream_chunk.h) of many entries each. The
 * second one has the groups (stream_group.h). Behind their heads the item keeps the stream's counters, rd_stream_meta.
 *
 * The functions here change both, and keep the counters. Redis stores a stream in nodes of 100 entries, and `MAXLEN ~`
 * removes whole nodes. Here a node is some chunks, of which the first has a mark, so that `~` removes what it removes
 * there; the nodes have no other use. */
#ifndef RD_STREAM_TYPE_H
#define RD_STREAM_TYPE_H

#include "store/type.h"
#include "types/stream_chunk.h"

typedef struct rd_stream_meta {
  rd_stream_id last;    /* the highest id that was ever added, or XSETID's */
  rd_stream_id deleted; /* the highest id that XDEL removed */
  uint64_t length;      /* entries */
  uint64_t added;       /* entries that were ever added */
  uint64_t node_bytes;  /* of the last node, about as Redis counts them */
  uint32_t node_count;  /* entries that were added to the last node */
  uint32_t nodes;
  uint32_t groups;
  uint32_t number; /* the last one that a group or a consumer got (stream_group.h) */
} rd_stream_meta;

const char *rd_stream_encoding(rd_store *st, const rd_item *it);
void rd_stream_check(struct rd_walk *walk, const rd_item *it); /* rd_type_row.check */

/* An open stream. */
typedef struct rd_stream {
  rd_coll c;
  rd_stream_meta meta; /* zeros if the key does not exist */
} rd_stream;

void rd_stream_open(rd_stream *s, rd_store *st, const rd_key *key, rd_item *it);
/* Read the counters again, after rd_coll_reserve. */
void rd_stream_reopen(rd_stream *s);
/* Make the key, which does not exist, an empty stream. RD_OOM: nothing has changed. */
rd_result rd_stream_create(rd_stream *s);
/* Write the counters. The functions below do it. */
void rd_stream_save(rd_stream *s);

/* The node of a new entry. */
typedef enum rd_node_choice { RD_NODE_BY_LIMITS, RD_NODE_SAME, RD_NODE_NEW } rd_node_choice;
/* Append an entry, whose id is above all others, and becomes `last`. A key that does not exist comes to exist. RD_OOM:
 * nothing has changed; the blob, if any, is still the caller's. */
rd_result rd_stream_append(rd_stream *s, rd_stream_id id, const rd_body *b, rd_node_choice node);

/* ---- entries ---- */

/* A place in a stream. Valid as a rd_pos is. */
typedef struct rd_stream_pos {
  rd_pos p;
  rd_spot spot;
} rd_stream_pos;

/* The first entry that is not before `id`, or the last one that is not behind it. False: there is none. */
bool rd_stream_lower(const rd_stream *s, rd_stream_id id, rd_stream_pos *at);
bool rd_stream_upper(const rd_stream *s, rd_stream_id id, rd_stream_pos *at);
bool rd_stream_next(const rd_stream *s, rd_stream_pos *at);
bool rd_stream_prev(const rd_stream *s, rd_stream_pos *at);
/* The id of the first entry, or of the last one. False, and 0-0: there is none. */
bool rd_stream_first_id(const rd_stream *s, rd_stream_id *id);
bool rd_stream_last_id(const rd_stream *s, rd_stream_id *id);
bool rd_stream_has(const rd_stream *s, rd_stream_id id);

/* Remove the entry with this id. False: there is none. Notes it as deleted. Never fails. */
bool rd_stream_remove(rd_stream *s, rd_stream_id id);

/* ---- trimming ---- */

/* How entries are deleted that groups refer to: since they are pending, or were not delivered yet (stream_refs.c). */
typedef enum rd_refs {
  RD_REFS_KEEP,   /* KEEPREF: they stay pending */
  RD_REFS_DELETE, /* DELREF: they are pending no more */
  RD_REFS_ACKED   /* ACKED: entries to which a group refers are not deleted */
} rd_refs;

typedef enum rd_trim_by { RD_TRIM_NOTHING, RD_TRIM_BY_LENGTH, RD_TRIM_BY_ID } rd_trim_by;
typedef struct rd_trim {
  rd_trim_by by;
  bool nearly;     /* ~: only whole nodes */
  uint64_t length; /* the entries that stay */
  rd_stream_id id; /* or the lowest id that stays */
  uint64_t most;   /* entries that may be removed; 0: any number */
  rd_refs refs;
} rd_trim;
/* Remove the first entries; returns how many. Never fails. Calls rd_yield. */
uint64_t rd_stream_trim(rd_stream *s, const rd_trim *t);
/* The work that this is: at least the entries that it would remove. For rd_may_take_long. */
uint64_t rd_stream_trims(const rd_stream *s, const rd_trim *t);

#endif
