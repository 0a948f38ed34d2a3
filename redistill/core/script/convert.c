/* convert.c - replies and Lua's values. */
#include "script/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "script/budget.h"

/* ---- replies as values ---- */

typedef struct cursor {
  const char *at;
  uint32_t steps;
} cursor;

static rd_bytes line(cursor *c) {
  const char *from = c->at, *end = strchr(from, '\r'); /* the core wrote the reply: each line has its end */
  c->at = end + 2;
  return (rd_bytes){(const uint8_t *)from, (size_t)(end - from)};
}

static long long number(cursor *c) {
  bool negative = *c->at == '-';
  uint64_t n = 0;
  for (c->at += negative; *c->at != '\r'; c->at++) n = n * 10 + (uint64_t)(*c->at - '0');
  c->at += 2;
  return (long long)(negative ? 0 - n : n);
}

static void push_bytes(lua_State *L, rd_bytes text) { rd_lua.pushlstring(L, (const char *)text.data, text.len); }

static void push_field(lua_State *L, const char *name, rd_bytes text) {
  rd_lua.createtable(L, 0, 1);
  push_bytes(L, text);
  rd_lua.setfield(L, -2, name);
}

static void push_next(lua_State *L, cursor *c);

static void push_pairs(lua_State *L, cursor *c, const char *name, bool set) {
  long long n = number(c);
  rd_lua.createtable(L, 0, 1);
  rd_lua.createtable(L, 0, n < INT32_MAX ? (int)n : 0);
  for (; n > 0; n--) {
    push_next(L, c);
    if (set)
      rd_lua.pushboolean(L, 1);
    else
      push_next(L, c);
    if (rd_lua.type(L, -2) == LUA_TNIL)
      rd_lua_pop(L, 2);
    else
      rd_lua.rawset(L, -3);
  }
  rd_lua.setfield(L, -2, name);
}

static void push_array(lua_State *L, cursor *c) {
  long long n = number(c);
  if (n < 0) {
    rd_lua.pushboolean(L, 0);
    return;
  }
  rd_lua.createtable(L, n < INT32_MAX ? (int)n : 0, 0);
  for (int i = 1; i <= n; i++) {
    push_next(L, c);
    rd_lua.rawseti(L, -2, i);
  }
}

static void push_bulk(lua_State *L, cursor *c) {
  long long n = number(c);
  if (n < 0) {
    rd_lua.pushboolean(L, 0);
    return;
  }
  rd_lua.pushlstring(L, c->at, (size_t)n);
  c->at += n + 2;
}

static void push_verbatim(lua_State *L, cursor *c) {
  long long n = number(c);
  rd_lua.createtable(L, 0, 1);
  rd_lua.createtable(L, 0, 2);
  rd_lua.pushlstring(L, c->at, 3);
  rd_lua.setfield(L, -2, "format");
  rd_lua.pushlstring(L, c->at + 4, (size_t)n - 4);
  rd_lua.setfield(L, -2, "string");
  rd_lua.setfield(L, -2, "verbatim_string");
  c->at += n + 2;
}

static void push_double(lua_State *L, cursor *c) {
  rd_bytes text = line(c);
  rd_lua.createtable(L, 0, 1);
  rd_lua.pushnumber(L, strtod((const char *)text.data, NULL));
  rd_lua.setfield(L, -2, "double");
}

static void push_next(lua_State *L, cursor *c) {
  if ((++c->steps & 1023) == 0) rd_spend(L, 4096);
  rd_lua.aux_checkstack(L, 8, "reached lua stack limit");
  switch (*c->at++) {
    case '+':
      push_field(L, "ok", line(c));
      break;
    case '-':
      push_field(L, "err", line(c));
      break;
    case ':':
      rd_lua.pushnumber(L, (double)number(c));
      break;
    case '$':
      push_bulk(L, c);
      break;
    case '*':
    case '>':
      push_array(L, c);
      break;
    case '%':
      push_pairs(L, c, "map", false);
      break;
    case '~':
      push_pairs(L, c, "set", true);
      break;
    case '=':
      push_verbatim(L, c);
      break;
    case '(':
      push_field(L, "big_number", line(c));
      break;
    case ',':
      push_double(L, c);
      break;
    case '#':
      rd_lua.pushboolean(L, *c->at == 't');
      line(c);
      break;
    default:
      line(c);
      rd_lua.pushnil(L); /* _ */
  }
}

void rd_push_reply(lua_State *L, const uint8_t *reply) {
  cursor c = {.at = (const char *)reply};
  push_next(L, &c);
}

/* ---- values as replies ---- */

/* Append a line of RESP, without `type` if that is 0; bytes that would end it become spaces. */
static void append_line(rd_reply *out, char type, const char *text, size_t len) {
  uint8_t *to = rd_reply_room(out, len + 3), *from = to;
  if (to == NULL) return;
  if (type != 0) *to++ = (uint8_t)type;
  for (size_t i = 0; i < len; i++) *to++ = text[i] == '\r' || text[i] == '\n' ? ' ' : (uint8_t)text[i];
  *to++ = '\r';
  *to++ = '\n';
  out->len += (size_t)(to - from);
}

