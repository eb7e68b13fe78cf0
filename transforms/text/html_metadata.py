"""Title, authors, date, site, tags and address of a page, each from the most reliable place that names it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from htmldate import find_date
from lxml.html import HtmlElement

from transforms.text.extraction import author_names, one_line, parse_date, unique_lines
from transforms.text.page_type import PageType
from transforms.text.structured_data import ARTICLE_TYPES, DISCUSSION_TYPES, StructuredData, json_ld_types

MAX_TITLE_CHARS = 300
MAX_BYLINE_CHARS = 80
MAX_BYLINES = 8  # elements of a kind that are looked at
MIN_SHARED_TITLE = 0.5  # of the words of an h1
MAX_NAME_WORDS = 5

_PUBLISHED_NAMES = """
article:published_time og:published_time og:article:published_time citation_publication_date citation_online_date
dc.date.issued dcterms.issued dc.date dcterms.created dc.date.created datepublished date publishdate publish-date
publish_date pubdate parsely-pub-date sailthru.date article.published cxenseparse:recs:publishtime
"""
_PUBLISHED_META = _PUBLISHED_NAMES.split()
_AUTHOR_META = (
    *("author", "citation_author", "parsely-author", "sailthru.author"),
    *("dc.creator", "dcterms.creator", "byl"),
)
_LABELLED = re.compile(r"written|author|posted by|verfasst|geschrieben|autor|écrit|auteur|scritto|door", re.IGNORECASE)
_TITLE_PARTS = re.compile(r"\s+[|»«›•·–—:-]+\s+|\s*[|»«]\s*")
_WORD = re.compile(r"\w+")
_CONJUNCTION = re.compile(r"\s+(?:and|und|et|y|e|og|och|&)\s+")
_ROLE = re.compile(
    r"(?:(?:admin\w*|anonymous|authors?|by|contributors?|editors?|editorial|guest|moderator|news|desk|post|redak\w+|redac\w+"
    r"|no|root|site|staff|support|team|the|unknown|users?|webmaster|writers?)\W*)+",
    re.IGNORECASE,
)
_AFTER_NAME = re.compile(
    r"\s*(?:[|•·–—(@]|[\s,]\d|\b(?:[Ll]ast |[Oo]n|[Uu]pdated|[Pp]ublished|[Pp]osted|[Ss]ays|am)\b).*"
)
_OF_READERS = frozenset(("Answer", "Comment", "Product", "Review", "UserReview", "Quotation", "Book", "Movie"))
_NAME_CLASSES = ("author-name", "author__name", "author_name", "authorName", "byline-name", "byline__name")
_AUTHOR_CLASSES = ("post-author", "entry-author", "article-author")
_BYLINES = (
    "//*[@itemprop='author']//*[@itemprop='name']",
    "//*[@rel='author']",
    "//*[@itemprop='author']",
    f"//*[{' or '.join(f'contains(@class, {name!r})' for name in _NAME_CLASSES)}]",
    f"//*[{' or '.join(f'contains(@class, {name!r})' for name in _AUTHOR_CLASSES)}]",
    "//*[contains(concat(' ', @class, ' '), ' author ')]",
    "//*[contains(@class, 'byline')]",
)
_FIRST_POSTER = "//*[contains(@class, 'username') or contains(@class, 'author') or contains(@class, 'poster')]"
_OTHERS = re.compile(r"\b(?:comment|repl(?:y|ies)|respond|related|sidebar|teaser|footer)", re.IGNORECASE)
_BYLINE_PREFIX = re.compile(
    r"(?:(?:written|posted|geschrieben|publié|escrito|scritto)\s+)?(?:by|von|vom|par|por|di|door|av|af)\b\s*:?\s*"
    r"|(?:author|autor|auteur|autore)s?(?:in)?\s*:?\s+",
    re.IGNORECASE,
)
_URL_DAY = re.compile(r"/((?:19|20)\d\d)[/-]([01]?\d)[/-]([0-3]?\d)(?:/|-|\b)")
# The search in running text is left out: it costs most of the time. A fixed last day replaces the library's own, which
# is today, so that a page says the same whenever it is read.
_DATE_SEARCH: dict[str, Any] = {"original_date": True, "extensive_search": False, "max_date": "2099-12-31"}


@dataclasses.dataclass(frozen=True, slots=True)
class PageMetadata:
    """What a page says of itself; None or nothing where it does not."""

    title: str | None
    authors: tuple[str, ...]
    published_date: dt.date | None
    site_name: str | None
    tags: tuple[str, ...]
    url: str | None


def read_page_metadata(tree: HtmlElement, data: StructuredData, kind: PageType, url: str | None) -> PageMetadata:
    """The metadata of a page; a value that is in doubt is left out. `url` is where the page was published."""
    site_name = _site_name(data)
    return PageMetadata(
        title=_title(tree, data, kind, site_name),
        authors=_authors(tree, data, kind, site_name),
        published_date=_published(tree, data, kind, url),
        site_name=site_name,
        tags=_tags(data),
        url=_canonical(tree, data) or url,
    )


def _title(tree: HtmlElement, data: StructuredData, kind: PageType, site_name: str | None) -> str | None:
    """The heading that a reader takes for the title: the h1 that the head of the page confirms, else the head's title.

    The titles in the head are often written anew for search engines: where a page with an article has one h1, it was
    right for 92 %, the Open Graph title for 81 %. Other pages have slogans as h1, so they must say nearly the same.
    """
    head = one_line(tree.findtext("head/title") or tree.findtext(".//title"))
    declared = _first(data, ["og:title", "twitter:title", "citation_title", "dc.title"]) or head
    known = set(_key(declared).split()) | set(_key(head).split())
    site = {_key(site_name), _key(_TITLE_PARTS.split(head)[-1]) if head and _TITLE_PARTS.search(head) else ""}
    headings = [line for element in tree.iter("h1") if (line := _heading(element)) and _key(line) not in site]
    best = max(headings[:10], key=lambda line: len(known & set(_key(line).split())), default=None)
    if best:
        words = set(_key(best).split())
        if len(words & known) > (0 if kind == "article" else MIN_SHARED_TITLE * len(words)):
            return best
    return _without_site(declared, site_name)


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


def _authors(tree: HtmlElement, data: StructuredData, kind: PageType, site_name: str | None) -> tuple[str, ...]:
    """The people that the first place to name any names. A post's author in a discussion is not the page's."""
    for read in (_json_ld_authors, _meta_authors):
        if names := _people(read(data), site_name):
            return names
    if kind == "product":
        return ()
    for path in (*_BYLINES, _FIRST_POSTER) if kind == "discussion" else _BYLINES:
        if names := _people(_bylines(tree, path), site_name):
            return names
    return ()


def _json_ld_authors(data: StructuredData) -> Iterator[str]:
    by_id = {node["@id"]: node for node in data.json_ld if isinstance(node.get("@id"), str) and node.get("name")}
    articles = [node for node in data.json_ld if json_ld_types(node) & (ARTICLE_TYPES | DISCUSSION_TYPES)]
    for node in (*articles, *data.json_ld):
        if not json_ld_types(node) & _OF_READERS and (names := list(_names(node.get("author"), by_id))):
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
        if "Organization" not in json_ld_types(node):
            name = node.get("name")
            yield from [name] if isinstance(name, str) else [n for n in name or () if isinstance(n, str)]


def _meta_authors(data: StructuredData) -> list[str]:
    for name in _AUTHOR_META:
        if name in data.meta:
            return data.meta[name]
    label = _first(data, ["twitter:label1"])
    if label and _LABELLED.search(label):
        return data.meta.get("twitter:data1", [])
    return data.meta.get("article:author", [])


def _bylines(tree: HtmlElement, path: str) -> list[str]:
    """What the first element by this path says, unless it belongs to a comment or to another page's teaser."""
    for element in tree.xpath(path)[:MAX_BYLINES]:
        line = _BYLINE_PREFIX.sub("", one_line(element.get("content") or element.text_content()) or "")
        line = _AFTER_NAME.sub("", line).strip(" ,-")
        if line and len(line) <= MAX_BYLINE_CHARS and not _ROLE.fullmatch(line) and not _of_others(element):
            return [line]
    return []


