/* test_monitor.c - MONITOR: which commands it shows, in which form and order, within which bounds, and how it is turned
 * on and off. */
#include <signal.h>
#include <sys/wait.h>

#include "arena/layout.h"
#include "faults.h"
#include "host.h"
#include "processes.h"
#include "rig.h"
#include "session/monitor.h"
#include "store/check.h"
#include "store/pause.h"
#include "store/run.h"

static rd_store st;
static int fd;
static uint64_t wall_us = 1700000000123456;

static uint64_t wall(void) { return wall_us; }

static rig_client open_monitored(void) {
  fd = rig_open(&st, 64u << 20, 16, RD_ALLKEYS_LRU);
  st.wall = wall;
  rd_monitors_add(&st, 1);
  rig_client c = rig_client_new(&st, NULL);
  CHECK(rd_session_set_peer(c.session, "10.0.0.1:5"));
  return c;
}

static void close_monitored(rig_client *c) {
  rig_client_free(c);
  rig_close(&st, fd);
}

/* Take all lines of a store, without their times and peers; valid until the next call. */
static char shown_text[1 << 21];
static const char *shown_in(rd_store *store) {
  static uint8_t raw[RD_MONITOR_BYTES];
  size_t len = rd_monitor_take(store, raw, sizeof raw), n = 0;
  CHECK_INT(rd_monitor_pending(store), 0);
  static const char head[] = "+1700000000.123456 [", peer[] = " 10.0.0.1:5]";
  for (size_t at = 0; at < len;) {
    uint8_t *end = memmem(raw + at, len - at, "\r\n", 2);
    CHECK(end != NULL && memcmp(raw + at, head, sizeof head - 1) == 0);
    if (!check_ok) break;
    const uint8_t *from = memmem(raw + at, (size_t)(end - raw) - at, peer, sizeof peer - 1);
    CHECK(from != NULL);
    if (!check_ok) break;
    const uint8_t *db = raw + at + sizeof head - 1;
    n += (size_t)snprintf(shown_text + n, sizeof shown_text - n, "%.*s:%.*s\n", (int)(from - db), (const char *)db,
                          (int)(end - from) - (int)sizeof peer + 1, (const char *)from + sizeof peer - 1);
    at = (size_t)(end - raw) + 2;
  }
  shown_text[n] = 0;
  return shown_text;
}
#define SHOWN(text)                           \
  do {                                        \
    const char *shown_ = shown_in(&st);       \
    CHECK_TEXT(shown_, strlen(shown_), text); \
  } while (0)

/* ---- which commands ---- */

static void a_line_is_written_in_redis_form(void) {
  rig_client c = open_monitored();
  rig_say(&c, "SELECT 9\r\nset k 'a b'\r\n");
  char line[200];
  size_t n = rd_monitor_take(&st, (uint8_t *)line, sizeof line);
  CHECK_TEXT(line, n,
             "+1700000000.123456 [9 10.0.0.1:5] \"SELECT\" \"9\"\r\n"
             "+1700000000.123456 [9 10.0.0.1:5] \"set\" \"k\" \"a b\"\r\n");
  close_monitored(&c);
}

static void a_time_has_six_digits_and_without_a_clock_is_the_stores(void) {
  rig_client c = open_monitored();
  char line[200];
  wall_us = 1700000000000007;
  rig_say(&c, "PING\r\n");
  size_t n = rd_monitor_take(&st, (uint8_t *)line, sizeof line);
  CHECK_TEXT(line, n, "+1700000000.000007 [0 10.0.0.1:5] \"PING\"\r\n");
  wall_us = 1700000000123456;
  st.wall = NULL;
  st.now_ms = 1700000000042;
  rig_say(&c, "PING\r\n");
  n = rd_monitor_take(&st, (uint8_t *)line, sizeof line);
  CHECK_TEXT(line, n, "+1700000000.042000 [0 10.0.0.1:5] \"PING\"\r\n");
  close_monitored(&c);
}

