"""Millstream against the plain script that a good engineer would write: the same steps, a process pool, no Beam.

    python benchmarks/against_script.py PAGES_FOLDER [--pages 1000] [--repeats 3] [--workers 2]

Runs both in turn on the same files, each in a fresh process, and prints the medians of wall and CPU seconds, the peak
memory of all processes together (proportional set size), and millstream's share of the script.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
SAMPLE_SECONDS = 0.1


def script(pages: Path, output: Path, workers: int) -> None:
    """The yardstick: clean every file in a pool, find duplicates in memory, write one Parquet file."""
    import numpy as np
    import pyarrow.parquet as pq

    from schemas.parquet import to_table
    from schemas.records import Cleaned, Document
    from transforms.text.duplicates import KEYED, Fingerprints, candidate_pairs, resolve
    from transforms.text.fingerprint import SIGNATURE_BYTES, candidate_keys

    with multiprocessing.get_context("fork").Pool(workers) as pool:
        results = pool.imap(clean_file, sorted(map(str, pages.iterdir())), chunksize=4)
        cleaned = [result for result in results if isinstance(result, Cleaned)]
    keyed = []
    for number, item in enumerate(cleaned):
        marks = item.fingerprint
        keyed += [(key, number, 0) for key in candidate_keys(marks.exact, marks.signature, marks.address).tolist()]

    def look_up(numbers: np.ndarray) -> Fingerprints:
        found = [cleaned[int(number)].fingerprint for number in numbers]
        signatures = b"".join(each.signature or bytes(SIGNATURE_BYTES) for each in found)
        return Fingerprints(
            exact=np.frombuffer(b"".join(each.exact for each in found), "u1").reshape(-1, 16),
            signature=np.frombuffer(signatures, "u1").reshape(-1, SIGNATURE_BYTES),
            has_signature=np.array([each.signature is not None for each in found], bool),
            tokens=np.array([each.token_count for each in found], "u4"),
            address=np.array([each.address for each in found], "u8"),
            rank=np.zeros(len(found), "u4"),
        )

    losers = set(resolve(candidate_pairs(np.array(keyed, KEYED)), look_up)["document"].tolist())
    kept = [item.document for number, item in enumerate(cleaned) if number not in losers]
    pq.write_table(to_table(Document, kept), output / "documents.parquet", compression="zstd", compression_level=6)


def clean_file(path: str) -> object:
    """What becomes of one file; None when it fails."""
    from schemas.records import InputError, RawRecord
    from transforms.formats.read import Columns, InputFile, ReadLimits, read_records
    from transforms.text.clean import clean
    from transforms.text.cleaning_options import CleaningOptions

    try:
        with open(path, "rb") as stream:
            (record,) = read_records(stream, InputFile(path), ReadLimits(), Columns())
        return clean(record, CleaningOptions()) if isinstance(record, RawRecord) else None
    except InputError:
        return None


class Watch(threading.Thread):
    """Samples the memory and the CPU time of a process and all below it until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self.cpu_seconds: dict[int, float] = {}
        self._process = psutil.Process(pid)

    def run(self) -> None:
        """Sample."""
        while self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE:
            total = 0
            try:
                for each in [self._process, *self._process.children(recursive=True)]:
                    times = each.cpu_times()
                    self.cpu_seconds[each.pid] = times.user + times.system
                    total += each.memory_full_info().pss
            except psutil.Error:  # it ended between two looks
                continue
            self.peak_bytes = max(self.peak_bytes, total)
            time.sleep(SAMPLE_SECONDS)


def measure(command: list[str]) -> dict[str, float]:
    """Wall and CPU seconds of a command with all its children, and the peak of their summed memory in MiB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
    watch = Watch(process.pid)
    watch.start()
    if code := process.wait():
        raise SystemExit(f"{' '.join(command[:4])} ... ended with {code}")
    wall = time.monotonic() - started
    watch.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    reaped = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # The workers of a fork server are reaped by nobody who reports: what was seen while they lived counts as well.
    return {"wall s": wall, "CPU s": max(reaped, sum(watch.cpu_seconds.values())), "peak MiB": watch.peak_bytes / 2**20}


def environment() -> dict[str, str]:
    """The environment with the project on Python's path."""
    return os.environ | {"PYTHONPATH": str(ROOT)}


def compare(pages: Path, output: Path, repeats: int, workers: int) -> dict[str, list[dict[str, float]]]:
    """The measurements of both, taken in turn."""
    commands = {
        "millstream": [sys.executable, "-m", "pipeline", "run", str(pages), "--output", str(output)],
        "script": [sys.executable, __file__, str(pages), "--script-into", str(output)],
    }
    runs: dict[str, list[dict[str, float]]] = {which: [] for which in commands}
    for _ in range(repeats):
        for which, command in commands.items():
            shutil.rmtree(output, ignore_errors=True)
            output.mkdir()
            runs[which].append(measure([*command, "--workers", str(workers)]))
    return runs


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--script-into", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.script_into:
        script(given.folder, given.script_into, given.workers)
        return
    found = sorted(path for path in given.folder.rglob("*") if path.is_file())[: given.pages]
    with tempfile.TemporaryDirectory() as name:
        pages = Path(name, "pages")
        pages.mkdir()
        for number, path in enumerate(found):
            shutil.copy(path, pages / f"{number:06}-{path.name}")
        runs = compare(pages, Path(name, "out"), given.repeats, given.workers)
    print(f"{len(found)} pages, {given.workers} workers, medians of {given.repeats} interleaved runs")
    for quantity in runs["script"][0]:
        mill, plain = (statistics.median(run[quantity] for run in runs[which]) for which in ("millstream", "script"))
        print(f"{quantity:8}  millstream {mill:8.1f}  script {plain:8.1f}  ratio {mill / plain:.2f}")
    print(json.dumps(runs))


if __name__ == "__main__":
    main()
