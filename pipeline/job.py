"""One run from start to end: plan the input, run the graph, check that the counts balance, commit the snapshot."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import importlib.metadata
import io
import json
import logging
import re
import secrets
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipeline import graph, plan, snapshots
from pipeline.options import RunOptions, UsageError
from transforms.files import open_file
from transforms.formats.read import Columns, InputFile, ReadLimits
from transforms.parquet_sink import PublishedFile, digest_of
from transforms.publish import PublishedGroup
from transforms.stage_text import Provenance
from transforms.text.clean import CleaningOptions
from transforms.text.fingerprint import HASH_SPEC
from transforms.worker_pool import WorkerLimits

log = logging.getLogger("millstream")

MANIFEST_VERSION = 1


class JobError(Exception):
    """A run that failed; nothing of it was published."""


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """A committed run."""

    run_id: str
    snapshot: str
    manifest: dict[str, Any]

    @property
    def quarantined_share(self) -> float:
        """Share of the records read that ended in quarantine, 0 to 1."""
        counts = self.manifest["counts"]
        share: float = sum(counts["quarantine"].values()) / max(1, self.manifest["records"])
        return share


def run(options: RunOptions, files: list[InputFile]) -> Result:
    """Read the files, publish a snapshot, and tell what is in it. Raises `JobError` and `snapshots.BusyError`."""
    output = snapshots.Output(options.output)
    pipeline = _pipeline(options.beam)
    started = dt.datetime.now(dt.UTC)
    run_id = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    with snapshots.exclusive(output):
        job = _job(options, output.staging(run_id), run_id, splits := plan.splits_of(files))
        log.info("run %s, files to read: %d", run_id, len(files))
        try:
            plan.write_plan(job.plan, splits)
            summary = _run_graph(pipeline, job)
            _require_balance(summary, len(files))
            manifest = snapshots.commit(output, run_id, summary.files, _manifest(options, job, summary, started))
        finally:
            snapshots.remove_staging(output, run_id)
    return Result(run_id, output.snapshot(run_id), manifest)


def columns_of(options: RunOptions) -> Columns:
    """The columns that the options name."""
    columns = {name: getattr(options, f"{name}_column") for name in ("text", "url", "title", "id")}
    return Columns(published=options.date_column, **columns)


def cleaning_of(options: RunOptions) -> CleaningOptions:
    """What the options say of cleaning."""
    return CleaningOptions(options.language, options.min_letters, options.language_detector)


def _job(options: RunOptions, staging: str, run_id: str, splits: list[list[InputFile]]) -> graph.Job:
    return graph.Job(
        staging=staging,
        splits=len(splits),
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


def _run_graph(pipeline: beam.Pipeline, job: graph.Job) -> PublishedGroup:
    graph.build(pipeline, job)
    try:
        result = pipeline.run()
        state = result.wait_until_finish()
    except Exception as error:  # whatever an engine raises: the run has failed, and says so with all it knows
        raise JobError(f"the run failed, nothing was published: {_sentence(error)}") from error
    if state not in (None, "DONE"):
        raise JobError(f"the run ended as {state}, nothing was published")
    with open_file(job.summary) as stream:
        summary = json.loads(stream.read())
    files = tuple(PublishedFile(**file) for file in summary.pop("files"))
    return PublishedGroup(files=files, **summary)


def _sentence(error: Exception) -> str:
    """The first line of an error that says something, without the label of the step that Beam adds, and its notes."""
    said = re.sub(r" \[while running '.*'\]", "", str(error))
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return "; ".join([f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__, *_notes(error)])


def _notes(error: BaseException | None) -> list[str]:
    """What was noted on an error or on what caused it, such as the record that it was raised for."""
    while error:
        if notes := getattr(error, "__notes__", None):
            return list(notes)
        error = error.__cause__ or error.__context__
    return []


def _require_balance(summary: PublishedGroup, files: int) -> None:
    rows = sum(sum(by_reason.values()) for by_reason in summary.counts.values())
    if summary.unbalanced:
        raise JobError(f"the counts don't balance, nothing was published: {'; '.join(summary.unbalanced[:3])}")
    if summary.sources != files or summary.records != rows:
        raise JobError(
            f"the counts don't balance, nothing was published: {summary.sources} of {files} files were read, "
            f"{summary.records} records became {rows} rows"
        )


def _manifest(options: RunOptions, job: graph.Job, summary: PublishedGroup, started: dt.datetime) -> dict[str, Any]:
    return {
        "manifest_version": MANIFEST_VERSION,
        "run_id": job.provenance.run_id,
        "started_at": started.isoformat(timespec="seconds"),
        "finished_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "pipeline_version": job.provenance.pipeline_version,
        "config_sha256": job.provenance.config_sha256,
        "hash_spec": HASH_SPEC,
        "inputs": list(options.inputs),
        "configuration": options.decisive(),
        "files_read": summary.sources,
        "records": summary.records,
        "counts": summary.counts,
        "digest": digest_of(summary.files, job.provenance.run_id),
    }
