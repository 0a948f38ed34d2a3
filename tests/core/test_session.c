/* Sessions over a real store: order, splits, transactions, limits, and what is counted. */
#include "rig.h"
#include "session/slowlog.h"
#include "store/pause.h"

static rd_store st;
static int fd;

static void open_store(void) { fd = rig_open(&st, 64u << 20, 16, RD_ALLKEYS_LRU); }
static void close_store(void) { rig_close(&st, fd); }

#define OK "+OK\r\n"
#define QUEUED "+QUEUED\r\n"

static void replies_leave_in_request_order(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  RIG_ASK(&c, "SET a 1\r\nGET a\r\nINFO\r\nGET b\r\nnosuch x\r\nPING\r\nTIME\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n",
          OK
          "$1\r\n1\r\n+info\r\n$-1\r\n-ERR unknown command 'nosuch', with args beginning with: 'x' \r\n"
          "+PONG\r\n+time\r\n$2\r\nhi\r\n");
  CHECK_INT(c.status, RD_MORE);
  rig_client_free(&c);
  close_store();
}

static void changes_are_those_of_commands(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  RIG_ASK(&c, "SET a 1 PX 10\r\nSET b 1 PX 10\r\nMSET x 1 y 1\r\n", OK OK OK);
  CHECK_INT(rd_counter(&st, RD_STAT_changes), 4);
  st.now_ms += 11; /* what has expired is gone by itself, whoever finds it */
  RIG_ASK(&c, "GET a\r\nDEL b\r\nGETDEL x\r\n", "$-1\r\n:0\r\n$1\r\n1\r\n");
  CHECK_INT(rd_counter(&st, RD_STAT_expired_keys), 2);
  CHECK_INT(rd_counter(&st, RD_STAT_changes), 5);
  rd_reset_stats(&st);
  CHECK_INT(rd_counter(&st, RD_STAT_expired_keys), 0);
  CHECK_INT(rd_counter(&st, RD_STAT_changes), 5);
  rig_client_free(&c);
  close_store();
}

static const char script[] =
    "PING\r\n*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n*0\r\n\r\nSET a b\r\nGET a\r\nGET \"a\"\r\n"
    "SELECT 3\r\nGET a\r\nSET a three\r\nSELECT 0\r\nGET a\r\nMULTI\r\nGET a\r\nSELECT 3\r\nGET a\r\nINFO\r\nPING 'x "
    "y'\r\n"
    "EXEC\r\nGET a\r\nHELLO 3\r\nGET nosuch\r\nHELLO 2\r\nWATCH a\r\nSET a c\r\nMULTI\r\nGET a\r\nEXEC\r\nnosuch\r\n"
    "CLIENT REPLY SKIP\r\nPING\r\nECHO a\r\nCLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nMULTI\r\nRESET\r\nGET a\r\n"
    "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$20\r\nabcdefghijklmnopqrst\r\n*2\r\n$3\r\nGET\r\n$1\r\nx\r\nMGET a x nosuch\r\n"
    "CONFIG GET x\r\nOBJECT x\r\nGET\r\nMULTI\r\nGET\r\nEXEC\r\nDEL a x\r\n*1\r\n$4\r\nQUIT\r\nPING\r\n";

static const char script_replies[] =
    "+PONG\r\n+PONG\r\n$5\r\nhello\r\n" OK "$1\r\nb\r\n$1\r\nb\r\n" OK "$-1\r\n" OK OK
    "$1\r\nb\r\n" OK QUEUED QUEUED QUEUED QUEUED QUEUED "*5\r\n$1\r\nb\r\n" OK
    "$5\r\nthree\r\n+info\r\n$3\r\nx y\r\n$5\r\nthree\r\n+hello\r\n_\r\n+hello\r\n" OK OK OK QUEUED
    "*-1\r\n-ERR unknown command 'nosuch', with args beginning with: \r\n$1\r\na\r\n" OK OK "+RESET\r\n$1\r\nb\r\n" OK
    "$20\r\nabcdefghijklmnopqrst\r\n*3\r\n$1\r\nb\r\n$20\r\nabcdefghijklmnopqrst\r\n$-1\r\n"
    "+config|get\r\n-ERR unknown subcommand 'x'. Try OBJECT HELP.\r\n-ERR wrong number of arguments for 'get' "
    "command\r\n" OK
    "-ERR wrong number of arguments for 'get' command\r\n"
    "-EXECABORT Transaction discarded because of previous errors.\r\n:2\r\n" OK;

