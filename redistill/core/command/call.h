/* call.h - one call of one command: its arguments and its context. */
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
  bool whole;      /* the command must not pause, as no command can in a store without a clock */
  uint8_t verdict; /* rd_verdict */
  /* True if the user may read all keys with this command. Only set for commands that take their own locks. */
  bool (*reads_all_keys)(const rd_call *call);
};

/* The result of a call. */
typedef enum rd_verdict {
  RD_DONE = 0,  /* the command was executed and answered */
  RD_LONG = 1,  /* nothing was done: the command will take long; call it again where it can pause (longrun.h) */
  RD_LATER = 2, /* nothing was done: another process or session has a lock that the command needs */
  RD_BLOCK = 3, /* nothing was done: the session waits for the command's keys */
} rd_verdict;

/* Called by a command that will take more than a millisecond, before it changes, counts or answers anything. True:
 * it continues, and calls rd_yield(store) at least once a millisecond. False: it returns at once. */
static inline bool rd_may_take_long(rd_call *call) {
  if (call->store->running != NULL || call->whole || call->store->clock == NULL) return true;
  call->verdict = RD_LONG;
  return false;
}
/* Called before a command looks up several keys that it reads, of which later ones may be large. With a listener for
 * misses the command runs on the stack for long commands from the start, so that no miss is reported twice. */
static inline bool rd_may_miss(rd_call *call) {
  return RD_LIKELY(call->store->listening == 0) || !rd_event_wanted(call->store, RD_EVENT_KEYMISS) ||
         rd_may_take_long(call);
}
/* Called when a command has composed its reply, and is about to remove what is in it from the value `it`. False: it
 * must not, and returns at once. The item stays where it is, but all places in it are void. */
static inline bool rd_call_may_remove(const rd_call *call, const rd_item *it) {
  rd_store *st = call->store;
  if (RD_UNLIKELY(call->out->failed)) return false;
  if (RD_LIKELY(st->giving == NULL)) return true;
  st->pin[1] = rd_ref_of(st, it);
  bool may = st->giving(st);
  st->pin[1] = 0;
  return may;
}
/* The bytes or keys that take about a millisecond; a command with more takes long. The same for elements of one value,
 * each of which is sought, and added or removed. */
#define RD_LONG_BYTES (4u << 20)
#define RD_LONG_KEYS 2048u
#define RD_LONG_ELEMENTS 512u
bool rd_may_read_long(rd_call *call);
/* As rd_may_take_long, after the command's only lookup (rd_find_read) has found the key: the command will read `bytes`
 * bytes. */
static inline bool rd_may_read(rd_call *call, uint64_t bytes) {
  return RD_LIKELY(bytes <= RD_LONG_BYTES) || rd_may_read_long(call);
}

/* ---- arguments (args.c) ---- */

/* Case-insensitive comparison with a lower-case ASCII word. */
bool rd_arg_is(rd_bytes s, const char *word);
/* Parse an integer. False after an error reply. */
static inline bool rd_arg_integer(rd_call *call, rd_bytes arg, int64_t *n) {
  if (RD_LIKELY(rd_parse_i64(arg, n))) return true;
  rd_reply_not_integer(call->out);
  return false;
}
/* The same, but the lowest integer, which has no opposite, is out of range. */
bool rd_arg_signed(rd_call *call, rd_bytes arg, int64_t *n);
/* argv[i] as a key in the call's database, or in another. Asserts that rd_command_keys finds it as a key. */
rd_key rd_call_key(rd_call *call, uint32_t i);
rd_key rd_call_key_in(rd_call *call, uint32_t i, unsigned db);
/* True if the value has the type; otherwise appends the WRONGTYPE reply, the only place that does. */
bool rd_call_is(rd_call *call, const rd_item *it, const rd_type_row *row);
/* Look up a value that must have the type. NULL: the key does not exist and *absent is set, or a WRONGTYPE reply was
 * appended. */
rd_item *rd_call_value(rd_call *call, const rd_key *key, const rd_type_row *row, bool for_write, bool *absent);
/* The same for a string. */
rd_item *rd_call_string(rd_call *call, const rd_key *key, bool for_write, bool *absent);

#endif
