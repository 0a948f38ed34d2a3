/* test_transactions.c - MULTI, EXEC and WATCH in sessions over a real store, and control commands inside EXEC. */
#include "session_fixture.h"

static void transactions_reply_the_errors_of_redis(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  RIG_ASK(&c, "EXEC\r\nDISCARD\r\nUNWATCH\r\n", "-ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n" OK);
  RIG_ASK(&c, "MULTI\r\nMULTI\r\nWATCH a\r\nPING\r\nEXEC\r\n",
          OK "-ERR MULTI calls can not be nested\r\n-ERR WATCH inside MULTI is not allowed\r\n" QUEUED
             "*1\r\n+PONG\r\n");
  RIG_ASK(&c, "MULTI\r\nnosuch\r\nEXEC\r\nEXEC\r\n",
          OK
          "-ERR unknown command 'nosuch', with args beginning with: \r\n"
          "-EXECABORT Transaction discarded because of previous errors.\r\n-ERR EXEC without MULTI\r\n");
  RIG_ASK(&c, "MULTI\r\nOBJECT x\r\nPING\r\nEXEC\r\n",
          OK "-ERR unknown subcommand 'x'. Try OBJECT HELP.\r\n" QUEUED
             "-EXECABORT Transaction discarded because of previous errors.\r\n");
  RIG_ASK(&c, "MULTI\r\nEXEC a\r\nEXEC\r\n",
          OK
          "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n"
          "-ERR EXEC without MULTI\r\n");
  RIG_ASK(&c, "MULTI\r\nDISCARD a\r\nDISCARD\r\nMULTI\r\nEXEC\r\n",
          OK "-ERR wrong number of arguments for 'discard' command\r\n" OK OK "*0\r\n");
  RIG_ASK(&c, "MULTI\r\nPING a b c\r\nSELECT 99\r\nEXEC\r\n",
          OK QUEUED QUEUED
          "*2\r\n-ERR wrong number of arguments for 'ping' command\r\n-ERR DB index is out of range\r\n");
  RIG_ASK(&c, "MULTI\r\nSET a\r\nQUIT x y\r\n", OK "-ERR wrong number of arguments for 'set' command\r\n" OK);
  CHECK_INT(c.status, RD_CLOSE);
  rig_client_free(&c);
  close_store();
}

static void a_watched_key_that_changed_stops_exec(void) {
  open_store();
  rig_client a = rig_client_new(&st, NULL), b = rig_client_new(&st, NULL);
  RIG_ASK(&a, "WATCH k k l\r\nMULTI\r\nSET k mine\r\n", OK OK QUEUED);
  CHECK_INT(rd_session_state_of(a.session)->watching, 2);
  RIG_ASK(&b, "SET l x\r\n", OK);
  RIG_ASK(&a, "EXEC\r\nGET k\r\n", "*-1\r\n$-1\r\n");
  RIG_ASK(&a, "WATCH k\r\nGET k\r\nMULTI\r\nSET k mine\r\nEXEC\r\nGET k\r\n",
          OK "$-1\r\n" OK QUEUED "*1\r\n" OK "$4\r\nmine\r\n");
  RIG_ASK(&a, "WATCH k\r\nUNWATCH\r\nSET k x\r\nMULTI\r\nEXEC\r\n", OK OK OK OK "*0\r\n");
  RIG_ASK(&a, "WATCH k\r\nSET k y\r\nMULTI\r\nDISCARD\r\nMULTI\r\nEXEC\r\n", OK OK OK OK OK "*0\r\n");
  RIG_ASK(&a, "HELLO 3\r\nWATCH k\r\nSET k z\r\nMULTI\r\nEXEC\r\n", "+hello\r\n" OK OK OK "_\r\n");
  CHECK_INT(rd_session_state_of(a.session)->watching, 0);
  rig_client_free(&a);
  rig_client_free(&b);
  close_store();
}

static bool any_held(void) {
  for (uint32_t i = 0; i < st.num_shards; i++) {
    if (rd_holds_shard(&st, i)) return true;
  }
  return false;
}

/* Answer as the control plane does. */
static void answered(rig_client *c, const char *reply) {
  rd_session_answer(c->session, (const uint8_t *)reply, strlen(reply));
  c->status = rd_session_resume(c->session, st.now_ms);
  rig_serve(c);
}

static const char *asked(const rig_client *c) {
  const rd_command *cmd = rd_session_command(c->session);
  return c->status == RD_CONTROL && cmd != NULL ? rd_command_full_name(cmd) : "";
}
#define CHECK_ASKED(c, name) CHECK_TEXT(asked(c), strlen(asked(c)), name)

