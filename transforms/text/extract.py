"""One raw record to its text and what it says of itself, whatever its format."""

from __future__ import annotations

import dataclasses
import datetime as dt

from schemas.records import UNDETERMINED, InputError, RawRecord
from transforms.text.dates import day_of, find_dates
from transforms.text.decode import decode
from transforms.text.extraction import Extraction, author_names, first_sources, one_line, parse_date, sources_of
from transforms.text.html import extract_html
from transforms.text.mail import extract_mail
from transforms.text.markdown import extract_markdown
from transforms.text.office import extract_docx, extract_pdf

__all__ = ["Extraction", "extract"]


def extract(record: RawRecord) -> Extraction:
    """The text of a record with its metadata; what the container said of the record wins over what is read from it.

    Boilerplate that an extractor left is still in the text. Deterministic. Raises `InputError`: "unsupported" for a
    media type that nothing here reads, "decode", "parse", and those of the format's own extractor.
    """
    found = _read(record)
    title, url, authors = one_line(record.title), one_line(record.url), author_names(record.authors)
    published_date = parse_date(record.published) or _written_day(record.published)
    given = sources_of(
        title=("container:title", title),
        url=("container:url", url),
        authors=("container:authors", authors),
        published_date=("container:published", published_date),
    )
    return dataclasses.replace(
        found,
        title=title or found.title,
        url=url or found.url,
        authors=authors or found.authors,
        published_date=published_date or found.published_date,
        sources=first_sources(given, found.sources),
    )


def _written_day(value: object) -> dt.date | None:
    """The day of a value that is a date as people write it, and nothing else; None where its order can't be told.

    >>> _written_day("7 May 2023"), _written_day("31/12/2023"), _written_day("03/05/2023")
    (datetime.date(2023, 5, 7), datetime.date(2023, 12, 31), None)
    """
    written = one_line(value) or ""
    match = next(find_dates(written), None)
    return day_of(match, lambda: UNDETERMINED) if match and match[0] == written else None


def _read(record: RawRecord) -> Extraction:
    match record.media_type:
        case "text/html" | "application/xhtml+xml":
            page = decode(record.content, record.charset, markup=True)
            return dataclasses.replace(extract_html(page.text, record.url), charset=page.charset)
        case "text/plain":
            plain = decode(record.content, record.charset)
            return Extraction(plain.text, "plain", charset=plain.charset)
        case "text/markdown":
            source = decode(record.content, record.charset)
            return dataclasses.replace(extract_markdown(source.text), charset=source.charset)
        case "message/rfc822":
            return extract_mail(record.content)
        case "application/pdf":
            return extract_pdf(record.content)
        case "application/vnd.openxmlformats-officedocument.wordprocessingml.document":
            return extract_docx(record.content)
    raise InputError("unsupported", f"no extractor reads {record.media_type}", stage="extract")
