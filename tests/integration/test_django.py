"""Django's own RedisCache: every method, with versions, timeouts and key prefixes."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from . import servers


class RedisCacheTests(SynchronousTestCase):
    """django.core.cache.backends.redis.RedisCache."""

    def setUp(self) -> None:
        try:
            from django.conf import settings
            from django.core.cache.backends.redis import RedisCache
        except ImportError:
            servers.missing("Django is not installed; it comes from PyPI")
        if not settings.configured:
            settings.configure()
        self.server = servers.shared("ours")
        self.make: Any = RedisCache
        self.cache = self.new()
        self.cache.clear()

    def new(self, **params: Any) -> Any:
        """A cache on the shared server."""
        return self.make(f"redis://127.0.0.1:{self.server.port}", params)

    def ttl(self, key: str) -> int:
        """The seconds that a key has left, as the server says."""
        return int(self.cache._cache.get_client().ttl(self.cache.make_key(key)))

    def test_values(self) -> None:
        """A stored value is read back: numbers, text, bytes, objects, None."""
        for value in (1, -5, 1 << 70, 1.5, "text", b"\x00\xff", {"a": [1, (2, 3)]}, None, True, ""):
            self.cache.set("k", value)
            self.assertEqual(self.cache.get("k", "default"), value)
        self.assertEqual(self.cache.get("none"), None)
        self.assertEqual(self.cache.get("none", 5), 5)

    def test_add_and_delete(self) -> None:
        """add does not overwrite; delete says whether there was something."""
        self.assertEqual([self.cache.add("k", 1), self.cache.add("k", 2), self.cache.get("k")], [True, False, 1])
        self.assertEqual([self.cache.delete("k"), self.cache.delete("k"), self.cache.get("k")], [True, False, None])
        self.assertTrue(self.cache.add("k", 3))

    def test_many(self) -> None:
        """set_many (MULTI), get_many, delete_many."""
        data = {f"k{n}": n for n in range(100)}
        self.assertEqual(self.cache.set_many(data, timeout=100), [])
        self.assertEqual(self.cache.get_many([*data, "none"]), data)
        self.assertTrue(95 < self.ttl("k7") <= 100)
        self.cache.delete_many([f"k{n}" for n in range(50)])
        self.assertEqual(len(self.cache.get_many(data)), 50)
        self.cache.set_many({"a": 1}, timeout=None)
        self.assertEqual(self.ttl("a"), -1)
        self.cache.set_many({"a": 1, "b": 2}, timeout=0)
        self.assertEqual(self.cache.get_many(["a", "b"]), {})
        self.assertEqual([self.cache.set_many({}), self.cache.get_many([])], [[], {}])

    def test_counting(self) -> None:
        """incr and decr, by more than one, with the error for a key that is not there, and without touching the TTL."""
        self.cache.set("n", 10, timeout=100)
        self.assertEqual(
            [self.cache.incr("n"), self.cache.incr("n", 10), self.cache.decr("n"), self.cache.decr("n", 5)],
            [11, 21, 20, 15],
        )
        self.assertTrue(95 < self.ttl("n") <= 100)
        self.assertRaises(ValueError, self.cache.incr, "none")
        self.assertRaises(ValueError, self.cache.decr, "none")

    def test_timeouts(self) -> None:
        """Seconds, None for ever, 0 and less for not at all, the default of 300."""
        self.cache.set("k", 1)
        self.assertTrue(295 < self.ttl("k") <= 300)
        self.cache.set("k", 1, timeout=None)
        self.assertEqual(self.ttl("k"), -1)
        for timeout in (0, -1):
            self.cache.set("k", 1, timeout=timeout)
            self.assertIsNone(self.cache.get("k"))
        self.assertFalse(self.cache.has_key("k"))
        self.assertTrue(self.cache.add("k", 1, timeout=0))
        self.assertIsNone(self.cache.get("k"))

    def test_touch(self) -> None:
        """touch gives a new timeout, None removes it, 0 deletes; it says whether the key was there."""
        self.cache.set("k", 1, timeout=10)
        self.assertTrue(self.cache.touch("k", 1000))
        self.assertTrue(990 < self.ttl("k") <= 1000)
        self.assertTrue(self.cache.touch("k", None))
        self.assertEqual(self.ttl("k"), -1)
        self.assertTrue(self.cache.touch("k", 0))
        self.assertEqual([self.cache.get("k"), self.cache.touch("k", 10)], [None, False])

    def test_has_key(self) -> None:
        """has_key and `in`."""
        self.cache.set("k", None)
        self.assertEqual([self.cache.has_key("k"), "k" in self.cache, "none" in self.cache], [True, True, False])

    def test_versions_and_prefixes(self) -> None:
        """A name in another version or under another prefix is another key."""
        self.cache.set("k", 1)
        self.cache.set("k", 2, version=2)
        other = self.new(KEY_PREFIX="other")
        self.assertEqual([self.cache.get("k"), self.cache.get("k", version=2), other.get("k")], [1, 2, None])
        self.assertEqual(self.cache.incr_version("k"), 2)
        self.assertEqual([self.cache.get("k"), self.cache.get("k", version=2)], [None, 1])
        self.assertEqual(self.cache.decr_version("k", version=2), 1)

    def test_get_or_set(self) -> None:
        """The default is kept, and not computed again."""
        calls: list[int] = []
        for _ in range(2):
            self.assertEqual(self.cache.get_or_set("k", lambda: calls.append(1) or "made", timeout=100), "made")
        self.assertEqual(calls, [1])

    def test_clear(self) -> None:
        """clear empties the cache's database."""
        self.cache.set_many({"a": 1, "b": 2})
        self.assertTrue(self.cache.clear())
        self.assertEqual(self.cache.get_many(["a", "b"]), {})

    def test_database_and_resp2(self) -> None:
        """LOCATION with a database, and options that reach redis-py."""
        cache = self.make(f"redis://127.0.0.1:{self.server.port}/5", {"OPTIONS": {"protocol": 2}})
        cache.set("k", "five")
        self.assertEqual([cache.get("k"), self.cache.get("k")], ["five", None])
        cache.clear()

    def test_a_cached_session(self) -> None:
        """Django's cache-backed sessions: a value that is read, written and deleted under one key."""
        self.cache.set("session", {"user": 1}, timeout=1209600)
        session = self.cache.get("session")
        session["cart"] = [1, 2, 3]
        self.cache.set("session", session, timeout=1209600)
        self.assertEqual(self.cache.get("session"), {"user": 1, "cart": [1, 2, 3]})
        self.cache.delete("session")
        self.assertNotIn("session", self.cache)
