/* connection.c - the commands about the connection that the core executes itself. */
#include "base/numbers.h"
#include "command/call.h"
#include "session/internal.h"

/* Reply with text that the client sent. */
static void reply_argument(rd_call *c, rd_bytes text) {
  if (RD_LIKELY(text.len <= RD_LONG_BYTES)) {
    rd_reply_bulk(c->out, text.data, text.len);
    return;
  }
  rd_reply_bulk_head(c->out, text.len);
  for (size_t done = 0, n; done < text.len; done += n) {
    n = text.len - done < RD_LONG_BYTES / 8 ? text.len - done : RD_LONG_BYTES / 8;
    rd_reply_raw(c->out, text.data + done, n);
    rd_yield(c->store);
  }
  rd_reply_crlf(c->out);
}

/* In RESP2 a subscriber's replies have the form of messages. */
static void pong_to_subscriber(rd_call *c) {
  rd_reply_array(c->out, 2);
  rd_reply_str(c->out, "pong");
  reply_argument(c, c->argc == 2 ? c->argv[1] : (rd_bytes){(const uint8_t *)"", 0});
}

void rd_cmd_ping(rd_call *c) {
  if (c->argc > 2)
    rd_reply_error(c->out, "ERR wrong number of arguments for 'ping' command");
  else if (RD_UNLIKELY(c->session->state.subscribed) && c->out->resp == 2)
    pong_to_subscriber(c);
  else if (c->argc == 2)
    reply_argument(c, c->argv[1]);
  else
    rd_reply_raw(c->out, "+PONG\r\n", 7);
}

void rd_cmd_echo(rd_call *c) { reply_argument(c, c->argv[1]); }

void rd_cmd_select(rd_call *c) {
  int64_t db;
  if (!rd_parse_i64(c->argv[1], &db)) {
    rd_reply_not_integer(c->out);
  } else if (db < INT32_MIN || db > INT32_MAX) {
    rd_reply_error(c->out, "ERR value is out of range, value must between -2147483648 and 2147483647");
  } else if (db < 0 || db >= RD_DATABASES) {
    rd_reply_error(c->out, "ERR DB index is out of range");
  } else {
    c->session->state.db = (uint32_t)db;
    rd_reply_ok(c->out);
  }
}

void rd_cmd_quit(rd_call *c) {
  c->session->state.close_after_reply = true;
  rd_reply_ok(c->out);
}
