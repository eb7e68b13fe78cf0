"""One run from start to end: plan the input, run the graph, check that the counts balance, commit the snapshot."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime as dt
import importlib.metadata
import io
import json
import logging
import posixpath
import re
import secrets
import signal
import threading
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipeline import graph, housekeeping, plan, snapshots
from pipeline.changes import Changes, changes_since, files_by_group, gone_files, published_shards, read_ledger
from pipeline.options import RunOptions, UsageError
from schemas.parquet import DATASETS
from schemas.records import SCHEMA_VERSION
from transforms import progress
from transforms.files import open_file
from transforms.formats.read import Columns, InputFile, ReadLimits
from transforms.parquet_sink import PublishedFile, digest_of
from transforms.publish import PublishedGroup
from transforms.shards import LEDGER
from transforms.stage_text import Provenance
from transforms.text.cleaning_options import CleaningOptions
from transforms.text.fingerprint import HASH_SPEC
from transforms.worker_pool import WorkerLimits

log = logging.getLogger("millstream")

SETTLING = dt.timedelta(seconds=2)
"""The coarsest step in which file systems tell time: a file that was modified so short before the run may change once
more without looking changed, and its content is compared by the next."""

GROUP_FIELDS = ("name", "sources", "records", "documents", "text_bytes", "decisions", "counts")
"""What a manifest says of each group of files, for the runs that come after."""

NOTHING: dict[str, Any] = {"groups": [], "files": []}
"""What stands for the manifest of a snapshot where there is none."""


class JobError(Exception):
    """A run that failed; nothing of it was published."""


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What a run left as the latest snapshot."""

    run_id: str
    snapshot: str
    manifest: dict[str, Any]
    changes: Changes

    @property
    def quarantined_share(self) -> float:
        """Share of the snapshot's records that are in quarantine, 0 to 1."""
        counts = self.manifest["counts"]
        share: float = sum(counts["quarantine"].values()) / max(1, self.manifest["records"])
        return share


def run(options: RunOptions, again: list[InputFile] | None = None) -> Result:
    """Read what is new or changed in the input, publish a snapshot with it, and tell what is in that.

    Where nothing is, the latest snapshot stays. With `again`, these files are read whether they changed or not, and no
    others are looked at. Raises `JobError`, `UsageError`, `OSError` and `snapshots.BusyError`.
    """
    output = snapshots.Output(options.output)
    pipeline = _pipeline(options.beam)
    plan.require_inputs(options.inputs)
    with snapshots.exclusive(output):
        started = dt.datetime.now(dt.UTC)  # before the first look at a file
        base = snapshots.read_base(output)
        old = NOTHING if options.rebuild else _comparable(base.manifest, options)
        published = output.snapshot(base.run_id or "")
        # An inbox may be empty for an hour; where that would drop what is published, it is a disk that is away.
        may_be_empty = base.run_id is not None and options.on_delete == "keep"
        files = again or plan.match_inputs(options.inputs, apart_from=options.output, may_be_empty=may_be_empty)
        changes = changes_since(
            read_ledger(published, old),
            files,
            by_content=options.verify,
            drop_gone=options.on_delete == "drop" and again is None,
            again=again is not None,
        )
        if options.rebuild and base.manifest:
            changes = _rebuilt(changes, gone_files(published, base.manifest, files), options)
        _warn(changes, options)
        if base.run_id and base.manifest and not changes and not options.rebuild:
            housekeeping.confirm(output, base)
            log.info("nothing is new: unchanged files: %d, gone: %d", changes.unchanged, changes.gone)
            return Result(base.run_id, published, base.manifest, changes)
        run_id = new_run_id(started)
        try:
            job = _planned(options, changes, old, published=published, run_id=run_id, started=started)
            groups = _run_graph(pipeline, job, old, published)
            _require_balance(groups, changes.sources)
            manifest = _manifest(options, job, groups, changes, started) | {"base": base.run_id}
            with _finished_before_a_stop():
                published_files = [file for group in groups for file in group.files]
                manifest = snapshots.commit(output, run_id, published_files, manifest, base)
        finally:
            snapshots.remove_staging(output, run_id)
    return Result(run_id, output.snapshot(run_id), manifest, changes)


def new_run_id(started: dt.datetime) -> str:
    """An identifier of a run: in the order of their starts, also within a second, by which the oldest is found.

    >>> new_run_id(dt.datetime(2026, 5, 1, 12, 0, 30, 500_000, dt.UTC))[:-2]
    '20260501T120030Z-8000'
    """
    return f"{started:%Y%m%dT%H%M%SZ}-{started.microsecond * 0x10000 // 1_000_000:04x}{secrets.token_hex(1)}"


