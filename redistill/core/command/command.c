/* command.c - finds commands in the table by their names. */
#include "arena/stats.h"
#include "command/call.h"
#include "command/command_table.h"

_Static_assert(RD_COMMANDS <= RD_COMMAND_IDS, "the counters have no room for all commands");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "names are compared as little-endian words");

#define RD_BYTES(b) (0x0101010101010101ull * (uint64_t)(b))

/* Convert eight bytes at once to lower case. The sums set the top bit of each byte whose low seven bits are >= 'A'
 * and > 'Z'; no carry crosses a byte. */
static inline uint64_t lower8(uint64_t w) {
  uint64_t low = w & RD_BYTES(0x7f);
  uint64_t from_a = low + RD_BYTES(0x80 - 'A');
  uint64_t past_z = low + RD_BYTES(0x7f - 'Z');
  return w | (((from_a ^ past_z) & ~w & RD_BYTES(0x80)) >> 2);
}

/* The first `len` bytes, 1 .. 8, as a word padded with zeros. Reads no other bytes. */
static inline uint64_t load_short(const uint8_t *p, size_t len) {
  if (len == 8) return rd_ld64(p);
  if (len >= 4) return rd_ld32(p) | (uint64_t)rd_ld32(p + len - 4) << (8 * (len - 4));
  if (len == 3) return rd_ld16(p) | (uint64_t)p[2] << 16;
  return len == 2 ? rd_ld16(p) : p[0];
}

/* Find a command by its name of one word. */
static inline const rd_command *find_name(rd_bytes name) {
  if (RD_UNLIKELY(name.len - 1 >= RD_COMMAND_NAME_MAX)) return NULL; /* a length of 0 wraps */
  if (RD_LIKELY(name.len <= 8)) {
    uint64_t head = lower8(load_short(name.data, name.len));
    uint16_t slot = rd_command_slots[rd_command_slot(head, 0)];
    if (RD_UNLIKELY(slot == 0)) return NULL;
    const rd_command_name *found = &rd_command_names[slot - 1];
    /* The word of "get\0" equals that of "get", but no name ends with a zero. */
    if (RD_UNLIKELY(((found->head ^ head) | found->tail) != 0 || name.data[name.len - 1] == 0)) return NULL;
    return found->command;
  }
  uint64_t head = lower8(rd_ld64(name.data)), tail = lower8(rd_ld64(name.data + name.len - 8));
  uint16_t slot = rd_command_slots[rd_command_slot(head, tail)];
  if (slot == 0) return NULL;
  const rd_command *found = rd_command_names[slot - 1].command;
  return rd_arg_is(name, found->name) ? found : NULL;
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
