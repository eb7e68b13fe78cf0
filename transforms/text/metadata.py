"""Title, authors, date and source, as far as plain text says them itself.

Only the head (the short lines above the prose, and the opening of the prose) and the tail are read, by the customs
of news and official documents. What is not said in a known form stays unknown: a missing value costs less than a wrong
one.
The words are data, by language: `metadata.toml`.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

import regex

from schemas.records import NO_SOURCES, MetadataSources
from transforms.text.dates import DATE_FORM, day_of, find_dates
from transforms.text.language import detect_language
from transforms.text.names import byline, labelled_authors
from transforms.text.vocabulary import WEEKDAYS, WORDS, any_of

T = TypeVar("T")

HEAD_LINES = 8
TAIL_LINES = 3
MAX_TITLE_CHARS = 180
MIN_TITLE_WORDS = 4
MAX_LINES_UNDER_TITLE = 4
MIN_PROSE_CHARS = 60  # with a full stop at its end, a line this long is prose
MIN_UNSTOPPED_PROSE_CHARS = 200  # without: the longest headlines seen stay under it
MAX_CUT_NOTE_CHARS = 30
OPENING_CHARS = 300  # of the first prose line: a dateline or a credit stands there


@dataclass(frozen=True, slots=True)
class TextMetadata:
    """What a text says of itself, and where; None, or no author, where it does not."""

    title: str | None = None
    authors: tuple[str, ...] = ()
    published_date: dt.date | None = None
    site_name: str | None = None
    sources: MetadataSources = NO_SOURCES


def read_metadata(lines: Sequence[str], *, cut: Collection[int] = ()) -> TextMetadata:
    """Title, authors, day of publication and site or institution that the lines name.

    `cut` are the indexes of the lines that were cut as boilerplate: they have no headline, but a date or a byline above
    the prose and a credit below it still count. Deterministic; an unknown form is no error, its field is None.

    >>> found = read_metadata(["Ura e re hapet", "Nga Ana Hoxha", "21 mars 2024", "Ura e re mbi lumin u hap sot." * 3])
    >>> found.title, found.authors, found.published_date
    ('Ura e re hapet', ('Ana Hoxha',), datetime.date(2024, 3, 21))
    """
    was_cut = frozenset(cut)
    told = [(line, index in was_cut) for index, line in enumerate(lines) if line.strip()]
    end, opening = _find_opening(told)
    language = functools.cache(lambda: detect_language(opening).language)
    head = [(_squeeze(line), is_cut) for line, is_cut in told[:end]]
    notes = _read_notes(head, language)
    found = [note for note in notes if note is not None]
    signed = any(note.authors or note.date for note in found)
    unnoted = [line for (line, is_cut), note in zip(head, notes, strict=True) if note is None and not is_cut]
    headlines = _headlines(unnoted, signed) if opening else []
    # A letterhead: the name of an institution above the headline of a text that is dated or signed.
    letterhead = signed and len(headlines) > 1 and _is_institution(headlines[0])
    institution = headlines.pop(0) if letterhead else None
    title, title_date = _read_headline(headlines[0], opening, language) if headlines else (None, None)
    credit, opening_date = _read_opening(opening, language)
    tail = _tail(told[end:])
    names = next((note.authors for note in found if note.authors), ())
    authors = names or labelled_authors(tail)
    day, day_source = _first(
        (next((note.date for note in found if note.date), None), "text:date"),
        (opening_date, "text:dateline"),
        (title_date, "text:headline"),
    )
    site, site_source = _first(
        (institution, "text:letterhead"),
        (credit, "text:credit"),
        (_credited_source([line for line, _ in head], tail), "text:source"),
    )
    return TextMetadata(
        title=title,
        authors=authors,
        published_date=day,
        site_name=site,
        sources=MetadataSources(
            title="text:headline" if title else None,
            authors=("text:byline" if names else "text:label") if authors else None,
            published_date=day_source,
            site_name=site_source,
        ),
    )


def _first(*found: tuple[T | None, str]) -> tuple[T | None, str | None]:
    """The first value that there is, and its place."""
    return next(((value, place) for value, place in found if value), (None, None))


def _squeeze(line: str) -> str:
    return " ".join(line.split())


# --- lines

_STOPPED = regex.compile(r"""[.!?…:。！？؟][)\]"'»”’“]*$""")
_TRAILING_DATE = regex.compile(rf"\s*[,|(–—-]\s*{DATE_FORM}\.?\)?$")
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")


