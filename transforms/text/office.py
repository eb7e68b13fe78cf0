"""PDF and Word documents to text and metadata; both libraries come with the optional extra `office`."""

from __future__ import annotations

import importlib
import io
import logging
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from schemas.records import InputError
from transforms.text.decode import sanitise
from transforms.text.extraction import Extraction, author_names, one_line, parse_date, sources_of

MAX_UNCOMPRESSED_BYTES = 200 * 1024 * 1024
"""All parts of a Word document together: some hundred full-size photographs, or the text of a hundred books."""

# pypdf's exceptions that are not a broken file; told by name because the library may be absent.
_ERROR_CLASSES = {
    "FileNotDecryptedError": "unreadable",
    "LimitReachedError": "decompression_limit",
    "DependencyError": "unsupported",
}
# What word processors put in the title by themselves.
_NO_TITLE = re.compile(r"untitled.*|document ?\d*|.*\.(?:docx?|pdf|odt|rtf|indd|qxd|tex)", re.IGNORECASE)
_APPLICATION = re.compile(r"Microsoft (?:Word|PowerPoint) - ")

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # a line for every flaw of a file, which the rows say already


def extract_pdf(content: bytes) -> Extraction:
    """The text of a PDF's pages, a blank line between them, with title, author and date of its information dictionary.

    Text as it is laid out: lines end where they end on the page. Scanned pages have none. Raises `InputError`:
    "unsupported" without the extra, "unreadable" when it takes a password, "decompression_limit", "parse".
    """
    pypdf = _library("pypdf")
    try:
        reader = pypdf.PdfReader(io.BytesIO(content))  # tries the empty password by itself
        pages = [sanitise(page.extract_text()).strip() for page in reader.pages]
        about = reader.metadata or {}
        title, author, date = about.get("/Title"), about.get("/Author"), about.get("/CreationDate")
    except MemoryError:
        raise
    except Exception as error:
        raise _failure(error) from error
    return _extraction("\n\n".join(filter(None, pages)), "pdf:pypdf", title, author, date)


def extract_docx(content: bytes) -> Extraction:
    """The paragraphs and tables of a Word document, a line each, with title, author and date of its core properties.

    A table's row is one line, its cells separated by " | ". Raises `InputError`: "unsupported" without the extra,
    "decompression_limit" for a document that unpacks to more than `MAX_UNCOMPRESSED_BYTES`, "parse".
    """
    docx = _library("docx")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_size(archive)
        document = docx.Document(io.BytesIO(content))
        text = sanitise("\n".join(_lines(document))).strip()
        about = document.core_properties
        title, author, date = about.title, about.author, about.created
    except (MemoryError, InputError):
        raise
    except Exception as error:
        raise _failure(error) from error
    return _extraction(text, "docx:python-docx", title, author, date)


def _check_size(archive: zipfile.ZipFile) -> None:
    size = sum(part.file_size for part in archive.infolist())  # a part that unpacks to more than it says fails to read
    if size > MAX_UNCOMPRESSED_BYTES:
        message = f"the document unpacks to {size} bytes; the limit is {MAX_UNCOMPRESSED_BYTES}"
        raise InputError("decompression_limit", message, stage="extract")


def _lines(document: Any) -> Iterator[str]:
    for block in document.iter_inner_content():
        if hasattr(block, "rows"):
            for row in block.rows:
                # A cell that spans columns is listed for each of them; only the element behind it says that it is one.
                cells = dict.fromkeys((cell._tc, " ".join(cell.text.split())) for cell in row.cells)  # noqa: SLF001
                yield " | ".join(text for _, text in cells)
        else:
            yield block.text


def _extraction(text: str, extractor: str, title: Any, author: Any, date: Any) -> Extraction:
    heading = _APPLICATION.sub("", one_line(title) or "")
    heading = "" if _NO_TITLE.fullmatch(heading) else heading
    authors, published_date = author_names([author or ""]), parse_date(date)
    place = "pdf:info" if extractor.startswith("pdf") else "docx:core"
    return Extraction(
        text=text,
        extractor=extractor,
        title=heading or None,
        authors=authors,
        published_date=published_date,
        sources=sources_of(title=(place, heading), authors=(place, authors), published_date=(place, published_date)),
    )


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"reading this format needs {name}; install millstream[office]"
        raise InputError("unsupported", message, stage="extract") from error


def _failure(error: Exception) -> InputError:
    name = type(error).__name__
    return InputError(_ERROR_CLASSES.get(name, "parse"), f"{name}: {error}", stage="extract")
