/* call.h - one call of one command: what the command gets, and its arguments. */
#ifndef RD_CALL_H
#define RD_CALL_H

#include "base/numbers.h"
#include "command/command.h"
#include "store/store.h"
#include "store/type.h"
#include "wire/reply.h"

/* One call of one command. */
struct rd_call {
  rd_store *store;
  struct rd_session *session;
  rd_reply *out;
  const struct rd_command *command;
  unsigned db;
  uint32_t argc;
  const rd_bytes *argv; /* argv[0] is the command's name; for a subcommand argv[1] is its name */
  uint32_t first_pos;   /* rd_call_key(first_pos) is first_key, hashed ahead; 0: the command has no key */
  rd_key first_key;
  bool whole;      /* it is to run at once, however long it takes; so is any command of a store without a clock */
  uint8_t verdict; /* rd_verdict */
};

/* The result of a call. */
typedef enum rd_verdict {
  RD_DONE = 0,  /* it was executed and answered */
  RD_LONG = 1,  /* nothing was done: it will take long, and is to be called again where it can pause (longrun.h) */
  RD_LATER = 2, /* nothing was done: another process or session has a lock that it needs */
} rd_verdict;

/* A command that has found out that it will take more than a millisecond asks this before it changes, counts or answers
 * anything. True: it goes on, and calls rd_breathe(store) at least once a millisecond. False: it returns at once. */
static inline bool rd_may_take_long(rd_call *call) {
  if (call->store->running != NULL || call->whole || call->store->clock == NULL) return true;
  call->verdict = RD_LONG;
  return false;
}
/* The same after the one lookup of a key that is read (rd_find_read) has found it: so many bytes are to be gone
 * through.
 */
bool rd_may_read(rd_call *call, uint64_t bytes);
/* Before a lookup of several keys that are read, of which the others may turn out to be large: with a listener for
 * misses it begins on the long command's stack at once, so that no miss is told twice. */
static inline bool rd_may_miss(rd_call *call) {
  return RD_LIKELY(call->store->listening == 0) || !rd_hears(call->store, RD_EVENT_KEYMISS) || rd_may_take_long(call);
}
/* Bytes, keys that take about a millisecond: more of them take long. */
#define RD_LONG_BYTES (4u << 20)
#define RD_LONG_KEYS 2048u

/* ---- arguments (args.c) ---- */

/* Case-insensitive comparison with a lower-case ASCII word. */
bool rd_arg_is(rd_bytes s, const char *word);
/* argv[i] as a key in the call's database, or another. It must be one that rd_command_keys finds: asserted. */
rd_key rd_call_key(rd_call *call, uint32_t i);
rd_key rd_call_key_in(rd_call *call, uint32_t i, unsigned db);
/* Is the value of the type? false after a WRONGTYPE reply: it is made here and nowhere else. */
bool rd_call_is(rd_call *call, const rd_item *it, const rd_type_row *row);
/* A lookup of a value that must be of the type: the item, or NULL with *absent set, or NULL after a WRONGTYPE reply. */
rd_item *rd_call_value(rd_call *call, const rd_key *key, const rd_type_row *row, bool for_write, bool *absent);
/* The same of a string. */
rd_item *rd_call_string(rd_call *call, const rd_key *key, bool for_write, bool *absent);

#endif
