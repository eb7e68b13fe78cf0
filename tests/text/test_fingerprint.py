from __future__ import annotations

import subprocess
import sys
import unicodedata
from typing import Any

import numpy as np
import pytest
import regex
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from transforms.text import fingerprint as module
from transforms.text.fingerprint import (
    BANDS,
    HASH_SPEC,
    PARAGRAPH,
    HashSpecError,
    band_keys,
    candidate_keys,
    exact_key,
    fingerprint,
    require_hash_spec,
    similarity,
    tokens,
)

FERRY = "the ferry left the harbour at dawn with forty crates of oranges and one goat that belonged to nobody"
TEXTS = {
    "short": "Short, but hashed.",
    "english": f"{FERRY} {FERRY}",
    "serbian": "Трајект је испловио у зору са четрдесет гајби поморанџи и једном козом која није била ничија. " * 3,
    "chinese": "渡轮在黎明时分离开港口，载着四十箱橙子和一只不属于任何人的山羊。船长说海面很平静。",
    "thai": "เรือข้ามฟากออกจากท่าตอนรุ่งสางพร้อมส้มสี่สิบลังและแพะหนึ่งตัวที่ไม่มีเจ้าของ",
    "hindi": "नौका भोर में चालीस पेटी संतरे और एक बकरी लेकर बंदरगाह से निकली जो किसी की नहीं थी। " * 3,
    "numbered": " ".join(str(number * number) for number in range(3_000)),
    "repeated": "knock " * 5_000,
}
PINNED = {
    "short": ("83f9ffaae19b2df07d40450dacb8283c", 3, None, None),
    "english": ("d7972fb50e1ebc539f52ab30c87c0d9d", 38, "286248f93a55688a94be59d7a61b8eb2", "e12bdcc7f0f75da2"),
    "serbian": ("beb0072f04491ea2e5597a94c15e4ee1", 48, "ab035cf3c71c95268ddaa7b5d6a677e5", "bf9b7fa5c232ef7c"),
    "chinese": ("974c9a15d586d885a9238de0774665b1", 38, "eaa863dc4f6d2d1f13874d161da7f1dc", "322eb2002e0fd65e"),
    "thai": ("9520a7fc73a2706fb655b14572cbb840", 76, "e97c2d699e362fb6d135e58cf2b0a595", "e5d31c6acfa90198"),
    "hindi": ("1134d1a7e5037959bc27d1487a2a8d2d", 54, "56e701be1a2c0a0124b159acce4d8800", "fc40db2a7fb30126"),
    "numbered": ("39ed0ed1db8f054af92bddac69d491b9", 3000, "97f4357aba2e16e25bd6f2f809e8ec1c", "dad50132220fee78"),
    "repeated": ("9b22dcf0530b34275b4114b830b3b15f", 5000, "afda8da79bb2235b7ac1d5c90efb5433", "663897a75e55bd38"),
}


def numbered(first: int, last: int) -> str:
    return " ".join(f"w{number * 7919}" for number in range(first, last))


@pytest.mark.parametrize("name", TEXTS)
def test_pinned(name: str) -> None:
    exact, count, start, key = PINNED[name]
    found = fingerprint(TEXTS[name])
    assert found.exact.hex() == exact
    assert found.token_count == count
    assert (found.signature[:16].hex() if found.signature else None) == start
    assert (f"{int(np.bitwise_xor.reduce(band_keys(found.signature))):016x}" if found.signature else None) == key


@pytest.mark.parametrize("name", ["english", "thai", "chinese", "numbered", "repeated"])
def test_signature_by_the_letter_of_the_specification(name: str) -> None:
    assert fingerprint(TEXTS[name]).signature == signature_by_the_letter(TEXTS[name])


