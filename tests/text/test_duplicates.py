from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Fingerprint
from transforms.text import duplicates
from transforms.text.duplicates import (
    KEYED,
    KEYED_PARAGRAPH,
    PAIR,
    SHARED,
    VERDICT,
    Fingerprints,
    candidate_pairs,
    ranks,
    resolve,
    shared_paragraphs,
)
from transforms.text.fingerprint import PARAGRAPH, SIGNATURE_BYTES, candidate_keys, fingerprint, similarity

GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden" / "duplicates.json").read_text(encoding="utf-8"))
EXACT, URL, NEAR = duplicates.EXACT_DUPLICATE, duplicates.URL_DUPLICATE, duplicates.NEAR_DUPLICATE
Array = npt.NDArray[Any]


def keyed(fingerprints: Sequence[Fingerprint], rank: Sequence[int] | None = None) -> Array:
    rows: list[tuple[int, int, int]] = []
    for document, known in enumerate(fingerprints):
        keys = candidate_keys(known.exact, known.signature, known.address).tolist()
        rows.extend((key, document, rank[document] if rank else 0) for key in keys)
    return np.array(rows, KEYED)


class Index:
    def __init__(self, fingerprints: Sequence[Fingerprint], rank: Sequence[int] | None = None) -> None:
        self.fingerprints = fingerprints
        self.rank = rank or [0] * len(fingerprints)

    def __call__(self, documents: npt.NDArray[np.uint64]) -> Fingerprints:
        assert (np.diff(documents.astype(np.int64)) > 0).all(), "asked for unique documents in ascending order"
        known = [self.fingerprints[document] for document in documents.tolist()]
        signatures = b"".join(one.signature or bytes(SIGNATURE_BYTES) for one in known)
        return Fingerprints(
            exact=np.frombuffer(b"".join(one.exact for one in known), np.uint8).reshape(-1, 16),
            signature=np.frombuffer(signatures, np.uint8).reshape(-1, SIGNATURE_BYTES),
            has_signature=np.array([one.signature is not None for one in known], np.bool_),
            tokens=np.array([one.token_count for one in known], np.uint32),
            address=np.array([one.address for one in known], np.uint64),
            rank=np.array([self.rank[document] for document in documents.tolist()], np.uint32),
        )


def verdicts(texts: Sequence[str], urls: Sequence[str | None] = (), rank: Sequence[int] | None = None) -> Array:
    fingerprints = [fingerprint(text, url) for text, url in itertools.zip_longest(texts, urls)]
    return resolve(candidate_pairs(keyed(fingerprints, rank)), Index(fingerprints, rank))


def pairs(*rows: tuple[int, int]) -> Array:
    return np.array(list(rows), PAIR)


def like(signature: bytes, share: float, seed: int) -> bytes:
    """A signature that agrees with another in this share of its places, by the Jaccard estimate."""
    rng = np.random.default_rng(seed)
    changed = np.frombuffer(signature, np.uint8).copy()
    places = rng.permutation(SIGNATURE_BYTES)[: round((1 - share) * SIGNATURE_BYTES)]
    changed[places] += rng.integers(1, 256, len(places), dtype=np.uint8)
    return changed.tobytes()


def sketched(signature: bytes, number: int) -> Fingerprint:
    return Fingerprint(exact=number.to_bytes(16, "little"), signature=signature, token_count=100)


def texts_of(case: dict[str, Any]) -> list[str]:
    return ["\n".join(case["paragraphs"][name] for name in document) for document in case["documents"]]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["label"])
def test_golden(case: dict[str, Any]) -> None:
    texts = texts_of(case)
    days = [dt.date.fromisoformat(day).toordinal() if day else 0 for day in case.get("published", [None] * len(texts))]
    for keep, expected in case["survivors"].items():
        rank = ranks(keep, np.array([len(text) for text in texts]), np.array(days)).tolist()
        survivors = list(range(len(texts)))
        kinds: list[str | None] = [None] * len(texts)
        for verdict in verdicts(texts, case.get("urls", ()), rank):
            survivors[int(verdict["document"])] = int(verdict["survivor"])
            kinds[int(verdict["document"])] = duplicates.KINDS[int(verdict["kind"])]
        assert survivors == expected, f"keep {keep}: {case['reason']}"
        if "kinds" in case:
            assert kinds == case["kinds"], case["reason"]


