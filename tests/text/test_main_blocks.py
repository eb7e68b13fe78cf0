"""Pages that are no articles: which blocks are content, when the model of blocks is asked, and what pages declare."""

from __future__ import annotations

import numpy as np
import pytest
from lxml.html import document_fromstring

from transforms.text.blocks import MARKS, Block, Layout, page_layout
from transforms.text.html import extract_html
from transforms.text.main_blocks import JudgedBlocks, judge_blocks
from transforms.text.page_type import page_type
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


def test_posts_are_likelier_content_than_the_menu_and_the_footer() -> None:
    judged = judge_blocks(layout_of(MENU + "".join(f"<div class=message>{post}</div>" for post in POSTS) + FOOTER))
    likelihood = dict(zip([block.text for block in judged.blocks], judged.likelihoods, strict=True))
    assert min(likelihood[post] for post in POSTS[:-1]) > max(
        value for text, value in likelihood.items() if text == "Home" or text.startswith("Terms")
    )


def test_nothing_in_an_excluded_container_is_content() -> None:
    layout = layout_of(f"<div id=comments><p>{POSTS[0]}</p><p>{POSTS[1]}</p><p>{POSTS[2]}</p></div>")
    assert judge_blocks(layout).best().any()
    assert judge_blocks(layout, frozenset(("class:comment",))).likelihoods.max() == 0


def test_a_page_without_text_has_no_blocks() -> None:
    judged = judge_blocks(layout_of("<img src=x>"))
    assert (judged.text(judged.best()), judged.expected_f1(judged.best())) == ("", 0.0)


def test_the_best_choice_expects_the_highest_f1() -> None:
    words = np.array([10.0, 20.0, 5.0, 40.0])
    judged = JudgedBlocks([Block(f"{number}", 0, 0) for number in range(4)], np.array([0.9, 0.6, 0.4, 0.05]), words)
    best = judged.best()
    every = [np.array([bool(number >> bit & 1) for bit in range(4)]) for number in range(16)]
    assert judged.expected_f1(best) == pytest.approx(max(judged.expected_f1(kept) for kept in every))
    assert judged.text(best) == "0\n1\n2"


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


def test_an_article_with_others_appended_keeps_to_the_first() -> None:
    others = "".join(f"<div><h1>Other story {n}</h1><p>{POSTS[n]} {POSTS[n - 1]}</p></div>" for n in range(6)) * 3
    first = "".join(f"<p>The first story goes on, sentence by sentence, to its end in part {n}.</p>" for n in range(12))
    head = '<meta property="og:type" content="article">'
    body = f"{MENU}<article><h1>First story</h1>{first}</article>{others}{FOOTER}"
    found = extract_html(f"<html><head>{head}</head><body>{body}</body></html>")
    assert found.extractor == "trafilatura-fast"
    assert POSTS[0] not in found.text


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
