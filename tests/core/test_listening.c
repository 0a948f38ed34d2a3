/* test_listening.c - the loop's listening sockets: accepted and refused connections, and their order. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include "arena/worker.h"
#include "loop_rig.h"

typedef struct listener {
  int fd;
  rd_accept_limits limits;
  rd_conn *c;
} listener;

static struct sockaddr_in address_of(const listener *e) {
  struct sockaddr_in place;
  socklen_t len = sizeof place;
  CHECK(getsockname(e->fd, (struct sockaddr *)&place, &len) == 0);
  return place;
}

static void listen_as(listener *e, uint64_t tag) {
  struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  *e = (listener){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), .limits = {.st = &st}};
  e->limits.words[RD_LIMIT_OPEN] = "-ERR full\r\n";
  CHECK(bind(e->fd, (struct sockaddr *)&place, sizeof place) == 0 && listen(e->fd, 16) == 0);
  e->c = rd_loop_listen(l, e->fd, tag, &e->limits);
  CHECK(e->c != NULL);
}

static void stop_listening(listener *e) {
  rd_loop_remove(l, e->c);
  close(e->fd);
}

/* A client connects, and sends something without waiting. */
static int connect_to(const listener *e, const char *text) {
  struct sockaddr_in place = address_of(e);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(connect(fd, (struct sockaddr *)&place, sizeof place) == 0);
  CHECK(send(fd, text, strlen(text), 0) == (ssize_t)strlen(text));
  return fd;
}

static void expect_end(int fd, const char *expected) {
  char text[100];
  ssize_t n = recv(fd, text, sizeof text, MSG_WAITALL);
  CHECK_TEXT(text, n < 0 ? 0 : (size_t)n, expected);
  close(fd);
}

static void an_accepted_connection_is_passed_to_the_owner(void) {
  listener e;
  listen_as(&e, 7);
  int client = connect_to(&e, "PING\r\n"), other = connect_to(&e, "");
  CHECK(turn() == 1 && what(0) == RD_LOOP_ACCEPTED && rd_loop_events(l)[0].tag == 7);
  int ours = rd_loop_events(l)[0].error;
  char text[10];
  CHECK(recv(ours, text, sizeof text, 0) == 6);
  CHECK(recv(ours, text, sizeof text, 0) == -1 && errno == EAGAIN); /* it does not block */
  CHECK(turn() == 1 && what(0) == RD_LOOP_ACCEPTED);                /* one client a turn */
  close(rd_loop_events(l)[0].error);
  CHECK(turn() == 0);
  close(ours);
  close(client);
  close(other);
  stop_listening(&e);
}

static void a_connection_beyond_a_limit_is_refused(void) {
  listener e;
  listen_as(&e, 7);
  e.limits.open = 1;
  rd_open_enter(&st, true, 0, 0);
  uint64_t before = rd_my_counters(&st)->value[RD_STAT_rejected_maximum];
  int client = connect_to(&e, ""), hasty = connect_to(&e, "*1\r\n$4\r\nPING\r\n");
  CHECK(turn() == 0 && turn() == 0);
  expect_end(client, "-ERR full\r\n");
  expect_end(hasty, "-ERR full\r\n"); /* although its input was not read */
  static const uint8_t here[16] = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1};
  CHECK(e.limits.refused[RD_LIMIT_OPEN] == 2 && memcmp(e.limits.last[RD_LIMIT_OPEN], here, 16) == 0);
  CHECK(rd_my_counters(&st)->value[RD_STAT_rejected_maximum] == before + 2);
  e.limits.words[RD_LIMIT_OPEN] = NULL;
  client = connect_to(&e, "");
  CHECK(turn() == 0);
  expect_end(client, "");
  rd_open_leave(&st, true);
  client = connect_to(&e, "");
  CHECK(turn() == 1 && what(0) == RD_LOOP_ACCEPTED);
  close(rd_loop_events(l)[0].error);
  close(client);
  stop_listening(&e);
}

static void open_connections_are_served_before_new_ones(void) {
  listener e;
  listen_as(&e, 7);
  peer p = join(1);
  int client = connect_to(&e, "");
  say(&p, "NOPE\r\n");
  CHECK(turn() == 2 && rd_loop_events(l)[0].tag == 1 && rd_loop_events(l)[1].tag == 7);
  close(rd_loop_events(l)[1].error);
  close(client);
  leave(&p);
  stop_listening(&e);
}

static void the_owner_is_told_of_a_failed_accept(void) {
  listener e;
  listen_as(&e, 7);
  int client = connect_to(&e, "");
  struct rlimit was, none;
  CHECK(getrlimit(RLIMIT_NOFILE, &was) == 0);
  none = (struct rlimit){(rlim_t)client, was.rlim_max}; /* no descriptor is free */
  CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
  int events = turn();
  CHECK(setrlimit(RLIMIT_NOFILE, &was) == 0);
  CHECK(events == 1 && what(0) == RD_LOOP_ACCEPTED && rd_loop_events(l)[0].error == -1);
  close(client);
  stop_listening(&e);
}

static void a_listener_can_be_removed(void) {
  listener first, second, third;
  listen_as(&first, 7);
  listen_as(&second, 8);
  listen_as(&third, 9);
  stop_listening(&second);
  int client = connect_to(&first, ""), other = connect_to(&third, "");
  CHECK(turn() == 2); /* the list no longer has the second one */
  for (int i = 0; i < 2; i++) close(rd_loop_events(l)[i].error);
  stop_listening(&third);
  stop_listening(&first);
  close(client);
  close(other);
  CHECK(turn() == 0);
}

int main(void) {
  open_all();
  RUN(an_accepted_connection_is_passed_to_the_owner);
  RUN(a_connection_beyond_a_limit_is_refused);
  RUN(open_connections_are_served_before_new_ones);
  RUN(the_owner_is_told_of_a_failed_accept);
  RUN(a_listener_can_be_removed);
  close_all();
  return check_end();
}
