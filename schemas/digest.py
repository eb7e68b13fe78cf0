"""A digest of a table's values: equal for equal rows in equal order, however they are batched or compressed."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

NOT_DIGESTED = frozenset({"run_id", "source_modified_at", "modified_at"})
"""Columns that may differ between two runs over the same bytes: a copy has another modification time."""


class TableDigest:
    """Takes tables of one schema, one after another; `hexdigest` tells what they hold.

    Every leaf column is a stream of its own (which values are there, how long they are, what they are), so the cost is
    that of sha256 over the bytes and the cut into batches leaves no trace.
    """

    def __init__(self) -> None:
        self._leaves: dict[str, Any] = {}

    def update(self, table: pa.Table) -> None:
        """Add the rows of a table, after those added before."""
        for name in table.column_names:
            if name not in NOT_DIGESTED:
                for chunk in table.column(name).chunks:
                    self._add(name, chunk)

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        leaves = sorted((path, leaf.hexdigest()) for path, leaf in self._leaves.items())
        return hashlib.sha256(repr(leaves).encode()).hexdigest()

    def _feed(self, path: str, data: Any) -> None:
        self._leaves.setdefault(path, hashlib.sha256()).update(data)

    def _add(self, path: str, array: pa.Array) -> None:
        self._feed(f"{path}:valid", _values(array.is_valid().cast(pa.int8())))
        if pa.types.is_list(array.type):
            self._feed(f"{path}:length", _values(pc.list_value_length(array).fill_null(0)))
            self._add(f"{path}[]", array.flatten())
        elif pa.types.is_struct(array.type):
            for field, child in zip(array.type, array.flatten(), strict=True):
                self._add(f"{path}.{field.name}", child)
        elif pa.types.is_fixed_size_binary(array.type):
            self._feed(f"{path}:value", _joined(array.cast(pa.binary()).cast(pa.large_binary()).fill_null(b"")))
        elif pa.types.is_string(array.type) or pa.types.is_binary(array.type):
            array = array.cast(pa.large_binary()).fill_null(b"")
            self._feed(f"{path}:length", _values(pc.binary_length(array)))
            self._feed(f"{path}:value", _joined(array))
        else:
            array = (
                array.cast(pa.int8()) if pa.types.is_boolean(array.type) else array.view(f"int{array.type.bit_width}")
            )
            self._feed(f"{path}:value", _values(array.fill_null(0)))


def _values(array: pa.Array) -> Any:
    """The bytes of an array of numbers without nulls."""
    width = array.type.byte_width
    data = array.buffers()[1]
    return data[array.offset * width : (array.offset + len(array)) * width] if data else b""


def _joined(array: pa.Array) -> Any:
    """The bytes of all values of an array of large binaries without nulls."""
    _, offsets, data = array.buffers()
    if not data:
        return b""
    bounds = memoryview(offsets).cast("q")
    return data[bounds[array.offset] : bounds[array.offset + len(array)]]
