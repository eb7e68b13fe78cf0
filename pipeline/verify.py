"""Verify: whether what is published is, byte for byte and row for row, what was published."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import hashlib
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from pipeline import snapshots
from schemas.digest import TableDigest
from schemas.parquet import COUNTED_BY, DATASETS
from transforms.files import is_local, list_files, open_file
from transforms.parquet_sink import PublishedFile, digest_of
from transforms.shards import LEDGER

SHOWN = 5
"""Problems of one kind that are told one by one."""

Keys = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]
NO_KEYS: Keys = np.empty(0, np.uint64)


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was published."""

    sentence: str
    harmless: bool = False  # a run that is killed may leave it, and no reader is misled


def verify_pointer(output: snapshots.Output) -> Iterator[Finding]:
    """What is wrong with `latest.json` and with the link `latest`."""
    try:
        latest = snapshots.latest(output)
    except OSError as error:
        yield Finding(f"{snapshots.LATEST} leads to no snapshot: {error}")
        return
    if latest is None:
        yield Finding(f"{snapshots.LATEST} is missing; `millstream rollback` writes it anew")
    elif output.is_local:
        yield from _verify_link(output, latest[0])


def _verify_link(output: snapshots.Output, run_id: str) -> Iterator[Finding]:
    link = output.path("latest")
    if not os.path.lexists(link):
        yield Finding("there is no link 'latest'; the next run makes it where the file system has links", harmless=True)
    elif not os.path.islink(link):
        yield Finding("'latest' is no link to a snapshot: readers who go by it see something else")
    elif os.readlink(link) != posixpath.join(snapshots.SNAPSHOTS, run_id):
        # The link is set after the pointer, so a run that is killed in between leaves it at the former snapshot.
        former = os.path.dirname(os.readlink(link)) == snapshots.SNAPSHOTS and os.path.exists(link)
        sentence = f"the link 'latest' leads to {os.readlink(link)}, {snapshots.LATEST} to {run_id}"
        yield Finding(sentence + ("; the next run that publishes sets it right" if former else ""), harmless=former)


def verify_snapshot(output: snapshots.Output, run_id: str) -> Iterator[Finding]:
    """What is wrong with one snapshot: its manifest, its files, their pages, their rows and what they add up to.

    Every byte is read. Memory: a row group, 8 bytes for each id in the rows, 40 for each file that was read.
    """
    snapshot = output.snapshot(run_id)
    sizes = list_files(snapshot)
    if snapshots.MANIFEST not in sizes:
        sentence = f"{run_id}: it has no {snapshots.MANIFEST}"
        if output.is_local:  # where a snapshot appears whole
            yield Finding(f"{sentence}; `gc` removes it")
        else:
            sentence += ": a run is publishing it, or was killed; `gc` removes it a week after its last file"
            yield Finding(sentence, harmless=True)
        return
    for sentence in _problems(output, run_id, sizes):
        if not list_files(snapshot):
            yield Finding(f"{run_id} was removed while it was verified", harmless=True)
            return
        yield Finding(f"{run_id}: {sentence}")


def _problems(output: snapshots.Output, run_id: str, sizes: dict[str, int]) -> Iterator[str]:
    try:
        manifest = snapshots.manifest_of(output, run_id)
    except OSError as error:
        yield str(error)
        return
    yield from snapshots.strayed(sizes, manifest)
    account, intact = _Account(), True
    for file in sorted(manifest["files"], key=lambda file: file["path"].startswith(LEDGER)):
        whole = sizes.get(file["path"]) == file["bytes"]  # or it was told
        problem = _verify_file(output.snapshot(run_id), file, account) if whole else None
        intact = intact and whole and not problem
        if problem:
            yield f"{file['path']} {problem}"
    if intact and manifest.get("manifest_version") == snapshots.MANIFEST_VERSION:  # others kept other books
        yield from account.differences(manifest)


def _verify_file(snapshot: str, file: dict[str, Any], account: _Account) -> str | None:
    """What is wrong with one file; when nothing is, its rows are in the account."""
    try:
        with _at_hand(posixpath.join(snapshot, file["path"])) as stream:
            # Damaged bytes are not given to a decoder: it may take the process with it.
            if hashlib.file_digest(stream, "sha256").hexdigest() != file["sha256"]:
                return "is damaged: its sha256 is not the one in the manifest"
            stream.seek(0)
            digest, rows = TableDigest(), 0
            for table in _row_groups(stream):
                digest.update(table)
                rows += table.num_rows
                account.add(file["path"], table)
    except (OSError, pa.ArrowException, ValueError) as error:
        return f"can't be read: {error}"
    if rows != file["rows"]:
        return f"has {rows} rows, the manifest says {file['rows']}"
    if digest.hexdigest() != file["digest"]:
        return "has other values than its digest in the manifest says"
    return None


@contextlib.contextmanager
def _at_hand(path: str) -> Iterator[Any]:
    """The file, or a copy on this machine: it is read twice, and back and forth."""
    with open_file(path) as stream:
        if is_local(path):
            yield stream
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
            copy.seek(0)
            yield copy


def _row_groups(stream: Any) -> Iterator[pa.Table]:
    file = pq.ParquetFile(stream, page_checksum_verification=True)
    for number in range(file.num_row_groups):
        yield file.read_row_group(number)


