"""What recurs is counted anew in every run: what was cut comes back as it was, and is cut again as it was."""

from __future__ import annotations

import html

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Cleaned, RawRecord
from transforms.text.clean import clean, cut_recurring, recut
from transforms.text.cleaning_options import CleaningOptions
from transforms.text.recurrence import MIN_DOCUMENTS, MIN_DOCUMENTS_OF_PROSE
from transforms.text.recurring import line_keys

HOST = "example.org"
MIN_LETTERS = 10
PROSE = [
    "The ferry to the island was late again on Tuesday, and the passengers waited in the rain for two hours.",
    "On Wednesday the company said that a new engine would arrive in spring, and nobody at the pier believed it.",
    "A fisherman who had seen the old engine fail in March offered to take the doctor across in his own boat.",
]
HEADLINES = ["Ferry to the island is late again", "The island news of today"]
TEMPLATE = [
    "Tema të ditës",
    "Na shkruani",
    "Seite 3 von 12",
    "More of: Ferry to the island is late again",
    "You read this text because our members pay for it, and we thank every one of them for doing so each month.",
]


def cleaned(text: str, title: str | None = None, media_type: str = "text/plain") -> Cleaned | None:
    """The document of a text, if it is one."""
    content = text
    if media_type == "text/html":
        blocks = "".join(f"<p>{html.escape(line)}</p>" for line in text.split("\n") if line)
        content = f"<html><head><title>{title or ''}</title></head><body><article>{blocks}</article></body></html>"
    record = RawRecord("crawl/a", 1, content.encode(), media_type, url=f"https://{HOST}/a", title=title)
    made = clean(record, CleaningOptions())
    return made if isinstance(made, Cleaned) else None


def counts(lines: dict[str, int], title: str | None) -> dict[int, int]:
    return {key: times for line, times in lines.items() for key in line_keys(line, HOST, title).tolist()}


line = st.sampled_from(["", "", *PROSE, *HEADLINES, *TEMPLATE])
texts = st.builds(
    lambda head, body, foot: "\n".join([*head, *body, *foot]),
    st.lists(st.sampled_from([*HEADLINES, *TEMPLATE]), max_size=3),
    st.lists(line, min_size=2, max_size=8),
    st.lists(st.sampled_from(TEMPLATE), max_size=2),
)
titles = st.sampled_from([None, None, HEADLINES[0]])
evidence = st.dictionaries(
    st.sampled_from([*PROSE, *HEADLINES, *TEMPLATE]), st.sampled_from([MIN_DOCUMENTS, MIN_DOCUMENTS_OF_PROSE])
)


@settings(max_examples=150)
@given(texts, titles, st.sampled_from(["text/plain", "text/html"]), evidence, evidence)
def test_the_counts_alone_decide_what_is_cut_whatever_was_cut_before(
    text: str, title: str | None, media_type: str, before: dict[str, int], now: dict[str, int]
) -> None:
    whole = cleaned(text, title, media_type)
    if whole is None:
        return
    known_before, known_now = (counts(lines, whole.document.title) for lines in (before, now))
    was = cut_recurring(whole.document, whole.line_numbers, known_before, MIN_LETTERS)
    expected = cut_recurring(whole.document, whole.line_numbers, known_now, MIN_LETTERS) or whole
    stands = was or whole
    kept = was.line_numbers if was else None
    anew = recut(stands.document, whole.line_numbers, kept, known_now, MIN_LETTERS)
    assert (anew or stands) == expected
    assert (anew is None) == (stands == expected)


def test_a_cut_is_undone_and_done_again_exactly() -> None:
    lines = [HEADLINES[1], HEADLINES[0], PROSE[0], "Na shkruani", PROSE[1], "Na lexoni"]
    whole = cleaned("\n\n".join(lines))
    assert whole is not None
    assert (whole.document.title, whole.document.metadata_sources.title) == (HEADLINES[1], "text:headline")
    known = counts(dict.fromkeys([HEADLINES[1], "Na lexoni"], MIN_DOCUMENTS), None)
    cut = recut(whole.document, whole.line_numbers, None, known, MIN_LETTERS)
    assert cut is not None
    assert [each.start_line for each in cut.document.removed] == [1, 11]
    assert cut.document.title == HEADLINES[0]
    assert recut(cut.document, whole.line_numbers, cut.line_numbers, known, MIN_LETTERS) is None
    assert recut(cut.document, whole.line_numbers, cut.line_numbers, {}, MIN_LETTERS) == whole
    assert recut(whole.document, whole.line_numbers, None, {}, MIN_LETTERS) is None


@pytest.mark.parametrize("blanks", [1, 3])
def test_of_two_cuts_one_is_undone(blanks: int) -> None:
    gap = "\n" * (blanks + 1)
    whole = cleaned(gap.join(["Na shkruani", PROSE[0], PROSE[1], "Tema të ditës", "Na lexoni"]))
    assert whole is not None
    both = counts(dict.fromkeys(["Na shkruani", "Tema të ditës"], MIN_DOCUMENTS), None)
    one = counts({"Tema të ditës": MIN_DOCUMENTS}, None)
    cut = recut(whole.document, whole.line_numbers, None, both, MIN_LETTERS)
    assert cut is not None
    assert cut.document.text == "\n\n".join([PROSE[0], PROSE[1], "Na lexoni"])
    less = recut(cut.document, whole.line_numbers, cut.line_numbers, one, MIN_LETTERS)
    assert less is not None
    assert less.document.text == "\n\n".join(["Na shkruani", PROSE[0], PROSE[1], "Na lexoni"])
    assert less == cut_recurring(whole.document, whole.line_numbers, one, MIN_LETTERS)
