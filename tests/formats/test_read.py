from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import io
import tarfile
import zlib

import brotli  # type: ignore[import-untyped]
import pytest

from schemas.records import Quarantined, RawRecord, Rejection, doc_id
from tests.formats.build import (
    COMPRESSORS,
    Pipe,
    json_lines,
    outline,
    parquet_file,
    read,
    response,
    tar_file,
    warc_record,
    zip_file,
)
from transforms.formats.read import Columns, InputFile, ReadLimits, read_records

MODIFIED = dt.datetime(2024, 5, 6, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("a.html", b"<!doctype html><p>One", "text/html"),
        ("a.xhtml", b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>', "application/xhtml+xml"),
        ("a.txt", b"One\r\n", "text/plain"),
        ("a.md", b"# One", "text/markdown"),
        ("a.eml", b"From: a@b\nSubject: One\n\nTwo", "message/rfc822"),
        ("a.pdf", b"%PDF-1.7\n", "application/pdf"),
        ("a.txt", "One".encode("utf-16"), "text/plain"),
    ],
)
def test_a_document_file_is_one_record_byte_for_byte(name: str, content: bytes, media_type: str) -> None:
    record = RawRecord(name, 1, content, media_type, source_modified_at=MODIFIED)
    assert read(content, name, modified_at=MODIFIED) == [record]


def test_a_docx_is_one_record_and_other_office_files_are_unsupported() -> None:
    docx = zip_file(("[Content_Types].xml", b"<a/>"), ("word/document.xml", b"<a/>"))
    late = zip_file(
        ("big.bin", bytes(range(256)) * 400), ("word/document.xml", b"<a/>"), ("[Content_Types].xml", b"<a/>")
    )
    for content in (docx, late):  # the second says so only in its directory
        (record,) = read(content, "a.docx")
        assert isinstance(record, RawRecord)
        assert record.content == content
        assert record.media_type.endswith("wordprocessingml.document")
    (failure,) = read(zip_file(("[Content_Types].xml", b"<a/>"), ("xl/workbook.xml", b"<a/>")), "a.docx")
    assert isinstance(failure, Quarantined)
    assert failure.error_class == "unsupported"
    assert "spreadsheetml" in failure.error_message


def test_json_lines() -> None:
    data = json_lines(
        {
            "id": "x",
            "Content": "One",
            "URL": "http://a/",
            "headline": " T ",
            "date": 2020,
            "authors": ["A", {"name": "B"}],
        },
        {"id": 7, "text": "<p>Two</p>"},
    )
    assert read(data, "a.jsonl") == [
        RawRecord(
            *("a.jsonl", 1, b"One", "text/plain", "x", "utf-8", 0),
            url="http://a/",
            title="T",
            authors=("A", "B"),
            published="2020",
        ),
        RawRecord("a.jsonl", 2, b"<p>Two</p>", "text/html", "7", "utf-8", data.index(b'{"id": 7')),
    ]


def test_columns_that_are_given_win_over_usual_names() -> None:
    data = json_lines({"text": "no", "Abstract": "yes", "key": "k", "when": "1999"})
    (record,) = read(data, "a.jsonl", columns=Columns(text="abstract", id="key", published="when"))
    assert isinstance(record, RawRecord)
    assert (record.content, record.member, record.published) == (b"yes", "k", "1999")


def test_a_bad_line_costs_itself_alone() -> None:
    data = (
        b'{"text":"a"}\n{"text":\n\n  \n[1]\n{"title":"x"}\n{"text":null}\n{"text":" "}\n{"text":["a"]}\n{"text":"b"}'
    )
    assert outline(read(data, "a.jsonl")) == [
        ("1", "a"),
        ("2", "! parse"),
        ("3", "! parse"),
        ("4", "! parse"),
        ("5", "! empty"),
        ("6", "! empty"),
        ("7", "! parse"),
        ("8", "b"),
    ]


