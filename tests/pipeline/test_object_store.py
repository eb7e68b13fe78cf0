"""A bucket as input and output, against a server on this machine that speaks S3."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import IncompleteReadError
from botocore.httpsession import URLLib3Session
from botocore.response import StreamingBody

from pipeline import housekeeping, job, plan, report, snapshots
from pipeline.cli import main
from pipeline.options import RunOptions, UsageError
from schemas.parquet import DATASETS
from tests.pipeline.running import call, run
from transforms import files, s3
from transforms.parquet_sink import digest_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="module")
def raw(bucket: Any) -> None:
    for path in (ROOT / "seeds").glob("*.txt"):
        bucket.upload_file(str(path), f"raw/{path.name}")


def keys(bucket: Any, prefix: str) -> set[str]:
    return {entry.key for entry in bucket.objects.filter(Prefix=prefix)}


@pytest.mark.parametrize("source", ["s3://mill/raw/", "s3://mill/raw", "s3://mill/raw/*.txt"])
def test_a_bucket_is_matched_as_a_folder_and_as_a_glob(bucket: Any, source: str) -> None:
    assert [f"raw/{Path(file.uri).name}" for file in plan.match_inputs([source])] == sorted(keys(bucket, "raw/"))


def test_from_bucket_to_bucket(bucket: Any, capsys: pytest.CaptureFixture[str]) -> None:
    options = RunOptions(inputs=("s3://mill/raw/",), output="s3://mill/out", workers=2)
    result = job.run(options)
    assert result.manifest["counts"]["documents"] == {"en": 5}
    snapshot = f"out/snapshots/{result.run_id}/"
    files = {snapshot + file["path"] for file in result.manifest["files"]}
    manifest = {f"{snapshot}manifest.json", f"{snapshot}manifest.sha256"}
    assert keys(bucket, "out/") == {"out/latest.json"} | manifest | files
    assert snapshots.latest(snapshots.Output("s3://mill/out")) == (result.run_id, result.manifest)
    report.print_result(result)
    assert "Katherine Brucker" in capsys.readouterr().out
    (batch,) = snapshots.batches(result.snapshot, result.manifest, "documents")
    with pytest.raises(SystemExit) as stopped:
        main(["explain", batch["doc_id"][0].as_py(), "--output", "s3://mill/out"])
    assert not stopped.value.code
    assert re.search(r"cut line \d+ by end_mark", capsys.readouterr().out)


def test_an_output_below_the_input_is_not_read(bucket: Any) -> None:
    bucket.put_object(Key="all/out/latest.json", Body=b"{}")
    bucket.put_object(Key="all/page.txt", Body=b"text")
    (file,) = plan.match_inputs(["s3://mill/all/"], apart_from="s3://mill/all/out/")
    assert file.uri == "s3://mill/all/page.txt"


def test_a_bucket_that_is_not_there_is_said_in_one_sentence(bucket: Any) -> None:
    assert keys(bucket, "raw/")
    with pytest.raises(UsageError, match="the input 's3://nowhere/raw/' names no file"):
        plan.match_inputs(["s3://nowhere/raw/"])


# --- streams


def test_a_large_object_is_written_in_parts_and_read_in_any_order(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)  # the least that S3 takes
    data = random.Random(1).randbytes(12 << 20)
    with files.create_file("s3://mill/streams/large") as stream:
        for start in range(0, len(data), 1 << 20):
            stream.write(data[start : start + (1 << 20)])
    assert bucket.Object("streams/large").get()["ETag"].endswith('-3"')
    with files.open_file("s3://mill/streams/large") as stream:
        assert stream.read(10) == data[:10]
        assert stream.seek(-10, 2) == len(data) - 10
        assert stream.read() == data[-10:]
        stream.seek(0)
        assert stream.read() == data


@pytest.mark.parametrize("size", [10, 6 << 20])
@pytest.mark.usefixtures("bucket")
def test_an_object_whose_writer_fails_does_not_appear(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)

    def fail() -> None:
        with files.create_file("s3://mill/streams/failed") as stream:
            stream.write(bytes(size))
            raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        fail()
    left = files.create_file("s3://mill/streams/failed")
    left.write(bytes(10))
    del left
    assert not files.exists("s3://mill/streams/failed")
    assert s3.client().list_multipart_uploads(Bucket="mill").get("Uploads", []) == []


def test_an_upload_that_was_completed_unheard_is_complete(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
    events = s3.client().meta.events
    sent: list[Any] = []

    def send_twice(request: AWSPreparedRequest, **_: Any) -> None:
        if not sent:
            sent.append(URLLib3Session().send(request))

    events.register("before-send.s3.CompleteMultipartUpload", send_twice)
    try:
        with files.create_file("s3://mill/streams/unheard") as stream:
            stream.write(bytes(6 << 20))
    finally:
        events.unregister("before-send.s3.CompleteMultipartUpload", send_twice)
    assert sent[0].status_code == 200
    assert bucket.Object("streams/unheard").content_length == 6 << 20


def test_an_object_that_is_replaced_while_it_is_read_is_an_error(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "READ_BYTES", 10)
    bucket.put_object(Key="streams/replaced", Body=b"one" * 10)
    with files.open_file("s3://mill/streams/replaced") as stream:
        assert stream.read(3) == b"one"
        bucket.put_object(Key="streams/replaced", Body=b"two" * 10)
        with pytest.raises(OSError, match="streams/replaced"):
            stream.read(12)


def test_an_answer_that_breaks_off_is_asked_for_again(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put_object(Key="streams/broken", Body=b"whole")
    breaks = iter([True, True, False, True, True, True])
    read = StreamingBody.read

    def read_or_break(body: StreamingBody, amt: int | None = None) -> bytes:
        if next(breaks):
            raise IncompleteReadError(actual_bytes=1, expected_bytes=5)
        return bytes(read(body, amt))

    monkeypatch.setattr(StreamingBody, "read", read_or_break)
    assert files.read_file("s3://mill/streams/broken") == b"whole"
    with pytest.raises(OSError, match="1 read, but total bytes expected is 5"):
        files.read_file("s3://mill/streams/broken")


# --- the commands over snapshots


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """An output on this machine, and the run ids of its two snapshots: of all texts, and of all but one."""
    output = tmp_path_factory.mktemp("two") / "out"
    texts = sorted((ROOT / "seeds").glob("*.txt"))
    return output, [run(*inputs, output=output, on_delete="drop").run_id for inputs in (texts, texts[1:])]


@pytest.fixture
def kept(bucket: Any, two_runs: tuple[Path, list[str]], request: pytest.FixtureRequest) -> str:
    """The prefix of a copy of them that a test may change."""
    output, _ = two_runs
    for path in [output / "latest.json", *(output / "snapshots").rglob("*.*")]:
        bucket.upload_file(str(path), f"{request.node.name}/{path.relative_to(output)}")
    return f"{request.node.name}/"


@pytest.fixture
def ids(two_runs: tuple[Path, list[str]]) -> list[str]:
    return two_runs[1]


def test_what_a_bucket_holds_is_told(ids: list[str], kept: str, capsys: pytest.CaptureFixture[str]) -> None:
    uri = f"s3://mill/{kept}"
    assert call("status", uri, "--max-age", "26h") == 0
    assert f"Latest   {ids[1]}" in capsys.readouterr().out
    assert call("history", uri) == 0
    assert [line[:25].split()[-1] for line in capsys.readouterr().out.splitlines()[1:]] == ids
    assert call("diff", uri, *ids) == 0
    assert "documents: 0 added, 1 removed, 0 changed" in capsys.readouterr().out
    assert call("verify", uri) == 0
    assert capsys.readouterr().out == "".join(f"{run_id}: as it was published\n" for run_id in ids)


def test_a_bucket_without_snapshots(bucket: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert keys(bucket, "nothing/") == set()
    assert call("status", "s3://mill/nothing", "--max-age", "26h") == 1
    assert call("history", "s3://mill/nothing") == 2
    assert "nothing was published to 's3://mill/nothing' yet" in capsys.readouterr().err
    assert call("status", "nowhere://mill/nothing") == 1
    assert "nowhere://mill/nothing/latest.json" in capsys.readouterr().err


def test_damage_in_a_bucket_is_found(
    bucket: Any, ids: list[str], kept: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = f"{kept}snapshots/{ids[0]}/"
    key = min(key for key in keys(bucket, folder) if key.endswith(".parquet"))
    data = bytearray(bucket.Object(key).get()["Body"].read())
    data[len(data) // 2] ^= 1
    bucket.put_object(Key=key, Body=bytes(data))
    bucket.put_object(Key=f"{folder}documents/copy.parquet", Body=b"")
    assert call("verify", f"s3://mill/{kept}", ids[0]) == 1
    told = capsys.readouterr().out
    assert "is damaged: its sha256 is not the one in the manifest" in told
    assert "documents/copy.parquet is no part of the snapshot" in told
    bucket.Object(key).delete()
    assert call("rollback", f"s3://mill/{kept}", ids[0]) == 1
    assert f"{key.removeprefix(folder)} is missing" in capsys.readouterr().err


def test_rollback_and_gc_in_a_bucket(bucket: Any, ids: list[str], kept: str) -> None:
    uri = f"s3://mill/{kept}"
    assert call("rollback", uri, ids[0]) == 0
    assert snapshots.pointed_to(snapshots.Output(uri))[0] == ids[0]  # type: ignore[index]  # it points somewhere
    assert call("gc", uri, "--keep", "1") == 0
    assert len(snapshots.run_ids(snapshots.Output(uri))) == 2
    assert call("rollback", uri, ids[1]) == 0
    assert call("gc", uri, "--keep", "1") == 0
    left = keys(bucket, kept) - {f"{kept}latest.json"}
    assert {key.removeprefix(f"{kept}snapshots/").split("/")[0] for key in left} == {ids[1]}
    assert call("verify", uri) == 0


def in_days(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    later = time.time() + days * 86400
    monkeypatch.setattr(housekeeping, "time", SimpleNamespace(time=lambda: later))


def test_what_killed_runs_left_in_a_bucket_is_removed_after_a_week(
    bucket: Any, ids: list[str], kept: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = f"s3://mill/{kept}"

    def die(_: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(snapshots, "delete_below", die)
        with pytest.raises(KeyboardInterrupt):
            housekeeping.collect_garbage(snapshots.Output(uri), keep=1)
    assert snapshots.run_ids(snapshots.Output(uri)) == ids[1:]
    for run_id in ("20200101T000000Z-000000", "29990101T000000Z-000000"):
        for folder in ("_staging", "snapshots"):
            bucket.put_object(Key=f"{kept}{folder}/{run_id}/a.parquet", Body=b"")
    bucket.put_object(Key=f"{kept}_staging/{ids[1]}/left-over.parquet", Body=b"")
    before = keys(bucket, kept)
    assert call("verify", uri) == 0
    assert f"note: {ids[0]}: it has no manifest.json" in capsys.readouterr().out
    in_days(monkeypatch, 6.9)
    assert call("gc", uri, "--keep", "1") == 0
    assert keys(bucket, kept) == before
    assert capsys.readouterr().out == "nothing to remove\n"
    in_days(monkeypatch, 7.1)
    assert call("gc", uri, "--keep", "1") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"removed {run_id}" for run_id in ("20200101T000000Z-000000", ids[0], "29990101T000000Z-000000")
    ]
    folder = f"{kept}snapshots/{ids[1]}/"
    assert {key for key in keys(bucket, kept) if not key.startswith(folder)} == {f"{kept}latest.json"}
    assert call("verify", uri) == 0


def test_markers_of_folders_and_hidden_files_in_a_bucket_are_in_nobodys_way(
    bucket: Any, ids: list[str], kept: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = f"s3://mill/{kept}"
    snapshot = f"snapshots/{ids[1]}/"
    for key in ("snapshots/", "_staging/", snapshot, f"{snapshot}documents/", f"{snapshot}documents/.DS_Store"):
        bucket.put_object(Key=f"{kept}{key}", Body=b"")
    for key in ("snapshots/.DS_Store", "_staging/.DS_Store", "snapshots/notes/a.txt"):
        bucket.put_object(Key=f"{kept}{key}", Body=b"")
    before = keys(bucket, kept)
    in_days(monkeypatch, 8)
    assert call("rollback", uri, ids[1]) == 0
    capsys.readouterr()
    assert call("gc", uri, "--keep", "2") == 0
    assert keys(bucket, kept) == before
    assert capsys.readouterr().out == "nothing to remove\n"
    assert call("verify", uri) == 0
    assert capsys.readouterr().out == "".join(f"{run_id}: as it was published\n" for run_id in ids)


SLOW = "20200101T000000Z-000000"
"""A run that began before the latest did."""


@pytest.fixture
def publish_slowly(kept: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, Any]]:
    """Publishes a run without rows; `gc` runs while its files are in place and its manifest is not."""
    output = snapshots.Output(f"s3://mill/{kept}")
    base = snapshots.read_base(output)
    counts: dict[str, dict[str, int]] = {dataset: {} for dataset in DATASETS}
    manifest = {"run_id": SLOW, "counts": counts, "records": 0, "sources": 0}

    def write_after_gc(path: str, data: bytes) -> None:
        if path.endswith(snapshots.MANIFEST_SHA256):
            assert call("gc", output.root, "--keep", "2") == 0
        files.write_file(path, data)

    monkeypatch.setattr(snapshots, "write_file", write_after_gc)
    return lambda: snapshots.commit(output, SLOW, [], manifest | {"digest": digest_of([])}, base)


def test_gc_leaves_a_run_alone_that_began_before_the_latest(
    ids: list[str], kept: str, publish_slowly: Callable[[], dict[str, Any]]
) -> None:
    manifest = publish_slowly()
    output = snapshots.Output(f"s3://mill/{kept}")
    assert len(manifest["files"]) == len(DATASETS)
    assert snapshots.latest(output) == (SLOW, manifest)
    assert snapshots.run_ids(output) == [SLOW, *ids]
    assert call("verify", output.root) == 0


def test_a_run_whose_files_were_deleted_under_it_publishes_nothing(
    ids: list[str], kept: str, publish_slowly: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_days(monkeypatch, 8)  # so gc takes it for a dead one
    with pytest.raises(OSError, match=r"is not published, as its files were changed under it: documents/.* is missing"):
        publish_slowly()
    output = snapshots.Output(f"s3://mill/{kept}")
    assert snapshots.run_ids(output) == ids
    assert snapshots.pointed_to(output)[0] == ids[1]  # type: ignore[index]  # it points somewhere
    assert call("verify", output.root) == 0


def test_gc_keeps_a_snapshot_that_became_the_latest_meanwhile(
    ids: list[str], kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, run_ids = snapshots.Output(f"s3://mill/{kept}"), snapshots.run_ids

    def and_then_roll_back(output: snapshots.Output) -> list[str]:
        found = run_ids(output)
        housekeeping.roll_back(output, ids[0])
        return found

    with monkeypatch.context() as patch:
        patch.setattr(snapshots, "run_ids", and_then_roll_back)
        assert housekeeping.collect_garbage(output, keep=1) == []
    assert run_ids(output) == ids
    assert call("verify", output.root) == 0
