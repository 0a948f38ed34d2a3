"""ACL: users, permissions, and what was denied, in the words of Redis 7.2."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from redistill.config.acl import DEFAULT_LINE, MAX_LINE, MAX_NAME, MAX_RULES
from redistill.config.config import Config
from redistill.config.errors import ConfigError
from redistill.config.load import load
from redistill.control.acl import HELP
from redistill.control.denials import Entry, merged
from redistill.control.guesses import BURST, INTERVAL
from redistill.control.users import changed
from redistill.engine.permissions import Denial
from redistill.net.interfaces import Certificate
from tests.support.control import FakeClient, Server

OK = b"+OK\r\n"
WRONGPASS = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
BOB = f"user bob on #{sha256(b'pw').hexdigest()} ~a* resetchannels -@all +get"


def bulks(*texts: str) -> bytes:
    """An array of strings."""
    return b"*%d\r\n" % len(texts) + b"".join(b"$%d\r\n%s\r\n" % (len(one), one.encode()) for one in texts)


class UserTests(SynchronousTestCase):
    """SETUSER, DELUSER, GETUSER, LIST, USERS, WHOAMI."""

    def setUp(self) -> None:
        self.server = Server()

    def test_set(self) -> None:
        """A user is made of rules, and shown as a line and in parts."""
        self.assertEqual(self.server.run("ACL SETUSER bob on >pw ~a* +get"), OK)
        self.assertEqual(self.server.run("ACL LIST"), bulks(BOB, DEFAULT_LINE))
        self.assertEqual(self.server.run("ACL USERS"), bulks("bob", "default"))
        shown = self.server.run("ACL GETUSER bob")
        for part in (
            b"*12\r\n$5\r\nflags\r\n*1\r\n$2\r\non\r\n",
            b"$8\r\ncommands\r\n$10\r\n-@all +get\r\n$4\r\nkeys\r\n$3\r\n~a*\r\n$8\r\nchannels\r\n$0\r\n\r\n",
            b"$9\r\nselectors\r\n*0\r\n",
        ):
            self.assertIn(part, shown)
        self.client3()
        self.assertTrue(self.server.run("ACL GETUSER bob").startswith(b"%6\r\n$5\r\nflags\r\n~1\r\n"))
        self.assertEqual(self.server.run("ACL GETUSER nobody"), b"_\r\n")

    def client3(self) -> None:
        """RESP3 from here on."""
        self.server.client.session.state.resp = 3

    def test_refused(self) -> None:
        """A rule that cannot be changes nothing; a name has no blanks."""
        self.server.run("ACL SETUSER bob on")
        self.assertEqual(
            self.server.run("ACL SETUSER bob off +nosuch"),
            b"-ERR Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL\r\n",
        )
        self.assertIn(b"user bob on", self.server.run("ACL LIST"))
        self.assertEqual(
            self.server.run("ACL SETUSER bob (+get"),
            b"-ERR Unmatched parenthesis in acl selector starting at '(+get'.\r\n",
        )
        for name in (b"a b", b"", b"a\0", b"a\n", b"a\x0b", b"\r"):
            self.assertEqual(
                self.server.ask("ACL", "SETUSER", name), b"-ERR Usernames can't contain spaces or null characters\r\n"
            )

    def test_bounded(self) -> None:
        """Rules and names are bounded, and a refusal quotes a part."""
        for words in ((b"x" * 1025,), (b"x", b"~" + b"p" * MAX_LINE), (b"x", *[b"+get"] * MAX_RULES)):
            said = self.server.ask("ACL", "SETUSER", *words)
            assert isinstance(said, bytes)
            self.assertIn(b"can't", said)
            self.assertLess(len(said), 120)
        said = self.server.ask("ACL", "SETUSER", "x", b"p" * 100_000)
        assert isinstance(said, bytes)
        self.assertLess(len(said), 4300)
        self.assertTrue(said.endswith(b"': Syntax error\r\n"))
        self.assertEqual(
            self.server.ask("ACL", "SETUSER", "x", b"~a\0b"),
            b"-ERR Error in ACL SETUSER modifier '~a': Syntax error\r\n",
        )
        self.assertEqual(self.server.run("ACL USERS"), bulks("default"))

    def test_one_of_many(self) -> None:
        """A change of one user leaves the accounts and sessions of the others alone."""
        self.server.run("ACL SETUSER eve on >pw +get ~a")
        self.server.run("ACL SETUSER bob on >pw +get ~a")
        eve, bob = self.connect("eve", "pw"), self.connect("bob", "pw")
        before, bobs = self.server.state.users.get("eve"), bob.session.permissions
        seen = eve.session.permissions
        self.server.run("ACL SETUSER bob +set")
        self.server.run("ACL SETUSER default >pw")
        self.assertIs(self.server.state.users.get("eve"), before)
        self.assertIs(eve.session.permissions, seen)
        self.assertIsNot(bob.session.permissions, bobs)

    def test_delete(self) -> None:
        """The number of users that there were; the default user stays."""
        self.server.run("ACL SETUSER bob")
        self.server.run("ACL SETUSER eve")
        self.assertEqual(self.server.run("ACL DELUSER bob nobody eve bob"), b":2\r\n")
        self.assertEqual(self.server.run("ACL USERS"), bulks("default"))
        self.assertEqual(self.server.run("ACL DELUSER default"), b"-ERR The 'default' user cannot be removed\r\n")

    def connect(self, user: str, password: str) -> FakeClient:
        """A client that has authenticated."""
        client = self.server.connect()
        self.assertEqual(self.server.run(f"AUTH {user} {password}", client), OK)
        return client

    def test_connections_of_a_deleted_user(self) -> None:
        """They are closed; the one that deletes itself hears about it first."""
        self.server.run("ACL SETUSER bob on >pw +@all")
        other, bob = self.connect("bob", "pw"), self.connect("bob", "pw")
        self.assertEqual(self.server.run("ACL DELUSER bob", bob), b":1\r\n")
        self.assertEqual((other.killed, bob.killed, self.server.client.killed), (True, False, False))
        self.assertTrue(bob.session.state.close_after_reply)
        self.assertFalse(bob.changes)

    def test_change_that_is_refused(self) -> None:
        """Who would have been cut off by a change that is taken back stays."""
        self.server.run("ACL SETUSER bob on >pw +@all")
        bob, done = self.connect("bob", "pw"), Deferred[None]()
        server = self.server.state
        users, old = server.users, server.config

        def change(state: object, changes: Mapping[str, Any]) -> Deferred[None]:
            server.apply(old.replace(changes))
            return done

        self.patch(server, "peers", SimpleNamespace(change=change))
        answer = self.server.ask("ACL", "DELUSER", "bob", client=bob)
        assert isinstance(answer, Deferred)
        self.assertTrue(bob.session.state.close_after_reply)
        changed(server, users)
        self.assertFalse(bob.session.state.close_after_reply)
        done.errback(Failure(ConfigError("another worker refuses")))
        self.assertEqual(self.successResultOf(answer), b"-ERR another worker refuses\r\n")
        self.assertEqual((bob.killed, bob.changes), (False, False))

    def test_transaction(self) -> None:
        """With the locks of a transaction held a change holds here at once, and is taken back if it is refused; the
        answer comes when all have judged it."""
        self.server.run("ACL SETUSER bob on >pw +@all ~*")
        bob, changes = self.connect("bob", "pw"), list[Deferred[None]]()

        def change(state: object, edit: object) -> Deferred[None]:
            changes.append(Deferred())
            return changes[-1]

        bob.session.state.locked = True
        self.patch(self.server.state, "peers", SimpleNamespace(change=change))
        self.assertIn(b"Unknown command", self.server.run("ACL SETUSER bob +nosuch", bob))
        answers = []
        for line in ("SETUSER bob -get", "SETUSER eve >new", "SETUSER eve <new", "DELUSER eve"):
            answer = self.server.ask("ACL", *line.split(), client=bob)
            assert isinstance(answer, Deferred)
            self.assertNoResult(answer)
            answers.append(answer)
            self.assertIsNotNone(bob.session.permissions)
        for one in changes:
            one.errback(Failure(ConfigError("no")))
        self.assertEqual([self.successResultOf(answer) for answer in answers], [b"-ERR no\r\n"] * 4)
        self.assertIsNone(bob.session.permissions)
        self.assertEqual(
            self.server.run("ACL LIST"), bulks(*(one.line for one in self.server.state.config.users.ordered()))
        )

    def test_permissions_at_once(self) -> None:
        """A change of rules holds for those who are there."""
        self.server.run("ACL SETUSER bob on >pw +@all allkeys")
        bob = self.connect("bob", "pw")
        self.assertIsNone(bob.session.permissions)
        self.server.run("ACL SETUSER bob -set")
        assert bob.session.permissions is not None
        self.assertEqual(self.server.run("ACL WHOAMI", bob), b"$3\r\nbob\r\n")
        self.server.run("ACL SETUSER default -@all +acl", self.server.client)
        self.assertIsNotNone(self.server.client.session.permissions)
        self.assertIsNotNone(self.server.connect().session.permissions)

    def test_default_user_with_a_password(self) -> None:
        """Who comes is nobody until it says the password; RESET makes it so again."""
        self.server.run("ACL SETUSER default >pw")
        client = self.server.connect()
        self.assertFalse(client.session.state.authenticated)
        self.assertEqual(self.server.run("AUTH nope", client), WRONGPASS)
        self.assertEqual(self.server.run("AUTH pw", client), OK)
        self.server.run("RESET", client)
        self.assertFalse(client.session.state.authenticated)
        self.server.run("ACL SETUSER default off nopass")
        self.assertEqual(self.server.run("AUTH default pw", client), WRONGPASS)
        self.assertFalse(self.server.connect().session.state.authenticated)


class CertificateTests(SynchronousTestCase):
    """Users whom a client's certificate names."""

    def setUp(self) -> None:
        self.server = Server({"security.password": ("secret",), "security.tls_auth_user": "cn"})
        self.server.run("ACL SETUSER app on +get")
        self.server.run("ACL SETUSER gone +get")

    def who(self, user: str, subject: str = "CN=x") -> tuple[str, bool]:
        """Who a client with such a certificate is, and whether it is in."""
        client = self.server.connect(certificate=Certificate(subject, user))
        return client.user, client.session.state.authenticated

    def test_named(self) -> None:
        """An existing user that is on; anybody else must say a password."""
        self.assertEqual(self.who("app"), ("app", True))
        for user in ("gone", "nobody", ""):
            self.assertEqual(self.who(user), ("default", False))

    def test_reset(self) -> None:
        """RESET makes it the same again."""
        client = self.server.connect(certificate=Certificate("CN=app", "app"))
        self.server.run("AUTH secret", client)
        self.assertEqual(client.user, "default")
        self.server.run("RESET", client)
        self.assertEqual((client.user, client.session.state.authenticated), ("app", True))

    def test_off(self) -> None:
        """Unless it is asked for, a certificate lets nobody in."""
        self.server.run("CONFIG SET tls-auth-clients-user off")
        self.assertEqual(self.who("app"), ("default", False))

    def test_list(self) -> None:
        """CLIENT LIST has the subject as one word."""
        client = self.server.connect(certificate=Certificate("CN=my app,O=Å\n", ""))
        line = self.server.run("CLIENT INFO", client).decode()
        self.assertTrue(line.endswith(" tls-subject=CN=my%20app,O=%C3%85%0A\n\r\n"), line)


