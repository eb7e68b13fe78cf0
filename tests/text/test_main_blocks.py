"""Pages that are no articles: which blocks are content, when the model of blocks is asked, and what pages declare."""

from __future__ import annotations

import numpy as np
import pytest
from lxml.html import document_fromstring

from transforms.text import main_blocks
from transforms.text.block_evidence import PageContext, block_evidence, extracted_shares
from transforms.text.blocks import MARKS, Block, Layout, page_layout
from transforms.text.html import extract_html
from transforms.text.main_blocks import MAX_BATCH, JudgedBlocks, Trees, judge_blocks
from transforms.text.page_type import PageType, page_type
from transforms.text.structured_data import read_structured_data

POSTS = [
    "My bicycle makes a grinding noise whenever I go up the hill behind the mill. Has anybody heard something like it?",
    "Mine did that for a whole winter. It was the bearing of the pedal, and a new one cost me less than a lunch.",
    "Before you buy anything, take off the chain and turn the crank by hand. If it still grinds, it is the bearing.",
    "I turned it by hand as you said, and it was as silent as snow. So it must be the chain. Thank you all very much!",
    "Chains last three thousand kilometres if you oil them, and half of that if you ride through salt as I do.",
    "Do not forget the small wheels behind. When their teeth look like the fins of a shark, they have to go as well.",
]
MENU = '<nav><ul><li><a href="/">Home</a></li><li><a href="/new">New posts</a></li></ul></nav>'
FOOTER = (
    "<footer><p>Terms and rules. All times are local. Please read the privacy policy before you post here.</p></footer>"
)


def layout_of(markup: str) -> Layout:
    body = document_fromstring(f"<html><body>{markup}</body></html>").find("body")
    assert body is not None
    return page_layout(body)


def blocks_of(markup: str) -> list[Block]:
    return layout_of(markup).blocks


def forum(head: str = "") -> str:
    posts = "".join(
        f'<div class="message"><div class="message-user"><a href="/u/{number}">rider{number}</a></div>'
        f'<div class="message-content">{post}</div></div>'
        for number, post in enumerate(POSTS)
    )
    title = "<title>Grinding noise | The Spoke Forum</title>"
    return f"<html><head>{title}{head}</head><body>{MENU}<h1>Grinding noise</h1>{posts}{FOOTER}</body></html>"


def test_a_block_ends_where_a_block_element_does() -> None:
    blocks = blocks_of("<div>one <b>bold</b> <a href=x>link</a><p>two<br>lines</p>three</div><script>no()</script>four")
    assert [block.text for block in blocks] == ["one bold link", "two\nlines", "three", "four"]
    assert [block.link_chars for block in blocks] == [4, 0, 0, 0]


def test_the_cells_of_a_row_are_one_block_and_code_keeps_its_lines() -> None:
    blocks = blocks_of("<table><tr><td>forty</td><td>nine</td></tr></table><pre>if a:\n    b()</pre>")
    assert [block.text for block in blocks] == ["forty | nine", "if a:\n    b()"]


@pytest.mark.parametrize(
    ("markup", "mark"),
    [
        ("<footer><p>x</p></footer>", "footer"),
        ("<div role=contentinfo><p>x</p></div>", "footer"),
        ("<div class='cookieConsent'><p>x</p></div>", "class:consent"),
        ("<div id='comments'><p>x</p></div>", "class:comment"),
        ("<div style='display: none'><p>x</p></div>", "hidden"),
        ("<div itemprop=description><p>x</p></div>", "itemprop:text"),
    ],
)
def test_blocks_inherit_the_marks_of_what_they_stand_in(markup: str, mark: str) -> None:
    layout = layout_of(markup)
    marks = layout.containers[layout.blocks[0].container].marks
    assert marks >> MARKS.index(mark) & 1


def context(kind: PageType = "page", extracted: str = "") -> PageContext:
    return PageContext(kind, "/t/1", frozenset(("grinding", "noise")), frozenset(), extracted)


