"""Names of persons, and the bylines that hold them."""

from __future__ import annotations

from collections.abc import Sequence

import regex

from transforms.text.dates import DATE
from transforms.text.vocabulary import MONTHS, WEEKDAYS, WORDS, any_of

MAX_NAME_WORDS = 4

_NAME_WORD = r"(?:\p{Lu}\.(?:-?\p{Lu}\.)*|\p{Lu}['’]?\p{L}[\p{L}\p{M}'’-]*)"
_NAME = regex.compile(rf"{_NAME_WORD}(?:\s(?:{any_of(WORDS['name_particle'])}\s)*{_NAME_WORD})+(?:,?\s[JS]r\.?)?")
_JOINED = regex.compile(rf"\s+{any_of(WORDS['joins_names'])}\s+")
_DATE_WORDS = WORDS["date_label"] | WORDS["other_date_label"]
_NO_MARKED_NAME = (WORDS["not_a_person"] | _DATE_WORDS | WORDS["author_label"] | WEEKDAYS) - WORDS["name_particle"]
_NO_NAME = _NO_MARKED_NAME | WORDS["institution"] | (WORDS["role"] - WORDS["name_particle"])
_NAMES_TOO = WORDS["also_a_name"]
_NO_FIRST_NAME = WORDS["no_first_name"] - _NAMES_TOO
_NEVER_IN_NAME = _NO_NAME - _NAMES_TOO
_NEVER_IN_MARKED_NAME = _NO_MARKED_NAME - _NAMES_TOO
_LISTED = _NO_NAME | WORDS["no_first_name"] | MONTHS.keys()
# Beside a date alone, "An Update" and "Next Post" are more common than people of these names.
_DOUBTFUL = _NAMES_TOO & (WORDS["no_first_name"] | WORDS["not_a_person"])
_NO_USER_NAME = _NO_NAME | WORDS["byline"] | WORDS["name_particle"] | MONTHS.keys()
_USER_NAME = regex.compile(r"(?=.*\p{L})[\p{L}\d](?:[\p{L}\d_.-]{0,28}[\p{L}\d])")
_BYLINE = regex.compile(
    rf"(?:{any_of(WORDS['byline'])}:?\s|{any_of(WORDS['author_label'])}\s?:\s?)(?P<names>.+)", regex.IGNORECASE
)
# What stands around the names in a text that holds nothing else: a date and its words, links, a time to read.
_SEPARATORS = " ,|•·–—-/():\u200b"
_CLOCK = regex.compile(r"\b\d{1,2}[:.h]\d{2}(?::\d{2})?(?:\s?[ap]\.?m\b\.?)?", regex.IGNORECASE)
_DATED = _DATE_WORDS | WORDS["time_word"] | WEEKDAYS
_BEFORE_NAMES = regex.compile(
    # Possessive: "published on" is also two words of the lists.
    rf"^(?:{any_of(_DATED)}(?!\p{{L}})[\s,:]*+)++"
    rf"(?={any_of(WORDS['byline'])}\s)",
    regex.IGNORECASE,
)
_AFTER_NAMES = regex.compile(
    rf"\s*[|•·–—(@\d\n]|\s[/-]\s|:\s|\s{any_of(WORDS['after_name'])}\s"
    rf"|\s(?:{any_of(_DATED - _NAMES_TOO)}|(?-i:{any_of(_DATED & _NAMES_TOO)}))(?:\s|$)",
    regex.IGNORECASE,
)
_TITLED = regex.compile(r"(?:(?:Prof|Dr)\.\s)+")
_MARKED_NAME = regex.compile(rf"{_NAME_WORD}(?:[\s.](?:{any_of(WORDS['name_particle'])}\s)*{_NAME_WORD}){{0,3}}")
_AUTHOR_LABEL = regex.compile(rf"{any_of(WORDS['author_label'])}\s?:\s?(?P<names>.+)", regex.IGNORECASE)


