"""Files as they are stored, wherever they are: local ones by Python itself, all others by Beam's file systems.

Beam takes over a second to import, and is imported when the first file that is not local is asked for: a look at a
local output does without. Every function raises `OSError`, which Beam's own error is one of.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO


def is_local(uri: str) -> bool:
    """Whether it is on this machine's file system."""
    return "://" not in uri


def open_file(uri: str) -> BinaryIO:
    """The bytes of a file as they are stored."""
    if not is_local(uri):
        with _file_systems(uri) as (file_systems, as_stored):
            stream: BinaryIO = file_systems.open(uri, compression_type=as_stored)
            return stream
    if os.path.exists(uri) and not os.path.isfile(uri):
        raise OSError(f"{uri} is no regular file")  # to open a pipe is to wait for whoever writes into it
    return open(uri, "rb")


def create_file(uri: str) -> BinaryIO:
    """A stream into a new file, with the folders it needs."""
    if not is_local(uri):
        with _file_systems(uri) as (file_systems, as_stored):
            stream: BinaryIO = file_systems.create(uri, compression_type=as_stored)
            return stream
    os.makedirs(os.path.dirname(uri) or ".", exist_ok=True)
    return open(uri, "wb")


def exists(uri: str) -> bool:
    """Whether there is such a file, or a local folder."""
    if is_local(uri):
        return os.path.exists(uri)
    with _file_systems(uri) as (file_systems, _):
        return bool(file_systems.exists(uri))


def list_files(folder: str) -> dict[str, int]:
    """Path below the folder to size in bytes of every file below it; none when there is no such folder.

    The markers by which some tools show a folder of an object store, empty objects named `.../`, are no files.
    """
    if is_local(folder):
        found = os.walk(folder, onerror=_refuse) if os.path.isdir(folder) else ()
        paths = (os.path.join(root, name) for root, _, names in found for name in names)
        return {os.path.relpath(path, folder): os.lstat(path).st_size for path in paths}
    return {path: entry.size_in_bytes for path, entry in _entries(folder)}


def last_written(folder: str) -> dict[str, float]:
    """Path below a folder of an object store to when that file was written: seconds since 1970, infinite if unknown."""
    return {path: entry.last_updated_in_seconds or math.inf for path, entry in _entries(folder)}


def _entries(folder: str) -> Iterator[tuple[str, Any]]:
    folder = folder.rstrip("/") + "/"
    with _file_systems(folder) as (file_systems, _):
        entries = file_systems.match([folder + "**"])[0].metadata_list
    for entry in entries:
        if not entry.path.endswith("/"):
            yield entry.path.removeprefix(folder), entry


def _refuse(error: OSError) -> None:
    raise error  # a folder that can't be listed is not one without files


def move_files(sources: Sequence[str], destinations: Sequence[str]) -> None:
    """Give each file its new name, in folders that are made for them; at least one, all on one file system."""
    if not is_local(destinations[0]):
        with _file_systems(destinations[0]) as (file_systems, _):
            file_systems.rename(list(sources), list(destinations))
        return
    for folder in sorted({os.path.dirname(path) for path in destinations}):
        os.makedirs(folder, exist_ok=True)
    for source, destination in zip(sources, destinations, strict=True):
        os.rename(source, destination)


def delete_files(uris: Sequence[str]) -> None:
    """Delete files of an object store, a thousand a request where it can do that."""
    if uris:
        with _file_systems(uris[0]) as (file_systems, _):
            file_systems.delete(list(uris))


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
