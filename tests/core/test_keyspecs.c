/* test_keyspecs.c - which arguments are keys, for commands whose keys depend on other arguments: the commands of
 * keyspecs.def, with the calls of keyspecs.txt. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command/call.h"
#include "command/keys.h"
#include "keyspecs.h"
#include "rig.h"
#include "session/execute.h"

#define MAX_WORDS 24

static const rd_command *row(const char *name) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (rd_arg_is((rd_bytes){(const uint8_t *)name, strlen(name)}, rows[i].name)) return &rows[i];
  }
  abort();
}

/* The keys as COMMAND GETKEYSANDFLAGS answers: "a RO access, b OW update"; "-" for invalid arguments. */
static const char *answer(const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  static const char *const words[] = {"RO", "RW", "OW", "RM", "access", "update", "insert", "delete"};
  static char text[512];
  rd_keys keys;
  rd_command_keys(cmd, argv, argc, &keys);
  uint32_t n = 0;
  size_t len = 0;
  text[0] = 0;
  for (const rd_key_run *run = keys.run; run < keys.run + keys.runs; run++) {
    for (uint32_t i = 0; i < run->count; i++, n++) {
      uint32_t at = rd_key_position(&keys, n);
      CHECK(at == run->first + i * run->step && at > 0 && at < argc);
      rd_bytes key = argv[at].len != 0 ? argv[at] : (rd_bytes){(const uint8_t *)"''", 2};
      len += (size_t)sprintf(text + len, "%s%.*s", n != 0 ? ", " : "", (int)key.len, (const char *)key.data);
      for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        if (run->flags >> w & 1) len += (size_t)sprintf(text + len, " %s", words[w]);
      }
    }
  }
  CHECK(n == keys.count);
  if (n != 0 && keys.understood) return text;
  return cmd->flags & RD_NO_MANDATORY_KEYS ? "" : "-";
}

/* The arguments of a vector, each in memory of exactly its length: the address sanitizer detects reads outside. */
static uint32_t open_vector(size_t v, rd_bytes argv[MAX_WORDS]) {
  uint32_t argc = 0;
  for (; vectors[v].words[argc] != NULL; argc++) {
    size_t len = strlen(vectors[v].words[argc]);
    uint8_t *exact = malloc(len + (len == 0));
    memcpy(exact, vectors[v].words[argc], len);
    argv[argc] = (rd_bytes){exact, len};
  }
  return argc;
}

static void close_vector(rd_bytes *argv, uint32_t argc) {
  for (uint32_t i = 0; i < argc; i++) free((void *)(uintptr_t)argv[i].data);
}

#define EACH_VECTOR(v) for (size_t v = 0; v < sizeof vectors / sizeof *vectors; v++)

static void keys_are_found_as_redis_finds_them(void) {
  EACH_VECTOR(v) {
    rd_bytes argv[MAX_WORDS];
    uint32_t argc = open_vector(v, argv);
    const char *found = answer(row(vectors[v].words[0]), argv, argc);
    if (strcmp(found, vectors[v].keys) != 0) CHECK_FAIL("%zu: %s and not %s", v, found, vectors[v].keys);
    close_vector(argv, argc);
  }
}

static unsigned looked;

/* A command that checks that it has the locks of its keys, and no others. */
static void look(rd_call *call) {
  uint64_t wanted[RD_MAX_SHARDS / 64] = {0};
  rd_keys keys;
  rd_command_keys(call->command, call->argv, call->argc, &keys);
  for (uint32_t i = 0; i < keys.count; i++) {
    uint32_t at = rd_key_position(&keys, i);
    rd_key key = rd_call_key(call, at);
    CHECK(key.len == call->argv[at].len && memcmp(key.data, call->argv[at].data, key.len) == 0);
    CHECK_INT(key.hash, rd_key_of(call->store, call->argv[at], 0).hash);
    uint32_t shard = rd_shard_of(call->store, key.hash);
    wanted[shard / 64] |= 1ull << shard % 64;
  }
  for (uint32_t shard = 0; shard < call->store->num_shards; shard++) {
    CHECK_INT(rd_holds_shard(call->store, shard), wanted[shard / 64] >> shard % 64 & 1);
  }
  looked++;
}

