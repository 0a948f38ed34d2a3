/* string.c - commands on whole strings: SET, GET and their relatives. */
#include <stdlib.h>

#include "arena/longrun.h"
#include "arena/worker.h"
#include "commands/cmd.h"
#include "commands/value.h"

/* ---- expiry arguments ---- */

typedef enum expiry_unit { IN_SECONDS, IN_MILLISECONDS, AT_SECONDS, AT_MILLISECONDS, NO_UNIT } expiry_unit;

static expiry_unit unit_of(rd_bytes arg) {
  if (arg.len == 2) {
    if (rd_arg_is(arg, "ex")) return IN_SECONDS;
    if (rd_arg_is(arg, "px")) return IN_MILLISECONDS;
  } else if (arg.len == 4) {
    if (rd_arg_is(arg, "exat")) return AT_SECONDS;
    if (rd_arg_is(arg, "pxat")) return AT_MILLISECONDS;
  }
  return NO_UNIT;
}

/* Parse an expiry into milliseconds since the epoch; false after an error reply. A time that has passed is allowed:
 * the key then expires at once. */
static bool parse_expiry(rd_call *c, rd_bytes arg, expiry_unit unit, int64_t *out) {
  int64_t n;
  if (!rd_parse_i64(arg, &n)) {
    rd_reply_not_integer(c->out);
    return false;
  }
  bool seconds = unit == IN_SECONDS || unit == AT_SECONDS;
  bool relative = unit == IN_SECONDS || unit == IN_MILLISECONDS;
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

/* ---- SET ---- */

typedef struct set_options {
  bool nx, xx, get, keep;
  expiry_unit unit;
  const rd_bytes *time; /* the argument in units of `unit` */
  const rd_bytes *ifeq;
} set_options;

static bool parse_set(rd_call *c, set_options *o) {
  for (uint32_t i = 3; i < c->argc; i++) {
    rd_bytes arg = c->argv[i];
    bool more = i + 1 < c->argc;
    expiry_unit unit;
    if (!o->xx && !o->ifeq && rd_arg_is(arg, "nx")) {
      o->nx = true;
    } else if (!o->nx && !o->ifeq && rd_arg_is(arg, "xx")) {
      o->xx = true;
    } else if (rd_arg_is(arg, "get")) {
      o->get = true;
    } else if (o->unit == NO_UNIT && rd_arg_is(arg, "keepttl")) {
      o->keep = true;
    } else if (more && !o->nx && !o->xx && !o->ifeq && rd_arg_is(arg, "ifeq")) {
      o->ifeq = &c->argv[++i];
    } else if (more && !o->keep && (unit = unit_of(arg)) != NO_UNIT && (o->unit == NO_UNIT || o->unit == unit)) {
      o->unit = unit;
      o->time = &c->argv[++i];
    } else {
      rd_reply_syntax(c->out);
      return false;
    }
  }
  return true;
}

/* True if SET's condition (NX, XX, IFEQ) holds. `old` is the value that GET found. *failed: an error was replied. */
static bool condition_holds(rd_call *c, const set_options *o, const rd_key *key, rd_item *old, bool *failed) {
  *failed = false;
  if (o->ifeq) {
    if (!o->get) {
      bool absent;
      old = rd_call_string(c, key, false, &absent);
      if (!old && !absent) {
        *failed = true;
        return false;
      }
    }
    return old && rd_value_is(c->store, old, *o->ifeq);
  }
  if (!o->nx && !o->xx) return true;
  if (!o->get) old = rd_find_write(c->store, key);
  return o->nx ? !old : old != NULL;
}

static void set_with_options(rd_call *c, const rd_key *key, rd_bytes value, const set_options *o) {
  int64_t expiry = o->keep ? RD_KEEP_EXPIRY : RD_NO_EXPIRY;
  if (o->time && !parse_expiry(c, *o->time, o->unit, &expiry)) return;
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
  bool failed;
  if (!condition_holds(c, o, key, old, &failed)) {
    if (!failed && !o->get) rd_reply_null(c->out);
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
  set_options o = {.unit = NO_UNIT};
  if (parse_set(c, &o) && rd_check_length(c, c->argv[2].len)) set_with_options(c, &c->first_key, c->argv[2], &o);
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
  set_options o = {.unit = IN_SECONDS, .time = &c->argv[2]};
  if (rd_check_length(c, c->argv[3].len)) set_with_options(c, &key, c->argv[3], &o);
}

void rd_cmd_psetex(rd_call *c) {
  rd_key key = rd_call_key(c, 1);
  set_options o = {.unit = IN_MILLISECONDS, .time = &c->argv[2]};
  if (rd_check_length(c, c->argv[3].len)) set_with_options(c, &key, c->argv[3], &o);
}

void rd_cmd_getset(rd_call *c) {
  rd_key key = rd_call_key(c, 1);
  set_options o = {.unit = NO_UNIT, .get = true};
  if (rd_check_length(c, c->argv[2].len)) set_with_options(c, &key, c->argv[2], &o);
}

/* ---- GET ---- */

void rd_cmd_get(rd_call *c) {
  rd_item *it = rd_find_read(c->store, &c->first_key);
  if (!it)
    rd_reply_null(c->out);
  else if (RD_UNLIKELY(rd_item_type(it) != RD_STRING))
    rd_call_is(c, it, &rd_types[RD_STRING]);
  else if (RD_LIKELY(rd_may_read(c, rd_item_len(it))))
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
  expiry_unit unit = NO_UNIT;
  const rd_bytes *time = NULL;
  bool persist = false;
  for (uint32_t i = 2; i < c->argc; i++) {
    bool more = i + 1 < c->argc;
    expiry_unit u;
    if (unit == NO_UNIT && rd_arg_is(c->argv[i], "persist")) {
      persist = true;
    } else if (more && !persist && (u = unit_of(c->argv[i])) != NO_UNIT && (unit == NO_UNIT || unit == u)) {
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
  if (time && !parse_expiry(c, *time, unit, &expiry)) return;
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

/* ---- MSET: all or nothing ---- */

/* Set all pairs, or none: false after an -OOM reply. */
static bool set_pairs(rd_call *c) {
  rd_kept few[64], *kept = few;
  uint32_t pairs = (c->argc - 1) / 2, done = 0;
  if (pairs > sizeof few / sizeof few[0] && !(kept = malloc(pairs * sizeof *kept))) {
    rd_reply_oom(c->out);
    return false;
  }
  rd_keep_begin(c->store);
  for (; done < pairs; done++) {
    rd_key key = rd_call_key(c, 1 + 2 * done);
    rd_bytes value = c->argv[2 + 2 * done];
    if ((done & 63) == 63) rd_yield(c->store);
    if (rd_set_keeping(c->store, &key, value.data, value.len, &kept[done]) != RD_OK) break;
  }
  bool all = done == pairs;
  for (uint32_t i = 0; all && c->store->listening != 0 && i < pairs; i++) {
    rd_key key = rd_call_key(c, 1 + 2 * i);
    if (kept[i] == RD_KEPT_ABSENCE) rd_notify(c->store, &key, RD_EVENT_NEW);
    rd_notify(c->store, &key, RD_EVENT_SET);
    if ((i & 63) == 63) rd_yield(c->store);
  }
  /* Backwards, so that for a key that was given twice the oldest value is restored last. */
  for (uint32_t i = done; i-- > 0;) {
    if ((i & 63) == 0) rd_yield(c->store);
    if (all && kept[i] != RD_KEPT_VALUE) continue;
    rd_key key = rd_call_key(c, 1 + 2 * i);
    if (all)
      rd_forget_kept(c->store, &key, kept[i]);
    else
      rd_restore_kept(c->store, &key, kept[i]);
  }
  if (!all) rd_reply_oom(c->out);
  if (kept != few) free(kept);
  return all;
}

static bool check_pairs(rd_call *c) {
  if (c->argc % 2 == 0) {
    rd_reply_errorf(c->out, "ERR wrong number of arguments for '%s' command", c->command->name);
    return false;
  }
  for (uint32_t i = 2; i < c->argc; i += 2) {
    if (!rd_check_length(c, c->argv[i].len)) return false;
  }
  return true;
}

void rd_cmd_mset(rd_call *c) {
  if (!check_pairs(c) || !set_pairs(c)) return;
  rd_note_changes(c->store, c->argc / 2);
  rd_reply_ok(c->out);
}

void rd_cmd_msetnx(rd_call *c) {
  if (!check_pairs(c)) return;
  for (uint32_t i = 1; i < c->argc; i += 2) {
    rd_key key = rd_call_key(c, i);
    if ((i & 63) == 1) rd_yield(c->store);
    if (rd_find_write(c->store, &key)) {
      rd_reply_int(c->out, 0);
      return;
    }
  }
  if (!set_pairs(c)) return;
  rd_note_changes(c->store, c->argc / 2);
  rd_reply_int(c->out, 1);
}
