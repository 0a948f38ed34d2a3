/* test_script_strings.c - the library of strings: the results and errors of stock Lua, in bounded time and memory. */
#include "lua_rig.h"

static lua_rig rig;

/* Defines same(name, ...): calls both functions, and raises an error that shows where they differ. */
static const char *const SAME =
    "local function shown(v)"
    "  if type(v) == 'string' then return stock_string.format('%q', v) end return tostring(v) end "
    "local function all(...) local t = {} for i = 1, select('#', ...) do t[i] = shown((select(i, ...))) end "
    "  return stock_table.concat(t, ' ') end "
    "function same(name, ...)"
    "  local ours, theirs = all(pcall(string[name], ...)), all(pcall(stock_string[name], ...))"
    "  if ours ~= theirs then error(name .. '(' .. all(...) .. '): ours ' .. ours .. ' stock ' .. theirs, 0) end "
    "  return ours end "
    "function iterated(s, p) local function go(lib) local t = {} "
    "    for a, b in lib.gmatch(s, p) do t[#t + 1] = shown(a) .. shown(b) end return stock_table.concat(t, ' ') end "
    "  local ours, theirs = all(pcall(go, string)), all(pcall(go, stock_string)) "
    "  if ours ~= theirs then error('gmatch(' .. all(s, p) .. '): ours ' .. ours .. ' stock ' .. theirs, 0) end end ";

static void all_names_but_dump_are_there(void) {
  CHECK_LUA(
      &rig,
      "local missing = {} for name in pairs(stock_string) do if not string[name] then missing[#missing + 1] = name "
      "end end return stock_table.concat(missing, ' ')",
      "dump");
  CHECK_LUA(&rig, "return ('x'):rep(3):upper()", "XXX");
}

static void random_patterns_match_as_in_stock_lua(void) {
  CHECK_LUA(
      &rig,
      "local atoms = {'a', 'b', '.', '%a', '%d', '%s', '%w', '%A', '%x', '%p', '%u', '%l', '%c', '%z', '%Z', '[ab]', "
      "'[^a]', "
      "'[a-c]', '[%d_]', '[]]', '[^]]', '[a-]', '[%]]', '(', ')', '()', '%1', '%2', '%0', '%b()', '%bab', '%f[%w]', "
      "'%f[^a]', '%f', '%', '[', '[^', '[%', '%b', '%bx', '^', '$', '-', '*', '+', '?', '\\0', '(a)', '(.-)', '(%w+)', "
      "'[a-%d]', '[%a-z]', '[\\128-\\255]', ']', '%%', '%.', '\\255', '%G', '%g', '[--0]'} "
      "local texts = {'a', 'b', 'c', 'ab', '()', '(', ')', ' ', '1', 'Z', '_', '\\0', '\\255', '%', '^', '$', '\\n', "
      "']', "
      "'aba(b)', 'hello world', '.', '-'} "
      "local seed = 12345 local function random(n) seed = (seed * 16807) % 2147483647 return seed % n + 1 end "
      "local function some(from, n) local t = {} for i = 1, random(n) - 1 do t[i] = from[random(#from)] end "
      "  return stock_table.concat(t) end "
      "local templates = {'', 'x', '%0', '%1', '<%1%2>', '%%', '%', 'a%', '%a', '%9', 5, {}, {a = 'A', b = 1, ab = "
      "false}, "
      "  {a = {}}, function(...) return (...) end, function() end, function(a, b) return b end, function() return {} "
      "end, "
      "  function(a) error('in ' .. tostring(a), 0) end, true} "
      "for i = 1, 60000 do local s, p = some(texts, 9), some(atoms, 6) "
      "  same('find', s, p) same('match', s, p) same('find', s, p, random(13) - 7) same('match', s, p, random(13) - 7) "
      "  same('find', s, p, random(5) - 2, true) iterated(s, p) "
      "  same('gsub', s, p, templates[random(#templates)]) "
      "  same('gsub', s, p, templates[random(#templates)], random(6) - 2) end return 'same'",
      "same");
}

