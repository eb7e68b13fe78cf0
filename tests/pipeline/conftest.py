"""An output with three snapshots, made once for the tests of the commands over it, and a server that speaks S3."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pipeline import plan
from tests.pipeline.published import publish_odd
from tests.pipeline.running import corpus, prose, run


@pytest.fixture(scope="session")
def three_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """An output and its run ids: after the first run a text goes, one comes, one changes; then all is read again."""
    home = tmp_path_factory.mktemp("three")
    folder = corpus(home / "in")
    ids = [run(folder, output=home / "out").run_id]
    (folder / "text-00.txt").unlink()
    (folder / "text-03.txt").write_text(prose(3) + " Afterword.", encoding="utf-8")
    (folder / "text-50.txt").write_text(prose(50), encoding="utf-8")
    ids.append(run(folder, output=home / "out", on_delete="drop").run_id)
    ids.append(run(folder, output=home / "out", rebuild=True).run_id)
    return home / "out", ids


@pytest.fixture
def out(three_runs: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that a test may change, as the folder `out` here."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(three_runs[0], "out", symlinks=True)
    return Path("out")


@pytest.fixture
def ids(three_runs: tuple[Path, list[str]]) -> list[str]:
    return three_runs[1]


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    """The bucket `mill`, against a server on this machine that speaks S3."""
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
        mill.objects.delete()  # what another module's server holds in this process is there still
        plan.use_file_systems(())
        yield mill
    server.stop()


@pytest.fixture(scope="session")
def odd_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs full of odd things, made once."""
    return publish_odd(tmp_path_factory.mktemp("odd"))


@pytest.fixture
def odd(odd_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of them, as the folders `hostile` and `empty` here."""
    monkeypatch.chdir(tmp_path)
    for name in ("hostile", "empty"):
        shutil.copytree(odd_runs / name, name, symlinks=True)
    return tmp_path
