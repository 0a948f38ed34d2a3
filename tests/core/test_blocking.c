/* test_blocking.c - clients that wait for a key: who is served, when, with what, by which worker; and what deaths
 * leave. */
#include "arena/layout.h"
#include "processes.h"
#include "pubsub_fixture.h"
#include "session/blocking.h"
#include "session/footprint.h"
#include "session/handover.h"
#include "session/pushed.h"
#include "session/records.h"

/* Resume the session, as its owner does when it is woken or at its deadline. */
static void go_on(rig_client *c) {
  if (c->status == RD_BLOCKED) c->status = rd_session_resume(c->session, c->st->now_ms);
  rig_serve(c);
}

static const char *heard(rig_client *c) {
  go_on(c);
  return said(c);
}

#define GOT(key, element) "*2\r\n$1\r\n" key "\r\n$1\r\n" element "\r\n"

static void a_push_serves_the_client_that_has_waited_longest(void) {
  open_store();
  rig_client a = client(), b = client(), p = client();
  IS(tell(&a, "BLPOP k 0\r\n"), "");
  CHECK_INT(a.status, RD_BLOCKED);
  IS(tell(&b, "BLPOP k 0\r\n"), "");
  CHECK_INT(rd_waits_count(&st), 2);
  IS(tell(&p, "RPUSH k 1\r\n"), ":1\r\n");
  IS(heard(&b), "");
  IS(heard(&a), GOT("k", "1"));
  CHECK_INT(a.status, RD_MORE);
  IS(tell(&p, "RPUSH k 2 3\r\nLRANGE k 0 -1\r\n"), ":2\r\n*1\r\n$1\r\n3\r\n");
  IS(heard(&b), GOT("k", "2"));
  CHECK_INT(rd_waits_count(&st), 0);
  rig_client_free(&a);
  rig_client_free(&b);
  rig_client_free(&p);
  close_store();
}

static void what_follows_the_waiting_command_waits_too(void) {
  open_store();
  rig_client a = client(), p = client();
  IS(tell(&a, "SET x 1\r\nBLPOP k 0\r\nGET x\r\n"), "+OK\r\n");
  IS(tell(&a, "GET x\r\nBRPOP k 0\r\nPI"), "");
  IS(tell(&p, "SET x 2\r\nRPUSH k 1\r\n"), "+OK\r\n:1\r\n");
  IS(heard(&a), GOT("k", "1") "$1\r\n2\r\n$1\r\n2\r\n");
  CHECK_INT(a.status, RD_BLOCKED);
  IS(tell(&a, "NG\r\n"), "");
  IS(tell(&p, "RPUSH k 2\r\n"), ":1\r\n");
  IS(heard(&a), GOT("k", "2") "+PONG\r\n");
  rig_client_free(&a);
  rig_client_free(&p);
  close_store();
}

int main(void) {
  RUN(a_push_serves_the_client_that_has_waited_longest);
  RUN(what_follows_the_waiting_command_waits_too);
  return check_end();
}
