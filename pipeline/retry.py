"""Which files of a snapshot are worth another try, and the options that they were read with."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pyarrow.compute as pc

from pipeline import plan, snapshots
from pipeline.options import RunOptions, UsageError
from transforms.formats.read import InputFile

log = logging.getLogger("millstream")


def options_of(output: str, **given: Any) -> RunOptions:
    """The options of the latest snapshot, but for those that are given. Raises `UsageError` and `OSError`."""
    published = snapshots.latest(snapshots.Output(output))
    if published is None:
        raise UsageError(f"nothing was published to {output!r} yet: name the --output of a run")
    _, manifest = published
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in manifest["configuration"].items()
    }
    return RunOptions(inputs=tuple(manifest["inputs"]), output=output, **values | given)


def files_to_retry(output: snapshots.Output) -> list[InputFile]:
    """The files of the latest snapshot with a row in quarantine that says `retryable`, as they are now, by URI.

    One that is not there any more keeps its row, and is named in the log.
    """
    run_id, manifest = snapshots.latest(output) or ("", {"files": []})
    attempts: dict[str, int] = {}
    for batch in snapshots.batches(output.snapshot(run_id), manifest, "quarantine"):
        for row in batch.filter(pc.field("retryable")).select(["source_uri", "attempts"]).to_pylist():
            attempts[row["source_uri"]] = max(row["attempts"], attempts.get(row["source_uri"], 0))
    files = []
    for uri in sorted(attempts):
        try:
            files += [
                dataclasses.replace(file, attempt=attempts[uri] + 1)
                for file in plan.match_inputs([uri])
                if file.uri == uri
            ]
        except UsageError:
            log.warning("not tried again, as it is not to be found from here: %s", uri)
    return files