def signature_by_the_letter(text: str) -> bytes:
    """Steps 4 to 6 of the module's docstring in plain integers."""
    limit = 2**64
    golden = 0x9E3779B97F4A7C15

    def mix(x: int) -> int:
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % limit
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % limit
        return x ^ (x >> 31)

    def letter(character: str) -> bool:
        point = ord(character)
        return 0xE00 <= point <= 0xEFF or 0x1000 <= point <= 0x109F or 0x1780 <= point <= 0x17FF

    joined = " ".join(tokens(text))
    points = [
        mix(ord(character))
        for place, character in enumerate(joined)
        if not (character == " " and letter(joined[place - 1]) and letter(joined[place + 1]))
    ]
    multiplier = 0xD6E8FEB86659FD93
    shingles = {
        sum(points[start + i] * pow(multiplier, 8 - i, limit) for i in range(9)) % limit
        for start in range(len(points) - 8)
    }
    sketch: dict[int, int] = {}
    for number in range(1, 9):
        reached: dict[int, int] = {}
        for shingle in shingles:
            value = mix((shingle + number * golden) % limit)
            place = ((value >> 32) * 504) >> 32
            reached[place] = min(value, reached.get(place, limit))
        sketch = reached | sketch
        if len(sketch) == 504:
            break
    for place in range(504):
        if place not in sketch:
            sketch[place] = min(mix((shingle + (9 + place) * golden) % limit) for shingle in shingles)
    return bytes(sketch[place] % 256 for place in range(504))


def test_keys_by_the_letter_of_the_specification() -> None:
    line = "The  Ferry left the HARBOUR — at dawn, with forty crates of oranges."
    found = fingerprint(f"Ferry\n{line}\n\n{'๑' * 25}\n{'๑' * 26}", "https://www.example.org/ferry/?utm_id=1")
    hashed = [
        xxhash.xxh3_64_intdigest(text)
        for text in (b"the ferry left the harbour at dawn with forty crates of oranges", " ".join("๑" * 26).encode())
    ]
    assert np.frombuffer(found.paragraphs, PARAGRAPH).tolist() == [(hashed[0], len(line)), (hashed[1], 26)]
    assert found.address == xxhash.xxh3_64_intdigest(b"example.org/ferry") // 2 * 2
    assert found.address == 4254252664391987074


def test_all_keys_of_a_document() -> None:
    found = fingerprint(TEXTS["english"], "https://example.org/ferry")
    keys = [exact_key(found.exact), found.address, *band_keys(found.signature or b"").tolist()]
    assert candidate_keys(found.exact, found.signature, found.address).tolist() == keys
    assert candidate_keys(found.exact, None, 0).tolist() == keys[:1]


def test_fingerprints_of_another_specification_are_refused() -> None:
    require_hash_spec({b"hash_spec": HASH_SPEC.encode()}, "x")
    for metadata, told in (({b"hash_spec": b"millstream-0"}, "millstream-0"), ({}, "none"), (None, "none")):
        with pytest.raises(HashSpecError, match=rf"fingerprints in old\.parquet .*'{told}'.* run into a new output"):
            require_hash_spec(metadata, "old.parquet")


