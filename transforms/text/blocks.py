"""A page as its blocks of text, each with what the markup around it says."""

from __future__ import annotations

import dataclasses
import functools
import re

from lxml.html import HtmlElement

_NO_TEXT_TAGS = """
audio canvas datalist embed head iframe input link map math meta noscript object option script select source style svg
template textarea title video
"""
_BLOCK_TAGS = """
address article aside blockquote button caption center dd details dialog div dl dt fieldset figcaption figure footer
form frameset h1 h2 h3 h4 h5 h6 header hgroup hr label legend li main menu nav ol p pre section summary table tbody td
tfoot th thead tr ul
"""
_WITHOUT_TEXT = frozenset(_NO_TEXT_TAGS.split())
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_CELLS = frozenset(("td", "th"))

_OF_TAG = {
    **dict.fromkeys(("nav", "article", "footer", "header", "aside", "form", "main", "dialog", "figure"), ""),
    **dict.fromkeys(("ul", "ol", "dl"), "list"),
    **dict.fromkeys(("button", "label"), "button"),
    "table": "table",
    "blockquote": "quote",
    "details": "details",
}
_OF_ROLE = {
    **dict.fromkeys(("navigation", "menu", "menubar", "tablist"), "nav"),
    **dict.fromkeys(("dialog", "alertdialog"), "dialog"),
    "banner": "header",
    "contentinfo": "footer",
    "complementary": "aside",
    "main": "main",
    "article": "article",
}
_OF_ITEMPROP = frozenset(("articleBody", "description", "mainContentOfPage", "reviewBody", "text"))
# What the words in `class` and `id` say, whatever the site: the vocabulary of themes and platforms.
_CLASS_WORDS = {
    "class:nav": "nav|menu|navbar|navigation|megamenu|breadcrumb|crumb|pagination|pager|toc|tabs?bar|topbar|toolbar"
    "|skip",
    "class:foot": "footer|foot|copyright|colophon|legal|disclaimer|bottom",
    "class:head": "header|masthead|site.?head|banner|hero",
    "class:side": "sidebar|side|aside|rail|widget|secondary|right.?col",
    "class:related": "related|recommend|recommended|recommendation|also|more|similar|trending|popular|most|upsell"
    "|cross.?sell|recent|latest|next|prev|previous|teaser|read.?next|suggest|carousel|slider|swiper",
    "class:social": "share|sharing|social|follow|facebook|twitter|addthis|sharedaddy|like",
    "class:comment": "comment|disqus|respond|reply|replies|discussion|livefyre|commentlist",
    "class:promo": "newsletter|subscribe|subscription|signup|sign.?up|promo|promotion|cta|advert|ads?|adsense|sponsor"
    "|sponsored|outbrain|taboola|donate|paywall|offer",
    "class:consent": "cookie|consent|gdpr|ccpa|onetrust|cookielaw|popup|modal|overlay|lightbox|drawer|off.?canvas"
    "|dialog|toast|notification|alert",
    "class:form": "form|search|login|log.?in|sign.?in|register|account|cart|basket|checkout|mini.?cart|wishlist|filter"
    "|facet|sort|refine|quantity|variant|swatch|select|dropdown|input|button|btn",
    "class:review": "review|testimonial|rating|ugc",
    "class:body": "content|article|body|text|entry|post|story|main|page|prose|rte|markdown|copy|rich.?text|wysiwyg"
    "|description|detail|spec|feature|summary|accordion|tab.?panel|faq|product",
    "class:hidden": "hidden|hide|sr.?only|visually.?hidden|screen.?reader|print.?only|d-none",
}

MARKS = tuple(
    dict.fromkeys([mark or tag for tag, mark in _OF_TAG.items()] + [*_CLASS_WORDS, "itemprop:text", "hidden"])
)
"""What a container can be marked as, by its tag or role, the words of its class, its itemprop, or for being hidden."""

_BIT = {mark: 1 << number for number, mark in enumerate(MARKS)}
_TAG_BITS = {tag: _BIT[mark or tag] for tag, mark in _OF_TAG.items()}
_ROLE_BITS = {role: _BIT[mark] for role, mark in _OF_ROLE.items()}
_CLASS_PATTERNS = {
    _BIT[mark]: re.compile(rf"(?:^|[\W_\d])(?:{words})s?(?:$|[\W_\d])") for mark, words in _CLASS_WORDS.items()
}
_ANY_CLASS_WORD = re.compile("|".join(_CLASS_WORDS.values()))
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_DIGITS = re.compile(r"\d+")
_NOT_DISPLAYED = re.compile(r"display\s*:\s*none", re.IGNORECASE)


@dataclasses.dataclass(slots=True)
class Container:
    """An element that holds blocks, with the text of everything in it."""

    parent: int  # number of the container around it; the body's own is 0
    tag: str
    marks: int  # bits of `MARKS`, those of the containers around it included
    own_marks: int  # bits of its own
    template: str  # its tag and class without digits: equal where a page repeats a structure
    chars: int = 0
    link_chars: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """A run of text that no block element divides: a paragraph, a heading, a list item, a row of a table."""

    text: str  # spaces squeezed, lines as the page breaks them
    link_chars: int  # code points of it that are links
    container: int  # number of the innermost container


