"""Read files: from a split of the plan to the records in its files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq

from schemas.records import Quarantined, RawRecord, Rejection, doc_id, error_text
from transforms import progress
from transforms.files import open_file
from transforms.formats.read import Columns, InputFile, ReadLimits, read_records

ReadItem = RawRecord | Rejection | Quarantined

TALLIES = "tallies"


@dataclasses.dataclass(frozen=True, slots=True)
class FileTally:
    """How many items were read from one file: what the published rows have to add up to."""

    file: InputFile
    items: int


class ReadFiles(beam.PTransform):
    """Numbers of splits to (split, item) pairs, with a (split, `FileTally`) for every file in the output `tallies`."""

    def __init__(self, plan: str, limits: ReadLimits, columns: Columns) -> None:
        super().__init__()
        self._plan, self._limits, self._columns = plan, limits, columns

    def expand(self, splits: beam.PCollection[int]) -> beam.DoOutputsTuple:
        """`records` and `tallies`, each keyed by split."""
        reader = _ReadSplit(self._plan, self._limits, self._columns)
        return splits | "Read splits" >> beam.ParDo(reader).with_outputs(TALLIES, main="records")


class _ReadSplit(beam.DoFn):
    def __init__(self, plan: str, limits: ReadLimits, columns: Columns) -> None:
        self._plan, self._limits, self._columns = plan, limits, columns

    def process(self, split: int) -> Iterator[Any]:
        for file in files_of_split(self._plan, split):
            items = 0
            for item in read_file(file, self._limits, self._columns):
                items += 1
                yield split, item
            progress.count("files")
            yield beam.pvalue.TaggedOutput(TALLIES, (split, FileTally(file, items)))


def files_of_split(plan: str, split: int) -> list[InputFile]:
    """The files of one split, in order: a row group of the plan's Parquet file."""
    with open_file(plan) as stream:
        rows = pq.ParquetFile(stream).read_row_group(split).to_pylist()
    return [InputFile(**row) for row in rows]


def read_file(file: InputFile, limits: ReadLimits, columns: Columns) -> Iterator[ReadItem]:
    """The items of one file on any file system; a file that can't be opened, or fails on the way, is quarantined."""
    number = 0
    try:
        with open_file(file.uri) as stream:
            for number, item in enumerate(read_records(stream, file, limits, columns), start=1):  # noqa: B007
                yield item
    except OSError as error:
        yield unreadable(file, number + 1, error)


def unreadable(file: InputFile, number: int, error: Exception) -> Quarantined:
    """The quarantine row of a file that the file system did not give, or not to its end."""
    return Quarantined(
        doc_id=doc_id(file.uri, None, number),
        source_uri=file.uri,
        source_modified_at=file.modified_at,
        error_class="unreadable",
        error_type=type(error).__name__,
        error_message=error_text(str(error)),
        stage="read",
        retryable=True,
    )
