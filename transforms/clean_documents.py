"""Clean documents: raw records to documents, rejections and quarantined inputs, in worker processes, in their order."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from schemas.records import RawRecord
from transforms.read_files import Key, ReadItem
from transforms.text.cleaning_options import CleaningOptions
from transforms.worker_pool import Result, Step, WorkerLimits, borrow_pool, clean_record, give_back

WINDOW_RECORDS = 512
"""Records that wait for one before them at most. Results leave in the order of the input, so a record that hangs for
its whole time limit holds back those behind it: at 30 ms a page, two workers get through 512 of them in 8 s."""

WINDOW_BYTES = 64 << 20
"""Bytes of them at most, so that a run of large records does not fill the memory."""

RUNNING_RECORDS = 16
"""Records handed to the pool at most, for each worker: reading is faster than cleaning, and need not be far ahead."""


class CleanDocuments(beam.PTransform):
    """(`Key`, item) pairs to (`Key`, `Cleaned`, `Rejection` or `Quarantined`) pairs, one for one, in their order."""

    def __init__(self, options: CleaningOptions, limits: WorkerLimits, step: Step = clean_record) -> None:
        super().__init__()
        self._options, self._limits, self._step = options, limits, step

    def expand(self, items: beam.PCollection[tuple[Key, ReadItem]]) -> beam.PCollection[tuple[Key, Result]]:
        """The results, keyed as the items are."""
        return items | "Clean in workers" >> beam.ParDo(_CleanInWorkers(self._options, self._limits, self._step))


@dataclasses.dataclass(frozen=True, slots=True)
class _UnderWay:
    key: Key
    item: ReadItem
    future: Any  # None for an item that the reader already decided on: it only waits its turn

    @property
    def size(self) -> int:
        return len(self.item.content) if isinstance(self.item, RawRecord) else 0


class _CleanInWorkers(beam.DoFn):
    def __init__(self, options: CleaningOptions, limits: WorkerLimits, step: Step) -> None:
        self._options, self._limits, self._step = options, limits, step

    def setup(self) -> None:
        self._pool = borrow_pool(self._options, self._limits, self._step)

    def teardown(self) -> None:
        give_back(self._pool)

    def start_bundle(self) -> None:
        self._queue: collections.deque[_UnderWay] = collections.deque()
        self._bytes = 0
        self._running: set[Any] = set()

    def process(self, element: tuple[Key, ReadItem]) -> Iterator[tuple[Key, Result]]:
        key, item = element
        future = self._submitted(item) if isinstance(item, RawRecord) else None
        entry = _UnderWay(key, item, future)
        self._queue.append(entry)
        self._bytes += entry.size
        while len(self._queue) > WINDOW_RECORDS or self._bytes > WINDOW_BYTES or self._first_is_done():
            yield self._take()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        while self._queue:
            yield WindowedValue(self._take(), MIN_TIMESTAMP, (GlobalWindow(),))

    def _submitted(self, record: RawRecord) -> Any:
        if len(self._running) >= RUNNING_RECORDS * self._pool.workers:
            self._running = wait(self._running, return_when=FIRST_COMPLETED).not_done
        future = self._pool.submit(record)
        self._running.add(future)
        return future

    def _first_is_done(self) -> bool:
        return bool(self._queue) and (self._queue[0].future is None or self._queue[0].future.done())

    def _take(self) -> tuple[Key, Result]:
        entry = self._queue.popleft()
        self._bytes -= entry.size
        if isinstance(entry.item, RawRecord):
            return entry.key, self._pool.outcome(entry.item, entry.future)
        return entry.key, entry.item
