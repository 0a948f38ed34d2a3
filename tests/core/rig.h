/* rig.h - a store in a memfd, and clients that use it through sessions. Its control plane is a stub: it executes AUTH
 * pw, HELLO 2|3, RESET and CLIENT REPLY as far as the session needs it, answers unknown commands with Redis's error,
 * and all others with their own name. */
#ifndef RD_RIG_H
#define RD_RIG_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena/lock.h"
#include "arena/worker.h"
#include "check.h"
#include "command/call.h"
#include "session/acl.h"
#include "session/session.h"
#include "store/check.h"
#include "store/run.h"

static uint64_t rig_ticks; /* nanoseconds; every reading of the clock adds 1,000 */
static inline uint64_t rig_clock(void) { return rig_ticks += 1000; }

static inline int rig_open(rd_store *st, uint64_t memory, uint32_t shards, rd_policy policy) {
  int fd = memfd_create("rig", 0);
  char err[200] = "";
  rd_options options = {.max_memory = memory, .num_shards = shards, .policy = policy, .sample_size = 5, .seed = {1, 2}};
  if (fd < 0 || rd_create(st, fd, &options, err, sizeof err) != 0 || rd_worker_join(st, 0) != 0) {
    printf("no store: %s\n", err);
    exit(1);
  }
  st->now_ms = 1700000000000;
  st->clock = rig_clock;
  return fd;
}

static inline void rig_close(rd_store *st, int fd) {
  char err[200] = "";
  int wrong = rd_check(st, err, sizeof err);
  if (wrong != 0) CHECK_FAIL("rd_check: %s (%d)", err, wrong);
  rd_worker_leave(st);
  rd_detach(st);
  close(fd);
}

typedef struct rig_client {
  rd_session *session;
  rd_store *st;
  uint8_t *out; /* all replies so far */
  size_t len, cap;
  rd_status status;
  bool stay; /* do not answer the control plane's commands */
} rig_client;

static inline rig_client rig_client_new(rd_store *st, const rd_limits *limits) {
  static const rd_limits usual = {
      .batch_size = 16, .output_high = 1u << 20, .query_limit = 1ull << 30, .multi_limit = 1ull << 30};
  rig_client c = {.st = st, .session = rd_session_new(st, limits != NULL ? limits : &usual)};
  rd_session_state_of(c.session)->authenticated = true;
  return c;
}

static inline void rig_client_free(rig_client *c) {
  rd_session_free(c->session);
  free(c->out);
}

static inline void rig_write(rig_client *c) {
  rd_bytes b = rd_session_output(c->session);
  if (b.len == 0) return;
  if (c->cap - c->len < b.len) {
    c->cap = 2 * c->cap + b.len;
    c->out = realloc(c->out, c->cap);
  }
  memcpy(c->out + c->len, b.data, b.len);
  c->len += b.len;
  rd_session_consumed(c->session, b.len);
}

static inline bool rig_word(rd_bytes b, const char *word) { return rd_arg_is(b, word); }

static inline void rig_answer(rig_client *c) {
  rd_session *s = c->session;
  rd_session_state *state = rd_session_state_of(s);
  const rd_command *cmd = rd_session_command(s);
  rd_bytes second = rd_session_arg(s, 1), third = rd_session_arg(s, 2);
  char text[700];
  int n = 0;
  if (state->denied != RD_ALLOWED) {
    n = snprintf(text, sizeof text, "-NOPERM %u %u\r\n", state->denied, state->denied_at);
  } else if (cmd == NULL) {
    rd_bytes name = rd_session_arg(s, 0);
    n = snprintf(text, sizeof text,
                 "-ERR unknown command '%.*s', with args beginning with: ", (int)(name.len > 128 ? 128 : name.len),
                 name.data != NULL ? (const char *)name.data : "");
    int start = n;
    for (uint32_t i = 1; i < rd_session_argc(s) && n - start < 128; i++) {
      rd_bytes b = rd_session_arg(s, i);
      int most = 128 - (n - start);
      n += snprintf(text + n, sizeof text - (size_t)n, "'%.*s' ", (int)b.len < most ? (int)b.len : most,
                    b.data != NULL ? (const char *)b.data : "");
    }
    for (int i = 0; i < n; i++) {
      if (text[i] == '\r' || text[i] == '\n') text[i] = ' ';
    }
    n += snprintf(text + n, sizeof text - (size_t)n, "\r\n");
  } else if (strcmp(cmd->name, "auth") == 0) {
    if (rig_word(second, "pw")) state->authenticated = true;
    n = snprintf(text, sizeof text, state->authenticated ? "+OK\r\n" : "-WRONGPASS no\r\n");
  } else if (strcmp(cmd->name, "hello") == 0) {
    if (second.len == 1) state->resp = (uint8_t)(second.data[0] - '0');
    n = snprintf(text, sizeof text, "+hello\r\n");
  } else if (strcmp(cmd->name, "reset") == 0) {
    rd_session_reset(s);
    n = snprintf(text, sizeof text, "+RESET\r\n");
  } else if (strcmp(rd_command_full_name(cmd), "client|reply") == 0) {
    if (rig_word(third, "on")) {
      state->reply_mode = 0;
      n = snprintf(text, sizeof text, "+OK\r\n");
    } else if (rig_word(third, "off")) {
      state->reply_mode = 1;
    } else if (state->reply_mode != 1) {
      state->reply_mode = 2;
    }
  } else {
    n = snprintf(text, sizeof text, "+%s\r\n", rd_command_full_name(cmd));
  }
  rd_session_answer(s, (const uint8_t *)text, (size_t)n);
}

/* Act on the session's status until it needs more input, or waits. */
static inline void rig_serve(rig_client *c) {
  for (;;) {
    rig_write(c);
    if (c->status == RD_CONTROL && !c->stay)
      rig_answer(c);
    else if (c->status != RD_FULL && c->status != RD_BUSY)
      return;
    c->status = rd_session_resume(c->session, c->st->now_ms);
  }
}

/* Feed `len` bytes, `step` at a time, each from memory that is freed afterwards. */
static inline void rig_feed(rig_client *c, const void *data, size_t len, size_t step) {
  const uint8_t *p = data;
  for (size_t at = 0; at < len && c->status != RD_CLOSE; at += step) {
    size_t n = len - at < step ? len - at : step;
    uint8_t small[64], *piece = n <= sizeof small ? small : malloc(n);
    memcpy(piece, p + at, n);
    c->status = rd_session_feed(c->session, piece, n, c->st->now_ms);
    memset(piece, '?', n);
    if (piece != small) free(piece);
    rig_serve(c);
  }
}

static inline void rig_say(rig_client *c, const char *text) { rig_feed(c, text, strlen(text), strlen(text)); }

/* Check that the replies since the last check are `text`. */
#define RIG_HEARD(client, text)                     \
  do {                                              \
    CHECK_TEXT((client)->out, (client)->len, text); \
    (client)->len = 0;                              \
  } while (0)
#define RIG_ASK(client, request, reply) \
  do {                                  \
    rig_say(client, request);           \
    RIG_HEARD(client, reply);           \
  } while (0)

#endif
