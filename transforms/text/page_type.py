"""What kind of page a page says it is."""

from __future__ import annotations

import re
from typing import Literal

from lxml.html import HtmlElement

from transforms.text.structured_data import ARTICLE_TYPES, DISCUSSION_TYPES, PRODUCT_TYPES, StructuredData

PageType = Literal["article", "discussion", "product", "page"]

_FORUM_SOFTWARE = re.compile(
    r"\b(?:discourse|flarum|invision|ips4?|mybb|nodebb|phpbb|smf|vanilla ?forums?|vbulletin|xenforo|yabb)",
    re.IGNORECASE,
)


def page_type(data: StructuredData, tree: HtmlElement) -> PageType:
    """The kind of page by its structured data and the software that made it; "page" when it does not say.

    Of 249 pages of known kinds, 13 of 18 discussions say so and no other page does; 17 of 19 products and 10 others,
    mostly shelves of products; 90 of 120 articles and 16 others.
    """
    types = data.types()
    declared = data.meta.get("og:type", [""])[0].lower()
    if types & DISCUSSION_TYPES or _FORUM_SOFTWARE.search(" ".join(data.meta.get("generator", []))):
        return "discussion"
    if _FORUM_SOFTWARE.search(f"{tree.get('id', '')} {tree.get('class', '')}") or tree.get("id") == "XF":
        return "discussion"
    if types & PRODUCT_TYPES or declared.startswith(("product", "og:product")):
        return "product"
    if declared.startswith("article") or types & ARTICLE_TYPES or "article:published_time" in data.meta:
        return "article"
    return "page"
