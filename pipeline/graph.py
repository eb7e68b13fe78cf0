"""The graph of a batch run: the whole story on one screen."""

from __future__ import annotations

import dataclasses
import datetime as dt

import apache_beam as beam

from transforms.clean_documents import CleanDocuments
from transforms.count_shared import CountSharedParagraphs
from transforms.cut_recurring import CutRecurringLines
from transforms.deduplicate import Deduplicate
from transforms.formats.read import Columns, ReadLimits
from transforms.publish import Publish
from transforms.read_files import ReadFiles
from transforms.shards import Shard
from transforms.stage_text import Provenance, StageText
from transforms.text.cleaning_options import CleaningOptions
from transforms.worker_pool import WorkerLimits


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """What a graph is built from."""

    staging: str  # a folder or URI of this run's own
    splits: int  # in the plan that stands in the staging folder
    published: tuple[Shard, ...]  # groups of the latest snapshot, whose rows are judged with the new ones
    partitions: int  # that keys are divided into
    settled: dt.datetime  # a file that was modified before would look modified if that happened again
    provenance: Provenance
    read_limits: ReadLimits
    columns: Columns
    cleaning: CleaningOptions
    worker_limits: WorkerLimits
    dedup: bool
    keep: str  # which of its duplicates a cluster keeps, one of `transforms.text.duplicates.KEEP`

    @property
    def plan(self) -> str:
        """The plan's Parquet file."""
        return f"{self.staging}/plan.parquet"

    @property
    def summary(self) -> str:
        """The JSON file that the graph leaves when it is done."""
        return f"{self.staging}/summary.json"


def build(pipeline: beam.Pipeline, job: Job) -> None:
    """Add the graph of a batch run to a pipeline; when it is done, `job.summary` lists all that it wrote."""
    # `Create` spreads what it makes over the workers; a `Reshuffle` after it would do so once more.
    read = (
        pipeline
        | "Plan" >> beam.Create(range(job.splits))
        | "Read files" >> ReadFiles(job.plan, job.read_limits, job.columns)
    )
    staged = (
        read.records
        | "Clean documents" >> CleanDocuments(job.cleaning, job.worker_limits)
        | "Stage text" >> StageText(f"{job.staging}/shards", job.provenance)
    )
    published = pipeline | "Published groups" >> beam.Create(job.published)
    cut = (
        (staged, published)
        | "Old and new" >> beam.Flatten()
        | "Cut recurring lines" >> CutRecurringLines(job.partitions, job.cleaning, job.worker_limits)
    )
    if job.dedup:
        verdicts = cut["shards"] | "Deduplicate" >> Deduplicate(job.partitions, job.keep)
    else:
        verdicts = pipeline | "No verdicts" >> beam.Create([])
    judged = {"shards": cut["shards"], "verdicts": verdicts}
    shared = judged | "Count shared paragraphs" >> CountSharedParagraphs(job.partitions)
    rows = judged | {"counts": cut["counts"], "shared": shared, "tallies": read.tallies}
    rows | "Publish" >> Publish(f"{job.staging}/files", job.provenance.run_id, job.settled, job.summary)
