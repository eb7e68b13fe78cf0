"""Lines that recur over many documents of one host or source: its template, whatever the language.

The corpus itself is the evidence, where phrases and structure know nothing. A line counts by its folded form, and again
without the document's own title and with one figure for any number, so that "Page 3 of 12" and "Page 4 of 9" are one.
What recurs may still be content, a heading or a sentence that every report quotes, so it depends on where it stands:
before the first and after the last line of prose that does not recur it is template; between them it must be long, and
recur more often.
"""

from __future__ import annotations

import itertools
import math
import posixpath
import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import xxhash

from schemas.records import Document
from transforms.text.phrases import line_key
from transforms.text.recurrence import (
    MIN_DOCUMENTS,
    MIN_DOCUMENTS_OF_FOLDER,
    MIN_DOCUMENTS_OF_PROSE,
    MIN_DOCUMENTS_VARIED,
)
from transforms.text.structure import Line, read_line

RECURRING = "recurring."
"""What the ids of these cuts begin with."""

MIN_CHARS_WITHIN = 60  # shortest line that is cut between lines of prose: a shorter one may be a heading
MIN_LETTERS = 3  # in a line that counts at all: numbers recur for no reason
MIN_TITLE_CHARS = 12  # shortest title that is looked for in other lines
MAX_SHARE_CUT = 0.5  # of the characters of a document: beyond, it is a version of the others

_NUMBER = re.compile(r"\d+")

Keys = npt.NDArray[np.uint64]


def recurring_group(url_host: str | None, source_uri: str, member: str | None) -> str:
    """Whose template a document's lines could be: its host's, else its archive's or table's, else its folder's.

    >>> recurring_group(None, "crawl/2024/a.txt", None), recurring_group("example.org", "a.warc", "7")
    ('crawl/2024', 'example.org')
    """
    return url_host or (source_uri if member is not None else posixpath.dirname(source_uri))


def line_keys(text: str, group: str, title: str | None) -> Keys:
    """The keys of the distinct lines of a text, of 64 bits, ascending; the same line of another group has another.

    A line with a number or the document's title in it has two keys, as it stands and without them.
    """
    own = line_key(title or "")
    forms = {form for line in text.split("\n") for form in _forms(line_key(line), own)}
    return np.array(sorted(_key(form, group) for form in forms), np.uint64)


def recurring_lines(document: Document, documents_with: Mapping[int, int]) -> dict[int, str]:
    """The lines of a document's text that are template, by their index from 0, and the evidence for each.

    `documents_with` tells in how many documents a key of `line_keys` occurs, if in `MIN_DOCUMENTS` or more. Nothing is
    cut where no prose of the document's own remains, or less than half of its characters.
    """
    group = recurring_group(document.host, document.source_uri, document.member)
    own_title = line_key(document.title or "")
    lines = [read_line(at, line) for at, line in enumerate(document.text.split("\n")) if line.strip()]
    counts = [_count(line, group, own_title, documents_with) for line in lines]
    own = [line.number for line, count in zip(lines, counts, strict=True) if line.prose and _is_own(count, document)]
    if not own:
        return {}
    cut = {}
    for line, count in zip(lines, counts, strict=True):
        at_edge = not own[0] <= line.number <= own[-1]
        if count and count >= _documents_needed(line, at_edge=at_edge, of_host=bool(document.host)):
            cut[line.number] = RECURRING + ("edge" if at_edge else "within")
    lost = sum(len(line.text) for line in lines if line.number in cut)
    return cut if lost <= MAX_SHARE_CUT * len(document.text) else {}


def _count(line: Line, group: str, title_key: str, documents_with: Mapping[int, int]) -> int:
    """In how many documents a line stands; with other numbers or titles in it, only where they are many."""
    counts = [documents_with.get(_key(form, group), 0) for form in _forms(line.key, title_key)]
    return max([*counts[:1], *(count for count in counts[1:] if count >= MIN_DOCUMENTS_VARIED)], default=0)


def _is_own(count: int, document: Document) -> bool:
    return not document.host or count < MIN_DOCUMENTS_OF_PROSE


def _documents_needed(line: Line, *, at_edge: bool, of_host: bool) -> float:
    """How many documents must have a line for it to be template; infinite for one that never is."""
    running_text = line.sentence or line.text.rstrip().endswith(",")
    if at_edge:
        if running_text:
            return MIN_DOCUMENTS_OF_PROSE if of_host else math.inf
        return MIN_DOCUMENTS if of_host else MIN_DOCUMENTS_OF_FOLDER
    return MIN_DOCUMENTS_OF_PROSE if of_host and len(line.text) >= MIN_CHARS_WITHIN else math.inf


def _forms(key: str, title_key: str) -> list[str]:
    """What makes two lines the same, the strictest first; none for a line that does not count."""
    if len(list(itertools.islice(filter(str.isalpha, key), MIN_LETTERS))) < MIN_LETTERS:
        return []
    # A line that recurs is no title, whoever took it for one.
    is_title_within = len(title_key) >= MIN_TITLE_CHARS and title_key != key
    without_title = key.replace(title_key, "0") if is_title_within else key
    return list(dict.fromkeys((key, _NUMBER.sub("0", without_title))))


def _key(folded: str, group: str) -> int:
    return xxhash.xxh3_64_intdigest(f"{group}\n{folded}".encode("utf-8", "surrogatepass"))
