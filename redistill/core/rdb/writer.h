/* writer.h - writes the parts of a value in Redis's RDB format, which reader.h and listpack.c describe.
 *
 * A writer without memory only adds up the bytes that it would write, so that the same code first measures a value
 * and then writes it. */
#ifndef RD_WRITER_H
#define RD_WRITER_H

#include "base/numbers.h"

typedef struct rd_writer {
  uint8_t *to;  /* NULL: measure only */
  uint64_t len; /* bytes that were written */
} rd_writer;

/* The place for `n` more bytes, which the caller fills; NULL: they are only measured. */
static inline uint8_t *rd_put_room(rd_writer *w, uint64_t n) {
  uint8_t *at = w->to == NULL ? NULL : w->to + w->len;
  w->len += n;
  return at;
}
void rd_put_bytes(rd_writer *w, const void *data, size_t n);
void rd_put_length(rd_writer *w, uint64_t n);
void rd_put_word(rd_writer *w, uint64_t n); /* eight bytes, low first */
void rd_put_double(rd_writer *w, double score);
/* A string: as a number if its text is that of one of 32 bits, otherwise as it is. */
void rd_put_string(rd_writer *w, rd_bytes text);

/* ---- a listpack: begin, write the elements, end ---- */

#define RD_LISTPACK_BYTES 7u /* bytes besides its entries */

/* Begin one of `len` bytes with so many entries. */
void rd_put_listpack(rd_writer *w, uint64_t len, uint64_t entries);
/* An element: as a number if its text is that of one. */
void rd_put_packed(rd_writer *w, rd_bytes text);
void rd_put_packed_number(rd_writer *w, int64_t n);
/* The same in pieces, for a string that is no number: its length, and then, behind its bytes, its end. */
void rd_put_packed_head(rd_writer *w, uint64_t len);
void rd_put_packed_end(rd_writer *w, uint64_t len);
void rd_put_listpack_end(rd_writer *w);

#endif
