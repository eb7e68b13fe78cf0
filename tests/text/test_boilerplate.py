"""What is stripped from whole texts: golden documents, the seeds, and what holds for any text."""

from __future__ import annotations

import json
import pathlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.text.boilerplate import Stripped, judge_lines, strip_boilerplate
from transforms.text.phrases import RULES

HERE = pathlib.Path(__file__).parent
SEEDS = HERE.parent.parent / "seeds"
GOLDEN = json.loads((HERE.parent / "golden" / "boilerplate.json").read_text(encoding="utf-8"))
DOCUMENTS = [pytest.param(document["lines"], id=document["name"]) for document in GOLDEN["documents"]]
LabelledDocuments = dict[str, list[list[tuple[str, bool]]]]
"""Short documents by language; a line is labelled true when it is boilerplate."""


def labelled(name: str) -> LabelledDocuments:
    documents: LabelledDocuments = json.loads((HERE.parent / "golden" / name).read_text(encoding="utf-8"))
    return documents


LABELLED = labelled("boilerplate_languages.json")
FURTHER = labelled("boilerplate_further_languages.json")
PROSE = "The harbour was closed for nine days after the storm, and the boats lay in the mud until the tide came back."


@pytest.mark.parametrize("lines", DOCUMENTS)
@pytest.mark.parametrize("separator", ["\n", "\n\n"])
def test_golden_document(lines: list[tuple[str, str | None]], separator: str) -> None:
    decisions = judge_lines(separator.join(text for text, _ in lines))
    kinds = [(d.text, d.rule and d.rule.split(".")[0]) for d in decisions if d.text]
    assert kinds == [(text, kind) for text, kind in lines]


@pytest.mark.parametrize("lines", DOCUMENTS)
def test_stripping_a_golden_document_twice_is_stripping_it_once(lines: list[tuple[str, str | None]]) -> None:
    once = strip_boilerplate("\n".join(text for text, _ in lines))
    assert strip_boilerplate(once.text).removed == ()


def test_every_required_language_has_three_golden_documents() -> None:
    languages = [document["language"] for document in GOLDEN["documents"]]
    assert {language for language in languages if languages.count(language) >= 3} >= {
        *("en", "de", "fr", "es", "it", "sq", "sr", "hr", "bs")
    }


@pytest.mark.parametrize("language", LABELLED)
def test_precision_and_recall_by_language(language: str) -> None:
    documents = [
        *LABELLED[language],
        *([(t, kind is not None) for t, kind in d["lines"]] for d in GOLDEN["documents"] if d["language"] == language),
    ]
    assert len(documents) >= 20
    labels = [label for document in documents for _, label in document]
    cuts = [d.rule is not None for document in documents for d in judge_lines("\n".join(text for text, _ in document))]
    right = sum(label and cut for label, cut in zip(labels, cuts, strict=True))
    assert right / sum(cuts) >= 0.98, "precision"
    assert right / sum(labels) >= 0.9, "recall"


@pytest.mark.parametrize("language", FURTHER)
def test_precision_and_recall_in_further_languages(language: str) -> None:
    judged = [
        (label, decision.rule is not None)
        for document in FURTHER[language]
        for (_, label), decision in zip(document, judge_lines("\n".join(text for text, _ in document)), strict=True)
    ]
    assert [pair for pair in judged if pair == (False, True)] == []
    assert sum(label and cut for label, cut in judged) >= 0.85 * sum(label for label, _ in judged)


@pytest.mark.parametrize("language", [*LABELLED, *FURTHER])
def test_stripping_labelled_documents_twice_is_stripping_them_once(language: str) -> None:
    for document in (*LABELLED.get(language, []), *FURTHER.get(language, [])):
        once = strip_boilerplate("\n".join(text for text, _ in document))
        assert strip_boilerplate(once.text).removed == ()