def _is_prose(line: str) -> bool:
    if len(line) <= MAX_TITLE_CHARS and _TRAILING_DATE.search(line):
        return False  # "..., 21. marta 2024.": the point belongs to the day
    # A character of a script without spaces says as much as two or three letters.
    length = len(line) + 2 * len(_UNSPACED.findall(line))
    return length >= MIN_UNSTOPPED_PROSE_CHARS or (length >= MIN_PROSE_CHARS and _STOPPED.search(line) is not None)


def _find_opening(lines: Sequence[tuple[str, bool]]) -> tuple[int, str]:
    """Where the first line of prose stands, and its opening; no opening when none is near.

    Lines that were cut as boilerplate are passed over.
    """
    kept = [at for at, (_, is_cut) in enumerate(lines) if not is_cut][: HEAD_LINES + 1]
    for at in kept:
        line = _squeeze(lines[at][0])
        if _is_prose(line):
            return at, line[:OPENING_CHARS]
    return (kept[-1] if len(kept) > HEAD_LINES else len(lines)), ""


def _tail(lines: Sequence[tuple[str, bool]]) -> list[str]:
    """The last lines that were kept, and the last that were cut."""
    kept, cut = ([line for line, was_cut in lines if was_cut is is_cut] for is_cut in (False, True))
    last = map(_squeeze, (*kept[-TAIL_LINES:], *cut[-TAIL_LINES:]))
    return [line for line in last if len(line) <= MAX_TITLE_CHARS]


# --- notes: the lines between headline and prose that say who and when


@dataclass(frozen=True, slots=True)
class _Note:
    authors: tuple[str, ...] = ()
    date: dt.date | None = None


_SKIPPED = regex.compile(
    rf"{any_of(WORDS['skip_label'] | WORDS['source_label'])}\s?:.*|{any_of(WORDS['other_date_label'])}\b.*\d.*",
    regex.IGNORECASE,
)
_SEPARATORS = " ,|•·–—-/():"
_DATE_FRAME = regex.compile(
    rf"(?:{any_of(WORDS['date_label'] | WORDS['time_word'] | WEEKDAYS)}(?!\p{{L}})|T?\d{{1,2}}[:.h]\d{{2}}(?::\d{{2}})?"
    r"(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?|[\s,|•·–—/():.-])*+",
    regex.IGNORECASE,
)
_PLACE = regex.compile(r"\p{Lu}[\p{L}'’.-]+(?:\s\p{Lu}[\p{L}'’.-]+){0,2}(?:, \p{Lu}[\p{L}.]+)?")


def _read_note(line: str, language: Callable[[], str], *, above_title: bool) -> _Note | None:
    """What a line says when it says nothing but who wrote the document, or when; None when it is something else."""
    if _SKIPPED.fullmatch(line):
        return _Note()
    match = next(find_dates(line), None)
    if match is None:
        authors = byline(line)
        return _Note(authors) if authors else None
    authors = ()
    for piece in (line[: match.start()], line[match.end() :]):
        rest = piece.strip(_SEPARATORS)
        if _DATE_FRAME.fullmatch(rest):
            continue
        names = byline(rest) or byline(_DATE_FRAME.sub("", rest, count=1))
        # A place before the date, but not on the first line: "Elections in Serbia, 17 December 2023" is a headline.
        if not names and (above_title or not _PLACE.fullmatch(rest)):
            return None
        authors = authors or names
    return _Note(authors, day_of(match, language))


