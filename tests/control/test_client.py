"""CLIENT, word for word as redis-server 7 (7.2 for SETINFO and NO-TOUCH)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.control import Server

SYNTAX = b"-ERR syntax error\r\n"
BAD = b"cannot contain spaces, newlines or special characters.\r\n"
LINE = (
    "id=7 addr=127.0.0.1:51000 laddr=127.0.0.1:6379 fd=8 name= age=0 idle=0 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 "
    "qbuf=26 qbuf-free=20448 argv-mem=0 multi-mem=0 rbs=1024 rbp=0 obl=0 oll=0 omem=0 tot-mem=23546 events=r "
    "cmd=client|info user=default redir=-1 resp=2 lib-name= lib-ver= secret=\n"
)


def fields(line: str) -> dict[str, str]:
    """The fields of a line of CLIENT LIST."""
    return dict(field.split("=", 1) for field in line.strip().split(" "))


class DescriptionTests(SynchronousTestCase):
    """CLIENT INFO and CLIENT LIST."""

    def setUp(self) -> None:
        self.server = Server()
        self.client = self.server.client
        self.client.session.last_command = "client|info"

    def info(self) -> dict[str, str]:
        """The fields of CLIENT INFO."""
        return fields(self.server.run("CLIENT INFO").split(b"\r\n", 1)[1].decode())

    def test_info(self) -> None:
        """CLIENT INFO has the fields of Redis 7.2, in its order; in RESP3 it is verbatim text."""
        text = LINE.encode()
        self.assertEqual(self.server.run("CLIENT INFO"), b"$%d\r\n%s\r\n" % (len(text), text))
        self.client.session.state.resp = 3
        text = text.replace(b"resp=2", b"resp=3")
        self.assertEqual(self.server.run("CLIENT INFO"), b"=%d\r\ntxt:%s\r\n" % (len(text) + 4, text))

    def test_what_changes(self) -> None:
        """Name, library, database, transaction, age and idle time are those of the connection."""
        for line in ("CLIENT SETNAME w", "CLIENT SETINFO lib-name redis-py", "CLIENT SETINFO LIB-VER 8.1"):
            self.server.run(line)
        self.server.clock.advance(9.5)
        self.client.last_active = 8.0
        state = self.client.session.state
        state.db, state.in_multi, state.multi_queued, state.multi_bytes = 3, True, 2, 100
        changed = {name: value for name, value in self.info().items() if fields(LINE)[name] != value}
        self.assertEqual(
            changed,
            {
                "name": "w",
                "age": "9",
                "idle": "1",
                "flags": "x",
                "db": "3",
                "multi": "2",
                "multi-mem": "100",
                "tot-mem": "23646",
                "lib-name": "redis-py",
                "lib-ver": "8.1",
            },
        )

    def test_flags(self) -> None:
        """Waiting, a close to come, a UNIX socket, NO-EVICT and NO-TOUCH each have a letter."""
        self.client.blocked = True
        self.client.peer = "/run/redistill.sock:0"
        self.server.run("CLIENT NO-EVICT ON")
        self.server.run("CLIENT NO-TOUCH ON")
        self.client.session.state.close_after_reply = True
        self.assertEqual(self.info()["flags"], "bcUeT")
        self.assertEqual(self.info()["addr"], "/run/redistill.sock:0")

    def listed(self, line: str) -> list[str]:
        """The ids that CLIENT LIST answers with."""
        lines = self.server.run(line).split(b"\r\n", 1)[1].decode().splitlines()
        return [fields(line)["id"] for line in lines if line]

    def test_list(self) -> None:
        """CLIENT LIST has a line a client, all of them or those of a type or with an id."""
        for number in (8, 9):
            self.server.connect(client_id=number)
        self.assertEqual(self.listed("CLIENT LIST"), ["7", "8", "9"])
        self.assertEqual(self.listed("CLIENT LIST TYPE normal"), ["7", "8", "9"])
        self.assertEqual(self.listed("CLIENT LIST ID 9 7 55 -1"), ["9", "7"])
        for kind in ("pubsub", "replica", "slave", "MASTER"):
            self.assertEqual(self.server.run(f"CLIENT LIST TYPE {kind}"), b"$0\r\n\r\n")

    def test_list_mistakes(self) -> None:
        """An option that is unknown or lacks its value is a syntax error; types and ids are judged."""
        for line in (
            "CLIENT LIST foo",
            "CLIENT LIST ",
            "CLIENT LIST TYPE",
            "CLIENT LIST ID",
            "CLIENT LIST TYPE normal ID 7",
        ):
            self.assertEqual(self.server.run(line), SYNTAX)
        self.assertEqual(self.server.run("CLIENT LIST TYPE x\n"), b"-ERR Unknown client type 'x '\r\n")
        for line in ("CLIENT LIST ID x", "CLIENT LIST ID 7 x", "CLIENT LIST ID 7 TYPE normal"):
            self.assertEqual(self.server.run(line), b"-ERR Invalid client ID\r\n")


class KillTests(SynchronousTestCase):
    """CLIENT KILL."""

    def setUp(self) -> None:
        self.server = Server({"security.password": ("p",)})
        self.server.clock.advance(100)
        self.me = self.server.client
        self.other = self.server.connect(client_id=8, peer="[::1]:2000", local="[::1]:6379")
        self.third = self.server.connect(client_id=9, peer="/run/r.sock:0", local="/run/r.sock:0")
        self.me.session.state.authenticated = self.other.session.state.authenticated = True

    def killed(self, line: str) -> tuple[bytes, list[int]]:
        """The reply, and the ids of the clients that were closed."""
        reply = self.server.run(line)
        ids = [one.client_id for one in self.server.clients.values() if one.killed]
        if self.me.session.state.close_after_reply:
            ids.append(self.me.client_id)
        for one in self.server.clients.values():
            one.killed = one.session.state.close_after_reply = False
        return reply, ids

    def test_filters(self) -> None:
        """Each filter chooses, and all of them must agree."""
        for line, ids in (
            ("CLIENT KILL ID 8", [8]),
            ("CLIENT KILL ID 8 ID 9", [9]),
            ("CLIENT KILL ID 55", []),
            ("CLIENT KILL ADDR [::1]:2000", [8]),
            ("CLIENT KILL ADDR 127.0.0.1", []),
            ("CLIENT KILL LADDR /run/r.sock:0", [9]),
            ("CLIENT KILL TYPE normal", [8, 9]),
            ("CLIENT KILL type PUBSUB", []),
            ("CLIENT KILL TYPE replica", []),
            ("CLIENT KILL USER default", [8, 9]),
            ("CLIENT KILL MAXAGE 100", []),
            ("CLIENT KILL MAXAGE 100 SKIPME NO", [7]),
            ("CLIENT KILL SKIPME yes", [8, 9]),
            ("CLIENT KILL SKIPME no", [8, 9, 7]),
            ("CLIENT KILL TYPE normal ID 9 ADDR /run/r.sock:0", [9]),
            ("CLIENT KILL TYPE normal ID 9 ADDR [::1]:2000", []),
        ):
            self.assertEqual(self.killed(line), (b":%d\r\n" % len(ids), ids), line)

    def test_old_form(self) -> None:
        """An address alone kills that client, also the one that asks: after the answer."""
        self.assertEqual(self.killed("CLIENT KILL [::1]:2000"), (b"+OK\r\n", [8]))
        self.assertEqual(self.killed("CLIENT KILL 127.0.0.1:51000"), (b"+OK\r\n", [7]))
        for address in ("127.0.0.1:1", "id", "127.0.0.1:51000\0"):
            self.assertEqual(self.killed(f"CLIENT KILL {address}"), (b"-ERR No such client\r\n", []))

    def test_user(self) -> None:
        """Any user of ACL may be named; a client that has not authenticated is the default user's, as in Redis."""
        self.server.run("ACL SETUSER app on")
        self.assertEqual(self.killed("CLIENT KILL USER app"), (b":0\r\n", []))
        self.server.clients[8].user = "app"
        self.assertFalse(self.server.clients[9].session.state.authenticated)
        self.assertEqual(self.killed("CLIENT KILL USER default"), (b":1\r\n", [9]))
        self.assertEqual(self.killed("CLIENT KILL USER app"), (b":1\r\n", [8]))
        self.server.run("ACL DELUSER app")
        self.assertEqual(self.server.run("CLIENT KILL USER app"), b"-ERR No such user 'app'\r\n")

    def test_mistakes(self) -> None:
        """An error in any option kills no client."""
        for line, reply in (
            ("CLIENT KILL ID 8 SKIPME", SYNTAX),
            ("CLIENT KILL ID 8 SKIPME maybe", SYNTAX),
            ("CLIENT KILL ID 8 foo bar", SYNTAX),
            ("CLIENT KILL ID 8 TYPE foo SKIPME", b"-ERR Unknown client type 'foo'\r\n"),
            ("CLIENT KILL ID 0", b"-ERR client-id should be greater than 0\r\n"),
            ("CLIENT KILL ID x", b"-ERR client-id should be greater than 0\r\n"),
            ("CLIENT KILL ID 8 TYPE foo", b"-ERR Unknown client type 'foo'\r\n"),
            ("CLIENT KILL ID 8 USER nobody", b"-ERR No such user 'nobody'\r\n"),
            ("CLIENT KILL ID 8 MAXAGE x", b"-ERR maxage is not an integer or out of range\r\n"),
            ("CLIENT KILL ID 8 MAXAGE 0", b"-ERR maxage should be greater than 0\r\n"),
        ):
            self.assertEqual(self.killed(line), (reply, []), line)


