/* stream_group.c - XGROUP and XACK. */
#include "types/stream_group.h"

#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/stream.h"
#include "commands/value.h"

/* ---- shared by the commands on groups ---- */

/* Try once. RD_OOM: nothing has changed. */
static rd_result change_once(rd_stream *s, bool whole, rd_result (*change)(rd_stream *s, void *arg), void *arg) {
  if (whole) return change(s, arg);
  if (!rd_coll_begin(&s->c)) return RD_OOM;
  if (change(s, arg) == RD_OK) {
    rd_coll_commit(&s->c);
    return RD_OK;
  }
  rd_coll_undo(&s->c);
  rd_stream_reopen(s);
  return RD_OOM;
}

/* Try several times. `out`, if not NULL: what was appended by an attempt that failed is dropped. */
static bool change_all(rd_stream *s, bool whole, rd_result (*change)(rd_stream *s, void *arg), void *arg,
                       rd_reply *out) {
  size_t mark = out != NULL ? out->len : 0;
  bool existed = s->c.item != NULL;
  for (int attempt = 0; attempt < RD_COLL_ATTEMPTS; attempt++) {
    if (change_once(s, whole, change, arg) == RD_OK) return true;
    if (out != NULL) out->len = mark;
    if (!rd_coll_reserve(&s->c)) break;
    rd_stream_reopen(s);
    if (existed && s->c.item == NULL) break; /* it was evicted */
  }
  return false;
}

bool rd_stream_try(rd_stream *s, rd_result (*change)(rd_stream *s, void *arg), void *arg) {
  return change_all(s, false, change, arg, NULL);
}

bool rd_stream_try_whole(rd_stream *s, rd_result (*change)(rd_stream *s, void *arg), void *arg) {
  return change_all(s, true, change, arg, NULL);
}

bool rd_stream_change(rd_call *c, rd_stream *s, rd_result (*change)(rd_stream *s, void *arg), void *arg) {
  if (change_all(s, false, change, arg, c->out)) return true;
  rd_reply_oom(c->out);
  return false;
}

void rd_reply_no_key_or_group(rd_call *c, rd_bytes key, rd_bytes group, const char *where) {
  enum { MOST = 1024 };
  rd_reply_errorf(c->out, "NOGROUP No such key '%.*s' or consumer group '%.*s'%s",
                  (int)(key.len < MOST ? key.len : MOST), (const char *)key.data,
                  (int)(group.len < MOST ? group.len : MOST), (const char *)group.data, where);
}

bool rd_open_group(rd_call *c, rd_stream *s, rd_group *g) {
  if (!rd_open_stream(c, 1, false, s)) return false;
  if (rd_group_find(s, c->argv[2], g)) return true;
  rd_reply_no_key_or_group(c, c->argv[1], c->argv[2], "");
  return false;
}

rd_result rd_find_consumer(rd_stream *s, uint32_t group, rd_bytes name, rd_consumer *k, bool *created) {
  *created = !rd_consumer_find(s, group, name, k);
  if (!*created) return RD_OK;
  if (rd_consumer_create(s, group, name, (int64_t)s->c.st->now_ms, -1) != RD_OK) return RD_OOM;
  return rd_consumer_find(s, group, name, k) ? RD_OK : RD_OOM;
}

void rd_note_group(rd_call *c, const rd_stream *s, rd_key_event event) {
  rd_notify(c->store, &s->c.key, event);
  rd_note_changes(c->store, 1);
}

typedef struct new_consumer {
  uint32_t group;
  rd_bytes name;
  bool created;
} new_consumer;

static rd_result create_consumer(rd_stream *s, void *arg) {
  new_consumer *n = arg;
  rd_consumer k;
  return rd_find_consumer(s, n->group, n->name, &k, &n->created);
}

bool rd_see_consumer(rd_call *c, rd_stream *s, uint32_t group, rd_bytes name) {
  rd_consumer k;
  if (rd_consumer_find(s, group, name, &k)) {
    k.seen = (int64_t)c->store->now_ms;
    rd_consumer_save(s, &k);
    return true;
  }
  new_consumer n = {group, name, false};
  if (!rd_stream_change(c, s, create_consumer, &n)) return false;
  rd_note_group(c, s, RD_EVENT_XGROUP_CREATECONSUMER);
  return true;
}

