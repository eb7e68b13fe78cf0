"""The command line. Imports nothing heavy until a command needs it: workers import this module too, as `__main__`."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import gc
import os
import signal
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.analyst_commands import ANALYST_COMMANDS
from pipeline.options import CONFIG_FILE, RunOptions, UsageError, parse, read_config
from pipeline.schedule_command import schedule_command
from pipeline.snapshot_commands import SNAPSHOT_COMMANDS
from pipeline.terminal import EXIT_BUSY, EXIT_FAILED, EXIT_QUARANTINE, EXIT_USAGE, fail

if TYPE_CHECKING:
    from pipeline.job import Result

CONFIG_HELP = "File with options in TOML; read by default where there is one."


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong use, 3 too much quarantined, 75 output in use.

    A signal ends it with 128 and the number of the signal, as a shell counts.
    """
    before, after = _split_at_dashes(sys.argv[1:] if arguments is None else arguments)
    try:
        code = commands.main(args=before, prog_name="millstream", obj=after, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = EXIT_USAGE
    except (click.ClickException, UsageError) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        fail(message, EXIT_USAGE)
    except click.Abort:  # Ctrl-C, where nothing has to be said
        code = 128 + signal.SIGINT
    sys.exit(code)


def program() -> typing.NoReturn:
    """`main` as a program of its own, which ends as soon as all is said and put away.

    The interpreter would go on to take the libraries apart, and with their threads one run in hundreds aborted there.
    """
    code = 0
    try:
        main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    atexit._run_exitfuncs()  # noqa: SLF001  # as the interpreter does
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or EXIT_FAILED
    os._exit(code)


def _split_at_dashes(arguments: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """What is millstream's, and what comes after `--` and is Beam's.

    >>> _split_at_dashes(["run", "in", "--", "--runner=FlinkRunner"])
    (['run', 'in'], ('--runner=FlinkRunner',))
    """
    if "--" not in arguments:
        return arguments, ()
    position = arguments.index("--")
    return arguments[:position], tuple(arguments[position + 1 :])


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="millstream")
def commands() -> None:
    """Raw documents in, a clean and explained Parquet corpus out.

    Exit codes: 0 done, 1 failed, 2 wrong use, 3 done but too much quarantined, 75 the output is in use by another run.
    """


def _flag(field: dataclasses.Field[Any]) -> str:
    name = field.name.replace("_", "-")
    return f"--{name}/--no-{name}" if field.default is True else f"--{name}"


def _command_line_options() -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(RunOptions) if field.name not in ("inputs", "beam")]


def option_rows() -> list[tuple[str, str, str]]:
    """(option, default, meaning) of every option of `run`, in Markdown."""
    rows = []
    for field in _command_line_options():
        default = {"True": "yes", "False": "no", "None": "", "()": ""}.get(str(field.default), str(field.default))
        rows.append((f"`{_flag(field)}`", default, field.metadata["help"]))
    return [*rows, ("`--config`", CONFIG_FILE, CONFIG_HELP)]


def run_parameters() -> list[click.Parameter]:
    """The parameters of `run`, made from the fields of `RunOptions`; a value that was not given is None."""
    hints = typing.get_type_hints(RunOptions)
    parameters: list[click.Parameter] = [click.Argument(["inputs"], nargs=-1, metavar="INPUT...")]
    for field in _command_line_options():
        kind = {int: click.INT, float: click.FLOAT}.get(hints[field.name], click.STRING)
        typed: dict[str, Any] = {"is_flag": True} if hints[field.name] is bool else {"type": kind}
        names = [_flag(field), *(["-o"] if field.name == "output" else [])]
        shown = f" [default: {field.default}]" if kind is not click.STRING else ""
        parameters.append(click.Option(names, default=None, help=field.metadata["help"] + shown, **typed))
    return [*parameters, _config_option()]


def _config_option() -> click.Option:
    return click.Option(["--config"], type=click.Path(), help=f"{CONFIG_HELP} [default: {CONFIG_FILE}]")


def _run(inputs: tuple[str, ...], config: str | None, **given: Any) -> None:
    """Read what is new or changed in INPUT..., clean it, and publish a snapshot below --output with it.

    What follows -- goes to Beam.
    """
    options = _run_options(inputs, config, given)
    with _stopped_by_signals():
        result = _result(options)
    if result:
        _tell(result, options)


