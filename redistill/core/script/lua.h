/* lua.h - Lua 5.1's C API, found at run time.
 *
 * The core links no Lua: rd_lua_load finds the functions in a shared object (Debian's liblua5.1-0, or the module of the
 * PyPI package lupa), and they are called through the table rd_lua. It is written once, before a worker serves
 * anybody, like a table that the dynamic linker fills.
 *
 * Names, types and constants are those of the reference manual, https://www.lua.org/manual/5.1/, without their prefix
 * "lua_"; those of the auxiliary library begin with "aux_". What raises an error leaves by longjmp, over C frames: it
 * must run inside of pcall or cpcall, and whoever calls it must own nothing that only he can free. */
#ifndef RD_SCRIPT_LUA_H
#define RD_SCRIPT_LUA_H

#include <stdbool.h>
#include <stddef.h>

typedef struct lua_State lua_State;
typedef double lua_Number;
typedef ptrdiff_t lua_Integer;
typedef int (*lua_CFunction)(lua_State *);
typedef void *(*lua_Alloc)(void *ud, void *block, size_t old_size, size_t new_size);
typedef const char *(*lua_Reader)(lua_State *, void *ud, size_t *size);

/* The activation record: all of it is in the ABI. */
typedef struct lua_Debug {
  int event;
  const char *name, *namewhat, *what, *source;
  int currentline, nups, linedefined, lastlinedefined;
  char short_src[60];
  int i_ci;
} lua_Debug;
typedef void (*lua_Hook)(lua_State *, lua_Debug *);

enum {
  LUA_TNONE = -1,
  LUA_TNIL,
  LUA_TBOOLEAN,
  LUA_TLIGHTUSERDATA,
  LUA_TNUMBER,
  LUA_TSTRING,
  LUA_TTABLE,
  LUA_TFUNCTION,
  LUA_TUSERDATA,
  LUA_TTHREAD
};
enum { LUA_OK = 0, LUA_YIELD, LUA_ERRRUN, LUA_ERRSYNTAX, LUA_ERRMEM, LUA_ERRERR };
enum { LUA_REGISTRYINDEX = -10000, LUA_ENVIRONINDEX = -10001, LUA_GLOBALSINDEX = -10002 };
enum { LUA_MULTRET = -1, LUA_MINSTACK = 20 };
enum { LUA_MASKCALL = 1, LUA_MASKRET = 2, LUA_MASKLINE = 4, LUA_MASKCOUNT = 8 };
enum {
  LUA_GCSTOP,
  LUA_GCRESTART,
  LUA_GCCOLLECT,
  LUA_GCCOUNT,
  LUA_GCCOUNTB,
  LUA_GCSTEP,
  LUA_GCSETPAUSE,
  LUA_GCSETSTEPMUL
};
#define rd_lua_upvalue(i) (LUA_GLOBALSINDEX - (i))

