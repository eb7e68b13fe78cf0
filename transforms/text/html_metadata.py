"""Title, authors, date, site, tags and address of a page, each from the most reliable place that names it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import html
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from lxml.html import HtmlElement

from schemas.records import MetadataSources
from transforms.text.dates import day_of, find_dates
from transforms.text.extraction import one_line, parse_date, unique_lines
from transforms.text.html_authors import OF_OTHERS, page_authors
from transforms.text.page_head import ShownLine, is_written, lines_around, short_text, shown_day
from transforms.text.page_type import PageType
from transforms.text.structured_data import ARTICLE_TYPES, StructuredData, json_ld_types

MAX_TITLE_CHARS = 300
MIN_SHARED_TITLE = 0.5  # of the words of an h1, where there are several
MIN_SHARED_SUBTITLE = 0.8  # of the words of an h2 or h3, where there is no h1
MAX_HEADINGS = 20
MAX_META_CHARS = 4_000  # beyond: no title, name or day; and a reference of more digits is no number to Python

_PUBLISHED_NAMES = """
article:published_time og:published_time og:article:published_time citation_publication_date citation_online_date
dc.date.issued dcterms.issued dcterms.created dc.date.created datepublished publishdate publish-date publish_date
pubdate parsely-pub-date sailthru.date article.published cxenseparse:recs:publishtime
"""
_PUBLISHED_META = _PUBLISHED_NAMES.split()
_DATED_META = ("date", "dc.date")  # of 5 pages where these differed from the day under the headline 4 were updates
_TITLE_PARTS = re.compile(r"\s+[|»«›•·–—:-]+\s+|\s*[|»«]\s*")
_WORD = re.compile(r"\w+")
_TITLE_META = ("og:title", "twitter:title", "citation_title", "dc.title")
_HOME = re.compile(r"(?:(?:https?:)?//[^/?#]+)?/(?:index\.\w+)?|(?:https?:)?//[^/?#]+")
_URL_DAY = re.compile(r"/((?:19|20)\d\d)[/-]([01]?\d)[/-]([0-3]?\d)(?:/|-|\b)")


@dataclasses.dataclass(frozen=True, slots=True)
class PageMetadata:
    """What a page says of itself; None or nothing where it does not."""

    title: str | None
    authors: tuple[str, ...]
    published_date: dt.date | None
    site_name: str | None
    tags: tuple[str, ...]
    url: str | None
    sources: MetadataSources


def read_page_metadata(tree: HtmlElement, data: StructuredData, kind: PageType, url: str | None) -> PageMetadata:
    """The metadata of a page; a value that is in doubt is left out. `url` is where the page was published."""
    site_name, site_place = _site_name(data)
    title, title_place, headline = _title(tree, data, kind, site_name)
    address, address_place = _canonical(tree, data)
    lines = [] if headline is None else lines_around(headline)
    tags, tag_places = _tags(data)
    authors, authors_place = page_authors(tree, data, kind, site_name, lines=lines, topics=tags)
    day, day_place = _published(tree, data, kind, address or url, lines)
    return PageMetadata(
        title=title,
        authors=authors,
        published_date=day,
        site_name=site_name,
        tags=tags,
        url=address or url,
        sources=MetadataSources(
            title=title_place,
            url=address_place,
            authors=authors_place,
            published_date=day_place,
            site_name=site_place,
            tags=tag_places,
        ),
    )


Found = tuple[str | None, str | None]  # a value and its place


def _title(
    tree: HtmlElement, data: StructuredData, kind: PageType, site_name: str | None
) -> tuple[str | None, str | None, HtmlElement | None]:
    """The title, its place, and the heading on the page that says it or nearly so.

    The titles in the head are often written anew for search engines: where a page with an article has one h1, it was
    right for 92 %, the Open Graph title for 81 %. Other pages have slogans as h1: there the Open Graph title was right
    for 87 %, the h1 for 65 %.
    """
    head = one_line(tree.findtext("head/title") or tree.findtext(".//title"))
    name = next((name for name in _TITLE_META if name in data.meta), None)
    declared = _first(data, [name]) if name else None
    heading, text = _headline(tree, declared, head, site_name)
    known = set(_key(declared).split()) | set(_key(head).split())
    agrees = not known or not known.isdisjoint(_key(text).split())
    if text and heading is not None and (agrees if kind == "article" else not declared and _key(text) in _key(head)):
        return text, f"html:{heading.tag!s}", heading
    value = _without_site(declared or head, site_name)
    place = None if not value else f"meta:{name}" if name else "html:title"
    return value, place, heading


def _headline(
    tree: HtmlElement, declared: str | None, head: str | None, site_name: str | None
) -> tuple[HtmlElement | None, str | None]:
    """The only h1, or the heading that says most of what the head of the page says; never the name of the site."""
    known = set(_key(declared).split()) | set(_key(head).split())
    site = {_key(site_name), _site_in(head)} - {_key(declared), _key(head)}

    def share(heading: tuple[HtmlElement, str]) -> float:
        words = set(_key(heading[1]).split())
        return len(words & known) / len(words) if len(words) > 1 else 0.0

    named = [(each, text) for each, text in _headings(tree, "h1") if _key(text) not in site | {""}]
    h1 = _without_logos(named)
    if len(h1) == 1:
        return h1[0]
    best = max(h1 or _headings(tree, "h2", "h3"), key=share, default=None)
    if best is not None and share(best) > (MIN_SHARED_TITLE if h1 else MIN_SHARED_SUBTITLE):
        return best
    return None, None


def _headings(tree: HtmlElement, *tags: str) -> list[tuple[HtmlElement, str]]:
    """The first headings of a page that have a text, with it."""
    first = itertools.islice(tree.iter(*tags), MAX_HEADINGS)
    return [(each, text) for each in first if (text := short_text(each, MAX_TITLE_CHARS))]


def _without_logos(headings: list[tuple[HtmlElement, str]]) -> list[tuple[HtmlElement, str]]:
    """The headings that do not lead to the start of the site."""
    # A link around several headings is read once.
    around = [next((each for each in heading.iterancestors() if each.tag == "a"), None) for heading, _ in headings]
    texts = {link: _home_text(link) for link in dict.fromkeys(around) if link is not None}
    return [
        (heading, text)
        for (heading, text), link in zip(headings, around, strict=True)
        if (link is None or text not in texts[link]) and not any(text in _home_text(each) for each in heading.iter("a"))
    ]


def _home_text(link: HtmlElement) -> str:
    """The text of a link to the start of the site; nothing for any other link."""
    is_home = _HOME.fullmatch(link.get("href", "").strip())
    return (is_home and short_text(link, MAX_TITLE_CHARS)) or ""


def _site_in(head: str | None) -> str:
    """What stands behind the last mark in the head's title, when it is shorter than what stands before."""
    marks = list(_TITLE_PARTS.finditer(head or ""))
    if not head or not marks:
        return ""
    title, site = head[: marks[-1].start()], head[marks[-1].end() :]
    return _key(site) if len(site) < len(title) else ""


