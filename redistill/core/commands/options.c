/* options.c - options that several commands share. */
#include "commands/options.h"

#include "arena/longrun.h"
#include "base/xxh3.h"
#include "commands/value.h"

/* ---- expiry ---- */

rd_expiry_unit rd_expiry_unit_of(rd_bytes word) {
  if (word.len == 2) {
    if (rd_arg_is(word, "ex")) return RD_IN_SECONDS;
    if (rd_arg_is(word, "px")) return RD_IN_MILLISECONDS;
  } else if (word.len == 4) {
    if (rd_arg_is(word, "exat")) return RD_AT_SECONDS;
    if (rd_arg_is(word, "pxat")) return RD_AT_MILLISECONDS;
  }
  return RD_NO_UNIT;
}

bool rd_parse_expiry(rd_call *c, rd_bytes arg, rd_expiry_unit unit, int64_t *out) {
  int64_t n;
  if (!rd_arg_integer(c, arg, &n)) return false;
  bool seconds = unit == RD_IN_SECONDS || unit == RD_AT_SECONDS;
  bool relative = unit == RD_IN_SECONDS || unit == RD_IN_MILLISECONDS;
  int64_t now = (int64_t)c->store->now_ms;
  if (n <= 0 || (seconds && n > INT64_MAX / 1000)) goto invalid;
  if (seconds) n *= 1000;
  if (relative) {
    if (n > INT64_MAX - now) goto invalid;
    n += now;
  }
  *out = n == RD_NO_EXPIRY ? n - 1 : n;
  return true;
invalid:
  rd_reply_errorf(c->out, "ERR invalid expire time in '%s' command", c->command->name);
  return false;
}

/* ---- digests ---- */

typedef struct string_source {
  rd_store *st;
  const rd_item *it;
} string_source;

static void read_string(void *arg, uint64_t off, void *dst, size_t n) {
  const string_source *from = arg;
  if ((off & 0xffff) == 0) rd_yield(from->st);
  rd_item_read(from->st, from->it, off, dst, n);
}

void rd_digest(rd_store *st, const rd_item *it, char text[RD_DIGEST_LEN]) {
  string_source from = {st, it};
  uint64_t hash = rd_xxh3(read_string, &from, rd_item_len(it));
  for (unsigned i = 0; i < RD_DIGEST_LEN; i++) text[i] = "0123456789abcdef"[hash >> (60 - 4 * i) & 15];
}

static bool has_digest(rd_store *st, const rd_item *it, rd_bytes digest) {
  char text[RD_DIGEST_LEN + 1];
  rd_digest(st, it, text);
  text[RD_DIGEST_LEN] = 0;
  return rd_arg_is(digest, text);
}

/* ---- conditions ---- */

rd_condition_kind rd_comparison_of(rd_bytes word) {
  if (word.len < 4 || word.len > 5) return RD_ALWAYS;
  if (rd_arg_is(word, "ifeq")) return RD_IF_EQUAL;
  if (rd_arg_is(word, "ifne")) return RD_IF_UNEQUAL;
  if (rd_arg_is(word, "ifdeq")) return RD_IF_DIGEST;
  if (rd_arg_is(word, "ifdne")) return RD_IF_OTHER_DIGEST;
  return RD_ALWAYS;
}

static bool is_digest(rd_bytes text) {
  if (text.len != RD_DIGEST_LEN) return false;
  for (size_t i = 0; i < text.len; i++) {
    uint8_t digit = text.data[i], letter = digit | 32;
    if ((digit < '0' || digit > '9') && (letter < 'a' || letter > 'f')) return false;
  }
  return true;
}

bool rd_check_condition(rd_call *c, const rd_condition *condition) {
  if (condition->kind < RD_IF_DIGEST || is_digest(condition->value)) return true;
  rd_reply_error(c->out, "ERR digest must be exactly 16 hexadecimal characters");
  return false;
}

bool rd_meets(rd_call *c, const rd_condition *condition, const rd_item *it) {
  switch (condition->kind) {
    case RD_IF_ABSENT:
      return it == NULL;
    case RD_IF_PRESENT:
      return it != NULL;
    case RD_IF_EQUAL:
      return it != NULL && rd_value_is(c->store, it, condition->value);
    case RD_IF_UNEQUAL:
      return it == NULL || !rd_value_is(c->store, it, condition->value);
    case RD_IF_DIGEST:
      return it != NULL && has_digest(c->store, it, condition->value);
    case RD_IF_OTHER_DIGEST:
      return it == NULL || !has_digest(c->store, it, condition->value);
    default:
      return true;
  }
}

uint64_t rd_condition_reads(const rd_condition *condition, const rd_item *it) {
  if (it == NULL || condition->kind < RD_IF_EQUAL) return 0;
  if (condition->kind < RD_IF_DIGEST && rd_item_len(it) != condition->value.len) return 0;
  return rd_item_len(it);
}

/* ---- the options of SET and MSETEX ---- */

/* Note the condition; false: another one was given before. */
static bool note_condition(rd_set_options *o, rd_condition_kind kind) {
  if (o->condition.kind != RD_ALWAYS && (o->condition.kind != kind || kind >= RD_IF_EQUAL)) return false;
  o->condition.kind = kind;
  return true;
}

/* Parse the option at argv[*at]; *at is then its last argument. false: a syntax error. */
static bool parse_option(rd_call *c, uint32_t *at, bool one, rd_set_options *o) {
  rd_bytes word = c->argv[*at];
  bool more = *at + 1 < c->argc;
  rd_condition_kind comparison;
  rd_expiry_unit unit;
  if (rd_arg_is(word, "nx")) return note_condition(o, RD_IF_ABSENT);
  if (rd_arg_is(word, "xx")) return note_condition(o, RD_IF_PRESENT);
  if (one && rd_arg_is(word, "get")) return o->get = true;
  if (o->unit == RD_NO_UNIT && rd_arg_is(word, "keepttl")) return o->keep = true;
  if (!more) return false;
  if (one && (comparison = rd_comparison_of(word)) != RD_ALWAYS) {
    o->condition.value = c->argv[++*at];
    return note_condition(o, comparison);
  }
  unit = rd_expiry_unit_of(word);
  if (unit == RD_NO_UNIT || o->keep || (o->unit != RD_NO_UNIT && o->unit != unit)) return false;
  o->unit = unit;
  o->time = &c->argv[++*at];
  return true;
}

bool rd_parse_set_options(rd_call *c, uint32_t from, bool one, rd_set_options *o) {
  *o = (rd_set_options){.unit = RD_NO_UNIT};
  for (uint32_t i = from; i < c->argc; i++) {
    if (parse_option(c, &i, one, o)) continue;
    rd_reply_syntax(c->out);
    return false;
  }
  return rd_check_condition(c, &o->condition);
}

bool rd_expiry_of_options(rd_call *c, const rd_set_options *o, int64_t *expiry) {
  *expiry = o->keep ? RD_KEEP_EXPIRY : RD_NO_EXPIRY;
  return o->time == NULL || rd_parse_expiry(c, *o->time, o->unit, expiry);
}
