/* command.c - finding commands in the table, and keys in commands. */
#include "command/command_table.h"

_Static_assert(RD_COMMANDS <= RD_COMMAND_IDS, "the counters have no room for all commands");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "names are compared as little-endian words");

#define RD_BYTES(b) (0x0101010101010101ull * (uint64_t)(b))

/* Eight bytes at once: A-Z to a-z, all others as they are. The sums set the top bit of each byte whose low seven bits
 * are >= 'A' and > 'Z'; no carry crosses a byte. */
static inline uint64_t lower8(uint64_t w) {
  uint64_t low = w & RD_BYTES(0x7f);
  uint64_t from_a = low + RD_BYTES(0x80 - 'A');
  uint64_t past_z = low + RD_BYTES(0x7f - 'Z');
  return w | (((from_a ^ past_z) & ~w & RD_BYTES(0x80)) >> 2);
}

/* The first `len` bytes, 1 .. 8, as a word padded with zeros; reads no others. */
static inline uint64_t load_short(const uint8_t *p, size_t len) {
  if (len == 8) return rd_ld64(p);
  if (len >= 4) return rd_ld32(p) | (uint64_t)rd_ld32(p + len - 4) << (8 * (len - 4));
  if (len == 3) return rd_ld16(p) | (uint64_t)p[2] << 16;
  return len == 2 ? rd_ld16(p) : p[0];
}

/* A command by its name of one word. */
static inline const rd_command *find_name(rd_bytes name) {
  if (RD_UNLIKELY(name.len - 1 >= RD_COMMAND_NAME_MAX)) return NULL; /* 0 wraps */
  uint64_t head, tail = 0;
  if (name.len <= 8) {
    head = lower8(load_short(name.data, name.len));
  } else {
    head = lower8(rd_ld64(name.data));
    tail = lower8(rd_ld64(name.data + name.len - 8) >> (8 * (16 - name.len)));
  }
  uint8_t slot = rd_command_slots[rd_command_slot(head, tail)];
  if (RD_UNLIKELY(slot == 0)) return NULL;
  const rd_command_name *found = &rd_command_names[slot - 1];
  /* "get\0" has the words of "get": no name ends with a zero. */
  if (RD_UNLIKELY(((found->head ^ head) | (found->tail ^ tail)) != 0 || name.data[name.len - 1] == 0)) return NULL;
  return found->command;
}

static const rd_command *find_sub(const rd_command *container, rd_bytes name) {
  for (const rd_command *sub = container->subcommands; sub->name; sub++) {
    if (rd_arg_is(name, sub->name)) return sub;
  }
  return NULL;
}

const rd_command *rd_command_find(const rd_bytes *argv, uint32_t argc, bool *unknown_sub) {
  *unknown_sub = false;
  if (RD_UNLIKELY(argc == 0)) return NULL;
  const rd_command *cmd = find_name(argv[0]);
  if (RD_LIKELY(!cmd || !cmd->subcommands || argc < 2)) return cmd;
  const rd_command *sub = find_sub(cmd, argv[1]);
  *unknown_sub = sub == NULL;
  return sub ? sub : cmd;
}

const rd_command *rd_command_find_full(rd_bytes name) {
  const uint8_t *bar = name.len ? memchr(name.data, '|', name.len) : NULL;
  if (!bar) return find_name(name);
  size_t len = (size_t)(bar - name.data);
  const rd_command *cmd = find_name((rd_bytes){name.data, len});
  if (!cmd || !cmd->subcommands) return NULL;
  return find_sub(cmd, (rd_bytes){bar + 1, name.len - len - 1});
}

uint16_t rd_command_count(void) { return RD_COMMANDS; }

const rd_command *rd_command_by_id(uint16_t id) { return id < RD_COMMANDS ? rd_commands_by_id[id] : NULL; }

int rd_command_keys(const rd_command *cmd, const rd_bytes *argv, uint32_t argc, uint32_t *positions, uint32_t cap) {
  (void)argv; /* no command of today's table has keys that move with its arguments */
  if (cmd->first_key == 0) return 0;
  int64_t first = cmd->first_key, step = cmd->key_step;
  int64_t last = cmd->last_key < 0 ? (int64_t)argc + cmd->last_key : cmd->last_key;
  if (!rd_command_arity_ok(cmd, argc) || first >= argc || last >= argc || last < first) return -1;
  int64_t count = (last - first) / step + 1;
  for (int64_t i = 0; i < count && i < cap; i++) positions[i] = (uint32_t)(first + i * step);
  return (int)count;
}

/* SET reads the key only when it is told to return what was there. */
static const char *set_flags(const rd_bytes *argv, uint32_t argc) {
  for (uint32_t i = 3; i < argc; i++) {
    if (rd_arg_is(argv[i], "get")) return "RW access update";
  }
  return "OW update";
}

/* BITFIELD with nothing but GETs only reads; what cannot be understood may write. */
static const char *bitfield_flags(const rd_bytes *argv, uint32_t argc) {
  for (uint32_t i = 2; i < argc;) {
    uint32_t left = argc - i - 1;
    if (left >= 2 && rd_arg_is(argv[i], "get")) {
      i += 3;
    } else if (left >= 1 && rd_arg_is(argv[i], "overflow")) {
      i += 2;
    } else {
      return "RW access update";
    }
  }
  return "RO access";
}

const char *rd_command_key_flags(const rd_command *cmd, const rd_bytes *argv, uint32_t argc, uint32_t position) {
  for (size_t k = 0; k < RD_MAX_KEY_SPECS && cmd->key_specs[k].flags; k++) {
    const rd_key_spec *spec = &cmd->key_specs[k];
    int64_t last = spec->last < 0 ? (int64_t)argc + spec->last : spec->begin + spec->last;
    if (position < (uint32_t)spec->begin || position > last || position >= argc) continue;
    if ((position - (uint32_t)spec->begin) % (uint32_t)spec->step != 0) continue;
    if (cmd->id == RD_ID_set) return set_flags(argv, argc);
    if (cmd->id == RD_ID_bitfield) return bitfield_flags(argv, argc);
    return spec->flags;
  }
  return NULL;
}
