/* hash_fields.c - parses the fields that a command names, and does something with each. */
#include "commands/hash_fields.h"

#include "arena/longrun.h"
#include "commands/value.h"

void rd_reply_numfields(rd_call *c) {
  rd_reply_error(c->out, "ERR numfields should be greater than 0 and match the provided number of fields");
}

uint32_t rd_find_fields(rd_call *c, uint32_t from) {
  for (uint32_t i = from; i + 1 < c->argc; i++) {
    if (rd_arg_is(c->argv[i], "fields")) return i;
  }
  rd_reply_numfields(c);
  return 0;
}

bool rd_parse_fields(rd_call *c, uint32_t at, uint32_t step, void (*wrong)(rd_call *c), rd_named *f) {
  int64_t n;
  if (!rd_arg_integer(c, c->argv[at + 1], &n)) return false;
  uint32_t rest = c->argc - at - 2;
  if (n < 1 || rest % step != 0 || (uint64_t)n != rest / step) {
    wrong(c);
    return false;
  }
  *f = (rd_named){at + 2, (uint32_t)n, step};
  return rd_may_take_arguments(c);
}

void rd_reply_syntax_error(rd_call *c) { rd_reply_syntax(c->out); }

bool rd_parse_only_fields(rd_call *c, void (*wrong)(rd_call *c), rd_named *f) {
  if (rd_arg_is(c->argv[2], "fields")) return rd_parse_fields(c, 2, 1, wrong, f);
  rd_reply_syntax(c->out);
  return false;
}

bool rd_parse_field_time(rd_call *c, rd_bytes arg, bool seconds, bool relative, int64_t *when) {
  int64_t n;
  if (!rd_arg_integer(c, arg, &n)) return false;
  bool fits = n >= 0 && !(seconds && __builtin_mul_overflow(n, 1000, &n)) &&
              !(relative && __builtin_add_overflow(n, (int64_t)c->store->now_ms, &n)) && n <= RD_HASH_TIME_MAX;
  if (!fits) rd_reply_errorf(c->out, "ERR invalid expire time in '%s' command", c->command->name);
  *when = n;
  return fits;
}

int64_t rd_for_fields(rd_call *c, rd_coll *h, const rd_named *f, bool may_fail, rd_step_fn *step, void *arg) {
  size_t mark = c->out->len;
  for (int attempt = 0; attempt < RD_COLL_ATTEMPTS; attempt++) {
    int64_t changes = 0;
    bool recorded = may_fail && f->count > 1 && h->item != NULL, ok = true;
    if (recorded && !rd_coll_begin(h)) break;
    rd_reply_array(c->out, f->count);
    for (uint32_t i = 0; i < f->count && ok; i++) {
      rd_element field;
      rd_element_of(&field, c->argv[f->first + i * f->step]);
      rd_step result = step(c, h, &field, arg);
      ok = result != RD_STEP_FAILED;
      changes += result == RD_STEP_CHANGED;
      if ((i & 15) == 15) rd_yield(c->store);
    }
    if (ok) {
      if (recorded) rd_coll_commit(h);
      return changes;
    }
    if (recorded) rd_coll_undo(h);
    c->out->len = mark;
    if (!rd_coll_reserve(h)) break;
  }
  rd_reply_oom_instead(c->out, mark);
  return -1;
}

void rd_finish_fields(rd_call *c, rd_coll *h, int64_t changes, rd_key_event event) {
  if (changes <= 0) return;
  rd_coll_changed(h, event);
  rd_note_changes(c->store, (uint64_t)changes);
}
