"""The README says what the code does."""

from __future__ import annotations

import re
import typing
from pathlib import Path

from pipeline.cli import commands, option_rows
from pipeline.options import RunOptions

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_table_of_options_is_that_of_the_code() -> None:
    lines = ["| option | default | |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in option_rows())]
    table = re.search(r"<!-- options: .*? -->\n(.*?)\n<!-- end of options -->", README, re.DOTALL)
    assert table is not None
    assert table[1].splitlines() == lines, "the table should read:\n" + "\n".join(lines)


def test_every_option_is_in_the_table_and_every_command_in_the_text() -> None:
    told = " ".join(row[0] for row in option_rows())
    for name in typing.get_type_hints(RunOptions):
        assert name in ("inputs", "beam") or f"{name.replace('_', '-')}`" in told
    for command in commands.commands:
        assert f"millstream {command}" in README
