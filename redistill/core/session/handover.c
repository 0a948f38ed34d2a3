/* handover.c - saves and loads a session as bytes: numbers in the machine's byte order, each string after its length.
 *
 *   magic, version, flags, db, resp, reply_mode, commands, name of the last command, wait (number, end, what
 *   the command kept),
 *   queued commands (each: arguments), watches (each: a record, its key), tracking (flags, client of REDIRECT,
 *   prefixes), subscriptions (moved.c), input, output
 *
 * Version 1 has no subscriptions, and versions 1 and 2 have no tracking. What a client has cached is not saved: the
 * successor tells it that everything is invalid. */
#include "session/handover.h"

#include <stdio.h>
#include <stdlib.h>

#include "arena/layout.h"
#include "session/admit.h"
#include "session/backlog.h"
#include "session/blocking.h"
#include "session/monitor.h"
#include "session/moved.h"
#include "session/queue.h"
#include "session/tracking.h"
#include "store/watch.h"

#define MAGIC 0x4e535345534c4452ull /* "RDLSESSN" */
#define VERSION 1u
#define SUBSCRIBED 2u /* the version with subscriptions */
#define TRACKING 3u   /* the version with tracking, too */

enum {
  AUTHENTICATED = 1 << 0,
  NO_TOUCH = 1 << 1,
  NO_EVICT = 1 << 2,
  CLOSE_AFTER_REPLY = 1 << 3,
  IN_MULTI = 1 << 4,
  ABORTED = 1 << 5,
  CLOSED = 1 << 6, /* RD_CLOSE was returned: only the output counts */
  MONITORS = 1 << 7,
  WAITED = 1 << 8, /* its first command waits for keys (blocking.h): the number and the end of the wait follow */
  KEPT = 1 << 9,   /* ... and after that what it kept */
  ALL_FLAGS = (1 << 10) - 1,
};

/* ---- writing ---- */

static void put32(rd_reply *to, uint32_t n) { rd_reply_raw(to, &n, sizeof n); }
static void put64(rd_reply *to, uint64_t n) { rd_reply_raw(to, &n, sizeof n); }
static void put_bytes(rd_reply *to, rd_bytes b) {
  put64(to, b.len);
  rd_reply_raw(to, b.data, b.len);
}

static uint32_t flags_of(const rd_session *s) {
  const rd_session_state *state = &s->state;
  return (state->authenticated ? AUTHENTICATED : 0u) | (state->no_touch ? NO_TOUCH : 0u) |
         (state->no_evict ? NO_EVICT : 0u) | (state->close_after_reply ? CLOSE_AFTER_REPLY : 0u) |
         (state->in_multi ? IN_MULTI : 0u) | (s->multi.aborted ? ABORTED : 0u) |
         (s->waiting == RD_CLOSE ? CLOSED : 0u) | (state->monitors ? MONITORS : 0u) |
         (s->wait_number != 0 ? WAITED : 0u) | (s->kept != NULL ? KEPT : 0u);
}

static void put_queue(rd_reply *to, const rd_multi *m) {
  put32(to, m->count);
  for (uint32_t i = 0; i < m->count; i++) {
    const rd_queued *q = &m->queue[i];
    put32(to, q->argc);
    for (uint32_t k = 0; k < q->argc; k++) {
      rd_bytes arg = m->argv[q->first + k];
      if (q->first + k >= m->pointed) arg.data = m->bytes + (uintptr_t)arg.data;
      put_bytes(to, arg);
    }
  }
}

static void put_watches(rd_reply *to, const rd_session *s) {
  put32(to, s->state.watching);
  for (uint32_t i = 0; i < s->state.watching; i++) {
    const rd_watch *w = &s->multi.watches[i];
    put64(to, w->hash);
    put32(to, w->db);
    put32(to, w->slot);
    put32(to, w->version);
    put32(to, w->flushes);
    put64(to, w->epoch);
    put64(to, (uint64_t)w->expiry);
    put32(to, w->existed);
    put_bytes(to, w->key);
  }
}

static bool subscribes(const rd_session *s) { return s->subscribed != NULL && s->subscribed->count != 0; }

