"""HTML to its main text and metadata: trafilatura where it is good, a model of blocks where that promises more.

A page is parsed once. Trafilatura's fast extraction serves articles; the model judges every block of the page, and so
how good that extraction is: where it expects more of its own choice, forums, listings, services and documentation most
of all, its choice is the text. Word F1 over seven kinds of page, each half judged by weights fitted on the other: .875,
against .834 of trafilatura's full cascade.
"""

from __future__ import annotations

import logging
import re

import numpy as np
from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring
from numpy.typing import NDArray
from trafilatura import bare_extraction, html2txt
from trafilatura.settings import Document
from trafilatura.utils import repair_faulty_html

from schemas.records import InputError
from transforms.text.blocks import Layout, page_layout
from transforms.text.decode import sanitise
from transforms.text.extraction import Extraction
from transforms.text.html_metadata import read_page_metadata
from transforms.text.main_blocks import JudgedBlocks, judge_blocks
from transforms.text.page_type import PageType, page_type
from transforms.text.structured_data import read_structured_data

MIN_FAST_CHARS = 600
"""A page whose fast extraction is shorter goes through the full cascade, which is better where there is no article."""

MIN_GAIN: dict[PageType, float] = {"article": 0.3, "discussion": 0.05, "product": 0.25, "page": 0.1}
"""How much more word F1 the model of blocks must promise than it gives trafilatura's text, for another to be taken.

A page that says it is an article is trafilatura's strength. Half or twice these values cost or bring a point at most.
"""

MIN_NOSCRIPT_CHARS = 600

_WITHOUT: dict[PageType, frozenset[str]] = dict.fromkeys(("article", "page", "product"), frozenset(("class:comment",)))

# libxml2's HTML parser ends a document type at its first ">" and shows the rest of an internal subset as text.
_PROLOGUE = re.compile(r"\A\s*(?:<\?xml[^>]*>\s*)?(?:<!DOCTYPE[^>\[]*\[[^\]]*\]\s*>)?", re.IGNORECASE)
# References to control characters come out of the parser as such, and trafilatura gives up a page (1 of 1,050 had one).
_CONTROL_REFERENCE = re.compile(r"&#(?:x0*(?:[0-8bcef]|1[\da-f])|0*(?:[0-8]|1[124-9]|2\d|3[01]));", re.IGNORECASE)

for _library in ("trafilatura", "htmldate", "courlan"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)  # a line for every odd page, which the rows say already


def extract_html(html: str, url: str | None = None) -> Extraction:
    """The main text of a page, one block per line, and the metadata it declares; the text is empty when it shows none.

    `url` is where the page was published, and is given back when the page names no address itself. Tables and lists are
    in the text, comments of readers are not. Deterministic: no state is kept from page to page. Raises `InputError`
    ("parse") for a page that the parser or the extractor can't stand.
    """
    try:
        return _extract(html, url)
    except (MemoryError, InputError):
        raise  # a worker at its memory limit is told as such
    except Exception as error:  # third-party code on hostile input raises anything, RecursionError included
        raise InputError("parse", f"{type(error).__name__}: {error}", stage="extract") from error


def _extract(html: str, url: str | None) -> Extraction:
    tree = _parse(html)
    if tree is None:
        return Extraction("", "trafilatura-fast", url=url)
    data = read_structured_data(tree)
    kind = page_type(data, tree)
    metadata = read_page_metadata(tree, data, kind, url)
    _without_scripts(tree)  # after the metadata, which stand in some of them
    text, extractor = _text_of(tree, url, kind)
    return Extraction(
        text=text,
        extractor=extractor,
        title=metadata.title,
        url=metadata.url,
        sources=metadata.sources,
        authors=metadata.authors,
        published_date=metadata.published_date,
        site_name=metadata.site_name,
        tags=metadata.tags,
    )


def _text_of(tree: HtmlElement, url: str | None, kind: PageType) -> tuple[str, str]:
    """The text of a page, and which extractor gave it: each step copies the tree before it changes it."""
    text, extractor = _main_text(tree, url, fast=True), "trafilatura-fast"
    body = tree.find("body")
    better = False
    if body is not None and _could_gain(text, body, MIN_GAIN[kind]):
        layout = page_layout(body)
        judged = judge_blocks(layout, _WITHOUT.get(kind, frozenset()))
        best = judged.best()
        better = judged.expected_f1(best) - judged.expected_f1(_blocks_in(text, judged)) > MIN_GAIN[kind]
        if better and not (kind == "product" or (kind == "article" and _has_several_h1(layout))):
            return sanitise(judged.text(best)).strip(), f"html-blocks:{kind}"
    # Around a product the model keeps too much: there the cascade has word F1 .73, the model .69, the fast text .66.
    if (better and kind == "product") or len(text) < MIN_FAST_CHARS:
        text, extractor = _main_text(tree, url, fast=False), "trafilatura"
    return (text, extractor) if text else (_all_text(tree), "html2txt")


def _could_gain(text: str, body: HtmlElement, gain: float) -> bool:
    """Whether any text of the page could have so much more word F1, if all words that were extracted are right."""
    extracted, shown = len(text.split()), len(body.text_content().split())
    return shown > 0 and 1 - 2 * extracted / (extracted + shown) > gain


def _has_several_h1(layout: Layout) -> bool:
    """Whether other articles are appended to a page's own, as pages that scroll without end have them."""
    return sum(container.tag == "h1" and container.chars > 0 for container in layout.containers) > 1


def _blocks_in(text: str, judged: JudgedBlocks) -> NDArray[np.bool_]:
    """Which blocks an extractor took."""
    squeezed = " ".join(text.split())
    return np.array([" ".join(block.text.split()) in squeezed for block in judged.blocks], dtype=bool)


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
    html = repair_faulty_html(html, html[:50].lower())
    parser = HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, collect_ids=False, default_doctype=False
    )
    try:
        tree = document_fromstring(html.encode("utf-8"), parser=parser)
    except etree.ParserError:  # "Document is empty"
        return None
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        raise InputError("parse", "elements are nested too deeply; the parser stops at 256", stage="extract")
    return tree


def _main_text(tree: HtmlElement, url: str | None, *, fast: bool) -> str:
    page = bare_extraction(tree, url=url, fast=fast, include_comments=False)
    return sanitise(page.text or "").strip() if isinstance(page, Document) else ""


def _all_text(tree: HtmlElement) -> str:
    """All that the page shows, on one line: what is left where trafilatura gave up."""
    body = tree.find(".//body")
    return "" if body is None else sanitise(html2txt(body)).strip()


def page_blocks(html: str) -> list[str]:
    """The blocks of text that a page shows, in its order: what there was to choose from."""
    tree = _parse(html)
    body = None if tree is None else tree.find("body")
    return [] if body is None else [sanitise(block.text) for block in page_layout(body).blocks]
