/* tables.c - Lua's library of tables. */
#include "script/tables.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "script/budget.h"
#include "script/sandbox.h"
#include "script/text.h"

/* Indexes are ints, as in Lua, which cuts off the upper bits of a larger number.
 *
 * Elements are read and written in runs of this length; the work of each run is reported. */
#define RUN 1024

static int length(lua_State *L) {
  rd_lua.aux_checktype(L, 1, LUA_TTABLE);
  return (int)rd_lua.objlen(L, 1);
}

static void count(lua_State *L, int64_t i) {
  if (i % RUN == 0 && i != 0) rd_spend(L, RUN);
}

static int table_getn(lua_State *L) {
  rd_lua.pushinteger(L, length(L));
  return 1;
}

static int table_maxn(lua_State *L) {
  lua_Number most = 0;
  rd_lua.aux_checktype(L, 1, LUA_TTABLE);
  rd_lua.pushnil(L);
  for (int64_t i = 1; rd_lua.next(L, 1); i++) {
    rd_lua_pop(L, 1);
    if (rd_lua.type(L, -1) == LUA_TNUMBER && rd_lua.tonumber(L, -1) > most) most = rd_lua.tonumber(L, -1);
    count(L, i);
  }
  rd_lua.pushnumber(L, most);
  return 1;
}

static int table_setn(lua_State *L) {
  rd_lua.aux_checktype(L, 1, LUA_TTABLE);
  return rd_lua.aux_error(L, "'setn' is obsolete");
}

/* Call the function with the key and the value on top of the stack. True: it returned something, which is on top. */
static bool call_with_pair(lua_State *L, int64_t i) {
  rd_lua.pushvalue(L, 2);
  rd_lua.pushvalue(L, -3);
  rd_lua.pushvalue(L, -3);
  rd_lua.call(L, 2, 1);
  if (rd_lua.type(L, -1) != LUA_TNIL) return true;
  rd_lua_pop(L, 2);
  count(L, i);
  return false;
}

static int table_foreach(lua_State *L) {
  rd_lua.aux_checktype(L, 1, LUA_TTABLE);
  rd_lua.aux_checktype(L, 2, LUA_TFUNCTION);
  rd_lua.pushnil(L);
  for (int64_t i = 1; rd_lua.next(L, 1); i++) {
    if (call_with_pair(L, i)) return 1;
  }
  return 0;
}

static int table_foreachi(lua_State *L) {
  int n = length(L);
  rd_lua.aux_checktype(L, 2, LUA_TFUNCTION);
  for (int64_t i = 1; i <= n; i++) {
    rd_lua.pushinteger(L, (lua_Integer)i);
    rd_lua.rawgeti(L, 1, (int)i);
    if (call_with_pair(L, i)) return 1;
    rd_lua_pop(L, 1);
  }
  return 0;
}

static int table_insert(lua_State *L) {
  if (rd_is_protected(L, 1)) return rd_refuse_change(L);
  int end = length(L) + 1;
  int at = end;
  if (rd_lua.gettop(L) == 3) {
    at = (int)rd_lua.aux_checkinteger(L, 2);
    if (at > end) end = at;
    for (int64_t i = end; i > at; i--) {
      rd_lua.rawgeti(L, 1, (int)i - 1);
      rd_lua.rawseti(L, 1, (int)i);
      count(L, i);
    }
  } else if (rd_lua.gettop(L) != 2) {
    return rd_lua.aux_error(L, "wrong number of arguments to 'insert'");
  }
  rd_lua.rawseti(L, 1, at);
  return 0;
}

static int table_remove(lua_State *L) {
  if (rd_is_protected(L, 1)) return rd_refuse_change(L);
  int end = length(L);
  int at = (int)rd_lua.aux_optinteger(L, 2, end);
  if (at < 1 || at > end) return 0;
  rd_lua.rawgeti(L, 1, at);
  for (int64_t i = at; i < end; i++) {
    rd_lua.rawgeti(L, 1, (int)i + 1);
    rd_lua.rawseti(L, 1, (int)i);
    count(L, i);
  }
  rd_lua.pushnil(L);
  rd_lua.rawseti(L, 1, end);
  return 1;
}

static int table_concat(lua_State *L) {
  size_t between_len;
  const char *between = rd_lua.aux_optlstring(L, 2, "", &between_len);
  rd_lua.aux_checktype(L, 1, LUA_TTABLE);
  int from = (int)rd_lua.aux_optinteger(L, 3, 1);
  int to = rd_lua.type(L, 4) <= LUA_TNIL ? length(L) : (int)rd_lua.aux_checkinteger(L, 4);
  rd_text text;
  rd_text_begin(&text, L);
  for (int64_t i = from; i <= to; i++) {
    rd_lua.rawgeti(L, 1, (int)i);
    if (!rd_lua.isstring(L, -1)) {
      return rd_lua.aux_error(L, "invalid value (%s) at index %d in table for 'concat'",
                              rd_lua.type_name(L, rd_lua.type(L, -1)), (int)i);
    }
    rd_text_add_value(&text, -1);
    rd_lua_pop(L, 1);
    if (i < to) rd_text_add(&text, between, between_len);
    count(L, i);
  }
  rd_text_push(&text);
  return 1;
}