static void a_command_has_the_locks_of_its_keys_and_no_others(void) {
  rd_store st;
  int fd = rig_open(&st, 32u << 20, 64, RD_NOEVICTION);
  EACH_VECTOR(v) {
    rd_bytes argv[MAX_WORDS];
    uint32_t argc = open_vector(v, argv);
    rd_command cmd = *row(vectors[v].words[0]);
    cmd.run = look;
    cmd.flags &= ~(uint32_t)(RD_CONTROL_PLANE | RD_OWN_LOCKS);
    rd_call call = {.store = &st, .command = &cmd, .argc = argc, .argv = argv};
    rd_key first = {0};
    if (cmd.first_key != 0 && (uint32_t)cmd.first_key < argc) {
      call.first_pos = (uint32_t)cmd.first_key;
      first = rd_key_of(&st, argv[call.first_pos], 0);
    }
    unsigned before = looked;
    CHECK_INT(rd_execute(&call, &first, false), RD_DONE);
    CHECK_INT(looked, before + 1);
    for (uint32_t shard = 0; shard < st.num_shards; shard++) CHECK(!rd_holds_shard(&st, shard));
    close_vector(argv, argc);
  }
  rd_detach(&st);
  close(fd);
}

/* A user who may use all of these keys except those named `but`. */
static rd_acl *user(const rd_bytes *argv, const rd_keys *keys, rd_bytes but) {
  rd_acl *acl = rd_acl_new();
  uint16_t id = 0; /* all rows have it */
  CHECK(rd_acl_select(acl, &id, 1, false, true));
  for (uint32_t i = 0; i < keys->count; i++) {
    rd_bytes key = argv[rd_key_position(keys, i)];
    if (key.len == but.len && memcmp(key.data, but.data, key.len) == 0) continue;
    CHECK(rd_acl_allow_keys(acl, key.data, key.len, RD_ACL_MAY_READ | RD_ACL_MAY_WRITE));
  }
  return acl;
}

static void a_user_must_be_allowed_each_key_and_no_other(void) {
  EACH_VECTOR(v) {
    rd_bytes argv[MAX_WORDS];
    uint32_t argc = open_vector(v, argv), at;
    const rd_command *cmd = row(vectors[v].words[0]);
    rd_keys keys;
    rd_command_keys(cmd, argv, argc, &keys);
    rd_acl *acl = user(argv, &keys, (rd_bytes){(const uint8_t *)"\n", 1});
    CHECK_INT(rd_acl_check(acl, cmd, argv, argc, &at), RD_ALLOWED);
    rd_acl_free(acl);
    for (uint32_t i = 0; i < keys.count; i++) {
      rd_bytes but = argv[rd_key_position(&keys, i)];
      acl = user(argv, &keys, but);
      CHECK_INT(rd_acl_check(acl, cmd, argv, argc, &at), RD_DENIED_KEY);
      CHECK(argv[at].len == but.len && memcmp(argv[at].data, but.data, but.len) == 0);
      rd_acl_free(acl);
    }
    close_vector(argv, argc);
  }
}

/* In a build with asserts, which all tests have, a command cannot use a key that was neither locked nor checked. */
static void a_command_that_uses_another_argument_as_a_key_aborts(void) {
  rd_bytes argv[] = {{(const uint8_t *)"sort", 4}, {(const uint8_t *)"a", 1},     {(const uint8_t *)"store", 5},
                     {(const uint8_t *)"b", 1},    {(const uint8_t *)"store", 5}, {(const uint8_t *)"c", 1}};
  for (uint32_t i = 0; i < 7; i++) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      rd_store st = {.shard_shift = 58};
      rd_call call = {.store = &st, .command = row("sort"), .argc = 6, .argv = argv};
      if (freopen("/dev/null", "w", stderr) == NULL) _exit(2);
      (void)rd_call_key_in(&call, i, 0);
      _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    if (i == 1 || i == 5)
      CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    else
      CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  }
}

