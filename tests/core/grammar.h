/* grammar.h - makes calls of commands out of random bytes, by the arguments that the command table documents: so a new
 * row is tried without being listed anywhere. Most calls are valid; some have a wrong count, or an argument too many.
 *
 * A generator takes its choices from the bytes in order, so a fuzzer that changes a byte changes one choice. */
#ifndef GRAMMAR_H
#define GRAMMAR_H

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/command.h"
#include "command/index.h"

#define GRAMMAR_WORDS 64u
#define GRAMMAR_WORD 700u

typedef struct grammar {
  const uint8_t *data; /* choices */
  size_t len, at;
  char word[GRAMMAR_WORDS][GRAMMAR_WORD];
  unsigned words;
  const char *group; /* of the command: its keys mostly have that type */
  unsigned count_at; /* the word that counts the repetitions that follow; 0: none */
  unsigned keys;     /* the last repetition of a key */
} grammar;

static inline unsigned grammar_dice(grammar *g, size_t sides) {
  unsigned byte = g->at < g->len ? g->data[g->at++] : 0;
  return byte % (unsigned)sides;
}

#define GRAMMAR_PICK(g, ...)                                          \
  do {                                                                \
    static const char *const few[] = {__VA_ARGS__};                   \
    grammar_say(g, few[grammar_dice(g, sizeof few / sizeof few[0])]); \
  } while (0)

static inline void grammar_say(grammar *g, const char *text) {
  if (g->words < GRAMMAR_WORDS) snprintf(g->word[g->words++], GRAMMAR_WORD, "%s", text);
}

/* Keys begin with a letter of their command's group, so that calls for one type meet; some have another letter. */
static inline void grammar_key(grammar *g) {
  static const struct {
    const char *group;
    char letter;
  } letters[] = {{"string", 'a'},     {"bitmap", 'a'},      {"hash", 'h'}, {"list", 'l'},  {"set", 's'},
                 {"sorted-set", 'z'}, {"hyperloglog", 'p'}, {"geo", 'z'},  {"stream", 'x'}};
  enum { LETTERS = sizeof letters / sizeof letters[0] };
  unsigned chosen = LETTERS;
  bool other = grammar_dice(g, 12) == 0;
  for (unsigned i = 0; i < LETTERS && !other; i++) {
    if (strcmp(g->group, letters[i].group) == 0) chosen = i;
  }
  if (chosen == LETTERS) chosen = grammar_dice(g, LETTERS);
  grammar_say(g, (char[]){letters[chosen].letter, (char)('1' + grammar_dice(g, 2)), 0});
}

/* Strings of different lengths: short, beyond a listpack's element, outside of a leaf. */
static inline void grammar_string(grammar *g) {
  char text[GRAMMAR_WORD] = "";
  static const unsigned lengths[] = {0, 1, 5, 64, 65, 200, 512, 513, 690};
  unsigned kind = grammar_dice(g, 4), letter = 'a' + grammar_dice(g, 26);
  if (kind == 0)
    snprintf(text, sizeof text, "%u", grammar_dice(g, 40));
  else if (kind == 1)
    snprintf(text, sizeof text, "m%u", grammar_dice(g, 200));
  else
    memset(text, (int)letter, lengths[grammar_dice(g, sizeof lengths / sizeof lengths[0])]);
  grammar_say(g, text);
}

static inline bool grammar_named(const char *name, size_t len, const char *one) {
  return strlen(one) == len && memcmp(name, one, len) == 0;
}

/* True if the argument is the id of an entry. */
static inline bool grammar_id(const char *name, size_t len) {
  static const char *const names[] = {"id", "start", "end", "threshold", "last-id", "max_deleted_entry_id"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (grammar_named(name, len, names[i])) return true;
  }
  return false;
}

