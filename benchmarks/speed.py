"""How fast millstream is and how much memory it takes, beside plain scripts and datatrove.

    python -m benchmarks.speed PAGES_FOLDER [--parts pages growth hanging start] [--write README.md] [--results FILE]

PAGES_FOLDER holds web pages of yours, which may end in `.gz`; all else is generated. Each part is measured in one run,
its contestants in turn, and replaces its own figures in the results; the tables are made of all that is there. Leave
the machine alone meanwhile. `--datatrove` names a Python with what `benchmarks/datatrove.txt` lists; `make speed` makes
one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.hanging import measure_hanging, sentence_of_hanging
from benchmarks.measuring import provenance
from benchmarks.scale import measure_growth, table_of_growth
from benchmarks.start import measure_start, table_of_start
from benchmarks.tables import has_section, markers, with_section
from benchmarks.throughput import measure_pages, table_of_pages

SECTION = "speed"
PACKAGES = ("apache-beam", "datasketch", "langdetect", "lxml", "millstream", "pyarrow", "trafilatura")
TABLES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "pages": table_of_pages,
    "growth": table_of_growth,
    "hanging": sentence_of_hanging,
    "start": table_of_start,
}


def main() -> None:
    """Measure, and print or write."""
    given = _arguments()
    results = json.loads(given.results.read_text(encoding="utf-8")) if given.results.exists() else {}
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "pages": lambda: measure_pages(given.folder, given.pages, given.repeats, given.workers, given.datatrove),
        "growth": lambda: measure_growth(given.documents, given.other_formats, given.workers),
        "hanging": lambda: measure_hanging(given.folder, given.hanging_pages, given.repeats, given.workers),
        "start": lambda: {"commands": measure_start()},
    }
    for part in given.parts:
        results[part] = {"on": provenance(PACKAGES)} | measures[part]()
        given.results.parent.mkdir(parents=True, exist_ok=True)
        given.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    told = "\n\n".join([*(table(results[part]) for part, table in TABLES.items() if part in results), note(results)])
    if given.write:
        text = given.write.read_text(encoding="utf-8")
        given.write.write_text(with_section(text, SECTION, told), encoding="utf-8")
    else:
        print(told)


def note(results: Mapping[str, Any]) -> str:
    """The machines and the versions, each with the parts that were measured there."""
    told: dict[str, list[str]] = {}
    for part, found in results.items():
        on = found["on"]
        versions = ", ".join(f"{name} {version}" for name, version in on["packages"].items())
        where = f"{on['machine']['cores']} cores of {on['machine']['cpu']}, Python {on['python']}, {versions}"
        told.setdefault(where, []).append(part)
    return "\n\n".join(f"{', '.join(parts).capitalize()}: on {where}." for where, parts in told.items())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of web pages")
    parser.add_argument("--parts", nargs="*", choices=TABLES, default=[*TABLES])
    parser.add_argument("--pages", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--documents", type=int, nargs="*", default=[1000, 20_000, 100_000])
    parser.add_argument("--other-formats", type=int, default=5000)
    parser.add_argument("--hanging-pages", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--datatrove", type=Path, help="a Python that has datatrove")
    parser.add_argument("--write", type=Path, help="file with the markers that the tables go between")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/speed.json"))
    given = parser.parse_args()
    if given.write and not has_section(given.write.read_text(encoding="utf-8"), SECTION):
        parser.error(f"{given.write} has not both of the lines {' and '.join(markers(SECTION))}")
    return given


if __name__ == "__main__":
    main()
