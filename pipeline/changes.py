"""What changed since the snapshot that a run builds on: which files are to be read, and whose rows go."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.parquet import schema_of
from schemas.records import SourceFile
from transforms.files import open_file
from transforms.formats.read import InputFile
from transforms.key_files import Array
from transforms.read_files import sha256_of
from transforms.shards import DROPPED, LEDGER, SOURCE, Shard, open_checked, write_sources

_GROUP = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}-\d+(?=-)")
"""The name of a group, at the beginning of that of a file; an empty file belongs to none."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclasses.dataclass(frozen=True, slots=True)
class Changes:
    """What a run has to do."""

    read: list[InputFile]  # new or changed files, by URI, each with its ordinal
    published: list[Array]  # for each published group the files in it, an array of `SOURCE`
    new: int  # files
    changed: int
    unchanged: int
    gone: int  # published, and not named by the inputs any more
    unreadable: int = 0  # of the unchanged: it can't be told whether they are

    @property
    def dropped(self) -> int:
        """The published files whose rows go: those that were changed, and those that are gone if they are to go."""
        return sum(int((of_group["ordinal"] == DROPPED).sum()) for of_group in self.published)

    @property
    def sources(self) -> int:
        """How many files the new snapshot will have rows of."""
        return len(self.read) + sum(map(len, self.published)) - self.dropped

    def __bool__(self) -> bool:
        return bool(self.read or self.dropped)


@dataclasses.dataclass(frozen=True, slots=True)
class Ledger:
    """The files that a snapshot has rows of, group by group."""

    files: pa.Table  # rows of `SourceFile`
    sizes: list[int]  # files in each group


def read_ledger(snapshot: str, manifest: Mapping[str, Any]) -> Ledger:
    """The ledger of a snapshot, by its manifest. Raises `OSError`."""
    tables, sizes = [schema_of(SourceFile).empty_table()], []
    paths = files_by_group(manifest["files"])
    for group in manifest["groups"]:
        of_group = list(_tables(snapshot, paths.get(group["name"], [])))
        tables += of_group
        sizes.append(sum(map(len, of_group)))
    return Ledger(pa.concat_tables(tables).combine_chunks(), sizes)


def _tables(snapshot: str, paths: Sequence[str], columns: list[str] | None = None) -> Iterator[pa.Table]:
    for path in paths:
        if path.startswith(f"{LEDGER}/"):
            try:
                with open_file(posixpath.join(snapshot, path)) as stream:
                    yield open_checked(stream).read(columns)
            except (OSError, pa.ArrowException) as error:
                raise OSError(
                    f"{posixpath.join(snapshot, path)} can't be read, `millstream verify` tells what else is damaged, "
                    f"and `rollback` goes back to a snapshot that is whole: {error}"
                ) from error


