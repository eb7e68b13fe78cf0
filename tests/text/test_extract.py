"""Every format to text and metadata, by media type; hints of the container; files made to do harm."""

from __future__ import annotations

import datetime as dt
import io
import sys
import zipfile
from email.message import EmailMessage
from typing import Any

import docx
import pypdf
import pytest

from schemas.records import InputError, MetadataSources, RawRecord
from transforms.text import office
from transforms.text.extract import Extraction, extract
from transforms.text.extraction import author_names, parse_date

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
BODY = "Breshëri ra mbi vreshtat e fshatit.\n\nFshatarët dolën me fenerë për të parë dëmin."


def record(content: bytes | str, media_type: str = "text/plain", **hints: Any) -> RawRecord:
    raw = content.encode() if isinstance(content, str) else content
    return RawRecord(source_uri="in/a", number=1, content=raw, media_type=media_type, **hints)


def failure(content: bytes | str, media_type: str) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        extract(record(content, media_type))
    return caught.value.error_class, caught.value.stage


def test_plain_text_stays_as_it_is() -> None:
    text = "\n  Title\n\nhard wrapped\nlines\n"
    assert extract(record(text)) == Extraction(text, "plain", charset="utf-8")


def test_the_carriers_charset_is_heard() -> None:
    assert extract(record("Žuč".encode("cp1250"), charset="windows-1250")) == Extraction(
        "Žuč", "plain", charset="windows-1250"
    )


def test_html_in_its_own_charset() -> None:
    page = '<html><head><meta charset="windows-1250"><title>Žuč</title></head><body><p>Čaša žuči.</p></body></html>'
    found = extract(record(page.encode("cp1250"), "text/html"))
    assert (found.text, found.title, found.charset) == ("Čaša žuči.", "Žuč", "windows-1250")
    assert extract(record(page.encode("cp1250"), "application/xhtml+xml")) == found


def test_hints_of_the_container_win() -> None:
    page = (
        "<html><head><title>Theirs</title><meta name=author content='Ana Kola'></head><body><p>Text.</p></body></html>"
    )
    hints = {"title": " Ours\n", "url": "https://a.example/1", "authors": ("Bo Ek",), "published": "2020-02-29"}
    found = extract(record(page, "text/html", **hints))
    assert (found.title, found.url, found.authors) == ("Ours", "https://a.example/1", ("Bo Ek",))
    assert found.published_date == dt.date(2020, 2, 29)
    assert extract(record(page, "text/html", title=" ", published="soon")).title == "Theirs"


def test_values_of_the_container_say_so_and_the_others_where_they_were_read() -> None:
    page = "<html><head><title>Theirs</title><meta name='author' content='Bo Ek'></head><body><p>x</p></body></html>"
    given = extract(record(page, "text/html", title="Ours", url="https://example.org/a", published="2019-06-01"))
    assert given.sources == MetadataSources(
        title="container:title", url="container:url", authors="meta:author", published_date="container:published"
    )
    assert extract(record(page, "text/html", authors=("Ana Kola",))).sources.authors == "container:authors"
    assert extract(record("# Hail\n\nIt was loud.", "text/markdown")).sources.title == "markdown:heading"


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("May 7, 2023", dt.date(2023, 5, 7)),
        ("02.05.2023", dt.date(2023, 5, 2)),
        ("31/12/2023", dt.date(2023, 12, 31)),
        ("03/05/2023", None),
        ("before 7 May 2023", None),
        ("2023-13-45", None),
    ],
)
def test_a_date_of_the_container_may_be_written_as_people_do(written: str, day: dt.date | None) -> None:
    assert extract(record("Hail in May", "text/plain", published=written)).published_date == day


def test_an_unknown_media_type_is_unsupported() -> None:
    assert failure("GIF89a", "image/gif") == ("unsupported", "extract")


# Markdown

