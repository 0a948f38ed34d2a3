/* test_pubsub.c - publish/subscribe: confirmations, deliveries and their place among replies, counts over workers,
 * limits of slow subscribers, and what a death leaves. */
#include "arena/layout.h"
#include "processes.h"
#include "pubsub_fixture.h"
#include "session/footprint.h"
#include "session/pushed.h"
#include "session/records.h"
#include "session/subscribed.h"

static void confirmations_count_channels_and_patterns_together(void) {
  open_store();
  rig_client c = client();
  IS(tell(&c, "SUBSCRIBE a b a\r\n"), SUBSCRIBED("a", "1") SUBSCRIBED("b", "2") SUBSCRIBED("a", "2"));
  IS(tell(&c, "PSUBSCRIBE x*\r\n"), "*3\r\n$10\r\npsubscribe\r\n$2\r\nx*\r\n:3\r\n");
  IS(tell(&c, "SSUBSCRIBE a\r\n"), "*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n");
  IS(tell(&c, "UNSUBSCRIBE q\r\n"), UNSUBSCRIBED("q", "3"));
  IS(tell(&c, "UNSUBSCRIBE\r\n"), UNSUBSCRIBED("b", "2") UNSUBSCRIBED("a", "1"));
  IS(tell(&c, "UNSUBSCRIBE\r\n"), "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:1\r\n");
  IS(tell(&c, "PUNSUBSCRIBE x*\r\n"), "*3\r\n$12\r\npunsubscribe\r\n$2\r\nx*\r\n:0\r\n");
  IS(tell(&c, "SUNSUBSCRIBE\r\n"), "*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n");
  IS(tell(&c, "GET k\r\n"), "$-1\r\n");
  rig_client_free(&c);
  close_store();
}

static void a_message_comes_once_for_the_channel_and_once_for_each_pattern(void) {
  open_store();
  rig_client c = client(), other = client();
  tell(&c, "PSUBSCRIBE h* *i nothing\r\n");
  tell(&c, "SUBSCRIBE hi\r\n");
  tell(&c, "SSUBSCRIBE hi\r\n");
  IS(tell(&other, "PUBLISH hi x\r\n"), ":3\r\n");
  IS(said(&c),
     "*3\r\n$7\r\nmessage\r\n$2\r\nhi\r\n$1\r\nx\r\n"
     "*4\r\n$8\r\npmessage\r\n$2\r\nh*\r\n$2\r\nhi\r\n$1\r\nx\r\n"
     "*4\r\n$8\r\npmessage\r\n$2\r\n*i\r\n$2\r\nhi\r\n$1\r\nx\r\n");
  IS(tell(&other, "SPUBLISH hi y\r\n"), ":1\r\n");
  IS(said(&c), "*3\r\n$8\r\nsmessage\r\n$2\r\nhi\r\n$1\r\ny\r\n");
  IS(tell(&other, "PUBLISH other x\r\nPUBLISH '' ''\r\n"), ":0\r\n:0\r\n");
  IS(said(&c), "");
  rig_client_free(&c);
  rig_client_free(&other);
  close_store();
}

static void in_resp2_a_subscriber_may_send_few_commands(void) {
  open_store();
  rig_client c = client();
  tell(&c, "SUBSCRIBE a\r\n");
  IS(tell(&c, "GET k\r\nMULTI\r\nPUBLISH a x\r\nPUBSUB NUMPAT\r\n"),
     ONLY("get") ONLY("multi") ONLY("publish") ONLY("pubsub|numpat"));
  IS(tell(&c, "SET k\r\n"), "-ERR wrong number of arguments for 'set' command\r\n");
  IS(tell(&c, "PING\r\nPING hi\r\n"), "*2\r\n$4\r\npong\r\n$0\r\n\r\n*2\r\n$4\r\npong\r\n$2\r\nhi\r\n");
  IS(tell(&c, "RESET\r\nGET k\r\n"), "+RESET\r\n$-1\r\n");
  rig_client_free(&c);
  close_store();
}