class SecretTests(SynchronousTestCase):
    """The use that is made of passwords."""

    def setUp(self) -> None:
        self.server = Server({"security.password": ("old", "new")})

    def lines(self) -> dict[str, str]:
        """What INFO secrets says, by secret."""
        text = self.server.run("INFO secrets").split(b"\r\n", 1)[1].decode()
        return dict(line.removeprefix("secret_").split(":", 1) for line in text.split("\r\n") if ":" in line)

    def test_use(self) -> None:
        """Last use, connections and their libraries, until they are gone."""
        names = [sha256(word).hexdigest()[:8] for word in (b"old", b"new")]
        never = "user=default,source=config,last_used=0,connections=0,authentications=0,place=0,libraries="
        self.assertEqual(self.lines(), dict.fromkeys(names, never))
        clients = [self.server.connect(lib_name=name, lib_ver=b"1,2") for name in (b"jedis", b"redis-py", b"")]
        for client in clients:
            self.server.run("AUTH old", client)
        self.server.run("AUTH old", clients[0])  # again: one connection, two uses
        self.server.run("AUTH new", clients[2])
        self.assertEqual(
            self.lines(),
            {
                names[0]: "user=default,source=config,last_used=1700000000,connections=2,authentications=4,"
                "place=1,libraries=jedis 1_2|redis-py 1_2",
                names[1]: "user=default,source=config,last_used=1700000000,connections=1,authentications=1,"
                "place=2,libraries=1_2",
            },
        )
        for client in clients:
            self.server.plane.left(client)
        self.assertIn("connections=0,authentications=4", self.lines()[names[0]])

    def test_list(self) -> None:
        """CLIENT LIST says which one a connection used; none is shown before."""
        self.server.run("AUTH new")
        line = self.server.run("CLIENT INFO").decode()
        self.assertIn(f" secret={sha256(b'new').hexdigest()[:8]}\n", line)
        self.server.run("RESET")
        self.assertIn(" secret=\n", self.server.run("CLIENT INFO").decode())

    def test_who_may_see_hashes(self) -> None:
        """Digits of hashes are for those who may ask for whole ones: others find none in INFO, CLIENT LIST, ACL LOG."""
        for name in ("old", "new"):
            self.server.run(f"AUTH {name}", self.server.connect())
        digits = {sha256(word).hexdigest()[:8].encode() for word in (b"old", b"new", b"pw")}
        asked = ("INFO secrets", "INFO everything", "CLIENT LIST", "ACL LOG")
        for rights, sees in (
            ("+@all", True),
            ("+@all -acl|getuser", False),
            ("-@all +info +client|list +acl|log", False),
        ):
            self.server.run(f"ACL SETUSER eve reset on >pw {rights}")
            eve = self.server.connect()
            self.server.run("AUTH eve pw", eve)
            self.server.run("AUTH eve wrong", eve)  # for ACL LOG, whose lines describe the client
            shown = {line: any(one in self.server.run(line, eve) for one in digits) for line in asked}
            self.assertEqual(shown, dict.fromkeys(asked, sees) | {"ACL LOG": False}, rights)

    def test_gone(self) -> None:
        """A password that was taken out is shown as long as connections are there that used it."""
        self.server.run("AUTH old")
        self.server.run("CONFIG SET requirepass new")
        name = sha256(b"old").hexdigest()[:8]
        self.assertIn("user=,source=gone", self.lines()[name])
        self.server.plane.left(self.server.client)
        self.assertNotIn(name, self.lines())

    def test_adopted(self) -> None:
        """Who is handed over counts as a connection, and not as a use; of a user that is no more nothing is executed, and its
        next command is its last."""
        self.server.run("ACL SETUSER bob on >pw +get")
        number = int(sha256(b"pw").hexdigest()[:16], 16)
        bob, ghost = self.server.connect(), self.server.connect()
        for client, user in ((bob, "bob"), (ghost, "ghost")):
            client.user, client.secret = user, number
            client.session.state.authenticated = True
            self.server.plane.adopted(client)
        secrets = self.server.store.secrets
        self.assertEqual((secrets.connections, secrets.used), ({number: 1}, {}))
        self.assertIsNotNone(bob.session.permissions)
        self.assertEqual((ghost.user, ghost.secret), ("default", 0))
        state = ghost.session.state
        self.assertEqual((state.authenticated, state.close_after_reply), (False, True))


