/* stream_info.c - XINFO: figures about a stream, its groups and their consumers. */
#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/stream.h"
#include "commands/value.h"
#include "types/stream_group.h"

static void field(rd_call *c, const char *name, int64_t n) {
  rd_reply_str(c->out, name);
  rd_reply_int(c->out, n);
}

static void field_id(rd_call *c, const char *name, rd_stream_id id) {
  rd_reply_str(c->out, name);
  rd_reply_id(c->out, id);
}

/* Open the stream at argv[2], which must exist. False after an error reply. */
static bool open_existing(rd_call *c, rd_stream *s) {
  if (!rd_open_stream(c, 2, false, s)) return false;
  if (s->c.item != NULL) return true;
  rd_reply_error(c->out, "ERR no such key");
  return false;
}

/* A reply that looks at `n` parts of the stream may take long. False: the command must return. */
static bool may_show(rd_call *c, uint64_t n) { return rd_may_read(c, n > RD_LONG_ELEMENTS ? RD_LONG_BYTES + 1 : 0); }

/* ---- the parts ---- */

static void show_counters(rd_call *c, const rd_stream *s) {
  rd_stream_id first;
  rd_stream_first_id(s, &first);
  field(c, "length", (int64_t)s->meta.length);
  /* Redis's tree of nodes; a stream is stored otherwise here, and only the number of nodes is the same. */
  field(c, "radix-tree-keys", s->meta.nodes);
  field(c, "radix-tree-nodes", (int64_t)s->meta.nodes + 1);
  field_id(c, "last-generated-id", s->meta.last);
  field_id(c, "max-deleted-entry-id", s->meta.deleted);
  field(c, "entries-added", (int64_t)s->meta.added);
  field_id(c, "recorded-first-entry-id", first);
}

static bool show_edge(rd_entries *e, const rd_stream *s, const char *name, bool last) {
  rd_call *c = e->call;
  rd_stream_pos at;
  rd_reply_str(c->out, name);
  if (last ? rd_stream_upper(s, RD_STREAM_MAX, &at) : rd_stream_lower(s, (rd_stream_id){0, 0}, &at))
    return rd_entries_add(e, &at);
  rd_reply_null(c->out);
  return true;
}

static void show_progress(rd_call *c, const rd_stream *s, const rd_group *g) {
  int64_t lag;
  field_id(c, "last-delivered-id", g->last);
  rd_reply_str(c->out, "entries-read");
  if (g->read == RD_READ_UNKNOWN)
    rd_reply_null(c->out);
  else
    rd_reply_int(c->out, g->read);
  rd_reply_str(c->out, "lag");
  if (rd_group_lag(s, g, &lag))
    rd_reply_int(c->out, lag);
  else
    rd_reply_null(c->out);
}

/* ---- XINFO STREAM key ---- */

static void show_stream(rd_call *c, const rd_stream *s) {
  rd_entries e = rd_entries_of(c);
  e.found = 1;
  rd_reply_map(c->out, 10);
  show_counters(c, s);
  field(c, "groups", s->meta.groups);
  if (show_edge(&e, s, "first-entry", false)) show_edge(&e, s, "last-entry", true);
}

/* ---- XINFO STREAM key FULL ---- */

/* The pending entries of a group, at most `most`, or all. */
static void show_pending(rd_call *c, const rd_stream *s, const rd_group *g, uint64_t most) {
  rd_pending e;
  uint64_t n = 0;
  size_t array = rd_reply_begin_array(c->out);
  bool more = rd_pending_lower(s, g->number, (rd_stream_id){0, 0}, &e);
  for (; more && !c->out->failed; more = ++n != most && rd_pending_next(s, g->number, &e)) {
    rd_reply_array(c->out, 4);
    rd_reply_id(c->out, e.id);
    rd_element_reply(c->out, c->store, rd_consumer_name(s, e.consumer));
    rd_reply_int(c->out, e.time);
    rd_reply_int(c->out, (int64_t)e.count);
    if (n % 64 == 63) rd_yield(c->store);
  }
  rd_reply_end_array(c->out, array, (size_t)n);
}

static void show_owned(rd_call *c, const rd_stream *s, const rd_group *g, uint32_t consumer, uint64_t most) {
  rd_pos p;
  rd_pending e;
  uint64_t n = 0;
  size_t array = rd_reply_begin_array(c->out);
  bool more = rd_owned_lower(s, consumer, (rd_stream_id){0, 0}, &p);
  for (; more && !c->out->failed; more = ++n != most && rd_owned_next(s, consumer, &p)) {
    bool found = rd_pending_find(s, g->number, rd_owned_id(&p), &e);
    rd_reply_array(c->out, 3);
    rd_reply_id(c->out, rd_owned_id(&p));
    rd_reply_int(c->out, found ? e.time : 0);
    rd_reply_int(c->out, found ? (int64_t)e.count : 0);
    if (n % 64 == 63) rd_yield(c->store);
  }
  rd_reply_end_array(c->out, array, (size_t)n);
}

