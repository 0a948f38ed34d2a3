/* scan.c - commands on whole databases: KEYS SCAN RANDOMKEY DBSIZE FLUSHDB FLUSHALL SWAPDB.
 *
 * They have no keys that could be locked beforehand; the store locks shard by shard. */
#include <stdlib.h>

#include "arena/lock.h"
#include "arena/longrun.h"
#include "arena/memory.h"
#include "base/glob.h"
#include "command/call.h"
#include "commands/cmd.h"
#include "store/databases.h"
#include "store/type.h"

/* ---- KEYS and SCAN ---- */

/* Collected keys for the reply. A visit copies keys while the shard is locked; they are matched and appended when it
 * is not, since a pattern may take some milliseconds for a single key. */
typedef struct found_keys {
  rd_reply *out;
  rd_bytes pattern;
  const rd_bytes *type; /* NULL: any type */
  bool all;             /* the pattern is a lone star, or there is none */
  uint64_t seen;        /* keys looked at */
  size_t taken;
  uint64_t work; /* the work so far */
  uint8_t *keys; /* malloc'd: copies, each behind its length in 4 bytes */
  size_t len, cap;
} found_keys;

enum { FIRST_CAPACITY = 4096 };

static void found_keys_init(found_keys *f, rd_reply *out, rd_bytes pattern) {
  *f = (found_keys){.out = out, .pattern = pattern};
  while (f->pattern.len > 2 && memcmp(f->pattern.data, "***", 3) == 0) {
    f->pattern.data++; /* a run of stars means the same as one; but one star also matches the empty key */
    f->pattern.len--;
  }
  f->all = f->pattern.len == 1 && f->pattern.data[0] == '*';
}

static void add_key(void *arg, rd_store *st, const rd_item *it) {
  found_keys *f = arg;
  f->seen++;
  if (f->out->failed || (f->type != NULL && !rd_arg_is(*f->type, rd_type_of(it)->name))) return;
  uint32_t len = rd_item_key_len(it);
  size_t need = f->len + sizeof len + len;
  if (need > f->cap) {
    size_t cap = need + need / 2 + FIRST_CAPACITY;
    uint8_t *grown = realloc(f->keys, cap);
    if (grown == NULL) {
      f->out->failed = true;
      return;
    }
    f->keys = grown;
    f->cap = cap;
  }
  rd_st32(f->keys + f->len, len);
  rd_item_key(st, it, f->keys + f->len + sizeof len);
  f->len = need;
}

/* Work of about a millisecond, in bytes of keys, or in bytes of the pattern times bytes of keys. */
#define MOST_AT_ONCE (1u << 20)

/* Append the collected keys that match to the reply. No shard is locked, except by a transaction. False: it would
 * take long, so the command must give up here. */
static bool append_matches(found_keys *f, rd_call *call) {
  rd_store *st = call->store;
  f->work += (uint64_t)f->len * (f->all ? 1 : f->pattern.len);
  if (f->work > MOST_AT_ONCE && !rd_may_take_long(call)) return false;
  for (size_t at = 0; at < f->len && !f->out->failed;) {
    rd_bytes key = {f->keys + at + 4, rd_ld32(f->keys + at)};
    at += 4 + key.len;
    if (f->all || rd_glob(f->pattern, key, false)) {
      rd_reply_bulk(f->out, key.data, key.len);
      f->taken++;
    }
    if (!rd_yield(st)) f->out->failed = true;
  }
  f->len = 0;
  return true;
}

/* The keys of a database that others may change meanwhile: each shard as it is at one moment. So every key that
 * exists throughout is in the reply, once, and a key that is added or removed meanwhile may be. */
void rd_cmd_keys(rd_call *call) {
  rd_store *st = call->store;
  if (rd_count(st, call->db) > RD_LONG_KEYS && !rd_may_take_long(call)) return;
  found_keys f;
  found_keys_init(&f, call->out, call->argv[1]);
  size_t mark = rd_reply_begin_array(call->out);
  bool goes_on = true;
  for (uint32_t shard = 0; shard < st->num_shards && !call->out->failed && goes_on; shard++) {
    bool mine = rd_lock_shard(st, shard);
    rd_scan_shard(st, call->db, shard, add_key, &f);
    if (mine) rd_unlock_shard(st, shard);
    goes_on = append_matches(&f, call);
  }
  if (goes_on)
    rd_reply_end_array(call->out, mark, f.taken);
  else
    call->out->len = mark;
  free(f.keys);
}

/* Parse like strtoul: an optional sign (minus counts down from 2^64), digits, the end; a NUL byte is an end, and an
 * empty text is 0. */
static bool parse_cursor(rd_bytes text, uint64_t *cursor) {
  const uint8_t *p = text.data, *end = p + text.len;
  uint64_t n = 0;
  bool minus = false;
  if (p < end && (*p == '+' || *p == '-')) {
    minus = *p++ == '-';
    if (p == end || *p < '0' || *p > '9') return false;
  }
  for (; p < end && *p >= '0' && *p <= '9'; p++) {
    if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n)) return false;
  }
  *cursor = minus ? 0 - n : n;
  return p == end || *p == 0;
}

typedef struct scan_options {
  uint64_t count;
  rd_bytes match;
  const rd_bytes *type;
} scan_options;

/* Parse the options. False after an error reply. */
static bool parse_scan_options(rd_call *call, scan_options *options) {
  for (uint32_t i = 2; i < call->argc; i += 2) {
    rd_bytes word = call->argv[i];
    int64_t count;
    if (i + 1 == call->argc) {
      rd_reply_syntax(call->out);
      return false;
    } else if (rd_arg_is(word, "count")) {
      if (!rd_parse_i64(call->argv[i + 1], &count)) {
        rd_reply_not_integer(call->out);
        return false;
      }
      if (count < 1) {
        rd_reply_syntax(call->out);
        return false;
      }
      options->count = (uint64_t)count;
    } else if (rd_arg_is(word, "match")) {
      options->match = call->argv[i + 1];
    } else if (rd_arg_is(word, "type")) {
      options->type = &call->argv[i + 1];
    } else {
      rd_reply_syntax(call->out);
      return false;
    }
  }
  return true;
}