FRONT_MATTER = [  # front matter, and what it says
    ("---\ntitle: Hail\nauthor: Ana Kola\ndate: 2021-06-01\ntags: [wine, weather]\n---\n", ("Ana Kola",)),
    ("---\r\ntitle: Hail\nauthors:\n  - name: Ana Kola\n  - Bo Ek\ndate: 2021-06-01T10:00Z\ntags: wine,weather\n---\n",
     ("Ana Kola", "Bo Ek")),
    ('+++\ntitle = "Hail"\nauthor = "Ana Kola"\ndate = 2021-06-01\ntags = ["wine", "weather"]\n+++\n', ("Ana Kola",)),
]  # fmt: skip


@pytest.mark.parametrize(("head", "authors"), FRONT_MATTER)
def test_front_matter_is_read_and_cut(head: str, authors: tuple[str, ...]) -> None:
    assert extract(record(f"{head}# Another\n\n{BODY}", "text/markdown")) == Extraction(
        text=f"# Another\n\n{BODY}",
        extractor="markdown",
        charset="utf-8",
        title="Hail",
        authors=authors,
        published_date=dt.date(2021, 6, 1),
        tags=("wine", "weather"),
        sources=MetadataSources(
            title="front-matter:title",
            authors="front-matter:author",
            published_date="front-matter:date",
            tags="front-matter:tags",
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        "---\nA line between rules\n---\nis no mapping.",
        "---\n: [broken\n---\nText.",
        "---\ndate: 2021-13-45\n---\nText.",
        "+++\nbroken =\n+++\nText.",
        "---\ntitle: never closed\n\nText.",
        "---\n" + "[" * 5000 + "\n---\nText.",
    ],
)
def test_what_is_no_front_matter_stays(text: str) -> None:
    assert extract(record(text, "text/markdown")).text == text


def test_an_alias_bomb_in_front_matter_does_not_unfold() -> None:
    bomb = "a0: &a0 [x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    found = extract(record(f"---\n{bomb}tags: *a29\ntitle: *a29\n---\nText.", "text/markdown"))
    assert (found.text, found.tags, found.title) == ("Text.", (), None)


HEADINGS = [
    ("# The *first* [heading](x.md) #\n\n# Second", "The first heading"),
    ("Intro\n\nSetext\n======\n\n# Later", "Setext"),
    ("```sh\n# a comment\n```\n# Real", "Real"),
    ("## Only a section\n#hashtag", None),
]


@pytest.mark.parametrize(("text", "title"), HEADINGS)
def test_the_first_heading_is_the_title(text: str, title: str | None) -> None:
    assert extract(record(text, "text/markdown")).title == title


# E-mail


def message(**headers: str) -> EmailMessage:
    mail = EmailMessage()
    fixed = {"Subject": "Breshëri në fshat", "From": "Ana Kola <ana@fshati.example>", "To": "b@c.example"}
    for name, value in (fixed | {"Date": "Sat, 01 Jun 2019 23:30:00 +0200"} | headers).items():
        mail[name] = value
    return mail


def test_a_message_with_both_bodies_gives_the_plain_one() -> None:
    mail = message()
    mail.set_content(BODY, charset="iso-8859-1")
    mail.add_alternative("<html><body><p>Other</p></body></html>", subtype="html")
    mail.add_attachment(b"not this", maintype="text", subtype="plain", filename="a.txt")
    assert extract(record(mail.as_bytes(), "message/rfc822")) == Extraction(
        text=BODY + "\n",
        extractor="eml:plain",
        charset="windows-1252",
        title="Breshëri në fshat",
        authors=("Ana Kola",),
        published_date=dt.date(2019, 6, 1),
        sources=MetadataSources(title="mail:subject", authors="mail:from", published_date="mail:date"),
    )


def test_a_message_in_html_alone_goes_through_html() -> None:
    mail = message()
    mail.set_content("<html><body><p>Breshëri ra mbrëmë.</p></body></html>", subtype="html")
    found = extract(record(mail.as_bytes(), "message/rfc822"))
    assert (found.text, found.extractor, found.title) == (
        "Breshëri ra mbrëmë.",
        "eml:html-blocks:page",
        "Breshëri në fshat",
    )


