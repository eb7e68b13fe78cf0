"""The command `schedule`. Imports nothing heavy until it runs, as the command line at large."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

import click

from pipeline.options import RunOptions, UsageError, parse_duration
from pipeline.terminal import EXIT_FAILED, fail

MakeRunOptions = Callable[[tuple[str, ...], str | None, dict[str, Any]], RunOptions]
"""Makes the options of `run` from inputs, configuration file and what else was given; raises `UsageError`."""


def schedule_command(run_options: MakeRunOptions) -> click.Command:
    """The command, which checks what it is to run by the options of `run`."""

    def _schedule(cron: str, timezone: str, jitter: str, at_start: bool) -> int:
        """Run the command behind -- whenever --cron says, in the foreground, until Ctrl-C or a stop signal.

        What follows -- is a command line of millstream, such as `run raw --output corpus`. Each run is a process of its
        own; turns that come due while one lasts are skipped. Tells about each run in a line, as the command's own
        --log-format says. A stop signal is passed on to the run; a second one kills it. Exits with 0, or with 130 or
        143 when a run was stopped.
        """
        arguments = click.get_current_context().obj
        log_format = _check(arguments, run_options)
        from pipeline import logs, schedule  # noqa: PLC0415  # a third of what the command line takes to start

        timetable = schedule.Timetable(cron, schedule.zone_named(timezone))
        jitter_seconds = parse_duration("jitter", jitter)
        logs.configure(log_format)
        try:
            return schedule.keep_schedule(timetable, arguments, jitter_seconds=jitter_seconds, at_start=at_start)
        except OSError as error:
            fail(f"a run could not be started: {error}", EXIT_FAILED)

    return click.Command("schedule", callback=_schedule, params=_parameters(), help=_schedule.__doc__)


def _parameters() -> list[click.Parameter]:
    return [
        click.Option(["--cron"], required=True, help="When: minute, hour, day of month, month, day of week."),
        click.Option(
            ["--timezone"], envvar="TZ", default="UTC", show_default=True, show_envvar=True,
            help="Time zone of the expression, such as Europe/Tirane.",
        ),
        click.Option(
            ["--jitter"], default="0s", show_default=True,
            help="Start up to so much later, at random, so that many don't start at once: 30s, 5m.",
        ),
        click.Option(["--at-start"], is_flag=True, help="Run once right away, too."),
    ]  # fmt: skip


def _check(arguments: tuple[str, ...], run_options: MakeRunOptions) -> str:
    """The log format of a command line, which is parsed and not run: a mistake in it shows now, not in an hour."""
    position = arguments.index("--") if "--" in arguments else len(arguments)
    if not position:
        raise UsageError("no command was given: name one behind --, such as -- run raw --output corpus")
    root = click.get_current_context().find_root()
    group = typing.cast(click.Group, root.command)
    name, command, rest = group.resolve_command(root, list(arguments[:position]))
    assert command is not None  # noqa: S101  # click raises where there is none, which its types don't say
    with command.make_context(name, rest, parent=root, obj=arguments[position + 1 :]) as context:
        if name != "run":
            return str(context.params.get("log_format") or "text")
        given = dict(context.params)
        return run_options(given.pop("inputs"), given.pop("config"), given).log_format