def test_kinds_and_similarity() -> None:
    base = next(case for case in GOLDEN if case["label"] == "new headline")
    article, edited = ("\n".join(base["paragraphs"][name] for name in names) for names in base["documents"])
    found = verdicts([article, edited, article.upper()])
    assert found.dtype == VERDICT
    assert found[["document", "survivor", "kind"]].tolist() == [(1, 0, NEAR), (2, 0, EXACT)]
    expected = similarity(fingerprint(article).signature or b"", fingerprint(edited).signature or b"")
    assert found["similarity"].tolist() == [pytest.approx(expected), 1.0]


def test_a_copy_of_a_loser_shares_its_survivor() -> None:
    signature = bytes(range(252)) * 2
    edited = sketched(like(signature, 0.6, seed=1), 1)
    index = Index([sketched(signature, 0), edited, edited])
    found = resolve(pairs((0, 1), (1, 2)), index)
    assert found[["document", "survivor", "kind"]].tolist() == [(1, 0, NEAR), (2, 0, NEAR)]
    assert found["similarity"][0] == found["similarity"][1] < 1


def test_without_a_signature_only_equal_tokens_count() -> None:
    short = Fingerprint(exact=bytes(16), signature=None, token_count=2)
    other = Fingerprint(exact=bytes(15) + b"x", signature=None, token_count=2)
    found = resolve(pairs((0, 1), (0, 2), (1, 2)), Index([short, other, short]))
    assert found[["document", "survivor", "kind"]].tolist() == [(2, 0, EXACT)]


def test_a_weaker_likeness_counts_only_in_a_family() -> None:
    signature = bytes(range(252)) * 2
    weak = sketched(like(signature, 0.36, seed=1), 1)
    assert len(resolve(pairs((0, 1)), Index([sketched(signature, 0), weak]))) == 0
    between = np.frombuffer(signature, np.uint8).copy()
    differs = np.flatnonzero(between != np.frombuffer(weak.signature or b"", np.uint8))
    between[differs[::2]] = np.frombuffer(weak.signature or b"", np.uint8)[differs[::2]]
    index = Index([sketched(signature, 0), weak, sketched(between.tobytes(), 2)])
    found = resolve(pairs((0, 1), (0, 2), (1, 2)), index)
    assert found[["document", "survivor"]].tolist() == [(1, 0), (2, 0)]
    short = [
        dataclasses.replace(each, token_count=tokens)
        for each, tokens in zip(index.fingerprints, (59, 59, 60), strict=True)
    ]
    assert resolve(pairs((0, 1), (0, 2), (1, 2)), Index(short))[["document", "survivor"]].tolist() == [(2, 0)]


def test_one_address_lowers_the_threshold_for_its_own_documents_alone() -> None:
    signature = bytes(range(252)) * 2
    old = dataclasses.replace(sketched(signature, 0), address=2)
    new = dataclasses.replace(sketched(like(signature, 0.25, seed=1), 1), address=2)
    assert resolve(pairs((0, 1)), Index([old, new]))[["document", "survivor", "kind"]].tolist() == [(1, 0, URL)]
    for other in (dataclasses.replace(new, address=4), dataclasses.replace(new, address=0)):
        assert len(resolve(pairs((0, 1)), Index([old, other]))) == 0
    nowhere = [dataclasses.replace(each, address=0) for each in (old, new)]
    assert len(resolve(pairs((0, 1)), Index(nowhere))) == 0


def test_a_copy_elsewhere_of_an_earlier_capture_shares_its_survivor() -> None:
    signature = bytes(range(252)) * 2
    old = dataclasses.replace(sketched(signature, 0), address=2)
    new = dataclasses.replace(sketched(like(signature, 0.25, seed=1), 1), address=2)
    copy = dataclasses.replace(new, address=4)
    found = resolve(pairs((0, 1), (1, 2)), Index([old, new, copy]))
    assert found[["document", "survivor", "kind"]].tolist() == [(1, 0, URL), (2, 0, URL)]


