"""Which snapshot is the latest, and how long the others stay."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import shutil
from typing import Any

from pipeline import snapshots
from transforms.files import delete_files, list_files


def roll_back(output: snapshots.Output, run_id: str) -> None:
    """Make another snapshot the latest, in one step, if all its files are there with their sizes.

    Raises `OSError` when they are not, and `BusyError`; then the latest is what it was.
    """
    with snapshots.exclusive(output):
        data = snapshots.manifest_data(output, run_id)
        _require_whole(output, run_id, json.loads(data))
        snapshots.point_to(output, run_id, hashlib.sha256(data).hexdigest())


def collect_garbage(output: snapshots.Output, keep: int) -> list[str]:
    """Remove the oldest snapshots but never the newest `keep` nor the latest; the run ids of those removed.

    Raises `OSError` when the latest is not whole, as an older one may be all that is left, and `BusyError`.
    """
    with snapshots.exclusive(output):
        latest = snapshots.latest(output)
        if latest is None:
            raise OSError(f"{output.path(snapshots.LATEST)} is missing; `millstream rollback` writes it anew")
        latest_id, manifest = latest
        _require_whole(output, latest_id, manifest)
        if output.is_local:
            snapshots.link_to(output, latest_id)  # a run that was killed may have left it at a snapshot that goes now
        else:
            _sweep_store(output, latest_id)
        removed = [run_id for run_id in snapshots.run_ids(output)[:-keep] if run_id != latest_id]
        for run_id in removed:
            _remove(output, run_id)
    return removed


def _require_whole(output: snapshots.Output, run_id: str, manifest: dict[str, Any]) -> None:
    for problem in snapshots.strayed(list_files(output.snapshot(run_id)), manifest):
        raise OSError(f"the snapshot {run_id} is not whole, nothing was changed: {problem}")


def _remove(output: snapshots.Output, run_id: str) -> None:
    """Remove a snapshot so that no part of one ever shows: it stops being one in the first step."""
    if output.is_local:
        os.rename(output.snapshot(run_id), output.staging(run_id))
        snapshots.flush_entry(output.path(snapshots.SNAPSHOTS))
        shutil.rmtree(output.staging(run_id))
    else:
        delete_files([posixpath.join(output.snapshot(run_id), snapshots.MANIFEST)])
        snapshots.delete_below(output.snapshot(run_id))


def _sweep_store(output: snapshots.Output, latest_id: str) -> None:
    """Remove what killed runs left on an object store: those that began before the latest; a younger may be at work."""
    working = {path.split("/")[0] for path in list_files(output.path(snapshots.STAGING))}
    unfinished = {run_id for run_id, has_manifest in snapshots.snapshot_folders(output).items() if not has_manifest}
    for folders, run_ids_left in ((snapshots.STAGING, working), (snapshots.SNAPSHOTS, unfinished)):
        for run_id in run_ids_left:
            if run_id < latest_id:
                snapshots.delete_below(output.path(folders, run_id))
