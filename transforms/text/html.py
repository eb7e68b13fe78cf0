"""HTML to its main text and metadata: trafilatura's fast extraction, and trees that judge every block of the page.

A page is parsed once. What trafilatura took is evidence to the trees, which also see what it missed: posts, cards,
tables, sections of services and manuals. On a page that says it is an article its text stands, unless the trees promise
more; everywhere else the blocks that the trees chose are the text. On sites that the trees had not seen, extraction
alone: word F1 over seven kinds of page .877, of trafilatura's full cascade .835; shingle F1 on news .967 and .954; F1
of snippets .930 and .919 (`benchmarks/quality.py`).
"""

from __future__ import annotations

import dataclasses
import logging
import re
import urllib.parse

import numpy as np
from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring
from numpy.typing import NDArray
from trafilatura import bare_extraction, html2txt
from trafilatura.settings import Document
from trafilatura.utils import repair_faulty_html

from schemas.records import InputError
from transforms.text.block_evidence import PageContext
from transforms.text.blocks import Layout, page_layout
from transforms.text.decode import sanitise
from transforms.text.extraction import Extraction
from transforms.text.html_metadata import PageMetadata, read_page_metadata
from transforms.text.main_blocks import JudgedBlocks, judge_blocks
from transforms.text.page_type import PageType, page_type
from transforms.text.structured_data import read_structured_data

MIN_GAIN = 0.05
"""How much more word F1 the trees must promise on an article than they give trafilatura's text, to replace it.

Articles are what trafilatura is made for: shingle F1 on news is .970 so, and .961 when the trees always choose.
"""

MAX_BLOCKS = 50_000
"""Of a page with more the fast extraction is the text: the evidence takes 1.3 KiB a block, and a page that people read
has a few thousand."""

MIN_NOSCRIPT_CHARS = 600

MIN_REPAIRED_CHARS = 4096
"""How much of a page trafilatura is to repair, to the end of the line: it looks no further for a faulty first line or
`<html/>`, and the control characters that it would search all of the page for are gone from decoded text."""

# libxml2's HTML parser ends a document type at its first ">" and shows the rest of an internal subset as text.
_PROLOGUE = re.compile(r"\A\s*(?:<\?xml[^>]*>\s*)?(?:<!DOCTYPE[^>\[]*\[[^\]]*\]\s*>)?", re.IGNORECASE)
# References to control characters come out of the parser as such, and trafilatura gives up a page (1 of 1,050 had one).
_CONTROL_REFERENCE = re.compile(r"&#(?:x0*(?:[0-8bcef]|1[\da-f])|0*(?:[0-8]|1[124-9]|2\d|3[01]));", re.IGNORECASE)

# One class for every element: lxml.html's own lookup asks a Python function at each element that is touched.
_ONE_CLASS = etree.ElementDefaultClassLookup(element=HtmlElement)

for _library in ("trafilatura", "courlan"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)  # a line for every odd page, which the rows say already


def extract_html(html: str, url: str | None = None) -> Extraction:
    """The main text of a page, one block per line, and the metadata it declares; the text is empty when it shows none.

    `html` is sanitised text, as `decode` gives it. `url` is where the page was published, and is given back when the
    page names no address itself; the text does not depend on it. Tables and lists are in the text, posts of a
    discussion too, readers' comments on an article are not. Deterministic: no state is kept from page to page. Raises
    `InputError` ("parse") for a page that the parser or the extractor can't stand.
    """
    try:
        return _extract(html, url)
    except (MemoryError, InputError):
        raise  # a worker at its memory limit is told as such
    except Exception as error:  # third-party code on hostile input raises anything, RecursionError included
        raise InputError("parse", f"{type(error).__name__}: {error}", stage="extract") from error


