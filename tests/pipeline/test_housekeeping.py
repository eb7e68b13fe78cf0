"""Rollback and gc: which snapshot is the latest, and which ones stay."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline import snapshots
from tests.pipeline.running import call, prose, rows, run


def latest() -> str:
    found = snapshots.latest(snapshots.Output("out"))
    assert found is not None
    return found[0]


def kept() -> list[str]:
    return snapshots.run_ids(snapshots.Output("out"))


# --- rollback


def test_rollback_makes_another_snapshot_the_latest_and_back(out: Path, ids: list[str]) -> None:
    for run_id in (ids[0], ids[2]):
        assert call("rollback", "out", run_id) == 0
        assert latest() == run_id
        assert (out / "latest").resolve().name == run_id
        assert call("verify", "out") == 0
    assert kept() == ids


@pytest.mark.usefixtures("out")
def test_the_new_pointer_is_flushed_to_the_disk(ids: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = []
    monkeypatch.setattr(snapshots, "flush_entry", lambda path: flushed.append((path, latest())))
    assert call("rollback", "out", ids[0]) == 0
    assert flushed == [("out", ids[0])]


def test_a_run_after_a_rollback_publishes_the_next_snapshot(out: Path, ids: list[str]) -> None:
    assert call("rollback", "out", ids[0]) == 0
    Path("new.txt").write_text(prose(77))
    new = run("new.txt", output=out)
    assert latest() == new.run_id
    assert kept() == [*ids, new.run_id]
    assert call("verify", "out") == 0


@pytest.mark.parametrize("damage", ["missing", "cut", "manifest", "stray"])
def test_rollback_to_a_snapshot_that_is_not_whole_changes_nothing(
    out: Path, ids: list[str], capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    snapshot = out / "snapshots" / ids[0]
    file = next(snapshot.glob("documents/*/*.parquet"))
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-1])
    elif damage == "manifest":
        (snapshot / "manifest.json").write_text("{}")
    else:
        shutil.copy(file, file.with_name("stray.parquet"))
    before = (out / "latest.json").read_bytes()
    assert call("rollback", "out", ids[0]) == 1
    assert ids[0] in capsys.readouterr().err
    assert (out / "latest.json").read_bytes() == before


@pytest.mark.parametrize("pointer", [None, "", "[]", "{}", '{"run_id": 5, "manifest_sha256": null}'])
def test_rollback_mends_a_pointer(out: Path, ids: list[str], pointer: str | None) -> None:
    (out / "latest.json").unlink()
    if pointer is not None:
        (out / "latest.json").write_text(pointer)
    assert call("verify", "out") == 1
    assert call("rollback", "out", ids[2]) == 0
    assert call("verify", "out") == 0


@pytest.mark.parametrize("arguments", [["rollback", "out", "RUN"], ["gc", "out", "--keep", "1"]])
@pytest.mark.usefixtures("out")
def test_an_output_in_use_is_exit_75(ids: list[str], arguments: list[str]) -> None:
    with snapshots.exclusive(snapshots.Output("out")):
        assert call(*[ids[0] if argument == "RUN" else argument for argument in arguments]) == 75
    assert latest() == ids[2]
    assert kept() == ids


# --- gc


def test_gc_removes_the_oldest(out: Path, ids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("gc", "out", "--keep", "3") == 0
    assert capsys.readouterr().out == "nothing to remove\n"
    assert call("gc", "out", "--keep", "2") == 0
    assert capsys.readouterr().out == f"removed {ids[0]}\n"
    assert kept() == ids[1:]
    assert call("gc", "out", "--keep", "1") == 0
    assert kept() == ids[2:]
    assert call("verify", "out") == 0
    assert {path.name for path in (out / "_staging").iterdir()} <= {"lock", "owner"}


@pytest.mark.usefixtures("out")
def test_gc_keeps_the_latest_however_old_it_is(ids: list[str]) -> None:
    assert call("rollback", "out", ids[0]) == 0
    assert call("gc", "out", "--keep", "1") == 0
    assert kept() == [ids[0], ids[2]]
    assert latest() == ids[0]


def test_gc_killed_half_way_shows_no_half_snapshot_and_the_next_one_finishes(
    out: Path, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(folder: str | Path, **_: Any) -> None:
        next(Path(folder).rglob("*.parquet")).unlink()
        raise KeyboardInterrupt

    before = {name: rows(out, name) for name in ("documents", "rejects", "quarantine")}
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", die)
        assert call("gc", "out", "--keep", "1") == 130
    assert kept() == ids[1:]
    assert (out / "_staging" / ids[0]).exists()
    assert call("verify", "out") == 0
    assert {name: rows(out, name) for name in before} == before
    assert call("gc", "out", "--keep", "1") == 0
    assert kept() == ids[2:]
    assert not [path for path in (out / "_staging").iterdir() if path.is_dir()]


def test_gc_refuses_while_the_latest_is_not_whole(
    out: Path, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    next((out / "snapshots" / ids[2]).rglob("*.parquet")).unlink()
    assert call("gc", "out", "--keep", "1") == 1
    assert "is not whole, nothing was changed" in capsys.readouterr().err
    (out / "latest.json").unlink()
    assert call("gc", "out", "--keep", "1") == 1
    assert kept() == ids


def test_gc_does_not_leave_the_link_at_what_it_removes(out: Path, ids: list[str]) -> None:
    (out / "latest").unlink()
    (out / "latest").symlink_to(f"snapshots/{ids[0]}")
    assert call("gc", "out", "--keep", "1") == 0
    assert (out / "latest").resolve().name == ids[2]


def test_a_snapshot_that_lost_its_manifest_is_removed(
    out: Path, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (out / "snapshots" / ids[1] / "manifest.json").unlink()
    assert call("verify", "out") == 1
    capsys.readouterr()
    assert call("gc", "out", "--keep", "9") == 0
    assert capsys.readouterr().out == f"removed {ids[1]}\n"
    assert sorted(path.name for path in (out / "snapshots").iterdir()) == [ids[0], ids[2]]
    assert call("verify", "out") == 0


def test_folders_that_no_run_made_are_left_alone(out: Path, ids: list[str]) -> None:
    shutil.copytree(out / "snapshots" / ids[0], out / "snapshots" / f"{ids[0]}.kept")
    (out / "snapshots/.notes").mkdir()
    assert call("verify", "out") == 0
    assert call("gc", "out", "--keep", "1") == 0
    assert sorted(path.name for path in (out / "snapshots").iterdir()) == [".notes", f"{ids[0]}.kept", ids[2]]
