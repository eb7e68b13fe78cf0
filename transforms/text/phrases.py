"""Which phrases of boilerplate a line holds, by the rules of all languages.

Phrases are data: `rules/<language>.toml`, each rule with examples of both sides. The rules of all languages are always
active: pages mix languages. Where a line stands, and so whether the rule counts, is judged in `boilerplate`.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import re
import tomllib
import unicodedata
from typing import Any, Literal

Match = Literal["line", "start", "contains", "section"]
Position = Literal["any", "edge", "head", "tail", "last", "note", "bar"]

MAX_CHARS: dict[Match, int] = {"line": 100, "section": 100, "start": 240, "contains": 600}
"""Longest line, in code points after folding, that a rule looks at unless it says otherwise."""

SIGN_KINDS = frozenset({"related", "read_more", "share", "navigation", "credit", "controls", "caption", "byline"})
"""Kinds whose lines are links, buttons and labels, never sentences."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One reason to cut a line, as a rule file states it; compared by identity, as there is one of each."""

    id: str
    language: str  # BCP 47; `zxx` for a rule that reads no language
    kind: str
    patterns: tuple[str, ...]  # regular expressions in lower case; which one matches makes no difference
    origin: str  # where the phrasing comes from
    cut: tuple[str, ...]  # lines the rule cuts
    keep: tuple[str, ...] = ()  # look-alikes that must stay wherever a rule counts
    keep_within: tuple[str, ...] = ()  # words that must stay between two lines of prose, and go at an edge
    match: Match = "line"  # the whole line, its start, anywhere in it, or a whole line that opens a section
    position: Position = "any"  # head and tail are before the first and after the last line of prose; edge is either;
    # a note says who or when, and goes with another one beside it in the head: see `structure.notes`; a bar's button
    # goes below a line about sharing: see `structure.share_bars`
    max_chars: int = 0
    needs: tuple[str, ...] = ()  # literals, one of which stands in every line that matches; they make `contains` cheap


_TYPOGRAPHY = {
    **dict.fromkeys("\u2018\u2019\u02bc\u0060\u00b4", "'"),
    **dict.fromkeys("\u201c\u201d\u201e", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
    **dict.fromkeys("\u200b\u200d\u200e\u200f\ufeff\u00ad", ""),
    "\u200c": " ",  # Persian writes a suffix with it, with a space or with neither
    "ı": "i",
    "đ": "d",
    "ł": "l",
}
_TYPOGRAPHIC = re.compile(f"[{''.join(_TYPOGRAPHY)}]")
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u093c\u3099\u309a]+")
_LEADING = re.compile(r"(?:[\s•·▪◦‣●○■□►▶▸▲▼※★☆◆❯›»→|]+|\*+(?=\w)|_+(?=[^\W_])|(?:#{1,6}|[-+*=~<>]+)\s+)+")
_TRAILING = " \t\u00a0:.…。：|›»→❯▸►▼"


def fold(text: str) -> str:
    """The text as patterns see it: NFKC, lower case, without diacritics, plain quotes and dashes, single spaces.

    Diacritics go because half of the web writes Albanian, Serbian or Romanian without them.

    >>> fold("Lexo  më shumë")
    'lexo me shume'
    """
    text = text.lower()
    if not text.isascii():
        text = _plain(text)
    return " ".join(text.split())


def _plain(text: str) -> str:
    text = _TYPOGRAPHIC.sub(lambda found: _TYPOGRAPHY[found[0]], text)
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFKD", text)))


def line_key(line: str) -> str:
    """The folded line without bullets and markup in front and without colons, stops and arrows at its end.

    >>> line_key("» **Related posts:**")
    'related posts'
    """
    leading = _LEADING.match(line)
    bare = line[leading.end() :] if leading else line
    return fold(bare.rstrip(_TRAILING + "*_" if leading else _TRAILING)) or fold(line)


_CYRILLIC = str.maketrans(dict(zip("abvgdđežzijklmnoprstćufhcčš", "абвгдђежзијклмнопрстћуфхцчш", strict=True)))
_DIGRAPHS = (("lj", "љ"), ("nj", "њ"), ("dž", "џ"))


