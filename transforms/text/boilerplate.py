"""Which lines of a text are boilerplate that an extractor left behind, and by which rule.

The evidence is phrases, matched in `phrases` by rules that are data, and structure, told in `structure`. Here both are
weighed: some phrases count only before the first or after the last line of prose, and what was cut makes new edges.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from schemas.records import RemovedText
from transforms.text.phrases import Position, Rule
from transforms.text.structure import (
    EVIDENCE,
    Line,
    author_box,
    dated_list,
    headline,
    prose_span,
    read_line,
    repeated_title,
)


@dataclasses.dataclass(frozen=True, slots=True)
class LineDecision:
    """One line of a text, and the rule that cuts it."""

    number: int  # line of the text, from 1
    text: str  # the line, as it stood
    rule: str | None  # id of the rule; None when the line is kept


@dataclasses.dataclass(frozen=True, slots=True)
class Stripped:
    """A text without its boilerplate, and what was taken out."""

    text: str
    line_numbers: tuple[int, ...]  # of the lines of `text` in the text that it was made of
    removed: tuple[RemovedText, ...]


def _admits(position: Position, at: int, first_prose: int, last_prose: int, last: int) -> bool:
    """Whether a line at this index stands where the rule counts."""
    match position:
        case "any":
            return True
        case "head":
            return at < first_prose
        case "tail":
            return at > last_prose
        case "last":
            return at == last and at > last_prose
        case "edge":
            return not first_prose <= at <= last_prose
        case "note" | "bar":
            return False  # never by itself


def _cut_by_phrase(lines: Sequence[Line], kept: int | None) -> dict[int, Rule]:
    first_prose, last_prose = prose_span(lines)
    cut = {}
    for at, line in enumerate(lines):
        for rule in line.rules if at != kept else ():
            if rule.position != "any" and last_prose < 0 and (rule.match == "section" or rule.kind == "navigation"):
                continue  # a list has no ends where an opener or a menu could stand
            if _admits(rule.position, at, first_prose, last_prose, len(lines) - 1):
                cut[at] = rule
                break
    return cut


def judge_lines(text: str, *, title: str | None = None) -> tuple[LineDecision, ...]:
    r"""The decision on every line of a text, in order; blank lines are kept.

    The text is NFC with LF line ends, a line being a paragraph or block. `title` is the title when it is known from
    elsewhere: the line above the text that says it stays, and the last lines that say it again go, also when they say
    the first line. Repeats until nothing more is cut, so stripping twice is stripping once.

    >>> [d.rule for d in judge_lines("We met in Graz.\n\nLeave a comment")]
    [None, None, 'comments.en.form']
    """
    source = text.split("\n")
    lines = [read_line(number, line) for number, line in enumerate(source, 1) if line.strip()]
    cut: dict[int, str] = {}
    while lines:
        kept = headline(lines, title)
        phrases = _cut_by_phrase(lines, kept)
        named = {at: rule.id for at, rule in phrases.items()}
        found = repeated_title(lines, title) | dated_list(lines) | author_box(lines)
        for evidence in EVIDENCE:
            found |= evidence(lines, phrases)
        found |= named
        if kept is not None:
            found.pop(kept, None)
        if not found:
            break
        cut |= {lines[at].number: rule for at, rule in found.items()}
        lines = [line for at, line in enumerate(lines) if at not in found]
    return tuple(LineDecision(number, line, cut.get(number)) for number, line in enumerate(source, 1))


def strip_boilerplate(text: str, *, title: str | None = None) -> Stripped:
    """The text without the lines that `judge_lines` cuts, and those lines.

    Runs of blank lines become one, none at the start or end; the text is empty when it was boilerplate alone.
    """
    decisions = judge_lines(text, title=title)
    removed = tuple(RemovedText(d.rule, d.number, d.text) for d in decisions if d.rule is not None)
    return Stripped(*join_lines((d.number, d.text) for d in decisions if d.rule is None), removed)


def join_lines(lines: Iterable[tuple[int, str]]) -> tuple[str, tuple[int, ...]]:
    r"""One text of numbered lines, and the number of each line in it; runs of blank ones become one, at the ends none.

    >>> join_lines([(1, ""), (2, "a"), (4, " "), (5, ""), (7, "b"), (8, "")])
    ('a\n\nb', (2, 4, 7))
    """
    kept: list[tuple[int, str]] = []
    for number, line in lines:
        if line.strip():
            kept.append((number, line))
        elif kept and kept[-1][1]:
            kept.append((number, ""))
    if kept and not kept[-1][1]:
        kept.pop()
    return "\n".join(line for _, line in kept), tuple(number for number, _ in kept)