/* Put the head of SCAN's reply before the array of keys that begins at `at`: the cursor is known only afterwards. */
static void insert_cursor(rd_reply *out, size_t at, uint64_t cursor) {
  char digits[20], head[40];
  size_t n = sizeof digits, len = 0;
  do {
    digits[--n] = (char)('0' + cursor % 10);
    cursor /= 10;
  } while (cursor != 0);
  size_t width = sizeof digits - n;

  memcpy(head, "*2\r\n$", 5);
  len = 5;
  if (width >= 10) head[len++] = (char)('0' + width / 10);
  head[len++] = (char)('0' + width % 10);
  memcpy(head + len, "\r\n", 2);
  len += 2;
  memcpy(head + len, digits + n, width);
  len += width;
  memcpy(head + len, "\r\n", 2);
  len += 2;

  if (rd_reply_room(out, len) == NULL) return;
  memmove(out->data + at + len, out->data + at, out->len - at);
  memcpy(out->data + at, head, len);
  out->len += len;
}

/* The most keys that one call looks at before other clients get their turn, whatever COUNT says. COUNT is the
 * approximate number of keys to look at; a step of the store shows at least one, or passes many empty buckets. A
 * call ends after IDLE_STEPS of the latter, which bounds it in a large index that is nearly empty, and lets it see
 * all shards of a small database at once. */
#define SCAN_MOST 100000u
#define IDLE_STEPS 256

void rd_cmd_scan(rd_call *call) {
  scan_options options = {.count = 10, .match = {(const uint8_t *)"*", 1}};
  uint64_t cursor;
  if (!parse_cursor(call->argv[1], &cursor)) {
    rd_reply_error(call->out, "ERR invalid cursor");
    return;
  }
  if (!parse_scan_options(call, &options)) return;
  if (options.count > SCAN_MOST) options.count = SCAN_MOST;
  if (options.count > RD_LONG_KEYS && !rd_may_take_long(call)) return;

  found_keys f;
  found_keys_init(&f, call->out, options.match);
  f.type = options.type;
  size_t start = call->out->len, mark = rd_reply_begin_array(call->out);
  unsigned idle = 0;
  bool goes_on;
  do {
    uint64_t seen = f.seen;
    cursor = rd_scan(call->store, call->db, cursor, add_key, &f);
    goes_on = append_matches(&f, call);
    if (f.seen == seen) idle++;
  } while (goes_on && cursor != 0 && f.seen < options.count && idle < IDLE_STEPS && !call->out->failed);
  free(f.keys);
  if (!goes_on) {
    call->out->len = start;
    return;
  }
  rd_reply_end_array(call->out, mark, f.taken);
  insert_cursor(call->out, start, cursor);
}

/* ---- whole databases ---- */

void rd_cmd_randomkey(rd_call *call) {
  found_keys f;
  found_keys_init(&f, call->out, (rd_bytes){(const uint8_t *)"*", 1});
  if (rd_random(call->store, call->db, add_key, &f))
    append_matches(&f, call);
  else
    rd_reply_null(call->out);
  free(f.keys);
}

void rd_cmd_dbsize(rd_call *call) { rd_reply_int(call->out, (int64_t)rd_count(call->store, call->db)); }

/* True if the store has so many regions that releasing all of them takes long. */
static bool is_large(const rd_store *st) { return rd_used_memory(st) - rd_fixed_memory(st) > (16u << 20); }

/* [ASYNC|SYNC]: the store empties large databases in the background either way. False after an error reply. */
static bool parse_flush(rd_call *call) {
  if (call->argc == 1) return true;
  if (call->argc == 2 && (rd_arg_is(call->argv[1], "sync") || rd_arg_is(call->argv[1], "async"))) return true;
  rd_reply_syntax(call->out);
  return false;
}

void rd_cmd_flushdb(rd_call *call) {
  if (!parse_flush(call) || (is_large(call->store) && !rd_may_take_long(call))) return;
  rd_note_changes(call->store, rd_count(call->store, call->db));
  rd_flush_db(call->store, call->db);
  rd_reply_ok(call->out);
}

void rd_cmd_flushall(rd_call *call) {
  if (!parse_flush(call) || (is_large(call->store) && !rd_may_take_long(call))) return;
  for (unsigned db = 0; db < RD_DATABASES; db++) rd_note_changes(call->store, rd_count(call->store, db));
  rd_flush_all(call->store);
  rd_reply_ok(call->out);
}

void rd_cmd_swapdb(rd_call *call) {
  static const char *const errors[] = {"ERR invalid first DB index", "ERR invalid second DB index"};
  int64_t db[2];
  for (uint32_t i = 0; i < 2; i++) {
    if (!rd_parse_i64(call->argv[i + 1], &db[i]) || db[i] < INT32_MIN || db[i] > INT32_MAX) {
      rd_reply_error(call->out, errors[i]);
      return;
    }
  }
  if (db[0] < 0 || db[0] >= (int64_t)RD_DATABASES || db[1] < 0 || db[1] >= (int64_t)RD_DATABASES) {
    rd_reply_error(call->out, "ERR DB index is out of range");
    return;
  }
  rd_note_changes(call->store, 1);
  if (db[0] != db[1]) rd_swap_db(call->store, (unsigned)db[0], (unsigned)db[1]);
  rd_reply_ok(call->out);
}
