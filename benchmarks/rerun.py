"""What a run costs when nothing is new, or one file in a hundred, beside the first run over all of them.

    python -m benchmarks.rerun FILES_FOLDER [--files 1000] [--workers 2]

Each run is a fresh process. What it takes to start is measured by a run over one small file, and taken off.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from benchmarks.measuring import measure, millstream

LONG_AGO = 1_600_000_000  # seconds since 1970: a file that was modified just now would be compared by its content


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    files = sorted(path for path in options.folder.iterdir() if path.is_file())[: options.files]
    new = len(files) // 100
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "small").mkdir()
        (home / "small/a.txt").write_text("A small file, with enough words in it to be kept as a document of its own.")
        runs = {"start, one small file": measure(millstream(home / "small", home / "out-small", options.workers))}
        add(files[: len(files) - new], home / "in")
        runs[f"first run, {len(files) - new} files"] = measure(millstream(home / "in", home / "out", options.workers))
        runs["nothing new"] = measure(millstream(home / "in", home / "out", options.workers))
        add(files[len(files) - new :], home / "in")
        runs[f"{new} new"] = measure(millstream(home / "in", home / "out", options.workers))
    start, first = (seconds["cpu_s"] for seconds in [*runs.values()][:2])
    print(f"{'':28}{'CPU s':>8}{'wall s':>8}  share of the first run's CPU, beyond start")
    for what, seconds in runs.items():
        share = (seconds["cpu_s"] - start) / (first - start)
        print(f"{what:28}{seconds['cpu_s']:8.2f}{seconds['wall_s']:8.2f}  {share:7.1%}")


def add(files: list[Path], folder: Path) -> None:
    """Copy the files, so that they look as if they had long been there."""
    folder.mkdir(exist_ok=True)
    for file in files:
        shutil.copy(file, folder)
        os.utime(folder / file.name, (LONG_AGO, LONG_AGO))


if __name__ == "__main__":
    main()
