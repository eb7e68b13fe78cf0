"""Files that are made to break a reader: each ends in quarantine by its class, and its neighbours come out whole."""

from __future__ import annotations

import functools
import gzip
import io
import json
import tarfile
import tracemalloc
import zipfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.records import Quarantined, RawRecord
from tests.formats.build import COMPRESSORS, Item, json_lines, outline, parquet_file, read, response, tar_file, zip_file
from transforms.formats.read import ReadLimits

SMALL = ReadLimits(max_record_bytes=1000)
MIB = 2**20


def error(item: Item) -> tuple[str, str]:
    assert isinstance(item, Quarantined)
    return item.error_class, item.error_message


def peak_bytes(data: bytes, name: str, limits: ReadLimits) -> int:
    tracemalloc.start()
    try:
        read(data, name, limits=limits)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "line",
    [
        b'{"text": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"text": "a", "n": ' + b"9" * 5000 + b"}",
        b'{"text": "a \\u0000 b"}',
        b'{"text": "a \0 b"}',
        b'{"text": "\\ud800"}',
        b'{"text": "caf\xe9 \\ud800"}',
        b'{"id": "\\udfff", "text": "a", "title": "\\ud800"}',
        b'{"text": "a", "text": "b"}',
        b'{"text": NaN}',
        b'{"text": "\xff\xfe"}',
        b"\0\0\0\0",
        b"null",
    ],
)
def test_a_hostile_line_leaves_its_neighbours_alone(line: bytes) -> None:
    items = read(json_lines({"text": "before"}) + line + b"\n" + json_lines({"text": "after"}), "a.jsonl")
    assert [outcome for _, outcome in outline(items)][::2] == ["before", "after"]
    for item in items:
        (item.member or "").encode()  # no lone surrogate left
        if isinstance(item, RawRecord):
            (item.title or "").encode()


def test_lone_surrogates_reach_the_decoder_as_bytes() -> None:
    (record,) = read(b'{"text": "a \\ud800"}', "a.jsonl")
    assert isinstance(record, RawRecord)
    assert record.content == b"a \xed\xa0\x80"


def test_a_line_that_is_neither_utf8_nor_whole_characters() -> None:
    (failure,) = read(b'{"text": "caf\xe9 \\ud800"}', "a.jsonl")
    assert error(failure)[0] == "decode"


def test_records_above_the_limit() -> None:
    big = "x" * 3000
    rows = json_lines({"text": "a"}, {"text": big}, {"text": "b"})
    table = f'id,text\n1,a\n2,"{big[:800]}\n""{big}, ""\n"\n3,b\n'.encode()
    for data, name in (
        (rows, "a.jsonl"),
        (table, "a.csv"),
        (parquet_file({"text": ["a", big, "b"]}), "a.parquet"),
        (response(b"a") + response(big.encode()) + response(b"b"), "a.warc"),
        (tar_file(("1", b"a"), ("2", big.encode()), ("3", b"b")), "a.tar"),
        (zip_file(("1", b"a"), ("2", big.encode()), ("3", b"b")), "a.zip"),
    ):
        items = read(data, name, limits=SMALL)
        assert [outcome for _, outcome in outline(items)] == ["a", "! too_large", "b"], name
        assert isinstance(items[1], Quarantined)
        assert (items[1].source_length or 0) >= 3000
        assert items[1].source_sha256 is None


def test_a_whole_file_above_the_limit_is_not_read() -> None:
    (failure,) = read(b"a" * 3000, "a.txt", limits=SMALL)
    assert error(failure) == ("too_large", "the record has 3,000 bytes; max_record_bytes is 1,000")
    (failure,) = read(gzip.compress(bytes(range(65, 90)) * 100), "a.txt.gz", limits=SMALL)
    assert error(failure) == ("too_large", "the record has more than 1,000 bytes; max_record_bytes is 1,000")


