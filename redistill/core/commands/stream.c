/* stream.c - commands that change a stream: XADD, XDEL, XTRIM, XSETID; and XLEN. */
#include "commands/stream.h"

#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/value.h"
#include "store/blob.h"

bool rd_open_stream(rd_call *c, uint32_t i, bool for_write, rd_stream *s) {
  bool absent;
  rd_key key = rd_call_key(c, i);
  rd_item *it = rd_call_value(c, &key, &rd_types[RD_STREAM], for_write, &absent);
  if (it == NULL && !absent) return false;
  rd_stream_open(s, c->store, &key, it);
  return true;
}

void rd_cmd_xlen(rd_call *c) {
  rd_stream s;
  if (rd_open_stream(c, 1, false, &s)) rd_reply_int(c->out, (int64_t)s.meta.length);
}

/* ---- XADD ---- */

/* The id of the new entry. False after an error reply. */
static bool choose_id(rd_call *c, const rd_stream *s, const rd_add_options *o, rd_stream_id *id) {
  rd_stream_id next = s->meta.last;
  if (!rd_id_up(&next)) {
    rd_reply_error(c->out, "ERR The stream has exhausted the last possible ID, unable to add more items");
    return false;
  }
  *id = o->id;
  if (o->any_id) {
    uint64_t now = c->store->now_ms;
    *id = now > s->meta.last.ms ? (rd_stream_id){now, 0} : next;
  } else if (o->any_seq && o->id.ms == s->meta.last.ms && s->meta.last.seq != UINT64_MAX) {
    *id = next;
  }
  if (rd_id_compare(*id, s->meta.last) > 0) return true;
  rd_reply_error(c->out, "ERR The ID specified in XADD is equal or smaller than the target stream top item");
  return false;
}

/* Append the entry once: RD_OOM as rd_stream_append. */
static rd_result append(rd_stream *s, rd_stream_id id, rd_body *b, rd_bytes outside) {
  rd_coll *c = &s->c;
  if (b->is_outside && (b->blob = rd_blob_new(c->st, c->shard, outside, &c->wanted)) == 0) return RD_OOM;
  rd_result done = rd_stream_append(s, id, b, RD_NODE_BY_LIMITS);
  if (done != RD_OK && b->is_outside) rd_blob_release(c->st, c->shard, b->blob);
  return done;
}

/* Append the entry. False after an -OOM reply. */
static bool append_or_none(rd_call *c, rd_stream *s, rd_stream_id id, rd_body *b, rd_bytes outside) {
  for (int attempt = 0; attempt < RD_COLL_ATTEMPTS; attempt++) {
    if (RD_LIKELY(append(s, id, b, outside) == RD_OK)) return true;
    if (!rd_coll_reserve(&s->c)) break;
    rd_stream_reopen(s); /* the stream may be evicted, and the id is still above its last one */
  }
  rd_reply_oom(c->out);
  return false;
}

static void add(rd_call *c, const rd_add_options *o, rd_body *b, rd_bytes outside) {
  rd_stream s;
  rd_stream_id id;
  if (!rd_open_stream(c, 1, true, &s)) return;
  if (s.c.item == NULL && o->no_create) {
    rd_reply_null(c->out);
    return;
  }
  if (!choose_id(c, &s, o, &id)) return;
  if (rd_stream_trims(&s, &o->trim) > RD_LONG_ELEMENTS && !rd_may_take_long(c)) return;
  if (!append_or_none(c, &s, id, b, outside)) return;
  rd_reply_id(c->out, id);
  rd_coll_changed(&s.c, RD_EVENT_XADD);
  rd_note_changes(c->store, 1);
  uint64_t trimmed = rd_stream_trim(&s, &o->trim);
  if (trimmed > 0) rd_coll_changed(&s.c, RD_EVENT_XTRIM);
}

/* Add an entry whose strings are too long for a chunk. */
static void __attribute__((noinline)) add_outside(rd_call *c, const rd_add_options *o, rd_body *b) {
  const rd_bytes *strings = c->argv + o->fields;
  uint64_t bytes = b->blob_bytes;
  if (!rd_check_length(c, bytes)) return;
  if ((bytes > RD_LONG_BYTES || b->n > RD_LONG_ELEMENTS) && !rd_may_take_long(c)) return;
  uint8_t *copy = rd_scratch_take(c, bytes), *to = copy;
  if (copy == NULL) {
    rd_reply_oom(c->out);
    return;
  }
  for (size_t i = 0; i < 2 * (size_t)b->n; i++) {
    to = rd_body_write(c->store, strings[i], to);
    if (i % 64 == 63) rd_yield(c->store);
  }
  add(c, o, b, (rd_bytes){copy, (size_t)bytes});
  rd_scratch_give(c->store, copy, bytes);
}

