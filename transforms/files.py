"""Files as they are stored, on any file system that Beam knows."""

from __future__ import annotations

import os
from typing import BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems


def open_file(uri: str) -> BinaryIO:
    """The bytes of a file as they are stored; raises `OSError` or `BeamIOError`."""
    if "://" not in uri and os.path.exists(uri) and not os.path.isfile(uri):
        raise OSError(f"{uri} is no regular file")  # to open a pipe is to wait for whoever writes into it
    # Beam would unpack by the name alone; what a file is shows in its first bytes.
    stream: BinaryIO = FileSystems.open(uri, compression_type=CompressionTypes.UNCOMPRESSED)
    return stream


def create_file(uri: str) -> BinaryIO:
    """A stream into a new file, with the folders it needs; raises `OSError` or `BeamIOError`."""
    stream: BinaryIO = FileSystems.create(uri, compression_type=CompressionTypes.UNCOMPRESSED)
    return stream
