"""Title, authors, date, site, tags and address of a page, each from the most reliable place that names it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import html
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from lxml.html import HtmlElement

from schemas.records import MetadataSources
from transforms.text.dates import day_of, find_dates
from transforms.text.extraction import author_names, one_line, parse_date, unique_lines
from transforms.text.names import names_in
from transforms.text.page_head import ShownLine, lines_around, shown_authors, shown_day
from transforms.text.page_type import PageType
from transforms.text.structured_data import ARTICLE_TYPES, DISCUSSION_TYPES, StructuredData, json_ld_types

MAX_TITLE_CHARS = 300
MAX_BYLINE_CHARS = 80
MAX_BYLINES = 8  # elements of a kind that are looked at
MIN_SHARED_TITLE = 0.5  # of the words of an h1, where there are several
MIN_SHARED_SUBTITLE = 0.8  # of the words of an h2 or h3, where there is no h1
MAX_HEADINGS = 20
MAX_NAME_WORDS = 5

_PUBLISHED_NAMES = """
article:published_time og:published_time og:article:published_time citation_publication_date citation_online_date
dc.date.issued dcterms.issued dcterms.created dc.date.created datepublished publishdate publish-date publish_date
pubdate parsely-pub-date sailthru.date article.published cxenseparse:recs:publishtime
"""
_PUBLISHED_META = _PUBLISHED_NAMES.split()
_DATED_META = ("date", "dc.date")  # of 5 pages where these differed from the day under the headline 4 were updates
_AUTHOR_META = (
    *("author", "citation_author", "parsely-author", "sailthru.author"),
    *("cxenseparse:author", "dc.creator", "dcterms.creator", "byl"),
)
_LABELLED = re.compile(r"written|author|posted by|verfasst|geschrieben|autor|écrit|auteur|scritto|door", re.IGNORECASE)
_TITLE_PARTS = re.compile(r"\s+[|»«›•·–—:-]+\s+|\s*[|»«]\s*")
_WORD = re.compile(r"\w+")
_CONJUNCTION = re.compile(r"\s+(?:and|und|et|y|e|og|och|&)\s+")
_ROLE = re.compile(
    r"(?:(?:admin\w*|anonymous|authors?|by|contributors?|editors?|editorial|guest|moderator|news|desk|post|redak\w+|redac\w+"
    r"|no|none|null|root|site|staff|support|team|the|undefined|unknown|users?|webmaster|writers?)\W*)+",
    re.IGNORECASE,
)
_OF_OTHERS = frozenset(
    ("Answer", "Comment", "Product", "Review", "UserReview", "Quotation", "Book", "Movie", "VideoObject", "ImageObject")
)
_NAME_CLASS = re.compile(r"author(?:-|__|_)?name|byline(?:-|__)name", re.IGNORECASE)
_AUTHOR_CLASS = re.compile(r"(?:post|entry|article)-author|(?:^|\s)author(?:$|\s)|byline")
_MARKED = (
    "//*[@rel='author' or @itemprop='author' or @itemprop='name'"
    " or contains(@class, 'author') or contains(@class, 'Author') or contains(@class, 'byline')]"
)
_POSTERS = "//*[contains(@class, 'username') or contains(@class, 'poster')]"
# What marks the author's name, the most reliable first.
_BYLINES: tuple[Callable[[HtmlElement], object], ...] = (
    lambda each: each.get("itemprop") == "name" and any(e.get("itemprop") == "author" for e in each.iterancestors()),
    lambda each: each.get("rel") == "author",
    lambda each: each.get("itemprop") == "author",
    lambda each: _NAME_CLASS.search(each.get("class", "")),
    lambda each: _AUTHOR_CLASS.search(each.get("class", "")),
)
_OTHERS = re.compile(r"\b(?:comment|repl(?:y|ies)|respond|related|sidebar|teaser|footer)", re.IGNORECASE)
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
    authors, authors_place = _authors(tree, data, kind, site_name, lines=lines, topics=tags)
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
    heading = _headline(tree, declared, head, site_name)
    text = None if heading is None else _heading(heading)
    known = set(_key(declared).split()) | set(_key(head).split())
    agrees = not known or not known.isdisjoint(_key(text).split())
    if text and heading is not None and (agrees if kind == "article" else not declared and _key(text) in _key(head)):
        return text, f"html:{heading.tag!s}", heading
    value = _without_site(declared or head, site_name)
    place = None if not value else f"meta:{name}" if name else "html:title"
    return value, place, heading


def _headline(tree: HtmlElement, declared: str | None, head: str | None, site_name: str | None) -> HtmlElement | None:
    """The only h1, or the heading that says most of what the head of the page says; never the name of the site."""
    known = set(_key(declared).split()) | set(_key(head).split())
    site = {_key(site_name), _site_in(head)} - {_key(declared), _key(head)}

    def share(heading: HtmlElement) -> float:
        words = set(_key(_heading(heading)).split())
        return len(words & known) / len(words) if len(words) > 1 else 0.0

    named = [each for each in tree.iter("h1") if (text := _heading(each)) and _key(text) not in site | {""}]
    h1 = [each for each in named if not _is_logo(each)]
    if len(h1) == 1:
        return h1[0]
    headings = [*h1, *([] if h1 else tree.iter("h2", "h3"))]
    best = max(headings[:MAX_HEADINGS], key=share, default=None)
    if best is not None and share(best) > (MIN_SHARED_TITLE if h1 else MIN_SHARED_SUBTITLE):
        return best
    return None


def _is_logo(heading: HtmlElement) -> bool:
    """Whether a heading leads to the start of the site."""
    links = [*heading.iter("a"), *(each for each in heading.iterancestors() if each.tag == "a")]
    text = _heading(heading) or ""
    return any(_HOME.fullmatch(link.get("href", "").strip()) and text in (_heading(link) or "") for link in links)


def _site_in(head: str | None) -> str:
    """What stands behind the last mark in the head's title, when it is shorter than what stands before."""
    marks = list(_TITLE_PARTS.finditer(head or ""))
    if not head or not marks:
        return ""
    title, site = head[: marks[-1].start()], head[marks[-1].end() :]
    return _key(site) if len(site) < len(title) else ""