def _result(options: RunOptions) -> Result | None:
    """What a run published; None of a dry run, which prints what it would read."""
    from pipeline import logs

    logs.configure(options.log_format)
    if not options.dry_run:
        from transforms import worker_server

        worker_server.start()  # it loads its models while this process imports Beam
    gc.disable()  # of what is imported nothing is garbage: looking for it takes an eighth of the time
    from pipeline import job, plan, report

    gc.freeze()
    gc.enable()
    with _failures():
        plan.require_extras([*options.inputs, options.output])
        plan.use_file_systems(options.beam)
        if options.dry_run:
            report.print_formats(plan.formats_of(plan.match_inputs(options.inputs, apart_from=options.output)))
            return None
        with report.progress(options.log_format):
            return job.run(options)


def _retry(directory: str, config: str | None, **given: Any) -> None:
    """Read the files in quarantine again for which that may help, with the configuration of the latest run to DIR.

    Limits and workers are as given here or in the configuration file. What follows -- goes to Beam.
    """
    names = {each.name for each in retry_parameters()}
    values = {name: value for name, value in _config(config).items() if name in names}
    values |= {name: value for name, value in given.items() if value is not None}
    from pipeline import logs

    logs.configure(values.get("log_format", "text"))
    from pipeline import job, plan, report, retry, snapshots

    with _failures():
        plan.require_extras([directory])
        beam = click.get_current_context().obj or ()
        plan.use_file_systems(beam)
        options = retry.options_of(directory, beam=beam, **values)
        files = retry.files_to_retry(snapshots.Output(directory))
        if not files:
            click.echo(
                "no file is worth another try: `millstream sql DIR 'from quarantine'` shows what failed, and why"
            )
            return
        with _stopped_by_signals(), report.progress(options.log_format):
            result = job.run(options, files)
    _tell(result, options)


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """What goes wrong with a run ends the command."""
    from pipeline import job, snapshots

    try:
        yield
    except (job.JobError, OSError) as error:
        fail(str(error), EXIT_FAILED)
    except snapshots.BusyError as error:
        fail(str(error), EXIT_BUSY)


def _tell(result: Result, options: RunOptions) -> None:
    from pipeline import report

    report.print_result(result)
    if result.quarantined_share > options.max_quarantine:
        share, limit = f"{result.quarantined_share:.1%}", f"{options.max_quarantine:.1%}"
        fail(f"{share} of the records are quarantined, more than --max-quarantine {limit}", EXIT_QUARANTINE)


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """End at once on Ctrl-C or a stop signal, as a crash would: nobody sees what is half done."""

    def stop(number: int, _: object) -> typing.NoReturn:
        show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
        sentence = f"millstream: stopped by {signal.Signals(number).name}; an unfinished run publishes nothing"
        os.write(2, f"{show_cursor}\n{sentence}\n".encode())
        os._exit(128 + number)  # Beam would go on with the bundle, and wrap the interrupt in an error of its own

    former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _run_options(inputs: tuple[str, ...], config: str | None, given: dict[str, Any]) -> RunOptions:
    values = _config(config) | {
        name: parse(name, value) if isinstance(value, str) else value
        for name, value in given.items()
        if value is not None
    }
    if inputs:
        values["inputs"] = inputs
    if after_dashes := click.get_current_context().obj:
        values["beam"] = after_dashes
    return RunOptions(**values)


def _config(config: str | None) -> dict[str, Any]:
    path = Path(config or CONFIG_FILE)
    return read_config(path) if config or path.exists() else {}


def retry_parameters() -> list[click.Parameter]:
    """The parameters of `retry`: those of `run` that decide no row."""
    names = ("workers", "max_memory_bytes", "timeout_seconds", "max_quarantine", "log_format", "config")
    return [click.Argument(["directory"], metavar="DIR"), *(each for each in run_parameters() if each.name in names)]


commands.add_command(click.Command("run", callback=_run, params=run_parameters(), help=_run.__doc__))
commands.add_command(click.Command("retry", callback=_retry, params=retry_parameters(), help=_retry.__doc__))


def _explain(what: str, output: str | None, config: str | None) -> None:
    """Tell why: each line of a FILE with the rule that cut it, or what became of DOC_ID in --output.

    A prefix of a doc_id will do as long as it names one row. What follows -- goes to Beam.
    """
    from pipeline import logs

    logs.configure("text")
    from pipeline import explain, plan

    plan.require_extras([what, output or ""])
    plan.use_file_systems(click.get_current_context().obj)
    explain.explain(what, output, _config(config))


commands.add_command(
    click.Command(
        "explain",
        callback=_explain,
        params=[
            click.Argument(["what"], metavar="FILE|DOC_ID"),
            click.Option(["--output", "-o"], help="Folder that a run published to; then DOC_ID names a row in it."),
            _config_option(),
        ],
        help=_explain.__doc__,
    )
)

commands.add_command(schedule_command(_run_options))

for command in (*SNAPSHOT_COMMANDS, *ANALYST_COMMANDS):
    commands.add_command(command)