static void arguments_are_escaped_as_in_redis(void) {
  rig_client c = open_monitored();
  uint8_t request[300] = "*2\r\n$4\r\nECHO\r\n$256\r\n";
  size_t head = strlen((char *)request), n = 0;
  for (int i = 0; i < 256; i++) request[head + (size_t)i] = (uint8_t)i;
  memcpy(request + head + 256, "\r\n", 2);
  rig_feed(&c, request, head + 258, head + 258);
  char expected[1200];
  n += (size_t)sprintf(expected, "0: \"ECHO\" \"");
  for (int i = 0; i < 256; i++) {
    static const char special[] = "\a\b\t\n\r\"\\", letters[] = "abtnr\"\\";
    const char *at = i != 0 ? strchr(special, i) : NULL;
    if (at != NULL)
      n += (size_t)sprintf(expected + n, "\\%c", letters[at - special]);
    else if (i >= 32 && i < 127)
      expected[n++] = (char)i;
    else
      n += (size_t)sprintf(expected + n, "\\x%02x", i);
  }
  sprintf(expected + n, "\"\n");
  SHOWN(expected);
  rig_say(&c, "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n");
  SHOWN("0: \"ECHO\" \"\"\n");
  close_monitored(&c);
}

static void only_executed_commands_are_shown(void) {
  rig_client c = open_monitored();
  rig_say(&c, "GET\r\nnosuch x\r\nOBJECT x\r\nECHO\r\n*0\r\n\r\n");
  SHOWN("");
  rig_say(&c, "SELECT 99\r\nINCR k\r\nSET k v\r\nINCR k\r\nQUIT\r\nPING\r\n"); /* a command that replied an error was
                                                                                  executed */
  SHOWN("0: \"SELECT\" \"99\"\n0: \"INCR\" \"k\"\n0: \"SET\" \"k\" \"v\"\n0: \"INCR\" \"k\"\n0: \"QUIT\"\n");
  rig_client stranger = rig_client_new(&st, NULL);
  rd_session_set_peer(stranger.session, "10.0.0.1:5");
  rd_session_state_of(stranger.session)->authenticated = false;
  rig_say(&stranger, "GET k\r\nRESET\r\n");
  SHOWN("0: \"RESET\"\n");
  rig_client_free(&stranger);
  close_monitored(&c);
}

static void control_commands_are_shown_when_answered_except_admin_ones(void) {
  rig_client c = open_monitored();
  rig_say(&c, "INFO server\r\nCONFIG GET x\r\nCLIENT LIST\r\nCLIENT ID\r\nSELECT 3\r\nRESET\r\nSHUTDOWN\r\n");
  SHOWN("0: \"INFO\" \"server\"\n0: \"CLIENT\" \"ID\"\n3: \"SELECT\" \"3\"\n0: \"RESET\"\n");
  c.stay = true;
  rig_say(&c, "INFO\r\nPING\r\n");
  SHOWN("");
  c.stay = false;
  rig_serve(&c);
  SHOWN("0: \"INFO\"\n0: \"PING\"\n");
  close_monitored(&c);
}

static void exec_is_shown_after_its_commands(void) {
  rig_client c = open_monitored();
  rig_say(&c, "MULTI\r\nSET a 1\r\nINFO\r\nCONFIG GET x\r\nSELECT 2\r\nGET a\r\n");
  SHOWN("0: \"MULTI\"\n");
  rig_say(&c, "exec\r\nPING\r\n");
  SHOWN("0: \"SET\" \"a\" \"1\"\n0: \"INFO\"\n2: \"SELECT\" \"2\"\n2: \"GET\" \"a\"\n2: \"exec\"\n2: \"PING\"\n");
  rig_say(&c, "MULTI\r\nGET\r\nEXEC\r\nWATCH a\r\nSET a 2\r\nMULTI\r\nGET a\r\nEXEC\r\nMULTI\r\nDISCARD\r\nEXEC\r\n");
  SHOWN(
      "2: \"MULTI\"\n2: \"EXEC\"\n2: \"WATCH\" \"a\"\n2: \"SET\" \"a\" \"2\"\n2: \"MULTI\"\n2: \"EXEC\"\n"
      "2: \"MULTI\"\n2: \"DISCARD\"\n2: \"EXEC\"\n");
  rig_say(&c, "MULTI\r\nEXEC\r\nMULTI\r\nEXEC a\r\nDISCARD a\r\n");
  SHOWN("2: \"MULTI\"\n2: \"EXEC\"\n2: \"MULTI\"\n2: \"EXEC\" \"a\"\n");
  close_monitored(&c);
}

