/* accept.c - accepts connections at listening sockets. It closes those that exceed a limit, and gives the others to the
 * owner. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "arena/worker.h"
#include "base/clock.h"
#include "net/conn.h"

/* The peer's address in the form of admission.h; false: it has none. */
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

/* Send the error line, and close the connection. With MSG_MORE the line goes out together with the end, in one segment:
 * half of the kernel's work. A peer that has sent something already gets the line, too, which a mere close would
 * replace by a reset. */
static void close_refused(int fd, const char *words) {
  if (words != NULL && send(fd, words, strlen(words), MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE) > 0)
    shutdown(fd, SHUT_WR);
  close(fd);
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
    rd_limit limit = rd_refuse_early(c->limits, has_address ? address : NULL, rd_monotonic_ns());
    if (limit != RD_LIMIT_NONE) {
      close_refused(fd, c->limits->words[limit]);
      return;
    }
  }
  l->events[l->event_count++] = (rd_event){c->tag, RD_LOOP_ACCEPTED, fd};
}

rd_conn *rd_loop_listen(rd_loop *l, int fd, uint64_t tag, rd_accept_limits *limits) {
  rd_conn *c = calloc(1, sizeof *c);
  if (c == NULL) return NULL;
  *c = (rd_conn){.fd = fd, .tag = tag, .state = LISTENS, .armed = EPOLLIN, .limits = limits, .next = l->listening};
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
    free(c);
    return NULL;
  }
  if (c->next != NULL) c->next->before = c;
  l->listening = c;
  return c;
}