static void show_consumers(rd_call *c, const rd_stream *s, const rd_group *g, uint64_t most) {
  rd_consumer k;
  rd_reply_array(c->out, (size_t)rd_consumers_count(s, g->number));
  bool more = rd_consumer_first(s, g->number, &k);
  for (; more && !c->out->failed; more = rd_consumer_next(s, g->number, &k)) {
    rd_reply_map(c->out, 5);
    rd_reply_str(c->out, "name");
    rd_element_reply(c->out, c->store, k.name);
    field(c, "seen-time", k.seen);
    field(c, "active-time", k.active);
    field(c, "pel-count", (int64_t)rd_owned_count(s, k.number));
    rd_reply_str(c->out, "pending");
    show_owned(c, s, g, k.number, most);
    rd_yield(c->store);
  }
}

static void show_groups(rd_call *c, const rd_stream *s, uint64_t most) {
  rd_group g;
  rd_reply_array(c->out, s->meta.groups);
  for (bool more = rd_group_first(s, &g); more && !c->out->failed; more = rd_group_next(s, &g)) {
    rd_reply_map(c->out, 7);
    rd_reply_str(c->out, "name");
    rd_element_reply(c->out, c->store, g.name);
    show_progress(c, s, &g);
    field(c, "pel-count", (int64_t)rd_pending_count(s, g.number));
    rd_reply_str(c->out, "pending");
    show_pending(c, s, &g, most);
    rd_reply_str(c->out, "consumers");
    show_consumers(c, s, &g, most);
    rd_yield(c->store);
  }
}

static void show_full(rd_call *c, const rd_stream *s, uint64_t most) {
  rd_coll second = rd_coll_second(&s->c);
  if (!may_show(c, rd_coll_count(&second))) return;
  rd_entries e = rd_entries_of(c);
  e.found = 1;
  rd_reply_map(c->out, 9);
  show_counters(c, s);
  rd_reply_str(c->out, "entries");
  if (!rd_entries_range(&e, s, (rd_stream_id){0, 0}, RD_STREAM_MAX, most, false, NULL)) return;
  rd_reply_str(c->out, "groups");
  show_groups(c, s, most);
}

void rd_cmd_xinfo_stream(rd_call *c) {
  enum { USUAL = 10 };
  rd_stream s;
  int64_t most = USUAL;
  if (!open_existing(c, &s)) return;
  if (c->argc == 3) {
    show_stream(c, &s);
    return;
  }
  if (!rd_arg_is(c->argv[3], "full") || (c->argc > 4 && (c->argc != 6 || !rd_arg_is(c->argv[4], "count")))) {
    rd_reply_subcommand_syntax(c);
    return;
  }
  if (c->argc == 6 && !rd_arg_integer(c, c->argv[5], &most)) return;
  show_full(c, &s, most < 0 ? USUAL : (uint64_t)most);
}

/* ---- XINFO GROUPS, XINFO CONSUMERS ---- */

void rd_cmd_xinfo_groups(rd_call *c) {
  rd_stream s;
  rd_group g;
  if (!open_existing(c, &s) || !may_show(c, s.meta.groups)) return;
  rd_reply_array(c->out, s.meta.groups);
  for (bool more = rd_group_first(&s, &g); more && !c->out->failed; more = rd_group_next(&s, &g)) {
    rd_reply_map(c->out, 6);
    rd_reply_str(c->out, "name");
    rd_element_reply(c->out, c->store, g.name);
    field(c, "consumers", (int64_t)rd_consumers_count(&s, g.number));
    field(c, "pending", (int64_t)rd_pending_count(&s, g.number));
    show_progress(c, &s, &g);
    rd_yield(c->store);
  }
}

void rd_cmd_xinfo_consumers(rd_call *c) {
  rd_stream s;
  rd_group g;
  rd_consumer k;
  if (!open_existing(c, &s)) return;
  if (!rd_group_find(&s, c->argv[3], &g)) {
    rd_reply_no_group(c, c->argv[2], c->argv[3]);
    return;
  }
  uint64_t n = rd_consumers_count(&s, g.number);
  if (!may_show(c, n)) return;
  int64_t now = (int64_t)c->store->now_ms;
  rd_reply_array(c->out, (size_t)n);
  bool more = rd_consumer_first(&s, g.number, &k);
  for (; more && !c->out->failed; more = rd_consumer_next(&s, g.number, &k)) {
    rd_reply_map(c->out, 4);
    rd_reply_str(c->out, "name");
    rd_element_reply(c->out, c->store, k.name);
    field(c, "pending", (int64_t)rd_owned_count(&s, k.number));
    field(c, "idle", rd_since(now, k.seen));
    field(c, "inactive", k.active < 0 ? -1 : rd_since(now, k.active));
    rd_yield(c->store);
  }
}

void rd_cmd_xinfo_help(rd_call *c) {
  static const char *const lines[] = {
      "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "CONSUMERS <key> <groupname>",
      "    Show consumers of <groupname>.",
      "GROUPS <key>",
      "    Show the stream consumer groups.",
      "STREAM <key> [FULL [COUNT <count>]",
      "    Show information about the stream.",
      "HELP",
      "    Prints this help.",
  };
  rd_reply_lines(c->out, lines, sizeof lines / sizeof lines[0]);
}