static void in_resp3_a_client_that_publishes_to_itself_gets_the_reply_first(void) {
  open_store();
  rig_client c = client();
  tell(&c, "HELLO 3\r\n");
  IS(tell(&c, "SUBSCRIBE a\r\nPUBLISH a x\r\nGET k\r\nPING\r\n"),
     ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n:1\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n_\r\n+PONG\r\n");
  IS(tell(&c, "MULTI\r\nPUBLISH a x\r\nSPUBLISH a n\r\nPUBLISH a y\r\nEXEC\r\n"),
     "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n:1\r\n:0\r\n:1\r\n"
     ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\ny\r\n");
  IS(tell(&c, "SSUBSCRIBE s\r\nSPUBLISH s x\r\n"),
     ">3\r\n$10\r\nssubscribe\r\n$1\r\ns\r\n:1\r\n:1\r\n>3\r\n$8\r\nsmessage\r\n$1\r\ns\r\n$1\r\nx\r\n");
  rig_client_free(&c);
  close_store();
}

static void a_transaction_may_subscribe_and_go_on(void) {
  open_store();
  rig_client c = client();
  IS(tell(&c, "MULTI\r\nSUBSCRIBE a\r\nPUBLISH a x\r\nGET k\r\nEXEC\r\nGET k\r\n"),
     "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n" SUBSCRIBED("a", "1") ":1\r\n$-1\r\n" MESSAGE("a", "x")
         ONLY("get"));
  rig_client_free(&c);
  close_store();
}

static void a_transaction_may_end_all_subscriptions(void) {
  open_store();
  rig_client c = client();
  IS(tell(&c, "MULTI\r\nSET key value\r\nSUNSUBSCRIBE\r\nUNSUBSCRIBE\r\nEXEC\r\n"),
     "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n*3\r\n$12\r\nsunsubscribe\r\n$-1\r\n:0\r\n"
     "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n");
  rig_client_free(&c);
  close_store();
}

static void messages_and_confirmations_come_whatever_client_reply_says(void) {
  open_store();
  rig_client c = client(), other = client();
  tell(&c, "HELLO 3\r\n");
  IS(tell(&c, "CLIENT REPLY OFF\r\nSUBSCRIBE a\r\nGET k\r\n"), ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
  tell(&other, "PUBLISH a x\r\n");
  IS(said(&c), ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n");
  IS(tell(&c, "CLIENT REPLY ON\r\n"), "+OK\r\n");
  rig_client_free(&c);
  rig_client_free(&other);
  close_store();
}

static void a_message_does_not_stand_before_the_answer_of_the_control_plane(void) {
  open_store();
  rig_client c = client(), other = client();
  tell(&c, "HELLO 3\r\n");
  tell(&c, "SUBSCRIBE a\r\n");
  c.stay = true;
  rig_say(&c, "CLIENT ID\r\n");
  CHECK_INT(c.status, RD_CONTROL);
  IS(tell(&other, "PUBLISH a x\r\n"), ":1\r\n");
  IS(said(&c), "");
  rd_session_answer(c.session, (const uint8_t *)":7\r\n", 4);
  CHECK_INT(rd_session_resume(c.session, st.now_ms), RD_MORE);
  IS(said(&c), ":7\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n");
  rig_client_free(&c);
  rig_client_free(&other);
  close_store();
}

static void numsub_and_numpat_count(void) {
  open_store();
  rig_client c = client(), d = client(), e = client();
  tell(&c, "SUBSCRIBE a\r\nPSUBSCRIBE p* q*\r\n");
  tell(&d, "SUBSCRIBE a b\r\nPSUBSCRIBE p*\r\nSSUBSCRIBE a\r\n");
  IS(tell(&e, "PUBSUB NUMSUB a b c\r\n"), "*6\r\n$1\r\na\r\n:2\r\n$1\r\nb\r\n:1\r\n$1\r\nc\r\n:0\r\n");
  IS(tell(&e, "PUBSUB SHARDNUMSUB a\r\n"), "*2\r\n$1\r\na\r\n:1\r\n");
  IS(tell(&e, "PUBSUB NUMSUB\r\nPUBSUB NUMPAT\r\n"), "*0\r\n:2\r\n");
  CHECK_INT(rd_roll_distinct(&st, RD_CHANNEL), 2);
  rig_client_free(&c);
  IS(tell(&e, "PUBSUB NUMPAT\r\nPUBSUB NUMSUB a\r\n"), ":1\r\n*2\r\n$1\r\na\r\n:1\r\n");
  rig_client_free(&d);
  IS(tell(&e, "PUBSUB NUMPAT\r\nPUBLISH a x\r\n"), ":0\r\n:0\r\n");
  CHECK_INT(rd_rolls_used(&st), 0);
  CHECK_INT(rd_roll_distinct(&st, RD_CHANNEL), 0);
  rig_client_free(&e);
  close_store();
}

/* ---- limits ---- */

static const rd_limits slow = {
    .batch_size = 16, .output_high = 1u << 20, .pubsub_hard = 1000, .pubsub_soft = 500, .pubsub_seconds = 10};

static void a_subscriber_over_the_hard_limit_is_ended(void) {
  open_store();
  rig_client c = rig_client_new(&st, &slow), other = client();
  rd_session_state_of(c.session)->owner = 42;
  tell(&c, "SUBSCRIBE a\r\n");
  for (int i = 0; i < 32; i++) IS(tell(&other, "PUBLISH a x\r\n"), ":1\r\n"); /* 31 bytes each */
  CHECK_INT(rd_session_state_of(c.session)->overflowed, RD_OVERFLOW_NONE);
  CHECK_INT(rd_pushed_owner(&st), 42);
  CHECK_INT(rd_pushed_owner(&st), 0);
  tell(&other, "PUBLISH a x\r\n");
  CHECK_INT(rd_session_state_of(c.session)->overflowed, RD_OVERFLOW_PUBSUB);
  CHECK_INT(rd_pushed_owner(&st), 42);
  CHECK_INT(rd_session_output(c.session).len, 32 * 31);
  IS(tell(&other, "PUBLISH a x\r\n"), ":1\r\n"); /* counted until it is closed, as in Redis */
  CHECK_INT(rd_session_output(c.session).len, 32 * 31);
  rig_client_free(&c);
  IS(tell(&other, "PUBLISH a x\r\n"), ":0\r\n");
  rig_client_free(&other);
  close_store();
}

static void a_subscriber_over_the_soft_limit_for_long_is_ended(void) {
  open_store();
  rig_client c = rig_client_new(&st, &slow), other = client();
  tell(&c, "SUBSCRIBE a\r\n");
  for (int i = 0; i < 17; i++) tell(&other, "PUBLISH a x\r\n");
  st.now_ms += 10000;
  rd_pushed_enforce(&st);
  CHECK_INT(rd_session_state_of(c.session)->overflowed, RD_OVERFLOW_NONE);
  said(&c);
  st.now_ms += 1000;
  rd_pushed_enforce(&st);
  for (int i = 0; i < 17; i++) tell(&other, "PUBLISH a x\r\n");
  st.now_ms += 10000;
  rd_pushed_enforce(&st);
  CHECK_INT(rd_session_state_of(c.session)->overflowed, RD_OVERFLOW_NONE);
  st.now_ms += 2;
  rd_pushed_enforce(&st);
  CHECK_INT(rd_session_state_of(c.session)->overflowed, RD_OVERFLOW_PUBSUB);
  rig_client_free(&c);
  rig_client_free(&other);
  close_store();
}

static void messages_count_toward_the_limit_of_all_clients(void) {
  open_store();
  rd_set_client_limit(&st, 1 << 20, 1 << 20);
  rig_client c = client(), large = client(), other = client();
  rd_session_state_of(c.session)->owner = 1;
  rd_session_state_of(large.session)->owner = 2;
  tell(&c, "HELLO 3\r\n");
  tell(&c, "SUBSCRIBE a\r\n");
  char *text = malloc(200000);
  int n = snprintf(text, 1000, "*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$100000\r\n");
  memset(text + n, 'x', 100000);
  memcpy(text + n + 100000, "\r\n", 2);
  /* A larger client is in the middle of a command. It is not dropped for a message. */
  rig_feed(&large, "*2\r\n$4\r\nECHO\r\n$700000\r\n", 24, 24);
  for (int i = 0; i < 6; i++) rig_feed(&large, text + n, 100000, 100000);
  for (int i = 0; i < 20; i++) {
    rig_feed(&other, text, (size_t)n + 100002, (size_t)n + 100002);
    IS(said(&other), ":1\r\n");
  }
  free(text);
  CHECK_INT(rd_session_state_of(c.session)->overflowed, RD_OVERFLOW_CLIENTS);
  CHECK_INT(rd_session_state_of(large.session)->overflowed, RD_OVERFLOW_NONE);
  CHECK(st.client_buffers <= (1 << 20) + (1 << 18));
  rig_client_free(&c);
  rig_client_free(&large);
  rig_client_free(&other);
  close_store();
}

static void many_names_in_one_command(void) {
  open_store();
  rig_client c = client();
  size_t cap = 1 << 21, n = 0;
  char *text = malloc(cap);
  n += (size_t)snprintf(text, cap, "*%u\r\n$9\r\nSUBSCRIBE\r\n", RD_MAX_SUBSCRIPTIONS + 2);
  for (unsigned i = 0; i <= RD_MAX_SUBSCRIPTIONS; i++) n += (size_t)snprintf(text + n, cap - n, "$6\r\n%06u\r\n", i);
  rig_feed(&c, text, n, n);
  free(text);
  CHECK_INT(rd_session_subscriptions(c.session, RD_CHANNEL), RD_MAX_SUBSCRIPTIONS);
  static const char oom[] = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
  rig_write(&c);
  CHECK(c.len > sizeof oom && memcmp(c.out + c.len - sizeof oom + 1, oom, sizeof oom - 1) == 0);
  CHECK_INT(rd_roll_distinct(&st, RD_CHANNEL), RD_MAX_SUBSCRIPTIONS);
  c.len = 0;
  rig_say(&c, "UNSUBSCRIBE\r\n");
  CHECK_INT(rd_session_subscriptions(c.session, RD_CHANNEL), 0);
  CHECK_INT(rd_rolls_used(&st), 0);
  rig_client_free(&c);
  close_store();
}

static void patterns_that_come_and_go_leave_room(void) {
  open_store();
  rig_client c = client();
  char *text = malloc(400000);
  for (int i = 0; i < 20; i++) {
    int n = snprintf(text, 400000, "*2\r\n$10\r\nPSUBSCRIBE\r\n$300000\r\n%0300000d\r\n", i);
    rig_feed(&c, text, (size_t)n, (size_t)n);
    CHECK_INT(rd_session_subscriptions(c.session, RD_PATTERN), 1);
    n = snprintf(text, 400000, "*2\r\n$12\r\nPUNSUBSCRIBE\r\n$300000\r\n%0300000d\r\n", i);
    rig_feed(&c, text, (size_t)n, (size_t)n);
    CHECK_INT(rd_session_subscriptions(c.session, RD_PATTERN), 0);
  }
  free(text);
  rig_client_free(&c);
  close_store();
}

/* ---- permissions ---- */

static void channels_are_checked(void) {
  open_store();
  rig_client c = client();
  rd_acl *acl = rd_acl_new(), *less = rd_acl_new();
  uint16_t ids[RD_COMMAND_IDS];
  for (uint16_t i = 0; i < RD_COMMAND_IDS; i++) ids[i] = i;
  CHECK(rd_acl_select(acl, ids, RD_COMMAND_IDS, true, false));
  CHECK(rd_acl_allow_channels(acl, (const uint8_t *)"a*\0b", 4));
  CHECK(rd_acl_select(less, ids, RD_COMMAND_IDS, true, false));
  CHECK(rd_acl_allow_channels(less, (const uint8_t *)"a1", 2));
  rd_session_set_acl(c.session, acl);
  IS(tell(&c, "PUBLISH a1 m\r\nPUBLISH c m\r\nSPUBLISH c m\r\n"), ":0\r\n-NOPERM 3 1\r\n-NOPERM 3 1\r\n");
  IS(tell(&c, "SUBSCRIBE a1 c\r\nPSUBSCRIBE a1*\r\nSSUBSCRIBE b c\r\n"),
     "-NOPERM 3 2\r\n-NOPERM 3 1\r\n-NOPERM 3 2\r\n");
  IS(tell(&c, "SUBSCRIBE b\r\n"), SUBSCRIBED("b", "1"));
  CHECK(rd_session_may_stay(c.session, acl));
  CHECK(rd_session_may_stay(c.session, NULL));
  CHECK(!rd_session_may_stay(c.session, less));
  IS(tell(&c, "UNSUBSCRIBE q\r\n"), UNSUBSCRIBED("q", "1"));
  rig_client_free(&c);
  rd_acl_free(acl);
  rd_acl_free(less);
  close_store();
}

/* ---- several workers ---- */

static void publish_counts_over_all_workers(void) {
  open_store();
  open_second();
  rig_client a = client(), b = rig_client_new(&second, NULL), p = rig_client_new(&second, NULL);
  tell(&a, "SUBSCRIBE a\r\n");
  tell(&b, "SUBSCRIBE a\r\nPSUBSCRIBE * ?\r\n");
  IS(tell(&p, "PUBLISH a x\r\n"), ":4\r\n");
  IS(said(&a), "");
  CHECK(rd_ring_waits(&st));
  rd_records_read(&st);
  IS(said(&a), MESSAGE("a", "x"));
  IS(tell(&p, "PUBSUB NUMSUB a\r\nPUBSUB NUMPAT\r\n"), "*2\r\n$1\r\na\r\n:2\r\n:2\r\n");
  tell(&a, "PSUBSCRIBE *\r\n");
  IS(tell(&p, "PUBSUB NUMPAT\r\nPUBLISH b x\r\n"), ":2\r\n:3\r\n");
  rig_client_free(&a);
  IS(tell(&p, "PUBLISH a x\r\n"), ":3\r\n");
  CHECK_INT(rd_roll_distinct(&st, RD_CHANNEL), 1);
  rig_client_free(&b);
  rig_client_free(&p);
  close_second();
  close_store();
}

static void a_counted_message_comes_before_the_end_of_the_subscription_and_no_older_one_after_its_start(void) {
  open_store();
  open_second();
  rig_client a = client(), late = client(), p = rig_client_new(&second, NULL);
  tell(&a, "SUBSCRIBE a\r\n");
  IS(tell(&p, "PUBLISH a x\r\n"), ":1\r\n");
  IS(tell(&late, "SUBSCRIBE a\r\n"), SUBSCRIBED("a", "1"));
  IS(tell(&p, "PUBLISH a y\r\n"), ":2\r\n");
  IS(tell(&a, "UNSUBSCRIBE a\r\n"), MESSAGE("a", "x") UNSUBSCRIBED("a", "0") MESSAGE("a", "y"));
  IS(said(&late), MESSAGE("a", "y"));
  rig_client_free(&a);
  rig_client_free(&late);
  rig_client_free(&p);
  close_second();
  close_store();
}

static void messages_that_were_published_before_reset_come_before_its_reply(void) {
  open_store();
  open_second();
  rig_client a = client(), p = rig_client_new(&second, NULL);
  tell(&a, "SUBSCRIBE a\r\n");
  IS(tell(&p, "PUBLISH a x\r\n"), ":1\r\n");
  IS(tell(&a, "RESET\r\n"), MESSAGE("a", "x") "+RESET\r\n");
  IS(tell(&p, "PUBLISH a x\r\n"), ":0\r\n");
  rig_client_free(&a);
  rig_client_free(&p);
  close_second();
  close_store();
}

static void messages_of_all_sizes_arrive_whole_and_in_order(void) {
  open_store();
  open_second();
  rig_client a = client(), p = rig_client_new(&second, NULL);
  tell(&a, "SUBSCRIBE a\r\n");
  size_t sizes[] = {0, 1, 4000, 4096, 70000, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 3 << 20, 5};
  size_t total = 0;
  char *text = malloc(4 << 20);
  for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    int n = snprintf(text, 1000, "*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$%zu\r\n", sizes[i]);
    memset(text + n, 'a' + (int)i, sizes[i]);
    memcpy(text + n + sizes[i], "\r\n", 2);
    rig_feed(&p, text, (size_t)n + sizes[i] + 2, (size_t)n + sizes[i] + 2);
    IS(said(&p), ":1\r\n");
  }
  for (int turn = 0; turn < 20; turn++) {
    rd_records_read(&st);
    rig_write(&a);
    rd_ring_flush(&second);
  }
  uint8_t *at = a.out;
  for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0] && check_ok; i++) {
    int n = snprintf(text, 1000, "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$%zu\r\n", sizes[i]);
    total += (size_t)n + sizes[i] + 2;
    CHECK(a.len >= total && memcmp(at, text, (size_t)n) == 0);
    for (size_t k = 0; k < sizes[i] && check_ok; k++) CHECK_INT(at[(size_t)n + k], 'a' + (int)i);
    at += (size_t)n + sizes[i] + 2;
  }
  CHECK_INT(a.len, total);
  free(text);
  rig_client_free(&a);
  rig_client_free(&p);
  close_second();
  close_store();
}

static void a_worker_that_reads_nothing_loses_its_subscribers_and_knows_it(void) {
  open_store();
  open_second();
  rig_client a = client(), p = rig_client_new(&second, NULL);
  rd_session_state_of(a.session)->owner = 5;
  tell(&a, "SUBSCRIBE a\r\n");
  rd_pushed_owner(&st);
  char *text = malloc(9 << 20);
  int n = snprintf(text, 1000, "*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$%u\r\n", 8u << 20);
  memset(text + n, 'x', 8 << 20);
  memcpy(text + n + (8 << 20), "\r\n", 2);
  for (int i = 0; i < 11; i++) {
    rig_feed(&p, text, (size_t)n + (8 << 20) + 2, (size_t)n + (8 << 20) + 2);
  }
  free(text);
  CHECK_INT(second.worker->counters.value[RD_STAT_messages_lost], 2);
  CHECK(rd_subscribed_lost(&st));
  CHECK(!rd_subscribed_lost(&st));
  CHECK_INT(rd_session_state_of(a.session)->overflowed, RD_OVERFLOW_LOST);
  CHECK_INT(rd_pushed_owner(&st), 5);
  rig_client_free(&a);
  rig_client_free(&p);
  close_second();
  close_store();
}

static void publish_large(rig_client *p, size_t bytes) {
  char *text = malloc(bytes + 100);
  int n = snprintf(text, 100, "*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$%zu\r\n", bytes);
  memset(text + n, 'x', bytes);
  memcpy(text + n + bytes, "\r\n", 2);
  rig_feed(p, text, (size_t)n + bytes + 2, (size_t)n + bytes + 2);
  free(text);
}

static void messages_that_wait_count_with_the_buffers_of_clients(void) {
  open_store();
  open_second();
  rig_client a = client(), p = rig_client_new(&second, NULL);
  tell(&a, "SUBSCRIBE a\r\n");
  publish_large(&p, 4 << 20);
  CHECK(second.scratch >= 3 << 20); /* kept, since the ring is full */
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_client_buffers), st.client_buffers + second.client_buffers + second.scratch);
  rd_records_read(&st);
  CHECK(st.scratch >= 4 << 20); /* the first parts */
  while (second.rings_behind != 0 || rd_ring_waits(&st)) {
    rd_ring_flush(&second);
    rd_records_read(&st);
  }
  CHECK_INT(st.scratch + second.scratch, 0);
  rig_write(&a);
  CHECK(a.len > 4 << 20);
  publish_large(&p, 4 << 20);
  rd_records_read(&st);
  rig_client_free(&a); /* no subscriber is left to whom the rest could go */
  CHECK_INT(st.scratch, 0);
  rig_client_free(&p);
  close_second();
  close_store();
}

