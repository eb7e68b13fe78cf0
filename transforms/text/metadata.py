"""Title, authors, date and source, as far as plain text says them itself.

Only the head (the short lines above the prose, and the opening of the prose) and the tail are read, by the customs
of news and official documents. What is not said in a known form stays unknown: a missing value costs less than a wrong
one.
The words, in nine languages and two scripts, are data: `metadata.toml`; the names of months come from Unicode CLDR.
"""

from __future__ import annotations

import datetime as dt
import importlib.resources
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import regex
from babel.dates import get_day_names, get_month_names

from schemas.records import UNDETERMINED
from transforms.text.language import detect_language

HEAD_LINES = 8
TAIL_LINES = 3
MAX_TITLE_CHARS = 180
MIN_TITLE_WORDS = 4
MAX_LINES_UNDER_TITLE = 4
MIN_PROSE_CHARS = 60  # with a full stop at its end, a line this long is prose
MIN_UNSTOPPED_PROSE_CHARS = 200  # without: the longest headlines seen stay under it
OPENING_CHARS = 300  # of the first prose line: a dateline or a credit stands there
MAX_NAME_WORDS = 4


@dataclass(frozen=True, slots=True)
class TextMetadata:
    """What a text says of itself; None, or no author, where it does not."""

    title: str | None
    authors: tuple[str, ...]
    published_date: dt.date | None
    site_name: str | None


def read_metadata(lines: Sequence[str], *, removed: Sequence[str] = ()) -> TextMetadata:
    """Title, authors, day of publication and site or institution that the lines name.

    `lines` are the lines that were kept; `removed` the texts that were cut as boilerplate, in order: a credit among the
    last of them names the source. Deterministic; an unknown form is no error, its field is None.

    >>> found = read_metadata(["Ura e re hapet", "Nga Ana Hoxha", "21 mars 2024", "Ura e re mbi lumin u hap sot." * 3])
    >>> found.title, found.authors, found.published_date
    ('Ura e re hapet', ('Ana Hoxha',), datetime.date(2024, 3, 21))
    """
    kept = [_squeeze(line) for line in lines if line.strip()]
    cut = [_squeeze(line) for text in removed for line in text.split("\n") if line.strip()]
    head, opening = _split_head(kept)
    notes = [_read_note(line, opening, above_title=number == 0) for number, line in enumerate(head)]
    found = [note for note in _without_updates(head, notes) if note is not None]
    signed = any(note.authors or note.date for note in found)
    headlines = _headlines([line for line, note in zip(head, notes, strict=True) if note is None], signed)
    # A letterhead: the name of an institution above the headline of a text that is dated or signed.
    letterhead = signed and len(headlines) > 1 and _is_institution(headlines[0])
    institution = headlines.pop(0) if letterhead else None
    title, title_date = _read_headline(headlines[0], opening) if headlines and opening else (None, None)
    credit_name, opening_date = _read_opening(opening)
    tail = [line for line in (*kept[len(head) :][-TAIL_LINES:], *cut[-TAIL_LINES:]) if len(line) <= MAX_TITLE_CHARS]
    bylines = [note.authors for note in found if note.authors] or [_labelled_authors(tail)]
    dates = (*(note.date for note in found), opening_date, title_date)
    return TextMetadata(
        title=title,
        authors=bylines[0],
        published_date=next((date for date in dates if date), None),
        site_name=institution or credit_name or _credited_source(head, tail),
    )


# --- the words

_LOCALES = ("en", "de", "fr", "es", "it", "sq", "hr", "sr_Latn", "sr_Cyrl", "bs_Latn", "bs_Cyrl")


def _load_words() -> tuple[dict[str, frozenset[str]], dict[str, int]]:
    """The lists of `metadata.toml`, and the number of the month for each form of its name."""
    source = importlib.resources.files("transforms.text").joinpath("metadata.toml")
    data = tomllib.loads(source.read_text(encoding="utf-8"))
    words = {name: frozenset(values) for name, values in data["words"].items()}
    months = {form: int(month) for month, forms in data["months"].items() for form in forms}
    for locale in _LOCALES:
        for width in ("wide", "abbreviated"):
            for context in ("format", "stand-alone"):
                names = get_month_names(width, context, locale)
                months |= {name.casefold().rstrip("."): month for month, name in names.items()}
    return words, months


_WORDS, _MONTHS = _load_words()
_WEEKDAYS = frozenset(
    name.casefold().rstrip(".")
    for locale in _LOCALES
    for width in ("wide", "abbreviated")
    for name in get_day_names(width, "format", locale).values()
)


