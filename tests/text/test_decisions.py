from __future__ import annotations

from schemas.records import RawRecord
from transforms.text.decisions import decide_lines
from transforms.text.extract import extract

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