static void any_split_gives_the_same_replies(void) {
  static const uint32_t batches[] = {1, 2, 16, 64};
  for (size_t b = 0; b < 4; b++) {
    for (size_t step = 1; step < 2 * sizeof script; step += step < 40 ? 1 : 97) {
      open_store();
      rd_limits limits = {.batch_size = batches[b], .output_high = step % 7 == 0 ? 1 : 4096};
      rig_client c = rig_client_new(&st, &limits);
      rig_feed(&c, script, sizeof script - 1, step);
      CHECK_BYTES(c.out, c.len, script_replies, sizeof script_replies - 1);
      CHECK_INT(c.status, RD_CLOSE);
      rig_client_free(&c);
      close_store();
      if (!check_ok) return;
    }
  }
}

static void transactions_complain_in_redis_words(void) {
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

static void exec_has_what_acts_on_its_data_done_with_its_shards_held(void) {
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
  /* a session that goes away in the middle leaves nothing held */
  RIG_ASK(&a, "MULTI\r\nSET k 2\r\nINFO\r\nGET k\r\nEXEC\r\n", OK QUEUED QUEUED QUEUED "*3\r\n" OK);
  CHECK(any_held());
  rig_client_free(&a);
  CHECK(!any_held());
  RIG_ASK(&b, "GET k\r\n", "$1\r\n2\r\n");
  rig_client_free(&b);
  close_store();
}

static void exec_has_the_rest_answered_when_its_shards_are_released(void) {
  open_store();
  rig_client a = rig_client_new(&st, NULL), b = rig_client_new(&st, NULL);
  a.stay = true;
  RIG_ASK(&a, "MULTI\r\nSET k 1\r\nTIME\r\nGET k\r\nCLIENT ID\r\nSET k 2\r\nDEBUG x\r\nTIME\r\nEXEC\r\nPING\r\n",
          OK QUEUED QUEUED QUEUED QUEUED QUEUED QUEUED QUEUED "*7\r\n" OK);
  CHECK_ASKED(&a, "time");
  CHECK(rd_session_state_of(a.session)->in_exec && !rd_session_state_of(a.session)->locked && !any_held());
  RIG_ASK(&b, "GETSET k 3\r\n", "$1\r\n2\r\n"); /* the data commands are over, and hold up nobody */
  RIG_ASK(&a, "ECHO a\r\n", "");                /* kept, and read in its turn */
  answered(&a, "+t1\r\n");
  RIG_HEARD(&a, "+t1\r\n$1\r\n1\r\n");
  CHECK_ASKED(&a, "client|id");
  CHECK(rd_session_answer_part(a.session, (const uint8_t *)"$3\r\n", 4)); /* it may come in parts */
  rig_write(&a);
  RIG_HEARD(&a, "$3\r\n");
  CHECK(rd_session_answer_part(a.session, (const uint8_t *)"abc\r\n", 5));
  answered(&a, "");
  CHECK_ASKED(&a, "debug");
  CHECK(!rd_session_state_of(a.session)->owed);
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

static void an_answer_that_is_owed_has_its_place(void) {
  open_store();
  rig_client a = rig_client_new(&st, NULL);
  a.stay = true;
  RIG_ASK(&a, "MULTI\r\nTIME\r\nCONFIG SET x y\r\nSET k 1\r\nCLIENT ID\r\nGET k\r\nEXEC\r\nPING\r\n",
          OK QUEUED QUEUED QUEUED QUEUED QUEUED "*5\r\n");
  CHECK_ASKED(&a, "time"); /* what follows may change what it tells, so it is asked at its place */
  CHECK(rd_session_state_of(a.session)->locked);
  answered(&a, "+t\r\n");
  CHECK_ASKED(&a, "config|set");
  CHECK(rd_session_state_of(a.session)->locked && !rd_session_state_of(a.session)->owed);
  rd_session_owe(a.session);
  a.status = rd_session_resume(a.session, st.now_ms);
  CHECK_ASKED(&a, "config|set");
  CHECK(rd_session_state_of(a.session)->owed && !rd_session_state_of(a.session)->locked && !any_held());
  rig_serve(&a);
  RIG_HEARD(&a, "+t\r\n");
  answered(&a, "+set\r\n");
  RIG_HEARD(&a, "+set\r\n" OK);
  CHECK_ASKED(&a, "client|id");
  CHECK(!rd_session_state_of(a.session)->owed);
  answered(&a, ":9\r\n");
  RIG_HEARD(&a, ":9\r\n$1\r\n1\r\n+PONG\r\n");
  /* one that ends in the meantime */
  RIG_ASK(&a, "MULTI\r\nTIME\r\nGET k\r\nEXEC\r\n", OK QUEUED QUEUED "*2\r\n");
  CHECK(!any_held());
  rig_client_free(&a);
  close_store();
}

static void a_late_answer_is_in_the_version_and_mode_of_its_place(void) {
  open_store();
  rig_client a = rig_client_new(&st, NULL);
  a.stay = true;
  /* the mode changes behind the place of what is answered later */
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
  CHECK_ASKED(&a, "time"); /* before CLIENT REPLY ON, so at its place */
  answered(&a, "+muted\r\n");
  CHECK_ASKED(&a, "client|reply");
  rd_session_state_of(a.session)->reply_mode = 0;
  answered(&a, OK);
  CHECK_ASKED(&a, "time");
  CHECK(!rd_session_state_of(a.session)->locked);
  answered(&a, "+t\r\n");
  RIG_HEARD(&a, "+hello\r\n" OK "_\r\n+t\r\n_\r\n");
  /* an answer that is owed from before HELLO 2 is of version 3, what follows is not */
  RIG_ASK(&a, "MULTI\r\nCLIENT KILL x\r\nHELLO 2\r\nGET no\r\nEXEC\r\nGET no\r\n", OK QUEUED QUEUED QUEUED "*3\r\n");
  rd_session_owe(a.session);
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

static void late_answers_wait_for_the_client_to_read(void) {
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

static void a_transaction_whose_client_is_gone_still_changes_what_it_was_to_change(void) {
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

static void bytes_that_come_while_it_waits_are_kept(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  c.stay = true;
  RIG_ASK(&c, "PING\r\nINFO\r\n*2\r\n$4\r\nEC", "+PONG\r\n");
  RIG_ASK(&c, "HO\r\n$3\r\n", "");
  CHECK_INT(c.status, RD_CONTROL);
  CHECK_TEXT(rd_session_arg(c.session, 0).data, rd_session_arg(c.session, 0).len, "INFO");
  RIG_ASK(&c, "abc\r\nTIME\r\n", "");
  c.stay = false;
  rig_serve(&c);
  RIG_HEARD(&c, "+info\r\n$3\r\nabc\r\n+time\r\n");
  CHECK_INT(c.status, RD_MORE);
  CHECK_INT(rd_session_state_of(c.session)->query_bytes, 0);
  rig_client_free(&c);
  close_store();
}

static void before_authentication(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  rd_session_state_of(c.session)->authenticated = false;
  RIG_ASK(&c, "nosuch\r\nGET\r\nGET a\r\nOBJECT x\r\nINFO\r\nEXEC\r\nMULTI\r\n",
          "-ERR unknown command 'nosuch', with args beginning with: \r\n-ERR wrong number of arguments for 'get' "
          "command\r\n"
          "-NOAUTH Authentication required.\r\n-ERR unknown subcommand 'x'. Try OBJECT HELP.\r\n"
          "-NOAUTH Authentication required.\r\n"
          "-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n"
          "-NOAUTH Authentication required.\r\n");
  /* the bounds hold until AUTH was executed, not until it was read */
  char *big = malloc(20000);
  int n = sprintf(big, "AUTH pw\r\n*2\r\n$4\r\nECHO\r\n$17000\r\n");
  memset(big + n, 'x', 17000);
  memcpy(big + n + 17000, "\r\n", 3);
  rig_say(&c, big);
  CHECK_INT(c.status, RD_MORE);
  CHECK_INT(c.len, 5 + 8 + 17000 + 2);
  rig_client d = rig_client_new(&st, NULL);
  rd_session_state_of(d.session)->authenticated = false;
  RIG_ASK(&d, "AUTH no\r\n*2\r\n$4\r\nECHO\r\n$17000\r\n",
          "-WRONGPASS no\r\n-ERR Protocol error: unauthenticated bulk length\r\n");
  CHECK_INT(d.status, RD_CLOSE);
  free(big);
  rig_client_free(&c);
  rig_client_free(&d);
  close_store();
}

static void a_protocol_error_is_told_once_and_after_what_came_before(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  RIG_ASK(&c, "PING\r\nINFO\r\n*x\r\nPING\r\n", "+PONG\r\n+info\r\n-ERR Protocol error: invalid multibulk length\r\n");
  CHECK_INT(c.status, RD_CLOSE);
  CHECK_INT(rd_session_feed(c.session, (const uint8_t *)"PING\r\n", 6, st.now_ms), RD_CLOSE);
  CHECK_INT(rd_session_output(c.session).len, 0);
  rig_client_free(&c);
  rig_client d = rig_client_new(&st, NULL);
  RIG_ASK(&d, "QUIT\r\n*x\r\n", OK);
  CHECK_INT(d.status, RD_CLOSE);
  rig_client_free(&d);
  close_store();
}

static void client_reply(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  RIG_ASK(&c, "CLIENT REPLY SKIP\r\nPING\r\nECHO a\r\n", "$1\r\na\r\n");
  RIG_ASK(&c, "CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nECHO b\r\nECHO c\r\n", "$1\r\nc\r\n");
  RIG_ASK(&c, "CLIENT REPLY SKIP\r\nnosuch\r\nECHO d\r\nCLIENT REPLY SKIP\r\nGET\r\nECHO e\r\n",
          "$1\r\nd\r\n$1\r\ne\r\n");
  RIG_ASK(&c, "CLIENT REPLY OFF\r\nPING\r\nINFO\r\nGET\r\nCLIENT REPLY SKIP\r\nPING\r\nPING\r\n", "");
  RIG_ASK(&c, "CLIENT REPLY ON\r\nCLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nECHO e\r\n", OK OK "$1\r\ne\r\n");
  RIG_ASK(&c, "MULTI\r\nPING\r\nCLIENT REPLY SKIP\r\nEXEC\r\nPING\r\nPING\r\n",
          OK QUEUED QUEUED "*2\r\n+PONG\r\n+PONG\r\n");
  RIG_ASK(&c, "MULTI\r\nCLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nPING\r\nEXEC\r\nPING\r\n",
          OK QUEUED QUEUED QUEUED QUEUED "*4\r\n" OK "+PONG\r\n+PONG\r\n");
  RIG_ASK(&c, "CLIENT REPLY OFF\r\n*x\r\n", "");
  CHECK_INT(c.status, RD_CLOSE);
  rig_client_free(&c);
  close_store();
}

static void a_pause_holds_writes_or_all(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  rd_set_pause(&st, 1, st.now_ms + 100);
  RIG_ASK(&c, "PING\r\nGET a\r\nSET a 1\r\nGET a\r\n", "+PONG\r\n$-1\r\n");
  CHECK_INT(c.status, RD_PAUSED);
  RIG_ASK(&c, "PING\r\n", "");
  CHECK_INT(c.status, RD_PAUSED);
  st.now_ms += 100;
  c.status = rd_session_resume(c.session, st.now_ms);
  rig_serve(&c);
  RIG_HEARD(&c, OK "$1\r\n1\r\n+PONG\r\n");
  RIG_ASK(&c, "MULTI\r\nSET a 2\r\nMULTI\r\n", OK QUEUED "-ERR MULTI calls can not be nested\r\n");
  rd_set_pause(&st, 1, st.now_ms + 100);
  RIG_ASK(&c, "EXEC\r\n", "");
  CHECK_INT(c.status, RD_PAUSED);
  rd_set_pause(&st, 0, 0);
  c.status = rd_session_resume(c.session, st.now_ms);
  rig_serve(&c);
  RIG_HEARD(&c, "*1\r\n" OK);
  rd_set_pause(&st, 2, st.now_ms + 1);
  RIG_ASK(&c, "nosuch\r\nGET\r\nPING\r\n",
          "-ERR unknown command 'nosuch', with args beginning with: \r\n"
          "-ERR wrong number of arguments for 'get' command\r\n");
  CHECK_INT(c.status, RD_PAUSED);
  c.status = rd_session_resume(c.session, ++st.now_ms);
  rig_serve(&c);
  RIG_HEARD(&c, "+PONG\r\n");
  rig_client_free(&c);
  close_store();
}

static void full_output_stops_it(void) {
  open_store();
  rd_limits limits = {.batch_size = 16, .output_high = 10};
  rig_client c = rig_client_new(&st, &limits);
  c.status = rd_session_feed(c.session, (const uint8_t *)"PING\r\nPING\r\nPING\r\nPING\r\n", 24, st.now_ms);
  CHECK_INT(c.status, RD_FULL);
  CHECK_INT(rd_session_output(c.session).len, 14);
  c.status = rd_session_feed(c.session, (const uint8_t *)"PING\r\n", 6, st.now_ms);
  CHECK_INT(c.status, RD_FULL);
  CHECK_INT(rd_session_output(c.session).len, 14);
  rd_session_consumed(c.session, 3);
  c.status = rd_session_resume(c.session, st.now_ms);
  CHECK_INT(c.status, RD_FULL);
  CHECK_INT(rd_session_output(c.session).len, 11);
  rd_session_consumed(c.session, 9);
  c.status = rd_session_resume(c.session, st.now_ms);
  CHECK_INT(c.status, RD_FULL);
  CHECK_TEXT(rd_session_output(c.session).data, rd_session_output(c.session).len, "\r\n+PONG\r\n+PONG\r\n");
  rig_serve(&c);
  CHECK_INT(c.status, RD_MORE);
  RIG_HEARD(&c, "\r\n+PONG\r\n+PONG\r\n+PONG\r\n");
  rig_client_free(&c);
  close_store();
}

static void a_slow_reader_costs_no_more_than_what_waits(void) {
  open_store();
  enum { PIECE = 1000 };
  static uint8_t piece[PIECE];
  rig_client c = rig_client_new(&st, NULL);
  for (int i = 0; i < 1000; i++) { /* it is never done with all */
    CHECK(rd_session_push(c.session, piece, PIECE));
    if (i != 0) rd_session_consumed(c.session, PIECE);
  }
  CHECK_INT(rd_session_output(c.session).len, PIECE);
  CHECK(rd_session_state_of(c.session)->output_cap < 8 * PIECE);
  rig_client_free(&c);
  close_store();
}

static void what_is_pushed_is_bounded(void) {
  open_store();
  static uint8_t piece[2000];
  rd_limits limits = {.batch_size = 16, .output_limit = 3000};
  rig_client c = rig_client_new(&st, &limits);
  CHECK(rd_session_push(c.session, piece, 2000));
  CHECK(rd_session_push(c.session, piece, 1000));
  CHECK(!rd_session_push(c.session, piece, 1));
  CHECK_INT(rd_session_output(c.session).len, 3000);
  CHECK_INT(rd_session_feed(c.session, (const uint8_t *)"PING\r\n", 6, st.now_ms), RD_CLOSE);
  rig_client_free(&c);
  close_store();
}

static void unexecuted_input_is_bounded(void) {
  open_store();
  rd_limits limits = {.batch_size = 16, .query_limit = 1000};
  rig_client c = rig_client_new(&st, &limits);
  char data[2000];
  memset(data, 'x', sizeof data);
  memcpy(data, "*2\r\n$4\r\nECHO\r\n$1990\r\n", 22);
  rig_feed(&c, data, 1000, 100);
  CHECK_INT(c.status, RD_MORE);
  rig_feed(&c, "x", 1, 1);
  CHECK_INT(c.status, RD_CLOSE);
  RIG_HEARD(&c, "-ERR Protocol error: query buffer limit exceeded\r\n");
  CHECK_INT(rd_my_counters(&st)->value[RD_STAT_query_disconnections], 1);
  CHECK_INT(rd_my_counters(&st)->value[RD_STAT_protocol_errors], 0);
  rig_client_free(&c);
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

static void memory_grows_by_what_arrived(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  rig_say(&c, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\nabc");
  rd_session_state *state = rd_session_state_of(c.session);
  CHECK_INT(state->query_bytes, 35);
  CHECK(state->query_cap < 2000);
  rig_client_free(&c);
  c = rig_client_new(&st, NULL);
  rig_say(&c, "*1048576\r\n$3\r\nDEL\r\n$1\r\na\r\n");
  CHECK(rd_session_state_of(c.session)->query_cap < 2000);
  rig_client_free(&c);
  close_store();
}

static void ten_megabytes_byte_by_byte(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  size_t len = 10u << 20;
  char head[64];
  uint8_t *value = malloc(len);
  for (size_t i = 0; i < len; i++) value[i] = (uint8_t)(i * 7 + i / 255);
  rig_feed(&c, head, (size_t)sprintf(head, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%zu\r\n", len), 1);
  rig_feed(&c, value, len, 1);
  CHECK(rd_session_state_of(c.session)->query_cap <= len + 100);
  rig_feed(&c, "\r\n", 2, 1);
  RIG_HEARD(&c, OK);
  CHECK(rd_session_state_of(c.session)->query_cap <= 32768);
  rig_say(&c, "GET a\r\n");
  CHECK_INT(c.len, len + 13);
  CHECK(c.len == len + 13 && memcmp(c.out + 11, value, len) == 0);
  CHECK(rd_session_state_of(c.session)->output_cap <= 32768);
  free(value);
  rig_client_free(&c);
  close_store();
}

static void a_million_arguments(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  size_t n = RD_MAX_ARGS, at = 0;
  char *data = malloc(n * 8 + 100);
  at += (size_t)sprintf(data, "*%zu\r\n$3\r\nDEL\r\n", n);
  for (size_t i = 1; i < n; i++) {
    memcpy(data + at, "$1\r\na\r\n", 7);
    at += 7;
  }
  rig_feed(&c, data, at, at);
  RIG_HEARD(&c, ":0\r\n");
  rig_feed(&c, data, at, 1);
  RIG_HEARD(&c, ":0\r\n");
  rig_say(&c, "MULTI\r\n");
  rig_feed(&c, data, at, 16384);
  rig_say(&c, "EXEC\r\n");
  RIG_HEARD(&c, OK QUEUED "*1\r\n:0\r\n");
  memcpy(data, "*1048577", 8);
  rig_feed(&c, data, at, at);
  RIG_HEARD(&c, "-ERR Protocol error: invalid multibulk length\r\n");
  free(data);
  rig_client_free(&c);
  close_store();
}

static void a_million_pings(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  size_t n = 1000000;
  char *data = malloc(n * 6);
  for (size_t i = 0; i < n; i++) memcpy(data + i * 6, "PING\r\n", 6);
  rig_feed(&c, data, n * 6, n * 6);
  CHECK_INT(c.status, RD_MORE);
  CHECK_INT(c.len, n * 7);
  CHECK_TEXT(c.out + c.len - 7, 7, "+PONG\r\n");
  c.len = 0;
  /* with a stop after every few commands, for an answer or for room */
  for (size_t i = 0; i < n; i += 10) memcpy(data + i * 6, "TIME\r\n", 6);
  rig_feed(&c, data, n * 6, n * 6);
  CHECK_INT(c.status, RD_MORE);
  CHECK_INT(c.len, n * 7);
  rig_client_free(&c);
  rd_limits limits = {.batch_size = 16, .output_high = 20};
  c = rig_client_new(&st, &limits);
  for (size_t i = 0; i < n; i++) memcpy(data + i * 6, "PING\r\n", 6);
  rig_feed(&c, data, n * 6, n * 6);
  CHECK_INT(c.len, n * 7);
  free(data);
  rig_client_free(&c);
  close_store();
}

static void names_and_keys_may_hold_any_byte(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  rig_feed(&c, "*2\r\n$3\r\nf\0o\r\n$4\r\na\0\rb\r\n", 23, 23);
  RIG_HEARD(&c, "-ERR unknown command 'f', with args beginning with: 'a' \r\n");
  rig_feed(&c, "*2\r\n$6\r\nObjecT\r\n$4\r\nf\rx\xff\r\n", 26, 26);
  RIG_HEARD(&c, "-ERR unknown subcommand 'f x\xff'. Try OBJECT HELP.\r\n");
  rig_feed(&c, "*3\r\n$3\r\nsEt\r\n$3\r\n\0\r\n\r\n$2\r\n\0\xff\r\n*2\r\n$3\r\nget\r\n$3\r\n\0\r\n\r\n", 52, 52);
  CHECK_BYTES(c.out, c.len, OK "$2\r\n\0\xff\r\n", 13);
  c.len = 0;
  rig_say(&c, "GET \"\\x00\\r\\n\"\r\nSET \"\" empty\r\nGET ''\r\n*1\r\n$0\r\n\r\n");
  CHECK_BYTES(c.out, c.len,
              "$2\r\n\0\xff\r\n" OK "$5\r\nempty\r\n-ERR unknown command '', with args beginning with: \r\n", 77);
  rig_client_free(&c);
  close_store();
}

static void keys_are_bounded(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  size_t n = RD_MAX_KEY;
  char *data = malloc(n + 100);
  for (size_t more = 0; more < 2; more++) {
    size_t at = (size_t)sprintf(data, "*3\r\n$4\r\nMGET\r\n$1\r\na\r\n$%zu\r\n", n + more);
    memset(data + at, 'k', n + more);
    memcpy(data + at + n + more, "\r\n", 2);
    rig_feed(&c, data, at + n + more + 2, 1u << 20);
    if (more)
      RIG_HEARD(&c, "-ERR key is longer than 1048576 bytes\r\n");
    else
      RIG_HEARD(&c, "*2\r\n$-1\r\n$-1\r\n");
  }
  free(data);
  rig_client_free(&c);
  close_store();
}

static const rd_command_stats *stats_of(const char *name) {
  rd_bytes b = {(const uint8_t *)name, strlen(name)};
  return &rd_my_counters(&st)->commands[rd_command_find_full(b)->id];
}

static uint64_t errors_of(const char *code) {
  const rd_error_stats *e = rd_my_counters(&st)->errors;
  for (size_t i = 0; i < RD_ERROR_CODES; i++) {
    if (strcmp(e[i].code, code) == 0) return e[i].count;
  }
  return 0;
}

static uint64_t in_histogram(const rd_command_stats *c) {
  uint64_t n = 0;
  for (size_t i = 0; i < RD_LATENCY_BUCKETS; i++) n += c->histogram[i];
  return n;
}

static void what_is_counted(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  rd_session_state_of(c.session)->authenticated = false;
  uint64_t before = rd_my_counters(&st)->value[RD_STAT_total_commands_processed];
  rig_say(&c,
          "GET a\r\nAUTH pw\r\nSET a 1\r\nGET a\r\nGET a\r\nGET\r\nPING\r\nnosuch\r\nSELECT 77\r\nDEL "
          "a\r\nMULTI\r\nGET a\r\nEXEC\r\n"
          "EXEC\r\nCONFIG GET x\r\n");
  CHECK_INT(c.status, RD_MORE);
  CHECK_INT(stats_of("get")->calls, 3);
  CHECK_INT(stats_of("get")->rejected, 2);
  CHECK_INT(stats_of("get")->failed, 0);
  CHECK_INT(in_histogram(stats_of("get")), 3);
  CHECK_INT(stats_of("get")->nanoseconds, 1000 + 2 * (1000 / 4)); /* brief neighbours are timed as one */
  CHECK_INT(stats_of("set")->nanoseconds, 1000 / 4);
  CHECK_INT(stats_of("select")->calls, 1);
  CHECK_INT(stats_of("select")->failed, 1);
  CHECK_INT(stats_of("del")->nanoseconds, 1000);
  CHECK_INT(stats_of("exec")->calls, 2);
  CHECK_INT(stats_of("exec")->failed, 1);
  CHECK_INT(in_histogram(stats_of("exec")), 2);
  CHECK_INT(stats_of("config|get")->calls, 1);
  CHECK_INT(stats_of("auth")->calls, 1);
  CHECK_INT(errors_of("ERR"), 4);
  CHECK_INT(errors_of("NOAUTH"), 1);
  CHECK_INT(rd_my_counters(&st)->value[RD_STAT_total_commands_processed] - before, 12);
  CHECK_INT(rd_session_state_of(c.session)->commands, 12);
  CHECK_INT(rd_my_counters(&st)->value[RD_STAT_total_error_replies], 5);
  rig_client_free(&c);
  close_store();
}

/* SET of a long value has a measurement of its own, so that it is not taken for its neighbours' time. */
static void long_values_are_timed_alone(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  for (int len = 1024; len <= 1025; len++) {
    char pipeline[2048];
    snprintf(pipeline, sizeof pipeline, "GET a\r\nSET a %0*d\r\nGET a\r\n", len, 7);
    uint64_t before = stats_of("set")->nanoseconds;
    rig_say(&c, pipeline);
    CHECK_INT(stats_of("set")->nanoseconds - before, len == 1024 ? 1000 / 3 : 1000);
  }
  rig_client_free(&c);
  close_store();
}

static void slow_commands_are_kept(void) {
  open_store();
  st.slowlog = rd_slowlog_new(3, 0);
  rig_client c = rig_client_new(&st, NULL);
  CHECK_INT(rd_slowlog_pending(st.slowlog), 0);
  char data[600];
  memset(data, 'v', sizeof data);
  memcpy(data, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$300\r\n", 26);
  memcpy(data + 326, "\r\n", 3);
  rig_say(&c, data);
  CHECK_INT(rd_slowlog_pending(st.slowlog), 1);
  const rd_slow_entry *e = rd_slowlog_take(st.slowlog);
  CHECK(strcmp(e->command->name, "set") == 0 && e->session == c.session);
  CHECK_INT(e->argc, 3);
  CHECK_INT(e->nanoseconds, 1000);
  CHECK_INT(e->text_len, 4 + 3 + 4 + 1 + 4 + 148);
  CHECK_BYTES(e->text + e->text_len - 24, 24, "vvvv... (172 more bytes)", 24);
  rig_say(&c,
          "PING 1\r\nPING 2\r\nPING 3\r\nPING 4\r\n"
          "MGET 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 "
          "37 38\r\n");
  CHECK_INT(rd_slowlog_pending(st.slowlog), 3);
  e = rd_slowlog_take(st.slowlog);
  CHECK_BYTES(e->text, e->text_len,
              "\x04\0\0\0PING\x01\0\0\0"
              "3",
              13);
  e = rd_slowlog_take(st.slowlog);
  CHECK_INT(e->id, 4);
  e = rd_slowlog_take(st.slowlog);
  CHECK_INT(e->id, 5);
  CHECK_INT(e->argc, 40);
  CHECK_BYTES(e->text + e->text_len - 22, 22, "... (9 more arguments)", 22);
  CHECK(rd_slowlog_take(st.slowlog) == NULL);
  rd_slowlog_set_threshold(st.slowlog, UINT64_MAX);
  rig_say(&c, "PING\r\nDEL a\r\n");
  CHECK_INT(rd_slowlog_pending(st.slowlog), 0);
  rig_client_free(&c);
  rd_slowlog_free(st.slowlog);
  st.slowlog = NULL;
  close_store();
}

static void an_idle_session_can_be_trimmed(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  RIG_ASK(&c, "PING\r\n", "+PONG\r\n");
  rd_session_trim(c.session);
  CHECK_INT(rd_session_state_of(c.session)->output_cap, 0);
  RIG_ASK(&c, "PING\r\n*1\r\n$4\r\nPI", "+PONG\r\n");
  rd_session_trim(c.session);
  RIG_ASK(&c, "NG\r\n", "+PONG\r\n");
  rig_client_free(&c);
  close_store();
}

static void mget_ends_at_the_first_value_without_room(void) {
  rd_limits limits = {.batch_size = 16, .output_high = 1u << 20, .output_limit = 4000};
  open_store();
  rig_client c = rig_client_new(&st, NULL), d = rig_client_new(&st, &limits);
  char line[2000], value[1001];
  memset(value, 'v', 1000);
  value[1000] = 0;
  snprintf(line, sizeof line, "SET k %s\r\n", value);
  RIG_ASK(&c, line, "+OK\r\n");
  strcpy(line, "MGET");
  for (int i = 0; i < 100; i++) strcat(line, " k");
  strcat(line, "\r\n");
  d.status = rd_session_feed(d.session, (const uint8_t *)line, strlen(line), st.now_ms);
  CHECK_INT(d.status, RD_CLOSE);
  CHECK_INT(rd_session_state_of(d.session)->overflowed, RD_OVERFLOW_OUTPUT);
  CHECK_INT(rd_counter(&st, RD_STAT_keyspace_hits), 4); /* the others were not even looked for */
  rig_client_free(&c);
  rig_client_free(&d);
  close_store();
}

int main(void) {
  RUN(replies_leave_in_request_order);
  RUN(changes_are_those_of_commands);
  RUN(any_split_gives_the_same_replies);
  RUN(transactions_complain_in_redis_words);
  RUN(a_watched_key_that_changed_stops_exec);
  RUN(exec_has_what_acts_on_its_data_done_with_its_shards_held);
  RUN(exec_has_the_rest_answered_when_its_shards_are_released);
  RUN(an_answer_that_is_owed_has_its_place);
  RUN(a_late_answer_is_in_the_version_and_mode_of_its_place);
  RUN(late_answers_wait_for_the_client_to_read);
  RUN(a_transaction_whose_client_is_gone_still_changes_what_it_was_to_change);
  RUN(bytes_that_come_while_it_waits_are_kept);
  RUN(before_authentication);
  RUN(a_protocol_error_is_told_once_and_after_what_came_before);
  RUN(client_reply);
  RUN(a_pause_holds_writes_or_all);
  RUN(full_output_stops_it);
  RUN(a_slow_reader_costs_no_more_than_what_waits);
  RUN(what_is_pushed_is_bounded);
  RUN(unexecuted_input_is_bounded);
  RUN(queued_commands_are_bounded);
  RUN(watched_keys_are_bounded);
  RUN(memory_grows_by_what_arrived);
  RUN(ten_megabytes_byte_by_byte);
  RUN(a_million_arguments);
  RUN(a_million_pings);
  RUN(names_and_keys_may_hold_any_byte);
  RUN(keys_are_bounded);
  RUN(what_is_counted);
  RUN(long_values_are_timed_alone);
  RUN(slow_commands_are_kept);
  RUN(an_idle_session_can_be_trimmed);
  RUN(mget_ends_at_the_first_value_without_room);
  return check_end();
}