static void a_message_beyond_the_limit_of_all_clients_ends_only_those_who_would_get_it(void) {
  open_store();
  open_second();
  rig_client a = client(), b = client(), c = client(), p = rig_client_new(&second, NULL);
  tell(&a, "SUBSCRIBE a\r\n");
  tell(&b, "PSUBSCRIBE ?\r\n");
  tell(&c, "SUBSCRIBE b\r\n");
  rd_set_client_limit(&st, 1 << 20, 1 << 20);
  publish_large(&p, 3 << 20);
  rd_records_read(&st);
  CHECK_INT(rd_session_state_of(a.session)->overflowed, RD_OVERFLOW_LOST);
  CHECK_INT(rd_session_state_of(b.session)->overflowed, RD_OVERFLOW_LOST);
  CHECK_INT(rd_session_state_of(c.session)->overflowed, RD_OVERFLOW_NONE);
  CHECK_INT(st.scratch, 0);
  while (!rd_ring_flush(&second)) rd_records_read(&st);
  rd_records_read(&st);
  CHECK_INT(second.scratch, 0);
  rd_set_client_limit(&second, 1 << 20, 1 << 20);
  publish_large(&p, 3 << 20); /* the publisher may not keep what finds no room */
  CHECK(second.scratch <= 5 << 18);
  CHECK_INT(rd_worker_at(&st, 0)->roll.lost, 1);
  rig_client_free(&a);
  rig_client_free(&b);
  rig_client_free(&c);
  rig_client_free(&p);
  close_second();
  close_store();
}