def _any_of(words: Iterable[str]) -> str:
    return "(?:" + "|".join(regex.escape(word) for word in sorted(words, key=lambda word: (-len(word), word))) + ")"


def _squeeze(line: str) -> str:
    return " ".join(line.split())


# --- lines

_STOPPED = regex.compile(r"""[.!?…:。！？؟][)\]"'»”’“]*$""")
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")


def _is_prose(line: str) -> bool:
    if len(line) <= MAX_TITLE_CHARS and _TRAILING_DATE.search(line):
        return False  # "..., 21. marta 2024.": the point belongs to the day
    # A character of a script without spaces says as much as two or three letters.
    length = len(line) + 2 * len(_UNSPACED.findall(line))
    return length >= MIN_UNSTOPPED_PROSE_CHARS or (length >= MIN_PROSE_CHARS and _STOPPED.search(line) is not None)


def _split_head(lines: Sequence[str]) -> tuple[list[str], str]:
    """The short lines above the first line of prose, and the opening of that line; no opening when none is near."""
    for number, line in enumerate(lines[: HEAD_LINES + 1]):
        if _is_prose(line):
            return list(lines[:number]), line[:OPENING_CHARS]
    return list(lines[:HEAD_LINES]), ""


# --- dates

_MONTH = _any_of(_MONTHS)
_DATE_FORM = rf"""(?ix:(?<![\p{{L}}\d/-]|[\d.]\s?[–—-]\s?)(?:
      (?P<y>\d{{4}})-(?P<m>\d{{2}})-(?P<d>\d{{2}})(?=T|[^\d\p{{L}}-]|$)
    | (?P<d>\d{{1,2}})(?:\.|st|nd|rd|th|er|º|°)?\s(?:de\s|of\s)?(?P<month>{_MONTH})\.?,?\s(?:del?\s)?(?P<y>\d{{4}})
    | (?P<month>{_MONTH})\.?\s(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s(?P<y>\d{{4}})
    | (?P<d>\d{{1,2}})\.\s?(?P<m>\d{{1,2}})\.\s?(?P<y>\d{{4}})
    | (?P<a>\d{{1,2}})/(?P<b>\d{{1,2}})/(?P<y>\d{{4}})
    | (?P<y>\d{{4}})年(?P<m>\d{{1,2}})月(?P<d>\d{{1,2}})日
    )(?=T\d|[^\d\p{{L}}/]|$))"""
_DATE = regex.compile(_DATE_FORM)
_TRAILING_DATE = regex.compile(rf"\s*[,|(–—-]\s*{_DATE_FORM}\.?\)?$")


def _date_of(match: regex.Match[str], opening: str) -> dt.date | None:
    part = match.groupdict()
    if part["a"]:
        day, month = _day_and_month(int(part["a"]), int(part["b"]), opening)
    else:
        day = int(part["d"])
        # A Turkish dotted or dotless i matches without case, and is no letter of these names: month 0, no day.
        month = _MONTHS.get(part["month"].casefold(), 0) if part["month"] else int(part["m"])
    try:
        return dt.date(int(part["y"]), month, day)
    except ValueError:  # 31.02.2024, or 00/00/0000 from a template: no day
        return None


def _day_and_month(first: int, second: int, opening: str) -> tuple[int, int]:
    """Day and month of a date with slashes; (0, 0) where the order can't be told: only English puts the month first."""
    if first > 12 or second > 12 or first == second:
        return (first, second) if second <= 12 else (second, first)
    return (0, 0) if detect_language(opening).language in ("en", UNDETERMINED) else (first, second)


# --- names of persons

_NAME_WORD = r"(?:\p{Lu}\.(?:-?\p{Lu}\.)*|\p{Lu}['’]?\p{L}[\p{L}\p{M}'’-]*)"
_NAME = regex.compile(rf"{_NAME_WORD}(?:\s(?:{_any_of(_WORDS['name_particle'])}\s)*{_NAME_WORD})+")
_JOINED = regex.compile(rf"\s+{_any_of(_WORDS['joins_names'])}\s+")


def _persons(text: str) -> tuple[str, ...]:
    """The names in a list of names, without their titles; none when any part of it is no name.

    >>> _persons("Dr. Ana Kovač i Marko Horvat")
    ('Ana Kovač', 'Marko Horvat')
    >>> _persons("Staff Reporter")
    ()
    """
    several = _JOINED.split(text)
    # "A, B and C" is a list of names; without an "and", what follows a comma is an office, an agency or a place.
    parts = [part for some in several for part in (some.split(",") if len(several) > 1 else some.split(",")[:1])]
    names = [_without_role(part.strip()) for part in parts]
    return tuple(names) if all(_is_person(name) for name in names) else ()


