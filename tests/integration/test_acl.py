"""Users over several workers, restarts and reloads, as operators use them."""

from __future__ import annotations

import os
import signal
from hashlib import sha256

import redis

from tests.integration import servers
from tests.integration.workers import OnWorkers, workers_of

OLD, NEW = "old-password-of-16+", "new-password-of-16+"


class AclTests(OnWorkers):
    """A server of two workers."""

    def user(self, server: servers.Server, **options: object) -> dict[int, redis.Redis]:
        """A connection of user app on each worker."""
        return {
            number: self.connected(client, "app", "pw", **options) for number, client in self.on_each(server).items()
        }

    def connected(self, client: redis.Redis, user: str, password: str, **options: object) -> redis.Redis:
        """The client, as another user."""
        self.assertTrue(client.execute_command("AUTH", user, password))
        return client

    def test_on_all_workers(self) -> None:
        """A change of a user at one worker holds in both at once; denials of both are in one log."""
        server = self.start()
        admin = self.client(server)
        admin.acl_setuser("app", enabled=True, passwords=["+pw"], commands=["+get", "+set", "+ping"], keys=["app:*"])
        for client in self.user(server).values():
            client.set("app:k", "v")
            for call in (lambda client=client: client.get("other"), lambda client=client: client.delete("app:k")):
                self.assertRaises(redis.exceptions.NoPermissionError, call)
        entries = admin.acl_log()
        self.assertEqual(sorted((entry["object"], entry["count"]) for entry in entries), [("del", 2), ("other", 2)])
        self.assertEqual(len({entry["entry-id"] for entry in entries}), 2)
        self.assertEqual(admin.info("stats")["acl_access_denied_key"], 2)
        admin.acl_log_reset()
        self.assertEqual(admin.acl_log(), [])

    def test_changes_reach_connections(self) -> None:
        """New rules hold for those who are connected to either worker; a deleted user's connections are closed."""
        server = self.start()
        admin = self.client(server)
        admin.acl_setuser("app", enabled=True, passwords=["+pw"], categories=["+@all"], keys=["*"])
        clients = self.user(server)
        admin.execute_command("ACL", "SETUSER", "app", "-@write")
        for client in clients.values():
            self.assertRaises(redis.exceptions.NoPermissionError, client.set, "k", "v")
            self.assertIsNone(client.get("k"))
        self.assertEqual(admin.acl_deluser("app"), 1)
        for client in clients.values():
            assert client.connection is not None
            with self.assertRaises((redis.exceptions.ConnectionError, ConnectionError)):
                client.connection.send_command("PING")
                client.connection.read_response()

    def test_survives_worker_and_reload(self) -> None:
        """Users that were never saved are there after a worker's death and after a reload, and their connections with
        them."""
        server = self.start()
        admin = self.client(server)
        admin.execute_command("ACL", "SETUSER", "app", "on", ">pw", "~*", "+@read", "+info", "+acl|whoami")
        clients = self.user(server)
        before = workers_of(admin)
        os.kill(before[0], signal.SIGKILL)
        self.eventually(lambda: workers_of(self.client(server)).get(0, before[0]) != before[0], "another worker")
        self.connected(self.on_each(server)[0], "app", "pw")
        os.kill(server.pid, signal.SIGHUP)
        self.eventually(
            lambda: not set(before.values()) & set(workers_of(self.client(server)).values()), "workers are replaced"
        )
        survivor = clients[1]
        self.assertEqual(survivor.execute_command("ACL", "WHOAMI"), b"app")
        self.assertRaises(redis.exceptions.NoPermissionError, survivor.set, "k", "v")

    def test_file(self) -> None:
        """Users are saved, and are there after a restart; SIGHUP reads a file that was changed, and only then."""
        path = servers.directory() / "users.acl"
        path.write_text("user app on >pw ~* +@read\n")
        path.chmod(0o640)
        server = self.start(more=f'acl_file = "{path}"\n')
        self.addCleanup(path.unlink)
        admin = self.client(server)
        admin.acl_setuser("other", enabled=True, nopass=True)
        os.kill(server.pid, signal.SIGHUP)
        servers.until(lambda: "all workers were replaced" in server.logged(), 20, "a reload")
        self.assertEqual(self.client(server).acl_users(), ["app", "default", "other"])
        self.assertTrue(self.client(server).acl_save())
        self.assertIn("user other on nopass", path.read_text())
        self.assertEqual(path.stat().st_mode & 0o777, 0o640)
        path.write_text(path.read_text().replace("user other", "user third"))
        os.kill(server.pid, signal.SIGHUP)
        self.eventually(lambda: "third" in self.client(server).acl_users(), "the users of the file")
        path.write_text("user app on +nosuch\n")
        os.kill(server.pid, signal.SIGHUP)
        servers.until(lambda: "line 1: '+nosuch'" in server.logged(), 20, "the refusal")
        self.assertEqual(self.client(server).acl_users(), ["app", "default", "third"])

    def test_rotation(self) -> None:
        """An operator sees when the old password can go: connections of all workers and their libraries, through a
        reload."""
        server = self.start(more=f'password = ["{OLD}", "{NEW}"]\n')
        names = {word: f"secret_{sha256(word.encode()).hexdigest()[:8]}" for word in (OLD, NEW)}
        old = [self.client(server, password=OLD, lib_name="billing", lib_version="1") for _ in range(3)]
        new = self.client(server, password=NEW)
        found = new.info("secrets")
        self.assertEqual((found[names[OLD]]["connections"], found[names[OLD]]["authentications"]), (3, 3))
        self.assertEqual(found[names[OLD]]["libraries"], "billing 1")
        self.assertEqual(found[names[NEW]]["connections"], 1)
        os.kill(server.pid, signal.SIGHUP)
        servers.until(lambda: "all workers were replaced" in server.logged(), 20, "a reload")
        found = new.info("secrets")
        self.assertEqual((found[names[OLD]]["connections"], found[names[OLD]]["authentications"]), (3, 3))
        for client in old:
            client.close()
        self.eventually(lambda: new.info("secrets")[names[OLD]]["connections"] == 0, "they are gone")
        self.assertGreater(new.info("secrets")[names[OLD]]["last_used"], 0)
        new.config_set("requirepass", NEW)
        self.assertNotIn(names[OLD], new.info("secrets"))
        self.assertNotIn(OLD, server.logged())