@pytest.mark.parametrize("name", GOLDEN["seeds"])
@pytest.mark.parametrize("titled", [False, True])
def test_seed(name: str, titled: bool) -> None:
    expected = GOLDEN["seeds"][name]
    text = unicodedata.normalize("NFC", (SEEDS / name).read_text(encoding="utf-8"))
    stripped = strip_boilerplate(text, title=expected["title"] if titled else None)
    assert [removed.text.strip() for removed in stripped.removed] == expected["cut"]
    assert sum(bool(line.strip()) for line in stripped.text.split("\n")) == expected["kept_lines"]


def test_the_buttons_of_a_share_bar_go_with_it_wherever_it_stands() -> None:
    bar = ["Share this:", "Facebook", "X", "WhatsApp", "Email"]
    assert [cut.text for cut in strip_boilerplate("\n".join([PROSE, *bar, PROSE])).removed] == bar
    networks = ["Facebook", "X", "WhatsApp"]
    assert strip_boilerplate("\n".join([PROSE, "Most used in 2020:", *networks, PROSE])).removed == ()


def test_title_at_the_end_is_cut_when_known_from_elsewhere() -> None:
    text = f"{PROSE}\n{PROSE}\nHarbour reopens after nine days"
    assert strip_boilerplate(text).removed == ()
    removed = strip_boilerplate(text, title="Harbour reopens after nine days").removed
    assert [(r.rule, r.start_line) for r in removed] == [("title.repeated", 3)]


def test_title_said_many_times_at_the_end_goes() -> None:
    title = "Harbour reopens after nine days"
    assert strip_boilerplate(f"{title}\n{PROSE}\n{title}\n{title}\n{title}").text == f"{title}\n{PROSE}"


def test_title_alone_or_at_the_start_is_kept() -> None:
    title = "Harbour reopens after nine days"
    assert strip_boilerplate(title, title=title).text == title
    assert strip_boilerplate(f"{title}\n{PROSE}", title=title).removed == ()


@pytest.mark.parametrize("title", ["Our Story", "Who we are", "Music", "Investor relations", "3 comments"])
@pytest.mark.parametrize("above", [[], ["Home"], ["Home | Privacy", "Share this"]])
def test_the_title_stays_above_the_text_though_it_reads_like_a_menu(title: str, above: list[str]) -> None:
    text = "\n".join([*above, title, PROSE, PROSE])
    assert strip_boilerplate(text, title=title).text == f"{title}\n{PROSE}\n{PROSE}"
    assert strip_boilerplate(text).text == f"{PROSE}\n{PROSE}"


def test_a_title_that_is_a_name_is_no_byline() -> None:
    lines = ["Jane Doe of Northhaven Harbour", "Jane Doe", "Staff writer", "May 3, 2020", PROSE]
    assert [d.rule for d in judge_lines("\n".join(lines))][1] == "byline.name"
    assert [d.rule for d in judge_lines("\n".join(lines), title="Jane Doe")][1] is None


def test_a_sentence_without_a_name_in_it_is_no_note() -> None:
    note = ["Ferry service returns to the islands", "Nga dritarja shihej deti", "May 3, 2020", PROSE]
    assert judge_lines("\n".join(note))[1].rule == "byline.sq.by"
    note[1] += "."
    assert judge_lines("\n".join(note))[1].rule is None


def test_an_opener_is_no_sentence() -> None:
    assert rules_of(PROSE, PROSE, "Über den Autor Jan Fall aus Graz")[-1] == "author_box.de.opener"
    assert rules_of(PROSE, PROSE, "Über den Autor ist wenig bekannt.")[-1] is None


def test_a_number_is_a_counter_only_beside_comments_or_sharing() -> None:
    assert strip_boilerplate(f"{PROSE}\n12\n{PROSE}").removed == ()
    assert [r.text for r in strip_boilerplate(f"{PROSE}\nNo comments\n12\n{PROSE}").removed] == ["No comments", "12"]


def test_an_opener_before_prose_takes_no_long_list() -> None:
    items = [f"Chapter {number} of the book about the northern islands" for number in range(12)]
    text = "\n".join([PROSE, "Related posts", *items, PROSE])
    assert [r.text for r in strip_boilerplate(text).removed] == ["Related posts"]


