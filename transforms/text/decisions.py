"""What became of each line or block of a record: what `explain` shows, from the decisions that cleaning made."""

from __future__ import annotations

from schemas.records import RawRecord
from transforms.text.boilerplate import LineDecision, judge_lines
from transforms.text.decode import decode
from transforms.text.extraction import Extraction
from transforms.text.html import page_blocks

MARKUP = frozenset({"text/html", "application/xhtml+xml"})

MIN_PART_CHARS = 30
"""A shorter block must be a line of the extracted text to count as kept: in a longer line it may stand by chance."""


def decide_lines(record: RawRecord, extraction: Extraction) -> tuple[LineDecision, ...]:
    """The lines of a text, or the blocks of a page, each with what cut it: a rule's id, or `extractor:` and its name.

    `extraction` is that of the record. A page's blocks are in the order of the page, numbered from 1.
    """
    lines = judge_lines(extraction.text, title=extraction.title)
    if record.media_type not in MARKUP:
        return lines
    rules = {_squeezed(line.text): line.rule for line in lines}
    whole = _squeezed(extraction.text)
    decisions = []
    for number, block in enumerate(page_blocks(decode(record.content, record.charset, markup=True).text), start=1):
        key = _squeezed(block)
        if key in rules:
            rule = rules[key]
        elif len(key) >= MIN_PART_CHARS and key in whole:
            rule = next((rule for line, rule in rules.items() if key in line), None)
        else:
            rule = f"extractor:{extraction.extractor}"
        decisions.append(LineDecision(number, block, rule))
    return tuple(decisions)


def _squeezed(text: str) -> str:
    """The text with single spaces, without the marks of a list or a heading that extractors write in front.

    >>> _squeezed("- one  item"), _squeezed("## A heading")
    ('one item', 'A heading')
    """
    return " ".join(text.split()).lstrip("-#| ").rstrip("| ")
