"""Writes etc/redistill.toml, man/redistill.toml.5 and docs/configuration.md from the table of settings.

`make gen` runs it; `make lint` checks that the files are what it would write.
"""

from __future__ import annotations

import pathlib
import sys
import textwrap
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from redistill.config import settings, values  # noqa: E402
from redistill.config.settings import Kind, Setting  # noqa: E402


def takes(row: Setting) -> str:
    """The values that a setting takes, in words."""
    if row.choices:
        return ", ".join(f'"{choice}"' for choice in row.choices)
    if row.kind in (Kind.INTEGER, Kind.SIZE, Kind.MEMORY, Kind.SHARE):
        least = size(row.minimum) if row.unit == "bytes" else str(row.minimum)
        most = size(row.maximum) if row.unit == "bytes" else str(row.maximum)
        unit = f" {row.unit}" if row.unit not in ("", "bytes") else ""
        endless = row.maximum in (settings.INT_MAX, 2**53, settings.EXABYTE, settings.LONG_MAX)
        text = f"{least}{unit} or more" if endless else f"{least} to {most}{unit}"
        if endless and row.minimum < -settings.INT_MAX:
            text = "any whole number"
        if row.kind is Kind.MEMORY:
            text += ", a percentage of the machine's memory"
        if row.kind is Kind.SHARE:
            text += ", a percentage of memory.max_memory"
        if row.zero:
            text += f"; 0: {row.zero}"
        return text + "".join(f'; "{word}"' for word in row.words)
    if row.kind is Kind.BOOLEAN:
        return "true, false"
    return str(row.kind.value)


def size(number: int) -> str:
    """Bytes in the largest unit that fits, e.g. 16kb."""
    for unit, power in (("gb", 30), ("mb", 20), ("kb", 10)):
        if number >= 2**power and number % 2**power == 0:
            return f"{number >> power}{unit}"
    return str(number)


def default(row: Setting) -> str:
    """The default as the file writes it."""
    if row.unit == "bytes" and int(str(row.default)) > 0:
        return f'"{size(int(str(row.default)))}"'
    return values.literal(row, row.default)


def rows(section: str) -> list[Setting]:
    """The settings of one section."""
    return [row for row in settings.SETTINGS if row.section == section]


def remarks(row: Setting) -> Iterator[str]:
    """Whole sentences about a setting, beside its meaning and values."""
    if row.environ:
        yield f"Environment: {row.environ}."
    if row.reloadable:
        yield f"CONFIG SET {row.wire_name} changes it at run time."


def etc() -> str:
    """The configuration file of the package: every setting with its default, commented out."""
    text = [
        '# Configuration of Redistill, described in redistill.toml(5). Sizes are bytes, or texts such as "512mb".',
        "# A line that begins with # and no space shows a default: remove the # to change it. Files conf.d/*.toml",
        "# beside this file are read after it, in the order of their names; their settings replace those of this file.",
    ]
    for section, fields in settings.SECTIONS.items():
        text += ["", f"[{section}]", f"# {fields.__doc__}"]
        for row in rows(section):
            prose = f"{row.help}. Takes {takes(row)}. " + " ".join(remarks(row))
            text += ["", *(f"# {line}" for line in textwrap.wrap(prose.strip(), 116, break_on_hyphens=False))]
            text += [f"#{row.key} = {default(row)}"]
    return "\n".join(text) + "\n"


def roff(text: str) -> str:
    """`text` with the characters escaped that mean something to troff."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return "\\&" + text if text[:1] in (".", "'") else text


def man() -> str:
    """redistill.toml(5)."""
    version = (ROOT / "redistill/__init__.py").read_text().split('"')[-2]
    text = [
        f'.TH REDISTILL.TOML 5 "" "Redistill {version}" "File formats"',
        ".SH NAME",
        "redistill.toml \\- configuration of the Redistill cache",
        ".SH DESCRIPTION",
        "The file is TOML: it has settings as",
        ".I key = value",
        "in the tables below. The daemon reads the file that",
        ".B \\-\\-config",
        "names, else the one that",
        ".B REDISTILL_CONFIG",
        "names, else",
        ".IR /etc/redistill/redistill.toml ,",
        "if it exists.",
        "If the file is named redistill.toml, it then reads the files",
        ".I conf.d/*.toml",
        "beside it, in the order of their names; a setting of a later file replaces that of an earlier one.",
        ".PP",
        "If a setting has an environment variable, the variable overrides the files;",
        "an empty variable counts as not set.",
        "An unknown key, a value of the wrong type or out of its bounds, and an unreadable file",
        "stop the start with one line that says how to fix it.",
        ".PP",
        "Sizes are bytes, or texts with a unit: b, k, m, g, t are powers of 1000, kb, mb, gb, tb powers of 1024.",
    ]
    for section, fields in settings.SECTIONS.items():
        text += [f".SH [{section}]", roff(str(fields.__doc__))]
        for row in rows(section):
            text += [".TP", f'.BR {row.key.replace("-", chr(92) + "-")} " = {roff(default(row))}"']
            text += [roff(row.help) + ".", ".br", f"Takes {roff(takes(row))}."]
            text += [roff(remark) for remark in remarks(row)]
    text += [".SH SEE ALSO", ".BR redistill (8)"]
    return "\n".join(text) + "\n"


def markdown() -> str:
    """docs/configuration.md."""
    text = [
        "# Configuration",
        "",
        "The daemon reads a TOML file: the one that `--config FILE` names, else the one that `REDISTILL_CONFIG` names,",
        "else `/etc/redistill/redistill.toml` if it exists. If the file is named `redistill.toml`, the daemon then",
        "reads the files `conf.d/*.toml` beside it, in the order of their names. A setting of a later file replaces",
        "that of an earlier one, a list as a whole; `CONFIG REWRITE` writes a setting into the last file that sets",
        "it. A setting's environment variable overrides the files; an empty variable counts as not set. An unknown",
        "key, a wrong type, a value out of bounds or an unreadable file stops the start with one line that names the",
        "place, the setting and the remedy.",
        "",
        "Sizes are bytes, or texts with a unit: `b`, `k`, `m`, `g`, `t` are powers of 1000, `kb`, `mb`, `gb`, `tb`",
        "powers of 1024. The column *run time* has the name for `CONFIG SET` if a restart is not needed; `CONFIG GET`",
        "shows all settings, by that name or by section and key.",
    ]
    for section, fields in settings.SECTIONS.items():
        text += ["", f"## [{section}]", "", str(fields.__doc__), ""]
        text += ["| key | default | takes | environment | run time | meaning |", "|---|---|---|---|---|---|"]
        for row in rows(section):
            environ = f"`{row.environ}`" if row.environ else ""
            changed = f"`{row.wire_name}`" if row.reloadable else ""
            text += [f"| `{row.key}` | `{default(row)}` | {takes(row)} | {environ} | {changed} | {row.help} |"]
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    for place in ("etc", "man", "docs"):
        (ROOT / place).mkdir(exist_ok=True)
    (ROOT / "etc/redistill.toml").write_text(etc())
    (ROOT / "man/redistill.toml.5").write_text(man())
    (ROOT / "docs/configuration.md").write_text(markdown())
