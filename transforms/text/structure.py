"""Lines of a text that are boilerplate by where they stand, given those that a phrase marks.

Each function takes the lines and the marked ones, and gives the indices it would cut with the id of the evidence. The
shares were measured on 448 pages with lines labelled from their gold texts: the precision of each is at its function.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Mapping, Sequence

from transforms.text.phrases import DENSE, Position, Rule, line_key, matching_rules

MIN_SENTENCE_WORDS = 5  # words from which a line with a full stop is a sentence, no link or button
MIN_PROSE_CHARS = 80  # shortest line that counts as prose
MIN_PROSE_CHARS_DENSE = 30  # the same in scripts that write a word in one or two characters
MIN_TITLE_CHARS = 12  # shortest title that counts when it is said again
MAX_ITEMS_BEFORE_PROSE = 8  # headlines that an opener takes when prose goes on below them; more are a list to keep
MAX_ITEMS_AT_THE_END = 40  # the same when no prose follows
MIN_CAPTION_CHARS = 60  # shortest line that can be told as a caption by its first characters
MAX_CAPTION_CHARS = 400  # longest line that can be one; a whole page may be one line, above its copyright
MAX_ALTERNATIVE_CHARS = 120  # longest line in lower case that may describe a picture
MIN_PROSE_AROUND = 5  # lines of prose without which a text may be written in lower case
MAX_NUMBERS = 2  # lone numbers beside buttons that are counters; more number the posts of a thread
MAX_AUTHORS = 4  # told about at the end of a text; a page about more people is about them
MAX_LINES_TO_NAME = 3  # from the lines about an author up to the name
MAX_NAME_CHARS = 40  # longest line that may be an author's name

BARE_DATE = "timestamp.bare"
NOTE_KINDS = frozenset({"byline", "timestamp", "author_box"})
MIN_NOTES = 2  # lines that say who or when, from which they are a template's
MAX_DATED_CHARS = 90  # longest line with a name and a date
MAX_DATES = 2  # published and updated; more dates above the text are a list of events
MAX_NOTE_LINES = 12  # from the top, where notes are looked for
MIN_HEADLINE_SPACES = 3  # in the line above a bare name that counts as its headline

MIN_POSTS = 3  # dated headlines at the end that make a list of posts
MAX_SHARE_DATED = 0.3  # of a text's characters in such a list; an archive or a thread is dated all through
MAX_DATE_CHARS = 40  # longest line that is a date alone, with its weekday and hour
MAX_LINES_A_POST = 5  # lines from the date of one to the date of the next
MIN_PROSE_ABOVE = 3  # lines of prose above a closer without which the page may be what stands below
MAX_SHARE_BELOW: Mapping[str, float] = {
    "comments": 0.3,
    "related": 0.2,
    "paywall": 0.2,
    "newsletter": 0.1,
    "copyright": 0.1,
    **dict.fromkeys(("share", "tags", "navigation", "timestamp"), 0.05),
    "author_box": 0.03,
}
MAX_SHARE_CLOSED = max(MAX_SHARE_BELOW.values())
"""Kinds of lines that close a text, and the largest share of its characters that goes as what stands below them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank, and what can be told of it without its neighbours."""

    number: int
    text: str
    key: str
    rules: tuple[Rule, ...]  # that match, wherever the line stands
    prose: bool
    sentence: bool


_SENTENCE_END = re.compile(r"[.!?。！？؟।…;][\"'”’»)\]）」』]*(?:\s?\[\d+\])?$")
_FULL_STOP = re.compile(r"(?<![\d.])[.。]$")  # the dot of a date or an ellipsis is none


def read_line(number: int, text: str) -> Line:
    """The line with its folded form, its rules, and whether it is prose."""
    key = line_key(text)
    end = text.rstrip()[-12:]
    full_stop = bool(_FULL_STOP.search(end)) and key.count(" ") + 1 >= MIN_SENTENCE_WORDS
    ends = bool(_SENTENCE_END.search(end))
    enough = MIN_PROSE_CHARS_DENSE if len(DENSE.findall(key[:40])) > 12 else MIN_PROSE_CHARS
    return Line(number, text, key, matching_rules(key, sentence=full_stop), ends and len(key) >= enough, ends)


def prose_span(lines: Sequence[Line]) -> tuple[int, int]:
    """Indices of the first and the last line of prose; without prose every line is at both edges.

    A sentence that a rule would cut at this edge does not count: a long notice under the text is not the text.
    """
    first = next((at for at, line in enumerate(lines) if _is_prose(line, "head")), len(lines))
    last = next((at for at in range(len(lines) - 1, -1, -1) if _is_prose(lines[at], "tail")), -1)
    return first, last


def _is_prose(line: Line, edge: Position) -> bool:
    return line.prose and not any(rule.position in ("any", "edge", edge) for rule in line.rules)


def in_sections(lines: Sequence[Line], phrases: Mapping[int, Rule]) -> dict[int, str]:
    """The lines that stand under an opener: what looks like a headline, until a sentence or another phrase."""
    _, last_prose = prose_span(lines)
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


def _is_headline(line: Line, *, tail: bool) -> bool:
    """Whether a line without the end of a sentence may be a link to another page; stricter where prose goes on."""
    return len(line.key) <= 200 and (tail or len(line.key) >= 24)


_NUMBER = re.compile(r"[(\[]?\d{1,4}[)\]]?")


def counters(lines: Sequence[Line], phrases: Mapping[int, Rule]) -> dict[int, str]:
    """Lone numbers beside a line about comments or sharing: the counters of their buttons."""
    cut = {}
    for at, line in enumerate(lines):
        if len(line.key) <= 6 and at not in phrases and _NUMBER.fullmatch(line.key):
            beside = (phrases.get(at - 1), phrases.get(at + 1))
            if any(rule is not None and rule.kind in ("comments", "share") for rule in beside):
                cut[at] = "controls.counter"
    return cut if len(cut) <= MAX_NUMBERS else {}


def share_bars(lines: Sequence[Line], phrases: Mapping[int, Rule]) -> dict[int, str]:
    """The buttons, one a line, below a line about sharing or following, wherever it stands."""
    cut = {}
    for at, rule in phrases.items():
        if rule.kind in ("share", "follow"):
            for below in range(at + 1, len(lines)):
                button = next((each for each in lines[below].rules if each.position in ("bar", "edge")), None)
                if button is None or button.kind != "share":
                    break
                cut[below] = button.id
    return cut


_LABEL = re.compile(r"[^:]{2,30}: ")


def _names(key: str) -> set[str]:
    """A title as it may stand elsewhere: with and without a label in front; too short to be one left out."""
    return {name for name in (key, _LABEL.sub("", key, count=1)) if len(name) >= MIN_TITLE_CHARS}


def headline(lines: Sequence[Line], title: str | None) -> int | None:
    """The index of the first line above the text that is the title: a headline may read as a menu does, "Our Story"."""
    known = line_key(title) if title else None
    head = itertools.takewhile(lambda at: not lines[at].prose, range(len(lines)))
    return next((at for at in head if lines[at].key == known), None)


def repeated_title(lines: Sequence[Line], title: str | None) -> dict[int, str]:
    """The last lines, when they say the title again, also after a label such as "Fact Sheet:"."""
    known = (_names(lines[0].key) if lines else set()) | (_names(line_key(title)) if title else set())
    cut = {}
    for at in range(len(lines) - 1, 1, -1):
        if lines[at].prose or not known & _names(lines[at].key):
            break
        cut[at] = "title.repeated"
    return cut


def below_closer(lines: Sequence[Line], phrases: Mapping[int, Rule]) -> dict[int, str]:
    """All lines below the first one that closes the text, when they are a small share of it (precision .97)."""
    total = sum(len(line.key) for line in lines)
    below, prose, authors = total, 0, _authors(lines)
    for at, line in enumerate(lines):
        below -= len(line.key)
        if prose < MIN_PROSE_ABOVE or below > total * MAX_SHARE_CLOSED:
            prose += line.prose and at not in phrases
            continue
        kind = _closes(phrases[at]) if at in phrases else "author_box" if line.key in authors else None
        if kind and below <= total * MAX_SHARE_BELOW[kind]:
            return dict.fromkeys(range(at + (at in phrases), len(lines)), f"{kind}.below")
    return {}


def _closes(rule: Rule) -> str | None:
    """The kind of a rule whose line closes the text; a link to one related page stands between paragraphs as well."""
    return rule.kind if rule.kind in MAX_SHARE_BELOW and (rule.kind != "related" or rule.match == "section") else None


def _is_name(text: str) -> bool:
    return len(text) <= MAX_NAME_CHARS and bool(_NAME.fullmatch(text)) and all(w[0].isupper() for w in text.split())


def _authors(lines: Sequence[Line]) -> set[str]:
    """The names that stand alone above the text, with or without a word such as "by" in front, folded."""
    head = itertools.takewhile(lambda line: not line.prose, lines)
    texts = [text for line in head for text in (line.text.strip(), line.text.strip().partition(" ")[2])]
    return {line_key(text) for text in texts if _is_name(text)}


def captions(lines: Sequence[Line], phrases: Mapping[int, Rule]) -> dict[int, str]:
    """Captions, by the credit of the picture: said again in the credit's line, or standing right above it (1.00)."""
    credited = [at for at, rule in phrases.items() if rule.kind in ("credit", "copyright")]
    said = {lines[at].key[:MIN_CAPTION_CHARS] for at in credited}
    for at in credited:
        above = lines[at - 1] if at else None
        if (
            above
            and at - 1 not in phrases
            and not above.sentence
            and MIN_PROSE_CHARS <= len(above.key) <= MAX_CAPTION_CHARS
        ):
            said.add(above.key[:MIN_CAPTION_CHARS])
    return {
        at: "credit.caption"
        for at, line in enumerate(lines)
        if MIN_CAPTION_CHARS <= len(line.key) <= MAX_CAPTION_CHARS and line.key[:MIN_CAPTION_CHARS] in said
    }


