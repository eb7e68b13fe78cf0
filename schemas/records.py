"""The records that flow through the pipeline: plain frozen values, told once.

`Document`, `Rejection` and `Quarantined` are the rows of the three published data sets; their Arrow schemas are derived
from these fields by `schemas.parquet`, descriptions included. A field without `| None` is never null.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import re
from typing import Any

SCHEMA_VERSION = 1
UNDETERMINED = "und"
"""BCP 47 for a language that can't be told."""


def column(description: str, **options: Any) -> Any:
    """A dataclass field that carries its description into the Arrow schema."""
    return dataclasses.field(metadata={"description": description}, **options)


@dataclasses.dataclass(frozen=True, slots=True)
class RawRecord:
    """The bytes of one record as it stands in its file, with what the container says of it."""

    source_uri: str
    number: int  # from 1, in the order of the file
    content: bytes
    media_type: str  # IANA media type of `content`, by content first and name second
    member: str | None = None  # None when the file is the record
    charset: str | None = None  # as declared by the carrier: a WARC's HTTP header, a JSON string's utf-8
    source_offset: int | None = None  # bytes from the start of the file as stored; None where that has no meaning
    source_modified_at: dt.datetime | None = None  # UTC
    url: str | None = None
    title: str | None = None
    authors: tuple[str, ...] = ()
    published: str | None = None  # a date as the container wrote it, unparsed
    attempt: int = 1  # the how manieth reading of its file this is


@dataclasses.dataclass(frozen=True, slots=True)
class LanguageCandidate:
    """One language that a text may be in."""

    language: str = column("BCP 47 tag.")
    score: float = column("Share of the evidence for it, 0 to 1.")


@dataclasses.dataclass(frozen=True, slots=True)
class LanguageShare:
    """How much of a text is in one language."""

    language: str = column("BCP 47 tag.")
    share: float = column("Share of the letters, 0 to 1.")


@dataclasses.dataclass(frozen=True, slots=True)
class RemovedText:
    """One line or block that a rule cut."""

    rule: str = column("Id of the rule that cut it.")
    start_line: int = column("Line of the extracted text where it stood, from 1.")
    text: str = column("What was cut.")


@dataclasses.dataclass(frozen=True, slots=True)
class MetadataSources:
    """Where each metadata value of a document was read, as `place:name`; null where it has no such value.

    Places: `container` (a column, a JSON key, a WARC header), `json-ld`, `meta`, `html`, `url` (a day in the address),
    `text` (the running text itself), `mail`, `front-matter`, `markdown`, `pdf`, `docx`.
    """

    title: str | None = column("Place of the title: html:h1, meta:og:title, text:headline, mail:subject.", default=None)
    url: str | None = column("Place of the address: html:canonical, meta:og:url, container:url.", default=None)
    authors: str | None = column("Place of the authors: json-ld:author, html:byline, text:byline.", default=None)
    published_date: str | None = column(
        "Place of the date: json-ld:datePublished, html:time, text:dateline, url.", default=None
    )
    site_name: str | None = column("Place of the name of the site: meta:og:site_name, text:letterhead.", default=None)
    tags: str | None = column("Places of the tags, separated by a space: meta:keywords, front-matter.", default=None)


