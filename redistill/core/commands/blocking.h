/* blocking.h - commands that wait until a key has something for them.
 *
 * Such a command first tries all of its keys. When none has anything it calls rd_call_block, which puts the session
 * into the queues of the keys (session/blocking.h). For a client that waits, whoever changes a key calls the command
 * again, with that key alone and without a session (rd_call.session NULL). */
#ifndef RD_COMMANDS_BLOCKING_H
#define RD_COMMANDS_BLOCKING_H

#include "command/call.h"

#define RD_WAITING_ARGS 12u
#define RD_WAITING_KEYS 4096u /* keys that a client can wait for at the same time */

/* The replies of commands that have waited in vain. */
typedef enum rd_vain {
  RD_VAIN_NULL_ARRAY,
  RD_VAIN_NULL,  /* BLMOVE in a transaction; after a wait it replies a null array, as the others do */
  RD_VAIN_ZERO,  /* WAIT */
  RD_VAIN_ZEROS, /* WAITAOF: two of them */
} rd_vain;
void rd_reply_in_vain(rd_reply *out, rd_vain in_vain, bool has_waited);

typedef struct rd_waiting {
  rd_type type;          /* of the values that it waits for */
  uint32_t first, keys;  /* the keys are argv[first], and those behind it */
  uint64_t milliseconds; /* the longest wait; 0: without an end */
  rd_vain in_vain;       /* the reply when it ends in vain */
  bool moves;            /* what it gets is in another key, too: if its client is gone, it stays there */
  bool counts;           /* it may get several elements, so the call may take long: then it is only called again */
  bool gone; /* it is called, too, when a key does not exist any more, or has another type: it replies with an error */
  bool from_end; /* what it gets comes from the end of the value, and belongs there if its client is gone */
  uint32_t argc; /* the call for one key: `argv`, where argv[key_at] is the key */
  uint32_t key_at;
  rd_bytes argv[RD_WAITING_ARGS];
  const rd_bytes *each; /* not NULL: for key `i`, argv[each_at] is each[i] */
  uint32_t each_at;
  rd_bytes keeps; /* rd_call_kept of the command when it runs again after this wait */
} rd_waiting;

/* Have the session wait, or reply in vain if it must not: in a transaction. */
void rd_call_block(rd_call *c, const rd_waiting *w);
/* A command that runs again after a wait, since it has moved or its shard was lost: what it kept when the wait began,
 * or would make of its arguments something else now. Empty: it runs for the first time. */
rd_bytes rd_call_kept(const rd_call *c);
/* Parse a timeout in seconds. False after an error reply. */
bool rd_parse_timeout(rd_call *c, rd_bytes text, uint64_t *milliseconds);

#endif