static const char script[] =
    "*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\nSELECT 3\r\nMULTI\r\nGET a\r\nINFO\r\nSELECT 1\r\nCLIENT ID\r\nEXEC\r\nINFO\r\n"
    "CLIENT REPLY SKIP\r\nPING\r\nCLIENT REPLY OFF\r\nPING 'x y'\r\nAUTH pw\r\nnosuch\r\nRESET\r\nMSET a 1 b "
    "2\r\nQUIT\r\n";

static void any_split_of_the_input_shows_the_same_lines(void) {
  static char whole[4096];
  for (size_t step = sizeof script; step >= 1; step--) {
    for (uint32_t batch = 1; batch <= 16; batch += 15) {
      fd = rig_open(&st, 64u << 20, 16, RD_ALLKEYS_LRU);
      st.wall = wall;
      rd_monitors_add(&st, 1);
      rd_limits limits = {.batch_size = batch, .output_high = step % 7 == 0 ? 1 : 4096};
      rig_client c = rig_client_new(&st, &limits);
      rd_session_set_peer(c.session, "10.0.0.1:5");
      rig_feed(&c, script, sizeof script - 1, step);
      const char *lines = shown_in(&st);
      if (step == sizeof script && batch == 1) strcpy(whole, lines);
      CHECK(strcmp(lines, whole) == 0 && strstr(lines, "\"QUIT\"") != NULL);
      close_monitored(&c);
      if (!check_ok) return;
    }
  }
}

static void a_paused_command_is_shown_when_it_runs(void) {
  rig_client c = open_monitored();
  rd_set_pause(&st, 2, rd_pause_now(&st) + 1000000);
  rig_say(&c, "SET a 1\r\n");
  SHOWN("");
  rd_set_pause(&st, 2, rd_pause_now(&st));
  c.status = rd_session_resume(c.session, st.now_ms);
  SHOWN("0: \"SET\" \"a\" \"1\"\n");
  close_monitored(&c);
}

/* ---- starting and stopping MONITOR ---- */

static void a_session_monitors_until_it_is_reset_or_freed(void) {
  fd = rig_open(&st, 64u << 20, 16, RD_ALLKEYS_LRU);
  rig_client a = rig_client_new(&st, NULL), b = rig_client_new(&st, NULL);
  rd_session_monitor(a.session, false);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_monitors), 0);
  rd_session_monitor(a.session, true);
  rd_session_monitor(a.session, true);
  rd_session_monitor(b.session, true);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_monitors), 2);
  CHECK(rd_session_state_of(a.session)->monitors);
  RIG_ASK(&a, "RESET\r\n", "+RESET\r\n");
  CHECK(!rd_session_state_of(a.session)->monitors);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_monitors), 1);
  rig_client_free(&b);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_monitors), 0);
  close_monitored(&a);
}

