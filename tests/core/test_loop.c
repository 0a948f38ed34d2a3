/* test_loop.c - connections over socket pairs: the owner's events, work without the owner, the bounds of a turn. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "arena/longrun.h"
#include "base/clock.h"
#include "host.h"
#include "loop_rig.h"
#include "net/deadlines.h"
#include "session/monitor.h"
#include "session/slowlog.h"

static void set_value(peer *p, const char *key, size_t len) {
  char head[100];
  char *value = malloc(len + 2);
  memset(value, 'v', len);
  memcpy(value + len, "\r\n", 2);
  snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(key), key, len);
  say(p, head);
  for (size_t done = 0; done < len + 2;) {
    ssize_t n = send(p->fd, value + done, len + 2 - done, 0);
    if (n > 0) done += (size_t)n;
    CHECK(turn() == 0);
  }
  free(value);
  char first;
  for (int i = 0; i < 1000 && recv(p->fd, &first, 1, MSG_PEEK) < 0; i++) CHECK(turn() == 0);
  hears(p, "+OK\r\n");
}

static void commands_are_answered_without_the_owner(void) {
  peer a = join(1), b = join(2);
  say(&a, "SET k v\r\nGET k\r\n");
  say(&b, "PING\r\n");
  CHECK(turn() == 0);
  hears(&a, "+OK\r\n$1\r\nv\r\n");
  hears(&b, "+PONG\r\n");
  leave(&a);
  leave(&b);
}

static unsigned held_shards(void) {
  unsigned n = 0;
  for (uint32_t i = 0; i < st.num_shards; i++) n += rd_holds_shard(&st, i);
  return n;
}

static void many_clients_are_answered_in_one_turn(void) {
  enum { CROWD = 100 };
  static peer crowd[CROWD];
  for (int i = 0; i < CROWD; i++) {
    crowd[i] = join((uint64_t)i);
    say(&crowd[i], "INCR crowd\r\n");
  }
  CHECK(turn() == 0);
  for (int i = 0; i < CROWD; i++) {
    char expected[16];
    snprintf(expected, sizeof expected, ":%d\r\n", i + 1);
    hears(&crowd[i], expected);
    leave(&crowd[i]);
  }
  CHECK_INT(held_shards(), 0);
}

static void a_client_that_disconnects_before_its_reply_is_reported_lost(void) {
  peer a = join(1), b = join(2);
  say(&a, "SET k v\r\n");
  say(&b, "GET k\r\n");
  close(a.fd);
  a.fd = -1;
  CHECK(turn() == 0); /* the answer could not be sent */
  hears(&b, "$1\r\nv\r\n");
  CHECK(turn() == 1 && rd_loop_events(l)[0].tag == 1 && what(0) == RD_LOOP_LOST);
  leave(&a);
  leave(&b);
}