def _heading(element: HtmlElement) -> str | None:
    line = one_line(element.text_content())
    return line if line and len(line) <= MAX_TITLE_CHARS else None


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


def _authors(
    tree: HtmlElement,
    data: StructuredData,
    kind: PageType,
    site_name: str | None,
    *,
    lines: list[ShownLine],
    topics: Collection[str],
) -> tuple[tuple[str, ...], str | None]:
    """The people that the first place to name any names. A post's author in a discussion is not the page's."""
    name, labelled = _meta_authors(data)
    for place, values in (("json-ld:author", _json_ld_authors(data)), (f"meta:{name}", labelled)):
        if names := _people(values, site_name):
            return names, place
    if _is_written(kind, data):
        if found := shown_authors(lines, topics):
            return found
        if names := _people(_bylines(tree, kind), site_name):
            return names, "html:author"
    return (), None


def _is_written(kind: PageType, data: StructuredData) -> bool:
    """Whether names and days near the headline are of the page: around a product they are those of its reviews."""
    return kind != "product" or bool(data.types() & ARTICLE_TYPES)


def _json_ld_authors(data: StructuredData) -> Iterator[str]:
    by_id = {node["@id"]: node for node in data.json_ld if isinstance(node.get("@id"), str) and node.get("name")}
    articles = [node for node in data.json_ld if json_ld_types(node) & (ARTICLE_TYPES | DISCUSSION_TYPES)]
    for node in (*articles, *data.json_ld):
        if not json_ld_types(node) & _OF_OTHERS and (names := list(_names(node.get("author"), by_id))):
            yield from names
            return