static void control_commands_about_data_are_passed_on_while_shards_are_locked(void) {
  open_store();
  rig_client a = rig_client_new(&st, NULL), b = rig_client_new(&st, NULL);
  a.stay = true;
  RIG_ASK(&a, "MULTI\r\nSET k 1\r\nCONFIG SET x y\r\nGET k\r\nEXEC\r\nPING\r\n", OK QUEUED QUEUED QUEUED "*3\r\n" OK);
  CHECK_ASKED(&a, "config|set");
  CHECK(rd_session_state_of(a.session)->in_exec && rd_session_state_of(a.session)->locked);
  CHECK(any_held());
  CHECK_INT(rd_session_argc(a.session), 4);
  CHECK_TEXT(rd_session_arg(a.session, 2).data, rd_session_arg(a.session, 2).len, "x");
  /* another session must not run in the middle of it */
  rig_say(&b, "GET k\r\nPI");
  CHECK_INT(b.status, RD_PAUSED);
  CHECK_INT(b.len, 0);
  answered(&a, "+set\r\n");
  RIG_HEARD(&a, "+set\r\n$1\r\n1\r\n+PONG\r\n");
  CHECK(!any_held());
  b.status = rd_session_resume(b.session, st.now_ms);
  rig_serve(&b);
  RIG_ASK(&b, "NG\r\n", "$1\r\n1\r\n+PONG\r\n");
  /* a session that is freed in the middle leaves no shard locked */
  RIG_ASK(&a, "MULTI\r\nSET k 2\r\nINFO\r\nGET k\r\nEXEC\r\n", OK QUEUED QUEUED QUEUED "*3\r\n" OK);
  CHECK(any_held());
  rig_client_free(&a);
  CHECK(!any_held());
  RIG_ASK(&b, "GET k\r\n", "$1\r\n2\r\n");
  rig_client_free(&b);
  close_store();
}

static void other_control_commands_are_passed_on_after_the_release(void) {
  open_store();
  rig_client a = rig_client_new(&st, NULL), b = rig_client_new(&st, NULL);
  a.stay = true;
  RIG_ASK(&a, "MULTI\r\nSET k 1\r\nTIME\r\nGET k\r\nCLIENT ID\r\nSET k 2\r\nDEBUG x\r\nTIME\r\nEXEC\r\nPING\r\n",
          OK QUEUED QUEUED QUEUED QUEUED QUEUED QUEUED QUEUED "*7\r\n" OK);
  CHECK_ASKED(&a, "time");
  CHECK(rd_session_state_of(a.session)->in_exec && !rd_session_state_of(a.session)->locked && !any_held());
  RIG_ASK(&b, "GETSET k 3\r\n", "$1\r\n2\r\n"); /* the data commands have ended, and delay no other session */
  RIG_ASK(&a, "ECHO a\r\n", "");                /* kept, and executed in its turn */
  answered(&a, "+t1\r\n");
  RIG_HEARD(&a, "+t1\r\n$1\r\n1\r\n");
  CHECK_ASKED(&a, "client|id");
  CHECK(rd_session_answer_part(a.session, (const uint8_t *)"$3\r\n", 4)); /* it may come in parts */
  rig_write(&a);
  RIG_HEARD(&a, "$3\r\n");
  CHECK(rd_session_answer_part(a.session, (const uint8_t *)"abc\r\n", 5));
  answered(&a, "");
  CHECK_ASKED(&a, "debug");
  CHECK(!rd_session_state_of(a.session)->deferred);
  answered(&a, "+d\r\n");
  CHECK_ASKED(&a, "time");
  answered(&a, "-ERR t2\r\n");
  RIG_HEARD(&a, "abc\r\n" OK "+d\r\n-ERR t2\r\n+PONG\r\n$1\r\na\r\n");
  CHECK(!rd_session_state_of(a.session)->in_exec && !rd_session_state_of(a.session)->in_multi);
  CHECK_INT(a.status, RD_MORE);
  rig_client_free(&a);
  rig_client_free(&b);
  close_store();
}

