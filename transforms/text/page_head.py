"""What a page shows around its headline: the short lines that say who wrote it, and when."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections.abc import Callable, Collection, Iterator

import regex
from lxml.html import HtmlElement

from transforms.text.dates import DATE_FORM, day_of, find_dates
from transforms.text.extraction import one_line, parse_date
from transforms.text.names import is_person, is_person_unlabelled, names_in, opens_byline
from transforms.text.page_type import PageType
from transforms.text.structured_data import ARTICLE_TYPES, StructuredData
from transforms.text.vocabulary import WORDS, any_of

LINES_BELOW = 14
LINES_ABOVE = 3
MIN_PROSE_CHARS = 200
MAX_PROSE_LINES = 2  # below the headline: a standfirst and an opening
MAX_FRAME_CHARS = 80  # beside the dates of a line: more is a sentence about another day
MAX_BYLINE_CHARS = 80
MAX_LINE_ELEMENTS = 30
MAX_ATTRIBUTE_CHARS = 1_000
MAX_ELEMENT_CHARS = 10_000  # with the white space of the source; an element that holds more is no heading or byline
FIRST_YEAR = 1990  # of the web; an earlier day near a headline is one that the page is about

_BLOCK_NAMES = """
address article aside blockquote body br center dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4
h5 h6 header hr li main nav ol p picture pre section summary table tbody td th thead tr ul video
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_NOT_SHOWN = frozenset(("script", "style", "noscript", "template", "svg", "select", "button", "iframe", "form"))
_UPDATED = regex.compile(rf"\b{any_of(WORDS['other_date_label'])}\b", regex.IGNORECASE)
_UPDATED_CLASS = regex.compile(r"updat|modif", regex.IGNORECASE)
_PUBLISHED_CLASS = regex.compile(r"publish|entry-date|post(?:ed)?-(?:on|date)|created", regex.IGNORECASE)
_BYLINE_CLASS = regex.compile(
    r"(?<![[:alpha:]])(?:by-?line|authors?|autor(?:en|in|es)?|auteurs?|autore|verfasser|writer|written-?by)"
    r"(?:-?_?(?:name|link|wrap(?:per)?|info|date))?(?![[:alpha:]])",
    regex.IGNORECASE,
)
_AUTHOR_ADDRESS = regex.compile(
    r"/(?:authors?|autor(?:en|es|i|in|a)?|auteurs?|autore|writers?|contributors?|redakteure?|journalist[a-z]*|people|profile"
    r"|team)/[^/]+/?$|[?&]author=",
    regex.IGNORECASE,
)
_TOPIC_ADDRESS = regex.compile(
    r"/(?:categor|tag|topic|section|rubri|thema|tema|blog)|[?&](?:cat|tag)", regex.IGNORECASE
)
_NEAR_DATE = regex.compile(
    rf"\s*[|•·–—]\s*|\s+[/-]\s+|\s*,?\s*{DATE_FORM}\s*,?\s*|\s+\d.*|\s+{any_of(WORDS['after_name'])}(?:\s.*)?$"
)
_PARTS = regex.compile(rf"\s*[|•·–—]\s*|\s+[/-]\s+|\s*,?\s*{DATE_FORM}\s*,?\s*|\s+\d{{1,2}}[:.]\d\d\b.*")


@dataclasses.dataclass(frozen=True, slots=True)
class ShownLine:
    """A line as a reader sees it."""

    text: str
    elements: tuple[HtmlElement, ...]  # those that hold its text, and those of a time, in order, each once


def is_written(kind: PageType, data: StructuredData) -> bool:
    """Whether names and days near the headline are of the page: around a product they are those of its reviews."""
    return kind != "product" or bool(data.types() & ARTICLE_TYPES)


def short_text(element: HtmlElement, limit: int) -> str | None:
    """The text of an element as one line; None where there is none, or more than the limit."""
    text = element.text_content()
    line = one_line(text) if len(text) <= MAX_ELEMENT_CHARS else None
    return line if line and len(line) <= limit else None


def lines_around(headline: HtmlElement) -> list[ShownLine]:
    """The lines below a heading, then those above it, the nearest first; not beyond the opening of the prose."""
    below: list[ShownLine] = []
    prose = 0
    for line in itertools.islice(_lines(headline, 1), LINES_BELOW):
        prose += len(line.text) >= MIN_PROSE_CHARS
        if prose > MAX_PROSE_LINES:
            break
        below.append(line)
    above = itertools.islice(_lines(headline, -1), LINES_ABOVE)
    return [line for line in (*below, *above) if len(line.text) < MIN_PROSE_CHARS]


def shown_day(lines: list[ShownLine], language: Callable[[], str]) -> tuple[dt.date, str] | None:
    """The first day that a line names as its own, not as that of an update, and its place: html:time or html:date."""
    for line in lines:
        if day := _day_of_time(line):
            return day, "html:time"
        found = list(find_dates(line.text))
        if found and len(line.text) - sum(len(match[0]) for match in found) <= MAX_FRAME_CHARS:
            ends = (0, *(match.end() for match in found))
            for end, match in zip(ends, found, strict=False):
                day = None if _UPDATED.search(line.text[end : match.start()]) else day_of(match, language)
                if day and day.year >= FIRST_YEAR:
                    return day, "html:date"
    return None


def _day_of_time(line: ShownLine) -> dt.date | None:
    around = (next((e for e in (each, *_ancestors(each, 2)) if e.tag == "time"), None) for each in line.elements)
    for time in dict.fromkeys(around):
        day = None if time is None else parse_date(time.get("datetime"))
        if day and day.year >= FIRST_YEAR and time is not None:
            shown = _text(time)  # empty where a script is to fill it
            label = line.text.partition(shown)[0] if shown else ""
            classes = _attributes(time, "class")
            updated = _UPDATED_CLASS.search(classes) and not _PUBLISHED_CLASS.search(classes)
            if not updated and not _UPDATED.search(label):
                return day
    return None


