/* bitfield.c - BITFIELD and BITFIELD_RO: integers of any width at any bit of a string.
 *
 * The arguments are walked twice: first to check all of them and to learn how long the string must become, then to
 * execute. So a wrong argument changes nothing, and no memory is needed between the walks. */
#include "arena/longrun.h"
#include "base/bits.h"
#include "commands/cmd.h"
#include "commands/value.h"

typedef enum field_op { FIELD_GET, FIELD_SET, FIELD_INCRBY, FIELD_OVERFLOW } field_op;
typedef enum overflow { OVERFLOW_WRAP, OVERFLOW_SAT, OVERFLOW_FAIL } overflow;

typedef struct field {
  field_op op;
  overflow overflow; /* the mode of FIELD_OVERFLOW */
  bool is_signed;
  unsigned width;
  uint64_t offset;
  int64_t value;
} field;

static bool parse_type(rd_bytes arg, field *f) {
  if (arg.len < 2 || (arg.data[0] != 'i' && arg.data[0] != 'u')) return false;
  f->is_signed = arg.data[0] == 'i';
  int64_t width;
  if (!rd_parse_i64((rd_bytes){arg.data + 1, arg.len - 1}, &width)) return false;
  if (width < 1 || width > (f->is_signed ? 64 : 63)) return false;
  f->width = (unsigned)width;
  return true;
}

/* Parse the subcommand at argv[i]. Returns the number of its arguments, including itself; 0 after an error reply. */
static uint32_t parse_field(rd_call *c, uint32_t i, field *f) {
  rd_bytes word = c->argv[i];
  uint32_t after = c->argc - i - 1;
  if (after >= 2 && rd_arg_is(word, "get")) {
    f->op = FIELD_GET;
  } else if (after >= 3 && rd_arg_is(word, "set")) {
    f->op = FIELD_SET;
  } else if (after >= 3 && rd_arg_is(word, "incrby")) {
    f->op = FIELD_INCRBY;
  } else if (after >= 1 && rd_arg_is(word, "overflow")) {
    f->op = FIELD_OVERFLOW;
    rd_bytes how = c->argv[i + 1];
    if (rd_arg_is(how, "wrap")) {
      f->overflow = OVERFLOW_WRAP;
    } else if (rd_arg_is(how, "sat")) {
      f->overflow = OVERFLOW_SAT;
    } else if (rd_arg_is(how, "fail")) {
      f->overflow = OVERFLOW_FAIL;
    } else {
      rd_reply_error(c->out, "ERR Invalid OVERFLOW type specified");
      return 0;
    }
    return 2;
  } else {
    rd_reply_syntax(c->out);
    return 0;
  }
  if (!parse_type(c->argv[i + 1], f)) {
    rd_reply_error(c->out,
                   "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.");
    return 0;
  }
  if (!rd_bits_offset(c->argv[i + 2], f->width, c->store->max_bulk, &f->offset)) {
    rd_reply_error(c->out, "ERR bit offset is not an integer or out of range");
    return 0;
  }
  if (f->op == FIELD_GET) return 3;
  return rd_arg_integer(c, c->argv[i + 3], &f->value) ? 4 : 0;
}

/* Load the bytes of the value that contain the field, with zeros after the value's end. Returns how many exist. */
static uint64_t load_window(rd_store *st, const rd_item *it, const field *f, uint8_t window[RD_BITS_WINDOW]) {
  memset(window, 0, RD_BITS_WINDOW);
  uint64_t off = f->offset >> 3;
  uint64_t len = it ? rd_item_len(it) : 0;
  if (off >= len) return 0;
  uint64_t n = len - off < RD_BITS_WINDOW ? len - off : RD_BITS_WINDOW;
  rd_item_read(st, it, off, window, n);
  return n;
}

/* The field's bits as a number of its type. */
static int64_t number_of(const field *f, uint64_t bits) {
  if (f->is_signed && f->width < 64 && bits >> (f->width - 1)) bits |= UINT64_MAX << f->width;
  return (int64_t)bits;
}

