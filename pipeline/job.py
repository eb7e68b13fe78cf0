"""One run from start to end: plan the input, run the graph, check that the counts balance, commit the snapshot."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import importlib.metadata
import json
import logging
import os
import secrets
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipeline import graph, plan, snapshots
from pipeline.options import RunOptions, UsageError
from transforms.formats.read import Columns, InputFile, ReadLimits
from transforms.parquet_sink import PublishedFile
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
    run_id = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    with snapshots.exclusive(output):
        job = _job(options, output.staging(run_id), run_id, splits := plan.splits_of(files))
        plan.write_plan(job.plan, splits)
        log.info("run %s reads %d files in %d splits", run_id, len(files), len(splits))
        summary = _run_graph(pipeline, job)
        _require_balance(summary, len(files))
        manifest = snapshots.commit(output, run_id, summary.files, _manifest(options, job, summary))
    return Result(run_id, output.snapshot(run_id), manifest)


def _job(options: RunOptions, staging: str, run_id: str, splits: list[list[InputFile]]) -> graph.Job:
    columns = {name: getattr(options, f"{name}_column") for name in ("text", "url", "title", "id")}
    return graph.Job(
        staging=staging,
        splits=len(splits),
        provenance=Provenance(run_id, importlib.metadata.version("millstream"), options.config_sha256()),
        read_limits=ReadLimits(max_record_bytes=options.max_record_bytes),
        columns=Columns(published=options.date_column, **columns),
        cleaning=CleaningOptions(languages=options.language, min_letters=options.min_letters),
        worker_limits=WorkerLimits(
            workers=options.workers or os.cpu_count() or 1,
            timeout_seconds=options.timeout_seconds,
            max_memory_bytes=options.max_memory_bytes,
        ),
        dedup=options.dedup,
    )


def _pipeline(beam_arguments: tuple[str, ...]) -> beam.Pipeline:
    options = PipelineOptions(list(beam_arguments))
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
        raise JobError(f"the run failed: {_last_line(error)}") from error
    if state not in (None, "DONE"):
        raise JobError(f"the run ended as {state}")
    with FileSystems.open(job.summary, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
        summary = json.loads(stream.read())
    files = tuple(PublishedFile(**file) for file in summary.pop("files"))
    return PublishedGroup(files=files, **summary)


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _require_balance(summary: PublishedGroup, files: int) -> None:
    rows = sum(sum(by_reason.values()) for by_reason in summary.counts.values())
    if summary.unbalanced:
        raise JobError(f"the counts don't balance, nothing was published: {'; '.join(summary.unbalanced[:3])}")
    if summary.sources != files or summary.records != rows:
        raise JobError(
            f"the counts don't balance, nothing was published: {summary.sources} of {files} files were read, "
            f"{summary.records} records became {rows} rows"
        )


def _manifest(options: RunOptions, job: graph.Job, summary: PublishedGroup) -> dict[str, Any]:
    return {
        "manifest_version": MANIFEST_VERSION,
        "run_id": job.provenance.run_id,
        "pipeline_version": job.provenance.pipeline_version,
        "config_sha256": job.provenance.config_sha256,
        "hash_spec": HASH_SPEC,
        "inputs": list(options.inputs),
        "files_read": summary.sources,
        "records": summary.records,
        "counts": summary.counts,
        "digest": digest_of(summary.files, job.provenance.run_id),
    }


def digest_of(files: tuple[PublishedFile, ...], run_id: str) -> str:
    """One digest of all published rows in their order, 64 hexadecimal digits.

    That of another run over the same input, with the same configuration and version, is the same.
    """
    lines = [f"{file.path.replace(run_id, '')} {file.rows} {file.digest}" for file in files]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
