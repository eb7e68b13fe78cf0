"""The clean process that workers are forked from. Light to import: it is started before anything else is."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing import forkserver


def start() -> None:
    """Start the process, while this one has something else to do, such as import Beam."""
    context()
    forkserver.ensure_running()


def context() -> multiprocessing.context.ForkServerContext:
    """The context that starts workers from it; it loads `warm_worker` first."""
    # When a run is stopped, the workers' locks are still registered: multiprocessing removes them, and need not say so.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    forkserver_context = multiprocessing.get_context("forkserver")
    forkserver_context.set_forkserver_preload(["transforms.warm_worker"])
    return forkserver_context
