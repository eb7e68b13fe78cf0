"""A pool of worker processes that can be killed: a record that hangs, crashes or eats memory costs itself alone.

The workers start from a clean server process that has cleaned some records before (`warm_worker`): they share no
thread or lock with the pipeline's process, and one that was killed is replaced in milliseconds. They import Beam only
where the main module does, as that of an engine's worker: multiprocessing imports it again.
"""

from __future__ import annotations

import atexit
import dataclasses
import os
import resource
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import TimeoutError as TaskTimeout
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from schemas.parquet import from_table
from schemas.records import Cleaned, Document, InputError, Quarantined, RawRecord, Rejection, error_text, source_columns
from transforms import worker_server
from transforms.text.cleaning_options import CleaningOptions

TASKS_OF_A_WORKER = 10_000
"""Records after which a worker is replaced: leaks do not add up."""

ORPHAN_SECONDS = 5.0
"""A worker whose parent was killed ends itself this long after its time limit."""

EXIT_OUT_OF_MEMORY = 77  # a worker's farewell: after a MemoryError nothing in it can be relied on, a reply least of all
RAW_PREFIX_BYTES = 256

LineNumbers = tuple[list[int], list[int] | None]
Result = Cleaned | Rejection | Quarantined
Step = Callable[[RawRecord, CleaningOptions], Cleaned | Rejection]


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What one record may cost."""

    workers: int = 0  # processes; 0 is one for each core of the machine they run on
    timeout_seconds: float = 10.0
    max_memory_bytes: int = 1 << 30  # of address space, beyond what the worker holds when the record arrives

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ValueError(f"workers is {self.workers}; it must be at least 0")
        for name in ("timeout_seconds", "max_memory_bytes"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")


def clean_record(record: RawRecord, options: CleaningOptions) -> Cleaned | Rejection:
    """`transforms.text.clean.clean`, imported where it runs: the pipeline's process has no use for its models."""
    from transforms.text.clean import clean  # noqa: PLC0415  # a second, and 150 MB

    return clean(record, options)


