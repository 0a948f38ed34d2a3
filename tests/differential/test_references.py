"""XDELEX, XACKDEL and the policies KEEPREF, DELREF and ACKED of Redis 8.2, compared with a model: no server here has them."""

from __future__ import annotations

import random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from .inprocess import InProcessPeer
from .peers import Conversation, ask
from .replies import Reply

RUNS, STEPS = 40, 150
NODE = 4
GROUPS = ("g", "h", "i")
POLICIES = ("KEEPREF", "DELREF", "ACKED")
Id = tuple[int, int]


def text(entry: Id) -> str:
    """The id as a client writes it."""
    return "{}-{}".format(*entry)


def plain(reply: Reply) -> Any:
    """The value of the reply, with lists for arrays."""
    return [plain(each) for each in reply.value] if isinstance(reply.value, tuple) else reply.value


def answer(client: Conversation, *words: str) -> Any:
    """The plain value of the reply."""
    return plain(ask(client, *words))


class Model:
    """A stream: nodes of entries, each with the number of entries that it was made of; and groups."""

    def __init__(self) -> None:
        self.nodes: list[tuple[list[int], list[Id]]] = []
        self.last: Id = (0, 0)
        self.read: dict[str, Id] = {}
        self.pending: dict[str, set[Id]] = {}

    @property
    def entries(self) -> list[Id]:
        """All entries."""
        return [entry for _, ids in self.nodes for entry in ids]

    def add(self, entry: Id) -> None:
        """XADD."""
        if not self.nodes or self.nodes[-1][0][0] >= NODE:
            self.nodes.append(([0], []))
        self.nodes[-1][0][0] += 1
        self.nodes[-1][1].append(entry)
        self.last = entry

    def drop(self, entry: Id) -> bool:
        """Remove an entry. A node without entries is gone, and the next entry begins one."""
        for node in self.nodes:
            if entry in node[1]:
                node[1].remove(entry)
                if not node[1]:
                    self.nodes.remove(node)
                    if self.nodes and node[1] is not self.nodes[-1][1] and entry > self.nodes[-1][1][-1]:
                        self.nodes[-1][0][0] = NODE
                return True
        return False

    def is_referenced(self, entry: Id) -> bool:
        """Whether a group was not given the entry, or has not acknowledged it."""
        return any(entry > self.read[g] or entry in self.pending[g] for g in self.read)

    def delete(self, entry: Id, policy: str) -> int:
        """XDELEX of one id."""
        if policy == "DELREF":
            self.forget(entry)
        if entry not in self.entries:
            return -1
        if policy == "ACKED" and self.is_referenced(entry):
            return 2
        self.drop(entry)
        return 1

    def forget(self, entry: Id) -> None:
        """It is pending nowhere."""
        for pending in self.pending.values():
            pending.discard(entry)

    def acknowledge(self, group: str, entry: Id, policy: str) -> int:
        """XACKDEL of one id."""
        if entry not in self.pending.get(group, ()):
            return -1
        self.pending[group].discard(entry)
        if policy == "ACKED" and self.is_referenced(entry):
            return 2
        if policy == "DELREF":
            self.forget(entry)
        self.drop(entry)
        return 1

    def trim(self, how: tuple[str, int], nearly: bool, limit: int, policy: str) -> int:
        """XTRIM. Whole nodes go if `nearly`, but with ACKED entries of them may stay."""
        by, value = how
        removed = 0

        def may_go(entry: Id, count: int) -> bool:
            return entry < (value, 0) if by == "MINID" else len(self.entries) - count >= value

        for _, ids in list(self.nodes):
            if nearly and (not may_go(ids[-1], len(ids)) or (limit and removed + len(ids) > limit)):
                break
            for entry in list(ids):
                if not may_go(entry, 1):
                    return removed
                if policy == "ACKED" and self.is_referenced(entry):
                    continue
                if policy == "DELREF":
                    self.forget(entry)
                self.drop(entry)
                removed += 1
        return removed


