/* convert.h - replies of commands as Lua's values, and Lua's values as replies, as Redis's manual of scripts says
 * (https://redis.io/docs/latest/develop/programmability/lua-api/#data-type-conversion). */
#ifndef RD_SCRIPT_CONVERT_H
#define RD_SCRIPT_CONVERT_H

#include "script/lua.h"
#include "wire/reply.h"

/* Push the reply, which a command made: it is complete. May raise "not enough memory". */
void rd_push_reply(lua_State *L, const uint8_t *reply);
/* Append the value at the top, and pop it. `resp` is the protocol that the script chose; that of the client is
 * out->resp. May raise errors: then the caller takes back what was appended. */
void rd_append_value(lua_State *L, rd_reply *out, int resp);

#endif