def test_posts_are_likelier_content_than_the_menu_and_the_footer() -> None:
    markup = MENU + "".join(f"<div class=message>{post}</div>" for post in POSTS) + FOOTER
    judged = judge_blocks(layout_of(markup), context("discussion"))
    likelihood = dict(zip([block.text for block in judged.blocks], judged.likelihoods, strict=True))
    assert min(likelihood[post] for post in POSTS) > max(
        value for text, value in likelihood.items() if text == "Home" or text.startswith("Terms")
    )


def test_what_was_extracted_is_likelier_content() -> None:
    layout = layout_of(MENU + "".join(f"<div>{post}</div>" for post in POSTS) + FOOTER)
    before = judge_blocks(layout, context())
    after = judge_blocks(layout, context(extracted="\n".join(POSTS)))
    assert after.likelihoods[2:-1].mean() > before.likelihoods[2:-1].mean()


def test_comments_are_no_content_of_an_article() -> None:
    layout = layout_of(f"<div id=comments><p>{POSTS[0]}</p><p>{POSTS[1]}</p><p>{POSTS[2]}</p></div>")
    assert judge_blocks(layout, context("discussion")).likelihoods.min() > 0
    assert judge_blocks(layout, context("article")).likelihoods.max() == 0


def test_a_page_without_text_has_no_blocks() -> None:
    judged = judge_blocks(layout_of("<img src=x>"), context())
    assert (judged.text(judged.best()), judged.expected_f1(judged.best())) == ("", 0.0)


@pytest.mark.parametrize("markup", ["x", "<p>one</p>", "<table><td>a<td>b</table>", "<ul><li>a<li>b<li>c</ul>"])
def test_all_evidence_is_there_and_finite_on_the_smallest_page(markup: str) -> None:
    layout = layout_of(markup)
    evidence = block_evidence(layout, context())
    assert set(main_blocks.TREES.names) <= set(evidence)
    assert all(len(values) == len(layout.blocks) and np.isfinite(values).all() for values in evidence.values())


def test_a_block_was_extracted_when_its_ends_or_its_line_were() -> None:
    blocks = blocks_of(f"<h2>Noise</h2><p>{POSTS[0]}</p><p>{POSTS[1]}</p><p>{POSTS[2]}</p><p>Reply</p>")
    cut = POSTS[1].replace("than a lunch.", "than ...")
    assert extracted_shares(f"## Noise\n{POSTS[0]}\n{cut}\nReply to all", blocks).tolist() == [1, 1, 0.5, 0, 0]


def test_a_tree_is_a_table_that_the_answers_number_a_row_of() -> None:
    leaves = [[1.0, 2.0, 4.0, 8.0], [0.0, 10.0, 0.0, 10.0]]
    questions = [[[0, 0.5], [1, 3.0]], [[1, 1.0], [0, 0.0]]]
    data = {"bias": 0.25, "evidence": ["links", "words"]}
    data["trees"] = [{"questions": q, "leaves": values} for q, values in zip(questions, leaves, strict=True)]
    evidence = {"words": np.array([1.0, 2.0, 4.0]), "links": np.array([0.0, 1.0, 1.0])}
    assert Trees.from_data(data).logits(evidence).tolist() == [1.25, 12.25, 18.25]


def test_a_giant_page_is_judged_in_parts_as_in_one() -> None:
    few = {name: np.linspace(0, 9, 7) for name in main_blocks.TREES.names}
    times = MAX_BATCH // 7 + 2
    many = {name: np.tile(values, times) for name, values in few.items()}
    assert main_blocks.TREES.logits(many).tolist() == np.tile(main_blocks.TREES.logits(few), times).tolist()


def test_the_best_choice_expects_the_highest_f1() -> None:
    words = np.array([10.0, 20.0, 5.0, 40.0])
    likelihoods = np.array([0.9, 0.6, 0.4, 0.05])
    judged = JudgedBlocks([Block(f"{number}", 0, 0) for number in range(4)], likelihoods, words, np.zeros(4))
    best = judged.best()
    every = [np.array([bool(number >> bit & 1) for bit in range(4)]) for number in range(16)]
    assert judged.expected_f1(best) == pytest.approx(max(judged.expected_f1(kept) for kept in every))
    assert judged.text(best) == "0\n1\n2"


