/* stream_options.c - ids, and the options of XADD and XTRIM. */
#include <errno.h>
#include <stdlib.h>

#include "commands/stream.h"

/* ---- errors ---- */

static int shown(rd_bytes text, size_t most) { return (int)(text.len < most ? text.len : most); }

void rd_reply_no_group(rd_call *c, rd_bytes key, rd_bytes group) {
  enum { MOST = 1024 };
  rd_reply_errorf(c->out, "NOGROUP No such consumer group '%.*s' for key name '%.*s'", shown(group, MOST),
                  (const char *)group.data, shown(key, MOST), (const char *)key.data);
}

void rd_reply_subcommand_syntax(rd_call *c) {
  rd_bytes sub = c->argv[1];
  char name[16];
  size_t n = 0;
  for (; c->command->full_name[n] != '|' && n + 1 < sizeof name; n++) name[n] = (char)(c->command->full_name[n] - 32);
  name[n] = 0;
  rd_reply_errorf(c->out, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                  shown(sub, 128), (const char *)sub.data, name);
}

/* ---- ids ---- */

static char *format(char *to, uint64_t n) {
  char digits[20];
  unsigned i = sizeof digits;
  do {
    digits[--i] = (char)('0' + n % 10);
    n /= 10;
  } while (n != 0);
  memcpy(to, digits + i, sizeof digits - i);
  return to + sizeof digits - i;
}

size_t rd_format_id(char text[RD_ID_TEXT], rd_stream_id id) {
  char *at = format(text, id.ms);
  *at++ = '-';
  return (size_t)(format(at, id.seq) - text);
}

void rd_reply_id(rd_reply *r, rd_stream_id id) {
  char text[RD_ID_TEXT];
  rd_reply_bulk(r, text, rd_format_id(text, id));
}

/* A number without a sign. As in Redis, strtoull decides about texts that are not canonical: so white space and a plus
 * may precede it. */
static bool parse_number(const char *text, uint64_t *n) {
  int64_t canonical;
  if (rd_parse_i64((rd_bytes){(const uint8_t *)text, strlen(text)}, &canonical)) {
    *n = (uint64_t)canonical;
    return canonical >= 0;
  }
  char *end;
  errno = 0;
  *n = strtoull(text, &end, 10);
  return errno == 0 && *text != 0 && *end == 0;
}

/* Parse digits, so few that their number is below 10^19, from *at on. False: there are none, or more. */
static inline bool parse_digits(const uint8_t **at, const uint8_t *end, uint64_t *n) {
  const uint8_t *start = *at, *p = start;
  for (*n = 0; p < end && (uint8_t)(*p - '0') < 10; p++) *n = *n * 10 + (uint8_t)(*p - '0');
  *at = p;
  return p > start && p - start < 20;
}

/* Parse an id as clients usually write it. False: it is written otherwise, or is none. */
static bool parse_usual(rd_bytes text, uint64_t missing, rd_stream_id *id) {
  const uint8_t *at = text.data, *end = at + text.len;
  id->seq = missing;
  if (!parse_digits(&at, end, &id->ms)) return false;
  return at == end || (*at++ == '-' && parse_digits(&at, end, &id->seq) && at == end);
}

static bool parse_id(rd_bytes text, uint64_t missing, bool *any_seq, rd_stream_id *id) {
  char number[128];
  if (any_seq != NULL) *any_seq = false;
  if (RD_LIKELY(parse_usual(text, missing, id))) return true;
  if (text.len >= sizeof number || text.len == 0) return false;
  memcpy(number, text.data, text.len);
  number[text.len] = 0;
  char *seq = strchr(number, '-');
  if (seq != NULL) *seq++ = 0;
  id->seq = missing;
  if (!parse_number(number, &id->ms)) return false;
  if (seq == NULL) return true;
  if (any_seq == NULL || strcmp(seq, "*") != 0) return parse_number(seq, &id->seq);
  *any_seq = true;
  id->seq = 0;
  return true;
}

bool rd_parse_id(rd_call *c, rd_bytes text, uint64_t missing, bool *any_seq, rd_stream_id *id) {
  if (parse_id(text, missing, any_seq, id)) return true;
  rd_reply_error(c->out, "ERR Invalid stream ID specified as stream command argument");
  return false;
}

bool rd_id_is(rd_bytes text) {
  rd_stream_id id;
  return parse_id(text, 0, NULL, &id);
}

bool rd_parse_bound(rd_call *c, rd_bytes text, bool is_end, rd_stream_id *id) {
  if (text.len == 1 && (*text.data == '-' || *text.data == '+')) {
    *id = *text.data == '-' ? (rd_stream_id){0, 0} : RD_STREAM_MAX;
    return true;
  }
  bool open = text.len > 1 && *text.data == '(';
  if (open) text = (rd_bytes){text.data + 1, text.len - 1};
  if (!rd_parse_id(c, text, is_end ? UINT64_MAX : 0, NULL, id)) return false;
  if (!open || (is_end ? rd_id_down(id) : rd_id_up(id))) return true;
  rd_reply_errorf(c->out, "ERR invalid %s ID for the interval", is_end ? "end" : "start");
  return false;
}

