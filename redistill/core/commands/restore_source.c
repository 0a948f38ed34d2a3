/* restore_source.c - reads the entries of a collection's payload. */
#include "commands/restore_source.h"

#include <math.h>

#include "arena/longrun.h"
#include "arena/memory.h"
#include "base/lzf.h"

/* Where the strings are. */
enum where { APART, PACKED, NODES, NODES_OF_TWO_KINDS };
/* The second part of an entry, behind its first string. */
enum second { NOTHING, STRING, SCORE_TEXT, SCORE_DOUBLE, SCORE_STRING };
/* The time at which a field expires. */
enum when { NEVER, MS_BEHIND, OFFSET_BEFORE, STRING_BEHIND };

typedef struct rd_source_row {
  uint8_t rdb;
  uint8_t type; /* rd_type */
  uint8_t where;
  uint8_t packing; /* rd_packing; of APART: unused */
  uint8_t second;
  uint8_t when;
  uint8_t oldest; /* the RDB version from which on the number means this */
} row;

static const row rows[] = {
    {RD_RDB_LIST, RD_LIST, APART, 0, NOTHING, NEVER, 0},
    {RD_RDB_SET, RD_SET, APART, 0, NOTHING, NEVER, 0},
    {RD_RDB_ZSET, RD_ZSET, APART, 0, SCORE_TEXT, NEVER, 0},
    {RD_RDB_HASH, RD_HASH, APART, 0, STRING, NEVER, 0},
    {RD_RDB_ZSET_2, RD_ZSET, APART, 0, SCORE_DOUBLE, NEVER, 0},
    {RD_RDB_HASH_ZIPMAP, RD_HASH, PACKED, RD_ZIPMAP, STRING, NEVER, 0},
    {RD_RDB_LIST_ZIPLIST, RD_LIST, PACKED, RD_ZIPLIST, NOTHING, NEVER, 0},
    {RD_RDB_SET_INTSET, RD_SET, PACKED, RD_INTSET, NOTHING, NEVER, 0},
    {RD_RDB_ZSET_ZIPLIST, RD_ZSET, PACKED, RD_ZIPLIST, SCORE_STRING, NEVER, 0},
    {RD_RDB_HASH_ZIPLIST, RD_HASH, PACKED, RD_ZIPLIST, STRING, NEVER, 0},
    {RD_RDB_LIST_QUICKLIST, RD_LIST, NODES, RD_ZIPLIST, NOTHING, NEVER, 0},
    {RD_RDB_HASH_LISTPACK, RD_HASH, PACKED, RD_LISTPACK, STRING, NEVER, 0},
    {RD_RDB_ZSET_LISTPACK, RD_ZSET, PACKED, RD_LISTPACK, SCORE_STRING, NEVER, 0},
    {RD_RDB_LIST_QUICKLIST_2, RD_LIST, NODES_OF_TWO_KINDS, RD_LISTPACK, NOTHING, NEVER, 0},
    {RD_RDB_SET_LISTPACK, RD_SET, PACKED, RD_LISTPACK, NOTHING, NEVER, 0},
    {RD_RDB_HASH_TIMES_VALKEY, RD_HASH, APART, 0, STRING, MS_BEHIND, 80},
    {RD_RDB_HASH_TIMES, RD_HASH, APART, 0, STRING, OFFSET_BEFORE, 0},
    {RD_RDB_HASH_LISTPACK_TIMES, RD_HASH, PACKED, RD_LISTPACK, STRING, STRING_BEHIND, 0},
};

static const row *row_of(unsigned rdb) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (rows[i].rdb == rdb) return &rows[i];
  }
  return NULL;
}

bool rd_source_knows(uint8_t rdb, unsigned version) {
  const row *found = row_of(rdb);
  return found != NULL && version >= found->oldest;
}

rd_type rd_source_type(uint8_t rdb) { return (rd_type)row_of(rdb)->type; }

bool rd_source_is_packed(uint8_t rdb) {
  const row *found = row_of(rdb);
  return found != NULL && found->where == PACKED && found->when == NEVER;
}

/* ---- strings ---- */

static void yield(void *store) { rd_yield(store); }