/* ---- deaths ---- */

static void subscribe_and_wait(rd_store *own) {
  own->now_ms = 1700000000000;
  rig_client c = rig_client_new(own, NULL);
  rig_say(&c, "SUBSCRIBE a b\r\nPSUBSCRIBE *\r\n");
}

static void a_dead_workers_subscriptions_end_with_it(void) {
  open_store();
  rig_client a = client();
  tell(&a, "SUBSCRIBE a\r\n");
  pid_t pid = start(&st, 1, subscribe_and_wait);
  rig_client p = client();
  IS(tell(&p, "PUBLISH a x\r\nPUBSUB NUMPAT\r\n"), ":3\r\n:1\r\n");
  CHECK_INT(rd_roll_distinct(&st, RD_CHANNEL), 2);
  uint64_t fixed = rd_roll_distinct(&st, RD_PATTERN);
  CHECK_INT(fixed, 1);
  stop(pid);
  CHECK(rd_worker_reap(&st, place_of(&st, 1)));
  IS(tell(&p, "PUBLISH a x\r\nPUBLISH b x\r\nPUBSUB NUMPAT\r\n"), ":1\r\n:0\r\n:0\r\n");
  CHECK_INT(rd_roll_distinct(&st, RD_CHANNEL), 1);
  rig_client_free(&a);
  rig_client_free(&p);
  close_store();
}

