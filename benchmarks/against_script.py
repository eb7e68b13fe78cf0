"""Millstream against the plain script that a good engineer would write: the same steps, a process pool, no Beam.

    python benchmarks/against_script.py PAGES_FOLDER [--pages 1000] [--repeats 3] [--workers 2]

Runs both in turn on the same files, each in a fresh process, and prints the medians of wall and CPU seconds (children
included), the peak of all processes' memory, and millstream's share of the script.
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


def script(paths: list[str], output: str, workers: int) -> None:
    """The yardstick: clean every file in a pool, find duplicates in memory, write one Parquet file."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from schemas.parquet import to_table
    from schemas.records import Cleaned, Document
    from transforms.text.duplicates import KEYED, Fingerprints, candidate_pairs, resolve
    from transforms.text.fingerprint import SIGNATURE_BYTES, band_keys, exact_key

    with multiprocessing.get_context("fork").Pool(workers) as pool:
        cleaned = [result for result in pool.imap(clean_file, paths, chunksize=4) if isinstance(result, Cleaned)]
    keyed = [
        (key, number)
        for number, item in enumerate(cleaned)
        for key in (
            exact_key(item.fingerprint.exact),
            *(band_keys(item.fingerprint.signature).tolist() if item.fingerprint.signature else ()),
        )
    ]

    def look_up(numbers: np.ndarray) -> Fingerprints:
        found = [cleaned[int(number)].fingerprint for number in numbers]
        signatures = b"".join(each.signature or bytes(SIGNATURE_BYTES) for each in found)
        return Fingerprints(
            exact=np.frombuffer(b"".join(each.exact for each in found), "u1").reshape(-1, 16),
            signature=np.frombuffer(signatures, "u1").reshape(-1, SIGNATURE_BYTES),
            has_signature=np.array([each.signature is not None for each in found]),
        )

    losers = set(resolve(candidate_pairs(np.array(keyed, KEYED)), look_up)["document"].tolist())
    kept: list[Document] = [item.document for number, item in enumerate(cleaned) if number not in losers]
    table: pa.Table = to_table(Document, kept)
    pq.write_table(table, Path(output) / "documents.parquet", compression="zstd", compression_level=6)


def clean_file(path: str) -> object:
    """What becomes of one file; None when it fails."""
    from schemas.records import InputError, RawRecord
    from transforms.formats.read import Columns, InputFile, ReadLimits, read_records
    from transforms.text.clean import CleaningOptions, clean

    try:
        with open(path, "rb") as stream:
            (record,) = read_records(stream, InputFile(path), ReadLimits(), Columns())
        return clean(record, CleaningOptions()) if isinstance(record, RawRecord) else None
    except InputError:
        return None


def measure(command: list[str]) -> dict[str, float]:
    """Wall and CPU seconds of a command and all its children, and the peak of their summed memory in MiB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = [0.0]
    cpu_of: dict[int, float] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            total = 0
            try:
                parent = psutil.Process(process.pid)
                for each in [parent, *parent.children(recursive=True)]:
                    try:
                        total += each.memory_full_info().pss
                        times = each.cpu_times()
                        cpu_of[each.pid] = times.user + times.system
                    except psutil.Error:
                        continue
            except psutil.Error:
                break
            peak[0] = max(peak[0], total / 2**20)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    wall = time.monotonic() - started
    done.set()
    watcher.join()
    if code:
        raise SystemExit(f"{' '.join(command[:4])} ... ended with {code}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    reaped = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # Workers of a fork server are nobody's reaped children: what was seen of them while they lived counts as well.
    return {"wall": wall, "cpu": max(reaped, sum(cpu_of.values())), "peak_mib": peak[0]}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--script-into", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.script_into:
        script([str(path) for path in sorted(Path(given.folder).iterdir())], given.script_into, given.workers)
        return
    with tempfile.TemporaryDirectory() as name:
        pages, output = Path(name, "pages"), Path(name, "out")
        pages.mkdir()
        for number, path in enumerate(sorted(p for p in Path(given.folder).rglob("*") if p.is_file())[: given.pages]):
            os.link(path, pages / f"{number:05}{''.join(path.suffixes[-2:])}") if path.stat().st_dev == os.stat(
                name
            ).st_dev else shutil.copy(path, pages / f"{number:05}{''.join(path.suffixes[-2:])}")
        commands = {
            "script": [sys.executable, __file__, str(pages), "--script-into", str(output)],
            "millstream": [sys.executable, "-m", "pipeline", "run", str(pages), "--output", str(output)],
        }
        runs: dict[str, list[dict[str, float]]] = {which: [] for which in commands}
        for _ in range(given.repeats):
            for which, command in commands.items():
                shutil.rmtree(output, ignore_errors=True)
                output.mkdir()
                runs[which].append(measure([*command, "--workers", str(given.workers)]))
        medians = {
            which: {key: statistics.median(run[key] for run in measured) for key in measured[0]}
            for which, measured in runs.items()
        }
        print(f"{len(list(pages.iterdir()))} pages, {given.workers} workers, medians of {given.repeats}")
        for key in ("wall", "cpu", "peak_mib"):
            mill, plain = medians["millstream"][key], medians["script"][key]
            print(f"{key:9} millstream {mill:8.1f}   script {plain:8.1f}   ratio {mill / plain:.2f}")
        print(json.dumps(runs))


if __name__ == "__main__":
    main()
