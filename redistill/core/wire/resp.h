/* resp.h - the parser of requests: RESP arrays of bulks, and inline commands.
 *
 * It parses in place: an argument is a stretch of the caller's bytes (of the parser's scratch memory when an inline
 * command has quotes). What was parsed of a command stays parsed when the bytes end in its middle: the next call goes
 * on where this one stopped, so any split of the bytes costs the same. Offsets count from the start of the bytes that
 * the calls get; a caller who moves them says so with rd_parser_moved.
 *
 * Memory grows by arguments that arrived, never by a number that was announced. */
#ifndef RD_RESP_H
#define RD_RESP_H

#include "base/base.h"

typedef enum rd_parsed {
  RD_PARSED_MORE,      /* the bytes end before the next command does */
  RD_PARSED_COMMAND,   /* one more command: argv[first .. first + count) */
  RD_PARSED_ERROR,     /* `error` says which; the conversation is over */
  RD_PARSED_NO_MEMORY, /* the same, for want of memory */
} rd_parsed;

typedef struct rd_parser {
  rd_bytes *argv; /* of all commands parsed since rd_parser_forget, one after another, and of the unfinished one */
  uint32_t len, cap;
  uint32_t first;   /* the last command's, or the unfinished one's, place in argv */
  uint32_t missing; /* arguments that the unfinished command lacks; 0: between commands */
  size_t start;     /* offset of the command that was parsed last, or is being parsed */
  size_t pos;       /* offset of the first byte that was not parsed */
  size_t scanned;   /* so many bytes from pos on hold no line's end */
  uint64_t bulk;    /* length of the argument at pos, RD_NO_BULK: its header is next */
  uint8_t *scratch;
  size_t scratch_cap;
  bool scratch_used; /* the last command's arguments lie in scratch: execute it before the next is parsed */
  uint64_t max_bulk; /* bytes of one argument, at most RD_MAX_BULK */
  bool limited;      /* the bounds before authentication apply */
  bool skipped;      /* an empty command was skipped since the caller last set it to false */
  char error[64];    /* "ERR Protocol error: ..." */
} rd_parser;

#define RD_NO_BULK UINT64_MAX

void rd_parser_init(rd_parser *p);
void rd_parser_free(rd_parser *p);

/* Parse on from p->pos; `len` counts from offset 0. Empty commands ("*0", blank lines) are skipped. */
rd_parsed rd_parse(rd_parser *p, const uint8_t *data, size_t len);

/* Drop the arguments of all whole commands. */
void rd_parser_forget(rd_parser *p);
/* The bytes from offset `shift` on, which begin no later than the first command in argv, now lie at `now`; they were at
 * `was` + shift. Offsets shrink by `shift`. `was` and `len` only name the old place: it may be gone. */
void rd_parser_moved(rd_parser *p, uintptr_t was, size_t len, const uint8_t *now, size_t shift);
/* Give back what an idle parser does not need. */
void rd_parser_trim(rd_parser *p);

#endif
