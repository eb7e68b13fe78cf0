"""What extraction gives, and how the metadata of every format is tidied on the way."""

from __future__ import annotations

import dataclasses
import datetime as dt
import email.utils
import re
from collections.abc import Iterable

from schemas.records import NO_SOURCES, MetadataSources
from transforms.text.decode import sanitise

EARLIEST_YEAR = 1800
"""A publication date before this is a default or an error: 1601 and 0001 are the zero of some clocks."""

_YEAR_FIRST = re.compile(r"(?:D:)?(\d{4})([-/.]?)(\d{2})\2(\d{2})")  # ISO 8601; PDF's D:20240321101500Z
_EPOCH = re.compile(r"(\d{9,10})(?:\d{3})?")
_NAME_SEPARATOR = re.compile(r"[;\n]")
_BY = re.compile(r"(?:written\s+)?by\s+|aut(?:h?or)s?:\s*", re.IGNORECASE)  # not "von" or "di", which begin names
_NOT_A_NAME = re.compile(r"https?:|www\.|[@|<>{}=]|\d{4}|\A\S+\.[a-z]{2,}\Z")
_MAX_NAME_CHARS = 80


@dataclasses.dataclass(frozen=True, slots=True)
class Extraction:
    """The text of one record as its format holds it, and what the record says of itself."""

    text: str  # NFC, LF; one block or line per line
    extractor: str  # how the text was obtained: "trafilatura-fast", "plain", "eml:plain", "pdf:pypdf"
    charset: str | None = None
    title: str | None = None
    url: str | None = None
    authors: tuple[str, ...] = ()
    published_date: dt.date | None = None
    site_name: str | None = None
    tags: tuple[str, ...] = ()
    sources: MetadataSources = NO_SOURCES  # has a place for exactly those of the values above that are there


def first_sources(*sources: MetadataSources) -> MetadataSources:
    """For each value the first place that is named, as the first value that is there is taken.

    >>> first_sources(MetadataSources(title="html:h1"), MetadataSources(title="text:headline", authors="text:byline"))
    MetadataSources(title='html:h1', url=None, authors='text:byline', published_date=None, site_name=None, tags=None)
    """
    names = [field.name for field in dataclasses.fields(MetadataSources)]
    return MetadataSources(
        **{name: next(filter(None, (getattr(each, name) for each in sources)), None) for name in names}
    )


def sources_of(**found: tuple[str, object]) -> MetadataSources:
    """The places of the values that are there; each argument is a place and the value that it may have given.

    >>> sources_of(title=("mail:subject", "On mills"), authors=("mail:from", ())).title
    'mail:subject'
    """
    return MetadataSources(**{name: place for name, (place, value) in found.items() if value})


def one_line(value: object) -> str | None:
    r"""A metadata value as one line of sanitised text; None when there is nothing in it.

    >>> one_line("  A\n title ")
    'A title'
    """
    return " ".join(sanitise(str(value)).split()) or None if value is not None else None


def unique_lines(values: Iterable[object]) -> tuple[str, ...]:
    """The values as lines, in order, each once.

    >>> unique_lines(["Politics", " Europe ", "Politics", ""])
    ('Politics', 'Europe')
    """
    return tuple(dict.fromkeys(line for value in values if (line := one_line(value))))


def author_names(values: Iterable[object], site_name: str | None = None) -> tuple[str, ...]:
    """The names of people or bodies among the values, in order, each once: no addresses, no name of the site.

    >>> author_names(["By Ana Kola; Jörg Weiß", "https://example.org/ana", "Example News"], "Example News")
    ('Ana Kola', 'Jörg Weiß')
    """
    names: dict[str, None] = {}
    for value in values:
        for part in _NAME_SEPARATOR.split(str(value)):
            name = one_line(part) or ""
            if prefix := _BY.match(name):
                name = name[prefix.end() :]
            if name and len(name) <= _MAX_NAME_CHARS and not _NOT_A_NAME.search(name) and name != site_name:
                names.setdefault(name)
    return tuple(names)


def parse_date(value: object) -> dt.date | None:
    """The day a machine-written date names: ISO 8601, RFC 5322, PDF, or seconds or milliseconds since 1970; else None.

    Dates that a reader could take two ways, such as 03/04/2024, are None.

    >>> parse_date("Thu, 21 Mar 2024 10:15:00 +0100"), parse_date("2024-03-21T23:30:00Z")
    (datetime.date(2024, 3, 21), datetime.date(2024, 3, 21))
    """
    if isinstance(value, dt.datetime):
        value = value.date()
    if not isinstance(value, dt.date):
        value = _day_in(str(value).strip()) if value is not None else None
    return value if isinstance(value, dt.date) and value.year >= EARLIEST_YEAR else None


def _day_in(text: str) -> dt.date | None:
    try:
        if match := _EPOCH.fullmatch(text):
            return dt.datetime.fromtimestamp(int(match[1]), dt.UTC).date()
        if match := _YEAR_FIRST.match(text):
            return dt.date(int(match[1]), int(match[3]), int(match[4]))
        return email.utils.parsedate_to_datetime(text).date()
    except (ValueError, OverflowError, OSError):
        return None