def test_a_failure_says_where_it_is_and_what_it_looks_like() -> None:
    bad = b'{"text": oops}'
    items = read(b'{"text":"a"}\n' + bad + b"\n", "a.jsonl", modified_at=MODIFIED)
    failure = items[1]
    assert isinstance(failure, Quarantined)
    assert failure == Quarantined(
        doc_id=doc_id("a.jsonl", "2", 2),
        source_uri="a.jsonl",
        member="2",
        source_offset=13,
        source_length=len(bad),
        source_modified_at=MODIFIED,
        error_class="parse",
        error_type="JSONDecodeError",
        error_message="not JSON: Expecting value: line 1 column 10 (char 9)",
        stage="read",
        raw_prefix=bad,
    )


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks(newline: bytes, mark: bytes) -> None:
    rows = mark + newline.join([b'{"text":"a"}', b"", b'{"text":"b"}', b""])
    assert outline(read(rows, "a.jsonl")) == [("1", "a"), ("2", "b")]
    table = mark + newline.join([b"text,id", b"a,x", b"", b"b,y", b""])
    assert outline(read(table, "a.csv")) == [("x", "a"), ("y", "b")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_tables_in_wide_encodings(encoding: str) -> None:
    assert outline(read("id\ttext\nx\tënë\n".encode(encoding), "a.tsv")) == [("x", "ënë")]
    assert outline(read('{"text": "ënë"}\n'.encode(encoding), "a.jsonl")) == [("1", "ënë")]


def test_bytes_that_are_not_utf8_are_handed_on_undecoded() -> None:
    for name, data in [
        ("a.jsonl", '{"text":"Käse"}\n{"text":"ok"}\n'.encode("latin-1")),
        ("a.csv", "id,text\n1,Käse\n2,ok\n".encode("latin-1")),
    ]:
        first, second = read(data, name)
        assert isinstance(first, RawRecord)
        assert isinstance(second, RawRecord)
        assert (first.content, first.charset) == ("Käse".encode("latin-1"), None)
        assert (second.content, second.charset) == (b"ok", "utf-8")


def test_json_files() -> None:
    assert outline(read(b'{\n  "text": "a",\n  "id": "x"\n}', "a.json")) == [("x", "a")]
    assert outline(read(b'[{"text": "a"},\n 5, {"text": "b", "id": "y"}]', "a.json")) == [
        ("1", "a"),
        ("2", "! parse"),
        ("y", "b"),
    ]
    assert outline(read(b'[{"text": "a"}', "a.json")) == [(None, "! parse")]
    assert outline(read(b"[]", "a.json")) == [(None, "! empty")]


def test_csv() -> None:
    data = b'id,Body,title,link\n1,"a ""b"",\nc",T,http://a/\n\n2,<p>d</p>,,\n'
    assert read(data, "a.csv") == [
        RawRecord("a.csv", 1, b'a "b",\nc', "text/plain", "1", "utf-8", 19, url="http://a/", title="T"),
        RawRecord("a.csv", 2, b"<p>d</p>", "text/html", "2", "utf-8", data.index(b"2,")),
    ]


def test_csv_delimiter_is_the_one_of_the_header() -> None:
    assert outline(read(b"id;text\n1;a, b\n", "a.csv")) == [("1", "a, b")]
    assert outline(read(b"text\none\n", "a.csv")) == [("1", "one")]


def test_bad_rows_of_csv() -> None:
    data = b'id,text\n1,a\n2,b,c\n3\n4,d\n5,"open\n6,e\n'
    assert outline(read(data, "a.csv")) == [
        ("1", "a"),
        ("2", "! parse"),
        ("3", "! parse"),
        ("4", "d"),
        ("5", "! parse"),
    ]


@pytest.mark.parametrize("data", [b"a,b\n1,2\n", b'a,"b\n'])
def test_csv_without_a_text_column(data: bytes) -> None:
    (failure,) = read(data, "a.csv")
    assert isinstance(failure, Quarantined)
    assert (failure.member, failure.error_class) == (None, "parse")
    assert "no column with a usual name for text; the columns are: a, b" in failure.error_message


def test_parquet() -> None:
    columns = {
        "id": ["x", None, "z"],
        "text": ["<p>a</p>", "", "b"],
        "date": [dt.date(2020, 1, 2), None, None],
        "author": [["A", "B"], None, None],
        "unused": [1, 2, 3],
    }
    first, second, third = read(parquet_file(columns), "a")
    assert first == RawRecord(
        "a", 1, b"<p>a</p>", "text/html", "x", "utf-8", authors=("A", "B"), published="2020-01-02"
    )
    assert isinstance(second, Rejection)
    assert outline([second, third]) == [("2", "! empty"), ("z", "b")]


def test_parquet_of_bytes_and_of_many_groups() -> None:
    data = parquet_file({"text": [b"caf\xe9", b"<html>"] * 100}, row_group_rows=3)
    items = read(data, "a.parquet")
    assert len(items) == 200
    first, second = items[:2]
    assert isinstance(first, RawRecord)
    assert isinstance(second, RawRecord)
    assert (first.content, first.charset) == (b"caf\xe9", None)
    assert second.media_type == "text/html"
    assert outline(read(parquet_file({"n": [1]}), "a")) == [(None, "! parse")]
    assert outline(read(parquet_file({"text": []}), "a")) == [(None, "! empty")]


PAGE = b"<html><p>One</p></html>"


def test_warc() -> None:
    records = [
        warc_record("warcinfo", b"software: x"),
        warc_record("request", b"GET / HTTP/1.1\r\n\r\n"),
        response(PAGE, "Content-Type: text/html; charset=ISO-8859-1", id_="<urn:x:2>"),
        response(b"gone", status="404 Not Found"),
        response(b"\x89PNG\r\n\x1a\n" + bytes(20), "Content-Type: text/html"),
        response(b"p {}", "Content-Type: text/css"),
        response(b""),
        warc_record("revisit", b"HTTP/1.1 200 OK\r\n\r\n"),
        warc_record("resource", b"Two", "Content-Type: text/plain"),
        warc_record("conversion", b"Three", "Content-Type: text/plain", "WARC-Target-URI: http://b.example/"),
    ]
    starts = [sum(map(len, records[:number])) for number in range(len(records))]
    for pack in (bytes, gzip.compress):
        packed = [pack(record) for record in records]
        items = read(b"".join(packed), "a.warc")
        starts = [sum(map(len, packed[:number])) for number in range(len(packed))]
        assert outline(items) == [
            ("urn:x:2", PAGE.decode()),
            ("urn:x:1", "! http_error"),
            ("urn:x:1", "! not_a_document"),
            ("urn:x:1", "! not_a_document"),
            ("urn:x:1", "! empty"),
            ("urn:x:1", "Two"),
            ("urn:x:1", "Three"),
        ]
        assert [item.source_offset for item in items] == [*starts[2:7], *starts[8:]]
        page, missing, *_, text = items
        assert isinstance(page, RawRecord)
        assert (page.media_type, page.charset, page.url) == ("text/html", "iso-8859-1", "http://a.example/")
        assert isinstance(missing, Rejection)
        assert missing.detail == "HTTP status 404 Not Found"
        assert isinstance(text, RawRecord)
        assert text.url == "http://b.example/"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(PAGE), ["Content-Encoding: gzip"]),
        (zlib.compress(PAGE), ["Content-Encoding: deflate"]),
        (zlib.compress(PAGE)[2:-4], ["Content-Encoding: deflate"]),
        (brotli.compress(PAGE), ["Content-Encoding: br"]),
        (b"17\r\n" + PAGE + b"\r\n0\r\n\r\n", ["Transfer-Encoding: chunked"]),
        (PAGE, ["Content-Encoding: gzip"]),  # undone by the crawler
    ],
)
def test_http_codings_are_undone(body: bytes, headers: list[str]) -> None:
    assert outline(read(response(body, *headers), "a.warc")) == [("urn:x:1", PAGE.decode())]


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_a_compressed_file_is_what_is_in_it(suffix: str) -> None:
    pack = COMPRESSORS[suffix]
    assert read(pack(b"# One"), f"a.md.{suffix}") == [RawRecord(f"a.md.{suffix}", 1, b"# One", "text/markdown")]
    assert outline(read(pack(json_lines({"id": "x", "text": "a"})), f"a.jsonl.{suffix}")) == [("x", "a")]
    assert outline(read(pack(b"One, ") + pack(b"two"), "a")) == [(None, "One, two")]
    assert outline(read(pack(parquet_file({"text": ["a"]})), "a")) == [("1", "a")]


