/* hash_getex.c - fields with their values and times at once, as in Valkey 9: HGETDEL HGETEX HSETEX. */
#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/hash_fields.h"
#include "commands/value.h"
#include "types/hash_time.h"

/* ---- options ---- */

enum { NX = 1, XX = 2, FNX = 4, FXX = 8, PERSIST = 16, KEEPTTL = 32 };

typedef struct options {
  unsigned words;       /* those of the enum that were given */
  const rd_bytes *time; /* NULL: none */
  bool seconds, relative;
} options;

static unsigned word_of(rd_bytes arg, unsigned known) {
  static const struct {
    const char *word;
    unsigned bit;
  } words[] = {{"nx", NX}, {"xx", XX}, {"fnx", FNX}, {"fxx", FXX}, {"persist", PERSIST}, {"keepttl", KEEPTTL}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if ((known & words[i].bit) != 0 && rd_arg_is(arg, words[i].word)) return words[i].bit;
  }
  return 0;
}

/* Parse EX, PX, EXAT or PXAT. */
static bool is_unit(rd_bytes arg, bool *seconds, bool *relative) {
  *relative = arg.len == 2;
  *seconds = rd_arg_is(arg, "ex") || rd_arg_is(arg, "exat");
  return *seconds || rd_arg_is(arg, "px") || rd_arg_is(arg, "pxat");
}

/* Parse the options in argv[2 .. to - 1]; of the words only `known` ones. False after an error reply. */
static bool parse_options(rd_call *c, uint32_t to, unsigned known, options *o) {
  *o = (options){.time = NULL};
  for (uint32_t i = 2; i < to; i++) {
    bool seconds, relative;
    unsigned word = word_of(c->argv[i], known);
    if (word != 0) {
      o->words |= word;
    } else if (i + 1 < to && is_unit(c->argv[i], &seconds, &relative) &&
               (o->time == NULL || (o->seconds == seconds && o->relative == relative))) {
      o->seconds = seconds;
      o->relative = relative;
      o->time = &c->argv[++i];
    } else {
      rd_reply_syntax(c->out);
      return false;
    }
  }
  bool both = (o->words & (NX | XX)) == (NX | XX) || (o->words & (FNX | FXX)) == (FNX | FXX) ||
              (o->time != NULL && (o->words & (PERSIST | KEEPTTL)) != 0);
  if (both) rd_reply_syntax(c->out);
  return !both;
}

/* ---- HGETDEL and HGETEX ---- */

/* The bytes of the long values among the fields. */
static uint64_t long_bytes(rd_call *c, const rd_coll *h, const rd_named *f) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < f->count && h->item != NULL; i++) {
    rd_element field;
    rd_pos p;
    rd_element_of(&field, c->argv[f->first + i]);
    if (rd_hash_find(h, &field, &p) && rd_element_is_outside(rd_hash_value(p.at)))
      sum += rd_element_len(c->store, rd_hash_value(p.at));
    if ((i & 15) == 15) rd_yield(c->store);
  }
  return sum;
}

/* Find the field, and reply with its value. False: there is none, or it cannot be sent and must stay as it is. */
static bool reply_found(rd_call *c, const rd_coll *h, rd_element *field, rd_pos *p) {
  if (!rd_hash_find(h, field, p)) {
    rd_reply_null(c->out);
    return false;
  }
  rd_element_reply(c->out, c->store, rd_hash_value(p->at));
  return !c->out->failed;
}

static rd_step get_and_remove(rd_call *c, rd_coll *h, rd_element *field, void *arg) {
  (void)arg;
  rd_pos p;
  if (!reply_found(c, h, field, &p)) return RD_STEP_NOTHING;
  rd_hash_remove_at(h, &p);
  return RD_STEP_CHANGED;
}

void rd_cmd_hgetdel(rd_call *c) {
  rd_named f;
  rd_coll h;
  if (!rd_parse_only_fields(c, rd_reply_numfields, &f) || !rd_open_hash(c, true, &h)) return;
  if (long_bytes(c, &h, &f) > RD_LONG_BYTES && !rd_may_take_long(c)) return;
  rd_finish_fields(c, &h, rd_for_fields(c, &h, &f, false, get_and_remove, NULL), RD_EVENT_HDEL);
}

/* `arg`: the new time, RD_NO_EXPIRY for none; NULL: it stays. */
static rd_step get_and_set_time(rd_call *c, rd_coll *h, rd_element *field, void *arg) {
  const int64_t *when = arg;
  rd_pos p;
  if (!reply_found(c, h, field, &p) || when == NULL) return RD_STEP_NOTHING;
  if (*when == RD_NO_EXPIRY && rd_hash_time(p.at) == RD_NO_EXPIRY) return RD_STEP_NOTHING;
  if (rd_is_past(c, *when))
    rd_hash_remove_at(h, &p);
  else if (rd_hash_set_time(h, &p, field, *when) != RD_OK)
    return RD_STEP_FAILED;
  return RD_STEP_CHANGED;
}

