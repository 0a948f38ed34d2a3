/* element.h - the strings in the entries of collections: fields, values, members, elements of lists.
 *
 *     first byte      then
 *     0 .. 191        so many bytes of a string
 *     192 .. 194      a string of ((byte & 7) << 8 | next byte) bytes: 192 to 512
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

/* A string that is prepared for comparing and storing: a client's, or one that is an element of another value. */
typedef struct rd_element {
  rd_bytes text;   /* for an outside element: only its length */
  int64_t integer; /* if is_integer */
  uint64_t hash;   /* if has_hash */
  rd_ref blob;     /* not 0: the text is this blob */
  uint8_t head[9]; /* the element's first bytes: all before the string's bytes; of an outside one the first byte */
  uint8_t head_len;
  bool is_integer;
  bool is_outside;
  bool has_hash;
} rd_element;

/* The text must stay in its place as long as the rd_element is used. */
void rd_element_of(rd_element *e, rd_bytes text);
/* The same for an element of another value, which must stay in its place too. */
void rd_element_like(rd_element *e, const rd_store *st, const uint8_t *at);
uint64_t rd_element_hash(const rd_store *st, rd_element *e); /* computed once */
/* The orders of sought names in a tree that is ordered by their hash: order[i] is of(hash of the name). */
void rd_element_orders(const rd_store *st, const rd_sought each[], uint32_t n, uint64_t (*of)(uint64_t hash),
                       uint64_t order[]);
/* The bytes that it takes in an entry. */
static inline uint32_t rd_element_bytes(const rd_element *e);
/* Write it; returns the end. An outside one gets a blob, which rd_blob_release must free if no entry takes it. NULL: no
 * memory for the blob, whose size is added to c->wanted. */
uint8_t *rd_element_put(rd_coll *c, rd_element *e, uint8_t *to);

/* ---- an element in an entry ---- */

/* Its bytes, at most end - at; 0: no whole element. */
static inline uint32_t rd_element_size(const uint8_t *at, const uint8_t *end);
/* The same for one that is known to be whole. */
static inline uint32_t rd_element_skip(const uint8_t *at);
/* True if all elements with this first byte are of one length.
 *
 * The elements of most collections have one length. So a walk compares the next first byte with the one before, and
 * goes on by the same step without waiting for it; where they differ, it goes from head to head for RD_ELEMENT_CHANGED
 * elements. */
static inline bool rd_element_head_decides(uint8_t head) { return head < 192 || head >= 224; }
#define RD_ELEMENT_CHANGED 16u
static inline bool rd_element_is(const rd_store *st, const rd_element *e, const uint8_t *at);
uint64_t rd_element_hash_at(const rd_store *st, const uint8_t *at);
uint64_t rd_element_len(const rd_store *st, const uint8_t *at); /* bytes of its text */
/* The text: in place, or of an integer in `buf`. Not for outside ones. */
#define RD_ELEMENT_TEXT 24u
rd_bytes rd_element_text(const uint8_t *at, char buf[RD_ELEMENT_TEXT]);
static inline bool rd_element_is_outside(const uint8_t *at) { return *at == RD_ELEMENT_OUTSIDE; }
static inline rd_ref rd_element_blob(const uint8_t *at) { return rd_ld64(at + RD_ELEMENT_REF); }
/* True, and the number, if it is stored as an integer. */
bool rd_element_integer(const uint8_t *at, int64_t *n);
/* Copy its text to `dst`, which has room for rd_element_len bytes. Calls rd_yield. */
void rd_element_read(rd_store *st, const uint8_t *at, void *dst);
/* < 0, 0, > 0: the text compared with another, byte by byte, as memcmp does; a shorter one is before a longer one. */
int rd_element_compare(const rd_store *st, const uint8_t *at, rd_bytes text);
int rd_element_compare_at(const rd_store *st, const uint8_t *a, const uint8_t *b);
/* Reply with it as a bulk. Calls rd_yield. */
void rd_element_reply(rd_reply *r, rd_store *st, const uint8_t *at);

/* A probe tells most other elements from a sought one without a call, by the first byte, and of a string by the last
 * eight ones, since names often begin alike. */
typedef struct rd_probe {
  uint64_t tail, mask;
  ptrdiff_t off; /* of the last eight bytes */
  uint8_t head;
} rd_probe;
static inline rd_probe rd_probe_of(const rd_element *e);
static inline bool rd_probe_may_be(const rd_probe *p, const uint8_t *at);

/* ---- the inline functions ---- */

static inline rd_probe rd_probe_of(const rd_element *e) {
  rd_probe p = {.off = -7,
                .head = e->head[0]}; /* every entry has eight bytes before its end: those of a block's head */
  if (p.head < 192 && p.head >= 8)
    p = (rd_probe){rd_ld64(e->text.data + e->text.len - 8), UINT64_MAX, (ptrdiff_t)e->text.len - 7, p.head};
  return p;
}

static inline bool rd_probe_may_be(const rd_probe *p, const uint8_t *at) {
  return *at == p->head && ((rd_ld64(at + p->off) ^ p->tail) & p->mask) == 0;
}

/* The part of rd_element_is behind the first byte, which is the same. */
bool rd_element_is_rest(const rd_store *st, const rd_element *e, const uint8_t *at);

static inline bool rd_element_is(const rd_store *st, const rd_element *e, const uint8_t *at) {
  return *at == e->head[0] && rd_element_is_rest(st, e, at);
}

static inline uint32_t rd_element_bytes(const rd_element *e) {
  if (RD_UNLIKELY(e->is_outside)) return RD_ELEMENT_OUTSIDE_BYTES;
  return e->head_len + (e->is_integer ? 0 : (uint32_t)e->text.len);
}

static inline uint32_t rd_element_skip(const uint8_t *at) {
  if (RD_LIKELY(*at < 192)) return 1u + *at;
  if (*at < 200) return 2u + ((*at & 7u) << 8 | at[1]);
  if (*at == RD_ELEMENT_OUTSIDE) return RD_ELEMENT_OUTSIDE_BYTES;
  return *at == 228 ? 9u : *at - 222u;
}

static inline uint32_t rd_element_size(const uint8_t *at, const uint8_t *end) {
  if (RD_UNLIKELY(end <= at)) return 0;
  uint32_t bytes = 1u + *at;
  if (RD_UNLIKELY(*at >= 192)) {
    if (*at > 228 ? *at != RD_ELEMENT_OUTSIDE : *at > 194 && *at < 224) return 0;
    if (end - at < 2) return 0;
    bytes = rd_element_skip(at);
    if (*at < 200 && (bytes < 192 + 2 || bytes > RD_ELEMENT_MAX)) return 0;
  }
  return RD_LIKELY(bytes <= (size_t)(end - at)) ? bytes : 0;
}

#endif