class DenialTests(SynchronousTestCase):
    """NOPERM, and ACL LOG."""

    def setUp(self) -> None:
        self.server = Server()
        self.server.run("ACL SETUSER bob on >pw +get ~a*")
        self.bob = self.server.connect()
        self.server.run("AUTH bob pw", self.bob)

    def denied(self, line: str, denial: Denial, at: int = 0) -> bytes:
        """The answer to a command of bob's that the core did not let through."""
        state = self.bob.session.state
        state.denied, state.denied_at = denial, at
        try:
            return self.server.run(line, self.bob)
        finally:
            state.denied = 0

    def test_words(self) -> None:
        """As Redis says it, in and outside of a transaction."""
        no_set = b"User bob has no permissions to run the 'set' command\r\n"
        self.assertEqual(self.denied("SET a 1", Denial.COMMAND), b"-NOPERM " + no_set)
        self.assertEqual(self.denied("GET b", Denial.KEY, 1), b"-NOPERM No permissions to access a key\r\n")
        self.assertEqual(
            self.denied("CONFIG GET x", Denial.COMMAND),
            b"-NOPERM User bob has no permissions to run the 'config|get' command\r\n",
        )
        self.bob.session.state.in_multi = True
        self.assertEqual(
            self.denied("EXEC", Denial.COMMAND),
            b"-EXECABORT Transaction discarded because of: NOPERM "
            b"User bob has no permissions to run the 'exec' command\r\n",
        )
        self.bob.session.state.in_exec = True
        self.assertEqual(
            self.denied("SET a 1", Denial.COMMAND),
            b"-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call."
            b" This command is no longer allowed for the following reason: no permission to execute the command or"
            b" subcommand\r\n",
        )
        counters = self.server.state.counters
        self.assertEqual((counters.denied_commands, counters.denied_keys), (4, 1))

    def log(self, *words: str) -> bytes:
        """ACL LOG"""
        return self.server.run(" ".join(("ACL LOG", *words)))

    def test_log(self) -> None:
        """What was denied, newest first, alike in one entry."""
        self.assertEqual(self.log(), b"*0\r\n")
        for _ in range(3):
            self.denied("SET a 1", Denial.COMMAND)
        self.server.clock.advance(2.5)
        self.denied("GET b", Denial.KEY, 1)
        self.server.run("AUTH bob wrong")
        found = self.log()
        entries = found.split(b"*20\r\n")[1:]
        self.assertEqual(len(entries), 3)
        for entry, parts in zip(
            reversed(entries),
            (
                (b":3\r\n$6\r\nreason\r\n$7\r\ncommand", b"object\r\n$3\r\nset\r\n$8\r\nusername\r\n$3\r\nbob"),
                (b":1\r\n$6\r\nreason\r\n$3\r\nkey", b"object\r\n$1\r\nb\r\n"),
                (b"reason\r\n$4\r\nauth", b"object\r\n$4\r\nAUTH\r\n$8\r\nusername\r\n$3\r\nbob"),
            ),
            strict=True,
        ):
            for part in (*parts, b"context\r\n$8\r\ntoplevel", b"client-info\r\n$"):
                self.assertIn(part, entry)
        self.assertIn(b"age-seconds\r\n$3\r\n2.5\r\n", entries[-1])
        self.assertEqual(self.log("1").count(b"*20\r\n"), 1)
        self.assertEqual(self.log("-3"), b"*0\r\n")
        self.assertEqual(self.log("RESET"), OK)
        self.assertEqual(self.log(), b"*0\r\n")

    def test_long_name(self) -> None:
        """Of a name that nobody can have its beginning is kept, and is not who it names."""
        name = b"x" * MAX_NAME
        self.assertEqual(self.server.ask("ACL", "SETUSER", name, "on", "nopass"), OK)
        self.assertEqual(self.server.ask("AUTH", name + b"y" * 10_000, "pw"), WRONGPASS)
        self.assertIn(b"username\r\n$1024\r\n" + name + b"\r\n", self.log())
        self.assertEqual(self.server.ask("AUTH", name, "pw"), OK)

    def test_later(self) -> None:
        """What happens again after a minute is another entry."""
        self.denied("SET a 1", Denial.COMMAND)
        self.server.clock.advance(61)
        self.denied("SET a 1", Denial.COMMAND)
        self.assertEqual(self.log().count(b"*20\r\n"), 2)

    def test_several_workers(self) -> None:
        """The same denial on two workers is one entry, as one worker would have it."""

        def entry(number: int, what: str, client: str, created: float, updated: float, count: int) -> Entry:
            return Entry(number, "key", "toplevel", what, "bob", client, created, updated, count)

        here = [entry(5, "b", "id=5", 100, 130, 4), entry(1, "a", "id=1", 10, 10, 1)]
        there = [
            entry(7, "c", "id=7", 125, 125, 1),
            entry(6, "b", "id=6", 110, 120, 2),
            entry(2, "a", "id=2", 71, 71, 1),
        ]
        self.assertEqual(
            merged([*here, *there]),
            [
                entry(5, "b", "id=5", 100, 130, 6),
                entry(7, "c", "id=7", 125, 125, 1),
                entry(2, "a", "id=2", 71, 71, 1),  # more than a minute later
                entry(1, "a", "id=1", 10, 10, 1),
            ],
        )
        self.assertEqual(here[0].count, 4)
        latest = merged([entry(1, "a", "id=1", 10, 10, 1), entry(2, "a", "id=2", 70, 80, 1)])
        self.assertEqual(latest, [entry(1, "a", "id=2", 10, 80, 2)])

    def test_bounded(self) -> None:
        """As many entries as acllog-max-len says, also after it was lowered; a long key is cut."""
        for n in range(5):
            self.denied(f"GET b{n}", Denial.KEY, 1)
        self.server.run("CONFIG SET acllog-max-len 3")
        self.assertEqual(self.log("100").count(b"*20\r\n"), 3)
        self.denied("GET " + "b" * 5000, Denial.KEY, 1)
        found = self.log("100")
        self.assertEqual(found.count(b"*20\r\n"), 3)
        self.assertIn(b"object\r\n$1024\r\nbbb", found)

    def test_arguments(self) -> None:
        """ACL LOG takes a number or RESET."""
        self.assertEqual(self.log("x"), b"-ERR value is not an integer or out of range\r\n")
        self.assertIn(b"-ERR unknown subcommand or wrong number of arguments for 'LOG'", self.log("1", "2"))


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
        """What a command would be answered, and why not."""
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
        """Each line of it."""
        self.assertEqual(self.server.run("ACL HELP").count(b"\r\n"), len(HELP) + 1)


