/* value.h - what the string commands share: values that may lie in several pieces, replies that are taken back. */
#ifndef RD_VALUE_H
#define RD_VALUE_H

#include "command/command.h"

/* Bytes that a command holds for its own time: a value in place, or a copy of it on the C heap. */
typedef struct rd_scratch {
  const uint8_t *data;
  uint64_t len;
  uint8_t *owned; /* to be freed; NULL when the value is read in place */
} rd_scratch;

/* The whole value in one piece: in place when it is flat, else copied. false: no memory (nothing to free). */
bool rd_scratch_value(rd_store *st, const rd_item *it, rd_scratch *out);
void rd_scratch_free(rd_scratch *s);

/* The whole value in one piece, in place or in `buf`; data is NULL when it is longer than `cap`. */
rd_bytes rd_value_short(rd_store *st, const rd_item *it, void *buf, size_t cap);
/* Does the value consist of exactly these bytes? */
bool rd_value_is(rd_store *st, const rd_item *it, rd_bytes bytes);

/* Reply with [off, off + len) of the value, which must exist, as a bulk. */
void rd_reply_value(rd_reply *r, rd_store *st, const rd_item *it, uint64_t off, uint64_t len);
/* Forget the reply that was appended since r->len was `mark`, and say -OOM instead. */
void rd_reply_oom_instead(rd_reply *r, size_t mark);

/* Make the string that was looked up as *it (NULL: absent) at least `len` bytes long, new ones zero, and raw for OBJECT
 * ENCODING; as rd_resize. *it is the item afterwards. RD_OOM: nothing has changed. */
rd_result rd_grow(rd_call *c, const rd_key *key, rd_item **it, uint64_t len);

/* What OBJECT ENCODING calls the string: "int", "embstr" or "raw" (object.c). */
const char *rd_string_encoding(rd_store *st, const rd_item *it);

/* Length `len` is allowed for a value; else the error has been replied. */
bool rd_check_length(rd_call *c, uint64_t len);

#endif