static rd_load unpack(rd_call *call, const rd_string *s, rd_bytes *string, rd_scratch *unpacked) {
  rd_store *st = call->store;
  /* validate first, so that no memory is allocated for a payload that only claims to be large */
  if (!rd_lzf_decompress_in_slices(s->bytes.data, s->bytes.len, NULL, (size_t)s->len, yield, st)) return RD_LOAD_BAD;
  if (s->len > rd_max_memory(st)) return RD_LOAD_FULL;
  unpacked->len = s->len;
  unpacked->owned = rd_scratch_take(call, s->len);
  if (unpacked->owned == NULL) return RD_LOAD_FULL;
  bool good = rd_lzf_decompress_in_slices(s->bytes.data, s->bytes.len, unpacked->owned, (size_t)s->len, yield, st);
  *string = (rd_bytes){unpacked->owned, (size_t)s->len};
  return good ? RD_LOAD_OK : RD_LOAD_BAD;
}

rd_load rd_source_string(rd_call *call, rd_reader *r, rd_bytes *string, rd_source_text *text) {
  rd_string s;
  rd_scratch_free(call->store, &text->unpacked);
  if (!rd_read_string(r, &s)) return RD_LOAD_BAD;
  if (s.is_packed) return unpack(call, &s, string, &text->unpacked);
  *string = s.bytes;
  if (s.is_number) *string = (rd_bytes){(const uint8_t *)text->number, rd_format_i64(text->number, s.number)};
  return RD_LOAD_OK;
}

/* Read a string that lies apart. */
static bool string_apart(rd_source *s, rd_bytes *string, rd_source_text *text) {
  rd_load load = rd_source_string(s->call, &s->reader, string, text);
  s->full |= load == RD_LOAD_FULL;
  return load == RD_LOAD_OK;
}

/* The next string of an entry, wherever it is. */
static bool next_string(rd_source *s, rd_bytes *string, rd_source_text *text) {
  if (s->row->where == APART) return string_apart(s, string, text);
  return rd_packed_next(&s->packed, string, text->number) == RD_GOT;
}

/* ---- opening ---- */

bool rd_source_open(rd_source *s, rd_call *call, rd_bytes payload) {
  memset(s, 0, sizeof *s);
  s->call = call;
  s->row = row_of(payload.data[0]);
  s->reader = rd_reader_of((rd_bytes){payload.data + 1, payload.len - 1});
  s->left = 1;
  if (s->row->when == OFFSET_BEFORE || s->row->when == STRING_BEHIND) {
    if (!rd_read_number(&s->reader, 8, &s->earliest) || s->earliest < 0) return false;
  }
  return s->row->where == PACKED || (rd_read_length(&s->reader, &s->left) && s->left > 0);
}

void rd_source_close(rd_source *s) {
  rd_store *st = s->call->store;
  rd_scratch_free(st, &s->holder.unpacked);
  rd_scratch_free(st, &s->first.unpacked);
  rd_scratch_free(st, &s->second.unpacked);
}

/* ---- entries ---- */

/* The second part of an entry. */
static bool read_second(rd_source *s, rd_source_entry *entry) {
  switch (s->row->second) {
    case STRING:
      return next_string(s, &entry->second, &s->second);
    case SCORE_TEXT:
      return rd_read_score(&s->reader, &entry->score);
    case SCORE_DOUBLE:
      return rd_read_double(&s->reader, &entry->score);
    case SCORE_STRING:
      entry->is_ordered = true;
      return next_string(s, &entry->second, &s->second) && rd_parse_double(entry->second, &entry->score);
    default:
      return true;
  }
}

/* A time that is an offset from the earliest one, or 0: never. */
static bool time_from(const rd_source *s, uint64_t offset, int64_t *expiry) {
  if (offset == 0) return true;
  if (offset > INT64_MAX || __builtin_add_overflow(s->earliest, (int64_t)offset - 1, expiry)) return false;
  return *expiry != RD_NO_EXPIRY;
}

static bool read_time_before(rd_source *s, int64_t *expiry) {
  uint64_t offset;
  return s->row->when != OFFSET_BEFORE || (rd_read_length(&s->reader, &offset) && time_from(s, offset, expiry));
}