/* Fit the sum into the field's type. false: it does not fit, and OVERFLOW FAIL is in force. */
static bool fit(const field *f, overflow how, __int128 sum, int64_t *out) {
  __int128 max = ((__int128)1 << (f->is_signed ? f->width - 1 : f->width)) - 1;
  __int128 min = f->is_signed ? -max - 1 : 0;
  if (sum < min || sum > max) {
    if (how == OVERFLOW_FAIL) return false;
    if (how == OVERFLOW_SAT) {
      sum = sum < min ? min : max;
    } else {
      uint64_t bits = (uint64_t)sum;
      if (f->width < 64) bits &= (1ull << f->width) - 1;
      *out = number_of(f, bits);
      return true;
    }
  }
  *out = (int64_t)sum;
  return true;
}

/* Run a subcommand. Returns whether the field was written: it has changed, or its byte is new (`grown`). */
static bool run_field(rd_call *c, const rd_key *key, rd_item *it, const field *f, overflow how, bool grown) {
  uint8_t window[RD_BITS_WINDOW];
  uint64_t have = load_window(c->store, it, f, window);
  unsigned shift = (unsigned)(f->offset & 7);
  int64_t old = number_of(f, rd_bits_get(window, shift, f->width));
  if (f->op == FIELD_GET) {
    rd_reply_int(c->out, old);
    return false;
  }
  __int128 sum;
  if (f->op == FIELD_INCRBY)
    sum = (__int128)old + f->value;
  else
    sum = f->is_signed ? (__int128)f->value : (__int128)(uint64_t)f->value; /* -1 is too large for any unsigned field */
  int64_t value;
  if (!fit(f, how, sum, &value)) {
    rd_reply_null(c->out);
    return false;
  }
  rd_bits_put(window, shift, f->width, (uint64_t)value);
  uint64_t touched = (shift + f->width + 7) / 8;
  assert(touched <= have);
  if (value != old) {
    rd_write(c->store, key, it, f->offset >> 3, window, touched, RD_EVENT_NONE);
    rd_note_changes(c->store, 1);
  }
  (void)have;
  rd_reply_int(c->out, f->op == FIELD_SET ? old : value);
  return grown || value != old;
}

static void bitfield(rd_call *c, bool readonly) {
  size_t replies = 0;
  uint64_t need = 0; /* bytes that the writes need */
  field f = {0};
  for (uint32_t i = 2, n; i < c->argc; i += n) {
    if ((n = parse_field(c, i, &f)) == 0) return;
    if ((i & 1023) < n) rd_yield(c->store);
    if (f.op == FIELD_OVERFLOW) continue;
    replies++;
    if (f.op == FIELD_GET) continue;
    uint64_t end = (f.offset + f.width + 7) / 8;
    if (end > need) need = end;
  }
  if (readonly && need) {
    rd_reply_error(c->out, "ERR BITFIELD_RO only supports the GET subcommand");
    return;
  }
  rd_key key = rd_call_key(c, 1);
  bool absent;
  rd_item *it = rd_call_string(c, &key, need > 0, &absent);
  if (!it && !absent) return;
  uint64_t had = it ? rd_item_len(it) : 0;
  if (need) {
    if (need > RD_LONG_BYTES + had && !rd_may_take_long(c)) return;
    if (!rd_check_growth(c, had, need)) return;
    if (!rd_reply_room(c->out, (replies + 1) * 24)) return; /* without room for the reply nothing is changed */
    if (rd_grow(c, &key, &it, need) != RD_OK) {
      rd_reply_oom(c->out);
      return;
    }
  }
  overflow how = OVERFLOW_WRAP;
  bool written = false;
  rd_reply_array(c->out, replies);
  for (uint32_t i = 2, n; i < c->argc; i += n) {
    n = parse_field(c, i, &f);
    if ((i & 255) < n) rd_yield(c->store);
    if (f.op == FIELD_OVERFLOW)
      how = f.overflow;
    else
      written |= run_field(c, &key, it, &f, how, need > had);
  }
  if (written) rd_notify(c->store, &key, RD_EVENT_SETBIT);
}

void rd_cmd_bitfield(rd_call *c) { bitfield(c, false); }

void rd_cmd_bitfield_ro(rd_call *c) { bitfield(c, true); }