static uint32_t version_of(const rd_session *s) {
  return rd_tracking_flags(s) != 0 ? TRACKING : subscribes(s) ? SUBSCRIBED : VERSION;
}

static int by_bytes(const void *a, const void *b) {
  const rd_bytes *x = a, *y = b;
  size_t n = x->len < y->len ? x->len : y->len;
  int order = n != 0 ? memcmp(x->data, y->data, n) : 0;
  return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static void put_tracking(rd_reply *to, const rd_session *s) {
  uint32_t n = rd_tracking_prefix_count(s);
  rd_bytes *prefixes = n != 0 ? malloc(n * sizeof *prefixes) : NULL;
  if (prefixes == NULL && n != 0) {
    to->failed = true;
    return;
  }
  for (uint32_t i = 0; i < n; i++) prefixes[i] = rd_tracking_prefix(s, i);
  if (n != 0) qsort(prefixes, n, sizeof *prefixes, by_bytes);
  put32(to, rd_tracking_flags(s));
  put64(to, rd_tracking_redirect(s));
  put32(to, n);
  for (uint32_t i = 0; i < n; i++) put_bytes(to, prefixes[i]);
  free(prefixes);
}

/* Put the subscriptions, if any, as one string. */
static bool put_subscriptions(rd_reply *to, rd_session *s) {
  rd_reply names;
  rd_reply_init(&names);
  bool may = !subscribes(s) || rd_moved_save(s, &names);
  if (names.failed) to->failed = true;
  put_bytes(to, (rd_bytes){names.data, names.len});
  rd_reply_free(&names);
  return may;
}

rd_saved rd_session_save(rd_session *s, rd_bytes taken, uint8_t **bytes, size_t *len) {
  if (s->waiting == RD_CONTROL || s->state.in_exec || s->longcall != NULL || rd_moved_waits(s)) return RD_SAVE_LATER;
  if (s->answered || !rd_wait_leave(s)) return RD_SAVE_LATER; /* it goes on first */
  if (s->subscribed != NULL) rd_backlog_catch_up(s);
  rd_bytes input = rd_session_input(s), output = rd_session_output(s);
  rd_bytes last = {(const uint8_t *)"", 0};
  if (s->state.last != NULL) {
    const char *name = rd_command_full_name(s->state.last);
    last = (rd_bytes){(const uint8_t *)name, strlen(name)};
  }
  rd_reply to;
  rd_reply_init(&to);
  rd_reply_room(&to,
                /* at once, instead of growing by doubling */
                input.len + taken.len + output.len + s->multi.len + 512);
  put64(&to, MAGIC);
  uint32_t version = version_of(s);
  put32(&to, version);
  put32(&to, flags_of(s));
  put32(&to, s->state.db);
  put32(&to, s->state.resp);
  put32(&to, s->state.reply_mode);
  put64(&to, s->state.commands);
  put_bytes(&to, last);
  if (s->wait_number != 0) {
    put64(&to, s->wait_number);
    put64(&to, s->wait_until);
  }
  if (s->kept != NULL) put_bytes(&to, rd_wait_kept(s));
  put_queue(&to, &s->multi);
  put_watches(&to, s);
  if (version == TRACKING) put_tracking(&to, s);
  if (version != VERSION && !put_subscriptions(&to, s)) {
    rd_reply_free(&to);
    return RD_SAVE_LATER;
  }
  put_bytes(&to, input);
  put64(&to, taken.len + output.len);
  rd_reply_raw(&to, taken.data, taken.len);
  rd_reply_raw(&to, output.data, output.len);
  if (to.failed) {
    if (s->subscribed != NULL) rd_moved_stay(s);
    rd_reply_free(&to);
    return RD_SAVE_NO_MEMORY;
  }
  *bytes = to.data;
  *len = to.len;
  return RD_SAVED;
}

/* ---- reading ---- */

/* `wrong` keeps the first fault; after it all numbers read as 0 and all strings as empty. */
struct reader {
  const uint8_t *at;
  size_t left;
  const char *wrong;
};

static const uint8_t *take(struct reader *r, uint64_t n) {
  if (r->wrong == NULL && n > r->left) r->wrong = "it is cut short";
  if (r->wrong != NULL) return NULL;
  const uint8_t *at = r->at;
  r->at += n;
  r->left -= n;
  return at;
}

static uint32_t get32(struct reader *r) {
  const uint8_t *at = take(r, 4);
  return at != NULL ? rd_ld32(at) : 0;
}

static uint64_t get64(struct reader *r) {
  const uint8_t *at = take(r, 8);
  return at != NULL ? rd_ld64(at) : 0;
}

static rd_bytes get_bytes(struct reader *r) {
  uint64_t len = get64(r);
  const uint8_t *at = take(r, len);
  return (rd_bytes){at, at != NULL ? len : 0};
}

static void require(struct reader *r, bool ok, const char *otherwise) {
  if (!ok && r->wrong == NULL) r->wrong = otherwise;
}

/* Returns the version. */
static uint32_t get_state(struct reader *r, rd_session *s) {
  rd_session_state *state = &s->state;
  require(r, get64(r) == MAGIC, "it is no session");
  uint32_t version = get32(r);
  require(r, version >= VERSION && version <= TRACKING, "it is of another version");
  uint32_t flags = get32(r), db = get32(r), resp = get32(r), reply_mode = get32(r);
  state->commands = get64(r);
  rd_bytes last = get_bytes(r);
  require(r, (flags & ~(uint32_t)ALL_FLAGS) == 0, "it has flags that there are not");
  require(r, !(flags & ABORTED) || flags & IN_MULTI, "its state cannot be");
  require(r, db < RD_DATABASES && (resp == 2 || resp == 3) && reply_mode <= 3, "its state cannot be");
  if (r->wrong != NULL) return 0;
  state->db = db;
  state->resp = s->out.resp = (uint8_t)resp;
  state->reply_mode = (uint8_t)reply_mode;
  state->authenticated = (flags & AUTHENTICATED) != 0;
  state->no_touch = (flags & NO_TOUCH) != 0;
  state->no_evict = (flags & NO_EVICT) != 0;
  state->close_after_reply = (flags & CLOSE_AFTER_REPLY) != 0;
  state->in_multi = (flags & IN_MULTI) != 0;
  s->multi.aborted = (flags & ABORTED) != 0;
  s->waiting = flags & CLOSED ? RD_CLOSE : RD_MORE;
  rd_session_monitor(s, (flags & MONITORS) != 0);
  state->last = rd_command_find_full(last);
  if (flags & WAITED) {
    s->wait_number = get64(r);
    s->wait_until = get64(r);
    require(r, s->wait_number != 0 && s->wait_number <= RD_WAIT_LAST, "its wait cannot be");
  }
  if (flags & KEPT) {
    rd_bytes kept = get_bytes(r);
    require(r, flags & WAITED && kept.len != 0, "its wait cannot be");
    require(r, rd_wait_keep(s, kept), "there is no memory");
  }
  return version;
}

/* Read one queued command. If it cannot be executed here, though it may have been where it was queued, EXEC aborts. */
static void get_queued(struct reader *r, rd_session *s) {
  uint32_t argc = get32(r);
  require(r, argc >= 1 && argc <= RD_MAX_ARGS && argc <= r->left / 8, "it has a command without arguments");
  if (r->wrong != NULL) return;
  rd_bytes *argv = malloc(argc * sizeof *argv);
  require(r, argv != NULL, "there is no memory");
  for (uint32_t i = 0; i < argc && r->wrong == NULL; i++) argv[i] = get_bytes(r);
  if (r->wrong == NULL) {
    const rd_command *cmd = rd_queueable(s, argv, argc);
    if (cmd == NULL)
      s->multi.aborted = true;
    else
      require(r, rd_multi_queue(s, cmd, argv, argc) == RD_OK, "there is no memory");
  }
  free(argv);
}

static void get_watch(struct reader *r, rd_session *s) {
  rd_watch w = {0};
  w.hash = get64(r);
  w.db = get32(r);
  w.slot = get32(r);
  w.version = get32(r);
  w.flushes = get32(r);
  w.epoch = get64(r);
  w.expiry = (int64_t)get64(r);
  uint32_t existed = get32(r);
  w.existed = existed != 0;
  w.key = get_bytes(r);
  require(r, existed <= 1 && w.db < RD_DATABASES && w.slot < RD_SLOTS && w.key.len <= RD_MAX_KEY, "a watch cannot be");
  if (r->wrong != NULL) return;
  require(r, rd_key_of(s->st, w.key, w.db).hash == w.hash, "it is of another arena");
  if (r->wrong == NULL) require(r, rd_multi_adopt(s, &w) == RD_OK, "there is no memory");
}

/* The client has to forget all that it has: changes since it was saved are unknown here. */
static void get_tracking(struct reader *r, rd_session *s) {
  uint32_t flags = get32(r);
  uint64_t redirect = get64(r);
  uint32_t n = get32(r), both = RD_TRACKING_OPTIN | RD_TRACKING_OPTOUT;
  bool broadcasts = (flags & RD_TRACKING_BCAST) != 0;
  require(r, (flags & RD_TRACKING_ON) != 0 && flags < 2 * RD_TRACKING_BROKEN && (flags & both) != both,
          "it cannot track so");
  require(r, n <= r->left / 8 && broadcasts == (n != 0), "it has other prefixes than it can");
  rd_bytes *prefixes = r->wrong == NULL && n != 0 ? malloc(n * sizeof *prefixes) : NULL;
  require(r, n == 0 || prefixes != NULL, "there is no memory");
  for (uint32_t i = 0; i < n && r->wrong == NULL; i++) {
    prefixes[i] = get_bytes(r);
    require(r, i == 0 || by_bytes(&prefixes[i - 1], &prefixes[i]) < 0, "its prefixes are in no order");
  }
  if (r->wrong == NULL) require(r, rd_tracking_on(s, flags, redirect, prefixes, n), "there is no memory");
  if (r->wrong == NULL) rd_tracking_forget(s);
  free(prefixes);
}

static void get_pending(struct reader *r, rd_session *s) {
  rd_bytes input = get_bytes(r), output = get_bytes(r);
  require(r, r->left == 0, "it is too long");
  if (r->wrong != NULL) return;
  require(r, s->waiting != RD_CLOSE || input.len == 0, "it is closed and has input");
  require(r, rd_session_give(s, input), "there is no memory");
  rd_reply_raw(&s->out, output.data, output.len);
  require(r, !s->out.failed, "there is no memory");
}

rd_session *rd_session_load(rd_store *st, const rd_limits *limits, const uint8_t *data, size_t len, char *err,
                            size_t errlen) {
  struct reader r = {data, len, NULL};
  rd_session *s = rd_session_new(st, &(rd_limits){.batch_size = limits->batch_size});
  if (s == NULL) {
    snprintf(err, errlen, "there is no memory");
    return NULL;
  }
  uint32_t version = get_state(&r, s);
  uint32_t queued = get32(&r);
  require(&r, queued == 0 || s->state.in_multi, "it has queued commands without MULTI");
  for (uint32_t i = 0; i < queued && r.wrong == NULL; i++) get_queued(&r, s);
  uint32_t watches = get32(&r);
  for (uint32_t i = 0; i < watches && r.wrong == NULL; i++) get_watch(&r, s);
  rd_bytes subscriptions = {NULL, 0};
  if (version == TRACKING) get_tracking(&r, s);
  if (version != VERSION) subscriptions = get_bytes(&r);
  get_pending(&r, s);
  if (r.wrong == NULL &&
      (version == SUBSCRIBED || subscriptions.len != 0)) { /* as the last step: after it nothing may fail */
    rd_taken taken = rd_moved_take(s, subscriptions);
    require(&r, taken != RD_TAKE_WRONG, "it has subscriptions that its giver does not give");
    require(&r, taken != RD_TAKE_NO_MEMORY, "there is no memory");
    if (taken == RD_TAKE_LATER) {
      if (errlen != 0) err[0] = 0;
      rd_session_free(s);
      return NULL;
    }
  }
  if (r.wrong != NULL) {
    snprintf(err, errlen, "not a session that can be taken over: %s", r.wrong);
    rd_session_free(s);
    return NULL;
  }
  rd_session_set_limits(s, limits);
  return s;
}
