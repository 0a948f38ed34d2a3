/* test_tracking.c - client-side caching: who is told of which change, when, over two workers; limits, and what a death
 * and a hand-over leave. */
#include "arena/layout.h"
#include "faults.h"
#include "pubsub_fixture.h"
#include "session/events.h"
#include "session/handover.h"
#include "session/records.h"
#include "session/subscribed.h"
#include "session/tracking.h"

#define INVALID(len, name) ">2\r\n$10\r\ninvalidate\r\n*1\r\n$" len "\r\n" name "\r\n"
#define K INVALID("1", "k")
#define EVERYTHING ">2\r\n$10\r\ninvalidate\r\n_\r\n"

static const rd_limits limits_of_rig = {.batch_size = 16, .output_high = 1 << 20};

static rig_client in(rd_store *store, uint64_t id) {
  rig_client c = rig_client_new(store, NULL);
  rig_say(&c, "HELLO 3\r\n");
  rd_session_state_of(c.session)->owner = id;
  said(&c);
  return c;
}

static void track(rig_client *c, uint32_t flags) { CHECK(rd_tracking_on(c->session, flags, 0, NULL, 0)); }

static void watch_prefix(rig_client *c, uint32_t flags, const char *prefix) {
  rd_bytes name = {(const uint8_t *)prefix, strlen(prefix)};
  CHECK(rd_tracking_on(c->session, flags | RD_TRACKING_BCAST, 0, &name, 1));
}

static const char *heard(rig_client *c, rd_store *store) {
  rd_tracking_flush(store);
  return said(c);
}

static void a_reader_is_told_once_of_a_change(void) {
  open_store();
  rig_client c = in(&st, 1), other = in(&st, 2);
  track(&c, 0);
  tell(&other, "SET k 1\r\n");
  IS(said(&c), "");
  IS(tell(&c, "GET k\r\nGET k\r\nGET missing\r\n"), "$1\r\n1\r\n$1\r\n1\r\n_\r\n");
  tell(&other, "SET k 2\r\nSET k 3\r\nSELECT 3\r\nSET missing 1\r\n");
  IS(said(&c), K INVALID("7", "missing"));
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_tracking_keys), 0);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_tracking_clients), 1);
  rd_tracking_off(c.session);
  IS(tell(&c, "GET k\r\n"), "$1\r\n3\r\n");
  tell(&other, "SET k 4\r\n");
  IS(said(&c), "");
  CHECK_INT(rd_trackers(&st), 0);
  CHECK_INT(atomic_load(&st.head->notify), 0);
  rig_client_free(&c);
  rig_client_free(&other);
  close_store();
}

static void an_own_change_is_told_behind_its_reply_unless_noloop(void) {
  open_store();
  rig_client c = in(&st, 1);
  track(&c, 0);
  IS(tell(&c, "GET k\r\nSET k 1\r\nGET k\r\nPING\r\n"), "_\r\n+OK\r\n" K "$1\r\n1\r\n+PONG\r\n");
  IS(tell(&c, "MULTI\r\nSET k 2\r\nGET k\r\nEXEC\r\n"), "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\n2\r\n" K);
  track(&c, RD_TRACKING_NOLOOP);
  IS(tell(&c, "GET k\r\nSET k 3\r\n"), "$1\r\n2\r\n+OK\r\n");
  rig_client_free(&c);
  close_store();
}

static void expiry_flush_and_swap_invalidate(void) {
  open_store();
  rig_client c = in(&st, 1), other = in(&st, 2);
  track(&c, RD_TRACKING_NOLOOP);
  tell(&other, "SET k 1 PX 10\r\n");
  IS(tell(&c, "GET k\r\n"), "$1\r\n1\r\n");
  st.now_ms += 20;
  IS(tell(&c, "GET k\r\n"), "_\r\n" K); /* itself has found it expired, and has read it again */
  tell(&other, "SET k 1 PX 10\r\n");
  IS(said(&c), K);
  st.now_ms += 20;
  IS(tell(&c, "GET k\r\n"), "_\r\n"); /* it had not read the one that expired */
  IS(tell(&c, "FLUSHALL\r\n"), "+OK\r\n" EVERYTHING);
  tell(&other, "SWAPDB 0 1\r\n");
  IS(said(&c), EVERYTHING);
  rig_client_free(&c);
  rig_client_free(&other);
  close_store();
}