def judged_texts(*texts: str) -> JudgedBlocks:
    words = np.array([float(text.count(" ") + 1) for text in texts])
    return JudgedBlocks([Block(text, 0, 0) for text in texts], np.full(len(texts), 0.9), words, np.zeros(len(texts)))


CHAPTERS = [" ".join(f"word{number}" for number in range(start, start + 50)) for start in range(0, 250, 50)]
COPIES = [  # what a page shows, and which of it is a copy
    pytest.param([POSTS[0], POSTS[1], POSTS[0]], [0, 1], id="a paragraph a second time"),
    pytest.param(["Reply", POSTS[0], "Reply"], [0, 1, 2], id="short blocks may come twice"),
    pytest.param([f"{POSTS[0]} {n}" for n in range(3)], [0, 1, 2], id="lines with a number of their own"),
    pytest.param([*CHAPTERS, " ".join(CHAPTERS)], [0, 1, 2, 3, 4], id="all paragraphs run together"),
    pytest.param([POSTS[0], f"{POSTS[0]} {POSTS[1]}"], [0, 1], id="a quotation with its answer"),
]


@pytest.mark.parametrize(("texts", "first"), COPIES)
def test_what_a_page_says_twice_is_kept_once(texts: list[str], first: list[int]) -> None:
    judged = judged_texts(*texts)
    kept = judged.without_copies(np.ones(len(texts), dtype=bool))
    assert np.flatnonzero(kept).tolist() == first
    assert np.flatnonzero(judged.best()).tolist() == first
    assert judged.without_copies(kept).tolist() == kept.tolist()


def test_all_posts_of_a_discussion_are_its_text() -> None:
    found = extract_html(forum('<meta name="generator" content="phpBB">'))
    assert [line for line in found.text.split("\n") if line in POSTS] == POSTS
    assert found.extractor.split(":")[0] in {"html-blocks", "trafilatura-fast"}


def test_posts_shown_without_scripts_are_text() -> None:
    posts = "".join(f"<div class=post><p>{post}</p></div>" for post in POSTS)
    found = extract_html(f"<html><body>{MENU}<noscript>{posts}</noscript>{FOOTER}</body></html>")
    assert all(post in found.text for post in POSTS)
    notice = extract_html("<html><body><p>Read on.</p><noscript>Please enable scripts.</noscript></body></html>")
    assert "scripts" not in notice.text


def test_the_model_replaces_a_text_that_misses_most_of_the_page() -> None:
    cards = "".join(f"<li><a href=/{n}><h3>Course {n}</h3></a><p>{post}</p></li>" for n, post in enumerate(POSTS * 3))
    welcome = "A short word of welcome stands before the list of courses, and says little. " * 10
    body = f"{MENU}<article><p>{welcome}</p></article><ul>{cards}</ul>{FOOTER}"
    found = extract_html(f"<html><head><title>Courses</title></head><body>{body}</body></html>")
    assert found.extractor == "html-blocks:page"
    assert all(post in found.text for post in POSTS)
    assert "privacy policy" not in found.text


PAGE_TYPES = [
    ('<meta property="og:type" content="article">', "article"),
    ('<meta property="article:published_time" content="2024-01-02">', "article"),
    (
        '<script type="application/ld+json">{"@graph": [{}, {"@type": "BlogPosting"}]}</script>',
        "article",
    ),
    ('<script type="application/ld+json">{"@type": ["Product"], "name": "Oar"}</script>', "product"),
    ('<meta property="og:type" content="product.item">', "product"),
    ('<meta name="generator" content="Discourse 3.4.0">', "discussion"),
    ('<script type="application/ld+json">{"@type": "https://schema.org/QAPage"}</script>', "discussion"),
    ('<script type="application/ld+json">{"@type": </script>', "page"),
    ('<meta property="og:type" content="website">', "page"),
]


@pytest.mark.parametrize(("head", "kind"), PAGE_TYPES)
def test_a_page_says_what_kind_it_is(head: str, kind: str) -> None:
    tree = document_fromstring(f"<html><head>{head}</head><body><p>x</p></body></html>")
    assert page_type(read_structured_data(tree), tree) == kind
