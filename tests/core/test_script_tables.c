/* test_script_tables.c - the library of tables, and unpack: the results and errors of stock Lua, in bounded time. */
#include "lua_rig.h"

static lua_rig rig;

/* Defines same(name, make, ...): calls both functions with a fresh table as the first argument, and compares the
 * results and what is left of the table. */
static const char *const SAME =
    "local function shown(v) if type(v) ~= 'table' then return tostring(v) end local t = {} "
    "  for i = -3, 12 do t[#t + 1] = type(v[i]) == 'table' and 'table' or tostring(v[i]) end return "
    "stock_table.concat(t, ',') end "
    "local function all(...) local t = {} for i = 1, select('#', ...) do t[i] = shown((select(i, ...))) end "
    "  return stock_table.concat(t, ' ') end "
    "local function tried(f, make, ...) local t = make() return all(pcall(f, t, ...)) .. ' left ' .. shown(t) end "
    "function same(name, make, ...)"
    "  local ours, theirs = tried(table[name] or unpack, make, ...), tried(stock_table[name] or stock_unpack, make, "
    "...)"
    "  if ours ~= theirs then error(name .. '(' .. all(make(), ...) .. '): ours ' .. ours .. ' stock ' .. theirs, 0) "
    "end end ";

static void all_names_are_there(void) {
  CHECK_LUA(&rig,
            "for name in pairs(stock_table) do if not table[name] then return name end end "
            "for name in pairs(table) do if not stock_table[name] then return name end end return 'all'",
            "all");
}

static void random_arguments_give_the_results_of_stock_lua(void) {
  CHECK_LUA(&rig,
            "local seed = 99 local function random(n) seed = (seed * 16807) % 2147483647 return seed % n + 1 end "
            "local makes = {function() return {} end, function() return {1} end, function() return {3, 1, 2} end, "
            "  function() return {'b', 'a', 'c', 'd', 'e'} end, function() return {1, 'x', 2.5} end, "
            "  function() return {1, 2, {}, 4} end, function() return {[-1] = 5, [0] = 6, 7, 8, x = 9} end, "
            "  function() return 'no table' end, function() return nil end, function() return {2, 2, 1, 1} end} "
            "local values = {0, 1, 2, 3, 5, 10, -2, 1.5, '2', 'x', ',', {}, true, function(a, b) return a end, "
            "  function(a, b) if b == 2 then return a end end, function() end, function() error('no', 0) end} "
            "local names = {'concat', 'foreach', 'foreachi', 'getn', 'insert', 'maxn', 'remove', 'setn', 'unpack'} "
            "for i = 1, 100000 do local t, n = {}, random(5) - 1 for i = 1, n do t[i] = values[random(#values)] end "
            "  same(names[random(#names)], makes[random(#makes)], stock_unpack(t, 1, n)) end return 'same'",
            "same");
}

static void sort_sorts_and_keeps_the_order_of_equals(void) {
  CHECK_LUA(
      &rig,
      "local seed = 5 local function random(n) seed = (seed * 16807) % 2147483647 return seed % n + 1 end "
      "for n = 0, 300 do local a, b, c = {}, {}, {} "
      "  for i = 1, n do a[i] = random(1000) b[i] = a[i] c[i] = {random(9), i} end "
      "  table.sort(a) stock_table.sort(b) "
      "  for i = 1, n do if a[i] ~= b[i] then return 'wrong' end end if #a ~= n then return 'length' end "
      "  table.sort(a, function(x, y) return x > y end) "
      "  for i = 2, n do if a[i - 1] < a[i] then return 'descending' end end "
      "  table.sort(c, function(x, y) return x[1] < y[1] end) "
      "  for i = 2, n do local x, y = c[i - 1], c[i] "
      "    if x[1] > y[1] or x[1] == y[1] and x[2] > y[2] then return 'order of equals' end end end return 'sorted'",
      "sorted");
}

