/* resp.h - the parser of requests: RESP arrays of bulks, and inline commands.
 *
 * It parses in place: an argument is a stretch of the caller's bytes (of the parser's scratch memory when an inline
 * command has quotes). When the bytes end in the middle of a command, the next call continues where this one
 * stopped, so any split of the bytes costs the same. Offsets count from the start of the bytes that the calls get; a
 * caller that moves them calls rd_parser_moved.
 *
 * Memory grows by arguments that arrived, never by a number that was announced. */
#ifndef RD_RESP_H
#define RD_RESP_H

#include "base/base.h"

typedef enum rd_parsed {
  RD_PARSED_MORE,      /* the bytes end before the next command is complete */
  RD_PARSED_COMMAND,   /* the next command is argv[first .. first + count) */
  RD_PARSED_ERROR,     /* a protocol error, described by `error`; the connection must be closed */
  RD_PARSED_NO_MEMORY, /* the same, for lack of memory */
} rd_parsed;

typedef struct rd_parser {
  rd_bytes *argv; /* the arguments of all commands parsed since rd_parser_forget, in order, and of the unfinished one */
  uint32_t len, cap;
  uint32_t first;   /* the first argument of the last command, or of the unfinished one */
  uint32_t missing; /* arguments that the unfinished command lacks; 0: between commands */
  size_t start;     /* offset of the command that was parsed last, or is unfinished */
  size_t pos;       /* offset of the first byte that was not parsed */
  size_t scanned;   /* so many bytes from pos on contain no line end */
  uint64_t bulk;    /* length of the argument at pos; RD_NO_BULK: its header comes next */
  uint8_t *scratch;
  size_t scratch_cap;
  bool scratch_used; /* the last command's arguments are in scratch: execute it before parsing the next */
  uint64_t max_bulk; /* most bytes of one argument, at most RD_MAX_BULK */
  bool limited;      /* the bounds before authentication apply */
  bool skipped;      /* an empty command was skipped since the caller last set it to false */
  char error[64];    /* "ERR Protocol error: ..." */
} rd_parser;

#define RD_NO_BULK UINT64_MAX

void rd_parser_init(rd_parser *p);
void rd_parser_free(rd_parser *p);

/* Continue to parse at p->pos; `len` counts from offset 0. Empty commands ("*0", blank lines) are skipped. */
rd_parsed rd_parse(rd_parser *p, const uint8_t *data, size_t len);

/* Drop the arguments of all complete commands. */
void rd_parser_forget(rd_parser *p);
/* The bytes from offset `shift` on, which begin no later than the first command in argv, are now at `now`; they were
 * at `was` + shift. Offsets shrink by `shift`. `was` and `len` only describe the old place, which may be freed
 * already. */
void rd_parser_moved(rd_parser *p, uintptr_t was, size_t len, const uint8_t *now, size_t shift);
/* Release the memory that an idle parser does not need. */
void rd_parser_trim(rd_parser *p);

#endif