static void a_pipeline_may_be_split_anywhere(void) {
  static const char text[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING x\r\n";
  for (size_t cut = 1; cut < sizeof text - 1; cut++) {
    peer p = join(1);
    CHECK(send(p.fd, text, cut, 0) == (ssize_t)cut);
    CHECK(turn() == 0);
    say(&p, text + cut);
    CHECK(turn() == 0);
    hears(&p, "+OK\r\n$4\r\na\r\nb\r\n$1\r\nx\r\n");
    leave(&p);
  }
}

static void a_control_command_is_reported_to_the_owner(void) {
  peer p = join(7);
  say(&p, "SET k v\r\nCLIENT ID\r\nGET k\r\n");
  CHECK(turn() == 1);
  CHECK(rd_loop_events(l)[0].tag == 7 && what(0) == RD_CONTROL);
  hears(&p, "");
  rd_session_answer(p.s, (const uint8_t *)":9\r\n", 4);
  CHECK(rd_loop_resume(l, p.c, st.now_ms) == RD_MORE);
  hears(&p, "+OK\r\n:9\r\n$1\r\nv\r\n");
  leave(&p);
}

static void a_client_waiting_for_an_answer_is_not_read(void) {
  peer p = join(7);
  say(&p, "CLIENT ID\r\n");
  CHECK(turn() == 1);
  CHECK(rd_loop_flush(l, p.c));
  say(&p, "PING\r\n");
  CHECK(turn() == 0); /* reading stops */
  int fd = rd_loop_fd(l);
  struct epoll_event one;
  CHECK(epoll_wait(fd, &one, 1, 0) == 0); /* the loop does not spin */
  rd_session_answer(p.s, (const uint8_t *)":9\r\n", 4);
  CHECK(rd_loop_resume(l, p.c, st.now_ms) == RD_MORE);
  CHECK(turn() == 0);
  hears(&p, ":9\r\n+PONG\r\n");
  leave(&p);
}

static void a_client_that_disconnects_while_it_waits_is_reported_lost_afterwards(void) {
  peer p = join(7);
  say(&p, "CLIENT ID\r\n");
  CHECK(turn() == 1);
  close(p.fd);
  p.fd = -1;
  CHECK(turn() == 0);
  struct epoll_event one;
  CHECK(epoll_wait(rd_loop_fd(l), &one, 1, 0) == 0);
  rd_session_answer(p.s, (const uint8_t *)":9\r\n", 4);
  CHECK(rd_loop_resume(l, p.c, st.now_ms) == RD_MORE);
  CHECK(turn() == 1);
  CHECK(what(0) == RD_LOOP_LOST && rd_loop_events(l)[0].error == EPIPE);
  CHECK(turn() == 0); /* once */
  leave(&p);
}

static void quit_closes_after_its_reply(void) {
  peer p = join(7);
  say(&p, "QUIT\r\nPING\r\n");
  int n = turn();
  CHECK(n == 1);
  if (what(0) == RD_CONTROL) { /* QUIT is answered by the control plane */
    rd_session_state_of(p.s)->close_after_reply = true;
    rd_session_answer(p.s, (const uint8_t *)"+OK\r\n", 5);
    CHECK(rd_loop_resume(l, p.c, st.now_ms) == RD_CLOSE);
  } else {
    CHECK(what(0) == RD_CLOSE);
  }
  hears(&p, "+OK\r\n");
  leave(&p);
}

static void a_protocol_error_closes_after_its_reply(void) {
  peer p = join(7);
  say(&p, "PING\r\n*1\r\n%3\r\n");
  CHECK(turn() == 1);
  CHECK(what(0) == RD_CLOSE);
  hears(&p, "+PONG\r\n-ERR Protocol error: expected '$', got '%'\r\n");
  leave(&p);
}

static void the_end_of_input_is_reported_after_its_commands(void) {
  peer p = join(7);
  say(&p, "PING\r\n");
  CHECK(shutdown(p.fd, SHUT_WR) == 0);
  CHECK(turn() == 0);
  CHECK(turn() == 1);
  CHECK(what(0) == RD_LOOP_END);
  hears(&p, "+PONG\r\n");
  CHECK(turn() == 0);
  leave(&p);
}

static void a_client_that_does_not_read_is_not_served(void) {
  peer a = join(1), b = join(2);
  set_value(&a, "big", 100000);
  for (int i = 0; i < 100; i++) say(&a, "GET big\r\n");
  for (int i = 0; i < 20; i++) CHECK(turn() == 0);
  CHECK(rd_conn_busy(a.c));
  uint64_t held = rd_session_state_of(a.s)->output_bytes;
  CHECK(held > 0 && held < (1u << 18) + 100100); /* output_high and one reply, whatever the client requested */
  say(&b, "PING\r\n");
  CHECK(turn() == 0);
  hears(&b, "+PONG\r\n");
  size_t all = 0;
  for (int i = 0; i < 400 && all < 100 * 100011; i++) {
    all += swallow(&a);
    CHECK(turn() == 0); /* the loop continues by itself */
  }
  CHECK(all == 100 * 100011);
  CHECK(!rd_conn_busy(a.c));
  leave(&a);
  leave(&b);
}

static void the_owner_is_told_when_a_blocked_client_has_read(void) {
  peer p = join(1);
  set_value(&p, "big", 200000);
  say(&p, "CLIENT ID\r\n");
  CHECK(turn() == 1);
  uint8_t *much = calloc(1, 4 * MIB);
  rd_session_push(p.s, much, 4 * MIB);
  free(much);
  CHECK(!rd_loop_flush(l, p.c));
  CHECK(turn() == 0);
  size_t all = 0;
  for (int i = 0; i < 1000; i++) {
    all += swallow(&p);
    if (turn() == 0) continue;
    CHECK(what(0) == RD_LOOP_DRAINED);
    break;
  }
  all += swallow(&p);
  CHECK(all == 4 * MIB);
  rd_session_answer(p.s, (const uint8_t *)":9\r\n", 4);
  CHECK(rd_loop_resume(l, p.c, st.now_ms) == RD_MORE);
  hears(&p, ":9\r\n");
  leave(&p);
}

static void output_is_bounded(void) {
  peer p = join(1);
  set_value(&p, "big", 200000);
  rd_loop_set_output_limit(l, 1000);
  for (int i = 0; i < 10; i++) say(&p, "GET big\r\n");
  int n = 0;
  for (int i = 0; i < 10 && n == 0; i++) n = turn();
  CHECK(n == 1);
  CHECK(what(0) == RD_LOOP_OVER);
  CHECK(turn() == 0);
  rd_loop_set_output_limit(l, 0);
  leave(&p);
}

static void an_endless_pipeline_gets_one_share_of_a_turn(void) {
  peer a = join(1), b = join(2);
  set_value(&a, "big", 30000);
  int much = 8 * MIB;
  setsockopt(a.ours, SOL_SOCKET, SO_SNDBUF, &much, sizeof much);
  rd_limits small = {.batch_size = 16, .output_high = 1000, .query_limit = 1 << 30, .multi_limit = 1 << 20};
  peer c = join_with(3, &small);
  for (int i = 0; i < 6; i++) say(&c, "GET big\r\n");
  say(&b, "PING\r\n");
  CHECK(turn() == 0); /* four replies; the others follow in the next turn */
  CHECK(rd_conn_busy(c.c));
  hears(&b, "+PONG\r\n");
  CHECK(swallow(&c) == 4 * 30010);
  say(&c, "PING\r\n"); /* is not executed before the earlier input */
  CHECK(turn() == 0);
  CHECK(turn() == 0);
  CHECK(!rd_conn_busy(c.c));
  CHECK(swallow(&c) == 2 * 30010 + 7);
  leave(&a);
  leave(&b);
  leave(&c);
}

static void large_values_arrive_in_the_sessions_memory(void) {
  peer p = join(1);
  static const size_t sizes[] = {1, 16300, 16384, 40000, 65536, 1000003, 5 * MIB};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    char text[100];
    set_value(&p, "k", sizes[i]);
    say(&p, "STRLEN k\r\n");
    for (int turns = 0; turns < 3; turns++) CHECK(turn() == 0); /* a long value's memory is returned first */
    snprintf(text, sizeof text, ":%zu\r\n", sizes[i]);
    hears(&p, text);
  }
  leave(&p);
}

