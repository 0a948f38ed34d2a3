/* command_table.h - what the files of the command table (commands/table/) and its index (index.c) share.
 *
 * A new command is an entry in commands/table/GROUP.c and a run of index.py, which finds the entries by their
 * `.name` lines, numbers them and makes the perfect hash. */
#ifndef RD_COMMAND_TABLE_H
#define RD_COMMAND_TABLE_H

#include "command/command.h"
#include "command/index.h"

#define RD_KEYS(first, last, step) .first_key = (first), .last_key = (last), .key_step = (step)

/* A name of up to 16 bytes as two little-endian words padded with zeros. */
#define RD_COMMAND_NAME_MAX 16u
typedef struct rd_command_name {
  uint64_t head, tail;
  const rd_command *command;
} rd_command_name;

/* All commands by id, and the names of those that are no subcommands. */
extern const rd_command *const rd_commands_by_id[RD_COMMANDS];
extern const rd_command_name rd_command_names[RD_COMMAND_NAMES];
/* Slot of the perfect hash -> index in rd_command_names, plus 1; 0: no command. */
extern const uint8_t rd_command_slots[RD_COMMAND_SLOTS];

static inline uint32_t rd_command_slot(uint64_t head, uint64_t tail) {
  return (uint32_t)(((head + tail * 3) * RD_COMMAND_MULTIPLIER) >> RD_COMMAND_SHIFT);
}

#endif