def _of_others(element: HtmlElement) -> bool:
    return any(
        _OTHERS.search(f"{around.get('class', '')} {around.get('id', '')}")
        for around in (element, *element.iterancestors())
        if around.tag not in ("body", "html")
    )


def _people(values: Iterable[str], site_name: str | None) -> tuple[str, ...]:
    names = [name for value in values for part in _CONJUNCTION.split(value) for name in _by_comma(part)]
    return tuple(
        name
        for name in author_names(names, site_name)
        if len(name.split()) <= MAX_NAME_WORDS and not _ROLE.fullmatch(name) and any(map(str.isalpha, name))
    )


def _by_comma(names: str) -> list[str]:
    """The names in a list by commas: "Kola, Ana" is one, and so is "Ana Kola, MD", without its degree."""
    parts = [part.strip() for part in names.split(",") if part.strip()]
    if len(parts) > 1 and all(len(part.split()) > 1 for part in parts):
        return parts
    return [parts[0]] if len(parts) == 2 and len(parts[0].split()) > 1 else [names]


def _published(tree: HtmlElement, data: StructuredData, kind: PageType, url: str | None) -> dt.date | None:
    articles = [node for node in data.json_ld if json_ld_types(node) & ARTICLE_TYPES]
    for read in _dates(tree, data, articles, url):
        if day := parse_date(read()):
            return day
    return None if kind == "product" else _searched_date(tree)


