"""Which lines of a text are boilerplate that an extractor left behind, and by which rule.

The evidence is phrases and structure. Phrases are data: `rules/<language>.toml`, each rule with examples of both sides.
Structure is here: an opener takes the headlines under it, some phrases count only before the first or after the last
line of prose, a title may stand again at the end. The rules of all languages are always active: pages mix languages.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import re
import tomllib
import unicodedata
from collections.abc import Sequence
from typing import Any, Literal

from schemas.records import RemovedText

Match = Literal["line", "start", "contains", "section"]
Position = Literal["any", "edge", "head", "tail", "last"]

MAX_CHARS: dict[Match, int] = {"line": 100, "section": 100, "start": 240, "contains": 600}
"""Longest line, in code points after folding, that a rule looks at unless it says otherwise."""

SIGN_KINDS = frozenset({"related", "read_more", "share", "navigation", "credit"})
MIN_SENTENCE_WORDS = 5
"""Kinds whose lines are links, buttons and labels, and the words from which a line with a full stop is none of them."""

MIN_PROSE_CHARS = 80  # shortest line that counts as prose
MIN_PROSE_CHARS_DENSE = 30  # the same in scripts that write a word in one or two characters
MIN_TITLE_CHARS = 12  # shortest title that counts when it is said again
MAX_ITEMS_BEFORE_PROSE = 8  # headlines that an opener takes when prose goes on below them; more are a list to keep
MAX_ITEMS_AT_THE_END = 40  # the same when no prose follows


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One reason to cut a line, as a rule file states it; compared by identity, as there is one of each."""

    id: str
    language: str  # BCP 47; `zxx` for a rule that reads no language
    kind: str
    patterns: tuple[str, ...]  # regular expressions in lower case; which one matches makes no difference
    origin: str  # where the phrasing comes from
    cut: tuple[str, ...]  # lines the rule cuts
    keep: tuple[str, ...]  # look-alikes that must stay
    match: Match = "line"  # the whole line, its start, anywhere in it, or a whole line that opens a section
    position: Position = "any"  # head and tail are before the first and after the last line of prose; edge is either
    max_chars: int = 0
    needs: tuple[str, ...] = ()  # literals, one of which stands in every line that matches; they make `contains` cheap


@dataclasses.dataclass(frozen=True, slots=True)
class LineDecision:
    """One line of a text, and the rule that cuts it."""

    number: int  # line of the text, from 1
    text: str  # the line, as it stood
    rule: str | None  # id of the rule; None when the line is kept


