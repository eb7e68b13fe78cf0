"""Every rule of transforms/text/rules cuts its examples and leaves its look-alikes."""

from __future__ import annotations

import collections
import dataclasses
import re

import pytest

from transforms.text.boilerplate import judge_lines
from transforms.text.phrases import RULES, Rule, line_key, load_rules, matching_rules, to_cyrillic

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


CUT = [pytest.param(rule, line, id=f"{rule.id}-{number}") for rule in RULES for number, line in enumerate(rule.cut, 1)]
KEEP = [pytest.param(line, id=f"{rule.id}-{number}") for rule in RULES for number, line in enumerate(rule.keep, 1)]


def placed(rule: Rule, line: str) -> list[str]:
    """The lines of a text in which the rule has to see this line."""
    if rule.position == "head":
        return [line, BEFORE, AFTER]
    if rule.position == "note":
        return [HEADLINE, line, OTHER_NOTE, BEFORE, AFTER]
    if rule.position == "any":
        return [BEFORE, line, AFTER]
    return [BEFORE, AFTER, line]


@pytest.mark.parametrize(("rule", "line"), CUT)
def test_rule_cuts_its_example_and_nothing_beside_it(rule: Rule, line: str) -> None:
    assert rule in matching_rules(line_key(line))
    lines = placed(rule, line)
    decisions = judge_lines("\n\n".join(lines))
    assert [d.text for d in decisions if d.rule and d.text != OTHER_NOTE] == [line]


@pytest.mark.parametrize("line", KEEP)
def test_look_alike_stays_inside_prose(line: str) -> None:
    decisions = judge_lines(f"{BEFORE}\n\n{line}\n\n{AFTER}")
    assert [d.rule for d in decisions if d.text == line] == [None]


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


def test_ids_are_unique_and_all_required_languages_have_rules() -> None:
    counts = collections.Counter(rule.id for rule in RULES)
    assert [name for name, count in counts.items() if count > 1] == []
    assert {rule.language for rule in RULES} >= LANGUAGES_REQUIRED


def test_loading_is_deterministic() -> None:
    assert [dataclasses.astuple(rule) for rule in load_rules()] == [dataclasses.astuple(rule) for rule in RULES]


def test_patterns_exist_in_both_scripts() -> None:
    assert to_cyrillic(r"pročitajte još\b") == r"прочитајте још\b"
    assert to_cyrillic("ljubav|njiva|džep") == "љубав|њива|џеп"