def test_an_empty_plain_body_gives_way_to_html() -> None:
    mail = message()
    mail.set_content("\n")
    mail.add_alternative("<html><body><p>Here.</p></body></html>", subtype="html")
    assert extract(record(mail.as_bytes(), "message/rfc822")).text == "Here."


def test_a_message_of_attachments_has_no_text() -> None:
    mail = message(From="ana@fshati.example", Date="yesterday")
    mail.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="a.pdf")
    found = extract(record(mail.as_bytes(), "message/rfc822"))
    assert found == Extraction("", "eml", title="Breshëri në fshat", sources=MetadataSources(title="mail:subject"))


def test_eight_bit_bodies_and_broken_headers_are_read() -> None:
    raw = b"Subject: =?utf-8?q?Hail?=\r\nFrom: =?x?y?\r\nDate: \r\nContent-Type: text/plain; charset=nonsense\r\n\r\n"
    found = extract(record(raw + BODY.encode(), "message/rfc822"))
    assert (found.text, found.title, found.charset, found.published_date) == (BODY, "Hail", "utf-8", None)


def test_parts_nested_without_end_are_refused_or_empty() -> None:
    raw = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3000))
    try:
        found = extract(record(raw, "message/rfc822"))
    except InputError as error:
        assert error.error_class == "parse"  # noqa: PT017 - which of the two is the parser's choice
    else:
        assert found.text == ""


# PDF


def pdf(*pages: str, about: dict[str, str] | None = None) -> pypdf.PdfWriter:
    """A PDF that shows one line a page."""
    writer = pypdf.PdfWriter()
    font = pypdf.generic.DictionaryObject(
        {
            pypdf.generic.NameObject("/Type"): pypdf.generic.NameObject("/Font"),
            pypdf.generic.NameObject("/Subtype"): pypdf.generic.NameObject("/Type1"),
            pypdf.generic.NameObject("/BaseFont"): pypdf.generic.NameObject("/Helvetica"),
        }
    )
    for text in pages:
        page = writer.add_blank_page(200, 200)
        stream = pypdf.generic.DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 10 100 Td ({text}) Tj ET".encode())
        page[pypdf.generic.NameObject("/Contents")] = writer._add_object(stream)
        fonts = pypdf.generic.DictionaryObject({pypdf.generic.NameObject("/F1"): font})
        page[pypdf.generic.NameObject("/Resources")] = pypdf.generic.DictionaryObject(
            {pypdf.generic.NameObject("/Font"): fonts}
        )
    writer.add_metadata(about or {})
    return writer


def written(writer: pypdf.PdfWriter) -> bytes:
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_a_pdf_gives_its_pages_and_its_information() -> None:
    about = {
        "/Title": "Microsoft Word - Hail",
        "/Author": "Ana Kola; Bo Ek",
        "/CreationDate": "D:20190601233000+02'00'",
    }
    found = extract(record(written(pdf("Hail fell.", "", "It was loud.", about=about)), "application/pdf"))
    assert found == Extraction(
        text="Hail fell.\n\nIt was loud.",
        extractor="pdf:pypdf",
        title="Hail",
        authors=("Ana Kola", "Bo Ek"),
        published_date=dt.date(2019, 6, 1),
        sources=MetadataSources(title="pdf:info", authors="pdf:info", published_date="pdf:info"),
    )


@pytest.mark.parametrize("title", ["untitled", "report_v3.docx", "Document1", " "])
def test_a_title_by_default_is_no_title(title: str) -> None:
    assert extract(record(written(pdf("x", about={"/Title": title})), "application/pdf")).title is None


def test_a_pdf_with_a_password_is_unreadable_and_one_without_is_read() -> None:
    locked, open_to_all = pdf("Secret"), pdf("Public")
    locked.encrypt("sesame", algorithm="RC4-128")
    open_to_all.encrypt("", "owner", algorithm="RC4-128")
    assert failure(written(locked), "application/pdf") == ("unreadable", "extract")
    assert extract(record(written(open_to_all), "application/pdf")).text == "Public"


def test_a_broken_pdf_fails_to_parse() -> None:
    assert failure(b"%PDF-1.7\nnothing of the kind", "application/pdf") == ("parse", "extract")


