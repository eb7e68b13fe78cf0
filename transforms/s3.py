"""Objects of S3 by one client, which Beam makes from its options.

Beam's own file system makes one for every call, in 140 ms where a request takes 5 to 20; answers a timeout with an
`AttributeError`; and after all attempts of the client makes seven more, over ten minutes. Here every function raises
`OSError`, after the attempts that the client's settings say (`AWS_MAX_ATTEMPTS`).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import http
import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

from apache_beam.io.aws.clients.s3.boto3_client import Client
from apache_beam.io.aws.s3io import parse_s3_path
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from botocore.exceptions import BotoCoreError, ClientError

THREADS = 8
"""Requests at a time; the client keeps ten connections."""

READ_BYTES = 8 << 20
"""Asked for in one request, where no more is wanted."""

PART_BYTES = 16 << 20
"""Sent in one request; an object has ten thousand parts at most."""

READ_ATTEMPTS = 3

DELETED_AT_ONCE = 1000
"""S3 takes as many keys in one request."""

REFUSALS = {http.HTTPStatus.NOT_FOUND, http.HTTPStatus.CONFLICT, http.HTTPStatus.PRECONDITION_FAILED}
"""What a store answers when the condition of a write does not hold."""


def client() -> Any:
    """The client that all share."""
    return _client(FileSystems._pipeline_options)  # noqa: SLF001  # there is no other way to ask


@functools.lru_cache(maxsize=1)
def _client(options: PipelineOptions | None) -> Any:
    return Client(options or PipelineOptions([])).client


def open_stream(uri: str, mode: str) -> BinaryIO:
    """A stream of the bytes of an object (`rb`), or into a new one (`wb`), which appears when the stream is closed."""
    with told_as_os_error(uri):
        stream: Any = io.BufferedReader(_Reader(uri), READ_BYTES) if mode == "rb" else _Writer(uri)
    opened: BinaryIO = stream
    return opened


class _Reader(io.RawIOBase):
    """The bytes of one version of an object."""

    def __init__(self, uri: str) -> None:
        head = client().head_object(**_named(uri))
        self._uri, self._size, self._version = uri, head["ContentLength"], head["ETag"]
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = self._next(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return self._next(self._size)  # in one request, where the one inherited asks for 8 KiB at a time

    def _next(self, count: int) -> bytes:
        end = min(self._position + count, self._size)
        if end <= self._position:
            return b""
        asked = f"bytes={self._position}-{end - 1}"
        data, _ = _get(self._uri, Range=asked, IfMatch=self._version)
        self._position += len(data)
        return data


class _Writer(io.RawIOBase):
    """Parts of an object that are sent as they fill, one that is small in one piece; an error leaves nothing."""

    def __init__(self, uri: str) -> None:
        self._uri, self._named = uri, _named(uri)
        self._waiting, self._size = bytearray(), 0
        self._upload: dict[str, str] = {}
        self._parts: list[dict[str, Any]] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._waiting += data
        self._size += len(data)
        if len(self._waiting) >= PART_BYTES:
            self._send_part()
        return len(data)

    def _send_part(self) -> None:
        with told_as_os_error(self._uri):
            if not self._upload:
                started = client().create_multipart_upload(**self._named)
                self._upload = {**self._named, "UploadId": started["UploadId"]}
            number = len(self._parts) + 1
            sent = client().upload_part(**self._upload, PartNumber=number, Body=bytes(self._waiting))
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        self._waiting.clear()

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        if not self._upload:
            write(self._uri, bytes(self._waiting))
            return
        if self._waiting:
            self._send_part()
        try:
            with told_as_os_error(self._uri):
                client().complete_multipart_upload(**self._upload, MultipartUpload={"Parts": self._parts})
        except FileNotFoundError:  # there is no such upload any more if a first attempt completed it unheard
            if client().head_object(**self._named)["ContentLength"] != self._size:
                raise

    def __del__(self) -> None:
        """What was not closed is not finished."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
            return
        super().close()
        if self._upload:
            with told_as_os_error(self._uri):
                client().abort_multipart_upload(**self._upload)


def read(uri: str) -> tuple[bytes, str]:
    """The bytes of an object, and its version; raises `FileNotFoundError` too."""
    return _get(uri)


def _get(uri: str, attempts: int = READ_ATTEMPTS, **conditions: str) -> tuple[bytes, str]:
    with told_as_os_error(uri):
        answer = client().get_object(**_named(uri), **conditions)
        try:
            return answer["Body"].read(), answer["ETag"]
        except BotoCoreError:  # the client itself tries again until the first byte has come
            if attempts == 1:
                raise
    return _get(uri, attempts - 1, **conditions)


