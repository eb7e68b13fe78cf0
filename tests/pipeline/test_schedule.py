"""When the scheduler's turns come, which it skips, and what it says of its runs; by a clock that a test moves."""

from __future__ import annotations

import datetime as dt
import logging
import random
import signal
import zoneinfo
from collections.abc import Callable
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.schedule import Timetable, keep_time, outcome, zone_named

UTC = dt.UTC


def at(hour: int, minute: int = 0, second: int = 0) -> dt.datetime:
    return dt.datetime(2026, 1, 5, hour, minute, second, tzinfo=UTC)


# --- when


@pytest.mark.parametrize(
    ("zone", "expression", "since", "turns"),
    [
        # A turn in the hour that is skipped comes at its end; the day before and after it comes as it says.
        ("Europe/Tirane", "30 2 * * *", "2026-03-27T12:00", ["28T02:30+01", "29T03:00+02", "30T02:30+02"]),
        # Two turns in the hour that is skipped are one at its end.
        ("Europe/Tirane", "0,30 2 * * *", "2026-03-29T00:00", ["29T03:00+02", "30T02:00+02", "30T02:30+02"]),
        # A turn in the hour that is repeated comes once, the first time.
        ("Europe/Tirane", "30 2 * * *", "2026-10-24T12:00", ["25T02:30+02", "26T02:30+01"]),
        # Turns of every hour follow the real time.
        ("Europe/Tirane", "0 * * * *", "2026-03-29T00:30", ["29T01:00+01", "29T03:00+02", "29T04:00+02"]),
        ("Europe/Tirane", "0 * * * *", "2026-10-25T01:30", ["25T02:00+02", "25T02:00+01", "25T03:00+01"]),
        ("Europe/Tirane", "0 5 * * *", "2026-03-28T12:00", ["29T05:00+02", "30T05:00+02"]),
        # Half an hour is skipped here.
        ("Australia/Lord_Howe", "10 2 * * *", "2026-10-03T12:00", ["04T02:30+11", "05T02:10+11"]),
        ("America/New_York", "0 0 * * MON#1", "2026-10-20T00:00", ["02T00:00-05", "07T00:00-05"]),
        ("UTC", "30 2 * * *", "2026-03-28T12:00", ["29T02:30+00", "30T02:30+00"]),
        ("UTC", "*/20 * * * * *", "2026-01-01T00:00", ["01T00:00+00", "01T00:00+00", "01T00:01+00"]),
    ],
)
def test_turns_when_clocks_change(zone: str, expression: str, since: str, turns: list[str]) -> None:
    local = zone_named(zone)
    moment = dt.datetime.fromisoformat(since).replace(tzinfo=local)
    found = islice(Timetable(expression, local).turns_after(moment), len(turns))
    assert [f"{turn.astimezone(local):%dT%H:%M%z}"[:-2] for turn in found] == turns


def test_a_scheduler_that_starts_in_a_repeated_hour_does_not_run_its_turn_again() -> None:
    tirane = zone_named("Europe/Tirane")
    second_time = dt.datetime(2026, 10, 25, 2, 10, fold=1, tzinfo=tirane)
    turn, skipped = Timetable("30 2 * * *", tirane).next_turn(second_time, second_time)
    assert (turn.astimezone(tirane).isoformat(), skipped) == ("2026-10-26T02:30:00+01:00", 0)


@given(
    zone=st.sampled_from(["Europe/Tirane", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "America/Havana"]),
    expression=st.sampled_from(["*/20 * * * *", "0 * * * *", "15,45 0-3 * * *", "0 0 * * *", "30 */2 * * SUN"]),
    hours=st.integers(min_value=0, max_value=365 * 24),
)
def test_a_scheduler_that_is_started_anew_at_a_turn_goes_on_with_the_next(
    zone: str, expression: str, hours: int
) -> None:
    timetable = Timetable(expression, zoneinfo.ZoneInfo(zone))
    since = dt.datetime(2026, 1, 1, tzinfo=UTC) + dt.timedelta(hours=hours)
    in_one_go = list(islice(timetable.turns_after(since), 8))
    assert in_one_go == sorted(set(in_one_go))
    anew, moment = [], since
    for _ in in_one_go:
        moment, skipped = timetable.next_turn(moment, moment)
        assert skipped == 0
        anew.append(moment)
    assert anew == in_one_go


# --- the loop


class Clock:
    """A clock that moves when it is waited for, and stops the scheduler at a moment."""

    def __init__(self, moment: dt.datetime, stop_at: dt.datetime) -> None:
        self.moment, self.stop_at = moment, stop_at

    def now(self) -> dt.datetime:
        return self.moment

    def wait(self, seconds: float | None) -> list[signal.Signals]:
        assert seconds is not None
        self.moment += dt.timedelta(seconds=seconds)
        return [signal.SIGTERM] if self.moment >= self.stop_at else []

    def runs(self, *minutes: float, code: int = 0) -> tuple[list[str], Callable[[], tuple[int, signal.Signals | None]]]:
        """Starts of the runs, to be filled, and a run that lasts so many minutes; the last number is for all others."""
        starts: list[str] = []
        durations = iter(minutes)

        def run() -> tuple[int, None]:
            starts.append(f"{self.moment:%H:%M:%S}")
            self.moment += dt.timedelta(minutes=next(durations, minutes[-1]))
            return code, None

        return starts, run


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, "millstream")
    return lambda: [record.getMessage() for record in caplog.records]


