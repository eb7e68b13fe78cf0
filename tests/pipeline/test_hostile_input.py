"""Inputs that try to break a run, each between two good neighbours that must come out whole."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.pipeline.running import by_name, rows, run

PROSE = (
    "The council met on Monday evening and agreed to repair the old stone bridge over the river. Work begins in "
    "{month}, said the mayor, and will take about {weeks} weeks if the weather holds."
)
GOOD = {
    "a-good.txt": PROSE.format(month="April", weeks="six").encode(),
    "z-good.html": f"<html><body><article><p>{'The harvest was late. ' * 30}</p></article></body></html>".encode(),
}


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return stream.getvalue()


def zip_that_climbs() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../../escaped.txt", "outside")
    return stream.getvalue()


def tar_of_tars(depth: int, content: bytes) -> bytes:
    for level in range(depth):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            entry = tarfile.TarInfo(f"level{level}.tar" if level else "text.txt")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        content = stream.getvalue()
    return content


ENTITY_BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE html [<!ENTITY a "'
    + b"ha " * 50
    + b'">'
    + b"".join(b'<!ENTITY %c "%s">' % (letter, b"&%c;" % (letter - 1) * 12) for letter in range(ord("b"), ord("j")))
    + b']><html xmlns="http://www.w3.org/1999/xhtml"><body><p>&i;</p></body></html>'
)

HOSTILE = {
    "empty.txt": (b"", "empty"),
    "blank.html": (b" \n\r\n\t", "empty"),
    "gzip-bomb.txt.gz": (gzip.compress(b"ha " * (3 << 20)), "decompression_limit"),
    "zip-that-climbs.zip": (zip_that_climbs(), "unreadable"),
    "nested-divs.html": (b"<html><body>" + b"<div>" * 3000 + b"deep" + b"</div>" * 3000 + b"</body></html>", "parse"),
    "too-deep.tar": (tar_of_tars(4, GOOD["a-good.txt"]), "decompression_limit"),
    "image.html": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "unsupported"),
    "program.txt": (b"\x7fELF\x02\x01\x01" + bytes(200), "unsupported"),
    "random.bin": (random.Random(7).randbytes(5000), "unsupported"),
    "large.txt": (b"word " * 700_000, "too_large"),
    "slow.html": (b"<html><body><article>" + b"<p>word word word</p>" * 130_000, "timeout"),
    "truncated.txt.gz": (gzip.compress(random.Random(5).randbytes(9000).hex().encode())[:5000], "unreadable"),
    "corrupt.txt.bz2": (bz2.compress(b"text " * 2000)[:-20] + bytes(20), "unreadable"),
    "corrupt.parquet": (b"PAR1" + bytes(100) + b"PAR1", "unreadable"),
}


def write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    extra = {
        "entity-bomb.xhtml": ENTITY_BOMB,
        "surrogate.jsonl": json.dumps(
            {"text": "half a pair \ud800 stands in a line about the weather at sea"}
        ).encode(),
        "nul.txt": b"The ferry\x00 to the islands\x00 leaves at nine in the morning from the northern harbour.",
    }
    write(folder / "in", GOOD | extra | {name: content for name, (content, _) in HOSTILE.items()})
    os.mkfifo(folder / "in/pipe.txt")
    (folder / "in/broken-link.txt").symlink_to("nowhere")
    result = run(folder / "in", output=folder / "out", max_record_bytes=3 << 20, timeout_seconds=3.0)
    assert result.manifest["sources"] == len(GOOD) + len(extra) + len(HOSTILE) + 2
    return folder / "out"


@pytest.mark.parametrize("name", HOSTILE)
def test_each_ends_in_one_row_that_says_why(output: Path, name: str) -> None:
    reason = HOSTILE[name][1]
    found = [
        row.get("reason") or row["error_class"]
        for dataset in ("documents", "rejects", "quarantine")
        for row in rows(output, dataset)
        if Path(row["source_uri"]).name == name
    ]
    assert found == [reason]


@pytest.mark.parametrize("name", ["pipe.txt", "broken-link.txt"])
def test_what_can_not_be_opened_is_unreadable_and_worth_another_try(output: Path, name: str) -> None:
    row = by_name(output, "quarantine")[name]
    assert (row["error_class"], row["stage"], row["retryable"]) == ("unreadable", "read", True)


@pytest.mark.parametrize("name", GOOD)
def test_the_neighbours_come_out_whole(output: Path, name: str) -> None:
    text = by_name(output, "documents")[name]["text"]
    assert text.startswith(("The council met on Monday", "The harvest was late."))
    assert len(text) > 150


def test_a_lone_surrogate_is_replaced_and_the_loss_is_flagged(output: Path) -> None:
    row = by_name(output, "documents")["surrogate.jsonl"]
    assert row["text"].startswith("half a pair \ufffd stands in a line")
    assert row["quality_flags"] == ["decoding_losses"]


def test_nul_bytes_are_dropped_from_text(output: Path) -> None:
    assert by_name(output, "documents")["nul.txt"]["text"].startswith("The ferry to the islands leaves")


def test_an_entity_bomb_does_not_expand(output: Path) -> None:
    (row,) = [
        row
        for dataset in ("documents", "rejects", "quarantine")
        for row in rows(output, dataset)
        if Path(row["source_uri"]).name == "entity-bomb.xhtml"
    ]
    assert len(row.get("text") or "") < 10_000


def test_nothing_was_written_outside_the_output(output: Path) -> None:
    assert {path.name for path in output.parent.iterdir()} == {"in", "out"}
    assert not list(output.parent.parent.rglob("escaped.txt"))


def test_every_quarantined_row_carries_its_evidence(output: Path) -> None:
    for row in rows(output, "quarantine"):
        assert row["error_type"]
        assert row["error_message"]
        assert row["stage"]
        assert row["attempts"] == 1
        assert row["doc_id"]