static void a_monitoring_client_may_not_touch_the_keyspace(void) {
#define REFUSED "-ERR Replica can't interact with the keyspace\r\n"
  fd = rig_open(&st, 64u << 20, 16, RD_ALLKEYS_LRU);
  rig_client c = rig_client_new(&st, NULL);
  rd_session_monitor(c.session, true);
  RIG_ASK(&c, "GET k\r\nSET k v\r\nDBSIZE\r\n", REFUSED REFUSED REFUSED);
  RIG_ASK(&c, "GET\r\n", "-ERR wrong number of arguments for 'get' command\r\n");
  RIG_ASK(&c, "PING\r\nSELECT 1\r\nWATCH k\r\n", "+PONG\r\n+OK\r\n+OK\r\n");
  RIG_ASK(&c, "MULTI\r\nGET k\r\nPING\r\nEXEC\r\n",
          "+OK\r\n" REFUSED "+QUEUED\r\n-EXECABORT Transaction discarded because of previous errors.\r\n");
  rd_session_monitor(c.session, false);
  RIG_ASK(&c, "GET k\r\n", "$-1\r\n");
  close_monitored(&c);
}

/* ---- secrets ---- */

static void no_password_is_shown_even_in_a_wrong_command(void) {
  static const char *const requests[] = {
      "AUTH s3cret\r\n",
      "auth s3cret s3cret\r\n",
      "AUTH s3cret s3cret s3cret\r\n",
      "HELLO 2 AUTH default s3cret\r\n",
      "HELLO 9 AUTH default s3cret\r\n",
      "HELLO 2 setname x auth s3cret s3cret\r\n",
      "HELLO 2 SETNAME auth AUTH s3cret s3cret\r\n",
      "HELLO 2 AUTH a s3cret AUTH s3cret s3cret\r\n",
      "HELLO 2 AUTH s3cret\r\n",
      "HELLO 2 SETNAME AUTH s3cret s3cret\r\n",
      "HELLO 2 wrong AUTH s3cret s3cret\r\n",
      "HELLO 2 AUTH s3cret s3cret SETNAME\r\n",
      "HELLO AUTH s3cret s3cret\r\n",
      "MULTI\r\nAUTH s3cret\r\nHELLO 2 AUTH default s3cret\r\nEXEC\r\n",
      "CONFIG SET requirepass s3cret\r\n",
      "COMMAND GETKEYS AUTH s3cret\r\nCOMMAND GETKEYSANDFLAGS HELLO 3 AUTH s3cret s3cret\r\n",
  };
  rig_client c = open_monitored();
  for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
    rig_say(&c, requests[i]);
    const char *lines = shown_in(&st);
    if (strstr(lines, "s3cret") != NULL) CHECK_FAIL("%s is shown: %s", requests[i], lines);
  }
  rig_say(&c, "AUTH pw\r\nHELLO 2 SETNAME auth AUTH default pw SETNAME n\r\nHELLO 2\r\nHELLO\r\nHELLO 2 x pw\r\n");
  SHOWN(
      "0: \"AUTH\" \"(redacted)\"\n"
      "0: \"HELLO\" \"2\" \"SETNAME\" \"auth\" \"AUTH\" \"(redacted)\" \"(redacted)\" \"SETNAME\" \"n\"\n"
      "0: \"HELLO\" \"2\"\n0: \"HELLO\"\n0: \"HELLO\" \"2\" \"(redacted)\" \"(redacted)\"\n");
  close_monitored(&c);
}

/* ---- peers ---- */

static void a_peer_address_is_bounded_and_has_no_control_bytes(void) {
  rig_client c = open_monitored();
  char line[400], expected[400], text[RD_MAX_PEER + 2];
  for (unsigned len = RD_MAX_PEER - 1; len <= RD_MAX_PEER + 1; len++) {
    memset(text, 'p', len);
    text[len] = 0;
    CHECK(rd_session_set_peer(c.session, text));
    rig_say(&c, "PING\r\n");
    size_t n = rd_monitor_take(&st, (uint8_t *)line, sizeof line);
    snprintf(expected, sizeof expected, "+1700000000.123456 [0 %.*s] \"PING\"\r\n", (int)RD_MAX_PEER, text);
    CHECK_TEXT(line, n, expected);
  }
  CHECK(rd_session_set_peer(c.session, "unix:/a\r\nb\x7f"));
  rig_say(&c, "PING\r\n");
  size_t n = rd_monitor_take(&st, (uint8_t *)line, sizeof line);
  CHECK_TEXT(line, n, "+1700000000.123456 [0 unix:/a??b?] \"PING\"\r\n");
  rig_client untold = rig_client_new(&st, NULL);
  rig_say(&untold, "PING\r\n");
  n = rd_monitor_take(&st, (uint8_t *)line, sizeof line);
  CHECK_TEXT(line, n, "+1700000000.123456 [0 ?:0] \"PING\"\r\n");
  rig_client_free(&untold);
  close_monitored(&c);
}

