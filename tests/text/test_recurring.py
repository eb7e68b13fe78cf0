"""Lines that recur over the documents of a host: which count as the same, and which of them are template."""

from __future__ import annotations

import dataclasses

import pytest

from schemas.records import Document, MetadataSources
from transforms.text.clean import cut_recurring
from transforms.text.recurrence import (
    ENOUGH_DOCUMENTS,
    MIN_DOCUMENTS,
    MIN_DOCUMENTS_OF_FOLDER,
    MIN_DOCUMENTS_OF_PROSE,
    MIN_DOCUMENTS_VARIED,
)
from transforms.text.recurring import line_keys, recurring_lines

PROSE = "The ferry to the island was late again on Tuesday, and the passengers waited in the rain for two hours."
MORE_PROSE = (
    "On Wednesday the company said that a new engine would arrive in spring, and nobody at the pier believed it."
)
LONG = "You read this text because our members pay for it, and we thank every one of them for doing so each month."


def test_there_are_two_thresholds_as_the_counts_of_a_run_know_no_other() -> None:
    thresholds = {MIN_DOCUMENTS_OF_FOLDER, MIN_DOCUMENTS_OF_PROSE, MIN_DOCUMENTS_VARIED}
    assert thresholds <= {MIN_DOCUMENTS, ENOUGH_DOCUMENTS}


def document(
    *lines: str, host: str | None = "example.org", uri: str = "crawl/a.html", title: str | None = None
) -> Document:
    text = "\n".join(lines)
    return Document(
        doc_id="1", source_uri=uri, source_sha256="", media_type="", text=text, text_sha256="", host=host, title=title
    )


def counts(*lines: str, times: int = MIN_DOCUMENTS, group: str = "example.org") -> dict[int, int]:
    return dict.fromkeys(line_keys("\n".join(lines), group, None).tolist(), times)


def cut(of: Document, known: dict[int, int]) -> list[tuple[str, str]]:
    lines = of.text.split("\n")
    return [(lines[at], rule) for at, rule in recurring_lines(of, known).items()]


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("Seite 3 von 12", "Seite 10 von 128"),
        ("» TË FUNDIT:", "të fundit"),
        ("Read on the web: The ferry is late", "Read on the web: Oranges for all"),
    ],
)
def test_small_variations_are_the_same_line(line: str, other: str) -> None:
    keys = set(line_keys(line, "example.org", "The ferry is late").tolist())
    assert len(keys & set(line_keys(other, "example.org", "Oranges for all").tolist())) == 1


@pytest.mark.parametrize(
    ("times", "expected"),
    [(MIN_DOCUMENTS_VARIED - 1, []), (MIN_DOCUMENTS_VARIED, [("Day 3, 63 miles", "recurring.edge")])],
)
def test_a_line_with_other_numbers_in_each_document_must_recur_more_often(
    times: int, expected: list[tuple[str, str]]
) -> None:
    (varied,) = set(line_keys("Day 3, 63 miles", "example.org", None)) & set(
        line_keys("Day 4, 8 miles", "example.org", None)
    )
    assert cut(document("Day 3, 63 miles", PROSE), {int(varied): times}) == expected


def test_a_line_that_was_taken_for_the_title_is_counted_all_the_same() -> None:
    page = document("Tema të ditës", PROSE, title="Tema të ditës")
    assert cut(page, counts("Tema të ditës")) == [("Tema të ditës", "recurring.edge")]


def test_a_line_of_another_host_is_another_line() -> None:
    assert not set(line_keys(LONG, "a.example", None).tolist()) & set(line_keys(LONG, "b.example", None).tolist())


def test_numbers_and_marks_alone_do_not_count() -> None:
    assert len(line_keys("12\n---\n4,5 %\n\nkm", "example.org", None)) == 0


def test_what_recurs_around_the_prose_is_template() -> None:
    page = document("Tema të ditës", "Ferry late", PROSE, MORE_PROSE, "Na shkruani", "Lexo gjithashtu")
    known = counts("Tema të ditës", "Na shkruani")
    assert cut(page, known) == [("Tema të ditës", "recurring.edge"), ("Na shkruani", "recurring.edge")]


def test_a_heading_between_lines_of_prose_stays_however_often_it_recurs() -> None:
    assert cut(document(PROSE, "Conclusion", MORE_PROSE), counts("Conclusion", times=1000)) == []


