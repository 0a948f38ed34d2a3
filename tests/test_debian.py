"""The files of debian/ that repeat a fact agree with the file that has it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from twisted.trial.unittest import SynchronousTestCase

from redistill import __version__

TOP = Path(__file__).parent.parent


class DebianTests(SynchronousTestCase):
    """debian/."""

    def test_version(self) -> None:
        """The newest entry of the changelog is about this version."""
        first = (TOP / "debian/changelog").read_text().partition("\n")[0]
        self.assertEqual(first.partition(";")[0], f"redistill ({__version__}) unstable")

    def test_lock(self) -> None:
        """Debian 12's package brings all that pyproject.toml asks for, in a version that it accepts, with its hash."""
        locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\\n    --hash=sha256:", self.requirements(), re.MULTILINE))
        project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
        wanted = [Requirement(text) for text in project["dependencies"]]
        wrong = [str(one) for one in wanted if locked.get(canonicalize_name(one.name), "0") not in one.specifier]
        self.assertEqual((wrong, len(wanted) > 5), ([], True))

    def test_lock_is_exact(self) -> None:
        """Every line names one version, and none names an index: any mirror of PyPI will do."""
        lines = [line for line in self.requirements().splitlines() if line[:1] not in ("#", " ")]
        self.assertEqual([line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9.]+ \\", line)], [])

    def requirements(self) -> str:
        """The text of requirements.txt."""
        return (TOP / "debian/requirements.txt").read_text()