/* Is the element at stack place `a` before the one at `b`? */
static bool before(lua_State *L, int a, int b) {
  if (rd_lua.type(L, 2) == LUA_TNIL) return rd_lua.lessthan(L, a, b);
  rd_lua.pushvalue(L, 2);
  rd_lua.pushvalue(L, a);
  rd_lua.pushvalue(L, b);
  rd_lua.call(L, 2, 1);
  bool result = rd_lua.toboolean(L, -1);
  rd_lua_pop(L, 1);
  return result;
}

/* Merge the sorted runs from `at` to `middle` and from there to `end` (beyond the last) of the table at stack place
 * `from` into the one at `to`. */
static void merge(lua_State *L, int from, int to, int64_t at, int64_t middle, int64_t end) {
  int64_t left = at, right = middle;
  bool pushed = false; /* both heads, the left one below */
  while (left < middle && right < end) {
    if (!pushed) {
      rd_lua.rawgeti(L, from, (int)left);
      rd_lua.rawgeti(L, from, (int)right);
      pushed = true;
    }
    int top = rd_lua.gettop(L);
    bool take_right = before(L, top, top - 1);
    if (take_right) {
      rd_lua.rawseti(L, to, (int)at++);
      if (++right < end) rd_lua.rawgeti(L, from, (int)right);
    } else {
      rd_lua.insert(L, top - 1);
      rd_lua.rawseti(L, to, (int)at++);
      if (++left < middle) {
        rd_lua.rawgeti(L, from, (int)left);
        rd_lua.insert(L, top - 1);
      }
    }
    count(L, at);
  }
  if (pushed) rd_lua_pop(L, 1);
  for (; left < middle; left++) {
    rd_lua.rawgeti(L, from, (int)left);
    rd_lua.rawseti(L, to, (int)at++);
    count(L, at);
  }
  for (; right < end; right++) {
    rd_lua.rawgeti(L, from, (int)right);
    rd_lua.rawseti(L, to, (int)at++);
    count(L, at);
  }
}

static int table_sort(lua_State *L) {
  if (rd_is_protected(L, 1)) return rd_refuse_change(L);
  enum { TABLE = 1, FIRST = 3, SECOND = 4 };
  int n = length(L);
  if (rd_lua.type(L, 2) > LUA_TNIL) rd_lua.aux_checktype(L, 2, LUA_TFUNCTION);
  rd_lua.settop(L, 2);
  rd_lua.aux_checkstack(L, 20, "");
  if (n < 2) return 0;
  rd_lua.createtable(L, n, 0);
  rd_lua.createtable(L, n, 0);
  int from = TABLE;
  for (int64_t width = 1; width < n; width *= 2) {
    int to = from == FIRST ? SECOND : FIRST;
    for (int64_t at = 1; at <= n; at += 2 * width) {
      int64_t middle = at + width < n + 1 ? at + width : n + 1, end = middle + width < n + 1 ? middle + width : n + 1;
      merge(L, from, to, at, middle, end);
      if (width < RUN) rd_spend(L, (uint64_t)(end - at) * 4);
    }
    from = to;
  }
  for (int64_t i = 1; i <= n; i++) {
    rd_lua.rawgeti(L, from, (int)i);
    rd_lua.rawseti(L, TABLE, (int)i);
    count(L, i);
  }
  return 0;
}

int rd_unpack(lua_State *L) {
  rd_lua.aux_checktype(L, 1, LUA_TTABLE);
  int64_t from = (int)rd_lua.aux_optinteger(L, 2, 1);
  int64_t to = rd_lua.type(L, 3) <= LUA_TNIL ? length(L) : (int)rd_lua.aux_checkinteger(L, 3);
  if (from > to) return 0;
  int64_t n = to - from + 1;
  if (n >= INT_MAX || !rd_lua.checkstack(L, (int)n)) return rd_lua.aux_error(L, "too many results to unpack");
  for (int64_t i = from; i <= to; i++) rd_lua.rawgeti(L, 1, (int)i);
  return (int)n;
}

static const struct {
  const char *name;
  lua_CFunction function;
} functions[] = {
    {"concat", table_concat}, {"foreach", table_foreach}, {"foreachi", table_foreachi},
    {"getn", table_getn},     {"insert", table_insert},   {"maxn", table_maxn},
    {"remove", table_remove}, {"setn", table_setn},       {"sort", table_sort},
};

int rd_open_table(lua_State *L) {
  int n = sizeof functions / sizeof *functions;
  rd_lua.createtable(L, 0, n);
  for (int i = 0; i < n; i++) {
    rd_lua_pushfunction(L, functions[i].function);
    rd_lua.setfield(L, -2, functions[i].name);
  }
  return 1;
}
