/* test_moved.c - subscribers that go on in another worker: each message comes once, in order, and is counted once,
 * whatever is published and whoever dies meanwhile. The workers are two stores over one arena, `st` and `second`; some
 * tests have a real process. */
#include <sys/mman.h>

#include "arena/layout.h"
#include "faults.h"
#include "processes.h"
#include "pubsub_fixture.h"
#include "session/handover.h"
#include "session/moved.h"
#include "session/pushed.h"
#include "session/records.h"
#include "session/subscribed.h"

static const rd_limits usual = {
    .batch_size = 16, .output_high = 1u << 20, .query_limit = 1ull << 30, .multi_limit = 1ull << 30};

typedef struct blob {
  uint8_t *data;
  size_t len;
} blob;

static blob saved(rig_client *c) {
  blob b = {0};
  CHECK_INT(rd_session_save(c->session, (rd_bytes){NULL, 0}, &b.data, &b.len), RD_SAVED);
  return b;
}

/* The client's successor in the store `to`; its session is NULL if it was refused with this reason. */
static rig_client loaded(rd_store *to, blob b, const char *reason) {
  char err[200] = "?";
  rig_client c = {.st = to, .session = rd_session_load(to, &usual, b.data, b.len, err, sizeof err)};
  CHECK((c.session == NULL) == (reason != NULL));
  if (reason != NULL) CHECK(strstr(err, reason) != NULL && (reason[0] != 0 || err[0] == 0));
  return c;
}

/* Both workers read their rings, until nothing is there. */
static void settle(void) {
  for (int i = 0; i < 8; i++) {
    rd_records_read(&st);
    rd_records_read(&second);
    rd_ring_flush(&st);
    rd_ring_flush(&second);
  }
}

static void open_both(void) {
  open_store();
  open_second();
}

static void close_both(void) {
  CHECK_INT(st.moving + second.moving, 0);
  CHECK_INT(rd_rolls_used(&st), 0);
  for (uint32_t k = 0; k < RD_ROLL_KINDS; k++) CHECK_INT(rd_roll_distinct(&st, (rd_roll_kind)k), 0);
  close_second();
  close_store();
}

#define NUMBER(text) MESSAGE("a", text)

static void a_message_of_any_time_comes_once_and_in_order(void) {
  open_both();
  rig_client old = client(), here = client(), there = rig_client_new(&second, NULL);
  tell(&old, "SUBSCRIBE a\r\n");
  IS(tell(&here, "PUBLISH a 0\r\n"), ":1\r\n"); /* unsent */
  blob b = saved(&old);
  IS(tell(&here, "PUBLISH a 1\r\n"), ":1\r\n");
  IS(tell(&there, "PUBLISH a 2\r\n"), ":1\r\n");
  rig_client c = loaded(&second, b, NULL);
  IS(tell(&there, "PUBLISH a 3\r\n"), ":1\r\n");
  IS(said(&c), NUMBER("0"));
  IS(tell(&here, "PUBLISH a 4\r\n"), ":1\r\n"); /* the giver reads its ring before it publishes */
  CHECK_INT(rd_session_subscriptions(old.session, RD_CHANNEL), 0);
  IS(tell(&there, "PUBLISH a 5\r\nPUBSUB NUMSUB a\r\n"), ":1\r\n*2\r\n$1\r\na\r\n:1\r\n");
  rig_client_free(&old);
  settle();
  IS(said(&c), NUMBER("1") NUMBER("2") NUMBER("3") NUMBER("4") NUMBER("5"));
  IS(tell(&here, "PUBLISH a 6\r\n"), ":1\r\n");
  settle();
  IS(said(&c), NUMBER("6"));
  free(b.data);
  rig_client_free(&c);
  rig_client_free(&here);
  rig_client_free(&there);
  close_both();
}

