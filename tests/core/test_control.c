/* test_control.c - commands of the control plane: the bounds on their arguments, and how their answers are accepted. */
#include "host.h"
#include "rig.h"

static rd_store st;
static int fd;

static void open_store(void) { fd = rig_open(&st, 8u << 20, 4, RD_ALLKEYS_LRU); }
static void close_store(void) { rig_close(&st, fd); }

/* Send a command of `words` and then `count` arguments of `len` bytes each, in one piece. */
static void ask(rig_client *c, const char *const *words, uint32_t count, size_t len) {
  uint32_t named = 0;
  while (words[named] != NULL) named++;
  char *request = malloc(64 + named * 64 + count * (len + 32)), *p = request;
  p += sprintf(p, "*%u\r\n", named + count);
  for (uint32_t i = 0; i < named; i++) p += sprintf(p, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
  for (uint32_t i = 0; i < count; i++) {
    p += sprintf(p, "$%zu\r\n", len);
    memset(p, 'x', len);
    p += len;
    p += sprintf(p, "\r\n");
  }
  rig_feed(c, request, (size_t)(p - request), (size_t)(p - request));
  free(request);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void arguments_are_bounded_in_number(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  ask(&c, WORDS("config", "get"), RD_MAX_CONTROL_ARGS - 2, 1);
  RIG_HEARD(&c, "+config|get\r\n");
  ask(&c, WORDS("config", "get"), RD_MAX_CONTROL_ARGS - 1, 1);
  RIG_HEARD(&c, "-ERR too many arguments for 'config|get', which takes 4096\r\n");
  ask(&c, WORDS("command", "docs"), RD_MAX_CONTROL_LIST - 2, 1);
  RIG_HEARD(&c, "+command|docs\r\n");
  ask(&c, WORDS("command", "docs"), RD_MAX_CONTROL_LIST - 1, 1);
  RIG_HEARD(&c, "-ERR too many arguments for 'command|docs', which takes 131072\r\n");
  const rd_command *docs = rd_command_find_full((rd_bytes){(const uint8_t *)"command|docs", 12});
  CHECK_INT(rd_my_counters(&st)->commands[docs->id].rejected, 1);
  rig_client_free(&c);
  close_store();
}

static void arguments_are_bounded_in_bytes(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  ask(&c, WORDS("client", "setname"), 1, RD_MAX_CONTROL_BYTES - 13);
  RIG_HEARD(&c, "+client|setname\r\n");
  ask(&c, WORDS("client", "setname"), 1, RD_MAX_CONTROL_BYTES - 12);
  RIG_HEARD(&c, "-ERR the arguments of 'client|setname' are longer than 4194304 bytes together\r\n");
  ask(&c, WORDS("auth"), 1, RD_MAX_CONTROL_BYTES + 1);
  RIG_HEARD(&c, "-ERR the arguments of 'auth' are longer than 4194304 bytes together\r\n");
  ask(&c, WORDS("echo"), 1, RD_MAX_CONTROL_BYTES + 1); /* this does not bound commands of the core */
  CHECK_INT(c.len, RD_MAX_CONTROL_BYTES + 1 + 12);
  rig_client_free(&c);
  close_store();
}

static void queued_arguments_are_bounded_together(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  for (int round = 0; round < 2; round++) { /* each transaction is counted separately */
    RIG_ASK(&c, "MULTI\r\n", "+OK\r\n");
    ask(&c, WORDS("config", "get"), RD_MAX_CONTROL_ARGS_QUEUED - 3, 1);
    RIG_HEARD(&c, "+QUEUED\r\n");
    RIG_ASK(&c, "TIME\r\n", "+QUEUED\r\n");
    RIG_ASK(&c, "SET a 1\r\n", "+QUEUED\r\n");
    RIG_ASK(&c, "EXEC\r\n", "*3\r\n+config|get\r\n+time\r\n+OK\r\n");
  }
  RIG_ASK(&c, "MULTI\r\n", "+OK\r\n");
  ask(&c, WORDS("config", "get"), RD_MAX_CONTROL_ARGS_QUEUED - 2, 1);
  RIG_HEARD(&c, "+QUEUED\r\n");
  rig_say(&c, "TIME\r\n");
  RIG_HEARD(&c,
            "-ERR commands about the server or the connection have more than 128 arguments in this transaction\r\n");
  RIG_ASK(&c, "RESET\r\n", "+RESET\r\n");
  RIG_ASK(&c, "MULTI\r\n", "+OK\r\n");
  ask(&c, WORDS("config", "get"), 1, RD_MAX_CONTROL_BYTES_QUEUED - 9);
  RIG_HEARD(&c, "+QUEUED\r\n");
  rig_say(&c, "TIME\r\n");
  RIG_HEARD(&c, "-ERR commands about the server or the connection have more than 65536 bytes in this transaction\r\n");
  RIG_ASK(&c, "EXEC\r\n", "-EXECABORT Transaction discarded because of previous errors.\r\n");
  rig_client_free(&c);
  close_store();
}

static void a_command_that_is_only_quoted_is_passed_on_shortened(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  c.stay = true;
  uint32_t lengths[RD_MAX_QUOTED_ARGS];
  static uint8_t bytes[RD_MAX_QUOTED_ARGS * RD_MAX_QUOTED_BYTES];
  ask(&c, WORDS("nosuch"), RD_MAX_ARGS - 1, 0);
  CHECK_INT(c.status, RD_CONTROL);
  CHECK_INT(rd_host_argc(c.session), RD_MAX_QUOTED_ARGS);
  CHECK_INT(rd_host_argv(c.session, lengths, bytes), 6);
  CHECK_INT(lengths[0], 6);
  rd_session_answer(c.session, (const uint8_t *)"-ERR\r\n", 6);
  int status; /* the memory of the arguments goes back to the system in steps */
  while ((status = rd_session_resume(c.session, st.now_ms)) == RD_BUSY) continue;
  CHECK_INT(status, RD_MORE);
  ask(&c, WORDS("nosuch"), 2, 5u << 20);
  CHECK_INT(rd_host_argc(c.session), 3);
  CHECK_INT(rd_host_argv(c.session, lengths, NULL), 6 + 2 * RD_MAX_QUOTED_BYTES);
  CHECK_INT(rd_host_argv(c.session, lengths, bytes), 6 + 2 * RD_MAX_QUOTED_BYTES);
  CHECK_INT(lengths[2], RD_MAX_QUOTED_BYTES);
  CHECK_BYTES(bytes, 7, "nosuchx", 7);
  rig_client_free(&c);
  close_store();
}

static void a_command_that_is_answered_is_passed_on_whole(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  c.stay = true;
  ask(&c, WORDS("config", "get"), 100, 2000);
  uint32_t lengths[102];
  static uint8_t bytes[9 + 100 * 2000];
  CHECK_INT(rd_host_argc(c.session), 102);
  CHECK_INT(rd_host_argv(c.session, lengths, bytes), sizeof bytes);
  CHECK_INT(lengths[101], 2000);
  CHECK_BYTES(bytes, 10, "configgetx", 10);
  rig_client_free(&c);
  close_store();
}

static void an_answer_may_come_in_parts_up_to_the_limit(void) {
  rd_limits limits = {.batch_size = 1, .output_high = 1u << 20, .query_limit = 1u << 20, .output_limit = 1u << 20};
  open_store();
  rig_client c = rig_client_new(&st, &limits);
  c.stay = true;
  rig_say(&c, "TIME\r\nPING\r\n");
  CHECK(rd_session_answer_part(c.session, (const uint8_t *)"*2\r\n", 4));
  CHECK(rd_session_answer_part(c.session, (const uint8_t *)":1\r\n", 4));
  rd_session_answer(c.session, (const uint8_t *)":2\r\n", 4);
  c.status = rd_session_resume(c.session, st.now_ms);
  rig_serve(&c);
  RIG_HEARD(&c, "*2\r\n:1\r\n:2\r\n+PONG\r\n");
  rig_say(&c, "TIME\r\nPING\r\n");
  static uint8_t piece[1u << 19];
  CHECK(rd_session_answer_part(c.session, piece, sizeof piece));
  CHECK(rd_session_answer_part(c.session, piece, sizeof piece));
  CHECK(!rd_session_answer_part(c.session, piece, 1));
  rd_session_answer(c.session, NULL, 0);
  CHECK_INT(rd_session_resume(c.session, st.now_ms), RD_CLOSE);
  CHECK_INT(rd_session_state_of(c.session)->overflowed, RD_OVERFLOW_OUTPUT);
  rig_client_free(&c);
  close_store();
}

static void parts_are_not_sent_to_a_client_without_replies(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  rig_say(&c, "CLIENT REPLY OFF\r\n");
  c.stay = true;
  rig_say(&c, "TIME\r\n");
  CHECK(rd_session_answer_part(c.session, (const uint8_t *)"*2\r\n", 4));
  rd_session_answer(c.session, (const uint8_t *)":1\r\n", 4);
  CHECK_INT(rd_session_resume(c.session, st.now_ms), RD_MORE);
  CHECK_INT(rd_session_output(c.session).len, 0);
  rig_client_free(&c);
  close_store();
}

int main(void) {
  RUN(arguments_are_bounded_in_number);
  RUN(arguments_are_bounded_in_bytes);
  RUN(queued_arguments_are_bounded_together);
  RUN(a_command_that_is_only_quoted_is_passed_on_shortened);
  RUN(a_command_that_is_answered_is_passed_on_whole);
  RUN(an_answer_may_come_in_parts_up_to_the_limit);
  RUN(parts_are_not_sent_to_a_client_without_replies);
  return check_end();
}
