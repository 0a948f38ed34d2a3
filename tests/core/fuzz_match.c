/* fuzz_match.c - the invariant: for any pattern, source and replacement, find, match, gmatch and gsub give the result
 * or the error of stock Lua, unless the pattern is too complex or takes too many steps; no byte outside of the strings
 * is read. Without Lua's library it does nothing.
 *
 * Input: the lengths of the pattern and of the source, the two, and the replacement. If the lowest bit is set, the
 * bytes of the pattern choose from the bytes that have a meaning in patterns. */
#include "lua_rig.h"

#define MOST_STEPS 20000

static const char *const COMPARE =
    "local function listed(f, ...) local t = {pcall(f, ...)} "
    "  for i = 1, #t do t[i] = tostring(t[i]) end return stock_table.concat(t, '\\1') end "
    "local function iterated(lib, s, p) local t = {} for a, b in lib.gmatch(s, p) do "
    "  t[#t + 1] = tostring(a) t[#t + 1] = tostring(b) end return stock_table.concat(t, '\\1') end "
    "function compare(s, p, r) "
    "  for _, name in ipairs {'find', 'match', 'gsub', 'gmatch'} do local f, g = string[name], stock_string[name] "
    "    if name == 'gmatch' then "
    "      f = function(s, p) return iterated(string, s, p) end g = function(s, p) return iterated(stock_string, s, p) "
    "end end "
    "    local ours = listed(f, s, p, name == 'gsub' and r or 1) "
    "    if stock_string.find(ours, 'out of time', 1, true) or stock_string.find(ours, 'too complex', 1, true) "
    "      then return 'stopped' end "
    "    local stock = listed(g, s, p, name == 'gsub' and r or 1) "
    "    if stock_string.find(stock, 'out of time', 1, true) then return 'stopped' end "
    "    if ours ~= stock then return stock_string.format('%s(%q, %q, %q): ours %q, stock %q', name, s, p, r, ours, "
    "stock) end end return 'same' end";

static const char letters[] = "ab.%[]^$()*+-?1dbfwz%[](a";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_rig rig;
  static int ready = -1;
  if (ready < 0) {
    ready = rig_begin(&rig);
    if (ready) {
      (void)rig_run(&rig, COMPARE);
      rig.budget.step = MOST_STEPS;
    }
  }
  if (!ready || size < 2) return 0;
  size_t pattern_len = data[0] / 2 % 64, source_len = data[1];
  bool odd = data[0] % 2;
  data += 2;
  size -= 2;
  if (pattern_len > size) pattern_len = size;
  if (source_len > size - pattern_len) source_len = size - pattern_len;
  char pattern[64];
  for (size_t i = 0; i < pattern_len; i++) {
    pattern[i] = odd ? letters[data[i] % (sizeof letters - 1)] : (char)data[i];
  }
  lua_State *L = rig.L;
  rd_lua.settop(L, 0);
  rd_lua.getfield(L, LUA_GLOBALSINDEX, "compare");
  rd_lua.pushlstring(L, (const char *)data + pattern_len, source_len);
  rd_lua.pushlstring(L, pattern, pattern_len);
  rd_lua.pushlstring(L, (const char *)data + pattern_len + source_len, size - pattern_len - source_len);
  rig.budget.spent = 0;
  rig.looks = 0;
  rig.most_looks = 0;
  if (rd_lua.pcall(L, 3, 1, 0) == LUA_OK) {
    const char *result = rd_lua.tolstring(L, -1, NULL);
    if (strcmp(result, "same") != 0 && strcmp(result, "stopped") != 0) {
      fprintf(stderr, "%s\n", result);
      abort();
    }
  }
  return 0;
}
