/* element.h - the strings in the entries of collections: fields, values, members, elements of lists.
 *
 *     first byte      then
 *     0 .. 191        so many bytes of a string
 *     192 .. 199      a string of ((byte & 7) << 8 | next byte) bytes
 *     224 .. 228      an integer of 1, 2, 3, 4 or 8 bytes, little endian: a string that is its decimal text
 *     240             a string outside of the entry: hash (8 bytes), reference of its blob (8 bytes)
 *
 * A string has exactly one form, which its bytes decide, so equal strings have equal bytes here, except outside ones.
 * Strings of more than RD_ELEMENT_INLINE bytes are outside. Bytes above 240 begin no element: an entry may begin with
 * one of them to say something of itself. */
#ifndef RD_ELEMENT_H
#define RD_ELEMENT_H

#include "store/coll.h"
#include "wire/reply.h"

#define RD_ELEMENT_INLINE 512u
#define RD_ELEMENT_MAX (RD_ELEMENT_INLINE + 2)
#define RD_ELEMENT_OUTSIDE 240u
#define RD_ELEMENT_OUTSIDE_BYTES 17u
#define RD_ELEMENT_REF 9u /* offset of the reference */

/* A string from a client, prepared for comparing and storing. */
typedef struct rd_element {
  rd_bytes text;
  uint8_t head[9]; /* the element without the string's bytes */
  uint8_t head_len;
  bool is_integer;
  bool is_outside; /* `head` is then without the reference, until rd_element_store */
  bool has_hash;
  uint64_t hash;
} rd_element;

void rd_element_of(rd_element *e, rd_bytes text);
uint64_t rd_element_hash(const rd_store *st, rd_element *e); /* computed once */
/* The bytes that it takes in an entry. */
uint32_t rd_element_bytes(const rd_element *e);
/* Write it; returns the end. An outside one gets a blob, which rd_blob_release must free if no entry takes it. NULL: no
 * memory for the blob, whose size is added to c->wanted. */
uint8_t *rd_element_put(rd_coll *c, rd_element *e, uint8_t *to);

/* ---- an element in an entry ---- */

/* Its bytes, at most end - at; 0: no whole element. */
uint32_t rd_element_size(const uint8_t *at, const uint8_t *end);
/* The same for one that is known to be whole. */
static inline uint32_t rd_element_skip(const uint8_t *at);
bool rd_element_is(const rd_store *st, const rd_element *e, const uint8_t *at);
uint64_t rd_element_hash_at(const rd_store *st, const uint8_t *at);
uint64_t rd_element_len(const rd_store *st, const uint8_t *at); /* bytes of its text */
/* The text: in place, or of an integer in `buf`. Not for outside ones. */
#define RD_ELEMENT_TEXT 24u
rd_bytes rd_element_text(const uint8_t *at, char buf[RD_ELEMENT_TEXT]);
/* True, and the number, if it is stored as an integer. */
bool rd_element_integer(const uint8_t *at, int64_t *n);
/* Copy its text to `dst`, which has room for rd_element_len bytes. */
void rd_element_read(rd_store *st, const uint8_t *at, void *dst);
/* < 0, 0, > 0: the text compared with another, byte by byte, as memcmp does. */
int rd_element_compare(const rd_store *st, const uint8_t *at, rd_bytes text);
int rd_element_compare_at(const rd_store *st, const uint8_t *a, const uint8_t *b);
/* Reply with it as a bulk. */
void rd_element_reply(rd_reply *r, rd_store *st, const uint8_t *at);

/* ---- pieces of rd_element_skip ---- */

static inline uint32_t rd_element_skip(const uint8_t *at) {
  if (RD_LIKELY(*at < 192)) return 1u + *at;
  if (*at < 200) return 2u + ((*at & 7u) << 8 | at[1]);
  if (*at == RD_ELEMENT_OUTSIDE) return RD_ELEMENT_OUTSIDE_BYTES;
  return *at == 228 ? 9u : *at - 222u;
}

#endif
