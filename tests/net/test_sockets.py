"""Listening sockets."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import stat
import tempfile

from twisted.trial.unittest import SynchronousTestCase

from redistill.net.sockets import (
    RESERVED_FILES,
    StartError,
    allow_files,
    close_listeners,
    listen_on,
    listen_tcp,
    listen_unix,
    set_keepalive,
    shown,
)


def keepalive(sock: socket.socket) -> tuple[int, int, int, int]:
    """Whether keepalive is on, and its three numbers."""
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    on = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    return (on, *(sock.getsockopt(socket.IPPROTO_TCP, option) for option in options))  # type: ignore[return-value]


class TcpTests(SynchronousTestCase):
    """listen_tcp"""

    def listen(self, host: str = "127.0.0.1", *, nodelay: bool = True, seconds: int = 60) -> socket.socket:
        """A listening socket on a free port."""
        (listener,) = listen_tcp(host, 0, nodelay=nodelay, keepalive=seconds)
        self.addCleanup(listener.close)
        return listener

    def accept(self, listener: socket.socket) -> socket.socket:
        """The server's end of a new connection."""
        client = socket.create_connection(listener.getsockname()[:2])
        self.addCleanup(client.close)
        server, _ = listener.accept()
        self.addCleanup(server.close)
        return server

    def test_options_reach_the_accepted_connection(self) -> None:
        """A client's connection has the configured nodelay and keepalive."""
        server = self.accept(self.listen(seconds=60))
        self.assertEqual(keepalive(server), (1, 60, 20, 3))
        self.assertTrue(server.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def test_options_that_are_off(self) -> None:
        """Both can be switched off."""
        server = self.accept(self.listen(nodelay=False, seconds=0))
        self.assertFalse(server.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        self.assertFalse(server.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def test_keepalive_changes_for_those_who_come(self) -> None:
        """CONFIG SET tcp-keepalive holds for the connections after it."""
        listener = self.listen(seconds=60)
        before = self.accept(listener)
        set_keepalive(listener, 9)
        self.assertEqual([keepalive(one) for one in (before, self.accept(listener))], [(1, 60, 20, 3), (1, 9, 3, 3)])

    def test_taken_port(self) -> None:
        """A taken port is refused in words: where, why, what to do."""
        port = self.listen().getsockname()[1]
        with self.assertRaises(StartError) as raised:
            listen_tcp("127.0.0.1", port, nodelay=True, keepalive=0)
        self.assertEqual(
            str(raised.exception),
            f"server.port: cannot listen on 127.0.0.1 port {port}: Address already in use;"
            " stop the program that has it, or set another port",
        )

    def test_several_share_a_port(self) -> None:
        """Sockets for several workers listen on one port, and each of them gets clients."""
        listeners = listen_tcp("127.0.0.1", 0, nodelay=True, keepalive=60, count=3)
        for listener in listeners:
            self.addCleanup(listener.close)
        address = {listener.getsockname() for listener in listeners}
        self.assertEqual(len(address), 1)
        for _ in range(100):
            self.addCleanup(socket.create_connection(*address).close)
        taken = []
        for listener in listeners:
            with contextlib.suppress(BlockingIOError):
                while True:
                    server, _ = listener.accept()
                    self.addCleanup(server.close)
                    taken.append(listener)
        self.assertEqual((len(taken), set(taken)), (100, set(listeners)))

    def test_port_of_others_who_share(self) -> None:
        """A port that another program shares among sockets of its own is taken all the same."""
        first = listen_tcp("127.0.0.1", 0, nodelay=True, keepalive=0, count=2)
        for listener in first:
            self.addCleanup(listener.close)
        for count in (1, 2):
            with self.assertRaises(StartError) as raised:
                listen_tcp("127.0.0.1", first[0].getsockname()[1], nodelay=True, keepalive=0, count=count)
            self.assertIn("Address already in use", str(raised.exception))

    def test_address_of_another_machine(self) -> None:
        """An address that is not ours is refused, and the remedy fits."""
        with self.assertRaises(StartError) as raised:
            listen_tcp("192.0.2.1", 0, nodelay=True, keepalive=0)
        self.assertIn("set server.bind to an address of this machine", str(raised.exception))

    def test_localhost(self) -> None:
        """localhost is IPv4's, whatever the resolver says."""
        self.assertEqual(self.listen("localhost").getsockname()[0], "127.0.0.1")

    def test_all_addresses_of_both_kinds(self) -> None:
        """A socket on :: serves IPv4 clients too."""
        if not os.path.exists("/proc/net/if_inet6"):
            self.skipTest("no IPv6 here")
        listener = self.listen("::")
        with socket.create_connection(("127.0.0.1", listener.getsockname()[1])):
            pass


class AddressesTests(SynchronousTestCase):
    """listen_on"""

    def listen(self, *addresses: str, port: int = 0, count: int = 1) -> list[list[socket.socket]]:
        """Sockets that are closed with the test."""
        found = listen_on(addresses, port, nodelay=True, keepalive=7, count=count)
        self.addCleanup(close_listeners, found)
        return found

    def free(self) -> int:
        """A free port."""
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            return int(sock.getsockname()[1])

    def test_each_address_has_its_sockets(self) -> None:
        """Each address has as many sockets as there are workers, with the options that clients are to have."""
        port = self.free()
        found = self.listen("127.0.0.1", "::1", port=port, count=2)
        names = [[listener.getsockname()[:2] for listener in some] for some in found]
        self.assertEqual(names, [[("127.0.0.1", port)] * 2, [("::1", port)] * 2])
        self.assertEqual({keepalive(listener) for some in found for listener in some}, {(1, 7, 2, 3)})

    def test_all_of_both_kinds(self) -> None:
        """All addresses of IPv4 and all of IPv6 can stand beside each other."""
        port = self.free()
        (four,), (six,) = self.listen("0.0.0.0", "::", port=port)
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("::1", port)):
            self.assertEqual((four.accept()[1][0], six.accept()[1][0]), ("127.0.0.1", "::1"))

    def test_optional_address_that_is_missing(self) -> None:
        """An address with - before it may be missing; without, the start is refused and the address named."""
        found = self.listen("127.0.0.1", "-198.51.100.1", "-2001:db8::1")
        self.assertEqual([one.getsockname()[0] for some in found for one in some], ["127.0.0.1"])
        with self.assertRaises(StartError) as raised:
            self.listen("127.0.0.1", "198.51.100.1")
        self.assertIn("cannot listen on 198.51.100.1 port 0: Cannot assign", str(raised.exception))

    def test_all_optional_and_none_there(self) -> None:
        """A server that could listen nowhere does not start."""
        self.assertRaises(StartError, self.listen, "-198.51.100.1", "-2001:db8::1")

    def test_optional_address_in_use(self) -> None:
        """An optional address whose port is taken is an error all the same, and nothing stays open."""
        ((taken,),) = self.listen("127.0.0.2")
        port = taken.getsockname()[1]
        with self.assertRaises(StartError) as raised:
            self.listen("127.0.0.1", "-127.0.0.2", port=port)
        self.assertIn(f"127.0.0.2 port {port}: Address already in use", str(raised.exception))
        self.listen("127.0.0.1", port=port)


class ShownTests(SynchronousTestCase):
    """shown"""

    def test_addresses_as_people_write_them(self) -> None:
        """IPv6 stands in brackets before its port; a UNIX socket is its path."""
        names = [("127.0.0.1", 1), ("::1", 2, 0, 0), "/run/s"]
        self.assertEqual([shown(name) for name in names], ["127.0.0.1:1", "[::1]:2", "/run/s"])


class UnixTests(SynchronousTestCase):
    """listen_unix"""

    def setUp(self) -> None:
        # Trial's own directories have names too long for a socket.
        directory = tempfile.mkdtemp(prefix="rd-")
        self.addCleanup(shutil.rmtree, directory)
        self.path = os.path.join(directory, "s")

    def listen(self) -> socket.socket:
        """A socket that listens at the path."""
        listener = listen_unix(self.path)
        self.addCleanup(listener.close)
        return listener

    def test_owner_and_group_may_connect(self) -> None:
        """The socket's mode is 0660, whatever the umask says."""
        old = os.umask(0o777)
        try:
            self.listen()
        finally:
            os.umask(old)
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o660)

    def test_socket_of_a_dead_process_is_replaced(self) -> None:
        """A socket without a listener does not stop the start."""
        listen_unix(self.path).close()
        self.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.path)

    def test_socket_in_use(self) -> None:
        """A socket that somebody listens on does, and stays."""
        self.listen()
        self.assertRaises(StartError, listen_unix, self.path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.path)

    def test_file_in_the_way(self) -> None:
        """Whatever is no socket is not removed."""
        with open(self.path, "w", encoding="ascii") as file:
            file.write("precious")
        self.assertRaises(StartError, listen_unix, self.path)
        with open(self.path, encoding="ascii") as file:
            self.assertEqual(file.read(), "precious")

    def test_path_that_cannot_be(self) -> None:
        """A directory that is not there, or a path that is too long, is told in words."""
        for path, reason in (("/none/such/s", "No such file"), ("/" + "x" * 200, "too long")):
            with self.assertRaises(StartError) as raised:
                listen_unix(path)
            self.assertIn(reason, str(raised.exception))


class FilesTests(SynchronousTestCase):
    """allow_files"""

    def setUp(self) -> None:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        self.hard = limits[1]

    def test_soft_limit_is_raised(self) -> None:
        """The soft limit follows max_connections, some are kept for the daemon itself."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, self.hard))
        self.assertEqual(allow_files(300), 300)
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), (300 + RESERVED_FILES, self.hard))

    def test_hard_limit_holds(self) -> None:
        """Beyond the hard limit only as many connections are possible as it leaves."""
        if self.hard == resource.RLIM_INFINITY:
            self.skipTest("no hard limit here")
        self.assertEqual(allow_files(self.hard * 2), self.hard - RESERVED_FILES)
        self.assertEqual(allow_files(0), self.hard - RESERVED_FILES)
