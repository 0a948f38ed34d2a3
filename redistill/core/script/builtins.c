/* builtins.c - what scripts get of Lua: a list of what is allowed, our own functions in the place of those that go
 * around the protection of tables or read bytecode, and the libraries. */
#include "script/builtins.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "script/bit.h"
#include "script/cjson.h"
#include "script/cmsgpack.h"
#include "script/sandbox.h"
#include "script/strings.h"
#include "script/struct.h"
#include "script/tables.h"
#include "script/text.h"

/* Functions of stock Lua that are safe as they are. */
static const char *const STOCK[] = {"assert",   "error",  "gcinfo",   "getmetatable", "ipairs",
                                    "rawequal", "select", "tonumber", "tostring",     "type"};
static const char *const STOCK_COROUTINE[] = {"create", "resume", "running", "status", "wrap", "yield"};
static const char *const STOCK_MATH[] = {"abs",   "acos", "asin",  "atan", "atan2", "ceil", "cos",   "cosh",
                                         "deg",   "exp",  "floor", "fmod", "frexp", "huge", "ldexp", "log",
                                         "log10", "max",  "min",   "mod",  "modf",  "pi",   "pow",   "rad",
                                         "sin",   "sinh", "sqrt",  "tan",  "tanh"};
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- tables ---- */

/* Replace a protected table at `index` by the table that it protects, which a function may read. */
static void see_through(lua_State *L, int index) {
  if (rd_lua.type(L, index) != LUA_TTABLE || !rd_is_protected(L, index)) return;
  rd_lua.getmetatable(L, index);
  rd_lua.getfield(L, -1, "__index");
  rd_lua.replace(L, index);
  rd_lua_pop(L, 1);
}

static int builtin_next(lua_State *L) {
  rd_lua.aux_checktype(L, 1, LUA_TTABLE);
  rd_lua.settop(L, 2);
  see_through(L, 1);
  if (rd_lua.next(L, 1)) return 2;
  rd_lua.pushnil(L);
  return 1;
}

static int builtin_pairs(lua_State *L) {
  rd_lua.aux_checktype(L, 1, LUA_TTABLE);
  rd_lua.pushvalue(L, rd_lua_upvalue(1));
  rd_lua.pushvalue(L, 1);
  rd_lua.pushnil(L);
  return 3;
}

static int builtin_rawget(lua_State *L) {
  rd_lua.aux_checktype(L, 1, LUA_TTABLE);
  rd_lua.aux_checkany(L, 2);
  rd_lua.settop(L, 2);
  see_through(L, 1);
  rd_lua.rawget(L, 1);
  return 1;
}

static int builtin_rawset(lua_State *L) {
  rd_lua.aux_checktype(L, 1, LUA_TTABLE);
  rd_lua.aux_checkany(L, 2);
  rd_lua.aux_checkany(L, 3);
  rd_lua.settop(L, 3);
  if (rd_is_protected(L, 1)) return rd_refuse_change(L);
  rd_lua.rawset(L, 1);
  return 1;
}

static int builtin_setmetatable(lua_State *L) {
  int type = rd_lua.type(L, 2);
  rd_lua.aux_checktype(L, 1, LUA_TTABLE);
  if (type != LUA_TNIL && type != LUA_TTABLE) return rd_lua.aux_argerror(L, 2, "nil or table expected");
  if (rd_is_protected(L, 1)) return rd_refuse_change(L);
  if (rd_lua.getmetatable(L, 1)) {
    rd_lua.pushstring(L, "__metatable");
    rd_lua.rawget(L, -2);
    if (rd_lua.type(L, -1) != LUA_TNIL) return rd_lua.aux_error(L, "cannot change a protected metatable");
  }
  rd_lua.settop(L, 2);
  rd_lua.setmetatable(L, 1);
  return 1;
}

/* ---- errors ---- */

/* Raise the error that ends the script, if something caught it. */
static void go_on_ending(lua_State *L) {
  rd_sandbox *sandbox = rd_sandbox_of(L);
  if (sandbox->ending == NULL) return;
  rd_lua.pushstring(L, sandbox->ending);
  rd_lua.error(L);
}

/* As Redis's pcall: of an error of redis.call it returns the text. */
static int builtin_pcall(lua_State *L) {
  rd_lua.aux_checkany(L, 1);
  int failed = rd_lua.pcall(L, rd_lua.gettop(L) - 1, LUA_MULTRET, 0);
  go_on_ending(L);
  if (failed && rd_lua.type(L, -1) == LUA_TTABLE) {
    rd_lua.pushstring(L, "err");
    rd_lua.rawget(L, -2);
    if (rd_lua.type(L, -1) == LUA_TSTRING)
      rd_lua.replace(L, -2);
    else
      rd_lua_pop(L, 1);
  }
  rd_lua.pushboolean(L, !failed);
  rd_lua.insert(L, 1);
  return rd_lua.gettop(L);
}

