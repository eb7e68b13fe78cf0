"""Arrow schemas of the published data sets, derived from the fields of `schemas.records`; and records to tables."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import types
import typing
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from schemas.records import SCHEMA_VERSION, Document, Quarantined, Rejection

DATASETS: dict[str, type] = {"documents": Document, "rejects": Rejection, "quarantine": Quarantined}
"""The three published data sets, by the name of their folder, and the record that a row of each is."""

COUNTED_BY = {"documents": "language", "rejects": "reason", "quarantine": "error_class"}
"""The column of each data set by whose values a manifest counts its rows."""

_ARROW_TYPES: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float32(),
    bool: pa.bool_(),
    bytes: pa.binary(),
    dt.date: pa.date32(),
    dt.datetime: pa.timestamp("us", tz="UTC"),
}


def _arrow_type(annotation: Any) -> pa.DataType:
    if annotation in _ARROW_TYPES:
        return _ARROW_TYPES[annotation]
    if typing.get_origin(annotation) is tuple:
        # "element" is the Parquet specification's name for the items of a list; a null item would have no meaning
        return pa.list_(pa.field("element", _arrow_type(typing.get_args(annotation)[0]), nullable=False))
    return pa.struct(_fields(annotation))


def _fields(record_type: type) -> list[pa.Field]:
    hints = _hints(record_type)
    fields = []
    for field in dataclasses.fields(record_type):
        annotation, nullable = hints[field.name], False
        if isinstance(annotation, types.UnionType):
            annotation, nullable = typing.get_args(annotation)[0], True
        description = field.metadata["description"]
        # Arrow's readers show "description", Spark's and DuckDB's ecosystems look for "doc"
        fields.append(
            pa.field(field.name, _arrow_type(annotation), nullable, {"description": description, "doc": description})
        )
    return fields


@functools.cache
def schema_of(record_type: type) -> pa.Schema:
    """The Arrow schema of a record type, with a description in the metadata of every field."""
    return pa.schema(_fields(record_type), {"millstream.schema_version": str(SCHEMA_VERSION)})


def _value(value: Any) -> Any:
    """A field's value as pyarrow takes it: structs as dictionaries, tuples as lists."""
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return value


def to_table(record_type: type, records: Sequence[Any], **constants: Any) -> pa.Table:
    """A table of the records in their order; `constants` replace a column by one value."""
    schema = schema_of(record_type)
    columns = [
        pa.array(
            [constants[field.name]] * len(records)
            if field.name in constants
            else [_value(getattr(record, field.name)) for record in records],
            field.type,
        )
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def from_table(record_type: type, table: pa.Table) -> list[Any]:
    """The records that the rows of a table are, in their order: `to_table` undone."""
    return [_record(record_type, row) for row in table.to_pylist()]


def _record(record_type: type, row: dict[str, Any]) -> Any:
    return record_type(**{name: _from_arrow(_hints(record_type)[name], value) for name, value in row.items()})


def _from_arrow(annotation: Any, value: Any) -> Any:
    if typing.get_origin(annotation) is tuple:
        return tuple(_from_arrow(typing.get_args(annotation)[0], item) for item in value)
    return _record(annotation, value) if isinstance(value, dict) else value


@functools.cache
def _hints(record_type: type) -> dict[str, Any]:
    return typing.get_type_hints(record_type)