def to_cyrillic(pattern: str) -> str:
    r"""The pattern in Serbian Cyrillic; what a backslash escapes stays as it is.

    >>> to_cyrillic(r"podijeli(?:te)?\b")
    'подијели(?:те)?\\b'
    """
    pieces = re.split(r"(\\.)", pattern)
    for digraph, letter in _DIGRAPHS:
        pieces[::2] = [piece.replace(digraph, letter) for piece in pieces[::2]]
    pieces[::2] = [piece.translate(_CYRILLIC) for piece in pieces[::2]]
    return "".join(pieces)


def _rule(entry: dict[str, Any], *, language: str, both_scripts: bool) -> Rule:
    patterns, needs = entry.pop("patterns"), entry.pop("needs", [])
    if both_scripts:
        patterns += [to_cyrillic(pattern) for pattern in patterns]
        needs += [to_cyrillic(need) for need in needs]
    return Rule(
        language=language,
        patterns=tuple(_plain(pattern) for pattern in patterns),
        needs=tuple(fold(need) for need in needs),
        cut=tuple(entry.pop("cut")),
        keep=tuple(entry.pop("keep", ())),
        keep_within=tuple(entry.pop("keep_within", ())),
        max_chars=entry.pop("max_chars", MAX_CHARS[entry.get("match", "line")]),
        **entry,
    )


def load_rules() -> tuple[Rule, ...]:
    """All rules of the packaged files, in the order of file names and of the entries in them."""
    folder = importlib.resources.files("transforms.text") / "rules"
    rules: list[Rule] = []
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".toml"):
            data = tomllib.loads(file.read_text(encoding="utf-8"))
            both = data.get("both_scripts", False)
            rules += [_rule(entry, language=data["language"], both_scripts=both) for entry in data["rule"]]
    return tuple(rules)


RULES = load_rules()


@functools.cache
def _compiled(rule: Rule) -> re.Pattern[str]:
    return re.compile("|".join(rule.patterns))


def _alternatives(pattern: str) -> list[str]:
    """The pattern split at the bars that stand outside of groups and sets."""
    parts, depth, start = [], 0, 0
    for token in _TOKEN.finditer(pattern):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if token[0] == "|" and not depth:
            parts.append(pattern[start : token.start()])
            start = token.end()
    return [*parts, pattern[start:]]


def _first_characters(pattern: str) -> set[str] | None:
    """The characters that a match can start with; None when they are too many or not plain to see."""
    found: set[str] = set()
    for part in _alternatives(pattern):
        rest = part
        while True:
            group = rest[3 : _end_of_group(rest)] if rest.startswith("(?:") else None
            literal = _LITERAL.match(rest)
            if group is None and literal is None:
                return None
            first = _first_characters(group) if group is not None else {literal[0][-1]} if literal else None
            if first is None:
                return None
            found |= first
            rest = rest[_end_of_group(rest) + 1 :] if group is not None else rest[len(literal[0]) :] if literal else ""
            if rest[:1] not in ("?", "*", "{"):
                break
            rest = rest[1:] if rest[0] != "{" else "."
    return found


def _end_of_group(pattern: str) -> int:
    depth = 0
    for token in _TOKEN.finditer(pattern):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if not depth:
            return token.start()
    raise ValueError(f"no end of the group in {pattern!r}")


_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()|]|[^()|]", re.DOTALL)
_LITERAL = re.compile(r"\\[^a-zA-Z0-9]|[^\\.\[\](){}^$*+?|]")