/* `head`, then `count` keys k, then `tail`: in memory of exactly that many arguments. */
static rd_bytes *many(const char *const *head, uint32_t count, const char *const *tail, uint32_t *argc) {
  uint32_t n = 0, before = 0, behind = 0;
  while (head[before] != NULL) before++;
  while (tail[behind] != NULL) behind++;
  rd_bytes *argv = malloc((before + count + behind) * sizeof *argv);
  for (uint32_t i = 0; i < before; i++) argv[n++] = (rd_bytes){(const uint8_t *)head[i], strlen(head[i])};
  for (uint32_t i = 0; i < count; i++) argv[n++] = (rd_bytes){(const uint8_t *)"k", 1};
  for (uint32_t i = 0; i < behind; i++) argv[n++] = (rd_bytes){(const uint8_t *)tail[i], strlen(tail[i])};
  *argc = n;
  return argv;
}

#define MANY 1000000u

static void check_many(const char *const *head, const char *const *tail, uint32_t first, uint32_t count) {
  uint32_t argc;
  rd_keys keys;
  rd_bytes *argv = many(head, MANY, tail, &argc);
  rd_command_keys(row(head[0]), argv, argc, &keys);
  CHECK(keys.understood);
  CHECK_INT(keys.count, count);
  CHECK_INT(rd_key_position(&keys, 0), first);
  CHECK_INT(keys.run[keys.runs - 1].first + (keys.run[keys.runs - 1].count - 1) * keys.run[keys.runs - 1].step,
            rd_key_position(&keys, count - 1));
  free(argv);
}

static void keys_of_a_command_with_a_million_arguments_are_found(void) {
  check_many((const char *[]){"zunion", "1000000", NULL}, (const char *[]){"withscores", NULL}, 2, MANY);
  check_many((const char *[]){"zunionstore", "d", "1000000", NULL}, (const char *[]){NULL}, 1, MANY + 1);
  check_many((const char *[]){"eval", "s", "1000000", NULL}, (const char *[]){"x", NULL}, 3, MANY);
  check_many((const char *[]){"xread", "count", "1", "streams", NULL}, (const char *[]){NULL}, 4, MANY / 2);
  check_many((const char *[]){"blpop", NULL}, (const char *[]){"0", NULL}, 1, MANY);
  check_many((const char *[]){"migrate", "h", "1", "", "0", "9", "keys", NULL}, (const char *[]){NULL}, 7, MANY);
  /* the options in between are skipped */
  check_many((const char *[]){"sort", "a", "asc", NULL}, (const char *[]){"store", "d", NULL}, 1, 2);
}

/* A command's parse by rd_next_option ends at the key that rd_command_keys finds, if the command would not refuse its
 * arguments: over all short sentences of its words. */
static void a_command_parses_options_as_the_key_search_does(void) {
  static const char *const words[] = {"store", "get", "limit", "asc", "x"};
  const rd_command *sort = row("sort");
  unsigned accepted = 0;
  for (unsigned sentence = 0; sentence < 5 * 5 * 5 * 5 * 5 * 5; sentence++) {
    rd_bytes argv[8] = {{(const uint8_t *)"sort", 4}, {(const uint8_t *)"a", 1}};
    unsigned left = sentence;
    for (uint32_t i = 2; i < 8; i++, left /= 5) {
      argv[i] = (rd_bytes){(const uint8_t *)words[left % 5], strlen(words[left % 5])};
    }
    uint32_t stored = 0, values;
    bool refused = false;
    for (uint32_t at = 2; at < 8 && !refused;) {
      int option = rd_next_option(sort, argv, 8, &at, &values);
      refused = option == RD_NO_OPTION;
      if (!refused && strcmp(sort->options[option].word, "store") == 0) stored = values;
    }
    if (refused) continue;
    accepted++;
    rd_keys keys;
    rd_command_keys(sort, argv, 8, &keys);
    CHECK_INT(keys.count, stored != 0 ? 2 : 1);
    if (stored != 0) CHECK_INT(rd_key_position(&keys, 1), stored);
  }
  CHECK(accepted > 1000);
}

