from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from transforms.formats import sniff

CASES = [
    # (label, head, name, media type)
    ("nothing", b"", "a.html", sniff.EMPTY),
    ("a page", b"<!DOCTYPE html>\n<html><p>One</p></html>", "a", sniff.HTML),
    ("a page under another name", b"<html><body>One</body></html>", "a.txt", sniff.HTML),
    ("a page after a comment", b"<!-- saved -->\n<html>", "a", sniff.HTML),
    ("a piece of a page", b"  <p class=x>One</p>", "a", sniff.HTML),
    ("a page with a zero byte", b"<html><p>One \0 two, three and four</p></html>", "a.html", sniff.HTML),
    ("a page in UTF-16 with a mark", "<html>ëç</html>".encode("utf-16"), "a", sniff.HTML),
    ("a page in UTF-16 without", "<html><p>One</p></html>".encode("utf-16-le"), "a", sniff.HTML),
    ("the same, high byte first", "<html><p>One</p></html>".encode("utf-16-be"), "a", sniff.HTML),
    ("text in UTF-32", "Ünë\n".encode("utf-32"), "a", sniff.PLAIN),
    ("XHTML", b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml">', "a", sniff.XHTML),
    ("XML", b'<?xml version="1.0"?><rss version="2.0"/>', "a.html", "application/xml"),
    ("SVG", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "a", "image/svg+xml"),
    ("text", b"Only words.", "a", sniff.PLAIN),
    ("text in Latin-1", "Käse für alle".encode("latin-1"), "a.txt", sniff.PLAIN),
    ("text that opens with a smaller-than", b"<3 and other signs", "a", sniff.PLAIN),
    ("text on JSON", b"{see below} and [1]", "a.txt", sniff.PLAIN),
    ("text on PDF", b"A file starts with %PDF-1.7 then.", "a.txt", sniff.PLAIN),
    ("text with headings like a mail", b"From: the editor\nDate: today\n\nWords.", "a.txt", sniff.PLAIN),
    ("Markdown", b"# One\n", "a.md", sniff.MARKDOWN),
    ("Markdown that opens with a tag", b'<p align="center">One</p>\n\n# Two', "README.md", sniff.MARKDOWN),
    ("a page under a Markdown name", b"<!doctype html><p>One", "a.md", sniff.HTML),
    ("a mail", b"Received: by x\r\nFrom: a@b\r\nSubject: c\r\n d\r\n\r\nHello", "a", sniff.EMAIL),
    ("a mail by name", b"Subject: c\n\nHello", "a.eml", sniff.EMAIL),
    ("PDF", b"%PDF-1.7\n\x93\x8c", "a.html", sniff.PDF),
    ("JSON Lines", b'{"text": "a"}\n{"text": "b"}\n', "a", sniff.JSON_LINES),
    ("JSON Lines with a bad first line", b'{"text": "a\n{"text": "b"}\n', "a.json", sniff.JSON_LINES),
    ("JSON Lines of one long line", b'{"text": "' + b"a" * sniff.HEAD_BYTES, "a.json", sniff.JSON_LINES),
    ("an object", b'{\n  "text": "a"\n}', "a", sniff.JSON),
    ("an array", b'[{"text": "a"}]', "a.txt", sniff.JSON),
    ("CSV", b"id,text\n1,a\n", "a.CSV", sniff.CSV),
    ("TSV", b"id\ttext\n", "a.tsv", sniff.TSV),
    ("a page under a CSV name", b"<!doctype html><p>404", "a.csv", sniff.HTML),
    ("Parquet", b"PAR1\x15\x04", "a", sniff.PARQUET),
    ("WARC", b"WARC/1.0\r\n", "a.gz", sniff.WARC),
    ("gzip", gzip.compress(b"a"), "a.html", "application/gzip"),
    ("an old tar, without the mark of newer ones", None, "a", sniff.TAR),
    ("an image", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0", "a.html", "image/png"),
    ("a program", b"\x7fELF\2\1\1" + bytes(57), "a.txt", sniff.UNKNOWN),
    ("a film", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "a.html", "video/mp4"),
    ("bytes", bytes(range(256)) * 4, "a.html", sniff.UNKNOWN),
    ("rich text", b"{\\rtf1 One}", "a.txt", "application/rtf"),
    ("a style sheet", b"p { color: red }", "a.css", "text/css"),
]


def old_tar() -> bytes:
    header = bytearray(512)
    header[:5], header[100:107], header[124:135] = b"a.txt", b"0000644", b"00000000001"
    header[148:156] = b" " * 8
    header[148:155] = b"%06o\0" % sum(header)
    return bytes(header) + b"a".ljust(512, b"\0")


@pytest.mark.parametrize(("head", "name", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_type_by_content_first_and_name_second(head: bytes | None, name: str, expected: str) -> None:
    assert sniff.sniff(old_tar() if head is None else head, name) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["a.txt"], sniff.ZIP),
        (["[Content_Types].xml", "word/document.xml"], sniff.DOCX),
        (
            ["[Content_Types].xml", "xl/workbook.xml"],
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        (["word/document.xml"], sniff.ZIP),
    ],
)
def test_zip_files_are_what_their_parts_say(parts: list[str], expected: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for part in parts:
            archive.writestr(part, "x")
    assert sniff.sniff(buffer.getvalue(), "a.zip") == expected


def test_an_epub_names_its_own_type() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("a.xhtml", "x")
    assert sniff.sniff(buffer.getvalue(), "a.zip") == "application/epub+zip"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<div>One</div>", sniff.HTML),
        ("One.</p>\n<p>Two.</p>", sniff.HTML),
        ("if a < b and c > d then <p> is a tag", sniff.PLAIN),
        ("", sniff.PLAIN),
    ],
)
def test_text_is_html_only_when_it_clearly_is(text: str, expected: str) -> None:
    assert sniff.sniff_text(text) == expected
