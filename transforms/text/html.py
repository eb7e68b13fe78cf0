"""HTML to its main text and metadata, by trafilatura."""

from __future__ import annotations

import logging
import re

from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring
from trafilatura import bare_extraction, extract_metadata, html2txt
from trafilatura.settings import Document
from trafilatura.utils import repair_faulty_html

from schemas.records import InputError
from transforms.text.decode import sanitise
from transforms.text.extraction import Extraction, author_names, one_line, parse_date, unique_lines

MIN_FAST_CHARS = 600
"""A page whose fast extraction is shorter goes through the full cascade, which is better where there is no article."""

# The search in running text is left out: it costs most of the metadata's time. A fixed last day replaces the library's
# own, which is today, so that a page says the same whenever it is read.
_DATE_SEARCH = {"original_date": True, "extensive_search": False, "max_date": "2099-12-31"}

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
    # Each step copies the tree before it changes it, so the page is parsed once.
    text, extractor = _main_text(tree, url, fast=True), "trafilatura-fast"
    if len(text) < MIN_FAST_CHARS:
        text, extractor = _main_text(tree, url, fast=False), "trafilatura"
    if not text:
        text, extractor = _all_text(tree), "html2txt"
    page = extract_metadata(tree, url, dict(_DATE_SEARCH))
    site_name = one_line(page.sitename)
    keywords = (*(page.tags or ()), *(page.categories or ()))
    return Extraction(
        text=text,
        extractor=extractor,
        title=one_line(page.title),
        url=page.url or url,
        authors=author_names([page.author or ""], site_name),
        published_date=parse_date(page.date),
        site_name=site_name,
        tags=unique_lines(tag for line in keywords for tag in line.split(",")),
    )


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
