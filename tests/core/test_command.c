/* test_command.c - the table of commands: finding a command by name, and its keys. */
#include <ctype.h>
#include <stdlib.h>

#include "check.h"
#include "command/command_table.h"
#include "command/keys.h"

#define MAX_WORDS 16

/* Split `line` at its spaces into argv; the bytes stay those of `line`. */
static uint32_t split(const char *line, rd_bytes *argv) {
  uint32_t argc = 0;
  while (*line) {
    size_t len = strcspn(line, " ");
    argv[argc++] = (rd_bytes){(const uint8_t *)line, len};
    line += len + (line[len] == ' ');
  }
  return argc;
}

static const rd_command *find(const char *line, bool *unknown_sub) {
  rd_bytes argv[MAX_WORDS];
  return rd_command_find(argv, split(line, argv), unknown_sub);
}

static void every_command_is_found_by_its_name_in_any_case(void) {
  for (uint16_t id = 0; id < rd_command_count(); id++) {
    const rd_command *cmd = rd_command_by_id(id);
    CHECK(cmd != NULL && cmd->id == id);
    const char *full = rd_command_full_name(cmd);
    char line[64];
    for (int upper = 0; upper < 3; upper++) {
      size_t len = strlen(full);
      for (size_t i = 0; i <= len; i++) {
        bool up = upper == 1 || (upper == 2 && i % 2 == 0);
        line[i] = full[i] == '|' ? ' ' : (char)(up ? toupper(full[i]) : full[i]);
      }
      bool unknown_sub = true;
      CHECK(find(line, &unknown_sub) == cmd);
      CHECK(!unknown_sub);
      for (size_t i = 0; i < len; i++) line[i] = full[i] == '|' ? '|' : line[i];
      CHECK(rd_command_find_full((rd_bytes){(const uint8_t *)line, len}) == cmd);
    }
  }
  CHECK(rd_command_by_id(rd_command_count()) == NULL);
}

