/* fuzz_libraries.c - the invariants of the functions of the libraries that read data:
 *
 *   - whatever the bytes, cjson.decode, cmsgpack.unpack, unpack_one and struct.unpack return or raise an error;
 *   - a value that was read is written, and read again, without an error other than of memory and numbers that are
 *     none; the second text is the first one, if the table's order is that of an array;
 *   - when the state is closed, nothing of its memory is left.
 *
 * Input: one byte that chooses the function, and its argument; of struct.unpack the format's length, format, data. */
#include <stdio.h>
#include <stdlib.h>

#include "lua_rig.h"
#include "script/bit.h"
#include "script/cjson.h"
#include "script/cmsgpack.h"
#include "script/struct.h"

static const char script[] =
    "local which, format, data = which, format, data\n"
    "if which == 0 then\n"
    "  local ok, value = pcall(cjson.decode, data)\n"
    "  if ok then\n"
    "    cjson.encode_invalid_numbers(true)\n"
    "    local again, text = pcall(cjson.encode, value)\n"
    "    if again then local ok, wrong = pcall(cjson.decode, text) assert(ok, wrong)\n"
    "    elseif not stock_string.find(text, 'excessive') and not stock_string.find(text, 'memory') then error(text) "
    "end\n"
    "  end\n"
    "elseif which == 1 then\n"
    "  local ok, value = pcall(cmsgpack.unpack, data)\n"
    "  if ok then local packed = cmsgpack.pack(value) assert(#packed > 0) cmsgpack.unpack(packed) end\n"
    "elseif which == 2 then\n"
    "  local at, n = 0, 0\n"
    "  while at >= 0 do\n"
    "    local ok, offset = pcall(cmsgpack.unpack_one, data, at)\n"
    "    if not ok then break end\n"
    "    assert(offset > at or offset == -1) at = offset\n"
    "  end\n"
    "else\n"
    "  pcall(struct.unpack, format, data) pcall(struct.size, format) pcall(struct.pack, format, 1, 2, data, 3, data)\n"
    "  pcall(struct.unpack, format, data, 3)\n"
    "end\n";

static void open_library(lua_rig *rig, const char *name, lua_CFunction open) {
  rd_lua_pushfunction(rig->L, open);
  rd_lua.call(rig->L, 0, 1);
  rd_lua.setfield(rig->L, LUA_GLOBALSINDEX, name);
}

static void set_string(lua_rig *rig, const char *name, const uint8_t *data, size_t size) {
  rd_lua.pushlstring(rig->L, (const char *)data, size);
  rd_lua.setfield(rig->L, LUA_GLOBALSINDEX, name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_rig rig;
  if (size < 2) return 0;
  if (!rig_begin(&rig)) return 0;
  open_library(&rig, "cjson", rd_open_cjson);
  open_library(&rig, "cmsgpack", rd_open_cmsgpack);
  open_library(&rig, "struct", rd_open_struct);
  rd_lua.pushinteger(rig.L, data[0] & 3);
  rd_lua.setfield(rig.L, LUA_GLOBALSINDEX, "which");
  data++, size--;
  size_t format = (size_t)data[0] % 32 < size ? data[0] % 32 : size;
  set_string(&rig, "format", data, format);
  set_string(&rig, "data", data + format, size - format);
  const char *result = rig_run(&rig, script);
  if (strcmp(result, "nil") != 0 && strstr(result, "memory") == NULL && strstr(result, "out of time") == NULL) {
    fprintf(stderr, "%s\n", result);
    abort();
  }
  rd_lua.close(rig.L);
  if (rig.bytes != 0) abort();
  return 0;
}
