"""The order of the packages (tests/imports.py)."""

import pathlib
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from tests import imports


class OrderTests(SynchronousTestCase):
    """The check of the order of imports."""

    def tree(self, files: dict[str, str]) -> pathlib.Path:
        """The root of a project with these modules in redistill/."""
        root = pathlib.Path(self.mktemp())
        for name, text in files.items():
            path = root / "redistill" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return root

    def test_tree(self) -> None:
        """No module of ours imports from a package above its own."""
        self.assertEqual(imports.upward(imports.ROOT), [])

    def test_upward(self) -> None:
        """An import that points upward is named with its file and line, wherever it stands."""
        root = self.tree(
            {
                "net/a.py": "from redistill import control\n\ndef f():\n    import redistill.cli.top\n",
                "engine/b.py": "from redistill.engine import c\nfrom redistill.config.config import Config\n",
                "tap.py": "from redistill.wiring import daemon\nfrom redistill import __version__\n",
            }
        )
        self.assertEqual(
            imports.upward(root),
            [
                "redistill/engine/b.py:2: engine is below config, and must not import it",
                "redistill/net/a.py:1: net is below control, and must not import it",
                "redistill/net/a.py:4: net is below cli, and must not import it",
            ],
        )

    def test_unknown_package(self) -> None:
        """A package without a place in the order is named."""
        root = self.tree({"helpers/a.py": "import redistill.net.loop\n"})
        self.assertEqual(imports.upward(root), ["redistill/helpers/a.py: helpers has no place in ORDER"])

    def test_engine_alone(self) -> None:
        """`import redistill.engine` loads the engine, and neither the control plane nor Twisted."""
        code = (
            "import sys, redistill.engine\n"
            "print({name.split('.')[1] for name in sys.modules if name.startswith('redistill.')}, 'twisted' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=imports.ROOT, capture_output=True, text=True, timeout=60
        )
        packages, twisted = done.stdout.rsplit(maxsplit=1)
        self.assertEqual((eval(packages), twisted), ({"engine", "_core"}, "False"), done.stderr)
