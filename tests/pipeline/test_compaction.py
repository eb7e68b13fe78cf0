"""Many small runs don't leave many small files, and don't write everything again and again."""

from __future__ import annotations

import collections
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pipeline.running import prose, rows, run
from transforms import publish
from transforms.publish import FULL_TEXT_BYTES, GROUP_TEXT_BYTES, groups_of_splits
from transforms.shards import Shard

RUNS, FULL = 30, 2000


def test_thirty_small_runs_leave_one_small_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "GROUP_TEXT_BYTES", 2 * FULL)
    monkeypatch.setattr(publish, "FULL_TEXT_BYTES", FULL)
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    names = [f"{number:02}.txt" for number in range(RUNS)]
    random.Random(1).shuffle(names)
    written = []
    sizes: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        (folder / name).write_text(prose(number), encoding="utf-8")
        result = run(folder, output=output, workers=1)
        sizes = {group["name"]: group["text_bytes"] for group in result.manifest["groups"]}
        assert sum(size < FULL for size in sizes.values()) <= 1
        assert sum(sizes.values()) == sum(path.stat().st_size for path in folder.iterdir())
        written.append(sum(size for group, size in sizes.items() if group.startswith(result.run_id)))
        assert written[-1] < FULL + (folder / name).stat().st_size
    assert len(rows(output, "documents")) == RUNS
    # A group is full with four of these texts: each is written one to four times, two and a half on average.
    assert 2 < sum(written) / sum(sizes.values()) < 3
    for state in ("sources", "fingerprints"):
        assert len(list((output / "latest/state" / state).iterdir())) == len(sizes)


# --- without the files: what is joined with what, by sizes alone


def shard(split: int, text_bytes: int, group: str = "") -> Shard:
    return Shard(split, "", 0, text_bytes, (), "", group=group)


def turn(groups: list[int], new: list[int]) -> tuple[list[int], int]:
    """The bytes of text in each group after a run with new shards of these sizes, and how many of them it wrote."""
    shards = [shard(split, size) for split, size in enumerate(new)]
    shards += [shard(len(new) + place, size, group="published") for place, size in enumerate(groups)]
    planned = groups_of_splits(shards)
    members: collections.defaultdict[int, list[Shard]] = collections.defaultdict(list)
    for each in shards:
        members[planned[each.split]].append(each)
    sizes = [sum(each.text_bytes for each in of_group) for of_group in members.values()]
    stays = sum(of_group[0].text_bytes for of_group in members.values() if len(of_group) == 1 and of_group[0].group)
    return sizes, sum(sizes) - stays


@given(st.lists(st.lists(st.integers(1, GROUP_TEXT_BYTES), min_size=1, max_size=4), max_size=30))
def test_after_any_runs_one_group_at_most_is_small_and_no_more_than_it_was_written_again(runs: list[list[int]]) -> None:
    groups: list[int] = []
    for new in runs:
        was_small = sum(size for size in groups if size < FULL_TEXT_BYTES)
        groups, wrote = turn(groups, new)
        assert sum(size < FULL_TEXT_BYTES for size in groups) <= 1
        assert max(groups) <= GROUP_TEXT_BYTES
        assert sum(new) <= wrote <= sum(new) + was_small
    assert sum(groups) == sum(map(sum, runs))


@pytest.mark.parametrize(("new", "times"), [(1 << 20, 256.5), (10 << 20, 26.5), (100 << 20, 3.5)])
def test_how_often_a_document_is_written_by_small_runs(new: int, times: float) -> None:
    # Each run writes the small group again, 256 MiB of text on average, until that has become full.
    groups: list[int] = []
    runs, wrote = 10 * -(-FULL_TEXT_BYTES // new), 0
    for _ in range(runs):
        groups, of_run = turn(groups, [new])
        wrote += of_run
    assert min(groups) >= FULL_TEXT_BYTES
    assert wrote / (runs * new) == pytest.approx(times)