/* ---- options ---- */

/* Parse MAXLEN or MINID at argv[*i], which has a value; *i is at its last argument afterwards. */
static bool parse_trim(rd_call *c, uint32_t *i, rd_trim *t) {
  bool by_length = rd_arg_is(c->argv[*i], "maxlen");
  if (t->by != RD_TRIM_NOTHING) {
    rd_reply_error(c->out, "ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
    return false;
  }
  rd_bytes next = c->argv[*i + 1];
  t->nearly = false;
  if (c->argc - *i > 2 && next.len == 1 && (*next.data == '~' || *next.data == '=')) {
    t->nearly = *next.data == '~';
    ++*i;
  }
  rd_bytes value = c->argv[++*i];
  t->by = by_length ? RD_TRIM_BY_LENGTH : RD_TRIM_BY_ID;
  if (!by_length) return rd_parse_id(c, value, 0, NULL, &t->id);
  int64_t n;
  if (!rd_arg_integer(c, value, &n)) return false;
  t->length = (uint64_t)n;
  if (n >= 0) return true;
  rd_reply_error(c->out, "ERR The MAXLEN argument must be >= 0.");
  return false;
}

static bool parse_limit(rd_call *c, rd_bytes value, uint64_t *most) {
  int64_t n;
  if (!rd_arg_integer(c, value, &n)) return false;
  *most = (uint64_t)n;
  if (n >= 0) return true;
  rd_reply_error(c->out, "ERR The LIMIT argument must be >= 0.");
  return false;
}

/* The entries that `~` removes at most, unless LIMIT says it: Redis's 100 nodes. */
static uint64_t usual_limit(const rd_call *c) {
  enum { NODES = 100, WITHOUT = 10000, MOST = 1000000 };
  uint64_t n = (uint64_t)c->store->type_limits.stream_entries * NODES;
  return n == 0 ? WITHOUT : n > MOST ? MOST : n;
}

static bool check_options(rd_call *c, bool adds, bool limited, rd_add_options *o) {
  if (o->trim.most != 0 && o->trim.by == RD_TRIM_NOTHING)
    rd_reply_error(c->out, "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
  else if (!adds && o->trim.by == RD_TRIM_NOTHING)
    rd_reply_error(c->out, "ERR syntax error, XTRIM must be called with a trimming strategy");
  else if (limited && !o->trim.nearly)
    rd_reply_error(c->out, "ERR syntax error, LIMIT cannot be used without the special ~ option");
  else
    return true;
  return false;
}

static bool check_fields(rd_call *c, const rd_add_options *o) {
  if (o->fields >= c->argc || (c->argc - o->fields) % 2 != 0)
    rd_reply_errorf(c->out, "ERR wrong number of arguments for '%s' command", c->command->name);
  else if (!o->any_id && !o->any_seq && rd_id_is_zero(o->id))
    rd_reply_error(c->out, "ERR The ID specified in XADD must be greater than 0-0");
  else
    return true;
  return false;
}

bool rd_parse_refs(rd_bytes word, rd_refs *refs) {
  static const char *const words[] = {
      [RD_REFS_KEEP] = "keepref", [RD_REFS_DELETE] = "delref", [RD_REFS_ACKED] = "acked"};
  for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
    if (!rd_arg_is(word, words[i])) continue;
    *refs = (rd_refs)i;
    return true;
  }
  return false;
}

bool rd_parse_add(rd_call *c, bool adds, rd_add_options *o) {
  bool limited = false;
  uint32_t i = 2;
  *o = (rd_add_options){.no_create = false};
  for (; i < c->argc; i++) {
    rd_bytes word = c->argv[i];
    bool more = i + 1 < c->argc;
    if (adds && word.len == 1 && *word.data == '*') {
      o->any_id = true;
      break;
    }
    if (more && (rd_arg_is(word, "maxlen") || rd_arg_is(word, "minid"))) {
      if (!parse_trim(c, &i, &o->trim)) return false;
    } else if (more && rd_arg_is(word, "limit")) {
      if (!parse_limit(c, c->argv[++i], &o->trim.most)) return false;
      limited = true;
    } else if (adds && rd_arg_is(word, "nomkstream")) {
      o->no_create = true;
    } else if (rd_parse_refs(word, &o->trim.refs)) {
      continue;
    } else if (adds) {
      if (!rd_parse_id(c, word, 0, &o->any_seq, &o->id)) return false;
      break;
    } else {
      rd_reply_syntax(c->out);
      return false;
    }
  }
  if (!check_options(c, adds, limited, o)) return false;
  if (o->trim.nearly && !limited) o->trim.most = usual_limit(c);
  o->fields = i + 1;
  return !adds || check_fields(c, o);
}
