from __future__ import annotations

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
from transforms.text.duplicates import KEYED, PAIR, VERDICT, Fingerprints, candidate_pairs, resolve
from transforms.text.fingerprint import SIGNATURE_BYTES, band_keys, exact_key, fingerprint, similarity

GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden" / "duplicates.json").read_text(encoding="utf-8"))
EXACT, NEAR = duplicates.EXACT_DUPLICATE, duplicates.NEAR_DUPLICATE
Array = npt.NDArray[Any]


def keyed(fingerprints: Sequence[Fingerprint]) -> Array:
    rows = []
    for document, known in enumerate(fingerprints):
        rows.append((exact_key(known.exact), document))
        rows.extend((key, document) for key in (band_keys(known.signature).tolist() if known.signature else []))
    return np.array(rows, KEYED)


class Index:
    def __init__(self, fingerprints: Sequence[Fingerprint]) -> None:
        self.fingerprints = fingerprints

    def __call__(self, documents: npt.NDArray[np.uint64]) -> Fingerprints:
        assert (np.diff(documents.astype(np.int64)) > 0).all(), "asked for unique documents in ascending order"
        known = [self.fingerprints[document] for document in documents.tolist()]
        signatures = b"".join(one.signature or bytes(SIGNATURE_BYTES) for one in known)
        return Fingerprints(
            exact=np.frombuffer(b"".join(one.exact for one in known), np.uint8).reshape(-1, 16),
            signature=np.frombuffer(signatures, np.uint8).reshape(-1, SIGNATURE_BYTES),
            has_signature=np.array([one.signature is not None for one in known], np.bool_),
        )


def verdicts(texts: Sequence[str]) -> Array:
    fingerprints = [fingerprint(text) for text in texts]
    return resolve(candidate_pairs(keyed(fingerprints)), Index(fingerprints))


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


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["label"])
def test_golden(case: dict[str, Any]) -> None:
    texts = ["\n".join(case["paragraphs"][name] for name in document) for document in case["documents"]]
    survivors = list(range(len(texts)))
    for verdict in verdicts(texts):
        survivors[int(verdict["document"])] = int(verdict["survivor"])
    assert survivors == case["survivors"], case["reason"]


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


def test_no_documents_no_pairs_no_verdicts() -> None:
    none = candidate_pairs(np.empty(0, KEYED))
    assert none.dtype == PAIR
    assert len(none) == 0
    found = resolve(none, Index([]))
    assert found.dtype == VERDICT
    assert len(found) == 0


def test_all_pairs_of_a_small_band_bucket() -> None:
    rows = np.array([(2, document) for document in (7, 3, 9, 5, 3, 1)], KEYED)
    assert candidate_pairs(rows).tolist() == list(itertools.combinations((1, 3, 5, 7, 9), 2))


def test_an_exact_key_pairs_with_the_smallest_only() -> None:
    rows = np.array([(3, document) for document in (7, 3, 9)], KEYED)
    assert candidate_pairs(rows).tolist() == [(3, 7), (3, 9)]


def test_pairs_grow_with_the_rows() -> None:
    wide = np.array([(2, document) for document in range(1_000)], KEYED)
    assert candidate_pairs(wide).tolist() == [(0, document) for document in range(1, 1_000)]
    narrow = np.array([(2, document) for document in range(64)], KEYED)
    assert len(candidate_pairs(narrow)) <= 4 * 64


@given(
    rows=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 9)), max_size=80),
    order=st.randoms(use_true_random=False),
    partitions=st.integers(1, 4),
)
def test_neither_order_nor_partition_changes_the_pairs(
    rows: list[tuple[int, int]], order: Any, partitions: int
) -> None:
    expected = candidate_pairs(np.array(rows, KEYED)).tolist()
    order.shuffle(rows)
    parts = [[row for row in rows if row[0] % partitions == part] for part in range(partitions)]
    found = [candidate_pairs(np.array(part, KEYED)).tolist() for part in parts]
    assert sorted({pair for part in found for pair in part}) == expected
    assert all(smaller < larger for smaller, larger in expected)


@st.composite
def fingerprints_of_relatives(draw: st.DrawFn) -> list[Fingerprint]:
    """Copies, edits, and edits of edits of two texts that have nothing in common."""
    known = [sketched(bytes(range(252)) * 2, 0), sketched(bytes(range(252))[::-1] * 2, 1)]
    for number in range(2, draw(st.integers(3, 14))):
        model = draw(st.sampled_from(known))
        share = draw(st.sampled_from([None, 0.3, 0.45, 0.6, 0.8]))
        copied = share is None or model.signature is None
        known.append(model if copied else sketched(like(model.signature or b"", share or 0, number), number))
    return draw(st.permutations(known))


@settings(deadline=None)
@given(fingerprints=fingerprints_of_relatives(), order=st.randoms(use_true_random=False))
def test_what_holds_of_verdicts(fingerprints: list[Fingerprint], order: Any) -> None:
    rows = keyed(fingerprints)
    found = resolve(candidate_pairs(rows), Index(fingerprints))
    shuffled = candidate_pairs(rows).tolist() * 2
    order.shuffle(shuffled)
    assert resolve(np.array(shuffled, PAIR), Index(fingerprints)).tolist() == found.tolist()

    survivor_of = dict(zip(found["document"].tolist(), found["survivor"].tolist(), strict=True))
    assert list(survivor_of) == sorted(set(survivor_of)), "one verdict a loser, in order"
    assert not survivor_of.keys() & set(survivor_of.values()), "a survivor is no loser"
    for document, survivor, stated, kind in found.tolist():
        assert survivor < document
        true = similarity(fingerprints[document].signature or b"", fingerprints[survivor].signature or b"")
        assert stated == pytest.approx(true)
        assert true >= duplicates.THRESHOLD_IN_FAMILY
        assert (kind == EXACT) == (fingerprints[document].exact == fingerprints[survivor].exact)
    for first, one in enumerate(fingerprints):
        for second, other in enumerate(fingerprints):
            if one.exact == other.exact:
                assert survivor_of.get(first, first) == survivor_of.get(second, second)
