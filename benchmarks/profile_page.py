"""Where the time of a page goes: CPU milliseconds of each step of `clean`, as a table in Markdown.

    python -m benchmarks.profile_page PAGES_FOLDER [--pages 150]

Each named function is replaced by one that adds up the CPU time spent in it, less that of the steps inside it. Every
page is cleaned once before the clock counts, then three times, and the fastest time of each page and step is taken.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.tables import markdown_table, percent
from schemas.records import InputError, RawRecord
from transforms.formats.read import Columns, InputFile, ReadLimits, read_records
from transforms.text import clean as cleaning
from transforms.text import extract, html
from transforms.text.cleaning_options import CleaningOptions

STEPS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("decode", vars(extract), "decode"),
    ("parse", vars(html), "_parse"),
    ("metadata", vars(html), "read_structured_data"),
    ("metadata", vars(html), "read_page_metadata"),
    ("trafilatura's fast extraction", vars(html), "bare_extraction"),
    ("page to blocks", vars(html), "page_layout"),
    ("judge the blocks", vars(html), "judge_blocks"),
    ("choose the text, free the trees", vars(extract), "extract_html"),
    ("strip boilerplate", vars(cleaning), "strip_boilerplate"),
    ("language", vars(cleaning)["_DETECTORS"], "ensemble"),
    ("language", vars(cleaning), "detect_mix"),
    ("fingerprints", vars(cleaning), "fingerprint"),
    ("fingerprints", vars(cleaning), "line_keys"),
    ("all else", vars(cleaning), "clean"),
)


class Clock:
    """CPU seconds by step, each without the steps inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.inside = [0.0]  # of the open steps: seconds spent in steps within them

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            self.inside.append(0.0)
            start = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                spent = time.process_time() - start
                self.seconds[step] += spent - self.inside.pop()
                self.inside[-1] += spent

        return run


def profile(records: list[RawRecord]) -> dict[str, float]:
    """CPU milliseconds a page by step."""
    clock = Clock()
    for step, names, name in STEPS:
        names[name] = clock.timed(step, names[name])
    fastest = [dict.fromkeys((step for step, _, _ in STEPS), float("inf")) for _ in records]
    for repeat in range(4):
        for record, best in zip(records, fastest, strict=True):
            clock.seconds.clear()
            with contextlib.suppress(InputError):
                cleaning.clean(record, CleaningOptions())
            if repeat:
                best |= {step: min(known, clock.seconds[step]) for step, known in best.items()}
    return {step: 1000 * sum(best[step] for best in fastest) / len(records) for step in fastest[0]}


def main() -> None:
    """Profile a sample of the folder, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", type=int, default=150)
    options = parser.parse_args()
    paths = sorted(path for path in options.folder.iterdir() if path.is_file())
    records: list[RawRecord] = []
    for path in paths[:: max(1, len(paths) // options.pages)][: options.pages]:
        with path.open("rb") as stream:
            read = read_records(stream, InputFile(str(path)), ReadLimits(), Columns())
            records.extend(each for each in read if isinstance(each, RawRecord))
    took = profile(records)
    total = sum(took.values())
    rows = [(step, f"{spent:.2f}", percent(spent / total)) for step, spent in (took | {"a page": total}).items()]
    print(markdown_table(("step", "CPU ms", "%"), rows))


if __name__ == "__main__":
    main()
