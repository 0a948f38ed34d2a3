"""Python sees the declarations that the core's headers mark, each once."""

from __future__ import annotations

from pathlib import Path

from cffi import FFI
from twisted.trial.unittest import SynchronousTestCase

from redistill._core_build import declarations

CORE = Path(__file__).resolve().parent.parent.parent / "redistill" / "core"


class DeclarationsTests(SynchronousTestCase):
    def face(self, **headers: str) -> str:
        """The declarations of a core of these headers."""
        core = Path(self.mktemp())
        core.mkdir()
        for name, text in headers.items():
            (core / f"{name}.h").write_text(text)
        (core / "redistill.h").write_text("".join(f'#include "{name}.h"\n' for name in headers))
        return declarations(core)

    def test_cffi_takes_the_core(self) -> None:
        """All headers that redistill.h includes are read."""
        ffi = FFI()
        ffi.cdef(declarations(CORE))
        self.assertEqual(ffi.typeof("rd_bytes").fields[0][0], "data")

    def test_only_what_is_between_the_marks_is_shown(self) -> None:
        """A header's other declarations stay its own, and the order is that of redistill.h."""
        first = (
            "int a;\n/* python: begin */\nint b;\n/* python: end */\nint c;\n/* python: begin */int d;/* python: end */"
        )
        shown = self.face(z=first, a="/* python: begin */\nint e; /* more */\n/* python: end */\n").split()
        self.assertEqual(shown, ["int", "b;", "int", "d;", "int", "e;"])

    def test_what_the_compiler_knows_is_left_to_it(self) -> None:
        """Constants, lengths that have a name, enumerators of a list."""
        text = """/* python: begin */
#define RD_A (1u << 3) /* bytes */
typedef struct s { int of[RD_A / 2], two[2]; } s;
typedef enum e { RD_LIST(RD_ONE) RD_COUNT } e;
typedef enum f { RD_F = 1 << 2 } f;
/* python: end */"""
        shown = self.face(a=text)
        self.assertIn("#define RD_A ...\n", shown)
        self.assertIn("of[...], two[2];", shown)
        self.assertIn("typedef enum e { RD_COUNT, ... } e;", shown)
        self.assertIn("{ RD_F = 1 << 2 }", shown)
        FFI().cdef(shown)

    def test_marks_that_do_not_match_are_refused(self) -> None:
        """And so is a header that shows nothing."""
        for text in (
            "",
            "/* python: begin */ int a;",
            "/* python: end */ int a; /* python: begin */",
            "/* python: begin */ int a; /* python: begin */ int b; /* python: end */",
            "/* python: begin */ int a; /* python: end */ int b; /* python: end */",
        ):
            with self.assertRaises(ValueError) as caught:
                self.face(a=text)
            self.assertIn("a.h: it shows nothing to Python", str(caught.exception))
