"""Runs over a bucket that has a snapshot, from a bucket, against a server on this machine that speaks S3."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session

from pipeline import job, snapshots
from pipeline.options import RunOptions
from tests.pipeline.running import call, prose
from tests.pipeline.stopping import problems, small_groups

DATA_SETS = ("documents", "rejects", "quarantine", "state/duplicates")

_numbers = itertools.count()


@pytest.fixture
def place(bucket: Any) -> str:
    """A prefix of the bucket with six texts and a duplicate below `in`."""
    place = f"incremental-{next(_numbers)}"
    for number, seed in enumerate([0, 1, 2, 3, 4, 5, 0]):
        bucket.put_object(Key=f"{place}/in/{number}.txt", Body=prose(seed).encode())
    return place


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small groups of files; and objects count as settled that were written just now: no test can date them back."""
    small_groups(monkeypatch, group_bytes=1200)
    monkeypatch.setattr(job, "SETTLING", dt.timedelta(hours=-1))


def run(place: str, output: str = "out", **options: Any) -> job.Result:
    """Run from a place of the bucket to another beside it."""
    return job.run(
        RunOptions(inputs=(f"s3://mill/{place}/in/",), output=f"s3://mill/{place}/{output}", workers=1, **options)
    )


def rows(result: job.Result) -> dict[str, dict[str, dict[str, Any]]]:
    """All rows by data set and doc_id, without what tells when they came."""
    return {
        name: {
            row["doc_id"]: row | {"run_id": ""}
            for batch in snapshots.batches(result.snapshot, result.manifest, name)
            for row in batch.to_pylist()
        }
        for name in DATA_SETS
    }


def state_of(bucket: Any, prefix: str) -> dict[str, str]:
    return {entry.key: entry.e_tag for entry in bucket.objects.filter(Prefix=prefix)}


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """What is asked of the store: (method, path, what is copied) triples."""
    asked: list[tuple[str, str, str]] = []
    send = URLLib3Session.send

    def noted(session: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
        source = request.headers.get("x-amz-copy-source", b"").decode()
        asked.append((request.method, *(unquote(urlsplit(url).path) for url in (request.url, source))))
        return send(session, request)

    monkeypatch.setattr(URLLib3Session, "send", noted)
    return asked


def test_only_what_is_new_is_read_and_what_stays_is_copied_by_the_server(
    bucket: Any, place: str, requests: list[tuple[str, str, str]]
) -> None:
    first = run(place)
    bucket.put_object(Key=f"{place}/in/3b.txt", Body=prose(3).encode())
    before = state_of(bucket, f"{place}/out/snapshots/")
    requests.clear()
    second = run(place)
    assert (second.changes.new, second.changes.unchanged) == (1, 7)
    read = {Path(url).name for method, url, _ in requests if method == "GET" and url.startswith(f"/mill/{place}/in/")}
    assert read == {"3b.txt"}
    names = [{group["name"] for group in result.manifest["groups"]} for result in (first, second)]
    stayed = names[0] & names[1]
    assert stayed
    assert names[0] - stayed
    linked = {file["path"] for file in second.manifest["files"] if Path(file["path"]).name.startswith(tuple(stayed))}
    copied = {source.partition(f"snapshots/{first.run_id}/")[2] for _, _, source in requests} - {""}
    assert copied == linked
    written = {url for method, url, source in requests if method == "PUT" and not source and url.endswith(".parquet")}
    assert not [url for url in written if any(name in url for name in stayed)]
    assert {key: tag for key, tag in state_of(bucket, f"{place}/out/").items() if key in before} == before
    assert state_of(bucket, f"{place}/out/_staging/") == {}
    assert rows(second) == rows(run(place, "batch"))
    assert problems(snapshots.Output(f"s3://mill/{place}/out")) == []


def test_where_nothing_is_new_nothing_is_published(
    bucket: Any, place: str, requests: list[tuple[str, str, str]]
) -> None:
    first = run(place)
    before = state_of(bucket, f"{place}/out/")
    pointer = bucket.Object(f"{place}/out/latest.json").get()["Body"].read()
    requests.clear()
    assert run(place).run_id == first.run_id
    assert state_of(bucket, f"{place}/out/") == before
    assert bucket.Object(f"{place}/out/latest.json").get()["Body"].read() == pointer
    assert not [url for method, url, _ in requests if method == "GET" and url.endswith(".txt")]
    assert [Path(url).name for method, url, _ in requests if method not in ("GET", "HEAD")] == ["latest.json"]


@pytest.mark.parametrize("step", ["files of earlier snapshots taken", "manifest written"])
def test_of_two_runs_at_once_the_one_that_ends_later_leaves_nothing(
    bucket: Any, place: str, step: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run(place)
    bucket.put_object(Key=f"{place}/in/9.txt", Body=prose(9).encode())
    winners: list[job.Result] = []

    def publish_meanwhile(reached: str) -> None:
        if reached == step and not winners:
            winners.append(first)
            winners.append(run(place))

    monkeypatch.setattr(snapshots, "reached", publish_meanwhile)
    output = f"s3://mill/{place}/out"
    assert call("run", f"s3://mill/{place}/in/", "--output", output, "--workers", "1") == 75
    assert f"another run has published to '{output}' meanwhile" in capsys.readouterr().err
    _, second = winners
    published = snapshots.Output(output)
    assert snapshots.read_base(published).run_id == second.run_id
    assert snapshots.snapshot_folders(published) == {first.run_id: True, second.run_id: True}
    assert state_of(bucket, f"{place}/out/_staging/") == {}
    assert problems(published) == []
