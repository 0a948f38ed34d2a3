/* test_stream_waits.c - clients that wait for entries of streams. */
#include "arena/layout.h"
#include "arena/pool.h"
#include "pubsub_fixture.h"
#include "session/blocking.h"
#include "session/handover.h"
#include "session/records.h"

/* Resume the session, as its owner does when it is woken or at its deadline. */
static const char *heard(rig_client *c) {
  if (c->status == RD_BLOCKED) c->status = rd_session_resume(c->session, c->st->now_ms);
  rig_serve(c);
  return said(c);
}

#define ENTRY(id, value) "*2\r\n$3\r\n" id "\r\n*2\r\n$1\r\nf\r\n$1\r\n" value "\r\n"
#define READ(key, id, value) "*1\r\n*2\r\n$1\r\n" key "\r\n*1\r\n" ENTRY(id, value)

/* Save the session, and load it as one of the second process. */
static rig_client moved(rig_client *c) {
  uint8_t *bytes;
  size_t len;
  char err[200];
  rig_client to = {.st = &second};
  CHECK_INT(rd_session_save(c->session, (rd_bytes){NULL, 0}, &bytes, &len), RD_SAVED);
  to.session =
      rd_session_load(&second, &(rd_limits){.batch_size = 16, .output_high = 1 << 20}, bytes, len, err, sizeof err);
  CHECK(to.session != NULL);
  free(bytes);
  rig_client_free(c);
  to.status = rd_session_resume(to.session, second.now_ms);
  return to;
}

/* Each of several clients wants what is behind another id, and all get the entry. */
static void an_entry_serves_all_who_wait_for_it(void) {
  for (int there = 0; there < 2; there++) {
    open_store();
    open_second();
    rig_client a = client(), b = client(), d = client(), p = there ? rig_client_new(&second, NULL) : client();
    tell(&p, "XADD s 1-1 f 1\r\n");
    IS(tell(&a, "XREAD BLOCK 0 STREAMS s $\r\n"), "");
    IS(tell(&b, "XREAD BLOCK 0 STREAMS s 5-0\r\n"), "");
    IS(tell(&d, "XREAD COUNT 1 BLOCK 0 STREAMS t s 0 1\r\nPING\r\n"), READ("s", "1-1", "1") "+PONG\r\n");
    IS(tell(&d, "XREAD COUNT 1 BLOCK 0 STREAMS t s 0 1-1\r\nPING\r\n"), "");
    CHECK_INT(rd_waits_count(&st), 3);
    IS(tell(&p, "XADD s 2-0 f 2\r\n"), "$3\r\n2-0\r\n");
    rd_records_read(&st);
    IS(heard(&a), READ("s", "2-0", "2"));
    IS(heard(&b), "");
    IS(heard(&d), READ("s", "2-0", "2") "+PONG\r\n");
    IS(tell(&p, "XDEL s 2-0\r\nXADD s 5-1 f 3\r\nXDEL s 5-1\r\n"), ":1\r\n$3\r\n5-1\r\n:1\r\n");
    rd_records_read(&st);
    IS(heard(&b), READ("s", "5-1", "3"));
    CHECK_INT(rd_waits_count(&st), 0);
    CHECK_INT(rd_check(&st, NULL, 0), 0);
    rig_client_free(&a);
    rig_client_free(&b);
    rig_client_free(&d);
    rig_client_free(&p);
    rd_waits_tend(&st);
    for (uint32_t s = 0; s < st.num_shards; s++) CHECK_INT(rd_shard_at(&st, s)->index[RD_WAIT_SLOT].count, 0);
    close_second();
    close_store();
  }
}

