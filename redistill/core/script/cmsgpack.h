/* cmsgpack.h - the library `cmsgpack`: MessagePack (https://msgpack.org) as lua-cmsgpack 0.4 in Redis has it, without
 * types of binary strings and extensions.
 *
 * A table is packed as an array if its keys are 1 to n, otherwise as a map; within 16 tables it is nil, and so is every
 * value of a type that MessagePack lacks. A number is packed in its shortest form. */
#ifndef RD_SCRIPT_CMSGPACK_H
#define RD_SCRIPT_CMSGPACK_H

#include "script/lua.h"

/* Push the library: pack(...), unpack(text), unpack_one(text [, offset]) and unpack_limit(text, limit [, offset]). The
 * last two return an offset first: of the first byte that they did not read, or -1 at the end. */
int rd_open_cmsgpack(lua_State *L);

#endif