static void append_error(rd_reply *out, const char *text) {
  if (*text == '-') text++;
  rd_reply_error(out, text);
}

/* Push the field of the table at `table`. */
static int field(lua_State *L, int table, const char *name) {
  rd_lua.pushstring(L, name);
  rd_lua.rawget(L, table);
  return rd_lua.type(L, -1);
}

static size_t count_pairs(lua_State *L, int table) {
  size_t n = 0;
  for (rd_lua.pushnil(L); rd_lua.next(L, table); n++) rd_lua_pop(L, 1);
  return n;
}

/* A map or a set: the table at the top, which is popped. */
static void append_pairs(lua_State *L, rd_reply *out, int resp, bool set) {
  int table = rd_lua.gettop(L);
  size_t n = count_pairs(L, table);
  if (set)
    rd_reply_set(out, n);
  else
    rd_reply_map(out, n);
  for (rd_lua.pushnil(L); rd_lua.next(L, table);) {
    if (set) {
      rd_lua_pop(L, 1);
      rd_lua.pushvalue(L, -1);
    } else {
      rd_lua.pushvalue(L, -2);
      rd_append_value(L, out, resp);
    }
    rd_append_value(L, out, resp);
  }
  rd_lua_pop(L, 1);
}

static void append_array(lua_State *L, rd_reply *out, int resp, int table) {
  size_t mark = rd_reply_begin_array(out), n = 0;
  for (;; n++) {
    rd_lua.rawgeti(L, table, (int)n + 1);
    if (rd_lua.type(L, -1) == LUA_TNIL || out->failed) break;
    rd_append_value(L, out, resp);
  }
  rd_lua_pop(L, 1);
  rd_reply_end_array(out, mark, n);
}

/* The string of a verbatim_string, whose table is at the top: {format=, string=}. */
static bool append_verbatim(lua_State *L, rd_reply *out) {
  int table = rd_lua.gettop(L);
  bool is = field(L, table, "string") == LUA_TSTRING && field(L, table, "format") == LUA_TSTRING;
  if (is) {
    size_t len, format_len;
    const char *text = rd_lua.tolstring(L, table + 1, &len);
    const char *format = rd_lua.tolstring(L, table + 2, &format_len);
    char three[4] = "   ";
    memcpy(three, format, format_len < 3 ? format_len : 3);
    rd_reply_verbatim(out, three, text, len);
  }
  rd_lua.settop(L, table);
  return is;
}

/* If the table at the top stands for a reply of another type than an array, append that. */
static bool append_special(lua_State *L, rd_reply *out, int resp, int table) {
  size_t len;
  if (field(L, table, "err") == LUA_TSTRING) {
    append_error(out, rd_lua.tolstring(L, -1, NULL));
    return true;
  }
  if (field(L, table, "ok") == LUA_TSTRING) {
    const char *text = rd_lua.tolstring(L, -1, &len);
    append_line(out, '+', text, len);
    return true;
  }
  if (field(L, table, "double") == LUA_TNUMBER) {
    rd_reply_double(out, rd_lua.tonumber(L, -1));
    return true;
  }
  if (field(L, table, "map") == LUA_TTABLE) {
    append_pairs(L, out, resp, false);
    return true;
  }
  if (field(L, table, "set") == LUA_TTABLE) {
    append_pairs(L, out, resp, true);
    return true;
  }
  if (field(L, table, "big_number") == LUA_TSTRING) {
    const char *text = rd_lua.tolstring(L, -1, &len);
    if (out->resp != 3) rd_reply_bulk_head(out, len);
    append_line(out, out->resp == 3 ? '(' : 0, text, len);
    return true;
  }
  return field(L, table, "verbatim_string") == LUA_TTABLE && append_verbatim(L, out);
}

static void append_table(lua_State *L, rd_reply *out, int resp) {
  int table = rd_lua.gettop(L);
  if (!rd_lua.checkstack(L, 16)) {
    rd_lua.pushstring(L, "ERR reached lua stack limit");
    rd_lua.error(L);
  }
  bool special = append_special(L, out, resp, table);
  rd_lua.settop(L, table);
  if (!special) append_array(L, out, resp, table);
}

static int64_t to_integer(double d) {
  return d >= -9223372036854775808.0 && d < 9223372036854775808.0 ? (int64_t)d : INT64_MIN;
}

void rd_append_value(lua_State *L, rd_reply *out, int resp) {
  size_t len;
  const char *text;
  rd_spend(L, 8);
  switch (rd_lua.type(L, -1)) {
    case LUA_TSTRING:
      text = rd_lua.tolstring(L, -1, &len);
      rd_reply_bulk(out, text, len);
      break;
    case LUA_TNUMBER:
      rd_reply_int(out, to_integer(rd_lua.tonumber(L, -1)));
      break;
    case LUA_TBOOLEAN:
      if (resp == 3)
        rd_reply_bool(out, rd_lua.toboolean(L, -1));
      else if (rd_lua.toboolean(L, -1))
        rd_reply_int(out, 1);
      else
        rd_reply_null(out);
      break;
    case LUA_TTABLE:
      append_table(L, out, resp);
      break;
    default:
      rd_reply_null(out);
  }
  rd_lua_pop(L, 1);
}
