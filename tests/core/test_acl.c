/* test_acl.c - users' permissions for commands and keys: the rules alone, in sessions, and for queued commands. */
#include "rig.h"

#define CHECK_STR(text, expected)                         \
  do {                                                    \
    const char *check_text = (text);                      \
    CHECK_TEXT(check_text, strlen(check_text), expected); \
  } while (0)

static rd_store st;
static int fd;

#define OK "+OK\r\n"
#define QUEUED "+QUEUED\r\n"
#define NO_COMMAND "-NOPERM 1 0\r\n"

static const rd_command *command(const char *name) {
  return rd_command_find_full((rd_bytes){(const uint8_t *)name, strlen(name)});
}

/* Add a selector: commands by name, separated by spaces; keys as "*" for all, or patterns, each behind r, w or rw.
 */
static void allow(rd_acl *acl, const char *names, const char *keys) {
  uint16_t ids[32];
  size_t count = 0;
  char *text = strdup(names), *rest = NULL;
  for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
    ids[count++] = command(word)->id;
  }
  CHECK(rd_acl_select(acl, ids, count, strcmp(keys, "*") == 0, true));
  free(text);
  text = strdup(keys);
  for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
    char *pattern = strchr(word, ':');
    if (pattern == NULL) continue;
    unsigned access = (*word == 'r' ? RD_ACL_MAY_READ : 0u) | (pattern[-1] == 'w' ? RD_ACL_MAY_WRITE : 0u);
    CHECK(rd_acl_allow_keys(acl, (const uint8_t *)pattern + 1, strlen(pattern + 1), access));
  }
  free(text);
}

/* The denial and its place, as "0", "1", "2@3". */
static const char *judged(const rd_acl *acl, const char *line) {
  static char said[16];
  rd_bytes argv[16];
  uint32_t argc = 0, at = 99;
  for (const char *p = line; *p != 0 && argc < 16; argc++) {
    size_t len = strcspn(p, " ");
    argv[argc] = (rd_bytes){(const uint8_t *)p, len};
    p += len;
    p += *p == ' ';
  }
  bool unknown;
  const rd_command *cmd = rd_command_find(argv, argc, &unknown);
  rd_denial denial = rd_acl_check(acl, cmd, argv, argc, &at);
  if (denial == RD_DENIED_KEY) {
    snprintf(said, sizeof said, "2@%u", at);
  } else {
    CHECK_INT(at, 0);
    snprintf(said, sizeof said, "%d", denial);
  }
  return said;
}

static void a_new_user_may_run_only_commands_without_authentication(void) {
  rd_acl *acl = rd_acl_new();
  CHECK_STR(judged(acl, "get k"), "1");
  CHECK_STR(judged(acl, "auth a b"), "0");
  allow(acl, "", "");
  CHECK_STR(judged(acl, "ping"), "1");
  CHECK_STR(judged(acl, "hello 3"), "0");
  rd_acl_free(acl);
  rd_acl_free(NULL);
}

static void a_rule_covers_a_command_or_one_subcommand(void) {
  rd_acl *acl = rd_acl_new();
  allow(acl, "get config|get", "*");
  CHECK_STR(judged(acl, "get anything"), "0");
  CHECK_STR(judged(acl, "set a 1"), "1");
  CHECK_STR(judged(acl, "config get x"), "0");
  CHECK_STR(judged(acl, "config set x y"), "1");
  rd_acl_free(acl);
}

static void a_key_is_allowed_when_it_matches_a_pattern(void) {
  rd_acl *acl = rd_acl_new();
  allow(acl, "get mget mset set del bitop copy ping", "rw:a* rw:b?");
  CHECK_STR(judged(acl, "get a"), "0");
  CHECK_STR(judged(acl, "get bx"), "0");
  CHECK_STR(judged(acl, "get b"), "2@1");
  CHECK_STR(judged(acl, "get A"), "2@1");
  CHECK_STR(judged(acl, "mget a ab c a"), "2@3");
  CHECK_STR(judged(acl, "mset a x b1 x c x"), "2@5");
  CHECK_STR(judged(acl, "bitop and c a ab"), "2@2");
  CHECK_STR(judged(acl, "bitop and a ab c"), "2@4");
  CHECK_STR(judged(acl, "ping c"), "0");
  rd_acl_free(acl);
}