def _rebuilt(changes: Changes, gone: list[str], options: RunOptions) -> Changes:
    """The changes, and the files that are gone. Raises `UsageError` where their documents are to be kept, and can't."""
    if gone and options.on_delete == "keep":
        raise UsageError(
            f"{len(gone)} published files are gone, such as {gone[0]!r}, and a rebuild can't read them: add "
            "--on-delete drop to let their documents go, or name another --output"
        )
    return dataclasses.replace(changes, gone=len(gone))


def _warn(changes: Changes, options: RunOptions) -> None:
    """Say what may well be a mistake."""
    if changes.unreadable:
        log.warning("files that can't be looked at now, whose documents are kept: %d", changes.unreadable)
    if changes.gone and options.on_delete == "drop":
        log.warning("files that are gone, whose documents are dropped: %d", changes.gone)
    elif changes.gone and changes.new >= changes.gone and not (changes.changed or changes.unchanged):
        log.warning(
            "none of the published files, %d, is in the input; their documents are kept. By another path a file is "
            "another file",
            changes.gone,
        )


@contextlib.contextmanager
def _finished_before_a_stop() -> Iterator[None]:
    """Hold back a first signal to stop until the publish is done: it is short, and hours may have gone before it."""
    if threading.current_thread() is not threading.main_thread():  # where signals can't be handled
        yield
        return
    held: list[int] = []
    former: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def hold(number: int, frame: Any) -> None:
        if held and callable(former[number]):
            former[number](number, frame)
        held.append(number)

    for number in former:
        signal.signal(number, hold)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])


def _comparable(manifest: dict[str, Any] | None, options: RunOptions) -> dict[str, Any]:
    """The manifest of the latest snapshot, if what is new can stand beside what is in it. Raises `UsageError`."""
    if manifest is None:
        return NOTHING
    before, now = manifest["configuration"], options.decisive()
    differences = [
        f"{name.replace('_', '-')} was {before.get(name)!r} and is {now.get(name)!r}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    version = importlib.metadata.version("millstream")
    versions = (snapshots.MANIFEST_VERSION, SCHEMA_VERSION, HASH_SPEC)
    if tuple(manifest.get(name) for name in ("manifest_version", "schema_version", "hash_spec")) != versions:
        differences = [f"version {manifest['pipeline_version']} wrote it, which kept other books"]
    if differences:
        raise UsageError(
            f"the latest snapshot of {options.output!r} has another configuration: {'; '.join(differences)}. To read "
            f"all {manifest.get('sources', 'its')} files again, add --rebuild; or name another --output"
        )
    if manifest["pipeline_version"] != version:
        log.info("rows of version %s stay as they are; --rebuild makes them anew", manifest["pipeline_version"])
    return manifest


def columns_of(options: RunOptions) -> Columns:
    """The columns that the options name."""
    columns = {name: getattr(options, f"{name}_column") for name in ("text", "url", "title", "id")}
    return Columns(published=options.date_column, **columns)


def cleaning_of(options: RunOptions) -> CleaningOptions:
    """What the options say of cleaning."""
    return CleaningOptions(options.language, options.min_letters, options.language_detector)


def _planned(
    options: RunOptions, changes: Changes, old: dict[str, Any], *, published: str, run_id: str, started: dt.datetime
) -> graph.Job:
    """The job for what changed; its plan is written down."""
    splits, staging = plan.splits_of(changes.read), snapshots.Output(options.output).staging(run_id)
    log.info(
        "run %s, files to read: %d, unchanged: %d, gone: %d",
        *(run_id, len(changes.read), changes.unchanged, changes.gone),
    )
    progress.SO_FAR["planned"] = len(changes.read)
    try:
        shards = published_shards(published, old, changes, staging, len(splits))
        job = graph.Job(
            staging=staging,
            splits=len(splits),
            published=shards,
            partitions=plan.partitions_of(splits, sum(shard.text_bytes for shard in shards)),
            settled=started - SETTLING,
            provenance=Provenance(run_id, importlib.metadata.version("millstream"), options.config_sha256()),
            read_limits=ReadLimits(max_record_bytes=options.max_record_bytes),
            columns=columns_of(options),
            cleaning=cleaning_of(options),
            worker_limits=WorkerLimits(
                workers=options.workers,
                timeout_seconds=options.timeout_seconds,
                max_memory_bytes=options.max_memory_bytes,
            ),
            dedup=options.dedup,
            keep=options.keep,
        )
        plan.write_plan(job.plan, splits)
    except OSError as error:
        raise OSError(f"nothing was published to {options.output!r}: {error}") from error
    return job


def _pipeline(beam_arguments: tuple[str, ...]) -> beam.Pipeline:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):  # argparse prints pages of usage before it exits
            options = PipelineOptions(list(beam_arguments))
            known = options.get_all_options()
    except SystemExit as error:
        raise UsageError(f"the options after -- are not Beam's: {said.getvalue().strip().splitlines()[-1]}") from error
    for argument in beam_arguments:
        name = argument.removeprefix("--").partition("=")[0].replace("-", "_")
        if argument.startswith("--") and name not in known and f"use_{name.removeprefix('no_')}" not in known:
            raise UsageError(
                f"{argument!r} after -- is no option of Beam's: see the pipeline options of Beam's Python SDK"
            )
    runner = options.view_as(StandardOptions).runner
    try:
        # Named outright: Beam's "DirectRunner" looks for another engine on the network, and changes to it silently.
        return beam.Pipeline(runner=runner or FnApiRunner(), options=options)
    except ValueError as error:
        raise UsageError(f"the options after -- are not Beam's: {error}") from error


