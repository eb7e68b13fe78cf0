"""The clean process that workers are forked from. Light to import: it is started before anything else is."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing import forkserver

KEPT_BYTES = str(4 << 20)
"""Of free memory a worker keeps so much at most. glibc raises the bound to whatever was freed, 64 MiB by then: over 300
pages all processes held 566 MiB at the peak, with this 530, for no CPU time that could be told from noise."""


def start() -> None:
    """Start the process, while this one has something else to do, such as import Beam."""
    for setting in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"):
        os.environ.setdefault(setting, KEPT_BYTES)
    context()
    forkserver.ensure_running()


def context() -> multiprocessing.context.ForkServerContext:
    """The context that starts workers from it; it loads `warm_worker` first."""
    # When a run is stopped, the workers' locks are still registered: multiprocessing removes them, and need not say so.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    forkserver_context = multiprocessing.get_context("forkserver")
    forkserver_context.set_forkserver_preload(["transforms.warm_worker"])
    return forkserver_context
