"""The letters of notify-keyspace-events."""

from twisted.trial.unittest import SynchronousTestCase

from redistill.config import events
from redistill.config.errors import BadValue


class LettersTests(SynchronousTestCase):
    """As CONFIG SET takes them, and as CONFIG GET shows them."""

    def test_canonical(self) -> None:
        """Each letter once, in Redis's order; all classes are A."""
        for text, shown in (
            ("", ""),
            ("KEA", "AKE"),
            ("Kg", "gK"),
            ("KE$lshzxetdmn", "$lshzxetdnKEm"),
            ("KEg$lshzxetd", "AKE"),
            ("mKEAn", "AnKEm"),
            ("KKxx", "xK"),
        ):
            self.assertEqual(events.canonical(text), shown)
            self.assertEqual(events.canonical(shown), shown)

    def test_shown(self) -> None:
        """CONFIG GET shows no n beside A, as Redis 7.0 and Valkey 9 do; the events are published all the same."""
        for text, shown in (("AnKEm", "AKEm"), ("An", "A"), ("g$lnK", "g$lnK"), ("nE", "nE"), ("", "")):
            self.assertEqual(events.shown(events.canonical(text)), shown)

    def test_other_letters(self) -> None:
        """Refused in Redis's words."""
        for text in ("q", "K E", "\xe9"):
            with self.assertRaises(BadValue) as refused:
                events.canonical(text)
            self.assertIn("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.", str(refused.exception))

    def test_letters(self) -> None:
        """A stands for all classes but n and m."""
        self.assertEqual(events.letters("AnKE"), "g$lshzxetdnKE")