static void die_within_a_change(rd_store *own) {
  subscribe_and_wait(own);
  rd_rolls_lock(own, true);
  atomic_store(&own->worker->roll.changing, 1);
  own->worker->roll_tables.entry[0].next = 1; /* a circle */
}

static void a_worker_that_dies_within_a_change_loses_its_roll_only(void) {
  open_store();
  rig_client a = client();
  tell(&a, "SUBSCRIBE a\r\n");
  pid_t pid = start(&st, 1, die_within_a_change);
  stop(pid);
  rig_client p = client();
  IS(tell(&p, "PUBLISH a x\r\nPUBLISH b x\r\n"), ":1\r\n:0\r\n");
  CHECK_INT(rd_roll_distinct(&st, RD_CHANNEL), 1);
  IS(said(&a), MESSAGE("a", "x"));
  CHECK(rd_worker_reap(&st, place_of(&st, 1)));
  rig_client_free(&a);
  rig_client_free(&p);
  close_store();
}

static void hold(rd_store *own) { rd_rolls_lock(own, true); }

static void a_publisher_does_not_wait_for_a_stopped_process(void) {
  open_store();
  rig_client a = client();
  tell(&a, "SUBSCRIBE a\r\n");
  pid_t other = start(&st, 2, subscribe_and_wait), pid = start(&st, 1, hold);
  rig_client p = client();
  CHECK_INT(rd_session_feed(p.session, (const uint8_t *)"PUBLISH a x\r\n", 13, st.now_ms), RD_BUSY);
  IS(said(&p), "");
  stop(pid);
  CHECK_INT(rd_session_resume(p.session, st.now_ms), RD_MORE);
  IS(said(&p), ":3\r\n");
  stop(other);
  CHECK(rd_worker_reap(&st, place_of(&st, 1)));
  CHECK(rd_worker_reap(&st, place_of(&st, 2)));
  rig_client_free(&a);
  rig_client_free(&p);
  close_store();
}

