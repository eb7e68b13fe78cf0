"""The data dictionary: every data set with its fields, their types and what they mean, told from the records."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from schemas.parquet import DATASETS, schema_of
from schemas.records import SCHEMA_VERSION, SourceFile

READABLE: dict[str, type] = {**DATASETS, "sources": SourceFile}
"""The data sets of a snapshot that analysts read, by the name of their table, and the record that a row of each is."""

FOLDERS = {name: name for name in DATASETS} | {"sources": "state/sources"}
"""Where each of them lies in a snapshot."""


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One line of the dictionary."""

    name: str  # as a path: `removed[].rule` is a field of the items of the list `removed`
    type: str  # Arrow's name
    nullable: bool
    description: str


def fields_of(dataset: str) -> list[Field]:
    """The fields of a data set in their order, those inside of lists and structs after the field that holds them.

    >>> [field.name for field in fields_of("sources")][:2]
    ['source_uri', 'size']
    """
    return list(_fields(schema_of(READABLE[dataset]), ""))


def _fields(fields: Any, parent: str) -> Iterator[Field]:
    for field in fields:
        inner, name = field.type, parent + field.name
        yield Field(name, _type_name(inner), field.nullable, field.metadata[b"description"].decode())
        if pa.types.is_list(inner):
            inner, name = inner.value_type, f"{name}[]"
        if pa.types.is_struct(inner):
            yield from _fields(inner, f"{name}.")


def _type_name(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list<{_type_name(kind.value_type)}>"
    return "struct" if pa.types.is_struct(kind) else str(kind)


def meaning_of(dataset: str) -> str:
    """What a row of a data set is, in a sentence, from the docstring of its record.

    >>> meaning_of("documents")
    'A row is a cleaned, enriched text that was kept.'
    """
    _, _, meaning = str(READABLE[dataset].__doc__).partition(": ")
    return f"A row is {meaning}"


def as_json() -> dict[str, Any]:
    """The dictionary for programs."""
    return {
        "schema_version": SCHEMA_VERSION,
        "datasets": {
            dataset: {
                "description": meaning_of(dataset),
                "folder": FOLDERS[dataset],
                "fields": [dataclasses.asdict(field) for field in fields_of(dataset)],
            }
            for dataset in READABLE
        },
    }


def as_markdown() -> str:
    """The dictionary as a document: `schemas/DICTIONARY.md` is this text."""
    head = (
        "# Data dictionary\n\n"
        f"Every field of the Parquet that millstream publishes, schema version {SCHEMA_VERSION}. The files carry the "
        "same\ndescriptions in the metadata of their columns. Made by `millstream schema --format markdown`.\n"
    )
    return "\n".join([head, *(f"## {dataset}\n\n{markdown_of(dataset)}" for dataset in READABLE)])


def markdown_of(dataset: str) -> str:
    """What a data set is, and a table of its fields."""
    rows = [
        f"| `{field.name}` | {field.type.replace('<', '&lt;')} | {'yes' if field.nullable else ''} "
        f"| {field.description.replace('|', chr(92) + '|')} |\n"
        for field in fields_of(dataset)
    ]
    intro = f"{meaning_of(dataset)} Its files are `{FOLDERS[dataset]}/**/*.parquet`.\n\n"
    return intro + "| field | type | null | meaning |\n|---|---|---|---|\n" + "".join(rows)


def as_sql(folder: str) -> str:
    """Statements that make DuckDB show the latest snapshot below a local folder as commented views."""
    root = f"{folder.rstrip('/')}/latest" if folder != "." else "latest"
    head = (
        f"-- Views in DuckDB over the latest snapshot of millstream, schema version {SCHEMA_VERSION}. Each query\n"
        "-- looks it up anew: name a folder of snapshots/ in place of `latest` where several queries must agree.\n"
    )
    lines = [head]
    for dataset in READABLE:
        files = _quoted(f"{root}/{FOLDERS[dataset]}/**/*.parquet")
        options = "hive_partitioning = false, union_by_name = true"
        lines.append(f"create or replace view {dataset} as from read_parquet({files}, {options});\n")
        lines.append(comments_of(dataset, "view"))
    return "".join(lines)


def comments_of(dataset: str, kind: str) -> str:
    """Statements that comment on a view or a table named as the data set, and on its columns."""
    lines = [f"comment on {kind} {dataset} is {_quoted(meaning_of(dataset))};\n"]
    for field in schema_of(READABLE[dataset]):
        description = field.metadata[b"description"].decode()
        lines.append(f"comment on column {dataset}.{field.name} is {_quoted(description)};\n")
    return "".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