static void optin_and_optout_hold_for_the_next_command(void) {
  open_store();
  rig_client c = in(&st, 1), other = in(&st, 2);
  track(&c, RD_TRACKING_OPTIN);
  tell(&c, "GET k\r\n");
  tell(&other, "SET k 1\r\n");
  IS(said(&c), "");
  rd_tracking_caching(c.session);
  tell(&c, "GET k\r\n");
  tell(&c, "GET l\r\n");
  tell(&other, "SET k 1\r\nSET l 1\r\n");
  IS(said(&c), K);
  rd_tracking_off(c.session);
  track(&c, RD_TRACKING_OPTOUT);
  rd_tracking_caching(c.session);
  tell(&c, "GET k\r\n");
  tell(&c, "GET l\r\n");
  tell(&other, "SET k 1\r\nSET l 1\r\n");
  IS(said(&c), INVALID("1", "l"));
  rig_client_free(&c);
  rig_client_free(&other);
  close_store();
}

static void broadcasts_are_collected_by_prefix(void) {
  open_store();
  rig_client c = in(&st, 1), own = in(&st, 2), other = in(&st, 3);
  watch_prefix(&c, 0, "a");
  watch_prefix(&own, RD_TRACKING_NOLOOP, "");
  watch_prefix(&other, 0, "ab");
  tell(&own, "MSET a2 1 a1 1 b 1\r\n");
  tell(&other, "SET abc 1\r\nSET a2 2\r\n");
  IS(heard(&c, &st), ">2\r\n$10\r\ninvalidate\r\n*3\r\n$2\r\na1\r\n$2\r\na2\r\n$3\r\nabc\r\n");
  IS(heard(&own, &st), ">2\r\n$10\r\ninvalidate\r\n*2\r\n$2\r\na2\r\n$3\r\nabc\r\n");
  IS(heard(&other, &st), INVALID("3", "abc"));
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_tracking_prefixes), 3);
  rd_tracking_off(own.session);
  tell(&own, "SET b 2\r\n");
  IS(heard(&c, &st), "");
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_tracking_prefixes), 2);
  rig_client_free(&c);
  rig_client_free(&own);
  rig_client_free(&other);
  close_store();
}

static void a_change_in_another_worker_is_told(void) {
  open_store();
  open_second();
  rig_client c = in(&st, 1), other = in(&second, 2), b = in(&st, 3);
  track(&c, RD_TRACKING_NOLOOP);
  watch_prefix(&b, 0, "k");
  tell(&c, "GET k\r\n");
  CHECK(!rd_ring_waits(&st));
  tell(&other, "SET other 1\r\n");
  CHECK(!rd_ring_waits(&st)); /* nobody has read it */
  tell(&other, "SET k 1\r\n");
  rd_records_read(&st);
  IS(said(&c), K);
  IS(said(&b), K);
  tell(&other, "FLUSHDB\r\n");
  rd_records_read(&st);
  IS(said(&c), EVERYTHING);
  IS(said(&b), EVERYTHING);
  rig_client_free(&c);
  rig_client_free(&b);
  rig_client_free(&other);
  close_second();
  close_store();
}