def test_two_short_texts_need_more() -> None:
    signature = bytes(range(252)) * 2
    texts = [sketched(signature, 0), sketched(like(signature, 0.5, seed=1), 1)]
    assert len(resolve(pairs((0, 1)), Index(texts))) == 1
    short = [dataclasses.replace(each, token_count=59) for each in texts]
    assert len(resolve(pairs((0, 1)), Index([texts[0], short[1]]))) == 1
    assert len(resolve(pairs((0, 1)), Index(short))) == 0
    assert len(resolve(pairs((0, 1)), Index([dataclasses.replace(each, address=2) for each in short]))) == 0


def test_ranks() -> None:
    chars, days = np.array([10, 30, 30, 20]), np.array([0, 5, 9, 9])
    assert ranks("first", chars, days).argsort(kind="stable").tolist() == [0, 1, 2, 3]
    assert ranks("longest", chars, days).argsort(kind="stable").tolist() == [1, 2, 3, 0]
    assert ranks("newest", chars, days).argsort(kind="stable").tolist() == [2, 3, 1, 0]
    assert ranks("longest", np.array([2**32, 2**32 + 1]), days[:2]).tolist() == [0, 0]
    with pytest.raises(ValueError, match="keep is 'last'; it must be one of first, longest, newest"):
        ranks("last", chars, days)


def test_no_documents_no_pairs_no_verdicts() -> None:
    none = candidate_pairs(np.empty(0, KEYED))
    assert none.dtype == PAIR
    assert len(none) == 0
    found = resolve(none, Index([]))
    assert found.dtype == VERDICT
    assert len(found) == 0


def test_all_pairs_of_a_small_band_bucket() -> None:
    rows = np.array([(2, document, 0) for document in (7, 3, 9, 5, 3, 1)], KEYED)
    assert candidate_pairs(rows).tolist() == list(itertools.combinations((1, 3, 5, 7, 9), 2))


def test_an_exact_key_pairs_with_the_smallest_only() -> None:
    rows = np.array([(3, document, 0) for document in (7, 3, 9)], KEYED)
    assert candidate_pairs(rows).tolist() == [(3, 7), (3, 9)]


def test_pairs_grow_with_the_rows() -> None:
    wide = np.array([(2, document, 0) for document in range(1_000)], KEYED)
    assert candidate_pairs(wide).tolist() == [(0, document) for document in range(1, 1_000)]
    narrow = np.array([(2, document, 0) for document in range(64)], KEYED)
    assert len(candidate_pairs(narrow)) <= 4 * 64


def test_a_wide_bucket_pairs_with_the_preferred_one() -> None:
    wide = np.array([(2, document, abs(document - 700)) for document in range(1_000)], KEYED)
    assert candidate_pairs(wide).tolist() == [(700, document) for document in range(1_000) if document != 700]


@given(
    rows=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 9)), max_size=80),
    rank=st.lists(st.integers(0, 3), min_size=10, max_size=10),
    order=st.randoms(use_true_random=False),
    partitions=st.integers(1, 4),
)
def test_neither_order_nor_partition_changes_the_pairs(
    rows: list[tuple[int, int]], rank: list[int], order: Any, partitions: int
) -> None:
    ranked = [(key, document, rank[document]) for key, document in rows]
    expected = candidate_pairs(np.array(ranked, KEYED)).tolist()
    order.shuffle(ranked)
    parts = [[row for row in ranked if row[0] % partitions == part] for part in range(partitions)]
    found = [candidate_pairs(np.array(part, KEYED)).tolist() for part in parts]
    assert sorted({pair for part in found for pair in part}) == expected
    assert all((rank[preferred], preferred) < (rank[other], other) for preferred, other in expected)


@st.composite
def fingerprints_of_relatives(draw: st.DrawFn) -> list[Fingerprint]:
    """Copies, edits, and edits of edits of two texts that have nothing in common, at a few addresses."""
    known = [sketched(bytes(range(252)) * 2, 0), sketched(bytes(range(252))[::-1] * 2, 1)]
    for number in range(2, draw(st.integers(3, 14))):
        model = draw(st.sampled_from(known))
        share = draw(st.sampled_from([None, 0.25, 0.3, 0.45, 0.6, 0.8]))
        made = model if share is None else sketched(like(model.signature or b"", share, number), number)
        known.append(dataclasses.replace(made, address=draw(st.sampled_from([0, 0, 2, 4]))))
    return draw(st.permutations(known))


