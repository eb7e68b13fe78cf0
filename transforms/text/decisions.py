"""What became of each line or block of a record: what `explain` shows, from the decisions that cleaning made."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from schemas.records import RawRecord
from transforms.text.boilerplate import LineDecision, judge_lines
from transforms.text.decode import decode
from transforms.text.extraction import Extraction
from transforms.text.html import page_blocks

MARKUP = frozenset({"text/html", "application/xhtml+xml"})

MIN_PART_CHARS = 30
"""A shorter line of a page must be a line of the extracted text to count as kept: in a longer one it may stand by
chance."""


def decide_lines(record: RawRecord, extraction: Extraction) -> tuple[LineDecision, ...]:
    """The lines of a text, or of a page's blocks, each with what cut it: a rule's id, or `extractor:` and its name.

    `extraction` is that of the record. A page's lines are in the order of the page, numbered from 1.
    """
    lines = judge_lines(extraction.text, title=extraction.title)
    if record.media_type not in MARKUP:
        return lines
    blocks = page_blocks(decode(record.content, record.charset, markup=True).text)
    shown = [line for block in blocks for line in block.split("\n") if line.strip()]
    keys = [_squeezed(line) for line in shown]
    extracted = [(_squeezed(line.text), line.rule) for line in lines if line.text.strip()]
    pairs = _pairs(keys, [key for key, _ in extracted])
    paired = set(pairs.values())
    unpaired = [line for at, line in enumerate(extracted) if at not in paired]
    decisions = []
    for at, (key, text) in enumerate(zip(keys, shown, strict=True)):
        holding = [extracted[pairs[at]]] if at in pairs else _sharing(key, unpaired)
        rule = holding[0][1] if holding else f"extractor:{extraction.extractor}"
        decisions.append(LineDecision(at + 1, text, rule))
    return tuple(decisions)


def _pairs(page: Sequence[str], text: Sequence[str]) -> dict[int, int]:
    """For lines of a page the line of the text that each became: in the same order first, the moved ones after that.

    >>> _pairs(["Sport", "Goal!", "Title"], ["Title", "Goal!"])
    {1: 1, 2: 0}
    """
    matcher = difflib.SequenceMatcher(a=page, b=text, autojunk=False)
    pairs = {a + n: b + n for a, b, size in matcher.get_matching_blocks() for n in range(size)}
    moved: dict[str, list[int]] = {}
    for at in sorted(set(range(len(text))) - set(pairs.values()), reverse=True):
        moved.setdefault(text[at], []).append(at)
    for at, key in enumerate(page):
        if at not in pairs and moved.get(key):
            pairs[at] = moved[key].pop()
    return dict(sorted(pairs.items()))


def _sharing(key: str, lines: Sequence[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """The lines of the text that a line of a page is a part of, or else that are parts of it, kept ones first."""
    if len(key) < MIN_PART_CHARS:
        return []
    around = [line for line in lines if key in line[0]]
    inside = [line for line in lines if len(line[0]) >= MIN_PART_CHARS and line[0] in key]
    return sorted(around or inside, key=lambda line: line[1] is not None)


def _squeezed(text: str) -> str:
    """The text with single spaces, without the marks of a list or a heading that extractors write in front.

    >>> _squeezed("- one  item"), _squeezed("## A heading")
    ('one item', 'A heading')
    """
    return " ".join(text.split()).lstrip("-#| ").rstrip("| ")
