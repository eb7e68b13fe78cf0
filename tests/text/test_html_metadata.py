"""Title, authors, date, site and address of a page: which place wins, and what is never invented."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable

import pytest
from lxml.html import HtmlElement, document_fromstring

from schemas.records import NO_SOURCES, MetadataSources
from transforms.text.extraction import Extraction
from transforms.text.html import extract_html
from transforms.text.html_authors import MAX_AUTHOR_CHARS
from transforms.text.html_metadata import PageMetadata, read_page_metadata
from transforms.text.page_type import page_type
from transforms.text.structured_data import read_structured_data


def read(head: str = "", body: str = "", url: str | None = None) -> Extraction:
    return extract_html(f"<html><head>{head}</head><body>{body}<p>The mill stood still.</p></body></html>", url)


def json_ld(value: object) -> str:
    return f'<script type="application/ld+json">{json.dumps(value)}</script>'


ARTICLE = '<meta property="og:type" content="article">'

TITLES = [
    pytest.param(
        ARTICLE + '<meta property="og:title" content="Mill stops: what you must know">',
        "<h1>The old mill stopped after ninety years</h1>",
        "The old mill stopped after ninety years",
        id="an article's heading, not what was written for search engines",
    ),
    pytest.param(
        "<title>Milling services in Tarn | Ada Mills</title>",
        "<h1>We grind, so you can sleep</h1>",
        "Milling services in Tarn",
        id="not a slogan",
    ),
    pytest.param(
        '<meta property="og:title" content="Milling &amp;amp; baking in Tarn">',
        "<h1>Milling in Tarn since 1931</h1>",
        "Milling & baking in Tarn",
        id="of a page that is no article, what it declares",
    ),
    pytest.param(
        ARTICLE + "<title>Tarn Mills: The old mill stopped</title>",
        '<h1><a href="/">Tarn Mills</a></h1><h2>The old mill stopped</h2>',
        "The old mill stopped",
        id="not the heading that leads to the start of the site",
    ),
    pytest.param(
        ARTICLE + '<meta property="og:title" content="The old mill stopped">',
        "<h1>Follow us</h1><h1>Write to the mill</h1>",
        "The old mill stopped",
        id="of several headings none that says something else",
    ),
    pytest.param("<title>The mill - Ada</title>", "<h1>Ada</h1>", "The mill - Ada", id="not the name of the site"),
    pytest.param(
        '<title>The mill stopped – Tarn Times</title><meta property="og:site_name" content="Tarn Times">',
        "",
        "The mill stopped",
        id="without the name of the site",
    ),
    pytest.param("<title>Rye - a love story</title>", "", "Rye - a love story", id="a dash alone is no site"),
    pytest.param("", "", None, id="none"),
]


@pytest.mark.parametrize(("head", "body", "title"), TITLES)
def test_the_title(head: str, body: str, title: str | None) -> None:
    assert read(head, body).title == title


AUTHORS = [
    (
        json_ld({"@type": "NewsArticle", "author": [{"name": "Ana Kola"}, {"name": "Jon Weir"}]}),
        "",
        ("Ana Kola", "Jon Weir"),
    ),
    (
        json_ld({"@graph": [{"@type": "Article", "author": {"@id": "#a"}}, {"@id": "#a", "name": "Ana"}]}),
        "",
        ("Ana",),
    ),
    (json_ld({"@type": "Article", "author": {"@type": "Organization", "name": "Tarn Times"}}), "", ()),
    (json_ld({"@type": "Product", "review": {"@type": "Review", "author": {"name": "Bo Li"}}}), "", ()),
    ('<meta name="author" content="admin">', "", ()),
    ('<meta name="author" content="Ana Kola, Jon Weir und Li Bo">', "", ("Ana Kola", "Jon Weir", "Li Bo")),
    (
        '<meta name="twitter:label1" content="Written by"><meta name="twitter:data1" content="Ana Kola">',
        "",
        ("Ana Kola",),
    ),
    ('<meta name="twitter:label1" content="Price"><meta name="twitter:data1" content="Nine Crowns">', "", ()),
    ("", '<div class="byline">Von <a rel="author">Ana Kola</a> 3. Mai 2021</div>', ("Ana Kola",)),
    ("", '<span class="author-name">By Ana Kola | Updated today</span>', ("Ana Kola",)),
    ("", '<ol class="comment-list"><li><cite class="author">Bo Li</cite></li></ol>', ()),
    ("", '<p class="posted-by author">Reviewed by <a>Bo Li</a></p>', ()),
    ("", '<p class="author"><a href="/all">Read more</a></p>', ()),
    ("", '<p class="author">Updated May 3</p>', ()),
    ("", '<p class="author">Marketing Director</p>', ()),
    (
        json_ld({"@type": "Article", "author": {"@type": ["Person", "Organization"], "name": "Ana Kola"}}),
        "",
        ("Ana Kola",),
    ),
    (json_ld({"@type": "Article", "author": {"@type": "Person", "name": "undefined"}}), "", ()),
    (
        '<meta name="author" content="Tarn Times"><meta property="og:site_name" content="Tarn Times">',
        "<h1>The old mill stopped</h1><p>By Ana Kola</p>",
        ("Ana Kola",),
    ),
    (
        '<meta name="author" content="Tarn Times"><meta property="og:site_name" content="Tarn Times">',
        "<h1>The old mill stopped</h1><p>By the river</p>",
        (),
    ),
    ('<meta name="author" content="Office for Mills and Weirs">', "", ("Office for Mills and Weirs",)),
    ('<meta name="keywords" content="Rye Flour">', "<h1>The old mill</h1><p>3 May 2021</p><p>Rye Flour</p>", ()),
    ('<meta name="author" content="Jos&amp;eacute; Weir">', "", ("José Weir",)),
    ('<meta name="author" content="Ana Kola\n  Jon   Weir">', "", ("Ana Kola", "Jon Weir")),
    ('<meta name="author" content="Newsdesk Editors">', "", ()),
    ('<meta name="author" content="Ana Admin">', "", ("Ana Admin",)),
    ("", '<a rel="author">Jack Ma</a>', ("Jack Ma",)),
    ("", '<a rel="author">Emily Post</a>', ("Emily Post",)),
    ("", '<a rel="author">Read Post</a>', ()),
]

# Lines below a headline, and who they say wrote the page.
BYLINES = [
    ("<p>By Ana Kola</p>", ("Ana Kola",)),
    ("<div>Von <b>Jörg Weiß</b></div><div>3. Mai 2021</div>", ("Jörg Weiß",)),
    ("<p>Posted on May 3, 2021 by Ana in Mills</p>", ("Ana",)),
    ("<p>Par Ana Kola le 3 mai 2021</p>", ("Ana Kola",)),
    ("<p>Door Ana de Vries | 3 mei 2021</p>", ("Ana de Vries",)),
    ("<p>Autor: Ana Kola</p>", ("Ana Kola",)),
    ("<span>3. května 2021</span> <span>Ana Kolářová</span>", ("Ana Kolářová",)),
    ("<p>Ana Kola</p><p>May 3, 2021</p>", ("Ana Kola",)),
    ('<div class="post__meta-author">Ana Kola and Jon Weir, editors</div>', ("Ana Kola", "Jon Weir")),
    ('<div class="c-author"><a>Dr. Ana Kola</a><span>3 May 2021</span></div>', ("Dr. Ana Kola",)),
    ('<a href="/people/ana-kola/">Ana Kola</a>', ("Ana Kola",)),
    ('<p class="byline"><a>Ana Kola</a>, <a>Jon Weir</a></p>', ("Ana Kola", "Jon Weir")),
    ("<p>By Emily Post</p>", ("Emily Post",)),
    ("<p>Sam Weir</p><p>May 3, 2021</p>", ("Sam Weir",)),
    ("<p>Next Post</p><p>May 3, 2021</p>", ()),
    ("<p>An Update</p><p>May 3, 2021</p>", ()),
    ("<p>By the river</p>", ()),
    ("<p>Reviewed by Bo Li</p>", ()),
    ("<p>Hero image by Bo Li</p>", ()),
    ("<p>Ana Kola</p><p>The mill stood still.</p>", ()),
    ("<p>May 3, 2021</p><p>Our Milling Service</p>", ()),
    ('<p>May 3, 2021 <a href="/category/mills">Water Mills</a></p>', ()),
    ("<p>Sunday Monday</p><p>May 3, 2021</p>", ()),
    (f"<p>{'The mill stood still. ' * 20}</p>" * 3 + "<p>By Bo Li</p>", ()),
]


@pytest.mark.parametrize(("lines", "authors"), BYLINES)
def test_the_lines_below_the_headline_name_the_author(lines: str, authors: tuple[str, ...]) -> None:
    assert read(body=f"<h1>The old mill stopped</h1>{lines}").authors == authors


@pytest.mark.parametrize(("head", "body", "authors"), AUTHORS)
def test_authors(head: str, body: str, authors: tuple[str, ...]) -> None:
    assert read(head, body).authors == authors


DATES = [
    (
        json_ld({"@type": "Report", "datePublished": "2021-05-03", "dateModified": "2022-01-01"}),
        "",
        "2021-05-03",
    ),
    ('<meta property="article:published_time" content="2020-02-03T09:00:00+01:00">', "", "2020-02-03"),
    ("", '<time pubdate datetime="2019-07-08">8 July</time>', "2019-07-08"),
    ('<link rel="canonical" href="https://example.org/2018/03/09/the-mill">', "", "2018-03-09"),
    (json_ld({"@type": "Product", "name": "Flour", "releaseDate": "2018-01-01"}), "<p>Since 3 May 1990.</p>", None),
    (json_ld({"@type": "Article", "dateModified": "2022-01-01"}), "", None),
    ('<meta property="article:modified_time" content="2022-01-01">', "<h1>The old mill</h1>", None),
    (json_ld({"@type": "VideoObject", "datePublished": "2018-01-01"}), "", None),
    ('<meta name="publish_date" content="March 27, 2025">', "", "2025-03-27"),
    ('<meta name="publish_date" content="03/04/2025">', "", None),
    (
        '<meta name="date" content="2021-05-07">',
        "<h1>The old mill</h1><time datetime='2021-05-03'>3 May</time>",
        "2021-05-03",
    ),
    (
        json_ld({"@type": "Article", "datePublished": "2018-01-01"})
        + '<meta property="article:published_time" content="2021-05-03">',
        "<h1>The old mill stopped</h1><p>3 May 2021</p>",
        "2021-05-03",  # two places against one, which is another article's
    ),
    ("", "<h1>The old mill</h1><p><time datetime='2021-05-03'></time></p>", "2021-05-03"),
    ("", "", None),
]

# Lines below a headline, and the day they say the page was published.
DATELINES = [
    ("en", "<p>May 3rd, 2021</p>", "2021-05-03"),
    ("en", "<p>Ana Kola · 3 May 2021 · 5 min read</p>", "2021-05-03"),
    ("de", "<p>Veröffentlicht am 3.5.2021 um 10:15 Uhr</p>", "2021-05-03"),
    ("de", "<p>03.05.21</p>", "2021-05-03"),
    ("fr", "<p>Publié le 3 mai 2021 à 10h15</p>", "2021-05-03"),
    ("es", "<p>3 de mayo de 2021</p>", "2021-05-03"),
    ("pt", "<p>03/05/2021</p>", "2021-05-03"),
    ("en-US", "<p>05/03/2021</p>", "2021-05-03"),
    ("en-GB", "<p>03/05/2021</p>", "2021-05-03"),
    ("nl", "<p>3 mei 2021</p>", "2021-05-03"),
    ("pl", "<p>3 listopada 2021</p>", "2021-11-03"),
    ("hr", "<p>3. listopada 2021.</p>", "2021-10-03"),
    ("ru", "<p>3 мая 2021 г.</p>", "2021-05-03"),
    ("tr", "<p>3 Mayıs 2021</p>", "2021-05-03"),
    ("hu", "<p>2021. május 3.</p>", "2021-05-03"),
    ("ja", "<p>2021年5月3日</p>", "2021-05-03"),
    ("en", "<p><span>Ana Kola</span><span>3.5.2021</span></p>", "2021-05-03"),
    ("en", "<p>Last updated 4 June 2022, originally created 3 May 2021</p>", "2021-05-03"),
    (
        "en",
        "<time class='updated' datetime='2022-06-04'>4 June</time><time datetime='2021-05-03'>3 May</time>",
        "2021-05-03",
    ),
    ("en", "<p>Updated: 4 June 2022</p>", None),
    ("de", "<p>Zuletzt aktualisiert: <time datetime='2022-06-04'>4. Juni 2022</time></p>", None),
    ("en", "<p>03/05/2021</p>", None),  # English of nobody knows where
    ("en", "<p>12 – 14 May 2021</p>", None),
    ("en", "<p>3 May 1975</p>", None),  # before there was a web
    ("en", "<p>31 February 2021</p>", None),
    (
        "en",
        "<p>The council of Tarn met on 3 May 2021 and spoke for hours about the mill, the river and the weir.</p>",
        None,
    ),
    ("en", f"<p>{'The mill stood still. ' * 20}</p>" * 3 + "<p>3 May 2021</p>", None),
]


@pytest.mark.parametrize(("language", "lines", "day"), DATELINES)
def test_the_lines_below_the_headline_name_the_day(language: str, lines: str, day: str | None) -> None:
    page = f"<html lang='{language}'><body><h1>The old mill stopped</h1>{lines}<p>The mill.</p></body></html>"
    assert extract_html(page).published_date == (dt.date.fromisoformat(day) if day else None)


def test_the_lines_above_the_headline_count_too_the_nearest_first() -> None:
    found = read(body="<p>1 May 2021</p><div>3 May 2021</div><h1>The old mill stopped</h1><p>No date here.</p>")
    assert found.published_date == dt.date(2021, 5, 3)


def test_a_line_may_end_with_the_page() -> None:
    assert extract_html("<html><body><h1>The old mill stopped</h1>3 May 2021</body></html>").published_date == dt.date(
        2021, 5, 3
    )


def test_names_and_days_around_a_product_are_those_of_its_reviews() -> None:
    body = "<h1>Rye flour</h1><p>By Bo Li</p><p>3 May 2021</p>"
    found = read(json_ld({"@type": "Product", "name": "Rye flour"}), body)
    assert (found.authors, found.published_date) == ((), None)


def test_every_value_says_where_it_was_read() -> None:
    head = (
        json_ld({"@type": "Article", "author": "Ana Kola", "keywords": ["rye"], "publisher": {"name": "Tarn Times"}})
        + '<link rel="canonical" href="https://example.org/mill"><meta name="keywords" content="mill">'
        + "<title>The mill</title>"
    )
    found = read(head, "<h1>The mill</h1><time datetime='2021-05-03'>today</time>")
    assert found.sources == MetadataSources(
        title="html:h1",
        url="html:canonical",
        authors="json-ld:author",
        published_date="html:time",
        site_name="json-ld:publisher",
        tags="meta:keywords json-ld:keywords",
    )
    assert read('<meta property="og:title" content="Tarn mills">').sources.title == "meta:og:title"
    assert read("<title>Tarn mills</title>").sources.title == "html:title"
    assert read('<meta property="og:url" content="https://example.org/2021/05/03/a">').sources == MetadataSources(
        url="meta:og:url", published_date="url"
    )
    assert read().sources == NO_SOURCES


@pytest.mark.parametrize(("head", "body", "day"), DATES)
def test_the_day_of_publication(head: str, body: str, day: str | None) -> None:
    assert read(head, body).published_date == (dt.date.fromisoformat(day) if day else None)


def test_the_address_a_page_names_wins_if_it_is_one() -> None:
    given = "https://copy.example.org/1"
    assert (
        read('<link rel="canonical" href="https://a.example.org/mill">', url=given).url == "https://a.example.org/mill"
    )
    assert read('<link rel="canonical" href="/mill">', url=given).url == given


def test_structured_data_that_nobody_expected_is_as_if_it_were_not_there() -> None:
    odd = {"@type": {"a": 1}, "author": {"@id": {"b": [2]}}, "datePublished": {"c": 3}, "publisher": {"name": ["d"]}}
    names = [{"name": 5}, {"name": {"e": 6}}, {"name": [7, ["x"]]}, [[["x"]]]]
    found = read(json_ld([odd, {"@type": "NewsArticle", "author": names, "keywords": [1, None], "headline": 5}]))
    assert (found.title, found.authors, found.published_date, found.site_name, found.tags) == (None, (), None, None, ())


def read_metadata(page: str) -> PageMetadata:
    tree = document_fromstring(page)
    data = read_structured_data(tree)
    return read_page_metadata(tree, data, page_type(data, tree), None)


# With a quadratic step each of these takes minutes, with an exponential one for ever.
LONG_VALUES = [
    ("A" + " " * 300_000 + "B", ("A B",)),
    (" " * 300_000 + "Ana Kola\n", ("Ana Kola",)),
    ("A" + " \n" * 150_000 + "B", ("A", "B")),
    (" and ".join(["Ana Kola"] * 30), ("Ana Kola",)),
    ("; ".join(["Ana Kola"] * 100_000), ()),  # too long to be a list of names
    ("x" * (MAX_AUTHOR_CHARS + 1), ()),
    ("admin" * 15 + " ö", ("admin" * 15 + " ö",)),
    ("published on " * 70 + "and Ana Kola", ()),
    ([f"Ana Kola{'a' * number}" for number in range(200)], tuple(f"Ana Kola{'a' * number}" for number in range(73))),
]


@pytest.mark.parametrize(("author", "authors"), LONG_VALUES)
def test_long_author_values_end_soon(author: object, authors: tuple[str, ...]) -> None:
    values = author if isinstance(author, list) else [author]
    node = {"@type": "NewsArticle", "author": {"name": values}}
    assert read_metadata(f"<html><head>{json_ld(node)}</head><body></body></html>").authors == authors


def test_a_reference_to_no_character_that_python_can_count_to_costs_no_page() -> None:
    found = read(f'<meta property="og:title" content="&amp;#{"1" * 5000};"><meta name="author" content="Ana Kola">')
    assert found.authors == ("Ana Kola",)


HEADLINE = "<h1>The old mill stopped</h1>"
# Pages of so many elements that a step for each pair of them shows.
CROWDS: dict[str, Callable[[int], str]] = {
    "headings in a link": lambda count: f"<a href='/'>{'<h1>The mill</h1>' * count}</a>",
    "links in a heading": lambda count: "<h1>" + "<a href='/'>The mill</a>" * count + "</h1>",
    "headings": lambda count: "<h1>The mill was closed</h1>" * count,
    "blank pieces of a time": lambda count: (
        HEADLINE + f"<p><time class='author updated' datetime='2021-05-03'>3 May{'<b></b> ' * count}</time></p>"
    ),
    "blank times": lambda count: HEADLINE + f"<p class='author'>{'<time></time>' * count}</p>",
    "times": lambda count: HEADLINE + "<p>" + "<time class='updated' datetime='2021-05-03'></time>" * count,
    "times in a link": lambda count: (
        HEADLINE + f"<p>3 May 2021</p><p><a href='/mill'>Ana Kola{'<time> </time>' * count}</a>"
    ),
    "pieces of a byline": lambda count: HEADLINE + f"<p class='byline'>{'<b>a</b> ' * count}</p>",
    "bylines": lambda count: "<p class='byline'>the mill stood still</p>" * count,
    "bylines in bylines": lambda count: "<b class='byline author'>" * 50 + "<i class='author'>a </i>" * count,
    "names in an author": lambda count: "<div itemprop='author'>" + "<b itemprop='name'>the mill</b>" * count,
}


@pytest.mark.parametrize("crowd", CROWDS.values(), ids=CROWDS)
def test_twice_the_elements_are_at_most_twice_the_reading(
    crowd: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read_chars = 0
    text_content = HtmlElement.text_content

    def counted(element: HtmlElement) -> str:
        nonlocal read_chars
        text: str = text_content(element)
        read_chars += len(text) + 1
        return text

    monkeypatch.setattr(HtmlElement, "text_content", counted)
    work = []
    for count in (1000, 2000):
        read_chars = 0
        read_metadata(f"<html><head></head><body>{crowd(count)}</body></html>")
        work.append(read_chars)
    assert work[1] <= 2 * work[0] + 1000