/* A client that is moved, or whose shard is lost, still waits for what follows the entry that was last then. */
static void dollar_is_the_last_id_when_the_wait_begins(void) {
  open_store();
  open_second();
  rig_client a = client(), b = client(), p = client();
  tell(&p, "XADD s 1-1 f 1\r\nXADD t 7-1 f 1\r\n");
  tell(&a, "XREAD BLOCK 0 STREAMS s t $ $\r\nPING\r\n");
  tell(&b, "XREAD BLOCK 0 STREAMS t $\r\n");
  uint8_t *bytes;
  size_t len;
  char err[200];
  CHECK_INT(rd_session_save(a.session, (rd_bytes){NULL, 0}, &bytes, &len), RD_SAVED);
  tell(&p, "XADD s 2-0 f 2\r\n"); /* nobody waits for it now */
  rig_client to = {.st = &second};
  to.session =
      rd_session_load(&second, &(rd_limits){.batch_size = 16, .output_high = 1 << 20}, bytes, len, err, sizeof err);
  CHECK(to.session != NULL);
  free(bytes);
  rig_client_free(&a);
  to.status = rd_session_resume(to.session, second.now_ms);
  rig_serve(&to);
  IS(said(&to), READ("s", "2-0", "2") "+PONG\r\n");
  IS(tell(&to, "XREAD BLOCK 0 STREAMS t $\r\n"), "");
  to = moved(&to);
  CHECK_INT(to.status, RD_BLOCKED);
  tell(&p, "XADD t 7-2 f 2\r\n");
  rd_records_read(&second);
  IS(heard(&to), READ("t", "7-2", "2"));
  IS(heard(&b), READ("t", "7-2", "2"));
  IS(tell(&b, "XREAD BLOCK 0 STREAMS s $\r\n"), "");
  rd_lock_all(&st);
  for (uint32_t s = 0; s < st.num_shards; s++) rd_empty_shard(&st, s);
  rd_unlock_all(&st);
  tell(&p, "XADD s 1-9 f 1\r\nXADD s 2-1 f 2\r\n");
  rd_waits_tend(&st);
  IS(heard(&b), READ("s", "2-1", "2"));
  rig_client_free(&to);
  rig_client_free(&b);
  rig_client_free(&p);
  close_second();
  close_store();
}

/* Whatever becomes of the key, an XREAD waits on. */
static void a_key_that_goes_or_has_another_type_is_waited_past(void) {
  static const char *const each[] = {
      "DEL s\r\n",
      "RENAME s o\r\n",
      "SET s x\r\nDEL s\r\n",
      "FLUSHALL\r\n",
      "UNLINK s\r\nRPUSH s 1\r\nDEL s\r\n",
      "MULTI\r\nDEL s\r\nSET s x\r\nEXEC\r\nDEL s\r\n",
  };
  for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
    open_store();
    rig_client a = client(), p = client();
    tell(&p, "XADD s 1-1 f 1\r\n");
    tell(&a, "XREAD BLOCK 0 STREAMS s $\r\n");
    tell(&p, each[i]);
    IS(heard(&a), "");
    tell(&p, "XADD s 1-1 f 2\r\n"); /* not behind what was the last entry */
    IS(heard(&a), "");
    tell(&p, "XADD s 1-2 f 3\r\n");
    IS(heard(&a), READ("s", "1-2", "3"));
    rig_client_free(&a);
    rig_client_free(&p);
    close_store();
  }
}

static void every_way_to_make_a_stream_serves(void) {
  static const char *const ways[][2] = {
      {"", "XADD s 1-1 f v\r\n"},
      {"XADD o 1-1 f v\r\n", "RENAME o s\r\n"},
      {"XADD o 1-1 f v\r\n", "COPY o s\r\n"},
      {"SELECT 1\r\nXADD s 1-1 f v\r\nSELECT 0\r\n", "SWAPDB 0 1\r\n"},
      {"SELECT 1\r\nXADD s 1-1 f v\r\n", "MOVE s 0\r\n"},
      {"SET s x\r\n", "MULTI\r\nDEL s\r\nXADD s 1-1 f v\r\nGET x\r\nEXEC\r\n"},
      {"XADD t 1-1 f v\r\n", "MULTI\r\nXDEL t 1-1\r\nXADD s 1-1 f v\r\nEXEC\r\n"},
  };
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    open_store();
    rig_client a = client(), p = client();
    IS(tell(&a, "XREAD BLOCK 0 STREAMS t s 1-1 0-0\r\n"), "");
    if (ways[i][0][0] == 'S' && ways[i][0][1] == 'E' && ways[i][0][2] == 'T') IS(heard(&a), "");
    tell(&p, ways[i][0]);
    IS(heard(&a), "");
    tell(&p, ways[i][1]);
    if (a.status != RD_BLOCKED) printf("    %s\n", ways[i][1]);
    IS(heard(&a), READ("s", "1-1", "v"));
    rig_client_free(&a);
    rig_client_free(&p);
    close_store();
  }
}

