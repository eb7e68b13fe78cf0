"""Snapshots: how a finished run becomes visible, all of it in one step, and how the last one is found."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import posixpath
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from schemas.parquet import DATASETS, schema_of
from transforms.files import create_file, open_file
from transforms.parquet_sink import PublishedFile, empty_file

LATEST = "latest.json"
STAGING = "_staging"
SNAPSHOTS = "snapshots"

log = logging.getLogger("millstream")

BATCH_ROWS = 1000


class BusyError(Exception):
    """Another run holds the output."""


@dataclasses.dataclass(frozen=True, slots=True)
class Output:
    """The folder or URI that holds the snapshots."""

    root: str

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine's file system, where a folder can be renamed and a link be made."""
        return "://" not in self.root

    def path(self, *parts: str) -> str:
        """A path below it."""
        return posixpath.join(self.root, *parts)

    def staging(self, run_id: str) -> str:
        """The folder that a run works in."""
        return self.path(STAGING, run_id)

    def snapshot(self, run_id: str) -> str:
        """The folder of a run's snapshot."""
        return self.path(SNAPSHOTS, run_id)


@contextlib.contextmanager
def exclusive(output: Output) -> Iterator[None]:
    """Hold the output for one run, and sweep what dead runs left; raises `BusyError` when another run holds it.

    The operating system releases the lock of a dead process. Object stores have no such lock.
    """
    if not output.is_local:
        yield
        return
    staging = Path(output.path(STAGING))
    try:
        staging.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"the output {output.root!r} can't be written: {error}") from error
    owner = staging / "owner"
    try:
        with filelock.FileLock(staging / "lock", timeout=0):
            for left_over in staging.iterdir():
                if left_over.is_dir():
                    shutil.rmtree(left_over)
            owner.write_text(f"process {os.getpid()}")
            yield
    except filelock.Timeout as error:
        holder = owner.read_text() if owner.exists() else "another process"
        raise BusyError(f"the output {output.root!r} is in use by {holder}: wait for it, or name another") from error


def commit(output: Output, run_id: str, files: Sequence[PublishedFile], manifest: dict[str, Any]) -> dict[str, Any]:
    """Make a finished run the latest snapshot; its manifest, with the files in it.

    Whatever happens on the way, readers see the former snapshot whole.
    """
    staging, snapshot = output.staging(run_id), output.snapshot(run_id)
    # Locally the snapshot takes shape in staging and appears by one rename; an object store shows nothing of it to a
    # reader who goes by latest.json.
    home = posixpath.join(staging, "snapshot") if output.is_local else snapshot
    files = sorted([*files, *_empty_files(staging, run_id, files)], key=lambda file: file.path)
    _move([file.staged for file in files], [posixpath.join(home, file.path) for file in files])
    entries = [{name: value for name, value in dataclasses.asdict(file).items() if name != "staged"} for file in files]
    manifest |= {"files": entries}
    data = json.dumps(manifest, indent=2).encode()
    _write(posixpath.join(home, "manifest.json"), data)
    if output.is_local:
        _flush(home)
        os.makedirs(output.path(SNAPSHOTS), exist_ok=True)
        os.rename(home, snapshot)
        _flush_entry(output.path(SNAPSHOTS))
    _point_to(output, run_id, hashlib.sha256(data).hexdigest())
    return manifest


def remove_staging(output: Output, run_id: str) -> None:
    """Remove what a run worked with; a rest that can't be removed is swept by the next run."""
    if output.is_local:
        shutil.rmtree(output.staging(run_id), ignore_errors=True)
        return
    try:
        FileSystems.delete([output.staging(run_id) + "/"])
    except BeamIOError as error:
        log.warning("the staging folder %s is left, delete it: %s", output.staging(run_id), error)


def latest(output: Output) -> tuple[str, dict[str, Any]] | None:
    """The run id and manifest of the latest snapshot; None when nothing was published yet. Raises `OSError`."""
    if not FileSystems.exists(output.path(LATEST)):
        return None
    pointer = json.loads(_read(output.path(LATEST)))
    manifest = _read(posixpath.join(output.snapshot(pointer["run_id"]), "manifest.json"))
    if hashlib.sha256(manifest).hexdigest() != pointer["manifest_sha256"]:
        raise OSError(f"the manifest of {pointer['run_id']} in {output.root!r} is not the one that was published")
    return pointer["run_id"], json.loads(manifest)


def batches(snapshot: str, manifest: dict[str, Any], folder: str) -> Iterator[pa.RecordBatch]:
    """The rows of one folder of a snapshot on any file system, a batch at a time, in the order of files and rows."""
    for file in manifest["files"]:
        if file["path"].startswith(f"{folder}/"):
            path = posixpath.join(snapshot, file["path"])
            with open_file(path) as stream:
                yield from pq.ParquetFile(stream).iter_batches(BATCH_ROWS)


def _move(sources: list[str], destinations: list[str]) -> None:
    for folder in sorted({posixpath.dirname(path) for path in destinations}):
        if not FileSystems.exists(folder):  # on object stores there are none, and none to make
            FileSystems.mkdirs(folder)
    if sources:
        FileSystems.rename(sources, destinations)  # raises BeamIOError, with the reason for each file that is missing


def _flush(folder: str) -> None:
    """Have the disk hold a folder and all below it: a pointer must not outlive a power cut that its files do not."""
    for root, _, names in os.walk(folder):
        for path in (*(posixpath.join(root, name) for name in names), root):
            _flush_entry(path)


def _flush_entry(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _empty_files(staging: str, run_id: str, files: Sequence[PublishedFile]) -> Iterator[PublishedFile]:
    present = {file.path.split("/")[0] for file in files}
    for dataset, record_type in DATASETS.items():
        if dataset not in present:
            partition = "documents/lang=und" if dataset == "documents" else dataset
            yield empty_file(staging, f"{partition}/{run_id}-empty.parquet", schema_of(record_type))


def _point_to(output: Output, run_id: str, manifest_sha256: str) -> None:
    pointer = json.dumps({"run_id": run_id, "manifest_sha256": manifest_sha256}).encode()
    if not output.is_local:
        _write(output.path(LATEST), pointer)
        return
    temporary = output.path(STAGING, LATEST)
    with open(temporary, "wb") as stream:
        stream.write(pointer)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, output.path(LATEST))
    _link_to(output, run_id)


def _link_to(output: Output, run_id: str) -> None:
    """`latest`, for people and globs. The pointer has decided already, so a link that can't be made fails nothing."""
    link, temporary = output.path("latest"), output.path(STAGING, "latest")
    try:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
        os.symlink(posixpath.join(SNAPSHOTS, run_id), temporary)
        os.replace(temporary, link)
    except OSError as error:
        log.warning("%s could not be made a link to the snapshot, %s says which it is: %s", link, LATEST, error)


def _write(path: str, data: bytes) -> None:
    with create_file(path) as stream:
        stream.write(data)


def _read(path: str) -> bytes:
    with open_file(path) as stream:
        data: bytes = stream.read()
    return data