def _without_role(name: str) -> str:
    words = name.split()
    while len(words) > 2 and words[0].casefold().rstrip(".,") in _WORDS["role"]:
        words = words[1:]
    return " ".join(words)


def _is_person(name: str) -> bool:
    words = {word.casefold().rstrip(".,") for word in name.split()}
    no_name = (
        _WORDS["not_a_person"] | _WORDS["institution"] | (_WORDS["role"] - _WORDS["name_particle"]) | _MONTHS.keys()
    )
    return 2 <= len(name.split()) <= MAX_NAME_WORDS and _NAME.fullmatch(name) is not None and not words & no_name


_BYLINE = regex.compile(
    rf"(?:{_any_of(_WORDS['byline'])}:?\s|{_any_of(_WORDS['author_label'])}\s?:\s?)(?P<names>.+)", regex.IGNORECASE
)
_AUTHOR_LABEL = regex.compile(rf"{_any_of(_WORDS['author_label'])}\s?:\s?(?P<names>.+)", regex.IGNORECASE)


def _byline(text: str) -> tuple[str, ...]:
    match = _BYLINE.fullmatch(text)
    return _persons(match["names"]) if match else ()


def _labelled_authors(lines: Sequence[str]) -> tuple[str, ...]:
    """Authors by a label with a colon; a bare "by NAME" at the end of a text is as often a photographer."""
    found = (_AUTHOR_LABEL.fullmatch(line) for line in lines)
    return next((names for match in found if match and (names := _persons(match["names"]))), ())


# --- notes: the lines between headline and prose that say who and when


@dataclass(frozen=True, slots=True)
class _Note:
    authors: tuple[str, ...] = ()
    date: dt.date | None = None


_SKIPPED = regex.compile(
    rf"{_any_of(_WORDS['skip_label'] | _WORDS['source_label'])}\s?:.*|{_any_of(_WORDS['other_date_label'])}\b.*\d.*",
    regex.IGNORECASE,
)
_SEPARATORS = " ,|•·–—-/():"
_DATE_FRAME = regex.compile(
    rf"(?:{_any_of(_WORDS['date_label'])}|{_any_of(_WORDS['time_word'])}|{_any_of(_WEEKDAYS)}|T?\d{{1,2}}[:.h]\d{{2}}(?::\d{{2}})?"
    r"(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?|[\s,|•·–—/():.-])*+",
    regex.IGNORECASE,
)
_PLACE = regex.compile(r"\p{Lu}[\p{L}'’.-]+(?:\s\p{Lu}[\p{L}'’.-]+){0,2}(?:, \p{Lu}[\p{L}.]+)?")


def _read_note(line: str, opening: str, *, above_title: bool) -> _Note | None:
    """What a line says when it says nothing but who wrote the document, or when; None when it is something else."""
    if _SKIPPED.fullmatch(line):
        return _Note()
    match = _DATE.search(line)
    if match is None:
        authors = _byline(line)
        return _Note(authors) if authors else None
    authors = ()
    for piece in (line[: match.start()], line[match.end() :]):
        rest = piece.strip(_SEPARATORS)
        if _DATE_FRAME.fullmatch(rest):
            continue
        names = _byline(rest) or _byline(_DATE_FRAME.sub("", rest, count=1))
        # A place before the date, but not on the first line: "Elections in Serbia, 17 December 2023" is a headline.
        if not names and (above_title or not _PLACE.fullmatch(rest)):
            return None
        authors = authors or names
    return _Note(authors, _date_of(match, opening))


_UPDATE_LABEL = regex.compile(rf"{_any_of(_WORDS['other_date_label'])}\s?:?", regex.IGNORECASE)


def _without_updates(head: Sequence[str], notes: Sequence[_Note | None]) -> list[_Note | None]:
    """The notes, but without a date under a line that says "Updated:"."""
    above = ("", *head)
    return [
        _Note(note.authors) if note and note.date and _UPDATE_LABEL.fullmatch(line) else note
        for line, note in zip(above, notes, strict=False)
    ]


# --- headlines

_HEADLINE_START = regex.compile(r"""["'«“„‘¿¡(\[]*[\p{Lu}\p{Lt}\p{Lo}\d]""")
# A sentence, a label, a list; or the way through a site: "Home > News".
_NO_HEADLINE = regex.compile(r"(?<!\.\.|\b\d{4})\.$|[:;,…。]$|\s[>»›|→]\s.*\s[>»›|→]\s|^\w+\s[>›→]\s")
_KIND = regex.compile(rf"{_any_of(_WORDS['kind_label'])}\s?:\s+(?=\S)", regex.IGNORECASE)