def shown_authors(lines: list[ShownLine], topics: Collection[str] = ()) -> tuple[tuple[str, ...], str] | None:
    """The names in the first line that is a byline by its markup, by its words or by a date beside a name.

    The place is html:author for markup, html:byline for words. `topics` are names that no person has beside a date.
    """
    for line in lines:
        for element in line.elements:
            if names := _marked_names(element, line):
                return names, "html:author"
        parts = [part for part in _PARTS.split(line.text) if part] if len(line.text) <= 2 * MAX_BYLINE_CHARS else []
        for part in parts:
            names = names_in(part) if len(part) <= MAX_BYLINE_CHARS and opens_byline(part) else ()
            # Beside a date a first name is enough, but not an abbreviation.
            if names and (all(map(is_person, names)) or (len(parts) > 1 and names[0].istitle())):
                return names, "html:byline"
    return _name_by_a_date(lines, topics)


def _name_by_a_date(lines: list[ShownLine], topics: Collection[str]) -> tuple[tuple[str, ...], str] | None:
    """The name of a person and nothing else, beside a date or on the line above or below one."""
    dated = [len(line.text) <= MAX_BYLINE_CHARS and any(find_dates(line.text)) for line in lines]
    for at, line in enumerate(lines):
        parts = _NEAR_DATE.split(line.text) if dated[at] else [line.text] if any(dated[max(0, at - 1) : at + 2]) else []
        for part in parts:
            if part and is_person_unlabelled(part) and part not in topics and not _is_topic(line, part):
                return (part,), "html:byline"
    return None


def _marked_names(element: HtmlElement, line: ShownLine) -> tuple[str, ...]:
    around = [element, *_ancestors(element, 3)]
    by_class = any(
        each.get("rel") == "author"
        or each.get("itemprop") == "author"
        or _BYLINE_CLASS.search(_attributes(each, "class", "id"))
        for each in around
    )
    by_link = element.tag == "a" and _AUTHOR_ADDRESS.search(_attributes(element, "href"))
    if not by_class and not by_link:
        return ()
    text = _text(element)
    names = names_in(text if 0 < len(text) <= MAX_BYLINE_CHARS else line.text)
    all_names = names_in(line.text) if names and len(line.text) <= MAX_BYLINE_CHARS else ()
    return all_names if names[:1] == all_names[:1] else names


def _is_topic(line: ShownLine, text: str) -> bool:
    """Whether the text leads to a section of the site or a tag."""
    around = dict.fromkeys(each for element in line.elements for each in (element, *_ancestors(element, 2)))
    links = (each for each in around if each.tag == "a" and _TOPIC_ADDRESS.search(_attributes(each, "href")))
    return any(text in _text(link) for link in links)


def _attributes(element: HtmlElement, *names: str) -> str:
    return " ".join(element.get(name, "")[:MAX_ATTRIBUTE_CHARS] for name in names)


def _text(element: HtmlElement) -> str:
    return " ".join(element.text_content().split())


def _ancestors(element: HtmlElement, count: int) -> Iterator[HtmlElement]:
    above = itertools.islice(element.iterancestors(), count)
    return itertools.takewhile(lambda each: each.tag not in ("html", "body", "main", "article"), above)


# --- the lines of a page, from a heading on, forwards or backwards


def _pieces(element: HtmlElement, step: int) -> Iterator[tuple[str | None, HtmlElement]]:
    """The texts in an element, each with what holds it; None where a line ends."""
    if not isinstance(element.tag, str) or element.tag in _NOT_SHOWN:
        return
    is_block = element.tag in _BLOCKS
    if is_block:
        yield None, element
    if step > 0 and (element.text or element.tag == "time"):
        yield element.text or "", element
    for child in element[::step]:
        yield from _with_tail(child, element, step)
    if step < 0 and (element.text or element.tag == "time"):
        yield element.text or "", element
    if is_block:
        yield None, element


def _with_tail(child: HtmlElement, parent: HtmlElement, step: int) -> Iterator[tuple[str | None, HtmlElement]]:
    if step > 0:
        yield from _pieces(child, step)
    if child.tail:
        yield child.tail, parent
    if step < 0:
        yield from _pieces(child, step)


def _pieces_beside(headline: HtmlElement, step: int) -> Iterator[tuple[str | None, HtmlElement]]:
    element = headline
    while (parent := element.getparent()) is not None and element.tag != "body":
        yield None, element
        if step > 0 and element.tail:
            yield element.tail, parent
        for sibling in element.itersiblings(preceding=step < 0):
            yield from _with_tail(sibling, parent, step)
        if step < 0 and parent.text:
            yield parent.text, parent
        element = parent


def _lines(headline: HtmlElement, step: int) -> Iterator[ShownLine]:
    """The lines after a heading, or with a step of -1 those before it, the nearest first."""
    pieces: list[tuple[str, HtmlElement]] = []
    for text, element in _pieces_beside(headline, step):
        if text is None:
            if pieces:
                yield _line(pieces[::step])
            pieces = []
        elif text.strip() or element.tag == "time":
            pieces.append((text, element))
    if pieces:
        yield _line(pieces[::step])


def _line(pieces: list[tuple[str, HtmlElement]]) -> ShownLine:
    # With a space between the pieces: what is set apart by style alone runs together otherwise.
    text = " ".join(text for text, _ in pieces)
    elements = dict.fromkeys(element for _, element in pieces)
    return ShownLine(" ".join(text.split()), tuple(itertools.islice(elements, MAX_LINE_ELEMENTS)))
