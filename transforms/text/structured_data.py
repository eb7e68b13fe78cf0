"""What a page declares of itself for machines: JSON-LD, Open Graph and other meta elements, microdata."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from lxml.html import HtmlElement

MAX_JSON_LD_CHARS = 1_000_000
MAX_JSON_LD_NODES = 20_000

_ARTICLES = """
AdvertiserContentArticle AnalysisNewsArticle Article AskPublicNewsArticle BackgroundNewsArticle BlogPosting
LiveBlogPosting MedicalScholarlyArticle NewsArticle OpinionNewsArticle Report ReportageNewsArticle ReviewNewsArticle
ScholarlyArticle SocialMediaPosting TechArticle
"""
ARTICLE_TYPES = frozenset(_ARTICLES.split())
DISCUSSION_TYPES = frozenset(("DiscussionForumPosting", "QAPage"))
PRODUCT_TYPES = frozenset(("Product", "ProductGroup"))


@dataclasses.dataclass(frozen=True, slots=True)
class StructuredData:
    """The declarations of one page."""

    json_ld: tuple[dict[str, Any], ...]  # every object, in order, those inside others too
    meta: dict[str, list[str]]  # contents by name, property or itemprop in lower case
    microdata_types: frozenset[str]  # of schema.org, without the address

    def types(self) -> frozenset[str]:
        """The schema.org types that the page declares anywhere."""
        return self.microdata_types.union(*(json_ld_types(node) for node in self.json_ld))


def read_structured_data(tree: HtmlElement) -> StructuredData:
    """The declarations of a page; what can't be parsed is as if it were not there."""
    nodes: list[dict[str, Any]] = []
    for script in tree.iter("script"):
        if "ld+json" in script.get("type", "").lower():
            nodes.extend(_objects(_json(script.text or "")))
    meta: dict[str, list[str]] = {}
    for element in tree.iter("meta"):
        name = element.get("property") or element.get("name") or element.get("itemprop")
        if name and (content := element.get("content", "").strip()):
            meta.setdefault(name.strip().lower(), []).append(content)
    types = {str(value).rstrip("/").rpartition("/")[2] for value in tree.xpath("//@itemtype")}
    return StructuredData(tuple(nodes[:MAX_JSON_LD_NODES]), meta, frozenset(types))


def json_ld_types(node: dict[str, Any]) -> frozenset[str]:
    """The types of one JSON-LD object, without the address of the vocabulary.

    >>> sorted(json_ld_types({"@type": ["https://schema.org/NewsArticle", "Article"]}))
    ['Article', 'NewsArticle']
    """
    declared = node.get("@type")
    values = declared if isinstance(declared, list) else [declared]
    return frozenset(value.rpartition("/")[2] for value in values if isinstance(value, str))


def _json(text: str) -> object:
    if len(text) > MAX_JSON_LD_CHARS:
        return None
    try:
        return json.loads(text, strict=False)  # line ends inside strings are common
    except (ValueError, RecursionError):
        return None


def _objects(value: object) -> Iterator[dict[str, Any]]:
    """All objects in a JSON value, the outer before the inner, in the order of the page."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(reversed(list(value.values())))
        elif isinstance(value, list):
            waiting.extend(reversed(value))
