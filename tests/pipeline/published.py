"""What was published, read by pyarrow; and outputs full of odd things, for the tests of what analysts get."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas import dictionary
from tests.pipeline.running import prose, run

HOSTILE = "clear\x1b[2J\x9b1m | <b>*x*</b> :smile: \u202e"
HAS_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def table_of(snapshot: Path, dataset: str) -> pa.Table:
    """The rows as pyarrow reads them, in the order of files and rows."""
    files = sorted((snapshot / dictionary.FOLDERS[dataset]).rglob("*.parquet"))
    return pa.concat_tables(pq.read_table(file, partitioning=None) for file in files)


def publish_odd(home: Path) -> Path:
    """A folder with two outputs: `hostile`, full of text that attacks its reader, and `empty`, without a document."""
    (home / "in").mkdir()
    (home / "in" / "bad\x1b[2J\n|name.txt").write_text(prose(1), encoding="utf-8")
    lines = [
        {"id": "formula", "text": prose(2), "title": '=1+1,"quoted"'},
        {"id": HOSTILE, "text": prose(3), "title": HOSTILE},
        {"id": "", "text": f"{prose(4)}\n\n{prose(5)}", "title": " padded "},
    ]
    (home / "in" / "lines.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    run(home / "in", output=home / "hostile")
    (home / "empty.txt").touch()
    run(home / "empty.txt", output=home / "empty")
    return home
