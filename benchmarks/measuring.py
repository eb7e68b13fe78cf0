"""What a command costs: seconds, processor time and memory, with everything that it starts; and on which machine."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
SAMPLE_SECONDS = 0.1

Cost = dict[str, float]
"""`wall_s`, `cpu_s` and `peak_mib`: seconds, seconds of all processes together, and their summed memory at its peak
(proportional set size, MiB)."""


class _Watch(threading.Thread):
    """Samples the memory and the CPU time of a process and all below it until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self.cpu_seconds: dict[int, float] = {}
        self._process = psutil.Process(pid)

    def run(self) -> None:
        while self._lives():
            with contextlib.suppress(psutil.Error):
                self.peak_bytes = max(self.peak_bytes, sum(map(self._look, self._family())))
            time.sleep(SAMPLE_SECONDS)

    def _lives(self) -> bool:
        try:
            return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def _family(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def _look(self, process: psutil.Process) -> int:
        try:
            times = process.cpu_times()
            self.cpu_seconds[process.pid] = times.user + times.system
            return int(process.memory_full_info().pss)
        except psutil.Error:  # it ended between two looks
            return 0


def measure(command: Sequence[str]) -> Cost:
    """The `Cost` of a command, which must end well; what it prints is shown only if it does not."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, text=True
    ) as process:
        watch = _Watch(process.pid)
        watch.start()
        _, told = process.communicate()
    wall = time.monotonic() - started
    watch.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{told[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    reaped = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # The workers of a fork server are reaped by nobody who reports: what was seen while they lived counts as well.
    cpu = max(reaped, sum(watch.cpu_seconds.values()))
    return {"wall_s": wall, "cpu_s": cpu, "peak_mib": watch.peak_bytes / 2**20}


def millstream(inputs: Path, output: Path, workers: int) -> list[str]:
    """The command line of a run that fails for no share of quarantined inputs."""
    command = [sys.executable, "-m", "pipeline", "run", str(inputs), "--output", str(output)]
    return [*command, "--workers", str(workers), "--max-quarantine", "1"]


def medians(costs: Sequence[Cost]) -> Cost:
    """The median of each quantity.

    >>> medians([{"wall_s": 1.0}, {"wall_s": 9.0}, {"wall_s": 2.0}])
    {'wall_s': 2.0}
    """
    return {quantity: statistics.median(cost[quantity] for cost in costs) for quantity in costs[0]}


def provenance(packages: Iterable[str]) -> dict[str, Any]:
    """What the figures depend on: the machine and the versions."""
    return {
        "machine": {"cpu": _cpu_model(), "cores": os.cpu_count(), "system": platform.system()},
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines_of_info = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = (line.partition(":")[2].strip() for line in lines_of_info if line.startswith("model name"))
    return next(models, platform.processor())