static inline void grammar_value(grammar *g, const char *name, size_t len, const char *type, size_t type_len) {
  bool stream = strcmp(g->group, "stream") == 0;
  if (stream && grammar_id(name, len) && strcmp(g->word[0], "xreadgroup") == 0 && grammar_dice(g, 2) == 0) {
    grammar_say(g, ">");
  } else if (stream && grammar_id(name, len)) {
    GRAMMAR_PICK(g, "0", "0", "0", "1-1", "2-*", "5", "*", "*", "$", ">", "-", "+", "(1-1", "7-3", "1-2", "2-0", "0-0",
                 "18446744073709551615-1", "18446744073709551615-18446744073709551615", "(", "x", "1700000000000-0",
                 "1700000000000-1", "1700000000000-2", "100");
  } else if (stream && grammar_named(name, len, "field")) {
    GRAMMAR_PICK(g, "a", "a", "b", "a longer name of a field", "");
  } else if (stream && (grammar_named(name, len, "milliseconds") || grammar_named(name, len, "min-idle-time"))) {
    GRAMMAR_PICK(g, "0", "0", "0", "1", "100000", "-1", "x", "9223372036854775807");
  } else if (grammar_named(name, len, "group") || grammar_named(name, len, "groupname") ||
             grammar_named(name, len, "consumer") || grammar_named(name, len, "consumername")) {
    GRAMMAR_PICK(g, "g", "g", "h", "c", "");
  } else if (grammar_named(name, len, "cursor")) {
    GRAMMAR_PICK(g, "0", "0", "0", "1", "4611686018427387904", "18446744073709551615", "x");
  } else if (memcmp(name, "num", 3) == 0) {
    g->count_at = g->words;
    GRAMMAR_PICK(g, "1", "0", "2", "-1", "x", "9223372036854775807");
  } else if (grammar_named(name, len, "min") || grammar_named(name, len, "max") || grammar_named(name, len, "start") ||
             grammar_named(name, len, "stop")) {
    GRAMMAR_PICK(g, "0", "1", "-1", "5", "-inf", "+inf", "(1", "[m1", "(m2", "-", "+", "nan", "(", "1e400", "-100");
  } else if (grammar_named(name, len, "encoding")) {
    GRAMMAR_PICK(g, "u8", "i16", "u1", "i64", "u63", "u64", "i5", "x");
  } else if (grammar_named(name, len, "longitude")) {
    GRAMMAR_PICK(g, "0", "13.4", "13.5", "180", "-180", "179.99", "-179.99", "180.1", "nan", "x");
  } else if (grammar_named(name, len, "latitude")) {
    GRAMMAR_PICK(g, "0", "52.5", "52.4", "85.05112878", "-85.05112878", "84.9", "86", "inf");
  } else if (grammar_named(name, len, "radius") || grammar_named(name, len, "width") ||
             grammar_named(name, len, "height")) {
    GRAMMAR_PICK(g, "0", "1", "1000", "20000", "1e7", "1e300", "inf", "1e-300", "-1", "nan", "5", "12000");
  } else if (type_len == 6 && memcmp(type, "double", 6) == 0) {
    GRAMMAR_PICK(g, "0", "1", "1.5", "-3", "1e300", "inf", "-inf", "nan", "0.1", "17", "x", "12345678901234567");
  } else if (type_len == 7 && memcmp(type, "integer", 7) == 0) {
    GRAMMAR_PICK(g, "0", "1", "2", "-1", "10", "-10", "100", "4294967296", "9223372036854775807",
                 "-9223372036854775808", "x", "");
  } else if (type_len == 7 && memcmp(type, "pattern", 7) == 0) {
    GRAMMAR_PICK(g, "*", "m*", "a?", "[a-m]*", "nosort", "a1", "h*->m1", "*->1", "#", "\\");
  } else if (type_len == 9 && memcmp(type, "unix-time", 9) == 0) {
    GRAMMAR_PICK(g, "1", "1700000100", "1700000100000", "9223372036854775807", "0", "x");
  } else {
    grammar_string(g);
  }
}

/* ---- the notation of command.h ---- */

static const char *grammar_group(grammar *g, const char *p, char close, bool say, unsigned one_of);