@dataclasses.dataclass(frozen=True, slots=True)
class Stripped:
    """A text without its boilerplate, and what was taken out."""

    text: str
    removed: tuple[RemovedText, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str
    key: str
    rules: tuple[Rule, ...]  # that match, wherever the line stands
    prose: bool
    sentence: bool


_TYPOGRAPHY = {
    **dict.fromkeys("\u2018\u2019\u02bc\u0060\u00b4", "'"),
    **dict.fromkeys("\u201c\u201d\u201e", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
    **dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\ufeff\u00ad", ""),
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
        keep=tuple(entry.pop("keep")),
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


class _Gate:
    """The rules of one kind of match behind one expression, so that a line that none matches costs one try.

    A line in ASCII skips the patterns in other scripts, a long one the rules for short lines: each halves the cost.
    """

    def __init__(self, *matches: Match) -> None:
        self.rules = tuple(rule for match in matches for rule in RULES if rule.match == match)
        self.longest = max(rule.max_chars for rule in self.rules)
        self._short = MAX_CHARS[matches[0]]
        self._patterns = {
            (long, ascii_only): self._any(long, ascii_only) for long in (False, True) for ascii_only in (False, True)
        }

    def _any(self, long: bool, ascii_only: bool) -> re.Pattern[str]:
        patterns = [p for rule in self.rules if rule.max_chars > self._short or not long for p in rule.patterns]
        return re.compile("|".join(p for p in patterns if not ascii_only or p.isascii() or _LATIN.search(p)))

    def pattern(self, key: str) -> re.Pattern[str]:
        """The expression to try on this line."""
        return self._patterns[len(key) > self._short, key.isascii()]


_LATIN = re.compile(r"(?<!\\)[a-z]|\[")
_WHOLE, _START = _Gate("section", "line"), _Gate("start")
_DENSE = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_STEM = re.compile(r"\b\w{4}")


class _Index:
    """The `contains` rules by what they need: 300 literals are too many to look for in every line of prose.

    A need that starts with four letters of a cased script is found by the first letters of the line's words; the rest,
    signs and scripts without spaces, is looked for one by one.
    """

    def __init__(self) -> None:
        self.longest = max(rule.max_chars for rule in RULES if rule.match == "contains")
        self._by_stem: dict[str, list[tuple[str, Rule]]] = {"": []}
        for rule in RULES:
            for need in rule.needs:
                stem = need[:4] if _STEM.match(need) and need[:4].upper() != need[:4] else ""
                self._by_stem.setdefault(stem, []).append((need, rule))
        signs = dict.fromkeys(need for need, _ in self._by_stem[""])
        self._signs = {True: [sign for sign in signs if sign.isascii()], False: list(signs)}  # by: line in ASCII

    def candidates(self, key: str) -> list[Rule]:
        """The rules with a need that stands in the line."""
        stems: set[str] = set(self._by_stem) if _DENSE.search(key) else self._by_stem.keys() & _STEM.findall(key)
        if any(sign in key for sign in self._signs[key.isascii()]):
            stems.add("")
        return [rule for stem in sorted(stems) for need, rule in self._by_stem[stem] if need in key]


_CONTAINS = _Index()


def matching_rules(key: str, *, sentence: bool = False) -> tuple[Rule, ...]:
    """The rules that a folded line matches, wherever it stands in its text; openers first, then whole lines.

    `sentence` says that the line is one, with its full stop: no opener, link or button then.
    """
    size = len(key)
    found: list[Rule] = []
    if size <= _WHOLE.longest and _WHOLE.pattern(key).fullmatch(key):
        found += [rule for rule in _WHOLE.rules if _compiled(rule).fullmatch(key)]
    if size <= _START.longest and _START.pattern(key).match(key):
        found += [rule for rule in _START.rules if _compiled(rule).match(key)]
    if size <= _CONTAINS.longest:
        found += [rule for rule in _CONTAINS.candidates(key) if _compiled(rule).search(key)]
    fitting = (rule for rule in found if size <= rule.max_chars and not (sentence and rule.kind in SIGN_KINDS))
    return tuple(dict.fromkeys(fitting))


_SENTENCE_END = re.compile(r"[.!?。！？؟।…;][\"'”’»)\]）」』]*(?:\s?\[\d+\])?$")
_FULL_STOP = re.compile(r"(?<![\d.])[.。]$")  # the dot of a date or an ellipsis is none


def _line(number: int, text: str) -> _Line:
    key = line_key(text)
    end = text.rstrip()[-12:]
    full_stop = bool(_FULL_STOP.search(end)) and key.count(" ") + 1 >= MIN_SENTENCE_WORDS
    ends = bool(_SENTENCE_END.search(end))
    enough = MIN_PROSE_CHARS_DENSE if len(_DENSE.findall(key[:40])) > 12 else MIN_PROSE_CHARS
    return _Line(number, text, key, matching_rules(key, sentence=full_stop), ends and len(key) >= enough, ends)


def _admits(position: Position, at: int, first_prose: int, last_prose: int, last: int) -> bool:
    """Whether a line at this index stands where the rule counts."""
    match position:
        case "any":
            return True
        case "head":
            return at < first_prose
        case "tail":
            return at > last_prose
        case "last":
            return at == last and at > last_prose
        case "edge":
            return not first_prose <= at <= last_prose


def _prose_span(lines: Sequence[_Line]) -> tuple[int, int]:
    """Indices of the first and the last line of prose; without prose every line is at both edges.

    A sentence that a rule would cut at this edge does not count: a long notice under the text is not the text.
    """
    first = next((at for at, line in enumerate(lines) if _is_prose(line, "head")), len(lines))
    last = next((at for at in range(len(lines) - 1, -1, -1) if _is_prose(lines[at], "tail")), -1)
    return first, last


def _is_prose(line: _Line, edge: Position) -> bool:
    return line.prose and not any(rule.position in ("any", "edge", edge) for rule in line.rules)


def _cut_by_phrase(lines: Sequence[_Line]) -> dict[int, Rule]:
    first_prose, last_prose = _prose_span(lines)
    cut = {}
    for at, line in enumerate(lines):
        for rule in line.rules:
            if rule.match == "section" and rule.position != "any" and last_prose < 0:
                continue  # a list has no end where an opener could stand
            if _admits(rule.position, at, first_prose, last_prose, len(lines) - 1):
                cut[at] = rule
                break
    return cut


def _cut_in_sections(lines: Sequence[_Line], phrases: dict[int, Rule]) -> dict[int, str]:
    """The lines that stand under an opener: what looks like a headline, until a sentence or another phrase."""
    _, last_prose = _prose_span(lines)
    cut = {}
    for at, rule in phrases.items():
        if rule.match != "section":
            continue
        items = []
        for below in range(at + 1, len(lines)):
            if lines[below].sentence or below in phrases or not _is_headline(lines[below], tail=at > last_prose):
                break
            items.append(below)
        if len(items) <= (MAX_ITEMS_AT_THE_END if at > last_prose else MAX_ITEMS_BEFORE_PROSE):
            cut.update(dict.fromkeys(items, rule.id))
    return cut


def _is_headline(line: _Line, *, tail: bool) -> bool:
    """Whether a line without the end of a sentence may be a link to another page; stricter where prose goes on."""
    return len(line.key) <= 200 and (tail or len(line.key) >= 24)


_NUMBER = re.compile(r"[(\[]?\d{1,4}[)\]]?")


def _cut_counts(lines: Sequence[_Line], phrases: dict[int, Rule]) -> dict[int, str]:
    """Lone numbers beside a line about comments or sharing: the counters of their buttons."""
    cut = {}
    for at, line in enumerate(lines):
        if _NUMBER.fullmatch(line.key) and at not in phrases:
            beside = (phrases.get(at - 1), phrases.get(at + 1))
            if any(rule is not None and rule.kind in ("comments", "share") for rule in beside):
                cut[at] = "controls.counter"
    return cut


_LABEL = re.compile(r"[^:]{2,30}: ")


def _names(key: str) -> set[str]:
    """A title as it may stand elsewhere: with and without a label in front; too short to be one left out."""
    return {name for name in (key, _LABEL.sub("", key, count=1)) if len(name) >= MIN_TITLE_CHARS}


def _cut_repeated_title(lines: Sequence[_Line], title: str | None) -> dict[int, str]:
    """The last line, when it says the title again, also after a label such as "Fact Sheet:"."""
    if len(lines) < 3 or lines[-1].prose:
        return {}
    known = _names(lines[0].key) | (_names(line_key(title)) if title else set())
    return {len(lines) - 1: "title.repeated"} if known & _names(lines[-1].key) else {}


def judge_lines(text: str, *, title: str | None = None) -> tuple[LineDecision, ...]:
    r"""The decision on every line of a text, in order; blank lines are kept.

    The text is NFC with LF line ends, a line being a paragraph or block. `title` is the title when it is known from
    elsewhere; the first line is tried as well. Repeats until nothing more is cut, so stripping twice is stripping once.

    >>> [d.rule for d in judge_lines("We met in Graz.\n\nLeave a comment")]
    [None, None, 'comments.en.form']
    """
    source = text.split("\n")
    lines = [_line(number, line) for number, line in enumerate(source, 1) if line.strip()]
    cut: dict[int, str] = {}
    while lines:
        phrases = _cut_by_phrase(lines)
        named = {at: rule.id for at, rule in phrases.items()}
        found = (
            _cut_repeated_title(lines, title) | _cut_counts(lines, phrases) | _cut_in_sections(lines, phrases) | named
        )
        if not found:
            break
        cut |= {lines[at].number: rule for at, rule in found.items()}
        lines = [line for at, line in enumerate(lines) if at not in found]
    return tuple(LineDecision(number, line, cut.get(number)) for number, line in enumerate(source, 1))


def strip_boilerplate(text: str, *, title: str | None = None) -> Stripped:
    """The text without the lines that `judge_lines` cuts, and those lines.

    Runs of blank lines become one, none at the start or end; the text is empty when it was boilerplate alone.
    """
    decisions = judge_lines(text, title=title)
    kept: list[str] = []
    for decision in decisions:
        blank = not decision.text.strip()
        if decision.rule is None and not (blank and (not kept or not kept[-1])):
            kept.append("" if blank else decision.text)
    removed = tuple(RemovedText(d.rule, d.number, d.text) for d in decisions if d.rule is not None)
    return Stripped("\n".join(kept).rstrip("\n"), removed)