class _Account:
    """What the rows of a snapshot add up to. Ids, and names of files, are held as 64 bits each."""

    def __init__(self) -> None:
        self._counts: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in DATASETS}
        self._ids: dict[str, list[Keys]] = {name: [NO_KEYS] for name in DATASETS}
        self._kept: list[Keys] = [NO_KEYS]
        self._rows: list[tuple[str, Keys, Numbers]] = []  # data set, files, rows of each
        self._sources = self._named = 0  # files in the ledger; those of them that have rows
        self._unbalanced: list[str] = []

    def add(self, path: str, table: pa.Table) -> None:
        """Count the rows of a file of the snapshot, some or all; those of the ledger last."""
        dataset = path.split("/", maxsplit=1)[0]
        if dataset in DATASETS:
            for entry in pc.value_counts(table[COUNTED_BY[dataset]]).to_pylist():
                self._counts[dataset][entry["values"]] += entry["counts"]
            self._ids[dataset].append(id_keys(table["doc_id"]))
            uris, rows = pc.value_counts(table["source_uri"]).flatten()
            self._rows.append((dataset, _uri_keys(uris), rows.to_numpy()))
        if dataset == "rejects":
            self._kept.append(id_keys(table["kept_doc_id"].drop_null()))
        if path.startswith(f"{LEDGER}/"):
            self._balance(table)

    def _balance(self, ledger: pa.Table) -> None:
        sources, rows = self._rows_by_source
        named = _uri_keys(ledger["source_uri"])
        has_rows = np.isin(named, sources)
        written = np.zeros((len(named), len(DATASETS)), np.int64)
        written[has_rows] = rows[np.searchsorted(sources, named[has_rows])]
        said = np.stack([ledger[name].to_numpy() for name in DATASETS], axis=1)
        balanced = (written == said).all(axis=1) & (said.sum(axis=1) == ledger["records"].to_numpy())
        self._unbalanced += ledger["source_uri"].filter(pa.array(~balanced)).to_pylist()
        self._sources += len(named)
        self._named += int(has_rows.sum())

    @functools.cached_property
    def _rows_by_source(self) -> tuple[Keys, Numbers]:
        """The files that have rows, in order, and how many in each data set."""
        sources, place = np.unique(np.concatenate([NO_KEYS, *(keys for _, keys, _ in self._rows)]), return_inverse=True)
        counts = np.zeros((len(sources), len(DATASETS)), np.int64)
        first = 0
        for dataset, keys, rows in self._rows:
            np.add.at(counts[:, list(DATASETS).index(dataset)], place[first : first + len(keys)], rows)
            first += len(keys)
        return sources, counts

    def differences(self, manifest: dict[str, Any]) -> Iterator[str]:
        """A sentence for everything that does not add up, with the manifest or with itself."""
        yield from self._unlike_manifest(manifest)
        yield from _told("the rows of {} are not those in the ledger", self._unbalanced)
        if unnamed := len(self._rows_by_source[0]) - self._named:
            yield f"the ledger does not name {unnamed} of the files that have rows"
        ids = {name: np.concatenate(keys) for name, keys in self._ids.items()}
        unique, times = np.unique(np.concatenate(list(ids.values())), return_counts=True)
        yield from _told("the doc_id that begins with {:016x} stands in several rows", unique[times > 1])
        kept = np.unique(np.concatenate(self._kept))
        lost = kept[~np.isin(kept, ids["documents"])]
        yield from _told("rejects name a document, {:016x}..., that is not in the snapshot", lost)

    def _unlike_manifest(self, manifest: dict[str, Any]) -> Iterator[str]:
        for dataset, counts in self._counts.items():
            said = manifest["counts"][dataset]
            for reason in sorted(counts.keys() | said.keys()):
                if counts[reason] != said.get(reason, 0):
                    yield f"{dataset} has {counts[reason]} rows of {reason}, the manifest says {said.get(reason, 0)}"
        rows = sum(counts.total() for counts in self._counts.values())
        if rows != manifest["records"]:
            yield f"the data sets have {rows} rows, the manifest says {manifest['records']} records"
        if self._sources != manifest["sources"]:
            yield f"the ledger has {self._sources} files, the manifest says {manifest['sources']}"
        files = [PublishedFile(staged="", **file) for file in manifest["files"] if file["rows"]]
        if digest_of(files) != manifest["digest"]:
            yield "the digest of all rows is not the one in the manifest"


def id_keys(ids: pa.ChunkedArray) -> Keys:
    """The first 64 bits of ids in hexadecimal; raises `ValueError` for others."""
    digits = pc.utf8_slice_codeunits(ids, 0, 16).to_pylist()
    keys = np.frombuffer(bytes.fromhex("".join(digits)), ">u8").astype(np.uint64)
    if len(keys) != len(ids):
        raise ValueError("a doc_id is too short")
    return keys


def _uri_keys(uris: Iterable[Any]) -> Keys:
    return np.array([xxhash.xxh3_64_intdigest(uri.as_py().encode()) for uri in uris], np.uint64)


def _told(sentence: str, values: Sequence[Any] | Keys) -> Iterator[str]:
    for value in values[:SHOWN]:
        yield sentence.format(value)
    if len(values) > SHOWN:
        yield f"... the same of {len(values) - SHOWN} more"
