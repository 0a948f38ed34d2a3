/* keys.h - finds the arguments of a call that are keys. */
#ifndef RD_KEYS_H
#define RD_KEYS_H

#include "arena/arena.h"
#include "command/command.h"

/* The place of the first key in a call of `argc` arguments; 0 when the call has none, like SUNSUBSCRIBE alone. */
static inline uint32_t rd_first_key_at(const rd_command *cmd, uint32_t argc) {
  return (uint32_t)cmd->first_key < argc ? (uint32_t)cmd->first_key : 0;
}

/* python: begin */
/* Arguments that are keys: `count` of them, every `step`th from `first` on, all with the same flags. */
typedef struct rd_key_run {
  uint32_t first, count, step, flags;
} rd_key_run;

/* All keys of a call. */
typedef struct rd_keys {
  uint32_t count, runs;
  bool understood; /* false: the command will refuse its arguments */
  rd_key_run run[RD_MAX_KEY_SPECS];
} rd_keys;

/* Find the keys of a call whose arity is right. No other code decides which arguments are keys: the dispatcher locks
 * these, the user's permissions are checked for these, COMMAND GETKEYS reports these, and the command uses these.
 * The time grows with the number of options; the key of RD_ONE_KEY costs nothing to find. */
void rd_command_keys(const rd_command *cmd, const rd_bytes *argv, uint32_t argc, rd_keys *keys);
/* python: end */
/* The position in argv of key `n`, which is below keys->count. */
static inline uint32_t rd_key_position(const rd_keys *keys, uint32_t n) {
  const rd_key_run *run = keys->run;
  while (n >= run->count) n -= run++->count;
  return run->first + n * run->step;
}

/* Add the shards of all keys of a call to `wanted`. */
void rd_shards_of_call(rd_store *st, const rd_command *cmd, const rd_bytes *argv, uint32_t argc,
                       uint64_t wanted[RD_MAX_SHARDS / 64]);

/* Step over the option at argv[*at], to the argument behind its values. Returns the option's index in cmd->options,
 * with *values the position of the first value. A command that has `options` parses its arguments with this, since
 * rd_command_keys does. RD_NO_OPTION: the word is no option, or too few values follow; *at is behind the word. */
#define RD_NO_OPTION (-1)
int rd_next_option(const rd_command *cmd, const rd_bytes *argv, uint32_t argc, uint32_t *at, uint32_t *values);

/* The verdict on an argument that counts keys, which are at argv[first] and every `step`th argument after it. */
typedef enum rd_numkeys {
  RD_NUMKEYS_OK,
  RD_NUMKEYS_NO_NUMBER,
  RD_NUMKEYS_NOT_POSITIVE,
  RD_NUMKEYS_TOO_MANY
} rd_numkeys;
rd_numkeys rd_parse_numkeys(rd_bytes number, uint32_t argc, uint32_t first, uint32_t step, uint32_t *count);

#endif
