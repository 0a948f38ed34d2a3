/* counter.c - commands on strings as numbers: INCR and its relatives. */
#include <math.h>

#include "commands/cmd.h"
#include "commands/value.h"

static void add(rd_call *c, int64_t delta) {
  rd_key key = rd_call_key(c, 1);
  bool absent;
  rd_item *it = rd_call_string(c, &key, true, &absent);
  if (!it && !absent) return;
  char text[RD_I64_TEXT];
  rd_bytes old = {NULL, 0};
  int64_t n = 0;
  if (it) {
    old = rd_value_short(c->store, it, text, sizeof text);
    if (!old.data || !rd_parse_i64(old, &n)) {
      rd_reply_not_integer(c->out);
      return;
    }
  }
  if (__builtin_add_overflow(n, delta, &n)) {
    rd_reply_error(c->out, "ERR increment or decrement would overflow");
    return;
  }
  size_t len = rd_format_i64(text, n);
  if (it && len == old.len && rd_item_encoding(it) == RD_ENC_AUTO) {
    rd_write(c->store, &key, it, 0, text, len, RD_EVENT_INCRBY); /* the common case: the number of digits is the same */
  } else if (rd_set(c->store, &key, text, len, it ? RD_KEEP_EXPIRY : RD_NO_EXPIRY, RD_ENC_AUTO, RD_EVENT_INCRBY) !=
             RD_OK) {
    rd_reply_oom(c->out);
    return;
  }
  rd_reply_int(c->out, n);
}

void rd_cmd_incr(rd_call *c) { add(c, 1); }

void rd_cmd_decr(rd_call *c) { add(c, -1); }

void rd_cmd_incrby(rd_call *c) {
  int64_t delta;
  if (rd_arg_integer(c, c->argv[2], &delta)) add(c, delta);
}

void rd_cmd_decrby(rd_call *c) {
  int64_t delta;
  if (!rd_arg_integer(c, c->argv[2], &delta)) return;
  if (delta == INT64_MIN)
    rd_reply_error(c->out, "ERR decrement would overflow");
  else
    add(c, -delta);
}

void rd_cmd_incrbyfloat(rd_call *c) {
  rd_key key = rd_call_key(c, 1);
  bool absent;
  rd_item *it = rd_call_string(c, &key, true, &absent);
  if (!it && !absent) return;
  char text[RD_LONG_DOUBLE_TEXT];
  long double sum = 0, delta;
  rd_bytes old = {NULL, 0};
  if (it) old = rd_value_short(c->store, it, text, sizeof text);
  if ((it && (!old.data || !rd_parse_long_double(old, &sum))) || !rd_parse_long_double(c->argv[2], &delta)) {
    rd_reply_error(c->out, "ERR value is not a valid float");
    return;
  }
  sum += delta;
  size_t len = isfinite(sum) ? rd_format_long_double(text, sizeof text, sum) : 0;
  if (len == 0)
    rd_reply_error(c->out, "ERR increment would produce NaN or Infinity");
  else if (!rd_reply_room(c->out, len + 32))
    return; /* without room for the reply nothing is changed */
  else if (rd_set(c->store, &key, text, len, it ? RD_KEEP_EXPIRY : RD_NO_EXPIRY, RD_ENC_TEXT, RD_EVENT_INCRBYFLOAT) !=
           RD_OK)
    rd_reply_oom(c->out);
  else
    rd_reply_bulk(c->out, text, len);
}