class FileTests(SynchronousTestCase):
    """ACL SAVE and ACL LOAD, and the file at the start."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.write_text("user bob on >pw ~a* +get\n")
        config = Path(self.mktemp())
        config.write_text(f'[security]\nacl_file = "{self.path}"\n')
        self.config_path = str(config)

    def read(self) -> Config:
        """The configuration as it is at a start."""
        return load(self.config_path, {})

    def test_start_save_and_load(self) -> None:
        """Users come from the file, go back to it, and are read again."""
        server = Server(config=self.read())
        self.assertEqual(server.run("ACL LIST"), bulks(BOB, DEFAULT_LINE))
        server.run("ACL SETUSER eve")
        self.assertEqual(server.run("ACL SAVE"), OK)
        self.assertEqual(self.path.read_text(), f"{BOB}\n{DEFAULT_LINE}\nuser eve off resetchannels -@all\n")
        server.run("ACL DELUSER eve bob")
        self.assertEqual(server.run("ACL LOAD"), OK)
        self.assertEqual(server.run("ACL USERS"), bulks("bob", "default", "eve"))

    def test_bytes(self) -> None:
        """Names, patterns and passwords are bytes, in the file too: nothing that only Unicode calls a space, a line's
        end or a letter has a meaning."""
        server = Server(config=self.read())
        name, pattern = b"b\xc2\xa0nopass\xff\xc2\x85", b"~\xff*\xc2\xa0(~*\xe2\x80\xa8+@all)\x1c"
        self.assertEqual(
            server.ask(
                "ACL", "SETUSER", name, "on", ">p\xa0\udcff".encode("utf-8", "surrogateescape"), pattern, "+get"
            ),
            OK,
        )
        listed, shown = server.run("ACL LIST"), server.ask("ACL", "GETUSER", name)
        assert isinstance(shown, bytes)
        self.assertIn(b"\r\n" + pattern + b"\r\n", shown)
        self.assertEqual(server.run("ACL SAVE"), OK)
        self.assertIn(b"user %s on #" % name, self.path.read_bytes())
        self.assertEqual(server.ask("ACL", "DELUSER", name), b":1\r\n")
        self.assertEqual(server.run("ACL LOAD"), OK)
        self.assertEqual((server.run("ACL LIST"), server.ask("ACL", "GETUSER", name)), (listed, shown))
        again = Server(config=self.read())
        self.assertEqual(again.run("ACL LIST"), listed)
        client = again.connect()
        self.assertEqual(again.ask("AUTH", name, b"x", client=client), WRONGPASS)
        self.assertEqual(again.ask("AUTH", name, b"p\xc2\xa0\xff", client=client), OK)
        self.assertEqual(again.ask("ACL", "WHOAMI", client=client), b"$%d\r\n%s\r\n" % (len(name), name))
        self.assertIn(name, again.ask("CLIENT", "LIST", client=client))
        self.assertEqual(again.ask("ACL", "DRYRUN", name, "GET", b"\xff1\xc2\xa0(~*\xe2\x80\xa8+@all)\x1c"), OK)
        self.assertIn(b"no permissions", again.ask("ACL", "DRYRUN", name, "GET", "a"))

    def test_load_without_the_caller(self) -> None:
        """Whom the file no longer has is closed; who asked for it hears the answer first."""
        server = Server(config=self.read())
        server.run("ACL SETUSER eve on >pw +@all")
        clients = [server.connect() for _ in range(2)]
        for client in clients:
            self.assertEqual(server.run("AUTH eve pw", client), OK)
        self.assertEqual(server.run("ACL LOAD", clients[0]), OK)
        self.assertEqual([client.killed for client in clients], [False, True])
        self.assertTrue(clients[0].session.state.close_after_reply)

    def test_load_of_a_bad_file(self) -> None:
        """Nothing changes, and the line is named."""
        server = Server(config=self.read())
        self.path.write_text("user bob off\nuser eve +nosuch\n")
        said = server.run("ACL LOAD")
        self.assertTrue(said.startswith(b"-ERR "), said)
        self.assertIn(b"line 2: '+nosuch': Unknown command or category name in ACL", said)
        self.assertEqual(server.run("ACL LIST"), bulks(BOB, DEFAULT_LINE))
        self.assertRaises(ConfigError, self.read)

    def test_unwritable(self) -> None:
        """What cannot be written is said."""
        server = Server(config=self.read())
        self.path.unlink()
        self.assertTrue(server.run("ACL SAVE").startswith(b"-ERR There was an error trying to save the ACLs: "))
        self.assertRaises(ConfigError, self.read)

    def test_no_file(self) -> None:
        """Redis's words when none is configured."""
        for command in ("ACL SAVE", "ACL LOAD"):
            self.assertIn(b"is not configured to use an ACL file", Server().run(command))

    def test_between_workers(self) -> None:
        """Users go with the configuration to other processes."""
        config = self.read()
        self.assertEqual(Config.from_json(config.to_json()), config)