def _without_site(title: str | None, site_name: str | None) -> str | None:
    """A title without the name of the site before or after it.

    >>> _without_site("Oranges for the island - Harbour Herald", "Harbour Herald")
    'Oranges for the island'
    """
    if not title:
        return None
    marks = list(_TITLE_PARTS.finditer(title))
    site = _key(site_name).replace(" ", "")
    if marks and (tail := _key(title[marks[-1].end() :]).replace(" ", "")):
        named = (tail in site or site in tail) if site else "|" in marks[-1][0]
        if named:
            return title[: marks[-1].start()].strip() or None
    if marks and site and _key(title[: marks[0].start()]).replace(" ", "") == site:
        return title[marks[0].end() :].strip() or None
    return title


def _published(
    tree: HtmlElement, data: StructuredData, kind: PageType, url: str | None, lines: list[ShownLine]
) -> tuple[dt.date | None, str | None]:
    """The day that the first place to name one names: what is declared, the lines near the headline, the address."""
    found = [(day, place) for place, value in _declared_days(data) if (day := _day(value))]
    if not found:
        marked = tree.xpath("//*[@itemprop='datePublished' or @pubdate]")[:1]
        days = [_day(element.get("datetime") or element.get("content")) for element in marked]
        found = [(day, "html:datePublished") for day in days if day]
    if is_written(kind, data) and (shown := shown_day(lines, lambda: tree.get("lang", ""))):
        found.append(shown)
    for place, value in (
        *((f"meta:{name}", _first(data, [name])) for name in _DATED_META),
        ("url", _day_in_address(url)),
    ):
        if day := _day(value):
            found.append((day, place))
    if not found:
        return None, None
    # The first place, unless it stands alone against two that agree.
    voices = Counter(day for day, _ in found)
    return max(found, key=lambda each: voices[each[0]] > 1)


