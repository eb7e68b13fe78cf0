"""Read files: from a split of the plan to the records in its files."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

import apache_beam as beam
import pyarrow.parquet as pq

from schemas.records import Quarantined, RawRecord, Rejection, doc_id, error_text
from transforms import progress
from transforms.files import open_file
from transforms.formats.read import Columns, InputFile, ReadLimits, read_records

ReadItem = RawRecord | Rejection | Quarantined

TALLIES = "tallies"

HELD_BYTES = 16 << 20
"""A file up to this size is read once, and both hashed and unpacked from memory; a larger one is read twice."""

Key = tuple[int, int]
"""A split, and the ordinal of a file in it."""


@dataclasses.dataclass(frozen=True, slots=True)
class FileTally:
    """How many items were read from one file: what the published rows have to add up to."""

    file: InputFile
    items: int
    sha256: str | None  # of the file as stored, before it was unpacked; None when it could not be read


class ReadFiles(beam.PTransform):
    """Numbers of splits to (`Key`, item) pairs, with a (split, `FileTally`) for every file in the output `tallies`."""

    def __init__(self, plan: str, limits: ReadLimits, columns: Columns) -> None:
        super().__init__()
        self._plan, self._limits, self._columns = plan, limits, columns

    def expand(self, splits: beam.PCollection[int]) -> beam.DoOutputsTuple:
        """`records` by split and file, `tallies` by split."""
        reader = _ReadSplit(self._plan, self._limits, self._columns)
        return splits | "Read splits" >> beam.ParDo(reader).with_outputs(TALLIES, main="records")


class _ReadSplit(beam.DoFn):
    def __init__(self, plan: str, limits: ReadLimits, columns: Columns) -> None:
        self._plan, self._limits, self._columns = plan, limits, columns

    def process(self, split: int) -> Iterator[Any]:
        for file in files_of_split(self._plan, split):
            items, reading = 0, Reading(file)
            for item in reading.items(self._limits, self._columns):
                items += 1
                yield (split, file.ordinal), item
            progress.count("files")
            yield beam.pvalue.TaggedOutput(TALLIES, (split, FileTally(file, items, reading.sha256)))


def files_of_split(plan: str, split: int) -> list[InputFile]:
    """The files of one split, in order: a row group of the plan's Parquet file."""
    with open_file(plan) as stream:
        rows = pq.ParquetFile(stream).read_row_group(split).to_pylist()
    return [InputFile(**row) for row in rows]


def read_file(file: InputFile, limits: ReadLimits, columns: Columns) -> Iterator[ReadItem]:
    """The items of one file on any file system; a file that can't be opened, or fails on the way, is quarantined."""
    return Reading(file).items(limits, columns)


class Reading:
    """One reading of a file: its items, and the sha256 of what they were read from."""

    def __init__(self, file: InputFile) -> None:
        self._file = file
        self.sha256: str | None = None

    def items(self, limits: ReadLimits, columns: Columns) -> Iterator[ReadItem]:
        """As `read_file`; from the first item on, `sha256` is that of the file, or None when it could not be read."""
        number = 0
        try:
            # Hashed before it is unpacked: what is written into it meanwhile must look like a change to the next run.
            with self._hashed() as stream:
                for number, item in enumerate(read_records(stream, self._file, limits, columns), start=1):  # noqa: B007
                    yield item
        except OSError as error:
            self.sha256 = None
            yield unreadable(self._file, number + 1, error)

    def _hashed(self) -> BinaryIO:
        if self._file.size is None or self._file.size > HELD_BYTES:
            self.sha256 = sha256_of(self._file.uri)
            return open_file(self._file.uri)
        with open_file(self._file.uri) as stream:
            data = stream.read(HELD_BYTES + 1)
        if len(data) > HELD_BYTES:  # it has grown since it was listed
            self.sha256 = sha256_of(self._file.uri)
            return open_file(self._file.uri)
        self.sha256 = hashlib.sha256(data).hexdigest()
        return io.BytesIO(data)


def sha256_of(uri: str) -> str:
    """sha256 of a file as stored, in hexadecimal. Raises `OSError`."""
    with open_file(uri) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]


def unreadable(file: InputFile, number: int, error: Exception) -> Quarantined:
    """The quarantine row of a file that the file system did not give, or not to its end."""
    return Quarantined(
        doc_id=doc_id(file.uri, None, number),
        source_uri=file.uri,
        source_modified_at=file.modified_at,
        attempts=file.attempt,
        error_class="unreadable",
        error_type=type(error).__name__,
        error_message=error_text(str(error)),
        stage="read",
        retryable=True,
    )
