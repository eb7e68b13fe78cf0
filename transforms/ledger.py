"""The ledger of a snapshot: what was read from each file, and what became of it. It must balance."""

from __future__ import annotations

import collections
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from schemas.parquet import COUNTED_BY
from schemas.records import SourceFile
from transforms.formats.read import InputFile
from transforms.read_files import FileTally
from transforms.shards import DUPLICATES, MARKS


class Ledger:
    """Rows as they are written, by file and by reason, against what was read."""

    def __init__(self) -> None:
        self.counts: dict[str, dict[str, int]] = {}
        self.documents = 0  # those of duplicates included
        self.text_bytes = 0
        self._by_file: collections.defaultdict[str, collections.Counter[str]] = collections.defaultdict(
            collections.Counter
        )

    def add(self, partition: str, table: pa.Table) -> None:
        """Count the rows that go to a partition."""
        dataset = {DUPLICATES: "duplicates"}.get(partition, partition.split("/", maxsplit=1)[0])
        if partition == MARKS:
            self.documents += len(table)
            return
        for entry in pc.value_counts(table["source_uri"]).to_pylist():
            self._by_file[entry["values"]][dataset] += entry["counts"]
        if dataset in COUNTED_BY:
            by_reason = self.counts.setdefault(dataset, {})
            for entry in pc.value_counts(table[COUNTED_BY[dataset]]).to_pylist():
                by_reason[entry["values"]] = by_reason.get(entry["values"], 0) + entry["counts"]
        if "text" in table.column_names and dataset != "duplicates":
            self.text_bytes += pc.sum(pc.binary_length(table["text"])).as_py() or 0

    def source_files(self, tallies: list[FileTally]) -> list[SourceFile]:
        """A row for every file that was read or has rows."""
        read = {tally.file.uri for tally in tallies}
        unread = [FileTally(InputFile(uri), 0, None) for uri in sorted(self._by_file.keys() - read)]
        return [
            SourceFile(
                source_uri=tally.file.uri,
                size=tally.file.size,
                modified_at=tally.file.modified_at,
                sha256=tally.sha256,
                records=tally.items,
                **self._by_file[tally.file.uri],
            )
            for tally in [*tallies, *unread]
        ]

    @staticmethod
    def unbalanced(sources: list[SourceFile]) -> Iterator[str]:
        """A sentence for every file whose rows are not what was read from it."""
        for source in sources:
            rows = source.documents + source.rejects + source.quarantine
            if source.records != rows or not rows:
                yield f"{source.source_uri}: {source.records} records were read, {rows} rows written"
