/* test_blocking.c - clients that wait for a key: who is served, when, with what, by which worker; and what deaths
 * leave. */
#include "arena/layout.h"
#include "arena/pool.h"
#include "processes.h"
#include "pubsub_fixture.h"
#include "session/blocked.h"
#include "session/blocking.h"
#include "session/footprint.h"
#include "session/handover.h"
#include "session/pushed.h"
#include "session/records.h"
#include "store/recovery.h"
#include "store/waiters.h"

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

static void input_that_comes_after_the_element_does_not_undo_the_waking(void) {
  open_store();
  rig_client a = client(), p = client();
  IS(tell(&a, "BLPOP k 0\r\n"), "");
  CHECK(!rd_woken_to_owners(&st));
  IS(tell(&p, "RPUSH k 1\r\n"), ":1\r\n");
  CHECK(rd_woken_to_owners(&st));
  CHECK_INT(rd_session_feed(a.session, (const uint8_t *)"PING\r\n", 6, st.now_ms), RD_BLOCKED);
  CHECK(rd_woken_to_owners(&st));
  IS(heard(&a), GOT("k", "1") "+PONG\r\n");
  CHECK(!rd_woken_to_owners(&st));
  rig_client_free(&a);
  rig_client_free(&p);
  close_store();
}

/* ---- what makes a key ready ---- */

static void every_way_to_make_a_list_serves(void) {
  static const char *const ways[][2] = {
      {"", "LPUSH k v\r\n"},
      {"RPUSH o v\r\n", "RENAME o k\r\n"},
      {"RPUSH o v\r\n", "COPY o k\r\n"},
      {"RPUSH o v\r\n", "LMOVE o k LEFT LEFT\r\n"},
      {"RPUSH o v\r\n", "RPOPLPUSH o k\r\n"},
      {"SADD o v\r\n", "SORT o BY nosort STORE k\r\n"},
      {"SELECT 1\r\nRPUSH k v\r\nSELECT 0\r\n", "SWAPDB 0 1\r\n"},
      {"SELECT 1\r\nRPUSH k v\r\n", "MOVE k 0\r\n"},
      {"", "MULTI\r\nRPUSH k v\r\nGET x\r\nEXEC\r\n"},
      {"", "MULTI\r\nRPUSH k gone\r\nDEL k\r\nRPUSH k v\r\nEXEC\r\n"},
      {"SET k v\r\n", "MULTI\r\nDEL k\r\nRPUSH k v\r\nEXEC\r\n"},
  };
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    open_store();
    rig_client a = client(), p = client();
    IS(tell(&a, "BLPOP k 0\r\n"), "");
    tell(&p, ways[i][0]);
    IS(heard(&a), "");
    tell(&p, ways[i][1]);
    if (a.status != RD_BLOCKED) printf("    %s\n", ways[i][1]);
    IS(heard(&a), GOT("k", "v"));
    IS(tell(&p, "SELECT 0\r\nEXISTS k\r\n"), "+OK\r\n:0\r\n");
    rig_client_free(&a);
    rig_client_free(&p);
    close_store();
  }
}