_LOWER_CASE = re.compile(r"[^\W\d_A-Z][^\W\d_A-Z'’-]*(?: [\w'’,&-]+){2,}")


def alternative_texts(lines: Sequence[Line], phrases: Mapping[int, Rule]) -> dict[int, str]:
    """Lines in lower case between a paragraph and a line in upper case: a picture's alternative text (.86).

    Without a full stop: with one it is as often the rest of a sentence that was broken in two.
    """
    if sum(line.prose for line in lines) < MIN_PROSE_AROUND:
        return {}
    return {
        at: "caption.lower_case"
        for at in range(1, len(lines))
        if at not in phrases
        and lines[at - 1].prose
        and lines[at].text.lstrip()[:1].islower()
        and len(lines[at].key) <= MAX_ALTERNATIVE_CHARS
        and _LOWER_CASE.fullmatch(lines[at].text.strip())
        and all(other.text.lstrip()[:1].isupper() for other in (lines[at - 1], *lines[at + 1 : at + 2]))
    }


_YEAR = r"(?:19|20)\d\d"
_DAY = (
    rf"(?:[^\W\d_]{{3,12}}\.? \d{{1,2}}(?:st|nd|rd|th)?,? {_YEAR}|\d{{1,2}}\.? (?:de )?[^\W\d_]{{3,12}}\.?"
    rf" (?:de )?{_YEAR}|\d{{1,2}}[./-] ?\d{{1,2}}[./-] ?(?:\d\d|{_YEAR})"
    rf"|{_YEAR}[-./年] ?\d{{1,2}}[-./月] ?\d{{1,2}}日?)"
)
_CLOCK = r"[,.]?(?: ?[|·-])?(?: [^\W\d_]{1,4}\.?)? \d{1,2}[:.h]\d\d(?: ?[^\W\d_]{1,4}\.?)?"
_A_DAY = re.compile(_DAY)
_BARE_DATE = re.compile(rf"(?:[^\W\d_]{{2,12}}\.?,? )?{_DAY}(?:{_CLOCK})?")