static void memory_grows_by_what_arrived(void) {
  peer p = join(1);
  say(&p, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\nabc");
  for (int i = 0; i < 3; i++) CHECK(turn() == 0);
  CHECK(rd_session_state_of(p.s)->query_cap < 200000);
  leave(&p);
}

/* Held clients go on at the pause's end, in the order in which they came; what they send meanwhile is kept. */
static void a_pause_holds_clients_until_its_end(void) {
  peer p = join(1), q = join(2);
  rd_set_pause(&st, 2, st.now_ms + 100);
  say(&q, "APPEND paused q\r\n");
  CHECK(turn() == 0);
  say(&p, "APPEND paused p\r\n");
  CHECK(turn() == 0);
  say(&q, "STRLEN paused\r\n");
  st.now_ms += 99;
  CHECK(turn() == 0);
  CHECK_INT(rd_session_state_of(q.s)->blocked, RD_BLOCKED_PAUSE);
  CHECK_INT(st.blocked_sessions, 2);
  CHECK(rd_loop_resume(l, p.c, st.now_ms) == RD_MORE);
  hears(&p, "");
  st.now_ms += 1;
  for (int i = 0; i < 3; i++) CHECK(turn() == 0);
  hears(&p, ":2\r\n");
  hears(&q, ":1\r\n:1\r\n");
  CHECK_INT(st.blocked_sessions, 0);
  leave(&p);
  leave(&q);
}

/* A pause that is made shorter or ended wakes the clients; one that is made longer holds them longer. */
static void a_changed_pause_wakes_clients(void) {
  peer p = join(1);
  rd_blocked_pause(&st, 2, st.now_ms + 100);
  say(&p, "GET none\r\n");
  CHECK(turn() == 0);
  rd_blocked_pause(&st, 2, st.now_ms + 200);
  st.now_ms += 150;
  for (int i = 0; i < 2; i++) CHECK(turn() == 0);
  hears(&p, "");
  rd_blocked_pause(&st, 0, 0);
  for (int i = 0; i < 2; i++) CHECK(turn() == 0);
  hears(&p, "$-1\r\n");
  rd_set_pause(&st, 2, st.now_ms + 1000); /* by a process that dies before it has told the others */
  say(&p, "GET none\r\n");
  CHECK(turn() == 0);
  rd_blocked_enforce(&st);
  CHECK(!rd_woken_waits(&st));
  rd_set_pause(&st, 0, 0);
  rd_blocked_enforce(&st);
  for (int i = 0; i < 2; i++) CHECK(turn() == 0);
  hears(&p, "$-1\r\n");
  leave(&p);
}

/* The commands of a client that has closed its end, or only the sending half, are executed after the pause. */
static void the_end_of_a_held_client_is_reported_after_the_pause(void) {
  peer p = join(1);
  rd_set_pause(&st, 1, st.now_ms + 100);
  say(&p, "SET held 1\r\n");
  shutdown(p.fd, SHUT_WR);
  for (int i = 0; i < 2; i++) CHECK(turn() == 0);
  st.now_ms += 100;
  int n = 0;
  for (int i = 0; i < 3 && (n = turn()) == 0; i++) continue;
  CHECK(n == 1 && what(0) == RD_LOOP_END);
  hears(&p, "+OK\r\n");
  leave(&p);
}

/* More input than a session may keep ends a held client, too. */
static void a_held_client_may_not_send_without_end(void) {
  peer p = join_with(1, &(rd_limits){.batch_size = 16, .output_high = 1u << 18, .query_limit = 100});
  rd_set_pause(&st, 2, st.now_ms + 100);
  say(&p, "GET none\r\n");
  CHECK(turn() == 0);
  for (int i = 0; i < 9; i++) say(&p, "GET none\r\n");
  CHECK(turn() == 0);
  say(&p, "GET none\r\n");
  CHECK(turn() == 1);
  CHECK(what(0) == RD_CLOSE);
  CHECK_INT(st.blocked_sessions, 0);
  rd_set_pause(&st, 0, 0);
  leave(&p);
}

/* A heap of deadlines gives them in order, whatever was set, changed and taken out before. */
static void deadlines_come_in_order(void) {
  enum { N = 500 };
  static rd_conn conns[N];
  rd_deadlines d = {0};
  CHECK(rd_deadlines_reserve(&d, N));
  uint64_t seed = 7;
  for (int round = 0; round < 20000; round++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    rd_conn *c = &conns[(seed >> 33) % N];
    rd_deadline_set(&d, c, (seed >> 20) % 4 == 0 ? 0 : (seed >> 40) % 1000 + 1);
    if ((seed >> 50) % 64 == 0) rd_deadline_due(&d, (seed >> 40) % 1000);
  }
  uint32_t left = d.count, listed = 0;
  for (int i = 0; i < N; i++) listed += conns[i].heap_at != 0;
  CHECK_INT(listed, left);
  uint64_t last = 0;
  for (rd_conn *c; (c = rd_deadline_due(&d, 2000)) != NULL; left--) {
    CHECK(c->deadline_ns >= last && c->heap_at == 0);
    last = c->deadline_ns;
  }
  CHECK(left == 0 && rd_deadline_first(&d) == UINT64_MAX);
  rd_deadlines_free(&d);
}

static void a_transaction_waiting_for_an_answer_delays_the_others(void) {
  peer a = join(1), b = join(2);
  say(&a, "SET j 1\r\nMULTI\r\nSET k 1\r\nCLIENT NO-TOUCH ON\r\nGET k\r\nEXEC\r\n");
  CHECK(turn() == 1);
  CHECK(what(0) == RD_CONTROL && rd_session_state_of(a.s)->in_exec);
  CHECK_INT(held_shards(), 1); /* the transaction's, and none that the turn has retained */
  say(&b, "GET k\r\n");
  CHECK(turn() == 0);
  CHECK_INT(rd_session_state_of(b.s)->blocked, RD_BLOCKED_TURN);
  rd_session_answer(a.s, (const uint8_t *)":9\r\n", 4);
  CHECK(rd_loop_resume(l, a.c, st.now_ms) == RD_MORE);
  CHECK(turn() == 0);
  hears(&b, "$1\r\n1\r\n");
  CHECK_INT(held_shards(), 0);
  leave(&a);
  leave(&b);
}

static void slow_commands_are_reported_for_their_session(void) {
  st.slowlog = rd_slowlog_new(64, 0);
  peer a = join(1), b = join(2);
  say(&a, "GET k\r\n");
  say(&b, "GET k\r\n");
  for (int i = 0; i < 2; i++) { /* the turn ends with the first */
    CHECK(turn() == 1);
    CHECK(what(0) == RD_LOOP_SLOW);
    const rd_slow_entry *entry = rd_slowlog_take(st.slowlog);
    CHECK(entry != NULL && entry->session == (rd_loop_events(l)[0].tag == 1 ? a.s : b.s));
    CHECK(rd_slowlog_take(st.slowlog) == NULL);
  }
  leave(&a);
  leave(&b);
  rd_slowlog_free(st.slowlog);
  st.slowlog = NULL;
}

static uint64_t signals(int fd) {
  uint64_t count = 0;
  return read(fd, &count, sizeof count) == (ssize_t)sizeof count ? count : 0;
}

/* Another process executes a command while this one waits in its loop. */
static void lines_of_another_process_end_a_turn(void) {
  peer a = join(1);
  static uint8_t lines[4096];
  char err[200];
  rd_store other;
  int wakers[RD_MAX_WORKERS] = {eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK)};
  CHECK(rd_attach(&other, arena, err, sizeof err) == 0 && rd_worker_join(&other, 1) == 1);
  rd_ring_set_wakers(&other, wakers);
  CHECK(rd_loop_read_ring(l, &st, wakers[0]));
  rd_session_monitor(a.s, true);
  CHECK(rd_ring_put(&other, 0, RD_RECORD_MONITOR, "+1 \"A\"\r\n", 8) == RD_SENT);
  CHECK(rd_ring_put(&other, 0, (rd_record_kind)77, "?", 1) == RD_SENT); /* of an unknown kind */
  CHECK(rd_loop_turn(l, 60000, st.now_ms) == 1);
  CHECK(rd_loop_events(l)[0].tag == 0 && what(0) == RD_LOOP_MONITORED);
  CHECK_TEXT(lines, rd_monitor_take(&st, lines, sizeof lines), "+1 \"A\"\r\n");
  CHECK(!rd_ring_waits(&st));
  CHECK(rd_ring_put(&other, 0, RD_RECORD_MONITOR, "+2 \"B\"\r\n", 8) == RD_SENT);
  CHECK(signals(wakers[0]) == 0); /* it is awake, and reads the ring */
  CHECK(rd_loop_turn(l, 60000, st.now_ms) == 1);
  CHECK_TEXT(lines, rd_monitor_take(&st, lines, sizeof lines), "+2 \"B\"\r\n");
  CHECK(rd_loop_turn(l, 1, st.now_ms) == 0); /* it has slept */
  CHECK(rd_ring_put(&other, 0, RD_RECORD_MONITOR, "+3 \"C\"\r\n", 8) == RD_SENT);
  CHECK(signals(wakers[0]) == 1);
  CHECK(turn() == 1); /* it reads the ring, although the signal is consumed */
  CHECK_TEXT(lines, rd_monitor_take(&st, lines, sizeof lines), "+3 \"C\"\r\n");
  rd_session_monitor(a.s, false);
  CHECK(rd_ring_put(&other, 0, RD_RECORD_MONITOR, "+4 \"D\"\r\n", 8) == RD_SENT);
  CHECK(rd_loop_turn(l, 1, st.now_ms) == 0); /* no client of this worker monitors */
  CHECK(!rd_ring_waits(&st));
  rd_worker_leave(&other);
  rd_detach(&other);
  leave(&a);
  rd_worker_leave(&st); /* its ring belongs to another process */
  CHECK(rd_loop_turn(l, 1, st.now_ms) == 0);
  CHECK(rd_worker_join(&st, 0) == 0);
  for (unsigned i = 0; i < 2; i++) close(wakers[i]);
}

