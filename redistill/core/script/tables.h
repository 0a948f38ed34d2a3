/* tables.h - Lua's library of tables, as chapter 5.5 of the manual describes it, with a bound on the work of each call.
 *
 * Differences from Lua 5.1: sort takes n log n comparisons for every input and every order function, keeps the order of
 * equal elements, and changes the table only when it has ended; it does not notice an invalid order function. */
#ifndef RD_SCRIPT_TABLES_H
#define RD_SCRIPT_TABLES_H

#include "script/lua.h"

/* Push the library. */
int rd_open_table(lua_State *L);

/* The base library's `unpack`. It refuses a range that does not fit on the stack, wherever the range begins and ends.
 */
int rd_unpack(lua_State *L);

#endif