@dataclasses.dataclass(slots=True)
class Layout:
    """The blocks of a page in order, and their containers, each after the one around it."""

    blocks: list[Block]
    containers: list[Container]


def page_layout(body: HtmlElement) -> Layout:
    """The blocks of a body and the containers they stand in; scripts, form fields and media have none.

    Walks as deep as the page is nested: the parser stops at 256.
    """
    reader = _Reader()
    reader.add(body.text)
    reader.read(body)
    reader.end_block()
    containers = reader.layout.containers
    for container in reversed(containers[1:]):
        containers[container.parent].chars += container.chars
        containers[container.parent].link_chars += container.link_chars
    return reader.layout


class _Reader:
    """Where the walk through a page stands: the open containers, and the pieces of the block that has begun."""

    def __init__(self) -> None:
        self.layout = Layout([], [Container(0, "body", 0, 0, "body")])
        self.path = [0]
        self.pieces: list[str] = []
        self.link_chars = 0
        self.links = 0  # open <a> elements

    def read(self, parent: HtmlElement) -> None:
        for element in parent:
            tag = str(element.tag)
            if tag in _BLOCKS:
                self.read_container(element, tag)
            elif tag not in _WITHOUT_TEXT:
                self.read_inline(element, tag)
            if tail := element.tail:
                self.add(tail)

    def read_container(self, element: HtmlElement, tag: str) -> None:
        is_cell = tag in _CELLS
        if not is_cell:
            self.end_block()
        elif self.pieces:
            self.pieces.append(" | ")  # the cells of a row are one block
        containers, around = self.layout.containers, self.path[-1]
        marks, template = _marks(tag, element.items()), _template(tag, element.get("class"))
        containers.append(Container(around, tag, containers[around].marks | marks, marks, template))
        self.path.append(len(containers) - 1)
        if text := element.text:
            self.add(text)
        self.read(element)
        if not is_cell:
            self.end_block()
        self.path.pop()

    def read_inline(self, element: HtmlElement, tag: str) -> None:
        if tag == "br":
            self.pieces.append("\v")  # source lines end in \n and mean nothing
        is_link = tag == "a"
        self.links += is_link
        self.add(element.text)
        self.read(element)
        self.links -= is_link

    def add(self, text: str | None) -> None:
        if text:
            self.pieces.append(text)
            if self.links:
                self.link_chars += len(text.strip())

    def end_block(self) -> None:
        if not self.pieces:
            return
        text = "".join(self.pieces)
        if not text.isspace():  # two in three are the white space between two tags
            self.add_block(text)
        self.pieces, self.link_chars = [], 0

    def add_block(self, text: str) -> None:
        container = self.layout.containers[self.path[-1]]
        text = _squeeze(text, preformatted=container.tag == "pre")
        if text.strip(" |"):
            link_chars = min(self.link_chars, len(text))
            container.chars += len(text)
            container.link_chars += link_chars
            self.layout.blocks.append(Block(text, link_chars, self.path[-1]))


def _squeeze(text: str, *, preformatted: bool) -> str:
    if preformatted:
        return "\n".join(line.rstrip() for line in re.split("[\n\v]", text) if line.strip())
    if "\v" not in text:
        return " ".join(text.split())
    return "\n".join(line for piece in text.split("\v") if (line := " ".join(piece.split())))


def _marks(tag: str, attributes: list[tuple[str, str]]) -> int:
    """The bits of what an element itself is marked as."""
    marks = _TAG_BITS.get(tag, 0)
    for name, value in attributes:
        if name in ("class", "id"):
            marks |= _class_marks(value)
        elif name == "role":
            marks |= _ROLE_BITS.get(value, 0)
        elif name == "itemprop" and value in _OF_ITEMPROP:
            marks |= _BIT["itemprop:text"]
        elif _is_hidden(name, value):
            marks |= _BIT["hidden"]
    return marks


def _is_hidden(name: str, value: str) -> bool:
    if name == "style":
        return _NOT_DISPLAYED.search(value) is not None
    return name == "hidden" or (name == "aria-hidden" and value == "true")


@functools.lru_cache(maxsize=8192)
def _class_marks(value: str) -> int:
    marks = 0
    for name in value[:400].split():
        marks |= _name_marks(name)
    return marks


@functools.lru_cache(maxsize=32768)
def _name_marks(name: str) -> int:
    words = _CAMEL_CASE.sub("-", name).lower()
    if not _ANY_CLASS_WORD.search(words):  # so it is with nine names in ten
        return 0
    return sum(bit for bit, pattern in _CLASS_PATTERNS.items() if pattern.search(words))


@functools.lru_cache(maxsize=8192)
def _template(tag: str, classes: str | None) -> str:
    return f"{tag}.{_DIGITS.sub('', classes)}" if classes else tag