/* A worker without monitoring clients reports nothing to its owner, and sends its lines to the other worker. Lines
 * without room follow later. */
static void a_turn_sends_lines_to_other_processes(void) {
  peer a = join(1);
  char err[200];
  rd_store other;
  rd_record r;
  static uint8_t large[RD_RING_LARGEST];
  int waker = eventfd(0, EFD_NONBLOCK);
  CHECK(rd_attach(&other, arena, err, sizeof err) == 0 && rd_worker_join(&other, 1) == 1);
  CHECK(rd_loop_read_ring(l, &st, waker));
  rd_monitors_add(&other, 1);
  say(&a, "PING\r\n");
  CHECK(turn() == 0);
  CHECK(rd_ring_read(&other, &r) && r.kind == RD_RECORD_MONITOR && r.from == 0);
  rd_ring_done(&other, &r);
  say(&a, "CLIENT ID\r\n");
  CHECK(turn() == 1 && what(0) == RD_CONTROL);
  rd_session_answer(a.s, (const uint8_t *)":9\r\n", 4);
  CHECK(rd_loop_resume(l, a.c, st.now_ms) == RD_MORE);
  CHECK(rd_ring_read(&other, &r));
  rd_ring_done(&other, &r);
  CHECK(rd_ring_put(&st, 1, RD_RECORD_MONITOR, large, sizeof large) == RD_SENT);
  say(&a, "PING\r\n");
  CHECK(turn() == 0);
  CHECK(st.rings_behind == 1u << 1);
  CHECK(rd_ring_read(&other, &r));
  rd_ring_done(&other, &r);
  CHECK(!rd_ring_waits(&other));
  uint64_t began = rd_monotonic_ns();
  CHECK(rd_loop_turn(l, 50, st.now_ms) == 0); /* it ends early to send the kept lines */
  CHECK(st.rings_behind == 0 && rd_ring_waits(&other));
  CHECK(rd_monotonic_ns() - began >= 40000000);
  rd_monitors_add(&other, -1);
  rd_worker_leave(&other);
  rd_detach(&other);
  leave(&a);
  close(waker);
}

