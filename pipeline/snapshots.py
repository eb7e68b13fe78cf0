"""Snapshots: how a finished run becomes visible, all of it in one step, and how it is found."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import posixpath
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import filelock
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.parquet import DATASETS, schema_of
from transforms.files import (
    delete_below,
    delete_files,
    exists,
    flush_entry,
    flush_folder,
    is_local,
    link_files,
    list_files,
    move_files,
    open_file,
    read_file,
    read_version,
    refuses_stale,
    replace_file,
    write_file,
)
from transforms.parquet_sink import PublishedFile, empty_file

LATEST = "latest.json"
STAGING = "_staging"
SNAPSHOTS = "snapshots"
MANIFEST = "manifest.json"
MANIFEST_VERSION = 2
MANIFEST_SHA256 = "manifest.sha256"
"""Vouches for the manifest of every snapshot, as `latest.json` does for one; `sha256sum --check` takes it."""

RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
"""What runs are called. Whatever has another name was put among their folders by someone else, and is left alone."""

BATCH_ROWS = 1000

log = logging.getLogger("millstream")


class BusyError(Exception):
    """Another run holds the output, or published to it meanwhile."""


@dataclasses.dataclass(frozen=True, slots=True)
class Output:
    """The folder or URI that holds the snapshots."""

    root: str

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine's file system, where a folder can be renamed and a link be made."""
        return is_local(self.root)

    def path(self, *parts: str) -> str:
        """A path below it."""
        return posixpath.join(self.root, *parts)

    def staging(self, run_id: str) -> str:
        """The folder that a run works in."""
        return self.path(STAGING, run_id)

    def snapshot(self, run_id: str) -> str:
        """The folder of a run's snapshot."""
        return self.path(SNAPSHOTS, run_id)


@dataclasses.dataclass(frozen=True, slots=True)
class Base:
    """What was published when a run began: it builds on that, and publishes nothing if that has changed."""

    run_id: str | None  # None when nothing was published yet, as the two others
    manifest: dict[str, Any] | None
    version: str | None  # of `latest.json`


def read_base(output: Output) -> Base:
    """The latest snapshot and the version of the pointer to it. Raises `OSError`."""
    pointer, version = _read_pointer(output)
    if pointer is None:
        return Base(None, None, None)
    run_id, sha256 = pointer
    data = read_file(posixpath.join(output.snapshot(run_id), MANIFEST))
    if hashlib.sha256(data).hexdigest() != sha256:
        raise OSError(f"the manifest of {run_id} in {output.root!r} is not the one that was published")
    return Base(run_id, json.loads(data), version)


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


def commit(
    output: Output, run_id: str, files: Sequence[PublishedFile], manifest: dict[str, Any], base: Base
) -> dict[str, Any]:
    """Make a finished run the latest snapshot; its manifest, with the files in it.

    A file whose `staged` lies in an earlier snapshot is taken into this one and stays in that; all others are moved.
    Whatever happens on the way, readers see the former snapshot whole. Raises `OSError`, also when a file is gone, and
    `BusyError` when the latest is no longer `base`.
    """
    files = sorted([*files, *_empty_files(output.staging(run_id), run_id, files)], key=lambda file: file.path)
    entries = [{name: value for name, value in dataclasses.asdict(file).items() if name != "staged"} for file in files]
    manifest |= {"files": entries}
    data = json.dumps(manifest, indent=2).encode()
    try:
        _place(output, run_id, files, data)
        _warn_if_unguarded(output, run_id, data, base.version)
    except OSError as error:
        _withdraw(output, run_id)
        raise OSError(f"nothing was published to {output.root!r}: {error}") from error
    try:
        point_to(output, run_id, hashlib.sha256(data).hexdigest(), base.version)
    except (BusyError, OSError) as error:
        # After an error a store may still write the pointer, when it gets to it: the snapshot stays for that.
        if isinstance(error, BusyError) or (output.is_local and read_pointer(output)[1] == base.version):
            _withdraw(output, run_id)
        raise
    return manifest


def reached(step: str) -> None:
    """Log a step of the publish that is done; the tests kill a run at each of them."""
    log.debug("publish: %s", step)


