"""`python -m pipeline` and the script `millstream`: the command line, imported only by the process that is it.

Workers import this module too, as their `__main__`, and each would take a tenth of a second for the rest.
"""

from __future__ import annotations

import os
import signal
import typing


def program() -> typing.NoReturn:
    """See `pipeline.cli.program`."""
    # Of what a run over 1,050 pages once held, Arrow's own allocator keeps 80 MB more; unless the user wants another.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a command that has not begun ends without a word
    from pipeline import cli  # noqa: PLC0415  # see above

    signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.program()


if __name__ == "__main__":
    program()
