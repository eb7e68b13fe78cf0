"""What holds of every run, whatever goes in: the account, the order, the commit, and what readers see."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import os
import random
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import job, snapshots
from schemas.parquet import DATASETS
from tests.pipeline.running import by_name, corpus, prose, rows, run
from transforms import publish
from transforms.ledger import Ledger

# --- the account


good = st.builds(lambda seed: ("txt", prose(seed).encode()), st.integers(0, 5))
html = st.builds(lambda seed: ("html", f"<html><body><p>{prose(seed)}</p></body></html>".encode()), st.integers(0, 5))
binary = st.builds(lambda data: ("bin", b"\x00\x01" + data), st.binary(max_size=50))
arbitrary = st.builds(lambda data, kind: (kind, data), st.binary(max_size=80), st.sampled_from(["txt", "html", "csv"]))
empty = st.just(("txt", b""))
oversized = st.just(("txt", b"word " * 30_000))
jsonl = st.builds(
    lambda texts, broken: ("jsonl", "\n".join([json.dumps({"text": t}) for t in texts] + ["{"] * broken).encode()),
    st.lists(st.text(max_size=30), max_size=5),
    st.integers(0, 2),
)
entries = st.one_of(good, html, binary, arbitrary, empty, oversized, jsonl)
truncated = st.builds(
    lambda entry, cut: (f"{entry[0]}.gz", gzip.compress(entry[1])[:-cut]), entries, st.integers(1, 12)
)


@st.composite
def archive(draw: st.DrawFn) -> tuple[str, bytes]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as written:
        for number, (kind, content) in enumerate(draw(st.lists(entries, max_size=4))):
            written.writestr(f"{number}.{kind}", content)
    return "zip", stream.getvalue()


@settings(max_examples=12)
@given(st.lists(st.one_of(entries, truncated, archive()), min_size=1, max_size=10))
def test_records_read_are_documents_and_rejects_and_quarantined(files: list[tuple[str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, output = Path(name, "in"), Path(name, "out")
        folder.mkdir()
        for number, (kind, content) in enumerate(files):
            (folder / f"{number}.{kind}").write_bytes(content)
        result = run(folder, output=output, max_record_bytes=100_000)
        published = {dataset: rows(output, dataset) for dataset in DATASETS}
        ledger = ds.dataset(output / "latest/state/sources", format="parquet").to_table().to_pylist()
    assert {row["source_uri"] for row in ledger} == {str(folder / f"{n}.{kind}") for n, (kind, _) in enumerate(files)}
    for row in ledger:
        written = {name: sum(r["source_uri"] == row["source_uri"] for r in found) for name, found in published.items()}
        assert written == {name: row[name] for name in DATASETS}
        assert row["records"] == sum(written.values()) > 0
    assert result.manifest["records"] == sum(len(found) for found in published.values())
    ids = [row["doc_id"] for found in published.values() for row in found]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("again", [True, False])
def test_a_run_that_loses_a_row_fails_and_publishes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    whole = publish.rows_of_shard

    def lossy(decided: Any) -> Iterator[Any]:
        for partition, table in whole(decided):
            loses = partition.startswith("documents/") and (again or decided.shard.group)
            yield partition, table.slice(1) if loses else table

    run(corpus(tmp_path / "in"), output=tmp_path / "out")
    (tmp_path / "in/new.txt").write_text(prose(50))
    before = (tmp_path / "out/latest.json").read_bytes()
    monkeypatch.setattr(publish, "rows_of_shard", lossy)
    with pytest.raises(job.JobError, match=r"the counts don't balance, nothing was published: .*records were read"):
        run(tmp_path / "in", output=tmp_path / "out", rebuild=again)
    assert (tmp_path / "out/latest.json").read_bytes() == before
    assert len(list((tmp_path / "out/snapshots").iterdir())) == 1


def losing_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "source_files", lambda self, tallies: [])


def test_a_run_that_loses_a_file_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losing_sources(monkeypatch)
    with pytest.raises(job.JobError, match="0 of 15 files have rows, 0 records became 24 rows"):
        run(corpus(tmp_path / "in"), output=tmp_path / "out")


# --- the order


def test_the_same_rows_in_the_same_order_whatever_the_workers_and_the_order_of_names(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "in")
    names = [str(path) for path in sorted(folder.iterdir())]
    shuffled = random.Random(3).sample(names, len(names))
    given_inputs: list[tuple[int, list[str | Path]]] = [
        (1, [folder]),
        (2, [*names]),
        (4, [*shuffled]),
        (2, [*shuffled, folder]),
    ]
    digests, published = set(), []
    for number, (workers, inputs) in enumerate(given_inputs):
        output = tmp_path / f"out{number}"
        digests.add(run(*inputs, output=output, workers=workers).manifest["digest"])
        published.append(
            [
                [{**row, "run_id": ""} for row in rows(output, dataset)]
                for dataset in ("documents", "rejects", "quarantine")
            ]
        )
    assert len(digests) == 1
    assert all(found == published[0] for found in published)


def test_many_splits_give_the_rows_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = corpus(tmp_path / "in")
    run(folder, output=tmp_path / "one")
    monkeypatch.setattr("pipeline.plan.SPLIT_FILES", 2)
    monkeypatch.setattr("transforms.publish.GROUP_TEXT_BYTES", 1500)
    run(folder, output=tmp_path / "many")
    assert len(list((tmp_path / "many/latest/documents").rglob("*.parquet"))) > 2
    for dataset in DATASETS:
        one, many = (
            sorted(
                (row["doc_id"], row.get("kept_doc_id"), row.get("duplicate_count"))
                for row in rows(tmp_path / o, dataset)
            )
            for o in ("one", "many")
        )
        assert one == many


def test_the_digest_tells_a_changed_word(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "in")
    first = run(folder, output=tmp_path / "a").manifest["digest"]
    (folder / "text-03.txt").write_text(prose(3) + " Word.", encoding="utf-8")
    assert run(folder, output=tmp_path / "b").manifest["digest"] != first


# --- duplicates


def test_every_duplicate_names_its_survivor(tmp_path: Path) -> None:
    run(corpus(tmp_path / "in"), output=tmp_path / "out")
    kept = {row["doc_id"]: row for row in rows(tmp_path / "out", "documents")}
    losers = [row for row in rows(tmp_path / "out", "rejects") if row["reason"].endswith("_duplicate")]
    assert len(losers) == 6
    for row in losers:
        assert row["text"] == kept[row["kept_doc_id"]]["text"]
        assert (row["reason"], row["stage"], row["similarity"]) == ("exact_duplicate", "deduplicate", 1.0)
    for doc_id, row in kept.items():
        assert row["cluster_id"] == doc_id
        assert row["duplicate_count"] == sum(loser["kept_doc_id"] == doc_id for loser in losers)


@pytest.mark.parametrize(("keep", "kept"), [("longest", "1"), ("newest", "2")])
def test_another_survivor_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str, kept: str) -> None:
    versions = [(prose(1), "2024-05-01"), (f"{prose(1)}\n{prose(2)}", None), (prose(1), "2024-05-02")]
    (tmp_path / "in").mkdir()
    for number, (text, day) in enumerate(versions):
        line = {"id": str(number), "text": text, "date": day, "url": "https://example.org/story?utm_id=" + str(number)}
        (tmp_path / f"in/{number}.jsonl").write_text(json.dumps(line))
    for splits in (1000, 1):
        monkeypatch.setattr("pipeline.plan.SPLIT_FILES", splits)
        run(tmp_path / "in", output=tmp_path / f"out{splits}", keep=keep)
        (survivor,) = rows(tmp_path / f"out{splits}", "documents")
        assert (survivor["member"], survivor["duplicate_count"]) == (kept, 2)
        losers = {row["member"]: row for row in rows(tmp_path / f"out{splits}", "rejects")}
        assert {row["kept_doc_id"] for row in losers.values()} == {survivor["doc_id"]}
        same_words = {member for member in losers if versions[int(member)][0] == versions[int(kept)][0]}
        for member, row in losers.items():
            assert row["reason"] == ("exact_duplicate" if member in same_words else "url_duplicate")


def test_paragraphs_of_other_documents_are_counted(tmp_path: Path) -> None:
    lines = [{"text": text} for text in (f"{prose(1)}\n{prose(2)}\n{prose(3)}", f"{prose(3)}\n{prose(4)}", prose(5))]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, lines)))
    run(tmp_path / "in.jsonl", output=tmp_path / "out")
    found = {row["member"]: row["shared_paragraph_ratio"] for row in rows(tmp_path / "out", "documents")}
    assert found == {
        "1": pytest.approx(len(prose(3)) / len(prose(1) + prose(2) + prose(3))),
        "2": pytest.approx(len(prose(3)) / len(prose(3) + prose(4))),
        "3": 0,
    }


def test_no_dedup_keeps_them_all(tmp_path: Path) -> None:
    run(corpus(tmp_path / "in"), output=tmp_path / "out", dedup=False)
    assert len(rows(tmp_path / "out", "documents")) == 12 + 9


def test_other_languages_become_rejects(tmp_path: Path) -> None:
    (tmp_path / "de.txt").write_text(
        "Der Rat tagte am Montag und beschloss, die alte Brücke über den Fluss zu erneuern."
    )
    (tmp_path / "en.txt").write_text("The council met on Monday and decided to repair the old bridge over the river.")
    run(tmp_path / "de.txt", tmp_path / "en.txt", output=tmp_path / "out", language=("en",))
    assert list(by_name(tmp_path / "out", "documents")) == ["en.txt"]
    (rejected,) = rows(tmp_path / "out", "rejects")
    assert (rejected["reason"], rejected["language"]) == ("language_filtered", "de")


@pytest.mark.parametrize(("kept", "files"), [("sr", ["cyrillic.txt", "latin.txt"]), ("sr-Latn", ["latin.txt"])])
def test_a_language_is_kept_in_all_scripts_or_in_one(tmp_path: Path, kept: str, files: list[str]) -> None:
    (tmp_path / "latin.txt").write_text("Gradsko veće je juče donelo odluku da se obnovi stari most preko reke Nišave.")
    (tmp_path / "cyrillic.txt").write_text("Седница је трајала до поноћи, а посланици нису усвојили предлог буџета.")
    run(tmp_path / "latin.txt", tmp_path / "cyrillic.txt", output=tmp_path / "out", language=(kept,))
    assert sorted(by_name(tmp_path / "out", "documents")) == files


@pytest.mark.parametrize("detector", ["ensemble", "langdetect"])
def test_a_second_language_is_told_with_its_share(tmp_path: Path, detector: str) -> None:
    english = (
        "The council met on Monday evening and decided to repair the old stone bridge over the river before winter."
    )
    german = (
        "Der Stadtrat tagte am Montagabend und beschloss, die alte steinerne Brücke noch vor dem Winter zu erneuern."
    )
    (tmp_path / "mixed.txt").write_text(f"{english} {english}\n{german}\n{english}")
    run(tmp_path / "mixed.txt", output=tmp_path / "out", language_detector=detector)
    (row,) = rows(tmp_path / "out", "documents")
    assert row["language"] == "en"
    assert [entry["language"] for entry in row["language_mix"]] == ["en", "de"]
    assert 0.2 < row["language_mix"][1]["share"] < 0.3


# --- the commit


def test_a_snapshot_is_what_its_manifest_says(tmp_path: Path) -> None:
    result = run(corpus(tmp_path / "in"), output=tmp_path / "out")
    snapshot = tmp_path / "out/snapshots" / result.run_id
    assert snapshots.latest(snapshots.Output(str(tmp_path / "out"))) == (result.run_id, result.manifest)
    assert (tmp_path / "out/latest").resolve() == snapshot
    assert {path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*.parquet")} == {
        file["path"] for file in result.manifest["files"]
    }
    for file in result.manifest["files"]:
        path = snapshot / file["path"]
        assert path.stat().st_size == file["bytes"]
        assert pq.read_metadata(path).num_rows == file["rows"]
        assert subprocess.check_output(["sha256sum", path], text=True).split()[0] == file["sha256"]
        assert result.run_id in path.name


def test_a_second_run_replaces_the_first_for_readers_only(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "in")
    first = run(folder, output=tmp_path / "out")
    (folder / "text-00.txt").unlink()
    second = run(folder, output=tmp_path / "out", on_delete="drop")
    assert second.run_id != first.run_id
    assert (tmp_path / "out/latest").resolve().name == second.run_id
    assert (tmp_path / "out/snapshots" / first.run_id / "manifest.json").exists()
    assert not [path for path in (tmp_path / "out/_staging").iterdir() if path.is_dir()]


def test_the_output_inside_the_input_is_not_read(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "in")
    first = run(folder, output=folder / "out")
    second = run(folder, output=folder / "out", rebuild=True)
    assert first.run_id != second.run_id
    assert first.manifest["digest"] == second.manifest["digest"]
    assert not run(folder, output=folder / "out").changes


def test_a_folder_in_the_place_of_the_link_fails_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "out/latest").mkdir(parents=True)
    (tmp_path / "out/latest/kept.txt").touch()
    result = run(corpus(tmp_path / "in"), output=tmp_path / "out")
    assert snapshots.latest(snapshots.Output(str(tmp_path / "out"))) == (result.run_id, result.manifest)
    assert "latest could not be made a link" in caplog.text


def test_a_manifest_that_was_changed_is_told(tmp_path: Path) -> None:
    result = run(corpus(tmp_path / "in"), output=tmp_path / "out")
    with (tmp_path / "out/snapshots" / result.run_id / "manifest.json").open("a") as manifest:
        manifest.write(" ")
    with pytest.raises(OSError, match="is not the one that was published"):
        snapshots.latest(snapshots.Output(str(tmp_path / "out")))


def test_a_failed_run_leaves_no_staging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losing_sources(monkeypatch)
    with pytest.raises(job.JobError, match="the counts don't balance"):
        run(corpus(tmp_path / "in"), output=tmp_path / "out")
    assert {path.name for path in (tmp_path / "out/_staging").iterdir()} <= {"lock", "owner"}


def test_an_output_in_use_is_refused(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "in")
    with (
        snapshots.exclusive(snapshots.Output(str(tmp_path / "out"))),
        pytest.raises(snapshots.BusyError, match=f"in use by process {os.getpid()}"),
    ):
        run(folder, output=tmp_path / "out")


def test_runs_of_one_second_are_named_in_their_order() -> None:
    starts = [dt.datetime(2026, 5, 1, 12, 0, 30, microsecond, dt.UTC) for microsecond in (0, 999, 50_000, 999_999)]
    names = [job.new_run_id(each) for each in [*starts, starts[0] + dt.timedelta(seconds=1)]]
    assert names == sorted(names)
    assert len({job.new_run_id(starts[0]) for _ in range(50)}) > 1
