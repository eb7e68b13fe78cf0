"""One raw record to a cleaned document or a rejection: the order of the steps, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import urllib.parse
from typing import Any

from schemas.records import Cleaned, Document, Fingerprint, RawRecord, Rejection, doc_id
from transforms.text.boilerplate import Stripped, strip_boilerplate
from transforms.text.extract import Extraction, extract
from transforms.text.fingerprint import fingerprint
from transforms.text.language import DetectedLanguage, ask_langdetect, detect_language, detect_mix
from transforms.text.metadata import TextMetadata, read_metadata

MOSTLY_CUT_SHARE = 0.5
"""A document that lost more than this share of its characters as boilerplate is flagged, not trusted."""


DETECTORS = {"ensemble": detect_language, "langdetect": ask_langdetect}
"""What `CleaningOptions.language_detector` may be."""


@dataclasses.dataclass(frozen=True, slots=True)
class CleaningOptions:
    """What decides whether a readable record is kept."""

    languages: tuple[str, ...] = ()  # BCP 47 primary subtags; empty keeps every language
    min_letters: int = 10  # fewer, and a text says too little to be worth a row
    language_detector: str = "ensemble"  # a name in `DETECTORS`

    def __post_init__(self) -> None:
        if self.language_detector not in DETECTORS:
            raise ValueError(
                f"language_detector is {self.language_detector!r}; it must be one of {', '.join(DETECTORS)}"
            )
        if self.min_letters < 1:
            raise ValueError(f"min_letters is {self.min_letters}; it must be at least 1")


def clean(record: RawRecord, options: CleaningOptions) -> Cleaned | Rejection:
    """The cleaned document with its fingerprint, or the rejection that says why there is none.

    Deterministic: depends on the record and the options alone. Raises `InputError` for a record that can't be decoded
    or parsed.
    """
    source = source_columns(record)
    if not record.content.strip():
        return Rejection(reason="empty", stage="decode", detail="the record has no bytes but white space", **source)
    extraction = extract(record)
    source["charset"] = extraction.charset
    if not extraction.text.strip():
        return Rejection(reason="empty", stage="extract", detail="no text was found in the record", **source)
    stripped = strip_boilerplate(extraction.text, title=extraction.title)
    if not stripped.text:
        detail = f"all {len(stripped.removed)} lines were cut as boilerplate"
        return Rejection(reason="empty", stage="strip", detail=detail, text=extraction.text, **source)
    language = DETECTORS[options.language_detector](stripped.text)
    rejection = _unwanted(stripped.text, language, options, source)
    if rejection:
        return rejection
    marks = fingerprint(stripped.text)
    return Cleaned(_document(extraction, stripped, language, marks, source), marks)


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


def describe(extraction: Extraction, stripped: Stripped) -> TextMetadata:
    """Title, authors, date and site: what the format declares first, what can be read from the text second."""
    # A page that was laid out in HTML says who wrote it in its markup; its first lines of text are a guess beside that.
    if extraction.extractor.startswith(("trafilatura", "html")):
        read = TextMetadata(title=None, authors=(), published_date=None, site_name=None)
    else:
        read = read_metadata(stripped.text.split("\n"), removed=[cut.text for cut in stripped.removed])
    return TextMetadata(
        title=extraction.title or read.title,
        authors=extraction.authors or read.authors,
        published_date=extraction.published_date or read.published_date,
        site_name=extraction.site_name or read.site_name,
    )


def _unwanted(
    text: str, language: DetectedLanguage, options: CleaningOptions, source: dict[str, Any]
) -> Rejection | None:
    letters = sum(itertools.islice((1 for character in text if character.isalpha()), options.min_letters))
    if letters < options.min_letters:
        reason, stage, detail = "too_short", "measure", f"{letters} letters, fewer than {options.min_letters}"
    elif options.languages and language.language.split("-")[0] not in options.languages:
        reason, stage = "language_filtered", "language"
        detail = f"the text is in {language.language}, kept are {', '.join(options.languages)}"
    else:
        return None
    return Rejection(reason=reason, stage=stage, detail=detail, text=text, language=language.language, **source)


def _document(
    extraction: Extraction,
    stripped: Stripped,
    language: DetectedLanguage,
    marks: Fingerprint,
    source: dict[str, Any],
) -> Document:
    text, metadata = stripped.text, describe(extraction, stripped)
    removed_chars = sum(len(cut.text) for cut in stripped.removed)
    return Document(
        text=text,
        text_sha256=hashlib.sha256(text.encode()).hexdigest(),
        title=metadata.title,
        url=extraction.url,
        host=_host(extraction.url),
        authors=metadata.authors,
        published_date=metadata.published_date,
        site_name=metadata.site_name,
        tags=extraction.tags,
        language=language.language,
        language_score=language.score,
        language_candidates=language.candidates,
        language_mix=detect_mix(text, language.language),
        script=language.script,
        char_count=len(text),
        word_count=marks.token_count,
        removed_chars=removed_chars,
        removed=stripped.removed,
        quality_flags=_quality_flags(text, removed_chars),
        cluster_id=source["doc_id"],
        extractor=extraction.extractor,
        **source,
    )


def _host(url: str | None) -> str | None:
    try:
        return urllib.parse.urlsplit(url or "").hostname
    except ValueError:  # "http://[" and the like: an address that is kept as it stands, and has no host
        return None


def _quality_flags(text: str, removed_chars: int) -> tuple[str, ...]:
    flags = []
    if "\ufffd" in text:
        flags.append("decoding_losses")
    if removed_chars > MOSTLY_CUT_SHARE * (removed_chars + len(text)):
        flags.append("mostly_boilerplate")
    return tuple(flags)
