/* reader.h - reads the parts of a value in Redis's RDB format: lengths, numbers, strings, scores.
 *
 * A string is one of
 *
 *   length, bytes                       the length: 00xxxxxx, 01xxxxxx + 1 byte, 0x80 + 4 bytes, 0x81 + 8 bytes, high
 *                                       first
 *   0xc0 int8 | 0xc1 int16 | 0xc2 int32 a number that has this decimal text, low byte first
 *   0xc3, compressed length, length, bytes in LZF
 *
 * All functions return false if the bytes are none of that, or end too early; the reader is then of no more use. */
#ifndef RD_READER_H
#define RD_READER_H

#include "base/numbers.h"

enum { RD_RDB_INT8 = 0xc0, RD_RDB_INT16 = 0xc1, RD_RDB_INT32 = 0xc2, RD_RDB_LZF = 0xc3 };

typedef struct rd_reader {
  const uint8_t *at;
  const uint8_t *end;
} rd_reader;

static inline rd_reader rd_reader_of(rd_bytes b) { return (rd_reader){b.data, b.data + b.len}; }
static inline uint64_t rd_reader_left(const rd_reader *r) { return (uint64_t)(r->end - r->at); }

/* A length. The low six bits of the first byte of an encoded string are its length here, as in Redis. */
bool rd_read_length(rd_reader *r, uint64_t *n);
bool rd_read_bytes(rd_reader *r, uint64_t len, rd_bytes *bytes);
/* A number with a sign of `width` bytes, low first. */
bool rd_read_number(rd_reader *r, unsigned width, int64_t *n);
/* A score: eight bytes, or a length and its text. Not false for one that is no number. */
bool rd_read_double(rd_reader *r, double *score);
bool rd_read_score(rd_reader *r, double *score);

typedef struct rd_string {
  rd_bytes bytes; /* where they lie in what is read; of a compressed string, the LZF text */
  bool is_number; /* it is the decimal text of `number` */
  bool is_packed; /* it is compressed */
  int64_t number;
  uint64_t len; /* of a compressed string: the length that it claims, at most RD_MAX_BULK */
} rd_string;

bool rd_read_string(rd_reader *r, rd_string *s);

#endif
