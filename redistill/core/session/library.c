/* library.c - the code of a library of functions becomes functions that can be called. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/functions.h"

/* A look is about a millisecond: Redis lets a library load for half a second, too. */
enum { MOST_FUNCTIONS = 10000, MOST_LOOKS = 500 };
#define NAMES \
  "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"

/* A library that is being loaded. */
typedef struct loading {
  rd_library *library;
  rd_bytes text; /* the code behind the first line */
  bool compiled;
} loading;

/* The key of the registry under which it is found: the address is what counts. */
static const char LOADING = 0;

void rd_library_free(rd_scripts *scripts, rd_library *library) {
  if (library == NULL) return;
  for (uint32_t i = 0; i < library->count; i++) {
    rd_function *f = &library->functions[i];
    rd_sandbox_forget(scripts->sandbox, f->script.function);
    free(f->name);
    free(f->description);
  }
  free(library->functions);
  free(library->name);
  free((void *)(uintptr_t)library->code.data);
  free(library);
}

rd_function *rd_library_function(const rd_library *library, rd_bytes name) {
  for (uint32_t i = 0; i < library->count; i++) {
    rd_function *f = &library->functions[i];
    if (f->name_len == name.len && memcmp(f->name, name.data, name.len) == 0) return f;
  }
  return NULL;
}

static char *copy_of(const void *data, size_t len) {
  char *copy = malloc(len + 1);
  if (copy == NULL) return NULL;
  if (len != 0) memcpy(copy, data, len);
  copy[len] = 0;
  return copy;
}

static bool is_name(rd_bytes name) {
  for (size_t i = 0; i < name.len; i++) {
    uint8_t c = name.data[i], lower = c | 0x20;
    if (c != '_' && !(c >= '0' && c <= '9') && !(lower >= 'a' && lower <= 'z')) return false;
  }
  return name.len != 0;
}

/* ---- redis.register_function ---- */

static int fail(lua_State *L, const char *text) {
  rd_lua.createtable(L, 0, 1);
  rd_lua.pushstring(L, text);
  rd_lua.setfield(L, -2, "err");
  return rd_lua.error(L);
}

static rd_bytes text_at(lua_State *L, int index) {
  rd_bytes text = {NULL, 0};
  if (rd_lua.type(L, index) == LUA_TSTRING) text.data = (const uint8_t *)rd_lua.tolstring(L, index, &text.len);
  return text;
}

/* What a call of redis.register_function gives. The strings are on Lua's stack. */
typedef struct registration {
  rd_bytes name, description;
  uint32_t flags;
  int callback; /* its place on the stack; 0: none */
} registration;

static void read_flags(lua_State *L, int index, registration *given) {
  if (rd_lua.type(L, index) != LUA_TTABLE)
    fail(L, "ERR flags argument to redis.register_function must be a table representing function flags");
  for (int i = 1;; i++) {
    rd_lua.rawgeti(L, index, i);
    if (rd_lua.type(L, -1) == LUA_TNIL) break;
    if (!rd_script_flag_of(text_at(L, -1), &given->flags)) fail(L, "ERR unknown flag given");
    rd_lua_pop(L, 1);
  }
  rd_lua_pop(L, 1);
}

