/* lua_rig.h - a Lua state for the C tests, with a limit on its memory and on the steps of a call, and stock Lua's
 * libraries beside ours. */
#ifndef RD_LUA_RIG_H
#define RD_LUA_RIG_H

#include <stdlib.h>

#include "check.h"
#include "script/budget.h"
#include "script/lua.h"
#include "script/strings.h"
#include "script/tables.h"

typedef struct lua_rig {
  rd_budget budget; /* must be the first member */
  uint64_t looks, most_looks;
  size_t bytes, most_bytes, peak;
  lua_State *L;
} lua_rig;

static void *rig_alloc(void *ud, void *block, size_t old_size, size_t new_size) {
  lua_rig *rig = ud;
  if (block == NULL) old_size = 0;
  if (new_size > old_size && rig->bytes - old_size + new_size > rig->most_bytes) return NULL;
  void *result = NULL;
  if (new_size == 0) {
    free(block);
  } else if ((result = realloc(block, new_size)) == NULL) {
    return NULL;
  }
  rig->bytes += new_size - old_size;
  if (rig->bytes > rig->peak) rig->peak = rig->bytes;
  return result;
}

static void rig_look(lua_State *L) {
  void *ud = NULL;
  (void)rd_lua.getallocf(L, &ud);
  lua_rig *rig = ud;
  if (++rig->looks > rig->most_looks) rd_lua.aux_error(L, "out of time");
}

static void rig_hook(lua_State *L, lua_Debug *record) {
  (void)record;
  rd_spend(L, 10000);
}

/* Stock Lua's library as the global `name`, and ours as `our_name`. */
static void rig_library(lua_rig *rig, const char *name, lua_CFunction stock, const char *our_name, lua_CFunction ours) {
  rd_lua_pushfunction(rig->L, stock);
  rd_lua.pushstring(rig->L, name);
  rd_lua.call(rig->L, 1, 0);
  rd_lua.getfield(rig->L, LUA_GLOBALSINDEX, name);
  rd_lua.setfield(rig->L, LUA_GLOBALSINDEX, "stock");
  rd_lua.getfield(rig->L, LUA_GLOBALSINDEX, "stock");
  char stock_name[40];
  snprintf(stock_name, sizeof stock_name, "stock_%s", name);
  rd_lua.setfield(rig->L, LUA_GLOBALSINDEX, stock_name);
  rd_lua_pushfunction(rig->L, ours);
  rd_lua.call(rig->L, 0, 1);
  rd_lua.setfield(rig->L, LUA_GLOBALSINDEX, our_name);
}

static inline bool rig_begin(lua_rig *rig) {
  if (!rd_lua_loaded()) {
    const char *wrong = rd_lua_load("liblua5.1.so.0");
    if (wrong != NULL) {
      printf("skipped: %s\n", wrong);
      return false;
    }
  }
  memset(rig, 0, sizeof *rig);
  rig->budget.step = 100000;
  rig->budget.look = rig_look;
  rig->most_looks = 100;
  rig->most_bytes = 64 << 20;
  rig->L = rd_lua.newstate(rig_alloc, rig);
  (void)rd_lua.sethook(rig->L, rig_hook, LUA_MASKCOUNT, 10000);
  rd_lua_pushfunction(rig->L, rd_lua.open_base);
  rd_lua.pushstring(rig->L, "");
  rd_lua.call(rig->L, 1, 0);
  rd_lua.settop(rig->L, 0);
  rig_library(rig, "table", rd_lua.open_table, "table", rd_open_table);
  rig_library(rig, "string", rd_lua.open_string, "string", rd_open_string);
  rd_lua_pushfunction(rig->L, rd_unpack);
  rd_lua.getfield(rig->L, LUA_GLOBALSINDEX, "unpack");
  rd_lua.setfield(rig->L, LUA_GLOBALSINDEX, "stock_unpack");
  rd_lua.setfield(rig->L, LUA_GLOBALSINDEX, "unpack");
  rd_lua.settop(rig->L, 0);
  return true;
}

static inline void rig_end(lua_rig *rig) {
  rd_lua.close(rig->L);
  CHECK_INT(rig->bytes, 0);
}

typedef struct rig_source {
  const char *text;
  size_t len;
} rig_source;

static const char *rig_read(lua_State *L, void *ud, size_t *len) {
  (void)L;
  rig_source *source = ud;
  *len = source->len;
  source->len = 0;
  return *len > 0 ? source->text : NULL;
}

/* Run a script with a fresh count of looks. Returns its first result, or its error, as text; valid until the next call.
 */
static inline const char *rig_run(lua_rig *rig, const char *script) {
  rd_lua.settop(rig->L, 0);
  (void)rd_lua.gc(rig->L, LUA_GCCOLLECT, 0); /* an allocation that fails collects no garbage */
  rig->looks = rig->budget.spent = 0;
  rig_source source = {script, strlen(script)};
  if (rd_lua.load(rig->L, rig_read, &source, "=s") == LUA_OK) (void)rd_lua.pcall(rig->L, 0, 1, 0);
  if (rd_lua.type(rig->L, -1) == LUA_TBOOLEAN) return rd_lua.toboolean(rig->L, -1) ? "true" : "false";
  const char *result = rd_lua.tolstring(rig->L, -1, NULL);
  return result != NULL ? result : rd_lua.type_name(rig->L, rd_lua.type(rig->L, -1));
}

#define CHECK_LUA(rig, script, expected)                  \
  do {                                                    \
    const char *rig_result = rig_run(rig, script);        \
    CHECK_TEXT(rig_result, strlen(rig_result), expected); \
  } while (0)

#endif
