/* command_table.h - the table of commands and the index of its names, which index.py generates from commands/table/. */
#ifndef RD_COMMAND_TABLE_H
#define RD_COMMAND_TABLE_H

#include "command/command.h"
#include "command/index.h"

#define RD_COMMAND_NAME_MAX 32u
/* A name: its first eight bytes, padded with zeros, and its last eight if it has more than eight (else 0), as
 * little-endian words. */
typedef struct rd_command_name {
  uint64_t head, tail;
  const rd_command *command;
} rd_command_name;

/* All commands by id, and the names of those that are not subcommands. */
extern const rd_command *const rd_commands_by_id[RD_COMMANDS];
extern const rd_command_name rd_command_names[RD_COMMAND_NAMES];
/* Slot of the perfect hash -> index in rd_command_names, plus 1; 0: no command. */
extern const uint16_t rd_command_slots[RD_COMMAND_SLOTS];

static inline uint32_t rd_command_slot(uint64_t head, uint64_t tail) {
  return (uint32_t)(((head + tail * 3) * RD_COMMAND_MULTIPLIER) >> RD_COMMAND_SHIFT);
}

#endif
