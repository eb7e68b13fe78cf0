"""The words by which texts and pages name their date, author and source: the lists of `metadata.toml`, and months.

The names of months and weekdays are those of Unicode CLDR, `calendar.json`, made by `benchmarks/calendar_names.py`.
"""

from __future__ import annotations

import importlib.resources
import json
import tomllib
from collections.abc import Iterable

import regex

_FOLDER = importlib.resources.files("transforms.text")
_CALENDAR = json.loads(_FOLDER.joinpath("calendar.json").read_text(encoding="utf-8"))


def _load_words() -> tuple[dict[str, frozenset[str]], dict[str, dict[str, int]]]:
    """The lists of `metadata.toml`; and for each form of a month's name its number, by language."""
    data = tomllib.loads(_FOLDER.joinpath("metadata.toml").read_text(encoding="utf-8"))
    words = {name: frozenset(values) for name, values in data["words"].items()}
    months: dict[str, dict[str, int]] = {}
    for locale, names in _CALENDAR.items():
        for number, forms in enumerate(names["months"], start=1):
            for form in forms:
                months.setdefault(form, {})[locale.split("_")[0]] = number
    for number, forms in data["months"].items():
        for form in forms:
            months.setdefault(form, {})[""] = int(number)
    return words, {form: numbers for form, numbers in months.items() if len(form) > 2 and form.isalpha()}


WORDS, MONTHS = _load_words()
WEEKDAYS = frozenset(name for names in _CALENDAR.values() for name in names["weekdays"])


def month_number(name: str, language: str) -> int:
    """The number of the month; 0 for no month, or for a name that stands for two months and not for one in `language`.

    >>> month_number("März", "und"), month_number("listopada", "hr"), month_number("listopada", "pl")
    (3, 10, 11)
    """
    # A Turkish dotted or dotless i matches without case, and is no letter of these names.
    numbers = MONTHS.get(name.casefold(), {})
    if len(set(numbers.values())) == 1:
        return next(iter(numbers.values()))
    return numbers.get(language.partition("-")[0], 0)


def any_of(words: Iterable[str]) -> str:
    """A regular expression for any of the words, the longest first."""
    return "(?:" + "|".join(regex.escape(word) for word in sorted(words, key=lambda word: (-len(word), word))) + ")"
