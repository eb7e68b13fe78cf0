"""`millstream verify` finds whatever is not as it was published."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline import snapshots, verify
from schemas.digest import TableDigest
from tests.pipeline.running import call, corpus, run
from transforms.parquet_sink import PublishedFile, digest_of

FLIPS = 60


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    home = tmp_path_factory.mktemp("two")
    folder = corpus(home / "in")
    former, latest = (run(folder, output=home / "out", rebuild=again).run_id for again in (False, True))
    return home / "out", former, latest


@pytest.fixture
def out(two_runs: tuple[Path, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that a test may damage, as the folder `out` here."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(two_runs[0], "out", symlinks=True)
    return Path("out")


@pytest.fixture
def snapshot(out: Path, two_runs: tuple[Path, str, str]) -> Path:
    return out / "snapshots" / two_runs[2]


def problems(run_id: str | None = None) -> list[str]:
    output = snapshots.Output("out")
    findings = list(verify.verify_pointer(output))
    for each in [run_id] if run_id else snapshots.snapshot_folders(output):
        findings += verify.verify_snapshot(output, each)
    return [finding.sentence for finding in findings if not finding.harmless]


def sign(snapshot: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest, and everything that vouches for it."""
    data = json.dumps(manifest, indent=2).encode()
    sha256 = hashlib.sha256(data).hexdigest()
    (snapshot / "manifest.json").write_bytes(data)
    (snapshot / "manifest.sha256").write_text(f"{sha256}  manifest.json\n")
    Path("out/latest.json").write_text(json.dumps({"run_id": snapshot.name, "manifest_sha256": sha256}))