void rd_cmd_xadd(rd_call *c) {
  rd_add_options o;
  rd_body b;
  if (!rd_parse_add(c, true, &o)) return;
  if (c->argc > RD_LONG_KEYS && !rd_may_take_long(c)) return;
  rd_body_of(&b, c->argv + o.fields, (c->argc - o.fields) / 2);
  if (RD_UNLIKELY(b.is_outside))
    add_outside(c, &o, &b);
  else
    add(c, &o, &b, (rd_bytes){NULL, 0});
}

/* ---- XTRIM, XDEL ---- */

void rd_cmd_xtrim(rd_call *c) {
  rd_add_options o;
  rd_stream s;
  if (!rd_parse_add(c, false, &o) || !rd_open_stream(c, 1, true, &s)) return;
  if (rd_stream_trims(&s, &o.trim) > RD_LONG_ELEMENTS && !rd_may_take_long(c)) return;
  uint64_t trimmed = rd_stream_trim(&s, &o.trim);
  if (trimmed > 0) rd_coll_changed(&s.c, RD_EVENT_XTRIM);
  rd_note_changes(c->store, trimmed);
  rd_reply_int(c->out, (int64_t)trimmed);
}

bool rd_check_ids(rd_call *c, uint32_t first) {
  rd_stream_id id;
  for (uint32_t i = first; i < c->argc; i++) {
    if (!rd_parse_id(c, c->argv[i], 0, NULL, &id)) return false;
    if (i % 64 == 63) rd_yield(c->store);
  }
  return true;
}

void rd_cmd_xdel(rd_call *c) {
  rd_stream s;
  rd_stream_id id;
  int64_t removed = 0;
  if (c->argc > RD_LONG_ELEMENTS && !rd_may_take_long(c)) return;
  if (!rd_open_stream(c, 1, true, &s)) return;
  if (s.c.item != NULL && !rd_check_ids(c, 2)) return;
  for (uint32_t i = 2; i < c->argc && s.meta.length > 0; i++) {
    if (!rd_parse_id(c, c->argv[i], 0, NULL, &id)) return;
    removed += rd_stream_remove(&s, id);
    if (i % 64 == 63) rd_yield(c->store);
  }
  if (removed > 0) rd_coll_changed(&s.c, RD_EVENT_XDEL);
  rd_note_changes(c->store, (uint64_t)removed);
  rd_reply_int(c->out, removed);
}

/* ---- XSETID ---- */

typedef struct setid_options {
  rd_stream_id id, deleted;
  int64_t added; /* -1: not given */
} setid_options;

static bool parse_setid(rd_call *c, setid_options *o) {
  *o = (setid_options){.added = -1};
  if (!rd_parse_id(c, c->argv[2], 0, NULL, &o->id)) return false;
  for (uint32_t i = 3; i < c->argc; i += 2) {
    bool more = i + 1 < c->argc;
    if (more && rd_arg_is(c->argv[i], "entriesadded")) {
      if (!rd_arg_integer(c, c->argv[i + 1], &o->added)) return false;
      if (o->added < 0) {
        rd_reply_error(c->out, "ERR entries_added must be positive");
        return false;
      }
    } else if (more && rd_arg_is(c->argv[i], "maxdeletedid")) {
      if (!rd_parse_id(c, c->argv[i + 1], 0, NULL, &o->deleted)) return false;
      if (rd_id_compare(o->id, o->deleted) < 0) {
        rd_reply_error(c->out, "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
        return false;
      }
    } else {
      rd_reply_syntax(c->out);
      return false;
    }
  }
  return true;
}

static bool check_setid(rd_call *c, const rd_stream *s, const setid_options *o) {
  rd_stream_id last;
  bool any = rd_stream_last_id(s, &last);
  if (s->c.item == NULL)
    rd_reply_error(c->out, "ERR no such key");
  else if (rd_id_compare(o->id, s->meta.deleted) < 0)
    rd_reply_error(c->out, "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
  else if (any && rd_id_compare(o->id, last) < 0)
    rd_reply_error(c->out, "ERR The ID specified in XSETID is smaller than the target stream top item");
  else if (any && o->added >= 0 && s->meta.length > (uint64_t)o->added)
    rd_reply_error(c->out, "ERR The entries_added specified in XSETID is smaller than the target stream length");
  else
    return true;
  return false;
}

void rd_cmd_xsetid(rd_call *c) {
  setid_options o;
  rd_stream s;
  if (!parse_setid(c, &o) || !rd_open_stream(c, 1, true, &s) || !check_setid(c, &s, &o)) return;
  s.meta.last = o.id;
  if (o.added >= 0) s.meta.added = (uint64_t)o.added;
  if (!rd_id_is_zero(o.deleted)) s.meta.deleted = o.deleted;
  rd_stream_save(&s);
  rd_coll_changed(&s.c, RD_EVENT_XSETID);
  rd_reply_ok(c->out);
}