/* 2,000 patterns that each would take a million steps, and an ordinary one. */
static void patterns_that_backtrack_hold_nobody_up(void) {
  enum { PATTERNS = 2000, CHANNEL = 20000 };
  static char text[CHANNEL + 100];
  open_store();
  rig_client a = client(), b = client(), p = client();
  for (int i = 0; i < PATTERNS; i++) {
    snprintf(text, sizeof text, "PSUBSCRIBE *a*aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%db\r\n", i);
    tell(&a, text);
  }
  tell(&b, "PSUBSCRIBE a*\r\n");
  said(&b);
  size_t len = (size_t)sprintf(text, "PUBLISH ");
  memset(text + len, 'a', CHANNEL);
  strcpy(text + len + CHANNEL, " x\r\n");
  struct timespec before, after;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
  IS(tell(&p, text), ":1\r\n");
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
  CHECK((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 < 1000);
  CHECK(strstr(said(&b), "pmessage") != NULL);
  rig_client_free(&a);
  rig_client_free(&b);
  rig_client_free(&p);
  close_store();
}

int main(void) {
  RUN(confirmations_count_channels_and_patterns_together);
  RUN(a_message_comes_once_for_the_channel_and_once_for_each_pattern);
  RUN(in_resp2_a_subscriber_may_send_few_commands);
  RUN(in_resp3_a_client_that_publishes_to_itself_gets_the_reply_first);
  RUN(a_transaction_may_subscribe_and_go_on);
  RUN(a_transaction_may_end_all_subscriptions);
  RUN(messages_and_confirmations_come_whatever_client_reply_says);
  RUN(a_message_does_not_stand_before_the_answer_of_the_control_plane);
  RUN(numsub_and_numpat_count);
  RUN(a_subscriber_over_the_hard_limit_is_ended);
  RUN(a_subscriber_over_the_soft_limit_for_long_is_ended);
  RUN(messages_count_toward_the_limit_of_all_clients);
  RUN(many_names_in_one_command);
  RUN(patterns_that_come_and_go_leave_room);
  RUN(patterns_that_backtrack_hold_nobody_up);
  RUN(channels_are_checked);
  RUN(publish_counts_over_all_workers);
  RUN(a_counted_message_comes_before_the_end_of_the_subscription_and_no_older_one_after_its_start);
  RUN(messages_that_were_published_before_reset_come_before_its_reply);
  RUN(messages_of_all_sizes_arrive_whole_and_in_order);
  RUN(a_worker_that_reads_nothing_loses_its_subscribers_and_knows_it);
  RUN(messages_that_wait_count_with_the_buffers_of_clients);
  RUN(a_message_beyond_the_limit_of_all_clients_ends_only_those_who_would_get_it);
  RUN(a_dead_workers_subscriptions_end_with_it);
  RUN(a_worker_that_dies_within_a_change_loses_its_roll_only);
  RUN(a_publisher_does_not_wait_for_a_stopped_process);
  return check_end();
}
