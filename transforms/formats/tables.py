"""Rows of named columns to items: what JSON, CSV and Parquet records have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from schemas.records import InputError
from transforms.formats.items import STAGE, Columns, Item, too_large, unparsable
from transforms.formats.sniff import HEAD_BYTES, sniff, sniff_text

# Looked for from left to right, without regard to case, and with "-" and " " as "_".
USUAL_NAMES: Mapping[str, tuple[str, ...]] = {
    "text": (
        *("text", "content", "contents", "body", "article", "article_text", "article_body", "articlebody", "full_text"),
        *("fulltext", "plain_text", "plaintext", "raw_text", "raw_content", "maintext", "main_text", "page_content"),
        *("document", "markdown", "html", "raw_html", "html_content", "story"),
    ),
    "url": (
        "url",
        "uri",
        "link",
        "source_url",
        "page_url",
        "canonical_url",
        "web_url",
        "target_uri",
        "permalink",
        "href",
    ),
    "title": ("title", "headline", "page_title", "article_title", "subject"),
    "published": (
        *("published", "published_date", "published_at", "date_published", "datepublished", "publish_date"),
        *("publication_date", "date_publish", "pub_date", "pubdate", "date", "datetime", "created", "created_at"),
        *("date_created", "timestamp"),
    ),
    "id": ("id", "_id", "doc_id", "docid", "document_id", "record_id", "uuid", "guid", "identifier"),
    "authors": ("author", "authors", "byline", "creator", "writer"),
}
"""The names under which a column is found when its own is not given."""


class Fields(NamedTuple):
    """Which columns of a table hold what; None for what it does not have."""

    text: str | None
    url: str | None
    title: str | None
    published: str | None
    id: str | None
    authors: str | None


def find_fields(names: tuple[str, ...], columns: Columns) -> Fields:
    """The columns among `names` that hold what a record needs.

    >>> find_fields(("ID", "Headline", "Body"), Columns())
    Fields(text='Body', url=None, title='Headline', published=None, id='ID', authors=None)
    """
    by_key: dict[str, str] = {}
    for name in names:
        by_key.setdefault(_key(name), name)
    found = {}
    for role, usual in USUAL_NAMES.items():
        given = getattr(columns, role, None)
        candidates = (given,) if given is not None else usual
        found[role] = (
            given if given in names else next(filter(None, (by_key.get(_key(name)) for name in candidates)), None)
        )
    return Fields(**found)


def no_text_column(names: tuple[str, ...], columns: Columns) -> InputError:
    """The failure of a table, or of a record, without a column of text."""
    wanted = f"text column {columns.text!r}" if columns.text is not None else "column with a usual name for text"
    shown = ", ".join(name[:40] for name in names[:20]) or "none"
    return unparsable(f"no {wanted}; the columns are: {shown}")


def row_item(values: Mapping[str, object], fields: Fields, limit: int, *, is_utf8: bool) -> Item:
    """The item in a row that has a text column.

    `is_utf8` says whether its strings were; else they hold escaped bytes (PEP 383), and the text is handed on as those
    bytes, for the step that detects character encodings. Raises InputError: parse, decode, too_large.
    """
    text = values.get(fields.text or "")
    key = _string(values, fields.id)
    if text is None or (isinstance(text, str | bytes) and not text.strip()):
        return Item(key=key, reason="empty", detail=f"column {fields.text} has no text")
    if not isinstance(text, str | bytes):
        raise unparsable(f"column {fields.text} is a {type(text).__name__}, not text")
    content = text if isinstance(text, bytes) else _encoded(text, is_utf8)
    if len(content) > limit:
        raise too_large(len(content), limit)
    return Item(
        content=content,
        media_type=sniff_text(text) if isinstance(text, str) else sniff(content[:HEAD_BYTES], ""),
        key=key,
        charset="utf-8" if is_utf8 and isinstance(text, str) else None,
        url=_string(values, fields.url),
        title=_string(values, fields.title),
        authors=_authors(values.get(fields.authors)) if fields.authors else (),
        published=_string(values, fields.published),
    )


def _encoded(text: str, is_utf8: bool) -> bytes:
    try:
        return text.encode("utf-8", "surrogatepass" if is_utf8 else "surrogateescape")
    except UnicodeEncodeError as error:
        message = "the record is not UTF-8, and escapes half a character besides"
        raise InputError("decode", message, stage=STAGE) from error


def _key(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def _string(values: Mapping[str, object], field: str | None) -> str | None:
    value = values.get(field) if field is not None else None
    return value.strip() or None if isinstance(value, str) else None


def _authors(value: object) -> tuple[str, ...]:
    """The names in a string, a list of strings, or a list of objects with a name."""
    names = value if isinstance(value, list) else [value]
    names = [name.get("name") if isinstance(name, dict) else name for name in names]
    return tuple(name.strip() for name in names if isinstance(name, str) and name.strip())