def dated_list(lines: Sequence[Line]) -> dict[int, str]:
    """The posts listed at the end, each with its date on a line of its own."""
    dates = [at for at, line in enumerate(lines) if len(line.key) <= MAX_DATE_CHARS and _BARE_DATE.fullmatch(line.key)]
    if not dates or len(lines) - dates[-1] > MAX_LINES_A_POST:
        return {}
    first = len(dates) - 1
    while first > 0 and dates[first] - dates[first - 1] <= MAX_LINES_A_POST:
        first -= 1
    if len(dates) - first < MIN_POSTS:
        return {}
    start = dates[first] - (dates[-1] == len(lines) - 1)  # the date stands under the headline, or above it
    above = sum(line.prose for line in lines[:start])
    below, total = (sum(len(line.key) for line in part) for part in (lines[start:], lines))
    listed = above >= MIN_PROSE_ABOVE and below <= total * MAX_SHARE_DATED
    return dict.fromkeys(range(start, len(lines)), "related.dated") if listed else {}


_NAME = re.compile(r"(?:[^\W\d_][\w.’'-]*)(?: (?:[^\W\d_][\w.’'-]*)){1,3}")


def notes(lines: Sequence[Line], phrases: Mapping[int, Rule]) -> dict[int, str]:
    """The lines above the text that say who wrote it and when, where they are two or more, with bare names (.95).

    One alone stays: a headline with "by NAME" under it is how a document begins, a stack of notes is a template's. A
    date alone between headline and text goes, and so does "by NAME" with a date in the same line.
    """
    zone = _above_text(lines)
    found = {at: note for at in zone if at not in phrases and (note := _note(lines[at]))}
    said = found.keys() | {at for at in zone if at in phrases and phrases[at].kind in NOTE_KINDS}
    titles = (at for at in zone if at not in said and not lines[at].prose)
    headline = next((at for at in titles if lines[at].key.count(" ") >= MIN_HEADLINE_SPACES), len(lines))
    stack = len(said) + sum(_says_both(lines[at], found[at], under_headline=at == headline + 1) for at in found)
    dates = sum(note == BARE_DATE for note in found.values())
    if stack < MIN_NOTES or dates > MAX_DATES:
        return {}
    beside = (at for at in zone if at > headline and at not in said and said & {at - 1, at + 1})
    return found | {at: "byline.name" for at in beside if _names_person(lines[at].text.strip())}