static void redirected_messages_reach_a_client_of_another_worker(void) {
  open_store();
  open_second();
  rig_client c = in(&st, 1), target = rig_client_new(&second, NULL), other = in(&second, 3);
  rd_session_state_of(target.session)->owner = 77;
  CHECK(rd_tracking_receive(target.session));
  CHECK(rd_tracking_on(c.session, 0, 77, NULL, 0));
  tell(&c, "GET k\r\n");
  tell(&other, "SET k 1\r\n");
  rd_records_read(&st);
  rd_records_read(&second);
  IS(said(&target), ""); /* it does not subscribe */
  IS(tell(&target, "GET k\r\n"), "$1\r\n1\r\n");
  tell(&target, "SUBSCRIBE x\r\n");
  tell(&c, "GET k\r\n");
  tell(&other, "SET k 1\r\n");
  rd_records_read(&st);
  rd_records_read(&second);
  IS(said(&target), "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\nk\r\n");
  IS(said(&c), "");
  tell(&target, "RESET\r\n");
  tell(&target, "HELLO 3\r\n");
  tell(&c, "FLUSHALL\r\n");
  rd_tracking_flush(&st);
  rd_records_read(&second);
  IS(said(&target), EVERYTHING);
  rig_client_free(&target);
  IS(tell(&c, "GET k\r\nSET k 1\r\n"), "_\r\n+OK\r\n>2\r\n$21\r\ntracking-redir-broken\r\n:77\r\n");
  CHECK(rd_tracking_flags(c.session) & RD_TRACKING_BROKEN);
  rig_client_free(&c);
  rig_client_free(&other);
  close_second();
  close_store();
}

static void the_table_is_bounded_and_its_overflow_invalidates(void) {
  open_store();
  rig_client c = in(&st, 1);
  track(&c, 0);
  rd_set_tracking_limit(&st, 2);
  IS(tell(&c, "GET k\r\nGET l\r\nGET m\r\n"), "_\r\n_\r\n_\r\n" K);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_tracking_keys), 2);
  rd_set_tracking_limit(&st, 0);
  for (int i = 0; i < 20000; i++) {
    char text[64];
    snprintf(text, sizeof text, "GET key:%d\r\n", i);
    rig_say(&c, text);
    if (i % 100 == 0) said(&c);
  }
  said(&c);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_tracking_keys), 20002);
  rd_set_tracking_limit(&st, 10000);
  for (int i = 0; i < 1000; i++) rd_tracking_flush(&st);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_tracking_keys), 10000);
  rd_tracking_off(c.session);
  for (int i = 0; i < 1000; i++) rd_tracking_flush(&st);
  CHECK_INT(rd_gauge_sum(&st, RD_GAUGE_tracking_keys), 0);
  rig_client_free(&c);
  close_store();
}

static void a_client_that_reads_no_messages_is_ended(void) {
  open_store();
  rd_limits limits = limits_of_rig;
  limits.pubsub_hard = 4096;
  rig_client c = in(&st, 1), other = in(&st, 2);
  rd_session_set_limits(c.session, &limits);
  watch_prefix(&c, 0, "");
  for (int i = 0; i < 1000; i++) {
    rig_say(&other, "SET k 1\r\n");
    rd_tracking_flush(&st);
  }
  CHECK_INT(rd_session_state_of(c.session)->overflowed, RD_OVERFLOW_PUBSUB);
  CHECK(rd_session_state_of(c.session)->output_bytes <= 4096);
  rig_client_free(&c);
  rig_client_free(&other);
  close_store();
}

static void a_lost_shard_and_a_full_ring_invalidate_everything(void) {
  open_store();
  open_second();
  rig_client c = in(&st, 1), other = in(&second, 2);
  track(&c, 0);
  watch_prefix(&other, 0, "x");
  rd_tracked_forget_all(&second);
  IS(heard(&c, &st), EVERYTHING);
  IS(heard(&other, &second), EVERYTHING);
  tell(&c, "GET k\r\n");
  for (int i = 0; i < 200000; i++) rd_ring_put(&second, 0, RD_RECORD_MONITOR, "0123456789", 10); /* it is full now */
  second.client_limit = 1; /* and no record may be kept */
  tell(&other, "SET k 1\r\n");
  rd_records_read(&st);
  IS(heard(&c, &st), EVERYTHING);
  second.client_limit = 0;
  rig_client_free(&c);
  rig_client_free(&other);
  close_second();
  close_store();
}