static void all_kinds_of_subscriptions_move_and_others_stay(void) {
  open_both();
  rig_client old = client(), stays = client(), p = rig_client_new(&second, NULL);
  tell(&old, "SUBSCRIBE a b\r\nPSUBSCRIBE a* ?\r\nSSUBSCRIBE a\r\n");
  tell(&stays, "SUBSCRIBE a\r\nPSUBSCRIBE a*\r\n");
  CHECK_INT(rd_roll_distinct(&st, RD_CHANNEL), 2);
  blob b = saved(&old);
  rig_client c = loaded(&second, b, NULL);
  free(b.data);
  IS(tell(&p, "PUBLISH a x\r\nSPUBLISH a y\r\nPUBLISH b z\r\n"), ":5\r\n:1\r\n:2\r\n");
  CHECK_INT(rd_roll_distinct(&st, RD_CHANNEL), 2);
  CHECK_INT(rd_roll_distinct(&st, RD_PATTERN), 2);
  char err[200];
  CHECK_INT(rd_check(&st, err, sizeof err), 0);
  rig_client_free(&old);
  settle();
  IS(said(&c), MESSAGE("a", "x") "*4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$1\r\na\r\n$1\r\nx\r\n"
               "*4\r\n$8\r\npmessage\r\n$1\r\n?\r\n$1\r\na\r\n$1\r\nx\r\n"
               "*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\ny\r\n" MESSAGE("b", "z")
               "*4\r\n$8\r\npmessage\r\n$1\r\n?\r\n$1\r\nb\r\n$1\r\nz\r\n");
  IS(said(&stays), MESSAGE("a", "x") "*4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$1\r\na\r\n$1\r\nx\r\n");
  CHECK_INT(rd_roll_distinct(&st, RD_CHANNEL), 2);
  rd_session_resume(c.session, second.now_ms);
  IS(tell(&c, "GET k\r\n"), ONLY("get"));
  IS(tell(&c, "UNSUBSCRIBE a q\r\n"), UNSUBSCRIBED("a", "3") UNSUBSCRIBED("q", "3"));
  IS(tell(&p, "PUBLISH b x\r\nPUBSUB NUMPAT\r\n"), ":2\r\n:2\r\n");
  rig_client_free(&c);
  CHECK_INT(rd_roll_distinct(&st, RD_CHANNEL), 1);
  rig_client_free(&stays);
  rig_client_free(&p);
  close_both();
}