class NameTests(SynchronousTestCase):
    """CLIENT ID, GETNAME, SETNAME and SETINFO."""

    def setUp(self) -> None:
        self.server = Server()

    def test_id(self) -> None:
        """CLIENT ID is the connection's number."""
        self.assertEqual(self.server.run("CLIENT ID"), b":7\r\n")

    def test_name(self) -> None:
        """A name can be set, read, and taken away again; without one the reply is null."""
        self.assertEqual(self.server.run("CLIENT GETNAME"), b"$-1\r\n")
        self.assertEqual(self.server.run("CLIENT SETNAME a!~"), b"+OK\r\n")
        self.assertEqual(self.server.run("CLIENT GETNAME"), b"$3\r\na!~\r\n")
        self.assertEqual(self.server.run("CLIENT SETNAME "), b"+OK\r\n")
        self.server.client.session.state.resp = 3
        self.assertEqual(self.server.run("CLIENT GETNAME"), b"_\r\n")

    def test_bad_names(self) -> None:
        """Blanks, control characters and anything beyond ASCII are refused; the old name stays."""
        self.server.run("CLIENT SETNAME old")
        for name in (b"a b", b"a\nb", b"\x7f", b"\xff", b"a\0"):
            self.assertEqual(self.server.ask("CLIENT", "SETNAME", name), b"-ERR Client names " + BAD)
            self.assertEqual(self.server.ask("CLIENT", "SETINFO", "Lib-Name", name), b"-ERR Lib-Name " + BAD)
            self.assertEqual(self.server.ask("CLIENT", "SETINFO", "lib-ver", name), b"-ERR lib-ver " + BAD)
        self.assertEqual((self.server.client.name, self.server.client.lib_name), (b"old", b""))

    def test_set_info(self) -> None:
        """Library name and version can be set and taken away; there is no third."""
        for line in ("CLIENT SETINFO LIB-NAME a(b_v1)", "CLIENT SETINFO lib-ver 1", "CLIENT SETINFO lib-ver "):
            self.assertEqual(self.server.run(line), b"+OK\r\n")
        self.assertEqual((self.server.client.lib_name, self.server.client.lib_ver), (b"a(b_v1)", b""))
        self.assertEqual(self.server.run("CLIENT SETINFO foo x"), b"-ERR Unrecognized option 'foo'\r\n")