/* F(result, name in the table, name in the library, parameters) */
#define RD_LUA_FUNCTIONS(F)                                                                                           \
  F(lua_State *, newstate, lua_newstate, (lua_Alloc allocate, void *ud))                                              \
  F(void, close, lua_close, (lua_State * L))                                                                          \
  F(lua_State *, newthread, lua_newthread, (lua_State * L))                                                           \
  F(lua_CFunction, atpanic, lua_atpanic, (lua_State * L, lua_CFunction panic))                                        \
  F(int, gettop, lua_gettop, (lua_State * L))                                                                         \
  F(void, settop, lua_settop, (lua_State * L, int index))                                                             \
  F(void, pushvalue, lua_pushvalue, (lua_State * L, int index))                                                       \
  F(void, remove, lua_remove, (lua_State * L, int index))                                                             \
  F(void, insert, lua_insert, (lua_State * L, int index))                                                             \
  F(void, replace, lua_replace, (lua_State * L, int index))                                                           \
  F(int, checkstack, lua_checkstack, (lua_State * L, int extra))                                                      \
  F(void, xmove, lua_xmove, (lua_State * from, lua_State * to, int n))                                                \
  F(int, isnumber, lua_isnumber, (lua_State * L, int index))                                                          \
  F(int, isstring, lua_isstring, (lua_State * L, int index))                                                          \
  F(int, iscfunction, lua_iscfunction, (lua_State * L, int index))                                                    \
  F(int, type, lua_type, (lua_State * L, int index))                                                                  \
  F(const char *, type_name, lua_typename, (lua_State * L, int type))                                                 \
  F(int, equal, lua_equal, (lua_State * L, int a, int b))                                                             \
  F(int, rawequal, lua_rawequal, (lua_State * L, int a, int b))                                                       \
  F(int, lessthan, lua_lessthan, (lua_State * L, int a, int b))                                                       \
  F(lua_Number, tonumber, lua_tonumber, (lua_State * L, int index))                                                   \
  F(lua_Integer, tointeger, lua_tointeger, (lua_State * L, int index))                                                \
  F(int, toboolean, lua_toboolean, (lua_State * L, int index))                                                        \
  F(const char *, tolstring, lua_tolstring, (lua_State * L, int index, size_t *len))                                  \
  F(size_t, objlen, lua_objlen, (lua_State * L, int index))                                                           \
  F(lua_CFunction, tocfunction, lua_tocfunction, (lua_State * L, int index))                                          \
  F(void *, touserdata, lua_touserdata, (lua_State * L, int index))                                                   \
  F(const void *, topointer, lua_topointer, (lua_State * L, int index))                                               \
  F(void, pushnil, lua_pushnil, (lua_State * L))                                                                      \
  F(void, pushnumber, lua_pushnumber, (lua_State * L, lua_Number n))                                                  \
  F(void, pushinteger, lua_pushinteger, (lua_State * L, lua_Integer n))                                               \
  F(void, pushlstring, lua_pushlstring, (lua_State * L, const char *s, size_t len))                                   \
  F(void, pushstring, lua_pushstring, (lua_State * L, const char *s))                                                 \
  F(const char *, pushfstring, lua_pushfstring, (lua_State * L, const char *format, ...))                             \
  F(void, pushcclosure, lua_pushcclosure, (lua_State * L, lua_CFunction f, int upvalues))                             \
  F(void, pushboolean, lua_pushboolean, (lua_State * L, int b))                                                       \
  F(void, pushlightuserdata, lua_pushlightuserdata, (lua_State * L, void *p))                                         \
  F(void, gettable, lua_gettable, (lua_State * L, int index))                                                         \
  F(void, getfield, lua_getfield, (lua_State * L, int index, const char *name))                                       \
  F(void, rawget, lua_rawget, (lua_State * L, int index))                                                             \
  F(void, rawgeti, lua_rawgeti, (lua_State * L, int index, int n))                                                    \
  F(void, createtable, lua_createtable, (lua_State * L, int array, int hashed))                                       \
  F(void *, newuserdata, lua_newuserdata, (lua_State * L, size_t size))                                               \
  F(int, getmetatable, lua_getmetatable, (lua_State * L, int index))                                                  \
  F(void, getfenv, lua_getfenv, (lua_State * L, int index))                                                           \
  F(void, settable, lua_settable, (lua_State * L, int index))                                                         \
  F(void, setfield, lua_setfield, (lua_State * L, int index, const char *name))                                       \
  F(void, rawset, lua_rawset, (lua_State * L, int index))                                                             \
  F(void, rawseti, lua_rawseti, (lua_State * L, int index, int n))                                                    \
  F(int, setmetatable, lua_setmetatable, (lua_State * L, int index))                                                  \
  F(int, setfenv, lua_setfenv, (lua_State * L, int index))                                                            \
  F(void, call, lua_call, (lua_State * L, int arguments, int results))                                                \
  F(int, pcall, lua_pcall, (lua_State * L, int arguments, int results, int handler))                                  \
  F(int, cpcall, lua_cpcall, (lua_State * L, lua_CFunction f, void *ud))                                              \
  F(int, load, lua_load, (lua_State * L, lua_Reader reader, void *ud, const char *chunk))                             \
  F(int, gc, lua_gc, (lua_State * L, int what, int data))                                                             \
  F(int, error, lua_error, (lua_State * L))                                                                           \
  F(int, next, lua_next, (lua_State * L, int index))                                                                  \
  F(void, concat, lua_concat, (lua_State * L, int n))                                                                 \
  F(lua_Alloc, getallocf, lua_getallocf, (lua_State * L, void **ud))                                                  \
  F(int, getstack, lua_getstack, (lua_State * L, int level, lua_Debug *record))                                       \
  F(int, getinfo, lua_getinfo, (lua_State * L, const char *what, lua_Debug *record))                                  \
  F(int, sethook, lua_sethook, (lua_State * L, lua_Hook hook, int mask, int count))                                   \
  F(int, aux_argerror, luaL_argerror, (lua_State * L, int argument, const char *message))                             \
  F(int, aux_typerror, luaL_typerror, (lua_State * L, int argument, const char *type))                                \
  F(const char *, aux_checklstring, luaL_checklstring, (lua_State * L, int argument, size_t *len))                    \
  F(const char *, aux_optlstring, luaL_optlstring, (lua_State * L, int argument, const char *otherwise, size_t *len)) \
  F(lua_Number, aux_checknumber, luaL_checknumber, (lua_State * L, int argument))                                     \
  F(lua_Number, aux_optnumber, luaL_optnumber, (lua_State * L, int argument, lua_Number otherwise))                   \
  F(lua_Integer, aux_checkinteger, luaL_checkinteger, (lua_State * L, int argument))                                  \
  F(lua_Integer, aux_optinteger, luaL_optinteger, (lua_State * L, int argument, lua_Integer otherwise))               \
  F(void, aux_checkstack, luaL_checkstack, (lua_State * L, int size, const char *message))                            \
  F(void, aux_checktype, luaL_checktype, (lua_State * L, int argument, int type))                                     \
  F(void, aux_checkany, luaL_checkany, (lua_State * L, int argument))                                                 \
  F(void, aux_where, luaL_where, (lua_State * L, int level))                                                          \
  F(int, aux_error, luaL_error, (lua_State * L, const char *format, ...))                                             \
  F(int, open_base, luaopen_base, (lua_State * L))                                                                    \
  F(int, open_table, luaopen_table, (lua_State * L))                                                                  \
  F(int, open_string, luaopen_string, (lua_State * L))                                                                \
  F(int, open_math, luaopen_math, (lua_State * L))

typedef struct rd_lua_functions {
#define RD_LUA_MEMBER(result, name, symbol, parameters) result(*name) parameters;
  RD_LUA_FUNCTIONS(RD_LUA_MEMBER)
#undef RD_LUA_MEMBER
} rd_lua_functions;
extern rd_lua_functions rd_lua;

static inline void rd_lua_pop(lua_State *L, int n) { rd_lua.settop(L, -n - 1); }
static inline void rd_lua_newtable(lua_State *L) { rd_lua.createtable(L, 0, 0); }
static inline void rd_lua_pushfunction(lua_State *L, lua_CFunction f) { rd_lua.pushcclosure(L, f, 0); }

/* python: begin */
/* Find Lua in the shared object at `path`, which stays loaded until the process ends. Returns NULL, or a sentence about
 * what is wrong, valid until the next call; then no script runs in this process. Call it once, before the first
 * session. */
const char *rd_lua_load(const char *path);
_Bool rd_lua_loaded(void);
/* python: end */

#endif
