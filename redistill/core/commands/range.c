/* range.c - commands on parts of a string: APPEND, STRLEN, GETRANGE, SETRANGE. */
#include "commands/cmd.h"
#include "commands/value.h"

void rd_cmd_append(rd_call *c) {
  rd_key key = rd_call_key(c, 1);
  rd_bytes tail = c->argv[2];
  bool absent;
  rd_item *it = rd_call_string(c, &key, true, &absent);
  if (!it) {
    if (!absent || !rd_check_length(c, tail.len)) return;
    if (rd_set(c->store, &key, tail.data, tail.len, RD_NO_EXPIRY, RD_ENC_AUTO, RD_EVENT_APPEND) == RD_OK)
      rd_reply_int(c->out, (int64_t)tail.len);
    else
      rd_reply_oom(c->out);
    return;
  }
  uint64_t len = rd_item_len(it);
  if (!rd_check_growth(c, len, len + tail.len)) return;
  if (rd_resize(c->store, &key, &it, len + tail.len, RD_ENC_RAW) != RD_OK) {
    rd_reply_oom(c->out);
    return;
  }
  /* also for 0 bytes: watchers see a change, as in Redis */
  rd_write(c->store, &key, it, len, tail.data, tail.len, RD_EVENT_APPEND);
  rd_reply_int(c->out, (int64_t)(len + tail.len));
}

void rd_cmd_strlen(rd_call *c) {
  rd_key key = rd_call_key(c, 1);
  bool absent;
  rd_item *it = rd_call_string(c, &key, false, &absent);
  if (it || absent) rd_reply_int(c->out, it ? (int64_t)rd_item_len(it) : 0);
}

void rd_cmd_getrange(rd_call *c) {
  int64_t start, end;
  if (!rd_arg_integer(c, c->argv[2], &start) || !rd_arg_integer(c, c->argv[3], &end)) return;
  rd_key key = rd_call_key(c, 1);
  bool absent;
  rd_item *it = rd_call_string(c, &key, false, &absent);
  if (!it && !absent) return;
  int64_t len = it ? (int64_t)rd_item_len(it) : 0;
  bool backwards = start < 0 && end < 0 && start > end;
  if (start < 0) start += len;
  if (end < 0) end += len;
  if (start < 0) start = 0;
  if (end < 0) end = 0;
  if (end >= len) end = len - 1;
  if (backwards || len == 0 || start > end)
    rd_reply_bulk(c->out, "", 0);
  else if (rd_may_read(c, (uint64_t)(end - start + 1)))
    rd_reply_value(c->out, c->store, it, (uint64_t)start, (uint64_t)(end - start + 1));
}

void rd_cmd_substr(rd_call *c) { rd_cmd_getrange(c); }

void rd_cmd_setrange(rd_call *c) {
  int64_t off;
  rd_bytes patch = c->argv[3];
  if (!rd_arg_integer(c, c->argv[2], &off)) return;
  if (off < 0) {
    rd_reply_error(c->out, "ERR offset is out of range");
    return;
  }
  rd_key key = rd_call_key(c, 1);
  bool absent;
  rd_item *it = rd_call_string(c, &key, true, &absent);
  if (!it && !absent) return;
  uint64_t len = it ? rd_item_len(it) : 0;
  if (patch.len == 0) {
    rd_reply_int(c->out, (int64_t)len);
    return;
  }
  uint64_t end;
  if (__builtin_add_overflow((uint64_t)off, patch.len, &end)) end = UINT64_MAX;
  if (!rd_check_growth(c, len, end)) return;
  uint64_t more = end > len ? end - len : 0;
  if (more > RD_LONG_BYTES && !rd_may_take_long(c)) return;
  len += more;
  if (rd_grow(c, &key, &it, len) != RD_OK) {
    rd_reply_oom(c->out);
    return;
  }
  rd_write(c->store, &key, it, (uint64_t)off, patch.data, patch.len, RD_EVENT_SETRANGE);
  rd_reply_int(c->out, (int64_t)len);
}