def files_by_group(files: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The paths of the files of each group, relative to the snapshot; their names begin with its name.

    >>> files_by_group([{"path": "rejects/20260101T000000Z-00ab12-00000-000.parquet"}])
    {'20260101T000000Z-00ab12-00000': ['rejects/20260101T000000Z-00ab12-00000-000.parquet']}
    """
    groups: collections.defaultdict[str, list[str]] = collections.defaultdict(list)
    for file in files:
        groups["-".join(posixpath.basename(file["path"]).split("-")[:3])].append(file["path"])
    return dict(groups)


def gone_files(snapshot: str, manifest: Mapping[str, Any], files: Sequence[InputFile]) -> list[str]:
    """The files that a snapshot has rows of, of whatever version it is, and the input does not name any more."""
    ledger = _tables(snapshot, [file["path"] for file in manifest["files"]], ["source_uri"])
    named = {file.uri for file in files}
    return [uri for table in ledger for uri in table["source_uri"].to_pylist() if uri not in named]


def changes_since(
    ledger: Ledger, files: Sequence[InputFile], *, by_content: bool, drop_gone: bool, again: bool = False
) -> Changes:
    """What is to be done about the files of the input, each of which is there once.

    A file is unchanged when its size and the time of its modification are what they were; where only the size is, or
    always with `by_content`, its sha256 decides. With `again` each of the files is read. Raises `OSError`.
    """
    place = pc.index_in(pa.array([file.uri for file in files], pa.string()), value_set=ledger.files["source_uri"])
    was = _Was(ledger)
    read, found, stays = [], np.zeros(len(ledger.files), bool), np.full(len(ledger.files), not drop_gone)
    modified = ledger.files["modified_at"].to_numpy().copy()
    for file, at in zip(files, place.to_pylist(), strict=True):
        same = at is not None and not again and was.same(file, at, by_content=by_content)
        if not same:
            read.append(file)
        if at is not None:
            found[at], stays[at] = True, same
            if at not in was.unreadable:  # one that may have changed must not get the time of that change
                modified[at] = np.datetime64(file.modified_at.replace(tzinfo=None) if file.modified_at else "NaT", "us")
    old = ledger.files["source_uri"].filter(pa.array(stays))
    order = np.empty(len(old) + len(read), np.int64)
    uris = pa.concat_arrays([*old.chunks, pa.array([file.uri for file in read], pa.string())])
    order[pc.sort_indices(uris).to_numpy()] = np.arange(len(order))
    published = np.empty(len(ledger.files), SOURCE)
    published["documents"] = pc.add(ledger.files["documents"], ledger.files["duplicates"])
    published["modified"] = modified
    published["ordinal"] = DROPPED
    published["ordinal"][stays] = order[: len(old)]
    changed = sum(at is not None for at in place.to_pylist()) - int((found & stays).sum())
    return Changes(
        read=[dataclasses.replace(file, ordinal=int(at)) for file, at in zip(read, order[len(old) :], strict=True)],
        published=np.split(published, np.cumsum(ledger.sizes)[:-1]) if ledger.sizes else [],
        new=len(read) - changed,
        changed=changed,
        unchanged=int((found & stays).sum()),
        gone=0 if again else int((~found).sum()),
        unreadable=len(was.unreadable),
    )


class _Was:
    """What the files were like when they were read."""

    def __init__(self, ledger: Ledger) -> None:
        self._size = ledger.files["size"].to_pylist()
        self._modified = ledger.files["modified_at"].cast(pa.int64()).to_pylist()
        self._sha256 = ledger.files["sha256"]
        self.unreadable: set[int] = set()

    def same(self, file: InputFile, at: int, *, by_content: bool) -> bool:
        """Whether a file is what it was, as far as can be told; one that could not be read then stays unread.

        One that was read, and can't be looked at now, is kept: a disk that is away takes no documents along.
        """
        known = self._sha256[at].as_py()
        if known is not None and file.size is None:
            self.unreadable.add(at)
            return True
        if file.size != self._size[at]:
            return False
        microseconds = (file.modified_at - _EPOCH) // dt.timedelta(microseconds=1) if file.modified_at else None
        if known is None:
            return self._modified[at] is None or bool(microseconds == self._modified[at])
        if microseconds is not None and microseconds == self._modified[at] and not by_content:
            return True
        try:
            return bool(sha256_of(file.uri) == known)
        except OSError:
            self.unreadable.add(at)
            return True


def published_shards(
    snapshot: str, manifest: Mapping[str, Any], changes: Changes, staging: str, first_split: int
) -> tuple[Shard, ...]:
    """The groups of a snapshot as shards of a run, numbered from `first_split` on; what they want is written down."""
    shards, paths = [], files_by_group(manifest["files"])
    for number, (group, sources) in enumerate(zip(manifest["groups"], changes.published, strict=True), first_split):
        folder = posixpath.join(staging, "published", f"{number:06d}")
        if sources["documents"].sum() != group["documents"]:
            raise OSError(f"the ledger of {group['name']} in {snapshot} does not add up: see `millstream verify`")
        shards.append(
            Shard(
                split=number,
                folder=folder,
                documents=group["documents"],
                text_bytes=group["text_bytes"],
                files=tuple(
                    (posixpath.dirname(path), posixpath.join(snapshot, path)) for path in sorted(paths[group["name"]])
                ),
                sources=write_sources(posixpath.join(folder, "sources.bin"), sources),
                group=group["name"],
                decisions=group["decisions"],
            )
        )
    return tuple(shards)
