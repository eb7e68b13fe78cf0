"""What reaches the terminal: text that is safe to show, and how a command ends."""

from __future__ import annotations

import re
import typing

import click

EXIT_FAILED, EXIT_USAGE, EXIT_QUARANTINE, EXIT_BUSY = 1, 2, 3, 75


def fail(message: str, code: int) -> typing.NoReturn:
    """Say a sentence on standard error, and exit."""
    click.echo(f"millstream: {message}", err=True)
    raise SystemExit(code)


def printable(text: str) -> str:
    r"""The text on one line, without control characters that a terminal would obey.

    >>> printable("a\x1b[31mb")
    'a\ufffd[31mb'
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "\ufffd", text)
