"""Log lines on standard error, as text or as JSON; to be configured before Beam is imported, which adds a handler."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

from pythonjsonlogger.json import JsonFormatter


class _CurrentStderr(logging.StreamHandler[TextIO]):
    """Writes to what standard error is now: while progress is shown, that is a stream which keeps off its line."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None: ...


def configure(log_format: str) -> None:
    """Send millstream's lines to standard error; of the libraries', errors alone."""
    handler = _CurrentStderr()
    if log_format == "json":
        handler.setFormatter(JsonFormatter("{asctime}{levelname}{name}{message}", style="{"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.ERROR)
    logging.getLogger("millstream").setLevel(logging.INFO)
