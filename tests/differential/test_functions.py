"""FUNCTION and FCALL beside redis-server: loading, calling, listing, and the words for what is wrong."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

from .peers import WirePeer, ask
from .replies import CLOSED

REFUSED = (
    "",
    "x",
    "#!lua",
    "#!lua\nx",
    "#!js name=a\nx",
    "#!lua name=a name=b\nx",
    "#!lua foo=a\nx",
    "#!lua name=a-b\nx",
    "#!lua name=\nx",
    "#!lua name=a\nx y",
    "#!lua name=a\nreturn 1",
    "#!lua name=a\nx=1",
    "#!lua name=a\nreturn nosuch",
    '#!lua name=a\nredis.call("get","x")',
    "#!lua name=a\nredis.register_function()",
    "#!lua name=a\nredis.register_function(1,2,3)",
    '#!lua name=a\nredis.register_function("a")',
    '#!lua name=a\nredis.register_function("a b",function() end)',
    '#!lua name=a\nredis.register_function("",function() end)',
    '#!lua name=a\nredis.register_function("f",1)',
    "#!lua name=a\nredis.register_function(function() end,function() end)",
    '#!lua name=a\nredis.register_function({function_name="f"})',
    "#!lua name=a\nredis.register_function({callback=function() end})",
    '#!lua name=a\nredis.register_function({function_name="f",callback=1})',
    "#!lua name=a\nredis.register_function({function_name={},callback=function() end})",
    '#!lua name=a\nredis.register_function({function_name="f",callback=function() end,flags={"x"}})',
    '#!lua name=a\nredis.register_function({function_name="f",callback=function() end,flags=1})',
    '#!lua name=a\nredis.register_function({function_name="f",callback=function() end,foo=1})',
    '#!lua name=a\nredis.register_function({function_name="f",callback=function() end,description={}})',
    "#!lua name=a\nredis.register_function({1,2})",
    '#!lua name=a\nlocal f=function() end redis.register_function("f",f) redis.register_function("f",f)',
)
"""Libraries that cannot be loaded."""

LIBRARY = """#!lua name=first
local calls = 0
redis.register_function('echo', function(keys, args) return {#keys, keys, args} end)
redis.register_function('set', function(keys, args) return redis.call('set', keys[1], args[1]) end)
redis.register_function{function_name='get', callback=function(keys) return redis.call('get', keys[1]) end,
  flags={'no-writes'}, description='reads a key'}
redis.register_function{function_name='lies', callback=function(keys) return redis.call('del', keys[1]) end,
  flags={'no-writes','allow-oom'}}
redis.register_function('again', function() redis.register_function('z', function() end) end)
redis.register_function('fails', function() error('boo') end)
redis.register_function('keys', function() return KEYS end)
redis.register_function('argv', function() return ARGV end)
redis.register_function('counts', function() calls = calls + 1 return calls end)
redis.register_function('global', function() x = 1 end)
redis.register_function('bad', function() return redis.call('nosuch') end)
redis.register_function('table', function() return {map={a=1}} end)
redis.register_function('three', function() redis.setresp(3) return redis.call('hgetall', 'nohash') end)
redis.register_function('strays', function(keys) return redis.call('incr', 'another') end)
"""

CALLS: tuple[tuple[str, ...], ...] = (
    ("EVAL", "return KEYS[1]", "1", "k"),
    *(("FUNCTION", "LOAD", text) for text in REFUSED),
    ("FUNCTION", "STATS"),
    ("FUNCTION", "LIST"),
    ("FUNCTION", "LOAD", LIBRARY),
    ("FUNCTION", "LOAD", LIBRARY),
    ("FUNCTION", "LOAD", "nosuch", LIBRARY),
    ("FUNCTION", "LOAD", "REPLACE", "#!lua name=second\nredis.register_function('echo',function() end)"),
    ("FUNCTION", "LOAD", "#!lua name=second\nredis.register_function('two',function() return 2 end)"),
    ("FCALL", "echo", "1", "a", "b", "c"),
    ("FCALL", "echo", "0"),
    ("FCALL", "two", "0"),
    ("FCALL", "set", "1", "k", "v"),
    ("FCALL", "get", "1", "k"),
    ("FCALL_RO", "get", "1", "k"),
    ("FCALL_RO", "set", "1", "k", "v"),
    ("FCALL", "lies", "1", "k"),
    ("FCALL_RO", "lies", "1", "k"),
    ("FCALL", "again", "0"),
    ("FCALL", "fails", "0"),
    ("FCALL", "keys", "1", "k"),
    ("FCALL", "argv", "0"),
    ("FCALL", "counts", "0"),
    ("FCALL", "counts", "0"),
    ("FCALL", "global", "0"),
    ("FCALL", "bad", "0"),
    ("FCALL", "table", "0"),
    ("FCALL", "three", "0"),
    ("FCALL", "strays", "1", "k"),
    ("FCALL", "strays", "1", "k"),
    ("FCALL", "nosuch", "0"),
    ("FCALL", "nosuch", "x"),
    ("FCALL", "echo", "x"),
    ("FCALL", "echo", "-1"),
    ("FCALL", "echo", "2", "a"),
    ("FCALL", "echo"),
    ("EVAL", "return redis.call('fcall','echo',0)", "0"),
    ("EVAL", "return redis.call('function','stats')", "0"),
    ("FUNCTION", "LIST", "LIBRARYNAME", "SEC*", "WITHCODE"),
    ("FUNCTION", "LIST", "WITHCODE", "LIBRARYNAME", "none"),
    ("FUNCTION", "LIST", "LIBRARYNAME"),
    ("FUNCTION", "LIST", "x"),
    ("FUNCTION", "LIST", "WITHCODE", "WITHCODE"),
    ("FUNCTION", "STATS"),
    ("FLUSHALL",),
    ("SCRIPT", "FLUSH"),
    ("FCALL", "two", "0"),
    ("FUNCTION", "LOAD", "REPLACE", "#!lua name=second\nredis.register_function('two',function() return 'new' end)"),
    ("FCALL", "two", "0"),
    ("FUNCTION", "LOAD", "REPLACE", "#!lua name=second\nredis.register_function('zwei',function() return 2 end)"),
    ("FCALL", "two", "0"),
    ("FCALL", "zwei", "0"),
    ("FUNCTION", "LOAD", "REPLACE", "#!lua name=second\nsyntax error"),
    ("FCALL", "zwei", "0"),
    ("FUNCTION", "DELETE", "nosuch"),
    ("FUNCTION", "DELETE", "second"),
    ("FUNCTION", "DELETE", "second"),
    ("FCALL", "zwei", "0"),
    ("MULTI",),
    ("FUNCTION", "LOAD", "#!lua name=second\nredis.register_function('two',function() return 2 end)"),
    ("FCALL", "two", "0"),
    ("FUNCTION", "DELETE", "second"),
    ("FCALL", "two", "0"),
    ("EXEC",),
    ("FUNCTION", "FLUSH", "x"),
    ("FUNCTION", "FLUSH", "SYNC", "x"),
    ("FUNCTION", "FLUSH", "ASYNC"),
    ("FUNCTION", "FLUSH"),
    ("FUNCTION", "STATS"),
    ("FUNCTION", "LIST"),
    ("FCALL", "echo", "0"),
    ("FUNCTION", "NOSUCH"),
    ("FUNCTION",),
)


class FunctionTests(SynchronousTestCase):
    """Both servers are fresh, and get the same calls."""

    def test_calls(self) -> None:
        """All replies are redis-server's, in both protocols."""
        ours = servers.redistill()
        self.addCleanup(ours.stop)
        theirs = servers.redis_server()
        self.addCleanup(theirs.stop)
        for protocol in (2, 3):
            clients = [WirePeer(server).open() for server in (ours, theirs)]
            for client in clients:
                self.addCleanup(client.close)
                ask(client, "HELLO", protocol)
                ask(client, "FLUSHALL")
            for call in CALLS:
                got, wanted = (ask(client, *call) for client in clients)
                self.assertNotEqual(wanted, CLOSED, call)
                self.assertEqual(got, wanted, call)
