/* test_session.c - sessions over a real store: order, splits, limits, counters. */
#include "session/slowlog.h"
#include "store/pause.h"

/* After the headers, which have parameters of the names of its variables. */
#include "session_fixture.h"

static void replies_are_sent_in_request_order(void) {
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

static void changes_by_commands_are_counted_and_expiries_are_not(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  RIG_ASK(&c, "SET a 1 PX 10\r\nSET b 1 PX 10\r\nMSET x 1 y 1\r\n", OK OK OK);
  CHECK_INT(rd_counter(&st, RD_STAT_changes), 4);
  st.now_ms += 11; /* expiry is no change by a command, whichever command notices it */
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

static void input_received_while_waiting_is_kept(void) {
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

static void only_some_commands_run_before_authentication(void) {
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

static void a_protocol_error_is_replied_once_and_after_earlier_commands(void) {
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

static void client_reply_switches_replies_off_and_on(void) {
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

static void a_pause_holds_writes_or_all_commands(void) {
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

static void a_full_output_stops_execution(void) {
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

static void a_slow_reader_uses_memory_only_for_unsent_output(void) {
  open_store();
  enum { PIECE = 1000 };
  static uint8_t piece[PIECE];
  rig_client c = rig_client_new(&st, NULL);
  for (int i = 0; i < 1000; i++) { /* the client never reads all of it */
    CHECK(rd_session_push(c.session, piece, PIECE));
    if (i != 0) rd_session_consumed(c.session, PIECE);
  }
  CHECK_INT(rd_session_output(c.session).len, PIECE);
  CHECK(rd_session_state_of(c.session)->output_cap < 8 * PIECE);
  rig_client_free(&c);
  close_store();
}

static void pushes_are_bounded(void) {
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

static void ten_megabytes_may_arrive_byte_by_byte(void) {
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

/* The reply does not wait for it, and neither does a next command. */
static void the_memory_of_a_long_input_is_returned_in_steps(void) {
  open_store();
  rig_client c = rig_client_new(&st, NULL);
  size_t len = 20u << 20;
  char head[64];
  uint8_t *value = calloc(1, len);
  for (int asks = 0; asks < 2; asks++) {
    rig_feed(&c, head, (size_t)sprintf(head, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%zu\r\n", len), 64);
    rig_feed(&c, value, len, 1 << 20);
    c.status = rd_session_feed(c.session, (const uint8_t *)"\r\n", 2, st.now_ms);
    rig_write(&c);
    RIG_HEARD(&c, OK);
    int steps = 0;
    for (; c.status == RD_BUSY; steps++) {
      CHECK(!rd_session_suspended(c.session));
      if (asks == 1 && steps == 2) rig_say(&c, "STRLEN a\r\n");
      c.status = rd_session_resume(c.session, st.now_ms);
    }
    if (asks == 1) RIG_HEARD(&c, ":20971520\r\n");
    CHECK(steps >= (asks == 1 ? 2 : 4));
    CHECK_INT(c.status, RD_MORE);
    CHECK(rd_session_state_of(c.session)->query_cap <= 32768);
  }
  RIG_ASK(&c, "BITCOUNT a\r\n", ":0\r\n");
  free(value);
  rig_client_free(&c);
  close_store();
}

static void a_command_may_have_a_million_arguments(void) {
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

static void a_million_pings_in_one_read_are_answered(void) {
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

static void commands_errors_and_bytes_are_counted(void) {
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

/* SET of a long value is timed by itself, so that its time is not attributed to its neighbours. */
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

static void slow_commands_are_logged(void) {
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
  CHECK_INT(rd_counter(&st, RD_STAT_keyspace_hits), 4); /* the others were not looked up */
  rig_client_free(&c);
  rig_client_free(&d);
  close_store();
}

int main(void) {
  RUN(replies_are_sent_in_request_order);
  RUN(changes_by_commands_are_counted_and_expiries_are_not);
  RUN(any_split_gives_the_same_replies);
  RUN(input_received_while_waiting_is_kept);
  RUN(only_some_commands_run_before_authentication);
  RUN(a_protocol_error_is_replied_once_and_after_earlier_commands);
  RUN(client_reply_switches_replies_off_and_on);
  RUN(a_pause_holds_writes_or_all_commands);
  RUN(a_full_output_stops_execution);
  RUN(a_slow_reader_uses_memory_only_for_unsent_output);
  RUN(pushes_are_bounded);
  RUN(unexecuted_input_is_bounded);
  RUN(memory_grows_by_what_arrived);
  RUN(ten_megabytes_may_arrive_byte_by_byte);
  RUN(the_memory_of_a_long_input_is_returned_in_steps);
  RUN(a_command_may_have_a_million_arguments);
  RUN(a_million_pings_in_one_read_are_answered);
  RUN(names_and_keys_may_hold_any_byte);
  RUN(keys_are_bounded);
  RUN(commands_errors_and_bytes_are_counted);
  RUN(long_values_are_timed_alone);
  RUN(slow_commands_are_logged);
  RUN(an_idle_session_can_be_trimmed);
  RUN(mget_ends_at_the_first_value_without_room);
  return check_end();
}