def _extract(html: str, url: str | None) -> Extraction:
    page = _read(html, url)
    if page is None:
        return Extraction("", "trafilatura-fast", url=url)
    text, extractor = _text_of(page)
    metadata = page.metadata
    return Extraction(
        text=text,
        extractor=extractor,
        title=metadata.title,
        url=metadata.url,
        authors=metadata.authors,
        published_date=metadata.published_date,
        site_name=metadata.site_name,
        tags=metadata.tags,
        sources=metadata.sources,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Page:
    """A parsed page without its scripts, and what it declares."""

    tree: HtmlElement
    metadata: PageMetadata
    kind: PageType
    descriptions: list[str]


def _read(html: str, url: str | None) -> _Page | None:
    tree = _parse(html)
    if tree is None:
        return None
    data = read_structured_data(tree)
    kind = page_type(data, tree)
    metadata = read_page_metadata(tree, data, kind, url)
    _without_scripts(tree)  # after the metadata, which stand in some of them
    descriptions = data.meta.get("description", [])[:1] + data.meta.get("og:description", [])[:1]
    return _Page(tree, metadata, kind, descriptions)


def _text_of(page: _Page) -> tuple[str, str]:
    """The text of a page, and which extractor gave it."""
    fast = _fast_text(page)
    body = page.tree.find("body")
    layout = Layout([], []) if body is None else page_layout(body)
    if len(layout.blocks) > MAX_BLOCKS:
        return (fast, "trafilatura-fast:giant") if fast else (_all_text(page.tree), "html2txt:giant")
    if layout.blocks:
        judged = judge_blocks(layout, _context(page, fast))
        best = judged.best()
        if page.kind == "article" and fast and _gain(judged, best) <= MIN_GAIN:
            return fast, "trafilatura-fast"
        if text := sanitise(judged.text(best)).strip():
            return text, f"html-blocks:{page.kind}"
    return (fast, "trafilatura-fast") if fast else (_all_text(page.tree), "html2txt")


def _gain(judged: JudgedBlocks, best: NDArray[np.bool_]) -> float:
    """How much more word F1 is expected of the best blocks than of those that an extractor took."""
    taken = judged.without_copies(judged.extracted > 0)
    return judged.expected_f1(best) - judged.expected_f1(taken)


def _fast_text(page: _Page) -> str:
    found = bare_extraction(page.tree, fast=True, include_comments=False)  # copies the tree
    return sanitise(found.text or "").strip() if isinstance(found, Document) else ""


def _context(page: _Page, extracted: str) -> PageContext:
    """What the trees are told of a page: all of it from the page itself, whatever address its record has.

    So the trees were fitted, and so a page has the same text wherever it was read from.
    """
    metadata = page.metadata
    return PageContext(
        kind=page.kind,
        path=_path(metadata.url if metadata.sources.url else None),  # no source: the record's address
        title=_words(metadata.title or ""),
        description=_words(" ".join(page.descriptions)),
        extracted=extracted,
    )


def _path(url: str | None) -> str:
    try:
        return urllib.parse.urlsplit(url or "").path
    except ValueError:
        return ""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.lower().split())


def _without_scripts(tree: HtmlElement) -> None:
    """Cuts what is never text, in place; what a page shows without scripts is text where it is more than a notice."""
    for element in tree.iter("noscript"):
        if len("".join(element.itertext())) >= MIN_NOSCRIPT_CHARS:
            element.tag = "div"  # forums of the Discourse kind keep the posts there
    etree.strip_elements(tree, "script", "style", "noscript", "template", "svg", with_tail=False)


def _parse(html: str) -> HtmlElement | None:
    """The parsed page, None when there is nothing in it; never part of a page."""
    html = _PROLOGUE.sub("", html, count=1)
    html = _CONTROL_REFERENCE.sub("", html)
    head_end = html.find("\n", MIN_REPAIRED_CHARS) + 1 or len(html)
    html = repair_faulty_html(html[:head_end], html[:50].lower()) + html[head_end:]
    parser = HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, collect_ids=False, default_doctype=False
    )
    parser.set_element_class_lookup(_ONE_CLASS)
    try:
        tree = document_fromstring(html.encode("utf-8"), parser=parser)
    except etree.ParserError:  # "Document is empty"
        return None
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        raise InputError("parse", "elements are nested too deeply; the parser stops at 256", stage="extract")
    return tree


def _all_text(tree: HtmlElement) -> str:
    """All that the page shows, on one line: what is left where trafilatura gave up."""
    body = tree.find(".//body")
    return "" if body is None else sanitise(html2txt(body)).strip()


def page_blocks(html: str) -> list[str]:
    """The blocks of text that a page shows, in its order: what there was to choose from."""
    page = _read(html, None)
    body = None if page is None else page.tree.find("body")
    return [] if body is None else [sanitise(block.text) for block in page_layout(body).blocks]


def page_evidence(html: str) -> tuple[Layout, PageContext] | None:
    """What the blocks of a page are judged by; None for a page without a body."""
    page = _read(html, None)
    body = None if page is None else page.tree.find("body")
    if page is None or body is None:
        return None
    return page_layout(body), _context(page, _fast_text(page))
