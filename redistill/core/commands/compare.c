/* compare.c - commands that look at a string as a whole: DIGEST, and deletion on a condition (DELIFEQ, DELEX). */
#include "command/call.h"
#include "commands/cmd.h"
#include "commands/options.h"

void rd_cmd_digest(rd_call *c) {
  rd_key key = rd_call_key(c, 1);
  bool absent;
  const rd_item *it = rd_call_string(c, &key, false, &absent);
  if (it == NULL) {
    if (absent) rd_reply_null(c->out);
    return;
  }
  if (!rd_may_read(c, rd_item_len(it))) return;
  char text[RD_DIGEST_LEN];
  rd_digest(c->store, it, text);
  rd_reply_bulk(c->out, text, sizeof text);
}

/* Delete the string if it meets the condition. */
static void delete_if(rd_call *c, const rd_key *key, const rd_item *it, const rd_condition *condition) {
  if (rd_condition_reads(condition, it) > RD_LONG_BYTES && !rd_may_take_long(c)) return;
  rd_reply_int(c->out, rd_meets(c, condition, it) && rd_delete(c->store, key));
}

void rd_cmd_delifeq(rd_call *c) {
  rd_key key = rd_call_key(c, 1);
  bool absent;
  const rd_item *it = rd_call_string(c, &key, true, &absent);
  if (it != NULL)
    delete_if(c, &key, it, &(rd_condition){RD_IF_EQUAL, c->argv[2]});
  else if (absent)
    rd_reply_int(c->out, 0);
}

void rd_cmd_delex(rd_call *c) {
  if (c->argc == 2) {
    rd_cmd_del(c);
    return;
  }
  if (c->argc != 4) {
    rd_reply_errorf(c->out, "ERR wrong number of arguments for '%s' command", c->command->name);
    return;
  }
  rd_condition condition = {rd_comparison_of(c->argv[2]), c->argv[3]};
  rd_key key = rd_call_key(c, 1);
  const rd_item *it = rd_find_write(c->store, &key);
  if (it == NULL)
    rd_reply_int(c->out, 0);
  else if (rd_item_type(it) != RD_STRING)
    rd_reply_error(c->out, "ERR Key should be of string type if conditions are specified");
  else if (condition.kind == RD_ALWAYS)
    rd_reply_error(c->out, "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
  else if (rd_check_condition(c, &condition))
    delete_if(c, &key, it, &condition);
}