static void a_sort_that_fails_changes_nothing(void) {
  CHECK_LUA(
      &rig,
      "local t, n = {5, 4, 3, 2, 1}, 0 "
      "local _, e = pcall(table.sort, t, function(a, b) n = n + 1 if n == 5 then error('no', 0) end return a < b end) "
      "return e .. table.concat(t)",
      "no54321");
  CHECK_LUA(&rig, "table.sort({1, 'x'})", "attempt to compare string with number");
  CHECK_LUA(&rig, "table.sort({1, 2}, 5)", "s:1: bad argument #2 to 'sort' (function expected, got number)");
}

static void an_invalid_order_function_does_no_harm(void) {
  CHECK_LUA(&rig, "local t = {3, 1, 2, 5, 4} table.sort(t, function() return true end) return #t", "5");
  CHECK_LUA(&rig,
            "local t = {3, 1, 2, 5, 4} table.sort(t, function(a, b) t[#t + 1] = 0 return a < b end) return t[1] + t[5]",
            "6");
}

static void unpack_refuses_what_does_not_fit(void) {
  CHECK_LUA(&rig, "return select('#', unpack({}, 1, 7000))", "7000");
  CHECK_LUA(&rig, "return unpack({}, 1, 8000)", "s:1: too many results to unpack");
  CHECK_LUA(&rig, "return unpack({}, 0, 2^31 - 1)", "s:1: too many results to unpack");
  CHECK_LUA(&rig, "return unpack({}, -2^31, 2^31 - 1)", "s:1: too many results to unpack");
  CHECK_LUA(&rig, "return unpack({}, 1, 2^31 - 1)", "s:1: too many results to unpack");
  CHECK_LUA(&rig, "return unpack({}, -2^31, -1)", "s:1: too many results to unpack");
  CHECK_LUA(&rig, "return (unpack({9}, 1, 1e300))", "nil");
  CHECK_LUA(&rig, "return select('#', unpack({}, 2^31 - 2, 2^31 - 1))", "2");
}

static void work_on_large_tables_is_counted(void) {
  CHECK_LUA(&rig,
            "big = {} for i = 1, 1e6 do big[i] = i end texts = {} for i = 1, 1e5 do texts[i] = '' end return #big",
            "1000000");
  CHECK_LUA(&rig, "for i = 1, 1e9 do table.insert(big, 1, 0) end", "s:1: out of time");
  CHECK_LUA(&rig, "for i = 1, 1e9 do table.remove(big, 1) end", "s:1: out of time");
  CHECK_LUA(&rig, "for i = 1, 1e9 do table.maxn(big) end", "s:1: out of time");
  CHECK_LUA(&rig, "for i = 1, 1e9 do table.concat(texts) end", "s:1: out of time");
  CHECK_LUA(&rig, "for i = 1, 1e9 do table.foreach(texts, function() end) end", "s:1: out of time");
  CHECK_LUA(&rig, "for i = 1, 1e9 do table.foreachi(texts, function() end) end", "s:1: out of time");
  CHECK_LUA(&rig, "table.insert(big, -2^31, 0)", "s:1: out of time");
  CHECK_LUA(&rig, "for i = 1, 1e9 do table.sort(texts) end", "s:1: out of time");
  CHECK_LUA(&rig, "for i = 1, 1e9 do table.sort({1, 2, 3, 4}) end", "s:1: out of time");
  CHECK_LUA(&rig, "return table.concat(texts, string.rep('x', 1000))", "not enough memory");
  CHECK_LUA(&rig, "big, texts = nil, nil", "nil");
}

int main(void) {
  if (!rig_begin(&rig)) return 0;
  CHECK_LUA(&rig, SAME, "nil");
  rig.most_looks = 100000;
  RUN(all_names_are_there);
  RUN(random_arguments_give_the_results_of_stock_lua);
  RUN(sort_sorts_and_keeps_the_order_of_equals);
  RUN(a_sort_that_fails_changes_nothing);
  RUN(an_invalid_order_function_does_no_harm);
  RUN(unpack_refuses_what_does_not_fit);
  rig.most_looks = 100;
  RUN(work_on_large_tables_is_counted);
  rig_end(&rig);
  return check_end();
}