static bool is_word(rd_bytes text, const char *word) {
  return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

/* The arguments as one table; its values are kept on the stack. */
static void read_table(lua_State *L, registration *given) {
  rd_lua.pushnil(L);
  while (rd_lua.next(L, 1)) {
    int value = rd_lua.gettop(L);
    rd_lua.aux_checkstack(L, 4, "too many arguments");
    rd_bytes key = text_at(L, value - 1);
    if (!rd_lua.isstring(L, value - 1))
      fail(L, "ERR named argument key given to redis.register_function is not a string");
    if (is_word(key, "function_name")) {
      given->name = text_at(L, value);
      if (given->name.data == NULL)
        fail(L, "ERR function_name argument given to redis.register_function must be a string");
    } else if (is_word(key, "description")) {
      given->description = text_at(L, value);
      if (given->description.data == NULL)
        fail(L, "ERR description argument given to redis.register_function must be a string");
    } else if (is_word(key, "callback")) {
      if (rd_lua.type(L, value) != LUA_TFUNCTION)
        fail(L, "ERR callback argument given to redis.register_function must be a function");
      given->callback = value;
    } else if (is_word(key, "flags")) {
      read_flags(L, value, given);
    } else {
      fail(L, "ERR unknown argument given to redis.register_function");
    }
    rd_lua.pushvalue(L, value - 1); /* the value stays below */
  }
  if (given->name.data == NULL) fail(L, "ERR redis.register_function must get a function name argument");
  if (given->callback == 0) fail(L, "ERR redis.register_function must get a callback argument");
}

static void read_pair(lua_State *L, registration *given) {
  given->name = text_at(L, 1);
  if (given->name.data == NULL) fail(L, "ERR first argument to redis.register_function must be a string");
  if (rd_lua.type(L, 2) != LUA_TFUNCTION) fail(L, "ERR second argument to redis.register_function must be a function");
  given->callback = 2;
}

static int register_function(lua_State *L) {
  registration given = {.flags = RD_SCRIPT_DECLARES};
  int arguments = rd_lua.gettop(L);
  if (arguments < 1 || arguments > 2) fail(L, "ERR wrong number of arguments to redis.register_function");
  rd_lua.pushlightuserdata(L, (void *)(uintptr_t)&LOADING);
  rd_lua.rawget(L, LUA_REGISTRYINDEX);
  loading *load = rd_lua.touserdata(L, -1);
  rd_lua_pop(L, 1);
  if (load == NULL) fail(L, "ERR redis.register_function can only be called on FUNCTION LOAD command");
  if (arguments == 1 && rd_lua.type(L, 1) != LUA_TTABLE)
    fail(L,
         "ERR calling redis.register_function with a single argument is only applicable to Lua table (representing "
         "named arguments).");
  if (arguments == 1)
    read_table(L, &given);
  else
    read_pair(L, &given);
  rd_library *library = load->library;
  if (!is_name(given.name)) fail(L, "ERR " NAMES);
  if (rd_library_function(library, given.name) != NULL) fail(L, "ERR Function already exists in the library");
  if (library->count == MOST_FUNCTIONS) fail(L, "ERR too many functions in a library");
  rd_lua.pushvalue(L, given.callback);
  int number = rd_sandbox_keep(L);
  rd_function *grown = realloc(library->functions, (library->count + 1) * sizeof *grown);
  if (grown != NULL) library->functions = grown;
  rd_function f = {.name = copy_of(given.name.data, given.name.len),
                   .name_len = given.name.len,
                   .script = {.function = number, .flags = given.flags}};
  if (given.description.data != NULL) f.description = copy_of(given.description.data, given.description.len);
  f.description_len = given.description.len;
  if (grown == NULL || f.name == NULL || (given.description.data != NULL && f.description == NULL)) {
    free(f.name);
    free(f.description);
    return fail(L, "ERR not enough memory");
  }
  library->functions[library->count++] = f;
  return 0;
}

/* ---- the environment of a library ---- */

static int no_field(lua_State *L) {
  return rd_lua.aux_error(L, "Script attempted to access nonexistent global variable '%s'",
                          rd_lua.isstring(L, 2) ? rd_lua.tolstring(L, 2, NULL) : "?");
}

/* While it is loaded, a library sees in `redis` what needs no running function. */
static void push_redis(lua_State *L, int globals) {
  static const char *const names[] = {"log",         "sha1hex",    "error_reply", "status_reply",  "LOG_DEBUG",
                                      "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING", "REDIS_VERSION", "REDIS_VERSION_NUM"};
  rd_lua_newtable(L);
  rd_lua.getfield(L, globals, "redis");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    rd_lua.getfield(L, -1, names[i]);
    rd_lua.setfield(L, -3, names[i]);
  }
  rd_lua_pop(L, 1);
  rd_lua_pushfunction(L, register_function);
  rd_lua.setfield(L, -2, "register_function");
  rd_lua_newtable(L);
  rd_lua_pushfunction(L, no_field);
  rd_lua.setfield(L, -2, "__index");
  rd_lua.setmetatable(L, -2);
  rd_protect(L);
}

static void set_loading(lua_State *L, loading *load) {
  rd_lua.pushlightuserdata(L, (void *)(uintptr_t)&LOADING);
  if (load == NULL)
    rd_lua.pushnil(L);
  else
    rd_lua.pushlightuserdata(L, load);
  rd_lua.rawset(L, LUA_REGISTRYINDEX);
}

static const char *read_text(lua_State *L, void *ud, size_t *size) {
  (void)L;
  rd_bytes *text = ud;
  *size = text->len;
  text->len = 0;
  return *size == 0 ? NULL : (const char *)text->data;
}

/* The environment: an empty protected table; behind it one with `redis`, until the library is loaded; behind that the
 * globals of all scripts. */
