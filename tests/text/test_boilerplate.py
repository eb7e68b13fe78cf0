"""What is stripped from whole texts: golden documents, the seeds, and what holds for any text."""

from __future__ import annotations

import json
import pathlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.text.boilerplate import RULES, Stripped, judge_lines, strip_boilerplate

HERE = pathlib.Path(__file__).parent
SEEDS = HERE.parent.parent / "seeds"
GOLDEN = json.loads((HERE.parent / "golden" / "boilerplate.json").read_text(encoding="utf-8"))
DOCUMENTS = [pytest.param(document["lines"], id=document["name"]) for document in GOLDEN["documents"]]
PROSE = "The harbour was closed for nine days after the storm, and the boats lay in the mud until the tide came back."


@pytest.mark.parametrize("lines", DOCUMENTS)
@pytest.mark.parametrize("separator", ["\n", "\n\n"])
def test_golden_document(lines: list[tuple[str, str | None]], separator: str) -> None:
    decisions = judge_lines(separator.join(text for text, _ in lines))
    kinds = [(d.text, d.rule and d.rule.split(".")[0]) for d in decisions if d.text]
    assert kinds == [(text, kind) for text, kind in lines]


@pytest.mark.parametrize("lines", DOCUMENTS)
def test_stripping_a_golden_document_twice_is_stripping_it_once(lines: list[tuple[str, str | None]]) -> None:
    once = strip_boilerplate("\n".join(text for text, _ in lines))
    assert strip_boilerplate(once.text) == Stripped(once.text, ())


def test_every_required_language_has_three_golden_documents() -> None:
    languages = [document["language"] for document in GOLDEN["documents"]]
    assert {language for language in languages if languages.count(language) >= 3} >= {
        *("en", "de", "fr", "es", "it", "sq", "sr", "hr", "bs")
    }


@pytest.mark.parametrize("name", GOLDEN["seeds"])
@pytest.mark.parametrize("titled", [False, True])
def test_seed(name: str, titled: bool) -> None:
    expected = GOLDEN["seeds"][name]
    text = unicodedata.normalize("NFC", (SEEDS / name).read_text(encoding="utf-8"))
    stripped = strip_boilerplate(text, title=expected["title"] if titled else None)
    assert [removed.text.strip() for removed in stripped.removed] == expected["cut"]
    assert sum(bool(line.strip()) for line in stripped.text.split("\n")) == expected["kept_lines"]


def test_title_at_the_end_is_cut_when_known_from_elsewhere() -> None:
    text = f"{PROSE}\n{PROSE}\nHarbour reopens after nine days"
    assert strip_boilerplate(text).removed == ()
    removed = strip_boilerplate(text, title="Harbour reopens after nine days").removed
    assert [(r.rule, r.start_line) for r in removed] == [("title.repeated", 3)]


def test_title_alone_or_at_the_start_is_kept() -> None:
    title = "Harbour reopens after nine days"
    assert strip_boilerplate(title, title=title).text == title
    assert strip_boilerplate(f"{title}\n{PROSE}", title=title).removed == ()


def test_a_number_is_a_counter_only_beside_comments_or_sharing() -> None:
    assert strip_boilerplate(f"{PROSE}\n12\n{PROSE}").removed == ()
    assert [r.text for r in strip_boilerplate(f"{PROSE}\nNo comments\n12\n{PROSE}").removed] == ["No comments", "12"]


def test_an_opener_before_prose_takes_no_long_list() -> None:
    items = [f"Chapter {number} of the book about the northern islands" for number in range(12)]
    text = "\n".join([PROSE, "Related posts", *items, PROSE])
    assert [r.text for r in strip_boilerplate(text).removed] == ["Related posts"]


def test_blank_lines_collapse_and_line_numbers_are_of_the_input() -> None:
    stripped = strip_boilerplate(f"\n \n{PROSE}\n\n\nShare this:\n\n\t\n{PROSE}\n\n")
    assert stripped.text == f"{PROSE}\n\n{PROSE}"
    assert [(r.text, r.start_line) for r in stripped.removed] == [("Share this:", 6)]


@pytest.mark.parametrize("text", ["", "\n", " \n\t\n"])
def test_blank_text_stays_empty(text: str) -> None:
    assert strip_boilerplate(text) == Stripped("", ())


EXAMPLE_LINES = [line for rule in RULES for line in (*rule.cut, *rule.keep)]
lines_of_text = st.one_of(
    st.sampled_from(EXAMPLE_LINES),
    st.just(PROSE),
    st.just(""),
    st.sampled_from(["0", "3", "###", "Harbour reopens today"]),
)
texts = st.lists(lines_of_text, max_size=14).map("\n".join)


@given(text=st.one_of(texts, st.text()), title=st.one_of(st.none(), st.sampled_from(EXAMPLE_LINES)))
def test_stripping_twice_is_stripping_once(text: str, title: str | None) -> None:
    once = strip_boilerplate(text, title=title)
    assert strip_boilerplate(once.text, title=title).removed == ()


@given(texts)
def test_decisions_tell_the_whole_text_in_order(text: str) -> None:
    decisions = judge_lines(text)
    assert "\n".join(d.text for d in decisions) == text
    assert [d.number for d in decisions] == list(range(1, len(decisions) + 1))
    stripped = strip_boilerplate(text)
    assert [r.text for r in stripped.removed] == [d.text for d in decisions if d.rule]


@given(st.lists(lines_of_text, max_size=8), st.lists(lines_of_text, max_size=8))
def test_prose_survives_among_anything(before: list[str], after: list[str]) -> None:
    assert PROSE in strip_boilerplate("\n".join([*before, PROSE, *after])).text
