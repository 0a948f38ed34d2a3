/* key.c - commands on whole keys of any type: DEL UNLINK EXISTS TOUCH TYPE RENAME RENAMENX COPY MOVE. */
#include "arena/longrun.h"
#include "command/call.h"
#include "commands/cmd.h"
#include "store/type.h"

/* DEL and UNLINK are the same: releasing memory costs about as much as recording that it must be released later. */
void rd_cmd_del(rd_call *call) {
  int64_t deleted = 0;
  for (uint32_t i = 1; i < call->argc; i++) {
    rd_key key = rd_call_key(call, i);
    if ((i & 63) == 0) rd_yield_whole(call->store);
    if (rd_delete(call->store, &key)) deleted++;
  }
  rd_note_changes(call->store, (uint64_t)deleted);
  rd_reply_int(call->out, deleted);
}

void rd_cmd_unlink(rd_call *call) { rd_cmd_del(call); }

/* A key that is given twice counts twice. */
void rd_cmd_exists(rd_call *call) {
  int64_t found = 0;
  for (uint32_t i = 1; i < call->argc; i++) {
    rd_key key = rd_call_key(call, i);
    if ((i & 63) == 0) rd_yield(call->store);
    if (rd_find_quiet(call->store, &key, true) != NULL) found++;
  }
  rd_reply_int(call->out, found);
}

void rd_cmd_touch(rd_call *call) {
  int64_t found = 0;
  for (uint32_t i = 1; i < call->argc; i++) {
    rd_key key = rd_call_key(call, i);
    if ((i & 63) == 0) rd_yield(call->store);
    if (rd_find_read(call->store, &key) != NULL) found++;
  }
  rd_reply_int(call->out, found);
}

void rd_cmd_type(rd_call *call) {
  rd_key key = rd_call_key(call, 1);
  const rd_item *it = rd_find_quiet(call->store, &key, true);
  rd_reply_simple(call->out, it == NULL ? "none" : rd_type_of(it)->name);
}

static bool same_key(const rd_key *a, const rd_key *b) {
  return a->db == b->db && a->len == b->len && a->hash == b->hash && memcmp(a->data, b->data, a->len) == 0;
}

static bool move_key(rd_call *call, const rd_key *src, const rd_key *dst, rd_key_event from, rd_key_event to) {
  if (rd_move(call->store, src, dst, from, to) == RD_OK) return true;
  rd_reply_oom(call->out);
  return false;
}

/* The bytes to copy or move; many small blocks cost more than a few large ones. */
static uint64_t work_of(const rd_store *st, const rd_item *it) {
  return rd_item_value_bytes(st, it) * (rd_item_is_nested(it) ? 4 : 1);
}

static void rename_key(rd_call *call, bool keep_existing) {
  rd_key src = rd_call_key(call, 1), dst = rd_call_key(call, 2);
  const rd_item *it = rd_find_write(call->store, &src);
  if (it != NULL && work_of(call->store, it) > RD_LONG_BYTES && !rd_may_take_long(call)) return;
  if (it == NULL) {
    rd_reply_error(call->out, "ERR no such key");
    return;
  }
  bool same = same_key(&src, &dst);
  if (keep_existing && (same || rd_find_write(call->store, &dst) != NULL)) {
    rd_reply_int(call->out, 0);
    return;
  }
  if (!same && !move_key(call, &src, &dst, RD_EVENT_RENAME_FROM, RD_EVENT_RENAME_TO)) return;
  if (keep_existing) {
    rd_reply_int(call->out, 1);
  } else {
    rd_reply_ok(call->out);
  }
}

void rd_cmd_rename(rd_call *call) { rename_key(call, false); }

void rd_cmd_renamenx(rd_call *call) { rename_key(call, true); }

/* Parse the number of a database; false after an error reply. */
static bool parse_db(rd_call *call, rd_bytes arg, unsigned *db) {
  int64_t n;
  if (!rd_arg_integer(call, arg, &n)) return false;
  if (n < INT32_MIN || n > INT32_MAX) {
    rd_reply_error(call->out, "ERR value is out of range, value must between -2147483648 and 2147483647");
    return false;
  }
  if (n < 0 || n >= (int64_t)RD_DATABASES) {
    rd_reply_error(call->out, "ERR DB index is out of range");
    return false;
  }
  *db = (unsigned)n;
  return true;
}

void rd_cmd_copy(rd_call *call) {
  unsigned db = call->db;
  bool replace = false;
  for (uint32_t i = 3; i < call->argc; i++) {
    if (rd_arg_is(call->argv[i], "replace")) {
      replace = true;
    } else if (rd_arg_is(call->argv[i], "db") && i + 1 < call->argc) {
      if (!parse_db(call, call->argv[++i], &db)) return;
    } else {
      rd_reply_syntax(call->out);
      return;
    }
  }

  /* The hash does not depend on the database, so the dispatcher's lock for argv[2] protects this key, too. */
  rd_key src = rd_call_key(call, 1), dst = rd_call_key_in(call, 2, db);
  if (same_key(&src, &dst)) {
    rd_reply_error(call->out, "ERR source and destination objects are the same");
    return;
  }
  const rd_item *it = rd_find_read(call->store, &src);
  if (it != NULL && !rd_may_read(call, work_of(call->store, it))) return;
  if (it == NULL || (rd_find_write(call->store, &dst) != NULL && !replace)) {
    rd_reply_int(call->out, 0);
    return;
  }
  if (rd_copy(call->store, &src, &dst, RD_EVENT_COPY_TO) != RD_OK) {
    rd_reply_oom(call->out);
    return;
  }
  rd_reply_int(call->out, 1);
}

void rd_cmd_move(rd_call *call) {
  unsigned db;
  if (!parse_db(call, call->argv[2], &db)) return;
  if (db == call->db) {
    rd_reply_error(call->out, "ERR source and destination objects are the same");
    return;
  }
  rd_key src = rd_call_key(call, 1), dst = rd_call_key_in(call, 1, db);
  const rd_item *it = rd_find_write(call->store, &src);
  if (it != NULL && work_of(call->store, it) > RD_LONG_BYTES && !rd_may_take_long(call)) return;
  if (it == NULL || rd_find_write(call->store, &dst) != NULL) {
    rd_reply_int(call->out, 0);
    return;
  }
  if (move_key(call, &src, &dst, RD_EVENT_MOVE_FROM, RD_EVENT_MOVE_TO)) rd_reply_int(call->out, 1);
}