static void a_deferred_answer_keeps_its_place(void) {
  open_store();
  rig_client a = rig_client_new(&st, NULL);
  a.stay = true;
  RIG_ASK(&a, "MULTI\r\nTIME\r\nCONFIG SET x y\r\nSET k 1\r\nCLIENT ID\r\nGET k\r\nEXEC\r\nPING\r\n",
          OK QUEUED QUEUED QUEUED QUEUED QUEUED "*5\r\n");
  CHECK_ASKED(&a, "time"); /* later commands may change its answer, so it is asked at its place */
  CHECK(rd_session_state_of(a.session)->locked);
  answered(&a, "+t\r\n");
  CHECK_ASKED(&a, "config|set");
  CHECK(rd_session_state_of(a.session)->locked && !rd_session_state_of(a.session)->deferred);
  rd_session_defer(a.session);
  a.status = rd_session_resume(a.session, st.now_ms);
  CHECK_ASKED(&a, "config|set");
  CHECK(rd_session_state_of(a.session)->deferred && !rd_session_state_of(a.session)->locked && !any_held());
  rig_serve(&a);
  RIG_HEARD(&a, "+t\r\n");
  answered(&a, "+set\r\n");
  RIG_HEARD(&a, "+set\r\n" OK);
  CHECK_ASKED(&a, "client|id");
  CHECK(!rd_session_state_of(a.session)->deferred);
  answered(&a, ":9\r\n");
  RIG_HEARD(&a, ":9\r\n$1\r\n1\r\n+PONG\r\n");
  /* a session that ends in the meantime */
  RIG_ASK(&a, "MULTI\r\nTIME\r\nGET k\r\nEXEC\r\n", OK QUEUED QUEUED "*2\r\n");
  CHECK(!any_held());
  rig_client_free(&a);
  close_store();
}

static void a_late_answer_has_the_version_and_mode_of_its_place(void) {
  open_store();
  rig_client a = rig_client_new(&st, NULL);
  a.stay = true;
  /* the mode changes after the place of the late answer */
  RIG_ASK(&a,
          "MULTI\r\nHELLO 3\r\nCLIENT REPLY OFF\r\nGET no\r\nTIME\r\nCLIENT REPLY ON\r\nGET no\r\nTIME\r\nGET "
          "no\r\nEXEC\r\n",
          OK QUEUED QUEUED QUEUED QUEUED QUEUED QUEUED QUEUED QUEUED "*8\r\n");
  CHECK_ASKED(&a, "hello");
  rd_session_state_of(a.session)->resp = 3;
  answered(&a, "+hello\r\n");
  CHECK_ASKED(&a, "client|reply");
  rd_session_state_of(a.session)->reply_mode = 1;
  answered(&a, "");
  CHECK_ASKED(&a, "time"); /* it precedes CLIENT REPLY ON, so it is asked at its place */
  answered(&a, "+muted\r\n");
  CHECK_ASKED(&a, "client|reply");
  rd_session_state_of(a.session)->reply_mode = 0;
  answered(&a, OK);
  CHECK_ASKED(&a, "time");
  CHECK(!rd_session_state_of(a.session)->locked);
  answered(&a, "+t\r\n");
  RIG_HEARD(&a, "+hello\r\n" OK "_\r\n+t\r\n_\r\n");
  /* an answer deferred before HELLO 2 has version 3, and the later ones version 2 */
  RIG_ASK(&a, "MULTI\r\nCLIENT KILL x\r\nHELLO 2\r\nGET no\r\nEXEC\r\nGET no\r\n", OK QUEUED QUEUED QUEUED "*3\r\n");
  rd_session_defer(a.session);
  a.status = rd_session_resume(a.session, st.now_ms);
  CHECK_ASKED(&a, "hello");
  rd_session_state_of(a.session)->resp = 2;
  rd_session_state_of(a.session)->reply_mode = 1;
  answered(&a, "+hello\r\n");
  CHECK_ASKED(&a, "client|kill");
  CHECK_INT(rd_session_state_of(a.session)->resp, 3);
  rd_session_state_of(a.session)->close_after_reply = false;
  answered(&a, ":0\r\n");
  RIG_HEARD(&a, ":0\r\n");
  CHECK_INT(rd_session_state_of(a.session)->resp, 2);
  CHECK_INT(rd_session_state_of(a.session)->reply_mode, 1);
  rig_client_free(&a);
  close_store();
}