void rd_cmd_hgetex(rd_call *c) {
  options o;
  rd_named f;
  rd_coll h;
  int64_t when = RD_NO_EXPIRY;
  uint32_t at = rd_find_fields(c, 2);
  if (at == 0 || !parse_options(c, at, PERSIST, &o) || !rd_parse_fields(c, at, 1, rd_reply_numfields, &f)) return;
  if (!rd_open_hash(c, false, &h)) return;
  if (o.time != NULL && !rd_parse_field_time(c, *o.time, o.seconds, o.relative, &when)) return;
  if (!rd_may_read(c, long_bytes(c, &h, &f))) return;
  bool past = rd_is_past(c, when), stays = o.time == NULL && (o.words & PERSIST) == 0;
  int64_t changes = rd_for_fields(c, &h, &f, !past && !stays, get_and_set_time, stays ? NULL : &when);
  rd_finish_fields(c, &h, changes, past ? RD_EVENT_HEXPIRED : o.time != NULL ? RD_EVENT_HEXPIRE : RD_EVENT_HPERSIST);
}

/* ---- HSETEX ---- */

/* FNX: none of the fields may exist; FXX: all must. */
static bool condition_holds(rd_call *c, const rd_coll *h, const rd_named *f, const options *o) {
  for (uint32_t i = 0; i < f->count && (o->words & (FNX | FXX)) != 0; i++) {
    rd_element field;
    rd_pos p;
    rd_element_of(&field, c->argv[f->first + 2 * i]);
    if (rd_hash_find(h, &field, &p) == ((o->words & FNX) != 0)) return false;
    if ((i & 15) == 15) rd_yield(c->store);
  }
  return true;
}

/* `when`: RD_KEEP_EXPIRY for that of each field. RD_OOM: some may have been set. */
static rd_result put_all(rd_call *c, rd_coll *h, const rd_named *f, int64_t when) {
  for (uint32_t i = 0; i < f->count; i++) {
    rd_element field, value;
    rd_pos p;
    rd_element_of(&field, c->argv[f->first + 2 * i]);
    rd_element_of(&value, c->argv[f->first + 2 * i + 1]);
    bool found = rd_hash_find(h, &field, &p);
    int64_t time = when != RD_KEEP_EXPIRY ? when : found ? rd_hash_time(p.at) : RD_NO_EXPIRY;
    if (rd_hash_put(h, &p, found, &field, &value, time) != RD_OK) return RD_OOM;
    if ((i & 15) == 15) rd_yield(c->store);
  }
  return RD_OK;
}

/* Set all fields or none. False after an -OOM reply. */
static bool set_all(rd_call *c, rd_coll *h, const rd_named *f, int64_t when) {
  for (int attempt = 0; attempt < RD_COLL_ATTEMPTS; attempt++) {
    bool many = f->count > 1;
    if (many && !rd_coll_begin(h)) break;
    if (put_all(c, h, f, when) == RD_OK) {
      if (many) rd_coll_commit(h);
      return true;
    }
    if (many) rd_coll_undo(h);
    if (!rd_reserve_for_call(c, h)) break;
  }
  rd_reply_oom(c->out);
  return false;
}

/* The fields were set with a time that has passed: remove them. The hash had `before` fields. */
static void remove_all(rd_call *c, rd_coll *h, const rd_named *f, uint64_t before) {
  for (uint32_t i = 0; i < f->count; i++) {
    rd_element field;
    rd_element_of(&field, c->argv[f->first + 2 * i]);
    rd_hash_remove(h, &field);
    if ((i & 15) == 15) rd_yield(c->store);
  }
  uint64_t removed = before - rd_coll_count(h);
  rd_coll_changed(h, RD_EVENT_HEXPIRED);
  rd_note_changes(c->store, removed);
  if (removed == 0) c->store->touched = 0; /* all is as before */
}

void rd_cmd_hsetex(rd_call *c) {
  options o;
  rd_named f;
  rd_coll h;
  int64_t when = RD_NO_EXPIRY;
  uint32_t at = rd_find_fields(c, 2);
  if (at == 0 || !parse_options(c, at, NX | XX | FNX | FXX | KEEPTTL, &o)) return;
  if (!rd_parse_fields(c, at, 2, rd_reply_numfields, &f)) return;
  for (uint32_t i = f.first; i < c->argc; i++) {
    if (!rd_check_length(c, c->argv[i].len)) return;
  }
  if (!rd_open_hash(c, true, &h)) return;
  if ((o.words & (h.item != NULL ? NX : XX)) != 0) {
    rd_reply_int(c->out, 0);
    return;
  }
  if (o.time != NULL && !rd_parse_field_time(c, *o.time, o.seconds, o.relative, &when)) return;
  if (!condition_holds(c, &h, &f, &o)) {
    rd_reply_int(c->out, 0);
    return;
  }
  if (!rd_may_drop_values(c, &h, f.first, f.count, 2)) return;
  bool past = rd_is_past(c, when);
  uint64_t before = past ? rd_coll_count(&h) : 0;
  unsigned name = rd_coll_name(&h);
  if (!set_all(c, &h, &f, past ? RD_NO_EXPIRY : (o.words & KEEPTTL) != 0 ? RD_KEEP_EXPIRY : when)) return;
  rd_coll_changed(&h, RD_EVENT_HSET);
  if (o.time != NULL) rd_notify(c->store, &h.key, RD_EVENT_HEXPIRE);
  if (past) {
    if (before != 0) rd_coll_set_name(&h, name); /* values that leave at once do not decide the encoding */
    remove_all(c, &h, &f, before);
  } else {
    rd_note_changes(c->store, f.count);
  }
  rd_reply_int(c->out, 1);
}
