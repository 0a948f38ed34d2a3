/* sandbox.c - the state: memory, time, errors, compiled functions. */
#include "script/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script/builtins.h"
#include "script/cjson.h"

/* Keys of the registry: the addresses are what counts. */
static const char PROTECTED = 0, FUNCTIONS = 0, GLOBALS = 0;
#define KEY(name) ((void *)(uintptr_t) & (name))

static void *allocate(void *ud, void *block, size_t old_size, size_t new_size) {
  rd_sandbox *sandbox = ud;
  if (new_size == 0) {
    free(block);
    sandbox->used -= block != NULL ? old_size : 0;
    return NULL;
  }
  if (block == NULL) old_size = 0;
  /* Lua relies on blocks that shrink in place */
  if (new_size > old_size && sandbox->used - old_size + new_size > sandbox->cap) return NULL;
  void *moved = realloc(block, new_size);
  if (moved == NULL) return new_size <= old_size ? block : NULL;
  sandbox->used += new_size - old_size;
  return moved;
}

/* ---- time ---- */

/* Raise the error that ends the script, here and again at every following instruction. */
static void end_script(rd_sandbox *sandbox, lua_State *L);

static void look(lua_State *L) {
  rd_sandbox *sandbox = rd_sandbox_of(L);
  if (sandbox->ending == NULL && sandbox->asked != NULL) sandbox->ending = sandbox->asked(sandbox);
  if (sandbox->ending != NULL) end_script(sandbox, L);
}

static void hook(lua_State *L, lua_Debug *record) {
  (void)record;
  rd_sandbox_of(L)->budget.spent = 0;
  look(L);
}

static void end_script(rd_sandbox *sandbox, lua_State *L) {
  rd_lua.sethook(L, hook, LUA_MASKCOUNT, 1);
  rd_lua.pushstring(L, sandbox->ending);
  rd_lua.error(L);
}

/* ---- protected tables ---- */

int rd_refuse_change(lua_State *L) {
  rd_lua.pushstring(L, "Attempt to modify a readonly table");
  return rd_lua.error(L);
}

static int refuse_assignment(lua_State *L) { return rd_lua.aux_error(L, "Attempt to modify a readonly table"); }

bool rd_is_protected(lua_State *L, int index) {
  if (!rd_lua.getmetatable(L, index)) return false;
  rd_lua.pushlightuserdata(L, KEY(PROTECTED));
  rd_lua.rawget(L, -2);
  bool is = rd_lua.toboolean(L, -1);
  rd_lua_pop(L, 2);
  return is;
}

void rd_protect(lua_State *L) {
  rd_lua_newtable(L); /* the protected one */
  rd_lua_newtable(L); /* its metatable */
  rd_lua.pushvalue(L, -3);
  rd_lua.setfield(L, -2, "__index");
  rd_lua_pushfunction(L, refuse_assignment);
  rd_lua.setfield(L, -2, "__newindex");
  rd_lua.pushboolean(L, 0);
  rd_lua.setfield(L, -2, "__metatable");
  rd_lua.pushlightuserdata(L, KEY(PROTECTED));
  rd_lua.pushboolean(L, 1);
  rd_lua.rawset(L, -3);
  rd_lua.setmetatable(L, -2);
  rd_lua.replace(L, -2);
}

static int no_global(lua_State *L) {
  return rd_lua.aux_error(L, "Script attempted to access nonexistent global variable '%s'",
                          rd_lua.isstring(L, 2) ? rd_lua.tolstring(L, 2, NULL) : "?");
}

static void push_globals(lua_State *L) {
  rd_lua.pushlightuserdata(L, KEY(GLOBALS));
  rd_lua.rawget(L, LUA_REGISTRYINDEX);
}

void rd_sandbox_set_global(lua_State *L, const char *name) {
  push_globals(L);
  rd_lua.pushstring(L, name);
  rd_lua.pushvalue(L, -3);
  rd_lua.rawset(L, -3);
  rd_lua_pop(L, 2);
}

/* ---- making it ---- */

