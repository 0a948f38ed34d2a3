/* strings.c - Lua's library of strings. */
#include "script/strings.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "script/budget.h"
#include "script/match.h"
#include "script/text.h"

/* Work on so many bytes is not worth a report. */
#define SHORT 1024

static void spend_bytes(lua_State *L, size_t len) {
  if (len > SHORT) rd_spend(L, len / RD_SPEND_BYTES);
}

/* A position counted from 1, or from the end if it is negative; before the beginning: 0. */
static ptrdiff_t place(lua_Integer position, size_t len) {
  if (position < 0) position += (ptrdiff_t)len + 1;
  return position >= 0 ? position : 0;
}

static int string_len(lua_State *L) {
  size_t len;
  (void)rd_lua.aux_checklstring(L, 1, &len);
  rd_lua.pushinteger(L, (lua_Integer)len);
  return 1;
}

static int string_sub(lua_State *L) {
  size_t len;
  const char *s = rd_lua.aux_checklstring(L, 1, &len);
  ptrdiff_t from = place(rd_lua.aux_checkinteger(L, 2), len), to = place(rd_lua.aux_optinteger(L, 3, -1), len);
  if (from < 1) from = 1;
  if (to > (ptrdiff_t)len) to = (ptrdiff_t)len;
  size_t part = from <= to ? (size_t)(to - from) + 1 : 0;
  rd_lua.pushlstring(L, part > 0 ? s + from - 1 : "", part);
  spend_bytes(L, part);
  return 1;
}

/* Push the argument with each byte changed, or in reverse order. */
static int changed(lua_State *L, char first, char last, bool reversed) {
  size_t len;
  const char *s = rd_lua.aux_checklstring(L, 1, &len);
  rd_text text;
  rd_text_begin(&text, L);
  char *to = rd_text_room(&text, len);
  for (size_t i = 0; i < len; i++) {
    char c = s[reversed ? len - 1 - i : i];
    to[i] = c >= first && c <= last ? (char)(c ^ 0x20) : c;
  }
  text.len = len;
  spend_bytes(L, len);
  rd_text_push(&text);
  return 1;
}

static int string_lower(lua_State *L) { return changed(L, 'A', 'Z', false); }
static int string_upper(lua_State *L) { return changed(L, 'a', 'z', false); }
static int string_reverse(lua_State *L) { return changed(L, 1, 0, true); }

static int string_rep(lua_State *L) {
  size_t len;
  const char *s = rd_lua.aux_checklstring(L, 1, &len);
  int n = (int)rd_lua.aux_checkinteger(L, 2); /* Lua cuts off the upper bits, too */
  rd_text text;
  rd_text_begin(&text, L);
  if (n > 0 && len > 0) {
    if (len > SIZE_MAX / 8 / (size_t)n) rd_lua.aux_error(L, "resulting string too large");
    size_t whole = len * (size_t)n;
    char *to = rd_text_room(&text, whole);
    memcpy(to, s, len);
    for (size_t done = len; done < whole;) {
      size_t more = done < whole - done ? done : whole - done;
      memcpy(to + done, to, more);
      done += more;
    }
    text.len = whole;
  }
  rd_text_push(&text);
  return 1;
}

static int string_byte(lua_State *L) {
  size_t len;
  const char *s = rd_lua.aux_checklstring(L, 1, &len);
  ptrdiff_t from = place(rd_lua.aux_optinteger(L, 2, 1), len), to = place(rd_lua.aux_optinteger(L, 3, from), len);
  if (from <= 0) from = 1;
  if (to > (ptrdiff_t)len) to = (ptrdiff_t)len;
  if (from > to) return 0;
  ptrdiff_t n = to - from + 1;
  if (n >= INT_MAX) rd_lua.aux_error(L, "string slice too long");
  rd_lua.aux_checkstack(L, (int)n, "string slice too long");
  for (ptrdiff_t i = 0; i < n; i++) rd_lua.pushinteger(L, (unsigned char)s[from - 1 + i]);
  return (int)n;
}