class _Gate:
    """The rules of one kind of match behind two expressions, so that a line that none matches costs two tries.

    One holds the patterns that can start as the line does, the other those that may start with anything; of a long
    line only the rules that look at long lines are tried. That is a third of the time of all patterns in one.
    """

    def __init__(self, *matches: Match) -> None:
        self.rules = tuple(rule for match in matches for rule in RULES if rule.match == match)
        self.longest = max(rule.max_chars for rule in self.rules)
        self._short = MAX_CHARS[matches[0]]
        self._patterns: dict[tuple[str, bool], list[str]] = {}
        self._rules: dict[str, dict[Rule, None]] = {}
        for rule in self.rules:
            for part in (part for pattern in rule.patterns for part in _alternatives(pattern)):
                for first in _first_characters(part) or {""}:
                    self._patterns.setdefault((first, False), []).append(part)
                    self._rules.setdefault(first, {})[rule] = None
                    if rule.max_chars > self._short:
                        self._patterns.setdefault((first, True), []).append(part)
        self.tries = functools.cache(self._tries)
        self.beginning = functools.cache(self._beginning)

    def _tries(self, first: str, long: bool) -> tuple[re.Pattern[str], ...]:
        pattern = re.compile("|".join(self._patterns[first, long]))
        return (pattern, *self.tries("", long)) if first else (pattern,)

    def _beginning(self, first: str) -> tuple[Rule, ...]:
        """The rules of a line that starts with this character, in the order of all."""
        some = self._rules.get(first, {}) | self._rules.get("", {})
        return tuple(rule for rule in self.rules if rule in some)

    def patterns(self, key: str) -> tuple[re.Pattern[str], ...]:
        """The expressions to try on this line."""
        long = len(key) > self._short
        return self.tries(key[0] if (key[0], long) in self._patterns else "", long)


_WHOLE, _START = _Gate("section", "line"), _Gate("start")
DENSE = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_STEM = re.compile(r"\b\w{4}")


def _stem(need: str) -> str:
    """First letters of a word of the need, in a script where words are found by them; empty when there are none."""
    return next((stem for stem in _STEM.findall(need) if stem.isalpha() and stem.upper() != stem), "")


class _Index:
    """The `contains` rules by what they need: 300 literals are too many to look for in every line of prose.

    A need that has a word of four letters in a cased script is found by the first letters of the line's words; the
    rest, signs and scripts without spaces, is looked for one by one.
    """

    def __init__(self) -> None:
        self.longest = max(rule.max_chars for rule in RULES if rule.match == "contains")
        self._by_stem: dict[str, list[tuple[str, Rule]]] = {}
        for rule in RULES:
            for need in rule.needs:
                self._by_stem.setdefault(_stem(need), []).append((need, rule))
        signs = self._by_stem.pop("")
        self._signs = {True: [pair for pair in signs if pair[0].isascii()], False: signs}  # by: line in ASCII

    def candidates(self, key: str) -> list[Rule]:
        """The rules with a need that stands in the line."""
        found = [rule for sign, rule in self._signs[key.isascii()] if sign in key]
        stems = self._by_stem if DENSE.search(key) else self._by_stem.keys() & _STEM.findall(key)
        return found + [rule for stem in sorted(stems) for need, rule in self._by_stem[stem] if need in key]


_CONTAINS = _Index()


def _is_label(rule: Rule) -> bool:
    return rule.kind in SIGN_KINDS or rule.match == "section"


def matching_rules(key: str, *, sentence: bool = False) -> tuple[Rule, ...]:
    """The rules that a folded line matches, wherever it stands in its text; openers first, then whole lines.

    `sentence` says that the line is one, with its full stop: no opener, link or button then.
    """
    size = len(key)
    found: list[Rule] = []
    if not key:
        return ()  # a line of nothing but zero-width characters
    if size <= _WHOLE.longest and any(pattern.fullmatch(key) for pattern in _WHOLE.patterns(key)):
        found += [rule for rule in _WHOLE.beginning(key[0]) if _compiled(rule).fullmatch(key)]
    if size <= _START.longest and any(pattern.match(key) for pattern in _START.patterns(key)):
        found += [rule for rule in _START.beginning(key[0]) if _compiled(rule).match(key)]
    if size <= _CONTAINS.longest:
        found += [rule for rule in _CONTAINS.candidates(key) if _compiled(rule).search(key)]
    fitting = (rule for rule in found if size <= rule.max_chars and not (sentence and _is_label(rule)))
    return tuple(dict.fromkeys(fitting))