def test_another_process_finds_the_same() -> None:
    program = (
        "import sys; from transforms.text.fingerprint import fingerprint as f; print(f(sys.argv[1]).signature.hex())"
    )
    root = str(module.__file__).split("transforms")[0]
    command = [sys.executable, "-c", program, TEXTS["english"]]
    printed = subprocess.run(command, capture_output=True, check=True, cwd=root, env={"PYTHONHASHSEED": "7"}, text=True)
    assert printed.stdout.strip() == (fingerprint(TEXTS["english"]).signature or b"").hex()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("… — !?", []),
        ("Don't stop_now 3.5", ["don", "t", "stop_now", "3", "5"]),
        ("ＦＵＬＬ ﬁne", ["full", "fine"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("עִבְרִית", [unicodedata.normalize("NFKC", "עִבְרִית")]),
        ("iPhone15で撮る", ["iphone15", "で", "撮", "る"]),
        ("ไทย", ["ไ", "ท", "ย"]),
        ("ລາວ ខ្មែរ", ["ລ", "າ", "ວ", "ខ", "្", "ម", "ែ", "រ"]),
        ("မြန်", ["မ", "ြ", "န", "်"]),
        ("한국어 문서", ["한국어", "문서"]),
        ("a\ud800b", ["a", "b"]),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@given(st.text(st.characters(max_codepoint=0x33FFF)))
def test_the_short_way_to_tokens_is_the_long_way(text: str) -> None:
    assert tokens(text) == module._TOKEN.findall(unicodedata.normalize("NFKC", text).lower())


def test_no_character_that_stands_alone_takes_the_short_way() -> None:
    everything = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    alone = regex.findall(rf"[{module._ALONE}]", everything)
    assert len(alone) > 100_000
    assert [character for character in alone if not module._MAYBE_ALONE.match(character)] == []


def test_symbols_stay_apart_without_tokens() -> None:
    assert fingerprint("☀ ☀").exact != fingerprint("☂ ☂").exact
    assert fingerprint("☀ ☀").exact == fingerprint(" ☀\n☀").exact


def test_signature_from_thirty_tokens_on() -> None:
    assert fingerprint(" ".join("a" * 29)).signature is None
    assert len(fingerprint(" ".join("a" * 30)).signature or b"") == 504
    assert len(fingerprint("ก" * 30).signature or b"") == 504


@given(st.text())
def test_any_text_has_a_fingerprint(text: str) -> None:
    found = fingerprint(text)
    assert len(found.exact) == 16
    assert found.token_count == len(tokens(text))
    assert (found.signature is None) == (found.token_count < 30)


@pytest.mark.parametrize(("shared", "each"), [(400, 0), (300, 100), (200, 200), (100, 300), (0, 400)])
def test_similarity_estimates_jaccard(shared: int, each: int) -> None:
    a = numbered(0, shared) + " " + numbered(10_000, 10_000 + each)
    b = numbered(0, shared) + " " + numbered(20_000, 20_000 + each)
    sets = [{joined[i : i + 9] for i in range(len(joined) - 8)} for joined in (" ".join(tokens(t)) for t in (a, b))]
    true = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
    estimated = similarity(fingerprint(a).signature or b"", fingerprint(b).signature or b"")
    assert estimated == pytest.approx(true, abs=0.07)  # three standard errors


def test_estimates_have_no_bias_in_short_and_in_long_texts() -> None:
    for words in (20, 400):
        errors = []
        for offset in range(0, 60_000, 1_000):
            a, b = (
                numbered(offset, offset + words) + " " + numbered(o, o + words)
                for o in (offset + 10**6, offset + 2 * 10**6)
            )
            sets = [{j[i : i + 9] for i in range(len(j) - 8)} for j in (" ".join(tokens(t)) for t in (a, b))]
            true = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
            errors.append(similarity(fingerprint(a).signature or b"", fingerprint(b).signature or b"") - true)
        assert abs(np.mean(errors)) < 0.01
        assert np.std(errors) < 0.026


def test_bands_never_meet_one_another() -> None:
    keys = [band_keys(bytes([value]) * 504).tolist() for value in range(256)]
    assert len({key for row in keys for key in row}) == 256 * BANDS


def test_band_keys_agree_where_the_band_does() -> None:
    one = bytearray(range(252)) * 2
    other = bytearray(one)
    other[3 * 5 + 1] ^= 1
    assert np.flatnonzero(band_keys(bytes(one)) != band_keys(bytes(other))).tolist() == [5]


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=504, max_size=504))
def test_exact_keys_and_band_keys_never_meet(exact: bytes, signature: bytes) -> None:
    keys: Any = band_keys(signature)
    assert keys.shape == (BANDS,)
    assert keys.dtype == np.uint64
    assert (keys % 2 == 0).all()
    assert exact_key(exact) % 2 == 1
    assert exact_key(exact) < 2**64