STORY = [PROSE.replace("nine", number) for number in ("nine", "ten", "eleven", "twelve", "thirteen", "fourteen")]
TEASER = "It all began on a wet Tuesday in the archive of the harbour office, and nobody knew where it would lead them."


def rules_of(*lines: str) -> list[str | None]:
    return [decision.rule for decision in judge_lines("\n".join(lines))]


@pytest.mark.parametrize(("closer", "kind"), [("3 comments", "comments"), ("Related posts", "related")])
def test_what_closes_a_text_takes_all_below_it(closer: str, kind: str) -> None:
    first, *below = rules_of(*STORY, closer, "John", TEASER)[len(STORY) :]
    assert first is not None
    assert [rule and rule.split(".")[0] for rule in (first, *below)] == [kind] * 3


def test_nothing_closes_a_text_that_is_mostly_below() -> None:
    assert rules_of(*STORY[:3], "3 comments", *STORY[3:])[4:] == [None] * 3
    assert rules_of(STORY[0], "3 comments", "John", TEASER)[2:] == [None] * 2


def test_an_author_who_is_told_about_at_the_end_goes_with_the_name() -> None:
    about = "Jane Doe lives in Northhaven, where she keeps bees and writes about the sea, the ferries and the weather."
    assert rules_of(*STORY, "Jane Doe", about)[-2:] == ["author_box.named"] * 2
    assert rules_of(*STORY, "The harbour", about)[-2:] == [None] * 2


def test_a_page_about_people_keeps_them() -> None:
    people = [
        line
        for name in ("Jane Doe", "John Roe", "Mary Major", "Dick Coe", "Ann Noe")
        for line in (name, f"{name} {PROSE}")
    ]
    assert rules_of(*STORY, *people) == [None] * (len(STORY) + len(people))
    assert rules_of(*STORY[:2], *people[:2]) == [None] * 4
    assert rules_of(*STORY, *people[:4])[len(STORY) :] == ["author_box.named"] * 4


def test_an_author_named_above_the_text_closes_it_below() -> None:
    closed = ["author_box.below"] * 2
    assert rules_of("by Jane Doe", *STORY * 3, "Jane Doe", "Keeper of bees.")[-2:] == closed
    assert rules_of(*STORY * 3, "Jane Doe", "Keeper of bees.")[-2:] == [None] * 2


def test_a_caption_goes_with_its_credit() -> None:
    caption = (
        "The mayor of Northhaven, left, with the master of the harbour on the old mole, on the day after the storm"
    )
    assert rules_of(STORY[0], caption, "Photo: Jane Doe", STORY[1]) == [None, "credit.caption", "credit.en.photo", None]
    assert rules_of(STORY[0], caption, STORY[1]) == [None] * 3
    assert rules_of(STORY[0], STORY[1], "Photo: Jane Doe", STORY[2])[1] is None


def test_a_line_in_lower_case_between_paragraphs_describes_a_picture() -> None:
    assert rules_of(*STORY, "old boats in the mud", *STORY)[len(STORY)] == "caption.lower_case"
    assert rules_of(*STORY, "Old boats in the mud", *STORY)[len(STORY)] is None
    assert rules_of(*STORY, "old boats", "and the mud", "and the tide", *STORY).count(None) == 2 * len(STORY) + 3


@pytest.mark.parametrize("date", ["May 3, 2020", "3. Mai 2020", "3 de mayo de 2020", "03/05/2020", "2020年5月3日"])
def test_posts_listed_with_their_dates_go_from_the_end(date: str) -> None:
    posts = ["Ferry returns", date, "Storm over the islands", date, "What the tide brought", date]
    assert rules_of(*STORY, *posts)[len(STORY) :] == ["related.dated"] * 6
    assert rules_of(*STORY, *posts[:4])[len(STORY) :] == [None] * 4
    assert rules_of(*posts) == [None] * 6


