"""Lines that recur over many documents of one host or source: its template, whatever the language.

The corpus itself is the evidence, where phrases and structure know nothing. A line counts by its folded form, without
the document's own title and with one figure for any number, so that "Page 3 of 12" is one line. What recurs may still
be content, a heading or a sentence that every report quotes, so it depends on where it stands: before the first and
after the last line of prose that does not recur it is template; between them it must be long, and recur more often.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import xxhash

from schemas.records import Document
from transforms.text.phrases import line_key
from transforms.text.structure import read_line

MIN_DOCUMENTS = 5
"""Documents of unlike text that a line must stand in. With 2, 39 % of the lines cut on 582 pages were content, with 4
20 %: most of them names of fields on the pages of a shop, at the edge of their little prose."""

MIN_DOCUMENTS_WITHIN = 20  # the same between lines of prose
MIN_CHARS_WITHIN = 60  # shortest line that is cut there: a shorter one may be a heading
MIN_LETTERS = 3  # in a line that counts at all: numbers recur for no reason
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
    """The keys of the distinct lines of a text, of 64 bits, ascending; the same line of another group has another."""
    folded = {folded for line in text.split("\n") if (folded := _folded(line, title))}
    return np.array(sorted(_key(line, group) for line in folded), np.uint64)


def recurring_lines(document: Document, documents_with: Mapping[int, int]) -> dict[int, str]:
    """The lines of a document's text that are template, by their index from 0, and the evidence for each.

    `documents_with` tells in how many documents a key of `line_keys` occurs, if in `MIN_DOCUMENTS` or more. Nothing is
    cut where no prose of the document's own remains, or less than half of its characters.
    """
    group = recurring_group(document.host, document.source_uri, document.member)
    source = document.text.split("\n")
    folded = [_folded(line, document.title) for line in source]
    counts = [documents_with.get(_key(line, group), 0) if line else 0 for line in folded]
    own = [at for at, line in enumerate(source) if not counts[at] and line.strip() and read_line(at, line).prose]
    if not own:
        return {}
    cut = {at: rule for at, count in enumerate(counts) if count and (rule := _evidence(source[at], at, count, own))}
    return cut if sum(len(source[at]) for at in cut) <= MAX_SHARE_CUT * len(document.text) else {}


def _evidence(line: str, at: int, count: int, own: Sequence[int]) -> str | None:
    if not own[0] <= at <= own[-1]:
        return "recurring.edge"
    return "recurring.within" if count >= MIN_DOCUMENTS_WITHIN and len(line) >= MIN_CHARS_WITHIN else None


def _folded(line: str, title: str | None) -> str:
    """What makes two lines the same; nothing for a line that does not count."""
    key = line_key(line)
    if title and (own := line_key(title)) and own != key:  # a line that recurs is no title, whoever took it for one
        key = key.replace(own, "0")
    key = _NUMBER.sub("0", key)
    return key if sum(map(str.isalpha, key)) >= MIN_LETTERS else ""


def _key(folded: str, group: str) -> int:
    return xxhash.xxh3_64_intdigest(f"{group}\n{folded}".encode("utf-8", "surrogatepass"))
