"""The plan of a run: which files it reads, in which order, cut into splits. Decided once, before anything is read."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import glob
import importlib.util
import os
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.options import UsageError
from transforms.files import create_file, open_file
from transforms.formats.read import InputFile
from transforms.formats.sniff import sniff

SPLIT_BYTES = 32 << 20
SPLIT_FILES = 1000
"""A split is what one worker of an engine reads at a time, and what is read again when that worker is lost."""

SNIFFED_BYTES = 4096

_PLAN_SCHEMA = pa.schema(
    [
        ("uri", pa.string()),
        ("size", pa.int64()),
        ("modified_at", pa.timestamp("us", tz="UTC")),
        ("ordinal", pa.uint32()),
        ("attempt", pa.uint32()),
    ]
)


_EXTRAS = {"s3": ("s3", "boto3"), "gs": ("gcs", "google.cloud.storage"), "hdfs": ("hdfs", "hdfs")}
"""For a scheme, the extra that brings its file system, and a package that the extra installs."""


def use_file_systems(beam_arguments: Sequence[str]) -> None:
    """Let Beam's file systems know their options, such as `--s3_endpoint_url`, before the first look at a bucket."""
    FileSystems.set_options(PipelineOptions(list(beam_arguments)))


def require_extras(uris: Iterable[str]) -> None:
    """Raise `UsageError` for a URI whose file system wants a package that is not installed, and name the extra."""
    for uri in uris:
        scheme, separator, _ = uri.partition("://")
        if separator and scheme in _EXTRAS:
            extra, package = _EXTRAS[scheme]
            if not _is_installed(package):
                raise UsageError(f"{uri!r} wants the extra `{extra}`, which is not installed: pip install '.[{extra}]'")


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # a package around it is missing
        return False


def require_inputs(inputs: Iterable[str]) -> None:
    """Raise `UsageError` for a local input that names nothing, by a short look, before anything is made for a run."""
    for pattern in inputs:
        if "://" not in pattern and not os.path.lexists(pattern) and not any(glob.iglob(pattern, recursive=True)):
            raise _names_nothing(pattern)


def _names_nothing(pattern: str) -> UsageError:
    return UsageError(f"the input {pattern!r} names no file: check the path, and quote a glob")


def match_inputs(inputs: Iterable[str], *, apart_from: str = "", may_be_empty: bool = False) -> list[InputFile]:
    """The files that the inputs name, each once, in the order of their URIs; those below `apart_from` are left out.

    A folder stands for all files below it but hidden ones, as a shell's glob does; given by name, those are read too.
    Raises `UsageError` for an input that can't be listed, or names nothing: a local folder that is there, unless it
    `may_be_empty`.
    """
    own = _identity(apart_from) + "/" if apart_from else None
    found: dict[str, InputFile] = {}
    for pattern in inputs:
        matched = {_identity(file.uri): file for file in _match(pattern)}
        if not matched and not (may_be_empty and os.path.isdir(pattern)):
            raise _names_nothing(pattern)
        for identity, file in matched.items():
            if not (own and identity.startswith(own)):
                found[identity] = min(file, found.get(identity, file), key=lambda each: each.uri)
        if own and (_identity(pattern) + "/").startswith(own):
            raise UsageError(
                f"the input {pattern!r} lies in the output {apart_from!r}, which is not read: name another"
            )
    return sorted(found.values(), key=lambda file: file.uri)


def _identity(uri: str) -> str:
    return uri.rstrip("/") if "://" in uri else os.path.abspath(uri)


def _match(pattern: str) -> Iterator[InputFile]:
    try:
        if "://" in pattern:
            yield from _match_remote(pattern)
        elif os.path.lexists(pattern):  # a name with glob characters in it is still a name
            yield from _local(pattern)
        else:  # by Python's glob: that of Beam finds nothing where the first folder is a wildcard
            for path in glob.iglob(pattern, recursive=True):
                yield from _local(path)
    except (OSError, BeamIOError, ValueError, ImportError) as error:
        raise UsageError(f"the input {pattern!r} can't be listed: {error}") from error


def _local(path: str) -> Iterable[InputFile]:
    return _walk(path) if os.path.isdir(path) else [_local_file(path)]