def write(uri: str, data: bytes) -> None:
    """Make an object, or replace it, in one request."""
    with told_as_os_error(uri):
        client().put_object(**_named(uri), Body=data)


def replace(uri: str, data: bytes, version: str | None) -> bool:
    """Write an object if its version is still this one, None where there was none; whether it was.

    Of several writers one succeeds. An answer may get lost, and a second attempt then finds what the first one wrote:
    what stands there decides. Raises `OSError`, which says so where not even that is known.
    """
    try:
        client().put_object(**_named(uri), Body=data, **_condition(version))
    except (ClientError, BotoCoreError) as error:
        written = _holds(uri, data, error)
        if not written and _status(error) not in REFUSALS:
            raise OSError(f"{uri} was not written: {error}") from error
        return written
    return True


def _holds(uri: str, data: bytes, failure: Exception) -> bool:
    try:
        return read(uri)[0] == data
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OSError(f"whether {uri} was written is not known: {failure}") from error


def _condition(version: str | None) -> dict[str, str]:
    return {"IfMatch": version} if version else {"IfNoneMatch": "*"}


def refuses_stale(uri: str, data: bytes, version: str | None) -> bool:
    """Whether the store heeds the condition of `replace`: some that speak S3 write all the same.

    Asked with a condition that does not hold, of an object that has these bytes already.
    """
    try:
        client().put_object(**_named(uri), Body=data, **_condition('"another"' if version else None))
    except (ClientError, BotoCoreError) as error:
        if _status(error) in REFUSALS:
            return True
        raise OSError(f"{uri}: {error}") from error
    return False


def exists(uri: str) -> bool:
    """Whether there is such an object."""
    try:
        with told_as_os_error(uri):
            client().head_object(**_named(uri))
    except FileNotFoundError:
        return False
    return True


def last_written_at(uri: str) -> float:
    """When an object was written: seconds since 1970. Raises `OSError`."""
    with told_as_os_error(uri):
        return float(client().head_object(**_named(uri))["LastModified"].timestamp())


def entries(folder: str) -> Iterator[tuple[str, int, float]]:
    """URI, size in bytes and seconds since 1970 at the last write of every object whose URI begins so."""
    bucket, prefix = parse_s3_path(folder, object_optional=True)
    with told_as_os_error(folder):
        for page in client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", ()):
                modified: dt.datetime = entry["LastModified"]
                yield f"s3://{bucket}/{entry['Key']}", entry["Size"], modified.timestamp()


def copy_all(sources: Sequence[str], destinations: Sequence[str]) -> None:
    """Copy objects within the store, several at a time; each has 5 GB at most."""

    def copy_one(source: str, destination: str) -> None:
        with told_as_os_error(source):
            client().copy_object(CopySource=_named(source), **_named(destination))

    _at_a_time(copy_one, sources, destinations)


def delete_all(uris: Sequence[str]) -> None:
    """Delete objects; one that is not there is none to delete."""
    by_bucket: dict[str, list[dict[str, str]]] = {}
    for uri in uris:
        bucket, key = parse_s3_path(uri)
        by_bucket.setdefault(bucket, []).append({"Key": key})
    for bucket, keys in by_bucket.items():
        for first in range(0, len(keys), DELETED_AT_ONCE):
            with told_as_os_error(f"s3://{bucket}"):
                batch = {"Objects": keys[first : first + DELETED_AT_ONCE], "Quiet": True}
                answer = client().delete_objects(Bucket=bucket, Delete=batch)
            for error in answer.get("Errors", ()):
                raise OSError(f"s3://{bucket}/{error['Key']} can't be deleted: {error['Code']} {error['Message']}")


@contextlib.contextmanager
def told_as_os_error(uri: str) -> Iterator[None]:
    """Raise what the client raises as `OSError` that names the URI."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        kind = FileNotFoundError if _status(error) == http.HTTPStatus.NOT_FOUND else OSError
        raise kind(f"{uri}: {error}") from error


def _at_a_time(function: Callable[..., None], *arguments: Sequence[str]) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        for future in [pool.submit(function, *each) for each in zip(*arguments, strict=True)]:
            future.result()


def _named(uri: str) -> dict[str, str]:
    bucket, key = parse_s3_path(uri)
    return {"Bucket": bucket, "Key": key}


def _status(error: Exception) -> int | None:
    response = getattr(error, "response", None) or {}  # None where there was no answer
    status: int | None = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status