/* ---- XGROUP ---- */

typedef struct group_options {
  bool mkstream;
  int64_t read;
  rd_stream_id id;
} group_options;

/* Parse the options from argv[5] on. False after an error reply. */
static bool parse_options(rd_call *c, bool creates, group_options *o) {
  *o = (group_options){.read = RD_READ_UNKNOWN};
  for (uint32_t i = 5; i < c->argc; i++) {
    if (creates && rd_arg_is(c->argv[i], "mkstream")) {
      o->mkstream = true;
    } else if (i + 1 < c->argc && rd_arg_is(c->argv[i], "entriesread")) {
      if (!rd_arg_integer(c, c->argv[++i], &o->read)) return false;
      if (o->read < 0 && o->read != RD_READ_UNKNOWN) {
        rd_reply_error(c->out, "ERR value for ENTRIESREAD must be positive or -1");
        return false;
      }
    } else {
      rd_reply_subcommand_syntax(c);
      return false;
    }
  }
  return true;
}

static bool parse_group_id(rd_call *c, const rd_stream *s, rd_bytes text, rd_stream_id *id) {
  if (text.len == 1 && *text.data == '$') {
    *id = s->meta.last;
    return true;
  }
  return rd_parse_id(c, text, 0, NULL, id);
}

/* Open the stream at argv[2]. False after an error reply. */
static bool open_for_group(rd_call *c, bool may_create, rd_stream *s) {
  if (!rd_open_stream(c, 2, true, s)) return false;
  if (s->c.item != NULL || may_create) return true;
  rd_reply_error(c->out,
                 "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
                 "MKSTREAM option to create an empty stream automatically.");
  return false;
}

/* Redis counts the arguments after all other checks. */
static bool has_at_most(rd_call *c, uint32_t n) {
  if (c->argc <= n) return true;
  rd_reply_subcommand_syntax(c);
  return false;
}

static bool find_group(rd_call *c, const rd_stream *s, rd_group *g) {
  if (rd_group_find(s, c->argv[3], g)) return true;
  rd_reply_no_group(c, c->argv[2], c->argv[3]);
  return false;
}

typedef struct new_group {
  rd_bytes name;
  const group_options *o;
} new_group;

static rd_result create_group(rd_stream *s, void *arg) {
  const new_group *n = arg;
  if (s->c.item == NULL && rd_stream_create(s) != RD_OK) return RD_OOM;
  return rd_group_create(s, n->name, n->o->id, n->o->read);
}

void rd_cmd_xgroup_create(rd_call *c) {
  group_options o;
  rd_stream s;
  rd_group g;
  if (!parse_options(c, true, &o) || !rd_check_length(c, c->argv[3].len)) return;
  if (!open_for_group(c, o.mkstream, &s) || !has_at_most(c, 8) || !parse_group_id(c, &s, c->argv[4], &o.id)) return;
  if (rd_group_find(&s, c->argv[3], &g)) {
    rd_reply_error(c->out, "BUSYGROUP Consumer Group name already exists");
    return;
  }
  new_group n = {c->argv[3], &o};
  bool existed = s.c.item != NULL;
  if (!rd_stream_change(c, &s, create_group, &n)) return;
  if (!existed) rd_coll_changed(&s.c, RD_EVENT_NONE);
  rd_note_group(c, &s, RD_EVENT_XGROUP_CREATE);
  rd_reply_ok(c->out);
}

void rd_cmd_xgroup_setid(rd_call *c) {
  group_options o;
  rd_stream s;
  rd_group g;
  if (!parse_options(c, false, &o) || !open_for_group(c, false, &s) || !find_group(c, &s, &g)) return;
  rd_bytes id = c->argv[4];
  bool edge = id.len == 1 && (*id.data == '-' || *id.data == '+'); /* only here these are ids, too */
  if (!has_at_most(c, 7) || (!edge && !parse_group_id(c, &s, id, &g.last))) return;
  if (edge) g.last = *id.data == '-' ? (rd_stream_id){0, 0} : RD_STREAM_MAX;
  g.read = o.read;
  rd_group_save(&s, c->argv[3], &g);
  rd_note_group(c, &s, RD_EVENT_XGROUP_SETID);
  rd_reply_ok(c->out);
}

