"""The extractors of main text beside millstream: what each makes of a page, used as its documentation shows.

Nobody is told the address of a page. The peers are given its text as millstream decodes it; what decoding costs is in
millstream's time alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import io
import os
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import lxml.html
from babel import Locale
from htmldate.meta import reset_caches
from trafilatura import bare_extraction
from trafilatura.settings import Document
from trafilatura.utils import line_processing, return_printables_and_spaces, trim

from benchmarks.page_scores import NOTHING, Page
from schemas.records import Cleaned, RawRecord
from transforms.text import extract as extraction
from transforms.text.clean import clean
from transforms.text.cleaning_options import CleaningOptions
from transforms.text.decode import decode

Extractor = Callable[[bytes, str], Page]
"""What an extractor makes of a page, given as bytes and decoded."""

MILLSTREAM = "millstream"
UNSEEN = "millstream, sites unseen"
UNSTRIPPED = "millstream, extraction alone"
YARDSTICK = "trafilatura"


def extractors() -> dict[str, Extractor]:
    """Every extractor by its name in the table."""
    return {
        MILLSTREAM: lambda content, _: by_millstream(content),
        UNSTRIPPED: lambda content, _: by_extraction(content),
        YARDSTICK: lambda _, html: by_trafilatura(html),
        "trafilatura, fast": lambda _, html: by_trafilatura(html, fast=True),
        "trafilatura, precision": lambda _, html: by_trafilatura(html, favor_precision=True),
        "resiliparse": lambda _, html: by_resiliparse(html),
        "readability-lxml": lambda _, html: by_readability(html),
        "justext": lambda _, html: by_justext(html),
        "newspaper4k": lambda _, html: by_newspaper(html),
    }


GIVES_METADATA = {
    MILLSTREAM: ("title", "author", "date"),
    YARDSTICK: ("title", "author", "date"),
    "newspaper4k": ("title", "author", "date"),
    "readability-lxml": ("title", "author"),
}
"""Who gives which fields; trafilatura's other modes give the same as its default."""


def extract(extractor: Extractor, content: bytes, html: str) -> tuple[Page, bool]:
    """What an extractor makes of a page, and whether it failed: then it is a page without text."""
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return extractor(content, html), False
        except Exception:  # noqa: BLE001  a peer's bug is a figure in the table, not ours to crash on
            return NOTHING, True


def forget() -> None:
    """Empties the caches of text that trafilatura and its date search keep: who comes later on a page gains nothing.

    Not trafilatura's own `reset_caches`: it drops the stop words too, which are read once a process.
    """
    reset_caches()
    for cached in (line_processing, return_printables_and_spaces, trim):
        cached.cache_clear()


def decoded(content: bytes) -> str:
    """A page as the peers are given it."""
    return decode(content, None, markup=True).text


def by_millstream(content: bytes) -> Page:
    """The whole of cleaning a page: decoding, extraction, boilerplate, language and fingerprint."""
    cleaned = clean(raw_record(content), CleaningOptions())
    return page_of(dataclasses.asdict(cleaned.document)) if isinstance(cleaned, Cleaned) else NOTHING


def by_extraction(content: bytes) -> Page:
    """Millstream's text and metadata before boilerplate is cut: what is like the peers' in extent."""
    return page_of(dataclasses.asdict(extraction.extract(raw_record(content))))


def raw_record(content: bytes) -> RawRecord:
    """A page as a reader hands it to the cleaning."""
    return RawRecord("page.html", 1, content, "text/html")


def page_of(row: Mapping[str, Any]) -> Page:
    """The columns of a document that are scored."""
    date = row["published_date"]
    return Page(row["text"], row["title"], tuple(row["authors"] or ()), date.isoformat() if date else None)


def by_trafilatura(html: str, *, fast: bool = False, favor_precision: bool = False) -> Page:
    """Trafilatura with metadata."""
    page = bare_extraction(html, with_metadata=True, fast=fast, favor_precision=favor_precision)
    if not isinstance(page, Document):
        return NOTHING
    return Page(page.text or "", page.title, tuple((page.author or "").split("; ")), page.date)


def by_resiliparse(html: str) -> Page:
    """Resiliparse's main content; it gives no metadata."""
    from resiliparse.extract.html2text import extract_plain_text

    return Page(extract_plain_text(html, main_content=True))


def by_readability(html: str) -> Page:
    """The text of the summary that readability-lxml makes, and its short title and author."""
    from readability import Document as Readable

    readable = Readable(html)
    summary = lxml.html.document_fromstring(readable.summary())
    text = "\n".join(" ".join(part.split()) for part in summary.itertext() if part.strip())
    author = readable.author()
    return Page(text, readable.short_title(), (author,) if author and author != "[no-author]" else ())


def by_justext(html: str) -> Page:
    """The paragraphs that justext does not call boilerplate, by the stop words of the language the page declares."""
    import justext

    declared = re.search(r"<html[^>]*?\slang\s*=\s*[\"']?([a-z]{2})", html[:5000], re.IGNORECASE)
    paragraphs = justext.justext(html, stop_words(declared[1].lower() if declared else "en"))
    return Page("\n".join(paragraph.text for paragraph in paragraphs if not paragraph.is_boilerplate))


@functools.cache
def stop_words(language: str) -> frozenset[str]:
    """Justext's list for an ISO 639 code; the English one where it has none."""
    import justext

    name = {"nb": "Norwegian_Bokmal", "no": "Norwegian_Bokmal", "nn": "Norwegian_Nynorsk"}.get(
        language, Locale("en").languages.get(language, "English")
    )
    return frozenset(justext.get_stoplist(name if name in justext.get_stoplists() else "English"))


def by_newspaper(html: str) -> Page:
    """newspaper4k, which finds out the language for itself; it fetches neither images nor a list of domains."""
    os.environ["TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS"] = ""  # read when it is imported: it has a list of its own
    import newspaper

    article = newspaper.Article("", fetch_images=False)
    article.download(input_html=html)
    article.parse()
    published = article.publish_date
    date = published.date().isoformat() if isinstance(published, dt.datetime) else None
    return Page(article.text, article.title, tuple(article.authors), date)
