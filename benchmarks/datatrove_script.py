"""datatrove's own pipeline over the same pages: the measured peer of `benchmarks.speed`, run by a Python that has it.

    python benchmarks/datatrove_script.py FOLDER_OF_JSONL OUT --model lid.176.ftz --workers 2

Reader, trafilatura, language, MinHash in four stages, Parquet, as its examples put them together. The one thing set
otherwise is the place of its language model, so that nothing is downloaded.
"""

from __future__ import annotations

import argparse

from datatrove.executor import LocalPipelineExecutor  # type: ignore[import-not-found,unused-ignore]
from datatrove.pipeline import dedup  # type: ignore[import-not-found,unused-ignore]
from datatrove.pipeline.extractors import Trafilatura  # type: ignore[import-not-found,unused-ignore]
from datatrove.pipeline.filters import LanguageFilter  # type: ignore[import-not-found,unused-ignore]
from datatrove.pipeline.readers import JsonlReader  # type: ignore[import-not-found,unused-ignore]
from datatrove.pipeline.writers import JsonlWriter, ParquetWriter  # type: ignore[import-not-found,unused-ignore]


def stages(pages: str, out: str, model: str, tasks: int) -> list[tuple[list[object], int]]:
    """(steps, tasks) of each stage, in order."""
    language = LanguageFilter(label_only=True)
    language.model.MODEL_URL = model
    config = dedup.MinhashConfig()
    extracted, marks, buckets, losers = (f"{out}/{name}" for name in ("extracted", "marks", "buckets", "losers"))
    return [
        ([JsonlReader(pages), Trafilatura(), language, JsonlWriter(extracted, compression=None)], tasks),
        ([JsonlReader(extracted), dedup.MinhashDedupSignature(marks, config)], tasks),
        ([dedup.MinhashDedupBuckets(marks, buckets, config=config)], config.num_buckets),
        ([dedup.MinhashDedupCluster(buckets, losers, config=config)], 1),
        ([JsonlReader(extracted), dedup.MinhashDedupFilter(losers), ParquetWriter(f"{out}/documents")], tasks),
    ]


def main() -> None:
    """Run all stages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages")
    parser.add_argument("out")
    parser.add_argument("--model", required=True)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    for number, (steps, tasks) in enumerate(stages(given.pages, given.out, given.model, given.workers)):
        LocalPipelineExecutor(steps, tasks, min(tasks, given.workers), f"{given.out}/logs/{number}").run()


if __name__ == "__main__":
    main()
