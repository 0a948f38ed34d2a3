"""Scripts that attack: each kind of hole that Redis's scripts have had, and more memory or time than there is.

The worker survives all of them, and the next script finds everything as it was."""

from __future__ import annotations

import redis

from tests.integration.workers import OnWorkers, workers_of

CLEAN = """
local changed = {}
local function see(name, so) if not so then changed[#changed + 1] = name end end
see('string', ('x'):upper() == 'X' and string.format('%d', 7) == '7' and rawget(_G, 'mine') == nil)
see('table', table.concat({1, 2}) == '12' and #table == 0 and #string == 0 and #redis == 0)
see('call', redis.call('GET', KEYS[1]) == 'v' and type(redis.pcall) == 'function')
see('libraries', cjson.encode({1}) == '[1]' and bit.band(7, 2) == 2 and struct.pack('>h', 1) == '\\0\\1')
see('operators', not pcall(function() return 'a' + 1 end) and not pcall(function() return {} .. '' end))
see('call of strings', not pcall(function() return ('x')() end) and not pcall(function() return (nil)() end))
see('globals', not pcall(function() return mine end) and tostring(7) == '7')
return changed
"""

SHARED = (
    # CVE-2022-24735, CVE-2025-46818: what the next script, perhaps of another user, would use
    "mine = 1",
    "_G.mine = 1",
    "rawset(_G, 'mine', 1)",
    "_G['tostring'] = function() return 'bad' end",
    "setmetatable(_G, {__index = function() return 1 end})",
    "setmetatable(_G, nil)",
    "getmetatable(_G).__index = function() return 1 end",
    "getmetatable(_G).__newindex = nil mine = 1",
    "getmetatable('').__index = function() return 'bad' end",
    "getmetatable('').__add = function() return 'bad' end",
    "getmetatable('').__call = function() return 'bad' end",
    "string.format = function() return 'bad' end",
    "string.upper = nil",
    "rawset(string, 'upper', nil)",
    "table.insert(string, 1)",
    "table.insert(table, 1)",
    "table.insert(redis, 1)",
    "table.remove(KEYS) KEYS[1] = 'other' ARGV = nil",
    "table.sort(redis)",
    "for name in pairs(redis) do redis[name] = nil end",
    "redis.call = function() return 'bad' end",
    "server.call = nil",
    "cjson.encode = nil cjson = nil",
    "bit.band = nil",
    "struct.pack = nil",
    "for _, lib in ipairs({string, table, math, redis, cjson, cmsgpack, bit, struct}) do"
    " pcall(rawset, lib, 1, 1) pcall(setmetatable, lib, {}) pcall(table.insert, lib, 1) end",
    "local mt = getmetatable(redis) if type(mt) == 'table' then mt.__index = nil mt.__newindex = nil end redis.call = 1",
    "local f = function() end setfenv(f, {})",
    "getfenv(0).mine = 1",
    "getfenv(redis.call).mine = 1",
    "local e = select(2, pcall(redis.call, 'nocommand')) if type(e) == 'table' then e.err = nil end error(e)",
    "cjson.encode_sparse_array(true, 1, 1) cjson.encode_max_depth(1) cjson.decode_invalid_numbers(false)",
)

REACH = (
    # CVE-2022-24736, CVE-2025-49844, CVE-2024-46981: bytecode, the parser's memory, finalizers, files, processes
    "return loadstring('\\27Lua\\81\\0\\1\\4\\8\\4\\8\\0')()",
    "return load(function() return '\\27Lua' end)()",
    "local parts = {'\\27', 'Lua'} return load(function() return table.remove(parts, 1) end)()",
    "return string.dump(function() end)",
    "return dofile('/etc/passwd')",
    "return loadfile('/etc/passwd')",
    "return require('os')",
    "return io.open('/etc/passwd')",
    "return os.execute('true')",
    "return package.loadlib('x', 'y')",
    "return debug.getregistry()",
    "return newproxy(true)",
    "for i = 1, 200 do loadstring('return ' .. i, string.rep('n', 10000) .. i) collectgarbage() end",
    "for i = 1, 50 do pcall(loadstring, 'x = ' .. string.rep('(', 190 + i) .. '1' .. string.rep(')', 190 + i)) end",
    "return loadstring('return [' .. string.rep('=', 1000000) .. '[x]' .. string.rep('=', 1000000) .. ']')",
    "return loadstring('return [' .. string.rep('=', 100000))",
    "return loadstring('return \"' .. string.rep('\\\\', 100001))",
    "return loadstring(string.rep('a.', 100000) .. 'b()')",
    "return loadstring('return ' .. string.rep('{', 100000))",
    "return loadstring('local ' .. string.rep('a,', 1000) .. 'a')",
    "return loadstring('return ' .. string.rep('1,', 100000) .. '1')()",
)

