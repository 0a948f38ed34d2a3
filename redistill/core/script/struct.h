/* struct.h - the library `struct`: numbers and strings in binary form, as a format describes it. */
#ifndef RD_SCRIPT_STRUCT_H
#define RD_SCRIPT_STRUCT_H

#include "script/lua.h"

/* Push the library: pack(format, ...), unpack(format, data [, position]) and size(format).
 *
 * A format has these characters: '<' and '>', the order of bytes from here on (at first that of the machine); '!' or
 * '!n', aligned to at most 8 or n bytes, a power of 2 (at first: 1); 'b' 'h' 'l' 'i' 'in', signed integers of 1, 2, 8,
 * 4 and n bytes, n <= 32, in upper case unsigned ones; 'T', as 'L'; 'f' and 'd'; 'x', a byte of zero; 's', a string
 * that ends with one; 'c' and 'cn', strings of 1 and n bytes; 'c0', the whole string in pack, and in unpack one of the
 * length that was read before it, which is not returned. Spaces are ignored. */
int rd_open_struct(lua_State *L);

#endif