def _place(output: Output, run_id: str, files: Sequence[PublishedFile], manifest: bytes) -> None:
    """Make the snapshot, in its place and whole, with nothing that leads to it yet."""
    # Locally it takes shape in staging and appears by one rename; an object store shows nothing of it to a reader who
    # goes by latest.json.
    snapshot = output.snapshot(run_id)
    home = output.path(STAGING, run_id, "snapshot") if output.is_local else snapshot
    published = output.path(SNAPSHOTS, "")
    earlier = [file for file in files if file.staged.startswith(published)]
    new = [file for file in files if not file.staged.startswith(published)]
    link_files([file.staged for file in earlier], [posixpath.join(home, file.path) for file in earlier])
    reached("files of earlier snapshots taken")
    move_files([file.staged for file in new], [posixpath.join(home, file.path) for file in new])
    reached("new files moved")
    write_file(posixpath.join(home, MANIFEST_SHA256), _checksum_line(manifest))
    reached("checksum of the manifest written")
    write_file(posixpath.join(home, MANIFEST), manifest)  # last: on an object store it makes a folder a snapshot
    reached("manifest written")
    _require_files(home, run_id, json.loads(manifest))
    if output.is_local:
        flush_folder(home)  # a pointer must not outlive a power cut that its files do not
        reached("files flushed")
        os.makedirs(output.path(SNAPSHOTS), exist_ok=True)
        os.rename(home, snapshot)
        reached("snapshot renamed")
        flush_entry(output.path(SNAPSHOTS))
        reached("name of the snapshot flushed")


def _warn_if_unguarded(output: Output, run_id: str, manifest: bytes, version: str | None) -> None:
    checksum = posixpath.join(output.snapshot(run_id), MANIFEST_SHA256)
    if not output.is_local and not refuses_stale(checksum, _checksum_line(manifest), version):
        log.warning(
            "%s takes writes without a condition: two runs at once may each take itself for the latest", output.root
        )


def _withdraw(output: Output, run_id: str) -> None:
    """Leave no part of a snapshot that is not to be."""
    try:
        remove_snapshot(output, run_id)
    except OSError as error:
        log.warning("%s is left, unpublished; `gc` removes it: %s", output.snapshot(run_id), error)


def _require_files(home: str, run_id: str, manifest: dict[str, Any]) -> None:
    """Nothing locks an object store: whatever deletes files there may have taken this run for a dead one."""
    for problem in strayed(list_files(home), manifest):
        raise OSError(f"{run_id} is not published, as its files were changed under it: {problem}")


def remove_snapshot(output: Output, run_id: str) -> None:
    """Remove a snapshot so that no part of one ever shows: it stops being one in the first step."""
    if output.is_local:
        if os.path.exists(output.snapshot(run_id)):
            os.makedirs(output.staging(run_id), exist_ok=True)
            os.rename(output.snapshot(run_id), output.path(STAGING, run_id, "removed"))
            flush_entry(output.path(SNAPSHOTS))
        shutil.rmtree(output.staging(run_id))
    else:
        delete_files([posixpath.join(output.snapshot(run_id), MANIFEST)])
        delete_below(output.snapshot(run_id))


def remove_staging(output: Output, run_id: str) -> None:
    """Remove what a run worked with; a rest that can't be removed is swept by the next run, or by `gc`."""
    if output.is_local:
        shutil.rmtree(output.staging(run_id), ignore_errors=True)
    else:
        try:
            delete_below(output.staging(run_id))
        except OSError as error:
            log.warning("%s is left; `gc` removes it: %s", output.staging(run_id), error)
    reached("staging removed")


def latest(output: Output) -> tuple[str, dict[str, Any]] | None:
    """The run id and manifest of the latest snapshot; None when nothing was published yet. Raises `OSError`."""
    base = read_base(output)
    return (base.run_id, base.manifest) if base.run_id and base.manifest else None


def pointed_to(output: Output) -> tuple[str, str] | None:
    """The run id that `latest.json` names and the sha256 of its manifest; None without that file. Raises `OSError`."""
    return _read_pointer(output)[0]


def _read_pointer(output: Output) -> tuple[tuple[str, str] | None, str | None]:
    data, version = read_pointer(output)
    if data is None:
        return None, None
    try:
        pointer = json.loads(data)
        return (str(pointer["run_id"]), str(pointer["manifest_sha256"])), version
    except (ValueError, LookupError, TypeError) as error:
        raise OSError(f"{output.path(LATEST)} is damaged; `millstream rollback` writes it anew") from error


def read_pointer(output: Output) -> tuple[bytes | None, str | None]:
    """The bytes of `latest.json`, damaged or not, and their version; None without that file. Raises `OSError`."""
    # Asked for first: not every file system of Beam's says of a missing file that it is that.
    return read_version(output.path(LATEST)) if has_pointer(output) else (None, None)


def has_pointer(output: Output) -> bool:
    """Whether there is a `latest.json`, damaged or not. Raises `OSError`."""
    return exists(output.path(LATEST))


def manifest_of(output: Output, run_id: str) -> dict[str, Any]:
    """The manifest of any snapshot as it was published; raises `OSError` when it is missing or was changed."""
    manifest: dict[str, Any] = json.loads(manifest_data(output, run_id))
    return manifest


def manifest_data(output: Output, run_id: str) -> bytes:
    """The bytes of `manifest_of`."""
    data = read_file(posixpath.join(output.snapshot(run_id), MANIFEST))
    if read_file(posixpath.join(output.snapshot(run_id), MANIFEST_SHA256)) != _checksum_line(data):
        raise OSError(f"the manifest of {run_id} in {output.root!r} is not the one that was published")
    return data


