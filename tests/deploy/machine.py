"""A Debian system with systemd, in a container of the host's network: what a script of tests/deploy installs into."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "deploy"
BOOT_SECONDS = 60.0
RUN_SECONDS = 180.0


def until(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Look again and again until the condition holds. Raises AssertionError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)


def skipped() -> int | None:
    """Nothing where systems can be booted. Elsewhere say so, in the words of a script that was skipped, and return its
    exit status: a failure where nothing may be missing."""
    able = os.geteuid() == 0 and shutil.which("systemd-nspawn") and shutil.which("debootstrap")
    if able and not subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False).returncode:
        return None
    print("skipped: needs root, debootstrap, systemd-nspawn and namespaces")
    required = os.environ.get("REDISTILL_TEST_REQUIRE_TOOLS") == "1"
    print(f"0 passed, {int(required)} failed")
    return int(required)


def package(suite: str) -> Path:
    """The Debian package of this tree, built in a root of that release."""
    built = subprocess.run([HERE / "package", suite], check=True, stdout=subprocess.PIPE, text=True)
    return Path(built.stdout.strip())


class Machine:
    """A copy of the root of a Debian release, booted; a context manager that ends and removes it."""

    def __init__(
        self,
        suite: str,
        name: str,
        *,
        prepare: Callable[[Machine], object] = lambda machine: None,
        private_network: bool = False,
    ) -> None:
        """`name` is that of the test. `prepare` is called before the system boots, and `chroot` works in it.

        With a private network the system has nothing but a loopback of its own, and every port is free.
        """
        self.root = BUILD / f"{name}-{suite}"
        self.suite = suite
        self._prepare = prepare
        self._network = ["--private-network"] if private_network else []
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._init = 0

    def __enter__(self) -> Machine:
        pristine = subprocess.run([HERE / "root", self.suite], check=True, stdout=subprocess.PIPE, text=True)
        self._remove()
        subprocess.run(["cp", "-a", "--reflink=auto", pristine.stdout.strip(), self.root], check=True)
        try:
            self._prepare(self)
            self.boot()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._end()

    def chroot(self, *argv: str) -> None:
        """Run a command in it before it has booted, with the host's network."""
        enter = '. "$0"; in_root "$@"'
        subprocess.run(["bash", "-c", enter, HERE / "lib.sh", self.root, *argv], check=True, stdout=subprocess.DEVNULL)

    def boot(self) -> None:
        """Start the system, and return when it runs."""
        with open(self.root.with_suffix(".console"), "wb") as console:
            self._nspawn = subprocess.Popen(
                [
                    "systemd-nspawn",
                    "-q",
                    "-D",
                    self.root,
                    "--register=no",
                    "--keep-unit",
                    "-b",
                    "--console=pipe",
                    *self._network,
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        until(self._has_booted, "the system boots", BOOT_SECONDS)

    def _has_booted(self) -> bool:
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            raise AssertionError(f"systemd-nspawn ended: {self.root.with_suffix('.console').read_text()}")
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        if not children:
            return False
        self._init = int(children[0])
        state = self.run("systemctl", "is-system-running", check=False)
        return state.stdout.strip() in ("running", "degraded")

    def run(
        self, *argv: str | os.PathLike[str], check: bool = True, stdin: str = "", seconds: float = RUN_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it. Raises AssertionError with all that it said if it fails and that matters."""
        done = subprocess.run(
            self.command(*argv),
            input=stdin,
            capture_output=True,
            text=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
            timeout=seconds,
        )
        if check and done.returncode:
            said = done.stdout + done.stderr
            if argv[0] == "systemctl":  # which says where to look, in a system that is gone by then
                said += self.run("journalctl", "--no-pager", "-n", "40", "-o", "short-monotonic", check=False).stdout
            raise AssertionError(f"{argv} ended with status {done.returncode}: {said}")
        return done

    def command(self, *argv: str | os.PathLike[str]) -> Sequence[str | os.PathLike[str]]:
        """The command line that runs a command in the machine."""
        return ["nsenter", "-t", str(self._init), "-m", "-u", "-i", "-n", "-p", "-C", "--root", "--wd=/", *argv]

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", name, unit).stdout.strip()

    def journal(self, unit: str) -> str:
        """The log of a unit, with systemd's messages about it."""
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit).stdout

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of it, as root."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def _end(self) -> None:
        """End its processes, and remove its files."""
        process, self._nspawn = self._nspawn, None
        if process is not None:
            if process.poll() is None and self._init:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._init, signal.SIGRTMIN + 4)  # poweroff, see systemd(1)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                if self._init:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(self._init, signal.SIGKILL)
                process.kill()
                process.wait()
        self._remove()

    def _remove(self) -> None:
        if self.root.exists():
            shutil.rmtree(self.root, onerror=self._immutable)

    @staticmethod
    def _immutable(function: Callable[[Any], object], path: Any, error: object) -> None:
        """systemd makes an immutable directory in /var/lib (machines)."""
        subprocess.run(["chattr", "-i", path], check=False, capture_output=True)
        function(path)
