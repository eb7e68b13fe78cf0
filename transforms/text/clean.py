"""One raw record to a cleaned document or a rejection: the order of the steps, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.records import Cleaned, Document, RawRecord, Rejection, RemovedText, source_columns
from transforms.text.boilerplate import Stripped, join_lines, strip_boilerplate
from transforms.text.cleaning_options import CleaningOptions
from transforms.text.extract import Extraction, extract
from transforms.text.extraction import first_sources
from transforms.text.fingerprint import fingerprint
from transforms.text.language import DetectedLanguage, ask_langdetect, detect_language, detect_mix
from transforms.text.metadata import TextMetadata, read_metadata
from transforms.text.recurring import RECURRING, line_keys, recurring_group, recurring_lines

MOSTLY_CUT_SHARE = 0.4
"""A document that lost more than this share of its characters as boilerplate is flagged, not trusted. What was cut was
boilerplate all the same, but hardly anything else is there: of 26 pages that lost a fifth or more, .64 of the text was
content up to a share of .4, .16 up to .5, and .04 beyond."""


_DETECTORS = {"ensemble": detect_language, "langdetect": ask_langdetect}


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
    language = _DETECTORS[options.language_detector](stripped.text)
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


def recut(
    document: Document,
    line_numbers: Sequence[int],
    kept_line_numbers: Sequence[int] | None,
    documents_with: Mapping[int, int],
    min_letters: int,
) -> Cleaned | None:
    """What `cut_recurring` makes of a document that other counts may have cut before; None where it stays the same.

    `line_numbers` are those of the text before any recurring line was cut, `kept_line_numbers` of the text as it
    stands, None where none was. The `line_numbers` of the result are those of its text.
    """
    whole = document
    if kept_line_numbers is not None:
        whole = _with_recurring(document, line_numbers, kept_line_numbers)
    cut = cut_recurring(whole, line_numbers, documents_with, min_letters)
    if cut is None and kept_line_numbers is None:
        return None
    judged = cut or _cleaned(whole, tuple(line_numbers))
    anew = judged.document
    same = (anew.text, anew.removed, anew.title) == (document.text, document.removed, document.title)
    return None if same else judged


def _with_recurring(document: Document, line_numbers: Sequence[int], kept_line_numbers: Sequence[int]) -> Document:
    """The document before `cut_recurring`, but for the measures of its text."""
    lines = dict(zip(kept_line_numbers, document.text.split("\n"), strict=True))
    lines |= {cut.start_line: cut.text for cut in document.removed if cut.rule.startswith(RECURRING)}
    text = "\n".join(lines.get(number, "") for number in line_numbers)
    removed = tuple(cut for cut in document.removed if not cut.rule.startswith(RECURRING))
    whole = dataclasses.replace(document, text=text, removed=removed, language_mix=detect_mix(text, document.language))
    sources = document.metadata_sources
    if _declares_all(document.extractor) or not (sources.title or "text:").startswith("text:"):
        return whole
    read = _read_text(text, line_numbers, removed)
    return dataclasses.replace(
        whole, title=read.title, metadata_sources=dataclasses.replace(sources, title=read.sources.title)
    )


def describe(extraction: Extraction, stripped: Stripped) -> TextMetadata:
    """Title, authors, date and site: what the format declares first, what can be read from the text second."""
    if _declares_all(extraction.extractor):
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


def _declares_all(extractor: str) -> bool:
    # A page that was laid out in HTML says who wrote it in its markup; its first lines of text are a guess beside that.
    return extractor.startswith(("trafilatura", "html"))


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