static void a_name_that_differs_in_one_bit_or_in_length_is_not_found(void) {
  bool unknown_sub;
  for (size_t n = 0; n < RD_COMMAND_NAMES; n++) {
    const rd_command *cmd = rd_command_names[n].command;
    uint8_t name[RD_COMMAND_NAME_MAX + 1];
    size_t len = strlen(cmd->name);
    memcpy(name, cmd->name, len);
    for (size_t bit = 0; bit < 8 * len; bit++) {
      name[bit / 8] ^= (uint8_t)(1 << bit % 8);
      rd_bytes argv = {name, len};
      const rd_command *found = rd_command_find(&argv, 1, &unknown_sub);
      bool case_only = bit % 8 == 5 && cmd->name[bit / 8] >= 'a';
      if (case_only) CHECK(found == cmd);
      if (!case_only) CHECK(found != cmd);
      name[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (int end = 0; end < 256; end++) {
      name[len] = (uint8_t)end;
      rd_bytes argv = {name, len + 1};
      CHECK(rd_command_find(&argv, 1, &unknown_sub) != cmd);
    }
    rd_bytes argv = {name, len - 1};
    CHECK(rd_command_find(&argv, 1, &unknown_sub) != cmd);
  }
}

static void a_lookup_reads_no_byte_outside_the_name(void) {
  bool unknown_sub;
  for (size_t n = 0; n < RD_COMMAND_NAMES; n++) {
    const char *name = rd_command_names[n].command->name;
    size_t len = strlen(name);
    uint8_t *exact = malloc(len); /* the address sanitizer detects reads outside */
    memcpy(exact, name, len);
    rd_bytes argv = {exact, len};
    CHECK(rd_command_find(&argv, 1, &unknown_sub) == rd_command_names[n].command);
    free(exact);
  }
}

static void unknown_names_are_not_found(void) {
  bool unknown_sub;
  static const char *const names[] = {
      "nothing", "ge", "gett", "client|list", "bitfield-ro", "averyveryverylongname", "exactly16letters"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    CHECK(find(names[i], &unknown_sub) == NULL);
    CHECK(!unknown_sub);
  }
  CHECK(find("", &unknown_sub) == NULL);
  rd_bytes empty = {NULL, 0};
  CHECK(rd_command_find(&empty, 1, &unknown_sub) == NULL);
  CHECK(rd_command_find_full(empty) == NULL);
  CHECK(rd_command_find_full((rd_bytes){(const uint8_t *)"get|x", 5}) == NULL);
  CHECK(rd_command_find_full((rd_bytes){(const uint8_t *)"client|", 7}) == NULL);
  CHECK(rd_command_find_full((rd_bytes){(const uint8_t *)"|id", 3}) == NULL);
}

static void an_unknown_subcommand_finds_its_container(void) {
  bool unknown_sub;
  const rd_command *client = find("client", &unknown_sub);
  CHECK(client != NULL && client->id == RD_ID_client && !unknown_sub);
  CHECK(find("CLIENT nothing", &unknown_sub) == client);
  CHECK(unknown_sub);
  CHECK(find("CLIENT LIST", &unknown_sub)->id == RD_ID_client_list);
  CHECK(!unknown_sub);
  CHECK(find("CLIENT list\001", &unknown_sub) == client);
  CHECK(unknown_sub);
}

static void every_entry_of_the_table_is_complete(void) {
  for (uint16_t id = 0; id < rd_command_count(); id++) {
    const rd_command *cmd = rd_command_by_id(id);
    CHECK(cmd->name && cmd->summary && cmd->since && cmd->group);
    CHECK(cmd->arity != 0 && cmd->acl != 0);
    /* The core or the control plane answers it, or it is only a container. */
    CHECK((cmd->run != NULL) + ((cmd->flags & RD_CONTROL_PLANE) != 0) + (cmd->id == RD_ID_object) +
              (cmd->id == RD_ID_memory) + (cmd->id == RD_ID_pubsub) + (cmd->id == RD_ID_script) +
              (cmd->id == RD_ID_function) + (cmd->id == RD_ID_xinfo) + (cmd->id == RD_ID_xgroup) ==
          1);
    CHECK(!(cmd->flags & RD_WRITE) == !(cmd->acl & RD_ACL_WRITE));
    CHECK(!(cmd->flags & RD_FAST) == !(cmd->acl & RD_ACL_FAST));
    CHECK(!(cmd->acl & RD_ACL_FAST) != !(cmd->acl & RD_ACL_SLOW));
    CHECK((cmd->keys != RD_NO_KEYS) == ((cmd->key_specs[0].flags & ~(uint32_t)RD_KEY_NOT_KEY) != 0));
    CHECK((cmd->first_key != 0) == (cmd->key_step != 0));
    for (size_t k = 0; k < RD_MAX_KEY_SPECS && cmd->key_specs[k].flags; k++) CHECK(cmd->key_specs[k].step > 0);
  }
}

/* The keys of a call in words: "1 RO access, 3 RW access update"; followed by "?" when the command will refuse its
 * arguments. */
static const char *keys_of(const char *line) {
  static const char *const words[] = {"RO", "RW", "OW", "RM", "access", "update", "insert", "delete"};
  static char text[256];
  bool unknown_sub;
  rd_bytes argv[MAX_WORDS];
  uint32_t argc = split(line, argv);
  rd_keys keys;
  rd_command_keys(rd_command_find(argv, argc, &unknown_sub), argv, argc, &keys);
  size_t len = 0, found = 0;
  text[0] = 0;
  for (uint32_t n = 0; n < keys.count; n++) {
    const rd_key_run *run = keys.run;
    for (uint32_t before = n; before >= run->count; run++) before -= run->count;
    len += (size_t)sprintf(text + len, "%s%u", n ? ", " : "", rd_key_position(&keys, n));
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
      if (run->flags >> i & 1) len += (size_t)sprintf(text + len, " %s", words[i]);
    }
  }
  for (uint32_t r = 0; r < keys.runs; r++) found += keys.run[r].count;
  CHECK(found == keys.count);
  if (!keys.understood) strcpy(text + len, "?");
  return text;
}

static void check_keys(const char *line, const char *wanted) {
  CHECK(strcmp(keys_of(line), wanted) == 0);
  if (strcmp(keys_of(line), wanted) != 0) fprintf(stderr, "%s: %s\n", line, keys_of(line));
}

static void keys_are_found_at_their_positions(void) {
  check_keys("get k", "1 RO access");
  check_keys("mget a b c", "1 RO access, 2 RO access, 3 RO access");
  check_keys("mset a 1 b 2", "1 OW update, 3 OW update");
  check_keys("mset a 1 b", "1 OW update, 3 OW update"); /* the command itself refuses it */
  check_keys("bitop and d a b", "2 OW update, 3 RO access, 4 RO access");
  check_keys("copy a b db 1", "1 RO access, 2 OW update");
  check_keys("rename a b", "1 RW access delete, 2 OW update");
  check_keys("lcs a b len", "1 RO access, 2 RO access");
  check_keys("object encoding k", "2 RO");
  check_keys("memory usage k samples 5", "2 RO");
  check_keys("ping x", "");
  check_keys("client list", "");
  check_keys("scan 0 match k", "");
  check_keys("pfmerge d", "1 RW access insert?"); /* COMMAND GETKEYS refuses it as Redis does; PFMERGE runs */
}

static void the_key_flags_of_set_and_bitfield_depend_on_arguments(void) {
  check_keys("set k v", "1 OW update");
  check_keys("set k v ex 9 GET", "1 RW access update");
  check_keys("set get get", "1 OW update");
  check_keys("bitfield k get u8 0", "1 RO access");
  check_keys("bitfield k get u8 0 overflow sat", "1 RO access");
  check_keys("bitfield k get u8 0 set u8 0 1", "1 RW access update");
  check_keys("bitfield k get u8", "1 RW access update");
}

int main(void) {
  RUN(every_command_is_found_by_its_name_in_any_case);
  RUN(a_name_that_differs_in_one_bit_or_in_length_is_not_found);
  RUN(a_lookup_reads_no_byte_outside_the_name);
  RUN(unknown_names_are_not_found);
  RUN(an_unknown_subcommand_finds_its_container);
  RUN(every_entry_of_the_table_is_complete);
  RUN(keys_are_found_at_their_positions);
  RUN(the_key_flags_of_set_and_bitfield_depend_on_arguments);
  return check_end();
}
