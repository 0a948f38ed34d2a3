/* floor.c - the cost of the system calls for one small command: a server that answers any input with one fixed reply,
 * either as core/net/loop.c does it (epoll, recv, send) or through io_uring.
 *
 *     floor epoll|uring PORT        on 127.0.0.1, until it is killed
 *
 * io_uring as it does best here: one issuer, task work deferred to the wait, multishot accept and receive into a ring
 * of buffers, the sends of a round submitted with the wait for the next. It is left out without liburing's headers. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#if __has_include(<liburing.h>)
#include <liburing.h>
#define URING
#endif

static const char reply[] = "$32\r\n0123456789abcdef0123456789abcdef\r\n";
enum { REPLY = sizeof reply - 1, EVENTS = 256, ENTRIES = 4096, BUFFERS = 1024, BUFFER = 2048, GROUP = 1 };
enum { ACCEPT, RECEIVE, SEND };

static void check(long result, const char *what) {
  if (result >= 0) return;
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno ? errno : (int)-result));
  exit(1);
}

static void serve_epoll(int listener) {
  int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[EVENTS];
  char buffer[16384];
  check(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event), "epoll_ctl");
  for (;;) {
    int n = epoll_wait(epoll, ready, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      int fd = ready[i].data.fd;
      if (fd == listener) {
        event.data.fd = accept(listener, NULL, NULL);
        check(event.data.fd, "accept");
        int on = 1;
        setsockopt(event.data.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        check(epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event), "epoll_ctl");
      } else if (recv(fd, buffer, sizeof buffer, 0) <= 0) {
        close(fd);
      } else {
        send(fd, reply, REPLY, MSG_NOSIGNAL);
      }
    }
  }
}

#ifdef URING
static struct io_uring_sqe *next(struct io_uring *ring) {
  struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
  if (sqe == NULL) {
    io_uring_submit(ring);
    sqe = io_uring_get_sqe(ring);
  }
  if (sqe == NULL) exit(1);
  return sqe;
}

static void mark(struct io_uring_sqe *sqe, int fd, int what) {
  io_uring_sqe_set_data64(sqe, (uint64_t)fd << 2 | (uint64_t)what);
}

static void receive(struct io_uring *ring, int fd) {
  struct io_uring_sqe *sqe = next(ring);
  io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = GROUP;
  mark(sqe, fd, RECEIVE);
}

static void serve_uring(int listener) {
  struct io_uring ring;
  struct io_uring_params params = {
      .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
      .cq_entries = 4 * ENTRIES};
  check(io_uring_queue_init_params(ENTRIES, &ring, &params), "io_uring_queue_init");
  struct io_uring_buf_ring *buffers = NULL;
  check(posix_memalign((void **)&buffers, 4096, BUFFERS * sizeof(struct io_uring_buf)) ? -1 : 0, "posix_memalign");
  struct io_uring_buf_reg group = {.ring_addr = (uint64_t)(uintptr_t)buffers, .ring_entries = BUFFERS, .bgid = GROUP};
  check(io_uring_register_buf_ring(&ring, &group, 0), "io_uring_register_buf_ring");
  io_uring_buf_ring_init(buffers);
  static char memory[BUFFERS][BUFFER];
  int mask = io_uring_buf_ring_mask(BUFFERS);
  for (int i = 0; i < BUFFERS; i++) io_uring_buf_ring_add(buffers, memory[i], BUFFER, (unsigned short)i, mask, i);
  io_uring_buf_ring_advance(buffers, BUFFERS);
  struct io_uring_sqe *sqe = next(&ring);
  io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, 0);
  mark(sqe, listener, ACCEPT);
  for (;;) {
    check(io_uring_submit_and_wait(&ring, 1), "io_uring_enter");
    unsigned head, seen = 0;
    struct io_uring_cqe *cqe;
    io_uring_for_each_cqe(&ring, head, cqe) {
      seen++;
      uint64_t data = io_uring_cqe_get_data64(cqe);
      int fd = (int)(data >> 2);
      if ((data & 3) == ACCEPT) {
        check(cqe->res, "accept");
        int on = 1;
        setsockopt(cqe->res, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        receive(&ring, cqe->res);
      } else if ((data & 3) == RECEIVE) {
        if (cqe->flags & IORING_CQE_F_BUFFER) {
          int id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
          io_uring_buf_ring_add(buffers, memory[id], BUFFER, (unsigned short)id, mask, 0);
          io_uring_buf_ring_advance(buffers, 1);
        }
        if (cqe->res > 0) {
          sqe = next(&ring);
          io_uring_prep_send(sqe, fd, reply, REPLY, MSG_NOSIGNAL);
          sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
          mark(sqe, fd, SEND);
          if (!(cqe->flags & IORING_CQE_F_MORE)) receive(&ring, fd);
        } else if (cqe->res == -ENOBUFS) {
          receive(&ring, fd);
        } else {
          close(fd);
        }
      }
    }
    io_uring_cq_advance(&ring, seen);
  }
}

#endif

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  check(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
  check(listen(listener, 511), "listen");
#ifdef URING
  if (strcmp(argv[1], "uring") == 0) serve_uring(listener);
#endif
  if (strcmp(argv[1], "epoll") == 0) serve_epoll(listener);
  return 2;
}
