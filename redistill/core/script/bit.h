/* bit.h - the library `bit`: operations on numbers as words of 32 bits. */
#ifndef RD_SCRIPT_BIT_H
#define RD_SCRIPT_BIT_H

#include "script/lua.h"

/* Push the library. */
int rd_open_bit(lua_State *L);

#endif