static void lines_of_monitor_end_a_turn(void) {
  peer a = join(1), b = join(2);
  static uint8_t lines[4096];
  say(&a, "PING\r\n");
  CHECK(turn() == 0); /* no client monitors */
  rd_session_monitor(b.s, true);
  say(&a, "PING\r\n");
  CHECK(rd_loop_turn(l, 60000, st.now_ms) == 1);
  CHECK(rd_loop_events(l)[0].tag == 0 && what(0) == RD_LOOP_MONITORED);
  hears(&a, "+PONG\r\n+PONG\r\n");
  CHECK(rd_monitor_take(&st, lines, sizeof lines) != 0);
  CHECK(turn() == 0); /* they are reported once */
  say(&a, "PING\r\nCLIENT ID\r\n");
  say(&b, "PING\r\n");
  CHECK(turn() == 2); /* once for all sessions, after their own events */
  CHECK(what(0) == RD_CONTROL && what(1) == RD_LOOP_MONITORED);
  CHECK(rd_monitor_take(&st, lines, sizeof lines) != 0);
  rd_session_answer(a.s, (const uint8_t *)":9\r\n", 4);
  CHECK(rd_loop_resume(l, a.c, st.now_ms) == (RD_MORE | RD_LOOP_MONITORED));
  CHECK(rd_monitor_take(&st, lines, sizeof lines) != 0);
  hears(&a, "+PONG\r\n:9\r\n");
  rd_session_monitor(b.s, false);
  say(&a, "CLIENT ID\r\n");
  CHECK(turn() == 1 && what(0) == RD_CONTROL);
  rd_session_answer(a.s, (const uint8_t *)":9\r\n", 4);
  CHECK(rd_loop_resume(l, a.c, st.now_ms) == RD_MORE);
  leave(&a);
  leave(&b);
}

