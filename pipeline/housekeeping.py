"""Which snapshot is the latest, and how long the others stay."""

from __future__ import annotations

import hashlib
import json
import os
import time
from typing import Any

from pipeline import snapshots
from transforms.files import (
    delete_below,
    last_written,
    last_written_at,
    list_files,
    read_file,
    replace_file,
)

DEAD_AFTER_SECONDS = 7 * 86400
"""A run that wrote no file for this long is dead. Object stores have no lock to tell, and a step may take days."""


def confirm(output: snapshots.Output, base: snapshots.Base) -> None:
    """Note that a run found nothing to publish: `latest.json` stays as it is, byte for byte, and is as of now.

    Raises `BusyError` when another run has published meanwhile, and `OSError`, also when the snapshot is not whole.
    """
    _require_whole(output, base.run_id or "", base.manifest or {"files": []})
    pointer = output.path(snapshots.LATEST)
    if output.is_local:
        os.utime(pointer)
    elif not replace_file(pointer, read_file(pointer), base.version):
        raise snapshots.BusyError(f"another run has published to {output.root!r} meanwhile")


def confirmed_at(output: snapshots.Output) -> float:
    """When a run last published the latest snapshot, or found nothing to publish: seconds since 1970."""
    return last_written_at(output.path(snapshots.LATEST))


def roll_back(output: snapshots.Output, run_id: str) -> None:
    """Make another snapshot the latest, in one step, if all its files are there with their sizes.

    Raises `OSError` when they are not, and `BusyError`, also when a run has published meanwhile; then nothing changed.
    """
    with snapshots.exclusive(output):
        version = snapshots.read_pointer(output)[1]
        data = snapshots.manifest_data(output, run_id)
        _require_whole(output, run_id, json.loads(data))
        last_run = confirmed_at(output) if output.is_local and snapshots.has_pointer(output) else None
        snapshots.point_to(output, run_id, hashlib.sha256(data).hexdigest(), version)
        if last_run is not None:  # going back is no run
            os.utime(output.path(snapshots.LATEST), (last_run, last_run))


def collect_garbage(output: snapshots.Output, keep: int) -> list[str]:
    """The run ids of what was removed: the oldest snapshots, and what dead runs left among them.

    Never the newest `keep` snapshots, nor the latest.
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
        removed = _sweep(output)
        for run_id in snapshots.run_ids(output)[:-keep]:
            # Asked anew each time: on an object store a run or a rollback may have moved it meanwhile.
            pointer = snapshots.pointed_to(output)
            if pointer and pointer[0] != run_id:
                snapshots.remove_snapshot(output, run_id)
                removed.append(run_id)
    return removed


def _require_whole(output: snapshots.Output, run_id: str, manifest: dict[str, Any]) -> None:
    for problem in snapshots.strayed(list_files(output.snapshot(run_id)), manifest):
        raise OSError(f"the snapshot {run_id} is not whole, nothing was changed: {problem}")


def _sweep(output: snapshots.Output) -> list[str]:
    """Remove what dead runs left, and return the run ids whose folder among the snapshots it was."""
    unfinished = [run_id for run_id, has_manifest in snapshots.snapshot_folders(output).items() if not has_manifest]
    if output.is_local:  # where a snapshot appears whole and no run is at work while the lock is held: it was damaged
        for run_id in unfinished:
            snapshots.remove_snapshot(output, run_id)
        return unfinished
    dead = _dead_runs(output)  # after the look at manifests: a run that finished in between has written just now
    for run_id in dead:
        delete_below(output.staging(run_id))
        if run_id in unfinished:
            delete_below(output.snapshot(run_id))
    return [run_id for run_id in unfinished if run_id in dead]


def _dead_runs(output: snapshots.Output) -> list[str]:
    """The runs, finished or not, that wrote nothing to an object store for long."""
    newest: dict[str, float] = {}
    for folder in (snapshots.STAGING, snapshots.SNAPSHOTS):
        for path, seconds in last_written(output.path(folder)).items():
            run_id = path.split("/")[0]
            newest[run_id] = max(seconds, newest.get(run_id, seconds))
    oldest_alive = time.time() - DEAD_AFTER_SECONDS
    return sorted(run_id for run_id in newest if snapshots.RUN_ID.fullmatch(run_id) and newest[run_id] < oldest_alive)
