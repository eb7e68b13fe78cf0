"""Shards made for a test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from apache_beam.utils.windowed_value import WindowedValue

from schemas.records import Cleaned, Document, Quarantined, Rejection
from transforms.read_files import Key
from transforms.shards import Shard, sources_of, write_sources
from transforms.stage_text import Provenance, _WriteShards
from transforms.text.fingerprint import fingerprint
from transforms.worker_pool import Result

PROVENANCE = Provenance("run-1", "0.0", "c0")


def document(uri: str, text: str) -> Cleaned:
    made = Document(doc_id=f"id-{uri}", source_uri=uri, source_sha256="", media_type="", text=text, text_sha256="")
    return Cleaned(made, fingerprint(text))


def rejection(uri: str) -> Rejection:
    return Rejection(doc_id=f"id-{uri}", source_uri=uri, reason="empty", stage="decode")


def quarantined(uri: str) -> Quarantined:
    return Quarantined(doc_id=uri, source_uri=uri, error_class="parse", error_type="", error_message="", stage="x")


def staged(folder: Path, results: Sequence[tuple[Key, Result]]) -> list[Shard]:
    """The shards of results that come in one bundle, split by split, each with the number of its split and file."""
    writer = _WriteShards(str(folder), PROVENANCE)
    writer.start_bundle()
    shards = [shard for each in results for shard in writer.process(each)]
    last: list[WindowedValue] = list(writer.finish_bundle())
    return [*shards, *(value.value for value in last)]


def renumbered(shard: Shard, ordinals: list[int]) -> Shard:
    """The shard with other ordinals for its files."""
    sources = sources_of(shard).copy()
    sources["ordinal"] = ordinals
    write_sources(shard.sources, sources)
    return shard
