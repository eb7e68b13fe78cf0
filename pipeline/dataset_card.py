"""The dataset card: what a snapshot is, in Markdown with the header that Hugging Face reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from schemas.dictionary import FOLDERS, markdown_of
from schemas.records import SCHEMA_VERSION, UNDETERMINED


def dataset_card(manifest: dict[str, Any], datasets: Sequence[str]) -> str:
    """The card of a folder that holds these data sets of a snapshot, laid out as the snapshot is."""
    rows = {dataset: _rows(manifest, dataset) for dataset in datasets}
    header = yaml.safe_dump(_header(manifest, rows), sort_keys=False, allow_unicode=True)
    counts = "\n".join(f"| {dataset} | {count} |" for dataset, count in rows.items())
    fields = "\n".join(f"## {dataset}\n\n{markdown_of(dataset)}" for dataset in datasets)
    empty = "A data set without rows has no configuration in the header, as `datasets` fails on it.\n\n"
    return (
        f"---\n{header}---\n\n# Texts cleaned by millstream\n\n"
        f"Run {manifest['run_id']} by millstream {manifest['pipeline_version']}, schema version {SCHEMA_VERSION}, "
        f"finished at {manifest['finished_at']}; digest of the rows `{manifest['digest']}`.\n\n"
        f"| data set | rows |\n|---|---|\n{counts}\n\n{empty if 0 in rows.values() else ''}{fields}"
    )


def _rows(manifest: dict[str, Any], dataset: str) -> int:
    folder = FOLDERS[dataset]
    return sum(file["rows"] for file in manifest["files"] if file["path"].startswith(f"{folder}/"))


def _header(manifest: dict[str, Any], rows: dict[str, int]) -> dict[str, Any]:
    languages = {tag.partition("-")[0] for tag in manifest["counts"]["documents"]} - {UNDETERMINED}
    configs = [
        {
            "config_name": dataset,
            "data_files": [{"split": "train", "path": f"{FOLDERS[dataset]}/**/*.parquet"}],
            **({"default": True} if number == 0 else {}),
        }
        for number, dataset in enumerate(dataset for dataset, count in rows.items() if count)
    ]
    spoken = {"language": sorted(languages)} if languages else {}
    return {**spoken, "tags": ["millstream"], "configs": configs}
