"""The commands over published snapshots. Imports nothing heavy until one of them runs, as the command line at large."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

from pipeline.options import UsageError, parse_duration
from pipeline.terminal import EXIT_BUSY, EXIT_FAILED, fail, printable

if TYPE_CHECKING:
    from pipeline.snapshots import Output
    from pipeline.verify import Finding


def _status(directory: str, max_age: str | None, output_format: str) -> None:
    """Show the latest snapshot of DIR: when it was published, what is in it, how large it is.

    With --max-age, a health check: exits with 1 and a sentence when no run ended well for so long. One that found
    nothing new, and so published nothing, did.
    """
    from pipeline import history

    limit = parse_duration("max-age", max_age) if max_age else None
    with published_output(directory, may_be_empty=limit is not None) as output:
        latest = history.status(output)
        if latest is None:
            fail(f"{directory!r} has no latest snapshot: nothing was published, or the pointer is gone", EXIT_FAILED)
        if output_format == "json":
            click.echo(json.dumps(dataclasses.asdict(latest), indent=2))
        else:
            click.echo("\n".join(history.status_lines(latest)))
        if limit is not None and latest.confirmed_seconds > limit:
            age = history.in_words(latest.confirmed_seconds)
            fail(f"the last run to {directory!r} ended well {age} ago, more than --max-age {max_age}", EXIT_FAILED)


def _history(directory: str) -> None:
    """List the snapshots of DIR, oldest first; a star marks the latest."""
    from pipeline import history

    with published_output(directory) as output:
        for line in history.history_lines(output):
            click.echo(line)


def _diff(directory: str, before: str, after: str) -> None:
    """Show what changed in DIR from one run to another: counts, and documents added, removed and changed."""
    from pipeline import diff

    with published_output(directory) as output:
        for line in diff.diff_lines(output, run_id_of(output, before), run_id_of(output, after)):
            click.echo(line)


def _verify(directory: str, run: str | None) -> None:
    """Check all that was published to DIR, or one RUN of it: every byte, page, row, count and pointer.

    Says each problem in a sentence, and exits with 1 when there is one.
    """
    from pipeline import snapshots, verify

    with published_output(directory) as output:
        run_ids = [run_id_of(output, run)] if run else list(snapshots.snapshot_folders(output))
        problems = _tell(verify.verify_pointer(output))
        for run_id in run_ids:
            problems += _tell(verify.verify_snapshot(output, run_id), otherwise=f"{run_id}: as it was published")
    if problems:
        fail(f"{problems} {'problem' if problems == 1 else 'problems'} in {directory!r}", EXIT_FAILED)


def _rollback(directory: str, run: str) -> None:
    """Make the snapshot of RUN the latest of DIR again, in one step. No file of a snapshot is touched."""
    from pipeline import housekeeping

    with published_output(directory) as output:
        run_id = run_id_of(output, run)
        housekeeping.roll_back(output, run_id)
        click.echo(f"the latest snapshot of {directory!r} is that of {run_id}")


def _gc(directory: str, keep: int) -> None:
    """Remove the oldest snapshots of DIR for good; never the latest, nor the newest that --keep says."""
    from pipeline import housekeeping

    with published_output(directory) as output:
        removed = 0
        for removed, run_id in enumerate(housekeeping.collect_garbage(output, keep), start=1):  # noqa: B007
            click.echo(f"removed {run_id}")
        if not removed:
            click.echo("nothing to remove")


@contextlib.contextmanager
def published_output(directory: str, *, may_be_empty: bool = False) -> Iterator[Output]:
    """The output at DIR, which holds snapshots; what goes wrong with it ends the command."""
    from pipeline import logs

    logs.configure("text")  # before Beam is imported
    from pipeline import snapshots

    output = snapshots.Output(directory)
    if output.is_local and os.path.exists(directory) and not os.path.isdir(directory):
        raise UsageError(f"{directory!r} is a file: name the folder that runs published to")
    try:
        if not output.is_local:
            from pipeline import plan

            plan.require_extras([directory])
            plan.use_file_systems(click.get_current_context().obj)
        if not may_be_empty and not snapshots.has_pointer(output) and not snapshots.snapshot_folders(output):
            raise UsageError(f"nothing was published to {directory!r} yet: name the --output of a run")
        yield output
    except snapshots.BusyError as error:
        fail(str(error), EXIT_BUSY)
    except OSError as error:
        fail(str(error), EXIT_FAILED)


def run_id_of(output: Output, prefix: str) -> str:
    """The one run id that begins so; raises `UsageError`."""
    from pipeline import snapshots

    found = [run_id for run_id in snapshots.snapshot_folders(output) if run_id.startswith(prefix)]
    if not found:
        raise UsageError(f"no run of {output.root!r} begins with {prefix!r}: `millstream history` lists them")
    if len(found) > 1:
        raise UsageError(f"{prefix!r} begins several runs of {output.root!r}: {', '.join(found)}")
    return found[0]


def _tell(findings: Iterable[Finding], *, otherwise: str | None = None) -> int:
    """Say each finding, or something else when there is none; how many of them are problems."""
    found = list(findings)
    for finding in found:
        click.echo(printable(finding.sentence if not finding.harmless else f"note: {finding.sentence}"))
    if not found and otherwise:
        click.echo(otherwise)
    return sum(not finding.harmless for finding in found)


def command(name: str, callback: Callable[..., None], *parameters: click.Parameter) -> click.Command:
    """A command that is helped by the docstring of its callback."""
    return click.Command(name, callback=callback, params=list(parameters), help=callback.__doc__)


def argument(name: str, metavar: str, *, required: bool = True) -> click.Argument:
    """An argument, and what it is called in the help."""
    return click.Argument([name], metavar=metavar, required=required)


MAX_AGE = click.Option(["--max-age"], help="Exit with 1 when no run ended well for so long: 90s, 30m, 26h, 2d.")
FORMAT = click.Option(
    ["--format", "output_format"], type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="For people or for programs.",
)  # fmt: skip
KEEP = click.Option(["--keep"], type=click.IntRange(min=1), required=True, help="How many of the newest stay.")
DIR = argument("directory", "DIR")

SNAPSHOT_COMMANDS = (
    command("status", _status, DIR, MAX_AGE, FORMAT),
    command("history", _history, DIR),
    command("diff", _diff, DIR, argument("before", "RUN"), argument("after", "RUN")),
    command("verify", _verify, DIR, argument("run", "[RUN]", required=False)),
    command("rollback", _rollback, DIR, argument("run", "RUN")),
    command("gc", _gc, DIR, KEEP),
)
"""What follows -- goes to Beam, whose file systems read what is not local."""