static int builtin_xpcall(lua_State *L) {
  rd_lua.aux_checkany(L, 2);
  rd_lua.settop(L, 2);
  rd_lua.insert(L, 1); /* the handler below the function */
  int failed = rd_lua.pcall(L, 0, LUA_MULTRET, 1);
  go_on_ending(L);
  rd_lua.pushboolean(L, !failed);
  rd_lua.replace(L, 1);
  return rd_lua.gettop(L);
}

/* ---- compiling ---- */

typedef struct text {
  const char *data;
  size_t len;
} text;

static const char *read_text(lua_State *L, void *ud, size_t *size) {
  (void)L;
  text *from = ud;
  *size = from->len;
  from->len = 0;
  return *size == 0 ? NULL : from->data;
}

/* Compile the string at `index`. The name of the chunk is a string on the stack while Lua's parser runs, so that no
 * garbage collection can free it. */
static int load_text(lua_State *L, int index, const char *name) {
  text from;
  from.data = rd_lua.tolstring(L, index, &from.len);
  rd_spend(L, from.len / 8);
  rd_lua.pushstring(L, name);
  name = rd_lua.tolstring(L, -1, NULL);
  if (from.len != 0 && from.data[0] == 0x1b) {
    rd_lua.pushnil(L);
    rd_lua.pushstring(L, "bytecode cannot be loaded");
    return 2;
  }
  if (rd_lua.load(L, read_text, &from, name) == LUA_OK) return 1;
  rd_lua.pushnil(L);
  rd_lua.insert(L, -2);
  return 2;
}

static int builtin_loadstring(lua_State *L) {
  const char *body = rd_lua.aux_checklstring(L, 1, NULL);
  const char *name = rd_lua.aux_optlstring(L, 2, body, NULL);
  return load_text(L, 1, name);
}

/* The parts of a chunk are joined first, since the first byte of all decides whether it is bytecode. */
static int builtin_load(lua_State *L) {
  const char *name = rd_lua.aux_optlstring(L, 2, "=(load)", NULL);
  rd_lua.aux_checktype(L, 1, LUA_TFUNCTION);
  rd_lua.settop(L, 2);
  rd_text joined;
  rd_text_begin(&joined, L);
  for (;;) {
    size_t len;
    rd_lua.pushvalue(L, 1);
    rd_lua.call(L, 0, 1);
    if (rd_lua.type(L, -1) == LUA_TNIL) break;
    if (!rd_lua.isstring(L, -1)) return rd_lua.aux_error(L, "reader function must return a string");
    rd_lua.tolstring(L, -1, &len);
    if (len == 0) break;
    rd_text_add_value(&joined, -1);
    if (joined.data[0] == 0x1b) break; /* bytecode: refused below */
    rd_lua_pop(L, 1);
  }
  rd_text_push(&joined);
  return load_text(L, rd_lua.gettop(L), name);
}

/* ---- random numbers: those of the 48-bit generator of POSIX ---- */

static uint32_t next_random(lua_State *L) {
  rd_sandbox *sandbox = rd_sandbox_of(L);
  sandbox->random = (sandbox->random * 0x5deece66dull + 11) & ((1ull << 48) - 1);
  return (uint32_t)(sandbox->random >> 17);
}

static int builtin_random(lua_State *L) {
  double r = (double)(next_random(L) % INT32_MAX) / (double)INT32_MAX;
  double low = 1, high;
  switch (rd_lua.gettop(L)) {
    case 0:
      rd_lua.pushnumber(L, r);
      return 1;
    case 1:
      high = (double)rd_lua.aux_checkinteger(L, 1);
      if (high < 1) return rd_lua.aux_argerror(L, 1, "interval is empty");
      break;
    case 2:
      low = (double)rd_lua.aux_checkinteger(L, 1);
      high = (double)rd_lua.aux_checkinteger(L, 2);
      if (low > high) return rd_lua.aux_argerror(L, 2, "interval is empty");
      break;
    default:
      return rd_lua.aux_error(L, "wrong number of arguments");
  }
  rd_lua.pushnumber(L, floor(r * (high - low + 1)) + low);
  return 1;
}

static int builtin_randomseed(lua_State *L) {
  uint32_t seed = (uint32_t)rd_lua.aux_checkinteger(L, 1);
  rd_sandbox_of(L)->random = (uint64_t)seed << 16 | 0x330e;
  return 0;
}

/* ---- the rest ---- */

static int builtin_clock(lua_State *L) {
  rd_lua.pushnumber(L, (double)clock() / CLOCKS_PER_SEC);
  return 1;
}