static int build(lua_State *L) {
  rd_lua_newtable(L); /* the compiled functions */
  rd_lua.pushlightuserdata(L, KEY(FUNCTIONS));
  rd_lua.pushvalue(L, -2);
  rd_lua.rawset(L, LUA_REGISTRYINDEX);
  rd_lua_newtable(L); /* the globals that scripts see ... */
  rd_lua_newtable(L); /* ... and the metatable that says which there are not */
  rd_lua_pushfunction(L, no_global);
  rd_lua.setfield(L, -2, "__index");
  rd_lua.setmetatable(L, -2);
  rd_lua.pushlightuserdata(L, KEY(GLOBALS));
  rd_lua.pushvalue(L, -2);
  rd_lua.rawset(L, LUA_REGISTRYINDEX);
  rd_protect(L);
  rd_lua.pushvalue(L, -1);
  rd_sandbox_set_global(L, "_G");
  rd_builtins_open(L); /* with the globals of stock Lua, from which it takes some */
  rd_sandbox_of(L)->json = rd_cjson_settings_of(L);
  rd_lua.replace(L, LUA_GLOBALSINDEX); /* the environment of what is compiled from here on */
  return 0;
}

rd_sandbox *rd_sandbox_new(uint64_t cap) {
  rd_sandbox *sandbox = calloc(1, sizeof *sandbox);
  if (sandbox == NULL) return NULL;
  sandbox->budget.look = look;
  sandbox->budget.step = RD_SCRIPT_STEPS;
  sandbox->cap = cap;
  sandbox->L = rd_lua.newstate(allocate, sandbox);
  if (sandbox->L == NULL || rd_lua.cpcall(sandbox->L, build, NULL) != LUA_OK) {
    rd_sandbox_free(sandbox);
    return NULL;
  }
  return sandbox;
}

void rd_sandbox_free(rd_sandbox *sandbox) {
  if (sandbox == NULL) return;
  sandbox->asked = NULL;
  sandbox->ending = NULL;
  if (sandbox->L != NULL) rd_lua.close(sandbox->L);
  free(sandbox);
}

/* ---- compiled functions ---- */

typedef struct source {
  rd_bytes body;
  const char *chunk;
  int number;
} source;

static const char *read_source(lua_State *L, void *ud, size_t *size) {
  (void)L;
  source *from = ud;
  *size = from->body.len;
  from->body.len = 0;
  return *size == 0 ? NULL : (const char *)from->body.data;
}

static void push_functions(lua_State *L) {
  rd_lua.pushlightuserdata(L, KEY(FUNCTIONS));
  rd_lua.rawget(L, LUA_REGISTRYINDEX);
}

static int compile(lua_State *L) {
  source *from = rd_lua.touserdata(L, 1);
  rd_lua.pushstring(L, from->chunk); /* on the stack, so that Lua's parser does not lose it */
  push_functions(L);
  if (from->body.len != 0 && from->body.data[0] == 0x1b) return rd_lua.aux_error(L, "a script cannot be bytecode");
  if (rd_lua.load(L, read_source, from, from->chunk) != LUA_OK) return rd_lua.error(L);
  from->number = (int)rd_lua.objlen(L, -2) + 1; /* a border of the array: a number that is free */
  rd_lua.rawseti(L, -2, from->number);
  return 0;
}

static void keep_error(rd_sandbox *sandbox, lua_State *L, int index) {
  size_t len;
  const char *text = rd_lua.type(L, index) == LUA_TSTRING ? rd_lua.tolstring(L, index, &len) : NULL;
  snprintf(sandbox->error, sizeof sandbox->error, "%s", text != NULL ? text : "unknown error");
}

/* Lua collects nothing when an allocation fails: garbage that fills the memory would make the next scripts fail. So it
 * is collected when a script leaves much of it, or ran out of memory. There are no finalizers, so nothing can raise an
 * error here. */
enum { GARBAGE = 4 << 20 };

static void settle(rd_sandbox *sandbox, int failed) {
  if (failed != LUA_ERRMEM && sandbox->used < sandbox->settled + GARBAGE) return;
  rd_lua.gc(sandbox->L, LUA_GCCOLLECT, 0);
  sandbox->settled = sandbox->used;
}

int rd_sandbox_compile(rd_sandbox *sandbox, rd_bytes body, const char *chunk) {
  source from = {body, chunk, 0};
  lua_State *L = sandbox->L;
  sandbox->error[0] = 0;
  if (rd_lua.cpcall(L, compile, &from) == LUA_OK) return from.number;
  keep_error(sandbox, L, -1);
  rd_lua.settop(L, 0);
  settle(sandbox, LUA_OK);
  return 0;
}