def _above_text(lines: Sequence[Line]) -> range:
    """The first lines, up to the second one of prose: the first may be the standfirst."""
    prose = [at for at, line in enumerate(lines[: MAX_NOTE_LINES + 1]) if line.prose]
    return range(prose[:2][-1] if prose else 0)


def _note(line: Line) -> str | None:
    """The id of what makes a line a note on who or when; None when it is something else."""
    if len(line.key) <= MAX_DATE_CHARS and _BARE_DATE.fullmatch(line.key):
        return BARE_DATE
    if line.sentence and line.text.strip()[1:].islower():
        return None  # no name in it: "De leestijd is voorbij." begins like a Romanian byline, and is Dutch
    return next((rule.id for rule in line.rules if rule.position == "note"), None)


def _says_both(line: Line, note: str, *, under_headline: bool) -> bool:
    return under_headline if note == BARE_DATE else bool(_A_DAY.search(line.key))


def _names_person(text: str) -> bool:
    """Whether a line is a name, alone or with a date behind it."""
    day = _A_DAY.search(text) if len(text) <= MAX_DATED_CHARS else None
    name = text[: day.start()].rstrip(" ,|·•–—-") if day else text
    return _is_name(name) and not name.isupper()


def author_box(lines: Sequence[Line]) -> dict[int, str]:
    """The last lines of prose, when they tell about a name that stands alone above them, with that name (.85)."""
    cut: dict[int, str] = {}
    last, boxes = len(lines) - 1, 0
    while True:
        while last >= 0 and not _is_prose(lines[last], "tail"):
            last -= 1
        above = range(last - 1, max(0, last - MAX_LINES_TO_NAME - 1), -1)
        name = next((at for at in above if _tells_about(lines[last], lines[at])), None)
        if name is None:
            break
        cut |= dict.fromkeys(range(name, last + 1), "author_box.named")
        last, boxes = name - 1, boxes + 1
    told = sum(line.prose for line in lines[: last + 1]) >= MIN_PROSE_ABOVE
    return cut if told and boxes <= MAX_AUTHORS else {}


def _tells_about(line: Line, name: Line) -> bool:
    return line.key.startswith(name.key + " ") and _is_name(name.text.strip())


EVIDENCE: tuple[Callable[[Sequence[Line], Mapping[int, Rule]], dict[int, str]], ...] = (
    below_closer,
    notes,
    captions,
    alternative_texts,
    counters,
    share_bars,
    in_sections,
)
"""In the order of precedence of their ids, weakest first; each needs the phrases found."""
