/* cjson_encode.c - a JSON text from a value. */
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/numbers.h"
#include "script/budget.h"
#include "script/cjson_settings.h"
#include "script/text.h"

/* The work of one table beside its elements. A search for its next element can pass any number of empty places, which
 * are not seen from here. */
#define TABLE_STEPS 500

typedef struct encoder {
  lua_State *L;
  const rd_cjson_settings *settings;
  rd_text text;
  uint32_t work;
} encoder;

static void spend(encoder *e, size_t steps) {
  if (e->work + steps < 4096) {
    e->work += (uint32_t)steps;
    return;
  }
  rd_spend(e->L, e->work + steps);
  e->work = 0;
}

static void refuse(encoder *e, int index, const char *why) {
  const char *type = rd_lua.type_name(e->L, rd_lua.type(e->L, index));
  rd_lua.aux_error(e->L, "Cannot serialise %s: %s", type, why);
}

/* 0: as it is, 'u': by its number, otherwise the letter after the backslash. */
static const char escapes[256] = {
    [0 ... 7] = 'u', ['\b'] = 'b',      ['\t'] = 't', ['\n'] = 'n', [11] = 'u',    ['\f'] = 'f',
    ['\r'] = 'r',    [14 ... 31] = 'u', ['"'] = '"',  ['/'] = '/',  ['\\'] = '\\', [127] = 'u',
};

static void put_string(encoder *e, int index) {
  size_t len;
  const char *bytes = rd_lua.tolstring(e->L, index, &len);
  rd_text *text = &e->text;
  spend(e, 1 + len / 8);
  rd_text_add_char(text, '"');
  size_t from = 0;
  for (size_t i = 0; i < len; i++) {
    uint8_t byte = (uint8_t)bytes[i];
    char escape = escapes[byte];
    if (__builtin_expect(escape == 0, 1)) continue;
    rd_text_add(text, bytes + from, i - from);
    from = i + 1;
    rd_text_add_char(text, '\\');
    rd_text_add_char(text, escape);
    if (escape == 'u') {
      const char number[] = {'0', '0', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
      rd_text_add(text, number, sizeof number);
    }
  }
  rd_text_add(text, bytes + from, len - from);
  rd_text_add_char(text, '"');
}

static void put_number(encoder *e, int index) {
  double n = rd_lua.tonumber(e->L, index);
  char digits[40];
  if (!isfinite(n)) {
    if (e->settings->encode_numbers == RD_CJSON_REFUSED) refuse(e, index, "must not be NaN or Inf");
    const char *name = e->settings->encode_numbers == RD_CJSON_NULL ? "null"
                       : isnan(n)                                   ? "nan"
                       : n < 0                                      ? "-inf"
                                                                    : "inf";
    rd_text_add(&e->text, name, strlen(name));
  } else if (e->settings->digits == 14 && fabs(n) < 1e14 && n == (double)(int64_t)n && !(n == 0 && signbit(n))) {
    rd_text_add(&e->text, digits, rd_format_i64(digits, (int64_t)n));
  } else {
    int len = snprintf(digits, sizeof digits, "%.*g", e->settings->digits, n);
    rd_text_add(&e->text, digits, (size_t)len);
  }
}

static void put_value(encoder *e, int depth);

/* The greatest key of the table at the top if all keys are integers from 1 on; 0 of the empty table, or of one that is
 * to be an object. */
static int array_length(encoder *e) {
  lua_State *L = e->L;
  double most = 0;
  int64_t count = 0;
  rd_lua.pushnil(L);
  while (rd_lua.next(L, -2)) {
    double key = rd_lua.type(L, -2) == LUA_TNUMBER ? rd_lua.tonumber(L, -2) : 0;
    if (!(key >= 1 && key <= INT_MAX && floor(key) == key)) {
      rd_lua_pop(L, 2);
      return 0;
    }
    if (key > most) most = key;
    count++;
    spend(e, 1);
    rd_lua_pop(L, 1);
  }
  const rd_cjson_settings *s = e->settings;
  if (s->sparse_ratio > 0 && most > (double)count * s->sparse_ratio && most > s->sparse_safe) {
    if (!s->sparse_as_object) refuse(e, -1, "excessively sparse array");
    return 0;
  }
  return (int)most;
}

static void put_array(encoder *e, int length, int depth) {
  rd_text_add_char(&e->text, '[');
  for (int i = 1;; i++) {
    rd_lua.rawgeti(e->L, -1, i);
    put_value(e, depth);
    rd_lua_pop(e->L, 1);
    if (i == length) break;
    rd_text_add_char(&e->text, ',');
  }
  rd_text_add_char(&e->text, ']');
}

static void put_object(encoder *e, int depth) {
  lua_State *L = e->L;
  char before = '{';
  rd_lua.pushnil(L);
  while (rd_lua.next(L, -2)) {
    rd_text_add_char(&e->text, before);
    before = ',';
    switch (rd_lua.type(L, -2)) {
      case LUA_TNUMBER:
        rd_text_add_char(&e->text, '"');
        put_number(e, -2);
        rd_text_add_char(&e->text, '"');
        break;
      case LUA_TSTRING:
        put_string(e, -2);
        break;
      default:
        refuse(e, -2, "table key must be a number or string");
    }
    rd_text_add_char(&e->text, ':');
    put_value(e, depth);
    rd_lua_pop(L, 1);
  }
  if (before == '{') rd_text_add_char(&e->text, '{');
  rd_text_add_char(&e->text, '}');
}

/* Add the value at the top, which is within `depth` tables. */
static void put_value(encoder *e, int depth) {
  lua_State *L = e->L;
  spend(e, 1);
  switch (rd_lua.type(L, -1)) {
    case LUA_TSTRING:
      put_string(e, -1);
      return;
    case LUA_TNUMBER:
      put_number(e, -1);
      return;
    case LUA_TBOOLEAN:
      if (rd_lua.toboolean(L, -1))
        rd_text_add(&e->text, "true", 4);
      else
        rd_text_add(&e->text, "false", 5);
      return;
    case LUA_TTABLE: {
      depth++;
      /* A C function has at most 8000 places, of which a table takes one or two: so this call is bounded, too. */
      if (depth > e->settings->encode_depth || !rd_lua.checkstack(L, 3))
        rd_lua.aux_error(L, "Cannot serialise, excessive nesting (%d)", depth);
      spend(e, TABLE_STEPS);
      int length = array_length(e);
      if (length > 0)
        put_array(e, length, depth);
      else
        put_object(e, depth);
      return;
    }
    case LUA_TLIGHTUSERDATA:
      if (rd_lua.touserdata(L, -1) != NULL) break;
      rd_text_add(&e->text, "null", 4);
      return;
    case LUA_TNIL:
      rd_text_add(&e->text, "null", 4);
      return;
    default:
      break;
  }
  refuse(e, -1, "type not supported");
}

int rd_cjson_encode(lua_State *L) {
  encoder e = {.L = L, .settings = rd_lua.touserdata(L, rd_lua_upvalue(1))};
  if (rd_lua.gettop(L) != 1) rd_lua.aux_argerror(L, 1, "expected 1 argument");
  rd_text_begin(&e.text, L);
  rd_lua.insert(L, 1); /* the text's place is below the value, which must be at the top */
  e.text.place = 1;
  put_value(&e, 0);
  rd_text_push(&e.text);
  return 1;
}