static int string_char(lua_State *L) {
  int n = rd_lua.gettop(L);
  rd_text text;
  rd_text_begin(&text, L);
  for (int i = 1; i <= n; i++) {
    int c = (int)rd_lua.aux_checkinteger(L, i);
    if (c < 0 || c > UCHAR_MAX) rd_lua.aux_argerror(L, i, "invalid value");
    rd_text_add_char(&text, (char)c);
  }
  rd_text_push(&text);
  return 1;
}

/* string.find and string.match. */
static int search(lua_State *L, bool find) {
  size_t len, pattern_len;
  const char *s = rd_lua.aux_checklstring(L, 1, &len);
  const char *p = rd_lua.aux_checklstring(L, 2, &pattern_len);
  ptrdiff_t start = place(rd_lua.aux_optinteger(L, 3, 1), len) - 1;
  if (start < 0) start = 0;
  if (start > (ptrdiff_t)len) start = (ptrdiff_t)len;
  if (find && (rd_lua.toboolean(L, 4) || strpbrk(p, "^$*+?.([%-") == NULL)) {
    size_t rest = len - (size_t)start;
    const char *found = memmem(s + start, rest, p, pattern_len);
    size_t looked_at = found != NULL ? (size_t)(found - s - start) : rest;
    spend_bytes(L, looked_at * 4 + pattern_len * 4); /* slower than a copy */
    if (found == NULL) {
      rd_lua.pushnil(L);
      return 1;
    }
    rd_lua.pushinteger(L, found - s + 1);
    rd_lua.pushinteger(L, found - s + (ptrdiff_t)pattern_len);
    return 2;
  }
  rd_match m;
  rd_match_begin(&m, L, s, len, p, pattern_len);
  bool anchored = *p == '^';
  const char *at = s + start;
  do {
    m.level = 0;
    const char *end = rd_match_at(&m, at, p + anchored);
    if (end == NULL) continue;
    int pushed = 0;
    if (find) {
      rd_lua.pushinteger(L, at - s + 1);
      rd_lua.pushinteger(L, end - s);
      pushed = 2 + rd_match_push_all(&m, NULL, NULL);
    } else {
      pushed = rd_match_push_all(&m, at, end);
    }
    rd_match_end(&m);
    return pushed;
  } while (at++ < m.source_end && !anchored);
  rd_match_end(&m);
  rd_lua.pushnil(L);
  return 1;
}

static int string_find(lua_State *L) { return search(L, true); }
static int string_match(lua_State *L) { return search(L, false); }

/* The iterator of string.gmatch. Its upvalues: the source, the pattern, and where it goes on. */
static int next_match(lua_State *L) {
  size_t len, pattern_len;
  const char *s = rd_lua.tolstring(L, rd_lua_upvalue(1), &len);
  const char *p = rd_lua.tolstring(L, rd_lua_upvalue(2), &pattern_len);
  rd_match m;
  rd_match_begin(&m, L, s, len, p, pattern_len);
  size_t from = (size_t)rd_lua.tointeger(L, rd_lua_upvalue(3));
  for (const char *at = s + from; from <= len; at = s + ++from) {
    m.level = 0;
    const char *end = rd_match_at(&m, at, p);
    if (end == NULL) continue;
    rd_lua.pushinteger(L, end - s + (end == at)); /* not for ever the same empty match */
    rd_lua.replace(L, rd_lua_upvalue(3));
    int pushed = rd_match_push_all(&m, at, end);
    rd_match_end(&m);
    return pushed;
  }
  rd_match_end(&m);
  return 0;
}

static int string_gmatch(lua_State *L) {
  (void)rd_lua.aux_checklstring(L, 1, NULL);
  (void)rd_lua.aux_checklstring(L, 2, NULL);
  rd_lua.settop(L, 2);
  rd_lua.pushinteger(L, 0);
  rd_lua.pushcclosure(L, next_match, 3);
  return 1;
}