/* ---- bounds ---- */

/* Send ECHO of `len` bytes. */
static void echo(rig_client *c, size_t len) {
  char *request = malloc(len + 64);
  size_t n = (size_t)sprintf(request, "*2\r\n$4\r\nECHO\r\n$%zu\r\n", len);
  memset(request + n, 'e', len);
  memcpy(request + n + len, "\r\n", 2);
  rig_feed(c, request, n + len + 2, n + len + 2);
  c->len = 0;
  free(request);
}

static void waiting_lines_are_bounded_and_dropped_ones_counted(void) {
  rig_client c = open_monitored();
  static uint8_t taken[RD_MONITOR_BYTES + 1];
  const size_t around = strlen("+1700000000.123456 [0 10.0.0.1:5] \"ECHO\" \"\"\r\n");
  echo(&c, RD_MONITOR_BYTES - around + 1);
  CHECK_INT(rd_monitor_pending(&st), 0);
  CHECK_INT(rd_monitor_dropped(&st), 1);
  echo(&c, RD_MONITOR_BYTES - around);
  CHECK_INT(rd_monitor_pending(&st), RD_MONITOR_BYTES);
  CHECK_INT(rd_monitor_dropped(&st), 1);
  RIG_ASK(&c, "PING\r\n", "+PONG\r\n");
  CHECK_INT(rd_monitor_dropped(&st), 2);
  CHECK_INT(rd_monitor_take(&st, taken, sizeof taken), RD_MONITOR_BYTES);
  CHECK(st.monitored->cap <= 32768); /* a large buffer is given back */
  rig_say(&c, "PING\r\n");
  SHOWN("0: \"PING\"\n");
  /* Escaping makes it too long, and none of it stays. */
  uint8_t *zeros = calloc(1, 400000 + 64);
  size_t n = (size_t)sprintf((char *)zeros, "*2\r\n$4\r\nECHO\r\n$400000\r\n");
  memcpy(zeros + n + 400000, "\r\n", 2);
  rig_say(&c, "PING\r\n");
  rig_feed(&c, zeros, n + 400002, n + 400002);
  rig_say(&c, "PING\r\n");
  free(zeros);
  CHECK_INT(rd_monitor_dropped(&st), 3);
  SHOWN("0: \"PING\"\n0: \"PING\"\n");
  close_monitored(&c);
}

static void lines_can_be_taken_in_pieces(void) {
  rig_client c = open_monitored();
  rig_say(&c, "PING\r\nECHO abc\r\n");
  uint8_t taken[200];
  size_t n = 0, piece = 1;
  while ((piece = rd_monitor_take(&st, taken + n, 7)) != 0) n += piece;
  CHECK_TEXT(taken, n,
             "+1700000000.123456 [0 10.0.0.1:5] \"PING\"\r\n+1700000000.123456 [0 10.0.0.1:5] \"ECHO\" \"abc\"\r\n");
  close_monitored(&c);
}

static void forget_lines(void) {
  if (st.monitored != NULL) rd_reply_free(st.monitored);
  free(st.monitored);
  st.monitored = NULL;
}