static void reading_can_be_paused(void) {
  peer p = join(1);
  rd_loop_pause(l, p.c);
  say(&p, "PING\r\n");
  CHECK(turn() == 0);
  hears(&p, "");
  CHECK(rd_loop_resume(l, p.c, st.now_ms) == RD_MORE);
  CHECK(turn() == 0);
  hears(&p, "+PONG\r\n");
  leave(&p);
}

static void another_descriptor_ends_a_turn(void) {
  int fds[2];
  CHECK(pipe(fds) == 0);
  CHECK(rd_loop_watch(l, fds[0]));
  CHECK(turn() == 0 && !rd_loop_watched(l));
  CHECK(write(fds[1], "x", 1) == 1);
  CHECK(rd_loop_turn(l, -1, st.now_ms) == 0);
  CHECK(rd_loop_watched(l));
  close(fds[0]);
  close(fds[1]);
}

static void a_turn_ends_in_time(void) {
  peer p = join(1);
  say(&p, "PING\r\n");
  CHECK(rd_loop_turn(l, 5, st.now_ms) == 0);
  hears(&p, "+PONG\r\n");
  leave(&p);
}

static void silent_connections_are_found(void) {
  peer a = join(1), b = join(2);
  say(&a, "SET k v\r\n");
  say(&b, "SET k v\r\n");
  CHECK(turn() == 0);
  uint64_t then = st.now_ms;
  st.now_ms += 5000;
  say(&b, "PING\r\n");
  CHECK(turn() == 0);
  bool more = true;
  CHECK(rd_session_state_of(a.s)->output_cap > 0);
  CHECK(rd_loop_scan(l, (then + 1000) * 1000, 0, &more) == 0 && !more);
  CHECK(rd_session_state_of(a.s)->output_cap == 0 && rd_session_state_of(b.s)->output_cap > 0);
  CHECK(rd_loop_scan(l, then * 1000, then * 1000 - 1, &more) == 0);
  CHECK(rd_loop_scan(l, then * 1000, then * 1000, &more) == 1);
  CHECK(rd_loop_events(l)[0].tag == 1 && what(0) == RD_LOOP_SILENT);
  leave(&a);
  leave(&b);
}

static void the_busiest_connections_are_found(void) {
  peer p[4];
  rd_work work[2];
  for (uint64_t i = 0; i < 4; i++) p[i] = join(i);
  for (int i = 0; i < 4; i++) {
    for (int n = 0; n <= (i ^ 1); n++) say(&p[i], "PING\r\n");
  }
  CHECK(turn() == 0);
  CHECK(rd_loop_busiest(l, work, 2) == 2);
  CHECK(work[0].tag == 2 && work[0].commands == 4 && work[1].tag == 3 && work[1].commands == 3);
  CHECK(work[0].bytes == 4 * (6 + 7));
  CHECK(rd_loop_busiest(l, work, 2) == 0); /* since the last call */
  for (int i = 0; i < 4; i++) leave(&p[i]);
}

static void a_thousand_connections_are_served(void) {
  enum { MANY = 1000 };
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  peer *p = calloc(MANY, sizeof *p);
  for (int i = 0; i < MANY; i++) p[i] = join((uint64_t)i);
  for (int i = 0; i < MANY; i++) say(&p[i], "INCR n\r\n");
  CHECK(turn() == 0); /* one turn serves them all */
  size_t all = 0;
  for (int i = 0; i < MANY; i++) all += swallow(&p[i]);
  CHECK(all == 9 * 4 + 90 * 5 + 900 * 6 + 7);
  for (int i = 0; i < MANY; i += 2) leave(&p[i]);
  for (int i = 1; i < MANY; i += 2) say(&p[i], "PING\r\n");
  CHECK(turn() == 0);
  for (int i = 1; i < MANY; i += 2) {
    hears(&p[i], "+PONG\r\n");
    leave(&p[i]);
  }
  free(p);
}

static void activity_is_measured_by_the_monotonic_clock(void) {
  uint64_t before = rd_monotonic_ns() / 1000u;
  peer a = join(1);
  CHECK(rd_conn_active_us(a.c) == st.now_ms * 1000u);
  say(&a, "PING\r\n");
  CHECK(rd_loop_turn(l, 0, 0) == 0);
  hears(&a, "+PONG\r\n");
  CHECK(rd_conn_active_us(a.c) >= before && rd_conn_active_us(a.c) <= rd_monotonic_ns() / 1000u);
  leave(&a);
}