def _match_remote(pattern: str) -> Iterator[InputFile]:
    # An object store has no folders: a name without a match may be the beginning of others.
    everything_below = pattern.rstrip("/") + "/**"
    for candidate in (everything_below,) if pattern.endswith("/") else (pattern, everything_below):
        metadata = FileSystems.match([candidate])[0].metadata_list
        for entry in metadata:
            modified = entry.last_updated_in_seconds
            when = dt.datetime.fromtimestamp(modified, dt.UTC) if modified else None
            yield InputFile(entry.path, entry.size_in_bytes, when)
        if metadata:
            return


def _walk(folder: str) -> Iterator[InputFile]:
    def refuse(error: OSError) -> None:
        raise error  # a folder that can't be listed holds files that would go missing without a word

    seen = set()
    for root, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        seen.add(os.path.realpath(root))
        folders[:] = [
            name
            for name in sorted(folders)  # which of two links to a folder is followed must not depend on its order
            if not name.startswith(".") and os.path.realpath(os.path.join(root, name)) not in seen
        ]
        yield from (_local_file(os.path.join(root, name)) for name in names if not name.startswith("."))


def _local_file(path: str) -> InputFile:
    # A name that is not UTF-8 can't stand in a row; escaped it names no file, and ends in quarantine under that name.
    uri = _spelled(path).encode("utf-8", "backslashreplace").decode()
    try:
        status = os.stat(path)
    except OSError:  # a broken link: whoever opens it will say so in a row
        return InputFile(uri, None, None)
    try:
        modified_at = dt.datetime.fromtimestamp(status.st_mtime, dt.UTC)
    except (ValueError, OverflowError):  # some file systems take the year 10000
        modified_at = None
    return InputFile(uri, status.st_size, modified_at)


def _spelled(path: str) -> str:
    """A local path without "./" and doubled slashes; ".." stays, which behind a link leads elsewhere than it seems.

    >>> _spelled("./raw//./a.txt"), _spelled("/raw/../a.txt")
    ('raw/a.txt', '/raw/../a.txt')
    """
    root = "/" if path.startswith("/") else ""
    return root + "/".join(part for part in path.split("/") if part not in ("", "."))


def splits_of(files: Sequence[InputFile]) -> list[list[InputFile]]:
    """The files in their order, cut where a split is full. Depends on names and sizes alone, never on the workers."""
    splits: list[list[InputFile]] = []
    size = 0
    for file in files:
        if not splits or size + (file.size or 0) > SPLIT_BYTES or len(splits[-1]) >= SPLIT_FILES:
            splits.append([])
            size = 0
        splits[-1].append(file)
        size += file.size or 0
    return splits


def partitions_of(splits: Sequence[Sequence[InputFile]], published_bytes: int) -> int:
    """Partitions for the keys: as many as there would be full splits, for a split may be one file of any size.

    >>> small, large = InputFile("small.txt", 100, None), InputFile("large.jsonl", 5 << 30, None)
    >>> partitions_of([[small]], 0), partitions_of([[small], [large]], 1 << 30)
    (8, 192)
    """
    size = published_bytes + sum(file.size or 0 for split in splits for file in split)
    return max(8, min(max(len(splits), size // SPLIT_BYTES), 1024))


def write_plan(path: str, splits: Sequence[Sequence[InputFile]]) -> None:
    """One Parquet file with a row group a split, so that a graph carries numbers and not a million paths."""
    with (
        create_file(path) as stream,
        pq.ParquetWriter(stream, _PLAN_SCHEMA) as writer,
    ):
        for split in splits:
            writer.write_table(pa.Table.from_pylist([dataclasses.asdict(file) for file in split], _PLAN_SCHEMA))


def formats_of(files: Iterable[InputFile]) -> dict[str, tuple[int, int]]:
    """Media type to (files, bytes), largest first, by a look at the first bytes of every file."""
    counts: collections.Counter[str] = collections.Counter()
    sizes: collections.Counter[str] = collections.Counter()
    for file in files:
        try:
            with open_file(file.uri) as stream:
                media_type = sniff(stream.read(SNIFFED_BYTES), file.uri)
        except (OSError, BeamIOError):
            media_type = "unreadable"
        counts[media_type] += 1
        sizes[media_type] += file.size or 0
    return {media_type: (counts[media_type], size) for media_type, size in sizes.most_common()}
