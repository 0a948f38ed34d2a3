/* loop_rig.h - a store, a loop, and clients over socket pairs, for the tests of the loop. */
#ifndef RD_TEST_LOOP_RIG_H
#define RD_TEST_LOOP_RIG_H

#include <sys/socket.h>

#include "net/loop.h"
#include "rig.h"
#include "session/blocked.h"

enum { MIB = 1 << 20 };

static rd_store st;
static int arena;
static rd_loop *l;

typedef struct peer {
  int fd; /* the client's end */
  int ours;
  rd_session *s;
  rd_conn *c;
} peer;

static inline void open_all(void) {
  arena = rig_open(&st, 64 * MIB, 4, RD_ALLKEYS_LRU);
  l = rd_loop_new(16384);
}

static inline peer join_with(uint64_t tag, const rd_limits *limits) {
  static const rd_limits usual = {
      .batch_size = 16, .output_high = 1u << 18, .query_limit = 1ull << 30, .multi_limit = 1ull << 20};
  int fds[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
  peer p = {fds[0], fds[1], rd_session_new(&st, limits != NULL ? limits : &usual), NULL};
  rd_session_state_of(p.s)->authenticated = true;
  p.c = rd_loop_add(l, p.ours, p.s, tag, NULL, st.now_ms);
  CHECK(p.c != NULL);
  return p;
}

static inline peer join(uint64_t tag) { return join_with(tag, NULL); }

static inline void leave(peer *p) {
  rd_loop_remove(l, p->c);
  rd_session_free(p->s);
  close(p->ours);
  if (p->fd >= 0) close(p->fd);
}

static inline void close_all(void) {
  rd_loop_free(l);
  rig_close(&st, arena);
}

static inline void say(peer *p, const char *text) {
  CHECK(send(p->fd, text, strlen(text), 0) == (ssize_t)strlen(text));
}

static inline int turn(void) { return rd_loop_turn(l, 0, st.now_ms); }
static inline uint32_t what(int i) { return rd_loop_events(l)[i].what; }

/* The bytes that the client has received. */
static inline void hears(peer *p, const char *expected) {
  char text[4096];
  ssize_t n = recv(p->fd, text, sizeof text, 0);
  CHECK_TEXT(text, n < 0 ? 0 : (size_t)n, expected);
}

static inline size_t swallow(peer *p) {
  static char bytes[65536];
  size_t all = 0;
  for (ssize_t n; (n = recv(p->fd, bytes, sizeof bytes, 0)) > 0;) all += (size_t)n;
  return all;
}

#endif
