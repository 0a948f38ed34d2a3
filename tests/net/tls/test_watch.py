"""Changes of the certificate's files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from redistill.config.errors import ConfigError
from redistill.config.settings import Security
from redistill.net.tls import watch
from redistill.net.tls.watch import AGAIN, LOOK_SECONDS, CertificateWatch
from tests.support.certificates import Certificates


class WatchTests(SynchronousTestCase):
    """CertificateWatch"""

    def setUp(self) -> None:
        self.certificates = Certificates(self)
        certificate, key = self.certificates.sign("server")
        self.security = Security(tls_cert_path=certificate, tls_key_path=key)
        self.clock = Clock()
        self.renewals = 0
        self.busy = False
        self.problem: ConfigError | None = None
        self.watch = CertificateWatch(self.clock, lambda: self.security, self.changed)
        self.watch.startService()

    def changed(self) -> bool:
        self.renewals += 1
        if self.problem:
            raise self.problem
        return not self.busy

    def look(self, times: int = 1) -> int:
        """Let looks pass. Returns how often a change was reported by then."""
        for _ in range(times):
            self.clock.advance(LOOK_SECONDS)
        return self.renewals

    def test_nothing_new(self) -> None:
        """Files that stay as they are, and their mere reading, are no change."""
        Path(self.security.tls_key_path).read_text()
        self.assertEqual(self.look(3), 0)

    def test_change(self) -> None:
        """A change is reported once, when the files have rested between two looks."""
        self.certificates.sign("server")
        self.assertEqual(self.look(), 0)
        self.assertEqual(self.look(), 1)
        self.assertEqual(self.look(3), 1)

    def test_certificate_before_its_key(self) -> None:
        """No change is reported between the writing of the certificate and of its key."""
        written = Path(self.security.tls_cert_path)
        written.write_text(written.read_text() + "\n")
        self.assertEqual(self.look(), 0)
        written = Path(self.security.tls_key_path)
        written.write_text(written.read_text() + "\n")
        self.assertEqual(self.look(), 0)
        self.assertEqual(self.look(), 1)

    def test_files_that_a_reload_need_not_read(self) -> None:
        """A reload need not read unchanged files at the same paths; it reads changed and missing ones."""
        self.assertTrue(self.watch.knows(self.security))
        other, key = self.certificates.sign("other")
        self.assertFalse(self.watch.knows(Security(tls_cert_path=other, tls_key_path=key)))
        written = Path(self.security.tls_key_path)
        written.write_text(written.read_text() + "\n")
        self.assertFalse(self.watch.knows(self.security))
        self.watch.noted(self.watch.state())
        self.assertTrue(self.watch.knows(self.security))
        written.unlink()
        self.assertFalse(self.watch.knows(self.security))
        self.watch.noted(self.watch.state())
        self.assertFalse(self.watch.knows(self.security))

    def test_out_of_reach(self) -> None:
        """Files that the daemon's user may not look at count as those that were read before it became that user."""

        def stat(path: str) -> NoReturn:
            raise PermissionError

        self.patch(watch, "os", SimpleNamespace(stat=stat))
        self.watch.noted(self.watch.state())
        self.assertTrue(self.watch.knows(self.security))
        self.assertFalse(self.watch.knows(Security(tls_cert_path="/another", tls_key_path="/key")))

    def test_read_by_a_reload(self) -> None:
        """Files that a reload has read are no change."""
        self.certificates.sign("server")
        self.watch.noted(self.watch.state())
        self.assertEqual(self.look(3), 0)

    def test_link(self) -> None:
        """A link that is turned to another file is a change."""
        link = self.certificates.directory / "link.pem"
        link.symlink_to(self.security.tls_cert_path)
        self.security = dataclasses.replace(self.security, tls_cert_path=str(link))
        self.assertEqual(self.look(2), 0)
        other, _ = self.certificates.sign("other")
        link.unlink()
        link.symlink_to(other)
        self.assertEqual(self.look(2), 1)

    def test_unusable_file(self) -> None:
        """An unusable file is logged, and tried again at the next change, or after a while."""
        self.problem = ConfigError("no pair")
        said: list[str] = []
        observer = lambda event: said.append(formatEvent(event))  # noqa: E731
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        Path(self.security.tls_key_path).unlink()
        self.assertEqual(self.look(4), 1)
        self.assertEqual(said, ["the certificate was not renewed, the old one stays in use: no pair"])
        self.certificates.sign("server")
        self.assertEqual(self.look(4), 2)
        self.assertEqual(self.look(AGAIN), 3)

    def test_not_now(self) -> None:
        """A receiver that cannot read the files now is called again soon."""
        self.certificates.sign("server")
        self.busy = True
        self.assertEqual(self.look(4), 3)
        self.busy = False
        self.assertEqual(self.look(4), 4)

    def test_permissions(self) -> None:
        """A file that others may read now is a change."""
        Path(self.security.tls_key_path).chmod(0o640)
        self.assertEqual(self.look(2), 1)

    def test_stop(self) -> None:
        """After the end no look is scheduled."""
        self.watch.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
