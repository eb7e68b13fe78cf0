"""The commands for those who read what was published. Imports nothing heavy until one of them runs."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pipeline.options import UsageError
from pipeline.snapshot_commands import DIR, argument, command, published_output, run_id_of
from pipeline.terminal import EXIT_FAILED, fail

if TYPE_CHECKING:
    from pipeline.snapshots import Output

DATA_SETS = ("documents", "rejects", "quarantine", "sources")


def _schema(output_format: str, folder: str) -> None:
    """Show the data dictionary: every data set with its fields, their types and what they mean.

    --format sql makes DuckDB show the folder --output as commented views.
    """
    from pipeline import rows
    from schemas import dictionary

    match output_format:
        case "json":
            click.echo(rows.json_text(dictionary.as_json()))
        case "markdown":
            click.echo(dictionary.as_markdown(), nl=False)
        case "sql":
            if "://" in folder:
                raise UsageError(f"{folder!r} is no folder on this machine: a bucket has no `latest` to look into")
            click.echo(dictionary.as_sql(folder), nl=False)
        case _:
            for dataset in DATA_SETS:
                rows.print_dictionary(dataset, dictionary.meaning_of(dataset), dictionary.fields_of(dataset))


def _sql(directory: str, query: str | None, output_format: str, run: str | None) -> None:
    """Ask the latest snapshot of DIR, or that of --run, in DuckDB's SQL; without a QUERY, show an overview.

    The tables are documents, rejects, quarantine and sources; `millstream schema` tells their columns. A query reads
    one snapshot to its end, whatever is published meanwhile, and nothing else on this machine.
    """
    if query is None and output_format == "csv":
        raise UsageError("the overview is several tables: give a query, or --format table, json or markdown")
    _require_duckdb("`millstream sql`")
    with published_output(directory) as output, _silent_when_cut_off():
        from pipeline import query as queries
        from pipeline import rows

        with queries.opened(*_snapshot(output, run)) as connection:
            if query is None:
                tables = ((title, *queries.answer(connection, sql)) for title, sql in queries.OVERVIEW.items())
                rows.show_overview(tables, output_format)
            else:
                rows.show(*queries.answer(connection, query), output_format)


def _export(directory: str, output_format: str, to: str, dataset: str | None, run: str | None) -> None:
    """Write the latest snapshot of DIR, or that of --run, to a new file or folder in the format of other tools.

    jsonl and csv hold one data set, duckdb and huggingface all of them unless --dataset says which.
    """
    if "://" in to:
        raise UsageError(f"--to {to!r} is no path on this machine: write it here, then copy it there")
    if output_format == "duckdb":
        _require_duckdb("`--format duckdb`")
    with published_output(directory) as output:
        from pipeline import export

        if output.is_local and f"{os.path.realpath(to)}/".startswith(f"{os.path.realpath(directory)}/"):
            raise UsageError(f"--to {to!r} is inside of {directory!r}, where snapshots are kept: name a place outside")
        datasets = export.export(*_snapshot(output, run), output_format, dataset, to)
        click.echo(f"wrote {', '.join(datasets)} to {to}")


def _snapshot(output: Output, run: str | None) -> tuple[str, dict[str, Any]]:
    """The folder and the manifest of the snapshot to read, found once: later ones don't change what a command reads."""
    from pipeline import snapshots

    if run:
        run_id = run_id_of(output, run)
        return output.snapshot(run_id), snapshots.manifest_of(output, run_id)
    latest = snapshots.latest(output)
    if latest is None:
        fail(f"{output.root!r} has no latest snapshot: name a --run, `millstream history` lists them", EXIT_FAILED)
    return output.snapshot(latest[0]), latest[1]


def _require_duckdb(what: str) -> None:
    if importlib.util.find_spec("duckdb") is None:
        raise UsageError(f"{what} wants the extra `analyst`, which is not installed: pip install '.[analyst]'")


@contextlib.contextmanager
def _silent_when_cut_off() -> Iterator[None]:
    """End as other programs do when whoever reads the output has seen enough, such as `head`."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        raise SystemExit(128 + signal.SIGPIPE) from None


def _choice(name: str, *values: str, default: str | None = None, meaning: str) -> click.Option:
    kind = click.Choice(values)
    names = [f"--{name}", "output_format"] if name == "format" else [f"--{name}"]
    return click.Option(
        names,
        type=kind,
        default=default,
        required=default is None and name == "format",
        show_default=default is not None,
        help=meaning,
    )


RUN = click.Option(["--run"], metavar="RUN", help="A run id or the beginning of one; the latest is read otherwise.")
OUTPUT = click.Option(
    ["--output", "-o", "folder"],
    default=".",
    show_default=True,
    help="Folder that a run published to, for --format sql.",
)
TO = click.Option(["--to"], required=True, metavar="PATH", help="A new file, or folder, of this machine.")

ANALYST_COMMANDS = (
    command(
        "schema",
        _schema,
        _choice(
            "format",
            "table",
            "json",
            "markdown",
            "sql",
            default="table",
            meaning="For people, programs, documents or DuckDB.",
        ),
        OUTPUT,
    ),
    command(
        "sql",
        _sql,
        DIR,
        argument("query", "[QUERY]", required=False),
        _choice(
            "format",
            "table",
            "csv",
            "json",
            "markdown",
            default="table",
            meaning="A table cuts long cells and shows the first rows; the others have all.",
        ),
        RUN,
    ),
    command(
        "export",
        _export,
        DIR,
        _choice("format", "jsonl", "csv", "duckdb", "huggingface", meaning="What to write."),
        TO,
        _choice("dataset", *DATA_SETS, meaning="The data set to write.  [default: documents, or all]"),
        RUN,
    ),
)
"""What follows -- goes to Beam, whose file systems read what is not local."""