def test_archives() -> None:
    members = [("d/a.txt", b"One"), ("b.jsonl", json_lines({"id": "x", "text": "a"}, {"text": "b"})), ("c.txt", b"")]
    expected = [("d/a.txt", "One"), ("b.jsonl#x", "a"), ("b.jsonl#3", "b"), ("c.txt", "! empty")]
    assert outline(read(zip_file(("d/", b""), *members), "a.zip")) == expected
    assert outline(read(tar_file(*members), "a.tar")) == expected
    assert outline(read(gzip.compress(tar_file(*members)), "a.tgz")) == expected
    nested = [(f"in.zip/{member}", text) for member, text in expected]
    assert outline(read(tar_file(("in.zip", zip_file(*members))), "a")) == nested
    assert outline(read(zip_file(("a.txt.gz", gzip.compress(b"One"))), "a")) == [("a.txt.gz", "One")]


def test_equal_names_in_an_archive_are_told_apart_by_their_number() -> None:
    items = read(tar_file(("a.txt", b"One"), ("a.txt", b"Two")), "a.tar")
    assert [isinstance(item, RawRecord) and item.number for item in items] == [1, 2]


def test_a_stream_need_not_seek() -> None:
    rows = json_lines({"text": "a"})
    for data in (rows, zip_file(("a.jsonl", rows)), tar_file(("a.jsonl", rows)), parquet_file({"text": ["a"]})):
        seeking = read(data)
        pipe = read_records(Pipe(data), InputFile("file"), ReadLimits(), Columns())  # type: ignore[arg-type]
        assert list(pipe) == seeking
        assert outline(seeking)[-1][1] == "a"


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


LINKS = tar_file(extra=[link("d", tarfile.DIRTYPE), link("s", tarfile.SYMTYPE), link("c", tarfile.CHRTYPE)])


@pytest.mark.parametrize("data", [b"", b"\n \n", gzip.compress(b""), zip_file(), LINKS, b"\xef\xbb\xbf"])
def test_a_file_without_a_record_is_rejected_as_empty(data: bytes) -> None:
    (rejection,) = read(data, "a.jsonl")
    assert isinstance(rejection, Rejection)
    assert (rejection.member, rejection.reason, rejection.stage) == (None, "empty", "read")


def test_a_rejected_file_is_identified_by_its_bytes() -> None:
    (rejection,) = read(b" \n", "a.txt")
    assert isinstance(rejection, Rejection)
    assert (rejection.source_sha256, rejection.source_length) == (hashlib.sha256(b" \n").hexdigest(), 2)


def test_a_failing_file_system_is_not_a_bad_input() -> None:
    class Failing(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        list(read_records(Failing(b"x"), InputFile("file"), ReadLimits(), Columns()))


def test_limits_refuse_what_reads_nothing() -> None:
    with pytest.raises(ValueError, match="max_record_bytes is 0"):
        ReadLimits(max_record_bytes=0)
