"""The authors of a page, from the most reliable place that names any."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from lxml.html import HtmlElement

from transforms.text.extraction import author_names, one_line
from transforms.text.names import names_in
from transforms.text.page_head import MAX_ELEMENT_CHARS, ShownLine, is_written, short_text, shown_authors
from transforms.text.page_type import PageType
from transforms.text.structured_data import ARTICLE_TYPES, DISCUSSION_TYPES, StructuredData, json_ld_types

MAX_BYLINE_CHARS = 80
MAX_BYLINES = 8  # elements of a kind that are looked at
MAX_NAME_WORDS = 5
MAX_AUTHORS = 100
MAX_AUTHOR_CHARS = 1_000  # a longer value is no list of names, and its beginning may end inside one
MAX_MARKED_AROUND = 8  # elements around a name: more lie between no name and the author's element

_AUTHOR_META = (
    *("author", "citation_author", "parsely-author", "sailthru.author"),
    *("cxenseparse:author", "dc.creator", "dcterms.creator", "byl"),
)
_LABELLED = re.compile(r"written|author|posted by|verfasst|geschrieben|autor|écrit|auteur|scritto|door", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_CONJUNCTION = re.compile(r"\s+(?:and|und|et|y|e|og|och|&)\s+")
_ROLE_WORD = re.compile(
    r"admin\w*|redak\w+|redac\w+"
    r"|(?:anonymous|authors?|by|contributors?|editors?|editorial|guest|moderator|news|desk|post"
    r"|no|none|null|root|site|staff|support|team|the|undefined|unknown|users?|webmaster|writers?)+",
    re.IGNORECASE,
)
OF_OTHERS = frozenset(
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
    lambda each: each.get("itemprop") == "name" and _inside_author(each),
    lambda each: each.get("rel") == "author",
    lambda each: each.get("itemprop") == "author",
    lambda each: _NAME_CLASS.search(each.get("class", "")),
    lambda each: _AUTHOR_CLASS.search(each.get("class", "")),
)
_OTHERS = re.compile(r"\b(?:comment|repl(?:y|ies)|respond|related|sidebar|teaser|footer)", re.IGNORECASE)


def page_authors(
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
    if is_written(kind, data):
        if found := shown_authors(lines, topics):
            return found
        if names := _people(_bylines(tree, kind), site_name):
            return names, "html:author"
    return (), None


def _json_ld_authors(data: StructuredData) -> Iterator[str]:
    by_id = {node["@id"]: node for node in data.json_ld if isinstance(node.get("@id"), str) and node.get("name")}
    articles = [node for node in data.json_ld if json_ld_types(node) & (ARTICLE_TYPES | DISCUSSION_TYPES)]
    for node in (*articles, *data.json_ld):
        if not json_ld_types(node) & OF_OTHERS and (names := list(_names(node.get("author"), by_id))):
            yield from names
            return


def _names(value: object, by_id: dict[str, dict[str, Any]]) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value[:20]:
            yield from _names(item, by_id) if not isinstance(item, list) else ()
    elif isinstance(value, dict):
        key = value.get("@id")
        node = value if value.get("name") else by_id.get(key, {}) if isinstance(key, str) else {}
        types = json_ld_types(node)
        if "Organization" not in types or "Person" in types:
            name = node.get("name")
            names = name if isinstance(name, list) else [name]
            yield from (each for each in names if isinstance(each, str))


def _meta_authors(data: StructuredData) -> tuple[str, list[str]]:
    for name in _AUTHOR_META:
        if name in data.meta:
            return name, data.meta[name]
    label = data.meta.get("twitter:label1", [""])[0]
    if _LABELLED.search(label):
        return "twitter:data1", data.meta.get("twitter:data1", [])
    return "article:author", data.meta.get("article:author", [])


def _bylines(tree: HtmlElement, kind: PageType) -> tuple[str, ...]:
    """What the best marked byline says that belongs to no comment and to no other page's teaser."""
    marked = tree.xpath(_MARKED)
    ranked = [each for marks in _BYLINES for each in itertools.islice(filter(marks, marked), MAX_BYLINES)]
    posters = tree.xpath(_POSTERS)[:MAX_BYLINES] if kind == "discussion" else []
    for element in dict.fromkeys((*ranked, *posters)):
        declared = element.get("content")
        line = one_line(declared[:MAX_ELEMENT_CHARS]) if declared else short_text(element, MAX_BYLINE_CHARS)
        if line and len(line) <= MAX_BYLINE_CHARS and not _of_others(element) and (names := names_in(line)):
            return names
    return ()


def _inside_author(element: HtmlElement) -> bool:
    around = itertools.islice(element.iterancestors(), MAX_MARKED_AROUND)
    return any(each.get("itemprop") == "author" for each in around)


def _of_others(element: HtmlElement) -> bool:
    return any(
        _OTHERS.search(f"{around.get('class', '')} {around.get('id', '')}")
        for around in (element, *element.iterancestors())
        if around.tag not in ("body", "html")
    )


def _people(values: Iterable[str], site_name: str | None) -> tuple[str, ...]:
    texts = filter(None, map(_tidy_author, itertools.islice(values, MAX_AUTHORS)))
    names = [name.strip(" ,") for text in texts for part in _by_conjunction(text) for name in _by_comma(part)]
    return tuple(
        name
        for name in author_names(names, site_name)
        if len(name.split()) <= MAX_NAME_WORDS and any(map(str.isalpha, name)) and not _is_role(name)
    )


def _tidy_author(value: str) -> str:
    """A value of one line or several, without the white space around them; nothing where it is too long."""
    lines = "\n".join(line for part in value.split("\n") if (line := one_line(part)))
    return html.unescape(lines) if len(lines) <= MAX_AUTHOR_CHARS else ""  # some pages escape twice


def _is_role(name: str) -> bool:
    return all(map(_ROLE_WORD.fullmatch, _WORD.findall(name)))


def _by_conjunction(names: str) -> list[str]:
    """The names that an "and" joins; an institution may hold one: "Office for Mills and Weirs"."""
    parts = _CONJUNCTION.split(names)
    return parts if len(parts) > 1 and all(map(names_in, parts)) else [names]


def _by_comma(names: str) -> list[str]:
    """The names in a list by commas: "Kola, Ana" is one, and so is "Ana Kola, MD", without its degree."""
    parts = [part.strip() for part in names.split(",") if part.strip()]
    if len(parts) > 1 and all(len(part.split()) > 1 for part in parts):
        return parts
    return [parts[0]] if len(parts) == 2 and len(parts[0].split()) > 1 else [names]
