from __future__ import annotations

from schemas.records import RawRecord
from transforms.text.decisions import decide_lines
from transforms.text.extract import extract
from transforms.text.extraction import Extraction

PARAGRAPHS = [
    "The council met on Monday evening and agreed to repair the old stone bridge over the river before the winter.",
    "Work begins in April, said the mayor, and will take about six weeks if the weather holds, and the money lasts.",
    "Until then a ferry takes people, bicycles and smaller carts across the water between six in the morning and ten.",
] * 3
PAGE = (
    "<html><head><title>The bridge</title></head><body><nav><ul><li><a href='/'>Home</a></li><li><a href='/s'>Sport</a>"
    "</li></ul></nav><article><h1>The bridge is repaired</h1>"
    + "".join(f"<p>{number}. {text}</p>" for number, text in enumerate(PARAGRAPHS))
    + "<p>Share this article</p></article><footer><p>All rights reserved by the Example Herald 2024</p></footer>"
    "</body></html>"
)


def test_every_block_of_a_page_is_kept_or_names_what_cut_it() -> None:
    record = RawRecord("page.html", 1, PAGE.encode(), "text/html")
    decisions = decide_lines(record, extract(record))
    by_text = {decision.text: decision.rule for decision in decisions}
    assert [decision.number for decision in decisions] == list(range(1, len(decisions) + 1))
    for number, text in enumerate(PARAGRAPHS):
        assert by_text[f"{number}. {text}"] is None
    assert str(by_text["Home"]).startswith("extractor:")
    assert str(by_text["Sport"]).startswith("extractor:")
    assert by_text["All rights reserved by the Example Herald 2024"] is not None
    assert by_text["Share this article"] is not None


def test_the_lines_of_a_text_are_judged_as_cleaning_does() -> None:
    record = RawRecord("text.txt", 1, f"{PARAGRAPHS[0]}\n\nLeave a comment\n".encode(), "text/plain")
    decisions = [(line.number, line.rule) for line in decide_lines(record, extract(record)) if line.text]
    assert decisions[0] == (1, None)
    assert decisions[1][1] is not None


def rules_of(page: str, extraction: Extraction | None = None) -> list[tuple[str, str | None]]:
    """The lines that are explained of a page, each with what cut it."""
    record = RawRecord("page.html", 1, page.encode(), "text/html")
    decisions = decide_lines(record, extraction or extract(record))
    assert [decision.number for decision in decisions] == list(range(1, len(decisions) + 1))
    return [(line.text, line.rule) for line in decisions]


def page_of(*blocks: str) -> str:
    return f"<html><body>{''.join(f'<p>{block}</p>' for block in blocks)}</body></html>"


def test_a_line_that_was_cut_is_told_apart_from_its_block() -> None:
    told = "The ferry does not run on Sundays, nor on the days after a storm, as the council said on Monday evening."
    block = f"<p>{told}<br>Share this article<br>{PARAGRAPHS[1]}</p></article>"
    decisions = rules_of(PAGE.replace("</article>", block))
    at = decisions.index((told, None))
    assert decisions[at + 1 : at + 3] == [("Share this article", "share.en.bar"), (PARAGRAPHS[1], None)]


def test_equal_lines_each_have_their_own_verdict() -> None:
    lines = [PARAGRAPHS[0], "Discussion", PARAGRAPHS[1], "Discussion"]
    decisions = rules_of(page_of(*lines), Extraction("\n".join(lines), "blocks"))
    assert decisions == list(zip(lines, [None, None, None, "comments.en.bare"], strict=True))


def test_a_line_of_the_menu_is_not_the_equal_line_of_the_text() -> None:
    text = [PARAGRAPHS[0], "Discussion", PARAGRAPHS[1]]
    decisions = rules_of(page_of("Home", "Discussion", *text), Extraction("\n".join(text), "blocks"))
    left_out = "extractor:blocks"
    assert decisions == list(zip(["Home", "Discussion", *text], [left_out, left_out, None, None, None], strict=True))


def test_a_line_that_extraction_left_out_is_not_kept_for_standing_in_another() -> None:
    told = f"7. {PARAGRAPHS[0]}"
    decisions = rules_of(page_of(told, PARAGRAPHS[0]), Extraction(told, "blocks"))
    assert [rule for _, rule in decisions] == [None, "extractor:blocks"]


def test_lines_that_extraction_joined_or_broke_are_kept() -> None:
    joined, broken = f"{PARAGRAPHS[0]} {PARAGRAPHS[1]}", f"{PARAGRAPHS[1]}\n{PARAGRAPHS[2]}"
    assert [rule for _, rule in rules_of(page_of(*PARAGRAPHS[:2]), Extraction(joined, "blocks"))] == [None, None]
    page = page_of(broken.replace("\n", " "))
    assert [rule for _, rule in rules_of(page, Extraction(broken, "blocks"))] == [None]
