"""ACL CAT, GENPASS, DRYRUN and HELP."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from redistill.control.acl import HELP
from tests.support.acl import bulks
from tests.support.control import Server


class ToolTests(SynchronousTestCase):
    """CAT, GENPASS, DRYRUN, HELP."""

    def setUp(self) -> None:
        self.server = Server()

    def test_cat(self) -> None:
        """All categories, or the commands of one."""
        self.assertTrue(self.server.run("ACL CAT").startswith(b"*21\r\n$8\r\nkeyspace\r\n"))
        self.assertEqual(
            self.server.run("ACL CAT hyperLogLog"), bulks("pfadd", "pfcount", "pfmerge", "pfdebug", "pfselftest")
        )
        self.assertEqual(self.server.run("ACL CAT foo"), b"-ERR Unknown category 'foo'\r\n")
        self.assertIn(b"acl|setuser", self.server.run("ACL CAT dangerous"))
        self.assertTrue(self.server.run("ACL CAT a b").startswith(b"-ERR unknown subcommand or wrong number"))

    def test_generate(self) -> None:
        """Random hexadecimal digits for so many bits."""
        one, other = self.server.run("ACL GENPASS"), self.server.run("ACL GENPASS")
        self.assertNotEqual(one, other)
        self.assertTrue(one.startswith(b"$64\r\n"))
        for bits, digits in (("1", 1), ("4", 1), ("5", 2), ("4096", 1024)):
            self.assertTrue(self.server.run(f"ACL GENPASS {bits}").startswith(b"$%d\r\n" % digits))
        self.assertEqual(self.server.run("ACL GENPASS x"), b"-ERR value is not an integer or out of range\r\n")
        self.assertTrue(self.server.run("ACL GENPASS 1 2").startswith(b"-ERR unknown subcommand or wrong number"))
        for bits in ("0", "-1", "4097"):
            self.assertTrue(self.server.run(f"ACL GENPASS {bits}").startswith(b"-ERR ACL GENPASS argument must be"))

    def test_dry_run(self) -> None:
        """DRYRUN answers OK, or the reason why the user may not run the command."""
        self.server.run("ACL SETUSER bob ~x +get")
        for line, said in (
            ("bob get x", "+OK"),
            ("bob auth a b", "+OK"),
            ("bob get y", "User bob has no permissions to access the 'y' key"),
            ("bob set x 1", "User bob has no permissions to run the 'set' command"),
            ("bob config get x", "User bob has no permissions to run the 'config|get' command"),
            ("default set x 1", "+OK"),
            ("nobody get x", "-ERR User 'nobody' not found"),
            ("bob nosuch", "-ERR Command 'nosuch' not found"),
            ("bob get", "-ERR wrong number of arguments for 'get' command"),
        ):
            text = said.encode() if said[0] in "+-" else b"$%d\r\n%s" % (len(said), said.encode())
            self.assertEqual(self.server.run(f"ACL DRYRUN {line}"), text + b"\r\n", line)

    def test_help(self) -> None:
        """HELP answers all its lines."""
        self.assertEqual(self.server.run("ACL HELP").count(b"\r\n"), len(HELP) + 1)