NUMBERS = (
    # CVE-2025-46817, CVE-2024-31449
    "return #{unpack({}, 0, 2147483647)}",
    "return #{unpack({}, -2147483648, 2147483647)}",
    "return #{unpack({}, 1, 1e9)}",
    "return #{unpack({1, 2, 3}, -2, 1e300)}",
    "return bit.tohex(1, -2147483648)",
    "return bit.tohex(1, 1e300)",
    "return bit.lshift(1, -1) + bit.rshift(1, 1e9)",
    "return string.byte(string.rep('x', 1e6), -1e9, 1e9)",
    "return string.sub('x', -2^63, 2^63)",
    "return string.rep('x', -1) .. string.rep('', 1e9)",
    "return string.format('%99.99f %99.99f', 1e308, -1e308)",
    "return string.format('%100d', 1)",
    "return string.format(string.rep('%s', 1000))",
    "return struct.pack('c1000000000', 'x')",
    "return struct.unpack('i16', string.rep('x', 100), 2^31)",
    "return struct.unpack('>I4', 'abcd', -5)",
    "return cmsgpack.unpack('\\221\\255\\255\\255\\255')",
    "return cmsgpack.unpack_limit('\\1\\2', 1e9, -1)",
    "return math.random(2^53, -2^53)",
    "return redis.call('GET', 1e300, -1e300)",
)

BOUNDS = (
    # memory, depth, time
    "local t = {} while true do t[#t + 1] = string.rep('x', 100000) .. #t end",
    "local s = 'x' while true do s = s .. s end",
    "return string.rep('x', 2^31 - 1)",
    "local t = {} for i = 1, 1e9 do t[i] = i end",
    "local function f() return 1 + f() end return f()",
    "local function f(t) return setmetatable({}, {__index = f}).x end return f()",
    "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x",
    "local function f() coroutine.wrap(f)() end f()",
    "return xpcall(function() error('x') end, function(e) error(e) end)",
    "local t = {} t[1] = t return t",
    "local t = {} for i = 1, 10000 do t = {t} end return t",
    "local t = {} t[1] = t return cjson.encode(t)",
    "local t = {} t[1] = t return cmsgpack.pack(t)",
    "return cjson.decode(string.rep('[', 100000))",
    "return cjson.decode(string.rep('[1,', 1000000))",
    "return cmsgpack.unpack(string.rep('\\145', 100000))",
    "return cjson.encode({[2^40] = 1})",
    "return string.gsub(string.rep('x', 100000), '', string.rep('y', 10000))",
    "return string.find('a', string.rep('(', 1000))",
    "return string.find(string.rep('a', 10000), string.rep('a?', 10000) .. 'b')",
    "return table.concat({}, 'x', 1, 2^31 - 1)",
    "local t = {} for i = 1, 100 do t[i] = string.rep('x', 1e6) end return table.concat(t)",
    "local t = {} for i = 1, 7000 do t[i] = i end return redis.call('MSET', unpack(t))",
    "return {err = string.rep('e', 1000000)}",
    "return {ok = 'a\\r\\nb'}",
    "return redis.error_reply('a\\r\\n+OK')",
    "error({err = 'My\\r\\nError'})",
    "error(setmetatable({}, {__tostring = function() error('again') end}))",
)


class AttackTests(OnWorkers):
    """One worker"""

    def attack(self, scripts: tuple[str, ...]) -> None:
        """Run the scripts, each as a client may, and look at what the next script finds."""
        client = self.client(self.start(1))
        client.set("k", "v")
        before = workers_of(client)
        self.assertEqual(client.eval(CLEAN, 1, "k"), [])
        for script in scripts:
            try:
                client.eval(script, 1, "k")
            except redis.ResponseError as error:
                self.assertNotIn("\n", str(error), script)
            client.set("k", "v")
            self.assertEqual(client.eval(CLEAN, 1, "k"), [], script)
        self.assertEqual(workers_of(client), before)

    def test_shared_tables(self) -> None:
        """No script changes what another one uses: globals, libraries, metatables of strings, settings of cjson."""
        self.attack(SHARED)

    def test_reach(self) -> None:
        """No script reaches bytecode, files, processes, finalizers or the parser's memory."""
        self.attack(REACH)

    def test_numbers(self) -> None:
        """No number makes a function read or write outside of its memory."""
        self.attack(NUMBERS)

    def test_bounds(self) -> None:
        """Too much memory, depth or text ends as an error."""
        self.attack(BOUNDS)
