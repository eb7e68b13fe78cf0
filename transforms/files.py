"""Files as they are stored, wherever they are: local ones by Python, S3 by its client, others by Beam's file systems.

Beam takes over a second to import, and is imported when the first file that is not local is asked for: a look at a
local output does without. Every function raises `OSError`, which Beam's own error is one of.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, BinaryIO


def is_local(uri: str) -> bool:
    """Whether it is on this machine's file system."""
    return "://" not in uri


def open_file(uri: str) -> BinaryIO:
    """The bytes of a file as they are stored."""
    if is_local(uri):
        if os.path.exists(uri) and not os.path.isfile(uri):
            raise OSError(f"{uri} is no regular file")  # to open a pipe is to wait for whoever writes into it
        return open(uri, "rb")
    stream: BinaryIO
    if client := _client(uri):
        stream = client.open_stream(uri, "rb")
    else:
        with _file_systems(uri) as (file_systems, as_stored):
            stream = file_systems.open(uri, compression_type=as_stored)
    return stream


def create_file(uri: str) -> BinaryIO:
    """A stream into a new file, with the folders it needs."""
    if is_local(uri):
        os.makedirs(os.path.dirname(uri) or ".", exist_ok=True)
        return open(uri, "wb")
    stream: BinaryIO
    if client := _client(uri):
        stream = client.open_stream(uri, "wb")
    else:
        with _file_systems(uri) as (file_systems, as_stored):
            stream = file_systems.create(uri, compression_type=as_stored)
    return stream


def read_file(uri: str) -> bytes:
    """All bytes of a file as they are stored; raises `FileNotFoundError` too."""
    return read_version(uri)[0]


def read_version(uri: str) -> tuple[bytes, str]:
    """All bytes of a file, and its version, which a change of them changes; raises `FileNotFoundError` too."""
    if client := _client(uri):
        found: tuple[bytes, str] = client.read(uri)
        return found
    with open_file(uri) as stream:
        data = stream.read()
    return data, hashlib.sha256(data).hexdigest()


def write_file(uri: str, data: bytes) -> None:
    """Make a file, or replace it, with the folders it needs."""
    if client := _client(uri):
        client.write(uri, data)
        return
    with create_file(uri) as stream:
        stream.write(data)


def replace_file(uri: str, data: bytes, version: str | None) -> bool:
    """Write a file that is not local if its version is still this one, None where there was none; whether it was.

    Of several writers at once one succeeds on S3. Elsewhere two within the same moment may: the last one's file stays.
    """
    if client := _client(uri):
        done: bool = client.replace(uri, data, version)
        return done
    try:
        found: str | None = read_version(uri)[1]
    except FileNotFoundError:
        found = None
    if found != version:
        return False
    write_file(uri, data)
    return read_file(uri) == data


def refuses_stale(uri: str, data: bytes, version: str | None) -> bool:
    """Whether the store refuses to replace a file that has another version than the writer says.

    Found out on a file that has these bytes already, by the kind of condition that `replace_file` sets for `version`.
    """
    client = _client(uri)
    return bool(client and client.refuses_stale(uri, data, version))


def exists(uri: str) -> bool:
    """Whether there is such a file, or a local folder."""
    if is_local(uri):
        return os.path.exists(uri)
    if client := _client(uri):
        return bool(client.exists(uri))
    with _file_systems(uri) as (file_systems, _):
        return bool(file_systems.exists(uri))


def last_written_at(uri: str) -> float:
    """When a file was written, or given the time of now: seconds since 1970."""
    if is_local(uri):
        return os.stat(uri).st_mtime
    if client := _client(uri):
        return float(client.last_written_at(uri))
    with _file_systems(uri) as (file_systems, _):
        return float(file_systems.last_updated(uri))


def list_files(folder: str) -> dict[str, int]:
    """Path below the folder to size in bytes of every file below it; none when there is no such folder.

    The markers by which some tools show a folder of an object store, empty objects named `.../`, are no files.
    """
    if is_local(folder):
        found = os.walk(folder, onerror=_refuse) if os.path.isdir(folder) else ()
        paths = (os.path.join(root, name) for root, _, names in found for name in names)
        return {os.path.relpath(path, folder): os.lstat(path).st_size for path in paths}
    return {path: size for path, size, _ in _entries(folder)}


