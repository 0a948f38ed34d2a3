/* packed.h - values that Redis keeps in one string of bytes: listpacks, ziplists, intsets and zipmaps.
 *
 * Each is a head, entries, and mostly a byte 0xff at the end. Here they are only read, from front to back, and nothing
 * in them is trusted: a reader stays within the string, and each of its steps goes forward. All that the format says
 * twice (lengths before and after an entry, counts, offsets, order) must agree. */
#ifndef RD_PACKED_H
#define RD_PACKED_H

#include "base/numbers.h"

typedef enum rd_packing { RD_LISTPACK, RD_ZIPLIST, RD_INTSET, RD_ZIPMAP } rd_packing;

/* The result of reading an element. */
typedef enum rd_got { RD_GOT, RD_GOT_END, RD_GOT_BAD } rd_got;

/* A string that is being read. */
typedef struct rd_packed {
  rd_packing packing;
  const uint8_t *begin; /* the string */
  const uint8_t *at;    /* the next entry */
  const uint8_t *end;   /* the end of the entries */
  uint64_t count;       /* entries that were read */
  uint64_t declared;    /* entries that the head declares; RD_PACKED_MANY: so many that it does not say */
  const uint8_t *last;  /* the entry that was read last; NULL: none was */
} rd_packed;

#define RD_PACKED_MANY UINT64_MAX

/* Begin to read a string, which must stay as it is meanwhile. False: its head or its end is wrong. */
bool rd_packed_open(rd_packed *p, rd_packing packing, rd_bytes string);
/* The next element: its text lies in the string, or, of a number, in `number`. RD_GOT_END: there was none, and the
 * whole string was right. A zipmap gives fields and values in turn, the others as Redis stored them. */
rd_got rd_packed_next(rd_packed *p, rd_bytes *text, char number[RD_I64_TEXT]);

/* ---- for packed.c: a file each ---- */

/* Set `at`, `end` and `declared`. */
bool rd_listpack_open(rd_packed *p, rd_bytes string);
bool rd_ziplist_open(rd_packed *p, rd_bytes string);
bool rd_intset_open(rd_packed *p, rd_bytes string);
bool rd_zipmap_open(rd_packed *p, rd_bytes string);
/* Read the entry at `at`, which is before `end`, and set `at` behind it. The text's data is NULL: it is *n. */
bool rd_listpack_read(rd_packed *p, rd_bytes *text, int64_t *n);
bool rd_ziplist_read(rd_packed *p, rd_bytes *text, int64_t *n);
bool rd_intset_read(rd_packed *p, rd_bytes *text, int64_t *n);
bool rd_zipmap_read(rd_packed *p, rd_bytes *text, int64_t *n);
/* True if the head agrees with the entries, all of which were read. */
bool rd_ziplist_ends(const rd_packed *p);
bool rd_zipmap_ends(const rd_packed *p);

/* `n` bytes, low first, as a number with a sign. */
static inline int64_t rd_packed_number(const uint8_t *at, unsigned n) {
  uint64_t v = 0;
  for (unsigned i = 0; i < n; i++) v |= (uint64_t)at[i] << 8 * i;
  unsigned unused = 64 - 8 * n;
  return (int64_t)(v << unused) >> unused;
}

#endif
