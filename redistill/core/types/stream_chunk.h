/* stream_chunk.h - a chunk: consecutive entries of a stream, packed. Chunks are the entries of a stream's first tree.
 *
 *     0     2       3     5          21         37
 *     +-----+-------+-----+----------+----------+------------+--------+- - -
 *     | len | flags | n   | first id | last id  | the fields | entry  |          a chunk of n entries
 *     +-----+-------+-----+----------+----------+------------+--------+- - -
 *     | len | flags | 1   | id       | id       | fields: 4, blob: 8  |          RD_CHUNK_LONE: an entry outside
 *     +-----+-------+-----+----------+----------+---------------------+
 *
 * The fields are their number (a varint) and their names (element.h), those of the entry that the chunk was made for.
 * An entry is
 *
 *     step   a varint: the milliseconds since the entry before << 2 | SEQUENCE | FIELDS
 *     [sequence]   a varint, unless it is 0: if the milliseconds are 0, the sequence numbers that were passed over;
 *                  otherwise the sequence number. The first entry has 0, 0.
 *     [fields]     only if they are not the chunk's: as there
 *     values       as many elements as fields
 *
 * so that an entry with the same fields, soon after the one before, takes one or two bytes more than its values. An
 * entry whose strings are long lies outside, in a blob of its own: for each string its length (a varint) and its bytes,
 * fields and values in turn. It is alone in its chunk. */
#ifndef RD_STREAM_CHUNK_H
#define RD_STREAM_CHUNK_H

#include "types/element.h"

#define RD_CHUNK_MAX 1000u /* bytes of the longest chunk of several entries */
#define RD_BODY_MAX 640u   /* bytes of the fields and values of the longest entry that lies in a chunk */
#define RD_CHUNK_FIRST 37u /* the place of the fields */

enum {
  RD_CHUNK_LONE = 1,
  RD_CHUNK_NODE = 2, /* a node begins here: as many entries as one of Redis's nodes has (stream.h) */
};

typedef struct rd_stream_id {
  uint64_t ms, seq;
} rd_stream_id;
#define RD_STREAM_MAX ((rd_stream_id){UINT64_MAX, UINT64_MAX})

static inline int rd_id_compare(rd_stream_id a, rd_stream_id b) {
  if (a.ms != b.ms) return a.ms < b.ms ? -1 : 1;
  return (a.seq > b.seq) - (a.seq < b.seq);
}
static inline bool rd_id_is_zero(rd_stream_id id) { return id.ms == 0 && id.seq == 0; }
/* The next id, or the one before. False: there is none, and the id is unchanged. */
bool rd_id_up(rd_stream_id *id);
bool rd_id_down(rd_stream_id *id);
static inline rd_stream_id rd_id_at(const uint8_t *at) { return (rd_stream_id){rd_ld64(at), rd_ld64(at + 8)}; }
static inline void rd_id_put(uint8_t *to, rd_stream_id id) {
  rd_st64(to, id.ms);
  rd_st64(to + 8, id.seq);
}

extern const rd_coll_kind rd_chunk_kind;

/* ---- varints: seven bits a byte, the lowest first ---- */

#define RD_VARINT 10u
static inline uint8_t *rd_varint_put(uint8_t *to, uint64_t n) {
  for (; n >= 128; n >>= 7) *to++ = (uint8_t)(n | 128);
  *to++ = (uint8_t)n;
  return to;
}
/* One that is whole. */
static inline const uint8_t *rd_varint_get(const uint8_t *at, uint64_t *n) {
  *n = *at & 127u;
  for (unsigned bits = 7; *at++ >= 128; bits += 7) *n |= bits < 64 ? (uint64_t)(*at & 127u) << bits : 0;
  return at;
}

/* ---- the head ---- */

static inline uint32_t rd_chunk_len(const uint8_t *chunk) { return chunk[0] | (uint32_t)chunk[1] << 8; }
static inline uint32_t rd_chunk_count(const uint8_t *chunk) { return chunk[3] | (uint32_t)chunk[4] << 8; }
static inline bool rd_chunk_is(const uint8_t *chunk, unsigned flag) { return (chunk[2] & flag) != 0; }
static inline rd_stream_id rd_chunk_first_id(const uint8_t *chunk) { return rd_id_at(chunk + 5); }
static inline rd_stream_id rd_chunk_last_id(const uint8_t *chunk) { return rd_id_at(chunk + 21); }
static inline rd_ref rd_chunk_blob(const uint8_t *chunk) { return rd_ld64(chunk + RD_CHUNK_FIRST + 4); }

/* ---- an entry that is to be written ---- */

/* The strings of an entry, encoded. */
typedef struct rd_body {
  uint32_t n; /* fields */
  bool is_outside;
  uint32_t fields_len, values_len; /* unless it is outside */
  uint8_t fields[RD_BODY_MAX], values[RD_BODY_MAX];
  rd_ref blob;         /* if it is outside */
  uint64_t length;     /* bytes of all its strings */
  uint64_t blob_bytes; /* of the blob, if it is outside */
} rd_body;
void rd_body_begin(rd_body *b);
/* Add a field. Sets is_outside, and not the blob, when they become too long. */
void rd_body_add(rd_body *b, rd_bytes field, rd_bytes value);
/* Add 2 * n strings, fields and values in turn. */
void rd_body_of(rd_body *b, const rd_bytes *strings, uint32_t n);
/* Write a string of a blob; returns the end. Calls rd_yield. */
uint8_t *rd_body_write(rd_store *st, rd_bytes string, uint8_t *to);

#define RD_CHUNK_ROOM (RD_CHUNK_MAX + 1u)
/* Write a chunk of one entry; returns its length. */
uint32_t rd_chunk_make(uint8_t to[RD_CHUNK_ROOM], rd_stream_id id, const rd_body *b, unsigned flags);
/* Append an entry with a higher id to the chunk at `to`, a copy. False: it has no room. */
bool rd_chunk_append(uint8_t to[RD_CHUNK_ROOM], rd_stream_id id, const rd_body *b);

/* ---- entries ---- */

/* A place in a chunk: the entry that was read last. */
typedef struct rd_spot {
  const uint8_t *chunk;
  uint32_t index;  /* of the entry */
  rd_stream_id id; /* its id */
  const uint8_t *at, *next;
  uint32_t n;            /* its fields */
  const uint8_t *fields; /* their names; NULL: in a blob */
  const uint8_t *values;
} rd_spot;

void rd_spot_first(rd_spot *s, const uint8_t *chunk);
/* False: it was the last one. */
bool rd_spot_next(rd_spot *s);
/* The first entry that is not before `id`. False: there is none. */
bool rd_spot_lower(rd_spot *s, const uint8_t *chunk, rd_stream_id id);
/* The last entry that is not behind `id`. False: there is none. */
bool rd_spot_upper(rd_spot *s, const uint8_t *chunk, rd_stream_id id);
void rd_spot_last(rd_spot *s, const uint8_t *chunk);
/* Entry number `index`. */
void rd_spot_at(rd_spot *s, const uint8_t *chunk, uint32_t index);

/* Write the chunk without `n` entries from number `from` on, but not without all of them; it is never longer. Returns
 * its length. */
uint32_t rd_chunk_without(uint8_t to[RD_CHUNK_ROOM], const uint8_t *chunk, uint32_t from, uint32_t n);

#endif