def _run_graph(pipeline: beam.Pipeline, job: graph.Job, old: dict[str, Any], snapshot: str) -> list[PublishedGroup]:
    """The groups of the new snapshot, those that stay as they were published among them."""
    graph.build(pipeline, job)
    try:
        result = pipeline.run()
        state = result.wait_until_finish()
    except Exception as error:  # whatever an engine raises: the run has failed, and says so with all it knows
        raise JobError(f"the run failed, nothing was published: {_sentence(error)}") from error
    if state not in (None, "DONE"):
        raise JobError(f"the run ended as {state}, nothing was published")
    with open_file(job.summary) as stream:
        groups = json.loads(stream.read())
    published = {group["name"]: group for group in old["groups"]}
    paths = files_by_group(old["files"])
    entries = {file["path"]: file for file in old["files"]}
    return [
        _as_published(published[name], [entries[path] for path in paths.get(name, [])], snapshot, group["files"])
        if group["stays"]
        else PublishedGroup(**group | {"files": tuple(PublishedFile(**file) for file in group["files"])})
        for group in groups
        if (name := group["name"]) and (group["stays"] or group["sources"] or any(group["counts"].values()))
    ]


def _as_published(
    group: dict[str, Any], files: list[dict[str, Any]], snapshot: str, ledger: list[dict[str, Any]]
) -> PublishedGroup:
    """A group that stays, its ledger replaced by another if there is one."""
    stay = [file for file in files if not (ledger and file["path"].startswith(f"{LEDGER}/"))]
    linked = [PublishedFile(posixpath.join(snapshot, file["path"]), **file) for file in stay]
    return PublishedGroup(**group, files=(*linked, *(PublishedFile(**file) for file in ledger)), stays=True)


def _sentence(error: Exception) -> str:
    """The first line of an error that says something, without the label of the step that Beam adds, and its notes."""
    said = re.sub(r" \[while running '.*'\]", "", str(error))
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # What Beam wraps has its own type in front.
    named = bool(lines) and re.match(r"\w+(Error|Exception): ", lines[0])
    first = lines[0] if named else ": ".join([type(error).__name__, *lines[:1]])
    return "; ".join([first, *_notes(error)])


def _notes(error: BaseException | None) -> list[str]:
    """What was noted on an error or on what caused it, such as the record that it was raised for."""
    while error:
        if notes := getattr(error, "__notes__", None):
            return list(notes)
        error = error.__cause__ or error.__context__
    return []


def _require_balance(groups: list[PublishedGroup], sources: int) -> None:
    unbalanced = [sentence for group in groups for sentence in group.unbalanced]
    records, rows = sum(group.records for group in groups), sum(map(sum, map(dict.values, _counts(groups).values())))
    read = sum(group.sources for group in groups)
    if unbalanced:
        raise JobError(f"the counts don't balance, nothing was published: {'; '.join(unbalanced[:3])}")
    if read != sources or records != rows:
        raise JobError(
            f"the counts don't balance, nothing was published: {read} of {sources} files have rows, "
            f"{records} records became {rows} rows"
        )


def _counts(groups: list[PublishedGroup]) -> dict[str, dict[str, int]]:
    """Data set to language, reason or error class to rows."""
    counts: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in DATASETS}
    for group in groups:
        for dataset, by_reason in group.counts.items():
            counts[dataset].update(by_reason)
    return {name: dict(sorted(counter.items())) for name, counter in counts.items()}


def _manifest(
    options: RunOptions, job: graph.Job, groups: list[PublishedGroup], changes: Changes, started: dt.datetime
) -> dict[str, Any]:
    files = [file for group in groups for file in group.files]
    return {
        "manifest_version": snapshots.MANIFEST_VERSION,
        "schema_version": SCHEMA_VERSION,
        "run_id": job.provenance.run_id,
        "started_at": started.isoformat(timespec="seconds"),
        "finished_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "pipeline_version": job.provenance.pipeline_version,
        "config_sha256": job.provenance.config_sha256,
        "hash_spec": HASH_SPEC,
        "inputs": list(options.inputs),
        "configuration": options.decisive(),
        "changes": {name: getattr(changes, name) for name in ("new", "changed", "unchanged", "gone", "dropped")},
        "sources": changes.sources,
        "records": sum(group.records for group in groups),
        "counts": _counts(groups),
        "digest": digest_of(files),
        "groups": [{name: getattr(group, name) for name in GROUP_FIELDS} for group in groups],
    }