def _declared_days(data: StructuredData) -> Iterator[tuple[str, object]]:
    """Places that name a day of publication for machines, the most reliable first."""
    articles = [node for node in data.json_ld if json_ld_types(node) & ARTICLE_TYPES]
    others = [node for node in data.json_ld if not json_ld_types(node) & OF_OTHERS]
    node = next((node for node in (*articles, *others) if isinstance(node.get("datePublished"), str | int)), {})
    yield "json-ld:datePublished", node.get("datePublished")
    name = next((name for name in _PUBLISHED_META if name in data.meta), "")
    yield f"meta:{name}", _first(data, [name])


def _day(value: object) -> dt.date | None:
    """The day in a value for machines, which some write in words: "March 27, 2025"."""
    day = parse_date(value)
    match = None if day or not isinstance(value, str) else next(find_dates(value[:100]), None)
    return day if match is None else parse_date(day_of(match, lambda: ""))


def _day_in_address(url: str | None) -> str | None:
    match = _URL_DAY.search(url or "")
    return f"{match[1]}-{int(match[2]):02}-{int(match[3]):02}" if match else None


def _site_name(data: StructuredData) -> Found:
    publisher: dict[str, Any] = next((n["publisher"] for n in data.json_ld if isinstance(n.get("publisher"), dict)), {})
    site: dict[str, Any] = next((node for node in data.json_ld if "WebSite" in json_ld_types(node)), {})
    for place, value in (
        ("meta:og:site_name", _first(data, ["og:site_name"])),
        ("json-ld:publisher", publisher.get("name")),
        ("json-ld:WebSite", site.get("name")),
        ("meta:application-name", _first(data, ["application-name"])),
    ):
        if isinstance(value, str) and (line := one_line(value)):
            return line, place
    return None, None


def _tags(data: StructuredData) -> tuple[tuple[str, ...], str | None]:
    values = {f"meta:{name}": data.meta.get(name, []) for name in ("keywords", "article:tag")}
    for node in data.json_ld:
        if json_ld_types(node) & ARTICLE_TYPES:
            for name in ("keywords", "articleSection"):
                value = node.get(name)
                items = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
                values.setdefault(f"json-ld:{name}", []).extend(items)
    tags = unique_lines(tag for listed in values.values() for value in listed for tag in value.split(","))
    return tags, " ".join(place for place, listed in values.items() if any(listed)) or None if tags else None


def _canonical(tree: HtmlElement, data: StructuredData) -> Found:
    links = [link.get("href", "") for link in tree.iter("link") if "canonical" in link.get("rel", "").lower().split()]
    for place, addresses in (("html:canonical", links), ("meta:og:url", data.meta.get("og:url", []))):
        for address in addresses:
            if address.strip().startswith(("https://", "http://")):
                return one_line(address), place
    return None, None


def _first(data: StructuredData, names: Iterable[str]) -> str | None:
    """The first value of the first of the names that is there."""
    value = next((data.meta[name][0] for name in names if name in data.meta), None)
    return None if value is None else one_line(html.unescape(value[:MAX_META_CHARS]))


def _key(text: str | None) -> str:
    return " ".join(_WORD.findall((text or "").lower()))
