"""The commit: killed at any of its steps, with a store that fails, with another run in its way, with no room left."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import snapshots
from tests.pipeline.running import call, corpus, prose, run
from tests.pipeline.stopping import ROOT, STEPS, problems, publish, publisher, recorded, small_groups
from tests.pipeline.test_history_equals_batch import published
from transforms import files

Publisher = Callable[..., bool]


@pytest.fixture(scope="module")
def kill_at() -> Iterator[Publisher]:
    with publisher() as call:
        yield call


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output `out` with one snapshot, and an `addition` to it."""
    home = tmp_path_factory.mktemp("home")
    run(corpus(home / "in", files=4), output=home / "out")
    (home / "more").mkdir()
    for number in range(200, 203):
        (home / "more" / f"{number}.txt").write_text(prose(number), encoding="utf-8")
    run(home / "more", output=home / "addition")
    return home


@pytest.fixture(scope="module")
def undisturbed(home: Path) -> tuple[dict[str, Any], list[str]]:
    """The manifest where nothing is killed, and the steps to it in their order."""
    shutil.copytree(home / "out", home / "undisturbed", symlinks=True)
    return recorded(snapshots.Output(str(home / "undisturbed")), home / "addition")


def test_every_step_is_tested(undisturbed: tuple[dict[str, Any], list[str]]) -> None:
    assert sorted(undisturbed[1]) == sorted(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step(
    home: Path, undisturbed: tuple[dict[str, Any], list[str]], tmp_path: Path, kill_at: Publisher, step: str
) -> None:
    output = snapshots.Output(str(tmp_path / "out"))
    shutil.copytree(home / "out", output.root, symlinks=True)
    manifest, steps = undisturbed
    before = snapshots.read_base(output)
    assert kill_at(output.root, step, addition=str(home / "addition"))
    after = snapshots.read_base(output)
    if steps.index(step) < steps.index("pointer replaced"):
        assert after == before
    else:
        assert after.manifest
        assert after.manifest["digest"] == manifest["digest"]
    assert problems(output) == []
    assert publish(output, str(home / "addition"))["digest"] == manifest["digest"]
    assert problems(output) == []
    assert [path for path in (tmp_path / "out/_staging").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("step", ["new files moved", "pointer replaced"])
def test_a_run_killed_at_a_step(home: Path, tmp_path: Path, kill_at: Publisher, step: str) -> None:
    output = snapshots.Output(str(tmp_path / "out"))
    first = run(home / "in", output=tmp_path / "out")
    assert kill_at(output.root, step, inputs=[str(home / "more")])
    assert (snapshots.read_base(output).run_id == first.run_id) == (step != "pointer replaced")
    assert problems(output) == []
    run(home / "in", output=tmp_path / "undisturbed")
    expected = run(home / "more", output=tmp_path / "undisturbed").manifest["digest"]
    assert run(home / "more", output=tmp_path / "out").manifest["digest"] == expected


@pytest.mark.parametrize("step", ["files of earlier snapshots taken", "snapshot renamed"])
def test_a_run_that_links_groups_killed_at_a_step(
    tmp_path: Path, kill_at: Publisher, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    small_groups(monkeypatch, group_bytes=1200)
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.txt").write_text(prose(number), encoding="utf-8")
    first = run(folder, output=output)
    (folder / "0 before all.txt").write_text(prose(1), encoding="utf-8")
    (folder / "4.txt").unlink()
    assert kill_at(str(output), step, inputs=[str(folder)], group_bytes=1200)
    where = {"files of earlier snapshots taken": "_staging/*/snapshot", "snapshot renamed": "snapshots/*"}[step]
    linked = [path.name for path in output.glob(f"{where}/*/**/{first.run_id}-*.parquet") if path.stat().st_nlink > 1]
    assert linked
    assert snapshots.read_base(snapshots.Output(str(output))).run_id == first.run_id
    assert problems(snapshots.Output(str(output))) == []
    second = run(folder, output=output)
    names = [{group["name"] for group in result.manifest["groups"]} for result in (first, second)]
    assert names[0] & names[1]
    (folder / "4.txt").write_text(prose(4), encoding="utf-8")  # what is gone from the input stays in the output
    run(folder, output=tmp_path / "batch")
    assert published(output) == published(tmp_path / "batch")
    assert problems(snapshots.Output(str(output))) == []


# --- calls that fail


CALLS: list[tuple[Any, str]] = [
    *((os, name) for name in ("link", "makedirs", "rename", "replace", "fsync")),
    (shutil, "copyfile"),
    (files, "open"),
    (snapshots, "open"),
]


class Failures:
    """Stands before what changes a disk, and has it fail."""

    def __init__(self, first: int, number: int, *, once: bool) -> None:
        self.first, self.number, self.once = first, number, once
        self.calls = 0

    def before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            if function is not open or "w" in arguments[1]:
                self.calls += 1
                if self.calls == self.first or (self.calls > self.first and not self.once):
                    raise OSError(self.number, os.strerror(self.number), str(arguments[0]))
            return function(*arguments, **options)

        return called

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for module, name in CALLS:
                patch.setattr(module, name, self.before(getattr(module, name, open)), raising=False)
            yield


@pytest.mark.parametrize(("number", "once"), [(errno.ENOSPC, False), (errno.EACCES, True)])
def test_each_call_in_turn_fails(
    home: Path, undisturbed: tuple[dict[str, Any], list[str]], tmp_path: Path, number: int, once: bool
) -> None:
    digest, commit = undisturbed[0]["digest"], snapshots.commit
    for first in itertools.count(1):
        output = snapshots.Output(str(tmp_path / f"{first}"))
        shutil.copytree(home / "out", output.root, symlinks=True)
        before = snapshots.read_base(output)
        failures = Failures(first, number, once=once)

        def commit_with_failures(*arguments: Any, failures: Failures = failures) -> dict[str, Any]:
            with failures.in_place():
                return commit(*arguments)

        said = None
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(snapshots, "commit", commit_with_failures)
                assert publish(output, str(home / "addition"))["digest"] == digest
        except OSError as error:
            said = str(error)
        after = snapshots.read_base(output)
        assert problems(output) == []
        assert [path for path in Path(output.root, "_staging").iterdir() if path.is_dir()] == []
        if said and "is published, but a power cut" not in said:
            assert said.startswith(f"nothing was published to '{output.root}': [Errno {number}]")
            assert after == before
            assert once is False or snapshots.run_ids(output) == [before.run_id]
        else:
            assert after != before
        assert publish(output, str(home / "addition"))["digest"] == digest
        if failures.calls < first:
            assert first > 20
            break


# --- whole runs without room or permission, and outputs in use


RUN = """
import errno, io, os, sys

class Disk(io.FileIO):
    room = 0

    def write(self, data):
        Disk.room -= len(memoryview(data).cast("B"))
        if Disk.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)

if __name__ == "__main__":
    from pipeline import cli, snapshots
    from transforms import files

    step, folder, room = sys.argv[1:4]
    if room:
        Disk.room = int(room)
        files.open = lambda path, mode: Disk(path, "w") if mode == "wb" else open(path, mode)
    snapshots.reached = lambda reached: reached == step and os.chmod(folder, 0o555)
    cli.main(sys.argv[4:])
"""


def run_with_trouble(home: Path, folder: Path, *, step: str = "", forbid: str = "", room: str = "") -> str:
    """What a run said that loses a permission at a step, or finds room for so many bytes only, and fails."""
    (folder / "run.py").write_text(RUN, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "run.py", step, forbid, room, "run", home / "more", "--output", "out", "--workers", "1"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=without_privilege,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    return result.stderr


def without_privilege() -> None:
    """Root heeds permissions too, once it has lost CAP_DAC_OVERRIDE; who is not root has nothing to lose."""
    pr_capbset_drop, cap_dac_override = 24, 1
    ctypes.CDLL(None).prctl(pr_capbset_drop, cap_dac_override, 0, 0, 0)


@pytest.fixture
def unchanged(home: Path, tmp_path: Path) -> Iterator[None]:
    """There is an output `out` with a snapshot, and it is as before in the end."""
    output = snapshots.Output(str(tmp_path / "out"))
    shutil.copytree(home / "out", output.root, symlinks=True)
    before = snapshots.read_base(output)
    yield
    assert snapshots.read_base(output) == before
    assert snapshots.run_ids(output) == [before.run_id]
    assert problems(output) == []


@pytest.mark.parametrize(
    ("step", "folder"),
    [
        ("", "out/_staging"),  # from the start
        ("files flushed", "out/snapshots"),
        ("name of the snapshot flushed", "out"),
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_a_folder_that_can_not_be_written(home: Path, tmp_path: Path, step: str, folder: str) -> None:
    if not step:
        (tmp_path / folder).chmod(0o555)
    said = run_with_trouble(home, tmp_path, step=step, forbid=folder)
    (tmp_path / folder).chmod(0o755)
    assert re.search(r"^millstream: .*Permission denied: '.*out.*\n\Z", said, re.MULTILINE)
    assert "Traceback" not in said


@pytest.mark.parametrize("room", ["0", "6000"])
@pytest.mark.usefixtures("unchanged")
def test_a_disk_that_is_full(home: Path, tmp_path: Path, room: str) -> None:
    assert re.search(
        r"^millstream: .*No space left on device$", run_with_trouble(home, tmp_path, room=room), re.MULTILINE
    )
    assert [path for path in (tmp_path / "out/_staging").iterdir() if path.is_dir()] == []


def test_a_second_run_is_told_who_holds_the_output(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with snapshots.exclusive(snapshots.Output(str(tmp_path / "out"))):
        assert call("run", home / "more", "--output", tmp_path / "out") == 75
    assert f"'{tmp_path}/out' is in use by process {os.getpid()}" in capsys.readouterr().err
