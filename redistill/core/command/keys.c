/* keys.c - finds the arguments of a call that are keys.
 *
 * The dispatcher's locks, the checks of a user's permissions and the command itself all use this one function. If one
 * parser found a key and another did not, a command would use it without its lock, or without permission. So a command
 * whose keys stand behind options steps over these with rd_next_option, as this file does, and a command whose keys are
 * counted by an argument reads it with rd_parse_numkeys. */
#include "command/keys.h"

#include "arena/key.h"
#include "command/call.h"
#include "command/command.h"
#include "command/index.h"

int rd_next_option(const rd_command *cmd, const rd_bytes *argv, uint32_t argc, uint32_t *at, uint32_t *values) {
  rd_bytes word = argv[*at];
  *values = ++*at;
  for (const rd_option *option = cmd->options; option->word != NULL; option++) {
    if (!rd_arg_is(word, option->word)) continue;
    uint32_t left = argc - *at;
    if (option->values == RD_ALL_THE_REST)
      *at = argc;
    else if ((uint32_t)option->values <= left)
      *at += (uint32_t)option->values;
    else
      return RD_NO_OPTION;
    return (int)(option - cmd->options);
  }
  return RD_NO_OPTION;
}

rd_numkeys rd_parse_numkeys(rd_bytes number, uint32_t argc, uint32_t first, uint32_t step, uint32_t *count) {
  int64_t n;
  *count = 0;
  if (!rd_parse_i64(number, &n)) return RD_NUMKEYS_NO_NUMBER;
  if (n <= 0) return RD_NUMKEYS_NOT_POSITIVE;
  uint32_t room = first >= argc ? 0 : (argc - first) / step;
  if (n > room) return RD_NUMKEYS_TOO_MANY;
  *count = (uint32_t)n;
  return RD_NUMKEYS_OK;
}

/* The position behind the keyword of a spec; 0: the keyword is missing, or nothing follows it. The bounds are
 * Redis's. */
static uint32_t find_keyword(const rd_key_spec *spec, const rd_bytes *argv, uint32_t argc) {
  if (spec->begin > 0) {
    for (uint32_t i = (uint32_t)spec->begin; i + 1 < argc; i++) {
      if (rd_arg_is(argv[i], spec->keyword)) return i + 1;
    }
  } else {
    for (int64_t i = (int64_t)argc + spec->begin; i > 1; i--) {
      if (rd_arg_is(argv[i], spec->keyword)) return (uint32_t)i + 1;
    }
  }
  return 0;
}

/* Find the keys of a spec from `first` on. False: there is no key; the command reports an error if it needs one. */
static bool find_run(const rd_key_spec *spec, const rd_bytes *argv, uint32_t argc, uint32_t first, rd_key_run *run) {
  run->step = (uint32_t)spec->step;
  run->flags = spec->flags & ~(uint32_t)(RD_KEY_INCOMPLETE | RD_KEY_VARIABLE_FLAGS | RD_KEY_INSTEAD);
  if (first >= argc) return false;
  if (spec->find_keys == RD_FIND_KEYNUM) {
    run->first = first + (uint32_t)spec->first;
    return rd_parse_numkeys(argv[first], argc, run->first, run->step, &run->count) == RD_NUMKEYS_OK;
  }
  int64_t last = (int64_t)first + spec->last;
  if (spec->limit != 0)
    last += (argc - first) / (uint32_t)spec->limit;
  else if (spec->last < 0)
    last = (int64_t)argc + spec->last;
  if (last >= argc || last < first) return false;
  run->first = first;
  run->count = (uint32_t)(last - first) / run->step + 1;
  return true;
}

/* Find the last option that has keys as values: returns 1 + the index of their spec, and sets their position; 0: no
 * such option is given. Words that are not options are passed over: the command reports them. */
static int find_option(const rd_command *cmd, const rd_bytes *argv, uint32_t argc, uint32_t *first) {
  int spec = 0;
  for (uint32_t at = (uint32_t)cmd->options_from; at < argc;) {
    uint32_t values;
    int option = rd_next_option(cmd, argv, argc, &at, &values);
    if (option == RD_NO_OPTION || cmd->options[option].spec == 0) continue;
    spec = cmd->options[option].spec;
    *first = values;
  }
  return spec;
}

/* SET reads the key only when it has to return the old value. */
static uint32_t set_flags(const rd_bytes *argv, uint32_t argc) {
  for (uint32_t i = 3; i < argc; i++) {
    if (rd_arg_is(argv[i], "get")) return RD_KEY_RW | RD_KEY_ACCESS | RD_KEY_UPDATE;
  }
  return RD_KEY_OW | RD_KEY_UPDATE;
}

/* BITFIELD with only GETs just reads; arguments that cannot be parsed may write. */
static uint32_t bitfield_flags(const rd_bytes *argv, uint32_t argc) {
  for (uint32_t i = 2; i < argc;) {
    uint32_t left = argc - i - 1;
    if (left >= 2 && rd_arg_is(argv[i], "get")) {
      i += 3;
    } else if (left >= 1 && rd_arg_is(argv[i], "overflow")) {
      i += 2;
    } else {
      return RD_KEY_RW | RD_KEY_ACCESS | RD_KEY_UPDATE;
    }
  }
  return RD_KEY_RO | RD_KEY_ACCESS;
}

void rd_command_keys(const rd_command *cmd, const rd_bytes *argv, uint32_t argc, rd_keys *keys) {
  keys->count = keys->runs = 0;
  keys->understood = true;
  if (cmd->keys == RD_NO_KEYS) return;
  uint32_t value = 0;
  int chosen = cmd->options != NULL ? find_option(cmd, argv, argc, &value) : 0;
  for (int k = 0; k < (int)RD_MAX_KEY_SPECS && cmd->key_specs[k].flags != 0; k++) {
    const rd_key_spec *spec = &cmd->key_specs[k];
    uint32_t first = 0;
    if (spec->by_option)
      first = chosen == k + 1 ? value : 0;
    else if (spec->begin_search == RD_BEGIN_INDEX)
      first = (uint32_t)spec->begin;
    else if (spec->begin_search == RD_BEGIN_KEYWORD)
      first = find_keyword(spec, argv, argc);
    if (first == 0 || spec->flags & RD_KEY_NOT_KEY) continue;
    rd_key_run *run = &keys->run[keys->runs];
    if (!find_run(spec, argv, argc, first, run)) {
      keys->understood = false;
      continue;
    }
    if (spec->flags & RD_KEY_INSTEAD) {
      keys->run[0] = *run;
      run = keys->run;
      keys->runs = keys->count = 0;
    }
    if (spec->flags & RD_KEY_VARIABLE_FLAGS) {
      if (cmd->id == RD_ID_set) run->flags = set_flags(argv, argc);
      if (cmd->id == RD_ID_bitfield) run->flags = bitfield_flags(argv, argc);
    }
    keys->runs++;
    keys->count += run->count;
  }
}

void rd_shards_of_call(rd_store *st, const rd_command *cmd, const rd_bytes *argv, uint32_t argc,
                       uint64_t wanted[RD_MAX_SHARDS / 64]) {
  rd_keys keys;
  rd_command_keys(cmd, argv, argc, &keys);
  for (uint32_t i = 0; i < keys.count; i++) {
    uint32_t shard = rd_shard_of(st, rd_key_of(st, argv[rd_key_position(&keys, i)], 0).hash);
    wanted[shard >> 6] |= 1ull << (shard & 63);
  }
}
