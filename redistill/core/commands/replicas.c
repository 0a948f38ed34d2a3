/* replicas.c - WAIT and WAITAOF, which wait for replicas and for a file: there are none, so they end at their timeout.
 */
#include "base/numbers.h"
#include "commands/blocking.h"
#include "commands/cmd.h"

/* Parse a timeout in milliseconds. False after an error reply. */
static bool parse_milliseconds(rd_call *c, rd_bytes text, uint64_t *milliseconds) {
  int64_t n;
  if (!rd_parse_i64(text, &n)) {
    rd_reply_error(c->out, "ERR timeout is not an integer or out of range");
    return false;
  }
  if (n < 0) {
    rd_reply_error(c->out, "ERR timeout is negative");
    return false;
  }
  if (n > INT64_MAX - (int64_t)c->store->now_ms) {
    rd_reply_error(c->out, "ERR timeout is out of range");
    return false;
  }
  *milliseconds = (uint64_t)n;
  return true;
}

/* WAIT numreplicas timeout */
void rd_cmd_wait(rd_call *c) {
  rd_waiting w = {.in_vain = RD_VAIN_ZERO};
  int64_t wanted;
  if (!rd_arg_integer(c, c->argv[1], &wanted) || !parse_milliseconds(c, c->argv[2], &w.milliseconds)) return;
  if (wanted <= 0)
    rd_reply_int(c->out, 0);
  else
    rd_call_block(c, &w);
}

/* WAITAOF numlocal numreplicas timeout */
void rd_cmd_waitaof(rd_call *c) {
  rd_waiting w = {.in_vain = RD_VAIN_ZEROS};
  int64_t local, wanted;
  if (!rd_arg_integer(c, c->argv[1], &local)) return;
  if (local < 0 || local > 1) {
    rd_reply_error(c->out, "ERR value is out of range, value must between 0 and 1");
    return;
  }
  if (!rd_parse_i64(c->argv[2], &wanted) || wanted < 0) {
    rd_reply_error(c->out, "ERR value is out of range, must be positive");
    return;
  }
  if (!parse_milliseconds(c, c->argv[3], &w.milliseconds)) return;
  if (local != 0)
    rd_reply_error(c->out, "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
  else if (wanted > 0)
    rd_call_block(c, &w);
  else
    rd_reply_in_vain(c->out, RD_VAIN_ZEROS, false);
}
