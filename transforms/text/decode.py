"""Bytes to text: which character encoding they are in, and text that every later step can rely on."""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass

import chardetng_py
import webencodings
from ftfy import fix_encoding
from ftfy.badness import is_bad

from schemas.records import InputError

MAX_DAMAGED_UTF8_SHARE = 0.2
"""UTF-8 with a smaller share of its non-ASCII characters broken is UTF-8 all the same, cut short or patched by hand.

Texts in 16 legacy encodings, read as UTF-8, break at least 40 % of theirs (2,074 texts in 14 languages).
"""

MAX_GARBAGE_SHARE = 0.05
"""More control and replacement characters than this, and it is not text: prose has none, 1 KB of random bytes 10 %."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32le"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32be"),
    (codecs.BOM_UTF16_LE, "utf-16le"),
    (codecs.BOM_UTF16_BE, "utf-16be"),
)
_SNIFFED_BYTES = 4096  # WHATWG looks at 1,024, but browsers heed a later <meta> too
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_XML_ENCODING = re.compile(rb"""\A\s*<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]+)""")
_META_CHARSET = re.compile(rb"""<meta\s[^>]*?\bcharset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)

_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u2028\u2029\u202f\ufeff\ufffe\uffff]")
_IN_ITS_PLACE = dict.fromkeys("\r\x0b\x0c\x85\u2028\u2029", "\n") | dict.fromkeys("\xa0\u202f", " ")
# What was one character is two or more in mojibake, or a C1 control. A pattern that begins with a set of characters is
# searched for at four times the speed of one that begins with a choice.
_FOREIGN_RUN = re.compile("[^\x00-\x7f](?:[^\x00-\x7f]+|(?<=[\x80-\x9f]))")
_GARBAGE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufffd\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Sanitised text, and how its bytes were read."""

    text: str
    charset: str  # WHATWG name in lower case: "utf-8", "windows-1252", "shift_jis"
    repaired: bool  # whether mojibake was undone


def decode(content: bytes, declared: str | None = None, *, markup: bool = False) -> Decoded:
    """The text of some bytes, sanitised, with the character encoding they were in.

    Believed in this order: a byte order mark; the NUL pattern of UTF-16; non-ASCII bytes that are UTF-8; the encoding
    `declared` by the carrier, then, with `markup`, by the page itself, unless decoding fails; UTF-8 with a few broken
    characters; detection. Mojibake is then repaired. Raises `InputError` ("decode") for what is not text.

    >>> decode("Žena čeka".encode("windows-1250"), "cp1250")
    Decoded(text='Žena čeka', charset='windows-1250', repaired=False)
    """
    text, charset = _read(content, declared, markup)
    repaired = repair_mojibake(text, between=">" if markup else "\n")
    sanitised, unwanted = _sanitise(repaired)
    # All garbage but replacement characters is unwanted too, so that most text need not be searched for it.
    if unwanted + repaired.count("\ufffd") > MAX_GARBAGE_SHARE * len(repaired):
        garbage = len(_GARBAGE.findall(repaired))
        if garbage > MAX_GARBAGE_SHARE * len(repaired):
            share = f"{garbage} of {len(repaired)} characters are control or replacement characters"
            raise InputError("decode", f"not text: read as {charset}, {share}", stage="decode")
    return Decoded(sanitised, charset, repaired != text)


def sanitise(text: str) -> str:
    r"""Text in NFC whose lines end in LF, without lone surrogates, control characters other than tab, and soft hyphens.

    Soft hyphens and byte order marks are invisible and split words. A no-break space becomes a space, as extraction
    from HTML makes it anyway, so that one rule about words fits every format. Joiners, zero-width spaces and direction
    marks stay: Persian, Thai and emoji need them. Applying it twice changes nothing.

    >>> sanitise("Cafe\u0301\r\n10\u00a0km\x00")
    'Café\n10 km'
    """
    return _sanitise(text)[0]


def _sanitise(text: str) -> tuple[str, int]:
    """The sanitised text, and how many characters were dropped or replaced besides surrogates and CRLF."""
    if _has_surrogates(text):  # pairs become their character, what is left alone becomes U+FFFD
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    text, unwanted = _UNWANTED.subn(lambda match: _IN_ITS_PLACE.get(match[0], ""), text.replace("\r\n", "\n"))
    return unicodedata.normalize("NFC", text), unwanted


def _has_surrogates(text: str) -> bool:
    try:
        text.encode()  # a quarter of the time of searching for them
    except UnicodeEncodeError:
        return True
    return False


def repair_mojibake(text: str, *, between: str = "\n") -> str:
    r"""Text in which every piece that is UTF-8 read by another encoding is read as UTF-8.

    By piece `between` separators, so that one bad quotation does not touch its neighbours. Of 12,750 clean texts in 102
    languages it changes nine, which all hold stray windows-1252 quotation marks. A text that quotes mojibake to explain
    it is changed too.

    >>> repair_mojibake("Itâ€™s dÃ©jÃ\u00a0 vu")
    'It’s déjà vu'
    """
    if not _is_mojibake(text, between):
        return text
    return between.join(fix_encoding(piece) if _is_mojibake(piece, between) else piece for piece in text.split(between))


def _is_mojibake(text: str, between: str) -> bool:
    """Whether ftfy finds mojibake near a run of non-ASCII characters: a fifth of the cost of asking it of all text."""
    if text.isascii():
        return False
    for run in _FOREIGN_RUN.finditer(text):
        before = text[max(0, run.start() - 2) : run.start()].rpartition(between)[2]
        after = text[run.end() : run.end() + 2].partition(between)[0]
        if is_bad(f"{before}{run[0]}{after}"):
            return True
    return False


def _read(content: bytes, declared: str | None, markup: bool) -> tuple[str, str]:
    for mark, charset in _BOMS:
        if content.startswith(mark):
            return content[len(mark) :].decode(charset, "replace"), charset
    if wide := _utf16_by_nuls(content):
        return content.decode(wide, "replace"), wide
    if not content.isascii():
        # Stronger than a declaration, which is often the server's default. A pair of letters can be both, as ĆŠ in
        # windows-1250 is Ɗ in UTF-8, but none of 2,074 texts in legacy encodings was valid UTF-8.
        # Surrogates are let through here, one by one, for `sanitise` to pair.
        try:
            return content.decode("utf-8", "surrogatepass"), "utf-8"
        except UnicodeDecodeError:
            pass
    for label in (declared, _declared_in_markup(content) if markup else None):
        if label and (read := _read_as(content, label)):
            return read
    if content.isascii():
        return content.decode("ascii"), "utf-8"
    return _read_undeclared(content)


def _utf16_by_nuls(content: bytes) -> str | None:
    """UTF-16's byte order when the NULs of its ASCII characters stand on one side, else None.

    Each space brings a NUL, and of any prose in UTF-16 spaces and line ends alone make one byte in forty; text in eight
    bits has none, or a stray one.
    """
    even, odd = content[0::2].count(0), content[1::2].count(0)
    if min(even, odd) * 20 >= max(even, odd) or even + odd < max(content.count(b" "), len(content) / 40):
        return None
    return "utf-16le" if odd > even else "utf-16be"


def _declared_in_markup(content: bytes) -> str | None:
    head = _COMMENT.sub(b"", content[:_SNIFFED_BYTES])
    match = _XML_ENCODING.search(head) or _META_CHARSET.search(head)
    label = match[1].decode("ascii", "replace") if match else None
    # A page whose declaration is legible as ASCII is not in UTF-16: WHATWG, "prescan a byte stream".
    return "utf-8" if label and label.lower().startswith("utf-16") else label


def _read_as(content: bytes, label: str, errors: str = "strict") -> tuple[str, str] | None:
    """Text and charset when the bytes decode by this label, else None."""
    encoding = webencodings.lookup(label)
    if encoding is None or encoding.name in ("replacement", "x-user-defined"):
        return None
    if encoding.name.startswith("utf-16") and content.isascii():
        return None
    # WHATWG reads gbk by the decoder of gb18030, its superset.
    codec = "gb18030" if encoding.name == "gbk" else encoding.codec_info.name
    try:
        return content.decode(codec, errors), encoding.name
    except UnicodeDecodeError:
        return None


def _read_undeclared(content: bytes) -> tuple[str, str]:
    text = content.decode("utf-8", "replace")
    broken, foreign = text.count("\ufffd"), sum(not c.isascii() for c in text)
    if broken <= MAX_DAMAGED_UTF8_SHARE * foreign:
        return text, "utf-8"
    # Firefox's detector: right for 98 % of sentences and 99 % of documents over 30 pairs of language and encoding,
    # Albanian among them, where faust-cchardet has 86 and 92 %, charset-normalizer 70 and 81 % at ten times the cost.
    label = chardetng_py.detect(content)
    label = "windows-874" if label == "cp874" else label  # the one name it gives in Python's spelling, not WHATWG's
    return _read_as(content, label, "replace") or (content.decode(label, "replace"), label)