/* Add a replacement that is a string: '%' and a digit is a capture, '%' and another byte is that byte. */
static void add_template(rd_match *m, rd_text *text, const char *from, const char *to) {
  size_t len;
  const char *t = rd_lua.tolstring(m->L, 3, &len);
  for (size_t i = 0; i < len; i++) {
    const char *percent = memchr(t + i, '%', len - i);
    size_t plain = percent != NULL ? (size_t)(percent - t) - i : len - i;
    rd_text_add(text, t + i, plain);
    i += plain;
    if (percent == NULL) break;
    i++;
    if (t[i] < '0' || t[i] > '9') { /* at the end it is the string's NUL */
      rd_text_add_char(text, t[i]);
    } else if (t[i] == '0') {
      rd_text_add(text, from, (size_t)(to - from));
    } else {
      rd_match_push(m, t[i] - '1', from, to);
      rd_text_add_value(text, -1);
      rd_lua_pop(m->L, 1);
    }
  }
  m->steps += len / 8;
}

/* Add what replaces the match from `from` to `to`. */
static void add_replacement(rd_match *m, rd_text *text, const char *from, const char *to, int kind) {
  lua_State *L = m->L;
  if (kind == LUA_TFUNCTION) {
    rd_lua.pushvalue(L, 3);
    int n = rd_match_push_all(m, from, to);
    rd_lua.call(L, n, 1);
  } else if (kind == LUA_TTABLE) {
    rd_match_push(m, 0, from, to);
    rd_lua.gettable(L, 3);
  } else {
    add_template(m, text, from, to);
    return;
  }
  if (!rd_lua.toboolean(L, -1)) {
    rd_text_add(text, from, (size_t)(to - from));
  } else if (!rd_lua.isstring(L, -1)) {
    rd_lua.aux_error(L, "invalid replacement value (a %s)", rd_lua.type_name(L, rd_lua.type(L, -1)));
  } else {
    rd_text_add_value(text, -1);
  }
  rd_lua_pop(L, 1);
}

static int string_gsub(lua_State *L) {
  size_t len, pattern_len;
  const char *s = rd_lua.aux_checklstring(L, 1, &len);
  const char *p = rd_lua.aux_checklstring(L, 2, &pattern_len);
  int kind = rd_lua.type(L, 3);
  int most = (int)rd_lua.aux_optinteger(L, 4, (lua_Integer)len + 1);
  if (kind != LUA_TNUMBER && kind != LUA_TSTRING && kind != LUA_TFUNCTION && kind != LUA_TTABLE) {
    rd_lua.aux_argerror(L, 3, "string/function/table expected");
  }
  bool anchored = *p == '^';
  rd_text text;
  rd_text_begin(&text, L);
  rd_match m;
  rd_match_begin(&m, L, s, len, p, pattern_len);
  const char *at = s;
  int n = 0;
  while (n < most) {
    m.level = 0;
    const char *end = rd_match_at(&m, at, p + anchored);
    if (end != NULL) {
      n++;
      add_replacement(&m, &text, at, end, kind);
    }
    if (end != NULL && end > at) {
      at = end;
    } else if (at < m.source_end) {
      rd_text_add_char(&text, *at++);
    } else {
      break;
    }
    if (anchored) break;
  }
  rd_match_end(&m);
  rd_text_add(&text, at, (size_t)(m.source_end - at));
  rd_text_push(&text);
  rd_lua.pushinteger(L, n);
  return 2;
}

static const struct {
  const char *name;
  lua_CFunction function;
} functions[] = {
    {"byte", string_byte},       {"char", string_char},    {"find", string_find},
    {"format", rd_format},       {"gfind", string_gmatch}, /* its name in Lua 5.0 */
    {"gmatch", string_gmatch},   {"gsub", string_gsub},    {"len", string_len},
    {"lower", string_lower},     {"match", string_match},  {"rep", string_rep},
    {"reverse", string_reverse}, {"sub", string_sub},      {"upper", string_upper},
};

int rd_open_string(lua_State *L) {
  int n = sizeof functions / sizeof *functions;
  rd_lua.createtable(L, 0, n);
  for (int i = 0; i < n; i++) {
    rd_lua_pushfunction(L, functions[i].function);
    rd_lua.setfield(L, -2, functions[i].name);
  }
  rd_lua.pushlstring(L, "", 0);
  rd_lua.createtable(L, 0, 1);
  rd_lua.pushvalue(L, -3);
  rd_lua.setfield(L, -2, "__index");
  (void)rd_lua.setmetatable(L, -2);
  rd_lua_pop(L, 1);
  return 1;
}
