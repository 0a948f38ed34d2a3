/* cmd_scan.c - commands on the keyspace as a whole: KEYS SCAN RANDOMKEY DBSIZE FLUSHDB FLUSHALL SWAPDB.
 *
 * They have no keys that could be locked beforehand; the store locks shard by shard as it goes. */
#include <stdlib.h>

#include "cmd.h"
#include "glob.h"
#include "lock.h"

/* ---- KEYS and SCAN ---- */

/* Keys on their way into the reply. */
typedef struct harvest {
  rd_reply *out;
  rd_bytes pattern;
  const rd_bytes *type; /* NULL: any */
  bool all;             /* the pattern is a lone star, or there is none */
  uint64_t seen;        /* keys looked at */
  size_t taken;
  uint8_t *long_key; /* malloc'd; for keys that `key` does not hold */
  size_t long_cap;
  uint8_t key[512];
} harvest;

static void harvest_init(harvest *h, rd_reply *out, rd_bytes pattern) {
  h->out = out;
  h->pattern = pattern;
  h->type = NULL;
  h->all = pattern.len == 1 && pattern.data[0] == '*';
  h->seen = 0;
  h->taken = 0;
  h->long_key = NULL;
  h->long_cap = 0;
}

static bool type_is(const rd_item *it, rd_bytes name) {
  static const char *const names[] = {"string", "list", "set", "zset", "hash"}; /* in the order of rd_type */
  return rd_arg_is(name, names[rd_item_type(it)]);
}

static void harvest_key(void *arg, rd_store *st, const rd_item *it) {
  harvest *h = arg;
  h->seen++;
  if (h->type != NULL && !type_is(it, *h->type)) return;

  size_t len = rd_item_key_len(it);
  uint8_t *key = h->key;
  if (len > sizeof h->key) {
    if (len > h->long_cap) {
      uint8_t *grown = realloc(h->long_key, len);
      if (grown == NULL) {
        h->out->failed = true;
        return;
      }
      h->long_key = grown;
      h->long_cap = len;
    }
    key = h->long_key;
  }
  rd_item_key(st, it, key);
  if (!h->all && !rd_glob(h->pattern, (rd_bytes){key, len}, false)) return;
  rd_reply_bulk(h->out, key, len);
  h->taken++;
}

/* The keys of a database that other processes may work on meanwhile. Each that is there throughout is in the reply, and
 * once, unless its shard's index shrank at this moment. */
void rd_cmd_keys(rd_call *call) {
  rd_lock_all(call->store); /* one look at one state, each key once; the dispatcher unlocks */
  harvest h;
  harvest_init(&h, call->out, call->argv[1]);
  size_t mark = rd_reply_begin_array(call->out);
  uint64_t cursor = 0;
  do {
    cursor = rd_scan(call->store, call->db, cursor, harvest_key, &h);
  } while (cursor != 0 && !call->out->failed);
  rd_reply_end_array(call->out, mark, h.taken);
  free(h.long_key);
}

/* As strtoul reads it: an optional sign (minus counts down from 2^64), digits, the end; a NUL byte is an end, and
 * nothing at all is 0. */
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

/* False after an error reply. */
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

/* COUNT is how many keys to look at, about; a step of the store shows at least one, or passes many empty buckets. A
 * call ends after IDLE_STEPS of the latter, which bounds it in a large index that is nearly empty, and lets it see all
 * shards of a small database at once. And whatever COUNT says, after SCAN_MOST keys others get their turn. */
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

  harvest h;
  harvest_init(&h, call->out, options.match);
  h.type = options.type;
  size_t start = call->out->len, mark = rd_reply_begin_array(call->out);
  unsigned idle = 0;
  do {
    uint64_t seen = h.seen;
    cursor = rd_scan(call->store, call->db, cursor, harvest_key, &h);
    if (h.seen == seen) idle++;
  } while (cursor != 0 && h.seen < options.count && idle < IDLE_STEPS && !call->out->failed);
  rd_reply_end_array(call->out, mark, h.taken);
  free(h.long_key);
  insert_cursor(call->out, start, cursor);
}

/* ---- the rest ---- */

void rd_cmd_randomkey(rd_call *call) {
  harvest h;
  harvest_init(&h, call->out, (rd_bytes){(const uint8_t *)"*", 1});
  if (!rd_random(call->store, call->db, harvest_key, &h)) rd_reply_null(call->out);
  free(h.long_key);
}

void rd_cmd_dbsize(rd_call *call) { rd_reply_int(call->out, (int64_t)rd_count(call->store, call->db)); }

/* [ASYNC|SYNC]: the store empties large databases in the background either way. False after an error reply. */
static bool parse_flush(rd_call *call) {
  if (call->argc == 1) return true;
  if (call->argc == 2 && (rd_arg_is(call->argv[1], "sync") || rd_arg_is(call->argv[1], "async"))) return true;
  rd_reply_syntax(call->out);
  return false;
}

void rd_cmd_flushdb(rd_call *call) {
  if (!parse_flush(call)) return;
  rd_note_changes(call->store, rd_count(call->store, call->db));
  rd_flush_db(call->store, call->db);
  rd_reply_ok(call->out);
}

void rd_cmd_flushall(rd_call *call) {
  if (!parse_flush(call)) return;
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