NO_SOURCES = MetadataSources()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a record came from; the columns that all three data sets share."""

    doc_id: str = column("Identity: sha256, in hexadecimal, of source URI, member and record number.")
    source_uri: str = column("Path or URI of the file as it was matched, never made absolute.")
    member: str | None = column(
        "The record in its file: path inside an archive, the record's id, the WARC record id, else its number from 1; "
        "null when the file is the record.",
        default=None,
    )
    source_offset: int | None = column(
        "Where the record starts in its file, in bytes; null where unknown.", default=None
    )
    source_length: int | None = column("Size of the raw record, in bytes.", default=None)
    source_sha256: str | None = column(
        "sha256 of the raw record, in hexadecimal; null when it could not be read.", default=None
    )
    media_type: str | None = column("IANA media type of the raw record; null when it could not be told.", default=None)
    charset: str | None = column("Character encoding the record was decoded from.", default=None)
    source_modified_at: dt.datetime | None = column("When the file was last modified, UTC.", default=None)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Document(Source):
    """One row of `documents`: a cleaned, enriched text that was kept."""

    source_sha256: str = column("sha256 of the raw record, in hexadecimal.")
    media_type: str = column("IANA media type of the raw record.")
    text: str = column("The cleaned text: Unicode NFC, lines end in LF.")
    text_sha256: str = column("sha256 of the text in UTF-8, in hexadecimal.")
    title: str | None = column("Title of the document.", default=None)
    url: str | None = column("Address the document was published at.", default=None)
    host: str | None = column("Host of the address, lower case.", default=None)
    authors: tuple[str, ...] = column("Names of the authors, in order.", default=())
    published_date: dt.date | None = column("Day of first publication.", default=None)
    site_name: str | None = column("Name of the publishing site or institution.", default=None)
    tags: tuple[str, ...] = column("Keywords and categories the document gives itself.", default=())
    metadata_sources: MetadataSources = column(
        "Where title, url, authors, published_date, site_name and tags were read.", default=NO_SOURCES
    )
    language: str = column(
        "Language of the text, BCP 47, with the script where it matters (sr-Latn); `und` when it can't be told.",
        default=UNDETERMINED,
    )
    language_score: float | None = column("Confidence in the language, 0 to 1; null for `und`.", default=None)
    language_candidates: tuple[LanguageCandidate, ...] = column("Languages considered, best first.", default=())
    language_mix: tuple[LanguageShare, ...] = column(
        "Languages of the paragraphs, largest share first, where a second one has at least a tenth; else empty.",
        default=(),
    )
    script: str | None = column("Dominant script, ISO 15924; null without letters.", default=None)
    char_count: int = column("Length of the text, in Unicode code points.", default=0)
    word_count: int = column(
        "Number of words in the text; a CJK, Thai, Lao, Khmer or Burmese character counts as one.", default=0
    )
    removed_chars: int = column("Code points cut as boilerplate after extraction.", default=0)
    removed: tuple[RemovedText, ...] = column(
        "What was cut as boilerplate after extraction, by which rule.", default=()
    )
    quality_flags: tuple[str, ...] = column("Reasons to look twice at the document, in alphabetical order.", default=())
    cluster_id: str = column(
        "doc_id of the survivor of the document's duplicate cluster; its own when it has none.", default=""
    )
    duplicate_count: int = column("Documents rejected as duplicates of this one.", default=0)
    shared_paragraph_ratio: float = column(
        "Share of the text's characters that stand in paragraphs which another of the documents has too, 0 to 1; a "
        "paragraph is a line of 50 characters or more, with its words, or CJK characters, set apart by spaces.",
        default=0.0,
    )
    extractor: str = column("How the text was obtained from the record.", default="")
    pipeline_version: str = column("Version of millstream that made the row.", default="")
    config_sha256: str = column("sha256 of the configuration that decides what a row says, in hexadecimal.", default="")
    run_id: str = column("The run that first published the row.", default="")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rejection(Source):
    """One row of `rejects`: a record that was read and, by an expected decision, not kept."""

    language: str | None = column("Language of the text, BCP 47; null when it was not looked at.", default=None)
    reason: str = column(
        "Why: empty, too_short, language_filtered, exact_duplicate, url_duplicate, near_duplicate; of a WARC record "
        "also http_error and not_a_document."
    )
    stage: str = column("Step that decided: read, decode, extract, strip, measure, language, deduplicate.")
    detail: str | None = column("The decision in words, with its numbers.", default=None)
    kept_doc_id: str | None = column("doc_id of the document kept in its place; null unless a duplicate.", default=None)
    similarity: float | None = column(
        "Estimated Jaccard similarity with the document kept in its place, 0 to 1; of near duplicates at least 0.3, of "
        "url duplicates 0.2.",
        default=None,
    )
    text: str | None = column("The text as far as it had come.", default=None)
    run_id: str = column("The run that first published the row.", default="")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined(Source):
    """One row of `quarantine`: an input that failed, kept so that it can be tried again."""

    error_class: str = column(
        "Kind of failure: unreadable, unsupported, too_large, decompression_limit, decode, parse, timeout, memory or "
        "crash."
    )
    error_type: str = column("Name of the exception, or of the signal.")
    error_message: str = column("What went wrong, 1 KB at most, without control characters.")
    stage: str = column("Step that failed: read, decode, extract, strip, language, measure, fingerprint, clean.")
    attempts: int = column("How often its file was read: once, and again for each `millstream retry`.", default=1)
    retryable: bool = column("Whether trying again, unchanged, may succeed.", default=False)
    raw_prefix: bytes | None = column("First bytes of the record, 256 at most.", default=None)
    run_id: str = column("The run that first published the row.", default="")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One row of `state/sources`: what was read from a file, and what became of it."""

    source_uri: str = column("Path or URI of the file as it was matched.")
    size: int | None = column("Size of the file, in bytes; null where the file system does not say.", default=None)
    modified_at: dt.datetime | None = column(
        "When the file was last modified, UTC; null also where that was so short before the run that a later change "
        "may bear the same time.",
        default=None,
    )
    sha256: str | None = column(
        "sha256 of the file as stored, in hexadecimal; null when it could not be read.", default=None
    )
    records: int = column("Records read from it; a part that could not be read counts as one.", default=0)
    documents: int = column("Rows it has in documents.", default=0)
    rejects: int = column("Rows it has in rejects.", default=0)
    duplicates: int = column("Those of its rows in rejects that are duplicates.", default=0)
    quarantine: int = column("Rows it has in quarantine.", default=0)