static void all_commands_wait_and_are_served(void) {
  static const char *const each[][3] = {
      {"BLPOP k 0\r\n", "RPUSH k a b\r\n", GOT("k", "a")},
      {"BRPOP k 0\r\n", "RPUSH k a b\r\n", GOT("k", "b")},
      {"BLMPOP 0 2 o k LEFT COUNT 2\r\n", "RPUSH k a b c\r\n", "*2\r\n$1\r\nk\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
      {"BLMPOP 0 1 k RIGHT\r\n", "RPUSH k a b c\r\n", "*2\r\n$1\r\nk\r\n*1\r\n$1\r\nc\r\n"},
      {"BLMOVE k o LEFT RIGHT 0\r\n", "RPUSH k a b\r\n", "$1\r\na\r\n"},
      {"BRPOPLPUSH k o 0\r\n", "RPUSH k a b\r\n", "$1\r\nb\r\n"},
      {"BLMOVE k k LEFT RIGHT 0\r\n", "RPUSH k a b\r\n", "$1\r\na\r\n"},
      {"BZPOPMIN k 0\r\n", "ZADD k 1 a 2 b\r\n", "*3\r\n$1\r\nk\r\n$1\r\na\r\n$1\r\n1\r\n"},
      {"BZPOPMAX k 0\r\n", "ZADD k 1 a 2 b\r\n", "*3\r\n$1\r\nk\r\n$1\r\nb\r\n$1\r\n2\r\n"},
      {"BZMPOP 0 1 k MAX COUNT 9\r\n", "ZADD k 1 a 2 b\r\n",
       "*2\r\n$1\r\nk\r\n*2\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"},
  };
  for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
    for (int there = 0; there < 2; there++) {
      open_store();
      open_second();
      rig_client a = client(), p = there ? rig_client_new(&second, NULL) : client(), q = client();
      IS(tell(&a, each[i][0]), "");
      CHECK_INT(a.status, RD_BLOCKED);
      tell(&p, each[i][1]);
      rd_records_read(&st);
      IS(heard(&a), each[i][2]);
      CHECK_INT(a.status, RD_MORE);
      CHECK_INT(rd_check(&st, NULL, 0), 0);
      tell(&q, "DEL k o\r\n");
      tell(&q, each[i][1]);
      IS(tell(&a, each[i][0]), each[i][2]); /* the same when it need not wait */
      rig_client_free(&a);
      rig_client_free(&q);
      rig_client_free(&p);
      rd_waits_tend(&st);
      for (uint32_t s = 0; s < st.num_shards; s++) CHECK_INT(rd_shard_at(&st, s)->index[RD_WAIT_SLOT].count, 0);
      close_second();
      close_store();
    }
  }
}

static void moves_form_chains_and_circles(void) {
  open_store();
  rig_client a = client(), b = client(), d = client(), p = client();
  tell(&a, "BLMOVE k l LEFT LEFT 0\r\n");
  tell(&b, "BLMOVE l m LEFT LEFT 0\r\n");
  tell(&d, "BLPOP m 0\r\n");
  IS(tell(&p, "RPUSH k v\r\n"), ":1\r\n");
  IS(heard(&a), "$1\r\nv\r\n");
  IS(heard(&b), "$1\r\nv\r\n");
  IS(heard(&d), GOT("m", "v"));
  IS(tell(&p, "EXISTS k l m\r\n"), ":0\r\n");
  tell(&a, "BLMOVE k l LEFT LEFT 0\r\n");
  tell(&b, "BLMOVE l k LEFT LEFT 0\r\n");
  IS(tell(&p, "RPUSH k v\r\n"), ":1\r\n");
  IS(heard(&a), "$1\r\nv\r\n");
  IS(heard(&b), "$1\r\nv\r\n");
  IS(tell(&p, "LRANGE k 0 -1\r\n"), "*1\r\n$1\r\nv\r\n");
  rig_client_free(&a);
  rig_client_free(&b);
  rig_client_free(&d);
  rig_client_free(&p);
  close_store();
}

