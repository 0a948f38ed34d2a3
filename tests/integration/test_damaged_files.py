"""redistill load of RDB files of Redis 7.0 and Valkey 9 that are damaged, and have no checksum that would tell."""

from __future__ import annotations

import os
import random
from pathlib import Path

from redistill.transfer.input import Input
from redistill.transfer.load import Load, Options
from redistill.transfer.peer import Peer
from redistill.transfer.rdb import RdbSource
from redistill.transfer.records import BadSource
from redistill.transfer.signals import Signals

from . import servers
from .test_transfer import CONFIG, FAR, Case, client, collections

FILES = 250


class DamagedFilesTests(Case):
    """Every type, small and large, with bytes that are changed, removed or doubled."""

    def load(self, data: bytes, into: servers.Server) -> tuple[str, list[str]]:
        """The error that ended the load, if any, and the errors of single keys."""
        path, complaints, problem = self.place / "damaged.rdb", list[str](), ""
        path.write_bytes(data)
        target = client(into, single_connection_client=True)
        fd = os.open(path, os.O_RDONLY)
        try:
            Load(RdbSource(Input(fd, "FILE")), Peer(target), Options(replace=True), None, complaints.append).run(
                Signals()
            )
        except BadSource as bad:
            problem = str(bad)
        finally:
            os.close(fd)
            target.close()
        return problem, complaints

    def check(self, whole: bytes, kinds: int) -> None:
        """Whatever the damage, each error has its offset, and what was loaded is well-formed."""
        ours = self.ours(CONFIG + '[security]\nenable_debug_command = "yes"\n')
        self.assertEqual(self.load(whole, ours), ("", []))
        self.assertEqual(client(ours).dbsize(), kinds)
        chance, refused, single = random.Random(9), 0, 0
        for _ in range(FILES):
            data = bytearray(whole[:-8] + bytes(8))
            for _ in range(chance.choice((1, 1, 1, 2, 5))):
                at = chance.randrange(9, len(data) - 8)
                how = chance.randrange(4)
                if how == 0:
                    del data[at : at + chance.choice((1, 1, 8))]
                elif how == 1:
                    data[at:at] = data[at : at + chance.choice((1, 1, 8))]
                else:
                    data[at] = chance.choice((data[at] ^ 1 << chance.randrange(8), 0, 255, chance.randrange(256)))
            client(ours).flushall()
            problem, complaints = self.load(bytes(data), ours)
            if problem:
                self.assertRegex(problem, r"^FILE: offset \d+: ")
            for line in complaints:
                self.assertRegex(line, r'^offset \d+: "|^further errors')
            refused, single = refused + bool(problem), single + bool(complaints)
        self.assertGreater(min(refused, single), FILES // 20)
        self.assertTrue(client(ours).execute_command("DEBUG", "CHECK"))

    def test_redis(self) -> None:
        """A file of redis-server 7.0."""
        theirs = self.redis()
        collections(client(theirs))
        self.check(Path(self.saved(theirs)).read_bytes(), 9)

    def test_valkey(self) -> None:
        """A file of Valkey 9, with fields that expire."""
        theirs = self.valkey()
        collections(client(theirs))
        for key, field in (("h", "a"), ("bigh", "f5")):
            client(theirs).execute_command("HPEXPIREAT", key, FAR, "FIELDS", 1, field)
        whole = Path(self.saved(theirs)).read_bytes()
        self.assertEqual(whole[:9], b"VALKEY080")
        self.check(whole, 9)
