/* stream.h - what the commands on streams share: ids, options, replies with entries. */
#ifndef RD_STREAM_COMMANDS_H
#define RD_STREAM_COMMANDS_H

#include "command/call.h"
#include "types/stream.h"

/* Open the stream at argv[i], which may be absent. False after a WRONGTYPE reply. */
bool rd_open_stream(rd_call *c, uint32_t i, bool for_write, rd_stream *s);

/* -NOGROUP of XINFO and XGROUP; and the error of a container's subcommand with wrong arguments. */
void rd_reply_no_group(rd_call *c, rd_bytes key, rd_bytes group);
void rd_reply_subcommand_syntax(rd_call *c);

/* ---- ids ---- */

#define RD_ID_TEXT 42u
size_t rd_format_id(char text[RD_ID_TEXT], rd_stream_id id);
void rd_reply_id(rd_reply *r, rd_stream_id id);
/* Parse `ms-seq`, or `ms` with the sequence `missing`. `any_seq`: `ms-*` is an id, too, and sets it. False after an
 * error reply. */
bool rd_parse_id(rd_call *c, rd_bytes text, uint64_t missing, bool *any_seq, rd_stream_id *id);
/* True if the text is an id. */
bool rd_id_is(rd_bytes text);
/* Parse a bound of a range: an id, `-`, `+`, or `(` and an id that is not in the range. */
bool rd_parse_bound(rd_call *c, rd_bytes text, bool is_end, rd_stream_id *id);

/* ---- the options of XADD and XTRIM ---- */

typedef struct rd_add_options {
  rd_trim trim;
  bool no_create; /* NOMKSTREAM */
  bool any_id;    /* the id is `*` */
  bool any_seq;   /* it is `ms-*` */
  rd_stream_id id;
  uint32_t fields; /* argv[fields] is the first field */
} rd_add_options;

/* Parse argv[2 ...]. False after an error reply. */
bool rd_parse_add(rd_call *c, bool adds, rd_add_options *o);

/* True if the word is KEEPREF, DELREF or ACKED. */
bool rd_parse_refs(rd_bytes word, rd_refs *refs);

/* ---- replies with entries ---- */

/* A reply may turn out to be long while it is written: then it is cut off where it began, and the command must return,
 * to be called again where it can pause. */
typedef struct rd_entries {
  rd_call *call;
  size_t mark; /* where the reply began */
  uint64_t bytes, strings;
  uint64_t found, missed; /* keys that were looked up for reading */
  rd_stream_pos *first;   /* if not NULL: rd_entries_range puts the place of its first entry here */
  bool writes;            /* the command changes something, so it cannot be called again */
} rd_entries;

rd_entries rd_entries_of(rd_call *c);
/* Append an entry: its id and its strings. Calls rd_yield. False: the command must return. */
bool rd_entries_add(rd_entries *e, const rd_stream_pos *at);
/* The same for one that does not exist any more: its id and null. */
bool rd_entries_add_gone(rd_entries *e, rd_stream_id id);
/* As rd_may_take_long, when the reply is composed and nothing was changed. */
bool rd_entries_may_take_long(rd_entries *e);
/* Append up to `most` entries from `low` to `high` as an array, downwards if `down`. *n is their number, if not NULL.
 * `most` 0: any number. False as above. */
bool rd_entries_range(rd_entries *e, const rd_stream *s, rd_stream_id low, rd_stream_id high, uint64_t most, bool down,
                      uint64_t *n);

/* ---- groups ---- */

struct rd_consumer;
struct rd_group;

/* True if all ids from argv[first] on are valid. False after an error reply. */
bool rd_check_ids(rd_call *c, uint32_t first);
/* Open the stream at argv[1] for reading, and find the group argv[2] in it. False after an error reply. */
bool rd_open_group(rd_call *c, rd_stream *s, struct rd_group *g);
/* -NOGROUP of commands that read: `where` ends it. */
void rd_reply_no_key_or_group(rd_call *c, rd_bytes key, rd_bytes group, const char *where);
/* Change the stream: all that `change` does, or nothing. False: nothing, there is no memory. */
bool rd_stream_try(rd_stream *s, rd_result (*change)(rd_stream *s, void *arg), void *arg);
/* The same for a change that is whole by itself: when it returns RD_OOM it has changed nothing. */
bool rd_stream_try_whole(rd_stream *s, rd_result (*change)(rd_stream *s, void *arg), void *arg);
/* As rd_stream_try; `change` may append to the reply. False after an -OOM reply in place of what was appended. */
bool rd_stream_change(rd_call *c, rd_stream *s, rd_result (*change)(rd_stream *s, void *arg), void *arg);
/* Find the consumer, or make it. RD_OOM: as rd_consumer_create. */
rd_result rd_find_consumer(rd_stream *s, uint32_t group, rd_bytes name, struct rd_consumer *k, bool *created);
/* Make the consumer if there is none, and note that it was seen now. False after an -OOM reply. */
bool rd_see_consumer(rd_call *c, rd_stream *s, uint32_t group, rd_bytes name);
/* A group or consumer has changed: `event`. In Redis neither WATCH nor the client's caches are told. */
void rd_note_group(rd_call *c, const rd_stream *s, rd_key_event event);

#endif