class CleaningPool:
    """Cleans records in worker processes; a context manager.

    `step` is what a worker does with a record, a function of a module that the workers can import.
    """

    def __init__(self, options: CleaningOptions, limits: WorkerLimits, step: Step = clean_record) -> None:
        self._options, self._limits, self._step = options, limits, step
        self.workers = limits.workers or os.cpu_count() or 1
        self.users = 0  # of a pool that is shared
        self._has_begun = False
        self._pool = ProcessPool(
            max_workers=self.workers,
            max_tasks=TASKS_OF_A_WORKER,
            context=worker_server.context(),
            initializer=_ignore_interrupts,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, whatever they are at."""
        self._pool.stop()
        self._pool.join()

    def submit(self, record: RawRecord) -> ProcessFuture[Result]:
        """A future of what becomes of the record; `outcome` reads it."""
        self._has_begun = True
        arguments = (self._step, record, self._options, self._limits)
        return self._pool.schedule(_clean_in_worker, args=arguments, timeout=self._limits.timeout_seconds)

    def submit_recut(
        self, documents: pa.Table, line_numbers: Sequence[LineNumbers], counts: Mapping[int, int]
    ) -> ProcessFuture[dict[int, Cleaned]]:
        """A future of those documents of a table that `recut` changes, by row; `recut_outcome` reads it.

        `line_numbers` are its two of each document. Each has the time of a record, and no limit of memory: it was
        cleaned before within that.
        """
        self._has_begun = True
        seconds = self._limits.timeout_seconds * len(documents)
        arguments = (documents, line_numbers, counts, self._options.min_letters, seconds)
        return self._pool.schedule(_recut_in_worker, args=arguments, timeout=seconds)

    def recut_outcome(self, documents: pa.Table, future: ProcessFuture[dict[int, Cleaned]]) -> dict[int, Cleaned]:
        """What was judged, waiting for it; RuntimeError where a worker died or was too slow, as it may not here."""
        try:
            return future.result()
        except (TaskTimeout, ProcessExpired) as error:
            how = f"died of {_death(error.exitcode)}" if isinstance(error, ProcessExpired) else "was not done in time"
            first, last = (documents["source_uri"][row].as_py() for row in (0, -1))
            where = f"{len(documents)} documents of {first} to {last}"
            raise RuntimeError(f"a worker {how} that looked for recurring lines in {where}") from error

    @property
    def is_broken(self) -> bool:
        """Whether it takes no more records: a worker was killed that had none."""
        return self._has_begun and not self._pool.active

    def outcome(self, record: RawRecord, future: ProcessFuture[Result]) -> Result:
        """What became of the record, waiting for it; a bug in the cleaning code is raised, and names the record."""
        try:
            return future.result()
        except TaskTimeout:
            message = f"not done after {self._limits.timeout_seconds:g} s"
            return quarantine(record, "timeout", "TimeoutError", message, "clean")
        except ProcessExpired as expired:
            if expired.exitcode == EXIT_OUT_OF_MEMORY:
                message = f"needs more than {self._limits.max_memory_bytes} bytes of memory"
                return quarantine(record, "memory", "MemoryError", message, "clean")
            return quarantine(record, "crash", _death(expired.exitcode), "the worker process died on it", "clean")
        except Exception as error:
            error.add_note(f"the record is number {record.number} of {record.source_uri}")
            raise


_lock = threading.Lock()
_pools: dict[tuple[CleaningOptions, WorkerLimits, Step], CleaningPool] = {}
_ending: list[threading.Thread] = []


def borrow_pool(options: CleaningOptions, limits: WorkerLimits, step: Step = clean_record) -> CleaningPool:
    """The pool that all steps of this process share, so that no more workers run than asked for; to be given back."""
    key = (options, limits, step)
    with _lock:
        if key not in _pools or _pools[key].is_broken:
            _pools[key] = CleaningPool(*key)
        _pools[key].users += 1
        return _pools[key]


def give_back(pool: CleaningPool) -> None:
    """Let go of a borrowed pool; after its last user it begins to end, which takes a tenth of a second."""
    with _lock:
        pool.users -= 1
        if pool.users == 0:
            for key in [key for key, each in _pools.items() if each is pool]:
                del _pools[key]
            _ending[:] = [thread for thread in _ending if thread.is_alive()]
            _ending.append(threading.Thread(target=pool.close, daemon=True))
            _ending[-1].start()


@atexit.register
def _end_pools() -> None:
    for pool in _pools.values():
        pool.close()
    for thread in _ending:
        thread.join()


def _ignore_interrupts() -> None:
    # Ctrl-C reaches the whole process group; the pipeline's process alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected here, its core file is of no use


def _clean_in_worker(step: Step, record: RawRecord, options: CleaningOptions, limits: WorkerLimits) -> Result:
    _limit_memory(limits.max_memory_bytes)
    # The time limit is kept by the parent; the alarm is for a worker that has none any more.
    signal.setitimer(signal.ITIMER_REAL, limits.timeout_seconds + ORPHAN_SECONDS)
    try:
        return step(record, options)
    except InputError as error:
        return quarantine(record, error.error_class, type(error.__cause__ or error).__name__, str(error), error.stage)
    except MemoryError:
        os._exit(EXIT_OUT_OF_MEMORY)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))  # what arrives next is received without this one's limit


def _recut_in_worker(
    documents: pa.Table,
    line_numbers: Sequence[LineNumbers],
    counts: Mapping[int, int],
    min_letters: int,
    seconds: float,
) -> dict[int, Cleaned]:
    from transforms.text.clean import recut  # noqa: PLC0415  # as in `clean_record`

    signal.setitimer(signal.ITIMER_REAL, seconds + ORPHAN_SECONDS)
    try:
        judged = {}
        for row, (document, of_lines) in enumerate(zip(from_table(Document, documents), line_numbers, strict=True)):
            if cleaned := recut(document, *of_lines, counts, min_letters):
                judged[row] = cleaned
        return judged
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _limit_memory(max_memory_bytes: int) -> None:
    # Counted from what is in use now, so that what earlier records left behind is not this one's fault. The address
    # space is the one limit that turns into an error inside the process; macOS has none, and no /proc.
    statm = Path("/proc/self/statm")
    if statm.exists():
        in_use = int(statm.read_bytes().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (in_use + max_memory_bytes, hard))


def _death(exitcode: int | None) -> str:
    """The name of the signal that ended a process, else its exit code.

    >>> _death(-11), _death(3)
    ('SIGSEGV', 'exit 3')
    """
    if exitcode is not None and exitcode < 0:
        return signal.Signals(-exitcode).name
    return f"exit {exitcode}"


def quarantine(record: RawRecord, error_class: str, error_type: str, message: str, stage: str) -> Quarantined:
    """The quarantine row of a record that failed; the message cut to 1 KB, without control characters."""
    source: dict[str, Any] = source_columns(record)
    return Quarantined(
        error_class=error_class,
        error_type=error_type,
        error_message=error_text(message),
        stage=stage,
        attempts=record.attempt,
        # A machine under load may be to blame for these; the same bytes parse no better tomorrow.
        retryable=error_class in ("timeout", "memory") or error_type == "SIGKILL",
        raw_prefix=record.content[:RAW_PREFIX_BYTES],
        **source,
    )