static void late_answers_wait_until_the_client_reads(void) {
  rd_limits limits = {.batch_size = 16, .output_high = 100000, .query_limit = 1u << 20, .multi_limit = 1u << 20};
  open_store();
  rig_client a = rig_client_new(&st, &limits), b = rig_client_new(&st, NULL);
  char *value = malloc(300001), *expected = malloc(1000000);
  memset(value, 'v', 300000);
  value[300000] = 0;
  char *set = malloc(300100);
  int n = sprintf(set, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$300000\r\n%s\r\n", value);
  rig_feed(&b, set, (size_t)n, (size_t)n);
  RIG_HEARD(&b, OK);
  a.stay = true;
  rig_say(&a, "MULTI\r\nTIME\r\nGET k\r\nGET k\r\nTIME\r\nSTRLEN k\r\nEXEC\r\nPING\r\n");
  CHECK_ASKED(&a, "time");
  rig_write(&a);
  size_t before = a.len;
  rd_session_answer(a.session, (const uint8_t *)"+1\r\n", 4);
  size_t most = 0;
  unsigned full = 0;
  while ((a.status = rd_session_resume(a.session, st.now_ms)) == RD_FULL) {
    full++;
    if (rd_session_output(a.session).len > most) most = rd_session_output(a.session).len;
    CHECK_INT(rd_session_feed(a.session, (const uint8_t *)"PING\r\n", 6, st.now_ms), RD_FULL);
    rig_write(&a);
  }
  CHECK(full > 2 && most < 100000 + 65536);
  CHECK_ASKED(&a, "time");
  a.stay = false;
  rig_serve(&a);
  n = sprintf(expected, "+1\r\n$300000\r\n%s\r\n$300000\r\n%s\r\n+time\r\n:300000\r\n+PONG\r\n", value, value);
  while (full-- != 0) n += sprintf(expected + n, "+PONG\r\n");
  CHECK_BYTES(a.out + before, a.len - before, expected, (size_t)n);
  CHECK_INT(rd_session_state_of(a.session)->output_bytes, 0);
  free(value);
  free(expected);
  free(set);
  rig_client_free(&a);
  rig_client_free(&b);
  close_store();
}

static void a_transaction_without_client_still_makes_its_changes(void) {
  open_store();
  rig_client a = rig_client_new(&st, NULL);
  a.stay = true;
  RIG_ASK(&a, "MULTI\r\nSET k 1\r\nTIME\r\nCONFIG SET x y\r\nTIME\r\nACL SAVE\r\nEXEC\r\nSET k 2\r\n",
          OK QUEUED QUEUED QUEUED QUEUED QUEUED "*5\r\n" OK);
  CHECK_ASKED(&a, "time");
  CHECK(rd_session_abandon(a.session));
  a.status = rd_session_resume(a.session, st.now_ms);
  CHECK_ASKED(&a, "config|set");
  rd_session_answer(a.session, (const uint8_t *)"", 0);
  a.status = rd_session_resume(a.session, st.now_ms);
  CHECK_ASKED(&a, "acl|save");
  rd_session_answer(a.session, (const uint8_t *)"", 0);
  CHECK_INT(rd_session_resume(a.session, st.now_ms), RD_CLOSE);
  CHECK(!rd_session_abandon(a.session));
  rig_client_free(&a);
  rig_client b = rig_client_new(&st, NULL);
  RIG_ASK(&b, "GET k\r\n", "$1\r\n1\r\n");
  CHECK(!rd_session_abandon(b.session));
  rig_client_free(&b);
  close_store();
}

static void queued_commands_are_bounded(void) {
  open_store();
  rd_limits limits = {.batch_size = 16, .multi_limit = 1000};
  rig_client c = rig_client_new(&st, &limits);
  RIG_ASK(&c, "MULTI\r\nSET a 1\r\nPING\r\n", OK QUEUED QUEUED);
  CHECK_INT(rd_session_state_of(c.session)->multi_queued, 2);
  char data[1100];
  memset(data, 'x', sizeof data);
  memcpy(data, "*2\r\n$4\r\nPING\r\n$1000\r\n", 21);
  memcpy(data + 1021, "\r\n", 3);
  RIG_ASK(&c, data, "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
  RIG_ASK(&c, "EXEC\r\nGET a\r\n", "-EXECABORT Transaction discarded because of previous errors.\r\n$-1\r\n");
  rig_client_free(&c);
  close_store();
}

static void watched_keys_are_bounded(void) {
  open_store();
  rd_limits limits = {.batch_size = 16, .multi_limit = 1000};
  rig_client c = rig_client_new(&st, &limits);
  char data[1100];
  memset(data, 'x', sizeof data);
  memcpy(data, "*3\r\n$5\r\nWATCH\r\n$1\r\na\r\n$950\r\n", 28);
  memcpy(data + 978, "\r\n", 3);
  RIG_ASK(&c, data, "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
  CHECK_INT(rd_session_state_of(c.session)->watching, 0); /* neither of the two */
  RIG_ASK(&c, "WATCH a b c\r\nUNWATCH\r\nWATCH a b c\r\n", OK OK OK);
  CHECK_INT(rd_session_state_of(c.session)->watching, 3);
  rig_client_free(&c);
  close_store();
}

int main(void) {
  RUN(transactions_reply_the_errors_of_redis);
  RUN(a_watched_key_that_changed_stops_exec);
  RUN(control_commands_about_data_are_passed_on_while_shards_are_locked);
  RUN(other_control_commands_are_passed_on_after_the_release);
  RUN(a_deferred_answer_keeps_its_place);
  RUN(a_late_answer_has_the_version_and_mode_of_its_place);
  RUN(late_answers_wait_until_the_client_reads);
  RUN(a_transaction_without_client_still_makes_its_changes);
  RUN(queued_commands_are_bounded);
  RUN(watched_keys_are_bounded);
  return check_end();
}
