"""Keys sorted into partitions, in a file beside the shard that they come from; what is shuffled says where they stand.

Shuffled themselves, as arrays of 16 bytes a key, they cost the local runner 4.1 KB a document at the peak, six times
their size, for its copies; this way 1.4 KB (200,000 documents of random signatures, 8 partitions).
"""

from __future__ import annotations

import itertools
import operator
import posixpath
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.files import create_file, open_file

KEYED_ROWS = 10_000
"""Documents whose keys are in memory while they are sorted into partitions."""

Array = npt.NDArray[Any]


class KeyRange(NamedTuple):
    """Where some keys of one partition stand in a file."""

    path: str
    offset: int  # bytes
    size: int  # bytes


def write_key_file(folder: str, name: str, batches: Iterable[Array], partitions: int) -> Iterator[tuple[int, KeyRange]]:
    """(partition, `KeyRange`) pairs for the entries of the batches, written by partition into one file.

    An entry is of a structured dtype with a field `key`, and of a partition by it; equal keys meet in one. A second
    attempt writes beside the first, and only what it gives is read.
    """
    written = 0
    path = posixpath.join(folder, f"{name}-{uuid.uuid4().hex[:8]}.bin")
    with create_file(path) as sink:
        for entries in batches:
            partition = (entries["key"] >> np.uint64(1)) % np.uint64(partitions)  # the lowest bit may tell kinds apart
            sink.write(entries[np.argsort(partition, kind="stable")].tobytes())
            counts = np.bincount(partition.astype(int), minlength=partitions)
            for number in range(partitions):
                if size := int(counts[number]) * entries.itemsize:
                    yield number, KeyRange(path, written, size)
                    written += size


def read_ranges(ranges: Iterable[KeyRange], dtype: np.dtype[Any]) -> Array:
    """The entries that stand in these ranges, in the order of the files and of the places in them."""
    return joined(_read(sorted(ranges)), dtype)


def joined(arrays: Iterable[bytes], dtype: np.dtype[Any]) -> Array:
    """The entries of arrays that travelled as bytes."""
    return np.frombuffer(b"".join(arrays), dtype)


def by_split(splits: Array, entries: Array) -> Iterator[tuple[int, Array]]:
    """(split, its entries, in their order) pairs, ascending; `splits` has the split of each entry.

    >>> [(split, part.tolist()) for split, part in by_split(np.array([7, 2, 7]), np.array([10, 20, 30]))]
    [(2, [20]), (7, [10, 30])]
    >>> list(by_split(np.array([]), np.array([])))
    []
    """
    numbers, first = np.unique(np.sort(splits), return_index=True)
    parts = np.split(entries[np.argsort(splits, kind="stable")], first[1:])
    yield from zip(numbers.tolist(), parts, strict=False)  # of nothing there is one part, and no number


def _read(ranges: list[KeyRange]) -> Iterator[bytes]:
    for path, of_file in itertools.groupby(ranges, key=operator.attrgetter("path")):
        with open_file(path) as stream:
            for each in of_file:
                stream.seek(each.offset)
                yield stream.read(each.size)
