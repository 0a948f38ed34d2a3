/* load_reply.h - the replies of one connection: their form is checked, and their results are counted. */
#ifndef LOAD_REPLY_H
#define LOAD_REPLY_H

#include <stdbool.h>

#include "load_stream.h"

#define LONGEST_LINE 512u

typedef struct tally {
  uint64_t commands[REPLY_KINDS]; /* answered, errors among them */
  uint64_t hits, misses;          /* keys that GET or MGET found or not */
  uint64_t errors;                /* replies that were errors */
  char error[LONGEST_LINE];       /* the first of them, or the error in a reply's form */
} tally;

/* Where a connection is within a reply. Zeroed at the start. */
typedef struct replies {
  uint64_t skip; /* bytes of a value that are still to come */
  uint32_t left; /* keys of this reply that are still to come */
  bool inside;   /* the first line of this reply was read */
  bool value;    /* the next line ends a value, and is empty */
  uint32_t kept; /* bytes in `line`: the beginning of a line */
  char line[LONGEST_LINE];
} replies;

/* Read the replies to at most `awaited` commands, of `kinds`, out of `data`. Returns the number of complete replies, or
 * -1 if a reply has the wrong form for its command; tally->error then holds that reply. The beginning of an unfinished
 * line is kept in r->line: the caller puts these bytes in front of the next data, and sets r->kept to 0. */
int replies_read(replies *r, tally *t, const load_plan *plan, const uint8_t *kinds, uint32_t awaited, const char *data,
                 size_t len);

#endif