static void a_loop_behind_the_configuration_serves_no_client(void) {
  peer a = join(1), b = join(2);
  say(&a, "PING\r\n");
  rd_announce(&st, rd_announced(&st) + 1);
  CHECK(turn() == 0 && rd_loop_watched(l) && rd_loop_behind(l));
  hears(&a, "");
  /* The same when its owner resumes a client, which is served in a later turn. */
  say(&b, "CLIENT ID\r\n");
  rd_caught_up(&st, rd_announced(&st));
  CHECK(turn() == 1 && what(0) == RD_CONTROL && !rd_loop_behind(l));
  hears(&a, "+PONG\r\n");
  say(&b, "PING\r\n");
  rd_session_answer(b.s, (const uint8_t *)":2\r\n", 4);
  rd_announce(&st, rd_announced(&st) + 2);
  CHECK(rd_loop_resume(l, b.c, st.now_ms) == RD_MORE && rd_conn_busy(b.c));
  CHECK(turn() == 0 && rd_loop_watched(l));
  hears(&b, "");
  rd_caught_up(&st, rd_announced(&st));
  CHECK(turn() == 0);
  CHECK(turn() == 0);
  hears(&b, ":2\r\n+PONG\r\n");
  /* A configuration that this process has applied before the announcement is no reason to wait. */
  rd_caught_up(&st, rd_announced(&st) + 1);
  say(&a, "PING\r\n");
  CHECK(turn() == 0 && !rd_loop_watched(l));
  hears(&a, "+PONG\r\n");
  rd_announce(&st, rd_announced(&st) + 1);
  leave(&a);
  leave(&b);
}

