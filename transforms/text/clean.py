"""One raw record to a cleaned document or a rejection: the order of the steps, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.records import Cleaned, Document, RawRecord, Rejection, RemovedText, doc_id
from transforms.text.boilerplate import Stripped, join_lines, strip_boilerplate
from transforms.text.extract import Extraction, extract
from transforms.text.extraction import first_sources
from transforms.text.fingerprint import fingerprint
from transforms.text.language import DetectedLanguage, ask_langdetect, detect_language, detect_mix
from transforms.text.metadata import TextMetadata, read_metadata
from transforms.text.recurring import line_keys, recurring_group, recurring_lines

MOSTLY_CUT_SHARE = 0.4
"""A document that lost more than this share of its characters as boilerplate is flagged, not trusted. What was cut was
boilerplate all the same, but hardly anything else is there: of 26 pages that lost a fifth or more, .64 of the text was
content up to a share of .4, .16 up to .5, and .04 beyond."""


DETECTORS = {"ensemble": detect_language, "langdetect": ask_langdetect}
"""What `CleaningOptions.language_detector` may be."""


@dataclasses.dataclass(frozen=True, slots=True)
class CleaningOptions:
    """What decides whether a readable record is kept."""

    languages: tuple[str, ...] = ()  # BCP 47, with a script or, for all scripts, without; empty keeps every language
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
        rules = ", ".join(sorted({cut.rule for cut in stripped.removed}))
        detail = f"every line was cut as boilerplate, by {rules}"
        return Rejection(reason="empty", stage="strip", detail=detail, text=extraction.text, **source)
    language = DETECTORS[options.language_detector](stripped.text)
    rejection = _unwanted(stripped.text, language, options, source)
    if rejection:
        return rejection
    return _cleaned(_document(extraction, stripped, language, source), stripped.line_numbers)


def cut_recurring(
    document: Document, line_numbers: Sequence[int], documents_with: Mapping[int, int], min_letters: int
) -> Cleaned | None:
    """The document without the lines that recur in other documents, measured anew; None when nothing is to be cut.

    Its `language` stays, for what is left is most of the text, and nothing is cut where fewer than `min_letters` would
    be left. `line_numbers` are those of `Cleaned`, `documents_with` as for `recurring_lines`.
    """
    cut = recurring_lines(document, documents_with)
    lines = document.text.split("\n")
    text, numbers = join_lines((line_numbers[at], line) for at, line in enumerate(lines) if at not in cut)
    if not cut or _letters(text, min_letters) < min_letters:
        return None
    removed = [*document.removed, *(RemovedText(rule, line_numbers[at], lines[at]) for at, rule in cut.items())]
    removed.sort(key=lambda each: each.start_line)
    revised = dataclasses.replace(
        document, text=text, removed=tuple(removed), language_mix=detect_mix(text, document.language)
    )
    sources = document.metadata_sources
    if (sources.title or "").startswith("text:") and any((document.title or "") in lines[at] for at in cut):
        read = _read_text(text, numbers, revised.removed)
        sources = dataclasses.replace(sources, title=read.sources.title)
        revised = dataclasses.replace(revised, title=read.title, metadata_sources=sources)
    return _cleaned(revised, numbers)


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
        read = TextMetadata()
    else:
        read = _read_text(stripped.text, stripped.line_numbers, stripped.removed)
    return TextMetadata(
        title=extraction.title or read.title,
        authors=extraction.authors or read.authors,
        published_date=extraction.published_date or read.published_date,
        site_name=extraction.site_name or read.site_name,
        sources=first_sources(extraction.sources, read.sources),
    )


def _read_text(text: str, line_numbers: Sequence[int], removed: Sequence[RemovedText]) -> TextMetadata:
    """What the lines of a text say of it, those among them that were cut."""
    kept = zip(line_numbers, text.split("\n"), strict=False)  # no text has one line
    lines = sorted([*kept, *((cut.start_line, cut.text) for cut in removed)])
    is_removed = {cut.start_line for cut in removed}
    return read_metadata(
        [line for _, line in lines], cut=[at for at, (number, _) in enumerate(lines) if number in is_removed]
    )


def _unwanted(
    text: str, language: DetectedLanguage, options: CleaningOptions, source: dict[str, Any]
) -> Rejection | None:
    letters = _letters(text, options.min_letters)
    if letters < options.min_letters:
        reason, stage, detail = "too_short", "measure", f"{letters} letters, fewer than {options.min_letters}"
    elif options.languages and not {language.language, language.language.split("-")[0]} & set(options.languages):
        reason, stage = "language_filtered", "language"
        detail = f"the text is in {language.language}, kept are {', '.join(options.languages)}"
    else:
        return None
    return Rejection(reason=reason, stage=stage, detail=detail, text=text, language=language.language, **source)


def _letters(text: str, most: int) -> int:
    """How many letters a text has, as far as `most`."""
    return sum(itertools.islice((1 for character in text if character.isalpha()), most))


def _document(
    extraction: Extraction,
    stripped: Stripped,
    language: DetectedLanguage,
    source: dict[str, Any],
) -> Document:
    """The document but for what `_cleaned` measures."""
    metadata = describe(extraction, stripped)
    return Document(
        text=stripped.text,
        text_sha256="",
        title=metadata.title,
        url=extraction.url,
        host=_host(extraction.url),
        authors=metadata.authors,
        published_date=metadata.published_date,
        site_name=metadata.site_name,
        tags=extraction.tags,
        metadata_sources=metadata.sources,
        language=language.language,
        language_score=language.score,
        language_candidates=language.candidates,
        language_mix=detect_mix(stripped.text, language.language),
        script=language.script,
        removed=stripped.removed,
        cluster_id=source["doc_id"],
        extractor=extraction.extractor,
        **source,
    )


def _cleaned(document: Document, line_numbers: tuple[int, ...]) -> Cleaned:
    """The document with the measures of its text, and what other documents are to be compared with."""
    text, marks = document.text, fingerprint(document.text, document.url)
    removed_chars = sum(len(cut.text) for cut in document.removed)
    measured = dataclasses.replace(
        document,
        text_sha256=hashlib.sha256(text.encode()).hexdigest(),
        char_count=len(text),
        word_count=marks.token_count,
        removed_chars=removed_chars,
        quality_flags=_quality_flags(text, removed_chars),
    )
    group = recurring_group(document.host, document.source_uri, document.member)
    return Cleaned(measured, marks, line_keys(text, group, document.title).tobytes(), line_numbers)


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
