"""Streams of bytes: buffered, unpacked, and made seekable, each within bounds."""

from __future__ import annotations

import bz2
import collections
import contextlib
import lzma
import tempfile
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import Any, BinaryIO

import brotli  # type: ignore[import-untyped]
import zstandard

from schemas.records import InputError
from transforms.formats.items import STAGE, ReadLimits, too_large, unreadable

CHUNK_BYTES = 64 * 1024
EXPANSION_FLOOR_BYTES = 2**20
"""Up to here any expansion is allowed: a page of blanks is no bomb."""
DECODER_MEMORY_BYTES = 128 * 2**20  # xz -9 needs 65 MiB, zstd --long=27 the whole
SPOOL_MEMORY_BYTES = 16 * 2**20


class ByteReader:
    """Bytes read in order: peeked at, in pieces or line by line, and never more of them in memory than asked for.

    A failure of the source (`InputError`) is raised after every byte that came before it was handed out.
    """

    def __init__(
        self,
        chunks: Iterator[bytes],
        *,
        file: BinaryIO | None = None,
        is_stored: bool = False,
        expansion: Callable[[], float] = lambda: 1.0,
        stored_starts: collections.deque[tuple[int, int]] | None = None,
    ) -> None:
        self.file = file  # the same bytes, where they can be read in any order
        self.is_stored = is_stored  # these are the bytes as stored: their offsets are offsets in the file
        self.expansion = expansion  # bytes handed out per byte stored, so far
        self.stored_starts = (
            stored_starts  # for a file of compressed members: (offset in these bytes, offset as stored)
        )
        self.failure: InputError | None = None
        self._chunks = chunks
        self._buffer = b""
        self._position = 0
        self._buffer_offset = 0

    def tell(self) -> int:
        return self._buffer_offset + self._position

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end; the position stays."""
        parts = [self._buffer[self._position :]]
        missing = size - len(parts[0])
        while missing > 0 and self.failure is None and (chunk := self._next_chunk()):
            parts.append(chunk)
            missing -= len(chunk)
        self._buffer_offset += self._position
        self._buffer, self._position = b"".join(parts), 0
        return self._buffer[:size]

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        """At least one byte and `size` at most; none at the end."""
        if size < 1 or not (self._position < len(self._buffer) or self._fill()):
            return b""
        piece = self._buffer[self._position : self._position + size]
        self._position += len(piece)
        return piece

    def readline(self, limit: int, newline: bytes = b"\n") -> bytes:
        """The next line with its end, cut after `limit` bytes; none at the end."""
        parts = []
        while limit > 0 and (self._position < len(self._buffer) or self._fill()):
            end = self._buffer.find(newline, self._position, self._position + limit)
            stop = end + 1 if end >= 0 else min(len(self._buffer), self._position + limit)
            parts.append(self._buffer[self._position : stop])
            limit -= stop - self._position
            self._position = stop
            if end >= 0:
                break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _fill(self) -> bool:
        chunk = b"" if self.failure else self._next_chunk()
        if self.failure:
            raise self.failure
        self._buffer_offset += len(self._buffer)
        self._buffer, self._position = chunk, 0
        return bool(chunk)

    def _next_chunk(self) -> bytes:
        try:
            return next((chunk for chunk in self._chunks if chunk), b"")
        except InputError as error:
            self.failure = error
            return b""


def open_reader(stream: BinaryIO) -> ByteReader:
    """A reader of a file as it is stored."""
    chunks = iter(lambda: stream.read(CHUNK_BYTES), b"")
    return ByteReader(chunks, file=stream if stream.seekable() else None, is_stored=True)


def read_to_end(reader: ByteReader, limit: int) -> bytes:
    """All that is left, at most `limit` bytes; InputError too_large beyond, before more than that is in memory."""
    parts, size = [], 0
    while piece := reader.read():
        size += len(piece)
        if size > limit:
            raise too_large(None, limit)
        parts.append(piece)
    return b"".join(parts)


@contextlib.contextmanager
def seekable(reader: ByteReader) -> Iterator[BinaryIO]:
    """The whole of an unread reader's bytes in a file that can seek: the stored one, else a copy that is deleted."""
    if reader.file is not None:
        reader.file.seek(0)
        yield reader.file
        return
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_MEMORY_BYTES) as spool:
        while piece := reader.read():
            spool.write(piece)
        spool.seek(0)
        yield spool  # type: ignore[misc]  # typeshed keeps it apart from BinaryIO


class _ZstdDecoder:
    """A zstd frame behind the interface of `bz2.BZ2Decompressor`."""

    def __init__(self) -> None:
        self._decoder = zstandard.ZstdDecompressor(max_window_size=DECODER_MEMORY_BYTES).decompressobj()

    def decompress(self, data: bytes, _max_length: int) -> bytes:
        return self._decoder.decompress(data)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data