def error_text(message: str) -> str:
    r"""An error's message as `Quarantined` keeps it: on one line, without control characters, 1 KB at most.

    >>> error_text("bad\x00 line\n")
    'bad line'
    """
    plain = re.sub(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+", " ", message).strip()
    return plain.encode()[:1024].decode(errors="ignore")


ERROR_CLASSES = frozenset(
    {"unreadable", "unsupported", "too_large", "decompression_limit", "decode", "parse", "timeout", "memory", "crash"}
)


class InputError(Exception):
    """An input that can't become a record or a document; ends in quarantine under its error class.

    Raised by the readers of `transforms.formats` and by the pure functions of `transforms.text`; a bug raises anything
    else and fails the run.
    """

    def __init__(self, error_class: str, message: str, *, stage: str, retryable: bool = False) -> None:
        if error_class not in ERROR_CLASSES:
            raise ValueError(f"unknown error class {error_class!r}; one of {', '.join(sorted(ERROR_CLASSES))}")
        super().__init__(message)
        self.error_class = error_class
        self.stage = stage
        self.retryable = retryable


@dataclasses.dataclass(frozen=True, slots=True)
class Fingerprint:
    """What deduplication knows of a document: keys and a signature, never the text."""

    exact: bytes  # 16 bytes
    signature: bytes | None  # 504 bytes, the sketch of `HASH_SPEC`; None when the text is too short to near-match
    token_count: int
    address: int = 0  # key of the canonical address, 64 bits; 0 where there is none
    paragraphs: bytes = b""  # 12 bytes a paragraph: its key and its length in code points


@dataclasses.dataclass(frozen=True, slots=True)
class Cleaned:
    """A document that was kept so far, and what other documents are to be compared with."""

    document: Document
    fingerprint: Fingerprint
    line_keys: bytes = b""  # 8 bytes for each distinct line of the text, to find those that recur in other documents
    line_numbers: tuple[int, ...] = ()  # of the lines of the text in the extracted text


def doc_id(source_uri: str, member: str | None, number: int) -> str:
    """The identity of a record, 64 hexadecimal digits: the same wherever and whenever it is read.

    >>> doc_id("seeds/a.txt", None, 1)[:8]
    'd9c26c8d'
    """
    return hashlib.sha256(
        "\0".join((source_uri, member or "", str(number))).encode("utf-8", "surrogatepass")
    ).hexdigest()


def source_columns(record: RawRecord) -> dict[str, Any]:
    """The `Source` columns of a record, as keyword arguments for a row of any data set."""
    return {
        "doc_id": doc_id(record.source_uri, record.member, record.number),
        "source_uri": record.source_uri,
        "member": record.member,
        "source_offset": record.source_offset,
        "source_length": len(record.content),
        "source_sha256": hashlib.sha256(record.content).hexdigest(),
        "media_type": record.media_type,
        "charset": record.charset,
        "source_modified_at": record.source_modified_at,
    }
