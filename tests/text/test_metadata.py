"""Title, authors, date and source of plain text: golden cases in eleven languages and scripts, and the seeds."""

from __future__ import annotations

import datetime as dt
import json
import pathlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.text.metadata import TextMetadata, read_metadata

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = json.loads((ROOT / "tests/golden/metadata.json").read_text(encoding="utf-8"))
FIELDS = ("title", "authors", "published_date", "site_name")


def expected(values: dict[str, Any]) -> TextMetadata:
    day = values["published_date"]
    return TextMetadata(
        title=values["title"],
        authors=tuple(values["authors"]),
        published_date=dt.date.fromisoformat(day) if day else None,
        site_name=values["site_name"],
    )


def lines_of(case: dict[str, Any]) -> list[str]:
    prose = GOLDEN["prose"][case["language"]]
    return [line for given_line in case["lines"] for line in (prose if given_line == "{prose}" else [given_line])]


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["label"])
def test_golden(case: dict[str, Any]) -> None:
    assert read_metadata(lines_of(case), removed=case["removed"]) == expected(case["expected"]), case["reason"]


@pytest.mark.parametrize("seed", GOLDEN["seeds"], ids=lambda seed: seed["file"])
def test_seed(seed: dict[str, Any]) -> None:
    lines = (ROOT / "seeds" / seed["file"]).read_text(encoding="utf-8").split("\n")
    cut = [line.strip() for line in lines if line.strip() in seed["cut"]]
    kept = [line for line in lines if line.strip() not in seed["cut"]]
    assert read_metadata(kept, removed=cut) == expected(seed["expected"])


@pytest.mark.parametrize("language", sorted(GOLDEN["prose"]))
def test_every_language_has_four_cases(language: str) -> None:
    assert sum(case["language"] == language for case in GOLDEN["cases"]) >= 4


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_has_cases_that_must_stay_empty(field: str) -> None:
    reasons = {"title": "no title", "authors": "no author", "published_date": "no date", "site_name": "no site"}
    cases = [case for case in GOLDEN["cases"] if case["label"].startswith(reasons[field])]
    assert len(cases) >= 3
    assert all(not case["expected"][field] for case in cases)


@pytest.mark.parametrize(
    "lines", [[], [""], ["\x00"], ["/"], ["By "], ["99.99.9999"], ["0000-00-00"], ["5 aprİl 2024"], ["By " * 5000]]
)
def test_degenerate_input_says_nothing(lines: list[str]) -> None:
    assert read_metadata(lines, removed=lines) == TextMetadata(None, (), None, None)


@given(st.lists(st.text(max_size=80), max_size=12))
def test_prose_alone_says_nothing(noise: list[str]) -> None:
    """Whatever stands in the middle of a text, its head and tail decide."""
    prose = GOLDEN["prose"]["en"]
    assert read_metadata([*prose, *noise, *prose, *prose]) == TextMetadata(None, (), None, None)


@given(
    st.lists(st.sampled_from([line for case in GOLDEN["cases"] for line in case["lines"]] + [" ", "•"]), max_size=12)
)
def test_values_are_taken_from_the_lines(lines: list[str]) -> None:
    found = read_metadata(lines)
    text = " ".join(" ".join(lines).split())
    assert found.title is None or found.title in text
    assert found.site_name is None or found.site_name in text or "https://" in text
    assert all(name in text for name in found.authors)
    assert found.published_date is None or str(found.published_date.year) in text
