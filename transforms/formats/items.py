"""What the readers are told and what they yield, before it becomes the records of `schemas.records`."""

from __future__ import annotations

import dataclasses
import datetime as dt

from schemas.records import InputError

STAGE = "read"
"""The step that every rejection and failure of `transforms.formats` names."""


@dataclasses.dataclass(frozen=True, slots=True)
class ReadLimits:
    """What one input may cost."""

    max_record_bytes: int = 16 * 2**20  # a larger record is quarantined as too_large
    max_expansion_ratio: int = 200  # bytes out per byte stored; text rarely passes 20, bombs start near 1,000
    max_depth: int = 2  # layers of compression and archive around a record: a .tar.gz has two

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(f"{field.name} is {getattr(self, field.name)}; it must be 1 or more")


@dataclasses.dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns of JSON, CSV and Parquet records; None: found by a usual name (`tables.USUAL_NAMES`)."""

    text: str | None = None
    url: str | None = None
    title: str | None = None
    published: str | None = None
    id: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class InputFile:
    """A file as it was matched."""

    uri: str
    size: int | None = None  # bytes as stored; None when the file system does not say
    modified_at: dt.datetime | None = None  # UTC
    ordinal: int = 0  # its place among all files of the snapshot that is made
    attempt: int = 1  # the how manieth reading of it this is


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item as its reader found it, not yet numbered: a record, a rejection (`reason`) or a failure (`error`)."""

    content: bytes | None = None  # None when it was not read, or not to its end
    media_type: str | None = None
    key: str | None = None  # the record's id in its container; None is named by its number
    is_whole: bool = False  # the file, or the member of an archive, is the record
    charset: str | None = None
    offset: int | None = None
    length: int | None = None  # bytes, where it is known without the content
    prefix: bytes = b""  # first bytes of what failed
    url: str | None = None
    title: str | None = None
    authors: tuple[str, ...] = ()
    published: str | None = None
    reason: str | None = None
    detail: str | None = None
    error: InputError | None = None


def unreadable(message: str) -> InputError:
    """The failure of a file that is damaged, encrypted or unsafe."""
    return InputError("unreadable", message, stage=STAGE)


def unsupported(message: str) -> InputError:
    """The failure of a file of a kind that is not read."""
    return InputError("unsupported", message, stage=STAGE)


def unparsable(message: str) -> InputError:
    """The failure of a record that is not what its format asks for."""
    return InputError("parse", message, stage=STAGE)


def too_large(size: int | None, limit: int) -> InputError:
    """The failure of a record above `max_record_bytes`; `size` in bytes, None when it was not read to its end."""
    found = f"{size:,} bytes" if size is not None else f"more than {limit:,} bytes"
    return InputError("too_large", f"the record has {found}; max_record_bytes is {limit:,}", stage=STAGE)