static void without_memory_only_lines_are_lost(void) {
  rig_client c = open_monitored();
  rig_say(&c, "PING\r\n"); /* the session has the memory that it needs */
  forget_lines();
  c.len = 0;
  bool failed = true;
  for (uint64_t at = 0; failed; at++) {
    uint64_t dropped = rd_monitor_dropped(&st);
    fault_arm(&process_fault, at, true);
    c.status = rd_session_feed(c.session, (const uint8_t *)"PING\r\n", 6, st.now_ms);
    fault_disarm(&process_fault);
    failed = process_fault.hits != 0;
    rig_serve(&c);
    RIG_HEARD(&c, "+PONG\r\n");
    CHECK_INT(rd_monitor_dropped(&st) - dropped, failed);
    SHOWN(failed ? "" : "0: \"PING\"\n");
  }
  fault_arm(&process_fault, 0, true);
  CHECK(!rd_session_set_peer(c.session, "other"));
  fault_disarm(&process_fault);
  rig_say(&c, "PING\r\n");
  SHOWN("0: \"PING\"\n");
  close_monitored(&c);
}

/* ---- on and off ---- */

static void no_line_is_collected_while_no_client_monitors(void) {
  rig_client c = open_monitored();
  rd_monitors_add(&st, 1);
  rd_monitors_add(&st, -1);
  rig_say(&c, "PING\r\n");
  SHOWN("0: \"PING\"\n");
  forget_lines();
  rd_monitors_add(&st, -1);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_monitors), 0);
  rig_say(&c, "PING\r\nMULTI\r\nPING\r\nEXEC\r\nINFO\r\n");
  CHECK(st.monitored == NULL);
  close_monitored(&c);
}

static void a_client_of_one_worker_sees_the_commands_of_another(void) {
  rig_client c = open_monitored();
  rd_monitors_add(&st, -1);
  rd_store other;
  char err[200];
  CHECK(rd_attach(&other, fd, err, sizeof err) == 0 && rd_worker_join(&other, 1) == 1);
  rd_monitors_add(&other, 1);
  rd_monitors_add(&st, 1);
  rd_monitors_add(&st, -1);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_monitors), 1);
  rig_say(&c, "PING\r\n");
  SHOWN("0: \"PING\"\n");
  CHECK_INT(rd_monitor_pending(&other), 0);
  rd_worker_leave(&other); /* its clients no longer count */
  rd_monitors_add(&other, 1);
  rd_detach(&other);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_monitors), 0);
  rig_say(&c, "PING\r\n");
  SHOWN("");
  close_monitored(&c);
}

/* Read the records in the ring of a store's block. */
static void hear_all(rd_store *store) {
  rd_record r;
  while (rd_ring_read(store, &r)) {
    CHECK_INT(r.kind, RD_RECORD_MONITOR);
    rd_monitor_add(store, &r);
    rd_ring_done(store, &r);
  }
}

static rd_store attach_other(uint32_t number) {
  rd_store other;
  char err[200];
  CHECK(rd_attach(&other, fd, err, sizeof err) == 0 && rd_worker_join(&other, number) == (int)number);
  return other;
}

static void detach_other(rd_store *other) {
  rd_worker_leave(other);
  rd_detach(other);
}

static void lines_are_sent_only_to_workers_with_a_monitoring_client(void) {
  rig_client c = open_monitored();
  rd_store here = attach_other(1), nowhere = attach_other(2);
  rd_monitors_add(&here, 1);
  rig_say(&c, "PING\r\nECHO 1\r\n");
  rd_monitor_share(&st);
  rig_say(&c, "ECHO 2\r\n");
  rd_monitor_share(&st);
  rd_monitor_share(&st); /* no line is sent twice */
  CHECK(!rd_ring_waits(&nowhere) && !rd_ring_waits(&st));
  hear_all(&here);
  const char *lines = shown_in(&here);
  CHECK_TEXT(lines, strlen(lines), "0: \"PING\"\n0: \"ECHO\" \"1\"\n0: \"ECHO\" \"2\"\n");
  SHOWN("0: \"PING\"\n0: \"ECHO\" \"1\"\n0: \"ECHO\" \"2\"\n");
  rd_monitor_share(&here); /* received lines are not sent back */
  CHECK(!rd_ring_waits(&st));
  rd_monitors_add(&st, -1);
  rig_say(&c, "PING\r\n");
  rd_monitor_share(&st);
  CHECK_INT(rd_monitor_pending(&st), 0); /* they do not wait to be taken here */
  rd_monitors_add(&here, -1);
  hear_all(&here);
  CHECK_INT(rd_monitor_pending(&here), 0); /* nor there any longer */
  CHECK_INT(rd_monitor_dropped(&st) + rd_monitor_dropped(&here), 0);
  detach_other(&here);
  detach_other(&nowhere);
  close_monitored(&c);
}

