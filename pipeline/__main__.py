"""`python -m pipeline` and the script `millstream`: the command line, imported only by the process that is it.

Workers import this module too, as their `__main__`, and each would take a tenth of a second for the rest.
"""

from __future__ import annotations

import typing


def program() -> typing.NoReturn:
    """See `pipeline.cli.program`."""
    from pipeline import cli  # noqa: PLC0415  # see above

    cli.program()


if __name__ == "__main__":
    program()
