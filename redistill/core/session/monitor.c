/* monitor.c - writes the lines of executed commands while a client monitors. */
#include "session/monitor.h"

#include <stdio.h>
#include <stdlib.h>

#include "arena/admission.h"
#include "arena/layout.h"
#include "command/call.h"
#include "command/command_table.h"
#include "session/internal.h"

/* KEEP: the most that an empty buffer keeps. PIECE: bytes escaped at once. RECORD: bytes of lines sent at once, if
 * the lines are short: other writers to the same ring wait only for as long as copying them takes. */
enum { KEEP = 32768, PIECE = 64, RECORD = 32768 };

/* ---- clients that monitor ---- */

void rd_monitors_add(rd_store *st, int delta) {
  if (!st->joined) return;
  rd_admission_lock(st); /* under the lock, since rd_check compares the two */
  uint64_t now = atomic_load(&st->worker->gauge[RD_GAUGE_monitors]) + (uint64_t)(int64_t)delta;
  assert(now <= UINT32_MAX);
  uint64_t bit = 1ull << (st->worker - rd_worker_at(st, 0));
  atomic_store(&st->worker->gauge[RD_GAUGE_monitors], now);
  if (now != 0)
    atomic_fetch_or(&st->head->monitors, bit);
  else
    atomic_fetch_and(&st->head->monitors, ~bit);
  rd_admission_unlock(st);
}

void rd_session_monitor(rd_session *s, bool on) {
  if (s->state.monitors == on) return;
  s->state.monitors = on;
  rd_monitors_add(s->st, on ? 1 : -1);
}

bool rd_session_set_peer(rd_session *s, const char *text) {
  size_t len = strnlen(text, RD_MAX_PEER);
  char *peer = malloc(len + 1);
  if (peer == NULL) return false;
  for (size_t i = 0; i < len; i++) peer[i] = (uint8_t)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
  peer[len] = 0;
  free(s->peer);
  s->peer = peer;
  return true;
}

/* ---- waiting lines ---- */

size_t rd_monitor_pending(const rd_store *st) { return st->monitored != NULL ? st->monitored->len : 0; }
uint64_t rd_monitor_dropped(const rd_store *st) { return st->monitor_dropped; }

/* Forget the first `n` bytes. */
static void advance(rd_store *st, size_t n) {
  rd_reply *lines = st->monitored;
  lines->len -= n;
  memmove(lines->data, lines->data + n, lines->len);
  st->monitor_shared -= st->monitor_shared < n ? st->monitor_shared : n;
  if (lines->len == 0 && lines->cap > KEEP) rd_reply_free(lines);
}

size_t rd_monitor_take(rd_store *st, uint8_t *dst, size_t cap) {
  size_t n = rd_monitor_pending(st) < cap ? rd_monitor_pending(st) : cap;
  if (n == 0) return 0;
  memcpy(dst, st->monitored->data, n);
  advance(st, n);
  return n;
}

static rd_reply *lines_of(rd_store *st) {
  if (st->monitored != NULL) return st->monitored;
  rd_reply *lines = malloc(sizeof *lines);
  if (lines == NULL) return NULL;
  rd_reply_init(lines);
  lines->limit = RD_MONITOR_BYTES;
  return st->monitored = lines;
}

/* ---- between workers ---- */

static uint64_t count_lines(rd_bytes text) {
  uint64_t n = 0;
  const uint8_t *at = text.data, *end = text.data + text.len;
  while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) n++, at++;
  return n;
}

/* The first complete lines: RECORD bytes of them, or else one line. */
static rd_bytes first_lines(const uint8_t *from, size_t len) {
  if (len <= RECORD) return (rd_bytes){from, len};
  const uint8_t *end = memrchr(from, '\n', RECORD);
  if (end == NULL) end = memchr(from + RECORD, '\n', len - RECORD);
  return (rd_bytes){from, end != NULL ? (size_t)(end - from) + 1 : len};
}

/* The bit of this process in rd_header.monitors. */
static uint64_t own_bit(const rd_store *st) { return 1ull << (st->worker - rd_worker_at(st, 0)); }

void rd_monitor_share(rd_store *st) {
  if (rd_monitor_pending(st) == 0) return;
  uint64_t where = atomic_load_explicit(&st->head->monitors, memory_order_relaxed);
  rd_reply *lines = st->monitored;
  while (st->monitor_shared < lines->len) {
    rd_bytes some = first_lines(lines->data + st->monitor_shared, lines->len - st->monitor_shared);
    bool lost = false;
    for (uint64_t others = where & ~own_bit(st); others != 0; others &= others - 1) {
      uint32_t place = (uint32_t)__builtin_ctzll(others);
      lost |= rd_ring_send(st, place, RD_RECORD_MONITOR, some.data, some.len, RD_MONITOR_BYTES) == RD_SENT_LOST;
    }
    if (lost) st->monitor_dropped += count_lines(some);
    st->monitor_shared += some.len;
  }
  if ((where & own_bit(st)) == 0) advance(st, lines->len);
}

