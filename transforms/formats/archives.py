"""Zip and tar archives to their members."""

from __future__ import annotations

import dataclasses
import errno
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO, cast

from schemas.records import InputError
from transforms.formats.items import ReadLimits, unreadable, unsupported
from transforms.formats.sniff import office_type
from transforms.formats.streams import CHUNK_BYTES, ByteReader, check_expansion

MAX_TAR_HEADER_BYTES = 2**20
"""Of long names and attributes, which tarfile reads at once."""
# What zipfile and tarfile of Python 3.11 to 3.13 raise for damaged files, seen by cutting and flipping bytes of them.
ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError),
    *(NotImplementedError, RuntimeError, OverflowError, IndexError),
)
TAR_ERRORS = (tarfile.TarError, struct.error, EOFError, ValueError, OverflowError)
_UNSAFE_NAME = re.compile(r"[/\\]|[A-Za-z]:[/\\]|(?:.*[/\\])?\.\.(?:[/\\]|\Z)", re.DOTALL)
_TAR_HEADER_TYPES = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: a reader of its bytes, or why there is none."""

    name: str
    size: int | None = None  # bytes, as the archive declares it
    reader: ByteReader | None = None
    error: InputError | None = None


def zip_media_type(file: BinaryIO) -> str:
    """What a zip file is: an office document, or just application/zip. Raises InputError unreadable."""
    with _open_zip(file) as archive:
        return office_type(set(archive.namelist()).__contains__)


def zip_members(file: BinaryIO, expansion: float, limits: ReadLimits) -> Iterator[Member]:
    """The files of a zip archive in the order of its directory; folders are not members.

    Raises InputError unreadable when the directory can't be read.
    """
    with _open_zip(file) as archive:
        for info in archive.infolist():
            if info.filename.endswith("/"):  # a folder; is_dir() fails on an empty name
                continue
            try:
                reader = _zip_reader(archive, info, expansion, limits)
            except InputError as error:
                yield Member(info.filename, info.file_size, error=error)
            else:
                yield Member(info.filename, info.file_size, reader)


def tar_members(reader: ByteReader) -> Iterator[Member]:
    """The regular files of a tar archive, in order; each is to be read before the next one is asked for.

    Folders, links, devices and pipes have no content of their own and are not members. Raises InputError unreadable
    where the archive is damaged or ends early.
    """
    with _open_tar(reader) as archive:
        while (info := _next_info(archive, reader)) is not None:
            if info.isreg():
                content = _TarContent(archive, info, reader)
                yield _tar_member(info, content, reader)
                if content.is_damaged:
                    return
            archive.members.clear()  # type: ignore[attr-defined]  # tarfile keeps each, 1 KB, for good


def _open_zip(file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except ZIP_ERRORS as error:
        raise _zip_failure(error) from error


def _zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo, expansion: float, limits: ReadLimits) -> ByteReader:
    _check_name(info.filename)
    if info.flag_bits & 0x1:
        raise unreadable("the member is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile unpacks the other methods without a limit on the output of one step.
        raise unsupported(f"the member is packed by zip method {info.compress_type}; only stored and deflate are read")
    own_expansion = info.file_size / max(info.compress_size, 1) * expansion  # zipfile never gives more than it declares
    check_expansion(info.file_size, own_expansion, limits)
    return ByteReader(_zip_content(archive, info), expansion=lambda: own_expansion)


def _zip_content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    file = None
    while True:
        try:
            file = file or archive.open(info)
            chunk = file.read1(CHUNK_BYTES)  # type: ignore[attr-defined]  # a ZipExtFile
        except ZIP_ERRORS as error:
            raise _zip_failure(error) from error
        if not chunk:
            return
        yield chunk


def _zip_failure(error: Exception) -> InputError:
    """The failure of a damaged archive; a failure of the file system, which has an error number, is raised as it is."""
    if isinstance(error, OSError) and error.errno is not None and error.errno != errno.EINVAL:
        raise error
    return unreadable(f"damaged zip archive: {error}")


def _open_tar(reader: ByteReader) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=cast(IO[bytes], _Quiet(reader)), mode="r|", tarinfo=_BoundedTarInfo)
    except TAR_ERRORS as error:
        raise reader.failure or unreadable(f"damaged tar archive: {error}") from error


def _next_info(archive: tarfile.TarFile, reader: ByteReader) -> tarfile.TarInfo | None:
    try:
        info = archive.next()
    except InputError as error:
        raise reader.failure or error from error
    except TAR_ERRORS as error:
        raise reader.failure or unreadable(f"damaged tar archive: {error}") from error
    if info is None and reader.failure:
        raise reader.failure
    return info


def _tar_member(info: tarfile.TarInfo, content: _TarContent, reader: ByteReader) -> Member:
    try:
        _check_name(info.name)
        if info.issparse():
            raise unsupported("the member is a sparse file")
    except InputError as error:
        return Member(info.name, info.size, error=error)
    return Member(info.name, info.size, ByteReader(iter(content), expansion=reader.expansion))


def _check_name(name: str) -> None:
    # The name is never used as a path here; a reader of the output might.
    if _UNSAFE_NAME.match(name):
        raise unreadable(f"the archive names a path outside itself: {name}")


class _TarContent:
    """The bytes of a tar member; iterate once."""

    def __init__(self, archive: tarfile.TarFile, info: tarfile.TarInfo, reader: ByteReader) -> None:
        self.is_damaged = False
        self._archive = archive
        self._info = info
        self._reader = reader

    def __iter__(self) -> Iterator[bytes]:
        # Not by extractfile(): where the archive ends early, it drops what it had read so far.
        left = self._info.size
        while left and (chunk := self._read(min(left, CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk
        if left:
            self.is_damaged = True
            raise self._reader.failure or unreadable(f"the tar archive ends {left:,} bytes before its member does")

    def _read(self, size: int) -> bytes:
        try:
            return cast(IO[bytes], self._archive.fileobj).read(size)
        except TAR_ERRORS as error:
            raise unreadable(f"damaged tar archive: {error}") from error


class _Quiet:
    """A reader whose source has just ended when it fails: tarfile would drop the bytes that came before."""

    def __init__(self, reader: ByteReader) -> None:
        self._reader = reader

    def read(self, size: int) -> bytes:
        try:
            return self._reader.read(size)
        except InputError:
            return b""  # the reader keeps it as its `failure`


class _BoundedTarInfo(tarfile.TarInfo):
    """A header that fails loudly: tarfile takes a damaged one for the end, and reads attributes of any size."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _BoundedTarInfo:
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if not buf.strip(b"\0"):  # the end mark, or the end without one
                raise
            raise unreadable(f"damaged tar archive: {error}") from error
        if info.size < 0 or (info.type in _TAR_HEADER_TYPES and info.size > MAX_TAR_HEADER_BYTES):
            raise unreadable(f"damaged tar archive: a header of {info.size:,} bytes")
        return info