def _read_cut_note(line: str, language: Callable[[], str]) -> _Note | None:
    """The day in a line that was cut for its form: beside it there may be a section or a time to read."""
    match = next(find_dates(line), None)
    if match is None or len(line) - len(match[0]) > MAX_CUT_NOTE_CHARS or _UPDATED.search(line):
        return None
    return _Note(date=day_of(match, language))


_UPDATED = regex.compile(rf"\b{any_of(WORDS['other_date_label'])}\b", regex.IGNORECASE)
_UPDATE_LABEL = regex.compile(rf"{any_of(WORDS['other_date_label'])}\s?:?", regex.IGNORECASE)


def _read_notes(head: Sequence[tuple[str, bool]], language: Callable[[], str]) -> list[_Note | None]:
    """The notes among the lines of a head, but without a date under a line that says "Updated:"."""
    notes = []
    above = ""
    for at, (line, is_cut) in enumerate(head):
        note = _read_note(line, language, above_title=at == 0)
        note = _read_cut_note(line, language) if note is None and is_cut else note
        is_update = note is not None and note.date is not None and _UPDATE_LABEL.fullmatch(above)
        notes.append(_Note(note.authors) if note is not None and is_update else note)
        above = line
    return notes


# --- headlines

_HEADLINE_START = regex.compile(r"""["'«“„‘¿¡(\[]*[\p{Lu}\p{Lt}\p{Lo}\d]""")
# A sentence, a label, a list; or the way through a site: "Home > News".
_NO_HEADLINE = regex.compile(r"(?<!\.\.|\b\d{4})\.$|[:;,…。]$|\s[>»›|→]\s.*\s[>»›|→]\s|^\w+\s[>›→]\s")
_KIND = regex.compile(rf"{any_of(WORDS['kind_label'])}\s?:\s+(?=\S)", regex.IGNORECASE)


def _headlines(lines: Sequence[str], signed: bool) -> list[str]:
    """The lines that may be a headline, from the first; none when too much stands between them and the prose.

    On 204 pages with known titles the limits of four words and four lines take wrong titles from 32 to 23 at the cost
    of 4 right ones. A date or a byline under a line vouches for a shorter one, and for one under other lines than
    a letterhead: without, such a line was the title of 14 texts and not that of 21.
    """
    may_be = [number for number, line in enumerate(lines) if _is_headline(line, 2 if signed else MIN_TITLE_WORDS)]
    if not may_be or len(lines) - 1 - may_be[0] > MAX_LINES_UNDER_TITLE:
        return []
    if not signed and not all(map(_is_institution, lines[: may_be[0]])):
        return []
    return [lines[number] for number in may_be]


def _is_headline(line: str, min_words: int) -> bool:
    letters = sum(character.isalpha() for character in line)
    return (
        (len(line.split()) >= min_words or len(_UNSPACED.findall(line)) >= 2 * min_words)
        and len(line) <= MAX_TITLE_CHARS
        and 2 * letters > len(line)
        and _HEADLINE_START.match(line) is not None
        and _NO_HEADLINE.search(line) is None
    )


def _read_headline(line: str, opening: str, language: Callable[[], str]) -> tuple[str, dt.date | None]:
    """The headline without the kind of text in front, and the date behind it when that is the day of publication.

    A date at the end of a headline may as well be the day of an event. It counts when the line calls itself news, or
    when the text opens with the same day.
    """
    title = _KIND.sub("", line, count=1) if _KIND.match(line) else line
    match = _TRAILING_DATE.search(title)
    if match is None:
        return title, None
    date = day_of(match, language)
    same_day = any(day_of(other, language) == date for other in find_dates(opening))
    return (title[: match.start()], date) if date and (title != line or same_day) else (title, None)


# --- institutions and sources

_WORD = regex.compile(r"\p{L}[\p{L}\p{M}.'’-]*")


