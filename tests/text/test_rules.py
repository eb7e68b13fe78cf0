"""Every rule of transforms/text/rules cuts its examples and leaves its look-alikes."""

from __future__ import annotations

import collections
import dataclasses
import functools
import re

import pytest

from transforms.text.boilerplate import judge_lines
from transforms.text.phrases import RULES, SIGN_KINDS, Rule, line_key, load_rules, matching_rules, to_cyrillic

LANGUAGES_REQUIRED = {
    *("en", "de", "fr", "es", "it", "pt", "nl", "pl", "cs", "sk", "hu", "ro", "bg", "ru", "uk", "sq", "sr", "hr", "bs"),
    *("sl", "mk", "el", "tr", "ar", "fa", "he", "hi", "zh", "ja", "ko", "vi", "id", "sv", "da", "no", "fi"),
}
KINDS = {
    "advertisement",
    "agency",
    "author_box",
    "byline",
    "caption",
    "comments",
    "controls",
    "cookie",
    "copyright",
    "credit",
    "end_mark",
    "follow",
    "navigation",
    "newsletter",
    "paywall",
    "read_more",
    "related",
    "share",
    "tags",
    "timestamp",
}

BEFORE = "The harbour was closed for nine days after the storm, and the boats lay in the mud until the tide came back."
AFTER = "Nobody in the valley could remember a spring like it, though the records of the mill went back to 1780."
HEADLINE = "Ferry service returns to the northern islands"
OTHER_NOTE = "May 3, 2020"
BAR = "Share this article:"


CUT = [pytest.param(rule, line, id=f"{rule.id}-{number}") for rule in RULES for number, line in enumerate(rule.cut, 1)]
KEEP = [
    pytest.param(rule, line, id=f"{rule.id}-{number}") for rule in RULES for number, line in enumerate(rule.keep, 1)
]
KEEP_WITHIN = [
    pytest.param(line, id=f"{rule.id}-{number}") for rule in RULES for number, line in enumerate(rule.keep_within, 1)
]
IDS = {rule.id for rule in RULES}


PLACES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "any": ((BEFORE,), (AFTER,)),
    "bar": ((BEFORE, BAR), (AFTER,)),
    "head": ((), (BEFORE, AFTER)),
    "note": ((HEADLINE,), (OTHER_NOTE, BEFORE, AFTER)),
    "tail": ((BEFORE, AFTER), ()),
}
"""What stands above and below a line in the places where rules count; edge is head and tail, last is tail."""


def placed(position: str, line: str) -> list[str]:
    """The lines of a text in which a rule of this position has to see this line."""
    above, below = PLACES["tail" if position in ("edge", "last") else position]
    return [*above, line, *below]


def rule_that_cuts(line: str, position: str) -> str | None:
    lines = placed(position, line)
    at = lines.index(line)
    return judge_lines("\n".join(lines))[at].rule


@pytest.mark.parametrize(("rule", "line"), CUT)
def test_rule_cuts_its_example_and_nothing_beside_it(rule: Rule, line: str) -> None:
    assert rule in matching_rules(line_key(line))
    lines = placed(rule.position, line)
    decisions = judge_lines("\n\n".join(lines))
    assert [d.text for d in decisions if d.rule and d.text not in (OTHER_NOTE, BAR)] == [line]


@pytest.mark.parametrize(("rule", "line"), KEEP)
def test_look_alike_stays_where_its_rule_counts(rule: Rule, line: str) -> None:
    assert rule_that_cuts(line, rule.position) is None


@pytest.mark.parametrize("line", sorted({line for rule in RULES for line in rule.keep}))
def test_no_rule_of_any_language_cuts_a_look_alike(line: str) -> None:
    assert {rule_that_cuts(line, position) for position in PLACES} & IDS == set()


@pytest.mark.parametrize("line", KEEP_WITHIN)
def test_word_stays_inside_prose_and_goes_at_an_edge(line: str) -> None:
    assert rule_that_cuts(line, "any") is None
    assert {rule_that_cuts(line, "head"), rule_that_cuts(line, "tail")} & IDS


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.match == "section"], ids=lambda rule: rule.id)
def test_opener_takes_the_headlines_under_it_until_prose_resumes(rule: Rule) -> None:
    at_the_end = [BEFORE, AFTER, rule.cut[0], HEADLINE, HEADLINE + " in May"]
    assert [d.text for d in judge_lines("\n".join(at_the_end)) if d.rule] == at_the_end[2:]
    between = [BEFORE, rule.cut[0], HEADLINE, AFTER]
    expected = between[1:3] if rule.position == "any" else []
    assert [d.text for d in judge_lines("\n".join(between)) if d.rule] == expected


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rule_is_well_formed(rule: Rule) -> None:
    assert all((rule.cut, rule.keep, rule.patterns, rule.origin))
    assert rule.kind in KINDS
    assert rule.id.startswith(f"{rule.kind}.")
    assert rule.language == "zxx" or rule.id.split(".")[1] == rule.language
    assert re.fullmatch(r"[a-z_]+(\.[a-z]{2,3})?\.[a-z_]+", rule.id)
    assert bool(rule.needs) == (rule.match == "contains")
    for pattern in rule.patterns:
        assert not re.compile(pattern).search(""), "a pattern that matches nothing matches everything"


@functools.cache
def compiled(rule: Rule) -> re.Pattern[str]:
    return re.compile("|".join(rule.patterns))


def matches(rule: Rule, key: str) -> bool:
    """Whether a rule matches a folded line, by its own definition."""
    pattern = compiled(rule)
    match = {"start": pattern.match, "contains": pattern.search}.get(rule.match, pattern.fullmatch)
    if len(key) > rule.max_chars or (rule.needs and not any(need in key for need in rule.needs)):
        return False
    return match(key) is not None


LENGTHS = (0, 70, 130, 330, 450, 700)


@pytest.mark.parametrize("sentence", [False, True])
def test_the_quick_ways_to_a_rule_miss_none(sentence: bool) -> None:
    """Of lines short and long, ones that start as a rule's example does and ones that end so."""
    rules = {rule: (rule.kind in SIGN_KINDS or rule.match == "section") for rule in RULES}
    examples = [line_key(line) for rule in RULES[::25] for line in (*rule.cut[:1], *rule.keep[:1])]
    filler = "harbour boats " * 60
    lines = [line for key in examples for n in LENGTHS for line in (key + filler[-n:] * (n > 0), filler[:n] + key)]
    for key in dict.fromkeys(lines):
        expected = {rule for rule, is_label in rules.items() if not (sentence and is_label) and matches(rule, key)}
        assert set(matching_rules(key, sentence=sentence)) == expected, key


def test_ids_are_unique_and_all_required_languages_have_rules() -> None:
    counts = collections.Counter(rule.id for rule in RULES)
    assert [name for name, count in counts.items() if count > 1] == []
    assert {rule.language for rule in RULES} >= LANGUAGES_REQUIRED


def test_loading_is_deterministic() -> None:
    assert [dataclasses.astuple(rule) for rule in load_rules()] == [dataclasses.astuple(rule) for rule in RULES]


def test_patterns_exist_in_both_scripts() -> None:
    assert to_cyrillic(r"pročitajte još\b") == r"прочитајте још\b"
    assert to_cyrillic("ljubav|njiva|džep") == "љубав|њива|џеп"