/* Step over one argument, and say it. */
static inline const char *grammar_argument(grammar *g, const char *p, bool say) {
  while (*p == ' ') p++;
  if (*p == '?') {
    p++;
    if (grammar_dice(g, 3) != 0) say = false;
  }
  const char *token = p, *name, *type = "";
  if (*p != 0 && strchr("=~*$", *p) != NULL) p++;
  while (isupper((unsigned char)*p) || (*p == '-' && p > token)) p++;
  size_t token_len = (size_t)(p - token), type_len = 0;
  if (*p == '=') p++;
  bool symbol = token_len == 1 && !isupper((unsigned char)*token); /* a word that has a name */
  name = p;
  while (islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '_' || *p == '-') p++;
  size_t name_len = (size_t)(p - name);
  bool key = *p == '#';
  if (key) p += 2;
  if (*p == ':') {
    type = ++p;
    while (islower((unsigned char)*p) || *p == '-') p++;
    type_len = (size_t)(p - type);
  }
  const char *end = p, *inside = p;
  bool block = *p == '(' || *p == '{';
  if (block) end = grammar_group(g, p + 1, *p == '(' ? ')' : '}', false, 0);
  bool repeated = *end == '*', with_token = repeated && end[1] == '+';
  unsigned times = repeated ? 1 + grammar_dice(g, 6) * grammar_dice(g, 2) : 1, count_at = g->count_at;
  if (repeated && key) g->keys = times;
  /* XREAD and XREADGROUP have as many ids as keys. */
  if (repeated && !key && strncmp(g->word[0], "xread", 5) == 0 && grammar_dice(g, 8) != 0) times = g->keys;
  for (unsigned n = 0; say && n < times; n++) {
    char text[40];
    snprintf(text, sizeof text, "%.*s", (int)token_len, token);
    if (token_len != 0 && (n == 0 || with_token)) grammar_say(g, text);
    if (block)
      grammar_group(g, inside + 1, *inside == '(' ? ')' : '}', true, *inside == '{' ? 1 + grammar_dice(g, 12) : 0);
    else if (key)
      grammar_key(g);
    else if (name_len != 0 && !symbol)
      grammar_value(g, name, name_len, type, type_len);
  }
  if (say && repeated && count_at != 0 && g->count_at == count_at) {
    if (grammar_dice(g, 8) != 0) snprintf(g->word[count_at], GRAMMAR_WORD, "%u", times);
    g->count_at = 0;
  }
  for (p = end; *p == '*' || *p == '+' || *p == '@' || *p == '!' || *p == '.' || isdigit((unsigned char)*p); p++)
    continue;
  return p;
}

/* Say all arguments of a group; or the alternative that is number `one_of`, if not 0, counted from 1 and from the first
 * again at the end. Returns the position behind the group. */
static const char *grammar_group(grammar *g, const char *p, char close, bool say, unsigned one_of) {
  unsigned alternatives = 1, depth = 0;
  for (const char *q = p; one_of != 0 && *q != 0 && (depth != 0 || *q != close); q++) {
    if (*q == '(' || *q == '{') depth++;
    if (*q == ')' || *q == '}') depth--;
    alternatives += depth == 0 && *q == '|';
  }
  unsigned chosen = one_of == 0 ? 0 : 1 + (one_of - 1) % alternatives, now = 1;
  while (*p != 0 && *p != close) {
    p = grammar_argument(g, p, say && (chosen == 0 || chosen == now));
    while (*p == ' ' || *p == '|') now += *p++ == '|';
  }
  return *p == 0 ? p : p + 1;
}

/* A command; mostly one that the core executes, and rarely QUIT. Every second one is of the same group as the command
 * before, so that a value is used again. */
static inline const rd_command *grammar_command(grammar *g) {
  const rd_command *cmd = NULL;
  const char *same = g->group != NULL && grammar_dice(g, 2) == 0 ? g->group : NULL;
  for (int attempt = 0; attempt < 8 && (cmd == NULL || (cmd->flags & RD_CONTROL_PLANE) != 0 || cmd->id == RD_ID_quit);
       attempt++) {
    unsigned id = grammar_dice(g, 256) * 256;
    id = (id + grammar_dice(g, 256)) % rd_command_count();
    cmd = rd_command_by_id((uint16_t)id);
    for (unsigned i = 0; same != NULL && strcmp(cmd->group, same) != 0 && i < rd_command_count(); i++)
      cmd = rd_command_by_id((uint16_t)(++id % rd_command_count()));
  }
  return cmd;
}

/* Append a call of a random command to `out`, as RESP. Returns the bytes; 0: there is no room. */
static inline size_t grammar_call(grammar *g, char *out, size_t room) {
  const rd_command *cmd = grammar_command(g);
  g->words = g->count_at = 0;
  g->group = cmd->group;
  char name[64];
  snprintf(name, sizeof name, "%s", rd_command_full_name(cmd));
  char *bar = strchr(name, '|');
  if (bar != NULL) *bar = 0;
  grammar_say(g, name);
  if (bar != NULL) grammar_say(g, bar + 1);
  if (cmd->arguments != NULL) grammar_group(g, cmd->arguments, 0, true, 0);
  if (grammar_dice(g, 16) == 0) grammar_string(g);
  size_t need = 32 * (g->words + 1);
  for (unsigned i = 0; i < g->words; i++) need += strlen(g->word[i]);
  if (need > room) return 0;
  size_t len = (size_t)sprintf(out, "*%u\r\n", g->words);
  for (unsigned i = 0; i < g->words; i++)
    len += (size_t)sprintf(out + len, "$%zu\r\n%s\r\n", strlen(g->word[i]), g->word[i]);
  return len;
}

#endif
