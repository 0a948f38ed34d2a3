"""Writes deploy/systemd/redistill@.service, the unit of further servers, from redistill.service."""

from __future__ import annotations

from pathlib import Path

UNITS = Path(__file__).resolve().parent.parent / "deploy/systemd"
CHANGES = (
    (
        "# The Redistill cache. Settings are in /etc/redistill/redistill.toml; change this unit with"
        " `systemctl edit redistill`.\n",
        "# Written by `make gen` from redistill.service.\n"
        "# A further Redistill cache: `systemctl enable --now redistill@NAME`.\n"
        "# Settings are in /etc/redistill/NAME.toml, which must set a port of its own.\n",
    ),
    ("Description=Redistill cache\n", "Description=Redistill cache %i\n"),
    ("/etc/redistill/environment", "/etc/redistill/%i.environment"),
    ("/etc/redistill/password", "/etc/redistill/%i.password"),
    ("redistill serve\n", "redistill serve --config /etc/redistill/%i.toml\n"),
    ("/usr/bin/redistill reload\n", "/usr/bin/redistill reload --config /etc/redistill/%i.toml\n"),
    ("RuntimeDirectory=redistill\n", "RuntimeDirectory=redistill-%i\n"),
    ("StateDirectory=redistill\n", "StateDirectory=redistill/%i\n"),
    ("LogsDirectory=redistill\n", "LogsDirectory=redistill/%i\n"),
    (": a port below 1024 needs redistill.socket", ""),
)


def template(unit: str) -> str:
    """The unit of further servers, made from that of the first."""
    for old, new in CHANGES:
        if unit.count(old) != 1:
            raise SystemExit(f"docs/gen_units.py: redistill.service has {unit.count(old)} times {old!r}")
        unit = unit.replace(old, new)
    return unit


if __name__ == "__main__":
    (UNITS / "redistill@.service").write_text(template((UNITS / "redistill.service").read_text()))
