/* cjson.c - the table of the library, and its settings. */
#include "script/cjson.h"

#include <limits.h>
#include <string.h>

#include "script/cjson_settings.h"

/* Its address is the key of the settings in the registry. */
static const char registered;

static const char *const switches[] = {"off", "on", NULL};
static const char *const switches_or_null[] = {"off", "on", "null", NULL};

void rd_cjson_reset(rd_cjson_settings *settings) {
  *settings = (rd_cjson_settings){
      .sparse_ratio = 2,
      .sparse_safe = 10,
      .encode_depth = 1000,
      .decode_depth = 1000,
      .digits = 14,
      .keep_buffer = 1,
      .encode_numbers = RD_CJSON_REFUSED,
      .decode_numbers = RD_CJSON_TAKEN,
  };
}

static rd_cjson_settings *own(lua_State *L) { return rd_lua.touserdata(L, rd_lua_upvalue(1)); }

/* Have `count` arguments, of which those not given are nil. */
static void arguments(lua_State *L, int count) {
  if (rd_lua.gettop(L) > count) rd_lua.aux_argerror(L, count + 1, "found too many arguments");
  rd_lua.settop(L, count);
}

/* Set the integer if the argument is given, and push it. An error of its range names the first argument, as in Redis.
 */
static void integer(lua_State *L, int argument, int *setting, int least, int most) {
  if (rd_lua.type(L, argument) != LUA_TNIL) {
    int value = (int)rd_lua.aux_checkinteger(L, argument);
    if (value < least || value > most)
      rd_lua.aux_argerror(L, 1, rd_lua.pushfstring(L, "expected integer between %d and %d", least, most));
    *setting = value;
  }
  rd_lua.pushinteger(L, *setting);
}

/* Set the choice if the first argument, a name or a boolean, is given, and push it in the same way. */
static void choice(lua_State *L, int *setting, const char *const *names) {
  int type = rd_lua.type(L, 1);
  if (type == LUA_TBOOLEAN) {
    *setting = rd_lua.toboolean(L, 1);
  } else if (type != LUA_TNIL) {
    const char *name = rd_lua.aux_checklstring(L, 1, NULL);
    int i = 0;
    while (names[i] != NULL && strcmp(names[i], name) != 0) i++;
    if (names[i] == NULL) rd_lua.aux_argerror(L, 1, rd_lua.pushfstring(L, "invalid option '%s'", name));
    *setting = i;
  }
  if (*setting > 1)
    rd_lua.pushstring(L, names[*setting]);
  else
    rd_lua.pushboolean(L, *setting);
}

static int encode_sparse_array(lua_State *L) {
  rd_cjson_settings *settings = own(L);
  arguments(L, 3);
  choice(L, &settings->sparse_as_object, switches);
  integer(L, 2, &settings->sparse_ratio, 0, INT_MAX);
  integer(L, 3, &settings->sparse_safe, 0, INT_MAX);
  return 3;
}

static int encode_max_depth(lua_State *L) {
  arguments(L, 1);
  integer(L, 1, &own(L)->encode_depth, 1, INT_MAX);
  return 1;
}

static int decode_max_depth(lua_State *L) {
  arguments(L, 1);
  integer(L, 1, &own(L)->decode_depth, 1, INT_MAX);
  return 1;
}

static int encode_number_precision(lua_State *L) {
  arguments(L, 1);
  integer(L, 1, &own(L)->digits, 1, 14);
  return 1;
}

static int encode_keep_buffer(lua_State *L) {
  arguments(L, 1);
  choice(L, &own(L)->keep_buffer, switches);
  return 1;
}

static int encode_invalid_numbers(lua_State *L) {
  arguments(L, 1);
  choice(L, &own(L)->encode_numbers, switches_or_null);
  return 1;
}

static int decode_invalid_numbers(lua_State *L) {
  arguments(L, 1);
  choice(L, &own(L)->decode_numbers, switches);
  return 1;
}

/* Pop settings, and push a library with them. */
static void push_library(lua_State *L);

static rd_cjson_settings *push_settings(lua_State *L) {
  rd_cjson_settings *settings = rd_lua.newuserdata(L, sizeof *settings);
  rd_cjson_reset(settings);
  return settings;
}

static int cjson_new(lua_State *L) {
  push_settings(L);
  push_library(L);
  return 1;
}

static void push_library(lua_State *L) {
  static const struct {
    const char *name;
    lua_CFunction function;
  } functions[] = {
      {"encode", rd_cjson_encode},
      {"decode", rd_cjson_decode},
      {"encode_sparse_array", encode_sparse_array},
      {"encode_max_depth", encode_max_depth},
      {"decode_max_depth", decode_max_depth},
      {"encode_number_precision", encode_number_precision},
      {"encode_keep_buffer", encode_keep_buffer},
      {"encode_invalid_numbers", encode_invalid_numbers},
      {"decode_invalid_numbers", decode_invalid_numbers},
      {"new", cjson_new},
  };
  rd_lua.createtable(L, 0, 13);
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    rd_lua.pushvalue(L, -2);
    rd_lua.pushcclosure(L, functions[i].function, 1);
    rd_lua.setfield(L, -2, functions[i].name);
  }
  rd_lua.pushlightuserdata(L, NULL);
  rd_lua.setfield(L, -2, "null");
  rd_lua.pushstring(L, "cjson");
  rd_lua.setfield(L, -2, "_NAME");
  rd_lua.pushstring(L, "2.1.0");
  rd_lua.setfield(L, -2, "_VERSION");
  rd_lua.remove(L, -2);
}

int rd_open_cjson(lua_State *L) {
  rd_lua.pushlightuserdata(L, (void *)&registered);
  push_settings(L);
  rd_lua.pushvalue(L, -1);
  rd_lua.insert(L, -3); /* the settings, the key, the settings */
  rd_lua.rawset(L, LUA_REGISTRYINDEX);
  push_library(L);
  return 1;
}

rd_cjson_settings *rd_cjson_settings_of(lua_State *L) {
  rd_lua.pushlightuserdata(L, (void *)&registered);
  rd_lua.rawget(L, LUA_REGISTRYINDEX);
  rd_cjson_settings *settings = rd_lua.touserdata(L, -1);
  rd_lua_pop(L, 1);
  return settings;
}