def test_a_line_without_an_end_is_not_kept_in_memory() -> None:
    data = b'{"text": "' + b"a" * (16 * MIB) + b'"}\n{"text": "b"}\n'
    assert [outcome for _, outcome in outline(read(data, "a.jsonl", limits=SMALL))] == ["! too_large", "b"]
    assert peak_bytes(data, "a.jsonl", SMALL) < 8 * MIB
    table = b"text\n" + b"a" * (16 * MIB) + b"\nb\n"
    assert [outcome for _, outcome in outline(read(table, "a.csv", limits=SMALL))] == ["! too_large", "b"]
    assert peak_bytes(table, "a.csv", SMALL) < 8 * MIB


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_a_compression_bomb(suffix: str) -> None:
    bomb = COMPRESSORS[suffix](b"0" * (64 * MIB))
    for data in (bomb, COMPRESSORS["gz"](bomb)):
        (failure,) = read(data, "a.txt")
        assert error(failure)[0] == "decompression_limit"
        assert peak_bytes(data, "a.txt", ReadLimits()) < 48 * MIB


def test_a_bomb_in_an_archive_leaves_its_neighbours_alone() -> None:
    bomb = b"0" * (8 * MIB)
    items = read(zip_file(("a", b"One"), ("b", bomb), ("c.gz", gzip.compress(bomb)), ("d", b"Two")), "a.zip")
    limit = "! decompression_limit"
    assert outline(items) == [("a", "One"), ("b", limit), ("c.gz", limit), ("d", "Two")]


def test_a_bomb_in_an_http_response() -> None:
    body = gzip.compress(b"0" * (8 * MIB))
    items = read(response(body, "Content-Encoding: gzip") + response(b"a"), "a.warc")
    assert [outcome for _, outcome in outline(items)] == ["! decompression_limit", "a"]


def test_a_parquet_bomb() -> None:
    (failure,) = read(parquet_file({"text": ["0" * (64 * MIB)]}), "a", limits=ReadLimits(max_expansion_ratio=10))
    assert error(failure)[0] == "decompression_limit"


def test_layers_beyond_the_depth() -> None:
    data = b"One"
    for depth in range(4):
        expected = [(None, "One" if depth < 3 else "! decompression_limit")]
        assert outline(read(data, "a")) == expected
        data = gzip.compress(data)


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/passwd", "C:\\a", "..\\a", "\\\\host\\a", "a/.."])
def test_names_outside_the_archive_are_refused(name: str) -> None:
    for data in (zip_file((name, b"x"), ("b..c/d...txt", b"One")), tar_file((name, b"x"), ("b..c/d...txt", b"One"))):
        failure, neighbour = read(data, "a")
        assert error(failure)[0] == "unreadable"
        assert "path outside" in error(failure)[1]
        assert outline([neighbour]) == [("b..c/d...txt", "One")]


def test_encrypted_and_oddly_packed_members_of_a_zip() -> None:
    encrypted = bytearray(zip_file(("a", b"One")))
    for signature, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        encrypted[encrypted.index(signature) + place] |= 1
    assert error(read(bytes(encrypted), "a.zip")[0]) == ("unreadable", "the member is encrypted")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a", b"One")
    assert error(read(buffer.getvalue(), "a.zip")[0])[0] == "unsupported"


def test_a_tar_header_of_a_terabyte() -> None:
    info = tarfile.TarInfo("a")
    info.type, info.size = tarfile.XHDTYPE, 2**40
    (failure,) = read(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024), "a.tar")
    assert error(failure)[0] == "unreadable"
    negative = info.tobuf(tarfile.GNU_FORMAT)[:124] + b"\xff" * 12 + info.tobuf(tarfile.GNU_FORMAT)[136:]
    assert len(read(negative + bytes(1024), "a.tar")) == 1


def test_warc_headers_without_an_end() -> None:
    for data in (
        b"WARC/1.0\r\n" + b"A" * MIB,
        b"WARC/1.0\r\n" + b"A: b\r\n" * MIB,
        b"WARC/1.0\r\n\r\n",
        b"WARC/9\r\n\r\n",
    ):
        (failure,) = read(data, "a.warc")
        assert error(failure)[0] == "unreadable"
    before_and_after = read(response(b"a") + b"noise\r\n" + response(b"b"), "a.warc")
    assert [outcome for _, outcome in outline(before_and_after)] == ["a", "! unreadable"]


@pytest.mark.parametrize(
    ("data", "name", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(20), "a.html", "image/png"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "a.txt", "video/mp4"),
        (bytes(range(256)) * 64, "a.html", "application/octet-stream"),
        (b"<html>" + bytes(range(256)) * 64, "a.html", "application/octet-stream"),
        (b'<?xml version="1.0"?><rss/>', "a.html", "application/xml"),
    ],
)
def test_what_is_no_document_is_unsupported_by_its_type(data: bytes, name: str, media_type: str) -> None:
    (failure,) = read(data, name)
    assert error(failure) == ("unsupported", f"{media_type} is not read")


