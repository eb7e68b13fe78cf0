"""Title, authors, date and source of plain text: golden cases in sixteen languages and scripts, and the seeds."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import pathlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import calendar_names
from schemas.records import NO_SOURCES, Cleaned, RawRecord
from transforms.text.clean import clean
from transforms.text.cleaning_options import CleaningOptions
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


def values(found: TextMetadata) -> TextMetadata:
    return dataclasses.replace(found, sources=NO_SOURCES)


def lines_of(case: dict[str, Any]) -> list[str]:
    prose = GOLDEN["prose"][case["language"]]
    return [line for given_line in case["lines"] for line in (prose if given_line == "{prose}" else [given_line])]


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["label"])
def test_golden(case: dict[str, Any]) -> None:
    lines = lines_of(case)
    cut = [*case.get("cut", []), *range(len(lines), len(lines) + len(case["removed"]))]
    assert values(read_metadata([*lines, *case["removed"]], cut=cut)) == expected(case["expected"]), case["reason"]


@pytest.mark.parametrize("seed", GOLDEN["seeds"], ids=lambda seed: seed["file"])
def test_seed(seed: dict[str, Any]) -> None:
    lines = (ROOT / "seeds" / seed["file"]).read_text(encoding="utf-8").split("\n")
    cut = [at for at, line in enumerate(lines) if line.strip() in seed["cut"]]
    assert values(read_metadata(lines, cut=cut)) == expected(seed["expected"])


SOURCES = [
    (["Mill stops after ninety years", "By Ana Kola", "3 May 2021", "{prose}"], ("headline", "byline", "date", None)),
    (["Rye - News, May 3, 2021"], (None, None, None, None)),
    (["News: The old mill stops, May 3, 2021", "{prose}"], ("headline", None, "headline", None)),
    (["TARN, May 3, 2021 - The mill stood still after ninety years.", "{prose}"], (None, None, "dateline", None)),
    (["{prose}", "Author: Ana Kola", "Source: Tarn Times"], (None, "label", None, "source")),
    (["Ministry of Mills", "The old mill stops", "May 3, 2021", "{prose}"], ("headline", None, "date", "letterhead")),
    (
        ["Issued by the Ministry of Mills, Tarn, May 3, 2021: The mill stops.", "{prose}"],
        (None, None, "dateline", "credit"),
    ),
]


@pytest.mark.parametrize(("lines", "places"), SOURCES, ids=lambda value: str(value[0]))
def test_every_value_says_where_it_stood(lines: list[str], places: tuple[str | None, ...]) -> None:
    sources = read_metadata(lines_of({"language": "en", "lines": lines})).sources
    found = (sources.title, sources.authors, sources.published_date, sources.site_name)
    assert found == tuple(place and f"text:{place}" for place in places)


def test_what_boilerplate_rules_cut_is_still_read() -> None:
    lines = ["New bridge approved after long debate", "March 21, 2024 | 5 min read", *GOLDEN["prose"]["en"]]
    record = RawRecord(source_uri="in/a", number=1, content="\n".join(lines).encode(), media_type="text/plain")
    cleaned = clean(record, CleaningOptions())
    assert isinstance(cleaned, Cleaned)
    document = cleaned.document
    assert [cut.start_line for cut in document.removed] == [2]
    assert (document.published_date, document.metadata_sources.published_date) == (dt.date(2024, 3, 21), "text:date")
    assert (document.title, document.metadata_sources.title) == (lines[0], "text:headline")


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
    assert read_metadata([*lines, *lines], cut=range(len(lines), 2 * len(lines))) == TextMetadata()


def test_an_endless_address_ends_soon() -> None:
    """With a host of any length this takes minutes."""
    prose = GOLDEN["prose"]["en"]
    assert read_metadata(["Source: https://" + "a." * 1_000_000, *prose], cut=[0]) == TextMetadata()


@given(st.lists(st.text(max_size=80), max_size=12))
def test_prose_alone_says_nothing(noise: list[str]) -> None:
    """Whatever stands in the middle of a text, its head and tail decide."""
    prose = GOLDEN["prose"]["en"]
    assert read_metadata([*prose, *noise, *prose, *prose]) == TextMetadata()


@given(
    st.lists(st.sampled_from([line for case in GOLDEN["cases"] for line in case["lines"]] + [" ", "•"]), max_size=12)
)
def test_values_are_taken_from_the_lines(lines: list[str]) -> None:
    found = read_metadata(lines)
    text = " ".join(" ".join(lines).split())
    assert found.title is None or found.title in text
    assert found.site_name is None or found.site_name in text or "https://" in text
    assert all(name in text for name in found.authors)
    assert found.published_date is None or f"{found.published_date:%y}" in text


def test_the_names_of_the_calendar_are_those_of_cldr() -> None:
    made = json.loads(calendar_names.PATH.read_text(encoding="utf-8"))
    assert made == calendar_names.calendar(), "Babel carries another CLDR: run `python -m benchmarks.calendar_names`"
