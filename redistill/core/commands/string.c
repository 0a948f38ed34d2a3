/* string.c - commands on whole strings: SET, GET and their relatives. */
#include "arena/longrun.h"
#include "arena/worker.h"
#include "commands/cmd.h"
#include "commands/options.h"
#include "commands/value.h"

/* ---- SET ---- */

/* True if the condition of SET holds. `old` is the value that GET found. *answered: an error was replied, or the
 * command will take long. */
static bool condition_holds(rd_call *c, const rd_set_options *o, const rd_key *key, rd_item *old, bool *answered) {
  *answered = false;
  if (o->condition.kind == RD_ALWAYS) return true;
  if (!o->get) {
    old = rd_find_write(c->store, key);
    if (old && o->condition.kind >= RD_IF_EQUAL) {
      *answered = !rd_call_is(c, old, &rd_types[RD_STRING]) ||
                  (rd_condition_reads(&o->condition, old) > RD_LONG_BYTES && !rd_may_take_long(c));
      if (*answered) return false;
    }
  }
  return rd_meets(c, &o->condition, old);
}

static void set_with_options(rd_call *c, const rd_key *key, rd_bytes value, const rd_set_options *o) {
  int64_t expiry;
  if (!rd_expiry_of_options(c, o, &expiry)) return;
  size_t mark = c->out->len;
  rd_item *old = NULL;
  if (o->get) {
    bool absent;
    old = rd_call_string(c, key, false, &absent);
    if (old && !rd_may_read(c, rd_item_len(old))) return;
    if (old) {
      rd_reply_value(c->out, c->store, old, 0, rd_item_len(old));
    } else if (absent) {
      rd_reply_null(c->out);
    } else {
      return; /* WRONGTYPE */
    }
    if (c->out->failed) return;
  }
  bool answered;
  if (!condition_holds(c, o, key, old, &answered)) {
    if (!answered && !o->get) rd_reply_null(c->out);
    return;
  }
  if (rd_set(c->store, key, value.data, value.len, expiry, RD_ENC_AUTO, RD_EVENT_SET) != RD_OK) {
    rd_reply_oom_instead(c->out, mark);
    return;
  }
  if (o->time) rd_notify(c->store, key, RD_EVENT_EXPIRE);
  if (!o->get) rd_reply_ok(c->out);
}

static void __attribute__((noinline)) parse_and_set(rd_call *c) {
  rd_set_options o;
  if (rd_parse_set_options(c, 3, true, &o) && rd_check_length(c, c->argv[2].len))
    set_with_options(c, &c->first_key, c->argv[2], &o);
}

void rd_cmd_set(rd_call *c) {
  if (RD_UNLIKELY(c->argc != 3 || c->argv[2].len > c->store->max_value))
    parse_and_set(c);
  else if (rd_set(c->store, &c->first_key, c->argv[2].data, c->argv[2].len, RD_NO_EXPIRY, RD_ENC_AUTO, RD_EVENT_SET) ==
           RD_OK)
    rd_reply_ok(c->out);
  else
    rd_reply_oom(c->out);
}

void rd_cmd_setnx(rd_call *c) {
  rd_key key = rd_call_key(c, 1);
  if (!rd_check_length(c, c->argv[2].len)) return;
  if (rd_find_write(c->store, &key))
    rd_reply_int(c->out, 0);
  else if (rd_set(c->store, &key, c->argv[2].data, c->argv[2].len, RD_NO_EXPIRY, RD_ENC_AUTO, RD_EVENT_SET) == RD_OK)
    rd_reply_int(c->out, 1);
  else
    rd_reply_oom(c->out);
}

void rd_cmd_setex(rd_call *c) {
  rd_key key = rd_call_key(c, 1);
  rd_set_options o = {.unit = RD_IN_SECONDS, .time = &c->argv[2]};
  if (rd_check_length(c, c->argv[3].len)) set_with_options(c, &key, c->argv[3], &o);
}

void rd_cmd_psetex(rd_call *c) {
  rd_key key = rd_call_key(c, 1);
  rd_set_options o = {.unit = RD_IN_MILLISECONDS, .time = &c->argv[2]};
  if (rd_check_length(c, c->argv[3].len)) set_with_options(c, &key, c->argv[3], &o);
}