static void reading_and_writing_are_allowed_separately(void) {
  rd_acl *acl = rd_acl_new();
  allow(acl, "get set copy incr setrange bitfield getdel", "r:in* w:out*");
  CHECK_STR(judged(acl, "get in1"), "0");
  CHECK_STR(judged(acl, "get out1"), "2@1");
  CHECK_STR(judged(acl, "set out1 x"), "0");
  CHECK_STR(judged(acl, "set out1 x get"), "2@1");
  CHECK_STR(judged(acl, "set in1 x"), "2@1");
  CHECK_STR(judged(acl, "copy in1 out1"), "0");
  CHECK_STR(judged(acl, "copy out1 in1"), "2@1");
  CHECK_STR(judged(acl, "incr out1"), "2@1");
  CHECK_STR(judged(acl, "bitfield in1 get u8 0"), "0");
  CHECK_STR(judged(acl, "bitfield in1 set u8 0 1"), "2@1");
  CHECK_STR(judged(acl, "getdel in1"), "2@1");
  rd_acl_free(acl);
}

static void one_call_adds_several_patterns(void) {
  rd_acl *acl = rd_acl_new();
  CHECK(!rd_acl_allow_keys(acl, (const uint8_t *)"a", 1, RD_ACL_MAY_READ)); /* there is no selector */
  allow(acl, "get set", "");
  CHECK(rd_acl_allow_keys(acl, (const uint8_t *)"a*\0\0b", 5, RD_ACL_MAY_READ));
  CHECK(rd_acl_allow_keys(acl, (const uint8_t *)"", 0, RD_ACL_MAY_WRITE));
  CHECK(rd_acl_allow_keys(acl, (const uint8_t *)"c\0d", 3, RD_ACL_MAY_READ | RD_ACL_MAY_WRITE));
  CHECK_STR(judged(acl, "get ax"), "0");
  CHECK_STR(judged(acl, "get b"), "0");
  CHECK_STR(judged(acl, "get c"), "0");
  CHECK_STR(judged(acl, "set d 1"), "0");
  CHECK_STR(judged(acl, "set b 1"), "2@1");
  CHECK_STR(judged(acl, "get bc"), "2@1");
  CHECK_STR(judged(acl, "get e"), "2@1");
  rd_acl_free(acl);
}

static void one_selector_must_allow_all_of_it(void) {
  rd_acl *acl = rd_acl_new();
  allow(acl, "get", "rw:a");
  allow(acl, "mset", "rw:b rw:c");
  CHECK_STR(judged(acl, "get a"), "0");
  CHECK_STR(judged(acl, "get b"), "2@1"); /* the first selector allowed the command but not the key */
  CHECK_STR(judged(acl, "mset b 1 c 2"), "0");
  CHECK_STR(judged(acl, "mset b 1 a 2"), "2@3");
  CHECK_STR(judged(acl, "del a"), "1");
  rd_acl_free(acl);
}

static void a_denied_command_is_reported_and_the_session_continues(void) {
  fd = rig_open(&st, 64u << 20, 16, RD_ALLKEYS_LRU);
  rd_acl *acl = rd_acl_new();
  allow(acl, "get set multi exec ping", "rw:a*");
  rig_client c = rig_client_new(&st, NULL);
  RIG_ASK(&c, "SET k 1\r\n", OK);
  rd_session_set_acl(c.session, acl);
  RIG_ASK(&c, "SET a 1\r\nGET k\r\nDEL a\r\nINFO\r\nGET a\r\nNOSUCH\r\nGET\r\n",
          OK "-NOPERM 2 1\r\n" NO_COMMAND NO_COMMAND
             "$1\r\n1\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n"
             "-ERR wrong number of arguments for 'get' command\r\n");
  CHECK_STR(rd_session_state_of(c.session)->last->name, "get");
  rd_session_set_acl(c.session, NULL);
  RIG_ASK(&c, "GET k\r\n", "$1\r\n1\r\n");
  CHECK_INT(rd_my_counters(&st)->commands[command("get")->id].rejected, 2);
  rig_client_free(&c);
  rd_acl_free(acl);
  rig_close(&st, fd);
}

