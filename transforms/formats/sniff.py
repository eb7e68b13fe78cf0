"""What a file is, told from its first bytes."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Callable

import puremagic

HEAD_BYTES = 16 * 1024
"""How much of a file is enough to tell what it is."""

EMPTY = "application/x-empty"
HTML = "text/html"
XHTML = "application/xhtml+xml"
PLAIN = "text/plain"
MARKDOWN = "text/markdown"
EMAIL = "message/rfc822"
PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
JSON = "application/json"
JSON_LINES = "application/x-ndjson"
CSV = "text/csv"
TSV = "text/tab-separated-values"
PARQUET = "application/vnd.apache.parquet"
WARC = "application/warc"
ZIP = "application/zip"
TAR = "application/x-tar"
UNKNOWN = "application/octet-stream"

_SIGNATURES = (
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"PAR1", PARQUET),
    (b"WARC/", WARC),
    (b"{\\rtf", "application/rtf"),
    (b"%!PS", "application/postscript"),
    (b"filedesc://", "application/x-internet-archive"),
)
_TOLD_TYPES = frozenset({XHTML, EMAIL, PDF, DOCX, JSON, PARQUET, WARC, ZIP, TAR, *(kind for _, kind in _SIGNATURES)})
_OFFICE_PARTS = (
    ("word/document.xml", DOCX),
    ("xl/workbook.xml", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("ppt/presentation.xml", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("META-INF/MANIFEST.MF", "application/java-archive"),
)
# The first that fits wins: UTF-32 LE starts with the mark of UTF-16 LE.
BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_SUFFIXES = {
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".shtml": HTML,
    ".csv": CSV,
    ".tsv": TSV,
    ".tab": TSV,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".json": JSON,
    ".eml": EMAIL,
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".xml": "application/xml",
}
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\b\x1b")) + b"\x7f"
_PROLOGUE = re.compile(r"(?:\s++|<!--.*?-->|<\?.*?\?>)*+", re.DOTALL)
_HTML_ROOT = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
# The tags by which browsers recognise a page (WHATWG MIME Sniffing, 7.1), and the commonest that came after that list.
_HTML_TAG = re.compile(
    r"<(?:script|iframe|h[1-6]|div|font|table|a|style|title|b|br|p|article|section|main|header|nav|span|ul|ol|meta|link"
    r"|img|center|blockquote|figure|strong|em|i)(?=[\s/>])",
    re.IGNORECASE,
)
_HTML_BLOCK_END = re.compile(r"</(?:p|div|table|ul|ol|h[1-6]|article|section|blockquote|body|html)\s*>", re.IGNORECASE)
_JSON_OBJECT = re.compile(r'\{\s*(?:"(?:[^"\\]|\\.)*+"\s*:|\}|\Z)')
_JSON_ARRAY = re.compile(r'\[\s*(?:\{\s*"|\])')
_PDF_HEADER = re.compile(rb"(?:\A|[\r\n])%PDF-\d")  # readers allow other bytes before it
_XML_ROOT = re.compile(r"<[\w:.-]+[^>]*\sxmlns", re.ASCII)
_MAIL_LINE = re.compile(r"[!-9;-~]+:|[ \t]")
_MAIL_MARKS = {"message-id", "received", "mime-version", "return-path"}


def sniff(head: bytes, name: str) -> str:
    """The media type of a file, by the first `HEAD_BYTES` of it and then by its name.

    IANA's types, and where IANA has none the usual private ones: application/x-ndjson, x-tar, x-bzip2, x-xz, and
    application/x-empty for no bytes at all. What is neither text nor known is application/octet-stream.

    >>> sniff(b"<!doctype html><title>A page</title>", "page.txt")
    'text/html'
    >>> sniff(b"Only words.", "words.md")
    'text/markdown'
    """
    if not head:
        return EMPTY
    for signature, media_type in _SIGNATURES:
        if head.startswith(signature):
            return media_type
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return _zip_type(head)
    if _PDF_HEADER.search(head, 0, 1024):
        return PDF
    if _is_tar(head):
        return TAR
    text = _text_of(head)
    if text is not None:
        return _type_of_text(text.removeprefix("\ufeff").lstrip(), pathlib.PurePath(name).suffix.lower())
    return _type_of_binary(head)


def sniff_text(text: str) -> str:
    """The media type of the text of a record: text/html when it clearly is markup, else text/plain.

    >>> sniff_text("<p>One.</p>"), sniff_text("a < b, and b > c")
    ('text/html', 'text/plain')
    """
    head = text[:HEAD_BYTES]
    if "<" not in head:
        return PLAIN
    body = head[_end_of_prologue(head) :]
    return HTML if _HTML_ROOT.match(body) or _HTML_TAG.match(body) or len(_HTML_BLOCK_END.findall(head)) > 1 else PLAIN


def office_type(has_part: Callable[[str], bool]) -> str:
    """What a zip file is by the parts in it: an office document, a Java archive, or just application/zip."""
    for part, media_type in _OFFICE_PARTS:
        if has_part(part) and (part.startswith("META-INF") or has_part("[Content_Types].xml")):
            return media_type
    return ZIP


def wide_encoding(head: bytes) -> str | None:
    """utf-16-le, utf-16-be, utf-32-le or utf-32-be when the bytes are text in it; None for all else.

    By its byte order mark, else, for UTF-16, when the zero bytes stand at every other place only and in enough of
    them: so it is for text in Latin letters.
    """
    for mark, encoding in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding if encoding != "utf-8" else None
    zeros_even, zeros_odd = head[::2].count(0), head[1::2].count(0)
    if len(head) >= 4 and zeros_even == 0 and zeros_odd * 10 >= len(head) * 4:
        return "utf-16-le"
    if len(head) >= 4 and zeros_odd == 0 and zeros_even * 10 >= len(head) * 4:
        return "utf-16-be"
    return None


def _zip_type(head: bytes) -> str:
    # EPUB and OpenDocument store their own type as the first member, unpacked.
    if own_type := re.compile(rb"mimetype(?:.{0,40}?)(application/[\w.+-]+)", re.DOTALL).match(head, 30):
        return own_type[1].removesuffix(b"PK").decode("ascii")
    return office_type(lambda part: part.encode() in head)


def _text_of(head: bytes) -> str | None:
    """The head as text, or None when it is none.

    Random bytes hold 10 % control characters, and more than a few of them are not UTF-8; damaged text holds some.
    """
    encoding = wide_encoding(head)
    if encoding:
        head = head.decode(encoding, "replace").encode("utf-8", "surrogatepass")
    controls = 1 - len(head.translate(None, _CONTROLS)) / max(len(head), 1)
    text = head.decode("utf-8", "replace")
    is_utf8 = "\ufffd" not in text[:-4]  # the end may be cut
    return text if controls <= (0.1 if is_utf8 else 0.01) else None


def _type_of_text(text: str, suffix: str) -> str:
    if text.startswith("<"):
        body = text[_end_of_prologue(text) :]
        if _HTML_ROOT.match(body):
            return XHTML if text.startswith("<?xml") else HTML
        if body.startswith("<svg"):
            return "image/svg+xml"
        if text.startswith("<?xml") or _XML_ROOT.match(body):
            return "application/xml"
        if _HTML_TAG.match(body) and suffix not in (".md", ".markdown"):  # Markdown may open with a tag
            return HTML
    if text.startswith(("{", "[")) and (media_type := _json_type(text, suffix)):
        return media_type
    if _is_mail(text):
        return EMAIL
    return _SUFFIXES.get(suffix, PLAIN)


def _end_of_prologue(text: str) -> int:
    match = _PROLOGUE.match(text)
    return match.end() if match else 0


def _json_type(text: str, suffix: str) -> str | None:
    """JSON_LINES when the first line is an object of its own, or a second follows it; else JSON; None for neither."""
    if _SUFFIXES.get(suffix) == JSON_LINES:
        return JSON_LINES
    if _JSON_ARRAY.match(text):
        return JSON
    if not _JSON_OBJECT.match(text):
        return None
    first, *rest = re.split(r"[\r\n]+", text, maxsplit=1)
    return JSON_LINES if not rest or rest[0].startswith("{") or _is_json(first) else JSON


def _is_json(line: str) -> bool:
    try:
        json.loads(line, parse_int=str, strict=False)
    except (ValueError, RecursionError):
        return False
    return True


def _is_mail(text: str) -> bool:
    lines = re.split(r"\r\n?|\n", text)
    headers = lines[: lines.index("")] if "" in lines else lines[:-1]
    names = {line.partition(":")[0].lower() for line in headers}
    return "from" in names and bool(names & _MAIL_MARKS) and all(map(_MAIL_LINE.match, headers))


def _is_tar(head: bytes) -> bool:
    """Whether the first 512 bytes are a tar header: its checksum counts its own eight bytes as blanks."""
    header = head[:512]
    digits = header[148:156].strip(b"\0 ")
    if len(header) < 512 or not re.fullmatch(rb"[0-7]{1,7}", digits):
        return False
    return int(digits, 8) == sum(header[:148]) + sum(b" " * 8) + sum(header[156:])


def _type_of_binary(head: bytes) -> str:
    try:
        media_type = puremagic.from_string(head, mime=True)
    except puremagic.PureError:
        return UNKNOWN
    # It knows pages and scripts by a word at their start, whatever follows.
    return UNKNOWN if not media_type or media_type in _TOLD_TYPES or media_type.startswith("text/") else media_type