@pytest.mark.parametrize(("times", "expected"), [(MIN_DOCUMENTS_OF_PROSE - 1, []), (MIN_DOCUMENTS_OF_PROSE, [LONG])])
@pytest.mark.parametrize("within", [True, False])
def test_running_text_must_recur_more_often(times: int, expected: list[str], within: bool) -> None:
    lines = (PROSE, LONG, MORE_PROSE) if within else (PROSE, MORE_PROSE, LONG)
    assert [line for line, _ in cut(document(*lines), counts(LONG, times=times))] == expected


def test_a_document_without_prose_of_its_own_is_left_alone() -> None:
    assert cut(document("Weather in Graz", LONG, "21 degrees"), counts(LONG, times=1000)) == []


def test_a_document_that_would_lose_more_than_half_is_left_alone() -> None:
    page = document(PROSE, LONG, LONG + " Again.")
    assert cut(page, counts(LONG, LONG + " Again.", times=1000)) == []


@pytest.mark.parametrize(
    ("uri", "group"), [("crawl/2024/a.txt", "crawl/2024"), ("a.txt", ""), ("s3://bucket/x/a.txt", "s3://bucket/x")]
)
def test_without_an_address_the_folder_is_the_source(uri: str, group: str) -> None:
    page = document(PROSE, MORE_PROSE, "Na shkruani", host=None, uri=uri)
    known = counts("Na shkruani", group=group, times=MIN_DOCUMENTS_OF_FOLDER)
    assert cut(page, known) == [("Na shkruani", "recurring.edge")]
    assert cut(page, counts("Na shkruani", group=group, times=MIN_DOCUMENTS_OF_FOLDER - 1)) == []
    assert cut(page, counts("Na shkruani", group="elsewhere", times=MIN_DOCUMENTS_OF_FOLDER)) == []


@pytest.mark.parametrize("line", ["Ladies and gentlemen, dear friends,", "The motion was adopted by a majority.", LONG])
def test_running_text_that_the_files_of_a_folder_share_stays(line: str) -> None:
    page = document(line, PROSE, MORE_PROSE, host=None)
    assert cut(page, counts(line, group="crawl", times=1000)) == []


def test_nothing_is_cut_where_too_few_letters_would_be_left() -> None:
    page = document(PROSE, "Na shkruani")
    letters = sum(map(str.isalpha, PROSE))
    assert cut_recurring(page, (1, 2), counts("Na shkruani"), min_letters=letters + 1) is None
    assert cut_recurring(page, (1, 2), counts("Na shkruani"), min_letters=letters) is not None


def test_the_document_is_measured_anew_and_says_where_the_line_stood() -> None:
    page = document(PROSE, "", MORE_PROSE, "", "Na shkruani")
    numbers = (2, 3, 4, 7, 9)  # of the lines in the extracted text
    cleaned = cut_recurring(page, numbers, counts("Na shkruani"), 10)
    assert cleaned is not None
    found = cleaned.document
    assert found.text == f"{PROSE}\n\n{MORE_PROSE}"
    assert [(r.rule, r.start_line, r.text) for r in found.removed] == [("recurring.edge", 9, "Na shkruani")]
    assert (found.char_count, found.removed_chars) == (len(found.text), len("Na shkruani"))
    assert cleaned.line_numbers == (2, 3, 4)
    assert cut_recurring(found, cleaned.line_numbers, counts("Na shkruani"), 10) is None


@pytest.mark.parametrize(
    ("source", "title"), [("text:headline", "Ferry to the island is late again"), ("html:h1", "Tema të ditës")]
)
def test_a_title_that_was_read_from_a_line_that_goes_is_read_again(source: str, title: str) -> None:
    page = dataclasses.replace(
        document("Tema të ditës", "Ferry to the island is late again", PROSE, MORE_PROSE, title="Tema të ditës"),
        metadata_sources=MetadataSources(title=source),
    )
    cleaned = cut_recurring(page, (1, 2, 3, 4), counts("Tema të ditës"), 10)
    assert cleaned is not None
    assert (cleaned.document.title, cleaned.document.metadata_sources.title) == (title, source)


def test_a_document_without_recurring_lines_is_not_touched() -> None:
    assert cut_recurring(document(PROSE, MORE_PROSE), (1, 2), counts("Na shkruani"), 10) is None