/* Two workers send to one that has lines of its own: each line is whole, and follows the earlier ones of its process.
 */
static void received_lines_follow_the_waiting_ones(void) {
  rig_client c = open_monitored();
  rd_store there = attach_other(1);
  there.wall = wall;
  there.now_ms = st.now_ms;
  rig_client d = rig_client_new(&there, NULL);
  CHECK(rd_session_set_peer(d.session, "10.0.0.1:5"));
  rig_say(&c, "ECHO 1\r\n");
  rig_say(&d, "ECHO a\r\n");
  rd_monitor_share(&there);
  hear_all(&st);
  rig_say(&c, "ECHO 2\r\n");
  rig_say(&d, "ECHO b\r\n");
  rd_monitor_share(&there);
  hear_all(&st);
  SHOWN("0: \"ECHO\" \"1\"\n0: \"ECHO\" \"a\"\n0: \"ECHO\" \"2\"\n0: \"ECHO\" \"b\"\n");
  rig_client_free(&d);
  detach_other(&there);
  close_monitored(&c);
}

static void echo(rig_client *c, size_t len);

/* Lines to another process: each record holds whole lines, and lines without room are lost and counted. */
static void lines_waiting_for_another_worker_are_bounded(void) {
  enum { LEN = 200000 };
  rig_client c = open_monitored();
  rd_store there = attach_other(1);
  rd_monitors_add(&there, 1);
  rd_monitors_add(&st, -1);
  unsigned sent = 0;
  for (; rd_monitor_dropped(&st) == 0 && sent < 100; sent++) {
    echo(&c, LEN);
    rd_monitor_share(&st);
    CHECK_INT(rd_monitor_pending(&st), 0);
  }
  CHECK_INT(sent, 2 * (RD_RING_BYTES / LEN) + 1); /* in the ring, and on the way to it */
  rig_say(&c, "PING\r\n");
  rd_monitor_share(&st); /* a short one still fits */
  static uint8_t taken[RD_MONITOR_BYTES];
  size_t lines = 0;
  while (rd_ring_waits(&there) || rd_monitor_pending(&there) != 0) {
    hear_all(&there);
    for (size_t n = rd_monitor_take(&there, taken, sizeof taken), i = 0; i < n; i++) lines += taken[i] == '\n';
    rd_ring_flush(&st);
  }
  CHECK_INT(lines, sent);
  CHECK_INT(rd_monitor_dropped(&st), 1);
  CHECK_INT(rd_monitor_dropped(&there), 0);
  for (unsigned i = 0; i < 6; i++) { /* they are not taken there */
    echo(&c, LEN);
    rd_monitor_share(&st);
    hear_all(&there);
  }
  CHECK_INT(rd_monitor_dropped(&there), 1);
  detach_other(&there);
  close_monitored(&c);
}

static void monitor_once(rd_store *own) { rd_monitors_add(own, 1); }

static void reaping_a_killed_worker_removes_its_monitors(void) {
  rig_client c = open_monitored();
  rd_monitors_add(&st, -1);
  pid_t pid = start(&st, 1, monitor_once);
  rig_say(&c, "PING\r\n");
  SHOWN("0: \"PING\"\n");
  stop(pid);
  CHECK(rd_worker_reap(&st, 1));
  rig_say(&c, "PING\r\n");
  SHOWN("");
  close_monitored(&c);
}