def manifest_of(snapshot: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((snapshot / "manifest.json").read_text())
    return manifest


def rewrite(snapshot: Path, folder: str, edit: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows of one file, and publish it as if a run had written it so."""
    manifest = manifest_of(snapshot)
    file = next(file for file in manifest["files"] if file["path"].startswith(folder))
    table = edit(pq.read_table(snapshot / file["path"], partitioning=None))
    pq.write_table(table, snapshot / file["path"], write_page_checksum=True)
    data, digest = (snapshot / file["path"]).read_bytes(), TableDigest()
    digest.update(table)
    file |= {"rows": len(table), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    file["digest"] = digest.hexdigest()
    files = [PublishedFile(staged="", **each) for each in manifest["files"] if each["rows"]]
    sign(snapshot, manifest | {"digest": digest_of(files)})


def replace(table: pa.Table, column: str, values: Any) -> pa.Table:
    position = table.schema.get_field_index(column)
    return table.set_column(position, table.schema.field(position), pa.array(values, table.schema.field(position).type))


def test_what_was_published_passes(snapshot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("verify", "out") == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2] for line in told] == ["as it was published"] * 2
    assert call("verify", "out", snapshot.name) == 0
    assert capsys.readouterr().out == f"{snapshot.name}: as it was published\n"


def test_manifests_can_be_checked_without_millstream(snapshot: Path) -> None:
    assert (snapshot / "manifest.sha256").read_text().split() == [
        hashlib.sha256((snapshot / "manifest.json").read_bytes()).hexdigest(),
        "manifest.json",
    ]


def test_every_flipped_bit_is_found(out: Path, snapshot: Path) -> None:
    choose = random.Random(5)
    paths = sorted(path for path in snapshot.rglob("*") if path.is_file())
    paths += [
        out / "latest.json",
        snapshot.with_name(min(snapshots.run_ids(snapshots.Output("out")))) / "manifest.json",
    ]
    missed = []
    for number in range(FLIPS):
        path = choose.choice(paths)
        whole = path.read_bytes()
        flipped = bytearray(whole)
        position, bit = choose.randrange(len(whole)), choose.randrange(8)
        flipped[position] ^= 1 << bit
        path.write_bytes(flipped)
        if not problems():
            missed.append((number, str(path), position, bit))
        path.write_bytes(whole)
    assert missed == []
    assert problems() == []


def test_a_page_that_was_damaged_before_it_was_hashed_is_found_by_its_checksum(snapshot: Path) -> None:
    manifest = manifest_of(snapshot)
    file = next(file for file in manifest["files"] if file["path"].startswith("documents/"))
    column = pq.read_metadata(snapshot / file["path"]).row_group(0).column(0)
    data = bytearray((snapshot / file["path"]).read_bytes())
    data[column.data_page_offset + 60] ^= 1
    (snapshot / file["path"]).write_bytes(data)
    file["sha256"] = hashlib.sha256(data).hexdigest()
    sign(snapshot, manifest)
    (found,) = problems()
    assert "can't be read" in found
    assert "CRC" in found


def damage_of(name: str) -> Callable[[Path, Path], object]:
    """What is done to the output and to its latest snapshot."""
    return {
        "a missing file": lambda out, snapshot: next(snapshot.glob("rejects/*")).unlink(),
        "a cut file": lambda out, snapshot: cut(next(snapshot.glob("rejects/*"))),
        "a file too many": lambda out, snapshot: (snapshot / "rejects/copy.parquet").write_bytes(b"PAR1"),
        "a file too many that is no Parquet": lambda out, snapshot: (snapshot / "documents/notes.txt").touch(),
        "hidden Parquet": lambda out, snapshot: (snapshot / "documents/._copy.parquet").touch(),
        "Parquet beside the data sets": lambda out, snapshot: (snapshot / "copy.parquet").touch(),
        "an edited manifest": lambda out, snapshot: edit(snapshot / "manifest.json", '"records": ', '"records": 1'),
        "no manifest": lambda out, snapshot: (snapshot / "manifest.json").unlink(),
        "no checksum": lambda out, snapshot: (snapshot / "manifest.sha256").unlink(),
        "an edited pointer": lambda out, snapshot: edit(out / "latest.json", snapshot.name, "20200101T000000Z-000000"),
        "no pointer": lambda out, snapshot: (out / "latest.json").unlink(),
        "no snapshot": lambda out, snapshot: shutil.rmtree(snapshot),
        "a link elsewhere": lambda out, snapshot: link(out / "latest", "/tmp"),  # noqa: S108  # never read
        "a link to nowhere": lambda out, snapshot: link(out / "latest", "snapshots/gone"),
        "a folder for a link": lambda out, snapshot: ((out / "latest").unlink(), (out / "latest").mkdir()),
    }[name]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def edit(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a missing file", ".parquet is missing"),
        ("a cut file", "bytes, it was published with"),
        ("a file too many", "rejects/copy.parquet is no part of the snapshot, and readers would take it for one"),
        ("a file too many that is no Parquet", "documents/notes.txt is no part of the snapshot"),
        ("hidden Parquet", "documents/._copy.parquet is no part of the snapshot"),
        ("Parquet beside the data sets", "copy.parquet is no part of the snapshot"),
        ("an edited manifest", "is not the one that was published"),
        ("no manifest", "it has no manifest.json; `gc` removes it"),
        ("no checksum", "manifest.sha256"),
        ("an edited pointer", "latest.json leads to no snapshot"),
        ("no pointer", "latest.json is missing"),
        ("no snapshot", "latest.json leads to no snapshot"),
        ("a link elsewhere", "the link 'latest' leads to /tmp, latest.json to 2"),
        ("a link to nowhere", "the link 'latest' leads to snapshots/gone"),
        ("a folder for a link", "'latest' is no link to a snapshot"),
    ],
)
def test_damage_is_told_in_a_sentence_and_exit_1(
    out: Path, snapshot: Path, capsys: pytest.CaptureFixture[str], name: str, says: str
) -> None:
    damage_of(name)(out, snapshot)
    assert call("verify", "out") == 1
    told = capsys.readouterr()
    assert says in told.out
    assert "in 'out'" in told.err


def test_one_snapshot_is_verified_alone(out: Path, snapshot: Path, two_runs: tuple[Path, str, str]) -> None:
    next((out / "snapshots" / two_runs[1]).glob("rejects/*")).unlink()
    assert call("verify", "out", snapshot.name) == 0
    assert call("verify", "out", two_runs[1]) == 1


@pytest.mark.parametrize("path", [".DS_Store", "documents/.DS_Store", "rejects/_SUCCESS", "rejects/.trash/notes.txt"])
def test_hidden_files_are_in_nobodys_way(snapshot: Path, path: str) -> None:
    (snapshot / path).parent.mkdir(exist_ok=True)
    (snapshot / path).touch()
    assert call("verify", "out") == 0
    assert call("rollback", "out", snapshot.name) == 0
    assert call("gc", "out", "--keep", "2") == 0


def test_the_link_at_the_former_snapshot_is_noted_and_no_problem(
    out: Path, two_runs: tuple[Path, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    link(out / "latest", f"snapshots/{two_runs[1]}")  # as a run leaves it that is killed after the pointer
    assert call("verify", "out") == 0
    assert "note: the link 'latest' leads to" in capsys.readouterr().out


# --- an account that was published wrong


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"records": 1}, "the data sets have 24 rows, the manifest says 1 records"),
        ({"sources": 1}, "the ledger has 15 files, the manifest says 1"),
        ({"digest": "0" * 64}, "the digest of all rows is not the one in the manifest"),
    ],
)
def test_a_manifest_with_wrong_totals(snapshot: Path, change: dict[str, Any], says: str) -> None:
    sign(snapshot, manifest_of(snapshot) | change)
    assert problems() == [f"{snapshot.name}: {says}"]


def test_a_manifest_with_wrong_counts(snapshot: Path) -> None:
    manifest = manifest_of(snapshot)
    manifest["counts"]["rejects"] = {"exact_duplicate": 5, "empty": 1, "too_short": 1}
    sign(snapshot, manifest)
    assert [sentence.partition(": ")[2] for sentence in problems()] == [
        "rejects has 6 rows of exact_duplicate, the manifest says 5",
        "rejects has 0 rows of too_short, the manifest says 1",
    ]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [("rows", 1000, "the manifest says 1000"), ("digest", "0", "other values than its digest")],
)
def test_a_manifest_with_a_wrong_file(snapshot: Path, name: str, value: Any, says: str) -> None:
    manifest = manifest_of(snapshot)
    next(file for file in manifest["files"] if file["path"].startswith("rejects/"))[name] = value
    sign(snapshot, manifest)
    (found,) = problems()
    assert says in found


def test_a_duplicate_of_a_document_that_is_not_there(snapshot: Path) -> None:
    def edit_rows(table: pa.Table) -> pa.Table:
        return replace(table, "kept_doc_id", [value and "f" * 64 for value in table["kept_doc_id"].to_pylist()])

    rewrite(snapshot, "rejects/", edit_rows)
    (found,) = problems()
    assert "rejects name a document, ffffffffffffffff..., that is not in the snapshot" in found


def test_a_doc_id_that_stands_twice(snapshot: Path) -> None:
    def edit_rows(table: pa.Table) -> pa.Table:
        ids = table["doc_id"].to_pylist()
        return replace(table, "doc_id", [ids[0], ids[0], *ids[2:]])

    rewrite(snapshot, "quarantine/", edit_rows)
    (found,) = problems()
    assert "stands in several rows" in found


def test_a_ledger_that_does_not_balance(snapshot: Path, two_runs: tuple[Path, str, str]) -> None:
    rewrite(snapshot, "state/sources", lambda table: replace(table, "records", pc.add(table["records"], 1)))
    names = ["empty.txt", "lines.jsonl.gz", "noise.bin", "text-00.txt", "text-01.txt"]
    assert problems() == [
        *(
            f"{snapshot.name}: the rows of {two_runs[0].parent / 'in' / name} are not those in the ledger"
            for name in names
        ),
        f"{snapshot.name}: ... the same of 10 more",
    ]


def test_a_ledger_that_does_not_name_a_file(snapshot: Path) -> None:
    rewrite(snapshot, "state/sources", lambda table: table.slice(1))
    assert [sentence.partition(": ")[2] for sentence in problems()] == [
        "the ledger has 14 files, the manifest says 15",
        "the ledger does not name 1 of the files that have rows",
    ]
