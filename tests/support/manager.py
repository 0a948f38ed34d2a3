"""A service manager for tests."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile

from twisted.trial.unittest import SynchronousTestCase


class PlayedManager:
    """systemd's end of the socket."""

    def __init__(self, case: SynchronousTestCase, address: str = "") -> None:
        directory = tempfile.mkdtemp(prefix="rd-")
        case.addCleanup(shutil.rmtree, directory)
        self.address = address or os.path.join(directory, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        case.addCleanup(self.socket.close)
        self.socket.bind("\0" + address[1:] if address else self.address)
        self.socket.setblocking(False)
        self.environ = {"NOTIFY_SOCKET": self.address}
        self.fds: list[int] = []

        case.addCleanup(self.forget)

    def forget(self) -> None:
        """Close the descriptors that were passed."""
        while self.fds:
            os.close(self.fds.pop())

    def heard(self) -> list[str]:
        """The messages since the last call; their descriptors go to `fds`."""
        said = []
        while True:
            try:
                text, fds, _, _ = socket.recv_fds(self.socket, 4096, 4)
            except BlockingIOError:
                return said
            said.append(text.decode())
            self.fds += fds
