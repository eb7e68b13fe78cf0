"""Bytes to text: golden cases of encodings, what must not change, and properties of everything that comes out."""

from __future__ import annotations

import hashlib
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.records import InputError
from transforms.text.decode import Decoded, decode, repair_mojibake, sanitise

SERBIAN = "Đorđe je rekao da će škola početi kasnije, jer žestoka oluja čeka iza brda."
ALBANIAN = "Është e çuditshme që nxënësit s'kanë ardhur ende; mësuesja po pret në oborrin e shkollës."
POLISH = "Żółta łódka płynęła wąską rzeką, a chłopiec śpiewał pieśń o źródle i gęsiach."
RUSSIAN = "Вчера вечером мы долго гуляли по набережной и говорили о старых книгах."
GREEK = "Χθες το βράδυ περπατήσαμε πολλή ώρα στην παραλία και μιλήσαμε για βιβλία."
THAI = "เมื่อคืนนี้เราเดินเล่นริมแม่น้ำเป็นเวลานาน และคุยกันเรื่องหนังสือเก่า"
JAPANESE = "昨日の夜、私たちは川沿いを長い間歩きながら、古い本について話しました。"
GERMAN = "Die Bäume blühen früh, sagt die Gärtnerin, und die Straße riecht süß nach Flieder."

UNDECLARED = [  # text, encoding, charset that is recorded
    (SERBIAN, "utf-8", "utf-8"),
    (SERBIAN, "windows-1250", "windows-1250"),
    (SERBIAN, "iso-8859-2", "iso-8859-2"),
    (ALBANIAN, "windows-1252", "windows-1252"),
    (POLISH, "windows-1250", "windows-1250"),
    (POLISH, "iso-8859-2", "iso-8859-2"),
    (RUSSIAN, "windows-1251", "windows-1251"),
    (RUSSIAN, "koi8-r", "koi8-u"),  # the detector answers with the superset
    (GREEK, "windows-1253", "windows-1253"),
    (THAI, "cp874", "windows-874"),
    (JAPANESE, "shift_jis", "shift_jis"),
    (JAPANESE, "euc_jp", "euc-jp"),
    (GERMAN, "windows-1252", "windows-1252"),
    (SERBIAN, "utf-16-le", "utf-16le"),
    (RUSSIAN, "utf-16-be", "utf-16be"),
    ("plain ASCII", "ascii", "utf-8"),
    ("\ufeff" + SERBIAN, "utf-8", "utf-8"),
    ("\ufeff" + GERMAN, "utf-16-le", "utf-16le"),
    ("\ufeff" + GERMAN, "utf-16-be", "utf-16be"),
    ("\ufeff" + GERMAN, "utf-32-le", "utf-32le"),
]


@pytest.mark.parametrize(("text", "encoding", "charset"), UNDECLARED)
def test_undeclared_bytes_are_read_by_what_they_are(text: str, encoding: str, charset: str) -> None:
    assert decode(text.encode(encoding)) == Decoded(text.removeprefix("\ufeff"), charset, repaired=False)


DECLARED = [  # content, what the carrier says, text, charset; and why
    ("Žuč".encode("cp1250"), "windows-1250", "Žuč", "windows-1250"),  # too short to be told otherwise
    ("“Ça”".encode("cp1252"), "ISO-8859-1", "“Ça”", "windows-1252"),  # WHATWG: latin-1 is windows-1252
    ("“Ça”".encode("cp1252"), "latin1", "“Ça”", "windows-1252"),
    ("镕".encode("gb18030"), "gb2312", "镕", "gbk"),  # not in GB 2312: read as its superset
    ("①".encode("cp932"), "Shift_JIS", "①", "shift_jis"),  # not in Shift JIS: read as Microsoft's superset
    ("日本".encode("iso2022_jp"), "ISO-2022-JP", "日本", "iso-2022-jp"),  # seven bits, yet no ASCII
    (SERBIAN.encode(), "iso-8859-1", SERBIAN, "utf-8"),  # the server's default is refuted by the bytes
    (GERMAN.encode("cp1252"), "utf-8", GERMAN, "windows-1252"),  # does not decode, so not believed
    (GERMAN.encode("cp1252"), "no-such-charset", GERMAN, "windows-1252"),
    (GERMAN.encode("cp1252"), "hz-gb-2312", GERMAN, "windows-1252"),  # WHATWG refuses to read it
    (b"ASCII!", "utf-16", "ASCII!", "utf-8"),  # would decode, into nonsense
    ("中文".encode("utf-16-le"), "utf-16le", "中文", "utf-16le"),
    (b"ASCII", "windows-1252", "ASCII", "windows-1252"),
]