def _checksum_line(manifest: bytes) -> bytes:
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def run_ids(output: Output) -> list[str]:
    """The runs whose snapshot is there, oldest first."""
    return [run_id for run_id, has_manifest in snapshot_folders(output).items() if has_manifest]


def snapshot_folders(output: Output) -> dict[str, bool]:
    """The folders of the snapshots, oldest first, and whether each has the manifest that makes it one.

    Raises `OSError`.
    """
    home = output.path(SNAPSHOTS)
    if output.is_local:
        names = {entry.name for entry in os.scandir(home) if entry.is_dir()} if os.path.isdir(home) else set()
        manifests = {name for name in names if os.path.isfile(posixpath.join(home, name, MANIFEST))}
    else:
        paths = list_files(home)
        names = {path.split("/")[0] for path in paths}
        manifests = {name for name in names if f"{name}/{MANIFEST}" in paths}
    return {name: name in manifests for name in sorted(names) if RUN_ID.fullmatch(name)}


def strayed(sizes: Mapping[str, int], manifest: dict[str, Any]) -> Iterator[str]:
    """A sentence for each file that is missing, of another size, or in the way: what a listing of a snapshot tells.

    Hidden files such as `.DS_Store` are in nobody's way, but hidden Parquet is: DuckDB and Polars read it.
    """
    for file in manifest["files"]:
        size = sizes.get(file["path"])
        if size is None:
            yield f"{file['path']} is missing"
        elif size != file["bytes"]:
            yield f"{file['path']} has {size} bytes, it was published with {file['bytes']}"
    for path in sorted(sizes.keys() - {file["path"] for file in manifest["files"]}):
        hidden = any(name.startswith((".", "_")) for name in path.split("/"))
        if path.endswith(".parquet") or ("/" in path and not hidden):
            yield f"{path} is no part of the snapshot, and readers would take it for one"


def batches(snapshot: str, manifest: dict[str, Any], folder: str) -> Iterator[pa.RecordBatch]:
    """The rows of one folder of a snapshot on any file system, a batch at a time, in the order of files and rows."""
    for file in manifest["files"]:
        if file["path"].startswith(f"{folder}/"):
            path = posixpath.join(snapshot, file["path"])
            with open_file(path) as stream:
                yield from pq.ParquetFile(stream).iter_batches(BATCH_ROWS)


def _empty_files(staging: str, run_id: str, files: Sequence[PublishedFile]) -> Iterator[PublishedFile]:
    present = {file.path.split("/")[0] for file in files}
    for dataset, record_type in DATASETS.items():
        if dataset not in present:
            partition = "documents/lang=und" if dataset == "documents" else dataset
            yield empty_file(staging, f"{partition}/{run_id}-empty.parquet", schema_of(record_type))


def point_to(output: Output, run_id: str, manifest_sha256: str, version: str | None) -> None:
    """Make a snapshot that is in its place the latest, in one step, if the pointer still has this version.

    Raises `BusyError` when it has another, and `OSError`.
    """
    pointer = json.dumps({"run_id": run_id, "manifest_sha256": manifest_sha256}).encode()
    if output.is_local:
        done = read_pointer(output)[1] == version  # and stays so: the lock is held
        if done:
            _replace_locally(output, pointer)
    else:
        done = replace_file(output.path(LATEST), pointer, version)
    if not done:
        raise BusyError(f"{run_id} is not published: another run has published to {output.root!r} meanwhile")
    reached("pointer replaced")
    if output.is_local:
        _flush_pointer(output, run_id)
        link_to(output, run_id)
        reached("link replaced")


def _replace_locally(output: Output, pointer: bytes) -> None:
    temporary = output.path(STAGING, LATEST)
    try:
        with open(temporary, "wb") as stream:
            stream.write(pointer)
            stream.flush()
            os.fsync(stream.fileno())
        reached("pointer written beside")
        os.replace(temporary, output.path(LATEST))
    except OSError as error:
        raise OSError(f"nothing was published to {output.root!r}: {error}") from error


def _flush_pointer(output: Output, run_id: str) -> None:
    try:
        flush_entry(output.root or ".")  # or a power cut takes back what was said to be published
    except OSError as error:
        raise OSError(f"{run_id} is published, but a power cut may take that back: {error}") from error
    reached("pointer flushed")


def link_to(output: Output, run_id: str) -> None:
    """`latest`, for people and globs. The pointer has decided already, so a link that can't be made fails nothing."""
    link, temporary = output.path("latest"), output.path(STAGING, "latest")
    try:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
        os.symlink(posixpath.join(SNAPSHOTS, run_id), temporary)
        os.replace(temporary, link)
    except OSError as error:
        log.warning("%s could not be made a link to the snapshot, %s says which it is: %s", link, LATEST, error)
