"""Which phrases of boilerplate a line holds, by the rules of all languages.

Phrases are data: `rules/<language>.toml`, each rule with examples of both sides. The rules of all languages are always
active: pages mix languages. Where a line stands, and so whether the rule counts, is judged in `boilerplate`.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import itertools
import re
import tomllib
import unicodedata
from collections.abc import Callable, Sequence
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
    return _recent_key(line) if len(line) <= MAX_KEPT_CHARS else _key(line)


def _key(line: str) -> str:
    leading = _LEADING.match(line)
    bare = line[leading.end() :] if leading else line
    return fold(bare.rstrip(_TRAILING + "*_" if leading else _TRAILING)) or fold(line)


MAX_KEPT_CHARS = 2000
# The lines of a document are read twice, for phrases and to be counted over documents; more than half are known then.
_recent_key = functools.lru_cache(maxsize=1024)(_key)


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


def _openings(pattern: str) -> set[str]:
    r"""What a match starts with, by two characters, 0 standing for any digit; by fewer where the next is not plain.

    >>> sorted(_openings(r"(?:re)?tweets?|\d+ likes")), _openings(".* views")
    (['0', 're', 'tw'], {''})
    """
    found = {opening for part in _alternatives(pattern) for opening in _openings_of(part)}
    return {_DIGIT.sub("0", opening) for opening in found}


def _openings_of(part: str) -> set[str]:
    """The same of a pattern without bars outside of groups; what follows a group is not looked at."""
    found: set[str] = set()
    growing = {""}
    while part and growing:
        element = _ELEMENT.match(part)
        if part.startswith("(?:"):
            end = _end_of_group(part) + 1
            steps = _openings(part[3 : end - 1])
        elif element is not None:
            end = element.end()
            steps = set(element["set"] or (element["literal"] or "0")[-1])
        else:
            break
        quantifier = _QUANTIFIER.match(part, end)
        longer = {(opening + step)[:2] for opening in growing for step in steps}
        once = element is not None and (quantifier is None or quantifier["optional"] == "?")
        plain = {opening for opening in longer if len(opening) < 2} if once else set()
        found |= longer - plain
        growing = plain | (growing if quantifier is not None and quantifier["optional"] else set())
        part = part[quantifier.end() if quantifier is not None else end :]
    return found | growing


def _end_of_group(pattern: str) -> int:
    depth = 0
    for token in _TOKEN.finditer(pattern):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if not depth:
            return token.start()
    raise ValueError(f"no end of the group in {pattern!r}")


# Of 190,000 characters of patterns every eighth matters here, and the expression finds those.
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()|]", re.DOTALL)
_ELEMENT = re.compile(r"(?P<literal>\\[^a-zA-Z0-9]|[^\\.\[\](){}^$*+?|])|\\d|\[(?P<set>[^\\^\]-][^\\\]-]*)\]")
_QUANTIFIER = re.compile(r"(?:(?P<optional>[?*]|\{(?=[0,]))|[+{])(?:(?<=\{)[^}]*\})?[?+]?")
_DIGIT = re.compile(r"\d")


def _is_label(rule: Rule) -> bool:
    return rule.kind in SIGN_KINDS or rule.match == "section"


class _Gate:
    """The rules of one kind of match behind two expressions, so that a line that none matches costs two tries.

    One holds the patterns that can open as the line does, the other those that may open with anything; of a long line
    only the rules that look at long lines are tried, of a sentence those that are no labels. For whole lines that takes
    a fifth of the time of all patterns in one.
    """

    def __init__(self, match: Callable[[re.Pattern[str], str], re.Match[str] | None], *kinds: Match) -> None:
        self.rules = tuple(rule for kind in kinds for rule in RULES if rule.match == kind)
        self._match = match
        self._longest = max(rule.max_chars for rule in self.rules)
        self._short = MAX_CHARS[kinds[0]]
        self._patterns: dict[tuple[str, bool, bool], list[str]] = {}
        self._rules: dict[str, dict[Rule, None]] = {}
        for rule in self.rules:
            for part in (part for pattern in rule.patterns for part in _alternatives(pattern)):
                for opening, long, sentence in itertools.product(
                    _openings(part), {False, rule.max_chars > self._short}, {False, not _is_label(rule)}
                ):
                    self._rules.setdefault(opening, {})[rule] = None
                    self._patterns.setdefault((opening, long, sentence), []).append(part)
        self._tries = functools.cache(self._compiled_tries)
        self._opened = functools.cache(self._rules_opened)

    def matching(self, key: str, sentence: bool) -> list[Rule]:
        """The rules that match the folded line, in the order of all; labels may be missing for a sentence."""
        size = len(key)
        if size > self._longest:
            return []
        start = _DIGIT.sub("0", key[:2])
        opening = start if start in self._rules else start[0] if start[0] in self._rules else ""
        for pattern in self._tries(opening, size > self._short, sentence):
            if self._match(pattern, key):
                return [rule for rule in self._opened(opening) if self._match(_compiled(rule), key)]
        return []

    def _compiled_tries(self, opening: str, long: bool, sentence: bool) -> tuple[re.Pattern[str], ...]:
        parts = [part for start in _starts(opening) for part in self._patterns.get((start, long, sentence), ())]
        tries = (re.compile("|".join(parts)),) if parts else ()
        return (*tries, *self._tries("", long, sentence)) if opening else tries

    def _rules_opened(self, opening: str) -> tuple[Rule, ...]:
        some = {rule for start in ("", *_starts(opening)) for rule in self._rules.get(start, ())}
        return tuple(rule for rule in self.rules if rule in some)


def _starts(opening: str) -> tuple[str, ...]:
    return (opening, opening[0]) if len(opening) > 1 else (opening,)


_WHOLE = _Gate(re.Pattern.fullmatch, "section", "line")
_START = _Gate(re.Pattern.match, "start")
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

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._by_stem: dict[str, list[tuple[str, Rule]]] = {}
        for rule in rules:
            for need in rule.needs:
                self._by_stem.setdefault(_stem(need), []).append((need, rule))
        self._signs = self._by_stem.pop("", [])
        self._ascii_signs = [pair for pair in self._signs if pair[0].isascii()]
        foreign = {sign[0] for sign, _ in self._signs if not sign.isascii()}
        self._foreign = re.compile("|".join(sorted(foreign)))

    def matching(self, key: str) -> list[Rule]:
        """The rules that match the folded line."""
        signs, stems = self._ascii_signs, self._by_stem.keys() & _STEM.findall(key)
        if not key.isascii():
            signs = self._signs if self._foreign.search(key) else signs
            stems = set(self._by_stem) if DENSE.search(key) else stems
        found = [rule for sign, rule in signs if sign in key]
        found += [rule for stem in sorted(stems) for need, rule in self._by_stem[stem] if need in key]
        return [rule for rule in found if _compiled(rule).search(key)]


_CONTAINED = [rule for rule in RULES if rule.match == "contains"]
_LONGEST_CONTAINED = max(rule.max_chars for rule in _CONTAINED)
# By the longest line that each is for: a fourth of the needs is looked for in the longest lines.
_INDEXES = tuple(
    (longest, _Index([rule for rule in _CONTAINED if rule.max_chars > shorter]))
    for shorter, longest in itertools.pairwise((0, 120, 420, _LONGEST_CONTAINED))
)


def _containing(key: str) -> list[Rule]:
    index = next((index for longest, index in _INDEXES if len(key) <= longest), None)
    return index.matching(key) if index else []


def matching_rules(key: str, *, sentence: bool = False) -> tuple[Rule, ...]:
    """The rules that a folded line matches, wherever it stands in its text; openers first, then whole lines.

    `sentence` says that the line is one, with its full stop: no opener, link or button then.
    """
    if not key:
        return ()  # a line of nothing but zero-width characters
    found = [*_WHOLE.matching(key, sentence), *_START.matching(key, sentence), *_containing(key)]
    if not found:
        return ()
    size = len(key)
    fitting = (rule for rule in found if size <= rule.max_chars and not (sentence and _is_label(rule)))
    return tuple(dict.fromkeys(fitting))
