"""What a run over an output must not lose: damage, absence and haste end in an error, or in what was there before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline import job, snapshots
from pipeline.options import UsageError
from tests.pipeline.running import LONG_AGO, by_name, changes, problems, prose, run, write

TEXTS = {f"{number}.txt": prose(number) for number in range(4)}


def test_a_group_whose_files_are_all_gone_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transforms.publish.FULL_TEXT_BYTES", 1)
    folder, output = write(tmp_path / "in", TEXTS), tmp_path / "out"
    run(folder, output=output)
    write(folder, {"new.txt": prose(50)})
    assert len(run(folder, output=output).manifest["groups"]) == 2
    for name in TEXTS:
        (folder / name).unlink()
    assert len(run(folder, output=output, on_delete="drop").manifest["groups"]) == 1
    write(folder, {"newer.txt": prose(51)})
    assert run(folder, output=output, on_delete="drop").manifest["sources"] == 2
    assert by_name(output, "documents").keys() == {"new.txt", "newer.txt"}
    assert problems(output) == []


def test_damage_in_the_latest_snapshot_does_not_go_on_into_the_next(tmp_path: Path) -> None:
    folder, output = write(tmp_path / "in", TEXTS), tmp_path / "out"
    run(folder, output=output)
    pointer = (output / "latest.json").read_bytes()
    for dataset in ("documents", "state/fingerprints", "state/sources"):
        path = min((output / "latest" / dataset).resolve().rglob("*.parquet"))
        whole = path.read_bytes()
        path.write_bytes(whole[:300] + bytes([whole[300] ^ 1]) + whole[301:])
        with pytest.raises((job.JobError, OSError), match=r"nothing was published|can't be read"):
            run(write(folder, {"new.txt": prose(50)}), output=output)
        path.write_bytes(whole)
    assert (output / "latest.json").read_bytes() == pointer
    run(folder, output=output)
    assert problems(output) == []


def test_a_rebuild_refuses_to_lose_what_it_can_not_read_again(tmp_path: Path) -> None:
    folder, output = write(tmp_path / "in", TEXTS), tmp_path / "out"
    run(folder, output=output)
    (folder / "1.txt").unlink()
    with pytest.raises(UsageError, match=r"1 published files are gone, such as '.*/1\.txt', .* add --on-delete drop"):
        run(folder, output=output, rebuild=True)
    assert changes(run(folder, output=output, rebuild=True, on_delete="drop")) == {"new": 3, "gone": 1}


def test_documents_of_a_file_that_can_not_be_looked_at_now_are_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, folder, output = write(tmp_path / "store", TEXTS), tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in TEXTS:
        (folder / name).symlink_to(store / name)
    run(folder, output=output)
    store.rename(tmp_path / "away")
    result = run(write(folder, {"new.txt": prose(50)}), output=output, on_delete="drop")
    assert changes(result) == {"new": 1, "unchanged": 4}
    assert by_name(output, "documents").keys() == {*TEXTS, "new.txt"}
    assert "files that can't be looked at now, whose documents are kept: 4" in caplog.text


def test_a_change_that_could_not_be_looked_at_is_found_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, output = write(tmp_path / "in", TEXTS), tmp_path / "out"
    run(folder, output=output)
    write(folder, {"1.txt": TEXTS["1.txt"][::-1]}, at=LONG_AGO + 9)

    def fail(uri: str) -> str:
        raise OSError(f"{uri} is not to be had now")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.changes.sha256_of", fail)
        assert changes(run(write(folder, {"new.txt": prose(50)}), output=output)) == {"new": 1, "unchanged": 4}
    assert by_name(output, "documents")["1.txt"]["text"] == TEXTS["1.txt"]
    assert changes(run(folder, output=output)) == {"changed": 1, "unchanged": 4, "dropped": 1}
    assert by_name(output, "documents")["1.txt"]["text"] == TEXTS["1.txt"][::-1]


def test_an_inbox_may_be_empty_where_that_drops_nothing(tmp_path: Path) -> None:
    folder, output = write(tmp_path / "in", TEXTS), tmp_path / "out"
    run(folder, output=output)
    for name in TEXTS:
        (folder / name).unlink()
    assert changes(run(folder, output=output)) == {"gone": 4}
    with pytest.raises(UsageError, match="names no file"):
        run(folder, output=output, on_delete="drop")
    with pytest.raises(UsageError, match="names no file"):
        run(folder, output=tmp_path / "other")


def test_what_another_run_published_meanwhile_is_not_taken_for_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, output = write(tmp_path / "in", {"0.txt": prose(0)}), tmp_path / "out"
    hold = snapshots.exclusive
    inside: list[int] = []

    def after_another(held: snapshots.Output) -> Any:
        if not inside:
            inside.append(1)
            run(write(folder, {"1.txt": prose(1)}), output=output, on_delete="drop")
        return hold(held)

    monkeypatch.setattr(snapshots, "exclusive", after_another)
    assert changes(run(folder, output=output, on_delete="drop")) == {"unchanged": 2}


def test_a_corpus_by_another_path_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder, output = write(tmp_path / "in", TEXTS), tmp_path / "out"
    run(folder, output=output)
    result = run(tmp_path / "in" / ".." / "in", output=output)
    assert changes(result) == {"new": 4, "gone": 4}
    assert "none of the published files, 4, is in the input; their documents are kept" in caplog.text
