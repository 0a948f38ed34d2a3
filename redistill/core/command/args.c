/* args.c - reads a command's arguments as words, keys and strings. */
#include "arena/worker.h"
#include "command/call.h"
#include "command/command.h"
#include "command/keys.h"

bool rd_arg_is(rd_bytes s, const char *word) {
  for (size_t i = 0; i < s.len; i++) {
    uint8_t c = s.data[i];
    if (c >= 'A' && c <= 'Z') c |= 0x20;
    if (c != (uint8_t)word[i] || c == 0) return false;
  }
  return word[s.len] == 0;
}

bool rd_arg_signed(rd_call *call, rd_bytes arg, int64_t *n) {
  if (!rd_arg_integer(call, arg, n)) return false;
  if (*n != INT64_MIN) return true;
  rd_reply_error(call->out,
                 "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
  return false;
}

#ifndef NDEBUG
/* True if argv[i] was locked and checked as a key. */
static bool is_key(const rd_call *call, uint32_t i) {
  rd_keys keys;
  rd_command_keys(call->command, call->argv, call->argc, &keys);
  for (const rd_key_run *run = keys.run; run < keys.run + keys.runs; run++) {
    uint32_t behind = i - run->first; /* wraps if i is before the first */
    if (behind % run->step == 0 && behind / run->step < run->count) return true;
  }
  return false;
}
#endif

rd_key rd_call_key(rd_call *call, uint32_t i) {
  assert(is_key(call, i));
  /* Copy field by field, as rd_run has just written it: wider loads would have to wait until those stores are in the
   * cache. */
  const rd_key *first = &call->first_key;
  if (RD_LIKELY(i == call->first_pos && i != 0)) return (rd_key){first->data, first->len, first->db, first->hash};
  return rd_key_of(call->store, call->argv[i], call->db);
}

rd_key rd_call_key_in(rd_call *call, uint32_t i, unsigned db) {
  assert(is_key(call, i));
  return rd_key_of(call->store, call->argv[i], db);
}

bool rd_may_read_long(rd_call *call) {
  if (rd_may_take_long(call)) return true;
  rd_my_counters(call->store)->value[RD_STAT_keyspace_hits]--; /* the call that follows counts it again */
  return false;
}

bool rd_call_is(rd_call *call, const rd_item *it, const rd_type_row *row) {
  if (RD_UNLIKELY(rd_item_type(it) != row->type)) {
    rd_reply_wrong_type(call->out);
    return false;
  }
  if (RD_LIKELY(row->is == NULL) || row->is(call->store, it)) return true;
  rd_reply_error(call->out, row->is_not);
  return false;
}

rd_item *rd_call_value(rd_call *call, const rd_key *key, const rd_type_row *row, bool for_write, bool *absent) {
  rd_item *it = for_write ? rd_find_write(call->store, key) : rd_find_read(call->store, key);
  *absent = it == NULL;
  return it != NULL && rd_call_is(call, it, row) ? it : NULL;
}

rd_item *rd_call_string(rd_call *call, const rd_key *key, bool for_write, bool *absent) {
  return rd_call_value(call, key, &rd_types[RD_STRING], for_write, absent);
}
