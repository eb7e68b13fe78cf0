"""Title, authors, date, site and address of a page: which place wins, and what is never invented."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from transforms.text.extraction import Extraction
from transforms.text.html import extract_html


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
]


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
    ("", "", None),
]


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
    found = read(json_ld([odd, {"@type": "NewsArticle", "author": [[["x"]]], "keywords": [1, None], "headline": 5}]))
    assert (found.title, found.authors, found.published_date, found.site_name, found.tags) == (None, (), None, None, ())