static void a_loop_behind_the_configuration_finishes_its_transaction(void) {
  peer a = join(1), b = join(2);
  say(&a, "MULTI\r\nSET k v\r\nCLIENT NO-TOUCH ON\r\nGET k\r\nEXEC\r\n");
  CHECK(turn() == 1 && what(0) == RD_CONTROL);
  say(&b, "GET k\r\n");
  rd_announce(&st, rd_announced(&st) + 1);
  rd_session_answer(a.s, (const uint8_t *)":1\r\n", 4);
  CHECK(rd_loop_resume(l, a.c, st.now_ms) == RD_MORE && !rd_conn_busy(a.c));
  hears(&a, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n:1\r\n$1\r\nv\r\n");
  CHECK(turn() == 0);
  hears(&b, "");
  rd_caught_up(&st, rd_announced(&st));
  CHECK(turn() == 0);
  hears(&b, "$1\r\nv\r\n");
  leave(&a);
  leave(&b);
}

/* ---- connections that take long ---- */

static uint64_t looks;
/* Ten readings of this clock are a slice, and each adds more time than makes a client heavy. */
static uint64_t dawdling(void) {
  for (uint64_t began = rd_monotonic_ns(); rd_monotonic_ns() - began < 1200000;) continue;
  return looks += RD_SLICE_NS / 10;
}

static const char *counting(unsigned times) {
  static char text[2000];
  text[0] = 0;
  while (times-- > 0) strcat(text, "BITCOUNT k\r\n");
  return text;
}

static uint64_t served(const peer *p) { return rd_session_state_of(p->s)->commands; }

static void heavy_connections_share_a_part_of_each_turn(void) {
  peer heavy[3] = {join(1), join(2), join(3)}, light = join(9);
  rd_clock *clock = st.clock;
  for (int i = 0; i < 3; i++) say(&heavy[i], counting(60));
  st.clock = dawdling;
  CHECK(turn() == 0);
  for (int i = 0; i < 3; i++) CHECK(served(&heavy[i]) > 0 && served(&heavy[i]) < 30);
  for (int round = 0; round < 6; round++) {
    uint64_t before[3];
    for (int i = 0; i < 3; i++) before[i] = served(&heavy[i]);
    say(&light, "PING\r\n");
    uint64_t began = looks;
    CHECK(turn() == 0);
    hears(&light, "+PONG\r\n");
    CHECK(looks - began < 2 * RD_SLICE_NS); /* one heavy client, and the light ones */
    for (int i = 0; i < 3; i++) CHECK_INT(served(&heavy[i]) > before[i], i == round % 3);
  }
  st.clock = clock;
  for (int i = 0; i < 100; i++) turn();
  for (int i = 0; i < 3; i++) {
    CHECK_INT(served(&heavy[i]), 60);
    leave(&heavy[i]);
  }
  leave(&light);
}

static void a_connection_that_took_long_is_served_after_the_others(void) {
  peer heavy = join(1), light = join(2);
  rd_clock *clock = st.clock;
  say(&heavy, counting(20));
  st.clock = dawdling;
  for (int i = 0; i < 100 && served(&heavy) < 20; i++) CHECK(turn() == 0);
  st.clock = clock;
  swallow(&heavy);
  say(&heavy, "INCR order\r\n");
  say(&light, "INCR order\r\n");
  CHECK(turn() == 0);
  hears(&light, ":1\r\n");
  hears(&heavy, "");
  CHECK(turn() == 0);
  hears(&heavy, ":2\r\n");
  say(&heavy, "INCR order\r\n"); /* this took no time: it is served like the others again */
  CHECK(turn() == 0);
  hears(&heavy, ":3\r\n");
  leave(&heavy);
  leave(&light);
}

#define NEWS(text) "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\n" text "\r\n"

static void a_part_of_the_subscribers_is_sent_to_in_each_turn(void) {
  enum { SUBSCRIBERS = 40 };
  peer p[SUBSCRIBERS], publisher = join(0);
  for (int i = 0; i < SUBSCRIBERS; i++) {
    p[i] = join((uint64_t)i + 1);
    say(&p[i], "SUBSCRIBE c\r\n");
    turn();
    swallow(&p[i]);
  }
  say(&publisher, "PUBLISH c 1\r\n");
  turn();
  for (int i = 0; i < SUBSCRIBERS; i++) hears(&p[i], i < 16 ? NEWS("1") : "");
  hears(&publisher, ":40\r\n");
  say(&publisher, "PUBLISH c 2\r\n"); /* those who wait get both at once; they come first */
  turn();
  for (int i = 0; i < SUBSCRIBERS; i++) hears(&p[i], i >= 16 && i < 32 ? NEWS("1") NEWS("2") : "");
  say(&p[39], "PING x\r\n"); /* its reply comes behind the messages */
  turn();
  for (int i = 0; i < SUBSCRIBERS - 1; i++) hears(&p[i], i >= 32 ? NEWS("1") NEWS("2") : i < 8 ? NEWS("2") : "");
  hears(&p[39], NEWS("1") NEWS("2") "*2\r\n$4\r\npong\r\n$1\r\nx\r\n");
  turn();
  for (int i = 0; i < SUBSCRIBERS; i++) hears(&p[i], i >= 8 && i < 16 ? NEWS("2") : "");
  char large[20001];
  memset(large, 'x', 20000);
  large[20000] = 0;
  say(&publisher, "PUBLISH c '");
  say(&publisher, large);
  say(&publisher, "'\r\n");
  for (int i = 0; i < 4 && turn() == 0; i++) continue;
  for (int i = 0; i < SUBSCRIBERS; i++) CHECK(swallow(&p[i]) > 20000); /* nothing is saved by waiting */
  leave(&publisher);
  for (int i = 0; i < SUBSCRIBERS; i++) leave(&p[i]);
}

int main(void) {
  open_all();
  RUN(commands_are_answered_without_the_owner);
  RUN(a_pipeline_may_be_split_anywhere);
  RUN(many_clients_are_answered_in_one_turn);
  RUN(a_client_that_disconnects_before_its_reply_is_reported_lost);
  RUN(a_control_command_is_reported_to_the_owner);
  RUN(a_client_waiting_for_an_answer_is_not_read);
  RUN(a_client_that_disconnects_while_it_waits_is_reported_lost_afterwards);
  RUN(quit_closes_after_its_reply);
  RUN(a_protocol_error_closes_after_its_reply);
  RUN(the_end_of_input_is_reported_after_its_commands);
  RUN(a_client_that_does_not_read_is_not_served);
  RUN(the_owner_is_told_when_a_blocked_client_has_read);
  RUN(output_is_bounded);
  RUN(an_endless_pipeline_gets_one_share_of_a_turn);
  RUN(large_values_arrive_in_the_sessions_memory);
  RUN(memory_grows_by_what_arrived);
  RUN(a_pause_holds_clients_until_its_end);
  RUN(a_changed_pause_wakes_clients);
  RUN(the_end_of_a_held_client_is_reported_after_the_pause);
  RUN(a_held_client_may_not_send_without_end);
  RUN(deadlines_come_in_order);
  RUN(a_transaction_waiting_for_an_answer_delays_the_others);
  RUN(slow_commands_are_reported_for_their_session);
  RUN(lines_of_another_process_end_a_turn);
  RUN(a_turn_sends_lines_to_other_processes);
  RUN(lines_of_monitor_end_a_turn);
  RUN(reading_can_be_paused);
  RUN(another_descriptor_ends_a_turn);
  RUN(a_turn_ends_in_time);
  RUN(silent_connections_are_found);
  RUN(the_busiest_connections_are_found);
  RUN(activity_is_measured_by_the_monotonic_clock);
  RUN(a_loop_behind_the_configuration_serves_no_client);
  RUN(a_loop_behind_the_configuration_finishes_its_transaction);
  RUN(a_thousand_connections_are_served);
  RUN(heavy_connections_share_a_part_of_each_turn);
  RUN(a_connection_that_took_long_is_served_after_the_others);
  RUN(a_part_of_the_subscribers_is_sent_to_in_each_turn);
  close_all();
  return check_end();
}
