"""A bucket as input and output, against a server on this machine that speaks S3."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pipeline import job, plan, report, snapshots
from pipeline.cli import main
from pipeline.options import RunOptions, UsageError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for every request
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        mill = boto3.resource("s3").Bucket("mill")
        mill.create()
        for path in (ROOT / "seeds").glob("*.txt"):
            mill.upload_file(str(path), f"raw/{path.name}")
        plan.use_file_systems(())
        yield mill
    server.stop()


def keys(bucket: Any, prefix: str) -> set[str]:
    return {entry.key for entry in bucket.objects.filter(Prefix=prefix)}


@pytest.mark.parametrize("source", ["s3://mill/raw/", "s3://mill/raw", "s3://mill/raw/*.txt"])
def test_a_bucket_is_matched_as_a_folder_and_as_a_glob(bucket: Any, source: str) -> None:
    assert [f"raw/{Path(file.uri).name}" for file in plan.match_inputs([source])] == sorted(keys(bucket, "raw/"))


def test_from_bucket_to_bucket(bucket: Any, capsys: pytest.CaptureFixture[str]) -> None:
    options = RunOptions(inputs=("s3://mill/raw/",), output="s3://mill/out", workers=2)
    result = job.run(options, plan.match_inputs(options.inputs))
    assert result.manifest["counts"]["documents"] == {"en": 5}
    snapshot = f"out/snapshots/{result.run_id}/"
    files = {snapshot + file["path"] for file in result.manifest["files"]}
    assert keys(bucket, "out/") == {"out/latest.json", f"{snapshot}manifest.json"} | files
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
