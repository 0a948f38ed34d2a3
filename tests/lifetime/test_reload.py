"""A reload of the configuration."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from redistill.base.failures import Refused
from redistill.config.config import Config
from redistill.config.errors import ConfigError
from redistill.config.settings import Value
from redistill.lifetime.reload import Reload, differences


class ReloadTests(SynchronousTestCase):
    """Reload"""

    def setUp(self) -> None:
        self.running = Config()
        self.file: Config | Exception = Config()
        self.log: list[object] = []
        self.replacing: Deferred[None] = Deferred()
        self.refusal: Exception | None = None
        self.reload = Reload(self.read, lambda: self.running, self.change, self.replace)
        self.reload.began = lambda: self.log.append("began")
        self.reload.ended = lambda: self.log.append("ended")

    def read(self) -> Config:
        if isinstance(self.file, Exception):
            raise self.file
        return self.file

    def change(self, changes: Mapping[str, Value]) -> None:
        if self.refusal:
            raise self.refusal
        self.log.append(dict(changes))

    def replace(self) -> Deferred[None]:
        self.log.append("replace")
        return self.replacing

    def test_reload(self) -> None:
        """Settings that can change do, then the workers are replaced; the end is reported after that."""
        self.file = Config().replace({"server.max_connections": 5, "server.num_shards": 8})
        self.reload.reload()
        self.assertEqual(self.log, ["began", {"server.max_connections": 5}, "replace"])
        self.replacing.callback(None)
        self.assertEqual(self.log[3:], ["ended"])

    def test_unusable_file(self) -> None:
        """A file that cannot be used, or settings that cannot be had, change nothing and replace nobody."""
        self.file = ConfigError("no")
        self.reload.reload()
        self.file, self.refusal = Config(), Refused("maxclients", "no")
        self.reload.reload()
        self.assertEqual(self.log, ["began", "ended"] * 2)

    def test_problem(self) -> None:
        """Why a reload was refused is known until the next one, whatever else ends meanwhile."""
        self.reload.ended = lambda: self.log.append(self.reload.problem)
        self.replacing.callback(None)
        self.file = ConfigError("no")
        self.reload.reload()
        self.reload.renew({"files": "new"})
        self.file = ZeroDivisionError()
        self.reload.reload()
        self.file = Config()
        self.reload.reload()
        said = [one for one in self.log if one not in ("began", "replace") and isinstance(one, str)]
        self.assertEqual(said, ["no", "no", "internal error", ""])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_renewal(self) -> None:
        """A renewal changes the settings that were read, and replaces no worker; a reload asked for meanwhile follows."""
        changing: Deferred[None] = Deferred()
        self.patch(self.reload, "_change", lambda changes: self.log.append(changes) or changing)
        self.reload.renew({"files": "new"})
        self.assertEqual((self.log, self.reload.busy), (["began", {"files": "new"}], True))
        self.reload.reload()
        changing.callback(None)
        self.assertEqual(self.log[2:], ["ended", "began", {}, "replace"])

    def test_failing_renewal(self) -> None:
        """A mistake in it is logged, and it ends; so is what is refused."""
        self.refusal = ZeroDivisionError()
        self.reload.renew({"files": "new"})
        self.refusal = Refused("tls-cert-file", "no")
        self.reload.renew({"files": "new"})
        self.assertEqual((self.log, self.reload.busy), (["began", "ended"] * 2, False))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_again_meanwhile(self) -> None:
        """A reload that is asked for during another one, even twice, follows it once."""
        for _ in range(3):
            self.reload.reload()
        self.assertEqual(self.log, ["began", {}, "replace"])
        first, self.replacing = self.replacing, Deferred()
        first.callback(None)
        self.assertEqual(self.log, ["began", {}, "replace", "ended", "began", {}, "replace"])
        self.replacing.callback(None)
        self.assertEqual(self.log[7:], ["ended"])

    def test_mistake(self) -> None:
        """A mistake of ours is logged, and the next reload can come."""
        self.refusal = ZeroDivisionError()
        self.reload.reload()
        self.assertEqual((self.log, len(self.flushLoggedErrors(ZeroDivisionError))), (["began", "ended"], 1))

    def test_differences(self) -> None:
        """Settings that differ are those that can change at run time, and the names of the others."""
        read = Config().replace({"server.unix_socket": "/s", "memory.max_memory": 2**30, "server.num_shards": 8})
        self.assertEqual(
            differences(Config(), read), ({"memory.max_memory": 2**30}, ["server.unix_socket", "server.num_shards"])
        )
        self.assertEqual(differences(read, read), ({}, []))
