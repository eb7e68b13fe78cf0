"""Counts of what has been done so far: Beam metrics on every engine, and a tally in this process for a terminal.

For the eye only: they count attempts, retried ones twice. The published counts come from the rows themselves.
"""

from __future__ import annotations

import collections

from apache_beam.metrics import Metrics

SO_FAR: collections.Counter[str] = collections.Counter()


def count(what: str) -> None:
    """Count one more of `what`."""
    SO_FAR[what] += 1
    Metrics.counter("millstream", what).inc()