static void a_new_run_begins_without_monitors(void) {
  rig_client c = open_monitored();
  rig_client_free(&c);
  rd_store next;
  char err[200];
  pid_t pid = fork();
  if (pid == 0) { /* as after a crash: the only joined process is dead, and has not left */
    atomic_store(&st.worker->pid, (uint32_t)getpid());
    st.worker->started = 1;
    _exit(0);
  }
  waitpid(pid, NULL, 0);
  rd_detach(&st);
  CHECK(rd_attach(&next, fd, err, sizeof err) == 0);
  CHECK_INT(atomic_load(&next.head->monitors), 0);
  CHECK(rd_worker_join(&next, 0) == 0);
  rig_close(&next, fd);
}

static void a_monitor_bit_that_contradicts_the_gauge_is_a_violation(void) {
  rig_client c = open_monitored();
  char err[200];
  for (unsigned bit = 0; bit < RD_MAX_WORKERS; bit += 9) {
    atomic_fetch_xor(&st.head->monitors, 1ull << bit);
    CHECK_INT(rd_check(&st, err, sizeof err), 1);
    CHECK(strstr(err, "monitors") != NULL);
    atomic_fetch_xor(&st.head->monitors, 1ull << bit);
  }
  close_monitored(&c);
}

static void a_turn_reports_waiting_lines(void) {
  rig_client c = open_monitored();
  uint8_t dst[64];
  int64_t code = rd_host_feed(&st, c.session, (const uint8_t *)"PING\r\n", 6, st.now_ms, dst, sizeof dst);
  CHECK_INT(code, 7 << 6 | RD_HOST_MONITORED | RD_MORE);
  CHECK_INT(rd_host_feed(&st, c.session, (const uint8_t *)"INFO\r\n", 6, st.now_ms, dst, sizeof dst),
            RD_HOST_MONITORED | RD_CONTROL);
  SHOWN("0: \"PING\"\n");
  rd_session_answer(c.session, (const uint8_t *)"+i\r\n", 4);
  code = rd_host_resume(&st, c.session, st.now_ms, dst, sizeof dst);
  CHECK_INT(code, 4 << 6 | RD_HOST_MONITORED | RD_MORE);
  SHOWN("0: \"INFO\"\n");
  rd_monitors_add(&st, -1);
  CHECK_INT(rd_host_feed(&st, c.session, (const uint8_t *)"PING\r\n", 6, st.now_ms, dst, sizeof dst), 7 << 6 | RD_MORE);
  close_monitored(&c);
}

int main(void) {
  RUN(a_line_is_written_in_redis_form);
  RUN(a_time_has_six_digits_and_without_a_clock_is_the_stores);
  RUN(arguments_are_escaped_as_in_redis);
  RUN(only_executed_commands_are_shown);
  RUN(control_commands_are_shown_when_answered_except_admin_ones);
  RUN(exec_is_shown_after_its_commands);
  RUN(any_split_of_the_input_shows_the_same_lines);
  RUN(a_paused_command_is_shown_when_it_runs);
  RUN(a_session_monitors_until_it_is_reset_or_freed);
  RUN(a_monitoring_client_may_not_touch_the_keyspace);
  RUN(no_password_is_shown_even_in_a_wrong_command);
  RUN(a_peer_address_is_bounded_and_has_no_control_bytes);
  RUN(waiting_lines_are_bounded_and_dropped_ones_counted);
  RUN(lines_can_be_taken_in_pieces);
  RUN(without_memory_only_lines_are_lost);
  RUN(no_line_is_collected_while_no_client_monitors);
  RUN(a_client_of_one_worker_sees_the_commands_of_another);
  RUN(lines_are_sent_only_to_workers_with_a_monitoring_client);
  RUN(received_lines_follow_the_waiting_ones);
  RUN(lines_waiting_for_another_worker_are_bounded);
  RUN(reaping_a_killed_worker_removes_its_monitors);
  RUN(a_new_run_begins_without_monitors);
  RUN(a_monitor_bit_that_contradicts_the_gauge_is_a_violation);
  RUN(a_turn_reports_waiting_lines);
  return check_end();
}