@settings(deadline=None)
@given(
    fingerprints=fingerprints_of_relatives(),
    rank=st.lists(st.integers(0, 3), min_size=14, max_size=14),
    order=st.randoms(use_true_random=False),
)
def test_what_holds_of_verdicts(fingerprints: list[Fingerprint], rank: list[int], order: Any) -> None:
    rows = keyed(fingerprints, rank)
    found = resolve(candidate_pairs(rows), Index(fingerprints, rank))
    shuffled = candidate_pairs(rows).tolist() * 2
    order.shuffle(shuffled)
    assert resolve(np.array(shuffled, PAIR), Index(fingerprints, rank)).tolist() == found.tolist()

    survivor_of = dict(zip(found["document"].tolist(), found["survivor"].tolist(), strict=True))
    assert list(survivor_of) == sorted(set(survivor_of)), "one verdict a loser, in order"
    assert not survivor_of.keys() & set(survivor_of.values()), "a survivor is no loser"
    for document, survivor, stated, kind in found.tolist():
        assert (rank[survivor], survivor) < (rank[document], document)
        true = similarity(fingerprints[document].signature or b"", fingerprints[survivor].signature or b"")
        assert stated == pytest.approx(true)
        assert true >= (duplicates.THRESHOLD_AT_ADDRESS if kind == URL else duplicates.THRESHOLD_IN_FAMILY)
        assert (kind == EXACT) == (fingerprints[document].exact == fingerprints[survivor].exact)
    for first, one in enumerate(fingerprints):
        for second, other in enumerate(fingerprints):
            if one.exact == other.exact:
                assert survivor_of.get(first, first) == survivor_of.get(second, second)


# --- Shared paragraphs


def paragraphs_of(texts: Sequence[str]) -> Array:
    rows = [
        (key, document, chars)
        for document, text in enumerate(texts)
        for key, chars in np.frombuffer(fingerprint(text).paragraphs, PARAGRAPH).tolist()
    ]
    return np.array(rows, KEYED_PARAGRAPH)


BRIDGE = "The old stone bridge over the Lenna will be rebuilt, the town council said."
ORCHARD = "Nobody expected the orchard's buyer to be a violin maker from the coast."


def test_a_paragraph_is_shared_by_its_words() -> None:
    texts = [f"Bridges\n{BRIDGE}\n{ORCHARD}", f"{BRIDGE.upper()}\nBridges", f"{ORCHARD[:-1]} road."]
    assert shared_paragraphs(paragraphs_of(texts)).tolist() == [(0, len(BRIDGE)), (1, len(BRIDGE))]


def test_what_a_document_repeats_is_not_shared_for_that() -> None:
    twice = f"{BRIDGE}\n{BRIDGE}"
    assert len(shared_paragraphs(paragraphs_of([twice, ORCHARD]))) == 0
    assert shared_paragraphs(paragraphs_of([twice, BRIDGE])).tolist() == [(0, 2 * len(BRIDGE)), (1, len(BRIDGE))]


def test_no_paragraphs_none_shared() -> None:
    found = shared_paragraphs(np.empty(0, KEYED_PARAGRAPH))
    assert found.dtype == SHARED
    assert len(found) == 0


@given(
    rows=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5), st.integers(1, 9)), max_size=40),
    order=st.randoms(use_true_random=False),
)
def test_shared_paragraphs_by_the_letter(rows: list[tuple[int, int, int]], order: Any) -> None:
    documents_of: dict[int, set[int]] = {}
    for key, document, _ in rows:
        documents_of.setdefault(key, set()).add(document)
    expected: dict[int, int] = {}
    for key, document, chars in rows:
        if len(documents_of[key]) > 1:
            expected[document] = expected.get(document, 0) + chars
    order.shuffle(rows)
    assert shared_paragraphs(np.array(rows, KEYED_PARAGRAPH)).tolist() == sorted(expected.items())
