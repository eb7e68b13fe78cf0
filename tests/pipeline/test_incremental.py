"""A run over an output that has a snapshot: it reads what is new, and leaves the rest as it stands."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.options import UsageError
from tests.pipeline.running import LONG_AGO, by_name, changes, problems, prose, rows, run, write
from transforms import publish, read_files


def ledger(output: Path) -> dict[str, dict[str, Any]]:
    return by_name(output, "state/sources")


def state_of(output: Path) -> dict[str, tuple[int, str]]:
    """Every file of an output, with the time of its last change and what is in it.

    The pointer's time is that of the last run that ended well, whether it published or not.
    """
    return {
        str(path.relative_to(output)): (
            0 if path.name == "latest.json" else path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in output.rglob("*")
        if path.is_file() and not path.is_symlink() and path.parent.name != "_staging"
    }


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read."""
    names: list[str] = []
    hashed = read_files.Reading._hashed

    def noted(reading: read_files.Reading) -> Any:
        names.append(Path(reading._file.uri).name)
        return hashed(reading)

    monkeypatch.setattr(read_files.Reading, "_hashed", noted)
    return names


# --- what is read


TEXTS = {f"{number}.txt": prose(number) for number in range(4)}


def test_where_nothing_is_new_nothing_is_published_and_every_byte_stays(
    tmp_path: Path, read: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    folder, output = write(tmp_path / "in", TEXTS | {"empty.txt": "", "again.txt": prose(1)}), tmp_path / "out"
    first = run(folder, output=output)
    before, count = state_of(output), len(read)
    with caplog.at_level("INFO", "millstream"):
        second = run(folder, output=output)
    assert state_of(output) == before
    assert len(read) == count
    assert (second.run_id, second.snapshot, second.manifest) == (first.run_id, first.snapshot, first.manifest)
    assert changes(second) == {"unchanged": 6}
    assert "nothing is new: unchanged files: 6, gone: 0" in caplog.text


def test_only_what_is_new_is_read(tmp_path: Path, read: list[str]) -> None:
    folder, output = write(tmp_path / "in", TEXTS), tmp_path / "out"
    first = run(folder, output=output)
    read.clear()
    result = run(write(folder, {"10.txt": prose(10)}), output=output)
    assert read == ["10.txt"]
    assert changes(result) == {"new": 1, "unchanged": 4}
    assert result.manifest["changes"] == {"new": 1, "changed": 0, "unchanged": 4, "gone": 0, "dropped": 0}
    assert result.manifest["base"] == first.run_id
    assert result.manifest["sources"] == result.manifest["records"] == 5
    assert by_name(output, "documents").keys() == {*TEXTS, "10.txt"}
    assert problems(output) == []


def test_a_file_that_was_touched_is_hashed_and_not_read(tmp_path: Path, read: list[str]) -> None:
    folder, output = write(tmp_path / "in", TEXTS), tmp_path / "out"
    run(folder, output=output)
    before = state_of(output)
    read.clear()
    assert changes(run(write(folder, {"1.txt": TEXTS["1.txt"]}, at=LONG_AGO + 9), output=output)) == {"unchanged": 4}
    assert read == []
    assert state_of(output) == before


def test_the_next_snapshot_knows_the_new_time_of_a_touched_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transforms.publish.FULL_TEXT_BYTES", 1)  # so that the group of the first run stays
    folder, output = write(tmp_path / "in", TEXTS), tmp_path / "out"
    run(folder, output=output)
    write(folder, {"1.txt": TEXTS["1.txt"]}, at=LONG_AGO + 9)
    result = run(write(folder, {"new.txt": prose(50)}), output=output)
    assert len(result.manifest["groups"]) == 2
    assert ledger(output)["1.txt"]["modified_at"].timestamp() == LONG_AGO + 9
    assert ledger(output)["2.txt"]["modified_at"].timestamp() == LONG_AGO
    monkeypatch.setattr("pipeline.changes.sha256_of", lambda uri: pytest.fail(f"{uri} is hashed again"))
    assert changes(run(folder, output=output)) == {"unchanged": 5}
    assert problems(output) == []


def test_a_change_that_leaves_size_and_time_alone_is_found_with_verify(tmp_path: Path) -> None:
    folder, output = write(tmp_path / "in", TEXTS), tmp_path / "out"
    run(folder, output=output)
    changed = TEXTS["1.txt"][::-1]
    write(folder, {"1.txt": changed})
    assert changes(run(folder, output=output)) == {"unchanged": 4}
    assert changes(run(folder, output=output, verify=True)) == {"changed": 1, "unchanged": 3, "dropped": 1}
    assert by_name(output, "documents")["1.txt"]["text"] == changed


def test_a_file_that_was_modified_just_before_the_run_is_compared_by_content_next_time(tmp_path: Path) -> None:
    now = time.time()
    folder, output = write(tmp_path / "in", {"new.txt": prose(1)}, at=now), tmp_path / "out"
    write(folder, {"old.txt": prose(2)})
    run(folder, output=output)
    assert ledger(output)["new.txt"]["modified_at"] is None
    assert ledger(output)["old.txt"]["modified_at"].timestamp() == LONG_AGO
    write(folder, {"new.txt": prose(1)[::-1]}, at=now)
    assert changes(run(folder, output=output)) == {"changed": 1, "unchanged": 1, "dropped": 1}
    assert by_name(output, "documents")["new.txt"]["text"] == prose(1)[::-1]


def test_a_file_that_could_not_be_read_is_not_tried_again_until_it_changes(tmp_path: Path, read: list[str]) -> None:
    folder, output = write(tmp_path / "in", TEXTS), tmp_path / "out"
    (folder / "link.txt").symlink_to(tmp_path / "target.txt")
    run(folder, output=output)
    assert by_name(output, "quarantine")["link.txt"]["error_class"] == "unreadable"
    read.clear()
    before = state_of(output)
    for options in ({}, {"verify": True}):
        assert changes(run(folder, output=output, **options)) == {"unchanged": 5}
    assert read == []
    assert state_of(output) == before
    write(tmp_path, {"target.txt": prose(9)})
    assert changes(run(folder, output=output)) == {"changed": 1, "unchanged": 4, "dropped": 1}
    assert by_name(output, "documents").keys() == {*TEXTS, "link.txt"}
    assert by_name(output, "quarantine") == {}


# --- what becomes of the rows


def test_a_changed_file_supersedes_all_that_was_read_from_it(tmp_path: Path) -> None:
    lines = [json.dumps({"text": prose(20 + number)}) for number in range(3)]
    folder = write(tmp_path / "in", TEXTS | {"lines.jsonl": "\n".join([*lines, "{broken", '{"text": ""}'])})
    output = tmp_path / "out"
    run(folder, output=output)
    write(folder, {"lines.jsonl": "\n".join([lines[0], json.dumps({"text": prose(30)})])}, at=LONG_AGO + 9)
    assert changes(run(folder, output=output)) == {"changed": 1, "unchanged": 4, "dropped": 1}
    of_file = [row["text"] for row in rows(output, "documents") if row["source_uri"].endswith("lines.jsonl")]
    assert of_file == [prose(20), prose(30)]
    assert rows(output, "rejects") == rows(output, "quarantine") == []
    assert ledger(output)["lines.jsonl"]["records"] == 2
    assert problems(output) == []


@pytest.mark.parametrize("on_delete", ["keep", "drop"])
def test_documents_of_a_file_that_is_gone_are_kept_or_dropped(tmp_path: Path, on_delete: str) -> None:
    folder, output = write(tmp_path / "in", TEXTS), tmp_path / "out"
    run(folder, output=output)
    (folder / "2.txt").unlink()
    result = run(folder, output=output, on_delete=on_delete)
    dropped = {"dropped": 1} if on_delete == "drop" else {}
    assert changes(result) == {"unchanged": 3, "gone": 1} | dropped
    assert ("2.txt" in by_name(output, "documents")) == ("2.txt" in ledger(output)) == (on_delete == "keep")
    assert problems(output) == []


def test_a_duplicate_comes_back_when_its_survivor_goes(tmp_path: Path) -> None:
    folder, output = write(tmp_path / "in", {"1.txt": prose(1), "2.txt": prose(1), "3.txt": prose(1)}), tmp_path / "out"
    first = run(folder, output=output)
    (folder / "1.txt").unlink()
    run(folder, output=output, on_delete="drop")
    (kept,), (duplicate,) = rows(output, "documents"), rows(output, "rejects")
    assert Path(kept["source_uri"]).name == "2.txt"
    assert (kept["text"], kept["run_id"], kept["duplicate_count"]) == (prose(1), first.run_id, 1)
    assert (kept["cluster_id"], duplicate["kept_doc_id"]) == (kept["doc_id"], kept["doc_id"])
    write(folder, {"2.txt": prose(2)}, at=LONG_AGO + 9)
    run(folder, output=output)
    assert {name: row["text"] for name, row in by_name(output, "documents").items()} == {
        "2.txt": prose(2),
        "3.txt": prose(1),
    }
    assert rows(output, "rejects") == []
    assert problems(output) == []


def test_a_new_file_may_become_the_survivor_of_published_documents(tmp_path: Path) -> None:
    folder, output = write(tmp_path / "in", {"2.txt": prose(1), "3.txt": prose(1)}), tmp_path / "out"
    run(folder, output=output)
    run(write(folder, {"1.txt": prose(1), "4.txt": prose(1)}), output=output)
    (kept,) = rows(output, "documents")
    assert (Path(kept["source_uri"]).name, kept["duplicate_count"]) == ("1.txt", 3)
    losers = by_name(output, "rejects")
    assert losers.keys() == {"2.txt", "3.txt", "4.txt"}
    assert {row["kept_doc_id"] for row in losers.values()} == {kept["doc_id"]}


def test_rows_say_which_run_published_them_first(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", TEXTS | {"5.txt": prose(1), "empty.txt": "", "noise.bin": "\x00\x01\x02" * 20})
    output = tmp_path / "out"
    first = run(folder, output=output).run_id
    second = run(write(folder, {"6.txt": prose(6), "7.txt": prose(2), "also empty.txt": ""}), output=output).run_id
    third = run(write(folder, {"3.txt": prose(33)}, at=LONG_AGO + 9), output=output).run_id
    published_by = {
        name: row["run_id"]
        for data_set in ("documents", "rejects", "quarantine")
        for name, row in by_name(output, data_set).items()
    }
    assert published_by == dict.fromkeys([*TEXTS, "5.txt", "empty.txt", "noise.bin"], first) | {
        "6.txt": second,
        "7.txt": second,
        "also empty.txt": second,
        "3.txt": third,
    }


# --- the files


def test_files_that_nothing_changed_are_taken_into_the_next_snapshot_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "GROUP_TEXT_BYTES", 1200)
    monkeypatch.setattr(publish, "FULL_TEXT_BYTES", 600)
    folder = write(tmp_path / "in", {f"{number}.txt": prose(number) for number in range(6)})
    output = tmp_path / "out"
    monkeypatch.setattr("pipeline.plan.SPLIT_FILES", 2)
    first = run(folder, output=output)
    before = state_of(output / "snapshots")
    # a duplicate of one document, so that its survivor counts it: its group alone is written anew
    second = run(write(folder, {"9.txt": prose(0)}), output=output)
    names = [[group["name"] for group in result.manifest["groups"]] for result in (first, second)]
    stayed = set(names[0]) & set(names[1])
    assert (len(names[0]), len(stayed)) == (3, 2)
    for name in stayed:
        files = list((output / "snapshots" / first.run_id).rglob(f"{name}-*.parquet"))
        assert len(files) >= 3
        for file in files:
            twin = output / "snapshots" / second.run_id / file.relative_to(output / "snapshots" / first.run_id)
            assert file.stat().st_ino == twin.stat().st_ino
    assert by_name(output, "documents")["0.txt"]["duplicate_count"] == 1
    assert {path: of_file for path, of_file in state_of(output / "snapshots").items() if path in before} == before
    shutil.rmtree(output / "snapshots" / first.run_id)
    assert problems(output) == []


def test_an_earlier_snapshot_never_changes(tmp_path: Path) -> None:
    folder, output = write(tmp_path / "in", TEXTS | {"5.txt": prose(1)}), tmp_path / "out"
    run(folder, output=output)
    before = state_of(output / "snapshots")
    write(folder, {"0.txt": prose(40), "6.txt": prose(2)}, at=LONG_AGO + 9)
    (folder / "1.txt").unlink()
    run(folder, output=output, on_delete="drop")
    now = state_of(output / "snapshots")
    assert {path: now.get(path) for path in before} == before
    assert len(now) > len(before)


# --- a changed configuration


def test_a_changed_configuration_is_refused_until_it_is_told_to_rebuild(tmp_path: Path) -> None:
    folder, output = write(tmp_path / "in", TEXTS), tmp_path / "out"
    first = run(folder, output=output)
    before = state_of(output)
    says = r"min-letters was 10 and is 5000.* To read all 4 files again, add --rebuild; or name another --output"
    with pytest.raises(UsageError, match=says):
        run(folder, output=output, min_letters=5000)
    assert state_of(output) == before
    rebuilt = run(folder, output=output, min_letters=5000, rebuild=True)
    assert rebuilt.manifest["base"] == first.run_id
    assert changes(rebuilt) == {"new": 4}
    assert {row["reason"] for row in rows(output, "rejects")} == {"too_short"}
    assert changes(run(folder, output=output, min_letters=5000)) == {"unchanged": 4}


def test_what_decides_no_row_may_change(tmp_path: Path) -> None:
    folder, output = write(tmp_path / "in", TEXTS), tmp_path / "out"
    run(folder, output=output)
    result = run(folder / "1.txt", output=output, workers=1, timeout_seconds=20.0, max_quarantine=0.5)
    assert changes(result) == {"unchanged": 1, "gone": 3}


def test_a_rebuild_reads_all_again_and_has_the_rows_of_a_first_run(tmp_path: Path, read: list[str]) -> None:
    folder, output = write(tmp_path / "in", TEXTS | {"5.txt": prose(1)}), tmp_path / "out"
    first = run(folder, output=output)
    read.clear()
    second = run(folder, output=output, rebuild=True)
    assert sorted(read) == sorted([*TEXTS, "5.txt"])
    assert second.run_id != first.run_id
    assert second.manifest["digest"] == first.manifest["digest"]
    assert {row["run_id"] for row in rows(output, "documents")} == {second.run_id}
