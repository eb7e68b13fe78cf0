"""A command of millstream at the times of a cron expression: a scheduler in the foreground, made for containers."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import datetime as dt
import difflib
import logging
import os
import random
import select
import signal
import subprocess
import sys
import zoneinfo
from collections.abc import Callable, Iterator, Sequence

from cronsim import CronSim, CronSimError

from pipeline.options import UsageError
from pipeline.terminal import EXIT_BUSY, EXIT_FAILED, EXIT_QUARANTINE, EXIT_USAGE

log = logging.getLogger("millstream")

LONGEST_WAIT_SECONDS = 60.0
"""The wall clock is looked at this often: a sleep does not count the time that a machine was suspended."""

SOME_MOMENT = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
PR_SET_PDEATHSIG = 1  # linux/prctl.h
OUTCOMES = {
    0: "done",
    EXIT_FAILED: "failed",
    EXIT_USAGE: "wrong use",
    EXIT_QUARANTINE: "done, but too much quarantined",
    EXIT_BUSY: "the output is in use by another run",
}
STOPS = (signal.SIGINT, signal.SIGTERM)
WARNED_OF = {EXIT_QUARANTINE, EXIT_BUSY, *(128 + number for number in STOPS)}

Wait = Callable[[float | None], list[signal.Signals]]
"""Waits for seconds, or for as long as it takes; returns early when a signal arrives, with those that say stop."""

# --- when


@dataclasses.dataclass(frozen=True, slots=True)
class Timetable:
    """The turns of a cron expression, in a time zone.

    When clocks change, as Debian's cron: a turn in the hour that is skipped comes at its end, one in the hour that is
    repeated comes once; turns of every hour or minute (`*`) follow the real time. Raises `UsageError` for an expression
    that can't be read or never comes due.
    """

    expression: str
    zone: dt.tzinfo = dt.UTC

    def __post_init__(self) -> None:
        try:
            self.next_turn(SOME_MOMENT, SOME_MOMENT)
        except CronSimError as error:
            raise UsageError(
                f"the cron expression {self.expression!r} can't be read, {str(error).lower()}: it has five fields, "
                "minute, hour, day of month, month and day of week, such as '0 * * * *'"
            ) from error

    def next_turn(self, last: dt.datetime, now: dt.datetime) -> tuple[dt.datetime, int]:
        """The first turn later than now, UTC, and how many have come due since the last one and are skipped.

        >>> ten = dt.datetime(2026, 1, 1, 10, tzinfo=dt.UTC)
        >>> turn, skipped = Timetable("0 * * * *").next_turn(ten, ten + dt.timedelta(hours=2.5))
        >>> turn.hour, skipped
        (13, 2)
        """
        for skipped, turn in enumerate(self.turns_after(last)):
            if turn > now:
                return turn, skipped
        raise UsageError(f"the cron expression {self.expression!r} never comes due")

    def turns_after(self, moment: dt.datetime) -> Iterator[dt.datetime]:
        """The turns later than a moment, UTC, each later than the one before."""
        for local in CronSim(self.expression, moment.astimezone(self.zone)):
            turn = local.astimezone(dt.UTC)
            if turn > moment:  # from within a repeated hour, cronsim names the turns that came the first time
                yield turn


def zone_named(name: str) -> dt.tzinfo:
    """The time zone of an IANA name such as Europe/Tirane; raises `UsageError`."""
    if name == "UTC":
        return dt.UTC  # needs no data, which a bare image may lack
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:  # no such name, no name at all, a folder
        near = difflib.get_close_matches(name, zoneinfo.available_timezones(), n=1)
        hint = f"did you mean {near[0]}?" if near else "it must be a name such as Europe/Tirane"
        raise UsageError(f"the time zone {name!r} is not known: {hint}") from error


# --- the loop


def keep_schedule(timetable: Timetable, arguments: Sequence[str], *, jitter_seconds: float, at_start: bool) -> int:
    """The exit code, as of `keep_time`, of millstream run with the arguments at each turn until a signal says stop."""
    with signals() as wait:
        return keep_time(
            timetable,
            lambda: run_child(arguments, wait),
            wait,
            lambda: dt.datetime.now(dt.UTC),
            jitter_seconds=jitter_seconds,
            at_start=at_start,
        )


def keep_time(
    timetable: Timetable,
    run: Callable[[], tuple[int, signal.Signals | None]],
    wait: Wait,
    now: Callable[[], dt.datetime],
    *,
    jitter_seconds: float = 0.0,
    at_start: bool = False,
) -> int:
    """The exit code of a scheduler that was told to stop: 0, or 128 and the signal's number if that stopped a run.

    `run` returns the exit code of a run and the signal to stop that came while it lasted. No two runs overlap: turns
    that come due meanwhile are skipped, and counted. A run that fails does not end the scheduler.
    """
    turn = now()
    start = turn if at_start else (turn := timetable.next_turn(turn, turn)[0]) + _delay(jitter_seconds)
    log.info("the first run starts at %s", _local(start, timetable), extra={"next_run_at": _local(start, timetable)})
    while True:
        while (seconds := (start - now()).total_seconds()) > 0:
            if stops := wait(min(seconds, LONGEST_WAIT_SECONDS)):
                log.info("stopped by %s; no run was under way", stops[0].name)
                return 0
        started = now()
        code, stop = run()
        ended = now()
        if stop:
            _log_run(code, timetable, started=started, ended=ended)
            return 128 + stop if code else 0
        turn, skipped = timetable.next_turn(turn, ended)
        start = turn + _delay(jitter_seconds)
        _log_run(code, timetable, started=started, ended=ended, skipped=skipped, next_start=start)


def _delay(jitter_seconds: float) -> dt.timedelta:
    return dt.timedelta(seconds=random.uniform(0, jitter_seconds))  # noqa: S311  # spreads load, hides nothing


def _log_run(
    code: int,
    timetable: Timetable,
    *,
    started: dt.datetime,
    ended: dt.datetime,
    skipped: int = 0,
    next_start: dt.datetime | None = None,
) -> None:
    seconds = round((ended - started).total_seconds())
    facts = {
        "outcome": outcome(code),
        "exit_code": code,
        "started_at": _local(started, timetable),
        "seconds": seconds,
        "skipped_turns": skipped,
        "next_run_at": next_start and _local(next_start, timetable),
    }
    sentence = f"run {facts['outcome']}: started {facts['started_at']}, took {dt.timedelta(seconds=seconds)}"
    if skipped:
        sentence += f"; skipped {skipped} {'turn' if skipped == 1 else 'turns'} that came due meanwhile"
    if next_start:
        sentence += f"; the next starts at {facts['next_run_at']}"
    level = logging.WARNING if code in WARNED_OF else logging.ERROR if code else logging.INFO
    log.log(level, "%s", sentence, extra=facts)


def outcome(code: int) -> str:
    """The exit code of a run in words; negative is the signal that killed it.

    >>> outcome(75), outcome(-9), outcome(143)
    ('the output is in use by another run', 'killed by SIGKILL', 'stopped by SIGTERM')
    """
    if code in OUTCOMES:
        return OUTCOMES[code]
    with contextlib.suppress(ValueError):
        return (
            f"killed by {signal.Signals(-code).name}" if code < 0 else f"stopped by {signal.Signals(code - 128).name}"
        )
    return f"ended with {code}"


def _local(moment: dt.datetime, timetable: Timetable) -> str:
    return moment.astimezone(timetable.zone).isoformat(timespec="seconds")


# --- processes and signals


def run_child(arguments: Sequence[str], wait: Wait) -> tuple[int, signal.Signals | None]:
    """The exit code of millstream run as a process of its own, and the signal to stop that came while it lasted.

    A signal to stop is passed on as SIGTERM to the child's process group, a second one as SIGKILL; either way the
    child's end is waited for. What it leaves in its group ends with it.
    """
    _reap_adopted()
    # -P: a folder called `pipeline` where the user stands is not ours.
    command = [sys.executable, "-P", "-m", "pipeline", *arguments]
    child = subprocess.Popen(  # noqa: S603  # our own interpreter, without a shell
        command,
        stdin=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  # there are no threads here
    )
    stop: signal.Signals | None = None
    while not _has_ended(child.pid):
        for number in wait(None):
            os.killpg(child.pid, signal.SIGKILL if stop else signal.SIGTERM)
            stop = stop or number
    # Workers of a run that crashed may be at a record for long. Not SIGKILL: what ignores SIGTERM is multiprocessing's
    # tracker, which removes the semaphores that the run left.
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses where only the dead are left
        os.killpg(child.pid, signal.SIGTERM)
    return child.wait(), stop


def _has_ended(pid: int) -> bool:
    # The dead child is left for later: as long as it is there, no other process can have its number or its group.
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


_libc = ctypes.CDLL(None)  # before a fork: afterwards, loading may wait for a lock that nobody holds any more


def _die_with_parent() -> None:
    # A scheduler that was killed outright can't pass anything on, and its run would go on unseen and hold the output.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _reap_adopted() -> None:
    """As the first process of a container, bury what others left: nobody else does."""
    if os.getpid() == 1:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


@contextlib.contextmanager
def signals() -> Iterator[Wait]:
    """A function that waits. A signal to stop or the end of a child wakes it, and none is lost between two waits."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)

    def wait(seconds: float | None) -> list[signal.Signals]:
        if not select.select([read], [], [], seconds)[0]:
            return []
        return [signal.Signals(number) for number in os.read(read, 512) if number in STOPS]

    former = {number: signal.signal(number, lambda *_: None) for number in (*STOPS, signal.SIGCHLD)}
    former_descriptor = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        yield wait
    finally:
        signal.set_wakeup_fd(former_descriptor)
        for number, handler in former.items():
            signal.signal(number, handler)
        os.close(read)
        os.close(write)
