/* stream_refs.c - XDELEX and XACKDEL, which delete entries and regard the groups that refer to them. */
#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/stream.h"
#include "types/stream_group.h"

/* The reply for one id. */
enum { ABSENT = -1, DELETED = 1, REFERENCED = 2 };

typedef struct deletion {
  rd_refs refs;
  uint32_t first; /* the ids are argv[first] and all behind it */
  rd_stream_id lowest;
  uint32_t group; /* of XACKDEL */
  uint64_t deleted, acknowledged;
} deletion;

/* ---- arguments ---- */

/* Parse the number of ids at argv[at], behind which there are only ids. */
static bool parse_count(rd_call *c, uint32_t at, deletion *d) {
  int64_t n;
  d->first = at + 1;
  if (!rd_parse_i64(c->argv[at], &n) || n < 1)
    rd_reply_error(c->out, "ERR Number of IDs must be a positive integer");
  else if ((uint64_t)n != c->argc - d->first)
    rd_reply_error(c->out, "ERR The `numids` parameter must match the number of arguments");
  else
    return rd_check_ids(c, d->first);
  return false;
}

/* Parse the arguments from argv[from] on. False after an error reply. */
static bool parse(rd_call *c, uint32_t from, deletion *d) {
  *d = (deletion){.refs = RD_REFS_KEEP};
  if (rd_parse_refs(c->argv[from], &d->refs)) from++;
  if (from + 1 < c->argc && rd_arg_is(c->argv[from], "ids")) return parse_count(c, from + 1, d);
  rd_reply_syntax(c->out);
  return false;
}

/* ---- deleting ---- */

static void delete_entry(rd_stream *s, deletion *d, rd_stream_id id) { d->deleted += rd_stream_remove(s, id); }

/* XDELEX: delete the entry. */
static int64_t delete_one(rd_stream *s, deletion *d, rd_stream_id id) {
  if (d->refs == RD_REFS_DELETE) rd_stream_unlink(s, id); /* even if only references are left */
  if (!rd_stream_has(s, id)) return ABSENT;
  if (d->refs == RD_REFS_ACKED && rd_stream_is_referenced(s, id, d->lowest)) return REFERENCED;
  delete_entry(s, d, id);
  return DELETED;
}

/* XACKDEL: acknowledge the entry, and delete it. It may be deleted already. */
static int64_t acknowledge_one(rd_stream *s, deletion *d, rd_stream_id id) {
  if (d->group == 0 || !rd_pending_remove(s, d->group, id)) return ABSENT;
  d->acknowledged++;
  if (d->refs == RD_REFS_ACKED && rd_stream_is_referenced(s, id, d->lowest)) return REFERENCED;
  if (d->refs == RD_REFS_DELETE) rd_stream_unlink(s, id);
  delete_entry(s, d, id);
  return DELETED;
}

/* True if the command may go on; else it must return. */
static bool may_delete(rd_call *c, const rd_stream *s, const deletion *d) {
  uint64_t each = d->refs == RD_REFS_KEEP ? 1 : 1 + (uint64_t)s->meta.groups;
  return (c->argc - d->first) * each <= RD_LONG_ELEMENTS || rd_may_take_long(c);
}

static void delete_all(rd_call *c, rd_stream *s, deletion *d,
                       int64_t (*one)(rd_stream *s, deletion *d, rd_stream_id id)) {
  rd_stream_id id;
  bool exists = s->c.item != NULL;
  if (exists && d->refs == RD_REFS_ACKED) d->lowest = rd_groups_lowest(s);
  rd_reply_array(c->out, c->argc - d->first);
  for (uint32_t i = d->first; i < c->argc; i++) {
    bool valid = exists && rd_parse_id(c, c->argv[i], 0, NULL, &id);
    rd_reply_int(c->out, valid ? one(s, d, id) : ABSENT);
    if (i % 64 == 63) rd_yield(c->store);
  }
  if (d->deleted > 0) rd_coll_changed(&s->c, RD_EVENT_XDEL);
  rd_note_changes(c->store, d->deleted + d->acknowledged);
}

void rd_cmd_xdelex(rd_call *c) {
  deletion d;
  rd_stream s;
  if (c->argc > RD_LONG_ELEMENTS && !rd_may_take_long(c)) return;
  if (!parse(c, 2, &d) || !rd_open_stream(c, 1, true, &s) || !may_delete(c, &s, &d)) return;
  delete_all(c, &s, &d, delete_one);
}

void rd_cmd_xackdel(rd_call *c) {
  deletion d;
  rd_stream s;
  rd_group g;
  if (c->argc > RD_LONG_ELEMENTS && !rd_may_take_long(c)) return;
  if (!parse(c, 3, &d) || !rd_open_stream(c, 1, true, &s) || !may_delete(c, &s, &d)) return;
  if (rd_group_find(&s, c->argv[2], &g)) d.group = g.number;
  delete_all(c, &s, &d, acknowledge_one);
}