class ModeTests(SynchronousTestCase):
    """CLIENT REPLY, PAUSE, NO-EVICT, NO-TOUCH and what there is of tracking."""

    def setUp(self) -> None:
        self.server = Server()
        self.server.client.session.state.reply_mode = 0

    def test_reply(self) -> None:
        """ON is answered; OFF and SKIP are not, and SKIP does not end OFF."""
        state = self.server.client.session.state
        for line, reply, mode in (
            ("CLIENT REPLY SKIP", b"", 2),
            ("CLIENT REPLY ON", b"+OK\r\n", 0),
            ("CLIENT REPLY off", b"", 1),
            ("CLIENT REPLY SKIP", b"", 1),
            ("CLIENT REPLY foo", SYNTAX, 1),
            ("CLIENT REPLY on", b"+OK\r\n", 0),
        ):
            self.assertEqual((self.server.run(line), state.reply_mode), (reply, mode))

    def test_reply_in_a_transaction(self) -> None:
        """SKIP in a transaction is for the command behind EXEC, whatever follows in the transaction."""
        state = self.server.client.session.state
        state.in_exec, state.reply_mode = True, 2
        self.assertEqual((self.server.run("CLIENT REPLY ON"), state.reply_mode), (b"+OK\r\n", 2))

    def test_pause(self) -> None:
        """A pause holds all commands, or writes only, until its end, which no setting of the wall clock moves; UNPAUSE
        ends it."""
        self.assertEqual(self.server.run("CLIENT PAUSE 100 WRITE"), b"+OK\r\n")
        self.assertEqual(self.server.store.pause, (1, 100))
        self.assertEqual(self.server.run("CLIENT UNPAUSE"), b"+OK\r\n")
        self.assertEqual(self.server.store.pause, (0, 0))
        self.assertEqual(self.server.run("CLIENT PAUSE 50"), b"+OK\r\n")
        self.assertEqual(self.server.store.pause, (2, 50))
        self.assertEqual(self.server.run("CLIENT UNPAUSE"), b"+OK\r\n")
        self.server.clock.advance(0.0009)
        self.assertEqual(self.server.run("CLIENT PAUSE 50"), b"+OK\r\n")
        self.assertEqual(self.server.store.pause, (2, 51))  # not shorter than 50 ms

    def test_two_pauses(self) -> None:
        """With two pauses the stricter mode and the later end hold; a pause that is over does not count."""
        self.server.run("CLIENT PAUSE 1000 WRITE")
        self.server.run("CLIENT PAUSE 100 ALL")
        self.server.run("CLIENT PAUSE 200 WRITE")
        self.assertEqual(self.server.store.pause, (2, 1000))
        self.server.clock.advance(1.0)
        self.server.run("CLIENT PAUSE 10 WRITE")
        self.assertEqual(self.server.store.pause, (1, 1010))

    def test_pause_mistakes(self) -> None:
        """Mode and time are judged, and nothing is paused."""
        for line, reply in (
            ("CLIENT PAUSE x", b"-ERR timeout is not an integer or out of range\r\n"),
            ("CLIENT PAUSE 99999999999999999999", b"-ERR timeout is not an integer or out of range\r\n"),
            ("CLIENT PAUSE 9223372036854775807", b"-ERR timeout is out of range\r\n"),
            ("CLIENT PAUSE -1", b"-ERR timeout is negative\r\n"),
            ("CLIENT PAUSE 1 foo", b"-ERR CLIENT PAUSE mode must be WRITE or ALL\r\n"),
            (
                "CLIENT PAUSE 1 ALL x",
                b"-ERR unknown subcommand or wrong number of arguments for 'pause'. Try CLIENT HELP.\r\n",
            ),
        ):
            self.assertEqual(self.server.run(line), reply)
        self.assertEqual(self.server.store.pause, (0, 0))

    def test_switches(self) -> None:
        """NO-EVICT and NO-TOUCH are on or off."""
        state = self.server.client.session.state
        for name, attribute in (("NO-EVICT", "no_evict"), ("NO-TOUCH", "no_touch")):
            self.assertEqual(self.server.run(f"CLIENT {name} On"), b"+OK\r\n")
            self.assertTrue(getattr(state, attribute))
            self.assertEqual(self.server.run(f"CLIENT {name} 1"), SYNTAX)
            self.assertTrue(getattr(state, attribute))
            self.assertEqual(self.server.run(f"CLIENT {name} off"), b"+OK\r\n")
            self.assertFalse(getattr(state, attribute))

    def test_tracking(self) -> None:
        """TRACKINGINFO answers in both protocols that no key is tracked."""
        flat = b"$5\r\nflags\r\n%s1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n"
        self.assertEqual(self.server.run("CLIENT TRACKINGINFO"), b"*6\r\n" + flat % b"*")
        self.assertEqual(self.server.run("CLIENT GETREDIR"), b":-1\r\n")
        self.server.client.session.state.resp = 3
        self.assertEqual(self.server.run("CLIENT TRACKINGINFO"), b"%3\r\n" + flat % b"~")

    def test_unknown(self) -> None:
        """A subcommand that Redis 7 does not have is unknown, which redis-py accepts."""
        self.assertEqual(
            self.server.run("CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip"),
            b"-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n",
        )