def last_written(folder: str) -> dict[str, float]:
    """Path below a folder of an object store to when that file was written: seconds since 1970, infinite if unknown."""
    return {path: seconds or math.inf for path, _, seconds in _entries(folder)}


def _entries(folder: str) -> Iterator[tuple[str, int, float]]:
    folder = folder.rstrip("/") + "/"
    if client := _client(folder):
        entries = client.entries(folder)
    else:
        with _file_systems(folder) as (file_systems, _):
            matched = file_systems.match([folder + "**"])[0].metadata_list
        entries = ((entry.path, entry.size_in_bytes, entry.last_updated_in_seconds) for entry in matched)
    for uri, size, seconds in entries:
        if not uri.endswith("/"):
            yield uri.removeprefix(folder), size, seconds


def _refuse(error: OSError) -> None:
    raise error  # a folder that can't be listed is not one without files


def move_files(sources: Sequence[str], destinations: Sequence[str]) -> None:
    """Give each file its new name, in folders that are made for them; all on one file system."""
    if not sources:
        return
    if is_local(sources[0]):
        _make_folders_of(destinations)
        for source, destination in zip(sources, destinations, strict=True):
            os.rename(source, destination)
    elif client := _client(sources[0]):
        client.copy_all(sources, destinations)
        client.delete_all(sources)
    else:
        with _file_systems(sources[0]) as (file_systems, _):
            file_systems.rename(list(sources), list(destinations))


def link_files(sources: Sequence[str], destinations: Sequence[str]) -> None:
    """Give each file a second name, in folders that are made for them; a copy where the file system has no links."""
    if not sources:
        return
    if is_local(sources[0]):
        _make_folders_of(destinations)
        for source, destination in zip(sources, destinations, strict=True):
            try:
                os.link(source, destination)
            except OSError:  # no links here, or too many: what else is wrong the copy will say too
                shutil.copyfile(source, destination)
    elif client := _client(sources[0]):
        client.copy_all(sources, destinations)
    else:
        with _file_systems(sources[0]) as (file_systems, _):
            file_systems.copy(list(sources), list(destinations))


def _make_folders_of(paths: Sequence[str]) -> None:
    for folder in sorted({os.path.dirname(path) for path in paths}):
        os.makedirs(folder, exist_ok=True)


def delete_files(uris: Sequence[str]) -> None:
    """Delete files of an object store, a thousand a request where it can do that."""
    if not uris:
        return
    if client := _client(uris[0]):
        client.delete_all(uris)
        return
    with _file_systems(uris[0]) as (file_systems, _):
        file_systems.delete(list(uris))


def delete_below(folder: str) -> None:
    """Delete every file below a folder of an object store."""
    delete_files([f"{folder}/{path}" for path in list_files(folder)])


def flush_folder(folder: str) -> None:
    """Have the disk hold a folder and all below it."""
    for root, _, names in os.walk(folder):
        for path in (*(os.path.join(root, name) for name in names), root):
            flush_entry(path)


def flush_entry(path: str) -> None:
    """Have the disk hold a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _client(uri: str) -> ModuleType | None:
    """What speaks to the store itself; None where Beam's file systems or Python do."""
    if not uri.startswith("s3://"):
        return None
    from transforms import s3  # noqa: PLC0415  # imports Beam

    return s3


@contextlib.contextmanager
def _file_systems(uri: str) -> Iterator[tuple[Any, Any]]:
    """Beam's file systems, and its word for bytes as they are stored: it would unpack by the name alone."""
    from apache_beam.io.filesystem import CompressionTypes  # noqa: PLC0415  # see above
    from apache_beam.io.filesystems import FileSystems  # noqa: PLC0415

    try:
        yield FileSystems, CompressionTypes.UNCOMPRESSED
    except OSError:
        raise
    except Exception as error:  # the clients of the stores have errors of their own: no access, no such store
        raise OSError(f"{uri}: {error}") from error
