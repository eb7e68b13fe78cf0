"""What a run over one small file takes from start to end, beside the import of Beam that each pays.

    python -m benchmarks.start [--repeats 7]

The three take turns, so that what else the machine does falls on all of them. CPU time is of the process itself: the
server of the workers loads its models on another core.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.tables import markdown_table

SEED = Path(__file__).parent.parent / "seeds/000_4174ec340855ea71.txt"

BASE = "import apache_beam"


def measure_start(repeats: int = 7) -> dict[str, dict[str, float]]:
    """For each command the medians of wall and CPU seconds, and each as a multiple of those of importing Beam."""
    seconds: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(repeats):
            for name, command in commands(f"{folder}/{turn}").items():
                seconds.setdefault(name, []).append(time_of(command))
    medians = {name: [statistics.median(kind) for kind in zip(*times, strict=True)] for name, times in seconds.items()}
    base_wall, base_cpu = medians[BASE]
    return {
        name: {"wall_s": wall, "cpu_s": cpu, "wall_ratio": wall / base_wall, "cpu_ratio": cpu / base_cpu}
        for name, (wall, cpu) in medians.items()
    }


def commands(output: str) -> dict[str, list[str]]:
    """The command lines by name; the run publishes to `output`."""
    return {
        BASE: [sys.executable, "-c", BASE],
        "millstream --help": [sys.executable, "-m", "pipeline", "--help"],
        "millstream run, one seed": [sys.executable, "-m", "pipeline", "run", str(SEED), "--output", output],
    }


def time_of(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a command; raises `CalledProcessError` where it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return wall, usage.ru_utime + usage.ru_stime


def table_of_start(found: Mapping[str, Any]) -> str:
    """The medians."""
    head = ["to start", "wall s", "CPU s", "wall, times the import", "CPU, times the import"]
    body = [[name, *(f"{figure:.2f}" for figure in figures.values())] for name, figures in found["commands"].items()]
    return markdown_table(head, body)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    print(table_of_start({"commands": measure_start(options.repeats)}))


if __name__ == "__main__":
    main()
