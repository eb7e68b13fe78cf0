"""However a corpus came, run by run, it ends as one run over all of it would."""

from __future__ import annotations

import json
import os
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.pipeline.running import problems, prose, rows, run
from transforms import publish

HOSTS = ("a.example", "a.example", "b.example", None)
FOOTERS = ("Na shkruani", "Na lexoni", "Tema të ditës")


def record(seed: int) -> dict[str, str]:
    """A document with a template, with neighbours alike in text, in address, in a paragraph, or not at all."""
    choose = random.Random(seed)
    host, lines = choose.choice(HOSTS), []
    text = choose.choice([prose(choose.randrange(4)), prose(choose.randrange(1000), choose.randrange(3, 90))])
    if choose.random() < 0.4:
        text = " ".join(choose.choice(["zog", word]) if choose.random() < 0.1 else word for word in text.split())
    if host and choose.random() < 0.8:
        lines.append(f"Home | Products of {host} | Contact us")
    lines.append(text)
    if choose.random() < 0.5:
        lines += ["", prose(choose.randrange(40), 30)]
    if host:  # each about as often as makes a line recur, so that it does after one run and does not after the next
        lines += ["", choose.choice(FOOTERS)]
    made = {"text": "\n".join(lines), "date": f"2024-05-{choose.randrange(1, 29):02}"}
    return made | ({"url": f"https://{host}/{choose.randrange(30)}"} if host else {})


def content(seed: int) -> str:
    """A file of some documents, some of them broken."""
    choose = random.Random(seed)
    lines = [json.dumps(record(choose.randrange(10**6))) for _ in range(choose.randrange(1, 6))]
    return "\n".join(lines + ["{broken"] * (choose.random() < 0.1))


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, int | None]]:
    """Turns: what is written into which file before each run, None for a file that is deleted."""
    names = draw(st.permutations([f"{number:02}.jsonl" for number in range(draw(st.integers(4, 20)))]))
    turns: list[dict[str, int | None]] = []
    count = draw(st.integers(2, 4))
    for turn in range(count):
        new: dict[str, int | None] = {name: draw(st.integers(0, 10**6)) for name in names[turn::count]}
        earlier = sorted({name for each in turns for name in each})
        for name in draw(st.lists(st.sampled_from(earlier), max_size=8, unique=True)) if earlier else []:
            new[name] = draw(st.none() | st.integers(0, 10**6))
        turns.append(new)
    return turns


def play(turn: dict[str, int | None], folder: Path) -> None:
    for name, seed in turn.items():
        if seed is None:
            (folder / name).unlink(missing_ok=True)
        else:
            (folder / name).write_text(content(seed), encoding="utf-8")
            if seed % 2:  # of the others the time is too fresh to tell a change: what is in them does
                os.utime(folder / name, (seed, seed))


def published(output: Path) -> dict[str, dict[str, Any]]:
    """All rows by data set and doc_id, without what tells when they came."""
    found = {}
    for name in ("documents", "rejects", "quarantine", "state/duplicates"):
        of_name = rows(output, name) if (output / "latest" / name).exists() else []
        found[name] = {row["doc_id"]: row | {"run_id": "", "source_modified_at": None} for row in of_name}
        assert len(found[name]) == len(of_name)
    return found


# An example is three to five runs, each a second of CPU, most of it Beam's; to shrink a failing one takes minutes.
@settings(max_examples=6, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    histories(),
    st.sampled_from(["keep", "drop"]),
    st.sampled_from(["first", "longest", "newest"]),
    st.sampled_from([1500, 4000, 20_000]),
)
def test_any_history_ends_as_one_run_over_everything(
    turns: list[dict[str, int | None]], on_delete: str, keep: str, group_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "GROUP_TEXT_BYTES", group_bytes)
        patch.setattr(publish, "FULL_TEXT_BYTES", group_bytes // 2)
        folder = Path(name, "in")
        folder.mkdir()
        for turn in turns:
            play(turn, folder)
            (folder / "always.txt").write_text(prose(1), encoding="utf-8")
            run(folder, output=Path(name, "history"), on_delete=on_delete, keep=keep, workers=1)
        if on_delete == "keep":
            for turn in turns:
                play({name: seed for name, seed in turn.items() if seed is not None}, folder)
        run(folder, output=Path(name, "batch"), keep=keep, workers=1)
        assert problems(Path(name, "history")) == []
        history, batch = published(Path(name, "history")), published(Path(name, "batch"))
    for data_set, expected in batch.items():
        assert history[data_set] == expected