/* Memory is collected as Lua sees fit: one script does not decide that for others. */
static int builtin_collectgarbage(lua_State *L) {
  static const char *const options[] = {"stop", "restart", "collect", "count", "step", "setpause", "setstepmul"};
  const char *option = rd_lua.aux_optlstring(L, 1, "collect", NULL);
  for (size_t i = 0; i < COUNT(options); i++) {
    if (strcmp(option, options[i]) != 0) continue;
    if (i == 2) {
      rd_spend(L, rd_sandbox_of(L)->used / RD_SPEND_BYTES);
      rd_lua.gc(L, LUA_GCCOLLECT, 0);
    }
    rd_lua.pushnumber(L, i == 3 ? (double)rd_sandbox_of(L)->used / 1024 : 0);
    return 1;
  }
  return rd_lua.aux_argerror(L, 1, "invalid option");
}

/* ---- making the globals ---- */

typedef struct function {
  const char *name;
  lua_CFunction function;
} function;

static const function FUNCTIONS[] = {
    {"collectgarbage", builtin_collectgarbage},
    {"load", builtin_load},
    {"loadstring", builtin_loadstring},
    {"next", builtin_next},
    {"pcall", builtin_pcall},
    {"rawget", builtin_rawget},
    {"rawset", builtin_rawset},
    {"setmetatable", builtin_setmetatable},
    {"unpack", rd_unpack},
    {"xpcall", builtin_xpcall},
};

/* Each makes one table. */
static const function LIBRARIES[] = {
    {"string", rd_open_string}, {"table", rd_open_table},       {"bit", rd_open_bit},
    {"cjson", rd_open_cjson},   {"cmsgpack", rd_open_cmsgpack}, {"struct", rd_open_struct},
};

/* Push a table with the named fields of a library of stock Lua, whose name is `from`; NULL: its globals. */
static void take(lua_State *L, const char *from, const char *const *names, size_t count) {
  rd_lua_newtable(L);
  rd_lua.getfield(L, LUA_GLOBALSINDEX, from == NULL ? "_G" : from);
  for (size_t i = 0; i < count; i++) {
    rd_lua.getfield(L, -1, names[i]);
    rd_lua.setfield(L, -3, names[i]);
  }
  rd_lua_pop(L, 1);
}

static void open_stock(lua_State *L, lua_CFunction open, const char *name) {
  rd_lua_pushfunction(L, open);
  rd_lua.pushstring(L, name);
  rd_lua.call(L, 1, 0);
}

/* Lock the metatable that all strings share. */
static void lock_strings(lua_State *L) {
  rd_lua.pushlstring(L, "", 0);
  if (rd_lua.getmetatable(L, -1)) {
    rd_lua.pushboolean(L, 0);
    rd_lua.setfield(L, -2, "__metatable");
    rd_lua_pop(L, 1);
  }
  rd_lua_pop(L, 1);
}

void rd_builtins_open(lua_State *L) {
  open_stock(L, rd_lua.open_base, "");
  open_stock(L, rd_lua.open_math, "math");
  take(L, NULL, STOCK, COUNT(STOCK));
  for (size_t i = 0; i < COUNT(STOCK); i++) {
    rd_lua.getfield(L, -1, STOCK[i]);
    rd_sandbox_set_global(L, STOCK[i]);
  }
  rd_lua_pop(L, 1);
  for (size_t i = 0; i < COUNT(FUNCTIONS); i++) {
    rd_lua_pushfunction(L, FUNCTIONS[i].function);
    rd_sandbox_set_global(L, FUNCTIONS[i].name);
  }
  rd_lua_pushfunction(L, builtin_next);
  rd_lua.pushcclosure(L, builtin_pairs, 1);
  rd_sandbox_set_global(L, "pairs");
  rd_lua.pushstring(L, "Lua 5.1");
  rd_sandbox_set_global(L, "_VERSION");

  take(L, "coroutine", STOCK_COROUTINE, COUNT(STOCK_COROUTINE));
  rd_protect(L);
  rd_sandbox_set_global(L, "coroutine");
  take(L, "math", STOCK_MATH, COUNT(STOCK_MATH));
  rd_lua_pushfunction(L, builtin_random);
  rd_lua.setfield(L, -2, "random");
  rd_lua_pushfunction(L, builtin_randomseed);
  rd_lua.setfield(L, -2, "randomseed");
  rd_protect(L);
  rd_sandbox_set_global(L, "math");
  rd_lua_newtable(L);
  rd_lua_pushfunction(L, builtin_clock);
  rd_lua.setfield(L, -2, "clock");
  rd_protect(L);
  rd_sandbox_set_global(L, "os");
  for (size_t i = 0; i < COUNT(LIBRARIES); i++) {
    rd_lua_pushfunction(L, LIBRARIES[i].function);
    rd_lua.call(L, 0, 1);
    rd_protect(L);
    rd_sandbox_set_global(L, LIBRARIES[i].name);
  }
  lock_strings(L);
}
