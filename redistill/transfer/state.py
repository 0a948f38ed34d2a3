"""The state file of an interrupted load."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from redistill.transfer.records import BadSource

FORMAT = 1
STATE_MAX = 1 << 20


def default_path(*what: object) -> Path:
    """Where the state of a load is kept that `what` identifies: source, target and options."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    name = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]
    return Path(base) / "redistill" / f"load-{name}.json"


class State:
    """A file with a position and the counts up to there."""

    def __init__(self, path: Path, run: dict[str, Any]) -> None:
        """`run` describes the load; the state of another is refused."""
        self.path = path
        self._run = run

    def read(self) -> dict[str, Any] | None:
        """The state that was written last; None if there is no file. BadSource if it is the state of another load."""
        try:
            with open(self.path, "rb") as file:
                read = json.loads(file.read(STATE_MAX))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as problem:
            raise BadSource(f"cannot read the state file {self.path}: {problem}") from None
        if not isinstance(read, dict) or read.get("format") != FORMAT:
            raise BadSource(f"{self.path} is not the state file of a load; name another with --state")
        then = read.get("run")
        if then != self._run:
            differing = sorted(k for k in self._run if not isinstance(then, dict) or then.get(k) != self._run[k])
            raise BadSource(
                f"{self.path} is the state of another load (its {', '.join(differing) or 'options'} differed);"
                " remove it to begin anew"
            )
        return read

    def write(self, **content: Any) -> None:
        """Replace the file."""
        text = json.dumps({"format": FORMAT, "run": self._run, **content}, indent=1)
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)  # of mode 0600
        try:
            with open(fd, "w") as file:
                file.write(text)
            os.replace(name, self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise

    def remove(self) -> None:
        """The load is complete."""
        self.path.unlink(missing_ok=True)