static void a_denied_command_discards_its_transaction(void) {
  fd = rig_open(&st, 64u << 20, 16, RD_ALLKEYS_LRU);
  rd_acl *acl = rd_acl_new(), *less = rd_acl_new(), *least = rd_acl_new();
  allow(acl, "get set multi exec ping config|get", "rw:a*");
  allow(less, "get multi exec config|get", "rw:a*");
  allow(least, "get set multi", "rw:a*");
  rig_client c = rig_client_new(&st, NULL);
  rd_session_set_acl(c.session, acl);
  RIG_ASK(&c, "MULTI\r\nSET a 1\r\nGET k\r\nEXEC\r\nGET a\r\n",
          OK QUEUED "-NOPERM 2 1\r\n-EXECABORT Transaction discarded because of previous errors.\r\n$-1\r\n");
  /* queued commands are checked again with the permissions at their execution, among commands of both planes */
  RIG_ASK(&c, "MULTI\r\nSET a 1\r\nCONFIG GET x\r\nGET a\r\nPING\r\nGET a\r\n", OK QUEUED QUEUED QUEUED QUEUED QUEUED);
  rd_session_set_acl(c.session, less);
  RIG_ASK(&c, "EXEC\r\nGET a\r\n", "*5\r\n" NO_COMMAND "+config|get\r\n$-1\r\n" NO_COMMAND "$-1\r\n$-1\r\n");
  /* EXEC itself */
  rd_session_set_acl(c.session, acl);
  RIG_ASK(&c, "MULTI\r\nSET a 2\r\n", OK QUEUED);
  rd_session_set_acl(c.session, least);
  RIG_ASK(&c, "EXEC\r\nSET a 3\r\nEXEC\r\n", NO_COMMAND OK NO_COMMAND);
  CHECK(!rd_session_state_of(c.session)->in_multi);
  CHECK_INT(rd_lock_owner(&st), 0);
  rig_client_free(&c);
  rd_acl_free(acl);
  rd_acl_free(less);
  rd_acl_free(least);
  rig_close(&st, fd);
}

static void a_client_without_replies_gets_no_refusals(void) {
  fd = rig_open(&st, 64u << 20, 16, RD_ALLKEYS_LRU);
  rd_acl *acl = rd_acl_new();
  allow(acl, "get client|reply", "*");
  rig_client c = rig_client_new(&st, NULL);
  rd_session_set_acl(c.session, acl);
  RIG_ASK(&c, "CLIENT REPLY SKIP\r\nSET a 1\r\nSET a 1\r\nCLIENT REPLY OFF\r\nSET a 1\r\nCLIENT REPLY ON\r\n",
          NO_COMMAND OK);
  rig_client_free(&c);
  rd_acl_free(acl);
  rig_close(&st, fd);
}

int main(void) {
  RUN(a_new_user_may_run_only_commands_without_authentication);
  RUN(a_rule_covers_a_command_or_one_subcommand);
  RUN(a_key_is_allowed_when_it_matches_a_pattern);
  RUN(reading_and_writing_are_allowed_separately);
  RUN(one_call_adds_several_patterns);
  RUN(one_selector_must_allow_all_of_it);
  RUN(a_denied_command_is_reported_and_the_session_continues);
  RUN(a_denied_command_discards_its_transaction);
  RUN(a_client_without_replies_gets_no_refusals);
  return check_end();
}