static void commands_wait_for_messages_that_were_published_before(void) {
  open_both();
  rig_client old = client(), p = rig_client_new(&second, NULL);
  tell(&old, "HELLO 3\r\nSUBSCRIBE a\r\n");
  rd_session_feed(old.session, (const uint8_t *)"*1\r\n$4\r\nPI", 10, st.now_ms);
  blob b = saved(&old);
  IS(tell(&p, "PUBLISH a x\r\n"), ":1\r\n");
  rig_client c = loaded(&second, b, NULL);
  free(b.data);
  CHECK_INT(rd_session_resume(c.session, second.now_ms), RD_PAUSED);
  CHECK_INT(rd_session_feed(c.session, (const uint8_t *)"NG\r\nUNSUBSCRIBE\r\n", 17, second.now_ms), RD_PAUSED);
  uint8_t *bytes = NULL;
  size_t len;
  CHECK_INT(rd_session_save(c.session, (rd_bytes){NULL, 0}, &bytes, &len), RD_SAVE_LATER);
  IS(said(&c), "");
  settle();
  CHECK_INT(rd_session_resume(c.session, second.now_ms), RD_MORE);
  IS(said(&c), ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n+PONG\r\n>3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n");
  rig_client_free(&old);
  rig_client_free(&c);
  rig_client_free(&p);
  close_both();
}

static void an_idle_session_does_not_wait(void) {
  open_both();
  rig_client old = client();
  tell(&old, "SUBSCRIBE a\r\n");
  blob b = saved(&old);
  rig_client c = loaded(&second, b, NULL);
  free(b.data);
  CHECK_INT(rd_session_resume(c.session, second.now_ms), RD_MORE);
  settle();
  CHECK(!rd_moved_waits(c.session));
  b = saved(&c); /* and back */
  rig_client again = loaded(&st, b, NULL);
  free(b.data);
  rig_client_free(&old);
  rig_client_free(&c); /* this reads its ring: it was taken */
  settle();
  IS(tell(&again, "PING\r\n"), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
  rig_client_free(&again);
  close_both();
}

static char *large_message(size_t bytes, size_t *len) {
  char *text = malloc(bytes + 100);
  int n = snprintf(text, 100, "*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$%zu\r\n", bytes);
  for (size_t i = 0; i < bytes; i++) text[(size_t)n + i] = (char)('a' + i % 23);
  memcpy(text + n + bytes, "\r\n", 2);
  *len = (size_t)n + bytes + 2;
  return text;
}

static void much_that_came_meanwhile_is_sent_in_parts(void) {
  open_both();
  rig_client old = client(), p = client();
  tell(&old, "SUBSCRIBE a\r\n");
  blob b = saved(&old);
  size_t len;
  char *text = large_message(3 << 20, &len);
  rig_feed(&p, text, len, len);
  rig_client c = loaded(&second, b, NULL);
  free(b.data);
  rig_client_free(&old);
  settle();
  rig_write(&c);
  CHECK_INT(c.len, strlen("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$3145728\r\n") + (3 << 20) + 2);
  CHECK(c.len < (3 << 20) || memcmp(c.out + c.len - 2 - (3 << 20), text + len - 2 - (3 << 20), (3 << 20) + 2) == 0);
  free(text);
  rig_client_free(&c);
  rig_client_free(&p);
  close_both();
}

/* ---- refusals ---- */

static void a_giver_whose_ring_is_full_keeps_its_session(void) {
  open_both();
  rig_client old = client(), p = rig_client_new(&second, NULL);
  tell(&old, "SUBSCRIBE a\r\n");
  blob b = saved(&old);
  size_t len, after;
  char *text = large_message(2 << 20, &len);
  rig_feed(&p, text, len, len);
  IS(said(&p), ":1\r\n");
  uint64_t entries = rd_worker_at(&st, 1)->roll.entries;
  loaded(&second, b, "");
  free(b.data);
  CHECK_INT(rd_worker_at(&st, 1)->roll.entries, entries);
  rd_session_set_carrier(old.session, &old); /* it is served again */
  CHECK_INT(st.moving, 0);
  settle();
  settle();
  rig_write(&old);
  after = old.len;
  CHECK(after > (2 << 20));
  rig_client q = client();
  IS(tell(&q, "PUBLISH a x\r\n"), ":1\r\n");
  old.len = 0;
  IS(said(&old), NUMBER("x"));
  b = saved(&old);
  rig_client c = loaded(&second, b, NULL);
  free(b.data);
  free(text);
  rig_client_free(&old);
  rig_client_free(&c);
  rig_client_free(&p);
  rig_client_free(&q);
  close_both();
}

static void what_was_given_once_is_not_taken_later(void) {
  open_both();
  rig_client old = client(), other = client(), p = client();
  tell(&old, "SUBSCRIBE a\r\n");
  tell(&other, "SUBSCRIBE a\r\n");
  blob b = saved(&old);
  rig_client_free(&old); /* its hand-over took too long */
  loaded(&second, b, "its giver does not give");
  IS(tell(&p, "PUBLISH a x\r\n"), ":1\r\n");
  IS(said(&other), NUMBER("x"));
  free(b.data);
  b = saved(&other);
  rig_client c = loaded(&second, b, NULL);
  loaded(&second, b, "its giver does not give"); /* nor twice */
  free(b.data);
  rig_client_free(&other);
  settle();
  rig_client_free(&c);
  rig_client_free(&p);
  close_both();
}

static void a_changed_byte_is_refused_or_harmless(void) {
  open_both();
  rig_client old = client(), p = client();
  tell(&old, "SUBSCRIBE a\r\nPSUBSCRIBE a*\r\nSSUBSCRIBE b\r\n");
  for (size_t i = 0, len = 1; i < len; i++) {
    blob b = saved(&old);
    char err[200];
    len = b.len;
    b.data[i] ^= (uint8_t)(1u << i % 8);
    rd_session *s = rd_session_load(&second, &usual, b.data, b.len, err, sizeof err);
    free(b.data);
    settle();
    if (s == NULL) continue;
    rd_session_free(s);
    rig_client_free(&old);
    old = client();
    tell(&old, "SUBSCRIBE a\r\nPSUBSCRIBE a*\r\nSSUBSCRIBE b\r\n");
  }
  IS(tell(&p, "PUBLISH a x\r\n"), ":2\r\n");
  rig_client_free(&old);
  rig_client_free(&p);
  close_both();
}

static void as_many_move_at_once_as_there_are_places(void) {
  open_both();
  rig_client clients[RD_MOVES + 1], taken[RD_MOVES];
  uint8_t *bytes = NULL;
  size_t len;
  for (uint32_t i = 0; i <= RD_MOVES; i++) {
    clients[i] = client();
    tell(&clients[i], "SUBSCRIBE a\r\n");
  }
  for (uint32_t i = 0; i < RD_MOVES; i++) {
    blob b = saved(&clients[i]);
    taken[i] = loaded(&second, b, NULL);
    free(b.data);
  }
  /* The giver still has to read that they were taken. */
  CHECK_INT(rd_session_save(clients[RD_MOVES].session, (rd_bytes){NULL, 0}, &bytes, &len), RD_SAVED);
  free(bytes);
  rig_client p = rig_client_new(&second, NULL);
  IS(tell(&p, "PUBLISH a x\r\n"), ":65\r\n");
  for (uint32_t i = 0; i <= RD_MOVES; i++) rig_client_free(&clients[i]);
  for (uint32_t i = 0; i <= RD_MOVES; i++) {
    clients[i] = client();
    tell(&clients[i], "SUBSCRIBE b\r\n");
    CHECK_INT(rd_session_save(clients[i].session, (rd_bytes){NULL, 0}, &bytes, &len),
              i < RD_MOVES ? RD_SAVED : RD_SAVE_LATER);
    if (i < RD_MOVES) free(bytes);
  }
  settle();
  for (uint32_t i = 0; i <= RD_MOVES; i++) rig_client_free(&clients[i]);
  for (uint32_t i = 0; i < RD_MOVES; i++) {
    IS(said(&taken[i]), NUMBER("x"));
    rig_client_free(&taken[i]);
  }
  rig_client_free(&p);
  close_both();
}

static void without_memory_nothing_changes(void) {
  open_both();
  rig_client old = client(), p = rig_client_new(&second, NULL), c = {.st = &second};
  tell(&old, "SUBSCRIBE a b c\r\nPSUBSCRIBE a*\r\n");
  blob b = {0};
  unsigned failures = 0;
  for (uint64_t n = 0; b.data == NULL && n < 100; n++) {
    fault_arm(&process_fault, n, true);
    rd_saved how = rd_session_save(old.session, (rd_bytes){NULL, 0}, &b.data, &b.len);
    fault_disarm(&process_fault);
    CHECK_INT(how, b.data == NULL ? RD_SAVE_NO_MEMORY : RD_SAVED);
    CHECK_INT(st.moving, b.data != NULL);
    failures += b.data == NULL;
  }
  CHECK(failures > 1);
  failures = 0;
  for (uint64_t n = 0; c.session == NULL && n < 200; n++) {
    char err[200];
    fault_arm(&process_fault, n, true);
    c.session = rd_session_load(&second, &usual, b.data, b.len, err, sizeof err);
    fault_disarm(&process_fault);
    if (c.session != NULL) break;
    CHECK(strstr(err, "no memory") != NULL);
    IS(tell(&p, "PUBLISH a x\r\n"), ":2\r\n");
    failures++;
  }
  CHECK(failures > 8);
  IS(tell(&p, "PUBLISH a x\r\n"), ":2\r\n");
  free(b.data);
  rig_client_free(&old);
  settle();
  rig_write(&c);
  CHECK_INT(c.len,
            (failures + 1) * strlen(MESSAGE("a", "x") "*4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$1\r\na\r\n$1\r\nx\r\n"));
  rig_client_free(&c);
  rig_client_free(&p);
  close_both();
}

static void a_text_that_has_moved_is_sent_again(void) {
  open_both();
  rig_client old = client(), other = client();
  size_t cap = 1 << 20;
  char *text = malloc(cap);
  int n = snprintf(text, cap, "*2\r\n$10\r\nPSUBSCRIBE\r\n$600000\r\n%0600000d\r\n", 1);
  rig_feed(&other, text, (size_t)n, (size_t)n);
  tell(&old, "PSUBSCRIBE a*\r\n");
  blob b = saved(&old);
  tell(&other, "PUNSUBSCRIBE\r\n");
  n = snprintf(text, cap, "*2\r\n$10\r\nPSUBSCRIBE\r\n$600000\r\n%0600000d\r\n", 2);
  rig_feed(&other, text, (size_t)n, (size_t)n); /* there is room only without the text that has ended */
  free(text);
  loaded(&second, b, "");
  free(b.data);
  b = saved(&old);
  rig_client c = loaded(&second, b, NULL);
  free(b.data);
  rig_client_free(&old);
  rig_client_free(&other);
  settle();
  rig_client_free(&c);
  close_both();
}

/* ---- sessions that end ---- */

static void a_session_that_overflowed_meanwhile_is_ended_by_its_taker(void) {
  open_both();
  const rd_limits slow = {.batch_size = 16, .output_high = 1u << 20, .pubsub_hard = 100};
  rig_client old = rig_client_new(&st, &slow), p = client();
  tell(&old, "SUBSCRIBE a\r\n");
  blob b = saved(&old);
  for (int i = 0; i < 4; i++) IS(tell(&p, "PUBLISH a x\r\n"), ":1\r\n");
  CHECK_INT(rd_session_state_of(old.session)->overflowed, RD_OVERFLOW_PUBSUB);
  rig_client c = loaded(&second, b, NULL);
  rd_session_state_of(c.session)->owner = 7;
  free(b.data);
  settle();
  CHECK_INT(rd_session_state_of(c.session)->overflowed, RD_OVERFLOW_LOST);
  CHECK_INT(rd_pushed_owner(&second), 7);
  rig_client_free(&old);
  rig_client_free(&c);
  rig_client_free(&p);
  close_both();
}

static void a_client_that_left_its_taker_at_once_leaves_nothing(void) {
  open_both();
  rig_client old = client(), p = client();
  tell(&old, "SUBSCRIBE a\r\n");
  blob b = saved(&old);
  rig_client c = loaded(&second, b, NULL);
  free(b.data);
  rig_client_free(&c);
  IS(tell(&p, "PUBLISH a x\r\n"), ":0\r\n"); /* the giver still has the session */
  rig_client_free(&old);
  rig_client_free(&p);
  settle();
  close_both();
}

/* ---- deaths ---- */

static blob *shared; /* what a process has saved; its bytes follow */

static void subscribe_and_save(rd_store *own) {
  own->now_ms = 1700000000000;
  rig_client c = rig_client_new(own, NULL), other = rig_client_new(own, NULL);
  rig_say(&c, "SUBSCRIBE a\r\n");
  rig_say(&other, "SUBSCRIBE a\r\n");
  blob b = saved(&c);
  memcpy(shared + 1, b.data, b.len);
  shared->len = b.len;
}

static void share(void) {
  shared = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
}

static void a_giver_that_dies_before_it_has_sent_all_costs_the_connection(void) {
  open_store();
  share();
  pid_t pid = start(&st, 1, subscribe_and_save);
  rig_client p = client();
  rig_client c = loaded(&st, (blob){(uint8_t *)(shared + 1), shared->len}, NULL);
  rd_session_state_of(c.session)->owner = 7;
  IS(tell(&p, "PUBLISH a x\r\n"), ":2\r\n");
  rd_pushed_enforce(&st);
  CHECK_INT(rd_session_state_of(c.session)->overflowed, RD_OVERFLOW_NONE);
  stop(pid);
  CHECK(rd_worker_reap(&st, place_of(&st, 1)));
  rd_pushed_enforce(&st);
  CHECK_INT(rd_session_state_of(c.session)->overflowed, RD_OVERFLOW_LOST);
  CHECK_INT(rd_pushed_owner(&st), 7);
  IS(said(&c), "");
  rig_client_free(&c);
  IS(tell(&p, "PUBLISH a x\r\n"), ":0\r\n");
  rig_client_free(&p);
  munmap(shared, 1 << 16);
  close_store();
}

static void take_and_die_within(rd_store *own) {
  rig_client c = rig_client_new(own, NULL);
  rig_say(&c, "SUBSCRIBE a\r\n");
  rd_rolls_lock(own, true);
  /* As after the first of two names. */
  uint64_t number = atomic_load(&rd_worker_at(own, 0)->roll.moving[0]);
  rd_ring_put(own, 0, RD_RECORD_MOVED, &number, sizeof number);
  rd_roll_take(own, 0, 0, 0);
}

static void a_taker_that_dies_within_its_change_costs_the_connection_only(void) {
  open_store();
  rig_client old = client(), other = client(), p = client();
  tell(&old, "SUBSCRIBE a b\r\n");
  tell(&other, "SUBSCRIBE a b\r\n");
  blob b = saved(&old);
  free(b.data);
  pid_t pid = start(&st, 1, take_and_die_within);
  stop(pid);
  IS(tell(&p, "PUBLISH b x\r\n"), ":2\r\n");
  CHECK_INT(rd_session_subscriptions(old.session, RD_CHANNEL), 2);
  CHECK(rd_worker_reap(&st, place_of(&st, 1)));
  rig_client_free(&old); /* the supervisor says that the connection is lost */
  IS(tell(&p, "PUBLISH a x\r\nPUBLISH b x\r\nPUBSUB NUMSUB a b\r\n"),
     ":1\r\n:1\r\n*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:1\r\n");
  IS(tell(&other, "UNSUBSCRIBE a\r\n"), MESSAGE("b", "x") MESSAGE("a", "x") MESSAGE("b", "x") UNSUBSCRIBED("a", "1"));
  rig_client_free(&other);
  rig_client_free(&p);
  CHECK_INT(rd_rolls_used(&st), 0);
  CHECK_INT(rd_roll_distinct(&st, RD_CHANNEL), 0);
  close_store();
}

static void many_names_move_at_once(void) {
  open_both();
  rig_client old = client(), p = client();
  size_t cap = 1 << 21, n = 0;
  char *text = malloc(cap);
  n += (size_t)snprintf(text, cap, "*%u\r\n$9\r\nSUBSCRIBE\r\n", RD_MAX_SUBSCRIPTIONS + 1);
  for (unsigned i = 0; i < RD_MAX_SUBSCRIPTIONS; i++) n += (size_t)snprintf(text + n, cap - n, "$6\r\n%06u\r\n", i);
  rig_feed(&old, text, n, n);
  free(text);
  blob b = saved(&old);
  rig_client c = loaded(&second, b, NULL);
  free(b.data);
  CHECK_INT(rd_roll_distinct(&st, RD_CHANNEL), RD_MAX_SUBSCRIPTIONS);
  IS(tell(&p, "PUBLISH 000000 x\r\nPUBLISH 065535 x\r\n"), ":1\r\n:1\r\n");
  settle();
  CHECK_INT(rd_session_subscriptions(old.session, RD_CHANNEL), 0);
  CHECK_INT(rd_roll_distinct(&st, RD_CHANNEL), RD_MAX_SUBSCRIPTIONS);
  rig_client_free(&old);
  rig_client_free(&c);
  rig_client_free(&p);
  close_both();
}

int main(void) {
  RUN(a_message_of_any_time_comes_once_and_in_order);
  RUN(all_kinds_of_subscriptions_move_and_others_stay);
  RUN(commands_wait_for_messages_that_were_published_before);
  RUN(an_idle_session_does_not_wait);
  RUN(much_that_came_meanwhile_is_sent_in_parts);
  RUN(a_giver_whose_ring_is_full_keeps_its_session);
  RUN(what_was_given_once_is_not_taken_later);
  RUN(a_changed_byte_is_refused_or_harmless);
  RUN(as_many_move_at_once_as_there_are_places);
  RUN(without_memory_nothing_changes);
  RUN(a_text_that_has_moved_is_sent_again);
  RUN(a_session_that_overflowed_meanwhile_is_ended_by_its_taker);
  RUN(a_client_that_left_its_taker_at_once_leaves_nothing);
  RUN(a_giver_that_dies_before_it_has_sent_all_costs_the_connection);
  RUN(a_taker_that_dies_within_its_change_costs_the_connection_only);
  RUN(many_names_move_at_once);
  return check_end();
}
