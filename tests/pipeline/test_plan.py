"""Which files a run reads, in which order, and how they are cut into splits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import plan
from pipeline.options import UsageError
from transforms.formats.read import InputFile


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.txt", "in/b/c.txt", "in/b/.hidden", "in/.git/config", "in/_d.txt", "other/e.txt", "x/a[1].txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)


def uris(*inputs: str, apart_from: str = "") -> list[str]:
    return [file.uri for file in plan.match_inputs(inputs, apart_from=apart_from)]


@pytest.mark.parametrize("folder", ["in", "in/", "./in", "in/."])
def test_a_folder_is_all_files_below_it_but_hidden_ones(folder: str) -> None:
    assert uris(folder) == ["in/_d.txt", "in/a.txt", "in/b/c.txt"]


def test_a_hidden_file_is_read_when_it_is_named() -> None:
    assert uris("in/b/.hidden") == ["in/b/.hidden"]


def test_a_glob_and_a_name_with_the_characters_of_one() -> None:
    assert uris("*/*.txt") == ["in/_d.txt", "in/a.txt", "other/e.txt", "x/a[1].txt"]
    assert uris("x/a[1].txt") == ["x/a[1].txt"]


def test_each_file_is_read_once_however_it_is_named() -> None:
    spellings = ["in/a.txt", "./in/a.txt", "in//a.txt", "in", "./in/*.txt", os.path.abspath("in/a.txt")]
    assert len(uris(*spellings)) == 3
    assert uris(*spellings) == uris(*spellings[::-1])


def test_a_folder_behind_a_link_is_read_and_a_circle_ends() -> None:
    Path("in/link").symlink_to("../other")
    Path("in/circle").symlink_to(".")
    assert uris("in") == ["in/_d.txt", "in/a.txt", "in/b/c.txt", "in/link/e.txt"]


def test_what_stands_behind_a_link_is_not_resolved() -> None:
    Path("link").symlink_to("in/b")
    assert uris("link/../a.txt") == ["link/../a.txt"]
    assert Path("link/../a.txt").read_text() == "in/a.txt"


def test_the_output_is_left_out() -> None:
    assert uris("in", apart_from="in/b") == ["in/_d.txt", "in/a.txt"]
    assert uris("in", apart_from="./in/b/") == ["in/_d.txt", "in/a.txt"]


def test_a_folder_that_can_not_be_listed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.scandir

    def refuse(path: str) -> object:
        if path == "in/b":
            raise PermissionError(13, "Permission denied", path)
        return whole(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UsageError, match=r"the input 'in' can't be listed: .*Permission denied: 'in/b'"):
        plan.match_inputs(["in"])


def test_a_name_that_is_not_utf_8_has_a_uri_that_can_stand_in_a_row() -> None:
    Path(os.fsdecode(b"other/caf\xe9.txt")).touch()
    assert uris("other") == ["other/caf\\udce9.txt", "other/e.txt"]


@given(st.lists(st.integers(0, 3 * plan.SPLIT_BYTES), max_size=40))
def test_splits_hold_every_file_in_order_and_no_more_than_they_may(sizes: list[int]) -> None:
    files = [InputFile(f"{number:03}", size) for number, size in enumerate(sizes)]
    splits = plan.splits_of(files)
    assert [file for split in splits for file in split] == files
    for split in splits:
        assert len(split) == 1 or sum(file.size or 0 for file in split) <= plan.SPLIT_BYTES