class SlowTests(SynchronousTestCase):
    """Failed authentications are answered late when they are many."""

    def test_late(self) -> None:
        """The tenth is the last that is told at once; in the meantime the right password is."""
        server = Server({"security.password": ("secret",)})
        for _ in range(BURST):
            self.assertEqual(server.run("AUTH wrong"), WRONGPASS)
        late = server.ask("AUTH", "wrong")
        assert isinstance(late, Deferred)
        self.assertNoResult(late)
        self.assertEqual(server.run("AUTH secret", server.connect()), OK)
        server.clock.advance(INTERVAL)
        self.assertEqual(self.successResultOf(late), WRONGPASS)

    def test_gone(self) -> None:
        """Who does not wait leaves nothing behind."""
        server = Server({"security.password": ("secret",)})
        for _ in range(BURST):
            server.run("HELLO 3 AUTH default wrong")
        late = server.ask("HELLO", "3", "AUTH", "default", "wrong")
        assert isinstance(late, Deferred)
        late.addErrback(lambda failure: None)
        late.cancel()
        self.assertEqual(server.clock.getDelayedCalls(), [])

    def test_too_many(self) -> None:
        """In the end nothing is looked at, not even the right password, and the connection is closed."""
        server = Server({"security.password": ("secret",)})
        while not server.state.guesses.refuses("127.0.0.1", server.clock.seconds()):
            server.ask("AUTH", "wrong")
        client = server.connect()
        self.assertEqual(
            server.run("AUTH secret", client),
            b"-ERR too many failed authentications from your address, try again later\r\n",
        )
        self.assertTrue(client.session.state.close_after_reply)
        server.clock.advance(1)
        self.assertEqual(server.run("AUTH secret", server.connect(peer="10.0.0.9:1")), OK)
