"""Loading: batches, accounts, interruption and the state file; the server is played."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from redis import ConnectionError as Disconnected
from redis import ResponseError
from twisted.trial.unittest import SynchronousTestCase

from redistill.transfer import load as module
from redistill.transfer.commands import CommandSource, packed
from redistill.transfer.jsonlines import JsonSource
from redistill.transfer.load import Counts, Load, Options
from redistill.transfer.peer import BATCH_BYTES, Peer
from redistill.transfer.records import BadSource, Source
from redistill.transfer.signals import Interrupted, Signals
from redistill.transfer.state import State, default_path
from tests.transfer.files import VALUES, file_input, rdb, source, string


class PlayedConnection:
    """A connection of redis-py. It executes a few commands, and records all; `fail` is asked before each."""

    def __init__(self, fail: Callable[[list[bytes]], Exception | None] = lambda argv: None) -> None:
        self.keys: dict[tuple[int, bytes], bytes] = {}
        self.db = 0
        self.commands: list[list[bytes]] = []
        self.exchanges: list[int] = []
        self.replies: list[Any] = []
        self.fail = fail

    def send_packed_command(self, parts: Any, check_health: bool) -> None:
        data = b"".join(parts)
        self.exchanges.append(len(data))
        found = CommandSourceAll(data)
        for argv in found:
            self.commands.append(argv)
            self.replies.append(self.fail(argv) or self.execute(argv))

    def execute(self, argv: list[bytes]) -> Any:
        name, key = argv[0].upper(), (self.db, argv[1] if len(argv) > 1 else b"")
        if name == b"SELECT":
            self.db = int(argv[1])
        elif name == b"INCR":
            self.keys[key] = b"%d" % (int(self.keys.get(key, b"0")) + 1)
        elif name in (b"SET", b"RESTORE"):
            if key in self.keys and (b"NX" in argv[3:] or (name == b"RESTORE" and b"REPLACE" not in argv)):
                return None if name == b"SET" else ResponseError("BUSYKEY Target key name already exists.")
            self.keys[key] = argv[2]
        return b"OK"

    def read_response(self) -> Any:
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


def CommandSourceAll(data: bytes) -> list[list[bytes]]:
    """The words of RESP commands."""
    found, at = [], 0
    while at < len(data):
        end = data.index(b"\r\n", at)
        count, at, argv = int(data[at + 1 : end]), end + 2, []
        for _ in range(count):
            end = data.index(b"\r\n", at)
            length = int(data[at + 1 : end])
            argv.append(data[end + 2 : end + 2 + length])
            at = end + 4 + length
        found.append(argv)
    return found


class Case(SynchronousTestCase):
    """A load of a source to a played server."""

    def setUp(self) -> None:
        self.connection = PlayedConnection()
        self.complaints: list[str] = []
        self.path = Path(self.mktemp())

    def state(self, made: Source) -> State:
        return State(self.path, {"format": made.identity()["format"]})

    def load(self, made: Source, state: State | None = None, repeat: bool | None = None, **options: Any) -> Counts:
        """Load it; the counts."""
        self.connection.db = 0
        client = mock.Mock(connection=self.connection)
        run = Load(made, Peer(client), Options(**options), state, self.complaints.append)
        if state is not None and (before := state.read()) is not None:
            run.resume(before, repeat)
        with Signals() as signals:
            run.run(signals)
        return run.counts


class LoadTests(Case):
    """The commands that are sent."""

    def test_records(self) -> None:
        """Strings by SET and other types by RESTORE, with expiry, in their database; keys that exist are kept."""
        later = round(time.time() * 1000) + 60000
        expiry = b"\xfc" + later.to_bytes(8, "little")
        data = rdb(
            string(b"a", b"1"),
            b"\xfe\x02" + expiry + string(b"b", b"2"),
            expiry + b"\xf8\x05\x01\x01l" + VALUES[1],
            b"\xf9\x07\x02\x01s" + VALUES[2],
            b"\xfd\x01\x00\x00\x00" + string(b"old", b""),
        )
        counts = self.load(source(data))
        self.assertEqual(
            [argv[:3] + argv[4:] if argv[0] == b"RESTORE" else argv for argv in self.connection.commands],
            [
                [b"SET", b"a", b"1", b"NX"],
                [b"SELECT", b"2"],
                [b"SET", b"b", b"2", b"PXAT", b"%d" % later, b"NX"],
                [b"RESTORE", b"l", b"%d" % later, b"ABSTTL", b"IDLETIME", b"5"],
                [b"RESTORE", b"s", b"0", b"FREQ", b"7"],
            ],
        )
        self.assertEqual((dict(counts.loaded), counts.kept, counts.expired), ({"string": 2, "list": 1, "set": 1}, 0, 1))
        counts = self.load(source(data))
        self.assertEqual((dict(counts.loaded), counts.kept), ({}, 4))
        counts = self.load(source(data), replace=True)
        self.assertEqual((counts.loaded.total(), counts.kept), (4, 0))
        self.assertIn(b"REPLACE", self.connection.commands[-1])

    def test_choice(self) -> None:
        """Only keys that match, and only of the database."""
        data = rdb(string(b"ax", b""), string(b"b", b""), b"\xfe\x01" + string(b"ay", b""))
        counts = self.load(source(data), match=b"a*", db=1)
        self.assertEqual(list(self.connection.keys), [(1, b"ay")])
        self.assertEqual(counts.unmatched, 2)
        lines = b"SET ax 1\nSET b 1\nMSET b 1 az 2\nFLUSHALL\n"
        self.connection.commands.clear()
        counts = self.load(CommandSource(file_input(lines)), match=b"a*")
        self.assertEqual([argv[0] for argv in self.connection.commands], [b"SET", b"MSET"])
        self.assertEqual(counts.unmatched, 2)

    def test_refused(self) -> None:
        """Items that the server refuses are counted by type and reason, and named with their place; the rest is loaded."""
        self.connection.fail = lambda argv: ResponseError("Bad data format") if argv[0] == b"RESTORE" else None
        counts = self.load(source(rdb(b"\x01\x01l" + VALUES[1], string(b"a", b""), b"\x01\x01m" + VALUES[1])))
        self.assertEqual([(kind, n) for (kind, _), n in counts.failed.items()], [("list", 2)])
        self.assertEqual(counts.loaded["string"], 1)
        reason = "Bad data format (the value is damaged, or"
        self.assertTrue(self.complaints[0].startswith(f'offset 9: "l" (list): {reason}'))

    def test_refused_database(self) -> None:
        """Keys of a database that the server does not have go into no other."""
        self.connection.fail = lambda argv: ResponseError("DB index is out of range") if argv[0] == b"SELECT" else None
        big = b"\x00\x01B" + b"\x80\x00\x20\x00\x00" + bytes(2 << 20)
        counts = self.load(source(rdb(b"\xfe\x20", string(b"a", b"1"), big, b"\xfe\x00", string(b"b", b"2"))))
        self.assertEqual(self.connection.keys, {(0, b"b"): b"2"})
        self.assertEqual(list(counts.failed.items()), [(("string", "database 32: DB index is out of range"), 2)])
        self.assertEqual([argv[0] for argv in self.connection.commands], [b"SELECT", b"SET"])

    def test_errors_in_transaction(self) -> None:
        """Errors within the reply to EXEC count."""
        self.connection.fail = lambda argv: None
        replies = {b"EXEC": [b"OK", ResponseError("WRONGTYPE x")]}
        self.connection.execute = lambda argv: replies.get(argv[0], b"QUEUED")  # type: ignore[method-assign]
        counts = self.load(CommandSource(file_input(b"MULTI\nSET a 1\nHSET a f 1\nEXEC\n")))
        self.assertEqual(list(counts.failed.items()), [(("command", "WRONGTYPE x"), 1)])

    def test_batches_are_bounded(self) -> None:
        """Requests beyond the bound go alone; no batch before its replies is larger, so that nothing waits for ever."""
        lines = b"".join(b"SET k%d %s\n" % (n, b"x" * (n % 3000 + 1)) for n in range(500))
        big = packed((b"SET", b"big", bytes(3 << 20)))
        self.load(CommandSource(file_input(lines + big + lines)))
        self.assertEqual(len(self.connection.commands), 1001)
        self.assertEqual(sorted(n for n in self.connection.exchanges if n > BATCH_BYTES + 4000), [len(big)])
        self.assertLess(len(self.connection.exchanges), 80)

    def test_many_reasons(self) -> None:
        """Reasons that differ for each key do not grow the accounts."""
        self.connection.fail = lambda argv: ResponseError(f"no {argv[1]!r}")
        counts = self.load(CommandSource(file_input(b"".join(b"SET k%d 1\n" % n for n in range(300)))))
        self.assertEqual((counts.failed.total(), len(counts.failed)), (300, 101))
        self.assertEqual(counts.failed["command", "other reasons"], 200)

    def test_many_complaints(self) -> None:
        """Only some are shown."""
        self.connection.fail = lambda argv: ResponseError("no")
        counts = self.load(CommandSource(file_input(b"SET a 1\n" * 50)))
        self.assertEqual((counts.failed.total(), len(self.complaints)), (50, 21))

    def test_rate(self) -> None:
        """So many commands a second, in small batches."""
        slept: list[float] = []
        now = [0.0]

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            now[0] += seconds

        self.patch(module, "time", mock.Mock(sleep=sleep, monotonic=lambda: now[0]))
        self.load(CommandSource(file_input(b"SET a 1\n" * 100)), rate=50)
        self.assertEqual(len(self.connection.exchanges), 20)
        self.assertAlmostEqual(sum(slept), 1.9)

    def test_dry_run(self) -> None:
        """Counts, and needs no server."""
        run = Load(
            source(rdb(string(b"a", b""), b"\x01\x01l" + VALUES[1])), None, Options(), None, self.complaints.append
        )
        with Signals() as signals:
            run.run(signals)
        self.assertEqual(dict(run.counts.loaded), {"string": 1, "list": 1})


class ResumeTests(Case):
    """Interruption at any point, and going on: nothing is lost, and nothing is executed twice."""

    LINES = b"".join(b"INCR n%d\n" % (n % 7) for n in range(200))

    def interrupting(self, after: int, how: Callable[[], Exception | None]) -> None:
        """Something happens at a command."""
        left = [after]

        def fail(argv: Sequence[bytes]) -> Exception | None:
            left[0] -= 1
            return how() if left[0] == 0 else None

        self.connection.fail = fail

    def total(self) -> int:
        return sum(map(int, self.connection.keys.values()))

    def test_signal(self) -> None:
        """A signal during a batch waits for its replies; the next run begins behind it."""
        self.patch(module, "BATCH_COMMANDS", 16)
        for after in (1, 15, 16, 17, 100, 200):
            self.connection = PlayedConnection()
            made = CommandSource(file_input(self.LINES))
            self.interrupting(after, lambda: os.kill(os.getpid(), signal.SIGTERM))
            problem = self.assertRaises(Interrupted, self.load, made, self.state(made))
            self.assertEqual((problem.number, self.total()), (signal.SIGTERM, min(-(-after // 16) * 16, 200)))
            counts = self.load(CommandSource(file_input(self.LINES)), self.state(made))
            self.assertEqual((self.total(), counts.loaded["command"]), (200, 200))
            self.path.unlink()

    def test_lost_connection(self) -> None:
        """Commands without replies may have been executed: the user decides, unless they may be repeated."""
        self.patch(module, "BATCH_COMMANDS", 16)
        made = CommandSource(file_input(self.LINES))
        self.interrupting(20, lambda: Disconnected("gone"))
        self.assertRaises(Disconnected, self.load, made, self.state(made))
        self.connection.replies.clear()
        problem = self.assertRaises(BadSource, self.load, CommandSource(file_input(self.LINES)), self.state(made))
        self.assertIn("the commands from line 17 to line 32 were sent", str(problem))
        saved = self.path.read_bytes()
        self.load(CommandSource(file_input(self.LINES)), self.state(made), repeat=False)
        self.assertEqual(len(self.connection.commands), 200)
        self.path.write_bytes(saved)
        self.connection.commands.clear()
        self.load(CommandSource(file_input(self.LINES)), self.state(made), repeat=True)
        self.assertEqual(len(self.connection.commands), 200 - 16)
        self.path.unlink()

        lines = self.LINES.replace(b"INCR", b"SET").replace(b"\n", b" 1\n")
        made = CommandSource(file_input(lines))
        self.interrupting(20, lambda: Disconnected("gone"))
        self.assertRaises(Disconnected, self.load, made, self.state(made))
        self.connection.replies.clear()
        self.assertEqual(self.load(CommandSource(file_input(lines)), self.state(made)).loaded["command"], 200)

    def test_killed(self) -> None:
        """The state is written before commands that must not be repeated are sent: whatever ends the process, the
        next one knows."""
        self.patch(module, "BATCH_COMMANDS", 16)
        made = CommandSource(file_input(self.LINES))
        states: list[Any] = []
        self.connection.fail = lambda argv: states.append(json.loads(self.path.read_text())["unconfirmed"])
        self.load(made, self.state(made))
        self.assertEqual([one["first"] for one in states[::16]], [f"line {n}" for n in range(1, 200, 16)])

    def test_damaged_source(self) -> None:
        """Items read before an error are loaded, and the position is behind them."""
        lines = b"INCR n\n" * 5 + b'INCR "n\n'
        made = CommandSource(file_input(lines))
        self.assertRaises(BadSource, self.load, made, self.state(made))
        self.assertEqual(self.total(), 5)
        self.assertRaises(BadSource, self.load, CommandSource(file_input(lines)), self.state(made))
        self.assertEqual(self.total(), 5)

    def test_records(self) -> None:
        """For any source, the state has the position to go on from, and the counts."""
        self.patch(module, "BATCH_COMMANDS", 3)
        data = rdb(*(string(b"k%d" % n, b"v") for n in range(10)))
        lines = b"".join(b'{"key": "k%d", "value": ""}\n' % n for n in range(10))
        makers: tuple[Callable[[], Source], ...] = (lambda: source(data), lambda: JsonSource(file_input(lines)))
        for make in makers:
            self.connection = PlayedConnection()
            self.interrupting(5, lambda: os.kill(os.getpid(), signal.SIGINT))
            self.assertRaises(Interrupted, self.load, make(), self.state(make()))
            counts = self.load(make(), self.state(make()))
            self.assertEqual((counts.loaded["string"], counts.kept, len(self.connection.commands)), (10, 0, 10))
            self.path.unlink()

    def test_state_that_cannot_be_written(self) -> None:
        """The load goes on without, and says so once."""
        counts = self.load(CommandSource(file_input(self.LINES)), State(Path("/proc/nowhere/file"), {}))
        self.assertEqual(counts.loaded["command"], 200)
        self.assertEqual(len(self.complaints), 1)
        self.assertIn("the load cannot be resumed if it is interrupted", self.complaints[0])

    def test_ignored_hangup(self) -> None:
        """A load that nohup started goes on."""
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        self.interrupting(5, lambda: os.kill(os.getpid(), signal.SIGHUP))
        self.assertEqual(self.load(CommandSource(file_input(self.LINES))).loaded["command"], 200)

    def test_second_signal(self) -> None:
        """It does not wait for the replies."""
        made = CommandSource(file_input(self.LINES))

        def twice() -> None:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)

        self.interrupting(5, twice)
        self.assertRaises(Interrupted, self.load, made, self.state(made))
        self.assertIsNotNone(json.loads(self.path.read_text())["unconfirmed"])


class StateTests(SynchronousTestCase):
    """The state file."""

    def test_of_another_load(self) -> None:
        """It is refused, and what differs is named; so is a file that is none."""
        path = Path(self.mktemp())
        State(path, {"source": 1, "db": None}).write(position=5)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        found = State(path, {"source": 1, "db": None}).read()
        assert found is not None
        self.assertEqual(found["position"], 5)
        problem = self.assertRaises(BadSource, State(path, {"source": 2, "db": None}).read)
        self.assertIn("(its source differed)", str(problem))
        for content in ("", "[]", "{", '{"format": 2}'):
            path.write_text(content)
            self.assertRaises(BadSource, State(path, {}).read)
        path.unlink()
        self.assertIs(State(path, {}).read(), None)

    def test_default_path(self) -> None:
        """It differs for different loads."""
        self.patch(os, "environ", {"XDG_STATE_HOME": "/s"})
        one, two = default_path("a", {"b": 1}), default_path("a", {"b": 2})
        self.assertEqual(
            (str(one.parent), one == two, one == default_path("a", {"b": 1})), ("/s/redistill", False, True)
        )