@pytest.mark.parametrize(("content", "declared", "text", "charset"), DECLARED)
def test_a_declaration_is_believed_unless_the_bytes_refute_it(
    content: bytes, declared: str, text: str, charset: str
) -> None:
    assert decode(content, declared) == Decoded(text, charset, repaired=False)


MARKUP = [  # a declaration in the page, and the encoding of its bytes
    ('<html><head><meta charset="windows-1250">', "windows-1250"),
    ("<meta charset=cp1250 >", "windows-1250"),
    ("<META HTTP-EQUIV='Content-Type' CONTENT='text/html; charset=windows-1250'>", "windows-1250"),
    ('<?xml version="1.0" encoding="windows-1250"?>', "windows-1250"),
    ('<!-- <meta charset="koi8-r"> --><meta charset="windows-1250">', "windows-1250"),
]


@pytest.mark.parametrize(("head", "charset"), MARKUP)
def test_a_page_declares_its_own_encoding(head: str, charset: str) -> None:
    page = head + "<p>Žuč</p>"
    assert decode(page.encode(charset), markup=True) == Decoded(page, charset, repaired=False)


def test_only_markup_is_asked_for_a_declaration() -> None:
    text = 'Write <meta charset="koi8-r"> above. ' + GERMAN
    assert decode(text.encode("cp1252")).charset == "windows-1252"


def test_the_carrier_is_believed_before_the_page() -> None:
    page = '<meta charset="windows-1251"><p>Žuč</p>'
    assert decode(page.encode("cp1250"), "windows-1250", markup=True).text == page


def test_a_page_that_calls_itself_utf_16_in_ascii_letters_is_utf_8() -> None:
    assert decode(b'<meta charset="utf-16"><p>x</p>', markup=True).charset == "utf-8"


DAMAGED = [
    (SERBIAN.encode() + "č".encode()[:1], SERBIAN + "\ufffd"),  # cut in the middle of a character
    (RUSSIAN.encode() + b" caf\xe9", RUSSIAN + " caf\ufffd"),  # a line of another encoding pasted in
    (SERBIAN.encode("utf-16-le")[:-1], SERBIAN[:-1] + "\ufffd"),
    (b'{"a": "\xed\xa0\x80!"}', '{"a": "\ufffd!"}'),  # a lone surrogate that JSON let through
    (b"\xed\xa0\xbd\xed\xb8\x80", "😀"),  # CESU-8: the pair is a character
    (GERMAN.encode("cp1252") + b" \x81.", GERMAN + " \ufffd."),  # a byte that windows-1252 does not have
]


@pytest.mark.parametrize(("content", "text"), DAMAGED)
def test_damage_costs_no_more_than_what_is_damaged(content: bytes, text: str) -> None:
    assert decode(content).text == text


MOJIBAKE = [
    ("It doesnâ€™t matter", "It doesn’t matter"),
    ("dÃ©jÃ\xa0 vu", "déjà vu"),
    ("Ã„pfel und BÃ¤ume", "Äpfel und Bäume"),
    ("Å¡ta Ä‡emo", "šta ćemo"),
    ("ĹˇkolĂˇ", "školá"),  # through windows-1250
    ("РџСЂРёРІРµС‚", "Привет"),  # through windows-1251
    ("ÃƒÂ©tÃƒÂ©", "été"),  # twice
    ("He said \x93yes\x94", "He said “yes”"),  # windows-1252 taken for latin-1
]


@pytest.mark.parametrize(("broken", "text"), MOJIBAKE)
def test_mojibake_is_repaired(broken: str, text: str) -> None:
    assert decode(f"Naïve line\n{broken}\n".encode()) == Decoded(f"Naïve line\n{text}\n", "utf-8", repaired=True)


