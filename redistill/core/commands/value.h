/* value.h - functions that the commands on strings share: for values in several pieces, and for replies that an
 * error replaces. */
#ifndef RD_VALUE_H
#define RD_VALUE_H

#include "command/call.h"
#include "command/command.h"
#include "store/coll.h"
#include "types/element.h"

/* Allocate `n` bytes for the duration of the command, to be freed with the same `n`. They count like a buffer of the
 * client, so that all commands together take no more than the clients may. NULL: no memory. */
void *rd_scratch_take(rd_call *c, uint64_t n);
void rd_scratch_give(rd_store *st, void *memory, uint64_t n); /* calls rd_yield if `n` is many MiB */

/* A value in place, or a copy of it for the duration of the command. */
typedef struct rd_scratch {
  const uint8_t *data;
  uint64_t len;
  uint8_t *owned; /* NULL when the value is read in place */
} rd_scratch;

/* The whole value in one piece: in place when it is flat, else copied. false: no memory (nothing to free). */
bool rd_scratch_value(rd_call *c, const rd_item *it, rd_scratch *out);
void rd_scratch_free(rd_store *st, rd_scratch *s);

/* The whole value in one piece, in place or in `buf`; data is NULL when it is longer than `cap`. */
rd_bytes rd_value_short(rd_store *st, const rd_item *it, void *buf, size_t cap);
/* True if the value consists of exactly these bytes. */
bool rd_value_is(rd_store *st, const rd_item *it, rd_bytes bytes);

/* Reply with [off, off + len) of the value, which must exist, as a bulk. */
void rd_reply_value(rd_reply *r, rd_store *st, const rd_item *it, uint64_t off, uint64_t len);
/* Drop the reply that was appended since r->len was `mark`, and reply with -OOM instead. */
/* True if the element is so long that releasing it takes long. */
static inline bool rd_is_long_element(const rd_store *st, const uint8_t *element) {
  return RD_UNLIKELY(*element == RD_ELEMENT_OUTSIDE) && rd_element_len(st, element) > RD_LONG_BYTES;
}

void rd_reply_oom_instead(rd_reply *r, size_t mark);

/* Make the string that was looked up as *it (NULL: absent) at least `len` bytes long, with zeros appended, and raw
 * for OBJECT ENCODING; like rd_resize. *it is the item afterwards. RD_OOM: nothing has changed. */
rd_result rd_grow(rd_call *c, const rd_key *key, rd_item **it, uint64_t len);

/* Like rd_coll_reserve, for a command that puts all its arguments into the collection, in several changes: an attempt
 * knows only the bytes that it needed until it failed. */
bool rd_reserve_for_call(const rd_call *c, rd_coll *coll);

/* Like rd_coll_reserve for a value that is built of the members of another, whose item stays where it is; its entries
 * may be moved. */
bool rd_reserve_beside(const rd_coll *from, rd_coll *to);

/* True if a value of `had` bytes (0: there is none) may become one of `len`. False after an error reply. */
bool rd_check_growth(rd_call *c, uint64_t had, uint64_t len);
/* True if a command may make a value of `len` bytes. False after an error reply. */
static inline bool rd_check_length(rd_call *c, uint64_t len) {
  return RD_LIKELY(len <= c->store->max_value) || rd_check_growth(c, 0, len);
}

#endif