static int load_library(lua_State *L) {
  enum { LOAD = 1, GLOBALS, ENVIRONMENT };
  loading *load = rd_lua.touserdata(L, LOAD);
  rd_bytes text = load->text;
  set_loading(L, load);
  rd_lua.pushvalue(L, LUA_GLOBALSINDEX);
  rd_lua_newtable(L);
  rd_lua_newtable(L);
  rd_lua.pushvalue(L, GLOBALS);
  rd_lua.setfield(L, -2, "__index");
  rd_lua.setmetatable(L, ENVIRONMENT);
  push_redis(L, GLOBALS);
  rd_lua.pushvalue(L, -1);
  rd_lua.setfield(L, ENVIRONMENT, "server");
  rd_lua.setfield(L, ENVIRONMENT, "redis");
  if (rd_lua.load(L, read_text, &text, "@user_function") != LUA_OK) return rd_lua.error(L);
  load->compiled = true;
  rd_lua.pushvalue(L, ENVIRONMENT);
  rd_protect(L);
  rd_lua.setfenv(L, -2);
  rd_sandbox_call(L, 0);
  rd_lua.pushnil(L);
  rd_lua.setfield(L, ENVIRONMENT, "redis");
  rd_lua.pushnil(L);
  rd_lua.setfield(L, ENVIRONMENT, "server");
  return 0;
}

static int end_loading(lua_State *L) {
  set_loading(L, NULL);
  return 0;
}

/* ---- the first line: #!lua name=NAME ---- */

/* NULL, or the error. *name points into the code, and *text to what follows the line, with its end. */
static const char *read_line(rd_bytes code, rd_bytes *name, rd_bytes *text, char *error, size_t len) {
  if (code.len < 2 || memcmp(code.data, "#!", 2) != 0) return "Missing library metadata";
  const uint8_t *end = memchr(code.data, '\n', code.len), *at = code.data + 2;
  if (end == NULL) return "Invalid library metadata";
  *text = (rd_bytes){end, code.len - (size_t)(end - code.data)};
  *name = (rd_bytes){NULL, 0};
  for (bool first = true; at < end; first = false) {
    while (at < end && (*at == ' ' || *at == '\r')) at++;
    const uint8_t *from = at;
    while (at < end && *at != ' ' && *at != '\r') at++;
    rd_bytes word = {from, (size_t)(at - from)};
    if (first) {
      snprintf(error, len, "Engine '%.*s' not found", (int)(word.len < 100 ? word.len : 100), (const char *)word.data);
      if (word.len != 3 || (word.data[0] | 0x20) != 'l' || (word.data[1] | 0x20) != 'u' || (word.data[2] | 0x20) != 'a')
        return error;
    } else if (word.len >= 5 && memcmp(word.data, "name=", 5) == 0) {
      if (name->data != NULL) return "Invalid metadata value, name argument was given multiple times";
      *name = (rd_bytes){word.data + 5, word.len - 5};
    } else if (word.len != 0) {
      snprintf(error, len, "Invalid metadata value given: %.*s", (int)(word.len < 100 ? word.len : 100),
               (const char *)word.data);
      return error;
    }
  }
  if (name->data == NULL) return "Library name was not given";
  return is_name(*name) ? NULL : NAMES;
}

rd_library *rd_library_load(rd_scripts *scripts, rd_bytes code, char *error, size_t error_len) {
  rd_bytes name = {NULL, 0};
  loading load = {.compiled = false};
  char words[200];
  const char *wrong = read_line(code, &name, &load.text, words, sizeof words);
  if (wrong != NULL) {
    snprintf(error, error_len, "ERR %s", wrong);
    return NULL;
  }
  rd_library *library = load.library = calloc(1, sizeof *library);
  if (library != NULL) {
    library->name = copy_of(name.data, name.len);
    library->name_len = name.len;
    library->code = (rd_bytes){(const uint8_t *)copy_of(code.data, code.len), code.len};
  }
  if (library == NULL || library->name == NULL || library->code.data == NULL) {
    snprintf(error, error_len, "OOM command not allowed when used memory > 'maxmemory'.");
    rd_library_free(scripts, library);
    return NULL;
  }
  rd_sandbox *sandbox = scripts->sandbox;
  sandbox->patience = MOST_LOOKS;
  bool loaded = rd_sandbox_run(sandbox, load_library, &load, 0);
  sandbox->patience = 0;
  if (!loaded)
    snprintf(error, error_len, "ERR Error %s: %.600s", load.compiled ? "registering functions" : "compiling function",
             sandbox->error);
  else if (library->count == 0)
    snprintf(error, error_len, "ERR No functions registered");
  rd_sandbox_run(sandbox, end_loading, NULL, 0);
  if (loaded && library->count != 0) return library;
  rd_library_free(scripts, library);
  return NULL;
}
