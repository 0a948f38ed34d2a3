"""The environment of fork servers and workers."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

import redistill
from redistill.workers.fork_client import environment


class EnvironmentTests(SynchronousTestCase):
    """The environment of a worker."""

    def test_settings_are_left_out(self) -> None:
        """Settings, which may be secrets, and what is the supervisor's alone are not passed on; our package can be
        imported."""
        kept = environment(
            {
                "REDIS_PASSWORD": "x",
                "REDISTILL_CONFIG": "y",
                "LISTEN_FDS": "1",
                "NOTIFY_SOCKET": "/n",
                "WATCHDOG_USEC": "9",
                "HOME": "/h",
            }
        )
        home = os.path.dirname(os.path.dirname(os.path.abspath(redistill.__file__)))
        self.assertEqual(kept, {"HOME": "/h", "PYTHONPATH": home})
        self.assertEqual(environment({"PYTHONPATH": "/p"})["PYTHONPATH"], f"{home}{os.pathsep}/p")
