"""EVAL and its relatives, beside redis-server: what scripts can reach, conversions both ways, and errors."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

from .peers import Conversation, WirePeer, ask
from .replies import CLOSED

SCRIPTS = (
    "x=1",
    "return x",
    "rawset(_G,'x',1)",
    "setmetatable(_G,{})",
    "string.x=1",
    "table.insert(redis,1)",
    "error('x')",
    "error({err='FOO bar'})",
    "return redis.call('incr','s')",
    "return redis.pcall('incr','s')",
    "local ok,e=pcall(redis.call,'incr','s') return {tostring(ok),type(e),e.err}",
    "local ok,e=pcall(redis.call,'incr','s') error(e)",
    "return redis.call('nosuch')",
    "return redis.call()",
    "return redis.call({})",
    "return redis.call('get',{})",
    "return redis.call('get')",
    "return redis.call('get',1,true)",
    "return redis.call('subscribe','a')",
    "return redis.call('multi')",
    "return redis.call('blpop','q',0)",
    "return redis.call('client','id')",
    "return redis.call('config','get','x')",
    "return redis.call('time')[3]",
    "return 1.9",
    "return -1.9",
    "return 1e300",
    "return 0/0",
    "return true",
    "return false",
    "return nil",
    "return {1,2,nil,4}",
    "return {ok='fine'}",
    "return {err='fine'}",
    "return {err='ERR fine'}",
    "return {double=3.5}",
    "return {map={a=1}}",
    "return {set={a=true}}",
    "return {big_number='123'}",
    "return {verbatim_string={string='x',format='txt'}}",
    "return {a=1}",
    "return redis.error_reply('x')",
    "return redis.error_reply('ERR x')",
    "return redis.error_reply()",
    "return redis.status_reply('x')",
    "return redis.status_reply(1)",
    "return redis.sha1hex('')",
    "return redis.sha1hex()",
    "return redis.sha1hex(1,2)",
    "return function() end",
    "return coroutine.create(function() end)",
    "local function f() error('deep') end f()",
    "local function f() return f()+1 end return f()",
    "return redis.log(1)",
    "return redis.log(redis.LOG_WARNING,'x')",
    "return redis.log(9,'x')",
    "return redis.setresp(4)",
    "return redis.setresp(3)",
    "return redis.set_repl(9)",
    "return redis.set_repl(redis.REPL_ALL)",
    "return redis.breakpoint()",
    "return redis.debug(1)",
    "return tostring(redis.replicate_commands())",
    "return redis.acl_check_cmd('set','x')",
    "return tostring(redis.acl_check_cmd('set','x',1))",
    "return redis.acl_check_cmd()",
    "return redis.register_function('x')",
    "return print",
    "return loadstring('return 1')()",
    "return getfenv",
    "syntax error here",
    "return redis.call('eval','return 1',0)",
    "local function f() return redis.call('incr','s') end return f()",
    "return #{redis.call('set','a','b'),redis.call('get','a')}",
    "return {redis.call('set','a','b'),redis.call('get','a'),redis.call('get','none')}",
    "return tostring(redis.call('get','none'))",
    "return redis.call('select',1)",
    "return redis.call('get','a')",
    "redis.call('set','a\\n','b') error('a\\nb')",
    "return unpack({1,2,3})",
    "return select('#',1)",
    "return #KEYS",
    "KEYS[1]='z' return KEYS[1]",
    "KEYS=1",
    "return redis.call('PING')",
    "return {1,{2,{3,'x'}}}",
    "return math.huge",
    "return 9007199254740993",
    "return ''..1e15",
    "return tostring(12345678901234567890)",
    "return redis.call('set','k',1.5) and redis.call('get','k')",
    "return redis.call('set','k',1e20) and redis.call('get','k')",
    "return redis.call('set','k',100000000000000000) and redis.call('get','k')",
    "return debug",
    "return require",
    "return _VERSION",
    "return xpcall(function() error('x') end, function(e) return e end)",
    "return redis.REPL_ALL",
    "return loadstring('x x')",
    "return redis.call('get','a',nil)",
    "return #arg",
    "return ...",
    "return _G.foo",
    "return rawget(_G,'foo')",
    "return tostring(rawget(_G,'redis')~=nil)",
    "local n=0 for k in pairs(redis) do n=n+1 end return n",
    "local a,b=loadstring('x x') return b",
    "local a,b=loadstring('x x','=nm') return b",
    "local a,b=pcall(function() error({err='A b'}) end) return type(b)..tostring(b)",
    "local a,b=pcall(function() error({x=1}) end) return type(b)",
    "local a,b=xpcall(function() error('x') end, function(e) return e end) return b",
    "local a,b=xpcall(function() redis.call('incr','s') end, function(e) return type(e) end) return b",
    "return redis.status_reply('a\\r\\nb')",
    "return {err='a\\r\\nb'}",
    "return {ok='a\\r\\nb'}",
    "return {err=''}",
    "return {err='x y z',ok='d'}",
    "return {map={a={map={b=1}}}}",
    "return {{},{1}}",
    "local t={1,2} t[4]=4 return t",
    "return {1,{err='inner'},2}",
    "return {double='x'}",
    "return redis.pcall('nosuch')",
    "return redis.pcall()",
    "redis.setresp(3) return redis.call('hgetall','nohash')",
    "redis.call('hset','h','a','1') redis.setresp(3) local t=redis.call('hgetall','h') return t.map.a",
    "redis.setresp(3) local t=redis.call('smembers','nos') local r={} for k,v in pairs(t) do r[#r+1]=k..type(v) end return r",
    "redis.setresp(3) return type(redis.call('get','none'))",
    "redis.setresp(3) redis.call('zadd','zz',1.5,'m') local t=redis.call('zscore','zz','m') local r={} for k,v in pairs(t) do r[#r+1]=k..tostring(v) end return r",
    "return redis.call('zscore','zz','m')",
    "return tostring(redis.call('set','q','1','nx','get'))",
    "return redis.call('object','help')[1]",
    "return redis.error_reply('')",
    "return redis.error_reply('-x')",
    "return redis.error_reply('a b')",
    "return redis.error_reply('-ERR b')",
    "return redis.status_reply('')",
    "return redis.call('acl','whoami')",
    "return redis.call('latency','latest')",
    "return redis.call('randomkey')~=false",
    "return redis.call('debug','sleep',0)",
    "return redis.call('role')",
    "return redis.call('pubsub','numpat')",
    "return redis.call('flushall')",
    "return redis.call('swapdb',0,1)",
    "return redis.call('shutdown')",
    "return redis.call('hello')",
    "return redis.call('reset')",
    "return redis.call('quit')",
    "return redis.call('auth','x')",
    "return redis.call('monitor')",
    "return redis.call('watch','x')",
    "return redis.call('echo','x')",
    "return redis.call('keys','*')",
    "return redis.call('bgsave')",
    "return redis.call('config','resetstat')",
    "return {set={a=true,b=1}}",
    "redis.setresp(3) return true",
    "redis.setresp(3) return redis.call('hgetall','h')",
    "redis.setresp(3) return redis.call('zscore','zz','m')",
    "return redis.call('hgetall','h')",
    "redis.setresp(3) return redis.call('get','none')",
    "redis.setresp(3) return false",
    "redis.setresp(3) return nil",
    "return {math.randomseed(5),math.random(1000),math.random(5,10),math.random(-3,7)}",
    "math.randomseed(7) return tostring(math.random())",
    "return redis.call('set',KEYS[1],'x')",
    "return table.concat(ARGV,',')..#KEYS",
    "local t={} for i=1,100 do t[i]=i end return t",
    "return redis.call('mset',unpack({'a','1','b','2'}))",
    "return redis.pcall('set','a')",
    "local n=0 for w in string.gmatch('a bc d','%a+') do n=n+#w end return n",
    "return string.format('%5.1f|%q|%s',1.25,'a\"b','c')",
    "return tonumber('0x10')+tonumber('7',8)",
    "return ('x'):rep(3)..('Y'):lower()..#'abc'",
    "return {redis.call('rpush','l',1,2,3),redis.call('lrange','l',0,-1),redis.call('llen','l')}",
    "redis.call('select',2) redis.call('set','there','1') return redis.call('get','there')",
    "return redis.call('get','there')",
    "return redis.call('GeT','a')",
    "return pcall(function() error('e',0) end)",
    "local ok,e=pcall(function() error('e',0) end) return e",
    "local ok,e=pcall(error) return tostring(e)",
    "return select(2,pcall(redis.call,'get'))",
    "local co=coroutine.wrap(function(a) local b=coroutine.yield(a+1) return b*2 end) return {co(1),co(5)}",
    "local co=coroutine.create(function() error('in it') end) return {coroutine.resume(co)}",
    "goto x",
    "return 5 // 2",
    "local a <const> = 1",
    "for i=1,3 do local x=i end return x",
    "return {1.5,'1.5',-0,2^53,2^63,-2^63}",
    "return {true,false,nil,1}",
    "return {{true},{false},{ok='in'},{}}",
    "return {[1]='a',[2]='b',x='c'}",
    "return setmetatable({1,2},{__index=function() return 'z' end})",
    "return setmetatable({},{__index=function(t,k) if k<4 then return k end end})",
    "return tostring(setmetatable({},{__tostring=function() return 'named' end}))",
    "redis.setresp(3) return {redis.call('get','nokey'),1}",
    "redis.setresp(3) return {redis.call('hgetall','h'),redis.call('smembers','nosuch')}",
    "redis.setresp(3) return {map={a=1},double=2}",
    "redis.setresp(3) return redis.call('zrange','zz',0,-1,'withscores')",
    "return {map={[1]='a'}}",
    "return {set={a=false}}",
    "return {verbatim_string={string='x'}}",
    "return {verbatim_string={string='x',format='longer'}}",
    "return {big_number='12\\r\\n3'}",
    "return {double=1/0}",
    "return {double=-1/0}",
    "return {err='MYERR with text'}",
    "return redis.error_reply('MYERR with text')",
    "error(redis.error_reply('MYERR with text'))",
    "error(redis.pcall('get'))",
    "error('no position',0)",
    "error(string.rep('long ',700))",
    "error('level two',2)",
    "\n\n  error('third line')",
    "local function f()\n error('in f')\nend\nf()",
    "return nosuch()",
    "local t=nil return t.x",
    "return 1+{}",
    "return 'a'+1",
    "return #5",
    "return {} < {}",
    "return ('x').y.z",
    "string.rep()",
    "return string.rep('x',-1)",
    "return redis.call('expire','a',100) and redis.call('ttl','a')",
    "return redis.call('incrby','n',9007199254740992)",
    "return redis.call('incrbyfloat','f','1.5')",
    "return redis.sha1hex('abc')",
    "return redis.sha1hex(12)",
    "return type(redis.call('time')[1])",
    "redis.call('set','e','1','px','1') for i=1,300000 do end return redis.call('get','e')",
    "return redis.call('eval_ro','return 1',0)",
    "return 'a\\0b'",
    "return #'a\\0b'",
    "return redis.call('set','bin\\0key','v\\0')",
    "return redis.call('get','bin\\0key')",
    "return tostring(1e100)",
    "return tostring(0.1)",
    "return 0.1+0.2 == 0.3",
    "",
    " ",
    "-- a comment",
    "return",
    "return 1,2,3",
)
"""Each runs with the keys k1 and k2 and the arguments a1 and a2."""

CALLS = (
    ("EVAL", "return 1"),
    ("EVAL", "return 1", "x"),
    ("EVAL", "return 1", "-1"),
    ("EVAL", "return 1", "2", "a"),
    ("EVAL", "return 1", "9999999999999999999"),
    ("EVAL", "return {#KEYS,#ARGV}", "1", "a", "b", "c"),
    ("EVALSHA", "x", "0"),
    ("EVALSHA", "ffffffffffffffffffffffffffffffffffffffff", "0"),
    ("EVALSHA", "zfffffffffffffffffffffffffffffffffffffff", "0"),
    ("EVAL", "return 1", "0"),
    ("EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"),
    ("EVALSHA", "E0E1F9FABFC9D4800C877A703B823AC0578FF8DB", "0"),
    ("EVALSHA_RO", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"),
    ("EVAL_RO", "return redis.call('set','x','1')", "0"),
    ("EVAL_RO", "return redis.call('get','x')", "1", "x"),
    ("EVAL_RO", "return redis.call('publish','x','m')", "0"),
    ("EVAL", "#!lua\nreturn 1", "0"),
    ("EVAL", "#!lua flags=no-writes\nreturn redis.call('set','a','b')", "0"),
    ("EVAL", "#!lua flags=no-writes,allow-oom,allow-stale,no-cluster,allow-cross-slot-keys\nreturn 1", "0"),
    ("EVAL", "#!lua flags=nosuch\nreturn 1", "0"),
    ("EVAL", "#!lua flags=\nreturn 1", "0"),
    ("EVAL", "#!js\nreturn 1", "0"),
    ("EVAL", "#!lua name=x\nreturn 1", "0"),
    ("EVAL", "#!lua", "0"),
    ("EVAL", "#!", "0"),
    ("EVAL", "#!lua foo\nreturn 1", "0"),
    ("EVAL_RO", "#!lua\nreturn 1", "0"),
    ("EVAL_RO", "#!lua flags=no-writes\nreturn 1", "0"),
    ("EVAL", "#!lua flags=no-writes\nerror('x')", "0"),
    ("EVAL", "#!lua\n\nreturn nosuch", "0"),
    ("EVAL", "# a line\nreturn 1", "0"),
)


class ScriptTests(SynchronousTestCase):
    """Both servers are fresh, and get the same calls."""

    def setUp(self) -> None:
        ours = servers.redistill()
        self.addCleanup(ours.stop)
        theirs = servers.redis_server()
        self.addCleanup(theirs.stop)
        self.peers = WirePeer(ours), WirePeer(theirs)

    def both(self, protocol: int) -> list[Conversation]:
        clients = [peer.open() for peer in self.peers]
        for client in clients:
            self.addCleanup(client.close)
            ask(client, "HELLO", protocol)
            ask(client, "FLUSHALL")
            ask(client, "SET", "s", "x")
        return clients

    def compare(self, protocol: int, calls: list[tuple[str | int, ...]]) -> None:
        ours, theirs = self.both(protocol)
        for call in calls:
            wanted, got = ask(theirs, *call), ask(ours, *call)
            self.assertNotEqual(wanted, CLOSED, call)
            self.assertEqual(got, wanted, call)

    def test_resp2(self) -> None:
        """The replies of scripts are redis-server's."""
        self.compare(2, [("EVAL", script, 2, "k1", "k2", "a1", "a2") for script in SCRIPTS])

    def test_resp3(self) -> None:
        """So are those to clients of RESP3."""
        self.compare(3, [("EVAL", script, 2, "k1", "k2", "a1", "a2") for script in SCRIPTS])

    def test_calls(self) -> None:
        """Arguments that are wrong, scripts by their SHA-1, and first lines with flags get the same answers."""
        self.compare(2, list(CALLS))

    def test_transactions(self) -> None:
        """A script runs in a transaction, and touches what a client watches."""
        for protocol in (2, 3):
            calls: list[tuple[str | int, ...]] = [
                ("MULTI",),
                ("EVAL", "return redis.call('incr',KEYS[1])", 1, "n"),
                ("GET", "n"),
                ("EVAL", "return redis.call('incr','elsewhere')", 0),
                ("EVAL", "error('no')", 0),
                ("EXEC",),
                ("WATCH", "n"),
                ("EVAL", "return redis.call('incr','n')", 0),
                ("MULTI",),
                ("PING",),
                ("EXEC",),
                ("GET", "elsewhere"),
            ]
            self.compare(protocol, calls)

    def test_repeated(self) -> None:
        """A script that strays from its keys, at its first run or later, does what one does that names them all."""
        script = """if ARGV[1]=='stray' then redis.call('incr','other') end
            redis.call('incr',KEYS[1])
            if ARGV[2]=='late' then redis.call('incr','another') end
            return {redis.call('get',KEYS[1]),redis.call('get','other'),redis.call('get','another')}"""
        calls: list[tuple[str | int, ...]] = []
        for words in (("", ""), ("", ""), ("", "late"), ("", ""), ("stray", ""), ("", "late"), ("stray", "late")):
            calls += [("EVAL", script, 1, "mine", *words), ("EVAL", script + " ", 1, "mine", *reversed(words))]
        self.compare(2, calls)
