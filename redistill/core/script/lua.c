/* lua.c - finds Lua's functions in a shared object. */
#include "script/lua.h"

#include <dlfcn.h>
#include <string.h>

rd_lua_functions rd_lua;

static const struct {
  const char *symbol;
  size_t offset;
} wanted[] = {
#define RD_LUA_WANTED(result, name, symbol, parameters) {#symbol, offsetof(rd_lua_functions, name)},
    RD_LUA_FUNCTIONS(RD_LUA_WANTED)
#undef RD_LUA_WANTED
};

bool rd_lua_loaded(void) { return rd_lua.newstate != NULL; }

const char *rd_lua_load(const char *path) {
  rd_lua_functions found;
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return dlerror();
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    void *address = dlsym(library, wanted[i].symbol);
    if (address == NULL) return dlerror();
    memcpy((char *)&found + wanted[i].offset, &address, sizeof address);
  }
  /* 5.2 and later have no luaL_typerror; LuaJIT has all these names, but calls no hook in compiled code. */
  if (dlsym(library, "luaJIT_setmode") != NULL) return "it is LuaJIT, and not Lua 5.1";
  rd_lua = found;
  return NULL;
}