class _BrotliDecoder:
    """A brotli stream behind the interface of `bz2.BZ2Decompressor`."""

    unused_data = b""

    def __init__(self) -> None:
        self._decoder = brotli.Decompressor()

    def decompress(self, data: bytes, max_length: int) -> bytes:
        unpacked: bytes = self._decoder.process(data, output_buffer_limit=max_length)
        return unpacked

    @property
    def eof(self) -> bool:
        return bool(self._decoder.is_finished())

    @property
    def needs_input(self) -> bool:
        return bool(self._decoder.can_accept_more_data())


class _DeflateDecoder:
    """HTTP's "deflate" behind the interface of zlib's own: with the zlib header that RFC 9110 asks for, or without."""

    def __init__(self) -> None:
        self._decoder: Any = None

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if self._decoder is None:
            has_header = data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._decoder = zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
        unpacked: bytes = self._decoder.decompress(data, max_length)
        return unpacked

    def __getattr__(self, name: str) -> Any:
        return False if self._decoder is None else getattr(self._decoder, name)


DECODERS: dict[str, Callable[[], Any]] = {
    "application/gzip": lambda: zlib.decompressobj(16 + zlib.MAX_WBITS),
    "application/x-bzip2": bz2.BZ2Decompressor,
    "application/x-xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=DECODER_MEMORY_BYTES),
    "application/zstd": _ZstdDecoder,
    "br": _BrotliDecoder,
    "deflate": _DeflateDecoder,
}
"""By media type, and by the name of the content coding for those of HTTP that have none."""
INPUT_BYTES = {"application/zstd": 1024}
"""Fed at a time: zstandard has no limit on its output, and 1 KiB can become 32 MiB (a block of 4 bytes is 128 KiB)."""
DECODER_ERRORS = (zlib.error, lzma.LZMAError, zstandard.ZstdError, brotli.error, EOFError, OSError, ValueError)
"""What the decoders raise on bad data; they are called without any input or output of their own."""


class Unpacked:
    """The bytes inside a compressed stream of one or more members, with what they cost; iterate once.

    Raises InputError: unreadable for damaged or truncated data, decompression_limit above `max_expansion_ratio`.
    """

    def __init__(self, packed: ByteReader, media_type: str, limits: ReadLimits) -> None:
        self.stored_starts: collections.deque[tuple[int, int]] = collections.deque(maxlen=4096)
        self._packed = packed
        self._media_type = media_type
        self._limits = limits
        self._input_bytes = INPUT_BYTES.get(media_type, 16 * 1024)
        self._bytes_in = self._bytes_out = 0

    def expansion(self) -> float:
        return self._bytes_out / max(self._bytes_in, 1) * self._packed.expansion()

    def __iter__(self) -> Iterator[bytes]:
        data = self._next_input()
        while data:
            data = yield from self._member(data)
            while data and not (data := data.lstrip(b"\0")):  # gzip and xz files may be padded with zeros
                data = self._next_input()

    def _member(self, data: bytes) -> Generator[bytes, None, bytes]:
        decoder = DECODERS[self._media_type]()
        self.stored_starts.append((self._bytes_out, self._bytes_in - len(data)))
        while not decoder.eof:
            yield self._decompress(decoder, data)
            data = getattr(decoder, "unconsumed_tail", b"")  # zlib hands back what the others keep
            if not (data or decoder.eof) and getattr(decoder, "needs_input", True):
                data = self._next_input()
                if not data:
                    raise unreadable(f"{self._media_type} data ends before its end mark")
        return bytes(decoder.unused_data) or self._next_input()

    def _decompress(self, decoder: Any, data: bytes) -> bytes:
        try:
            unpacked: bytes = decoder.decompress(data, CHUNK_BYTES)
        except DECODER_ERRORS as error:
            raise unreadable(f"damaged {self._media_type} data: {error}") from error
        self._bytes_out += len(unpacked)
        check_expansion(self._bytes_out, self.expansion(), self._limits)
        return unpacked

    def _next_input(self) -> bytes:
        data = self._packed.read(self._input_bytes)
        self._bytes_in += len(data)
        return data


def unpack(packed: ByteReader, media_type: str, limits: ReadLimits) -> ByteReader:
    """A reader of what is inside a compressed stream, of a media type of `DECODERS`."""
    unpacked = Unpacked(packed, media_type, limits)
    starts = unpacked.stored_starts if packed.is_stored else None
    return ByteReader(iter(unpacked), expansion=unpacked.expansion, stored_starts=starts)


def check_expansion(bytes_out: int, expansion: float, limits: ReadLimits) -> None:
    """Raises InputError decompression_limit when bytes came out of too few."""
    if bytes_out > EXPANSION_FLOOR_BYTES and expansion > limits.max_expansion_ratio:
        message = f"unpacks to more than {limits.max_expansion_ratio} times its stored size (max_expansion_ratio)"
        raise InputError("decompression_limit", message, stage=STAGE)
