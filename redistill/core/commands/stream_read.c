/* stream_read.c - XREAD: entries of several streams behind given ids, and waiting for them. */
#include "commands/stream_read.h"

#include "arena/longrun.h"
#include "command/keys.h"
#include "commands/cmd.h"
#include "commands/value.h"

/* ---- options ---- */

static bool parse_milliseconds(rd_call *c, rd_bytes text, rd_read_options *o) {
  int64_t n;
  o->blocks = true;
  if (!rd_parse_i64(text, &n) || n > INT64_MAX - (int64_t)c->store->now_ms) {
    rd_reply_error(c->out, "ERR timeout is not an integer or out of range");
    return false;
  }
  o->milliseconds = (uint64_t)n;
  if (n >= 0) return true;
  rd_reply_error(c->out, "ERR timeout is negative");
  return false;
}

static bool parse_streams(rd_call *c, bool grouped, uint32_t at, rd_read_options *o) {
  o->first = at;
  o->n = (c->argc - at) / 2;
  if (at == c->argc)
    rd_reply_syntax(c->out);
  else if ((c->argc - at) % 2 != 0)
    rd_reply_errorf(c->out, "ERR Unbalanced '%s' list of streams: for each stream key an ID or '%c' must be specified.",
                    c->command->name, grouped ? '>' : '$');
  else if (grouped && o->group == 0)
    rd_reply_error(c->out, "ERR Missing GROUP option for XREADGROUP");
  else
    return true;
  return false;
}

/* The options of XREADGROUP. False after an error reply of XREAD. */
static bool is_grouped(rd_call *c, bool grouped, const char *option) {
  if (grouped) return true;
  rd_reply_errorf(c->out, "ERR The %s option is only supported by XREADGROUP. You called XREAD instead.", option);
  return false;
}

bool rd_parse_read(rd_call *c, bool grouped, rd_read_options *o) {
  enum { GROUP, COUNT, BLOCK, NOACK, STREAMS };
  *o = (rd_read_options){.count = 0};
  for (uint32_t at = 1; at < c->argc;) {
    uint32_t value;
    int64_t n;
    switch (rd_next_option(c->command, c->argv, c->argc, &at, &value)) {
      case GROUP:
        if (!is_grouped(c, grouped, "GROUP")) return false;
        o->group = value;
        break;
      case COUNT:
        if (!rd_arg_integer(c, c->argv[value], &n)) return false;
        o->count = n < 0 ? 0 : (uint64_t)n;
        break;
      case BLOCK:
        if (!parse_milliseconds(c, c->argv[value], o)) return false;
        break;
      case NOACK:
        if (!is_grouped(c, grouped, "NOACK")) return false;
        o->no_ack = true;
        break;
      case STREAMS:
        return parse_streams(c, grouped, value, o);
      default:
        rd_reply_syntax(c->out);
        return false;
    }
  }
  rd_reply_syntax(c->out);
  return false;
}

/* ---- the streams ---- */

/* Parse the id behind which a stream is read. False after an error reply. */
static bool parse_after(rd_call *c, const rd_stream *s, rd_bytes text, rd_stream_id *id) {
  if (text.len == 1 && *text.data == '$') {
    *id = s->meta.last;
    return true;
  }
  if (text.len == 1 && *text.data == '+') {
    if (rd_stream_last_id(s, id))
      rd_id_down(id);
    else
      *id = s->meta.last;
    return true;
  }
  if (text.len == 1 && *text.data == '>') {
    rd_reply_error(c->out,
                   "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> "
                   "option.");
    return false;
  }
  return rd_parse_id(c, text, 0, NULL, id);
}

/* Find the ids of all streams; the later ones may be wrong, so that nothing was replied yet. */
static bool find_ids(rd_call *c, const rd_read_options *o, rd_stream_id *after) {
  rd_stream s;
  rd_bytes kept = rd_call_kept(c);
  bool again = kept.len == o->n * sizeof *after;
  if (again) memcpy(after, kept.data, kept.len);
  for (uint32_t i = 0; i < o->n; i++) {
    rd_key key = rd_call_key(c, o->first + i);
    rd_item *it = rd_find_quiet(c->store, &key, false);
    if (it != NULL && !rd_call_is(c, it, &rd_types[RD_STREAM])) return false;
    rd_stream_open(&s, c->store, &key, it);
    if (!again && !parse_after(c, &s, c->argv[o->first + o->n + i], &after[i])) return false;
    if (i % 64 == 63) rd_yield(c->store);
  }
  return true;
}

void rd_reply_stream_head(rd_call *c, const rd_read_options *o, uint32_t i) {
  rd_bytes key = c->argv[o->first + i];
  if (c->out->resp != 3) rd_reply_array(c->out, 2);
  rd_reply_bulk(c->out, key.data, key.len);
}