void rd_monitor_add(rd_store *st, const rd_record *r) {
  if ((atomic_load_explicit(&st->head->monitors, memory_order_relaxed) & own_bit(st)) == 0) return;
  rd_monitor_share(st); /* the lines to be shared come first */
  rd_reply *lines = lines_of(st);
  size_t len = r->part[0].len + r->part[1].len;
  if (lines == NULL || len > RD_MONITOR_BYTES - lines->len || rd_reply_room(lines, len) == NULL) {
    if (lines != NULL) lines->failed = false;
    st->monitor_dropped += count_lines(r->part[0]) + count_lines(r->part[1]);
    return;
  }
  rd_reply_raw(lines, r->part[0].data, r->part[0].len);
  rd_reply_raw(lines, r->part[1].data, r->part[1].len);
  st->monitor_shared = lines->len;
}

/* ---- one line ---- */

/* Append the bytes in quotes, with Redis's escapes. */
static void put_quoted(rd_reply *to, rd_bytes b) {
  static const char digits[] = "0123456789abcdef";
  static const char names[] = {['\a'] = 'a', ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\r'] = 'r'};
  rd_reply_raw(to, "\"", 1);
  for (size_t at = 0; at < b.len && !to->failed;) {
    uint8_t piece[4 * PIECE], *p = piece;
    for (size_t end = b.len - at < PIECE ? b.len : at + PIECE; at < end; at++) {
      uint8_t c = b.data[at];
      if (c >= ' ' && c <= '~') {
        if (c == '"' || c == '\\') *p++ = '\\';
        *p++ = c;
      } else if (c < sizeof names && names[c] != 0) {
        *p++ = '\\';
        *p++ = (uint8_t)names[c];
      } else {
        *p++ = '\\';
        *p++ = 'x';
        *p++ = (uint8_t)digits[c >> 4];
        *p++ = (uint8_t)digits[c & 15];
      }
    }
    rd_reply_raw(to, piece, (size_t)(p - piece));
  }
  rd_reply_raw(to, "\"", 1);
}

/* The arguments that are secret, tested in ascending order: those from `from` on, up to HELLO's next option. */
typedef struct secret_args {
  uint32_t from, option;
} secret_args;

static secret_args secret_args_of(const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  if (cmd->id == RD_ID_auth) return (secret_args){1, UINT32_MAX};
  if (cmd->id == RD_ID_command_getkeys || cmd->id == RD_ID_command_getkeysandflags) {
    static const char *const secretive[] = {"auth", "hello", "migrate", "acl", "config"};
    for (size_t i = 0; argc > 2 && i < sizeof secretive / sizeof secretive[0]; i++) {
      if (rd_arg_is(argv[2], secretive[i])) return (secret_args){3, UINT32_MAX};
    }
  }
  return (secret_args){UINT32_MAX, cmd->id == RD_ID_hello ? 2 : UINT32_MAX};
}

static bool is_secret(secret_args *v, const rd_bytes *argv, uint32_t argc, uint32_t i) {
  if (i == v->option) {
    uint32_t behind = argc - i - 1;
    if (rd_arg_is(argv[i], "auth") && behind >= 2)
      *v = (secret_args){i + 1, i + 3};
    else if (rd_arg_is(argv[i], "setname") && behind >= 1)
      *v = (secret_args){UINT32_MAX, i + 2};
    else
      *v = (secret_args){i, UINT32_MAX};
  }
  return i >= v->from;
}

static void put_line(rd_reply *to, const rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  const rd_store *st = s->st;
  uint64_t us = st->wall != NULL ? st->wall() : st->now_ms * 1000u;
  char head[64 + RD_MAX_PEER];
  int n = snprintf(head, sizeof head, "+%llu.%06u [%u %s]", (unsigned long long)(us / 1000000u),
                   (unsigned)(us % 1000000u), s->state.db, s->peer != NULL ? s->peer : "?:0");
  rd_reply_raw(to, head, (size_t)n);
  secret_args v = secret_args_of(cmd, argv, argc);
  for (uint32_t i = 0; i < argc && !to->failed; i++) {
    rd_reply_raw(to, " ", 1);
    if (is_secret(&v, argv, argc, i))
      rd_reply_raw(to, "\"(redacted)\"", 12);
    else
      put_quoted(to, argv[i]);
  }
  rd_reply_crlf(to);
}

/* True if the line could fit: no argument becomes shorter when it is escaped. So a line that is much too long costs
 * nothing. */
static bool may_fit(const rd_reply *lines, const rd_bytes *argv, uint32_t argc) {
  uint64_t left = lines->len < RD_MONITOR_BYTES ? RD_MONITOR_BYTES - lines->len : 0;
  for (uint32_t i = 0; i < argc; i++) {
    if (argv[i].len + 3 > left) return false;
    left -= argv[i].len + 3;
  }
  return true;
}

void rd_monitor_show(const rd_session *s, const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  if (cmd->flags & (RD_ADMIN | RD_SKIP_MONITOR)) return;
  rd_store *st = s->st;
  rd_reply *lines = lines_of(st);
  if (lines == NULL || !may_fit(lines, argv, argc)) {
    st->monitor_dropped++;
    return;
  }
  size_t mark = lines->len;
  put_line(lines, s, cmd, argv, argc);
  if (!lines->failed && lines->len <= RD_MONITOR_BYTES) return;
  lines->failed = false;
  lines->len = mark;
  st->monitor_dropped++;
}
