"""The customer's five raw files, from the folder to the Parquet."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.running import by_name, run

ROOT = Path(__file__).parents[2]
EXPECTED: dict[str, dict[str, Any]] = json.loads((ROOT / "tests/golden/seeds.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeds") / "out"
    result = run(*sorted((ROOT / "seeds").glob("*.txt")), output=folder)
    assert result.manifest["counts"] == {"documents": {"en": 5}, "rejects": {}, "quarantine": {}}
    return folder


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_cut_is_cut_and_every_other_line_stays(output: Path, name: str) -> None:
    raw = (ROOT / "seeds" / name).read_text(encoding="utf-8").split("\n")
    row = by_name(output, "documents")[name]
    cut = EXPECTED[name]["cut"]
    assert [removed["text"].strip() for removed in row["removed"]] == cut
    kept = [line.strip() for line in row["text"].split("\n") if line.strip()]
    tail = [line.strip() for line in raw if line.strip()]
    for line in reversed(cut):  # from the end: a repeated title is cut where it is repeated
        del tail[len(tail) - 1 - tail[::-1].index(line)]
    assert kept == tail


@pytest.mark.parametrize("name", EXPECTED)
def test_title_author_date_and_site_are_read_from_the_text(output: Path, name: str) -> None:
    row, expected = by_name(output, "documents")[name], EXPECTED[name]
    date = expected["published_date"] and dt.date.fromisoformat(expected["published_date"])
    assert row["title"] == expected["title"]
    assert row["authors"] == expected["authors"]
    assert row["published_date"] == date
    assert row["site_name"] == expected["site_name"]


def test_every_cut_names_its_rule_and_its_line(output: Path) -> None:
    for name, row in by_name(output, "documents").items():
        raw = (ROOT / "seeds" / name).read_text(encoding="utf-8").split("\n")
        for removed in row["removed"]:
            assert raw[removed["start_line"] - 1].strip() == removed["text"].strip()
            assert removed["rule"]
