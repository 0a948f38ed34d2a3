/* strings.h - Lua's library of strings, as chapter 5.4 of the manual describes it, with a bound on the work of each
 * call.
 *
 * It lacks `dump`. A result that Lua cannot hold is "resulting string too large", or "not enough memory"; a pattern can
 * be "too complex" (match.h). Everything else is as in Lua 5.1, errors included. */
#ifndef RD_SCRIPT_STRINGS_H
#define RD_SCRIPT_STRINGS_H

#include "script/lua.h"

/* Push the library, and make it the index of all strings: "x":upper() works. */
int rd_open_string(lua_State *L);

/* string.format, in a file of its own. */
int rd_format(lua_State *L);

#endif
