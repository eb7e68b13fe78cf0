"""Publishing in processes that are killed, each with its whole group, at a step of the publish."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import plan, snapshots, verify
from tests.pipeline.running import run
from transforms import publish as groups
from transforms.files import read_file, write_file
from transforms.parquet_sink import PublishedFile, digest_of

ROOT = Path(__file__).parents[2]
STEPS = [
    step
    for path in sorted((ROOT / "pipeline").glob("*.py"))
    for step in re.findall(r'\breached\("(.+?)"\)', path.read_text(encoding="utf-8"))
]
"""Every step that the code names."""

_numbers = itertools.count()


def publish(output: snapshots.Output, addition: str) -> dict[str, Any]:
    """The manifest of a new snapshot: the files of the latest, and those of another output's latest."""
    run_id = f"20300101T000000Z-{os.getpid() % 0x10000:04x}{next(_numbers) % 0x100:02x}"
    with snapshots.exclusive(output):
        base = snapshots.read_base(output)
        added = snapshots.read_base(snapshots.Output(addition))
        assert base.run_id
        assert base.manifest
        assert added.run_id
        assert added.manifest
        new = _staged(output, run_id, snapshots.Output(addition).snapshot(added.run_id), added.manifest["files"])
        had = [file for file in base.manifest["files"] if file["rows"]]
        kept = [file for file in had if file["sha256"] not in {file.sha256 for file in new}]
        earlier = [PublishedFile(f"{output.snapshot(base.run_id)}/{file['path']}", **file) for file in kept]
        manifest = base.manifest if len(kept) < len(had) else _sum(base.manifest, added.manifest)
        manifest = {**manifest, "run_id": run_id, "digest": digest_of([*earlier, *new])}
        try:
            return snapshots.commit(output, run_id, [*earlier, *new], manifest, base)
        finally:
            snapshots.remove_staging(output, run_id)


def _staged(output: snapshots.Output, run_id: str, snapshot: str, files: list[dict[str, Any]]) -> list[PublishedFile]:
    staged = [PublishedFile(f"{output.staging(run_id)}/files/{f['path']}", **f) for f in files if f["rows"]]
    for file in staged:
        write_file(file.staged, read_file(f"{snapshot}/{file.path}"))
    return staged


def _sum(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    counts = {name: dict(Counter(one["counts"][name]) + Counter(other["counts"][name])) for name in one["counts"]}
    return {**one, "counts": counts, **{name: one[name] + other[name] for name in ("records", "sources")}}


def recorded(output: snapshots.Output, addition: Path) -> tuple[dict[str, Any], list[str]]:
    """The manifest of `publish` where nothing is killed, and the steps to it in their order."""
    steps: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshots, "reached", steps.append)
        return publish(output, str(addition)), steps


def small_groups(patch: pytest.MonkeyPatch, group_bytes: int) -> None:
    """Have runs make small groups of files, so that the next one can link some and write others anew."""
    patch.setattr(groups, "GROUP_TEXT_BYTES", group_bytes)
    patch.setattr(groups, "FULL_TEXT_BYTES", group_bytes // 2)
    patch.setattr(plan, "SPLIT_FILES", 2)


def problems(output: snapshots.Output) -> list[str]:
    """What `verify` finds, but for what it calls harmless."""
    found = list(verify.verify_pointer(output))
    for run_id in snapshots.run_ids(output):
        found += verify.verify_snapshot(output, run_id)
    return [finding.sentence for finding in found if not finding.harmless]


@contextlib.contextmanager
def publisher() -> Iterator[Callable[..., bool]]:
    """A function that publishes in a process of its own, and tells whether that was killed at a step.

    `addition=` publishes the files of another output as `publish` does, `inputs=` runs on them, locally, with groups of
    `group_bytes=` where that is given.
    The processes are forked from one that has imported all they need.
    """
    command = [sys.executable, "-m", "tests.pipeline.stopping"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    stdin, stdout = process.stdin, process.stdout

    def call(output: str, step: str, **what: Any) -> bool:
        order = {"output": output, "step": step, "environment": dict(os.environ), **what}
        stdin.write(json.dumps(order).encode() + b"\n")
        stdin.flush()
        code = os.waitstatus_to_exitcode(int(stdout.readline()))
        assert code in (0, -signal.SIGKILL)
        return code != 0

    with process:
        yield call
        stdin.close()


def _serve() -> None:
    for line in sys.stdin:
        if not (child := os.fork()):
            os.setsid()
            sys.stdout = sys.stderr
            _obey(**json.loads(line))
            sys.stderr.flush()
            os._exit(0)
        print(os.waitpid(child, 0)[1], flush=True)  # noqa: T201  # the answer


def _obey(
    *,
    output: str,
    step: str,
    environment: dict[str, str],
    addition: str | None = None,
    inputs: list[str] | None = None,
    group_bytes: int | None = None,
) -> None:
    os.environ.update(environment)
    if group_bytes:
        small_groups(pytest.MonkeyPatch(), group_bytes)
    plan.use_file_systems(())

    def die_at(reached: str) -> None:
        if reached == step:
            os.killpg(0, signal.SIGKILL)

    pytest.MonkeyPatch().setattr(snapshots, "reached", die_at)
    if addition:
        publish(snapshots.Output(output), addition)
    else:
        run(*inputs or (), output=Path(output))


if __name__ == "__main__":
    _serve()
