"""An output with three snapshots, made once for the tests of the commands over it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.pipeline.running import corpus, prose, run


@pytest.fixture(scope="session")
def three_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """An output and its run ids: after the first run a text goes, one comes, one changes; then nothing does."""
    home = tmp_path_factory.mktemp("three")
    folder = corpus(home / "in")
    ids = [run(folder, output=home / "out").run_id]
    (folder / "text-00.txt").unlink()
    (folder / "text-03.txt").write_text(prose(3) + " Afterword.", encoding="utf-8")
    (folder / "text-50.txt").write_text(prose(50), encoding="utf-8")
    ids += [run(folder, output=home / "out").run_id for _ in range(2)]
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
