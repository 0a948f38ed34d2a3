/* acl.c - verifies a user's permissions for commands, keys and channels. */
#include "session/acl.h"

#include <stdlib.h>

#include "base/glob.h"
#include "command/index.h"
#include "command/keys.h"
#include "session/subscribed.h"

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
  bool all_keys, all_channels;
  size_t count;
  rd_acl_pattern *patterns;
  size_t channel_count;
  rd_acl_pattern *channels;
} rd_acl_selector;

struct rd_acl {
  size_t count;
  rd_acl_selector *selectors;
};

rd_acl *rd_acl_new(void) { return calloc(1, sizeof(rd_acl)); }

static void free_patterns(rd_acl_pattern *patterns, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (patterns[i].first) free(patterns[i].text);
  }
  free(patterns);
}

void rd_acl_free(rd_acl *acl) {
  if (acl == NULL) return;
  for (size_t i = 0; i < acl->count; i++) {
    rd_acl_selector *selector = &acl->selectors[i];
    free_patterns(selector->patterns, selector->count);
    free_patterns(selector->channels, selector->channel_count);
  }
  free(acl->selectors);
  free(acl);
}

bool rd_acl_select(rd_acl *acl, const uint16_t *ids, size_t count, bool all_keys, bool all_channels) {
  rd_acl_selector *grown = realloc(acl->selectors, (acl->count + 1) * sizeof *grown);
  if (grown == NULL) return false;
  acl->selectors = grown;
  rd_acl_selector *selector = &grown[acl->count++];
  *selector = (rd_acl_selector){.all_keys = all_keys, .all_channels = all_channels};
  for (size_t i = 0; i < count; i++) {
    if (ids[i] < RD_COMMANDS) selector->commands[ids[i] / 64] |= 1ull << (ids[i] % 64);
  }
  return true;
}

/* Append a copy of the patterns, which NUL bytes separate, to an array. */
static bool add_patterns(rd_acl_pattern **array, size_t *used, const uint8_t *patterns, size_t len, unsigned access) {
  size_t count = 1;
  for (size_t i = 0; i < len; i++) count += patterns[i] == 0;
  uint8_t *text = malloc(len + 1);
  rd_acl_pattern *grown = realloc(*array, (*used + count) * sizeof *grown);
  if (grown != NULL) *array = grown;
  if (text == NULL || grown == NULL) {
    free(text);
    return false;
  }
  if (len != 0) memcpy(text, patterns, len);
  text[len] = 0;
  uint8_t *at = text;
  for (size_t i = 0; i < count; i++) {
    uint8_t *end = memchr(at, 0, (size_t)(text + len + 1 - at));
    grown[(*used)++] = (rd_acl_pattern){at, (size_t)(end - at), access, i == 0};
    at = end + 1;
  }
  return true;
}

bool rd_acl_allow_keys(rd_acl *acl, const uint8_t *patterns, size_t len, unsigned access) {
  if (acl->count == 0) return false;
  rd_acl_selector *selector = &acl->selectors[acl->count - 1];
  return add_patterns(&selector->patterns, &selector->count, patterns, len, access);
}

bool rd_acl_allow_channels(rd_acl *acl, const uint8_t *patterns, size_t len) {
  if (acl->count == 0) return false;
  rd_acl_selector *selector = &acl->selectors[acl->count - 1];
  return add_patterns(&selector->channels, &selector->channel_count, patterns, len, 0);
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

/* `literal`: the name is a pattern of PSUBSCRIBE, which only its equal allows. */
static bool channel_allowed(const rd_acl_selector *selector, rd_bytes name, bool literal, uint64_t *steps) {
  if (selector->all_channels) return true;
  for (size_t i = 0; i < selector->channel_count && *steps != 0; i++) {
    rd_bytes pattern = {selector->channels[i].text, selector->channels[i].len};
    --*steps;
    if (literal ? pattern.len == name.len && memcmp(pattern.data, name.data, name.len) == 0
                : rd_glob_within(pattern, name, false, steps))
      return true;
  }
  return false;
}

/* The arguments that are channels: argv[1] up to this place; 0: none. */
static uint32_t channels_end(const rd_command *cmd, uint32_t argc) {
  switch (cmd->id) {
    case RD_ID_publish:
    case RD_ID_spublish:
      return 2;
    case RD_ID_subscribe:
    case RD_ID_psubscribe:
    case RD_ID_ssubscribe:
      return argc;
    default:
      return 0;
  }
}

static rd_denial check_channels(const rd_acl_selector *selector, const rd_command *cmd, const rd_bytes *argv,
                                uint32_t argc, uint64_t *steps, uint32_t *position) {
  uint32_t end = selector->all_channels ? 0 : channels_end(cmd, argc);
  for (uint32_t i = 1; i < end; i++) {
    if (channel_allowed(selector, argv[i], cmd->id == RD_ID_psubscribe, steps)) continue;
    *position = i;
    return RD_DENIED_CHANNEL;
  }
  return RD_ALLOWED;
}

bool rd_session_may_stay(const rd_session *s, const rd_acl *acl) {
  uint32_t count = 0;
  for (unsigned kind = 0; kind < RD_ROLL_KINDS; kind++) count += rd_session_subscriptions(s, (rd_roll_kind)kind);
  uint64_t steps = RD_GLOB_STEPS + (uint64_t)count * STEPS_A_KEY;
  for (uint32_t i = 0; acl != NULL && i < count; i++) {
    rd_roll_kind kind;
    rd_bytes name = rd_subscribed_at(s, i, &kind);
    if (kind == RD_REDIRECT) continue;
    size_t k = 0;
    while (k < acl->count && !channel_allowed(&acl->selectors[k], name, kind == RD_PATTERN, &steps)) k++;
    if (k == acl->count) return false;
  }
  return true;
}

static rd_denial check(const rd_acl_selector *selector, const rd_command *cmd, const rd_bytes *argv, uint32_t argc,
                       uint64_t *steps, uint32_t *position) {
  *position = 0;
  if (!(cmd->flags & RD_NO_AUTH) && !allows_command(selector, cmd)) return RD_DENIED_COMMAND;
  if (RD_UNLIKELY(cmd->flags & RD_PUBSUB)) return check_channels(selector, cmd, argv, argc, steps, position);
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