static void a_command_reads_its_number_of_keys_as_the_key_search_does(void) {
  static const struct {
    const char *text;
    rd_numkeys found;
    uint32_t count;
  } numbers[] = {
      {"1", RD_NUMKEYS_OK, 1},
      {"5", RD_NUMKEYS_OK, 5},
      {"6", RD_NUMKEYS_TOO_MANY, 0},
      {"4294967297", RD_NUMKEYS_TOO_MANY, 0},
      {"9223372036854775807", RD_NUMKEYS_TOO_MANY, 0},
      {"9223372036854775808", RD_NUMKEYS_NO_NUMBER, 0},
      {"0", RD_NUMKEYS_NOT_POSITIVE, 0},
      {"-1", RD_NUMKEYS_NOT_POSITIVE, 0},
      {"-9223372036854775808", RD_NUMKEYS_NOT_POSITIVE, 0},
      {"", RD_NUMKEYS_NO_NUMBER, 0},
      {"01", RD_NUMKEYS_NO_NUMBER, 0},
      {"1 ", RD_NUMKEYS_NO_NUMBER, 0},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    rd_bytes text = {(const uint8_t *)numbers[i].text, strlen(numbers[i].text)};
    uint32_t count = 77;
    CHECK_INT(rd_parse_numkeys(text, 8, 3, 1, &count), numbers[i].found);
    CHECK_INT(count, numbers[i].count);
  }
  uint32_t count;
  rd_bytes two = {(const uint8_t *)"2", 1};
  CHECK_INT(rd_parse_numkeys(two, 8, 3, 2, &count), RD_NUMKEYS_OK); /* argv[3], argv[5]: each with a value */
  CHECK_INT(rd_parse_numkeys(two, 6, 3, 2, &count), RD_NUMKEYS_TOO_MANY);
  CHECK_INT(rd_parse_numkeys(two, 3, 3, 1, &count), RD_NUMKEYS_TOO_MANY);
  CHECK_INT(rd_parse_numkeys(two, 2, 3, 1, &count), RD_NUMKEYS_TOO_MANY);
}

/* Without options, a keyword is looked for as Redis does: forwards, or backwards from the end. */
static void a_keyword_is_searched_from_either_end(void) {
  rd_command cmd = {.name = "x",
                    .keys = RD_KEYS,
                    .key_specs = {{.flags = RD_KEY_RO,
                                   .begin_search = RD_BEGIN_KEYWORD,
                                   .find_keys = RD_FIND_RANGE,
                                   .begin = 2,
                                   .last = -1,
                                   .step = 1,
                                   .keyword = "keys"}}};
  static const char *const words[] = {"x", "KEYS", "a", "Keys", "b", "keys", "c"};
  rd_bytes argv[7];
  for (uint32_t i = 0; i < 7; i++) argv[i] = (rd_bytes){(const uint8_t *)words[i], strlen(words[i])};
  static const struct {
    int begin;
    uint32_t argc, first, count;
  } wanted[] = {{1, 7, 2, 5},  {2, 7, 4, 3}, {4, 7, 6, 1},  {6, 7, 0, 0},  {99, 7, 0, 0}, {-1, 7, 6, 1}, {-2, 7, 6, 1},
                {-3, 7, 4, 3}, {4, 6, 0, 0}, {-9, 7, 0, 0}, {-7, 7, 0, 0}, {-6, 7, 0, 0}, {-1, 1, 0, 0}};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    rd_keys keys;
    cmd.key_specs[0].begin = wanted[i].begin;
    rd_command_keys(&cmd, argv, wanted[i].argc, &keys);
    CHECK_INT(keys.count, wanted[i].count);
    if (keys.count != 0) CHECK_INT(rd_key_position(&keys, 0), wanted[i].first);
    CHECK(keys.understood);
  }
}

int main(void) {
  RUN(keys_are_found_as_redis_finds_them);
  RUN(a_command_has_the_locks_of_its_keys_and_no_others);
  RUN(a_user_must_be_allowed_each_key_and_no_other);
  RUN(a_command_that_uses_another_argument_as_a_key_aborts);
  RUN(keys_of_a_command_with_a_million_arguments_are_found);
  RUN(a_command_parses_options_as_the_key_search_does);
  RUN(a_command_reads_its_number_of_keys_as_the_key_search_does);
  RUN(a_keyword_is_searched_from_either_end);
  return check_end();
}