def _is_institution(line: str) -> bool:
    """Whether a line is the name of an institution and nothing else: no verb, no news.

    >>> _is_institution("Ministry of Foreign Affairs"), _is_institution("Ministry of Health Announces New Rules")
    (True, False)
    """
    words = _WORD.findall(line)
    if not 2 <= len(words) <= 10 or regex.search(r"[?!:;\"“„«\d]", line):
        return False
    heads = [number for number, word in enumerate(words) if word.casefold() in WORDS["institution"]]
    named = all(word[0].isupper() or word.casefold() in WORDS["institution_part"] for word in words)
    if not heads or not named:
        return False
    # Behind the head, a name goes on with "of", "for" ...; three capitals in a row there are a headline in title case.
    run = 0
    for word in words[heads[0] + 1 :]:
        run = 0 if word.casefold() in WORDS["institution_part"] else run + 1
        if run > 2:
            return False
    return True


_CITY = r"(?:(?:New|San|Los|Las|Santa|Saint|St\.|Novi|Banja)\s)?\p{Lu}[\p{L}\p{M}.'’-]+"
_STATE = r"(?:\p{Lu}\.?){2}"
_RELEASED = regex.compile(
    rf"\b(?i:{any_of(WORDS['released_by'])})\s(?i:(?:the|der|le|la|el|il)\s|l['’])?(?P<name>[^,:;()]{{3,80}}?)"
    rf"(?:,\s(?P<place>[^,:;()\d]{{2,30}}))?,?\s(?i:(?:on|am|le|el|il|më|dana|дана)\s)?{DATE_FORM}\.?\s?[:–—-]"
)
_DATELINE = regex.compile(
    rf"(?:{_CITY}(?:\s{_CITY})?,\s)(?:{_STATE},\s)?(?i:(?:am|le|el|il|em|op|më|dana|dnia|дана)\s)?{DATE_FORM}"
    r"\.?(?:\s?[,/]?\s?\([^()]{2,40}\)|\s?/[^/]{2,40}/)?\s?[:–—-]"
)


def _read_opening(opening: str, language: Callable[[], str]) -> tuple[str | None, dt.date | None]:
    """Institution and day by the credit or dateline that opens the prose: "released by the ..., Washington, DATE:"."""
    dateline = _DATELINE.match(opening)
    if dateline:
        return None, day_of(dateline, language)
    match = _RELEASED.search(opening)
    if match is None:
        return None, None
    name = match["name"]
    if match["place"] and regex.fullmatch(_STATE, match["place"]):
        name = regex.sub(rf"\s{_CITY}$", "", name)  # "... Department of State Washington, DC": no comma before the city
    return (name if _is_institution(name) else None), day_of(match, language)


_SOURCE = regex.compile(rf"{any_of(WORDS['source_label'])}\s?:\s?(?P<name>[^:;|]{{3,60}}?)\.?", regex.IGNORECASE)
_SLASH_CREDIT = regex.compile(
    r"[/(]\s?(?P<name>[\p{L}\d][\p{L}\d-]*(?:\.[\p{L}\d-]+)*\.\p{L}{2,}|\p{Lu}\p{L}{3,}(?:\s\p{Lu}\p{L}+)?)\s?[/)]?"
)
_ADDRESS = regex.compile(r"https?://(?:www\.)?(?P<host>[\p{L}\d.-]{1,250}\.\p{L}{2,})(?:/\S*)?", regex.IGNORECASE)


def _credited_source(head: Sequence[str], tail: Sequence[str]) -> str | None:
    """The source that a line of its own names: "Source: NAME" in head or tail, "/example.org" at the end."""
    for line in (*head, *tail):
        match = _SOURCE.fullmatch(_ADDRESS.sub(r"\g<host>", line))
        if match and _names_a_source(match["name"]):
            return match["name"]
    slashed = (_SLASH_CREDIT.fullmatch(line) for line in tail if line.startswith("/"))
    return next((match["name"] for match in slashed if match), None)


def _names_a_source(name: str) -> bool:
    """Whether it is a name, and more than "News agencies"."""
    words = {word.casefold() for word in _WORD.findall(name)}
    return (name[0].isupper() or "." in name) and not words <= WORDS["not_a_person"] | WORDS["institution_part"]