static void a_wait_ends_at_its_time_by_unblock_or_with_its_client(void) {
  open_store();
  rig_client a = client(), b = client(), p = client();
  tell(&a, "XREAD BLOCK 20 STREAMS s $\r\nPING\r\n");
  CHECK(rd_session_unblock(a.session, RD_UNBLOCK_TIMEOUT));
  IS(heard(&a), "*-1\r\n+PONG\r\n");
  tell(&a, "HELLO 3\r\n");
  tell(&a, "XREAD BLOCK 0 STREAMS s $\r\n");
  tell(&b, "XREAD BLOCK 0 STREAMS s $\r\n");
  CHECK(rd_session_unblock(b.session, RD_UNBLOCK_ERROR));
  IS(heard(&b), "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
  tell(&p, "XADD s 1-1 f 1\r\n");
  IS(heard(&a), "%1\r\n$1\r\ns\r\n*1\r\n" ENTRY("1-1", "1"));
  IS(tell(&b, "MULTI\r\nXREAD BLOCK 0 STREAMS s $\r\nXREAD BLOCK 0 STREAMS s 0\r\nEXEC\r\n"),
     "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n*-1\r\n" READ("s", "1-1", "1"));
  tell(&a, "XREAD BLOCK 0 STREAMS s $\r\n");
  rig_client_free(&a);
  tell(&p, "XADD s 1-2 f 1\r\n");
  CHECK_INT(rd_waits_count(&st), 0);
  rig_client_free(&b);
  rig_client_free(&p);
  close_store();
}

#define NOGROUP(key, group) \
  "-NOGROUP No such key '" key "' or consumer group '" group "' in XREADGROUP with GROUP option\r\n"

/* An entry goes to one client of each group: the one that has waited longest. */
static void an_entry_goes_to_one_of_a_group(void) {
  for (int there = 0; there < 2; there++) {
    open_store();
    open_second();
    rig_client a = client(), b = client(), d = client(), p = there ? rig_client_new(&second, NULL) : client();
    tell(&p, "XGROUP CREATE s g 0 MKSTREAM\r\nXGROUP CREATE s h 0\r\n");
    IS(tell(&a, "XREADGROUP GROUP g a COUNT 5 BLOCK 0 STREAMS s >\r\n"), "");
    IS(tell(&b, "XREADGROUP GROUP g b BLOCK 0 STREAMS s >\r\n"), "");
    IS(tell(&d, "XREADGROUP GROUP h a BLOCK 0 NOACK STREAMS t s > >\r\n"), NOGROUP("t", "h"));
    IS(tell(&d, "XREADGROUP GROUP h a BLOCK 0 NOACK STREAMS s >\r\n"), "");
    IS(tell(&p, "XADD s 1-1 f 1\r\n"), "$3\r\n1-1\r\n");
    /* it is pending before its client has it */
    IS(tell(&p, "XPENDING s g\r\n"), "*4\r\n:1\r\n$3\r\n1-1\r\n$3\r\n1-1\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n");
    rd_records_read(&st);
    IS(heard(&a), READ("s", "1-1", "1"));
    IS(heard(&b), "");
    IS(heard(&d), READ("s", "1-1", "1"));
    IS(tell(&p, "XPENDING s h\r\nXADD s 1-2 f 2\r\n"), "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n$3\r\n1-2\r\n");
    rd_records_read(&st);
    IS(heard(&b), READ("s", "1-2", "2"));
    IS(tell(&b, "XACK s g 1-1 1-2\r\n"), ":2\r\n");
    IS(tell(&a, "XREADGROUP GROUP g a BLOCK 0 STREAMS s >\r\n"), "");
    /* a client that goes after it was given an entry leaves it pending, for its consumer */
    IS(tell(&p, "XADD s 1-3 f 3\r\n"), "$3\r\n1-3\r\n");
    rig_client_free(&a);
    rd_waits_tend(&st);
    IS(tell(&b, "XREADGROUP GROUP g b STREAMS s >\r\nXREADGROUP GROUP g a STREAMS s 0\r\n"),
       "*-1\r\n" READ("s", "1-3", "3"));
    CHECK_INT(rd_check(&st, NULL, 0), 0);
    rig_client_free(&b);
    rig_client_free(&d);
    rig_client_free(&p);
    rd_waits_tend(&st);
    for (uint32_t s = 0; s < st.num_shards; s++) CHECK_INT(rd_shard_at(&st, s)->index[RD_WAIT_SLOT].count, 0);
    close_second();
    close_store();
  }
}

static void a_group_that_goes_is_an_error_for_those_who_wait(void) {
  static const char wrong_type[] = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
  static const char *const each[][2] = {
      {"XGROUP DESTROY s g\r\n", NOGROUP("s", "g")},
      {"DEL s\r\n", NOGROUP("s", "g")},
      {"RENAME s o\r\n", NOGROUP("s", "g")},
      {"MOVE s 1\r\n", NOGROUP("s", "g")},
      {"MULTI\r\nDEL s\r\nXADD s 9-1 f v\r\nEXEC\r\n", NOGROUP("s", "g")},
      {"PEXPIRE s -1\r\n", NOGROUP("s", "g")},
      {"SET s x\r\n", wrong_type},
      {"RPUSH o 1\r\nRENAME o s\r\n", wrong_type},
      {"FLUSHALL\r\n", NOGROUP("s", "g")},
      {"FLUSHDB\r\n", NOGROUP("s", "g")},
      {"SWAPDB 0 1\r\n", NOGROUP("s", "g")},
  };
  for (size_t i = 0; i < 2 * sizeof each / sizeof each[0]; i++) {
    open_store();
    open_second();
    rig_client a = client(), p = i % 2 ? rig_client_new(&second, NULL) : client();
    tell(&p, "XGROUP CREATE s g 0 MKSTREAM\r\n");
    IS(tell(&a, "XREADGROUP GROUP g a BLOCK 0 STREAMS s >\r\nPING\r\n"), "");
    tell(&p, "XGROUP SETID s g 0\r\nXGROUP CREATE s h 0\r\nXGROUP DESTROY s h\r\n");
    rd_records_read(&st);
    IS(heard(&a), "");
    tell(&p, each[i / 2][0]);
    rd_records_read(&st);
    if (a.status != RD_BLOCKED) printf("    %s\n", each[i / 2][0]);
    const char *got = heard(&a);
    char wanted[200];
    snprintf(wanted, sizeof wanted, "%s+PONG\r\n", each[i / 2][1]);
    if (strcmp(got, wanted) != 0) printf("    %s", each[i / 2][0]);
    IS(got, wanted);
    rig_client_free(&a);
    rig_client_free(&p);
    close_second();
    close_store();
  }
}

/* XACK and what else concerns only groups changes nothing for WATCH; MKSTREAM does. */
static void groups_are_no_change_for_watch(void) {
  open_store();
  rig_client a = client(), p = client();
  tell(&p, "XADD s 1-1 f 1\r\nXADD s 1-2 f 1\r\n");
  tell(&a, "WATCH s\r\n");
  tell(&p, "XGROUP CREATE s g 0\r\nXREADGROUP GROUP g a STREAMS s >\r\nXACK s g 1-1\r\nXGROUP DESTROY s g\r\n");
  IS(tell(&a, "MULTI\r\nPING\r\nEXEC\r\n"), "+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
  tell(&a, "WATCH t\r\n");
  tell(&p, "XGROUP CREATE t g 0 MKSTREAM\r\n");
  IS(tell(&a, "MULTI\r\nPING\r\nEXEC\r\n"), "+OK\r\n+QUEUED\r\n*-1\r\n");
  rig_client_free(&a);
  rig_client_free(&p);
  close_store();
}

int main(void) {
  RUN(an_entry_goes_to_one_of_a_group);
  RUN(a_group_that_goes_is_an_error_for_those_who_wait);
  RUN(groups_are_no_change_for_watch);
  RUN(an_entry_serves_all_who_wait_for_it);
  RUN(dollar_is_the_last_id_when_the_wait_begins);
  RUN(a_key_that_goes_or_has_another_type_is_waited_past);
  RUN(every_way_to_make_a_stream_serves);
  RUN(a_wait_ends_at_its_time_by_unblock_or_with_its_client);
  return check_end();
}
