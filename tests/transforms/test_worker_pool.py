from __future__ import annotations

import os
import resource
import subprocess
import sys
from typing import Any

import psutil
import pyarrow as pa
import pytest

from schemas.records import Cleaned, Quarantined, RawRecord, Rejection
from tests.hostile import misbehave
from transforms.text.cleaning_options import CleaningOptions
from transforms.worker_pool import ORPHAN_SECONDS, CleaningPool, Result, WorkerLimits, borrow_pool, give_back

LIMITS = WorkerLimits(workers=2, timeout_seconds=2, max_memory_bytes=200 << 20)
PROSE = b"The council met on Monday and agreed to repair the old bridge over the river before the winter comes."


def outcomes(*contents: bytes, limits: WorkerLimits = LIMITS) -> list[Result]:
    records = [RawRecord(f"{n}.txt", 1, content, "text/plain") for n, content in enumerate(contents)]
    with CleaningPool(CleaningOptions(), limits, misbehave) as pool:
        futures = [pool.submit(record) for record in records]
        return [pool.outcome(record, future) for record, future in zip(records, futures, strict=True)]


@pytest.mark.parametrize(
    ("content", "error_class", "error_type", "retryable"),
    [
        (b"HANG", "timeout", "TimeoutError", True),
        (b"SEGFAULT", "crash", "SIGSEGV", False),
        (b"EXIT", "crash", "exit 3", False),
        (b"MEMORY", "memory", "MemoryError", True),
        (b"INPUT", "parse", "InputError", False),
    ],
)
def test_a_record_that_misbehaves_costs_itself_alone(
    content: bytes, error_class: str, error_type: str, retryable: bool
) -> None:
    *before, hostile, after = outcomes(PROSE, PROSE, content, PROSE)
    assert isinstance(hostile, Quarantined)
    assert (hostile.error_class, hostile.error_type, hostile.retryable) == (error_class, error_type, retryable)
    assert hostile.raw_prefix == content
    assert hostile.source_uri == "2.txt"
    for neighbour in (*before, after):
        assert isinstance(neighbour, Cleaned)
        assert neighbour.document.text == PROSE.decode()


def test_the_message_is_short_and_has_no_control_characters() -> None:
    (result,) = outcomes(b"INPUT")
    assert isinstance(result, Quarantined)
    assert result.error_message.startswith("bad markup xxx")
    assert len(result.error_message) == 1024


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(LookupError, match="a bug in the cleaning code"):
        outcomes(b"BUG")


def test_memory_is_counted_from_what_earlier_records_left() -> None:
    limits = WorkerLimits(workers=1, timeout_seconds=20, max_memory_bytes=96 << 20)
    results = outcomes(*[b"LEAK " + PROSE] * 5, limits=limits)
    assert [type(result) for result in results] == [Cleaned] * 5


def test_a_worker_that_hangs_ends_soon_after_its_parent_was_killed() -> None:
    code = """
from schemas.records import RawRecord
from tests.hostile import misbehave
from transforms.text.cleaning_options import CleaningOptions
from transforms.worker_pool import CleaningPool, WorkerLimits
pool = CleaningPool(CleaningOptions(), WorkerLimits(workers=1, timeout_seconds=1), misbehave)
ready = RawRecord("ready.txt", 1, b"", "text/plain")
pool.outcome(ready, pool.submit(ready))
pool.submit(RawRecord("hang.txt", 1, b"HANG", "text/plain"))
print("hanging", flush=True)
input()
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "hanging\n"
    workers = psutil.Process(parent.pid).children(recursive=True)
    assert len(workers) >= 2
    parent.kill()
    parent.communicate()
    _, alive = psutil.wait_procs(workers, timeout=1 + ORPHAN_SECONDS + 10)
    assert alive == []


def test_an_empty_record_is_rejected_with_its_source() -> None:
    (result,) = outcomes(b" \n\t ")
    assert isinstance(result, Rejection)
    assert (result.reason, result.stage, result.source_uri, result.source_length) == ("empty", "decode", "0.txt", 4)


@pytest.mark.parametrize("name", ["timeout_seconds", "max_memory_bytes"])
def test_impossible_limits_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0"):
        WorkerLimits(**{"workers": 1, name: 0})


def test_steps_share_a_pool_until_the_last_gives_it_back() -> None:
    first, second = borrow_pool(CleaningOptions(), LIMITS), borrow_pool(CleaningOptions(), LIMITS)
    assert first is second
    assert borrow_pool(CleaningOptions(min_letters=3), LIMITS) is not first
    give_back(first)
    assert borrow_pool(CleaningOptions(), LIMITS) is second
    give_back(second)
    give_back(second)
    assert borrow_pool(CleaningOptions(), LIMITS) is not second


def test_a_pool_that_lost_an_idle_worker_is_replaced() -> None:
    pool = borrow_pool(CleaningOptions(), LIMITS)
    record = RawRecord("a.txt", 1, PROSE, "text/plain")
    assert isinstance(pool.outcome(record, pool.submit(record)), Cleaned)
    assert not pool.is_broken
    (server,) = [each for each in psutil.Process().children() if each.children()]
    while not pool.is_broken:
        for worker in server.children():
            worker.kill()
    other = borrow_pool(CleaningOptions(), LIMITS)
    assert isinstance(other.outcome(record, other.submit(record)), Cleaned)
    give_back(pool)
    give_back(other)


def test_the_limit_of_a_record_ends_with_it() -> None:
    with CleaningPool(CleaningOptions(), WorkerLimits(workers=1)) as pool:
        record = RawRecord("a.txt", 1, PROSE, "text/plain")
        pool.outcome(record, pool.submit(record))
        soft, hard = pool._pool.schedule(resource.getrlimit, args=(resource.RLIMIT_AS,)).result()
    assert soft == hard


def test_a_worker_that_dies_while_it_judges_again_is_named() -> None:
    documents = pa.table({"source_uri": ["a.txt", "b.txt"]})
    with CleaningPool(CleaningOptions(), WorkerLimits(workers=1)) as pool:
        future: Any = pool._pool.schedule(os._exit, args=(3,))
        with pytest.raises(RuntimeError, match=r"died of exit 3 .* 2 documents of a.txt to b.txt"):
            pool.recut_outcome(documents, future)