static bool read_time_behind(rd_source *s, int64_t *expiry) {
  char number[RD_I64_TEXT];
  rd_bytes text;
  int64_t n;
  if (s->row->when == MS_BEHIND) {
    if (!rd_read_number(&s->reader, 8, &n) || n < -1) return false;
    if (n >= 0) *expiry = n < RD_NO_EXPIRY ? n : RD_NO_EXPIRY - 1;
  } else if (s->row->when == STRING_BEHIND) {
    if (rd_packed_next(&s->packed, &text, number) != RD_GOT || !rd_parse_i64(text, &n) || n < 0) return false;
    if (n > 0) *expiry = n < RD_NO_EXPIRY ? n : RD_NO_EXPIRY - 1;
  }
  return true;
}

static rd_got read_entry(rd_source *s, rd_source_entry *entry) {
  bool good = read_time_before(s, &entry->expiry) && next_string(s, &entry->first, &s->first) &&
              read_second(s, entry) && read_time_behind(s, &entry->expiry);
  s->count++;
  return good && !isnan(entry->score) ? RD_GOT : RD_GOT_BAD;
}

/* Open the next packed string. A plain node of a list is an entry by itself: RD_GOT_END. */
static rd_got open_packed(rd_source *s, rd_source_entry *entry) {
  uint64_t kind = RD_RDB_NODE_PACKED;
  rd_bytes string;
  if (s->row->where == NODES_OF_TWO_KINDS && !rd_read_length(&s->reader, &kind)) return RD_GOT_BAD;
  if (kind != RD_RDB_NODE_PACKED && kind != RD_RDB_NODE_PLAIN) return RD_GOT_BAD;
  if (!string_apart(s, &string, &s->holder)) return RD_GOT_BAD;
  if (kind == RD_RDB_NODE_PLAIN) {
    entry->first = string;
    s->count++;
    return RD_GOT_END;
  }
  s->opened++;
  s->in_packed = rd_packed_open(&s->packed, (rd_packing)s->row->packing, string);
  return s->in_packed ? RD_GOT : RD_GOT_BAD;
}

/* True if the open packed string has no more entries; *bad: it is damaged. */
static bool packed_ends(rd_source *s, bool *bad) {
  rd_bytes text;
  char number[RD_I64_TEXT];
  if (s->packed.at != s->packed.end) return false;
  *bad = rd_packed_next(&s->packed, &text, number) != RD_GOT_END;
  return true;
}

rd_got rd_source_next(rd_source *s, rd_source_entry *entry) {
  bool bad = false;
  *entry = (rd_source_entry){.expiry = RD_NO_EXPIRY};
  if (s->count % 16 == 0) rd_yield_whole(s->call->store);
  if (s->row->where == APART) {
    if (s->left == 0) return s->reader.at == s->reader.end ? RD_GOT_END : RD_GOT_BAD;
    s->left--;
    return read_entry(s, entry);
  }
  for (;; rd_yield(s->call->store)) {
    if (s->in_packed && !packed_ends(s, &bad)) return read_entry(s, entry);
    if (bad) return RD_GOT_BAD;
    s->in_packed = false;
    if (s->left == 0) return s->reader.at == s->reader.end ? RD_GOT_END : RD_GOT_BAD;
    s->left--;
    rd_got got = open_packed(s, entry);
    if (got != RD_GOT) return got == RD_GOT_END ? RD_GOT : RD_GOT_BAD;
  }
}

rd_source_naming rd_source_name(const rd_source *s) {
  const row *r = s->row;
  if (r->when != NEVER) return r->when == MS_BEHIND ? RD_NAMED_LARGE : RD_NAMED_BY_CONTENT;
  if (r->where == APART) return RD_NAMED_BY_CONTENT;
  if (r->type == RD_LIST) {
    /* a node alone may be a listpack */
    uint64_t in_node = s->opened == 1 ? s->packed.count : 0;
    return r->where != PACKED && in_node == s->count ? RD_NAMED_BY_CONTENT : RD_NAMED_LARGE;
  }
  return r->packing == RD_LISTPACK || r->packing == RD_ZIPLIST ? RD_NAMED_BY_COUNT : RD_NAMED_BY_CONTENT;
}
