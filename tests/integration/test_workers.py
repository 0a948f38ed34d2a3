"""Several worker processes: one server, whatever becomes of them."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import redis
from redis.client import Monitor

from tests.integration import servers
from tests.integration.workers import OnWorkers, children, workers_of


def worker_of(sock: socket.socket) -> int:
    """The number of the worker that serves a connection."""
    sock.sendall(b"INFO server\r\n")
    with sock.makefile("rb") as replies:
        text = replies.read(int(replies.readline()[1:]) + 2)
    return int(text.partition(b"worker_number:")[2].split()[0])


class WorkersTests(OnWorkers):
    """A server of two workers, or as many as a test asks for."""

    def test_one_keyspace(self) -> None:
        """A key set through one worker is read through the other; INFO counts the commands of both."""
        one, two = self.on_each(self.start()).values()
        one.set("k", "v")
        self.assertEqual(two.get("k"), b"v")
        calls = [client.info("commandstats")["cmdstat_set"]["calls"] for client in (one, two)]
        self.assertEqual(calls, [1, 1])
        self.assertEqual(one.info("clients")["connected_clients"], two.info("clients")["connected_clients"])

    def test_client_commands_reach_all(self) -> None:
        """CLIENT LIST, KILL and PAUSE are about the clients of all workers; ids are not given twice."""
        server = self.start()
        one, two = self.on_each(server).values()
        one.client_setname("one")
        two.client_setname("two")
        listed = one.client_list()
        self.assertTrue({"one", "two"} <= {row["name"] for row in listed})
        self.assertEqual(len({row["id"] for row in listed}), len(listed))
        self.assertEqual([row["id"] for row in listed], [row["id"] for row in two.client_list()])
        victim = self.on_each(server)
        ids = {number: client.client_id() for number, client in victim.items()}
        for number, killer in victim.items():
            other = 1 - number
            if number == 0:
                self.assertEqual(killer.client_kill_filter(_id=str(ids[other])), 1)
                with self.assertRaises(redis.ConnectionError):
                    victim[other].connection.send_command("PING")  # type: ignore[union-attr]
                    victim[other].connection.read_response()  # type: ignore[union-attr]
        one.client_pause(300, all=True)
        began = time.monotonic()
        two.set("k", "v")
        self.assertGreater(time.monotonic() - began, 0.1)

    def monitor(self, client: redis.Redis) -> Monitor:
        """Have the client monitor, on the connection that it has."""
        monitor = client.monitor()
        monitor.connection.disconnect()
        assert client.connection is not None
        monitor.connection, client.connection = client.connection, None
        self.addCleanup(monitor.connection.disconnect)
        return monitor.__enter__()

    def test_monitor(self) -> None:
        """MONITOR shows what is executed on each worker, in the order of each connection."""
        server = self.start()
        monitors = [self.monitor(client) for client in self.on_each(server).values()]
        clients = self.on_each(server)
        for value in range(3):
            for number, client in clients.items():
                client.set(f"k{number}", value)
        for monitor in monitors:
            shown: list[str] = []
            while len(shown) < 6:
                command = monitor.next_command()["command"]
                shown += [command] if command.startswith("SET k") else []
            for number in clients:
                expected = [f"SET k{number} {value}" for value in range(3)]
                self.assertEqual([command for command in shown if command in expected], expected)
        self.assertEqual([row["flags"] for row in clients[0].client_list()].count("O"), 2)

    def test_monitor_goes_on_after_a_reload(self) -> None:
        """A client that monitors goes on after a reload, and sees the commands of all workers."""
        server = self.start()
        monitors = [self.monitor(client) for client in self.on_each(server).values()]
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "all workers were replaced" in server.logged(), "all workers are replaced")
        for number, client in self.on_each(server).items():
            client.echo(f"after {number}")
        for monitor in monitors:
            seen = set()
            while len(seen) < 2:
                command = monitor.next_command()["command"]
                if command.startswith("ECHO after"):
                    seen.add(command)
            self.assertEqual(seen, {"ECHO after 0", "ECHO after 1"})
        self.assertNotIn("Traceback", server.logged())

    def test_monitor_that_is_not_read(self) -> None:
        """A client that monitors and does not read is closed at the output limit; then nobody monitors."""
        server = self.start()
        client = self.on_each(server)[0]
        client.config_set("server.output_limit", 1 << 20)
        stuck = server.connect()
        self.addCleanup(stuck.close)
        stuck.sendall(b"MONITOR\r\n")
        self.assertEqual(stuck.recv(5), b"+OK\r\n")

        def is_closed() -> bool:
            client.echo(b"x" * 100_000)
            return not any("O" in row["flags"] for row in client.client_list())

        self.eventually(is_closed, "the client is closed")
        self.assertIn("would exceed 1048576 bytes (server.output_limit)", server.logged())
        self.assertEqual(client.info("stats")["client_output_buffer_limit_disconnections"], 1)

    def test_monitor_of_a_dead_worker(self) -> None:
        """When a worker dies its clients monitor no longer, and those of the others do."""
        server = self.start()
        clients = self.on_each(server)
        pids = workers_of(clients[0])
        left = self.monitor(clients[0])
        self.monitor(clients[1])
        os.kill(pids[1], signal.SIGKILL)
        client = redis.Redis(port=server.port, socket_timeout=20, retry_on_error=[redis.ConnectionError])
        self.addCleanup(client.close)
        self.eventually(lambda: workers_of(client).get(1, pids[1]) != pids[1], "another worker is there")
        self.assertEqual([row["flags"] for row in client.client_list()].count("O"), 1)
        self.on_each(server)[1].echo("hello")
        self.eventually(lambda: left.next_command()["command"] == "ECHO hello", "the line comes")

    def test_monitored_worker_is_killed(self) -> None:
        """A worker that is killed while its commands are shown elsewhere leaves no torn line, and none is missing
        before the last; what its successor executes is shown, too."""
        server = self.start()
        clients = self.on_each(server)
        monitor = self.monitor(clients[0])
        client = self.on_each(server)[0]
        for _ in range(5):
            load = self.on_each(server)[1].connection
            assert load is not None
            load.send_packed_command([b"ECHO %d:%s\r\n" % (n, b"x" * 100) for n in range(2000)])  # type: ignore[no-untyped-call]
            pid = workers_of(client)[1]
            os.kill(pid, signal.SIGKILL)
            self.eventually(lambda pid=pid: workers_of(client).get(1, pid) != pid, "another worker is there")
            self.on_each(server)[1].echo("the end")
            seen = []
            while (command := monitor.next_command()["command"]) != "ECHO the end":
                seen += [command] if command.startswith("ECHO") else []
            self.assertEqual(seen, [f"ECHO {n}:{'x' * 100}" for n in range(len(seen))])
        self.assertNotIn("Traceback", server.logged())
        self.assertEqual(client.execute_command("DEBUG", "CHECK"), b"OK")

    def test_settings_reach_all(self) -> None:
        """CONFIG SET holds in all workers, and in those that come later; what is refused holds nowhere."""
        server = self.start()
        one, two = self.on_each(server).values()
        one.config_set("timeout", 77)
        one.config_set("maxmemory", "32mb")
        self.assertEqual(
            (two.config_get("timeout"), two.config_get("maxmemory")), ({"timeout": "77"}, {"maxmemory": "33554432"})
        )
        with socket.create_server(("127.0.0.1", 0)) as taken, self.assertRaises(redis.ResponseError):
            two.config_set("maxmemory", "64mb", "port", taken.getsockname()[1])
        self.assertEqual(one.config_get("maxmemory"), {"maxmemory": "33554432"})
        for pid in workers_of(one).values():
            os.kill(pid, signal.SIGKILL)
        client = redis.Redis(port=server.port, socket_timeout=20, retry_on_error=[redis.ConnectionError])
        self.addCleanup(client.close)
        self.assertEqual(client.config_get("timeout"), {"timeout": "77"})

    def test_port_and_bind(self) -> None:
        """CONFIG SET port and bind hold in all workers, those that come later and after a reload; clients stay; CONFIG
        REWRITE writes them, and a reload goes by the file."""
        server = self.start()
        one, two = self.on_each(server).values()
        old, port = server.port, servers.free_port()
        self.assertTrue(one.config_set("port", port))
        server.port, server.address = port, ("127.0.0.1", port)
        late = self.on_each(server)
        self.assertEqual(set(late), {0, 1})
        self.assertTrue(two.ping())
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", old))
        for pid in workers_of(one).values():
            os.kill(pid, signal.SIGKILL)
        client = self.client(server)
        self.eventually(lambda: len(workers_of(client)) == 2, "both workers are there again")
        self.assertEqual(set(self.on_each(server)), {0, 1})
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with self.assertRaisesRegex(redis.ResponseError, "Unable to listen on this port: .*Address already in use"):
                client.config_set("port", taken.getsockname()[1])
        with self.assertRaisesRegex(redis.ResponseError, "would let anybody on the network in"):
            client.config_set("bind", "0.0.0.0")
        self.assertTrue(client.config_set("bind", "127.0.0.1 127.0.0.2"))
        socket.create_connection(("127.0.0.2", port)).close()
        self.assertTrue(client.config_rewrite())
        path = server.directory / "redistill.toml"
        text = path.read_text()
        self.assertIn(f"port = {port}\n", text)
        self.assertIn('bind = ["127.0.0.1", "127.0.0.2"]\n', text)
        path.write_text(text.replace(f"port = {port}\n", f"port = {old}\n"))
        os.kill(server.pid, signal.SIGHUP)
        self.eventually(lambda: "all workers were replaced" in server.logged(), "the reload is over")
        self.assertEqual(client.config_get("port"), {"port": str(old)})
        server.port, server.address = old, ("127.0.0.1", old)
        self.assertEqual(set(self.on_each(server)), {0, 1})
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))

    def test_limits_hold_over_all(self) -> None:
        """max_connections counts the clients of all workers together, exactly."""
        server = self.start(more="")
        client = self.client(server)
        client.config_set("maxclients", 20)
        present = client.info("clients")["connected_clients"]
        held = [server.connect() for _ in range(40)]
        for sock in held:
            self.addCleanup(sock.close)
            sock.sendall(b"PING\r\n")
        answers = [sock.recv(100) for sock in held]
        self.assertEqual(answers.count(b"+PONG\r\n"), 20 - present)
        self.assertEqual(answers.count(b"-ERR max number of clients reached\r\n"), 20 + present)
        self.eventually(lambda: client.info("stats")["rejected_connections"] == 20 + present, "they are counted")

    def test_dead_worker_is_replaced(self) -> None:
        """When a worker is killed the others serve, another takes its place, and the data and the counters are kept."""
        server = self.start()
        clients = self.on_each(server)
        clients[0].mset({f"k{i}": i for i in range(1000)})
        before = workers_of(clients[0])
        os.kill(before[1], signal.SIGKILL)
        self.eventually(lambda: 1 in (now := workers_of(clients[0])) and now[1] != before[1], "another worker is there")
        self.assertEqual(clients[0].dbsize(), 1000)
        self.assertEqual(workers_of(clients[0])[0], before[0])
        again = self.client(server)
        self.assertEqual(again.get("k7"), b"7")
        self.assertIn("worker 1 has ended: killed by SIGKILL", server.logged())

    def test_nobody_is_refused_while_a_worker_is_gone(self) -> None:
        """Clients that would be a dead worker's are served by the others at once."""
        server = self.start()
        client = self.on_each(server)[0]
        for _ in range(3):
            pid = workers_of(client)[1]
            os.kill(pid, signal.SIGKILL)
            for _ in range(20):
                with server.connect() as sock:
                    sock.sendall(b"PING\r\n")
                    self.assertEqual(sock.recv(10), b"+PONG\r\n")
            self.eventually(lambda pid=pid: workers_of(client).get(1, pid) != pid, "another worker is there")  # type: ignore[misc]

    def test_hanging_worker_is_replaced(self) -> None:
        """A worker that does not move any more is killed after server.worker_timeout, and replaced."""
        server = self.start()
        clients = self.on_each(server)
        before = workers_of(clients[0])
        os.kill(before[1], signal.SIGSTOP)
        self.eventually(lambda: workers_of(clients[0]).get(1, before[1]) != before[1], "the worker is replaced")
        self.assertIn(f"worker 1 (pid {before[1]}) has made no progress for", server.logged())
        self.assertEqual(workers_of(clients[0])[0], before[0])

    def test_no_orphans(self) -> None:
        """When the supervisor is killed its workers end at once, and nobody serves the port."""
        server = self.start()
        pids = list(workers_of(self.client(server)).values())
        server.process.kill()
        server.process.wait()
        self.eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "the workers are gone", 5)
        with self.assertRaises(ConnectionRefusedError):
            server.connect()

    def test_ten_reloads(self) -> None:
        """A load of redis-py clients sees no error over ten reloads: each keeps its connection with its name, database,
        protocol, watches and transactions, while all processes under it are replaced."""
        server = self.start()
        self.on_each(server)
        stop, failures, rounds = threading.Event(), [], []

        def load(number: int) -> None:
            client = redis.Redis(
                port=server.port, db=number, protocol=2 + number % 2, client_name=f"c{number}", retry=None
            )
            try:
                client_id, done = client.client_id(), 0
                while not stop.is_set():
                    done += 1
                    self.assertEqual(client.incr("n"), done)
                    with client.pipeline() as pipeline:
                        pipeline.watch("w")
                        pipeline.multi()
                        pipeline.set("w", done)
                        pipeline.get("w")
                        self.assertEqual(int(pipeline.execute()[1]), done)
                    self.assertEqual(client.client_id(), client_id)
                    self.assertIn(client.client_getname(), (f"c{number}", f"c{number}".encode()))
                rounds.append(done)
            except BaseException as failure:
                failures.append(failure)
            finally:
                client.close()

        threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        try:
            for reloads in range(1, 11):
                server.process.send_signal(signal.SIGHUP)
                self.eventually(
                    lambda reloads=reloads: server.logged().count("all workers were replaced") == reloads,  # type: ignore[misc]
                    "all workers are replaced",
                    60,
                )
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)
        if failures:
            raise failures[0]
        self.assertEqual(len(rounds), 4)
        self.assertGreater(min(rounds), 10)
        self.assertNotIn("Traceback", server.logged())

    def test_load_is_balanced(self) -> None:
        """Two of four heavy connections that came to one worker soon move to the other; their clients notice nothing."""
        server = self.start()
        watcher = self.on_each(server)[0]
        watcher.set("k", b"\xff" * 1_000_000)
        heavy = [self.connected_to(server, 0) for _ in range(4)]
        stop, failures = threading.Event(), []

        def load(number: int, sock: socket.socket) -> None:
            done = 0
            try:
                while not stop.is_set():
                    done += 1
                    sock.sendall(b"BITCOUNT k\r\n" * 20 + b"INCR n%d\r\n" % number)
                    expected = b":8000000\r\n" * 20 + b":%d\r\n" % done
                    received = b""
                    while len(received) < len(expected):
                        received += sock.recv(65536)
                    self.assertEqual(received, expected)
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=load, args=one) for one in enumerate(heavy)]
        for thread in threads:
            thread.start()
        try:
            self.eventually(lambda: watcher.info("workers")["connections_moved"], "connections are moved", 60)
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)
        if failures:
            raise failures[0]
        self.assertEqual(sorted(worker_of(sock) for sock in heavy), [0, 0, 1, 1])
        self.assertIn("connections were moved", server.logged())
        self.assertNotIn("Traceback", server.logged())

    def connected_to(self, server: servers.Server, number: int) -> socket.socket:
        """A connection to this worker."""
        for _ in range(200):
            sock = server.connect()
            self.addCleanup(sock.close)
            if worker_of(sock) == number:
                return sock
        raise AssertionError(f"the kernel gave no client to worker {number}")

    def test_after_a_reload(self) -> None:
        """Clients come over all listeners, as before. Of a worker that is killed then nothing is left: neither its
        place among the workers nor its clients in the count."""
        server = self.start()
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "all workers were replaced" in server.logged(), "the workers are new")
        for _ in range(10):
            with redis.Redis(unix_socket_path=f"{server.directory}/s") as client:
                self.assertTrue(client.ping())
        victims = self.on_each(server)
        pids = workers_of(victims[0])
        os.kill(pids[1], signal.SIGKILL)
        self.eventually(lambda: workers_of(victims[0]).get(1, pids[1]) != pids[1], "another one serves")
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(b"INFO workers\r\n")
            self.assertEqual(sock.recv(65536).count(b"pid="), 2)
        self.eventually(
            lambda: len(victims[0].client_list()) == victims[0].info("clients")["connected_clients"],
            "those that are counted are those that there are",
        )

    def test_reload_takes_settings(self) -> None:
        """SIGHUP takes what the file says now; a file that cannot be used changes nothing, and the log says why."""
        server = self.start()
        client = self.on_each(server)[0]
        path = server.directory / "redistill.toml"
        text = path.read_text()
        path.write_text(text.replace("worker_timeout = 1", "worker_timeout = 1\nconnection_timeout = 77"))
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: client.config_get("timeout") == {"timeout": "77"}, "the setting is taken")
        path.write_text(text + "\n[nonsense]\n")
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "stays unchanged" in server.logged(), "the file is refused")
        self.assertEqual(client.config_get("timeout"), {"timeout": "77"})

    def test_stop(self) -> None:
        """SIGTERM ends all processes, with status 0; what a client had sent is answered."""
        server = self.start()
        clients = self.on_each(server)
        pids = list(workers_of(clients[0]).values())
        with server.connect() as sock:
            sock.sendall(b"INCR n\r\n" * 1000)
            received = sock.recv(10)
            server.process.send_signal(signal.SIGTERM)
            while data := sock.recv(65536):
                received += data
        self.assertTrue(received.endswith(b":1000\r\n"), received[-20:])
        self.assertEqual(server.process.wait(20), 0)
        self.assertFalse(any(Path(f"/proc/{pid}").exists() for pid in pids))

    def test_stop_that_all_processes_hear(self) -> None:
        """Without KillMode=mixed, and in a terminal, every process gets the signal: clients are served to the end of the
        drain delay by the workers that they had."""
        for number in (signal.SIGTERM, signal.SIGINT):
            server = servers.redistill("[server]\nworkers = 2\ndrain_delay_secs = 1\n", tcp=True)
            self.addCleanup(server.stop, signal.SIGKILL)
            clients = self.on_each(server)
            for pid in (*children(server.pid), server.pid):
                os.kill(pid, number)
            self.eventually(lambda at=server: "stopping in 1 s" in at.logged(), "the delay begins")
            self.assertEqual([client.ping() for client in clients.values()], [True, True])
            self.assertEqual(server.process.wait(20), 0)
            self.assertNotIn("has ended", server.logged())

    def test_shutdown(self) -> None:
        """SHUTDOWN, sent to any worker, ends the server."""
        server = self.start()
        client = self.client(server)
        client.shutdown(nosave=True)
        self.assertEqual(server.process.wait(20), 0)
