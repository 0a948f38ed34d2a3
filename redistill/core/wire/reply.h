/* reply.h - a growing buffer of RESP replies.
 *
 * Every call appends one reply, or the head of an aggregate, in the protocol version of the buffer (2 or 3). A
 * buffer that could not grow (no memory, or its limit) sets `failed` and ignores later calls, and the session is
 * closed. */
#ifndef RD_REPLY_H
#define RD_REPLY_H

#include "arena/stats.h"
#include "base/base.h"

#define RD_LARGE_GROWTH (64u << 10)

typedef struct rd_reply {
  uint8_t *data; /* malloc'd */
  size_t len;
  size_t cap;
  size_t released; /* bytes whose memory rd_reply_release has returned */
  size_t limit;    /* most bytes that it may hold; 0: no limit */
  /* Called before the buffer grows by RD_LARGE_GROWTH bytes or more; NULL: not called. */
  bool (*admit)(const struct rd_reply *r, size_t more);
  /* Called while many bytes are moved, at least once a millisecond: a long command may pause; NULL: not called. */
  void (*pause)(const struct rd_reply *r);
  uint8_t resp; /* 2 or 3 */
  bool failed;
  bool over;                /* it failed because it would have exceeded its limit, or because `admit` refused */
  uint32_t errors;          /* error replies appended since the caller last set it to 0 */
  char code[RD_ERROR_NAME]; /* the first word of the last error, "" when it is too long for a code */
} rd_reply;

void rd_reply_init(rd_reply *r);
void rd_reply_free(rd_reply *r);
/* Return the memory of the first `done` bytes, which were sent, to the system: some MiB a call, so that no call has
 * to return gigabytes. */
void rd_reply_release(rd_reply *r, size_t done);
/* Make room for `n` more bytes. The caller fills them and adds to len. NULL: no memory, and `failed` is set. */
uint8_t *rd_reply_room(rd_reply *r, size_t n);
void rd_reply_raw(rd_reply *r, const void *data, size_t len); /* appends bytes that are RESP already */

void rd_reply_ok(rd_reply *r);
void rd_reply_simple(rd_reply *r, const char *text);
/* An array of `n` simple strings: the answer to a HELP subcommand. */
void rd_reply_lines(rd_reply *r, const char *const *lines, size_t n);
/* Append "-" text CRLF; the text begins with its code ("ERR ..."). Control bytes of the text become spaces. Counts
 * `errors`. */
void rd_reply_error(rd_reply *r, const char *text);
void rd_reply_errorf(rd_reply *r, const char *fmt, ...) RD_PRINTF(2, 3);
void rd_reply_wrong_type(rd_reply *r);
void rd_reply_syntax(rd_reply *r);
void rd_reply_not_integer(rd_reply *r); /* ERR value is not an integer or out of range */
void rd_reply_oom(rd_reply *r);

void rd_reply_int(rd_reply *r, int64_t n);
void rd_reply_bulk(rd_reply *r, const void *data, size_t len);
void rd_reply_str(rd_reply *r, const char *text); /* as a bulk */
/* Append the head of a bulk of `len` bytes; the caller appends the bytes (rd_reply_room), then calls rd_reply_crlf. */
void rd_reply_bulk_head(rd_reply *r, size_t len);
void rd_reply_crlf(rd_reply *r);
void rd_reply_bulk_int(rd_reply *r, int64_t n); /* a number as a bulk */
void rd_reply_null(rd_reply *r);                /* $-1 or _ */
void rd_reply_null_array(rd_reply *r);          /* *-1 or _ */
void rd_reply_double(rd_reply *r, double d);    /* a bulk in RESP2; the text is doubles.h's */
void rd_reply_bool(rd_reply *r, bool b);        /* :1 / :0 in RESP2 */
void rd_reply_array(rd_reply *r, size_t n);
void rd_reply_map(rd_reply *r, size_t pairs); /* an array of 2 * pairs in RESP2 */
void rd_reply_set(rd_reply *r, size_t n);     /* an array in RESP2 */
void rd_reply_push(rd_reply *r, size_t n);    /* an array in RESP2 */
void rd_reply_verbatim(rd_reply *r, const char *format, const void *data, size_t len); /* a bulk in RESP2 */

/* Move the bytes from `from` to the end by `by` places on, for which there is room. */
void rd_reply_shift(rd_reply *r, size_t from, size_t by);
/* Append an array whose length is known only after its elements: begin, append the elements, end with their count. */
size_t rd_reply_begin_array(rd_reply *r);
void rd_reply_end_array(rd_reply *r, size_t mark, size_t n);
void rd_reply_end_set(rd_reply *r, size_t mark, size_t n); /* begun by rd_reply_begin_array */

#endif
