"""``python -m redistill.cli``: the command, without its script."""

from redistill.cli import main

main(prog_name="redistill")
