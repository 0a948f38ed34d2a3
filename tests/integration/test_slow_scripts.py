"""Scripts that run for long: others are served or get BUSY, and they can be ended."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import redis

from tests.integration import servers
from tests.integration.workers import OnWorkers, workers_of

FOR_EVER = "while true do end"
BUSY = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
KILLED = "Script killed by user with SCRIPT KILL..."


class Call(threading.Thread):
    """A command whose reply comes late."""

    def __init__(self, client: redis.Redis, *argv: str | int) -> None:
        super().__init__(daemon=True)
        self.client, self.argv = client, argv
        self.reply: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.reply = self.client.execute_command(*self.argv)
        except (redis.RedisError, OSError, ValueError) as error:  # the client may be closed meanwhile
            self.reply = error

    def ended(self) -> Any:
        """The reply, or the error."""
        self.join(20)
        return self.reply


class SlowScriptTests(OnWorkers):
    """Scripts that run for ever, for one worker and for two."""

    def begin(self, workers: int) -> tuple[servers.Server, dict[int, redis.Redis]]:
        """A server that answers BUSY soon, and a client on each worker."""
        server = self.start(workers)
        clients = self.on_each(server, workers)
        clients[0].config_set("busy-reply-threshold", 50, "shutdown-timeout", 1)
        clients[0].set("k", "v")
        return server, clients

    def error(self, client: redis.Redis, *argv: str | int) -> str:
        """The error that a command gets, or an empty text."""
        try:
            client.execute_command(*argv)
        except redis.ResponseError as error:
            return str(error)
        return ""

    def on_worker(self, server: servers.Server, number: int) -> redis.Redis:
        """One more client on a worker."""
        while True:
            client = self.client(server)
            if client.info("server")["worker_number"] == number:
                return client

    def test_a_script_that_never_ends_is_killed(self) -> None:
        """By a client of the same worker or of another; until then those who need its keys get BUSY, others replies."""
        for workers in (1, 2):
            server, clients = self.begin(workers)
            runner, other = self.on_worker(server, 0), clients[workers - 1]
            self.assertEqual(self.error(other, "SCRIPT", "KILL"), "NOTBUSY No scripts in execution right now.")
            call = Call(runner, "EVAL", FOR_EVER, 0)
            for client in clients.values():
                self.eventually(lambda client=client: self.error(client, "GET", "k") == BUSY, "it gets BUSY")
                self.assertTrue(client.ping())
                self.assertEqual(self.error(client, "EVAL", "return 1", 1, "k"), BUSY)
            self.assertEqual(other.execute_command("SCRIPT", "KILL"), b"OK")
            self.assertIn(KILLED, str(call.ended()))
            self.assertIn("on @user_script:1.", str(call.ended()))
            for client in clients.values():
                self.assertEqual(client.get("k"), b"v")
            self.assertEqual(self.error(other, "SCRIPT", "KILL"), "NOTBUSY No scripts in execution right now.")
            server.stop(signal.SIGKILL)

    def test_a_script_that_has_written_cannot_be_killed(self) -> None:
        """SHUTDOWN NOSAVE ends it, with the server."""
        for workers in (1, 2):
            server, clients = self.begin(workers)
            runner, other = self.on_worker(server, 0), clients[workers - 1]
            Call(runner, "EVAL", "redis.call('SET', 'k', 'w') " + FOR_EVER, 0)
            self.eventually(lambda: self.error(other, "GET", "k") == BUSY, "it gets BUSY")  # noqa: B023
            self.assertIn("UNKILLABLE Sorry the script already executed", self.error(other, "SCRIPT", "KILL"))
            Call(other, "SHUTDOWN", "NOSAVE")
            server.process.wait(30)

    def test_the_script_of_a_client_that_goes_ends(self) -> None:
        """Unless it has written."""
        server, clients = self.begin(1)
        runner = self.on_worker(server, 0)
        Call(runner, "EVAL", FOR_EVER, 0)
        self.eventually(lambda: self.error(clients[0], "GET", "k") == BUSY, "it gets BUSY")
        for one in clients[0].client_list():
            if one["cmd"] == "eval":
                clients[0].client_kill(one["addr"])
        self.eventually(lambda: self.error(clients[0], "GET", "k") == "", "the keys are free")

    def test_time_stands_still(self) -> None:
        """While a script pauses, TIME stays and no key of it expires; afterwards they do."""
        _server, clients = self.begin(1)
        script = (
            "local t = redis.call('TIME') redis.call('SET', 'gone', 1, 'PX', 1)"
            " for i = 1, 2e7 do end"
            " local u = redis.call('TIME')"
            " return {redis.call('EXISTS', 'gone'), tostring(t[1] == u[1] and t[2] == u[2])}"
        )
        self.assertEqual(clients[0].eval(script, 0), [1, b"true"])
        self.assertEqual(clients[0].exists("gone"), 0)

    def test_in_a_transaction(self) -> None:
        """The script of a transaction is killed, too, and the commands behind it are executed."""
        server, clients = self.begin(1)
        runner = self.on_worker(server, 0)
        runner.execute_command("MULTI")
        runner.execute_command("EVAL", FOR_EVER, 0)
        runner.execute_command("INCR", "n")
        call = Call(runner, "EXEC")
        self.eventually(lambda: self.error(clients[0], "GET", "k") == BUSY, "it gets BUSY")
        self.assertEqual(clients[0].execute_command("SCRIPT", "KILL"), b"OK")
        replies = call.ended()
        self.assertIn(KILLED, str(replies[0]))
        self.assertEqual(replies[1], 1)

    def test_a_worker_dies_in_a_script(self) -> None:
        """Its locks are free, and nothing is lost: between two commands of a script all shards are whole."""
        server, clients = self.begin(2)
        runner = self.on_worker(server, 0)
        Call(runner, "EVAL", "redis.call('SET', 'k', 'w') " + FOR_EVER, 0)
        self.eventually(lambda: self.error(clients[1], "GET", "k") == BUSY, "it gets BUSY")
        os.kill(workers_of(clients[1])[0], signal.SIGKILL)
        self.eventually(lambda: self.error(clients[1], "GET", "k") == "", "the keys are free")
        self.assertEqual(clients[1].get("k"), b"w")
