"""TLS as clients meet it: redis-cli, redis-py and openssl s_client against a real server."""

from __future__ import annotations

import datetime
import hashlib
import os
import signal
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import redis
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from redis.backoff import NoBackoff
from redis.retry import Retry
from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers
from tests.integration.workers import children, fork_servers, workers_of
from tests.support.certificates import Certificates, rsa_key

CONFIG = """\
[server]
workers = {workers}
[security]
tls_port = {port}
tls_cert_path = "{certificate}"
tls_key_path = "{key}"
{more}
[memory]
max_memory = "64mb"
"""


class TlsTests(SynchronousTestCase):
    """A server with a plain port, a TLS port and a UNIX socket."""

    def setUp(self) -> None:
        self.certificates = Certificates(self)
        self.certificate, self.key = self.certificates.sign("server")
        self.port = servers.free_port()

    def config(self, workers: int = 1, more: str = "") -> str:
        """The configuration of the server."""
        return CONFIG.format(workers=workers, port=self.port, certificate=self.certificate, key=self.key, more=more)

    def start(self, workers: int = 1, more: str = "") -> servers.Server:
        """A server that is stopped with the test."""
        server = servers.redistill(self.config(workers, more), tcp=True)
        self.addCleanup(lambda: server.process.poll() is None and server.stop(signal.SIGKILL))
        return server

    def client(self, **options: object) -> redis.Redis:
        """A client that trusts our authority only."""
        options = {"ssl_ca_certs": self.certificates.authority, "retry": Retry(NoBackoff(), 0), **options}
        client = redis.Redis(port=self.port, ssl=True, socket_timeout=20, **options)  # type: ignore[arg-type]
        self.addCleanup(client.close)
        return client

    def failed(self) -> int:
        """Handshakes that did not succeed, as the server counts them."""
        return int(self.client().info("stats")["tls_handshakes_failed"])

    def cli(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """The output of redis-cli over TLS."""
        program = [servers.tool("redis-cli", "redis-tools"), "-p", str(self.port), "--tls"]
        return subprocess.run([*program, *argv], capture_output=True, text=True, timeout=20)

    def serial(self) -> int:
        """The serial number of the certificate that new clients get."""
        context = ssl.create_default_context(cafile=self.certificates.authority)
        with (
            socket.create_connection(("127.0.0.1", self.port), 20) as sock,
            context.wrap_socket(sock, server_hostname="127.0.0.1") as peer,
        ):
            shown = peer.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown).serial_number

    def test_beside_plain(self) -> None:
        """tls_port speaks TLS, the port and the UNIX socket do not; all see the same keys."""
        server = self.start()
        self.assertEqual(self.cli("--cacert", self.certificates.authority, "set", "k", "v").stdout, "OK\n")
        self.assertEqual(redis.Redis(port=server.port).get("k"), b"v")
        client = self.client()
        self.assertEqual(client.get("k"), b"v")
        big = b"x" * 3_000_000
        client.set("big", big)
        self.assertTrue(client.get("big") == big)

    def test_tls_enabled(self) -> None:
        """It turns server.port to TLS: plain text is closed and counted."""
        more = "tls_enabled = true\n"
        text = self.config(more=more).replace(f"tls_port = {self.port}\n", "")
        place = servers.directory()
        path = str(place / "s")
        argv = servers.command_line(place, servers.with_address(text, self.port, path))
        server = servers.start(argv, path, place, servers.environment())
        self.addCleanup(server.stop, signal.SIGKILL)
        self.assertTrue(self.client().ping())
        with socket.create_connection(("127.0.0.1", self.port), 20) as sock:
            sock.sendall(b"PING\r\n")
            got = b""
            try:
                while more_bytes := sock.recv(1000):
                    got += more_bytes
            except ConnectionResetError:
                pass
            self.assertNotIn(b"PONG", got)
        self.assertEqual(self.failed(), 1)
        self.assertTrue(redis.Redis(unix_socket_path=path).ping())

    def test_s_client(self) -> None:
        """openssl s_client sees TLS 1.3, and with -tls1_2 a cipher with forward secrecy; 1.1 is refused."""
        self.start()
        program = [servers.tool("openssl", "openssl"), "s_client", "-connect", f"127.0.0.1:{self.port}"]
        program += ["-CAfile", self.certificates.authority]

        def said(*more: str) -> str:
            done = subprocess.run([*program, *more], input="", capture_output=True, text=True, timeout=20)
            return done.stdout + done.stderr

        self.assertIn("New, TLSv1.3", said())
        self.assertIn("Verification: OK", said())
        self.assertRegex(said("-tls1_2"), r"New, TLSv1\.2, Cipher is ECDHE-ECDSA-(AES...-GCM|CHACHA20)")
        self.assertIn("alert protocol version", said("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"))

    def test_chain(self) -> None:
        """A certificate that an authority in between has signed comes with that one's, so whoever knows the first trusts
        it."""
        self.certificate, self.key = self.certificates.chain("server")
        self.start()
        self.assertTrue(self.client().ping())

    def test_rsa(self) -> None:
        """A certificate with an RSA key, in PKCS#1, serves both versions."""
        form = serialization.PrivateFormat.TraditionalOpenSSL
        self.certificate, self.key = self.certificates.sign("server", key=rsa_key(), form=form)
        self.start()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            peer = self.shaken("localhost", version)
            self.assertEqual(peer.version(), version.name.replace("_", "."))
        self.assertIn("ECDHE-RSA", (self.shaken("localhost", ssl.TLSVersion.TLSv1_2).cipher() or ("",))[0])

    def test_names(self) -> None:
        """Whatever name a client says (SNI), it gets the certificate, and judges itself whether that is of the name."""
        self.start()
        self.assertIsNotNone(self.shaken("localhost", ssl.TLSVersion.TLSv1_3).version())
        self.assertIsNotNone(self.shaken("127.0.0.1", ssl.TLSVersion.TLSv1_3).version())
        error = self.assertRaises(ssl.SSLCertVerificationError, self.shaken, "other.example", ssl.TLSVersion.TLSv1_3)
        self.assertIn("Hostname mismatch", str(error))

    def shaken(self, name: str, version: ssl.TLSVersion) -> ssl.SSLSocket:
        """A connection of that version to a server of that name, which has answered a PING."""
        context = ssl.create_default_context(cafile=self.certificates.authority)
        context.minimum_version = context.maximum_version = version
        sock = socket.create_connection(("127.0.0.1", self.port), 20)
        self.addCleanup(sock.close)
        peer = context.wrap_socket(sock, server_hostname=name)
        self.addCleanup(peer.close)
        peer.sendall(b"PING\r\n")
        self.assertEqual(peer.recv(100), b"+PONG\r\n")
        return peer

    def visits(
        self,
        version: ssl.TLSVersion,
        count: int,
        says: bytes = b"PING\r\n",
        hears: bytes = b"+PONG\r\n",
        certificate: tuple[str, str] | None = None,
    ) -> list[bool | None]:
        """Come again and again, each time with the session of the time before: whether it was resumed."""
        context = ssl.create_default_context(cafile=self.certificates.authority)
        context.maximum_version = version
        if certificate is not None:
            context.load_cert_chain(*certificate)
        session, reused = None, []
        for _ in range(count):
            with (
                socket.create_connection(("127.0.0.1", self.port), 20) as sock,
                context.wrap_socket(sock, server_hostname="localhost", session=session) as peer,
            ):
                peer.sendall(says)
                self.assertEqual(peer.recv(100), hears)
                reused.append(peer.session_reused)
                session = peer.session
        return reused

    def test_resumption(self) -> None:
        """A client that comes back goes on with its session."""
        self.start()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertEqual(self.visits(version, 3), [False, True, True], version)

    def test_resumption_with_any_worker(self) -> None:
        """Whichever worker accepts it; also after a reload, and after one of the workers was killed."""
        server = self.start(3)
        plain = redis.Redis(port=server.port)
        self.addCleanup(plain.close)
        servers.until(
            lambda: f"listening on 127.0.0.1:{self.port}, with TLS\n" in server.logged(), 20, "all workers serve"
        )

        def all_resumed(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bool:
            return self.visits(version, 25) == [False] + [True] * 24

        self.assertTrue(all_resumed(ssl.TLSVersion.TLSv1_2))
        self.assertTrue(all_resumed())
        server.process.send_signal(signal.SIGHUP)
        servers.until(lambda: "all workers were replaced" in server.logged(), 30, "a reload")
        servers.until(all_resumed, 20, "every worker knows the new keys")
        victim = plain.info("workers")["worker1"]["pid"]
        os.kill(victim, signal.SIGKILL)
        servers.until(lambda: plain.info("workers").get("worker1", {}).get("pid", victim) != victim, 20, "another one")
        servers.until(all_resumed, 20, "every worker knows the new key")
        self.assertEqual(plain.info("stats")["tls_handshakes_failed"], 0)
        servers.until(lambda: plain.info("clients")["connected_clients"] == 1, 20, "the others have gone")

    def test_who_is_not_trusted(self) -> None:
        """A client that does not know our authority does not come in, and is counted."""
        self.start()
        other = Certificates(self).authority
        self.assertIn("certificate verify failed", self.cli("--cacert", other, "ping").stderr)
        before = self.failed()
        self.assertRaises(redis.ConnectionError, self.client(ssl_ca_certs=other).ping)
        self.assertEqual(self.failed(), before + 1)

    def test_expired(self) -> None:
        """An expired certificate is the clients' to refuse; the server starts, and says so; so it does after a reload
        with one that is not valid yet. The log names the clients that refuse it."""
        self.certificate, self.key = self.certificates.sign("old", until=datetime.datetime(2021, 1, 1))
        server = self.start()
        error = self.assertRaises(redis.ConnectionError, self.client().ping)
        self.assertIn("certificate has expired", str(error))
        self.assertIn("the TLS certificate has expired on 2021-01-01 00:00:00 UTC: ", server.logged())
        self.certificates.sign("old", since=datetime.datetime(2110, 1, 1))
        server.process.send_signal(signal.SIGHUP)
        early = "the TLS certificate is not valid before 2110-01-01 00:00:00 UTC, and it is "
        servers.until(lambda: early in server.logged(), 20, "the log says so")
        error = self.assertRaises(redis.ConnectionError, self.client().ping)
        self.assertIn("certificate is not yet valid", str(error))
        servers.until(lambda: "#warn] the TLS handshake of 127.0.0.1:" in server.logged(), 20, "failures are logged")
        self.assertIn("for the client the server's certificate is expired or not yet valid (", server.logged())

    def test_client_certificates(self) -> None:
        """Where a certificate signed by the authority is required, a client without one is closed."""
        self.start(more=f'tls_client_auth = "required"\ntls_ca_path = "{self.certificates.authority}"')
        certificate, key = self.certificates.sign("client")
        foreign, foreign_key = Certificates(self).sign("client")
        self.assertTrue(self.client(ssl_certfile=certificate, ssl_keyfile=key).ping())
        self.assertRaises(redis.ConnectionError, self.client().ping)
        self.assertRaises(redis.ConnectionError, self.client(ssl_certfile=foreign, ssl_keyfile=foreign_key).ping)
        old, old_key = self.certificates.sign("old", until=datetime.datetime(2021, 1, 1))
        self.assertRaises(redis.ConnectionError, self.client(ssl_certfile=old, ssl_keyfile=old_key).ping)

    def certified(self, name: str) -> redis.Redis:
        """A client with a certificate of that common name."""
        certificate, key = self.certificates.sign(name)
        return self.client(ssl_certfile=certificate, ssl_keyfile=key)

    def test_user_of_a_certificate(self) -> None:
        """Where that is wanted, a client is the user whom its certificate names, without a word; others authenticate."""
        more = f'password = "a-password-of-16+"\ntls_client_auth = "optional"\ntls_ca_path = "{self.certificates.authority}"'
        server = self.start(2, more=f'{more}\ntls_auth_user = "cn"')
        admin = redis.Redis(port=server.port, password="a-password-of-16+")
        self.addCleanup(admin.close)
        admin.execute_command("ACL", "SETUSER", "app", "on", "~app:*", "+@read", "+@connection", "+acl|whoami")
        app = self.certified("app")
        self.assertEqual(app.execute_command("ACL", "WHOAMI"), b"app")
        self.assertIsNone(app.get("app:k"))
        self.assertRaises(redis.exceptions.NoPermissionError, app.get, "other")
        (line,) = [one for one in admin.client_list() if one["user"] == "app"]
        self.assertEqual(line["tls-subject"], "CN=app")
        self.assertRaises(redis.AuthenticationError, self.certified("nobody").ping)
        self.assertRaises(redis.AuthenticationError, self.client().ping)
        admin.config_set("tls-auth-clients-user", "off")
        self.assertRaises(redis.AuthenticationError, self.certified("app").ping)
        self.assertIsNone(app.get("app:k"))

    def test_user_who_comes_back(self) -> None:
        """A resumed session has the user that began it, whichever worker the client comes to."""
        more = f'password = "a-password-of-16+"\ntls_client_auth = "required"\ntls_ca_path = "{self.certificates.authority}"'
        server = self.start(2, more=f'{more}\ntls_auth_user = "cn"')
        servers.until(
            lambda: f"listening on 127.0.0.1:{self.port}, with TLS\n" in server.logged(), 20, "all workers serve"
        )
        with redis.Redis(port=server.port, password="a-password-of-16+") as admin:
            admin.execute_command("ACL", "SETUSER", "app", "on", "+acl|whoami")
        certificate = self.certificates.sign("app")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            reused = self.visits(version, 10, b"ACL WHOAMI\r\n", b"$3\r\napp\r\n", certificate)
            self.assertEqual(reused, [False] + [True] * 9, version)

    def test_info(self) -> None:
        """INFO tls says whose certificate is shown, and for how long; without TLS there is no such section."""
        self.start()
        found = self.client().info("tls")
        shown = ssl.PEM_cert_to_DER_cert(Path(self.certificate).read_text())
        self.assertEqual(found["tls_certificate_sha256"], hashlib.sha256(shown).hexdigest())
        self.assertEqual(found["tls_certificate_subject"], {"CN": "server"})  # as redis-py reads CN=server
        until = x509.load_der_x509_certificate(shown).not_valid_after_utc
        self.assertEqual(found["tls_certificate_expires"], until.timestamp())
        days = (until - datetime.datetime.now(datetime.UTC)).days
        self.assertAlmostEqual(found["tls_certificate_days_left"], days, delta=1)
        plain = servers.redistill("", tcp=True)
        self.addCleanup(plain.stop, signal.SIGKILL)
        with redis.Redis(port=plain.port) as client:
            self.assertEqual(client.execute_command("INFO", "tls"), {})
            self.assertNotIn("tls_certificate_subject", client.info("everything"))

    def test_bad_files_stop_the_start(self) -> None:
        """With one line that names the setting."""
        Path(self.key).write_text("rubbish")
        for workers in (1, 2):
            path = str(self.certificates.directory / "s")
            status, said = servers.refused(servers.with_address(self.config(workers), servers.free_port(), path))
            self.assertEqual(status, 1)
            (line,) = [line for line in said.splitlines() if line.startswith("redistill:")]
            self.assertIn(f"security.tls_key_path: {self.key} is no", line)

    def _renewal(self, workers: int) -> None:
        server = self.start(workers)
        before = self.serial()
        self.certificates.sign("server")
        self.assertEqual(self.serial(), before)
        server.process.send_signal(signal.SIGHUP)
        servers.until(lambda: all(self.serial() != before for _ in range(8)), 20, "the new certificate is shown")
        Path(self.key).write_text("rubbish")
        server.process.send_signal(signal.SIGHUP)
        servers.until(lambda: "stays unchanged" in server.logged(), 20, "the reload is refused")
        self.assertIn(f"security.tls_key_path: {self.key} is no", server.logged())
        self.assertTrue(self.client().ping())

    def test_renewal(self) -> None:
        """A reload shows the new certificate, as a pair with its key; with a bad pair the old one stays."""
        self._renewal(1)

    def test_renewal_in_workers(self) -> None:
        """In each of several workers as well."""
        self._renewal(2)

    def test_renewal_by_itself(self) -> None:
        """Some seconds after the files have changed, without a word to the server, the new certificate is shown."""
        self.start(2)
        before = self.serial()
        self.certificates.sign("server")
        servers.until(lambda: all(self.serial() != before for _ in range(8)), 60, "the new certificate is shown")

    def test_files_that_are_gone(self) -> None:
        """Workers are started with what was read last, whatever is in the files at the moment: over TLS and in the clear.
        What is in them again is taken when it can be used."""
        words = self.certificates.directory / "words"
        words.write_text("a password from a file\n")
        users = self.certificates.directory / "users"
        users.write_text("user other on nopass ~* &* +@all\n")
        server = self.start(2, f'password_file = "{words}"\nacl_file = "{users}"')
        with redis.Redis(port=server.port, password="a password from a file") as client:
            servers.until(lambda: len(workers_of(client)) == 2, 20, "both workers serve")
        before = self.serial()
        for torn in (self.certificate, words, users):
            Path(torn).unlink()
        key = Path(self.key).read_text()
        Path(self.key).write_text(key[: len(key) // 2])
        for _ in range(2):
            with redis.Redis(port=server.port, password="a password from a file") as client:
                pids = set(workers_of(client).values())
            for pid in (*pids, *fork_servers(server)):
                os.kill(pid, signal.SIGKILL)
            with redis.Redis(
                port=server.port, password="a password from a file", retry=Retry(NoBackoff(), 9), socket_timeout=20
            ) as client:
                servers.until(lambda: len(set(workers_of(client).values()) - pids) == 2, 20, "other workers serve")  # noqa: B023
                self.assertTrue(client.config_set("timeout", 77))
            self.assertEqual([self.serial() for _ in range(4)], [before] * 4)
            server.process.send_signal(signal.SIGHUP)
            servers.until(lambda: "stays unchanged" in server.logged(), 20, "the reload is refused")
        words.write_text("another password from a file\n")
        users.write_text("user other on nopass ~* &* +@all\n")
        self.certificates.sign("server")
        server.process.send_signal(signal.SIGHUP)
        servers.until(lambda: all(self.serial() != before for _ in range(8)), 20, "the new certificate is shown")
        with redis.Redis(port=server.port, password="another password from a file") as client:
            self.assertTrue(client.ping())
        self.assertNotIn("Traceback", server.logged())

    def test_key_is_a_secret(self) -> None:
        """It is in no argument and no environment of any process, nor in the log."""
        server = self.start(2, 'password = "a password that is long enough"')
        part = Path(self.key).read_text().splitlines()[1]
        for pid in (server.pid, *children(server.pid)):
            for name in ("cmdline", "environ"):
                self.assertNotIn(part.encode(), Path(f"/proc/{pid}/{name}").read_bytes())
        self.assertNotIn(part, server.logged())

    def test_clients_of_a_reload_are_drained(self) -> None:
        """A client over TLS is closed between two commands, and redis-py connects again: it sees no error."""
        server = self.start(2)
        client = self.client(retry=Retry(NoBackoff(), 3))
        stop, errors, done = threading.Event(), [], [0]

        def work() -> None:
            while not stop.is_set():
                try:
                    client.set("k", done[0])
                    if client.get("k") != b"%d" % done[0]:
                        errors.append("wrong")
                    done[0] += 1
                except Exception as problem:
                    errors.append(repr(problem))

        def reload() -> None:
            reloads, commands = server.logged().count("configuration reloaded"), done[0]
            server.process.send_signal(signal.SIGHUP)
            servers.until(lambda: server.logged().count("configuration reloaded") > reloads, 20, "a reload")
            servers.until(lambda: done[0] > commands + 1000, 20, "the client goes on")

        thread = threading.Thread(target=work)
        thread.start()
        try:
            for _ in range(2):
                reload()
        finally:
            stop.set()
            thread.join(20)
        self.assertEqual(errors, [])

    def test_readers_of_a_group_at_a_reload(self) -> None:
        """A reload closes clients that wait in XREADGROUP, too; each entry that was added meanwhile is new, or pending
        for one of them, who has heard it or claims it."""
        server = self.start(2)
        watch = redis.Redis(port=server.port, socket_timeout=20)
        self.addCleanup(watch.close)
        servers.until(lambda: len(workers_of(watch)) == 2, 20, "two workers")
        watch.xgroup_create("s", "g", mkstream=True)
        waiting = [self.shaken("localhost", ssl.TLSVersion.TLSv1_3) for _ in range(8)]
        for number, sock in enumerate(waiting):
            sock.sendall(b"XREADGROUP GROUP g c%d COUNT 1 BLOCK 0 STREAMS s >\r\n" % number)
        servers.until(lambda: watch.info("clients")["blocked_clients"] == 8, 20, "they wait")
        server.process.send_signal(signal.SIGHUP)
        added = []
        while "all workers were replaced" not in server.logged():
            added.append(watch.xadd("s", {"f": "v"}))
        said = [sock.recv(1000) for sock in waiting]
        pending = {one["message_id"]: one["consumer"] for one in watch.xpending_range("s", "g", "-", "+", 100)}
        heard = {
            entry: b"c%d" % number for number, text in enumerate(said) for entry in added if entry + b"\r\n" in text
        }
        self.assertLessEqual(heard.items(), pending.items())
        self.assertEqual(len(set(pending.values())), len(pending), "each consumer was given one entry at most")
        fresh = watch.execute_command("XREADGROUP", "GROUP", "g", "next", "STREAMS", "s", ">")
        entries = fresh[b"s"][0] if isinstance(fresh, dict) else fresh[0][1] if fresh else []
        self.assertEqual([*pending, *(entry for entry, _ in entries)], added)
        watch.xautoclaim("s", "g", "next", 0, count=10**5)
        self.assertEqual(len(watch.xpending_range("s", "g", "-", "+", 10**5, "next")), len(added))

    def test_waiting_clients_at_a_reload(self) -> None:
        """A reload closes clients that wait in BLPOP or subscribe, since their connections cannot move; no element is
        lost with them, and when they come again they are served."""
        server = self.start(2)
        watch = redis.Redis(port=server.port, socket_timeout=20)
        self.addCleanup(watch.close)
        servers.until(lambda: len(workers_of(watch)) == 2, 20, "two workers")
        waiting = [self.shaken("localhost", ssl.TLSVersion.TLSv1_3) for _ in range(8)]
        for sock in waiting:
            sock.sendall(b"BLPOP k 0\r\n")
        subscriber = self.shaken("localhost", ssl.TLSVersion.TLSv1_3)
        subscriber.sendall(b"SUBSCRIBE news\r\n")
        self.assertEqual(subscriber.recv(100), b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n")
        servers.until(lambda: watch.info("clients")["blocked_clients"] == 8, 20, "they wait")
        server.process.send_signal(signal.SIGHUP)
        pushed = 0
        while "all workers were replaced" not in server.logged():
            pushed = watch.rpush("k", "v") and pushed + 1
        said = [sock.recv(100) for sock in (*waiting, subscriber)]
        served = said.count(b"*2\r\n$1\r\nk\r\n$1\r\nv\r\n")
        self.assertEqual(said.count(b""), 9 - served)
        self.assertEqual(watch.llen("k"), pushed - served)
        for _ in range(4):
            self.assertEqual(self.client().blpop("k", timeout=5), (b"k", b"v"))
        self.assertEqual(watch.info("clients")["total_blocking_keys"], 0)