def test_a_message_is_short_and_without_controls() -> None:
    (failure,) = read(zip_file(("../" + "é\n" * 2000, b"x")), "a.zip")
    message = error(failure)[1]
    assert len(message.encode()) <= 1024
    assert message.isprintable()


TEN = json_lines(*({"text": f"word {number} " * 9} for number in range(10)))


def packed(kind: str) -> bytes:
    """Ten records with texts of 80 bytes."""
    if kind == "zip":
        return zip_file(("a.jsonl", TEN))
    if kind == "tar":
        return tar_file(("a.jsonl", TEN))
    if kind == "warc":
        return b"".join(response(f"word {number} ".encode() * 9) for number in range(10))
    if kind == "parquet":
        return parquet_file({"text": [f"word {number} " * 9 for number in range(10)]}, row_group_rows=2)
    return COMPRESSORS[kind](TEN)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst", "zip", "tar", "warc", "parquet"])
@given(share=st.floats(0, 1, exclude_max=True), flip=st.integers(0, 255))
def test_a_cut_or_damaged_file_yields_what_is_good(kind: str, share: float, flip: int) -> None:
    whole = packed(kind)
    place = max(8, int(share * len(whole)))  # in less there is no type to tell
    items = read(whole[:place], "a")
    good = [item for item in items if isinstance(item, RawRecord)]
    assert items
    assert all(item.content == f"word {number} ".encode() * 9 for number, item in enumerate(good))
    assert sum(isinstance(item, Quarantined) for item in items) <= 1
    assert read(whole[:place] + bytes([flip]) + whole[place + 1 :], "a")


def test_the_records_before_the_damage_come_out() -> None:
    rows = b"".join(
        json.dumps({"text": f"{number:x} {number * 7919 % 10007}"}).encode() + b"\n" for number in range(20_000)
    )
    for data in (
        gzip.compress(rows)[:-100],
        tar_file(("a.jsonl", rows))[:-15_000],
        gzip.compress(rows)[:-8] + bytes(8),
    ):
        items = read(data, "a")
        assert len(items) > 19_000
        assert [type(item) for item in items[-2:]] == [RawRecord, Quarantined]
        assert all(isinstance(item, RawRecord) for item in items[:-1])


NAMES = ["a", "a.html", "a.txt", "a.md", "a.jsonl", "a.json", "a.csv", "a.tsv", "a.eml", "a.gz", "a.zip", "a.tar"]
STARTS = [
    b"",
    b"\x1f\x8b\x08",
    b"BZh9",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"PK\3\4",
    b"PAR1",
    b"WARC/1.0\r\n",
    b"{",
    b"[",
]


@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=2000), name=st.sampled_from(NAMES))
@example(start=b'{"text":', rest=b'"a"}', name="a")
@example(start=b"text\n", rest=b'"', name="a.csv")
@example(start=b"WARC/1.0\r\nContent-Length: " + b"9" * 5000, rest=b"\r\n\r\n", name="a")
def test_any_bytes_under_any_name_yield_an_item(start: bytes, rest: bytes, name: str) -> None:
    items = read(start + rest, name)
    assert items
    assert items == read(start + rest, name)


@functools.cache
def mixed_rows() -> bytes:
    return json_lines({"text": "a"}) + b"bad\n" + json_lines({"text": None})


@given(st.permutations(["a.jsonl", "b.txt", "c.bin", "../d"]))
def test_numbers_count_every_item_once(names: list[str]) -> None:
    contents = {"a.jsonl": mixed_rows(), "b.txt": b"One", "c.bin": bytes(range(256)), "../d": b"x"}
    items = read(zip_file(*((name, contents[name]) for name in names)), "a.zip")
    assert len(items) == 6
    numbers = [item.number for item in items if isinstance(item, RawRecord)]
    assert numbers == [place for place, item in enumerate(items, 1) if isinstance(item, RawRecord)]
    ids = {item.doc_id for item in items if not isinstance(item, RawRecord)}
    assert len(ids) == 4