static void random_arguments_give_the_results_of_stock_lua(void) {
  CHECK_LUA(&rig,
            "local values = {'', 'a', 'abc', 'a\\0b', '10', '0x10', ' 7 ', 0, 1, 2, -1, -2, 3, 7, 1.5, 255, 256, -100, "
            "100, 0/0, true, "
            "  {}, type, stock_string.rep('xyz\\0', 50), stock_string.rep('q', 99), 'Hello\\r\\n\\\\ \"x\"'} "
            "local names = {'byte', 'char', 'len', 'lower', 'upper', 'reverse', 'sub', 'rep', 'find', 'match', 'gsub', "
            "'gmatch', "
            "  'format'} "
            "local seed = 777 local function random(n) seed = (seed * 16807) % 2147483647 return seed % n + 1 end "
            "for i = 1, 100000 do local t, n = {}, random(5) - 1 for i = 1, n do t[i] = values[random(#values)] end "
            "  local name = names[random(#names)] if name ~= 'gmatch' or n < 2 then same(name, stock_unpack(t, 1, n)) "
            "end end "
            "return 'same'",
            "same");
}

static void random_formats_give_the_results_of_stock_lua(void) {
  CHECK_LUA(&rig,
            "local parts = {'%d', '%i', '%u', '%x', '%X', '%o', '%c', '%s', '%q', '%e', '%E', '%f', '%g', '%G', '%%', "
            "'%', '%5d', "
            "  '%-5d|', '%05d', '%+d', '% d', '%#x', '%.3f', '%10.4g', '%99.99f', '%100d', '%.100f', '%-+ #0d', '%-+ "
            "#00d', '%.5s', "
            "  '%20s', '%-20s|', '%.0s', '%5c', '%y', '%l', '%ld', '%p', '%n', '%a', '%5', 'text', '\\0', '%.', '%.d', "
            "'%5.q', '%1$s'} "
            "local values = {0, 1, -1, 65, 255, 3.7, -3.7, 1e15, 2^53, 2^63, 2^64, -2^63, -2^64, 1e308, -1e308, 1/0, "
            "-1/0, 0/0, 'str', "
            "  '12', 'a\\0b', '\"q\"\\n\\r\\\\\\0', true, {}, stock_string.rep('w', 99), stock_string.rep('w', 100), "
            "  stock_string.rep('w\\0', 500)} "
            "local seed = 4242 local function random(n) seed = (seed * 16807) % 2147483647 return seed % n + 1 end "
            "for i = 1, 60000 do local f, t = {}, {} local n = random(5) - 1 "
            "  for i = 1, n do f[i] = parts[random(#parts)] t[i] = values[random(#values)] end "
            "  same('format', stock_table.concat(f), stock_unpack(t, 1, n)) end return 'same'",
            "same");
}

static void errors_name_the_place_in_the_script(void) {
  CHECK_LUA(&rig, "return string.find('a', '[a')", "s:1: malformed pattern (missing ']')");
  CHECK_LUA(&rig, "\nreturn string.gsub('a', 'a', '%2')", "s:2: invalid capture index");
  CHECK_LUA(&rig, "return string.rep()", "s:1: bad argument #1 to 'rep' (string expected, got no value)");
  CHECK_LUA(&rig, "return ('x'):rep({})", "s:1: bad argument #1 to 'rep' (number expected, got table)");
}

static void a_pattern_that_goes_back_for_ever_is_stopped(void) {
  CHECK_LUA(&rig, "return string.find(string.rep('a', 5000), string.rep('a-', 20) .. 'b')", "s:1: out of time");
  CHECK_LUA(&rig, "return string.match(string.rep('a', 3000), '.-.-.-.-.-b')", "s:1: out of time");
  CHECK_LUA(&rig, "return string.gsub(string.rep('a', 5000), '.*.*.*b', '')", "s:1: out of time");
  CHECK_LUA(&rig, "for x in string.gmatch(string.rep('(', 40000), '%b()') do end return 1", "s:1: out of time");
  CHECK_LUA(&rig, "return string.find(string.rep('a', 1000000), '[^b' .. string.rep('c', 10000) .. ']-b')",
            "s:1: out of time");
  CHECK_LUA(&rig, "return string.find(string.rep('a', 20000), '(.*)%1b')", "s:1: out of time");
}

