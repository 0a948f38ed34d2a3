/* cjson.h - the library `cjson`: JSON texts from values and values from JSON texts, as Lua CJSON 2.1 in Redis does it.
 *
 * A table whose keys are integers from 1 on is an array, unless more than 9 of 10 of its elements are missing; every
 * other one, and the empty one, is an object. Numbers have 14 digits. A null in an array or an object is cjson.null. */
#ifndef RD_SCRIPT_CJSON_H
#define RD_SCRIPT_CJSON_H

#include "script/lua.h"

/* Push the library. A state has it once. */
int rd_open_cjson(lua_State *L);

/* The settings that scripts change by cjson.encode_max_depth() and the like, for as long as the state lives; NULL
 * without the library. They are kept apart from those of the libraries that cjson.new() returns. */
typedef struct rd_cjson_settings rd_cjson_settings;
rd_cjson_settings *rd_cjson_settings_of(lua_State *L);
/* Give all settings their default, so that a script does not find those of the one before it. */
void rd_cjson_reset(rd_cjson_settings *settings);

#endif