def persons(text: str) -> tuple[str, ...]:
    """The names in a list of names, without their titles; none when any part of it is no name.

    >>> persons("Dr. Ana Kovač i Marko Horvat")
    ('Ana Kovač', 'Marko Horvat')
    >>> persons("Staff Reporter")
    ()
    """
    several = _JOINED.split(text)
    # "A, B and C" is a list of names; without an "and", what follows a comma is an office, an agency or a place.
    parts = [part for some in several for part in (some.split(",") if len(several) > 1 else some.split(",")[:1])]
    names = [_without_role(part.strip()) for part in parts]
    return tuple(names) if all(is_person(name) for name in names) else ()


def is_person(name: str) -> bool:
    """Whether it is a first and a last name, and no office, desk or day.

    >>> is_person("Emily Post"), is_person("Read Post")
    (True, False)
    """
    return 2 <= len(name.split()) <= MAX_NAME_WORDS and _NAME.fullmatch(name) is not None and not _is_no_name(name)


def is_person_unlabelled(name: str) -> bool:
    """Whether it is one even where nothing says that a person is named."""
    return is_person(name) and _DOUBTFUL.isdisjoint(_words(name))


def _is_no_name(name: str) -> bool:
    words = _words(name)
    is_article = name.partition(" ")[0].casefold() in _NO_FIRST_NAME  # "A", and not "A."
    return is_article or not _NEVER_IN_NAME.isdisjoint(words) or words <= _LISTED


def _words(name: str) -> set[str]:
    return {word.casefold().rstrip(".,") for word in name.split()}


def _without_role(name: str) -> str:
    words = name.split()
    while len(words) > 2 and words[0].casefold().rstrip(".,") in WORDS["role"]:
        words = words[1:]
    return " ".join(words)


def byline(text: str) -> tuple[str, ...]:
    """The names in a line that says who wrote the text, and nothing else: "By Ana Kola", "Text: Jörg Weiß"."""
    match = _BYLINE.fullmatch(text)
    return persons(match["names"]) if match else ()


def opens_byline(text: str) -> bool:
    """Whether the text begins as a byline does."""
    return _BYLINE.fullmatch(text) is not None


def names_in(text: str) -> tuple[str, ...]:
    """The names in a text that markup calls an author's: a single name is enough, and what follows the names is passed.

    >>> names_in("Written by Ana Kola and Jon Weir, editors | 3 May 2021"), names_in("Read more")
    (('Ana Kola', 'Jon Weir'), ())
    """
    if _USER_NAME.fullmatch(text) and text.casefold() not in _NO_USER_NAME:
        return (text,)
    text = _CLOCK.sub(" ", DATE.sub(" ", text)).strip(_SEPARATORS)
    text = _BEFORE_NAMES.sub("", text)
    match = _BYLINE.fullmatch(text)
    text = _AFTER_NAMES.split(match["names"] if match else text, maxsplit=1)[0].strip(_SEPARATORS)
    names: list[str] = []
    for several in _JOINED.split(text):
        for number, part in enumerate(several.split(",")):
            name = part.strip(_SEPARATORS)
            # Behind a comma a single word is an office or a place.
            if not (_is_marked_name(name) and (number == 0 or is_person(name))):
                return tuple(names)
            names.append(name if _TITLED.match(name) else _without_role(name))
    return tuple(names)


def _is_marked_name(name: str) -> bool:
    bare = _TITLED.sub("", name)
    last = bare.rpartition(" ")[2].casefold()
    return (
        _MARKED_NAME.fullmatch(bare) is not None
        and _NEVER_IN_MARKED_NAME.isdisjoint(_words(bare))
        and not _words(bare) <= _NO_MARKED_NAME | MONTHS.keys()
        and last not in WORDS["role"] | WORDS["institution"]
    )


def labelled_authors(lines: Sequence[str]) -> tuple[str, ...]:
    """Authors by a label with a colon; a bare "by NAME" at the end of a text is as often a photographer."""
    found = (_AUTHOR_LABEL.fullmatch(line) for line in lines)
    return next((names for match in found if match and (names := persons(match["names"]))), ())