void rd_reply_streams_end(rd_call *c, const rd_entries *e, size_t array, uint64_t n) {
  rd_reply_end_array(c->out, array, (size_t)n);
  if (c->out->resp == 3 && !c->out->failed && n > 0) c->out->data[array] = '%';
  if (n == 0) c->out->len = e->mark;
}

/* Reply with the entries of all streams that have some; *found counts these. False: the command must return. */
static bool reply_streams(rd_call *c, const rd_read_options *o, const rd_stream_id *after, rd_stream *last,
                          uint64_t *found) {
  rd_entries e = rd_entries_of(c);
  size_t array = rd_reply_begin_array(c->out);
  for (uint32_t i = 0; i < o->n; i++) {
    rd_stream s;
    rd_stream_id from = after[i], top;
    bool absent;
    rd_key key = rd_call_key(c, o->first + i);
    rd_item *it = rd_call_value(c, &key, &rd_types[RD_STREAM], false, &absent);
    e.found += it != NULL;
    e.missed += it == NULL;
    if (it == NULL) continue;
    rd_stream_open(&s, c->store, &key, it);
    if (!rd_stream_last_id(&s, &top) || rd_id_compare(top, from) <= 0 || !rd_id_up(&from)) continue;
    rd_reply_stream_head(c, o, i);
    if (!rd_entries_range(&e, &s, from, RD_STREAM_MAX, o->count, false, NULL)) return false;
    *last = s;
    ++*found;
    if (i % 64 == 63) rd_yield(c->store);
  }
  rd_reply_streams_end(c, &e, array, *found);
  return true;
}

/* ---- waiting ---- */

static rd_bytes word(const char *text) { return (rd_bytes){(const uint8_t *)text, strlen(text)}; }

void rd_wait_for_streams(rd_call *c, const rd_read_options *o, const rd_bytes *ids, rd_bytes keeps) {
  char count[RD_I64_TEXT];
  rd_waiting w = {.type = RD_STREAM,
                  .first = o->first,
                  .keys = o->n,
                  .milliseconds = o->milliseconds,
                  .counts = true,
                  .keeps = keeps};
  uint32_t n = 0;
  w.argv[n++] = c->argv[0];
  if (o->group != 0) {
    w.argv[n++] = word("GROUP");
    w.argv[n++] = c->argv[o->group];
    w.argv[n++] = c->argv[o->group + 1];
    w.gone = true;
  }
  w.argv[n++] = word("COUNT");
  w.argv[n++] = (rd_bytes){(uint8_t *)count, rd_format_i64(count, (int64_t)o->count)};
  if (o->no_ack) w.argv[n++] = word("NOACK");
  w.argv[n++] = word("STREAMS");
  w.key_at = n++;
  w.each_at = n++;
  w.each = ids;
  w.argc = n;
  rd_call_block(c, &w);
}

/* Wait for entries behind these ids: a later call for one key has its id, whatever the client has written. */
static void wait_behind(rd_call *c, const rd_read_options *o, const rd_stream_id *after) {
  char(*texts)[RD_ID_TEXT];
  uint64_t bytes = o->n * (sizeof *texts + sizeof(rd_bytes));
  rd_bytes *ids = rd_scratch_take(c, bytes);
  if (ids == NULL) {
    rd_reply_oom(c->out);
    return;
  }
  texts = (char(*)[RD_ID_TEXT])(void *)(ids + o->n);
  for (uint32_t i = 0; i < o->n; i++) ids[i] = (rd_bytes){(uint8_t *)texts[i], rd_format_id(texts[i], after[i])};
  rd_wait_for_streams(c, o, ids, (rd_bytes){(const uint8_t *)after, o->n * sizeof *after});
  rd_scratch_give(c->store, ids, bytes);
}

void rd_cmd_xread(rd_call *c) {
  rd_read_options o;
  rd_stream last = {.c = {.item = NULL}};
  rd_stream_id few[RD_FEW_STREAMS], *after = few;
  uint64_t found = 0;
  if (!rd_parse_read(c, false, &o)) return;
  if ((c->session != NULL && !rd_may_miss(c)) || (o.n > RD_LONG_ELEMENTS && !rd_may_take_long(c))) return;
  uint64_t bytes = o.n * sizeof *after;
  if (o.n > RD_FEW_STREAMS && (after = rd_scratch_take(c, bytes)) == NULL) {
    rd_reply_oom(c->out);
    return;
  }
  if (find_ids(c, &o, after) && reply_streams(c, &o, after, &last, &found)) {
    if (found > 0)
      rd_call_may_remove(c, last.c.item);
    else if (o.blocks)
      wait_behind(c, &o, after);
    else if (c->session != NULL) /* who waits gets nothing yet */
      rd_reply_null_array(c->out);
  }
  if (after != few) rd_scratch_give(c->store, after, bytes);
}