static void a_destination_of_the_wrong_type_is_an_error_and_the_element_stays(void) {
  for (int there = 0; there < 2; there++) {
    open_store();
    open_second();
    rig_client a = client(), p = there ? rig_client_new(&second, NULL) : client();
    tell(&a, "BLMOVE k o LEFT LEFT 0\r\n");
    IS(tell(&p, "SET o x\r\nRPUSH k v\r\n"), "+OK\r\n:1\r\n");
    rd_records_read(&st);
    IS(heard(&a), "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    IS(tell(&p, "LRANGE k 0 -1\r\n"), "*1\r\n$1\r\nv\r\n");
    rig_client_free(&a);
    rig_client_free(&p);
    close_second();
    close_store();
  }
}

static void a_key_of_another_type_is_waited_past(void) {
  open_store();
  rig_client a = client(), b = client(), p = client();
  IS(tell(&p, "SET s x\r\n"), "+OK\r\n");
  IS(tell(&a, "BLPOP k s 0\r\n"), "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
  tell(&a, "BLPOP k 0\r\n");
  tell(&b, "BZPOPMIN k 0\r\n");
  IS(tell(&p, "SET k x\r\nDEL k\r\nSADD k x\r\nDEL k\r\n"), "+OK\r\n:1\r\n:1\r\n:1\r\n");
  IS(heard(&a), "");
  IS(tell(&p, "ZADD k 1 m\r\n"), ":1\r\n");
  IS(heard(&a), "");
  IS(heard(&b), "*3\r\n$1\r\nk\r\n$1\r\nm\r\n$1\r\n1\r\n");
  IS(tell(&p, "RPUSH k v\r\n"), ":1\r\n");
  IS(heard(&a), GOT("k", "v"));
  rig_client_free(&a);
  rig_client_free(&b);
  rig_client_free(&p);
  close_store();
}

#define WRONGTYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

/* Redis 7.2 calls the whole command again. */
static void an_earlier_key_of_another_type_makes_the_command_an_error(void) {
  static const char *const changes[] = {
      "SET s x\r\nRPUSH k v\r\n",
      "MULTI\r\nRPUSH k v\r\nSET s x\r\nEXEC\r\n",
      "ZADD s 1 x\r\nRPUSH k v\r\n",
  };
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
    for (int there = 0; there < 2; there++) {
      open_store();
      open_second();
      rig_client a = client(), b = client(), p = there ? rig_client_new(&second, NULL) : client();
      tell(&a, "BLPOP o s k q 0\r\n");
      tell(&b, "BLMPOP 0 2 k s LEFT\r\n");
      tell(&p, changes[i]);
      rd_records_read(&st);
      IS(heard(&a), WRONGTYPE);
      IS(heard(&b), "*2\r\n$1\r\nk\r\n*1\r\n$1\r\nv\r\n"); /* its key is before the other one */
      IS(tell(&p, "EXISTS k s\r\n"), ":1\r\n");
      CHECK_INT(rd_waits_count(&st), 0);
      rig_client_free(&a);
      rig_client_free(&b);
      rig_client_free(&p);
      close_second();
      close_store();
    }
  }
}

static void an_earlier_key_that_had_another_type_does_no_harm(void) {
  for (int there = 0; there < 2; there++) {
    open_store();
    open_second();
    rig_client a = client(), p = there ? rig_client_new(&second, NULL) : client();
    tell(&a, "BRPOP s k 0\r\n");
    tell(&p, "SET s x\r\nDEL s\r\nRPUSH k v\r\n");
    rd_records_read(&st);
    IS(heard(&a), GOT("k", "v"));
    CHECK_INT(a.status, RD_MORE);
    IS(tell(&p, "EXISTS k s\r\n"), ":0\r\n");
    rig_client_free(&a);
    rig_client_free(&p);
    close_second();
    close_store();
  }
}

static void a_paused_server_serves_nobody(void) {
  for (int there = 0; there < 2; there++) {
    open_store();
    open_second();
    rig_client a = client(), b = client(), p = there ? rig_client_new(&second, NULL) : client();
    tell(&a, "BLPOP k 0\r\n");
    tell(&b, "BLPOP k 0\r\n");
    p.stay = true; /* the pause begins within the transaction */
    tell(&p, "MULTI\r\nRPUSH k 1\r\nCLIENT PAUSE 1000\r\nRPUSH k 2\r\nEXEC\r\n");
    CHECK_INT(p.status, RD_CONTROL);
    rd_blocked_pause(&st, 1, rd_pause_now(&st) + 1000);
    p.stay = false;
    rig_serve(&p);
    rd_records_read(&st);
    IS(heard(&a), "");
    IS(heard(&b), "");
    CHECK_INT(a.status, RD_PAUSED);
    CHECK_INT(b.status, RD_PAUSED);
    IS(said(&p), "+client|pause\r\n:2\r\n");
    rd_blocked_pause(&st, 0, 0);
    a.status = rd_session_resume(a.session, st.now_ms);
    b.status = rd_session_resume(b.session, st.now_ms);
    IS(heard(&a), GOT("k", "1"));
    IS(heard(&b), GOT("k", "2"));
    rig_client_free(&a);
    rig_client_free(&b);
    rig_client_free(&p);
    close_second();
    close_store();
  }
}

static void a_call_that_takes_long_is_left_to_the_client(void) {
  for (int there = 0; there < 2; there++) {
    open_store();
    open_second();
    enum { MANY = 40000 };
    char *text = malloc(MANY * 8 + 100);
    size_t n = (size_t)sprintf(text, "*%d\r\n$5\r\nRPUSH\r\n$1\r\nk\r\n", MANY + 2);
    for (int i = 0; i < MANY; i++) n += (size_t)sprintf(text + n, "$1\r\n0\r\n");
    rig_client a = client(), p = there ? rig_client_new(&second, NULL) : client();
    tell(&a, "BLMPOP 0 1 k LEFT COUNT 1000000\r\n");
    IS(tell(&p, text), ":40000\r\n");
    IS(tell(&p, "LLEN k\r\n"), ":40000\r\n"); /* the push did not wait for it */
    rd_records_read(&st);
    CHECK(strncmp(heard(&a), "*2\r\n$1\r\nk\r\n*40000\r\n$1\r\n0\r\n", 26) == 0);
    CHECK_INT(a.status, RD_MORE);
    IS(tell(&p, "EXISTS k\r\n"), ":0\r\n");
    free(text);
    rig_client_free(&a);
    rig_client_free(&p);
    close_second();
    close_store();
  }
}

static void the_first_of_the_clients_own_keys_counts(void) {
  open_store();
  rig_client a = client(), b = client(), p = client();
  tell(&a, "BLPOP x y z 0\r\n");
  tell(&b, "BLPOP z y 0\r\n");
  tell(&p, "MULTI\r\nRPUSH z 1\r\nRPUSH y 2\r\nEXEC\r\n");
  IS(heard(&a), GOT("y", "2"));
  IS(heard(&b), GOT("z", "1"));
  rig_client_free(&a);
  rig_client_free(&b);
  rig_client_free(&p);
  close_store();
}

static void in_a_transaction_nothing_waits(void) {
  open_store();
  rig_client a = client(), p = client();
  IS(tell(&a, "MULTI\r\nBLPOP k 0\r\nBLMOVE k o LEFT LEFT 0\r\nBZMPOP 0 1 k MIN\r\nRPUSH k v\r\nBRPOP k 0\r\nEXEC\r\n"),
     "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*5\r\n*-1\r\n$-1\r\n*-1\r\n:1\r\n" GOT("k", "v"));
  rig_client_free(&a);
  rig_client_free(&p);
  close_store();
}

static void a_wait_ends_at_its_time_or_by_unblock(void) {
  open_store();
  rig_client a = client(), p = client();
  tell(&a, "BLPOP k 0.25\r\n");
  CHECK_INT(rd_session_state_of(a.session)->deadline_ns, (st.now_ms + 250) * 1000000u);
  IS(heard(&a), "");
  st.now_ms += 250;
  IS(heard(&a), "*-1\r\n");
  IS(tell(&p, "RPUSH k v\r\nLPOP k\r\n"), ":1\r\n$1\r\nv\r\n");
  tell(&a, "BLMOVE k o LEFT LEFT 1\r\n");
  CHECK(rd_session_unblock(a.session, RD_UNBLOCK_TIMEOUT));
  CHECK(!rd_session_unblock(a.session, RD_UNBLOCK_TIMEOUT));
  IS(heard(&a), "*-1\r\n"); /* but in a transaction $-1, as from Redis */
  tell(&a, "BLPOP k 0\r\nPING\r\n");
  CHECK(rd_session_unblock(a.session, RD_UNBLOCK_ERROR));
  IS(heard(&a), "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n+PONG\r\n");
  CHECK(!rd_session_unblock(a.session, RD_UNBLOCK_ERROR));
  tell(&a, "BLPOP k 0\r\n");
  tell(&p, "RPUSH k v\r\n");
  CHECK(!rd_session_unblock(a.session, RD_UNBLOCK_ERROR)); /* it has been served */
  IS(heard(&a), GOT("k", "v"));
  rig_client_free(&a);
  rig_client_free(&p);
  close_store();
}

static void wrong_timeouts_are_refused(void) {
  open_store();
  rig_client a = client();
  IS(tell(&a, "BLPOP k -1\r\n"), "-ERR timeout is negative\r\n");
  IS(tell(&a, "BLPOP k x\r\n"), "-ERR timeout is not a float or out of range\r\n");
  IS(tell(&a, "BLPOP k nan\r\n"), "-ERR timeout is not a float or out of range\r\n");
  IS(tell(&a, "BLPOP k 1e300\r\n"), "-ERR timeout is out of range\r\n");
  IS(tell(&a, "BLMPOP -1 1 k LEFT\r\n"), "-ERR timeout is negative\r\n");
  IS(tell(&a, "BLMPOP -1 1 k LEFT COUNT 0\r\n"), "-ERR count should be greater than 0\r\n");
  IS(tell(&a, "BZMPOP x 0 k MIN\r\n"), "-ERR numkeys should be greater than 0\r\n");
  IS(tell(&a, "BLMPOP 0 0 k LEFT\r\n"), "-ERR numkeys should be greater than 0\r\n");
  IS(tell(&a, "BZMPOP 0 1 k LEFT\r\n"), "-ERR syntax error\r\n");
  rig_client_free(&a);
  close_store();
}

static void a_client_that_goes_is_not_served(void) {
  open_store();
  open_second();
  rig_client a = client(), b = client(), p = rig_client_new(&second, NULL);
  tell(&a, "BLPOP k o 0\r\n");
  tell(&b, "BLPOP k 0\r\n");
  rig_client_free(&a);
  IS(tell(&p, "RPUSH k v\r\n"), ":1\r\n");
  rd_records_read(&st);
  IS(heard(&b), GOT("k", "v"));
  /* it goes after it has been given something */
  tell(&b, "BRPOP k 0\r\n");
  IS(tell(&p, "RPUSH k v w\r\n"), ":2\r\n");
  IS(tell(&p, "LRANGE k 0 -1\r\n"), "*1\r\n$1\r\nv\r\n");
  rig_client_free(&b);
  IS(tell(&p, "LRANGE k 0 -1\r\n"), "*2\r\n$1\r\nv\r\n$1\r\nw\r\n");
  rig_client_free(&p);
  close_second();
  close_store();
}

static void a_session_that_waits_is_handed_over_and_keeps_its_place(void) {
  open_store();
  open_second();
  rig_client a = client(), b = client(), p = client();
  uint8_t *bytes;
  size_t len;
  char err[200];
  tell(&a, "BLPOP k 100\r\nPING\r\n");
  tell(&b, "BLPOP k 0\r\n");
  uint64_t deadline = rd_session_state_of(a.session)->deadline_ns;
  CHECK_INT(rd_session_save(a.session, (rd_bytes){NULL, 0}, &bytes, &len), RD_SAVED);
  st.now_ms += 50;
  second.now_ms += 50;
  rig_client moved = {.st = &second};
  moved.session =
      rd_session_load(&second, &(rd_limits){.batch_size = 16, .output_high = 1 << 20}, bytes, len, err, sizeof err);
  CHECK(moved.session != NULL);
  free(bytes);
  rig_client_free(&a);
  moved.status = rd_session_resume(moved.session, second.now_ms);
  CHECK_INT(moved.status, RD_BLOCKED);
  CHECK_INT(rd_session_state_of(moved.session)->deadline_ns, deadline);
  tell(&p, "RPUSH k 1\r\n");
  rd_records_read(&second);
  IS(heard(&moved), GOT("k", "1") "+PONG\r\n");
  IS(heard(&b), "");
  rig_client_free(&moved);
  rig_client_free(&b);
  rig_client_free(&p);
  close_second();
  close_store();
}

static void a_shard_that_was_lost_is_waited_for_again(void) {
  open_store();
  rig_client a = client(), b = client(), p = client();
  tell(&a, "BLPOP k 0\r\n");
  tell(&b, "BLPOP k 0\r\n");
  rd_lock_all(&st);
  for (uint32_t s = 0; s < st.num_shards; s++) rd_empty_shard(&st, s);
  rd_unlock_all(&st);
  rd_waits_tend(&st);
  go_on(&b);
  go_on(&a);
  tell(&p, "RPUSH k 1\r\n");
  IS(heard(&b), "");
  IS(heard(&a), GOT("k", "1"));
  rig_client_free(&a);
  rig_client_free(&b);
  rig_client_free(&p);
  close_store();
}

/* A process that dies between the change of a queue and that of RD_WAITED. */
static void the_bit_of_a_shard_with_queues_is_mended_with_it(void) {
  open_store();
  rig_client a = client(), p = client();
  IS(tell(&a, "BLPOP k 0\r\n"), "");
  uint32_t shard = 0;
  while (!rd_has_queues(&st, shard)) shard++;
  rd_lock_shard(&st, shard);
  atomic_fetch_and(&rd_shard_at(&st, shard)->watchers, ~RD_WAITED);
  rd_verify_shard(&st, shard);
  rd_unlock_shard(&st, shard);
  CHECK(rd_has_queues(&st, shard));
  IS(tell(&p, "RPUSH k 1\r\n"), ":1\r\n");
  IS(heard(&a), GOT("k", "1"));
  CHECK(!rd_has_queues(&st, shard));
  rig_client_free(&a);
  rig_client_free(&p);
  close_store();
}

static void flushall_leaves_those_who_wait(void) {
  open_store();
  rig_client a = client(), p = client();
  tell(&p, "SET x 1\r\nSELECT 3\r\nSET y 1\r\nSELECT 0\r\n");
  tell(&a, "BLPOP k 0\r\n");
  IS(tell(&p, "FLUSHALL\r\nDBSIZE\r\nFLUSHDB\r\nRPUSH k 1\r\n"), "+OK\r\n:0\r\n+OK\r\n:1\r\n");
  IS(heard(&a), GOT("k", "1"));
  rig_client_free(&a);
  rig_client_free(&p);
  close_store();
}

static void resp3_and_reply_off(void) {
  open_store();
  open_second();
  rig_client a = client(), p = rig_client_new(&second, NULL);
  tell(&a, "HELLO 3\r\n");
  tell(&a, "BZPOPMIN k 0\r\n");
  tell(&p, "ZADD k 1.5 m\r\n");
  rd_records_read(&st);
  IS(heard(&a), "*3\r\n$1\r\nk\r\n$1\r\nm\r\n,1.5\r\n");
  tell(&a, "BLPOP k 1\r\n");
  CHECK(rd_session_unblock(a.session, RD_UNBLOCK_TIMEOUT));
  IS(heard(&a), "_\r\n");
  IS(tell(&a, "CLIENT REPLY SKIP\r\nBLPOP k 0\r\nPING\r\n"), "");
  tell(&p, "RPUSH k 1\r\n");
  rd_records_read(&st);
  IS(heard(&a), "+PONG\r\n");
  IS(tell(&p, "EXISTS k\r\n"), ":0\r\n");
  rig_client_free(&a);
  rig_client_free(&p);
  close_second();
  close_store();
}

int main(void) {
  RUN(a_push_serves_the_client_that_has_waited_longest);
  RUN(what_follows_the_waiting_command_waits_too);
  RUN(input_that_comes_after_the_element_does_not_undo_the_waking);
  RUN(every_way_to_make_a_list_serves);
  RUN(all_commands_wait_and_are_served);
  RUN(moves_form_chains_and_circles);
  RUN(a_destination_of_the_wrong_type_is_an_error_and_the_element_stays);
  RUN(a_key_of_another_type_is_waited_past);
  RUN(an_earlier_key_of_another_type_makes_the_command_an_error);
  RUN(an_earlier_key_that_had_another_type_does_no_harm);
  RUN(a_paused_server_serves_nobody);
  RUN(a_call_that_takes_long_is_left_to_the_client);
  RUN(the_first_of_the_clients_own_keys_counts);
  RUN(in_a_transaction_nothing_waits);
  RUN(a_wait_ends_at_its_time_or_by_unblock);
  RUN(wrong_timeouts_are_refused);
  RUN(a_client_that_goes_is_not_served);
  RUN(a_session_that_waits_is_handed_over_and_keeps_its_place);
  RUN(a_shard_that_was_lost_is_waited_for_again);
  RUN(the_bit_of_a_shard_with_queues_is_mended_with_it);
  RUN(flushall_leaves_those_who_wait);
  RUN(resp3_and_reply_off);
  return check_end();
}