void rd_sandbox_push(lua_State *L, int number) {
  push_functions(L);
  rd_lua.rawgeti(L, -1, number);
  rd_lua.remove(L, -2);
}

int rd_sandbox_keep(lua_State *L) {
  push_functions(L);
  rd_lua.insert(L, -2);
  int number = (int)rd_lua.objlen(L, -2) + 1; /* a border of the array: a number that is free */
  rd_lua.rawseti(L, -2, number);
  rd_lua_pop(L, 1);
  return number;
}

static int forget(lua_State *L) {
  const source *from = rd_lua.touserdata(L, 1);
  push_functions(L);
  rd_lua.pushnil(L);
  rd_lua.rawseti(L, -2, from->number);
  return 0;
}

void rd_sandbox_forget(rd_sandbox *sandbox, int number) {
  source from = {.number = number};
  if (rd_lua.cpcall(sandbox->L, forget, &from) != LUA_OK) rd_lua.settop(sandbox->L, 0);
}

/* ---- running ---- */

/* The handler of errors: notes where the error was raised, and turns it into its text. */
static int note_error(lua_State *L) {
  rd_sandbox *sandbox = rd_sandbox_of(L);
  lua_Debug record;
  memset(&record, 0, sizeof record);
  for (int level = 1; level <= 2 && rd_lua.getstack(L, level, &record); level++) {
    rd_lua.getinfo(L, "Sl", &record);
    if (record.what[0] == 'C') continue;
    sandbox->line = record.currentline;
    snprintf(sandbox->source, sizeof sandbox->source, "%s", record.source);
    break;
  }
  if (rd_lua.type(L, 1) == LUA_TTABLE) {
    rd_lua.pushstring(L, "err");
    rd_lua.rawget(L, 1);
    if (rd_lua.type(L, -1) != LUA_TSTRING) rd_lua.pushstring(L, "ERR unknown error");
    return 1;
  }
  rd_lua.pushstring(L, "ERR ");
  switch (rd_lua.type(L, 1)) {
    case LUA_TSTRING:
    case LUA_TNUMBER:
      rd_lua.pushvalue(L, 1);
      break;
    case LUA_TNIL:
      rd_lua.pushstring(L, "nil");
      break;
    case LUA_TBOOLEAN:
      rd_lua.pushstring(L, rd_lua.toboolean(L, 1) ? "true" : "false");
      break;
    default:
      rd_lua.pushstring(L, rd_lua.type_name(L, rd_lua.type(L, 1)));
  }
  rd_lua.concat(L, 2);
  return 1;
}

void rd_sandbox_call(lua_State *L, int arguments) {
  int at = rd_lua.gettop(L) - arguments;
  rd_lua_pushfunction(L, note_error);
  rd_lua.insert(L, at);
  int failed = rd_lua.pcall(L, arguments, 1, at);
  rd_sandbox *sandbox = rd_sandbox_of(L);
  if (failed) {
    if (failed == LUA_ERRMEM) rd_lua.pushstring(L, "ERR not enough memory");
    if (failed == LUA_ERRERR) rd_lua.pushstring(L, "ERR error in error handling");
    rd_lua.error(L);
  }
  rd_lua.remove(L, at);
  if (sandbox->ending != NULL) { /* a pcall or a coroutine caught it last */
    rd_lua.pushstring(L, sandbox->ending);
    rd_lua.error(L);
  }
}

bool rd_sandbox_run(rd_sandbox *sandbox, lua_CFunction body, void *ud, uint32_t seed) {
  lua_State *L = sandbox->L;
  sandbox->budget.spent = 0;
  sandbox->random = (uint64_t)seed << 16 | 0x330e;
  sandbox->ending = NULL;
  rd_cjson_reset(sandbox->json);
  sandbox->line = 0;
  sandbox->error[0] = sandbox->source[0] = 0;
  rd_lua.sethook(L, hook, LUA_MASKCOUNT, RD_SCRIPT_STEPS);
  int failed = rd_lua.cpcall(L, body, ud);
  if (failed) keep_error(sandbox, L, -1);
  if (failed == LUA_ERRMEM) snprintf(sandbox->error, sizeof sandbox->error, "ERR not enough memory");
  rd_lua.settop(L, 0);
  settle(sandbox, failed);
  return failed == LUA_OK;
}