class Play:
    """A model and a client, which are told the same."""

    def __init__(self, peer: InProcessPeer, seed: int) -> None:
        self.chance = random.Random(seed)
        self.model = Model()
        self.client = peer.open()
        self.story: list[str] = []
        self.ask("FLUSHALL")
        self.ask("CONFIG", "SET", "stream-node-max-entries", str(NODE))

    def ask(self, *words: str) -> Any:
        """The reply."""
        self.story.append(" ".join(words))
        return answer(self.client, *words)

    def some(self) -> list[Id]:
        """Ids, most of which were added."""
        ms = self.model.last[0]
        return [(self.chance.randint(max(0, ms - 12), ms + 1), 1) for _ in range(self.chance.randint(1, 4))]

    def step(self) -> tuple[Any, Any]:
        """One command: what was replied, and what should have been."""
        model, chance = self.model, self.chance
        kind = chance.choice(("add", "add", "add", "trim", "xdelex", "xackdel", "read", "read", "ack", "group"))
        policy = chance.choice(POLICIES)
        words = [chance.choice((policy, policy.lower()))] if policy != "KEEPREF" or chance.random() < 0.5 else []
        group = chance.choice(GROUPS)
        ids = self.some()
        named = ["IDS", str(len(ids)), *map(text, ids)]
        if kind in ("add", "trim"):
            return self.change(kind, policy, words)
        if kind == "xdelex":
            return self.ask("XDELEX", "s", *words, *named), [model.delete(entry, policy) for entry in ids]
        if kind == "xackdel":
            wanted = [model.acknowledge(group, entry, policy) for entry in ids]
            return self.ask("XACKDEL", "s", group, *words, *named), wanted
        if kind == "ack" and group in model.read:
            wanted = [entry in model.pending[group] for entry in set(ids)]
            model.pending[group].difference_update(ids)
            return self.ask("XACK", "s", group, *map(text, set(ids))), sum(wanted)
        if kind == "read" and group in model.read:
            return self.read(group, chance.randint(1, 5)), None
        if kind == "group" and group in model.read and chance.random() < 0.3:
            del model.read[group], model.pending[group]
            return self.ask("XGROUP", "DESTROY", "s", group), 1
        if kind == "group" and group not in model.read and model.last > (0, 0):
            model.read[group], model.pending[group] = (0, 0), set()
            return self.ask("XGROUP", "CREATE", "s", group, "0"), b"OK"
        return None, None

    def change(self, kind: str, policy: str, words: list[str]) -> tuple[Any, Any]:
        """XADD or XTRIM, with options in any order."""
        model, chance = self.model, self.chance
        by = chance.choice(("MAXLEN", "MINID"))
        value = chance.randint(0, 12) if by == "MAXLEN" else max(0, model.last[0] - chance.randint(-1, 12))
        nearly = chance.random() < 0.5
        limit = chance.choice((0, 3, 5, 9)) if nearly else 0
        options = [by, *(["~"] if nearly else []), str(value), *(["LIMIT", str(limit)] if nearly else [])]
        options = options + words if chance.random() < 0.5 else words + options
        trims = kind == "trim" or chance.random() < 0.3
        entry = (model.last[0] + 1, 1)
        if kind == "add":
            model.add(entry)
            reply = self.ask("XADD", "s", *(options if trims else words), text(entry), "f", "v")
            wanted: Any = text(entry).encode()
            if trims:
                model.trim((by, value), nearly, limit, policy)
            return reply, wanted
        return self.ask("XTRIM", "s", *options), model.trim((by, value), nearly, limit, policy)

    def read(self, group: str, count: int) -> Any:
        """XREADGROUP."""
        model = self.model
        given = [entry for entry in model.entries if entry > model.read[group]][:count]
        if given:
            model.read[group] = given[-1]
            model.pending[group].update(given)
        self.ask("XREADGROUP", "GROUP", group, self.chance.choice("cd"), "COUNT", str(count), "STREAMS", "s", ">")

    def state(self) -> tuple[Any, Any]:
        """The entries and the pending ids of each group, replied and wanted."""
        model = self.model
        entries = [reply[0] for reply in self.ask("XRANGE", "s", "-", "+")]
        found: list[Any] = [entries]
        wanted: list[Any] = [[text(entry).encode() for entry in model.entries]]
        for group in model.read:
            found.append([reply[0] for reply in self.ask("XPENDING", "s", group, "-", "+", "1000")])
            wanted.append([text(entry).encode() for entry in sorted(model.pending[group])])
        return found, wanted


class ModelTests(SynchronousTestCase):
    """Random commands."""

    def setUp(self) -> None:
        self.peer = InProcessPeer()
        self.addCleanup(self.peer.close)

    def test_model(self) -> None:
        """Each reply, the entries that are left and what is pending are those of the model."""
        for seed in range(RUNS):
            play = Play(self.peer, seed)
            for _ in range(STEPS):
                found, wanted = play.step()
                self.assertEqual(found, wanted, f"seed {seed}: " + "\n".join(play.story[-30:]))
                found, wanted = play.state()
                self.assertEqual(found, wanted, f"seed {seed}: " + "\n".join(play.story[-60:]))
            self.assertEqual(self.peer.store.check(), (0, ""))
            play.client.close()

    def test_described(self) -> None:
        """COMMAND knows them: their categories, their keys and their policies."""
        client = self.peer.open()
        for name, arity in (("xdelex", -5), ("xackdel", -6)):
            info = answer(client, "COMMAND", "INFO", name)[0]
            self.assertEqual((info[1], info[3:6]), (arity, [1, 1, 1]))
            self.assertEqual(set(info[6]), {b"@write", b"@stream", b"@fast"})
            docs = answer(client, "COMMAND", "DOCS", name)[1]
            shown = dict(zip(docs[::2], docs[1::2], strict=True))
            self.assertEqual((shown[b"since"], shown[b"group"]), (b"8.2.0", b"stream"))
            self.assertIn(b"DELREF", repr(shown[b"arguments"]).encode())
        keys = answer(client, *["COMMAND", "GETKEYS", "XACKDEL", "k", "g", "DELREF", "IDS", "1", "1-1"])
        self.assertEqual(keys, [b"k"])
        answer(client, "ACL", "SETUSER", "writer", "on", "nopass", "~*", "+@all", "-@stream")
        for words in ("XDELEX k IDS 1 1-1", "XACKDEL k g IDS 1 1-1"):
            denied = answer(client, "ACL", "DRYRUN", "writer", *words.split())
            self.assertIn(b"has no permissions to run", denied)
        client.close()