void rd_cmd_getset(rd_call *c) {
  rd_key key = rd_call_key(c, 1);
  rd_set_options o = {.get = true};
  if (rd_check_length(c, c->argv[2].len)) set_with_options(c, &key, c->argv[2], &o);
}

/* ---- GET ---- */

static void __attribute__((noinline)) get_long(rd_call *c, const rd_item *it) {
  if (rd_may_read_long(c)) rd_reply_value(c->out, c->store, it, 0, rd_item_len(it));
}

void rd_cmd_get(rd_call *c) {
  rd_item *it = rd_find_read(c->store, &c->first_key);
  if (!it)
    rd_reply_null(c->out);
  else if (RD_UNLIKELY(rd_item_type(it) != RD_STRING))
    rd_call_is(c, it, &rd_types[RD_STRING]);
  else if (RD_UNLIKELY(rd_item_len(it) > RD_LONG_BYTES))
    get_long(c, it);
  else
    rd_reply_value(c->out, c->store, it, 0, rd_item_len(it));
}

void rd_cmd_getdel(rd_call *c) {
  rd_key key = rd_call_key(c, 1);
  bool absent;
  rd_item *it = rd_call_string(c, &key, false, &absent);
  if (it && !rd_may_read(c, rd_item_len(it))) return;
  if (it) {
    rd_reply_value(c->out, c->store, it, 0, rd_item_len(it));
    if (!c->out->failed) rd_delete(c->store, &key); /* a value that cannot be sent is not deleted */
  } else if (absent) {
    rd_reply_null(c->out);
  }
}

void rd_cmd_getex(rd_call *c) {
  rd_expiry_unit unit = RD_NO_UNIT;
  const rd_bytes *time = NULL;
  bool persist = false;
  for (uint32_t i = 2; i < c->argc; i++) {
    bool more = i + 1 < c->argc;
    rd_expiry_unit u;
    if (unit == RD_NO_UNIT && rd_arg_is(c->argv[i], "persist")) {
      persist = true;
    } else if (more && !persist && (u = rd_expiry_unit_of(c->argv[i])) != RD_NO_UNIT &&
               (unit == RD_NO_UNIT || unit == u)) {
      unit = u;
      time = &c->argv[++i];
    } else {
      rd_reply_syntax(c->out);
      return;
    }
  }
  rd_key key = rd_call_key(c, 1);
  bool absent;
  rd_item *it = rd_call_string(c, &key, false, &absent);
  if (!it) {
    if (absent) rd_reply_null(c->out);
    return;
  }
  int64_t expiry = RD_NO_EXPIRY;
  if (time && !rd_parse_expiry(c, *time, unit, &expiry)) return;
  size_t mark = c->out->len;
  if (!rd_may_read(c, rd_item_len(it))) return;
  rd_reply_value(c->out, c->store, it, 0, rd_item_len(it));
  if (c->out->failed || (!time && (!persist || rd_item_expiry(it) == RD_NO_EXPIRY))) return;
  if (time && expiry <= (int64_t)c->store->now_ms)
    rd_delete(c->store, &key);
  else if (rd_set_expiry(c->store, &key, &it, expiry, time ? RD_EVENT_EXPIRE : RD_EVENT_PERSIST) != RD_OK)
    rd_reply_oom_instead(c->out, mark);
}

void rd_cmd_mget(rd_call *c) {
  if (!rd_may_miss(c)) return;
  size_t mark = c->out->len;
  uint64_t found = 0, bytes = 0;
  rd_reply_array(c->out, c->argc - 1);
  for (uint32_t i = 1; i < c->argc && !c->out->failed; i++) {
    rd_key key = rd_call_key(c, i);
    rd_item *it = rd_find_read(c->store, &key);
    found += it != NULL;
    if (it) bytes += rd_item_len(it);
    if (RD_UNLIKELY(bytes > RD_LONG_BYTES) && !rd_may_take_long(c)) {
      /* the second pass counts it again */
      rd_my_counters(c->store)->value[RD_STAT_keyspace_hits] -= found;
      rd_my_counters(c->store)->value[RD_STAT_keyspace_misses] -= i - found;
      c->out->len = mark;
      return;
    }
    if ((i & 63) == 0) rd_yield(c->store);
    if (it && rd_item_type(it) == RD_STRING)
      rd_reply_value(c->out, c->store, it, 0, rd_item_len(it));
    else
      rd_reply_null(c->out);
  }
}