def _headlines(lines: Sequence[str], signed: bool) -> list[str]:
    """The lines that may be a headline, from the first; none when too much stands between them and the prose.

    On 204 pages with known titles the limits of four words and four lines take wrong titles from 32 to 23 at the cost
    of 4 right ones. A date or a byline under a line vouches for a shorter one.
    """
    may_be = [number for number, line in enumerate(lines) if _is_headline(line, 2 if signed else MIN_TITLE_WORDS)]
    if not may_be or len(lines) - 1 - may_be[0] > MAX_LINES_UNDER_TITLE:
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


def _read_headline(line: str, opening: str) -> tuple[str, dt.date | None]:
    """The headline without the kind of text in front, and the date behind it when that is the day of publication.

    A date at the end of a headline may as well be the day of an event. It counts when the line calls itself news, or
    when the text opens with the same day.
    """
    title = _KIND.sub("", line, count=1) if _KIND.match(line) else line
    match = _TRAILING_DATE.search(title)
    if match is None:
        return title, None
    date = _date_of(match, opening)
    same_day = any(_date_of(other, opening) == date for other in _DATE.finditer(opening))
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
    heads = [number for number, word in enumerate(words) if word.casefold() in _WORDS["institution"]]
    named = all(word[0].isupper() or word.casefold() in _WORDS["institution_part"] for word in words)
    if not heads or not named:
        return False
    # Behind the head, a name goes on with "of", "for" ...; three capitals in a row there are a headline in title case.
    run = 0
    for word in words[heads[0] + 1 :]:
        run = 0 if word.casefold() in _WORDS["institution_part"] else run + 1
        if run > 2:
            return False
    return True


_CITY = r"(?:(?:New|San|Los|Las|Santa|Saint|St\.|Novi|Banja)\s)?\p{Lu}[\p{L}\p{M}.'’-]+"
_STATE = r"(?:\p{Lu}\.?){2}"
_RELEASED = regex.compile(
    rf"\b(?i:{_any_of(_WORDS['released_by'])})\s(?i:(?:the|der|le|la|el|il)\s|l['’])?(?P<name>[^,:;()]{{3,80}}?)"
    rf"(?:,\s(?P<place>[^,:;()\d]{{2,30}}))?,?\s(?i:(?:on|am|le|el|il|më|dana|дана)\s)?{_DATE_FORM}\.?\s?[:–—-]"
)
_DATELINE = regex.compile(
    rf"(?:{_CITY}(?:\s{_CITY})?,\s)(?:{_STATE},\s)?(?i:(?:am|le|el|il|më|dana|дана)\s)?{_DATE_FORM}"
    r"\.?(?:\s?[,/]?\s?\([^()]{2,40}\)|\s?/[^/]{2,40}/)?\s?[:–—-]"
)


def _read_opening(opening: str) -> tuple[str | None, dt.date | None]:
    """Institution and day by the credit or dateline that opens the prose: "released by the ..., Washington, DATE:"."""
    dateline = _DATELINE.match(opening)
    if dateline:
        return None, _date_of(dateline, opening)
    match = _RELEASED.search(opening)
    if match is None:
        return None, None
    name = match["name"]
    if match["place"] and regex.fullmatch(_STATE, match["place"]):
        name = regex.sub(rf"\s{_CITY}$", "", name)  # "... Department of State Washington, DC": no comma before the city
    return (name if _is_institution(name) else None), _date_of(match, opening)


_SOURCE = regex.compile(rf"{_any_of(_WORDS['source_label'])}\s?:\s?(?P<name>[^:;|]{{3,60}}?)\.?", regex.IGNORECASE)
_SLASH_CREDIT = regex.compile(
    r"[/(]\s?(?P<name>[\p{L}\d][\p{L}\d-]*(?:\.[\p{L}\d-]+)*\.\p{L}{2,}|\p{Lu}\p{L}{3,}(?:\s\p{Lu}\p{L}+)?)\s?[/)]?"
)
_ADDRESS = regex.compile(r"https?://(?:www\.)?(?P<host>[\p{L}\d.-]+\.\p{L}{2,})(?:/\S*)?", regex.IGNORECASE)


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
    return (name[0].isupper() or "." in name) and not words <= _WORDS["not_a_person"] | _WORDS["institution_part"]
