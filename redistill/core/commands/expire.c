/* expire.c - sets, reads and removes the time at which a key expires.
 *
 * Times are milliseconds since the epoch, signed. A key whose time is now or has passed is deleted at once. */
#include "commands/expire.h"

#include "commands/cmd.h"

typedef enum time_unit { SECONDS, MILLISECONDS } time_unit;

enum { NX = 1, XX = 2, GT = 4, LT = 8 };

bool rd_parse_conditions(rd_call *call, uint32_t from, uint32_t to, unsigned *conditions) {
  static const struct {
    const char *word;
    unsigned bit;
  } words[] = {{"nx", NX}, {"xx", XX}, {"gt", GT}, {"lt", LT}};
  unsigned found = 0;

  for (uint32_t i = from; i < to; i++) {
    unsigned bit = 0;
    for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
      if (rd_arg_is(call->argv[i], words[w].word)) bit = words[w].bit;
    }
    if (bit == 0) {
      rd_bytes arg = call->argv[i];
      rd_reply_errorf(call->out, "ERR Unsupported option %.*s", arg.len > 1024 ? 1024 : (int)arg.len,
                      (const char *)arg.data);
      return false;
    }
    found |= bit;
  }
  if ((found & NX) && (found & (XX | GT | LT))) {
    rd_reply_error(call->out, "ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if ((found & GT) && (found & LT)) {
    rd_reply_error(call->out, "ERR GT and LT options at the same time are not compatible");
    return false;
  }
  *conditions = found;
  return true;
}

/* Parse the time in argv[2], counted from `base`; false after an error reply. */
static bool parse_time(rd_call *call, time_unit unit, int64_t base, int64_t *when) {
  int64_t n;
  if (!rd_arg_integer(call, call->argv[2], &n)) return false;
  if ((unit == SECONDS && __builtin_mul_overflow(n, 1000, &n)) || __builtin_add_overflow(n, base, &n)) {
    rd_reply_errorf(call->out, "ERR invalid expire time in '%s' command", call->command->name);
    return false;
  }
  /* the last possible millisecond means "never" to the store */
  *when = n == RD_NO_EXPIRY ? n - 1 : n;
  return true;
}

bool rd_conditions_allow(unsigned conditions, int64_t current, int64_t when) {
  bool has_time = current != RD_NO_EXPIRY;
  if ((conditions & NX) && has_time) return false;
  if ((conditions & XX) && !has_time) return false;
  if ((conditions & GT) && (!has_time || when <= current)) return false;
  if ((conditions & LT) && has_time && when >= current) return false;
  return true;
}

static void expire(rd_call *call, time_unit unit, bool relative) {
  unsigned conditions = 0;
  int64_t now = (int64_t)call->store->now_ms, when;
  if (!rd_parse_conditions(call, 3, call->argc, &conditions) || !parse_time(call, unit, relative ? now : 0, &when))
    return;

  rd_key key = rd_call_key(call, 1);
  rd_item *it = rd_find_write(call->store, &key);
  if (it == NULL || !rd_conditions_allow(conditions, rd_item_expiry(it), when)) {
    rd_reply_int(call->out, 0);
    return;
  }
  if (when <= now) {
    rd_delete(call->store, &key);
  } else if (rd_set_expiry(call->store, &key, &it, when, RD_EVENT_EXPIRE) != RD_OK) {
    rd_reply_oom(call->out);
    return;
  }
  rd_reply_int(call->out, 1);
}

void rd_cmd_expire(rd_call *call) { expire(call, SECONDS, true); }
void rd_cmd_pexpire(rd_call *call) { expire(call, MILLISECONDS, true); }
void rd_cmd_expireat(rd_call *call) { expire(call, SECONDS, false); }
void rd_cmd_pexpireat(rd_call *call) { expire(call, MILLISECONDS, false); }

/* Reply with the time: -2: no such key; -1: it has no expiry. Seconds are rounded to the nearest, as in Redis. */
static void report_time(rd_call *call, time_unit unit, bool relative) {
  rd_key key = rd_call_key(call, 1);
  const rd_item *it = rd_find_quiet(call->store, &key, true);
  if (it == NULL) {
    rd_reply_int(call->out, -2);
    return;
  }
  int64_t when = rd_item_expiry(it);
  if (when == RD_NO_EXPIRY) {
    rd_reply_int(call->out, -1);
    return;
  }
  if (relative) when -= (int64_t)call->store->now_ms;
  if (when < 0) when = 0;
  rd_reply_int(call->out, unit == SECONDS ? when / 1000 + (when % 1000 >= 500) : when);
}

void rd_cmd_ttl(rd_call *call) { report_time(call, SECONDS, true); }
void rd_cmd_pttl(rd_call *call) { report_time(call, MILLISECONDS, true); }
void rd_cmd_expiretime(rd_call *call) { report_time(call, SECONDS, false); }
void rd_cmd_pexpiretime(rd_call *call) { report_time(call, MILLISECONDS, false); }

void rd_cmd_persist(rd_call *call) {
  rd_key key = rd_call_key(call, 1);
  rd_item *it = rd_find_write(call->store, &key);
  if (it == NULL || rd_item_expiry(it) == RD_NO_EXPIRY) {
    rd_reply_int(call->out, 0);
    return;
  }
  if (rd_set_expiry(call->store, &key, &it, RD_NO_EXPIRY, RD_EVENT_PERSIST) != RD_OK) {
    rd_reply_oom(call->out);
    return;
  }
  rd_reply_int(call->out, 1);
}