def test_no_two_runs_overlap_and_what_is_skipped_is_counted(said: Callable[[], list[str]]) -> None:
    clock = Clock(at(9, 50), stop_at=at(15, 30))
    starts, run = clock.runs(10, 150, 60, 10)
    assert keep_time(Timetable("0 * * * *"), run, clock.wait, clock.now) == 0
    assert starts == ["10:00:00", "11:00:00", "14:00:00"]  # the third ends at 15:00, when a turn comes due
    assert [part for line in said() for part in line.split("; ")] == [
        "the first run starts at 2026-01-05T10:00:00+00:00",
        "run done: started 2026-01-05T10:00:00+00:00, took 0:10:00",
        "the next starts at 2026-01-05T11:00:00+00:00",
        "run done: started 2026-01-05T11:00:00+00:00, took 2:30:00",
        "skipped 2 turns that came due meanwhile",
        "the next starts at 2026-01-05T14:00:00+00:00",
        "run done: started 2026-01-05T14:00:00+00:00, took 1:00:00",
        "skipped 1 turn that came due meanwhile",
        "the next starts at 2026-01-05T16:00:00+00:00",
        "stopped by SIGTERM",
        "no run was under way",
    ]


def test_a_run_that_fails_does_not_end_the_scheduler(
    said: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock(at(9, 50), stop_at=at(11, 30))
    starts, run = clock.runs(1, code=1)
    assert keep_time(Timetable("0 * * * *"), run, clock.wait, clock.now) == 0
    assert starts == ["10:00:00", "11:00:00"]
    assert said()[1].startswith("run failed: started 2026-01-05T10:00:00+00:00, took 0:01:00; the next")
    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR", "ERROR", "INFO"]


def test_at_start_runs_right_away_and_then_at_the_turns() -> None:
    clock = Clock(at(9, 50, 7), stop_at=at(11, 30))
    starts, run = clock.runs(1)
    keep_time(Timetable("0 * * * *"), run, clock.wait, clock.now, at_start=True)
    assert starts == ["09:50:07", "10:00:00", "11:00:00"]


def test_jitter_delays_each_start_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([0.0, 29.0, 13.5, 30.0, 0.0])
    monkeypatch.setattr(random, "uniform", lambda low, high: next(drawn) if (low, high) == (0, 30) else -1)
    clock = Clock(at(9, 50), stop_at=at(13, 30))
    starts, run = clock.runs(1)
    keep_time(Timetable("0 * * * *"), run, clock.wait, clock.now, jitter_seconds=30)
    assert starts == ["10:00:00", "11:00:29", "12:00:13", "13:00:30"]


def test_jitter_does_not_delay_the_run_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, high: high)
    clock = Clock(at(9, 50), stop_at=at(10, 30))
    starts, run = clock.runs(1)
    keep_time(Timetable("0 * * * *"), run, clock.wait, clock.now, jitter_seconds=30, at_start=True)
    assert starts == ["09:50:00", "10:00:30"]


def test_after_a_machine_was_suspended_one_run_makes_up_for_all_turns(said: Callable[[], list[str]]) -> None:
    clock = Clock(at(9, 50), stop_at=at(15, 30))

    def wait(seconds: float | None) -> list[signal.Signals]:
        assert seconds is not None
        assert seconds <= 60, "a sleep does not count the time of a suspended machine"
        if at(9, 55) <= clock.moment < at(13):
            clock.moment = at(13, 20)
            return []
        return clock.wait(seconds)

    starts, run = clock.runs(1)
    keep_time(Timetable("0 * * * *"), run, wait, clock.now)
    assert starts == ["13:20:00", "14:00:00", "15:00:00"]
    assert "skipped 3 turns that came due meanwhile" in said()[1]


def test_a_clock_that_is_set_back_repeats_no_turn() -> None:
    clock = Clock(at(9, 50), stop_at=at(11, 30))
    starts, run = clock.runs(-0.5)
    keep_time(Timetable("0 * * * *"), run, clock.wait, clock.now)
    assert starts == ["10:00:00", "11:00:00"]


@pytest.mark.parametrize(
    ("code", "stop", "exits", "level"),
    [
        (143, signal.SIGTERM, 143, "WARNING"),
        (143, signal.SIGINT, 130, "WARNING"),
        (-9, signal.SIGTERM, 143, "ERROR"),
        (0, signal.SIGTERM, 0, "INFO"),  # it was done all the same
    ],
)
def test_the_exit_code_says_whether_a_run_was_stopped(
    said: Callable[[], list[str]],
    caplog: pytest.LogCaptureFixture,
    *,
    code: int,
    stop: signal.Signals,
    exits: int,
    level: str,
) -> None:
    clock = Clock(at(9, 50), stop_at=at(23))
    assert keep_time(Timetable("0 * * * *"), lambda: (code, stop), clock.wait, clock.now) == exits
    assert said()[-1] == f"run {outcome(code)}: started 2026-01-05T10:00:00+00:00, took 0:00:00"
    assert caplog.records[-1].levelname == level


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "done"),
        (1, "failed"),
        (2, "wrong use"),
        (3, "done, but too much quarantined"),
        (75, "the output is in use by another run"),
        (-9, "killed by SIGKILL"),
        (143, "stopped by SIGTERM"),
        (120, "ended with 120"),
        (255, "ended with 255"),
    ],
)
def test_every_exit_code_has_words(code: int, words: str) -> None:
    assert outcome(code) == words