def _names(value: object, by_id: dict[str, dict[str, Any]]) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value[:20]:
            yield from _names(item, by_id) if not isinstance(item, list) else ()
    elif isinstance(value, dict):
        node = value if value.get("name") else by_id.get(str(value.get("@id")), {})
        types = json_ld_types(node)
        if "Organization" not in types or "Person" in types:
            name = node.get("name")
            yield from [name] if isinstance(name, str) else [n for n in name or () if isinstance(n, str)]


def _meta_authors(data: StructuredData) -> tuple[str, list[str]]:
    for name in _AUTHOR_META:
        if name in data.meta:
            return name, data.meta[name]
    label = _first(data, ["twitter:label1"])
    if label and _LABELLED.search(label):
        return "twitter:data1", data.meta.get("twitter:data1", [])
    return "article:author", data.meta.get("article:author", [])


def _bylines(tree: HtmlElement, kind: PageType) -> tuple[str, ...]:
    """What the best marked byline says that belongs to no comment and to no other page's teaser."""
    marked = tree.xpath(_MARKED)
    ranked = [each for marks in _BYLINES for each in [each for each in marked if marks(each)][:MAX_BYLINES]]
    for element in (*ranked, *(tree.xpath(_POSTERS)[:MAX_BYLINES] if kind == "discussion" else ())):
        line = one_line(element.get("content") or element.text_content()) or ""
        if len(line) <= MAX_BYLINE_CHARS and not _of_others(element) and (names := names_in(line)):
            return names
    return ()


def _of_others(element: HtmlElement) -> bool:
    return any(
        _OTHERS.search(f"{around.get('class', '')} {around.get('id', '')}")
        for around in (element, *element.iterancestors())
        if around.tag not in ("body", "html")
    )


def _people(values: Iterable[str], site_name: str | None) -> tuple[str, ...]:
    texts = [html.unescape(value) for value in values]  # some pages escape twice
    names = [name.strip(" ,") for text in texts for part in _by_conjunction(text) for name in _by_comma(part)]
    return tuple(
        name
        for name in author_names(names, site_name)
        if len(name.split()) <= MAX_NAME_WORDS and not _ROLE.fullmatch(name) and any(map(str.isalpha, name))
    )


def _by_conjunction(names: str) -> list[str]:
    """The names that an "and" joins; an institution may hold one: "Office for Mills and Weirs"."""
    parts = _CONJUNCTION.split(names)
    return parts if all(names_in(part) for part in parts) else [names]


def _by_comma(names: str) -> list[str]:
    """The names in a list by commas: "Kola, Ana" is one, and so is "Ana Kola, MD", without its degree."""
    parts = [part.strip() for part in names.split(",") if part.strip()]
    if len(parts) > 1 and all(len(part.split()) > 1 for part in parts):
        return parts
    return [parts[0]] if len(parts) == 2 and len(parts[0].split()) > 1 else [names]


def _published(
    tree: HtmlElement, data: StructuredData, kind: PageType, url: str | None, lines: list[ShownLine]
) -> tuple[dt.date | None, str | None]:
    """The day that the first place to name one names: what is declared, the lines near the headline, the address."""
    found = [(day, place) for place, value in _declared_days(data) if (day := _day(value))]
    if not found:
        marked = tree.xpath("//*[@itemprop='datePublished' or @pubdate]")[:1]
        days = [_day(element.get("datetime") or element.get("content")) for element in marked]
        found = [(day, "html:datePublished") for day in days if day]
    if _is_written(kind, data) and (shown := shown_day(lines, lambda: tree.get("lang", ""))):
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
    others = [node for node in data.json_ld if not json_ld_types(node) & _OF_OTHERS]
    node = next((node for node in (*articles, *others) if node.get("datePublished")), {})
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
                values[f"json-ld:{name}"] = [*values.get(f"json-ld:{name}", []), *items]
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
    return next((one_line(html.unescape(data.meta[name][0])) for name in names if name in data.meta), None)


def _key(text: str | None) -> str:
    return " ".join(_WORD.findall((text or "").lower()))