void rd_cmd_xgroup_destroy(rd_call *c) {
  rd_stream s;
  rd_group g;
  if (!open_for_group(c, false, &s)) return;
  bool found = rd_group_find(&s, c->argv[3], &g);
  if (found) {
    rd_coll second = rd_coll_second(&s.c);
    if (rd_coll_count(&second) > RD_LONG_ELEMENTS && !rd_may_take_long(c)) return;
    rd_group_destroy(&s, c->argv[3]);
    rd_note_group(c, &s, RD_EVENT_XGROUP_DESTROY);
    rd_note_waited(c->store, &s.c.key); /* those who wait for the group */
  }
  rd_reply_int(c->out, found);
}

void rd_cmd_xgroup_createconsumer(rd_call *c) {
  rd_stream s;
  rd_group g;
  if (!rd_check_length(c, c->argv[4].len) || !open_for_group(c, false, &s) || !find_group(c, &s, &g)) return;
  new_consumer n = {g.number, c->argv[4], false};
  if (!rd_stream_change(c, &s, create_consumer, &n)) return;
  if (n.created) rd_note_group(c, &s, RD_EVENT_XGROUP_CREATECONSUMER);
  rd_reply_int(c->out, n.created);
}

void rd_cmd_xgroup_delconsumer(rd_call *c) {
  rd_stream s;
  rd_group g;
  rd_consumer k;
  uint64_t pending = 0;
  if (!open_for_group(c, false, &s) || !find_group(c, &s, &g)) return;
  if (rd_consumer_find(&s, g.number, c->argv[4], &k)) {
    pending = rd_owned_count(&s, k.number);
    if (pending > RD_LONG_ELEMENTS && !rd_may_take_long(c)) return;
    rd_consumer_remove(&s, g.number, c->argv[4]);
    rd_note_group(c, &s, RD_EVENT_XGROUP_DELCONSUMER);
  }
  rd_reply_int(c->out, (int64_t)pending);
}

void rd_cmd_xgroup_help(rd_call *c) {
  static const char *const lines[] = {
      "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "CREATE <key> <groupname> <id|$> [option]",
      "    Create a new consumer group. Options are:",
      "    * MKSTREAM",
      "      Create the empty stream if it does not exist.",
      "    * ENTRIESREAD entries_read",
      "      Set the group's entries_read counter (internal use).",
      "CREATECONSUMER <key> <groupname> <consumer>",
      "    Create a new consumer in the specified group.",
      "DELCONSUMER <key> <groupname> <consumer>",
      "    Remove the specified consumer.",
      "DESTROY <key> <groupname>",
      "    Remove the specified group.",
      "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
      "    Set the current group ID and entries_read counter.",
      "HELP",
      "    Prints this help.",
  };
  rd_reply_lines(c->out, lines, sizeof lines / sizeof lines[0]);
}

/* ---- XACK ---- */

void rd_cmd_xack(rd_call *c) {
  rd_stream s;
  rd_group g;
  rd_stream_id id;
  int64_t removed = 0;
  if (c->argc > RD_LONG_ELEMENTS && !rd_may_take_long(c)) return;
  if (!rd_open_stream(c, 1, false, &s)) return;
  if (rd_group_find(&s, c->argv[2], &g)) {
    uint32_t number = g.number;
    if (c->argc > 4 && !rd_check_ids(c, 3)) return;
    for (uint32_t i = 3; i < c->argc; i++) {
      if (!rd_parse_id(c, c->argv[i], 0, NULL, &id)) return;
      removed += rd_pending_remove(&s, number, id);
      if (i % 64 == 63) rd_yield(c->store);
    }
  }
  rd_note_changes(c->store, (uint64_t)removed);
  rd_reply_int(c->out, removed);
}
