/* restore_source.h - the entries of a collection's payload, whatever its encoding: a source gives one after another.
 *
 * An encoding is described by where its strings are (in the payload, in one packed string, or in a list of packed
 * strings) and by what follows the first string of an entry. */
#ifndef RD_RESTORE_SOURCE_H
#define RD_RESTORE_SOURCE_H

#include "commands/payload.h"
#include "commands/value.h"
#include "rdb/packed.h"
#include "rdb/reader.h"

/* An entry: field and value, member and score, member, or element. Its texts are valid until the next one. */
typedef struct rd_source_entry {
  rd_bytes first, second;
  double score;    /* of a sorted set; never NaN */
  int64_t expiry;  /* of a field; RD_NO_EXPIRY: none */
  bool is_ordered; /* it belongs behind all entries before it */
} rd_source_entry;

/* A string of an entry: its number's text, or its bytes if it was compressed. */
typedef struct rd_source_text {
  char number[RD_I64_TEXT];
  rd_scratch unpacked;
} rd_source_text;

typedef struct rd_source {
  rd_call *call;
  const struct rd_source_row *row;
  rd_reader reader;
  uint64_t left;    /* entries, or packed strings, that are still to be read */
  uint64_t opened;  /* packed strings that were opened */
  bool in_packed;   /* `packed` is open */
  bool full;        /* there was no memory */
  uint64_t count;   /* entries that it gave */
  int64_t earliest; /* the time from which others are counted */
  rd_packed packed;
  rd_source_text holder, first, second;
} rd_source;

/* True if payloads of this type byte and version are of a collection. */
bool rd_source_knows(uint8_t rdb, unsigned version);
/* The type of their values. */
rd_type rd_source_type(uint8_t rdb);
/* True if payloads of this type byte are one packed string behind it. */
bool rd_source_is_packed(uint8_t rdb);
/* Open a payload, which lies before its footer and has a type byte that rd_source_knows. False: it is invalid. */
bool rd_source_open(rd_source *s, rd_call *call, rd_bytes payload);
/* The next entry. RD_GOT_END: there was none, and nothing follows. RD_GOT_BAD: the payload is invalid, or, if s->full,
 * there is no memory. Calls rd_yield. */
rd_got rd_source_next(rd_source *s, rd_source_entry *entry);
void rd_source_close(rd_source *s);

/* How Redis chooses the name that OBJECT ENCODING shows, once all entries were read. */
typedef enum rd_source_naming {
  RD_NAMED_BY_CONTENT, /* as if commands had made the value */
  RD_NAMED_BY_COUNT,   /* the packed string is kept, unless it has too many entries */
  RD_NAMED_LARGE,
} rd_source_naming;
rd_source_naming rd_source_name(const rd_source *s);

/* A string of a payload. Its bytes are in the payload or in `text`, which must be freed whatever happens. */
rd_load rd_source_string(rd_call *call, rd_reader *r, rd_bytes *string, rd_source_text *text);

#endif
