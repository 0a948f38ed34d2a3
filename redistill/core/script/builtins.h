/* builtins.h - the globals of scripts: functions and libraries. */
#ifndef RD_SCRIPT_BUILTINS_H
#define RD_SCRIPT_BUILTINS_H

#include "script/lua.h"

/* Inside of cpcall, on a new state whose protected globals are at the top: add all functions and libraries to them. */
void rd_builtins_open(lua_State *L);

#endif
