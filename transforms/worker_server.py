"""The clean process that workers are forked from. Light to import: it is started before anything else is."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing import forkserver, resource_tracker

KEPT_BYTES = str(4 << 20)
"""Of free memory a worker keeps so much at most. glibc raises the bound to whatever was freed, 64 MiB by then: over 300
pages all processes held 566 MiB at the peak, with this 530, for no CPU time that could be told from noise."""


def start() -> None:
    """Start the process, while this one has something else to do, such as import Beam."""
    for setting in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"):
        os.environ.setdefault(setting, KEPT_BYTES)
    context()
    # Ctrl-C is the parent's alone to answer: amid the server's imports it left a process behind that never ended.
    resource_tracker.ensure_running()  # it would unblock the signal
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def context() -> multiprocessing.context.ForkServerContext:
    """The context that starts workers from it; it loads `warm_worker` first."""
    # When a run is stopped, the workers' locks are still registered: multiprocessing removes them, and need not say so.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    forkserver_context = multiprocessing.get_context("forkserver")
    forkserver_context.set_forkserver_preload(["transforms.warm_worker"])
    return forkserver_context
