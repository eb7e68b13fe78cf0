"""Every decision, told: of a file as it would be cleaned now, or of a row as it was published."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import os
import string
from collections.abc import Iterator
from typing import Any

import pyarrow.compute as pc
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from pipeline import job, plan, snapshots
from pipeline.options import RunOptions, UsageError
from pipeline.terminal import printable
from schemas.parquet import DATASETS
from schemas.records import Cleaned, Document, InputError, MetadataSources, Quarantined, RawRecord, Rejection
from transforms.formats.read import ReadLimits
from transforms.read_files import read_file
from transforms.text.addresses import canonical_address
from transforms.text.clean import clean
from transforms.text.cleaning_options import CleaningOptions
from transforms.text.decisions import decide_lines
from transforms.text.extract import extract
from transforms.text.fingerprint import HASH_SPEC

SHOWN_RECORDS = 10

console = Console(markup=False, highlight=False)


def explain(what: str, output: str | None, config: dict[str, Any]) -> None:
    """Print the decisions on a file, by the options in `config`, or on the row of `output` whose doc_id begins so."""
    if output:
        explain_row(what, output)
    elif os.path.isdir(what):
        raise UsageError(f"{what!r} is a folder: name one file")
    elif os.path.lexists(what):
        explain_file(what, RunOptions(**config | {"inputs": (what,), "dry_run": True}))
    else:
        raise UsageError(f"{what!r} is no file here; to look up a doc_id, name the output with --output")


def explain_file(path: str, options: RunOptions) -> None:
    """Print what a run would decide on the first records of a file, line by line."""
    (file,) = plan.match_inputs([path])
    items = read_file(file, ReadLimits(max_record_bytes=options.max_record_bytes), job.columns_of(options))
    cleaning = job.cleaning_of(options)
    console.print("Judged alone: a run also looks for duplicates, and cuts lines that recur over many documents.\n")
    for item in itertools.islice(items, SHOWN_RECORDS):
        if isinstance(item, RawRecord):
            _explain_record(item, cleaning)
        else:
            _print_row("quarantined" if isinstance(item, Quarantined) else "rejected", _fields(item))
    if next(items, None) is not None:
        console.print(f"... shown are the first {SHOWN_RECORDS} records of {path}", markup=False)


def _explain_record(record: RawRecord, options: CleaningOptions) -> None:
    try:
        extraction = extract(record)
        result = clean(record, options)
    except InputError as error:
        reason = {"error_class": error.error_class, "error_message": str(error), "stage": error.stage}
        _print_row("quarantined", {"source_uri": record.source_uri, "member": record.member, **reason})
        return
    table = Table("line", "", "rule", "text", title=_name(record), title_justify="left")
    for line in decide_lines(record, extraction):
        if line.text.strip():
            style = "" if line.rule is None else "red"
            verdict = "keep" if line.rule is None else "cut"
            table.add_row(str(line.number), verdict, Text(line.rule or ""), Text(printable(line.text)), style=style)
    console.print(table)
    if isinstance(result, Cleaned):
        _print_row("document", _fields(result.document, without=("text", "removed")))
        marks = result.fingerprint
        fingerprints = {
            "exact": marks.exact.hex(),
            "tokens": marks.token_count,
            "address": canonical_address(result.document.url),
            "near-matched": "yes" if marks.signature else "no, too short",
            "specification": HASH_SPEC,
        }
        _print_row("fingerprints", fingerprints)
    else:
        _print_row("rejected", _fields(result, without=("text",)))


def explain_row(prefix: str, root: str) -> None:
    """Print what was published of a record: its columns, what was cut from it, the document it duplicates beside it."""
    output = snapshots.Output(root)
    latest = snapshots.latest(output)
    if latest is None:
        raise UsageError(f"nothing was published to {root!r} yet: run `millstream run` with this --output")
    if not prefix or set(prefix) - set(string.hexdigits):
        raise UsageError(f"{prefix!r} is no doc_id: it has hexadecimal digits only")
    found = list(itertools.islice(_find(output, latest, prefix), 2))
    if not found:
        raise UsageError(f"no row of {root!r} has a doc_id that begins with {prefix!r}")
    if len(found) > 1:
        raise UsageError(f"{prefix!r} begins the doc_id of several rows of {root!r}: give more of its digits")
    dataset, row = found[0]
    _print_row(dataset, {name: value for name, value in row.items() if name not in ("text", "removed")})
    if row.get("kept_doc_id"):
        kept_dataset, kept = next(_find(output, latest, row["kept_doc_id"]))
        _print_side_by_side(row, kept | {"dataset": kept_dataset})
        return
    for cut in row.get("removed") or ():
        console.print(Text(f"cut line {cut['start_line']} by {cut['rule']}: {cut['text']}", "red"))
    if row.get("text"):
        console.print(Text(row["text"]))


def _find(
    output: snapshots.Output, latest: tuple[str, dict[str, Any]], prefix: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    run_id, manifest = latest
    for dataset in DATASETS:
        for batch in snapshots.batches(output.snapshot(run_id), manifest, dataset):
            found = batch.filter(pc.starts_with(batch["doc_id"], prefix.lower()))
            yield from ((dataset, row) for row in found.to_pylist())


def _print_side_by_side(rejected: dict[str, Any], kept: dict[str, Any]) -> None:
    table = Table(f"rejected {rejected['doc_id'][:12]}", f"kept {kept['doc_id'][:12]}", show_lines=True)
    left, right = rejected["text"].split("\n"), kept["text"].split("\n")
    for tag, a, b, c, d in difflib.SequenceMatcher(a=left, b=right, autojunk=False).get_opcodes():
        style = "" if tag == "equal" else "yellow"
        table.add_row(Text("\n".join(left[a:b])), Text("\n".join(right[c:d])), style=style)
    console.print(table)


def _name(record: RawRecord) -> Text:
    return Text(printable(record.source_uri if record.member is None else f"{record.source_uri} > {record.member}"))


def _fields(row: Document | Rejection | Quarantined, without: tuple[str, ...] = ()) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _names(type(row)) if name not in without}


def _names(record_type: type) -> list[str]:
    return [field.name for field in dataclasses.fields(record_type)]


def _print_row(title: str, row: dict[str, Any]) -> None:
    table = Table("", Column(overflow="fold"), title=title, title_justify="left", show_header=False)
    sources = row.get("metadata_sources")
    places = dataclasses.asdict(sources) if isinstance(sources, MetadataSources) else sources or {}
    for name, value in row.items():
        if value not in (None, (), [], "") and name != "metadata_sources":
            place = f"  from {places[name]}" if places.get(name) else ""
            table.add_row(name, Text.assemble(printable(_shown(value)), (place, "dim")))
    console.print(table)


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _shown(dataclasses.asdict(value))
    if isinstance(value, dict):
        return " ".join(_shown(item) for item in value.values())
    return f"{value:.3f}" if isinstance(value, float) else str(value)