# Word


def word(**about: Any) -> bytes:
    document = docx.Document()
    document.add_heading("Hail", 1)
    document.add_paragraph("Hail fell on the vines.")
    table = document.add_table(2, 3)
    for cell, text in zip((c for row in table.rows for c in row.cells), ["a", "b", "b", "d", "e", "f"], strict=True):
        cell.text = text
    table.cell(1, 0).merge(table.cell(1, 1))
    document.add_paragraph("It was loud.", style="List Bullet")
    for name, value in about.items():
        setattr(document.core_properties, name, value)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def test_a_word_document_gives_paragraphs_and_tables_in_order() -> None:
    content = word(title="Hail", author="Ana Kola", created=dt.datetime(2019, 6, 1, 23, 30, tzinfo=dt.UTC))
    assert extract(record(content, DOCX)) == Extraction(
        text="Hail\nHail fell on the vines.\na | b | b\nd e | f\nIt was loud.",
        extractor="docx:python-docx",
        title="Hail",
        authors=("Ana Kola",),
        published_date=dt.date(2019, 6, 1),
        sources=MetadataSources(title="docx:core", authors="docx:core", published_date="docx:core"),
    )


def test_a_word_document_that_unpacks_to_too_much_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(office, "MAX_UNCOMPRESSED_BYTES", 100_000)
    buffer = io.BytesIO(word())
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/media/bomb.bin", bytes(100_000))
    assert failure(buffer.getvalue(), DOCX) == ("decompression_limit", "extract")


@pytest.mark.parametrize("content", [b"PK\x03\x04 cut short", b"", word()[:2000]])
def test_a_broken_word_document_fails_to_parse(content: bytes) -> None:
    assert failure(content, DOCX) == ("parse", "extract")


@pytest.mark.parametrize(("library", "media_type"), [("pypdf", "application/pdf"), ("docx", DOCX)])
def test_without_the_extra_the_format_is_unsupported(
    monkeypatch: pytest.MonkeyPatch, library: str, media_type: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=r"install millstream\[office\]") as caught:
        extract(record(b"x", media_type))
    assert caught.value.error_class == "unsupported"


# Dates and names


DATES = [
    ("2024-03-21", (2024, 3, 21)),
    ("2024/03/21 10:15", (2024, 3, 21)),
    ("20240321", (2024, 3, 21)),
    ("2024-03-21T23:30:00-08:00", (2024, 3, 21)),
    ("Thu, 21 Mar 2024 10:15:00 GMT", (2024, 3, 21)),
    ("D:20240321101500Z", (2024, 3, 21)),
    ("1711015200", (2024, 3, 21)),
    ("1711015200123", (2024, 3, 21)),
    (dt.datetime(2024, 3, 21, 1, tzinfo=dt.UTC), (2024, 3, 21)),
]
NO_DATES = ["", None, "soon", "03/04/2024", "2024-02-30", "1601-01-01", "0001-01-01T00:00:00", "2024", "99999999999999"]


@pytest.mark.parametrize(("value", "day"), DATES)
def test_dates_as_machines_write_them(value: object, day: tuple[int, int, int]) -> None:
    assert parse_date(value) == dt.date(*day)


@pytest.mark.parametrize("value", NO_DATES)
def test_what_names_no_day_is_none(value: object) -> None:
    assert parse_date(value) is None


NAMES = [
    (["By Ana Kola"], ("Ana Kola",)),
    (["Author: Ana Kola; Ana Kola\nBo Ek"], ("Ana Kola", "Bo Ek")),
    (["von der Leyen", "Di Marco", "J.R. Smith", "AFP/dpa"], ("von der Leyen", "Di Marco", "J.R. Smith", "AFP/dpa")),
    (["ana@a.example", "@ana", "www.a.example", "a.example", "https://a.example", "x" * 200, "user1234"], ()),
]  # fmt: skip


@pytest.mark.parametrize(("values", "names"), NAMES)
def test_author_names(values: list[str], names: tuple[str, ...]) -> None:
    assert author_names(values) == names
