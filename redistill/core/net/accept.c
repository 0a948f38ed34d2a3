/* accept.c - clients that come: let up to the owner, or turned away. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "arena/worker.h"
#include "base/clock.h"
#include "net/conn.h"

/* The address of a peer as admission.h has it; false: there is none. */
static bool address_of(const struct sockaddr_storage *peer, uint8_t address[16]) {
  if (peer->ss_family == AF_INET6) {
    memcpy(address, &((const struct sockaddr_in6 *)peer)->sin6_addr, 16);
  } else {
    memset(address, 0, 16);
    if (peer->ss_family != AF_INET) return false;
    address[10] = address[11] = 0xff;
    memcpy(address + 12, &((const struct sockaddr_in *)peer)->sin_addr, 4);
  }
  return true;
}

/* With MSG_MORE the words go out together with the end, in one segment: half of what the kernel has to do. A peer that
 * has sent something already gets them, too, which a mere close would replace by a reset. */
static void turn_away(rd_gate *g, int fd, rd_limit limit, const uint8_t address[16]) {
  static const rd_stat counted_as[RD_LIMIT_COUNT] = {[RD_LIMIT_RATE] = RD_STAT_rejected_rate,
                                                     [RD_LIMIT_OPEN] = RD_STAT_rejected_maximum,
                                                     [RD_LIMIT_ADDRESS] = RD_STAT_rejected_address};
  const char *words = g->words[limit];
  if (words != NULL && send(fd, words, strlen(words), MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE) > 0)
    shutdown(fd, SHUT_WR);
  close(fd);
  g->refused[limit]++;
  memcpy(g->last[limit], address, 16);
  rd_count_add(g->st, RD_STAT_connections_received, 1);
  rd_count_add(g->st, RD_STAT_rejected_connections, 1);
  rd_count_add(g->st, counted_as[limit], 1);
}

void rd_loop_accept(rd_loop *l, rd_conn *c) {
  struct sockaddr_storage peer = {0};
  socklen_t len = sizeof peer;
  int fd = accept4(c->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ECONNABORTED) return;
  } else {
    uint8_t address[16];
    bool has_address = address_of(&peer, address);
    rd_limit limit = rd_gate_limit(c->gate, has_address ? address : NULL, rd_monotonic_ns());
    if (limit != RD_LIMIT_NONE) {
      turn_away(c->gate, fd, limit, address);
      return;
    }
  }
  l->events[l->event_count++] = (rd_event){c->tag, RD_LOOP_ACCEPTED, fd};
}

rd_conn *rd_loop_listen(rd_loop *l, int fd, uint64_t tag, rd_gate *gate) {
  rd_conn *c = calloc(1, sizeof *c);
  if (c == NULL) return NULL;
  *c = (rd_conn){.fd = fd, .tag = tag, .state = LISTENS, .armed = EPOLLIN, .gate = gate, .next = l->listening};
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
    free(c);
    return NULL;
  }
  if (c->next != NULL) c->next->before = c;
  l->listening = c;
  return c;
}
