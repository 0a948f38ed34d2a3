/* acl.c - verifies a user's permissions for commands and keys. */
#include "session/acl.h"

#include <stdlib.h>

#include "base/glob.h"
#include "command/index.h"
#include "command/keys.h"

/* The number of comparisons for each argument of a command. Comparing all keys of a command with all patterns of a
 * user is bounded, and denied beyond the bound; a key that matches the first or second pattern takes a few. */
#define STEPS_A_KEY 32u

typedef struct rd_acl_pattern {
  uint8_t *text;
  size_t len;
  unsigned access;
  bool first; /* the block that contains `text` begins here */
} rd_acl_pattern;

typedef struct rd_acl_selector {
  uint64_t commands[(RD_COMMANDS + 63) / 64]; /* one bit for each command's id */
  bool all_keys;
  size_t count;
  rd_acl_pattern *patterns;
} rd_acl_selector;

struct rd_acl {
  size_t count;
  rd_acl_selector *selectors;
};

rd_acl *rd_acl_new(void) { return calloc(1, sizeof(rd_acl)); }

void rd_acl_free(rd_acl *acl) {
  if (acl == NULL) return;
  for (size_t i = 0; i < acl->count; i++) {
    rd_acl_selector *selector = &acl->selectors[i];
    for (size_t k = 0; k < selector->count; k++) {
      if (selector->patterns[k].first) free(selector->patterns[k].text);
    }
    free(selector->patterns);
  }
  free(acl->selectors);
  free(acl);
}

bool rd_acl_select(rd_acl *acl, const uint16_t *ids, size_t count, bool all_keys) {
  rd_acl_selector *grown = realloc(acl->selectors, (acl->count + 1) * sizeof *grown);
  if (grown == NULL) return false;
  acl->selectors = grown;
  rd_acl_selector *selector = &grown[acl->count++];
  *selector = (rd_acl_selector){.all_keys = all_keys};
  for (size_t i = 0; i < count; i++) {
    if (ids[i] < RD_COMMANDS) selector->commands[ids[i] / 64] |= 1ull << (ids[i] % 64);
  }
  return true;
}

bool rd_acl_allow_keys(rd_acl *acl, const uint8_t *patterns, size_t len, unsigned access) {
  if (acl->count == 0) return false;
  rd_acl_selector *selector = &acl->selectors[acl->count - 1];
  size_t count = 1;
  for (size_t i = 0; i < len; i++) count += patterns[i] == 0;
  uint8_t *text = malloc(len + 1);
  rd_acl_pattern *grown = realloc(selector->patterns, (selector->count + count) * sizeof *grown);
  if (grown != NULL) selector->patterns = grown;
  if (text == NULL || grown == NULL) {
    free(text);
    return false;
  }
  if (len != 0) memcpy(text, patterns, len);
  text[len] = 0;
  uint8_t *at = text;
  for (size_t i = 0; i < count; i++) {
    uint8_t *end = memchr(at, 0, (size_t)(text + len + 1 - at));
    grown[selector->count++] = (rd_acl_pattern){at, (size_t)(end - at), access, i == 0};
    at = end + 1;
  }
  return true;
}

static inline bool allows_command(const rd_acl_selector *selector, const rd_command *cmd) {
  return selector->commands[cmd->id / 64] >> (cmd->id % 64) & 1;
}

/* The access to a key that a command's use of it requires. */
static unsigned access_of(uint32_t flags) {
  unsigned access = flags & RD_KEY_ACCESS ? RD_ACL_MAY_READ : 0u;
  return access | (flags & (RD_KEY_INSERT | RD_KEY_DELETE | RD_KEY_UPDATE) ? RD_ACL_MAY_WRITE : 0u);
}

static bool key_allowed(const rd_acl_selector *selector, rd_bytes key, unsigned access, uint64_t *steps) {
  for (size_t i = 0; i < selector->count && *steps != 0; i++) {
    const rd_acl_pattern *pattern = &selector->patterns[i];
    if ((pattern->access & access) != access)
      --*steps;
    else if (rd_glob_within((rd_bytes){pattern->text, pattern->len}, key, false, steps))
      return true;
  }
  return false;
}

static rd_denial check(const rd_acl_selector *selector, const rd_command *cmd, const rd_bytes *argv, uint32_t argc,
                       uint64_t *steps, uint32_t *position) {
  *position = 0;
  if (!(cmd->flags & RD_NO_AUTH) && !allows_command(selector, cmd)) return RD_DENIED_COMMAND;
  if (selector->all_keys || cmd->keys == RD_NO_KEYS) return RD_ALLOWED;
  rd_keys keys;
  rd_command_keys(cmd, argv, argc, &keys);
  for (const rd_key_run *run = keys.run; run < keys.run + keys.runs; run++) {
    unsigned access = access_of(run->flags);
    for (uint32_t i = 0; i < run->count; i++) {
      uint32_t at = run->first + i * run->step;
      if (key_allowed(selector, argv[at], access, steps)) continue;
      *position = at;
      return RD_DENIED_KEY;
    }
  }
  return RD_ALLOWED;
}

rd_denial rd_acl_check(const rd_acl *acl, const rd_command *cmd, const rd_bytes *argv, uint32_t argc,
                       uint32_t *position) {
  rd_denial furthest = RD_DENIED_COMMAND;
  uint64_t steps = RD_GLOB_STEPS + (uint64_t)argc * STEPS_A_KEY;
  *position = 0;
  for (size_t i = 0; i < acl->count; i++) {
    uint32_t at;
    rd_denial denial = check(&acl->selectors[i], cmd, argv, argc, &steps, &at);
    if (denial == RD_ALLOWED) {
      *position = 0;
      return RD_ALLOWED;
    }
    if (denial > furthest || (denial == furthest && at > *position)) {
      furthest = denial;
      *position = at;
    }
  }
  return cmd->flags & RD_NO_AUTH && acl->count == 0 ? RD_ALLOWED : furthest;
}

static bool reads_all(const rd_acl_selector *selector) {
  for (size_t i = 0; i < selector->count; i++) {
    const rd_acl_pattern *pattern = &selector->patterns[i];
    if (pattern->access & RD_ACL_MAY_READ && pattern->len == 1 && pattern->text[0] == '*') return true;
  }
  return selector->all_keys;
}

bool rd_acl_reads_all_keys(const rd_acl *acl, const rd_command *cmd) {
  for (size_t i = 0; i < acl->count; i++) {
    if (allows_command(&acl->selectors[i], cmd) && reads_all(&acl->selectors[i])) return true;
  }
  return false;
}
