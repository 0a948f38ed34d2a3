/* hash_fields.h - what the commands share that name fields of a hash by `FIELDS numfields field [field ...]`. */
#ifndef RD_HASH_FIELDS_H
#define RD_HASH_FIELDS_H

#include "commands/hash.h"

/* The fields in the arguments. */
typedef struct rd_named {
  uint32_t first, count;
  uint32_t step; /* 2: a value follows each field */
} rd_named;

/* Errors for a number of fields that does not fit. */
void rd_reply_numfields(rd_call *c);
void rd_reply_syntax_error(rd_call *c);

/* Find the word FIELDS behind options that begin at argv[from]. 0 after an error reply. */
uint32_t rd_find_fields(rd_call *c, uint32_t from);
/* Parse the fields behind the word FIELDS at argv[at]. False after the error reply, which `wrong` makes for a number
 * that does not fit. */
bool rd_parse_fields(rd_call *c, uint32_t at, uint32_t step, void (*wrong)(rd_call *c), rd_named *f);
/* The same for commands that have no options: the word is argv[2]. */
bool rd_parse_only_fields(rd_call *c, void (*wrong)(rd_call *c), rd_named *f);

/* Parse a time into milliseconds since the epoch: at most RD_HASH_TIME_MAX, the year 10889. False after an error
 * reply. */
bool rd_parse_field_time(rd_call *c, rd_bytes arg, bool seconds, bool relative, int64_t *when);
/* True if a field with that time is to be removed at once. */
static inline bool rd_is_past(const rd_call *c, int64_t when) { return when <= (int64_t)c->store->now_ms; }

/* One field's part of a command: it makes at most one change, and appends an element to the reply. */
typedef enum rd_step { RD_STEP_FAILED, RD_STEP_NOTHING, RD_STEP_CHANGED } rd_step;
typedef rd_step rd_step_fn(rd_call *c, rd_coll *h, rd_element *field, void *arg);

/* Reply with an array, to which `step` adds an element for each field. If steps may fail for lack of memory, all take
 * effect or none. Returns the number of changes; negative: -OOM was replied. */
int64_t rd_for_fields(rd_call *c, rd_coll *h, const rd_named *f, bool may_fail, rd_step_fn *step, void *arg);
/* Report the changes, if there are any. */
void rd_finish_fields(rd_call *c, rd_coll *h, int64_t changes, rd_key_event event);

#endif