HEADLINE = "Harbour reopens after nine days"


def test_notes_on_who_and_when_go_where_they_are_two_or_more() -> None:
    stack = [HEADLINE, "Jane Doe", "Senior Reporter", "May 3, 2020", *STORY]
    assert rules_of(*stack)[1:4] == ["byline.name", "byline.en.by", "timestamp.bare"]
    assert rules_of(HEADLINE, "by Jane Doe", *STORY) == [None] * (len(STORY) + 2)
    assert rules_of(HEADLINE, "By Jane Doe | May 3, 2020", *STORY)[1] == "byline.en.by"
    assert rules_of(HEADLINE, "Jane Doe, May 3, 2020", "Staff writer", "3 days ago", *STORY)[1] == "byline.name"
    assert rules_of("Storm Eunice, February 18, 2022", *STORY)[0] is None
    assert rules_of(HEADLINE, "May 3, 2020", *STORY)[1] == "timestamp.bare"
    assert rules_of(HEADLINE, "As delivered in Vienna", "May 3, 2020", *STORY) == [None] * (len(STORY) + 3)
    assert rules_of(*STORY, "Senior Reporter", "May 3, 2020")[-2:] == [None] * 2


def test_a_name_goes_with_the_notes_only_below_a_headline() -> None:
    assert rules_of("Jane Doe", "Staff writer", "May 3, 2020", *STORY)[0] is None


def test_blank_lines_collapse_and_line_numbers_are_of_the_input() -> None:
    stripped = strip_boilerplate(f"\n \n{PROSE}\n\n\nShare this:\n\n\t\n{PROSE}\n\n")
    assert stripped.text == f"{PROSE}\n\n{PROSE}"
    assert [(r.text, r.start_line) for r in stripped.removed] == [("Share this:", 6)]


def test_a_line_of_zero_width_characters_is_kept() -> None:
    assert rules_of(PROSE, "\ufeff", PROSE) == [None] * 3


@pytest.mark.parametrize("text", ["", "\n", " \n\t\n"])
def test_blank_text_stays_empty(text: str) -> None:
    assert strip_boilerplate(text) == Stripped("", (), ())


EXAMPLE_LINES = [line for rule in RULES for line in (*rule.cut, *rule.keep, *rule.keep_within)]
lines_of_text = st.one_of(
    st.sampled_from(EXAMPLE_LINES),
    st.just(PROSE),
    st.just(""),
    st.sampled_from(["0", "3", "###", "Harbour reopens today"]),
)
texts = st.lists(lines_of_text, max_size=14).map("\n".join)


@given(text=st.one_of(texts, st.text()), title=st.one_of(st.none(), st.sampled_from(EXAMPLE_LINES)))
def test_stripping_twice_is_stripping_once(text: str, title: str | None) -> None:
    once = strip_boilerplate(text, title=title)
    assert strip_boilerplate(once.text, title=title).removed == ()


@given(texts)
def test_decisions_tell_the_whole_text_in_order(text: str) -> None:
    decisions = judge_lines(text)
    assert "\n".join(d.text for d in decisions) == text
    assert [d.number for d in decisions] == list(range(1, len(decisions) + 1))
    stripped = strip_boilerplate(text)
    assert [r.text for r in stripped.removed] == [d.text for d in decisions if d.rule]


@given(st.lists(lines_of_text, max_size=8), st.lists(lines_of_text, max_size=8))
def test_prose_survives_among_anything(before: list[str], after: list[str]) -> None:
    assert PROSE in strip_boilerplate("\n".join([*before, PROSE, *after])).text


def test_a_page_on_one_line_is_no_caption_of_the_copyright_below_it() -> None:
    page = "| " + " | ".join(f"the council met in {month} to talk about the bridge" for month in range(40))
    decisions = judge_lines(f"{page}\n| Copyright 2025 © The Council. All rights reserved. |")
    assert decisions[0].rule is None
    assert decisions[1].rule is not None