MUST_NOT_CHANGE = [
    *(SERBIAN, ALBANIAN, POLISH, RUSSIAN, GREEK, JAPANESE, GERMAN),
    "Ã la carte",  # a capital tilde and a space: Portuguese names and Vietnamese letters look like this
    "NÃO HÁ PÃO EM SÃO JOÃO",
    "ÂNGELA e TÂMARA",
    "MAÑANA — «¿Qué?»",
    "Þórður og Ðuro",
    "Nguyễn Thị Ánh Ở Huế",
    "À l’œuvre : « déjà » – coûte 5 €",
    "±5 °C, 10 µm², ½ ¾, 3×4, §7",
    "MÜŞTERİ İÇİN ĞÜÇ",
    "می‌خواهم کتاب بخوانم",  # a zero-width non-joiner is spelling
    "👩‍🌾 sows",  # and a joiner makes the picture
]


@pytest.mark.parametrize("text", MUST_NOT_CHANGE)
def test_good_text_is_left_alone(text: str) -> None:
    assert decode(text.encode()) == Decoded(text, "utf-8", repaired=False)
    assert repair_mojibake(text) == text


def test_in_markup_mojibake_is_repaired_tag_by_tag() -> None:
    page = "<p>Ã la carte Ã©té</p><p>itâ€™s</p>"
    assert repair_mojibake(page, between=">").endswith("<p>it’s</p>")


SANITISED = [
    ("a\r\nb\rc\x85d\u2028e\u2029f\x0bg\x0ch", "a\nb\nc\nd\ne\nf\ng\nh"),
    ("Cafe\u0301", "Café"),
    ("nul\x00 bell\x07 escape\x1b[0m delete\x7f c1\x90 tab\t", "nul bell escape[0m delete c1 tab\t"),
    ("\ufeffstart mid\ufeffdle", "start middle"),
    ("Donau\xaddampf", "Donaudampf"),
    ("10\xa0km, 5\u202f€", "10 km, 5 €"),
    ("lone \ud800 and pair \ud83d\ude00", "lone \ufffd and pair 😀"),
    ("\ufffe\uffff", ""),
    ("ไม่\u200bมี \u200fשלום", "ไม่\u200bมี \u200fשלום"),
]


@pytest.mark.parametrize(("text", "clean"), SANITISED)
def test_sanitise(text: str, clean: str) -> None:
    assert sanitise(text) == clean


NOT_TEXT = [
    pytest.param(b"".join(hashlib.sha256(bytes([i])).digest() for i in range(60)), id="random"),
    pytest.param(b"\x7fELF\x02\x01\x01" + bytes(200) + b"\x03\x00\x3e\x00\x01", id="executable"),
    pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x04\x00\x08\x06" + bytes(40), id="image"),
    pytest.param(b"\x00" * 100, id="zeros"),
    pytest.param("\ufffd?".encode() * 50, id="lost"),
]


@pytest.mark.parametrize("content", NOT_TEXT)
def test_what_is_not_text_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match="not text") as caught:
        decode(content)
    assert (caught.value.error_class, caught.value.stage) == ("decode", "decode")


def test_a_stray_nul_does_not_make_a_text_binary() -> None:
    assert decode(b"<p>The first line\x00 of a page</p>", markup=True).text == "<p>The first line of a page</p>"


def test_characters_that_are_replaced_are_no_garbage() -> None:
    assert decode("a\u00a0\u00ad".encode() * 50).text == "a " * 50


def test_no_bytes_are_no_text() -> None:
    assert decode(b"") == Decoded("", "utf-8", repaired=False)


FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\ufeff\ufffe\uffff\u2028\u2029\ud800-\udfff]")


@given(st.text(st.characters(codec=None)))
@example("\ud83d\x00\ude00\r\x00\n")
def test_sanitising_twice_is_sanitising_once(text: str) -> None:
    clean = sanitise(text)
    assert not FORBIDDEN.search(clean)
    assert unicodedata.is_normalized("NFC", clean)
    assert sanitise(clean) == clean


@given(st.binary(), st.sampled_from([None, "utf-8", "windows-1250", "shift_jis", "utf-16", "x-user-defined", "\u212a"]))
def test_any_bytes_give_clean_text_or_an_input_error(content: bytes, declared: str | None) -> None:
    try:
        decoded = decode(content, declared, markup=True)
    except InputError as error:
        assert error.error_class == "decode"  # noqa: PT017 - an expected outcome, not the subject
    else:
        assert not FORBIDDEN.search(decoded.text)


@given(
    st.lists(st.sampled_from((SERBIAN + " " + POLISH).split()), min_size=1).map(" ".join),
    st.sampled_from(["utf-8", "windows-1250", "iso-8859-2", "utf-16"]),
)
def test_what_was_encoded_as_declared_comes_back(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding), encoding).text == text