static void a_short_match_costs_no_look(void) {
  CHECK_LUA(&rig, "return string.match('key:123', '^(%w+):(%d+)$')", "key");
  CHECK_INT(rig.budget.spent, 0);
}

static void short_calls_add_up(void) {
  CHECK_LUA(&rig, "local s = string.rep('a', 1000) for i = 1, 1e9 do string.find(s, 'a-b') end", "s:1: out of time");
  CHECK_LUA(&rig, "local s = string.rep('a', 1000000) for i = 1, 1e9 do string.find(s, 'b', 1, true) end",
            "s:1: out of time");
  CHECK_LUA(&rig, "local s = string.rep('a', 1000000) for i = 1, 1e9 do string.upper(s) end", "s:1: out of time");
  CHECK_LUA(&rig, "local s = string.rep('a', 1000000) for i = 1, 1e9 do string.sub(s, 2) end", "s:1: out of time");
  CHECK_LUA(&rig, "for i = 1, 1e9 do string.rep('a', 1000000) end", "s:1: out of time");
  CHECK_LUA(&rig, "local s = string.rep('a', 1000000) for i = 1, 1e9 do string.format('%q', s) end",
            "s:1: out of time");
}

static void a_deep_pattern_is_too_complex(void) {
  CHECK_LUA(&rig, "return (string.find('', string.rep('a?', 900)))", "1");
  CHECK_LUA(&rig, "return string.find(string.rep('a', 999), string.rep('a?', 999))", "1");
  CHECK_LUA(&rig, "return string.find(string.rep('a', 1000), string.rep('a?', 1000))", "s:1: pattern too complex");
  CHECK_LUA(&rig, "return string.find('a', string.rep('a-', 1000000))", "s:1: pattern too complex");
  CHECK_LUA(&rig, "return string.find('a', string.rep('(', 33))", "s:1: too many captures");
}

static void long_results_are_refused(void) {
  CHECK_LUA(&rig, "return #string.rep('a', 20000000)", "20000000");
  CHECK_LUA(&rig, "return string.rep('a', 100000000)", "not enough memory");
  CHECK_LUA(&rig, "return string.rep('abc', 2^31 - 1)", "not enough memory");
  CHECK_LUA(&rig, "return string.rep(string.rep('a', 10000000), 2^31 - 1)", "not enough memory");
  CHECK_LUA(&rig, "return #string.rep('', 2^31 - 1)", "0");
  CHECK_LUA(&rig, "return string.format(string.rep('%s', 200), unpack({string.rep('a', 1e6)}))",
            "s:1: bad argument #3 to 'format' (no value)");
  CHECK_LUA(&rig,
            "local s = string.rep('a', 1e6) local t = {} for i = 1, 200 do t[i] = s end return "
            "string.format(string.rep('%s', 200), unpack(t))",
            "not enough memory");
  CHECK_LUA(&rig, "return string.gsub(string.rep('a', 1000), '', string.rep('b', 100000))", "not enough memory");
  CHECK_LUA(&rig, "return string.byte(string.rep('a', 10000000), 1, -1)",
            "s:1: stack overflow (string slice too long)");
  CHECK(rig.peak <= rig.most_bytes);
}

int main(void) {
  if (!rig_begin(&rig)) return 0;
  rd_lua_pop(rig.L, 0);
  CHECK_LUA(&rig, SAME, "nil");
  rig.most_looks = 100000;
  RUN(all_names_but_dump_are_there);
  RUN(random_patterns_match_as_in_stock_lua);
  RUN(random_arguments_give_the_results_of_stock_lua);
  RUN(random_formats_give_the_results_of_stock_lua);
  rig.most_looks = 100;
  RUN(errors_name_the_place_in_the_script);
  RUN(a_pattern_that_goes_back_for_ever_is_stopped);
  RUN(a_short_match_costs_no_look);
  RUN(short_calls_add_up);
  RUN(a_deep_pattern_is_too_complex);
  RUN(long_results_are_refused);
  rig_end(&rig);
  return check_end();
}
