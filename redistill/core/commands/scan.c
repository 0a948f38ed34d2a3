/* scan.c - commands on whole databases: KEYS SCAN RANDOMKEY DBSIZE FLUSHDB FLUSHALL SWAPDB.
 *
 * They have no keys that could be locked beforehand; the store locks shard by shard. */
#include <stdlib.h>

#include "arena/lock.h"
#include "arena/longrun.h"
#include "arena/memory.h"
#include "command/call.h"
#include "commands/cmd.h"
#include "commands/cursor.h"
#include "store/databases.h"
#include "store/type.h"

/* ---- KEYS and SCAN ---- */

/* Collected keys for the reply. A visit copies keys while the shard is locked; they are matched and appended when it
 * is not, since a pattern may take some milliseconds for a single key. */
typedef struct found_keys {
  rd_reply *out;
  rd_pattern pattern;
  const rd_bytes *type; /* NULL: any type */
  uint64_t seen;        /* keys looked at */
  size_t taken;
  uint64_t work; /* the work so far */
  uint8_t *keys; /* malloc'd: copies, each behind its length in 4 bytes */
  size_t len, cap;
} found_keys;

enum { FIRST_CAPACITY = 4096 };

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
  f->work += (uint64_t)f->len * (f->pattern.all ? 1 : f->pattern.text.len);
  if (f->work > MOST_AT_ONCE && !rd_may_take_long(call)) return false;
  for (size_t at = 0; at < f->len && !f->out->failed;) {
    rd_bytes key = {f->keys + at + 4, rd_ld32(f->keys + at)};
    at += 4 + key.len;
    if (rd_pattern_matches(&f->pattern, key)) {
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
  found_keys f = {.out = call->out, .pattern = rd_pattern_of(call->argv[1])};
  size_t mark = rd_reply_begin_array(call->out);
  bool goes_on = true;
  for (uint32_t shard = 0; shard < st->num_shards && !call->out->failed && goes_on; shard++) {
    int mine = rd_lock_shard_for_command(st, shard);
    if (mine < 0) call->verdict = RD_LATER;
    if (mine >= 0) rd_scan_shard(st, call->db, shard, add_key, &f);
    if (mine > 0) rd_unlock_shard(st, shard);
    goes_on = mine >= 0 && append_matches(&f, call);
  }
  if (goes_on)
    rd_reply_end_array(call->out, mark, f.taken);
  else
    call->out->len = mark;
  free(f.keys);
}

/* A step of the store shows at least one key, or passes many empty buckets. A call ends after IDLE_STEPS of the latter,
 * which bounds it in a large index that is nearly empty, and lets it see all shards of a small database at once. */
#define IDLE_STEPS 256

void rd_cmd_scan(rd_call *call) {
  rd_scan_options options;
  uint64_t cursor;
  if (!rd_parse_cursor(call, call->argv[1], &cursor) || !rd_parse_scan(call, 2, RD_SCAN_TYPE, &options)) return;
  if (options.count > RD_LONG_KEYS && !rd_may_take_long(call)) return;

  found_keys f = {.out = call->out, .pattern = options.match, .type = options.type};
  size_t start = call->out->len, mark = rd_reply_begin_array(call->out);
  unsigned idle = 0;
  bool goes_on;
  do {
    uint64_t seen = f.seen;
    if (!rd_scan(call->store, call->db, &cursor, add_key, &f)) {
      if (f.seen == 0) call->verdict = RD_LATER; /* else the reply is shorter */
      goes_on = call->verdict == RD_DONE;
      break;
    }
    goes_on = append_matches(&f, call);
    if (f.seen == seen) idle++;
  } while (goes_on && cursor != 0 && f.seen < options.count && idle < IDLE_STEPS && !call->out->failed);
  free(f.keys);
  if (!goes_on) {
    call->out->len = start;
    return;
  }
  rd_reply_end_array(call->out, mark, f.taken);
  rd_insert_cursor(call->out, start, cursor);
}

/* ---- whole databases ---- */

void rd_cmd_randomkey(rd_call *call) {
  found_keys f = {.out = call->out, .pattern = {.all = true}};
  if (!rd_random(call->store, call->db, add_key, &f))
    call->verdict = RD_LATER;
  else if (f.seen > 0)
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

static bool lock_all(rd_call *call) {
  if (rd_lock_all_for_command(call->store)) return true;
  call->verdict = RD_LATER;
  return false;
}

/* Prepare for a flush: all shards are locked, until the command's end. False: nothing may be done. */
static bool may_flush(rd_call *call) {
  return parse_flush(call) && (!is_large(call->store) || rd_may_take_long(call)) && lock_all(call);
}

void rd_cmd_flushdb(rd_call *call) {
  if (!may_flush(call)) return;
  rd_note_changes(call->store, rd_count(call->store, call->db));
  rd_flush_db(call->store, call->db);
  rd_reply_ok(call->out);
}

void rd_cmd_flushall(rd_call *call) {
  if (!may_flush(call)) return;
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
  if (!lock_all(call)) return;
  rd_note_changes(call->store, 1);
  if (db[0] != db[1]) rd_swap_db(call->store, (unsigned)db[0], (unsigned)db[1]);
  rd_reply_ok(call->out);
}