def _dates(
    tree: HtmlElement, data: StructuredData, articles: list[dict[str, Any]], url: str | None
) -> Iterator[Callable[[], object]]:
    """Places that name a day of publication, the most reliable first."""
    for nodes in (articles, data.json_ld):
        yield functools.partial(_declared_day, nodes)
    yield lambda: _first(data, _PUBLISHED_META)
    yield lambda: next(iter(tree.xpath("//time[@pubdate or @itemprop='datePublished']/@datetime")), None)
    yield lambda: next(iter(tree.xpath("//*[@itemprop='datePublished']/@content")), None)
    yield lambda: _day_in_address(_canonical(tree, data) or url)


def _declared_day(nodes: Iterable[dict[str, Any]]) -> object:
    return next((node["datePublished"] for node in nodes if node.get("datePublished")), None)


def _day_in_address(url: str | None) -> str | None:
    match = _URL_DAY.search(url or "")
    return f"{match[1]}-{int(match[2]):02}-{int(match[3]):02}" if match else None


def _searched_date(tree: HtmlElement) -> dt.date | None:
    return parse_date(find_date(tree, **_DATE_SEARCH))


def _site_name(data: StructuredData) -> str | None:
    publisher: dict[str, Any] = next((n["publisher"] for n in data.json_ld if isinstance(n.get("publisher"), dict)), {})
    site: dict[str, Any] = next((node for node in data.json_ld if "WebSite" in json_ld_types(node)), {})
    for value in (
        _first(data, ["og:site_name"]),
        publisher.get("name"),
        site.get("name"),
        _first(data, ["application-name"]),
    ):
        if isinstance(value, str) and (line := one_line(value)):
            return line
    return None


def _tags(data: StructuredData) -> tuple[str, ...]:
    values: list[str] = [*data.meta.get("keywords", []), *data.meta.get("article:tag", [])]
    for node in data.json_ld:
        if json_ld_types(node) & ARTICLE_TYPES:
            for name in ("keywords", "articleSection"):
                value = node.get(name)
                values.extend(item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str))
    return unique_lines(tag for value in values for tag in value.split(","))


def _canonical(tree: HtmlElement, data: StructuredData) -> str | None:
    links = [link.get("href", "") for link in tree.iter("link") if "canonical" in link.get("rel", "").lower().split()]
    for address in (*links, *data.meta.get("og:url", [])):
        if address.strip().startswith(("https://", "http://")):
            return one_line(address)
    return None


def _first(data: StructuredData, names: Iterable[str]) -> str | None:
    return next((one_line(data.meta[name][0]) for name in names if name in data.meta), None)


def _key(text: str | None) -> str:
    return " ".join(_WORD.findall((text or "").lower()))
