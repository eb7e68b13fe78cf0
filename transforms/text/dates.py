"""Dates as people write them in text: which day a line names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import regex

from transforms.text.vocabulary import MONTHS, any_of, month_number

_MONTH = any_of(MONTHS)
DATE_FORM = rf"""(?ix:(?<![\p{{L}}\d/-]|[\d.]\s?[–—-]\s?)(?:
      (?P<y>\d{{4}})(?P<s>[-/.])(?P<m>\d{{1,2}})(?P=s)(?P<d>\d{{1,2}})(?=T|[^\d\p{{L}}-]|$)
    | (?P<d>\d{{1,2}})(?:\.\s?|(?:st|nd|rd|th|er|º|°)?(?:\s|-))(?:de\s|of\s)?(?P<month>{_MONTH})
      (?:\.?,?\s|-|\.)(?:del?\s)?(?P<y>\d{{4}})
    | (?P<month>{_MONTH})\.?,?\s(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s(?P<y>\d{{4}})
    | (?P<y>\d{{4}})\.?\s(?P<month>{_MONTH})\s(?P<d>\d{{1,2}})\.?
    | (?P<d>\d{{1,2}})\.\s?(?P<m>\d{{1,2}})\.\s?(?P<y>\d{{4}})
    | (?P<d>\d{{2}})\.(?P<m>\d{{2}})\.(?P<short>\d{{2}})
    | (?P<a>\d{{1,2}})(?P<s>[/-])(?P<b>\d{{1,2}})(?P=s)(?P<y>\d{{4}})
    | (?P<y>\d{{4}})\s?[年년]\s?(?P<m>\d{{1,2}})\s?[月월]\s?(?P<d>\d{{1,2}})\s?[日일]
    )(?=T\d|[^\d\p{{L}}/-]|-?$|-\s))"""
"""A day in words or figures; a day that begins or ends a range is none."""

DATE = regex.compile(DATE_FORM)
_YEAR = regex.compile(r"\d{4}|\d\d\.\d\d\.\d\d")


def find_dates(text: str) -> Iterator[regex.Match[str]]:
    """Where the text names a day, in order; `day_of` says which."""
    return iter(DATE.finditer(text)) if _YEAR.search(text) else iter(())


def day_of(match: regex.Match[str], language: Callable[[], str]) -> dt.date | None:
    """The day that a match of `DATE_FORM` names; None for 31.02.2024, and where its order can't be told.

    `language` gives the BCP 47 tag of the text, and is asked only where the answer turns on it.
    """
    part = match.groupdict()
    if part["a"]:
        day, month = _day_and_month(int(part["a"]), int(part["b"]), language)
    else:
        day = int(part["d"])
        month = _month(part["month"], language) if part["month"] else int(part["m"])
    year = int(part["y"] or part["short"])
    try:
        return dt.date(year if part["y"] else year + (2000 if year < 69 else 1900), month, day)  # as POSIX has it
    except ValueError:  # 31.02.2024, or 00/00/0000 from a template
        return None


def _month(name: str, language: Callable[[], str]) -> int:
    return month_number(name, "") or month_number(name, language())


def _day_and_month(first: int, second: int, language: Callable[[], str]) -> tuple[int, int]:
    """Day and month of a date with slashes or hyphens; (0, 0) where the order can't be told.

    Only American English puts the month first; English that does not say where it is from, and a text in no language
    that could be told, may do so.
    """
    if first > 12 or second > 12 or first == second:
        return (first, second) if second <= 12 else (second, first)
    match language():
        case "en-US":
            return second, first
        case "en" | "und" | "":
            return 0, 0
        case _:
            return first, second
