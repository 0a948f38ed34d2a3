/* pubsub_fixture.h - clients that subscribe, and a second worker, for the tests of publish/subscribe. */
#ifndef PUBSUB_FIXTURE_H
#define PUBSUB_FIXTURE_H
#include "session_fixture.h"

/* The output of a client since the last call. */
static inline const char *said(rig_client *c) {
  static char text[1 << 20];
  rig_write(c);
  size_t n = c->len < sizeof text - 1 ? c->len : sizeof text - 1;
  if (n != 0) memcpy(text, c->out, n);
  text[n] = 0;
  c->len = 0;
  return text;
}

/* What the client gets when it sends this. */
static inline const char *tell(rig_client *c, const char *text) {
  rig_say(c, text);
  return said(c);
}

#define IS(got, wanted)                       \
  do {                                        \
    const char *got_ = (got);                 \
    CHECK_TEXT(got_, strlen(got_), (wanted)); \
  } while (0)

#define SUBSCRIBED(name, n) "*3\r\n$9\r\nsubscribe\r\n$1\r\n" name "\r\n:" n "\r\n"
#define UNSUBSCRIBED(name, n) "*3\r\n$11\r\nunsubscribe\r\n$1\r\n" name "\r\n:" n "\r\n"
#define MESSAGE(name, text) "*3\r\n$7\r\nmessage\r\n$1\r\n" name "\r\n$1\r\n" text "\r\n"
#define ONLY(name)                                                                  \
  "-ERR Can't execute '" name                                                       \
  "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in " \
  "this context\r\n"

static inline rig_client client(void) { return rig_client_new(&st, NULL); }

static rd_store second; /* another worker's view, in this process */

static inline void open_second(void) {
  char err[200];
  CHECK_INT(rd_attach(&second, fd, err, sizeof err), 0);
  CHECK_INT(rd_worker_join(&second, 1), 1);
  second.now_ms = st.now_ms;
  second.clock = rig_clock;
}

static inline void close_second(void) {
  rd_worker_leave(&second);
  rd_detach(&second);
}

#endif
