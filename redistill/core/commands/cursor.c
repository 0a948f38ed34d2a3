/* cursor.c - parses the cursor and the options of a scan, and replies with the cursor. */
#include "commands/cursor.h"

#include "commands/value.h"
#include "types/element.h"

/* Parse like strtoul: an optional sign (minus counts down from 2^64), digits, the end; a NUL byte is an end, and an
 * empty text is 0. */
static bool parse(rd_bytes text, uint64_t *cursor) {
  const uint8_t *p = text.data, *end = p + text.len;
  uint64_t n = 0;
  bool minus = false;
  if (p < end && (*p == '+' || *p == '-')) {
    minus = *p++ == '-';
    if (p == end || *p < '0' || *p > '9') return false;
  }
  for (; p < end && *p >= '0' && *p <= '9'; p++) {
    if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n)) return false;
  }
  *cursor = minus ? 0 - n : n;
  return p == end || *p == 0;
}

bool rd_parse_cursor(rd_call *call, rd_bytes text, uint64_t *cursor) {
  if (parse(text, cursor)) return true;
  rd_reply_error(call->out, "ERR invalid cursor");
  return false;
}

rd_pattern rd_pattern_of(rd_bytes text) {
  while (text.len > 2 && memcmp(text.data, "***", 3) == 0) {
    text.data++; /* a run of stars means the same as one; but one star also matches the empty text */
    text.len--;
  }
  return (rd_pattern){text, text.len == 1 && text.data[0] == '*'};
}

bool rd_pattern_matches_element(rd_call *call, const rd_pattern *p, const uint8_t *element) {
  if (p->all) return true;
  rd_store *st = call->store;
  char digits[RD_ELEMENT_TEXT];
  if (!rd_element_is_outside(element)) return rd_pattern_matches(p, rd_element_text(element, digits));
  uint64_t len = rd_element_len(st, element);
  uint8_t *copy = rd_scratch_take(call, len);
  if (copy == NULL) {
    call->out->failed = true;
    return false;
  }
  rd_element_read(st, element, copy);
  bool matches = rd_pattern_matches(p, (rd_bytes){copy, (size_t)len});
  rd_scratch_give(st, copy, len);
  return matches;
}

/* Parse an option that has a value. False after an error reply. */
static bool parse_option(rd_call *call, rd_bytes word, const rd_bytes *value, unsigned words, rd_scan_options *o) {
  int64_t count;
  if (rd_arg_is(word, "count")) {
    if (!rd_arg_integer(call, *value, &count)) return false;
    if (count >= 1) {
      o->count = count > RD_SCAN_MOST ? RD_SCAN_MOST : (uint64_t)count;
      return true;
    }
  } else if (rd_arg_is(word, "match")) {
    o->match = rd_pattern_of(*value);
    return true;
  } else if ((words & RD_SCAN_TYPE) != 0 && rd_arg_is(word, "type")) {
    o->type = value;
    return true;
  }
  rd_reply_syntax(call->out);
  return false;
}

bool rd_parse_scan(rd_call *call, uint32_t from, unsigned words, rd_scan_options *options) {
  rd_scan_options o = {.count = 10, .match = {.all = true}};
  for (uint32_t i = from; i < call->argc; i++) {
    if ((words & RD_SCAN_NOVALUES) != 0 && rd_arg_is(call->argv[i], "novalues")) {
      o.no_values = true;
    } else if (i + 1 == call->argc) {
      rd_reply_syntax(call->out);
      return false;
    } else {
      if (!parse_option(call, call->argv[i], &call->argv[i + 1], words, &o)) return false;
      i++;
    }
  }
  *options = o;
  return true;
}

void rd_insert_cursor(rd_reply *out, size_t at, uint64_t cursor) {
  char digits[20], head[40];
  size_t n = sizeof digits, len = 0;
  do {
    digits[--n] = (char)('0' + cursor % 10);
    cursor /= 10;
  } while (cursor != 0);
  size_t width = sizeof digits - n;

  memcpy(head, "*2\r\n$", 5);
  len = 5;
  if (width >= 10) head[len++] = (char)('0' + width / 10);
  head[len++] = (char)('0' + width % 10);
  memcpy(head + len, "\r\n", 2);
  len += 2;
  memcpy(head + len, digits + n, width);
  len += width;
  memcpy(head + len, "\r\n", 2);
  len += 2;

  if (rd_reply_room(out, len) == NULL) return;
  rd_reply_shift(out, at, len);
  memcpy(out->data + at, head, len);
}