static void a_client_that_is_handed_over_forgets_everything(void) {
  open_store();
  open_second();
  rig_client c = in(&st, 1);
  rd_bytes names[] = {{(const uint8_t *)"a", 1}, {(const uint8_t *)"b", 1}};
  CHECK(rd_tracking_on(c.session, RD_TRACKING_BCAST | RD_TRACKING_NOLOOP, 0, names, 2));
  uint8_t *bytes;
  size_t len;
  char err[200] = "";
  CHECK_INT(rd_session_save(c.session, (rd_bytes){NULL, 0}, &bytes, &len), RD_SAVED);
  for (size_t cut = 0; cut < len; cut++) {
    CHECK(rd_session_load(&second, &limits_of_rig, bytes, cut, err, sizeof err) == NULL);
  }
  rd_session *s = rd_session_load(&second, &limits_of_rig, bytes, len, err, sizeof err);
  CHECK(s != NULL);
  CHECK_INT(rd_tracking_flags(s), RD_TRACKING_ON | RD_TRACKING_BCAST | RD_TRACKING_NOLOOP);
  CHECK_INT(rd_tracking_prefix_count(s), 2);
  rd_tracking_flush(&second);
  rd_bytes out = rd_session_output(s);
  CHECK_TEXT((const char *)out.data, out.len, EVERYTHING);
  rd_session_free(s);
  free(bytes);
  rig_client_free(&c);
  close_second();
  close_store();
}

static void a_worker_that_dies_may_have_told_nobody(void) {
  open_store();
  open_second();
  rig_client c = in(&st, 1), other = in(&second, 2);
  track(&c, 0);
  track(&other, 0);
  uint32_t place = 1;
  rig_client_free(&other);
  CHECK_INT(rd_trackers(&st), 1);
  atomic_store(&rd_worker_at(&st, place)->pid, 999999999); /* no process has this number */
  CHECK(rd_worker_reap(&st, place));
  IS(heard(&c, &st), EVERYTHING);
  rig_client_free(&c);
  rd_detach(&second);
  close_store();
}

static void without_memory_nothing_is_stale(void) {
  for (unsigned long n = 1; n < 40; n++) {
    open_store();
    rig_client c = in(&st, 1), other = in(&st, 2);
    track(&c, 0);
    rig_say(&c, "GET x\r\n");
    said(&c);
    fault_arm(&process_fault, n - 1, false);
    rig_say(&c, "GET k\r\n");
    rig_say(&other, "SET k 1\r\n");
    fault_disarm(&process_fault);
    const char *text = said(&c);
    bool closed = rd_session_state_of(c.session)->overflowed != RD_OVERFLOW_NONE || strstr(text, "$") == NULL;
    CHECK(closed || strstr(text, "invalidate") != NULL);
    rig_client_free(&c);
    rig_client_free(&other);
    close_store();
  }
}

int main(void) {
  RUN(a_reader_is_told_once_of_a_change);
  RUN(an_own_change_is_told_behind_its_reply_unless_noloop);
  RUN(expiry_flush_and_swap_invalidate);
  RUN(optin_and_optout_hold_for_the_next_command);
  RUN(broadcasts_are_collected_by_prefix);
  RUN(a_change_in_another_worker_is_told);
  RUN(redirected_messages_reach_a_client_of_another_worker);
  RUN(the_table_is_bounded_and_its_overflow_invalidates);
  RUN(a_client_that_reads_no_messages_is_ended);
  RUN(a_lost_shard_and_a_full_ring_invalidate_everything);
  RUN(a_client_that_is_handed_over_forgets_everything);
  RUN(a_worker_that_dies_may_have_told_nobody);
  RUN(without_memory_nothing_is_stale);
  return check_end();
}
