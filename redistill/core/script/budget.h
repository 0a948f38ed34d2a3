/* budget.h - the work of C functions that a script calls.
 *
 * Lua's hook counts instructions of the virtual machine. One instruction can call a C function that runs for minutes:
 * such functions report their work here, and the script is looked at as often as if it ran instructions. */
#ifndef RD_SCRIPT_BUDGET_H
#define RD_SCRIPT_BUDGET_H

#include <stdint.h>

#include "script/lua.h"

/* The user data of a state's allocator begins with this. */
typedef struct rd_budget {
  uint64_t spent;            /* steps since the last look */
  uint64_t step;             /* look after so many of them; 0: never */
  void (*look)(lua_State *); /* may raise an error */
} rd_budget;

/* A step is about the time of one instruction of Lua, 10 ns. So many bytes are copied in that time. */
#define RD_SPEND_BYTES 32

/* Add `steps` to the work of the running script, and look at it if enough of them came together. It may raise an
 * error: call it once a few thousand steps, and own nothing then. */
void rd_spend(lua_State *L, uint64_t steps);

#endif
